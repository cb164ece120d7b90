with stays as (
    select
        {{ month_of(local_date('discharged_at')) }} as month,
        department_code,
        admission_type,
        outcome,
        {{ hours_between('admitted_at', 'discharged_at') }} as hours,
        {{ seconds_between('admitted_at', 'discharged_at') }} / 86400 as days
    from {{ ref('stg_admissions') }}
    where discharged_at is not null
)

select
    month,
    department_code,
    admission_type,
    outcome,
    count(*) as stays,
    {{ total('hours') }} as hours,
    {{ total('case when days < 1 then 1 else 0 end') }} as under_1_day,
    {{ total('case when days >= 1 and days < 3 then 1 else 0 end') }} as days_1_2,
    {{ total('case when days >= 3 and days < 7 then 1 else 0 end') }} as days_3_6,
    {{ total('case when days >= 7 and days < 14 then 1 else 0 end') }} as days_7_13,
    {{ total('case when days >= 14 and days < 30 then 1 else 0 end') }} as days_14_29,
    {{ total('case when days >= 30 then 1 else 0 end') }} as days_30_more
from stays
group by 1, 2, 3, 4
