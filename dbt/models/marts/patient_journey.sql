select
    v.patient_id,
    row_number() over (partition by v.patient_id order by v.arrived_at, v.visit_id) as visit_no,
    v.visit_id,
    v.visit_date,
    v.visit_kind as kind,
    v.department_code,
    v.doctor_id,
    v.triage,
    v.disposition,
    v.admission_id,
    a.admitted_at,
    a.discharged_at,
    v.main_diagnosis,
    v.diagnoses,
    v.prescriptions,
    v.total_amount,
    {{ days_between('lag(v.visit_date) over (partition by v.patient_id order by v.arrived_at, v.visit_id)', 'v.visit_date') }} as days_since_previous
from {{ ref('int_visits') }} as v
left join {{ ref('stg_admissions') }} as a on a.admission_id = v.admission_id
