/*
 * producer.h: what the scheduler asks of hospital_kafka.so, which it loads
 * only when there are brokers to talk to.
 */
#ifndef HOSPITAL_PRODUCER_H
#define HOSPITAL_PRODUCER_H

#include "postgres.h"
#include "utils/date.h"

#include "day.h"
#include "simulation.h"

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
	 * Publish a tick of a day, of these kinds, in one Kafka transaction: of a
	 * kind's n events those before number (tick+1)*n/ticks (ticks count from
	 * 0) that no earlier tick of the day has published; REST_TICK: all such.
	 * Wait for the delivery reports, then record the tick in
	 * hospital.published in a transaction of its own.  No transaction open.
	 */
	void		(*publish) (DateADT day, int tick, int ticks_per_day, const int *kinds, int nkinds);

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
 * The last tick of a day, however many there are: it has whatever the others
 * left.  A kind's day is published when it is.
 */
#define REST_TICK TRANSFERS_MAX

/* A row without events: from its day on the kind is published by itself. */
#define START_TICK (-1)

/* The symbol to load from hospital_kafka. */
#define PRODUCER_API_SYMBOL "hospital_producer_api"
extern PGDLLEXPORT const ProducerApi *hospital_producer_api(void);

#endif							/* HOSPITAL_PRODUCER_H */
