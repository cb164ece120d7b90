select
    cast(lab_result_id as {{ dbt.type_bigint() }}) as lab_result_id,
    cast(visit_id as {{ dbt.type_bigint() }}) as visit_id,
    cast(admission_id as {{ dbt.type_bigint() }}) as admission_id,
    cast(patient_id as {{ dbt.type_bigint() }}) as patient_id,
    cast(code as {{ dbt.type_string() }}) as loinc_code,
    cast(description as {{ dbt.type_string() }}) as test_name,
    cast({{ adapter.quote("at") }} as {{ type_instant() }}) as resulted_at,
    cast(value as numeric(18, 6)) as value,
    cast(result as {{ dbt.type_string() }}) as result,
    cast(unit as {{ dbt.type_string() }}) as unit,
    cast(flag as {{ dbt.type_string() }}) as flag,
    cast(specimen as {{ dbt.type_string() }}) as specimen
from {{ daily_rows('lab_results', 'lab_result_id') }} as source_rows
