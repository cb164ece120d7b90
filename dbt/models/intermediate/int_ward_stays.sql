-- One row for each time that an inpatient is in a ward: from the update that says
-- admitted or moved to the next such one, or to the end of the stay. Who is still
-- there is so until the end of the last day that is here.
with moves as (
    select
        admission_id,
        ward_code,
        status,
        recorded_at,
        lead(recorded_at) over (partition by admission_id order by recorded_at, update_id) as next_at
    from {{ ref('stg_status_updates') }}
    where status in ('admitted', 'moved', 'discharged', 'died', 'absconded', 'refused treatment', 'transferred out')
)

select
    m.admission_id,
    m.ward_code,
    m.recorded_at as starts_at,
    coalesce(m.next_at, {{ midnight(days_after('d.last_day', 1)) }}) as ends_at
from moves as m
cross join {{ ref('int_last_day') }} as d
where m.status in ('admitted', 'moved')
