/*
 * day.c: the records of one hospital day.
 *
 * Two steps.  The journey (journey.c) has what depends on the days before; it is
 * kept, so that the next day goes on from there, and is begun again for an
 * earlier day or another hospital.  Its plan of a day then becomes records
 * (day_*.c), each a function of the plan.
 *
 * The records of a day live in a memory context of their own, as long as they
 * are the latest or held by somebody who still reads them.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/datetime.h"
#include "utils/memutils.h"

#include "day_private.h"
#include "workforce.h"

typedef struct DayHandle
{
	DayRecords	records;
	MemoryContext context;
	int			holds;
	bool		latest;
} DayHandle;

/* The hospital that this process computes at the moment. */
static MemoryContext journey_context = NULL;
static Journey *journey = NULL; /* NULL: none, or it was interrupted */
static DaySpec journey_spec;
static DateADT journey_day;
static DayHandle *latest = NULL;

/* ---- arguments ---- */

/* More than one for two beds are not to be had on every day. */
static void
check_transfers(const DaySpec *spec)
{
	int			most = Min(TRANSFERS_MAX, spec->beds / 2);

	if (spec->transfers >= 0 && spec->transfers <= most)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("a day cannot have %d transfers", spec->transfers),
			 errdetail("The number must be between 0 and %d, for %d beds.", most, spec->beds)));
}

/* The people have to be of an age then, and ids count days from 2000 on. */
static void
check_start(DateADT start)
{
	if (!DATE_NOT_FINITE(start) &&
		start >= date2j(AS_OF_FIRST_YEAR, 1, 1) - POSTGRES_EPOCH_JDATE &&
		start <= date2j(AS_OF_LAST_YEAR, 12, 31) - POSTGRES_EPOCH_JDATE)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("a hospital cannot begin on that day"),
			 errdetail("Its first day must be between %d-01-01 and %d-12-31.",
					   AS_OF_FIRST_YEAR, AS_OF_LAST_YEAR)));
}

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
	check_transfers(spec);
	check_start(spec->start_date);
	check_history(spec->start_date, day);
}

/* ---- the records in the making ---- */

void *
add_record(DayBuilder *b, RecordKindNumber kind)
{
	const RecordKind *k = &record_kinds[kind];
	DayRecords *r = b->records;
	char	   *record;

	if (r->count[kind] == b->room[kind])
	{
		b->room[kind] = Max(b->room[kind] * 2, 512);
		r->rows[kind] = r->rows[kind] == NULL ? palloc(b->room[kind] * k->size) :
			repalloc_huge(r->rows[kind], b->room[kind] * k->size);
	}
	record = (char *) r->rows[kind] + r->count[kind]++ * k->size;
	memset(record, 0, k->size);
	if (k->columns[k->key].type == REC_INT8)
		*(int64 *) (record + k->columns[k->key].offset) = RECORD_ID(b->day, ++b->next_id[kind]);
	return record;
}

static void
make_day(DayHandle *handle, const DayPlan *plan)
{
	const CaseMix *mix = casemix();
	const WardList *wards = journey_wards(journey);
	DayBuilder *b = palloc0(sizeof(DayBuilder));
	RecText    *texts = palloc(wards->count * sizeof(RecText));
	RecText    *departments = palloc(mix->department_count * sizeof(RecText));

	for (int i = 0; i < wards->count; i++)
	{
		texts[i].data = wards->wards[i].plan->code;
		texts[i].length = (uint32) strlen(texts[i].data);
	}
	for (int i = 0; i < mix->department_count; i++)
		departments[i] = mix->departments[i].code_text;
	b->spec = &journey_spec;
	b->seed = (uint64) journey_spec.seed;
	b->day = plan->day;
	b->plan = plan;
	b->mix = mix;
	b->duty = journey_duty(journey);
	b->wards = texts;
	b->departments = departments;
	b->population.seed = b->seed;
	b->population.as_of = journey_spec.start_date;
	b->population.marked = journey_spec.marked;
	b->records = &handle->records;
	b->records->day = plan->day;

	make_staff_changes(b);
	make_registrations(b);
	make_visits(b);
	make_stays(b);
	make_transfers(b);
	pfree(b);
}

/* ---- who keeps what ---- */

static void
drop_handle(DayHandle *handle)
{
	if (handle->holds == 0 && !handle->latest)
		MemoryContextDelete(handle->context);
}

static void
release_hold(void *arg)
{
	DayHandle  *handle = arg;

	handle->holds--;
	drop_handle(handle);
}

void
day_hold(const DayRecords *records)
{
	DayHandle  *handle = (DayHandle *) ((char *) records - offsetof(DayHandle, records));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	callback->func = release_hold;
	callback->arg = handle;
	handle->holds++;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
}

static void
forget_latest(void)
{
	DayHandle  *handle = latest;

	latest = NULL;
	if (handle == NULL)
		return;
	handle->latest = false;
	drop_handle(handle);
}

static bool
same_hospital(const DaySpec *spec)
{
	return journey != NULL && journey_spec.seed == spec->seed && journey_spec.people == spec->people &&
		journey_spec.beds == spec->beds && journey_spec.start_date == spec->start_date &&
		journey_spec.transfers == spec->transfers && journey_spec.marked == spec->marked;
}

/*
 * The plan of the day, by as many steps as it takes.  While a step is made there
 * is no journey: an error or a cancel in the middle leaves none.
 */
static const DayPlan *
go_to(const DaySpec *spec, DateADT day)
{
	const DayPlan *plan = NULL;
	Journey    *j = journey;

	if (!same_hospital(spec) || day <= journey_day)
	{
		MemoryContext old;

		journey = NULL;
		if (journey_context == NULL)
			journey_context = AllocSetContextCreate(TopMemoryContext, "hospital journey",
													ALLOCSET_DEFAULT_SIZES);
		MemoryContextReset(journey_context);
		old = MemoryContextSwitchTo(journey_context);
		journey_spec = *spec;
		journey_day = spec->start_date - 1;
		j = journey_open(spec);
		MemoryContextSwitchTo(old);
	}
	journey = NULL;
	while (journey_day < day)
	{
		plan = journey_next(j);
		journey_day++;
	}
	journey = j;
	return plan;
}

const DayRecords *
day_records(const DaySpec *spec, DateADT day)
{
	MemoryContext context;
	MemoryContext caller;
	const DayPlan *plan;
	DayHandle  *handle;

	if (latest != NULL && same_hospital(spec) && latest->records.day == day)
		return &latest->records;
	check_day(spec, day);
	forget_latest();
	plan = go_to(spec, day);

	/* the caller's until it is complete: an error leaves nothing behind */
	context = AllocSetContextCreate(CurrentMemoryContext, "hospital day", ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(context);
	handle = palloc0(sizeof(DayHandle));
	handle->context = context;
	make_day(handle, plan);
	MemoryContextSwitchTo(caller);
	MemoryContextSetParent(context, TopMemoryContext);
	handle->latest = true;
	latest = handle;
	return &handle->records;
}
