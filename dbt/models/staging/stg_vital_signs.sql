select
    cast(vital_signs_id as {{ dbt.type_bigint() }}) as vital_signs_id,
    cast(visit_id as {{ dbt.type_bigint() }}) as visit_id,
    cast(admission_id as {{ dbt.type_bigint() }}) as admission_id,
    cast(patient_id as {{ dbt.type_bigint() }}) as patient_id,
    cast({{ adapter.quote("at") }} as {{ type_instant() }}) as measured_at,
    cast(temperature as numeric(18, 6)) as temperature,
    cast(pulse as {{ dbt.type_int() }}) as pulse,
    cast(respiration as {{ dbt.type_int() }}) as respiration,
    cast(systolic as {{ dbt.type_int() }}) as systolic,
    cast(diastolic as {{ dbt.type_int() }}) as diastolic,
    cast(spo2 as {{ dbt.type_int() }}) as spo2,
    cast(consciousness as {{ dbt.type_string() }}) as consciousness,
    cast(tews as {{ dbt.type_int() }}) as tews,
    cast(recorded_by as {{ dbt.type_bigint() }}) as recorded_by
from {{ daily_rows('vital_signs', 'vital_signs_id') }} as source_rows
