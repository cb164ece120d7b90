/*
 * stream_due.h: which ticks of which kinds are to be published next.
 */
#ifndef HOSPITAL_STREAM_DUE_H
#define HOSPITAL_STREAM_DUE_H

#include "postgres.h"
#include "utils/date.h"

#include "clock.h"
#include "stream_topics.h"

/* What is known without asking hospital.published again. */
typedef struct StreamDue
{
	bool		settled;		/* the caller's: since the settings changed one find has committed */
	DateADT		anchor_day;
	int			nkinds;
	int			kinds[STREAM_KINDS];
	int			first[STREAM_KINDS];	/* day of the kind, since the anchor, not known to be done */
} StreamDue;

typedef struct DueTick
{
	int			day;			/* since the anchor */
	int			tick;
	int			nkinds;
	int			kinds[STREAM_KINDS];
} DueTick;

/* The first tick that is due and not published; false: none.  In a transaction. */
extern bool stream_due_find(StreamDue *due, const Pace *pace, TimestampTz now, DueTick *found);

#endif							/* HOSPITAL_STREAM_DUE_H */
