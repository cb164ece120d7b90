/*
 * ingest_ledger.h: hospital.batches, as the ingestor uses it.
 */
#ifndef HOSPITAL_INGEST_LEDGER_H
#define HOSPITAL_INGEST_LEDGER_H

#include "postgres.h"
#include "utils/date.h"

#include "records.h"

typedef struct Batch
{
	int64		batch_id;
	char	   *kind_name;
	int			kind_number;	/* -1: there is no such kind */
	DateADT		day;
	char	   *file;
	char	   *sha256;
	int64		bytes;
	char	   *state;
	int			encoding;		/* the server's number; -1: there is no such encoding */
	char	   *header;			/* NULL: the usual order of columns */
	int64		offset_done;
	int64		line_done;
	int64		rows;			/* so far */
	int64		rejects;
	int64		merged;
	int64		undone;			/* batches that were ever undone */
	int64		rival;			/* a batch with other bytes of the same file; 0: none */
} Batch;

/* In CurrentMemoryContext, locked; NULL when it is not in one of the states. */
extern Batch *ledger_take(int64 batch_id, const char *states, bool wait);

/*
 * The oldest batch that waits for nobody and is nobody's at the moment; NULL:
 * there is none, and whether any waits.
 */
extern Batch *ledger_take_next(bool *some_wait);

/* At the end of a chunk, or of the file: what the batch's row says then. */
extern void ledger_update(const Batch *batch, const char *state, const char *message);

/*
 * The file is not there: it waits, from its beginning, for being written again.
 * False when it is not one of our own writer's.
 */
extern bool ledger_note_missed(const Batch *batch, const char *message);

/* Its rejects, committed already, that lack a patient or an admission. */
extern int64 ledger_orphans(int64 batch_id);

/* Do events of the kind come by a topic as well? */
extern bool ledger_is_streamed(int kind_number);

/* Are all patients and admissions up to this day in, as far as files bring them? */
extern bool ledger_has_history(DateADT day);

#endif							/* HOSPITAL_INGEST_LEDGER_H */
