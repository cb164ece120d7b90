-- tour.sql: what a visitor wants to see first.  demo/run.sh runs it by psql, with
-- the variable bar (the character that bars are drawn with).
\set QUIET on
SET TIME ZONE 'Africa/Johannesburg';

\echo
\echo '== The city by age and sex (women left, men right; one row is five years)'
\pset tuples_only on
\pset format unaligned
WITH town AS (
    SELECT least(extract(year FROM age(s.start_date, p.date_of_birth))::int / 5, 16) AS band, p.sex, count(*) AS n
    FROM hospital.people p, hospital.simulation s
    GROUP BY 1, 2
), row AS (
    SELECT band, coalesce(sum(n) FILTER (WHERE sex = 'F'), 0) AS f, coalesce(sum(n) FILTER (WHERE sex = 'M'), 0) AS m
    FROM town GROUP BY band
), scale AS (
    SELECT 28.0 / greatest(max(f), max(m)) AS k, sum(f) + sum(m) AS total FROM row
)
SELECT lpad(to_char(f, 'FM9,999,999'), 9) || ' '
       || lpad(repeat(:'bar', round(f * k)::int), 28) || ' '
       || rpad(CASE band WHEN 16 THEN '80+' ELSE band * 5 || '-' || band * 5 + 4 END, 5) || ' '
       || rpad(repeat(:'bar', round(m * k)::int), 28)
       || lpad(to_char(m, 'FM9,999,999'), 10)
FROM row, scale
ORDER BY band DESC;
\pset format aligned
\pset tuples_only off

\echo
\echo '== Some of its people; those of one household live together'
SELECT person_id AS person, coalesce(national_id::text, passport_no) AS "ID or passport", first_name, last_name,
       date_of_birth AS born, sex, home_language AS language, household_id AS household,
       suburb, postal_code AS code, phone
FROM hospital.people
WHERE person_id BETWEEN 1001 AND 1012
ORDER BY person_id;

\echo '== Their identity numbers taken apart: SELECT * FROM hospital_national_id_parse(national_id, date)'
SELECT p.national_id, x.*
FROM hospital.simulation s,
     LATERAL (SELECT national_id FROM hospital.people
              WHERE person_id BETWEEN 1001 AND 1020 AND national_id IS NOT NULL
              ORDER BY person_id LIMIT 4) p,
     LATERAL hospital_national_id_parse(p.national_id, s.start_date) x;

\echo '== Who works there on the first day: departments, and those who serve all of them'
WITH serving AS (
    SELECT coalesce(d.name, 'all departments') AS department, d.name IS NULL AS shared, s.role, s.registration_no
    FROM hospital.staff s
    LEFT JOIN hospital.departments d USING (department_code), hospital.simulation h
    WHERE s.hired_on <= h.start_date AND (s.left_on IS NULL OR s.left_on > h.start_date)
), counted AS (
    SELECT department, shared, count(*) AS staff,
           count(*) FILTER (WHERE role LIKE '%Nurs%') AS nurses,
           count(*) FILTER (WHERE role IN ('Medical Specialist', 'Registrar', 'Medical Officer',
                                           'Medical Intern', 'Community Service Doctor')) AS doctors,
           count(*) FILTER (WHERE registration_no IS NOT NULL) AS registered
    FROM serving GROUP BY department, shared
)
SELECT department, staff, nurses, doctors, registered,
       CASE WHEN NOT shared
            THEN repeat(:'bar', ceil(staff * 30.0 / max(staff) FILTER (WHERE NOT shared) OVER ())::int) END AS " "
FROM counted ORDER BY shared, staff DESC, department;

\echo '== The hospital, day by day'
WITH day AS (SELECT day FROM hospital.days ORDER BY day DESC LIMIT 14),
     came AS (SELECT visit_date AS day, count(*) AS visits FROM hospital.visits GROUP BY 1),
     went_in AS (SELECT (admitted_at AT TIME ZONE 'Africa/Johannesburg')::date AS day, count(*) AS admissions
                 FROM hospital.admissions GROUP BY 1),
     went_out AS (SELECT (discharged_at AT TIME ZONE 'Africa/Johannesburg')::date AS day, count(*) AS discharges,
                         count(*) FILTER (WHERE outcome = 'died') AS deaths
                  FROM hospital.admissions WHERE discharged_at IS NOT NULL GROUP BY 1)
SELECT day, to_char(day, 'Dy') AS " ", visits, admissions, discharges, deaths,
       (SELECT count(*) FROM hospital.admissions a
        WHERE a.admitted_at < (day + 1)::timestamp AT TIME ZONE 'Africa/Johannesburg'
          AND (a.discharged_at IS NULL OR a.discharged_at >= (day + 1)::timestamp AT TIME ZONE 'Africa/Johannesburg'))
           AS "in bed at midnight",
       repeat(:'bar', round(visits * 30.0 / max(visits) OVER ())::int) AS "visits "
FROM day LEFT JOIN came USING (day) LEFT JOIN went_in USING (day) LEFT JOIN went_out USING (day)
ORDER BY day;

\echo '== Its wards at the end of the latest day'
WITH place AS (
    SELECT DISTINCT ON (admission_id) admission_id, ward_code
    FROM hospital.status_updates ORDER BY admission_id, recorded_at DESC, update_id DESC
), lying AS (
    SELECT coalesce(p.ward_code, a.ward_code) AS ward_code, count(*) AS patients
    FROM hospital.admissions a LEFT JOIN place p USING (admission_id)
    WHERE a.discharged_at IS NULL GROUP BY 1
)
SELECT d.name AS department, w.name AS ward, w.beds, coalesce(l.patients, 0) AS patients,
       round(100.0 * coalesce(l.patients, 0) / w.beds) || ' %' AS full,
       rpad(repeat(:'bar', least(20, round(20.0 * coalesce(l.patients, 0) / w.beds)::int)), 20, '.') AS " "
FROM hospital.wards w JOIN hospital.departments d USING (department_code) LEFT JOIN lying l USING (ward_code)
ORDER BY coalesce(l.patients, 0) DESC, w.ward_code LIMIT 14;

\echo '== What its patients have: the most frequent primary diagnoses'
SELECT code AS "ICD-10", min(description) AS diagnosis, count(*) AS times, count(DISTINCT patient_id) AS patients,
       repeat(:'bar', ceil(count(*) * 30.0 / max(count(*)) OVER ())::int) AS " "
FROM hospital.diagnoses WHERE rank = 'primary'
GROUP BY code ORDER BY times DESC, code LIMIT 12;

\echo '== One patient, one stay'
SELECT min(admission_id) AS stay, min(patient_id) AS patient, min(visit_id) AS visit
FROM (SELECT a.* FROM hospital.admissions a
      LEFT JOIN (SELECT admission_id, count(*) AS n FROM hospital.transfers GROUP BY 1) t USING (admission_id)
      LEFT JOIN (SELECT admission_id, count(*) AS n FROM hospital.lab_results GROUP BY 1) l USING (admission_id)
      WHERE discharged_at - admitted_at BETWEEN interval '2 days' AND interval '6 days'
      ORDER BY t.n DESC NULLS LAST, l.n DESC NULLS LAST, admission_id LIMIT 1) chosen \gset
\if :{?stay}
SELECT p.full_name AS patient, p.folder_no AS folder, p.date_of_birth AS born, p.gender, p.blood_type AS blood,
       p.patient_class AS class, a.admission_type AS "comes as", a.triage, v.diagnosis, a.outcome
FROM hospital.patients p, hospital.admissions a, hospital.visits v
WHERE p.patient_id = :patient AND a.admission_id = :stay AND v.visit_id = :visit;
WITH event AS (
    SELECT arrived_at AS at, 0 AS place, 'arrives' AS what, kind AS details
    FROM hospital.visits WHERE visit_id = :visit
    UNION ALL
    SELECT admitted_at, 1, 'admitted', w.name FROM hospital.admissions JOIN hospital.wards w USING (ward_code)
    WHERE admission_id = :stay
    UNION ALL
    SELECT starts_at, 2, 'doctor', s.first_name || ' ' || s.last_name || ', ' || s.role || ' (' || reason || ')'
    FROM hospital.doctor_assignments JOIN hospital.staff s ON s.staff_id = doctor_id WHERE admission_id = :stay
    UNION ALL
    SELECT at, 3, 'diagnosis', code || ' ' || description || ' (' || rank || ')' FROM hospital.diagnoses WHERE visit_id = :visit
    UNION ALL
    SELECT recorded_at, 4, 'status', status || coalesce(', ' || ward_code, '') || coalesce(', bed ' || bed_no, '')
    FROM hospital.status_updates WHERE admission_id = :stay
    UNION ALL
    SELECT event_time, 5, 'transfer', from_ward || ' to ' || to_ward || ' (' || reason || ')'
    FROM hospital.transfers WHERE admission_id = :stay
    UNION ALL
    SELECT min(at), 6, 'laboratory', count(*) || ' results, out of range: '
           || coalesce(string_agg(description || ' ' || coalesce(value::text, result) || coalesce(' ' || unit, '') || ' ' || flag,
                                  ', ' ORDER BY lab_result_id) FILTER (WHERE flag IS NOT NULL), 'none')
    FROM hospital.lab_results WHERE admission_id = :stay GROUP BY date_trunc('day', at)
    UNION ALL
    SELECT min(at), 7, 'vital signs', count(*) || CASE count(*) WHEN 1 THEN ' set' ELSE ' sets' END || ', temperature up to ' || max(temperature)
           || ', pulse up to ' || max(pulse) || ', SpO2 down to ' || min(spo2) || ' %'
    FROM hospital.vital_signs WHERE admission_id = :stay GROUP BY date_trunc('day', at)
    UNION ALL
    SELECT min(at), 8, 'treatment', string_agg(DISTINCT description, ', ') FROM hospital.treatments
    WHERE admission_id = :stay GROUP BY date_trunc('day', at)
    UNION ALL
    SELECT min(prescribed_at), 9, 'medicine', string_agg(DISTINCT m.name || ', ' || dosage, '; ')
    FROM hospital.prescriptions JOIN hospital.medicines m USING (medicine_id)
    WHERE admission_id = :stay GROUP BY date_trunc('day', prescribed_at)
    UNION ALL
    SELECT discharged_at, 10, outcome, to_char(discharged_at - admitted_at, 'FMDD "days" FMHH24 "hours"') FROM hospital.admissions
    WHERE admission_id = :stay
    UNION ALL
    SELECT (billing_date + 1)::timestamp AT TIME ZONE 'Africa/Johannesburg', 11, 'bill',
           concat_ws(', ', 'R ' || total_amount, payment_status, 'class ' || patient_class, 'accommodation R ' || nullif(accommodation, 0),
                     'procedures R ' || nullif(procedures, 0), 'laboratory R ' || nullif(laboratory, 0),
                     'medicines R ' || nullif(medicines, 0), free_reason)
    FROM hospital.billing_payments WHERE admission_id = :stay
)
SELECT to_char(at, 'Dy DD HH24:MI') AS at, what, left(details, 110) AS details
FROM event ORDER BY event.at, place LIMIT 40;
\else
\echo '(no stay of some days has ended yet)'
\endif

\echo '== Today: transfers between wards, which came through the stream'
SELECT to_char(t.event_time, 'DD Mon HH24:MI:SS') AS at,
       coalesce(p.first_name || ' ' || p.last_name, t.patient_id::text) AS patient,
       t.from_ward, t.to_ward, t.reason, t.status
FROM hospital.transfers t
LEFT JOIN hospital.people p ON p.person_id = t.patient_id
WHERE (t.event_time AT TIME ZONE 'Africa/Johannesburg')::date >= (SELECT anchor_day FROM hospital.run_state)
ORDER BY t.event_time, t.event_id LIMIT 10;

\echo '== The ledger of files (hospital.batches), the latest day'
SELECT day, kind, rows, merged, rejects, state, left(sha256, 12) AS sha256, pg_size_pretty(bytes) AS size
FROM hospital.batches
WHERE day = (SELECT max(day) FROM hospital.batches WHERE state = 'ingested') ORDER BY batch_id;

\echo '== The stream: how far behind each partition is (hospital.stream_lag)'
SELECT topic, partition AS part, position, log_end, lag, round(lag_seconds::numeric, 3) AS lag_seconds,
       round(rate::numeric, 1) AS "a second", state, last_error
FROM hospital.stream_lag;

\echo '== Where its time goes, in milliseconds (hospital.stream_stages)'
SELECT stage, count, round(p50_ms::numeric, 2) AS p50, round(p99_ms::numeric, 2) AS p99, round(max_ms::numeric, 2) AS max
FROM hospital.stream_stages WHERE count > 0 ORDER BY worker, array_position('{fetch,parse,write,commit,lake,visible}', stage);

\echo '== Its ledger (hospital.stream_ranges), the latest commits'
SELECT topic, partition AS part, first_offset AS first, last_offset AS last, rows, rejects, duplicates AS twice,
       to_char(committed_at, 'HH24:MI:SS') AS at, regexp_replace(file, '^.*/date=', '.../date=') AS "file in the lake"
FROM hospital.stream_ranges ORDER BY committed_at DESC LIMIT 5;

\echo '== That ledger proved, while events come in: SELECT * FROM hospital_audit_stream()'
SELECT check_name, count(*) AS checked, sum(expected) AS expected, sum(found) AS found, bool_and(ok) AS ok
FROM hospital_audit_stream() GROUP BY check_name ORDER BY check_name;

\echo '== Alerts: prescribed to patients who are on something that it does not go with'
SELECT to_char(max(a.prescribed_at), 'DD Mon HH24:MI') AS at, p.first_name || ' ' || p.last_name AS patient, m.name AS medicine,
       o.name AS "is on", a.severity, left(a.effect, 44) AS effect, to_char(max(a.raised_at), 'HH24:MI:SS') AS raised
FROM hospital.alerts a
LEFT JOIN hospital.people p ON p.person_id = a.patient_id
JOIN hospital.medicines m ON m.medicine_id = a.medicine_id
JOIN hospital.medicines o ON o.medicine_id = a.other_medicine_id
GROUP BY a.patient_id, p.first_name, p.last_name, m.name, o.name, a.severity, a.effect
ORDER BY max(a.alert_id) DESC LIMIT 6;

\echo '== The workers (hospital.status)'
SELECT worker, pid, state, to_char(since, 'HH24:MI:SS') AS since, rows, last_error FROM hospital.status;
