/* hospital--1.0--1.1.sql: what a next version might do; the tests' own */

-- complain if script is sourced in psql, rather than via ALTER EXTENSION
\echo Use "ALTER EXTENSION hospital UPDATE TO '1.1'" to load this file. \quit

SELECT @extschema@.hospital_begin_update('1.1');

-- a reference table has a further column, and other rows
ALTER TABLE hospital.suburbs ADD COLUMN ring int;
COMMENT ON COLUMN hospital.suburbs.ring IS 'How far out: 1 is the inner city';
UPDATE hospital.suburbs SET ring = 1 + length(suburb) % 3;
INSERT INTO hospital.volumes (metric, unit, value) VALUES ('porters', 'per 1,000 beds', 12);

-- a function
CREATE FUNCTION hospital_suburbs_of_ring(ring int) RETURNS SETOF text
    LANGUAGE sql STABLE STRICT
    BEGIN ATOMIC
        SELECT s.suburb FROM hospital.suburbs s WHERE s.ring = $1;
    END;
COMMENT ON FUNCTION hospital_suburbs_of_ring(int) IS 'Suburbs of a ring';
REVOKE ALL ON FUNCTION hospital_suburbs_of_ring(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION hospital_suburbs_of_ring(int) TO pg_monitor;

-- a view
CREATE VIEW hospital.rings AS
SELECT s.ring, count(*) AS suburbs FROM hospital.suburbs s GROUP BY s.ring;
COMMENT ON VIEW hospital.rings IS 'Suburbs by ring';
GRANT SELECT ON hospital.rings TO PUBLIC;

-- a comment
COMMENT ON FUNCTION hospital_audit_stream() IS 'What the ledger of the stream says of itself, from version 1.1 on in these words';

-- functions as they are now; each is in the script of the whole version, too
[hospital_tables_version]
[hospital_upgrade_tables]
[hospital_create]
[hospital_create_marts]
[hospital_prune_history]
