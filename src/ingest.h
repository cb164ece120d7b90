/*
 * ingest.h: day files into tables: the ledger's batches, one at a time.
 *
 * In a transaction with SPI connected and a snapshot pushed, the settings
 * pinned as worker.c does or by csv_pin_settings:
 *
 *	outcome = ingest_next(schema, false, &batch);	the oldest that may be taken, or
 *	outcome = ingest_batch(batch_id, schema, &message);	one that is named
 *	commit
 *
 * Rows, rejects and the ledger's row of the file are then in that transaction.
 * INGEST_PARTLY means that a chunk of a big file is: commit, and call again (it
 * goes on where it was, in any process).  A file of our own writer's that is not
 * there is refused, or, where it may come back (day_again.c), missed: noted in the
 * ledger, and it waits.  An ERROR says nothing about the file
 * but that it was not ingested this time; roll back, and it still waits.
 */
#ifndef HOSPITAL_INGEST_H
#define HOSPITAL_INGEST_H

#include "postgres.h"
#include "utils/date.h"

typedef enum IngestOutcome
{
	INGEST_NOT_WRITTEN,			/* the batch does not wait (any more); ingest_next: none does */
	INGEST_PENDING,				/* the ledger knows the file, its name is to come */
	INGEST_MISSED,				/* it is not there, and whoever writes the lake is to make it again */
	INGEST_PARTLY,				/* a chunk of it: commit and call again */
	INGEST_DONE,
	INGEST_REFUSED				/* it never can be; "message" says why */
} IngestOutcome;

typedef struct IngestedBatch
{
	int64		batch_id;		/* 0: none */
	char	   *file;
	char	   *message;		/* NULL unless refused */
	int64		rows;
	int64		rejects;
	bool		is_awaited;		/* files of a later stage may have waited for this one */
	bool		others_wait;	/* none could be taken, but some wait for others */
} IngestedBatch;

/* "schema" is the extension's, quoted. */
extern IngestOutcome ingest_batch(int64 batch_id, const char *schema, char **message);
extern IngestOutcome ingest_next(const char *schema, bool may_come_back, IngestedBatch *batch);

#endif							/* HOSPITAL_INGEST_H */
