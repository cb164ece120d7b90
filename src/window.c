/*
 * window.c: the live simulation's state: hospital.run_state and hospital.ticks.
 *
 * A window is a range of hospital days that pass by themselves.  Its pace is
 * state, not a formula over settings: whoever changes it (a reload, noticed by
 * the scheduler; hospital_speed and its kin, in sessions) locks the row, anchors
 * the clock at the position reached, and only then changes what follows.  So
 * hospital time never goes backward, whatever the settings or the machine's
 * clock do.
 *
 * While the clock stands still, stood_at says since when, and everything is
 * computed as of that moment; going on moves both anchors by the time that has
 * passed.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "day_file.h"
#include "kept_plan.h"
#include "settings.h"
#include "window.h"

#define DAYS_IN_WINDOW_MAX 1000000

/* ---- the row ---- */

enum
{
	COL_DESIRED, COL_NUMBER, COL_STARTED_AT, COL_FIRST_DAY, COL_LAST_DAY, COL_FIRST_TICK, COL_LIVE_FROM,
	COL_ANCHOR_AT, COL_ANCHOR_DAY, COL_ANCHOR_PART, COL_DAY_LENGTH, COL_SPEED, COL_TICK_AT, COL_NEXT_TICK,
	COL_STREAM_INTERVAL, COL_STOOD_AT, COLUMNS
};

#define SELECT_STATE \
	"SELECT desired, window_number, window_started_at, first_day, last_day, first_tick, live_from," \
	" anchor_at, anchor_day, anchor_part, day_length, speed, tick_at, next_tick, stream_interval, stood_at" \
	" FROM hospital.run_state"

static const char *const columns[COLUMNS] = {
	"desired", "window_number", "window_started_at", "first_day", "last_day", "first_tick", "live_from",
	"anchor_at", "anchor_day", "anchor_part", "day_length", "speed", "tick_at", "next_tick", "stream_interval",
	"stood_at"
};

static const Oid column_types[COLUMNS] = {
	TEXTOID, INT4OID, TIMESTAMPTZOID, DATEOID, DATEOID, INT8OID, DATEOID, TIMESTAMPTZOID, DATEOID, FLOAT8OID,
	INTERVALOID, FLOAT8OID, TIMESTAMPTZOID, INT8OID, INTERVALOID, TIMESTAMPTZOID
};

static const char *const wish_names[] = {"stopped", "paused", "running"};

Datum
window_interval(int64 us)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = us;
	return IntervalPGetDatum(interval);
}

static int64
us_from_interval(Datum value)
{
	const Interval *interval = DatumGetIntervalP(value);

	return interval->time + (interval->day + interval->month * INT64CONST(30)) * USECS_PER_DAY;
}

static Wish
wish_by_name(Datum name)
{
	const char *wanted = TextDatumGetCString(name);

	for (int wish = 0; wish < (int) lengthof(wish_names); wish++)
	{
		if (strcmp(wanted, wish_names[wish]) == 0)
			return (Wish) wish;
	}
	return WISH_STOPPED;
}

static void
set_pace(Pace *pace, const Datum *values, const bool *nulls)
{
	pace->anchor_at = DatumGetTimestampTz(values[COL_ANCHOR_AT]);
	pace->anchor_day = DatumGetDateADT(values[COL_ANCHOR_DAY]);
	pace->anchor_part = DatumGetFloat8(values[COL_ANCHOR_PART]);
	pace->day_length = nulls[COL_DAY_LENGTH] ? 0 : us_from_interval(values[COL_DAY_LENGTH]);
	pace->speed = DatumGetFloat8(values[COL_SPEED]);
	pace->last_day = DatumGetDateADT(values[COL_LAST_DAY]);
	pace->tick_at = DatumGetTimestampTz(values[COL_TICK_AT]);
	pace->next_tick = DatumGetInt64(values[COL_NEXT_TICK]);
	pace->stream_interval = nulls[COL_STREAM_INTERVAL] ? 0 : us_from_interval(values[COL_STREAM_INTERVAL]);
	pace->stood_at = DatumGetTimestampTz(values[COL_STOOD_AT]);
	clock_set_pace(pace);
}

/* Nulls are zeros; there are some before the first window alone, but for stood_at. */
static void
set_window(Window *window, const Datum *values, const bool *nulls)
{
	memset(window, 0, sizeof(*window));
	window->wish = wish_by_name(values[COL_DESIRED]);
	window->number = DatumGetInt32(values[COL_NUMBER]);
	window->started_at = DatumGetTimestampTz(values[COL_STARTED_AT]);
	window->first_day = DatumGetDateADT(values[COL_FIRST_DAY]);
	window->first_tick = DatumGetInt64(values[COL_FIRST_TICK]);
	window->live_from = DatumGetDateADT(values[COL_LIVE_FROM]);
	window->has_anchor_day = !nulls[COL_ANCHOR_DAY];
	set_pace(&window->pace, values, nulls);
}

/* Anybody may call with any row: what it has under these names need not be what the table has. */
static void
take_values(HeapTupleHeader row, Datum *values, bool *nulls)
{
	TupleDesc	tupdesc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(row), HeapTupleHeaderGetTypMod(row));
	bool		all = true;

	for (int i = 0; i < COLUMNS; i++)
	{
		int			number = SPI_fnumber(tupdesc, columns[i]);

		all = all && number > 0 && SPI_gettypeid(tupdesc, number) == column_types[i];
		values[i] = all ? GetAttributeByNum(row, number, &nulls[i]) : (Datum) 0;
		if (!all || nulls[i])
			values[i] = (Datum) 0;
	}
	ReleaseTupleDesc(tupdesc);
	if (!all)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("this is no row of hospital.run_state"),
				 errhint("Look at hospital.run_window.")));
}

/* As the table's constraints have it, as far as anything rests on it. */
static void
check_values(const Datum *values, const bool *nulls)
{
	bool		good = !nulls[COL_DESIRED] && !nulls[COL_NUMBER];
	bool		begun = good && DatumGetInt32(values[COL_NUMBER]) != 0;

	for (int i = 0; i < COLUMNS && begun; i++)
		good = good && (i == COL_STOOD_AT || !nulls[i]);
	if (good && begun)
		good = us_from_interval(values[COL_DAY_LENGTH]) > 0 && us_from_interval(values[COL_STREAM_INTERVAL]) > 0;
	if (!good)
		ereport(ERROR,
				(errcode(ERRCODE_CHECK_VIOLATION),
				 errmsg("this row cannot be one of hospital.run_state"),
				 errdetail("It lacks values, or an interval in it is not positive.")));
}

void
window_from_row(Window *window, HeapTupleHeader row)
{
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS];

	take_values(row, values, nulls);
	check_values(values, nulls);
	set_window(window, values, nulls);
}

/* After a restart the test clock is where the records are. */
static void
set_test_clock(const Window *window)
{
	static KeptPlan plan;
	bool		isnull;
	TimestampTz last = 0;

	if (!hospital_test_clock || window->number == 0)
		return;
	if (kept_run(&plan, "SELECT due_at FROM hospital.ticks ORDER BY tick DESC LIMIT 1", 0, NULL, NULL, NULL,
				 SPI_OK_SELECT) > 0)
		last = DatumGetTimestampTz(kept_value(0, 1, &isnull));
	kept_done();
	clock_not_before(Max(Max(last, window->pace.stood_at), Max(window->pace.anchor_at, window->pace.tick_at)));
}

bool
window_read(Window *window, bool for_update)
{
	static KeptPlan plan;
	static KeptPlan plan_for_update;
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS];

	if (kept_run(for_update ? &plan_for_update : &plan,
				 for_update ? SELECT_STATE " FOR UPDATE" : SELECT_STATE, 0, NULL, NULL, NULL,
				 SPI_OK_SELECT) != 1)
		return false;
	for (int i = 0; i < COLUMNS; i++)
	{
		values[i] = kept_value(0, i + 1, &nulls[i]);
		if (nulls[i])
			values[i] = (Datum) 0;
	}
	set_window(window, values, nulls);
	kept_done();
	set_test_clock(window);
	return true;
}

void
window_write(const Window *window)
{
	static const char *const update =
		"UPDATE hospital.run_state SET desired = $1, window_number = $2, window_started_at = $3, first_day = $4,"
		" last_day = $5, first_tick = $6, live_from = $7, anchor_at = $8, anchor_day = $9, anchor_part = $10,"
		" day_length = $11, speed = $12, tick_at = $13, next_tick = $14, stream_interval = $15, stood_at = $16";
	Oid			types[COLUMNS] = {
		TEXTOID, INT4OID, TIMESTAMPTZOID, DATEOID, DATEOID, INT8OID, DATEOID, TIMESTAMPTZOID, DATEOID, FLOAT8OID,
		INTERVALOID, FLOAT8OID, TIMESTAMPTZOID, INT8OID, INTERVALOID, TIMESTAMPTZOID
	};
	const Pace *pace = &window->pace;
	Datum		values[COLUMNS] = {
		CStringGetTextDatum(wish_names[window->wish]), Int32GetDatum(window->number),
		TimestampTzGetDatum(window->started_at), DateADTGetDatum(window->first_day),
		DateADTGetDatum(pace->last_day), Int64GetDatum(window->first_tick), DateADTGetDatum(window->live_from),
		TimestampTzGetDatum(pace->anchor_at), DateADTGetDatum(pace->anchor_day), Float8GetDatum(pace->anchor_part),
		window_interval(pace->day_length), Float8GetDatum(pace->speed), TimestampTzGetDatum(pace->tick_at),
		Int64GetDatum(pace->next_tick), window_interval(pace->stream_interval), TimestampTzGetDatum(pace->stood_at)
	};
	char		nulls[COLUMNS + 1] = "                ";

	if (pace->stood_at == 0)
		nulls[COL_STOOD_AT] = 'n';
	if (SPI_execute_with_args(update, COLUMNS, types, values, nulls, false, 0) != SPI_OK_UPDATE)
		elog(ERROR, "could not change hospital.run_state");
}

void
window_skip_day(DateADT day)
{
	Oid			types[] = {DATEOID, TIMESTAMPTZOID};
	Datum		values[] = {DateADTGetDatum(day), TimestampTzGetDatum(hospital_clock()->now())};

	/* A hospital that was started meanwhile begins its next day when this commits. */
	if (SPI_execute_with_args("UPDATE hospital.run_state SET anchor_day = $1 + 1, anchor_part = 0, live_from = $1 + 1,"
							  " anchor_at = CASE WHEN stood_at IS NOT NULL THEN stood_at"
							  "  WHEN desired = 'running' THEN $2 END",
							  2, types, values, NULL, false, 0) != SPI_OK_UPDATE)
		elog(ERROR, "could not change hospital.run_state");
}

/* ---- what has been done ---- */

Timestamp
position_time(Position position)
{
	return position.day * USECS_PER_DAY + (int64) floor(position.part * USECS_PER_DAY);
}

Position
position_at(Timestamp time)
{
	Position	position;
	int64		days = time / USECS_PER_DAY;

	if (time % USECS_PER_DAY < 0)
		days--;
	position.day = (DateADT) days;
	position.part = (time - days * USECS_PER_DAY) / (double) USECS_PER_DAY;
	return position;
}

int64
window_last_tick(Timestamp *upto)
{
	static KeptPlan plan;
	bool		isnull;
	int64		last = 0;

	*upto = DT_NOBEGIN;
	if (kept_run(&plan, "SELECT tick, upto FROM hospital.ticks ORDER BY tick DESC LIMIT 1", 0, NULL, NULL, NULL,
				 SPI_OK_SELECT) > 0)
	{
		last = DatumGetInt64(kept_value(0, 1, &isnull));
		*upto = DatumGetTimestamp(kept_value(0, 2, &isnull));
	}
	kept_done();
	return last;
}

/* By ticks and by day files: which tick was the last, and how far they have come. */
static Position
position_done(const Window *window, int64 *last_tick)
{
	Oid			types[] = {DATEOID};
	Datum		values[] = {DateADTGetDatum(window->live_from)};
	Position	done = {window->live_from, 0};
	Timestamp	upto;
	bool		isnull;

	*last_tick = window_last_tick(&upto);
	if (SPI_execute_with_args("SELECT max(day) FROM hospital.days WHERE day >= $1", 1, types, values, NULL,
							  true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read hospital.days");
	values[0] = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	if (!isnull)
		done.day = DatumGetDateADT(values[0]) + 1;
	if (*last_tick > 0 && clock_is_past(position_at(upto), done))
		done = position_at(upto);
	return done;
}

/* ---- the pace ---- */

bool
window_is_over(const Window *window)
{
	return window->number > 0 && clock_first_day_to_come(&window->pace, clock_now(&window->pace)) > window->pace.last_day;
}

static int64
day_length_set(void)
{
	if (hospital_window_days > 0)
		return hospital_window_length * USECS_PER_SEC / hospital_window_days;
	return hospital_batch_interval * INT64CONST(1000);
}

static int
days_set(void)
{
	int64		days = hospital_window_length * INT64CONST(1000) / hospital_batch_interval;

	return hospital_window_days > 0 ? hospital_window_days : (int) Min(Max(days, 1), DAYS_IN_WINDOW_MAX);
}

static bool
is_outdated(const Pace *pace)
{
	return pace->day_length != day_length_set() ||
		pace->stream_interval != hospital_stream_interval * INT64CONST(1000);
}

/* Ticks that were due keep their numbers, whether they have been made or not. */
static void
anchor_ticks(Pace *pace, TimestampTz now, int64 last_done)
{
	int64		next = clock_first_tick_to_come(pace, now);

	if (next > last_done)
		pace->tick_at += (next - pace->next_tick) * pace->stream_interval;
	else
	{
		next = last_done + 1;
		pace->tick_at = now;
	}
	pace->next_tick = next;
}

void
window_anchor(Window *window)
{
	Pace	   *pace = &window->pace;
	TimestampTz now = clock_now(pace);
	Position	reached = clock_position(pace, now);
	int64		last_tick;
	Position	done = position_done(window, &last_tick);

	if (clock_is_past(done, reached))
		reached = done;
	anchor_ticks(pace, now, last_tick);
	pace->anchor_at = now;
	pace->anchor_day = reached.day;
	pace->anchor_part = reached.part;
	clock_set_pace(pace);
}

/* Anchored, unless the window begins. */
static void
take_settings(Window *window, const Simulation *simulation)
{
	Pace	   *pace = &window->pace;
	int64		last = (int64) window->first_day + days_set() - 1;

	pace->day_length = day_length_set();
	pace->stream_interval = hospital_stream_interval * INT64CONST(1000);
	pace->last_day = (DateADT) Min(Max(last, pace->anchor_day), simulation->end_date);
	clock_set_pace(pace);
}

void
window_follow_settings(Window *window, const Simulation *simulation)
{
	const Pace *pace = &window->pace;

	/* Nothing is locked where there is nothing to change. */
	if (window_is_over(window) || !is_outdated(pace) ||
		!window_read(window, true) || window_is_over(window))
		return;
	window_anchor(window);
	if (!window_is_over(window))
		take_settings(window, simulation);
	window_write(window);
	ereport(LOG,
			(errmsg("hospital scheduler: from %s on a day takes %s, with a tick every %s",
					day_file_date(clock_first_day_to_come(pace, clock_now(pace))),
					window_duration(pace->day_us), window_duration(pace->stream_interval))));
}

void
window_begin(Window *window, const Simulation *simulation)
{
	Pace	   *pace = &window->pace;
	TimestampTz now = hospital_clock()->now();
	Timestamp	upto;
	int64		last_tick = window_last_tick(&upto);

	if (window->number == 0)
	{
		window->first_day = window->has_anchor_day ? pace->anchor_day : simulation->start_date;
		window->live_from = window->first_day;
	}
	else
	{
		/* Ticks that are still to be made keep their numbers. */
		last_tick = Max(last_tick, clock_last_tick(pace));
		window->first_day = Max(pace->anchor_day, pace->last_day + 1);
	}
	window->number++;
	window->started_at = now;
	window->first_tick = pace->next_tick = last_tick + 1;
	pace->anchor_at = pace->tick_at = now;
	pace->anchor_day = window->first_day;
	pace->anchor_part = 0;
	pace->stood_at = 0;
	take_settings(window, simulation);
}

void
window_stand(Window *window)
{
	if (window->pace.stood_at == 0)
		window->pace.stood_at = hospital_clock()->now();
}

void
window_go_on(Window *window)
{
	Pace	   *pace = &window->pace;
	TimestampTz stood = pace->stood_at == 0 ? 0 : hospital_clock()->now() - pace->stood_at;

	pace->anchor_at += stood;
	pace->tick_at += stood;
	pace->stood_at = 0;
	clock_set_pace(pace);
}

const char *
window_duration(int64 us)
{
	return DatumGetCString(DirectFunctionCall1(interval_out, window_interval(us)));
}

/* ---- ticks ---- */

/* Events that went out in a tick, by however many Kafka transactions. */
static int64
events_of_tick(int64 tick)
{
	static KeptPlan plan;
	Oid			types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(tick)};
	bool		isnull;
	int64		events;

	kept_run(&plan, "SELECT coalesce(sum(events), 0) FROM hospital.published WHERE stream_tick = $1",
			 1, types, values, NULL, SPI_OK_SELECT);
	events = DatumGetInt64(kept_value(0, 1, &isnull));
	kept_done();
	return events;
}

void
window_record_tick(const TickRecord *tick, bool brokers)
{
	static KeptPlan plan;
	static const char *const insert =
		"INSERT INTO hospital.ticks (tick, window_number, due_at, started_at, finished_at, upto, outcome, events)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
	const Oid	types[] = {
		INT8OID, INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPOID, TEXTOID, INT8OID
	};
	int64		events = brokers ? events_of_tick(tick->number) : 0;
	Datum		values[] = {
		Int64GetDatum(tick->number), Int32GetDatum(tick->window), TimestampTzGetDatum(tick->due_at),
		TimestampTzGetDatum(tick->started_at), TimestampTzGetDatum(hospital_clock()->now()),
		TimestampGetDatum(tick->upto),
		CStringGetTextDatum(!brokers ? "no brokers" : events > 0 ? "published" : "nothing due"), Int64GetDatum(events)
	};

	kept_run(&plan, insert, lengthof(values), types, values, NULL, SPI_OK_INSERT);
}
