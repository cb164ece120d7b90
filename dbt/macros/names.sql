{#- First name and surname of a row of stg_staff or stg_people; null where there is none. -#}
{% macro full_name(alias) %}{{ alias }}.first_name || ' ' || {{ alias }}.last_name{% endmacro %}

{#- A sum of counts is a count. -#}
{% macro total(counts) %}cast(sum({{ counts }}) as {{ dbt.type_bigint() }}){% endmacro %}
