/*
 * run_writer.c: the process that computes and writes the days of a run.
 *
 * It works ahead of the session, which ingests what it has written, by RUN_LEAD
 * days at the most, and commits one day at a time, as the owner of the tables.
 * Each of its commits waits for the disk before the day's files get their
 * names; with it all that the session has committed until then is on disk.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/pmsignal.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "day_writer.h"
#include "run.h"
#include "worker.h"

#define LOOK_AGAIN_MS 1000		/* the session's poke comes earlier */

void
run_move_clock(DateADT day)
{
	Oid			types[] = {DATEOID};
	Datum		values[] = {DateADTGetDatum(day)};

	/* A hospital that was started meanwhile begins its next day when this commits. */
	if (SPI_execute_with_args("UPDATE hospital.run_state SET anchor_day = $1 + 1,"
							  " anchor_at = CASE WHEN desired = 'running' THEN pg_catalog.now() END",
							  1, types, values, NULL, false, 0) != SPI_OK_UPDATE)
		elog(ERROR, "could not change hospital.run_state");
}

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
	run_move_clock(day);
	worker_commit();
	day_publish(files);
}

/* Not further ahead than is good, and not on behalf of a server that is gone. */
static void
wait_for_session(RunShared *shared, int written)
{
	while (written - (int) pg_atomic_read_u32(&shared->ingested) >= RUN_LEAD)
		worker_wait(LOOK_AGAIN_MS, -1);
	CHECK_FOR_INTERRUPTS();
	if (!PostmasterIsAlive())
		proc_exit(1);
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
		wait_for_session(shared, i);
		write_day(&simulation, shared->first + i);
		MemoryContextReset(context);
		pg_atomic_fetch_add_u32(&shared->written, 1);
		SetLatch(shared->session_latch);
	}
}

/* before_shmem_exit: temporary files go as after an error. */
static void
release_files(int code, Datum arg)
{
	(void) code;
	MemoryContextSwitchTo(TopMemoryContext);
	MemoryContextReset((MemoryContext) DatumGetPointer(arg));
}

void
hospital_run_writer_main(Datum main_arg)
{
	dsm_segment *segment;
	RunShared  *shared;
	MemoryContext context;

	CurrentResourceOwner = ResourceOwnerCreate(NULL, "hospital run");
	segment = dsm_attach(DatumGetUInt32(main_arg));
	if (segment == NULL)
		return;					/* the session has gone */
	dsm_pin_mapping(segment);
	shared = dsm_segment_address(segment);
	context = AllocSetContextCreate(TopMemoryContext, "hospital day files", ALLOCSET_DEFAULT_SIZES);
	before_shmem_exit(release_files, PointerGetDatum(context));
	worker_start_helper(shared->database);
	SetConfigOption("hospital.data_folder", shared->data_folder, PGC_SUSET, PGC_S_OVERRIDE);
	shared->writer_latch = &MyProc->procLatch;
	pgstat_report_activity(STATE_RUNNING, "writing hospital days");

	PG_TRY();
	{
		write_days(shared, context);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(TopMemoryContext);
		helper_error_leave(&shared->error, CopyErrorData(), shared->session_latch);
		AbortOutOfAnyTransaction();
		FlushErrorState();
	}
	PG_END_TRY();
	shared->writer_latch = NULL;
	dsm_detach(segment);
}
