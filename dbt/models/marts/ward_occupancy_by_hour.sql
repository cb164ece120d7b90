select
    c.census_at as {{ adapter.quote('at') }},
    c.ward_code,
    w.department_code,
    c.occupied,
    w.beds
from {{ ref('int_ward_census') }} as c
left join {{ ref('stg_wards') }} as w on w.ward_code = c.ward_code
