with counted as (
    select {{ month_of('visit_date') }} as month, department_code, visit_kind,
        count(*) as visits, 0 as completed_visits, cast(0 as numeric(18, 6)) as seconds, cast(0 as numeric(12, 2)) as total_cost
    from {{ ref('int_visits') }}
    group by 1, 2, 3
    union all
    select {{ month_of('left_on') }}, department_code, visit_kind, 0, count(*), sum(seconds), sum(total_cost)
    from {{ ref('int_visits') }}
    where left_at is not null
    group by 1, 2, 3
)

select
    month,
    department_code,
    visit_kind as kind,
    sum(visits) as visits,
    sum(completed_visits) as completed_visits,
    sum(seconds) / 60 as minutes,
    sum(total_cost) as total_cost
from counted
group by 1, 2, 3
