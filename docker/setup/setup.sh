#!/bin/bash
# setup.sh: make what a fresh server lacks: roles, the extension, the hospital,
# its people and staff; then let it run.  Each step looks first whether it is
# done, so this runs at every start, and goes on where it was cut short.
#
# LOAD=no leaves the tables of people and staff empty: who only produces reads neither.
#
# The passwords are those of the environment (or of the files that *_FILE name)
# at each start, but the administrator's: that is made with the cluster.
set -euo pipefail

say() { printf '%s\n' "$*"; }
die() { printf 'error: %s\n' "$1" >&2; shift; printf '       %s\n' "$@" >&2; exit 1; }

# NAME, or the content of the file that NAME_FILE names.
from_file() {
    local file=${1}_FILE
    if [ -n "${!file:-}" ]; then export "$1=$(<"${!file}")"; fi
}
for name in POSTGRES_PASSWORD HOSPITAL_PASSWORD VIEWER_PASSWORD; do from_file $name; done

admin() { PGPASSWORD=$POSTGRES_PASSWORD psql -Xq -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" "$@"; }
owner() { PGPASSWORD=$HOSPITAL_PASSWORD psql -Xq -v ON_ERROR_STOP=1 -U "$HOSPITAL_USER" -d "$POSTGRES_DB" "$@"; }
ask() { owner -At -c "$1"; }

make_roles() {
    # Whatever is set there, no statement with a password may reach the log.
    admin -d postgres -o /dev/null -f - <<'SQL'
\getenv owner HOSPITAL_USER
\getenv owner_password HOSPITAL_PASSWORD
\getenv viewer VIEWER_USER
\getenv viewer_password VIEWER_PASSWORD
\getenv database POSTGRES_DB
SET client_min_messages = warning;
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SET log_min_duration_statement = -1;
SELECT format('CREATE ROLE %I LOGIN', r) FROM unnest(ARRAY[:'owner', :'viewer']) r
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r) \gexec
SELECT format('ALTER ROLE %I PASSWORD %L', :'owner', :'owner_password') \gexec
SELECT format('ALTER ROLE %I PASSWORD %L', :'viewer', :'viewer_password') \gexec
GRANT pg_monitor TO :"owner";
GRANT pg_monitor TO :"viewer";
ALTER ROLE :"viewer" SET default_transaction_read_only = on;
ALTER ROLE :"viewer" SET statement_timeout = '30s';
SELECT format('CREATE DATABASE %I OWNER %I', :'database', :'owner')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database') \gexec
SQL
}

# The owner of the hospital is no superuser: what only he may call is granted by
# looking, so that it stays right with another version.
make_extension() {
    admin -d "$POSTGRES_DB" -o /dev/null -f - <<'SQL'
\getenv owner HOSPITAL_USER
\getenv viewer VIEWER_USER
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS hospital;
ALTER EXTENSION hospital UPDATE;
GRANT CREATE, USAGE ON SCHEMA hospital, hospital_mart TO :"owner";
SELECT format('GRANT EXECUTE ON ROUTINE %s TO %I', p.oid::regprocedure, :'owner')
FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'hospital'
WHERE NOT has_function_privilege('public', p.oid, 'EXECUTE') \gexec
GRANT USAGE ON SCHEMA hospital TO :"viewer";
GRANT SELECT ON ALL TABLES IN SCHEMA hospital TO :"viewer";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA hospital GRANT SELECT ON TABLES TO :"viewer";
SQL
}

make_hospital() {
    if [ "$(ask "SELECT to_regclass('hospital.simulation') IS NULL")" = t ]; then
        owner -c "CALL hospital_create()"
    else
        # an image with a newer release: the extension is updated above, its tables here
        owner -o /dev/null -c "SET client_min_messages = warning" -c "CALL hospital_upgrade_tables()"
    fi
    owner -v viewer="${VIEWER_USER:-viewer}" -o /dev/null -f - <<'SQL'
GRANT SELECT ON ALL TABLES IN SCHEMA hospital_mart TO :"viewer";
SQL
    say "hospital: $(ask "SELECT format('%s people, %s beds, %s to %s, seed %s', people, beds, start_date, end_date, seed) FROM hospital.simulation")"
    local differs
    differs=$(ask "SELECT string_agg(format('%s=%s', what, proposed), ' ')
        FROM hospital.simulation, LATERAL (VALUES
            ('NUM_PEOPLE', people::text, current_setting('hospital.num_people')),
            ('START_DATE', start_date::text, current_setting('hospital.start_date')),
            ('END_DATE', end_date::text, current_setting('hospital.end_date')),
            ('SEED', seed::text, current_setting('hospital.seed'))) x (what, frozen, proposed)
        WHERE frozen <> proposed")
    [ -z "$differs" ] || say "          $differs changes nothing here: what a hospital is was frozen when it was made"
}

load() {
    say "people:   loading"
    owner -c "CALL hospital_load_people()"
    say "staff:    loading"
    owner -c "CALL hospital_load_staff()"
    owner -c "ANALYZE hospital.people, hospital.staff, hospital.staff_assignments"
    say "          $(ask "SELECT format('%s people, %s staff', (SELECT count(*) FROM hospital.people), (SELECT count(*) FROM hospital.staff))")"
}

fill_and_start() {
    if [ "$(ask "SELECT anchor_at IS NOT NULL FROM hospital.run_state")" = t ]; then
        say "running:  $(ask "SELECT desired FROM hospital.run_state"), as it was left"
        return 0
    fi
    if [ "${LOAD:-yes}" != no ]; then load; fi
    case ${AUTO_START:-yes} in
        yes|on|true|1) owner -o /dev/null -c "SELECT hospital_start()"; say "running:  started" ;;
        *) say "running:  not started (AUTO_START=$AUTO_START); SELECT hospital_start() does it" ;;
    esac
}

admin -At -d postgres -c "SELECT 'server:   PostgreSQL ' || current_setting('server_version')" ||
    die "the administrator cannot log in" \
        "POSTGRES_PASSWORD is the one with which the volume was first made; it is changed by ALTER ROLE, in .env and there."
make_roles
make_extension
make_hospital
fill_and_start
owner -P pager=off -c "SELECT worker, state, last_error FROM hospital.status"
