/*
 * clock.c: when the hospital's days and ticks are due.
 *
 * Hospital day k (from 0) begins at anchor_at + k * batch_interval; its file is
 * due when it is over, and its tick t at its beginning + (t + 1) *
 * stream_interval, or at its end where the pace leaves no room for that.  A
 * wall clock that jumps back makes less due than has been done, which does no
 * harm; one that jumps forward makes more due, and it is made up.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "clock.h"
#include "worker.h"

static void
wait_until_wall(TimestampTz at)
{
	if (at == 0)
		worker_wait(-1, -1);
	else
		worker_wait(TimestampDifferenceMilliseconds(GetCurrentTimestamp(), at), -1);
}

static const ClockMethods wall_clock = {
	.now = GetCurrentTimestamp,
	.wait_until = wait_until_wall
};

const ClockMethods *hospital_clock = &wall_clock;

int
clock_ticks_per_day(int transfers_per_day, int stream_records)
{
	return Max(1, (transfers_per_day + stream_records - 1) / stream_records);
}

int
clock_days_in_all(const Pace *pace)
{
	return Max(0, pace->end_day - pace->anchor_day + 1);
}

static TimestampTz
day_begins(const Pace *pace, int day)
{
	return pace->anchor_at + (int64) day * pace->batch_interval * INT64CONST(1000);
}

TimestampTz
clock_day_due(const Pace *pace, int day)
{
	return day_begins(pace, day + 1);
}

TimestampTz
clock_tick_due(const Pace *pace, int day, int tick)
{
	TimestampTz at = day_begins(pace, day) +
		(int64) (tick + 1) * pace->stream_interval * INT64CONST(1000);

	return Min(at, clock_day_due(pace, day));
}

int
clock_days_due(const Pace *pace, TimestampTz now)
{
	int64		days = (now - pace->anchor_at) / (pace->batch_interval * INT64CONST(1000));

	if (now < pace->anchor_at)
		return 0;
	return (int) Min(days, clock_days_in_all(pace));
}

int64
clock_ticks_due(const Pace *pace, TimestampTz now)
{
	int			days = clock_days_due(pace, now);
	int			ticks = 0;

	if (days < clock_days_in_all(pace) && now >= pace->anchor_at)
		while (ticks < pace->ticks_per_day && clock_tick_due(pace, days, ticks) <= now)
			ticks++;
	return (int64) days * pace->ticks_per_day + ticks;
}

TimestampTz
clock_next_due(const Pace *pace, TimestampTz now, bool ticks)
{
	int			days = clock_days_due(pace, now);
	int64		done = clock_ticks_due(pace, now);
	TimestampTz next;

	if (days >= clock_days_in_all(pace))
		return 0;
	next = clock_day_due(pace, days);
	if (ticks && done < (int64) (days + 1) * pace->ticks_per_day)
	{
		TimestampTz tick = clock_tick_due(pace, days, (int) (done % pace->ticks_per_day));

		next = Min(next, tick);
	}
	return next;
}
