-- stream_events.sql: N events as lines "patient, tab, payload", in order of time
-- and of their ids: version 7 like the hospital's, one millisecond or more apart.
-- With poison > 0 each poison-th of them is spoilt, in one of eight ways.
COPY (
    WITH wards AS (SELECT array_agg(ward_code ORDER BY ward_code) AS w, count(*)::int AS n FROM hospital.wards),
    e AS (SELECT i, (hashint8extended(i, 1) & 2147483647)::int AS a, (hashint8extended(i, 2) & 2147483647)::int AS b,
                 timestamp '2020-01-01' + i * interval '137.041 seconds' AS at
          FROM generate_series(1, :n) i),
    f AS (SELECT i, at, a % 5000000 + 1 AS patient, a % n AS from_ward, b % (n - 1) AS step, b,
                 lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') AS ms, md5(i::text) AS tail, w, n
          FROM e, wards),
    p AS (SELECT i, patient,
                 format('{"event_id":"%s-%s-7%s-8%s-%s","event_time":"%sZ","admission_id":%s,"patient_id":%s,'
                        '"from_ward":"%s","to_ward":"%s","reason":"%s","status":"completed","staff_id":%s}',
                        left(ms, 8), right(ms, 4), left(tail, 3), substr(tail, 4, 3), substr(tail, 7, 12),
                        to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS.US'), 7305000000 + i * 3, patient,
                        w[from_ward + 1], w[(from_ward + 1 + step) % n + 1],
                        (ARRAY['specialist care that this ward has not', 'isolation until the results are back',
                               'the bed is needed by another patient', 'course of labour, to the delivery ward',
                               'condition has become worse overnight', 'condition has improved, step down'])[b % 6 + 1], b % 3000 + 1) AS payload
          FROM f)
    SELECT patient,
           CASE WHEN :poison = 0 OR i % nullif(:poison, 0) > 0 THEN payload
                ELSE CASE i / nullif(:poison, 0) % 8
                         WHEN 0 THEN left(payload, -9)
                         WHEN 1 THEN replace(payload, '"patient_id":', '"patient_id":"x')
                         WHEN 2 THEN replace(payload, '-7', '-z')
                         WHEN 3 THEN replace(payload, '"status":"completed",', '')
                         WHEN 4 THEN replace(payload, '"completed"', 'null')
                         WHEN 5 THEN regexp_replace(payload, 'T\d\d:', 'T99:')
                         WHEN 6 THEN replace(payload, '"status"', '"from_ward":"twice","status"')
                         ELSE 'not JSON'
                     END
           END
    FROM p ORDER BY i
) TO :'file';
