select patient_id, count(*) as visits, max(visit_no) as last_no
from {{ ref('patient_journey') }}
group by patient_id
having count(*) <> max(visit_no) or min(visit_no) <> 1
