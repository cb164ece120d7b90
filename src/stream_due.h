/*
 * stream_due.h: which events of which kinds a tick has to publish.
 */
#ifndef HOSPITAL_STREAM_DUE_H
#define HOSPITAL_STREAM_DUE_H

#include "postgres.h"
#include "utils/date.h"

#include "producer.h"
#include "stream_topics.h"
#include "window.h"

/* What is known without asking hospital.published again. */
typedef struct StreamDue
{
	bool		settled;		/* the caller's: since the settings changed one plan has been committed */
	DateADT		live_from;
	int			nkinds;
	int			kinds[STREAM_KINDS];
	DateADT		first[STREAM_KINDS];	/* day of the kind that is not known to be published */
} StreamDue;

/*
 * Fill in the tick's days and kinds, of all that is due by its moment.  In a
 * transaction.
 */
extern void stream_due_plan(StreamDue *due, const Window *window, StreamTick *tick, int ticks_of_day);

#endif							/* HOSPITAL_STREAM_DUE_H */
