select
    cast(doctor_id as {{ dbt.type_bigint() }}) as doctor_id,
    cast(name as {{ dbt.type_string() }}) as full_name,
    cast(specialization as {{ dbt.type_string() }}) as specialization,
    cast(experience_years as {{ dbt.type_int() }}) as experience_years,
    cast(contact_info as {{ dbt.type_string() }}) as contact_info
from {{ reference_rows('doctors') }} as source_rows
