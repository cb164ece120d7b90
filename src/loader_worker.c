/*
 * loader_worker.c: one of the workers of a parallel load.
 *
 * It takes chunks from the leader's list until there are none, each in a
 * transaction of its own: a chunk is in the table whole or not at all, so that
 * the table itself says what is still missing.  When the rows are there, the
 * keys are the chunks: each is indexed by one worker, all at a time.  Commits
 * do not wait for the disk; the leader waits for the last of them before it
 * says that the load is done.
 *
 * A worker acts as the table's owner in a security-restricted context, since
 * constraints and index expressions run here.  An error ends it: it is left in
 * shared memory for the leader, which stops the others and raises it.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "bulk.h"
#include "compat.h"
#include "loader.h"
#include "pinned_settings.h"

const RowSourceMethods *
load_methods(LoadKind kind)
{
	switch (kind)
	{
		case LOAD_PEOPLE:
			return &people_source;
		case LOAD_STAFF:
			return &staff_source;
		case LOAD_STAFF_ASSIGNMENTS:
			return &staff_assignments_source;
	}
	elog(ERROR, "unknown kind of load %d", (int) kind);
	return NULL;				/* not reached */
}

const char *
load_refusal(Relation rel, LoadKind kind)
{
	return bulk_refusal_by_name(rel, load_methods(kind));
}

/* The source of one chunk, in CurrentMemoryContext. */
static RowSource *
load_chunk_source(const LoadShared *shared, const LoadChunk *chunk)
{
	const RowSourceMethods *methods = load_methods(shared->kind);
	NullableDatum args[6];
	int			n = 0;

#define ARG(datum) (args[n].value = (datum), args[n++].isnull = false)
	switch (shared->kind)
	{
		case LOAD_PEOPLE:
			ARG(Int64GetDatum(chunk->hi - chunk->lo));
			ARG(Int64GetDatum(shared->seed));
			ARG(Int64GetDatum(chunk->lo + 1));
			ARG(DateADTGetDatum(shared->start_date));
			ARG(CStringGetTextDatum(shared->marked ? "marked" : "realistic"));
			break;
		case LOAD_STAFF:
			ARG(Int32GetDatum(shared->beds));
			ARG(Int64GetDatum(shared->seed));
			ARG(DateADTGetDatum(shared->start_date));
			ARG(DateADTGetDatum(shared->end_date));
			ARG(CStringGetTextDatum(shared->marked ? "marked" : "realistic"));
			break;
		case LOAD_STAFF_ASSIGNMENTS:
			ARG(DateADTGetDatum((DateADT) chunk->lo));
			ARG(DateADTGetDatum((DateADT) (chunk->hi - 1)));
			ARG(Int32GetDatum(shared->beds));
			ARG(Int64GetDatum(shared->seed));
			ARG(DateADTGetDatum(shared->start_date));
			ARG(DateADTGetDatum(shared->end_date));
			break;
	}
#undef ARG
	return methods->open(args, n, NULL);
}

static void
count_rows(void *arg, int64 rows)
{
	LoadShared *shared = arg;

	pg_atomic_fetch_add_u64(&shared->rows, rows);
	if (pg_atomic_read_u32(&shared->stop))
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("load stopped")));
}

static void
write_rows(LoadShared *shared, const LoadChunk *chunk, Relation rel)
{
	RowSource  *source;
	const char *refusal;

	/* The table may have changed since the leader looked. */
	refusal = load_refusal(rel, shared->kind);
	if (refusal)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" was altered while it was being loaded", RelationGetRelationName(rel)),
				 errdetail("Rows can no longer be written straight into it: %s.", refusal),
				 errhint("Call the load again.")));

	source = load_chunk_source(shared, chunk);
	bulk_write(rel, source, shared->nchunks > 1, count_rows, shared);
}

static void
build_index(const LoadShared *shared, const LoadChunk *chunk)
{
	char	   *command = key_index_command(shared->kind, &load_keys(shared->kind)[chunk->lo]);

	SPI_connect();
	if (SPI_execute(command, false, 0) < 0)
		elog(ERROR, "could not run \"%s\"", command);
	SPI_finish();
}

/* One transaction, as the owner of the table. */
static void
do_chunk(LoadShared *shared, const LoadChunk *chunk)
{
	Relation	rel;
	Oid			saved_user;
	int			saved_context;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	rel = table_open(shared->relid, shared->keys ? ShareLock : RowExclusiveLock);
	GetUserIdAndSecContext(&saved_user, &saved_context);
	SetUserIdAndSecContext(rel->rd_rel->relowner,
						   saved_context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);

	if (shared->keys)
	{
		/* DDL wants nobody to hold the table open, not even us. */
		table_close(rel, NoLock);
		build_index(shared, chunk);
	}
	else
	{
		write_rows(shared, chunk, rel);
		table_close(rel, NoLock);
	}
	PopActiveSnapshot();
	CommitTransactionCommand();

	/* Not before: what was put off until the commit is the owner's as well. */
	SetUserIdAndSecContext(saved_user, saved_context);
	helper_note_commit(&shared->last_commit);
	pgstat_report_stat(true);
}

static void
load_chunks(LoadShared *shared)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "hospital load",
												  ALLOCSET_DEFAULT_SIZES);

	for (;;)
	{
		uint32		i = pg_atomic_fetch_add_u32(&shared->next_chunk, 1);

		if (i >= (uint32) shared->nchunks || pg_atomic_read_u32(&shared->stop))
			break;
		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(context);
		do_chunk(shared, &shared->chunks[i]);
		pg_atomic_fetch_add_u32(&shared->chunks_done, 1);
		MemoryContextReset(context);
	}
}

void
hospital_load_worker_main(Datum main_arg)
{
	dsm_segment *segment;
	LoadShared *shared;

	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();

	CurrentResourceOwner = ResourceOwnerCreate(NULL, "hospital load worker");
	segment = dsm_attach(DatumGetUInt32(main_arg));
	if (segment == NULL)
		return;					/* the leader has gone */
	dsm_pin_mapping(segment);
	shared = dsm_segment_address(segment);
	BackgroundWorkerInitializeConnectionByOid(shared->database, InvalidOid, 0);
	pin_process_settings(PIN_LOADER);
	SetConfigOption("maintenance_work_mem", psprintf("%dkB", shared->maintenance_work_mem),
					PGC_SUSET, PGC_S_OVERRIDE);
	pgstat_report_activity(STATE_RUNNING, "hospital load");

	PG_TRY();
	{
		load_chunks(shared);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(TopMemoryContext);
		/* told to stop: somebody else's error, or end, is the reason */
		if (!pg_atomic_read_u32(&shared->stop))
			helper_error_leave(&shared->error, CopyErrorData(), shared->leader_latch);
		pg_atomic_write_u32(&shared->stop, 1);
		AbortCurrentTransaction();
		FlushErrorState();
	}
	PG_END_TRY();
	dsm_detach(segment);
}
