-- patient_spending by the name that others know it by.
{{ config(materialized='view') }}
select * from {{ ref('patient_spending') }}
