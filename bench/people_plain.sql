-- people_plain.sql: the baseline's table, the columns of hospital.people in plain
-- types, no key.  national_id sorts by bytes as the real one does, so that
-- building its index costs the same.
CREATE TABLE plain (
    person_id        bigint,
    national_id      text COLLATE "C",
    passport_no      text,
    first_name       text,
    last_name        text,
    date_of_birth    date,
    sex              text,
    population_group text,
    home_language    text,
    citizenship      text,
    household_id     bigint,
    address          text,
    suburb           text,
    postal_code      text,
    phone            text
);
