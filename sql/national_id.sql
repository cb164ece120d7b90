--
-- South African identity numbers: YYMMDD SSSS C A Z.  The check digit is
-- implemented here once more, in SQL, in both of its published forms.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS hospital;
RESET client_min_messages;
SET datestyle = iso;

CREATE FUNCTION pg_temp.outcome(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    m text; d text; h text; result text;
BEGIN
    EXECUTE statement INTO result;
    RETURN coalesce(result, 'null');
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS m = MESSAGE_TEXT, d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
    RETURN concat_ws(' | ', SQLSTATE || ' ' || m, nullif(d, ''), nullif(h, ''));
END $$;

-- Luhn: double every second digit, cast out nines, add.
CREATE FUNCTION pg_temp.luhn(first_12 text) RETURNS int LANGUAGE sql IMMUTABLE AS $$
    SELECT ((10 - sum(CASE WHEN i % 2 = 1 THEN d WHEN 2 * d > 9 THEN 2 * d - 9 ELSE 2 * d END) % 10) % 10)::int
    FROM (SELECT i, substr(first_12, i, 1)::int AS d FROM generate_series(1, 12) AS i) AS digits
$$;
-- Home Affairs: the sum of the odd digits, plus the digit sum of twice the number that the even ones make.
CREATE FUNCTION pg_temp.home_affairs(first_12 text) RETURNS int LANGUAGE sql IMMUTABLE AS $$
    SELECT (10 - (a + (SELECT sum(c::int) FROM regexp_split_to_table((2 * b)::text, '') AS c)) % 10)::int % 10
    FROM (SELECT sum(substr(first_12, i, 1)::int) FILTER (WHERE i % 2 = 1) AS a,
                 string_agg(substr(first_12, i, 1), '' ORDER BY i) FILTER (WHERE i % 2 = 0)::bigint AS b
          FROM generate_series(1, 12) AS i) AS parts
$$;

-- The published vectors.
SELECT id, what, hospital_national_id_valid(id) AS valid,
       pg_temp.luhn(left(id, 12)) = right(id, 1)::int AS luhn, pg_temp.home_affairs(left(id, 12)) = right(id, 1)::int AS home_affairs
FROM (VALUES
    ('8001015009087', 'M'), ('7503305044089', 'M'), ('9202204720083', 'F'), ('8501010000080', 'F'), ('9902289999086', 'M'),
    ('0002295000182', 'M, resident'), ('0102031234184', 'F, resident'), ('8801235111187', 'M, resident'),
    ('6806087120089', 'M'), ('2003010210088', 'F, 1920 or 2020'), ('8912314999085', 'F, highest female sequence')) AS v (id, what);
SELECT id, why, hospital_national_id_valid(id) AS valid
FROM (VALUES
    ('8001015009088', 'check digit'), ('8503305044089', 'check digit'), ('9202204720082', 'check digit'),
    ('8013015009080', 'month 13'), ('9902295000087', '29 February 1999'), ('800101500908', 'length')) AS v (id, why);

-- Taken apart.
SELECT id, p.* FROM unnest(ARRAY[
    '8001015009087', '7503305044089', '9202204720083', '8501010000080', '9902289999086', '0002295000182',
    '0102031234184', '8801235111187', '6806087120089', '2003010210088', '8912314999085']) AS id,
    LATERAL hospital_national_id_parse(id, '2025-12-31') AS p;

-- Nearly right is wrong: characters, lengths, dates, C and A digits.  The
-- check digits of the last group are right.
SELECT quote_literal(id) AS id, hospital_national_id_valid(id) AS valid
FROM unnest(ARRAY['', ' ', '80010150090877', ' 8001015009087', '8001015009087 ', '800101 5009 087', '8001015009o87', '+800101500908',
                  '-001015009087', '٨٠٠١٠١٥٠٠٩٠٨٧', '８００１０１５００９０８７', E'8001015009087\n', 'abcdefghijklm', '0000000000000', repeat('8', 26)]) AS id;
SELECT id, hospital_national_id_valid(id) AS valid
FROM (SELECT f || pg_temp.luhn(f) FROM unnest(ARRAY[
    '800001500908', '800100500908', '800132500908', '800431500908', '801301500908', '800230500908', '800229500908', '810229500908',
    '000229500908', '010229500908', '040229500908', '990229500908',
    '800101500988', '800101500998', '800101500928', '800101500938', '800101500948', '800101500958', '800101500968', '800101500978',
    '800101500918', '800101500909', '800101500907', '800101500906', '800101500905', '800101500900']) AS f) AS v (id);

-- 29 February 00 is one of 2000 only; 1900 was no leap year.
SELECT as_of, pg_temp.outcome(format('SELECT hospital_national_id_parse(%L, %L)', '0002295000182', as_of)) AS parsed
FROM unnest(ARRAY['1999-12-31', '2000-02-28', '2000-02-29', '2020-01-01']::date[]) AS as_of;

-- The century: the latest in which the birth is not after as_of.
SELECT as_of, pg_temp.outcome(format('SELECT hospital_national_id_parse(%L, %L)', '2003010210088', as_of)) AS parsed
FROM unnest(ARRAY['1920-02-29', '1920-03-01', '2019-12-31', '2020-02-29', '2020-03-01', '2025-12-31', '2030-02-28', '2031-03-02']::date[]) AS as_of;
SELECT as_of, pg_temp.outcome(format('SELECT hospital_national_id_parse(%L, %L)', '8001015009087', as_of)) AS parsed
FROM unnest(ARRAY['1979-12-31', '1980-01-01', '2079-12-31', '2080-01-01', '2099-12-31', 'infinity', '-infinity', '0001-01-01']::date[]) AS as_of;

-- The other date, where there is one, is a hundred years earlier, and nobody is older than 110.
SELECT count(*) AS days,
       count(*) FILTER (WHERE p.date_of_birth <> d.day) AS wrong_century,
       count(*) FILTER (WHERE p.other_date_of_birth IS DISTINCT FROM
           CASE WHEN d.day - interval '100 years' >= '1900-01-01' AND age('2020-01-01', d.day - interval '100 years') <= interval '110 years'
                 AND extract(day FROM d.day - interval '100 years') = extract(day FROM d.day)
                THEN (d.day - interval '100 years')::date END) AS wrong_other
FROM (SELECT g::date AS day FROM generate_series('1920-01-02'::timestamp, '2020-01-01', '1 day') AS g) AS d,
     LATERAL hospital_national_id_parse(hospital_national_id(d.day, 'F', 1), '2020-01-01') AS p;

-- Built: every combination is valid by both forms, and comes back the same.
WITH built AS (
    SELECT date_of_birth, sex, sequence, citizen, marked, hospital_national_id(date_of_birth, sex, sequence, citizen, marked)::text AS id
    FROM (SELECT '1900-01-01'::date + (i * 1237 % 73049)::int AS date_of_birth, CASE WHEN i % 2 = 0 THEN 'F' ELSE 'M' END AS sex,
                 (i * 7919 % 5000)::int AS sequence, i % 3 <> 0 AS citizen, i % 7 = 0 AS marked
          FROM generate_series(0, 9999) AS i) AS n
)
SELECT count(*) AS numbers, count(DISTINCT id) AS distinct_numbers,
       count(*) FILTER (WHERE NOT hospital_national_id_valid(id)) AS invalid,
       count(*) FILTER (WHERE id !~ '^[0-9]{13}$') AS malformed,
       count(*) FILTER (WHERE pg_temp.luhn(left(id, 12)) <> right(id, 1)::int) AS not_luhn,
       count(*) FILTER (WHERE pg_temp.home_affairs(left(id, 12)) <> right(id, 1)::int) AS not_home_affairs,
       count(*) FILTER (WHERE left(id, 6) <> to_char(date_of_birth, 'YYMMDD')) AS wrong_date,
       count(*) FILTER (WHERE substr(id, 7, 4)::int <> sequence + CASE sex WHEN 'M' THEN 5000 ELSE 0 END) AS wrong_sequence,
       count(*) FILTER (WHERE substr(id, 11, 1) <> CASE WHEN marked THEN CASE WHEN citizen THEN '8' ELSE '9' END
                                                        WHEN citizen THEN '0' ELSE '1' END) AS wrong_citizenship,
       count(*) FILTER (WHERE substr(id, 12, 1) <> '8') AS a_not_8
FROM built;
WITH built AS (
    SELECT '1900-01-01'::date + (i * 1237 % 73049)::int AS date_of_birth, CASE WHEN i % 2 = 0 THEN 'F' ELSE 'M' END AS sex,
           (i * 7919 % 5000)::int AS sequence, i % 3 <> 0 AS citizen, i % 7 = 0 AS marked
    FROM generate_series(0, 9999) AS i
)
SELECT count(*) AS numbers,
       count(*) FILTER (WHERE (p.date_of_birth, p.sex, p.sequence, p.citizen, p.marked)
                              IS DISTINCT FROM (b.date_of_birth, b.sex, b.sequence, b.citizen, b.marked)) AS not_the_same
FROM built AS b,
     LATERAL hospital_national_id_parse(hospital_national_id(b.date_of_birth, b.sex, b.sequence, b.citizen, b.marked),
                                        (b.date_of_birth + interval '1 year')::date) AS p;

-- Of the ten last digits one is right; every changed digit and most swaps are noticed.
SELECT count(*) AS numbers, bool_and(valid = 1) AS one_of_ten
FROM (SELECT f, count(*) FILTER (WHERE hospital_national_id_valid(f || z)) AS valid
      FROM (SELECT left(hospital_national_id('1950-01-01'::date + i, 'F', i % 5000), 12) AS f FROM generate_series(0, 3999) AS i) AS n,
           generate_series(0, 9) AS z GROUP BY f) AS v;
SELECT count(*) AS changed, count(*) FILTER (WHERE hospital_national_id_valid(overlay(id PLACING d::text FROM i FOR 1))) AS still_valid
FROM (SELECT hospital_national_id('1950-01-01'::date + 37 * k, 'M', k * 11)::text AS id FROM generate_series(0, 199) AS k) AS n,
     generate_series(1, 13) AS i, generate_series(0, 9) AS d
WHERE substr(id, i, 1) <> d::text;

-- A birth date and sex has 5000 numbers, women's below men's.
SELECT sex, count(DISTINCT hospital_national_id('1990-06-15', sex, s)), min(hospital_national_id('1990-06-15', sex, s)),
       max(hospital_national_id('1990-06-15', sex, s))
FROM unnest(ARRAY['F', 'M']) AS sex, generate_series(0, 4999) AS s GROUP BY sex ORDER BY sex;
SELECT hospital_national_id('1990-06-15', 'F', 7) AS citizen, hospital_national_id('1990-06-15', 'F', 7, false) AS resident,
       hospital_national_id('1990-06-15', 'F', 7, marked => true) AS marked, hospital_national_id('1990-06-15', 'F', 7, false, true) AS marked_resident;

-- What cannot be built says why.
SELECT a, pg_temp.outcome('SELECT hospital_national_id(' || a || ')')
FROM unnest(ARRAY[
    $$'1990-06-15', 'X', 1$$, $$'1990-06-15', 'f', 1$$, $$'1990-06-15', '', 1$$, $$'1990-06-15', 'FM', 1$$,
    $$'1990-06-15', 'F', -1$$, $$'1990-06-15', 'F', 5000$$, $$'1990-06-15', 'M', 2147483647$$, $$'1990-06-15', 'M', -2147483648$$,
    $$'1899-12-31', 'F', 1$$, $$'1900-01-01', 'F', 1$$, $$'2099-12-31', 'F', 1$$, $$'2100-01-01', 'F', 1$$,
    $$'infinity', 'F', 1$$, $$'-infinity', 'F', 1$$, $$'4713-01-01 BC', 'F', 1$$,
    $$null, 'F', 1$$, $$'1990-06-15', null, 1$$, $$'1990-06-15', 'F', null$$, $$'1990-06-15', 'F', 1, null$$, $$'1990-06-15', 'F', 1, true, null$$]) AS a;
SELECT a, pg_temp.outcome('SELECT hospital_national_id_parse(' || a || ')')
FROM unnest(ARRAY[$$'8001015009088', '2020-01-01'$$, $$'', '2020-01-01'$$, $$'9902295000087', '2020-01-01'$$, $$null, '2020-01-01'$$, $$'8001015009087', null$$]) AS a;
SELECT hospital_national_id_valid(NULL) AS unknown;

-- The domain takes what is valid, text and null; nothing else.
CREATE TEMPORARY TABLE card (id hospital.national_id);
INSERT INTO card VALUES ('8001015009087'), (NULL), ('7503305044089'::text), ('9901014999882');
SELECT a, pg_temp.outcome('INSERT INTO card VALUES (' || quote_literal(a) || ') RETURNING id')
FROM unnest(ARRAY['8001015009088', '', '9902295000087', '8001015009087 ', '8001015009087']) AS a;
SELECT pg_temp.outcome($$SELECT '8013015009080'::hospital.national_id$$);
COPY card FROM stdin;
8001015009080
\.
SELECT count(*), count(id) FROM card;
-- bytes, not a language's rules, order it
SELECT collname FROM pg_type JOIN pg_collation c ON c.oid = typcollation WHERE pg_type.oid = 'hospital.national_id'::regtype;
