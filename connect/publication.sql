-- publication.sql: what Debezium, or any other reader of the log, needs in the
-- database: publication hospital_cdc, of the tables that connect/hospital-postgres.json
-- captures.  For psql, as the owner of the tables or a superuser:
--
--   psql -d hospital -f connect/publication.sql
--
-- May be run again.  wal_level must be logical, which needs a restart.

-- Tables with a key alone: a published table without one takes no update.  Of a
-- partitioned table the changes are told as the table's, not as its partitions'.
SELECT 'CREATE PUBLICATION hospital_cdc WITH (publish_via_partition_root = true)'
WHERE NOT EXISTS (SELECT FROM pg_publication WHERE pubname = 'hospital_cdc') \gexec

-- Of the staff the doctors alone: what the view hospital.doctors shows.  A filter
-- on a column that is not the key needs the whole old row in the log; this is a
-- table that hardly ever changes.
SELECT 'ALTER TABLE hospital.staff REPLICA IDENTITY FULL'
WHERE current_setting('server_version_num')::int >= 150000
  AND (SELECT relreplident <> 'f' FROM pg_class WHERE oid = to_regclass('hospital.staff')) \gexec

SELECT 'ALTER PUBLICATION hospital_cdc SET TABLE ' || string_agg(format('hospital.%I%s', c.relname,
           CASE WHEN c.relname = 'staff' AND current_setting('server_version_num')::int >= 150000
                THEN $$ WHERE (registration_no ~ '^(MP|IN|DP)')$$ END), ', ')
FROM pg_class c
WHERE c.relnamespace = 'hospital'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND c.relname IN ('staff', 'patients', 'medicines', 'visits', 'prescriptions', 'billing_payments', 'admissions', 'transfers')
  AND EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)
HAVING count(*) > 0 \gexec
