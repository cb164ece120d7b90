{#- Time as the hospital has it: Africa/Johannesburg, which knows no summer time. -#}

{% macro type_instant() %}{{ return(adapter.dispatch('type_instant', 'hospital')()) }}{% endmacro %}
{% macro default__type_instant() %}timestamp with time zone{% endmacro %}
{% macro bigquery__type_instant() %}timestamp{% endmacro %}

{#- The hospital's day of an instant. -#}
{% macro local_date(at) %}{{ return(adapter.dispatch('local_date', 'hospital')(at)) }}{% endmacro %}
{% macro default__local_date(at) %}cast({{ at }} at time zone 'Africa/Johannesburg' as date){% endmacro %}
{% macro bigquery__local_date(at) %}date({{ at }}, 'Africa/Johannesburg'){% endmacro %}

{#- The first of the month of a date. -#}
{% macro month_of(day) %}cast({{ dbt.date_trunc('month', day) }} as date){% endmacro %}

{#- Midnight at which a date begins. -#}
{% macro midnight(day) %}{{ return(adapter.dispatch('midnight', 'hospital')(day)) }}{% endmacro %}
{% macro default__midnight(day) %}(cast({{ day }} as timestamp) at time zone 'Africa/Johannesburg'){% endmacro %}
{% macro bigquery__midnight(day) %}timestamp({{ day }}, 'Africa/Johannesburg'){% endmacro %}

{#- Seconds from one instant to another. -#}
{% macro seconds_between(earlier, later) %}{{ return(adapter.dispatch('seconds_between', 'hospital')(earlier, later)) }}{% endmacro %}
{% macro postgres__seconds_between(earlier, later) %}cast(extract(epoch from {{ later }} - {{ earlier }}) as numeric(18, 6)){% endmacro %}
{% macro duckdb__seconds_between(earlier, later) %}(cast(epoch_us({{ later }}) - epoch_us({{ earlier }}) as decimal(18, 0)) / 1000000){% endmacro %}
{% macro bigquery__seconds_between(earlier, later) %}(cast(timestamp_diff({{ later }}, {{ earlier }}, microsecond) as numeric) / 1000000){% endmacro %}

{#- Days from one date to another. -#}
{% macro days_between(earlier, later) %}{{ return(adapter.dispatch('days_between', 'hospital')(earlier, later)) }}{% endmacro %}
{% macro postgres__days_between(earlier, later) %}({{ later }} - {{ earlier }}){% endmacro %}
{% macro duckdb__days_between(earlier, later) %}cast({{ later }} - {{ earlier }} as integer){% endmacro %}
{% macro bigquery__days_between(earlier, later) %}date_diff({{ later }}, {{ earlier }}, day){% endmacro %}

{#- Completed years of age on a date. -#}
{% macro age_on(born, day) %}{{ return(adapter.dispatch('age_on', 'hospital')(born, day)) }}{% endmacro %}
{% macro default__age_on(born, day) -%}
    (extract(year from {{ day }}) - extract(year from {{ born }})
     - case when extract(month from {{ day }}) * 100 + extract(day from {{ day }})
                 < extract(month from {{ born }}) * 100 + extract(day from {{ born }}) then 1 else 0 end)
{%- endmacro %}

{#- A lateral source "hours" with a column "at": the full hours from one instant to before another. -#}
{% macro hours_within(from_at, before_at) %}{{ return(adapter.dispatch('hours_within', 'hospital')(from_at, before_at)) }}{% endmacro %}
{% macro postgres__hours_within(from_at, before_at) -%}
    lateral generate_series(date_trunc('hour', {{ from_at }} + interval '59 minutes 59.999999 seconds'),
                            {{ before_at }} - interval '0.000001 seconds', interval '1 hour') as hours (at)
{%- endmacro %}
{% macro duckdb__hours_within(from_at, before_at) -%}
    lateral (select unnest(generate_series(date_trunc('hour', {{ from_at }} + interval '3599999999 microseconds'),
                                           {{ before_at }} - interval '1 microsecond', interval '1 hour')) as at) as hours
{%- endmacro %}
{% macro bigquery__hours_within(from_at, before_at) -%}
    unnest(generate_timestamp_array(timestamp_trunc(timestamp_add({{ from_at }}, interval 3599999999 microsecond), hour),
                                    timestamp_sub({{ before_at }}, interval 1 microsecond), interval 1 hour)) as at
{%- endmacro %}
