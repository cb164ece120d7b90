/*
 * worker.c: what every background process of hospital has in common.
 *
 * Identity.  A worker connects as the bootstrap superuser, as background
 * workers without a role do, and runs no SQL as such: each transaction becomes
 * the owner of hospital.simulation at its start, in a security-restricted
 * context, unless one of the tables is somebody else's (owners.c).
 * AbortTransaction gives the first identity back; CommitTransaction does not,
 * and must not before triggers deferred to the commit have run, so worker_commit
 * does it after.  StartTransaction wants to find the plain context.
 *
 * Dropping and altering.  The transaction holds a share lock on the extension,
 * taken without waiting, so that a worker neither blocks DROP EXTENSION or an
 * update by a queue nor finds its functions gone half-way (version.c).
 *
 * Exit.  The slot is released by a before_shmem_exit callback, registered
 * before the slot is taken; callbacks run in reverse, so the transaction has
 * been rolled back by then.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "storage/procsignal.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "make_way.h"
#include "owners.h"
#include "pinned_settings.h"
#include "shared_state.h"
#include "version.h"
#include "worker.h"

#define BACKOFF_FIRST_MS 1000
#define BACKOFF_LAST_MS 60000
#define STEADY_MS 60000			/* who went on for so long has not failed in a row */
#define SAME_ERROR_MS 600000	/* after so long an error is news again */

static WorkerSlot *my_slot = NULL;
static uint32 my_generation = 0;
static MemoryContext iteration_context = NULL;
static MemoryContext begin_context = NULL;	/* current at worker_begin */
static char extension_schema[2 * NAMEDATALEN + 3];	/* quoted */
static ExtensionState extension_state = EXTENSION_MISSING;	/* at the last worker_begin */
static Oid	owner_of_tables = InvalidOid;
static uint32 reloads = 0;
static Oid	connected_user = InvalidOid;
static int	connected_context = 0;

/* before_shmem_exit: whatever happened, the slot is nobody's now. */
static void
release_slot(int code, Datum arg)
{
	WorkerSlot *slot = my_slot;

	(void) arg;
	if (slot == NULL)
		return;

	/* Files and handles of the iteration are given back as after an error. */
	if (iteration_context != NULL)
	{
		MemoryContextSwitchTo(TopMemoryContext);
		MemoryContextReset(iteration_context);
	}
	LWLockAcquire(hospital_control->lock, LW_EXCLUSIVE);
	if (slot->generation == my_generation && slot->pid == MyProcPid)
	{
		slot->pid = 0;
		slot->latch = NULL;
		if (!slot->left)
			control_set_state(slot, code == 0 ? "ended" : "ended unexpectedly");
		if (slot->role == WORKER_BROKER)
			hospital_control->broker_epoch = 0;
	}
	control_wake_launcher();
	LWLockRelease(hospital_control->lock);
	my_slot = NULL;
}

/* False: the launcher has given up on us and the slot is another's, or we are not to be here. */
static bool
take_slot(WorkerSlot *slot, uint32 generation)
{
	bool		taken = false;

	LWLockAcquire(hospital_control->lock, LW_EXCLUSIVE);
	if (slot->used && slot->generation == generation && slot->pid == 0 &&
		!make_way_is_wanted(slot->database))
	{
		slot->pid = MyProcPid;
		slot->latch = &MyProc->procLatch;
		slot->starting = false;
		slot->left = false;
		slot->rows = 0;
		slot->started_at = GetCurrentTimestamp();
		control_set_state(slot, "starting");
		my_slot = slot;
		my_generation = generation;
		taken = true;
	}
	LWLockRelease(hospital_control->lock);
	return taken;
}

static void
unblock_signals(void)
{
	/*
	 * SIGTERM is "die", acted upon by CHECK_FOR_INTERRUPTS: the default
	 * handler of background workers exits inside the handler, whatever lock a
	 * library holds there.
	 */
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
}

void
worker_start(Datum main_arg)
{
	int			number = DatumGetInt32(main_arg);
	uint32		generation;

	unblock_signals();
	if (hospital_control == NULL || number < 0 || number >= WORKER_SLOTS)
		elog(ERROR, "hospital worker started without a slot");
	memcpy(&generation, MyBgworkerEntry->bgw_extra, sizeof(generation));

	before_shmem_exit(release_slot, (Datum) 0);
	if (!take_slot(&hospital_control->slots[number], generation))
		proc_exit(0);

	if (OidIsValid(my_slot->database))
		BackgroundWorkerInitializeConnectionByOid(my_slot->database, my_slot->session_role,
												  BGWORKER_BYPASS_ROLELOGINCHECK);
	else
		BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	pin_process_settings(PIN_WORKER);
	GetUserIdAndSecContext(&connected_user, &connected_context);
	worker_state("started");
}

void
worker_start_helper(Oid database)
{
	unblock_signals();
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	pin_process_settings(PIN_WORKER);
	GetUserIdAndSecContext(&connected_user, &connected_context);
}

void
worker_start_launcher(void)
{
	WorkerSlot *slot;
	uint32		generation = 0;

	unblock_signals();
	before_shmem_exit(release_slot, (Datum) 0);
	LWLockAcquire(hospital_control->lock, LW_EXCLUSIVE);
	slot = control_make_slot("", WORKER_LAUNCHER, 0);
	if (slot != NULL)
		generation = ++slot->generation;
	LWLockRelease(hospital_control->lock);
	if (slot == NULL || !take_slot(slot, generation))
		elog(ERROR, "hospital launcher found no slot of its own");

	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	pin_process_settings(PIN_WORKER);
}

Oid
worker_tables_owner(void)
{
	Oid			schema = get_namespace_oid("hospital", true);
	Oid			table;
	HeapTuple	tuple;
	Oid			owner = InvalidOid;

	if (!OidIsValid(schema))
		return InvalidOid;
	table = get_relname_relid("simulation", schema);
	if (!OidIsValid(table))
		return InvalidOid;
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	if (HeapTupleIsValid(tuple))
	{
		Form_pg_class form = (Form_pg_class) GETSTRUCT(tuple);

		if (form->relkind == RELKIND_RELATION)
			owner = form->relowner;
		ReleaseSysCache(tuple);
	}
	return owner;
}

bool
worker_begin(const char *activity)
{
	Oid			owner = InvalidOid;

	Assert(!IsTransactionState());
	begin_context = CurrentMemoryContext;
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	extension_state = RecoveryInProgress() ? EXTENSION_MISSING : version_look(false, extension_schema);
	if (extension_state == EXTENSION_FITS)
		owner = worker_tables_owner();
	if (!OidIsValid(owner))
	{
		CommitTransactionCommand();
		MemoryContextSwitchTo(begin_context);
		return false;
	}
	owner_of_tables = owner;
	owners_check(owner);
	SetUserIdAndSecContext(owner, connected_context | SECURITY_RESTRICTED_OPERATION |
						   SECURITY_LOCAL_USERID_CHANGE);
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, activity);
	MemoryContextSwitchTo(begin_context);
	return true;
}

void
worker_check_version(void)
{
	if (extension_state == EXTENSION_DIFFERS)
		version_complain();
}

bool
worker_is_held_up(void)
{
	return extension_state == EXTENSION_BUSY;
}

void
worker_commit(void)
{
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
	SetUserIdAndSecContext(connected_user, connected_context);
	MemoryContextSwitchTo(begin_context);
	pgstat_report_stat(false);
	pgstat_report_activity(STATE_IDLE, my_slot != NULL ? my_slot->state : NULL);
}

void
worker_rollback(void)
{
	MemoryContext context = begin_context;

	AbortOutOfAnyTransaction();
	MemoryContextSwitchTo(context);
	pgstat_report_activity(STATE_IDLE, my_slot != NULL ? my_slot->state : NULL);
}

const char *
worker_schema(void)
{
	return extension_schema;
}

Oid
worker_owner(void)
{
	return owner_of_tables;
}

static void
notice_reload(void)
{
	if (!ConfigReloadPending)
		return;
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	reloads++;
}

bool
worker_wait(long timeout_ms, int fd)
{
	static uint32 cached = 0;
	uint32		wait_event = hospital_wait_event(&cached, "HospitalWorker");
	int			events = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;
	int			happened;

	Assert(!IsTransactionState());
	if (timeout_ms >= 0)
		events |= WL_TIMEOUT;
	if (timeout_ms < 0 || timeout_ms >= 1000)
		pgstat_report_stat(true);

	if (fd >= 0)
		happened = WaitLatchOrSocket(MyLatch, events | WL_SOCKET_READABLE, fd, timeout_ms,
									 wait_event);
	else
		happened = WaitLatch(MyLatch, events, timeout_ms, wait_event);

	if (happened & WL_LATCH_SET)
		ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	notice_reload();
	return (happened & WL_SOCKET_READABLE) != 0;
}

uint32
worker_reloads(void)
{
	return reloads;
}

/* Is this the error that the slot already shows? */
static bool
error_is_known(int sqlstate, const char *message)
{
	char		clipped[WORKER_ERROR_LENGTH];
	int			length = pg_mbcliplen(message, strlen(message), WORKER_ERROR_LENGTH - 1);

	if (my_slot == NULL || my_slot->sqlstate != sqlstate ||
		TimestampDifferenceExceeds(my_slot->last_error_at, GetCurrentTimestamp(), SAME_ERROR_MS))
		return false;
	memcpy(clipped, message, length);
	clipped[length] = '\0';
	return strcmp(clipped, my_slot->last_error) == 0;
}

/* In PG_CATCH: back to a state in which the next transaction can begin. */
static void
recover_from_error(MemoryContext context)
{
	ErrorData  *error;

	HOLD_INTERRUPTS();
	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();

	AbortOutOfAnyTransaction();
	LWLockReleaseAll();
	MemoryContextSwitchTo(context);

	ereport(error_is_known(error->sqlerrcode, error->message) ? DEBUG1 : LOG,
			(errcode(error->sqlerrcode),
			 errmsg("hospital %s: %s", my_slot ? worker_role_name(my_slot->role) : "worker",
					error->message),
			 error->detail ? errdetail_internal("%s", error->detail) : 0,
			 error->hint ? errhint("%s", error->hint) : 0));
	worker_record_error(error->sqlerrcode, error->message);
	FreeErrorData(error);
	pgstat_report_activity(STATE_IDLE, NULL);
	RESUME_INTERRUPTS();
}

bool
worker_try(void (*body) (void *), void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool succeeded = true;

	PG_TRY();
	{
		body(arg);
	}
	PG_CATCH();
	{
		recover_from_error(context);
		succeeded = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	return succeeded;
}

typedef struct LoopBody
{
	bool		(*body) (void *);
	void	   *arg;
	bool		more;
	int			failures;		/* one soon after the other */
	TimestampTz retried_at;		/* after the last of them */
	uint32		reloads;		/* when the body was last called */
} LoopBody;

static void
run_loop_body(void *arg)
{
	LoopBody   *loop = arg;

	loop->more = loop->body(loop->arg);
}

/* Doubling, and never in step with other workers that failed with us. */
static long
backoff_ms(int failures)
{
	long		ms = BACKOFF_FIRST_MS;

	while (--failures > 0 && ms < BACKOFF_LAST_MS)
		ms *= 2;
	ms = Min(ms, BACKOFF_LAST_MS);
	return ms - (ms / 4) * (MyProcPid % 16) / 16;
}

/*
 * What was wrong may have been a setting: a reload ends the back-off, and there
 * is none after an attempt that a reload has ended.
 */
static void
wait_to_retry(void *arg)
{
	LoopBody   *loop = arg;
	TimestampTz retry_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													   backoff_ms(loop->failures));
	long		left;

	while (reloads == loop->reloads &&
		   (left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), retry_at)) > 0)
		worker_wait(left, -1);
}

void
worker_loop(bool (*body) (void *), void *arg)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "hospital worker iteration",
												  ALLOCSET_DEFAULT_SIZES);
	LoopBody	loop = {body, arg, true, 0, 0, 0};
	bool		succeeded;

	iteration_context = context;
	while (loop.more)
	{
		MemoryContextSwitchTo(context);
		notice_reload();		/* one that is busy may not wait for long */
		loop.reloads = reloads;
		succeeded = worker_try(run_loop_body, &loop);

		/* What goes well for a moment after each retry still fails in a row. */
		if (TimestampDifferenceExceeds(loop.retried_at, GetCurrentTimestamp(), STEADY_MS))
			loop.failures = 0;
		if (!succeeded)
		{
			loop.failures++;
			worker_state("waiting to retry");
			MemoryContextReset(context);	/* unfinished files take up room meanwhile */

			/* Tried, since pg_cancel_backend may interrupt it. */
			(void) worker_try(wait_to_retry, &loop);
			loop.retried_at = GetCurrentTimestamp();
		}
		MemoryContextReset(context);
	}
	iteration_context = NULL;
	MemoryContextSwitchTo(TopMemoryContext);
	MemoryContextDelete(context);
}

void
worker_leave(const char *state)
{
	if (my_slot != NULL)
	{
		LWLockAcquire(hospital_control->lock, LW_EXCLUSIVE);
		my_slot->left = true;
		control_set_state(my_slot, state);
		LWLockRelease(hospital_control->lock);
	}
	proc_exit(0);
}

void
worker_state(const char *format,...)
{
	char		state[WORKER_STATE_LENGTH * 4];
	va_list		args;

	if (my_slot == NULL)
		return;
	va_start(args, format);
	vsnprintf(state, sizeof(state), format, args);
	va_end(args);

	LWLockAcquire(hospital_control->lock, LW_EXCLUSIVE);
	control_set_state(my_slot, state);
	LWLockRelease(hospital_control->lock);
	if (!IsTransactionState())
		pgstat_report_activity(STATE_IDLE, my_slot->state);
}

void
worker_count_rows(uint64 rows)
{
	if (my_slot == NULL)
		return;
	LWLockAcquire(hospital_control->lock, LW_EXCLUSIVE);
	my_slot->rows += rows;
	LWLockRelease(hospital_control->lock);
}

void
worker_record_error(int sqlstate, const char *message)
{
	if (my_slot == NULL)
		return;
	LWLockAcquire(hospital_control->lock, LW_EXCLUSIVE);
	control_set_error(my_slot, sqlstate, message);
	LWLockRelease(hospital_control->lock);
}

int
worker_sqlstate(void)
{
	return my_slot != NULL ? my_slot->sqlstate : 0;
}

void
worker_clear_error(void)
{
	if (my_slot == NULL || my_slot->last_error[0] == '\0')
		return;
	LWLockAcquire(hospital_control->lock, LW_EXCLUSIVE);
	control_set_error(my_slot, 0, "");
	LWLockRelease(hospital_control->lock);
}

Oid
worker_database(void)
{
	return my_slot != NULL ? my_slot->database : InvalidOid;
}

int
worker_number(void)
{
	return my_slot != NULL ? my_slot->number : 0;
}

int
worker_slot(void)
{
	return my_slot != NULL ? (int) (my_slot - hospital_control->slots) : -1;
}

void
worker_wake(Oid database, WorkerRole role)
{
	if (hospital_control == NULL)
		return;
	LWLockAcquire(hospital_control->lock, LW_EXCLUSIVE);
	for (int i = 0; i < WORKER_SLOTS; i++)
	{
		WorkerSlot *slot = &hospital_control->slots[i];

		if (!slot->used || slot->role != role ||
			(slot->database != database && OidIsValid(slot->database)))
			continue;

		/*
		 * Also when it runs: it may have looked just before and be about to
		 * leave.
		 */
		slot->poked = true;
		if (slot->latch != NULL)
			SetLatch(slot->latch);
		else
			control_wake_launcher();
	}
	LWLockRelease(hospital_control->lock);
}

/* Roles to wake when the transaction commits, as bits. */
static int	wake_roles = 0;

static void
wake_after_commit(XactEvent event, void *arg)
{
	int			roles = wake_roles;

	(void) arg;
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			wake_roles = 0;
			for (int role = 0; role < WORKER_ROLES; role++)
				if (roles & (1 << role))
					worker_wake(MyDatabaseId, (WorkerRole) role);
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			wake_roles = 0;
			break;
		default:
			break;
	}
}

void
worker_wake_at_commit(WorkerRole role)
{
	static bool registered = false;

	if (!registered)
	{
		RegisterXactCallback(wake_after_commit, NULL);
		registered = true;
	}
	wake_roles |= 1 << role;
}
