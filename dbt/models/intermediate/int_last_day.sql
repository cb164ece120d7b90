-- One row: the last hospital day whose records are here.
select max(day) as last_day
from {{ ref('stg_days') }}
