--
-- People: the same bytes whatever happens around them, and people who could
-- live.  What needs a million of them is in test/t/010_people.pl.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS hospital;
RESET client_min_messages;
SET datestyle = iso;

-- One digest over whole rows.
CREATE FUNCTION pg_temp.digest(n bigint, seed bigint DEFAULT 42, first bigint DEFAULT 1, as_of date DEFAULT '2020-01-01', id_mode text DEFAULT 'realistic')
RETURNS text LANGUAGE sql SET datestyle = iso AS
$$ SELECT md5(coalesce(string_agg(p::text, E'\n' ORDER BY p.person_id), '')) FROM hospital_generate_people(n, seed, first, as_of, id_mode) AS p $$;

-- Golden digests.  They change only together with the generator's version.
SELECT hospital_generator_version();
SELECT v.*, pg_temp.digest(n, seed, first, as_of, id_mode)
FROM (VALUES
    (2000::bigint, 42::bigint, 1::bigint, '2020-01-01'::date, 'realistic'),
    (2000, 42, 4096, '2020-01-01', 'realistic'),
    (2000, 42, 4999001, '2020-01-01', 'realistic'),
    (1000, 42, 67107865, '2020-01-01', 'realistic'),
    (2000, 42, 1, '2020-01-01', 'marked'),
    (2000, 42, 1, '2023-07-14', 'realistic'),
    (2000, 42, 1, '2020-02-29', 'realistic'),
    (2000, 0, 1, '2020-01-01', 'realistic'),
    (2000, -1, 1, '2020-01-01', 'realistic'),
    (2000, 9223372036854775807, 1, '2020-01-01', 'realistic'),
    (2000, '-9223372036854775808', 1, '2020-01-01', 'realistic')) AS v (n, seed, first, as_of, id_mode);

-- Another seed is another city; the same one is the same city.
SELECT count(*) AS rows, count(*) FILTER (WHERE (a.national_id, a.first_name, a.last_name, a.date_of_birth)
                                              IS NOT DISTINCT FROM (b.national_id, b.first_name, b.last_name, b.date_of_birth)) AS same
FROM hospital_generate_people(1000, 1) AS a JOIN hospital_generate_people(1000, 2) AS b USING (person_id);

-- Asking for more people does not change those already given.
CREATE TEMPORARY TABLE city AS SELECT * FROM hospital_generate_people(20000);
SELECT n, pg_temp.digest(n) = (SELECT md5(string_agg(c::text, E'\n' ORDER BY person_id)) FROM city AS c WHERE person_id <= n) AS prefix
FROM unnest(ARRAY[1, 2, 100, 2000, 4095, 4096, 4097, 20000]) AS n;

-- Slices, in any order, are the same bytes; person i alone too.
CREATE TEMPORARY TABLE sliced (LIKE city);
INSERT INTO sliced SELECT * FROM hospital_generate_people(7000, first => 13001);
INSERT INTO sliced SELECT * FROM hospital_generate_people(1);
INSERT INTO sliced SELECT p.* FROM generate_series(12001, 5001, -1000) AS f, hospital_generate_people(1000, first => f) AS p;
INSERT INTO sliced SELECT p.* FROM generate_series(5000, 2, -1) AS f, hospital_generate_people(1, first => f) AS p;
SELECT count(*) AS rows, count(*) FILTER (WHERE s IS DISTINCT FROM c) AS different FROM sliced AS s FULL JOIN city AS c USING (person_id);
SELECT (SELECT md5(string_agg(c::text, E'\n' ORDER BY person_id)) FROM city AS c)
     = (SELECT md5(string_agg(s::text, E'\n' ORDER BY person_id)) FROM sliced AS s) AS same_bytes;
-- Each column by itself is what it is among all of them.
CREATE FUNCTION pg_temp.same_alone(column_name name) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    same boolean;
BEGIN
    EXECUTE format(
        'SELECT (SELECT md5(string_agg(coalesce(%1$I::text, ''-''), ''|'')) FROM (SELECT %1$I FROM hospital_generate_people(5000)) AS g)
              = (SELECT md5(string_agg(coalesce(%1$I::text, ''-''), ''|'' ORDER BY person_id)) FROM city WHERE person_id <= 5000)',
        column_name) INTO same;
    RETURN same;
END $$;
SELECT attname AS column_name, pg_temp.same_alone(attname) AS same
FROM pg_attribute WHERE attrelid = 'hospital.person'::regclass AND attnum > 0 ORDER BY attnum;

-- Nothing around changes a byte.  Rows are made under odd settings and looked
-- at under these.
CREATE FUNCTION pg_temp.made_under(VARIADIC settings text[]) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    function text := (SELECT format('%I.hospital_generate_people', nspname) FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'hospital');
    same boolean;
BEGIN
    FOR i IN 1 .. array_length(settings, 1) BY 2 LOOP
        PERFORM set_config(settings[i], settings[i + 1], true);
    END LOOP;
    EXECUTE 'CREATE TEMPORARY TABLE odd ON COMMIT DROP AS SELECT * FROM ' OPERATOR(pg_catalog.||) function OPERATOR(pg_catalog.||) '(3000)';
    PERFORM set_config('datestyle', 'iso', true), set_config('search_path', 'public', true);
    EXECUTE 'SELECT count(*) = 3000 AND bool_and(o IS NOT DISTINCT FROM c) FROM pg_temp.odd AS o FULL JOIN (SELECT * FROM pg_temp.city WHERE person_id <= 3000) AS c USING (person_id)'
    INTO same;
    DROP TABLE pg_temp.odd;
    RETURN same;
END $$;
SELECT pg_temp.made_under('timezone', 'Pacific/Kiritimati') AS timezone_east, pg_temp.made_under('timezone', 'Pacific/Pago_Pago') AS timezone_west,
       pg_temp.made_under('datestyle', 'SQL, DMY') AS datestyle, pg_temp.made_under('datestyle', 'German') AS german,
       pg_temp.made_under('intervalstyle', 'sql_standard') AS intervalstyle, pg_temp.made_under('extra_float_digits', '-15') AS float_digits;
SELECT pg_temp.made_under('lc_time', 'POSIX') AS lc_time, pg_temp.made_under('lc_numeric', 'POSIX') AS lc_numeric,
       pg_temp.made_under('lc_monetary', 'POSIX') AS lc_monetary, pg_temp.made_under('lc_messages', 'POSIX') AS lc_messages,
       pg_temp.made_under('search_path', 'pg_catalog') AS search_path, pg_temp.made_under('search_path', '') AS no_search_path;
SELECT pg_temp.made_under('bytea_output', 'escape', 'standard_conforming_strings', 'off', 'client_encoding', 'LATIN1', 'work_mem', '64kB',
                          'jit', 'off', 'quote_all_identifiers', 'on', 'array_nulls', 'off', 'transform_null_equals', 'on',
                          'default_transaction_isolation', 'serializable', 'timezone_abbreviations', 'India') AS others;
-- Every setting of the extension that may be set in a session, at its largest and at something else.
SELECT count(*) > 3 AS settings, bool_and(pg_temp.made_under(name, odd)) AS same
FROM (SELECT name, odd
      FROM pg_settings, LATERAL (VALUES (min_val), (max_val), (CASE WHEN name LIKE '%date' THEN '2031-05-05' WHEN name = 'hospital.seed' THEN '7' WHEN vartype = 'string' THEN '/nowhere' END)) AS o (odd)
      WHERE name LIKE 'hospital.%' AND context IN ('user', 'superuser') AND odd IS NOT NULL) AS s;
RESET ALL;
SET datestyle = iso;

-- None, and what cannot be.
SELECT count(*) AS none FROM hospital_generate_people(0);
SELECT count(*) AS none FROM hospital_generate_people(0, first => 67108864);
SELECT (SELECT count(*) FROM hospital_generate_people(NULL)) AS n, (SELECT count(*) FROM hospital_generate_people(5, NULL)) AS seed,
       (SELECT count(*) FROM hospital_generate_people(5, 42, NULL)) AS first, (SELECT count(*) FROM hospital_generate_people(5, 42, 1, NULL)) AS as_of,
       (SELECT count(*) FROM hospital_generate_people(5, 42, 1, '2020-01-01', NULL)) AS id_mode;
SELECT person_id FROM hospital_generate_people(1, first => 67108864);

CREATE FUNCTION pg_temp.outcome(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    m text; d text; h text; result text;
BEGIN
    EXECUTE statement INTO result;
    RETURN coalesce(result, 'null');
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS m = MESSAGE_TEXT, d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
    RETURN concat_ws(E'\n', SQLSTATE || ' ' || m, 'DETAIL: ' || nullif(d, ''), 'HINT: ' || nullif(h, ''));
END $$;
\x
SELECT a AS arguments, pg_temp.outcome('SELECT count(*) FROM hospital_generate_people(' || a || ')') AS outcome,
       pg_temp.outcome('SELECT count(*) FROM hospital_generate_people(' || a || ')')
       = pg_temp.outcome('SELECT count(*) FROM (SELECT hospital_generate_people(' || a || ')) AS s') AS same_in_select_list
FROM unnest(ARRAY[
    '-1', '''-9223372036854775808''', '1, 42, 0', '1, 42, -5', '1, 42, ''-9223372036854775808''',
    '67108865', '1, 42, 67108865', '2, 42, 67108864', '9223372036854775807', '9223372036854775807, 42, 9223372036854775807',
    '1, 42, 1, ''infinity''', '1, 42, 1, ''-infinity''', '1, 42, 1, ''1850-01-01''', '1, 42, 1, ''2500-01-01''', '1, 42, 1, ''4713-01-01 BC''',
    '1, 42, 1, ''2020-01-01'', ''''', '1, 42, 1, ''2020-01-01'', ''Realistic''', '1, 42, 1, ''2020-01-01'', ''mark''']) AS a;
\x
-- How early and how late as_of may be: every year from 1900 to 2200, the ends that work.
SELECT min(y) FILTER (WHERE works) AS first_year, max(y) FILTER (WHERE works) AS last_year, bool_or(works AND people <> 5) AS wrong
FROM (SELECT y, o ~ '^[0-9]+$' AS works, CASE WHEN o ~ '^[0-9]+$' THEN o::int END AS people
      FROM generate_series(1900, 2200) AS y, LATERAL pg_temp.outcome(format('SELECT count(*) FROM hospital_generate_people(5, 42, 1, %L)', y || '-06-15')) AS o) AS t;

-- marked: identity numbers that nobody can have; all else is the same.
SELECT count(*) AS rows, count(m.national_id) AS numbers, count(DISTINCT m.national_id) AS distinct_numbers,
       count(*) FILTER (WHERE m.national_id IS NOT NULL AND substr(m.national_id, 11, 1) <> CASE r.citizenship WHEN 'ZA' THEN '8' ELSE '9' END) AS unmarked,
       count(*) FILTER (WHERE NOT hospital_national_id_valid(m.national_id)) AS invalid,
       count(*) FILTER (WHERE (m.national_id IS NULL) <> (r.national_id IS NULL)) AS lost,
       count(*) FILTER (WHERE left(m.national_id, 10) <> left(r.national_id, 10)) AS renumbered,
       count(*) FILTER (WHERE to_jsonb(m) - 'national_id' <> to_jsonb(r) - 'national_id') AS otherwise_different
FROM hospital_generate_people(20000, id_mode => 'marked') AS m JOIN city AS r USING (person_id);

-- Households, of the complete ones (the last may go on beyond the slice).
CREATE TEMPORARY TABLE person AS
SELECT p.*, extract(year FROM age('2020-01-01'::date, p.date_of_birth))::int AS age FROM hospital_generate_people(100000) AS p;
CREATE TEMPORARY TABLE household AS
SELECT household_id, count(*) AS members, max(age) AS oldest, min(age) AS youngest,
       count(DISTINCT last_name) AS last_names, count(DISTINCT address) AS addresses, count(DISTINCT suburb) AS suburbs,
       count(DISTINCT home_language) AS languages, count(DISTINCT citizenship) AS citizenships, count(DISTINCT population_group) AS groups,
       max(person_id) - min(person_id) + 1 - count(*) AS strangers_between
FROM person GROUP BY household_id
HAVING household_id NOT IN (SELECT household_id FROM person WHERE person_id IN (1, 100000));
SELECT count(*) > 30000 AS households, avg(members) BETWEEN 2.5 AND 3.2 AS mean_size, avg((members = 1)::int) BETWEEN 0.22 AND 0.32 AS of_one,
       count(*) FILTER (WHERE last_names <> 1) AS last_names_differ, count(*) FILTER (WHERE addresses <> 1) AS addresses_differ,
       count(*) FILTER (WHERE suburbs <> 1) AS suburbs_differ, count(*) FILTER (WHERE languages <> 1) AS languages_differ,
       count(*) FILTER (WHERE citizenships <> 1) AS citizenships_differ, count(*) FILTER (WHERE groups <> 1) AS groups_differ,
       count(*) FILTER (WHERE strangers_between <> 0) AS not_neighbours,
       count(*) FILTER (WHERE members = 1 AND oldest < 15) AS children_alone,
       count(*) FILTER (WHERE youngest < 18 AND oldest < 18) AS children_without_adult
FROM household;

-- What everybody has, and what it looks like.
SELECT count(*) AS rows, count(DISTINCT person_id) AS ids, min(person_id), max(person_id),
       count(*) FILTER (WHERE first_name IS NULL OR last_name IS NULL OR date_of_birth IS NULL OR sex IS NULL OR population_group IS NULL
                          OR home_language IS NULL OR citizenship IS NULL OR household_id IS NULL OR address IS NULL OR suburb IS NULL
                          OR postal_code IS NULL OR phone IS NULL) AS incomplete,
       count(*) FILTER (WHERE '' IN (first_name, last_name, address) OR first_name <> btrim(first_name) OR last_name <> btrim(last_name) OR address <> btrim(address)) AS blank,
       count(*) FILTER (WHERE sex NOT IN ('F', 'M')) AS sex,
       count(*) FILTER (WHERE age NOT BETWEEN 0 AND 104) AS age,
       count(*) FILTER (WHERE date_of_birth > '2020-01-01') AS unborn,
       count(*) FILTER (WHERE phone !~ '^0[6-8][0-9] [0-9]{3} [0-9]{4}$') AS phone,
       count(*) FILTER (WHERE postal_code !~ '^[0-9]{4}$') AS postal_code,
       count(*) FILTER (WHERE citizenship !~ '^[A-Z]{2}$') AS citizenship
FROM person;
SELECT count(*) FILTER (WHERE s.suburb IS NULL) AS suburb_or_code_unknown, count(DISTINCT p.suburb) > 150 AS everywhere
FROM person AS p LEFT JOIN hospital.suburbs AS s USING (suburb, postal_code);
SELECT count(*) FILTER (WHERE NOT EXISTS (SELECT FROM hospital.phone_prefixes AS x WHERE starts_with(replace(phone, ' ', ''), x.prefix))) AS unknown_prefix FROM person;
SELECT count(*) FILTER (WHERE (SELECT count(*) FROM hospital.language_group AS l WHERE l.language = p.home_language AND l.population_group = p.population_group) <> 1) AS odd_language
FROM person AS p;
SELECT count(*) FILTER (WHERE NOT EXISTS (SELECT FROM hospital.names_first AS f WHERE f.name = p.first_name AND f.sex = p.sex)) AS unlisted_first,
       count(*) FILTER (WHERE NOT EXISTS (SELECT FROM hospital.names_last AS l WHERE l.name = p.last_name)) AS unlisted_last
FROM person AS p;

-- Papers: citizens have a number with C = 0, residents one with C = 1, the
-- others a passport or an asylum permit of their country, or nothing.
SELECT citizenship = 'ZA' AS citizen, substr(national_id, 11, 1) AS c, passport_no IS NOT NULL AS passport, count(*) > 100 AS some,
       count(*) FILTER (WHERE national_id IS NOT NULL
                          AND (left(national_id, 6) <> to_char(date_of_birth, 'YYMMDD') OR (substr(national_id, 7, 1) >= '5') <> (sex = 'M')
                               OR NOT hospital_national_id_valid(national_id))) AS wrong_number
FROM person GROUP BY 1, 2, 3 ORDER BY 1 DESC, 2, 3;
SELECT count(passport_no) AS passports, count(DISTINCT passport_no) AS distinct_passports,
       count(*) FILTER (WHERE passport_no !~ ('^(' || translate(replace(replace(c.passport, '@', '[A-Z]'), '#', '[0-9]'), '()', '[]') || '|[A-Z]{3}' || c.alpha3 || '[0-9]{9})$')) AS odd_passports,
       count(*) FILTER (WHERE c.alpha2 IS NULL) AS unknown_country
FROM person AS p LEFT JOIN hospital.nationalities AS c ON c.alpha2 = p.citizenship WHERE passport_no IS NOT NULL;

-- The pyramid, on other dates too: each of the 34 cells to 0.2 percentage
-- points, all together to 1.
SELECT as_of, count(*) AS cells, bool_and(abs(found - share) < 0.002) AS each_cell, sum(abs(found - share)) < 0.01 AS together,
       max(oldest) <= 104 AS none_older, min(youngest) >= 0 AS none_unborn
FROM (SELECT d AS as_of, b.share, b.age_band, b.sex, count(*) / 100000.0 AS found, max(p.age) AS oldest, min(p.age) AS youngest
      FROM unnest(ARRAY['2020-01-01', '2023-07-14', '2020-02-29', '2021-02-28', '2024-12-31']::date[]) AS d,
           LATERAL (SELECT sex, extract(year FROM age(d, date_of_birth))::int AS age FROM hospital_generate_people(100000, 7, 1, d)) AS p
           JOIN hospital.population_gauteng AS b ON b.sex = p.sex AND p.age BETWEEN b.age_min AND b.age_max
      GROUP BY 1, 2, 3, 4) AS cell
GROUP BY as_of ORDER BY as_of;
-- and nobody fell out of the join: all the people are in some cell
SELECT d AS as_of, count(*) AS people, max(date_of_birth) <= d AS born
FROM unnest(ARRAY['2020-02-29', '2023-07-14']::date[]) AS d, LATERAL hospital_generate_people(30000, 7, 1, d)
WHERE extract(year FROM age(d, date_of_birth)) BETWEEN 0 AND 104 GROUP BY 1 ORDER BY 1;
