#!/bin/bash
# deploy.sh: the orchestration files, as far as they can be checked without
# Kestra's server and without Google's provider for Terraform.
#
# The flows' structure, types and properties, and what they refer to; their
# statements for PostgreSQL run on a hospital, those for BigQuery are parsed.
# The Terraform module parses, and uses what it declares; terraform itself, where
# it is installed, says whether it is formatted.
source "$(dirname "${BASH_SOURCE[0]}")/lib/server.sh"

DB=deploy
need python3

# Kestra's core, for the names of its types; left out where it cannot be fetched.
fetch_core() {
    local jar=$CACHE/kestra/core-1.0.0.jar
    if [ ! -e "$jar" ] && command -v mvn >/dev/null; then
        (cd "$WORK/home" && as_user timeout 300 mvn -q -B -Dmaven.repo.local="$CACHE/m2" dependency:copy -DoutputDirectory="$CACHE/kestra" \
            -Dartifact=io.kestra:core:1.0.0:jar) >"$WORK/log/mvn.log" 2>&1 || true
    fi
    if [ -e "$jar" ]; then echo "$jar"; else echo -; fi
}

tool_server deploy "hospital.databases = '$DB'" "hospital.batch_interval = '1h'"
VENV=$(venv deploy 'python-hcl2==8.*' 'PyYAML==6.*' 'sqlglot==30.*') || skip "the parsers cannot be installed here: $(tail -n 1 "$WORK/log/venv.log")"
CORE=$(fetch_core)
[ "$CORE" != - ] || say "   Kestra's core cannot be fetched here: its types are those of a list alone"
as_user "$VENV/bin/python" "$TOP/test/tools/lib/flows.py" "$TOP/deploy/kestra" "$TOP/deploy/terraform" "$CORE" >"$WORK/log/statements" ||
    die "deploy/ is not as it should be"

if command -v terraform >/dev/null; then
    terraform fmt -check -diff "$TOP/deploy/terraform" >"$WORK/log/fmt.log" 2>&1 || { cat "$WORK/log/fmt.log"; die "the module is not formatted"; }
    say "   terraform fmt: as it should be"
else
    say "   terraform is not installed: its format is not checked"
fi

query -d postgres -c "CREATE DATABASE $DB"
query -d $DB -c "CREATE EXTENSION hospital" -c "CALL hospital_create(people => 10000, beds => 200, seed => 1, start_date => '2020-01-01', end_date => '2020-12-31')" \
    -c "CALL hospital_load_people()" -c "CALL hospital_load_staff()" -c "CALL hospital_run(3)" >"$WORK/log/hospital.log" 2>&1 ||
    { tail -n 5 "$WORK/log/hospital.log"; die "the hospital cannot be made"; }
n=0
while read -r line; do
    what=$(python3 -c 'import json, sys; d = json.loads(sys.argv[1]); print(d["flow"], d["task"])' "$line")
    python3 -c 'import json, sys; print(json.loads(sys.argv[1])["sql"])' "$line" | query -d $DB -f - >"$WORK/log/statement.log" 2>&1 ||
        { cat "$WORK/log/statement.log"; die "a statement of a flow fails: $what"; }
    n=$((n + 1))
done <"$WORK/log/statements"
[ $n -ge 10 ] || die "only $n statements were found in the flows"
say "   $n statements of flows have run"

# ---- the jobs of docs/orchestration.md, run one after the other -----------------
sed -n '/^```sql$/,/^```$/p' "$TOP/docs/orchestration.md" | grep -v '^```' | query -d $DB -f - >"$WORK/log/jobs.log" 2>&1 ||
    { cat "$WORK/log/jobs.log"; die "the jobs of docs/orchestration.md cannot be scheduled"; }
jobs=('marts anew' 'export visits' 'export bills' 'export revenue' 'nightly proof')
for job in "${jobs[@]}"; do
    run=$(query -d $DB -c "SELECT hospital_run_job('$job')")
    for ((i = 0; i < 600; i++)); do
        state=$(query -d $DB -c "SELECT state FROM hospital.job_runs WHERE run_id = $run")
        case $state in waiting | running) sleep 0.1 ;; *) break ;; esac
    done
    [ "$state" = succeeded ] || { query -d $DB -c "SELECT job_name, state, message FROM hospital.job_runs WHERE run_id = $run"; die "a job did not succeed: $job"; }
done
query -d $DB -c "SELECT hospital_stop()" >/dev/null
say "   jobs of docs/orchestration.md that have run: ${#jobs[@]}"
