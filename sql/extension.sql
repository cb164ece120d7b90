--
-- The extension itself: where it may live, what it says of its objects, what
-- it leaves behind.  The last statement leaves it installed in public.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS hospital;
DROP SCHEMA IF EXISTS hospital CASCADE;
RESET client_min_messages;
SET datestyle = iso;

-- A schema of somebody else's is not taken over.
CREATE SCHEMA hospital;
CREATE TABLE hospital.mine (i int);
DO $$
DECLARE
    m text; d text; h text;
BEGIN
    EXECUTE 'CREATE EXTENSION hospital';
    RAISE NOTICE 'it was created';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS m = MESSAGE_TEXT, d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
    RAISE NOTICE '% % | % | %', SQLSTATE, m, d, h;
END
$$;
SELECT count(*) AS still_there FROM hospital.mine;
SELECT count(*) AS extensions FROM pg_extension WHERE extname = 'hospital';
DROP SCHEMA hospital CASCADE;

-- What is there before, to be compared with what is there after.
CREATE TEMPORARY TABLE before AS
SELECT 'function ' || p.oid::regprocedure AS object FROM pg_proc p
UNION ALL SELECT 'relation ' || c.oid::regclass FROM pg_class c WHERE relnamespace <> pg_my_temp_schema() AND relkind <> 't'
    AND relnamespace::regnamespace::text NOT LIKE 'pg\_toast%'
UNION ALL SELECT 'type ' || t.oid::regtype FROM pg_type t WHERE typnamespace <> pg_my_temp_schema() AND typnamespace::regnamespace::text NOT LIKE 'pg\_toast%'
UNION ALL SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\_%';

-- A schema other than public, which is on nobody's search path.
CREATE SCHEMA "Odd schema";
CREATE EXTENSION hospital SCHEMA "Odd schema";
SELECT p.person_id, p.national_id IS NOT NULL OR p.passport_no IS NOT NULL OR p.citizenship <> 'ZA' AS documented, p.sex IN ('F', 'M') AS sex
FROM "Odd schema".hospital_generate_people(3) p;
SELECT count(*), bool_and("Odd schema".hospital_national_id_valid(national_id)) FROM "Odd schema".hospital_generate_people(3000);
SELECT count(*) > 1000 AS staff FROM "Odd schema".hospital_generate_staff();
SELECT count(*) > 0 AS wards FROM "Odd schema".hospital_generate_wards();
SELECT "Odd schema".hospital_national_id('2000-02-29', 'M', 0, false);
SELECT '8001015009087'::hospital.national_id;
SELECT count(*) FROM hospital.suburbs;

-- It does not move afterwards.
ALTER EXTENSION hospital SET SCHEMA public;

-- Members without a comment: none.
CREATE TEMPORARY TABLE member AS
SELECT d.classid, d.objid
FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'hospital'
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e';

SELECT pg_describe_object(m.classid, m.objid, 0) COLLATE "C" AS without_comment
FROM member m
WHERE obj_description(m.objid, m.classid::regclass::name) IS NULL
  -- array types, the row types of tables and views, and toast tables
  AND NOT (m.classid = 'pg_type'::regclass
           AND EXISTS (SELECT FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
                       WHERE t.oid = m.objid AND (t.typelem <> 0 OR c.relkind <> 'c')))
  AND NOT (m.classid = 'pg_class'::regclass
           AND EXISTS (SELECT FROM pg_class c WHERE c.oid = m.objid AND c.relkind IN ('c', 'i', 't', 'S')))
ORDER BY 1;

SELECT format('%s.%s', a.attrelid::regclass, a.attname) COLLATE "C" AS column_without_comment
FROM member m
JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid AND c.relkind IN ('r', 'v', 'm', 'p', 'f')
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE col_description(a.attrelid, a.attnum) IS NULL
ORDER BY 1;

-- There is something to look at, so that the two queries above say something.
SELECT count(*) FILTER (WHERE classid = 'pg_proc'::regclass) > 15 AS functions,
       count(*) FILTER (WHERE classid = 'pg_class'::regclass) > 30 AS relations,
       count(*) FILTER (WHERE classid = 'pg_type'::regclass) > 5 AS types
FROM member;

-- Names: functions are hospital_*, everything else is in schema hospital.
SELECT p.oid::regprocedure AS misnamed
FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
WHERE p.proname NOT LIKE 'hospital\_%' OR p.pronamespace <> '"Odd schema"'::regnamespace;
SELECT c.oid::regclass AS misplaced
FROM member m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid
WHERE c.relnamespace <> 'hospital'::regnamespace;

-- Generators and identity numbers are pure: Citus and parallel plans rely on it.
SELECT p.proname, p.provolatile, p.proparallel, p.proisstrict
FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
WHERE (p.proname LIKE 'hospital\_generate\_%' OR p.proname LIKE 'hospital\_national\_id%')
  AND (p.provolatile <> 'i' OR p.proparallel <> 's' OR NOT p.proisstrict);
SELECT count(*) >= 10 AS looked_at
FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
WHERE p.proname LIKE 'hospital\_generate\_%' OR p.proname LIKE 'hospital\_national\_id%';

-- A generator plans as a row source because of its support function.
SELECT p.proname
FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
WHERE p.proname LIKE 'hospital\_generate\_%' AND p.prosupport = 0;

-- What starts, stops and touches files is not everybody's.
SELECT p.oid::regprocedure AS executable_by_public
FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
WHERE p.proname IN ('hospital_start', 'hospital_stop', 'hospital_ingest', 'hospital_export')
  AND (p.proacl IS NULL OR EXISTS (SELECT FROM aclexplode(p.proacl) a WHERE a.grantee = 0 AND a.privilege_type = 'EXECUTE'));

-- Reference tables are for everybody to read and for nobody to write.
CREATE ROLE regress_hospital_reader;
SET ROLE regress_hospital_reader;
SELECT count(*) > 100 AS readable FROM hospital.suburbs;
DO $$
BEGIN
    DELETE FROM hospital.suburbs;
    RAISE NOTICE 'deleted';
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE '% %', SQLSTATE, SQLERRM;
END
$$;
RESET ROLE;
DROP ROLE regress_hospital_reader;

-- DROP EXTENSION takes everything with it.
DROP EXTENSION hospital;
DROP SCHEMA "Odd schema";
WITH after AS (
    SELECT 'function ' || p.oid::regprocedure AS object FROM pg_proc p
    UNION ALL SELECT 'relation ' || c.oid::regclass FROM pg_class c WHERE relnamespace <> pg_my_temp_schema() AND relkind <> 't'
        AND relnamespace::regnamespace::text NOT LIKE 'pg\_toast%'
    UNION ALL SELECT 'type ' || t.oid::regtype FROM pg_type t WHERE typnamespace <> pg_my_temp_schema() AND typnamespace::regnamespace::text NOT LIKE 'pg\_toast%'
    UNION ALL SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\_%'
)
(SELECT 'left behind' AS what, object FROM after EXCEPT SELECT 'left behind', object FROM before)
UNION ALL
(SELECT 'gone', object FROM before EXCEPT SELECT 'gone', object FROM after)
ORDER BY 1, 2;

CREATE EXTENSION hospital;
