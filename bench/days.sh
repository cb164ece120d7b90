# days.sh: rows 7 to 12, day files.  To be sourced by bench/run.sh.
#
# What is compared reads the same files, which are in the page cache on both
# sides, into tables that are empty at first, one file a transaction:
#
#   ours    the tables of hospital_create, with their checks and indexes, and the
#           ledger.  Rows 7 and 8 go the live way: the ledger's rows are those
#           that the writer makes, and the ingestors of the running hospital take
#           them.  The clock runs from hospital_start(), so the start of the
#           workers is in it, to the moment at which no file waits any more.
#   COPY    one psql, one COPY ... FROM file CSV HEADER after the other, in the
#           order in which ours go in, into tables of plain types: no checks, no
#           NOT NULL, numeric without a precision, text for national_id.  Only
#           the server's time is counted.  Indexes as ours; registrations, which
#           ours puts into two tables, has the indexes of both.
#
# A person who dies, a stay and a visit that end come a second time, complete, in
# a later file.  Ours completes the row; COPY adds another one, so that the
# indexes of these three tables are not unique there.  (With unique ones COPY
# would stop at such a line.)
#
# Durability is the same on both sides.  An ingestor's commits do not wait for the
# disk while more files wait; it flushes before it rests.  So in rows 7 and 8 no
# COPY waits for the disk either, not even the last; in row 9 both sides wait
# once a day, as hospital_run does.
#
# environment: MONTH (30 days, rows 7 and 8), DAYS (120, rows 9 to 11; the targets
# are about 1455), RUN_INGESTORS (hospital.ingest_workers of row 9, 1), PEOPLE_LOADED (yes: the tables of row 9 have the people in them
# before the clock starts), BIG_MB (500, row 12)

MONTH=${MONTH:-30}
DAYS=${DAYS:-120}
RUN_INGESTORS=${RUN_INGESTORS:-1}
PEOPLE_LOADED=${PEOPLE_LOADED:-yes}
BIG_MB=${BIG_MB:-500}
LIVE=bench_days                 # database of ours
OTHER=bench_copy                # and of COPY's
FIRST_DAY=2020-01-01
WINDOW=60                       # days, row 11
YEAR_FOUR=1097                  # the number of 2023-01-01
WAIT_S=1200                     # for the ingestors

for n in "$MONTH" "$DAYS" "$BIG_MB" "$RUN_INGESTORS"; do
    case $n in ''|*[!0-9]*|0*) die "MONTH, DAYS, BIG_MB and RUN_INGESTORS must be whole numbers, not \"$n\"" ;; esac
done

lake_of() { printf '%s' "$WORK/data/lake/batch/$1"; }
load_average() { cut -d' ' -f1 /proc/loadavg; }
ratio_of() { awk -v a="$1" -v b="$2" -v f="${3:-%.1f}" 'BEGIN { printf f, a / b }'; }

# ---- databases -------------------------------------------------------------

set_server() { query -d postgres -c "ALTER SYSTEM SET $1" -c "SELECT pg_reload_conf()" >/dev/null; }
reset_server() { query -d postgres -c "ALTER SYSTEM RESET ALL" -c "SELECT pg_reload_conf()" >/dev/null; }

drop_database() { query -d postgres -c "SET client_min_messages = warning" -c "DROP DATABASE IF EXISTS $1 WITH (FORCE)"; }

# hospital NAME [END_DATE]: a hospital with its staff, stopped.
hospital() {
    drop_database $LIVE
    query -d postgres -c "CREATE DATABASE $LIVE"
    query -d $LIVE -c "SET client_min_messages = warning" -c "CREATE EXTENSION hospital" \
        -c "CALL hospital_create(people => $NUM, beds => 1100, start_date => '$FIRST_DAY', name => '$1'${2:+, end_date => '$2'})" \
        -c "CALL hospital_load_staff()" -c "VACUUM (ANALYZE) hospital.staff, hospital.staff_assignments" \
        >>"$WORK/log/bench.log" 2>&1
}

last_day_of() { date -u -d "$FIRST_DAY + $(($1 - 1)) days" +%F; }

run_days() { # DAYS: milliseconds
    psql_do -d $LIVE -qAt -c '\timing on' -c "CALL hospital_run($1)" 2>>"$WORK/log/bench.log" |
        awk '/^Time: / { ms += $2 } END { printf "%.1f\n", ms }'
}

# The tables and indexes that COPY fills, from those of a hospital.
other_tables() {
    query -d $LIVE -f - > "$WORK/log/copy_tables.sql" < "$TOP/bench/copy_tables.sql"
}

other_database() {
    drop_database $OTHER
    query -d postgres -c "CREATE DATABASE $OTHER"
    query -d $OTHER -f - < "$WORK/log/copy_tables.sql"
}

# One COPY a file that is in the ledger, in the order of ingesting; "day" as an
# argument: only the last one of each day waits for the disk.
copy_script() {
    echo '\timing on'
    query -d $LIVE -v data="$WORK/data" -v once_a_day="$([ "${1:-}" = day ] && echo true || echo false)" -f - <<'SQL'
WITH k AS (SELECT kind, min(stage) AS stage, min(place) AS place
           FROM hospital_record_columns() WITH ORDINALITY
               c (kind, table_name, stage, merge, number, column_name, type, key, nullable, completes, reference, words, place)
           GROUP BY kind),
f AS (SELECT format('COPY %I FROM %L CSV HEADER;', kind, :'data' || '/' || file) AS copy,
             row_number() OVER files AS n, lead(day) OVER files IS DISTINCT FROM day AS ends_day
      FROM hospital.batches JOIN k USING (kind) WINDOW files AS (ORDER BY day, stage, place))
SELECT CASE WHEN NOT :once_a_day THEN copy
            WHEN ends_day THEN E'\\timing off\nSET synchronous_commit = on;\n\\timing on\n' || copy
                               || E'\n\\timing off\nSET synchronous_commit = off;\n\\timing on'
            ELSE copy END
FROM f ORDER BY n;
SQL
}

copy_files() { # SCRIPT: milliseconds
    query -d $OTHER -c "CHECKPOINT"
    psql_do -d $OTHER -qAt -f - < "$1" 2>>"$WORK/log/bench.log" |
        awk '/^Time: / { ms += $2 } END { printf "%.1f\n", ms }'
}

copied_rows() {
    query -d $OTHER -c "SELECT sum((xpath('/row/c/text()', query_to_xml(format('SELECT count(*) AS c FROM %s', oid::regclass), false, true, '')))[1]::text::bigint)
                        FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
}

# Stops when not everything has come in.
check_ingested() {
    local bad
    bad=$(query -d $LIVE -c "SELECT count(*) FILTER (WHERE state <> 'ingested') + sum(rejects) FROM hospital.batches")
    [ "$bad" = 0 ] || die "of the day files $bad files or lines have not come in" \
        "SELECT * FROM hospital.rejects in database $LIVE: $(query -d $LIVE -c "SELECT kind, message FROM hospital.rejects LIMIT 1")"
}

# ---- rows 7 and 8: a month, one and two ingestors --------------------------

# The files of a month and what the writer has put into the ledger about them.
write_month() {
    local ms
    as_user rm -rf "$(lake_of month)"
    hospital month "$(last_day_of "$MONTH")"
    ms=$(run_days "$MONTH")
    check_ingested
    query -d $LIVE -c "COPY (SELECT kind, day, file, sha256, bytes, rows FROM hospital.batches ORDER BY batch_id) TO STDOUT" > "$WORK/log/month.batches"
    query -d $LIVE -c "COPY (SELECT day, rows, bytes, manifest_sha256 FROM hospital.days ORDER BY day) TO STDOUT" > "$WORK/log/month.days"
    { echo "SET synchronous_commit = off;"; copy_script; } > "$WORK/log/month.sql"
    other_tables
    MONTH_ROWS=$(awk '{ n += $2 } END { printf "%.0f", n }' "$WORK/log/month.days")
    MONTH_BYTES=$(awk '{ n += $3 } END { printf "%.0f", n }' "$WORK/log/month.days")
    say "   $MONTH days: $MONTH_ROWS lines in $(wc -l < "$WORK/log/month.batches") files, $(ratio_of "$MONTH_BYTES" 1000000) MB; hospital_run wrote and ingested them in $(ratio_of "$ms" 1000 %.2f) s"
}

# The same month, written and not ingested.
month_in_ledger() {
    hospital month "$(last_day_of "$MONTH")"
    query -d $LIVE -c "CREATE TEMP TABLE d (day date, rows bigint, bytes bigint, manifest_sha256 text)" \
        -c "COPY hospital.days (day, rows, bytes, manifest_sha256) FROM STDIN" < "$WORK/log/month.days"
    { echo "COPY hospital.batches (kind, day, file, sha256, bytes, rows, state) FROM STDIN;"
      sed 's/$/\twritten/' "$WORK/log/month.batches"; echo '\.'
      echo "UPDATE hospital.run_state SET anchor_day = '$FIRST_DAY'::date + $MONTH;"; } | query -d $LIVE -f -
}

# Milliseconds from hospital_start() until no file waits.
live_ingest() { # INGESTORS
    set_server "hospital.ingest_workers = $1"
    query -d $LIVE -c "CHECKPOINT"
    query -d $LIVE -v wait="$WAIT_S" -f - 2>>"$WORK/log/bench.log" < "$TOP/bench/live_ingest.sql"
}

month_ours() { # INGESTORS: milliseconds
    local result
    month_in_ledger >/dev/null
    result=$(live_ingest "$1" | tail -n 1)
    query -d $LIVE -c "SELECT hospital_stop()" >/dev/null
    check_ingested
    printf 'ingestors %s: %s ms, first file after %s ms\n' "$1" "${result%|*}" "${result#*|}" >>"$WORK/log/bench.log"
    echo "${result%|*}"
}

month_copy() { other_database; copy_files "$WORK/log/month.sql"; }

months() {
    local i ms keep which
    say "   writing a month"
    write_month
    for i in $(seq 0 "$RUNS"); do
        keep=$([ "$i" = 0 ] || echo yes)
        [ "$i" = 0 ] && printf '   warming up:' || printf '   run %s of %s:' "$i" "$RUNS"
        keep() { [ -n "$2" ] || die "no time was measured for $1" "See $WORK/log/bench.log and $WORK/pg/server.log."
                 if [ "$keep" = yes ]; then sample "$1" "$2"; fi; printf ' %s %.2fs' "$1" "$(ratio_of "$2" 1000 %.3f)"; }
        # one after the other, and back again at the next run
        for which in $(if [ $((i % 2)) = 0 ]; then echo 7 copy 8; else echo 8 copy 7; fi); do
            case $which in
                7) if wanted 7; then ms=$(month_ours 1); keep ingest_one "$ms"; fi ;;
                8) if wanted 8; then ms=$(month_ours 2); keep ingest_two "$ms"; fi ;;
                copy) ms=$(month_copy); keep copy_month "$ms" ;;
            esac
        done
        [ "$i" != 0 ] || [ "$(copied_rows)" = "$MONTH_ROWS" ] || die "COPY has not read all lines of the month"
        printf ', load %s\n' "$(load_average)"
    done
    if wanted 7; then row 7 "$MONTH days of files, one ingestor / COPY CSV, s" ingest_one copy_month 1000 %.2f 0.85 at-most; fi
    if wanted 8; then row 8 "$MONTH days of files, two ingestors / one COPY, s" ingest_two copy_month 1000 %.2f 0.5 at-most; fi
    drop_database $OTHER
}

# ---- rows 9 to 11: all days ------------------------------------------------

# When each day was all in, and its records.
note_days() {
    query -d $LIVE -c "SELECT day - '$FIRST_DAY'::date + 1, round(extract(epoch FROM max(ingested_at)) * 1000, 1), sum(rows)
                       FROM hospital.batches GROUP BY day ORDER BY day" > "$WORK/log/days"
}

# Medians over windows of 60 days of what a day costs, in ms, and each 1,000 of
# its records: "early" and "late", the first and the fourth year or, of a short
# run, its first and last quarter.
day_costs() {
    local window=$WINDOW last=366 from=$YEAR_FOUR
    if [ "$DAYS" -lt $((YEAR_FOUR + WINDOW)) ]; then
        window=$(( DAYS / 8 < 1 ? 1 : DAYS / 8 < WINDOW ? DAYS / 8 : WINDOW ))
        last=$(( (DAYS + 3) / 4 )) from=$(( DAYS - last + 1 ))
    fi
    awk -F'|' -v window="$window" -v last="$last" -v from="$from" '
        NR > 1 && ($1 <= last || $1 >= from) {
            w = ($1 <= last) ? "early " int(($1 - 1) / window) : "late " int(($1 - from) / window)
            print w, $2 - before, ($2 - before) * 1000 / $3 }
        { before = $2 }' "$WORK/log/days" | sort -k1,1 -k2,2n -k3,3n | awk -v window="$window" '
        function median(v, n,   i, j, t) {
            for (i = 2; i <= n; i++) for (j = i; j > 1 && v[j] < v[j - 1]; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
            return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2 }
        function finish() { if (n >= window / 2) print which, median(day, n), median(thousand, n) }
        $1 " " $2 != which { finish(); which = $1 " " $2; n = 0 }
        { n++; day[n] = $3; thousand[n] = $4 }
        END { finish() }' > "$WORK/log/windows"
    while read -r early _ day thousand; do
        sample "day_$early" "$day"
        sample "thousand_$early" "$thousand"
    done < "$WORK/log/windows"
}

all_days_ours() {
    as_user rm -rf "$(lake_of days)"
    hospital days
    if [ "$PEOPLE_LOADED" = yes ]; then
        say "   loading the people"
        query -d $LIVE -c "SET client_min_messages = warning" -c "CALL hospital_load_people()" \
            -c "VACUUM (FREEZE, ANALYZE) hospital.people" >>"$WORK/log/bench.log" 2>&1
    fi
    other_tables
    query -d $LIVE -c "CHECKPOINT"
    say "   CALL hospital_run($DAYS), ingestors $RUN_INGESTORS, load $(load_average)"
    sample run_days "$(run_days "$DAYS")"
    check_ingested
    LAKE_BYTES=$(as_user find "$(lake_of days)" -type f -printf '%s\n' | awk '{ n += $1 } END { printf "%.0f", n }')
    LAKE_ROWS=$(query -d $LIVE -c "SELECT sum(rows) FROM hospital.days")
    say "   $DAYS days, $LAKE_ROWS records, $(ratio_of "$LAKE_BYTES" 1000000000 %.3f) GB in $(shown run_days 1000 %.1f) s; the database has $(query -d $LIVE -c "SELECT pg_size_pretty(pg_database_size('$LIVE'))")"
    note_days
    copy_script day > "$WORK/log/days.sql"
    drop_database $LIVE
}

all_days_copy() {
    other_database
    say "   COPY of the same files, load $(load_average)"
    { echo "SET synchronous_commit = off;"; cat "$WORK/log/days.sql"; } > "$WORK/log/days_copy.sql"
    sample copy_days "$(copy_files "$WORK/log/days_copy.sql")"
    [ "$(copied_rows)" = "$LAKE_ROWS" ] || die "COPY has not read all lines of the days"
    say "   $(shown copy_days 1000 %.1f) s"
    drop_database $OTHER
}

all_days() {
    local gb verdict scaled whole=yes at=at-most when="year four / year one"
    # a short run is shown, not judged
    [ "$DAYS" -ge $((YEAR_FOUR + WINDOW)) ] || whole=no
    set_server "autovacuum = on"
    set_server "hospital.ingest_workers = $RUN_INGESTORS"
    all_days_ours
    if wanted 9; then all_days_copy; fi
    set_server "autovacuum = off"
    as_user rm -rf "$(lake_of days)"
    if wanted 9; then row 9 "hospital_run($DAYS), ingestors $RUN_INGESTORS / COPY of its files alone, s" run_days copy_days 1000 %.1f 1.5 at-most; fi
    if wanted 10; then
        gb=$(ratio_of "$LAKE_BYTES" 1000000000 %.3f)
        scaled=$(awk -v gb="$gb" -v d="$DAYS" 'BEGIN { printf "%.2f", gb / d * 1455 }')
        verdict=$(awk -v s="$scaled" 'BEGIN { print (s >= 4.5 && s <= 5.5) ? "reached" : "MISSED" }')
        [ "$whole" = yes ] || verdict=-
        [ "$verdict" != MISSED ] || BEHIND=1
        TABLE+=("10|size of $DAYS days in the lake, GB ($scaled for 1455)|$gb|||4.5 to 5.5|$verdict")
        MACHINE+=("bench row=10 name=lake_gb days=$DAYS bytes=$LAKE_BYTES rows=$LAKE_ROWS gb=$gb for_1455=$scaled target=4.5..5.5 verdict=$verdict")
    fi
    if wanted 11; then
        day_costs
        [ "$whole" = yes ] || { at=- when="last quarter / first"; }
        row 11 "a day, $when, ms" day_late day_early 1 %.0f 1.15 $at
        row 11 "1,000 records of a day, $when, ms" thousand_late thousand_early 1 %.2f - -
    fi
}

# ---- row 12: memory of an ingestor -----------------------------------------

# The hospital's first day with one file of BIG_MB more: the lines of its
# lab_results again and again, under numbers of their own.
write_big_file() {
    local folder small big=$FIRST_DAY/lab_results.csv
    [ -e "$(lake_of month)/date=$FIRST_DAY/lab_results.csv" ] || write_month
    as_user rm -rf "$(lake_of big)"
    folder=$(lake_of big)/date=$FIRST_DAY small=$(lake_of month)/date=$FIRST_DAY
    as_user mkdir -p "$(lake_of big)"
    as_user cp -r "$small" "$folder"
    as_user rm "$folder/manifest.json" "$folder/lab_results.csv"
    hospital big "$FIRST_DAY"
    query -d $LIVE -c "SET client_min_messages = warning" -c "CALL hospital_ingest('lake/batch/big/date=$FIRST_DAY')"
    big=$folder/lab_results.csv
    as_user awk -v want=$((BIG_MB * 1000000)) '
        NR == 1 { print; next }
        { sub(/^[0-9]+,/, ""); line[++n] = $0 }
        END { while (bytes < want) for (i = 1; i <= n && bytes < want; i++) {
                  s = sprintf("%.0f,%s", 8000000000 + ++id, line[i]); print s; bytes += length(s) + 1 } }' \
        "$small/lab_results.csv" | as_user tee "$big" >/dev/null
    BIG_BYTES=$(as_user stat -c %s "$big")
    query -d $LIVE -c "INSERT INTO hospital.batches (kind, day, file, sha256, bytes, state)
        VALUES ('lab_results', '$FIRST_DAY', 'lake/batch/big/date=$FIRST_DAY/lab_results.csv',
                '$(as_user sha256sum "$big" | cut -d' ' -f1)', $BIG_BYTES, 'written')" \
        -c "INSERT INTO hospital.days (day, rows, bytes, manifest_sha256) VALUES ('$FIRST_DAY', 0, 0, '')" \
        -c "UPDATE hospital.run_state SET anchor_day = '$FIRST_DAY'::date + 1"
}

ingestor_memory() {
    local client pid='' now most=0 first='' result
    say "   a file of $BIG_MB MB"
    write_big_file
    say "   ingesting it, load $(load_average)"
    live_ingest 1 > "$WORK/log/memory.out" &
    client=$!
    while kill -0 $client 2>/dev/null; do
        [ -n "$pid" ] || pid=$(query -d $LIVE -c "SELECT pid FROM pg_stat_activity WHERE backend_type = 'hospital ingestor' AND datname = '$LIVE'" | head -n 1)
        now=$(awk '/^RssAnon/ { print $2 }' "/proc/${pid:-none}/status" 2>/dev/null || true)
        first=${first:-$now}
        [ "${now:-0}" -le "$most" ] || most=$now
        sleep 0.1
    done
    wait $client || die "the file of $BIG_MB MB did not come in" "See $WORK/log/bench.log and $WORK/pg/server.log."
    query -d $LIVE -c "SELECT hospital_stop()" >/dev/null
    check_ingested
    [ "$most" -gt 0 ] || die "the ingestor's memory could not be read in /proc"
    result=$(tail -n 1 "$WORK/log/memory.out")
    most=$(ratio_of "$most" 1024)
    TABLE+=("12|an ingestor's private memory, a file of $(ratio_of "$BIG_BYTES" 1000000 %.0f) MB, MB|$most|||64|$(awk -v a="$most" 'BEGIN { print a <= 64 ? "reached" : "MISSED" }')")
    MACHINE+=("bench row=12 name=ingestor_rss_anon_mb bytes=$BIG_BYTES rows=$(query -d $LIVE -c "SELECT rows FROM hospital.batches WHERE kind = 'lab_results'") first_kb=$first most_mb=$most ms=${result%|*} target=64")
    awk -v a="$most" 'BEGIN { exit a <= 64 ? 0 : 1 }' || BEHIND=1
    drop_database $LIVE
    as_user rm -rf "$(lake_of big)"
}

# ---- all of them -----------------------------------------------------------

day_files() {
    set_server "hospital.databases = '$LIVE'"
    if wanted 7 || wanted 8; then months; fi
    if wanted 12; then ingestor_memory; fi
    if wanted 9 || wanted 10 || wanted 11; then all_days; fi
    drop_database $LIVE
    reset_server
    as_user rm -rf "$(lake_of month)"
}

days_space_mb() {
    local mb=1000
    if wanted 12; then mb=$((BIG_MB * 5 + 1000)); fi
    if wanted 9 || wanted 10 || wanted 11; then mb=$((DAYS * 14 + NUM / 1000 + 6000)); fi
    echo $mb
}
