-- One row for each time that an inpatient is in a ward, from one status update to
-- the next that names another ward, or to the end of the stay. Open ones last
-- until the end of the last day that is here.
with updates as (
    select
        u.admission_id,
        u.ward_code,
        u.recorded_at,
        lead(u.recorded_at) over (partition by u.admission_id order by u.recorded_at, u.update_id) as next_at
    from {{ ref('stg_status_updates') }} as u
)

select
    u.admission_id,
    u.ward_code,
    u.recorded_at as starts_at,
    coalesce(u.next_at, a.discharged_at, {{ midnight('d.last_day + 1') }}) as ends_at
from updates as u
inner join {{ ref('stg_admissions') }} as a on a.admission_id = u.admission_id
cross join {{ ref('int_last_day') }} as d
where u.ward_code is not null
