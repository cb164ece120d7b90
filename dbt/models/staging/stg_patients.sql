select
    cast(patient_id as {{ dbt.type_bigint() }}) as patient_id,
    cast(folder_no as {{ dbt.type_string() }}) as folder_no,
    cast(full_name as {{ dbt.type_string() }}) as full_name,
    cast(date_of_birth as date) as date_of_birth,
    cast(gender as {{ dbt.type_string() }}) as gender,
    cast(blood_type as {{ dbt.type_string() }}) as blood_type,
    cast(contact_info as {{ dbt.type_string() }}) as contact_info,
    cast(insurance_id as {{ dbt.type_string() }}) as insurance_id,
    cast(patient_class as {{ dbt.type_string() }}) as patient_class,
    cast(origin as {{ dbt.type_string() }}) as origin,
    cast(first_seen_on as date) as first_seen_on,
    cast(deceased_at as {{ type_instant() }}) as deceased_at
from {{ daily_rows('patients', 'patient_id') }} as source_rows
