select
    month,
    department_code,
    patient_class,
    payment_status,
    count(*) as bills,
    sum(total_amount) as total_amount,
    sum(consultation) as consultation,
    sum(accommodation) as accommodation,
    sum(procedures) as procedures,
    sum(imaging) as imaging,
    sum(laboratory) as laboratory,
    sum(medicines) as medicines,
    sum(other_charges) as other
from {{ ref('int_bills') }}
group by 1, 2, 3, 4
