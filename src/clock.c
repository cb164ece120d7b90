/*
 * clock.c: when the hospital's days and ticks are due.
 *
 * From the anchor on a day takes day_us microseconds, a whole number, so that
 * all that follows is exact: a day is due when position says that it is over,
 * whoever asks.  Before the anchor the same line goes on: what was due then and
 * is made up later finds a position no further than the anchor's.
 *
 * A wall clock that jumps back makes less due than has been done, which does no
 * harm; one that jumps forward makes more due, and it is made up.
 *
 * Nothing is kept here: the state is window.c's, and window_control.c changes it.
 */
#include "postgres.h"

#include <math.h>

#include "utils/timestamp.h"

#include "clock.h"
#include "settings.h"
#include "shared_state.h"
#include "worker.h"

#define DAY_US_MIN 1000
#define DAY_US_MAX INT64CONST(100000000000000)	/* three years: sums stay in range */
#define DAYS_BACK_MAX 100000

/* ---- the wall clock ---- */

static TimestampTz
wall_now(void)
{
	return GetCurrentTimestamp() + hospital_test_clock_shift * USECS_PER_SEC;
}

static void
wall_wait_until(TimestampTz at, long real_ms)
{
	long		ms = real_ms;

	if (at != 0)
	{
		ms = TimestampDifferenceMilliseconds(wall_now(), at);
		if (real_ms >= 0)
			ms = Min(ms, real_ms);
	}
	worker_wait(ms, -1);
}

static const ClockMethods wall_clock = {
	.now = wall_now,
	.wait_until = wall_wait_until
};

/* ---- the test clock ----
 *
 * Its time is shared memory's, so that sessions see the scheduler's; after a
 * restart it is that of what was recorded last.
 */

static TimestampTz
test_now(void)
{
	TimestampTz now;

	LWLockAcquire(hospital_control->lock, LW_SHARED);
	now = hospital_control->test_now;
	LWLockRelease(hospital_control->lock);
	return now != 0 ? now : GetCurrentTimestamp();
}

static void
test_advance(TimestampTz at)
{
	LWLockAcquire(hospital_control->lock, LW_EXCLUSIVE);
	hospital_control->test_now = Max(hospital_control->test_now, at);
	LWLockRelease(hospital_control->lock);
}

static void
test_wait_until(TimestampTz at, long real_ms)
{
	if (at != 0)
		test_advance(at);
	worker_wait(at != 0 ? 0 : real_ms, -1);
}

static const ClockMethods test_clock = {
	.now = test_now,
	.wait_until = test_wait_until
};

static bool
is_test_clock(void)
{
	return hospital_test_clock && hospital_control != NULL;
}

const ClockMethods *
hospital_clock(void)
{
	return is_test_clock() ? &test_clock : &wall_clock;
}

void
clock_not_before(TimestampTz at)
{
	if (is_test_clock())
		test_advance(at);
}

/* ---- positions ---- */

void
clock_set_pace(Pace *pace)
{
	double		us = pace->day_length / pace->speed;

	pace->day_us = (int64) Min(Max(us, DAY_US_MIN), DAY_US_MAX);
	pace->origin = pace->anchor_at - (int64) floor(pace->anchor_part * pace->day_us);
}

TimestampTz
clock_now(const Pace *pace)
{
	return pace->stood_at != 0 ? pace->stood_at : hospital_clock()->now();
}

/* Rounded down, for negative numbers, too. */
static int64
whole_parts(int64 length, int64 part)
{
	int64		n = length / part;

	return length % part < 0 ? n - 1 : n;
}

static TimestampTz
day_begins(const Pace *pace, DateADT day)
{
	return pace->origin + (int64) (day - pace->anchor_day) * pace->day_us;
}

Position
clock_position(const Pace *pace, TimestampTz at)
{
	int64		days = whole_parts(at - pace->origin, pace->day_us);
	Position	position = {pace->last_day + 1, 0};

	if (days > pace->last_day - pace->anchor_day)
		return position;
	days = Max(days, -DAYS_BACK_MAX);	/* a wall clock may say anything */
	position.day = pace->anchor_day + (DateADT) days;
	position.part = (at - pace->origin - days * pace->day_us) / (double) pace->day_us;
	return position;
}

bool
clock_is_past(Position a, Position b)
{
	return a.day > b.day || (a.day == b.day && a.part > b.part);
}

/* ---- days ---- */

TimestampTz
clock_day_due(const Pace *pace, DateADT day)
{
	return day_begins(pace, day + 1);
}

DateADT
clock_first_day_to_come(const Pace *pace, TimestampTz at)
{
	return clock_position(pace, at).day;
}

/* ---- ticks ---- */

/*
 * A window that a jump has brought to its end has one more tick: the last one
 * was before the jump.
 */
static TimestampTz
last_tick_due(const Pace *pace)
{
	return Max(clock_day_due(pace, pace->last_day), pace->tick_at + 1);
}

int64
clock_last_tick(const Pace *pace)
{
	int64		left = last_tick_due(pace) - pace->tick_at;

	return pace->next_tick - 1 + (left + pace->stream_interval - 1) / pace->stream_interval;
}

TimestampTz
clock_tick_due(const Pace *pace, int64 tick)
{
	return Min(pace->tick_at + (tick - pace->next_tick + 1) * pace->stream_interval,
			   last_tick_due(pace));
}

int64
clock_first_tick_to_come(const Pace *pace, TimestampTz at)
{
	int64		last = clock_last_tick(pace);

	if (at >= last_tick_due(pace))
		return last + 1;
	return Min(pace->next_tick + whole_parts(at - pace->tick_at, pace->stream_interval), last);
}

double
clock_share(const Pace *pace, DateADT day, TimestampTz at, int ticks_of_day)
{
	int64		passed = at - day_begins(pace, day);
	double		part = passed / (double) pace->day_us;
	double		ticks = whole_parts(passed, pace->stream_interval) / (double) ticks_of_day;

	return Min(Max(Max(part, ticks), 0), 1);
}

TimestampTz
clock_next_due(const Pace *pace, TimestampTz at)
{
	DateADT		day = clock_first_day_to_come(pace, at);
	int64		tick = clock_first_tick_to_come(pace, at);
	TimestampTz next = 0;

	if (pace->stood_at != 0)
		return 0;
	if (day <= pace->last_day)
		next = clock_day_due(pace, day);
	if (tick <= clock_last_tick(pace) && (next == 0 || clock_tick_due(pace, tick) < next))
		next = clock_tick_due(pace, tick);
	return next;
}
