--
-- Calls that a fuzzer has found, or would: rows that are none of the table's.
--
CREATE DATABASE hospital_regress_hostile TEMPLATE template0 ENCODING 'UTF8';
\c hospital_regress_hostile
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE EXTENSION hospital;
\set VERBOSITY sqlstate

-- a number where a text is looked for is no address to read from
CREATE TYPE other AS (
    desired bigint, window_number int, window_started_at timestamptz, first_day date, last_day date, first_tick bigint,
    live_from date, anchor_at timestamptz, anchor_day date, anchor_part double precision, day_length interval,
    speed double precision, tick_at timestamptz, next_tick bigint, stream_interval interval, stood_at timestamptz);
CREATE TYPE same AS (
    desired text, window_number int, window_started_at timestamptz, first_day date, last_day date, first_tick bigint,
    live_from date, anchor_at timestamptz, anchor_day date, anchor_part double precision, day_length interval,
    speed double precision, tick_at timestamptz, next_tick bigint, stream_interval interval, stood_at timestamptz);
CREATE FUNCTION a_row(desired text, number int, day_length interval, stream_interval interval) RETURNS same LANGUAGE sql RETURN
    ROW(desired, number, '2020-01-01 00:00+00', '2020-01-01', '2020-01-10', 1, '2020-01-01', '2020-01-01 00:00+00', '2020-01-01', 0,
        day_length, 1, '2020-01-01 00:00+00', 1, stream_interval, '2020-01-03 12:00+00')::same;
SELECT hospital_window_now(ROW(281474976710656, 1, now(), now(), now(), 1, now(), now(), now(), 0, '1 day', 1, now(), 1, '1 hour', NULL)::other);
SELECT hospital_window_now(ROW(1));
SELECT hospital_window_now(ROW());

-- as the table has it, but for values that it would refuse
SELECT hospital_window_now(a_row(NULL, 1, '1 day', '1 hour'));
SELECT hospital_window_now(a_row('running', NULL, '1 day', '1 hour'));
SELECT hospital_window_now(a_row('running', 1, NULL, '1 hour'));
SELECT hospital_window_now(a_row('running', 1, '1 day', NULL));
SELECT hospital_window_now(a_row('running', 1, '1 day', '0'));
SELECT hospital_window_now(a_row('running', 1, '1 day', '-1 microsecond'));
SELECT state, hospital_time, day_takes, days_due, ticks, ticks_due FROM hospital_window_now(a_row('running', 1, '1 day', '1 hour'));
SELECT state, hospital_time FROM hospital_window_now(a_row('running', 0, NULL, NULL));

\c postgres
SET client_min_messages = warning;
DROP DATABASE hospital_regress_hostile;
