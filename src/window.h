/*
 * window.h: the live simulation's state, as hospital.run_state has it.
 */
#ifndef HOSPITAL_WINDOW_H
#define HOSPITAL_WINDOW_H

#include "postgres.h"
#include "access/htup.h"
#include "utils/date.h"

#include "clock.h"
#include "simulation.h"

typedef enum Wish
{
	WISH_STOPPED,				/* no workers; the clock stands still */
	WISH_PAUSED,				/* workers, but the clock stands still */
	WISH_RUNNING
} Wish;

typedef struct Window
{
	Wish		wish;
	int			number;			/* 0: none was ever begun */
	TimestampTz started_at;
	DateADT		first_day;
	int64		first_tick;
	DateADT		live_from;		/* earlier days are not the clock's to make */
	bool		has_anchor_day; /* before the first window hospital_run may have set it */
	Pace		pace;
} Window;

/* From a row of hospital.run_state. */
extern void window_from_row(Window *window, HeapTupleHeader row);

/* All of these in a transaction, SPI connected. */

/* False: hospital.run_state has lost its row. */
extern bool window_read(Window *window, bool for_update);
extern void window_write(const Window *window);

extern bool window_is_over(const Window *window);

/*
 * Anchor the clock at the position reached: the furthest of what it shows and
 * what has been done.  After that the pace may be changed, and time does not go
 * backward.
 */
extern void window_anchor(Window *window);

/* When the settings say another pace: go on at that, from the position reached. */
extern void window_follow_settings(Window *window, const Simulation *simulation);

/* Another window, from the day after those that have been made. */
extern void window_begin(Window *window, const Simulation *simulation);

/* The clock stands still, and goes on. */
extern void window_stand(Window *window);
extern void window_go_on(Window *window);

/* hospital_run has made the days up to this one: the clock goes on after it. */
extern void window_skip_day(DateADT day);

/* As an interval; and as text: "00:14:24". */
extern Datum window_interval(int64 us);
extern const char *window_duration(int64 us);

/* ---- ticks ---- */

/* The last one recorded, 0: none; and how far it went, or -infinity. */
extern int64 window_last_tick(Timestamp *upto);

typedef struct TickRecord
{
	int64		number;
	int			window;
	TimestampTz due_at;
	TimestampTz started_at;
	Timestamp	upto;			/* hospital time: events until then are published */
} TickRecord;

/* The one outcome of a tick; raises when it has one already. */
extern PGDLLEXPORT void window_record_tick(const TickRecord *tick, bool brokers);

/* A position as hospital time, and the other way. */
extern Timestamp position_time(Position position);
extern Position position_at(Timestamp time);

#endif							/* HOSPITAL_WINDOW_H */
