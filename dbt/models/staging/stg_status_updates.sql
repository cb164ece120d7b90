select
    cast(update_id as {{ dbt.type_bigint() }}) as update_id,
    cast(admission_id as {{ dbt.type_bigint() }}) as admission_id,
    cast(patient_id as {{ dbt.type_bigint() }}) as patient_id,
    cast(recorded_at as {{ type_instant() }}) as recorded_at,
    cast(status as {{ dbt.type_string() }}) as status,
    cast(ward_code as {{ dbt.type_string() }}) as ward_code,
    cast(recorded_by as {{ dbt.type_bigint() }}) as recorded_by,
    cast(bed_no as {{ dbt.type_int() }}) as bed_no
from {{ daily_rows('status_updates', 'update_id') }} as source_rows
