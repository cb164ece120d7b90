-- live_ingest.sql: start the hospital, wait until no file waits; the time that
-- took and after how long the first file was in, in ms.
SELECT clock_timestamp() AS t \gset
SELECT set_config('bench.until', (clock_timestamp() + :wait * interval '1 second')::text, false);
SELECT hospital_start();
DO $$
BEGIN
    WHILE EXISTS (SELECT FROM hospital.batches WHERE state IN ('written', 'loading')) LOOP
        IF clock_timestamp() > current_setting('bench.until')::timestamptz THEN
            RAISE EXCEPTION 'the files are not in after this time: %',
                (SELECT string_agg(role || ' ' || state, ', ') FROM hospital_status());
        END IF;
        -- no snapshot is held while this waits
        COMMIT;
        PERFORM pg_sleep(0.02);
    END LOOP;
END
$$;
SELECT round(extract(epoch FROM clock_timestamp() - :'t') * 1000, 1),
       round(extract(epoch FROM min(ingested_at) FILTER (WHERE ingested_at > :'t') - :'t') * 1000, 1)
FROM hospital.batches;
