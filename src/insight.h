/*
 * insight.h: what a batch of events means at once: alerts, and windows of
 * activity.
 *
 * A consumer does, for each batch:
 *
 *	insight = insight_begin();			in the batch's memory context
 *	insight_add(insight, kind, ...);	the records of it that became rows
 *	insight_apply(insight);				last thing before the commit
 *	... commit ...
 *	if (insight_alerts(insight) > 0)
 *		insight_notify(insight);		in a transaction of its own
 */
#ifndef HOSPITAL_INSIGHT_H
#define HOSPITAL_INSIGHT_H

#include "postgres.h"

typedef struct Insight Insight;

/* An empty one, in CurrentMemoryContext, which must outlive the commit. */
extern PGDLLEXPORT Insight *insight_begin(void);

/*
 * Records that have become rows, or have completed them, in this transaction;
 * nothing is written yet.  They are read again by insight_apply.
 */
extern PGDLLEXPORT void insight_add(Insight *insight, int kind_number, const void *const *records, int n);

/*
 * Alerts and windows, once a transaction and after all rows, SPI connected, READ
 * COMMITTED.  It takes locks on patients until the transaction ends.
 */
extern PGDLLEXPORT void insight_apply(Insight *insight);

/* How many alerts were raised. */
extern PGDLLEXPORT int64 insight_alerts(const Insight *insight);

/* Tell listeners to hospital_alerts of them; SPI connected. */
extern PGDLLEXPORT void insight_notify(const Insight *insight);

#endif							/* HOSPITAL_INSIGHT_H */
