select
    cast(staff_change_id as {{ dbt.type_bigint() }}) as staff_change_id,
    cast(staff_id as {{ dbt.type_bigint() }}) as staff_id,
    cast(changed_on as date) as changed_on,
    cast(change as {{ dbt.type_string() }}) as change,
    cast(role as {{ dbt.type_string() }}) as role,
    cast(department_code as {{ dbt.type_string() }}) as department_code,
    cast(replaces_staff_id as {{ dbt.type_bigint() }}) as replaces_staff_id
from {{ daily_rows('staff_changes', 'staff_change_id') }} as source_rows
