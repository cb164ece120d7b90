-- people_discard.sql: every column of every person computed, and thrown away.
-- EXPLAIN ANALYZE runs the query and sends no row; the scan's target list is all
-- of the columns (with fewer of them it is faster, since those that nobody asks
-- for are left out).  Parallel workers are off: the rate is one core's.
SET max_parallel_workers_per_gather = 0;
EXPLAIN (ANALYZE, TIMING OFF) SELECT * FROM hospital_generate_people(:n);
