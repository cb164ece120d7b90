/*
 * producer_private.h: what the producer's files share.
 */
#ifndef HOSPITAL_PRODUCER_PRIVATE_H
#define HOSPITAL_PRODUCER_PRIVATE_H

#include "postgres.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "utils/date.h"
#include "utils/hsearch.h"

#include "day.h"
#include "event.h"
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
	char		simulation_id[EVENT_ID_LENGTH + 1];
	Stream		streams[STREAM_KINDS];
	List	   *ahead;			/* producer_messages.c's: days with messages made already */
} Producer;

extern Producer producer;

/* ---- producer_ledger.c: hospital.published ---- */

typedef struct TickKey
{
	int			kind;
	DateADT		day;
	int			tick;			/* part of the day; REST_TICK: the last one */
} TickKey;

/* Events of a kind in a part of a day, and where they are. */
typedef struct PublishedTick
{
	TickKey		key;
	int			events;
	int64		stream_tick;	/* they went out in; 0: in none */
	KafkaArrivals arrivals;
} PublishedTick;

/* A table of them, in the current memory context; and one of its members, made where missing. */
extern HTAB *ticks_new(void);
extern PublishedTick *ticks_get(HTAB *ticks, const TickKey *key, int64 stream_tick);

/* What the ledger says of a kind on a day. */
typedef struct KindDay
{
	int64		before;			/* events that are published */
	int			parts;			/* of the day, but for the last one */
	bool		done;			/* the last one is published */
} KindDay;

/* Of n days. */
extern void ledger_read(DateADT from, int n, KindDay (*days)[STREAM_KINDS]);

/* In a transaction: rows that are there stay as they are, or (again) tell of the new broker. */
extern void ledger_write(HTAB *ticks, bool again);

/* A transaction of its own; raises where the hospital is gone. */
extern void ledger_begin(const char *activity);

/* Kinds that have ever been published, or are asked for now. */
extern void ledger_kinds(bool kinds[STREAM_KINDS]);

/* The last offset of each partition; the number of partitions.  In a transaction. */
extern int	ledger_last_offsets(int kind, int64 **offsets);

/* ---- producer_messages.c: a day's messages ---- */

/* In order of time, and therefore of every patient's time. */
typedef struct Event
{
	TimestampTz time;
	const void *record;
	int32		kind;			/* of records: ADT has three */
	int32		number;			/* among those of the same time */
} Event;

/* Where in the text: key, event id, simulated time and payload, one after the other. */
typedef struct Message
{
	uint32		at;
	uint32		length;			/* of them all */
	uint8		key_length;
	uint8		time_length;
} Message;

typedef struct Messages
{
	int			first;			/* number of the event of the first */
	int			n;
	Message    *message;
	StringInfoData text;
} Messages;

/*
 * From event number "first" of the day on: to the end of its share, or n; in
 * the current memory context.
 */
extern const Messages *share_messages(DateADT day, int kind, int first, double share);
extern const Messages *some_messages(DateADT day, int kind, int first, int n);

/* Of a whole day; kept until they are forgotten, or the client is closed. */
extern const Messages *day_messages(DateADT day, int kind);
extern void forget_messages_before(DateADT day);

/*
 * Make those of n days that the ledger lacks, as long as reports of messages
 * sent are outstanding, and there is room.
 */
extern void prepare_ahead(DateADT from, int n, KindDay (*ledger)[STREAM_KINDS]);

/* ---- producer_send.c ---- */

/* The header that says it; a stream_tick of 0 is not said. */
#define TICK_TEXT 64
extern void tick_text(char *to, const TickKey *key, int64 stream_tick);

/* Hand messages from event number "first" on to the library, as ones of this tick; bytes of payload. */
extern int64 send_messages(PublishedTick *tick, const Messages *messages, int first);

/* The topic exists, or is made. */
extern void stream_open(int kind);

/* ---- producer_tail.c: what was sent, but not recorded? ---- */

extern void record_tail(void);

/* ---- producer_again.c: the embedded broker: what has to be sent again? ---- */

extern void republish_missing(void);

#endif							/* HOSPITAL_PRODUCER_PRIVATE_H */
