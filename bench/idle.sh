# idle.sh: rows 24 to 28, what a hospital costs that has nothing to do, and how
# fast it gets out of the way.  To be sourced by bench/run.sh.
#
#   24  one hospital, started, nothing due for days, no Kafka
#   25  the same with the embedded broker
#   26  the same with an Apache Kafka
#   27  a fast shutdown while a session runs hospital_run in one database, and in
#       another the live hospital writes, publishes and takes in as fast as it can
#   28  CREATE DATABASE ... TEMPLATE, ALTER DATABASE ... RENAME and DROP DATABASE of a
#       running hospital, beside the same of a stopped one: what the server itself takes
#
# Wake-ups are voluntary context switches of the workers' main threads (our loops)
# and of librdkafka's threads, CPU is all of them together (idle_watch.pl).  The
# write-ahead log must end where it began.
#
# environment: IDLE_S (60 seconds a mode), RUNS

IDLE_S=${IDLE_S:-60}
IDLE=bench_idle
IDLE_HOSPITALS=0
IDLE_SETTLE_S=40                # the checkpointer and the background writer, too, are at rest then

case $IDLE_S in ''|*[!0-9]*|0*) die "IDLE_S must be a whole number, not \"$IDLE_S\"" ;; esac
idle_wanted() { local r; for r in 24 25 26 27 28; do if wanted "$r"; then return 0; fi; done; return 1; }

judge() { # ROW LABEL VALUE TARGET [OTHER]: at most
    local verdict
    verdict=$(awk -v v="$3" -v t="$4" 'BEGIN { print v <= t ? "reached" : "MISSED" }')
    [ "$verdict" = reached ] || BEHIND=1
    TABLE+=("$1|$2|$3|${5:-}||$4|$verdict")
    MACHINE+=("bench row=$1 name=\"$2\" value=$3${5:+ other=$5} target=$4 verdict=$verdict")
}

# Another hospital: what a former one of this name left in the lake and on the topics is not its own.
idle_hospital() { # DATABASE
    drop_database "$1"
    as_user rm -rf "$WORK/data/lake"/*/"$1"
    set_server "hospital.topic_prefix = 'idle$((IDLE_HOSPITALS += 1))'"
    query -d postgres -c "CREATE DATABASE $1"
    query -d "$1" -c "SET client_min_messages = warning" -c "CREATE EXTENSION hospital" \
        -c "CALL hospital_create(people => 100000, beds => 400, start_date => '2020-01-01', name => '$1')" \
        -c "CALL hospital_load_staff()" >>"$WORK/log/bench.log" 2>&1
}

await() { # WHAT QUERY
    local i
    for i in $(seq 600); do
        [ "$(query -d postgres -c "$2" 2>/dev/null)" != t ] || return 0
        sleep 0.1
    done
    die "$1: waited in vain" "$(query -d postgres -c "SELECT datname, backend_type FROM pg_stat_activity WHERE backend_type LIKE 'hospital %'" 2>&1)"
}

# ---- rows 24 to 26 ---------------------------------------------------------

idle_mode() { # ROW LABEL BROKERS WORKERS HANDLES
    local wal watched ours library cpu
    say "   idle, $2: $((IDLE_SETTLE_S + IDLE_S)) s"
    set_server "hospital.kafka_brokers = '$3'"
    query -d $IDLE -c "SELECT hospital_start()" >/dev/null
    await "the workers" "SELECT count(*) = $4 FROM pg_stat_activity WHERE backend_type LIKE 'hospital %'"
    # so that the producer's handle is open, too, and there are topics: a day that no other brokers have had
    [ "$5" = 0 ] || query -d $IDLE -c "CALL hospital_publish(date '2020-01-01' + $1, date '2020-01-01' + $1)" >>"$WORK/log/bench.log" 2>&1
    sleep 5
    query -d postgres -c "CHECKPOINT"
    sleep "$IDLE_SETTLE_S"
    wal=$(query -d postgres -c "SELECT pg_current_wal_insert_lsn()")
    watched=$(perl "$TOP/test/idle_watch.pl" "$IDLE_S" "$(as_user head -n 1 "$WORK/pg/data/postmaster.pid")")
    printf '%s\n' "$watched" | sed 's/^/      /' | tee -a "$WORK/log/bench.log"
    wal=$(query -d postgres -c "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '$wal')")
    IFS='|' read -r _ _ ours library cpu <<<"$(printf '%s\n' "$watched" | tail -n 1)"
    judge "$1" "idle, $2: wake-ups a second of our loops" "$ours" 1
    [ "$5" = 0 ] || judge "$1" "idle, $2: wake-ups a second of $5 open Kafka handles" "$library" $((8 * $5))
    judge "$1" "idle, $2: percent of a core" "$cpu" 0.3
    judge "$1" "idle, $2: bytes of write-ahead log" "$wal" 0
    query -d $IDLE -c "SELECT hospital_stop()" >/dev/null
    await "the end of the workers" "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type LIKE 'hospital %'"
}

idling() {
    set_server "hospital.batch_interval = '5d'"
    set_server "hospital.stream_interval = '5d'"
    set_server "hospital.databases = '$IDLE'"
    idle_hospital $IDLE
    if wanted 24; then idle_mode 24 "no Kafka" '' 3 0; fi
    if wanted 25; then idle_mode 25 "embedded broker" embedded 5 3; fi
    if wanted 26 && [ -n "$BROKER" ]; then idle_mode 26 "Apache Kafka" "$BROKER" 4 2; fi
}

# ---- row 27 ----------------------------------------------------------------

shutdowns() {
    local i ms run
    set_server "hospital.batch_interval = '500ms'"
    set_server "hospital.stream_interval = '100ms'"
    set_server "hospital.topics = 'all'"
    set_server "hospital.kafka_brokers = '${BROKER:-embedded}'"
    set_server "hospital.databases = '$IDLE'"
    idle_hospital $IDLE
    idle_hospital ${IDLE}_run
    query -d $IDLE -c "SELECT hospital_start()" >/dev/null
    for i in $(seq "$RUNS"); do
        psql_do -d ${IDLE}_run -qAt -c "CALL hospital_run(1000)" >>"$WORK/log/bench.log" 2>&1 &
        run=$!
        await "days of hospital_run" "SELECT count(*) >= 2 FROM pg_stat_activity WHERE backend_type = 'hospital run'"
        await "a busy consumer" "SELECT count(*) >= 4 FROM pg_stat_activity WHERE backend_type LIKE 'hospital %' AND datname = '$IDLE'"
        sleep $((2 + i % 3))
        ms=$(now_ms)
        as_user "$BINDIR/pg_ctl" -D "$WORK/pg/data" -m fast -w -t 60 stop >>"$WORK/log/bench.log" 2>&1 || die "the server does not stop"
        ms=$(($(now_ms) - ms))
        sample shutdown "$(ratio_of "$ms" 1000 %.2f)"
        printf ' %s ms' "$ms"
        wait $run || true
        start_cluster >>"$WORK/log/bench.log"
    done
    printf '\n'
    judge 27 "fast shutdown, all busy, the longest of $RUNS, s" "$(stat_of shutdown max)" 5
    query -d $IDLE -c "SELECT hospital_stop()" >/dev/null
    drop_database ${IDLE}_run
}

# ---- row 28 ----------------------------------------------------------------

timed_statement() { # NAME STATEMENT
    local ms
    query -d postgres -c "CHECKPOINT"    # what the statement waits for itself is not ours
    ms=$(psql_do -d postgres -qAt -v ON_ERROR_STOP=1 -c '\timing on' -c "$2" 2>>"$WORK/log/bench.log" | awk '/^Time: / { print $2 }')
    [ -n "$ms" ] || die "refused: $2" "$(tail -n 2 "$WORK/log/bench.log")"
    sample "$1" "$(ratio_of "$ms" 1000 %.2f)"
}

runs_in() { await "the workers of $1" "SELECT count(*) >= 3 FROM pg_stat_activity WHERE backend_type LIKE 'hospital %' AND datname = '$1'"; }

making_way() {
    local i
    set_server "hospital.kafka_brokers = '${BROKER:-embedded}'"
    set_server "hospital.databases = '$IDLE, ${IDLE}_other'"
    for i in $(seq "$RUNS"); do
        idle_hospital $IDLE
        timed_statement template_stopped "CREATE DATABASE ${IDLE}_copy TEMPLATE $IDLE"
        timed_statement drop_stopped "DROP DATABASE ${IDLE}_copy"
        query -d $IDLE -c "SELECT hospital_start()" >/dev/null
        runs_in $IDLE
        timed_statement template "CREATE DATABASE ${IDLE}_copy TEMPLATE $IDLE"
        query -d postgres -c "DROP DATABASE ${IDLE}_copy"
        runs_in $IDLE
        timed_statement rename "ALTER DATABASE $IDLE RENAME TO ${IDLE}_other"
        runs_in ${IDLE}_other
        timed_statement drop "DROP DATABASE ${IDLE}_other"
    done
    judge 28 "CREATE DATABASE ... TEMPLATE of a running hospital, the longest of $RUNS, s; of a stopped one" "$(stat_of template max)" 5 "$(stat_of template_stopped max)"
    judge 28 "ALTER DATABASE ... RENAME of a running hospital, the longest of $RUNS, s" "$(stat_of rename max)" 5
    judge 28 "DROP DATABASE of a running hospital, the longest of $RUNS, s; of a stopped one" "$(stat_of drop max)" 5 "$(stat_of drop_stopped max)"
}

# ---- all of them -----------------------------------------------------------

idleness() {
    BROKER=
    if wanted_any 26 27 28; then
        BROKER=$(kafka start 2>>"$WORK/log/bench.log") || { BROKER=; note_row 26 "idle, Apache Kafka" "$(tail -n 1 "$WORK/log/bench.log")" "not measured"; }
    fi
    if wanted_any 24 25 26; then idling; fi
    if wanted 27; then say "   shutting down"; shutdowns; fi
    if wanted 28; then say "   making way"; making_way; fi
    drop_database $IDLE
    reset_server
    [ -z "$BROKER" ] || kafka stop
}
