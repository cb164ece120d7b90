/*
 * clock.h: when the hospital's days and ticks are due.
 *
 * Everything is computed from the anchor (hospital day "anchor_day" began at
 * wall time "anchor_at") and the pace; nothing is remembered.  What has been
 * done is in the tables; what is due and not done is made up, in order.
 */
#ifndef HOSPITAL_CLOCK_H
#define HOSPITAL_CLOCK_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "utils/date.h"

typedef struct Pace
{
	TimestampTz anchor_at;
	DateADT		anchor_day;
	DateADT		end_day;		/* the last one */
	int			batch_interval; /* ms that a day takes */
	int			stream_interval;	/* ms between ticks of a day */
	int			ticks_per_day;
} Pace;

/* Tests put their own in place of the wall clock. */
typedef struct ClockMethods
{
	TimestampTz (*now) (void);
	void		(*wait_until) (TimestampTz at); /* or until poked; 0: until poked */
} ClockMethods;

extern const ClockMethods *hospital_clock;

extern int	clock_ticks_per_day(int transfers_per_day, int stream_records);

/* Days since the anchor are counted from 0. */
extern int	clock_days_in_all(const Pace *pace);
extern TimestampTz clock_day_due(const Pace *pace, int day);
extern TimestampTz clock_tick_due(const Pace *pace, int day, int tick);

/* How many days, and ticks of all days, are due at a time. */
extern int	clock_days_due(const Pace *pace, TimestampTz now);
extern int64 clock_ticks_due(const Pace *pace, TimestampTz now);

/* When the next day or (if asked for) tick becomes due; 0: never again. */
extern TimestampTz clock_next_due(const Pace *pace, TimestampTz now, bool ticks);

#endif							/* HOSPITAL_CLOCK_H */
