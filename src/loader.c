/*
 * loader.c: CALL hospital_load_people(…) and its kin; the leader of a load.
 *
 * The table is its own journal.  A load first counts what is there, chunk by
 * chunk, and then makes what is missing: whole chunks by workers that write
 * straight into the heap (loader_worker.c), partly present ones, and tables
 * that are more than a plain heap, by INSERT … SELECT in this session, as the
 * caller.  So a load that was interrupted, or a table from which rows were
 * deleted, is completed by calling it again, and nothing is doubled.
 *
 * Keys are cheaper to build than to maintain: if the table is empty they are
 * dropped first and built at the end, as unique indexes (readers go on) that
 * then become constraints.  A load that ends early leaves a table without
 * keys; the next one builds them.
 *
 * Transactions: the leader holds neither snapshot nor transaction id while the
 * workers run, only a session lock that keeps a second load of the table out.
 * It is a lock on the table's catalog entry, which nothing else takes: a lock
 * on the table would stop the workers that build its indexes.  Whatever ends
 * the leader, error or termination, stops its workers and waits for them.
 */
#include "postgres.h"

#include <unistd.h>

#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/progress.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/bufmgr.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "loader.h"
#include "population.h"
#include "procedure.h"
#include "settings.h"
#include "simulation.h"

PG_FUNCTION_INFO_V1(hospital_load_people);
PG_FUNCTION_INFO_V1(hospital_load_staff);

#define PROGRESS_INTERVAL_MS 1000

/* Progress parameters of our own, behind those that COPY uses. */
#define PROGRESS_HOSPITAL_MAGIC 15
#define PROGRESS_HOSPITAL_TOTAL 16
#define PROGRESS_HOSPITAL_STARTED 17
#define PROGRESS_MAGIC INT64CONST(0x686f7370)

/* What is loaded, in words and in SQL. */
typedef struct LoadTarget
{
	LoadKind	kind;
	const char *what;
	const char *key;			/* column that numbers the rows */
} LoadTarget;

static const LoadTarget targets[] = {
	[LOAD_PEOPLE] = {LOAD_PEOPLE, "people", "person_id"},
	[LOAD_STAFF] = {LOAD_STAFF, "staff members", "staff_id"},
	[LOAD_STAFF_ASSIGNMENTS] = {LOAD_STAFF_ASSIGNMENTS, "shifts", "assignment_id"},
};

typedef struct Load
{
	const LoadTarget *target;
	Simulation	simulation;
	Oid			relid;
	LOCKTAG		lock;
	char	   *functions;		/* quoted schema of the generators */
	LoadSurvey	survey;
	bool		keys;			/* build them */
	int			workers;

	MemoryContext context;		/* outlives the transactions */
	dsm_segment *segment;
	LoadShared *shared;
	BackgroundWorkerHandle **handles;
	int			launched;
	TimestampTz started;
	TimestampTz last_progress;
	XLogRecPtr	flush_to;		/* WAL of the workers' commits */
} Load;

/* ---- small helpers ---- */

/* For the rest of this transaction: names mean what they say. */
static void
pin_search_path(void)
{
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
}

static void
next_transaction(void)
{
	SPI_commit();
	pin_search_path();
}

static int64
query_int64(const char *sql)
{
	bool		isnull;
	Datum		value;

	if (SPI_execute(sql, false, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not run \"%s\"", sql);
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	return isnull ? 0 : DatumGetInt64(value);
}

/* 5,000,000 */
static char *
thousands(int64 n)
{
	char		plain[32];
	char	   *out = palloc(48);
	int			length,
				o = 0;

	snprintf(plain, sizeof(plain), "%lld", (long long) n);
	length = strlen(plain);
	for (int i = 0; i < length; i++)
	{
		if (i > 0 && (length - i) % 3 == 0)
			out[o++] = ',';
		out[o++] = plain[i];
	}
	out[o] = '\0';
	return out;
}

/* ---- keys ---- */

static List *
missing_indexes(Load *load)
{
	const LoadKey *keys = load_keys(load->target->kind);
	List	   *missing = NIL;

	for (int i = 0; keys[i].name != NULL; i++)
		if (key_needs_index(load->relid, &keys[i]))
		{
			MemoryContext old = MemoryContextSwitchTo(load->context);
			LoadChunk  *chunk = palloc(sizeof(LoadChunk));

			chunk->lo = i;
			chunk->hi = i + 1;
			missing = lappend(missing, chunk);
			MemoryContextSwitchTo(old);
		}
	return missing;
}

/* ---- progress ---- */

static void
show_progress(Load *load, bool last)
{
	TimestampTz now = GetCurrentTimestamp();
	int64		made = (int64) pg_atomic_read_u64(&load->shared->rows);
	int64		done = load->target->kind == LOAD_STAFF_ASSIGNMENTS ? made : load->survey.present + made;
	double		rate = made / Max(seconds_since(load->started), 0.001);

	pgstat_progress_update_param(PROGRESS_COPY_TUPLES_PROCESSED, done);
	if (!last && TimestampDifferenceMilliseconds(load->last_progress, now) < PROGRESS_INTERVAL_MS)
		return;
	load->last_progress = now;
	if (load->survey.rows > 0)
		ereport(INFO,
				(errmsg("hospital: %s %s of %s (%d %%), %.2f million a second",
						thousands(done), load->target->what, thousands(load->survey.rows),
						(int) (100.0 * done / load->survey.rows), rate / 1e6)));
	else
		ereport(INFO,
				(errmsg("hospital: %s %s (%d %% of the days), %.2f million a second",
						thousands(done), load->target->what,
						(int) (100.0 * pg_atomic_read_u32(&load->shared->chunks_done) / load->shared->nchunks),
						rate / 1e6)));
}

static void
start_progress(Load *load)
{
	load->started = GetCurrentTimestamp();
	load->last_progress = load->started;
	pgstat_progress_start_command(PROGRESS_COMMAND_COPY, load->relid);
	pgstat_progress_update_param(PROGRESS_HOSPITAL_MAGIC, PROGRESS_MAGIC);
	pgstat_progress_update_param(PROGRESS_HOSPITAL_TOTAL, load->survey.rows);
	pgstat_progress_update_param(PROGRESS_HOSPITAL_STARTED, load->started);
	pgstat_progress_update_param(PROGRESS_COPY_TUPLES_PROCESSED, load->survey.present);
}

/* ---- workers ---- */

static void
make_shared(Load *load, List *chunks, bool keys)
{
	int			nchunks = list_length(chunks);
	Size		size = add_size(offsetof(LoadShared, chunks), mul_size(nchunks, sizeof(LoadChunk)));
	LoadShared *shared;
	ListCell   *lc;
	int			i = 0;

	load->segment = dsm_create(size, 0);
	dsm_pin_mapping(load->segment);
	shared = load->shared = dsm_segment_address(load->segment);
	memset(shared, 0, size);
	shared->kind = load->target->kind;
	shared->keys = keys;
	shared->maintenance_work_mem = maintenance_work_mem;
	shared->database = MyDatabaseId;
	shared->relid = load->relid;
	shared->seed = load->simulation.seed;
	shared->start_date = load->simulation.start_date;
	shared->end_date = load->simulation.end_date;
	shared->beds = load->simulation.beds;
	shared->marked = load->simulation.marked;
	shared->leader_latch = &MyProc->procLatch;
	pg_atomic_init_u32(&shared->stop, 0);
	pg_atomic_init_u32(&shared->next_chunk, 0);
	pg_atomic_init_u32(&shared->chunks_done, 0);
	pg_atomic_init_u64(&shared->rows, 0);
	pg_atomic_init_u64(&shared->last_commit, InvalidXLogRecPtr);
	helper_error_init(&shared->error);
	shared->nchunks = nchunks;
	foreach(lc, chunks)
		shared->chunks[i++] = *(LoadChunk *) lfirst(lc);
}

static void
launch_workers(Load *load)
{
	BackgroundWorker worker = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_ConsistentState,
		.bgw_restart_time = BGW_NEVER_RESTART,
		.bgw_main_arg = UInt32GetDatum(dsm_segment_handle(load->segment)),
		.bgw_notify_pid = MyProcPid,
	};
	int			wanted = Min(load->workers, load->shared->nchunks);
	MemoryContext old = MemoryContextSwitchTo(load->context);

	strlcpy(worker.bgw_library_name, "hospital", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, CppAsString(hospital_load_worker_main), BGW_MAXLEN);
	snprintf(worker.bgw_name, BGW_MAXLEN, "hospital load of %s", load_table_name(load->target->kind));
	strlcpy(worker.bgw_type, "hospital load", BGW_MAXLEN);

	load->handles = palloc0(wanted * sizeof(BackgroundWorkerHandle *));
	while (load->launched < wanted &&
		   RegisterDynamicBackgroundWorker(&worker, &load->handles[load->launched]))
		load->launched++;
	MemoryContextSwitchTo(old);
	if (load->launched == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("no background worker is free to load hospital.%s", load_table_name(load->target->kind)),
				 errhint("Raise max_worker_processes, or CALL it with workers => 0 to load in this session.")));
	if (load->launched < wanted)
		ereport(NOTICE,
				(errmsg("loading with %d of %d workers", load->launched, wanted),
				 errhint("Raise max_worker_processes for more.")));
}

static int
workers_running(const Load *load)
{
	int			running = 0;

	for (int i = 0; i < load->launched; i++)
	{
		pid_t		pid;

		switch (GetBackgroundWorkerPid(load->handles[i], &pid))
		{
			case BGWH_STARTED:
			case BGWH_NOT_YET_STARTED:
				running++;
				break;
			case BGWH_STOPPED:
			case BGWH_POSTMASTER_DIED:
				break;
		}
	}
	return running;
}

/*
 * A worker that failed has said so, or has left while there was work.  The
 * others are ended, not asked: one may be waiting for a lock.
 */
static void
stop_if_one_failed(const Load *load, int running)
{
	LoadShared *shared = load->shared;

	if (running < load->launched &&
		pg_atomic_read_u32(&shared->next_chunk) < (uint32) shared->nchunks)
		pg_atomic_write_u32(&shared->stop, 1);
	if (pg_atomic_read_u32(&shared->stop))
		for (int i = 0; i < load->launched; i++)
			TerminateBackgroundWorker(load->handles[i]);
}

static void
raise_worker_error(Load *load)
{
	helper_error_raise(&load->shared->error,
					   psprintf("hospital load worker, table hospital.%s", load_table_name(load->target->kind)));
	if (pg_atomic_read_u32(&load->shared->chunks_done) < (uint32) load->shared->nchunks)
		ereport(ERROR,
				(errcode(ERRCODE_OPERATOR_INTERVENTION),
				 errmsg("a worker of the load was ended before its work was done"),
				 errdetail("%u of %d parts of hospital.%s are loaded.",
						   pg_atomic_read_u32(&load->shared->chunks_done), load->shared->nchunks,
						   load_table_name(load->target->kind)),
				 errhint("Call the load again: it completes what is missing.")));
}

/* Also the end of an error: stop what still runs and wait for it. */
static void
stop_workers(int code, Datum arg)
{
	Load	   *load = (Load *) DatumGetPointer(arg);

	if (load->shared)
		pg_atomic_write_u32(&load->shared->stop, 1);
	for (int i = 0; i < load->launched; i++)
		TerminateBackgroundWorker(load->handles[i]);
	for (int i = 0; i < load->launched; i++)
	{
		/* Not interruptible: an interrupt is what may have brought us here. */
		HOLD_INTERRUPTS();
		WaitForBackgroundWorkerShutdown(load->handles[i]);
		RESUME_INTERRUPTS();
	}
	load->launched = 0;
	if (load->segment)
		dsm_detach(load->segment);
	load->segment = NULL;
	load->shared = NULL;
}

static void
wait_for_workers(Load *load)
{
	static uint32 wait_event = 0;
	int			running;

	while ((running = workers_running(load)) > 0)
	{
		stop_if_one_failed(load, running);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 PROGRESS_INTERVAL_MS / 10,
						 hospital_wait_event(&wait_event, "HospitalLoad"));
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (!load->shared->keys)
			show_progress(load, false);
	}
}

/* Rows, or keys, by workers; whatever happens, none is left running. */
static void
work_in_parallel(Load *load, List *chunks, bool keys)
{
	PG_ENSURE_ERROR_CLEANUP(stop_workers, PointerGetDatum(load));
	{
		make_shared(load, chunks, keys);
		launch_workers(load);
		wait_for_workers(load);
		raise_worker_error(load);
		load->flush_to = Max(load->flush_to, pg_atomic_read_u64(&load->shared->last_commit));
		if (!keys)
			show_progress(load, true);
	}
	PG_END_ENSURE_ERROR_CLEANUP(stop_workers, PointerGetDatum(load));
	stop_workers(0, PointerGetDatum(load));
}

static void
build_keys(Load *load)
{
	LoadKind	kind = load->target->kind;
	List	   *missing = missing_indexes(load);
	ListCell   *lc;

	foreach(lc, missing)
	{
		const LoadKey *key = &load_keys(kind)[((LoadChunk *) lfirst(lc))->lo];

		ereport(INFO,
				(errmsg("hospital: building the %s key on %s of %s",
						key->type == 'p' ? "primary" : "unique", key->column, load_table_name(load->target->kind))));
	}
	next_transaction();
	if (list_length(missing) > 1 && load->workers > 1)
		work_in_parallel(load, missing, true);
	else
		foreach(lc, missing)
			load_run(key_index_command(kind, &load_keys(kind)[((LoadChunk *) lfirst(lc))->lo]));
	keys_add(load->relid, kind);
	next_transaction();
}

/* ---- the ordinary path ---- */

static char *
column_list(const RowSourceMethods *methods)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < methods->ncolumns; i++)
		appendStringInfo(&list, "%s%s", i > 0 ? ", " : "", methods->columns[i].name);
	return list.data;
}

static void
insert_chunks(Load *load, List *chunks)
{
	const LoadTarget *t = load->target;
	const char *table = load_table_name(t->kind);
	int64		made = 0;
	ListCell   *lc;

	if (chunks == NIL)
		return;
	SPI_commit();				/* a user's trigger finds the names that the user set */
	foreach(lc, chunks)
	{
		LoadChunk  *chunk = lfirst(lc);
		char	   *columns = column_list(load_methods(t->kind));

		load_run(psprintf("INSERT INTO hospital.%s (%s) SELECT %s FROM %s g"
						  " WHERE NOT EXISTS (SELECT FROM hospital.%s t WHERE t.%s OPERATOR(pg_catalog.=) g.%s)",
						  table, columns, columns,
						  load_generator_call(t->kind, &load->simulation, load->functions, chunk->lo, chunk->hi),
						  table, t->key, t->key));
		made += SPI_processed;
		SPI_commit();
		CHECK_FOR_INTERRUPTS();
		pgstat_progress_update_param(PROGRESS_COPY_TUPLES_PROCESSED, load->survey.present + made);
	}
	pin_search_path();
	ereport(INFO,
			(errmsg("hospital: %s %s inserted in %.1f s", thousands(made), t->what,
					seconds_since(load->started))));
}

/* ---- the whole of it ---- */

/* Why workers may not write straight into the table, or NULL. */
static const char *
refusal(Load *load, Relation rel)
{
	if (!owns_relation(load->relid, GetUserId()))
		return "the caller does not own it";
	if (load->workers == 0)
		return "no workers are wanted";
	return load_refusal(rel, load->target->kind);
}

static void
find_table(Load *load)
{
	Oid			schema = get_namespace_oid("hospital", true);

	load->relid = OidIsValid(schema) ? get_relname_relid(load_table_name(load->target->kind), schema) : InvalidOid;
	if (!OidIsValid(load->relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table hospital.%s does not exist", load_table_name(load->target->kind)),
				 errhint("CALL hospital_create() makes the tables of a hospital.")));
	if (pg_class_aclcheck(load->relid, GetUserId(), ACL_INSERT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, load_table_name(load->target->kind));
}

static void
release_lock(int code, Datum arg)
{
	Load	   *load = (Load *) DatumGetPointer(arg);

	LockRelease(&load->lock, ExclusiveLock, true);
}

/* Look, and make ready: in a transaction of its own. */
static bool
prepare(Load *load, int64 people)
{
	Relation	rel = table_open(load->relid, AccessShareLock);
	bool		empty = rel->rd_rel->relkind == RELKIND_RELATION && RelationGetNumberOfBlocks(rel) == 0;
	const char *why = refusal(load, rel);
	MemoryContext old;

	table_close(rel, NoLock);
	old = MemoryContextSwitchTo(load->context);
	load_survey(&load->survey, load->target->kind, &load->simulation, load->functions, people, empty);
	MemoryContextSwitchTo(old);
	if (why == NULL && empty)
		keys_drop(load->relid, load->target->kind);
	else if (why != NULL && load->survey.missing != NIL && load->workers > 0)
		ereport(NOTICE,
				(errmsg("hospital.%s is loaded by INSERT … SELECT: %s", load_table_name(load->target->kind), why)));
	next_transaction();
	return why == NULL;
}

static void
load_locked(Load *load, int64 people)
{
	bool		direct;

	/* The wait for the lock may have been long: look at the table as it is now. */
	next_transaction();
	direct = prepare(load, people);
	start_progress(load);
	if (load->survey.missing == NIL && load->survey.partial == NIL)
		ereport(INFO,
				(errmsg("hospital: all %s are there already, nothing to load", load->target->what)));
	if (direct && load->survey.missing != NIL)
		work_in_parallel(load, load->survey.missing, false);
	else
		insert_chunks(load, load->survey.missing);
	insert_chunks(load, load->survey.partial);

	if (load->keys && owns_relation(load->relid, GetUserId()) &&
		get_rel_relkind(load->relid) == RELKIND_RELATION)
	{
		build_keys(load);
		if (load->survey.missing != NIL || load->survey.partial != NIL)
			load_run(psprintf("ANALYZE hospital.%s", load_table_name(load->target->kind)));
		next_transaction();
	}
	if (load->survey.missing != NIL || load->survey.partial != NIL)
	{
		/* The workers' commits did not wait for the disk. */
		if (load->flush_to != InvalidXLogRecPtr)
			XLogFlush(load->flush_to);
		ereport(INFO,
				(errmsg("hospital: %s done in %.1f s", load->target->what, seconds_since(load->started))));
	}
	pgstat_progress_end_command();
}

static void
load_table(const LoadTarget *target, const Simulation *simulation, Oid function,
		   int64 people, int workers, bool keys)
{
	Load	   *load = MemoryContextAllocZero(PortalContext, sizeof(Load));

	load->context = PortalContext;
	load->target = target;
	load->simulation = *simulation;
	load->workers = workers;
	load->keys = keys;
	load->functions = MemoryContextStrdup(PortalContext,
										  quote_identifier(get_namespace_name(get_func_namespace(function))));
	find_table(load);

	SET_LOCKTAG_OBJECT(load->lock, MyDatabaseId, RelationRelationId, load->relid, 0);
	(void) LockAcquire(&load->lock, ExclusiveLock, true, false);
	PG_ENSURE_ERROR_CLEANUP(release_lock, PointerGetDatum(load));
	{
		load_locked(load, people);
	}
	PG_END_ENSURE_ERROR_CLEANUP(release_lock, PointerGetDatum(load));
	release_lock(0, PointerGetDatum(load));
}

/* ---- the procedures ---- */

static int
worker_count(FunctionCallInfo fcinfo, int arg)
{
	int			workers;

	if (PG_ARGISNULL(arg))
	{
		workers = hospital_load_workers;
		if (workers == 0)
			workers = Max(1, Min((int) sysconf(_SC_NPROCESSORS_ONLN), 4));
		return workers;
	}
	workers = PG_GETARG_INT32(arg);
	if (workers < 0 || workers > 64)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("number of workers must be from 0 to 64"),
				 errdetail("%d was given.", workers),
				 errhint("0 loads in this session, by INSERT … SELECT.")));
	return workers;
}

static void
check_people(int64 people)
{
	if (people < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("number of people must be at least 1"),
				 errdetail("%lld was given.", (long long) people)));
	if (people > PEOPLE_CAPACITY)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("a city has at most %lld people", (long long) PEOPLE_CAPACITY),
				 errdetail("%lld were asked for; beyond that there are not enough identity numbers for a birth date and sex (5,000 each).",
						   (long long) people)));
}

/* The simulation, made here when there is none yet. */
static void
get_simulation(Simulation *simulation, Oid function, int64 people)
{
	bool		exists = query_int64("SELECT count(*) FROM pg_catalog.pg_class c"
									 " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
									 " WHERE n.nspname = 'hospital' AND c.relname = 'simulation'") > 0;

	if (!exists)
	{
		char	   *schema = get_namespace_name(get_func_namespace(function));

		load_run(psprintf("CALL %s.hospital_create('" INT64_FORMAT "'::pg_catalog.int8, NULL::pg_catalog.int4,"
						  " NULL::pg_catalog.date, NULL::pg_catalog.date, NULL::pg_catalog.int8, NULL::pg_catalog.text,"
						  " 'realistic'::pg_catalog.text, '15'::pg_catalog.int4, false, '0'::pg_catalog.numeric)",
						  quote_identifier(schema), people));
		next_transaction();
	}
	if (!simulation_read(simulation, false))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("hospital.simulation is empty"),
				 errhint("DROP the tables of schema hospital and CALL hospital_create().")));
}

Datum
hospital_load_people(PG_FUNCTION_ARGS)
{
	Simulation	simulation;
	int			workers = worker_count(fcinfo, 1);
	bool		keys = PG_ARGISNULL(2) || PG_GETARG_BOOL(2);
	int64		people = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT64(0);

	procedure_require_top_level(fcinfo, "hospital_load_people");
	if (!PG_ARGISNULL(0))
		check_people(people);
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	pin_search_path();
	get_simulation(&simulation, fcinfo->flinfo->fn_oid,
				   people > 0 ? people :
				   query_int64("SELECT pg_catalog.current_setting('hospital.num_people')::bigint"));
	if (people == 0)
		people = simulation.people;
	if (people > simulation.people)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("this hospital's city has %lld people", (long long) simulation.people),
				 errdetail("%lld were asked for.", (long long) people),
				 errhint("The size of the city is frozen by hospital_create.")));
	load_table(&targets[LOAD_PEOPLE], &simulation, fcinfo->flinfo->fn_oid, people, workers, keys);
	SPI_commit();				/* and the search path is the caller's again */
	SPI_finish();
	PG_RETURN_VOID();
}

Datum
hospital_load_staff(PG_FUNCTION_ARGS)
{
	Simulation	simulation;
	int			workers = worker_count(fcinfo, 0);

	procedure_require_top_level(fcinfo, "hospital_load_staff");
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	pin_search_path();
	get_simulation(&simulation, fcinfo->flinfo->fn_oid,
				   query_int64("SELECT pg_catalog.current_setting('hospital.num_people')::bigint"));
	load_table(&targets[LOAD_STAFF], &simulation, fcinfo->flinfo->fn_oid, 0, workers, true);
	load_table(&targets[LOAD_STAFF_ASSIGNMENTS], &simulation, fcinfo->flinfo->fn_oid, 0, workers, true);
	SPI_commit();				/* and the search path is the caller's again */
	SPI_finish();
	PG_RETURN_VOID();
}
