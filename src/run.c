/*
 * run.c: CALL hospital_run(days): hospital days as fast as they can be had.
 *
 * Every day goes the way of a live one: its folder is written
 * (day_writer.c), then its files are ingested, each in a transaction of its own.
 * A background process of the session (run_writer.c) computes and writes the
 * next days while the session ingests; where no process is to be had, the
 * session does both.
 *
 * It may end anywhere.  What has been written and what has been ingested is in
 * the ledger alone; the next run deals with the lake's leftovers, ingests what
 * waits, and goes on after the last day of hospital.days.  An error or a cancel
 * ends the writer with the session, and waits for it.
 *
 * Commits.  One that waits for the disk is enough for a day: the writer's,
 * after which the day's files get their names.  The session's own, a file each,
 * do not wait: the write-ahead log is written in order, so that a crash loses
 * the last of them whole, rows and ledger together, and what they brought in is
 * "written" again, with its file there.  Before the run ends all of them are on
 * disk.
 *
 * Locks.  One run at a time; and while it lasts the lake is the session's, on
 * its writer's behalf.  A scheduler that is about to stop is waited for; one
 * that is started meanwhile waits.  With every day the clock's anchor is moved
 * behind it, so that the live hospital goes on where the run ended.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/progress.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "day_file.h"
#include "day_writer.h"
#include "ingest.h"
#include "kept_plan.h"
#include "lakefile.h"
#include "run.h"
#include "settings.h"

PG_FUNCTION_INFO_V1(hospital_run);

#define SAY_EVERY_MS 2000
#define LOOK_AGAIN_MS 1000		/* the writer's poke comes earlier */
#define PENDING_MS 5			/* until a file has its name */

/* Progress parameters of our own, behind those that COPY uses. */
#define PROGRESS_RUN_MARK 15
#define PROGRESS_RUN_DAYS_TOTAL 16
#define PROGRESS_RUN_STARTED 17
#define PROGRESS_RUN_DAYS_DONE 18
#define PROGRESS_RUN_DAYS_WRITTEN 19
#define RUN_MARK INT64CONST(0x686f7372)

typedef struct Run
{
	Simulation	simulation;
	char	   *functions;		/* quoted schema of ours */
	MemoryContext context;		/* outlives the transactions */
	MemoryContext day_context;	/* of a day that the session itself writes */

	DateADT		first;			/* of the days to be written */
	int			days;
	int64		waiting;		/* files that an earlier run has left */
	int64		files_total;
	int64		files_done;
	int64		rows;			/* of the files ingested */
	int64		rejects;
	int64		bytes;
	int64		refused;

	dsm_segment *segment;
	RunShared  *shared;
	BackgroundWorkerHandle *writer; /* NULL: the session writes */

	TimestampTz started;
	TimestampTz said_at;
} Run;

/* ---- transactions ---- */

/* For the rest of this transaction: names and values mean what they say. */
static void
pin_settings(void)
{
	static const char *const settings[][2] = {
		{"search_path", "pg_catalog, pg_temp"},
		{"synchronous_commit", "off"},
		{"DateStyle", "ISO, YMD"},
		{"IntervalStyle", "postgres"},
		{"TimeZone", "UTC"},
		{"bytea_output", "hex"},
		{"extra_float_digits", "1"},
	};

	for (int i = 0; i < (int) lengthof(settings); i++)
		(void) set_config_option(settings[i][0], settings[i][1], PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_LOCAL, true, 0, false);
}

static void
next_transaction(void)
{
	SPI_commit();
	pin_settings();
}

/*
 * What SPI allocates goes with its connection: one for each step, inside the
 * one that the procedure has for its commits.
 */
static void
begin_step(void)
{
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	PushActiveSnapshot(GetTransactionSnapshot());
}

static void
end_step(void)
{
	PopActiveSnapshot();
	SPI_finish();
}

static Datum
single_value(const char *query, bool *isnull)
{
	if (SPI_execute(query, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not execute: %s", query);
	*isnull = true;
	if (SPI_processed == 0)
		return (Datum) 0;
	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, isnull);
}

static int64
count(const char *query)
{
	bool		isnull;
	Datum		value = single_value(query, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

static bool
holds(const char *query)
{
	bool		isnull;
	Datum		value = single_value(query, &isnull);

	return !isnull && DatumGetBool(value);
}

/* ---- may it run? ---- */

static void
check_hospital(Run *run)
{
	if (!holds("SELECT to_regclass('hospital.simulation') IS NOT NULL") ||
		!simulation_read(&run->simulation, true))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no hospital in this database"),
				 errhint("Make one with CALL hospital_create() or CALL hospital_load_people(...).")));
	lake_check_folder();
	if (!holds("SELECT EXISTS (SELECT FROM hospital.staff)"))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the hospital has no staff"),
				 errdetail("Every record of a day refers to somebody who works there."),
				 errhint("CALL hospital_load_staff() first.")));
}

/* Again with the locks held: it may have been started while we waited. */
static void
check_not_live(void)
{
	if (holds("SELECT desired = 'running' FROM hospital.run_state"))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the live simulation is running"),
				 errdetail("Its clock says when the next day is due."),
				 errhint("SELECT hospital_stop() first; hospital_start() goes on after the days that were run.")));
}

static void
take_locks(void)
{
	if (!hospital_lock(HOSPITAL_LOCK_RUN, false))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("hospital_run is at work in another session"),
				 errhint("See hospital.progress.")));
	(void) hospital_lock(HOSPITAL_LOCK_LAKE, true);
}

/* What there is to do. */
static void
plan_days(Run *run, int days)
{
	const Simulation *simulation = &run->simulation;
	int			left;

	run->first = day_next_unwritten(simulation->start_date);
	left = Max(0, simulation->end_date - run->first + 1);
	run->days = Min(days, left);
	run->waiting = count("SELECT count(*) FROM hospital.batches WHERE state IN ('written', 'loading')");
	run->files_total = run->waiting + (int64) run->days * RECORD_KINDS;
	if (run->waiting > 0)
		ereport(NOTICE,
				(errmsg("hospital: " INT64_FORMAT " files of earlier days wait; they are ingested first",
						run->waiting)));
	if (left == 0)
		ereport(NOTICE,
				(errmsg("the hospital's last day, %s, has been written before",
						day_file_date(simulation->end_date)),
				 errhint("The end date is frozen by hospital_create.")));
	else if (run->days < days)
		ereport(NOTICE,
				(errmsg("running %d days, up to the hospital's last day, %s",
						run->days, day_file_date(simulation->end_date)),
				 errdetail("%d were asked for.", days)));
}

/* ---- progress ---- */

static int
days_of(int64 files)
{
	return (int) (files / RECORD_KINDS);
}

static int
days_total(const Run *run)
{
	return days_of(run->files_total + RECORD_KINDS - 1);
}

static int
days_done(const Run *run)
{
	return days_total(run) - days_of(run->files_total - run->files_done + RECORD_KINDS - 1);
}

static int
days_written(const Run *run)
{
	return days_total(run) - run->days + (int) pg_atomic_read_u32(&run->shared->written);
}

static double
seconds_since(TimestampTz start)
{
	return (double) (GetCurrentTimestamp() - start) / USECS_PER_SEC;
}

static void
show_progress(Run *run)
{
	TimestampTz now = GetCurrentTimestamp();
	double		share = (double) run->files_done / Max(run->files_total, 1);

	pgstat_progress_update_param(PROGRESS_COPY_TUPLES_PROCESSED, run->rows);
	pgstat_progress_update_param(PROGRESS_COPY_BYTES_PROCESSED, run->bytes);
	pgstat_progress_update_param(PROGRESS_RUN_DAYS_DONE, days_done(run));
	pgstat_progress_update_param(PROGRESS_RUN_DAYS_WRITTEN, days_written(run));
	if (TimestampDifferenceMilliseconds(run->said_at, now) < SAY_EVERY_MS)
		return;
	run->said_at = now;
	ereport(INFO,
			(errmsg("hospital: %d of %d days (%d %%), " INT64_FORMAT " records, %.1f s to go",
					days_done(run), days_total(run), (int) (100 * share), run->rows,
					share > 0 ? seconds_since(run->started) * (1 / share - 1) : 0.0)));
}

static void
start_progress(Run *run)
{
	run->started = run->said_at = GetCurrentTimestamp();
	pgstat_progress_start_command(PROGRESS_COMMAND_COPY,
								  get_relname_relid("batches", get_namespace_oid("hospital", false)));
	pgstat_progress_update_param(PROGRESS_RUN_MARK, RUN_MARK);
	pgstat_progress_update_param(PROGRESS_RUN_DAYS_TOTAL, days_total(run));
	pgstat_progress_update_param(PROGRESS_RUN_STARTED, run->started);
}

static void
say_done(const Run *run)
{
	double		seconds = Max(seconds_since(run->started), 0.001);

	ereport(INFO,
			(errmsg("hospital: %d days done in %.1f s, " INT64_FORMAT " records, %.1f MB, %.1f days a second",
					days_total(run), seconds, run->rows, run->bytes / 1e6, days_total(run) / seconds),
			 run->refused + run->rejects > 0 ?
			 errdetail(INT64_FORMAT " lines were rejected, " INT64_FORMAT " files refused; see hospital.rejects and hospital.batches.",
					   run->rejects, run->refused) : 0));
}

/* ---- the writer ---- */

static void
make_shared(Run *run)
{
	RunShared  *shared;

	run->segment = dsm_create(sizeof(RunShared), 0);
	dsm_pin_mapping(run->segment);
	shared = run->shared = dsm_segment_address(run->segment);
	memset(shared, 0, sizeof(*shared));
	shared->database = MyDatabaseId;
	strlcpy(shared->data_folder, hospital_data_folder, MAXPGPATH);
	shared->first = run->first;
	shared->days = run->days;
	shared->session_latch = &MyProc->procLatch;
	pg_atomic_init_u32(&shared->written, 0);
	pg_atomic_init_u32(&shared->ingested, 0);
	helper_error_init(&shared->error);
}

static void
launch_writer(Run *run)
{
	BackgroundWorker worker = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = BGW_NEVER_RESTART,
		.bgw_main_arg = UInt32GetDatum(dsm_segment_handle(run->segment)),
		.bgw_notify_pid = MyProcPid,
	};
	MemoryContext old = MemoryContextSwitchTo(run->context);

	strlcpy(worker.bgw_library_name, "hospital", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, CppAsString(hospital_run_writer_main), BGW_MAXLEN);
	strlcpy(worker.bgw_name, "hospital run, writer", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "hospital run", BGW_MAXLEN);
	if (!RegisterDynamicBackgroundWorker(&worker, &run->writer))
	{
		run->writer = NULL;
		ereport(NOTICE,
				(errmsg("no background process is free: this session writes the days itself"),
				 errhint("Raise max_worker_processes, and the next days are written while others are ingested.")));
	}
	MemoryContextSwitchTo(old);
}

static bool
all_written(const Run *run)
{
	return pg_atomic_read_u32(&run->shared->written) >= (uint32) run->days;
}

/* Also the end of an error: stop the writer and wait for it. */
static void
stop_writer(int code, Datum arg)
{
	Run		   *run = (Run *) DatumGetPointer(arg);

	(void) code;
	if (run->writer != NULL)
	{
		/* Not interruptible: an interrupt is what may have brought us here. */
		TerminateBackgroundWorker(run->writer);
		HOLD_INTERRUPTS();
		WaitForBackgroundWorkerShutdown(run->writer);
		RESUME_INTERRUPTS();
	}
	run->writer = NULL;
	if (run->segment != NULL)
		dsm_detach(run->segment);
	run->segment = NULL;
	run->shared = NULL;
}

static void
release_locks(int code, Datum arg)
{
	(void) code;
	(void) arg;
	hospital_unlock(HOSPITAL_LOCK_LAKE);
	hospital_unlock(HOSPITAL_LOCK_RUN);
}

static void
check_writer(const Run *run)
{
	pid_t		pid;

	helper_error_raise(&run->shared->error, "writer of hospital_run");
	if (GetBackgroundWorkerPid(run->writer, &pid) == BGWH_STOPPED && !all_written(run))
	{
		helper_error_raise(&run->shared->error, "writer of hospital_run");
		ereport(ERROR,
				(errcode(ERRCODE_OPERATOR_INTERVENTION),
				 errmsg("the process that writes the days was ended before its work was done"),
				 errdetail("%u of %d days are written.", pg_atomic_read_u32(&run->shared->written), run->days),
				 errhint("CALL hospital_run again: it goes on from here.")));
	}
}

static void
wait_for_writer(int timeout_ms)
{
	static uint32 wait_event = 0;

	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, timeout_ms,
					 hospital_wait_event(&wait_event, "HospitalRun"));
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/* Nobody else does: the next day, in this session. */
static void
write_day(Run *run)
{
	MemoryContext caller = MemoryContextSwitchTo(run->day_context);
	DayFiles   *files = day_write(&run->simulation, run->first + pg_atomic_read_u32(&run->shared->written));

	begin_step();
	day_record(files);
	run_move_clock(files->day);
	end_step();
	next_transaction();
	XLogFlush(XactLastCommitEnd);
	day_publish(files);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(run->day_context);
	pg_atomic_fetch_add_u32(&run->shared->written, 1);
}

/* ---- leftovers of the lake ---- */

static bool
ledger_knows(const char *path, const char *hash, void *arg)
{
	Run		   *run = arg;
	bool		known;

	begin_step();
	known = day_ledger_knows(&run->simulation, path, hash);
	end_step();
	return known;
}

static void
recover_lake(Run *run)
{
	MemoryContext caller = MemoryContextSwitchTo(run->day_context);

	lake_recover(psprintf(BATCH_FOLDER "/%s", run->simulation.name), MANIFEST_NAME, ledger_knows, run);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(run->day_context);
}

/* ---- ingesting ---- */

typedef enum Step
{
	STEP_DONE,
	STEP_PENDING,				/* the next file is about to get its name */
	STEP_NOTHING				/* no file waits */
} Step;

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

static Step
ingest_one(Run *run)
{
	IngestedBatch batch;
	IngestOutcome outcome;

	begin_step();
	outcome = ingest_next(run->functions, &batch);
	if (outcome == INGEST_REFUSED)
	{
		run->refused++;
		ereport(WARNING,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("\"%s\" was refused: %s", batch.file, batch.message)));
	}
	if (outcome == INGEST_DONE || outcome == INGEST_REFUSED)
	{
		run->files_done++;
		run->rows += batch.rows;
		run->rejects += batch.rejects;
		run->bytes += bytes_of(batch.batch_id);
	}
	end_step();
	next_transaction();
	return outcome == INGEST_NOT_WRITTEN ? STEP_NOTHING :
		outcome == INGEST_PENDING ? STEP_PENDING : STEP_DONE;
}

/* Until no day is left to be written and no file to be ingested. */
static void
run_days(Run *run)
{
	for (;;)
	{
		uint32		written = pg_atomic_read_u32(&run->shared->written);
		bool		complete = all_written(run);
		Step		step = ingest_one(run);
		Latch	   *writer = run->shared->writer_latch;

		CHECK_FOR_INTERRUPTS();

		/* Nothing waits: all that was written before we looked has been ingested, by whomever. */
		pg_atomic_write_u32(&run->shared->ingested,
							step == STEP_NOTHING ? written :
							Min(written, (uint32) days_of(Max(0, run->files_done - run->waiting))));
		if (writer != NULL)
			SetLatch(writer);
		show_progress(run);
		if (step == STEP_PENDING)
			wait_for_writer(PENDING_MS);
		if (step != STEP_NOTHING)
			continue;
		if (complete)
			return;
		if (run->writer == NULL)
			write_day(run);
		else
		{
			check_writer(run);
			wait_for_writer(LOOK_AGAIN_MS);
		}
	}
}

/* ---- the whole of it ---- */

static void
run_locked(Run *run, int days)
{
	begin_step();
	check_not_live();
	plan_days(run, days);
	end_step();
	recover_lake(run);
	start_progress(run);
	next_transaction();
	if (run->files_total == 0)
		return;

	PG_ENSURE_ERROR_CLEANUP(stop_writer, PointerGetDatum(run));
	{
		make_shared(run);
		if (run->days > 0)
			launch_writer(run);
		run_days(run);
		show_progress(run);
	}
	PG_END_ENSURE_ERROR_CLEANUP(stop_writer, PointerGetDatum(run));
	stop_writer(0, PointerGetDatum(run));

	XLogFlush(XactLastCommitEnd);
	say_done(run);
}

static void
require_top_level(FunctionCallInfo fcinfo)
{
	CallContext *context = (CallContext *) fcinfo->context;

	if (context == NULL || !IsA(context, CallContext) || context->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("hospital_run cannot run inside a transaction block"),
				 errdetail("It commits as it goes."),
				 errhint("CALL it by itself, outside BEGIN … COMMIT and outside functions.")));
}

static int
days_argument(FunctionCallInfo fcinfo)
{
	int			days = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT32(0);

	if (days < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("number of days must be at least 1"),
				 errhint("CALL hospital_run(30) runs the next 30 hospital days.")));
	return days;
}

static Run *
make_run(FunctionCallInfo fcinfo)
{
	Run		   *run = MemoryContextAllocZero(PortalContext, sizeof(Run));
	char	   *schema = get_namespace_name(get_func_namespace(fcinfo->flinfo->fn_oid));

	run->context = PortalContext;
	run->functions = MemoryContextStrdup(run->context, quote_identifier(schema));
	run->day_context = AllocSetContextCreate(run->context, "hospital day files", ALLOCSET_DEFAULT_SIZES);
	return run;
}

Datum
hospital_run(PG_FUNCTION_ARGS)
{
	int			days = days_argument(fcinfo);
	Run		   *run;

	require_top_level(fcinfo);
	run = make_run(fcinfo);
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	pin_settings();
	begin_step();
	check_hospital(run);
	check_not_live();
	end_step();
	take_locks();
	PG_ENSURE_ERROR_CLEANUP(release_locks, (Datum) 0);
	{
		/* The wait for the lake may have been long: look at the ledger as it is now. */
		next_transaction();
		run_locked(run, days);
	}
	PG_END_ENSURE_ERROR_CLEANUP(release_locks, (Datum) 0);
	release_locks(0, (Datum) 0);
	pgstat_progress_end_command();
	SPI_commit();				/* and the settings are the caller's again */
	SPI_finish();
	PG_RETURN_VOID();
}
