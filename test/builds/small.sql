-- small.sql: a hospital once through everything, for tools too slow for the tests:
-- people, days, files, validation, events, messages, exports, undoing.  The hospital
-- (seed 5, 10,000 people, 200 beds, from 2020-01-01) is there already, people and
-- staff loaded.  What is not as it should be raises an error.
\set ON_ERROR_STOP on
SET client_min_messages = warning;

CREATE FUNCTION pg_temp.must(what text, is_so boolean) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF is_so IS NOT TRUE THEN RAISE EXCEPTION '% is not so', what; END IF;
    RETURN 'ok ' || what;
END $$;

-- the generators, as a custom scan and as functions
SELECT pg_temp.must('people', count(*) = 60) FROM hospital_generate_people(60);
SELECT pg_temp.must('people one by one', count(*) = 5) FROM (SELECT hospital_generate_people(5)) x;
SELECT pg_temp.must('identity numbers', bool_and(hospital_national_id_valid(national_id) OR national_id IS NULL))
FROM hospital_generate_people(60, first => 1000000);

-- days as files, validation
CALL hospital_run(1);
SELECT pg_temp.must('the day is what was generated', bool_and(ok)) FROM hospital_validate('2020-01-01', '2020-01-01');

-- events and messages, read back; and spoilt ones, told and not raised
CREATE TEMPORARY TABLE events AS SELECT payload FROM hospital_generate_events('transfers', '2020-01-01', 5, 10000, 200);
CREATE TEMPORARY TABLE messages AS SELECT message FROM hospital_generate_hl7('2020-01-01', 5, 10000, 200) LIMIT 20;
SELECT pg_temp.must('events', bool_and(ok)) FROM events, hospital_try_event('transfers', convert_to(payload, 'UTF8'));
SELECT pg_temp.must('messages', bool_and(ok)) FROM messages, hospital_try_hl7(convert_to(message, 'UTF8'));
SELECT pg_temp.must('events that are cut off', bool_and(NOT ok))
FROM (SELECT payload FROM events LIMIT 1) e, generate_series(0, length(payload) - 1, 7) n,
     hospital_try_event('transfers', convert_to(left(payload, n), 'UTF8'));
SELECT pg_temp.must('messages that are cut off are told', count(*) > 0)
FROM (SELECT message FROM messages LIMIT 1) m, generate_series(0, length(message) - 1, 11) n,
     hospital_try_hl7(convert_to(left(message, n), 'UTF8'));

-- files out, a day undone and taken in again
CALL hospital_export('transfers', 'csv', 'small/transfers.csv');
SELECT max(batch_id) AS batch FROM hospital.batches \gset
CALL hospital_undo_batch(:batch);
CALL hospital_run(1);
SELECT pg_temp.must('the next day', bool_and(ok)) FROM hospital_validate('2020-01-02', '2020-01-02');
