--
-- Scheduled jobs, without a server that runs any: how schedules are read, when
-- they are due (against an oracle in plain SQL, over a year of several zones),
-- what is refused and how it is said.
--
CREATE DATABASE hospital_regress_jobs TEMPLATE template0 ENCODING 'UTF8';
\c hospital_regress_jobs
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
SET IntervalStyle = 'postgres';
\set SHOW_CONTEXT never
CREATE EXTENSION hospital;

-- there is no hospital
SELECT hospital_schedule_job('a', '1 minute', 'SELECT 1');
SELECT hospital_unschedule_job('a');
SELECT hospital_run_job('a');
CALL hospital_close_days();
SELECT hospital_prune_history();

-- ---- the next time, by example ------------------------------------------------
SELECT schedule, hospital_next_run(schedule, 'Africa/Johannesburg', '2026-03-04 10:17:25+02') AT TIME ZONE 'Africa/Johannesburg' AS next
FROM unnest(ARRAY['* * * * *', '*/5 * * * *', '17 * * * *', '18 * * * *', '30 2 * * *', '0 9-17/4 * * mon-fri',
    '0 0 1 * *', '0 0 L * *', '0 0 $ feb *', '0 0 L,15 * *', '0 12 * * SUN', '0 12 * * 7', '0 12 * * 0', '0 12 * * fri-sun',
    '0 12 * * 5-7', '0 0 29 feb *', '0 0 13 * fri', '0 0 */2 * 1', '5,10,20-22 11 * * *', '10/25 10 * * *',
    '@hourly', '@daily', '@weekly', '@monthly', '@yearly', '  0   3  *  *  *  ', 'after day ingested', 'After  Day  Closed',
    '15 minutes', '1 day', '1 month', '1 day 02:00:00', '00:00:01']) WITH ORDINALITY s (schedule, n) ORDER BY n;

-- an interval is counted from its start, by the calendar of the zone
SELECT hospital_next_run('1 month', 'Africa/Johannesburg', '2026-02-28 12:00+02', '2026-01-31 08:00+02');
SELECT hospital_next_run('1 month', 'Africa/Johannesburg', '2026-03-01 12:00+02', '2026-01-31 08:00+02');
SELECT hospital_next_run('1 day', 'Europe/Berlin', '2024-03-30 12:00+01', '2024-01-01 02:30+01');
SELECT hospital_next_run('1 day', 'Europe/Berlin', '2024-03-31 12:00+02', '2024-01-01 02:30+01');
SELECT hospital_next_run('24 hours', 'Europe/Berlin', '2024-03-31 12:00+02', '2024-01-01 02:30+01');
SELECT hospital_next_run('15 minutes', 'UTC', '2026-05-05 00:07', '2026-05-05 00:02:30');
SELECT hospital_next_run('15 minutes', 'UTC', '2026-05-05 00:07', '2027-01-01 00:00');
SELECT hospital_next_run(NULL), hospital_next_run('1 hour', 'UTC', 'infinity');

-- a day that a zone does not have
SELECT hospital_next_run('0 12 30 12 *', 'Pacific/Apia', '2011-12-29 12:00-10') AT TIME ZONE 'Pacific/Apia' AS apia;

-- ---- over a year ---------------------------------------------------------------
--
-- All of the year's steps of five minutes, as instants and as what clocks show.
-- A schedule's times are the steps that its condition holds for. Where it is not
-- one of every hour: of two equal local times the first; and what clocks leave
-- out counts at the first step after it.
CREATE TABLE steps AS
SELECT z.zone, s.at, s.at AT TIME ZONE z.zone AS local
FROM unnest(ARRAY['Africa/Johannesburg', 'Europe/Berlin', 'America/Havana', 'Australia/Lord_Howe']) z (zone),
     generate_series('2024-01-01 00:00+00'::timestamptz, '2025-01-01 00:00+00', '5 minutes') s (at);
CREATE INDEX ON steps (zone, local);
CREATE TABLE left_out AS
SELECT z.zone, l.local, (SELECT min(s.at) FROM steps s WHERE s.zone = z.zone AND s.local > l.local) AS after_it
FROM (SELECT zone, min(local) + interval '1 day' AS first, max(local) - interval '1 day' AS last FROM steps GROUP BY zone) z,
     generate_series(z.first, z.last, '5 minutes') l (local)
WHERE NOT EXISTS (SELECT FROM steps s WHERE s.zone = z.zone AND s.local = l.local);
SELECT zone, count(*), min(local), max(local) FROM left_out GROUP BY zone ORDER BY zone;

CREATE FUNCTION expected(a_zone text, condition text, every_hour boolean) RETURNS SETOF timestamptz LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format($q$
        WITH t AS (SELECT s.at, row_number() OVER (PARTITION BY s.local ORDER BY s.at) AS nth
                   FROM (SELECT *, extract(minute FROM local) AS mi, extract(hour FROM local) AS ho, extract(day FROM local) AS da,
                                extract(month FROM local) AS mo, extract(dow FROM local) AS wd FROM steps WHERE zone = %1$L) s WHERE %2$s)
        SELECT at FROM t WHERE nth = 1 OR %3$L::boolean
        UNION
        SELECT s.after_it
        FROM (SELECT *, extract(minute FROM local) AS mi, extract(hour FROM local) AS ho, extract(day FROM local) AS da,
                     extract(month FROM local) AS mo, extract(dow FROM local) AS wd FROM left_out WHERE zone = %1$L) s
        WHERE %2$s AND NOT %3$L::boolean$q$, a_zone, condition, every_hour);
END $$;
CREATE FUNCTION found(zone text, schedule text) RETURNS SETOF timestamptz LANGUAGE plpgsql AS $$
DECLARE
    at timestamptz := '2023-12-31 23:59:59+00';
BEGIN
    LOOP
        at := hospital_next_run(schedule, zone, at);
        EXIT WHEN at > '2025-01-01 00:00+00';
        RETURN NEXT at;
    END LOOP;
END $$;

WITH cases (schedule, every_hour, condition) AS (VALUES
    ('30 2 * * *', false, 'mi = 30 AND ho = 2'),
    ('0,15,30,45 1-3 * * *', false, 'mi IN (0, 15, 30, 45) AND ho BETWEEN 1 AND 3'),
    ('20 */2 * * *', false, 'mi = 20 AND ho::int % 2 = 0'),
    ('*/15 * * * *', true, 'mi::int % 15 = 0'),
    ('5 0-23 * * *', true, 'mi = 5'),
    ('0 0 * * *', false, 'mi = 0 AND ho = 0'),
    ('40 0,23 * * *', false, 'mi = 40 AND ho IN (0, 23)'),
    ('10 4 L * *', false, 'mi = 10 AND ho = 4 AND extract(day FROM local + interval ''1 day'') = 1'),
    ('0 6 1,15 * mon', false, 'mi = 0 AND ho = 6 AND (da IN (1, 15) OR wd = 1)'),
    ('0 6 */10 * mon', false, 'mi = 0 AND ho = 6 AND da IN (1, 11, 21, 31) AND wd = 1'),
    ('55 12 * jan-mar,10 fri-sun', false, 'mi = 55 AND ho = 12 AND mo IN (1, 2, 3, 10) AND wd IN (5, 6, 0)'),
    ('35 8/5 31 * *', false, 'mi = 35 AND ho IN (8, 13, 18, 23) AND da = 31')
)
SELECT z.zone, c.schedule, count(e.e) AS expected, count(f.f) FILTER (WHERE e.e IS NULL) AS too_many,
       count(e.e) FILTER (WHERE f.f IS NULL) AS missing
FROM cases c CROSS JOIN (SELECT DISTINCT zone FROM steps) z
CROSS JOIN LATERAL (SELECT e, f FROM expected(z.zone, c.condition, c.every_hour) e FULL JOIN found(z.zone, c.schedule) f ON e = f) x
CROSS JOIN LATERAL (SELECT x.e) e CROSS JOIN LATERAL (SELECT x.f) f
GROUP BY z.zone, c.schedule ORDER BY z.zone, c.schedule COLLATE "C";

-- ---- what cannot be read --------------------------------------------------------
DO $$
DECLARE
    bad text;
    detail text;
    hint text;
BEGIN
    FOREACH bad IN ARRAY ARRAY['', 'often', '* * * *', '* * * * * *', '60 * * * *', '* 24 * * *', '* * 0 * *', '* * 32 * *',
        '* * * 13 *', '* * * * 8', '* * * foo *', '5-1 * * * *', '*/0 * * * *', '1, * * * *', '1- * * * *', '-1 * * * *',
        '1.5 * * * *', '* L * * *', '0 0 31 feb *', '0 0 30-31 2 *', '0 seconds', '-1 minute', '999 milliseconds',
        '1000 years', '5 potatoes', '1 hour ago', 'after day opened', '@often'] LOOP
        BEGIN
            PERFORM hospital_next_run(bad);
            RAISE NOTICE '"%" was taken', bad;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
            RAISE WARNING '% % [%] %', SQLSTATE, SQLERRM, detail, CASE WHEN hint = '' THEN 'NO HINT' ELSE 'hint' END;
        END;
    END LOOP;
END $$;
SELECT hospital_next_run('* * * * *', 'Mars/Olympus');

-- ---- jobs --------------------------------------------------------------------------
CALL hospital_create(people => 1000, beds => 200, start_date => '2020-01-01', end_date => '2020-12-31');
SELECT job_name, schedule, depends_on, catch_up, enabled, while_stopped FROM hospital.jobs ORDER BY job_name;
SELECT job_name, state, next_due_at FROM hospital.job_status;

SELECT hospital_schedule_job('load', '0 1 * * *', 'SELECT 1');
SELECT hospital_schedule_job('check', NULL, 'SELECT 2', depends_on => '{load}');
SELECT hospital_schedule_job('report', '30 6 * * mon', 'SELECT 3', 'Europe/Berlin', '{check,load}', max_retries => 0);
SELECT job_name, schedule, time_zone, depends_on, max_retries FROM hospital.jobs
WHERE job_name IN ('load', 'check', 'report') ORDER BY job_name;
SELECT hospital_schedule_job(NULL, '1 minute', 'SELECT 1');
SELECT hospital_schedule_job('', '1 minute', 'SELECT 1');
SELECT hospital_schedule_job('x', '1 minute', NULL);
SELECT hospital_schedule_job('x', '1 minute', '  ');
SELECT hospital_schedule_job('x', 'sometimes', 'SELECT 1');
SELECT hospital_schedule_job('x', '1 minute', 'SELECT 1', 'nowhere');
SELECT hospital_schedule_job('x', '1 minute', 'SELECT 1', catch_up => 'maybe');
SELECT hospital_schedule_job('x', '1 minute', 'SELECT 1', max_retries => -1);
SELECT hospital_schedule_job('x', '1 minute', 'SELECT 1', max_runtime => '0');
SELECT hospital_schedule_job('x', NULL, 'SELECT 1', depends_on => '{nobody}');
SELECT hospital_schedule_job('x', NULL, 'SELECT 1', depends_on => '{x}');
SELECT hospital_schedule_job('x', NULL, 'SELECT 1', depends_on => '{NULL}');
-- circles
SELECT hospital_schedule_job('load', '0 1 * * *', 'SELECT 1', depends_on => '{report}');
SELECT hospital_schedule_job('load', '0 1 * * *', 'SELECT 1', depends_on => '{check}');
SELECT hospital_schedule_job('load', '0 1 * * *', 'SELECT 1', depends_on => '{close days}');
-- others depend on it
SELECT hospital_unschedule_job('load');
SELECT hospital_unschedule_job('nobody');
SELECT hospital_run_job('nobody');
SELECT hospital_run_job('report') > 0 AS waits;
SELECT job_name, cause, state, attempt FROM hospital.job_runs;
SELECT hospital_unschedule_job('report');
SELECT job_name, cause, state, message FROM hospital.job_runs;

-- a run whose process is gone has crashed
INSERT INTO hospital.job_history (job_name, cause, due_at, state, started_at, pid) VALUES ('load', 'schedule', now(), 'running', now(), 1);
SELECT job_name, state FROM hospital.job_runs WHERE job_name = 'load' AND state <> 'skipped';
SELECT state FROM hospital.job_history WHERE job_name = 'load' AND state <> 'skipped';

-- history: each job's own time, and the last success for ever
UPDATE hospital.jobs SET keep_history = '1 day' WHERE job_name = 'check';
INSERT INTO hospital.job_history (job_name, cause, due_at, state, started_at, ended_at)
SELECT 'check', 'schedule', now() - n * interval '10 hours', CASE WHEN n = 5 THEN 'succeeded' ELSE 'failed' END, now(), now() - n * interval '10 hours'
FROM generate_series(1, 9) n;
INSERT INTO hospital.job_history (job_name, cause, due_at, state, ended_at) VALUES ('gone', 'by hand', now(), 'failed', now() - interval '31 days');
SELECT hospital_prune_history();
SELECT state, count(*) FROM hospital.job_history WHERE job_name = 'check' GROUP BY state ORDER BY state;
SELECT hospital_prune_history();

-- not for everybody
CREATE ROLE regress_hospital_nobody;
SET ROLE regress_hospital_nobody;
SELECT hospital_schedule_job('x', '1 minute', 'SELECT 1');
SELECT hospital_unschedule_job('check');
SELECT hospital_run_job('check');
SELECT hospital_wake_jobs();
SELECT hospital_prune_history();
CALL hospital_close_days();
SELECT hospital_next_run('0 0 1 1 *', 'UTC', '2026-05-05 00:00+00');
RESET ROLE;

-- a procedure that is granted needs no grant of its parts
GRANT SELECT ON hospital.days, hospital.batches, hospital.jobs, hospital.job_history TO regress_hospital_nobody;
GRANT EXECUTE ON PROCEDURE hospital_close_days(int) TO regress_hospital_nobody;
SET ROLE regress_hospital_nobody;
CALL hospital_close_days();
RESET ROLE;
DROP OWNED BY regress_hospital_nobody;
DROP ROLE regress_hospital_nobody;

\c postgres
DROP DATABASE hospital_regress_jobs;
