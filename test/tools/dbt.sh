#!/bin/bash
# dbt.sh: the dbt project, with the real dbt.
#
# On PostgreSQL: everything is built and tested, each mart has the rows of the
# extension's mart of that name, and where a mart is spoilt as the joins that
# multiply revenue would spoil it, dbt's tests say so.  The documentation is made
# by a role that may only read.  On DuckDB, without a database: the same marts from
# the day files, and from exported JSON Lines.  For BigQuery: everything compiles,
# is BigQuery's SQL, and, translated to DuckDB's, gives the same marts once more.
#
# DAYS (40): how many days the hospital has run.
source "$(dirname "${BASH_SOURCE[0]}")/lib/server.sh"

DAYS=${DAYS:-40}
DB=dbt
# In no day file, and in some.
REFERENCE=(staff staff_assignments departments wards ward_plan staff_roles triage_sats medicines doctors)
FACTS=(people patients admissions visits status_updates doctor_assignments transfers diagnoses treatments lab_results vital_signs
    prescriptions billing_payments staff_changes)
need python3

sql() { query -d $DB "$@"; }

# run_dbt LOG COMMAND...: as the server's user, in a copy of the project.
run_dbt() {
    local log=$1
    shift
    (cd "$PROJECT" && as_user env "${DBT_SETTINGS[@]}" "$VENV/bin/dbt" --no-use-colors "$@") >"$WORK/log/$log.log" 2>&1
}

tell() { sed -n 's/^.*Done\. /   '"$1"': /p' "$WORK/log/$2.log"; }

must_dbt() { # LOG LABEL COMMAND...
    local log=$1 label=$2
    shift 2
    run_dbt "$log" "$@" || { grep -E 'FAIL |ERROR |Error' "$WORK/log/$log.log" | head -n 20; tail -n 15 "$WORK/log/$log.log"; die "$label failed"; }
    tell "$label" "$log"
}

tool_server dbt "hospital.databases = ''"
VENV=$(venv dbt 'dbt-core==1.11.*' 'dbt-postgres==1.10.*' 'dbt-duckdb==1.10.*' 'dbt-bigquery==1.10.*' 'sqlglot==30.*') ||
    skip "dbt cannot be installed here: $(tail -n 1 "$WORK/log/venv.log")"
PROJECT=$WORK/home/dbt-project
as_user rm -rf "$PROJECT"
(cd "$TOP" && tar -cf - --exclude=dbt/target --exclude=dbt/logs dbt) | as_user tar -C "$WORK/home" --no-same-owner -xf - --transform 's,^dbt,dbt-project,'

query -d postgres -c "CREATE DATABASE $DB"
sql -c "CREATE EXTENSION hospital" -c "CALL hospital_create(people => 20000, beds => 200, seed => 1, start_date => '2020-01-01', end_date => '2020-12-31')" \
    -c "CALL hospital_load_people()" -c "CALL hospital_load_staff()" -c "CALL hospital_run($DAYS)" -c "ANALYZE" >"$WORK/log/hospital.log" 2>&1 ||
    { tail -n 5 "$WORK/log/hospital.log"; die "the hospital cannot be made"; }
as_user mkdir -p "$WORK/home/reference" "$WORK/home/tables" "$WORK/home/marts"
for t in "${REFERENCE[@]}" "${FACTS[@]}"; do
    sql -c "COPY (SELECT * FROM hospital.$t) TO STDOUT (FORMAT csv, HEADER)" | as_user tee "$WORK/home/tables/$t.csv" >/dev/null
done
for t in "${REFERENCE[@]}"; do as_user ln "$WORK/home/tables/$t.csv" "$WORK/home/reference/$t.csv"; done
LAKE=$(echo "$WORK"/data/lake/batch/*)
LIB=$WORK/build/test/tools/lib
DBT_SETTINGS=(DBT_SEND_ANONYMOUS_USAGE_STATS=false DBT_PROFILES_DIR="$PROJECT" DBT_HOST="$SOCKETS" DBT_PORT="$PORT" DBT_DATABASE=$DB
    DBT_USER=postgres DBT_PASSWORD=none DBT_LAKE="$LAKE" DBT_REFERENCE="$WORK/home/reference"
    DBT_DUCKDB="$WORK/home/marts/lake.duckdb" DBT_BIGQUERY_METHOD=oauth-secrets DBT_BIGQUERY_TOKEN=none)

must_dbt build "dbt build on PostgreSQL" build

# ---- the same as the extension's ------------------------------------------------
FAILED=0
total=0
for mart in $(sql -c "SELECT relname FROM pg_class WHERE relnamespace = 'dbt_mart'::regnamespace AND relkind IN ('r', 'v') ORDER BY 1"); do
    ours=${mart%_analysis}
    IFS='|' read -r n extra missing <<<"$(sql -c "SET client_min_messages = error" -c "CREATE TEMP TABLE ours AS TABLE hospital_mart.$ours" \
        -c "SELECT (SELECT count(*) FROM dbt_mart.$mart), (SELECT count(*) FROM (TABLE dbt_mart.$mart EXCEPT ALL TABLE ours) x), (SELECT count(*) FROM (TABLE ours EXCEPT ALL TABLE dbt_mart.$mart) x)")"
    [ "$n" -gt 0 ] && [ "$extra" = 0 ] && [ "$missing" = 0 ] ||
        { say "   $mart: $n rows, $extra that hospital_mart has not, $missing that it has beyond"; FAILED=1; }
    total=$((total + n))
    sql -c "COPY (SELECT * FROM dbt_mart.$mart) TO STDOUT (FORMAT csv)" | as_user tee "$WORK/home/marts/$mart.csv" >/dev/null
done
[ $FAILED = 0 ] || die "dbt's marts and the extension's differ"
say "   $total rows of marts, the same as in hospital_mart"

# ---- what multiplies revenue is noticed -----------------------------------------
as_user cp "$PROJECT/models/marts/patient_spending.sql" "$WORK/home/kept.sql"
as_user sed -i "s/^    from {{ ref('int_bills') }}\$/    from {{ ref('int_bills') }} inner join (select visit_id as seen from {{ ref('stg_prescriptions') }}) as p on p.seen = visit_id/" \
    "$PROJECT/models/marts/patient_spending.sql"
! as_user cmp -s "$PROJECT/models/marts/patient_spending.sql" "$WORK/home/kept.sql" || die "the mart was not spoilt"
! run_dbt spoilt build --select patient_spending revenue_is_not_multiplied || die "bills joined with prescriptions are not noticed"
grep -q 'FAIL 1 revenue_is_not_multiplied' "$WORK/log/spoilt.log" || { tail -n 20 "$WORK/log/spoilt.log"; die "not noticed by the test that is there for it"; }
as_user cp "$WORK/home/kept.sql" "$PROJECT/models/marts/patient_spending.sql"
say "   bills joined with prescriptions before they are summed: noticed"

# ---- documentation, by who may only read ----------------------------------------
sql -c "CREATE ROLE viewer LOGIN" -c "ALTER ROLE viewer SET default_transaction_read_only = on" -c "GRANT USAGE ON SCHEMA hospital TO viewer"
DBT_SETTINGS+=(DBT_USER=viewer)
must_dbt docs "dbt docs" docs generate --static
as_user test -s "$PROJECT/target/static_index.html" || die "there is no page"
say "   documentation: $(as_user stat -c %s "$PROJECT/target/static_index.html") bytes in one page"

# ---- the lake without a database ------------------------------------------------
as_user rm -f "$WORK/home/marts/lake.duckdb"
must_dbt lake "dbt build on DuckDB, from the day files" build --target duckdb
as_user "$VENV/bin/python" "$LIB/lake_marts.py" "$WORK/home/marts/lake.duckdb" "$WORK/home/marts" || die "the lake's marts differ"

# ---- the lake that hospital_export makes ----------------------------------------
for t in "${REFERENCE[@]}" "${FACTS[@]}"; do
    sql -c "CALL hospital_export('$t', 'jsonl', compression => 'gzip')" >>"$WORK/log/hospital.log" 2>&1 ||
        { tail -n 5 "$WORK/log/hospital.log"; die "$t cannot be exported"; }
done
as_user rm -f "$WORK/home/marts/lake.duckdb"
DBT_SETTINGS+=(DBT_LAKE_FORMAT=jsonl DBT_LAKE="$(echo "$WORK"/data/lake/export/*/jsonl.gz)")
must_dbt export "dbt run on DuckDB, from exported JSON Lines" run --target duckdb
as_user "$VENV/bin/python" "$LIB/lake_marts.py" "$WORK/home/marts/lake.duckdb" "$WORK/home/marts" || die "the exported lake's marts differ"

# ---- BigQuery -------------------------------------------------------------------
as_user rm -rf "$PROJECT/target"
must_dbt bigquery "dbt compile for BigQuery" compile --target bigquery --no-populate-cache --no-introspect
as_user "$VENV/bin/python" "$LIB/bigquery_sql.py" "$PROJECT/target" "$WORK/home/tables" "$WORK/home/marts" || die "not what BigQuery needs"
