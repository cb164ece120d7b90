/*
 * day_stays.c: what happens on the day to those who lie in the hospital.
 *
 * Admissions (begun, and completed), status updates, assignments of doctors,
 * transfers; and for each stay the day's measurements and requests.
 */
#include "postgres.h"

#include "day_private.h"

/* Hours between measurements, by place. */
static const int vital_hours[PLACES] = {
	[PLACE_WARD] = 5, [PLACE_HIGH_CARE] = 4, [PLACE_ICU] = 2, [PLACE_LABOUR] = 3,
	[PLACE_ANTENATAL] = 8, [PLACE_POSTNATAL] = 8, [PLACE_KMC] = 8, [PLACE_STEP_DOWN] = 12
};

static const RecText outcomes[] = {
	[OUTCOME_DISCHARGED] = REC_TEXT_CONST("discharged"),
	[OUTCOME_DIED] = REC_TEXT_CONST("died"),
	[OUTCOME_ABSCONDED] = REC_TEXT_CONST("absconded"),
	[OUTCOME_REFUSED] = REC_TEXT_CONST("refused treatment"),
	[OUTCOME_TRANSFERRED] = REC_TEXT_CONST("transferred out"),
};

/* How ill on a day, 0 to 4. */
static int
stay_severity(const Stay *stay, Place place, DateADT day)
{
	bool		dying = stay->outcome == OUTCOME_DIED && day_of_time(stay->ends) - day <= 1;
	int			level = place == PLACE_ICU ? 3 : place == PLACE_HIGH_CARE ? 2 :
		stay->outcome == OUTCOME_DIED ? 2 : day - day_of_time(stay->admitted) < 2 ? 1 : 0;

	return dying ? 4 : level;
}

static Place
stay_place(const Stay *stay)
{
	return (Place) stay->phases[Max(stay->phase, 0)].place;
}

/* ---- admissions ---- */

static RecText
referrer(const DayBuilder *b, const Stay *stay)
{
	static const RecText from[4] = {
		REC_TEXT_CONST("community clinic"), REC_TEXT_CONST("general practitioner"),
		REC_TEXT_CONST("district hospital"), REC_TEXT_CONST("other province")
	};
	RecText		none = {NULL, 0};
	uint32		word = random_block(b->seed, RANDOM_STAY, (uint64) stay->admission_id, 0x40000).v[0];

	if (stay->outside)
		return from[2 + (word & 1)];
	if (stay->type == STAY_NEWBORN || word % 10 >= 4)
		return none;
	return from[word % 10 / 2];
}

static void
record_admission(DayBuilder *b, const Stay *stay)
{
	static const RecText types[] = {
		[STAY_EMERGENCY] = REC_TEXT_CONST("emergency"), [STAY_ELECTIVE] = REC_TEXT_CONST("elective"),
		[STAY_MATERNITY] = REC_TEXT_CONST("maternity"), [STAY_NEWBORN] = REC_TEXT_CONST("newborn"),
		[STAY_TRANSFER_IN] = REC_TEXT_CONST("transfer in")
	};
	Admission  *a = add_record(b, KIND_ADMISSIONS);

	a->admission_id = stay->admission_id;
	a->patient_id = stay->person.id;
	a->visit_id = stay->visit_id;
	a->ward_code = b->wards[stay->first_ward];
	a->admitted_at = stay->admitted;
	a->discharged_at = stay->ended ? stay->ends : REC_NULL8;
	a->triage = triage_text(stay->triage);
	if (stay->ended)
		a->outcome = outcomes[stay->outcome];
	a->department_code = b->departments[stay->department];
	a->admission_type = types[stay->type];
	a->referred_from = referrer(b, stay);
}

/* ---- status updates and doctors ---- */

static void
add_status(DayBuilder *b, const Stay *stay, TimestampTz at, RecText status, int ward, int bed)
{
	StatusUpdate *s = add_record(b, KIND_STATUS_UPDATES);
	uint32		word = (uint32) mix64((uint64) stay->admission_id ^ ((uint64) at << 8));

	s->admission_id = stay->admission_id;
	s->patient_id = stay->person.id;
	s->recorded_at = at;
	s->status = status;
	if (ward >= 0)
		s->ward_code = b->wards[ward];
	s->recorded_by = on_duty_nurse(b->duty, ward, at, word);
	s->bed_no = bed < 0 ? REC_NULL4 : bed + 1;
}

/* For the one who is assigned to the stay at a time. */
static uint32
doctor_word(const Stay *stay, TimestampTz at)
{
	return (uint32) mix64((uint64) stay->admission_id ^ ((uint64) at << 16));
}

static void
assign_doctor(DayBuilder *b, const Stay *stay, int department, TimestampTz at, RecText reason)
{
	DoctorAssignment *a = add_record(b, KIND_DOCTOR_ASSIGNMENTS);
	TimestampTz until;

	a->admission_id = stay->admission_id;
	a->patient_id = stay->person.id;
	a->doctor_id = on_duty_doctor(b->duty, department, at, doctor_word(stay, at), &until);
	a->starts_at = at;
	a->ends_at = Min(until, stay->ends);
	a->reason = reason;
}

static int
ward_department(const DayBuilder *b, int ward, const RecText *codes)
{
	(void) b;
	for (int i = 0; i < ward_plan_count; i++)
		if (strcmp(ward_plan[i].code, codes[ward].data) == 0)
			return department_number(ward_plan[i].department);
	return -1;
}

/* The fees of an operation that begins, and who operates: the surgeon who is assigned. */
static void
record_operation(DayBuilder *b, const Stay *stay, const StayEvent *event)
{
	const CaseCode *code = &b->mix->codes[stay->code];
	Encounter	e = {stay->visit_id, stay->admission_id, &stay->person, stay->department, event->to_ward,
	1, stay->code, stay->hiv};
	int64		surgeon = on_duty_doctor(b->duty, stay->department, event->at,
										 doctor_word(stay, event->at), NULL);

	if (!stay->caesarean)
		add_treatment(b, &e, theatre_fee(code), event->at, surgeon, 1);
	add_treatment(b, &e, anaesthetic_fee(code), event->at, surgeon, 1);
	add_status(b, stay, event->at, REC_TEXT_CONST("in theatre"), event->to_ward, event->to_bed);
	assign_doctor(b, stay, stay->department, event->at, REC_TEXT_CONST("surgeon"));
}

/* A birth: the mother's outcome of delivery.  Of twins at most one is stillborn. */
static void
record_delivery(DayBuilder *b, const Stay *stay, const StayEvent *event)
{
	static const RecText outcomes[2][2][2] = {
		{{REC_TEXT_CONST("Z37.0"), REC_TEXT_CONST("Single live birth")},
		{REC_TEXT_CONST("Z37.1"), REC_TEXT_CONST("Single stillbirth")}},
		{{REC_TEXT_CONST("Z37.2"), REC_TEXT_CONST("Twins, both liveborn")},
		{REC_TEXT_CONST("Z37.3"), REC_TEXT_CONST("Twins, one liveborn and one stillborn")}},
	};
	int			twins = stay->births > 1;
	int			still = stay->stillbirth;
	Encounter	e = {stay->visit_id, stay->admission_id, &stay->person, stay->department, event->to_ward,
	1, stay->code, stay->hiv};
	int64		doctor = on_duty_doctor(b->duty, stay->department, event->at,
										(uint32) mix64((uint64) stay->admission_id), NULL);

	add_status(b, stay, event->at, REC_TEXT_CONST("delivered"), event->to_ward, event->to_bed);
	add_treatment(b, &e, delivery_fee(stay), event->at, doctor, 1);
	add_diagnosis(b, &e, outcomes[twins][still][0], outcomes[twins][still][1], event->at,
				  REC_TEXT_CONST("secondary"));
}

static void
record_event(DayBuilder *b, const StayEvent *event)
{
	Stay	   *stay = event->stay;

	switch (event->kind)
	{
		case STAY_ADMITTED:
			add_status(b, stay, event->at, REC_TEXT_CONST("admitted"), event->to_ward, event->to_bed);
			assign_doctor(b, stay, stay->department, event->at, REC_TEXT_CONST("admitting"));
			break;
		case STAY_MOVED:
			add_status(b, stay, event->at, REC_TEXT_CONST("moved"), event->to_ward, event->to_bed);
			if (event->reason == MOVE_INTENSIVE_CARE)
				assign_doctor(b, stay, ward_department(b, event->to_ward, b->wards), event->at,
							  REC_TEXT_CONST("intensive care"));
			else if (event->reason == MOVE_SPECIALIST || event->reason == MOVE_REHABILITATION)
				assign_doctor(b, stay, stay->department, event->at, REC_TEXT_CONST("ward change"));
			break;
		case STAY_THEATRE:
			record_operation(b, stay, event);
			break;
		case STAY_RECOVERED:
			add_status(b, stay, event->at, REC_TEXT_CONST("in recovery"), event->to_ward, event->to_bed);
			break;
		case STAY_DELIVERED:
			record_delivery(b, stay, event);
			break;
		case STAY_ENDED:
			add_status(b, stay, event->at, outcomes[stay->outcome], event->from_ward, event->from_bed);
			break;
	}
}

/* Where the patient lies at a time, after the day's moves until then. */
static void
place_at(const DayBuilder *b, const Stay *stay, TimestampTz at, int *ward, int *bed)
{
	if (!stay->moved_today)
		return;
	for (int i = 0; i < b->plan->event_count; i++)
	{
		const StayEvent *e = &b->plan->events[i];

		if (e->stay == stay && e->kind == STAY_MOVED && e->at <= at)
		{
			*ward = e->to_ward;
			*bed = e->to_bed;
		}
	}
}

/* A round, in the morning or the evening, of those who were there at midnight. */
static void
record_round(DayBuilder *b, const Stay *stay, bool evening)
{
	static const RecText words[5][3] = {
		{REC_TEXT_CONST("stable"), REC_TEXT_CONST("improving"), REC_TEXT_CONST("fit for discharge")},
		{REC_TEXT_CONST("stable"), REC_TEXT_CONST("improving"), REC_TEXT_CONST("guarded")},
		{REC_TEXT_CONST("guarded"), REC_TEXT_CONST("stable"), REC_TEXT_CONST("deteriorating")},
		{REC_TEXT_CONST("critical"), REC_TEXT_CONST("guarded"), REC_TEXT_CONST("improving")},
		{REC_TEXT_CONST("critical"), REC_TEXT_CONST("deteriorating"), REC_TEXT_CONST("critical")},
	};
	RandomBlock random = random_block(b->seed, RANDOM_STAY_DAY,
									  ((uint64) stay->admission_id << 12) |
									  (uint64) (b->day - day_of_time(stay->admitted)),
									  evening ? 0x1001 : 0x1000);
	TimestampTz at = midnight_of(b->day) + (evening ? 18 : 7) * USECS_PER_HOUR +
		random_below(random.v[0], 180) * USECS_PER_MINUTE;
	int			ward = stay->ward_at_midnight;
	int			bed = stay->bed_at_midnight;
	int			level = stay_severity(stay, stay_place(stay), b->day);
	uint32		which = random_below(random.v[1], 10);
	bool		going = day_of_time(stay->ends) == b->day && level == 0;

	if (at >= stay->ends)
		return;
	place_at(b, stay, at, &ward, &bed);
	add_status(b, stay, at, words[level][going ? 2 : which < 6 ? 0 : which < 9 ? 1 : level == 0 ? 0 : 2],
			   ward, bed);
	if (evening)
		return;
	if (b->plan->facts.weekday == 1 || b->plan->facts.weekday == 4)
		assign_doctor(b, stay, stay->department, at, REC_TEXT_CONST("ward round"));
}

/* ---- the day of a stay ---- */

static void
record_vitals(DayBuilder *b, const Stay *stay, const Encounter *e)
{
	Place		place = stay_place(stay);
	TimestampTz step = vital_hours[place] * USECS_PER_HOUR;
	TimestampTz from,
				until;
	Dice		d = dice(b->seed, RANDOM_STAY_DAY, ((uint64) stay->admission_id << 12) |
						 (uint64) (b->day - day_of_time(stay->admitted)), 0x2000);

	stay_span(stay, b->day, &from, &until);
	for (TimestampTz at = midnight_of(b->day) + (stay->admission_id % 60) * USECS_PER_MINUTE; at < until; at += step)
		if (at >= from)
			make_vital_signs(b, e, at, &d);
}

static void
record_stay(DayBuilder *b, const Stay *stay)
{
	bool		new = day_of_time(stay->admitted) == b->day;
	int			ward = stay->ward_at_midnight >= 0 ? stay->ward_at_midnight : stay->first_ward;
	Encounter	e = {stay->visit_id, stay->admission_id, &stay->person, stay->department, ward,
	stay_severity(stay, stay_place(stay), b->day), stay->code, stay->hiv};

	if (!new)
	{
		record_round(b, stay, false);
		record_round(b, stay, true);
	}
	record_vitals(b, stay, &e);
	orders_of_stay_day(b->seed, stay, b->day, &b->orders);
	make_orders(b, &e);
	if (new)
	{
		int			fee = stay_ambulance(b->seed, stay);

		make_diagnoses(b, &e, stay->admitted, true);
		if (fee >= 0)
			add_treatment(b, &e, fee, stay->admitted,
						  on_duty_nurse(b->duty, -1, stay->admitted, (uint32) mix64((uint64) stay->visit_id)), 1);
	}
}

/* What is made stay by stay and event by event, in order of time and numbered so. */
#define SORT_BY_TIME(b, kind, type, id, at) \
	do { \
		type	   *rows = (b)->records->rows[kind]; \
		int			count = (b)->records->count[kind]; \
		if (count > 0) \
			qsort(rows, count, sizeof(type), compare_##at); \
		for (int i = 0; i < count; i++) \
			rows[i].id = RECORD_ID((b)->day, i + 1); \
	} while (0)

static int
compare_recorded_at(const void *a, const void *b)
{
	const StatusUpdate *x = a;
	const StatusUpdate *y = b;

	if (x->recorded_at != y->recorded_at)
		return x->recorded_at < y->recorded_at ? -1 : 1;
	return x->update_id < y->update_id ? -1 : 1;
}

static int
compare_starts_at(const void *a, const void *b)
{
	const DoctorAssignment *x = a;
	const DoctorAssignment *y = b;

	if (x->starts_at != y->starts_at)
		return x->starts_at < y->starts_at ? -1 : 1;
	return x->doctor_assignment_id < y->doctor_assignment_id ? -1 : 1;
}

void
make_stays(DayBuilder *b)
{
	for (int i = 0; i < b->plan->stay_count; i++)
	{
		const Stay *stay = b->plan->stays[i];
		bool		new = day_of_time(stay->admitted) == b->day;

		if (new || stay->ended)
			record_admission(b, stay);
		record_stay(b, stay);
		if (stay->ended)
			add_ended_visit(b, stay, make_stay_bill(b, stay));
	}
	for (int i = 0; i < b->plan->event_count; i++)
		record_event(b, &b->plan->events[i]);
	SORT_BY_TIME(b, KIND_STATUS_UPDATES, StatusUpdate, update_id, recorded_at);
	SORT_BY_TIME(b, KIND_DOCTOR_ASSIGNMENTS, DoctorAssignment, doctor_assignment_id, starts_at);
}

/* ---- transfers ---- */

static const RecText reasons[] = {
	[MOVE_STEP_DOWN] = REC_TEXT_CONST("step-down from intensive or high care"),
	[MOVE_INTENSIVE_CARE] = REC_TEXT_CONST("intensive or high care needed"),
	[MOVE_SPECIALIST] = REC_TEXT_CONST("specialist care"),
	[MOVE_ISOLATION] = REC_TEXT_CONST("isolation"),
	[MOVE_HOME_WARD] = REC_TEXT_CONST("closer to the home ward"),
	[MOVE_BED] = REC_TEXT_CONST("bed needed"),
	[MOVE_MATERNITY] = REC_TEXT_CONST("course of labour"),
	[MOVE_REHABILITATION] = REC_TEXT_CONST("rehabilitation"),
};

typedef struct Choice
{
	uint64		order;
	int			event;
} Choice;

static int
compare_choices(const void *a, const void *b)
{
	const Choice *x = a;
	const Choice *y = b;

	return x->order < y->order ? -1 : x->order > y->order;
}

static int
compare_events(const void *a, const void *b)
{
	return ((const Choice *) a)->event - ((const Choice *) b)->event;
}

/*
 * UUID version 7: 48 bits of milliseconds since 1970, then the place in the
 * day, so that ids are in the order of the events, then random bits.
 */
static void
write_event_id(pg_uuid_t *id, TimestampTz at, int place, RandomBlock random)
{
	uint64		ms = (uint64) unix_ms(at);

	for (int i = 0; i < 6; i++)
		id->data[i] = (unsigned char) (ms >> (8 * (5 - i)));
	id->data[6] = (unsigned char) (0x70 | ((place >> 8) & 0x0F));
	id->data[7] = (unsigned char) place;
	id->data[8] = (unsigned char) (0x80 | (random.v[0] & 0x3F));
	for (int i = 9; i < 16; i++)
		id->data[i] = (unsigned char) (random.v[1 + (i - 9) / 4] >> (8 * ((i - 9) % 4)));
}

static void
record_transfer(DayBuilder *b, const StayEvent *event, int place)
{
	Transfer   *t = add_record(b, KIND_TRANSFERS);
	RandomBlock random = random_block(b->seed, RANDOM_TRANSFER,
									  ((uint64) (uint32) b->day << 20) | (uint64) place, 0x100);

	t->event_time = event->at;
	write_event_id(&t->event_id, event->at, place, random);
	t->admission_id = event->stay->admission_id;
	t->patient_id = event->stay->person.id;
	t->from_ward = b->wards[event->from_ward];
	t->to_ward = b->wards[event->to_ward];
	t->reason = reasons[event->reason];
	t->status = REC_TEXT_CONST("completed");
	t->staff_id = on_duty_nurse(b->duty, event->from_ward, event->at, random.v[3]);
}

/* The day's number of medical transfers, drawn among its moves; births' moves last. */
void
make_transfers(DayBuilder *b)
{
	Choice	   *choices = palloc(Max(b->plan->event_count, 1) * sizeof(Choice));
	int			n = 0;
	int			wanted;

	for (int i = 0; i < b->plan->event_count; i++)
	{
		const StayEvent *e = &b->plan->events[i];

		if (e->kind != STAY_MOVED)
			continue;
		choices[n].event = i;
		choices[n++].order = (mix64(b->seed ^ mix64((uint64) e->stay->admission_id ^ (uint64) e->at)) >> 1) |
			(e->reason == MOVE_MATERNITY ? (uint64) 1 << 63 : 0);
	}
	qsort(choices, n, sizeof(Choice), compare_choices);
	wanted = Min(n, b->spec->transfers);
	qsort(choices, wanted, sizeof(Choice), compare_events);
	for (int i = 0; i < wanted; i++)
		record_transfer(b, &b->plan->events[choices[i].event], i);
	pfree(choices);
}
