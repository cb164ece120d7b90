/*
 * job_runner.c: the worker that runs one scheduled job.
 *
 * A process runs one command and ends, so that nothing of it (settings,
 * temporary tables, locks, memory) meets another one.  That the run begins is
 * committed before the command is looked at, and how it went after it; a run
 * without an outcome whose process is gone has crashed, and the next runner
 * writes that down.
 *
 * Identity.  The process connects as the owner of the tables, so its session
 * has his rights and no others, and commands are executed as a client's are:
 * a CALL may commit on its way, VACUUM works.  Where the server does not let it
 * connect as the owner (a role without LOGIN, before 17), commands run as every
 * worker's statements do: in one transaction, in a security-restricted context.
 *
 * Time.  A command that takes longer than it may is cancelled; when it catches
 * that and goes on, its process is terminated.  SIGKILL would restart the
 * server, and is never sent.
 *
 * SIGTERM (a shutdown, hospital_stop, a time limit) ends the process at the next
 * safe place.  On the way out the outcome is still written, unless somebody
 * holds a lock in the way: nothing may keep a shutdown waiting.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/params.h"
#include "parser/analyze.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "job.h"
#include "shared_state.h"
#include "worker.h"

#define HARD_AFTER_MS 5000		/* from the cancel to the termination */
#define STAY_MS 1000			/* who has nothing to do for so long may wait */
#define LOOK_AGAIN_MS 60000
#define HELD_UP_MS 500			/* while the extension is being altered */
#define JOB_PARAMS 2			/* $1 the time that was due, $2 the hospital day */

typedef struct JobRunner
{
	JobRun		run;			/* at work; run_id 0: none */
	JobOutcome	outcome;		/* to be written down */
	bool		over_time;
	bool		done;			/* has had its command */
} JobRunner;

static JobRunner runner;
static volatile sig_atomic_t terminated = false;
static volatile sig_atomic_t hard_limit = false;

static void
note_sigterm(SIGNAL_ARGS)
{
	terminated = true;
	die(postgres_signal_arg);
}

static void
enforce_limit(void)
{
	hard_limit = true;
	kill(MyProcPid, SIGTERM);
}

/* ---- the command ------------------------------------------------------------- */

static const Oid param_types[JOB_PARAMS] = {TIMESTAMPTZOID, DATEOID};

static ParamListInfo
run_params(const JobRun *run)
{
	ParamListInfo params = makeParamList(JOB_PARAMS);

	params->params[0].value = TimestampTzGetDatum(run->due_at);
	params->params[0].isnull = false;
	params->params[1].value = DateADTGetDatum(run->day);
	params->params[1].isnull = !run->has_day;
	for (int i = 0; i < JOB_PARAMS; i++)
	{
		params->params[i].pflags = PARAM_FLAG_CONST;
		params->params[i].ptype = param_types[i];
	}
	return params;
}

/* "alone": it is the only one, and may do what cannot be done in a block. */
static void
execute_statement(RawStmt *statement, const char *command, ParamListInfo params, bool alone)
{
	bool		needs_snapshot = analyze_requires_snapshot(statement);
	QueryCompletion completion;
	List	   *queries;
	List	   *plans;
	Portal		portal;

	if (IsA(statement->stmt, TransactionStmt))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				 errmsg("a job's command cannot begin or end a transaction"),
				 errdetail("Its statements are one transaction."),
				 errhint("Put what is to commit on its way into a procedure, and CALL that.")));
	if (needs_snapshot)
		PushActiveSnapshot(GetTransactionSnapshot());
	queries = pg_analyze_and_rewrite_fixedparams(statement, command, param_types, JOB_PARAMS, NULL);
	plans = pg_plan_queries(queries, command, CURSOR_OPT_PARALLEL_OK, NULL);
	if (needs_snapshot)
		PopActiveSnapshot();

	portal = CreatePortal("", true, true);
	portal->visible = false;
	PortalDefineQuery(portal, NULL, command, CreateCommandTag(statement->stmt), plans, NULL);
	PortalStart(portal, params, 0, InvalidSnapshot);
	(void) run_portal(portal, alone, None_Receiver, &completion);
	PortalDrop(portal, false);
}

/* As a client's simple query is. */
static void
execute_as_session(const JobRun *run)
{
	MemoryContext context = CurrentMemoryContext;
	ParamListInfo params = run_params(run);
	List	   *statements;
	ListCell   *cell;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	MemoryContextSwitchTo(context);
	pgstat_report_activity(STATE_RUNNING, run->command);
	statements = pg_parse_query(run->command);
	foreach(cell, statements)
	{
		CHECK_FOR_INTERRUPTS();
		execute_statement(lfirst_node(RawStmt, cell), run->command, params,
						  list_length(statements) == 1);
		MemoryContextSwitchTo(context);
		CommandCounterIncrement();
	}
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
}

/* An update of the extension is no reason to lose a run, or what became of it. */
static bool
begin_when_altered(const char *activity)
{
	while (!worker_begin(activity))
	{
		if (!worker_is_held_up())
			return false;
		worker_wait(HELD_UP_MS, -1);
	}
	return true;
}

static void
execute_as_worker(const JobRun *run)
{
	Oid			types[JOB_PARAMS] = {TIMESTAMPTZOID, DATEOID};
	Datum		values[] = {TimestampTzGetDatum(run->due_at), DateADTGetDatum(run->day)};
	char		nulls[] = {' ', run->has_day ? ' ' : 'n'};
	int			result;

	if (!begin_when_altered(run->command))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the hospital went away before the job's command could run")));
	result = SPI_execute_with_args(run->command, JOB_PARAMS, types, values, nulls, false, 0);
	if (result < 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a job of an owner without LOGIN cannot do that: %s",
						SPI_result_code_string(result)),
				 errhint("Give the owner of hospital.simulation LOGIN; no password is needed.")));
	worker_commit();
}

/* ---- how it went ------------------------------------------------------------- */

static void
say(JobOutcome *outcome, const char *state, bool retry, const char *message)
{
	outcome->run_id = runner.run.run_id;
	outcome->state = state;
	outcome->retry = retry;
	strlcpy(outcome->message, message, JOB_MESSAGE_LENGTH);
}

/* In PG_CATCH. */
static void
note_error(JobRunner *r, MemoryContext context)
{
	ErrorData  *error;

	HOLD_INTERRUPTS();
	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	AbortOutOfAnyTransaction();
	MemoryContextSwitchTo(context);

	r->outcome.sqlstate = error->sqlerrcode;
	if (r->over_time && error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		say(&r->outcome, "timed out", true,
			psprintf("took longer than " INT64_FORMAT " ms", r->run.max_ms));
	else if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		say(&r->outcome, "cancelled", false, error->message);
	else
		say(&r->outcome, "failed", true, error->message);
	ereport(LOG,
			(errcode(error->sqlerrcode),
			 errmsg("hospital job \"%s\" %s: %s", r->run.name, r->outcome.state,
					r->outcome.message),
			 error->detail ? errdetail_internal("%s", error->detail) : 0,
			 error->hint ? errhint("%s", error->hint) : 0));
	worker_record_error(error->sqlerrcode, r->outcome.message);
	FreeErrorData(error);
	RESUME_INTERRUPTS();
}

static void
start_limits(const JobRun *run, TimeoutId hard)
{
	TimestampTz now = GetCurrentTimestamp();

	if (run->max_ms <= 0)
		return;
	enable_timeout_at(STATEMENT_TIMEOUT, TimestampTzPlusMilliseconds(now, run->max_ms));
	enable_timeout_at(hard, TimestampTzPlusMilliseconds(now, run->max_ms + HARD_AFTER_MS));
}

static void
stop_limits(JobRunner *r, TimeoutId hard)
{
	r->over_time = get_timeout_indicator(hard, false) ||
		(r->run.max_ms > 0 && !get_timeout_active(STATEMENT_TIMEOUT));
	disable_timeout(STATEMENT_TIMEOUT, false);
	disable_timeout(hard, false);
}

/* What the command may have set for its session is not for us. */
static void
reset_session(void)
{
	SetConfigOption("role", "none", PGC_SUSET, PGC_S_SESSION);
	ResetAllOptions();
}

static void
run_command(JobRunner *r)
{
	static TimeoutId hard = MAX_TIMEOUTS;
	MemoryContext context = CurrentMemoryContext;
	bool		as_session = GetSessionUserId() == worker_owner();

	if (hard == MAX_TIMEOUTS)
		hard = RegisterTimeout(USER_TIMEOUT, enforce_limit);
	worker_state("running %s", r->run.name);
	start_limits(&r->run, hard);
	PG_TRY();
	{
		debug_query_string = r->run.command;
		if (as_session)
			execute_as_session(&r->run);
		else
			execute_as_worker(&r->run);
		stop_limits(r, hard);
		say(&r->outcome, "succeeded", false, "");
		worker_clear_error();
	}
	PG_CATCH();
	{
		stop_limits(r, hard);
		note_error(r, context);
	}
	PG_END_TRY();
	debug_query_string = NULL;
	MemoryContextSwitchTo(context);
	QueryCancelPending = false;
	reset_session();
	r->done = true;
}

static bool
lock_without_waiting(const char *table, LOCKMODE mode)
{
	Oid			relation = get_relname_relid(table, get_namespace_oid("hospital", true));

	return OidIsValid(relation) && ConditionalLockRelationOid(relation, mode);
}

/*
 * before_shmem_exit, called before the slot is released and the transaction
 * machinery goes.
 */
static void
finish_on_the_way_out(int code, Datum arg)
{
	(void) code;
	(void) arg;
	if (!terminated || runner.run.run_id == 0)
		return;
	AbortOutOfAnyTransaction();
	if (runner.outcome.run_id == 0)
	{
		runner.outcome.sqlstate = hard_limit ? ERRCODE_QUERY_CANCELED : ERRCODE_ADMIN_SHUTDOWN;
		if (hard_limit)
			say(&runner.outcome, "timed out", true, "took longer than it may, and had to be terminated");
		else
			say(&runner.outcome, "cancelled", true, "its process was told to end");
	}
	MemoryContextSwitchTo(TopMemoryContext);
	if (!worker_begin("writing down how a job ended"))
		return;

	/* No waiting: neither for locks nor for another server. */
	(void) set_config_option("synchronous_commit", "local", PGC_SUSET, PGC_S_OVERRIDE,
							 GUC_ACTION_LOCAL, true, 0, false);
	if (lock_without_waiting("job_history", RowExclusiveLock) && lock_without_waiting("jobs", AccessShareLock))
		job_finish(&runner.outcome);
	worker_commit();
}

/* ---- the worker -------------------------------------------------------------- */

/*
 * False: the tables are somebody else's now.  Then, and when the owner may log
 * in after all, the scheduler sees to it that the next one fits.
 */
static bool
session_fits(void)
{
	Oid			session = GetSessionUserId();
	Oid			role = job_session_role(worker_owner());

	if (session != role && (OidIsValid(role) || session != BOOTSTRAP_SUPERUSERID))
		worker_wake(MyDatabaseId, WORKER_SCHEDULER);
	return session == worker_owner() || session == BOOTSTRAP_SUPERUSERID;
}

static void
leave(JobOutlook *outlook)
{
	job_leave_at(outlook);
	if (outlook->next == DT_NOEND && !outlook->more)
		worker_leave("no job is due");
	worker_leave(psprintf("next look at %s", timestamptz_to_str(outlook->more ? GetCurrentTimestamp() : outlook->next)));
}

static void
leave_for_a_while(const char *state)
{
	JobOutlook	outlook = {
		.next = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), LOOK_AGAIN_MS)
	};

	job_leave_at(&outlook);
	worker_leave(state);
}

/* Write down how it went, and see what comes next. */
static void
conclude(JobRunner *r)
{
	JobOutlook	outlook;

	if (!begin_when_altered("writing down how a job ended"))
		leave_for_a_while("no hospital here");
	job_finish(&r->outcome);
	worker_commit();
	r->outcome.run_id = 0;
	r->run.run_id = 0;
	job_note_run(NULL);

	if (!worker_begin("looking which jobs are due"))
		leave_for_a_while("no hospital here");
	if (!job_plan(&outlook))
		leave_for_a_while("no jobs here");
	job_look_ahead(&outlook);
	worker_commit();
	leave(&outlook);
}

static bool
runner_pass(void *arg)
{
	JobRunner  *r = arg;
	JobOutlook	outlook;
	bool		claimed;

	if (r->done)
		conclude(r);
	if (!worker_begin("looking which jobs are due"))
		leave_for_a_while("no hospital here");
	if (!session_fits())
		leave_for_a_while("the tables have another owner");
	if (!job_plan(&outlook))
		leave_for_a_while("no jobs here");
	claimed = job_claim(&outlook, &r->run);
	job_look_ahead(&outlook);
	if (claimed)
		job_note_run(&r->run);	/* before anybody can see that it runs */
	worker_commit();
	if (claimed)
	{
		job_hand_over(&outlook);
		run_command(r);
	}
	else if (outlook.next <= TimestampTzPlusMilliseconds(GetCurrentTimestamp(), STAY_MS))
		worker_wait(TimestampDifferenceMilliseconds(GetCurrentTimestamp(), outlook.next), -1);
	else
		leave(&outlook);
	return true;
}

void
job_runner_main(Datum main_arg)
{
	worker_start(main_arg);
	pqsignal(SIGTERM, note_sigterm);
	before_shmem_exit(finish_on_the_way_out, (Datum) 0);
	worker_loop(runner_pass, &runner);
}
