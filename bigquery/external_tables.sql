-- External tables over the lake that hospital_export(..., 'jsonl', compression => 'gzip') writes, and
-- tools/lake_sync.sh brings to Google Cloud Storage.  Made by generate.sh; set DATASET (project.dataset) and LAKE:
--   DATASET=my-project.hospital LAKE=gs://my-bucket/hospital/jsonl.gz envsubst < external_tables.sql | bq query --nouse_legacy_sql

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.people` (
  `person_id` INT64 OPTIONS (description = "Number of the person; 1 to people is the pool"),
  `national_id` STRING OPTIONS (description = "South African identity number; null for foreigners without permanent residence"),
  `passport_no` STRING OPTIONS (description = "Passport or asylum permit of those without an identity number; null for the undocumented"),
  `first_name` STRING OPTIONS (description = "First name, by language and generation"),
  `last_name` STRING OPTIONS (description = "Surname, shared by the household"),
  `date_of_birth` DATE OPTIONS (description = "Date of birth"),
  `sex` STRING OPTIONS (description = "F or M"),
  `population_group` STRING OPTIONS (description = "Population group as Statistics South Africa counts it"),
  `home_language` STRING OPTIONS (description = "Language spoken at home"),
  `citizenship` STRING OPTIONS (description = "Country, ISO 3166-1 alpha-2"),
  `household_id` INT64 OPTIONS (description = "Number of the household: surname, address, language and citizenship are shared"),
  `address` STRING OPTIONS (description = "Street address"),
  `suburb` STRING OPTIONS (description = "Suburb or township, see hospital.suburbs"),
  `postal_code` STRING OPTIONS (description = "Street postal code of the suburb"),
  `phone` STRING OPTIONS (description = "Telephone; children have the household's")
)
OPTIONS (
  description = "The city's people, those of the pool and those met later",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/people/*']
);

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.staff` (
  `staff_id` INT64 OPTIONS (description = "Number of the staff member; a doctor's is the doctor_id"),
  `national_id` STRING OPTIONS (description = "South African identity number; never one of the people's"),
  `first_name` STRING OPTIONS (description = "First name"),
  `last_name` STRING OPTIONS (description = "Surname"),
  `date_of_birth` DATE OPTIONS (description = "Date of birth"),
  `sex` STRING OPTIONS (description = "F or M"),
  `role` STRING OPTIONS (description = "Role, see hospital.staff_roles"),
  `specialty` STRING OPTIONS (description = "Specialty or place of work, see hospital.staff_roles"),
  `department_code` STRING OPTIONS (description = "Department of the post; null for posts of the whole hospital"),
  `registration_no` STRING OPTIONS (description = "Registration with the council (HPCSA, SANC, SAPC, SACSSP); null where the role has none"),
  `hired_on` DATE OPTIONS (description = "First day in the post"),
  `retires_on` DATE OPTIONS (description = "The 65th birthday: the first day not worked"),
  `left_on` DATE OPTIONS (description = "First day no longer employed; null while serving on the end date"),
  `replaces_staff_id` INT64 OPTIONS (description = "Who held the post before")
)
OPTIONS (
  description = "Everybody who works or worked at the hospital from the start date to the end date",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/staff/*']
);

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.staff_assignments` (
  `assignment_id` INT64 OPTIONS (description = "Day since 2000-01-01 times 100000 plus a number within the day"),
  `staff_id` INT64 OPTIONS (description = "Who"),
  `ward_code` STRING OPTIONS (description = "Ward; null for work that is not on a ward"),
  `shift` STRING OPTIONS (description = "Shift code, see hospital.shifts"),
  `starts_at` TIMESTAMP OPTIONS (description = "Start of the shift"),
  `ends_at` TIMESTAMP OPTIONS (description = "End of the shift")
)
WITH PARTITION COLUMNS (`date` DATE)
OPTIONS (
  description = "The roster: who works which shift, where",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/staff_assignments/*'],
  hive_partition_uri_prefix = '${LAKE}/staff_assignments'
);

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.departments` (
  `department_code` STRING OPTIONS (description = "Short code"),
  `name` STRING OPTIONS (description = "Name"),
  `department_group` STRING OPTIONS (description = "Medicine, Surgery, Paediatrics, …"),
  `level_of_care` INT64 OPTIONS (description = "3 is tertiary care"),
  `wards` INT64 OPTIONS (description = "Number of its wards"),
  `beds` INT64 OPTIONS (description = "Beds of its wards")
)
OPTIONS (
  description = "The hospital's departments, department_plan scaled to its beds",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/departments/*']
);

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.wards` (
  `ward_code` STRING OPTIONS (description = "Short code"),
  `department_code` STRING OPTIONS (description = "Department that it belongs to"),
  `name` STRING OPTIONS (description = "Name"),
  `beds` INT64 OPTIONS (description = "Usable beds"),
  `sex` STRING OPTIONS (description = "Who lies there: F, M or X for both"),
  `age_group` STRING OPTIONS (description = "adult, child (below 13), neonate (first 28 days) or all"),
  `ward_type` STRING OPTIONS (description = "general, icu, high_care, labour, …")
)
OPTIONS (
  description = "The hospital's wards, ward_plan scaled to its beds",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/wards/*']
);

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.patients` (
  `patient_id` INT64 OPTIONS (description = "The patient, a person_id of hospital.people"),
  `folder_no` STRING OPTIONS (description = "Number of the folder with the patient's papers"),
  `full_name` STRING OPTIONS (description = "First name and surname"),
  `date_of_birth` DATE OPTIONS (description = "Date of birth"),
  `gender` STRING OPTIONS (description = "Female or Male"),
  `blood_type` STRING OPTIONS (description = "ABO group and rhesus factor: O+, O-, A+, A-, B+, B-, AB+, AB-"),
  `contact_info` STRING OPTIONS (description = "Telephone"),
  `insurance_id` STRING OPTIONS (description = "Membership number of a medical scheme; null for the uninsured"),
  `patient_class` STRING OPTIONS (description = "Class billed by: H0 to H3 or P, see hospital.patient_class"),
  `origin` STRING OPTIONS (description = "Where from: city (of the pool of people), born here, born elsewhere or outside (the city)"),
  `first_seen_on` DATE OPTIONS (description = "Hospital day of the first visit"),
  `deceased_at` TIMESTAMP OPTIONS (description = "When the patient died; null for the living")
)
WITH PARTITION COLUMNS (`date` DATE)
OPTIONS (
  description = "Everybody who has been to the hospital, from the day files of registrations; who they are is in hospital.people",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/patients/*'],
  hive_partition_uri_prefix = '${LAKE}/patients'
);

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.doctors` (
  `doctor_id` INT64 OPTIONS (description = "Number of the doctor, a staff_id"),
  `name` STRING OPTIONS (description = "First name and surname"),
  `specialization` STRING OPTIONS (description = "Department, or the field of those who serve all departments"),
  `experience_years` INT64 OPTIONS (description = "Years since qualifying: age less 24"),
  `contact_info` STRING OPTIONS (description = "Address for mail, in a domain that does not exist")
)
OPTIONS (
  description = "Doctors, interns and dentists who are or were employed, as of the last day that is ingested",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/doctors/*']
);

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.medicines` (
  `medicine_id` STRING OPTIONS (description = "Number in the stock list: M and four digits"),
  `name` STRING OPTIONS (description = "Generic name"),
  `category` STRING OPTIONS (description = "Anatomical group: the first level of the ATC code"),
  `manufacturer` STRING OPTIONS (description = "Manufacturer, invented; one of them makes all strengths of a molecule and form"),
  `price` NUMERIC OPTIONS (description = "Price of a pack, in rand with VAT, of 2026"),
  `atc` STRING OPTIONS (description = "ATC code of the WHO, mostly to the fifth level"),
  `strength` STRING OPTIONS (description = "Strength, such as 500mg; n/a where there is none"),
  `form` STRING OPTIONS (description = "Pharmaceutical form"),
  `pack_size` NUMERIC OPTIONS (description = "Units in a pack"),
  `pack_unit` STRING OPTIONS (description = "What is counted or measured in a pack"),
  `unit_price_zar` NUMERIC OPTIONS (description = "Price of what is dispensed as one, in rand with VAT, of 2026: a tablet or an ampoule, but the whole pack of most liquids and creams"),
  `care_level` STRING OPTIONS (description = "Level of care: PHC primary, HOSP hospital, TER tertiary"),
  `eml_status` STRING OPTIONS (description = "EML if it is on the essential medicines list, else NON-EML"),
  `schedule` STRING OPTIONS (description = "Schedule of control, S0 to S6; estimated"),
  `stock_class` STRING OPTIONS (description = "Class of stock: A the 80 percent of national spending, B the next 15, C the last 5"),
  `national_award_units` INT64 OPTIONS (description = "Amount of the national award, mostly in pack_unit: the weight of its demand; 0 for the 34 items that are not on the list"),
  `indication_icd10` STRING OPTIONS (description = "What it is given for: ICD-10 codes or prefixes of them, joined by ;"),
  `ddd` NUMERIC OPTIONS (description = "Defined daily dose of the WHO; null where there is none"),
  `ddd_unit` STRING OPTIONS (description = "Unit of the daily dose"),
  `nsn` STRING OPTIONS (description = "National stock number of the tender product; null for the 34 items that are not on the list"),
  `nappi` STRING OPTIONS (description = "NAPPI code of a representative private product of the same molecule and strength, not of the tender product; null where none matched")
)
OPTIONS (
  description = "Stock list. Names, prices, award quantities and ATC codes have high confidence (National Department of Health, Master Health Product List of 6 February 2026, but for 34 common items with estimated prices), indications and schedules medium; manufacturers are invented",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/medicines/*']
);

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.admissions` (
  `admission_id` INT64 OPTIONS (description = "Day since 2000-01-01 times 1000000 plus a number within the day, from 1; the day of admission"),
  `patient_id` INT64 OPTIONS (description = "The patient, see hospital.patients"),
  `visit_id` INT64 OPTIONS (description = "Visit that led to it, see hospital.visits"),
  `ward_code` STRING OPTIONS (description = "Ward of admission, see hospital.wards; later ones are in hospital.status_updates"),
  `admitted_at` TIMESTAMP OPTIONS (description = "When admitted"),
  `discharged_at` TIMESTAMP OPTIONS (description = "When it ended, however it did; null while the patient is in the hospital"),
  `triage` STRING OPTIONS (description = "South African Triage Scale: RED, ORANGE, YELLOW, GREEN, BLUE; null where nobody triages"),
  `outcome` STRING OPTIONS (description = "How it ended: discharged, died, absconded, refused treatment, transferred out; null while it lasts"),
  `department_code` STRING OPTIONS (description = "Department that treats the patient, see hospital.departments"),
  `admission_type` STRING OPTIONS (description = "Way in: emergency, elective, maternity, newborn, transfer in"),
  `referred_from` STRING OPTIONS (description = "Who referred the patient: community clinic, general practitioner, district hospital, other province; null for those who came by themselves")
)
WITH PARTITION COLUMNS (`date` DATE)
OPTIONS (
  description = "Stays in the hospital. A row is there from the day of admission; the day file of its end fills in discharged_at and outcome",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/admissions/*'],
  hive_partition_uri_prefix = '${LAKE}/admissions'
);

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.status_updates` (
  `update_id` INT64 OPTIONS (description = "Day since 2000-01-01 times 1000000 plus a number within the day, from 1"),
  `admission_id` INT64 OPTIONS (description = "The admission, see hospital.admissions"),
  `patient_id` INT64 OPTIONS (description = "The patient, see hospital.patients"),
  `recorded_at` TIMESTAMP OPTIONS (description = "When"),
  `status` STRING OPTIONS (description = "What happened: admitted, moved, in theatre, in recovery, delivered, discharged, died, absconded, refused treatment, transferred out; or how the patient is: critical, deteriorating, guarded, stable, improving, fit for discharge"),
  `ward_code` STRING OPTIONS (description = "Ward the patient is in from now on, see hospital.wards; null where in none"),
  `recorded_by` INT64 OPTIONS (description = "Who recorded it, see hospital.staff"),
  `bed_no` INT64 OPTIONS (description = "Bed of the ward, from 1; null where the patient is in no bed of a ward")
)
WITH PARTITION COLUMNS (`date` DATE)
OPTIONS (
  description = "What happens to inpatients: admitted, moved, in theatre, discharged, died, and how they are",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/status_updates/*'],
  hive_partition_uri_prefix = '${LAKE}/status_updates'
);

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.doctor_assignments` (
  `doctor_assignment_id` INT64 OPTIONS (description = "Day since 2000-01-01 times 1000000 plus a number within the day, from 1"),
  `admission_id` INT64 OPTIONS (description = "The admission, see hospital.admissions"),
  `patient_id` INT64 OPTIONS (description = "The patient, see hospital.patients"),
  `doctor_id` INT64 OPTIONS (description = "The doctor, see hospital.doctors"),
  `starts_at` TIMESTAMP OPTIONS (description = "From when"),
  `ends_at` TIMESTAMP OPTIONS (description = "Until when; null where it is not known yet"),
  `reason` STRING OPTIONS (description = "Why this doctor: admitting, ward round, ward change, surgeon, intensive care")
)
WITH PARTITION COLUMNS (`date` DATE)
OPTIONS (
  description = "Which doctor is in charge of an inpatient, from when to when",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/doctor_assignments/*'],
  hive_partition_uri_prefix = '${LAKE}/doctor_assignments'
);

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.transfers` (
  `event_id` STRING OPTIONS (description = "Version 7, in order of time, a function of the simulation"),
  `event_time` TIMESTAMP OPTIONS (description = "When the patient moved"),
  `admission_id` INT64 OPTIONS (description = "The admission, see hospital.admissions"),
  `patient_id` INT64 OPTIONS (description = "The patient, see hospital.patients"),
  `from_ward` STRING OPTIONS (description = "Ward left, see hospital.wards"),
  `to_ward` STRING OPTIONS (description = "Ward entered, see hospital.wards"),
  `reason` STRING OPTIONS (description = "Why, such as isolation, specialist care, bed needed or course of labour"),
  `status` STRING OPTIONS (description = "How it went: completed"),
  `staff_id` INT64 OPTIONS (description = "Who ordered it, see hospital.staff")
)
WITH PARTITION COLUMNS (`date` DATE)
OPTIONS (
  description = "Medical transfers, from the stream and from the day files; an event may be here before its admission's day file",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/transfers/*'],
  hive_partition_uri_prefix = '${LAKE}/transfers'
);

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.visits` (
  `visit_id` INT64 OPTIONS (description = "Day since 2000-01-01 times 1000000 plus a number within the day, from 1"),
  `patient_id` INT64 OPTIONS (description = "The patient, see hospital.patients"),
  `doctor_id` INT64 OPTIONS (description = "Doctor who saw the patient, see hospital.doctors; null where nobody did"),
  `visit_date` DATE OPTIONS (description = "Hospital day of the arrival"),
  `department_code` STRING OPTIONS (description = "Department visited, see hospital.departments"),
  `kind` STRING OPTIONS (description = "outpatient, emergency, elective, maternity, newborn, transfer in"),
  `diagnosis` STRING OPTIONS (description = "Primary diagnosis in words; all of them are in hospital.diagnoses"),
  `total_cost` NUMERIC OPTIONS (description = "What the visit costs, in rand, as billed; null until it ends"),
  `arrived_at` TIMESTAMP OPTIONS (description = "When the patient came"),
  `left_at` TIMESTAMP OPTIONS (description = "When the patient left the hospital; null until then"),
  `triage` STRING OPTIONS (description = "South African Triage Scale: RED, ORANGE, YELLOW, GREEN, BLUE; null where nobody triages"),
  `disposition` STRING OPTIONS (description = "How it ended: discharged, follow-up booked, referred to clinic, left without being seen, absconded, refused treatment, transferred out, died; null until it ends"),
  `admission_id` INT64 OPTIONS (description = "Admission it led to, see hospital.admissions; null for those not admitted")
)
WITH PARTITION COLUMNS (`date` DATE)
OPTIONS (
  description = "Visits: outpatients, emergencies, and what leads to an admission. A visit with an admission lasts until that ends; the day file of that day fills in total_cost, left_at and disposition",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/visits/*'],
  hive_partition_uri_prefix = '${LAKE}/visits'
);

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.diagnoses` (
  `diagnosis_id` INT64 OPTIONS (description = "Day since 2000-01-01 times 1000000 plus a number within the day, from 1"),
  `visit_id` INT64 OPTIONS (description = "The visit, see hospital.visits"),
  `admission_id` INT64 OPTIONS (description = "The admission, see hospital.admissions; null for those not admitted"),
  `patient_id` INT64 OPTIONS (description = "The patient, see hospital.patients"),
  `code` STRING OPTIONS (description = "ICD-10 code (WHO, 2019), see hospital.diagnosis_profile, hospital.comorbidities and hospital.external_causes"),
  `description` STRING OPTIONS (description = "Its title"),
  `at` TIMESTAMP OPTIONS (description = "When it was made"),
  `rank` STRING OPTIONS (description = "primary, secondary or external cause")
)
WITH PARTITION COLUMNS (`date` DATE)
OPTIONS (
  description = "Diagnoses of visits: one primary, those that the patient brings along, the cause of an injury",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/diagnoses/*'],
  hive_partition_uri_prefix = '${LAKE}/diagnoses'
);

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.treatments` (
  `treatment_id` INT64 OPTIONS (description = "Day since 2000-01-01 times 1000000 plus a number within the day, from 1"),
  `visit_id` INT64 OPTIONS (description = "The visit, see hospital.visits"),
  `admission_id` INT64 OPTIONS (description = "The admission, see hospital.admissions; null for those not admitted"),
  `patient_id` INT64 OPTIONS (description = "The patient, see hospital.patients"),
  `code` STRING OPTIONS (description = "Fee code, see hospital.tariffs"),
  `description` STRING OPTIONS (description = "What it stands for"),
  `at` TIMESTAMP OPTIONS (description = "When"),
  `staff_id` INT64 OPTIONS (description = "Who did it, see hospital.staff"),
  `quantity` INT64 OPTIONS (description = "How often, in the unit of hospital.tariffs")
)
WITH PARTITION COLUMNS (`date` DATE)
OPTIONS (
  description = "What was done to patients: operations, deliveries, imaging, sessions of therapy, dressings",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/treatments/*'],
  hive_partition_uri_prefix = '${LAKE}/treatments'
);

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.lab_results` (
  `lab_result_id` INT64 OPTIONS (description = "Day since 2000-01-01 times 1000000 plus a number within the day, from 1"),
  `visit_id` INT64 OPTIONS (description = "The visit, see hospital.visits"),
  `admission_id` INT64 OPTIONS (description = "The admission, see hospital.admissions; null for those not admitted"),
  `patient_id` INT64 OPTIONS (description = "The patient, see hospital.patients"),
  `code` STRING OPTIONS (description = "LOINC code, see hospital.lab_tests"),
  `description` STRING OPTIONS (description = "Name of the test"),
  `at` TIMESTAMP OPTIONS (description = "When the result was there"),
  `value` NUMERIC OPTIONS (description = "What was measured, in unit; null where the result is a word"),
  `result` STRING OPTIONS (description = "The result in words, such as positive, no growth or a blood group; null where it is a value"),
  `unit` STRING OPTIONS (description = "Unit of the value; null where the result is a word"),
  `flag` STRING OPTIONS (description = "L low, H high, LL and HH critically so, A abnormal; null within the normal range"),
  `specimen` STRING OPTIONS (description = "What was examined: blood, plasma, serum, urine, sputum or swab")
)
WITH PARTITION COLUMNS (`date` DATE)
OPTIONS (
  description = "Results of the laboratory, one a test",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/lab_results/*'],
  hive_partition_uri_prefix = '${LAKE}/lab_results'
);

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.vital_signs` (
  `vital_signs_id` INT64 OPTIONS (description = "Day since 2000-01-01 times 1000000 plus a number within the day, from 1"),
  `visit_id` INT64 OPTIONS (description = "The visit, see hospital.visits"),
  `admission_id` INT64 OPTIONS (description = "The admission, see hospital.admissions; null for those not admitted"),
  `patient_id` INT64 OPTIONS (description = "The patient, see hospital.patients"),
  `at` TIMESTAMP OPTIONS (description = "When measured"),
  `temperature` NUMERIC OPTIONS (description = "Temperature of the body, in degrees Celsius"),
  `pulse` INT64 OPTIONS (description = "Heart beats a minute"),
  `respiration` INT64 OPTIONS (description = "Breaths a minute"),
  `systolic` INT64 OPTIONS (description = "Systolic blood pressure, in mmHg"),
  `diastolic` INT64 OPTIONS (description = "Diastolic blood pressure, in mmHg"),
  `spo2` INT64 OPTIONS (description = "Oxygen saturation, in percent"),
  `consciousness` STRING OPTIONS (description = "A alert, V responds to voice, P to pain, U unresponsive"),
  `tews` INT64 OPTIONS (description = "Triage Early Warning Score, see hospital.triage_sats"),
  `recorded_by` INT64 OPTIONS (description = "Who measured, see hospital.staff")
)
WITH PARTITION COLUMNS (`date` DATE)
OPTIONS (
  description = "Vital signs, one set of measurements a row",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/vital_signs/*'],
  hive_partition_uri_prefix = '${LAKE}/vital_signs'
);

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.prescriptions` (
  `prescription_id` INT64 OPTIONS (description = "Day since 2000-01-01 times 1000000 plus a number within the day, from 1"),
  `patient_id` INT64 OPTIONS (description = "The patient, see hospital.patients"),
  `doctor_id` INT64 OPTIONS (description = "Doctor who prescribed it, see hospital.doctors"),
  `visit_id` INT64 OPTIONS (description = "The visit, see hospital.visits"),
  `medicine_id` STRING OPTIONS (description = "The medicine, see hospital.medicines"),
  `dosage` STRING OPTIONS (description = "How much, how often"),
  `duration` STRING OPTIONS (description = "For how long: a number of days or weeks, such as 5 days or 2 weeks"),
  `prescribed_at` TIMESTAMP OPTIONS (description = "When"),
  `admission_id` INT64 OPTIONS (description = "The admission, see hospital.admissions; null for those not admitted"),
  `quantity` INT64 OPTIONS (description = "Packs")
)
WITH PARTITION COLUMNS (`date` DATE)
OPTIONS (
  description = "Prescriptions, one medicine a row",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/prescriptions/*'],
  hive_partition_uri_prefix = '${LAKE}/prescriptions'
);

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.billing_payments` (
  `billing_id` INT64 OPTIONS (description = "Day since 2000-01-01 times 1000000 plus a number within the day, from 1"),
  `patient_id` INT64 OPTIONS (description = "The patient, see hospital.patients"),
  `visit_id` INT64 OPTIONS (description = "The visit, see hospital.visits"),
  `billing_date` DATE OPTIONS (description = "Hospital day of the bill"),
  `total_amount` NUMERIC OPTIONS (description = "What is to be paid, in rand"),
  `payment_status` STRING OPTIONS (description = "Paid, Pending or Unpaid"),
  `admission_id` INT64 OPTIONS (description = "The admission, see hospital.admissions; null for those not admitted"),
  `patient_class` STRING OPTIONS (description = "Class billed by: H0 to H3 or P, see hospital.patient_class"),
  `fiscal_year` STRING OPTIONS (description = "Fiscal year, such as 2023/24, see hospital.tariff_index"),
  `free_reason` STRING OPTIONS (description = "Why it is free of charge, see hospital.free_services; null where it is not"),
  `consultation` NUMERIC OPTIONS (description = "Part for consultations, in rand"),
  `accommodation` NUMERIC OPTIONS (description = "Part for the days in a ward, in rand"),
  `procedures` NUMERIC OPTIONS (description = "Part for operations, deliveries, therapy, in rand"),
  `imaging` NUMERIC OPTIONS (description = "Part for imaging, in rand"),
  `laboratory` NUMERIC OPTIONS (description = "Part for the laboratory, in rand"),
  `medicines` NUMERIC OPTIONS (description = "Part for medicines, in rand"),
  `other` NUMERIC OPTIONS (description = "What is left, in rand")
)
WITH PARTITION COLUMNS (`date` DATE)
OPTIONS (
  description = "Bills, one a visit, in rand; total_amount is the sum of the seven parts",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/billing_payments/*'],
  hive_partition_uri_prefix = '${LAKE}/billing_payments'
);

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.staff_changes` (
  `staff_change_id` INT64 OPTIONS (description = "Day since 2000-01-01 times 1000000 plus a number within the day, from 1"),
  `staff_id` INT64 OPTIONS (description = "Who, see hospital.staff"),
  `changed_on` DATE OPTIONS (description = "Hospital day: the first day in the post, or the first day no longer employed"),
  `change` STRING OPTIONS (description = "hired, retired, term ended or left"),
  `role` STRING OPTIONS (description = "Role, see hospital.staff_roles"),
  `department_code` STRING OPTIONS (description = "Department of the post, see hospital.departments; null for posts of the whole hospital"),
  `replaces_staff_id` INT64 OPTIONS (description = "Who held the post before; null for those who leave")
)
WITH PARTITION COLUMNS (`date` DATE)
OPTIONS (
  description = "Who was hired and who left, as the day files tell it; hospital.staff has the dates",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/staff_changes/*'],
  hive_partition_uri_prefix = '${LAKE}/staff_changes'
);

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.diagnosis_distribution` (
  `month` DATE OPTIONS (description = "First of the month, in Johannesburg"),
  `code` STRING OPTIONS (description = "ICD-10 code"),
  `description` STRING OPTIONS (description = "Its title"),
  `rank` STRING OPTIONS (description = "primary, secondary or external cause"),
  `department_code` STRING OPTIONS (description = "Department, see hospital.departments"),
  `diagnoses` INT64 OPTIONS (description = "Diagnoses")
)
OPTIONS (
  description = "Diagnoses by month, code, rank and the visit's department",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/diagnosis_distribution/*']
);

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.revenue_by_month` (
  `month` DATE OPTIONS (description = "First of the month, in Johannesburg"),
  `department_code` STRING OPTIONS (description = "Department, see hospital.departments"),
  `patient_class` STRING OPTIONS (description = "Class, see hospital.patient_class"),
  `payment_status` STRING OPTIONS (description = "Paid, Pending or Unpaid"),
  `bills` INT64 OPTIONS (description = "Bills"),
  `total_amount` NUMERIC OPTIONS (description = "Amount of the bills, in rand"),
  `consultation` NUMERIC OPTIONS (description = "Part for consultations, in rand"),
  `accommodation` NUMERIC OPTIONS (description = "Part for the days in a ward, in rand"),
  `procedures` NUMERIC OPTIONS (description = "Part for operations, deliveries, therapy, in rand"),
  `imaging` NUMERIC OPTIONS (description = "Part for imaging, in rand"),
  `laboratory` NUMERIC OPTIONS (description = "Part for the laboratory, in rand"),
  `medicines` NUMERIC OPTIONS (description = "Part for medicines, in rand"),
  `other` NUMERIC OPTIONS (description = "What is left, in rand")
)
OPTIONS (
  description = "Bills by the month of the bill, the visit's department, class and status, in rand",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/revenue_by_month/*']
);

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.revenue_by_doctor` (
  `month` DATE OPTIONS (description = "First of the month, in Johannesburg"),
  `doctor_id` INT64 OPTIONS (description = "Doctor, see hospital.doctors"),
  `full_name` STRING OPTIONS (description = "First name and surname"),
  `specialty` STRING OPTIONS (description = "Specialty, see hospital.staff_roles"),
  `department_code` STRING OPTIONS (description = "Department, see hospital.departments"),
  `bills` INT64 OPTIONS (description = "Bills"),
  `total_amount` NUMERIC OPTIONS (description = "Amount of the bills, in rand")
)
OPTIONS (
  description = "Bills by the month of the bill, the visit's doctor and department, in rand; a null doctor stands for visits without one",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/revenue_by_doctor/*']
);

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.doctor_performance` (
  `month` DATE OPTIONS (description = "First of the month, in Johannesburg"),
  `doctor_id` INT64 OPTIONS (description = "Doctor, see hospital.doctors"),
  `full_name` STRING OPTIONS (description = "First name and surname"),
  `role` STRING OPTIONS (description = "Role, see hospital.staff_roles"),
  `specialty` STRING OPTIONS (description = "Specialty, see hospital.staff_roles"),
  `department_code` STRING OPTIONS (description = "Department, see hospital.departments"),
  `visits` INT64 OPTIONS (description = "Visits"),
  `completed_visits` INT64 OPTIONS (description = "Visits that ended"),
  `minutes` INT64 OPTIONS (description = "Minutes of all of them together, each rounded"),
  `prescriptions` INT64 OPTIONS (description = "Prescriptions"),
  `bills` INT64 OPTIONS (description = "Bills"),
  `total_amount` NUMERIC OPTIONS (description = "Amount of the bills, in rand")
)
OPTIONS (
  description = "What doctors did, by month: visits that began, visits that ended and how long they were, prescriptions of their own, bills of their visits",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/doctor_performance/*']
);

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.doctors_by_specialization` (
  `role` STRING OPTIONS (description = "Role, see hospital.staff_roles"),
  `specialty` STRING OPTIONS (description = "Specialty, see hospital.staff_roles"),
  `department_code` STRING OPTIONS (description = "Department, see hospital.departments"),
  `doctors` INT64 OPTIONS (description = "Employed on the last ingested day"),
  `posts_vacated` INT64 OPTIONS (description = "Who have left until then")
)
OPTIONS (
  description = "Doctors, interns and dentists by role, specialty and department, as of the last ingested day",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/doctors_by_specialization/*']
);

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.patient_age_distribution` (
  `age_band` STRING OPTIONS (description = "Age in completed years"),
  `gender` STRING OPTIONS (description = "Female or Male"),
  `patients` INT64 OPTIONS (description = "Patients")
)
OPTIONS (
  description = "Living patients by age on the last ingested day and gender",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/patient_age_distribution/*']
);

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.monthly_visit_stats` (
  `month` DATE OPTIONS (description = "First of the month, in Johannesburg"),
  `department_code` STRING OPTIONS (description = "Department, see hospital.departments"),
  `kind` STRING OPTIONS (description = "Kind of visit, as in hospital.visits"),
  `visits` INT64 OPTIONS (description = "Visits"),
  `completed_visits` INT64 OPTIONS (description = "Visits that ended"),
  `minutes` INT64 OPTIONS (description = "Minutes of all of them together, each rounded"),
  `total_cost` NUMERIC OPTIONS (description = "Their cost, in rand")
)
OPTIONS (
  description = "Visits by month, department and kind: visits count where they began, all else where they ended",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/monthly_visit_stats/*']
);

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.patient_journey` (
  `patient_id` INT64 OPTIONS (description = "Patient, see hospital.patients"),
  `visit_no` INT64 OPTIONS (description = "Number of the visit, from the patient's first one"),
  `visit_id` INT64 OPTIONS (description = "Visit, see hospital.visits"),
  `visit_date` DATE OPTIONS (description = "Day of the arrival"),
  `kind` STRING OPTIONS (description = "Kind of visit, as in hospital.visits"),
  `department_code` STRING OPTIONS (description = "Department, see hospital.departments"),
  `doctor_id` INT64 OPTIONS (description = "Doctor, see hospital.doctors"),
  `triage` STRING OPTIONS (description = "South African Triage Scale: RED, ORANGE, YELLOW, GREEN, BLUE"),
  `disposition` STRING OPTIONS (description = "How the visit ended; null until it does"),
  `admission_id` INT64 OPTIONS (description = "Admission it led to; null where it led to none"),
  `admitted_at` TIMESTAMP OPTIONS (description = "When the patient was admitted"),
  `discharged_at` TIMESTAMP OPTIONS (description = "When the stay ended"),
  `main_diagnosis` STRING OPTIONS (description = "Primary diagnosis in words"),
  `diagnoses` INT64 OPTIONS (description = "Diagnoses"),
  `prescriptions` INT64 OPTIONS (description = "Prescriptions"),
  `total_amount` NUMERIC OPTIONS (description = "Amount of the bills, in rand"),
  `days_since_previous` INT64 OPTIONS (description = "Days since the patient's visit before")
)
WITH PARTITION COLUMNS (`date` DATE)
OPTIONS (
  description = "Each patient's visits in order, with what came of them",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/patient_journey/*'],
  hive_partition_uri_prefix = '${LAKE}/patient_journey'
);

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.patient_spending` (
  `patient_id` INT64 OPTIONS (description = "Patient, see hospital.patients"),
  `patient_class` STRING OPTIONS (description = "Class, see hospital.patient_class"),
  `visits` INT64 OPTIONS (description = "Visits"),
  `bills` INT64 OPTIONS (description = "Bills"),
  `total_amount` NUMERIC OPTIONS (description = "Amount of the bills, in rand"),
  `paid` NUMERIC OPTIONS (description = "Amount of bills that are paid, in rand"),
  `pending` NUMERIC OPTIONS (description = "Amount of bills that are pending, in rand"),
  `unpaid` NUMERIC OPTIONS (description = "Amount of bills that are not paid, in rand"),
  `first_billed` DATE OPTIONS (description = "Day of the first bill"),
  `last_billed` DATE OPTIONS (description = "Day of the last bill")
)
OPTIONS (
  description = "What each patient with a bill was billed, and what became of it, in rand",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/patient_spending/*']
);

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.patient_bills` (
  `billing_date` DATE OPTIONS (description = "Day of the bills"),
  `patient_id` INT64 OPTIONS (description = "Patient, see hospital.patients"),
  `bills` INT64 OPTIONS (description = "Bills"),
  `total_amount` NUMERIC OPTIONS (description = "Amount of the bills, in rand"),
  `paid` NUMERIC OPTIONS (description = "Amount of bills that are paid, in rand"),
  `pending` NUMERIC OPTIONS (description = "Amount of bills that are pending, in rand"),
  `unpaid` NUMERIC OPTIONS (description = "Amount of bills that are not paid, in rand")
)
WITH PARTITION COLUMNS (`date` DATE)
OPTIONS (
  description = "What each patient was billed on a day, and what became of it, in rand",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/patient_bills/*'],
  hive_partition_uri_prefix = '${LAKE}/patient_bills'
);

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.medication_usage` (
  `month` DATE OPTIONS (description = "First of the month, in Johannesburg"),
  `medicine_id` STRING OPTIONS (description = "Medicine, see hospital.medicines"),
  `medicine` STRING OPTIONS (description = "Its name"),
  `department_code` STRING OPTIONS (description = "Department, see hospital.departments"),
  `prescriptions` INT64 OPTIONS (description = "Prescriptions"),
  `quantity` INT64 OPTIONS (description = "Packs")
)
OPTIONS (
  description = "Prescriptions by month, medicine and the visit's department",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/medication_usage/*']
);

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.payment_status` (
  `month` DATE OPTIONS (description = "First of the month, in Johannesburg"),
  `payment_status` STRING OPTIONS (description = "Paid, Pending or Unpaid"),
  `patient_class` STRING OPTIONS (description = "Class, see hospital.patient_class"),
  `bills` INT64 OPTIONS (description = "Bills"),
  `total_amount` NUMERIC OPTIONS (description = "Amount of the bills, in rand")
)
OPTIONS (
  description = "Bills by month, status and class, in rand",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/payment_status/*']
);

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.ward_occupancy_by_hour` (
  `at` TIMESTAMP OPTIONS (description = "Full hour"),
  `ward_code` STRING OPTIONS (description = "Ward, see hospital.wards"),
  `department_code` STRING OPTIONS (description = "Department, see hospital.departments"),
  `occupied` INT64 OPTIONS (description = "Inpatients in the ward at that instant"),
  `beds` INT64 OPTIONS (description = "Beds of the ward")
)
WITH PARTITION COLUMNS (`date` DATE)
OPTIONS (
  description = "Inpatients of each ward at each full hour of the days that have status updates; a patient is in the ward of the last update that says admitted or moved, until one that ends the stay",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/ward_occupancy_by_hour/*'],
  hive_partition_uri_prefix = '${LAKE}/ward_occupancy_by_hour'
);

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.length_of_stay` (
  `month` DATE OPTIONS (description = "First of the month, in Johannesburg"),
  `department_code` STRING OPTIONS (description = "Department, see hospital.departments"),
  `admission_type` STRING OPTIONS (description = "Way in: emergency, elective, maternity, newborn, transfer in"),
  `outcome` STRING OPTIONS (description = "How the stay ended"),
  `stays` INT64 OPTIONS (description = "Stays"),
  `hours` INT64 OPTIONS (description = "Hours of all of them together, each rounded"),
  `under_1_day` INT64 OPTIONS (description = "Stays of less than 24 hours"),
  `days_1_2` INT64 OPTIONS (description = "Stays of one or two whole days"),
  `days_3_6` INT64 OPTIONS (description = "Stays of three to six whole days"),
  `days_7_13` INT64 OPTIONS (description = "Stays of 7 to 13 whole days"),
  `days_14_29` INT64 OPTIONS (description = "Stays of 14 to 29 whole days"),
  `days_30_more` INT64 OPTIONS (description = "Stays of 30 whole days and more")
)
OPTIONS (
  description = "Stays that ended, by month, department, way in and outcome, and how long they were",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/length_of_stay/*']
);

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.ed_waiting` (
  `month` DATE OPTIONS (description = "First of the month, in Johannesburg"),
  `triage` STRING OPTIONS (description = "South African Triage Scale: RED, ORANGE, YELLOW, GREEN, BLUE"),
  `department_code` STRING OPTIONS (description = "Department, see hospital.departments"),
  `patients` INT64 OPTIONS (description = "Patients"),
  `minutes` INT64 OPTIONS (description = "Minutes of all of them together, each rounded"),
  `within_target` INT64 OPTIONS (description = "Those who did not wait longer than the target"),
  `target_minutes` INT64 OPTIONS (description = "Longest time to be seen in, see hospital.triage_sats")
)
OPTIONS (
  description = "Emergency patients who were triaged and seen, by month, triage and department: from the arrival to the primary diagnosis",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/ed_waiting/*']
);

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.bed_days` (
  `month` DATE OPTIONS (description = "First of the month, in Johannesburg"),
  `ward_code` STRING OPTIONS (description = "Ward, see hospital.wards"),
  `department_code` STRING OPTIONS (description = "Department, see hospital.departments"),
  `bed_days` INT64 OPTIONS (description = "Inpatients at the midnights that ended the days, summed"),
  `beds` INT64 OPTIONS (description = "Beds of the ward")
)
OPTIONS (
  description = "Inpatients at the midnights that ended the days of a month, summed, by ward",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/bed_days/*']
);

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.readmissions` (
  `month` DATE OPTIONS (description = "First of the month, in Johannesburg"),
  `department_code` STRING OPTIONS (description = "Department, see hospital.departments"),
  `admissions` INT64 OPTIONS (description = "Admissions"),
  `readmitted_30_days` INT64 OPTIONS (description = "Those within 30 days of an earlier discharge")
)
OPTIONS (
  description = "Admissions by month and department, and those within 30 days of an earlier discharge of the same patient",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/readmissions/*']
);

CREATE OR REPLACE EXTERNAL TABLE `${DATASET}.staffing_against_need` (
  `day` DATE OPTIONS (description = "Day, in Johannesburg"),
  `ward_code` STRING OPTIONS (description = "Ward, see hospital.wards"),
  `department_code` STRING OPTIONS (description = "Department, see hospital.departments"),
  `shift` STRING OPTIONS (description = "N12D, the day, or N12N, the night, see hospital.shifts"),
  `nurses` INT64 OPTIONS (description = "Nurses on the shift"),
  `nurses_needed` INT64 OPTIONS (description = "Nurses that the patients ask for, by hospital.ward_plan")
)
WITH PARTITION COLUMNS (`date` DATE)
OPTIONS (
  description = "Nurses on a ward's twelve-hour shifts, and how many its patients of three hours into the shift ask for",
  format = 'NEWLINE_DELIMITED_JSON',
  compression = 'GZIP',
  uris = ['${LAKE}/staffing_against_need/*'],
  hive_partition_uri_prefix = '${LAKE}/staffing_against_need'
);
