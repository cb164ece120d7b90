-- A visit that has ended costs what it was billed.
select visit_id, total_cost, total_amount
from {{ ref('int_visits') }}
where bills > 0 and total_cost <> total_amount
