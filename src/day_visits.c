/*
 * day_visits.c: the day's visits, and what is recorded in those that are over
 * the same day.
 *
 * A visit that leads to an admission is recorded when it begins, and again,
 * complete, on the day the stay ends (day_stays.c).
 */
#include "postgres.h"

#include "day_private.h"
#include "patients.h"

static const RecText visit_kinds[] = {
	[VISIT_OUTPATIENT] = REC_TEXT_CONST("outpatient"),
	[VISIT_EMERGENCY] = REC_TEXT_CONST("emergency"),
	[VISIT_ELECTIVE] = REC_TEXT_CONST("elective"),
	[VISIT_MATERNITY] = REC_TEXT_CONST("maternity"),
	[VISIT_NEWBORN] = REC_TEXT_CONST("newborn"),
	[VISIT_TRANSFER_IN] = REC_TEXT_CONST("transfer in"),
};

static const RecText dispositions[] = {
	[LEFT_DISCHARGED] = REC_TEXT_CONST("discharged"),
	[LEFT_ADMITTED] = REC_TEXT_CONST("admitted"),
	[LEFT_BEFORE_SEEN] = REC_TEXT_CONST("left without being seen"),
	[LEFT_ABSCONDED] = REC_TEXT_CONST("absconded"),
	[LEFT_REFUSED] = REC_TEXT_CONST("refused treatment"),
	[LEFT_DIED] = REC_TEXT_CONST("died"),
	[LEFT_TRANSFERRED] = REC_TEXT_CONST("transferred out"),
	[LEFT_TO_CLINIC] = REC_TEXT_CONST("referred to clinic"),
	[LEFT_FOLLOW_UP] = REC_TEXT_CONST("follow-up booked"),
};

static const RecText colours[] = {
	[TRIAGE_RED] = REC_TEXT_CONST("RED"),
	[TRIAGE_ORANGE] = REC_TEXT_CONST("ORANGE"),
	[TRIAGE_YELLOW] = REC_TEXT_CONST("YELLOW"),
	[TRIAGE_GREEN] = REC_TEXT_CONST("GREEN"),
	[TRIAGE_BLUE] = REC_TEXT_CONST("BLUE"),
};

RecText
triage_text(int triage)
{
	RecText		none = {NULL, 0};

	return triage < 0 ? none : colours[triage];
}

/* Where the patient is seen: the emergency department, else the department's own. */
static int
seen_by(const DayBuilder *b, int kind, int department)
{
	return kind == VISIT_EMERGENCY || kind == VISIT_TRANSFER_IN ? b->mix->emergency : department;
}

static int64
visit_doctor(const DayBuilder *b, const VisitPlan *v)
{
	if (v->disposition == LEFT_BEFORE_SEEN)
		return REC_NULL8;
	if (v->stay != NULL)
		return v->stay->doctor;
	return on_duty_doctor(b->duty, seen_by(b, v->way, v->department), v->arrived,
						  random_block(b->seed, RANDOM_VISIT, (uint64) v->visit_id, 0).v[0], NULL);
}

static Visit *
add_visit_record(DayBuilder *b, const VisitPlan *v, int64 doctor)
{
	Visit	   *r = add_record(b, KIND_VISITS);

	b->next_id[KIND_VISITS]--;	/* its id is the plan's */
	r->visit_id = v->visit_id;
	r->patient_id = v->person.id;
	r->doctor_id = doctor;
	r->visit_date = b->day;
	r->department_code = b->departments[v->department];
	r->kind = visit_kinds[v->way];
	if (v->disposition != LEFT_BEFORE_SEEN)
		r->diagnosis = b->mix->codes[v->code].description;
	r->arrived_at = v->arrived;
	r->triage = triage_text(v->triage);
	r->total_cost = r->left_at = r->admission_id = REC_NULL8;
	return r;
}

/* The visit of a stay that has ended, which may have begun on an earlier day. */
void
add_ended_visit(DayBuilder *b, const Stay *stay, int64 total)
{
	static const RecText endings[] = {
		[OUTCOME_DISCHARGED] = REC_TEXT_CONST("discharged"),
		[OUTCOME_DIED] = REC_TEXT_CONST("died"),
		[OUTCOME_ABSCONDED] = REC_TEXT_CONST("absconded"),
		[OUTCOME_REFUSED] = REC_TEXT_CONST("refused treatment"),
		[OUTCOME_TRANSFERRED] = REC_TEXT_CONST("transferred out"),
	};
	static const uint8 kinds[] = {
		[STAY_EMERGENCY] = VISIT_EMERGENCY, [STAY_ELECTIVE] = VISIT_ELECTIVE,
		[STAY_MATERNITY] = VISIT_MATERNITY, [STAY_NEWBORN] = VISIT_NEWBORN,
		[STAY_TRANSFER_IN] = VISIT_TRANSFER_IN
	};
	VisitPlan	v = {.visit_id = stay->visit_id, .person = stay->person, .code = stay->code,
	.department = stay->department, .way = kinds[stay->type], .triage = stay->triage,
	.disposition = LEFT_ADMITTED, .arrived = stay->arrived};
	Visit	   *r = add_visit_record(b, &v, stay->doctor);

	r->visit_date = day_of_time(stay->arrived);
	r->admission_id = stay->admission_id;
	r->left_at = stay->ends;
	r->total_cost = total;
	r->disposition = endings[stay->outcome];
}

/* How ill, 0 to 4, from what became of it. */
static int
visit_severity(const VisitPlan *v)
{
	if (v->disposition == LEFT_DIED)
		return 4;
	switch (v->triage)
	{
		case TRIAGE_RED:
			return 3;
		case TRIAGE_ORANGE:
			return 2;
		case TRIAGE_YELLOW:
			return 1;
		default:
			return 0;
	}
}

static void
record_ambulance(DayBuilder *b, const VisitPlan *v, const Encounter *e)
{
	int			fee = visit_ambulance(b->seed, v);

	if (fee >= 0)
		add_treatment(b, e, fee, v->arrived,
					  on_duty_nurse(b->duty, -1, v->arrived, (uint32) mix64((uint64) v->visit_id)), 1);
}

/* So many tenths into the visit, to the second. */
static TimestampTz
into_visit(const VisitPlan *v, int tenths)
{
	return v->arrived + (v->left - v->arrived) * tenths / 10 / USECS_PER_SEC * USECS_PER_SEC;
}

/* A visit that is over: its measurements, diagnoses, requests and bill. */
static void
record_visit(DayBuilder *b, const VisitPlan *v, Visit *r)
{
	Encounter	e = {v->visit_id, REC_NULL8, &v->person, v->department, -1, visit_severity(v), v->code, v->hiv};
	Dice		d = dice(b->seed, RANDOM_VISIT, (uint64) v->visit_id, 0x10000);
	int64		total;

	if (v->disposition != LEFT_BEFORE_SEEN)
	{
		if (v->triage != TRIAGE_BLUE)	/* dead on arrival */
			make_vital_signs(b, &e, Min(into_visit(v, 2), v->arrived + 15 * USECS_PER_MINUTE), &d);
		if (v->way == VISIT_EMERGENCY && v->left - v->arrived > 3 * USECS_PER_HOUR && v->disposition != LEFT_DIED)
			make_vital_signs(b, &e, v->left - 20 * USECS_PER_MINUTE, &d);
		make_diagnoses(b, &e, into_visit(v, 5), v->way != VISIT_OUTPATIENT);
		orders_of_visit(b->seed, v, &b->orders);
		make_orders(b, &e);
		record_ambulance(b, v, &e);
	}
	total = make_visit_bill(b, v);
	r->left_at = v->left;
	r->total_cost = total;
	r->disposition = dispositions[v->disposition];
}

void
make_visits(DayBuilder *b)
{
	for (int i = 0; i < b->plan->visit_count; i++)
	{
		const VisitPlan *v = &b->plan->visits[i];
		Visit	   *r;

		/* one whose stay has ended today is recorded there, complete */
		if (v->stay != NULL && v->stay->ended)
			continue;
		r = add_visit_record(b, v, visit_doctor(b, v));
		if (v->stay != NULL)
			r->admission_id = v->stay->admission_id;
		else
			record_visit(b, v, r);
	}
}
