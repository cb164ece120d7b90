select
    cast(day as date) as day
from {{ hospital_days() }} as source_rows
