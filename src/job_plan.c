/*
 * job_plan.c: which runs of jobs are due, what became of them, and retries.
 *
 * hospital.job_history is the ledger: one row a run, committed before its
 * work begins.  A row comes into being as "waiting" when its time, its day or
 * its turn after other jobs has come; runners claim those that may begin.  What
 * is looked up and decided here is done by one process at a time
 * (HOSPITAL_LOCK_JOBS).
 *
 * Times.  hospital.jobs.next_due_at is the first time that has no row yet, so a
 * server that was down knows what it missed; catch_up says which of those are
 * run.  The others become one row, "skipped", that says how many there were.
 *
 * Days.  hospital.jobs.days_done are the days that have had their turn, as a
 * multirange: days may be complete in any order.
 *
 * Jobs.  hospital.jobs.seen_runs has, for each job in depends_on, the run that
 * the job has answered to; a later one that succeeded is news.  Run numbers are
 * compared, not times, so that clocks may jump.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/elog.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "job.h"
#include "job_schedule.h"
#include "locks.h"
#include "records.h"
#include "worker.h"

#define LATE_MS 60000			/* who skips what was missed still runs what is no later than this */
#define LOOK_FOR_DAYS_MS 60000	/* files poke; a day that is closed by hand does not */
#define RUNS_LIMIT 1000			/* the largest catch_up_limit */

typedef enum CatchUp
{
	CATCH_UP_SKIP,
	CATCH_UP_ONCE,
	CATCH_UP_ALL
} CatchUp;

typedef struct Job
{
	char	   *name;
	char	   *schedule;
	char	   *zone;
	CatchUp		catch_up;
	int			limit;			/* runs made up at a time */
	TimestampTz starts_at;
	TimestampTz next_due_at;
	bool		is_new;			/* no next_due_at yet */
} Job;

/* Times or days that have come, of one job: how many, and the latest of them. */
typedef struct Missed
{
	int64		n;
	Datum		first;
	Datum		kept[RUNS_LIMIT];	/* a ring */
	int			limit;
} Missed;

/* SPI leaves its own context behind, which ends with the transaction; a command that is claimed does not. */
static uint64
run_sql(const char *query, int nargs, Oid *types, Datum *values, const char *nulls, int expected)
{
	MemoryContext caller = CurrentMemoryContext;

	if (SPI_execute_with_args(query, nargs, types, values, nulls, false, 0) != expected)
		elog(ERROR, "could not execute: %s", query);
	MemoryContextSwitchTo(caller);
	return SPI_processed;
}

static Datum
column(uint64 row, int number, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, number, isnull);
}

static bool
have_jobs(void)
{
	bool		isnull;

	run_sql("SELECT pg_catalog.to_regclass('hospital.jobs') IS NOT NULL"
			" AND pg_catalog.to_regclass('hospital.job_history') IS NOT NULL",
			0, NULL, NULL, NULL, SPI_OK_SELECT);
	return DatumGetBool(column(0, 1, &isnull));
}

static bool
hospital_is_running(void)
{
	return run_sql("SELECT FROM hospital.run_state WHERE desired <> 'stopped'",
				   0, NULL, NULL, NULL, SPI_OK_SELECT) > 0;
}

/* ---- what is over ------------------------------------------------------------- */

void
job_finish(const JobOutcome *outcome)
{
	Oid			types[] = {INT8OID, TEXTOID, TEXTOID, TEXTOID};
	Datum		values[] = {
		Int64GetDatum(outcome->run_id), CStringGetTextDatum(outcome->state),
		CStringGetTextDatum(unpack_sql_state(outcome->sqlstate)), CStringGetTextDatum(outcome->message)
	};
	char		nulls[] = {' ', ' ', outcome->sqlstate == 0 ? 'n' : ' ', outcome->message[0] == '\0' ? 'n' : ' '};

	if (run_sql("UPDATE hospital.job_history SET state = $2, ended_at = clock_timestamp(), sqlstate = $3,"
				" message = $4 WHERE run_id = $1 AND state = 'running'",
				4, types, values, nulls, SPI_OK_UPDATE) == 0 || !outcome->retry)
		return;

	/* Doubling, an hour at most (or the delay itself), an eighth more or less. */
	(void) run_sql("INSERT INTO hospital.job_history (job_name, cause, due_at, day, attempt, start_after)"
				   " SELECT r.job_name, r.cause, r.due_at, r.day, r.attempt + 1, clock_timestamp() +"
				   "  least(j.retry_delay * power(2, least(r.attempt - 1, 20)), greatest(j.retry_delay, interval '1 hour'))"
				   "  * (0.875 + 0.25 * random())"
				   " FROM hospital.job_history r JOIN hospital.jobs j USING (job_name)"
				   " WHERE r.run_id = $1 AND r.attempt <= j.max_retries AND (j.enabled OR r.cause = 'by hand')"
				   " ON CONFLICT DO NOTHING",
				   1, types, values, NULL, SPI_OK_INSERT);
}

/* Runs whose process is gone. */
static void
finish_crashed(void)
{
	uint64		n = run_sql("SELECT run_id FROM hospital.job_history WHERE state = 'running' ORDER BY run_id",
							0, NULL, NULL, NULL, SPI_OK_SELECT);
	int64	   *runs = palloc((n + 1) * sizeof(int64));
	bool		isnull;

	for (uint64 i = 0; i < n; i++)
		runs[i] = DatumGetInt64(column(i, 1, &isnull));
	for (uint64 i = 0; i < n; i++)
	{
		JobOutcome	outcome = {.run_id = runs[i], .state = "crashed", .retry = true};

		if (job_is_running(runs[i]))
			continue;
		strcpy(outcome.message, "its process ended without a word");
		job_finish(&outcome);
	}
}

/* Runs that wait for a job that was deleted. */
static void
finish_orphans(void)
{
	(void) run_sql("UPDATE hospital.job_history r SET state = 'cancelled', ended_at = clock_timestamp(),"
				   " message = 'there is no such job any more' WHERE state = 'waiting'"
				   " AND NOT EXISTS (SELECT FROM hospital.jobs j WHERE j.job_name = r.job_name)",
				   0, NULL, NULL, NULL, SPI_OK_UPDATE);
}

/* ---- what has come ------------------------------------------------------------- */

static void
note_missed(Missed *missed, Datum at)
{
	if (missed->n == 0)
		missed->first = at;
	missed->kept[missed->n % missed->limit] = at;
	missed->n++;
}

/* From the latest on, 0 being that one. */
static Datum
latest(const Missed *missed, int64 back)
{
	return missed->kept[(missed->n - 1 - back) % missed->limit];
}

/*
 * A row for "slots" times or days, of which "at" is the first; "skipped" says
 * why it is not to be run, NULL: it is.
 */
static void
insert_run(const Job *job, bool is_day, Datum at, int64 slots, const char *skipped)
{
	Oid			types[] = {TEXTOID, TEXTOID, is_day ? DATEOID : TIMESTAMPTZOID, INT8OID, TEXTOID};
	Datum		values[] = {
		CStringGetTextDatum(job->name), CStringGetTextDatum(is_day ? "day" : "schedule"), at,
		Int64GetDatum(slots), skipped == NULL ? (Datum) 0 : CStringGetTextDatum(skipped)
	};

	(void) run_sql(is_day ?
				   "INSERT INTO hospital.job_history (job_name, cause, due_at, day, slots, message, state, ended_at)"
				   " SELECT $1, $2, clock_timestamp(), $3, $4, $5, CASE WHEN $5 IS NULL THEN 'waiting' ELSE 'skipped' END,"
				   "  CASE WHEN $5 IS NOT NULL THEN clock_timestamp() END ON CONFLICT DO NOTHING" :
				   "INSERT INTO hospital.job_history (job_name, cause, due_at, slots, message, state, ended_at)"
				   " SELECT $1, $2, $3, $4, $5, CASE WHEN $5 IS NULL THEN 'waiting' ELSE 'skipped' END,"
				   "  CASE WHEN $5 IS NOT NULL THEN clock_timestamp() END ON CONFLICT DO NOTHING",
				   5, types, values, skipped == NULL ? "    n" : NULL, SPI_OK_INSERT);
}

/* What still waits for an earlier time or day has a successor now. */
static void
give_up_waiting(const Job *job, bool is_day)
{
	Oid			types[] = {TEXTOID, TEXTOID};
	Datum		values[] = {CStringGetTextDatum(job->name), CStringGetTextDatum(is_day ? "day" : "schedule")};

	(void) run_sql("UPDATE hospital.job_history SET state = 'skipped', ended_at = clock_timestamp(),"
				   " message = 'a later run stands for it'"
				   " WHERE job_name = $1 AND cause = $2 AND state = 'waiting'",
				   2, types, values, NULL, SPI_OK_UPDATE);
}

static void
insert_runs(const Job *job, const Missed *missed, bool is_day)
{
	int64		runs = job->catch_up == CATCH_UP_ALL ? Min(missed->n, job->limit) : 1;

	if (missed->n == 0)
		return;
	if (job->catch_up == CATCH_UP_SKIP && !is_day &&
		TimestampDifferenceExceeds(DatumGetTimestampTz(latest(missed, 0)), GetCurrentTimestamp(), LATE_MS))
		runs = 0;
	if (missed->n > runs)
		insert_run(job, is_day, missed->first, missed->n - runs,
				   runs > 0 ? "a later run stands for it" : "missed, and not made up");
	if (job->catch_up != CATCH_UP_ALL && runs > 0)
		give_up_waiting(job, is_day);
	while (--runs >= 0)
		insert_run(job, is_day, latest(missed, runs), 1, NULL);
}

/* Whole intervals in real time: the missed ones need not be looked at one by one. */
static TimestampTz
leap(const Job *job, const JobSchedule *schedule, Missed *missed, TimestampTz at, TimestampTz now)
{
	int64		ahead;

	if (schedule->kind != JOB_INTERVAL || schedule->interval.month != 0 ||
		schedule->interval.day != 0 || at < job->starts_at)
		return at;
	ahead = (now - at) / schedule->interval.time - missed->limit;
	if (ahead <= 0)
		return at;
	missed->first = TimestampTzGetDatum(at);
	missed->n = ahead;
	return at + ahead * schedule->interval.time;
}

static void
plan_times(Job *job, const JobSchedule *schedule, Missed *missed, TimestampTz now)
{
	Oid			types[] = {TEXTOID, TIMESTAMPTZOID};
	Datum		values[2];
	TimestampTz at = job->next_due_at;
	TimestampTz following;

	if (!job_schedule_next(schedule, job->starts_at, now, &following))
		following = DT_NOEND;
	if (job->is_new || at > following)
		at = following;			/* new, or the machine's clock was put back */
	else if (at <= now)
	{
		at = leap(job, schedule, missed, at, now);
		while (at <= now)
		{
			CHECK_FOR_INTERRUPTS();
			note_missed(missed, TimestampTzGetDatum(at));
			if (!job_schedule_next(schedule, job->starts_at, at, &at))
				at = DT_NOEND;
		}
		insert_runs(job, missed, false);
	}
	if (!job->is_new && at == job->next_due_at)
		return;
	values[0] = CStringGetTextDatum(job->name);
	values[1] = TimestampTzGetDatum(at);
	(void) run_sql("UPDATE hospital.jobs SET next_due_at = $2, problem = NULL WHERE job_name = $1",
				   2, types, values, NULL, SPI_OK_UPDATE);
}

static void
plan_days(Job *job, const JobSchedule *schedule, Missed *missed)
{
	Oid			types[] = {TEXTOID, INT4OID, DATEARRAYOID};
	Datum		values[] = {CStringGetTextDatum(job->name), Int32GetDatum(RECORD_KINDS), (Datum) 0};
	Datum	   *days;
	uint64		n;
	bool		isnull;

	if (!job->is_new)			/* it had times before */
		(void) run_sql("UPDATE hospital.jobs SET next_due_at = NULL WHERE job_name = $1 AND $2 > 0",
					   2, types, values, NULL, SPI_OK_UPDATE);
	n = run_sql(schedule->kind == JOB_DAY_CLOSED ?
				"SELECT d.day FROM hospital.days d, hospital.jobs j WHERE j.job_name = $1"
				" AND d.closed_at IS NOT NULL AND NOT j.days_done @> d.day AND $2 > 0 ORDER BY 1" :
				"SELECT b.day FROM hospital.batches b, hospital.jobs j WHERE j.job_name = $1"
				" AND NOT j.days_done @> b.day GROUP BY b.day"
				" HAVING count(DISTINCT b.kind) FILTER (WHERE b.state = 'ingested') >= $2"
				" AND NOT bool_or(b.state IN ('written', 'loading')) ORDER BY 1",
				2, types, values, NULL, SPI_OK_SELECT);
	if (n == 0)
		return;
	days = palloc(n * sizeof(Datum));
	for (uint64 i = 0; i < n; i++)
	{
		days[i] = column(i, 1, &isnull);
		note_missed(missed, days[i]);
	}
	insert_runs(job, missed, true);
	values[2] = PointerGetDatum(construct_array(days, (int) n, DATEOID, sizeof(DateADT), true, TYPALIGN_INT));
	(void) run_sql("UPDATE hospital.jobs SET days_done = days_done +"
				   " (SELECT range_agg(daterange(d, d + 1)) FROM unnest($3) d) WHERE job_name = $1 AND $2 > 0",
				   3, types, values, NULL, SPI_OK_UPDATE);
}

static void
plan_job(Job *job, JobOutlook *outlook, TimestampTz now)
{
	JobSchedule schedule;
	Missed	   *missed = palloc0(sizeof(Missed));

	job_schedule_parse(&schedule, job->schedule, job->zone);
	missed->limit = job->catch_up == CATCH_UP_ALL ? Min(Max(job->limit, 1), RUNS_LIMIT) : 1;
	job->limit = missed->limit;
	if (job_schedule_is_timed(&schedule))
		plan_times(job, &schedule, missed, now);
	else
	{
		outlook->events = true;
		plan_days(job, &schedule, missed);
	}
}

/*
 * The table is anybody's who may write it: a schedule that cannot be read is
 * that job's own trouble, and said in its row.
 */
static void
plan_or_note(Job *job, JobOutlook *outlook, TimestampTz now)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	Oid			types[] = {TEXTOID, TEXTOID};
	Datum		values[2];

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(caller);
	PG_TRY();
	{
		plan_job(job, outlook, now);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = owner;
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
			ReThrowError(error);
		values[0] = CStringGetTextDatum(job->name);
		values[1] = CStringGetTextDatum(error->message);
		(void) run_sql("UPDATE hospital.jobs SET problem = $2, next_due_at = NULL WHERE job_name = $1"
					   " AND (problem IS DISTINCT FROM $2 OR next_due_at IS NOT NULL)", 2, types, values, NULL, SPI_OK_UPDATE);
		FreeErrorData(error);
	}
	PG_END_TRY();
}

static char *
text_column(uint64 row, int number)
{
	return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, number);
}

static Job *
read_jobs(const JobOutlook *outlook, uint64 *n)
{
	Oid			types[] = {BOOLOID};
	Datum		values[] = {BoolGetDatum(outlook->running)};
	Job		   *jobs;
	bool		isnull;

	*n = run_sql("SELECT job_name, schedule, time_zone, catch_up, catch_up_limit, starts_at, next_due_at"
				 " FROM hospital.jobs WHERE enabled AND schedule IS NOT NULL AND ($1 OR while_stopped)"
				 " ORDER BY job_name", 1, types, values, NULL, SPI_OK_SELECT);
	jobs = palloc0((*n + 1) * sizeof(Job));
	for (uint64 i = 0; i < *n; i++)
	{
		Job		   *job = &jobs[i];
		char	   *catch_up = text_column(i, 4);

		job->name = text_column(i, 1);
		job->schedule = text_column(i, 2);
		job->zone = text_column(i, 3);
		job->catch_up = strcmp(catch_up, "all") == 0 ? CATCH_UP_ALL :
			strcmp(catch_up, "skip") == 0 ? CATCH_UP_SKIP : CATCH_UP_ONCE;
		job->limit = DatumGetInt32(column(i, 5, &isnull));
		job->starts_at = DatumGetTimestampTz(column(i, 6, &isnull));
		job->next_due_at = DatumGetTimestampTz(column(i, 7, &job->is_new));
		job->is_new |= job->next_due_at == DT_NOBEGIN;
	}
	return jobs;
}

/* Jobs that run after others, and have no time of their own. */
static void
plan_followers(const JobOutlook *outlook)
{
	Oid			types[] = {BOOLOID};
	Datum		values[] = {BoolGetDatum(outlook->running)};

	(void) run_sql("INSERT INTO hospital.job_history (job_name, cause, due_at)"
				   " SELECT j.job_name, 'job', clock_timestamp() FROM hospital.jobs j"
				   " WHERE j.enabled AND ($1 OR j.while_stopped) AND j.schedule IS NULL AND j.depends_on <> '{}'"
				   " AND NOT EXISTS (SELECT FROM hospital.job_history r WHERE r.job_name = j.job_name"
				   "  AND r.cause = 'job' AND r.state IN ('waiting', 'running'))"
				   " AND NOT EXISTS (SELECT FROM unnest(j.depends_on) WITH ORDINALITY d (name, n)"
				   "  WHERE coalesce((SELECT max(s.run_id) FROM hospital.job_history s WHERE s.job_name = d.name"
				   "   AND s.state = 'succeeded'), 0) <= coalesce(j.seen_runs[d.n], 0))",
				   1, types, values, NULL, SPI_OK_INSERT);
}

bool
job_plan(JobOutlook *outlook)
{
	TimestampTz now;
	Job		   *jobs;
	uint64		n;

	memset(outlook, 0, sizeof(*outlook));
	outlook->next = DT_NOEND;
	if (!have_jobs())
		return false;
	hospital_lock_transaction(HOSPITAL_LOCK_JOBS, ExclusiveLock);
	now = GetCurrentTimestamp();
	outlook->running = hospital_is_running();
	finish_crashed();
	jobs = read_jobs(outlook, &n);
	for (uint64 i = 0; i < n; i++)
		plan_or_note(&jobs[i], outlook, now);
	plan_followers(outlook);
	finish_orphans();
	return true;
}

/* ---- what may begin --------------------------------------------------------------- */

/* By hand anything may, but what hospital_stop has ended is not tried again before the start. */
#define MAY_NOW \
	"($1 OR j.while_stopped) AND (j.enabled OR r.cause = 'by hand') OR r.cause = 'by hand' AND r.attempt = 1"

/*
 * Of a job one run at a time, in the order of their times; those by hand need
 * not wait for others.
 */
#define MAY_BEGIN \
	" FROM hospital.job_history r JOIN hospital.jobs j USING (job_name)" \
	" WHERE r.state = 'waiting' AND coalesce(r.start_after, r.due_at) <= clock_timestamp()" \
	" AND (" MAY_NOW ")" \
	" AND NOT EXISTS (SELECT FROM hospital.job_history o WHERE o.job_name = r.job_name AND o.state = 'running')" \
	" AND (r.cause = 'by hand' OR (NOT EXISTS (SELECT FROM hospital.job_history o WHERE o.job_name = r.job_name" \
	"   AND o.state = 'waiting' AND o.cause = r.cause AND (o.due_at, o.run_id) < (r.due_at, r.run_id))" \
	"  AND (r.attempt > 1 OR NOT EXISTS (SELECT FROM unnest(j.depends_on) WITH ORDINALITY d (name, n)" \
	"   WHERE coalesce((SELECT max(s.run_id) FROM hospital.job_history s WHERE s.job_name = d.name" \
	"    AND s.state = 'succeeded'), 0) <= coalesce(j.seen_runs[d.n], 0)))))"

static void
note_seen(int64 run_id)
{
	Oid			types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(run_id)};

	(void) run_sql("UPDATE hospital.jobs j SET seen_runs = ARRAY("
				   " SELECT coalesce((SELECT max(s.run_id) FROM hospital.job_history s WHERE s.job_name = d.name"
				   "  AND s.state = 'succeeded'), 0) FROM unnest(j.depends_on) WITH ORDINALITY d (name, n) ORDER BY d.n)"
				   " FROM hospital.job_history r WHERE r.run_id = $1 AND r.job_name = j.job_name"
				   " AND r.cause <> 'by hand' AND r.attempt = 1 AND j.depends_on <> '{}'",
				   1, types, values, NULL, SPI_OK_UPDATE);
}

bool
job_claim(const JobOutlook *outlook, JobRun *run)
{
	Oid			types[] = {BOOLOID};
	Datum		values[] = {BoolGetDatum(outlook->running)};
	Oid			claim_types[] = {INT8OID, INT4OID};
	Datum		claim_values[2];
	bool		isnull;

	if (run_sql("SELECT r.run_id, r.job_name, j.command, r.due_at, r.day,"
				" (extract(epoch FROM j.max_runtime) * 1000)::bigint, j.while_stopped"
				MAY_BEGIN " ORDER BY coalesce(r.start_after, r.due_at), r.run_id LIMIT 1",
				1, types, values, NULL, SPI_OK_SELECT) == 0)
		return false;
	run->run_id = DatumGetInt64(column(0, 1, &isnull));
	strlcpy(run->name, text_column(0, 2), sizeof(run->name));
	run->command = text_column(0, 3);
	run->due_at = DatumGetTimestampTz(column(0, 4, &isnull));
	run->day = DatumGetDateADT(column(0, 5, &isnull));
	run->has_day = !isnull;
	run->max_ms = DatumGetInt64(column(0, 6, &isnull));
	if (isnull)
		run->max_ms = 0;
	run->stays = DatumGetBool(column(0, 7, &isnull));

	note_seen(run->run_id);
	claim_values[0] = Int64GetDatum(run->run_id);
	claim_values[1] = Int32GetDatum(MyProcPid);
	(void) run_sql("UPDATE hospital.job_history SET state = 'running', pid = $2, started_at = clock_timestamp()"
				   " WHERE run_id = $1", 2, claim_types, claim_values, NULL, SPI_OK_UPDATE);
	return true;
}

/* After job_plan, and job_claim if there was one. */
void
job_look_ahead(JobOutlook *outlook)
{
	Oid			types[] = {BOOLOID};
	Datum		values[] = {BoolGetDatum(outlook->running)};
	bool		isnull;
	Datum		next;

	run_sql("SELECT least((SELECT min(j.next_due_at) FROM hospital.jobs j WHERE j.enabled AND j.schedule IS NOT NULL"
			"  AND ($1 OR j.while_stopped)),"
			" (SELECT min(r.start_after) FROM hospital.job_history r JOIN hospital.jobs j USING (job_name)"
			"  WHERE r.state = 'waiting' AND r.start_after > clock_timestamp() AND (" MAY_NOW "))), EXISTS (SELECT" MAY_BEGIN ")",
			1, types, values, NULL, SPI_OK_SELECT);
	next = column(0, 1, &isnull);
	outlook->next = isnull ? DT_NOEND : DatumGetTimestampTz(next);
	outlook->more = DatumGetBool(column(0, 2, &isnull));
	if (outlook->events)
		outlook->next = Min(outlook->next,
							TimestampTzPlusMilliseconds(GetCurrentTimestamp(), LOOK_FOR_DAYS_MS));
}
