/*
 * records.c: the kinds of records of a hospital day, and their columns.
 *
 * The tables here must agree with the structs of records.h, with the tables of
 * hospital_create, and with the composite types of the extension's script.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "hospital_time.h"
#include "national_id.h"
#include "records.h"

#define NONE REF_NONE, NULL
#define REFERS(what) REF_##what, NULL
#define ONE_OF(words) REF_NONE, words

/* ---- words ---- */

static const char *const sex_words[] = {"F", "M", NULL};
static const char *const triage_words[] = {"RED", "ORANGE", "YELLOW", "GREEN", "BLUE", NULL};
static const char *const outcome_words[] = {
	"discharged", "died", "absconded", "refused treatment", "transferred out", NULL
};
static const char *const admission_type_words[] = {
	"emergency", "elective", "maternity", "newborn", "transfer in", NULL
};
static const char *const visit_kind_words[] = {
	"outpatient", "emergency", "elective", "maternity", "newborn", "transfer in", NULL
};
static const char *const class_words[] = {"H0", "H1", "H2", "H3", "P", NULL};
static const char *const rank_words[] = {"primary", "secondary", "external cause", NULL};
static const char *const flag_words[] = {"L", "H", "LL", "HH", "A", NULL};
static const char *const consciousness_words[] = {"A", "V", "P", "U", NULL};
static const char *const payment_words[] = {"Paid", "Pending", "Unpaid", NULL};
static const char *const change_words[] = {"hired", "retired", "term ended", "left", NULL};
static const char *const origin_words[] = {"city", "born here", "born elsewhere", "outside", NULL};
static const char *const blood_words[] = {"O+", "O-", "A+", "A-", "B+", "B-", "AB+", "AB-", NULL};

/* ---- rules ---- */

static bool
broken(int *column, int *sqlstate, const char **message, int which, const char *text)
{
	*column = which;
	*sqlstate = ERRCODE_CHECK_VIOLATION;
	*message = text;
	return false;
}

static bool
in_day(TimestampTz at, DateADT day)
{
	return at >= midnight_of(day) && at < midnight_of(day + 1);
}

static bool
check_registration(const void *record, DateADT day, int *column, int *sqlstate, const char **message)
{
	const Registration *r = record;

	if (r->national_id.data != NULL && !national_id_is_valid(r->national_id.data, (int) r->national_id.length))
		return broken(column, sqlstate, message, 1, "not a valid identity number");
	if (r->date_of_birth > r->first_seen_on)
		return broken(column, sqlstate, message, 5, "born after the day of the first visit");
	if (r->deceased_at != REC_NULL8 && r->deceased_at < midnight_of(r->first_seen_on))
		return broken(column, sqlstate, message, 21, "died before the day of the first visit");
	if (r->deceased_at == REC_NULL8 ? r->first_seen_on != day : !in_day(r->deceased_at, day))
		return broken(column, sqlstate, message, r->deceased_at == REC_NULL8 ? 20 : 21,
					  "belongs to another day's file");
	return true;
}

static bool
check_admission(const void *record, DateADT day, int *column, int *sqlstate, const char **message)
{
	const Admission *a = record;

	if ((a->discharged_at == REC_NULL8) != (a->outcome.data == NULL))
		return broken(column, sqlstate, message, 7, "outcome and time of discharge go together");
	if (a->discharged_at != REC_NULL8 && a->discharged_at < a->admitted_at)
		return broken(column, sqlstate, message, 5, "discharged before the admission");
	if (!in_day(a->discharged_at == REC_NULL8 ? a->admitted_at : a->discharged_at, day))
		return broken(column, sqlstate, message, a->discharged_at == REC_NULL8 ? 4 : 5,
					  "belongs to another day's file");
	return true;
}

static bool
check_assignment(const void *record, DateADT day, int *column, int *sqlstate, const char **message)
{
	const DoctorAssignment *a = record;

	if (a->ends_at != REC_NULL8 && a->ends_at < a->starts_at)
		return broken(column, sqlstate, message, 5, "ends before it starts");
	return true;
}

static bool
check_transfer(const void *record, DateADT day, int *column, int *sqlstate, const char **message)
{
	const Transfer *t = record;

	if (t->from_ward.length == t->to_ward.length &&
		memcmp(t->from_ward.data, t->to_ward.data, t->to_ward.length) == 0)
		return broken(column, sqlstate, message, 5, "from a ward to the same ward");
	return true;
}

static bool
check_visit(const void *record, DateADT day, int *column, int *sqlstate, const char **message)
{
	const Visit *v = record;

	if ((v->left_at == REC_NULL8) != (v->total_cost == REC_NULL8))
		return broken(column, sqlstate, message, 7, "cost and end of the visit go together");
	if (v->left_at == REC_NULL8 && v->admission_id == REC_NULL8)
		return broken(column, sqlstate, message, 9, "only a visit with an admission may have no end yet");
	if (v->left_at != REC_NULL8 && v->left_at < v->arrived_at)
		return broken(column, sqlstate, message, 9, "left before the arrival");
	if (!in_day(v->arrived_at, v->visit_date))
		return broken(column, sqlstate, message, 3, "not the day of the arrival");
	if (!in_day(v->left_at == REC_NULL8 || v->admission_id == REC_NULL8 ? v->arrived_at : v->left_at,
				day))
		return broken(column, sqlstate, message, 8, "belongs to another day's file");
	return true;
}

static bool
check_lab_result(const void *record, DateADT day, int *column, int *sqlstate, const char **message)
{
	const LabResult *l = record;

	if ((l->value.scale < 0) == (l->result.data == NULL))
		return broken(column, sqlstate, message, 7, "either a value or a result in words");
	return true;
}

static bool
check_vital_signs(const void *record, DateADT day, int *column, int *sqlstate, const char **message)
{
	const VitalSigns *v = record;
	const RecDecimal *t = &v->temperature;
	int64		hundredths = t->digits;

	for (int scale = t->scale; scale < 2; scale++)
		hundredths *= 10;
	for (int scale = t->scale; scale > 2; scale--)
		hundredths /= 10;
	if (t->scale >= 0 && (hundredths < 2500 || hundredths > 4500))
		return broken(column, sqlstate, message, 5, "not a temperature of somebody living");
	if (v->pulse > 350)
		return broken(column, sqlstate, message, 6, "not a pulse");
	if (v->respiration > 150)
		return broken(column, sqlstate, message, 7, "not a respiratory rate");
	if (v->systolic > 320 || v->diastolic > v->systolic)
		return broken(column, sqlstate, message, 8, "not a blood pressure");
	if (v->spo2 > 100)
		return broken(column, sqlstate, message, 10, "more than 100 percent");
	return true;
}

static bool
check_bill(const void *record, DateADT day, int *column, int *sqlstate, const char **message)
{
	const Bill *b = record;

	if (b->total_amount != b->consultation + b->accommodation + b->procedures + b->imaging +
		b->laboratory + b->medicines + b->other)
		return broken(column, sqlstate, message, 4, "the total is not the sum of its parts");
	return true;
}

/* ---- columns ---- */

#define COLUMN(record, field, type, flags, ...) \
	{#field, type, offsetof(record, field), flags, __VA_ARGS__}

static const RecordColumn registration_columns[] = {
	COLUMN(Registration, person_id, REC_INT8, REC_KEY | REC_POSITIVE, NONE),
	COLUMN(Registration, national_id, REC_TEXT, REC_NULLABLE, NONE),
	COLUMN(Registration, passport_no, REC_TEXT, REC_NULLABLE, NONE),
	COLUMN(Registration, first_name, REC_TEXT, 0, NONE),
	COLUMN(Registration, last_name, REC_TEXT, 0, NONE),
	COLUMN(Registration, date_of_birth, REC_DATE, 0, NONE),
	COLUMN(Registration, sex, REC_TEXT, 0, ONE_OF(sex_words)),
	COLUMN(Registration, population_group, REC_TEXT, 0, NONE),
	COLUMN(Registration, home_language, REC_TEXT, 0, NONE),
	COLUMN(Registration, citizenship, REC_TEXT, 0, NONE),
	COLUMN(Registration, household_id, REC_INT8, REC_POSITIVE, NONE),
	COLUMN(Registration, address, REC_TEXT, 0, NONE),
	COLUMN(Registration, suburb, REC_TEXT, 0, NONE),
	COLUMN(Registration, postal_code, REC_TEXT, 0, NONE),
	COLUMN(Registration, phone, REC_TEXT, 0, NONE),
	COLUMN(Registration, folder_no, REC_TEXT, 0, NONE),
	COLUMN(Registration, blood_type, REC_TEXT, 0, ONE_OF(blood_words)),
	COLUMN(Registration, insurance_id, REC_TEXT, REC_NULLABLE, NONE),
	COLUMN(Registration, patient_class, REC_TEXT, 0, ONE_OF(class_words)),
	COLUMN(Registration, origin, REC_TEXT, 0, ONE_OF(origin_words)),
	COLUMN(Registration, first_seen_on, REC_DATE, 0, NONE),
	COLUMN(Registration, deceased_at, REC_TIME, REC_NULLABLE | REC_COMPLETES, NONE),
};

static const RecordColumn admission_columns[] = {
	COLUMN(Admission, admission_id, REC_INT8, REC_KEY | REC_POSITIVE, NONE),
	COLUMN(Admission, patient_id, REC_INT8, REC_POSITIVE, REFERS(PATIENT)),
	COLUMN(Admission, visit_id, REC_INT8, REC_POSITIVE, NONE),
	COLUMN(Admission, ward_code, REC_TEXT, 0, REFERS(WARD)),
	COLUMN(Admission, admitted_at, REC_TIME, 0, NONE),
	COLUMN(Admission, discharged_at, REC_TIME, REC_NULLABLE | REC_COMPLETES, NONE),
	COLUMN(Admission, triage, REC_TEXT, REC_NULLABLE, ONE_OF(triage_words)),
	COLUMN(Admission, outcome, REC_TEXT, REC_NULLABLE | REC_COMPLETES, ONE_OF(outcome_words)),
	COLUMN(Admission, department_code, REC_TEXT, 0, REFERS(DEPARTMENT)),
	COLUMN(Admission, admission_type, REC_TEXT, 0, ONE_OF(admission_type_words)),
	COLUMN(Admission, referred_from, REC_TEXT, REC_NULLABLE, NONE),
};

static const RecordColumn status_update_columns[] = {
	COLUMN(StatusUpdate, update_id, REC_INT8, REC_KEY | REC_POSITIVE, NONE),
	COLUMN(StatusUpdate, admission_id, REC_INT8, REC_POSITIVE, REFERS(ADMISSION)),
	COLUMN(StatusUpdate, patient_id, REC_INT8, REC_POSITIVE, REFERS(PATIENT)),
	COLUMN(StatusUpdate, recorded_at, REC_TIME, REC_IN_DAY, NONE),
	COLUMN(StatusUpdate, status, REC_TEXT, 0, NONE),
	COLUMN(StatusUpdate, ward_code, REC_TEXT, REC_NULLABLE, REFERS(WARD)),
	COLUMN(StatusUpdate, recorded_by, REC_INT8, REC_POSITIVE, REFERS(STAFF)),
	COLUMN(StatusUpdate, bed_no, REC_INT4, REC_NULLABLE | REC_POSITIVE, NONE),
};

static const RecordColumn assignment_columns[] = {
	COLUMN(DoctorAssignment, doctor_assignment_id, REC_INT8, REC_KEY | REC_POSITIVE, NONE),
	COLUMN(DoctorAssignment, admission_id, REC_INT8, REC_POSITIVE, REFERS(ADMISSION)),
	COLUMN(DoctorAssignment, patient_id, REC_INT8, REC_POSITIVE, REFERS(PATIENT)),
	COLUMN(DoctorAssignment, doctor_id, REC_INT8, REC_POSITIVE, REFERS(STAFF)),
	COLUMN(DoctorAssignment, starts_at, REC_TIME, REC_IN_DAY, NONE),
	COLUMN(DoctorAssignment, ends_at, REC_TIME, REC_NULLABLE, NONE),
	COLUMN(DoctorAssignment, reason, REC_TEXT, 0, NONE),
};

static const RecordColumn transfer_columns[] = {
	COLUMN(Transfer, event_id, REC_UUID, REC_KEY, NONE),
	COLUMN(Transfer, event_time, REC_TIME, REC_IN_DAY, NONE),
	COLUMN(Transfer, admission_id, REC_INT8, REC_POSITIVE, REFERS(ADMISSION)),
	COLUMN(Transfer, patient_id, REC_INT8, REC_POSITIVE, REFERS(PATIENT)),
	COLUMN(Transfer, from_ward, REC_TEXT, 0, REFERS(WARD)),
	COLUMN(Transfer, to_ward, REC_TEXT, 0, REFERS(WARD)),
	COLUMN(Transfer, reason, REC_TEXT, 0, NONE),
	COLUMN(Transfer, status, REC_TEXT, 0, NONE),
	COLUMN(Transfer, staff_id, REC_INT8, REC_POSITIVE, REFERS(STAFF)),
};

static const RecordColumn visit_columns[] = {
	COLUMN(Visit, visit_id, REC_INT8, REC_KEY | REC_POSITIVE, NONE),
	COLUMN(Visit, patient_id, REC_INT8, REC_POSITIVE, REFERS(PATIENT)),
	COLUMN(Visit, doctor_id, REC_INT8, REC_NULLABLE | REC_POSITIVE, REFERS(STAFF)),
	COLUMN(Visit, visit_date, REC_DATE, 0, NONE),
	COLUMN(Visit, department_code, REC_TEXT, 0, REFERS(DEPARTMENT)),
	COLUMN(Visit, kind, REC_TEXT, 0, ONE_OF(visit_kind_words)),
	COLUMN(Visit, diagnosis, REC_TEXT, REC_NULLABLE, NONE),
	COLUMN(Visit, total_cost, REC_MONEY, REC_NULLABLE | REC_COMPLETES | REC_NOT_NEGATIVE, NONE),
	COLUMN(Visit, arrived_at, REC_TIME, 0, NONE),
	COLUMN(Visit, left_at, REC_TIME, REC_NULLABLE | REC_COMPLETES, NONE),
	COLUMN(Visit, triage, REC_TEXT, REC_NULLABLE, ONE_OF(triage_words)),
	COLUMN(Visit, disposition, REC_TEXT, REC_NULLABLE | REC_COMPLETES, NONE),
	COLUMN(Visit, admission_id, REC_INT8, REC_NULLABLE | REC_POSITIVE, NONE),
};

static const RecordColumn diagnosis_columns[] = {
	COLUMN(Diagnosis, diagnosis_id, REC_INT8, REC_KEY | REC_POSITIVE, NONE),
	COLUMN(Diagnosis, visit_id, REC_INT8, REC_POSITIVE, NONE),
	COLUMN(Diagnosis, admission_id, REC_INT8, REC_NULLABLE | REC_POSITIVE, REFERS(ADMISSION)),
	COLUMN(Diagnosis, patient_id, REC_INT8, REC_POSITIVE, REFERS(PATIENT)),
	COLUMN(Diagnosis, code, REC_TEXT, 0, NONE),
	COLUMN(Diagnosis, description, REC_TEXT, 0, NONE),
	COLUMN(Diagnosis, at, REC_TIME, REC_IN_DAY, NONE),
	COLUMN(Diagnosis, rank, REC_TEXT, 0, ONE_OF(rank_words)),
};

static const RecordColumn treatment_columns[] = {
	COLUMN(Treatment, treatment_id, REC_INT8, REC_KEY | REC_POSITIVE, NONE),
	COLUMN(Treatment, visit_id, REC_INT8, REC_POSITIVE, NONE),
	COLUMN(Treatment, admission_id, REC_INT8, REC_NULLABLE | REC_POSITIVE, REFERS(ADMISSION)),
	COLUMN(Treatment, patient_id, REC_INT8, REC_POSITIVE, REFERS(PATIENT)),
	COLUMN(Treatment, code, REC_TEXT, 0, NONE),
	COLUMN(Treatment, description, REC_TEXT, 0, NONE),
	COLUMN(Treatment, at, REC_TIME, REC_IN_DAY, NONE),
	COLUMN(Treatment, staff_id, REC_INT8, REC_POSITIVE, REFERS(STAFF)),
	COLUMN(Treatment, quantity, REC_INT4, REC_POSITIVE, NONE),
};

static const RecordColumn lab_result_columns[] = {
	COLUMN(LabResult, lab_result_id, REC_INT8, REC_KEY | REC_POSITIVE, NONE),
	COLUMN(LabResult, visit_id, REC_INT8, REC_POSITIVE, NONE),
	COLUMN(LabResult, admission_id, REC_INT8, REC_NULLABLE | REC_POSITIVE, REFERS(ADMISSION)),
	COLUMN(LabResult, patient_id, REC_INT8, REC_POSITIVE, REFERS(PATIENT)),
	COLUMN(LabResult, code, REC_TEXT, 0, NONE),
	COLUMN(LabResult, description, REC_TEXT, 0, NONE),
	COLUMN(LabResult, at, REC_TIME, REC_IN_DAY, NONE),
	COLUMN(LabResult, value, REC_DECIMAL, REC_NULLABLE, NONE),
	COLUMN(LabResult, result, REC_TEXT, REC_NULLABLE, NONE),
	COLUMN(LabResult, unit, REC_TEXT, REC_NULLABLE, NONE),
	COLUMN(LabResult, flag, REC_TEXT, REC_NULLABLE, ONE_OF(flag_words)),
	COLUMN(LabResult, specimen, REC_TEXT, 0, NONE),
};

static const RecordColumn vital_signs_columns[] = {
	COLUMN(VitalSigns, vital_signs_id, REC_INT8, REC_KEY | REC_POSITIVE, NONE),
	COLUMN(VitalSigns, visit_id, REC_INT8, REC_POSITIVE, NONE),
	COLUMN(VitalSigns, admission_id, REC_INT8, REC_NULLABLE | REC_POSITIVE, REFERS(ADMISSION)),
	COLUMN(VitalSigns, patient_id, REC_INT8, REC_POSITIVE, REFERS(PATIENT)),
	COLUMN(VitalSigns, at, REC_TIME, REC_IN_DAY, NONE),
	COLUMN(VitalSigns, temperature, REC_DECIMAL, 0, NONE),
	COLUMN(VitalSigns, pulse, REC_INT4, REC_NOT_NEGATIVE, NONE),
	COLUMN(VitalSigns, respiration, REC_INT4, REC_NOT_NEGATIVE, NONE),
	COLUMN(VitalSigns, systolic, REC_INT4, REC_NOT_NEGATIVE, NONE),
	COLUMN(VitalSigns, diastolic, REC_INT4, REC_NOT_NEGATIVE, NONE),
	COLUMN(VitalSigns, spo2, REC_INT4, REC_NOT_NEGATIVE, NONE),
	COLUMN(VitalSigns, consciousness, REC_TEXT, 0, ONE_OF(consciousness_words)),
	COLUMN(VitalSigns, tews, REC_INT4, REC_NOT_NEGATIVE, NONE),
	COLUMN(VitalSigns, recorded_by, REC_INT8, REC_POSITIVE, REFERS(STAFF)),
};

static const RecordColumn prescription_columns[] = {
	COLUMN(Prescription, prescription_id, REC_INT8, REC_KEY | REC_POSITIVE, NONE),
	COLUMN(Prescription, patient_id, REC_INT8, REC_POSITIVE, REFERS(PATIENT)),
	COLUMN(Prescription, doctor_id, REC_INT8, REC_POSITIVE, REFERS(STAFF)),
	COLUMN(Prescription, visit_id, REC_INT8, REC_POSITIVE, NONE),
	COLUMN(Prescription, medicine_id, REC_TEXT, 0, REFERS(MEDICINE)),
	COLUMN(Prescription, dosage, REC_TEXT, 0, NONE),
	COLUMN(Prescription, duration, REC_TEXT, 0, NONE),
	COLUMN(Prescription, prescribed_at, REC_TIME, REC_IN_DAY, NONE),
	COLUMN(Prescription, admission_id, REC_INT8, REC_NULLABLE | REC_POSITIVE, REFERS(ADMISSION)),
	COLUMN(Prescription, quantity, REC_INT4, REC_POSITIVE, NONE),
};

static const RecordColumn bill_columns[] = {
	COLUMN(Bill, billing_id, REC_INT8, REC_KEY | REC_POSITIVE, NONE),
	COLUMN(Bill, patient_id, REC_INT8, REC_POSITIVE, REFERS(PATIENT)),
	COLUMN(Bill, visit_id, REC_INT8, REC_POSITIVE, NONE),
	COLUMN(Bill, billing_date, REC_DATE, REC_IN_DAY, NONE),
	COLUMN(Bill, total_amount, REC_MONEY, REC_NOT_NEGATIVE, NONE),
	COLUMN(Bill, payment_status, REC_TEXT, 0, ONE_OF(payment_words)),
	COLUMN(Bill, admission_id, REC_INT8, REC_NULLABLE | REC_POSITIVE, REFERS(ADMISSION)),
	COLUMN(Bill, patient_class, REC_TEXT, 0, ONE_OF(class_words)),
	COLUMN(Bill, fiscal_year, REC_TEXT, 0, NONE),
	COLUMN(Bill, free_reason, REC_TEXT, REC_NULLABLE, NONE),
	COLUMN(Bill, consultation, REC_MONEY, REC_NOT_NEGATIVE, NONE),
	COLUMN(Bill, accommodation, REC_MONEY, REC_NOT_NEGATIVE, NONE),
	COLUMN(Bill, procedures, REC_MONEY, REC_NOT_NEGATIVE, NONE),
	COLUMN(Bill, imaging, REC_MONEY, REC_NOT_NEGATIVE, NONE),
	COLUMN(Bill, laboratory, REC_MONEY, REC_NOT_NEGATIVE, NONE),
	COLUMN(Bill, medicines, REC_MONEY, REC_NOT_NEGATIVE, NONE),
	COLUMN(Bill, other, REC_MONEY, REC_NOT_NEGATIVE, NONE),
};

static const RecordColumn staff_change_columns[] = {
	COLUMN(StaffChange, staff_change_id, REC_INT8, REC_KEY | REC_POSITIVE, NONE),
	COLUMN(StaffChange, staff_id, REC_INT8, REC_POSITIVE, REFERS(STAFF)),
	COLUMN(StaffChange, changed_on, REC_DATE, REC_IN_DAY, NONE),
	COLUMN(StaffChange, change, REC_TEXT, 0, ONE_OF(change_words)),
	COLUMN(StaffChange, role, REC_TEXT, 0, NONE),
	COLUMN(StaffChange, department_code, REC_TEXT, REC_NULLABLE, REFERS(DEPARTMENT)),
	COLUMN(StaffChange, replaces_staff_id, REC_INT8, REC_NULLABLE | REC_POSITIVE, REFERS(STAFF)),
};

/* ---- kinds ---- */

#define KIND(a_name, a_table, a_stage, a_merge, record, a_columns, a_check) \
	{.name = a_name, .table = "hospital." a_table, .stage = a_stage, .merge = a_merge, \
	 .ncolumns = lengthof(a_columns), .columns = a_columns, .size = sizeof(record), .key = 0, \
	 .check = a_check}

const RecordKind record_kinds[RECORD_KINDS] = {
	[KIND_STAFF_CHANGES] = KIND("staff_changes", "staff_changes", 0, MERGE_NEVER,
								StaffChange, staff_change_columns, NULL),
	[KIND_REGISTRATIONS] = KIND("registrations", "patients", 0, MERGE_COMPLETES,
								Registration, registration_columns, check_registration),
	[KIND_ADMISSIONS] = KIND("admissions", "admissions", 1, MERGE_COMPLETES,
							 Admission, admission_columns, check_admission),
	[KIND_VISITS] = KIND("visits", "visits", 2, MERGE_COMPLETES,
						 Visit, visit_columns, check_visit),
	[KIND_STATUS_UPDATES] = KIND("status_updates", "status_updates", 2, MERGE_NEVER,
								 StatusUpdate, status_update_columns, NULL),
	[KIND_DOCTOR_ASSIGNMENTS] = KIND("doctor_assignments", "doctor_assignments", 2, MERGE_NEVER,
									 DoctorAssignment, assignment_columns, check_assignment),
	[KIND_TRANSFERS] = KIND("transfers", "transfers", 2, MERGE_SAME,
							Transfer, transfer_columns, check_transfer),
	[KIND_DIAGNOSES] = KIND("diagnoses", "diagnoses", 2, MERGE_NEVER,
							Diagnosis, diagnosis_columns, NULL),
	[KIND_TREATMENTS] = KIND("treatments", "treatments", 2, MERGE_NEVER,
							 Treatment, treatment_columns, NULL),
	[KIND_LAB_RESULTS] = KIND("lab_results", "lab_results", 2, MERGE_NEVER,
							  LabResult, lab_result_columns, check_lab_result),
	[KIND_VITAL_SIGNS] = KIND("vital_signs", "vital_signs", 2, MERGE_NEVER,
							  VitalSigns, vital_signs_columns, check_vital_signs),
	[KIND_PRESCRIPTIONS] = KIND("prescriptions", "prescriptions", 2, MERGE_NEVER,
								Prescription, prescription_columns, NULL),
	[KIND_BILLING_PAYMENTS] = KIND("billing_payments", "billing_payments", 2, MERGE_NEVER,
								   Bill, bill_columns, check_bill),
};

int
record_kind_by_name(const char *name)
{
	for (int i = 0; i < RECORD_KINDS; i++)
		if (strcmp(record_kinds[i].name, name) == 0)
			return i;
	return -1;
}
