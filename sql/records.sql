--
-- The kinds of records of a day: generators, tables and description agree, and
-- everything says what it is.  In a database of its own; what the ingestor does
-- with day files is a test of its own, so here the generators fill the tables.
--
CREATE DATABASE hospital_regress_records TEMPLATE template0 ENCODING 'UTF8';
\c hospital_regress_records
SET client_min_messages = warning;
SET datestyle = iso;
SET timezone = 'Africa/Johannesburg';
CREATE EXTENSION hospital;
CALL hospital_create(people => 20000, beds => 200, start_date => '2020-01-01', end_date => '2020-12-31');

-- a generator's columns are the description's, in name, order and type
CREATE VIEW generated AS
SELECT substr(p.proname, length('hospital_generate_') + 1) AS kind, a.attnum AS number, a.attname AS column_name,
       format_type(CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END, a.atttypmod) AS type
FROM pg_proc p
JOIN pg_type r ON r.oid = p.prorettype
JOIN pg_attribute a ON a.attrelid = r.typrelid AND a.attnum > 0
JOIN pg_type t ON t.oid = a.atttypid
WHERE p.proname LIKE 'hospital\_generate\_%' AND r.typtype = 'c';

SELECT coalesce(c.kind, g.kind) AS kind, coalesce(c.column_name, g.column_name) AS column_name, c.type, g.type
FROM hospital_record_columns() c
FULL JOIN (SELECT * FROM generated WHERE kind IN (SELECT kind FROM hospital_record_columns())) g
    ON g.kind = c.kind AND g.number = c.number AND g.column_name = c.column_name
       AND g.type = replace(c.type, '(12,2)', '')
WHERE c.kind IS NULL OR g.kind IS NULL;
SELECT count(DISTINCT kind) AS kinds, count(*) > 140 AS looked_at FROM hospital_record_columns();

-- so are the table's; registrations fill two tables under other names
SELECT coalesce(c.kind, a.kind) AS kind, coalesce(c.column_name, a.attname) AS column_name, c.type, a.type, c.nullable, a.nullable
FROM hospital_record_columns() c
FULL JOIN (SELECT k.kind, a.attname, a.attnum, format_type(a.atttypid, a.atttypmod) AS type, NOT a.attnotnull AS nullable
           FROM (SELECT DISTINCT kind, table_name FROM hospital_record_columns() WHERE kind <> 'registrations') k
           JOIN pg_attribute a ON a.attrelid = format('hospital.%I', k.table_name)::regclass AND a.attnum > 0) a
    ON a.kind = c.kind AND a.attnum = c.number AND a.attname = c.column_name AND a.type = c.type AND a.nullable = c.nullable
WHERE c.kind IS DISTINCT FROM 'registrations' AND (c.kind IS NULL OR a.kind IS NULL);
SELECT c.column_name AS neither_of_people_nor_of_patients
FROM hospital_record_columns() c
WHERE c.kind = 'registrations'
  AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attname = c.column_name
                  AND a.attrelid IN ('hospital.people'::regclass, 'hospital.patients'::regclass));
SELECT c.conrelid::regclass, pg_get_constraintdef(c.oid) FROM pg_constraint c
WHERE c.contype = 'p' AND c.conrelid::regclass::text IN (SELECT 'hospital.' || table_name FROM hospital_record_columns())
ORDER BY c.conrelid::regclass::text COLLATE "C";

-- every generator takes the same arguments
SELECT pg_get_function_arguments(p.oid) AS arguments, count(*), bool_and(p.provolatile = 'i' AND p.proparallel = 's' AND p.proisstrict) AS pure
FROM pg_proc p JOIN (SELECT DISTINCT kind FROM hospital_record_columns()) k ON p.proname = 'hospital_generate_' || k.kind
GROUP BY 1;

-- every table, view, column, index of more than a key, function and type has a comment
SELECT c.oid::regclass AS without_comment
FROM pg_class c WHERE c.relnamespace = 'hospital'::regnamespace AND c.relkind IN ('r', 'v', 'c')
  AND obj_description(c.oid, 'pg_class') IS NULL AND obj_description(c.reltype, 'pg_type') IS NULL
UNION ALL
SELECT i.indexrelid::regclass FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid AND c.relnamespace = 'hospital'::regnamespace
WHERE obj_description(i.indexrelid, 'pg_class') IS NULL AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid);
SELECT c.oid::regclass AS relation, a.attname AS without_comment
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'hospital'::regnamespace AND c.relkind IN ('r', 'v') AND col_description(c.oid, a.attnum) IS NULL;
SELECT p.oid::regprocedure AS without_comment
FROM pg_proc p WHERE p.proname LIKE 'hospital\_%' AND obj_description(p.oid, 'pg_proc') IS NULL;

-- where a table checks words, they are those of the description
SELECT c.table_name, c.column_name, c.words, k.words AS checked
FROM hospital_record_columns() c
JOIN (SELECT k.conname, array_agg(m.word[1] ORDER BY m.place) AS words
      FROM pg_constraint k, LATERAL regexp_matches(pg_get_constraintdef(k.oid), '''([^'']*)''::text', 'g')
          WITH ORDINALITY m (word, place)
      WHERE k.contype = 'c' AND k.connamespace = 'hospital'::regnamespace GROUP BY 1) k
    ON k.conname = c.table_name || '_' || c.column_name || '_check'
WHERE c.words IS NOT NULL AND k.words IS DISTINCT FROM c.words;
SELECT count(*) AS looked_at
FROM hospital_record_columns() c JOIN pg_constraint k ON k.conname = c.table_name || '_' || c.column_name || '_check'
WHERE c.words IS NOT NULL;

-- what cannot be is refused
\set VERBOSITY terse
SELECT count(*) FROM hospital_generate_visits('2019-12-31');
SELECT count(*) FROM hospital_generate_visits('2020-01-01', people => 10);
SELECT count(*) FROM hospital_generate_visits('2020-01-01', beds => 10);
SELECT count(*) FROM hospital_generate_visits('2020-01-01', id_mode => 'none');
SELECT count(*) FROM hospital_generate_visits(NULL);
\set VERBOSITY default

-- Three days, as the ingestor would bring them in; then hospital_validate sees
-- them whole, and each kind of damage for what it is.
CREATE PROCEDURE load_day(day date) LANGUAGE plpgsql AS $$
DECLARE
    s hospital.simulation;
    k text;
    n bigint;
BEGIN
    SELECT * INTO s FROM hospital.simulation;
    INSERT INTO hospital.people
    SELECT person_id, national_id, passport_no, first_name, last_name, date_of_birth, sex, population_group, home_language,
           citizenship, household_id, address, suburb, postal_code, phone
    FROM hospital_generate_registrations(day, s.seed, s.people, s.beds, s.start_date, s.transfers_per_day, s.id_mode)
    ON CONFLICT DO NOTHING;
    INSERT INTO hospital.patients
    SELECT person_id, folder_no, first_name || ' ' || last_name, date_of_birth, CASE sex WHEN 'F' THEN 'Female' ELSE 'Male' END,
           blood_type, phone, insurance_id, patient_class, origin, first_seen_on, deceased_at
    FROM hospital_generate_registrations(day, s.seed, s.people, s.beds, s.start_date, s.transfers_per_day, s.id_mode)
    ON CONFLICT (patient_id) DO UPDATE SET deceased_at = excluded.deceased_at;
    INSERT INTO hospital.admissions
    SELECT * FROM hospital_generate_admissions(day, s.seed, s.people, s.beds, s.start_date, s.transfers_per_day, s.id_mode)
    ON CONFLICT (admission_id) DO UPDATE SET discharged_at = excluded.discharged_at, outcome = excluded.outcome;
    INSERT INTO hospital.visits
    SELECT * FROM hospital_generate_visits(day, s.seed, s.people, s.beds, s.start_date, s.transfers_per_day, s.id_mode)
    ON CONFLICT (visit_id) DO UPDATE
        SET total_cost = excluded.total_cost, left_at = excluded.left_at, disposition = excluded.disposition;
    FOR k IN SELECT DISTINCT kind FROM hospital_record_columns() LOOP
        IF k NOT IN ('registrations', 'admissions', 'visits') THEN
            EXECUTE format('INSERT INTO hospital.%1$I SELECT * FROM hospital_generate_%1$s($1, $2, $3, $4, $5, $6, $7)', k)
            USING day, s.seed, s.people, s.beds, s.start_date, s.transfers_per_day, s.id_mode;
        END IF;
        EXECUTE format('SELECT count(*) FROM hospital_generate_%1$s($1, $2, $3, $4, $5, $6, $7)', k) INTO n
        USING day, s.seed, s.people, s.beds, s.start_date, s.transfers_per_day, s.id_mode;
        INSERT INTO hospital.batches (kind, day, file, sha256, bytes, rows, state, ingested_at)
        VALUES (k, day, k || '_' || day || '.csv', md5(k || day), 0, n, 'ingested', now());
    END LOOP;
END
$$;
INSERT INTO hospital.staff SELECT * FROM hospital_generate_staff(200, 42, '2020-01-01', '2020-12-31');
CALL load_day('2020-01-01');
CALL load_day('2020-01-02');
CALL load_day('2020-01-03');

SELECT check_name, expected > 0 OR check_name = 'staff_changes' AS any, found = expected AS all_there,
       missing, duplicated, altered, ok
FROM hospital_validate();
SELECT count(*) AS checks, bool_and(ok) AS ok FROM hospital_validate('2020-01-02', '2020-01-02');
SELECT count(*) AS checks, bool_and(ok) AS ok FROM hospital_validate(to_day => '2020-01-02');
SELECT bool_or(expected > 0) AS any, bool_and(ok) AS ok FROM hospital_validate('2021-01-01', '2021-01-31');

CREATE FUNCTION damage(statement text)
    RETURNS TABLE (check_name text, short bigint, missing bigint, duplicated bigint, altered bigint)
    LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        EXECUTE statement;
        CREATE TEMPORARY TABLE seen ON COMMIT DROP AS SELECT * FROM hospital_validate() v WHERE NOT v.ok;
        RETURN QUERY SELECT s.check_name, s.expected - s.found, s.missing, s.duplicated, s.altered FROM seen s;
        RAISE EXCEPTION 'undone' USING ERRCODE = 'P0002';
    EXCEPTION WHEN no_data_found THEN
        NULL;
    END;
END
$$;
SELECT * FROM damage($$DELETE FROM hospital.lab_results WHERE lab_result_id IN (SELECT lab_result_id FROM hospital.lab_results LIMIT 2)$$);
SELECT * FROM damage($$UPDATE hospital.vital_signs SET pulse = pulse + 1 WHERE vital_signs_id = (SELECT max(vital_signs_id) FROM hospital.vital_signs)$$);
SELECT * FROM damage($$UPDATE hospital.prescriptions SET prescription_id = prescription_id + 900000 WHERE prescription_id = (SELECT max(prescription_id) FROM hospital.prescriptions)$$);
SELECT * FROM damage($$UPDATE hospital.billing_payments SET total_amount = total_amount + 0.01, other = other + 0.01 WHERE billing_id = (SELECT max(billing_id) FROM hospital.billing_payments)$$);
SELECT * FROM damage($$UPDATE hospital.admissions SET discharged_at = NULL, outcome = NULL WHERE admission_id = (SELECT min(admission_id) FROM hospital.admissions WHERE outcome IS NOT NULL)$$);
SELECT * FROM damage($$UPDATE hospital.admissions SET discharged_at = admitted_at + '1 minute'::interval, outcome = 'absconded' WHERE admission_id = (SELECT min(admission_id) FROM hospital.admissions WHERE outcome IS NULL)$$);
SELECT * FROM damage($$UPDATE hospital.admissions SET discharged_at = '2030-01-01', outcome = 'absconded' WHERE admission_id = (SELECT min(admission_id) FROM hospital.admissions WHERE outcome IS NULL)$$);
SELECT * FROM damage($$UPDATE hospital.visits SET triage = 'BLUE' WHERE visit_id = (SELECT min(visit_id) FROM hospital.visits)$$);
SELECT * FROM damage($$UPDATE hospital.transfers SET event_id = gen_random_uuid() WHERE event_id = (SELECT event_id FROM hospital.transfers LIMIT 1)$$);
SELECT * FROM damage($$UPDATE hospital.patients SET contact_info = '' WHERE patient_id = (SELECT min(patient_id) FROM hospital.patients)$$);
SELECT * FROM damage($$UPDATE hospital.people SET suburb = '' WHERE person_id = (SELECT min(patient_id) FROM hospital.patients)$$);
SELECT check_name, short > 0 AS short, missing = short AS missing, duplicated, altered
FROM damage($$DELETE FROM hospital.staff WHERE staff_id = (SELECT recorded_by FROM hospital.status_updates LIMIT 1)$$);
SELECT * FROM damage($$ALTER TABLE hospital.treatments DROP CONSTRAINT treatments_pkey; INSERT INTO hospital.treatments (SELECT * FROM hospital.treatments LIMIT 3)$$);
SELECT * FROM damage($$UPDATE hospital.batches SET rows = rows - 1, rejects = 1 WHERE kind = 'visits' AND day = '2020-01-02'$$);
SELECT * FROM damage($$UPDATE hospital.batches SET state = 'loading' WHERE kind = 'diagnoses' AND day = '2020-01-02'$$);
SELECT * FROM damage($$INSERT INTO hospital.faults (day, kind, line, fault) VALUES ('2020-01-02', 'visits', 5, 'late')$$);

-- the targets: each has a row, and one that cannot be measured says why
SELECT count(*) AS rows, count(*) = (SELECT count(*) FROM hospital.targets) AS all_of_them,
       count(*) FILTER (WHERE measured IS NULL AND (ok IS NOT NULL OR note NOT LIKE 'not measured: %')) AS unexplained,
       count(*) FILTER (WHERE measured IS NOT NULL AND (ok IS NULL OR note IS NULL)) AS not_judged
FROM hospital_targets_report();
SELECT metric, scope, measured, ok FROM hospital_targets_report()
WHERE metric IN ('beds', 'bed_overlap', 'admit_after_birth', 'sex_specific_diagnoses', 'staff_max_age');

\c postgres
DROP DATABASE hospital_regress_records;
