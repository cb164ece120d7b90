-- stream_tables.sql: the tables that the others fill, in a schema of their own.
-- The same columns and types as hospital.transfers; nothing is checked.
CREATE SCHEMA rival;
CREATE TABLE rival.plain (
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
CREATE TABLE rival.keyed (LIKE rival.plain, PRIMARY KEY (event_id));
CREATE TABLE rival.indexed (LIKE rival.keyed INCLUDING INDEXES);
CREATE INDEX ON rival.indexed (admission_id);
CREATE TABLE rival.debezium (LIKE rival.keyed INCLUDING INDEXES);
CREATE TABLE rival.flink (LIKE rival.keyed INCLUDING INDEXES);
CREATE TABLE rival.raw (j jsonb);
CREATE TABLE rival.positions (partition int PRIMARY KEY, next bigint NOT NULL);
GRANT USAGE ON SCHEMA rival TO rival;
GRANT ALL ON ALL TABLES IN SCHEMA rival TO rival;
