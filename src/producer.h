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
	 * Connect, fence a former producer of the same simulation, read the
	 * topic's tail back and record in hospital.published what was sent but
	 * not recorded.  Called with no transaction open; waits by worker_wait,
	 * here and in "publish", and calls "meanwhile" (which must not raise)
	 * several times a second while it does.  ereport(ERROR) when the broker
	 * cannot be reached in time or refuses.
	 */
	void		(*open) (const Simulation *simulation, void (*meanwhile) (void));

	/*
	 * Publish a tick of a day, in one Kafka transaction: of the day's n
	 * transfers those before number (tick+1)*n/ticks (ticks count from 0)
	 * that no earlier tick of the day has published; REST_TICK: all such.
	 * Wait for the delivery reports, then record the tick in
	 * hospital.published in a transaction of its own.  No transaction open.
	 */
	void		(*publish) (DateADT day, int tick, int ticks_per_day);
	void		(*close) (void);
} ProducerApi;

/*
 * After the regular ticks of a day: what they left, because the setting
 * hospital.stream_records was changed during the day.
 */
#define REST_TICK TRANSFERS_MAX

/* The symbol to load from hospital_kafka. */
#define PRODUCER_API_SYMBOL "hospital_producer_api"
extern PGDLLEXPORT const ProducerApi *hospital_producer_api(void);

#endif							/* HOSPITAL_PRODUCER_H */
