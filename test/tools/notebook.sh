#!/bin/bash
# notebook.sh: dashboards/notebook/hospital.ipynb, executed as Jupyter does, on a
# small hospital, by a role that may read the marts alone.  What its charts are
# drawn from must be what the tables of facts say.  SHOTS=FOLDER keeps the pictures.
source "$(dirname "${BASH_SOURCE[0]}")/lib/server.sh"

DB=notebook
need python3
tool_server notebook
mapfile -t PACKAGES < <(sed 's/ *#.*//; /^$/d' "$TOP/dashboards/notebook/requirements.txt")
VENV=$(venv notebook "${PACKAGES[@]}") || skip "the notebook's packages cannot be had (pip)"
query -d postgres -c "CREATE DATABASE $DB"
psql_do -q -d "$DB" -c "SET client_min_messages = warning" -c "CREATE EXTENSION hospital" \
    -c "CALL hospital_create(people => 20000, beds => 200, seed => 5, start_date => '2020-01-01', end_date => '2020-12-31')" \
    -c "CALL hospital_load_people()" -c "CALL hospital_load_staff()" -c "CALL hospital_run(20)" -c "CREATE ROLE viewer LOGIN" \
    -c "GRANT SELECT ON ALL TABLES IN SCHEMA hospital_mart TO viewer"
query -d "$DB" -f - > "$WORK/home/facts.json" <<'SQL'
SELECT jsonb_build_object(
    'top_medicines', (SELECT jsonb_agg(n ORDER BY n DESC) FROM (SELECT count(*) AS n FROM hospital.prescriptions GROUP BY medicine_id ORDER BY 1 DESC LIMIT 10) x),
    'doctors_by_visits', (SELECT jsonb_agg(n ORDER BY n DESC) FROM (SELECT count(*) AS n FROM hospital.visits WHERE doctor_id IS NOT NULL GROUP BY doctor_id ORDER BY 1 DESC LIMIT 10) x),
    'ages', (SELECT jsonb_agg(n ORDER BY band) FROM (SELECT least(17, extract(year FROM age(date '2020-01-20', date_of_birth))::int / 5) AS band, count(*) AS n
                                                    FROM hospital.patients WHERE deceased_at IS NULL GROUP BY 1) x),
    'payment_status', (SELECT jsonb_agg(n ORDER BY payment_status) FROM (SELECT payment_status, count(*) AS n FROM hospital.billing_payments GROUP BY 1) x),
    'specializations', (SELECT jsonb_agg(n ORDER BY n DESC) FROM (SELECT count(*) AS n FROM hospital.staff
                                                    WHERE registration_no ~ '^(MP|IN|DP)' AND hired_on <= '2020-01-20' AND (left_on IS NULL OR left_on > '2020-01-20')
                                                    GROUP BY specialty ORDER BY 1 DESC LIMIT 15) x),
    'diagnoses', (SELECT jsonb_agg(n ORDER BY n DESC) FROM (SELECT count(*) AS n FROM hospital.diagnoses WHERE rank = 'primary' GROUP BY description) x));
SQL
cp "$TOP/dashboards/notebook/hospital.ipynb" "$TOP/test/tools/notebook/execute.py" "$WORK/home/"
as_user env PGHOST="$SOCKETS" PGPORT="$PORT" PGDATABASE="$DB" PGUSER=viewer MPLCONFIGDIR="$WORK/home/matplotlib" IPYTHONDIR="$WORK/home/ipython" \
    timeout -k 10 300 "$VENV/bin/python" "$WORK/home/execute.py" "$WORK/home/hospital.ipynb" "$WORK/home/facts.json" "$WORK/home/pictures"
[ -z "${SHOTS:-}" ] || { mkdir -p "$SHOTS"; cp "$WORK"/home/pictures/*.png "$SHOTS/"; }
