#!/bin/sh
# start.sh: hands pgAdmin the hospital's server and its password, made from the
# environment, then goes on as the image does.
set -eu
umask 077

from_file() { eval "file=\${$1_FILE:-}"; if [ -n "$file" ]; then eval "$1=\$(cat \"\$file\")"; fi; }
from_file HOSPITAL_PASSWORD

folder=$(mktemp -d)
PGPASS_FILE=$folder/pgpass
PGADMIN_SERVER_JSON_FILE=$folder/servers.json
export PGPASS_FILE PGADMIN_SERVER_JSON_FILE

field() { printf '%s' "$1" | sed 's/[\\:]/\\&/g'; }
string() { printf '"%s"' "$(printf '%s' "$1" | sed 's/[\\"]/\\&/g')"; }

printf '%s:%s:*:%s:%s\n' "$DB_HOST" "$DB_PORT" "$(field "$HOSPITAL_USER")" "$(field "$HOSPITAL_PASSWORD")" > "$PGPASS_FILE"
cat > "$PGADMIN_SERVER_JSON_FILE" <<JSON
{"Servers": {"1": {
    "Name": $(string "$SERVER_NAME"), "Group": "Servers",
    "Host": $(string "$DB_HOST"), "Port": $DB_PORT,
    "MaintenanceDB": $(string "$POSTGRES_DB"), "Username": $(string "$HOSPITAL_USER"),
    "ConnectionParameters": {"sslmode": "prefer", "passfile": "/.pgpass"}
}}}
JSON

# The image copies the password file at its first start only; it may be another one now.
storage=/var/lib/pgadmin/storage/$(printf '%s' "$PGADMIN_DEFAULT_EMAIL" | sed 's/@/_/g')
if [ -d "$storage" ]; then cp "$PGPASS_FILE" "$storage/.pgpass"; fi

unset HOSPITAL_PASSWORD
exec /entrypoint.sh
