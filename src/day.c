/*
 * day.c: the records of one hospital day.  STUB: volumes and shapes only.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "day.h"
#include "population.h"
#include "random.h"
#include "roster.h"

#define T REC_TEXT_CONST

void
check_day(const DaySpec *spec, DateADT day)
{
	check_beds(spec->beds);
	if (spec->people < PEOPLE_MIN || spec->people > PEOPLE_CAPACITY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a hospital cannot serve a city of %lld people", (long long) spec->people),
				 errdetail("The number of people must be between %d and %lld.",
						   PEOPLE_MIN, (long long) PEOPLE_CAPACITY),
				 errhint("Give the number of people of the population that is treated.")));
	if (DATE_NOT_FINITE(day) || day < spec->start_date)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the hospital has no such day"),
				 errdetail("The day is before the hospital's first day."),
				 errhint("Choose a day on or after start_date.")));
	if (spec->transfers < 0 || spec->transfers > TRANSFERS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a day cannot have %d transfers", spec->transfers),
				 errdetail("The number must be between 0 and %d.", TRANSFERS_MAX)));
	check_history(spec->start_date, day);
}

static MemoryContext stub_context = NULL;

static void *
new_rows(DayRecords *d, int kind, int n)
{
	d->count[kind] = n;
	return d->rows[kind] = palloc0(Max(n, 1) * record_kinds[kind].size);
}

const DayRecords *
day_records(const DaySpec *spec, DateADT day)
{
	MemoryContext old;
	DayRecords *d;
	int			k = spec->beds;
	int			nreg = k / 2, nadm = k / 7, nvis = k * 16 / 10, n;
	int64		first_person;
	TimestampTz begin = day_begins(day);
	static const char *const lab[] = {"2823-3", "2951-2", "718-7", "6690-2", "777-3", "14682-9"};

	check_day(spec, day);
	stub_context = AllocSetContextCreate(TopMemoryContext, "hospital day", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(stub_context);
	d = palloc0(sizeof(DayRecords));
	d->day = day;
	first_person = 1 + (int64) (day - spec->start_date) * nreg % Max(spec->people - nreg, 1);
#define PERSON(i) (first_person + (i) % nreg)
#define AT(i, m) (begin + ((int64) (i) * 24 * 3600 / Max(m, 1)) * USECS_PER_SEC)

	{
		Registration *r = new_rows(d, KIND_REGISTRATIONS, nreg);

		for (int i = 0; i < nreg; i++)
		{
			PopulationSpec p = {(uint64) spec->seed, spec->start_date, spec->marked};
			bool		female;

			r[i].person_id = first_person + i;
			population_basics(&p, r[i].person_id, &r[i].date_of_birth, &female);
			r[i].first_name = T("Stub");
			r[i].last_name = T("O'Person, Jr");
			r[i].sex = female ? T("F") : T("M");
			r[i].population_group = T("Black African");
			r[i].home_language = T("isiZulu");
			r[i].citizenship = T("ZA");
			r[i].household_id = 1 + i / 3;
			r[i].address = T("12 Long Street");
			r[i].suburb = T("Soweto");
			r[i].postal_code = T("1818");
			r[i].phone = T("082 123 4567");
			r[i].folder_no = T("JH20-000001");
			r[i].blood_type = T("O+");
			r[i].patient_class = T("H1");
			r[i].origin = T("city");
			r[i].first_seen_on = day;
			r[i].deceased_at = REC_NULL8;
		}
	}
	{
		StaffChange *r = new_rows(d, KIND_STAFF_CHANGES, 1);

		r->staff_change_id = RECORD_ID(day, 1);
		r->staff_id = 1;
		r->changed_on = day;
		r->change = T("hired");
		r->role = T("Medical Officer");
		r->replaces_staff_id = REC_NULL8;
	}
	{
		bool		again = day > spec->start_date;
		Admission  *r = new_rows(d, KIND_ADMISSIONS, nadm * (again ? 2 : 1));

		for (int i = 0; i < d->count[KIND_ADMISSIONS]; i++)
		{
			bool		old_one = again && i < nadm;
			int			j = i % nadm;
			DateADT		of = old_one ? day - 1 : day;
			int64		fp = 1 + (int64) (of - spec->start_date) * nreg % Max(spec->people - nreg, 1);

			r[i].admission_id = RECORD_ID(of, j + 1);
			r[i].patient_id = fp + j % nreg;
			r[i].visit_id = RECORD_ID(of, j + 1);
			r[i].ward_code = T("MED01");
			r[i].admitted_at = day_begins(of) + ((int64) j * 24 * 3600 / nadm) * USECS_PER_SEC;
			r[i].discharged_at = old_one ? begin + 12 * USECS_PER_HOUR : REC_NULL8;
			if (old_one && r[i].discharged_at < r[i].admitted_at)
				r[i].discharged_at = r[i].admitted_at;
			if (old_one)
				r[i].outcome = T("discharged");
			r[i].triage = T("YELLOW");
			r[i].department_code = T("IM");
			r[i].admission_type = T("emergency");
		}
	}
	{
		bool		again = day > spec->start_date;
		int			extra = again ? nadm : 0;
		Visit	   *r = new_rows(d, KIND_VISITS, nvis + extra);

		for (int i = 0; i < nvis + extra; i++)
		{
			bool		old_one = i < extra;
			int			j = old_one ? i : i - extra;
			DateADT		of = old_one ? day - 1 : day;
			int64		fp = 1 + (int64) (of - spec->start_date) * nreg % Max(spec->people - nreg, 1);
			bool		in = j < nadm;

			r[i].visit_id = RECORD_ID(of, j + 1);
			r[i].patient_id = fp + j % nreg;
			r[i].doctor_id = 1 + j % 500;
			r[i].visit_date = of;
			r[i].department_code = T("IM");
			r[i].kind = in ? T("emergency") : T("outpatient");
			r[i].diagnosis = T("Essential (primary) hypertension");
			r[i].arrived_at = day_begins(of) + ((int64) j * 24 * 3600 / nvis) * USECS_PER_SEC;
			r[i].left_at = in ? (old_one ? begin + 12 * USECS_PER_HOUR : REC_NULL8) : r[i].arrived_at + USECS_PER_HOUR / 60;
			r[i].total_cost = r[i].left_at == REC_NULL8 ? REC_NULL8 : 9100 + j;
			r[i].admission_id = in ? RECORD_ID(of, j + 1) : REC_NULL8;
			if (r[i].left_at != REC_NULL8)
				r[i].disposition = T("discharged");
		}
	}
	n = k * 2;
	{
		StatusUpdate *r = new_rows(d, KIND_STATUS_UPDATES, n);

		for (int i = 0; i < n; i++)
			r[i] = (StatusUpdate) {RECORD_ID(day, i + 1), RECORD_ID(day, i % nadm + 1), PERSON(i % nadm),
				AT(i, n), T("stable"), T("MED01"), 1 + i % 2000, 1 + i % 24};
	}
	n = nadm * 2;
	{
		DoctorAssignment *r = new_rows(d, KIND_DOCTOR_ASSIGNMENTS, n);

		for (int i = 0; i < n; i++)
			r[i] = (DoctorAssignment) {RECORD_ID(day, i + 1), RECORD_ID(day, i % nadm + 1), PERSON(i % nadm),
				1 + i % 500, AT(i, n), AT(i, n) + 8 * USECS_PER_HOUR, T("admitting")};
	}
	n = spec->transfers;
	{
		Transfer   *r = new_rows(d, KIND_TRANSFERS, n);

		for (int i = 0; i < n; i++)
		{
			r[i].event_time = AT(i, n);
			for (int b = 0; b < 16; b++)
				r[i].event_id.data[b] = (unsigned char) (b < 4 ? day >> (8 * (3 - b)) : b == 6 ? 0x70 : b == 7 ? i : b == 5 ? i >> 8 : 0x80);
			r[i].admission_id = RECORD_ID(day, i % nadm + 1);
			r[i].patient_id = PERSON(i % nadm);
			r[i].from_ward = T("MED01");
			r[i].to_ward = T("MED02");
			r[i].reason = T("isolation");
			r[i].status = T("completed");
			r[i].staff_id = 1 + i;
		}
	}
#define REF(i, n) .visit_id = RECORD_ID(day, (i) % nvis + 1), \
	.admission_id = (i) % nvis < nadm ? RECORD_ID(day, (i) % nvis + 1) : REC_NULL8, \
	.patient_id = PERSON((i) % nvis)
	n = k * 32 / 10;
	{
		Diagnosis  *r = new_rows(d, KIND_DIAGNOSES, n);

		for (int i = 0; i < n; i++)
			r[i] = (Diagnosis) {.diagnosis_id = RECORD_ID(day, i + 1), REF(i, n), .code = T("I10"),
				.description = T("Essential (primary) hypertension"), .at = AT(i, n), .rank = T("primary")};
	}
	n = k * 3;
	{
		Treatment  *r = new_rows(d, KIND_TREATMENTS, n);

		for (int i = 0; i < n; i++)
			r[i] = (Treatment) {.treatment_id = RECORD_ID(day, i + 1), REF(i, n), .code = T("1313"),
				.description = T("Wound dressing or minor treatment"), .at = AT(i, n), .staff_id = 1 + i % 900, .quantity = 1};
	}
	n = k * 9;
	{
		LabResult  *r = new_rows(d, KIND_LAB_RESULTS, n);

		for (int i = 0; i < n; i++)
		{
			const char *code = lab[i % 6];

			r[i] = (LabResult) {.lab_result_id = RECORD_ID(day, i + 1), REF(i, n), .code = {code, strlen(code)},
				.description = T("Potassium"), .at = AT(i, n), .value = {35 + i % 100, 1}, .unit = T("mmol/L"),
				.specimen = T("serum")};
			if (i % 20 == 0)
				r[i].flag = T("H");
			if (i % 50 == 49)
			{
				r[i].value = REC_DECIMAL_NULL;
				r[i].result = T("negative");
			}
		}
	}
	n = k * 6;
	{
		VitalSigns *r = new_rows(d, KIND_VITAL_SIGNS, n);

		for (int i = 0; i < n; i++)
			r[i] = (VitalSigns) {.vital_signs_id = RECORD_ID(day, i + 1), REF(i, n), .at = AT(i, n),
				.temperature = {365 + i % 30, 1}, .pulse = 60 + i % 60, .respiration = 12 + i % 15,
				.systolic = 110 + i % 50, .diastolic = 60 + i % 30, .spo2 = 90 + i % 10, .consciousness = T("A"),
				.tews = i % 5, .recorded_by = 1 + i % 2000};
	}
	n = k * 48 / 10;
	{
		Prescription *r = new_rows(d, KIND_PRESCRIPTIONS, n);

		for (int i = 0; i < n; i++)
			r[i] = (Prescription) {.prescription_id = RECORD_ID(day, i + 1), REF(i, n), .doctor_id = 1 + i % 500,
				.medicine_id = T("M0201"), .dosage = T("1 tablet once a day"), .duration = T("4 weeks"),
				.prescribed_at = AT(i, n), .quantity = 1};
	}
	n = nvis - nadm;
	{
		Bill	   *r = new_rows(d, KIND_BILLING_PAYMENTS, n);

		for (int i = 0; i < n; i++)
			r[i] = (Bill) {.billing_id = RECORD_ID(day, i + 1), .patient_id = PERSON(i + nadm),
				.visit_id = RECORD_ID(day, i + nadm + 1), .billing_date = day, .total_amount = 12345,
				.payment_status = T("Paid"), .admission_id = REC_NULL8, .patient_class = T("H1"),
				.fiscal_year = T("2019/20"), .consultation = 9100, .medicines = 3245};
	}
	MemoryContextSwitchTo(old);
	return d;
}

void
day_hold(const DayRecords *records)
{
}
