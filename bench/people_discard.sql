-- people_discard.sql: every column of every person computed, and thrown away.
-- count(column) has to see the value; count(*) or an offset would let the
-- generator leave it out.  Parallel workers are off: the rate is one core's.
SET max_parallel_workers_per_gather = 0;
SELECT count(person_id) + count(national_id) + count(passport_no) + count(first_name) + count(last_name)
       + count(date_of_birth) + count(sex) + count(population_group) + count(home_language)
       + count(citizenship) + count(household_id) + count(address) + count(suburb)
       + count(postal_code) + count(phone)
FROM hospital_generate_people(:n);
