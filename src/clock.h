/*
 * clock.h: when the hospital's days and ticks are due.
 *
 * All of it is arithmetic on a Pace, which window.c keeps in
 * hospital.run_state.  What has been done is in the tables; what is due and not
 * done is made up, in order.
 */
#ifndef HOSPITAL_CLOCK_H
#define HOSPITAL_CLOCK_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "utils/date.h"

typedef struct Pace
{
	/* The anchor: at anchor_at so much of anchor_day had passed. */
	TimestampTz anchor_at;
	DateADT		anchor_day;
	double		anchor_part;	/* 0 to 1 */
	int64		day_length;		/* us that a day takes at speed 1 */
	double		speed;
	DateADT		last_day;		/* of the window */

	/* Ticks are moments of the wall clock: the one before next_tick is at tick_at. */
	TimestampTz tick_at;
	int64		next_tick;
	int64		stream_interval;	/* us */

	TimestampTz stood_at;		/* since when the clock stands still; 0: it goes */

	/* By clock_set_pace. */
	TimestampTz origin;			/* when anchor_day began, or would have */
	int64		day_us;			/* that a day takes at this speed */
} Pace;

/* A moment of hospital time. */
typedef struct Position
{
	DateADT		day;			/* the one after the last: the window is over */
	double		part;			/* of it, 0 to 1 */
} Position;

/*
 * What time it is, and how to wait for another.  The test clock does not wait:
 * the moment waited for comes at once (hospital.test_clock).
 */
typedef struct ClockMethods
{
	TimestampTz (*now) (void);

	/*
	 * Until "at" (0: no such moment), until so many ms of real time have passed
	 * (-1: no matter), or until poked.
	 */
	void		(*wait_until) (TimestampTz at, long real_ms);
} ClockMethods;

extern const ClockMethods *hospital_clock(void);

/* A test clock that starts anew is no earlier than what is recorded. */
extern void clock_not_before(TimestampTz at);

/* Compute what follows from the rest. */
extern void clock_set_pace(Pace *pace);

/* Now, unless the clock stands still. */
extern TimestampTz clock_now(const Pace *pace);

extern Position clock_position(const Pace *pace, TimestampTz at);
extern bool clock_is_past(Position a, Position b);

/* When a day is over, and its files are due. */
extern TimestampTz clock_day_due(const Pace *pace, DateADT day);

/* The window's last tick comes with its end, if not before. */
extern TimestampTz clock_tick_due(const Pace *pace, int64 tick);
extern int64 clock_last_tick(const Pace *pace);

/* The first day that is not over, and the first tick that is not due. */
extern DateADT clock_first_day_to_come(const Pace *pace, TimestampTz at);
extern int64 clock_first_tick_to_come(const Pace *pace, TimestampTz at);

/*
 * Of a day's events, the part that is due: as much as has passed of the day, or
 * earlier, as many ticks of stream_records transfers as it takes, from its
 * beginning on.
 */
extern double clock_share(const Pace *pace, DateADT day, TimestampTz at, int ticks_of_day);

/* When the next day or tick becomes due; 0: never. */
extern TimestampTz clock_next_due(const Pace *pace, TimestampTz at);

#endif							/* HOSPITAL_CLOCK_H */
