select
    cast(prescription_id as {{ dbt.type_bigint() }}) as prescription_id,
    cast(patient_id as {{ dbt.type_bigint() }}) as patient_id,
    cast(doctor_id as {{ dbt.type_bigint() }}) as doctor_id,
    cast(visit_id as {{ dbt.type_bigint() }}) as visit_id,
    cast(medicine_id as {{ dbt.type_string() }}) as medicine_id,
    cast(dosage as {{ dbt.type_string() }}) as dosage,
    cast(duration as {{ dbt.type_string() }}) as duration,
    cast(prescribed_at as {{ type_instant() }}) as prescribed_at,
    cast(admission_id as {{ dbt.type_bigint() }}) as admission_id,
    cast(quantity as {{ dbt.type_int() }}) as quantity
from {{ daily_rows('prescriptions', 'prescription_id') }} as source_rows
