-- Visits, ends of visits, prescriptions and bills are counted each for itself and
-- then added up by month and doctor: joined, they would multiply each other.
with counted as (
    select {{ month_of('visit_date') }} as month, doctor_id,
        count(*) as visits, 0 as completed_visits, 0 as minutes, 0 as prescriptions, 0 as bills, cast(0 as numeric(12, 2)) as total_amount
    from {{ ref('stg_visits') }}
    group by 1, 2
    union all
    select {{ month_of('left_on') }}, doctor_id, 0, count(*), sum(minutes), 0, 0, 0
    from {{ ref('int_visits') }}
    where left_at is not null
    group by 1, 2
    union all
    select {{ month_of(local_date('prescribed_at')) }}, doctor_id, 0, 0, 0, count(*), 0, 0
    from {{ ref('stg_prescriptions') }}
    group by 1, 2
    union all
    select month, doctor_id, 0, 0, 0, 0, count(*), sum(total_amount)
    from {{ ref('int_bills') }}
    group by 1, 2
),

added as (
    select
        month,
        doctor_id,
        {{ total('visits') }} as visits,
        {{ total('completed_visits') }} as completed_visits,
        {{ total('minutes') }} as minutes,
        {{ total('prescriptions') }} as prescriptions,
        {{ total('bills') }} as bills,
        sum(total_amount) as total_amount
    from counted
    where doctor_id is not null
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
