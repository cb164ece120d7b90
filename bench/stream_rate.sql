-- stream_rate.sql: messages a second, by the server's clock of commits, from the
-- first commit to the last: what the first one brought is not counted, nor is the
-- time before it.  Then the same for the second half alone; messages; commits.
-- table: whose rows, "one": messages of a row.
WITH t AS (SELECT xmin AS x, sum(:one) AS n FROM :table GROUP BY xmin),
c AS (SELECT pg_xact_commit_timestamp(x) AS at, sum(n) AS n FROM t GROUP BY 1),
o AS (SELECT at, n, sum(n) OVER (ORDER BY at) AS so_far, sum(n) OVER () AS total,
             row_number() OVER (ORDER BY at) AS number
      FROM c),
ends AS (SELECT max(total) AS total, max(at) AS last, min(at) AS first, max(n) FILTER (WHERE number = 1) AS of_first,
                min(at) FILTER (WHERE so_far >= total / 2) AS half, min(so_far) FILTER (WHERE so_far >= total / 2) AS of_half,
                count(*) AS commits
         FROM o)
SELECT round((total - of_first) / nullif(extract(epoch FROM last - first), 0)::numeric),
       round((total - of_half) / nullif(extract(epoch FROM last - half), 0)::numeric), total, commits
FROM ends;
