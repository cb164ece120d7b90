#!/bin/bash
# run.sh: the demo.  "make demo" installs what is missing, builds hospital, makes
# a private cluster with a hospital in it, runs its first month, lets a live day
# come in through files and through the stream, and shows what is there.  Every
# step looks first whether it is done already, so the script can be interrupted
# anywhere and run again.
#
# usage: run.sh [start|stop|clean|report]; in the environment NUM_PEOPLE, KAFKA:
# embedded, the default, or real, for an Apache Kafka of the demo's own, and
# PAGE_PORT: where the dashboards are served (8090, or the next that is free).
# report writes the validation report of the demo's hospital to REPORT
source "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

DB=hospital
OWNER=hospital
PEOPLE=${NUM_PEOPLE:-5000000}
MONTH=30

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
    case ${KAFKA:-} in
        ''|embedded|real) ;;
        *) die "KAFKA=$KAFKA is no broker that the demo knows" "Say KAFKA=real for an Apache Kafka, or leave it out." ;;
    esac
}

# The positions in the tables are those of one broker: a demo stays with the kind it began with.
choose_broker() {
    local has
    has=$(find_work demo use && cat "$WORK/log/broker" 2>/dev/null) || true
    if [ -n "$has" ] && [ "${KAFKA:-$has}" != "$has" ]; then
        die "the demo that is here was made with KAFKA=$has" "Remove it first (make clean-demo), or leave KAFKA out to see it as it is."
    fi
    KAFKA=${has:-${KAFKA:-embedded}}
    BROKER=embedded
}

install_programs() {
    if [ "$KAFKA" = real ]; then
        say "   Apache Kafka needs Java, Maven (which fetches it) and kcat; the demo without KAFKA=real does not"
        install_missing kafka
    else
        install_missing
    fi
}

# About 450 bytes a person with indexes, as much again of write-ahead log.
check_room() {
    local need=$((PEOPLE / 1000 + 500))
    [ "$KAFKA" != real ] || need=$((need + 500))
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
            -c "GRANT CREATE, USAGE ON SCHEMA hospital, hospital_mart TO $OWNER" \
            -c "GRANT EXECUTE ON FUNCTION hospital_start(boolean), hospital_stop(), hospital_audit_stream() TO $OWNER" \
            -c "GRANT EXECUTE ON PROCEDURE hospital_run(int, int), hospital_ingest(text, text), hospital_undo_batch(bigint),
                hospital_export(text, text, text, date, text, text, date, date, boolean) TO $OWNER" \
            -c "GRANT pg_monitor TO $OWNER"
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

# Who looks at the dashboards sees the marts and the clock, and cannot write.
make_viewer() {
    if [ "$(hospital_query "SELECT to_regnamespace('hospital_mart') IS NULL")" = t ]; then
        say "   marts: none, this hospital is older than they are; make clean-demo starts afresh"
        return 0
    fi
    query -d "$DB" -c "SET client_min_messages = warning" \
        -c "DO \$\$ BEGIN IF to_regrole('viewer') IS NULL THEN CREATE ROLE viewer LOGIN; END IF; END \$\$" \
        -c "ALTER ROLE viewer SET default_transaction_read_only = on" -c "ALTER ROLE viewer SET statement_timeout = '15s'"
    hospital_psql -q -c "GRANT SELECT ON ALL TABLES IN SCHEMA hospital_mart TO viewer" \
        -c "ALTER DEFAULT PRIVILEGES IN SCHEMA hospital_mart GRANT SELECT ON TABLES TO viewer" \
        -c "GRANT SELECT ON hospital.run_window TO viewer"
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

thousands() { printf '%s' "$1" | sed ':a; s/^\([0-9]\+\)\([0-9]\{3\}\)/\1,\2/; ta'; }

# show_days DONE TOTAL RECORDS BEGAN: a bar on a terminal, a line now and then elsewhere.
show_days() {
    local width=40 full bar='#' left='.'
    case ${LC_ALL:-${LC_CTYPE:-${LANG:-}}} in *[Uu][Tt][Ff]8*|*[Uu][Tt][Ff]-8*) bar='█' left='░' ;; esac
    if [ -t 1 ]; then
        full=$((width * $1 / $2))
        printf '\r\e[K   %s%s %3d of %d days, %s records, %s s' \
            "$(printf "%${full}s" '' | sed "s/ /$bar/g")" "$(printf "%$((width - full))s" '' | sed "s/ /$left/g")" \
            "$1" "$2" "$(thousands "$3")" "$(seconds_since "$4")"
    elif [ $(( $(now_ms) - SAID )) -ge 3000 ]; then
        SAID=$(now_ms)
        say "   $1 of $2 days, $(thousands "$3") records, $(seconds_since "$4") s"
    fi
}

# A month of days, as fast as it goes.
run_month() {
    local began left log=$WORK/log/month.log rc=0 done total records
    left=$((MONTH - $(hospital_query "SELECT count(*) FROM hospital.days")))
    if [ -e "$WORK/log/month" ] || [ "$left" -le 0 ]; then
        say "   a month: kept"
        touch "$WORK/log/month"
        return 0
    fi
    say "   CALL hospital_run($left)"
    began=$(now_ms) SAID=$(now_ms)
    set -m
    hospital_psql -q -c "CALL hospital_run($left)" >"$log" 2>&1 </dev/null &
    STEP_PID=$!
    set +m
    while kill -0 "$STEP_PID" 2>/dev/null; do
        IFS='|' read -r done total records < <(hospital_query \
            "SELECT days_done, days_total, rows_done FROM hospital.progress WHERE activity = 'run'" 2>/dev/null) || done=
        [ -z "$done" ] || show_days "$done" "$total" "$records" "$began"
        sleep 0.2
    done
    wait "$STEP_PID" || rc=$?
    STEP_PID=
    if [ -t 1 ]; then printf '\r\e[K'; fi
    if [ $rc != 0 ]; then
        sed 's/^/   | /' "$log"
        die "the month did not come to its end" "make demo goes on from there."
    fi
    records=$(hospital_query "SELECT sum(rows) FROM hospital.days")
    note_time "3 a month" "$(seconds_since "$began")" \
        "$(thousands "$records") records of $MONTH days through $(hospital_query "SELECT count(*) FROM hospital.batches") files, $(hospital_query "SELECT pg_size_pretty(sum(bytes)) FROM hospital.days")"
    say "   a month: $(thousands "$records") records of $MONTH days written and ingested in $(seconds_since "$began") s"
    query -d "$DB" -c "VACUUM (ANALYZE)"
    touch "$WORK/log/month"
}

# The day with which the live clock began, or began again.
DAY="(SELECT anchor_day FROM hospital.run_state)"
# records of the day ingested; transfers and prescriptions that came from the
# broker, alerts; half of the messages were visible within so many ms; transfers of the day
live_day() {
    hospital_query "SELECT (SELECT coalesce(sum(rows), 0) FROM hospital.batches WHERE day = $DAY AND state = 'ingested'),
                           coalesce(sum(rows) FILTER (WHERE topic LIKE '%transfers'), 0),
                           coalesce(sum(rows) FILTER (WHERE topic LIKE '%prescriptions'), 0),
                           (SELECT count(*) FROM hospital.alerts),
                           (SELECT round(max(p50_ms)::numeric, 1) FROM hospital.stream_stages WHERE stage = 'visible'),
                           (SELECT transfers_per_day FROM hospital.simulation)
                    FROM hospital.stream_ranges"
}

run_live_day() {
    local began state records transfers prescriptions alerts visible due shown=
    state=$(hospital_query "SELECT desired FROM hospital.run_state" || true)
    began=$(now_ms)
    if [ "$state" = running ]; then
        say "   live simulation: running already"
    else
        hospital_psql -q -c "SELECT hospital_start()" >/dev/null
        say "   live simulation: started with $(hospital_query "SELECT $DAY"); a hospital day takes ten seconds"
    fi
    while :; do
        IFS='|' read -r records transfers prescriptions alerts visible due < <(live_day 2>>"$WORK/log/live-day.err") ||
            records=0 transfers=0 prescriptions=0 alerts=0 visible= due=1
        if [ "$records $transfers $prescriptions" != "$shown" ]; then
            say "   after $(seconds_since "$began") s: through the stream $transfers transfers ($due a day), $(thousands "$prescriptions") prescriptions, $(thousands "$alerts") alerts;" \
                "through files $(thousands "$records") records${visible:+; broker to row $visible ms}"
            shown="$records $transfers $prescriptions"
        fi
        [ "$records" -gt 0 ] && [ "$transfers" -ge "$due" ] && [ -n "$visible" ] && break
        if [ $(( $(now_ms) - began )) -gt 180000 ]; then
            hospital_psql -c "SELECT * FROM hospital.status" || true
            die "the first live day has not arrived within three minutes" \
                "What the workers said is at the end of $WORK/pg/server.log."
        fi
        sleep 0.3
    done
    [ -e "$WORK/log/live-day" ] ||
        note_time "4 a live day" "$(seconds_since "$began")" \
            "$(thousands "$records") records by files, $transfers transfers and $(thousands "$prescriptions") prescriptions by stream"
    touch "$WORK/log/live-day"
}

# As anybody who reads the topic sees them.
show_messages() {
    head1 "Two of Kafka's messages, by kcat -b $BROKER -t hospital.transfers"
    kcat -q -b "$BROKER" -t hospital.transfers -C -o beginning -c 2 -e -f 'key %k, headers %h\n%s\n' 2>/dev/null | sed 's/^/   /' || true
}

tour() {
    local style=ascii bar='#'
    case ${LC_ALL:-${LC_CTYPE:-${LANG:-}}} in
        *[Uu][Tt][Ff]8*|*[Uu][Tt][Ff]-8*) style=unicode bar='█' ;;
    esac
    psql_do -U "$OWNER" -d "$DB" -q -P pager=off -P linestyle=$style -P border=1 -P footer=off -P null='' \
        -v bar="$bar" -v style="$style" -f - < "$TOP/demo/tour.sql"
    [ "$KAFKA" != real ] || show_messages
    head1 "How long it took"
    sort "$TIMES" | sed 's/^[0-9]* //' | awk -F'|' '{ printf "   %-12s %8s s   %s\n", $1, $2, $3 }'
    # the files, so that one can go and look
    head1 "Where it is"
    (
        cd "$WORK/data"
        { find . -type f -name '*.csv' ! -path './lake/*'; find "$(find ./lake -type d -name 'date=*' | LC_ALL=C sort | head -n 1)" -type f; } |
            LC_ALL=C sort | head -n 18
        find ./lake/stream -name '*.jsonl' | LC_ALL=C sort | sed -n '1p;$p'
    ) | sed "s|^\.|   $WORK/data|"
    say ""
    [ -z "$PAGE" ] || say "   look      $PAGE    (dashboards, in a browser on this machine)"
    say "   connect   $( [ "$(id -u)" = "$RUN_UID" ] || [ "$(id -u)" = 0 ] || echo "sudo -u $RUN_USER ")psql -h $SOCKETS -p $PORT -U $OWNER $DB"
    say "   stop      make demo-stop     (make demo goes on from there)"
    say "   remove    make clean-demo"
}

start() {
    check_arguments
    choose_broker
    head1 "1. What is needed"
    install_programs
    make_work demo
    TIMES=$WORK/log/times
    check_room
    head1 "2. Build (in $WORK)"
    copy_server
    copy_sources
    build "compiling and installing hospital" WERROR=
    head1 "3. A private cluster"
    if [ "$KAFKA" = real ]; then
        start_kafka || die "there is no Apache Kafka to be had here" "make demo without KAFKA=real shows the same with the broker that is built in."
    fi
    echo "$KAFKA" > "$WORK/log/broker"
    make_cluster
    write_settings "hospital.databases = '$DB'" "hospital.kafka_brokers = '$BROKER'" \
        "hospital.topics = 'transfers, prescriptions'" "hospital.batch_interval = 10s" "hospital.stream_interval = 2s"
    start_cluster
    make_database
    head1 "4. A city and its hospital"
    make_hospital
    make_viewer
    load_people
    load_staff
    export_files
    head1 "5. A month of days"
    run_month
    head1 "6. Live"
    run_live_day
    start_page "$DB" viewer
    tour
    say ""
    say "done in $((SECONDS - STARTED)) s; the hospital goes on living, a day every ten seconds, until it is stopped"
}

stop() {
    find_work demo use || die "there is no demo to stop"
    lock_work
    BINDIR=$(dirname "$(find "$WORK/server" -name pg_ctl -type f | head -n 1)")
    stop_page
    stop_cluster
    stop_kafka
    say "stopped; make demo goes on from here"
}

report() {
    local file=${REPORT:-$TOP/report.html}
    find_work demo use || die "there is no demo to report on" "make demo makes one."
    lock_work
    BINDIR=$(dirname "$(find "$WORK/server" -name pg_ctl -type f | head -n 1)")
    cluster_runs || die "the demo is stopped" "make demo goes on from there."
    command -v python3 >/dev/null || die "python3 is not installed" "Debian and Ubuntu: apt-get install python3."
    long_step "comparing and measuring" "$WORK/log/report.log" as_user env PGHOST="$SOCKETS" PGPORT="$PORT" PGDATABASE="$DB" PGUSER="$OWNER" \
        PSQL="$BINDIR/psql" python3 "$WORK/build/dashboards/page/page.py" report "$WORK/home/report.html" ||
        die "the report could not be made"
    cp "$WORK/home/report.html" "$file"
    say "   $file"
}

case ${1:-start} in
    start) start ;;
    stop) stop ;;
    clean) clean_work demo ;;
    report) report ;;
    *) die "usage: run.sh [start|stop|clean|report]" ;;
esac
