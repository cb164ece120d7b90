-- people_stream.sql: every column of a long stream of people, made into text and
-- thrown away.  (A query with expressions may add the server's JIT compiler,
-- about 20 MB whatever the length of the stream.)
COPY (SELECT * FROM hospital_generate_people(:n)) TO '/dev/null';
