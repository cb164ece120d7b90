select
    cast(event_id as {{ dbt.type_string() }}) as event_id,
    cast(event_time as {{ type_instant() }}) as transferred_at,
    cast(admission_id as {{ dbt.type_bigint() }}) as admission_id,
    cast(patient_id as {{ dbt.type_bigint() }}) as patient_id,
    cast(from_ward as {{ dbt.type_string() }}) as from_ward,
    cast(to_ward as {{ dbt.type_string() }}) as to_ward,
    cast(reason as {{ dbt.type_string() }}) as reason,
    cast(status as {{ dbt.type_string() }}) as transfer_status,
    cast(staff_id as {{ dbt.type_bigint() }}) as staff_id
from {{ daily_rows('transfers', 'event_id') }} as source_rows
