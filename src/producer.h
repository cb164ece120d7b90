/*
 * producer.h: what the scheduler asks of hospital_kafka.so, which it loads
 * only when there are brokers to talk to.
 */
#ifndef HOSPITAL_PRODUCER_H
#define HOSPITAL_PRODUCER_H

#include "postgres.h"
#include "utils/date.h"

#include "simulation.h"

typedef struct ProducerApi
{
	/*
	 * Connect, fence a former producer of the same simulation, read the
	 * topic's tail back and record in hospital.published what was sent but
	 * not recorded.  Called with no transaction open; waits by worker_wait.
	 * ereport(ERROR) when the broker cannot be reached in time or refuses.
	 */
	void		(*open) (const Simulation *simulation);

	/*
	 * Publish the transfers of one tick of a day (ticks count from 0 within
	 * the day; tick t has transfers t*n/ticks .. (t+1)*n/ticks-1) in one Kafka
	 * transaction, wait for the delivery reports, then record the tick in
	 * hospital.published in a transaction of its own.  No transaction open.
	 */
	void		(*publish) (DateADT day, int tick, int ticks_per_day);
	void		(*close) (void);
} ProducerApi;

/* The symbol to load from hospital_kafka. */
#define PRODUCER_API_SYMBOL "hospital_producer_api"
extern PGDLLEXPORT const ProducerApi *hospital_producer_api(void);

#endif							/* HOSPITAL_PRODUCER_H */
