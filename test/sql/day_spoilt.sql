-- Spoils the tables of a hospital, one thing for each check of
-- day_invariants.sql, in a transaction that is not to be committed: a check
-- that does not see what is spoilt for it is no check.
--
-- "spoils:" names the check.  The hospital has run for 30 days or more.

BEGIN;
SET LOCAL TIME ZONE 'Africa/Johannesburg';

-- nothing of this is allowed in there
DO $$
DECLARE c record;
BEGIN
    FOR c IN SELECT conrelid::regclass AS tab, conname FROM pg_constraint
             WHERE connamespace = 'hospital'::regnamespace AND contype IN ('c', 'p', 'u', 'f')
               AND conrelid::regclass::text ~ '^hospital\.(patients|people|admissions|visits|status_updates|doctor_assignments|transfers|diagnoses|treatments|lab_results|vital_signs|prescriptions|billing_payments|staff_changes)$'
             ORDER BY contype = 'p'
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.tab, c.conname);
    END LOOP;
END $$;

-- visits and stays to be spoilt, each by one statement
CREATE TEMPORARY TABLE out_visit AS
SELECT v.visit_id, v.patient_id, row_number() OVER (ORDER BY v.visit_id) AS n
FROM hospital.visits v, hospital.simulation s
WHERE v.kind = 'outpatient' AND v.doctor_id IS NOT NULL AND v.visit_date BETWEEN s.start_date + 5 AND s.start_date + 20
  AND EXISTS (SELECT FROM hospital.lab_results l WHERE l.visit_id = v.visit_id)
  AND EXISTS (SELECT FROM hospital.vital_signs l WHERE l.visit_id = v.visit_id)
  AND EXISTS (SELECT FROM hospital.prescriptions l WHERE l.visit_id = v.visit_id)
  AND EXISTS (SELECT FROM hospital.patients p WHERE p.patient_id = v.patient_id AND p.origin = 'city' AND p.deceased_at IS NULL
              AND date_of_birth < '1995-01-01');
CREATE TEMPORARY TABLE stay AS
SELECT a.admission_id, a.visit_id, a.patient_id, row_number() OVER (ORDER BY a.admission_id) AS n
FROM hospital.admissions a, hospital.simulation s
WHERE a.admission_type IN ('emergency', 'elective') AND a.discharged_at > a.admitted_at + interval '3 days'
  AND a.outcome = 'discharged' AND a.admitted_at::date BETWEEN s.start_date + 5 AND s.start_date + 20;
-- who works here on those days, and has no shift from noon to five on the tenth day
CREATE TEMPORARY TABLE idle AS
SELECT s.staff_id, s.role, row_number() OVER (PARTITION BY r.category ORDER BY s.staff_id) AS n, r.category
FROM hospital.staff s JOIN (SELECT DISTINCT role, category FROM hospital.staff_roles) r USING (role), hospital.simulation t
WHERE s.hired_on <= t.start_date AND s.left_on IS NULL;
CREATE FUNCTION pg_temp.visit(bigint) RETURNS bigint STABLE LANGUAGE sql AS 'SELECT visit_id FROM out_visit WHERE n = $1';
CREATE FUNCTION pg_temp.visitor(bigint) RETURNS bigint STABLE LANGUAGE sql AS 'SELECT patient_id FROM out_visit WHERE n = $1';
CREATE FUNCTION pg_temp.stay(bigint) RETURNS bigint STABLE LANGUAGE sql AS 'SELECT admission_id FROM stay WHERE n = $1';
CREATE FUNCTION pg_temp.staff(text, timestamptz) RETURNS bigint STABLE LANGUAGE sql AS $$
    SELECT i.staff_id FROM idle i
    WHERE i.category = $1
      AND NOT EXISTS (SELECT FROM hospital.staff_assignments a
                      WHERE a.staff_id = i.staff_id AND a.starts_at < $2 + interval '12 hours' AND a.ends_at > $2 - interval '12 hours')
    ORDER BY i.staff_id LIMIT 1 $$;

-- spoils: records: every kind has some
-- spoils: staff_changes: are those of the staff in these days
DELETE FROM hospital.staff_changes;
-- spoils: ids: the day in the id is the day of the record
UPDATE hospital.lab_results SET lab_result_id = lab_result_id + 3000000 WHERE visit_id = pg_temp.visit(1);
-- spoils: ids: unique within a kind
INSERT INTO hospital.vital_signs SELECT * FROM hospital.vital_signs WHERE visit_id = pg_temp.visit(2);
-- spoils: records: of the days that were run
UPDATE hospital.lab_results SET at = at + interval '5 years' WHERE visit_id = pg_temp.visit(3);
-- spoils: transfers: the event id has the time, and is of version 7
UPDATE hospital.transfers SET event_time = event_time + interval '1 s' WHERE event_id = (SELECT min(event_id::text)::uuid FROM hospital.transfers);
-- spoils: transfers: the frozen number every day
DELETE FROM hospital.transfers WHERE event_id = (SELECT max(event_id::text)::uuid FROM hospital.transfers);
-- spoils: transfers: each is a move of that admission, from where the patient was
UPDATE hospital.transfers t SET from_ward = (SELECT min(ward_code) FROM hospital.wards w WHERE w.ward_code NOT IN (t.from_ward, t.to_ward))
WHERE event_id = (SELECT max(event_id::text)::uuid FROM hospital.transfers);
-- spoils: transfers: nobody to the ward where he is
UPDATE hospital.transfers SET from_ward = to_ward
WHERE event_id = (SELECT event_id FROM hospital.transfers ORDER BY event_id OFFSET 20 LIMIT 1);

-- spoils: patients: each is one of the people, of the same name, birth and sex
UPDATE hospital.patients SET full_name = 'Nobody' WHERE patient_id = pg_temp.visitor(4);
-- spoils: patients: numbered by where they are from
UPDATE hospital.patients SET origin = 'outside' WHERE patient_id = pg_temp.visitor(5);
-- spoils: patients: first seen on the day of the first visit
UPDATE hospital.patients SET first_seen_on = first_seen_on - 1 WHERE patient_id = pg_temp.visitor(6);
-- spoils: patients: of every record, visit and admission there is one
UPDATE hospital.lab_results SET patient_id = 987654321 WHERE visit_id = pg_temp.visit(7);
-- spoils: patients: nobody is here before birth
UPDATE hospital.patients SET date_of_birth = '2090-01-01' WHERE patient_id = pg_temp.visitor(8);
-- spoils: patients: nobody is here after death
-- spoils: patients: who is dead died here, or elsewhere after leaving
UPDATE hospital.patients SET deceased_at = (SELECT arrived_at + interval '1 s' FROM hospital.visits WHERE visit_id = pg_temp.visit(9))
WHERE patient_id = pg_temp.visitor(9);
-- spoils: patients: who died here is dead from that moment
UPDATE hospital.patients SET deceased_at = NULL
WHERE patient_id = (SELECT min(patient_id) FROM hospital.admissions WHERE outcome = 'died');
-- spoils: patients: nobody is an inpatient twice at once
INSERT INTO hospital.admissions (admission_id, patient_id, visit_id, ward_code, admitted_at, discharged_at, triage, outcome, department_code, admission_type)
SELECT admission_id + 400000, patient_id, visit_id, ward_code, admitted_at, discharged_at, triage, outcome, department_code, admission_type
FROM hospital.admissions WHERE admission_id = pg_temp.stay(1);
-- spoils: patients: nobody is on two visits at once, so not elsewhere while an inpatient
UPDATE hospital.visits v SET patient_id = a.patient_id, arrived_at = a.admitted_at + interval '1 day', left_at = a.admitted_at + interval '25 hours',
    visit_date = (a.admitted_at + interval '1 day')::date
FROM hospital.admissions a WHERE v.visit_id = pg_temp.visit(10) AND a.admission_id = pg_temp.stay(2);

-- spoils: visits: an end is not before the arrival, and is there unless an inpatient
UPDATE hospital.visits SET left_at = arrived_at - interval '1 s' WHERE visit_id = pg_temp.visit(11);
-- spoils: visits: a doctor saw the patient, or the patient left before
UPDATE hospital.visits SET doctor_id = NULL WHERE visit_id = pg_temp.visit(12);
-- spoils: visits: emergencies are triaged unless they leave before, outpatients are not
UPDATE hospital.visits SET triage = 'RED' WHERE visit_id = pg_temp.visit(13);
-- spoils: visits: who is dead on arrival is dead, and nothing is measured or given
UPDATE hospital.visits SET triage = 'BLUE'
WHERE visit_id = (SELECT min(visit_id) FROM hospital.visits WHERE kind = 'emergency' AND disposition = 'discharged');
-- spoils: visits: a child below 13 does not abscond
UPDATE hospital.visits SET disposition = 'absconded'
WHERE visit_id = (SELECT max(v.visit_id) FROM hospital.visits v JOIN hospital.patients p USING (patient_id)
                  WHERE v.kind = 'emergency' AND v.disposition = 'discharged' AND p.date_of_birth > '2012-01-01');
-- spoils: admissions: discharged after the admission, outcome and time together
UPDATE hospital.admissions SET outcome = NULL WHERE admission_id = pg_temp.stay(3);
-- spoils: admissions: each has its visit, which says the same
UPDATE hospital.admissions SET visit_id = visit_id + 400000 WHERE admission_id = pg_temp.stay(4);
-- spoils: visits: an admission that a visit names is there and names it
UPDATE hospital.visits SET admission_id = pg_temp.stay(5) WHERE visit_id = pg_temp.visit(14);
-- spoils: records: of a visit there is, of its patient and admission, within it
UPDATE hospital.diagnoses SET at = at - interval '3 hours' WHERE visit_id = pg_temp.visit(15);
-- spoils: records: of an admission there is, of its patient, within it
UPDATE hospital.doctor_assignments SET starts_at = starts_at - interval '9 days' WHERE admission_id = pg_temp.stay(6);
-- spoils: doctor_assignments: nobody is in charge of somebody who has gone
UPDATE hospital.doctor_assignments SET ends_at = '2099-01-01' WHERE admission_id = pg_temp.stay(7);
-- spoils: doctor_assignments: each admission has a doctor who admits
DELETE FROM hospital.doctor_assignments WHERE admission_id = pg_temp.stay(8) AND reason = 'admitting';

-- spoils: stays: begin with one admission, in the ward and at the time of admissions
UPDATE hospital.status_updates SET recorded_at = recorded_at + interval '1 s' WHERE admission_id = pg_temp.stay(9) AND status = 'admitted';
-- spoils: stays: end once, as and when admissions says
DELETE FROM hospital.status_updates WHERE admission_id = pg_temp.stay(10) AND status = 'discharged';
-- spoils: stays: a move is to another bed
INSERT INTO hospital.status_updates
SELECT update_id + 400000, admission_id, patient_id, recorded_at + interval '1 min', 'moved', ward_code, recorded_by, bed_no
FROM hospital.status_updates WHERE admission_id = pg_temp.stay(11) AND status = 'admitted';
-- spoils: stays: nobody is moved on the operating table
-- spoils: stays: nobody is moved twice within a minute
INSERT INTO hospital.status_updates
SELECT update_id + 400000 + n, admission_id, patient_id, recorded_at + n * interval '2 s', 'moved', ward_code, recorded_by, bed_no + 40 + n
FROM hospital.status_updates, generate_series(1, 2) n
WHERE update_id = (SELECT min(u.update_id) FROM hospital.status_updates u
                   WHERE u.status = 'in theatre' AND EXISTS (SELECT FROM hospital.status_updates r
                         WHERE r.admission_id = u.admission_id AND r.status = 'in recovery' AND r.recorded_at > u.recorded_at));
-- spoils: status_updates: say the ward and bed where the patient is
UPDATE hospital.status_updates SET bed_no = bed_no + 30
WHERE admission_id = pg_temp.stay(12) AND status IN ('stable', 'guarded', 'critical', 'improving', 'deteriorating', 'fit for discharge');
-- spoils: status_updates: the bed left is the bed where the patient was
UPDATE hospital.status_updates SET bed_no = bed_no + 30 WHERE admission_id = pg_temp.stay(13) AND status = 'discharged';
-- spoils: beds: the ward has that bed
UPDATE hospital.status_updates SET bed_no = 500 WHERE admission_id = pg_temp.stay(14);
-- spoils: wards: take the age of who comes
UPDATE hospital.status_updates SET ward_code = 'NIC01' WHERE admission_id = pg_temp.stay(15);
UPDATE hospital.patients SET date_of_birth = '1970-01-01' WHERE patient_id = (SELECT patient_id FROM stay WHERE n = 15);
-- spoils: wards: take the sex of who comes
UPDATE hospital.status_updates u SET ward_code = w.ward_code
FROM hospital.wards w, hospital.patients p
WHERE u.admission_id = pg_temp.stay(16) AND p.patient_id = u.patient_id
  AND w.ward_code = (SELECT min(ward_code) FROM hospital.wards x WHERE x.sex = translate(left(p.gender, 1), 'FM', 'MF'));
-- spoils: beds: no two patients in one bed
-- spoils: beds: no ward above its beds at any moment
UPDATE hospital.status_updates SET ward_code = 'ICU01'
WHERE admission_id IN (SELECT a.admission_id FROM hospital.admissions a, hospital.simulation s
                       WHERE a.admitted_at::date BETWEEN s.start_date + 22 AND s.start_date + 25);

-- spoils: staff: who is named is employed at that moment, and below 65
UPDATE hospital.vital_signs v SET recorded_by = (SELECT staff_id FROM hospital.staff WHERE hired_on > v.at::date + 30 ORDER BY staff_id LIMIT 1)
WHERE visit_id = pg_temp.visit(16);
-- spoils: staff: who is named is on a shift at that moment
UPDATE hospital.vital_signs SET recorded_by = pg_temp.staff('nursing', at) WHERE visit_id = pg_temp.visit(17);
-- spoils: staff: the doctor of a visit is on a shift during it
UPDATE hospital.visits SET doctor_id = pg_temp.staff('medical', arrived_at) WHERE visit_id = pg_temp.visit(18);
-- spoils: staff: doctors are doctors
UPDATE hospital.prescriptions SET doctor_id = pg_temp.staff('nursing', prescribed_at) WHERE visit_id = pg_temp.visit(19);
-- spoils: staff: operations, anaesthetics and deliveries are a doctor's or a midwife's
UPDATE hospital.treatments SET staff_id = pg_temp.staff('support', at)
WHERE treatment_id = (SELECT min(treatment_id) FROM hospital.treatments WHERE code IN ('1210', '1211', '1212'));
-- spoils: staff: who operates is assigned as the surgeon then
UPDATE hospital.doctor_assignments SET reason = 'ward round'
WHERE doctor_assignment_id = (SELECT min(a.doctor_assignment_id) FROM hospital.doctor_assignments a JOIN hospital.treatments t USING (admission_id)
                              WHERE a.reason = 'surgeon' AND t.code IN ('1210', '1211', '1212'));
-- spoils: staff: nurses record what happens to inpatients, and vital signs
UPDATE hospital.vital_signs SET recorded_by = pg_temp.staff('support', at) WHERE visit_id = pg_temp.visit(20);

-- spoils: diagnoses: one primary a visit, unless nobody saw the patient
DELETE FROM hospital.diagnoses WHERE visit_id = pg_temp.visit(21) AND rank = 'primary';
-- spoils: diagnoses: the primary one is the visit's, in words
UPDATE hospital.visits SET diagnosis = 'something else' WHERE visit_id = pg_temp.visit(22);
-- spoils: diagnoses: primary codes are of the profile, with their title
UPDATE hospital.diagnoses SET code = 'Q99.9' WHERE visit_id = pg_temp.visit(23) AND rank = 'primary';
-- spoils: diagnoses: primary codes suit sex and age
-- spoils: diagnoses: what only women or men can have
UPDATE hospital.diagnoses d SET code = CASE p.gender WHEN 'Female' THEN 'N40' ELSE 'O80.0' END
FROM hospital.patients p WHERE d.visit_id = pg_temp.visit(24) AND rank = 'primary' AND p.patient_id = d.patient_id;
-- spoils: diagnoses: what patients bring along is known for their sex and age
-- spoils: diagnoses: only an injury has an external cause, and one
INSERT INTO hospital.diagnoses
SELECT diagnosis_id + 400000 + n, visit_id, admission_id, patient_id, k.code, 'spoilt', at, k.rank
FROM hospital.diagnoses, (VALUES (1, 'A00.0', 'secondary'), (2, 'W19', 'external cause')) k (n, code, rank)
WHERE visit_id = pg_temp.visit(25) AND hospital.diagnoses.rank = 'primary' AND hospital.diagnoses.code !~ '^[ST]';
-- spoils: diagnoses: newborns bring nothing along
-- spoils: diagnoses: nothing is said twice, more and less closely
INSERT INTO hospital.diagnoses
SELECT diagnosis_id + 400000, visit_id, admission_id, patient_id, left(code, 3) || '.0', 'spoilt', at, 'secondary'
FROM hospital.diagnoses WHERE diagnosis_id = (SELECT min(d.diagnosis_id) FROM hospital.diagnoses d JOIN hospital.visits v USING (visit_id)
                                              WHERE v.kind = 'newborn' AND d.rank = 'primary');
-- spoils: diagnoses: what newborns have is found in their first months
UPDATE hospital.patients SET date_of_birth = date_of_birth - 300
WHERE patient_id = (SELECT max(patient_id) FROM hospital.visits WHERE kind = 'newborn');
-- spoils: diagnoses: none twice in a visit
INSERT INTO hospital.diagnoses
SELECT diagnosis_id + 400000, visit_id, admission_id, patient_id, code, description, at, rank FROM hospital.diagnoses WHERE visit_id = pg_temp.visit(26);
-- spoils: diagnoses: an injury (S, T) has its external cause
DELETE FROM hospital.diagnoses WHERE diagnosis_id = (SELECT min(diagnosis_id) FROM hospital.diagnoses WHERE rank = 'external cause');

-- spoils: births: a delivery has a newborn at that time, registered that day, unless stillborn
-- spoils: births: the status of the mother says so at that time
CREATE TEMPORARY TABLE birth AS
SELECT t.treatment_id, t.patient_id, row_number() OVER (ORDER BY t.treatment_id) AS n
FROM hospital.treatments t JOIN hospital.patients p USING (patient_id)
WHERE t.code IN ('0210', '0211', '0212') AND p.origin = 'city'
  AND NOT EXISTS (SELECT FROM hospital.diagnoses d WHERE d.visit_id = t.visit_id AND d.code = 'Z37.1');
UPDATE hospital.treatments SET at = at + interval '1 s' WHERE treatment_id = (SELECT treatment_id FROM birth WHERE n = 1);
-- spoils: births: a newborn has a delivery, at most an hour before
UPDATE hospital.patients SET date_of_birth = date_of_birth - 1 WHERE patient_id = (SELECT min(patient_id) FROM hospital.patients WHERE origin = 'born here');
-- spoils: births: a newborn is of its mother's household
UPDATE hospital.people SET household_id = 999999999 WHERE person_id = (SELECT patient_id FROM birth WHERE n = 3);
-- spoils: births: there are as many newborns as the coded outcome says
UPDATE hospital.diagnoses SET code = 'Z37.2' WHERE diagnosis_id = (SELECT min(diagnosis_id) FROM hospital.diagnoses WHERE code = 'Z37.0');
-- spoils: births: the mother is a woman of 10 to 55, and an inpatient
UPDATE hospital.patients SET gender = 'Male' WHERE patient_id = (SELECT patient_id FROM birth WHERE n = 4);
-- spoils: births: nobody comes to an antenatal clinic soon after
UPDATE hospital.diagnoses d SET code = 'Z34.9'
FROM hospital.treatments t, hospital.visits v
WHERE t.treatment_id = (SELECT treatment_id FROM birth WHERE n = 6) AND v.visit_id = pg_temp.visit(39)
  AND d.visit_id = v.visit_id AND d.rank = 'primary';
UPDATE hospital.visits SET patient_id = (SELECT patient_id FROM birth WHERE n = 6),
    arrived_at = (SELECT t.at + interval '30 days' FROM hospital.treatments t JOIN birth USING (treatment_id) WHERE n = 6)
WHERE visit_id = pg_temp.visit(39);
-- spoils: births: nobody gives birth twice within six months
INSERT INTO hospital.treatments
SELECT treatment_id + 400000, visit_id, admission_id, patient_id, code, description, at + interval '1 hour', staff_id, quantity
FROM hospital.treatments WHERE treatment_id = (SELECT treatment_id FROM birth WHERE n = 5);

-- spoils: treatments: the code is of the tariffs, with its description
UPDATE hospital.treatments SET code = '9999' WHERE treatment_id = (SELECT max(treatment_id) FROM hospital.treatments WHERE code = '1310');
-- spoils: lab_results: the code is of the tests, with its name, unit and specimen
UPDATE hospital.lab_results SET code = '1-1' WHERE visit_id = pg_temp.visit(27);
-- spoils: lab_results: an adult's flag says how the value lies to the normal range
UPDATE hospital.lab_results SET flag = CASE WHEN flag = 'H' THEN 'L' ELSE 'H' END, value = coalesce(value, 1) WHERE visit_id = pg_temp.visit(28);
UPDATE hospital.lab_results l SET value = normal_high + 1, flag = NULL, result = NULL
FROM hospital.lab_tests t WHERE t.loinc = l.code AND l.visit_id = pg_temp.visit(29);
-- spoils: lab_results: the blood group found is the patient's
UPDATE hospital.patients SET blood_type = CASE blood_type WHEN 'O+' THEN 'AB-' ELSE 'O+' END
WHERE patient_id = (SELECT min(patient_id) FROM hospital.lab_results WHERE result ~ '^(O|A|B|AB) (positive|negative)$');
-- spoils: lab_results: no test for HIV is negative in who is known to have it
UPDATE hospital.lab_results SET code = '75622-1', result = 'negative'
WHERE lab_result_id = (SELECT min(l.lab_result_id) FROM hospital.lab_results l JOIN hospital.diagnoses d USING (visit_id) WHERE d.code = 'B24');
-- spoils: lab_results: nobody has SARS-CoV-2 before it was in the country
UPDATE hospital.lab_results SET code = '94500-6', result = 'positive', at = '2020-02-01' WHERE visit_id = pg_temp.visit(40);
-- spoils: vital_signs: of somebody living
UPDATE hospital.vital_signs SET temperature = 12 WHERE visit_id = pg_temp.visit(30);

-- spoils: prescriptions: the medicine exists
UPDATE hospital.prescriptions SET medicine_id = 'M9999' WHERE visit_id = pg_temp.visit(31);
-- spoils: prescriptions: a duration in days or weeks, and something to take
UPDATE hospital.prescriptions SET duration = 'a while' WHERE visit_id = pg_temp.visit(32);
-- spoils: prescriptions: a medicine once in an outpatient or emergency visit
INSERT INTO hospital.prescriptions
SELECT prescription_id + 400000, patient_id, doctor_id, visit_id, medicine_id, dosage, duration, prescribed_at, admission_id, quantity
FROM hospital.prescriptions WHERE visit_id = pg_temp.visit(33);

-- spoils: bills: the total is the sum of its parts, none below zero
-- spoils: bills: a visit that has ended costs what its bills say
UPDATE hospital.billing_payments SET total_amount = total_amount + 0.01 WHERE visit_id = pg_temp.visit(34);
-- spoils: bills: of the visit's patient, his class, on the day of its end
UPDATE hospital.billing_payments SET billing_date = billing_date + 1 WHERE visit_id = pg_temp.visit(35);
-- spoils: bills: the fiscal year has the day
UPDATE hospital.billing_payments SET fiscal_year = '2024/25' WHERE visit_id = pg_temp.visit(36);
-- spoils: bills: class H0 and those with a reason pay nothing
UPDATE hospital.billing_payments SET total_amount = 1, other = 1
WHERE billing_id = (SELECT min(billing_id) FROM hospital.billing_payments WHERE patient_class = 'H0');
-- spoils: bills: a reason for free care is one of the list
UPDATE hospital.billing_payments SET free_reason = 'NICE' WHERE visit_id = pg_temp.visit(37);
-- spoils: bills: children below 6 and pregnant women without a scheme are free
UPDATE hospital.billing_payments SET free_reason = NULL
WHERE billing_id = (SELECT min(billing_id) FROM hospital.billing_payments WHERE free_reason = 'CHILD_U6' AND patient_class = 'H1');
-- spoils: bills: free as a child below 6 is who came before the sixth birthday
UPDATE hospital.billing_payments SET free_reason = 'CHILD_U6'
WHERE billing_id = (SELECT min(b.billing_id) FROM hospital.billing_payments b JOIN hospital.patients p USING (patient_id)
                    WHERE b.free_reason = 'PREG' AND p.date_of_birth < '2000-01-01');
-- spoils: bills: Paid, Pending or Unpaid; nothing to pay is Paid
UPDATE hospital.billing_payments SET payment_status = 'Perhaps' WHERE visit_id = pg_temp.visit(38);
-- spoils: bills: imaging is the fees of the imaging that was done
UPDATE hospital.billing_payments SET imaging = imaging + 1
WHERE billing_id = (SELECT min(billing_id) FROM hospital.billing_payments WHERE imaging > 0);
-- spoils: bills: procedures are the fees of what was done
UPDATE hospital.billing_payments SET procedures = procedures + 1
WHERE billing_id = (SELECT max(billing_id) FROM hospital.billing_payments WHERE procedures > 0);
-- spoils: bills: who is not admitted pays one consultation by class, and those of others
UPDATE hospital.billing_payments SET consultation = consultation + 3
WHERE billing_id = (SELECT min(billing_id) FROM hospital.billing_payments WHERE admission_id IS NULL AND consultation > 0);
-- spoils: bills: classes H1 and H2 pay the flat fee for a stay of up to 30 days
UPDATE hospital.billing_payments SET accommodation = accommodation + 1
WHERE billing_id = (SELECT min(billing_id) FROM hospital.billing_payments WHERE accommodation > 0 AND patient_class = 'H1');

