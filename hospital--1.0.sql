/* hospital--1.0.sql: what CREATE EXTENSION hospital makes */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION hospital" to load this file. \quit

DO $$
BEGIN
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

CREATE TYPE hospital.admission AS (
    admission_id  bigint,
    patient_id    bigint,
    visit_id      bigint,
    ward_code     text,
    admitted_at   timestamptz,
    discharged_at timestamptz,
    triage        text,
    outcome       text
);
COMMENT ON TYPE hospital.admission IS 'A stay in the hospital; patient_id is a person_id';

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
COMMENT ON TYPE hospital.transfer IS 'A medical transfer from ward to ward; event_id is a UUID of version 7, the same whenever it is computed';

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

CREATE FUNCTION hospital_generate_admissions(day date, seed bigint DEFAULT 42, people bigint DEFAULT 5000000,
                                             beds int DEFAULT 1100, start_date date DEFAULT '2020-01-01')
    RETURNS SETOF hospital.admission
    LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE
    ROWS 160 SUPPORT hospital_rowsource_support
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_generate_admissions(date, bigint, bigint, int, date) IS
    'The admissions of one hospital day, in order of time; patients are persons of hospital_generate_people(people, seed, as_of => start_date)';

CREATE FUNCTION hospital_generate_transfers(day date, seed bigint DEFAULT 42, people bigint DEFAULT 5000000,
                                            beds int DEFAULT 1100, start_date date DEFAULT '2020-01-01',
                                            transfers int DEFAULT 15)
    RETURNS SETOF hospital.transfer
    LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE
    ROWS 15 SUPPORT hospital_rowsource_support
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_generate_transfers(date, bigint, bigint, int, date, int) IS
    'The medical transfers of one hospital day, in order of time';

-- ==== end of workforce ====================================================

-- ==== workers and files ===================================================

CREATE FUNCTION hospital_start() RETURNS void
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_start() IS
    'Let the hospital of this database run, from the next commit on; its clock goes on from where it stood';

CREATE FUNCTION hospital_stop() RETURNS void
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_stop() IS
    'Stop the hospital of this database: its workers end and its clock stands still';

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
    SELECT role || CASE WHEN role = 'consumer' THEN ' ' || number ELSE '' END AS worker,
           database, pid, state, since, last_error, sqlstate, last_error_at, rows, rate, restarts
      FROM @extschema@.hospital_status()
     ORDER BY database NULLS FIRST, role DESC, number;
COMMENT ON VIEW hospital.status IS
    'One row a worker: what it does, since when, what went wrong last, rows since it started and rows a second';

CREATE FUNCTION hospital_open_rows(kind text) RETURNS SETOF record
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE ROWS 4096
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION hospital_open_rows(text) IS
    'Rows that this very process has read from a file or a topic; only the hospital''s own workers have any';

CREATE PROCEDURE hospital_ingest(path text)
    LANGUAGE C
    AS 'MODULE_PATHNAME';
COMMENT ON PROCEDURE hospital_ingest(text) IS
    'Ingest one day file below hospital.data_folder now; the outcome is in hospital.batches';

CREATE PROCEDURE hospital_export(what text, format text DEFAULT 'csv', target text DEFAULT NULL,
                                 as_of date DEFAULT NULL)
    LANGUAGE C
    AS 'MODULE_PATHNAME';
COMMENT ON PROCEDURE hospital_export(text, text, text, date) IS
    'Write people, doctors, staff_assignments or assigned_staff (of a date; the first day by default) to a file below hospital.data_folder';

REVOKE ALL ON FUNCTION hospital_start(), hospital_stop(), hospital_status() FROM PUBLIC;
REVOKE ALL ON PROCEDURE hospital_ingest(text), hospital_export(text, text, text, date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION hospital_status() TO pg_monitor;
GRANT SELECT ON hospital.status TO pg_monitor;
GRANT EXECUTE ON PROCEDURE hospital_ingest(text) TO pg_read_server_files;
GRANT EXECUTE ON PROCEDURE hospital_export(text, text, text, date) TO pg_write_server_files;

-- ==== end of workers and files ============================================

-- ==== stream ==============================================================
-- ==== end of stream =======================================================

-- ==== reference tables ====================================================
-- ==== end of reference tables =============================================

-- ==== create and load =====================================================

CREATE PROCEDURE hospital_create(people bigint DEFAULT NULL, beds int DEFAULT 1100,
                                 start_date date DEFAULT NULL, end_date date DEFAULT NULL,
                                 seed bigint DEFAULT NULL, name text DEFAULT NULL,
                                 id_mode text DEFAULT 'realistic', transfers_per_day int DEFAULT 15)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $create$
DECLARE
    a_people bigint := coalesce(people, current_setting('hospital.num_people')::bigint);
    a_start  date   := coalesce(start_date, current_setting('hospital.start_date')::date);
    a_end    date   := coalesce(end_date, current_setting('hospital.end_date')::date);
    a_seed   bigint := coalesce(seed, current_setting('hospital.seed')::bigint);
    a_name   text   := coalesce(name, trim(both '-' from left(regexp_replace(lower(current_database()), '[^a-z0-9_]+', '-', 'g'), 40)));
    a_beds   int    := coalesce(beds, 1100);
BEGIN
    -- The arguments; the generators check theirs again.
    IF to_regclass('hospital.simulation') IS NOT NULL THEN
        RAISE EXCEPTION 'this database has a hospital already'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = 'hospital.simulation says what it is; that is frozen.',
                  HINT = 'CALL hospital_load_people() goes on with it. For another one use another database.';
    END IF;
    IF a_people < 1 THEN
        RAISE EXCEPTION 'number of people must be at least 1'
            USING ERRCODE = 'invalid_parameter_value', DETAIL = format('%s was given.', a_people);
    END IF;
    IF a_people > 67108864 THEN
        RAISE EXCEPTION 'a city has at most 67108864 people'
            USING ERRCODE = 'numeric_value_out_of_range',
                  DETAIL = format('%s were asked for; beyond that there are not enough identity numbers for a birth date and sex (5,000 each).', a_people);
    END IF;
    IF a_start < '2000-01-01' OR a_end > '2099-12-31' OR a_end < a_start THEN
        RAISE EXCEPTION 'the hospital''s days must lie between 2000-01-01 and 2099-12-31, the first before the last'
            USING ERRCODE = 'invalid_parameter_value', DETAIL = format('start_date is %s, end_date is %s.', a_start, a_end);
    END IF;
    IF a_name !~ '^[a-z0-9_][a-z0-9_-]{0,39}$' THEN
        RAISE EXCEPTION 'invalid name "%" for a hospital', a_name
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = 'The name is part of paths and topics.',
                  HINT = 'Use up to 40 small letters, digits, _ and -.';
    END IF;
    IF id_mode NOT IN ('realistic', 'marked') THEN
        RAISE EXCEPTION 'unknown id_mode "%"', id_mode
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Use realistic, or marked for identity numbers that cannot belong to a living person.';
    END IF;
    IF transfers_per_day NOT BETWEEN 0 AND 10000 THEN
        RAISE EXCEPTION 'transfers_per_day must be from 0 to 10000'
            USING ERRCODE = 'invalid_parameter_value', DETAIL = format('%s was given.', transfers_per_day);
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
        generator_version int         NOT NULL,
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
    COMMENT ON COLUMN hospital.simulation.generator_version IS 'Version of the generators that made it; another version refuses to go on';
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
    ALTER TABLE hospital.departments ADD CONSTRAINT departments_pkey PRIMARY KEY (department_code);
    COMMENT ON TABLE hospital.departments IS 'The hospital''s departments, department_plan scaled to its beds';
    CREATE TABLE hospital.wards AS SELECT * FROM @extschema@.hospital_generate_wards(a_beds);
    ALTER TABLE hospital.wards ADD CONSTRAINT wards_pkey PRIMARY KEY (ward_code),
        ADD CONSTRAINT wards_department_code_fkey FOREIGN KEY (department_code) REFERENCES hospital.departments;
    COMMENT ON TABLE hospital.wards IS 'The hospital''s wards, ward_plan scaled to its beds';

    -- What happens.
    CREATE TABLE hospital.admissions (
        admission_id  bigint      NOT NULL,
        patient_id    bigint      NOT NULL,
        visit_id      bigint      NOT NULL,
        ward_code     text        NOT NULL,
        admitted_at   timestamptz NOT NULL,
        discharged_at timestamptz,
        triage        text        NOT NULL,
        outcome       text,
        CONSTRAINT admissions_pkey PRIMARY KEY (admission_id),
        CONSTRAINT admissions_times CHECK (discharged_at >= admitted_at)
    );
    COMMENT ON TABLE hospital.admissions IS 'Admissions, from the day files';
    COMMENT ON COLUMN hospital.admissions.admission_id IS 'Day since 2000-01-01 times 100000 plus a number within the day';
    COMMENT ON COLUMN hospital.admissions.patient_id IS 'The patient, a person_id';
    COMMENT ON COLUMN hospital.admissions.visit_id IS 'Visit that it belongs to';
    COMMENT ON COLUMN hospital.admissions.ward_code IS 'Ward of admission, see hospital.wards';
    COMMENT ON COLUMN hospital.admissions.admitted_at IS 'When admitted';
    COMMENT ON COLUMN hospital.admissions.discharged_at IS 'When discharged or died';
    COMMENT ON COLUMN hospital.admissions.triage IS 'South African Triage Scale: RED, ORANGE, YELLOW, GREEN';
    COMMENT ON COLUMN hospital.admissions.outcome IS 'How it ended';

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
        CONSTRAINT transfers_pkey PRIMARY KEY (event_id)
    );
    COMMENT ON TABLE hospital.transfers IS 'Medical transfers, from the stream; an event may be here before its admission''s day file';
    COMMENT ON COLUMN hospital.transfers.event_id IS 'Time-ordered, a function of the simulation';
    COMMENT ON COLUMN hospital.transfers.event_time IS 'When the patient moved';
    COMMENT ON COLUMN hospital.transfers.admission_id IS 'The admission';
    COMMENT ON COLUMN hospital.transfers.patient_id IS 'The patient, a person_id';
    COMMENT ON COLUMN hospital.transfers.from_ward IS 'Ward left';
    COMMENT ON COLUMN hospital.transfers.to_ward IS 'Ward entered';
    COMMENT ON COLUMN hospital.transfers.reason IS 'Why';
    COMMENT ON COLUMN hospital.transfers.status IS 'completed, …';
    COMMENT ON COLUMN hospital.transfers.staff_id IS 'Who ordered it';

    -- How far it got.
    CREATE TABLE hospital.batches (
        batch_id    bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        kind        text        NOT NULL,
        day         date        NOT NULL,
        file        text        NOT NULL,
        sha256      text        NOT NULL,
        bytes       bigint      NOT NULL,
        rows        bigint,
        state       text        NOT NULL CHECK (state IN ('written', 'ingested', 'refused')),
        rejects     bigint      NOT NULL DEFAULT 0,
        message     text,
        written_at  timestamptz NOT NULL DEFAULT now(),
        ingested_at timestamptz,
        UNIQUE (kind, day, sha256)
    );
    COMMENT ON TABLE hospital.batches IS 'The ledger of day files: one row a file, committed before its name appears and changed in the transaction that brings its rows';
    COMMENT ON COLUMN hospital.batches.batch_id IS 'Number of the batch';
    COMMENT ON COLUMN hospital.batches.kind IS 'Kind of records, a table''s name';
    COMMENT ON COLUMN hospital.batches.day IS 'Hospital day';
    COMMENT ON COLUMN hospital.batches.file IS 'File, below hospital.data_folder';
    COMMENT ON COLUMN hospital.batches.sha256 IS 'SHA-256 of its bytes, in hexadecimal';
    COMMENT ON COLUMN hospital.batches.bytes IS 'Its size';
    COMMENT ON COLUMN hospital.batches.rows IS 'Records written into it; once ingested, rows brought in';
    COMMENT ON COLUMN hospital.batches.state IS 'written, ingested or refused';
    COMMENT ON COLUMN hospital.batches.rejects IS 'Lines that went to hospital.rejects';
    COMMENT ON COLUMN hospital.batches.message IS 'Why it was refused';
    COMMENT ON COLUMN hospital.batches.written_at IS 'When the file was written';
    COMMENT ON COLUMN hospital.batches.ingested_at IS 'When its rows came in';

    CREATE TABLE hospital.rejects (
        reject_id   bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        batch_id    bigint      REFERENCES hospital.batches,
        topic       text,
        partition   int,
        "offset"    bigint,
        line        bigint,
        column_name text,
        raw         bytea,
        key         bytea,
        headers     jsonb,
        sqlstate    text        NOT NULL,
        message     text        NOT NULL,
        rejected_at timestamptz NOT NULL DEFAULT now()
    );
    COMMENT ON TABLE hospital.rejects IS 'Lines and messages that could not become rows, as they came';
    COMMENT ON COLUMN hospital.rejects.reject_id IS 'Number of the reject';
    COMMENT ON COLUMN hospital.rejects.batch_id IS 'Day file it came in; null for messages';
    COMMENT ON COLUMN hospital.rejects.topic IS 'Topic it came in; null for lines';
    COMMENT ON COLUMN hospital.rejects.partition IS 'Partition of the topic';
    COMMENT ON COLUMN hospital.rejects."offset" IS 'Offset in the partition';
    COMMENT ON COLUMN hospital.rejects.line IS 'Line of the file on which the record begins; 1 is the header';
    COMMENT ON COLUMN hospital.rejects.column_name IS 'Column at fault, where it is one';
    COMMENT ON COLUMN hospital.rejects.raw IS 'The bytes';
    COMMENT ON COLUMN hospital.rejects.key IS 'The message''s key';
    COMMENT ON COLUMN hospital.rejects.headers IS 'The message''s headers';
    COMMENT ON COLUMN hospital.rejects.sqlstate IS 'SQLSTATE of the fault';
    COMMENT ON COLUMN hospital.rejects.message IS 'The fault, in words';
    COMMENT ON COLUMN hospital.rejects.rejected_at IS 'When';

    CREATE TABLE hospital.stream_ranges (
        topic        text        NOT NULL,
        partition    int         NOT NULL,
        epoch        bigint      NOT NULL DEFAULT 0,
        first_offset bigint      NOT NULL,
        last_offset  bigint      NOT NULL,
        rows         bigint      NOT NULL,
        rejects      bigint      NOT NULL,
        duplicates   bigint      NOT NULL,
        worker_pid   int         NOT NULL,
        committed_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (topic, partition, epoch, first_offset),
        CHECK (last_offset >= first_offset)
    );
    COMMENT ON TABLE hospital.stream_ranges IS 'The ledger of the stream: ranges of offsets, each committed with its rows; the next position is the end of the last one';
    COMMENT ON COLUMN hospital.stream_ranges.topic IS 'Topic';
    COMMENT ON COLUMN hospital.stream_ranges.partition IS 'Partition';
    COMMENT ON COLUMN hospital.stream_ranges.epoch IS 'Life of the embedded broker, which is empty after a restart; 0 for a real one';
    COMMENT ON COLUMN hospital.stream_ranges.first_offset IS 'First offset of the range';
    COMMENT ON COLUMN hospital.stream_ranges.last_offset IS 'Last offset of the range';
    COMMENT ON COLUMN hospital.stream_ranges.rows IS 'Messages that became rows';
    COMMENT ON COLUMN hospital.stream_ranges.rejects IS 'Messages that became rejects';
    COMMENT ON COLUMN hospital.stream_ranges.duplicates IS 'Messages whose event was there already';
    COMMENT ON COLUMN hospital.stream_ranges.worker_pid IS 'Process that committed it';
    COMMENT ON COLUMN hospital.stream_ranges.committed_at IS 'When its transaction began';

    CREATE TABLE hospital.published (
        day          date        NOT NULL,
        tick         int         NOT NULL,
        topic        text        NOT NULL,
        events       int         NOT NULL,
        published_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (day, tick)
    );
    COMMENT ON TABLE hospital.published IS 'Stream ticks whose events the broker has acknowledged';
    COMMENT ON COLUMN hospital.published.day IS 'Hospital day';
    COMMENT ON COLUMN hospital.published.tick IS 'Tick of the day, from 0';
    COMMENT ON COLUMN hospital.published.topic IS 'Topic';
    COMMENT ON COLUMN hospital.published.events IS 'Events published';
    COMMENT ON COLUMN hospital.published.published_at IS 'When it was recorded';

    CREATE TABLE hospital.run_state (
        one_row    boolean     PRIMARY KEY DEFAULT true CHECK (one_row),
        desired    text        NOT NULL DEFAULT 'stopped' CHECK (desired IN ('stopped', 'running')),
        anchor_at  timestamptz,
        anchor_day date,
        changed_at timestamptz NOT NULL DEFAULT now(),
        changed_by text        NOT NULL DEFAULT current_user
    );
    COMMENT ON TABLE hospital.run_state IS 'What the live simulation should be doing: one row';
    COMMENT ON COLUMN hospital.run_state.one_row IS 'Always true: there is one row';
    COMMENT ON COLUMN hospital.run_state.desired IS 'running or stopped';
    COMMENT ON COLUMN hospital.run_state.anchor_at IS 'Real time at which anchor_day began';
    COMMENT ON COLUMN hospital.run_state.anchor_day IS 'Hospital day that began at anchor_at';
    COMMENT ON COLUMN hospital.run_state.changed_at IS 'When hospital_start or hospital_stop was called last';
    COMMENT ON COLUMN hospital.run_state.changed_by IS 'By whom';

    INSERT INTO hospital.simulation (simulation_id, name, seed, people, beds, start_date, end_date, id_mode,
                                     transfers_per_day, generator_version, system_identifier, database_oid)
    SELECT gen_random_uuid(), a_name, a_seed, a_people, a_beds, a_start, a_end, id_mode,
           transfers_per_day, @extschema@.hospital_generator_version(),
           (pg_control_system()).system_identifier, d.oid
    FROM pg_database d WHERE d.datname = current_database();
    INSERT INTO hospital.run_state DEFAULT VALUES;
END
$create$;
COMMENT ON PROCEDURE hospital_create(bigint, int, date, date, bigint, text, text, int) IS
    'Freeze what this hospital is and make its tables, as ordinary tables of the caller''s; arguments left out are taken from the settings hospital.num_people, start_date, end_date and seed';

CREATE PROCEDURE hospital_load_people(people bigint DEFAULT NULL, workers int DEFAULT NULL, keys boolean DEFAULT true)
    LANGUAGE C
    AS 'MODULE_PATHNAME';
COMMENT ON PROCEDURE hospital_load_people(bigint, int, boolean) IS
    'Fill hospital.people, in parallel; what is there already is kept, so that a load that was interrupted is completed by calling it again. Makes the hospital first where there is none. keys => false leaves primary key and unique identity numbers for later';

CREATE PROCEDURE hospital_load_staff(workers int DEFAULT NULL)
    LANGUAGE C
    AS 'MODULE_PATHNAME';
COMMENT ON PROCEDURE hospital_load_staff(int) IS
    'Fill hospital.staff and hospital.staff_assignments from the start date to the end date; completes what is missing';

CREATE VIEW hospital.progress AS
SELECT p.pid, p.relid::pg_catalog.regclass AS loading,
       p.param3 AS rows_done, nullif(p.param17, -1) AS rows_total,
       pg_catalog.round(100.0 * p.param3 / nullif(nullif(p.param17, -1), 0), 1) AS percent,
       pg_catalog.to_timestamp(946684800 + p.param18 / 1000000.0) AS started_at
FROM pg_catalog.pg_stat_get_progress_info('COPY') p
WHERE p.param16 = 1752134512;
COMMENT ON VIEW hospital.progress IS 'Loads that are running now; each is also in pg_stat_progress_copy';
COMMENT ON COLUMN hospital.progress.pid IS 'Session that called the load';
COMMENT ON COLUMN hospital.progress.loading IS 'Table';
COMMENT ON COLUMN hospital.progress.rows_done IS 'Rows there so far';
COMMENT ON COLUMN hospital.progress.rows_total IS 'Rows there will be; null where it is not known beforehand';
COMMENT ON COLUMN hospital.progress.percent IS 'Done, of the total';
COMMENT ON COLUMN hospital.progress.started_at IS 'When the load began';
GRANT SELECT ON hospital.progress TO PUBLIC;

-- ==== end of create and load ==============================================
