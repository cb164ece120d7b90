-- CALL hospital_load_people, small, in a database of its own.  The oracle of
-- its rows is the generator.
--
-- A load tells its progress, with times, as INFO, which cannot be switched
-- off; so the loads run in a psql beside this one, whose INFO is filtered.
CREATE DATABASE hospital_regress_loader TEMPLATE template0 ENCODING 'UTF8';
\c hospital_regress_loader
SET client_min_messages = warning;
CREATE EXTENSION hospital;
\setenv LOADER_PSQL '"$(readlink /proc/$PPID/exe || echo psql)" -X -q -d hospital_regress_loader'

CREATE VIEW keys AS
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE conrelid = to_regclass('hospital.people') AND contype IN ('p', 'u') ORDER BY conname;

-- nothing is there yet
CALL hospital_load_people(0);
CALL hospital_load_people(-1);
CALL hospital_load_people(67108865);
CALL hospital_load_people(10, workers => -1);
CALL hospital_load_people(10, workers => 65);
BEGIN;
CALL hospital_load_people(10);
ROLLBACK;
CREATE FUNCTION call_it() RETURNS void LANGUAGE plpgsql AS 'BEGIN CALL hospital_load_people(10); END';
SELECT call_it();
DROP FUNCTION call_it();
SELECT to_regclass('hospital.simulation') IS NULL AS nothing_was_made;

-- a simulation is made with the first load; a prefix, the rest, again
\! echo "CALL hospital_load_people(3000)" | eval "$LOADER_PSQL" 2>&1 | grep -v '^INFO:  hospital: '
CREATE VIEW as_generated AS
SELECT (SELECT count(*) FROM hospital.people) AS rows,
       (SELECT count(*) FROM (SELECT * FROM hospital.people
                              EXCEPT ALL SELECT * FROM hospital_generate_people(3000)) x) AS wrong;
SELECT people, seed, beds, start_date = '2020-01-01' AS start, end_date = '2025-12-31' AS until, id_mode FROM hospital.simulation;
SELECT * FROM as_generated;
SELECT * FROM keys;
CALL hospital_load_people(3001);
\set SHOW_CONTEXT never
CALL hospital_create(10);
\set SHOW_CONTEXT errors
\! echo "CALL hospital_load_people()" | eval "$LOADER_PSQL" 2>&1 | grep -v '^INFO:  hospital: '
SELECT * FROM as_generated;

-- rows taken out are put back, nothing else is written
CREATE TABLE before AS SELECT person_id, ctid AS at FROM hospital.people;
DELETE FROM hospital.people WHERE person_id % 500 = 7;
\! echo "CALL hospital_load_people()" | eval "$LOADER_PSQL" 2>&1 | grep -v '^INFO:  hospital: '
SELECT * FROM as_generated;
SELECT count(*) AS moved FROM hospital.people p JOIN before b USING (person_id) WHERE p.ctid <> b.at AND p.person_id % 500 <> 7;

-- a prefix, more, the rest
TRUNCATE hospital.people;
\! echo "CALL hospital_load_people(1)" | eval "$LOADER_PSQL" 2>&1 | grep -v '^INFO:  hospital: '
SELECT * FROM as_generated;
\! echo "CALL hospital_load_people(1234)" | eval "$LOADER_PSQL" 2>&1 | grep -v '^INFO:  hospital: '
SELECT * FROM as_generated;
\! echo "CALL hospital_load_people()" | eval "$LOADER_PSQL" 2>&1 | grep -v '^INFO:  hospital: '
SELECT * FROM as_generated;

-- without keys; then with
TRUNCATE hospital.people;
\! echo "CALL hospital_load_people(keys => false)" | eval "$LOADER_PSQL" 2>&1 | grep -v '^INFO:  hospital: '
SELECT * FROM as_generated;
SELECT * FROM keys;
\! echo "CALL hospital_load_people()" | eval "$LOADER_PSQL" 2>&1 | grep -v '^INFO:  hospital: '
SELECT * FROM as_generated;
SELECT * FROM keys;

-- the ordinary path
TRUNCATE hospital.people;
\! echo "CALL hospital_load_people(workers => 0)" | eval "$LOADER_PSQL" 2>&1 | grep -v '^INFO:  hospital: '
SELECT * FROM as_generated;
SELECT * FROM keys;

-- targets that are more than a plain table, one after the other
CREATE TABLE log (person_id bigint);
CREATE FUNCTION log_it() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO public.log VALUES (NEW.person_id); RETURN NEW; END $$;
TRUNCATE hospital.people;
CREATE TRIGGER log_it BEFORE INSERT ON hospital.people FOR EACH ROW EXECUTE FUNCTION log_it();
\! echo "CALL hospital_load_people()" | eval "$LOADER_PSQL" 2>&1 | grep -v '^INFO:  hospital: '
SELECT * FROM as_generated;
SELECT count(*), count(DISTINCT person_id) FROM log;
DROP TRIGGER log_it ON hospital.people;

TRUNCATE hospital.people;
ALTER TABLE hospital.people ENABLE ROW LEVEL SECURITY;
\! echo "CALL hospital_load_people()" | eval "$LOADER_PSQL" 2>&1 | grep -v '^INFO:  hospital: '
SELECT * FROM as_generated;
ALTER TABLE hospital.people DISABLE ROW LEVEL SECURITY;

TRUNCATE hospital.people;
CREATE RULE nobody_leaves AS ON DELETE TO hospital.people DO INSTEAD NOTHING;
\! echo "CALL hospital_load_people()" | eval "$LOADER_PSQL" 2>&1 | grep -v '^INFO:  hospital: '
SELECT * FROM as_generated;
DROP RULE nobody_leaves ON hospital.people;

-- never by position: a column renamed is an error, not other data
TRUNCATE hospital.people;
ALTER TABLE hospital.people RENAME suburb TO township;
\! echo "CALL hospital_load_people()" | eval "$LOADER_PSQL" 2>&1 | grep '^ERROR'
SELECT count(*) FROM hospital.people;
ALTER TABLE hospital.people RENAME township TO suburb;
\! echo "CALL hospital_load_people()" | eval "$LOADER_PSQL" 2>&1 | grep -v '^INFO:  hospital: '
SELECT * FROM as_generated;

-- the kinds of failure: nothing is half-written
TRUNCATE hospital.people;
ALTER TABLE hospital.people ADD CONSTRAINT not_2718 CHECK (person_id <> 2718);
\! echo "CALL hospital_load_people(workers => 1)" | eval "$LOADER_PSQL" 2>&1 | grep -E '^(ERROR|CONTEXT)'
\! echo "CALL hospital_load_people(workers => 0)" | eval "$LOADER_PSQL" 2>&1 | grep '^ERROR'
SELECT count(*) FROM hospital.people;
ALTER TABLE hospital.people DROP CONSTRAINT not_2718;
\! echo "CALL hospital_load_people()" | eval "$LOADER_PSQL" 2>&1 | grep -v '^INFO:  hospital: '
SELECT * FROM as_generated;
SELECT * FROM keys;
SELECT count(*) AS running FROM hospital.progress;

-- the data is the user's
DROP VIEW as_generated;
\set VERBOSITY terse
DROP EXTENSION hospital;
\set VERBOSITY default
SELECT count(*) AS members
FROM pg_depend d JOIN pg_class c ON c.oid = d.objid
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND c.relnamespace = 'hospital'::regnamespace
  AND c.relname IN ('people', 'staff', 'staff_assignments', 'simulation', 'admissions', 'transfers', 'batches', 'rejects');
\set VERBOSITY terse
DROP EXTENSION hospital CASCADE;
SELECT to_regclass('hospital.people') IS NULL AS gone;

\c postgres
DROP DATABASE hospital_regress_loader;
