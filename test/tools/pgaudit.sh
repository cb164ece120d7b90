#!/bin/bash
# pgaudit.sh: reads of a hospital's records in the log, by pgaudit and the role
# hospital_audit: who read which table, whatever the way, and what is not logged.
# The package is taken as it is, or fetched from apt; nothing is installed.
source "$(dirname "${BASH_SOURCE[0]}")/lib/server.sh"

DB=audited

# pgaudit for this server: its own, or that of the package, unpacked in the cache.
find_pgaudit() {
    local major=$1 folder=$CACHE/pgaudit-$1
    PGAUDIT=$("$BINDIR/pg_config" --pkglibdir)/pgaudit.so
    [ ! -e "$PGAUDIT" ] || return 0
    PGAUDIT=$folder/usr/lib/postgresql/$major/lib/pgaudit.so
    [ ! -e "$PGAUDIT" ] || return 0
    command -v apt-get >/dev/null && command -v dpkg >/dev/null || return 1
    as_user rm -rf "$folder" && as_user mkdir -p "$folder" &&
        (cd "$folder" && as_user apt-get -q download "postgresql-$major-pgaudit" && as_user dpkg -x ./*.deb .) >/dev/null 2>&1
    [ -e "$PGAUDIT" ]
}

tool_server pgaudit "log_line_prefix = '%u@%d %b '" "log_statement = 'none'"
find_pgaudit "$("$BINDIR/pg_config" --version | sed 's/^PostgreSQL \([0-9]*\).*/\1/')" || skip "no pgaudit for this server, and none from apt"
stop_cluster
write_settings "fsync = off" "shared_buffers = 256MB" "log_line_prefix = '%u@%d %b '" "log_statement = 'none'" \
    "shared_preload_libraries = 'hospital,$PGAUDIT'" "pgaudit.role = 'hospital_audit'"
start_cluster
LOG=$WORK/pg/server.log

query -d postgres -c "CREATE DATABASE $DB"
psql_do -q -d $DB -c "SET client_min_messages = warning" -c "CREATE EXTENSION hospital" \
    -c "CALL hospital_create(people => 10000, beds => 200, seed => 734512095218845130, start_date => '2020-01-01', end_date => '2020-03-31')" \
    -c "CALL hospital_load_people()" -c "CALL hospital_load_staff()" -c "CALL hospital_run(2)" -c "CALL hospital_create_roles()" \
    -c "CREATE ROLE anna LOGIN" -c "CREATE ROLE dr_cele LOGIN" -c "GRANT hospital_analyst TO anna" -c "GRANT hospital_clinician TO dr_cele" \
    -c "INSERT INTO hospital.clinicians (role_name, staff_id) SELECT 'dr_cele', min(staff_id) FROM hospital.staff WHERE department_code = 'IM' AND left_on IS NULL" 2>"$WORK/log/made.log"

# audited ROLE QUERY: the tables whose reading it leaves in the log
audited() {
    local from
    from=$(stat -c %s "$LOG")
    psql_do -qAt -d $DB -c "SET client_min_messages = error" -c "SET SESSION AUTHORIZATION $1" -c "$2" >/dev/null 2>&1
    tail -c "+$((from + 1))" "$LOG" | sed -n 's/^\([^@]*\)@'$DB'.*AUDIT: OBJECT,[0-9]*,[0-9]*,READ,[A-Z ]*,[A-Z ]*,\(hospital[a-z_.]*\),.*/\2/p' | sort -u | xargs
}

is() {
    if [ "$1" = "$2" ]; then say "ok      $3"; else say "FAILED  $3: '$1' instead of '$2'"; FAILED=1; fi
}

is "$(audited dr_cele 'SELECT * FROM hospital.patients LIMIT 1')" "hospital.patients hospital.visits" "a clinician who reads patients"
is "$(audited dr_cele 'SELECT * FROM hospital.patients WHERE patient_id = 0')" "hospital.patients hospital.visits" "who finds none"
is "$(audited dr_cele 'SELECT staff_id, last_name FROM hospital.staff')" "hospital.staff" "names of staff"
is "$(audited dr_cele 'SELECT staff_id, department_code FROM hospital.staff')" "" "but not their departments"
is "$(audited dr_cele 'SELECT * FROM hospital.departments')" "" "a table without persons is not logged"
is "$(audited dr_cele 'COPY hospital.lab_results TO STDOUT')" "hospital.lab_results hospital.visits" "COPY"
is "$(audited dr_cele 'DO $x$ BEGIN PERFORM FROM hospital.diagnoses; END $x$')" "hospital.diagnoses hospital.visits" "a DO block"
is "$(audited dr_cele "PREPARE p AS SELECT * FROM hospital.visits; EXECUTE p")" "hospital.visits" "a prepared statement"
is "$(audited anna 'SELECT count(*) FROM hospital_research.visits')" "hospital.privacy hospital.visits" "an analyst's view, as what is below it"
is "$(audited postgres 'SELECT * FROM hospital.people LIMIT 1')" "hospital.people" "a superuser"
is "$(audited postgres "SET pgaudit.role = ''; SELECT * FROM hospital.people LIMIT 1")" "" "who switches it off is not logged: a limit"
is "$(audited anna 'SELECT * FROM hospital.people')" "" "nor is what was refused: that is an error in the log"

from=$(stat -c %s "$LOG")
psql_do -q -d $DB -c "SET client_min_messages = warning" -c "CALL hospital_run(5)" >/dev/null
say "        lines of the log for five days that come in: $(tail -c "+$((from + 1))" "$LOG" | grep -c 'AUDIT:')"
exit $FAILED
