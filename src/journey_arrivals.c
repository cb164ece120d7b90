/*
 * journey_arrivals.c: who comes today, and what becomes of the visit.
 *
 * How many come by each way is Poisson, by the codes' yearly numbers, season,
 * weekday and events; clinic appointments and readmissions that fall due come
 * as well.  When the time of one has come, it is decided who it is, and what
 * becomes of the visit, by midnight at the latest.  Who is to be admitted and
 * finds no bed waits and tries again, and is referred to another hospital in the
 * end.
 */
#include "postgres.h"

#include "journey_private.h"

#define OUTSIDE_ADMITTED 170000	/* referral_from_outside_city in volumes.csv */
#define OUTSIDE_SEEN 40000
#define ELECTIVE_BY_ED 150000	/* of elective codes' admissions, millionths */
#define CLINIC_PATIENT 350000	/* somebody of the code's clinic, where it has one */
#define LEFT_BEFORE_TRIAGE 24300
#define BED_TRIES 8
#define BED_WAIT (45 * USECS_PER_MINUTE)

/* ---- who comes today ---- */

static Stream
code_stream(const CaseCode *code)
{
	return code->flags & CASE_INJURY ? STREAM_ED_TRAUMA :
		code->flags & CASE_PAEDIATRIC ? STREAM_ED_PAED : STREAM_ED_MEDICAL;
}

/* Patients of the day, 16.16, of hundredths a year at 1,000 beds. */
static int64
rate(const Journey *j, const CaseCode *code, int64 yearly, Stream stream)
{
	const DayFacts *f = &j->plan.facts;
	int64		r = (yearly * j->yearly >> 16) * f->season[code->season] >> 16;

	if (code->flags & CASE_MEASLES)
		r = r * f->measles >> 16;
	if (code->flags & CASE_CHOLERA)
		r = r * f->cholera >> 16;
	if (code->flags & CASE_BURN)
		r = r * f->burns >> 16;
	return r * f->factor[stream] >> 16;
}

static int64
group_rate(const Journey *j, Group group, const CaseCode *code)
{
	int64		covid = j->plan.facts.covid * j->spec.beds / 1100;

	if (code->flags & CASE_COVID)
		return group == GROUP_ADMITTED ? covid : group == GROUP_SEEN ? covid * 9 / 10 : 0;
	if (code->flags & CASE_PERINATAL)
		return group == GROUP_SEEN ? rate(j, code, code->ed_visits, STREAM_ED_PAED) : 0;
	switch (group)
	{
		case GROUP_ADMITTED:
			if (code->way == WAY_ED)
				return rate(j, code, code->admissions, code_stream(code));
			if (code->way == WAY_ELECTIVE)
				return rate(j, code, code->admissions, code_stream(code)) * ELECTIVE_BY_ED / 1000000;
			return 0;
		case GROUP_SEEN:
			return rate(j, code, code->ed_visits, code_stream(code));
		case GROUP_ELECTIVE:
			if (code->way == WAY_ELECTIVE)
				return rate(j, code, code->admissions, STREAM_ELECTIVE) * (1000000 - ELECTIVE_BY_ED) / 1000000;
			return code->way == WAY_OPD ? rate(j, code, code->admissions, STREAM_ELECTIVE) : 0;
		default:
			return code->way == WAY_MATERNITY ? rate(j, code, code->admissions, STREAM_MATERNITY) : 0;
	}
}

static Stream
arrival_stream(const Journey *j, Group group, int code)
{
	return group == GROUP_ELECTIVE ? STREAM_ELECTIVE : group == GROUP_MATERNITY ? STREAM_MATERNITY :
		code_stream(&j->mix->codes[code]);
}

static Arrival *
new_arrival(Journey *j, Group group, int code, TimestampTz at)
{
	Arrival    *a = palloc0(sizeof(Arrival));

	a->number = j->arrivals++;
	a->group = group;
	a->code = (int16) code;
	a->at = at;
	a->visit = -1;
	a->appointment = -1;
	journey_push(j, at, (int64) a->number, a, NULL, -1);
	return a;
}

static void
plan_group(Journey *j, Group group)
{
	Dice		d = dice(j->seed, RANDOM_ARRIVAL, ((uint64) (uint32) j->day << 8) | group, 0);
	uint32	   *upto = j->upto[group];
	int64		sum = 0;
	int			count;

	for (int i = 0; i < j->mix->code_count; i++)
	{
		sum += group_rate(j, group, &j->mix->codes[i]);
		upto[i] = (uint32) sum;
	}
	count = poisson(sum, dice_word(&d));
	for (int i = 0; i < count; i++)
	{
		uint32		draw = dice_below(&d, (uint32) sum);
		int			low = 0;
		int			high = j->mix->code_count - 1;
		uint32		word = dice_word(&d);

		while (low < high)
		{
			int			middle = (low + high) / 2;

			if (draw < upto[middle])
				high = middle;
			else
				low = middle + 1;
		}
		new_arrival(j, group, low, midnight_of(j->day) +
					draw_second(&j->plan.facts, arrival_stream(j, group, low), word, dice_word(&d)) *
					USECS_PER_SEC);
	}
}

static void
plan_clinic(Journey *j)
{
	Appointment *list;
	int			count = clinic_day(j->clinic, j->patients, &j->plan.facts, &list);

	for (int i = 0; i < count; i++)
	{
		Arrival    *a = new_arrival(j, GROUP_SEEN, list[i].code,
									midnight_of(j->day) + list[i].second * USECS_PER_SEC);

		a->person = list[i].person;
		a->appointment = list[i].number;
		a->last_appointment = list[i].last;
	}
}

/* Readmissions and deaths that fall due.  Nobody is readmitted who has outgrown the illness. */
static void
plan_later(Journey *j)
{
	int			kept = 0;

	for (int i = 0; i < j->later_count; i++)
	{
		Later	   *l = &j->later[i];

		if (l->at >= journey_day_ends(j))
		{
			j->later[kept++] = *l;
			continue;
		}
		if (l->code >= 0)
		{
			if (age_on(l->person.born, j->day) <= j->mix->codes[l->code].max_age)
				new_arrival(j, GROUP_ADMITTED, l->code, l->at)->person = l->person;
		}
		else if (patients_free(j->patients, l->person.id))
			patients_died(j->patients, &l->person, l->at);
	}
	j->later_count = kept;
}

/* ---- their visits ---- */

/* Minutes that the visit takes; less when the day would be over. */
static TimestampTz
visit_ends(const Journey *j, TimestampTz arrived, int minutes, uint32 word)
{
	TimestampTz ends = arrived + minutes * USECS_PER_MINUTE;

	if (ends < journey_day_ends(j))
		return ends;
	return arrived + (TimestampTz) (((uint64) (journey_day_ends(j) - arrived - USECS_PER_SEC) *
									 (uint64) (word >> 12)) >> 20) / USECS_PER_SEC * USECS_PER_SEC;
}

/*
 * By transitions.csv: shares of colours among those admitted, and among the
 * others, of whom some leave before they have one.
 */
static Triage
draw_triage(bool admitted, Dice *d)
{
	static const uint32 upto[2][5] = {
		{9500, 166300, 561000, 995600, 1000000},	/* not admitted */
		{129000, 389000, 973000, 1000000, 1000000},
	};
	uint32		draw = dice_below(d, 1000000);
	int			colour = 0;

	if (!admitted && dice_ppm(d, LEFT_BEFORE_TRIAGE))
		return TRIAGE_NONE;
	while (colour < 4 && draw >= upto[admitted][colour])
		colour++;
	return (Triage) colour;
}

static int
triage_minutes(Triage triage, Dice *d)
{
	static const int hours[5] = {4, 6, 7, 5, 1};

	return 25 + (int) dice_below(d, (uint32) hours[triage] * 90);
}

/* How an emergency visit without an admission ends; transitions.csv given that. */
static Disposition
draw_disposition(Triage triage, Dice *d)
{
	uint32		draw = dice_below(d, 1000000);

	switch (triage)
	{
		case TRIAGE_NONE:
			return LEFT_BEFORE_SEEN;
		case TRIAGE_RED:
			return draw < 850000 ? LEFT_DIED : LEFT_TRANSFERRED;
		case TRIAGE_BLUE:
			return LEFT_DIED;
		case TRIAGE_GREEN:
			return draw < 92000 ? LEFT_BEFORE_SEEN : draw < 143000 ? LEFT_TO_CLINIC :
				draw < 153600 ? LEFT_ABSCONDED : draw < 159000 ? LEFT_REFUSED :
				draw < 162500 ? LEFT_TRANSFERRED : LEFT_DISCHARGED;
		default:
			if (triage == TRIAGE_YELLOW && draw < 66000)
				return LEFT_BEFORE_SEEN;
			draw = dice_below(d, 1000000);
			return draw < 9000 ? LEFT_DIED : draw < 59000 ? LEFT_TRANSFERRED :
				draw < 79000 ? LEFT_REFUSED : draw < 99000 ? LEFT_ABSCONDED : LEFT_DISCHARGED;
	}
}

static void
start_visit(Journey *j, Arrival *a, Dice *d)
{
	const CaseCode *code = &j->mix->codes[a->code];
	VisitPlan  *v;
	int			days;

	if (a->person.id == 0 && a->appointment < 0 && dice_ppm(d, CLINIC_PATIENT))
		(void) clinic_patient(j->clinic, j->patients, a->code, j->day, d, &a->person);
	if (a->person.id != 0 && a->group == GROUP_MATERNITY && !patients_may_deliver(j->patients, a->person.id))
		a->person.id = 0;
	if (a->person.id == 0)
		patients_pick(j->patients, code, a->appointment >= 0 ? 0 :
					  a->group == GROUP_SEEN ? OUTSIDE_SEEN : OUTSIDE_ADMITTED, d, &a->person, &a->outside);
	else
		patients_arrive(j->patients, &a->person);
	a->visit = journey_add_visit(j);
	v = &j->plan.visits[a->visit];
	days = j->day - a->person.born;
	v->person = a->person;
	v->code = a->code;
	v->department = (int16) case_department(code, age_on(a->person.born, j->day), days);
	v->arrived = a->at;
	v->triage = TRIAGE_NONE;
	v->appointment = a->appointment;
	v->last_appointment = a->last_appointment;
	v->hiv = patients_hiv(j->patients, &a->person, code);
	v->way = a->appointment >= 0 ? VISIT_OUTPATIENT : a->group == GROUP_ELECTIVE ? VISIT_ELECTIVE :
		a->group == GROUP_MATERNITY ? VISIT_MATERNITY :
		a->outside && dice_ppm(d, 500000) && a->group == GROUP_ADMITTED ? VISIT_TRANSFER_IN : VISIT_EMERGENCY;
}

static void
outpatient_visit(Journey *j, VisitPlan *v, Dice *d)
{
	uint32		draw = dice_below(d, 1000000);

	v->left = visit_ends(j, v->arrived, 60 + (int) dice_below(d, 240), dice_word(d));
	v->disposition = v->last_appointment ? (draw < 630000 ? LEFT_DISCHARGED : LEFT_TO_CLINIC) : LEFT_FOLLOW_UP;
}

static void
emergency_visit(Journey *j, VisitPlan *v, Dice *d)
{
	bool		obstetric = v->department == j->mix->obstetrics;

	v->triage = (int8) draw_triage(false, d);
	if (obstetric && v->triage == TRIAGE_BLUE)
		v->triage = TRIAGE_RED;
	v->disposition = (uint8) draw_disposition((Triage) v->triage, d);
	if (obstetric && v->disposition == LEFT_DIED)
		v->disposition = v->triage == TRIAGE_RED ? LEFT_TRANSFERRED : LEFT_DISCHARGED;

	/* a child does not go away alone */
	if (v->disposition == LEFT_ABSCONDED && age_on(v->person.born, j->day) < 13)
		v->disposition = LEFT_DISCHARGED;
	v->left = visit_ends(j, v->arrived, v->triage == TRIAGE_NONE ? 60 :
						 triage_minutes((Triage) v->triage, d), dice_word(d));
	if (v->disposition == LEFT_DIED)
		patients_died(j->patients, &v->person, v->left);
}

/* Ask for a bed; or ask again, or refer the patient out. */
static void
admit(Journey *j, Arrival *a, Dice *d, TimestampTz at)
{
	VisitPlan  *v = &j->plan.visits[a->visit];
	StayType	type = v->way == VISIT_ELECTIVE ? STAY_ELECTIVE : v->way == VISIT_MATERNITY ? STAY_MATERNITY :
		v->way == VISIT_TRANSFER_IN ? STAY_TRANSFER_IN : STAY_EMERGENCY;
	Stay	   *stay = journey_begin_stay(j, v, type, at);

	if (stay != NULL)
	{
		stay->outside = a->outside;
		return;
	}
	if (++a->tries < BED_TRIES && at + BED_WAIT < journey_day_ends(j))
	{
		a->at = at + BED_WAIT;
		journey_push(j, a->at, (int64) a->number, a, NULL, -1);
		return;
	}
	v->left = at;
	v->disposition = type == STAY_ELECTIVE ? LEFT_FOLLOW_UP : LEFT_TRANSFERRED;
}

void
journey_arrival_due(Journey *j, Arrival *a, TimestampTz at)
{
	Dice		d = dice(j->seed, RANDOM_ARRIVAL,
						 ((uint64) (uint32) j->day << 24) | (uint64) a->number, (uint32) (1 + a->tries * 64));
	VisitPlan  *v;
	TimestampTz ready;

	if (a->visit >= 0)
	{
		admit(j, a, &d, at);
		return;
	}
	if (a->person.id != 0 && !patients_free(j->patients, a->person.id))
		return;
	start_visit(j, a, &d);
	v = &j->plan.visits[a->visit];
	if (a->appointment >= 0)
	{
		outpatient_visit(j, v, &d);
		return;
	}
	if (a->group == GROUP_SEEN)
	{
		emergency_visit(j, v, &d);
		return;
	}
	if (v->way == VISIT_EMERGENCY || v->way == VISIT_TRANSFER_IN)
		v->triage = (int8) draw_triage(true, &d);

	/* triage, a doctor, the decision */
	ready = visit_ends(j, at, a->group == GROUP_ADMITTED ? 40 + (int) dice_below(&d, 420) :
					   10 + (int) dice_below(&d, 60), dice_word(&d));
	a->tries = 1;
	journey_push(j, ready, (int64) a->number, a, NULL, -1);
}

void
journey_plan_arrivals(Journey *j)
{
	for (int g = 0; g < GROUPS; g++)
		plan_group(j, (Group) g);
	plan_clinic(j);
	plan_later(j);
}
