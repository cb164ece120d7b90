/*
 * run.c: CALL hospital_run(days): hospital days as fast as they can be had.
 *
 * Every day goes the way of a live one: its folder is written
 * (day_writer.c), then its files are ingested, each in a transaction of its own.
 * A background process of the session (run_worker.c) computes and writes the
 * next days while the session ingests; where no process is to be had, the
 * session does both.  The writer leaves much of a core idle, so that by default
 * there is an ingestor for each core: the session, and further processes.
 *
 * It may end anywhere.  What has been written and what has been ingested is in
 * the ledger alone; the next run deals with the lake's leftovers, ingests what
 * waits, and goes on after the last day of hospital.days.  An error or a cancel
 * ends the helpers with the session, and waits for them.
 *
 * Commits.  One that waits for the disk is enough for a day: the writer's,
 * after which the day's files get their names.  Those that ingest, a file each,
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

#include <unistd.h>

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/progress.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "day_again.h"
#include "day_file.h"
#include "day_writer.h"
#include "lakefile.h"
#include "locks.h"
#include "marts.h"
#include "procedure.h"
#include "run.h"
#include "settings.h"
#include "sole_use.h"
#include "window.h"

PG_FUNCTION_INFO_V1(hospital_run);

#define SAY_EVERY_MS 2000
#define FOLD_EVERY_DAYS 10		/* meanwhile the marts read them from the tables */
#define RUN_INGESTORS_UNASKED 4 /* at the most, one a core */

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
	bool		has_run_lock;
	bool		has_lake_lock;

	int			ingestors;		/* the session among them */
	DateADT		first;			/* of the days to be written */
	int			days;
	int64		waiting;		/* files that an earlier run has left */
	int64		files_total;

	dsm_segment *segment;
	RunShared  *shared;
	BackgroundWorkerHandle *helpers[RUN_HELPERS];	/* NULL: none; the session writes without a writer */

	TimestampTz started;
	TimestampTz said_at;
	int			folded;			/* days done when the marts were folded last */
} Run;

/* ---- queries ---- */

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
	if (holds("SELECT desired <> 'stopped' FROM hospital.run_state"))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the live simulation is running"),
				 errdetail("Its clock says when the next day is due."),
				 errhint("SELECT hospital_stop() first; hospital_start() goes on after the days that were run.")));
}

static void
take_locks(Run *run)
{
	run->has_run_lock = hospital_lock(HOSPITAL_LOCK_RUN, false);
	if (!run->has_run_lock)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("hospital_run is at work in another session"),
				 errhint("See hospital.progress.")));
	run->has_lake_lock = hospital_lock(HOSPITAL_LOCK_LAKE, true);
}

/* Also the end of an error, one that came while we waited included. */
static void
release_locks(int code, Datum arg)
{
	Run		   *run = (Run *) DatumGetPointer(arg);

	(void) code;
	if (run->has_lake_lock)
		hospital_unlock(HOSPITAL_LOCK_LAKE);
	if (run->has_run_lock)
		hospital_unlock(HOSPITAL_LOCK_RUN);
	run->has_lake_lock = run->has_run_lock = false;
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

static int64
files_done(const Run *run)
{
	return Min((int64) pg_atomic_read_u64(&run->shared->files), run->files_total);
}

static int
days_done(const Run *run)
{
	return days_total(run) - days_of(run->files_total - files_done(run) + RECORD_KINDS - 1);
}

static int
days_written(const Run *run)
{
	return days_total(run) - run->days + (int) pg_atomic_read_u32(&run->shared->written);
}

static void
show_progress(Run *run)
{
	TimestampTz now = GetCurrentTimestamp();
	double		share = (double) files_done(run) / Max(run->files_total, 1);
	int64		rows = (int64) pg_atomic_read_u64(&run->shared->rows);

	pgstat_progress_update_param(PROGRESS_COPY_TUPLES_PROCESSED, rows);
	pgstat_progress_update_param(PROGRESS_COPY_BYTES_PROCESSED, (int64) pg_atomic_read_u64(&run->shared->bytes));
	pgstat_progress_update_param(PROGRESS_RUN_DAYS_DONE, days_done(run));
	pgstat_progress_update_param(PROGRESS_RUN_DAYS_WRITTEN, days_written(run));
	if (TimestampDifferenceMilliseconds(run->said_at, now) < SAY_EVERY_MS)
		return;
	run->said_at = now;
	ereport(INFO,
			(errmsg("hospital: %d of %d days (%d %%), " INT64_FORMAT " records, %.1f s to go",
					days_done(run), days_total(run), (int) (100 * share), rows,
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
	int64		rejects = (int64) pg_atomic_read_u64(&run->shared->rejects);
	int64		refused = (int64) pg_atomic_read_u64(&run->shared->refused);

	ereport(INFO,
			(errmsg("hospital: %d days done in %.1f s, " INT64_FORMAT " records, %.1f MB, %.1f days a second",
					days_total(run), seconds, (int64) pg_atomic_read_u64(&run->shared->rows),
					pg_atomic_read_u64(&run->shared->bytes) / 1e6, days_total(run) / seconds),
			 rejects + refused > 0 ?
			 errdetail(INT64_FORMAT " lines were rejected, " INT64_FORMAT " files refused; see hospital.rejects and hospital.batches.",
					   rejects, refused) : 0));
}

/* ---- helpers ---- */

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
	shared->session = &MyProc->procLatch;
	pg_atomic_init_u32(&shared->written, 0);
	pg_atomic_init_u32(&shared->ingested, 0);
	pg_atomic_init_u32(&shared->finished, 0);
	pg_atomic_init_u64(&shared->last_commit, InvalidXLogRecPtr);
	pg_atomic_init_u64(&shared->files, 0);
	pg_atomic_init_u64(&shared->refused, 0);
	pg_atomic_init_u64(&shared->rows, 0);
	pg_atomic_init_u64(&shared->rejects, 0);
	pg_atomic_init_u64(&shared->bytes, 0);
	helper_error_init(&shared->error);
}

static bool
launch_helper(Run *run, int number)
{
	BackgroundWorker worker = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = BGW_NEVER_RESTART,
		.bgw_main_arg = UInt32GetDatum(dsm_segment_handle(run->segment)),
		.bgw_notify_pid = MyProcPid,
	};
	MemoryContext old = MemoryContextSwitchTo(run->context);
	bool		launched;

	strlcpy(worker.bgw_library_name, "hospital", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, CppAsString(hospital_run_helper_main), BGW_MAXLEN);
	snprintf(worker.bgw_name, BGW_MAXLEN, "hospital run, %s %d",
			 number == RUN_WRITER ? "writer" : "ingestor", number);
	strlcpy(worker.bgw_type, "hospital run", BGW_MAXLEN);
	memcpy(worker.bgw_extra, &number, sizeof(number));
	launched = RegisterDynamicBackgroundWorker(&worker, &run->helpers[number]);
	if (!launched)
		run->helpers[number] = NULL;
	MemoryContextSwitchTo(old);
	return launched;
}

static void
launch_helpers(Run *run)
{
	if (run->days > 0 && !launch_helper(run, RUN_WRITER))
		ereport(NOTICE,
				(errmsg("no background process is free: this session writes the days itself"),
				 errhint("Raise max_worker_processes, and the next days are written while others are ingested.")));
	for (int number = 1; number < run->ingestors; number++)
		if (!launch_helper(run, number))
			break;
}

static bool
all_written(const Run *run)
{
	return pg_atomic_read_u32(&run->shared->written) >= (uint32) run->days;
}

/* Also the end of an error: no helper is left running. */
static void
stop_helpers(int code, Datum arg)
{
	Run		   *run = (Run *) DatumGetPointer(arg);

	(void) code;
	for (int i = 0; i < RUN_HELPERS; i++)
		if (run->helpers[i] != NULL)
			TerminateBackgroundWorker(run->helpers[i]);
	for (int i = 0; i < RUN_HELPERS; i++)
	{
		if (run->helpers[i] == NULL)
			continue;

		/* Not interruptible: an interrupt is what may have brought us here. */
		HOLD_INTERRUPTS();
		WaitForBackgroundWorkerShutdown(run->helpers[i]);
		RESUME_INTERRUPTS();
		run->helpers[i] = NULL;
	}
	if (run->segment != NULL)
		dsm_detach(run->segment);
	run->segment = NULL;
	run->shared = NULL;
}

/* There is nothing left to do: they end by themselves. */
static void
dismiss_helpers(Run *run)
{
	pg_atomic_write_u32(&run->shared->finished, 1);
	run_poke(run->shared);
	for (int i = 0; i < RUN_HELPERS; i++)
		if (run->helpers[i] != NULL)
			(void) WaitForBackgroundWorkerShutdown(run->helpers[i]);
	helper_error_raise(&run->shared->error, "helper of hospital_run");
}

/* An ingestor that was ended is no loss; a writer is. */
static void
check_helpers(const Run *run)
{
	pid_t		pid;

	helper_error_raise(&run->shared->error, "helper of hospital_run");
	if (run->helpers[RUN_WRITER] == NULL ||
		GetBackgroundWorkerPid(run->helpers[RUN_WRITER], &pid) != BGWH_STOPPED || all_written(run))
		return;
	helper_error_raise(&run->shared->error, "helper of hospital_run");
	ereport(ERROR,
			(errcode(ERRCODE_OPERATOR_INTERVENTION),
			 errmsg("the process that writes the days was ended before its work was done"),
			 errdetail("%u of %d days are written.", pg_atomic_read_u32(&run->shared->written), run->days),
			 errhint("CALL hospital_run again: it goes on from here.")));
}

static void
wait_for_helpers(int timeout_ms)
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

	procedure_begin_step();
	day_record(files);
	window_skip_day(files->day);
	procedure_end_step();
	procedure_commit();
	XLogFlush(XactLastCommitEnd);
	day_publish(files);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(run->day_context);
	pg_atomic_fetch_add_u32(&run->shared->written, 1);
}

/* ---- leftovers of the lake ---- */

static LakeVerdict
judge_file(const char *path, const char *hash, void *arg)
{
	Run		   *run = arg;
	bool		known;

	procedure_begin_step();
	known = day_ledger_knows(&run->simulation, path, hash);
	procedure_end_step();
	return known ? LAKE_KNOWN : LAKE_STRAY;
}

static void
recover_lake(Run *run)
{
	MemoryContext caller = MemoryContextSwitchTo(run->day_context);

	lake_claim(&run->simulation);
	lake_recover(psprintf(BATCH_FOLDER "/%s", run->simulation.name), MANIFEST_NAME, judge_file, run);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(run->day_context);
}

/* Files that wait and are not there: make them again.  False: none is missing. */
static bool
find_lost_file(Run *run)
{
	MemoryContext caller = MemoryContextSwitchTo(run->day_context);
	DayFiles   *files;
	DateADT		day;
	bool		lost;

	procedure_begin_step();
	lost = day_find_lost(&day);
	procedure_end_step();
	if (lost)
	{
		files = day_write(&run->simulation, day);
		procedure_begin_step();
		day_expect_again(files);
		procedure_end_step();
		procedure_commit();
		day_publish_lost(files);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextReset(run->day_context);
	return lost;
}

/* ---- ingesting ---- */

/* One file, in a transaction of its own. */
static IngestOutcome
ingest_one(Run *run)
{
	IngestedBatch batch;
	IngestOutcome outcome;

	procedure_begin_step();
	outcome = run_ingest_next(run->shared, run->functions, &batch);
	if (outcome == INGEST_REFUSED)
		ereport(WARNING,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("\"%s\" was refused: %s", batch.file, batch.message)));
	procedure_end_step();
	procedure_commit();
	helper_note_commit(&run->shared->last_commit);
	if (outcome != INGEST_NOT_WRITTEN && outcome != INGEST_PENDING && batch.is_awaited)
		run_poke(run->shared);
	return outcome;
}

/* Is no file left, not even in the hands of another? */
static bool
nothing_waits(void)
{
	bool		nothing;

	procedure_begin_step();
	nothing = holds("SELECT NOT EXISTS (SELECT FROM hospital.batches WHERE state IN ('written', 'loading'))");
	procedure_end_step();
	return nothing;
}

/* The writer may be waiting to hear how far we are. */
static void
tell_writer(const Run *run, uint32 ingested)
{
	Latch	   *writer = run->shared->helpers[RUN_WRITER];

	pg_atomic_write_u32(&run->shared->ingested, ingested);
	if (writer != NULL)
		SetLatch(writer);
}

/* No file is to be had at the moment.  True when that is so for good. */
static bool
wait_for_files(Run *run, uint32 written, bool complete)
{
	if (nothing_waits())
	{
		/* All that had been written when we looked has been ingested, by whomever. */
		tell_writer(run, written);
		if (complete)
			return true;
		if (run->helpers[RUN_WRITER] == NULL)
		{
			write_day(run);
			return false;
		}
	}
	wait_for_helpers(RUN_LOOK_AGAIN_MS);
	return false;
}

/* Days that are over, for the marts. */
static void
fold_marts(Run *run)
{
	int			folded;

	do
	{
		CHECK_FOR_INTERRUPTS();
		procedure_begin_step();
		folded = marts_fold(run->functions);
		procedure_end_step();
		procedure_commit();
		helper_note_commit(&run->shared->last_commit);
	} while (folded > 0);
	run->folded = days_done(run);
}

/* Until no day is left to be written and no file to be ingested. */
static void
run_days(Run *run)
{
	for (;;)
	{
		uint32		written = pg_atomic_read_u32(&run->shared->written);
		bool		complete = all_written(run);
		IngestOutcome outcome = ingest_one(run);

		CHECK_FOR_INTERRUPTS();
		check_helpers(run);
		show_progress(run);
		if (outcome == INGEST_NOT_WRITTEN)
		{
			if (wait_for_files(run, written, complete))
				return;
		}
		else if (outcome == INGEST_PENDING)
			wait_for_helpers(RUN_PENDING_MS);
		else
			tell_writer(run, Min(written, (uint32) days_of(Max(0, files_done(run) - run->waiting))));
		if (days_done(run) >= run->folded + FOLD_EVERY_DAYS)
			fold_marts(run);
	}
}

/* ---- the whole of it ---- */

static void
run_locked(Run *run, int days)
{
	procedure_begin_step();
	check_not_live();
	plan_days(run, days);
	procedure_end_step();
	recover_lake(run);
	while (find_lost_file(run))
		CHECK_FOR_INTERRUPTS();
	start_progress(run);
	procedure_commit();
	if (run->files_total == 0)
		return;

	PG_ENSURE_ERROR_CLEANUP(stop_helpers, PointerGetDatum(run));
	{
		make_shared(run);
		launch_helpers(run);
		run_days(run);
		show_progress(run);
		dismiss_helpers(run);
		fold_marts(run);
		XLogFlush(pg_atomic_read_u64(&run->shared->last_commit));
		say_done(run);
	}
	PG_END_ENSURE_ERROR_CLEANUP(stop_helpers, PointerGetDatum(run));
	stop_helpers(0, PointerGetDatum(run));
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

static int
workers_argument(FunctionCallInfo fcinfo)
{
	int			workers;

	if (PG_ARGISNULL(1))
		return Max(hospital_ingest_workers, Min((int) sysconf(_SC_NPROCESSORS_ONLN), RUN_INGESTORS_UNASKED));
	workers = PG_GETARG_INT32(1);
	if (workers < 1 || workers > INGEST_WORKERS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("number of workers must be from 1 to %d", INGEST_WORKERS_MAX),
				 errdetail("%d was given.", workers),
				 errhint("Workers ingest; 1 is this session alone.")));
	return workers;
}

static Run *
make_run(FunctionCallInfo fcinfo)
{
	Run		   *run = MemoryContextAllocZero(PortalContext, sizeof(Run));
	char	   *schema = get_namespace_name(get_func_namespace(fcinfo->flinfo->fn_oid));

	run->context = PortalContext;
	run->ingestors = workers_argument(fcinfo);
	run->functions = MemoryContextStrdup(run->context, quote_identifier(schema));
	run->day_context = AllocSetContextCreate(run->context, "hospital day files", ALLOCSET_DEFAULT_SIZES);
	return run;
}

Datum
hospital_run(PG_FUNCTION_ARGS)
{
	int			days = days_argument(fcinfo);
	Run		   *run;

	procedure_require_top_level(fcinfo, "hospital_run");
	run = make_run(fcinfo);
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	procedure_pin_settings();
	procedure_begin_step();
	check_hospital(run);
	check_not_live();
	procedure_end_step();
	PG_ENSURE_ERROR_CLEANUP(release_locks, PointerGetDatum(run));
	{
		take_locks(run);

		/* The wait for the lake may have been long: look at the ledger as it is now. */
		procedure_commit();
		run_locked(run, days);
	}
	PG_END_ENSURE_ERROR_CLEANUP(release_locks, PointerGetDatum(run));
	release_locks(0, PointerGetDatum(run));
	pgstat_progress_end_command();
	SPI_commit();				/* and the settings are the caller's again */
	SPI_finish();
	PG_RETURN_VOID();
}
