with spent as (
    select
        patient_id,
        count(distinct visit_id) as visits,
        count(*) as bills,
        sum(total_amount) as total_amount,
        sum(case when payment_status = 'Paid' then total_amount else 0 end) as paid,
        sum(case when payment_status = 'Pending' then total_amount else 0 end) as pending,
        sum(case when payment_status = 'Unpaid' then total_amount else 0 end) as unpaid,
        min(billing_date) as first_billed,
        max(billing_date) as last_billed
    from {{ ref('int_bills') }}
    group by patient_id
)

select
    s.patient_id,
    p.patient_class,
    s.visits,
    s.bills,
    s.total_amount,
    s.paid,
    s.pending,
    s.unpaid,
    s.first_billed,
    s.last_billed
from spent as s
left join {{ ref('stg_patients') }} as p on p.patient_id = s.patient_id
