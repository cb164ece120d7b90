select
    cast(admission_id as {{ dbt.type_bigint() }}) as admission_id,
    cast(patient_id as {{ dbt.type_bigint() }}) as patient_id,
    cast(visit_id as {{ dbt.type_bigint() }}) as visit_id,
    cast(ward_code as {{ dbt.type_string() }}) as ward_code,
    cast(admitted_at as {{ type_instant() }}) as admitted_at,
    cast(discharged_at as {{ type_instant() }}) as discharged_at,
    cast(triage as {{ dbt.type_string() }}) as triage,
    cast(outcome as {{ dbt.type_string() }}) as outcome,
    cast(department_code as {{ dbt.type_string() }}) as department_code,
    cast(admission_type as {{ dbt.type_string() }}) as admission_type,
    cast(referred_from as {{ dbt.type_string() }}) as referred_from
from {{ daily_rows('admissions', 'admission_id') }} as source_rows
