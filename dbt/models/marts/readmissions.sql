-- Within 30 days means 720 hours.
with readmitted as (
    select distinct a.admission_id
    from {{ ref('stg_admissions') }} as a
    inner join {{ ref('stg_admissions') }} as e
        on e.patient_id = a.patient_id
        and e.admission_id <> a.admission_id
        and e.discharged_at <= a.admitted_at
        and {{ seconds_between('e.discharged_at', 'a.admitted_at') }} <= 720 * 3600
)

select
    {{ month_of(local_date('a.admitted_at')) }} as month,
    a.department_code,
    count(*) as admissions,
    count(r.admission_id) as readmitted_30_days
from {{ ref('stg_admissions') }} as a
left join readmitted as r on r.admission_id = a.admission_id
group by 1, 2
