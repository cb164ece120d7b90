/*
 * journey.c: who comes to the hospital, lies where, and leaves how.
 *
 * A day begins with what is known of it: how many come by each way and when
 * (Poisson, by the codes' yearly numbers, season, weekday, events), clinic
 * appointments, readmissions that fall due, and the next thing to happen in
 * every stay.  All of that goes through one queue in order of time, so that at
 * every moment it is known who is dead, who lies where, and which beds are free.
 *
 * An admission that finds no bed of its department goes to another ward that
 * takes the patient (overflow, and home when there is room); if there is none,
 * it waits and tries again, and is referred to another hospital in the end.  A
 * move that finds no bed does not happen.  Every visit is decided by midnight.
 *
 * All ids are given in the order of time, from 1 each day.  Nothing here is
 * drawn from a state: each draw belongs to a day, an admission, a person.
 */
#include "postgres.h"

#include "lib/binaryheap.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "beds.h"
#include "clinic.h"
#include "journey.h"
#include "patients.h"
#include "stays.h"
#include "workforce.h"

#define OUTSIDE_ADMITTED 170000	/* referral_from_outside_city in volumes.csv */
#define OUTSIDE_SEEN 40000
#define ELECTIVE_BY_ED 150000	/* of elective codes' admissions, millionths */
#define READMITTED 90500		/* within 30 days: transitions.csv */
#define DIES_AFTER 12000
#define CLINIC_PATIENT 350000	/* somebody of the code's clinic, where it has one */
#define LEFT_BEFORE_TRIAGE 24300
#define BED_TRIES 8
#define BED_WAIT (45 * USECS_PER_MINUTE)
#define RETRY_MOVE (5 * USECS_PER_HOUR)
#define TRANSFER_MARGIN (30 * USECS_PER_MINUTE)

typedef enum Group
{
	GROUP_ADMITTED,				/* by the emergency department */
	GROUP_SEEN,					/* there, and not admitted */
	GROUP_ELECTIVE,
	GROUP_MATERNITY,
	GROUPS
} Group;

/* One who comes, or comes again to ask for a bed. */
typedef struct Arrival
{
	TimestampTz at;
	int			number;			/* of the day: breaks ties, and names its draws */
	Group		group;
	int16		code;
	Person		person;			/* id 0: not yet known */
	bool		outside;
	int			tries;
	int			visit;			/* of the plan, once there is one; -1 */
	int16		appointment;	/* -1: none */
	bool		last_appointment;
	Stay	   *mother;			/* of a newborn who needs a bed */
} Arrival;

/* Somebody to come, or to die, on a later day. */
typedef struct Later
{
	TimestampTz at;
	Person		person;
	int16		code;			/* -1: dies */
} Later;

struct Journey
{
	MemoryContext context;
	MemoryContext day_context;
	DaySpec		spec;
	uint64		seed;
	DateADT		day;			/* the last that was planned */
	const CaseMix *mix;
	WardList   *wards;
	Beds	   *beds;
	Patients   *patients;
	Clinic	   *clinic;
	OnDuty	   *duty;

	Stay	  **stays;			/* active, and those that ended on the last day */
	int			stay_count;
	int			stay_room;
	Later	   *later;
	int			later_count;
	int			later_room;

	/* of the day at hand */
	DayPlan		plan;
	binaryheap *queue;			/* of Arrival * and Stay *, see Item */
	int			arrivals;
	int			moves;
	int			visit_room;
	int			event_room;
	uint32	   *upto[GROUPS];	/* cumulative 16.16 patients by code */
	int64		yearly;			/* of a hundredth a year at 1,000 beds, a day here; 0.32 */
};

/* What the queue holds. */
typedef struct Item
{
	TimestampTz at;
	int64		tie;
	Arrival    *arrival;
	Stay	   *stay;
	int			slot;			/* of a medical transfer, from 0; -1 */
} Item;

const WardList *
journey_wards(const Journey *j)
{
	return j->wards;
}

const OnDuty *
journey_duty(const Journey *j)
{
	return j->duty;
}

/* ---- the queue ---- */

static int
compare_items(Datum a, Datum b, void *arg)
{
	const Item *x = (const Item *) DatumGetPointer(a);
	const Item *y = (const Item *) DatumGetPointer(b);

	/* the heap gives the greatest first */
	if (x->at != y->at)
		return x->at < y->at ? 1 : -1;
	return x->tie < y->tie ? 1 : x->tie > y->tie ? -1 : 0;
}

static void
push(Journey *j, TimestampTz at, int64 tie, Arrival *arrival, Stay *stay, int slot)
{
	Item	   *item = palloc(sizeof(Item));

	item->at = at;
	item->tie = tie;
	item->arrival = arrival;
	item->stay = stay;
	item->slot = slot;
	if (j->queue->bh_size == j->queue->bh_space)
	{
		binaryheap *larger = binaryheap_allocate(j->queue->bh_space * 2, compare_items, NULL);

		for (int i = 0; i < j->queue->bh_size; i++)
			binaryheap_add_unordered(larger, j->queue->bh_nodes[i]);
		binaryheap_build(larger);
		j->queue = larger;
	}
	binaryheap_add(j->queue, PointerGetDatum(item));
}

static TimestampTz
day_ends(const Journey *j)
{
	return midnight_of(j->day + 1);
}

/* ---- the plan's lists ---- */

static StayEvent *
add_event(Journey *j, TimestampTz at, Stay *stay, StayEventKind kind)
{
	StayEvent  *e;

	if (j->plan.event_count == j->event_room)
	{
		j->event_room *= 2;
		j->plan.events = repalloc(j->plan.events, j->event_room * sizeof(StayEvent));
	}
	e = &j->plan.events[j->plan.event_count++];
	memset(e, 0, sizeof(*e));
	e->at = at;
	e->stay = stay;
	e->kind = kind;
	e->from_ward = e->to_ward = stay->ward;
	e->from_bed = e->to_bed = stay->bed;
	return e;
}

static int
add_visit(Journey *j)
{
	if (j->plan.visit_count == j->visit_room)
	{
		j->visit_room *= 2;
		j->plan.visits = repalloc(j->plan.visits, j->visit_room * sizeof(VisitPlan));
	}
	memset(&j->plan.visits[j->plan.visit_count], 0, sizeof(VisitPlan));
	j->plan.visits[j->plan.visit_count].visit_id = RECORD_ID(j->day, ++j->plan.visit_ids);
	return j->plan.visit_count++;
}

static void
add_later(Journey *j, TimestampTz at, const Person *person, int code)
{
	Later	   *l;

	if (j->later_count == j->later_room)
	{
		j->later_room *= 2;
		j->later = repalloc(j->later, j->later_room * sizeof(Later));
	}
	l = &j->later[j->later_count++];
	l->at = at;
	l->person = *person;
	l->code = (int16) code;
}

static Stay *
new_stay(Journey *j)
{
	Stay	   *stay = MemoryContextAllocZero(j->context, sizeof(Stay));

	if (j->stay_count == j->stay_room)
	{
		j->stay_room *= 2;
		j->stays = repalloc(j->stays, j->stay_room * sizeof(Stay *));
	}
	j->stays[j->stay_count++] = stay;
	stay->ward = stay->bed = -1;
	stay->ward_at_midnight = stay->bed_at_midnight = -1;
	return stay;
}

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
	push(j, at, (int64) a->number, a, NULL, -1);
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

/* Readmissions and deaths that fall due. */
static void
plan_later(Journey *j)
{
	int			kept = 0;

	for (int i = 0; i < j->later_count; i++)
	{
		Later	   *l = &j->later[i];

		if (l->at >= day_ends(j))
		{
			j->later[kept++] = *l;
			continue;
		}
		if (l->code >= 0)
			new_arrival(j, GROUP_ADMITTED, l->code, l->at)->person = l->person;
		else if (patients_free(j->patients, l->person.id))
			patients_died(j->patients, &l->person, l->at);
	}
	j->later_count = kept;
}

/* ---- stays ---- */

static bool
find_bed(Journey *j, Stay *stay, Place place, int avoid, bool overflow_allowed, TimestampTz at,
		 int16 *ward, bool *overflow)
{
	uint32		word = random_block(j->seed, RANDOM_STAY, (uint64) stay->admission_id,
									0x10000 + (uint32) (at / USECS_PER_MINUTE & 0xFFFF)).v[0];

	return beds_find(j->beds, place, stay->department, stay->person.female, stay->person.born,
					 j->day, overflow_allowed, avoid, word, ward, overflow);
}

static void
leave_place(Stay *stay, TimestampTz at)
{
	Place		place = stay->phase_count > 0 ? (Place) stay->phases[stay->phase].place : PLACE_WARD;

	stay->place_minutes[place] += (int32) ((at - stay->since) / USECS_PER_MINUTE);
	stay->since = at;
}

/* When something happens next in the stay. */
static void
set_next(Stay *stay, TimestampTz now)
{
	stay->next = stay->ends;
	if (stay->phase + 1 < stay->phase_count)
		stay->next = Min(stay->next, stay->admitted +
						 stay->phases[stay->phase + 1].offset * USECS_PER_MINUTE);
	if (stay->theatre > now)
		stay->next = Min(stay->next, stay->theatre);
	else if (stay->theatre != 0 && stay->theatre + stay->theatre_minutes * USECS_PER_MINUTE > now)
		stay->next = Min(stay->next, stay->theatre + stay->theatre_minutes * USECS_PER_MINUTE);
	if (stay->delivery > now)
		stay->next = Min(stay->next, stay->delivery);
	stay->next = Max(stay->next, now + USECS_PER_SEC);
}

static void
schedule(Journey *j, Stay *stay)
{
	if (stay->next < day_ends(j))
		push(j, stay->next, stay->admission_id, NULL, stay, -1);
}

static void
move_to(Journey *j, Stay *stay, int16 ward, bool overflow, MoveReason reason, TimestampTz at)
{
	StayEvent  *e = add_event(j, at, stay, STAY_MOVED);

	beds_give(j->beds, stay->ward, stay->bed);
	stay->ward = ward;
	stay->bed = beds_take(j->beds, ward);
	stay->overflow = overflow;
	e->to_ward = stay->ward;
	e->to_bed = stay->bed;
	e->reason = reason;
	j->moves++;
}

/* The next phase begins; without a bed for it the patient stays and it is tried again. */
static void
next_phase(Journey *j, Stay *stay, TimestampTz at)
{
	Phase	   *phase = &stay->phases[stay->phase + 1];
	bool		same_kind = phase->place == stay->phases[stay->phase].place;
	int16		ward;
	bool		overflow;

	if (find_bed(j, stay, (Place) phase->place, same_kind ? stay->ward : -1, true, at, &ward, &overflow))
	{
		leave_place(stay, at);
		stay->phase++;
		if (ward != stay->ward)
			move_to(j, stay, ward, overflow, (MoveReason) phase->reason, at);
	}
	else if (phase->place == PLACE_WARD && same_kind)
		stay->phase++;			/* no other ward has room: it is given up */
	else
		phase->offset = (int32) ((at + RETRY_MOVE - stay->admitted) / USECS_PER_MINUTE);
}

/* A patient in a ward of another department goes home when there is room. */
static void
go_home(Journey *j, Stay *stay, TimestampTz at)
{
	int16		ward;
	bool		overflow;

	if (find_bed(j, stay, (Place) stay->phases[stay->phase].place, stay->ward, false, at, &ward, &overflow))
		move_to(j, stay, ward, overflow, MOVE_HOME_WARD, at);
}

static void admit_newborn(Journey *j, Stay *mother, const Person *child, int visit);

/* Chance that a newborn needs care, millionths, by what the mother has. */
static int
newborn_code(const Journey *j, const Stay *mother, Dice *d)
{
	const char *icd = j->mix->codes[mother->code].icd.data;
	bool		early = strncmp(icd, "O60", 3) == 0 || strncmp(icd, "O14", 3) == 0 ||
		strncmp(icd, "O15", 3) == 0 || strncmp(icd, "O30", 3) == 0 || strncmp(icd, "O45", 3) == 0 ||
		strncmp(icd, "O42", 3) == 0;
	uint32		total = 0;
	uint32		draw;

	/* newborns with a P code a year, to 8,150 deliveries a year, both at 1,000 beds */
	for (int i = 0; i < j->mix->code_count; i++)
		if (j->mix->codes[i].icd.data[0] == 'P')
			total += (uint32) j->mix->codes[i].admissions;
	if (!dice_ppm(d, (uint32) Min((uint64) total * 10000 / 8150 * (early ? 200 : 92) / 100, 950000)))
		return -1;
	draw = dice_below(d, total);
	for (int i = 0; i < j->mix->code_count; i++)
	{
		const CaseCode *c = &j->mix->codes[i];

		if (c->icd.data[0] != 'P')
			continue;
		if (draw < c->admissions)
			return i;
		draw -= (uint32) c->admissions;
	}
	return -1;
}

/* A visit of the newborn's own, and a stay if it needs care. */
static void
deliver(Journey *j, Stay *mother, TimestampTz at)
{
	Dice		d = dice(j->seed, RANDOM_STAY, (uint64) mother->admission_id, 0x20000);

	add_event(j, at, mother, STAY_DELIVERED);
	for (int i = 0; i < mother->births; i++)
	{
		Person		child;
		VisitPlan  *v;
		int			code;
		int			visit;
		bool		female = dice_below(&d, 2020) < 1000;	/* 102 boys to 100 girls */

		if (i == 0 && mother->stillbirth)
			continue;
		patients_born(j->patients, &mother->person, female, &child);
		visit = add_visit(j);
		v = &j->plan.visits[visit];
		code = newborn_code(j, mother, &d);
		v->person = child;
		v->way = VISIT_NEWBORN;
		v->triage = TRIAGE_NONE;
		v->arrived = at + i * 8 * USECS_PER_MINUTE;
		v->left = v->arrived;
		v->appointment = -1;
		v->department = (int16) j->mix->neonatology;
		v->code = (int16) (code >= 0 ? code : j->mix->born_here);
		v->disposition = LEFT_DISCHARGED;
		if (code >= 0)
			admit_newborn(j, mother, &child, visit);
		else
			v->left = Min(v->arrived + 90 * USECS_PER_MINUTE, day_ends(j) - USECS_PER_SEC);
	}
}

static void
end_stay(Journey *j, Stay *stay, TimestampTz at)
{
	Dice		d = dice(j->seed, RANDOM_STAY, (uint64) stay->admission_id, 0x30000);
	int			days;

	leave_place(stay, at);
	add_event(j, at, stay, STAY_ENDED);
	beds_give(j->beds, stay->ward, stay->bed);
	stay->ended = true;
	patients_left(j->patients, stay->person.id);
	if (stay->outcome == OUTCOME_DIED)
	{
		patients_died(j->patients, &stay->person, at);
		return;
	}
	days = 1 + (int) dice_below(&d, 30);
	if (stay->type == STAY_EMERGENCY && stay->outcome != OUTCOME_TRANSFERRED && dice_ppm(&d, READMITTED))
		add_later(j, at + days * USECS_PER_DAY + dice_below(&d, 3600) * USECS_PER_SEC, &stay->person,
				  stay->code);
	else if (dice_ppm(&d, stay->type == STAY_EMERGENCY ? DIES_AFTER : DIES_AFTER / 10))
		add_later(j, at + days * USECS_PER_DAY + dice_below(&d, 3600) * USECS_PER_SEC, &stay->person, -1);
}

/* Something is due in a stay. */
static void
stay_due(Journey *j, Stay *stay, TimestampTz at)
{
	if (stay->ended || at < stay->next)
		return;
	if (at >= stay->ends)
	{
		end_stay(j, stay, at);
		return;
	}
	if (stay->delivery != 0 && at >= stay->delivery && stay->births > 0)
	{
		deliver(j, stay, at);
		stay->births = 0;
		stay->delivered = true;
	}
	if (stay->theatre != 0 && at >= stay->theatre)
	{
		if (at < stay->theatre + stay->theatre_minutes * USECS_PER_MINUTE)
		{
			add_event(j, at, stay, STAY_THEATRE);
			stay->operated = true;
		}
		else
		{
			add_event(j, at, stay, STAY_RECOVERED);
			stay->theatre = 0;
		}
	}
	if (stay->phase + 1 < stay->phase_count &&
		at >= stay->admitted + stay->phases[stay->phase + 1].offset * USECS_PER_MINUTE)
		next_phase(j, stay, at);
	set_next(stay, at);
	schedule(j, stay);
}

/* Gives the stay its first bed; false when there is none. */
static bool
try_to_admit(Journey *j, Stay *stay, TimestampTz at)
{
	int16		ward;
	bool		overflow;
	Place		place = (Place) stay->phases[0].place;

	if (!find_bed(j, stay, place, -1, true, at, &ward, &overflow))
	{
		/* critical patients go to the next best place, women in labour to any of maternity */
		Place		second = place == PLACE_ICU ? PLACE_HIGH_CARE :
			place == PLACE_LABOUR || place == PLACE_POSTNATAL ? PLACE_ANTENATAL :
			place == PLACE_ANTENATAL ? PLACE_POSTNATAL : PLACE_WARD;

		if (!find_bed(j, stay, second, -1, true, at, &ward, &overflow) &&
			!find_bed(j, stay, PLACE_WARD, -1, true, at, &ward, &overflow))
			return false;
	}
	stay->ward = stay->first_ward = ward;
	stay->bed = beds_take(j->beds, ward);
	stay->overflow = overflow;
	stay->since = at;
	add_event(j, at, stay, STAY_ADMITTED)->from_ward = -1;
	patients_admitted(j->patients, stay->person.id);
	set_next(stay, at);
	schedule(j, stay);
	return true;
}

/* A stay that begins now, if there is a bed; NULL if there is none. */
static Stay *
begin_stay(Journey *j, VisitPlan *v, StayType type, TimestampTz at)
{
	Stay	   *stay = new_stay(j);

	stay->admission_id = RECORD_ID(j->day, j->plan.admission_count + 1);
	stay->visit_id = v->visit_id;
	stay->person = v->person;
	stay->code = v->code;
	stay->department = v->department;
	stay->type = (uint8) type;
	stay->triage = v->triage;
	stay->hiv = v->hiv;
	stay->arrived = v->arrived;
	stay->admitted = at;
	stay_plan(stay, j->seed, &j->plan.facts);
	if (!try_to_admit(j, stay, at))
	{
		pfree(j->stays[--j->stay_count]);
		return NULL;
	}
	j->plan.admission_count++;
	stay->doctor = on_duty_doctor(j->duty, v->way == VISIT_EMERGENCY ? j->mix->emergency :
								  v->department, v->arrived,
								  random_block(j->seed, RANDOM_VISIT, (uint64) v->visit_id, 0).v[0], NULL);
	v->stay = stay;
	v->left = at;
	v->disposition = LEFT_ADMITTED;
	return stay;
}

static void
admit_newborn(Journey *j, Stay *mother, const Person *child, int visit)
{
	VisitPlan  *v = &j->plan.visits[visit];

	if (begin_stay(j, v, STAY_NEWBORN, v->arrived) == NULL)
	{
		v->disposition = LEFT_TRANSFERRED;
		v->left = Min(v->arrived + 4 * USECS_PER_HOUR, day_ends(j) - USECS_PER_SEC);
	}
}

/* ---- arrivals ---- */

/* Minutes that the visit takes; less when the day would be over. */
static TimestampTz
visit_ends(const Journey *j, TimestampTz arrived, int minutes, uint32 word)
{
	TimestampTz ends = arrived + minutes * USECS_PER_MINUTE;

	if (ends < day_ends(j))
		return ends;
	return arrived + (TimestampTz) (((uint64) (day_ends(j) - arrived - USECS_PER_SEC) *
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
	if (a->person.id == 0)
		patients_pick(j->patients, code, a->appointment >= 0 ? 0 :
					  a->group == GROUP_SEEN ? OUTSIDE_SEEN : OUTSIDE_ADMITTED, d, &a->person, &a->outside);
	else
		patients_arrive(j->patients, &a->person);
	a->visit = add_visit(j);
	v = &j->plan.visits[a->visit];
	days = j->day - a->person.born;
	v->person = a->person;
	v->code = a->code;
	v->department = (int16) case_department(code, age_on(a->person.born, j->day), days);
	v->arrived = a->at;
	v->triage = TRIAGE_NONE;
	v->appointment = a->appointment;
	v->last_appointment = a->last_appointment;
	v->hiv = patient_hiv(j->seed, &a->person, code, j->day);
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
	v->disposition = (uint8) draw_disposition((Triage) v->triage, d);
	if (obstetric && v->disposition == LEFT_DIED)
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
	Stay	   *stay = begin_stay(j, v, type, at);

	if (stay != NULL)
	{
		stay->outside = a->outside;
		return;
	}
	if (++a->tries < BED_TRIES && at + BED_WAIT < day_ends(j))
	{
		a->at = at + BED_WAIT;
		push(j, a->at, (int64) a->number, a, NULL, -1);
		return;
	}
	v->left = at;
	v->disposition = type == STAY_ELECTIVE ? LEFT_FOLLOW_UP : LEFT_TRANSFERRED;
}

static void
arrival_due(Journey *j, Arrival *a, TimestampTz at)
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
	push(j, ready, (int64) a->number, a, NULL, -1);
}

/* ---- medical transfers ---- */

static bool
may_move(const Journey *j, const Stay *stay, TimestampTz at)
{
	Place		place;

	if (stay->ended || stay->ward < 0 || stay->admitted + TRANSFER_MARGIN > at ||
		stay->next < at + TRANSFER_MARGIN)
		return false;
	place = (Place) stay->phases[stay->phase].place;
	return place == PLACE_WARD || place == PLACE_POSTNATAL || place == PLACE_ANTENATAL;
}

/*
 * A day has a fixed number of medical transfers.  Where by the time of number
 * "slot" fewer patients have moved, somebody is moved to make room.
 */
static void
transfer_due(Journey *j, int slot, TimestampTz at)
{
	Dice		d;

	if (j->moves > slot || j->stay_count == 0)
		return;
	d = dice(j->seed, RANDOM_TRANSFER, ((uint64) (uint32) j->day << 20) | (uint64) slot, 0);
	for (int i = 0; i < 200; i++)
	{
		Stay	   *stay = j->stays[dice_below(&d, (uint32) j->stay_count)];
		int16		ward;
		bool		overflow;

		if (!may_move(j, stay, at))
			continue;
		if (!find_bed(j, stay, (Place) stay->phases[stay->phase].place, stay->ward, true, at,
					  &ward, &overflow))
			continue;
		move_to(j, stay, ward, overflow, stay->overflow && !overflow ? MOVE_HOME_WARD : MOVE_BED, at);
		return;
	}
}

static void
plan_transfers(Journey *j)
{
	for (int i = 0; i < j->spec.transfers; i++)
		push(j, midnight_of(j->day) + USECS_PER_DAY / 50 +
			 (int64) (i + 1) * (USECS_PER_DAY - USECS_PER_DAY / 20) / j->spec.transfers,
			 INT64CONST(0x7000000000000000) + i, NULL, NULL, i);
}

/* ---- a day ---- */

static void
drop_ended(Journey *j)
{
	int			kept = 0;

	for (int i = 0; i < j->stay_count; i++)
	{
		if (j->stays[i]->ended)
			pfree(j->stays[i]);
		else
			j->stays[kept++] = j->stays[i];
	}
	j->stay_count = kept;
}

static void
begin_day(Journey *j)
{
	drop_ended(j);
	MemoryContextReset(j->day_context);
	MemoryContextSwitchTo(j->day_context);
	memset(&j->plan, 0, sizeof(j->plan));
	j->plan.day = j->day;
	day_facts(j->day, &j->plan.facts);
	j->arrivals = j->moves = 0;
	j->visit_room = 2048;
	j->plan.visits = palloc(j->visit_room * sizeof(VisitPlan));
	j->event_room = 1024;
	j->plan.events = palloc(j->event_room * sizeof(StayEvent));
	j->queue = binaryheap_allocate(4096, compare_items, NULL);
	for (int g = 0; g < GROUPS; g++)
		j->upto[g] = palloc(j->mix->code_count * sizeof(uint32));
	patients_new_day(j->patients, j->day);
}

/* Overflowed patients look for room in their own wards in the morning. */
static void
plan_homecoming(Journey *j)
{
	for (int i = 0; i < j->stay_count; i++)
	{
		Stay	   *stay = j->stays[i];
		TimestampTz at = midnight_of(j->day) + 9 * USECS_PER_HOUR +
			(TimestampTz) (mix64((uint64) stay->admission_id) % (4 * 3600)) * USECS_PER_SEC;

		if (stay->overflow && at + TRANSFER_MARGIN < stay->next)
			push(j, at, stay->admission_id, NULL, stay, -1);
	}
}

const DayPlan *
journey_next(Journey *j)
{
	MemoryContext caller = CurrentMemoryContext;

	CHECK_FOR_INTERRUPTS();
	j->day++;
	MemoryContextSwitchTo(j->context);
	on_duty_day(j->duty, j->day);
	begin_day(j);
	for (int i = 0; i < j->stay_count; i++)
	{
		j->stays[i]->ward_at_midnight = j->stays[i]->ward;
		j->stays[i]->bed_at_midnight = j->stays[i]->bed;
		schedule(j, j->stays[i]);
	}
	for (int g = 0; g < GROUPS; g++)
		plan_group(j, (Group) g);
	plan_clinic(j);
	plan_later(j);
	plan_homecoming(j);
	plan_transfers(j);
	while (j->queue->bh_size > 0)
	{
		Item		item = *(Item *) DatumGetPointer(binaryheap_remove_first(j->queue));

		if (item.arrival != NULL)
			arrival_due(j, item.arrival, item.at);
		else if (item.slot >= 0)
			transfer_due(j, item.slot, item.at);
		else if (item.stay->overflow && item.at < item.stay->next && !item.stay->ended)
			go_home(j, item.stay, item.at);
		else
			stay_due(j, item.stay, item.at);
	}
	j->plan.stays = j->stays;
	j->plan.stay_count = j->stay_count;
	j->plan.registration_count = patients_registrations(j->patients, &j->plan.registrations);
	MemoryContextSwitchTo(caller);
	return &j->plan;
}

Journey *
journey_open(const DaySpec *spec)
{
	Journey    *j = palloc0(sizeof(Journey));

	j->context = CurrentMemoryContext;
	j->day_context = AllocSetContextCreate(CurrentMemoryContext, "hospital plan of a day",
										   ALLOCSET_DEFAULT_SIZES);
	j->spec = *spec;
	j->seed = (uint64) spec->seed;
	j->day = spec->start_date - 1;
	j->mix = casemix();
	j->yearly = ((int64) spec->beds << 32) / (1000 * INT64CONST(36500));
	j->wards = wards_build(spec->beds);
	j->beds = beds_open(j->wards);
	j->patients = patients_open(spec);
	j->clinic = clinic_open(spec);
	j->duty = on_duty_open(spec);
	j->stay_room = 1024;
	j->stays = palloc(j->stay_room * sizeof(Stay *));
	j->later_room = 256;
	j->later = palloc(j->later_room * sizeof(Later));
	return j;
}
