-- Visits count in the month in which they began, all else in that in which they ended.
with counted as (
    select {{ month_of('visit_date') }} as month, department_code, visit_kind,
        count(*) as visits, 0 as completed_visits, 0 as minutes, cast(0 as numeric(12, 2)) as total_cost
    from {{ ref('stg_visits') }}
    group by 1, 2, 3
    union all
    select {{ month_of('left_on') }}, department_code, visit_kind, 0, count(*), sum(minutes), sum(total_cost)
    from {{ ref('int_visits') }}
    where left_at is not null
    group by 1, 2, 3
)

select
    month,
    department_code,
    visit_kind as kind,
    {{ total('visits') }} as visits,
    {{ total('completed_visits') }} as completed_visits,
    {{ total('minutes') }} as minutes,
    sum(total_cost) as total_cost
from counted
group by 1, 2, 3
