with stays as (
    select
        {{ month_of(local_date('discharged_at')) }} as month,
        department_code,
        admission_type,
        outcome,
        {{ seconds_between('admitted_at', 'discharged_at') }} as seconds
    from {{ ref('stg_admissions') }}
    where discharged_at is not null
)

select
    month,
    department_code,
    admission_type,
    outcome,
    count(*) as stays,
    sum(seconds) / 3600 as hours,
    sum(case when seconds < 86400 then 1 else 0 end) as under_1_day,
    sum(case when seconds >= 86400 and seconds < 3 * 86400 then 1 else 0 end) as days_1_2,
    sum(case when seconds >= 3 * 86400 and seconds < 7 * 86400 then 1 else 0 end) as days_3_6,
    sum(case when seconds >= 7 * 86400 and seconds < 14 * 86400 then 1 else 0 end) as days_7_13,
    sum(case when seconds >= 14 * 86400 and seconds < 30 * 86400 then 1 else 0 end) as days_14_29,
    sum(case when seconds >= 30 * 86400 then 1 else 0 end) as days_30_more
from stays
group by 1, 2, 3, 4
