select
    cast(doctor_assignment_id as {{ dbt.type_bigint() }}) as doctor_assignment_id,
    cast(admission_id as {{ dbt.type_bigint() }}) as admission_id,
    cast(patient_id as {{ dbt.type_bigint() }}) as patient_id,
    cast(doctor_id as {{ dbt.type_bigint() }}) as doctor_id,
    cast(starts_at as {{ type_instant() }}) as starts_at,
    cast(ends_at as {{ type_instant() }}) as ends_at,
    cast(reason as {{ dbt.type_string() }}) as reason
from {{ daily_rows('doctor_assignments', 'doctor_assignment_id') }} as source_rows
