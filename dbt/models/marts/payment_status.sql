select
    month,
    payment_status,
    patient_class,
    count(*) as bills,
    sum(total_amount) as total_amount
from {{ ref('int_bills') }}
group by 1, 2, 3
