with aged as (
    select
        p.gender,
        {{ age_on('p.date_of_birth', 'd.last_day') }} as age
    from {{ ref('stg_patients') }} as p
    cross join {{ ref('int_last_day') }} as d
    where p.deceased_at is null
)

select
    case
{%- for low in range(0, 85, 5) %}
        when age < {{ low + 5 }} then '{{ low }}-{{ low + 4 }}'
{%- endfor %}
        else '85+'
    end as age_band,
    gender,
    count(*) as patients
from aged
group by 1, 2
