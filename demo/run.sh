#!/bin/bash
# run.sh: the demo.  "make demo" installs what is missing, builds hospital, makes
# a private cluster with a hospital in it, lets its first day come in through a
# file and through the stream, and shows what is there.  Every step looks first
# whether it is done already, so the script can be interrupted anywhere and run
# again.
#
# usage: run.sh [start|stop|clean]; NUM_PEOPLE in the environment
source "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

DB=hospital
OWNER=hospital
PEOPLE=${NUM_PEOPLE:-5000000}

# As the owner of the hospital, who is not a superuser.
hospital_psql() { psql_do -U "$OWNER" -d "$DB" "$@"; }
hospital_query() { hospital_psql -qAt -c "$1"; }

# Seconds that a step took, kept for the tour and for the next run.
note_time() { sed -i "/^$1|/d" "$TIMES" 2>/dev/null || true; printf '%s|%s|%s\n' "$1" "$2" "$3" >> "$TIMES"; }

check_arguments() {
    case $PEOPLE in
        ''|*[!0-9]*|0*) die "NUM_PEOPLE=$PEOPLE is not a number of people" "Say, for example: make demo NUM_PEOPLE=100000" ;;
    esac
    [ ${#PEOPLE} -le 8 ] || die "NUM_PEOPLE=$PEOPLE is more than a city can have" "Say at most 50000000."
}

# About 450 bytes a person with indexes, as much again of write-ahead log.
check_room() {
    local need=$((PEOPLE / 1000 + 500))
    [ -e "$WORK/pg/data" ] || [ "$(free_mb)" -ge "$need" ] ||
        die "$WORK has $(free_mb) MB free, $PEOPLE people need about $need MB" \
            "Make room, or ask for fewer: make demo NUM_PEOPLE=100000"
}

make_database() {
    if [ "$(query -d postgres -c "SELECT count(*) FROM pg_database WHERE datname = '$DB'")" = 0 ]; then
        query -d postgres -c "SET client_min_messages = warning" -c "DROP ROLE IF EXISTS $OWNER" -c "CREATE ROLE $OWNER LOGIN" \
            -c "CREATE DATABASE $DB OWNER $OWNER"
    fi
    if [ "$(query -d "$DB" -c "SELECT count(*) FROM pg_extension WHERE extname = 'hospital'")" = 1 ]; then
        say "   extension: there already"
    else
        query -d "$DB" --single-transaction -c "CREATE EXTENSION hospital" \
            -c "GRANT CREATE, USAGE ON SCHEMA hospital TO $OWNER" \
            -c "GRANT EXECUTE ON FUNCTION hospital_start(), hospital_stop() TO $OWNER" \
            -c "GRANT pg_monitor, pg_read_server_files, pg_write_server_files TO $OWNER"
        cksum < "$TOP/hospital--1.0.sql" > "$WORK/log/extension"
        say "   extension: CREATE EXTENSION hospital"
    fi
    [ "$(cat "$WORK/log/extension" 2>/dev/null)" = "$(cksum < "$TOP/hospital--1.0.sql")" ] ||
        say "   note: this database was made by other sources than those here now; make clean-demo starts afresh"
}

make_hospital() {
    local has
    if [ "$(hospital_query "SELECT to_regclass('hospital.simulation') IS NOT NULL")" = t ]; then
        has=$(hospital_query "SELECT people FROM hospital.simulation")
    fi
    if [ -n "${has:-}" ]; then
        if [ -n "${NUM_PEOPLE:-}" ] && [ "$NUM_PEOPLE" != "$has" ]; then
            die "the demo's hospital has $has people, and that cannot be changed" \
                "Remove it first (make clean-demo), or leave NUM_PEOPLE out to see it as it is."
        fi
        PEOPLE=$has
        say "   hospital: kept, a city of $PEOPLE people"
    else
        hospital_psql -q -c "CALL hospital_create(people => $PEOPLE)"
        say "   hospital: created, a city of $PEOPLE people"
    fi
}

load_people() {
    local began
    if [ -e "$WORK/log/people-$PEOPLE" ]; then
        say "   people: kept, $PEOPLE of them"
        return 0
    fi
    say "   CALL hospital_load_people()"
    began=$(now_ms)
    hospital_psql -c "CALL hospital_load_people()"
    note_time "1 people" "$(seconds_since "$began")" "$PEOPLE people with primary key and unique ID numbers"
    query -d "$DB" -c "VACUUM (FREEZE, ANALYZE) hospital.people"
    touch "$WORK/log/people-$PEOPLE"
    say "   people: $PEOPLE in $(seconds_since "$began") s"
}

load_staff() {
    local began
    if [ -e "$WORK/log/staff" ]; then
        say "   staff: kept"
        return 0
    fi
    say "   CALL hospital_load_staff()"
    began=$(now_ms)
    hospital_psql -c "CALL hospital_load_staff()"
    query -d "$DB" -c "VACUUM (ANALYZE) hospital.staff, hospital.staff_assignments"
    note_time "2 staff" "$(seconds_since "$began")" \
        "$(hospital_query "SELECT count(*) FROM hospital.staff") staff, $(hospital_query "SELECT count(*) FROM hospital.staff_assignments") shifts"
    touch "$WORK/log/staff"
    say "   staff: loaded in $(seconds_since "$began") s"
}

# Two of the files; people.csv would take as long as the load.
export_files() {
    if [ -e "$WORK/log/exported" ]; then
        say "   files: kept"
        return 0
    fi
    hospital_psql -q -c "CALL hospital_export('doctors')" -c "CALL hospital_export('assigned_staff')"
    touch "$WORK/log/exported"
    say "   files: doctors.csv, assigned_staff.csv"
}

DAY="(SELECT start_date FROM hospital.simulation)"
# admissions ingested, transfers arrived, transfers due
first_day() {
    hospital_query "SELECT (SELECT coalesce(sum(rows), 0) FROM hospital.batches
                             WHERE kind = 'admissions' AND day = $DAY AND state = 'ingested'),
                           (SELECT count(*) FROM hospital.transfers
                             WHERE (event_time AT TIME ZONE 'Africa/Johannesburg')::date = $DAY),
                           (SELECT transfers_per_day FROM hospital.simulation)"
}

run_first_day() {
    local began state admissions transfers due shown=
    state=$(hospital_query "SELECT desired FROM hospital.run_state" || true)
    began=$(now_ms)
    if [ "$state" = running ]; then
        say "   live simulation: running already"
    else
        hospital_psql -q -c "SELECT hospital_start()" >/dev/null
        say "   live simulation: started; a hospital day takes ten seconds"
    fi
    while :; do
        IFS='|' read -r admissions transfers due < <(first_day 2>>"$WORK/log/first-day.err") ||
            admissions=0 transfers=0 due=1
        if [ "$admissions $transfers" != "$shown" ]; then
            say "   first day, after $(seconds_since "$began") s: $admissions admissions through the file, $transfers of $due transfers through the stream"
            shown="$admissions $transfers"
        fi
        [ "$admissions" -gt 0 ] && [ "$transfers" -ge "$due" ] && break
        if [ $(( $(now_ms) - began )) -gt 180000 ]; then
            hospital_psql -c "SELECT * FROM hospital.status" || true
            die "the first day has not arrived within three minutes" \
                "What the workers said is at the end of $WORK/pg/server.log."
        fi
        sleep 0.5
    done
    [ -e "$WORK/log/first-day" ] ||
        note_time "3 first day" "$(seconds_since "$began")" "$admissions admissions by file, $transfers transfers by stream"
    touch "$WORK/log/first-day"
}

tour() {
    local style=ascii bar='#'
    case ${LC_ALL:-${LC_CTYPE:-${LANG:-}}} in
        *[Uu][Tt][Ff]8*|*[Uu][Tt][Ff]-8*) style=unicode bar='█' ;;
    esac
    psql_do -U "$OWNER" -d "$DB" -q -P pager=off -P linestyle=$style -P border=1 -P footer=off -P null='' \
        -v bar="$bar" -v style="$style" -f - < "$TOP/demo/tour.sql"
    head1 "How long it took"
    sort "$TIMES" | sed 's/^[0-9]* //' | awk -F'|' '{ printf "   %-12s %8s s   %s\n", $1, $2, $3 }'
    # the files, so that one can go and look
    head1 "Where it is"
    (cd "$WORK/data" && find . -type f -size +0 | LC_ALL=C sort | head -n 6 | sed "s|^\.|   $WORK/data|")
    say ""
    say "   connect   $( [ "$(id -u)" = "$RUN_UID" ] || [ "$(id -u)" = 0 ] || echo "sudo -u $RUN_USER ")psql -h $SOCKETS -p $PORT -U $OWNER $DB"
    say "   stop      make demo-stop     (make demo goes on from there)"
    say "   remove    make clean-demo"
}

start() {
    check_arguments
    head1 "1. What is needed"
    install_missing
    make_work demo
    TIMES=$WORK/log/times
    check_room
    head1 "2. Build (in $WORK)"
    copy_server
    copy_sources
    build "compiling and installing hospital" WERROR=
    head1 "3. A private cluster"
    make_cluster
    write_settings "hospital.databases = '$DB'" "hospital.kafka_brokers = 'embedded'" \
        "hospital.batch_interval = 10s" "hospital.stream_interval = 2s"
    start_cluster
    make_database
    head1 "4. A city and its hospital"
    make_hospital
    load_people
    load_staff
    export_files
    head1 "5. The first day"
    run_first_day
    tour
    say ""
    say "done in $((SECONDS - STARTED)) s; the hospital goes on living, a day every ten seconds, until it is stopped"
}

stop() {
    find_work demo use || die "there is no demo to stop"
    lock_work
    BINDIR=$(dirname "$(find "$WORK/server" -name pg_ctl -type f | head -n 1)")
    stop_cluster
    say "stopped; make demo goes on from here"
}

case ${1:-start} in
    start) start ;;
    stop) stop ;;
    clean) clean_work demo ;;
    *) die "usage: run.sh [start|stop|clean]" ;;
esac
