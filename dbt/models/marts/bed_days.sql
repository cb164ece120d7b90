-- Inpatients at the midnights that ended the days of a month.
with nights as (
    select
        {{ month_of('days.day') }} as month,
        s.ward_code,
        count(*) as bed_days
    from {{ ref('int_ward_stays') }} as s
    cross join {{ days_within(local_date('s.starts_at'), local_date('s.ends_at')) }}
    group by 1, 2
)

select
    n.month,
    n.ward_code,
    w.department_code,
    n.bed_days,
    w.beds
from nights as n
left join {{ ref('stg_wards') }} as w on w.ward_code = n.ward_code
