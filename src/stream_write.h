/*
 * stream_write.h: a batch of messages into tables and ledger, within the
 * caller's transaction.
 */
#ifndef HOSPITAL_STREAM_WRITE_H
#define HOSPITAL_STREAM_WRITE_H

#include "postgres.h"

#include "event.h"
#include "ingest_write.h"
#include "insight.h"
#include "lakefile.h"
#include "records.h"
#include "stream_topics.h"

#define NO_POSITION INT64CONST(-1)
#define ANY_REJECTS 101			/* percent of messages */

/* A topic, and how what comes in it is to be treated (hospital.stream_topics). */
typedef struct StreamTopic
{
	char		name[TOPIC_NAME_LENGTH];
	int			kind;			/* STREAM_ADT: of several */
	bool		keep_unknown;
	bool		stop_on_error;
	double		reject_percent; /* ANY_REJECTS: no limit */
} StreamTopic;

/* What a message that was taken before must look like when it is seen again. */
typedef struct StreamWitness
{
	int64		offset;			/* NO_POSITION: there is none */
	int64		timestamp;		/* ms since 1970 */
	int64		digest;
} StreamWitness;

typedef struct StreamPartition
{
	const StreamTopic *topic;
	int			number;
	int64		epoch;
	int64		next;			/* the position; NO_POSITION: with the first message that is there */
	int64		read_to;		/* no message is between "next" and there; NO_POSITION: not known */
	bool		running;		/* as hospital.stream_partitions says */
	StreamWitness witness;		/* of the ledger's last range */

	/* Of its last messages, for reject_percent. */
	double		recent_messages;
	double		recent_rejects;

	/* Why it has to stop, after this batch; the message at "next" then is the cause. */
	bool		stopping;
	EventFault	stop;
	int64		log_begin;		/* as the broker had it then; NO_POSITION: not asked */
	int64		log_end;

	/* The batch. */
	int			first;			/* of its messages in the batch; -1: none */
	int			last;
	int64		cut;			/* only what is before this offset is taken in */
	int64		messages;
	int64		rows;
	int64		rejects;
	int64		duplicates;
	LakeFile   *file;			/* NULL: none */
} StreamPartition;

typedef enum StreamOutcome
{
	STREAM_ROW,
	STREAM_DUPLICATE,
	STREAM_REJECT
} StreamOutcome;

typedef struct StreamMessage
{
	StreamPartition *partition;
	int			next;			/* of the same partition in the batch; -1: none */
	int			outcome;
	int64		offset;
	int64		timestamp;		/* ms since 1970 */
	int			kind;			/* of its record, unless it has a fault */
	int			row;			/* in the rows of that kind */
	const char *payload;		/* NULL: none */
	size_t		length;
	const char *key;			/* NULL: none */
	size_t		key_length;
	const void *handle;			/* the client's, for headers */
	EventFault *fault;			/* found when it was read; NULL: none */
	EventFault *refusal;		/* the server's, of its row; NULL: none */
	char	   *unknown;		/* fields to be kept, as JSON; NULL: none */
	bool		completes;		/* a row that was there */
} StreamMessage;

/* The rows that the messages of a batch are to become, kind by kind. */
typedef struct StreamRows
{
	HeldRecords held;
	int		   *messages;		/* which message each is of */
} StreamRows;

typedef struct StreamBatch
{
	MemoryContext room;			/* of the arrays, which are used again */
	MemoryContext context;		/* what lives as long as the batch */
	const char *simulation;		/* its name */
	StreamMessage *messages;
	int			n;
	int			capacity;
	StreamRows	rows[RECORD_KINDS];
	StreamPartition *partitions;
	int			npartitions;
	Insight    *insight;		/* what its rows mean */

	/* The headers of a message as a JSON array, palloc'd. */
	char	   *(*headers) (const StreamMessage *message);
} StreamBatch;

/* ---- stream_batch.c: messages into records ---- */

/* In CurrentMemoryContext. */
extern PGDLLEXPORT void stream_batch_init(StreamBatch *batch);
extern PGDLLEXPORT void stream_batch_forget(StreamBatch *batch);

/*
 * Add a message, whose bytes stay where they are until the batch is forgotten,
 * and form a record of it, or find out why it is none.  False: the partition
 * has to stop before it.
 */
extern PGDLLEXPORT bool stream_batch_add(StreamBatch *batch, const StreamMessage *message);

/* A fault of the caller's finding: the message is to be a reject. */
extern PGDLLEXPORT bool stream_batch_reject(StreamBatch *batch, const StreamMessage *message,
											int sqlstate, const char *text);

/* ---- stream_write.c: records into tables ---- */

/* Is it to be taken in, as things stand? */
static inline bool
stream_taken(const StreamMessage *message)
{
	return message->offset < message->partition->cut;
}

/*
 * Rows, rejects, kept fields and ranges of the batch.  False: a partition has to
 * stop before one of its messages, which "cut" now says; roll back, and call
 * again for what is left.  ereport when another owner has been there.
 */
extern PGDLLEXPORT bool stream_write(StreamBatch *batch, const char *schema);

/* The rows alone: what became of each message is its outcome. */
extern void stream_write_rows(StreamBatch *batch, const char *schema);

/* The days of what became rows, for hospital_mart. */
extern void stream_note_marts(const StreamBatch *batch);

/* After the commit: positions move on, files get their names. */
extern PGDLLEXPORT void stream_written(StreamBatch *batch);

#endif							/* HOSPITAL_STREAM_WRITE_H */
