#!/bin/bash
# run.sh: the measurements.  "make bench" compares hospital with COPY, with
# generate_series and with Faker, on this machine, and prints a table.
#
# The runs of the things that are compared alternate, so that a change of the
# machine's mood meets all of them; each table is made anew in a database of its
# own after a checkpoint, and one run of everything comes first and is not
# counted.  What is compared is the median; the spread is shown beside it.
#
# environment: NUM (5000000 people), RUNS (5), ROWS (the numbers of the rows to
# measure, "1 2 ... 12"); bench/days.sh has some for rows 7 to 12, bench/stream.sh
# for rows 13 to 23, which "make bench-stream" measures, bench/idle.sh for rows 24 to
# 28 ("make bench-idle"), bench/export.sh for rows 40 and 41 ("make bench-export")
source "$(dirname "${BASH_SOURCE[0]}")/../demo/cluster.sh"

NUM=${NUM:-5000000}
RUNS=${RUNS:-5}
ROWS=${ROWS:-1 2 3 4 5 6 7 8 9 10 11 12}
DB=bench
declare -A SAMPLES=()
TABLE=() MACHINE=() BEHIND=0

for n in "$NUM" "$RUNS"; do
    case $n in ''|*[!0-9]*|0*) die "NUM and RUNS must be whole numbers, not \"$n\"" ;; esac
done
wanted() { case " $ROWS " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }

# ---- numbers ---------------------------------------------------------------

sample() { SAMPLES[$1]="${SAMPLES[$1]:-} $2"; }

# stat NAME min|median|max
stat_of() {
    printf '%s\n' ${SAMPLES[$1]} | sort -n | awk -v what="$2" '
        { v[NR] = $1 }
        END {
            if (what == "min") print v[1]
            else if (what == "max") print v[NR]
            else print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
        }'
}

shown() { # NAME DIVISOR FORMAT
    awk -v a="$(stat_of "$1" median)" -v b="$(stat_of "$1" min)" -v c="$(stat_of "$1" max)" -v d="$2" \
        -v f="$3" 'BEGIN { printf f " (" f "..." f ")", a / d, b / d, c / d }'
}

# row NUMBER LABEL OURS BASE DIVISOR FORMAT TARGET at-most|at-least|-
# The ratio is that of the medians, ours to base.
row() {
    local ratio verdict
    ratio=$(awk -v a="$(stat_of "$3" median)" -v b="$(stat_of "$4" median)" 'BEGIN { printf "%.3f", a / b }')
    case $8 in
        at-most) verdict=$(awk -v r="$ratio" -v t="$7" 'BEGIN { print (r <= t) ? "reached" : "MISSED" }') ;;
        at-least) verdict=$(awk -v r="$ratio" -v t="$7" 'BEGIN { print (r >= t) ? "reached" : "MISSED" }') ;;
        *) verdict=- ;;
    esac
    [ "$verdict" != MISSED ] || BEHIND=1
    TABLE+=("$1|$2|$(shown "$3" "$5" "$6")|$(shown "$4" "$5" "$6")|$ratio|$7|$verdict")
    MACHINE+=("bench row=$1 name=$3 base=$4 ours_median=$(stat_of "$3" median) base_median=$(stat_of "$4" median) ratio=$ratio target=$7 verdict=$verdict")
}

note_row() { TABLE+=("$1|$2|$3||||$4"); }

# ---- the server ------------------------------------------------------------

# A new database with the extension and a created, empty hospital.
fresh_database() {
    query -d postgres -c "DROP DATABASE IF EXISTS $DB" -c "CREATE DATABASE $DB" >/dev/null 2>&1
    query -d $DB -c "CREATE EXTENSION hospital" -c "CALL hospital_create(people => ${1:-$NUM})" >/dev/null
    query -d $DB -f - < "$TOP/bench/people_plain.sql"
    query -d $DB -c "CREATE TABLE same (LIKE hospital.people)" -c "CHECKPOINT"
}

# Milliseconds that the statements took, by psql's clock.
timed() {
    local s args=(-d $DB -qAt -c '\timing on')
    for s in "$@"; do args+=(-c "$s"); done
    psql_do "${args[@]}" 2>>"$WORK/log/bench.log" |
        tee -a "$WORK/log/bench.log" | awk '/^Time: / { ms += $2 } END { printf "%.1f\n", ms }'
}

# The indexes of hospital.people, to be built on another table.
index_statements() {
    fresh_database 1000
    query -d $DB -c "CALL hospital_load_people()" >/dev/null 2>&1
    mapfile -t INDEXES < <(query -d $DB -c "SELECT replace(pg_get_indexdef(indexrelid), ' ON hospital.people ', ' ON %t ')
        FROM pg_index WHERE indrelid = 'hospital.people'::regclass ORDER BY indexrelid" |
        sed 's/INDEX [^ ]* ON/INDEX ON/')
    [ ${#INDEXES[@]} -gt 0 ] || die "hospital.people has no index after hospital_load_people"
    say "   the same indexes: ${INDEXES[*]//%t/…}"
}

has_argument() {
    [ "$(query -d $DB -c "SELECT count(*) FROM pg_proc WHERE proname = '$1' AND '$2' = ANY (proargnames)")" != 0 ]
}

header() {
    local sync
    sync=$(as_user "$BINDIR/pg_test_fsync" -s 1 -f "$WORK/data/fsync-trial" 2>/dev/null |
        awk '$1 == "fdatasync" { print $2 " syncs/s, " $4 " us each"; exit }') || true
    {
        say "date                 $(date -u +%Y-%m-%dT%H:%MZ), $(cd "$TOP" && git rev-parse --short HEAD 2>/dev/null || echo 'no commit')"
        say "machine              $(nproc) cores, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(memory_mb) MB, Linux $(uname -r)"
        say "server               $("$BINDIR/postgres" --version)"
        query -d postgres -c "SELECT rpad(name, 20) || ' ' || current_setting(name) FROM pg_settings
            WHERE name IN ('wal_level', 'shared_buffers', 'max_wal_size', 'checkpoint_timeout', 'fsync', 'jit',
                           'synchronous_commit', 'maintenance_work_mem') ORDER BY name"
        say "fdatasync            ${sync:-not measured} (8 kB, pg_test_fsync)"
        say "people               $NUM, runs $RUNS, load average at the start $(cut -d' ' -f1 /proc/loadavg)"
    } | tee "$WORK/log/header"
}

# ---- rows 1 to 3: loading --------------------------------------------------

build_indexes_on() { local i; for i in "${INDEXES[@]}"; do printf '%s\n' "${i//%t/$1}"; done; }

load_once() { # counted?
    local ms on_plain on_same keep=$1
    keep() { if [ "$keep" = yes ]; then sample "$1" "$2"; fi; printf ' %s %.1fs' "$1" "$(awk "BEGIN { print $2 / 1000 }")"; }
    if wanted 1; then
        if [ "$KEYS" = yes ]; then
            fresh_database
            keep load_heap "$(timed "CALL hospital_load_people(workers => 2, keys => false)")"
        fi
        fresh_database
        keep copy_plain "$(timed "COPY plain FROM '$WORK/data/people.txt'")"
        fresh_database
        keep copy_same "$(timed "COPY same FROM '$WORK/data/people.txt'")"
    fi
    if wanted 2; then
        mapfile -t on_plain < <(build_indexes_on plain)
        mapfile -t on_same < <(build_indexes_on same)
        fresh_database
        keep load_keys "$(timed "CALL hospital_load_people(workers => 2)")"
        fresh_database
        keep copy_plain_keys "$(timed "COPY plain FROM '$WORK/data/people.txt'" "${on_plain[@]}")"
        fresh_database
        keep copy_same_keys "$(timed "COPY same FROM '$WORK/data/people.txt'" "${on_same[@]}")"
    fi
    if wanted 3; then
        fresh_database
        keep insert_select "$(timed "INSERT INTO plain SELECT * FROM hospital_generate_people($NUM)")"
        # statistics are sent when the session ends
        sleep 1
        ms=$(query -d postgres -c "SELECT temp_bytes FROM pg_stat_database WHERE datname = '$DB'")
        TEMP_BYTES=$((TEMP_BYTES + ms))
        fresh_database
        keep copy_for_insert "$(timed "COPY plain FROM '$WORK/data/people.txt'")"
    fi
}

loading() {
    local i
    KEYS=no TEMP_BYTES=0
    index_statements
    if has_argument hospital_load_people keys; then KEYS=yes; fi
    say "   writing the file to copy from"
    query -d $DB -c "COPY (SELECT * FROM hospital_generate_people($NUM)) TO '$WORK/data/people.txt'"
    for i in $(seq 0 "$RUNS"); do
        [ "$i" = 0 ] && printf '   warming up:' || printf '   run %s of %s:' "$i" "$RUNS"
        load_once "$([ "$i" = 0 ] || echo yes)"
        printf '\n'
    done
    as_user rm -f "$WORK/data/people.txt"
    if wanted 1; then
        if [ "$KEYS" = yes ]; then
            row 1 "load, heap only / COPY into plain types, s" load_heap copy_plain 1000 %.2f 0.45 at-most
            row 1 "load, heap only / COPY into the real types, s" load_heap copy_same 1000 %.2f - -
        else
            note_row 1 "load, heap only" "hospital_load_people has no argument keys" "not measured"
        fi
    fi
    if wanted 2; then
        row 2 "load with keys / COPY, then the same indexes, s" load_keys copy_plain_keys 1000 %.2f 0.65 at-most
        row 2 "load with keys / the same with the real types, s" load_keys copy_same_keys 1000 %.2f - -
    fi
    if wanted 3; then
        row 3 "INSERT ... SELECT / COPY, s" insert_select copy_for_insert 1000 %.2f 0.85 at-most
        note_row 3 "temporary files of INSERT ... SELECT" "$TEMP_BYTES bytes" \
            "$([ "$TEMP_BYTES" = 0 ] && echo reached || echo MISSED)"
        [ "$TEMP_BYTES" = 0 ] || BEHIND=1
    fi
}

# ---- row 4: counting -------------------------------------------------------

counting() {
    local i
    for i in $(seq 0 "$RUNS"); do
        local a b
        a=$(timed "SELECT count(*) FROM hospital_generate_people($NUM)")
        b=$(timed "SELECT count(*) FROM generate_series(1, $NUM)")
        [ "$i" = 0 ] || { sample count_people "$a"; sample count_series "$b"; }
    done
    row 4 "count(*) of people / of generate_series, ms" count_people count_series 1 %.0f 0.35 at-most
}

# ---- row 5: computing, against Faker ---------------------------------------

faker_python() {
    local venv=$WORK/home/faker
    [ -x "$venv/bin/python" ] && "$venv/bin/python" -c 'import faker' 2>/dev/null && { echo "$venv/bin/python"; return 0; }
    as_user rm -rf "$venv"
    { as_user python3 -m venv "$venv" && as_user "$venv/bin/pip" -q install --no-cache-dir faker; } \
        >"$WORK/log/faker.log" 2>&1 || return 1
    echo "$venv/bin/python"
}

computing() {
    local i ms python
    python=$(faker_python) || python=
    [ -n "$python" ] || say "   Faker cannot be installed here ($WORK/log/faker.log): only our rate is measured"
    for i in $(seq 0 "$RUNS"); do
        ms=$(query -d $DB -v n="$NUM" -f - < "$TOP/bench/people_discard.sql" |
            awk '/^Execution Time: / { print $3 }')
        [ "$i" = 0 ] || sample people_a_second "$(awk -v n="$NUM" -v ms="$ms" 'BEGIN { printf "%.0f", n / ms * 1000 }')"
        if [ -n "$python" ]; then
            ms=$(as_user "$python" - 10000 < "$TOP/bench/faker_people.py")
            [ "$i" = 0 ] || sample faker_a_second "$ms"
        fi
    done
    if [ -n "$python" ]; then
        row 5 "people a second, all columns / Faker zu_ZA, 6 fields" people_a_second faker_a_second 1 %.0f 300 at-least
    else
        note_row 5 "people a second, all columns, one core" "$(shown people_a_second 1 %.0f)" "Faker not measured"
    fi
}

# ---- row 6: memory ---------------------------------------------------------

# RssAnon of the backend, before the stream (after a small one, which loads what
# has to be loaded once) and at its highest while it runs.
memory() {
    local n=$((NUM * 10)) run=$WORK/home/memory pid now most=0 base added client
    as_user rm -rf "$run" && as_user mkdir -p "$run"
    { echo "SET max_parallel_workers_per_gather = 0;"; sed 's/:n/1000/' "$TOP/bench/people_stream.sql"
      printf '%s\n' "SELECT pg_backend_pid() AS pid \\gset" "\\setenv BACKEND :pid" \
          "\\! grep RssAnon /proc/\$BACKEND/status > $run/base && echo \$BACKEND > $run/pid"
      sed "s/:n/$n/" "$TOP/bench/people_stream.sql"; } > "$WORK/log/memory.sql"
    psql_do -d $DB -qAt -f - < "$WORK/log/memory.sql" > "$WORK/log/memory.out" 2>&1 &
    client=$!
    while kill -0 $client 2>/dev/null; do
        pid=$(cat "$run/pid" 2>/dev/null || true)
        now=$(awk '/^RssAnon/ { print $2 }' "/proc/${pid:-none}/status" 2>/dev/null || true)
        [ "${now:-0}" -le "$most" ] || most=$now
        sleep 0.1
    done
    wait $client || die "the stream of $n people failed" "$(cat "$WORK/log/memory.out")"
    base=$(awk '{ print $2 }' "$run/base")
    added=$(awk -v a="$most" -v b="$base" 'BEGIN { printf "%.1f", (a - b) / 1024 }')
    TABLE+=("6|private memory added by $n people, MB|$added|||16|$(awk -v a="$added" 'BEGIN { print a <= 16 ? "reached" : "MISSED" }')")
    MACHINE+=("bench row=6 name=rss_anon_added_mb people=$n base_kb=$base most_kb=$most added=$added target=16")
    awk -v a="$added" 'BEGIN { exit a <= 16 ? 0 : 1 }' || BEHIND=1
}

# ---- rows 7 to 12: day files -----------------------------------------------

source "$TOP/bench/days.sh"

# ---- rows 13 to 23: events through Kafka -----------------------------------

source "$TOP/bench/stream.sh"

# ---- rows 24 to 28: at rest, and making way --------------------------------

source "$TOP/bench/idle.sh"
kafka_wanted() { stream_wanted || wanted_any 26 27 28; }

# ---- rows 40 and 41: export ------------------------------------------------

source "$TOP/bench/export.sh"

# ---- all -------------------------------------------------------------------

# What the rows that are wanted need of the disk, at the most.
needed_mb() {
    {
        if wanted_any 1 2 3 4 5 6; then echo $((NUM / 500 + 1000)); fi
        if wanted_any 7 8 9 10 11 12; then days_space_mb; fi
        stream_space_mb
        if idle_wanted; then echo 4000; fi
        if export_wanted; then echo $((EXPORT_MB * 7 + 2000)); fi
    } | sort -n | tail -n 1
}

head1 "What is needed"
install_missing bench
if stream_wanted; then install_missing stream; elif kafka_wanted; then install_missing kafka; fi
make_work bench
trap 'stop_step; stream_cleanup; stop_cluster' EXIT
NEEDS_MB=$(needed_mb)
[ "$(free_mb)" -ge $NEEDS_MB ] ||
    die "$WORK has $(free_mb) MB free, these measurements need about $NEEDS_MB MB" "Say NUM=... for fewer people, DAYS=... for fewer days, NUM_EVENTS=... for fewer events."
copy_server
copy_sources
build "compiling and installing hospital" WERROR=
make_cluster
STREAM_SETTINGS=()
if kafka_wanted; then stream_prepare; fi
write_settings "autovacuum = off" "${STREAM_SETTINGS[@]}"
start_cluster
reset_server                    # what a run that was cut short has left
: > "$WORK/log/bench.log"
head1 "The machine"
header
head1 "Measuring"
if wanted 1 || wanted 2 || wanted 3; then loading; fi
if wanted 4 || wanted 5 || wanted 6; then fresh_database 1000; fi
if wanted 4; then say "   counting"; counting; fi
if wanted 5; then say "   computing"; computing; fi
if wanted 6; then say "   memory"; memory; fi
if wanted 7 || wanted 8 || wanted 9 || wanted 10 || wanted 11 || wanted 12; then say "   day files"; day_files; fi
if stream_wanted; then say "   the stream"; streaming; fi
if idle_wanted; then idleness; fi
if export_wanted; then exporting; fi
head1 "Results: median (min...max); ratio is ours to the other's"
{
    printf '%s\n' "row|what|ours|the other|ratio|target|verdict" "${TABLE[@]}" | awk -F'|' '
        { for (i = 1; i <= 7; i++) { cell[NR, i] = $i; if (length($i) > width[i]) width[i] = length($i) } }
        END { for (r = 1; r <= NR; r++) { line = "";
                for (i = 1; i <= 7; i++) line = line sprintf("%-" width[i] "s  ", cell[r, i]);
                sub(/ +$/, "", line); print line } }'
    say ""
    printf '%s\n' "${MACHINE[@]}"
} | tee "$WORK/log/results"
say ""
say "kept in $WORK/log (header, results); make clean-test removes the folder"
[ "$BEHIND" = 0 ] || say "some targets were missed"
