--
-- Records as JSON events, and back.  The judge is the server: its jsonb, its
-- casts and its composite types say what a payload is, and in SQL what else must
-- hold of a record.
--
CREATE DATABASE hospital_regress_events TEMPLATE template0 ENCODING 'UTF8';
\c hospital_regress_events
SET client_min_messages = warning;
SET datestyle = iso;
SET timezone = 'Asia/Kathmandu';
SET intervalstyle = postgres;
CREATE EXTENSION hospital;

CREATE TABLE columns AS SELECT * FROM hospital_record_columns();
CREATE TABLE kinds AS
SELECT k.kind, p.prorettype::regtype AS row_type, k.columns
FROM (SELECT kind, array_agg(column_name ORDER BY number) AS columns FROM columns GROUP BY 1) k
JOIN pg_proc p ON p.proname = 'hospital_generate_' || k.kind;

-- Every record of some days, as its row and as its event.
CREATE TABLE events (kind text, day date, row_text text, event_id uuid, event_time timestamptz, subject bigint, payload text);
CREATE FUNCTION collect(kind text, day date, people int, beds int, id_mode text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('INSERT INTO events SELECT $1, $2, g::text, e.event_id, e.event_time, e.subject, e.payload
        FROM (SELECT g, row_number() OVER () AS n
              FROM hospital_generate_%s($2, 42, $3, $4, date ''2020-01-01'', 50, $5) g) g
        FULL JOIN (SELECT e.*, row_number() OVER () AS n
                   FROM hospital_generate_events($1, $2, 42, $3, $4, date ''2020-01-01'', 50, $5) e) e USING (n)', kind)
    USING kind, day, people, beds, id_mode;
END
$$;
SELECT count(collect(kind, day::date, 20000, 200, CASE WHEN day < '2020-02-29' THEN 'realistic' ELSE 'marked' END))
FROM kinds, unnest('{2020-01-01, 2020-01-02, 2020-01-03, 2020-01-04, 2020-02-29}'::timestamp[]) day;
SELECT count(*) > 15000 AS many, count(DISTINCT kind) AS kinds, count(*) FILTER (WHERE row_text IS NULL OR payload IS NULL) AS unpaired
FROM events;

-- ---- writing ----

-- the server reads from the payload the row that the generator makes, to the last zero of a number
CREATE FUNCTION as_row(row_type regtype, payload jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    r text;
BEGIN
    EXECUTE format('SELECT jsonb_populate_record(NULL::%s, $1)::text', row_type) INTO r USING payload;
    RETURN r;
END
$$;
SELECT kind, count(*) AS different, min(row_text), min(payload)
FROM events JOIN kinds USING (kind) WHERE as_row(row_type, payload::jsonb) IS DISTINCT FROM row_text GROUP BY 1;

-- each column once, in order, no blanks, times in UTC
SELECT count(*) AS not_the_columns
FROM events JOIN kinds USING (kind)
WHERE columns IS DISTINCT FROM (SELECT array_agg(key ORDER BY n) FROM json_object_keys(payload::json) WITH ORDINALITY k (key, n));
SELECT count(*) AS otherwise_written
FROM (SELECT * FROM events WHERE day <> '2020-01-03') e JOIN columns c USING (kind), LATERAL (SELECT payload::json -> column_name AS v) v
WHERE json_typeof(v) IS DISTINCT FROM
      CASE WHEN v::text = 'null' AND c.nullable THEN 'null'
           WHEN type IN ('bigint', 'integer', 'numeric', 'numeric(12,2)') THEN 'number' ELSE 'string' END
   OR (type = 'timestamp with time zone' AND v::text !~ '^("\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,5}[1-9])?Z"|null)$')
   OR (type = 'numeric(12,2)' AND v::text !~ '^(\d+\.\d\d|null)$');
SELECT count(*) AS with_blanks FROM events WHERE regexp_replace(payload, '"(\\.|[^"\\])*"', '', 'g') ~ '\s';

-- ---- ids, times, subjects ----

SELECT kind, count(*) AS not_then
FROM events, LATERAL (SELECT payload::jsonb AS j) j
WHERE event_time IS DISTINCT FROM CASE kind
      WHEN 'staff_changes' THEN (j ->> 'changed_on')::timestamp AT TIME ZONE 'Africa/Johannesburg'
      WHEN 'billing_payments' THEN (j ->> 'billing_date')::timestamp AT TIME ZONE 'Africa/Johannesburg'
      WHEN 'registrations' THEN coalesce((j ->> 'deceased_at')::timestamptz,
                                         (j ->> 'first_seen_on')::timestamp AT TIME ZONE 'Africa/Johannesburg')
      WHEN 'admissions' THEN coalesce(j ->> 'discharged_at', j ->> 'admitted_at')::timestamptz
      WHEN 'visits' THEN coalesce(j ->> 'left_at', j ->> 'arrived_at')::timestamptz
      ELSE coalesce(j ->> 'at', j ->> 'event_time', j ->> 'recorded_at', j ->> 'starts_at', j ->> 'prescribed_at')::timestamptz END
GROUP BY 1;
SELECT count(*) AS in_another_day FROM events WHERE (event_time AT TIME ZONE 'Africa/Johannesburg')::date <> day;
SELECT kind, count(*) AS not_theirs
FROM events, LATERAL (SELECT payload::jsonb AS j) j
WHERE subject IS DISTINCT FROM (j ->> CASE kind WHEN 'registrations' THEN 'person_id' WHEN 'staff_changes' THEN 'staff_id'
                                                ELSE 'patient_id' END)::bigint
GROUP BY 1;

SELECT count(*) - count(DISTINCT event_id) AS doubled FROM events;
SELECT count(*) AS out_of_order
FROM (SELECT date_trunc('milliseconds', event_time) AS t, lag(date_trunc('milliseconds', event_time)) OVER (ORDER BY event_id) AS before
      FROM events) e WHERE t < before;
SELECT count(*) AS no_uuid_of_version_7
FROM events
WHERE event_id::text !~ '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'
   OR ('x' || lpad(left(replace(event_id::text, '-', ''), 12), 16, '0'))::bit(64)::bigint <> floor(extract(epoch FROM event_time) * 1000);
SELECT count(*) AS transfers_by_another_id FROM events WHERE kind = 'transfers' AND event_id::text <> payload::json ->> 'event_id';
-- records that are completed later have two events
SELECT kind, count(*) > 0 AS completed, bool_and(ids = 2) AS each_its_own
FROM (SELECT kind, count(DISTINCT event_id) AS ids
      FROM events WHERE kind IN ('registrations', 'admissions', 'visits')
      GROUP BY kind, payload::json ->> CASE kind WHEN 'registrations' THEN 'person_id' WHEN 'admissions' THEN 'admission_id' ELSE 'visit_id' END
      HAVING count(*) = 2) t
GROUP BY 1 ORDER BY 1;
-- each of the bits is set in about half of the ids
SELECT count(*) AS lopsided_bits
FROM generate_series(52, 127) bit,
     LATERAL (SELECT avg(get_bit(uuid_send(event_id), bit / 8 * 8 + 7 - bit % 8)) AS share
              FROM (SELECT event_id FROM events WHERE kind <> 'transfers' LIMIT 4000) e) s
WHERE bit NOT IN (64, 65) AND share NOT BETWEEN 0.45 AND 0.55;
-- an id is the same for ever
SELECT DISTINCT ON (kind) kind, event_id, event_time AT TIME ZONE 'UTC' AS utc
FROM events ORDER BY kind, event_id;

-- what cannot be is refused
\set VERBOSITY sqlstate
SELECT count(*) FROM hospital_generate_events('adt', '2020-01-01');
SELECT count(*) FROM hospital_generate_events('transfers', '2019-12-31');
SELECT * FROM hospital_try_event('', '{}');
SELECT hospital_try_event(NULL, '{}'), hospital_try_event('transfers', NULL);
\set VERBOSITY default

-- ---- reading what is written ----

-- The payload as it is, and with an escape in a name: by the scanner and by the parser.
SELECT kind, count(*) AS misread, min(payload)
FROM events, LATERAL (SELECT payload::jsonb AS j) j,
     LATERAL (VALUES (payload), (regexp_replace(payload, '^{"(..)([a-z_])', '{"\1' || '\\u00' || to_hex(ascii(substr(payload, 5, 1)))))) p (written),
     LATERAL hospital_try_event(kind, convert_to(written, 'UTF8')) t
WHERE t.event IS DISTINCT FROM j OR NOT t.ok OR t.sqlstate IS NOT NULL OR t.column_name IS NOT NULL OR t.message IS NOT NULL
   OR t.unknown IS NOT NULL
GROUP BY 1;

-- ---- reading whatever comes ----

-- What a value of a column is worth, by the server's casts: '' or the SQLSTATE.
CREATE FUNCTION judge_value(kind text, c record, v json) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    s text := v #>> '{}';
    quoted bool := c.type NOT IN ('bigint', 'integer', 'numeric', 'numeric(12,2)');
    state text := CASE WHEN quoted THEN '22007' ELSE '22003' END;
    n numeric;
    places int;
BEGIN
    IF json_typeof(v) IN ('object', 'array') THEN
        RETURN '22P02';
    ELSIF json_typeof(v) = 'null' THEN
        RETURN CASE WHEN c.nullable THEN '' ELSE '22004' END;
    ELSIF json_typeof(v) <> (CASE WHEN quoted THEN 'string' ELSE 'number' END) THEN
        RETURN '22P02';
    ELSIF c.type = 'text' THEN
        RETURN CASE WHEN octet_length(s) > 1000 THEN '22001' WHEN s <> ALL (c.words) THEN '23514' ELSE '' END;
    ELSIF c.type = 'uuid' THEN
        RETURN CASE WHEN s ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN '' ELSE '22P02' END;
    END IF;
    IF c.type = 'timestamp with time zone' THEN
        IF s !~ '^\d{4}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)$' THEN
            RETURN '22007';
        END IF;
        RETURN CASE WHEN s::timestamptz >= '0001-01-01 00:00Z' AND s::timestamptz < '10000-01-01 00:00Z' THEN '' ELSE '22007' END;
    ELSIF c.type = 'date' THEN
        RETURN CASE WHEN s !~ '^\d{4}-\d\d-\d\d$' OR s::date IS NULL THEN '22007' ELSE '' END;
    ELSIF c.type IN ('bigint', 'integer') THEN
        n := CASE c.type WHEN 'bigint' THEN s::bigint ELSE s::integer END;
        IF n = -9223372036854775808 OR (n = -2147483648 AND c.type = 'integer') THEN
            RETURN '22003';
        END IF;
        RETURN CASE WHEN n < CASE WHEN kind = 'vital_signs' AND c.type = 'integer' THEN 0 ELSE 1 END THEN '23514' ELSE '' END;
    END IF;
    IF s ~ '[eE]' THEN
        RETURN '22003';
    END IF;
    n := s::numeric;
    IF c.type = 'numeric(12,2)' THEN
        RETURN CASE WHEN n <> round(n, 2) OR abs(n) >= 1e10 THEN '22003' WHEN n < 0 THEN '23514' ELSE '' END;
    END IF;
    places := least(scale(n), 6);
    RETURN CASE WHEN n <> round(n, 6) OR abs(n) * 10 ^ places > 2147483647 THEN '22003' ELSE '' END;
EXCEPTION WHEN data_exception THEN
    RETURN state;
END
$$;

CREATE FUNCTION is_national_id(s text) RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
    PERFORM s::hospital.national_id;
    RETURN true;
EXCEPTION WHEN check_violation THEN
    RETURN false;
END
$$;

-- What one record alone must keep to.
CREATE FUNCTION keeps_rules(kind text, j jsonb) RETURNS bool LANGUAGE sql AS $$
    SELECT coalesce(CASE kind
        WHEN 'registrations' THEN is_national_id(j ->> 'national_id') AND (j ->> 'date_of_birth')::date <= (j ->> 'first_seen_on')::date
            AND coalesce((j ->> 'deceased_at')::timestamptz >= (j ->> 'first_seen_on')::timestamp AT TIME ZONE 'Africa/Johannesburg', true)
        WHEN 'admissions' THEN ((j ->> 'discharged_at') IS NULL) = ((j ->> 'outcome') IS NULL)
            AND coalesce((j ->> 'discharged_at')::timestamptz >= (j ->> 'admitted_at')::timestamptz, true)
        WHEN 'visits' THEN ((j ->> 'left_at') IS NULL) = ((j ->> 'total_cost') IS NULL)
            AND ((j ->> 'left_at') IS NOT NULL OR (j ->> 'admission_id') IS NOT NULL)
            AND coalesce((j ->> 'left_at')::timestamptz >= (j ->> 'arrived_at')::timestamptz, true)
            AND ((j ->> 'arrived_at')::timestamptz AT TIME ZONE 'Africa/Johannesburg')::date = (j ->> 'visit_date')::date
        WHEN 'doctor_assignments' THEN coalesce((j ->> 'ends_at')::timestamptz >= (j ->> 'starts_at')::timestamptz, true)
        WHEN 'transfers' THEN j ->> 'from_ward' <> j ->> 'to_ward'
        WHEN 'lab_results' THEN ((j ->> 'value') IS NULL) <> ((j ->> 'result') IS NULL)
        WHEN 'vital_signs' THEN trunc((j ->> 'temperature')::numeric, 2) BETWEEN 25 AND 45 AND (j ->> 'pulse')::int <= 350
            AND (j ->> 'respiration')::int <= 150 AND (j ->> 'systolic')::int <= 320
            AND (j ->> 'diastolic')::int <= (j ->> 'systolic')::int AND (j ->> 'spo2')::int <= 100
        WHEN 'billing_payments' THEN (j ->> 'total_amount')::numeric = (SELECT sum((j ->> part)::numeric) FROM unnest(
            '{consultation, accommodation, procedures, imaging, laboratory, medicines, other}'::text[]) part)
        ELSE true END, false)
$$;

-- What a payload is worth: '' or the SQLSTATE of its first fault.
CREATE FUNCTION judge(kind text, payload bytea, keep_unknown bool) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    t text;
    j jsonb;
    m record;
    c record;
    state text := '';
    seen text[] := '{}';
BEGIN
    BEGIN
        t := convert_from(payload, 'UTF8');
    EXCEPTION WHEN character_not_in_repertoire THEN
        RETURN '22021';
    END;
    BEGIN
        PERFORM t::json;
        j := t::jsonb;
    EXCEPTION
        WHEN numeric_value_out_of_range THEN
            NULL;               -- JSON, but no jsonb
        WHEN data_exception THEN
            RETURN '22032';
    END;
    IF json_typeof(t::json) <> 'object' THEN
        RETURN '22032';
    END IF;
    FOR m IN SELECT key, value FROM json_each(t::json) WITH ORDINALITY e (key, value, n) ORDER BY n LOOP
        SELECT * INTO c FROM columns r WHERE r.kind = judge.kind AND r.column_name = m.key;
        IF NOT FOUND THEN
            IF NOT keep_unknown THEN
                RETURN '22032';
            END IF;
            BEGIN
                PERFORM m.value::text::jsonb;
            EXCEPTION WHEN numeric_value_out_of_range THEN
                RETURN '22003';
            END;
        ELSIF m.key = ANY (seen) THEN
            RETURN '22030';
        ELSE
            seen := seen || m.key;
            state := judge_value(kind, c, m.value);
            IF state <> '' THEN
                RETURN state;
            END IF;
        END IF;
    END LOOP;
    RETURN CASE WHEN NOT (SELECT k.columns FROM kinds k WHERE k.kind = judge.kind) <@ seen THEN '2203A'
                WHEN NOT keeps_rules(kind, j) THEN '23514' ELSE '' END;
END
$$;

-- The same number for the same arguments, everywhere.
CREATE FUNCTION dice(n int, VARIADIC what int[]) RETURNS int LANGUAGE sql AS $$
    SELECT (('x' || left(md5(what::text), 8))::bit(32)::bigint % greatest(n, 1))::int
$$;

CREATE FUNCTION pick(choices anyarray, VARIADIC what int[]) RETURNS anyelement LANGUAGE sql AS $$
    SELECT choices[1 + dice(cardinality(choices), VARIADIC what)]
$$;

-- Members as they are, in their order.
CREATE FUNCTION members(payload text) RETURNS text[] LANGUAGE sql AS $$
    SELECT array_agg(to_json(key)::text || ':' || value::text ORDER BY n) FROM json_each(payload::json) WITH ORDINALITY m (key, value, n)
$$;

-- Bytes go in where bytes were.
CREATE FUNCTION splice(b bytea, at int, gone int, new bytea) RETURNS bytea LANGUAGE sql AS $$
    SELECT substr(b, 1, at) || new || substr(b, at + gone + 1)
$$;

-- One of many ways to do something to a payload.
CREATE FUNCTION spoil_bytes(b bytea, way int, s int) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
    n int := length(b);
    at int := dice(n, s, 1);
    interesting text[] := '{00,01,09,0a,0d,1f,20,22,27,2b,2c,2d,2e,2f,30,31,39,3a,45,5b,5c,5d,65,6e,75,7b,7d,7f,80,c0,c3,ed,f4,ff}';
    texts text[] := '{c3a9,f09f9880,c080,eda080,f4908080,e282ac,c3,5c75643833645c7564653030,5c7564383364,5c7564653030,5c7530303030,5c75303065,5c6e,5c78,5c22,5c5c}';
BEGIN
    CASE way
        WHEN 0 THEN RETURN splice(b, at, 0, decode(pick(interesting, s, 2), 'hex'));
        WHEN 1 THEN RETURN splice(b, at, 1, '');
        WHEN 2 THEN RETURN splice(b, at, 1, decode(pick(interesting, s, 2), 'hex'));
        WHEN 3 THEN RETURN substr(b, 1, at);
        WHEN 4 THEN     -- a byte as an escape, inside of a string or not
            RETURN splice(b, at, 1, convert_to('\u00' || lpad(to_hex(get_byte(b, at)), 2, '0'), 'UTF8'));
        WHEN 5 THEN     -- something at the beginning of a value that is a string, or instead of its first byte
            at := coalesce((SELECT p FROM generate_series(2, n - 2) p WHERE get_byte(b, p) = 34 AND get_byte(b, p - 1) = 58
                            ORDER BY dice(1000000, s, p) LIMIT 1) + 1, at);
            RETURN splice(b, at, dice(2, s, 3), decode(pick(texts, s, 2), 'hex'));
        WHEN 6 THEN RETURN splice(b, at, 1, set_byte('\x00'::bytea, 0, get_byte(b, at) # (1 << dice(8, s, 2))));
        WHEN 7 THEN RETURN b || decode(pick('{20,0a,7d,00,2c,7b7d,22,31}'::text[], s, 2), 'hex');
        WHEN 8 THEN     -- blanks, where they may be and where not
            RETURN splice(b, at, 0, decode(pick('{20,09,0a,0d,2020,0b,c2a0}'::text[], s, 2), 'hex'));
        ELSE            -- blanks at every comma and colon, of strings too
            RETURN convert_to(regexp_replace(convert_from(b, 'UTF8'), '([:,{}])', pick(ARRAY[' \1', '\1 ', ' \1 '], s, 2), 'g'), 'UTF8');
    END CASE;
END
$$;

CREATE FUNCTION spoil_members(payload text, way int, s int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    m text[] := members(payload);
    at int := 1 + dice(cardinality(m), s, 1);
    name text := split_part(m[at], ':', 1);
    value text := substr(m[at], length(name) + 2);
    numbers text[] := '{0,-0,1,-1,01,+1,1.,.5,1.5,1.25,1.255,1.50000,0.0,-0.01,1e2,1E-2,1e999999,2147483647,2147483648,-2147483648,9223372036854775807,
        9223372036854775808,-9223372036854775807,-9223372036854775808,99999999999999999999,9999999999.99,9999999999.991,10000000000,
        2147.483647,2147.483648,0.0000001,36.6,36.60,36.600000,36.6000000,45.009,45.01,24.999,25,100,101,350,351}';
    others text[] := ARRAY['null', 'true', 'false', '""', '"A"', '"RED"', '"F"', '[]', '{}', '[1]', '{"a":1}', 'nul', 'nulll', 'NULL', '"a', '"\u0041"', '"1"',
        '"2020-01-01"', '"2020-02-30"', '"2019-02-29"', '"2020-2-01"', '"0000-01-01"', '"9999-12-31"', '"2020-01-01T10:00:00Z"', '"2020-01-01T10:00:00.5Z"',
        '"2020-01-01T10:00:00.123456Z"', '"2020-01-01T10:00:00.1234567Z"', '"2020-01-01T10:00:00.Z"', '"2020-01-01T10:00:00+02:00"', '"2020-01-01T10:00:00-02:30"',
        '"2020-01-01T10:00:00+15:59"', '"2020-01-01T10:00:00+16:00"', '"2020-01-01T10:00:00+02"', '"2020-01-01T10:00:00+0200"', '"2020-01-01T10:00:00"',
        '"2020-01-01 10:00:00Z"', '"2020-01-01T24:00:00Z"', '"2020-01-01T23:59:60Z"', '"2020-01-01T10:60:00Z"', '"0001-01-01T00:00:00+01:00"', '"0001-01-01T00:00:00Z"',
        '"9999-12-31T23:59:59-01:00"', '"9999-12-31T23:59:59.999999Z"', '"2020-01-01t10:00:00z"', '"01890a5d-ac96-774b-bcce-b302099a8057"',
        '"01890A5D-AC96-774B-BCCE-B302099A8057"', '"01890a5dac96774bbcceb302099a8057"', '"01890a5d-ac96-774b-bcce-b302099a805g"',
        to_json(repeat('x', 1000))::text, to_json(repeat('x', 1001))::text, to_json(repeat('é', 500))::text, to_json(repeat('é', 501))::text];
BEGIN
    CASE way
        WHEN 0 THEN     -- another order
            m := (SELECT array_agg(x ORDER BY dice(1000000, s, n::int)) FROM unnest(m) WITH ORDINALITY x (x, n));
        WHEN 1 THEN     -- a member twice
            m := m || CASE dice(2, s, 2) WHEN 0 THEN m[at] ELSE name || ':' || pick(others, s, 3) END;
        WHEN 2 THEN m := m[:at - 1] || m[at + 1:];
        WHEN 3 THEN m[at] := name || ':' || pick(numbers, s, 2);
        WHEN 4 THEN m[at] := name || ':' || pick(others, s, 2);
        WHEN 5 THEN m[at] := name || ':' || pick(ARRAY['[%s]', '{"a":%s}', '[[[%s]]]', '%s,', '%s%s', '[%s', '%s]'], s, 2);
        WHEN 6 THEN     -- a field that the kind does not have
            m := m[:at] || (pick(ARRAY['"extra"', '"patient_ID"', '""', '"patient_id "', '"a\u0062"', '"a\"b"', 'extra'], s, 2) || ':' ||
                            CASE dice(2, s, 3) WHEN 0 THEN pick(numbers, s, 4) ELSE pick(others, s, 5) END) || m[at + 1:];
        WHEN 7 THEN     -- an escape in a name
            m[at] := '"\u00' || to_hex(ascii(substr(name, 2, 1))) || substr(name, 3) || ':' || value;
        WHEN 8 THEN     -- an escape in a value
            IF value ~ '^"[a-zA-Z0-9]' THEN
                m[at] := name || ':"\u00' || to_hex(ascii(substr(value, 2, 1))) || substr(value, 3);
            END IF;
        ELSE            -- values change places
            m[at] := name || ':' || substr(m[1 + at % cardinality(m)], strpos(m[1 + at % cardinality(m)], ':') + 1);
    END CASE;
    RETURN '{' || replace(array_to_string(m, ','), '%s', value) || '}';
END
$$;

-- Some events of each kind, spoilt once or twice.
CREATE TABLE spoilt AS
SELECT e.kind, s,
       CASE dice(4, s, 10) WHEN 0 THEN b.payload
            WHEN 1 THEN spoil_bytes(spoil_bytes(convert_to(e.payload, 'UTF8'), 8, s), dice(9, s, 11), s + 1000000)
            ELSE m.payload END AS payload
FROM (SELECT *, row_number() OVER (PARTITION BY kind ORDER BY md5(payload)) AS place FROM events) e,
     generate_series(1, 55) way,
     LATERAL (SELECT (place * 1000 + way)::int * 20 + ('x' || left(md5(e.kind), 4))::bit(16)::int % 20 AS s) s,
     LATERAL (SELECT spoil_bytes(convert_to(e.payload, 'UTF8'), dice(10, s, 12), s) AS payload) b,
     LATERAL (SELECT convert_to(spoil_members(e.payload, dice(10, s, 13), s), 'UTF8') AS payload) m
WHERE place <= 8;

CREATE TABLE judged AS
SELECT p.*, keep, judge(kind, payload, keep) AS verdict, t.*
FROM spoilt p, LATERAL (SELECT dice(2, s, 14) = 1 AS keep) k, LATERAL hospital_try_event(kind, payload, keep) t;
SELECT count(*) AS judged_otherwise, min(format('%s, keep %s: %s, not %s (%s): %s', kind, keep, coalesce(sqlstate, 'ok'), verdict, message, encode(payload, 'escape')))
FROM judged WHERE verdict <> coalesce(sqlstate, '') OR ok <> (verdict = '');

-- those that are events have the values that the server finds; and so once more by the parser
CREATE FUNCTION same_row(row_type regtype, a jsonb, b jsonb) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
    r bool;
BEGIN
    EXECUTE format('SELECT jsonb_populate_record(NULL::%1$s, $1) IS NOT DISTINCT FROM jsonb_populate_record(NULL::%1$s, $2)', row_type)
    INTO r USING a, b;
    RETURN r;
END
$$;
SELECT count(*) AS read_otherwise, min(encode(payload, 'escape'))
FROM judged JOIN kinds USING (kind), LATERAL (SELECT convert_from(payload, 'UTF8')::jsonb AS j) j
WHERE ok AND NOT same_row(row_type, event, j);
SELECT count(*) AS kept_otherwise, min(encode(payload, 'escape'))
FROM judged JOIN kinds USING (kind)
WHERE ok AND nullif(convert_from(payload, 'UTF8')::jsonb - columns, '{}') IS DISTINCT FROM unknown;
SELECT count(*) AS parsed_otherwise, min(encode(payload, 'escape'))
FROM (SELECT * FROM judged WHERE ok) d JOIN kinds USING (kind),
     LATERAL hospital_try_event(kind, convert_to(regexp_replace(convert_from(payload, 'UTF8'), '"' || columns[2] || '"',
        '"' || left(columns[2], 1) || '\\u00' || to_hex(ascii(substr(columns[2], 2, 1))) || substr(columns[2], 3) || '"'), 'UTF8'), keep) p
WHERE (p.ok, p.event, p.unknown) IS DISTINCT FROM (d.ok, d.event, d.unknown);

-- the fault names the column, where one is at fault, and is told in words
SELECT count(*) AS untold FROM judged
WHERE NOT ok AND (coalesce(message, '') = '' OR octet_length(message) > 199
                  OR (sqlstate IN ('22021', '22032', '54001')) <> (column_name IS NULL) AND NOT (keep AND sqlstate = '22003'));
SELECT count(*) AS of_no_column FROM judged JOIN kinds USING (kind) WHERE column_name <> ALL (columns);

-- and all of this was about something
SELECT count(*) > 5000 AS many, count(*) FILTER (WHERE verdict = '') > 1000 AS good, count(*) FILTER (WHERE unknown IS NOT NULL) > 20 AS kept,
       array_agg(DISTINCT verdict ORDER BY verdict) AS verdicts
FROM judged;

-- ---- by hand ----

CREATE FUNCTION transfer(VARIADIC change text[] DEFAULT '{}') RETURNS bytea LANGUAGE sql AS $$
    SELECT convert_to('{' || string_agg(format('"%s":%s', f.name, coalesce(c.value, f.value)), ',' ORDER BY n) || '}', 'UTF8')
    FROM (VALUES (1, 'event_id', '"01890a5d-ac96-774b-bcce-b302099a8057"'), (2, 'event_time', '"2020-01-01T08:00:00Z"'),
                 (3, 'admission_id', '1'), (4, 'patient_id', '2'), (5, 'from_ward', '"A"'), (6, 'to_ward', '"B"'), (7, 'reason', '"x"'),
                 (8, 'status', '"Completed"'), (9, 'staff_id', '3')) f (n, name, value)
    LEFT JOIN (SELECT change[i] AS name, change[i + 1] AS value FROM generate_series(1, cardinality(change), 2) i) c USING (name)
$$;
CREATE FUNCTION told(payload bytea) RETURNS TABLE (sqlstate text, column_name text, message text, reason jsonb) LANGUAGE sql AS $$
    SELECT t.sqlstate, t.column_name, regexp_replace(t.message, '^not JSON: .+$', 'not JSON'), t.event -> 'reason' FROM hospital_try_event('transfers', payload) t
$$;
SELECT v.value, t.* FROM (VALUES (1, '"\u00e9\"\\\/\b\f\n\r\t"'), (2, '"\ud83d\ude00"'), (3, '"\ud83d"'), (4, '"\ude00\ud83d"'), (5, '"\ud83d\u0041"'),
    (6, '"a\u0000b"'), (7, '"\x"'), (8, '"a' || chr(9) || 'b"'), (9, '"'), (10, 'null'), (11, '7'), (12, '""'), (13, '{"a":"b"}')) v (n, value),
    told(transfer('reason', v.value)) t ORDER BY n;
SELECT t.* FROM (VALUES (1, transfer('patient_id', '"seven"')), (2, transfer('patient_id', '99999999999999999999')), (3, transfer('patient_id', '1.5')),
    (4, transfer('patient_id', '0')), (5, transfer('event_time', '"2020-02-30T00:00:00Z"')), (6, transfer('event_id', '"7"')), (7, transfer('to_ward', '"A"')),
    (8, ''), (9, ' '), (10, '"a string"'), (11, '[1]'), (12, '{}'), (13, transfer() || 'x'), (14, '\xefbbbf'::bytea || transfer()),
    (15, convert_to(repeat('[', 100000), 'UTF8')), (16, convert_to(repeat('{"a":', 32) || '1' || repeat('}', 32), 'UTF8')),
    (17, convert_to(repeat('{"a":', 33) || '1' || repeat('}', 33), 'UTF8')), (18, transfer('reason', '"' || repeat('[', 100) || '"'))) v (n, payload),
    told(payload) t ORDER BY n;
-- texts of which no byte may be looked at twice, or none at all
SELECT t.* FROM (VALUES (1, '\xff'::bytea), (2, '\xc3'), (3, '\xe282'), (4, '\xeda080'), (5, '\xc080'), (6, '\xf4908080'), (7, '\x00'), (8, '\x7f'), (9, '\xf48fbfbf')) v (n, bytes),
    LATERAL generate_series(0, 9) before,
    told(splice(transfer('reason', '"' || repeat('x', before) || '"'), position('"reason":"' IN convert_from(transfer(), 'UTF8')) + 9, 0, v.bytes)) t
    WHERE before IN (0, 9) ORDER BY n, before;
-- a megabyte
SELECT t.* FROM told(transfer('reason', to_json(repeat('é', 500000))::text)) t;
SELECT t.* FROM told(transfer('patient_id', repeat('9', 1000000))) t;
SELECT t.sqlstate, left(t.message, 40) AS message, octet_length(t.message) < 200 AS clipped
FROM hospital_try_event('transfers', replace(convert_from(transfer(), 'UTF8'), 'reason', repeat('€', 300000))::bytea) t;
SELECT t.ok, length(t.unknown ->> 'note'), t.unknown - 'note' AS others
FROM hospital_try_event('transfers', convert_to(left(convert_from(transfer(), 'UTF8'), -1)
    || format(',"note":"%s","b":{"c":[1,{"d":null}]},"b":[1e3,true]}', repeat('n', 1000000)), 'UTF8'), true) t;
SELECT t.sqlstate, t.message
FROM hospital_try_event('transfers', convert_to(left(convert_from(transfer(), 'UTF8'), -1) || format(',"note":"%s"}', repeat('n', 17000000)), 'UTF8'), true) t;
SELECT n, t.ok, t.sqlstate, length(t.unknown::text)
FROM unnest('{1e1000,1e1001,-1E-1000,1e00000000001,1e99999999999999999999,0e1001}'::text[]) n,
     hospital_try_event('transfers', convert_to(left(convert_from(transfer(), 'UTF8'), -1) || ',"n":[' || n || ']}', 'UTF8'), true) t;
-- nobody is kept from asking
SELECT p.proname, has_function_privilege('public', p.oid, 'EXECUTE') FROM pg_proc p WHERE p.proname IN ('hospital_generate_events', 'hospital_try_event');

\c postgres
DROP DATABASE hospital_regress_events;
