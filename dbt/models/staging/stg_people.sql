select
    cast(person_id as {{ dbt.type_bigint() }}) as person_id,
    cast(national_id as {{ dbt.type_string() }}) as national_id,
    cast(passport_no as {{ dbt.type_string() }}) as passport_no,
    cast(first_name as {{ dbt.type_string() }}) as first_name,
    cast(last_name as {{ dbt.type_string() }}) as last_name,
    cast(date_of_birth as date) as date_of_birth,
    cast(sex as {{ dbt.type_string() }}) as sex,
    cast(population_group as {{ dbt.type_string() }}) as population_group,
    cast(home_language as {{ dbt.type_string() }}) as home_language,
    cast(citizenship as {{ dbt.type_string() }}) as citizenship,
    cast(household_id as {{ dbt.type_bigint() }}) as household_id,
    cast(address as {{ dbt.type_string() }}) as address,
    cast(suburb as {{ dbt.type_string() }}) as suburb,
    cast(postal_code as {{ dbt.type_string() }}) as postal_code,
    cast(phone as {{ dbt.type_string() }}) as phone
from {{ daily_rows('people', 'person_id') }} as source_rows
