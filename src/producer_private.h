/*
 * producer_private.h: what the producer's files share.
 */
#ifndef HOSPITAL_PRODUCER_PRIVATE_H
#define HOSPITAL_PRODUCER_PRIVATE_H

#include "postgres.h"
#include "utils/date.h"
#include "utils/hsearch.h"

#include "day.h"
#include "kafka.h"
#include "simulation.h"
#include "stream_topics.h"

#define WAIT_MS 100				/* between two calls of "meanwhile" */
#define START_TIMEOUT_MS 30000	/* brokers found, former producers fenced */
#define DELIVERY_TIMEOUT_MS 40000	/* longer than the library's own 30 s */

/* A kind of events and its topic. */
typedef struct Stream
{
	char		name[TOPIC_NAME_LENGTH];
	KafkaTopic *topic;			/* NULL: not looked for yet */
} Stream;

typedef struct Producer
{
	KafkaClient *client;		/* NULL: to be opened */
	MemoryContext context;		/* as long as the client is open */
	KafkaTarget target;
	char	   *prefix;			/* of the topics' names */
	Simulation	simulation;
	char		simulation_id[37];
	Stream		streams[STREAM_KINDS];
} Producer;

extern Producer producer;

/* ---- producer_ledger.c: hospital.published ---- */

typedef struct TickKey
{
	int			kind;
	DateADT		day;
	int			tick;
} TickKey;

/* Events of a kind in a tick, and where they are. */
typedef struct PublishedTick
{
	TickKey		key;
	int			events;
	KafkaArrivals arrivals;
} PublishedTick;

/* A table of them, in the current memory context; and one of its members, made where missing. */
extern HTAB *ticks_new(void);
extern PublishedTick *ticks_get(HTAB *ticks, int kind, DateADT day, int tick);

/* What the ledger says of a kind on a day, asked for a tick. */
typedef struct KindDay
{
	int64		before;			/* events of earlier ticks */
	bool		done;			/* this tick, or the day's last one, is published */
} KindDay;

/* Of n days. */
extern void ledger_read(DateADT from, int n, int tick, KindDay (*days)[STREAM_KINDS]);

/* In a transaction: rows that are there stay as they are, or (again) tell of the new broker. */
extern void ledger_write(HTAB *ticks, bool again);

/* A transaction of its own; raises where the hospital is gone. */
extern void ledger_begin(const char *activity);

/* Kinds that have ever been published, or are asked for now. */
extern void ledger_kinds(bool kinds[STREAM_KINDS]);

/* The last offset of each partition; the number of partitions.  In a transaction. */
extern int	ledger_last_offsets(int kind, int64 **offsets);

/* ---- producer_send.c: a day's events ---- */

/* In order of time, and therefore of every patient's time. */
typedef struct Event
{
	TimestampTz time;
	const void *record;
	int32		kind;			/* of records: ADT has three */
	int32		number;			/* among those of the same time */
} Event;

/* Of the day, which stays there until the current memory context is reset. */
extern const DayRecords *day_for_sending(DateADT day);
extern Event *day_events(const DayRecords *records, int kind, int *n);

/* Hand events to the library, as ones of this tick; bytes of payload. */
extern int64 send_events(PublishedTick *tick, const Event *events, int n);

/* The topic exists, or is made. */
extern void stream_open(int kind);

/* ---- producer_tail.c: what was sent, but not recorded? ---- */

extern void record_tail(void);

/* ---- producer_again.c: the embedded broker: what has to be sent again? ---- */

extern void republish_missing(void);

#endif							/* HOSPITAL_PRODUCER_PRIVATE_H */
