-- One row a visit with bills.
select
    visit_id,
    count(*) as bills,
    sum(total_amount) as total_amount,
    sum(case when payment_status = 'Paid' then total_amount else 0 end) as paid,
    sum(case when payment_status = 'Pending' then total_amount else 0 end) as pending,
    sum(case when payment_status = 'Unpaid' then total_amount else 0 end) as unpaid
from {{ ref('stg_billing_payments') }}
group by visit_id
