-- generate.sql: the lines of bigquery/, each with the file that it belongs to:
--     psql -XqAt -d hospital -f bigquery/generate.sql
-- bigquery/generate.sh writes the files.  The database has the extension and a hospital.

WITH wanted (place, schema, name, partitioned) AS (
    SELECT row_number() OVER (), * FROM (VALUES
    ('hospital', 'people', false), ('hospital', 'staff', false), ('hospital', 'staff_assignments', true),
    ('hospital', 'departments', false), ('hospital', 'wards', false), ('hospital', 'patients', true),
    ('hospital', 'doctors', false), ('hospital', 'medicines', false), ('hospital', 'admissions', true),
    ('hospital', 'status_updates', true), ('hospital', 'doctor_assignments', true), ('hospital', 'transfers', true),
    ('hospital', 'visits', true), ('hospital', 'diagnoses', true), ('hospital', 'treatments', true),
    ('hospital', 'lab_results', true), ('hospital', 'vital_signs', true), ('hospital', 'prescriptions', true),
    ('hospital', 'billing_payments', true), ('hospital', 'staff_changes', true),
    ('hospital_mart', 'diagnosis_distribution', false), ('hospital_mart', 'revenue_by_month', false),
    ('hospital_mart', 'revenue_by_doctor', false), ('hospital_mart', 'doctor_performance', false),
    ('hospital_mart', 'doctors_by_specialization', false), ('hospital_mart', 'patient_age_distribution', false),
    ('hospital_mart', 'monthly_visit_stats', false), ('hospital_mart', 'patient_journey', true),
    ('hospital_mart', 'patient_spending', false), ('hospital_mart', 'patient_bills', true),
    ('hospital_mart', 'medication_usage', false),
    ('hospital_mart', 'payment_status', false), ('hospital_mart', 'ward_occupancy_by_hour', true),
    ('hospital_mart', 'length_of_stay', false), ('hospital_mart', 'ed_waiting', false), ('hospital_mart', 'bed_days', false),
    ('hospital_mart', 'readmissions', false), ('hospital_mart', 'staffing_against_need', true)) v
), relations AS (
    SELECT w.*, c.oid, coalesce(obj_description(c.oid, 'pg_class'), '') AS about
    FROM wanted w JOIN pg_namespace n ON n.nspname = w.schema
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
), base AS (
    SELECT r.oid, a.attnum, a.attname, a.attnotnull,
           CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE a.atttypid END::regtype AS type,
           coalesce(col_description(r.oid, a.attnum), '') AS about
    FROM relations r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_type t ON t.oid = a.atttypid
), columns AS (
    SELECT b.*, CASE b.type::text
                WHEN 'bigint' THEN 'INT64' WHEN 'integer' THEN 'INT64' WHEN 'smallint' THEN 'INT64'
                WHEN 'boolean' THEN 'BOOL' WHEN 'double precision' THEN 'FLOAT64' WHEN 'real' THEN 'FLOAT64'
                WHEN 'numeric' THEN 'NUMERIC' WHEN 'date' THEN 'DATE' WHEN 'timestamp with time zone' THEN 'TIMESTAMP'
                WHEN 'timestamp without time zone' THEN 'DATETIME' WHEN 'jsonb' THEN 'JSON' WHEN 'json' THEN 'JSON'
                WHEN 'bytea' THEN 'BYTES' ELSE 'STRING' END AS bigquery
    FROM base b
), schemas AS (
    SELECT r.place, 'schemas/' || r.name || '.json' AS file,
           E'[\n' || string_agg(format('  {"name": %s, "type": "%s", "mode": "%s", "description": %s}', to_json(c.attname::text),
                                       c.bigquery, CASE WHEN c.attnotnull THEN 'REQUIRED' ELSE 'NULLABLE' END, to_json(c.about)),
                                E',\n' ORDER BY c.attnum) || E'\n]' AS text
    FROM relations r JOIN columns c USING (oid) GROUP BY r.place, r.name
), ddl AS (
    SELECT r.place, 'external_tables.sql' AS file,
           format(E'\nCREATE OR REPLACE EXTERNAL TABLE `${DATASET}.%s` (\n%s\n)%s\nOPTIONS (\n  description = %s,\n'
                  '  format = ''NEWLINE_DELIMITED_JSON'',\n  compression = ''GZIP'',\n  uris = [''${LAKE}/%s/*''%s\n);',
                  r.name,
                  string_agg(format('  `%s` %s OPTIONS (description = %s)', c.attname, c.bigquery, to_json(c.about)), E',\n' ORDER BY c.attnum),
                  CASE WHEN r.partitioned THEN E'\nWITH PARTITION COLUMNS (`date` DATE)' ELSE '' END,
                  to_json(r.about), r.name,
                  CASE WHEN r.partitioned THEN format(E'],\n  hive_partition_uri_prefix = ''${LAKE}/%s''', r.name) ELSE ']' END) AS text
    FROM relations r JOIN columns c USING (oid) GROUP BY r.place, r.name, r.about, r.partitioned
), lines AS (
    SELECT 1 AS part, 0::int8 AS place, 'external_tables.sql' AS file, line
    FROM unnest(ARRAY['-- External tables over the lake that hospital_export(..., ''jsonl'', compression => ''gzip'') writes, and',
                      '-- tools/lake_sync.sh brings to Google Cloud Storage.  Made by generate.sh; set DATASET (project.dataset) and LAKE:',
                      '--   DATASET=my-project.hospital LAKE=gs://my-bucket/hospital/jsonl.gz envsubst < external_tables.sql | bq query --nouse_legacy_sql']) line
    UNION ALL SELECT 2, d.place, d.file, line FROM ddl d, string_to_table(d.text, E'\n') line
    UNION ALL SELECT 3, s.place, s.file, line FROM schemas s, string_to_table(s.text, E'\n') line
)
SELECT file || E'\t' || line FROM lines ORDER BY part, place;
