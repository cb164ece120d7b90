select *
from {{ ref('ward_occupancy_by_hour') }}
where occupied > beds or occupied < 1
