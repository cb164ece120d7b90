#!/bin/bash
# load.sh: a hospital at a thousand times the pace of life, until its end date.
# "make load" prints what its processes hold, what it writes and what other sessions
# notice, and fails if something grows that must not.
#
#   pairs   pgbench beside it, with the hospital and without, alternating
#   run     six tenths of the days that are left; the first tenth is not counted
#   held    another session's snapshot is held, which keeps dead rows from being taken away
#   after   the snapshot is given back, until the end date
#
# What is flat: private memory, open files and threads of each kind of worker, the log for
# a row of the day's files, and the small tables of state. load_watch.pl takes the samples.
#
# environment: LOAD_DAYS (1455), BEDS (200), PEOPLE (100000), PAIRS (5), DAY_MS (900),
# HOSPITAL_TEST_SEED
source "$(dirname "${BASH_SOURCE[0]}")/../demo/cluster.sh"

LOAD_DAYS=${LOAD_DAYS:-1455} BEDS=${BEDS:-200} PEOPLE=${PEOPLE:-100000} PAIRS=${PAIRS:-5} DAY_MS=${DAY_MS:-900}
SEED=${HOSPITAL_TEST_SEED:-$(date +%s)}
DB=load
HOLD="SELECT pg_sleep(86400)"      # a statement keeps its snapshot until it ends
FAILED=0
WATCH= HOLDER=

for n in "$LOAD_DAYS" "$BEDS" "$PEOPLE" "$PAIRS" "$DAY_MS" "$SEED"; do
    case $n in ''|*[!0-9]*|0*) die "numbers must be whole ones, not \"$n\"" ;; esac
done

leave() {
    rm -f "$WORK/watch/on"
    [ -z "$HOLDER" ] || kill "$HOLDER" 2>/dev/null || true
    [ -z "$WATCH" ] || wait "$WATCH" || true
    stop_step
    stop_cluster
}

check() { # WHAT COMMAND...
    local what=$1
    shift
    if "$@"; then say "   ok      $what"; else say "   FAILED  $what"; FAILED=1; fi
}

phase() { echo "$1" > "$WORK/watch/phase"; }
value() { query -d $DB -c "$1"; }
no_errors() { [ -s "$WORK/pg/server.log" ] && ! as_user grep -E ' (ERROR|PANIC):' "$WORK/pg/server.log"; }
days_done() { value "SELECT count(DISTINCT day) FROM hospital.batches WHERE state = 'ingested'"; }

# Ten times as long as the days should take.
await_days() { # NUMBER
    local until=$((SECONDS + 120 + $1 * DAY_MS / 100)) before=-1 now
    while now=$(days_done) && [ "$now" -lt "$1" ]; do
        kill -0 "$WATCH" 2>/dev/null || die "the watching process has ended"
        [ $SECONDS -lt $until ] || die "day $1 does not come" "$(value 'TABLE hospital.status')"
        [ "$now" = "$before" ] || [ ! -t 1 ] || printf '\r   %s of %s days' "$now" "$1"
        before=$now
        sleep 1
    done
    [ ! -t 1 ] || printf '\r'
    say "   $now of $1 days"
}

# ---- beside others ---------------------------------------------------------

# Milliseconds of the transaction in the middle, and of the one that 99 of 100 are faster than.
latencies() { # SECONDS
    as_user "$BINDIR/pgbench" -h "$SOCKETS" -p "$PORT" -U postgres -n -c 2 -j 1 -R 200 -T "$1" -l --log-prefix "$WORK/pg/bench/log" bench \
        >>"$WORK/log/pgbench.log" 2>&1 || die "pgbench failed" "$(tail -n 3 "$WORK/log/pgbench.log")"
    as_user cat "$WORK"/pg/bench/log.* | awk '{ print $3 / 1000 }' | sort -n |
        awk '{ v[NR] = $1 } END { printf "%.2f %.2f\n", v[int(NR / 2) + 1], v[int(NR * 0.99) + 1] }'
    as_user find "$WORK/pg/bench" -type f -delete
}

middle() { printf '%s\n' "$@" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

beside() {
    local i p50 p99 with50=() with99=() without50=() without99=()
    for i in $(seq 0 "$PAIRS"); do
        value "SELECT hospital_stop()" >/dev/null
        sleep 3
        read -r p50 p99 < <(latencies 20)
        [ "$i" = 0 ] || { without50+=("$p50"); without99+=("$p99"); }
        value "SELECT hospital_start()" >/dev/null
        sleep 3
        read -r p50 p99 < <(latencies 20)
        [ "$i" = 0 ] || { with50+=("$p50"); with99+=("$p99"); }
    done
    BESIDE="$(middle "${with50[@]}") $(middle "${without50[@]}") $(middle "${with99[@]}") $(middle "${without99[@]}")"
    read -r with50 without50 with99 without99 <<<"$BESIDE"
    say "   pgbench, 2 sessions, 200 a second: $with50 ms with the hospital, $without50 ms without (medians of $PAIRS pairs); 99 of 100 within $with99 and $without99 ms"
    check "others' latency is at most 1.3 times what it is without" awk -v a="$with50" -v b="$without50" 'BEGIN { exit !(a <= 1.3 * b) }'
}

# ---- what has grown --------------------------------------------------------

# Rows of files, of so many tenths of the days that were left: what there is to log.
rows_between() {
    value "SELECT sum(rows) FROM hospital.batches WHERE day >= date '2020-01-01' + $FROM + $LEFT * $1 / 10 AND day < date '2020-01-01' + $FROM + $LEFT * $2 / 10"
}

judge() {
    # The first tenth is not counted.  The next three tenths are compared with the last two.
    awk -F'\t' -v from="$FROM" -v days="$LEFT" -v rows0="$(rows_between 1 4)" -v rows1="$(rows_between 8 10)" '
        $3 == "day" { day = $4 - from; next }
        $2 == "pairs" || day < days / 10 { next }
        {
            part = day < days * 4 / 10 ? "early" : day >= days * 8 / 10 ? "late" : "between"
            key = $3
            if (key == "wal") { if (!(part in wal0)) { wal0[part] = $4; day0[part] = day } wal1[part] = $4; day1[part] = day; next }
            names[key] = 1
            n[key, part]++
            if ($4 + 0 > most[key, part] + 0) most[key, part] = $4
            sum[key, part] += $4
            if ($2 == "held" && $4 + 0 > held[key] + 0) held[key] = $4
            last[key] = $4
        }
        END {
            # by rows, for a lockdown has half of them
            a = (wal1["early"] - wal0["early"]) / (day1["early"] - day0["early"] + 0.001) / (rows0 / (days * 3 / 10))
            b = (wal1["late"] - wal0["late"]) / (day1["late"] - day0["late"] + 0.001) / (rows1 / (days * 2 / 10))
            printf "flat|write-ahead log, bytes a row|%.0f|%.0f|||%s\n", a, b, b <= 1.3 * a ? "flat" : "GROWS"
            for (key in names) {
                split(key, k, "|")
                if (k[1] == "memory") { room = 1.1 * most[key, "early"] + 4096; unit = 1024; what = k[2] ": private memory, MB" }
                # a runner opens what its command needs: files of sorts, forks of tables that have grown
                else if (k[1] == "relations") { room = 1.1 * most[key, "early"] + 4; unit = 1; what = k[2] ": open files of relations" }
                else if (k[1] == "files" || k[1] == "threads") { room = most[key, "early"] + 2; unit = 1; what = k[2] ": " (k[1] == "files" ? "other open files" : "threads") }
                else if (k[1] == "walfiles") { room = 1.3 * most[key, "early"] + 64 * 1048576; unit = 1048576; what = "pg_wal, MB" }
                else if (k[1] == "size") { room = 2 * most[key, "early"] + 1048576; unit = 1024; what = k[2] ": size, kB" }
                else if (k[1] == "lag") { room = 3 * most[key, "early"] + 50; unit = 1; what = "reading stream_lag and status, ms at most" }
                else continue
                if (!((key, "early") in n) || !((key, "late") in n)) continue
                printf "%s|%s|%.0f|%.0f|%.0f|%.0f|%s\n", k[1], what, most[key, "early"] / unit, most[key, "late"] / unit, held[key] / unit, last[key] / unit,
                    most[key, "late"] <= room ? "flat" : "GROWS"
            }
        }' "$WORK/watch/samples" | sort > "$WORK/watch/judged"
    printf '\n   %-58s %10s %10s %10s %10s\n' "most of the sample" "early" "late" "held" "at the end"
    awk -F'|' '{ printf "   %-58s %10s %10s %10s %10s  %s\n", $2, $3, $4, $5, $6, $7 }' "$WORK/watch/judged"
    check "nothing grows" sh -c "! grep -q 'GROWS' '$WORK/watch/judged' && grep -q 'memory' '$WORK/watch/judged'"
}

# ---- the run ---------------------------------------------------------------

say "HOSPITAL_TEST_SEED=$SEED"
head1 "What is needed"
install_missing watch
make_work bench
trap leave EXIT
copy_server
copy_sources
build "compiling and installing hospital"
stop_cluster
as_user find "$WORK/pg" "$WORK/data" -mindepth 1 -delete
make_cluster
write_settings "hospital.kafka_brokers = 'embedded'" "hospital.topics = 'transfers, prescriptions'" "hospital.databases = '$DB'" \
    "hospital.batch_interval = '$DAY_MS ms'" "hospital.stream_interval = '$((DAY_MS / 5)) ms'" "max_wal_size = 1GB" "checkpoint_timeout = 1min"
start_cluster
mkdir -p "$WORK/watch"
rm -f "$WORK/watch/samples" "$WORK/watch/judged"
as_user mkdir -p "$WORK/pg/bench"

head1 "A hospital of $BEDS beds, $LOAD_DAYS days of $DAY_MS ms"
query -d postgres -c "CREATE DATABASE $DB" -c "CREATE DATABASE bench"
as_user "$BINDIR/pgbench" -h "$SOCKETS" -p "$PORT" -U postgres -q -i -s 10 bench >"$WORK/log/pgbench.log" 2>&1
query -d $DB -c "SET client_min_messages = warning" -c "CREATE EXTENSION hospital" \
    -c "CALL hospital_create(people => $PEOPLE, beds => $BEDS, seed => $SEED, name => 'load', start_date => '2020-01-01', end_date => date '2020-01-01' + $LOAD_DAYS - 1)" \
    -c "CALL hospital_load_people()" -c "CALL hospital_load_staff()" >"$WORK/log/load.log" 2>&1
touch "$WORK/watch/on"
phase pairs
perl "$TOP/test/load_watch.pl" "$WORK/watch" "$(as_user head -n 1 "$WORK/pg/data/postmaster.pid")" $DB \
    "$BINDIR/psql" -XqAt -h "$SOCKETS" -p "$PORT" -U postgres &
WATCH=$!
value "SELECT hospital_start()" >/dev/null
beside
phase run
began=$(now_ms) FROM=$(days_done)
LEFT=$((LOAD_DAYS - FROM))
[ $LEFT -ge 50 ] || die "$LEFT days are left after the pairs" "Ask for more, or for fewer pairs: make load LOAD_DAYS=400 PAIRS=2"
await_days $((FROM + LEFT * 6 / 10))
ran=$(($(days_done) - FROM)) took=$(($(now_ms) - began))
phase held
psql_do -d $DB -qAtc "$HOLD" >/dev/null 2>&1 &
HOLDER=$!
await_days $((FROM + LEFT * 8 / 10))
phase after
value "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = '$HOLD'" >/dev/null
wait "$HOLDER" || true
HOLDER=
await_days "$LOAD_DAYS"
rm -f "$WORK/watch/on"
wait "$WATCH" || FAILED=1
WATCH=

head1 "What it was like"
check "$(awk -v d="$ran" -v ms="$took" -v day="$DAY_MS" 'BEGIN { printf "%.0f times the pace of life, %.0f asked for", d * 900000 / ms, 900000 / day }')" \
    awk -v d="$ran" -v ms="$took" -v day="$DAY_MS" 'BEGIN { exit !(d * day >= 0.9 * ms) }'
judge
check "the hospital has come to its end" [ "$(value "SELECT state FROM hospital.run_window")" = "window over" ]
check "stream and files agree" [ "$(value "SELECT coalesce(sum(missing + altered), 0) FROM hospital_validate()")" = 0 ]
check "no error in the server's log" no_errors
say "kept in $WORK/watch"
exit $FAILED
