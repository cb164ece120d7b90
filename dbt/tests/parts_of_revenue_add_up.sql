select *
from {{ ref('revenue_by_month') }}
where total_amount <> consultation + accommodation + procedures + imaging + laboratory + medicines + other
