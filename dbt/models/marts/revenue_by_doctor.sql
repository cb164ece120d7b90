-- doctor_id is null for the visits that no doctor saw.
with revenue as (
    select
        month,
        doctor_id,
        department_code,
        count(*) as bills,
        sum(total_amount) as total_amount
    from {{ ref('int_bills') }}
    group by 1, 2, 3
)

select
    r.month,
    r.doctor_id,
    {{ full_name('s') }} as full_name,
    s.specialty,
    r.department_code,
    r.bills,
    r.total_amount
from revenue as r
left join {{ ref('stg_staff') }} as s on s.staff_id = r.doctor_id
