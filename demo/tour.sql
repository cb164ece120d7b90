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

\echo '== The first day: admissions, which came through a file'
SELECT w.name AS ward, count(*) AS admissions,
       string_agg(DISTINCT a.triage, ', ' ORDER BY a.triage) AS triage,
       to_char(min(a.admitted_at), 'HH24:MI') AS first, to_char(max(a.admitted_at), 'HH24:MI') AS last
FROM hospital.admissions a
LEFT JOIN hospital.wards w USING (ward_code), hospital.simulation s
WHERE (a.admitted_at AT TIME ZONE 'Africa/Johannesburg')::date = s.start_date
GROUP BY w.name ORDER BY 2 DESC, 1 LIMIT 12;

\echo '== The first day: transfers between wards, which came through the stream'
SELECT to_char(t.event_time, 'HH24:MI:SS') AS at, coalesce(p.first_name || ' ' || p.last_name, t.patient_id::text) AS patient,
       t.from_ward, t.to_ward, t.reason, t.status
FROM hospital.transfers t
LEFT JOIN hospital.people p ON p.person_id = t.patient_id, hospital.simulation s
WHERE (t.event_time AT TIME ZONE 'Africa/Johannesburg')::date = s.start_date
ORDER BY t.event_time, t.event_id LIMIT 15;

\echo '== The ledger of files (hospital.batches), the latest days'
SELECT kind, day, rows, rejects, state, left(sha256, 12) AS sha256, pg_size_pretty(bytes) AS size
FROM hospital.batches ORDER BY day DESC, kind LIMIT 5;

\echo '== The ledger of the stream (hospital.stream_ranges), the latest commits'
SELECT topic, partition, first_offset AS first, last_offset AS last, rows, rejects, duplicates,
       to_char(committed_at, 'HH24:MI:SS') AS at
FROM hospital.stream_ranges ORDER BY committed_at DESC LIMIT 5;

\echo '== The workers (hospital.status)'
SELECT worker, pid, state, to_char(since, 'HH24:MI:SS') AS since, rows, last_error FROM hospital.status;
