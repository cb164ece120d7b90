{#- Time as the hospital has it: Africa/Johannesburg, which knows no summer time. -#}

{% macro type_instant() %}{{ return(adapter.dispatch('type_instant', 'hospital')()) }}{% endmacro %}
{% macro default__type_instant() %}timestamp with time zone{% endmacro %}
{% macro bigquery__type_instant() %}timestamp{% endmacro %}

{#- The hospital's day of an instant. -#}
{% macro local_date(at) %}{{ return(adapter.dispatch('local_date', 'hospital')(at)) }}{% endmacro %}
{% macro default__local_date(at) %}cast({{ at }} at time zone 'Africa/Johannesburg' as date){% endmacro %}
{% macro bigquery__local_date(at) %}date({{ at }}, 'Africa/Johannesburg'){% endmacro %}

{#- The first of the month of a date. -#}
{% macro month_of(day) %}{{ return(adapter.dispatch('month_of', 'hospital')(day)) }}{% endmacro %}
{% macro default__month_of(day) %}cast(date_trunc('month', {{ day }}) as date){% endmacro %}
{% macro bigquery__month_of(day) %}cast(date_trunc({{ day }}, month) as date){% endmacro %}

{#- Midnight at which a date begins. -#}
{% macro midnight(day) %}{{ return(adapter.dispatch('midnight', 'hospital')(day)) }}{% endmacro %}
{% macro default__midnight(day) %}(cast({{ day }} as timestamp) at time zone 'Africa/Johannesburg'){% endmacro %}
{% macro bigquery__midnight(day) %}timestamp({{ day }}, 'Africa/Johannesburg'){% endmacro %}

{#- Seconds from one instant to another. -#}
{% macro seconds_between(earlier, later) %}{{ return(adapter.dispatch('seconds_between', 'hospital')(earlier, later)) }}{% endmacro %}
{% macro postgres__seconds_between(earlier, later) %}cast(extract(epoch from {{ later }} - {{ earlier }}) as numeric(18, 6)){% endmacro %}
{% macro duckdb__seconds_between(earlier, later) %}(cast(epoch_us({{ later }}) - epoch_us({{ earlier }}) as decimal(18, 0)) / 1000000){% endmacro %}
{% macro bigquery__seconds_between(earlier, later) %}(cast(timestamp_diff({{ later }}, {{ earlier }}, microsecond) as numeric) / 1000000){% endmacro %}

{#- Whole minutes, or hours, from one instant to another, rounded. -#}
{% macro minutes_between(earlier, later) %}cast(round({{ seconds_between(earlier, later) }} / 60) as {{ dbt.type_bigint() }}){% endmacro %}
{% macro hours_between(earlier, later) %}cast(round({{ seconds_between(earlier, later) }} / 3600) as {{ dbt.type_bigint() }}){% endmacro %}

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
    unnest(array(
        select as struct {{ adapter.quote('at') }}
        from unnest(generate_timestamp_array(
            timestamp_trunc(timestamp_add({{ from_at }}, interval 3599999999 microsecond), hour),
            timestamp_sub({{ before_at }}, interval 1 microsecond), interval 1 hour)) as {{ adapter.quote('at') }})) as hours
{%- endmacro %}

{#- A lateral source "days" with a column "day": the dates from one to before another. -#}
{% macro days_within(from_day, before_day) %}{{ return(adapter.dispatch('days_within', 'hospital')(from_day, before_day)) }}{% endmacro %}
{% macro postgres__days_within(from_day, before_day) -%}
    lateral (select cast(g as date) as day
             from generate_series(cast({{ from_day }} as timestamp), cast({{ before_day }} as timestamp) - interval '1 day', interval '1 day') as g) as days
{%- endmacro %}
{% macro duckdb__days_within(from_day, before_day) -%}
    lateral (select cast(unnest(generate_series(cast({{ from_day }} as timestamp), cast({{ before_day }} as timestamp) - interval 1 day, interval 1 day)) as date) as day) as days
{%- endmacro %}
{% macro bigquery__days_within(from_day, before_day) -%}
    unnest(array(
        select as struct day
        from unnest(generate_date_array({{ from_day }}, date_sub({{ before_day }}, interval 1 day))) as day)) as days
{%- endmacro %}


{#- The full hour of a date. -#}
{% macro hour_of_day(day, hour) %}{{ return(adapter.dispatch('hour_of_day', 'hospital')(day, hour)) }}{% endmacro %}
{% macro default__hour_of_day(day, hour) %}((cast({{ day }} as timestamp) + interval '{{ hour }} hours') at time zone 'Africa/Johannesburg'){% endmacro %}
{% macro bigquery__hour_of_day(day, hour) %}timestamp_add(timestamp({{ day }}, 'Africa/Johannesburg'), interval {{ hour }} hour){% endmacro %}

{#- So many days after a date. -#}
{% macro days_after(day, days) %}{{ return(adapter.dispatch('days_after', 'hospital')(day, days)) }}{% endmacro %}
{% macro default__days_after(day, days) %}({{ day }} + {{ days }}){% endmacro %}
{% macro bigquery__days_after(day, days) %}date_add({{ day }}, interval {{ days }} day){% endmacro %}
