select
    cast(department_code as {{ dbt.type_string() }}) as department_code,
    cast(name as {{ dbt.type_string() }}) as department_name,
    cast(department_group as {{ dbt.type_string() }}) as department_group,
    cast(level_of_care as {{ dbt.type_int() }}) as level_of_care,
    cast(wards as {{ dbt.type_int() }}) as ward_count,
    cast(beds as {{ dbt.type_int() }}) as bed_count
from {{ reference_rows('departments') }} as source_rows
