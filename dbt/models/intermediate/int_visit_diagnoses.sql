-- One row a visit with diagnoses.
select
    visit_id,
    count(*) as diagnoses,
    max(case when diagnosis_rank = 'primary' then icd10_code end) as main_diagnosis
from {{ ref('stg_diagnoses') }}
group by visit_id
