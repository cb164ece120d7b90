/*
 * window_control.c: hospital_start, stop, pause, resume, speed and jump; and
 * what hospital.run_window shows.
 *
 * They change hospital.run_state as the caller, whose rights on the tables
 * decide, and wake the scheduler and the launcher when the transaction commits.
 * The clock stands still while the hospital is stopped or paused: going on moves
 * its anchors by the time that passed, so that nothing becomes due at once.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/xact.h"
#include "commands/dbcommands.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "day_file.h"
#include "shared_state.h"
#include "simulation.h"
#include "window.h"

#define STOP_WITHIN_MS 1000
#define SPEED_MIN 0.001
#define SPEED_MAX 1000000
#define SHORTEST_DAY_MS 10

PG_FUNCTION_INFO_V1(hospital_start);
PG_FUNCTION_INFO_V1(hospital_stop);
PG_FUNCTION_INFO_V1(hospital_pause_clock);
PG_FUNCTION_INFO_V1(hospital_resume_clock);
PG_FUNCTION_INFO_V1(hospital_speed);
PG_FUNCTION_INFO_V1(hospital_jump);
PG_FUNCTION_INFO_V1(hospital_window_now);

/* ---- telling the workers ---- */

/*
 * A scheduler looks at the row between two things that it does.  One that is in
 * the middle of a long one (waiting for brokers) when the hospital is stopped
 * is ended; the next one finds the row and leaves.
 */
static enum
{
	NO_CHANGE, STARTED, STOPPED
}			pending_change = NO_CHANGE;

static void
change_after_commit(XactEvent event, void *arg)
{
	TimestampTz stop_by = 0;

	(void) arg;
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		pending_change = NO_CHANGE;
	if (event != XACT_EVENT_COMMIT || pending_change == NO_CHANGE || hospital_control == NULL)
		return;
	if (pending_change == STOPPED)
		stop_by = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), STOP_WITHIN_MS);
	pending_change = NO_CHANGE;

	LWLockAcquire(hospital_control->lock, LW_EXCLUSIVE);
	for (int i = 0; i < WORKER_SLOTS; i++)
	{
		WorkerSlot *slot = &hospital_control->slots[i];

		if (slot->used && slot->role == WORKER_SCHEDULER && slot->database == MyDatabaseId)
			slot->stop_by = slot->pid != 0 ? stop_by : 0;
	}
	control_wake_launcher();
	LWLockRelease(hospital_control->lock);
}

static void
change_at_commit(bool stopped)
{
	static bool registered = false;

	if (!registered)
	{
		RegisterXactCallback(change_after_commit, NULL);
		registered = true;
	}
	pending_change = stopped ? STOPPED : STARTED;
	worker_wake_at_commit(WORKER_SCHEDULER);
	worker_wake_at_commit(WORKER_LAUNCHER);
}

/* Starting is recorded whatever the server's settings; say what is missing. */
static void
warn_if_nobody_acts(void)
{
	const char *database_name = get_database_name(MyDatabaseId);

	if (hospital_control == NULL)
		ereport(WARNING,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the hospital will not run: the library was not loaded at server start"),
				 errhint("Add hospital to shared_preload_libraries and restart the server.")));
	else if (!control_database_is_listed(database_name))
		ereport(WARNING,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the hospital will not run: database \"%s\" is not in hospital.databases",
						database_name),
				 errhint("Add it there and reload the configuration; the hospital starts by itself then.")));
}

/* ---- reading and writing the row ---- */

/* A call's; names mean what they say, whatever the caller's search_path. */
typedef struct Change
{
	int			guc_level;
	Simulation	simulation;
	Window		window;
} Change;

static void
open_change(Change *change)
{
	change->guc_level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute("SELECT pg_catalog.to_regclass('hospital.run_state') IS NOT NULL"
					" AND pg_catalog.to_regclass('hospital.simulation') IS NOT NULL",
					true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not look for hospital.run_state");
	if (strcmp(SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1), "t") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no hospital in this database"),
				 errhint("Make one with CALL hospital_create() or CALL hospital_load_people(...).")));
	if (!simulation_read(&change->simulation, false) || !window_read(&change->window, true))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("hospital.run_state or hospital.simulation has lost its row"),
				 errhint("Restore the rows that hospital_create wrote.")));
}

/* Also when there was nothing to change: who asked last is on record. */
static void
close_change(Change *change, bool stopped)
{
	if (change->window.number > 0)
		window_write(&change->window);
	if (SPI_execute(stopped ?
					"UPDATE hospital.run_state SET changed_at = now(), changed_by = session_user, desired = 'stopped'" :
					"UPDATE hospital.run_state SET changed_at = now(), changed_by = session_user",
					false, 0) != SPI_OK_UPDATE)
		elog(ERROR, "could not change hospital.run_state");
	SPI_finish();
	AtEOXact_GUC(true, change->guc_level);
	change_at_commit(stopped);
}

/* "2020-03-14 09:36:00" */
static const char *
hospital_time_text(Position position)
{
	return DatumGetCString(DirectFunctionCall1(timestamp_out,
											   TimestampGetDatum(position_time(position) / USECS_PER_SEC * USECS_PER_SEC)));
}

/* ---- what may not be ---- */

static void
require_begun(const Window *window)
{
	if (window->number == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the hospital has not been started yet"),
				 errhint("SELECT hospital_start() begins a window.")));
}

/* The workers may go on when it is over: there may be files and messages to bring in. */
static void
report_over(const Window *window, int level)
{
	const char *first = pstrdup(day_file_date(window->first_day));

	ereport(level,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the window is over"),
			 errdetail("Window %d had the hospital days %s to %s; no more days or ticks become due in it.",
					   window->number, first, day_file_date(window->pace.last_day)),
			 errhint("SELECT hospital_start(another_window => true) begins another one on the day after.")));
}

static void
require_open(const Window *window)
{
	require_begun(window);
	if (window_is_over(window))
		report_over(window, ERROR);
}

static void
require_running(const Window *window, const char *what)
{
	if (window->wish == WISH_STOPPED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the hospital is stopped"),
				 errdetail("There is nothing to %s: its clock stands still already.", what),
				 errhint("SELECT hospital_start() lets it go on.")));
}

/* ---- start and stop ---- */

static void
begin_another(Change *change)
{
	const Simulation *simulation = &change->simulation;

	window_begin(&change->window, simulation);
	if (change->window.first_day > simulation->end_date)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("all days of this hospital have passed"),
				 errdetail("Its last day is %s.", day_file_date(simulation->end_date)),
				 errhint("The last day is frozen; CALL hospital_create(...) in another database with a later end_date.")));
}

Datum
hospital_start(PG_FUNCTION_ARGS)
{
	bool		another = PG_GETARG_BOOL(0);
	Change		change;
	Window	   *window = &change.window;

	open_change(&change);
	if (window->number == 0 || (another && window_is_over(window)))
		begin_another(&change);
	else if (another)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the window is not over"),
				 errdetail("It is %s in the hospital, and the window's last day is %s.",
						   hospital_time_text(clock_position(&window->pace, clock_now(&window->pace))),
						   day_file_date(window->pace.last_day)),
				 errhint("SELECT hospital_start() goes on with it.")));
	else
	{
		if (window_is_over(window))
			report_over(window, WARNING);
		window_go_on(window);
	}
	window->wish = WISH_RUNNING;
	close_change(&change, false);
	warn_if_nobody_acts();
	PG_RETURN_VOID();
}

Datum
hospital_stop(PG_FUNCTION_ARGS)
{
	Change		change;

	open_change(&change);
	change.window.wish = WISH_STOPPED;
	window_stand(&change.window);
	close_change(&change, true);
	PG_RETURN_VOID();
}

Datum
hospital_pause_clock(PG_FUNCTION_ARGS)
{
	Change		change;

	open_change(&change);
	require_open(&change.window);
	require_running(&change.window, "pause");
	window_stand(&change.window);
	change.window.wish = WISH_PAUSED;
	close_change(&change, false);
	PG_RETURN_VOID();
}

Datum
hospital_resume_clock(PG_FUNCTION_ARGS)
{
	Change		change;

	open_change(&change);
	require_open(&change.window);
	require_running(&change.window, "resume");
	window_go_on(&change.window);
	change.window.wish = WISH_RUNNING;
	close_change(&change, false);
	PG_RETURN_VOID();
}

/* ---- pace ---- */

static void
require_speed(const Pace *pace, double factor)
{
	if (isnan(factor) || factor < SPEED_MIN || factor > SPEED_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the speed must be from %g to %g", SPEED_MIN, (double) SPEED_MAX),
				 errhint("1 is the pace of the settings, 2 twice as fast. SELECT hospital_pause() lets the clock stand still.")));
	if (pace->day_length / factor < SHORTEST_DAY_MS * 1000.0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("at that speed a day would take less than %d ms", SHORTEST_DAY_MS),
				 errdetail("At speed 1 it takes %s.", window_duration(pace->day_length)),
				 errhint("CALL hospital_run(days) runs days as fast as they can be had.")));
}

Datum
hospital_speed(PG_FUNCTION_ARGS)
{
	double		factor = PG_GETARG_FLOAT8(0);
	Change		change;

	open_change(&change);
	require_open(&change.window);
	require_speed(&change.window.pace, factor);
	window_anchor(&change.window);
	change.window.pace.speed = factor;
	close_change(&change, false);
	PG_RETURN_VOID();
}

/* As a position; the window's end is the last that there is. */
static Position
require_moment(const Window *window, Timestamp to)
{
	Position	position = {window->pace.anchor_day, window->pace.anchor_part};
	Position	target;

	if (TIMESTAMP_NOT_FINITE(to))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the moment to jump to must be finite")));
	target = position_at(to);
	if (clock_is_past(position, target))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the hospital's clock cannot go back"),
				 errdetail("It is %s in the hospital.", hospital_time_text(position)),
				 errhint("What has happened was told; jump to a later moment.")));
	if (clock_is_past(target, (Position) {window->pace.last_day + 1, 0}))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the moment to jump to is after the window's end"),
				 errdetail("The window's last day is %s.", day_file_date(window->pace.last_day)),
				 errhint("hospital_start(another_window => true) begins another one when this one is over.")));
	return target;
}

Datum
hospital_jump(PG_FUNCTION_ARGS)
{
	Timestamp	to = PG_GETARG_TIMESTAMP(0);
	Change		change;
	Position	target;

	open_change(&change);
	require_open(&change.window);
	window_anchor(&change.window);
	target = require_moment(&change.window, to);
	change.window.pace.anchor_day = target.day;
	change.window.pace.anchor_part = target.part;
	close_change(&change, false);
	PG_RETURN_VOID();
}

/* ---- sight ---- */

enum
{
	OUT_STATE, OUT_TIME, OUT_DAY_TAKES, OUT_DAYS_DUE, OUT_TICKS, OUT_TICKS_DUE, OUT_NEXT_DAY_AT,
	OUT_NEXT_TICK_AT, OUT_ENDS_AT, OUTS
};

static const char *
state_text(const Window *window)
{
	if (window->number == 0)
		return "not started";
	if (window_is_over(window))
		return "window over";
	return window->wish == WISH_RUNNING ? "running" : window->wish == WISH_PAUSED ? "paused" : "stopped";
}

static void
set_moment(Datum *values, bool *nulls, int number, TimestampTz at, bool is_there)
{
	values[number] = TimestampTzGetDatum(at);
	nulls[number] = !is_there;
}

/* When things become due makes sense only where the clock goes. */
static void
show_window(const Window *window, Datum *values, bool *nulls)
{
	const Pace *pace = &window->pace;
	TimestampTz now = clock_now(pace);
	Position	position = clock_position(pace, now);
	int64		tick = clock_first_tick_to_come(pace, now);
	bool		goes = pace->stood_at == 0;

	values[OUT_TIME] = TimestampGetDatum(position_time(position));
	values[OUT_DAY_TAKES] = window_interval(pace->day_us);
	values[OUT_DAYS_DUE] = Int32GetDatum(position.day - window->first_day);
	values[OUT_TICKS] = Int64GetDatum(clock_last_tick(pace) - window->first_tick + 1);
	values[OUT_TICKS_DUE] = Int64GetDatum(tick - window->first_tick);
	set_moment(values, nulls, OUT_NEXT_DAY_AT, clock_day_due(pace, position.day),
			   goes && position.day <= pace->last_day);
	set_moment(values, nulls, OUT_NEXT_TICK_AT, clock_tick_due(pace, tick), goes && tick <= clock_last_tick(pace));
	set_moment(values, nulls, OUT_ENDS_AT, clock_day_due(pace, pace->last_day), goes);
}

/* hospital.run_window's: the row is an argument, so that the view's owner is who reads it. */
Datum
hospital_window_now(PG_FUNCTION_ARGS)
{
	TupleDesc	tupdesc;
	Datum		values[OUTS] = {0};
	bool		nulls[OUTS] = {false};
	Window		window;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE || tupdesc->natts != OUTS)
		elog(ERROR, "hospital_window_now is declared with other columns");
	window_from_row(&window, PG_GETARG_HEAPTUPLEHEADER(0));
	values[OUT_STATE] = CStringGetTextDatum(state_text(&window));
	if (window.number > 0)
		show_window(&window, values, nulls);
	else
		memset(nulls + 1, true, sizeof(nulls) - 1);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls)));
}
