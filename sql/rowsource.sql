--
-- Row sources in FROM are streamed by a node of their own.  Whatever a query
-- does with one must come out as it does with a plain function.
--
-- The oracle is a user's function of the same name and arguments in another
-- schema: every query runs once with the extension's schema first on the
-- search path and once with the oracle's.  The oracle makes its rows in a
-- select list, where a row source is an ordinary set-returning function.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS hospital;
DROP SCHEMA IF EXISTS oracle CASCADE;
RESET client_min_messages;
SET datestyle = iso;

CREATE SCHEMA oracle;
CREATE FUNCTION oracle.hospital_generate_people(n bigint, seed bigint DEFAULT 42, first bigint DEFAULT 1,
                                                as_of date DEFAULT '2020-01-01', id_mode text DEFAULT 'realistic')
    RETURNS SETOF hospital.person LANGUAGE plpgsql STRICT IMMUTABLE PARALLEL SAFE ROWS 1000 AS
$$ BEGIN RETURN QUERY SELECT (s.p).* FROM (SELECT public.hospital_generate_people(n, seed, first, as_of, id_mode) AS p OFFSET 0) AS s; END $$;

CREATE FUNCTION plan_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    line text;
    plan text := '';
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
        plan := plan || line || E'\n';
    END LOOP;
    RETURN plan;
END $$;

-- Rows of a query in their order, or its error.
CREATE FUNCTION rows_of(query text, path text, OUT result text, OUT n bigint, OUT streamed boolean) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('search_path', path, true);
    BEGIN
        streamed := plan_of(query) LIKE '%Custom Scan (Hospital%';
        EXECUTE 'CREATE TEMPORARY TABLE result_rows AS SELECT 1 AS "row", q::text AS q FROM (' || query || ') AS q';
        EXECUTE 'SELECT count(*), md5(coalesce(string_agg(coalesce(q, ''null''), E''\n'' ORDER BY ctid), '''')) FROM result_rows' INTO n, result;
        DROP TABLE pg_temp.result_rows;
        -- and not wrapped: the plan may be another one
        EXECUTE 'CREATE TEMPORARY TABLE result_rows AS ' || query;
        EXECUTE 'SELECT $1 || md5(coalesce(string_agg(coalesce(r::text, ''null''), E''\n'' ORDER BY ctid), '''')) FROM result_rows AS r' INTO result USING result;
        DROP TABLE pg_temp.result_rows;
    EXCEPTION WHEN OTHERS THEN
        result := SQLSTATE || ' ' || SQLERRM;
    END;
END $$;

CREATE FUNCTION compare(title text, query text, OUT what text, OUT n bigint, OUT same boolean, OUT streamed boolean) LANGUAGE plpgsql AS $$
DECLARE
    old text := current_setting('search_path');
    ours record;
    oracles record;
BEGIN
    what := title;
    ours := rows_of(query, 'public, pg_temp');
    oracles := rows_of(query, 'oracle, public, pg_temp');
    PERFORM set_config('search_path', old, true);
    n := ours.n;
    streamed := ours.streamed AND NOT oracles.streamed;
    same := ours.result IS NOT DISTINCT FROM oracles.result;
    IF NOT same THEN
        RAISE NOTICE '%: % | %', title, ours.result, oracles.result;
    ELSIF n IS NULL THEN
        what := title || ': ' || ours.result;
    END IF;
END $$;

-- What a statement does to a table, or its error; all undone afterwards.
CREATE FUNCTION effect_of(prepare text, statement text, look text, path text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
    count bigint;
    m text; d text;
BEGIN
    PERFORM set_config('search_path', path, true);
    BEGIN
        EXECUTE prepare;
        BEGIN
            EXECUTE statement;
            GET DIAGNOSTICS count = ROW_COUNT;
            result := count || ' rows ';
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS m = MESSAGE_TEXT, d = PG_EXCEPTION_DETAIL;
            result := SQLSTATE || ' ' || m || ' ' || d;
        END;
        EXECUTE 'SELECT $1 || ''; then '' || count(*) || '' of '' || md5(coalesce(string_agg(r::text, E''\n'' ORDER BY r::text COLLATE "C"), ''''))  FROM (' || look || ') AS r'
        INTO result USING result;
        RAISE EXCEPTION USING ERRCODE = 'ZZ001', MESSAGE = result;
    EXCEPTION WHEN SQLSTATE 'ZZ001' THEN
        RETURN SQLERRM;
    END;
END $$;
CREATE FUNCTION compare_effect(title text, prepare text, statement text, look text DEFAULT 'TABLE t',
                               OUT what text, OUT effect text, OUT same boolean) LANGUAGE plpgsql AS $$
DECLARE
    old text := current_setting('search_path');
    oracles text;
BEGIN
    what := title;
    effect := effect_of(prepare, statement, look, 'public, pg_temp');
    oracles := effect_of(prepare, statement, look, 'oracle, public, pg_temp');
    PERFORM set_config('search_path', old, true);
    IF title = 'duplicates among them' THEN
        -- A bulk write enters keys in their order, so of several duplicates it meets another one first.
        effect := regexp_replace(effect, 'Key \(household_id\)=\(\d+\)', 'Key (household_id)=(...)');
        oracles := regexp_replace(oracles, 'Key \(household_id\)=\(\d+\)', 'Key (household_id)=(...)');
    END IF;
    same := effect = oracles;
    IF NOT same THEN
        RAISE NOTICE E'%: ours   %\n oracle %', title, effect, oracles;
    END IF;
    -- what happened, not to whom
    effect := regexp_replace(regexp_replace(effect, ' of [0-9a-f]{32}$', ''), '(Failing row contains |=)\([^)]*\)', '\1...', 'g');
END $$;

-- The harness notices a difference.
CREATE FUNCTION public.hospital_generate_people(n text) RETURNS SETOF hospital.person LANGUAGE sql AS 'SELECT * FROM hospital_generate_people(n::bigint, 42)';
CREATE FUNCTION oracle.hospital_generate_people(n text) RETURNS SETOF hospital.person LANGUAGE sql AS 'SELECT * FROM hospital_generate_people(n::bigint, 43)';
SET client_min_messages = warning;
SELECT same FROM compare('must differ', $$SELECT person_id, first_name FROM hospital_generate_people('5'::text)$$);
SELECT same FROM compare_effect('must differ', 'CREATE TEMP TABLE t (LIKE hospital.suburbs); CREATE TEMP TABLE u AS SELECT 1 AS i', $$UPDATE u SET i = person_id FROM hospital_generate_people('0'::text)$$, 'TABLE t') AS c;
SELECT same FROM compare_effect('must differ', 'CREATE TEMP TABLE t (i int)', $$INSERT INTO t SELECT person_id FROM hospital_generate_people('1'::text) WHERE first_name = (SELECT first_name FROM public.hospital_generate_people(1))$$);
RESET client_min_messages;
DROP FUNCTION public.hospital_generate_people(text), oracle.hospital_generate_people(text);

-- ==== columns and rows ====================================================

SELECT c.* FROM (VALUES
    (1, 'all columns', $$SELECT * FROM hospital_generate_people(300)$$),
    (2, 'no column', $$SELECT FROM hospital_generate_people(300)$$),
    (3, 'a constant', $$SELECT 1 FROM hospital_generate_people(300)$$),
    (4, 'one column', $$SELECT last_name FROM hospital_generate_people(300)$$),
    (5, 'other order, twice', $$SELECT phone, first_name, phone, national_id, person_id FROM hospital_generate_people(300)$$),
    (6, 'expressions', $$SELECT upper(last_name) || person_id, date_of_birth + 1 FROM hospital_generate_people(300)$$),
    (7, 'column aliases', $$SELECT b, a, last_name FROM hospital_generate_people(300) AS p (a, b)$$),
    (8, 'named arguments', $$SELECT * FROM hospital_generate_people(seed => 7, n => 300, id_mode => 'marked', as_of => '2023-07-14')$$),
    (9, 'a slice', $$SELECT * FROM hospital_generate_people(300, 42, 4000)$$),
    (10, 'none', $$SELECT * FROM hospital_generate_people(0)$$),
    (11, 'filter', $$SELECT * FROM hospital_generate_people(3000) WHERE sex = 'F' AND date_of_birth > '1990-01-01'$$),
    (12, 'filter on what is not read', $$SELECT first_name FROM hospital_generate_people(3000) WHERE suburb = 'Midrand'$$),
    (13, 'false filter', $$SELECT * FROM hospital_generate_people(3000) WHERE false$$),
    (14, 'filter that fails', $$SELECT 1 / (person_id - 5) FROM hospital_generate_people(30)$$),
    (15, 'limit', $$SELECT * FROM hospital_generate_people(3000) LIMIT 7 OFFSET 3$$),
    (16, 'sort and limit', $$SELECT * FROM hospital_generate_people(3000) ORDER BY last_name COLLATE "C", person_id DESC LIMIT 7$$),
    (17, 'distinct', $$SELECT * FROM (SELECT DISTINCT suburb, sex FROM hospital_generate_people(3000)) AS s ORDER BY suburb COLLATE "C", sex$$),
    (18, 'whole row as json', $$SELECT row_to_json(p) FROM hospital_generate_people(300) AS p$$),
    (19, 'whole row as text', $$SELECT p::text FROM hospital_generate_people(300) AS p$$),
    (20, 'whole row', $$SELECT p FROM hospital_generate_people(300) AS p$$),
    (21, 'whole row and columns', $$SELECT p.sex, p, p.person_id, (p).phone FROM hospital_generate_people(300) AS p$$),
    (22, 'whole row expanded', $$SELECT (p).* FROM hospital_generate_people(300) AS p$$),
    (23, 'whole row counted', $$SELECT count(p), count(p.*), count(*) FROM hospital_generate_people(300) AS p$$),
    (24, 'whole row grouped', $$SELECT p, count(*) FROM hospital_generate_people(300) AS p GROUP BY p ORDER BY p$$),
    (25, 'whole row ordered', $$SELECT person_id FROM hospital_generate_people(300) AS p ORDER BY p DESC LIMIT 5$$),
    (26, 'whole rows kept', $$SELECT array_agg(p) FROM hospital_generate_people(300) AS p$$),
    (27, 'whole row null?', $$SELECT count(*) FROM hospital_generate_people(300) AS p WHERE p IS NOT NULL OR p IS NULL$$),
    (28, 'whole row distinct', $$SELECT DISTINCT p FROM hospital_generate_people(300) AS p ORDER BY p$$),
    (29, 'whole row of subquery', $$SELECT q FROM (SELECT person_id, sex FROM hospital_generate_people(300)) AS q$$),
    (30, 'whole row with alias', $$SELECT to_jsonb(p) FROM hospital_generate_people(30) AS p (a, b, c)$$),
    (31, 'whole row filter', $$SELECT person_id FROM hospital_generate_people(300) AS p WHERE p::text LIKE '%Soweto%' OR row_to_json(p) ->> 'sex' = 'F'$$)
    ) AS v (i, title, query), LATERAL compare(title, query) AS c ORDER BY i;

-- ==== aggregates, windows, sets ===========================================

SELECT c.* FROM (VALUES
    (1, 'count', $$SELECT count(*) FROM hospital_generate_people(30000)$$),
    (2, 'aggregates', $$SELECT sex, count(*), count(passport_no), min(date_of_birth), max(last_name COLLATE "C"), sum(person_id) FROM hospital_generate_people(30000) GROUP BY sex ORDER BY sex$$),
    (3, 'filter, distinct', $$SELECT count(*) FILTER (WHERE sex = 'F'), count(DISTINCT suburb), string_agg(DISTINCT left(suburb, 1), '' ORDER BY left(suburb, 1)) FROM hospital_generate_people(3000)$$),
    (4, 'grouping sets', $$SELECT sex, home_language, count(*) FROM hospital_generate_people(3000) GROUP BY CUBE (sex, home_language) ORDER BY sex, home_language$$),
    (5, 'having', $$SELECT suburb FROM hospital_generate_people(3000) GROUP BY suburb HAVING count(*) > 20 ORDER BY suburb COLLATE "C"$$),
    (6, 'window', $$SELECT person_id, row_number() OVER (PARTITION BY household_id ORDER BY person_id), lag(p.first_name) OVER (ORDER BY person_id) FROM hospital_generate_people(3000) AS p ORDER BY person_id$$),
    (7, 'union all', $$SELECT person_id FROM hospital_generate_people(30) UNION ALL SELECT person_id FROM hospital_generate_people(20) UNION ALL SELECT 5$$),
    (8, 'union all, columns', $$SELECT * FROM hospital_generate_people(30) UNION ALL SELECT * FROM hospital_generate_people(20, 7)$$),
    (9, 'filter on union all', $$SELECT * FROM (SELECT * FROM hospital_generate_people(30) UNION ALL SELECT * FROM hospital_generate_people(20, 7)) AS u WHERE sex = 'F' ORDER BY person_id, phone$$),
    (10, 'union', $$SELECT * FROM (SELECT suburb FROM hospital_generate_people(30) UNION SELECT suburb FROM hospital_generate_people(20, 7)) AS u ORDER BY 1$$),
    (11, 'except', $$SELECT * FROM (SELECT person_id FROM hospital_generate_people(30) EXCEPT SELECT person_id FROM hospital_generate_people(20)) AS u ORDER BY 1$$),
    (12, 'intersect', $$SELECT * FROM (SELECT * FROM hospital_generate_people(30) INTERSECT SELECT * FROM hospital_generate_people(20)) AS u ORDER BY 1$$),
    (13, 'in a list', $$SELECT g FROM generate_series(1, 30) AS g WHERE g IN (SELECT person_id FROM hospital_generate_people(20) WHERE sex = 'F') ORDER BY 1$$),
    (14, 'not in a list', $$SELECT g FROM generate_series(1, 30) AS g WHERE g NOT IN (SELECT person_id FROM hospital_generate_people(20)) ORDER BY 1$$),
    (15, 'exists', $$SELECT g FROM generate_series(1, 30) AS g WHERE EXISTS (SELECT FROM hospital_generate_people(20) WHERE person_id = g AND sex = 'M') ORDER BY 1$$),
    (16, 'scalar', $$SELECT (SELECT first_name FROM hospital_generate_people(1)), (SELECT p FROM hospital_generate_people(1) AS p)$$),
    (17, 'array', $$SELECT ARRAY(SELECT last_name FROM hospital_generate_people(10))$$),
    (18, 'any', $$SELECT 5 = ANY (SELECT person_id FROM hospital_generate_people(10)), 11 > ALL (SELECT person_id FROM hospital_generate_people(10))$$),
    (19, 'with', $$WITH w AS (SELECT * FROM hospital_generate_people(30)) SELECT * FROM w WHERE sex = 'F'$$),
    (20, 'with materialized', $$WITH w AS MATERIALIZED (SELECT * FROM hospital_generate_people(30)) SELECT a.person_id, b FROM w AS a JOIN w AS b USING (household_id) ORDER BY 1, 2$$),
    (21, 'with not materialized', $$WITH w AS NOT MATERIALIZED (SELECT * FROM hospital_generate_people(30)) SELECT a.person_id, b FROM w AS a JOIN w AS b USING (household_id) ORDER BY 1, 2$$),
    (22, 'with recursive', $$WITH RECURSIVE w (i, name) AS (SELECT 1::bigint, ''::text UNION ALL SELECT i + 1, s.c FROM w, LATERAL (SELECT count(*) || ' ' || max(person_id) FROM hospital_generate_people(w.i)) AS s (c) WHERE i < 20) SELECT * FROM w$$),
    (23, 'values beside', $$SELECT * FROM (VALUES (1), (2)) AS v (i), hospital_generate_people(3)$$),
    (24, 'limit with ties', $$SELECT person_id FROM hospital_generate_people(10) ORDER BY person_id % 3, person_id FETCH FIRST 3 ROWS WITH TIES$$)
    ) AS v (i, title, query), LATERAL compare(title, query) AS c ORDER BY i;

-- ==== joins ===============================================================

CREATE TABLE few AS SELECT g AS person_id, 'note ' || g AS note FROM generate_series(5, 50, 5) AS g;
ALTER TABLE few ADD PRIMARY KEY (person_id);
ANALYZE few;
CREATE FUNCTION compare_joins() RETURNS TABLE (what text, n bigint, same boolean, streamed boolean) LANGUAGE sql AS $$
SELECT c.* FROM (VALUES
    (1, 'two cities', $q$SELECT a.person_id, a.first_name, b.first_name FROM hospital_generate_people(300, 1) AS a JOIN hospital_generate_people(300, 2) AS b USING (person_id) ORDER BY 1$q$),
    (2, 'whole rows of two', $q$SELECT a, b FROM hospital_generate_people(60, 1) AS a JOIN hospital_generate_people(60, 2) AS b USING (person_id) ORDER BY person_id$q$),
    (3, 'itself', $q$SELECT a.person_id, b.person_id FROM hospital_generate_people(300) AS a JOIN hospital_generate_people(300) AS b ON a.household_id = b.household_id AND a.person_id < b.person_id ORDER BY 1, 2$q$),
    (4, 'table', $q$SELECT * FROM few JOIN hospital_generate_people(40) USING (person_id) ORDER BY 1$q$),
    (5, 'left', $q$SELECT f.*, p FROM few AS f LEFT JOIN hospital_generate_people(30) AS p USING (person_id) ORDER BY 1$q$),
    (6, 'right', $q$SELECT note, p FROM few AS f RIGHT JOIN hospital_generate_people(30) AS p USING (person_id) ORDER BY p.person_id$q$),
    (7, 'full', $q$SELECT note, p.phone, p FROM few AS f FULL JOIN hospital_generate_people(30) AS p USING (person_id) ORDER BY person_id$q$),
    (8, 'cross', $q$SELECT a.person_id, b.person_id FROM hospital_generate_people(20) AS a, hospital_generate_people(20) AS b ORDER BY 1, 2$q$),
    (9, 'inequality', $q$SELECT f.person_id, count(*) FROM few AS f JOIN hospital_generate_people(60) AS p ON p.person_id > f.person_id GROUP BY 1 ORDER BY 1$q$),
    (10, 'semi', $q$SELECT person_id FROM hospital_generate_people(60) WHERE person_id IN (SELECT person_id FROM few) ORDER BY 1$q$),
    (11, 'anti', $q$SELECT person_id FROM hospital_generate_people(60) AS p WHERE NOT EXISTS (SELECT FROM few AS f WHERE f.person_id = p.person_id) ORDER BY 1$q$),
    (12, 'lateral', $q$SELECT f.person_id, p.* FROM few AS f, LATERAL hospital_generate_people(3, f.person_id) AS p ORDER BY 1, 2$q$),
    (13, 'lateral whole row', $q$SELECT f.person_id, p FROM few AS f, hospital_generate_people(f.person_id, first => f.person_id * 3) AS p ORDER BY 1, p.person_id$q$),
    (14, 'lateral null and zero', $q$SELECT v.n, p.person_id FROM (VALUES (2), (NULL), (0), (3), (NULL), (1)) AS v (n), hospital_generate_people(v.n) AS p ORDER BY 1, 2$q$),
    (15, 'left lateral', $q$SELECT v.n, p.person_id, p FROM (VALUES (2), (NULL), (0), (3)) AS v (n) LEFT JOIN LATERAL hospital_generate_people(v.n) AS p ON p.sex = 'F' ORDER BY 1, 2$q$),
    (16, 'lateral, repeated', $q$SELECT v.n, count(*), sum(p.person_id) FROM (SELECT g % 4 FROM generate_series(1, 50) AS g) AS v (n), hospital_generate_people(v.n) AS p GROUP BY 1 ORDER BY 1$q$),
    (17, 'lateral of lateral', $q$SELECT f.person_id, p.person_id, q.first_name FROM few AS f, hospital_generate_people(2, first => f.person_id) AS p, hospital_generate_people(p.person_id, p.household_id) AS q ORDER BY 1, 2, q.person_id$q$),
    (18, 'lateral subquery', $q$SELECT f.person_id, s.* FROM few AS f, LATERAL (SELECT max(p.last_name COLLATE "C"), count(*) FROM hospital_generate_people(f.person_id) AS p WHERE p.person_id > f.person_id / 2) AS s ORDER BY 1$q$),
    (19, 'correlated', $q$SELECT person_id, (SELECT count(*) FROM hospital_generate_people(f.person_id) WHERE sex = 'F') FROM few AS f ORDER BY 1$q$),
    (20, 'correlated filter', $q$SELECT person_id, (SELECT first_name FROM hospital_generate_people(100) AS p WHERE p.person_id = f.person_id) FROM few AS f ORDER BY 1$q$),
    (21, 'correlated exists', $q$SELECT person_id FROM few AS f WHERE EXISTS (SELECT FROM hospital_generate_people(f.person_id) AS p WHERE p.sex = 'M' AND p.person_id = f.person_id) ORDER BY 1$q$),
    (22, 'correlated twice', $q$SELECT person_id, (SELECT count((SELECT max(q.phone) FROM hospital_generate_people(p.person_id) AS q WHERE q.person_id <= f.person_id)) FROM hospital_generate_people(f.person_id / 5) AS p) FROM few AS f ORDER BY 1$q$),
    (23, 'initplan', $q$SELECT count(*) FROM hospital_generate_people((SELECT max(person_id) FROM few)) AS p, few$q$)
    ) AS v (i, title, query), LATERAL compare(title, query) AS c ORDER BY i
$$;
SELECT * FROM compare_joins();
SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off; SET enable_memoize = off;
SELECT 'nested loops' AS joins, count(*), bool_and(same) AS same, bool_and(streamed) AS streamed FROM compare_joins();
SET enable_hashjoin = on; SET enable_nestloop = off;
SELECT 'hash joins' AS joins, count(*), bool_and(same) AS same, bool_and(streamed) AS streamed FROM compare_joins();
SET enable_hashjoin = off; SET enable_mergejoin = on; SET enable_hashagg = off;
SELECT 'merge joins' AS joins, count(*), bool_and(same) AS same, bool_and(streamed) AS streamed FROM compare_joins();
RESET ALL;
SET datestyle = iso;

-- ==== arguments ===========================================================

CREATE SEQUENCE evaluations;
CREATE FUNCTION evaluated(i bigint) RETURNS bigint VOLATILE LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('public.evaluations'); RETURN i; END $$;
CREATE FUNCTION noisy(i bigint) RETURNS bigint VOLATILE LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'evaluated %', i; RETURN i; END $$;
SELECT c.* FROM (VALUES
    (1, 'subquery', $$SELECT * FROM hospital_generate_people((SELECT 5))$$),
    (2, 'subquery of null', $$SELECT * FROM hospital_generate_people((SELECT NULL::bigint))$$),
    (3, 'subquery of no row', $$SELECT * FROM hospital_generate_people((SELECT 5 WHERE false))$$),
    (4, 'subquery of two rows', $$SELECT * FROM hospital_generate_people((SELECT generate_series(1, 2)))$$),
    (5, 'null 1', $$SELECT * FROM hospital_generate_people(NULL)$$),
    (6, 'null 2', $$SELECT * FROM hospital_generate_people(5, NULL)$$),
    (7, 'null 5', $$SELECT * FROM hospital_generate_people(5, id_mode => nullif('a', 'a'))$$),
    (8, 'volatile', $$SELECT * FROM hospital_generate_people((random() * 0 + 5)::bigint, seed => (random() * 0)::bigint)$$),
    (9, 'volatile null', $$SELECT * FROM hospital_generate_people(nullif((random() * 0 + 5)::bigint, 5))$$),
    (10, 'stable', $$SELECT * FROM hospital_generate_people(extract(year FROM now() - now())::bigint + 5)$$),
    (11, 'expression', $$SELECT * FROM hospital_generate_people(length('hello'), as_of => '2020-01-01'::date + 60)$$),
    (12, 'a source in an argument', $$SELECT * FROM hospital_generate_people((SELECT count(*) FROM hospital_generate_people(7)))$$),
    (13, 'negative', $$SELECT * FROM hospital_generate_people(-1)$$),
    (14, 'fails', $$SELECT * FROM hospital_generate_people(1 / (SELECT 0))$$),
    (15, 'fails under limit 0', $$SELECT * FROM hospital_generate_people(1 / (SELECT 0)) LIMIT 0$$),
    (16, 'set-returning', $$SELECT person_id FROM hospital_generate_people(generate_series(1, 3)) ORDER BY 1$$)
    ) AS v (i, title, query), LATERAL compare(title, query) AS c ORDER BY i;

-- evaluated once, at the first row; for each outer row where it depends on it
SELECT setval('evaluations', 1, false);
SELECT count(*) FROM hospital_generate_people(evaluated(5));
SELECT nextval('evaluations') - 1 AS evaluated;
SELECT setval('evaluations', 1, false);
SELECT count(*) FROM few AS f, hospital_generate_people(evaluated(f.person_id)) AS p;
SELECT nextval('evaluations') - 1 AS evaluated;
SELECT setval('evaluations', 1, false);
SET enable_material = off;
SELECT count(*) FROM few AS f JOIN hospital_generate_people(evaluated(5)) AS p ON p.person_id < f.person_id;
RESET enable_material;
SELECT nextval('evaluations') - 1 AS evaluated_at_most_once_a_scan;
-- never by plain EXPLAIN
SELECT plan_of('SELECT * FROM hospital_generate_people(noisy(5))') LIKE '%Custom Scan (Hospital%' AS explained;
SELECT plan_of('SELECT * FROM hospital_generate_people((SELECT noisy(5)))') LIKE '%Custom Scan (Hospital%' AS explained;
SELECT plan_of('SELECT * FROM few, hospital_generate_people(noisy(few.person_id))') LIKE '%Custom Scan (Hospital%' AS explained;
SELECT count(*) FROM hospital_generate_people(noisy(5));
SELECT count(*) FROM (SELECT * FROM hospital_generate_people(noisy(5)) LIMIT 0) AS s;

-- Parameters, custom and generic plans.
PREPARE ours(bigint, bigint, date, text) AS
    SELECT md5(string_agg(p::text, E'\n')), count(*) FROM hospital_generate_people($1, $2, 3, $3, $4) AS p WHERE $1 IS NULL OR person_id <> $1;
PREPARE oracle(bigint, bigint, date, text) AS
    SELECT md5(string_agg(p::text, E'\n')), count(*) FROM oracle.hospital_generate_people($1, $2, 3, $3, $4) AS p WHERE $1 IS NULL OR person_id <> $1;
SET plan_cache_mode = force_generic_plan;
EXECUTE ours(100, 7, '2020-01-01', 'realistic');
EXECUTE oracle(100, 7, '2020-01-01', 'realistic');
EXECUTE ours(200, 8, '2023-07-14', 'marked');
EXECUTE oracle(200, 8, '2023-07-14', 'marked');
EXECUTE ours(NULL, 8, '2023-07-14', 'marked');
EXECUTE ours(0, 8, '2023-07-14', 'marked');
EXECUTE ours(-3, 8, '2023-07-14', 'marked');
EXECUTE ours(100, 7, '2020-01-01', 'realistic');
SET plan_cache_mode = force_custom_plan;
EXECUTE ours(100, 7, '2020-01-01', 'realistic');
EXECUTE ours(NULL, 8, '2023-07-14', 'marked');
RESET plan_cache_mode;
DEALLOCATE ALL;

-- Estimates are honest.
CREATE FUNCTION estimate(query text) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
    RETURN plan -> 0 -> 'Plan' ->> 'Plan Rows';
END $$;
SELECT estimate('SELECT * FROM hospital_generate_people(123456)') AS constant, estimate('SELECT * FROM hospital_generate_people(5000000)') AS large,
       estimate('SELECT * FROM hospital_generate_people(100 * 20)') AS expression, estimate('SELECT * FROM hospital_generate_people(n => 77, seed => 5)') AS named,
       estimate('SELECT * FROM hospital_generate_people(1)') AS one, estimate('SELECT * FROM hospital_generate_people((SELECT 5))') AS unknown,
       estimate('SELECT * FROM hospital_generate_people(0)') <= 1 AS none,
       estimate('SELECT * FROM hospital_generate_people(10000) WHERE sex = ''F''') < 10000 AS filtered;
SELECT estimate('SELECT * FROM hospital_generate_staff()') BETWEEN c * 0.5 AND c * 2 AS staff FROM (SELECT count(*) AS c FROM hospital_generate_staff()) AS s;

-- ==== set-returning in the select list, ROWS FROM, ordinality =============

SELECT c.what, c.n, c.same FROM (VALUES
    (1, 'select list', $$SELECT hospital_generate_people(30)$$),
    (2, 'select list, expanded', $$SELECT (hospital_generate_people(5)).*$$),
    (3, 'select list, a field', $$SELECT (hospital_generate_people(30)).first_name, generate_series(1, 30)$$),
    (4, 'select list, correlated', $$SELECT g, hospital_generate_people(g) FROM generate_series(1, 5) AS g$$),
    (5, 'ordinality', $$SELECT * FROM hospital_generate_people(30) WITH ORDINALITY$$),
    (6, 'rows from', $$SELECT * FROM ROWS FROM (hospital_generate_people(30), generate_series(1, 40))$$),
    (7, 'rows from one', $$SELECT * FROM ROWS FROM (hospital_generate_people(30))$$),
    (8, 'rows from two sources', $$SELECT * FROM ROWS FROM (hospital_generate_people(30), hospital_generate_people(10, 7)) WITH ORDINALITY$$),
    (9, 'select list over a source', $$SELECT person_id, generate_series(1, 3) FROM hospital_generate_people(10)$$),
    (10, 'select list, limited', $$SELECT hospital_generate_people(50000) LIMIT 3$$)
    ) AS v (i, title, query), LATERAL compare(title, query) AS c ORDER BY i;

-- ==== views and functions =================================================

CREATE VIEW women AS SELECT * FROM hospital_generate_people(300) WHERE sex = 'F';
CREATE VIEW guarded WITH (security_barrier) AS SELECT * FROM hospital_generate_people(300) WHERE sex = 'F';
CREATE VIEW rows_of_people AS SELECT p FROM hospital_generate_people(300) AS p;
CREATE MATERIALIZED VIEW kept AS SELECT * FROM hospital_generate_people(300);
CREATE FUNCTION inlined(k bigint) RETURNS SETOF hospital.person STABLE LANGUAGE sql AS $$ SELECT * FROM public.hospital_generate_people(k) WHERE sex = 'F' $$;
SELECT (SELECT md5(string_agg(w::text, '|')) FROM women AS w) = o.md5 AS view,
       (SELECT md5(string_agg(w::text, '|')) FROM guarded AS w) = o.md5 AS security_barrier,
       (SELECT md5(string_agg(p::text, '|')) FROM rows_of_people WHERE (p).sex = 'F') = o.md5 AS view_of_rows,
       (SELECT md5(string_agg(k::text, '|')) FROM kept AS k WHERE sex = 'F') = o.md5 AS materialized,
       (SELECT md5(string_agg(i::text, '|')) FROM inlined(300) AS i) = o.md5 AS sql_function
FROM (SELECT md5(string_agg(p::text, '|')) FROM oracle.hospital_generate_people(300) AS p WHERE sex = 'F') AS o (md5);
REFRESH MATERIALIZED VIEW kept;
SELECT count(*) FROM kept;
SELECT pg_get_viewdef('women'::regclass) LIKE '%hospital_generate_people((300)::bigint)%' AS deparsed;

DROP VIEW women, guarded, rows_of_people;
DROP MATERIALIZED VIEW kept;
DROP FUNCTION inlined;

DO $$
DECLARE
    p record;
    q hospital.person;
    seen bigint := 0;
    total bigint := 0;
BEGIN
    FOR p IN SELECT * FROM hospital_generate_people(1000) LOOP
        seen := seen + 1;
        CONTINUE WHEN p.person_id % 100 <> 0;
        FOR q IN SELECT * FROM hospital_generate_people(p.person_id, 7) LOOP
            total := total + 1;
            EXIT WHEN q.person_id = 90;
        END LOOP;
        BEGIN
            PERFORM 1 / (p.person_id - 500);
        EXCEPTION WHEN division_by_zero THEN
            RAISE NOTICE 'at %', p.person_id;
        END;
        EXIT WHEN p.person_id = 700;
    END LOOP;
    RAISE NOTICE '% %', seen, total;
END $$;

-- ==== cursors =============================================================

CREATE FUNCTION fetch_all_ways(path text, query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    c refcursor;
    old text := current_setting('search_path');
    r record;
    result text := '';
    step text;
BEGIN
    PERFORM set_config('search_path', path, true);
    OPEN c SCROLL FOR EXECUTE query;
    -- plpgsql's FETCH takes one row; the direction is what matters
    FETCH NEXT FROM c INTO r; result := result || coalesce(r.person_id::text, '-') || ' ';
    FETCH NEXT FROM c INTO r; result := result || coalesce(r.person_id::text, '-') || ' ';
    FETCH NEXT FROM c INTO r; result := result || coalesce(r.person_id::text, '-') || ' ';
    FETCH PRIOR FROM c INTO r; result := result || coalesce(r.person_id::text, '-') || ' ';
    FETCH RELATIVE 0 FROM c INTO r; result := result || coalesce(r.person_id::text, '-') || ' ';
    FETCH LAST FROM c INTO r; result := result || coalesce(r.person_id::text, '-') || ' ';
    FETCH NEXT FROM c INTO r; result := result || coalesce(r.person_id::text, '-') || ' ';
    FETCH NEXT FROM c INTO r; result := result || coalesce(r.person_id::text, '-') || ' ';
    FETCH PRIOR FROM c INTO r; result := result || coalesce(r.person_id::text, '-') || ' ';
    FETCH PRIOR FROM c INTO r; result := result || coalesce(r.person_id::text, '-') || ' ';
    FETCH ABSOLUTE 4 FROM c INTO r; result := result || coalesce(r.person_id::text, '-') || ' ';
    FETCH ABSOLUTE -2 FROM c INTO r; result := result || coalesce(r.person_id::text, '-') || ' ';
    FETCH RELATIVE -3 FROM c INTO r; result := result || coalesce(r.person_id::text, '-') || ' ';
    FETCH FIRST FROM c INTO r; result := result || coalesce(r.person_id::text, '-') || ' ';
    FETCH PRIOR FROM c INTO r; result := result || coalesce(r.person_id::text, '-') || ' ';
    FETCH PRIOR FROM c INTO r; result := result || coalesce(r.person_id::text, '-') || ' ';
    FETCH NEXT FROM c INTO r; result := result || coalesce(r.person_id::text, '-') || ' ';
    FETCH ABSOLUTE 1000 FROM c INTO r; result := result || coalesce(r.person_id::text, '-') || ' ';
    FETCH ABSOLUTE 0 FROM c INTO r; result := result || coalesce(r.person_id::text, '-') || ' ';
    FETCH NEXT FROM c INTO r; result := result || coalesce(r::text, '-') || ' ';
    CLOSE c;
    PERFORM set_config('search_path', old, true);
    RETURN result;
END $$;
SELECT query, split_part(ours, '(', 1) AS persons, ours = oracles AS same
FROM unnest(ARRAY[
    'SELECT * FROM hospital_generate_people(12)',
    'SELECT person_id FROM hospital_generate_people(12)',
    'SELECT person_id, p FROM hospital_generate_people(12) AS p',
    'SELECT person_id FROM hospital_generate_people(12) WHERE person_id % 2 = 0',
    'SELECT person_id + 100 AS person_id, phone FROM hospital_generate_people(0)',
    'SELECT person_id FROM hospital_generate_people(NULL)',
    'SELECT person_id FROM hospital_generate_people((SELECT 12))',
    'SELECT person_id FROM hospital_generate_people(12) ORDER BY person_id DESC',
    'SELECT person_id FROM hospital_generate_people(12) LIMIT 7 OFFSET 2',
    'SELECT person_id FROM hospital_generate_people(4) UNION ALL SELECT person_id FROM hospital_generate_people(5, 7)',
    'SELECT f.person_id FROM few AS f, hospital_generate_people(f.person_id) AS p WHERE p.person_id = f.person_id']) WITH ORDINALITY AS q (query, i),
    LATERAL fetch_all_ways('public', query) AS ours, LATERAL fetch_all_ways('oracle, public', query) AS oracles
ORDER BY i;

BEGIN;
DECLARE there SCROLL CURSOR FOR SELECT person_id FROM hospital_generate_people(10);
FETCH 3 FROM there;
FETCH BACKWARD 2 FROM there;
FETCH ALL FROM there;
FETCH BACKWARD 3 FROM there;
MOVE ABSOLUTE 5 IN there;
FETCH NEXT FROM there;
MOVE BACKWARD ALL IN there;
FETCH NEXT FROM there;
DECLARE forward NO SCROLL CURSOR FOR SELECT person_id FROM hospital_generate_people(10);
FETCH 2 FROM forward;
FETCH BACKWARD 1 FROM forward;
ROLLBACK;
BEGIN;
DECLARE held SCROLL CURSOR WITH HOLD FOR SELECT person_id, (p).person_id AS in_row, split_part(p::text, ',', 1) AS in_text FROM hospital_generate_people(5) AS p;
FETCH 2 FROM held;
COMMIT;
FETCH BACKWARD 1 FROM held;
FETCH ALL FROM held;
CLOSE held;
BEGIN;
DECLARE plain CURSOR WITH HOLD FOR SELECT person_id FROM hospital_generate_people(5);
COMMIT;
FETCH ALL FROM plain;
CLOSE plain;

-- ==== INSERT ==============================================================

CREATE DOMAIN short_name AS text CHECK (length(VALUE) < 6);
CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.last_name := upper(NEW.last_name); RETURN CASE WHEN NEW.person_id % 3 <> 0 THEN NEW END; END $$;
CREATE TABLE noted (n bigint);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.noted SELECT count(*) FROM new_rows; RETURN NULL; END $$;
CREATE FUNCTION note_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.noted VALUES (NEW.person_id); RETURN NULL; END $$;
CREATE FUNCTION fail_at_57() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.person_id = 57 THEN RAISE EXCEPTION 'not this one'; END IF; RETURN NEW; END $$;

CREATE TABLE kinds (i int, title text, prepare text, look text DEFAULT 'TABLE t');
INSERT INTO kinds (i, title, prepare) VALUES
    (1, 'same type', 'CREATE TABLE t (LIKE hospital.person)'),
    (2, 'typed table', 'CREATE TABLE t OF hospital.person'),
    (3, 'text for the domain', 'CREATE TABLE t (LIKE hospital.person); ALTER TABLE t ALTER national_id TYPE text'),
    (4, 'primary key', 'CREATE TABLE t (LIKE hospital.person); ALTER TABLE t ADD PRIMARY KEY (person_id)'),
    (5, 'indexes', 'CREATE TABLE t (LIKE hospital.person); CREATE UNIQUE INDEX ON t (national_id); CREATE INDEX ON t (lower(last_name)); CREATE INDEX ON t (suburb) WHERE sex = ''F''; CREATE INDEX ON t USING gin (to_tsvector(''simple'', address))'),
    (6, 'rows before', 'CREATE TABLE t (LIKE hospital.person); ALTER TABLE t ADD PRIMARY KEY (person_id); INSERT INTO t SELECT * FROM public.hospital_generate_people(50, 1, 5000)'),
    (7, 'duplicates', 'CREATE TABLE t (LIKE hospital.person); ALTER TABLE t ADD PRIMARY KEY (person_id); INSERT INTO t SELECT * FROM public.hospital_generate_people(1, 1, 57)'),
    (8, 'duplicates among them', 'CREATE TABLE t (LIKE hospital.person); CREATE UNIQUE INDEX ON t (household_id)'),
    (9, 'deferred unique', 'CREATE TABLE t (LIKE hospital.person, UNIQUE (household_id) DEFERRABLE INITIALLY DEFERRED)'),
    (10, 'deferrable unique', 'CREATE TABLE t (LIKE hospital.person, UNIQUE (household_id) DEFERRABLE)'),
    (11, 'exclusion', 'CREATE TABLE t (LIKE hospital.person, EXCLUDE (household_id WITH =))'),
    (12, 'check', 'CREATE TABLE t (LIKE hospital.person, CHECK (person_id < 100000))'),
    (13, 'check violated', 'CREATE TABLE t (LIKE hospital.person, CHECK (person_id <> 57))'),
    (14, 'not null', 'CREATE TABLE t (LIKE hospital.person); ALTER TABLE t ALTER last_name SET NOT NULL'),
    (15, 'not null violated', 'CREATE TABLE t (LIKE hospital.person); ALTER TABLE t ALTER passport_no SET NOT NULL'),
    (16, 'char(1)', 'CREATE TABLE t (LIKE hospital.person); ALTER TABLE t ALTER sex TYPE char(1)'),
    (17, '"char"', 'CREATE TABLE t (LIKE hospital.person); ALTER TABLE t ALTER sex TYPE "char"'),
    (18, 'varchar', 'CREATE TABLE t (LIKE hospital.person); ALTER TABLE t ALTER last_name TYPE varchar'),
    (19, 'varchar(40)', 'CREATE TABLE t (LIKE hospital.person); ALTER TABLE t ALTER last_name TYPE varchar(40), ALTER phone TYPE varchar(20)'),
    (20, 'varchar(4)', 'CREATE TABLE t (LIKE hospital.person); ALTER TABLE t ALTER last_name TYPE varchar(4)'),
    (21, 'char(60)', 'CREATE TABLE t (LIKE hospital.person); ALTER TABLE t ALTER last_name TYPE char(60)'),
    (22, 'int key', 'CREATE TABLE t (LIKE hospital.person); ALTER TABLE t ALTER person_id TYPE int'),
    (23, 'timestamp', 'CREATE TABLE t (LIKE hospital.person); ALTER TABLE t ALTER date_of_birth TYPE timestamptz'),
    (24, 'numeric', 'CREATE TABLE t (LIKE hospital.person); ALTER TABLE t ALTER household_id TYPE numeric(12,2)'),
    (25, 'no cast', 'CREATE TABLE t (LIKE hospital.person); ALTER TABLE t ALTER sex TYPE boolean USING NULL'),
    (26, 'a domain of the user', 'CREATE TABLE t (LIKE hospital.person); ALTER TABLE t ALTER last_name TYPE short_name'),
    (27, 'a domain of the user for the number', 'CREATE TABLE t (LIKE hospital.person); ALTER TABLE t ALTER national_id TYPE short_name'),
    (28, 'column more, default', 'CREATE TABLE t (LIKE hospital.person, note text DEFAULT ''none'', at int DEFAULT 7)'),
    (29, 'column more, identity', 'CREATE TABLE t (LIKE hospital.person, line int GENERATED ALWAYS AS IDENTITY)'),
    (30, 'column more, generated', 'CREATE TABLE t (LIKE hospital.person, full_name text GENERATED ALWAYS AS (first_name || '' '' || last_name) STORED)'),
    (31, 'column more, null', 'CREATE TABLE t (LIKE hospital.person, note text)'),
    (32, 'column dropped', 'CREATE TABLE t (gone int, LIKE hospital.person, also int); ALTER TABLE t DROP gone, DROP also'),
    (33, 'column dropped between', 'CREATE TABLE t (LIKE hospital.person); ALTER TABLE t DROP phone, ADD phone text'),
    (34, 'columns too few', 'CREATE TABLE t (LIKE hospital.person); ALTER TABLE t DROP phone'),
    (35, 'other names', 'CREATE TABLE t (LIKE hospital.person); ALTER TABLE t RENAME first_name TO f; ALTER TABLE t RENAME last_name TO first_name'),
    (36, 'before row trigger', 'CREATE TABLE t (LIKE hospital.person); CREATE TRIGGER shout BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION shout()'),
    (37, 'disabled trigger', 'CREATE TABLE t (LIKE hospital.person); CREATE TRIGGER shout BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION shout(); ALTER TABLE t DISABLE TRIGGER shout'),
    (38, 'failing trigger', 'CREATE TABLE t (LIKE hospital.person); CREATE TRIGGER fail BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION fail_at_57()'),
    (39, 'partitioned', 'CREATE TABLE t (LIKE hospital.person) PARTITION BY LIST (sex); CREATE TABLE tf PARTITION OF t FOR VALUES IN (''F''); CREATE TABLE tm (LIKE hospital.person); ALTER TABLE tm DROP phone, ADD phone text; ALTER TABLE t ATTACH PARTITION tm FOR VALUES IN (''M'')'),
    (40, 'partition missing', 'CREATE TABLE t (LIKE hospital.person) PARTITION BY LIST (sex); CREATE TABLE tf PARTITION OF t FOR VALUES IN (''F'')'),
    (41, 'a partition', 'CREATE TABLE whole (LIKE hospital.person) PARTITION BY RANGE (person_id); CREATE TABLE t PARTITION OF whole FOR VALUES FROM (1) TO (1000)'),
    (42, 'a partition too small', 'CREATE TABLE whole (LIKE hospital.person) PARTITION BY RANGE (person_id); CREATE TABLE t PARTITION OF whole FOR VALUES FROM (1) TO (60)'),
    (43, 'inherited', 'CREATE TABLE t (LIKE hospital.person); CREATE TABLE child () INHERITS (t)'),
    (44, 'temporary', 'CREATE TEMPORARY TABLE t (LIKE hospital.person)'),
    (45, 'unlogged', 'CREATE UNLOGGED TABLE t (LIKE hospital.person)'),
    (46, 'foreign key', 'CREATE TABLE t (LIKE hospital.person); ALTER TABLE t ADD FOREIGN KEY (suburb) REFERENCES hospital.suburbs'),
    (47, 'foreign key violated', 'CREATE TABLE t (LIKE hospital.person); ALTER TABLE t ADD FOREIGN KEY (person_id) REFERENCES few (person_id)'),
    (48, 'row security', 'CREATE TABLE t (LIKE hospital.person); CREATE POLICY a ON t USING (true) WITH CHECK (person_id <> 57); ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY; GRANT ALL ON t TO PUBLIC; SET LOCAL ROLE regress_hospital_user'),
    (49, 'no privilege', 'CREATE TABLE t (LIKE hospital.person); GRANT SELECT ON t TO PUBLIC; SET LOCAL ROLE regress_hospital_user'),
    (50, 'a view', 'CREATE TABLE base (LIKE hospital.person); CREATE VIEW t AS SELECT * FROM base'),
    (51, 'a view with check', 'CREATE TABLE base (LIKE hospital.person); CREATE VIEW t AS SELECT * FROM base WHERE person_id < 50 WITH CHECK OPTION'),
    (52, 'rule instead', 'CREATE TABLE t (LIKE hospital.person); CREATE RULE r AS ON INSERT TO t DO INSTEAD NOTHING'),
    (53, 'fillfactor', 'CREATE TABLE t (LIKE hospital.person) WITH (fillfactor = 30)');
INSERT INTO kinds (i, title, prepare, look) VALUES
    (54, 'after row trigger', 'CREATE TABLE t (LIKE hospital.person); CREATE TRIGGER note AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION note_row()', 'TABLE noted'),
    (55, 'statement trigger', 'CREATE TABLE t (LIKE hospital.person); CREATE TRIGGER note AFTER INSERT ON t REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note()', 'TABLE noted'),
    (56, 'rule also', 'CREATE TABLE t (LIKE hospital.person); CREATE RULE r AS ON INSERT TO t DO ALSO INSERT INTO noted VALUES (NEW.person_id)', 'TABLE noted'),
    (57, 'index is right', 'CREATE TABLE t (LIKE hospital.person); ALTER TABLE t ADD PRIMARY KEY (person_id); CREATE INDEX ON t (last_name)',
     'SELECT person_id FROM t WHERE person_id BETWEEN 20 AND 80');
CREATE ROLE regress_hospital_user;
GRANT USAGE ON SCHEMA oracle TO regress_hospital_user;
GRANT CREATE ON SCHEMA public TO regress_hospital_user;
SELECT c.* FROM kinds, LATERAL compare_effect(title, prepare, 'INSERT INTO t SELECT * FROM hospital_generate_people(3000)', look) AS c ORDER BY i;
-- the same a little otherwise: not a plain INSERT of just these rows
SELECT statement, count(*), bool_and(same) AS same
FROM unnest(ARRAY[
    'INSERT INTO t SELECT * FROM hospital_generate_people(100)',
    'INSERT INTO t SELECT p.* FROM hospital_generate_people((SELECT 100)) AS p',
    'INSERT INTO t SELECT * FROM hospital_generate_people(100) WHERE sex = ''F''',
    'INSERT INTO t SELECT * FROM hospital_generate_people(100) LIMIT 70',
    'INSERT INTO t SELECT * FROM hospital_generate_people(100) ORDER BY person_id DESC',
    'INSERT INTO t SELECT * FROM hospital_generate_people(0)',
    'INSERT INTO t SELECT * FROM hospital_generate_people(NULL)',
    'INSERT INTO t SELECT * FROM hospital_generate_people(-1)',
    'INSERT INTO t SELECT * FROM hospital_generate_people(60) UNION ALL SELECT * FROM hospital_generate_people(60, 7, 61)',
    'INSERT INTO t SELECT p.* FROM generate_series(1, 3) AS g, hospital_generate_people(20, 7, g * 20) AS p',
    'INSERT INTO t SELECT * FROM hospital_generate_people(100) ON CONFLICT DO NOTHING',
    'INSERT INTO t SELECT * FROM hospital_generate_people((SELECT count(*) + 100 FROM t))',
    'WITH w AS (SELECT * FROM hospital_generate_people(100)) INSERT INTO t SELECT * FROM w',
    'WITH w AS (INSERT INTO t SELECT * FROM hospital_generate_people(100)) SELECT 1',
    'WITH w AS (INSERT INTO t SELECT * FROM hospital_generate_people(100) RETURNING 1) INSERT INTO noted SELECT count(*) FROM w',
    'WITH w AS (INSERT INTO noted VALUES (1)) INSERT INTO t SELECT * FROM hospital_generate_people(100)',
    'INSERT INTO t OVERRIDING USER VALUE SELECT * FROM hospital_generate_people(100)']) AS statement, kinds,
    LATERAL compare_effect(title || ': ' || statement, prepare, statement, look) AS c
WHERE i NOT IN (48, 49)
GROUP BY statement ORDER BY statement COLLATE "C";

-- Column lists, RETURNING, ON CONFLICT, and what comes of the rest.
SELECT c.* FROM (VALUES
    (1, 'some columns', 'CREATE TABLE t (LIKE hospital.person)', 'INSERT INTO t (phone, person_id) SELECT phone, person_id FROM hospital_generate_people(100)', 'TABLE t'),
    (2, 'columns swapped', 'CREATE TABLE t (LIKE hospital.person)', 'INSERT INTO t (person_id, national_id, passport_no, last_name, first_name) SELECT person_id, national_id, passport_no, first_name, last_name FROM hospital_generate_people(100)', 'TABLE t'),
    (3, 'all, other order', 'CREATE TABLE t (LIKE hospital.person)', 'INSERT INTO t (phone, postal_code, suburb, address, household_id, citizenship, home_language, population_group, sex, date_of_birth, last_name, first_name, passport_no, national_id, person_id) SELECT phone, postal_code, suburb, address, household_id, citizenship, home_language, population_group, sex, date_of_birth, last_name, first_name, passport_no, national_id, person_id FROM hospital_generate_people(100)', 'TABLE t'),
    (4, 'text columns exchanged', 'CREATE TABLE t (LIKE hospital.person)', 'INSERT INTO t SELECT person_id, national_id, passport_no, last_name, first_name, date_of_birth, sex, population_group, home_language, citizenship, household_id, address, suburb, postal_code, phone FROM hospital_generate_people(100)', 'TABLE t'),
    (5, 'expression', 'CREATE TABLE t (LIKE hospital.person)', 'INSERT INTO t SELECT person_id + 1000, national_id, passport_no, first_name, last_name, date_of_birth, sex, population_group, home_language, citizenship, household_id, address, suburb, postal_code, phone FROM hospital_generate_people(100)', 'TABLE t'),
    (6, 'whole row', 'CREATE TABLE t (p hospital.person)', 'INSERT INTO t SELECT p FROM hospital_generate_people(100) AS p', 'TABLE t'),
    (7, 'other columns', 'CREATE TABLE t (at text, who bigint)', 'INSERT INTO t SELECT suburb, person_id FROM hospital_generate_people(100)', 'TABLE t'),
    (8, 'returning', 'CREATE TABLE t (LIKE hospital.person); CREATE TABLE u (LIKE t)', 'WITH w AS (INSERT INTO t SELECT * FROM hospital_generate_people(100) RETURNING *) INSERT INTO u SELECT * FROM w', 'TABLE u'),
    (9, 'on conflict do nothing', 'CREATE TABLE t (LIKE hospital.person, UNIQUE (household_id))', 'INSERT INTO t SELECT * FROM hospital_generate_people(100) ON CONFLICT DO NOTHING', 'TABLE t'),
    (10, 'on conflict do update', 'CREATE TABLE t (LIKE hospital.person, PRIMARY KEY (person_id)); INSERT INTO t SELECT * FROM public.hospital_generate_people(100)', 'INSERT INTO t SELECT * FROM hospital_generate_people(150, 7) AS p ON CONFLICT (person_id) DO UPDATE SET phone = excluded.phone || t.phone', 'TABLE t'),
    (11, 'inside a function', 'CREATE TABLE t (LIKE hospital.person); CREATE FUNCTION f() RETURNS bigint LANGUAGE plpgsql AS $f$ DECLARE n bigint; BEGIN INSERT INTO t SELECT * FROM hospital_generate_people(100); GET DIAGNOSTICS n = ROW_COUNT; IF NOT FOUND THEN n := -1; END IF; RETURN n; END $f$', 'INSERT INTO noted SELECT f()', 'SELECT t::text FROM t UNION ALL SELECT n::text FROM noted'),
    (12, 'inside a function, none', 'CREATE TABLE t (LIKE hospital.person); CREATE FUNCTION f() RETURNS bigint LANGUAGE plpgsql AS $f$ DECLARE n bigint; BEGIN INSERT INTO t SELECT * FROM hospital_generate_people(0); GET DIAGNOSTICS n = ROW_COUNT; IF NOT FOUND THEN n := -1; END IF; RETURN n; END $f$', 'INSERT INTO noted SELECT f()', 'SELECT t::text FROM t UNION ALL SELECT n::text FROM noted'),
    (13, 'inside an SQL function', 'CREATE TABLE t (LIKE hospital.person); CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $f$ INSERT INTO t SELECT * FROM hospital_generate_people(100) $f$', 'INSERT INTO noted SELECT 1 FROM (SELECT f() FROM generate_series(1, 2)) AS s', 'TABLE t'),
    (14, 'update from', 'CREATE TABLE t AS SELECT person_id, note FROM few', 'UPDATE t SET note = p.last_name || p::text FROM hospital_generate_people(30) AS p WHERE p.person_id = t.person_id', 'TABLE t'),
    (15, 'update from subquery', 'CREATE TABLE t AS SELECT person_id, note FROM few', 'UPDATE t SET note = (SELECT p::text FROM hospital_generate_people(t.person_id, first => t.person_id) AS p LIMIT 1)', 'TABLE t'),
    (16, 'delete using', 'CREATE TABLE t AS SELECT person_id, note FROM few', 'DELETE FROM t USING hospital_generate_people(30) AS p WHERE p.person_id = t.person_id AND p.sex = ''F''', 'TABLE t'),
    (17, 'delete where', 'CREATE TABLE t AS SELECT person_id, note FROM few', 'DELETE FROM t WHERE person_id IN (SELECT person_id FROM hospital_generate_people(23))', 'TABLE t'),
    (18, 'create table as', 'SELECT 1', 'CREATE TABLE t AS SELECT * FROM hospital_generate_people(100)', 'TABLE t'),
    (19, 'create table as, failing', 'CREATE TABLE t (i int)', 'CREATE TABLE u AS SELECT 1 / (person_id - 50) FROM hospital_generate_people(100)', 'TABLE t'),
    (20, 'create table as, no data', 'SELECT 1', 'CREATE TABLE t AS SELECT * FROM hospital_generate_people(100) WITH NO DATA', 'TABLE t'),
    (21, 'create materialized view', 'SELECT 1', 'CREATE MATERIALIZED VIEW t AS SELECT * FROM hospital_generate_people(100)', 'TABLE t')
    ) AS v (i, title, prepare, statement, look), LATERAL compare_effect(title, prepare, statement, look) AS c ORDER BY i;

-- Checked at the end: a deferred constraint has not forgotten the rows.
BEGIN;
CREATE TABLE t (LIKE hospital.person, UNIQUE (household_id) DEFERRABLE INITIALLY DEFERRED);
INSERT INTO t SELECT * FROM hospital_generate_people(100);
SELECT count(*) FROM t;
\set VERBOSITY sqlstate
SET CONSTRAINTS ALL IMMEDIATE;
\set VERBOSITY default
ROLLBACK;

-- The table says what went in, as for any INSERT.
CREATE TABLE counted (LIKE hospital.person);
INSERT INTO counted SELECT * FROM hospital_generate_people(1234);
BEGIN;
SAVEPOINT a;
INSERT INTO counted SELECT * FROM hospital_generate_people(10);
ROLLBACK TO a;
INSERT INTO counted SELECT * FROM hospital_generate_people(7);
COMMIT;
SELECT count(*), count(DISTINCT xmin::text) FROM counted;
SELECT count(*) FROM counted WHERE tableoid <> 'counted'::regclass OR cmin::text::int > 10;
SELECT count(*) FROM counted;
CREATE FUNCTION actual_rows(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (ANALYZE, FORMAT json) ' || query INTO plan;
    RETURN (jsonb_path_query_first(plan::jsonb, '$.** ? (@."Node Type" == "Custom Scan")') ->> 'Actual Rows')::numeric;  -- 18 has decimals
END $$;
SELECT actual_rows('SELECT * FROM hospital_generate_people(100)') AS read, actual_rows('INSERT INTO counted SELECT * FROM hospital_generate_people(100)') AS inserted,
       actual_rows('SELECT * FROM hospital_generate_people(100) LIMIT 5') AS limited;

COPY (SELECT person_id, length(national_id) FROM hospital_generate_people(3)) TO STDOUT;
COPY (SELECT left(p::text, 3) AS p FROM hospital_generate_people(2) AS p) TO STDOUT WITH (FORMAT csv, HEADER);

-- ==== row locks ===========================================================

SELECT c.* FROM (VALUES
    (1, 'for update of a table', $$SELECT f.note, p.first_name, p FROM few AS f JOIN hospital_generate_people(30) AS p USING (person_id) ORDER BY person_id FOR UPDATE OF f$$),
    (2, 'for share of all', $$SELECT f.note, p.first_name FROM few AS f JOIN hospital_generate_people(30) AS p USING (person_id) ORDER BY person_id FOR SHARE$$),
    (3, 'for update of a source', $$SELECT person_id FROM hospital_generate_people(30) AS p FOR UPDATE OF p$$),
    (4, 'for update of nothing', $$SELECT person_id FROM hospital_generate_people(30) AS p FOR UPDATE$$)
    ) AS v (i, title, query), LATERAL (SELECT r.n, r.result = o.result AS same FROM rows_of(query, 'public, pg_temp') AS r, rows_of(query, 'oracle, public, pg_temp') AS o) AS c ORDER BY i;
SET search_path = public;
SELECT f.note, p.person_id FROM few AS f JOIN hospital_generate_people(12) AS p USING (person_id) ORDER BY 2 FOR UPDATE OF f;

-- ==== parallel plans ======================================================

SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
CREATE FUNCTION digest_query(what text) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT format('SELECT count(*), sum(hashtextextended(p::text, 0)) FROM %s AS p', what) $$;
SELECT plan_of(digest_query('hospital_generate_people(250000)')) ~ 'Gather(.|\n)*Parallel Custom Scan' AS parallel;
SELECT plan_of('SELECT * FROM hospital_generate_people(250000) WHERE last_name = ''Dlamini''') ~ 'Gather(.|\n)*Parallel Custom Scan' AS parallel;
SELECT plan_of('SELECT count(*) FROM hospital_generate_people(1000)') ~ 'Gather' AS parallel_for_few;
SELECT (SELECT (count(*), sum(hashtextextended(p::text, 0))) FROM hospital_generate_people(250000) AS p)
     = (SELECT (count(*), sum(hashtextextended(p::text, 0))) FROM oracle.hospital_generate_people(250000) AS p) AS whole_rows;
CREATE TEMPORARY TABLE once AS SELECT person_id, suburb, sex, household_id FROM oracle.hospital_generate_people(250000);
SELECT c.what, c.n, c.same FROM (VALUES
    (1, 'groups', $$SELECT sex, count(*), sum(household_id), min(person_id), max(phone) FROM hospital_generate_people(250000) GROUP BY sex ORDER BY sex$$),
    (2, 'filter', $$SELECT * FROM (SELECT person_id, last_name FROM hospital_generate_people(250000) WHERE suburb = 'Midrand' OFFSET 0) AS s ORDER BY 1$$),
    (3, 'join', $$SELECT count(*), sum(a.household_id), count(b.phone) FROM hospital_generate_people(150000) AS a JOIN hospital_generate_people(150000, 7) AS b USING (person_id)$$),
    (4, 'subquery', $$SELECT count(*), sum(person_id) FROM hospital_generate_people((SELECT 250000))$$),
    (5, 'null', $$SELECT count(*), sum(person_id) FROM hospital_generate_people((SELECT NULL::bigint))$$),
    (6, 'rescan', $$SELECT v.i, s.n, s.t FROM (VALUES (1), (2), (3)) AS v (i) LEFT JOIN (SELECT count(*) AS n, sum(person_id) AS t FROM hospital_generate_people(250000) WHERE sex = 'F') AS s ON v.i < s.n ORDER BY 1$$),
    (7, 'correlated', $$SELECT v.i, (SELECT count(*) FROM hospital_generate_people(150000) WHERE person_id % 3 = v.i) FROM (VALUES (0), (1), (2)) AS v (i) ORDER BY 1$$),
    (8, 'error', $$SELECT sum(1 / (person_id - 240000)) FROM hospital_generate_people(250000)$$),
    (9, 'bad argument', $$SELECT count(*) FROM hospital_generate_people(250000, first => (SELECT -5))$$),
    (10, 'limit', $$SELECT count(*) FROM (SELECT person_id FROM hospital_generate_people(250000) LIMIT 10) AS s$$)
    ) AS v (i, title, query), LATERAL compare(title, query) AS c ORDER BY i;
SET enable_material = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
SELECT v.i, s.n, s.t = (SELECT sum(person_id) FROM once WHERE sex = 'F') AS same
FROM (VALUES (1), (2), (3)) AS v (i) LEFT JOIN (SELECT count(*) AS n, sum(person_id) AS t FROM hospital_generate_people(250000) WHERE sex = 'F') AS s ON v.i < s.n ORDER BY 1;
RESET enable_material; RESET enable_hashjoin; RESET enable_mergejoin;
SET plan_cache_mode = force_generic_plan;
PREPARE many(bigint) AS SELECT count(*), sum(person_id) FROM hospital_generate_people($1);
EXECUTE many(250000);
EXECUTE many(NULL);
EXECUTE many(3);
DEALLOCATE many;
RESET ALL;
SET datestyle = iso;

-- ==== whose function it is ================================================

-- A namesake is not ours: the oracle has been one all along.  Neither is one
-- in another language under our very name and arguments.
SELECT plan_of('SELECT * FROM oracle.hospital_generate_people(5)') LIKE '%Custom Scan%' AS hijacked;
CREATE FUNCTION public.hospital_generate_people(n int) RETURNS TABLE (person_id int, name text) LANGUAGE sql AS 'SELECT g, ''Me'' FROM generate_series(1, n) AS g';
SELECT * FROM hospital_generate_people(2);
DROP FUNCTION public.hospital_generate_people(int);
-- Our C function under another name is ours; with other arguments or another
-- row type it is refused, and nothing breaks.
CREATE FUNCTION public.mine(bigint, bigint, bigint, date, text) RETURNS SETOF hospital.person STRICT IMMUTABLE LANGUAGE c AS '$libdir/hospital', 'hospital_generate_people';
SELECT (SELECT md5(string_agg(m::text, '|')) FROM mine(100, 42, 1, '2020-01-01', 'realistic') AS m) = (SELECT md5(string_agg(p::text, '|')) FROM hospital_generate_people(100) AS p) AS same;
CREATE TYPE public.other_row AS (person_id bigint, name text);
CREATE TYPE public.near_row AS (person_id bigint, national_id text, passport_no text, first_name text, last_name text, date_of_birth date, sex text, population_group text,
    home_language text, citizenship text, household_id int, address text, suburb text, postal_code text, phone text);
CREATE FUNCTION public.other(bigint, bigint, bigint, date, text) RETURNS SETOF public.other_row STRICT IMMUTABLE LANGUAGE c AS '$libdir/hospital', 'hospital_generate_people';
CREATE FUNCTION public.near(bigint, bigint, bigint, date, text) RETURNS SETOF public.near_row STRICT IMMUTABLE LANGUAGE c AS '$libdir/hospital', 'hospital_generate_people';
CREATE FUNCTION public.scalar(bigint, bigint, bigint, date, text) RETURNS SETOF text STRICT IMMUTABLE LANGUAGE c AS '$libdir/hospital', 'hospital_generate_people';
CREATE FUNCTION public.single(bigint, bigint, bigint, date, text) RETURNS hospital.person STRICT IMMUTABLE LANGUAGE c AS '$libdir/hospital', 'hospital_generate_people';
CREATE FUNCTION public.recordish(bigint, bigint, bigint, date, text) RETURNS SETOF record STRICT IMMUTABLE LANGUAGE c AS '$libdir/hospital', 'hospital_generate_people';
\set VERBOSITY terse
SELECT * FROM public.other(5, 42, 1, '2020-01-01', 'realistic');
SELECT public.other(5, 42, 1, '2020-01-01', 'realistic');
SELECT household_id FROM public.near(5, 42, 1, '2020-01-01', 'realistic');
SELECT * FROM public.scalar(5, 42, 1, '2020-01-01', 'realistic');
SELECT public.scalar(5, 42, 1, '2020-01-01', 'realistic');
SELECT public.single(5, 42, 1, '2020-01-01', 'realistic');
SELECT * FROM public.single(5, 42, 1, '2020-01-01', 'realistic');
SELECT * FROM public.recordish(5, 42, 1, '2020-01-01', 'realistic') AS r (a int, b text);
\set VERBOSITY default
DROP FUNCTION public.mine, public.other, public.near, public.scalar, public.single, public.recordish;
DROP TYPE public.other_row, public.near_row;

-- The row type is somebody's to alter: plans made before and after say so.
PREPARE before AS SELECT count(*), count(phone) FROM hospital_generate_people(5);
EXECUTE before;
BEGIN;
ALTER TYPE hospital.person ADD ATTRIBUTE extra text;
SAVEPOINT a;
EXECUTE before;
ROLLBACK TO a;
SELECT * FROM hospital_generate_people(5);
ROLLBACK TO a;
SELECT hospital_generate_people(5);
ROLLBACK TO a;
SELECT count(*) FROM hospital_generate_people(5) WITH ORDINALITY;
ROLLBACK;
BEGIN;
DROP TABLE kinds, counted;
ALTER TYPE hospital.person ALTER ATTRIBUTE household_id TYPE int;
SELECT household_id FROM hospital_generate_people(5);
ROLLBACK;
EXECUTE before;
DEALLOCATE before;

-- Privileges are asked, now and when the plan is older than the privilege.
BEGIN;
REVOKE EXECUTE ON FUNCTION hospital_generate_people FROM PUBLIC;
SET LOCAL ROLE regress_hospital_user;
SAVEPOINT a;
SELECT count(*) FROM hospital_generate_people(5);
ROLLBACK TO a;
SELECT hospital_generate_people(1);
ROLLBACK;
BEGIN;
SET LOCAL ROLE regress_hospital_user;
PREPARE before AS SELECT count(*) FROM hospital_generate_people(5);
EXECUTE before;
RESET ROLE;
REVOKE EXECUTE ON FUNCTION hospital_generate_people FROM PUBLIC;
SET LOCAL ROLE regress_hospital_user;
EXECUTE before;
ROLLBACK;
DEALLOCATE ALL;

-- Interrupted, it stops at once.
SET statement_timeout = '300ms';
SELECT count(p) FROM hospital_generate_people(60000000) AS p, generate_series(1, 1000);
SELECT sum(length(p::text)) FROM hospital_generate_people(60000000) AS p;
RESET statement_timeout;

SET client_min_messages = warning;
DROP SCHEMA oracle CASCADE;
DROP FUNCTION evaluated, noisy, estimate, fetch_all_ways, actual_rows, digest_query, compare_joins, compare, compare_effect, rows_of, effect_of, plan_of, shout, note, note_row, fail_at_57;
DROP TABLE few, kinds, noted, counted;
DROP SEQUENCE evaluations;
DROP DOMAIN short_name;
REVOKE ALL ON SCHEMA public FROM regress_hospital_user;
DROP ROLE regress_hospital_user;
