select
    cast(assignment_id as {{ dbt.type_bigint() }}) as assignment_id,
    cast(staff_id as {{ dbt.type_bigint() }}) as staff_id,
    cast(ward_code as {{ dbt.type_string() }}) as ward_code,
    cast(shift as {{ dbt.type_string() }}) as shift,
    cast(starts_at as {{ type_instant() }}) as starts_at,
    cast(ends_at as {{ type_instant() }}) as ends_at
from {{ reference_rows('staff_assignments') }} as source_rows
