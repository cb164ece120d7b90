-- What must always hold of the days that a hospital has been through, from its
-- tables and the reference tables alone.  Shares no code with the generator:
-- ages, shifts, beds, prices and local time are worked out here.
--
-- First one row a check: check_name, violations, and one violation as an
-- example.  Then measures, which are shares rather than rules: metric, found,
-- least, most, ok.
--
-- Everything is temporary and gone at the end; the tables are only read.

SET TIME ZONE 'Africa/Johannesburg';
SET jit = off;
SET work_mem = '128MB';

-- ---- what the checks look at -------------------------------------------------

-- whole years; who is born on 29 February has the birthday on the 28th, as with "date + interval"
CREATE FUNCTION pg_temp.years(born date, day date) RETURNS int IMMUTABLE LANGUAGE sql AS
$$ SELECT y - (born + make_interval(years => y) > day)::int
   FROM (SELECT extract(year FROM day)::int - extract(year FROM born)::int) x (y) $$;

CREATE TEMPORARY TABLE span AS
SELECT s.*, (SELECT max(day) FROM hospital.days) AS last_day, (SELECT count(*) FROM hospital.days) AS days,
       -- the roster has no shift of the day before the first one
       s.start_date::timestamptz + interval '7 hours 30 minutes' AS staffed_from
FROM hospital.simulation s;

CREATE TEMPORARY TABLE person AS
SELECT p.patient_id, left(p.gender, 1) AS sex, p.date_of_birth, p.deceased_at, p.origin, p.first_seen_on,
       p.patient_class, p.blood_type, q.household_id
FROM hospital.patients p LEFT JOIN hospital.people q ON q.person_id = p.patient_id;
CREATE UNIQUE INDEX ON person (patient_id);

-- all that has a patient and a time; staff_id: who did it, then
CREATE TEMPORARY TABLE deed AS
SELECT 'status_updates' AS source, update_id AS id, NULL::bigint AS visit_id, admission_id, patient_id,
       recorded_at AS at, recorded_by AS staff_id, NULL::bigint AS doctor_id, status AS what
FROM hospital.status_updates
UNION ALL SELECT 'doctor_assignments', doctor_assignment_id, NULL, admission_id, patient_id, starts_at, doctor_id, doctor_id, reason
FROM hospital.doctor_assignments
UNION ALL SELECT 'transfers', NULL, NULL, admission_id, patient_id, event_time, staff_id, NULL, reason
FROM hospital.transfers
UNION ALL SELECT 'diagnoses', diagnosis_id, visit_id, admission_id, patient_id, at, NULL, NULL, code
FROM hospital.diagnoses
UNION ALL SELECT 'treatments', treatment_id, visit_id, admission_id, patient_id, at, staff_id, NULL, code
FROM hospital.treatments
UNION ALL SELECT 'lab_results', lab_result_id, visit_id, admission_id, patient_id, at, NULL, NULL, code
FROM hospital.lab_results
UNION ALL SELECT 'vital_signs', vital_signs_id, visit_id, admission_id, patient_id, at, recorded_by, NULL, consciousness
FROM hospital.vital_signs
UNION ALL SELECT 'prescriptions', prescription_id, visit_id, admission_id, patient_id, prescribed_at, doctor_id, doctor_id, medicine_id
FROM hospital.prescriptions;
ANALYZE deed;

CREATE TEMPORARY TABLE shift AS
SELECT a.staff_id, a.starts_at, a.ends_at, a.shift, w.department_code
FROM hospital.staff_assignments a LEFT JOIN hospital.wards w USING (ward_code), span
WHERE a.starts_at < span.last_day + 2;
CREATE INDEX ON shift (staff_id, starts_at);
ANALYZE shift;

CREATE TEMPORARY TABLE medical AS
SELECT staff_id, department_code, specialty, role FROM hospital.staff
WHERE role IN (SELECT role FROM hospital.staff_roles WHERE category = 'medical');
CREATE UNIQUE INDEX ON medical (staff_id);

-- how a stay ends
CREATE TEMPORARY TABLE ending AS
SELECT * FROM unnest('{discharged,died,absconded,refused treatment,transferred out}'::text[]) AS status;

-- each stay's way: admission, moves, end, with what came before and comes next
CREATE TEMPORARY TABLE step AS
SELECT u.update_id, u.admission_id, u.patient_id, u.recorded_at, u.status, u.ward_code, u.bed_no, u.recorded_by,
       row_number() OVER w AS number, count(*) OVER (PARTITION BY admission_id) AS steps,
       lag(ward_code) OVER w AS ward_before, lag(bed_no) OVER w AS bed_before,
       lead(recorded_at) OVER w AS next_at
FROM hospital.status_updates u
WHERE status IN ('admitted', 'moved') OR status IN (SELECT status FROM ending)
WINDOW w AS (PARTITION BY admission_id ORDER BY recorded_at, update_id);
CREATE INDEX ON step (admission_id);

-- who lies in which bed from when to when
CREATE TEMPORARY TABLE lying AS
SELECT admission_id, patient_id, ward_code, bed_no, recorded_at AS since, coalesce(next_at, 'infinity') AS until
FROM step WHERE status IN ('admitted', 'moved');
CREATE INDEX ON lying (admission_id);
ANALYZE lying;

-- which recorded codes a medicine is for: a prefix among its indications
CREATE TEMPORARY TABLE diagnosed AS
SELECT patient_id, code, min(visit_id) AS visit_id FROM hospital.diagnoses GROUP BY patient_id, code;

CREATE TEMPORARY TABLE indicated AS
SELECT DISTINCT m.medicine_id, c.code
FROM hospital.medicines m, regexp_split_to_table(m.indication_icd10, ';') AS prefix,
     (SELECT DISTINCT code FROM diagnosed) c
WHERE starts_with(c.code, trim(prefix));
ANALYZE diagnosed, indicated;

-- every prescription with a fitting diagnosis, of this visit or an earlier one
CREATE TEMPORARY TABLE suiting AS
SELECT DISTINCT p.prescription_id
FROM hospital.prescriptions p
JOIN diagnosed d ON d.patient_id = p.patient_id AND d.visit_id <= p.visit_id
JOIN indicated i ON i.medicine_id = p.medicine_id AND i.code = d.code;

CREATE TEMPORARY TABLE delivery AS
SELECT t.treatment_id, t.visit_id, t.patient_id, t.at, t.code,
       EXISTS (SELECT FROM hospital.diagnoses d WHERE d.visit_id = t.visit_id AND d.code = 'Z37.1') AS stillborn
FROM hospital.treatments t WHERE t.code IN ('0210', '0211', '0212');

-- the fees of what was done, at the prices of the bill's class and year
CREATE TEMPORARY TABLE fee AS
SELECT b.billing_id, f.fee_group,
       sum(t.quantity * round(i.tariff_index * CASE b.patient_class WHEN 'H0' THEN price_h0_zar WHEN 'H1' THEN price_h1_zar
           WHEN 'H2' THEN price_h2_zar WHEN 'H3' THEN price_h3_zar ELSE price_full_zar END, 2)) AS rand
FROM hospital.billing_payments b
JOIN hospital.treatments t ON t.visit_id = b.visit_id
JOIN hospital.tariffs f ON f.fee_code = t.code
JOIN hospital.tariff_index i ON i.fiscal_year = b.fiscal_year
WHERE b.free_reason IS NULL
GROUP BY b.billing_id, f.fee_group;

-- kinds and their keys, with the time that the key's day must be of
CREATE TEMPORARY TABLE numbered AS
SELECT source, id, at FROM deed WHERE id IS NOT NULL
UNION ALL SELECT 'visits', visit_id, arrived_at FROM hospital.visits
UNION ALL SELECT 'admissions', admission_id, admitted_at FROM hospital.admissions
UNION ALL SELECT 'billing_payments', billing_id, billing_date::timestamptz FROM hospital.billing_payments
UNION ALL SELECT 'staff_changes', staff_change_id, changed_on::timestamptz FROM hospital.staff_changes;

CREATE TEMPORARY TABLE found (number int GENERATED ALWAYS AS IDENTITY, check_name text, violations bigint, example text);
CREATE TEMPORARY TABLE measured (number int GENERATED ALWAYS AS IDENTITY, metric text, found numeric, least numeric, most numeric);

-- ---- there is something, and it is of the days that were run -------------------

INSERT INTO found (check_name, violations, example)
SELECT 'records: every kind has some', count(*), min(kind)
FROM (VALUES ('patients', (SELECT count(*) FROM hospital.patients)), ('admissions', (SELECT count(*) FROM hospital.admissions)),
      ('visits', (SELECT count(*) FROM hospital.visits)), ('billing_payments', (SELECT count(*) FROM hospital.billing_payments)),
      ('staff_changes', (SELECT count(*) FROM hospital.staff_changes) + (SELECT (days < 30)::int FROM span)),
      ('status_updates', (SELECT count(*) FROM deed WHERE source = 'status_updates')),
      ('doctor_assignments', (SELECT count(*) FROM deed WHERE source = 'doctor_assignments')),
      ('transfers', (SELECT count(*) + (SELECT (transfers_per_day = 0)::int FROM span) FROM deed WHERE source = 'transfers')),
      ('diagnoses', (SELECT count(*) FROM deed WHERE source = 'diagnoses')),
      ('treatments', (SELECT count(*) FROM deed WHERE source = 'treatments')),
      ('lab_results', (SELECT count(*) FROM deed WHERE source = 'lab_results')),
      ('vital_signs', (SELECT count(*) FROM deed WHERE source = 'vital_signs')),
      ('prescriptions', (SELECT count(*) FROM deed WHERE source = 'prescriptions'))) k (kind, n)
WHERE n = 0;

INSERT INTO found (check_name, violations, example)
SELECT 'ids: the day in the id is the day of the record', count(*), min(format('%s %s is of %s', source, id, at))
FROM numbered WHERE id / 1000000 <> at::date - date '2000-01-01' OR id % 1000000 NOT BETWEEN 1 AND 900000;

INSERT INTO found (check_name, violations, example)
SELECT 'ids: unique within a kind', count(*), min(format('%s %s', source, id))
FROM (SELECT source, id FROM numbered GROUP BY source, id HAVING count(*) > 1) x;

INSERT INTO found (check_name, violations, example)
SELECT 'records: of the days that were run', count(*), min(format('%s %s is of %s', source, id, at))
FROM numbered, span WHERE at::date NOT BETWEEN start_date AND last_day;

INSERT INTO found (check_name, violations, example)
SELECT 'transfers: the event id has the time, and is of version 7', count(*), min(format('%s is of %s', event_id, event_time))
FROM hospital.transfers
WHERE ('x' || left(replace(event_id::text, '-', ''), 12))::bit(48)::bigint <> floor(extract(epoch FROM event_time) * 1000)
   OR substr(event_id::text, 15, 1) <> '7' OR substr(event_id::text, 20, 1) NOT IN ('8', '9', 'a', 'b');

-- ---- patients --------------------------------------------------------------------

INSERT INTO found (check_name, violations, example)
SELECT 'patients: each is one of the people, of the same name, birth and sex', count(*), min(p.patient_id::text)
FROM hospital.patients p LEFT JOIN hospital.people q ON q.person_id = p.patient_id
WHERE q.person_id IS NULL OR p.full_name <> q.first_name || ' ' || q.last_name OR p.date_of_birth <> q.date_of_birth
   OR left(p.gender, 1) <> q.sex;

INSERT INTO found (check_name, violations, example)
SELECT 'patients: numbered by where they are from', count(*), min(format('%s is %s', patient_id, origin))
FROM person, span
WHERE CASE origin WHEN 'city' THEN patient_id NOT BETWEEN 1 AND people ELSE patient_id < 1000000000 END
   OR origin NOT IN ('city', 'born here', 'born elsewhere', 'outside');

INSERT INTO found (check_name, violations, example)
SELECT 'patients: first seen on the day of the first visit', count(*), min(format('%s: %s, %s', patient_id, first_seen_on, first_visit))
FROM person LEFT JOIN (SELECT patient_id, min(visit_date) AS first_visit FROM hospital.visits GROUP BY 1) v USING (patient_id)
WHERE first_seen_on IS DISTINCT FROM first_visit;

INSERT INTO found (check_name, violations, example)
SELECT 'patients: of every record, visit and admission there is one', count(*), min(format('%s %s: %s', source, id, patient_id))
FROM (SELECT source, id, patient_id FROM deed UNION ALL SELECT 'visits', visit_id, patient_id FROM hospital.visits
      UNION ALL SELECT 'admissions', admission_id, patient_id FROM hospital.admissions
      UNION ALL SELECT 'billing_payments', billing_id, patient_id FROM hospital.billing_payments) r
WHERE NOT EXISTS (SELECT FROM person p WHERE p.patient_id = r.patient_id);

-- all times that somebody was here or was treated; the last is of those that are in charge
CREATE TEMPORARY TABLE moment AS
SELECT source, id, patient_id, at FROM deed
UNION ALL SELECT 'arrivals', visit_id, patient_id, arrived_at FROM hospital.visits
UNION ALL SELECT 'ends of visits', visit_id, patient_id, left_at FROM hospital.visits WHERE left_at IS NOT NULL
UNION ALL SELECT 'admissions', admission_id, patient_id, admitted_at FROM hospital.admissions
UNION ALL SELECT 'discharges', admission_id, patient_id, discharged_at FROM hospital.admissions WHERE discharged_at IS NOT NULL
UNION ALL SELECT 'ends of doctor_assignments', doctor_assignment_id, patient_id, ends_at
FROM hospital.doctor_assignments WHERE ends_at IS NOT NULL;

INSERT INTO found (check_name, violations, example)
SELECT 'patients: nobody is here before birth', count(*), min(format('%s %s at %s, born on %s', source, id, at, date_of_birth))
FROM moment JOIN person USING (patient_id) WHERE at < date_of_birth::timestamptz;

INSERT INTO found (check_name, violations, example)
SELECT 'patients: nobody is here after death', count(*), min(format('%s %s at %s, died at %s', source, id, at, deceased_at))
FROM moment JOIN person USING (patient_id) WHERE at > deceased_at AND source <> 'ends of doctor_assignments';

INSERT INTO found (check_name, violations, example)
SELECT 'patients: who died here is dead from that moment', count(*), min(format('%s %s at %s, died at %s', source, id, at, deceased_at))
FROM (SELECT 'visits' AS source, visit_id AS id, patient_id, left_at AS at FROM hospital.visits WHERE disposition = 'died'
      UNION ALL SELECT 'admissions', admission_id, patient_id, discharged_at FROM hospital.admissions WHERE outcome = 'died'
      UNION ALL SELECT 'status_updates', update_id, patient_id, recorded_at FROM step WHERE status = 'died') e
JOIN person USING (patient_id) WHERE deceased_at IS DISTINCT FROM at;

INSERT INTO found (check_name, violations, example)
SELECT 'patients: who is dead died here, or elsewhere after leaving', count(*), min(format('%s died at %s', p.patient_id, deceased_at))
FROM person p
WHERE deceased_at IS NOT NULL
  AND NOT EXISTS (SELECT FROM hospital.visits v WHERE v.patient_id = p.patient_id AND disposition = 'died' AND left_at = deceased_at)
  AND EXISTS (SELECT FROM hospital.visits v WHERE v.patient_id = p.patient_id
              AND (coalesce(left_at, 'infinity') > deceased_at OR disposition = 'died'));

INSERT INTO found (check_name, violations, example)
SELECT 'patients: nobody is an inpatient twice at once', count(*), min(format('%s: %s', patient_id, admission_id))
FROM (SELECT patient_id, admission_id, admitted_at,
             max(coalesce(discharged_at, 'infinity')) OVER (PARTITION BY patient_id ORDER BY admitted_at, admission_id
                 ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
      FROM hospital.admissions) x WHERE before > admitted_at;

INSERT INTO found (check_name, violations, example)
SELECT 'patients: nobody is on two visits at once, so not elsewhere while an inpatient', count(*), min(format('%s: %s', patient_id, visit_id))
FROM (SELECT patient_id, visit_id, arrived_at,
             max(coalesce(left_at, 'infinity')) OVER (PARTITION BY patient_id ORDER BY arrived_at, visit_id
                 ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
      FROM hospital.visits) x WHERE before > arrived_at;

-- ---- visits and admissions ---------------------------------------------------------

INSERT INTO found (check_name, violations, example)
SELECT 'visits: an end is not before the arrival, and is there unless an inpatient', count(*), min(visit_id::text)
FROM hospital.visits, span
WHERE left_at < arrived_at OR left_at::date > last_day OR visit_date <> arrived_at::date
   OR (left_at IS NULL) <> (total_cost IS NULL) OR (left_at IS NULL) <> (disposition IS NULL)
   OR (left_at IS NULL AND admission_id IS NULL)
   OR disposition NOT IN ('discharged', 'referred to clinic', 'follow-up booked', 'died', 'left without being seen', 'absconded',
                          'refused treatment', 'transferred out');

INSERT INTO found (check_name, violations, example)
SELECT 'visits: a doctor saw the patient, or the patient left before', count(*), min(format('%s: %s', visit_id, disposition))
FROM hospital.visits WHERE (doctor_id IS NULL) <> (disposition IS NOT DISTINCT FROM 'left without being seen');

INSERT INTO found (check_name, violations, example)
SELECT 'visits: emergencies are triaged unless they leave before, outpatients are not', count(*), min(visit_id::text)
FROM hospital.visits
WHERE (kind = 'emergency' AND triage IS NULL AND disposition IS DISTINCT FROM 'left without being seen')
   OR (kind = 'outpatient' AND triage IS NOT NULL);

-- a bill of transport is all that comes of it
INSERT INTO found (check_name, violations, example)
SELECT 'visits: who is dead on arrival is dead, and nothing is measured or given', count(*), min(visit_id::text)
FROM hospital.visits v
WHERE triage = 'BLUE'
  AND (disposition IS DISTINCT FROM 'died'
       OR EXISTS (SELECT FROM deed d WHERE d.visit_id = v.visit_id AND d.source IN ('vital_signs', 'lab_results', 'prescriptions')));

INSERT INTO found (check_name, violations, example)
SELECT 'visits: a child below 13 does not abscond', count(*), min(visit_id::text)
FROM hospital.visits JOIN person p USING (patient_id)
WHERE disposition = 'absconded' AND arrived_at < p.date_of_birth + interval '13 years';

INSERT INTO found (check_name, violations, example)
SELECT 'admissions: discharged after the admission, outcome and time together', count(*), min(admission_id::text)
FROM hospital.admissions, span
WHERE discharged_at < admitted_at OR discharged_at::date > last_day OR (discharged_at IS NULL) <> (outcome IS NULL)
   OR outcome NOT IN (SELECT status FROM ending);

INSERT INTO found (check_name, violations, example)
SELECT 'admissions: each has its visit, which says the same', count(*), min(a.admission_id::text)
FROM hospital.admissions a LEFT JOIN hospital.visits v USING (visit_id)
WHERE v.visit_id IS NULL OR v.admission_id IS DISTINCT FROM a.admission_id OR v.patient_id <> a.patient_id
   OR v.left_at IS DISTINCT FROM a.discharged_at OR v.disposition IS DISTINCT FROM a.outcome
   OR v.arrived_at > a.admitted_at OR v.kind <> a.admission_type OR v.department_code <> a.department_code
   OR v.triage IS DISTINCT FROM a.triage;

INSERT INTO found (check_name, violations, example)
SELECT 'visits: an admission that a visit names is there and names it', count(*), min(v.visit_id::text)
FROM hospital.visits v LEFT JOIN hospital.admissions a USING (admission_id)
WHERE v.admission_id IS NOT NULL AND a.visit_id IS DISTINCT FROM v.visit_id;

INSERT INTO found (check_name, violations, example)
SELECT 'records: of a visit there is, of its patient and admission, within it', count(*),
       min(format('%s %s at %s, visit %s', d.source, d.id, d.at, d.visit_id))
FROM deed d LEFT JOIN hospital.visits v ON v.visit_id = d.visit_id
WHERE d.visit_id IS NOT NULL
  AND (v.visit_id IS NULL OR v.patient_id <> d.patient_id OR v.admission_id IS DISTINCT FROM d.admission_id
       OR d.at < v.arrived_at OR d.at > v.left_at);

INSERT INTO found (check_name, violations, example)
SELECT 'records: of an admission there is, of its patient, within it', count(*),
       min(format('%s %s at %s, admission %s', d.source, d.id, d.at, d.admission_id))
FROM deed d LEFT JOIN hospital.admissions a ON a.admission_id = d.admission_id
WHERE d.visit_id IS NULL
  AND (a.admission_id IS NULL OR a.patient_id <> d.patient_id OR d.at < a.admitted_at OR d.at > a.discharged_at);

INSERT INTO found (check_name, violations, example)
SELECT 'doctor_assignments: nobody is in charge of somebody who has gone', count(*),
       min(format('%s ends at %s, admission at %s', doctor_assignment_id, ends_at, discharged_at))
FROM hospital.doctor_assignments JOIN hospital.admissions USING (admission_id) WHERE ends_at > discharged_at;

INSERT INTO found (check_name, violations, example)
SELECT 'doctor_assignments: each admission has a doctor who admits', count(*), min(a.admission_id::text)
FROM hospital.admissions a
WHERE (SELECT count(*) FROM hospital.doctor_assignments d WHERE d.admission_id = a.admission_id AND d.reason = 'admitting') <> 1;

-- ---- wards and beds ----------------------------------------------------------------

INSERT INTO found (check_name, violations, example)
SELECT 'stays: begin with one admission, in the ward and at the time of admissions', count(*), min(a.admission_id::text)
FROM hospital.admissions a LEFT JOIN step s ON s.admission_id = a.admission_id AND s.number = 1
WHERE s.status IS DISTINCT FROM 'admitted' OR s.recorded_at <> a.admitted_at OR s.ward_code IS DISTINCT FROM a.ward_code
   OR (SELECT count(*) FROM step t WHERE t.admission_id = a.admission_id AND t.status = 'admitted') <> 1;

INSERT INTO found (check_name, violations, example)
SELECT 'stays: end once, as and when admissions says', count(*), min(a.admission_id::text)
FROM hospital.admissions a
LEFT JOIN step s ON s.admission_id = a.admission_id AND s.status IN (SELECT status FROM ending)
WHERE s.status IS DISTINCT FROM a.outcome OR s.recorded_at IS DISTINCT FROM a.discharged_at OR s.number <> s.steps;

INSERT INTO found (check_name, violations, example)
SELECT 'stays: a move is to another bed', count(*), min(update_id::text)
FROM step WHERE status = 'moved' AND (ward_code, bed_no) IS NOT DISTINCT FROM (ward_before, bed_before);

INSERT INTO found (check_name, violations, example)
SELECT 'stays: nobody is moved on the operating table', count(*), min(format('%s at %s', s.admission_id, s.recorded_at))
FROM (SELECT admission_id, status, recorded_at,
             lead(status) OVER w AS next_status, lead(recorded_at) OVER w AS next_at
      FROM hospital.status_updates WHERE status IN ('in theatre', 'in recovery')
      WINDOW w AS (PARTITION BY admission_id ORDER BY recorded_at, update_id)) t
JOIN step s ON s.admission_id = t.admission_id AND s.status = 'moved' AND s.recorded_at > t.recorded_at AND s.recorded_at < t.next_at
WHERE t.status = 'in theatre' AND t.next_status = 'in recovery';

-- medical transfers and exchanges may come at any time; a course of phases may not rush
INSERT INTO found (check_name, violations, example)
SELECT 'stays: nobody is moved twice within a minute', count(*), min(format('%s at %s', admission_id, recorded_at))
FROM (SELECT admission_id, recorded_at, status, lag(status) OVER w AS before, lag(recorded_at) OVER w AS before_at
      FROM step WINDOW w AS (PARTITION BY admission_id ORDER BY number)) x
WHERE status = 'moved' AND before = 'moved' AND recorded_at < before_at + interval '1 minute';

INSERT INTO found (check_name, violations, example)
SELECT 'status_updates: say the ward and bed where the patient is', count(*),
       min(format('%s %s %s says %s bed %s, is in %s bed %s', u.update_id, u.recorded_at, u.status, u.ward_code, u.bed_no, l.ward_code, l.bed_no))
FROM hospital.status_updates u
JOIN lying l ON l.admission_id = u.admission_id AND l.since < u.recorded_at AND l.until > u.recorded_at
WHERE (u.ward_code, u.bed_no) IS DISTINCT FROM (l.ward_code, l.bed_no);

INSERT INTO found (check_name, violations, example)
SELECT 'status_updates: the bed left is the bed where the patient was', count(*), min(update_id::text)
FROM step WHERE status NOT IN ('admitted', 'moved') AND (ward_code, bed_no) IS DISTINCT FROM (ward_before, bed_before);

INSERT INTO found (check_name, violations, example)
SELECT 'beds: the ward has that bed', count(*), min(format('%s: %s bed %s', l.admission_id, l.ward_code, l.bed_no))
FROM lying l LEFT JOIN hospital.wards w USING (ward_code)
WHERE w.ward_code IS NULL OR l.bed_no IS NULL OR l.bed_no NOT BETWEEN 1 AND w.beds;

INSERT INTO found (check_name, violations, example)
SELECT 'beds: no two patients in one bed', count(*), min(format('%s bed %s at %s, admission %s', ward_code, bed_no, since, admission_id))
FROM (SELECT *, max(until) OVER (PARTITION BY ward_code, bed_no ORDER BY since, until, admission_id
                                 ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS taken_until
      FROM lying) x WHERE taken_until > since;

INSERT INTO found (check_name, violations, example)
SELECT 'beds: no ward above its beds at any moment', count(*), min(format('%s at %s: %s in %s beds', ward_code, at, patients, beds))
FROM (SELECT ward_code, at, sum(change) OVER (PARTITION BY ward_code ORDER BY at, change) AS patients
      FROM (SELECT ward_code, since AS at, 1 AS change FROM lying
            UNION ALL SELECT ward_code, until, -1 FROM lying WHERE until < 'infinity') c) x
JOIN hospital.wards w USING (ward_code) WHERE patients > beds;

INSERT INTO found (check_name, violations, example)
SELECT 'wards: take the sex of who comes', count(*), min(format('%s into %s', update_id, s.ward_code))
FROM step s JOIN hospital.wards w USING (ward_code) JOIN person p USING (patient_id)
WHERE status IN ('admitted', 'moved') AND w.sex <> 'X' AND w.sex <> p.sex;

INSERT INTO found (check_name, violations, example)
SELECT 'wards: take the age of who comes', count(*), min(format('%s into %s, born on %s', update_id, s.ward_code, date_of_birth))
FROM step s JOIN hospital.wards w USING (ward_code) JOIN person p USING (patient_id)
WHERE status IN ('admitted', 'moved')
  AND CASE w.age_group WHEN 'neonate' THEN recorded_at::date - date_of_birth >= 28
      WHEN 'child' THEN recorded_at >= date_of_birth + interval '13 years'
      WHEN 'adult' THEN recorded_at < date_of_birth + interval '13 years'
      ELSE w.age_group <> 'all' END;

-- ---- transfers ---------------------------------------------------------------------

INSERT INTO found (check_name, violations, example)
SELECT 'transfers: the frozen number every day', count(*), min(format('%s: %s instead of %s', day, n, transfers_per_day))
FROM (SELECT d.day, s.transfers_per_day, count(t.event_id) AS n
      FROM span s, hospital.days d LEFT JOIN hospital.transfers t ON t.event_time::date = d.day
      GROUP BY d.day, s.transfers_per_day) x
WHERE n <> transfers_per_day;

INSERT INTO found (check_name, violations, example)
SELECT 'transfers: each is a move of that admission, from where the patient was', count(*),
       min(format('%s from %s to %s', event_id, from_ward, to_ward))
FROM hospital.transfers t
WHERE NOT EXISTS (SELECT FROM step s WHERE s.admission_id = t.admission_id AND s.recorded_at = t.event_time AND s.status = 'moved'
                  AND s.ward_code = t.to_ward AND s.ward_before = t.from_ward AND s.patient_id = t.patient_id);

INSERT INTO found (check_name, violations, example)
SELECT 'transfers: nobody to the ward where he is', count(*), min(event_id::text)
FROM hospital.transfers WHERE from_ward = to_ward;

-- ---- staff -------------------------------------------------------------------------

INSERT INTO found (check_name, violations, example)
SELECT 'staff: who is named is employed at that moment, and below 65', count(*),
       min(format('%s %s at %s by %s', d.source, d.id, d.at, d.staff_id))
FROM (SELECT source, id, at, staff_id FROM deed WHERE staff_id IS NOT NULL
      UNION ALL SELECT 'visits', visit_id, arrived_at, doctor_id FROM hospital.visits WHERE doctor_id IS NOT NULL) d
LEFT JOIN hospital.staff s USING (staff_id)
WHERE s.staff_id IS NULL OR d.at < s.hired_on OR d.at >= s.left_on OR d.at >= s.date_of_birth + interval '65 years';

INSERT INTO found (check_name, violations, example)
SELECT 'staff: who is named is on a shift at that moment', count(*),
       min(format('%s %s at %s by %s', d.source, d.id, d.at, d.staff_id))
FROM deed d, span
WHERE d.staff_id IS NOT NULL AND d.at >= staffed_from
  AND NOT EXISTS (SELECT FROM shift s WHERE s.staff_id = d.staff_id AND s.starts_at <= d.at AND s.ends_at > d.at
                  AND s.starts_at > d.at - interval '27 hours');

INSERT INTO found (check_name, violations, example)
SELECT 'staff: the doctor of a visit is on a shift during it', count(*),
       min(format('%s at %s by %s', v.visit_id, v.arrived_at, v.doctor_id))
FROM hospital.visits v LEFT JOIN hospital.admissions a USING (admission_id), span
WHERE v.doctor_id IS NOT NULL AND v.arrived_at >= staffed_from
  AND NOT EXISTS (SELECT FROM shift s WHERE s.staff_id = v.doctor_id AND s.ends_at > v.arrived_at
                  AND s.starts_at <= coalesce(a.admitted_at, v.left_at) AND s.starts_at > v.arrived_at - interval '27 hours');

INSERT INTO found (check_name, violations, example)
SELECT 'staff: doctors are doctors', count(*), min(format('%s %s: %s', d.source, d.id, d.doctor_id))
FROM (SELECT source, id, doctor_id FROM deed UNION ALL SELECT 'visits', visit_id, doctor_id FROM hospital.visits) d
WHERE doctor_id IS NOT NULL AND NOT EXISTS (SELECT FROM medical m WHERE m.staff_id = d.doctor_id);

INSERT INTO found (check_name, violations, example)
SELECT 'staff: operations, anaesthetics and deliveries are a doctor''s or a midwife''s', count(*), min(format('%s %s', d.id, d.what))
FROM deed d JOIN hospital.tariffs f ON f.fee_code = d.what JOIN hospital.staff s ON s.staff_id = d.staff_id
WHERE d.source = 'treatments' AND f.fee_group IN ('Major theatre', 'Anaesthetic', 'Maternity')
  AND d.staff_id NOT IN (SELECT staff_id FROM medical) AND NOT (f.fee_code = '0210' AND s.role ~ 'Midwife');

INSERT INTO found (check_name, violations, example)
SELECT 'staff: who operates is assigned as the surgeon then', count(*), min(format('%s %s', d.id, d.what))
FROM deed d JOIN hospital.tariffs f ON f.fee_code = d.what
WHERE d.source = 'treatments' AND f.fee_group = 'Major theatre'
  AND NOT EXISTS (SELECT FROM hospital.doctor_assignments a
                  WHERE a.admission_id = d.admission_id AND a.starts_at = d.at AND a.reason = 'surgeon' AND a.doctor_id = d.staff_id);

INSERT INTO found (check_name, violations, example)
SELECT 'staff: nurses record what happens to inpatients, and vital signs', count(*), min(format('%s %s', d.source, d.id))
FROM deed d JOIN hospital.staff s USING (staff_id)
WHERE d.source IN ('status_updates', 'vital_signs')
  AND s.role NOT IN (SELECT role FROM hospital.staff_roles WHERE category IN ('nursing', 'medical'));

INSERT INTO found (check_name, violations, example)
SELECT 'staff_changes: are those of the staff in these days', count(*), min(format('%s %s %s', staff_id, changed_on, change))
FROM (SELECT coalesce(c.staff_id, s.staff_id) AS staff_id, coalesce(c.changed_on, s.changed_on) AS changed_on,
             coalesce(c.change, s.change) AS change
      FROM (SELECT staff_id, changed_on, change FROM hospital.staff_changes) c
      FULL JOIN (SELECT staff_id, hired_on AS changed_on, 'hired' AS change FROM hospital.staff, span
                 WHERE hired_on > start_date AND hired_on <= last_day
                 UNION ALL SELECT staff_id, left_on, CASE WHEN left_on = retires_on THEN 'retired' ELSE 'left' END FROM hospital.staff, span
                 WHERE left_on > start_date AND left_on <= last_day) s
             ON s.staff_id = c.staff_id AND s.changed_on = c.changed_on
            AND s.change = CASE c.change WHEN 'term ended' THEN 'left' ELSE c.change END
      WHERE (c.staff_id IS NULL OR s.staff_id IS NULL)) x, span
WHERE changed_on > start_date;

-- ---- diagnoses ---------------------------------------------------------------------

INSERT INTO found (check_name, violations, example)
SELECT 'diagnoses: one primary a visit, unless nobody saw the patient', count(*), min(visit_id::text)
FROM (SELECT v.visit_id, v.disposition, count(d.code) AS n
      FROM hospital.visits v LEFT JOIN hospital.diagnoses d ON d.visit_id = v.visit_id AND d.rank = 'primary'
      GROUP BY v.visit_id, v.disposition) x
WHERE n <> (disposition IS DISTINCT FROM 'left without being seen')::int;

INSERT INTO found (check_name, violations, example)
SELECT 'diagnoses: the primary one is the visit''s, in words', count(*), min(d.diagnosis_id::text)
FROM hospital.diagnoses d JOIN hospital.visits v USING (visit_id)
WHERE d.rank = 'primary' AND d.description IS DISTINCT FROM v.diagnosis;

INSERT INTO found (check_name, violations, example)
SELECT 'diagnoses: primary codes are of the profile, with their title', count(*), min(d.code)
FROM hospital.diagnoses d LEFT JOIN hospital.diagnosis_profile f ON f.icd10 = d.code
WHERE d.rank = 'primary' AND f.description IS DISTINCT FROM d.description;

INSERT INTO found (check_name, violations, example)
SELECT 'diagnoses: primary codes suit sex and age', count(*), min(format('%s %s', d.diagnosis_id, d.code))
FROM hospital.diagnoses d JOIN person p USING (patient_id) JOIN hospital.diagnosis_profile f ON f.icd10 = d.code
WHERE d.rank = 'primary'
  AND ((f.sex <> 'B' AND f.sex <> p.sex)
       OR pg_temp.years(p.date_of_birth, d.at::date) NOT BETWEEN f.min_age AND f.max_age);

-- how a delivery ended (Z37) is coded beside it and is in no table
INSERT INTO found (check_name, violations, example)
SELECT 'diagnoses: what patients bring along is known for their sex and age', count(*), min(format('%s %s', d.diagnosis_id, d.code))
FROM hospital.diagnoses d JOIN person p USING (patient_id),
     LATERAL (SELECT pg_temp.years(p.date_of_birth, d.at::date) AS age) y
WHERE d.rank = 'secondary' AND d.code !~ '^Z37\.[0-9]$'
  AND NOT EXISTS (SELECT FROM hospital.comorbidities c WHERE c.icd10 = d.code AND c.sex = p.sex
                  AND CASE WHEN age < 1 THEN prev_lt1 WHEN age < 5 THEN prev_1_4 WHEN age < 15 THEN prev_5_14
                      WHEN age < 25 THEN prev_15_24 WHEN age < 45 THEN prev_25_44 WHEN age < 65 THEN prev_45_64 ELSE prev_65p END > 0);

INSERT INTO found (check_name, violations, example)
SELECT 'diagnoses: newborns bring nothing along', count(*), min(format('%s %s', d.diagnosis_id, d.code))
FROM hospital.diagnoses d JOIN person p USING (patient_id)
WHERE d.rank = 'secondary' AND d.at::date - p.date_of_birth < 28;

INSERT INTO found (check_name, violations, example)
SELECT 'diagnoses: nothing is said twice, more and less closely', count(*), min(format('%s: %s beside %s', d.visit_id, e.code, d.code))
FROM hospital.diagnoses d JOIN hospital.diagnoses e ON e.visit_id = d.visit_id AND e.rank = 'secondary'
WHERE d.rank = 'primary' AND (left(e.code, 3) = left(d.code, 3) OR (e.code = 'B24' AND d.code ~ '^(B2[0-4]|Z21)'));

-- a course of clinic visits that began in the first two months goes on for some weeks
INSERT INTO found (check_name, violations, example)
SELECT 'diagnoses: what newborns have is found in their first months', count(*), min(format('%s %s, born on %s', d.diagnosis_id, d.code, p.date_of_birth))
FROM hospital.diagnoses d JOIN person p USING (patient_id)
WHERE d.rank = 'primary' AND d.code ~ '^(P|Z38)' AND d.at::date - p.date_of_birth > 160;

INSERT INTO found (check_name, violations, example)
SELECT 'diagnoses: what only women or men can have', count(*), min(format('%s %s', d.diagnosis_id, d.code))
FROM hospital.diagnoses d JOIN person p USING (patient_id)
WHERE CASE WHEN d.code ~ '^(O|Z3[0-9]|C5[1-8]|N[789][0-9])' AND d.code !~ '^(Z30|Z31|Z38)' THEN p.sex <> 'F'
      WHEN d.code ~ '^(C6[0-3]|N4[0-9]|N50|N51)' THEN p.sex <> 'M' ELSE false END;

INSERT INTO found (check_name, violations, example)
SELECT 'diagnoses: none twice in a visit', count(*), min(format('%s %s', visit_id, code))
FROM (SELECT visit_id, code FROM hospital.diagnoses GROUP BY 1, 2 HAVING count(*) > 1) x;

INSERT INTO found (check_name, violations, example)
SELECT 'diagnoses: an injury (S, T) has its external cause', count(*), min(d.diagnosis_id::text)
FROM hospital.diagnoses d
WHERE d.rank = 'primary' AND d.code ~ '^[ST]'
  AND NOT EXISTS (SELECT FROM hospital.diagnoses e JOIN hospital.external_causes c ON c.icd10 = e.code
                  WHERE e.visit_id = d.visit_id AND e.rank = 'external cause');

INSERT INTO found (check_name, violations, example)
SELECT 'diagnoses: only an injury has an external cause, and one', count(*), min(e.diagnosis_id::text)
FROM hospital.diagnoses e
WHERE e.rank = 'external cause'
  AND (NOT EXISTS (SELECT FROM hospital.diagnoses d WHERE d.visit_id = e.visit_id AND d.rank = 'primary' AND d.code ~ '^[ST]')
       OR EXISTS (SELECT FROM hospital.diagnoses d WHERE d.visit_id = e.visit_id AND d.rank = e.rank AND d.diagnosis_id <> e.diagnosis_id));

-- ---- births ------------------------------------------------------------------------

CREATE TEMPORARY TABLE newborn AS
SELECT p.patient_id, p.date_of_birth, p.first_seen_on, p.household_id, v.arrived_at
FROM person p LEFT JOIN hospital.visits v ON v.patient_id = p.patient_id AND v.kind = 'newborn'
WHERE p.origin = 'born here';

INSERT INTO found (check_name, violations, example)
SELECT 'births: a delivery has a newborn at that time, registered that day, unless stillborn', count(*), min(format('%s at %s', d.treatment_id, d.at))
FROM delivery d
WHERE NOT d.stillborn
  AND NOT EXISTS (SELECT FROM newborn n WHERE n.arrived_at = d.at AND n.date_of_birth = d.at::date AND n.first_seen_on = d.at::date);

INSERT INTO found (check_name, violations, example)
SELECT 'births: a newborn has a delivery, at most an hour before', count(*), min(n.patient_id::text)
FROM newborn n
WHERE n.arrived_at IS NULL OR n.date_of_birth <> n.first_seen_on
   OR NOT EXISTS (SELECT FROM delivery d WHERE NOT d.stillborn AND n.arrived_at - d.at BETWEEN interval '0' AND interval '1 hour');

INSERT INTO found (check_name, violations, example)
SELECT 'births: a newborn is of its mother''s household', count(*), min(format('%s at %s', d.treatment_id, d.at))
FROM delivery d JOIN person m USING (patient_id)
WHERE NOT d.stillborn
  AND NOT EXISTS (SELECT FROM newborn n WHERE n.household_id = m.household_id AND n.arrived_at = d.at);

-- by household and day, for two of a household may give birth
INSERT INTO found (check_name, violations, example)
SELECT 'births: there are as many newborns as the coded outcome says', count(*), min(format('household %s on %s', household_id, day))
FROM (SELECT m.household_id, d.at::date AS day,
             sum(CASE o.code WHEN 'Z37.0' THEN 1 WHEN 'Z37.1' THEN 0 WHEN 'Z37.2' THEN 2 WHEN 'Z37.3' THEN 1 END) AS said
      FROM delivery d JOIN person m USING (patient_id) JOIN hospital.diagnoses o ON o.visit_id = d.visit_id AND o.code ~ '^Z37'
      GROUP BY 1, 2) d
LEFT JOIN (SELECT household_id, first_seen_on AS day, count(*) AS born FROM newborn GROUP BY 1, 2) n USING (household_id, day)
WHERE said IS DISTINCT FROM coalesce(born, 0);

INSERT INTO found (check_name, violations, example)
SELECT 'births: the mother is a woman of 10 to 55, and an inpatient', count(*), min(d.treatment_id::text)
FROM delivery d JOIN person p USING (patient_id) JOIN hospital.visits v USING (visit_id)
WHERE p.sex <> 'F' OR v.admission_id IS NULL OR pg_temp.years(p.date_of_birth, d.at::date) NOT BETWEEN 10 AND 55;

INSERT INTO found (check_name, violations, example)
SELECT 'births: nobody gives birth twice within six months', count(*), min(format('%s: %s and %s', patient_id, before, at))
FROM (SELECT patient_id, at, lag(at) OVER (PARTITION BY patient_id ORDER BY at) AS before FROM delivery) x
WHERE at < before + interval '6 months';

INSERT INTO found (check_name, violations, example)
SELECT 'births: nobody comes to an antenatal clinic soon after', count(*), min(format('%s after %s', v.visit_id, d.at))
FROM delivery d
JOIN hospital.visits v ON v.patient_id = d.patient_id AND v.kind = 'outpatient' AND v.arrived_at > d.at AND v.arrived_at < d.at + interval '6 months'
JOIN hospital.diagnoses o ON o.visit_id = v.visit_id AND o.rank = 'primary' AND o.code ~ '^(O|Z34)';

INSERT INTO found (check_name, violations, example)
SELECT 'births: the status of the mother says so at that time', count(*), min(coalesce(d.treatment_id, u.update_id)::text)
FROM (SELECT d.*, v.admission_id FROM delivery d JOIN hospital.visits v USING (visit_id)) d
FULL JOIN (SELECT * FROM hospital.status_updates WHERE status = 'delivered') u
       ON u.admission_id = d.admission_id AND u.recorded_at = d.at
WHERE d.treatment_id IS NULL OR u.update_id IS NULL;

-- ---- treatments, laboratory, vital signs -------------------------------------------

INSERT INTO found (check_name, violations, example)
SELECT 'treatments: the code is of the tariffs, with its description', count(*), min(format('%s %s', treatment_id, code))
FROM hospital.treatments t LEFT JOIN hospital.tariffs f ON f.fee_code = t.code WHERE f.description IS DISTINCT FROM t.description;

INSERT INTO found (check_name, violations, example)
SELECT 'lab_results: the code is of the tests, with its name, unit and specimen', count(*), min(format('%s %s', lab_result_id, code))
FROM hospital.lab_results l LEFT JOIN hospital.lab_tests t ON t.loinc = l.code
WHERE t.loinc IS NULL OR t.name <> l.description OR t.specimen <> l.specimen
   OR (l.value IS NOT NULL AND t.unit IS DISTINCT FROM l.unit) OR (l.value IS NULL) = (l.result IS NULL) OR l.value < 0;

INSERT INTO found (check_name, violations, example)
SELECT 'lab_results: an adult''s flag says how the value lies to the normal range', count(*), min(format('%s: %s %s', lab_result_id, value, flag))
FROM hospital.lab_results l JOIN hospital.lab_tests t ON t.loinc = l.code JOIN person p USING (patient_id)
WHERE value IS NOT NULL AND l.at >= p.date_of_birth + interval '18 years'
  AND (coalesce(flag, '') IN ('L', 'LL') <> (value < normal_low) OR coalesce(flag, '') IN ('H', 'HH') <> (value > normal_high)
       OR flag = 'A');

INSERT INTO found (check_name, violations, example)
SELECT 'lab_results: the blood group found is the patient''s', count(*), min(lab_result_id::text)
FROM hospital.lab_results l JOIN person p USING (patient_id)
WHERE l.result ~ '^(O|A|B|AB) (positive|negative)$'
  AND replace(replace(l.result, ' positive', '+'), ' negative', '-') <> p.blood_type;

INSERT INTO found (check_name, violations, example)
SELECT 'lab_results: no test for HIV is negative in who is known to have it', count(*), min(l.lab_result_id::text)
FROM hospital.lab_results l
JOIN (SELECT patient_id, min(visit_id) AS visit_id FROM diagnosed WHERE code ~ '^(B2[0-4]|Z21|O98\.7)' GROUP BY 1) d USING (patient_id)
WHERE l.code = '75622-1' AND l.result = 'negative' AND l.visit_id >= d.visit_id;

INSERT INTO found (check_name, violations, example)
SELECT 'lab_results: nobody has SARS-CoV-2 before it was in the country', count(*), min(lab_result_id::text)
FROM hospital.lab_results WHERE code = '94500-6' AND result = 'positive' AND at < date '2020-03-01';

INSERT INTO found (check_name, violations, example)
SELECT 'vital_signs: of somebody living', count(*), min(vital_signs_id::text)
FROM hospital.vital_signs
WHERE temperature NOT BETWEEN 30 AND 43 OR pulse NOT BETWEEN 20 AND 250 OR respiration NOT BETWEEN 4 AND 100
   OR systolic NOT BETWEEN 30 AND 280 OR diastolic NOT BETWEEN 10 AND systolic OR spo2 NOT BETWEEN 40 AND 100
   OR tews NOT BETWEEN 0 AND 17 OR consciousness NOT IN ('A', 'V', 'P', 'U');

-- ---- prescriptions -----------------------------------------------------------------

INSERT INTO found (check_name, violations, example)
SELECT 'prescriptions: the medicine exists', count(*), min(format('%s %s', prescription_id, medicine_id))
FROM hospital.prescriptions p WHERE NOT EXISTS (SELECT FROM hospital.medicines m WHERE m.medicine_id = p.medicine_id);

INSERT INTO found (check_name, violations, example)
SELECT 'prescriptions: a duration in days or weeks, and something to take', count(*), min(prescription_id::text)
FROM hospital.prescriptions WHERE duration !~ '^([1-9][0-9]* (days|weeks)|1 (day|week))$' OR dosage !~ '\S' OR quantity < 1;

INSERT INTO found (check_name, violations, example)
SELECT 'prescriptions: a medicine once in an outpatient or emergency visit', count(*), min(format('%s %s', visit_id, medicine_id))
FROM (SELECT visit_id, medicine_id FROM hospital.prescriptions WHERE admission_id IS NULL GROUP BY 1, 2 HAVING count(*) > 1) x;

INSERT INTO measured (metric, found, least, most)
SELECT 'prescriptions that suit a diagnosis of this visit or an earlier one', 
       round((SELECT count(*) FROM suiting)::numeric / count(*), 4), 0.99, 1 FROM hospital.prescriptions;

-- the medicines of a visit, and the pairs of them that interact
CREATE TEMPORARY TABLE given AS
SELECT DISTINCT visit_id, medicine_id, atc FROM hospital.prescriptions JOIN hospital.medicines USING (medicine_id);

CREATE TEMPORARY TABLE interacting AS
SELECT DISTINCT a.visit_id, i.severity, i.atc_a, i.atc_b
FROM hospital.drug_interactions i JOIN given a ON a.atc = i.atc_a JOIN given b ON b.atc = i.atc_b AND b.visit_id = a.visit_id;

INSERT INTO measured (metric, found, least, most)
SELECT 'pairs of medicines in one visit: share that is contraindicated',
       round((SELECT count(*) FROM interacting WHERE severity = 'contraindicated') / nullif(sum(n * (n - 1) / 2), 0), 6), 0, 0.03
FROM (SELECT count(*)::numeric AS n FROM given GROUP BY visit_id) v;
INSERT INTO measured (metric, found, least, most)
SELECT 'visits with two medicines or more: share with a pair that interacts', round((SELECT count(DISTINCT visit_id) FROM interacting)::numeric / nullif(count(*), 0), 4), 0, 0.2
FROM (SELECT FROM given GROUP BY visit_id HAVING count(*) > 1) v;

-- ---- bills -------------------------------------------------------------------------

INSERT INTO found (check_name, violations, example)
SELECT 'bills: the total is the sum of its parts, none below zero', count(*), min(billing_id::text)
FROM hospital.billing_payments
WHERE total_amount <> consultation + accommodation + procedures + imaging + laboratory + medicines + other
   OR least(consultation, accommodation, procedures, imaging, laboratory, medicines, other) < 0;

INSERT INTO found (check_name, violations, example)
SELECT 'bills: a visit that has ended costs what its bills say', count(*), min(visit_id::text)
FROM hospital.visits v LEFT JOIN (SELECT visit_id, sum(total_amount) AS billed, count(*) AS n FROM hospital.billing_payments GROUP BY 1) b USING (visit_id)
WHERE CASE WHEN left_at IS NULL THEN n > 0
      WHEN disposition = 'left without being seen' THEN total_cost <> coalesce(billed, 0)
      ELSE n IS DISTINCT FROM 1 OR total_cost IS DISTINCT FROM billed END;

INSERT INTO found (check_name, violations, example)
SELECT 'bills: of the visit''s patient, his class, on the day of its end', count(*), min(billing_id::text)
FROM hospital.billing_payments b LEFT JOIN hospital.visits v USING (visit_id) LEFT JOIN person p ON p.patient_id = b.patient_id
WHERE v.patient_id IS DISTINCT FROM b.patient_id OR v.admission_id IS DISTINCT FROM b.admission_id
   OR b.billing_date IS DISTINCT FROM v.left_at::date OR p.patient_class IS DISTINCT FROM b.patient_class;

INSERT INTO found (check_name, violations, example)
SELECT 'bills: the fiscal year has the day', count(*), min(billing_id::text)
FROM hospital.billing_payments b
WHERE NOT EXISTS (SELECT FROM hospital.tariff_index i WHERE i.fiscal_year = b.fiscal_year AND b.billing_date BETWEEN i.start_date AND i.end_date);

INSERT INTO found (check_name, violations, example)
SELECT 'bills: class H0 and those with a reason pay nothing', count(*), min(billing_id::text)
FROM hospital.billing_payments WHERE (patient_class = 'H0' OR free_reason IS NOT NULL) AND total_amount <> 0;

INSERT INTO found (check_name, violations, example)
SELECT 'bills: a reason for free care is one of the list', count(*), min(billing_id::text)
FROM hospital.billing_payments WHERE free_reason NOT IN (SELECT reason_code FROM hospital.free_services);

INSERT INTO found (check_name, violations, example)
SELECT 'bills: children below 6 and pregnant women without a scheme are free', count(*), min(billing_id::text)
FROM hospital.billing_payments b JOIN person p USING (patient_id) JOIN hospital.visits v USING (visit_id)
WHERE b.patient_class IN ('H1', 'H2', 'H3') AND b.free_reason IS NULL
  AND (v.arrived_at < p.date_of_birth + interval '6 years' OR v.kind = 'maternity');

INSERT INTO found (check_name, violations, example)
SELECT 'bills: free as a child below 6 is who came before the sixth birthday', count(*), min(billing_id::text)
FROM hospital.billing_payments b JOIN person p USING (patient_id) JOIN hospital.visits v USING (visit_id)
WHERE b.free_reason = 'CHILD_U6' AND v.arrived_at >= p.date_of_birth + interval '6 years';

INSERT INTO found (check_name, violations, example)
SELECT 'bills: Paid, Pending or Unpaid; nothing to pay is Paid', count(*), min(billing_id::text)
FROM hospital.billing_payments
WHERE payment_status NOT IN ('Paid', 'Pending', 'Unpaid') OR (total_amount = 0 AND payment_status <> 'Paid');

INSERT INTO found (check_name, violations, example)
SELECT 'bills: imaging is the fees of the imaging that was done', count(*), min(format('%s: %s, not %s', billing_id, imaging, rand))
FROM hospital.billing_payments b LEFT JOIN fee f USING (billing_id)
WHERE free_reason IS NULL AND fee_group IS NOT DISTINCT FROM 'Imaging' AND abs(imaging - rand) > 0.05
   OR (imaging > 0 AND NOT EXISTS (SELECT FROM fee g WHERE g.billing_id = b.billing_id AND g.fee_group = 'Imaging'));

INSERT INTO found (check_name, violations, example)
SELECT 'bills: procedures are the fees of what was done', count(*), min(format('%s: %s, not %s', billing_id, procedures, rand))
FROM hospital.billing_payments b
LEFT JOIN (SELECT billing_id, sum(rand) AS rand FROM fee
           WHERE fee_group NOT IN ('Imaging', 'Nuclear medicine', 'Consultation', 'Emergency', 'Inpatient', 'EMS', 'Assistive device', 'Blood', 'Laboratory', 'Pharmacy')
           GROUP BY 1) f USING (billing_id)
WHERE free_reason IS NULL AND abs(procedures - coalesce(rand, 0)) > 0.05;

INSERT INTO found (check_name, violations, example)
SELECT 'bills: who is not admitted pays one consultation by class, and those of others', count(*), min(format('%s: %s', b.billing_id, consultation))
FROM hospital.billing_payments b JOIN hospital.visits v USING (visit_id) JOIN hospital.tariff_index i USING (fiscal_year)
LEFT JOIN fee f ON f.billing_id = b.billing_id AND f.fee_group = 'Consultation'
WHERE b.admission_id IS NULL AND free_reason IS NULL AND v.kind IN ('outpatient', 'emergency')
  AND NOT EXISTS (SELECT FROM hospital.tariffs t
                  WHERE t.fee_group = CASE v.kind WHEN 'outpatient' THEN 'Consultation' ELSE 'Emergency' END
                    AND abs(b.consultation - coalesce(f.rand, 0) - tariff_index
                            * CASE b.patient_class WHEN 'H0' THEN price_h0_zar WHEN 'H1' THEN price_h1_zar WHEN 'H2' THEN price_h2_zar
                              WHEN 'H3' THEN price_h3_zar ELSE price_full_zar END) < 0.05);

INSERT INTO found (check_name, violations, example)
SELECT 'bills: classes H1 and H2 pay the flat fee for a stay of up to 30 days', count(*), min(format('%s: %s', billing_id, accommodation))
FROM hospital.billing_payments b JOIN hospital.admissions a USING (admission_id) JOIN hospital.tariff_index i USING (fiscal_year),
     (SELECT price_h1_zar, price_h2_zar FROM hospital.tariffs WHERE fee_code = '0611') t
WHERE b.free_reason IS NULL AND b.patient_class IN ('H1', 'H2') AND a.discharged_at - a.admitted_at < interval '29 days'
  AND abs(accommodation - tariff_index * CASE b.patient_class WHEN 'H1' THEN price_h1_zar ELSE price_h2_zar END) > 0.05;

-- ---- measures ----------------------------------------------------------------------

-- how many beds are taken at noon, in the last third of the days
INSERT INTO measured (metric, found, least, most)
SELECT 'beds taken, when the hospital has been open for some weeks', round(avg(taken), 4), CASE WHEN max(days) >= 40 THEN 0.7 ELSE 0.3 END, 1
FROM (SELECT d.day, max(s.days) AS days, count(l.admission_id)::numeric / max(s.beds) AS taken
      FROM span s, hospital.days d
      LEFT JOIN lying l ON l.since <= d.day::timestamptz + interval '12 hours' AND l.until > d.day::timestamptz + interval '12 hours'
      WHERE d.day > s.last_day - (s.days / 3)::int
      GROUP BY d.day) x;

INSERT INTO measured (metric, found, least, most)
SELECT 'patients who have come three times or more', round((count(*) FILTER (WHERE n >= 3))::numeric / count(*), 4),
       CASE WHEN (SELECT days FROM span) >= 60 THEN 0.05 WHEN (SELECT days FROM span) >= 45 THEN 0.02 ELSE 0 END, CASE WHEN (SELECT people FROM span) >= 20000 THEN 0.5 ELSE 1 END
FROM (SELECT patient_id, count(*) AS n FROM hospital.visits GROUP BY 1) x;

-- a doctor of another department, who has no shift in its wards either
CREATE TEMPORARY TABLE treating AS
SELECT d.source, d.at, d.doctor_id, v.kind, v.department_code, m.department_code AS own, m.specialty,
       s.department_code AS shift_department, l.ward_department
FROM (SELECT 'visits' AS source, visit_id, admission_id, arrived_at AS at, doctor_id FROM hospital.visits WHERE doctor_id IS NOT NULL
      UNION ALL SELECT source, visit_id, admission_id, at, doctor_id FROM deed WHERE source = 'doctor_assignments'
      UNION ALL (SELECT DISTINCT ON (visit_id, doctor_id) source, visit_id, admission_id, at, doctor_id
                 FROM deed WHERE source = 'prescriptions' ORDER BY visit_id, doctor_id, at)) d
LEFT JOIN hospital.admissions a USING (admission_id)
JOIN hospital.visits v ON v.visit_id = coalesce(d.visit_id, a.visit_id)
JOIN medical m ON m.staff_id = d.doctor_id
LEFT JOIN LATERAL (SELECT w.department_code AS ward_department FROM lying l JOIN hospital.wards w USING (ward_code)
                   WHERE l.admission_id = d.admission_id AND l.since <= greatest(d.at, a.admitted_at) AND l.until > d.at
                   ORDER BY l.since DESC LIMIT 1) l ON true
LEFT JOIN LATERAL (SELECT s.department_code FROM shift s WHERE s.staff_id = d.doctor_id AND s.starts_at <= d.at AND s.ends_at > d.at
                   AND s.starts_at > d.at - interval '27 hours' ORDER BY s.starts_at DESC LIMIT 1) s ON true
WHERE d.at >= (SELECT staffed_from FROM span);

INSERT INTO measured (metric, found, least, most)
SELECT format('%s whose doctor is of another department, and on no shift of the patient''s', source),
       round(count(*) FILTER (WHERE NOT coalesce(own = department_code OR shift_department = department_code
                                                 OR own = ward_department OR shift_department = ward_department
                                                 OR (kind = 'emergency' AND 'ED' IN (own, shift_department)), false))::numeric / count(*), 4),
       0, CASE WHEN (SELECT beds FROM span) >= 300 THEN 0.08 ELSE 0.12 END -- few doctors
FROM treating GROUP BY source;

-- ---- the answer --------------------------------------------------------------------

SELECT check_name, violations, left(replace(coalesce(example, ''), '|', '/'), 200) AS example FROM found ORDER BY number;
SELECT metric, found, least, most, coalesce(found BETWEEN least AND most, true) AS ok FROM measured ORDER BY number;

DROP TABLE span, person, deed, shift, medical, ending, step, lying, diagnosed, indicated, suiting, delivery, fee, numbered, moment,
    newborn, given, interacting, treating, found, measured;
DROP FUNCTION pg_temp.years(date, date);
