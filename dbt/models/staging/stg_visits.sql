select
    cast(visit_id as {{ dbt.type_bigint() }}) as visit_id,
    cast(patient_id as {{ dbt.type_bigint() }}) as patient_id,
    cast(doctor_id as {{ dbt.type_bigint() }}) as doctor_id,
    cast(visit_date as date) as visit_date,
    cast(department_code as {{ dbt.type_string() }}) as department_code,
    cast(kind as {{ dbt.type_string() }}) as visit_kind,
    cast(diagnosis as {{ dbt.type_string() }}) as diagnosis_text,
    cast(total_cost as numeric(12, 2)) as total_cost,
    cast(arrived_at as {{ type_instant() }}) as arrived_at,
    cast(left_at as {{ type_instant() }}) as left_at,
    cast(triage as {{ dbt.type_string() }}) as triage,
    cast(disposition as {{ dbt.type_string() }}) as disposition,
    cast(admission_id as {{ dbt.type_bigint() }}) as admission_id
from {{ daily_rows('visits', 'visit_id') }} as source_rows
