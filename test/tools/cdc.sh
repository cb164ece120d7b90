#!/bin/bash
# cdc.sh: change data capture with a real Debezium and a real Apache Kafka.
#
# A hospital is made and run for some days; Debezium, configured by
# connect/hospital-postgres.json and connect/publication.sql as a user would,
# takes a snapshot of it; then days pass, rows are changed, taken back, brought in
# again and truncated.  The last value of each key in the topics must be the
# tables.  At last the hospital runs at 300 times its usual pace while the slot
# is watched: what it keeps of the log must not grow.
#
# BEDS (200), SPEED_S (40): how large the hospital is and how long it runs fast.
source "$(dirname "${BASH_SOURCE[0]}")/lib/server.sh"

BEDS=${BEDS:-200}
SPEED_S=${SPEED_S:-40}
DB=cdc
TOPICS=(doctors patients medicines visits prescriptions billing_payments admissions transfers)
need java mvn kcat python3

tool_leave() {
    set +e                                     # all of it, whatever fails
    stop_connect
    stop_kafka || true
    as_user rm -rf "$WORK/home/kafka"
}

sql() { query -d $DB "$@"; }

# What the hospital says while it works goes to a log, and here where it fails.
quietly() { sql "$@" 2>>"$WORK/log/hospital.log" >/dev/null || { tail -n 3 "$WORK/log/hospital.log"; die "a statement failed"; }; }

# await SECONDS QUERY: until it says t
await() {
    local end=$((SECONDS + $1))
    until [ "$(sql -c "$2")" = t ]; do
        kill -0 "$CONNECT_PID" 2>/dev/null || { tail -n 20 "$WORK/log/connect.log"; die "Connect has ended"; }
        [ $SECONDS -lt $end ] || { tail -n 5 "$WORK/log/connect.log"; die "not so after $1 s: $2"; }
        sleep 0.2
    done
}

# All that is in the log now has been acknowledged by Kafka.
caught_up() {
    local now
    now=$(sql -c "SELECT pg_current_wal_lsn()")
    await 240 "SELECT confirmed_flush_lsn >= '$now' FROM pg_replication_slots WHERE slot_name = 'hospital_cdc'"
}

stop_connect() {
    [ -n "${CONNECT_PID:-}" ] || return 0
    kill -TERM -- "-$CONNECT_PID" 2>/dev/null || true
    wait "$CONNECT_PID" 2>/dev/null || true
    CONNECT_PID=
}

# The connector as it is shipped, but for where its database is.
start_connect() {
    local port
    port=$(perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")->sockport')
    python3 - "$TOP/connect/hospital-postgres.json" "$SERVER_PORT" <<'PY' | as_user tee "$WORK/home/connector.json" >/dev/null
import json, sys
config = json.load(open(sys.argv[1]))
config.update({"database.hostname": "127.0.0.1", "database.port": sys.argv[2]})
json.dump({"name": "hospital", "config": config}, sys.stdout)
PY
    as_user tee "$WORK/home/worker.properties" >/dev/null <<P
bootstrap.servers=$BROKER
listeners=http://127.0.0.1:$port
plugin.path=$PLUGIN
plugin.discovery=service_load
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
offset.storage.file.filename=$WORK/home/connect.offsets
offset.flush.interval.ms=1000
config.providers=env
config.providers.env.class=org.apache.kafka.common.config.provider.EnvVarConfigProvider
P
    set -m                                     # in a process group of its own
    POSTGRES_DB=$DB DEBEZIUM_USER=debezium DEBEZIUM_PASSWORD=debezium as_user java -Xmx384m -XX:+UseSerialGC \
        -Dlog4j2.configurationFile="$WORK/home/kafka/log4j2.properties" -cp "$CONNECT/*" \
        org.apache.kafka.connect.cli.ConnectStandalone "$WORK/home/worker.properties" "$WORK/home/connector.json" \
        >"$WORK/log/connect.log" 2>&1 </dev/null &
    CONNECT_PID=$!
    set +m
}

# compare LABEL: what the topics say, folded, against the tables.
compare() {
    caught_up
    for t in "${TOPICS[@]}"; do
        local rows=hospital.$t
        [ "$t" != doctors ] || rows="(SELECT * FROM hospital.staff WHERE registration_no ~ '^(MP|IN|DP)')"
        sql -c "SET TimeZone = 'UTC'" -c "SELECT row_to_json(t) FROM $rows t" >"$WORK/log/$t.rows"
        sql -c "SELECT string_agg(a.attname || ' ' || format_type(a.atttypid, NULL), ',' ORDER BY a.attnum)
            FROM pg_attribute a WHERE a.attrelid = 'hospital.${t/doctors/staff}'::regclass AND a.attnum > 0 AND NOT a.attisdropped" >"$WORK/log/$t.types"
        timeout 120 kcat -q -C -b "$BROKER" -t "postgres-source.public.$t" -o beginning -e -D '\n' -K '\t' >"$WORK/log/$t.changes"
        python3 "$TOP/test/tools/lib/fold.py" "$WORK/log/$t" || FAILED=1
    done
    [ "$FAILED" = 0 ] || die "$1: the topics and the tables differ"
    say "   $1: ${#TOPICS[@]} topics, folded, are the tables"
}

FAILED=0
SERVER_PORT=$(perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")->sockport')
PORT=$SERVER_PORT
tool_server cdc "wal_level = logical" "listen_addresses = '127.0.0.1'" "hospital.databases = '$DB'" \
    "autovacuum = on" "max_wal_size = 2GB" "log_statement = 'none'"
CONNECT=$(as_user bash "$WORK/build/bench/stream_jars.sh" connect) && PLUGIN=$(as_user bash "$WORK/build/bench/stream_jars.sh" capture) ||
    skip "Connect and Debezium cannot be fetched here"
start_kafka || skip "Apache Kafka cannot be had here"

# Debezium comes in by TCP with a password, like a user's would
as_user sed -i "1i host $DB debezium 127.0.0.1/32 scram-sha-256" "$WORK/pg/data/pg_hba.conf"
as_user "$BINDIR/pg_ctl" -D "$WORK/pg/data" reload >/dev/null
query -d postgres -c "CREATE DATABASE $DB"
quietly -c "CREATE EXTENSION hospital" -c "CALL hospital_create(people => 20000, beds => $BEDS, seed => 1, start_date => '2020-01-01', end_date => '2021-12-31')" \
    -c "CALL hospital_load_people()" -c "CALL hospital_load_staff()" -c "CALL hospital_run(5)"
sql -c "CREATE ROLE debezium LOGIN REPLICATION PASSWORD 'debezium'" -c "GRANT USAGE ON SCHEMA hospital TO debezium" \
    -c "GRANT SELECT ON ALL TABLES IN SCHEMA hospital TO debezium"
sql -f - <"$TOP/connect/publication.sql"
start_connect
await 300 "SELECT count(*) = 1 FROM pg_replication_slots WHERE slot_name = 'hospital_cdc' AND active"
compare "snapshot"

quietly -c "CALL hospital_run(3)"
IFS='|' read -r bill file <<<"$(sql -c "SELECT batch_id, file FROM hospital.batches WHERE kind = 'billing_payments' ORDER BY day DESC LIMIT 1")"
quietly -c "UPDATE hospital.patients SET contact_info = 'café, \"quoted\"' WHERE patient_id % 7 = 0" \
    -c "DELETE FROM hospital.prescriptions WHERE prescription_id % 11 = 0" \
    -c "UPDATE hospital.staff SET last_name = last_name || '-Nel' WHERE staff_id % 13 = 0" \
    -c "CALL hospital_undo_batch($bill)"
compare "days, changes by hand, a day's bills taken back"

quietly -c "CALL hospital_ingest('$file')"
quietly -c "CREATE TABLE kept AS TABLE hospital.prescriptions" -c "TRUNCATE hospital.prescriptions"
compare "the bills again, a table truncated"
quietly -c "INSERT INTO hospital.prescriptions SELECT * FROM kept ORDER BY 1 LIMIT 100" -c "DROP TABLE kept"

# 300 times the usual pace: a hospital day every 3 seconds.
quietly -c "SELECT hospital_start()" -c "SELECT hospital_speed(300)" -c "CREATE TABLE watched (at timestamptz DEFAULT clock_timestamp(), behind bigint, kept bigint, days bigint)"
for ((i = 0; i < SPEED_S * 2; i++)); do
    sql -c "INSERT INTO watched (behind, kept, days) SELECT pg_current_wal_lsn() - confirmed_flush_lsn, pg_current_wal_lsn() - restart_lsn,
        (SELECT count(DISTINCT day) FROM hospital.batches WHERE state = 'ingested') FROM pg_replication_slots WHERE slot_name = 'hospital_cdc'"
    sleep 0.5
done
sql -c "SELECT hospital_stop()" >/dev/null
say "   300 times live pace, $BEDS beds, $(sql -c "SELECT format('%s s, %s days ingested; log that Debezium has not acknowledged: median %s kB, at most %s kB; kept for the slot: at most %s kB',
    round(extract(epoch FROM max(at) - min(at))), max(days) - min(days), percentile_disc(0.5) WITHIN GROUP (ORDER BY behind) / 1024, max(behind) / 1024, max(kept) / 1024) FROM watched")"
say "   $(sql -c "SELECT 'thirds of that time, at most behind: ' || string_agg(most / 1024 || ' kB', ', ' ORDER BY third) FROM (SELECT ntile, max(behind) AS most, ntile AS third
    FROM (SELECT behind, ntile(3) OVER (ORDER BY at) FROM watched) w GROUP BY ntile) t")"
[ "$(sql -c "SELECT max(days) - min(days) >= $SPEED_S / 3 * 0.7 FROM watched")" = t ] || die "the hospital did not keep its pace"
# It may never be behind by more than a few days' log, nor by more and more.
[ "$(sql -c "WITH w AS (SELECT behind, ntile(3) OVER (ORDER BY at) AS third FROM watched)
    SELECT (SELECT max(behind) FROM w WHERE third = 3) <= 2 * (SELECT max(behind) FROM w WHERE third < 3) + 4000000 AND (SELECT max(behind) FROM w) < 100000000")" = t ] ||
    die "the slot grows"
compare "after it"

stop_connect
for ((i = 0; i < 100; i++)); do                # until the server has noticed
    [ "$(sql -c "SELECT active FROM pg_replication_slots WHERE slot_name = 'hospital_cdc'")" = t ] || break
    sleep 0.2
done
sql -c "SELECT pg_drop_replication_slot('hospital_cdc')" >/dev/null
say "   the slot is dropped"
