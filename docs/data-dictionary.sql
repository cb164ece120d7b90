-- data-dictionary.sql: writes docs/data-dictionary.md from the comments of a
-- database in which the extension and a hospital have been created:
--     psql -XqAt -d hospital -f docs/data-dictionary.sql | cat -s > docs/data-dictionary.md

SELECT '# Data dictionary' || E'\n\n' ||
       'The tables and views of schemas `hospital` and `hospital_mart`. The texts are the comments in the database (`\d+ hospital.admissions`).' || E'\n\n' ||
       '- [The hospital''s tables](#the-hospitals-tables): made by `hospital_create`, yours, filled from the day files and the stream' || E'\n' ||
       '- [The extension''s views](#the-extensions-views)' || E'\n' ||
       '- [The reference tables](#the-reference-tables): made and filled by CREATE EXTENSION, readable by everybody' || E'\n' ||
       '- [The marts](#the-marts): schema `hospital_mart`, made by `hospital_create`; [how they are kept](architecture.md#marts)' || E'\n' ||
       '- [What the marts are made of](#what-the-marts-are-made-of)' || E'\n';

WITH objects AS (
    SELECT c.oid, c.relname, c.relkind,
           CASE WHEN c.relnamespace = 'hospital_mart'::regnamespace
                THEN CASE WHEN c.relkind = 'v' AND c.relname !~ '^(last_|ward_days$)' THEN 4 ELSE 5 END
                WHEN d.objid IS NULL THEN 1 WHEN c.relkind = 'v' THEN 2 ELSE 3 END AS part
    FROM pg_class c
    LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
    WHERE c.relnamespace IN ('hospital'::regnamespace, 'hospital_mart'::regnamespace) AND c.relkind IN ('r', 'p', 'v')
      AND NOT (c.relnamespace = 'hospital_mart'::regnamespace AND c.relname ~ '_live$')
), texts AS (
    SELECT o.part, o.oid::bigint AS place,
           format(E'## %s\n\n%s.\n\n| column | type | meaning |\n| --- | --- | --- |\n%s\n', o.relname,
                  obj_description(o.oid, 'pg_class'),
                  (SELECT string_agg(format('| %s | %s%s | %s |', a.attname,
                                            replace(replace(format_type(a.atttypid, a.atttypmod), 'timestamp with time zone',
                                                            'timestamptz'), ' without time zone', ''),
                                            CASE WHEN o.relkind <> 'v' AND NOT a.attnotnull
                                                 THEN ', nullable' ELSE '' END,
                                            col_description(o.oid, a.attnum)), E'\n' ORDER BY a.attnum)
                   FROM pg_attribute a WHERE a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped)) AS text
    FROM objects o
    UNION ALL
    SELECT p.part, 0, E'# ' || p.title || E'\n'
    FROM (VALUES (1, 'The hospital''s tables'), (2, 'The extension''s views'), (3, 'The reference tables'), (4, 'The marts'),
                 (5, E'What the marts are made of\n\nBeside each table of cells is a view, with `_live` in place of `_cells`: the same columns, from the tables of `hospital`, of the days that are live.')) p (part, title)
)
SELECT t.text FROM texts t ORDER BY t.part, t.place;
