-- One row a ward and full hour at which there are patients in it.
select
    hours.{{ adapter.quote('at') }} as census_at,
    s.ward_code,
    count(*) as occupied
from {{ ref('int_ward_stays') }} as s
cross join {{ hours_within('s.starts_at', 's.ends_at') }}
group by 1, 2
