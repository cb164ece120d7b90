/*
 * stream_write.h: a batch of messages into tables and ledger, within the
 * caller's transaction.
 */
#ifndef HOSPITAL_STREAM_WRITE_H
#define HOSPITAL_STREAM_WRITE_H

#include "postgres.h"

#include "records.h"
#include "transfer_json.h"

#define NO_POSITION INT64CONST(-1)

/* Which log: a topic, in one life of its broker. */
typedef struct StreamLog
{
	const char *topic;
	int64		epoch;
} StreamLog;

typedef struct Message
{
	int64		offset;
	const char *payload;		/* NULL: none */
	size_t		length;
	const char *key;			/* NULL: none */
	size_t		key_length;
	const char *headers;		/* JSON */
	bool		rejected;
	Transfer	transfer;		/* unless rejected */
	PayloadError error;			/* when rejected */
} Message;

typedef struct Partition
{
	int			number;
	int64		next;			/* offset after the last range; NO_POSITION: no range yet */
	bool		stopped;		/* by a gap */

	/* The batch being collected or applied. */
	Message    *messages;
	int			n;
	int			room;
	int64		rows;
	int64		rejects;
	int64		duplicates;
} Partition;

/* The fault that makes a message a reject. */
extern void message_reject(Message *message, int sqlstate, const char *text);

/* The ledger's position of a partition: NO_POSITION where it has none. */
extern int64 stream_position(const StreamLog *log, int partition);

/*
 * The partition's batch: rows, rejects and one range of the ledger.  ereport
 * when another owner has been there.
 */
extern void stream_write(const StreamLog *log, Partition *partition);

#endif							/* HOSPITAL_STREAM_WRITE_H */
