-- Visits, ends of visits, prescriptions and bills are counted each for itself and
-- then added up by month and doctor: joined, they would multiply each other.
with counted as (
    select {{ month_of('visit_date') }} as month, doctor_id,
        count(*) as visits, 0 as completed_visits, cast(0 as numeric(18, 6)) as seconds, 0 as prescriptions, 0 as bills, cast(0 as numeric(12, 2)) as total_amount
    from {{ ref('int_visits') }}
    where doctor_id is not null
    group by 1, 2
    union all
    select {{ month_of('left_on') }}, doctor_id, 0, count(*), sum(seconds), 0, 0, 0
    from {{ ref('int_visits') }}
    where doctor_id is not null and left_at is not null
    group by 1, 2
    union all
    select {{ month_of(local_date('prescribed_at')) }}, doctor_id, 0, 0, 0, count(*), 0, 0
    from {{ ref('stg_prescriptions') }}
    where doctor_id is not null
    group by 1, 2
    union all
    select month, doctor_id, 0, 0, 0, 0, count(*), sum(total_amount)
    from {{ ref('int_bills') }}
    where doctor_id is not null
    group by 1, 2
),

added as (
    select
        month,
        doctor_id,
        sum(visits) as visits,
        sum(completed_visits) as completed_visits,
        sum(seconds) / 60 as minutes,
        sum(prescriptions) as prescriptions,
        sum(bills) as bills,
        sum(total_amount) as total_amount
    from counted
    group by 1, 2
)

select
    a.month,
    a.doctor_id,
    {{ full_name('s') }} as full_name,
    s.role,
    s.specialty,
    s.department_code,
    a.visits,
    a.completed_visits,
    a.minutes,
    a.prescriptions,
    a.bills,
    a.total_amount
from added as a
left join {{ ref('stg_staff') }} as s on s.staff_id = a.doctor_id
