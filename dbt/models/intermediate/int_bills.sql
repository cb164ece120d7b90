-- One row a bill, with what its visit says: a bill has one visit, so nothing is multiplied.
select
    b.billing_id,
    b.patient_id,
    b.visit_id,
    b.billing_date,
    {{ month_of('b.billing_date') }} as month,
    b.patient_class,
    b.payment_status,
    b.total_amount,
    b.consultation,
    b.accommodation,
    b.procedures,
    b.imaging,
    b.laboratory,
    b.medicines,
    b.other_charges,
    v.doctor_id,
    v.department_code
from {{ ref('stg_billing_payments') }} as b
left join {{ ref('stg_visits') }} as v on v.visit_id = b.visit_id
