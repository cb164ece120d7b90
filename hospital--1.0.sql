/* hospital--1.0.sql: what CREATE EXTENSION hospital makes */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION hospital" to load this file. \quit

DO $$
BEGIN
    IF pg_catalog.getdatabaseencoding() <> 'UTF8' THEN
        RAISE EXCEPTION 'hospital needs a database with encoding UTF8'
            USING ERRCODE = 'feature_not_supported',
                  DETAIL = pg_catalog.format('This database has encoding %s.', pg_catalog.getdatabaseencoding()),
                  HINT = 'CREATE DATABASE … ENCODING ''UTF8'' TEMPLATE template0.';
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'hospital') THEN
        RAISE EXCEPTION 'schema "hospital" exists already'
            USING ERRCODE = 'duplicate_schema',
                  DETAIL = 'The extension keeps its types and tables in a schema of this name, and will not share it.',
                  HINT = 'Rename or drop that schema, or use another database.';
    END IF;
END
$$;

CREATE SCHEMA hospital;
COMMENT ON SCHEMA hospital IS 'Reference tables, record types and, after hospital_create, the data of one hospital';
GRANT USAGE ON SCHEMA hospital TO PUBLIC;

CREATE FUNCTION hospital_generator_version() RETURNS int
    LANGUAGE C IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_generator_version() IS
    'Version of what the generators make: the same version and arguments give the same bytes';

CREATE FUNCTION hospital_random_block(counter bigint[], key bigint[]) RETURNS bigint[]
    LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_random_block(bigint[], bigint[]) IS
    'One block of the generators'' random numbers, Philox4x32-10: four counter words and two key words give four words, to be compared with the published vectors';

CREATE FUNCTION hospital_rowsource_support(internal) RETURNS internal
    LANGUAGE C STRICT
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_rowsource_support(internal) IS
    'Planner support of the generators: row estimates, costs, and streaming in FROM';

-- ==== identity numbers ====================================================

CREATE FUNCTION hospital_national_id_valid(national_id text) RETURNS boolean
    LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_national_id_valid(text) IS
    'Is this a South African identity number: 13 digits, a real date in 1900-1999 or 2000-2099, C in 0, 1 (or 8, 9: marked as synthetic), and the check digit right';

CREATE DOMAIN hospital.national_id AS text COLLATE "C"
    CONSTRAINT national_id_valid CHECK (@extschema@.hospital_national_id_valid(VALUE));
COMMENT ON DOMAIN hospital.national_id IS
    'South African identity number YYMMDD SSSS C A Z; see hospital_national_id_valid';

CREATE FUNCTION hospital_national_id(date_of_birth date, sex text, sequence int, citizen boolean DEFAULT true,
                                     marked boolean DEFAULT false)
    RETURNS hospital.national_id
    LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_national_id(date, text, int, boolean, boolean) IS
    'Build an identity number: sex F or M, sequence 0-4999 within the sex, citizen (C = 0) or permanent resident (C = 1), or marked as nobody''s (C = 8 or 9)';

CREATE FUNCTION hospital_national_id_parse(national_id text, as_of date,
        OUT date_of_birth date, OUT sex text, OUT sequence int, OUT citizen boolean, OUT marked boolean,
        OUT other_date_of_birth date)
    LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_national_id_parse(text, date) IS
    'Take an identity number apart. The century is the latest in which the birth is not after as_of; other_date_of_birth is a hundred years earlier where somebody of at most 110 years could have it';

-- ==== people ==============================================================

CREATE TYPE hospital.person AS (
    person_id        bigint,
    national_id      hospital.national_id,
    passport_no      text,
    first_name       text,
    last_name        text,
    date_of_birth    date,
    sex              text,
    population_group text,
    home_language    text,
    citizenship      text,
    household_id     bigint,
    address          text,
    suburb           text,
    postal_code      text,
    phone            text
);
COMMENT ON TYPE hospital.person IS 'A person of the city, as hospital_generate_people makes them';

CREATE FUNCTION hospital_generate_people(n bigint, seed bigint DEFAULT 42, first bigint DEFAULT 1,
                                         as_of date DEFAULT '2020-01-01', id_mode text DEFAULT 'realistic')
    RETURNS SETOF hospital.person
    LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE
    ROWS 1000000 SUPPORT hospital_rowsource_support
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_generate_people(bigint, bigint, bigint, date, text) IS
    'People first .. first+n-1 of the city that seed stands for, aged on as_of by the Gauteng pyramid of 2020; id_mode marked makes identity numbers that cannot belong to a living person';

-- ==== workforce ===========================================================

CREATE TYPE hospital.ward AS (
    ward_code       text,
    department_code text,
    name            text,
    beds            int,
    sex             text,
    age_group       text,
    ward_type       text
);
COMMENT ON TYPE hospital.ward IS 'A ward, as hospital_generate_wards makes them';

CREATE TYPE hospital.department AS (
    department_code  text,
    name             text,
    department_group text,
    level_of_care    int,
    wards            int,
    beds             int
);
COMMENT ON TYPE hospital.department IS 'A clinical department, as hospital_generate_departments makes them';

CREATE TYPE hospital.staff_member AS (
    staff_id          bigint,
    national_id       hospital.national_id,
    first_name        text,
    last_name         text,
    date_of_birth     date,
    sex               text,
    role              text,
    specialty         text,
    department_code   text,
    registration_no   text,
    hired_on          date,
    retires_on        date,
    left_on           date,
    replaces_staff_id bigint
);
COMMENT ON TYPE hospital.staff_member IS 'Somebody of the staff, as hospital_generate_staff makes them; left_on is the first day not at work';

CREATE TYPE hospital.staff_assignment AS (
    assignment_id bigint,
    staff_id      bigint,
    ward_code     text,
    shift         text,
    starts_at     timestamptz,
    ends_at       timestamptz
);
COMMENT ON TYPE hospital.staff_assignment IS 'One shift of one person; ward_code is null for those not tied to a ward';

CREATE FUNCTION hospital_generate_wards(beds int DEFAULT 1100)
    RETURNS SETOF hospital.ward
    LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE
    ROWS 63 SUPPORT hospital_rowsource_support
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_generate_wards(int) IS
    'The wards of a hospital of so many beds (200 to 10000); wards that would have fewer than four are merged';

CREATE FUNCTION hospital_generate_departments(beds int DEFAULT 1100)
    RETURNS SETOF hospital.department
    LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE
    ROWS 30 SUPPORT hospital_rowsource_support
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_generate_departments(int) IS
    'The departments of a hospital of so many beds; one whose wards were merged has no beds of its own';

CREATE FUNCTION hospital_generate_staff(beds int DEFAULT 1100, seed bigint DEFAULT 42,
                                        from_day date DEFAULT '2020-01-01', until_day date DEFAULT '2025-12-31',
                                        id_mode text DEFAULT 'realistic')
    RETURNS SETOF hospital.staff_member
    LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE
    ROWS 8000 SUPPORT hospital_rowsource_support
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_generate_staff(int, bigint, date, date, text) IS
    'Who is employed on from_day and everyone hired up to until_day; a later until_day only adds people at the end';

CREATE FUNCTION hospital_generate_staff_assignments(from_day date, until_day date,
                                                    beds int DEFAULT 1100, seed bigint DEFAULT 42,
                                                    start_date date DEFAULT '2020-01-01',
                                                    end_date date DEFAULT '2025-12-31')
    RETURNS SETOF hospital.staff_assignment
    LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE
    ROWS 100000 SUPPORT hospital_rowsource_support
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_generate_staff_assignments(date, date, int, bigint, date, date) IS
    'The shifts that begin on from_day to until_day of the hospital that opened on start_date; staff are those of hospital_generate_staff(beds, seed, start_date, end_date)';

-- ==== end of workforce ====================================================

-- ==== records of a day ====================================================
--
-- The types have the columns of the day files, in their order; src/records.c
-- describes the same.  All generators take the same arguments: what the days of
-- a hospital depend on.

CREATE TYPE hospital.registration AS (
    person_id        bigint,
    national_id      hospital.national_id,
    passport_no      text,
    first_name       text,
    last_name        text,
    date_of_birth    date,
    sex              text,
    population_group text,
    home_language    text,
    citizenship      text,
    household_id     bigint,
    address          text,
    suburb           text,
    postal_code      text,
    phone            text,
    folder_no        text,
    blood_type       text,
    insurance_id     text,
    patient_class    text,
    origin           text,
    first_seen_on    date,
    deceased_at      timestamptz
);
COMMENT ON TYPE hospital.registration IS
    'A patient met for the first time, or the same with the death filled in; columns of hospital.people and hospital.patients';

CREATE TYPE hospital.admission AS (
    admission_id    bigint,
    patient_id      bigint,
    visit_id        bigint,
    ward_code       text,
    admitted_at     timestamptz,
    discharged_at   timestamptz,
    triage          text,
    outcome         text,
    department_code text,
    admission_type  text,
    referred_from   text
);
COMMENT ON TYPE hospital.admission IS
    'A stay in the hospital; without discharged_at and outcome on the day it begins, complete on the day it ends';

CREATE TYPE hospital.visit AS (
    visit_id        bigint,
    patient_id      bigint,
    doctor_id       bigint,
    visit_date      date,
    department_code text,
    kind            text,
    diagnosis       text,
    total_cost      numeric,
    arrived_at      timestamptz,
    left_at         timestamptz,
    triage          text,
    disposition     text,
    admission_id    bigint
);
COMMENT ON TYPE hospital.visit IS
    'A visit; one that leads to an admission comes without total_cost, left_at and disposition on its day, complete on the day the stay ends';

CREATE TYPE hospital.status_update AS (
    update_id    bigint,
    admission_id bigint,
    patient_id   bigint,
    recorded_at  timestamptz,
    status       text,
    ward_code    text,
    recorded_by  bigint,
    bed_no       int
);
COMMENT ON TYPE hospital.status_update IS
    'A change in the state or place of an inpatient';

CREATE TYPE hospital.doctor_assignment AS (
    doctor_assignment_id bigint,
    admission_id         bigint,
    patient_id           bigint,
    doctor_id            bigint,
    starts_at            timestamptz,
    ends_at              timestamptz,
    reason               text
);
COMMENT ON TYPE hospital.doctor_assignment IS
    'A doctor who is in charge of an inpatient for a time';

CREATE TYPE hospital.transfer AS (
    event_id     uuid,
    event_time   timestamptz,
    admission_id bigint,
    patient_id   bigint,
    from_ward    text,
    to_ward      text,
    reason       text,
    status       text,
    staff_id     bigint
);
COMMENT ON TYPE hospital.transfer IS
    'A medical transfer from ward to ward; event_id is a UUID of version 7, the same whenever it is computed';

CREATE TYPE hospital.diagnosis AS (
    diagnosis_id bigint,
    visit_id     bigint,
    admission_id bigint,
    patient_id   bigint,
    code         text,
    description  text,
    at           timestamptz,
    rank         text
);
COMMENT ON TYPE hospital.diagnosis IS
    'A diagnosis of a visit, by ICD-10';

CREATE TYPE hospital.treatment AS (
    treatment_id bigint,
    visit_id     bigint,
    admission_id bigint,
    patient_id   bigint,
    code         text,
    description  text,
    at           timestamptz,
    staff_id     bigint,
    quantity     int
);
COMMENT ON TYPE hospital.treatment IS
    'Something done to a patient, by the code of the fee schedule';

CREATE TYPE hospital.lab_result AS (
    lab_result_id bigint,
    visit_id      bigint,
    admission_id  bigint,
    patient_id    bigint,
    code          text,
    description   text,
    at            timestamptz,
    value         numeric,
    result        text,
    unit          text,
    flag          text,
    specimen      text
);
COMMENT ON TYPE hospital.lab_result IS
    'One result of the laboratory, by LOINC: a value in a unit, or a word';

CREATE TYPE hospital.vital_signs_reading AS (
    vital_signs_id bigint,
    visit_id       bigint,
    admission_id   bigint,
    patient_id     bigint,
    at             timestamptz,
    temperature    numeric,
    pulse          int,
    respiration    int,
    systolic       int,
    diastolic      int,
    spo2           int,
    consciousness  text,
    tews           int,
    recorded_by    bigint
);
COMMENT ON TYPE hospital.vital_signs_reading IS
    'One set of vital signs of a patient';

CREATE TYPE hospital.prescription AS (
    prescription_id bigint,
    patient_id      bigint,
    doctor_id       bigint,
    visit_id        bigint,
    medicine_id     text,
    dosage          text,
    duration        text,
    prescribed_at   timestamptz,
    admission_id    bigint,
    quantity        int
);
COMMENT ON TYPE hospital.prescription IS
    'A medicine that a doctor prescribed';

CREATE TYPE hospital.bill AS (
    billing_id     bigint,
    patient_id     bigint,
    visit_id       bigint,
    billing_date   date,
    total_amount   numeric,
    payment_status text,
    admission_id   bigint,
    patient_class  text,
    fiscal_year    text,
    free_reason    text,
    consultation   numeric,
    accommodation  numeric,
    procedures     numeric,
    imaging        numeric,
    laboratory     numeric,
    medicines      numeric,
    other          numeric
);
COMMENT ON TYPE hospital.bill IS
    'The bill of a visit, in rand; total_amount is the sum of its parts';

CREATE TYPE hospital.staff_change AS (
    staff_change_id   bigint,
    staff_id          bigint,
    changed_on        date,
    change            text,
    role              text,
    department_code   text,
    replaces_staff_id bigint
);
COMMENT ON TYPE hospital.staff_change IS
    'Somebody of the staff who begins or leaves';

CREATE FUNCTION hospital_generate_registrations(day date, seed bigint DEFAULT 42, people bigint DEFAULT 5000000,
                                                beds int DEFAULT 1100, start_date date DEFAULT '2020-01-01',
                                                transfers int DEFAULT 15, id_mode text DEFAULT 'realistic')
    RETURNS SETOF hospital.registration
    LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE
    ROWS 550 SUPPORT hospital_rowsource_support
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_generate_registrations(date, bigint, bigint, int, date, int, text) IS
    'The patients who are registered on one hospital day, and again those who died on it, with deceased_at. They fill hospital.people and hospital.patients';

CREATE FUNCTION hospital_generate_admissions(day date, seed bigint DEFAULT 42, people bigint DEFAULT 5000000,
                                             beds int DEFAULT 1100, start_date date DEFAULT '2020-01-01',
                                             transfers int DEFAULT 15, id_mode text DEFAULT 'realistic')
    RETURNS SETOF hospital.admission
    LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE
    ROWS 160 SUPPORT hospital_rowsource_support
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_generate_admissions(date, bigint, bigint, int, date, int, text) IS
    'The admissions that begin on one hospital day, without their end, and those that end on it, complete';

CREATE FUNCTION hospital_generate_visits(day date, seed bigint DEFAULT 42, people bigint DEFAULT 5000000,
                                         beds int DEFAULT 1100, start_date date DEFAULT '2020-01-01',
                                         transfers int DEFAULT 15, id_mode text DEFAULT 'realistic')
    RETURNS SETOF hospital.visit
    LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE
    ROWS 1800 SUPPORT hospital_rowsource_support
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_generate_visits(date, bigint, bigint, int, date, int, text) IS
    'The visits that begin on one hospital day, and again, complete, those with an admission that end on it';

CREATE FUNCTION hospital_generate_status_updates(day date, seed bigint DEFAULT 42, people bigint DEFAULT 5000000,
                                                 beds int DEFAULT 1100, start_date date DEFAULT '2020-01-01',
                                                 transfers int DEFAULT 15, id_mode text DEFAULT 'realistic')
    RETURNS SETOF hospital.status_update
    LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE
    ROWS 2200 SUPPORT hospital_rowsource_support
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_generate_status_updates(date, bigint, bigint, int, date, int, text) IS
    'The status updates of inpatients on one hospital day, in order of time';

CREATE FUNCTION hospital_generate_doctor_assignments(day date, seed bigint DEFAULT 42, people bigint DEFAULT 5000000,
                                                     beds int DEFAULT 1100, start_date date DEFAULT '2020-01-01',
                                                     transfers int DEFAULT 15, id_mode text DEFAULT 'realistic')
    RETURNS SETOF hospital.doctor_assignment
    LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE
    ROWS 440 SUPPORT hospital_rowsource_support
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_generate_doctor_assignments(date, bigint, bigint, int, date, int, text) IS
    'The assignments of doctors to inpatients that begin on one hospital day, in order of time';

CREATE FUNCTION hospital_generate_transfers(day date, seed bigint DEFAULT 42, people bigint DEFAULT 5000000,
                                            beds int DEFAULT 1100, start_date date DEFAULT '2020-01-01',
                                            transfers int DEFAULT 15, id_mode text DEFAULT 'realistic')
    RETURNS SETOF hospital.transfer
    LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE
    ROWS 15 SUPPORT hospital_rowsource_support
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_generate_transfers(date, bigint, bigint, int, date, int, text) IS
    'The medical transfers of one hospital day, in order of time; they are streamed and are in the day files too';

CREATE FUNCTION hospital_generate_diagnoses(day date, seed bigint DEFAULT 42, people bigint DEFAULT 5000000,
                                            beds int DEFAULT 1100, start_date date DEFAULT '2020-01-01',
                                            transfers int DEFAULT 15, id_mode text DEFAULT 'realistic')
    RETURNS SETOF hospital.diagnosis
    LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE
    ROWS 3300 SUPPORT hospital_rowsource_support
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_generate_diagnoses(date, bigint, bigint, int, date, int, text) IS
    'The diagnoses made on one hospital day, by ICD-10';

CREATE FUNCTION hospital_generate_treatments(day date, seed bigint DEFAULT 42, people bigint DEFAULT 5000000,
                                             beds int DEFAULT 1100, start_date date DEFAULT '2020-01-01',
                                             transfers int DEFAULT 15, id_mode text DEFAULT 'realistic')
    RETURNS SETOF hospital.treatment
    LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE
    ROWS 3300 SUPPORT hospital_rowsource_support
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_generate_treatments(date, bigint, bigint, int, date, int, text) IS
    'The treatments of one hospital day, by the codes of hospital.tariffs';

CREATE FUNCTION hospital_generate_lab_results(day date, seed bigint DEFAULT 42, people bigint DEFAULT 5000000,
                                              beds int DEFAULT 1100, start_date date DEFAULT '2020-01-01',
                                              transfers int DEFAULT 15, id_mode text DEFAULT 'realistic')
    RETURNS SETOF hospital.lab_result
    LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE
    ROWS 9900 SUPPORT hospital_rowsource_support
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_generate_lab_results(date, bigint, bigint, int, date, int, text) IS
    'The laboratory results of one hospital day, by LOINC';

CREATE FUNCTION hospital_generate_vital_signs(day date, seed bigint DEFAULT 42, people bigint DEFAULT 5000000,
                                              beds int DEFAULT 1100, start_date date DEFAULT '2020-01-01',
                                              transfers int DEFAULT 15, id_mode text DEFAULT 'realistic')
    RETURNS SETOF hospital.vital_signs_reading
    LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE
    ROWS 6600 SUPPORT hospital_rowsource_support
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_generate_vital_signs(date, bigint, bigint, int, date, int, text) IS
    'The vital signs taken on one hospital day: degrees Celsius, a minute, mmHg, percent';

CREATE FUNCTION hospital_generate_prescriptions(day date, seed bigint DEFAULT 42, people bigint DEFAULT 5000000,
                                                beds int DEFAULT 1100, start_date date DEFAULT '2020-01-01',
                                                transfers int DEFAULT 15, id_mode text DEFAULT 'realistic')
    RETURNS SETOF hospital.prescription
    LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE
    ROWS 5300 SUPPORT hospital_rowsource_support
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_generate_prescriptions(date, bigint, bigint, int, date, int, text) IS
    'The prescriptions of one hospital day; medicines are those of hospital.medicines';

CREATE FUNCTION hospital_generate_billing_payments(day date, seed bigint DEFAULT 42, people bigint DEFAULT 5000000,
                                                   beds int DEFAULT 1100, start_date date DEFAULT '2020-01-01',
                                                   transfers int DEFAULT 15, id_mode text DEFAULT 'realistic')
    RETURNS SETOF hospital.bill
    LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE
    ROWS 1700 SUPPORT hospital_rowsource_support
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_generate_billing_payments(date, bigint, bigint, int, date, int, text) IS
    'The bills of the visits that end on one hospital day, in rand, by hospital.tariffs and hospital.tariff_index';

CREATE FUNCTION hospital_generate_staff_changes(day date, seed bigint DEFAULT 42, people bigint DEFAULT 5000000,
                                                beds int DEFAULT 1100, start_date date DEFAULT '2020-01-01',
                                                transfers int DEFAULT 15, id_mode text DEFAULT 'realistic')
    RETURNS SETOF hospital.staff_change
    LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE
    ROWS 2 SUPPORT hospital_rowsource_support
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_generate_staff_changes(date, bigint, bigint, int, date, int, text) IS
    'The changes of staff of one hospital day';

CREATE FUNCTION hospital_record_columns(
        OUT kind text, OUT table_name text, OUT stage int, OUT merge text,
        OUT number int, OUT column_name text, OUT type text,
        OUT key boolean, OUT nullable boolean, OUT completes boolean, OUT reference text, OUT words text[])
    RETURNS SETOF record
    LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE ROWS 160
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_record_columns() IS
    'The columns of the day files, by kind and number: table they go to, order of ingesting (stage), what a line does that meets its row in the table (merge: never, completes, same); whether a column is the key, may be null, is filled in by a later line; table it refers to; words it may be';

-- ==== end of records of a day =============================================

-- ==== workers and files ===================================================

CREATE FUNCTION hospital_start(another_window boolean DEFAULT false) RETURNS void
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_start(boolean) IS
    'Let the hospital of this database run, from the next commit on: begin a window, or go on with it from where its clock stood. another_window: begin the next one where the last one is over';

CREATE FUNCTION hospital_stop() RETURNS void
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_stop() IS
    'Stop the hospital of this database: its workers end and its clock stands still';

CREATE FUNCTION hospital_pause() RETURNS void
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'hospital_pause_clock';
COMMENT ON FUNCTION hospital_pause() IS
    'Let the hospital''s clock stand still; its workers stay, and finish what was due';

CREATE FUNCTION hospital_resume() RETURNS void
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'hospital_resume_clock';
COMMENT ON FUNCTION hospital_resume() IS
    'Let a paused clock go on from where it stood';

CREATE FUNCTION hospital_speed(factor double precision) RETURNS void
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_speed(double precision) IS
    'Let hospital days pass so many times as fast as the settings say; stream ticks come as before, and have more to tell';

CREATE FUNCTION hospital_jump(to_time timestamp) RETURNS void
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_jump(timestamp) IS
    'Put the hospital''s clock forward to a day, or a moment of it (Africa/Johannesburg). What lies between is due at once, and made in order';

CREATE FUNCTION hospital_window_now(run_state record,
        OUT state text, OUT hospital_time timestamp, OUT day_takes interval, OUT days_due int,
        OUT ticks bigint, OUT ticks_due bigint, OUT next_day_at timestamptz, OUT next_tick_at timestamptz,
        OUT ends_at timestamptz)
    RETURNS record
    LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_window_now(record) IS
    'Part of hospital.run_window: where the clock of a row of hospital.run_state is now';

CREATE FUNCTION hospital_status(
        OUT database text, OUT role text, OUT number int, OUT pid int, OUT state text, OUT since timestamptz,
        OUT last_error text, OUT sqlstate text, OUT last_error_at timestamptz,
        OUT rows bigint, OUT rate double precision, OUT restarts bigint)
    RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE ROWS 8
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_status() IS
    'The hospital''s workers on this server, of all databases';

CREATE VIEW hospital.status AS
    SELECT CASE WHEN role = 'consumer' THEN pg_catalog.concat(role, ' ', number) ELSE role END AS worker,
           database, pid, state, since, last_error, sqlstate, last_error_at, rows, rate, restarts
      FROM @extschema@.hospital_status()
     ORDER BY database NULLS FIRST, role DESC, number;
COMMENT ON VIEW hospital.status IS
    'One row a worker: what it does, since when, what went wrong last, rows since it started and rows a second';
COMMENT ON COLUMN hospital.status.worker IS 'launcher, broker, scheduler, ingestor or a consumer by number';
COMMENT ON COLUMN hospital.status.database IS 'Database it serves; null for those of the whole server';
COMMENT ON COLUMN hospital.status.pid IS 'Process; null while there is none';
COMMENT ON COLUMN hospital.status.state IS 'What it does now, or why it does nothing';
COMMENT ON COLUMN hospital.status.since IS 'Since when';
COMMENT ON COLUMN hospital.status.last_error IS 'Its last error that has not been overcome';
COMMENT ON COLUMN hospital.status.sqlstate IS 'SQLSTATE of that error';
COMMENT ON COLUMN hospital.status.last_error_at IS 'When it happened last';
COMMENT ON COLUMN hospital.status.rows IS 'Rows made or brought in since it started';
COMMENT ON COLUMN hospital.status.rate IS 'Rows a second, on average since it started';
COMMENT ON COLUMN hospital.status.restarts IS 'How often it was started again';

CREATE VIEW hospital.progress AS
SELECT p.pid, CASE p.param16 WHEN 1752134514 THEN 'run' ELSE 'load' END AS activity,
       CASE WHEN p.param16 = 1752134512 THEN p.relid::pg_catalog.regclass END AS loading,
       CASE WHEN p.param16 = 1752134514 THEN p.param19 END AS days_done,
       CASE WHEN p.param16 = 1752134514 THEN p.param20 END AS days_written,
       CASE WHEN p.param16 = 1752134514 THEN p.param17 END AS days_total,
       p.param3 AS rows_done,
       CASE WHEN p.param16 = 1752134512 THEN nullif(p.param17, -1) END AS rows_total,
       CASE WHEN p.param16 = 1752134514 THEN p.param1 END AS bytes_done,
       pg_catalog.round((100.0 OPERATOR(pg_catalog.*) CASE p.param16 WHEN 1752134514 THEN p.param19 ELSE p.param3 END)
                        OPERATOR(pg_catalog./) nullif(nullif(p.param17, -1), 0), 1) AS percent,
       pg_catalog.to_timestamp(946684800 OPERATOR(pg_catalog.+) (p.param18 OPERATOR(pg_catalog./) 1000000.0)) AS started_at
FROM pg_catalog.pg_stat_get_progress_info('COPY') p
WHERE p.param16 IN (1752134512, 1752134514)
    AND p.datid = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database());
COMMENT ON VIEW hospital.progress IS 'Loads and runs of this database that are at work now; each is also in pg_stat_progress_copy';
COMMENT ON COLUMN hospital.progress.pid IS 'Session that called it';
COMMENT ON COLUMN hospital.progress.activity IS 'load or run';
COMMENT ON COLUMN hospital.progress.loading IS 'A load''s table';
COMMENT ON COLUMN hospital.progress.days_done IS 'A run''s days whose files are ingested';
COMMENT ON COLUMN hospital.progress.days_written IS 'A run''s days whose files are written';
COMMENT ON COLUMN hospital.progress.days_total IS 'A run''s days in all, with those that an earlier one had left';
COMMENT ON COLUMN hospital.progress.rows_done IS 'Rows there so far; a run: records ingested';
COMMENT ON COLUMN hospital.progress.rows_total IS 'Rows there will be; null where it is not known beforehand';
COMMENT ON COLUMN hospital.progress.bytes_done IS 'Bytes that a run has ingested';
COMMENT ON COLUMN hospital.progress.percent IS 'Done, of the total';
COMMENT ON COLUMN hospital.progress.started_at IS 'When it began';
GRANT SELECT ON hospital.progress TO PUBLIC;

CREATE PROCEDURE hospital_run(days int, workers int DEFAULT NULL)
    LANGUAGE C
    AS 'MODULE_PATHNAME';
COMMENT ON PROCEDURE hospital_run(int, int) IS
    'Run the next hospital days as fast as possible: their files are written and ingested, day by day, by as many workers as there are cores unless said. May be interrupted and called again at any time; progress is in hospital.progress';

CREATE PROCEDURE hospital_export(what text, format text DEFAULT 'csv', target text DEFAULT NULL,
                                 as_of date DEFAULT NULL, compression text DEFAULT 'none',
                                 partition_by text DEFAULT NULL, from_day date DEFAULT NULL,
                                 to_day date DEFAULT NULL, incremental boolean DEFAULT true)
    LANGUAGE C
    AS 'MODULE_PATHNAME';
COMMENT ON PROCEDURE hospital_export(text, text, text, date, text, text, date, date, boolean) IS
    'Write people, doctors, staff_assignments, assigned_staff (as_of a date; the first day by default), hospital_patients (one row a patient), fhir, or any table or view to files below hospital.data_folder: csv or jsonl, compressed by gzip or zstd, in a folder a day (date=YYYY-MM-DD) where it has one, days that have changed only';

REVOKE ALL ON FUNCTION hospital_start(boolean), hospital_stop(), hospital_pause(), hospital_resume(),
    hospital_speed(double precision), hospital_jump(timestamp), hospital_status() FROM PUBLIC;
REVOKE ALL ON PROCEDURE hospital_run(int, int), hospital_export(text, text, text, date, text, text, date, date, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION hospital_status() TO pg_monitor;
GRANT SELECT ON hospital.status TO pg_monitor;
GRANT EXECUTE ON PROCEDURE hospital_export(text, text, text, date, text, text, date, date, boolean) TO pg_write_server_files;

-- ==== end of workers and files ============================================

-- ==== ingest ==============================================================

CREATE FUNCTION hospital_open_rows(kind text) RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE ROWS 4096
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_open_rows(text) IS
    'Rows that this very process has read from a file or a topic; only the hospital''s own workers have any';

CREATE PROCEDURE hospital_ingest(path text, encoding text DEFAULT 'UTF8')
    LANGUAGE C
    AS 'MODULE_PATHNAME';
COMMENT ON PROCEDURE hospital_ingest(text, text) IS
    'Ingest a day file, or a folder of them, below hospital.data_folder now; the outcome is in hospital.batches';

CREATE PROCEDURE hospital_undo_batch(batch_id bigint)
    LANGUAGE C
    AS 'MODULE_PATHNAME';
COMMENT ON PROCEDURE hospital_undo_batch(bigint) IS
    'Take out again what a day file brought, by the file itself; it may be ingested anew then';

CREATE PROCEDURE hospital_retry_rejects(batch_id bigint DEFAULT NULL, kind text DEFAULT NULL)
    LANGUAGE C
    AS 'MODULE_PATHNAME';
COMMENT ON PROCEDURE hospital_retry_rejects(bigint, text) IS
    'Try the unresolved rejects of day files and topics once more, of all or of one batch or kind; hospital.rejects.raw may have been mended';

REVOKE ALL ON PROCEDURE hospital_ingest(text, text), hospital_undo_batch(bigint), hospital_retry_rejects(bigint, text)
    FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE hospital_ingest(text, text), hospital_undo_batch(bigint) TO pg_read_server_files;

-- ==== end of ingest =======================================================

-- ==== stream ==============================================================
-- publishing

CREATE PROCEDURE hospital_publish(from_day date, to_day date)
    LANGUAGE C
    AS 'MODULE_PATHNAME';
COMMENT ON PROCEDURE hospital_publish(date, date) IS
    'Publish the events of these hospital days at full speed, of the kinds in hospital.topics, and wait for it; what has been published is not sent again';
REVOKE ALL ON PROCEDURE hospital_publish(date, date) FROM PUBLIC;

-- JSON

CREATE FUNCTION hospital_generate_events(kind text, day date, seed bigint DEFAULT 42, people bigint DEFAULT 5000000,
                                         beds int DEFAULT 1100, start_date date DEFAULT '2020-01-01',
                                         transfers int DEFAULT 15, id_mode text DEFAULT 'realistic',
                                         OUT event_id uuid, OUT event_time timestamptz, OUT subject bigint, OUT payload text)
    RETURNS SETOF record
    LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE
    ROWS 1000 SUPPORT hospital_rowsource_support
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_generate_events(text, date, bigint, bigint, int, date, int, text) IS
    'The records that hospital_generate_<kind> makes of one hospital day, in its order, as the JSON events that go through Kafka; subject is the patient or member of staff, and the key of the message';

CREATE FUNCTION hospital_try_event(kind text, payload bytea, keep_unknown boolean DEFAULT false,
                                   OUT ok boolean, OUT sqlstate text, OUT column_name text, OUT message text,
                                   OUT event jsonb, OUT unknown jsonb)
    LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_try_event(text, bytea, boolean) IS
    'What a consumer would make of a JSON message of the kind: the event as it understands it, or what is wrong with it; keep_unknown as for topics that keep fields which the kind does not have. References to other tables are not looked at';

-- HL7

CREATE TYPE hospital.hl7_message AS (
    kind       text,
    event_id   uuid,
    event_time timestamptz,
    message    text
);
COMMENT ON TYPE hospital.hl7_message IS 'A record as an HL7 v2.5.1 ADT message';

CREATE FUNCTION hospital_generate_hl7(day date, seed bigint DEFAULT 42, people bigint DEFAULT 5000000,
                                      beds int DEFAULT 1100, start_date date DEFAULT '2020-01-01',
                                      transfers int DEFAULT 15, id_mode text DEFAULT 'realistic',
                                      simulation text DEFAULT 'hospital')
    RETURNS SETOF hospital.hl7_message
    LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE
    ROWS 2800 SUPPORT hospital_rowsource_support
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_generate_hl7(date, bigint, bigint, int, date, int, text, text) IS
    'The admissions, status updates and transfers of one hospital day as HL7 v2.5.1 ADT messages, as topic adt has them; segments end with a carriage return';

CREATE FUNCTION hospital_try_hl7(payload bytea, OUT ok boolean, OUT kind text, OUT sqlstate text,
                                 OUT column_name text, OUT message text, OUT event jsonb)
    LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_try_hl7(bytea) IS
    'What the consumer makes of an HL7 message: the record as a JSON event, or why it is none';

-- control of partitions
--
-- Each of these takes the partition for itself until its transaction ends; a
-- consumer shares it for as long as a batch goes in. So a call waits for a batch
-- that is on its way, and no batch goes in between a decision and its commit.

CREATE FUNCTION hospital_stream_key(topic text, partition int) RETURNS int
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_stream_key(text, int) IS
    'Second key of the advisory lock on a partition, whose first is 1752134512';

CREATE FUNCTION hospital_wake_consumers() RETURNS void
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_wake_consumers() IS
    'Part of hospital_seek and its kin: let the consumers look at their partitions again, at commit';

CREATE FUNCTION hospital_hold_partition(topic text, partition int,
        OUT epoch bigint, OUT next_offset bigint, OUT read_to bigint, OUT state text, OUT sqlstate text,
        OUT log_begin bigint, OUT log_end bigint)
    RETURNS record
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $hold$
#variable_conflict use_column
BEGIN
    IF to_regclass('hospital.stream_partitions') IS NULL THEN
        RAISE EXCEPTION 'this database has no hospital'
            USING ERRCODE = 'undefined_table', HINT = 'CALL hospital_create() makes one.';
    END IF;
    IF $1 IS NULL OR $2 IS NULL THEN
        RAISE EXCEPTION 'topic and partition must not be null'
            USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM pg_advisory_xact_lock(1752134512, @extschema@.hospital_stream_key($1, $2));
    SELECT p.epoch, coalesce(r.last_offset + 1, p.start_offset), p.read_to, p.state, p.sqlstate, p.log_begin, p.log_end
    INTO epoch, next_offset, read_to, state, sqlstate, log_begin, log_end
    FROM hospital.stream_partitions p
    LEFT JOIN LATERAL (SELECT r.last_offset FROM hospital.stream_ranges r
                       WHERE r.topic = p.topic AND r.partition = p.partition AND r.epoch = p.epoch
                       ORDER BY r.first_offset DESC LIMIT 1) r ON true
    WHERE p.topic = $1 AND p.partition = $2;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'unknown partition % of topic "%"', $2, $1
            USING ERRCODE = 'undefined_object',
                  DETAIL = 'No consumer of this hospital has met it yet.',
                  HINT = 'hospital.stream_lag shows the partitions that there are.';
    END IF;
END
$hold$;
COMMENT ON FUNCTION hospital_hold_partition(text, int) IS
    'Part of hospital_seek and its kin: hold a partition against consumers until the transaction ends, and say where it is';

CREATE FUNCTION hospital_meant_partitions(topic text, partition int) RETURNS SETOF int
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $meant$
BEGIN
    IF $1 IS NULL OR $2 IS NOT NULL OR to_regclass('hospital.stream_partitions') IS NULL THEN
        RETURN NEXT $2;     -- hospital_hold_partition says what is wrong with it
        RETURN;
    END IF;
    RETURN QUERY SELECT p.partition FROM hospital.stream_partitions p WHERE p.topic = $1 ORDER BY p.partition;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'unknown topic "%"', $1
            USING ERRCODE = 'undefined_object',
                  DETAIL = 'No consumer of this hospital has met it yet.',
                  HINT = 'hospital.stream_lag shows the topics that there are.';
    END IF;
END
$meant$;
COMMENT ON FUNCTION hospital_meant_partitions(text, int) IS
    'Part of hospital_pause and hospital_resume: the partition, or all of a topic, in the order in which consumers share them';

CREATE FUNCTION hospital_change_partition(topic text, partition int, action text, state text,
        new_epoch boolean, from_offset bigint, to_offset bigint, reason text)
    RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $change$
#variable_conflict use_column
DECLARE
    now_epoch bigint;
BEGIN
    UPDATE hospital.stream_partitions p
    SET epoch = p.epoch + CASE WHEN $5 THEN 1 ELSE 0 END,
        start_offset = CASE WHEN $5 THEN $7 ELSE p.start_offset END,
        read_to = CASE WHEN $5 THEN NULL ELSE p.read_to END,
        state = $4, reason = CASE WHEN $4 = 'running' THEN NULL ELSE $8 END, sqlstate = NULL,
        log_begin = NULL, log_end = NULL, changed_at = now(), changed_by = session_user
    WHERE p.topic = $1 AND p.partition = $2
    RETURNING p.epoch INTO STRICT now_epoch;
    INSERT INTO hospital.stream_actions (action, topic, partition, epoch, from_offset, to_offset, reason)
    VALUES ($3, $1, $2, now_epoch, $6, $7, $8);
    PERFORM @extschema@.hospital_wake_consumers();
END
$change$;
COMMENT ON FUNCTION hospital_change_partition(text, int, text, text, boolean, bigint, bigint, text) IS
    'Part of hospital_seek and its kin: change a partition, record that, tell the consumers at commit';

CREATE FUNCTION hospital_seek(topic text, partition int, "offset" bigint, reason text DEFAULT NULL)
    RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $seek$
#variable_conflict use_column
DECLARE
    held record;
BEGIN
    SELECT * INTO STRICT held FROM @extschema@.hospital_hold_partition($1, $2);
    PERFORM @extschema@.hospital_change_partition($1, $2, 'seek', 'running', true, held.next_offset,
                                                  CASE WHEN $3 >= 0 THEN $3 END, $4);
END
$seek$;
COMMENT ON FUNCTION hospital_seek(text, int, bigint, text) IS
    'Read a partition from an offset on, in a new epoch, whatever its state was; a negative or null offset means the first message that the log has. Events that are in the tables count as duplicates';

CREATE FUNCTION hospital_pause(topic text, partition int DEFAULT NULL, reason text DEFAULT NULL)
    RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $pause$
#variable_conflict use_column
DECLARE
    each int;
    held record;
BEGIN
    FOR each IN SELECT * FROM @extschema@.hospital_meant_partitions($1, $2) LOOP
        SELECT * INTO STRICT held FROM @extschema@.hospital_hold_partition($1, each);
        IF held.state = 'running' THEN
            PERFORM @extschema@.hospital_change_partition($1, each, 'pause', 'paused', false, held.next_offset,
                                                          held.next_offset, $3);
        ELSIF held.state = 'stopped' AND $2 IS NOT NULL THEN
            RAISE EXCEPTION 'partition % of topic "%" is stopped already', each, $1
                USING ERRCODE = 'object_not_in_prerequisite_state',
                      DETAIL = 'hospital.stream_partitions says why.',
                      HINT = 'It reads nothing until hospital_accept_gap, hospital_seek or hospital_resume is called for it.';
        END IF;
    END LOOP;
END
$pause$;
COMMENT ON FUNCTION hospital_pause(text, int, text) IS
    'Take in nothing more from a partition, or from all running ones of a topic, until hospital_resume';

CREATE FUNCTION hospital_resume(topic text, partition int DEFAULT NULL)
    RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $resume$
#variable_conflict use_column
DECLARE
    each int;
    held record;
BEGIN
    FOR each IN SELECT * FROM @extschema@.hospital_meant_partitions($1, $2) LOOP
        SELECT * INTO STRICT held FROM @extschema@.hospital_hold_partition($1, each);
        IF held.state <> 'running' THEN
            PERFORM @extschema@.hospital_change_partition($1, each, 'resume', 'running', false, held.next_offset,
                                                          held.next_offset, NULL);
        END IF;
    END LOOP;
END
$resume$;
COMMENT ON FUNCTION hospital_resume(text, int) IS
    'Go on with a paused partition, or try a stopped one again, from where it is; with all of a topic when no partition is given. It stops again if what stopped it is still so';

CREATE FUNCTION hospital_accept_gap(topic text, partition int, upto bigint DEFAULT NULL, reason text DEFAULT NULL)
    RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $accept$
#variable_conflict use_column
DECLARE
    held     record;
    begin_at bigint;        -- the next offset
    given_up bigint;        -- the first one given up
    go_on_at bigint;        -- the first one that is not
BEGIN
    SELECT * INTO STRICT held FROM @extschema@.hospital_hold_partition($1, $2);
    IF held.state <> 'stopped' THEN
        RAISE EXCEPTION 'partition % of topic "%" is not stopped', $2, $1
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = format('It is %s: there is no gap to accept.', held.state),
                  HINT = 'hospital_seek goes to an offset whatever the state is.';
    END IF;
    IF held.sqlstate = 'HS002' OR held.next_offset > held.log_end THEN
        IF $3 IS NOT NULL THEN
            RAISE EXCEPTION 'partition % of topic "%" has another log now', $2, $1
                USING ERRCODE = 'invalid_parameter_value',
                      DETAIL = 'Its offsets have nothing to do with the former ones.',
                      HINT = 'Leave out upto to read it from its beginning, or use hospital_seek.';
        END IF;
        PERFORM @extschema@.hospital_change_partition($1, $2, 'accept gap', 'running', true, held.next_offset,
                                                      NULL, $4);
        RETURN;
    END IF;

    -- where nothing was read yet, the log's beginning is the position
    begin_at := coalesce(held.next_offset, held.log_begin, 0);
    go_on_at := coalesce($3, CASE WHEN held.log_begin > begin_at THEN held.log_begin END);
    IF go_on_at IS NULL THEN
        RAISE EXCEPTION 'nothing says how far to go on in partition % of topic "%"', $2, $1
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = format('It is stopped before offset %s.', begin_at),
                  HINT = format('Give that message up with upto => %s, or let it be tried again with hospital_resume.', begin_at + 1);
    END IF;
    IF go_on_at <= begin_at THEN
        RAISE EXCEPTION 'upto must be greater than %', begin_at
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = format('%s is the next offset of the partition.', begin_at),
                  HINT = 'upto is the first offset that is to be read again. hospital_seek goes back.';
    END IF;
    -- what was read, and had no message, is not given up
    given_up := greatest(begin_at, least(coalesce(held.read_to, begin_at), go_on_at));
    INSERT INTO hospital.stream_ranges (topic, partition, epoch, first_offset, last_offset, messages, rows, rejects,
                                        duplicates, lost, worker_pid)
    SELECT $1, $2, held.epoch, r.first, r.until - 1, 0, 0, 0, 0, r.lost, pg_backend_pid()
    FROM (VALUES (begin_at, given_up, 0), (given_up, go_on_at, go_on_at - given_up)) r (first, until, lost)
    WHERE r.first < r.until;
    PERFORM @extschema@.hospital_change_partition($1, $2, 'accept gap', 'running', false, begin_at, go_on_at, $4);
END
$accept$;
COMMENT ON FUNCTION hospital_accept_gap(text, int, bigint, text) IS
    'Let a stopped partition go on without what it stopped for: up to the first offset that the log has, or upto, what is given up is a range of hospital.stream_ranges; a topic made anew is read from its beginning, in a new epoch';

-- what consumers show of themselves

CREATE FUNCTION hospital_stream_positions(
        OUT database text, OUT worker text, OUT topic text, OUT partition int, OUT next_offset bigint, OUT log_end bigint,
        OUT last_message_at timestamptz, OUT rate double precision, OUT state text, OUT last_error text)
    RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE ROWS 8
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_stream_positions() IS
    'Where the consumers are in their partitions, as hospital.stream_lag shows it; other databases'' and errors for pg_monitor alone';

CREATE FUNCTION hospital_stream_workers(
        OUT database text, OUT worker text, OUT pid int, OUT batches bigint, OUT messages bigint, OUT rows bigint,
        OUT rejects bigint, OUT duplicates bigint, OUT bytes bigint)
    RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE ROWS 4
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_stream_workers() IS
    'What hospital.stream_workers shows; other databases'' consumers for pg_monitor alone';

CREATE FUNCTION hospital_stream_stages(
        OUT database text, OUT worker text, OUT stage text, OUT count bigint,
        OUT p50_ms double precision, OUT p99_ms double precision, OUT max_ms double precision,
        OUT total_ms double precision)
    RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT PARALLEL SAFE ROWS 24
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_stream_stages() IS
    'What hospital.stream_stages shows; other databases'' consumers for pg_monitor alone';

CREATE VIEW hospital.stream_workers AS
    SELECT s.database, s.worker, s.pid, s.batches, s.messages, s.rows, s.rejects, s.duplicates, s.bytes
      FROM @extschema@.hospital_stream_workers() s
     ORDER BY s.database, s.worker;
COMMENT ON VIEW hospital.stream_workers IS 'What each consumer has taken in since it started';
COMMENT ON COLUMN hospital.stream_workers.database IS 'Database it serves';
COMMENT ON COLUMN hospital.stream_workers.worker IS 'The consumer, as in hospital.status';
COMMENT ON COLUMN hospital.stream_workers.pid IS 'Its process';
COMMENT ON COLUMN hospital.stream_workers.batches IS 'Batches committed';
COMMENT ON COLUMN hospital.stream_workers.messages IS 'Messages in them';
COMMENT ON COLUMN hospital.stream_workers.rows IS 'Messages that became or completed rows';
COMMENT ON COLUMN hospital.stream_workers.rejects IS 'Messages that became rejects';
COMMENT ON COLUMN hospital.stream_workers.duplicates IS 'Messages whose event was there already';
COMMENT ON COLUMN hospital.stream_workers.bytes IS 'Bytes of the messages';

CREATE VIEW hospital.stream_stages AS
    SELECT s.database, s.worker, s.stage, s.count, s.p50_ms, s.p99_ms, s.max_ms
      FROM @extschema@.hospital_stream_stages() s
     ORDER BY s.database, s.worker, pg_catalog.array_position(ARRAY['fetch', 'parse', 'write', 'commit', 'visible', 'lake'], s.stage);
COMMENT ON VIEW hospital.stream_stages IS 'How long each consumer''s stages have taken since it started: medians and 99th percentiles to 7 percent';
COMMENT ON COLUMN hospital.stream_stages.database IS 'Database it serves';
COMMENT ON COLUMN hospital.stream_stages.worker IS 'The consumer, as in hospital.status';
COMMENT ON COLUMN hospital.stream_stages.stage IS 'fetch, parse, write, commit and lake of a batch; visible: of a message, from the broker''s timestamp to the commit';
COMMENT ON COLUMN hospital.stream_stages.count IS 'Batches, or messages';
COMMENT ON COLUMN hospital.stream_stages.p50_ms IS 'Half of them took no longer, in milliseconds';
COMMENT ON COLUMN hospital.stream_stages.p99_ms IS '99 of 100 took no longer';
COMMENT ON COLUMN hospital.stream_stages.max_ms IS 'The longest, exactly';

-- the audit

CREATE FUNCTION hospital_audit_stream()
    RETURNS TABLE (check_name text, topic text, partition int, expected bigint, found bigint, ok boolean)
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE ROWS 32
    SET search_path = pg_catalog, pg_temp
    SET jit = off
    SET work_mem = '64MB'
AS $audit$
#variable_conflict use_column
DECLARE
    a_kind record;
BEGIN
    IF to_regclass('hospital.stream_ranges') IS NULL THEN
        RAISE EXCEPTION 'this database has no hospital'
            USING ERRCODE = 'undefined_table', HINT = 'CALL hospital_create() makes one.';
    END IF;

    -- STABLE: all of this sees one snapshot, the caller's.
    RETURN QUERY
    WITH ranges AS (
        SELECT r.topic, r.partition, r.epoch, r.first_offset, r.last_offset, r.rejects,
               lag(r.last_offset) OVER (PARTITION BY r.topic, r.partition, r.epoch ORDER BY r.first_offset) AS before,
               r.messages = r.rows + r.rejects + r.duplicates AND least(r.rows, r.rejects, r.duplicates) >= 0
               AND r.messages <= r.last_offset - r.first_offset + 1
               AND (r.lost = 0 OR r.messages = 0 AND r.lost = r.last_offset - r.first_offset + 1) AS adds_up
        FROM hospital.stream_ranges r
    ), rejects AS (
        SELECT j.topic, j.partition, j.epoch, j.range AS first_offset, count(*) AS rows,
               count(DISTINCT j."offset") AS offsets, max(j."offset") AS last_offset
        FROM (SELECT j.topic, j.partition, j.epoch, j."offset",
                     (SELECT r.first_offset FROM hospital.stream_ranges r
                      WHERE r.topic = j.topic AND r.partition = j.partition AND r.epoch = j.epoch
                        AND r.first_offset <= j."offset" ORDER BY r.first_offset DESC LIMIT 1) AS range
              FROM hospital.rejects j WHERE j.topic IS NOT NULL) j
        GROUP BY j.topic, j.partition, j.epoch, j.range
    ), ledger AS (
        SELECT topic, partition, count(r.before) AS followers,
               count(*) FILTER (WHERE r.first_offset = r.before + 1) AS chained,
               count(r.last_offset) AS ranges, count(*) FILTER (WHERE r.adds_up) AS add_up,
               coalesce(sum(r.rejects), 0)::bigint AS rejects, coalesce(sum(j.rows), 0)::bigint AS reject_rows,
               count(*) FILTER (WHERE r.rejects > 0 OR j.rows > 0) AS with_rejects,
               count(*) FILTER (WHERE r.rejects > 0 AND r.rejects = j.rows AND j.rows = j.offsets
                                  AND j.last_offset <= r.last_offset) AS with_right_rejects,
               count(DISTINCT r.epoch) AS epochs
        FROM ranges r FULL JOIN rejects j USING (topic, partition, epoch, first_offset)
        GROUP BY topic, partition
    ), known AS (
        SELECT l.topic, l.partition, l.epochs,
               (SELECT count(DISTINCT r.epoch) FROM ranges r
                WHERE r.topic = l.topic AND r.partition = l.partition AND r.epoch <= p.epoch) AS found,
               p.start_offset,
               (SELECT min(r.first_offset) FROM ranges r
                WHERE r.topic = l.topic AND r.partition = l.partition AND r.epoch = p.epoch) AS first_offset
        FROM ledger l LEFT JOIN hospital.stream_partitions p ON p.topic = l.topic AND p.partition = l.partition
    )
    SELECT c.check_name, c.topic, c.partition, c.expected, c.found, c.expected = c.found
    FROM (SELECT l.topic, l.partition, n.number, n.check_name, n.expected, n.found
          FROM ledger l
          CROSS JOIN LATERAL (VALUES (1, 'ranges chain', l.followers, l.chained),
                                     (2, 'ranges add up', l.ranges, l.add_up),
                                     (3, 'rejects', l.rejects, l.reject_rows),
                                     (4, 'ranges with their rejects', l.with_rejects, l.with_right_rejects))
              n (number, check_name, expected, found)
          UNION ALL
          SELECT k.topic, k.partition, 5, 'epochs known', k.epochs, k.found FROM known k
          UNION ALL
          SELECT k.topic, k.partition, 6, 'epoch begins', k.start_offset, k.first_offset FROM known k
          WHERE k.start_offset IS NOT NULL AND k.first_offset IS NOT NULL) c
    ORDER BY c.topic, c.partition, c.number;

    -- Rows of the stream and of files are all there is. Not so where a message or a line may
    -- complete a row, where a topic brings several kinds, and where an undone file has left
    -- rows that the stream has as well: nothing says how many.
    FOR a_kind IN
        SELECT DISTINCT c.kind, c.table_name FROM @extschema@.hospital_record_columns() c
        WHERE c.merge <> 'completes' AND c.kind IN (SELECT t.kind FROM hospital.stream_topics t)
          AND NOT (c.kind IN ('transfers', 'status_updates') AND EXISTS (
                       SELECT FROM hospital.stream_ranges r JOIN hospital.stream_topics t ON t.topic = r.topic
                       WHERE t.kind = 'adt'))
          AND NOT EXISTS (SELECT FROM hospital.batches b JOIN hospital.published p ON p.day = b.day AND p.kind = b.kind
                          WHERE b.kind = c.kind AND b.state = 'undone')
        ORDER BY c.kind
    LOOP
        RETURN QUERY EXECUTE format($sql$
SELECT 'rows of ' || $1, NULL::text, NULL::int, e.rows, f.rows, e.rows = f.rows
FROM (SELECT (SELECT coalesce(sum(r.rows), 0) FROM hospital.stream_ranges r
              JOIN hospital.stream_topics t ON t.topic = r.topic WHERE t.kind = $1)::bigint
           + (SELECT count(*) FROM hospital.rejects j JOIN hospital.stream_topics t ON t.topic = j.topic
              WHERE t.kind = $1 AND j.resolved_by = 'retry')
           + (SELECT coalesce(sum(b.rows - b.merged), 0) FROM hospital.batches b
              WHERE b.kind = $1 AND b.state = 'ingested')::bigint AS rows) e,
     (SELECT count(*) AS rows FROM hospital.%I) f$sql$, a_kind.table_name) USING a_kind.kind;
    END LOOP;
END
$audit$;
COMMENT ON FUNCTION hospital_audit_stream() IS
    'Prove the ledger of the stream in one snapshot, while events come in: the ranges of a partition follow each other, each message of theirs is a row, a duplicate or a reject that is there, and the tables have the rows of files and stream and no other; a line a check and partition';

REVOKE ALL ON FUNCTION hospital_wake_consumers(), hospital_hold_partition(text, int), hospital_meant_partitions(text, int),
    hospital_change_partition(text, int, text, text, boolean, bigint, bigint, text),
    hospital_seek(text, int, bigint, text), hospital_pause(text, int, text), hospital_resume(text, int),
    hospital_accept_gap(text, int, bigint, text), hospital_audit_stream(),
    hospital_stream_workers(), hospital_stream_stages() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION hospital_stream_workers(), hospital_stream_stages() TO pg_monitor;
GRANT SELECT ON hospital.stream_workers, hospital.stream_stages TO pg_monitor;

-- ==== end of stream =======================================================

-- ==== reference tables ====================================================

CREATE FUNCTION hospital_reference(table_name text) RETURNS SETOF text[]
    LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_reference(text) IS
    'Rows of one of the compiled-in reference tables, as text; an empty field is null';

CREATE FUNCTION hospital_reference_columns(table_name text) RETURNS text[]
    LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_reference_columns(text) IS
    'Names of the columns that hospital_reference gives';

-- The tables belong to the extension: a dump leaves them out, and CREATE
-- EXTENSION fills them again from what was compiled in.
--
-- The operators below are exact for their operands' types (0.0 beside numeric):
-- nobody's operator in the extension's schema can come before pg_catalog's.

-- ---- people ----

CREATE TABLE hospital.population_gauteng (
    age_band        text    NOT NULL,
    age_min         int     NOT NULL,
    age_max         int     NOT NULL,
    sex             text    NOT NULL CHECK (sex IN ('F', 'M')),
    population_2020 int     NOT NULL,
    share           numeric NOT NULL CHECK (share BETWEEN 0.0 AND 1.0),
    jhb_share       numeric NOT NULL,
    PRIMARY KEY (age_band, sex),
    CHECK (age_min <= age_max)
);
COMMENT ON TABLE hospital.population_gauteng IS
    'Age and sex pyramid: what share of the people is of which age band and sex. High confidence: Statistics South Africa, provincial projection 2020; the Johannesburg column is of its Community Survey 2016';
COMMENT ON COLUMN hospital.population_gauteng.age_band IS 'Five-year band, such as 0-4; the last is 80+';
COMMENT ON COLUMN hospital.population_gauteng.age_min IS 'Youngest age of the band, in completed years';
COMMENT ON COLUMN hospital.population_gauteng.age_max IS 'Oldest age of the band, in completed years; 80+ ends at 104';
COMMENT ON COLUMN hospital.population_gauteng.sex IS 'F or M';
COMMENT ON COLUMN hospital.population_gauteng.population_2020 IS 'People in Gauteng in the middle of 2020';
COMMENT ON COLUMN hospital.population_gauteng.share IS 'Share of all people; sums to 1. The generators follow this one';
COMMENT ON COLUMN hospital.population_gauteng.jhb_share IS 'The same for the city of Johannesburg by the survey of 2016; sums to 1, for comparison';

CREATE TABLE hospital.household_types (
    type            text NOT NULL,
    heads           int  NOT NULL CHECK (heads IN (1, 2)),
    elders          int  NOT NULL,
    adult_relatives int  NOT NULL,
    sharers         int  NOT NULL,
    minors          int  NOT NULL,
    weight          int  NOT NULL CHECK (weight > 0),
    PRIMARY KEY (type, heads, elders, adult_relatives, sharers, minors)
);
COMMENT ON TABLE hospital.household_types IS
    'Kinds of household by who lives in them. Low confidence: weights estimated, so that a household has about 2.9 people on average and 27 percent are of one person';
COMMENT ON COLUMN hospital.household_types.type IS 'Kind: single, couple, couple_children, single_parent, skip_generation, three_generation, adult_children or sharers';
COMMENT ON COLUMN hospital.household_types.heads IS 'Heads: one adult or a couple';
COMMENT ON COLUMN hospital.household_types.elders IS 'Parents of a head';
COMMENT ON COLUMN hospital.household_types.adult_relatives IS 'Grown children or, where there are elders, brothers and sisters of a head';
COMMENT ON COLUMN hospital.household_types.sharers IS 'Flatmates';
COMMENT ON COLUMN hospital.household_types.minors IS 'Members below 20 years of age';
COMMENT ON COLUMN hospital.household_types.weight IS 'How frequent, relative to the other rows';

CREATE TABLE hospital.language_group (
    language          text    NOT NULL,
    iso639_3          text    NOT NULL,
    population_group  text    NOT NULL CHECK (population_group IN ('Black African', 'Coloured', 'Indian or Asian', 'White')),
    share             numeric NOT NULL CHECK (share BETWEEN 0.0 AND 1.0),
    name_pool         text    NOT NULL,
    non_citizen_share numeric NOT NULL CHECK (non_citizen_share BETWEEN 0.0 AND 1.0),
    foreign_name_pool text    NOT NULL,
    PRIMARY KEY (language, population_group)
);
COMMENT ON TABLE hospital.language_group IS
    'Home language by population group. The totals of languages, groups and non-citizens have high confidence (Community Survey 2016, Johannesburg); the single cells are fitted to them and have low confidence';
COMMENT ON COLUMN hospital.language_group.language IS 'Home language';
COMMENT ON COLUMN hospital.language_group.iso639_3 IS 'Three-letter ISO 639-3 code; that of one of them where a row stands for several languages';
COMMENT ON COLUMN hospital.language_group.population_group IS 'Population group as in the census';
COMMENT ON COLUMN hospital.language_group.share IS 'Share of all people; sums to 1';
COMMENT ON COLUMN hospital.language_group.name_pool IS 'Pool of citizens'' names, as in name_mix and surname_mix';
COMMENT ON COLUMN hospital.language_group.non_citizen_share IS 'Share of these people who are not South African citizens';
COMMENT ON COLUMN hospital.language_group.foreign_name_pool IS 'Pool of non-citizens'' names and countries, as in name_mix, surname_mix and nationality_mix';

CREATE TABLE hospital.name_mix (
    name_pool       text    NOT NULL,
    first_name_pool text    NOT NULL,
    probability     numeric NOT NULL CHECK (probability BETWEEN 0.0 AND 1.0),
    PRIMARY KEY (name_pool, first_name_pool)
);
COMMENT ON TABLE hospital.name_mix IS
    'From which lists a name pool draws first names. Low confidence: estimated';
COMMENT ON COLUMN hospital.name_mix.name_pool IS 'Pool, as in language_group';
COMMENT ON COLUMN hospital.name_mix.first_name_pool IS 'List of names, as in names_first.language';
COMMENT ON COLUMN hospital.name_mix.probability IS 'Probability of the list; sums to 1 per pool';

CREATE TABLE hospital.surname_mix (
    name_pool    text    NOT NULL,
    surname_pool text    NOT NULL,
    probability  numeric NOT NULL CHECK (probability BETWEEN 0.0 AND 1.0),
    PRIMARY KEY (name_pool, surname_pool)
);
COMMENT ON TABLE hospital.surname_mix IS
    'From which lists a name pool draws surnames. Low confidence: estimated';
COMMENT ON COLUMN hospital.surname_mix.name_pool IS 'Pool, as in language_group';
COMMENT ON COLUMN hospital.surname_mix.surname_pool IS 'List of names, as in names_last.language';
COMMENT ON COLUMN hospital.surname_mix.probability IS 'Probability of the list; sums to 1 per pool';

CREATE TABLE hospital.names_first (
    language text NOT NULL,
    sex      text NOT NULL CHECK (sex IN ('F', 'M')),
    name     text NOT NULL,
    weight   int  NOT NULL CHECK (weight > 0),
    era      text NOT NULL CHECK (era IN ('any', 'old', 'new')),
    PRIMARY KEY (language, sex, name)
);
COMMENT ON TABLE hospital.names_first IS
    'First names. The names are real first names and good; their weights have low confidence';
COMMENT ON COLUMN hospital.names_first.language IS 'List the name is in: a language or an origin';
COMMENT ON COLUMN hospital.names_first.sex IS 'F or M';
COMMENT ON COLUMN hospital.names_first.name IS 'First name';
COMMENT ON COLUMN hospital.names_first.weight IS 'How frequent, relative to the other names of the list and sex';
COMMENT ON COLUMN hospital.names_first.era IS 'When it was in fashion: old counts 3 times for births before 1980 and 0.2 times from 1996, new 3 times from 2000 and 0.1 times before 1990';

CREATE TABLE hospital.names_last (
    language text NOT NULL,
    name     text NOT NULL,
    weight   int  NOT NULL CHECK (weight > 0),
    PRIMARY KEY (language, name)
);
COMMENT ON TABLE hospital.names_last IS
    'Surnames. The names are good; the weights have low confidence, only the commonest follow recorded live births (Statistics South Africa), and the lists are short, so that namesakes are more frequent than in life';
COMMENT ON COLUMN hospital.names_last.language IS 'List the name is in: a language or an origin';
COMMENT ON COLUMN hospital.names_last.name IS 'Surname';
COMMENT ON COLUMN hospital.names_last.weight IS 'How frequent, relative to the other names of the list';

CREATE TABLE hospital.nationalities (
    country  text NOT NULL,
    alpha2   text PRIMARY KEY,
    alpha3   text NOT NULL UNIQUE,
    passport text NOT NULL
);
COMMENT ON TABLE hospital.nationalities IS
    'Countries people come from. The codes have high confidence (ISO 3166-1); the passport forms are estimated, and widened so that every country can number 67,108,864 people';
COMMENT ON COLUMN hospital.nationalities.country IS 'Country';
COMMENT ON COLUMN hospital.nationalities.alpha2 IS 'Two-letter code';
COMMENT ON COLUMN hospital.nationalities.alpha3 IS 'Three-letter code';
COMMENT ON COLUMN hospital.nationalities.passport IS 'Form of a passport number: @ is a letter, # a digit, (ABC) one of those, other capitals and digits themselves';

CREATE TABLE hospital.nationality_mix (
    name_pool   text    NOT NULL,
    alpha2      text    NOT NULL REFERENCES hospital.nationalities,
    probability numeric NOT NULL CHECK (probability BETWEEN 0.0 AND 1.0),
    PRIMARY KEY (name_pool, alpha2)
);
COMMENT ON TABLE hospital.nationality_mix IS
    'Which countries the non-citizens of a name pool come from. Low confidence: estimated';
COMMENT ON COLUMN hospital.nationality_mix.name_pool IS 'Pool, as in language_group';
COMMENT ON COLUMN hospital.nationality_mix.alpha2 IS 'Country';
COMMENT ON COLUMN hospital.nationality_mix.probability IS 'Probability of the country; sums to 1 per pool';

CREATE TABLE hospital.suburbs (
    suburb           text    PRIMARY KEY,
    region           text    NOT NULL CHECK (region IN ('A', 'B', 'C', 'D', 'E', 'F', 'G')),
    postal_code      text    NOT NULL,
    lat              numeric NOT NULL,
    lon              numeric NOT NULL,
    population_share numeric NOT NULL CHECK (population_share BETWEEN 0.0 AND 1.0),
    uninsured_share  numeric NOT NULL CHECK (uninsured_share BETWEEN 0.0 AND 1.0),
    kind             text    NOT NULL CHECK (kind IN ('township', 'informal', 'inner_city', 'suburb')),
    black_african    int     NOT NULL,
    coloured         int     NOT NULL,
    indian_or_asian  int     NOT NULL,
    white            int     NOT NULL
);
COMMENT ON TABLE hospital.suburbs IS
    'Suburbs of Johannesburg. Regions have high confidence (Municipal Demarcation Board), as have the postal codes found in the Post Office''s list; how people spread over the suburbs of a region is estimated';
COMMENT ON COLUMN hospital.suburbs.suburb IS 'Suburb';
COMMENT ON COLUMN hospital.suburbs.region IS 'Region of the city, A to G';
COMMENT ON COLUMN hospital.suburbs.postal_code IS 'Street postal code, four digits';
COMMENT ON COLUMN hospital.suburbs.lat IS 'Latitude in degrees, negative in the south; approximate';
COMMENT ON COLUMN hospital.suburbs.lon IS 'Longitude in degrees, positive in the east; approximate';
COMMENT ON COLUMN hospital.suburbs.population_share IS 'Share of the city''s people; sums to 1';
COMMENT ON COLUMN hospital.suburbs.uninsured_share IS 'Share without a medical scheme, who use public hospitals';
COMMENT ON COLUMN hospital.suburbs.kind IS 'Kind of settlement: township, informal, inner_city or suburb';
COMMENT ON COLUMN hospital.suburbs.black_african IS 'How likely Black African people are to live there, relative to the likeliest group (1000)';
COMMENT ON COLUMN hospital.suburbs.coloured IS 'The same for Coloured people';
COMMENT ON COLUMN hospital.suburbs.indian_or_asian IS 'The same for Indian or Asian people';
COMMENT ON COLUMN hospital.suburbs.white IS 'The same for White people';

CREATE TABLE hospital.streets (
    kind   text NOT NULL CHECK (kind IN ('township', 'informal', 'inner_city', 'suburb')),
    street text NOT NULL,
    weight int  NOT NULL CHECK (weight > 0),
    PRIMARY KEY (kind, street)
);
COMMENT ON TABLE hospital.streets IS
    'Street names by kind of settlement; not matched to suburbs. Low confidence: plausible inventions. In an informal settlement it is a section, zone, block or extension';
COMMENT ON COLUMN hospital.streets.kind IS 'Kind of settlement, as in suburbs';
COMMENT ON COLUMN hospital.streets.street IS 'Name';
COMMENT ON COLUMN hospital.streets.weight IS 'How frequent, relative to the other streets of the kind';

CREATE TABLE hospital.phone_prefixes (
    prefix   text    PRIMARY KEY,
    operator text    NOT NULL,
    share    numeric NOT NULL CHECK (share BETWEEN 0.0 AND 1.0)
);
COMMENT ON TABLE hospital.phone_prefixes IS
    'Prefixes of mobile numbers. High confidence in prefix and operator (libphonenumber), low in the shares';
COMMENT ON COLUMN hospital.phone_prefixes.prefix IS 'First digits of the number, as dialled within the country';
COMMENT ON COLUMN hospital.phone_prefixes.operator IS 'Network the prefix was given to';
COMMENT ON COLUMN hospital.phone_prefixes.share IS 'Share of the numbers; sums to 1';

-- ---- the hospital ----

CREATE TABLE hospital.department_plan (
    department_code       text    PRIMARY KEY,
    name                  text    NOT NULL UNIQUE,
    dept_group            text    NOT NULL,
    ward_count            int     NOT NULL,
    beds                  int     NOT NULL CHECK (beds > 0),
    level_of_care         int     NOT NULL CHECK (level_of_care BETWEEN 1 AND 3),
    target_occupancy      numeric NOT NULL CHECK (target_occupancy BETWEEN 0.0 AND 1.0),
    annual_admissions     int     NOT NULL,
    mean_los_days         numeric NOT NULL,
    mortality             numeric NOT NULL CHECK (mortality BETWEEN 0.0 AND 1.0),
    annual_opd_visits     int     NOT NULL,
    annual_ed_only_visits int     NOT NULL
);
COMMENT ON TABLE hospital.department_plan IS
    'Departments of a hospital of 1,100 beds. The total of beds has high confidence (Charlotte Maxeke hospital, 1,066 to 1,088 usable beds); how it is split and all volumes are coherent estimates';
COMMENT ON COLUMN hospital.department_plan.department_code IS 'Code of the department, up to five letters';
COMMENT ON COLUMN hospital.department_plan.name IS 'Name';
COMMENT ON COLUMN hospital.department_plan.dept_group IS 'Group: Emergency, Medicine, Surgery, Maternity, Paediatrics, Critical care, Psychiatry or Rehabilitation';
COMMENT ON COLUMN hospital.department_plan.ward_count IS 'Wards of the department';
COMMENT ON COLUMN hospital.department_plan.beds IS 'Usable beds; the departments sum to 1,100';
COMMENT ON COLUMN hospital.department_plan.level_of_care IS 'Level: 1 district, 2 regional, 3 tertiary';
COMMENT ON COLUMN hospital.department_plan.target_occupancy IS 'Mean share of the beds that are taken';
COMMENT ON COLUMN hospital.department_plan.annual_admissions IS 'Admissions a year by the department of the diagnosis, so that children count here and not with Paediatrics';
COMMENT ON COLUMN hospital.department_plan.mean_los_days IS 'Mean length of stay, in days; 0 where nobody is admitted directly';
COMMENT ON COLUMN hospital.department_plan.mortality IS 'Share of the admissions that end in death';
COMMENT ON COLUMN hospital.department_plan.annual_opd_visits IS 'Outpatient visits a year';
COMMENT ON COLUMN hospital.department_plan.annual_ed_only_visits IS 'Emergency visits a year that end without admission';

CREATE TABLE hospital.ward_plan (
    ward_code                text    PRIMARY KEY,
    name                     text    NOT NULL UNIQUE,
    department_code          text    NOT NULL REFERENCES hospital.department_plan,
    ward_type                text    NOT NULL,
    block                    int     NOT NULL,
    floor_level              int     NOT NULL,
    beds                     int     NOT NULL CHECK (beds > 0),
    sex                      text    NOT NULL CHECK (sex IN ('F', 'M', 'X')),
    age_group                text    NOT NULL CHECK (age_group IN ('neonate', 'child', 'adult', 'all')),
    isolation_beds           int     NOT NULL,
    patients_per_nurse_day   numeric NOT NULL,
    patients_per_nurse_night numeric NOT NULL,
    CHECK (isolation_beds BETWEEN 0 AND beds)
);
COMMENT ON TABLE hospital.ward_plan IS
    'Wards of a hospital of 1,100 beds. The total of beds has high confidence; the wards themselves are estimated, with blocks and floors after Charlotte Maxeke hospital';
COMMENT ON COLUMN hospital.ward_plan.ward_code IS 'Code of the ward';
COMMENT ON COLUMN hospital.ward_plan.name IS 'Name';
COMMENT ON COLUMN hospital.ward_plan.department_code IS 'Department';
COMMENT ON COLUMN hospital.ward_plan.ward_type IS 'Type: general, high_care, icu, isolation, kmc (kangaroo mother care), labour, maternity, psychiatric, short_stay or step_down';
COMMENT ON COLUMN hospital.ward_plan.block IS 'Block of the building, 1 to 5';
COMMENT ON COLUMN hospital.ward_plan.floor_level IS 'Floor';
COMMENT ON COLUMN hospital.ward_plan.beds IS 'Usable beds';
COMMENT ON COLUMN hospital.ward_plan.sex IS 'Whom it takes: F women, M men, X both';
COMMENT ON COLUMN hospital.ward_plan.age_group IS 'Whom it takes: neonate (first 28 days), child (below 13), adult (from 13) or all';
COMMENT ON COLUMN hospital.ward_plan.isolation_beds IS 'Beds in isolation rooms, among the beds';
COMMENT ON COLUMN hospital.ward_plan.patients_per_nurse_day IS 'Patients to a nurse by day';
COMMENT ON COLUMN hospital.ward_plan.patients_per_nurse_night IS 'Patients to a nurse by night';

CREATE TABLE hospital.shifts (
    shift_code  text    PRIMARY KEY,
    start_time  time    NOT NULL,
    end_time    time    NOT NULL,
    hours       numeric NOT NULL CHECK (hours > 0.0),
    description text    NOT NULL
);
COMMENT ON TABLE hospital.shifts IS
    'Working times. Estimated from the practice of the public service';
COMMENT ON COLUMN hospital.shifts.shift_code IS 'Code';
COMMENT ON COLUMN hospital.shifts.start_time IS 'Start, local time';
COMMENT ON COLUMN hospital.shifts.end_time IS 'End, local time; on the next day where it is not after the start, or where hours say so';
COMMENT ON COLUMN hospital.shifts.hours IS 'Length in hours';
COMMENT ON COLUMN hospital.shifts.description IS 'Who works it and how it recurs';

CREATE TABLE hospital.staff_roles (
    role                    text    NOT NULL,
    specialty               text    NOT NULL,
    category                text    NOT NULL CHECK (category IN ('medical', 'nursing', 'allied', 'admin', 'support')),
    department_code         text    REFERENCES hospital.department_plan,
    ward_scope              text    NOT NULL,
    headcount_per_1000_beds int     NOT NULL CHECK (headcount_per_1000_beds > 0),
    registration_body       text    NOT NULL,
    registration_regex      text    NOT NULL,
    shift_code              text    NOT NULL REFERENCES hospital.shifts,
    min_start_age           int     NOT NULL,
    retire_age              int     NOT NULL,
    salary_min_zar          int     NOT NULL,
    salary_max_zar          int     NOT NULL,
    female_share            numeric NOT NULL CHECK (female_share BETWEEN 0.0 AND 1.0),
    PRIMARY KEY (role, specialty),
    CHECK (min_start_age < retire_age),
    CHECK (salary_min_zar <= salary_max_zar)
);
COMMENT ON TABLE hospital.staff_roles IS
    'Filled posts. Totals have high confidence (Charlotte Maxeke hospital; nursing, medical and allied of about 2016, the whole of 2021), salaries medium, the split by specialty low';
COMMENT ON COLUMN hospital.staff_roles.role IS 'Post';
COMMENT ON COLUMN hospital.staff_roles.specialty IS 'Field of the post: a department, or a finer or wider one such as RADI or ALL';
COMMENT ON COLUMN hospital.staff_roles.category IS 'Category: medical, nursing, allied, admin or support';
COMMENT ON COLUMN hospital.staff_roles.department_code IS 'Department of the post; null where it serves the whole hospital';
COMMENT ON COLUMN hospital.staff_roles.ward_scope IS 'Wards it may staff, parts joined by ; of which one must fit: all, any (but intensive care, labour and newborns''), type:T, dept:D, dept:own, none';
COMMENT ON COLUMN hospital.staff_roles.headcount_per_1000_beds IS 'Filled posts per 1,000 beds';
COMMENT ON COLUMN hospital.staff_roles.registration_body IS 'Council the holder is registered with: HPCSA, SANC, SAPC, SACSSP or none';
COMMENT ON COLUMN hospital.staff_roles.registration_regex IS 'Form of the registration number, as a regular expression, or none';
COMMENT ON COLUMN hospital.staff_roles.shift_code IS 'Usual shift';
COMMENT ON COLUMN hospital.staff_roles.min_start_age IS 'Youngest age in the post, in years';
COMMENT ON COLUMN hospital.staff_roles.retire_age IS 'Age of retirement, in years';
COMMENT ON COLUMN hospital.staff_roles.salary_min_zar IS 'Lowest pay, in rand a year of 2024/25';
COMMENT ON COLUMN hospital.staff_roles.salary_max_zar IS 'Highest pay, in rand a year of 2024/25';
COMMENT ON COLUMN hospital.staff_roles.female_share IS 'Share of women among the holders';

-- ---- medicine ----

CREATE TABLE hospital.diagnosis_profile (
    icd10           text    PRIMARY KEY,
    description     text    NOT NULL,
    department_code text    NOT NULL REFERENCES hospital.department_plan,
    stream          text    NOT NULL CHECK (stream IN ('ED', 'ELECTIVE', 'MATERNITY', 'OPD')),
    sex             text    NOT NULL CHECK (sex IN ('B', 'F', 'M')),
    min_age         int     NOT NULL,
    max_age         int     NOT NULL,
    male_share      numeric NOT NULL CHECK (male_share BETWEEN 0.0 AND 1.0),
    adm_lt1         numeric NOT NULL,
    adm_1_4         numeric NOT NULL,
    adm_5_14        numeric NOT NULL,
    adm_15_24       numeric NOT NULL,
    adm_25_44       numeric NOT NULL,
    adm_45_64       numeric NOT NULL,
    adm_65p         numeric NOT NULL,
    adm_total       numeric NOT NULL,
    ed_only_visits  numeric NOT NULL,
    opd_visits      numeric NOT NULL,
    mean_los_days   numeric NOT NULL CHECK (mean_los_days > 0.0),
    los_sd          numeric NOT NULL,
    mortality       numeric NOT NULL CHECK (mortality BETWEEN 0.0 AND 1.0),
    season_profile  text    NOT NULL,
    icu_prob        numeric NOT NULL CHECK (icu_prob BETWEEN 0.0 AND 1.0),
    theatre_prob    numeric NOT NULL CHECK (theatre_prob BETWEEN 0.0 AND 1.0),
    CHECK (min_age <= max_age)
);
COMMENT ON TABLE hospital.diagnosis_profile IS
    'Diagnoses the hospital sees. Codes and titles have high confidence (ICD-10, WHO version of 2019); volumes, stays and mortality are coherent estimates of low confidence';
COMMENT ON COLUMN hospital.diagnosis_profile.icd10 IS 'ICD-10 code';
COMMENT ON COLUMN hospital.diagnosis_profile.description IS 'Its title, without commas';
COMMENT ON COLUMN hospital.diagnosis_profile.department_code IS 'Department that treats it';
COMMENT ON COLUMN hospital.diagnosis_profile.stream IS 'Way in for most who are admitted with it, as in transitions; OPD where hardly anybody is';
COMMENT ON COLUMN hospital.diagnosis_profile.sex IS 'Who can have it: B both sexes, F women, M men';
COMMENT ON COLUMN hospital.diagnosis_profile.min_age IS 'Youngest age, in completed years';
COMMENT ON COLUMN hospital.diagnosis_profile.max_age IS 'Oldest age, in completed years';
COMMENT ON COLUMN hospital.diagnosis_profile.male_share IS 'Share of men among the cases';
COMMENT ON COLUMN hospital.diagnosis_profile.adm_lt1 IS 'Admissions below 1 year of age, per 1,000 beds and year';
COMMENT ON COLUMN hospital.diagnosis_profile.adm_1_4 IS 'The same at 1 to 4 years';
COMMENT ON COLUMN hospital.diagnosis_profile.adm_5_14 IS 'The same at 5 to 14 years';
COMMENT ON COLUMN hospital.diagnosis_profile.adm_15_24 IS 'The same at 15 to 24 years';
COMMENT ON COLUMN hospital.diagnosis_profile.adm_25_44 IS 'The same at 25 to 44 years';
COMMENT ON COLUMN hospital.diagnosis_profile.adm_45_64 IS 'The same at 45 to 64 years';
COMMENT ON COLUMN hospital.diagnosis_profile.adm_65p IS 'The same from 65 years';
COMMENT ON COLUMN hospital.diagnosis_profile.adm_total IS 'Admissions of all ages, per 1,000 beds and year';
COMMENT ON COLUMN hospital.diagnosis_profile.ed_only_visits IS 'Emergency visits without admission, per 1,000 beds and year';
COMMENT ON COLUMN hospital.diagnosis_profile.opd_visits IS 'Outpatient visits, per 1,000 beds and year';
COMMENT ON COLUMN hospital.diagnosis_profile.mean_los_days IS 'Mean length of stay, in days, intensive care included';
COMMENT ON COLUMN hospital.diagnosis_profile.los_sd IS 'Standard deviation of the length of stay, in days';
COMMENT ON COLUMN hospital.diagnosis_profile.mortality IS 'Share of the admissions that end in death';
COMMENT ON COLUMN hospital.diagnosis_profile.season_profile IS 'Course over the year, as in seasonality.profile; covid follows covid_weekly instead';
COMMENT ON COLUMN hospital.diagnosis_profile.icu_prob IS 'Probability of at least one stay in intensive care during the admission';
COMMENT ON COLUMN hospital.diagnosis_profile.theatre_prob IS 'Probability of an operation during the admission';

CREATE TABLE hospital.comorbidities (
    icd10      text    NOT NULL,
    condition  text    NOT NULL,
    sex        text    NOT NULL CHECK (sex IN ('F', 'M')),
    prev_lt1   numeric NOT NULL,
    prev_1_4   numeric NOT NULL,
    prev_5_14  numeric NOT NULL,
    prev_15_24 numeric NOT NULL,
    prev_25_44 numeric NOT NULL,
    prev_45_64 numeric NOT NULL,
    prev_65p   numeric NOT NULL,
    PRIMARY KEY (icd10, sex)
);
COMMENT ON TABLE hospital.comorbidities IS
    'Secondary diagnoses that patients bring with them, by sex and age. Medium confidence in the prevalence among adults, low in the age pattern';
COMMENT ON COLUMN hospital.comorbidities.icd10 IS 'ICD-10 code';
COMMENT ON COLUMN hospital.comorbidities.condition IS 'Condition';
COMMENT ON COLUMN hospital.comorbidities.sex IS 'F or M';
COMMENT ON COLUMN hospital.comorbidities.prev_lt1 IS 'Prevalence below 1 year of age, as a share of 1';
COMMENT ON COLUMN hospital.comorbidities.prev_1_4 IS 'The same at 1 to 4 years';
COMMENT ON COLUMN hospital.comorbidities.prev_5_14 IS 'The same at 5 to 14 years';
COMMENT ON COLUMN hospital.comorbidities.prev_15_24 IS 'The same at 15 to 24 years';
COMMENT ON COLUMN hospital.comorbidities.prev_25_44 IS 'The same at 25 to 44 years';
COMMENT ON COLUMN hospital.comorbidities.prev_45_64 IS 'The same at 45 to 64 years';
COMMENT ON COLUMN hospital.comorbidities.prev_65p IS 'The same from 65 years';

CREATE TABLE hospital.external_causes (
    icd10                  text    PRIMARY KEY,
    description            text    NOT NULL,
    mechanism              text    NOT NULL,
    share_of_injury_visits numeric NOT NULL CHECK (share_of_injury_visits BETWEEN 0.0 AND 1.0),
    male_share             numeric NOT NULL CHECK (male_share BETWEEN 0.0 AND 1.0)
);
COMMENT ON TABLE hospital.external_causes IS
    'External causes (V to Y) that South African coding asks for beside an injury (S, T). Medium confidence: the mix is scaled from the counts of trauma units';
COMMENT ON COLUMN hospital.external_causes.icd10 IS 'ICD-10 code';
COMMENT ON COLUMN hospital.external_causes.description IS 'Its title, without commas';
COMMENT ON COLUMN hospital.external_causes.mechanism IS 'Mechanism in a word, such as FALL, STAB or GUNSHOT';
COMMENT ON COLUMN hospital.external_causes.share_of_injury_visits IS 'Share of the injured; sums to 1';
COMMENT ON COLUMN hospital.external_causes.male_share IS 'Share of men among them';

CREATE TABLE hospital.medicines (
    medicine_id          text    PRIMARY KEY,
    name                 text    NOT NULL,
    category             text    NOT NULL,
    manufacturer         text    NOT NULL,
    price                numeric NOT NULL CHECK (price > 0.0),
    atc                  text    NOT NULL,
    strength             text    NOT NULL,
    form                 text    NOT NULL,
    pack_size            numeric NOT NULL,
    pack_unit            text    NOT NULL,
    unit_price_zar       numeric NOT NULL CHECK (unit_price_zar > 0.0),
    care_level           text    NOT NULL CHECK (care_level IN ('PHC', 'HOSP', 'TER')),
    eml_status           text    NOT NULL CHECK (eml_status IN ('EML', 'NON-EML')),
    schedule             text    NOT NULL,
    stock_class          text    NOT NULL CHECK (stock_class IN ('A', 'B', 'C')),
    national_award_units bigint  NOT NULL,
    indication_icd10     text    NOT NULL,
    ddd                  numeric,
    ddd_unit             text,
    nsn                  text,
    nappi                text
);
COMMENT ON TABLE hospital.medicines IS
    'Stock list. Names, prices, award quantities and ATC codes have high confidence (National Department of Health, Master Health Product List of 6 February 2026, but for 34 common items with estimated prices), indications and schedules medium; manufacturers are invented';
COMMENT ON COLUMN hospital.medicines.medicine_id IS 'Number in the stock list: M and four digits';
COMMENT ON COLUMN hospital.medicines.name IS 'Generic name';
COMMENT ON COLUMN hospital.medicines.category IS 'Anatomical group: the first level of the ATC code';
COMMENT ON COLUMN hospital.medicines.manufacturer IS 'Manufacturer, invented; one of them makes all strengths of a molecule and form';
COMMENT ON COLUMN hospital.medicines.price IS 'Price of a pack, in rand with VAT, of 2026';
COMMENT ON COLUMN hospital.medicines.atc IS 'ATC code of the WHO, mostly to the fifth level';
COMMENT ON COLUMN hospital.medicines.strength IS 'Strength, such as 500mg; n/a where there is none';
COMMENT ON COLUMN hospital.medicines.form IS 'Pharmaceutical form';
COMMENT ON COLUMN hospital.medicines.pack_size IS 'Units in a pack';
COMMENT ON COLUMN hospital.medicines.pack_unit IS 'What is counted or measured in a pack';
COMMENT ON COLUMN hospital.medicines.unit_price_zar IS 'Price of what is dispensed as one, in rand with VAT, of 2026: a tablet or an ampoule, but the whole pack of most liquids and creams';
COMMENT ON COLUMN hospital.medicines.care_level IS 'Level of care: PHC primary, HOSP hospital, TER tertiary';
COMMENT ON COLUMN hospital.medicines.eml_status IS 'EML if it is on the essential medicines list, else NON-EML';
COMMENT ON COLUMN hospital.medicines.schedule IS 'Schedule of control, S0 to S6; estimated';
COMMENT ON COLUMN hospital.medicines.stock_class IS 'Class of stock: A the 80 percent of national spending, B the next 15, C the last 5';
COMMENT ON COLUMN hospital.medicines.national_award_units IS 'Amount of the national award, mostly in pack_unit: the weight of its demand; 0 for the 34 items that are not on the list';
COMMENT ON COLUMN hospital.medicines.indication_icd10 IS 'What it is given for: ICD-10 codes or prefixes of them, joined by ;';
COMMENT ON COLUMN hospital.medicines.ddd IS 'Defined daily dose of the WHO; null where there is none';
COMMENT ON COLUMN hospital.medicines.ddd_unit IS 'Unit of the daily dose';
COMMENT ON COLUMN hospital.medicines.nsn IS 'National stock number of the tender product; null for the 34 items that are not on the list';
COMMENT ON COLUMN hospital.medicines.nappi IS 'NAPPI code of a representative private product of the same molecule and strength, not of the tender product; null where none matched';

CREATE TABLE hospital.drug_interactions (
    atc_a    text NOT NULL,
    name_a   text NOT NULL,
    atc_b    text NOT NULL,
    name_b   text NOT NULL,
    severity text NOT NULL CHECK (severity IN ('contraindicated', 'major', 'moderate', 'minor')),
    effect   text NOT NULL,
    PRIMARY KEY (atc_a, atc_b)
);
COMMENT ON TABLE hospital.drug_interactions IS
    'Pairs of medicines that do not go together; every pair once. Medium confidence: standard knowledge as recalled, codes checked against the ATC index';
COMMENT ON COLUMN hospital.drug_interactions.atc_a IS 'ATC code of the one, as in medicines';
COMMENT ON COLUMN hospital.drug_interactions.name_a IS 'Its generic name';
COMMENT ON COLUMN hospital.drug_interactions.atc_b IS 'ATC code of the other, as in medicines';
COMMENT ON COLUMN hospital.drug_interactions.name_b IS 'Its generic name';
COMMENT ON COLUMN hospital.drug_interactions.severity IS 'contraindicated, major, moderate or minor';
COMMENT ON COLUMN hospital.drug_interactions.effect IS 'What may happen';

CREATE TABLE hospital.lab_tests (
    loinc       text    PRIMARY KEY,
    name        text    NOT NULL UNIQUE,
    unit        text    NOT NULL,
    normal_low  numeric NOT NULL,
    normal_high numeric NOT NULL,
    specimen    text    NOT NULL,
    CHECK (normal_low <= normal_high)
);
COMMENT ON TABLE hospital.lab_tests IS
    'Laboratory tests. Codes have high confidence (LOINC, check digits verified), ranges medium';
COMMENT ON COLUMN hospital.lab_tests.loinc IS 'LOINC code';
COMMENT ON COLUMN hospital.lab_tests.name IS 'Name';
COMMENT ON COLUMN hospital.lab_tests.unit IS 'Unit of the result';
COMMENT ON COLUMN hospital.lab_tests.normal_low IS 'Lower end of the adults'' normal range, in the unit';
COMMENT ON COLUMN hospital.lab_tests.normal_high IS 'Upper end of the adults'' normal range, in the unit';
COMMENT ON COLUMN hospital.lab_tests.specimen IS 'What is examined: blood, plasma, serum, urine, sputum or swab';

CREATE TABLE hospital.lab_panels (
    panel text NOT NULL,
    loinc text NOT NULL REFERENCES hospital.lab_tests,
    PRIMARY KEY (panel, loinc)
);
COMMENT ON TABLE hospital.lab_panels IS
    'Tests that a laboratory panel consists of. Estimate';
COMMENT ON COLUMN hospital.lab_panels.panel IS 'Short name of the panel';
COMMENT ON COLUMN hospital.lab_panels.loinc IS 'Test';

CREATE TABLE hospital.lab_requests (
    icd10_prefix text    NOT NULL,
    setting      text    NOT NULL CHECK (setting IN ('IN', 'DAY', 'ED', 'OPD')),
    panel        text    NOT NULL,
    probability  numeric NOT NULL CHECK (probability BETWEEN 0.0 AND 1.0),
    PRIMARY KEY (icd10_prefix, setting, panel)
);
COMMENT ON TABLE hospital.lab_requests IS
    'Which panels a diagnosis asks for: every rule whose prefix fits counts, of two for one panel the longer prefix. Estimate';
COMMENT ON COLUMN hospital.lab_requests.icd10_prefix IS 'Beginning of the ICD-10 code; * for any';
COMMENT ON COLUMN hospital.lab_requests.setting IS 'IN on admission, DAY each later day of a stay, ED an emergency visit, OPD a clinic visit';
COMMENT ON COLUMN hospital.lab_requests.panel IS 'Panel, see lab_panels';
COMMENT ON COLUMN hospital.lab_requests.probability IS 'That it is asked for';

CREATE TABLE hospital.treatment_requests (
    icd10_prefix text    NOT NULL,
    setting      text    NOT NULL CHECK (setting IN ('IN', 'DAY', 'ED', 'OPD')),
    fee_code     text    NOT NULL,
    probability  numeric NOT NULL CHECK (probability BETWEEN 0.0 AND 1.0),
    PRIMARY KEY (icd10_prefix, setting, fee_code)
);
COMMENT ON TABLE hospital.treatment_requests IS
    'Which treatments a diagnosis asks for, by the rules of lab_requests. Estimate';
COMMENT ON COLUMN hospital.treatment_requests.icd10_prefix IS 'Beginning of the ICD-10 code; * for any';
COMMENT ON COLUMN hospital.treatment_requests.setting IS 'IN on admission, DAY each later day of a stay, ED an emergency visit, OPD a clinic visit';
COMMENT ON COLUMN hospital.treatment_requests.fee_code IS 'What is done, see tariffs';
COMMENT ON COLUMN hospital.treatment_requests.probability IS 'That it is done';

CREATE TABLE hospital.clinic_plans (
    icd10_prefix   text PRIMARY KEY,
    interval_weeks int  NOT NULL CHECK (interval_weeks > 0),
    visits         int  NOT NULL CHECK (visits > 0)
);
COMMENT ON TABLE hospital.clinic_plans IS
    'How often a clinic sees its patients, by the longest prefix that fits the diagnosis. Estimate';
COMMENT ON COLUMN hospital.clinic_plans.icd10_prefix IS 'Beginning of the ICD-10 code; * for any';
COMMENT ON COLUMN hospital.clinic_plans.interval_weeks IS 'Weeks between two appointments';
COMMENT ON COLUMN hospital.clinic_plans.visits IS 'Visits of a course, after which somebody else takes the appointment';

CREATE TABLE hospital.dosage_forms (
    form          text    NOT NULL,
    dosage        text    NOT NULL,
    weight        int     NOT NULL CHECK (weight > 0),
    units_per_day numeric NOT NULL CHECK (units_per_day > 0.0),
    PRIMARY KEY (form, dosage)
);
COMMENT ON TABLE hospital.dosage_forms IS
    'How a medicine of a form is taken. Estimate';
COMMENT ON COLUMN hospital.dosage_forms.form IS 'Form of the medicine; * for any other';
COMMENT ON COLUMN hospital.dosage_forms.dosage IS 'In words';
COMMENT ON COLUMN hospital.dosage_forms.weight IS 'How often, relative to the other dosages of the form';
COMMENT ON COLUMN hospital.dosage_forms.units_per_day IS 'Pack units (tablets, ml, g) used in a day';

CREATE TABLE hospital.towns (
    town        text PRIMARY KEY,
    postal_code text NOT NULL,
    province    text NOT NULL,
    weight      int  NOT NULL CHECK (weight > 0)
);
COMMENT ON TABLE hospital.towns IS
    'Where patients from outside the city come from. Weights are estimates';
COMMENT ON COLUMN hospital.towns.town IS 'Town';
COMMENT ON COLUMN hospital.towns.postal_code IS 'Street postal code';
COMMENT ON COLUMN hospital.towns.province IS 'Province';
COMMENT ON COLUMN hospital.towns.weight IS 'How many come from there, relative to the others';

-- ---- money ----

CREATE TABLE hospital.patient_class (
    class_code     text    PRIMARY KEY,
    description    text    NOT NULL,
    share          numeric NOT NULL CHECK (share BETWEEN 0.0 AND 1.0),
    income_min_zar int     NOT NULL,
    income_max_zar int     NOT NULL,
    charging_basis text    NOT NULL
);
COMMENT ON TABLE hospital.patient_class IS
    'Classes that patients are billed by. Income limits have high confidence (Gauteng Department of Health, 2024 and 2025), the shares low';
COMMENT ON COLUMN hospital.patient_class.class_code IS 'H0 to H3 subsidised, P paying in full';
COMMENT ON COLUMN hospital.patient_class.description IS 'Who belongs to it';
COMMENT ON COLUMN hospital.patient_class.share IS 'Share of the patients; sums to 1';
COMMENT ON COLUMN hospital.patient_class.income_min_zar IS 'Lowest income of a single person, in rand a year';
COMMENT ON COLUMN hospital.patient_class.income_max_zar IS 'Highest income of a single person, in rand a year; 9999999 where there is no limit';
COMMENT ON COLUMN hospital.patient_class.charging_basis IS 'How it is charged: free, flat fee, percent of the fee schedule, or the full fee schedule';

CREATE TABLE hospital.free_services (
    reason_code text PRIMARY KEY,
    description text NOT NULL
);
COMMENT ON TABLE hospital.free_services IS
    'Reasons for care without charge. Medium confidence: rules of the public fee schedule, as recalled';
COMMENT ON COLUMN hospital.free_services.reason_code IS 'Code';
COMMENT ON COLUMN hospital.free_services.description IS 'Who or what is free of charge';

CREATE TABLE hospital.tariffs (
    fee_code       text    PRIMARY KEY,
    description    text    NOT NULL,
    fee_group      text    NOT NULL,
    unit           text    NOT NULL,
    price_h0_zar   numeric NOT NULL,
    price_h1_zar   numeric NOT NULL,
    price_h2_zar   numeric NOT NULL,
    price_h3_zar   numeric NOT NULL,
    price_full_zar numeric NOT NULL
);
COMMENT ON TABLE hospital.tariffs IS
    'Fees of a level 3 hospital, 2024/25, in the manner of the public fee schedule. Low confidence: all but two amounts are estimated';
COMMENT ON COLUMN hospital.tariffs.fee_code IS 'Code, four digits';
COMMENT ON COLUMN hospital.tariffs.description IS 'What is charged';
COMMENT ON COLUMN hospital.tariffs.fee_group IS 'Group of fees';
COMMENT ON COLUMN hospital.tariffs.unit IS 'What the price is for, such as visit, day or 12h; for cost multiplier the prices are not rand but times the cost';
COMMENT ON COLUMN hospital.tariffs.price_h0_zar IS 'Price for class H0, in rand';
COMMENT ON COLUMN hospital.tariffs.price_h1_zar IS 'Price for class H1, in rand';
COMMENT ON COLUMN hospital.tariffs.price_h2_zar IS 'Price for class H2, in rand';
COMMENT ON COLUMN hospital.tariffs.price_h3_zar IS 'Price for class H3, in rand';
COMMENT ON COLUMN hospital.tariffs.price_full_zar IS 'Price for those who pay in full, in rand';

CREATE TABLE hospital.tariff_index (
    fiscal_year          text    PRIMARY KEY,
    start_date           date    NOT NULL,
    end_date             date    NOT NULL,
    tariff_index         numeric NOT NULL,
    medicine_price_index numeric NOT NULL,
    CHECK (start_date <= end_date)
);
COMMENT ON TABLE hospital.tariff_index IS
    'Level of fees and of medicine prices by fiscal year. The fees'' index of 2023 to 2025 has high confidence, the rest low';
COMMENT ON COLUMN hospital.tariff_index.fiscal_year IS 'Fiscal year, such as 2024/25';
COMMENT ON COLUMN hospital.tariff_index.start_date IS 'First day its fees hold';
COMMENT ON COLUMN hospital.tariff_index.end_date IS 'Last day its fees hold';
COMMENT ON COLUMN hospital.tariff_index.tariff_index IS 'Fees, 2024/25 = 1';
COMMENT ON COLUMN hospital.tariff_index.medicine_price_index IS 'Medicine prices, 2025/26 = 1';

-- ---- time ----

CREATE TABLE hospital.calendar (
    date    date NOT NULL,
    weekday text NOT NULL,
    name    text NOT NULL,
    type    text NOT NULL CHECK (type IN ('public', 'observed', 'election', 'special')),
    PRIMARY KEY (date, name)
);
COMMENT ON TABLE hospital.calendar IS
    'Public holidays and elections, 2020 to 2026. High confidence: Public Holidays Act and proclamations';
COMMENT ON COLUMN hospital.calendar.date IS 'Day';
COMMENT ON COLUMN hospital.calendar.weekday IS 'Its weekday, in English';
COMMENT ON COLUMN hospital.calendar.name IS 'Name of the holiday';
COMMENT ON COLUMN hospital.calendar.type IS 'public, observed (the Monday after a Sunday), election or special (proclaimed for once)';

CREATE TABLE hospital.events (
    event_type               text    NOT NULL,
    name                     text    NOT NULL,
    start_date               date    NOT NULL,
    end_date                 date    NOT NULL,
    trauma_factor            numeric NOT NULL,
    emergency_medical_factor numeric NOT NULL,
    opd_factor               numeric NOT NULL,
    elective_factor          numeric NOT NULL,
    scope                    text    NOT NULL,
    PRIMARY KEY (name, start_date),
    CHECK (start_date <= end_date)
);
COMMENT ON TABLE hospital.events IS
    'What changed the city''s days: lockdowns, alcohol bans, unrest, a strike, outbreaks, fires. Dates have high confidence, factors mixed: those on trauma in the lockdowns from counts of trauma units, the others estimated';
COMMENT ON COLUMN hospital.events.event_type IS 'Type: lockdown, alcohol_ban, unrest, strike, outbreak, hospital or building';
COMMENT ON COLUMN hospital.events.name IS 'Name';
COMMENT ON COLUMN hospital.events.start_date IS 'First day';
COMMENT ON COLUMN hospital.events.end_date IS 'Last day';
COMMENT ON COLUMN hospital.events.trauma_factor IS 'Injured patients, 1 = as usual';
COMMENT ON COLUMN hospital.events.emergency_medical_factor IS 'Other emergencies, 1 = as usual';
COMMENT ON COLUMN hospital.events.opd_factor IS 'Outpatient visits, 1 = as usual';
COMMENT ON COLUMN hospital.events.elective_factor IS 'Planned admissions, 1 = as usual';
COMMENT ON COLUMN hospital.events.scope IS 'What it bears on, or a further factor on one kind of case';

CREATE TABLE hospital.covid_waves (
    wave                          text    PRIMARY KEY,
    variant                       text    NOT NULL,
    start_date                    date    NOT NULL,
    peak_week_ending              date    NOT NULL,
    end_date                      date    NOT NULL,
    peak_weekly_gp_admissions     int     NOT NULL,
    total_gp_admissions           int     NOT NULL,
    relative_admission_multiplier numeric NOT NULL,
    in_hospital_case_fatality     numeric NOT NULL CHECK (in_hospital_case_fatality BETWEEN 0.0 AND 1.0),
    CHECK (start_date <= end_date)
);
COMMENT ON TABLE hospital.covid_waves IS
    'Waves of COVID-19 and the times between them, without a gap. Dates and volumes are computed from covid_weekly and have high confidence from June 2020 to December 2022; case fatality medium';
COMMENT ON COLUMN hospital.covid_waves.wave IS 'Wave, or the two it lies between; pre and post for before and after';
COMMENT ON COLUMN hospital.covid_waves.variant IS 'Prevailing variant of the virus';
COMMENT ON COLUMN hospital.covid_waves.start_date IS 'First day';
COMMENT ON COLUMN hospital.covid_waves.peak_week_ending IS 'Sunday that ends the week of most admissions';
COMMENT ON COLUMN hospital.covid_waves.end_date IS 'Last day';
COMMENT ON COLUMN hospital.covid_waves.peak_weekly_gp_admissions IS 'Admissions of that week in all hospitals of Gauteng';
COMMENT ON COLUMN hospital.covid_waves.total_gp_admissions IS 'Admissions of the wave in all hospitals of Gauteng';
COMMENT ON COLUMN hospital.covid_waves.relative_admission_multiplier IS 'Mean weekly admissions, relative to the other waves';
COMMENT ON COLUMN hospital.covid_waves.in_hospital_case_fatality IS 'Share of the admitted who died';

CREATE TABLE hospital.covid_weekly (
    week_ending            date PRIMARY KEY,
    gp_admissions_raw      int,
    gp_admissions_adjusted int  NOT NULL CHECK (gp_admissions_adjusted >= 0)
);
COMMENT ON TABLE hospital.covid_weekly IS
    'Admissions with COVID-19 in Gauteng, public and private, by week. High confidence from 24 May 2020 to December 2022 (NICD hospital surveillance), estimated before and after';
COMMENT ON COLUMN hospital.covid_weekly.week_ending IS 'Sunday that ends the week';
COMMENT ON COLUMN hospital.covid_weekly.gp_admissions_raw IS 'Admissions as reported, below zero where a report was taken back; null outside the surveillance';
COMMENT ON COLUMN hospital.covid_weekly.gp_admissions_adjusted IS 'Admissions mended: the first wave times 1.73 and the fifth times 1.27 for hospitals that had not enrolled yet, and gaps filled';

CREATE TABLE hospital.influenza_seasons (
    year          int     PRIMARY KEY,
    start_date    date,
    peak_date     date,
    end_date      date,
    relative_size numeric NOT NULL,
    CHECK (start_date <= peak_date AND peak_date <= end_date)
);
COMMENT ON TABLE hospital.influenza_seasons IS
    'Seasons of influenza. Medium confidence: NICD bulletins, or estimated';
COMMENT ON COLUMN hospital.influenza_seasons.year IS 'Year';
COMMENT ON COLUMN hospital.influenza_seasons.start_date IS 'First day; null where there was no season';
COMMENT ON COLUMN hospital.influenza_seasons.peak_date IS 'Peak; null where there was no season';
COMMENT ON COLUMN hospital.influenza_seasons.end_date IS 'Last day; null where there was no season';
COMMENT ON COLUMN hospital.influenza_seasons.relative_size IS 'Size, 1 = a usual season';

CREATE TABLE hospital.seasonality (
    profile    text    NOT NULL,
    month      int     NOT NULL CHECK (month BETWEEN 1 AND 12),
    multiplier numeric NOT NULL,
    PRIMARY KEY (profile, month)
);
COMMENT ON TABLE hospital.seasonality IS
    'Course of diagnoses over the year. Influenza and RSV have medium confidence, the rest low';
COMMENT ON COLUMN hospital.seasonality.profile IS 'Course, as in diagnosis_profile.season_profile';
COMMENT ON COLUMN hospital.seasonality.month IS 'Month, 1 to 12';
COMMENT ON COLUMN hospital.seasonality.multiplier IS 'Cases of the month, 1 = an even twelfth; a course''s mean is 1';

CREATE TABLE hospital.arrival_profile (
    stream text    NOT NULL,
    kind   text    NOT NULL CHECK (kind IN ('hour', 'dow')),
    index  int     NOT NULL,
    share  numeric NOT NULL CHECK (share BETWEEN 0.0 AND 1.0),
    PRIMARY KEY (stream, kind, index)
);
COMMENT ON TABLE hospital.arrival_profile IS
    'Hours and weekdays at which patients come, are born, leave and die. Low confidence: estimated';
COMMENT ON COLUMN hospital.arrival_profile.stream IS 'What happens: ED_MEDICAL, ED_TRAUMA, ED_PAED, MATERNITY, BIRTH, ELECTIVE, OPD, DISCHARGE or DEATH';
COMMENT ON COLUMN hospital.arrival_profile.kind IS 'hour: by hour of the day; dow: by day of the week';
COMMENT ON COLUMN hospital.arrival_profile.index IS 'Hour from 0 to 23, local time, or day from 1 (Monday) to 7';
COMMENT ON COLUMN hospital.arrival_profile.share IS 'Share of the day''s or the week''s; sums to 1 per stream and kind';

CREATE TABLE hospital.arrival_modifiers (
    stream     text    NOT NULL,
    modifier   text    NOT NULL,
    rule       text    NOT NULL,
    multiplier numeric NOT NULL,
    PRIMARY KEY (stream, modifier)
);
COMMENT ON TABLE hospital.arrival_modifiers IS
    'What paydays, holidays and the festive season do to arrivals. Low confidence: estimated, some directions published';
COMMENT ON COLUMN hospital.arrival_modifiers.stream IS 'Who comes, as in arrival_profile';
COMMENT ON COLUMN hospital.arrival_modifiers.modifier IS 'Occasion';
COMMENT ON COLUMN hospital.arrival_modifiers.rule IS 'On which days, in words';
COMMENT ON COLUMN hospital.arrival_modifiers.multiplier IS 'Arrivals, 1 = as on other days';

CREATE TABLE hospital.triage_sats (
    colour            text    PRIMARY KEY,
    priority          text    NOT NULL,
    target_minutes    int     NOT NULL,
    tews_min          int     NOT NULL,
    tews_max          int     NOT NULL,
    share_of_arrivals numeric NOT NULL CHECK (share_of_arrivals BETWEEN 0.0 AND 1.0),
    admit_probability numeric NOT NULL CHECK (admit_probability BETWEEN 0.0 AND 1.0),
    CHECK (tews_min <= tews_max)
);
COMMENT ON TABLE hospital.triage_sats IS
    'Triage by the South African Triage Scale. Targets and score bands have high confidence (its manual), shares and probabilities low';
COMMENT ON COLUMN hospital.triage_sats.colour IS 'Colour: RED, ORANGE, YELLOW, GREEN, BLUE';
COMMENT ON COLUMN hospital.triage_sats.priority IS 'What it means';
COMMENT ON COLUMN hospital.triage_sats.target_minutes IS 'Longest time to be seen in, in minutes';
COMMENT ON COLUMN hospital.triage_sats.tews_min IS 'Lowest early warning score of the colour';
COMMENT ON COLUMN hospital.triage_sats.tews_max IS 'Highest early warning score of the colour';
COMMENT ON COLUMN hospital.triage_sats.share_of_arrivals IS 'Share of those who come to Emergency';
COMMENT ON COLUMN hospital.triage_sats.admit_probability IS 'Probability to be admitted';

CREATE TABLE hospital.transitions (
    stream      text    NOT NULL,
    from_state  text    NOT NULL,
    to_state    text    NOT NULL,
    probability numeric NOT NULL CHECK (probability BETWEEN 0.0 AND 1.0),
    mean_hours  numeric NOT NULL,
    sd_hours    numeric NOT NULL,
    PRIMARY KEY (from_state, to_state)
);
COMMENT ON TABLE hospital.transitions IS
    'Moves of patients between states. Low confidence: estimated, coherent with the stays and deaths of diagnosis_profile';
COMMENT ON COLUMN hospital.transitions.stream IS 'Part of the hospital: ED, ELECTIVE, INPATIENT, MATERNITY, NEONATE, OPD, or POST for what follows discharge';
COMMENT ON COLUMN hospital.transitions.from_state IS 'State that is left';
COMMENT ON COLUMN hospital.transitions.to_state IS 'State that is entered';
COMMENT ON COLUMN hospital.transitions.probability IS 'Probability of this move; sums to 1 per from_state';
COMMENT ON COLUMN hospital.transitions.mean_hours IS 'Mean time in from_state before this move, in hours';
COMMENT ON COLUMN hospital.transitions.sd_hours IS 'Its standard deviation, in hours';

CREATE TABLE hospital.volumes (
    metric text    PRIMARY KEY,
    unit   text    NOT NULL,
    value  numeric NOT NULL
);
COMMENT ON TABLE hospital.volumes IS
    'Constants that scale the hospital. Low confidence: coherent estimates; vacancy and turnover are published ones of Charlotte Maxeke hospital';
COMMENT ON COLUMN hospital.volumes.metric IS 'What is counted';
COMMENT ON COLUMN hospital.volumes.unit IS 'Unit: per 1,000 beds and year, or a share of what';
COMMENT ON COLUMN hospital.volumes.value IS 'Value, in the unit';

-- ---- what a validator compares with ----

CREATE TABLE hospital.targets (
    metric     text NOT NULL,
    scope      text NOT NULL,
    target     text NOT NULL,
    tolerance  text NOT NULL,
    test       text NOT NULL,
    confidence text NOT NULL CHECK (confidence IN ('high', 'medium', 'low')),
    PRIMARY KEY (metric, scope)
);
COMMENT ON TABLE hospital.targets IS
    'What the generated data should show. How sure each is, confidence says';
COMMENT ON COLUMN hospital.targets.metric IS 'What is measured';
COMMENT ON COLUMN hospital.targets.scope IS 'Of whom or of what';
COMMENT ON COLUMN hospital.targets.target IS 'Value to be met: a number, or a date';
COMMENT ON COLUMN hospital.targets.tolerance IS 'How far off it may be, in the target''s unit; days for a date';
COMMENT ON COLUMN hospital.targets.test IS 'How it is compared';
COMMENT ON COLUMN hospital.targets.confidence IS 'How sure the target is: high (published), medium or low (estimated)';

-- Filled in this order, so that what is referred to is there before.
DO $$
DECLARE
    a_table text;
BEGIN
    FOREACH a_table IN ARRAY ARRAY[
        'population_gauteng', 'household_types', 'language_group', 'name_mix', 'surname_mix', 'names_first',
        'names_last', 'nationalities', 'nationality_mix', 'suburbs', 'streets', 'phone_prefixes',
        'department_plan', 'ward_plan', 'shifts', 'staff_roles',
        'diagnosis_profile', 'comorbidities', 'external_causes', 'medicines', 'drug_interactions', 'lab_tests',
        'lab_panels', 'lab_requests', 'treatment_requests', 'clinic_plans', 'dosage_forms', 'towns',
        'patient_class', 'free_services', 'tariffs', 'tariff_index',
        'calendar', 'events', 'covid_waves', 'covid_weekly', 'influenza_seasons', 'seasonality',
        'arrival_profile', 'arrival_modifiers', 'triage_sats', 'transitions', 'volumes',
        'targets'
    ]
    LOOP
        EXECUTE pg_catalog.format(
            'INSERT INTO hospital.%1$I SELECT * FROM pg_catalog.jsonb_populate_recordset(NULL::hospital.%1$I, $1)',
            a_table)
            USING (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_object(
                              @extschema@.hospital_reference_columns(a_table), r))
                   FROM @extschema@.hospital_reference(a_table) AS r);
    END LOOP;
END
$$;

GRANT SELECT ON
    hospital.population_gauteng, hospital.household_types, hospital.language_group, hospital.name_mix,
    hospital.surname_mix, hospital.names_first, hospital.names_last, hospital.nationalities,
    hospital.nationality_mix, hospital.suburbs, hospital.streets, hospital.phone_prefixes,
    hospital.department_plan, hospital.ward_plan, hospital.shifts, hospital.staff_roles,
    hospital.diagnosis_profile, hospital.comorbidities, hospital.external_causes, hospital.medicines,
    hospital.drug_interactions, hospital.lab_tests, hospital.lab_panels, hospital.lab_requests,
    hospital.treatment_requests, hospital.clinic_plans, hospital.dosage_forms, hospital.towns,
    hospital.patient_class, hospital.free_services, hospital.tariffs, hospital.tariff_index,
    hospital.calendar, hospital.events, hospital.covid_waves, hospital.covid_weekly,
    hospital.influenza_seasons, hospital.seasonality, hospital.arrival_profile, hospital.arrival_modifiers,
    hospital.triage_sats, hospital.transitions, hospital.volumes,
    hospital.targets
    TO PUBLIC;

-- ==== end of reference tables =============================================

-- ==== metrics =============================================================

CREATE FUNCTION hospital_metrics() RETURNS text
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    SET jit = off
    SET max_parallel_workers_per_gather = 0
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_metrics() IS
    'What there is to watch, in the text format of Prometheus: workers of the whole server, and the clock, ledgers and stream of this database''s hospital. Cheap enough to be asked every few seconds';
REVOKE ALL ON FUNCTION hospital_metrics() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION hospital_metrics() TO pg_monitor;

-- ==== end of metrics ======================================================

-- ==== versions ============================================================
--
-- An update script begins with hospital_begin_update('x.y'), and leaves alone
-- what hospital_create has made: those tables are the user's, and may as well
-- come from an older version's dump. docs/architecture.md, "The next version",
-- has the rules.

CREATE FUNCTION hospital_tables_version() RETURNS int
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS 'SELECT 1';
COMMENT ON FUNCTION hospital_tables_version() IS
    'Version of the tables that hospital_create makes; it grows with a release that changes them';

CREATE FUNCTION hospital_begin_update(version text) RETURNS void
    LANGUAGE C STRICT
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_begin_update(text) IS
    'First act of update scripts and of hospital_upgrade_tables: the library must be of that version; waits until nobody acts for the hospital, and until the transaction ends nobody does';

CREATE PROCEDURE hospital_upgrade_tables()
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $upgrade$
DECLARE
    a_owner  name := (SELECT pg_get_userbyid(c.relowner) FROM pg_class c
                      WHERE c.relnamespace = 'hospital'::regnamespace AND c.relname = 'simulation');
    wanted   int  := @extschema@.hospital_tables_version();
    found_is int;
BEGIN
    IF a_owner IS NULL THEN
        RAISE EXCEPTION 'this database has no hospital'
            USING ERRCODE = 'undefined_table', HINT = 'CALL hospital_create() makes one.';
    END IF;
    IF a_owner <> current_user THEN
        RAISE EXCEPTION 'must be the owner of hospital.simulation'
            USING ERRCODE = 'insufficient_privilege',
                  DETAIL = 'What is made has the same owner as the other tables.',
                  HINT = format('SET ROLE %I first.', a_owner);
    END IF;
    PERFORM @extschema@.hospital_begin_update(e.extversion) FROM pg_extension e WHERE e.extname = 'hospital';
    SELECT s.tables_version INTO found_is FROM hospital.simulation s;
    IF found_is > wanted THEN
        RAISE EXCEPTION 'the tables of this hospital are of version %, and the extension is for version %', found_is, wanted
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Install the release that they come from, or a later one.';
    ELSIF found_is = wanted THEN
        RAISE NOTICE 'the tables are of version % already', wanted;
    END IF;
    -- Here each version that changed them has its step: IF found_is < 2 THEN ...

    UPDATE hospital.simulation SET tables_version = wanted WHERE tables_version < wanted;
END
$upgrade$;
COMMENT ON PROCEDURE hospital_upgrade_tables() IS
    'Bring a hospital''s tables to the version of the extension: after ALTER EXTENSION hospital UPDATE, or in a hospital restored from another version''s dump. To be called by their owner; does nothing where nothing is to be done';

CREATE FUNCTION hospital_hold_extension() RETURNS void
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_hold_extension() IS
    'First act of each transaction of procedures that commit on their way: until it ends, the extension is neither updated nor dropped, as while anything of it is read';

REVOKE ALL ON FUNCTION hospital_begin_update(text) FROM PUBLIC;
REVOKE ALL ON PROCEDURE hospital_upgrade_tables() FROM PUBLIC;

-- ==== end of versions =====================================================

-- ==== create and load =====================================================

CREATE PROCEDURE hospital_create(people bigint DEFAULT NULL, beds int DEFAULT 1100,
                                 start_date date DEFAULT NULL, end_date date DEFAULT NULL,
                                 seed bigint DEFAULT NULL, name text DEFAULT NULL,
                                 id_mode text DEFAULT 'realistic', transfers_per_day int DEFAULT 15,
                                 foreign_keys boolean DEFAULT false, dirty_rate numeric DEFAULT 0)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $create$
DECLARE
    -- The first call loads the library, and with it the settings.
    version  int    := @extschema@.hospital_generator_version();
    a_people bigint := coalesce(people, current_setting('hospital.num_people')::bigint);
    a_start  date   := coalesce(start_date, current_setting('hospital.start_date')::date);
    a_end    date   := coalesce(end_date, current_setting('hospital.end_date')::date);
    a_seed   bigint := coalesce(seed, current_setting('hospital.seed')::bigint);
    a_name   text   := coalesce(name, trim(both '-' from left(regexp_replace(lower(current_database()), '[^a-z0-9_]+', '-', 'g'), 40)));
    a_beds   int    := coalesce(beds, 1100);
    a_key    record;
BEGIN
    -- The arguments.
    IF to_regclass('hospital.simulation') IS NOT NULL THEN
        RAISE EXCEPTION 'this database has a hospital already'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = 'hospital.simulation says what it is; that is frozen.',
                  HINT = 'CALL hospital_load_people() goes on with it. For another one use another database.';
    END IF;
    -- What is frozen must be able to run: each generator refuses what it cannot make.
    PERFORM FROM @extschema@.hospital_generate_people(a_people, a_seed, 1::bigint, a_start, id_mode) LIMIT 1;
    PERFORM FROM @extschema@.hospital_generate_wards(a_beds) LIMIT 1;
    PERFORM FROM @extschema@.hospital_generate_staff(a_beds, a_seed, a_start, a_end, id_mode) LIMIT 1;
    PERFORM FROM @extschema@.hospital_generate_staff_changes(a_start, a_seed, a_people, a_beds, a_start,
                                                             transfers_per_day, id_mode) LIMIT 1;
    IF a_name !~ '^[a-z0-9_][a-z0-9_-]{0,39}$' THEN
        RAISE EXCEPTION 'invalid name "%" for a hospital', a_name
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = 'The name is part of paths and topics.',
                  HINT = 'Use up to 40 small letters, digits, _ and -.';
    END IF;
    IF id_mode IS NULL OR transfers_per_day IS NULL OR foreign_keys IS NULL OR dirty_rate IS NULL THEN
        RAISE EXCEPTION 'id_mode, transfers_per_day, foreign_keys and dirty_rate must not be null'
            USING ERRCODE = 'null_value_not_allowed', HINT = 'Leave them out for their defaults.';
    END IF;
    IF dirty_rate NOT BETWEEN 0.0 AND 0.2 THEN
        RAISE EXCEPTION 'invalid dirty_rate %', dirty_rate
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = 'It is the share of the lines that are spoilt: 0 to 0.2.';
    END IF;

    -- The frozen truth.
    CREATE TABLE hospital.simulation (
        one_row           boolean     PRIMARY KEY DEFAULT true CHECK (one_row),
        simulation_id     uuid        NOT NULL,
        name              text        NOT NULL,
        seed              bigint      NOT NULL,
        people            bigint      NOT NULL,
        beds              int         NOT NULL,
        start_date        date        NOT NULL,
        end_date          date        NOT NULL,
        id_mode           text        NOT NULL,
        transfers_per_day int         NOT NULL,
        dirty_rate        numeric     NOT NULL DEFAULT 0,
        generator_version int         NOT NULL,
        tables_version    int         NOT NULL,
        system_identifier bigint      NOT NULL,
        database_oid      oid         NOT NULL,
        created_at        timestamptz NOT NULL DEFAULT now()
    );
    COMMENT ON TABLE hospital.simulation IS 'What this hospital is: one row, written once by hospital_create, on which every generated value depends';
    COMMENT ON COLUMN hospital.simulation.one_row IS 'Always true: there is one row';
    COMMENT ON COLUMN hospital.simulation.simulation_id IS 'Tells this hospital from every other';
    COMMENT ON COLUMN hospital.simulation.name IS 'Its name, part of paths and message headers';
    COMMENT ON COLUMN hospital.simulation.seed IS 'Seed of every generated value';
    COMMENT ON COLUMN hospital.simulation.people IS 'People of the city';
    COMMENT ON COLUMN hospital.simulation.beds IS 'Usable beds';
    COMMENT ON COLUMN hospital.simulation.start_date IS 'First hospital day; ages follow the pyramid on this day';
    COMMENT ON COLUMN hospital.simulation.end_date IS 'Last hospital day';
    COMMENT ON COLUMN hospital.simulation.id_mode IS 'realistic, or marked: identity numbers that cannot belong to a living person';
    COMMENT ON COLUMN hospital.simulation.transfers_per_day IS 'Medical transfers of a day, which are also streamed';
    COMMENT ON COLUMN hospital.simulation.dirty_rate IS 'Share of the lines of day files that are spoilt on purpose, see hospital.faults';
    COMMENT ON COLUMN hospital.simulation.generator_version IS 'Version of the generators that made it; another version refuses to go on';
    COMMENT ON COLUMN hospital.simulation.tables_version IS 'Version of these tables, see hospital_upgrade_tables';
    COMMENT ON COLUMN hospital.simulation.system_identifier IS 'Server it was created in; workers of another leave it alone';
    COMMENT ON COLUMN hospital.simulation.database_oid IS 'Database it was created in; workers of another leave it alone';
    COMMENT ON COLUMN hospital.simulation.created_at IS 'When';

    -- People and staff.
    CREATE TABLE hospital.people (
        person_id        bigint               NOT NULL,
        national_id      hospital.national_id,
        passport_no      text,
        first_name       text                 NOT NULL,
        last_name        text                 NOT NULL,
        date_of_birth    date                 NOT NULL,
        sex              text                 NOT NULL,
        population_group text                 NOT NULL,
        home_language    text                 NOT NULL,
        citizenship      text                 NOT NULL,
        household_id     bigint               NOT NULL,
        address          text                 NOT NULL,
        suburb           text                 NOT NULL,
        postal_code      text                 NOT NULL,
        phone            text                 NOT NULL,
        CONSTRAINT people_pkey PRIMARY KEY (person_id),
        CONSTRAINT people_national_id_key UNIQUE (national_id)
    );
    COMMENT ON TABLE hospital.people IS 'The city''s people, those of the pool and those met later';
    COMMENT ON COLUMN hospital.people.person_id IS 'Number of the person; 1 to people is the pool';
    COMMENT ON COLUMN hospital.people.national_id IS 'South African identity number; null for foreigners without permanent residence';
    COMMENT ON COLUMN hospital.people.passport_no IS 'Passport or asylum permit of those without an identity number; null for the undocumented';
    COMMENT ON COLUMN hospital.people.first_name IS 'First name, by language and generation';
    COMMENT ON COLUMN hospital.people.last_name IS 'Surname, shared by the household';
    COMMENT ON COLUMN hospital.people.date_of_birth IS 'Date of birth';
    COMMENT ON COLUMN hospital.people.sex IS 'F or M';
    COMMENT ON COLUMN hospital.people.population_group IS 'Population group as Statistics South Africa counts it';
    COMMENT ON COLUMN hospital.people.home_language IS 'Language spoken at home';
    COMMENT ON COLUMN hospital.people.citizenship IS 'Country, ISO 3166-1 alpha-2';
    COMMENT ON COLUMN hospital.people.household_id IS 'Number of the household: surname, address, language and citizenship are shared';
    COMMENT ON COLUMN hospital.people.address IS 'Street address';
    COMMENT ON COLUMN hospital.people.suburb IS 'Suburb or township, see hospital.suburbs';
    COMMENT ON COLUMN hospital.people.postal_code IS 'Street postal code of the suburb';
    COMMENT ON COLUMN hospital.people.phone IS 'Telephone; children have the household''s';

    CREATE TABLE hospital.staff (
        staff_id          bigint               NOT NULL,
        national_id       hospital.national_id NOT NULL,
        first_name        text                 NOT NULL,
        last_name         text                 NOT NULL,
        date_of_birth     date                 NOT NULL,
        sex               text                 NOT NULL,
        role              text                 NOT NULL,
        specialty         text                 NOT NULL,
        department_code   text,
        registration_no   text,
        hired_on          date                 NOT NULL,
        retires_on        date                 NOT NULL,
        left_on           date,
        replaces_staff_id bigint,
        CONSTRAINT staff_pkey PRIMARY KEY (staff_id),
        CONSTRAINT staff_national_id_key UNIQUE (national_id)
    );
    COMMENT ON TABLE hospital.staff IS 'Everybody who works or worked at the hospital from the start date to the end date';
    COMMENT ON COLUMN hospital.staff.staff_id IS 'Number of the staff member; a doctor''s is the doctor_id';
    COMMENT ON COLUMN hospital.staff.national_id IS 'South African identity number; never one of the people''s';
    COMMENT ON COLUMN hospital.staff.first_name IS 'First name';
    COMMENT ON COLUMN hospital.staff.last_name IS 'Surname';
    COMMENT ON COLUMN hospital.staff.date_of_birth IS 'Date of birth';
    COMMENT ON COLUMN hospital.staff.sex IS 'F or M';
    COMMENT ON COLUMN hospital.staff.role IS 'Role, see hospital.staff_roles';
    COMMENT ON COLUMN hospital.staff.specialty IS 'Specialty or place of work, see hospital.staff_roles';
    COMMENT ON COLUMN hospital.staff.department_code IS 'Department of the post; null for posts of the whole hospital';
    COMMENT ON COLUMN hospital.staff.registration_no IS 'Registration with the council (HPCSA, SANC, SAPC, SACSSP); null where the role has none';
    COMMENT ON COLUMN hospital.staff.hired_on IS 'First day in the post';
    COMMENT ON COLUMN hospital.staff.retires_on IS 'The 65th birthday: the first day not worked';
    COMMENT ON COLUMN hospital.staff.left_on IS 'First day no longer employed; null while serving on the end date';
    COMMENT ON COLUMN hospital.staff.replaces_staff_id IS 'Who held the post before';

    CREATE TABLE hospital.staff_assignments (
        assignment_id bigint      NOT NULL,
        staff_id      bigint      NOT NULL,
        ward_code     text,
        shift         text        NOT NULL,
        starts_at     timestamptz NOT NULL,
        ends_at       timestamptz NOT NULL,
        CONSTRAINT staff_assignments_pkey PRIMARY KEY (assignment_id)
    );
    COMMENT ON TABLE hospital.staff_assignments IS 'The roster: who works which shift, where';
    COMMENT ON COLUMN hospital.staff_assignments.assignment_id IS 'Day since 2000-01-01 times 100000 plus a number within the day';
    COMMENT ON COLUMN hospital.staff_assignments.staff_id IS 'Who';
    COMMENT ON COLUMN hospital.staff_assignments.ward_code IS 'Ward; null for work that is not on a ward';
    COMMENT ON COLUMN hospital.staff_assignments.shift IS 'Shift code, see hospital.shifts';
    COMMENT ON COLUMN hospital.staff_assignments.starts_at IS 'Start of the shift';
    COMMENT ON COLUMN hospital.staff_assignments.ends_at IS 'End of the shift';

    -- The place.
    CREATE TABLE hospital.departments AS SELECT * FROM @extschema@.hospital_generate_departments(a_beds);
    ALTER TABLE hospital.departments ADD CONSTRAINT departments_pkey PRIMARY KEY (department_code),
        ALTER name SET NOT NULL, ALTER department_group SET NOT NULL, ALTER level_of_care SET NOT NULL,
        ALTER wards SET NOT NULL, ALTER beds SET NOT NULL;
    COMMENT ON TABLE hospital.departments IS 'The hospital''s departments, department_plan scaled to its beds';
    COMMENT ON COLUMN hospital.departments.department_code IS 'Short code';
    COMMENT ON COLUMN hospital.departments.name IS 'Name';
    COMMENT ON COLUMN hospital.departments.department_group IS 'Medicine, Surgery, Paediatrics, …';
    COMMENT ON COLUMN hospital.departments.level_of_care IS '3 is tertiary care';
    COMMENT ON COLUMN hospital.departments.wards IS 'Number of its wards';
    COMMENT ON COLUMN hospital.departments.beds IS 'Beds of its wards';
    CREATE TABLE hospital.wards AS SELECT * FROM @extschema@.hospital_generate_wards(a_beds);
    ALTER TABLE hospital.wards ADD CONSTRAINT wards_pkey PRIMARY KEY (ward_code),
        ADD CONSTRAINT wards_department_code_fkey FOREIGN KEY (department_code) REFERENCES hospital.departments,
        ALTER department_code SET NOT NULL, ALTER name SET NOT NULL, ALTER beds SET NOT NULL,
        ALTER sex SET NOT NULL, ALTER age_group SET NOT NULL, ALTER ward_type SET NOT NULL;
    COMMENT ON TABLE hospital.wards IS 'The hospital''s wards, ward_plan scaled to its beds';
    COMMENT ON COLUMN hospital.wards.ward_code IS 'Short code';
    COMMENT ON COLUMN hospital.wards.department_code IS 'Department that it belongs to';
    COMMENT ON COLUMN hospital.wards.name IS 'Name';
    COMMENT ON COLUMN hospital.wards.beds IS 'Usable beds';
    COMMENT ON COLUMN hospital.wards.sex IS 'Who lies there: F, M or X for both';
    COMMENT ON COLUMN hospital.wards.age_group IS 'adult, child (below 13), neonate (first 28 days) or all';
    COMMENT ON COLUMN hospital.wards.ward_type IS 'general, icu, high_care, labour, …';

    -- What happens: the columns of the day files, in their order; src/records.c
    -- describes the same.  The ingestor checks every line, so that here are only
    -- checks on what is not bulky: each takes about 0.1 microseconds of a row.
    CREATE TABLE hospital.patients (
        patient_id    bigint      NOT NULL,
        folder_no     text        NOT NULL,
        full_name     text        NOT NULL,
        date_of_birth date        NOT NULL,
        gender        text        NOT NULL,
        blood_type    text        NOT NULL,
        contact_info  text        NOT NULL,
        insurance_id  text,
        patient_class text        NOT NULL,
        origin        text        NOT NULL,
        first_seen_on date        NOT NULL,
        deceased_at   timestamptz,
        CONSTRAINT patients_pkey PRIMARY KEY (patient_id),
        CONSTRAINT patients_gender_check CHECK (gender IN ('Female', 'Male')),
        CONSTRAINT patients_patient_class_check CHECK (patient_class IN ('H0', 'H1', 'H2', 'H3', 'P'))
    );
    COMMENT ON TABLE hospital.patients IS 'Everybody who has been to the hospital, from the day files of registrations; who they are is in hospital.people';
    COMMENT ON COLUMN hospital.patients.patient_id IS 'The patient, a person_id of hospital.people';
    COMMENT ON COLUMN hospital.patients.folder_no IS 'Number of the folder with the patient''s papers';
    COMMENT ON COLUMN hospital.patients.full_name IS 'First name and surname';
    COMMENT ON COLUMN hospital.patients.date_of_birth IS 'Date of birth';
    COMMENT ON COLUMN hospital.patients.gender IS 'Female or Male';
    COMMENT ON COLUMN hospital.patients.blood_type IS 'ABO group and rhesus factor: O+, O-, A+, A-, B+, B-, AB+, AB-';
    COMMENT ON COLUMN hospital.patients.contact_info IS 'Telephone';
    COMMENT ON COLUMN hospital.patients.insurance_id IS 'Membership number of a medical scheme; null for the uninsured';
    COMMENT ON COLUMN hospital.patients.patient_class IS 'Class billed by: H0 to H3 or P, see hospital.patient_class';
    COMMENT ON COLUMN hospital.patients.origin IS 'Where from: city (of the pool of people), born here, born elsewhere or outside (the city)';
    COMMENT ON COLUMN hospital.patients.first_seen_on IS 'Hospital day of the first visit';
    COMMENT ON COLUMN hospital.patients.deceased_at IS 'When the patient died; null for the living';

    CREATE TABLE hospital.admissions (
        admission_id    bigint      NOT NULL,
        patient_id      bigint      NOT NULL,
        visit_id        bigint      NOT NULL,
        ward_code       text        NOT NULL,
        admitted_at     timestamptz NOT NULL,
        discharged_at   timestamptz,
        triage          text,
        outcome         text,
        department_code text        NOT NULL,
        admission_type  text        NOT NULL,
        referred_from   text,
        CONSTRAINT admissions_pkey PRIMARY KEY (admission_id),
        CONSTRAINT admissions_times_check CHECK (discharged_at >= admitted_at),
        CONSTRAINT admissions_end_check CHECK ((discharged_at IS NULL) = (outcome IS NULL)),
        CONSTRAINT admissions_outcome_check CHECK (outcome IN ('discharged', 'died', 'absconded', 'refused treatment', 'transferred out')),
        CONSTRAINT admissions_admission_type_check CHECK (admission_type IN ('emergency', 'elective', 'maternity', 'newborn', 'transfer in'))
    );
    COMMENT ON TABLE hospital.admissions IS 'Stays in the hospital. A row is there from the day of admission; the day file of its end fills in discharged_at and outcome';
    COMMENT ON COLUMN hospital.admissions.admission_id IS 'Day since 2000-01-01 times 1000000 plus a number within the day, from 1; the day of admission';
    COMMENT ON COLUMN hospital.admissions.patient_id IS 'The patient, see hospital.patients';
    COMMENT ON COLUMN hospital.admissions.visit_id IS 'Visit that led to it, see hospital.visits';
    COMMENT ON COLUMN hospital.admissions.ward_code IS 'Ward of admission, see hospital.wards; later ones are in hospital.status_updates';
    COMMENT ON COLUMN hospital.admissions.admitted_at IS 'When admitted';
    COMMENT ON COLUMN hospital.admissions.discharged_at IS 'When it ended, however it did; null while the patient is in the hospital';
    COMMENT ON COLUMN hospital.admissions.triage IS 'South African Triage Scale: RED, ORANGE, YELLOW, GREEN, BLUE; null where nobody triages';
    COMMENT ON COLUMN hospital.admissions.outcome IS 'How it ended: discharged, died, absconded, refused treatment, transferred out; null while it lasts';
    COMMENT ON COLUMN hospital.admissions.department_code IS 'Department that treats the patient, see hospital.departments';
    COMMENT ON COLUMN hospital.admissions.admission_type IS 'Way in: emergency, elective, maternity, newborn, transfer in';
    COMMENT ON COLUMN hospital.admissions.referred_from IS 'Who referred the patient: community clinic, general practitioner, district hospital, other province; null for those who came by themselves';

    CREATE TABLE hospital.visits (
        visit_id        bigint        NOT NULL,
        patient_id      bigint        NOT NULL,
        doctor_id       bigint,
        visit_date      date          NOT NULL,
        department_code text          NOT NULL,
        kind            text          NOT NULL,
        diagnosis       text,
        total_cost      numeric(12,2),
        arrived_at      timestamptz   NOT NULL,
        left_at         timestamptz,
        triage          text,
        disposition     text,
        admission_id    bigint,
        CONSTRAINT visits_pkey PRIMARY KEY (visit_id),
        CONSTRAINT visits_times_check CHECK (left_at >= arrived_at),
        CONSTRAINT visits_end_check CHECK ((left_at IS NULL) = (total_cost IS NULL)),
        CONSTRAINT visits_kind_check CHECK (kind IN ('outpatient', 'emergency', 'elective', 'maternity', 'newborn', 'transfer in'))
    );
    COMMENT ON TABLE hospital.visits IS 'Visits: outpatients, emergencies, and what leads to an admission. A visit with an admission lasts until that ends; the day file of that day fills in total_cost, left_at and disposition';
    COMMENT ON COLUMN hospital.visits.visit_id IS 'Day since 2000-01-01 times 1000000 plus a number within the day, from 1';
    COMMENT ON COLUMN hospital.visits.patient_id IS 'The patient, see hospital.patients';
    COMMENT ON COLUMN hospital.visits.doctor_id IS 'Doctor who saw the patient, see hospital.doctors; null where nobody did';
    COMMENT ON COLUMN hospital.visits.visit_date IS 'Hospital day of the arrival';
    COMMENT ON COLUMN hospital.visits.department_code IS 'Department visited, see hospital.departments';
    COMMENT ON COLUMN hospital.visits.kind IS 'outpatient, emergency, elective, maternity, newborn, transfer in';
    COMMENT ON COLUMN hospital.visits.diagnosis IS 'Primary diagnosis in words; all of them are in hospital.diagnoses';
    COMMENT ON COLUMN hospital.visits.total_cost IS 'What the visit costs, in rand, as billed; null until it ends';
    COMMENT ON COLUMN hospital.visits.arrived_at IS 'When the patient came';
    COMMENT ON COLUMN hospital.visits.left_at IS 'When the patient left the hospital; null until then';
    COMMENT ON COLUMN hospital.visits.triage IS 'South African Triage Scale: RED, ORANGE, YELLOW, GREEN, BLUE; null where nobody triages';
    COMMENT ON COLUMN hospital.visits.disposition IS 'How it ended: discharged, follow-up booked, referred to clinic, left without being seen, absconded, refused treatment, transferred out, died; null until it ends';
    COMMENT ON COLUMN hospital.visits.admission_id IS 'Admission it led to, see hospital.admissions; null for those not admitted';

    CREATE TABLE hospital.status_updates (
        update_id    bigint      NOT NULL,
        admission_id bigint      NOT NULL,
        patient_id   bigint      NOT NULL,
        recorded_at  timestamptz NOT NULL,
        status       text        NOT NULL,
        ward_code    text,
        recorded_by  bigint      NOT NULL,
        bed_no       int,
        CONSTRAINT status_updates_pkey PRIMARY KEY (update_id)
    );
    COMMENT ON TABLE hospital.status_updates IS 'What happens to inpatients: admitted, moved, in theatre, discharged, died, and how they are';
    COMMENT ON COLUMN hospital.status_updates.update_id IS 'Day since 2000-01-01 times 1000000 plus a number within the day, from 1';
    COMMENT ON COLUMN hospital.status_updates.admission_id IS 'The admission, see hospital.admissions';
    COMMENT ON COLUMN hospital.status_updates.patient_id IS 'The patient, see hospital.patients';
    COMMENT ON COLUMN hospital.status_updates.recorded_at IS 'When';
    COMMENT ON COLUMN hospital.status_updates.status IS 'What happened: admitted, moved, in theatre, in recovery, delivered, discharged, died, absconded, refused treatment, transferred out; or how the patient is: critical, deteriorating, guarded, stable, improving, fit for discharge';
    COMMENT ON COLUMN hospital.status_updates.ward_code IS 'Ward the patient is in from now on, see hospital.wards; null where in none';
    COMMENT ON COLUMN hospital.status_updates.recorded_by IS 'Who recorded it, see hospital.staff';
    COMMENT ON COLUMN hospital.status_updates.bed_no IS 'Bed of the ward, from 1; null where the patient is in no bed of a ward';

    CREATE TABLE hospital.doctor_assignments (
        doctor_assignment_id bigint      NOT NULL,
        admission_id         bigint      NOT NULL,
        patient_id           bigint      NOT NULL,
        doctor_id            bigint      NOT NULL,
        starts_at            timestamptz NOT NULL,
        ends_at              timestamptz,
        reason               text        NOT NULL,
        CONSTRAINT doctor_assignments_pkey PRIMARY KEY (doctor_assignment_id),
        CONSTRAINT doctor_assignments_times_check CHECK (ends_at >= starts_at)
    );
    COMMENT ON TABLE hospital.doctor_assignments IS 'Which doctor is in charge of an inpatient, from when to when';
    COMMENT ON COLUMN hospital.doctor_assignments.doctor_assignment_id IS 'Day since 2000-01-01 times 1000000 plus a number within the day, from 1';
    COMMENT ON COLUMN hospital.doctor_assignments.admission_id IS 'The admission, see hospital.admissions';
    COMMENT ON COLUMN hospital.doctor_assignments.patient_id IS 'The patient, see hospital.patients';
    COMMENT ON COLUMN hospital.doctor_assignments.doctor_id IS 'The doctor, see hospital.doctors';
    COMMENT ON COLUMN hospital.doctor_assignments.starts_at IS 'From when';
    COMMENT ON COLUMN hospital.doctor_assignments.ends_at IS 'Until when; null where it is not known yet';
    COMMENT ON COLUMN hospital.doctor_assignments.reason IS 'Why this doctor: admitting, ward round, ward change, surgeon, intensive care';

    CREATE TABLE hospital.transfers (
        event_id     uuid        NOT NULL,
        event_time   timestamptz NOT NULL,
        admission_id bigint      NOT NULL,
        patient_id   bigint      NOT NULL,
        from_ward    text        NOT NULL,
        to_ward      text        NOT NULL,
        reason       text        NOT NULL,
        status       text        NOT NULL,
        staff_id     bigint      NOT NULL,
        CONSTRAINT transfers_pkey PRIMARY KEY (event_id),
        CONSTRAINT transfers_wards_check CHECK (from_ward <> to_ward)
    );
    COMMENT ON TABLE hospital.transfers IS 'Medical transfers, from the stream and from the day files; an event may be here before its admission''s day file';
    COMMENT ON COLUMN hospital.transfers.event_id IS 'Version 7, in order of time, a function of the simulation';
    COMMENT ON COLUMN hospital.transfers.event_time IS 'When the patient moved';
    COMMENT ON COLUMN hospital.transfers.admission_id IS 'The admission, see hospital.admissions';
    COMMENT ON COLUMN hospital.transfers.patient_id IS 'The patient, see hospital.patients';
    COMMENT ON COLUMN hospital.transfers.from_ward IS 'Ward left, see hospital.wards';
    COMMENT ON COLUMN hospital.transfers.to_ward IS 'Ward entered, see hospital.wards';
    COMMENT ON COLUMN hospital.transfers.reason IS 'Why, such as isolation, specialist care, bed needed or course of labour';
    COMMENT ON COLUMN hospital.transfers.status IS 'How it went: completed';
    COMMENT ON COLUMN hospital.transfers.staff_id IS 'Who ordered it, see hospital.staff';

    CREATE TABLE hospital.diagnoses (
        diagnosis_id bigint      NOT NULL,
        visit_id     bigint      NOT NULL,
        admission_id bigint,
        patient_id   bigint      NOT NULL,
        code         text        NOT NULL,
        description  text        NOT NULL,
        at           timestamptz NOT NULL,
        rank         text        NOT NULL,
        CONSTRAINT diagnoses_pkey PRIMARY KEY (diagnosis_id)
    );
    COMMENT ON TABLE hospital.diagnoses IS 'Diagnoses of visits: one primary, those that the patient brings along, the cause of an injury';
    COMMENT ON COLUMN hospital.diagnoses.diagnosis_id IS 'Day since 2000-01-01 times 1000000 plus a number within the day, from 1';
    COMMENT ON COLUMN hospital.diagnoses.visit_id IS 'The visit, see hospital.visits';
    COMMENT ON COLUMN hospital.diagnoses.admission_id IS 'The admission, see hospital.admissions; null for those not admitted';
    COMMENT ON COLUMN hospital.diagnoses.patient_id IS 'The patient, see hospital.patients';
    COMMENT ON COLUMN hospital.diagnoses.code IS 'ICD-10 code (WHO, 2019), see hospital.diagnosis_profile, hospital.comorbidities and hospital.external_causes';
    COMMENT ON COLUMN hospital.diagnoses.description IS 'Its title';
    COMMENT ON COLUMN hospital.diagnoses.at IS 'When it was made';
    COMMENT ON COLUMN hospital.diagnoses.rank IS 'primary, secondary or external cause';

    CREATE TABLE hospital.treatments (
        treatment_id bigint      NOT NULL,
        visit_id     bigint      NOT NULL,
        admission_id bigint,
        patient_id   bigint      NOT NULL,
        code         text        NOT NULL,
        description  text        NOT NULL,
        at           timestamptz NOT NULL,
        staff_id     bigint      NOT NULL,
        quantity     int         NOT NULL,
        CONSTRAINT treatments_pkey PRIMARY KEY (treatment_id)
    );
    COMMENT ON TABLE hospital.treatments IS 'What was done to patients: operations, deliveries, imaging, sessions of therapy, dressings';
    COMMENT ON COLUMN hospital.treatments.treatment_id IS 'Day since 2000-01-01 times 1000000 plus a number within the day, from 1';
    COMMENT ON COLUMN hospital.treatments.visit_id IS 'The visit, see hospital.visits';
    COMMENT ON COLUMN hospital.treatments.admission_id IS 'The admission, see hospital.admissions; null for those not admitted';
    COMMENT ON COLUMN hospital.treatments.patient_id IS 'The patient, see hospital.patients';
    COMMENT ON COLUMN hospital.treatments.code IS 'Fee code, see hospital.tariffs';
    COMMENT ON COLUMN hospital.treatments.description IS 'What it stands for';
    COMMENT ON COLUMN hospital.treatments.at IS 'When';
    COMMENT ON COLUMN hospital.treatments.staff_id IS 'Who did it, see hospital.staff';
    COMMENT ON COLUMN hospital.treatments.quantity IS 'How often, in the unit of hospital.tariffs';

    CREATE TABLE hospital.lab_results (
        lab_result_id bigint      NOT NULL,
        visit_id      bigint      NOT NULL,
        admission_id  bigint,
        patient_id    bigint      NOT NULL,
        code          text        NOT NULL,
        description   text        NOT NULL,
        at            timestamptz NOT NULL,
        value         numeric,
        result        text,
        unit          text,
        flag          text,
        specimen      text        NOT NULL,
        CONSTRAINT lab_results_pkey PRIMARY KEY (lab_result_id)
    );
    COMMENT ON TABLE hospital.lab_results IS 'Results of the laboratory, one a test';
    COMMENT ON COLUMN hospital.lab_results.lab_result_id IS 'Day since 2000-01-01 times 1000000 plus a number within the day, from 1';
    COMMENT ON COLUMN hospital.lab_results.visit_id IS 'The visit, see hospital.visits';
    COMMENT ON COLUMN hospital.lab_results.admission_id IS 'The admission, see hospital.admissions; null for those not admitted';
    COMMENT ON COLUMN hospital.lab_results.patient_id IS 'The patient, see hospital.patients';
    COMMENT ON COLUMN hospital.lab_results.code IS 'LOINC code, see hospital.lab_tests';
    COMMENT ON COLUMN hospital.lab_results.description IS 'Name of the test';
    COMMENT ON COLUMN hospital.lab_results.at IS 'When the result was there';
    COMMENT ON COLUMN hospital.lab_results.value IS 'What was measured, in unit; null where the result is a word';
    COMMENT ON COLUMN hospital.lab_results.result IS 'The result in words, such as positive, no growth or a blood group; null where it is a value';
    COMMENT ON COLUMN hospital.lab_results.unit IS 'Unit of the value; null where the result is a word';
    COMMENT ON COLUMN hospital.lab_results.flag IS 'L low, H high, LL and HH critically so, A abnormal; null within the normal range';
    COMMENT ON COLUMN hospital.lab_results.specimen IS 'What was examined: blood, plasma, serum, urine, sputum or swab';

    CREATE TABLE hospital.vital_signs (
        vital_signs_id bigint      NOT NULL,
        visit_id       bigint      NOT NULL,
        admission_id   bigint,
        patient_id     bigint      NOT NULL,
        at             timestamptz NOT NULL,
        temperature    numeric     NOT NULL,
        pulse          int         NOT NULL,
        respiration    int         NOT NULL,
        systolic       int         NOT NULL,
        diastolic      int         NOT NULL,
        spo2           int         NOT NULL,
        consciousness  text        NOT NULL,
        tews           int         NOT NULL,
        recorded_by    bigint      NOT NULL,
        CONSTRAINT vital_signs_pkey PRIMARY KEY (vital_signs_id)
    );
    COMMENT ON TABLE hospital.vital_signs IS 'Vital signs, one set of measurements a row';
    COMMENT ON COLUMN hospital.vital_signs.vital_signs_id IS 'Day since 2000-01-01 times 1000000 plus a number within the day, from 1';
    COMMENT ON COLUMN hospital.vital_signs.visit_id IS 'The visit, see hospital.visits';
    COMMENT ON COLUMN hospital.vital_signs.admission_id IS 'The admission, see hospital.admissions; null for those not admitted';
    COMMENT ON COLUMN hospital.vital_signs.patient_id IS 'The patient, see hospital.patients';
    COMMENT ON COLUMN hospital.vital_signs.at IS 'When measured';
    COMMENT ON COLUMN hospital.vital_signs.temperature IS 'Temperature of the body, in degrees Celsius';
    COMMENT ON COLUMN hospital.vital_signs.pulse IS 'Heart beats a minute';
    COMMENT ON COLUMN hospital.vital_signs.respiration IS 'Breaths a minute';
    COMMENT ON COLUMN hospital.vital_signs.systolic IS 'Systolic blood pressure, in mmHg';
    COMMENT ON COLUMN hospital.vital_signs.diastolic IS 'Diastolic blood pressure, in mmHg';
    COMMENT ON COLUMN hospital.vital_signs.spo2 IS 'Oxygen saturation, in percent';
    COMMENT ON COLUMN hospital.vital_signs.consciousness IS 'A alert, V responds to voice, P to pain, U unresponsive';
    COMMENT ON COLUMN hospital.vital_signs.tews IS 'Triage Early Warning Score, see hospital.triage_sats';
    COMMENT ON COLUMN hospital.vital_signs.recorded_by IS 'Who measured, see hospital.staff';

    CREATE TABLE hospital.prescriptions (
        prescription_id bigint      NOT NULL,
        patient_id      bigint      NOT NULL,
        doctor_id       bigint      NOT NULL,
        visit_id        bigint      NOT NULL,
        medicine_id     text        NOT NULL,
        dosage          text        NOT NULL,
        duration        text        NOT NULL,
        prescribed_at   timestamptz NOT NULL,
        admission_id    bigint,
        quantity        int         NOT NULL,
        CONSTRAINT prescriptions_pkey PRIMARY KEY (prescription_id)
    );
    COMMENT ON TABLE hospital.prescriptions IS 'Prescriptions, one medicine a row';
    COMMENT ON COLUMN hospital.prescriptions.prescription_id IS 'Day since 2000-01-01 times 1000000 plus a number within the day, from 1';
    COMMENT ON COLUMN hospital.prescriptions.patient_id IS 'The patient, see hospital.patients';
    COMMENT ON COLUMN hospital.prescriptions.doctor_id IS 'Doctor who prescribed it, see hospital.doctors';
    COMMENT ON COLUMN hospital.prescriptions.visit_id IS 'The visit, see hospital.visits';
    COMMENT ON COLUMN hospital.prescriptions.medicine_id IS 'The medicine, see hospital.medicines';
    COMMENT ON COLUMN hospital.prescriptions.dosage IS 'How much, how often';
    COMMENT ON COLUMN hospital.prescriptions.duration IS 'For how long: a number of days or weeks, such as 5 days or 2 weeks';
    COMMENT ON COLUMN hospital.prescriptions.prescribed_at IS 'When';
    COMMENT ON COLUMN hospital.prescriptions.admission_id IS 'The admission, see hospital.admissions; null for those not admitted';
    COMMENT ON COLUMN hospital.prescriptions.quantity IS 'Packs';

    CREATE TABLE hospital.billing_payments (
        billing_id     bigint        NOT NULL,
        patient_id     bigint        NOT NULL,
        visit_id       bigint        NOT NULL,
        billing_date   date          NOT NULL,
        total_amount   numeric(12,2) NOT NULL,
        payment_status text          NOT NULL,
        admission_id   bigint,
        patient_class  text          NOT NULL,
        fiscal_year    text          NOT NULL,
        free_reason    text,
        consultation   numeric(12,2) NOT NULL,
        accommodation  numeric(12,2) NOT NULL,
        procedures     numeric(12,2) NOT NULL,
        imaging        numeric(12,2) NOT NULL,
        laboratory     numeric(12,2) NOT NULL,
        medicines      numeric(12,2) NOT NULL,
        other          numeric(12,2) NOT NULL,
        CONSTRAINT billing_payments_pkey PRIMARY KEY (billing_id),
        CONSTRAINT billing_payments_payment_status_check CHECK (payment_status IN ('Paid', 'Pending', 'Unpaid')),
        CONSTRAINT billing_payments_total_amount_check CHECK (total_amount = consultation + accommodation + procedures + imaging + laboratory + medicines + other)
    );
    COMMENT ON TABLE hospital.billing_payments IS 'Bills, one a visit, in rand; total_amount is the sum of the seven parts';
    COMMENT ON COLUMN hospital.billing_payments.billing_id IS 'Day since 2000-01-01 times 1000000 plus a number within the day, from 1';
    COMMENT ON COLUMN hospital.billing_payments.patient_id IS 'The patient, see hospital.patients';
    COMMENT ON COLUMN hospital.billing_payments.visit_id IS 'The visit, see hospital.visits';
    COMMENT ON COLUMN hospital.billing_payments.billing_date IS 'Hospital day of the bill';
    COMMENT ON COLUMN hospital.billing_payments.total_amount IS 'What is to be paid, in rand';
    COMMENT ON COLUMN hospital.billing_payments.payment_status IS 'Paid, Pending or Unpaid';
    COMMENT ON COLUMN hospital.billing_payments.admission_id IS 'The admission, see hospital.admissions; null for those not admitted';
    COMMENT ON COLUMN hospital.billing_payments.patient_class IS 'Class billed by: H0 to H3 or P, see hospital.patient_class';
    COMMENT ON COLUMN hospital.billing_payments.fiscal_year IS 'Fiscal year, such as 2023/24, see hospital.tariff_index';
    COMMENT ON COLUMN hospital.billing_payments.free_reason IS 'Why it is free of charge, see hospital.free_services; null where it is not';
    COMMENT ON COLUMN hospital.billing_payments.consultation IS 'Part for consultations, in rand';
    COMMENT ON COLUMN hospital.billing_payments.accommodation IS 'Part for the days in a ward, in rand';
    COMMENT ON COLUMN hospital.billing_payments.procedures IS 'Part for operations, deliveries, therapy, in rand';
    COMMENT ON COLUMN hospital.billing_payments.imaging IS 'Part for imaging, in rand';
    COMMENT ON COLUMN hospital.billing_payments.laboratory IS 'Part for the laboratory, in rand';
    COMMENT ON COLUMN hospital.billing_payments.medicines IS 'Part for medicines, in rand';
    COMMENT ON COLUMN hospital.billing_payments.other IS 'What is left, in rand';

    CREATE TABLE hospital.staff_changes (
        staff_change_id   bigint NOT NULL,
        staff_id          bigint NOT NULL,
        changed_on        date   NOT NULL,
        change            text   NOT NULL,
        role              text   NOT NULL,
        department_code   text,
        replaces_staff_id bigint,
        CONSTRAINT staff_changes_pkey PRIMARY KEY (staff_change_id),
        CONSTRAINT staff_changes_change_check CHECK (change IN ('hired', 'retired', 'term ended', 'left'))
    );
    COMMENT ON TABLE hospital.staff_changes IS 'Who was hired and who left, as the day files tell it; hospital.staff has the dates';
    COMMENT ON COLUMN hospital.staff_changes.staff_change_id IS 'Day since 2000-01-01 times 1000000 plus a number within the day, from 1';
    COMMENT ON COLUMN hospital.staff_changes.staff_id IS 'Who, see hospital.staff';
    COMMENT ON COLUMN hospital.staff_changes.changed_on IS 'Hospital day: the first day in the post, or the first day no longer employed';
    COMMENT ON COLUMN hospital.staff_changes.change IS 'hired, retired, term ended or left';
    COMMENT ON COLUMN hospital.staff_changes.role IS 'Role, see hospital.staff_roles';
    COMMENT ON COLUMN hospital.staff_changes.department_code IS 'Department of the post, see hospital.departments; null for posts of the whole hospital';
    COMMENT ON COLUMN hospital.staff_changes.replaces_staff_id IS 'Who held the post before; null for those who leave';

    -- Few, for each is paid with every row.  A patient's visits and stays are
    -- found by the patient; what belongs to a visit or a stay by that, whose
    -- ids grow with time, so that the rows of a day go to the right edge.
    CREATE INDEX admissions_patient_id_idx ON hospital.admissions (patient_id);
    COMMENT ON INDEX hospital.admissions_patient_id_idx IS 'The stays of a patient';
    CREATE INDEX visits_patient_id_idx ON hospital.visits (patient_id);
    COMMENT ON INDEX hospital.visits_patient_id_idx IS 'The visits of a patient';
    CREATE INDEX status_updates_admission_id_idx ON hospital.status_updates (admission_id);
    COMMENT ON INDEX hospital.status_updates_admission_id_idx IS 'The course of a stay';
    CREATE INDEX doctor_assignments_admission_id_idx ON hospital.doctor_assignments (admission_id);
    COMMENT ON INDEX hospital.doctor_assignments_admission_id_idx IS 'The doctors of a stay';
    CREATE INDEX transfers_admission_id_idx ON hospital.transfers (admission_id);
    COMMENT ON INDEX hospital.transfers_admission_id_idx IS 'The transfers of a stay';
    CREATE INDEX diagnoses_visit_id_idx ON hospital.diagnoses (visit_id);
    COMMENT ON INDEX hospital.diagnoses_visit_id_idx IS 'The diagnoses of a visit';
    CREATE INDEX treatments_visit_id_idx ON hospital.treatments (visit_id);
    COMMENT ON INDEX hospital.treatments_visit_id_idx IS 'The treatments of a visit';
    CREATE INDEX lab_results_visit_id_idx ON hospital.lab_results (visit_id);
    COMMENT ON INDEX hospital.lab_results_visit_id_idx IS 'The laboratory results of a visit';
    CREATE INDEX vital_signs_visit_id_idx ON hospital.vital_signs (visit_id);
    COMMENT ON INDEX hospital.vital_signs_visit_id_idx IS 'The vital signs of a visit';
    CREATE INDEX prescriptions_visit_id_idx ON hospital.prescriptions (visit_id);
    COMMENT ON INDEX hospital.prescriptions_visit_id_idx IS 'The prescriptions of a visit';
    CREATE INDEX prescriptions_patient_id_idx ON hospital.prescriptions (patient_id);
    COMMENT ON INDEX hospital.prescriptions_patient_id_idx IS 'The prescriptions of a patient, as alerts ask for them';
    CREATE INDEX billing_payments_visit_id_idx ON hospital.billing_payments (visit_id);
    COMMENT ON INDEX hospital.billing_payments_visit_id_idx IS 'The bill of a visit';
    CREATE INDEX billing_payments_patient_id_idx ON hospital.billing_payments (patient_id);
    COMMENT ON INDEX hospital.billing_payments_patient_id_idx IS 'The bills of a patient, as hospital_mart.patient_spending asks for them';

    -- The facts of a day, for the marts.
    CREATE INDEX visits_visit_date_idx ON hospital.visits (visit_date);
    COMMENT ON INDEX hospital.visits_visit_date_idx IS 'The visits that began on a day';
    CREATE INDEX visits_left_at_idx ON hospital.visits (left_at);
    COMMENT ON INDEX hospital.visits_left_at_idx IS 'The visits that ended on a day';
    CREATE INDEX admissions_admitted_at_idx ON hospital.admissions (admitted_at);
    COMMENT ON INDEX hospital.admissions_admitted_at_idx IS 'The stays that began on a day';
    CREATE INDEX admissions_discharged_at_idx ON hospital.admissions (discharged_at);
    COMMENT ON INDEX hospital.admissions_discharged_at_idx IS 'The stays that ended on a day';
    CREATE INDEX status_updates_recorded_at_idx ON hospital.status_updates (recorded_at);
    COMMENT ON INDEX hospital.status_updates_recorded_at_idx IS 'The status updates of a day';
    CREATE INDEX diagnoses_at_idx ON hospital.diagnoses (at);
    COMMENT ON INDEX hospital.diagnoses_at_idx IS 'The diagnoses of a day';
    CREATE INDEX prescriptions_prescribed_at_idx ON hospital.prescriptions (prescribed_at);
    COMMENT ON INDEX hospital.prescriptions_prescribed_at_idx IS 'The prescriptions of a day';
    CREATE INDEX billing_payments_billing_date_idx ON hospital.billing_payments (billing_date);
    COMMENT ON INDEX hospital.billing_payments_billing_date_idx IS 'The bills of a day';
    CREATE INDEX patients_first_seen_on_idx ON hospital.patients (first_seen_on);
    COMMENT ON INDEX hospital.patients_first_seen_on_idx IS 'The patients who came for the first time on a day';
    CREATE INDEX patients_deceased_at_idx ON hospital.patients (deceased_at) WHERE deceased_at IS NOT NULL;
    COMMENT ON INDEX hospital.patients_deceased_at_idx IS 'The patients who died on a day';
    CREATE INDEX patients_date_of_birth_idx ON hospital.patients (date_of_birth);
    COMMENT ON INDEX hospital.patients_date_of_birth_idx IS 'The patients whose age hospital_mart.patient_age_distribution cannot tell by the month of birth';

    -- Not declared: what a transfer says of its stay, which an event may be ahead
    -- of, as a visit of the late evening may be; visit_id, since visits come in
    -- beside what belongs to them.
    IF foreign_keys THEN
        FOR a_key IN
            SELECT c.table_name, c.column_name, c.reference FROM @extschema@.hospital_record_columns() c
            WHERE c.reference IS NOT NULL
              AND NOT (c.table_name = 'transfers' AND c.reference IN ('admissions', 'patients'))
        LOOP
            EXECUTE format('ALTER TABLE hospital.%I ADD CONSTRAINT %I FOREIGN KEY (%I) REFERENCES hospital.%I',
                           a_key.table_name, a_key.table_name || '_' || a_key.column_name || '_fkey',
                           a_key.column_name, a_key.reference);
        END LOOP;
    END IF;

    -- How far it got.
    CREATE TABLE hospital.batches (
        batch_id    bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        kind        text        NOT NULL,
        day         date        NOT NULL,
        file        text        NOT NULL,
        sha256      text        NOT NULL,
        bytes       bigint      NOT NULL,
        rows        bigint,
        state       text        NOT NULL CHECK (state IN ('written', 'loading', 'ingested', 'refused', 'undone')),
        rejects     bigint      NOT NULL DEFAULT 0,
        merged      bigint      NOT NULL DEFAULT 0,
        message     text,
        encoding    text        NOT NULL DEFAULT 'UTF8',
        header      text,
        offset_done bigint      NOT NULL DEFAULT 0,
        line_done   bigint      NOT NULL DEFAULT 0,
        written_at  timestamptz NOT NULL DEFAULT now(),
        ingested_at timestamptz,
        undone_at   timestamptz
    );
    CREATE UNIQUE INDEX batches_kind_day_sha256_key ON hospital.batches (kind, day, sha256) WHERE state <> 'undone';
    COMMENT ON INDEX hospital.batches_kind_day_sha256_key IS 'The same bytes come in once, unless they are undone';
    CREATE INDEX batches_waiting_idx ON hospital.batches (day, batch_id) WHERE state IN ('written', 'loading');
    COMMENT ON INDEX hospital.batches_waiting_idx IS 'The files that are not in yet, oldest day first';
    CREATE INDEX batches_undone_idx ON hospital.batches (batch_id) WHERE state = 'undone';
    COMMENT ON INDEX hospital.batches_undone_idx IS 'How many there are tells the ingestor when to forget what it remembers of references';
    COMMENT ON TABLE hospital.batches IS 'The ledger of day files: one row a file, committed before its name appears and changed in the transaction that brings its rows';
    COMMENT ON COLUMN hospital.batches.batch_id IS 'Number of the batch';
    COMMENT ON COLUMN hospital.batches.kind IS 'Kind of records: registrations, or a table''s name';
    COMMENT ON COLUMN hospital.batches.day IS 'Hospital day';
    COMMENT ON COLUMN hospital.batches.file IS 'File, below hospital.data_folder';
    COMMENT ON COLUMN hospital.batches.sha256 IS 'SHA-256 of its bytes, in hexadecimal';
    COMMENT ON COLUMN hospital.batches.bytes IS 'Its size';
    COMMENT ON COLUMN hospital.batches.rows IS 'Records written into it; once ingested, lines that became or completed rows; null where it is not known';
    COMMENT ON COLUMN hospital.batches.state IS 'written, loading (a big file, committed chunk by chunk), ingested, refused or undone';
    COMMENT ON COLUMN hospital.batches.rejects IS 'Lines that went to hospital.rejects';
    COMMENT ON COLUMN hospital.batches.merged IS 'Among its rows: lines that met a row of theirs in the table, and completed it or were the same';
    COMMENT ON COLUMN hospital.batches.message IS 'Why it was refused or undone';
    COMMENT ON COLUMN hospital.batches.encoding IS 'Encoding that it is read in';
    COMMENT ON COLUMN hospital.batches.header IS 'Its header line, where the columns are in another order than usual: what hospital_retry_rejects needs to know';
    COMMENT ON COLUMN hospital.batches.offset_done IS 'Bytes of the file up to the end of the last chunk that is committed';
    COMMENT ON COLUMN hospital.batches.line_done IS 'Lines of the file up to there';
    COMMENT ON COLUMN hospital.batches.written_at IS 'When the file was written';
    COMMENT ON COLUMN hospital.batches.ingested_at IS 'When its rows came in';
    COMMENT ON COLUMN hospital.batches.undone_at IS 'When its rows were taken out again';

    CREATE TABLE hospital.days (
        day             date        NOT NULL PRIMARY KEY,
        rows            bigint      NOT NULL,
        bytes           bigint      NOT NULL,
        manifest_sha256 text        NOT NULL,
        written_at      timestamptz NOT NULL DEFAULT now(),
        closed_at       timestamptz
    );
    COMMENT ON TABLE hospital.days IS 'Hospital days whose folder has been written: one row, committed with the rows of its files in hospital.batches';
    COMMENT ON COLUMN hospital.days.day IS 'Hospital day';
    COMMENT ON COLUMN hospital.days.rows IS 'Records in its files';
    COMMENT ON COLUMN hospital.days.bytes IS 'Size of its files, the manifest not counted';
    COMMENT ON COLUMN hospital.days.manifest_sha256 IS 'SHA-256 of manifest.json, in hexadecimal';
    COMMENT ON COLUMN hospital.days.written_at IS 'When';
    COMMENT ON COLUMN hospital.days.closed_at IS 'When hospital_validate found its files and its events to agree; null while it has not';

    CREATE TABLE hospital.rejects (
        reject_id      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        batch_id       bigint      REFERENCES hospital.batches,
        kind           text,
        day            date,
        topic          text,
        partition      int,
        epoch          bigint,
        "offset"       bigint,
        line           bigint,
        column_name    text,
        raw            bytea,
        encoding       text,
        key            bytea,
        headers        jsonb,
        sqlstate       text        NOT NULL,
        message        text        NOT NULL,
        reference      text,
        reference_id   bigint,
        reference_text text,
        rejected_at    timestamptz NOT NULL DEFAULT now(),
        attempts       int         NOT NULL DEFAULT 0,
        resolved_at    timestamptz,
        resolved_by    text        CHECK (resolved_by IN ('retry', 'duplicate', 'undo'))
    );
    CREATE INDEX rejects_batch_id_idx ON hospital.rejects (batch_id);
    COMMENT ON INDEX hospital.rejects_batch_id_idx IS 'The rejects of a day file';
    CREATE INDEX rejects_reference_idx ON hospital.rejects (reference, reference_id)
        WHERE resolved_at IS NULL AND reference_id IS NOT NULL;
    COMMENT ON INDEX hospital.rejects_reference_idx IS 'The lines that wait for somebody: tried again when the patient or the admission comes in';
    CREATE INDEX rejects_unresolved_idx ON hospital.rejects (kind) WHERE resolved_at IS NULL;
    COMMENT ON INDEX hospital.rejects_unresolved_idx IS 'How many of each kind wait, for hospital_metrics';
    COMMENT ON TABLE hospital.rejects IS 'Lines and messages that could not become rows, as they came';
    COMMENT ON COLUMN hospital.rejects.reject_id IS 'Number of the reject';
    COMMENT ON COLUMN hospital.rejects.batch_id IS 'Day file it came in; null for messages';
    COMMENT ON COLUMN hospital.rejects.kind IS 'Kind of records of the file or topic';
    COMMENT ON COLUMN hospital.rejects.day IS 'Hospital day of the file; null for messages';
    COMMENT ON COLUMN hospital.rejects.topic IS 'Topic it came in; null for lines';
    COMMENT ON COLUMN hospital.rejects.partition IS 'Partition of the topic';
    COMMENT ON COLUMN hospital.rejects.epoch IS 'Epoch of the partition';
    COMMENT ON COLUMN hospital.rejects."offset" IS 'Offset in the partition';
    COMMENT ON COLUMN hospital.rejects.line IS 'Line of the file on which the record begins; 1 is the header';
    COMMENT ON COLUMN hospital.rejects.column_name IS 'Column at fault, where it is one';
    COMMENT ON COLUMN hospital.rejects.raw IS 'The bytes';
    COMMENT ON COLUMN hospital.rejects.encoding IS 'Encoding that the file was read in; null for messages';
    COMMENT ON COLUMN hospital.rejects.key IS 'The message''s key';
    COMMENT ON COLUMN hospital.rejects.headers IS 'The message''s headers';
    COMMENT ON COLUMN hospital.rejects.sqlstate IS 'SQLSTATE of the fault';
    COMMENT ON COLUMN hospital.rejects.message IS 'The fault, in words';
    COMMENT ON COLUMN hospital.rejects.reference IS 'Table that lacks what the line refers to: patients, staff, admissions, wards, departments, medicines; null for other faults';
    COMMENT ON COLUMN hospital.rejects.reference_id IS 'The id that is not there, where it is a number';
    COMMENT ON COLUMN hospital.rejects.reference_text IS 'The code that is not there, where it is a text';
    COMMENT ON COLUMN hospital.rejects.rejected_at IS 'When';
    COMMENT ON COLUMN hospital.rejects.attempts IS 'How often it was tried again';
    COMMENT ON COLUMN hospital.rejects.resolved_at IS 'When it became a row, or went with its batch; null while it waits';
    COMMENT ON COLUMN hospital.rejects.resolved_by IS 'retry: hospital_retry_rejects made it a row; duplicate: its event was there already; undo: hospital_undo_batch took its file back';

    CREATE TABLE hospital.faults (
        fault_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        day         date   NOT NULL,
        kind        text   NOT NULL,
        line        bigint NOT NULL,
        fault       text   NOT NULL CHECK (fault IN ('malformed', 'wrong type', 'duplicate', 'late', 'orphan',
                                                     'impossible date', 'encoding')),
        column_name text,
        raw         bytea,
        CONSTRAINT faults_day_kind_line_key UNIQUE (day, kind, line)
    );
    COMMENT ON TABLE hospital.faults IS 'The faults that were put into the day files on purpose, at the rate of hospital.simulation.dirty_rate: what a good ingestor must find, and nothing else';
    COMMENT ON COLUMN hospital.faults.fault_id IS 'Number of the fault';
    COMMENT ON COLUMN hospital.faults.day IS 'Hospital day of the file';
    COMMENT ON COLUMN hospital.faults.kind IS 'Kind of records of the file';
    COMMENT ON COLUMN hospital.faults.line IS 'Line of the file on which the record begins; 1 is the header';
    COMMENT ON COLUMN hospital.faults.fault IS 'malformed, wrong type, duplicate (a record again), late (of another day), orphan (refers to nothing), impossible date or encoding';
    COMMENT ON COLUMN hospital.faults.column_name IS 'Column at fault, where it is one';
    COMMENT ON COLUMN hospital.faults.raw IS 'The bytes as written';

    CREATE TABLE hospital.stream_topics (
        topic          text        PRIMARY KEY,
        kind           text        NOT NULL,
        format         text        NOT NULL CHECK (format IN ('json', 'hl7')),
        unknown_fields text        NOT NULL DEFAULT 'refuse' CHECK (unknown_fields IN ('refuse', 'keep')),
        errors         text        NOT NULL DEFAULT 'reject' CHECK (errors IN ('reject', 'stop')),
        reject_percent numeric     CHECK (reject_percent BETWEEN 0 AND 100),
        added_at       timestamptz NOT NULL DEFAULT now()
    );
    COMMENT ON TABLE hospital.stream_topics IS 'Topics that the consumers have met, and how to treat what comes in them: a consumer sees a change within ten seconds';
    COMMENT ON COLUMN hospital.stream_topics.topic IS 'Topic';
    COMMENT ON COLUMN hospital.stream_topics.kind IS 'Kind of records in it; adt: admissions, transfers and status updates as HL7 messages';
    COMMENT ON COLUMN hospital.stream_topics.format IS 'json or hl7';
    COMMENT ON COLUMN hospital.stream_topics.unknown_fields IS 'refuse: a message with a field that its kind does not have is a reject; keep: the field goes to hospital.stream_extras';
    COMMENT ON COLUMN hospital.stream_topics.errors IS 'reject: a message that cannot become a row goes to hospital.rejects; stop: its partition stops before it';
    COMMENT ON COLUMN hospital.stream_topics.reject_percent IS 'A partition stops when more than that share of its last 10,000 messages would be rejects; null: it never does';
    COMMENT ON COLUMN hospital.stream_topics.added_at IS 'When a consumer met it first';

    CREATE TABLE hospital.stream_partitions (
        topic        text        NOT NULL,
        partition    int         NOT NULL,
        epoch        bigint      NOT NULL DEFAULT 0,
        broker_epoch bigint      NOT NULL DEFAULT 0,
        start_offset bigint,
        read_to      bigint,
        state        text        NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'paused', 'stopped')),
        reason       text,
        sqlstate     text,
        log_begin    bigint,
        log_end      bigint,
        changed_at   timestamptz NOT NULL DEFAULT now(),
        changed_by   text        NOT NULL DEFAULT session_user,
        PRIMARY KEY (topic, partition)
    );
    COMMENT ON TABLE hospital.stream_partitions IS 'What the consumers should do with each partition. Changed by hospital_seek, hospital_pause, hospital_resume and hospital_accept_gap, and by a consumer that has to stop, or has read offsets without a message to the log''s end; not when messages come in';
    COMMENT ON COLUMN hospital.stream_partitions.topic IS 'Topic';
    COMMENT ON COLUMN hospital.stream_partitions.partition IS 'Partition';
    COMMENT ON COLUMN hospital.stream_partitions.epoch IS 'Counts how often reading has begun anew: by a seek, an accepted topic of the same name, an embedded broker that was started again';
    COMMENT ON COLUMN hospital.stream_partitions.broker_epoch IS 'Which life of the embedded broker; 0 for a real one';
    COMMENT ON COLUMN hospital.stream_partitions.start_offset IS 'Where this epoch begins; null: with the first message that is there';
    COMMENT ON COLUMN hospital.stream_partitions.read_to IS 'Where the log ended when it was read to its end, if marks of transactions or other offsets without a message came last; what is before this is not missed when brokers delete it';
    COMMENT ON COLUMN hospital.stream_partitions.state IS 'running; paused by hospital_pause; stopped by a gap, another topic of the same name, or a message that cannot be taken';
    COMMENT ON COLUMN hospital.stream_partitions.reason IS 'Why it is paused or stopped';
    COMMENT ON COLUMN hospital.stream_partitions.sqlstate IS 'Why it is stopped, as a code: HS001 a gap, HS002 another log under the same name, HS003 too many rejects, else that of a message that cannot be taken';
    COMMENT ON COLUMN hospital.stream_partitions.log_begin IS 'First offset of the log when it stopped; null: not known';
    COMMENT ON COLUMN hospital.stream_partitions.log_end IS 'Offset after the last one of the log when it stopped; null: not known';
    COMMENT ON COLUMN hospital.stream_partitions.changed_at IS 'When this was changed last';
    COMMENT ON COLUMN hospital.stream_partitions.changed_by IS 'By whom';

    CREATE TABLE hospital.stream_ranges (
        topic          text        NOT NULL,
        partition      int         NOT NULL,
        epoch          bigint      NOT NULL DEFAULT 0,
        first_offset   bigint      NOT NULL,
        last_offset    bigint      NOT NULL,
        messages       bigint      NOT NULL,
        rows           bigint      NOT NULL,
        rejects        bigint      NOT NULL,
        duplicates     bigint      NOT NULL,
        lost           bigint      NOT NULL DEFAULT 0,
        last_timestamp timestamptz,
        last_digest    bigint,
        file           text,
        sha256         text,
        worker_pid     int         NOT NULL,
        committed_at   timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (topic, partition, epoch, first_offset),
        CHECK (last_offset >= first_offset),
        CHECK (messages = rows + rejects + duplicates),
        CHECK (lost = 0 OR messages = 0)
    );
    CREATE INDEX stream_ranges_committed_at_idx ON hospital.stream_ranges USING brin (committed_at);
    COMMENT ON INDEX hospital.stream_ranges_committed_at_idx IS 'The latest ranges';
    COMMENT ON TABLE hospital.stream_ranges IS 'The ledger of the stream: ranges of offsets, each committed with its rows; the next position is the end of the last one';
    COMMENT ON COLUMN hospital.stream_ranges.topic IS 'Topic';
    COMMENT ON COLUMN hospital.stream_ranges.partition IS 'Partition';
    COMMENT ON COLUMN hospital.stream_ranges.epoch IS 'Epoch of the partition, see hospital.stream_partitions; ranges chain within one';
    COMMENT ON COLUMN hospital.stream_ranges.first_offset IS 'First offset of the range: the one after the range before';
    COMMENT ON COLUMN hospital.stream_ranges.last_offset IS 'Last offset of the range';
    COMMENT ON COLUMN hospital.stream_ranges.messages IS 'Messages in it; fewer than offsets where transactions were used or the topic is compacted';
    COMMENT ON COLUMN hospital.stream_ranges.rows IS 'Messages that became or completed rows';
    COMMENT ON COLUMN hospital.stream_ranges.rejects IS 'Messages that became rejects';
    COMMENT ON COLUMN hospital.stream_ranges.duplicates IS 'Messages whose event was there already';
    COMMENT ON COLUMN hospital.stream_ranges.lost IS 'Offsets given up by hospital_accept_gap; 0 for a range that was read';
    COMMENT ON COLUMN hospital.stream_ranges.last_timestamp IS 'The broker''s timestamp of the message at last_offset';
    COMMENT ON COLUMN hospital.stream_ranges.last_digest IS 'Digest of the key and bytes of that message: with its timestamp the witness by which a topic of the same name is told from this one';
    COMMENT ON COLUMN hospital.stream_ranges.file IS 'File of the messages, below hospital.data_folder; null with hospital.stream_lake off, or where all were rejects';
    COMMENT ON COLUMN hospital.stream_ranges.sha256 IS 'SHA-256 of its bytes, in hexadecimal';
    COMMENT ON COLUMN hospital.stream_ranges.worker_pid IS 'Process that committed it';
    COMMENT ON COLUMN hospital.stream_ranges.committed_at IS 'When its transaction began';

    CREATE VIEW hospital.stream_lag AS
    SELECT x.topic, x.partition, x.epoch, x."position", x.log_end, x.lag,
           CASE WHEN x.lag = 0 THEN 0 WHEN x.lag > 0 THEN extract(epoch FROM now() - x.last_message_at) END::double precision
               AS lag_seconds,
           x.rate, x.state, x.last_error, x.worker
    FROM (SELECT p.topic, p.partition, p.epoch, coalesce(r.last_offset + 1, p.start_offset) AS "position",
                 -- what the consumer has passed over (marks of transactions) is no lag
                 s.log_end, CASE WHEN s.log_end IS NOT NULL
                                 THEN greatest(0, s.log_end - greatest(s.next_offset, r.last_offset + 1, p.start_offset)) END AS lag,
                 coalesce(s.last_message_at, r.last_timestamp) AS last_message_at, s.rate,
                 CASE WHEN p.state <> 'running' THEN p.state ELSE coalesce(s.state, 'no consumer') END AS state,
                 coalesce(p.reason, s.last_error) AS last_error, s.worker
          FROM hospital.stream_partitions p
          LEFT JOIN LATERAL (SELECT r.last_offset, r.last_timestamp FROM hospital.stream_ranges r
                             WHERE r.topic = p.topic AND r.partition = p.partition AND r.epoch = p.epoch
                             ORDER BY r.first_offset DESC LIMIT 1) r ON true
          LEFT JOIN @extschema@.hospital_stream_positions() s
              ON s.database = current_database() AND s.topic = p.topic AND s.partition = p.partition) x
    ORDER BY x.topic, x.partition;
    COMMENT ON VIEW hospital.stream_lag IS 'Where each partition is and how far behind. Without a consumer only the ledger''s part is there';
    COMMENT ON COLUMN hospital.stream_lag.topic IS 'Topic';
    COMMENT ON COLUMN hospital.stream_lag.partition IS 'Partition';
    COMMENT ON COLUMN hospital.stream_lag.epoch IS 'Epoch of the partition, see hospital.stream_partitions';
    COMMENT ON COLUMN hospital.stream_lag."position" IS 'Offset that is to be read next, as the ledger has it; null: with the first message that is there';
    COMMENT ON COLUMN hospital.stream_lag.log_end IS 'Offset after the last one of the log, as the consumer knows it';
    COMMENT ON COLUMN hospital.stream_lag.lag IS 'Offsets that are still to be read';
    COMMENT ON COLUMN hospital.stream_lag.lag_seconds IS 'Age of the last message taken in, by the broker''s clock; 0 when there is nothing more';
    COMMENT ON COLUMN hospital.stream_lag.rate IS 'Messages a second, lately';
    COMMENT ON COLUMN hospital.stream_lag.state IS 'paused or stopped; what the consumer is at; or that there is none';
    COMMENT ON COLUMN hospital.stream_lag.last_error IS 'Why it is paused or stopped, or the consumer''s last error (that for pg_monitor alone)';
    COMMENT ON COLUMN hospital.stream_lag.worker IS 'The consumer, as in hospital.status';
    GRANT SELECT ON hospital.stream_lag TO pg_monitor;

    CREATE TABLE hospital.stream_extras (
        topic     text   NOT NULL,
        partition int    NOT NULL,
        epoch     bigint NOT NULL,
        "offset"  bigint NOT NULL,
        fields    jsonb  NOT NULL,
        PRIMARY KEY (topic, partition, epoch, "offset")
    );
    COMMENT ON TABLE hospital.stream_extras IS 'Fields of messages that their kind does not have, where hospital.stream_topics.unknown_fields says keep';
    COMMENT ON COLUMN hospital.stream_extras.topic IS 'Topic';
    COMMENT ON COLUMN hospital.stream_extras.partition IS 'Partition';
    COMMENT ON COLUMN hospital.stream_extras.epoch IS 'Epoch of the partition';
    COMMENT ON COLUMN hospital.stream_extras."offset" IS 'Offset of the message';
    COMMENT ON COLUMN hospital.stream_extras.fields IS 'The fields, as they came';

    CREATE TABLE hospital.stream_actions (
        action_id   bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at          timestamptz NOT NULL DEFAULT now(),
        who         text        NOT NULL DEFAULT session_user,
        action      text        NOT NULL CHECK (action IN ('seek', 'pause', 'resume', 'stop', 'accept gap', 'new broker')),
        topic       text        NOT NULL,
        partition   int         NOT NULL,
        epoch       bigint      NOT NULL,
        from_offset bigint,
        to_offset   bigint,
        reason      text
    );
    COMMENT ON TABLE hospital.stream_actions IS 'What was done to partitions by hand, and when a consumer had to stop one';
    COMMENT ON COLUMN hospital.stream_actions.action_id IS 'Number of the action';
    COMMENT ON COLUMN hospital.stream_actions.at IS 'When';
    COMMENT ON COLUMN hospital.stream_actions.who IS 'By whom; the owner of the tables for a consumer';
    COMMENT ON COLUMN hospital.stream_actions.action IS 'seek, pause, resume, stop, accept gap or new broker (an embedded one, started again)';
    COMMENT ON COLUMN hospital.stream_actions.topic IS 'Topic';
    COMMENT ON COLUMN hospital.stream_actions.partition IS 'Partition';
    COMMENT ON COLUMN hospital.stream_actions.epoch IS 'Epoch after it';
    COMMENT ON COLUMN hospital.stream_actions.from_offset IS 'Position before; null: none yet';
    COMMENT ON COLUMN hospital.stream_actions.to_offset IS 'Position after; null: with the first message that is there';
    COMMENT ON COLUMN hospital.stream_actions.reason IS 'Why';

    CREATE TABLE hospital.published (
        kind         text        NOT NULL,
        day          date        NOT NULL,
        tick         int         NOT NULL,
        topic        text        NOT NULL,
        events       int         NOT NULL,
        broker_epoch bigint      NOT NULL DEFAULT 0,
        last_offsets bigint[],
        stream_tick  bigint,
        published_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (kind, day, tick)
    );
    CREATE INDEX published_stream_tick_idx ON hospital.published (stream_tick) WHERE stream_tick IS NOT NULL;
    COMMENT ON INDEX hospital.published_stream_tick_idx IS 'What went out in a tick';
    COMMENT ON TABLE hospital.published IS 'Stream ticks whose events the broker has acknowledged';
    COMMENT ON COLUMN hospital.published.kind IS 'Kind of records; adt: as HL7 messages';
    COMMENT ON COLUMN hospital.published.day IS 'Hospital day';
    COMMENT ON COLUMN hospital.published.tick IS 'Part of the day, from 0; 1000 is the last one, or hospital_publish, and has whatever the others left; -1 has no events: from its day on the kind is published by itself';
    COMMENT ON COLUMN hospital.published.topic IS 'Topic';
    COMMENT ON COLUMN hospital.published.events IS 'Events published';
    COMMENT ON COLUMN hospital.published.broker_epoch IS 'Which life of the embedded broker; 0 for a real one';
    COMMENT ON COLUMN hospital.published.last_offsets IS 'Offset of the last of them in each partition, from partition 0 on; null where there is none';
    COMMENT ON COLUMN hospital.published.stream_tick IS 'Tick of the clock in which they went out, see hospital.ticks; null for hospital_publish';
    COMMENT ON COLUMN hospital.published.published_at IS 'When it was recorded';

    CREATE TABLE hospital.publish_requests (
        request_id   bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        from_day     date        NOT NULL,
        to_day       date        NOT NULL,
        state        text        NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'done', 'failed', 'given up')),
        done_day     date,
        events       bigint      NOT NULL DEFAULT 0,
        message      text,
        requested_at timestamptz NOT NULL DEFAULT now(),
        requested_by text        NOT NULL DEFAULT session_user,
        finished_at  timestamptz
    );
    COMMENT ON TABLE hospital.publish_requests IS 'Calls of hospital_publish, which the scheduler carries out';
    COMMENT ON COLUMN hospital.publish_requests.request_id IS 'Number of the request';
    COMMENT ON COLUMN hospital.publish_requests.from_day IS 'First hospital day';
    COMMENT ON COLUMN hospital.publish_requests.to_day IS 'Last hospital day';
    COMMENT ON COLUMN hospital.publish_requests.state IS 'waiting, running, done, failed, or given up by its session';
    COMMENT ON COLUMN hospital.publish_requests.done_day IS 'Last day that is published';
    COMMENT ON COLUMN hospital.publish_requests.events IS 'Events published for it; those that had been published before are not sent again';
    COMMENT ON COLUMN hospital.publish_requests.message IS 'Why it failed';
    COMMENT ON COLUMN hospital.publish_requests.requested_at IS 'When it was asked for';
    COMMENT ON COLUMN hospital.publish_requests.requested_by IS 'By whom';
    COMMENT ON COLUMN hospital.publish_requests.finished_at IS 'When it ended';

    CREATE TABLE hospital.alerts (
        alert_id              bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        prescription_id       bigint      NOT NULL,
        other_prescription_id bigint      NOT NULL,
        patient_id            bigint      NOT NULL,
        medicine_id           text        NOT NULL,
        other_medicine_id     text        NOT NULL,
        severity              text        NOT NULL,
        effect                text        NOT NULL,
        prescribed_at         timestamptz NOT NULL,
        raised_at             timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT alerts_prescriptions_key UNIQUE (prescription_id, other_prescription_id)
    );
    COMMENT ON TABLE hospital.alerts IS 'Prescriptions that interact with another one that the patient is on, raised in the transaction that brings the later of the two from the stream; listeners to hospital_alerts are told';
    COMMENT ON COLUMN hospital.alerts.alert_id IS 'Number of the alert';
    COMMENT ON COLUMN hospital.alerts.prescription_id IS 'The prescription, see hospital.prescriptions';
    COMMENT ON COLUMN hospital.alerts.other_prescription_id IS 'The one that the patient was on';
    COMMENT ON COLUMN hospital.alerts.patient_id IS 'The patient, see hospital.patients';
    COMMENT ON COLUMN hospital.alerts.medicine_id IS 'Medicine of the prescription';
    COMMENT ON COLUMN hospital.alerts.other_medicine_id IS 'Medicine that the patient was on';
    COMMENT ON COLUMN hospital.alerts.severity IS 'How bad, see hospital.drug_interactions';
    COMMENT ON COLUMN hospital.alerts.effect IS 'What may happen, see hospital.drug_interactions';
    COMMENT ON COLUMN hospital.alerts.prescribed_at IS 'When the prescription was written';
    COMMENT ON COLUMN hospital.alerts.raised_at IS 'When the alert was raised';

    CREATE TABLE hospital.patient_activity (
        patient_id bigint      NOT NULL,
        started_at timestamptz NOT NULL,
        ended_at   timestamptz NOT NULL,
        events     bigint      NOT NULL,
        PRIMARY KEY (patient_id, started_at)
    );
    COMMENT ON TABLE hospital.patient_activity IS 'Windows of a patient''s activity in the stream: events no further apart than hospital.activity_gap are of one window';
    COMMENT ON COLUMN hospital.patient_activity.patient_id IS 'The patient, see hospital.patients';
    COMMENT ON COLUMN hospital.patient_activity.started_at IS 'Time of the window''s first event';
    COMMENT ON COLUMN hospital.patient_activity.ended_at IS 'Time of its last';
    COMMENT ON COLUMN hospital.patient_activity.events IS 'Events in it';

    CREATE TABLE hospital.run_state (
        one_row           boolean          PRIMARY KEY DEFAULT true CHECK (one_row),
        desired           text             NOT NULL DEFAULT 'stopped' CHECK (desired IN ('stopped', 'paused', 'running')),
        window_number     int              NOT NULL DEFAULT 0,
        window_started_at timestamptz,
        first_day         date,
        last_day          date,
        first_tick        bigint,
        live_from         date,
        anchor_at         timestamptz,
        anchor_day        date,
        anchor_part       double precision NOT NULL DEFAULT 0 CHECK (anchor_part >= 0 AND anchor_part < 1),
        day_length        interval,
        speed             double precision NOT NULL DEFAULT 1 CHECK (speed > 0),
        tick_at           timestamptz,
        next_tick         bigint,
        stream_interval   interval,
        stood_at          timestamptz,
        changed_at        timestamptz      NOT NULL DEFAULT now(),
        changed_by        text             NOT NULL DEFAULT current_user,
        CONSTRAINT run_state_window_check CHECK (window_number = 0 OR num_nulls(window_started_at, first_day, last_day,
            first_tick, live_from, anchor_at, anchor_day, day_length, tick_at, next_tick, stream_interval) = 0)
    );
    COMMENT ON TABLE hospital.run_state IS 'What the live simulation should be doing, and where its clock is: one row, see hospital.run_window';
    COMMENT ON COLUMN hospital.run_state.one_row IS 'Always true: there is one row';
    COMMENT ON COLUMN hospital.run_state.desired IS 'running, paused or stopped';
    COMMENT ON COLUMN hospital.run_state.window_number IS 'Which window, from 1; 0: none was begun';
    COMMENT ON COLUMN hospital.run_state.window_started_at IS 'Real time at which the window began';
    COMMENT ON COLUMN hospital.run_state.first_day IS 'First hospital day of the window';
    COMMENT ON COLUMN hospital.run_state.last_day IS 'Its last hospital day';
    COMMENT ON COLUMN hospital.run_state.first_tick IS 'Number of its first tick, see hospital.ticks';
    COMMENT ON COLUMN hospital.run_state.live_from IS 'Hospital day from which on days are the clock''s to make; hospital_run moves it';
    COMMENT ON COLUMN hospital.run_state.anchor_at IS 'Real time at which the clock was set last';
    COMMENT ON COLUMN hospital.run_state.anchor_day IS 'Hospital day to which it was set';
    COMMENT ON COLUMN hospital.run_state.anchor_part IS 'Part of that day that had passed';
    COMMENT ON COLUMN hospital.run_state.day_length IS 'Real time that a hospital day takes at speed 1';
    COMMENT ON COLUMN hospital.run_state.speed IS 'So many times as fast, see hospital_speed';
    COMMENT ON COLUMN hospital.run_state.tick_at IS 'Real time of the tick before next_tick; ticks follow every stream_interval';
    COMMENT ON COLUMN hospital.run_state.next_tick IS 'Number of the tick after tick_at';
    COMMENT ON COLUMN hospital.run_state.stream_interval IS 'Real time between two ticks';
    COMMENT ON COLUMN hospital.run_state.stood_at IS 'Since when the clock stands still; null: it goes';
    COMMENT ON COLUMN hospital.run_state.changed_at IS 'When it was last started, stopped, paused, resumed, sped up or put forward';
    COMMENT ON COLUMN hospital.run_state.changed_by IS 'By whom';

    CREATE TABLE hospital.ticks (
        tick          bigint      PRIMARY KEY,
        window_number int         NOT NULL,
        due_at        timestamptz NOT NULL,
        started_at    timestamptz NOT NULL,
        finished_at   timestamptz NOT NULL,
        upto          timestamp   NOT NULL,
        outcome       text        NOT NULL CHECK (outcome IN ('published', 'nothing due', 'no brokers')),
        events        bigint      NOT NULL
    );
    COMMENT ON TABLE hospital.ticks IS 'Stream ticks that are done, each once; committed with the rows of hospital.published';
    COMMENT ON COLUMN hospital.ticks.tick IS 'Number of the tick, from 1, through all windows';
    COMMENT ON COLUMN hospital.ticks.window_number IS 'Window that it belongs to';
    COMMENT ON COLUMN hospital.ticks.due_at IS 'When it was due; of one that was missed before the pace was changed, by the later pace';
    COMMENT ON COLUMN hospital.ticks.started_at IS 'When the scheduler turned to it, for the last time if it failed before';
    COMMENT ON COLUMN hospital.ticks.finished_at IS 'When it was recorded';
    COMMENT ON COLUMN hospital.ticks.upto IS 'Hospital time (Africa/Johannesburg) at which it was due: events until then have been published';
    COMMENT ON COLUMN hospital.ticks.outcome IS 'published; nothing due: there were no new events; no brokers: hospital.kafka_brokers was empty';
    COMMENT ON COLUMN hospital.ticks.events IS 'Events that it published, of all kinds';

    CREATE VIEW hospital.run_window AS
    SELECT n.state, r.window_number, r.window_started_at AS started_at, n.ends_at, r.first_day, r.last_day,
           -- a machine's clock that was put back is waited for
           greatest(n.hospital_time, l.upto)::date AS hospital_day, greatest(n.hospital_time, l.upto) AS hospital_time,
           r.speed, n.day_takes, r.stream_interval,
           r.last_day - r.first_day + 1 AS days, n.days_due, d.done AS days_done,
           greatest(n.days_due - d.done, 0) AS days_missed,
           n.ticks, n.ticks_due, t.done AS ticks_done, greatest(n.ticks_due - t.done, 0) AS ticks_missed,
           d.bytes, t.events, n.next_day_at, n.next_tick_at
    FROM hospital.run_state r
    CROSS JOIN LATERAL @extschema@.hospital_window_now(r) n
    CROSS JOIN LATERAL (SELECT count(*)::int AS done, coalesce(sum(d.bytes), 0)::bigint AS bytes FROM hospital.days d
                        WHERE d.day BETWEEN r.first_day AND r.last_day) d
    CROSS JOIN LATERAL (SELECT count(*) AS done, coalesce(sum(t.events), 0)::bigint AS events FROM hospital.ticks t
                        WHERE t.tick >= r.first_tick) t
    LEFT JOIN LATERAL (SELECT t.upto FROM hospital.ticks t ORDER BY t.tick DESC LIMIT 1) l ON true;
    COMMENT ON VIEW hospital.run_window IS 'The live simulation''s window: one row';
    COMMENT ON COLUMN hospital.run_window.state IS 'not started, running, paused, stopped or window over';
    COMMENT ON COLUMN hospital.run_window.window_number IS 'Which window, from 1';
    COMMENT ON COLUMN hospital.run_window.started_at IS 'When it began';
    COMMENT ON COLUMN hospital.run_window.ends_at IS 'When it ends if nothing is changed; null while the clock stands still';
    COMMENT ON COLUMN hospital.run_window.first_day IS 'Its first hospital day';
    COMMENT ON COLUMN hospital.run_window.last_day IS 'Its last hospital day';
    COMMENT ON COLUMN hospital.run_window.hospital_day IS 'Hospital day now; the one after the last when the window is over';
    COMMENT ON COLUMN hospital.run_window.hospital_time IS 'Time in the hospital now (Africa/Johannesburg)';
    COMMENT ON COLUMN hospital.run_window.speed IS 'As hospital_speed set it';
    COMMENT ON COLUMN hospital.run_window.day_takes IS 'Real time that a hospital day takes now';
    COMMENT ON COLUMN hospital.run_window.stream_interval IS 'Real time between two stream ticks';
    COMMENT ON COLUMN hospital.run_window.days IS 'Hospital days, and so batch ticks, of the window';
    COMMENT ON COLUMN hospital.run_window.days_due IS 'Those that are over';
    COMMENT ON COLUMN hospital.run_window.days_done IS 'Those whose files are written';
    COMMENT ON COLUMN hospital.run_window.days_missed IS 'Those that are due and not written yet: they are made up in order';
    COMMENT ON COLUMN hospital.run_window.ticks IS 'Stream ticks of the window, if nothing is changed';
    COMMENT ON COLUMN hospital.run_window.ticks_due IS 'Those that are due';
    COMMENT ON COLUMN hospital.run_window.ticks_done IS 'Those that are in hospital.ticks';
    COMMENT ON COLUMN hospital.run_window.ticks_missed IS 'Those that are due and not done yet: they are made up in order';
    COMMENT ON COLUMN hospital.run_window.bytes IS 'Bytes of its day files';
    COMMENT ON COLUMN hospital.run_window.events IS 'Events that its ticks published';
    COMMENT ON COLUMN hospital.run_window.next_day_at IS 'When the next day is over; null while the clock stands still';
    COMMENT ON COLUMN hospital.run_window.next_tick_at IS 'When the next tick is due; null while the clock stands still';
    GRANT SELECT ON hospital.run_window TO pg_monitor;

    CREATE VIEW hospital.doctors AS
    SELECT s.staff_id AS doctor_id, s.first_name || ' ' || s.last_name AS name,
           coalesce(d.name, CASE s.specialty WHEN 'ANA' THEN 'Anaesthesiology' WHEN 'RADI' THEN 'Radiology'
                                             WHEN 'NUC' THEN 'Nuclear Medicine' WHEN 'ROTATION' THEN 'Rotation'
                                             ELSE s.specialty END) AS specialization,
           greatest(0, extract(year FROM age(t.today, s.date_of_birth))::int - 24) AS experience_years,
           lower(left(s.first_name, 1) || regexp_replace(s.last_name, '[^A-Za-z]', '', 'g')) || s.staff_id
               || '@hospital.example' AS contact_info
    FROM hospital.staff s
    LEFT JOIN hospital.departments d USING (department_code)
    CROSS JOIN (SELECT coalesce(max(b.day), current_date) AS today FROM hospital.batches b WHERE b.state = 'ingested') t
    WHERE s.registration_no ~ '^(MP|IN|DP)' AND s.hired_on <= t.today;
    COMMENT ON VIEW hospital.doctors IS 'Doctors, interns and dentists who are or were employed, as of the last day that is ingested';
    COMMENT ON COLUMN hospital.doctors.doctor_id IS 'Number of the doctor, a staff_id';
    COMMENT ON COLUMN hospital.doctors.name IS 'First name and surname';
    COMMENT ON COLUMN hospital.doctors.specialization IS 'Department, or the field of those who serve all departments';
    COMMENT ON COLUMN hospital.doctors.experience_years IS 'Years since qualifying: age less 24';
    COMMENT ON COLUMN hospital.doctors.contact_info IS 'Address for mail, in a domain that does not exist';

    -- Scheduled jobs.
    CREATE TABLE hospital.jobs (
        job_name       text        PRIMARY KEY CHECK (job_name <> ''),
        command        text        NOT NULL,
        schedule       text,
        time_zone      text        NOT NULL DEFAULT 'Africa/Johannesburg',
        depends_on     text[]      NOT NULL DEFAULT '{}',
        catch_up       text        NOT NULL DEFAULT 'once' CHECK (catch_up IN ('skip', 'once', 'all')),
        catch_up_limit int         NOT NULL DEFAULT 100 CHECK (catch_up_limit BETWEEN 1 AND 1000),
        max_retries    int         NOT NULL DEFAULT 3 CHECK (max_retries BETWEEN 0 AND 1000),
        retry_delay    interval    NOT NULL DEFAULT '30 seconds' CHECK (retry_delay BETWEEN '0' AND '1 day'),
        max_runtime    interval    DEFAULT '1 hour' CHECK (max_runtime BETWEEN '0.001 seconds' AND '20 days'),
        enabled        boolean     NOT NULL DEFAULT true,
        while_stopped  boolean     NOT NULL DEFAULT false,
        keep_history   interval    NOT NULL DEFAULT '30 days' CHECK (keep_history >= '0'),
        starts_at      timestamptz NOT NULL DEFAULT now() CHECK (isfinite(starts_at)),
        changed_at     timestamptz NOT NULL DEFAULT now(),
        changed_by     text        NOT NULL DEFAULT session_user,
        next_due_at    timestamptz,
        days_done      datemultirange NOT NULL DEFAULT '{}',
        seen_runs      bigint[]    NOT NULL DEFAULT '{}',
        problem        text
    );
    COMMENT ON TABLE hospital.jobs IS 'Scheduled jobs: what to run, when, and how to deal with what goes wrong. Whoever may write here runs commands as the owner of this table';
    COMMENT ON COLUMN hospital.jobs.job_name IS 'Name of the job';
    COMMENT ON COLUMN hospital.jobs.command IS 'SQL to run, as the owner of the hospital''s tables, with search_path pg_catalog: other names have their schema. One statement is run as a client''s would be, so a CALL may commit on its way; several are one transaction. $1 is the time for which it was due, $2 the hospital day of an event';
    COMMENT ON COLUMN hospital.jobs.schedule IS 'When: an interval (15 minutes), five fields as for cron (minute, hour, day of the month, month, weekday; L is the last day of the month), after day ingested or after day closed. Null: after the jobs in depends_on, or by hand alone';
    COMMENT ON COLUMN hospital.jobs.time_zone IS 'Time zone in which the schedule is meant';
    COMMENT ON COLUMN hospital.jobs.depends_on IS 'Jobs that must have succeeded since the last run of this one';
    COMMENT ON COLUMN hospital.jobs.catch_up IS 'Of the times that were missed: skip runs none, once runs the last of them, all runs each';
    COMMENT ON COLUMN hospital.jobs.catch_up_limit IS 'With all: how many of the last ones, at the most';
    COMMENT ON COLUMN hospital.jobs.max_retries IS 'How often a run that failed, timed out or crashed is tried again';
    COMMENT ON COLUMN hospital.jobs.retry_delay IS 'Before the first retry; twice as long before each further one, an hour at the most; an eighth more or less, at random';
    COMMENT ON COLUMN hospital.jobs.max_runtime IS 'A run is cancelled after it, and its process ended 5 seconds later; null: it may take any time';
    COMMENT ON COLUMN hospital.jobs.enabled IS 'False: it is not run but by hand';
    COMMENT ON COLUMN hospital.jobs.while_stopped IS 'It also runs while the hospital is stopped';
    COMMENT ON COLUMN hospital.jobs.keep_history IS 'How long its runs stay in hospital.job_history';
    COMMENT ON COLUMN hospital.jobs.starts_at IS 'From when an interval is counted';
    COMMENT ON COLUMN hospital.jobs.changed_at IS 'When it was scheduled';
    COMMENT ON COLUMN hospital.jobs.changed_by IS 'By whom';
    COMMENT ON COLUMN hospital.jobs.next_due_at IS 'First time that has no run yet; the runners'' own';
    COMMENT ON COLUMN hospital.jobs.days_done IS 'Days that have had their turn, of a job that runs after days; the runners'' own';
    COMMENT ON COLUMN hospital.jobs.seen_runs IS 'For each job in depends_on the run that this one has answered to; the runners'' own';
    COMMENT ON COLUMN hospital.jobs.problem IS 'Why its schedule cannot be kept; null: it can';

    CREATE TABLE hospital.job_history (
        run_id      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        job_name    text        NOT NULL,
        cause       text        NOT NULL CHECK (cause IN ('schedule', 'day', 'job', 'by hand')),
        due_at      timestamptz NOT NULL,
        day         date,
        attempt     int         NOT NULL DEFAULT 1,
        slots       bigint      NOT NULL DEFAULT 1,
        state       text        NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'succeeded', 'failed', 'timed out', 'cancelled', 'skipped', 'crashed')),
        start_after timestamptz,
        started_at  timestamptz,
        ended_at    timestamptz,
        pid         int,
        sqlstate    text,
        message     text
    );
    CREATE UNIQUE INDEX job_history_time_key ON hospital.job_history (job_name, due_at, attempt) WHERE cause = 'schedule';
    COMMENT ON INDEX hospital.job_history_time_key IS 'Each time of a schedule is run once';
    CREATE UNIQUE INDEX job_history_day_key ON hospital.job_history (job_name, day, attempt) WHERE cause = 'day';
    COMMENT ON INDEX hospital.job_history_day_key IS 'Each day is run once';
    CREATE INDEX job_history_succeeded_idx ON hospital.job_history (job_name, run_id) WHERE state = 'succeeded';
    COMMENT ON INDEX hospital.job_history_succeeded_idx IS 'The last success of each job';
    CREATE INDEX job_history_open_idx ON hospital.job_history (state) WHERE state IN ('waiting', 'running');
    COMMENT ON INDEX hospital.job_history_open_idx IS 'What is not over';
    COMMENT ON TABLE hospital.job_history IS 'Runs of jobs as they were written down: a run''s start before its work, its outcome after it. hospital.job_runs also knows which of them have crashed since';
    COMMENT ON COLUMN hospital.job_history.run_id IS 'Number of the run';
    COMMENT ON COLUMN hospital.job_history.job_name IS 'The job, see hospital.jobs';
    COMMENT ON COLUMN hospital.job_history.cause IS 'schedule; day (an event); job (those that it depends on); by hand';
    COMMENT ON COLUMN hospital.job_history.due_at IS 'When it was due; of skipped ones the first';
    COMMENT ON COLUMN hospital.job_history.day IS 'Hospital day of the event; of skipped ones the first';
    COMMENT ON COLUMN hospital.job_history.attempt IS '1, or 2 and more for retries';
    COMMENT ON COLUMN hospital.job_history.slots IS 'How many times or days the row stands for; more than one in skipped rows alone';
    COMMENT ON COLUMN hospital.job_history.state IS 'waiting, running, succeeded, failed, timed out, cancelled, skipped or crashed';
    COMMENT ON COLUMN hospital.job_history.start_after IS 'A retry: not before';
    COMMENT ON COLUMN hospital.job_history.started_at IS 'When it began';
    COMMENT ON COLUMN hospital.job_history.ended_at IS 'When it ended, or was found to have ended';
    COMMENT ON COLUMN hospital.job_history.pid IS 'Process that ran it';
    COMMENT ON COLUMN hospital.job_history.sqlstate IS 'SQLSTATE of its error';
    COMMENT ON COLUMN hospital.job_history.message IS 'Its error, or why it was not run';

    CREATE VIEW hospital.job_runs AS
    SELECT r.run_id, r.job_name, r.cause, r.due_at, r.day, r.attempt, r.slots,
           CASE WHEN r.state = 'running' AND NOT @extschema@.hospital_job_is_running(r.run_id) THEN 'crashed'
                ELSE r.state END AS state,
           r.start_after, r.started_at, r.ended_at,
           CASE WHEN r.state = 'running' AND @extschema@.hospital_job_is_running(r.run_id) THEN clock_timestamp()
                ELSE r.ended_at END - r.started_at AS duration,
           r.pid, r.sqlstate, r.message
    FROM hospital.job_history r;
    COMMENT ON VIEW hospital.job_runs IS 'Runs of jobs, present, past and waiting; one whose process is gone is crashed at once';
    COMMENT ON COLUMN hospital.job_runs.run_id IS 'Number of the run';
    COMMENT ON COLUMN hospital.job_runs.job_name IS 'The job, see hospital.jobs';
    COMMENT ON COLUMN hospital.job_runs.cause IS 'schedule; day (an event); job (those that it depends on); by hand';
    COMMENT ON COLUMN hospital.job_runs.due_at IS 'When it was due; of skipped ones the first';
    COMMENT ON COLUMN hospital.job_runs.day IS 'Hospital day of the event; of skipped ones the first';
    COMMENT ON COLUMN hospital.job_runs.attempt IS '1, or 2 and more for retries';
    COMMENT ON COLUMN hospital.job_runs.slots IS 'How many times or days the row stands for; more than one in skipped rows alone';
    COMMENT ON COLUMN hospital.job_runs.state IS 'waiting, running, succeeded, failed, timed out, cancelled, skipped or crashed';
    COMMENT ON COLUMN hospital.job_runs.start_after IS 'A retry: not before';
    COMMENT ON COLUMN hospital.job_runs.started_at IS 'When it began';
    COMMENT ON COLUMN hospital.job_runs.ended_at IS 'When it ended, or was found to have ended';
    COMMENT ON COLUMN hospital.job_runs.duration IS 'How long it took, or has taken';
    COMMENT ON COLUMN hospital.job_runs.pid IS 'Process that ran it';
    COMMENT ON COLUMN hospital.job_runs.sqlstate IS 'SQLSTATE of its error';
    COMMENT ON COLUMN hospital.job_runs.message IS 'Its error, or why it was not run';

    CREATE VIEW hospital.job_status AS
    SELECT j.job_name, j.schedule,
           CASE WHEN r.state = 'running' THEN 'running'
                WHEN j.problem IS NOT NULL THEN 'cannot be scheduled'
                WHEN NOT j.enabled AND w.run_id IS NULL THEN 'disabled'
                WHEN NOT j.while_stopped AND s.desired = 'stopped' THEN 'waiting for the hospital to start'
                WHEN w.attempt > 1 THEN 'waiting to retry'
                WHEN w.run_id IS NOT NULL THEN coalesce('waiting for ' || d.names, 'waiting for a runner')
                WHEN j.schedule ~* '^\s*after' THEN 'waiting for a day'
                WHEN j.schedule IS NULL AND d.names IS NOT NULL THEN 'waiting for ' || d.names
                WHEN j.schedule IS NULL THEN 'by hand'
                ELSE 'waiting for its time' END AS state,
           coalesce(w.start_after, w.due_at, j.next_due_at) AS next_due_at,
           l.state AS last_state, l.started_at AS last_started_at, l.duration AS last_duration, l.message AS last_message,
           l.failures, j.problem
    FROM hospital.jobs j
    CROSS JOIN hospital.run_state s
    LEFT JOIN LATERAL (SELECT r.state FROM hospital.job_runs r WHERE r.job_name = j.job_name AND r.state = 'running'
                       LIMIT 1) r ON true
    LEFT JOIN LATERAL (SELECT r.* FROM hospital.job_history r WHERE r.job_name = j.job_name AND r.state = 'waiting'
                       ORDER BY coalesce(r.start_after, r.due_at), r.run_id LIMIT 1) w ON true
    LEFT JOIN LATERAL (SELECT r.*, (SELECT count(*) FROM hospital.job_runs f WHERE f.job_name = j.job_name
                                    AND f.state IN ('failed', 'timed out', 'crashed')
                                    AND f.run_id > coalesce((SELECT max(g.run_id) FROM hospital.job_history g
                                                             WHERE g.job_name = j.job_name AND g.state = 'succeeded'), 0)) AS failures
                       FROM hospital.job_runs r WHERE r.job_name = j.job_name AND r.started_at IS NOT NULL
                       ORDER BY r.started_at DESC, r.run_id DESC LIMIT 1) l ON true
    LEFT JOIN LATERAL (SELECT string_agg(d.name, ', ' ORDER BY d.n) AS names
                       FROM unnest(j.depends_on) WITH ORDINALITY d (name, n)
                       WHERE coalesce((SELECT max(g.run_id) FROM hospital.job_history g
                                       WHERE g.job_name = d.name AND g.state = 'succeeded'), 0)
                             <= coalesce(j.seen_runs[d.n], 0)) d ON true
    ORDER BY j.job_name;
    COMMENT ON VIEW hospital.job_status IS 'One row a job: what it waits for, when it is due next, how it went last';
    COMMENT ON COLUMN hospital.job_status.job_name IS 'The job, see hospital.jobs';
    COMMENT ON COLUMN hospital.job_status.schedule IS 'Its schedule';
    COMMENT ON COLUMN hospital.job_status.state IS 'What it does, or waits for';
    COMMENT ON COLUMN hospital.job_status.next_due_at IS 'When it is due next; null where that depends on days or other jobs, or nobody has looked yet';
    COMMENT ON COLUMN hospital.job_status.last_state IS 'How its last run went';
    COMMENT ON COLUMN hospital.job_status.last_started_at IS 'When that began';
    COMMENT ON COLUMN hospital.job_status.last_duration IS 'How long it took';
    COMMENT ON COLUMN hospital.job_status.last_message IS 'Its error';
    COMMENT ON COLUMN hospital.job_status.failures IS 'Runs that failed since the last that succeeded';
    COMMENT ON COLUMN hospital.job_status.problem IS 'Why its schedule cannot be kept';

    -- Disabled where the owner may not call what they call. Each argument is said: with a function of
    -- somebody else's in the extension's schema, of fewer arguments, the call would be ambiguous.
    INSERT INTO hospital.jobs (job_name, schedule, command, max_retries, retry_delay, enabled)
    SELECT j.name, j.schedule, j.command, j.retries, '1 minute', has_function_privilege(j.called, 'EXECUTE')
    FROM (VALUES
        ('close days', 'after day ingested', 'CALL @extschema@.hospital_close_days(31)', 3,
         '@extschema@.hospital_close_days(int)'),
        ('retry rejects', '7 * * * *', 'CALL @extschema@.hospital_retry_rejects(NULL::bigint, NULL::text)', 0,
         '@extschema@.hospital_retry_rejects(bigint, text)'),
        ('fold marts', 'after day ingested', 'CALL @extschema@.hospital_fold_marts()', 3,
         '@extschema@.hospital_fold_marts()'),
        ('prune history', '37 3 * * *', 'SELECT @extschema@.hospital_prune_history()', 3,
         '@extschema@.hospital_prune_history()')) j (name, schedule, command, retries, called);

    INSERT INTO hospital.simulation (simulation_id, name, seed, people, beds, start_date, end_date, id_mode,
                                     transfers_per_day, dirty_rate, generator_version, tables_version,
                                     system_identifier, database_oid)
    SELECT gen_random_uuid(), a_name, a_seed, a_people, a_beds, a_start, a_end, id_mode,
           transfers_per_day, dirty_rate, version, @extschema@.hospital_tables_version(),
           (pg_control_system()).system_identifier, d.oid
    FROM pg_database d WHERE d.datname = current_database();
    INSERT INTO hospital.run_state DEFAULT VALUES;
    CALL @extschema@.hospital_create_marts();
END
$create$;
COMMENT ON PROCEDURE hospital_create(bigint, int, date, date, bigint, text, text, int, boolean, numeric) IS
    'Freeze what this hospital is and make its tables, as ordinary tables of the caller''s; arguments left out are taken from the settings hospital.num_people, start_date, end_date and seed. transfers_per_day: medical transfers of each day, up to 1000 and to one for two beds; foreign_keys: declare those of the day files'' tables, at the price of a slow ingest; dirty_rate: spoil that share of the lines of the day files';

CREATE FUNCTION hospital_adopt() RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $adopt$
BEGIN
    IF to_regclass('hospital.simulation') IS NULL THEN
        RAISE EXCEPTION 'this database has no hospital'
            USING ERRCODE = 'undefined_table', HINT = 'CALL hospital_create() makes one.';
    END IF;
    UPDATE hospital.simulation
    SET system_identifier = (SELECT c.system_identifier FROM pg_control_system() c),
        database_oid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database());
    PERFORM @extschema@.hospital_wake_scheduler();
END
$adopt$;
CREATE FUNCTION hospital_wake_scheduler() RETURNS void
    LANGUAGE C
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_wake_scheduler() IS
    'Part of hospital_adopt: at commit, have this database''s scheduler look what there is to do';
REVOKE EXECUTE ON FUNCTION hospital_adopt(), hospital_wake_scheduler() FROM PUBLIC;
COMMENT ON FUNCTION hospital_adopt() IS
    'Say that a restored or copied hospital may act in this server and database, where until then its workers leave it alone. Make sure that the original no longer does';

CREATE PROCEDURE hospital_load_people(people bigint DEFAULT NULL, workers int DEFAULT NULL, keys boolean DEFAULT true)
    LANGUAGE C
    AS 'MODULE_PATHNAME';
COMMENT ON PROCEDURE hospital_load_people(bigint, int, boolean) IS
    'Fill hospital.people, in parallel; what is there already is kept, so that a load that was interrupted is completed by calling it again. Makes the hospital first where there is none. keys => false loads rows alone and leaves keys and statistics to a later call';

CREATE PROCEDURE hospital_load_staff(workers int DEFAULT NULL)
    LANGUAGE C
    AS 'MODULE_PATHNAME';
COMMENT ON PROCEDURE hospital_load_staff(int) IS
    'Fill hospital.staff and hospital.staff_assignments from the start date to the end date; completes what is missing';

-- ==== end of create and load ==============================================

-- ==== validate ============================================================
--
-- What the generators make for the frozen parameters, against the tables.  All
-- kinds of a day are compared before the next day, in one statement whose outer
-- loop is the days, so that every day is simulated once and nothing is kept.
--
-- The rows of a day are found by their ids (see src/records.h), those of the two
-- kinds that have others by the keys of what is generated.  A record that a
-- later file completes is compared twice: on the day it begins, without what
-- comes later, and on the day it ends.  Rows that nobody generated, and those
-- that nothing completed, are counted at the end where they have no such ids.

CREATE FUNCTION hospital_validate_records(from_day date, to_day date,
        OUT check_name text, OUT expected bigint, OUT found bigint, OUT missing bigint, OUT duplicated bigint,
        OUT altered bigint, OUT lines bigint, OUT amiss date[])
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE ROWS 13
    SET search_path = pg_catalog, pg_temp
    SET jit = off
    SET work_mem = '64MB'
AS $validate$
DECLARE
    -- patients and people together are what a registration says
    registered CONSTANT text := $sql$(
            SELECT p.patient_id AS person_id, h.national_id, h.passport_no,
                   CASE WHEN p.full_name = h.first_name || ' ' || h.last_name THEN h.first_name END AS first_name,
                   h.last_name,
                   CASE WHEN p.date_of_birth = h.date_of_birth THEN h.date_of_birth END AS date_of_birth,
                   CASE WHEN p.gender = CASE h.sex WHEN 'F' THEN 'Female' ELSE 'Male' END THEN h.sex END AS sex,
                   h.population_group, h.home_language, h.citizenship, h.household_id, h.address, h.suburb, h.postal_code,
                   CASE WHEN p.contact_info = h.phone THEN h.phone END AS phone,
                   p.folder_no, p.blood_type, p.insurance_id, p.patient_class, p.origin, p.first_seen_on, p.deceased_at
            FROM hospital.patients p LEFT JOIN hospital.people h ON h.person_id = p.patient_id)$sql$;
    args   text;              -- of the generators, but for the day
    a_part record;
    ranges text := '';        -- a column a kind: the day, where its file is in
    kinds  text[] := '{}';    -- what each part counts for
    parts  text := '';        -- seven numbers of one day each
    extra  text := '';        -- what cannot be found by day
BEGIN
    SELECT format('%s::bigint, %s::bigint, %s, %L::date, %s, %L::text',
                  s.seed, s.people, s.beds, s.start_date, s.transfers_per_day, s.id_mode)
    INTO STRICT args FROM hospital.simulation s;

    FOR a_part IN
        SELECT k.*, p.old, k.by_id AND NOT p.old AS whole_day,
               -- begun on an earlier day whose file is in, so that it was counted then
               CASE WHEN p.old THEN
                   CASE WHEN k.by_id THEN '(g.' || k.key || ' / 1000000)::int + ''2000-01-01''::date'
                        ELSE 'g.first_seen_on' END
                   || format(' IN (SELECT b.day FROM hospital.batches b WHERE b.kind = %L AND b.state = ''ingested'''
                             ' AND b.day BETWEEN $1 AND $2)', k.kind)
               ELSE 'false' END AS known,
               CASE WHEN k.ends IS NULL THEN 'true'
                    WHEN k.by_id THEN format('(g.%s < %s) = %L', k.key, k.first_id, p.old)
                    ELSE format('(g.first_seen_on < d.%I) = %L', k.kind, p.old) END AS wanted
        FROM (SELECT c.kind, c.table_name, c.merge IN ('never', 'completes') AND c.kind <> 'registrations' AS by_id,
                     quote_ident(min(c.column_name) FILTER (WHERE c.key)) AS key,
                     min(c.column_name) FILTER (WHERE c.completes AND c.type LIKE 'timestamp%') AS ends,
                     format('(d.%I - ''2000-01-01''::date) * 1000000::bigint', c.kind) AS first_id,
                     format('ROW(%s) IS NOT DISTINCT FROM ROW(%s)',
                            string_agg(format('g.%I', c.column_name), ', ' ORDER BY c.number) FILTER (WHERE NOT c.completes),
                            string_agg(format('t.%I', c.column_name), ', ' ORDER BY c.number) FILTER (WHERE NOT c.completes))
                     AS same,
                     format('ROW(%s) IS NOT DISTINCT FROM ROW(%s)',
                            string_agg(format('g.%I', c.column_name), ', ' ORDER BY c.number) FILTER (WHERE c.completes),
                            string_agg(format('t.%I', c.column_name), ', ' ORDER BY c.number) FILTER (WHERE c.completes))
                     AS same_end,
                     -- a key that was dropped lets a row be there twice
                     EXISTS (SELECT FROM pg_index i
                             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                             WHERE i.indrelid = format('hospital.%I', c.table_name)::regclass AND i.indisunique
                               AND i.indisvalid AND i.indnkeyatts = 1 AND i.indpred IS NULL
                               AND a.attname = min(c.column_name) FILTER (WHERE c.key)) AS has_key
              FROM @extschema@.hospital_record_columns() c
              GROUP BY c.kind, c.table_name, c.stage, c.merge) k
        JOIN (VALUES (false), (true)) p (old) ON k.ends IS NOT NULL OR NOT p.old
        ORDER BY k.kind, p.old
    LOOP
        kinds := kinds || a_part.kind;
        IF NOT a_part.old THEN
            ranges := ranges || format(', min(b.day) FILTER (WHERE b.kind = %1$L) AS %1$I', a_part.kind);
        END IF;
        parts := parts || format($sql$ || (
    SELECT ARRAY[count(g.%1$s) FILTER (WHERE NOT g.known),
                 count(t.%1$s) FILTER (WHERE g.known IS NOT TRUE),
                 count(g.%1$s) FILTER (WHERE NOT g.known AND t.%1$s IS NULL),
                 %2$s,
                 count(t.%1$s) FILTER (WHERE CASE WHEN g.known THEN %3$s AND NOT %4$s ELSE NOT (%3$s AND (%4$s OR %5$s)) END),
                 count(g.%1$s), %6$s]
    FROM (SELECT g.*, %7$s AS known FROM @extschema@.hospital_generate_%8$s(d.%8$I, %9$s) g WHERE %10$s) g
    %11$s)$sql$,
            a_part.key,
            CASE WHEN a_part.has_key THEN '0' ELSE format('count(t.%1$s) - count(DISTINCT t.%1$s)', a_part.key) END,
            a_part.same, CASE WHEN a_part.ends IS NULL THEN 'true' ELSE a_part.same_end END,
            -- what came after the day is not the day's matter
            CASE WHEN a_part.ends IS NULL OR a_part.old THEN 'false'
                 ELSE format('g.%1$I IS NULL AND coalesce(t.%1$I >= d.until, false)', a_part.ends) END,
            CASE WHEN a_part.ends IS NULL THEN '0'
                 ELSE format('count(t.%1$I) FILTER (WHERE g.%1$I IS NOT NULL OR t.%1$I < d.until)', a_part.ends) END,
            a_part.known, a_part.kind, args, a_part.wanted,
            format(CASE WHEN a_part.whole_day
                        THEN 'FULL JOIN (SELECT * FROM %1$s t WHERE t.%2$s BETWEEN %3$s AND %3$s + 999999) t'
                        ELSE 'LEFT JOIN %1$s t' END || ' ON t.%2$s = g.%2$s',
                   CASE WHEN a_part.kind = 'registrations' THEN registered ELSE format('hospital.%I', a_part.table_name) END,
                   a_part.key, a_part.first_id));
        IF a_part.ends IS NOT NULL AND NOT a_part.old THEN
            extra := extra || format($sql$
    UNION ALL SELECT %1$L, 'ended', count(*) FROM hospital.%2$I t
    WHERE t.%3$I >= $3 AND (t.%3$I < $4 OR (t.%3$I AT TIME ZONE 'Africa/Johannesburg')::date NOT IN (
        SELECT b.day FROM hospital.batches b WHERE b.kind = %1$L AND b.state = 'ingested'))$sql$,
                a_part.kind, a_part.table_name, a_part.ends);
        END IF;
    END LOOP;

    RETURN QUERY EXECUTE format($sql$
WITH days AS (
    SELECT b.day, (b.day + 1)::timestamp AT TIME ZONE 'Africa/Johannesburg' AS until %s
    FROM hospital.batches b
    WHERE b.state = 'ingested' AND b.day BETWEEN $1 AND $2
    GROUP BY b.day ORDER BY b.day
), compared AS (
    SELECT d.day, $5[(n.number + 6) / 7] AS kind, (n.number - 1) %% 7 AS number, n.value
    FROM days d CROSS JOIN LATERAL unnest('{}'::bigint[] %s) WITH ORDINALITY AS n (value, number)
), sums AS (
    SELECT c.kind,
           sum(c.value) FILTER (WHERE c.number = 0)::bigint AS expected,
           sum(c.value) FILTER (WHERE c.number = 1)::bigint AS found,
           sum(c.value) FILTER (WHERE c.number = 2)::bigint AS missing,
           sum(c.value) FILTER (WHERE c.number = 3)::bigint AS duplicated,
           sum(c.value) FILTER (WHERE c.number = 4)::bigint AS altered,
           sum(c.value) FILTER (WHERE c.number = 5)::bigint AS lines,
           sum(c.value) FILTER (WHERE c.number = 6)::bigint AS ended,
           array_agg(DISTINCT c.day) FILTER (WHERE c.number IN (2, 3, 4) AND c.value <> 0) AS amiss
    FROM compared c GROUP BY c.kind
), extra (kind, what, rows) AS (
    SELECT 'registrations', 'found', count(*) FROM hospital.patients t
    WHERE t.first_seen_on IN (SELECT d.registrations FROM days d)
    UNION ALL SELECT 'transfers', 'found', count(*) FROM hospital.transfers t
    WHERE (t.event_time AT TIME ZONE 'Africa/Johannesburg')::date IN (SELECT d.transfers FROM days d) %s
)
SELECT s.kind, s.expected - s.duplicated, greatest(s.found, f.rows), s.missing, s.duplicated,
       s.altered + greatest(0, f.rows - s.found) + greatest(0, e.rows - s.ended), s.lines - s.duplicated,
       -- of a row that nobody generated nothing says whose day it spoils
       CASE WHEN f.rows > s.found OR e.rows > s.ended THEN (SELECT array_agg(d.day) FROM days d) ELSE s.amiss END
FROM sums s
LEFT JOIN extra f ON f.kind = s.kind AND f.what = 'found'
LEFT JOIN extra e ON e.kind = s.kind AND e.what = 'ended'
ORDER BY array_position($5, s.kind)$sql$, ranges, parts, extra)
    USING from_day, to_day, from_day::timestamp AT TIME ZONE 'Africa/Johannesburg',
          (to_day + 1)::timestamp AT TIME ZONE 'Africa/Johannesburg', kinds;
END
$validate$;
COMMENT ON FUNCTION hospital_validate_records(date, date) IS
    'The part of hospital_validate that compares rows; lines is how many records the files of the days have, amiss the days that are not as they should be';

CREATE FUNCTION hospital_validate_references(from_day date, to_day date,
        OUT check_name text, OUT expected bigint, OUT found bigint)
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE ROWS 7
    SET search_path = pg_catalog, pg_temp
    SET jit = off
    SET work_mem = '64MB'
AS $validate$
DECLARE
    scans text;
BEGIN
    -- each table is read once, whatever it refers to
    SELECT string_agg(format($sql$
    SELECT r.* FROM (SELECT ARRAY[%1$s] AS expected, ARRAY[%2$s] AS found FROM hospital.%3$I t %4$s WHERE %5$s) x,
                    unnest(%6$L::text[], x.expected, x.found) r (reference, expected, found)$sql$,
               t.expected, t.found, t.table_name, t.joins, t.rows, t.referred), ' UNION ALL ')
    INTO scans
    FROM (SELECT c.table_name,
                 string_agg(format('count(t.%I)', c.column_name), ', ' ORDER BY c.number) AS expected,
                 string_agg(format('count(r%s.%I)', c.number, k.key), ', ' ORDER BY c.number) AS found,
                 string_agg(format('LEFT JOIN hospital.%1$I r%2$s ON r%2$s.%3$I = t.%4$I', c.reference, c.number,
                                   k.key, c.column_name), ' ' ORDER BY c.number) AS joins,
                 array_agg(c.reference ORDER BY c.number) AS referred,
                 CASE WHEN c.table_name = 'transfers' THEN 't.event_time >= $1 AND t.event_time < $2'
                      ELSE 't.' || quote_ident(min(c.own_key)) || ' BETWEEN $3 AND $4' END AS rows
          FROM (SELECT c.*, min(c.column_name) FILTER (WHERE c.key) OVER (PARTITION BY c.kind) AS own_key
                FROM @extschema@.hospital_record_columns() c) c
          JOIN (VALUES ('patients', 'patient_id'), ('staff', 'staff_id'), ('admissions', 'admission_id'),
                       ('wards', 'ward_code'), ('departments', 'department_code'),
                       ('medicines', 'medicine_id')) k (reference, key)
            ON k.reference = c.reference
          GROUP BY c.table_name) t;
    RETURN QUERY EXECUTE format($sql$
SELECT 'references to ' || r.reference, sum(r.expected)::bigint, sum(r.found)::bigint
FROM (SELECT 'people' AS reference, count(*) AS expected, count(h.person_id) AS found
      FROM hospital.patients p LEFT JOIN hospital.people h ON h.person_id = p.patient_id
      WHERE p.first_seen_on BETWEEN $5 AND $6 UNION ALL %s) r
GROUP BY r.reference ORDER BY 1$sql$, scans)
    USING from_day::timestamp AT TIME ZONE 'Africa/Johannesburg', (to_day + 1)::timestamp AT TIME ZONE 'Africa/Johannesburg',
          (from_day - '2000-01-01'::date) * 1000000::bigint, (to_day - '2000-01-01'::date) * 1000000::bigint + 999999,
          from_day, to_day;
END
$validate$;
COMMENT ON FUNCTION hospital_validate_references(date, date) IS
    'The part of hospital_validate that follows references; expected are the references, found those that lead somewhere';

-- A tick is in when the ledger has each of its last offsets, in an epoch of the
-- log that it went to; ranges of an epoch chain, so that first and last say it. Of
-- a former life of the embedded broker nothing is left to read: there the table
-- has the say.
CREATE FUNCTION hospital_validate_ticks(from_day date, to_day date,
        OUT kind text, OUT day date, OUT events bigint, OUT arrived bigint, OUT gone bigint, OUT rejects bigint)
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE ROWS 100
    SET search_path = pg_catalog, pg_temp
    SET jit = off
    SET work_mem = '64MB'
AS $validate$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH epochs AS MATERIALIZED (
        SELECT s.topic, s.partition, f.first_offset, l.last_offset, a.until
        FROM hospital.stream_partitions s CROSS JOIN generate_series(0, s.epoch) e
        CROSS JOIN LATERAL (SELECT r.first_offset FROM hospital.stream_ranges r
                            WHERE r.topic = s.topic AND r.partition = s.partition AND r.epoch = e
                            ORDER BY r.first_offset LIMIT 1) f
        CROSS JOIN LATERAL (SELECT r.last_offset FROM hospital.stream_ranges r
                            WHERE r.topic = s.topic AND r.partition = s.partition AND r.epoch = e
                            ORDER BY r.first_offset DESC LIMIT 1) l
        CROSS JOIN LATERAL (SELECT coalesce(min(CASE WHEN a.action = 'accept gap' THEN a.at ELSE '-infinity' END), 'infinity') AS until
                            FROM hospital.stream_actions a
                            WHERE a.topic = s.topic AND a.partition = s.partition AND a.epoch > e
                              AND (a.action = 'new broker' OR a.action = 'accept gap' AND a.to_offset IS NULL)) a
        WHERE a.until > '-infinity'
    ), offsets AS (
        SELECT p.kind, p.day, p.tick, p.events,
               CASE WHEN p.events = 0 OR o.last_offset IS NULL AND o.number IS NOT NULL THEN 'in'
                    WHEN s.topic IS NULL THEN 'out'
                    WHEN s.broker_epoch <> p.broker_epoch THEN 'gone'
                    WHEN bool_or(o.last_offset BETWEEN e.first_offset AND e.last_offset AND p.published_at < e.until) THEN 'in'
                    ELSE 'out' END AS state
        FROM hospital.published p
        LEFT JOIN LATERAL unnest(p.last_offsets) WITH ORDINALITY o (last_offset, number) ON true
        LEFT JOIN hospital.stream_partitions s ON s.topic = p.topic AND s.partition = (o.number - 1)::int
        LEFT JOIN epochs e ON e.topic = p.topic AND e.partition = (o.number - 1)::int
        WHERE p.day BETWEEN $1 AND $2
        GROUP BY p.kind, p.day, p.tick, p.events, p.broker_epoch, o.number, o.last_offset, s.topic, s.broker_epoch
    ), ticks AS (
        SELECT o.kind, o.day, o.tick, o.events,
               CASE WHEN bool_or(o.state = 'out') THEN 'out' WHEN bool_or(o.state = 'gone') THEN 'gone' ELSE 'in' END AS state
        FROM offsets o GROUP BY o.kind, o.day, o.tick, o.events
    ), rejects AS (
        -- a header may say anything: compared as text
        SELECT t.kind, left(jsonb_path_query_first(j.headers, '$[*] ? (@.name == "tick").value') #>> '{}', 10) AS day,
               count(*) AS rejects
        FROM hospital.rejects j JOIN hospital.stream_topics t ON t.topic = j.topic
        WHERE j.topic IS NOT NULL AND j.resolved_at IS NULL
          AND j.headers @> jsonb_build_array(jsonb_build_object('name', 'simulation', 'value',
                               (SELECT s.simulation_id::text FROM hospital.simulation s)))
        GROUP BY 1, 2
    )
    SELECT t.kind, t.day, sum(t.events)::bigint,
           coalesce(sum(t.events) FILTER (WHERE t.state = 'in'), 0)::bigint,
           coalesce(sum(t.events) FILTER (WHERE t.state = 'gone'), 0)::bigint,
           coalesce(max(j.rejects), 0)::bigint
    FROM ticks t LEFT JOIN rejects j ON j.kind = t.kind AND j.day = to_char(t.day, 'YYYY-MM-DD')
    GROUP BY t.kind, t.day;
END
$validate$;
COMMENT ON FUNCTION hospital_validate_ticks(date, date) IS
    'The part of hospital_validate that follows what was published: by kind and day the events, those of ticks that the ledger of the stream has, those of a former life of the embedded broker, and the day''s rejects that wait';

CREATE FUNCTION hospital_validate(from_day date DEFAULT NULL, to_day date DEFAULT NULL)
    RETURNS TABLE (check_name text, expected bigint, found bigint, missing bigint, duplicated bigint, altered bigint,
                   ok boolean)
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 24
    SET search_path = pg_catalog, pg_temp
AS $validate$
#variable_conflict use_column
DECLARE
    a_from   date;
    a_to     date;
    closes   boolean := current_setting('transaction_read_only') = 'off';
    amiss    date[] := '{}';      -- days that are not as they should be
    all_well boolean := true;     -- but for these days
    a_check  record;
BEGIN
    IF to_regclass('hospital.simulation') IS NULL THEN
        RAISE EXCEPTION 'this database has no hospital'
            USING ERRCODE = 'undefined_table', HINT = 'CALL hospital_create() makes one.';
    END IF;
    SELECT min(b.day), max(b.day) INTO a_from, a_to FROM hospital.batches b
    WHERE b.state = 'ingested' AND b.day >= coalesce(from_day, '-infinity') AND b.day <= coalesce(to_day, 'infinity');
    closes := closes AND has_table_privilege('hospital.days', 'UPDATE');
    IF closes THEN
        -- whoever takes a file back waits for the verdict, and opens the day again
        PERFORM FROM hospital.days d WHERE d.day BETWEEN a_from AND a_to ORDER BY d.day FOR NO KEY UPDATE;
    END IF;

    FOR a_check IN
    WITH kinds AS (
        SELECT r.kind FROM @extschema@.hospital_record_columns() r WHERE r.key
    ), days AS (
        SELECT DISTINCT b.day FROM hospital.batches b WHERE b.state = 'ingested' AND b.day BETWEEN a_from AND a_to
    ), files AS (
        SELECT * FROM hospital.batches b WHERE b.day IN (SELECT d.day FROM days d)
    ), records AS MATERIALIZED (
        SELECT * FROM @extschema@.hospital_validate_records(a_from, a_to)
    ), ticks AS (
        -- what a former broker had is in when the table is as it should be
        SELECT t.kind, t.day, t.events, t.rejects,
               t.arrived + CASE WHEN EXISTS (SELECT FROM records r WHERE t.day = ANY (r.amiss)
                                             AND (r.check_name = t.kind OR t.kind = 'adt')) THEN 0 ELSE t.gone END AS arrived
        FROM @extschema@.hospital_validate_ticks(a_from, a_to) t WHERE t.day IN (SELECT d.day FROM days d)
    ), rejects AS (
        SELECT j.batch_id, j.kind, j.day, j.line, j.resolved_by FROM hospital.rejects j
        JOIN files b ON b.batch_id = j.batch_id AND b.state = 'ingested'
    ), faults AS (
        SELECT f.kind, f.day, f.line FROM hospital.faults f
        JOIN (SELECT DISTINCT b.kind, b.day FROM files b WHERE b.state = 'ingested') b ON b.kind = f.kind AND b.day = f.day
    ), checks (check_name, expected, found, missing, duplicated, altered, by_day, amiss) AS (
        SELECT r.check_name, r.expected, r.found, r.missing, r.duplicated, r.altered, true, r.amiss FROM records r
        UNION ALL
        SELECT r.check_name, r.expected, r.found, r.expected - r.found, 0, 0, false, NULL
        FROM @extschema@.hospital_validate_references(a_from, a_to) r
        UNION ALL
        -- a file of each kind for each day, all of them in, none of them twice
        SELECT 'files', count(*), count(*) FILTER (WHERE x.ingested > 0),
               count(*) FILTER (WHERE x.ingested = 0 OR x.waiting > 0),
               coalesce(sum(x.ingested - x.distinct_ingested), 0)::bigint, 0, true,
               array_agg(DISTINCT x.day) FILTER (WHERE x.ingested = 0 OR x.waiting > 0 OR x.ingested > x.distinct_ingested)
        FROM (SELECT d.day, count(b.*) FILTER (WHERE b.state = 'ingested') AS ingested,
                     count(DISTINCT b.sha256) FILTER (WHERE b.state = 'ingested') AS distinct_ingested,
                     count(b.*) FILTER (WHERE b.state IN ('written', 'loading')) AS waiting
              FROM days d CROSS JOIN kinds k LEFT JOIN files b ON b.day = d.day AND b.kind = k.kind
              GROUP BY d.day, k.kind) x
        UNION ALL
        -- each line is a row or a reject
        SELECT 'lines', e.lines, f.lines, greatest(0, e.lines - f.lines), greatest(0, f.lines - e.lines), 0, false, NULL
        FROM (SELECT coalesce((SELECT sum(r.lines) FROM records r), 0)::bigint + (SELECT count(*) FROM faults) AS lines) e,
             (SELECT coalesce(sum(b.rows + b.rejects), 0)::bigint AS lines FROM files b WHERE b.state = 'ingested') f
        UNION ALL
        SELECT 'rejects', e.rejects, f.rejects, greatest(0, e.rejects - f.rejects), greatest(0, f.rejects - e.rejects), 0,
               false, NULL
        FROM (SELECT coalesce(sum(b.rejects), 0)::bigint AS rejects FROM files b WHERE b.state = 'ingested') e,
             (SELECT count(*) AS rejects FROM rejects j WHERE j.resolved_by IS DISTINCT FROM 'retry') f
        UNION ALL
        -- of the faults put in on purpose each is a reject, and nothing else is
        SELECT 'faults', count(f.line), count(f.line) FILTER (WHERE j.line IS NOT NULL),
               count(f.line) FILTER (WHERE j.line IS NULL), 0, count(j.line) FILTER (WHERE f.line IS NULL), false, NULL
        FROM faults f FULL JOIN (SELECT DISTINCT j.kind, j.day, j.line FROM rejects j
                                 WHERE j.resolved_by IS DISTINCT FROM 'retry') j
            ON j.kind = f.kind AND j.day = f.day AND j.line = f.line
        UNION ALL
        SELECT 'marts', m.expected, m.same, m.missing, 0, m.altered, false, NULL
        FROM @extschema@.hospital_validate_marts(a_from, a_to) m
        UNION ALL
        -- what was published has come in, and none of it waits among the rejects
        SELECT 'stream ' || t.kind, sum(t.events)::bigint, sum(t.arrived)::bigint, sum(t.events - t.arrived)::bigint, 0,
               sum(t.rejects)::bigint, true, array_agg(t.day) FILTER (WHERE t.arrived < t.events OR t.rejects > 0)
        FROM ticks t GROUP BY t.kind
    )
    SELECT c.*, c.missing = 0 AND c.duplicated = 0 AND c.altered = 0 AS ok FROM checks c
    LOOP
        amiss := amiss || a_check.amiss;
        all_well := all_well AND (a_check.ok OR a_check.by_day);
        RETURN QUERY SELECT a_check.check_name, a_check.expected, a_check.found, a_check.missing, a_check.duplicated,
                            a_check.altered, a_check.ok;
    END LOOP;

    -- A check that names no day closes none and opens none.
    IF closes THEN
        UPDATE hospital.days d SET closed_at = CASE WHEN d.closed_at IS NULL THEN clock_timestamp() END
        WHERE d.day BETWEEN a_from AND a_to
          AND CASE WHEN d.closed_at IS NOT NULL THEN d.day = ANY (amiss)
                   ELSE all_well AND d.day <> ALL (amiss)
                        AND EXISTS (SELECT FROM hospital.batches b WHERE b.day = d.day AND b.state = 'ingested') END;
    END IF;
END
$validate$;
COMMENT ON FUNCTION hospital_validate(date, date) IS
    'Compare what the generators make for the days from_day to to_day whose files are ingested (all by default) with the tables, the ledgers of files and stream with both, and close the days (hospital.days.closed_at) in which they agree, unless the transaction is read-only. missing: generated and not there, or dangling, or not in yet; duplicated: there twice; altered: there with other values, never generated, or waiting among the rejects';

-- ==== end of validate =====================================================

-- ==== jobs ================================================================
--
-- Tables and views of jobs are made by hospital_create. A schedule is read and
-- its times are computed in one place, in C (hospital_next_run).

CREATE FUNCTION hospital_next_run(schedule text, time_zone text DEFAULT 'Africa/Johannesburg',
                                  after timestamptz DEFAULT now(), starting timestamptz DEFAULT NULL)
    RETURNS timestamptz
    LANGUAGE C STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_next_run(text, text, timestamptz, timestamptz) IS
    'When a schedule is due next after a time: an interval (counted from starting, or from that time) or five fields as for cron, in a time zone; null for one that waits for days';

CREATE FUNCTION hospital_job_is_running(run_id bigint) RETURNS boolean
    LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_job_is_running(bigint) IS
    'Is there a process at this run of hospital.job_history? On a standby, which cannot know, true';

CREATE FUNCTION hospital_wake_jobs() RETURNS void
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_wake_jobs() IS
    'Let a job runner look at hospital.jobs when this transaction commits; for who changes that table by hand';

CREATE FUNCTION hospital_require_jobs() RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $require$
BEGIN
    IF to_regclass('hospital.jobs') IS NULL OR to_regclass('hospital.job_history') IS NULL THEN
        RAISE EXCEPTION 'there is no hospital in this database'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = 'Jobs are kept in hospital.jobs, which hospital_create makes.',
                  HINT = 'Make one with CALL hospital_create() or CALL hospital_load_people(...).';
    END IF;
END
$require$;
COMMENT ON FUNCTION hospital_require_jobs() IS 'A part of the functions on jobs: an error where there is no hospital';

CREATE FUNCTION hospital_schedule_job(job_name text, schedule text, command text,
        time_zone text DEFAULT 'Africa/Johannesburg', depends_on text[] DEFAULT '{}',
        catch_up text DEFAULT 'once', catch_up_limit int DEFAULT 100,
        max_retries int DEFAULT 3, retry_delay interval DEFAULT '30 seconds', max_runtime interval DEFAULT '1 hour',
        enabled boolean DEFAULT true, while_stopped boolean DEFAULT false, keep_history interval DEFAULT '30 days',
        starts_at timestamptz DEFAULT NULL)
    RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $schedule$
#variable_conflict use_column
DECLARE
    a_name   CONSTANT text := job_name;
    a_deps   CONSTANT text[] := coalesce(depends_on, '{}');
    a_zone   CONSTANT text := coalesce(time_zone, 'Africa/Johannesburg');
    a_when   CONSTANT text := schedule;
    a_circle text;
    a_dep    text;
    a_bad    text;
BEGIN
    PERFORM @extschema@.hospital_require_jobs();
    IF job_name IS NULL OR job_name = '' OR command IS NULL OR btrim(command) = '' THEN
        RAISE EXCEPTION 'a job needs a name and a command'
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = 'The schedule alone may be left out (null), for a job that runs after others or by hand.',
                  HINT = $hint$SELECT hospital_schedule_job('name', '15 minutes', 'SELECT 1');$hint$;
    END IF;
    -- an error where it cannot be read
    PERFORM @extschema@.hospital_next_run(a_when, a_zone, now(), NULL::timestamptz);
    a_bad := CASE WHEN (catch_up IN ('skip', 'once', 'all')) IS NOT TRUE THEN 'catch_up is skip, once or all'
                  WHEN (catch_up_limit BETWEEN 1 AND 1000) IS NOT TRUE THEN 'catch_up_limit is 1 to 1000'
                  WHEN (max_retries BETWEEN 0 AND 1000) IS NOT TRUE THEN 'max_retries is 0 to 1000'
                  WHEN (retry_delay BETWEEN '0' AND '1 day') IS NOT TRUE THEN 'retry_delay is 0 to a day'
                  WHEN max_runtime NOT BETWEEN '0.001 seconds' AND '20 days' THEN 'max_runtime is a millisecond to 20 days, or null for any time'
                  WHEN (keep_history >= '0') IS NOT TRUE THEN 'keep_history is not negative'
                  WHEN enabled IS NULL OR while_stopped IS NULL THEN 'enabled and while_stopped are true or false'
                  WHEN NOT isfinite(starts_at) THEN 'starts_at is finite' END;
    IF a_bad IS NOT NULL THEN
        RAISE EXCEPTION 'invalid argument for job "%"', a_name
            USING ERRCODE = 'invalid_parameter_value', DETAIL = 'What is possible: ' || a_bad || '.',
                  HINT = 'Leave it out for its default.';
    END IF;

    FOREACH a_dep IN ARRAY a_deps LOOP
        IF a_dep IS NULL OR NOT EXISTS (SELECT FROM hospital.jobs j WHERE j.job_name = a_dep AND j.job_name <> a_name) THEN
            RAISE EXCEPTION 'job "%" cannot depend on "%"', a_name, a_dep
                USING ERRCODE = 'undefined_object',
                      DETAIL = CASE WHEN a_dep = a_name THEN 'A job cannot wait for itself.' ELSE 'There is no such job.' END,
                      HINT = 'hospital.jobs has the jobs that there are.';
        END IF;
    END LOOP;
    -- who may look for a circle must be alone with the table
    LOCK TABLE hospital.jobs IN SHARE ROW EXCLUSIVE MODE;
    WITH RECURSIVE behind (name, path) AS (
        SELECT d, ARRAY[a_name, d] FROM unnest(a_deps) d
        UNION ALL
        SELECT d, b.path || d FROM behind b JOIN hospital.jobs j ON j.job_name = b.name, unnest(j.depends_on) d
        WHERE b.name <> a_name AND d <> ALL (b.path[2:])
    )
    SELECT array_to_string(b.path, ' -> ') INTO a_circle FROM behind b WHERE b.name = a_name LIMIT 1;
    IF a_circle IS NOT NULL THEN
        RAISE EXCEPTION 'job "%" would wait for itself', a_name
            USING ERRCODE = 'invalid_object_definition', DETAIL = 'It would be a circle: ' || a_circle || '.',
                  HINT = 'Take one of them out of depends_on.';
    END IF;

    INSERT INTO hospital.jobs AS j (job_name, command, schedule, time_zone, depends_on, catch_up, catch_up_limit, max_retries,
                               retry_delay, max_runtime, enabled, while_stopped, keep_history, starts_at, seen_runs)
    VALUES (a_name, $3, a_when, a_zone, a_deps, $6, $7, $8, $9, $10, $11, $12, $13, coalesce($14, now()),
            ARRAY(SELECT coalesce((SELECT max(r.run_id) FROM hospital.job_history r
                                   WHERE r.job_name = d.name AND r.state = 'succeeded'), 0)
                  FROM unnest(a_deps) WITH ORDINALITY d (name, n) ORDER BY d.n))
    ON CONFLICT ON CONSTRAINT jobs_pkey DO UPDATE SET
        command = excluded.command, schedule = excluded.schedule, time_zone = excluded.time_zone,
        depends_on = excluded.depends_on, catch_up = excluded.catch_up, catch_up_limit = excluded.catch_up_limit,
        max_retries = excluded.max_retries, retry_delay = excluded.retry_delay, max_runtime = excluded.max_runtime,
        enabled = excluded.enabled, while_stopped = excluded.while_stopped, keep_history = excluded.keep_history,
        starts_at = excluded.starts_at, seen_runs = excluded.seen_runs, changed_at = now(), changed_by = session_user,
        next_due_at = NULL, problem = NULL;
    UPDATE hospital.job_history r SET state = 'skipped', ended_at = clock_timestamp(), message = 'the job was scheduled anew'
    WHERE r.job_name = a_name AND r.state = 'waiting' AND r.cause <> 'by hand';
    PERFORM @extschema@.hospital_wake_jobs();
END
$schedule$;
COMMENT ON FUNCTION hospital_schedule_job(text, text, text, text, text[], text, int, int, interval, interval, boolean, boolean, interval, timestamptz) IS
    'Make a job, or change the one of that name: a command and when to run it (see hospital.jobs for what each argument means); counts from the commit on';

CREATE FUNCTION hospital_unschedule_job(job_name text) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $unschedule$
#variable_conflict use_column
DECLARE
    a_others text;
BEGIN
    PERFORM @extschema@.hospital_require_jobs();
    SELECT string_agg(format('"%s"', j.job_name), ', ' ORDER BY j.job_name) INTO a_others
    FROM hospital.jobs j WHERE $1 = ANY (j.depends_on);
    IF a_others IS NOT NULL THEN
        RAISE EXCEPTION 'other jobs depend on job "%"', $1
            USING ERRCODE = 'dependent_objects_still_exist', DETAIL = 'They are ' || a_others || '.',
                  HINT = 'Unschedule these first, or schedule them without it.';
    END IF;
    DELETE FROM hospital.jobs j WHERE j.job_name = $1;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no job "%"', $1
            USING ERRCODE = 'undefined_object', HINT = 'hospital.jobs has the jobs that there are.';
    END IF;
    UPDATE hospital.job_history r SET state = 'cancelled', ended_at = clock_timestamp(),
                                      message = 'there is no such job any more'
    WHERE r.job_name = $1 AND r.state = 'waiting';
    PERFORM @extschema@.hospital_wake_jobs();
END
$unschedule$;
COMMENT ON FUNCTION hospital_unschedule_job(text) IS
    'Forget a job. A run that is at work is finished; its history stays';

CREATE FUNCTION hospital_run_job(job_name text) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $run$
#variable_conflict use_column
DECLARE
    a_run bigint;
BEGIN
    PERFORM @extschema@.hospital_require_jobs();
    INSERT INTO hospital.job_history (job_name, cause, due_at)
    SELECT j.job_name, 'by hand', clock_timestamp() FROM hospital.jobs j WHERE j.job_name = $1
    RETURNING run_id INTO a_run;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no job "%"', $1
            USING ERRCODE = 'undefined_object', HINT = 'hospital.jobs has the jobs that there are.';
    END IF;
    PERFORM @extschema@.hospital_wake_jobs();
    RETURN a_run;
END
$run$;
COMMENT ON FUNCTION hospital_run_job(text) IS
    'Let a job run now, whatever its schedule, also a disabled one and while the hospital is stopped; from the commit on. Gives the run_id to look for in hospital.job_runs';

CREATE PROCEDURE hospital_close_days(latest int DEFAULT 31)
    LANGUAGE plpgsql
AS $close$
DECLARE
    a_day    pg_catalog.date;
    a_why    pg_catalog.text;
    a_amiss  pg_catalog.text[] := '{}';
BEGIN
    PERFORM @extschema@.hospital_hold_extension();
    PERFORM @extschema@.hospital_require_jobs();
    FOR a_day IN
        SELECT x.day FROM (
            SELECT d.day FROM hospital.days d JOIN hospital.batches b ON b.day OPERATOR(pg_catalog.=) d.day
            WHERE d.closed_at IS NULL
            GROUP BY d.day
            HAVING pg_catalog.bool_or(b.state OPERATOR(pg_catalog.=) 'ingested')
               AND NOT pg_catalog.bool_or(b.state OPERATOR(pg_catalog.=) ANY ('{written,loading}'))
            ORDER BY d.day DESC LIMIT latest) x
        ORDER BY x.day
    LOOP
        PERFORM @extschema@.hospital_hold_extension();
        SELECT pg_catalog.string_agg(pg_catalog.format('%s (missing %s, duplicated %s, altered %s)', v.check_name, v.missing,
                                                       v.duplicated, v.altered), ', ')
        INTO a_why FROM @extschema@.hospital_validate(a_day, a_day) v WHERE NOT v.ok;
        IF a_why IS NOT NULL THEN
            a_amiss := a_amiss OPERATOR(pg_catalog.||) pg_catalog.format('%s: %s', a_day, a_why);
        END IF;
        COMMIT;
    END LOOP;
    IF a_amiss OPERATOR(pg_catalog.<>) '{}' THEN
        RAISE EXCEPTION '% of the latest days cannot be closed yet: %', pg_catalog.cardinality(a_amiss),
                        pg_catalog.left(pg_catalog.array_to_string(a_amiss, '; '), 1000)
            USING ERRCODE = 'data_exception',
                  DETAIL = 'What has not come in yet may still come; what is there twice, or is altered, will not mend itself.',
                  HINT = 'SELECT * FROM hospital_validate(day, day) shows a day''s checks.';
    END IF;
END
$close$;
COMMENT ON PROCEDURE hospital_close_days(int) IS
    'Validate the latest hospital days that are ingested and not closed yet, each in a transaction of its own, which closes those that are as they should be; an error says which are not, and why';

CREATE FUNCTION hospital_prune_history() RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $prune$
DECLARE
    a_runs     bigint;
    a_requests bigint;
BEGIN
    PERFORM @extschema@.hospital_require_jobs();
    DELETE FROM hospital.job_history r
    WHERE r.state NOT IN ('waiting', 'running')
      AND r.ended_at < now() - coalesce((SELECT j.keep_history FROM hospital.jobs j WHERE j.job_name = r.job_name),
                                        '30 days')
      AND r.run_id <> ALL (ARRAY(SELECT max(s.run_id) FROM hospital.job_history s WHERE s.state = 'succeeded'
                                 GROUP BY s.job_name));
    GET DIAGNOSTICS a_runs = ROW_COUNT;
    DELETE FROM hospital.publish_requests q WHERE q.finished_at < now() - interval '30 days';
    GET DIAGNOSTICS a_requests = ROW_COUNT;
    RETURN a_runs + a_requests;
END
$prune$;
COMMENT ON FUNCTION hospital_prune_history() IS
    'Delete runs of jobs that are older than their job keeps them (but the last success of each, which others may depend on), and requests to publish that ended 30 days ago; how many rows';

REVOKE ALL ON FUNCTION hospital_wake_jobs(), hospital_schedule_job(text, text, text, text, text[], text, int, int, interval, interval, boolean, boolean, interval, timestamptz),
    hospital_unschedule_job(text), hospital_run_job(text), hospital_prune_history() FROM PUBLIC;
REVOKE ALL ON PROCEDURE hospital_close_days(int) FROM PUBLIC;

-- ==== end of jobs =========================================================

-- ==== targets =============================================================
--
-- What the data shows, beside what hospital.targets says that it should.  These
-- functions read the tables alone and share nothing with what fills them; they
-- are parts of hospital_targets_report.  Each gives the measured value, its
-- standard error where it is a sample, and what it was measured on.

CREATE FUNCTION hospital_measured_people()
    RETURNS TABLE (metric text, scope text, measured numeric, error numeric, note text)
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE ROWS 40
    SET search_path = pg_catalog, pg_temp
    SET jit = off
    SET work_mem = '64MB'
AS $measure$
#variable_conflict use_column
DECLARE
    a_people bigint;
    a_start  date;
BEGIN
    SELECT m.people, m.start_date INTO STRICT a_people, a_start FROM hospital.simulation m;
    RETURN QUERY
    WITH pool AS NOT MATERIALIZED (
        SELECT * FROM hospital.people p WHERE p.person_id <= a_people
    ), births AS MATERIALIZED (
        SELECT x.sex, extract(year FROM age(a_start, x.date_of_birth))::int AS age, sum(x.n)::numeric AS n
        FROM (SELECT p.sex, p.date_of_birth, count(*) AS n FROM pool p GROUP BY 1, 2) x GROUP BY 1, 2
    ), cells AS (
        SELECT g.age_band, g.sex, g.share, coalesce(sum(b.n), 0) AS n
        FROM hospital.population_gauteng g
        LEFT JOIN births b ON b.sex = g.sex AND b.age BETWEEN g.age_min AND g.age_max GROUP BY 1, 2, 3
    ), traits AS MATERIALIZED (
        SELECT p.home_language, p.population_group, p.citizenship, p.suburb, p.last_name = 'Dlamini' AS dlamini,
               count(*)::numeric AS n
        FROM pool p GROUP BY 1, 2, 3, 4, 5
    ), total AS (
        SELECT sum(t.n) AS n, sum(t.n) = a_people AS complete FROM traits t
    ), numbered AS (
        -- A number is right where its digits, every second one doubled and the
        -- doubled one's own digits added, add up to tens.  The byte of 0 is 48.
        SELECT count(*) FILTER (WHERE p.id IS NOT NULL OR p.citizenship = 'ZA')::numeric AS n,
               count(*) FILTER (WHERE p.national_id ~ '^[0-9]{13}$'
                   AND left(p.national_id, 6) = to_char(p.date_of_birth, 'YYMMDD')
                   AND (get_byte(p.id, 6) < 53) = (p.sex = 'F')
                   AND (get_byte(p.id, 0) + get_byte(p.id, 2) + get_byte(p.id, 4) + get_byte(p.id, 6) + get_byte(p.id, 8)
                        + get_byte(p.id, 10) + get_byte(p.id, 12)
                        + 2 * (get_byte(p.id, 1) + get_byte(p.id, 3) + get_byte(p.id, 5) + get_byte(p.id, 7) + get_byte(p.id, 9)
                               + get_byte(p.id, 11))
                        - 9 * (get_byte(p.id, 1) / 53 + get_byte(p.id, 3) / 53 + get_byte(p.id, 5) / 53 + get_byte(p.id, 7) / 53
                               + get_byte(p.id, 9) / 53 + get_byte(p.id, 11) / 53) - 19 * 48) % 10 = 0) AS valid,
               count(p.id)::numeric AS with_id,
               count(*) FILTER (WHERE (get_byte(p.id, 6) < 53) = (p.sex = 'F'))::numeric AS sex_fits
        FROM (SELECT p.national_id, p.national_id::bytea AS id, p.citizenship, p.date_of_birth, p.sex FROM pool p) p
    ), counted (metric, scope, n, of_all) AS (
        SELECT 'pool_male_share', 'Gauteng 2020', sum(b.n) FILTER (WHERE b.sex = 'M'), NULL::numeric FROM births b
        UNION ALL SELECT 'pool_under15_share', 'Gauteng 2020', sum(b.n) FILTER (WHERE b.age < 15), NULL FROM births b
        UNION ALL SELECT 'pool_60plus_share', 'Gauteng 2020', sum(b.n) FILTER (WHERE b.age >= 60), NULL FROM births b
        UNION ALL SELECT 'language_share', t.home_language, sum(t.n), NULL FROM traits t GROUP BY 2
        UNION ALL SELECT 'population_group_share', t.population_group, sum(t.n), NULL FROM traits t GROUP BY 2
        UNION ALL SELECT 'non_citizen_share', 'pool', sum(t.n) FILTER (WHERE t.citizenship <> 'ZA'), NULL FROM traits t
        UNION ALL SELECT 'region_share', s.region, sum(t.n), NULL
                  FROM traits t JOIN hospital.suburbs s ON s.suburb = t.suburb GROUP BY 2
        UNION ALL SELECT 'uninsured_share', 'pool', sum(t.n * s.uninsured_share), NULL
                  FROM traits t JOIN hospital.suburbs s ON s.suburb = t.suburb
        UNION ALL SELECT 'surname_top_national', 'Dlamini share of all pool', sum(t.n) FILTER (WHERE t.dlamini), NULL FROM traits t
        UNION ALL SELECT 'sa_id_valid', 'all citizens and permanent residents', i.valid, i.n FROM numbered i
        UNION ALL SELECT 'sa_id_sex_matches', 'pool', i.sex_fits, i.with_id FROM numbered i
    )
    SELECT x.metric, x.scope, x.n / x.of_all, sqrt(x.n * (x.of_all - x.n) / x.of_all) / x.of_all,
           format('%s people of the pool', x.of_all)
    FROM (SELECT c.metric, c.scope, coalesce(c.n, 0) AS n, coalesce(c.of_all, t.n) AS of_all
          FROM counted c, total t WHERE t.complete) x
    UNION ALL
    SELECT 'pool_age_sex_distribution', '34 cells', max(abs(c.n / t.n - c.share)), NULL,
           'the largest difference of a cell from its share'
    FROM cells c, total t WHERE t.complete
    UNION ALL
    SELECT 'sa_id_unique', 'pool and staff', 1 - (twice.n + in_both.n + staff.twice) / (i.with_id + staff.n), NULL,
           format('%s identity numbers', i.with_id + staff.n)
    FROM total t, numbered i,
         (SELECT coalesce(sum(x.n - 1), 0) AS n
          FROM (SELECT count(*) AS n FROM hospital.people p WHERE p.national_id IS NOT NULL
                GROUP BY p.national_id HAVING count(*) > 1) x) twice,
         (SELECT count(*) AS n FROM hospital.staff s JOIN hospital.people p ON p.national_id = s.national_id) in_both,
         (SELECT count(*) AS n, count(*) - count(DISTINCT s.national_id) AS twice FROM hospital.staff s) staff
    WHERE t.complete AND staff.n > 0;
END
$measure$;
COMMENT ON FUNCTION hospital_measured_people() IS
    'The part of hospital_targets_report about the city''s people; nothing unless all of the pool are loaded';

CREATE FUNCTION hospital_measured_staff(on_day date)
    RETURNS TABLE (metric text, scope text, measured numeric, error numeric, note text)
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE ROWS 10
    SET search_path = pg_catalog, pg_temp
    SET jit = off
    SET work_mem = '64MB'
AS $measure$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH staff AS (
        SELECT r.category, s.hired_on, s.date_of_birth, least(s.left_on, s.retires_on) AS ends_on,
               s.replaces_staff_id IS NULL AS first_of_post
        FROM hospital.staff s JOIN hospital.staff_roles r ON r.role = s.role AND r.specialty = s.specialty
    ), active AS (
        SELECT count(*)::numeric AS n, count(*) FILTER (WHERE s.category = 'nursing') AS nurses,
               count(*) FILTER (WHERE s.category = 'medical') AS doctors, count(*) FILTER (WHERE s.category = 'allied') AS allied
        FROM staff s WHERE s.hired_on <= on_day AND s.ends_on > on_day
    ), all_staff AS (
        SELECT count(*) AS n, count(*) FILTER (WHERE s.first_of_post)::numeric AS posts,
               max(extract(year FROM age(least(s.ends_on, m.end_date + 1) - 1, s.date_of_birth))) AS oldest
        FROM staff s, hospital.simulation m WHERE s.hired_on <= m.end_date
    )
    SELECT x.metric, x.scope, x.measured, NULL::numeric, x.note
    FROM active a, all_staff s, hospital.simulation m, LATERAL (VALUES
        ('staff_total', 'per 1000 beds', 1000 * a.n / m.beds, format('employed on %s', on_day)),
        ('nurses', 'per 1000 beds', 1000.0 * a.nurses / m.beds, format('employed on %s', on_day)),
        ('doctors', 'per 1000 beds', 1000.0 * a.doctors / m.beds, format('employed on %s', on_day)),
        ('allied', 'per 1000 beds', 1000.0 * a.allied / m.beds, format('employed on %s', on_day)),
        ('staff_max_age', 'active staff', s.oldest, 'completed years on the last day at work, of all that ever served'),
        -- a post shows by who holds it first, some only after years
        ('vacancy_rate', 'establishment', CASE WHEN m.end_date - m.start_date > 4 * 365 THEN 1 - a.n / nullif(s.posts, 0) END,
         CASE WHEN m.end_date - m.start_date > 4 * 365
              THEN format('on %s, of the %s posts that are or will be filled', on_day, s.posts)
              ELSE 'posts that stay vacant until the end date cannot be seen' END)) x (metric, scope, measured, note)
    WHERE s.n > 0
    UNION ALL
    SELECT 'shift_overlap', 'staff', count(*) FILTER (WHERE x.starts_at < x.until)::numeric, NULL, format('%s shifts', count(*))
    FROM (SELECT a.starts_at, max(a.ends_at) OVER (PARTITION BY a.staff_id ORDER BY a.starts_at, a.assignment_id
                                                   ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS until
          FROM hospital.staff_assignments a) x
    HAVING count(*) > 0;
END
$measure$;
COMMENT ON FUNCTION hospital_measured_staff(date) IS
    'The part of hospital_targets_report about the staff, as of a day';

CREATE FUNCTION hospital_measured_care(from_day date, to_day date)
    RETURNS TABLE (metric text, scope text, measured numeric, error numeric, note text)
    LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE ROWS 30
    SET search_path = pg_catalog, pg_temp
    SET jit = off
    SET work_mem = '64MB'
AS $measure$
#variable_conflict use_column
DECLARE
    from_at  CONSTANT timestamptz := from_day::timestamp AT TIME ZONE 'Africa/Johannesburg';
    until_at CONSTANT timestamptz := (to_day + 1)::timestamp AT TIME ZONE 'Africa/Johannesburg';
    days     CONSTANT numeric := to_day - from_day + 1;
    scale    numeric;           -- to a year of 1,100 beds
    a_beds   numeric;
BEGIN
    SELECT 365.0 / days * 1100 / m.beds, m.beds INTO STRICT scale, a_beds FROM hospital.simulation m;

    RETURN QUERY
    WITH stays AS MATERIALIZED (
        SELECT a.*, d.name AS department, d.department_group, extract(year FROM age(a.admitted_at, p.date_of_birth)) AS age,
               extract(epoch FROM a.discharged_at - a.admitted_at) / 86400 AS length,
               extract(epoch FROM least(coalesce(a.discharged_at, until_at), until_at) - greatest(a.admitted_at, from_at))
                   / 86400 AS bed_days,
               a.discharged_at >= from_at AND a.discharged_at < until_at AS ended, a.admitted_at >= from_at AS begun
        FROM hospital.admissions a
        JOIN hospital.departments d ON d.department_code = a.department_code
        JOIN hospital.patients p ON p.patient_id = a.patient_id
        WHERE a.admitted_at < until_at AND (a.discharged_at IS NULL OR a.discharged_at >= from_at)
    ), medical AS (
        SELECT s.*, EXISTS (SELECT FROM hospital.diagnoses d WHERE d.visit_id = s.visit_id
                            AND d.code ~ '^(B2[0-4]|Z21)') AS hiv,
               EXISTS (SELECT FROM hospital.diagnoses d WHERE d.visit_id = s.visit_id AND d.rank = 'primary'
                       AND d.code ~ '^J1[2-8]') AS pneumonia
        FROM stays s WHERE s.department_group = 'Medicine' AND s.age >= 18
    ), confinements AS MATERIALIZED (
        SELECT t.code, extract(year FROM age(t.at, p.date_of_birth)) AS age
        FROM hospital.treatments t JOIN hospital.patients p ON p.patient_id = t.patient_id
        WHERE t.code IN ('0210', '0211', '0212') AND t.at >= from_at AND t.at < until_at
    ), born AS (
        SELECT coalesce(sum(CASE WHEN d.code IN ('Z37.2', 'Z37.3') THEN 2 ELSE 1 END), 0)::numeric AS n,
               count(*) FILTER (WHERE d.code IN ('Z37.1', 'Z37.3')) AS still
        FROM hospital.diagnoses d
        WHERE d.code IN ('Z37.0', 'Z37.1', 'Z37.2', 'Z37.3') AND d.at >= from_at AND d.at < until_at
    ), emergencies AS MATERIALIZED (
        SELECT v.visit_id, v.visit_date, v.triage, v.disposition, v.admission_id
        FROM hospital.visits v WHERE v.kind = 'emergency' AND v.visit_date BETWEEN from_day AND to_day
    ), injuries AS MATERIALIZED (
        SELECT e.visit_date, c.mechanism
        FROM emergencies e JOIN hospital.diagnoses d ON d.visit_id = e.visit_id AND d.rank = 'primary' AND d.code ~ '^[ST]'
        LEFT JOIN (hospital.diagnoses x JOIN hospital.external_causes c ON c.icd10 = x.code)
            ON x.visit_id = e.visit_id AND x.rank = 'external cause'
    ), weekdays AS (
        SELECT count(*) FILTER (WHERE extract(isodow FROM x.visit_date) >= 6)::numeric AS weekend_days,
               count(*) FILTER (WHERE extract(isodow FROM x.visit_date) <= 4)::numeric AS week_days,
               sum(x.n) FILTER (WHERE extract(isodow FROM x.visit_date) >= 6) AS weekend,
               sum(x.n) FILTER (WHERE extract(isodow FROM x.visit_date) <= 4) AS week
        FROM (SELECT i.visit_date, count(*) AS n FROM injuries i GROUP BY 1) x
    ), shares (metric, scope, n, of_all, what) AS (
        SELECT 'inpatient_mortality', 'hospital', count(*) FILTER (WHERE s.outcome = 'died')::numeric, count(*)::numeric, 'stays'
        FROM stays s WHERE s.ended
        UNION ALL SELECT 'inpatient_mortality', 'Internal Medicine', count(*) FILTER (WHERE s.outcome = 'died'), count(*), 'stays'
        FROM stays s WHERE s.ended AND s.department = 'Internal Medicine'
        UNION ALL SELECT 'inpatient_mortality', 'Obstetrics per admission', count(*) FILTER (WHERE s.outcome = 'died'), count(*),
               'stays'
        FROM stays s WHERE s.ended AND s.department = 'Obstetrics'
        UNION ALL SELECT 'hospital_deaths_leading_causes', 'pneumonia share of adult medical deaths',
               count(*) FILTER (WHERE s.pneumonia), count(*), 'deaths'
        FROM medical s WHERE s.ended AND s.outcome = 'died'
        UNION ALL SELECT 'hiv_positive_share', 'adult medical deaths', count(*) FILTER (WHERE s.hiv), count(*), 'deaths'
        FROM medical s WHERE s.ended AND s.outcome = 'died'
        UNION ALL SELECT 'hiv_positive_share', 'adult medical admissions', count(*) FILTER (WHERE s.hiv), count(*), 'stays'
        FROM medical s WHERE s.begun
        UNION ALL SELECT 'absconded_share', 'admissions', count(*) FILTER (WHERE s.outcome = 'absconded'), count(*), 'stays'
        FROM stays s WHERE s.ended
        UNION ALL SELECT 'caesarean_share', 'deliveries', count(*) FILTER (WHERE c.code = '0212'), count(*), 'deliveries'
        FROM confinements c
        UNION ALL SELECT 'teen_mother_share', 'age 10-19', count(*) FILTER (WHERE c.age BETWEEN 10 AND 19), count(*), 'deliveries'
        FROM confinements c
        UNION ALL SELECT 'mother_age_share', '15-19', count(*) FILTER (WHERE c.age BETWEEN 15 AND 19), count(*), 'deliveries'
        FROM confinements c
        UNION ALL SELECT 'mother_age_share', '25-29', count(*) FILTER (WHERE c.age BETWEEN 25 AND 29), count(*), 'deliveries'
        FROM confinements c
        UNION ALL SELECT 'ed_admit_share', 'ED visits', count(e.admission_id), count(*), 'emergency visits' FROM emergencies e
        UNION ALL SELECT 'lwbs_share', 'ED visits', count(*) FILTER (WHERE e.disposition = 'left without being seen'), count(*),
               'emergency visits' FROM emergencies e
        UNION ALL SELECT 'triage_share', c.colour, count(*) FILTER (WHERE e.triage = c.colour), count(e.triage), 'emergency visits'
        FROM hospital.triage_sats c LEFT JOIN emergencies e ON true GROUP BY 2
        UNION ALL SELECT 'trauma_mix_gunshot_share', 'injury visits', count(*) FILTER (WHERE i.mechanism = 'GUNSHOT'), count(*),
               'injury visits' FROM injuries i
        UNION ALL SELECT 'trauma_mix_mva_share', 'injury visits', count(*) FILTER (WHERE i.mechanism = 'MVA'), count(*),
               'injury visits' FROM injuries i
    )
    SELECT s.metric, s.scope, s.n / s.of_all, sqrt(s.n * (s.of_all - s.n) / s.of_all) / s.of_all,
           format('%s %s', s.of_all, s.what)
    FROM shares s WHERE s.of_all > 0
    UNION ALL
    SELECT 'bed_occupancy', 'hospital annual mean', sum(s.bed_days) / days / a_beds, NULL, 'patients in the hospital, a bed each'
    FROM stays s
    UNION ALL
    SELECT 'alos_days', 'hospital', avg(s.length), stddev(s.length) / sqrt(count(*)::numeric),
           format('%s stays that ended', count(*))
    FROM stays s WHERE s.ended
    UNION ALL
    SELECT 'annual_admissions', '1100 beds', count(*) * scale, sqrt(count(*)::numeric) * scale,
           format('%s admissions in %s days, %s beds', count(*), days, a_beds) FROM stays s WHERE s.begun
    UNION ALL
    SELECT 'deliveries', '1100 beds per year', count(*) * scale, sqrt(count(*)::numeric) * scale,
           format('%s deliveries in %s days, %s beds', count(*), days, a_beds) FROM confinements
    UNION ALL
    SELECT 'stillbirth_rate', 'per 1000 births', 1000 * b.still / nullif(b.n, 0), 1000 * sqrt(b.still::numeric) / nullif(b.n, 0),
           format('%s births', b.n) FROM born b
    UNION ALL
    SELECT 'trauma_weekend_ratio', 'Sat+Sun mean / Mon-Thu mean', (w.weekend / w.weekend_days) / nullif(w.week / w.week_days, 0),
           (w.weekend / w.weekend_days) / nullif(w.week / w.week_days, 0) * sqrt(1 / w.weekend + 1 / w.week),
           format('%s injury visits', w.weekend + w.week)
    FROM weekdays w WHERE w.weekend_days > 0 AND w.week_days > 0;
END
$measure$;
COMMENT ON FUNCTION hospital_measured_care(date, date) IS
    'The part of hospital_targets_report about patients and their stays in a period';

CREATE FUNCTION hospital_measured_times()
    RETURNS TABLE (metric text, scope text, measured numeric, error numeric, note text)
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE ROWS 10
    SET search_path = pg_catalog, pg_temp
    SET jit = off
    SET work_mem = '64MB'
AS $measure$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH loaded AS MATERIALIZED (
        SELECT v.visit_date AS day, count(*) AS visits FROM hospital.visits v GROUP BY 1
    ), months AS (
        SELECT date_trunc('month', l.day)::date AS month FROM loaded l
        GROUP BY 1 HAVING count(*) = extract(day FROM date_trunc('month', min(l.day)) + '1 month - 1 day'::interval)
    ), injuries AS MATERIALIZED (
        SELECT date_trunc('month', v.visit_date)::date AS month, count(*)::numeric AS n
        FROM hospital.visits v JOIN hospital.diagnoses d ON d.visit_id = v.visit_id AND d.rank = 'primary' AND d.code ~ '^[ST]'
        WHERE v.kind = 'emergency' GROUP BY 1
    ), usual AS (
        -- the years after the epidemic, else what came before it
        SELECT avg(i.n) FILTER (WHERE i.month >= '2022-07-01') AS after, avg(i.n) FILTER (WHERE i.month < '2020-03-01') AS before,
               count(*) FILTER (WHERE i.month >= '2022-07-01') AS months
        FROM injuries i JOIN months m ON m.month = i.month
    ), covid AS MATERIALIZED (
        SELECT date_trunc('week', a.admitted_at AT TIME ZONE 'Africa/Johannesburg')::date + 6 AS week_ending, count(*) AS n
        FROM hospital.admissions a
        WHERE EXISTS (SELECT FROM hospital.diagnoses d
                      WHERE d.visit_id = a.visit_id AND d.rank = 'primary' AND d.code = 'U07.1')
        GROUP BY 1
    ), influenza AS (
        SELECT extract(year FROM v.visit_date) AS year, extract(week FROM v.visit_date)::int AS week, count(*) AS n
        FROM hospital.visits v JOIN hospital.diagnoses d ON d.visit_id = v.visit_id AND d.rank = 'primary' AND d.code ~ '^J1[01]'
        WHERE v.visit_date BETWEEN '2022-01-03' AND '2025-12-28' GROUP BY 1, 2
    ), smooth AS (
        -- three weeks together: a hospital sees few cases a week
        SELECT i.year, i.week,
               sum(i.n) OVER (PARTITION BY i.year ORDER BY i.week RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS n,
               (SELECT count(*) FROM loaded l WHERE extract(year FROM l.day) = i.year) AS days
        FROM influenza i
    ), peaks AS (
        SELECT DISTINCT ON (s.year) s.year, s.week FROM smooth s WHERE s.days >= 364 ORDER BY s.year, s.n DESC, s.week
    )
    SELECT 'covid_wave_peak_week', w.scope, (w.week_ending - w.target)::numeric, NULL::numeric,
           format('days from the target; %s admissions in the week that ended on %s', w.n, w.week_ending)
    FROM (SELECT DISTINCT ON (t.scope) t.scope, t.target::date AS target, c.week_ending, c.n
          FROM hospital.targets t JOIN covid c ON c.week_ending BETWEEN t.target::date - 56 AND t.target::date + 56
          WHERE t.metric = 'covid_wave_peak_week'
            AND (SELECT count(*) FROM loaded l WHERE l.day BETWEEN t.target::date - 55 AND t.target::date + 56) = 112
          ORDER BY t.scope, c.n DESC, abs(c.week_ending - t.target::date)) w
    UNION ALL
    SELECT 'influenza_peak', 'ISO weeks of J10-J11 peak 2022-2025', avg(p.week), NULL,
           'mean of the peaks (' || string_agg(format('%s: week %s', p.year, p.week), ', ' ORDER BY p.year) || ')'
    FROM peaks p HAVING count(*) > 0
    UNION ALL
    SELECT x.metric, x.scope, i.n / coalesce(u.after, u.before), i.n / coalesce(u.after, u.before) / sqrt(i.n),
           format('%s injury visits; usual are %s a month (%s)', i.n, round(coalesce(u.after, u.before), 1),
                  CASE WHEN u.after IS NOT NULL THEN format('mean of %s months from July 2022', u.months)
                       ELSE 'January and February 2020' END)
    FROM usual u, injuries i JOIN months m ON m.month = i.month,
         LATERAL (VALUES ('trauma_lockdown5_ratio', 'Apr 2020 / normal month', '2020-04-01'::date),
                         ('trauma_lockdown4_ratio', 'May 2020 / normal month', '2020-05-01')) x (metric, scope, month)
    WHERE i.month = x.month AND coalesce(u.after, u.before) > 0;
END
$measure$;
COMMENT ON FUNCTION hospital_measured_times() IS
    'The part of hospital_targets_report about epidemics and lockdowns, each on its own years';

CREATE FUNCTION hospital_measured_records()
    RETURNS TABLE (metric text, scope text, measured numeric, error numeric, note text)
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE ROWS 12
    SET search_path = pg_catalog, pg_temp
    SET jit = off
    SET work_mem = '64MB'
AS $measure$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH places AS (
        SELECT u.ward_code, u.bed_no, u.recorded_at AS from_at,
               coalesce(lead(u.recorded_at) OVER (PARTITION BY u.admission_id ORDER BY u.recorded_at, u.update_id),
                        a.discharged_at, 'infinity') AS until_at
        FROM hospital.status_updates u JOIN hospital.admissions a ON a.admission_id = u.admission_id
    ), taken AS (
        SELECT p.from_at, max(p.until_at) OVER (PARTITION BY p.ward_code, p.bed_no ORDER BY p.from_at, p.until_at
                                                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS taken_until,
               p.bed_no > w.beds AS no_such_bed
        FROM places p JOIN hospital.wards w ON w.ward_code = p.ward_code
        WHERE p.bed_no IS NOT NULL AND p.from_at < p.until_at
    ), after_death AS (
        SELECT count(*) AS n
        FROM hospital.patients p JOIN hospital.visits v ON v.patient_id = p.patient_id
        CROSS JOIN LATERAL (
            SELECT s.at FROM hospital.vital_signs s WHERE s.visit_id = v.visit_id
            UNION ALL SELECT t.at FROM hospital.treatments t WHERE t.visit_id = v.visit_id
            UNION ALL SELECT r.prescribed_at FROM hospital.prescriptions r WHERE r.visit_id = v.visit_id) x
        WHERE p.deceased_at IS NOT NULL AND x.at > p.deceased_at
    ), timed AS (
        SELECT count(*)::numeric AS n,
               count(*) FILTER (WHERE (x.from_at AT TIME ZONE 'Africa/Johannesburg')::date < p.date_of_birth OR x.until_at < x.from_at
                                   OR x.from_at > p.deceased_at OR x.until_at > p.deceased_at) AS broken
        FROM (SELECT a.patient_id, a.admitted_at AS from_at, a.discharged_at AS until_at FROM hospital.admissions a
              UNION ALL SELECT v.patient_id, v.arrived_at, NULL FROM hospital.visits v) x
        JOIN hospital.patients p ON p.patient_id = x.patient_id
    ), sexed AS (
        SELECT count(*)::numeric AS n, count(*) FILTER (WHERE d.code ~ '^(C61|N4|N50)' AND p.gender = 'Male'
            OR d.code ~ '^(O|C5[3-6]|N[78]|N9[0-8])' AND p.gender = 'Female') AS fits
        FROM hospital.diagnoses d JOIN hospital.patients p ON p.patient_id = d.patient_id
        WHERE d.code ~ '^(O|C5[3-6]|C61|N4|N50|N[78]|N9[0-8])'
    ), newborns AS (
        SELECT count(*) FILTER (WHERE p.gender = 'Male')::numeric AS boys,
               count(*) FILTER (WHERE p.gender = 'Female')::numeric AS girls
        FROM hospital.patients p WHERE p.origin = 'born here'
    ), classes AS (
        SELECT c.class_code, count(p.patient_id)::numeric AS n, sum(count(p.patient_id)) OVER () AS of_all
        FROM hospital.patient_class c LEFT JOIN hospital.patients p ON p.patient_class = c.class_code GROUP BY 1
    )
    SELECT 'beds', 'hospital', sum(w.beds) * 1100.0 / m.beds, NULL::numeric, format('%s beds of %s', sum(w.beds), m.beds)
    FROM hospital.wards w, hospital.simulation m GROUP BY m.beds
    UNION ALL
    SELECT 'sex_ratio_at_birth', 'males per 100 females', 100 * b.boys / b.girls,
           100 * b.boys / b.girls * sqrt(1 / b.boys + 1 / b.girls), format('%s born here', b.boys + b.girls)
    FROM newborns b WHERE b.boys > 0 AND b.girls > 0
    UNION ALL
    SELECT 'patient_class_share', c.class_code, c.n / c.of_all, sqrt(c.n * (c.of_all - c.n) / c.of_all) / c.of_all,
           format('%s patients', c.of_all)
    FROM classes c WHERE c.of_all > 0
    UNION ALL
    SELECT 'bed_overlap', 'beds', (count(*) FILTER (WHERE t.from_at < t.taken_until OR t.no_such_bed))::numeric, NULL,
           format('%s times that a bed was taken', count(*))
    FROM taken t HAVING count(*) > 0
    UNION ALL
    SELECT 'admit_after_birth', 'admissions', 1 - (t.broken + d.n) / t.n, NULL,
           format('%s visits and stays; vital signs, treatments and prescriptions after death: %s', t.n, d.n)
    FROM timed t, after_death d WHERE t.n > 0
    UNION ALL
    SELECT 'sex_specific_diagnoses', 'O and C53-C56 and N70-N98 female; C61 N40-N50 male', s.fits / s.n, NULL,
           format('%s diagnoses', s.n)
    FROM sexed s WHERE s.n > 0;
END
$measure$;
COMMENT ON FUNCTION hospital_measured_records() IS
    'The part of hospital_targets_report about what must hold in all records, beds and patients';

CREATE FUNCTION hospital_targets_report()
    RETURNS TABLE (metric text, scope text, target text, tolerance text, measured numeric, ok boolean, note text)
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE ROWS 80
    SET search_path = pg_catalog, pg_temp
AS $report$
#variable_conflict use_column
DECLARE
    days     date[];
    a_from   date;
    a_to     date;
    a_period text;
BEGIN
    IF to_regclass('hospital.simulation') IS NULL THEN
        RAISE EXCEPTION 'this database has no hospital'
            USING ERRCODE = 'undefined_table', HINT = 'CALL hospital_create() makes one.';
    END IF;
    -- Volumes are those of 2023, else of the last whole year, one without
    -- lockdowns if there is one, else of all whole months, else of all days.
    SELECT array_agg(v.day) INTO days FROM (SELECT DISTINCT v.visit_date AS day FROM hospital.visits v) v;
    SELECT p.from_day, p.to_day, p.name INTO a_from, a_to, a_period
    FROM (SELECT min(d.day) AS from_day, max(d.day) AS to_day, extract(year FROM d.day)::text AS name,
                 CASE extract(year FROM d.day) WHEN 2023 THEN 1 WHEN 2020 THEN 3 WHEN 2021 THEN 3 ELSE 2 END AS rank
          FROM unnest(days) AS d (day) GROUP BY 3, 4 HAVING count(*) >= 365
          UNION ALL
          SELECT min(m.month), max(m.last), 'whole months', 4
          FROM (SELECT date_trunc('month', d.day)::date AS month, max(d.day) AS last
                FROM unnest(days) AS d (day) GROUP BY 1
                HAVING count(*) = extract(day FROM date_trunc('month', min(d.day)) + '1 month - 1 day'::interval)) m
          HAVING count(*) > 0
          UNION ALL
          SELECT min(d.day), max(d.day), 'all days', 5 FROM unnest(days) AS d (day) HAVING count(*) > 0) p
    -- a period with holes would count too little
    WHERE p.to_day - p.from_day + 1 =
          (SELECT count(*) FROM unnest(days) AS d (day) WHERE d.day BETWEEN p.from_day AND p.to_day)
    ORDER BY p.rank, p.to_day DESC LIMIT 1;

    RETURN QUERY
    WITH measures AS (
        SELECT m.*, '' AS period FROM @extschema@.hospital_measured_people() m
        UNION ALL SELECT m.*, '' FROM @extschema@.hospital_measured_staff(
            coalesce(a_to, (SELECT s.start_date FROM hospital.simulation s))) m
        UNION ALL SELECT m.*, format('; %s, %s to %s', a_period, a_from, a_to)
                  FROM @extschema@.hospital_measured_care(a_from, a_to) m
        UNION ALL SELECT m.*, '' FROM @extschema@.hospital_measured_times() m
        UNION ALL SELECT m.*, '' FROM @extschema@.hospital_measured_records() m
    ), judged AS (
        SELECT t.ctid AS place, t.metric, t.scope, t.target, t.tolerance, m.measured, m.error, m.note || m.period AS note,
               CASE WHEN t.target LIKE '%-%-%' THEN abs(m.measured) ELSE abs(m.measured - t.target::numeric) END AS off,
               split_part(t.tolerance, ' ', 1)::numeric AS allowed
        FROM hospital.targets t LEFT JOIN measures m ON m.metric = t.metric AND m.scope = t.scope
    )
    SELECT j.metric, j.scope, j.target, j.tolerance, round(j.measured, 5),
           CASE WHEN j.metric = 'staff_max_age' THEN j.measured < j.target::numeric
                ELSE j.off <= greatest(j.allowed, coalesce(3 * j.error, 0)) END,
           CASE WHEN j.measured IS NOT NULL THEN
                    j.note || CASE WHEN j.off > j.allowed AND j.off <= 3 * j.error THEN '; within three standard errors' ELSE '' END
                WHEN j.note IS NOT NULL THEN 'not measured: ' || j.note
                WHEN j.metric LIKE 'pool%' OR j.metric LIKE 'sa\_id%' OR j.metric IN ('language_share', 'population_group_share',
                    'non_citizen_share', 'region_share', 'uninsured_share', 'surname_top_national')
                    THEN 'not measured: the people of the pool, or the staff, are not all loaded'
                WHEN j.metric LIKE 'staff%' OR j.metric IN ('nurses', 'doctors', 'allied', 'vacancy_rate', 'shift_overlap')
                    THEN 'not measured: staff or their shifts are not loaded'
                ELSE 'not measured: its days are not loaded, or there were no cases' END
    FROM judged j
    ORDER BY j.place;
END
$report$;
COMMENT ON FUNCTION hospital_targets_report() IS
    'Every target of hospital.targets beside what the tables show, by queries that share nothing with the generators: volumes on 2023 or the nearest period that is loaded, epidemics and lockdowns on their own years. A sample may be three standard errors off; null where it cannot be measured yet';

-- ==== end of targets ======================================================

-- ==== marts ===============================================================
--
-- hospital_mart has sums of facts by day, cells, for days that are folded, and
-- the same query over the facts of days that are live. A fact has one day; the
-- day of each kind of facts is folded or live as a whole, and a mart is both
-- together. So it is right whatever path rows came by, and only its speed
-- differs. Who writes rows of a day marks it live in the same transaction
-- (marts.c); days that are over are folded later. The cells of a month that is
-- over are merged: their day is its first then.

CREATE SCHEMA hospital_mart;
COMMENT ON SCHEMA hospital_mart IS 'After hospital_create, what to look at: sums of the hospital''s data, right at any moment';
GRANT USAGE ON SCHEMA hospital_mart TO PUBLIC;

CREATE PROCEDURE hospital_create_marts()
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $create$
DECLARE
    a_cells record;
    a_mart  record;
    a_column record;
    a_made  record;
    an_owner name;
    columns text;
BEGIN
    IF to_regclass('hospital.simulation') IS NULL THEN
        RAISE EXCEPTION 'this database has no hospital'
            USING ERRCODE = 'undefined_table', HINT = 'CALL hospital_create() makes one, and its marts.';
    END IF;

    -- They are kept by the rights of their owner, from the hospital's tables.
    SELECT pg_get_userbyid(c.relowner) INTO an_owner FROM pg_class c WHERE c.oid = 'hospital.simulation'::regclass;
    IF an_owner <> current_user AND NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user) THEN
        RAISE EXCEPTION 'permission denied to make the marts'
            USING ERRCODE = 'insufficient_privilege',
                  DETAIL = format('The hospital belongs to role "%s".', an_owner), HINT = 'Let that role call it, or a superuser.';
    END IF;

    IF NOT has_schema_privilege('hospital_mart', 'CREATE') THEN
        RAISE NOTICE 'hospital: no marts are made, for want of the right to create in schema hospital_mart'
            USING HINT = 'CALL hospital_create_marts() once it is granted.';
        RETURN;
    END IF;

    -- Which days are not in the cells.
    CREATE TABLE hospital_mart.live_days (
        kind     text        NOT NULL,
        day      date        NOT NULL,
        month    date        NOT NULL GENERATED ALWAYS AS (date_trunc('month', day::timestamp)::date) STORED,
        from_at  timestamptz NOT NULL GENERATED ALWAYS AS (day::timestamp AT TIME ZONE 'Africa/Johannesburg') STORED,
        until_at timestamptz NOT NULL GENERATED ALWAYS AS ((day + 1)::timestamp AT TIME ZONE 'Africa/Johannesburg') STORED,
        PRIMARY KEY (kind, day)
    );
    COMMENT ON TABLE hospital_mart.live_days IS 'Days whose facts the marts read from the tables of hospital; all others are in the cells';
    COMMENT ON COLUMN hospital_mart.live_days.kind IS 'Facts: arrivals and departures (of visits), diagnoses, prescriptions, bills, admissions, discharges, registrations, deaths, beds';
    COMMENT ON COLUMN hospital_mart.live_days.day IS 'Day, in Johannesburg';
    COMMENT ON COLUMN hospital_mart.live_days.month IS 'First of its month';
    COMMENT ON COLUMN hospital_mart.live_days.from_at IS 'When it begins';
    COMMENT ON COLUMN hospital_mart.live_days.until_at IS 'When the next day begins';
    CREATE TABLE hospital_mart.merged_months (
        kind  text NOT NULL,
        month date NOT NULL,
        PRIMARY KEY (kind, month)
    );
    COMMENT ON TABLE hospital_mart.merged_months IS 'Months whose cells have been merged: their day is the first of the month';
    COMMENT ON COLUMN hospital_mart.merged_months.kind IS 'Facts, as in live_days';
    COMMENT ON COLUMN hospital_mart.merged_months.month IS 'First of the month';
    CREATE VIEW hospital_mart.last_day AS
    SELECT coalesce((SELECT max(b.day) FROM hospital.batches b WHERE b.state = 'ingested'),
                    (SELECT max(l.day) FROM hospital_mart.live_days l)) AS day;
    COMMENT ON VIEW hospital_mart.last_day IS 'The day as of which the marts speak of a present';
    COMMENT ON COLUMN hospital_mart.last_day.day IS 'The last one of which files are ingested; where none are, the last one that events have come of';
    CREATE VIEW hospital_mart.last_beds_day AS
    SELECT (max(u.recorded_at) AT TIME ZONE 'Africa/Johannesburg')::date AS day FROM hospital.status_updates u;
    COMMENT ON VIEW hospital_mart.last_beds_day IS 'The last day of which it is known who lies where';
    COMMENT ON COLUMN hospital_mart.last_beds_day.day IS 'The last one that has status updates';

    -- Cells, and the same from the facts: dimensions, sums, and the query for the day "l".
    FOR a_cells IN SELECT c.*, c.dimensions || c.sums AS fields FROM (VALUES
        ('visits', 'arrivals', 'Visits by department and kind',
         '{department_code text,kind text}'::text[], '{visits bigint}'::text[],
         $query$SELECT v.department_code, v.kind, count(*) AS visits
                FROM hospital.visits v WHERE v.visit_date = l.day GROUP BY v.department_code, v.kind$query$),
        ('doctor_visits', 'arrivals', 'Visits by doctor',
         '{doctor_id bigint}', '{visits bigint}',
         $query$SELECT v.doctor_id, count(*) AS visits
                FROM hospital.visits v WHERE v.visit_date = l.day AND v.doctor_id IS NOT NULL GROUP BY v.doctor_id$query$),
        ('departures', 'departures', 'Visits that ended, by department and kind',
         '{department_code text,kind text}', '{completed_visits bigint,minutes bigint,total_cost numeric}',
         $query$SELECT v.department_code, v.kind, count(*) AS completed_visits,
                       sum(round(extract(epoch FROM v.left_at - v.arrived_at) / 60))::bigint AS minutes,
                       sum(v.total_cost) AS total_cost
                FROM hospital.visits v WHERE v.left_at >= l.from_at AND v.left_at < l.until_at
                GROUP BY v.department_code, v.kind$query$),
        ('doctor_departures', 'departures', 'Visits that ended, by doctor',
         '{doctor_id bigint}', '{completed_visits bigint,minutes bigint}',
         $query$SELECT v.doctor_id, count(*) AS completed_visits,
                       sum(round(extract(epoch FROM v.left_at - v.arrived_at) / 60))::bigint AS minutes
                FROM hospital.visits v
                WHERE v.left_at >= l.from_at AND v.left_at < l.until_at AND v.doctor_id IS NOT NULL
                GROUP BY v.doctor_id$query$),
        ('diagnoses', 'diagnoses', 'Diagnoses by code, rank and the visit''s department',
         '{code text,description text,rank text,department_code text}', '{diagnoses bigint}',
         $query$SELECT d.code, d.description, d.rank, v.department_code, count(*) AS diagnoses
                FROM hospital.diagnoses d [visit of d]
                WHERE d.at >= l.from_at AND d.at < l.until_at
                GROUP BY d.code, d.description, d.rank, v.department_code$query$),
        ('emergency_waits', 'diagnoses', 'Emergency patients by triage and department, from the arrival to the primary diagnosis',
         '{triage text,department_code text}', '{patients bigint,minutes bigint,within_target bigint}',
         $query$SELECT v.triage, v.department_code, count(*) AS patients,
                       sum(round(extract(epoch FROM d.at - v.arrived_at) / 60))::bigint AS minutes,
                       count(*) FILTER (WHERE d.at <= v.arrived_at + t.target_minutes * interval '1 minute') AS within_target
                FROM hospital.diagnoses d [visit of d]
                JOIN hospital.triage_sats t ON t.colour = v.triage
                WHERE d.at >= l.from_at AND d.at < l.until_at AND d.rank = 'primary' AND v.kind = 'emergency'
                GROUP BY v.triage, v.department_code$query$),
        ('medication', 'prescriptions', 'Prescriptions by medicine and the visit''s department',
         '{medicine_id text,department_code text}', '{prescriptions bigint,quantity bigint}',
         $query$SELECT p.medicine_id, v.department_code, count(*) AS prescriptions, sum(p.quantity) AS quantity
                FROM hospital.prescriptions p [visit of p]
                WHERE p.prescribed_at >= l.from_at AND p.prescribed_at < l.until_at
                GROUP BY p.medicine_id, v.department_code$query$),
        ('doctor_prescriptions', 'prescriptions', 'Prescriptions by the doctor who wrote them',
         '{doctor_id bigint}', '{prescriptions bigint}',
         $query$SELECT p.doctor_id, count(*) AS prescriptions FROM hospital.prescriptions p
                WHERE p.prescribed_at >= l.from_at AND p.prescribed_at < l.until_at GROUP BY p.doctor_id$query$),
        ('revenue', 'bills', 'Bills by the visit''s department, class and status',
         '{department_code text,patient_class text,payment_status text}',
         '{bills bigint,total_amount numeric,consultation numeric,accommodation numeric,procedures numeric,imaging numeric,laboratory numeric,medicines numeric,other numeric}',
         $query$SELECT v.department_code, b.patient_class, b.payment_status, count(*) AS bills, sum(b.total_amount) AS total_amount,
                       sum(b.consultation) AS consultation, sum(b.accommodation) AS accommodation,
                       sum(b.procedures) AS procedures, sum(b.imaging) AS imaging, sum(b.laboratory) AS laboratory,
                       sum(b.medicines) AS medicines, sum(b.other) AS other
                FROM hospital.billing_payments b [visit of b]
                WHERE b.billing_date = l.day GROUP BY v.department_code, b.patient_class, b.payment_status$query$),
        ('doctor_revenue', 'bills', 'Bills by the visit''s doctor and department',
         '{doctor_id bigint,department_code text}', '{bills bigint,total_amount numeric}',
         $query$SELECT v.doctor_id, v.department_code, count(*) AS bills, sum(b.total_amount) AS total_amount
                FROM hospital.billing_payments b [visit of b]
                WHERE b.billing_date = l.day GROUP BY v.doctor_id, v.department_code$query$),
        ('readmissions', 'admissions', 'Admissions by department, and those within 30 days of a discharge',
         '{department_code text}', '{admissions bigint,readmitted_30_days bigint}',
         $query$SELECT a.department_code, count(*) AS admissions,
                       count(*) FILTER (WHERE EXISTS (SELECT FROM hospital.admissions e
                           WHERE e.patient_id = a.patient_id AND e.admission_id <> a.admission_id
                             AND e.discharged_at <= a.admitted_at
                             AND e.discharged_at >= a.admitted_at - interval '720 hours')) AS readmitted_30_days
                FROM hospital.admissions a WHERE a.admitted_at >= l.from_at AND a.admitted_at < l.until_at
                GROUP BY a.department_code$query$),
        ('stays', 'discharges', 'Stays that ended, by department, way in, outcome and length',
         '{department_code text,admission_type text,outcome text}',
         '{stays bigint,hours bigint,under_1_day bigint,days_1_2 bigint,days_3_6 bigint,days_7_13 bigint,days_14_29 bigint,days_30_more bigint}',
         $query$SELECT a.department_code, a.admission_type, a.outcome, count(*) AS stays,
                       sum(round(extract(epoch FROM d.length) / 3600))::bigint AS hours,
                       count(*) FILTER (WHERE d.length < interval '24 hours') AS under_1_day,
                       count(*) FILTER (WHERE d.length >= interval '24 hours' AND d.length < interval '72 hours') AS days_1_2,
                       count(*) FILTER (WHERE d.length >= interval '72 hours' AND d.length < interval '168 hours') AS days_3_6,
                       count(*) FILTER (WHERE d.length >= interval '168 hours' AND d.length < interval '336 hours') AS days_7_13,
                       count(*) FILTER (WHERE d.length >= interval '336 hours' AND d.length < interval '720 hours') AS days_14_29,
                       count(*) FILTER (WHERE d.length >= interval '720 hours') AS days_30_more
                FROM hospital.admissions a CROSS JOIN LATERAL (SELECT a.discharged_at - a.admitted_at AS length) d
                WHERE a.discharged_at >= l.from_at AND a.discharged_at < l.until_at
                GROUP BY a.department_code, a.admission_type, a.outcome$query$),
        ('beds', 'beds', 'Wards: patients who came in less those who left, on the day and up to each full hour of it',
         '{ward_code text}', '{change bigint,upto bigint[]}',
         format($query$SELECT c.ward_code, sum(c.n)::bigint AS change, ARRAY[%s]::bigint[] AS upto
                FROM (SELECT w.ward_code, 0 AS n, 0 AS hour FROM hospital.wards w
                      UNION ALL
                      SELECT c.ward_code, c.n, ceil(extract(epoch FROM u.recorded_at - l.from_at) / 3600)
                      FROM hospital.status_updates u
                      LEFT JOIN LATERAL (SELECT p.ward_code, p.status FROM hospital.status_updates p
                                         WHERE p.admission_id = u.admission_id
                                           AND (p.recorded_at, p.update_id) < (u.recorded_at, u.update_id)
                                           AND p.status IN ('admitted', 'moved', 'discharged', 'died', 'absconded',
                                                            'refused treatment', 'transferred out')
                                         ORDER BY p.recorded_at DESC, p.update_id DESC LIMIT 1) p ON true
                      CROSS JOIN LATERAL (VALUES (u.ward_code, u.status, 1), (p.ward_code, p.status, -1)) c (ward_code, status, n)
                      WHERE u.recorded_at >= l.from_at AND u.recorded_at < l.until_at
                        AND u.status IN ('admitted', 'moved', 'discharged', 'died', 'absconded',
                                         'refused treatment', 'transferred out')
                        AND c.status IN ('admitted', 'moved') AND c.ward_code IS NOT NULL) c
                GROUP BY c.ward_code$query$,
                (SELECT string_agg(format('coalesce(sum(c.n) FILTER (WHERE c.hour <= %s), 0)', h), ', ' ORDER BY h)
                 FROM generate_series(0, 23) h))),
        ('registrations', 'registrations', 'Patients by month of birth and gender, on the day of their first visit',
         '{born date,gender text}', '{patients bigint}',
         $query$SELECT date_trunc('month', p.date_of_birth::timestamp)::date AS born, p.gender, count(*) AS patients
                FROM hospital.patients p WHERE p.first_seen_on = l.day GROUP BY 1, 2$query$),
        ('deaths', 'deaths', 'Patients who died, by month of birth and gender',
         '{born date,gender text}', '{patients bigint}',
         $query$SELECT date_trunc('month', p.date_of_birth::timestamp)::date AS born, p.gender, count(*) AS patients
                FROM hospital.patients p WHERE p.deceased_at >= l.from_at AND p.deceased_at < l.until_at GROUP BY 1, 2$query$)
        ) c (name, kind, comment, dimensions, sums, query)
    LOOP
        columns := (SELECT string_agg(quote_ident(split_part(f, ' ', 1)), ', ') FROM unnest(a_cells.fields) f);
        EXECUTE format('CREATE TABLE hospital_mart.%I (month date NOT NULL, day date NOT NULL, %s%s)', a_cells.name || '_cells',
                       array_to_string(a_cells.dimensions, ', '),
                       (SELECT string_agg(', ' || s || ' NOT NULL', '') FROM unnest(a_cells.sums) s));
        EXECUTE format('CREATE INDEX %I ON hospital_mart.%I (month, day)', a_cells.name || '_cells_month_day_idx', a_cells.name || '_cells');
        EXECUTE format('COMMENT ON INDEX hospital_mart.%I IS %L', a_cells.name || '_cells_month_day_idx', 'The cells of a month, and of a day');
        EXECUTE format('COMMENT ON TABLE hospital_mart.%I IS %L', a_cells.name || '_cells', a_cells.comment || ': the days that are folded');
        -- a lookup for each: a join would read all visits, as far as planners can tell
        a_cells.query := regexp_replace(a_cells.query, '\[visit of (\w)\]', $join$LEFT JOIN LATERAL (
                    SELECT o.department_code, o.doctor_id, o.kind, o.triage, o.arrived_at
                    FROM hospital.visits o WHERE o.visit_id = \1.visit_id OFFSET 0) v ON true$join$);
        EXECUTE format('CREATE VIEW hospital_mart.%I AS SELECT l.month, l.day, %s FROM hospital_mart.live_days l CROSS JOIN LATERAL (%s) f WHERE l.kind = %L',
                       a_cells.name || '_live', regexp_replace(columns, '(^|, )', '\1f.', 'g'), a_cells.query, a_cells.kind);
        EXECUTE format('COMMENT ON VIEW hospital_mart.%I IS %L', a_cells.name || '_live', a_cells.comment || ': the days that are live');
    END LOOP;
    ALTER TABLE hospital_mart.beds_cells ADD start bigint NOT NULL DEFAULT 0;

    -- The marts; [name] stands for all days of these cells.
    FOR a_mart IN SELECT * FROM (VALUES
        ('diagnosis_distribution', 'Diagnoses by month, code, rank and the visit''s department',
         $query$SELECT c.month, c.code, c.description, c.rank, c.department_code, sum(c.diagnoses)::bigint AS diagnoses
                FROM [diagnoses] c GROUP BY c.month, c.code, c.description, c.rank, c.department_code$query$),
        ('revenue_by_month', 'Bills by the month of the bill, the visit''s department, class and status, in rand',
         $query$SELECT c.month, c.department_code, c.patient_class, c.payment_status, sum(c.bills)::bigint AS bills,
                       sum(c.total_amount) AS total_amount, sum(c.consultation) AS consultation,
                       sum(c.accommodation) AS accommodation, sum(c.procedures) AS procedures, sum(c.imaging) AS imaging,
                       sum(c.laboratory) AS laboratory, sum(c.medicines) AS medicines, sum(c.other) AS other
                FROM [revenue] c GROUP BY c.month, c.department_code, c.patient_class, c.payment_status$query$),
        ('revenue_by_doctor', 'Bills by the month of the bill, the visit''s doctor and department, in rand; a null doctor stands for visits without one',
         $query$SELECT r.month, r.doctor_id, s.first_name || ' ' || s.last_name AS full_name, s.specialty, r.department_code,
                       r.bills, r.total_amount
                FROM (SELECT c.month, c.doctor_id, c.department_code, sum(c.bills)::bigint AS bills, sum(c.total_amount) AS total_amount
                      FROM [doctor_revenue] c GROUP BY c.month, c.doctor_id, c.department_code) r
                LEFT JOIN hospital.staff s ON s.staff_id = r.doctor_id$query$),
        ('doctor_performance', 'What doctors did, by month: visits that began, visits that ended and how long they were, prescriptions of their own, bills of their visits',
         $query$SELECT r.month, r.doctor_id, s.first_name || ' ' || s.last_name AS full_name, s.role, s.specialty, s.department_code,
                       r.visits, r.completed_visits, r.minutes, r.prescriptions, r.bills, r.total_amount
                FROM (SELECT c.month, c.doctor_id, sum(c.visits)::bigint AS visits, sum(c.completed_visits)::bigint AS completed_visits,
                             sum(c.minutes)::bigint AS minutes, sum(c.prescriptions)::bigint AS prescriptions,
                             sum(c.bills)::bigint AS bills, sum(c.total_amount) AS total_amount
                      FROM (SELECT c.month, c.doctor_id, c.visits, 0::bigint AS completed_visits, 0::bigint AS minutes,
                                   0::bigint AS prescriptions, 0::bigint AS bills, 0.00 AS total_amount
                            FROM [doctor_visits] c
                            UNION ALL SELECT c.month, c.doctor_id, 0, c.completed_visits, c.minutes, 0, 0, 0 FROM [doctor_departures] c
                            UNION ALL SELECT c.month, c.doctor_id, 0, 0, 0, c.prescriptions, 0, 0 FROM [doctor_prescriptions] c
                            UNION ALL SELECT c.month, c.doctor_id, 0, 0, 0, 0, c.bills, c.total_amount FROM [doctor_revenue] c
                            WHERE c.doctor_id IS NOT NULL) c
                      GROUP BY c.month, c.doctor_id) r
                LEFT JOIN hospital.staff s ON s.staff_id = r.doctor_id$query$),
        ('doctors_by_specialization', 'Doctors, interns and dentists by role, specialty and department, as of the last ingested day',
         $query$SELECT s.role, s.specialty, s.department_code,
                       count(*) FILTER (WHERE s.left_on IS NULL OR s.left_on > t.day) AS doctors,
                       count(*) FILTER (WHERE s.left_on <= t.day) AS posts_vacated
                FROM hospital.staff s CROSS JOIN hospital_mart.last_day t
                WHERE s.registration_no ~ '^(MP|IN|DP)' AND s.hired_on <= t.day
                GROUP BY s.role, s.specialty, s.department_code$query$),
        ('patient_age_distribution', 'Living patients by age on the last ingested day and gender',
         -- an age begins within a month of births: who was born in these months is counted one by one
         $query$WITH limits AS MATERIALIZED (
                    SELECT array_agg(b.day ORDER BY b.day) AS days,
                           array_agg(date_trunc('month', b.day::timestamp)::date) AS months
                    FROM (SELECT (t.day - make_interval(years => y))::date + 1 AS day
                          FROM hospital_mart.last_day t, generate_series(5, 85, 5) y) b
                ), counted AS (
                    SELECT c.born, c.gender, c.patients FROM [registrations] c
                    UNION ALL SELECT c.born, c.gender, -c.patients FROM [deaths] c
                ), months AS (
                    SELECT c.born, c.gender, sum(c.patients)::bigint AS patients FROM counted c GROUP BY c.born, c.gender
                )
                SELECT CASE WHEN a.under = 0 THEN '85+' ELSE (17 - a.under) * 5 || '-' || (17 - a.under) * 5 + 4 END AS age_band, a.gender,
                       sum(a.patients)::bigint AS patients
                FROM (SELECT width_bucket(m.born, l.days) AS under, m.gender, m.patients
                      FROM months m CROSS JOIN limits l WHERE m.born <> ALL (l.months)
                      UNION ALL
                      SELECT width_bucket(p.date_of_birth, l.days), p.gender, 1
                      FROM limits l CROSS JOIN unnest(l.months) b (month)
                      JOIN hospital.patients p ON p.date_of_birth >= b.month AND p.date_of_birth < b.month + interval '1 month'
                      WHERE p.deceased_at IS NULL) a
                GROUP BY a.under, a.gender HAVING sum(a.patients) <> 0$query$),
        ('monthly_visit_stats', 'Visits by month, department and kind: visits count where they began, all else where they ended',
         $query$SELECT c.month, c.department_code, c.kind, sum(c.visits)::bigint AS visits,
                       sum(c.completed_visits)::bigint AS completed_visits, sum(c.minutes)::bigint AS minutes,
                       sum(c.total_cost) AS total_cost
                FROM (SELECT c.month, c.department_code, c.kind, c.visits, 0::bigint AS completed_visits, 0::bigint AS minutes,
                             0.00 AS total_cost FROM [visits] c
                      UNION ALL SELECT c.month, c.department_code, c.kind, 0, c.completed_visits, c.minutes, c.total_cost
                      FROM [departures] c) c
                GROUP BY c.month, c.department_code, c.kind$query$),
        ('patient_journey', 'Each patient''s visits in order, with what came of them',
         -- no window: what is asked for by visit, day or patient is found by its index
         $query$SELECT v.patient_id,
                       (SELECT count(*) FROM hospital.visits e
                        WHERE e.patient_id = v.patient_id AND (e.arrived_at, e.visit_id) <= (v.arrived_at, v.visit_id)) AS visit_no,
                       v.visit_id, v.visit_date, v.kind, v.department_code, v.doctor_id,
                       v.triage, v.disposition, v.admission_id,
                       (SELECT a.admitted_at FROM hospital.admissions a WHERE a.admission_id = v.admission_id) AS admitted_at,
                       (SELECT a.discharged_at FROM hospital.admissions a WHERE a.admission_id = v.admission_id) AS discharged_at,
                       v.diagnosis AS main_diagnosis,
                       (SELECT count(*) FROM hospital.diagnoses d WHERE d.visit_id = v.visit_id) AS diagnoses,
                       (SELECT count(*) FROM hospital.prescriptions p WHERE p.visit_id = v.visit_id) AS prescriptions,
                       (SELECT sum(b.total_amount) FROM hospital.billing_payments b WHERE b.visit_id = v.visit_id) AS total_amount,
                       v.visit_date - (SELECT e.visit_date FROM hospital.visits e
                                       WHERE e.patient_id = v.patient_id AND (e.arrived_at, e.visit_id) < (v.arrived_at, v.visit_id)
                                       ORDER BY e.arrived_at DESC, e.visit_id DESC LIMIT 1) AS days_since_previous
                FROM hospital.visits v$query$),
        ('patient_spending', 'What each patient with a bill was billed, and what became of it, in rand',
         $query$SELECT b.patient_id, p.patient_class, count(DISTINCT b.visit_id) AS visits, count(*) AS bills,
                       sum(b.total_amount) AS total_amount,
                       coalesce(sum(b.total_amount) FILTER (WHERE b.payment_status = 'Paid'), 0) AS paid,
                       coalesce(sum(b.total_amount) FILTER (WHERE b.payment_status = 'Pending'), 0) AS pending,
                       coalesce(sum(b.total_amount) FILTER (WHERE b.payment_status = 'Unpaid'), 0) AS unpaid,
                       min(b.billing_date) AS first_billed, max(b.billing_date) AS last_billed
                FROM hospital.billing_payments b LEFT JOIN hospital.patients p ON p.patient_id = b.patient_id
                GROUP BY b.patient_id, p.patient_class$query$),
        ('patient_bills', 'What each patient was billed on a day, and what became of it, in rand',
         $query$SELECT b.billing_date, b.patient_id, count(*) AS bills, sum(b.total_amount) AS total_amount,
                       coalesce(sum(b.total_amount) FILTER (WHERE b.payment_status = 'Paid'), 0) AS paid,
                       coalesce(sum(b.total_amount) FILTER (WHERE b.payment_status = 'Pending'), 0) AS pending,
                       coalesce(sum(b.total_amount) FILTER (WHERE b.payment_status = 'Unpaid'), 0) AS unpaid
                FROM hospital.billing_payments b GROUP BY b.billing_date, b.patient_id$query$),
        ('medication_usage', 'Prescriptions by month, medicine and the visit''s department',
         $query$SELECT r.month, r.medicine_id, m.name AS medicine, r.department_code, r.prescriptions, r.quantity
                FROM (SELECT c.month, c.medicine_id, c.department_code, sum(c.prescriptions)::bigint AS prescriptions,
                             sum(c.quantity)::bigint AS quantity
                      FROM [medication] c GROUP BY c.month, c.medicine_id, c.department_code) r
                LEFT JOIN hospital.medicines m ON m.medicine_id = r.medicine_id$query$),
        ('payment_status', 'Bills by month, status and class, in rand',
         $query$SELECT c.month, c.payment_status, c.patient_class, sum(c.bills)::bigint AS bills, sum(c.total_amount) AS total_amount
                FROM [revenue] c GROUP BY c.month, c.payment_status, c.patient_class$query$),
        ('ward_days', 'Inpatients of each ward at midnight, and how they changed on the day: a step towards other marts',
         $query$SELECT c.month, c.day, c.ward_code, c.start, c.change, c.upto FROM hospital_mart.beds_cells c
                UNION ALL
                SELECT v.month, v.day, v.ward_code,
                       coalesce((SELECT c.start + c.change FROM hospital_mart.beds_cells c
                                 WHERE c.ward_code = v.ward_code AND c.month <= v.month AND c.day < v.day
                                 ORDER BY c.month DESC, c.day DESC LIMIT 1), 0)
                       + coalesce(sum(v.change) OVER (PARTITION BY v.ward_code ORDER BY v.day
                                                      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)::bigint,
                       v.change, v.upto
                FROM hospital_mart.beds_live v WHERE v.day <= (SELECT t.day FROM hospital_mart.last_beds_day t)$query$),
        ('ward_occupancy_by_hour', 'Inpatients of each ward at each full hour of the days that have status updates; a patient is in the ward of the last update that says admitted or moved, until one that ends the stay',
         $query$SELECT h.at, d.ward_code, w.department_code, d.start + d.upto[extract(hour FROM h.at AT TIME ZONE 'Africa/Johannesburg')::int + 1] AS occupied,
                       w.beds
                FROM (SELECT least((SELECT c.day FROM hospital_mart.beds_cells c ORDER BY c.month, c.day LIMIT 1),
                                   (SELECT min(l.day) FROM hospital_mart.live_days l WHERE l.kind = 'beds')) AS first_day,
                             (SELECT t.day FROM hospital_mart.last_beds_day t) AS last_day) e
                CROSS JOIN generate_series(e.first_day::timestamp AT TIME ZONE 'Africa/Johannesburg',
                                           e.last_day::timestamp AT TIME ZONE 'Africa/Johannesburg' + interval '23 hours',
                                           interval '1 hour') h (at)
                JOIN hospital_mart.ward_days d ON d.day = (h.at AT TIME ZONE 'Africa/Johannesburg')::date
                    AND d.month = date_trunc('month', h.at AT TIME ZONE 'Africa/Johannesburg')::date
                LEFT JOIN hospital.wards w ON w.ward_code = d.ward_code
                WHERE d.start + d.upto[extract(hour FROM h.at AT TIME ZONE 'Africa/Johannesburg')::int + 1] <> 0$query$),
        ('length_of_stay', 'Stays that ended, by month, department, way in and outcome, and how long they were',
         $query$SELECT c.month, c.department_code, c.admission_type, c.outcome, sum(c.stays)::bigint AS stays,
                       sum(c.hours)::bigint AS hours, sum(c.under_1_day)::bigint AS under_1_day, sum(c.days_1_2)::bigint AS days_1_2,
                       sum(c.days_3_6)::bigint AS days_3_6, sum(c.days_7_13)::bigint AS days_7_13,
                       sum(c.days_14_29)::bigint AS days_14_29, sum(c.days_30_more)::bigint AS days_30_more
                FROM [stays] c GROUP BY c.month, c.department_code, c.admission_type, c.outcome$query$),
        ('ed_waiting', 'Emergency patients who were triaged and seen, by month, triage and department: from the arrival to the primary diagnosis',
         $query$SELECT c.month, c.triage, c.department_code, sum(c.patients)::bigint AS patients, sum(c.minutes)::bigint AS minutes,
                       sum(c.within_target)::bigint AS within_target, t.target_minutes
                FROM [emergency_waits] c LEFT JOIN hospital.triage_sats t ON t.colour = c.triage
                GROUP BY c.month, c.triage, c.department_code, t.target_minutes$query$),
        ('bed_days', 'Inpatients at the midnights that ended the days of a month, summed, by ward',
         $query$SELECT d.month, d.ward_code, w.department_code, sum(d.start + d.change)::bigint AS bed_days, w.beds
                FROM hospital_mart.ward_days d LEFT JOIN hospital.wards w ON w.ward_code = d.ward_code
                GROUP BY d.month, d.ward_code, w.department_code, w.beds HAVING sum(d.start + d.change) <> 0$query$),
        ('readmissions', 'Admissions by month and department, and those within 30 days of an earlier discharge of the same patient',
         $query$SELECT c.month, c.department_code, sum(c.admissions)::bigint AS admissions,
                       sum(c.readmitted_30_days)::bigint AS readmitted_30_days
                FROM [readmissions] c GROUP BY c.month, c.department_code$query$),
        ('staffing_against_need', 'Nurses on a ward''s twelve-hour shifts, and how many its patients of three hours into the shift ask for',
         $query$SELECT x.day, x.ward_code, w.department_code, x.shift, sum(x.nurses)::bigint AS nurses,
                       sum(x.nurses_needed)::bigint AS nurses_needed
                FROM (SELECT d.day, d.ward_code, s.shift, 0::bigint AS nurses,
                             ceil((d.start + d.upto[s.hour + 1]) / s.patients_per_nurse)::bigint AS nurses_needed
                      FROM hospital_mart.ward_days d
                      JOIN hospital.ward_plan p ON p.ward_code = d.ward_code
                      CROSS JOIN LATERAL (VALUES ('N12D', 10, p.patients_per_nurse_day),
                                                 ('N12N', 22, p.patients_per_nurse_night)) s (shift, hour, patients_per_nurse)
                      UNION ALL
                      SELECT e.day, n.ward_code, n.shift, n.nurses, 0
                      FROM (SELECT DISTINCT d.day FROM hospital_mart.ward_days d) e
                      CROSS JOIN LATERAL (
                          SELECT a.ward_code, a.shift, count(*) AS nurses
                          FROM hospital.staff_assignments a JOIN hospital.staff m ON m.staff_id = a.staff_id
                          WHERE a.assignment_id >= (e.day - '2000-01-01'::date) * 100000::bigint
                            AND a.assignment_id < (e.day - '2000-01-01'::date + 1) * 100000::bigint
                            AND a.ward_code IS NOT NULL AND a.shift IN ('N12D', 'N12N')
                            AND m.role IN (SELECT r.role FROM hospital.staff_roles r WHERE r.category = 'nursing')
                          GROUP BY a.ward_code, a.shift) n) x
                JOIN hospital.wards w ON w.ward_code = x.ward_code
                GROUP BY x.day, x.ward_code, w.department_code, x.shift
                HAVING sum(x.nurses) + sum(x.nurses_needed) <> 0$query$)
        ) m (name, comment, query)
    LOOP
        EXECUTE format('CREATE VIEW hospital_mart.%I AS %s', a_mart.name,
                       regexp_replace(a_mart.query, '\[(\w+)\]',
                                      '(SELECT * FROM hospital_mart.\1_cells UNION ALL SELECT * FROM hospital_mart.\1_live)', 'g'));
        EXECUTE format('COMMENT ON VIEW hospital_mart.%I IS %L', a_mart.name, a_mart.comment);
    END LOOP;

    -- A column means the same wherever it is.
    FOR a_column IN
        SELECT c.relname, a.attname, t.comment
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN (VALUES
            ('month', 'First of the month, in Johannesburg'),
            ('day', 'Day, in Johannesburg'),
            ('department_code', 'Department, see hospital.departments'),
            ('kind', 'Kind of visit, as in hospital.visits'),
            ('doctor_id', 'Doctor, see hospital.doctors'),
            ('visits', 'Visits'),
            ('completed_visits', 'Visits that ended'),
            ('minutes', 'Minutes of all of them together, each rounded'),
            ('total_cost', 'Their cost, in rand'),
            ('code', 'ICD-10 code'),
            ('description', 'Its title'),
            ('rank', 'primary, secondary or external cause'),
            ('diagnoses', 'Diagnoses'),
            ('triage', 'South African Triage Scale: RED, ORANGE, YELLOW, GREEN, BLUE'),
            ('patients', 'Patients'),
            ('within_target', 'Those who did not wait longer than the target'),
            ('target_minutes', 'Longest time to be seen in, see hospital.triage_sats'),
            ('medicine_id', 'Medicine, see hospital.medicines'),
            ('medicine', 'Its name'),
            ('prescriptions', 'Prescriptions'),
            ('quantity', 'Packs'),
            ('patient_class', 'Class, see hospital.patient_class'),
            ('payment_status', 'Paid, Pending or Unpaid'),
            ('bills', 'Bills'),
            ('total_amount', 'Amount of the bills, in rand'),
            ('consultation', 'Part for consultations, in rand'),
            ('accommodation', 'Part for the days in a ward, in rand'),
            ('procedures', 'Part for operations, deliveries, therapy, in rand'),
            ('imaging', 'Part for imaging, in rand'),
            ('laboratory', 'Part for the laboratory, in rand'),
            ('medicines', 'Part for medicines, in rand'),
            ('other', 'What is left, in rand'),
            ('admissions', 'Admissions'),
            ('readmitted_30_days', 'Those within 30 days of an earlier discharge'),
            ('admission_type', 'Way in: emergency, elective, maternity, newborn, transfer in'),
            ('outcome', 'How the stay ended'),
            ('stays', 'Stays'),
            ('hours', 'Hours of all of them together, each rounded'),
            ('under_1_day', 'Stays of less than 24 hours'),
            ('days_1_2', 'Stays of one or two whole days'),
            ('days_3_6', 'Stays of three to six whole days'),
            ('days_7_13', 'Stays of 7 to 13 whole days'),
            ('days_14_29', 'Stays of 14 to 29 whole days'),
            ('days_30_more', 'Stays of 30 whole days and more'),
            ('ward_code', 'Ward, see hospital.wards'),
            ('start', 'Inpatients when the day began; in cells as far as folded days tell'),
            ('change', 'Patients who came in less those who left, on the day'),
            ('upto', 'The same up to each full hour of the day, from 00:00'),
            ('at', 'Full hour'),
            ('occupied', 'Inpatients in the ward at that instant'),
            ('beds', 'Beds of the ward'),
            ('bed_days', 'Inpatients at the midnights that ended the days, summed'),
            ('full_name', 'First name and surname'),
            ('role', 'Role, see hospital.staff_roles'),
            ('specialty', 'Specialty, see hospital.staff_roles'),
            ('doctors', 'Employed on the last ingested day'),
            ('posts_vacated', 'Who have left until then'),
            ('age_band', 'Age in completed years'),
            ('born', 'First of the month of birth'),
            ('gender', 'Female or Male'),
            ('patient_id', 'Patient, see hospital.patients'),
            ('visit_no', 'Number of the visit, from the patient''s first one'),
            ('visit_id', 'Visit, see hospital.visits'),
            ('visit_date', 'Day of the arrival'),
            ('disposition', 'How the visit ended; null until it does'),
            ('admission_id', 'Admission it led to; null where it led to none'),
            ('admitted_at', 'When the patient was admitted'),
            ('discharged_at', 'When the stay ended'),
            ('main_diagnosis', 'Primary diagnosis in words'),
            ('days_since_previous', 'Days since the patient''s visit before'),
            ('paid', 'Amount of bills that are paid, in rand'),
            ('pending', 'Amount of bills that are pending, in rand'),
            ('unpaid', 'Amount of bills that are not paid, in rand'),
            ('billing_date', 'Day of the bills'),
            ('first_billed', 'Day of the first bill'),
            ('last_billed', 'Day of the last bill'),
            ('shift', 'N12D, the day, or N12N, the night, see hospital.shifts'),
            ('nurses', 'Nurses on the shift'),
            ('nurses_needed', 'Nurses that the patients ask for, by hospital.ward_plan')
        ) t (name, comment) ON t.name = a.attname
        WHERE c.relnamespace = 'hospital_mart'::regnamespace AND c.relkind IN ('r', 'v')
          AND col_description(c.oid, a.attnum) IS NULL
    LOOP
        EXECUTE format('COMMENT ON COLUMN hospital_mart.%I.%I IS %L', a_column.relname, a_column.attname, a_column.comment);
    END LOOP;

    -- What is there already is live.
    INSERT INTO hospital_mart.live_days (kind, day)
    SELECT 'arrivals', v.visit_date FROM hospital.visits v
    UNION SELECT 'departures', (v.left_at AT TIME ZONE 'Africa/Johannesburg')::date FROM hospital.visits v WHERE v.left_at IS NOT NULL
    UNION SELECT 'diagnoses', (d.at AT TIME ZONE 'Africa/Johannesburg')::date FROM hospital.diagnoses d
    UNION SELECT 'prescriptions', (p.prescribed_at AT TIME ZONE 'Africa/Johannesburg')::date FROM hospital.prescriptions p
    UNION SELECT 'bills', b.billing_date FROM hospital.billing_payments b
    UNION SELECT 'admissions', (a.admitted_at AT TIME ZONE 'Africa/Johannesburg')::date FROM hospital.admissions a
    UNION SELECT 'discharges', (a.discharged_at AT TIME ZONE 'Africa/Johannesburg')::date FROM hospital.admissions a
          WHERE a.discharged_at IS NOT NULL
    UNION SELECT 'registrations', p.first_seen_on FROM hospital.patients p
    UNION SELECT 'deaths', (p.deceased_at AT TIME ZONE 'Africa/Johannesburg')::date FROM hospital.patients p
          WHERE p.deceased_at IS NOT NULL
    UNION SELECT 'beds', d.day::date
          FROM (SELECT min(u.recorded_at) AS first, max(u.recorded_at) AS last FROM hospital.status_updates u) u,
               generate_series(date_trunc('day', u.first AT TIME ZONE 'Africa/Johannesburg'),
                               u.last AT TIME ZONE 'Africa/Johannesburg', interval '1 day') d (day);

    IF an_owner <> current_user THEN
        FOR a_made IN SELECT c.oid::regclass AS name FROM pg_class c
                      WHERE c.relnamespace = 'hospital_mart'::regnamespace AND c.relkind IN ('r', 'v')
                        AND c.relowner = (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user)
        LOOP
            EXECUTE format('ALTER TABLE %s OWNER TO %I', a_made.name, an_owner);
        END LOOP;
    END IF;
END
$create$;
COMMENT ON PROCEDURE hospital_create_marts() IS
    'Make the tables and views of schema hospital_mart: hospital_create does; a hospital that was restored without them gets them by this; they belong to the owner of its tables';

-- ---- live and folded ----

-- The cells of some days of a month; p_from is the first of the month for merged ones as well.
CREATE FUNCTION hospital_drop_cells(kind text, from_day date, to_day date) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET enable_seqscan = off
    SET jit = off
    SET plan_cache_mode = force_generic_plan
AS $drop$
#variable_conflict use_column
DECLARE
    a_month date := date_trunc('month', from_day::timestamp)::date;
BEGIN
    CASE $1
        WHEN 'arrivals' THEN
            DELETE FROM hospital_mart.visits_cells WHERE month = a_month AND day BETWEEN $2 AND $3;
            DELETE FROM hospital_mart.doctor_visits_cells WHERE month = a_month AND day BETWEEN $2 AND $3;
        WHEN 'departures' THEN
            DELETE FROM hospital_mart.departures_cells WHERE month = a_month AND day BETWEEN $2 AND $3;
            DELETE FROM hospital_mart.doctor_departures_cells WHERE month = a_month AND day BETWEEN $2 AND $3;
        WHEN 'diagnoses' THEN
            DELETE FROM hospital_mart.diagnoses_cells WHERE month = a_month AND day BETWEEN $2 AND $3;
            DELETE FROM hospital_mart.emergency_waits_cells WHERE month = a_month AND day BETWEEN $2 AND $3;
        WHEN 'prescriptions' THEN
            DELETE FROM hospital_mart.medication_cells WHERE month = a_month AND day BETWEEN $2 AND $3;
            DELETE FROM hospital_mart.doctor_prescriptions_cells WHERE month = a_month AND day BETWEEN $2 AND $3;
        WHEN 'bills' THEN
            DELETE FROM hospital_mart.revenue_cells WHERE month = a_month AND day BETWEEN $2 AND $3;
            DELETE FROM hospital_mart.doctor_revenue_cells WHERE month = a_month AND day BETWEEN $2 AND $3;
        WHEN 'admissions' THEN
            DELETE FROM hospital_mart.readmissions_cells WHERE month = a_month AND day BETWEEN $2 AND $3;
        WHEN 'discharges' THEN
            DELETE FROM hospital_mart.stays_cells WHERE month = a_month AND day BETWEEN $2 AND $3;
        WHEN 'registrations' THEN
            DELETE FROM hospital_mart.registrations_cells WHERE month = a_month AND day BETWEEN $2 AND $3;
        WHEN 'deaths' THEN
            DELETE FROM hospital_mart.deaths_cells WHERE month = a_month AND day BETWEEN $2 AND $3;
        WHEN 'beds' THEN
            -- each day counts on those before it
            DELETE FROM hospital_mart.beds_cells WHERE month >= a_month AND day >= $2;
    END CASE;
END
$drop$;
COMMENT ON FUNCTION hospital_drop_cells(text, date, date) IS
    'A part of the marts: take out the cells of some days of one month; of beds, of all days from the first one on';

CREATE FUNCTION hospital_mark_live(kind text, day date) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET enable_seqscan = off
    SET jit = off
    SET plan_cache_mode = force_generic_plan
AS $mark$
#variable_conflict use_column
DECLARE
    a_month date := date_trunc('month', day::timestamp)::date;
    until   date := (a_month + interval '1 month')::date - 1;
    latest  date;
BEGIN
    DELETE FROM hospital_mart.merged_months m WHERE m.kind = $1 AND m.month = a_month;
    IF FOUND THEN
        INSERT INTO hospital_mart.live_days (kind, day)
        SELECT $1, d::date FROM generate_series(a_month::timestamp, until::timestamp, interval '1 day') d
        ON CONFLICT DO NOTHING;
        PERFORM @extschema@.hospital_drop_cells($1, a_month, until);
        RETURN;
    END IF;
    INSERT INTO hospital_mart.live_days (kind, day) VALUES ($1, $2) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF $1 = 'beds' THEN
        -- The days follow each other without a gap, and live ones come last.
        latest := greatest((SELECT c.day FROM hospital_mart.beds_cells c ORDER BY c.month DESC, c.day DESC LIMIT 1),
                           (SELECT l.day FROM hospital_mart.live_days l WHERE l.kind = 'beds' AND l.day <> $2
                            ORDER BY l.kind DESC, l.day DESC LIMIT 1));
        INSERT INTO hospital_mart.live_days (kind, day)
        SELECT 'beds', d::date FROM generate_series(least($2, latest + 1)::timestamp, greatest($2, latest)::timestamp, interval '1 day') d
        ON CONFLICT DO NOTHING;
    END IF;
    PERFORM @extschema@.hospital_drop_cells($1, $2, $2);
END
$mark$;
COMMENT ON FUNCTION hospital_mark_live(text, date) IS
    'A part of the marts: from now on they read these facts of that day from the tables';

CREATE FUNCTION hospital_fold_day(kind text, day date) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET enable_seqscan = off
    SET enable_hashjoin = off
    SET enable_mergejoin = off
    SET enable_material = off
    SET jit = off
    SET plan_cache_mode = force_generic_plan
AS $fold$
#variable_conflict use_column
DECLARE
    a_month date := date_trunc('month', day::timestamp)::date;
    before  date;
    orphans boolean := false;
BEGIN
    CASE $1
        WHEN 'arrivals' THEN
            INSERT INTO hospital_mart.visits_cells SELECT v.* FROM hospital_mart.visits_live v WHERE v.day = $2;
            INSERT INTO hospital_mart.doctor_visits_cells SELECT v.* FROM hospital_mart.doctor_visits_live v WHERE v.day = $2;
        WHEN 'departures' THEN
            INSERT INTO hospital_mart.departures_cells SELECT v.* FROM hospital_mart.departures_live v WHERE v.day = $2;
            INSERT INTO hospital_mart.doctor_departures_cells SELECT v.* FROM hospital_mart.doctor_departures_live v WHERE v.day = $2;
        WHEN 'diagnoses' THEN
            INSERT INTO hospital_mart.diagnoses_cells SELECT v.* FROM hospital_mart.diagnoses_live v WHERE v.day = $2;
            orphans := EXISTS (SELECT FROM hospital_mart.diagnoses_cells c
                               WHERE c.month = a_month AND c.day = $2 AND c.department_code IS NULL);
            IF NOT orphans THEN
                INSERT INTO hospital_mart.emergency_waits_cells SELECT v.* FROM hospital_mart.emergency_waits_live v WHERE v.day = $2;
            END IF;
        WHEN 'prescriptions' THEN
            INSERT INTO hospital_mart.medication_cells SELECT v.* FROM hospital_mart.medication_live v WHERE v.day = $2;
            orphans := EXISTS (SELECT FROM hospital_mart.medication_cells c
                               WHERE c.month = a_month AND c.day = $2 AND c.department_code IS NULL);
            IF NOT orphans THEN
                INSERT INTO hospital_mart.doctor_prescriptions_cells SELECT v.* FROM hospital_mart.doctor_prescriptions_live v WHERE v.day = $2;
            END IF;
        WHEN 'bills' THEN
            INSERT INTO hospital_mart.revenue_cells SELECT v.* FROM hospital_mart.revenue_live v WHERE v.day = $2;
            orphans := EXISTS (SELECT FROM hospital_mart.revenue_cells c
                               WHERE c.month = a_month AND c.day = $2 AND c.department_code IS NULL);
            IF NOT orphans THEN
                INSERT INTO hospital_mart.doctor_revenue_cells SELECT v.* FROM hospital_mart.doctor_revenue_live v WHERE v.day = $2;
            END IF;
        WHEN 'admissions' THEN
            INSERT INTO hospital_mart.readmissions_cells SELECT v.* FROM hospital_mart.readmissions_live v WHERE v.day = $2;
        WHEN 'discharges' THEN
            INSERT INTO hospital_mart.stays_cells SELECT v.* FROM hospital_mart.stays_live v WHERE v.day = $2;
        WHEN 'registrations' THEN
            INSERT INTO hospital_mart.registrations_cells SELECT v.* FROM hospital_mart.registrations_live v WHERE v.day = $2;
        WHEN 'deaths' THEN
            INSERT INTO hospital_mart.deaths_cells SELECT v.* FROM hospital_mart.deaths_live v WHERE v.day = $2;
        WHEN 'beds' THEN
            -- in order alone
            IF EXISTS (SELECT FROM hospital_mart.live_days l WHERE l.kind = 'beds' AND l.day < $2) THEN
                RETURN false;
            END IF;
            before := (SELECT c.day FROM hospital_mart.beds_cells c ORDER BY c.month DESC, c.day DESC LIMIT 1);
            IF $2 <= (SELECT t.day FROM hospital_mart.last_beds_day t) THEN
                INSERT INTO hospital_mart.beds_cells (month, day, ward_code, change, upto, start)
                SELECT v.month, v.day, v.ward_code, v.change, v.upto,
                       coalesce((SELECT c.start + c.change FROM hospital_mart.beds_cells c
                                 WHERE c.month = date_trunc('month', before::timestamp)::date AND c.day = before
                                   AND c.ward_code = v.ward_code), 0)
                FROM hospital_mart.beds_live v WHERE v.day = $2;
            END IF;
    END CASE;
    -- A fact whose visit is not there yet has no department: it waits.
    IF orphans THEN
        PERFORM @extschema@.hospital_drop_cells($1, $2, $2);
        RETURN false;
    END IF;
    DELETE FROM hospital_mart.live_days l WHERE l.kind = $1 AND l.day = $2;
    RETURN true;
END
$fold$;
COMMENT ON FUNCTION hospital_fold_day(text, date) IS
    'A part of the marts: make the cells of a live day; false: it has to wait';

CREATE FUNCTION hospital_touch_marts(kinds text[], days date[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET enable_seqscan = off
    SET jit = off
    SET plan_cache_mode = force_generic_plan
AS $touch$
#variable_conflict use_column
DECLARE
    a_touched record;
    a_day     record;
BEGIN
    FOR a_touched IN SELECT t.* FROM unnest($1, $2) t (kind, day) LOOP
        PERFORM @extschema@.hospital_mark_live(a_touched.kind, a_touched.day);
        IF a_touched.kind = 'discharges' THEN
            -- who was admitted within 30 days may have been admitted again
            FOR a_day IN
                SELECT DISTINCT c.day FROM hospital_mart.readmissions_cells c
                WHERE c.month >= date_trunc('month', a_touched.day::timestamp)::date
                  AND c.month <= a_touched.day + 30 AND c.day <= a_touched.day + 30
                  AND (c.day >= a_touched.day
                       OR EXISTS (SELECT FROM hospital_mart.merged_months m WHERE m.kind = 'admissions' AND m.month = c.month))
                ORDER BY c.day
            LOOP
                PERFORM @extschema@.hospital_mark_live('admissions', a_day.day);
            END LOOP;
        END IF;
    END LOOP;
END
$touch$;
COMMENT ON FUNCTION hospital_touch_marts(text[], date[]) IS
    'A part of the marts: rows of these days have come or gone';

CREATE FUNCTION hospital_merge_month(kind text, month date) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $merge$
#variable_conflict use_column
DECLARE
    a_table text;
    dims    text;
    sums    text;
BEGIN
    FOR a_table, dims, sums IN
        SELECT c.relname, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FILTER (WHERE NOT a.attnotnull),
               string_agg(format('sum(%1$I)::%2$s AS %1$I', a.attname, format_type(a.atttypid, NULL)), ', ' ORDER BY a.attnum)
                   FILTER (WHERE a.attnotnull AND a.attnum > 2)
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relnamespace = 'hospital_mart'::regnamespace
          AND c.relname = ANY (CASE $1
              WHEN 'arrivals' THEN '{visits_cells,doctor_visits_cells}'
              WHEN 'departures' THEN '{departures_cells,doctor_departures_cells}'
              WHEN 'diagnoses' THEN '{diagnoses_cells,emergency_waits_cells}'
              WHEN 'prescriptions' THEN '{medication_cells,doctor_prescriptions_cells}'
              WHEN 'bills' THEN '{revenue_cells,doctor_revenue_cells}'
              WHEN 'admissions' THEN '{readmissions_cells}'
              WHEN 'discharges' THEN '{stays_cells}'
              WHEN 'registrations' THEN '{registrations_cells}'
              WHEN 'deaths' THEN '{deaths_cells}' END::text[])
        GROUP BY c.relname
    LOOP
        EXECUTE format('WITH gone AS (DELETE FROM hospital_mart.%1$I WHERE month = $1 RETURNING *)
                        INSERT INTO hospital_mart.%1$I SELECT $1, $1, %2$s, %3$s FROM gone GROUP BY %2$s', a_table, dims, sums)
        USING $2;
    END LOOP;
    INSERT INTO hospital_mart.merged_months (kind, month) VALUES ($1, $2);
END
$merge$;
COMMENT ON FUNCTION hospital_merge_month(text, date) IS
    'A part of the marts: add up the cells of a month that is over';

CREATE FUNCTION hospital_fold_some(at_most int) RETURNS int
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET jit = off
AS $fold$
#variable_conflict use_column
DECLARE
    a_day  record;
    folded int := 0;
BEGIN
    IF to_regclass('hospital_mart.live_days') IS NULL OR NOT current_setting('hospital.marts')::boolean THEN
        RETURN 0;
    END IF;
    FOR a_day IN
        SELECT l.kind, l.day FROM hospital_mart.live_days l
        WHERE l.day < (SELECT max(o.day) - 1 FROM hospital_mart.live_days o)
           OR EXISTS (SELECT FROM hospital.batches b
                      WHERE b.kind = CASE WHEN l.kind IN ('arrivals', 'departures') THEN 'visits'
                                          WHEN l.kind = 'discharges' THEN 'admissions'
                                          WHEN l.kind = 'deaths' THEN 'registrations'
                                          WHEN l.kind = 'beds' THEN 'status_updates'
                                          WHEN l.kind = 'bills' THEN 'billing_payments' ELSE l.kind END
                        AND b.day = l.day AND b.state = 'ingested')
        ORDER BY l.kind, l.day
    LOOP
        folded := folded + @extschema@.hospital_fold_day(a_day.kind, a_day.day)::int;
        EXIT WHEN folded >= at_most;
    END LOOP;
    IF folded > 0 THEN
        RETURN folded;
    END IF;
    -- months that are over, and have no day that is live
    FOR a_day IN
        SELECT x.kind, x.month
        FROM (SELECT 'arrivals' AS kind, c.month FROM hospital_mart.visits_cells c
              UNION SELECT 'departures', c.month FROM hospital_mart.departures_cells c
              UNION SELECT 'diagnoses', c.month FROM hospital_mart.diagnoses_cells c
              UNION SELECT 'prescriptions', c.month FROM hospital_mart.medication_cells c
              UNION SELECT 'bills', c.month FROM hospital_mart.revenue_cells c
              UNION SELECT 'admissions', c.month FROM hospital_mart.readmissions_cells c
              UNION SELECT 'discharges', c.month FROM hospital_mart.stays_cells c
              UNION SELECT 'registrations', c.month FROM hospital_mart.registrations_cells c
              UNION SELECT 'deaths', c.month FROM hospital_mart.deaths_cells c) x
        WHERE x.month + interval '1 month' <= (SELECT t.day FROM hospital_mart.last_day t)
          AND NOT EXISTS (SELECT FROM hospital_mart.live_days l WHERE l.kind = x.kind AND l.month = x.month)
          AND NOT EXISTS (SELECT FROM hospital_mart.merged_months m WHERE m.kind = x.kind AND m.month = x.month)
        ORDER BY x.month, x.kind LIMIT at_most
    LOOP
        PERFORM @extschema@.hospital_merge_month(a_day.kind, a_day.month);
        folded := folded + 1;
    END LOOP;
    RETURN folded;
END
$fold$;
COMMENT ON FUNCTION hospital_fold_some(int) IS
    'A part of the marts: fold some of the live days that are over, or merge some months; how many. The caller has the lock';

CREATE PROCEDURE hospital_fold_marts()
    LANGUAGE plpgsql
AS $fold$
BEGIN
    LOOP
        PERFORM @extschema@.hospital_lock_marts();
        EXIT WHEN @extschema@.hospital_fold_some(8) OPERATOR(pg_catalog.=) 0;
        COMMIT;
    END LOOP;
END
$fold$;
COMMENT ON PROCEDURE hospital_fold_marts() IS
    'Make the cells of live days that are over, and add up those of months that are over: marts are faster then, and as right as before. Commits on its way';

CREATE FUNCTION hospital_refresh_marts(from_day date DEFAULT NULL, to_day date DEFAULT NULL) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET jit = off
AS $refresh$
#variable_conflict use_column
DECLARE
    a_from date;
    a_to   date;
    a_day  record;
    folded bigint := 0;
BEGIN
    IF to_regclass('hospital_mart.live_days') IS NULL THEN
        RAISE EXCEPTION 'there are no marts in this database'
            USING ERRCODE = 'undefined_table', HINT = 'CALL hospital_create_marts() makes them.';
    END IF;
    PERFORM @extschema@.hospital_lock_marts();
    SELECT coalesce(from_day, min(b.day)), coalesce(to_day, max(b.day) + 1) INTO a_from, a_to
    FROM hospital.batches b WHERE b.state = 'ingested';
    FOR a_day IN
        SELECT k.kind, d::date AS day FROM unnest('{arrivals,departures,diagnoses,prescriptions,bills,admissions,discharges,registrations,deaths,beds}'::text[]) k (kind),
               generate_series(a_from::timestamp, a_to::timestamp, interval '1 day') d ORDER BY k.kind, d
    LOOP
        PERFORM @extschema@.hospital_touch_marts(ARRAY[a_day.kind], ARRAY[a_day.day]);
    END LOOP;
    IF current_setting('hospital.marts')::boolean THEN
        FOR a_day IN
            SELECT l.kind, l.day FROM hospital_mart.live_days l
            WHERE l.day >= a_from AND (l.day <= a_to OR l.kind = 'beds') ORDER BY l.kind, l.day
        LOOP
            folded := folded + @extschema@.hospital_fold_day(a_day.kind, a_day.day)::int;
        END LOOP;
    END IF;
    RETURN folded;
END
$refresh$;
COMMENT ON FUNCTION hospital_refresh_marts(date, date) IS
    'Make the marts anew for these days, all by default, after tables of hospital were changed by hand; how many days of how many kinds were folded';

CREATE FUNCTION hospital_lock_marts() RETURNS void
    LANGUAGE C
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_lock_marts() IS
    'A part of the marts: nobody else writes to them until the transaction ends';

CREATE FUNCTION hospital_validate_marts(from_day date, to_day date,
        OUT expected bigint, OUT same bigint, OUT missing bigint, OUT altered bigint)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    SET enable_seqscan = off
    SET jit = off
AS $validate$
#variable_conflict use_column
DECLARE
    a_cells  record;
    a_count  record;
    a_day    CONSTANT text := $period$CASE WHEN EXISTS (SELECT FROM hospital_mart.merged_months m WHERE m.kind = %1$L AND m.month = c.month)
                                     THEN c.month ELSE c.day END$period$;
BEGIN
    expected := 0; same := 0; missing := 0; altered := 0;
    IF to_regclass('hospital_mart.live_days') IS NULL
       -- who looks at the data alone looks at nothing here
       OR EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = 'hospital_mart'::regnamespace
                  AND c.relname ~ '(_cells|_live|^live_days|^merged_months)$' AND NOT has_table_privilege(c.oid, 'SELECT')) THEN
        RETURN;
    END IF;
    -- all rows were written by hand
    IF NOT EXISTS (SELECT FROM hospital_mart.live_days) AND NOT EXISTS (SELECT FROM hospital_mart.visits_cells)
       AND NOT EXISTS (SELECT FROM hospital_mart.beds_cells) THEN
        RETURN;
    END IF;
    FOR a_cells IN
        SELECT c.relname, k.kind, left(c.relname, -6) AS name,
               string_agg(format('c.%I', a.attname), ', ' ORDER BY a.attnum) FILTER (WHERE NOT a.attnotnull OR a.attname = 'upto') AS dims,
               string_agg(format('sum(c.%I)', a.attname), ', ' ORDER BY a.attnum)
                   FILTER (WHERE a.attnotnull AND a.attnum > 2 AND a.attname NOT IN ('upto', 'start')) AS sums
        FROM (VALUES ('arrivals', '{visits_cells,doctor_visits_cells}'::text[]), ('departures', '{departures_cells,doctor_departures_cells}'),
                     ('diagnoses', '{diagnoses_cells,emergency_waits_cells}'), ('prescriptions', '{medication_cells,doctor_prescriptions_cells}'),
                     ('bills', '{revenue_cells,doctor_revenue_cells}'), ('admissions', '{readmissions_cells}'),
                     ('discharges', '{stays_cells}'), ('registrations', '{registrations_cells}'), ('deaths', '{deaths_cells}'),
                     ('beds', '{beds_cells}')) k (kind, names)
        JOIN pg_class c ON c.relnamespace = 'hospital_mart'::regnamespace AND c.relname = ANY (k.names)
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        GROUP BY c.relname, k.kind
    LOOP
        -- The same query put to other days: those of the period that are not live.
        EXECUTE format($sql$
            WITH days AS MATERIALIZED (
                SELECT %1$L::text AS kind, d.day::date AS day, date_trunc('month', d.day)::date AS month,
                       d.day AT TIME ZONE 'Africa/Johannesburg' AS from_at,
                       (d.day + interval '1 day') AT TIME ZONE 'Africa/Johannesburg' AS until_at
                FROM generate_series(date_trunc('month', $1::timestamp), date_trunc('month', $2::timestamp) + interval '1 month - 1 day',
                                     interval '1 day') d (day)
                WHERE (d.day BETWEEN $1 AND $2 OR EXISTS (SELECT FROM hospital_mart.merged_months m
                                                          WHERE m.kind = %1$L AND m.month = date_trunc('month', d.day)::date))
                  AND NOT EXISTS (SELECT FROM hospital_mart.live_days l WHERE l.kind = %1$L AND l.day = d.day::date)
                  AND (%1$L <> 'beds' OR d.day BETWEEN (SELECT min(c.day) FROM hospital_mart.beds_cells c)
                                                   AND (SELECT max(c.day) FROM hospital_mart.beds_cells c))
            ), facts AS MATERIALIZED (
                SELECT %2$s, %3$s, %4$s FROM (%5$s) c GROUP BY 1, %3$s
            ), cells AS MATERIALIZED (
                SELECT %2$s, %3$s, %4$s FROM hospital_mart.%6$I c
                WHERE c.month >= date_trunc('month', $1::timestamp)::date AND c.month <= $2
                  AND (c.day BETWEEN $1 AND $2 OR EXISTS (SELECT FROM hospital_mart.merged_months m
                                                          WHERE m.kind = %1$L AND m.month = c.month))
                GROUP BY 1, %3$s
            )
            SELECT (SELECT count(*) FROM facts) AS facts, (SELECT count(*) FROM cells) AS cells,
                   (SELECT count(*) FROM (TABLE facts EXCEPT ALL TABLE cells) x) AS missing,
                   (SELECT count(*) FROM (TABLE cells EXCEPT ALL TABLE facts) x) AS altered$sql$,
            a_cells.kind, format(a_day, a_cells.kind), a_cells.dims, a_cells.sums,
            replace(rtrim(pg_get_viewdef(format('hospital_mart.%I', a_cells.name || '_live')::regclass), ';'),
                    'hospital_mart.live_days l', 'days l'), a_cells.relname)
        INTO a_count USING from_day, to_day;
        expected := expected + a_count.facts;
        same := same + a_count.cells - a_count.altered;
        missing := missing + a_count.missing;
        altered := altered + a_count.altered;
    END LOOP;
    -- and each day of the wards begins as the one before ended
    altered := altered + (SELECT count(*) FROM (
        SELECT c.start, lag(c.start + c.change, 1, 0::bigint) OVER (PARTITION BY c.ward_code ORDER BY c.day) AS before
        FROM hospital_mart.beds_cells c) x WHERE x.start <> x.before);
END
$validate$;
COMMENT ON FUNCTION hospital_validate_marts(date, date) IS
    'The part of hospital_validate that makes the cells of the marts again from the tables: expected are cells, same those that are as they should be; for a role that may not read them, none are';

-- ==== end of marts ========================================================

-- ==== dashboards ==========================================================
--
-- What the pages in dashboards/page draw, as one JSON value: psql, the server of
-- the page and the tests ask the same.  The dashboard reads the marts alone, by
-- the caller's own rights; the report calls what compares and measures.

CREATE FUNCTION hospital_dashboard_state() RETURNS jsonb
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
AS $state$
BEGIN
    -- who may only read the marts sees no clock
    IF NOT coalesce(has_table_privilege(to_regclass('hospital.run_window'), 'SELECT'), false) THEN
        RETURN NULL;
    END IF;
    RETURN (SELECT jsonb_build_object('state', w.state, 'hospital_time', w.hospital_time,
                                      'day_takes_seconds', extract(epoch FROM w.day_takes))
            FROM hospital.run_window w);
END
$state$;
COMMENT ON FUNCTION hospital_dashboard_state() IS
    'The part of hospital_dashboard_data about the clock: null for callers who may not read hospital.run_window';

CREATE FUNCTION hospital_dashboard_data(from_day date DEFAULT NULL, to_day date DEFAULT NULL, department text DEFAULT NULL)
    RETURNS jsonb
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    SET timezone = 'Africa/Johannesburg'
    SET jit = off
    SET work_mem = '64MB'
AS $data$
#variable_conflict use_column
DECLARE
    shown      CONSTANT int := 12;   -- what comes behind these is one row, other
    a_from     date;                 -- first month
    a_to       date;                 -- last day
    first_day  date;
    last_day   date;
    until_hour timestamptz;          -- the last hour of the period
    charts     jsonb := '{}';
BEGIN
    IF to_regclass('hospital_mart.monthly_visit_stats') IS NULL THEN
        RAISE EXCEPTION 'this database has no marts'
            USING ERRCODE = 'undefined_table', HINT = 'CALL hospital_create() makes them with a hospital.';
    END IF;
    IF from_day > to_day THEN
        RAISE EXCEPTION 'the period ends before it begins'
            USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is from %s to %s.', from_day, to_day);
    END IF;
    IF department IS NOT NULL AND NOT EXISTS (SELECT FROM hospital.department_plan p WHERE p.department_code = department) THEN
        RAISE EXCEPTION 'there is no department "%"', department
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Their codes are in hospital.department_plan.';
    END IF;
    SELECT min(m.month) INTO first_day FROM hospital_mart.monthly_visit_stats m;
    SELECT l.day INTO last_day FROM hospital_mart.last_day l WHERE first_day IS NOT NULL;
    a_from := date_trunc('month', coalesce(from_day, first_day))::date;
    a_to := coalesce(to_day, last_day);
    until_hour := (least(a_to, last_day) + 1)::timestamp AT TIME ZONE 'Africa/Johannesburg' - interval '1 hour';

    -- Each row of a ranking says how many it stands for; the last may stand for many.
    charts := charts || jsonb_build_object('diagnosis_distribution', (
        WITH sums AS (
            SELECT d.code, max(d.description) AS label, sum(d.diagnoses)::bigint AS n
            FROM hospital_mart.diagnosis_distribution d
            WHERE d.month BETWEEN a_from AND a_to AND d.rank = 'primary'
              AND (department IS NULL OR d.department_code = department)
            GROUP BY d.code
        ), places AS (
            SELECT s.*, least(row_number() OVER (ORDER BY s.n DESC, s.code), shown + 1) AS place FROM sums s
        )
        SELECT jsonb_agg(to_jsonb(r) - 'place' ORDER BY r.place)
        FROM (SELECT p.place, CASE WHEN p.place <= shown THEN min(p.code) END AS code,
                     CASE WHEN p.place <= shown THEN min(p.label) ELSE 'other' END AS label,
                     sum(p.n)::bigint AS diagnoses, count(*) AS members
              FROM places p GROUP BY p.place) r));

    charts := charts || jsonb_build_object('revenue_by_month', (
        SELECT jsonb_agg(r ORDER BY r.month)
        FROM (SELECT m.month, sum(m.bills)::bigint AS bills, sum(m.total_amount) AS total_amount,
                     sum(m.consultation) AS consultation, sum(m.accommodation) AS accommodation,
                     sum(m.procedures) AS procedures, sum(m.imaging) AS imaging, sum(m.laboratory) AS laboratory,
                     sum(m.medicines) AS medicines, sum(m.other) AS other
              FROM hospital_mart.revenue_by_month m
              WHERE m.month BETWEEN a_from AND a_to AND (department IS NULL OR m.department_code = department)
              GROUP BY m.month) r));

    -- bills of visits without a doctor are a row of their own
    charts := charts || jsonb_build_object('revenue_by_doctor', (
        WITH sums AS (
            SELECT d.doctor_id, coalesce(max(d.full_name), 'no doctor') AS label, max(d.specialty) AS specialty,
                   sum(d.bills)::bigint AS bills, sum(d.total_amount) AS amount
            FROM hospital_mart.revenue_by_doctor d
            WHERE d.month BETWEEN a_from AND a_to AND (department IS NULL OR d.department_code = department)
            GROUP BY d.doctor_id
        ), places AS (
            SELECT s.*, CASE WHEN s.doctor_id IS NULL THEN shown + 2
                             ELSE least(row_number() OVER (PARTITION BY s.doctor_id IS NULL ORDER BY s.amount DESC, s.doctor_id),
                                        shown + 1) END AS place
            FROM sums s
        )
        SELECT jsonb_agg(to_jsonb(r) - 'place' ORDER BY r.place)
        FROM (SELECT p.place, CASE WHEN p.place <= shown THEN min(p.doctor_id) END AS doctor_id,
                     CASE WHEN p.place = shown + 1 THEN 'other' ELSE min(p.label) END AS label,
                     CASE WHEN p.place <= shown THEN min(p.specialty) END AS specialty,
                     sum(p.bills)::bigint AS bills, sum(p.amount) AS total_amount, count(p.doctor_id) AS members
              FROM places p GROUP BY p.place) r));

    charts := charts || jsonb_build_object('doctor_performance', (
        WITH sums AS (
            SELECT d.doctor_id, max(d.full_name) AS label, max(d.role) AS role, sum(d.visits)::bigint AS visits,
                   sum(d.completed_visits)::bigint AS completed_visits, sum(d.minutes)::bigint AS minutes,
                   sum(d.prescriptions)::bigint AS prescriptions, sum(d.bills)::bigint AS bills,
                   sum(d.total_amount) AS total_amount
            FROM hospital_mart.doctor_performance d
            WHERE d.month BETWEEN a_from AND a_to AND (department IS NULL OR d.department_code = department)
              AND d.doctor_id IS NOT NULL
            GROUP BY d.doctor_id
        ), places AS (
            SELECT s.*, least(row_number() OVER (ORDER BY s.visits DESC, s.doctor_id), shown + 1) AS place FROM sums s
        )
        SELECT jsonb_agg(to_jsonb(r) - 'place' ORDER BY r.place)
        FROM (SELECT p.place, CASE WHEN p.place <= shown THEN min(p.doctor_id) END AS doctor_id,
                     CASE WHEN p.place <= shown THEN min(p.label) ELSE 'other' END AS label,
                     CASE WHEN p.place <= shown THEN min(p.role) END AS role, sum(p.visits)::bigint AS visits,
                     sum(p.completed_visits)::bigint AS completed_visits, sum(p.minutes)::bigint AS minutes,
                     sum(p.prescriptions)::bigint AS prescriptions, sum(p.bills)::bigint AS bills,
                     sum(p.total_amount) AS total_amount, count(*) AS members
              FROM places p GROUP BY p.place) r));

    charts := charts || jsonb_build_object('doctors_by_specialization', (
        WITH sums AS (
            SELECT coalesce(p.name, CASE d.specialty WHEN 'ANA' THEN 'Anaesthesiology' WHEN 'RADI' THEN 'Radiology'
                                                     WHEN 'NUC' THEN 'Nuclear Medicine' WHEN 'ROTATION' THEN 'Rotation'
                                                     ELSE coalesce(d.specialty, 'none') END) AS label,
                   sum(d.doctors)::bigint AS doctors, sum(d.posts_vacated)::bigint AS vacated
            FROM hospital_mart.doctors_by_specialization d
            LEFT JOIN hospital.department_plan p ON p.department_code = d.specialty
            WHERE department IS NULL OR d.department_code = department
            GROUP BY 1
        ), places AS (
            SELECT s.*, least(row_number() OVER (ORDER BY s.doctors DESC, s.label), shown + 1) AS place FROM sums s
        )
        SELECT jsonb_agg(to_jsonb(r) - 'place' ORDER BY r.place)
        FROM (SELECT p.place, CASE WHEN p.place <= shown THEN min(p.label) ELSE 'other' END AS label,
                     sum(p.doctors)::bigint AS doctors, sum(p.vacated)::bigint AS posts_vacated, count(*) AS members
              FROM places p GROUP BY p.place) r));

    charts := charts || jsonb_build_object('patient_age_distribution', (
        SELECT jsonb_agg(r ORDER BY substring(r.age_band FROM '^[0-9]+')::int)
        FROM (SELECT a.age_band, coalesce(sum(a.patients) FILTER (WHERE a.gender = 'Female'), 0)::bigint AS female,
                     coalesce(sum(a.patients) FILTER (WHERE a.gender = 'Male'), 0)::bigint AS male
              FROM hospital_mart.patient_age_distribution a GROUP BY a.age_band) r));

    charts := charts || jsonb_build_object('monthly_visit_stats', (
        SELECT jsonb_agg(r ORDER BY r.month, r.kind)
        FROM (SELECT m.month, m.kind, sum(m.visits)::bigint AS visits, sum(m.completed_visits)::bigint AS completed_visits,
                     sum(m.minutes)::bigint AS minutes, sum(m.total_cost) AS total_cost
              FROM hospital_mart.monthly_visit_stats m
              WHERE m.month BETWEEN a_from AND a_to AND (department IS NULL OR m.department_code = department)
              GROUP BY m.month, m.kind) r));

    -- a month is enough to see how visits end, and is found by its ids
    charts := charts || jsonb_build_object('patient_journey', (
        SELECT jsonb_agg(r ORDER BY r.kind, r.disposition)
        FROM (SELECT j.kind, coalesce(j.disposition, 'not over') AS disposition, count(*) AS visits
              FROM hospital_mart.patient_journey j
              WHERE j.visit_id BETWEEN (greatest(a_to - 30, coalesce(from_day, a_from)) - '2000-01-01'::date) * 1000000::bigint
                                   AND (a_to - '2000-01-01'::date) * 1000000::bigint + 999999
                AND (department IS NULL OR j.department_code = department)
              GROUP BY 1, 2) r));

    -- of a month, found by its days: patient_spending reads every bill there is
    charts := charts || jsonb_build_object('patient_spending', (
        SELECT jsonb_agg(to_jsonb(r) - 'place' ORDER BY r.place)
        FROM (SELECT b.place, b.label AS band, count(*) AS patients, sum(s.total_amount) AS total_amount,
                     sum(s.paid) AS paid, sum(s.pending) AS pending, sum(s.unpaid) AS unpaid
              FROM (SELECT p.patient_id, sum(p.total_amount) AS total_amount, sum(p.paid) AS paid,
                           sum(p.pending) AS pending, sum(p.unpaid) AS unpaid
                    FROM hospital_mart.patient_bills p
                    WHERE p.billing_date BETWEEN greatest(least(a_to, last_day) - 30, coalesce(from_day, a_from)) AND least(a_to, last_day)
                    GROUP BY p.patient_id) s
              JOIN (VALUES (1, 'nothing', -1e12, 0.005), (2, 'below R100', 0.005, 100), (3, 'R100 to R500', 100, 500),
                           (4, 'R500 to R1,000', 500, 1000), (5, 'R1,000 to R5,000', 1000, 5000),
                           (6, 'R5,000 to R20,000', 5000, 20000), (7, 'R20,000 to R100,000', 20000, 100000),
                           (8, 'R100,000 and more', 100000, 1e15)) b (place, label, at_least, below)
                ON s.total_amount >= b.at_least AND s.total_amount < b.below
              GROUP BY b.place, b.label) r));

    charts := charts || jsonb_build_object('medication_usage', (
        WITH sums AS (
            SELECT m.medicine_id, max(m.medicine) AS label, sum(m.prescriptions)::bigint AS n, sum(m.quantity)::bigint AS packs
            FROM hospital_mart.medication_usage m
            WHERE m.month BETWEEN a_from AND a_to AND (department IS NULL OR m.department_code = department)
            GROUP BY m.medicine_id
        ), places AS (
            SELECT s.*, least(row_number() OVER (ORDER BY s.n DESC, s.medicine_id), shown + 1) AS place FROM sums s
        )
        SELECT jsonb_agg(to_jsonb(r) - 'place' ORDER BY r.place)
        FROM (SELECT p.place, CASE WHEN p.place <= shown THEN min(p.medicine_id) END AS medicine_id,
                     CASE WHEN p.place <= shown THEN min(p.label) ELSE 'other' END AS label,
                     sum(p.n)::bigint AS prescriptions, sum(p.packs)::bigint AS quantity, count(*) AS members
              FROM places p GROUP BY p.place) r));

    charts := charts || jsonb_build_object('payment_status', (
        SELECT jsonb_agg(r ORDER BY r.patient_class, r.payment_status)
        FROM (SELECT s.patient_class, s.payment_status, sum(s.bills)::bigint AS bills, sum(s.total_amount) AS total_amount
              FROM hospital_mart.payment_status s
              WHERE s.month BETWEEN a_from AND a_to GROUP BY s.patient_class, s.payment_status) r));

    -- an empty ward has no row in an hour, but its beds are there
    charts := charts || (
        WITH hours AS MATERIALIZED (
            SELECT o.* FROM hospital_mart.ward_occupancy_by_hour o
            WHERE o.at > greatest(until_hour - interval '14 days',
                                  coalesce(from_day, a_from)::timestamp AT TIME ZONE 'Africa/Johannesburg' - interval '1 hour')
              AND o.at <= until_hour AND (department IS NULL OR o.department_code = department)
        ), beds AS (
            SELECT sum(w.beds)::bigint AS beds FROM (SELECT max(h.beds) AS beds FROM hours h GROUP BY h.ward_code) w
        )
        SELECT jsonb_build_object(
            'ward_occupancy_by_hour',
            (SELECT jsonb_agg(r ORDER BY r.at)
             FROM (SELECT h.at, sum(h.occupied)::bigint AS occupied, max(b.beds) AS beds
                   FROM hours h CROSS JOIN beds b GROUP BY h.at) r),
            'ward_occupancy_now',
            (SELECT jsonb_agg(r ORDER BY r.occupied::numeric / r.beds DESC, r.ward_code)
             FROM (SELECT h.ward_code, coalesce(p.name, h.ward_code) AS label, h.occupied, h.beds
                   FROM hours h LEFT JOIN hospital.ward_plan p ON p.ward_code = h.ward_code
                   WHERE h.at = until_hour) r)));

    charts := charts || jsonb_build_object('length_of_stay', (
        SELECT jsonb_agg(r ORDER BY r.admission_type)
        FROM (SELECT l.admission_type, sum(l.stays)::bigint AS stays, sum(l.hours) AS hours,
                     sum(l.under_1_day)::bigint AS under_1_day, sum(l.days_1_2)::bigint AS days_1_2,
                     sum(l.days_3_6)::bigint AS days_3_6, sum(l.days_7_13)::bigint AS days_7_13,
                     sum(l.days_14_29)::bigint AS days_14_29, sum(l.days_30_more)::bigint AS days_30_more
              FROM hospital_mart.length_of_stay l
              WHERE l.month BETWEEN a_from AND a_to AND (department IS NULL OR l.department_code = department)
              GROUP BY l.admission_type) r));

    charts := charts || jsonb_build_object('ed_waiting', (
        SELECT jsonb_agg(r ORDER BY array_position('{RED,ORANGE,YELLOW,GREEN,BLUE}', r.triage))
        FROM (SELECT w.triage, sum(w.patients)::bigint AS patients, sum(w.minutes)::bigint AS minutes,
                     sum(w.within_target)::bigint AS within_target, max(w.target_minutes) AS target_minutes
              FROM hospital_mart.ed_waiting w
              WHERE w.month BETWEEN a_from AND a_to AND (department IS NULL OR w.department_code = department)
              GROUP BY w.triage) r));

    charts := charts || jsonb_build_object('bed_days', (
        WITH chosen AS (
            SELECT b.* FROM hospital_mart.bed_days b
            WHERE b.month BETWEEN a_from AND a_to AND (department IS NULL OR b.department_code = department)
        ), places AS (
            SELECT c.department_code, least(row_number() OVER (ORDER BY sum(c.bed_days) DESC, c.department_code), 7) AS place
            FROM chosen c GROUP BY c.department_code
        )
        SELECT jsonb_agg(to_jsonb(r) - 'place' ORDER BY r.month, r.place)
        FROM (SELECT c.month, p.place, CASE WHEN p.place < 7 THEN min(d.name) ELSE 'other' END AS label,
                     sum(c.bed_days) AS bed_days
              FROM chosen c JOIN places p ON p.department_code = c.department_code
              LEFT JOIN hospital.department_plan d ON d.department_code = c.department_code
              GROUP BY c.month, p.place) r));

    charts := charts || jsonb_build_object('readmissions', (
        SELECT jsonb_agg(r ORDER BY r.month)
        FROM (SELECT a.month, sum(a.admissions)::bigint AS admissions, sum(a.readmitted_30_days)::bigint AS readmitted_30_days
              FROM hospital_mart.readmissions a
              WHERE a.month BETWEEN a_from AND a_to AND (department IS NULL OR a.department_code = department)
              GROUP BY a.month) r));

    charts := charts || jsonb_build_object('staffing_against_need', (
        SELECT jsonb_agg(r ORDER BY r.day, r.shift)
        FROM (SELECT s.day, s.shift, sum(s.nurses)::bigint AS nurses, sum(s.nurses_needed)::bigint AS nurses_needed
              FROM hospital_mart.staffing_against_need s
              WHERE s.day BETWEEN greatest(least(a_to, last_day) - 30, coalesce(from_day, a_from)) AND least(a_to, last_day)
                AND (department IS NULL OR s.department_code = department)
              GROUP BY s.day, s.shift) r));

    RETURN jsonb_build_object(
        'made_at', now(), 'first_day', first_day, 'last_day', last_day,
        'filter', jsonb_build_object('from_day', from_day, 'to_day', to_day, 'department', department,
                                     'first_month', a_from, 'last_month', date_trunc('month', a_to)::date),
        'live', @extschema@.hospital_dashboard_state(),
        'departments', (SELECT jsonb_agg(jsonb_build_object('code', p.department_code, 'name', p.name) ORDER BY p.name)
                        FROM hospital.department_plan p),
        -- charts without a row are empty, not null
        'charts', (SELECT jsonb_object_agg(c.key, CASE jsonb_typeof(c.value) WHEN 'null' THEN '[]' ELSE c.value END)
                   FROM jsonb_each(charts) c));
END
$data$;
COMMENT ON FUNCTION hospital_dashboard_data(date, date, text) IS
    'All charts of the dashboard, from the marts that the caller may read: rows by chart, rankings with the rest as "other". Monthly marts give the whole months that the days fall in, hours and shifts the last two weeks and the last month of the period; without arguments all days and departments';

CREATE FUNCTION hospital_report_data(from_day date DEFAULT NULL, to_day date DEFAULT NULL) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    SET timezone = 'Africa/Johannesburg'
    SET jit = off
AS $report$
#variable_conflict use_column
DECLARE
    a_from     date;
    a_to       date;
    a_until    date;
    validation jsonb;
    stream     jsonb := '[]';
BEGIN
    IF to_regclass('hospital.simulation') IS NULL THEN
        RAISE EXCEPTION 'this database has no hospital'
            USING ERRCODE = 'undefined_table', HINT = 'CALL hospital_create() makes one.';
    END IF;
    IF from_day > to_day THEN
        RAISE EXCEPTION 'the period ends before it begins'
            USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is from %s to %s.', from_day, to_day);
    END IF;
    -- the latest day of a hospital that runs is still coming in
    SELECT coalesce(to_day, max(b.day) - (SELECT (r.desired = 'running')::int FROM hospital.run_state r)) INTO a_until
    FROM hospital.batches b WHERE b.state = 'ingested';
    SELECT min(b.day), max(b.day) INTO a_from, a_to FROM hospital.batches b
    WHERE b.state = 'ingested' AND b.day >= coalesce(from_day, '-infinity') AND b.day <= a_until;

    -- first, for it may close days, which the rows of days below then say
    SELECT jsonb_agg(v) INTO validation FROM @extschema@.hospital_validate(from_day, a_until) v;
    IF has_function_privilege('@extschema@.hospital_audit_stream()', 'EXECUTE') THEN
        SELECT coalesce(jsonb_agg(s ORDER BY s.check_name), '[]') INTO stream
        FROM (SELECT a.check_name, sum(a.expected)::bigint AS expected, sum(a.found)::bigint AS found, bool_and(a.ok) AS ok
              FROM @extschema@.hospital_audit_stream() a GROUP BY a.check_name) s;
    END IF;

    RETURN jsonb_build_object(
        'made_at', now(), 'from_day', a_from, 'to_day', a_to,
        'hospital', (SELECT jsonb_build_object('name', s.name, 'people', s.people, 'beds', s.beds, 'seed', s.seed,
                                               'start_date', s.start_date, 'end_date', s.end_date,
                                               'generator_version', s.generator_version)
                     FROM hospital.simulation s),
        'validation', coalesce(validation, '[]'),
        'stream', stream,
        'days', coalesce((
            SELECT jsonb_agg(x ORDER BY x.day)
            FROM (SELECT d.day, d.rows AS written, coalesce(f.rows, 0) AS rows, coalesce(f.rejects, 0) AS rejects,
                         coalesce(t.events, 0) AS events, coalesce(t.arrived, 0) AS arrived, coalesce(t.gone, 0) AS gone,
                         coalesce(t.rejects, 0) AS stream_rejects, d.closed_at IS NOT NULL AS closed
                  FROM hospital.days d
                  LEFT JOIN (SELECT b.day, sum(b.rows)::bigint AS rows, sum(b.rejects)::bigint AS rejects
                             FROM hospital.batches b WHERE b.state = 'ingested' GROUP BY b.day) f ON f.day = d.day
                  LEFT JOIN (SELECT t.day, sum(t.events)::bigint AS events, sum(t.arrived)::bigint AS arrived,
                                    sum(t.gone)::bigint AS gone, sum(t.rejects)::bigint AS rejects
                             FROM @extschema@.hospital_validate_ticks(a_from, a_to) t GROUP BY t.day) t ON t.day = d.day
                  WHERE d.day BETWEEN a_from AND a_to) x), '[]'),
        'targets', coalesce((
            SELECT jsonb_agg(to_jsonb(t) - 'place' || jsonb_build_object(
                       'off', CASE WHEN t.target LIKE '%-%-%' THEN t.measured ELSE t.measured - t.target::numeric END,
                       'allowed', split_part(t.tolerance, ' ', 1)::numeric) ORDER BY t.place)
            FROM @extschema@.hospital_targets_report()
                 WITH ORDINALITY t (metric, scope, target, tolerance, measured, ok, note, place)), '[]'));
END
$report$;
COMMENT ON FUNCTION hospital_report_data(date, date) IS
    'What the validation report shows: the rows of hospital_validate for these days, of hospital_audit_stream where the caller may call it, files and events by day, and hospital_targets_report with how far off each measure is. Without to_day all days; but the latest of a hospital that runs, which is still coming in, is left out';

-- ==== end of dashboards ===================================================

-- ==== privacy =============================================================
--
-- Who may see what (docs/privacy.md).  Roles belong to the whole server and
-- privileges to a database, so CREATE EXTENSION makes neither:
-- hospital_create_roles does, for the hospital of this database, and what it
-- makes (hospital.clinicians, the views of hospital_research, policies) belongs
-- to the owner of the hospital's tables, like these.  hospital.privacy does not:
-- a superuser writes it, and must not run a trigger of somebody else's.
--
-- Views and policies call functions of pg_catalog alone: EXECUTE is asked of
-- whoever reads a view, and a function that makes pseudonyms of any number, in
-- the hands of who may read the views, would undo them.

CREATE FUNCTION hospital_privacy_role(role_name text, purpose text) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $role$
#variable_conflict use_column
DECLARE
    a_role pg_roles;
    a_why  text;
BEGIN
    SELECT * INTO a_role FROM pg_roles r WHERE r.rolname = $1;
    IF NOT FOUND THEN
        EXECUTE format('CREATE ROLE %I NOLOGIN', $1);
        EXECUTE format('COMMENT ON ROLE %I IS %L', $1, 'hospital: ' || $2);
        RETURN;
    END IF;
    a_why := CASE WHEN a_role.rolsuper THEN 'It is a superuser.'
                  WHEN a_role.rolcanlogin THEN 'It may log in; this is to be a group.'
                  WHEN a_role.rolbypassrls THEN 'It bypasses row security.'
                  WHEN a_role.rolcreaterole OR a_role.rolcreatedb OR a_role.rolreplication
                      THEN 'It may make roles or databases, or replicate.'
                  WHEN shobj_description(a_role.oid, 'pg_authid') IS NULL
                       OR NOT starts_with(shobj_description(a_role.oid, 'pg_authid'), 'hospital: ')
                      THEN 'It was not made by hospital_create_roles, whose roles have a comment that says so.' END;
    IF a_why IS NULL THEN
        SELECT format('It is a member of %s, and would have that role''s rights.', string_agg(quote_ident(r.rolname), ', ' ORDER BY r.rolname))
        INTO a_why FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid WHERE m.member = a_role.oid
        HAVING count(*) > 0;
    END IF;
    IF a_why IS NOT NULL THEN
        RAISE EXCEPTION 'role "%" exists and is something else', $1
            USING ERRCODE = 'duplicate_object', DETAIL = a_why,
                  HINT = 'Choose another prefix: CALL hospital_create_roles(prefix => ''…''). Or change or rename that role.';
    END IF;
END
$role$;
COMMENT ON FUNCTION hospital_privacy_role(text, text) IS
    'Part of hospital_create_roles: make a group role, or see that the one of that name is such a group and no more';

CREATE FUNCTION hospital_privacy_take_back(roles oid[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $back$
DECLARE
    an_object record;
BEGIN
    FOR an_object IN
        WITH schemas AS (
            SELECT n.oid FROM pg_namespace n
            WHERE n.nspname IN ('hospital', 'hospital_mart', 'hospital_research')
        ), relations AS (
            SELECT c.oid, c.relacl FROM pg_class c JOIN schemas s ON s.oid = c.relnamespace
        ), routines AS (
            SELECT p.oid, p.proacl FROM pg_proc p
            WHERE p.pronamespace IN (SELECT s.oid FROM schemas s)
               OR EXISTS (SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'hospital'
                          WHERE d.refclassid = 'pg_extension'::regclass AND d.classid = 'pg_proc'::regclass
                            AND d.objid = p.oid AND d.deptype = 'e')
        )
        SELECT 'TABLE ' || r.oid::regclass AS name, a.grantee FROM relations r, aclexplode(r.relacl) a
        UNION
        SELECT 'TABLE ' || r.oid::regclass, a.grantee
        FROM relations r JOIN pg_attribute t ON t.attrelid = r.oid, aclexplode(t.attacl) a
        UNION
        SELECT 'ROUTINE ' || r.oid::regprocedure, a.grantee FROM routines r, aclexplode(r.proacl) a
        UNION
        SELECT 'SCHEMA ' || quote_ident(n.nspname), a.grantee FROM pg_namespace n, aclexplode(n.nspacl) a
        WHERE n.oid IN (SELECT s.oid FROM schemas s) OR n.oid = '@extschema@'::regnamespace
    LOOP
        IF an_object.grantee = ANY (roles) THEN
            EXECUTE format('REVOKE ALL ON %s FROM %I', an_object.name, pg_get_userbyid(an_object.grantee));
        END IF;
    END LOOP;
END
$back$;
COMMENT ON FUNCTION hospital_privacy_take_back(oid[]) IS
    'Part of hospital_create_roles and hospital_revoke_roles: take all that these roles have been granted on the hospital''s schemas and functions';

CREATE FUNCTION hospital_privacy_tables(owner_name name) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $tables$
DECLARE
    a_key   bytea;
    a_inner bytea := '';
    a_outer bytea := '';
BEGIN
    IF to_regclass('hospital.privacy') IS NULL THEN
        CREATE TABLE hospital.privacy (
            one_row   boolean     PRIMARY KEY DEFAULT true CHECK (one_row),
            prefix    text        NOT NULL,
            months    int         NOT NULL DEFAULT 0 CHECK (months BETWEEN 0 AND 120),
            inner_key bytea       NOT NULL CHECK (length(inner_key) = 64),
            outer_key bytea       NOT NULL CHECK (length(outer_key) = 64),
            made_at   timestamptz NOT NULL DEFAULT now()
        );
        COMMENT ON TABLE hospital.privacy IS 'The roles of this hospital, and the key of the pseudonyms: one row, which no role but the owner of the hospital may read. Who deletes it and calls hospital_create_roles again has other pseudonyms';
        COMMENT ON COLUMN hospital.privacy.one_row IS 'Always true: there is one row';
        COMMENT ON COLUMN hospital.privacy.prefix IS 'What the names of the roles begin with';
        COMMENT ON COLUMN hospital.privacy.months IS 'Visits of how many months, the present one and those before it, analysts do not see yet; 0: they see all at once';
        COMMENT ON COLUMN hospital.privacy.inner_key IS 'Key of HMAC-SHA-256, ready for its inner hash: each byte XOR 0x36';
        COMMENT ON COLUMN hospital.privacy.outer_key IS 'The same key for its outer hash: each byte XOR 0x5c';
        COMMENT ON COLUMN hospital.privacy.made_at IS 'When the key was made';
    ELSE
        LOCK TABLE hospital.privacy IN ROW EXCLUSIVE MODE;      -- as above
    END IF;
    IF (SELECT r.rolsuper AND c.relkind = 'r' FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
        WHERE c.oid = 'hospital.privacy'::regclass) IS NOT TRUE THEN
        RAISE EXCEPTION 'hospital.privacy does not belong to a superuser'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = 'hospital_create_roles made it so; its owner could let a superuser who writes it run anything.',
                  HINT = 'Look at it, its triggers too, and ALTER TABLE hospital.privacy OWNER TO a superuser, or drop it for other pseudonyms.';
    END IF;
    EXECUTE format('GRANT SELECT ON hospital.privacy TO %I', owner_name);
    IF NOT EXISTS (SELECT FROM hospital.privacy) THEN
        -- three times 122 bits of the server's strong random source, made into 256
        a_key := sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
                 || decode(repeat('00', 32), 'hex');
        FOR i IN 0 .. 63 LOOP
            a_inner := a_inner || set_byte('\x00', 0, get_byte(a_key, i) # 54);
            a_outer := a_outer || set_byte('\x00', 0, get_byte(a_key, i) # 92);
        END LOOP;
        INSERT INTO hospital.privacy (prefix, inner_key, outer_key) VALUES ('', a_inner, a_outer);
    END IF;

    IF to_regclass('hospital.clinicians') IS NOT NULL
       AND (SELECT c.relkind = 'r' AND c.relowner = (SELECT r.oid FROM pg_roles r WHERE r.rolname = owner_name)
            FROM pg_class c WHERE c.oid = to_regclass('hospital.clinicians')) IS NOT TRUE THEN
        RAISE EXCEPTION 'hospital.clinicians does not belong to "%"', owner_name
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = 'Whoever owns it says who is a clinician, and of which department.',
                  HINT = 'Look at it, and ALTER TABLE hospital.clinicians OWNER TO the owner of the hospital''s tables, or drop it.';
    END IF;
    IF to_regclass('hospital.clinicians') IS NULL THEN
        CREATE TABLE hospital.clinicians (
            role_name       text   NOT NULL,
            staff_id        bigint NOT NULL,
            department_code text   REFERENCES hospital.departments
        );
        CREATE UNIQUE INDEX clinicians_key ON hospital.clinicians (role_name, staff_id, (coalesce(department_code, '')));
        COMMENT ON INDEX hospital.clinicians_key IS 'Each said once';
        COMMENT ON TABLE hospital.clinicians IS 'Which database role is which member of staff, and so which department''s patients a clinician sees, for as long as that person is employed';
        COMMENT ON COLUMN hospital.clinicians.role_name IS 'Role that logs in, a member of the group of clinicians';
        COMMENT ON COLUMN hospital.clinicians.staff_id IS 'Who that is, see hospital.staff';
        COMMENT ON COLUMN hospital.clinicians.department_code IS 'Another department that the person works for; null for that of the post';
        EXECUTE format('ALTER TABLE hospital.clinicians OWNER TO %I', owner_name);
    END IF;

    CREATE OR REPLACE VIEW hospital.my_departments WITH (security_barrier) AS
    SELECT coalesce(c.department_code, s.department_code) AS department_code
    FROM hospital.clinicians c JOIN hospital.staff s ON s.staff_id = c.staff_id
    CROSS JOIN (SELECT max(d.day) AS day FROM hospital.days d) today
    WHERE c.role_name = current_user AND s.hired_on <= today.day AND (s.left_on > today.day OR s.left_on IS NULL);
    COMMENT ON VIEW hospital.my_departments IS 'Departments whose patients the current role may see, by hospital.clinicians, on the hospital''s latest day';
    COMMENT ON COLUMN hospital.my_departments.department_code IS 'Department';
    EXECUTE format('ALTER VIEW hospital.my_departments OWNER TO %I', owner_name);
END
$tables$;
COMMENT ON FUNCTION hospital_privacy_tables(name) IS
    'Part of hospital_create_roles: the table with the key, the one that says who is who, and the view on it';

-- A function of the caller's, since the planner counts a subquery in a policy
-- for each row of what it protects, and plans, and compiles, accordingly.

CREATE FUNCTION hospital_my_departments() RETURNS text[]
    LANGUAGE plpgsql STABLE PARALLEL SAFE COST 1
    SET search_path = pg_catalog, pg_temp
AS $mine$
BEGIN
    RETURN ARRAY(SELECT m.department_code FROM hospital.my_departments m);
END
$mine$;
COMMENT ON FUNCTION hospital_my_departments() IS
    'Part of the policies of hospital_create_roles: the departments of hospital.my_departments';

-- Policies: hospital_all leaves everybody who has been granted a table as it
-- was; hospital_clinician takes from clinicians what is not their department's.

CREATE FUNCTION hospital_privacy_policies(clinician name) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $policies$
DECLARE
    -- once a statement; what belongs to a visit or a stay is seen by whom these show themselves to
    mine    CONSTANT text := 'department_code = ANY ((SELECT @extschema@.hospital_my_departments())::text[])';
    visited CONSTANT text := 'EXISTS (SELECT FROM hospital.visits v WHERE v.%2$I = %1$I.%3$I)';
    stayed  CONSTANT text := 'EXISTS (SELECT FROM hospital.admissions a WHERE a.admission_id = %1$I.admission_id)';
    a_table  record;
    a_policy name;
    a_row    text;
BEGIN
    FOR a_table IN
        SELECT t.name, t.rule, to_regclass('hospital.' || t.name) AS oid
        FROM (VALUES ('visits', 'own'), ('admissions', 'own'), ('patients', 'patient_id'), ('people', 'person_id'),
                     ('diagnoses', 'visit'), ('treatments', 'visit'), ('lab_results', 'visit'), ('vital_signs', 'visit'),
                     ('prescriptions', 'visit'), ('billing_payments', 'visit'), ('status_updates', 'stay'),
                     ('doctor_assignments', 'stay'), ('transfers', 'stay'), ('alerts', 'prescription')) t (name, rule)
    LOOP
        CONTINUE WHEN a_table.oid IS NULL;
        IF EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = a_table.oid AND p.polname NOT IN ('hospital_all', 'hospital_clinician'))
           OR (SELECT c.relrowsecurity FROM pg_class c WHERE c.oid = a_table.oid)
              AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = a_table.oid AND p.polname = 'hospital_all') THEN
            RAISE EXCEPTION 'hospital.% has row security of its own', a_table.name
                USING ERRCODE = 'object_not_in_prerequisite_state',
                      DETAIL = 'Policies of hospital_create_roles beside it could let somebody see more than it does.',
                      HINT = 'Drop its policies and disable its row security first.';
        END IF;
        a_row := CASE a_table.rule WHEN 'own' THEN mine
                                   WHEN 'visit' THEN format(visited, a_table.name, 'visit_id', 'visit_id')
                                   WHEN 'stay' THEN format(stayed, a_table.name)
                                   WHEN 'prescription' THEN
                                       'EXISTS (SELECT FROM hospital.prescriptions r WHERE r.prescription_id = alerts.prescription_id)'
                                   ELSE format(visited, a_table.name, 'patient_id', a_table.rule) END;
        FOR a_policy IN SELECT p.polname FROM pg_policy p WHERE p.polrelid = a_table.oid LOOP
            EXECUTE format('DROP POLICY %I ON hospital.%I', a_policy, a_table.name);
        END LOOP;
        EXECUTE format('CREATE POLICY hospital_all ON hospital.%I USING (true)', a_table.name);
        EXECUTE format('COMMENT ON POLICY hospital_all ON hospital.%I IS %L', a_table.name,
                       'Who has been granted the table sees it, clinicians excepted');
        EXECUTE format('CREATE POLICY hospital_clinician ON hospital.%I AS RESTRICTIVE TO %I USING (%s)',
                       a_table.name, clinician, a_row);
        EXECUTE format('COMMENT ON POLICY hospital_clinician ON hospital.%I IS %L', a_table.name,
                       'Clinicians see the patients of their departments, see hospital.my_departments');
        EXECUTE format('ALTER TABLE hospital.%I ENABLE ROW LEVEL SECURITY', a_table.name);
    END LOOP;
END
$policies$;
COMMENT ON FUNCTION hospital_privacy_policies(name) IS
    'Part of hospital_create_roles: row security that shows clinicians the patients of their departments';

-- What an analyst sees.  <kind id> is a pseudonym: HMAC-SHA-256 of the kind and
-- the number, its first 128 bits.  A record has one date, the month of its
-- visit, and everything else is counted from there: two dates of a newborn's
-- stay would tell the birthday, as would the order of the rows, hence ORDER BY
-- a pseudonym.  Sums are wrapped: without a security barrier a condition of the
-- analyst's, on what a mart groups by, would be asked of each fact, in order.

CREATE FUNCTION hospital_privacy_views(owner_name name) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $views$
DECLARE
    pseudonym CONSTANT text := $$encode(substr(sha256(k.outer_key || sha256(k.inner_key || '\1'::bytea || int8send(\2))), 1, 16), 'hex')::uuid$$;
    -- view; made where this is; order; from; shown when this date has passed; comment
    sources   CONSTANT text := $sources$
patients; hospital.patients; 1; hospital.patients p LEFT JOIN hospital.people x ON x.person_id = p.patient_id LEFT JOIN hospital.suburbs b ON b.suburb = x.suburb; p.first_seen_on; Patients, without who they are
staff; hospital.staff; 1; hospital.staff s; '-infinity'::date; Staff, without who they are
visits; hospital.visits; 1; hospital.visits v; v.visit_date; Visits, by the month
admissions; hospital.admissions; 1; hospital.admissions a JOIN hospital.visits v ON v.visit_id = a.visit_id; v.visit_date; Stays in the hospital
transfers; hospital.transfers; 1; hospital.transfers t JOIN hospital.admissions a ON a.admission_id = t.admission_id JOIN hospital.visits v ON v.visit_id = a.visit_id; v.visit_date; Transfers between wards
diagnoses; hospital.diagnoses; 1; hospital.diagnoses d JOIN hospital.visits v ON v.visit_id = d.visit_id; v.visit_date; Diagnoses
treatments; hospital.treatments; 1; hospital.treatments d JOIN hospital.visits v ON v.visit_id = d.visit_id; v.visit_date; Treatments
lab_results; hospital.lab_results; 1; hospital.lab_results d JOIN hospital.visits v ON v.visit_id = d.visit_id; v.visit_date; Laboratory results
vital_signs; hospital.vital_signs; 1; hospital.vital_signs d JOIN hospital.visits v ON v.visit_id = d.visit_id; v.visit_date; Vital signs
prescriptions; hospital.prescriptions; 1; hospital.prescriptions d JOIN hospital.visits v ON v.visit_id = d.visit_id; v.visit_date; Prescriptions
billing_payments; hospital.billing_payments; 1; hospital.billing_payments d JOIN hospital.visits v ON v.visit_id = d.visit_id; v.visit_date; Bills
revenue_by_doctor; hospital_mart.revenue_by_doctor; 1, 2; hospital_mart.revenue_by_doctor m; '-infinity'::date; The mart revenue_by_doctor, without who they are
doctor_performance; hospital_mart.doctor_performance; 1, 2; hospital_mart.doctor_performance m; '-infinity'::date; The mart doctor_performance, without who they are
patient_spending; hospital_mart.patient_spending; 1; hospital_mart.patient_spending m; 'infinity'::date; The mart patient_spending, without dates; empty where analysts do not see everything at once
patient_journey; hospital_mart.patient_journey; 1, 2; hospital_mart.patient_journey m; m.visit_date; The mart patient_journey, by the month
$sources$;
    sums      CONSTANT text[] := '{diagnosis_distribution,revenue_by_month,doctors_by_specialization,patient_age_distribution,monthly_visit_stats,medication_usage,payment_status,ward_occupancy_by_hour,length_of_stay,ed_waiting,bed_days,readmissions,staffing_against_need}';
    -- the key, and the first day that is not shown yet; OFFSET: found once, not for each row
    known     CONSTANT text := $known$(SELECT p.inner_key, p.outer_key, CASE WHEN p.months > 0
        THEN (SELECT coalesce((date_trunc('month', max(d.day)::timestamp) - make_interval(months => p.months - 1))::date, '-infinity')
              FROM hospital.days d) END AS until
        FROM hospital.privacy p OFFSET 0)$known$;
    -- view; column; expression; comment
    columns   CONSTANT text := $columns$
patients; patient; <patient p.patient_id>; Pseudonym of the patient, the same in all views
patients; gender; p.gender; Female or Male
patients; year_of_birth; greatest(extract(year FROM p.date_of_birth)::int, (SELECT extract(year FROM max(d.day))::int - 90 FROM hospital.days d)); Year of birth; those above ninety have that of a person of ninety
patients; region; b.region; Region of the city, A to G; null for those from outside
patients; patient_class; p.patient_class; Class billed by
patients; insured; p.insurance_id IS NOT NULL; Is there a medical scheme?
patients; origin; p.origin; city, born here, born elsewhere or outside
patients; deceased; p.deceased_at IS NOT NULL; Has the patient died?
staff; staff; <staff s.staff_id>; Pseudonym of the member of staff, the same in all views
staff; role; s.role; Role
staff; specialty; s.specialty; Specialty or place of work
staff; department_code; s.department_code; Department of the post
staff; sex; s.sex; F or M
staff; hired_year; extract(year FROM s.hired_on)::int; Year of the first day in the post
visits; visit; <visit v.visit_id>; Pseudonym of the visit, the same in all views
visits; patient; <patient v.patient_id>; The patient
visits; doctor; <staff v.doctor_id>; The doctor, one of staff
visits; visit_month; v.visit_date - extract(day FROM v.visit_date)::int + 1; First day of the month of the visit
visits; arrival_hour; extract(hour FROM v.arrived_at AT TIME ZONE 'Africa/Johannesburg')::int; Hour of the day of arrival
visits; department_code; v.department_code; Department
visits; kind; v.kind; Kind of visit
visits; triage; v.triage; Colour of the triage
visits; disposition; v.disposition; How it ended
visits; diagnosis; v.diagnosis; Primary diagnosis in words
visits; total_cost; v.total_cost; Cost, in rand
visits; minutes; (extract(epoch FROM v.left_at - v.arrived_at) / 60)::int; How long it took
visits; admitted; v.admission_id IS NOT NULL; Did it lead to an admission?
admissions; admission; <admission a.admission_id>; Pseudonym of the stay
admissions; visit; <visit a.visit_id>; Visit that led to it
admissions; patient; <patient a.patient_id>; The patient
admissions; ward_code; a.ward_code; Ward of admission
admissions; department_code; a.department_code; Department that treats the patient
admissions; admission_type; a.admission_type; Way in
admissions; triage; a.triage; Colour of the triage
admissions; outcome; a.outcome; How it ended; null while it lasts
admissions; referred_from; a.referred_from; Who referred the patient
admissions; hours; (extract(epoch FROM a.discharged_at - a.admitted_at) / 3600)::int; How long it lasted
transfers; admission; <admission t.admission_id>; The stay
transfers; patient; <patient t.patient_id>; The patient
transfers; from_ward; t.from_ward; Ward that was left
transfers; to_ward; t.to_ward; Ward that was entered
transfers; reason; t.reason; Why
transfers; status; t.status; What became of it
transfers; staff; <staff t.staff_id>; Who wrote it down
transfers; day; (t.event_time AT TIME ZONE 'Africa/Johannesburg')::date - (a.admitted_at AT TIME ZONE 'Africa/Johannesburg')::date; Day of the stay, from 0
diagnoses; visit; <visit d.visit_id>; The visit
diagnoses; patient; <patient d.patient_id>; The patient
diagnoses; code; d.code; ICD-10
diagnoses; description; d.description; The same in words
diagnoses; rank; d.rank; primary, secondary or external cause
diagnoses; day; (d.at AT TIME ZONE 'Africa/Johannesburg')::date - v.visit_date; Day of the visit, from 0
treatments; visit; <visit d.visit_id>; The visit
treatments; patient; <patient d.patient_id>; The patient
treatments; code; d.code; Code of the fee schedule
treatments; description; d.description; The same in words
treatments; staff; <staff d.staff_id>; Who did it
treatments; quantity; d.quantity; How often
treatments; day; (d.at AT TIME ZONE 'Africa/Johannesburg')::date - v.visit_date; Day of the visit, from 0
lab_results; visit; <visit d.visit_id>; The visit
lab_results; patient; <patient d.patient_id>; The patient
lab_results; code; d.code; LOINC
lab_results; description; d.description; The same in words
lab_results; value; d.value; Value
lab_results; result; d.result; Result in a word
lab_results; unit; d.unit; Unit of the value
lab_results; flag; d.flag; L or H where it is out of range
lab_results; specimen; d.specimen; What was examined
lab_results; day; (d.at AT TIME ZONE 'Africa/Johannesburg')::date - v.visit_date; Day of the visit, from 0
vital_signs; visit; <visit d.visit_id>; The visit
vital_signs; patient; <patient d.patient_id>; The patient
vital_signs; temperature; d.temperature; Degrees Celsius
vital_signs; pulse; d.pulse; Beats a minute
vital_signs; respiration; d.respiration; Breaths a minute
vital_signs; systolic; d.systolic; Blood pressure, mmHg
vital_signs; diastolic; d.diastolic; Blood pressure, mmHg
vital_signs; spo2; d.spo2; Oxygen saturation, percent
vital_signs; consciousness; d.consciousness; Consciousness
vital_signs; tews; d.tews; Early warning score
vital_signs; day; (d.at AT TIME ZONE 'Africa/Johannesburg')::date - v.visit_date; Day of the visit, from 0
prescriptions; visit; <visit d.visit_id>; The visit
prescriptions; patient; <patient d.patient_id>; The patient
prescriptions; doctor; <staff d.doctor_id>; The doctor, one of staff
prescriptions; medicine_id; d.medicine_id; See hospital.medicines
prescriptions; dosage; d.dosage; Dosage in words
prescriptions; duration; d.duration; Duration in words
prescriptions; quantity; d.quantity; Pack units
prescriptions; day; (d.prescribed_at AT TIME ZONE 'Africa/Johannesburg')::date - v.visit_date; Day of the visit, from 0
billing_payments; visit; <visit d.visit_id>; The visit
billing_payments; patient; <patient d.patient_id>; The patient
billing_payments; total_amount; d.total_amount; Sum of the bill, in rand
billing_payments; payment_status; d.payment_status; Paid, Pending or Unpaid
billing_payments; patient_class; d.patient_class; Class billed by
billing_payments; free_reason; d.free_reason; Why it is free of charge
billing_payments; consultation; d.consultation; Part of the sum
billing_payments; accommodation; d.accommodation; Part of the sum
billing_payments; procedures; d.procedures; Part of the sum
billing_payments; imaging; d.imaging; Part of the sum
billing_payments; laboratory; d.laboratory; Part of the sum
billing_payments; medicines; d.medicines; Part of the sum
billing_payments; other; d.other; Part of the sum
revenue_by_doctor; month; m.month; Month
revenue_by_doctor; doctor; <staff m.doctor_id>; The doctor, one of staff
revenue_by_doctor; specialty; m.specialty; Specialty
revenue_by_doctor; department_code; m.department_code; Department of the visits
revenue_by_doctor; bills; m.bills; Bills
revenue_by_doctor; total_amount; m.total_amount; Their sum, in rand
doctor_performance; month; m.month; Month
doctor_performance; doctor; <staff m.doctor_id>; The doctor, one of staff
doctor_performance; role; m.role; Role
doctor_performance; specialty; m.specialty; Specialty
doctor_performance; department_code; m.department_code; Department of the post
doctor_performance; visits; m.visits; Visits
doctor_performance; completed_visits; m.completed_visits; Visits that ended
doctor_performance; minutes; m.minutes; How long these took, in all
doctor_performance; prescriptions; m.prescriptions; Prescriptions
doctor_performance; bills; m.bills; Bills
doctor_performance; total_amount; m.total_amount; Their sum, in rand
patient_spending; patient; <patient m.patient_id>; The patient
patient_spending; patient_class; m.patient_class; Class billed by
patient_spending; visits; m.visits; Visits with a bill
patient_spending; bills; m.bills; Bills
patient_spending; total_amount; m.total_amount; Their sum, in rand
patient_spending; paid; m.paid; Of it, paid
patient_spending; pending; m.pending; Of it, pending
patient_spending; unpaid; m.unpaid; Of it, unpaid
patient_journey; patient; <patient m.patient_id>; The patient
patient_journey; visit_no; m.visit_no; Number of the patient's visit
patient_journey; visit; <visit m.visit_id>; The visit
patient_journey; visit_month; m.visit_date - extract(day FROM m.visit_date)::int + 1; First day of its month
patient_journey; kind; m.kind; Kind of visit
patient_journey; department_code; m.department_code; Department
patient_journey; doctor; <staff m.doctor_id>; The doctor, one of staff
patient_journey; triage; m.triage; Colour of the triage
patient_journey; disposition; m.disposition; How it ended
patient_journey; admitted; m.admission_id IS NOT NULL; Did it lead to an admission?
patient_journey; main_diagnosis; m.main_diagnosis; Main diagnosis
patient_journey; diagnoses; m.diagnoses; Diagnoses
patient_journey; prescriptions; m.prescriptions; Prescriptions
patient_journey; total_amount; m.total_amount; Sum of the bills, in rand
patient_journey; since_previous; CASE WHEN m.days_since_previous <= 7 THEN '0-7' WHEN m.days_since_previous <= 30 THEN '8-30' WHEN m.days_since_previous <= 90 THEN '31-90' WHEN m.days_since_previous <= 365 THEN '91-365' WHEN m.days_since_previous > 365 THEN '366+' END; Days since the visit before, in five bands
$columns$;
    a_view   text[];
    a_column text[];
    a_list   text;
    a_name   text;
BEGIN
    IF EXISTS (SELECT FROM pg_namespace n WHERE n.nspname = 'hospital_research' AND pg_get_userbyid(n.nspowner) <> owner_name) THEN
        RAISE EXCEPTION 'schema "hospital_research" exists already'
            USING ERRCODE = 'duplicate_schema',
                  DETAIL = format('It belongs to somebody else than the hospital''s tables, which are %s''s.', quote_ident(owner_name)),
                  HINT = 'Rename or drop that schema.';
    ELSIF to_regnamespace('hospital_research') IS NULL THEN
        EXECUTE format('CREATE SCHEMA hospital_research AUTHORIZATION %I', owner_name);
        COMMENT ON SCHEMA hospital_research IS 'What analysts see of a hospital: records without names, numbers, addresses and exact dates';
    END IF;
    FOR a_view IN
        SELECT regexp_split_to_array(l.line, '; ') FROM string_to_table(btrim(sources, E'\n'), E'\n') l (line)
    LOOP
        CONTINUE WHEN to_regclass(a_view[2]) IS NULL;
        a_list := '';
        FOR a_column IN
            SELECT regexp_match(l.line, '^\w+; (\w+); (.*?); (.*)$') FROM string_to_table(btrim(columns, E'\n'), E'\n') WITH ORDINALITY l (line, n)
            WHERE starts_with(l.line, a_view[1] || '; ') ORDER BY l.n
        LOOP
            a_list := a_list || format(', %s AS %I', regexp_replace(a_column[2], '<(\w+) ([\w.]+)>', pseudonym), a_column[1]);
        END LOOP;
        EXECUTE format('CREATE OR REPLACE VIEW hospital_research.%I WITH (security_barrier) AS SELECT %s FROM %s CROSS JOIN %s k WHERE k.until IS NULL OR %s < k.until ORDER BY %s',
                       a_view[1], substr(a_list, 3), a_view[4], known, a_view[5], a_view[3]);
        EXECUTE format('ALTER VIEW hospital_research.%I OWNER TO %I', a_view[1], owner_name);
        EXECUTE format('COMMENT ON VIEW hospital_research.%I IS %L', a_view[1], array_to_string(a_view[6:], '; '));
        FOR a_column IN
            SELECT regexp_match(l.line, '^\w+; (\w+); (.*?); (.*)$') FROM string_to_table(btrim(columns, E'\n'), E'\n') l (line)
            WHERE starts_with(l.line, a_view[1] || '; ')
        LOOP
            EXECUTE format('COMMENT ON COLUMN hospital_research.%I.%I IS %L', a_view[1], a_column[1], a_column[3]);
        END LOOP;
    END LOOP;

    FOREACH a_name IN ARRAY sums LOOP
        CONTINUE WHEN to_regclass('hospital_mart.' || a_name) IS NULL;
        EXECUTE format('CREATE OR REPLACE VIEW hospital_research.%I WITH (security_barrier) AS SELECT * FROM hospital_mart.%1$I', a_name);
        EXECUTE format('ALTER VIEW hospital_research.%I OWNER TO %I', a_name, owner_name);
        EXECUTE format('COMMENT ON VIEW hospital_research.%I IS %L', a_name, 'The mart ' || a_name || ', as it is');
        FOR a_column IN
            SELECT ARRAY[a.attname, coalesce(col_description(a.attrelid, a.attnum), a.attname)]::text[] FROM pg_attribute a
            WHERE a.attrelid = to_regclass('hospital_mart.' || a_name) AND a.attnum > 0 AND NOT a.attisdropped
        LOOP
            EXECUTE format('COMMENT ON COLUMN hospital_research.%I.%I IS %L', a_name, a_column[1], a_column[2]);
        END LOOP;
    END LOOP;
END
$views$;
COMMENT ON FUNCTION hospital_privacy_views(name) IS
    'Part of hospital_create_roles: the views of schema hospital_research, of the tables and marts that there are';

CREATE FUNCTION hospital_privacy_grants(prefix text, owner_name name) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $grants$
DECLARE
    -- role; privileges; relations, where they are there.  * is every table and view of a schema.
    relations CONSTANT text := $relations$
admin; SELECT; hospital.* hospital_mart.* hospital_research.*
admin; INSERT, UPDATE, DELETE; hospital.+ hospital_mart.+
admin; UPDATE (system_identifier, database_oid); hospital.simulation
clinician; SELECT; hospital.my_departments hospital.departments hospital.wards hospital.patients hospital.visits hospital.admissions hospital.diagnoses hospital.treatments hospital.lab_results hospital.vital_signs hospital.prescriptions hospital.status_updates hospital.doctor_assignments hospital.transfers hospital.alerts hospital.staff_assignments
clinician; SELECT (person_id, national_id, passport_no, first_name, last_name, date_of_birth, sex, home_language, household_id, address, suburb, postal_code, phone); hospital.people
clinician; SELECT (staff_id, first_name, last_name, role, specialty, department_code, registration_no); hospital.staff
clinician; SELECT; hospital_research.diagnosis_distribution hospital_research.monthly_visit_stats hospital_research.medication_usage hospital_research.ward_occupancy_by_hour hospital_research.length_of_stay hospital_research.ed_waiting hospital_research.bed_days hospital_research.readmissions hospital_research.staffing_against_need
analyst; SELECT; hospital.departments hospital.wards hospital_research.*
loader; SELECT, INSERT, UPDATE; hospital.people hospital.patients hospital.admissions hospital.visits hospital.status_updates hospital.doctor_assignments hospital.transfers hospital.diagnoses hospital.treatments hospital.lab_results hospital.vital_signs hospital.prescriptions hospital.billing_payments hospital.staff_changes hospital.batches hospital.rejects
loader; SELECT; hospital.simulation hospital.departments hospital.wards hospital.days hospital.status hospital.stream_topics
loader; SELECT, INSERT; hospital.alerts
loader; SELECT, INSERT, DELETE; hospital.patient_activity
loader; SELECT (staff_id); hospital.staff
loader; SELECT, INSERT, UPDATE, DELETE; hospital_mart.+
audit; SELECT (national_id, first_name, last_name, date_of_birth, registration_no); hospital.staff
audit; SELECT; hospital.people hospital.patients hospital.admissions hospital.visits hospital.status_updates hospital.doctor_assignments hospital.transfers hospital.diagnoses hospital.treatments hospital.lab_results hospital.vital_signs hospital.prescriptions hospital.billing_payments hospital.alerts hospital.patient_activity hospital.rejects hospital.faults hospital.stream_extras hospital.simulation hospital.privacy hospital_mart.patient_journey hospital_mart.patient_spending
$relations$;
    functions CONSTANT text := $functions$
admin; hospital_%
clinician; hospital_my_departments
loader; hospital_ingest hospital_retry_rejects hospital_status
$functions$;
    a_grant text[];
    an_item text;
    a_thing text;
    -- or could make itself one
    a_super boolean := (SELECT r.rolsuper OR r.rolcreaterole OR r.rolreplication
                               OR pg_has_role(r.oid, 'pg_write_server_files', 'MEMBER')
                               OR pg_has_role(r.oid, 'pg_execute_server_program', 'MEMBER')
                               OR pg_has_role(r.oid, 'pg_read_server_files', 'MEMBER')
                        FROM pg_roles r WHERE r.rolname = owner_name);
BEGIN
    FOR a_grant IN SELECT regexp_split_to_array(l.line, '; ') FROM string_to_table(btrim(relations, E'\n'), E'\n') l (line) LOOP
        FOR an_item IN SELECT * FROM string_to_table(a_grant[3], ' ') LOOP
            FOR a_thing IN
                SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname = split_part(an_item, '.', 1)
                  AND CASE split_part(an_item, '.', 2)
                          WHEN '*' THEN c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.oid <> 'hospital.privacy'::regclass
                          -- what is frozen, what the extension brings, and what would be run as somebody else
                          WHEN '+' THEN c.relkind IN ('r', 'p')
                               AND c.oid NOT IN ('hospital.privacy'::regclass, 'hospital.simulation'::regclass)
                               AND NOT (a_super AND c.oid IS NOT DISTINCT FROM to_regclass('hospital.jobs'))
                               AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
                          ELSE c.relname = split_part(an_item, '.', 2) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') END
            LOOP
                EXECUTE format('GRANT %s ON TABLE %s TO %I', a_grant[2], a_thing, prefix || a_grant[1]);
            END LOOP;
        END LOOP;
    END LOOP;

    FOR a_grant IN SELECT regexp_split_to_array(l.line, '; ') FROM string_to_table(btrim(functions, E'\n'), E'\n') l (line) LOOP
        FOR a_thing IN
            SELECT p.oid::regprocedure::text
            FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
            JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid AND e.extname = 'hospital'
            WHERE p.prorettype <> 'internal'::regtype AND NOT starts_with(p.proname, 'hospital_privacy_')
              AND p.proname NOT IN ('hospital_create_roles', 'hospital_revoke_roles')
              AND (a_grant[2] = 'hospital_%' OR p.proname = ANY (string_to_array(a_grant[2], ' ')))
        LOOP
            EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO %I', a_thing, prefix || a_grant[1]);
        END LOOP;
    END LOOP;

    -- large files pass through a table of their own
    EXECUTE format('GRANT CREATE ON SCHEMA hospital TO %I, %I', prefix || 'admin', prefix || 'loader');
    FOR a_grant IN
        SELECT ARRAY[n.nspname, r.name] FROM pg_namespace n,
            (VALUES ('admin', 'hospital_mart'), ('loader', 'hospital_mart'), ('admin', 'hospital_research'),
                    ('clinician', 'hospital_research'), ('analyst', 'hospital_research'), ('admin', NULL), ('loader', NULL)) r (name, schema)
        WHERE n.nspname = r.schema OR r.schema IS NULL AND n.oid = '@extschema@'::regnamespace
    LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', a_grant[1], prefix || a_grant[2]);
    END LOOP;
    IF a_super THEN
        RAISE NOTICE 'role "%" may not change hospital.jobs', prefix || 'admin'
            USING DETAIL = format('Jobs run as the owner of the hospital''s tables, %s, who is a superuser or may read or write the server''s files, run programs there, make roles or replicate.', quote_ident(owner_name)),
                  HINT = 'Let a role without such rights own the hospital.';
    END IF;
END
$grants$;
COMMENT ON FUNCTION hospital_privacy_grants(text, name) IS
    'Part of hospital_create_roles: what each role is granted';

CREATE FUNCTION hospital_privacy_generators(granted boolean, owner_name name) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $generators$
DECLARE
    a_function text;
BEGIN
    FOR a_function IN
        SELECT p.oid::regprocedure::text
        FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
        JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid AND e.extname = 'hospital'
        WHERE starts_with(p.proname, 'hospital_generate_')
    LOOP
        IF granted THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO PUBLIC', a_function);
        ELSE
            EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', a_function);
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', a_function, owner_name);
        END IF;
    END LOOP;
END
$generators$;
COMMENT ON FUNCTION hospital_privacy_generators(boolean, name) IS
    'Part of hospital_create_roles and hospital_revoke_roles: may everybody call the generators, who with the seed would make every name again?';

CREATE FUNCTION hospital_privacy_owner() RETURNS name
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $owner$
BEGIN
    IF NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user) THEN
        RAISE EXCEPTION 'permission denied to set up the hospital''s roles'
            USING ERRCODE = 'insufficient_privilege',
                  DETAIL = 'It makes roles, and grants what belongs to the owners of the extension and of the tables.',
                  HINT = 'Ask a superuser.';
    END IF;
    -- A table: the superuser who calls reads it, and no view of somebody's. Locked before it is looked at: its
    -- owner, who can make us wait at another table, must not put a view in its place meanwhile.
    IF to_regclass('hospital.simulation') IS NOT NULL THEN
        LOCK TABLE hospital.simulation IN ACCESS SHARE MODE;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = to_regclass('hospital.simulation') AND c.relkind = 'r') THEN
        RAISE EXCEPTION 'this database has no hospital'
            USING ERRCODE = 'undefined_table', HINT = 'CALL hospital_create() makes one.';
    END IF;
    RETURN (SELECT pg_get_userbyid(c.relowner) FROM pg_class c WHERE c.oid = 'hospital.simulation'::regclass);
END
$owner$;
COMMENT ON FUNCTION hospital_privacy_owner() IS
    'Part of hospital_create_roles and hospital_revoke_roles: who owns the hospital; an error for those who may not call them';

CREATE FUNCTION hospital_privacy_warn() RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $warn$
DECLARE
    a_seed bigint := (SELECT m.seed FROM hospital.simulation m);
BEGIN
    -- the first call loads the library, and with it the settings
    PERFORM @extschema@.hospital_generator_version();
    IF abs(a_seed::numeric) < 1000000000000000 THEN
        RAISE WARNING 'the seed of this hospital can be guessed'
            USING DETAIL = 'Whoever has it makes every name and identity number again with this software, on any machine.',
                  HINT = 'Where that matters, make the hospital with a random seed of 18 digits: CALL hospital_create(seed => …).';
    ELSIF current_setting('hospital.seed') = a_seed::text OR
          EXISTS (SELECT FROM pg_db_role_setting s WHERE ('hospital.seed=' || a_seed) = ANY (s.setconfig)) THEN
        RAISE WARNING 'the setting hospital.seed shows everybody the seed of this hospital'
            USING HINT = 'Take it out: the seed is in hospital.simulation, and the setting has no effect any more.';
    END IF;
END
$warn$;
COMMENT ON FUNCTION hospital_privacy_warn() IS
    'Part of hospital_create_roles: say where the seed, which makes every name again, is no secret';

CREATE PROCEDURE hospital_create_roles(prefix text DEFAULT NULL, research_months int DEFAULT NULL)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $create$
#variable_conflict use_variable
DECLARE
    a_owner  name := @extschema@.hospital_privacy_owner();
    a_prefix text;
    a_known  text;
    a_roles  oid[];
BEGIN
    PERFORM @extschema@.hospital_privacy_tables(a_owner);
    SELECT nullif(p.prefix, '') INTO a_known FROM hospital.privacy p;
    a_prefix := coalesce(prefix, a_known, 'hospital_');
    IF a_prefix !~ '^[a-z][a-z0-9_]{0,39}$' OR starts_with(a_prefix, 'pg_') THEN
        RAISE EXCEPTION 'invalid prefix "%" for roles', a_prefix
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = 'The roles are named by it and admin, clinician, analyst, loader and audit.',
                  HINT = 'Use up to 40 small letters, digits and _, a letter first, and not pg_.';
    END IF;
    IF a_known <> a_prefix THEN
        RAISE EXCEPTION 'the roles of this hospital have the prefix "%"', a_known
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'CALL hospital_revoke_roles() takes their rights back, and another prefix may be chosen then.';
    END IF;
    IF research_months NOT BETWEEN 0 AND 120 THEN
        RAISE EXCEPTION 'invalid research_months %', research_months
            USING ERRCODE = 'invalid_parameter_value', DETAIL = 'It is 0 to 120: of how many months, this one included, analysts see no visits yet.';
    END IF;
    UPDATE hospital.privacy p SET prefix = a_prefix, months = coalesce(research_months, p.months);

    PERFORM @extschema@.hospital_privacy_role(a_prefix || 'admin', 'runs the hospital and sees all of it');
    PERFORM @extschema@.hospital_privacy_role(a_prefix || 'clinician', 'sees the patients of the own department');
    PERFORM @extschema@.hospital_privacy_role(a_prefix || 'analyst', 'sees marts, and records without who they are');
    PERFORM @extschema@.hospital_privacy_role(a_prefix || 'loader', 'brings day files in');
    PERFORM @extschema@.hospital_privacy_role(a_prefix || 'audit', 'has no members: what it may read, pgaudit logs');
    a_roles := ARRAY(SELECT r.oid FROM pg_roles r
                     WHERE r.rolname = ANY (ARRAY[a_prefix || 'admin', a_prefix || 'clinician', a_prefix || 'analyst',
                                                  a_prefix || 'loader', a_prefix || 'audit']));

    PERFORM @extschema@.hospital_privacy_take_back(a_roles);
    PERFORM @extschema@.hospital_privacy_policies((a_prefix || 'clinician')::name);
    PERFORM @extschema@.hospital_privacy_views(a_owner);
    PERFORM @extschema@.hospital_privacy_generators(false, a_owner);
    PERFORM @extschema@.hospital_privacy_grants(a_prefix, a_owner);
    PERFORM @extschema@.hospital_privacy_warn();
END
$create$;
COMMENT ON PROCEDURE hospital_create_roles(text, int) IS
    'Make the group roles admin, clinician, analyst, loader and audit of this hospital, named with a prefix (hospital_ by default), and grant each what it needs in this database, and nothing else: what was granted on the hospital''s schemas by hand is taken back. research_months: of how many months, this one included, analysts see no visits yet (0 at first). To be called again when tables or marts have been added, and in each database';

CREATE PROCEDURE hospital_revoke_roles(drop_roles boolean DEFAULT false)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $revoke$
DECLARE
    a_owner  name := @extschema@.hospital_privacy_owner();
    a_prefix text;
    a_name   text;
    a_table  regclass;
BEGIN
    IF to_regclass('hospital.privacy') IS NOT NULL THEN
        PERFORM @extschema@.hospital_privacy_tables(a_owner);
        SELECT nullif(p.prefix, '') INTO a_prefix FROM hospital.privacy p;
    END IF;
    IF a_prefix IS NULL THEN
        RAISE EXCEPTION 'this hospital has no roles'
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'CALL hospital_create_roles() makes them.';
    END IF;
    PERFORM @extschema@.hospital_privacy_take_back(ARRAY(
        SELECT r.oid FROM pg_roles r
        WHERE r.rolname = ANY (ARRAY[a_prefix || 'admin', a_prefix || 'clinician', a_prefix || 'analyst',
                                     a_prefix || 'loader', a_prefix || 'audit'])));
    FOR a_table IN
        SELECT p.polrelid::regclass FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
        WHERE p.polname = 'hospital_all' AND c.relnamespace = 'hospital'::regnamespace
    LOOP
        EXECUTE format('DROP POLICY IF EXISTS hospital_clinician ON %s', a_table);
        EXECUTE format('DROP POLICY hospital_all ON %s', a_table);
        EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', a_table);
    END LOOP;
    FOR a_name IN SELECT v.viewname FROM pg_views v WHERE v.schemaname = 'hospital_research' LOOP
        EXECUTE format('DROP VIEW hospital_research.%I', a_name);
    END LOOP;
    DROP SCHEMA IF EXISTS hospital_research;
    PERFORM @extschema@.hospital_privacy_generators(true, a_owner);
    UPDATE hospital.privacy p SET prefix = '';
    IF drop_roles THEN
        FOREACH a_name IN ARRAY '{admin,clinician,analyst,loader,audit}'::text[] LOOP
            EXECUTE format('DROP ROLE IF EXISTS %I', a_prefix || a_name);
        END LOOP;
    END IF;
END
$revoke$;
COMMENT ON PROCEDURE hospital_revoke_roles(boolean) IS
    'Take back all that hospital_create_roles has granted in this database, its row security and its views; drop the roles, too, where no other database needs them. hospital.clinicians stays, and hospital.privacy with the key, so that pseudonyms stay what they are';

REVOKE ALL ON FUNCTION hospital_my_departments(), hospital_privacy_role(text, text), hospital_privacy_take_back(oid[]), hospital_privacy_tables(name),
    hospital_privacy_policies(name), hospital_privacy_views(name), hospital_privacy_grants(text, name),
    hospital_privacy_generators(boolean, name), hospital_privacy_owner(), hospital_privacy_warn() FROM PUBLIC;
REVOKE ALL ON PROCEDURE hospital_create_roles(text, int), hospital_revoke_roles(boolean) FROM PUBLIC;

-- ==== end of privacy ======================================================
