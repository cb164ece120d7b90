/*
 * day_transfers.c: the medical transfers of a hospital day.
 *
 * A day has a fixed number of them.  Every admission has one day of its stay
 * on which it may be transferred (transfer_after), so the ward that a patient
 * comes from is the ward of the admission, and no other day's transfers need
 * to be known.  Patients are drawn without repetition; only where there are
 * fewer of them than transfers (a small hospital's first days) is somebody
 * moved on again, later on the day.  Who signs is a nurse or doctor on duty in
 * the ward at the time.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "day.h"
#include "roster.h"

PG_FUNCTION_INFO_V1(hospital_generate_transfers);

#define TRANSFER_DAYS 6			/* the day of admission and five more */
#define LEAST_TIME (USECS_PER_HOUR / 2) /* in a ward before and after */

typedef enum Reason
{
	REASON_STEP_DOWN,
	REASON_INTENSIVE_CARE,
	REASON_SPECIALIST,
	REASON_ISOLATION,
	REASON_BED,
	REASON_COUNT
} Reason;

static const char *const reason_names[REASON_COUNT] = {
	"step-down from intensive or high care",
	"intensive or high care needed",
	"specialist care",
	"isolation",
	"closer to the home ward",
};

/* Of those who are not stepped down, in sixteenths.  Estimate. */
static const uint8 reason_by_sixteenth[16] = {
	REASON_INTENSIVE_CARE, REASON_INTENSIVE_CARE, REASON_INTENSIVE_CARE, REASON_INTENSIVE_CARE,
	REASON_SPECIALIST, REASON_SPECIALIST, REASON_SPECIALIST, REASON_SPECIALIST,
	REASON_SPECIALIST, REASON_ISOLATION, REASON_ISOLATION, REASON_BED,
	REASON_BED, REASON_BED, REASON_BED, REASON_BED
};

/* A patient who may be moved on the day, and since when in the ward. */
typedef struct Candidate
{
	const Admission *admission;
	uint32		order;			/* drawn */
	int			ward;
	TimestampTz from;
	TimestampTz until;
} Candidate;

typedef struct Move
{
	TimestampTz at;
	const Admission *admission;
	int			number;			/* as drawn */
	int			from;			/* wards */
	int			to;
	Reason		reason;
} Move;

/* A clinician's shift in a ward. */
typedef struct Duty
{
	int			staff;
	int			ward;
	TimestampTz starts;
	TimestampTz ends;
} Duty;

typedef struct TransferDay
{
	DateADT		day;
	uint64		seed;
	Calendar   *calendar;
	const WardList *wards;
	Roster	   *roster;
	Duty	   *duties;
	int			duty_count;
} TransferDay;

static inline RandomBlock
transfer_random(const TransferDay *t, int number, uint32 draw)
{
	return random_block(t->seed, RANDOM_TRANSFER,
						((uint64) (uint32) t->day << 20) | (uint64) number, draw);
}

/* ---- who ---- */

static int
compare_candidates(const void *a, const void *b)
{
	const Candidate *x = a;
	const Candidate *y = b;

	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	return x->admission->admission_id < y->admission->admission_id ? -1 :
		x->admission->admission_id > y->admission->admission_id;
}

/* Those who may be moved on the day, in a drawn order. */
static int
find_candidates(const TransferDay *t, DateADT start_date, Candidate **out)
{
	TimestampTz midnight = day_begins(t->day);
	int			room = 64;
	int			n = 0;

	*out = palloc(room * sizeof(Candidate));
	for (int ago = 0; ago < TRANSFER_DAYS && t->day - ago >= start_date; ago++)
	{
		Admission  *admissions;
		int			count = calendar_admissions(t->calendar, t->day - ago, &admissions);

		for (int i = 0; i < count; i++)
		{
			const Admission *a = &admissions[i];
			TimestampTz from = Max(a->admitted_at + LEAST_TIME, midnight);
			TimestampTz until = Min(a->discharged_at - LEAST_TIME, midnight + USECS_PER_DAY);

			if (a->transfer_after != ago || until - from < LEAST_TIME)
				continue;
			if (n == room)
			{
				room *= 2;
				*out = repalloc(*out, room * sizeof(Candidate));
			}
			(*out)[n].admission = a;
			(*out)[n].order = random_block(t->seed, RANDOM_TRANSFER,
										   (uint64) a->admission_id, 0xFFFF).v[0];
			(*out)[n].ward = a->ward;
			(*out)[n].from = from;
			(*out)[n++].until = until;
		}
	}
	qsort(*out, n, sizeof(Candidate), compare_candidates);
	return n;
}

/* ---- where to ---- */

static bool
is_intensive(const Ward *ward)
{
	return strcmp(ward->type, "icu") == 0 || strcmp(ward->type, "high_care") == 0;
}

/* Does the ward answer the reason for leaving "from"? */
static bool
answers(const Ward *from, const Ward *to, Reason reason)
{
	bool		same_department = strcmp(from->department, to->department) == 0;
	bool		plain = !is_intensive(to) && strcmp(to->type, "labour") != 0 &&
		strcmp(to->type, "psychiatric") != 0;

	switch (reason)
	{
		case REASON_STEP_DOWN:
			return plain;
		case REASON_INTENSIVE_CARE:
			return is_intensive(to);
		case REASON_SPECIALIST:
			return plain && !same_department;
		case REASON_ISOLATION:
			return strcmp(to->type, "isolation") == 0;
		default:
			return plain;
	}
}

/*
 * A ward that answers the reason and takes the patient, the same department's
 * for choice; -1 if there is none.
 */
static int
choose_ward(const TransferDay *t, const Candidate *c, Reason reason, uint32 word)
{
	const Ward *from = t->wards->wards[c->ward].plan;
	int			years = (t->day - c->admission->born) * 4 / 1461;
	int			days = t->day - c->admission->born;

	for (int near = reason == REASON_SPECIALIST ? 0 : 1; near >= 0; near--)
	{
		int			fitting[256];
		int			n = 0;

		Assert(t->wards->count <= 256);
		for (int i = 0; i < t->wards->count; i++)
		{
			const Ward *to = t->wards->wards[i].plan;

			if (i != c->ward && answers(from, to, reason) &&
				(near == 0 || strcmp(from->department, to->department) == 0) &&
				ward_takes(to, c->admission->female, years, days))
				fitting[n++] = i;
		}
		if (n > 0)
			return fitting[random_below(word, n)];
	}
	return -1;
}

static bool
plan_move(const TransferDay *t, Candidate *c, int number, int left, Move *move)
{
	RandomBlock random = transfer_random(t, number, 0);
	Reason		reason = is_intensive(t->wards->wards[c->ward].plan) ? REASON_STEP_DOWN :
		(Reason) reason_by_sixteenth[random.v[0] >> 28];

	/* leave time for the moves that may follow */
	TimestampTz room = (c->until - c->from) / (left + 1);

	move->to = choose_ward(t, c, reason, random.v[1]);
	if (move->to < 0)
	{
		reason = REASON_BED;
		move->to = choose_ward(t, c, reason, random.v[1]);
	}
	if (move->to < 0)
		return false;
	move->reason = reason;
	move->from = c->ward;
	move->admission = c->admission;
	move->number = number;
	move->at = c->from + (TimestampTz) (((uint64) (room / 1000) * random.v[2]) >> 32) * 1000;
	c->ward = move->to;
	c->from = move->at + 1000;
	return true;
}

static int
compare_moves(const void *a, const void *b)
{
	const Move *x = a;
	const Move *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->number - y->number;
}

/* Everybody once; again and again only while moves are left over. */
static int
plan_moves(const TransferDay *t, DateADT start_date, int wanted, Move *moves)
{
	Candidate  *candidates;
	int			count = find_candidates(t, start_date, &candidates);
	int			n = 0;
	int			before = -1;

	/* a round that moves nobody is the last */
	while (n < wanted && n != before)
	{
		int			rounds = count > 0 ? (wanted - n - 1) / count : 0;

		CHECK_FOR_INTERRUPTS();
		before = n;
		for (int i = 0; i < count && n < wanted; i++)
			if (plan_move(t, &candidates[i], n, rounds, &moves[n]))
				n++;
	}
	qsort(moves, n, sizeof(Move), compare_moves);
	return n;
}

/* ---- who signs ---- */

static bool
is_clinician(const Workforce *workforce, int staff)
{
	const StaffRole *role = post_role(workforce, workforce->staff[staff].post);

	return strcmp(role->category, "medical") == 0 || strcmp(role->category, "nursing") == 0;
}

/* The clinicians' shifts in wards that begin on the day or the day before. */
static void
find_on_duty(TransferDay *t, DateADT start_date)
{
	t->duty_count = 0;
	t->duties = NULL;
	for (DateADT day = Max(t->day - 1, start_date); day <= t->day; day++)
	{
		const RosterRow *rows;
		int			n = roster_day(t->roster, day, &rows);
		size_t		size = (t->duty_count + n + 1) * sizeof(Duty);

		t->duties = t->duties == NULL ? palloc(size) : repalloc(t->duties, size);
		for (int i = 0; i < n; i++)
		{
			Duty	   *duty = &t->duties[t->duty_count];

			if (rows[i].ward < 0 || !is_clinician(roster_workforce(t->roster), rows[i].staff))
				continue;
			duty->staff = rows[i].staff;
			duty->ward = rows[i].ward;
			duty->starts = shift_starts(t->roster, day, rows[i].shift);
			duty->ends = shift_ends(t->roster, day, rows[i].shift);
			t->duty_count++;
		}
	}
}

/* The staff of duty number "chosen" that covers the time in the ward; or how many. */
static int
on_duty(const TransferDay *t, const Move *move, int chosen, int *staff)
{
	int			n = 0;

	for (int i = 0; i < t->duty_count; i++)
	{
		const Duty *duty = &t->duties[i];

		if (duty->ward == move->from && duty->starts <= move->at && move->at < duty->ends &&
			n++ == chosen)
			*staff = duty->staff;
	}
	return n;
}

/* Before 07:00 of the hospital's first day nobody is on duty yet. */
static int64
who_signs(const TransferDay *t, const Move *move, uint32 word)
{
	const Workforce *workforce = roster_workforce(t->roster);
	int			staff = -1;
	int			n = on_duty(t, move, -1, &staff);

	if (n > 0)
		on_duty(t, move, (int) random_below(word, n), &staff);
	for (int i = 0; staff < 0 && i < workforce->staff_count; i++)
		if (is_clinician(workforce, i) && workforce->staff[i].hired <= t->day &&
			workforce->staff[i].leaves > t->day)
			staff = i;
	return (int64) staff + 1;
}

/* ---- the transfers ---- */

/*
 * UUID version 7: 48 bits of milliseconds since 1970, then the move's place in
 * the day, so that ids are in the order of the events, then random bits.
 */
static void
write_event_id(pg_uuid_t *id, TimestampTz at, int place, RandomBlock random)
{
	uint64		ms = (uint64) ((at + (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) *
								USECS_PER_DAY) / 1000);

	for (int i = 0; i < 6; i++)
		id->data[i] = (unsigned char) (ms >> (8 * (5 - i)));
	id->data[6] = (unsigned char) (0x70 | ((place >> 8) & 0x0F));
	id->data[7] = (unsigned char) place;
	id->data[8] = (unsigned char) (0x80 | (random.v[0] & 0x3F));
	for (int i = 9; i < 16; i++)
		id->data[i] = (unsigned char) (random.v[1 + (i - 9) / 4] >> (8 * ((i - 9) % 4)));
}

int
day_transfers(DateADT day, int64 seed, int64 people, int beds, DateADT start_date,
			  int transfers_per_day, Transfer **out)
{
	TransferDay t;
	Move	   *moves;
	int			n;

	if (transfers_per_day < 0 || transfers_per_day > TRANSFERS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a day cannot have %d transfers", transfers_per_day),
				 errdetail("The number must be between 0 and %d.", TRANSFERS_MAX)));
	check_day(day, people, beds, start_date);
	t.day = day;
	t.seed = (uint64) seed;
	t.calendar = calendar_open(seed, people, beds, start_date, day);
	t.wards = calendar_wards(t.calendar);
	t.roster = roster_open(beds, (uint64) seed, start_date, day);
	find_on_duty(&t, start_date);

	moves = palloc(Max(transfers_per_day, 1) * sizeof(Move));
	n = plan_moves(&t, start_date, transfers_per_day, moves);
	*out = palloc0(Max(n, 1) * sizeof(Transfer));
	for (int i = 0; i < n; i++)
	{
		Transfer   *transfer = &(*out)[i];
		RandomBlock random = transfer_random(&t, moves[i].number, 1);

		write_event_id(&transfer->event_id, moves[i].at, i, random);
		transfer->event_time = moves[i].at;
		transfer->admission_id = moves[i].admission->admission_id;
		transfer->patient_id = moves[i].admission->patient_id;
		transfer->from_ward = t.wards->wards[moves[i].from].plan->code;
		transfer->to_ward = t.wards->wards[moves[i].to].plan->code;
		transfer->reason = reason_names[moves[i].reason];
		transfer->status = "completed";
		transfer->staff_id = who_signs(&t, &moves[i], random.v[3]);
	}
	return n;
}

/* ---- as rows ---- */

enum TransferColumn
{
	T_EVENT_ID,
	T_EVENT_TIME,
	T_ADMISSION_ID,
	T_PATIENT_ID,
	T_FROM_WARD,
	T_TO_WARD,
	T_REASON,
	T_STATUS,
	T_STAFF_ID,
	T_COLUMNS
};

static const RowColumn transfer_columns[T_COLUMNS] = {
	[T_EVENT_ID] = {"event_id", UUIDOID},
	[T_EVENT_TIME] = {"event_time", TIMESTAMPTZOID},
	[T_ADMISSION_ID] = {"admission_id", INT8OID},
	[T_PATIENT_ID] = {"patient_id", INT8OID},
	[T_FROM_WARD] = {"from_ward", TEXTOID},
	[T_TO_WARD] = {"to_ward", TEXTOID},
	[T_REASON] = {"reason", TEXTOID},
	[T_STATUS] = {"status", TEXTOID},
	[T_STAFF_ID] = {"staff_id", INT8OID},
};

typedef struct TransferSource
{
	RowSource	base;
	Transfer   *transfers;
	Datum	   *texts;			/* [transfer][4] */
} TransferSource;

RowSource *
transfers_of(DateADT day, int64 seed, int64 people, int beds, DateADT start_date,
			 int transfers_per_day)
{
	TransferSource *source = palloc0(sizeof(TransferSource));
	int			n = day_transfers(day, seed, people, beds, start_date, transfers_per_day,
								  &source->transfers);

	source->base.methods = &transfers_source;
	source->base.nrows = n;
	source->texts = palloc(Max(n, 1) * 4 * sizeof(Datum));
	for (int i = 0; i < n; i++)
	{
		source->texts[i * 4] = CStringGetTextDatum(source->transfers[i].from_ward);
		source->texts[i * 4 + 1] = CStringGetTextDatum(source->transfers[i].to_ward);
		source->texts[i * 4 + 2] = CStringGetTextDatum(source->transfers[i].reason);
		source->texts[i * 4 + 3] = CStringGetTextDatum(source->transfers[i].status);
	}
	return &source->base;
}

static RowSource *
transfers_open(const NullableDatum *args, int nargs, const Bitmapset *wanted)
{
	return transfers_of(DatumGetDateADT(args[0].value), DatumGetInt64(args[1].value),
						DatumGetInt64(args[2].value), DatumGetInt32(args[3].value),
						DatumGetDateADT(args[4].value), DatumGetInt32(args[5].value));
}

static bool
transfers_fetch(RowSource *base, int64 row, Datum *values, bool *isnull, char *scratch)
{
	TransferSource *source = (TransferSource *) base;
	Transfer   *t;

	if (row >= base->nrows)
		return false;
	t = &source->transfers[row];
	memset(isnull, 0, T_COLUMNS * sizeof(bool));
	values[T_EVENT_ID] = UUIDPGetDatum(&t->event_id);
	values[T_EVENT_TIME] = TimestampTzGetDatum(t->event_time);
	values[T_ADMISSION_ID] = Int64GetDatum(t->admission_id);
	values[T_PATIENT_ID] = Int64GetDatum(t->patient_id);
	memcpy(&values[T_FROM_WARD], &source->texts[row * 4], 4 * sizeof(Datum));
	values[T_STAFF_ID] = Int64GetDatum(t->staff_id);
	return true;
}

static double
transfers_estimate(const NullableDatum *args, int nargs)
{
	return args[5].isnull ? 15 : Max(1, DatumGetInt32(args[5].value));
}

static const Oid transfers_args[] = {DATEOID, INT8OID, INT8OID, INT4OID, DATEOID, INT4OID};

const RowSourceMethods transfers_source = {
	.label = "Transfers",
	.nargs = lengthof(transfers_args),
	.args = transfers_args,
	.ncolumns = T_COLUMNS,
	.columns = transfer_columns,
	.open = transfers_open,
	.estimate = transfers_estimate,
	.fetch = transfers_fetch,
	.random_access = true,
	.row_cost = 10,
	.startup_cost = 1000000,
};

Datum
hospital_generate_transfers(PG_FUNCTION_ARGS)
{
	return rowsource_srf(fcinfo, &transfers_source);
}
