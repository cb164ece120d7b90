/*
 * run.h: what a session that runs days ahead of the clock shares with the
 * processes that work for it.
 */
#ifndef HOSPITAL_RUN_H
#define HOSPITAL_RUN_H

#include "postgres.h"
#include "port/atomics.h"
#include "storage/latch.h"
#include "utils/date.h"

#include "helper.h"
#include "ingest.h"
#include "settings.h"

#define RUN_LEAD 8				/* days that are written before they are ingested */
#define RUN_PENDING_MS 5		/* until a file has its name */
#define RUN_LOOK_AGAIN_MS 1000	/* the others' poke comes earlier */

/* Helpers of a session: number 0 writes, the others ingest beside the session. */
#define RUN_WRITER 0
#define RUN_HELPERS (INGEST_WORKERS_MAX + 1)

/* In dynamic shared memory, made by the session. */
typedef struct RunShared
{
	Oid			database;
	char		data_folder[MAXPGPATH]; /* as the session has it */
	DateADT		first;
	int			days;
	Latch	   *session;
	Latch	   *volatile helpers[RUN_HELPERS];	/* NULL: not there */
	pg_atomic_uint32 written;	/* days */
	pg_atomic_uint32 ingested;	/* days */
	pg_atomic_uint32 finished;	/* nothing is left for helpers to do */
	pg_atomic_uint64 last_commit;	/* end of the latest commit's WAL */

	/* Of all files ingested, by whomever of us. */
	pg_atomic_uint64 files;
	pg_atomic_uint64 refused;	/* files */
	pg_atomic_uint64 rows;
	pg_atomic_uint64 rejects;
	pg_atomic_uint64 bytes;
	HelperError error;
} RunShared;

/* In a transaction, SPI connected: ingest the next file, and count it. */
extern IngestOutcome run_ingest_next(RunShared *shared, const char *schema, IngestedBatch *batch);

/* Once that has been committed: whom it concerns looks again. */
extern void run_poke(const RunShared *shared);

extern PGDLLEXPORT void hospital_run_helper_main(Datum main_arg);

#endif							/* HOSPITAL_RUN_H */
