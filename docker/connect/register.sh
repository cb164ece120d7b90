#!/bin/bash
# register.sh: what Debezium needs in the database, and its connector.  May be
# run again: a role, a publication and a connector that are there are brought up
# to date.  The password is nowhere in the connector's configuration, which
# Kafka keeps: Connect reads it from its own environment.
set -euo pipefail

from_file() {
    local file=${1}_FILE
    if [ -n "${!file:-}" ]; then export "$1=$(<"${!file}")"; fi
}
for name in POSTGRES_PASSWORD DEBEZIUM_PASSWORD; do from_file $name; done
export PGPASSWORD=$POSTGRES_PASSWORD

while [ "$(psql -XqAt -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "SELECT to_regclass('hospital.billing_payments') IS NOT NULL")" != t ]; do
    echo "waiting for the hospital"
    sleep 2
done
psql -Xq -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" -o /dev/null -f - <<'SQL'
\getenv debezium DEBEZIUM_USER
\getenv debezium_password DEBEZIUM_PASSWORD
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SET log_min_duration_statement = -1;
SELECT format('CREATE ROLE %I LOGIN REPLICATION', :'debezium')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'debezium') \gexec
SELECT format('ALTER ROLE %I PASSWORD %L', :'debezium', :'debezium_password') \gexec
GRANT USAGE ON SCHEMA hospital TO :"debezium";
GRANT SELECT ON ALL TABLES IN SCHEMA hospital TO :"debezium";
SQL
psql -Xq -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" -o /dev/null -f /hospital/connect/publication.sql

perl -MHTTP::Tiny -e '
    my ($url, $file) = @ARGV;
    my $config = do { local (@ARGV, $/) = $file; <> };
    for (1 .. 150)
    {
        my $answer = HTTP::Tiny->new(timeout => 20)->put("$url/connectors/hospital/config",
            { headers => { "Content-Type" => "application/json" }, content => $config });
        if ($answer->{success}) { print "connector registered: $url/connectors/hospital/status\n"; exit 0 }
        die "Connect refuses: $answer->{content}\n" if $answer->{status} == 400;
        print "waiting for Connect\n" if $_ % 5 == 1;
        sleep 2;
    }
    die "Connect does not answer\n"' "$CONNECT_URL" /hospital/connect/hospital-postgres.json
