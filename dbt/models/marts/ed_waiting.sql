-- Emergency patients who were triaged and seen: from the arrival to the primary diagnosis.
select
    {{ month_of(local_date('d.diagnosed_at')) }} as month,
    v.triage,
    v.department_code,
    count(*) as patients,
    {{ total(minutes_between('v.arrived_at', 'd.diagnosed_at')) }} as minutes,
    {{ total('case when ' ~ seconds_between('v.arrived_at', 'd.diagnosed_at') ~ ' <= t.target_minutes * 60 then 1 else 0 end') }} as within_target,
    t.target_minutes
from {{ ref('stg_diagnoses') }} as d
inner join {{ ref('stg_visits') }} as v on v.visit_id = d.visit_id
inner join {{ ref('stg_triage_sats') }} as t on t.colour = v.triage
where d.diagnosis_rank = 'primary' and v.visit_kind = 'emergency'
group by 1, 2, 3, t.target_minutes
