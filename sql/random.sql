--
-- The generators' random numbers are Philox4x32-10, by the known-answer
-- vectors of Random123 (kat_vectors), which are the same on every machine.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS hospital;
RESET client_min_messages;

-- words in hexadecimal, as the vectors are published
CREATE FUNCTION pg_temp.words(hex text) RETURNS bigint[] LANGUAGE sql AS
$$ SELECT array_agg(('x' || lpad(w, 16, '0'))::bit(64)::bigint ORDER BY i) FROM unnest(string_to_array(hex, ' ')) WITH ORDINALITY AS u (w, i) $$;
CREATE FUNCTION pg_temp.hex(words bigint[]) RETURNS text LANGUAGE sql AS
$$ SELECT string_agg(lpad(to_hex(w), 8, '0'), ' ' ORDER BY i) FROM unnest(words) WITH ORDINALITY AS u (w, i) $$;

SELECT v.name, pg_temp.hex(hospital_random_block(pg_temp.words(v.counter), pg_temp.words(v.key))) AS found,
       pg_temp.hex(hospital_random_block(pg_temp.words(v.counter), pg_temp.words(v.key))) = v.expected AS as_published
FROM (VALUES
    ('zero', '00000000 00000000 00000000 00000000', '00000000 00000000', '6627e8d5 e169c58d bc57ac4c 9b00dbd8'),
    ('ones', 'ffffffff ffffffff ffffffff ffffffff', 'ffffffff ffffffff', '408f276d 41c83b0e a20bc7c6 6d5451fd'),
    ('pi',   '243f6a88 85a308d3 13198a2e 03707344', 'a4093822 299f31d0', 'd16cfe09 94fdcceb 5001e420 24126ea1'))
    AS v (name, counter, key, expected);

-- The same algorithm once more, in SQL: ten rounds over 64-bit products.
CREATE FUNCTION pg_temp.philox(counter bigint[], key bigint[]) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    c bigint[] := counter;
    k bigint[] := key;
    p0 numeric;
    p1 numeric;
BEGIN
    FOR round IN 1..10 LOOP
        p0 := 3528531795::numeric * c[1];       -- 0xD2511F53
        p1 := 3449720151::numeric * c[3];       -- 0xCD9E8D57
        c := ARRAY[div(p1, 4294967296)::bigint # c[2] # k[1], mod(p1, 4294967296)::bigint,
                   div(p0, 4294967296)::bigint # c[4] # k[2], mod(p0, 4294967296)::bigint];
        k := ARRAY[(k[1] + 2654435769) & 4294967295, (k[2] + 3144134277) & 4294967295];
    END LOOP;
    RETURN c;
END $$;
SELECT count(*) AS blocks, count(*) FILTER (WHERE hospital_random_block(c, k) <> pg_temp.philox(c, k)) AS different
FROM (SELECT ARRAY[i * 2654435761 & 4294967295, i, 4294967295 - i, i * i & 4294967295] AS c,
             ARRAY[i * 40503 & 4294967295, (i << 20) & 4294967295] AS k
      FROM generate_series(0, 1999) AS i (i),
      LATERAL (SELECT i::bigint) AS b (b)) AS x (c, k);

-- Every bit is one half of the time (standard deviation 0.0035 here).
SELECT count(*) AS bits, bool_and(share BETWEEN 0.48 AND 0.52) AS fair
FROM (SELECT w, b, avg((hospital_random_block(ARRAY[i, 0, 0, 0]::bigint[], ARRAY[42, 0]::bigint[]))[w] >> b & 1) AS share
      FROM generate_series(1, 20000) AS i, generate_series(1, 4) AS w, generate_series(0, 31, 5) AS b
      GROUP BY w, b) AS s;

-- What is no block is refused; null gives null.
CREATE FUNCTION pg_temp.outcome(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    m text;
    result text;
BEGIN
    EXECUTE statement INTO result;
    RETURN coalesce(result, 'null');
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS m = MESSAGE_TEXT;
    RETURN SQLSTATE || ' ' || m;
END $$;
SELECT a, pg_temp.outcome('SELECT hospital_random_block(' || a || ')')
FROM unnest(ARRAY[
    $$'{0,0,0}', '{0,0}'$$, $$'{0,0,0,0,0}', '{0,0}'$$, $$'{0,0,0,0}', '{0}'$$, $$'{}', '{}'$$,
    $$'{0,0,0,null}', '{0,0}'$$, $$'{0,0,0,0}', '{null,0}'$$,
    $$'{0,0,0,4294967296}', '{0,0}'$$, $$'{0,0,0,0}', '{-1,0}'$$,
    $$null, '{0,0}'$$, $$'{0,0,0,0}', null$$]) AS a;
