/*
 * day_clinical.c: diagnoses, laboratory results, treatments, vital signs and
 * prescriptions of a visit or a day of a stay.
 */
#include "postgres.h"

#include "day_private.h"
#include "patients.h"

/* ---- diagnoses ---- */

void
add_diagnosis(DayBuilder *b, const Encounter *e, RecText code, RecText description, TimestampTz at,
			  RecText rank)
{
	Diagnosis  *d = add_record(b, KIND_DIAGNOSES);

	d->visit_id = e->visit_id;
	d->admission_id = e->admission_id;
	d->patient_id = e->person->id;
	d->code = code;
	d->description = description;
	d->at = at;
	d->rank = rank;
}

/* What caused the injury: of the causes that fit, by their share and the patient's sex. */
static const ExternalCause *
external_cause(const DayBuilder *b, const Encounter *e, const CaseCode *code, Dice *d)
{
	const char *icd = code->icd.data;
	const char *only = code->flags & CASE_BURN ? "BURN" : code->flags & CASE_ASSAULT ? "SEXUAL" :
		strncmp(icd, "T39", 3) == 0 || strncmp(icd, "T42", 3) == 0 || strncmp(icd, "T46", 3) == 0 ? "SELFHARM" :
		strncmp(icd, "T5", 2) == 0 || strncmp(icd, "T60", 3) == 0 ? "POISON" :
		strncmp(icd, "T63", 3) == 0 ? "BITE" : strncmp(icd, "T17", 3) == 0 || strncmp(icd, "T18", 3) == 0 ? "FOREIGN" : NULL;
	uint64		total = 0;
	uint64		draw;

	for (int pass = 0; pass < 2; pass++)
	{
		draw = pass == 0 ? 0 : ((uint64) dice_word(d) * total) >> 32;
		for (int i = 0; i < b->mix->cause_count; i++)
		{
			const ExternalCause *c = &b->mix->causes[i];
			uint64		weight = (uint64) c->share * (e->person->female ? 1000000 - c->male : c->male) / 1000000;

			if (only != NULL ? strcmp(c->mechanism, only) != 0 :
				strcmp(c->mechanism, "SELFHARM") == 0 || strcmp(c->mechanism, "POISON") == 0 ||
				strcmp(c->mechanism, "BURN") == 0 || strcmp(c->mechanism, "SEXUAL") == 0 ||
				strcmp(c->mechanism, "FOREIGN") == 0)
				continue;
			if (pass == 0)
				total += weight + 1;
			else if (draw < weight + 1)
				return c;
			else
				draw -= weight + 1;
		}
	}
	return &b->mix->causes[0];
}

/* Does the primary code say it already: the same illness more closely, or one that only comes with HIV? */
static bool
is_said(const CaseCode *code, const Comorbidity *c)
{
	return strncmp(c->icd.data, code->icd.data, 3) == 0 || (c->hiv && (code->flags & CASE_HIV));
}

void
make_diagnoses(DayBuilder *b, const Encounter *e, TimestampTz at, bool all)
{
	const CaseCode *code = &b->mix->codes[e->code];
	Dice		d = dice(b->seed, RANDOM_VISIT, (uint64) e->visit_id, 0x20100);
	int			comorbid[COMORBID_MAX];
	int			n = recorded_comorbidities(b->seed, e->person, e->hiv, b->day, e->visit_id, all, comorbid);

	add_diagnosis(b, e, code->icd, code->description, at, REC_TEXT_CONST("primary"));
	for (int i = 0; i < n; i++)
	{
		const Comorbidity *c = &b->mix->comorbidities[comorbid[i]];

		if (!is_said(code, c))
			add_diagnosis(b, e, c->icd, c->description, at, REC_TEXT_CONST("secondary"));
	}
	if (code->flags & CASE_INJURY)
	{
		const ExternalCause *cause = external_cause(b, e, code, &d);

		add_diagnosis(b, e, cause->icd, cause->description, at, REC_TEXT_CONST("external cause"));
	}
}

/* ---- treatments ---- */

void
add_treatment(DayBuilder *b, const Encounter *e, int fee, TimestampTz at, int64 staff, int quantity)
{
	Treatment  *t = add_record(b, KIND_TREATMENTS);

	t->visit_id = e->visit_id;
	t->admission_id = e->admission_id;
	t->patient_id = e->person->id;
	t->code = b->mix->fees[fee].code;
	t->description = b->mix->fees[fee].description;
	t->at = at;
	t->staff_id = staff;
	t->quantity = quantity;
}

/* ---- laboratory ---- */

/* Chances of a positive result, by test and illness; millionths.  Estimate. */
static uint32
positive_chance(const DayBuilder *b, const Encounter *e, const CaseCode *code, const LabTest *test)
{
	const char *loinc = test->code.data;

	if (strcmp(loinc, "94500-6") == 0)	/* SARS-CoV-2 */
		return b->plan->facts.covid == 0 ? 0 : code->flags & CASE_COVID ? 985000 : 30000;
	if (strcmp(loinc, "75622-1") == 0)	/* HIV */
		return e->hiv ? 1000000 : 1000;
	if (strcmp(loinc, "88874-3") == 0 || strcmp(loinc, "543-9") == 0)	/* tuberculosis */
		return code->flags & CASE_TB ? 870000 : 25000;
	if (strcmp(loinc, "2106-3") == 0)	/* pregnancy */
		return code->flags & (CASE_PREGNANCY | CASE_ABORTION) ? 980000 : 40000;
	if (strcmp(loinc, "600-7") == 0)	/* blood culture */
		return strncmp(code->icd.data, "A41", 3) == 0 ? 450000 : 90000;
	if (strcmp(loinc, "630-4") == 0)	/* urine culture */
		return code->icd.data[0] == 'N' ? 520000 : 120000;
	return 45000;
}

static void
set_qualitative(const DayBuilder *b, LabResult *r, const Encounter *e, const CaseCode *code,
				const LabTest *test, Dice *d)
{
	static const RecText groups[BLOOD_GROUPS] = {
		REC_TEXT_CONST("O positive"), REC_TEXT_CONST("A positive"), REC_TEXT_CONST("B positive"),
		REC_TEXT_CONST("O negative"), REC_TEXT_CONST("A negative"), REC_TEXT_CONST("B negative"),
		REC_TEXT_CONST("AB positive"), REC_TEXT_CONST("AB negative")
	};
	bool		culture = strncmp(test->name.data, "Blood culture", 13) == 0 ||
		strncmp(test->name.data, "Urine culture", 13) == 0 || strncmp(test->name.data, "Mycobacterium culture", 21) == 0;

	if (strcmp(test->code.data, "882-1") == 0)
	{
		r->result = groups[blood_group(b->seed, e->person->id)];
		return;
	}
	if (dice_ppm(d, positive_chance(b, e, code, test)))
	{
		r->result = culture ? REC_TEXT_CONST("growth") : REC_TEXT_CONST("positive");
		r->flag = REC_TEXT_CONST("A");
	}
	else
		r->result = culture ? REC_TEXT_CONST("no growth") : REC_TEXT_CONST("negative");
}

/* CD4 and viral load follow HIV, creatinine the kidneys: mean shift in ranges, 16.16. */
static int64
illness_shift(const Encounter *e, const CaseCode *code, const LabTest *test)
{
	const char *loinc = test->code.data;

	if (strcmp(loinc, "24467-3") == 0)
		return e->hiv ? -60000 : 0;
	if (strncmp(code->icd.data, "N18", 3) == 0 || strncmp(code->icd.data, "Z49", 3) == 0 ||
		strncmp(code->icd.data, "I12", 3) == 0)
		return strcmp(loinc, "14682-9") == 0 || strcmp(loinc, "22664-7") == 0 ? 7 * 65536 :
			strcmp(loinc, "33914-3") == 0 ? -50000 : 0;
	if (strncmp(code->icd.data, "E1", 2) == 0 &&
		(strcmp(loinc, "14749-6") == 0 || strcmp(loinc, "4548-4") == 0))
		return 2 * 65536;
	if (strcmp(loinc, "718-7") == 0)
		return code->icd.data[0] == 'D' ? -80000 : -20000;
	return 0;
}

/*
 * A measurement: around the middle of the normal range, wider and shifted for
 * the ill; where the range begins at 0 (a marker of disease) log-normal.
 */
static void
set_measurement(LabResult *r, const Encounter *e, const CaseCode *code, const LabTest *test, Dice *d)
{
	int64		z = normal_quantile(dice_word(d));
	int64		range = test->high - test->low;
	int64		value;
	int64		unit = 10000;

	if (test->low == 0)
	{
		int32		ill = (int32) (e->severity * 45000 - 60000);

		value = test->high * (fixed_exp2((int32) ((z * 3 / 2) + ill)) >> 4) >> 12;
		if (strcmp(test->code.data, "20447-9") == 0)	/* viral load: most are suppressed */
			value = e->hiv && dice_ppm(d, 220000) ? value * 400 : Min(value, test->high * 9 / 10);
	}
	else
	{
		value = (test->low + test->high) / 2 + (range * (illness_shift(e, code, test) >> 4) >> 12) +
			(range * (z >> 4) * (8 + e->severity * 3) >> 12) / 32;
		value = Max(value, test->low / 6);
	}
	for (int i = 0; i < test->scale; i++)
		unit /= 10;
	value = (value + unit / 2) / unit;
	if (value > 1000000000)
		value = 1000000000;
	r->value.digits = (int32) value;
	r->value.scale = test->scale;
	r->unit = test->unit;
	value *= unit;
	if (value < test->low)
		r->flag = value < test->low * 7 / 10 ? REC_TEXT_CONST("LL") : REC_TEXT_CONST("L");
	else if (value > test->high)
		r->flag = value > test->high * 2 ? REC_TEXT_CONST("HH") : REC_TEXT_CONST("H");
}

static void
add_lab_result(DayBuilder *b, const Encounter *e, const LabTest *test, TimestampTz at, Dice *d)
{
	const CaseCode *code = &b->mix->codes[e->code];
	LabResult  *r = add_record(b, KIND_LAB_RESULTS);

	r->visit_id = e->visit_id;
	r->admission_id = e->admission_id;
	r->patient_id = e->person->id;
	r->code = test->code;
	r->description = test->name;
	r->at = at;
	r->value = REC_DECIMAL_NULL;
	r->specimen = test->specimen;
	if (test->qualitative)
		set_qualitative(b, r, e, code, test, d);
	else
		set_measurement(r, e, code, test, d);
}

static void
add_prescription(DayBuilder *b, const Encounter *e, const MedicineOrder *m)
{
	static const RecText weeks[13] = {
		{NULL, 0}, REC_TEXT_CONST("1 week"), REC_TEXT_CONST("2 weeks"), REC_TEXT_CONST("3 weeks"),
		REC_TEXT_CONST("4 weeks"), REC_TEXT_CONST("5 weeks"), REC_TEXT_CONST("6 weeks"),
		REC_TEXT_CONST("7 weeks"), REC_TEXT_CONST("8 weeks"), REC_TEXT_CONST("9 weeks"),
		REC_TEXT_CONST("10 weeks"), REC_TEXT_CONST("11 weeks"), REC_TEXT_CONST("12 weeks")
	};
	Prescription *p = add_record(b, KIND_PRESCRIPTIONS);

	p->patient_id = e->person->id;
	p->doctor_id = on_duty_doctor(b->duty, e->department, m->at,
								  (uint32) mix64((uint64) e->visit_id ^ ((uint64) b->day << 40)), NULL);
	p->visit_id = e->visit_id;
	p->medicine_id = b->mix->medicines[m->medicine].id;
	p->dosage = b->mix->dosages[m->dosage].text;
	if (m->days >= 14 && m->days % 7 == 0 && m->days / 7 < lengthof(weeks))
		p->duration = weeks[m->days / 7];
	else
		p->duration = m->days == 3 ? REC_TEXT_CONST("3 days") : m->days == 5 ? REC_TEXT_CONST("5 days") :
			m->days == 7 ? REC_TEXT_CONST("7 days") : REC_TEXT_CONST("10 days");
	p->prescribed_at = m->at;
	p->admission_id = e->admission_id;
	p->quantity = m->packs;
}

/* What b->orders asks for, done. */
void
make_orders(DayBuilder *b, const Encounter *e)
{
	Dice		d = dice(b->seed, RANDOM_VISIT, (uint64) e->visit_id,
						 0x40000 + (uint32) (b->day % 4096) * 256);

	for (int i = 0; i < b->orders.count; i++)
	{
		const Order *o = &b->orders.orders[i];

		if (o->lab)
		{
			const LabPanel *panel = &b->mix->panels[o->what];

			for (int t = 0; t < panel->count; t++)
				add_lab_result(b, e, &b->mix->tests[panel->tests[t]], o->at, &d);
		}
		else
			add_treatment(b, e, o->what, o->at, on_duty_nurse(b->duty, e->ward, o->at, dice_word(&d)),
						  o->quantity);
	}
	for (int i = 0; i < b->orders.medicine_count; i++)
		add_prescription(b, e, &b->orders.medicines[i]);
}

/* ---- vital signs ---- */

/* Points of the triage early warning score for adults, as the SATS manual has them. */
static int
warning_score(const VitalSigns *v, int temperature)
{
	int			score = 0;

	score += v->respiration < 9 ? 2 : v->respiration <= 14 ? 0 : v->respiration <= 20 ? 1 :
		v->respiration <= 29 ? 2 : 3;
	score += v->pulse < 41 ? 2 : v->pulse <= 50 ? 1 : v->pulse <= 100 ? 0 : v->pulse <= 110 ? 1 :
		v->pulse <= 129 ? 2 : 3;
	score += v->systolic < 71 ? 3 : v->systolic <= 80 ? 2 : v->systolic <= 100 ? 1 : v->systolic <= 199 ? 0 : 2;
	score += temperature < 350 ? 2 : temperature <= 384 ? 0 : 2;
	score += v->consciousness.data[0] == 'A' ? 0 : v->consciousness.data[0] == 'V' ? 1 :
		v->consciousness.data[0] == 'P' ? 2 : 3;
	return score;
}

static int
around(int mean, int sd, uint32 word)
{
	return mean + (int) (((int64) normal_quantile(word) * sd) >> 16);
}

static int
clamp(int value, int low, int high)
{
	return value < low ? low : value > high ? high : value;
}

void
make_vital_signs(DayBuilder *b, const Encounter *e, TimestampTz at, Dice *d)
{
	static const RecText levels[4] = {
		REC_TEXT_CONST("A"), REC_TEXT_CONST("V"), REC_TEXT_CONST("P"), REC_TEXT_CONST("U")
	};
	int			age = age_on(e->person->born, b->day);
	bool		infant = age < 1;
	VitalSigns *v = add_record(b, KIND_VITAL_SIGNS);
	int			s = e->severity;
	int			temperature = around(367 + s * 3, 5 + s * 3, dice_word(d));
	uint32		word = dice_word(d);

	v->visit_id = e->visit_id;
	v->admission_id = e->admission_id;
	v->patient_id = e->person->id;
	v->at = at;
	v->temperature.digits = clamp(temperature, 335, 418);
	v->temperature.scale = 1;
	v->pulse = clamp(around((infant ? 130 : age < 13 ? 100 : 78) + s * 9, 10 + s * 3, dice_word(d)), 30, 220);
	v->respiration = clamp(around((infant ? 38 : age < 13 ? 24 : 16) + s * 3, 2 + s, dice_word(d)), 6, 70);
	v->systolic = clamp(around((infant ? 78 : age < 13 ? 100 : 112 + Min(age, 80) / 3) - s * 5, 12 + s * 3,
							   dice_word(d)), 45, 240);
	v->diastolic = clamp(v->systolic * 62 / 100 + around(0, 5, dice_word(d)), 25, v->systolic - 10);
	v->spo2 = clamp(around(98 - s * 2, 1 + s, dice_word(d)), 60, 100);
	v->consciousness = levels[s < 3 ? (s == 2 && word < 0x10000000U) : s == 3 ? word >> 30 == 0 ? 2 : word >> 30 == 1 ? 1 : 0 :
							  word >> 30 == 0 ? 3 : word >> 30 == 1 ? 2 : 1];
	v->tews = warning_score(v, v->temperature.digits);
	v->recorded_by = on_duty_nurse(b->duty, e->ward, at, word * 2654435761U);
}
