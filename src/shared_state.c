/*
 * shared_state.c: the shared memory of the running hospital, and its status.
 *
 * What the user wants is a row (hospital.run_state, see window_control.c), so
 * that it survives whatever happens to the server; what there is at the moment
 * is here, seen through hospital_status().
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "commands/dbcommands.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/elog.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#include "compat.h"
#include "settings.h"
#include "shared_state.h"

#define TRANCHE_NAME "hospital"
#define STATUS_COLUMNS 12

HospitalControl *hospital_control = NULL;

static shmem_startup_hook_type next_startup_hook = NULL;

PG_FUNCTION_INFO_V1(hospital_status);
PG_FUNCTION_INFO_V1(hospital_wake_scheduler);
PG_FUNCTION_INFO_V1(hospital_wake_consumers);

static void
control_shmem_startup(void)
{
	bool		found;

	if (next_startup_hook)
		next_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	hospital_control = ShmemInitStruct("hospital control", sizeof(HospitalControl), &found);
	if (!found)
	{
		memset(hospital_control, 0, sizeof(HospitalControl));
		hospital_control->lock = &GetNamedLWLockTranche(TRANCHE_NAME)->lock;
	}
	LWLockRelease(AddinShmemInitLock);
}

static void
request_shmem(void)
{
	RequestAddinShmemSpace(MAXALIGN(sizeof(HospitalControl)));
	RequestNamedLWLockTranche(TRANCHE_NAME, 1);
}

#ifdef HAVE_SHMEM_REQUEST_HOOK
static shmem_request_hook_type next_request_hook = NULL;

static void
control_shmem_request(void)
{
	if (next_request_hook)
		next_request_hook();
	request_shmem();
}
#endif

void
control_shmem_init(void)
{
#ifdef HAVE_SHMEM_REQUEST_HOOK
	next_request_hook = shmem_request_hook;
	shmem_request_hook = control_shmem_request;
#else
	request_shmem();
#endif
	next_startup_hook = shmem_startup_hook;
	shmem_startup_hook = control_shmem_startup;
}

const char *
worker_role_name(WorkerRole role)
{
	static const char *const names[WORKER_ROLES] = {
		"launcher", "scheduler", "consumer", "ingestor", "broker", "job runner"
	};

	return names[role];
}

WorkerSlot *
control_find_slot(const char *database_name, WorkerRole role, int number)
{
	for (int i = 0; i < WORKER_SLOTS; i++)
	{
		WorkerSlot *slot = &hospital_control->slots[i];

		if (slot->used && slot->role == role && slot->number == number &&
			strcmp(NameStr(slot->database_name), database_name) == 0)
			return slot;
	}
	return NULL;
}

/* Found or made; NULL when all slots are taken. */
WorkerSlot *
control_make_slot(const char *database_name, WorkerRole role, int number)
{
	WorkerSlot *slot = control_find_slot(database_name, role, number);

	for (int i = 0; slot == NULL && i < WORKER_SLOTS; i++)
	{
		uint32		generation;

		if (hospital_control->slots[i].used)
			continue;
		slot = &hospital_control->slots[i];
		generation = slot->generation;	/* never given out twice */
		memset(slot, 0, sizeof(*slot));
		slot->generation = generation;
		slot->used = true;
		slot->role = role;
		slot->number = number;
		namestrcpy(&slot->database_name, database_name);
		control_set_state(slot, "not started");
	}
	return slot;
}

void
control_copy_text(char *to, size_t size, const char *from)
{
	int			length = from == NULL ? 0 : pg_mbcliplen(from, strlen(from), size - 1);

	if (length > 0)
		memcpy(to, from, length);
	to[length] = '\0';
}

void
control_set_state(WorkerSlot *slot, const char *state)
{
	char		clipped[WORKER_STATE_LENGTH];

	control_copy_text(clipped, sizeof(clipped), state);
	if (strcmp(clipped, slot->state) == 0)
		return;
	strlcpy(slot->state, clipped, sizeof(slot->state));
	slot->since = GetCurrentTimestamp();
}

void
control_set_error(WorkerSlot *slot, int sqlstate, const char *message)
{
	control_copy_text(slot->last_error, WORKER_ERROR_LENGTH, message);
	slot->sqlstate = sqlstate;
	slot->last_error_at = message[0] != '\0' ? GetCurrentTimestamp() : 0;
}

void
control_wake_launcher(void)
{
	for (int i = 0; i < WORKER_SLOTS; i++)
	{
		WorkerSlot *slot = &hospital_control->slots[i];

		if (slot->used && slot->role == WORKER_LAUNCHER && slot->latch != NULL)
			SetLatch(slot->latch);
	}
}

/* True when this changes anything. */
static bool
want_role(const char *database_name, Oid database, WorkerRole role, int count)
{
	bool		changed = false;

	for (int i = 0; i < WORKER_SLOTS; i++)
	{
		WorkerSlot *slot = &hospital_control->slots[i];

		if (!slot->used || slot->role != role || slot->database != database ||
			slot->number < count)
			continue;
		changed |= slot->wanted;
		slot->wanted = false;
	}
	for (int number = 0; number < count; number++)
	{
		WorkerSlot *slot = control_make_slot(database_name, role, number);

		if (slot == NULL)
			continue;			/* not started: there is no slot in which hospital.status could say so */
		changed |= !slot->wanted || slot->database != database;
		slot->database = database;
		slot->wanted = true;
	}
	return changed;
}

/*
 * Job runners stay wanted as long as there is a hospital, also a stopped one:
 * each leaves when no job is due, and says when to start it again.  Whether the
 * hospital runs decides which jobs may; a run that may not go on is ended.
 */
void
control_want_runners(int count, bool running, Oid role)
{
	char	   *database_name = NULL;
	bool		changed;

	LWLockAcquire(hospital_control->lock, LW_EXCLUSIVE);
	for (int i = 0; i < WORKER_SLOTS && database_name == NULL; i++)
		if (hospital_control->slots[i].used && hospital_control->slots[i].pid == MyProcPid)
			database_name = NameStr(hospital_control->slots[i].database_name);
	changed = database_name != NULL &&
		want_role(database_name, MyDatabaseId, WORKER_JOB, count);
	for (int i = 0; i < WORKER_SLOTS; i++)
	{
		WorkerSlot *slot = &hospital_control->slots[i];

		if (!slot->used || slot->role != WORKER_JOB || slot->database != MyDatabaseId)
			continue;
		slot->session_role = role;
		if (slot->hospital_runs == running)
			continue;
		slot->hospital_runs = running;
		slot->poked |= running;
		if (!running && slot->job_run != 0 && !slot->job_stays && slot->pid != 0)
			slot->stop_by = GetCurrentTimestamp();
		changed = true;
	}
	if (changed)
		control_wake_launcher();
	LWLockRelease(hospital_control->lock);
}

/*
 * The broker is the server's: any scheduler may ask for it, and the launcher
 * stops it when no database runs any more.
 */
void
control_want(int consumers, int ingestors, bool broker)
{
	WorkerSlot *scheduler = NULL;
	char		database_name[NAMEDATALEN];
	bool		changed;

	LWLockAcquire(hospital_control->lock, LW_EXCLUSIVE);
	for (int i = 0; i < WORKER_SLOTS && scheduler == NULL; i++)
		if (hospital_control->slots[i].pid == MyProcPid)
			scheduler = &hospital_control->slots[i];
	if (scheduler != NULL)
	{
		strlcpy(database_name, NameStr(scheduler->database_name), NAMEDATALEN);
		changed = want_role(database_name, MyDatabaseId, WORKER_CONSUMER, consumers);
		changed |= want_role(database_name, MyDatabaseId, WORKER_INGESTOR, ingestors);
		changed |= scheduler->wants_broker != broker;
		scheduler->wants_broker = broker;
		if (changed)
			control_wake_launcher();
	}
	LWLockRelease(hospital_control->lock);
}

void
control_publish_broker(const char *address, int64 epoch)
{
	if (hospital_control == NULL)
		return;
	LWLockAcquire(hospital_control->lock, LW_EXCLUSIVE);
	strlcpy(hospital_control->broker_address, address, BROKER_ADDRESS_LENGTH);
	hospital_control->broker_epoch = epoch;
	/*
	 * What the one before had and nobody had read is to be published again,
	 * and read here.
	 */
	for (int i = 0; i < WORKER_SLOTS; i++)
	{
		WorkerSlot *slot = &hospital_control->slots[i];

		if (slot->used && slot->latch != NULL &&
			(slot->role == WORKER_SCHEDULER || slot->role == WORKER_CONSUMER))
			SetLatch(slot->latch);
	}
	LWLockRelease(hospital_control->lock);
}

bool
control_find_broker(char *address, size_t size, int64 *epoch)
{
	bool		found;

	if (hospital_control == NULL)
		return false;
	LWLockAcquire(hospital_control->lock, LW_SHARED);
	found = hospital_control->broker_epoch != 0;
	strlcpy(address, found ? hospital_control->broker_address : "", size);
	*epoch = hospital_control->broker_epoch;
	LWLockRelease(hospital_control->lock);
	return found;
}

bool
control_database_is_listed(const char *database_name)
{
	List	   *names;
	ListCell   *cell;

	if (!SplitIdentifierString(pstrdup(hospital_databases), ',', &names))
		return false;
	foreach(cell, names)
		if (strcmp(lfirst(cell), database_name) == 0)
			return true;
	return false;
}

/* At commit: one that has left with nothing to do is started again. */
Datum
hospital_wake_scheduler(PG_FUNCTION_ARGS)
{
	worker_wake_at_commit(WORKER_SCHEDULER);
	worker_wake_at_commit(WORKER_LAUNCHER);
	PG_RETURN_VOID();
}

/* At commit: what they know of their partitions may have changed. */
Datum
hospital_wake_consumers(PG_FUNCTION_ARGS)
{
	worker_wake_at_commit(WORKER_CONSUMER);
	PG_RETURN_VOID();
}

static void
status_row(ReturnSetInfo *result, const WorkerSlot *slot)
{
	Datum		values[STATUS_COLUMNS] = {0};
	bool		nulls[STATUS_COLUMNS] = {0};
	double		seconds = (GetCurrentTimestamp() - slot->started_at) / (double) USECS_PER_SEC;
	bool		failed = slot->last_error[0] != '\0';

	nulls[0] = NameStr(slot->database_name)[0] == '\0';
	values[0] = nulls[0] ? (Datum) 0 : CStringGetTextDatum(NameStr(slot->database_name));
	values[1] = CStringGetTextDatum(worker_role_name(slot->role));
	values[2] = Int32GetDatum(slot->number);
	values[3] = Int32GetDatum((int32) slot->pid);
	nulls[3] = slot->pid == 0;
	values[4] = CStringGetTextDatum(slot->state);
	values[5] = TimestampTzGetDatum(slot->since);
	nulls[6] = nulls[7] = nulls[8] = !failed;
	if (failed)
	{
		values[6] = CStringGetTextDatum(slot->last_error);
		values[7] = CStringGetTextDatum(unpack_sql_state(slot->sqlstate));
		values[8] = TimestampTzGetDatum(slot->last_error_at);
	}
	values[9] = Int64GetDatum((int64) slot->rows);
	values[10] = Float8GetDatum(slot->pid != 0 && seconds > 0 ? slot->rows / seconds : 0);
	values[11] = Int64GetDatum((int64) slot->restarts);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

ReturnSetInfo *
control_begin_rows(FunctionCallInfo fcinfo, int columns)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext caller;
	TupleDesc	tupdesc;

	if (result == NULL || !IsA(result, ReturnSetInfo) ||
		(result->allowedModes & SFRM_Materialize) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("set-valued function called in context that cannot accept a set")));
	caller = MemoryContextSwitchTo(result->econtext->ecxt_per_query_memory);
	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE ||
		tupdesc->natts != columns)
		elog(ERROR, "%s is declared with other columns", get_func_name(fcinfo->flinfo->fn_oid));
	result->returnMode = SFRM_Materialize;
	result->setResult = tuplestore_begin_heap(true, false, work_mem);
	result->setDesc = tupdesc;
	MemoryContextSwitchTo(caller);
	return result;
}

/* One row a worker; a single row that says so when there can be none. */
Datum
hospital_status(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = control_begin_rows(fcinfo, STATUS_COLUMNS);
	WorkerSlot *copies;

	if (hospital_control == NULL)
	{
		WorkerSlot	none = {0};

		none.since = GetCurrentTimestamp();
		strcpy(none.state, "not in shared_preload_libraries");
		status_row(result, &none);
		PG_RETURN_VOID();
	}

	copies = palloc(sizeof(hospital_control->slots));
	LWLockAcquire(hospital_control->lock, LW_SHARED);
	memcpy(copies, hospital_control->slots, sizeof(hospital_control->slots));
	LWLockRelease(hospital_control->lock);
	for (int i = 0; i < WORKER_SLOTS; i++)
		if (copies[i].used)
			status_row(result, &copies[i]);
	if (RecoveryInProgress())
	{
		WorkerSlot	standby = {0};

		standby.since = GetCurrentTimestamp();
		strcpy(standby.state, "standby: nothing runs until it is promoted");
		status_row(result, &standby);
	}
	PG_RETURN_VOID();
}
