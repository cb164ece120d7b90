-- One row a visit with diagnoses.
select
    visit_id,
    count(*) as diagnoses
from {{ ref('stg_diagnoses') }}
group by visit_id
