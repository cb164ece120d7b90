#!/bin/bash
# export.sh: what others make of the exported lake.
#
# All tables and marts go to JSON Lines by gzip.  DuckDB reads all of it, by the
# types that bigquery/ says, and counts and sums agree with SQL; the same as
# Parquet by tools/lake_to_parquet.py, twice, the second time with nothing to do.
# bigquery/ is what the catalog says, and is BigQuery's SQL (sqlglot).  rclone
# brings the lake to an S3 store on this machine (moto) and back, byte for byte.
# The FHIR bundles are valid R4 by fhir.resources, and all references resolve.
#
# DAYS (12): how many days the hospital has run.
source "$(dirname "${BASH_SOURCE[0]}")/lib/server.sh"

DAYS=${DAYS:-12}
DB=lake
HERE=$TOP/test/tools/export
need python3

sql() { query -d $DB "$@"; }
quietly() { psql_do -q -d $DB -c "SET client_min_messages = warning" "$@"; }

STORE_PID=
tool_leave() { [ -z "$STORE_PID" ] || kill "$STORE_PID" 2>/dev/null || true; }

SOURCES+=(bigquery tools)
tool_server export
VENV=$(venv export 'duckdb==1.*' 'fhir.resources==8.*' 'sqlglot==27.*' 'moto[server]==5.*') ||
    skip "Python packages cannot be installed here: $(tail -n 1 "$WORK/log/venv.log")"
query -d postgres -c "CREATE DATABASE $DB"
quietly -c "CREATE EXTENSION hospital" \
    -c "CALL hospital_create(people => 10000, beds => 200, seed => 5, start_date => '2020-01-01', end_date => '2020-12-31', name => 'lake')" \
    -c "CALL hospital_load_people()" -c "CALL hospital_load_staff()" -c "CALL hospital_run($DAYS)" 2>"$WORK/log/hospital.log"

mapfile -t RELATIONS < <(ls "$TOP/bigquery/schemas" | sed 's/\.json$//')
export_everything() {
    local r calls=()
    for r in "${RELATIONS[@]}"; do calls+=(-c "CALL hospital_export('$r', 'jsonl', compression => 'gzip')"); done
    quietly "${calls[@]}"
}
LAKE=$WORK/data/lake/export/lake/jsonl.gz
PARQUET=$WORK/home/parquet
as_user rm -rf "$PARQUET"
export_everything || die "the export failed"

# ---- bigquery/ -------------------------------------------------------------

same_bigquery() {
    as_user mkdir -p "$WORK/home/bigquery"
    as_user env PSQL="$BINDIR/psql" bash "$WORK/build/bigquery/generate.sh" "$WORK/home/bigquery" -h "$SOCKETS" -p "$PORT" -U postgres -d $DB
    diff -r -x 'generate.*' "$TOP/bigquery" "$WORK/home/bigquery"
}
check "bigquery/ is what the catalog says" same_bigquery
check "its DDL is BigQuery's, and has the partitions of the files" as_user "$VENV/bin/python" "$WORK/build/test/tools/export/bigquery.py" "$WORK/build/bigquery" "$LAKE"

# ---- DuckDB ----------------------------------------------------------------

# counts and sums by SQL: a line a column
sums() {
    sql -c "SELECT format('SELECT %1\$L, %2\$L, count(%4\$I), %3\$s, %4\$L FROM %1\$I.%2\$I', n.nspname, c.relname,
                CASE WHEN t.typname IN ('int8', 'int4', 'int2', 'numeric') THEN format('round(coalesce(sum(%I::numeric), 0), 4)', a.attname)
                     WHEN t.typname = 'date' THEN format('coalesce(sum(%I - date ''2000-01-01''), 0)', a.attname)
                     WHEN t.typname = 'timestamptz' THEN format('round(coalesce(sum(extract(epoch FROM %I) * 1000000), 0))', a.attname)
                     ELSE format('coalesce(sum(length(%I::text)), 0)', a.attname) END, a.attname)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        JOIN pg_type t ON t.oid = a.atttypid
        WHERE n.nspname IN ('hospital', 'hospital_mart') AND c.relname = ANY (string_to_array('${RELATIONS[*]}', ' ')) ORDER BY 1" > "$WORK/sums.sql"
    sed 's/$/;/' "$WORK/sums.sql" | psql_do -d $DB -XqAt -f - > "$WORK/home/sums.txt"
    [ -s "$WORK/home/sums.txt" ]
}
sums || die "no sums"
check "DuckDB reads all of the lake: JSON Lines" as_user "$VENV/bin/python" "$WORK/build/test/tools/export/read_lake.py" "$WORK/build/bigquery" "$LAKE" "$WORK/home/sums.txt"
to_parquet() { as_user "$VENV/bin/python" "$WORK/build/tools/lake_to_parquet.py" "$LAKE" "$PARQUET" >"$WORK/log/parquet.log"; }
check "tools/lake_to_parquet.py" to_parquet
check "DuckDB reads all of the lake: Parquet" as_user "$VENV/bin/python" "$WORK/build/test/tools/export/read_lake.py" "$WORK/build/bigquery" "$PARQUET" "$WORK/home/sums.txt"
nothing_to_do() { to_parquet && ! grep -v ': 0 files written' "$WORK/log/parquet.log"; }
check "a second time it has nothing to do" nothing_to_do
quietly -c "CALL hospital_run(1)" 2>>"$WORK/log/hospital.log"
export_everything
changed_only() { to_parquet && grep -q "hospital.lab_results: 1 files written, $DAYS have not changed" "$WORK/log/parquet.log"; }
check "after another day one file more" changed_only

# ---- rclone ----------------------------------------------------------------

remote() { as_user env -u AWS_CA_BUNDLE HOME="$WORK/home" RCLONE_CONFIG_STORE_TYPE=s3 RCLONE_CONFIG_STORE_PROVIDER=Other RCLONE_CONFIG_STORE_ACCESS_KEY_ID=test \
    RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY=test RCLONE_CONFIG_STORE_ENDPOINT="http://127.0.0.1:$STORE_PORT" RCLONE_CONFIG=/dev/null "$@"; }
sync_lake() { remote bash "$WORK/build/tools/lake_sync.sh" "$LAKE" store:bucket/lake -v >"$WORK/log/sync.log" 2>&1 || { tail -n 5 "$WORK/log/sync.log"; return 1; }; }
start_store() {
    local i
    STORE_PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    as_user "$VENV/bin/moto_server" -H 127.0.0.1 -p "$STORE_PORT" >"$WORK/log/store.log" 2>&1 &
    STORE_PID=$!
    for i in $(seq 100); do
        remote rclone mkdir store:bucket >/dev/null 2>&1 && return 0
        sleep 0.2
    done
    return 1
}
copied_whole() {
    sync_lake || return 1
    as_user rm -rf "$WORK/home/back"
    remote rclone copy store:bucket/lake "$WORK/home/back" && diff -r "$LAKE" "$WORK/home/back"
}
copied_again() {
    sync_lake || return 1
    ! grep -E 'Copied|Deleted' "$WORK/log/sync.log"
}
change_one() {
    local gone
    gone=$(sql -c "SELECT batch_id FROM hospital.batches WHERE kind = 'lab_results' ORDER BY day DESC LIMIT 1")
    quietly -c "CALL hospital_undo_batch($gone)" -c "CALL hospital_export('lab_results', 'jsonl', compression => 'gzip')" 2>>"$WORK/log/hospital.log"
    copied_whole && [ "$(grep -c ': Copied' "$WORK/log/sync.log")" = 1 ] && [ "$(grep -c ': Deleted' "$WORK/log/sync.log")" = 1 ]
}
if command -v rclone >/dev/null && start_store; then
    check "tools/lake_sync.sh: to S3 and back, byte for byte" copied_whole
    check "a second time nothing is copied" copied_again
    check "a day that is gone: a manifest copied, a file removed" change_one
else
    say "skipped rclone: it is not installed, or the store did not start"
fi

# ---- FHIR ------------------------------------------------------------------

quietly -c "CALL hospital_export('fhir', from_day => '2020-01-03', to_day => '2020-01-04')" || FAILED=1
check "FHIR: valid R4, references resolve" as_user "$VENV/bin/python" "$WORK/build/test/tools/export/fhir_valid.py" "$WORK/data/lake/export/lake/fhir/r4"

[ $FAILED = 0 ]
