-- One row a visit with prescriptions.
select
    visit_id,
    count(*) as prescriptions,
    sum(quantity) as quantity
from {{ ref('stg_prescriptions') }}
group by visit_id
