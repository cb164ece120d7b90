select
    cast(billing_id as {{ dbt.type_bigint() }}) as billing_id,
    cast(patient_id as {{ dbt.type_bigint() }}) as patient_id,
    cast(visit_id as {{ dbt.type_bigint() }}) as visit_id,
    cast(billing_date as date) as billing_date,
    cast(total_amount as numeric(12, 2)) as total_amount,
    cast(payment_status as {{ dbt.type_string() }}) as payment_status,
    cast(admission_id as {{ dbt.type_bigint() }}) as admission_id,
    cast(patient_class as {{ dbt.type_string() }}) as patient_class,
    cast(fiscal_year as {{ dbt.type_string() }}) as fiscal_year,
    cast(free_reason as {{ dbt.type_string() }}) as free_reason,
    cast(consultation as numeric(12, 2)) as consultation,
    cast(accommodation as numeric(12, 2)) as accommodation,
    cast(procedures as numeric(12, 2)) as procedures,
    cast(imaging as numeric(12, 2)) as imaging,
    cast(laboratory as numeric(12, 2)) as laboratory,
    cast(medicines as numeric(12, 2)) as medicines,
    cast(other as numeric(12, 2)) as other_charges
from {{ daily_rows('billing_payments', 'billing_id') }} as source_rows
