-- Nurses on the twelve-hour shifts of a ward, and how many its patients of three
-- hours into the shift ask for.
with shifts as (
    select d.day, p.ward_code, 'N12D' as shift, {{ hour_of_day('d.day', 10) }} as census_at, p.patients_per_nurse_day as patients_per_nurse
    from {{ ref('stg_days') }} as d cross join {{ ref('stg_ward_plan') }} as p
    union all
    select d.day, p.ward_code, 'N12N' as shift, {{ hour_of_day('d.day', 22) }} as census_at, p.patients_per_nurse_night as patients_per_nurse
    from {{ ref('stg_days') }} as d cross join {{ ref('stg_ward_plan') }} as p
),

nurses as (
    select {{ local_date('a.starts_at') }} as day, a.ward_code, a.shift, count(*) as nurses
    from {{ ref('stg_staff_assignments') }} as a
    inner join {{ ref('stg_staff') }} as s on s.staff_id = a.staff_id
    where s.role in (select r.role from {{ ref('stg_staff_roles') }} as r where r.category = 'nursing')
    group by 1, 2, 3
)

select
    s.day,
    s.ward_code,
    w.department_code,
    s.shift,
    coalesce(n.nurses, 0) as nurses,
    cast(ceil(coalesce(c.occupied, 0) / s.patients_per_nurse) as {{ dbt.type_bigint() }}) as nurses_needed
from shifts as s
inner join {{ ref('stg_wards') }} as w on w.ward_code = s.ward_code
left join nurses as n on n.day = s.day and n.ward_code = s.ward_code and n.shift = s.shift
left join {{ ref('int_ward_census') }} as c on c.ward_code = s.ward_code and c.census_at = s.census_at
where n.nurses is not null or c.occupied is not null
