#!/bin/bash
# threads.sh: what of ours librdkafka's threads may run, and whether they and the
# worker's own thread ever touch the same memory unasked.
#
# 1. hospital_kafka.so registers one callback, and nothing else by which the
#    library could call us from a thread of its own.
# 2. What that callback calls touches nothing that could change.
# 3. Workers with the embedded broker, and workers that refuse a broker's
#    certificate (which is when that callback runs), under valgrind's helgrind.
#    Librdkafka keeps order by atomic counters too, which helgrind cannot see: a
#    race counts when code of ours or of the server's is on one side of it.
#
# usage: threads.sh [short]     short: without 3
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$(dirname "${BASH_SOURCE[0]}")/assert_server.sh"
source "$(dirname "${BASH_SOURCE[0]}")/callbacks.sh"

# Reports of races with our code, or the server's, on one side.
ours() { as_user perl "$WORK/build/test/builds/helgrind.pl" "$WORK/server" "$REPORTS".*; }

# wait_until SECONDS QUERY: until it says t.
wait_until() {
    local i
    for i in $(seq $(($1 * 2))); do
        [ "$(query -d small -c "$2" 2>/dev/null)" != t ] || return 0
        sleep 0.5
    done
    say "   in vain after $1 s: $2"
    return 1
}

# hospital_streams SETTING...: made by the server as it is, run by one under helgrind.
hospital_streams() {
    wrap_postgres
    small_hospital || return 1
    wrap_postgres "exec valgrind --quiet --tool=helgrind --history-level=full --num-callers=20 --xml=yes --xml-file=$REPORTS.%p \"\$plain\" \"\$@\""
    write_settings "shared_buffers = 128MB" "fsync = off" "authentication_timeout = 10min" "jit = off" "autovacuum = off" \
        "hospital.databases = 'small'" "hospital.batch_interval = '60s'" "hospital.stream_interval = '5s'" "hospital.consumer_workers = 1" "$@"
    start_cluster
    query -d small -c "SELECT hospital_start()" >/dev/null
}

# Events through the embedded broker, a consumer that is ended, and a stop.
embedded_broker() {
    hospital_streams "hospital.kafka_brokers = 'embedded'"
    wait_until 600 "SELECT sum(rows) >= 10 FROM hospital.stream_ranges" || return 1
    query -d small -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'hospital consumer'" >/dev/null
    wait_until 600 "SELECT sum(rows) >= 20 FROM hospital.stream_ranges" || return 1
    query -d small -c "SELECT hospital_stop()" >/dev/null
    stop_cluster
    say "   events went through the embedded broker, and a consumer was ended on the way"
}

# A TLS server whose certificate nobody has signed is enough of a broker for that.
refused_certificate() {
    local port=$((20000 + RANDOM % 20000))
    as_user openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=nobody -keyout "$WORK/home/key.pem" -out "$WORK/home/cert.pem" 2>/dev/null
    printf 'security.protocol=SSL\n' | as_user tee "$WORK/home/kafka.conf" >/dev/null
    as_user chmod 600 "$WORK/home/kafka.conf"
    as_user bash -c 'echo $$ > "$1/server.pid"; shift; exec "$@" </dev/null >/dev/null 2>&1' _ "$WORK/home" \
        openssl s_server -accept "127.0.0.1:$port" -key "$WORK/home/key.pem" -cert "$WORK/home/cert.pem" -quiet &
    hospital_streams "hospital.kafka_brokers = '127.0.0.1:$port'" "hospital.kafka_config_file = '$WORK/home/kafka.conf'"
    wait_until 600 "SELECT count(*) > 0 FROM hospital.status WHERE last_error LIKE '%certificate is of an unknown authority%'"
    local rc=$?
    stop_cluster
    as_user kill "$(cat "$WORK/home/server.pid")"
    [ $rc != 0 ] || say "   the broker's certificate was refused by $CALLBACK, and its words arrived"
    return $rc
}

begin_build threads
rc=0
if [ "${1:-}" = short ]; then
    use_server "$PG_CONFIG"
    install_with
else
    need valgrind valgrind
    need openssl openssl
    assert_server
    install_with
fi
registers_one_callback || rc=1
callback_touches_nothing || rc=1
if [ "${1:-}" != short ]; then
    REPORTS=$WORK/home/report
    as_user find "$WORK/home" -name 'report.*' -delete
    embedded_broker || rc=1
    refused_certificate || rc=1
    ours || rc=1
fi
exit $rc
