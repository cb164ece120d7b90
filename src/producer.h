/*
 * producer.h: what the scheduler asks of hospital_kafka.so, which it loads
 * only when there are brokers to talk to.
 */
#ifndef HOSPITAL_PRODUCER_H
#define HOSPITAL_PRODUCER_H

#include "postgres.h"
#include "utils/date.h"

#include "simulation.h"
#include "stream_topics.h"
#include "window.h"

/*
 * A moment at which events are published: of each kind those of the days from
 * "first" on, of the last day n * share of its n.
 */
typedef struct StreamTick
{
	TickRecord	record;
	DateADT		last_day;
	double		share;
	int			nkinds;
	int			kinds[STREAM_KINDS];
	DateADT		first[STREAM_KINDS];
} StreamTick;

typedef struct ProducerApi
{
	/*
	 * Connect, fence a former producer of the same simulation, read back what
	 * follows the recorded offsets, and record in hospital.published what was
	 * sent but not recorded.  Called with no transaction open; waits by
	 * worker_wait, here and in the others, and calls "meanwhile" (which must
	 * not raise) several times a second while it does.  ereport(ERROR) when
	 * the brokers cannot be reached in time or refuse.
	 */
	void		(*open) (const Simulation *simulation, void (*meanwhile) (void));

	/*
	 * Publish what of a tick is not published, in one Kafka transaction.  Wait
	 * for the delivery reports, then record it in hospital.published in a
	 * transaction of its own, and in the same, when that is all of it, the
	 * tick's outcome in hospital.ticks.  False: there is more, call again.  No
	 * transaction open.
	 */
	bool		(*publish) (const StreamTick *tick);

	/*
	 * Publish, as REST_TICK, what is not published of some days from "from"
	 * on, of all kinds that hospital.topics has, in one Kafka transaction.
	 * Record it, and in hospital.publish_requests the last day that is all
	 * published, *done.  False when nobody wants the request any more.
	 */
	bool		(*publish_days) (int64 request, DateADT from, DateADT to, DateADT *done);
	void		(*close) (void);
} ProducerApi;

/*
 * In hospital.published the parts of a day are numbered from 0.  This is the
 * last one, however many there are: it has whatever the others left.  A kind's
 * day is published when it is.  Ledgers have the number, so it stays what it is.
 */
#define REST_TICK 1000

/* A row without events: from its day on the kind is published by itself. */
#define START_TICK (-1)

/* The symbol to load from hospital_kafka. */
#define PRODUCER_API_SYMBOL "hospital_producer_api"
extern PGDLLEXPORT const ProducerApi *hospital_producer_api(void);

#endif							/* HOSPITAL_PRODUCER_H */
