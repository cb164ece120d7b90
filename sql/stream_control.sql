--
-- Control and sight of the stream, without one: the ledger is written by hand,
-- as a consumer would.  What is decided about partitions and recorded, what the
-- errors say, and that the audit notices every damage.
--
CREATE DATABASE hospital_regress_stream TEMPLATE template0 ENCODING 'UTF8';
\c hospital_regress_stream
SET client_min_messages = warning;
\set SHOW_CONTEXT never
CREATE EXTENSION hospital;

-- there is no hospital
SELECT hospital_seek('hospital.transfers', 0, 0);
SELECT hospital_pause('hospital.transfers');
SELECT hospital_resume('hospital.transfers');
SELECT hospital_accept_gap('hospital.transfers', 0);
SELECT * FROM hospital_audit_stream();
SELECT * FROM hospital.stream_workers;
SELECT * FROM hospital.stream_stages;

CALL hospital_create(people => 1000, beds => 200, start_date => '2020-01-01', end_date => '2020-12-31');
SELECT * FROM hospital_audit_stream();

-- nobody has met these
SELECT hospital_seek('hospital.transfers', 0, 0);
SELECT hospital_pause('hospital.transfers');
SELECT hospital_pause('hospital.transfers', 1);
SELECT hospital_resume('hospital.transfers');
SELECT hospital_accept_gap('hospital.transfers', 0);
SELECT hospital_seek(NULL, 0, 0);
SELECT hospital_seek('hospital.transfers', NULL, 0);
SELECT hospital_pause(NULL);
SELECT hospital_accept_gap('hospital.transfers', NULL);

-- what a consumer would have written
INSERT INTO hospital.stream_topics (topic, kind, format) VALUES
    ('hospital.transfers', 'transfers', 'json'), ('hospital.prescriptions', 'prescriptions', 'json'),
    ('hospital.visits', 'visits', 'json');
INSERT INTO hospital.stream_partitions (topic, partition, start_offset) VALUES
    ('hospital.transfers', 0, NULL), ('hospital.transfers', 1, 100), ('hospital.transfers', 2, NULL),
    ('hospital.prescriptions', 0, NULL);
INSERT INTO hospital.stream_ranges (topic, partition, epoch, first_offset, last_offset, messages, rows, rejects, duplicates,
                                    last_timestamp, worker_pid) VALUES
    ('hospital.transfers', 0, 0, 0, 4, 5, 4, 0, 1, '2020-01-01', 1),
    ('hospital.transfers', 0, 0, 5, 9, 4, 2, 2, 0, '2020-01-02', 1),
    ('hospital.transfers', 0, 0, 10, 10, 1, 1, 0, 0, '2020-01-03', 1),
    ('hospital.transfers', 1, 0, 100, 101, 2, 1, 1, 0, '2020-01-03', 1),
    ('hospital.prescriptions', 0, 0, 7, 9, 3, 3, 0, 0, '2020-01-03', 1);
INSERT INTO hospital.rejects (topic, partition, epoch, "offset", sqlstate, message) VALUES
    ('hospital.transfers', 0, 0, 6, '22032', 'bad'), ('hospital.transfers', 0, 0, 8, '22032', 'bad'),
    ('hospital.transfers', 1, 0, 100, '22032', 'bad');
-- two of the ten transfers came with a file, which also had one of the stream's
INSERT INTO hospital.transfers
SELECT format('01890a5d-ac96-774b-bcce-%s', lpad(i::text, 12, '0'))::uuid, '2020-01-01', i, i, 'A', 'B', 'C', 'D', i
FROM generate_series(1, 10) i;
INSERT INTO hospital.batches (kind, day, file, sha256, bytes, rows, merged, state) VALUES
    ('transfers', '2020-01-01', 'f', 'x', 1, 3, 1, 'ingested'), ('transfers', '2020-01-02', 'f', 'y', 1, 100, 0, 'written');
INSERT INTO hospital.prescriptions
SELECT g.* FROM hospital_generate_prescriptions('2020-01-01', 42, 1000, 200) g LIMIT 3;

CREATE VIEW partitions AS
SELECT topic, partition AS p, epoch AS e, start_offset AS start, state, reason, sqlstate, log_begin, log_end, changed_by = session_user AS mine
FROM hospital.stream_partitions ORDER BY topic, partition;
CREATE VIEW actions AS
SELECT action, topic, partition AS p, epoch AS e, from_offset AS "from", to_offset AS "to", reason, who = session_user AS mine
FROM hospital.stream_actions ORDER BY action_id;
CREATE VIEW lag AS
SELECT topic, partition AS p, epoch AS e, position, log_end, lag, lag_seconds, rate, state, last_error, worker FROM hospital.stream_lag;

SELECT * FROM lag;
SELECT * FROM hospital_audit_stream();

-- ---- the audit notices every damage -----------------------------------------

CREATE VIEW noticed AS
SELECT check_name, topic, partition AS p, expected, found FROM hospital_audit_stream() WHERE ok IS NOT TRUE;
SELECT * FROM noticed;
\set undo 'SELECT * FROM noticed; ROLLBACK;'
-- a hole, an overlap
BEGIN; DELETE FROM hospital.stream_ranges WHERE first_offset = 5; DELETE FROM hospital.rejects WHERE partition = 0; :undo
BEGIN; UPDATE hospital.stream_ranges SET last_offset = 10 WHERE first_offset = 5; :undo
-- messages that are neither row nor reject nor duplicate; more than there are offsets; a loss that is none
ALTER TABLE hospital.stream_ranges DROP CONSTRAINT stream_ranges_check1, DROP CONSTRAINT stream_ranges_check2;
BEGIN; UPDATE hospital.stream_ranges SET messages = 4 WHERE first_offset = 0; :undo
BEGIN; UPDATE hospital.stream_ranges SET messages = 6, duplicates = 2 WHERE first_offset = 0; :undo
BEGIN; UPDATE hospital.stream_ranges SET lost = 5 WHERE first_offset = 0; :undo
BEGIN; UPDATE hospital.stream_ranges SET rows = 6, duplicates = -1 WHERE first_offset = 0; :undo
-- a reject that is not there; one too many; one twice; in another range, epoch, partition
BEGIN; DELETE FROM hospital.rejects WHERE "offset" = 6; :undo
BEGIN; INSERT INTO hospital.rejects (topic, partition, epoch, "offset", sqlstate, message) VALUES ('hospital.transfers', 0, 0, 9, '22032', 'bad'); :undo
BEGIN; UPDATE hospital.rejects SET "offset" = 6 WHERE "offset" = 8; :undo
BEGIN; UPDATE hospital.rejects SET "offset" = 3 WHERE "offset" = 8; :undo
BEGIN; UPDATE hospital.rejects SET "offset" = 11 WHERE "offset" = 8; :undo
BEGIN; UPDATE hospital.rejects SET epoch = 1 WHERE "offset" = 8; :undo
BEGIN; UPDATE hospital.rejects SET partition = 2 WHERE "offset" = 8; :undo
-- an epoch, a partition that nobody knows; an epoch that began elsewhere
BEGIN; UPDATE hospital.stream_ranges SET epoch = 1 WHERE topic = 'hospital.prescriptions'; :undo
BEGIN; DELETE FROM hospital.stream_partitions WHERE topic = 'hospital.prescriptions'; :undo
BEGIN; UPDATE hospital.stream_partitions SET start_offset = 99 WHERE partition = 1; :undo
-- a row lost, one too many, of either kind; a file that says it brought more
BEGIN; DELETE FROM hospital.transfers WHERE patient_id = 3; :undo
BEGIN; INSERT INTO hospital.transfers SELECT gen_random_uuid(), now(), 1, 1, 'A', 'B', 'C', 'D', 1; :undo
BEGIN; DELETE FROM hospital.prescriptions WHERE prescription_id IN (SELECT min(prescription_id) FROM hospital.prescriptions); :undo
BEGIN; UPDATE hospital.batches SET rows = rows + 1; :undo
-- where several kinds come in one topic, or a file was taken back, nothing is said of the kind
BEGIN;
UPDATE hospital.stream_topics SET kind = 'adt', format = 'hl7' WHERE topic = 'hospital.prescriptions';
SELECT check_name FROM hospital_audit_stream() WHERE topic IS NULL;
ROLLBACK;
BEGIN;
INSERT INTO hospital.published (kind, day, tick, topic, events) VALUES ('transfers', '2020-01-02', 0, 'hospital.transfers', 3);
UPDATE hospital.batches SET state = 'undone' WHERE day = '2020-01-02';
SELECT check_name FROM hospital_audit_stream() WHERE topic IS NULL;
ROLLBACK;
SELECT * FROM noticed;

-- ---- pause and resume ---------------------------------------------------------

SELECT hospital_pause('hospital.transfers', 1, 'a look');
SELECT hospital_pause('hospital.transfers', 1, 'twice is once');
SELECT * FROM partitions;
SELECT hospital_pause('hospital.transfers');
SELECT * FROM partitions;
SELECT hospital_resume('hospital.transfers', 0);
SELECT hospital_resume('hospital.transfers');
SELECT hospital_resume('hospital.transfers');
SELECT * FROM partitions;
SELECT * FROM actions;
TRUNCATE hospital.stream_actions;

-- ---- seek ---------------------------------------------------------------------

BEGIN;
SELECT hospital_seek('hospital.transfers', 0, 3, 'not meant');
SELECT * FROM partitions WHERE p = 0;
ROLLBACK;
SELECT * FROM actions;
SELECT hospital_seek('hospital.transfers', 0, 3, 'again');
SELECT hospital_seek('hospital.transfers', 1, -1);
SELECT hospital_seek('hospital.transfers', 2, NULL, 'never read');
SELECT hospital_seek(topic => 'hospital.transfers', partition => 2, "offset" => 17);
SELECT * FROM partitions;
SELECT * FROM actions;
SELECT * FROM lag;
SELECT * FROM noticed;
TRUNCATE hospital.stream_actions;

-- ---- gaps -----------------------------------------------------------------------

CREATE FUNCTION stop(topic text, partition int, sqlstate text, log_begin bigint, log_end bigint) RETURNS void LANGUAGE sql AS
    'UPDATE hospital.stream_partitions SET state = ''stopped'', reason = ''it says why'', sqlstate = $3, log_begin = $4, log_end = $5
     WHERE topic = $1 AND partition = $2';
SELECT hospital_accept_gap('hospital.transfers', 0);
SELECT hospital_pause('hospital.transfers', 0);
SELECT hospital_accept_gap('hospital.transfers', 0);
SELECT hospital_seek('hospital.transfers', 0, 8);

-- the log begins later than the position; which is where the epoch began, as nothing was read
SELECT stop('hospital.transfers', 0, 'HS001', 20, 30);
SELECT * FROM lag WHERE p = 0;
SELECT hospital_pause('hospital.transfers', 0);
SELECT hospital_accept_gap('hospital.transfers', 0, 8);
SELECT hospital_accept_gap('hospital.transfers', 0, reason => 'retention');
-- ... again, further than the log's beginning, from the end of the last range
SELECT stop('hospital.transfers', 0, 'HS001', 40, 50);
SELECT hospital_pause('hospital.transfers');
SELECT hospital_accept_gap('hospital.transfers', 0, 45);
-- marks of a transaction that were read before the log's end was deleted are not given up
UPDATE hospital.stream_partitions SET read_to = 47 WHERE topic = 'hospital.transfers' AND partition = 0;
SELECT stop('hospital.transfers', 0, 'HS001', 50, 60);
SELECT hospital_accept_gap('hospital.transfers', 0);
SELECT first_offset, last_offset, messages, lost FROM hospital.stream_ranges
WHERE topic = 'hospital.transfers' AND partition = 0 AND last_offset >= 45 ORDER BY 1;
-- nothing was read, nobody said from where: the log's beginning is the position
UPDATE hospital.stream_partitions SET start_offset = NULL WHERE topic = 'hospital.transfers' AND partition = 2;
SELECT stop('hospital.transfers', 2, '22P02', 5, 50);
SELECT hospital_accept_gap('hospital.transfers', 2);
SELECT hospital_accept_gap('hospital.transfers', 2, 6, 'a bad one');
-- a message that cannot be taken: tried again, given up
SELECT hospital_resume('hospital.transfers', 1);
SELECT stop('hospital.prescriptions', 0, '22P02', 0, 11);
SELECT hospital_resume('hospital.prescriptions', 0);
SELECT stop('hospital.prescriptions', 0, '22P02', NULL, NULL);
SELECT hospital_accept_gap('hospital.prescriptions', 0);
SELECT hospital_accept_gap('hospital.prescriptions', 0, 11);
SELECT topic, partition AS p, epoch AS e, first_offset, last_offset, messages, rows, rejects, duplicates, lost, worker_pid = pg_backend_pid() AS mine
FROM hospital.stream_ranges WHERE lost > 0 ORDER BY 1, 2, 4;
SELECT * FROM actions;
SELECT * FROM partitions;
SELECT * FROM noticed;
TRUNCATE hospital.stream_actions;

-- another log under the same name: found by the witness, or because it ends before the position
SELECT stop('hospital.prescriptions', 0, 'HS002', 0, 100);
SELECT hospital_accept_gap('hospital.prescriptions', 0, 20);
SELECT hospital_accept_gap('hospital.prescriptions', 0, reason => 'made anew');
SELECT hospital_seek('hospital.prescriptions', 0, 11);
SELECT stop('hospital.prescriptions', 0, 'HS001', 0, 3);
SELECT hospital_accept_gap('hospital.prescriptions', 0);
SELECT * FROM actions;
SELECT * FROM partitions WHERE topic = 'hospital.prescriptions';
SELECT * FROM noticed;

-- ---- rights -----------------------------------------------------------------------

SELECT p.oid::regprocedure AS executable_by_public
FROM pg_proc p
WHERE p.proname IN ('hospital_seek', 'hospital_pause', 'hospital_resume', 'hospital_accept_gap', 'hospital_audit_stream',
                    'hospital_wake_consumers', 'hospital_hold_partition', 'hospital_meant_partitions', 'hospital_change_partition',
                    'hospital_stream_workers', 'hospital_stream_stages')
  AND (p.proacl IS NULL OR EXISTS (SELECT FROM aclexplode(p.proacl) a WHERE a.grantee = 0 AND a.privilege_type = 'EXECUTE'));
CREATE ROLE regress_hospital_watcher IN ROLE pg_monitor;
GRANT USAGE ON SCHEMA hospital TO regress_hospital_watcher;
SET ROLE regress_hospital_watcher;
SELECT count(*) FROM hospital.stream_lag;
SELECT count(*) FROM hospital.stream_workers;
SELECT count(*) FROM hospital.stream_stages;
SELECT hospital_seek('hospital.transfers', 0, 0);
RESET ROLE;
-- who may execute them needs rights on the tables as well
GRANT EXECUTE ON FUNCTION hospital_seek(text, int, bigint, text), hospital_hold_partition(text, int) TO regress_hospital_watcher;
SET ROLE regress_hospital_watcher;
SELECT hospital_seek('hospital.transfers', 0, 0);
RESET ROLE;

-- settings that are not ours bend nothing
SET search_path = hospital, pg_catalog;
CREATE FUNCTION hospital.coalesce_trap(bigint, bigint) RETURNS boolean LANGUAGE sql AS 'SELECT false';
CREATE OPERATOR hospital.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = hospital.coalesce_trap);
SELECT public.hospital_seek('hospital.transfers', 0, 45);
RESET search_path;
SELECT epoch, start_offset FROM hospital.stream_partitions WHERE topic = 'hospital.transfers' AND partition = 0;

\c postgres
DROP DATABASE hospital_regress_stream;
DROP ROLE regress_hospital_watcher;
