-- What must always hold of the staff and their shifts, from the tables
-- hospital.staff, hospital.staff_assignments and hospital.wards alone.  Shares
-- no code with the generator: the check digit, the 65th birthday and local
-- time are worked out here.
--
-- One row a check: check_name, violations, ok.  Then the targets of
-- targets.csv on several days, as target, found, verdict.
--
-- Variables (psql): beds (1100), from_day (2020-01-01), until_day (2025-12-31).

\if :{?beds}
\else
  \set beds 1100
\endif
\if :{?from_day}
\else
  \set from_day 2020-01-01
\endif
\if :{?until_day}
\else
  \set until_day 2025-12-31
\endif

SET TIME ZONE 'Africa/Johannesburg';

-- each shift with the one before it of the same person
CREATE TEMPORARY TABLE shift_order AS
SELECT a.staff_id, a.ward_code, a.shift, a.starts_at, a.ends_at,
       a.starts_at - lag(a.ends_at) OVER (PARTITION BY a.staff_id ORDER BY a.starts_at) AS rest
FROM hospital.staff_assignments a;

-- nurses of each ward's shifts
CREATE TEMPORARY TABLE ward_shift AS
SELECT a.ward_code, a.starts_at, a.shift,
       count(*) FILTER (WHERE s.category = 'nurse') AS nurses,
       count(*) FILTER (WHERE s.professional) AS professional
FROM hospital.staff_assignments a
JOIN (SELECT staff_id, CASE WHEN role LIKE '%Nurs%' THEN 'nurse' END AS category,
             role LIKE 'Professional Nurse%' AS professional
      FROM hospital.staff) s USING (staff_id)
WHERE a.shift IN ('N12D', 'N12N') AND a.ward_code IS NOT NULL
GROUP BY a.ward_code, a.starts_at, a.shift;

WITH digit AS (
    SELECT s.staff_id, s.national_id, i,
           substr(s.national_id, i, 1)::int * CASE WHEN i % 2 = 0 THEN 2 ELSE 1 END AS doubled
    FROM hospital.staff s, generate_series(1, 13) i
), luhn AS (
    SELECT staff_id, sum(CASE WHEN doubled > 9 THEN doubled - 9 ELSE doubled END) AS total
    FROM digit GROUP BY staff_id
), day_shift AS (
    SELECT d::date AS day, w.ward_code, k.shift
    FROM generate_series(:'from_day'::date, :'until_day'::date, '1 day') d,
         hospital.wards w, (VALUES ('N12D'), ('N12N')) k (shift)
), checks (check_name, violations) AS (
    SELECT 'staff: there are some', (SELECT (count(*) = 0)::int FROM hospital.staff)
    UNION ALL
    SELECT 'staff: ids are 1, 2, 3, ...',
           (SELECT count(*) - count(DISTINCT staff_id) + abs(coalesce(max(staff_id), 0) - count(*)) FROM hospital.staff)
    UNION ALL
    SELECT 'staff: identity number well formed, of birth date and sex',
           (SELECT count(*) FROM hospital.staff
            WHERE national_id !~ '^[0-9]{13}$'
               OR left(national_id, 6) <> to_char(date_of_birth, 'YYMMDD')
               OR (substr(national_id, 7, 1) < '5') <> (sex = 'F'))
    UNION ALL
    SELECT 'staff: identity number check digit', (SELECT count(*) FROM luhn WHERE total % 10 <> 0)
    UNION ALL
    SELECT 'staff: identity number unique', (SELECT count(*) - count(DISTINCT national_id) FROM hospital.staff)
    UNION ALL
    SELECT 'staff: registration number unique',
           (SELECT count(registration_no) - count(DISTINCT registration_no) FROM hospital.staff)
    UNION ALL
    SELECT 'staff: registration number in the council''s form',
           (SELECT count(*) FROM hospital.staff
            WHERE CASE
                WHEN role IN ('Medical Specialist') THEN registration_no !~ '^MP0[3-6][0-9]{5}$'
                WHEN role = 'Registrar' THEN registration_no !~ '^MP0[6-9][0-9]{5}$'
                WHEN role = 'Medical Officer' THEN registration_no !~ '^MP0[4-8][0-9]{5}$'
                WHEN role = 'Medical Intern' THEN registration_no !~ '^IN0[7-9][0-9]{5}$'
                WHEN role = 'Community Service Doctor' THEN registration_no !~ '^MP0[8-9][0-9]{5}$'
                WHEN role ~ 'Nurs' THEN registration_no !~ '^1[0-9]{7}$'
                WHEN role = 'Pharmacist' THEN registration_no !~ '^P[0-9]{5}$'
                WHEN role = 'Social Worker' THEN registration_no !~ '^10-[0-9]{5}$'
                WHEN role ~ 'Clerk|Cleaner|Porter|Security|Manager|Officer|Driver|Operator|Worker|Attendant|Capturer|IT |Food'
                    THEN registration_no IS NOT NULL
                ELSE registration_no IS NULL END)
    UNION ALL
    SELECT 'staff: retires on the 65th birthday',
           (SELECT count(*) FROM hospital.staff WHERE retires_on <> (date_of_birth + interval '65 years')::date)
    UNION ALL
    SELECT 'staff: hired at 19 or older, before leaving and retiring',
           (SELECT count(*) FROM hospital.staff
            WHERE hired_on < date_of_birth + interval '19 years' OR hired_on >= retires_on OR hired_on >= left_on
               OR left_on > retires_on OR left_on > :'until_day' OR hired_on > :'until_day')
    UNION ALL
    SELECT 'staff: nobody without left_on is 65',
           (SELECT count(*) FROM hospital.staff WHERE left_on IS NULL AND retires_on <= :'until_day')
    UNION ALL
    SELECT 'staff: a retirement is filled on the day, same role and specialty',
           (SELECT count(*) FROM hospital.staff s
            WHERE s.left_on = s.retires_on
              AND NOT EXISTS (SELECT FROM hospital.staff r
                              WHERE r.replaces_staff_id = s.staff_id AND r.hired_on = s.left_on
                                AND r.role = s.role AND r.specialty = s.specialty))
    UNION ALL
    SELECT 'staff: a replacement follows its predecessor in the same role',
           (SELECT count(*) FROM hospital.staff r LEFT JOIN hospital.staff s ON s.staff_id = r.replaces_staff_id
            WHERE r.replaces_staff_id IS NOT NULL
              AND (s.left_on IS NULL OR r.hired_on < s.left_on
                   OR (r.role, r.specialty) IS DISTINCT FROM (s.role, s.specialty)))
    UNION ALL
    SELECT 'staff: nobody is replaced twice',
           (SELECT count(replaces_staff_id) - count(DISTINCT replaces_staff_id) FROM hospital.staff)
    UNION ALL
    SELECT 'shifts: there are some', (SELECT (count(*) = 0)::int FROM hospital.staff_assignments)
    UNION ALL
    SELECT 'shifts: ids unique',
           (SELECT count(*) - count(DISTINCT assignment_id) FROM hospital.staff_assignments)
    UNION ALL
    SELECT 'shifts: of somebody on the staff, in a ward there is',
           (SELECT count(*) FROM hospital.staff_assignments a
            LEFT JOIN hospital.staff s USING (staff_id) LEFT JOIN hospital.wards w USING (ward_code)
            WHERE s.staff_id IS NULL OR (a.ward_code IS NOT NULL AND w.ward_code IS NULL))
    UNION ALL
    SELECT 'shifts: none before being hired, on or after leaving or the 65th birthday',
           (SELECT count(*) FROM hospital.staff_assignments a JOIN hospital.staff s USING (staff_id)
            WHERE a.starts_at < s.hired_on OR a.ends_at > s.left_on
               OR a.ends_at > (s.date_of_birth + interval '65 years'))
    UNION ALL
    SELECT 'shifts: nobody on two at once', (SELECT count(*) FROM shift_order WHERE rest < '0')
    UNION ALL
    SELECT 'shifts: eleven hours of rest between two', (SELECT count(*) FROM shift_order WHERE rest < '11 hours')
    UNION ALL
    SELECT 'shifts: none longer than 26 hours',
           (SELECT count(*) FROM shift_order WHERE ends_at - starts_at NOT BETWEEN '8 hours' AND '26 hours')
    UNION ALL
    SELECT 'wards: a professional nurse on every shift of every day',
           (SELECT count(*) FROM day_shift d LEFT JOIN ward_shift n
                ON n.ward_code = d.ward_code AND n.shift = d.shift
               AND n.starts_at = d.day + CASE d.shift WHEN 'N12D' THEN time '07:00' ELSE time '19:00' END
            WHERE coalesce(n.professional, 0) = 0)
    UNION ALL
    SELECT 'departments: a doctor on call every night',
           (SELECT count(*)
            FROM generate_series(:'from_day'::date, :'until_day'::date, '1 day') d,
                 (SELECT DISTINCT department_code FROM hospital.wards) dep
            WHERE NOT EXISTS (
                SELECT FROM (SELECT DISTINCT w.department_code, a.starts_at::date AS day
                             FROM hospital.staff_assignments a JOIN hospital.wards w USING (ward_code)
                             JOIN hospital.staff s USING (staff_id)
                             WHERE a.shift = 'CALL24' AND s.role <> 'Medical Intern') c
                WHERE c.department_code = dep.department_code AND c.day = d::date))
)
SELECT check_name, violations, violations = 0 AS ok FROM checks;

WITH days AS (
    SELECT d::date AS day
    FROM generate_series(:'from_day'::date, :'until_day'::date, '181 days') d
), found AS (
    SELECT day, count(*) * 1000.0 / :beds AS staff_total,
           count(*) FILTER (WHERE role ~ 'Nurs') * 1000.0 / :beds AS nurses,
           count(*) FILTER (WHERE role ~ '^(Medical (Specialist|Officer|Intern)|Registrar|Community Service Doctor|Maxillo|Dentist)')
               * 1000.0 / :beds AS doctors,
           count(*) FILTER (WHERE role ~ '^(Pharmac|Physio|Occupational|Speech|Diet|Diagnostic|Radiation|Clinical|Social|Medical (Orthotist|Physicist)|Optom)')
               * 1000.0 / :beds AS allied,
           max(day - (date_of_birth + interval '65 years')::date) AS past_65
    FROM days JOIN hospital.staff ON hired_on <= day AND (left_on IS NULL OR left_on > day)
    GROUP BY day
), verdict AS (
    SELECT 'staff_total' AS metric, 4579 AS target, 50 AS tolerance, day, staff_total AS found FROM found
    UNION ALL SELECT 'nurses', 2023, 30, day, nurses FROM found
    UNION ALL SELECT 'doctors', 574, 10, day, doctors FROM found
    UNION ALL SELECT 'allied', 280, 8, day, allied FROM found
)
SELECT metric, target, tolerance, count(*) AS days, round(min(found), 1) AS least, round(max(found), 1) AS most,
       bool_and(abs(found - target) <= tolerance) AS ok
FROM verdict GROUP BY metric, target, tolerance
UNION ALL
-- filled posts of the plan are 855 of a thousand: what is missing is vacant
SELECT 'vacancy_rate', 0.145, 0.03, count(*), round(min(1 - staff_total * 0.855 / 4579), 4),
       round(max(1 - staff_total * 0.855 / 4579), 4), bool_and(abs(1 - staff_total * 0.855 / 4579 - 0.145) <= 0.03)
FROM found
UNION ALL
SELECT 'staff_turnover a year', 0.10, 0.03, 1, round(share, 4), round(share, 4), abs(share - 0.10) <= 0.03
FROM (SELECT count(*) / ((:'until_day'::date - :'from_day'::date + 1) / 365.25) / (4.579 * :beds) AS share
      FROM hospital.staff WHERE left_on IS NOT NULL) t
UNION ALL
SELECT 'staff_days_past_65', -1, 0, count(*), min(past_65), max(past_65), max(past_65) < 0 FROM found
ORDER BY 1;

DROP TABLE shift_order, ward_shift;
