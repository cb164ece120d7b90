--
-- HL7 v2 ADT messages: what is written says what the record says, is read back
-- as the same record, and what is no message of ours is told, never raised.
--
CREATE DATABASE hospital_regress_hl7 TEMPLATE template0 ENCODING 'UTF8';
\c hospital_regress_hl7
SET client_min_messages = warning;
SET datestyle = iso;
SET timezone = 'UTC';
SET jit = off;
CREATE EXTENSION hospital;

-- ---- a record, a message, the record ----
CREATE TABLE days AS SELECT d::date AS day FROM generate_series(date '2020-01-01', '2020-01-06', '1 day') d;
CREATE TABLE messages AS
SELECT day, m.*, t.ok, t.kind AS read_as, t.sqlstate, t.column_name, t.message AS fault, t.event
FROM days, hospital_generate_hl7(day, 7, 20000, 200) m, hospital_try_hl7(convert_to(m.message, 'UTF8')) t;
CREATE TABLE admissions AS SELECT a.* FROM days, hospital_generate_admissions(day, 7, 20000, 200) a;
CREATE TABLE transfers AS SELECT a.* FROM days, hospital_generate_transfers(day, 7, 20000, 200) a;
CREATE TABLE status_updates AS SELECT a.* FROM days, hospital_generate_status_updates(day, 7, 20000, 200) a;

SELECT kind, count(*) > 80 AS many, bool_and(ok) AS ok, bool_and(read_as = kind) AS same_kind FROM messages GROUP BY 1 ORDER BY 1;
SELECT count(*) AS not_the_same FROM (
    (SELECT (jsonb_populate_record(NULL::hospital.admission, event)).* FROM messages WHERE kind = 'admissions'
     EXCEPT ALL SELECT * FROM admissions)
    UNION ALL
    (SELECT * FROM admissions
     EXCEPT ALL SELECT (jsonb_populate_record(NULL::hospital.admission, event)).* FROM messages WHERE kind = 'admissions')) x;
SELECT count(*) AS not_the_same FROM (
    (SELECT (jsonb_populate_record(NULL::hospital.transfer, event)).* FROM messages WHERE kind = 'transfers'
     EXCEPT ALL SELECT * FROM transfers)
    UNION ALL
    (SELECT * FROM transfers
     EXCEPT ALL SELECT (jsonb_populate_record(NULL::hospital.transfer, event)).* FROM messages WHERE kind = 'transfers')) x;
SELECT count(*) AS not_the_same FROM (
    (SELECT (jsonb_populate_record(NULL::hospital.status_update, event)).* FROM messages WHERE kind = 'status_updates'
     EXCEPT ALL SELECT * FROM status_updates)
    UNION ALL
    (SELECT * FROM status_updates
     EXCEPT ALL SELECT (jsonb_populate_record(NULL::hospital.status_update, event)).* FROM messages WHERE kind = 'status_updates')) x;

-- the messages, taken apart in SQL, say the same
CREATE FUNCTION hl7_time(text) RETURNS timestamptz LANGUAGE sql RETURN
    (regexp_replace(nullif($1, ''), '^(....)(..)(..)(..)(..)(..)(.*)$', '\1-\2-\3 \4:\5:\6\7'))::timestamptz;
CREATE TABLE segments AS
SELECT m.event_id, m.kind, m.event_time, place, left(s, 3) AS name, string_to_array(s, '|') AS f
FROM messages m, unnest(string_to_array(rtrim(message, E'\r'), E'\r')) WITH ORDINALITY s (s, place);
SELECT kind, f[9] AS type, count(*) > 10 AS some, bool_and(f[10] = event_id::text) AS id, bool_and(hl7_time(f[7]) = event_time) AS at,
       min(f[3]) AS sender, min(f[11] || f[12] || f[18]) AS processing, max(array_length(f, 1)) AS fields
FROM segments WHERE name = 'MSH' GROUP BY 1, 2 ORDER BY 1, 2;
SELECT kind, string_agg(DISTINCT names, ', ' ORDER BY names) AS segments
FROM (SELECT kind, event_id, string_agg(name, '-' ORDER BY place) AS names FROM segments GROUP BY 1, 2) s GROUP BY 1 ORDER BY 1;
CREATE TABLE admitted AS
SELECT split_part(pid.f[4], '^', 1)::bigint AS patient_id, split_part(pv1.f[20], '^', 1)::bigint AS admission_id,
       pv1.f[4] AS ward, pv1.f[7] AS prior, pv1.f[11] AS department, pv1.f[5] AS type, pv1.f[37] AS disposition,
       hl7_time(pv1.f[45]) AS admitted, hl7_time(pv1.f[46]) AS discharged, nullif(split_part(pv1.f[51], '^', 1), '')::bigint AS visit,
       nullif(split_part(evn.f[6], '^', 1), '')::bigint AS staff, hl7_time(evn.f[3]) AS at, hl7_time(evn.f[7]) AS occurred, pid.kind, evn.f[2] AS trigger
FROM segments pid JOIN segments pv1 USING (event_id) JOIN segments evn USING (event_id)
WHERE pid.name = 'PID' AND pv1.name = 'PV1' AND evn.name = 'EVN';
SELECT count(*) AS admissions_amiss FROM admissions a LEFT JOIN admitted m
    ON m.kind = 'admissions' AND m.admission_id = a.admission_id AND m.discharged IS NOT DISTINCT FROM a.discharged_at
WHERE (m.patient_id, m.ward, m.department, m.admitted, m.visit, m.trigger, m.at, m.occurred) IS DISTINCT FROM
      (a.patient_id, a.ward_code, a.department_code, a.admitted_at, a.visit_id, CASE WHEN a.discharged_at IS NULL THEN 'A01' ELSE 'A03' END,
       coalesce(a.discharged_at, a.admitted_at), coalesce(a.discharged_at, a.admitted_at));
SELECT DISTINCT a.admission_type, m.type FROM admissions a JOIN admitted m ON m.kind = 'admissions' AND m.admission_id = a.admission_id ORDER BY 1;
SELECT DISTINCT a.outcome, m.disposition FROM admissions a JOIN admitted m ON m.kind = 'admissions' AND m.admission_id = a.admission_id
WHERE m.trigger = 'A03' AND a.discharged_at IS NOT NULL ORDER BY 1;
SELECT count(*) AS transfers_amiss FROM transfers t LEFT JOIN admitted m
    ON m.kind = 'transfers' AND m.admission_id = t.admission_id AND m.at = t.event_time
WHERE (m.patient_id, m.ward, m.prior, m.staff, m.occurred, m.trigger) IS DISTINCT FROM
      (t.patient_id, t.to_ward, t.from_ward, t.staff_id, t.event_time, 'A02');
SELECT count(*) AS updates_amiss FROM status_updates u
WHERE NOT EXISTS (SELECT FROM admitted m WHERE m.kind = 'status_updates' AND m.trigger = 'A08'
    AND (m.patient_id, m.admission_id, m.staff, m.at) = (u.patient_id, u.admission_id, u.recorded_by, u.recorded_at)
    AND (nullif(split_part(m.ward, '^', 1), ''), nullif(split_part(m.ward, '^', 3), '')) IS NOT DISTINCT FROM (u.ward_code, u.bed_no::text));

-- nothing of the session bends a message
SET timezone = 'Asia/Kathmandu';
SET datestyle = 'sql, dmy';
SELECT count(*) AS others FROM days, hospital_generate_hl7(day, 7, 20000, 200) h
    LEFT JOIN messages m USING (event_id) WHERE m.message IS DISTINCT FROM h.message;
RESET timezone;
SET datestyle = iso;

-- ---- the forms that a message may have ----
CREATE FUNCTION try(message text) RETURNS TABLE (ok boolean, kind text, sqlstate text, column_name text, message text, event jsonb)
    LANGUAGE sql RETURN hospital_try_hl7(convert_to($1, 'UTF8'));
CREATE TABLE examples (name text, message text);
INSERT INTO examples VALUES
('A01', replace($$MSH|^~\&|HOSPITAL^joburg^L||||20200302081500+0200||ADT^A01^ADT_A01|00000000-0000-7000-8000-000000000001|T|2.5.1||||||UNICODE UTF-8
EVN|A01|20200302081500+0200||||20200302081500+0200
PID|1||4711^^^HOSPITAL^MR||^^^^^^U
PV1|1|I|MED02|E||||||IM|||||||||7366000012^^^HOSPITAL^VN|||||||||||||||||||||||||20200302081500+0200||||||7366000324^^^HOSPITAL
ZHO||YELLOW|district hospital
$$, E'\n', E'\r')),
('A02', replace($$MSH|^~\&|HOSPITAL^joburg^L||||20200305123537+0200||ADT^A02^ADT_A02|0170aa43-d4a8-7007-8c25-ce3564e56878|T|2.5.1||||||UNICODE UTF-8
EVN|A02|20200305123537+0200|||234^^^^^^^^HOSPITAL|20200305123537+0200
PID|1||4711^^^HOSPITAL^MR||^^^^^^U
PV1|1|I|NSU01|||MED02|||||||||||||7366000012^^^HOSPITAL^VN
ZHO|0170aa43-d4a8-7007-8c25-ce3564e56878|||step down|completed
$$, E'\n', E'\r')),
('A03', replace($$MSH|^~\&|HOSPITAL^joburg^L||||20200309114000+0200||ADT^A03^ADT_A03|00000000-0000-7000-8000-000000000002|T|2.5.1||||||UNICODE UTF-8
EVN|A03|20200309114000+0200||||20200309114000+0200
PID|1||4711^^^HOSPITAL^MR||^^^^^^U
PV1|1|I|MED02|E||||||IM|||||||||7366000012^^^HOSPITAL^VN|||||||||||||||||01||||||||20200302081500+0200|20200309114000+0200|||||7366000324^^^HOSPITAL
ZHO||YELLOW|district hospital
$$, E'\n', E'\r')),
('A08', replace($$MSH|^~\&|HOSPITAL^joburg^L||||20200305070500+0200||ADT^A08^ADT_A01|00000000-0000-7000-8000-000000000003|T|2.5.1||||||UNICODE UTF-8
EVN|A08|20200305070500+0200|||372^^^^^^^^HOSPITAL|20200305070500+0200
PID|1||4711^^^HOSPITAL^MR||^^^^^^U
PV1|1|I|MED02^^7||||||||||||||||7366000012^^^HOSPITAL^VN
ZHO|7369000018||||improving
$$, E'\n', E'\r'));
SELECT name, t.* FROM examples e, try(e.message) t ORDER BY 1;

CREATE TABLE forms (number int, form text, pattern text, replacement text);
INSERT INTO forms VALUES
(1, 'lines end with \n', E'\r', E'\n'),
(2, 'lines end with \r\n', E'\r', E'\r\n'),
(3, 'empty lines', E'\r', E'\r\r\n\n'),
(4, 'no end', E'\r$', ''),
(5, 'an MLLP frame', '^(.*)$', E'\x0b\\1\x1c\x0d'),
(6, 'an MLLP frame that ends at 0x1c', '^(.*)$', E'\x0b\\1\x1c'),
(7, 'trailing separators', E'\r', E'|||\r'),
(8, 'segments of others', E'\rPV1', E'\rPD1||||x\rPV1'),
(9, 'version 2.3', '\|2\.5\.1\|', '|2.3|'),
(10, 'no character set', '\|+UNICODE UTF-8', ''),
(11, 'null as two quotes', '\^\^\^\^\^\^U', '""'),
(12, 'more numbers of the patient', '4711\^\^\^HOSPITAL\^MR', '815^^^OTHER^MR~4711^^^HOSPITAL^MR~7505050000087^^^ZAF^NI'),
(13, 'the number without authority', '4711\^\^\^HOSPITAL\^MR', '4711'),
(14, 'subcomponents', '4711\^\^\^HOSPITAL\^', '4711&x^^^HOSPITAL&joburg&L^'),
(15, 'more components', 'NSU01', 'NSU01^1^2^WEST'),
(16, 'escapes', 'MED02', '\\X4D45\\D0\\X32\\'),
(17, 'without offset it is local time', '\+0200', ''),
(18, 'without seconds', '00\+0200', '+0200'),
(19, 'a fraction', '\+0200', '.000000+0200');
SELECT number, form, bool_and(t.ok) AS ok, bool_and(t.event = o.event) AS same, count(*) FILTER (WHERE x.message <> e.message) AS changed
FROM forms, examples e, try(e.message) o, LATERAL (SELECT regexp_replace(e.message, pattern, replacement, 'g') AS message) x, try(x.message) t
GROUP BY 1, 2 ORDER BY 1;

-- codes
SELECT c AS disposition, t.event ->> 'outcome' AS outcome
FROM unnest(ARRAY['01', '02', '07', '10', '20']) c, examples e, try(replace(e.message, '|01|', '|' || c || '|')) t WHERE name = 'A03' ORDER BY 1;
SELECT c AS type, t.event ->> 'admission_type' AS admission_type
FROM unnest(ARRAY['C', 'E', 'L', 'N', 'R']) c, examples e, try(replace(e.message, 'MED02|E', 'MED02|' || c)) t WHERE name = 'A01' ORDER BY 1;

-- other separators
SELECT e.name, t.ok, t.event = o.event AS same
FROM examples e, try(e.message) o, try(translate(e.message, '|^~\&', '#@!/%')) t ORDER BY 1;

-- times
SELECT v AS written, t.ok, t.event ->> 'recorded_at' AS recorded_at, t.sqlstate, t.column_name, t.message
FROM unnest(ARRAY['20200305070500+0200', '20200305050500+0000', '20200305050500-0000', '202003050705', '20200304230500-0600', '20200305103500+0530',
                  '20200305070500.5+0200', '20200305070500.123456+0200', '20200305070500.1234567+0200', '20200305070500.+0200', '20200305', '20200305070500Z',
                  '20200230070500+0200', '20200305240500+0200', '20200305070560', '2020030507050', '20200305070500+02', '20200305070500+1600', 'yesterday', '00010101000000+0200']) WITH ORDINALITY v (v, n),
     examples e, try(replace(e.message, '|20200305070500+0200', '|' || v)) t WHERE e.name = 'A08' ORDER BY n;

-- texts
SELECT v AS written, t.ok, t.event ->> 'reason' AS reason, encode(convert_to(t.event ->> 'reason', 'UTF8'), 'hex') AS bytes, t.sqlstate, t.column_name, t.message
FROM unnest(ARRAY['pipe \F\ caret \S\ amp \T\ tilde \R\ back \E\ end', 'two\X0D0A\lines', 'n\X c3a9 \e', 'caf\XC3A9\', 'caf\XC3\\XA9\', 'naïve 患者', 'a\XC3\b', 'a\X00\b', '\X\', '\X2222\', '""',
                  'a\.br\b', 'lone \ one', 'end\', 'odd\X4\', 'bad\XGG\', 'a&b', 'a^b', 'a~b', '\F\F\F\']) WITH ORDINALITY v (v, n),
     examples e, try(replace(e.message, 'step down', v)) t WHERE e.name = 'A02' ORDER BY n;
SELECT substring(message FROM '^[^\r]*?\|\|') AS sender
FROM unnest(ARRAY['a|b^c~d\e&f', E'tab\tand\nline\x7f', '', '""', 'Jo''burg Ü']) s, LATERAL (SELECT message FROM hospital_generate_hl7('2020-01-01', 7, 20000, 200, simulation => s) LIMIT 1) h;
SELECT count(*) FROM hospital_generate_hl7('2020-01-01', simulation => repeat('x', 101));

-- ---- what is no message of ours ----
CREATE TABLE faults (number int GENERATED ALWAYS AS IDENTITY, name text, pattern text, replacement text);
INSERT INTO faults (name, pattern, replacement) VALUES
('A02', '^.*$', ''), ('A02', '^.*$', '{"event_id": 1}'), ('A02', '^MSH.*$', 'MSH'), ('A02', '^MSH.*$', 'MSH|^~\&|'), ('A02', '\^~', '^^'), ('A02', '\^~', 'a~'),
('A02', '^', E'\x0b'), ('A02', '^(.*)$', E'\\1\\1'), ('A02', E'(\rPID[^\r]*)', '\1\1'), ('A02', 'A02\^ADT_A02', 'A04^ADT_A01'), ('A02', 'ADT\^A02', 'ORU^R01'),
('A02', 'ADT\^A02\^ADT_A02', ''), ('A02', 'ADT\^A02', 'é' || repeat('ü', 100)), ('A02', '2\.5\.1', '3.0'), ('A02', '\|2\.5\.1', '|'), ('A02', 'UNICODE UTF-8', '8859/1'),
('A02', E'\rPID[^\r]*', ''), ('A02', E'\rPV1[^\r]*', ''), ('A02', E'\rZHO[^\r]*', ''), ('A02', E'\rEVN[^\r]*', ''), ('A02', '4711\^\^\^HOSPITAL', '4711^^^OTHER'),
('A02', '4711\^', 'x4711^'), ('A02', '4711\^', '0^'), ('A02', '4711\^', '99999999999999999999^'), ('A02', '4711\^', '""^'), ('A02', '0170aa43-d4a8-7007-8c25-ce3564e56878\|\|', '17||'),
('A02', 'NSU01', 'MED02'), ('A02', 'step down', ''), ('A02', '234\^', '-1^'),
('A01', 'YELLOW', 'PURPLE'), ('A01', 'MED02\|E', 'MED02|A'), ('A01', 'MED02\|E', 'MED02|'), ('A01', E'(7366000012.*081500\\+0200)\\|', '\1|20200309114000+0200'),
('A03', '(081500\+0200\|)20200309114000\+0200', '\1'), ('A03', '\|01\|', '||'), ('A03', '\|01\|', '|99|'), ('A03', '(081500\+0200\|)20200309', '\120200301'),
('A08', '\^7\|', '^0|'), ('A08', '\^7\|', '^2147483648|'), ('A08', 'ZHO\|7369000018', 'ZHO|');
SELECT f.number, f.name, t.ok, t.kind, t.sqlstate, t.column_name, t.message
FROM faults f JOIN examples e USING (name), try(regexp_replace(e.message, pattern, replacement)) t ORDER BY 1;
SELECT t.* FROM unnest(ARRAY['\xff'::bytea, '\x4d53487c00', '']) p, hospital_try_hl7(p) t;
SELECT hospital_try_hl7(NULL) IS NULL AS strict;

-- an engine that numbers its messages itself: ZHO-1 is the event's id; without ZHO-1 it is MSH-10
SELECT t.ok, t.event ->> 'event_id' AS event_id
FROM examples e, unnest(ARRAY[regexp_replace(e.message, '0170aa43-d4a8-7007-8c25-ce3564e56878', 'MSG00001'),
                              regexp_replace(e.message, 'ZHO\|[^|]*', 'ZHO|')]) m, try(m) t WHERE e.name = 'A02';

-- nothing raises: each beginning of a message, and each with one byte changed
SELECT count(*) FILTER (WHERE t.ok) > 0 AS some_are_whole, count(*) > 1000 AS tried, bool_and(t.ok = (t.sqlstate IS NULL)) AS told
FROM examples e, generate_series(0, length(e.message)) n, try(left(e.message, n)) t;
SELECT count(*) FILTER (WHERE NOT t.ok) > 1000 AS refused, count(*) FILTER (WHERE t.ok) > 1000 AS taken, bool_and(t.ok = (t.sqlstate IS NULL)) AS told
FROM examples e, generate_series(0, length(e.message) - 1) n, unnest(ARRAY[0, 10, 13, 34, 48, 92, 94, 124, 195, 255]) b,
     hospital_try_hl7(set_byte(convert_to(e.message, 'UTF8'), n, b)) t;

-- long messages are read in time that grows with their length alone
SET statement_timeout = '20s';
SELECT t.ok, t.sqlstate, t.column_name
FROM examples e, unnest(ARRAY['~', '^', '|', E'\r', '\F\', '&']) WITH ORDINALITY v (v, n), try(replace(e.message, '4711^', repeat(v, 1000000) || '^')) t
WHERE e.name = 'A02' ORDER BY n;
RESET statement_timeout;

-- the function streams, in a parallel worker too
SELECT count(*) = (SELECT count(*) FROM messages WHERE day = '2020-01-02') AS all_rows,
       bool_and(h.event_id IN (SELECT event_id FROM messages)) AS same
FROM hospital_generate_hl7('2020-01-02', 7, 20000, 200) h;
\c postgres
DROP DATABASE hospital_regress_hl7;
