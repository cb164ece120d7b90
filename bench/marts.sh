#!/bin/bash
# marts.sh: what hospital_mart costs, and what it gives.  "make bench-marts".
#
# (a) The same day files, written once, ingested by one session with the marts
#     and their indexes and without either, alternating, each time into a new
#     hospital of the same name and seed; the ratio is that of the medians of the
#     processor's time, and the time on the clock is shown beside it.  What it
#     costs to fold these days afterwards is shown as well.
# (b) DAYS hospital days; then each mart's query as a dashboard has it (a month, a
#     page, a patient, a day), the best of 5, against the same from the facts: all
#     days live, which is the query over the tables.
#
# environment: NUM (1000000 people), BEDS (1500), PAIRS (3), INGEST_DAYS (40),
# DAYS (200), PARTS ("a b")
source "$(dirname "${BASH_SOURCE[0]}")/../demo/cluster.sh"

NUM=${NUM:-1000000} BEDS=${BEDS:-1500} PAIRS=${PAIRS:-3} INGEST_DAYS=${INGEST_DAYS:-40} DAYS=${DAYS:-200} PARTS=${PARTS:-a b}
DB=marts

# What a hospital of the name has left in the lake is its own: another one is refused there.
forget_lake() { as_user rm -rf "$WORK/data/lake"/*/marts; }

new_hospital() {
    query -d postgres -c "DROP DATABASE IF EXISTS $DB" -c "CREATE DATABASE $DB" >/dev/null 2>&1
    query -d $DB -c "CREATE EXTENSION hospital" \
        -c "CALL hospital_create(people => $NUM, beds => $BEDS, seed => 1, name => 'marts', start_date => '2020-01-01', end_date => '2023-12-31')" \
        -c "INSERT INTO hospital.staff SELECT s.* FROM hospital_generate_staff($BEDS, 1, '2020-01-01', '2023-12-31') s" >/dev/null
}

marts() { query -d postgres -c "ALTER SYSTEM SET hospital.marts = $1" -c "SELECT pg_reload_conf()" >/dev/null; sleep 0.5; }

median() { printf '%s\n' "$@" | sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

# ---- (a) -------------------------------------------------------------------

WITHOUT="DROP TABLE hospital_mart.live_days CASCADE; DROP INDEX hospital.visits_visit_date_idx, hospital.visits_left_at_idx,
    hospital.admissions_admitted_at_idx, hospital.admissions_discharged_at_idx, hospital.status_updates_recorded_at_idx,
    hospital.diagnoses_at_idx, hospital.prescriptions_prescribed_at_idx, hospital.billing_payments_billing_date_idx,
    hospital.billing_payments_patient_id_idx, hospital.patients_first_seen_on_idx, hospital.patients_deceased_at_idx,
    hospital.patients_date_of_birth_idx"

# "CPU WALL": milliseconds of the backend, and by psql's clock, for one statement.
measured() {
    psql_do -d $DB -qAt -c '\timing on' -c "$1" -c '\timing off' -c "SELECT 'stat', pg_read_file('/proc/self/stat')" 2>>"$WORK/log/bench-marts.log" |
        awk -F'[ |]' -v hz="$(getconf CLK_TCK)" '/^Time: / { ms = $2 } /^stat/ { print ($15 + $16) * 1000 / hz, ms }'
}

ingesting() {
    local i how cpu wall
    declare -A cpus=() walls=()
    forget_lake
    new_hospital
    query -d $DB -c "CALL hospital_run($INGEST_DAYS)" >/dev/null 2>&1
    for i in $(seq 0 "$PAIRS"); do
        for how in with without; do
            new_hospital
            [ $how = with ] || query -d $DB -c "$WITHOUT" >/dev/null 2>&1
            query -d $DB -c CHECKPOINT >/dev/null
            read -r cpu wall < <(measured "CALL hospital_ingest('lake/batch/marts')")
            say "   $how: $cpu ms of CPU, $wall ms$([ "$i" = 0 ] && echo ', not counted')"
            [ "$i" = 0 ] || { cpus[$how]+=" $cpu"; walls[$how]+=" $wall"; }
            [ "$i" = 0 ] || [ $how = without ] || {
                read -r cpu wall < <(measured "CALL hospital_fold_marts()")
                say "   folded: $cpu ms of CPU, $wall ms"; cpus[fold]+=" $cpu"; walls[fold]+=" $wall"
            }
        done
    done
    say "bench marts ingest days=$INGEST_DAYS pairs=$PAIRS with_cpu=$(median ${cpus[with]}) without_cpu=$(median ${cpus[without]}) with_ms=$(median ${walls[with]}) without_ms=$(median ${walls[without]}) fold_cpu=$(median ${cpus[fold]}) fold_ms=$(median ${walls[fold]}) ratio=$(
        awk -v a="$(median ${cpus[with]})" -v b="$(median ${cpus[without]})" 'BEGIN { printf "%.3f", a / b }') target=1.15" | tee -a "$WORK/log/marts-results"
}

# ---- (b) -------------------------------------------------------------------

month="(SELECT date_trunc('month', max(day))::date - interval '1 month' FROM hospital.batches)::date"
QUERIES=(
    "diagnosis_distribution|SELECT code, description, sum(diagnoses) FROM hospital_mart.diagnosis_distribution WHERE month = :month GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 20"
    "diagnosis_distribution, all months|SELECT code, description, sum(diagnoses) FROM hospital_mart.diagnosis_distribution GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 20"
    "revenue_by_month, all months|SELECT month, sum(total_amount) FROM hospital_mart.revenue_by_month GROUP BY 1 ORDER BY 1"
    "revenue_by_doctor|SELECT full_name, sum(total_amount) FROM hospital_mart.revenue_by_doctor WHERE month = :month GROUP BY 1 ORDER BY 2 DESC LIMIT 20"
    "doctor_performance|SELECT * FROM hospital_mart.doctor_performance WHERE month = :month ORDER BY visits DESC LIMIT 20"
    "doctors_by_specialization|SELECT * FROM hospital_mart.doctors_by_specialization"
    "patient_age_distribution|SELECT * FROM hospital_mart.patient_age_distribution"
    "monthly_visit_stats, all months|SELECT month, kind, sum(visits) FROM hospital_mart.monthly_visit_stats GROUP BY 1, 2 ORDER BY 1, 2"
    "patient_journey, a patient|SELECT * FROM hospital_mart.patient_journey WHERE patient_id = :patient ORDER BY visit_no"
    "patient_spending, a patient|SELECT * FROM hospital_mart.patient_spending WHERE patient_id = :patient"
    "medication_usage|SELECT medicine, sum(quantity) FROM hospital_mart.medication_usage WHERE month = :month GROUP BY 1 ORDER BY 2 DESC LIMIT 20"
    "payment_status, all months|SELECT month, payment_status, sum(bills) FROM hospital_mart.payment_status GROUP BY 1, 2"
    "ward_occupancy_by_hour, a day|SELECT * FROM hospital_mart.ward_occupancy_by_hour WHERE at >= :at AND at < :at + interval '1 day' ORDER BY at, ward_code"
    "length_of_stay|SELECT * FROM hospital_mart.length_of_stay WHERE month = :month"
    "ed_waiting, all months|SELECT month, triage, sum(minutes) / sum(patients) FROM hospital_mart.ed_waiting GROUP BY 1, 2"
    "bed_days|SELECT * FROM hospital_mart.bed_days WHERE month = :month"
    "readmissions, all months|SELECT month, sum(readmitted_30_days) FROM hospital_mart.readmissions GROUP BY 1"
    "staffing_against_need, a day|SELECT * FROM hospital_mart.staffing_against_need WHERE day = :month"
)

value() { query -d $DB -c "$1"; }

# Best of so many.
best() { # QUERY TIMES
    local q=$1
    q=${q//:month/\'$MONTH\'}; q=${q//:patient/$PATIENT}; q=${q//:at/\'$AT\'::timestamptz}
    { for _ in $(seq "$2"); do printf '%s;\n' "$q"; done; } > "$WORK/log/marts-query.sql"
    psql_do -d $DB -qAt -o /dev/null -c '\timing on' -f - < "$WORK/log/marts-query.sql" 2>>"$WORK/log/bench-marts.log" |
        awk '/^Time: / { if (b == "" || $2 < b) b = $2 } END { printf "%.1f", b }'
}

dashboards() {
    local entry name
    forget_lake
    new_hospital
    query -d $DB -c "CALL hospital_load_staff()" >/dev/null 2>&1
    long_step "running $DAYS days" "$WORK/log/marts-run.log" psql_do -d $DB -q -c "CALL hospital_run($DAYS)"
    query -d $DB -c "VACUUM ANALYZE" >/dev/null
    MONTH=$(value "SELECT $month")
    PATIENT=$(value "SELECT patient_id FROM hospital.visits GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1")
    AT="$MONTH 00:00+02"
    declare -A folded
    for entry in "${QUERIES[@]}"; do folded[${entry%%|*}]=$(best "${entry#*|}" 5); done
    query -d $DB -c "ALTER TABLE hospital_mart.live_days SET (autovacuum_enabled = off)" >/dev/null
    marts off
    query -d $DB -c "SELECT hospital_refresh_marts()" -c "ANALYZE" >/dev/null
    for entry in "${QUERIES[@]}"; do
        name=${entry%%|*}
        say "bench marts query=\"$name\" days=$DAYS ms=${folded[$name]} from_facts_ms=$(best "${entry#*|}" 1)" | tee -a "$WORK/log/marts-results"
    done
    marts on
}

head1 "What is needed"
install_missing bench
make_work bench
trap 'stop_step; stop_cluster' EXIT
copy_server
copy_sources
build "compiling and installing hospital" WERROR=
make_cluster
write_settings "autovacuum = off" "jit = off"
start_cluster
: > "$WORK/log/bench-marts.log"
: > "$WORK/log/marts-results"
case " $PARTS " in *" a "*) head1 "Ingesting with marts, and without"; ingesting ;; esac
case " $PARTS " in *" b "*) head1 "Dashboards"; dashboards ;; esac
say "kept in $WORK/log/marts-results"
