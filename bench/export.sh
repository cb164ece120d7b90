# export.sh: rows 40 and 41, a table to JSON Lines by hospital_export, compared
# with COPY (SELECT row_to_json(t) FROM ... t) TO.  To be sourced by bench/run.sh.
#
#   40  a table like hospital.people: mostly text
#   41  a table like hospital.vital_signs: numbers and times
#
# Both are of EXPORT_MB, analyzed, and in no cache that the other does not have:
# the runs alternate.  hospital_export syncs its file to the disk and computes
# its SHA-256, COPY does neither.  Afterwards a sample of both files is compared
# as JSON, the times as times.
#
# environment: EXPORT_MB (2000 MB a table), RUNS

EXPORT_MB=${EXPORT_MB:-2000}
EXPORT_DB=bench_export

case $EXPORT_MB in ''|*[!0-9]*|0*) die "EXPORT_MB must be a whole number, not \"$EXPORT_MB\"" ;; esac
export_wanted() { wanted 40 || wanted 41; }

export_table() { # NAME QUERY: rows of the query until there are enough
    local mb
    query -d $EXPORT_DB -c "CREATE UNLOGGED TABLE public.$1 AS $2"
    while :; do
        mb=$(query -d $EXPORT_DB -c "SELECT pg_table_size('public.$1') / 1048576")
        [ "$mb" -lt "$EXPORT_MB" ] || break
        query -d $EXPORT_DB -c "INSERT INTO public.$1 SELECT * FROM public.$1
            LIMIT (SELECT greatest(1, ($EXPORT_MB - $mb + 1) * (SELECT count(*) FROM public.$1) / $mb))"
    done
    query -d $EXPORT_DB -c "VACUUM ANALYZE public.$1" -c "CHECKPOINT"
}

export_timed() { # STATEMENT
    psql_do -d $EXPORT_DB -qAt -c 'SET client_min_messages = warning' -c '\timing on' -c "$1" 2>>"$WORK/log/bench.log" |
        awk '/^Time: / { ms += $2 } END { printf "%.1f\n", ms }'
}

# Every thousandth line of both, in order: the same values?
export_same() {
    python3 - "$WORK/data/base.jsonl" "$WORK/data/ours.jsonl" <<'PY'
import datetime, json, sys

def value(v):
    if isinstance(v, str) and len(v) > 18 and v[4:5] == v[7:8] == '-' and v[10] in ' T':
        return datetime.datetime.fromisoformat(v.replace('Z', '+00:00')).astimezone(datetime.timezone.utc)
    return v

lines = compared = 0
with open(sys.argv[1]) as a, open(sys.argv[2]) as b:
    for base, ours in zip(a, b):
        lines += 1
        if lines % 1000 == 1:
            x, y = json.loads(base), json.loads(ours)
            if list(x) != list(y) or any(value(x[k]) != value(y[k]) for k in x):
                sys.exit(f"line {lines} differs:\n{base}{ours}")
            compared += 1
    if a.readline() or b.readline():
        sys.exit("one has more lines")
print(f"   {lines} lines each, {compared} compared")
PY
}

export_row() { # ROW TABLE LABEL
    local i ms base size
    size=$(query -d $EXPORT_DB -c "SELECT pg_size_pretty(pg_table_size('public.$2'))")
    for i in $(seq 0 "$RUNS"); do
        base=$(export_timed "COPY (SELECT row_to_json(t) FROM public.$2 t) TO '$WORK/data/base.jsonl'")
        ms=$(export_timed "CALL hospital_export('public.$2', 'jsonl', target => 'ours.jsonl')")
        printf '   %s: COPY %s ms, hospital_export %s ms\n' "$([ "$i" = 0 ] && echo 'warming up' || echo "run $i of $RUNS")" "$base" "$ms"
        [ "$i" = 0 ] || { sample "export_$1" "$ms"; sample "copy_$1" "$base"; }
    done
    export_same || die "the files of row $1 differ"
    row "$1" "$3, $size, to JSON Lines, s" "export_$1" "copy_$1" 1000 %.1f 0.6 at-most
    rm -f "$WORK/data/base.jsonl" "$WORK/data/ours.jsonl"
}

exporting() {
    say "   export: tables of $EXPORT_MB MB"
    drop_database $EXPORT_DB
    query -d postgres -c "CREATE DATABASE $EXPORT_DB"
    query -d $EXPORT_DB -c "CREATE EXTENSION hospital"
    if wanted 40; then
        export_table people_like "SELECT * FROM hospital_generate_people(1000000)"
        export_row 40 people_like "people"
        query -d $EXPORT_DB -c "DROP TABLE public.people_like"
    fi
    if wanted 41; then
        export_table vital_signs_like "SELECT * FROM hospital_generate_vital_signs('2020-01-31')"
        export_row 41 vital_signs_like "vital signs"
    fi
    drop_database $EXPORT_DB
}
