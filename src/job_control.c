/*
 * job_control.c: what jobs share with others: the runners' slots in shared
 * memory, and SQL functions about jobs.
 *
 * A runner that finds nothing to do ends, and leaves the time at which the next
 * job is due in its slot; the launcher starts a runner then.  Where there are
 * several, one of those that rest keeps the time for all.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "job.h"
#include "job_schedule.h"
#include "settings.h"
#include "shared_state.h"
#include "worker.h"

#define START_EARLY_MS 50		/* a runner is there when its job is due */

PG_FUNCTION_INFO_V1(hospital_next_run);
PG_FUNCTION_INFO_V1(hospital_job_is_running);
PG_FUNCTION_INFO_V1(hospital_wake_jobs);

/* ---- slots ------------------------------------------------------------------ */

bool
job_is_running(int64 run_id)
{
	bool		found = false;

	if (hospital_control == NULL)
		return false;
	LWLockAcquire(hospital_control->lock, LW_SHARED);
	for (int i = 0; i < WORKER_SLOTS && !found; i++)
	{
		const WorkerSlot *slot = &hospital_control->slots[i];

		found = slot->used && slot->role == WORKER_JOB && slot->database == MyDatabaseId &&
			slot->pid != 0 && slot->job_run == run_id;
	}
	LWLockRelease(hospital_control->lock);
	return found;
}

static WorkerSlot *
my_slot(void)
{
	return &hospital_control->slots[worker_slot()];
}

/* NULL: it is at none (any more). */
void
job_note_run(const JobRun *run)
{
	WorkerSlot *slot = my_slot();

	LWLockAcquire(hospital_control->lock, LW_EXCLUSIVE);
	slot->job_run = run != NULL ? run->run_id : 0;
	slot->job_stays = run != NULL && run->stays;
	LWLockRelease(hospital_control->lock);
}

/* A runner of this database that rests, other than this one.  With the lock held. */
static WorkerSlot *
resting_runner(void)
{
	for (int i = 0; i < WORKER_SLOTS; i++)
	{
		WorkerSlot *slot = &hospital_control->slots[i];

		if (slot->used && slot->role == WORKER_JOB && slot->database == MyDatabaseId &&
			slot->wanted && slot->pid == 0 && !slot->starting && slot != my_slot())
			return slot;
	}
	return NULL;
}

static TimestampTz
start_at(const JobOutlook *outlook)
{
	if (outlook->more || outlook->next == DT_NOEND)
		return outlook->more ? GetCurrentTimestamp() : DT_NOEND;
	return TimestampTzPlusMilliseconds(outlook->next, -START_EARLY_MS);
}

/* About to be busy: somebody else keeps the time. */
void
job_hand_over(const JobOutlook *outlook)
{
	WorkerSlot *other;

	LWLockAcquire(hospital_control->lock, LW_EXCLUSIVE);
	other = resting_runner();
	if (other != NULL)
	{
		other->job_events = outlook->events;
		other->next_start = Min(other->next_start, start_at(outlook));
		control_wake_launcher();
	}
	LWLockRelease(hospital_control->lock);
}

/* About to end. */
void
job_leave_at(const JobOutlook *outlook)
{
	WorkerSlot *slot = my_slot();
	WorkerSlot *other;

	LWLockAcquire(hospital_control->lock, LW_EXCLUSIVE);
	other = resting_runner();
	slot->job_run = 0;
	slot->job_events = outlook->events;
	slot->wake_at = start_at(outlook);
	if (other != NULL)
	{
		other->job_events = outlook->events;
		other->next_start = slot->wake_at;
		slot->wake_at = DT_NOEND;
	}
	LWLockRelease(hospital_control->lock);
}

void
job_note_files(void)
{
	bool		awaited = false;

	if (hospital_control == NULL)
		return;
	LWLockAcquire(hospital_control->lock, LW_SHARED);
	for (int i = 0; i < WORKER_SLOTS && !awaited; i++)
	{
		const WorkerSlot *slot = &hospital_control->slots[i];

		awaited = slot->used && slot->role == WORKER_JOB && slot->database == MyDatabaseId &&
			(slot->job_events || slot->pid != 0);
	}
	LWLockRelease(hospital_control->lock);
	if (awaited)
		worker_wake(MyDatabaseId, WORKER_JOB);
}

/*
 * Jobs run in sessions of the tables' owner, who may do there what he may
 * anywhere, transaction control included.  InvalidOid: the server does not let
 * a worker connect as a role without LOGIN; then commands run as every other
 * worker's statements do.
 */
Oid
job_session_role(Oid owner)
{
#ifdef WORKER_ROLE_NEEDS_LOGIN
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(owner));
	bool		can_login = false;

	if (HeapTupleIsValid(tuple))
	{
		can_login = ((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;
		ReleaseSysCache(tuple);
	}
	return can_login ? owner : InvalidOid;
#else
	return owner;
#endif
}

void
job_want_runners(bool running)
{
	control_want_runners(hospital_job_workers, running, job_session_role(worker_owner()));
}

void
job_want_no_runners(void)
{
	control_want_runners(0, false, InvalidOid);
}

/* ---- functions ---------------------------------------------------------------- */

Datum
hospital_job_is_running(PG_FUNCTION_ARGS)
{
	/* A standby knows what the primary wrote, and not who lives there. */
	PG_RETURN_BOOL(RecoveryInProgress() || job_is_running(PG_GETARG_INT64(0)));
}

Datum
hospital_wake_jobs(PG_FUNCTION_ARGS)
{
	worker_wake_at_commit(WORKER_JOB);
	PG_RETURN_VOID();
}

Datum
hospital_next_run(PG_FUNCTION_ARGS)
{
	JobSchedule schedule;
	TimestampTz after;
	TimestampTz next;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	after = PG_GETARG_TIMESTAMPTZ(2);
	job_schedule_parse(&schedule, text_to_cstring(PG_GETARG_TEXT_PP(0)),
					   text_to_cstring(PG_GETARG_TEXT_PP(1)));
	if (TIMESTAMP_NOT_FINITE(after) ||
		!job_schedule_next(&schedule, PG_ARGISNULL(3) ? after : PG_GETARG_TIMESTAMPTZ(3), after, &next))
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(next);
}
