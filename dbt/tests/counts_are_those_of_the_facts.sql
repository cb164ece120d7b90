-- Each mart counts each fact once.
with counts as (
    select 'diagnoses' as what, (select sum(diagnoses) from {{ ref('diagnosis_distribution') }}) as mart, (select count(*) from {{ ref('stg_diagnoses') }}) as facts
    union all
    select 'prescriptions', (select sum(prescriptions) from {{ ref('medication_usage') }}), (select count(*) from {{ ref('stg_prescriptions') }})
    union all
    select 'packs', (select sum(quantity) from {{ ref('medication_usage') }}), (select sum(quantity) from {{ ref('stg_prescriptions') }})
    union all
    select 'visits', (select sum(visits) from {{ ref('monthly_visit_stats') }}), (select count(*) from {{ ref('stg_visits') }})
    union all
    select 'visits of patients', (select count(*) from {{ ref('patient_journey') }}), (select count(*) from {{ ref('stg_visits') }})
    union all
    select 'visits that ended', (select sum(completed_visits) from {{ ref('monthly_visit_stats') }}), (select count(left_at) from {{ ref('stg_visits') }})
    union all
    select 'cost', (select sum(total_cost) from {{ ref('monthly_visit_stats') }}), (select coalesce(sum(total_cost), 0) from {{ ref('stg_visits') }})
    union all
    select 'stays', (select sum(stays) from {{ ref('length_of_stay') }}), (select count(discharged_at) from {{ ref('stg_admissions') }})
    union all
    select 'stays by length', (select sum(under_1_day + days_1_2 + days_3_6 + days_7_13 + days_14_29 + days_30_more) from {{ ref('length_of_stay') }}), (select count(discharged_at) from {{ ref('stg_admissions') }})
    union all
    select 'admissions', (select sum(admissions) from {{ ref('readmissions') }}), (select count(*) from {{ ref('stg_admissions') }})
    union all
    select 'living patients', (select sum(patients) from {{ ref('patient_age_distribution') }}), (select count(*) from {{ ref('stg_patients') }} where deceased_at is null)
)

select * from counts where coalesce(mart, 0) <> facts
