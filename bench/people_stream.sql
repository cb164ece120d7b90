-- people_stream.sql: every column of a long stream of people looked at.
SELECT count(person_id) + count(national_id) + count(passport_no) + count(first_name) + count(last_name)
       + count(date_of_birth) + count(sex) + count(population_group) + count(home_language)
       + count(citizenship) + count(household_id) + count(address) + count(suburb)
       + count(postal_code) + count(phone)
FROM hospital_generate_people(:n);
