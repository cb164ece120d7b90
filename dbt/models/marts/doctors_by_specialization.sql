-- Doctors who serve on the last day that is here, and those who had left by then.
select
    s.role,
    s.specialty,
    s.department_code,
    {{ total('case when s.left_on is null or s.left_on > d.last_day then 1 else 0 end') }} as doctors,
    {{ total('case when s.left_on <= d.last_day then 1 else 0 end') }} as posts_vacated
from {{ ref('stg_staff') }} as s
cross join {{ ref('int_last_day') }} as d
where s.hired_on <= d.last_day
  and substr(s.registration_no, 1, 2) in ('MP', 'IN', 'DP')
group by 1, 2, 3
