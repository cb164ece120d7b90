select
    hours.at,
    s.ward_code,
    w.department_code,
    count(*) as occupied,
    w.beds
from {{ ref('int_ward_stays') }} as s
inner join {{ ref('stg_wards') }} as w on w.ward_code = s.ward_code
cross join {{ hours_within('s.starts_at', 's.ends_at') }}
group by hours.at, s.ward_code, w.department_code, w.beds
