select
    cast(ward_code as {{ dbt.type_string() }}) as ward_code,
    cast(department_code as {{ dbt.type_string() }}) as department_code,
    cast(name as {{ dbt.type_string() }}) as ward_name,
    cast(beds as {{ dbt.type_int() }}) as beds,
    cast(sex as {{ dbt.type_string() }}) as sex,
    cast(age_group as {{ dbt.type_string() }}) as age_group,
    cast(ward_type as {{ dbt.type_string() }}) as ward_type
from {{ reference_rows('wards') }} as source_rows
