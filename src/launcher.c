/*
 * launcher.c: who is started where.
 *
 * One launcher for the server, a static worker that the postmaster restarts.
 * It reads shared catalogs only, and acts for the databases of
 * hospital.databases alone.  Each gets a scheduler; the scheduler looks whether
 * there is a hospital to run, leaves at once when not, and otherwise says in
 * shared memory which workers the database needs.  The launcher makes what is
 * there match what is wanted:
 *
 *	not wanted, running           -> SIGTERM
 *	wanted, left by itself        -> again when poked, or a minute later; a job
 *	                                 runner when it has said that a job is due
 *	wanted, ended any other way   -> again after a back-off, 1 s to 60 s
 *	wanted, no process slot free  -> the same; the state says so
 *	wanted, database is wanted    -> when that statement has ended (make_way.c)
 *
 * Workers are never restarted by the postmaster, so that all of this is in one
 * place.  A worker takes its slot only with the slot's generation, which grows
 * with every start: one that comes up after the launcher gave up on it finds
 * another number and ends.
 *
 * The launcher sleeps until something changes: a worker starts or ends (the
 * postmaster's and the worker's own signal), a session pokes, a back-off ends,
 * the configuration is reloaded.
 */
#include "postgres.h"

#include <signal.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "replication/logicallauncher.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#include "compat.h"
#include "make_way.h"
#include "settings.h"
#include "shared_state.h"
#include "worker.h"

#define LAUNCHER_RESTART_S 10
#define LOOK_AGAIN_MS 60000
#define BACKOFF_LAST_MS 60000
#define ARRIVE_WITHIN_MS 10000	/* a registered worker whose handle is lost */
#define STEADY_MS 60000			/* who ran this long, or got something done, has not failed in a row */
#define HALF_DROPPED (-2)		/* datconnlimit, where DROP DATABASE was interrupted */

typedef struct ListedDatabase
{
	char		name[NAMEDATALEN];
	Oid			oid;			/* InvalidOid: none of that name to connect to */
} ListedDatabase;

static BackgroundWorkerHandle *handles[WORKER_SLOTS];

void
launcher_register(void)
{
	BackgroundWorker worker = {0};

	if (IsBinaryUpgrade)
		return;
	strcpy(worker.bgw_name, "hospital launcher");
	strcpy(worker.bgw_type, "hospital launcher");
	strcpy(worker.bgw_library_name, "hospital");
	strcpy(worker.bgw_function_name, CppAsString(launcher_main));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = LAUNCHER_RESTART_S;
	RegisterBackgroundWorker(&worker);
}

/*
 * By a plain scan: without a database the indexes of pg_database are there
 * only when the relation cache's file is.
 */
static void
resolve_databases(List *databases)
{
	MemoryContext caller = CurrentMemoryContext;
	Relation	relation;
	SysScanDesc scan;
	HeapTuple	tuple;

	StartTransactionCommand();
	relation = table_open(DatabaseRelationId, AccessShareLock);
	scan = systable_beginscan(relation, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);
		ListCell   *cell;

		foreach(cell, databases)
		{
			ListedDatabase *database = lfirst(cell);

			if (form->datallowconn && form->datconnlimit != HALF_DROPPED &&
				strcmp(NameStr(form->datname), database->name) == 0)
				database->oid = form->oid;
		}
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	CommitTransactionCommand();
	MemoryContextSwitchTo(caller);
}

static List *
listed_databases(void)
{
	List	   *names;
	List	   *databases = NIL;
	ListCell   *cell;

	if (!SplitIdentifierString(pstrdup(hospital_databases), ',', &names))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("hospital.databases is not a list of names: \"%s\"", hospital_databases),
				 errhint("Separate the names by commas, and quote those with other than lower-case letters.")));
	foreach(cell, names)
	{
		ListedDatabase *database = palloc0(sizeof(ListedDatabase));

		strlcpy(database->name, lfirst(cell), NAMEDATALEN);
		databases = lappend(databases, database);
	}
	if (databases != NIL)
		resolve_databases(databases);
	return databases;
}

static bool
is_connectable(List *databases, const char *name)
{
	ListCell   *cell;

	foreach(cell, databases)
	{
		ListedDatabase *database = lfirst(cell);

		if (strcmp(database->name, name) == 0)
			return OidIsValid(database->oid);
	}
	return false;
}

/* With the lock held.  True when this is news. */
static bool
want_scheduler(const ListedDatabase *database)
{
	WorkerSlot *slot = control_make_slot(database->name, WORKER_SCHEDULER, 0);
	static const char *const missing = "no such database";
	bool		news;

	if (slot == NULL)
		return false;
	if (OidIsValid(database->oid))
	{
		bool		replaced = slot->pid != 0 && slot->database != database->oid;

		slot->wanted = !replaced;
		if (slot->pid == 0 && !slot->starting)
			slot->database = database->oid;
		return false;
	}
	news = slot->pid == 0 && strcmp(slot->state, missing) != 0;
	if (slot->pid == 0)
		control_set_state(slot, missing);
	return news;
}

static bool
slot_is_idle(const WorkerSlot *slot, int i)
{
	return slot->pid == 0 && !slot->starting && handles[i] == NULL;
}

/* What is no longer listed is not wanted, and forgotten once it has ended. */
static void
withdraw_unlisted(List *databases)
{
	bool		broker = false;
	WorkerSlot *slot;

	for (int i = 0; i < WORKER_SLOTS; i++)
	{
		slot = &hospital_control->slots[i];
		if (!slot->used || slot->role == WORKER_LAUNCHER || slot->role == WORKER_BROKER)
			continue;
		if (is_connectable(databases, NameStr(slot->database_name)))
			broker |= slot->wants_broker && slot->wanted;
		else
		{
			slot->wanted = false;
			slot->wants_broker = false;
			if (slot_is_idle(slot, i) && strcmp(slot->state, "no such database") != 0)
				slot->used = false;
		}
	}
	slot = broker ? control_make_slot("", WORKER_BROKER, 0) :
		control_find_slot("", WORKER_BROKER, 0);
	if (slot != NULL)
		slot->wanted = broker;
}

static void
want_listed(List *databases)
{
	List	   *news = NIL;
	ListCell   *cell;

	LWLockAcquire(hospital_control->lock, LW_EXCLUSIVE);
	withdraw_unlisted(databases);
	LWLockRelease(hospital_control->lock);

	foreach(cell, databases)
	{
		bool		is_news;

		LWLockAcquire(hospital_control->lock, LW_EXCLUSIVE);
		is_news = want_scheduler(lfirst(cell));
		LWLockRelease(hospital_control->lock);
		if (is_news)
			news = lappend(news, lfirst(cell));
	}
	foreach(cell, news)
		ereport(LOG,
				(errcode(ERRCODE_UNDEFINED_DATABASE),
				 errmsg("hospital launcher: database \"%s\" of hospital.databases does not exist or accepts no connections",
						((ListedDatabase *) lfirst(cell))->name)));
}

static TimestampTz
in_ms(int64 ms)
{
	return TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ms);
}

static int64
backoff_ms(uint32 failures)
{
	int64		ms = failures > 6 ? BACKOFF_LAST_MS : INT64CONST(1000) << (failures - 1);

	return Min(ms, BACKOFF_LAST_MS);
}

/*
 * With the lock held.  A job runner that could not connect may have been told
 * the wrong role: its scheduler looks again.
 */
static void
wake_scheduler(Oid database)
{
	for (int i = 0; i < WORKER_SLOTS; i++)
	{
		WorkerSlot *slot = &hospital_control->slots[i];

		if (slot->used && slot->role == WORKER_SCHEDULER && slot->database == database &&
			slot->latch != NULL)
			SetLatch(slot->latch);
	}
}

/* With the lock held: a worker of this slot has ended, when again? */
static void
plan_restart(WorkerSlot *slot)
{
	bool		never_came = slot->starting;

	slot->starting = false;
	if (!slot->wanted)
	{
		control_set_state(slot, "stopped");
		slot->failures = 0;
		slot->next_start = 0;
	}
	else if (slot->left)
	{
		slot->failures = 0;
		slot->next_start = slot->role == WORKER_JOB ? slot->wake_at : in_ms(LOOK_AGAIN_MS);
	}
	else
	{
		/* It never came to its slot: a library that cannot be loaded, say. */
		if (never_came)
			control_set_state(slot, "did not start: see the server's log");
		if (slot->rows > 0 ||
			(slot->started_at != 0 &&
			 TimestampDifferenceExceeds(slot->started_at, GetCurrentTimestamp(), STEADY_MS)))
			slot->failures = 0;
		slot->failures++;
		slot->restarts++;
		slot->next_start = in_ms(backoff_ms(slot->failures));
		if (slot->role == WORKER_JOB)
			wake_scheduler(slot->database);
	}
}

/* Has the worker of this slot ended? */
static void
reap(int i)
{
	WorkerSlot *slot = &hospital_control->slots[i];
	pid_t		pid;

	if (handles[i] != NULL)
	{
		if (GetBackgroundWorkerPid(handles[i], &pid) != BGWH_STOPPED)
			return;
		pfree(handles[i]);
		handles[i] = NULL;
		LWLockAcquire(hospital_control->lock, LW_EXCLUSIVE);
		plan_restart(slot);
		LWLockRelease(hospital_control->lock);
	}
	else if (slot->starting &&
			 TimestampDifferenceExceeds(slot->started_at, GetCurrentTimestamp(), ARRIVE_WITHIN_MS))
	{
		/* Registered by a launcher before this one. */
		LWLockAcquire(hospital_control->lock, LW_EXCLUSIVE);
		if (slot->starting)
			plan_restart(slot);
		LWLockRelease(hospital_control->lock);
	}
}

/* Told to stop, and still there? */
static bool
is_overdue(WorkerSlot *slot)
{
	bool		overdue;

	LWLockAcquire(hospital_control->lock, LW_EXCLUSIVE);
	if (slot->pid == 0)
		slot->stop_by = 0;
	overdue = slot->stop_by != 0 && slot->stop_by <= GetCurrentTimestamp();
	if (overdue)
		slot->stop_by = 0;
	LWLockRelease(hospital_control->lock);
	return overdue;
}

static void
stop_unwanted(int i)
{
	WorkerSlot *slot = &hospital_control->slots[i];
	pid_t		pid;

	if (!is_overdue(slot) && slot->wanted)
		return;
	if (handles[i] != NULL)
		TerminateBackgroundWorker(handles[i]);
	else
	{
		/*
		 * Under the lock the process cannot end without our knowing: its pid
		 * is its own until release_slot has cleared it.
		 */
		LWLockAcquire(hospital_control->lock, LW_EXCLUSIVE);
		pid = slot->pid;
		if (pid != 0)
			kill(pid, SIGTERM);
		else if (!slot->starting && slot->role != WORKER_SCHEDULER)
			control_set_state(slot, "stopped");	/* a scheduler's says why */
		LWLockRelease(hospital_control->lock);
	}
}

static void
describe_worker(BackgroundWorker *worker, int i, const WorkerSlot *slot, uint32 generation)
{
	static const char *const functions[WORKER_ROLES] = {
		NULL, CppAsString(scheduler_main), "consumer_main", CppAsString(ingestor_main),
		"broker_main", CppAsString(job_runner_main)
	};
	bool		kafka = slot->role == WORKER_CONSUMER || slot->role == WORKER_BROKER;

	memset(worker, 0, sizeof(*worker));
	snprintf(worker->bgw_type, BGW_MAXLEN, "hospital %s", worker_role_name(slot->role));
	if (NameStr(slot->database_name)[0] == '\0')
		strlcpy(worker->bgw_name, worker->bgw_type, BGW_MAXLEN);
	else
		snprintf(worker->bgw_name, BGW_MAXLEN, "hospital %s %d for %s",
				 worker_role_name(slot->role), slot->number, NameStr(slot->database_name));
	strlcpy(worker->bgw_library_name, kafka ? "hospital_kafka" : "hospital", sizeof(worker->bgw_library_name));
	strlcpy(worker->bgw_function_name, functions[slot->role], BGW_MAXLEN);
	worker->bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker->bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker->bgw_restart_time = BGW_NEVER_RESTART;
	worker->bgw_main_arg = Int32GetDatum(i);
	memcpy(worker->bgw_extra, &generation, sizeof(generation));
	worker->bgw_notify_pid = MyProcPid;
}

/* RegisterDynamicBackgroundWorker said no. */
static void
note_starvation(WorkerSlot *slot)
{
	static const char *const starved = "no worker slot free (max_worker_processes)";
	bool		news;

	LWLockAcquire(hospital_control->lock, LW_EXCLUSIVE);
	news = strcmp(slot->state, starved) != 0;
	slot->starting = false;
	slot->failures++;
	slot->next_start = in_ms(backoff_ms(slot->failures));
	control_set_state(slot, starved);
	LWLockRelease(hospital_control->lock);
	if (news)
		ereport(LOG,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("hospital launcher: no worker slot free for the %s of database \"%s\"",
						worker_role_name(slot->role), NameStr(slot->database_name)),
				 errhint("A hospital needs a scheduler, ingestors, consumers, job runners and, embedded, a broker: increase max_worker_processes (now %d).",
						 max_worker_processes)));
}

static void
start_wanted(int i)
{
	WorkerSlot *slot = &hospital_control->slots[i];
	BackgroundWorker worker;
	MemoryContext caller;
	uint32		generation;
	bool		registered;
	bool		due;

	LWLockAcquire(hospital_control->lock, LW_EXCLUSIVE);
	due = slot->wanted && slot_is_idle(slot, i) && !make_way_is_wanted(slot->database) &&
		(slot->next_start <= GetCurrentTimestamp() || (slot->left && slot->poked));
	if (due)
	{
		slot->starting = true;
		slot->started_at = GetCurrentTimestamp();
		slot->poked = false;
		generation = ++slot->generation;
	}
	LWLockRelease(hospital_control->lock);
	if (!due)
		return;

	describe_worker(&worker, i, slot, generation);
	caller = MemoryContextSwitchTo(TopMemoryContext);
	registered = RegisterDynamicBackgroundWorker(&worker, &handles[i]);
	MemoryContextSwitchTo(caller);
	if (!registered)
	{
		handles[i] = NULL;
		note_starvation(slot);
	}
}

/* When there is something to do without being told; 0: never. */
static TimestampTz
next_event(void)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz next = 0;

	for (int i = 0; i < WORKER_SLOTS; i++)
	{
		WorkerSlot *slot = &hospital_control->slots[i];
		TimestampTz at;

		if (!slot->used || slot->role == WORKER_LAUNCHER)
			continue;
		if (slot->stop_by != 0)
			at = slot->stop_by;
		else if (handles[i] != NULL)
			continue;
		else if (slot->starting)
			at = TimestampTzPlusMilliseconds(slot->started_at, ARRIVE_WITHIN_MS);
		else if (slot->wanted && slot->pid == 0 && slot->next_start != DT_NOEND &&
				 !make_way_is_wanted(slot->database))
			at = Max(slot->next_start, now);	/* 0: at once */
		else
			continue;
		if (next == 0 || at < next)
			next = at;
	}
	return next;
}

/*
 * What the listed databases need at the most, against what the server has; said
 * when it is first known and whenever a reload has changed it.  The launcher of
 * logical replication takes a slot of the same array.
 */
static void
say_needs(int databases)
{
	static int	said = -1;
	bool		streams = hospital_kafka_brokers[0] != '\0';
	int			broker = databases > 0 && strcmp(hospital_kafka_brokers, KAFKA_EMBEDDED) == 0;
	int			consumers = streams ? databases * hospital_consumer_workers : 0;
	int			ingestors = databases * hospital_ingest_workers;
	int			runners = databases * hospital_job_workers;
	int			need = 1 + databases + ingestors + consumers + runners + broker;
	int			others = max_logical_replication_workers > 0 ? 1 : 0;
	bool		too_few = need + others > max_worker_processes;

	if (need == said)
		return;
	said = need;
	ereport(LOG,
			(errmsg("hospital launcher: %d database%s need%s up to %d worker processes; max_worker_processes is %d",
					databases, databases == 1 ? "" : "s", databases == 1 ? "s" : "", need,
					max_worker_processes),
			 errdetail_internal("Launcher 1, schedulers %d, ingestors %d, consumers %d, job runners %d, embedded broker %d.",
								databases, ingestors, consumers, runners, broker),
			 too_few ? errhint("Set max_worker_processes to %d or more and restart the server; parallel queries, loads, logical replication and other extensions take their workers from the same number. Until then some wait for others to end.",
							   need + others) : 0));
	if (need > WORKER_SLOTS)
		ereport(LOG,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("hospital launcher: no room for more than %d worker processes", WORKER_SLOTS),
				 errdetail("Those that come last are not started, and hospital.status has no line for them."),
				 errhint("Set hospital.consumer_workers, hospital.ingest_workers or hospital.job_workers lower, or list fewer databases.")));
}

static bool
launcher_pass(void *arg)
{
	List	   *databases = listed_databases();
	TimestampTz next;

	settings_tell_without_effect();
	say_needs(list_length(databases));
	want_listed(databases);
	for (int i = 0; i < WORKER_SLOTS; i++)
	{
		WorkerSlot *slot = &hospital_control->slots[i];

		if (!slot->used || slot->role == WORKER_LAUNCHER)
			continue;
		reap(i);
		stop_unwanted(i);
		start_wanted(i);
	}
	worker_state("watching %d database%s", list_length(databases),
				 list_length(databases) == 1 ? "" : "s");
	next = next_event();
	worker_wait(next == 0 ? -1 :
				TimestampDifferenceMilliseconds(GetCurrentTimestamp(), next) + 1, -1);
	return true;
}

void
launcher_main(Datum main_arg)
{
	worker_start_launcher();
	ereport(LOG,
			(errmsg("hospital launcher started for \"%s\"", hospital_databases)));
	worker_loop(launcher_pass, NULL);
}
