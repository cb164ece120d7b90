-- copy_tables.sql: the statements that make the tables and indexes which COPY
-- fills (rows 7 to 9), from the tables of this hospital.
SELECT format('CREATE TABLE %I (%s);', kind,
              string_agg(format('%I %s', column_name, regexp_replace(type, '\(.*', '')), ', ' ORDER BY number))
FROM hospital_record_columns() GROUP BY kind ORDER BY kind;

-- A table whose records come a second time, complete, cannot have unique ones.
WITH kinds AS (SELECT DISTINCT kind, table_name, merge FROM hospital_record_columns()),
fed AS (SELECT kind, merge, format('hospital.%I', table_name)::regclass AS rel FROM kinds
        UNION ALL SELECT kind, merge, 'hospital.people' FROM kinds WHERE kind = 'registrations'),
indexes AS (SELECT DISTINCT kind,
                   CASE WHEN indisunique AND merge <> 'completes' THEN 'UNIQUE ' ELSE '' END AS uniqueness,
                   replace(regexp_replace(pg_get_indexdef(indexrelid), '^.* (USING .*)$', '\1'), 'patient_id',
                           CASE WHEN kind = 'registrations' THEN 'person_id' ELSE 'patient_id' END) AS definition
            FROM fed JOIN pg_index ON indrelid = rel)
SELECT format('CREATE %sINDEX ON %I %s;', uniqueness, kind, definition) FROM indexes ORDER BY kind, definition;
