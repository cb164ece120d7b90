/*
 * ingestor.c: the worker that brings day files into tables.
 *
 * Any number of them share a database's files; ingest_ledger.c says whose turn
 * it is, ingest_file.c does the work.
 *
 * Commits do not wait for the disk as long as files wait: the write-ahead log is
 * in order, so a crash takes back the last files whole, rows, rejects and
 * ledger together, and they come in again.  Before it rests an ingestor waits
 * for the last one.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "ingest_private.h"
#include "job.h"
#include "settings.h"
#include "shared_state.h"
#include "worker.h"

#define PENDING_MS 1000			/* a poke comes earlier, as a rule */

static void
wait_for_files(const IngestedBatch *batch, IngestOutcome outcome)
{
	static bool ingested = false;	/* since it rested */

	if (outcome == INGEST_MISSED)
	{
		worker_state("waiting for \"%s\" to be written again", batch->file);
		worker_wake(MyDatabaseId, WORKER_SCHEDULER);
	}
	if (outcome == INGEST_PENDING || outcome == INGEST_MISSED)
		worker_wait(PENDING_MS, -1);
	else if (batch->batch_id == 0)
	{
		XLogFlush(XactLastCommitEnd);
		if (ingested)
			job_note_files();
		ingested = false;
		worker_state("waiting for a file");
		worker_wait(batch->others_wait ? PENDING_MS : -1, -1);
	}
	else
	{
		ingested = true;
		if (batch->is_awaited && hospital_ingest_workers > 1)
			worker_wake(MyDatabaseId, WORKER_INGESTOR);
	}
}

static bool
ingestor_pass(void *arg)
{
	IngestedBatch batch;
	IngestOutcome outcome;

	if (!worker_begin("ingesting a day file"))
		worker_leave("no hospital here");
	(void) set_config_option("synchronous_commit", "off", PGC_SUSET, PGC_S_OVERRIDE,
							 GUC_ACTION_LOCAL, true, 0, false);
	outcome = ingest_next(worker_schema(), true, &batch);
	if (outcome == INGEST_REFUSED)
		worker_record_error(ERRCODE_FILE_REFUSED, batch.message);
	worker_commit();

	/* What is overcome; a refused file stays refused. */
	if (outcome == INGEST_DONE && worker_sqlstate() != ERRCODE_FILE_REFUSED)
		worker_clear_error();
	wait_for_files(&batch, outcome);
	return true;
}

void
ingestor_main(Datum main_arg)
{
	worker_start(main_arg);
	worker_loop(ingestor_pass, NULL);
}
