select
    cast(ward_code as {{ dbt.type_string() }}) as ward_code,
    cast(name as {{ dbt.type_string() }}) as ward_name,
    cast(department_code as {{ dbt.type_string() }}) as department_code,
    cast(ward_type as {{ dbt.type_string() }}) as ward_type,
    cast(block as {{ dbt.type_int() }}) as block,
    cast(floor_level as {{ dbt.type_int() }}) as floor_level,
    cast(beds as {{ dbt.type_int() }}) as beds,
    cast(sex as {{ dbt.type_string() }}) as sex,
    cast(age_group as {{ dbt.type_string() }}) as age_group,
    cast(isolation_beds as {{ dbt.type_int() }}) as isolation_beds,
    cast(patients_per_nurse_day as numeric(18, 6)) as patients_per_nurse_day,
    cast(patients_per_nurse_night as numeric(18, 6)) as patients_per_nurse_night
from {{ reference_rows('ward_plan') }} as source_rows
