-- Each mart with money has exactly what the bills have: joining visits with
-- prescriptions and bills before summing would give more.
with facts as (
    select count(*) as bills, sum(total_amount) as amount from {{ ref('stg_billing_payments') }}
),

marts as (
    select 'revenue_by_month' as mart, sum(bills) as bills, sum(total_amount) as amount from {{ ref('revenue_by_month') }}
    union all
    select 'revenue_by_doctor', sum(bills), sum(total_amount) from {{ ref('revenue_by_doctor') }}
    union all
    select 'payment_status', sum(bills), sum(total_amount) from {{ ref('payment_status') }}
    union all
    select 'patient_spending', sum(bills), sum(total_amount) from {{ ref('patient_spending') }}
    union all
    select 'patient_journey', (select count(*) from {{ ref('stg_billing_payments') }}), sum(total_amount) from {{ ref('patient_journey') }}
    union all
    select 'int_visits', sum(bills), sum(total_amount) from {{ ref('int_visits') }}
)

select m.mart, m.bills, f.bills as bills_of_facts, m.amount, f.amount as amount_of_facts
from marts as m
cross join facts as f
where coalesce(m.bills, 0) <> f.bills or coalesce(m.amount, 0) <> coalesce(f.amount, 0)
