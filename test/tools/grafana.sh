#!/bin/bash
# grafana.sh: the dashboards of dashboards/grafana, without Grafana, whose server
# is no package: they have the types of its schema, and each query of theirs, macros
# and variables being what they become, runs as a role that may only look, with at
# least one row.
source "$(dirname "${BASH_SOURCE[0]}")/lib/server.sh"

DB=grafana
SCHEMA_VERSION=12.4.4       # that of the image in docker-compose.yml
need python3

tool_server grafana
query -d postgres -c "CREATE DATABASE $DB"
# what docker/setup/setup.sh gives the role
psql_do -q -d "$DB" -c "SET client_min_messages = warning" -c "CREATE EXTENSION hospital" \
    -c "CALL hospital_create(people => 20000, beds => 200, seed => 3, start_date => '2020-01-01', end_date => '2020-12-31')" \
    -c "CALL hospital_load_people()" -c "CALL hospital_load_staff()" -c "CALL hospital_run(35)" \
    -c "CREATE ROLE viewer LOGIN" -c "GRANT pg_monitor TO viewer" -c "ALTER ROLE viewer SET default_transaction_read_only = on" \
    -c "GRANT USAGE ON SCHEMA hospital TO viewer" -c "GRANT SELECT ON ALL TABLES IN SCHEMA hospital, hospital_mart TO viewer"

# queries FILE ROLE: each title with its number of rows
queries() { python3 "$TOP/test/containers/dashboard.py" "$1" | as_user "$BINDIR/psql" -XqAt -v ON_ERROR_STOP=1 -h "$SOCKETS" -p "$PORT" -U "$2" -d "$DB" -f -; }
rows() {
    local answer
    answer=$(queries "$1" viewer) || return 1
    ! grep '|0$' <<<"$answer" | grep -v "${2:-nothing}"
}
check "marts: each query runs as the viewer, and has rows" rows "$TOP/dashboards/grafana/marts.json"
# there is no stream here
check "hospital: each query runs as the viewer, and has rows" rows "$TOP/dashboards/grafana/hospital.json" '^Stream|0$'
# who sees the marts alone has enough for theirs
query -d "$DB" -c "REVOKE SELECT ON ALL TABLES IN SCHEMA hospital FROM viewer" -c "GRANT SELECT ON hospital.department_plan TO viewer"
check "marts: the marts are enough" rows "$TOP/dashboards/grafana/marts.json"
every_mart() {
    local mart missing=
    for mart in $(query -d "$DB" -c "SELECT relname FROM pg_class WHERE relnamespace = 'hospital_mart'::regnamespace AND relname = ANY (string_to_array('diagnosis_distribution revenue_by_month revenue_by_doctor doctor_performance doctors_by_specialization patient_age_distribution monthly_visit_stats patient_journey patient_spending medication_usage payment_status ward_occupancy_by_hour length_of_stay ed_waiting bed_days readmissions staffing_against_need', ' '))"); do
        grep -q "hospital_mart\.$mart\b" "$TOP/dashboards/grafana/marts.json" || missing+=" $mart"
    done
    [ -z "$missing" ] || { say "   not shown:$missing"; return 1; }
}
check "marts: each mart is shown" every_mart
no_overlap() {
    python3 - "$1" <<'PY'
import json, sys
boxes = [(p["title"], p["gridPos"]) for p in json.load(open(sys.argv[1]))["panels"]]
for i, (a, p) in enumerate(boxes):
    if p["x"] + p["w"] > 24:
        sys.exit(f"{a} is wider than the dashboard")
    for b, q in boxes[i + 1:]:
        if p["x"] < q["x"] + q["w"] and q["x"] < p["x"] + p["w"] and p["y"] < q["y"] + q["h"] and q["y"] < p["y"] + p["h"]:
            sys.exit(f"{a} lies over {b}")
PY
}
check "marts: no panel over another" no_overlap "$TOP/dashboards/grafana/marts.json"

types() {
    local folder=$CACHE/node-grafana file
    command -v npm >/dev/null || return 77
    as_user mkdir -p "$folder"
    [ -d "$folder/node_modules/@grafana/schema" ] ||
        (cd "$folder" && as_user npm install --silent --no-audit --no-fund --cache "$CACHE/npm" "@grafana/schema@$SCHEMA_VERSION" typescript@5) >"$WORK/log/npm.log" 2>&1 || return 77
    for file in "$TOP"/dashboards/grafana/*.json; do
        { echo "import type { Dashboard } from '@grafana/schema';"
          printf 'export const dashboard = %s satisfies Dashboard;\n' "$(cat "$file")"; } | as_user tee "$folder/$(basename "$file" .json).ts" >/dev/null
    done
    (cd "$folder" && as_user node_modules/.bin/tsc --noEmit --strict --skipLibCheck --module esnext --moduleResolution bundler ./*.ts)
}
check "they have the types of Grafana's schema" types
exit $FAILED
