/*
 * records.h: the kinds of records of a hospital day, and their columns.
 *
 * The one description that everything shares which makes, writes, reads or
 * checks them: the day (day.h) fills arrays of these structs, the day files
 * have their columns in this order, hospital_generate_<kind> shows them as
 * rows, and the ingestor turns lines back into them before it checks and
 * stores them.
 *
 * Values are plain C.  A null is the least value of its type (a text: no data).
 */
#ifndef HOSPITAL_RECORDS_H
#define HOSPITAL_RECORDS_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "utils/date.h"
#include "utils/uuid.h"

typedef enum RecordType
{
	REC_INT8,					/* int64 */
	REC_INT4,					/* int32 */
	REC_TEXT,					/* RecText */
	REC_TIME,					/* TimestampTz */
	REC_DATE,					/* DateADT */
	REC_MONEY,					/* int64, cents; numeric(12,2) */
	REC_DECIMAL,				/* RecDecimal; numeric */
	REC_UUID					/* pg_uuid_t, never null */
} RecordType;

#define REC_NULL8 PG_INT64_MIN	/* int8, time, money */
#define REC_NULL4 PG_INT32_MIN	/* int4, date */

typedef struct RecText
{
	const char *data;			/* NULL: null */
	uint32		length;
} RecText;

typedef struct RecDecimal
{
	int32		digits;			/* the value times 10^scale */
	int32		scale;			/* 0 to 6; -1: null */
} RecDecimal;

#define REC_TEXT_CONST(s) ((RecText) {"" s "", sizeof(s) - 1})
#define REC_DECIMAL_NULL ((RecDecimal) {0, -1})

/* What a column refers to; checked by the ingestor and by hospital_validate. */
typedef enum RecordReference
{
	REF_NONE,
	REF_PATIENT,				/* hospital.patients */
	REF_STAFF,					/* hospital.staff */
	REF_ADMISSION,				/* hospital.admissions */
	REF_WARD,					/* hospital.wards */
	REF_DEPARTMENT,				/* hospital.departments */
	REF_MEDICINE				/* hospital.medicines */
} RecordReference;

#define REC_NULLABLE	0x01	/* may be empty */
#define REC_KEY			0x02	/* the primary key */
#define REC_IN_DAY		0x04	/* lies in the file's hospital day */
#define REC_COMPLETES	0x08	/* null at first, filled in by a later record of the key */
#define REC_POSITIVE	0x10	/* a number of at least 1 */
#define REC_NOT_NEGATIVE 0x20	/* a number of at least 0 */

typedef struct RecordColumn
{
	const char *name;
	RecordType	type;
	uint16		offset;			/* in the kind's struct */
	uint16		flags;
	RecordReference reference;
	const char *const *values;	/* the words it may be, up to a NULL; NULL: any */
} RecordColumn;

/*
 * Order matters: a kind refers only to kinds of an earlier stage (and to
 * earlier days), so files are ingested by (day, stage, kind).
 */
typedef enum RecordKindNumber
{
#define RECORD_KIND(name) KIND_OF_##name,
#include "record_kinds.h"
#undef RECORD_KIND
	RECORD_KINDS
} RecordKindNumber;

#define KIND_STAFF_CHANGES KIND_OF_staff_changes
#define KIND_REGISTRATIONS KIND_OF_registrations
#define KIND_ADMISSIONS KIND_OF_admissions
#define KIND_VISITS KIND_OF_visits
#define KIND_STATUS_UPDATES KIND_OF_status_updates
#define KIND_DOCTOR_ASSIGNMENTS KIND_OF_doctor_assignments
#define KIND_TRANSFERS KIND_OF_transfers
#define KIND_DIAGNOSES KIND_OF_diagnoses
#define KIND_TREATMENTS KIND_OF_treatments
#define KIND_LAB_RESULTS KIND_OF_lab_results
#define KIND_VITAL_SIGNS KIND_OF_vital_signs
#define KIND_PRESCRIPTIONS KIND_OF_prescriptions
#define KIND_BILLING_PAYMENTS KIND_OF_billing_payments


/* How a record meets one of the same key that is in the table already. */
typedef enum RecordMerge
{
	MERGE_NEVER,				/* it is an error */
	MERGE_COMPLETES,			/* fills in its REC_COMPLETES columns, the rest being equal */
	MERGE_SAME					/* may be there (it was streamed), and is then equal */
} RecordMerge;

typedef struct RecordKind
{
	const char *name;			/* of the file and of hospital_generate_<name> */
	const char *table;			/* qualified; registrations: hospital.patients, and people */
	int			stage;			/* 0 to 2 */
	RecordMerge merge;
	int			ncolumns;
	const RecordColumn *columns;
	Size		size;			/* of the struct */
	int			key;			/* number of the key's column */

	/*
	 * Business rules that one record can break.  False, with the column's
	 * number (-1: none), SQLSTATE and a static message.
	 */
	bool		(*check) (const void *record, DateADT day, int *column, int *sqlstate,
						  const char **message);
} RecordKind;

extern PGDLLEXPORT const RecordKind record_kinds[RECORD_KINDS];

/* "to" is a column's place in a record; no uuid is null. */
static inline void
record_set_null(RecordType type, void *to)
{
	switch (type)
	{
		case REC_INT8:
		case REC_TIME:
		case REC_MONEY:
			*(int64 *) to = REC_NULL8;
			break;
		case REC_INT4:
		case REC_DATE:
			*(int32 *) to = REC_NULL4;
			break;
		case REC_TEXT:
			*(RecText *) to = (RecText) {NULL, 0};
			break;
		case REC_DECIMAL:
			*(RecDecimal *) to = REC_DECIMAL_NULL;
			break;
		case REC_UUID:
			break;
	}
}

/* The same, the other way round. */
static inline bool
record_is_null(RecordType type, const void *field)
{
	switch (type)
	{
		case REC_INT8:
		case REC_TIME:
		case REC_MONEY:
			return *(const int64 *) field == REC_NULL8;
		case REC_INT4:
		case REC_DATE:
			return *(const int32 *) field == REC_NULL4;
		case REC_TEXT:
			return ((const RecText *) field)->data == NULL;
		case REC_DECIMAL:
			return ((const RecDecimal *) field)->scale < 0;
		case REC_UUID:
			return false;
	}
	return false;				/* not reached */
}

/* -1 when there is no such kind. */
extern int	record_kind_by_name(const char *name);

/* ---- ids ----
 *
 * Every id of a record is (days since 2000-01-01) * RECORD_ID_STEP plus a number
 * from 1 within the day: in order of time, and the day can be read from it.
 * People who are not of the pool are numbered from NEWCOMER_ID_BASE on by the
 * day on which they are met.
 */
#define RECORD_ID_STEP INT64CONST(1000000)
#define RECORD_ID(day, number) ((int64) (day) * RECORD_ID_STEP + (number))
#define RECORD_ID_DAY(id) ((DateADT) ((id) / RECORD_ID_STEP))
#define NEWCOMER_ID_BASE INT64CONST(1000000000)
#define NEWCOMER_ID_STEP 20000	/* a day */

/* ---- the kinds ---- */

/* A patient met for the first time; later, the same with the death filled in. */
typedef struct Registration
{
	int64		person_id;
	RecText		national_id;
	RecText		passport_no;
	RecText		first_name;
	RecText		last_name;
	DateADT		date_of_birth;
	RecText		sex;
	RecText		population_group;
	RecText		home_language;
	RecText		citizenship;
	int64		household_id;
	RecText		address;
	RecText		suburb;
	RecText		postal_code;
	RecText		phone;
	RecText		folder_no;
	RecText		blood_type;
	RecText		insurance_id;
	RecText		patient_class;
	RecText		origin;			/* city, born here, born elsewhere, outside */
	DateADT		first_seen_on;
	TimestampTz deceased_at;
} Registration;

/* On the day of admission; again, completed, on the day it ended. */
typedef struct Admission
{
	int64		admission_id;
	int64		patient_id;
	int64		visit_id;
	RecText		ward_code;		/* of admission */
	TimestampTz admitted_at;
	TimestampTz discharged_at;
	RecText		triage;
	RecText		outcome;
	RecText		department_code;
	RecText		admission_type; /* emergency, elective, maternity, newborn, transfer in */
	RecText		referred_from;
} Admission;

typedef struct StatusUpdate
{
	int64		update_id;
	int64		admission_id;
	int64		patient_id;
	TimestampTz recorded_at;
	RecText		status;
	RecText		ward_code;
	int64		recorded_by;
	int32		bed_no;			/* in the ward, from 1; null: in no bed of a ward */
} StatusUpdate;

typedef struct DoctorAssignment
{
	int64		doctor_assignment_id;
	int64		admission_id;
	int64		patient_id;
	int64		doctor_id;
	TimestampTz starts_at;
	TimestampTz ends_at;
	RecText		reason;
} DoctorAssignment;

typedef struct Transfer
{
	pg_uuid_t	event_id;
	TimestampTz event_time;
	int64		admission_id;
	int64		patient_id;
	RecText		from_ward;
	RecText		to_ward;
	RecText		reason;
	RecText		status;
	int64		staff_id;
} Transfer;

/* One that leads to an admission: again, completed, on the day that ended. */
typedef struct Visit
{
	int64		visit_id;
	int64		patient_id;
	int64		doctor_id;
	DateADT		visit_date;
	RecText		department_code;
	RecText		kind;			/* outpatient, emergency, elective, maternity, newborn, transfer in */
	RecText		diagnosis;		/* in words */
	int64		total_cost;
	TimestampTz arrived_at;
	TimestampTz left_at;
	RecText		triage;
	RecText		disposition;
	int64		admission_id;
} Visit;

typedef struct Diagnosis
{
	int64		diagnosis_id;
	int64		visit_id;
	int64		admission_id;
	int64		patient_id;
	RecText		code;			/* ICD-10 */
	RecText		description;
	TimestampTz at;
	RecText		rank;			/* primary, secondary, external cause */
} Diagnosis;

typedef struct Treatment
{
	int64		treatment_id;
	int64		visit_id;
	int64		admission_id;
	int64		patient_id;
	RecText		code;			/* of tariffs.csv */
	RecText		description;
	TimestampTz at;
	int64		staff_id;
	int32		quantity;
} Treatment;

typedef struct LabResult
{
	int64		lab_result_id;
	int64		visit_id;
	int64		admission_id;
	int64		patient_id;
	RecText		code;			/* LOINC */
	RecText		description;
	TimestampTz at;
	RecDecimal	value;			/* of a measurement */
	RecText		result;			/* of a qualitative test */
	RecText		unit;
	RecText		flag;			/* L, H, LL, HH or A for abnormal */
	RecText		specimen;
} LabResult;

typedef struct VitalSigns
{
	int64		vital_signs_id;
	int64		visit_id;
	int64		admission_id;
	int64		patient_id;
	TimestampTz at;
	RecDecimal	temperature;	/* degrees Celsius */
	int32		pulse;			/* a minute */
	int32		respiration;	/* a minute */
	int32		systolic;		/* mmHg */
	int32		diastolic;
	int32		spo2;			/* percent */
	RecText		consciousness;	/* A, V, P, U */
	int32		tews;			/* triage early warning score */
	int64		recorded_by;
} VitalSigns;

typedef struct Prescription
{
	int64		prescription_id;
	int64		patient_id;
	int64		doctor_id;
	int64		visit_id;
	RecText		medicine_id;
	RecText		dosage;
	RecText		duration;		/* 5 days, 2 weeks */
	TimestampTz prescribed_at;
	int64		admission_id;
	int32		quantity;		/* packs */
} Prescription;

/* total_amount is the sum of the parts. */
typedef struct Bill
{
	int64		billing_id;
	int64		patient_id;
	int64		visit_id;
	DateADT		billing_date;
	int64		total_amount;
	RecText		payment_status;
	int64		admission_id;
	RecText		patient_class;
	RecText		fiscal_year;
	RecText		free_reason;
	int64		consultation;
	int64		accommodation;
	int64		procedures;
	int64		imaging;
	int64		laboratory;
	int64		medicines;
	int64		other;
} Bill;

typedef struct StaffChange
{
	int64		staff_change_id;
	int64		staff_id;
	DateADT		changed_on;
	RecText		change;			/* hired, retired, term ended, left */
	RecText		role;
	RecText		department_code;
	int64		replaces_staff_id;
} StaffChange;

#endif							/* HOSPITAL_RECORDS_H */
