/*
 * kafka.h: Kafka as the workers see it.
 *
 * A client is made and used by one worker process, waits only through
 * worker_wait, and never calls back.  What it cannot do it says by
 * ereport(ERROR), in words of a person who runs a hospital, not a broker.
 */
#ifndef HOSPITAL_KAFKA_H
#define HOSPITAL_KAFKA_H

#include "postgres.h"

typedef struct KafkaClient KafkaClient;
typedef struct KafkaTopic KafkaTopic;

/* Positions that are not offsets. */
#define KAFKA_FROM_START INT64CONST(-2) /* the first message that is there */

typedef struct KafkaHeader
{
	const char *name;
	const char *value;			/* not terminated; NULL for none */
	size_t		length;
} KafkaHeader;

/* One received message; its pointers are good until the next kafka_next. */
typedef struct KafkaMessage
{
	int			partition;
	int64		offset;
	const char *payload;		/* NULL when there is none */
	size_t		length;
	const char *key;			/* NULL when there is none */
	size_t		key_length;
} KafkaMessage;

typedef enum KafkaNext
{
	KAFKA_NOTHING,				/* all that was there has been taken */
	KAFKA_MESSAGE,
	KAFKA_END,					/* the partition's end (readers to the end only) */
	KAFKA_GAP,					/* the asked position is not in the log */
	KAFKA_LOST					/* the partition is gone, for now (takers of many only) */
} KafkaNext;

/* Which brokers the settings mean at this moment; palloc'd. */
typedef struct KafkaTarget
{
	char	   *brokers;
	bool		embedded;
	int64		epoch;			/* of the embedded broker; 0 for real ones */
	char	   *identity;		/* equal as long as a client need not be reopened */
} KafkaTarget;

/* False when there are none (yet): the embedded one may still be starting. */
extern bool kafka_target(KafkaTarget *target);

/*
 * Making and ending.  A client lives until kafka_close, the reset of the
 * memory context that is current here, or the end of the process.
 */
extern KafkaClient *kafka_open_reader(const char *brokers);
extern KafkaClient *kafka_open_tail(const char *brokers, const char *group);	/* kafka_tail.c */
extern KafkaClient *kafka_open_producer(const char *brokers, const char *transactional_id);
extern KafkaClient *kafka_open_mock(void);
extern void kafka_close(KafkaClient *client);
extern const char *kafka_mock_brokers(KafkaClient *client);

/* A topic of the embedded broker; one that is there is fine. */
extern void kafka_mock_topic(KafkaClient *client, const char *topic, int partitions);

/*
 * Take what there is beside messages: errors, log lines, delivery reports.  Never
 * waits.  For clients that are given no messages here: producers, and readers
 * that take many at a time.
 */
extern void kafka_serve(KafkaClient *client);

/* Sleep until something came from the brokers, or timeout (ms). */
extern void kafka_wait(KafkaClient *client, long timeout_ms);

/*
 * Whenever this process is about to sleep in kafka_wait, "task" is called
 * before, NULL for none: it may run transactions, but neither raise nor use a
 * client.  Waits for brokers are made of short sleeps.
 */
extern void kafka_meanwhile(void (*task) (void));

/* What is wrong at the moment, for worker_state; NULL when nothing is. */
extern const char *kafka_trouble(KafkaClient *client);

/*
 * One short question to the brokers; an answer ends the trouble.  Partitions of
 * the topic, 0 for no such topic, -1 when there was no answer: ask patiently
 * (nearly half a second) where brokers are thought to be well.
 */
extern int	kafka_probe(KafkaClient *client, const char *topic, bool patiently);

/* Partitions of a topic, 0 when there is no such topic. */
extern int	kafka_partition_count(KafkaClient *client, const char *topic, int timeout_ms);
extern void kafka_create_topic(KafkaClient *client, const char *topic, int partitions, int timeout_ms);

/* Receiving. */
extern KafkaNext kafka_next(KafkaClient *client, KafkaMessage *message);
extern int	kafka_headers(KafkaClient *client, KafkaHeader *headers, int max);
extern bool kafka_log_bounds(KafkaClient *client, const char *topic, int partition,
							 int64 *low, int64 *high);

/*
 * Receiving many at a time, from several topics (kafka_receive.c).  What is
 * taken stays where it is until it is given back; all of it is before
 * kafka_read_from is called.
 */
typedef struct KafkaPosition
{
	const char *topic;
	int			number;			/* the caller's, of the topic: below STREAM_KINDS */
	int			partition;
	int64		offset;
} KafkaPosition;

typedef struct KafkaTaken
{
	KafkaNext	what;			/* a message; a gap; the log's end, after which is "offset" */
	int			topic;			/* its number */
	int			partition;
	int64		offset;
	int64		timestamp;		/* the broker's, ms since 1970 */
	const char *payload;		/* NULL when there is none */
	size_t		length;
	const char *key;			/* NULL when there is none */
	size_t		key_length;
	const void *handle;			/* for kafka_taken_headers */
	int			slot;			/* for kafka_give_back */
} KafkaTaken;

extern void kafka_read_from(KafkaClient *client, const KafkaPosition *positions, int n);
extern int	kafka_take(KafkaClient *client, KafkaTaken *taken, int max);
extern int	kafka_taken_headers(const void *handle, KafkaHeader *headers, int max);
extern void kafka_give_back(KafkaClient *client, int slot);

/*
 * Since the last call, was a partition refused by its leader?  Its topic may have
 * been deleted, and be there again before the library asks once more, which tells
 * us of that only in a debug line.  True comes before any message read after it.
 */
extern bool kafka_lost_leader(KafkaClient *client);

/* The brokers are asked, for five seconds at the most; false when there was no answer. */
extern bool kafka_ask_bounds(KafkaClient *client, const char *topic, int partition,
							 int64 *low, int64 *high);

/* Does the topic drop messages whose key came again?  False also where that is not told. */
extern bool kafka_is_compacted(KafkaClient *client, const char *topic);

/* ---- reading several topics to their end (kafka_tail.c) ---- */

typedef struct KafkaTail
{
	const char *topic;
	int			number;			/* the caller's */
	int			partition;
	int64		from;			/* an offset or a position */
	int64		end;			/* the log's, when it was first heard of; 0: it has not been */
	bool		ended;			/* the caller's */
} KafkaTail;

/* Of a consumer that was opened to read to the end, followed by kafka_next. */
extern void kafka_tail_begin(KafkaClient *client, const KafkaTail *tails, int n);

/* Of which one is what kafka_next gave last?  NULL: of none. */
extern KafkaTail *kafka_tail_of(KafkaClient *client, KafkaTail *tails, int n);

/* Has it, with what kafka_next gave last, been read to what was its end? */
extern bool kafka_tail_is_read(KafkaClient *client, KafkaTail *tail, KafkaNext next,
							   const KafkaMessage *message);

/* ---- sending ---- */

/*
 * Where messages have arrived, by their delivery reports: the last offset in
 * each partition, from partition 0 on; -1: none.  It has to live until the
 * reports are in, or the client is closed.
 */
typedef struct KafkaArrivals
{
	MemoryContext context;		/* where "last" lives */
	int			npartitions;
	int			room;
	int64	   *last;			/* NULL at first */
} KafkaArrivals;

extern void kafka_note_arrival(KafkaArrivals *arrivals, int partition, int64 offset);

extern KafkaTopic *kafka_topic(KafkaClient *client, const char *name);

/*
 * Hand over a message.  The payload has to stay where it is until the report is
 * in, or the client is closed; of the rest copies are taken.  Waits while too
 * many are under way.
 */
extern void kafka_send(KafkaTopic *topic, const char *key, size_t key_length, const char *payload,
					   size_t length, const KafkaHeader *headers, int nheaders,
					   KafkaArrivals *arrivals);

/* Messages sent that have no delivery report yet. */
extern int64 kafka_undelivered(const KafkaClient *client);

/* Until every message sent has its delivery report. */
extern void kafka_await_deliveries(KafkaClient *client, int timeout_ms);

/* Fence former producers of the same transactional id, and transactions. */
extern void kafka_transactions_start(KafkaClient *client, int timeout_ms);
extern void kafka_begin(KafkaClient *client);
extern void kafka_commit(KafkaClient *client, int timeout_ms);

#endif							/* HOSPITAL_KAFKA_H */
