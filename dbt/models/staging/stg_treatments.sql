select
    cast(treatment_id as {{ dbt.type_bigint() }}) as treatment_id,
    cast(visit_id as {{ dbt.type_bigint() }}) as visit_id,
    cast(admission_id as {{ dbt.type_bigint() }}) as admission_id,
    cast(patient_id as {{ dbt.type_bigint() }}) as patient_id,
    cast(code as {{ dbt.type_string() }}) as fee_code,
    cast(description as {{ dbt.type_string() }}) as treatment_description,
    cast({{ adapter.quote("at") }} as {{ type_instant() }}) as treated_at,
    cast(staff_id as {{ dbt.type_bigint() }}) as staff_id,
    cast(quantity as {{ dbt.type_int() }}) as quantity
from {{ daily_rows('treatments', 'treatment_id') }} as source_rows
