# stream.sh: rows 13 to 23, events through Kafka.  To be sourced by bench/run.sh.
#
# One Apache Kafka (test/kafka/kafka.sh) on the same machine, a topic of 6
# partitions, in it NUM_EVENTS transfers as hospital writes them, with the headers
# that its consumers ask for, keyed by patient, sent once by kcat: everybody reads
# the same messages.  fsync and synchronous_commit are on for everybody.
#
#   ours      a created hospital whose consumers drain the topic into
#             hospital.transfers: all checks, the primary key, the ledger
#   program   stream_copy.c: librdkafka, a flat scanner, COPY; one process
#   Debezium  its JDBC sink in Kafka Connect, two tasks, UNNEST, upsert
#   Flink     its SQL JDBC sink, parallelism 2, upsert
#   kcat      piped to psql's COPY as jsonb, then INSERT ... SELECT
#
# A rate is messages a second between the first commit and the last, by the
# server's own clock (track_commit_timestamp): start-up, and the first batch, are
# counted on no side.  kcat's commits twice only: its clock runs from the first
# message to the end of the second transaction.  A Java program is still being
# compiled while it works, so the second half alone is shown too.
#
# The tables are emptied before each run, then there is a checkpoint.  Rows 13 to 17, 19 and 23 are with the primary key alone;
# row 22 is with the indexes that hospital_create makes, on both sides.
#
# Latency (row 18): an event's time is when it was given to librdkafka; it is
# visible when its transaction has committed, which is the commit's time and the
# mean time of a flush of the log.
#
# environment: NUM_EVENTS (1000000), RUNS, CONSUMERS (2, workers of ours),
# LATENCY_S (20 seconds a run), LATENCY_RATE (10000 a second), OUTAGE_S (20 seconds
# without a broker, row 20; "make bench-stream LONG=yes" says 600), QUEUE_MB (the
# consumers' queue as set), PUBLISH_DAYS (40 days a run, row 21), JAVA_HEAP (512m)

NUM_EVENTS=${NUM_EVENTS:-1000000}
CONSUMERS=${CONSUMERS:-2}
LATENCY_S=${LATENCY_S:-20}
LATENCY_RATE=${LATENCY_RATE:-10000}
OUTAGE_S=${OUTAGE_S:-20}
PUBLISH_DAYS=${PUBLISH_DAYS:-40}
JAVA_HEAP=${JAVA_HEAP:-512m}
STREAM=bench_stream             # the database
STREAM_WAIT_S=600
PARTITIONS=6
BIG_QUEUE=(-X queued.min.messages=1000000 -X queued.max.messages.kbytes=131072)
BROKER='' CHILD=''

for n in "$NUM_EVENTS" "$CONSUMERS" "$LATENCY_S" "$LATENCY_RATE" "$OUTAGE_S" "$PUBLISH_DAYS"; do
    case $n in ''|*[!0-9]*|0*) die "NUM_EVENTS, CONSUMERS, LATENCY_S, LATENCY_RATE, OUTAGE_S and PUBLISH_DAYS must be whole numbers, not \"$n\"" ;; esac
done

wanted_any() { local r; for r in "$@"; do if wanted "$r"; then return 0; fi; done; return 1; }
stream_wanted() { wanted_any 13 14 15 16 17 18 19 20 21 22 23; }
stream_space_mb() { if stream_wanted; then echo $((NUM_EVENTS / 250 + 2000)); else echo 0; fi; }

# ---- what is started -------------------------------------------------------

# JDBC needs TCP: a port of loopback, one role, a password of its own.
stream_port() {
    perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")->sockport'
}

stream_prepare() {
    KAFKA=$WORK/home/kafka FILES=$WORK/home/stream
    export HOSPITAL_TEST_CACHE=${HOSPITAL_TEST_CACHE:-$WORK/home}
    as_user mkdir -p "$FILES"
    [ ! -d "$KAFKA" ] || kafka kill
    as_user rm -rf "$KAFKA"
    PORT=$(stream_port)
    RIVAL_PASSWORD=$(head -c 18 /dev/urandom | base64 | tr -d '+/')
    printf 'local all all trust\nhost all rival 127.0.0.1/32 scram-sha-256\n' | as_user tee "$WORK/pg/hba.conf" >/dev/null
    STREAM_SETTINGS=("listen_addresses = '127.0.0.1'" "hba_file = '$WORK/pg/hba.conf'" "track_commit_timestamp = on")
}

stream_cleanup() {
    stop_child
    rm -f "$WORK/log/memory.flag"
    [ -z "${KAFKA:-}" ] || [ ! -d "$KAFKA" ] || kafka kill || true
}

kafka() { as_user bash "$WORK/build/test/kafka/kafka.sh" "$1" "$KAFKA" "${@:2}"; }
jars() { as_user bash "$WORK/build/bench/stream_jars.sh" "$1" 2>>"$WORK/log/bench.log"; }

# A program of several processes in a group of its own, to be ended as one.
start_child() { # LOG COMMAND...
    local log=$1
    shift
    set -m
    as_user "$@" >"$log" 2>&1 </dev/null &
    CHILD=$!
    set +m
}

stop_child() {
    [ -n "$CHILD" ] || return 0
    kill -TERM -- "-$CHILD" 2>/dev/null || true
    wait "$CHILD" 2>/dev/null || true
    CHILD=
}

create_topic() {
    kafka tool org.apache.kafka.tools.TopicCommand --bootstrap-server "$BROKER" --create --topic "$1" \
        --partitions $PARTITIONS >>"$WORK/log/bench.log" 2>&1 || die "cannot create topic $1" "See $WORK/log/bench.log."
}

send_file() { # TOPIC FILE
    as_user kcat -P -q -b "$BROKER" -t "$1" -K $'\t' -X acks=all -H "simulation=$SIMULATION" -H schema_version=1 \
        -H type=transfer -l "$2" 2>>"$WORK/log/bench.log" || die "kcat could not send $2" "See $WORK/log/bench.log."
}

compile() {
    as_user gcc -O2 -D_GNU_SOURCE -I"$("$PG_CONFIG" --includedir)" "$WORK/build/bench/$1.c" -o "$FILES/$1" \
        -L"$("$PG_CONFIG" --libdir)" -lrdkafka -lpq >>"$WORK/log/bench.log" 2>&1 || die "cannot compile bench/$1.c" "See $WORK/log/bench.log."
}

# ---- ours ------------------------------------------------------------------

has_setting() { [ "$(query -d postgres -c "SELECT count(*) FROM pg_settings WHERE name = '$1'")" = 1 ]; }

# No days, no ticks: their clock stands at its first interval.
stream_hospital() {
    drop_database $STREAM
    query -d postgres -c "CREATE DATABASE $STREAM"
    query -d $STREAM -c "SET client_min_messages = warning" -c "CREATE EXTENSION hospital" \
        -c "CALL hospital_create(people => 1000, beds => 200, start_date => '$FIRST_DAY', name => 'stream')" \
        -c "CALL hospital_load_staff()" -c "DROP ROLE IF EXISTS rival" \
        -c "CREATE ROLE rival LOGIN PASSWORD '$RIVAL_PASSWORD'" >>"$WORK/log/bench.log" 2>&1
    query -d $STREAM -f - < "$TOP/bench/stream_tables.sql"
    SIMULATION=$(query -d $STREAM -c "SELECT simulation_id FROM hospital.simulation")
    set_server "hospital.kafka_brokers = '$BROKER'"
    set_server "hospital.batch_interval = '5d'"
    set_server "hospital.stream_interval = '5d'"
    if has_setting hospital.stream_lake; then set_server "hospital.stream_lake = off"; fi
    set_server "hospital.databases = '$STREAM'"
}

consumers_stop() {
    query -d $STREAM -c "SELECT hospital_stop()" -c "DO \$\$ BEGIN
        WHILE EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'hospital consumer') LOOP
            COMMIT; PERFORM pg_sleep(0.05); PERFORM pg_stat_clear_snapshot(); END LOOP; END \$\$" >/dev/null
}

# As if nothing had ever been read.
stream_empty() {
    local tables
    tables=$(query -d $STREAM -c "SELECT string_agg(oid::regclass::text, ', ') FROM pg_class
        WHERE relnamespace = 'hospital'::regnamespace AND relkind IN ('r', 'p')
          AND (relname IN ('transfers', 'rejects') OR relname LIKE 'stream\\_%')")
    query -d $STREAM -c "SET client_min_messages = warning" -c "TRUNCATE $tables CASCADE" -c "CHECKPOINT"
}

consumers_start() { # TOPIC-PREFIX
    set_server "hospital.topic_prefix = '$1'"
    set_server "hospital.consumer_workers = ${2:-$CONSUMERS}"
    query -d $STREAM -c "SELECT hospital_start()" >/dev/null
}

# Until so many messages are in the ledger.
await_messages() {
    query -d $STREAM -c "DO \$\$
        DECLARE until timestamptz := clock_timestamp() + interval '$STREAM_WAIT_S seconds';
        BEGIN
            WHILE (SELECT coalesce(sum(rows + rejects + duplicates), 0) < $1 FROM hospital.stream_ranges) LOOP
                IF clock_timestamp() > until THEN
                    RAISE EXCEPTION 'the events are not in after this time: %',
                        (SELECT string_agg(worker || ' ' || state || coalesce(': ' || last_error, ''), ', ') FROM hospital.status);
                END IF;
                COMMIT;
                PERFORM pg_sleep(0.1);
            END LOOP;
        END \$\$" 2>>"$WORK/log/bench.log" || die "the consumers have not taken all events" "$(tail -n 1 "$WORK/log/bench.log")"
}

rate_of() { # TABLE ONE: rate|rate of the second half|messages|commits
    query -d $STREAM -v table="$1" -v one="$2" -f - < "$TOP/bench/stream_rate.sql"
}

drain_ours() { # NAME TOPIC-PREFIX ROWS
    local found
    consumers_stop
    stream_empty
    consumers_start "$2"
    await_messages "$NUM_EVENTS"
    consumers_stop
    found=$(query -d $STREAM -c "SELECT count(*) FROM hospital.transfers")
    [ "$found" = "$3" ] || die "of $3 events $found are in hospital.transfers"
    note_rate "$1" "$(rate_of hospital.stream_ranges 'rows + rejects + duplicates')"
}

# ---- the others ------------------------------------------------------------

empty_rival() { query -d $STREAM -c "TRUNCATE rival.$1, rival.positions, rival.raw" -c "CHECKPOINT"; }

rival_is_full() {
    local found
    found=$(query -d $STREAM -c "SELECT count(*) FROM rival.$1")
    [ "$found" = "$NUM_EVENTS" ] || die "of $NUM_EVENTS events $found are in rival.$1" "See $WORK/log/bench.log."
}

drain_program() { # NAME TABLE
    empty_rival "$2"
    as_user "$FILES/stream_copy" "$BROKER" bench.transfers "host=$SOCKETS port=$PORT user=postgres dbname=$STREAM" \
        "rival.$2" "$NUM_EVENTS" >>"$WORK/log/bench.log" 2>&1 || die "stream_copy failed" "$(tail -n 1 "$WORK/log/bench.log")"
    rival_is_full "$2"
    note_rate "$1" "$(rate_of "rival.$2" 1)"
}

# The first message starts the clock and goes in by a COPY of its own.
drain_kcat() {
    local began ended
    empty_rival plain
    {
        echo "\\copy rival.raw FROM '$FILES/first' (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')"
        echo "\\copy rival.raw FROM pstdin (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')"
        echo "INSERT INTO rival.plain SELECT r.* FROM rival.raw, jsonb_to_record(j) AS r (event_id uuid,
            event_time timestamptz, admission_id bigint, patient_id bigint, from_ward text, to_ward text, reason text,
            status text, staff_id bigint);" | tr '\n' ' '
    } | as_user tee "$FILES/kcat.sql" >/dev/null
    as_user kcat -C -q -e -b "$BROKER" -t bench.transfers -o beginning "${BIG_QUEUE[@]}" -f '%s\n' 2>>"$WORK/log/bench.log" | {
        IFS= read -r first
        now_ms > "$WORK/log/kcat.began"
        printf '%s\n' "$first" | as_user tee "$FILES/first" >/dev/null
        psql_do -d $STREAM -qAt -f "$FILES/kcat.sql" >>"$WORK/log/bench.log" 2>&1
    } || die "kcat or its COPY failed" "$(tail -n 1 "$WORK/log/bench.log")"
    ended=$(now_ms)
    began=$(cat "$WORK/log/kcat.began")
    rival_is_full plain
    note_rate kcat "$((NUM_EVENTS * 1000 / (ended - began)))||$NUM_EVENTS|2"
}

jdbc_url() { printf 'jdbc:postgresql://127.0.0.1:%s/%s?reWriteBatchedInserts=true&stringtype=unspecified' "$PORT" $STREAM; }

# Until a table has all events; they are counted only when it has stopped growing
# or its program has ended.
await_rival() {
    local size before='' waited=0 runs=yes
    while [ $runs = yes ] && [ $waited -lt $STREAM_WAIT_S ]; do
        sleep 1
        kill -0 "$CHILD" 2>/dev/null || runs=no
        size=$(query -d $STREAM -c "SELECT pg_relation_size('rival.$1')")
        if { [ "$size" = "$before" ] || [ $runs = no ]; } && [ "$size" != 0 ] &&
            [ "$(query -d $STREAM -c "SELECT count(*) FROM rival.$1")" = "$NUM_EVENTS" ]; then return 0; fi
        before=$size waited=$((waited + 1))
    done
    return 1
}

# A struct of plain JSON, said once: Debezium's types by name.
connect_schema() {
    local f fields=''
    for f in event_id:string:io.debezium.data.Uuid event_time:string:io.debezium.time.ZonedTimestamp admission_id:int64 \
        patient_id:int64 from_ward:string to_ward:string reason:string status:string staff_id:int64; do
        fields+=$(printf '%s' "$f" | awk -F: '{ printf ",{\"field\":\"%s\",\"type\":\"%s\",\"optional\":false", $1, $2
            if ($3 != "") printf ",\"name\":\"%s\"", $3; printf "}" }')
    done
    printf '{"type":"struct","fields":[%s]}' "${fields#,}"
}

# Under a new name each time, and so from the topic's beginning.
drain_debezium() {
    local name
    name=debezium-$(now_ms)
    empty_rival debezium
    as_user rm -f "$FILES/connect.offsets"
    as_user tee "$FILES/worker.properties" >/dev/null <<EOF
bootstrap.servers=$BROKER
listeners=http://127.0.0.1:$(stream_port)
plugin.path=$DEBEZIUM
plugin.discovery=service_load
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
value.converter.schemas.enable=true
value.converter.schema.content=$(connect_schema)
header.converter=org.apache.kafka.connect.converters.ByteArrayConverter
offset.storage.file.filename=$FILES/connect.offsets
consumer.max.poll.records=10000
consumer.fetch.min.bytes=1048576
consumer.max.partition.fetch.bytes=4194304
EOF
    as_user tee "$FILES/sink.properties" >/dev/null <<EOF
name=$name
connector.class=io.debezium.connector.jdbc.JdbcSinkConnector
tasks.max=2
topics=bench.transfers
connection.url=$(jdbc_url)
connection.username=rival
connection.password=$RIVAL_PASSWORD
insert.mode=upsert
primary.key.mode=record_value
primary.key.fields=event_id
schema.evolution=none
collection.name.format=rival.debezium
dialect.postgres.unnest.insert.enabled=true
batch.size=10000
EOF
    start_child "$WORK/log/debezium.log" java "-Xmx$JAVA_HEAP" -cp "$CONNECT/*" \
        org.apache.kafka.connect.cli.ConnectStandalone "$FILES/worker.properties" "$FILES/sink.properties"
    await_rival debezium || { stop_child; die "Debezium's sink has not taken all events" "See $WORK/log/debezium.log."; }
    stop_child
    note_rate debezium "$(rate_of rival.debezium 1)"
}

drain_flink() {
    empty_rival flink
    start_child "$WORK/log/flink.log" java "-Xmx$JAVA_HEAP" --add-opens java.base/java.util=ALL-UNNAMED \
        --add-opens java.base/java.lang=ALL-UNNAMED --add-opens java.base/java.time=ALL-UNNAMED -cp "$FLINK/*" \
        "$WORK/build/bench/StreamFlink.java" "$BROKER" bench.transfers "$(jdbc_url)" rival "$RIVAL_PASSWORD" rival.flink 2 5000
    await_rival flink || { stop_child; die "Flink's sink has not taken all events" "See $WORK/log/flink.log."; }
    stop_child
    note_rate flink "$(rate_of rival.flink 1)"
}

# ---- rows 13 to 17, 19, 22 and 23: draining --------------------------------

# note_rate NAME rate|rate of the second half|messages|commits
note_rate() {
    local rate late messages commits
    IFS='|' read -r rate late messages commits <<<"$2"
    [ -n "$rate" ] || die "no rate was measured for $1" "NUM_EVENTS=$NUM_EVENTS may be too few."
    printf 'drain %s: %s/s, second half %s/s, %s messages in %s commits, load %s\n' "$1" "$rate" "${late:--}" "$messages" \
        "$commits" "$(load_average)" >>"$WORK/log/bench.log"
    printf ' %s %sk' "$1" $((rate / 1000))
    [ "$COUNTED" = yes ] || return 0
    sample "$1" "$rate"
    [ -z "$late" ] || sample "$1_late" "$late"
}

admission_index() {
    query -d $STREAM -c "SET client_min_messages = warning" -c "DROP INDEX IF EXISTS hospital.transfers_admission_id_idx"
    [ "$1" = drop ] || query -d $STREAM -c "CREATE INDEX transfers_admission_id_idx ON hospital.transfers (admission_id)"
}

drain() {
    case $1 in
        ours) drain_ours ours bench. "$NUM_EVENTS" ;;
        poison) drain_ours poison poison. $((NUM_EVENTS - NUM_EVENTS / 100)) ;;
        ours_indexed)
            consumers_stop
            stream_empty
            admission_index make
            drain_ours ours_indexed bench. "$NUM_EVENTS"
            stream_empty
            admission_index drop ;;
        ours_lake)
            set_server "hospital.stream_lake = on"
            drain_ours ours_lake bench. "$NUM_EVENTS"
            set_server "hospital.stream_lake = off" ;;
        program) drain_program program plain ;;
        program_keyed) drain_program program_keyed keyed ;;
        program_indexed) drain_program program_indexed indexed ;;
        *) "drain_$1" ;;
    esac
}

# A rival that cannot be had here is left out, with a word.
find_rivals() {
    local why
    DEBEZIUM='' CONNECT='' FLINK=''
    if wanted 15; then
        say "   Kafka Connect and Debezium"
        { CONNECT=$(jars connect) && DEBEZIUM=$(jars debezium); } || DEBEZIUM=
        [ -n "$DEBEZIUM" ] || note_row 15 "drain / Debezium's JDBC sink" "$(tail -n 1 "$WORK/log/bench.log")" "not measured"
    fi
    if wanted 16; then
        say "   Flink"
        if command -v javac >/dev/null; then FLINK=$(jars flink) || FLINK=; else echo "no javac" >>"$WORK/log/bench.log"; fi
        [ -n "$FLINK" ] || note_row 16 "drain / Flink's JDBC sink" "$(tail -n 1 "$WORK/log/bench.log")" "not measured"
    fi
}

contestants() {
    local c=(ours)
    if wanted 13; then c+=(program); fi
    if wanted 14; then c+=(program_keyed); fi
    if [ -n "$DEBEZIUM" ]; then c+=(debezium); fi
    if [ -n "$FLINK" ]; then c+=(flink); fi
    if wanted 17; then c+=(kcat); fi
    if wanted 19; then c+=(poison); fi
    if wanted 22; then c+=(ours_indexed program_indexed); fi
    if wanted 23 && has_setting hospital.stream_lake; then c+=(ours_lake); fi
    printf '%s\n' "${c[@]}"
}

write_events() { # FILE POISON
    query -d $STREAM -v n="$NUM_EVENTS" -v poison="$2" -v file="$FILES/$1" -f - < "$TOP/bench/stream_events.sql"
}

send_events() {
    say "   writing and sending $NUM_EVENTS events"
    write_events events 0
    say "   mean payload $(as_user awk -F'\t' '{ n += length($2) } END { printf "%.0f", n / NR }' "$FILES/events") bytes"
    create_topic bench.transfers
    send_file bench.transfers "$FILES/events"
    if wanted 19; then
        write_events poisoned 100
        create_topic poison.transfers
        send_file poison.transfers "$FILES/poisoned"
        as_user rm -f "$FILES/poisoned"
    fi
    admission_index drop
}

drains() {
    local i c=() which
    compile stream_copy
    find_rivals
    mapfile -t c < <(contestants)
    for i in $(seq 0 "$RUNS"); do
        COUNTED=$([ "$i" = 0 ] || echo yes)
        [ "$i" = 0 ] && printf '   warming up:' || printf '   run %s of %s:' "$i" "$RUNS"
        # there, and back again at the next run
        for which in $(if [ $((i % 2)) = 0 ]; then printf '%s\n' "${c[@]}"; else printf '%s\n' "${c[@]}" | tac; fi); do
            drain "$which"
        done
        printf ', load %s\n' "$(load_average)"
    done
    consumers_stop
    drain_rows
}

drain_rows() {
    if wanted 13; then row 13 "drain, keyed and checked / a C program, COPY, no key, 1,000/s" ours program 1000 %.0f 1.1 at-least; fi
    if wanted 14; then row 14 "drain / the same program with the key, 1,000/s" ours program_keyed 1000 %.0f 1.25 at-least; fi
    if [ -n "$DEBEZIUM" ]; then
        row 15 "drain / Debezium's JDBC sink, upsert, 1,000/s" ours debezium 1000 %.0f 4 at-least
        row 15 "the second half of it alone, 1,000/s" ours_late debezium_late 1000 %.0f - -
    fi
    if [ -n "$FLINK" ]; then
        row 16 "drain / Flink's JDBC sink, upsert, 1,000/s" ours flink 1000 %.0f 5 at-least
        row 16 "the second half of it alone, 1,000/s" ours_late flink_late 1000 %.0f - -
    fi
    if wanted 17; then row 17 "drain / kcat to COPY as jsonb, INSERT SELECT, no key, 1,000/s" ours kcat 1000 %.0f 2 at-least; fi
    if wanted 19; then row 19 "drain with 1 percent poison / clean, 1,000/s" poison ours 1000 %.0f 0.8 at-least; fi
    if wanted 22; then row 22 "drain, with an index more / the program likewise, 1,000/s" ours_indexed program_indexed 1000 %.0f - -; fi
    if wanted 23; then
        if has_setting hospital.stream_lake; then row 23 "drain with lake/stream on / off, 1,000/s" ours_lake ours 1000 %.0f - -
        else note_row 23 "drain with lake/stream on" "there is no hospital.stream_lake" "not measured"; fi
    fi
}

# ---- row 18: from producing to being visible -------------------------------

# p50|p99|events|mean flush, in ms, of what was produced after a moment; the first
# two seconds of it are not counted.
latency_of() {
    query -d $STREAM -c "
        WITH flush AS (SELECT coalesce((w->>'wal_sync_time')::float / nullif((w->>'wal_sync')::float, 0), 0) AS ms
                       FROM (SELECT to_jsonb(s) AS w FROM pg_stat_wal s) s),
        p AS (SELECT percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP
                     (ORDER BY extract(epoch FROM pg_xact_commit_timestamp(xmin) - event_time) * 1000) AS ms, count(*) AS n
              FROM hospital.transfers WHERE event_time > '$1'::timestamptz + interval '2 seconds')
        SELECT round((p.ms[1] + f.ms)::numeric, 2), round((p.ms[2] + f.ms)::numeric, 2), n, round(f.ms::numeric, 3) FROM p, flush f"
}

latency() {
    local i began p50 p99 n flush said late acknowledged
    create_topic paced.transfers
    compile stream_paced
    consumers_stop
    stream_empty
    consumers_start paced.
    set_server "track_wal_io_timing = on"
    for i in $(seq 0 "$RUNS"); do
        query -d $STREAM -c "SELECT pg_stat_reset_shared('wal')" >/dev/null
        began=$(query -d $STREAM -c "SELECT clock_timestamp()")
        said=$(as_user "$FILES/stream_paced" "$BROKER" paced.transfers "$LATENCY_RATE" "$LATENCY_S" "$SIMULATION" 2>>"$WORK/log/bench.log") ||
            die "stream_paced failed" "$(tail -n 1 "$WORK/log/bench.log")"
        await_messages $(((i + 1) * LATENCY_RATE * LATENCY_S))
        IFS='|' read -r p50 p99 n flush <<<"$(latency_of "$began")"
        read -r _ late acknowledged <<<"$said"
        say "   run $i of $RUNS: p50 $p50 ms, p99 $p99 ms, $n events; acknowledged after $acknowledged ms, a flush $flush ms, the producer at most $late ms late"
        # the first is the broker's warming up
        [ "$i" = 0 ] || { sample latency_p50 "$p50"; sample latency_p99 "$p99"; }
    done
    set_server "track_wal_io_timing = off"
    consumers_stop
    limit_row 18 "produce to visible, $LATENCY_RATE/s, p50, ms" latency_p50 25
    limit_row 18 "produce to visible, $LATENCY_RATE/s, p99, ms" latency_p99 100
}

# A median of ours against a limit.
limit_row() { # NUMBER LABEL NAME LIMIT
    local verdict
    verdict=$(awk -v a="$(stat_of "$3" median)" -v b="$4" 'BEGIN { print (a <= b) ? "reached" : "MISSED" }')
    [ "$verdict" != MISSED ] || BEHIND=1
    TABLE+=("$1|$2|$(shown "$3" 1 %.1f)|||$4|$verdict")
    MACHINE+=("bench row=$1 name=$3 ours_median=$(stat_of "$3" median) min=$(stat_of "$3" min) max=$(stat_of "$3" max) target=$4 verdict=$verdict")
}

# ---- row 20: memory --------------------------------------------------------

# The highest RssAnon (kB) of any consumer while FLAG is there, into FLAG.most.
watch_memory() { # FLAG
    local pid now most=0
    while [ -e "$1" ]; do
        for pid in $(query -d $STREAM -c "SELECT pid FROM pg_stat_activity WHERE backend_type = 'hospital consumer'"); do
            now=$(awk '/^RssAnon/ { print $2 }' "/proc/$pid/status" 2>/dev/null || true)
            [ "${now:-0}" -le "$most" ] || most=$now
        done
        sleep 0.2
    done
    echo "$most" > "$1.most"
}

# MB of what a command makes the consumers use.
memory_during() { # COMMAND...
    local flag=$WORK/log/memory.flag watcher
    : > "$flag"
    watch_memory "$flag" &
    watcher=$!
    "$@"
    rm -f "$flag"
    wait $watcher
    awk '{ printf "%.1f", $1 / 1024 }' "$flag.most"
}

queue_mb() {
    local kb
    kb=$(query -d postgres -c "SELECT setting::bigint * CASE unit WHEN 'kB' THEN 1 WHEN 'MB' THEN 1024 ELSE 1 END
        FROM pg_settings WHERE name LIKE 'hospital.%queue%' AND unit IN ('kB', 'MB') LIMIT 1")
    echo $((${kb:-98304} / 1024))
}

backlog_drained() {
    consumers_start bench.
    await_messages "$NUM_EVENTS"
}

# What comes after it has been there before: duplicates, as far as the tables go.
backlog_again() {
    kafka start >/dev/null
    send_file bench.transfers "$FILES/events"
    await_messages $((2 * NUM_EVENTS))
}

consumer_memory() {
    local queue limit drained out after most verdict
    queue=${QUEUE_MB:-$(queue_mb)}
    limit=$(awk -v q="$queue" 'BEGIN { printf "%.0f", 2.4 * q + 64 }')
    consumers_stop
    stream_empty
    drained=$(memory_during backlog_drained)
    say "   a backlog of $NUM_EVENTS: $drained MB; now $OUTAGE_S s without a broker"
    kafka stop
    out=$(memory_during sleep "$OUTAGE_S")
    after=$(memory_during backlog_again)
    say "   without a broker $out MB, $NUM_EVENTS more after it $after MB"
    consumers_stop
    most=$(printf '%s\n' "$drained" "$out" "$after" | sort -n | tail -n 1)
    verdict=$(awk -v a="$most" -v b="$limit" 'BEGIN { print (a > 0 && a <= b) ? "reached" : "MISSED" }')
    [ "$verdict" != MISSED ] || BEHIND=1
    TABLE+=("20|a consumer's private memory, queue $queue MB: backlog, $OUTAGE_S s outage, backlog, MB|$drained, $out, $after|||$limit|$verdict")
    MACHINE+=("bench row=20 name=consumer_rss_anon_mb queue_mb=$queue backlog=$drained outage=$out outage_s=$OUTAGE_S after=$after target=$limit verdict=$verdict")
}

# ---- row 21: publishing ----------------------------------------------------

# The hospital is stopped, so nobody consumes meanwhile; other days each time, as
# what is published is not sent again.

publish_hospital() {
    drop_database $STREAM
    query -d postgres -c "CREATE DATABASE $STREAM"
    query -d $STREAM -c "SET client_min_messages = warning" -c "CREATE EXTENSION hospital" \
        -c "CALL hospital_create(people => 100000, beds => 1100, start_date => '$FIRST_DAY', name => 'publish')" \
        -c "CALL hospital_load_staff()" >>"$WORK/log/bench.log" 2>&1
    set_server "hospital.topics = 'all'"
    set_server "hospital.topic_prefix = 'publish.'"
    query -d $STREAM -c "SELECT DISTINCT kind FROM hospital_record_columns()" > "$WORK/log/kinds"
    while read -r kind; do create_topic "publish.$kind" </dev/null; done < "$WORK/log/kinds"
    create_topic publish.again
}

# What has been published, as a file to publish from.
published_file() {
    local kind
    while read -r kind; do
        as_user kcat -C -q -e -b "$BROKER" -t "publish.$kind" -o beginning -f '%k\t%s\n' </dev/null
    done < "$WORK/log/kinds" 2>>"$WORK/log/bench.log" | as_user tee "$FILES/published" >/dev/null
}

publishing() {
    local i from ms events lines
    [ "$(query -d $STREAM -c "SELECT count(*) FROM pg_proc WHERE proname = 'hospital_publish'")" != 0 ] && has_setting hospital.topics ||
        { note_row 21 "hospital_publish / kcat -P" "there is no hospital_publish of all topics" "not measured"; return 0; }
    consumers_stop
    publish_hospital
    for i in $(seq 0 "$RUNS"); do
        from=$((i * PUBLISH_DAYS))
        ms=$(psql_do -d $STREAM -qAt -c '\timing on' \
            -c "CALL hospital_publish(date '$FIRST_DAY' + $from, date '$FIRST_DAY' + $((from + PUBLISH_DAYS - 1)))" 2>>"$WORK/log/bench.log" |
            awk '/^Time: / { printf "%.0f", $2 }')
        events=$(query -d $STREAM -c "SELECT sum(events) FROM hospital.published
            WHERE day >= date '$FIRST_DAY' + $from AND day < date '$FIRST_DAY' + $((from + PUBLISH_DAYS))")
        [ "$i" = 0 ] || sample publish $((events * 1000 / ms))
        if [ "$i" = 0 ]; then
            published_file
            lines=$(as_user wc -l "$FILES/published" | awk '{ print $1 }')
            [ "$lines" = "$events" ] || die "hospital.published has $events events, the topics have $lines"
        fi
        ms=$(now_ms)
        send_file publish.again "$FILES/published"
        ms=$(($(now_ms) - ms))
        [ "$i" = 0 ] || sample kcat_publish $((lines * 1000 / ms))
        say "   run $i of $RUNS: $events events, load $(load_average)"
    done
    row 21 "hospital_publish, all kinds / kcat -P of the same from a file, 1,000/s" publish kcat_publish 1000 %.0f 0.5 at-least
}

# ---- all of them -----------------------------------------------------------

streaming() {
    say "   starting Apache Kafka"
    BROKER=$(kafka start 2>>"$WORK/log/bench.log") || {
        note_row 13 "the stream, rows 13 to 23" "$(tail -n 1 "$WORK/log/bench.log")" "not measured"
        return 0
    }
    stream_hospital
    if wanted_any 13 14 15 16 17 19 20 22 23; then send_events; fi
    if wanted_any 13 14 15 16 17 19 22 23; then drains; fi
    if wanted 18; then say "   latency"; latency; fi
    if wanted 20; then say "   memory"; consumer_memory; fi
    if wanted 21; then say "   publishing"; publishing; fi
    drop_database $STREAM
    reset_server
    kafka stop
    as_user rm -rf "$KAFKA" "$FILES"
}
