select
    cast(role as {{ dbt.type_string() }}) as role,
    cast(specialty as {{ dbt.type_string() }}) as specialty,
    cast(category as {{ dbt.type_string() }}) as category,
    cast(department_code as {{ dbt.type_string() }}) as department_code,
    cast(ward_scope as {{ dbt.type_string() }}) as ward_scope,
    cast(headcount_per_1000_beds as {{ dbt.type_int() }}) as headcount_per_1000_beds,
    cast(registration_body as {{ dbt.type_string() }}) as registration_body,
    cast(registration_regex as {{ dbt.type_string() }}) as registration_regex,
    cast(shift_code as {{ dbt.type_string() }}) as shift_code,
    cast(min_start_age as {{ dbt.type_int() }}) as min_start_age,
    cast(retire_age as {{ dbt.type_int() }}) as retire_age,
    cast(salary_min_zar as {{ dbt.type_int() }}) as salary_min_zar,
    cast(salary_max_zar as {{ dbt.type_int() }}) as salary_max_zar,
    cast(female_share as numeric(18, 6)) as female_share
from {{ reference_rows('staff_roles') }} as source_rows
