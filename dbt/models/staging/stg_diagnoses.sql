select
    cast(diagnosis_id as {{ dbt.type_bigint() }}) as diagnosis_id,
    cast(visit_id as {{ dbt.type_bigint() }}) as visit_id,
    cast(admission_id as {{ dbt.type_bigint() }}) as admission_id,
    cast(patient_id as {{ dbt.type_bigint() }}) as patient_id,
    cast(code as {{ dbt.type_string() }}) as icd10_code,
    cast(description as {{ dbt.type_string() }}) as diagnosis_description,
    cast({{ adapter.quote("at") }} as {{ type_instant() }}) as diagnosed_at,
    cast({{ adapter.quote("rank") }} as {{ dbt.type_string() }}) as diagnosis_rank
from {{ daily_rows('diagnoses', 'diagnosis_id') }} as source_rows
