select
    {{ month_of(local_date('d.diagnosed_at')) }} as month,
    d.icd10_code as code,
    d.diagnosis_description as description,
    d.diagnosis_rank as {{ adapter.quote('rank') }},
    v.department_code,
    count(*) as diagnoses
from {{ ref('stg_diagnoses') }} as d
left join {{ ref('stg_visits') }} as v on v.visit_id = d.visit_id
group by 1, 2, 3, 4, 5
