select
    cast(colour as {{ dbt.type_string() }}) as colour,
    cast(priority as {{ dbt.type_string() }}) as priority,
    cast(target_minutes as {{ dbt.type_int() }}) as target_minutes,
    cast(tews_min as {{ dbt.type_int() }}) as tews_min,
    cast(tews_max as {{ dbt.type_int() }}) as tews_max,
    cast(share_of_arrivals as numeric(18, 6)) as share_of_arrivals,
    cast(admit_probability as numeric(18, 6)) as admit_probability
from {{ reference_rows('triage_sats') }} as source_rows
