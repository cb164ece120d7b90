{#-
  Where rows come from: the one place that differs between the targets.

  postgres  the hospital's tables.
  bigquery  external tables over what hospital_export writes: each row once.
  duckdb    the files of the lake: var 'lake' (or DBT_LAKE in the environment) is
            the folder with the folders date=YYYY-MM-DD, var 'reference' (or
            DBT_REFERENCE) one with <table>.csv for what no day file has: staff,
            wards, medicines ...

  In day files a stay, its visit and a patient who dies come twice, open on the
  first day and complete on the last: the row of the latest day counts.
-#}

{#- The source is named for each target, so that dbt's graph has it. -#}
{% macro daily_rows(table, key) %}{% set graph = source('hospital', table) %}{{ return(adapter.dispatch('daily_rows', 'hospital')(table, key)) }}{% endmacro %}

{% macro default__daily_rows(table, key) %}{{ source('hospital', table) }}{% endmacro %}

{% macro duckdb__daily_rows(table, key) -%}
    {%- if lake_format() != 'day_files' -%} {{ lake_export(table) }}
    {%- else -%} (
    select * from ({{ lake_files(table) }})
    qualify row_number() over (partition by {{ key }} order by "date" desc) = 1
)
    {%- endif -%}
{%- endmacro %}

{#-
  var 'lake_format' (or DBT_LAKE_FORMAT):

  day_files  what the hospital writes each day: date=YYYY-MM-DD/<kind>.csv
  csv, jsonl, parquet
             what hospital_export writes: <table>/date=YYYY-MM-DD/<table>.csv, also
             compressed, each row once; 'reference' is not needed then, since
             tables without days are <table>/<table>.csv in the same folder

  Everything is read as text where the format has no types: the staging models
  give them.
-#}
{% macro lake_format() %}{{ return(var('lake_format', env_var('DBT_LAKE_FORMAT', 'day_files'))) }}{% endmacro %}

{% macro lake_csv(path) -%}
    read_csv('{{ path }}', all_varchar = true, header = true, delim = ',', quote = '"', escape = '"', nullstr = '', allow_quoted_nulls = false, hive_partitioning = true, hive_types_autocast = false)
{%- endmacro %}

{% macro lake_export(table) -%}
    {%- set path = var('lake', env_var('DBT_LAKE', 'lake')) ~ '/' ~ table ~ '/**/*.' ~ lake_format() -%}
    {%- if lake_format() == 'parquet' -%} read_parquet('{{ path }}', hive_partitioning = true)
    {%- elif lake_format() == 'jsonl' -%} read_json('{{ path }}*', format = 'newline_delimited', sample_size = -1, maximum_sample_files = 100000, timestampformat = 'none', hive_partitioning = true, hive_types_autocast = false)
    {%- else -%} {{ lake_csv(path ~ '*') }}
    {%- endif -%}
{%- endmacro %}

{#- A registration is a row of people and one of patients. -#}
{% macro lake_files(table) -%}
    {%- if table == 'patients' -%}
    select person_id as patient_id, folder_no, first_name || ' ' || last_name as full_name, date_of_birth,
           case sex when 'F' then 'Female' else 'Male' end as gender, blood_type, phone as contact_info, insurance_id,
           patient_class, origin, first_seen_on, deceased_at, "date"
    from {{ lake_csv(var('lake', env_var('DBT_LAKE', 'lake')) ~ '/date=*/registrations.csv') }}
    {%- else -%}
    select * from {{ lake_csv(var('lake', env_var('DBT_LAKE', 'lake')) ~ '/date=*/' ~ ('registrations' if table == 'people' else table) ~ '.csv') }}
    {%- endif -%}
{%- endmacro %}

{% macro reference_rows(table) %}{% set graph = source('hospital', table) %}{{ return(adapter.dispatch('reference_rows', 'hospital')(table)) }}{% endmacro %}

{% macro default__reference_rows(table) %}{{ source('hospital', table) }}{% endmacro %}

{% macro duckdb__reference_rows(table) -%}
    {%- if lake_format() != 'day_files' -%} {{ lake_export(table) }}
    {%- else -%} {{ lake_csv(var('reference', env_var('DBT_REFERENCE', 'reference')) ~ '/' ~ table ~ '.csv') }}
    {%- endif -%}
{%- endmacro %}

{#- The hospital days whose records are here. -#}
{% macro hospital_days() %}{{ return(adapter.dispatch('hospital_days', 'hospital')()) }}{% endmacro %}

{% macro postgres__hospital_days() %}(select distinct day from {{ source('hospital', 'batches') }} where state = 'ingested'){% endmacro %}

{% macro bigquery__hospital_days() %}(select distinct visit_date as day from {{ source('hospital', 'visits') }}){% endmacro %}

{% macro duckdb__hospital_days() -%}
    {%- if lake_format() != 'day_files' -%} (select distinct visit_date as day from {{ lake_export('visits') }})
    {%- else -%} (
    select distinct "date" as day
    from {{ lake_csv(var('lake', env_var('DBT_LAKE', 'lake')) ~ '/date=*/visits.csv') }}
)
    {%- endif -%}
{%- endmacro %}
