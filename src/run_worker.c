/*
 * run_worker.c: the processes that work for a session that runs days.
 *
 * One computes and writes the days.  It works ahead of those who ingest them by
 * RUN_LEAD days at the most, and commits one day at a time.  Each of its commits
 * waits for the disk before the day's files get their names; with it all that
 * the others have committed until then is on disk.
 *
 * The others ingest, as the session does (hospital.ingest_workers counts it,
 * too); who takes which file is for the ledger to say.  Their commits do not
 * wait: see run.c.
 *
 * All act as the owner of the tables.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/pmsignal.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "day_writer.h"
#include "kept_plan.h"
#include "run.h"
#include "window.h"
#include "worker.h"

/* ---- shared with the session ---- */

static int64
bytes_of(int64 batch_id)
{
	static KeptPlan plan;
	Oid			types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(batch_id)};
	bool		isnull;
	int64		bytes;

	kept_run(&plan, "SELECT bytes FROM hospital.batches WHERE batch_id = $1", 1, types, values, NULL, SPI_OK_SELECT);
	bytes = DatumGetInt64(kept_value(0, 1, &isnull));
	kept_done();
	return bytes;
}

IngestOutcome
run_ingest_next(RunShared *shared, const char *schema, IngestedBatch *batch)
{
	IngestOutcome outcome = ingest_next(schema, false, batch);

	if (outcome == INGEST_DONE || outcome == INGEST_REFUSED)
	{
		pg_atomic_fetch_add_u64(&shared->files, 1);
		pg_atomic_fetch_add_u64(&shared->rows, batch->rows);
		pg_atomic_fetch_add_u64(&shared->rejects, batch->rejects);
		pg_atomic_fetch_add_u64(&shared->bytes, bytes_of(batch->batch_id));
		if (outcome == INGEST_REFUSED)
			pg_atomic_fetch_add_u64(&shared->refused, 1);
	}
	return outcome;
}

void
run_poke(const RunShared *shared)
{
	for (int i = 0; i < RUN_HELPERS; i++)
	{
		Latch	   *latch = shared->helpers[i];

		if (latch != NULL)
			SetLatch(latch);
	}
	SetLatch(shared->session);
}

/* ---- the writer ---- */

static void
begin(const char *activity)
{
	if (!worker_begin(activity))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the hospital went away while its days were written"),
				 errdetail("Its tables or the extension are not there any more, or are being altered.")));
}

static void
write_day(const Simulation *simulation, DateADT day)
{
	DayFiles   *files = day_write(simulation, day);

	begin("recording a day in the ledger");
	day_record(files);
	window_skip_day(day);
	worker_commit();
	day_publish(files);
}

/* Not on behalf of a server that is gone. */
static void
check_server(void)
{
	CHECK_FOR_INTERRUPTS();
	if (!PostmasterIsAlive())
		proc_exit(1);
}

/* Not further ahead than is good. */
static void
wait_for_ingestors(RunShared *shared, int written)
{
	while (written - (int) pg_atomic_read_u32(&shared->ingested) >= RUN_LEAD)
		worker_wait(RUN_LOOK_AGAIN_MS, -1);
	check_server();
}

static void
write_days(RunShared *shared, MemoryContext context)
{
	Simulation	simulation;

	begin("reading hospital.simulation");
	if (!simulation_read(&simulation, true))
		elog(ERROR, "hospital.simulation is empty");
	worker_commit();
	for (int i = 0; i < shared->days; i++)
	{
		MemoryContextSwitchTo(context);
		wait_for_ingestors(shared, i);
		write_day(&simulation, shared->first + i);
		MemoryContextReset(context);
		pg_atomic_fetch_add_u32(&shared->written, 1);
		run_poke(shared);
	}
}

/* ---- an ingestor ---- */

static void
ingest_files(RunShared *shared, MemoryContext context)
{
	IngestedBatch batch;
	IngestOutcome outcome;

	SetConfigOption("synchronous_commit", "off", PGC_SUSET, PGC_S_OVERRIDE);
	while (!pg_atomic_read_u32(&shared->finished))
	{
		MemoryContextSwitchTo(context);
		begin("ingesting a day file");
		outcome = run_ingest_next(shared, worker_schema(), &batch);
		worker_commit();
		helper_note_commit(&shared->last_commit);
		if (outcome == INGEST_PENDING)
			worker_wait(RUN_PENDING_MS, -1);
		else if (outcome == INGEST_NOT_WRITTEN)
			worker_wait(RUN_LOOK_AGAIN_MS, -1);
		else if (batch.is_awaited)
			run_poke(shared);
		else
			SetLatch(shared->session);
		MemoryContextReset(context);
		check_server();
	}
}

/* ---- both ---- */

/* before_shmem_exit: temporary files go as after an error. */
static void
release_files(int code, Datum arg)
{
	(void) code;
	MemoryContextSwitchTo(TopMemoryContext);
	MemoryContextReset((MemoryContext) DatumGetPointer(arg));
}

void
hospital_run_helper_main(Datum main_arg)
{
	dsm_segment *segment;
	RunShared  *shared;
	MemoryContext context;
	int			number;

	memcpy(&number, MyBgworkerEntry->bgw_extra, sizeof(number));
	CurrentResourceOwner = ResourceOwnerCreate(NULL, "hospital run");
	segment = dsm_attach(DatumGetUInt32(main_arg));
	if (segment == NULL)
		return;					/* the session has gone */
	dsm_pin_mapping(segment);
	shared = dsm_segment_address(segment);
	context = AllocSetContextCreate(TopMemoryContext, "hospital run", ALLOCSET_DEFAULT_SIZES);
	before_shmem_exit(release_files, PointerGetDatum(context));
	worker_start_helper(shared->database);
	SetConfigOption("hospital.data_folder", shared->data_folder, PGC_SUSET, PGC_S_OVERRIDE);
	shared->helpers[number] = &MyProc->procLatch;
	pgstat_report_activity(STATE_RUNNING, number == RUN_WRITER ? "writing hospital days" : "ingesting hospital days");

	PG_TRY();
	{
		if (number == RUN_WRITER)
			write_days(shared, context);
		else
			ingest_files(shared, context);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(TopMemoryContext);
		helper_error_leave(&shared->error, CopyErrorData(), shared->session);
		AbortOutOfAnyTransaction();
		FlushErrorState();
	}
	PG_END_TRY();
	shared->helpers[number] = NULL;
	dsm_detach(segment);
}
