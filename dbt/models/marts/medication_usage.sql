with used as (
    select
        {{ month_of(local_date('p.prescribed_at')) }} as month,
        p.medicine_id,
        v.department_code,
        count(*) as prescriptions,
        {{ total('p.quantity') }} as quantity
    from {{ ref('stg_prescriptions') }} as p
    left join {{ ref('stg_visits') }} as v on v.visit_id = p.visit_id
    group by 1, 2, 3
)

select
    u.month,
    u.medicine_id,
    m.medicine_name as medicine,
    u.department_code,
    u.prescriptions,
    u.quantity
from used as u
left join {{ ref('stg_medicines') }} as m on m.medicine_id = u.medicine_id
