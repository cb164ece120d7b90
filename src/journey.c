/*
 * journey.c: the hospital's days one after the other: who lies where, and leaves how.
 *
 * A day begins with what is known of it: who comes when (journey_arrivals.c),
 * and the next thing to happen in every stay.  All of that goes through one
 * queue in order of time, so that at every moment it is known who is dead, who
 * lies where, and which beds are free.
 *
 * An admission that finds no bed of its department goes to another ward that
 * takes the patient (overflow, and home when there is room).  A move that finds
 * no bed does not happen.
 *
 * All ids are given in the order of time, from 1 each day.  Nothing here is
 * drawn from a state: each draw belongs to a day, an admission, a person.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "journey_private.h"
#include "stays.h"

#define READMITTED 90500		/* within 30 days: transitions.csv */
#define DIES_AFTER 12000
#define RETRY_MOVE (5 * USECS_PER_HOUR)
#define TRANSFER_MARGIN (30 * USECS_PER_MINUTE)
#define MOVE_TRIES 300
#define EXCHANGE_TRIES 100000	/* pairs: all of a hospital of 450 beds */

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

void
journey_push(Journey *j, TimestampTz at, int64 tie, Arrival *arrival, Stay *stay, int slot)
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

int
journey_add_visit(Journey *j)
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

/* Nobody is moved then. */
static bool
is_operated(const Stay *stay)
{
	return stay->in_theatre && stay->theatre != 0;
}

/* When something happens next in the stay. */
static void
set_next(Stay *stay, TimestampTz now)
{
	stay->next = stay->ends;
	if (stay->phase + 1 < stay->phase_count && !is_operated(stay))
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
	if (stay->next < journey_day_ends(j))
		journey_push(j, stay->next, stay->admission_id, NULL, stay, -1);
}

/* A move to a bed that is the patient's from now on. */
static void
note_move(Journey *j, Stay *stay, int16 ward, int16 bed, bool overflow, MoveReason reason,
		  TimestampTz at)
{
	StayEvent  *e = add_event(j, at, stay, STAY_MOVED);

	stay->ward = ward;
	stay->bed = bed;
	stay->overflow = overflow;
	stay->moved_today = true;
	stay->moved = at;
	e->to_ward = stay->ward;
	e->to_bed = stay->bed;
	e->reason = reason;
	j->moves++;
}

static void
move_to(Journey *j, Stay *stay, int16 ward, bool overflow, MoveReason reason, TimestampTz at)
{
	beds_give(j->beds, stay->ward, stay->bed);
	note_move(j, stay, ward, beds_take(j->beds, ward), overflow, reason, at);
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
		phase->offset = (int32) ((at - stay->admitted) / USECS_PER_MINUTE);
		stay_space_phases(stay);
		if (ward != stay->ward)
			move_to(j, stay, ward, overflow, (MoveReason) phase->reason, at);
	}
	else if (phase->place == PLACE_WARD && same_kind)
		stay->phase++;			/* no other ward has room: it is given up */
	else
	{
		phase->offset = (int32) ((at + RETRY_MOVE - stay->admitted) / USECS_PER_MINUTE);
		stay_space_phases(stay);
	}
}

/* A patient in a ward of another department goes home when there is room. */
static void
go_home(Journey *j, Stay *stay, TimestampTz at)
{
	int16		ward;
	bool		overflow;

	if (!is_operated(stay) &&
		find_bed(j, stay, (Place) stay->phases[stay->phase].place, stay->ward, false, at, &ward, &overflow))
		move_to(j, stay, ward, overflow, MOVE_HOME_WARD, at);
}

static void admit_newborn(Journey *j, Stay *mother, const Person *child, int visit);

/* What a newborn needs care for, more often by what the mother has; -1: for nothing. */
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

/* A visit of each newborn's own, and a stay if it needs care. */
static void
deliver(Journey *j, Stay *mother, TimestampTz at)
{
	Dice		d = dice(j->seed, RANDOM_STAY, (uint64) mother->admission_id, 0x20000);

	add_event(j, at, mother, STAY_DELIVERED);
	patients_delivered(j->patients, mother->person.id);
	for (int i = 0; i < mother->births - (mother->stillbirth ? 1 : 0); i++)
	{
		Person		child;
		VisitPlan  *v;
		int			code;
		int			visit;
		bool		female = dice_below(&d, 2020) < 1000;	/* 102 boys to 100 girls */

		patients_born(j->patients, &mother->person, female, &child);
		visit = journey_add_visit(j);
		v = &j->plan.visits[visit];
		code = newborn_code(j, mother, &d);
		v->person = child;
		v->way = VISIT_NEWBORN;
		v->triage = TRIAGE_NONE;
		v->arrived = Min(at + i * 8 * USECS_PER_MINUTE, journey_day_ends(j) - USECS_PER_SEC);
		v->left = v->arrived;
		v->appointment = -1;
		v->department = (int16) j->mix->neonatology;
		v->code = (int16) (code >= 0 ? code : j->mix->born_here);
		v->disposition = LEFT_DISCHARGED;
		if (code >= 0)
			admit_newborn(j, mother, &child, visit);
		else
			v->left = Min(v->arrived + 90 * USECS_PER_MINUTE, journey_day_ends(j) - USECS_PER_SEC);
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
	if (stay->delivery != 0 && at >= stay->delivery && !stay->delivered)
	{
		deliver(j, stay, at);
		stay->delivered = true;
	}
	if (stay->theatre != 0 && at >= stay->theatre)
	{
		if (!stay->in_theatre)
		{
			add_event(j, at, stay, STAY_THEATRE);
			stay->in_theatre = stay->operated = true;
		}
		else if (at >= stay->theatre + stay->theatre_minutes * USECS_PER_MINUTE)
		{
			add_event(j, at, stay, STAY_RECOVERED);
			stay->theatre = 0;
		}
	}
	if (stay->phase + 1 < stay->phase_count && !is_operated(stay) &&
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

Stay *
journey_begin_stay(Journey *j, VisitPlan *v, StayType type, TimestampTz at)
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

	if (journey_begin_stay(j, v, STAY_NEWBORN, v->arrived) == NULL)
	{
		v->disposition = LEFT_TRANSFERRED;
		v->left = Min(v->arrived + 4 * USECS_PER_HOUR, journey_day_ends(j) - USECS_PER_SEC);
	}
}

/* ---- medical transfers ---- */

static bool
may_move(const Journey *j, const Stay *stay, TimestampTz at)
{
	Place		place;

	if (stay->ended || stay->ward < 0 || is_operated(stay) || Max(stay->admitted, stay->moved) + TRANSFER_MARGIN > at ||
		stay->next < at + TRANSFER_MARGIN)
		return false;
	place = (Place) stay->phases[stay->phase].place;
	return place == PLACE_WARD || place == PLACE_POSTNATAL || place == PLACE_ANTENATAL;
}

/* Somebody who may be moved, to another ward that takes the patient; false: nobody. */
static bool
move_somebody(Journey *j, Dice *d, TimestampTz at)
{
	for (int i = 0; i < MOVE_TRIES; i++)
	{
		Stay	   *stay = j->stays[dice_below(d, (uint32) j->stay_count)];
		int16		ward;
		bool		overflow;

		if (!may_move(j, stay, at))
			continue;
		if (!find_bed(j, stay, (Place) stay->phases[stay->phase].place, stay->ward, true, at,
					  &ward, &overflow))
			continue;
		move_to(j, stay, ward, overflow, stay->overflow && !overflow ? MOVE_HOME_WARD : MOVE_BED, at);
		return true;
	}
	return false;
}

/* How well the ward suits a patient as he is now; 0: not at all. */
static int
ward_suits(const Journey *j, const Stay *stay, int ward)
{
	return beds_suit(j->beds, (Place) stay->phases[stay->phase].place, stay->department,
					 stay->person.female, stay->person.born, j->day, ward);
}

/* Two patients take each other's beds, if each suits the other's ward. */
static bool
exchange(Journey *j, Stay *a, Stay *b, TimestampTz at)
{
	int			in_b = a->ward == b->ward ? 0 : ward_suits(j, a, b->ward);
	int			in_a = in_b == 0 ? 0 : ward_suits(j, b, a->ward);
	int16		ward = a->ward;
	int16		bed = a->bed;

	if (in_a == 0)
		return false;
	note_move(j, a, b->ward, b->bed, in_b < BEST_MERIT, MOVE_BED, at);
	note_move(j, b, ward, bed, in_a < BEST_MERIT, MOVE_BED, at);
	return true;
}

/* Where no bed is free that somebody could be moved to, two are exchanged. */
static bool
exchange_somebody(Journey *j, Dice *d, TimestampTz at)
{
	Stay	  **movable = palloc(j->stay_count * sizeof(Stay *));
	int			count = 0;
	int			first = (int) dice_below(d, (uint32) j->stay_count);
	int			tries = EXCHANGE_TRIES;
	bool		done = false;

	for (int i = 0; i < j->stay_count; i++)
	{
		Stay	   *stay = j->stays[(first + i) % j->stay_count];

		if (may_move(j, stay, at))
			movable[count++] = stay;
	}
	for (int i = 0; i < count && !done; i++)
		for (int k = i + 1; k < count && !done && tries > 0; k++, tries--)
			done = exchange(j, movable[i], movable[k], at);
	pfree(movable);
	return done;
}

/*
 * A day has a fixed number of medical transfers.  Where by the time of number
 * "slot" fewer patients have moved, some are moved to make room, or exchanged
 * when all is full: on a hospital's first day, when there is hardly anybody,
 * later than planned.
 */
static void
transfer_due(Journey *j, int slot, TimestampTz at)
{
	Dice		d = dice(j->seed, RANDOM_TRANSFER, ((uint64) (uint32) j->day << 20) | (uint64) slot, 0);

	while (j->moves <= slot && j->stay_count > 0 &&
		   (move_somebody(j, &d, at) || exchange_somebody(j, &d, at)))
		;
}

static void
plan_transfers(Journey *j)
{
	for (int i = 0; i < j->spec.transfers; i++)
		journey_push(j, midnight_of(j->day) + USECS_PER_DAY / 50 +
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
			journey_push(j, at, stay->admission_id, NULL, stay, -1);
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
		j->stays[i]->moved_today = false;
		j->stays[i]->ward_at_midnight = j->stays[i]->ward;
		j->stays[i]->bed_at_midnight = j->stays[i]->bed;
		schedule(j, j->stays[i]);
	}
	journey_plan_arrivals(j);
	plan_homecoming(j);
	plan_transfers(j);
	while (j->queue->bh_size > 0)
	{
		Item		item = *(Item *) DatumGetPointer(binaryheap_remove_first(j->queue));

		if (item.arrival != NULL)
			journey_arrival_due(j, item.arrival, item.at);
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
