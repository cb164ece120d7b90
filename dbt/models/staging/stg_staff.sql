select
    cast(staff_id as {{ dbt.type_bigint() }}) as staff_id,
    cast(national_id as {{ dbt.type_string() }}) as national_id,
    cast(first_name as {{ dbt.type_string() }}) as first_name,
    cast(last_name as {{ dbt.type_string() }}) as last_name,
    cast(date_of_birth as date) as date_of_birth,
    cast(sex as {{ dbt.type_string() }}) as sex,
    cast(role as {{ dbt.type_string() }}) as role,
    cast(specialty as {{ dbt.type_string() }}) as specialty,
    cast(department_code as {{ dbt.type_string() }}) as department_code,
    cast(registration_no as {{ dbt.type_string() }}) as registration_no,
    cast(hired_on as date) as hired_on,
    cast(retires_on as date) as retires_on,
    cast(left_on as date) as left_on,
    cast(replaces_staff_id as {{ dbt.type_bigint() }}) as replaces_staff_id
from {{ reference_rows('staff') }} as source_rows
