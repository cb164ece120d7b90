/*
 * stream_stats.h: what consumers show of themselves (hospital.stream_lag,
 * hospital.stream_workers, hospital.stream_stages).
 *
 * All writers do nothing in a process that is no worker.
 */
#ifndef HOSPITAL_STREAM_STATS_H
#define HOSPITAL_STREAM_STATS_H

#include "postgres.h"
#include "datatype/timestamp.h"

typedef enum StreamStage
{
	STREAM_FETCH,				/* taking a batch's messages from the library, waiting left out */
	STREAM_PARSE,				/* forming its records */
	STREAM_WRITE,				/* rows, rejects and ranges, until the commit */
	STREAM_COMMIT,
	STREAM_VISIBLE,				/* a message: from the broker's timestamp to the commit */
	STREAM_LAKE					/* writing and syncing its files */
} StreamStage;

#define STREAM_STAGES (STREAM_LAKE + 1)

typedef struct StreamPartitionStats
{
	int64		position;		/* of the next message wanted; -1: not known yet */
	int64		log_end;		/* -1: not known yet */
	TimestampTz last_message_at;	/* the broker's timestamp of the last one taken in; 0: none yet */
	double		rate;			/* messages a second, smoothed */
	const char *state;
	const char *error;			/* NULL: none */
} StreamPartitionStats;

typedef struct StreamCounts
{
	uint64		messages;
	uint64		rows;
	uint64		rejects;
	uint64		duplicates;
	uint64		bytes;
} StreamCounts;

/* _PG_init, while preloading. */
extern void stream_stats_shmem_init(void);

/* Now and then, and when something has changed: a lock and some hundred bytes each. */
extern PGDLLEXPORT void stream_stats_partition(const char *topic, int partition,
											   const StreamPartitionStats *stats);

/* This worker has no partitions any more. */
extern PGDLLEXPORT void stream_stats_forget(void);

/* A batch that is committed. */
extern PGDLLEXPORT void stream_stats_batch(const StreamCounts *counts);

/* n times so long. */
extern PGDLLEXPORT void stream_stats_stage(StreamStage stage, uint64 microseconds, uint64 n);

#endif							/* HOSPITAL_STREAM_STATS_H */
