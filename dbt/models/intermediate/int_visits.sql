-- One row a visit. What it has several of (diagnoses, prescriptions, bills) is
-- aggregated to one row a visit first: joined as they are they would multiply
-- each other, and a visit with three prescriptions would be billed three times.
select
    v.visit_id,
    v.patient_id,
    v.doctor_id,
    v.visit_date,
    v.department_code,
    v.visit_kind,
    v.triage,
    v.disposition,
    v.admission_id,
    v.arrived_at,
    v.left_at,
    v.total_cost,
    {{ local_date('v.left_at') }} as left_on,
    {{ minutes_between('v.arrived_at', 'v.left_at') }} as minutes,
    v.diagnosis_text as main_diagnosis,
    coalesce(d.diagnoses, 0) as diagnoses,
    coalesce(p.prescriptions, 0) as prescriptions,
    coalesce(p.quantity, 0) as quantity,
    coalesce(b.bills, 0) as bills,
    b.total_amount
from {{ ref('stg_visits') }} as v
left join {{ ref('int_visit_diagnoses') }} as d on d.visit_id = v.visit_id
left join {{ ref('int_visit_prescriptions') }} as p on p.visit_id = v.visit_id
left join {{ ref('int_visit_bills') }} as b on b.visit_id = v.visit_id
