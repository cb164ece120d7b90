-- By doctor and month: what doctor_performance says of bills and prescriptions is
-- what the bills of their visits, and their own prescriptions, add up to.
with facts as (
    select doctor_id, sum(bills) as bills, sum(amount) as amount, sum(prescriptions) as prescriptions, sum(visits) as visits
    from (
        select v.doctor_id, 1 as bills, b.total_amount as amount, 0 as prescriptions, 0 as visits
        from {{ ref('stg_billing_payments') }} as b inner join {{ ref('stg_visits') }} as v on v.visit_id = b.visit_id
        union all
        select doctor_id, 0, 0, 1, 0 from {{ ref('stg_prescriptions') }}
        union all
        select doctor_id, 0, 0, 0, 1 from {{ ref('stg_visits') }}
    ) as f
    where doctor_id is not null
    group by doctor_id
),

mart as (
    select doctor_id, sum(bills) as bills, sum(total_amount) as amount, sum(prescriptions) as prescriptions, sum(visits) as visits
    from {{ ref('doctor_performance') }}
    group by doctor_id
)

select coalesce(m.doctor_id, f.doctor_id) as doctor_id, m.bills, f.bills as bills_of_facts, m.amount, f.amount as amount_of_facts
from mart as m
full join facts as f on f.doctor_id = m.doctor_id
where m.doctor_id is null or f.doctor_id is null
   or m.bills <> f.bills or m.amount <> f.amount or m.prescriptions <> f.prescriptions or m.visits <> f.visits
