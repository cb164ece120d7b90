/*
 * publish_request.c: CALL hospital_publish(from_day, to_day), and its requests.
 *
 * There is one producer, in the scheduler.  So the call only leaves a row in
 * hospital.publish_requests, wakes the scheduler, and looks at the row several
 * times a second until it is over; between two looks its transaction has
 * nothing, no snapshot and no lock.  Interrupted, it gives the request up: days
 * that are published by then are, and another call goes on after them.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "day_file.h"
#include "kept_plan.h"
#include "procedure.h"
#include "publish_request.h"
#include "settings.h"
#include "shared_state.h"
#include "simulation.h"
#include "worker.h"

#define LOOK_MS 100

PG_FUNCTION_INFO_V1(hospital_publish);

/* ---- the scheduler's ---- */

void
publish_request_read(PublishRequest *request)
{
	static KeptPlan plan;
	bool		isnull;

	request->id = 0;
	if (kept_run(&plan, "SELECT request_id, coalesce(done_day + 1, from_day), to_day"
				 " FROM hospital.publish_requests WHERE state IN ('waiting', 'running')"
				 " ORDER BY request_id LIMIT 1", 0, NULL, NULL, NULL, SPI_OK_SELECT) > 0)
	{
		request->id = DatumGetInt64(kept_value(0, 1, &isnull));
		request->next_day = DatumGetDateADT(kept_value(0, 2, &isnull));
		request->to_day = DatumGetDateADT(kept_value(0, 3, &isnull));
	}
	kept_done();
}

static void
execute(const char *query, int nargs, Oid *types, Datum *values, const char *nulls, int expected)
{
	if (SPI_execute_with_args(query, nargs, types, values, nulls, false, 0) != expected)
		elog(ERROR, "could not write hospital.publish_requests");
}

void
publish_request_end(const PublishRequest *request, const char *failure)
{
	Oid			types[] = {INT8OID, TEXTOID, TEXTOID};
	Datum		values[] = {
		Int64GetDatum(request->id), CStringGetTextDatum(failure == NULL ? "done" : "failed"),
		failure == NULL ? (Datum) 0 : CStringGetTextDatum(failure)
	};

	execute("UPDATE hospital.publish_requests SET state = $2, message = $3,"
			" finished_at = pg_catalog.clock_timestamp()"
			" WHERE request_id = $1 AND state IN ('waiting', 'running')",
			3, types, values, failure == NULL ? "  n" : NULL, SPI_OK_UPDATE);
}

/* ---- the call ---- */

/* Without these the request would wait for ever. */
static void
require_workers(void)
{
	const char *database = get_database_name(MyDatabaseId);

	if (hospital_control == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("nobody can publish: the library was not loaded at server start"),
				 errhint("Add hospital to shared_preload_libraries and restart the server.")));
	if (!control_database_is_listed(database))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("nobody can publish: database \"%s\" is not in hospital.databases", database),
				 errhint("Add it there and reload the configuration.")));
	if (hospital_kafka_brokers[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no Kafka brokers are set"),
				 errhint("Set hospital.kafka_brokers.")));
}

static void
require_days(DateADT from, DateADT to)
{
	Simulation	simulation;

	if (!simulation_read(&simulation, true))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no hospital in this database"),
				 errhint("Make one with CALL hospital_create() or CALL hospital_load_people(...).")));
	if (from < simulation.start_date || to > simulation.end_date || from > to)
	{
		const char *start = pstrdup(day_file_date(simulation.start_date));

		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there are no such days to publish"),
				 errdetail("The simulation is from %s to %s.", start,
						   day_file_date(simulation.end_date)),
				 errhint("The first day comes first.")));
	}
}

static int64
insert_request(DateADT from, DateADT to)
{
	Oid			types[] = {DATEOID, DATEOID};
	Datum		values[] = {DateADTGetDatum(from), DateADTGetDatum(to)};
	bool		isnull;

	execute("INSERT INTO hospital.publish_requests (from_day, to_day) VALUES ($1, $2)"
			" RETURNING request_id", 2, types, values, NULL, SPI_OK_INSERT_RETURNING);
	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

/* Wakes the scheduler, or has the launcher start one. */
static int64
make_request(DateADT from, DateADT to)
{
	int64		id;

	procedure_begin_step();
	require_days(from, to);
	id = insert_request(from, to);
	procedure_end_step();
	worker_wake_at_commit(WORKER_SCHEDULER);
	worker_wake_at_commit(WORKER_LAUNCHER);
	procedure_commit();
	return id;
}

/* An error inside a step leaves its SPI connection to whoever catches it. */
static bool in_step = false;

static void
begin_step(void)
{
	procedure_begin_step();
	in_step = true;
}

static void
end_step(void)
{
	in_step = false;
	procedure_end_step();
}

static void
abandon_step(void)
{
	if (!in_step)
		return;
	in_step = false;
	while (ActiveSnapshotSet())
		PopActiveSnapshot();
	SPI_finish();
}

/* Raises when it failed. */
static bool
is_done(int64 id)
{
	Oid			types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(id)};
	char	   *state;
	char	   *message;

	begin_step();
	execute("SELECT state, message FROM hospital.publish_requests WHERE request_id = $1",
			1, types, values, NULL, SPI_OK_SELECT);
	state = SPI_processed == 0 ? "lost" : SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	message = SPI_processed == 0 ? NULL : SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2);
	if (strcmp(state, "done") != 0 && strcmp(state, "waiting") != 0 && strcmp(state, "running") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				 errmsg("the days were not all published: %s", message != NULL ? message : state),
				 errdetail("It is request " INT64_FORMAT " of hospital.publish_requests.", id),
				 errhint("Call hospital_publish again; what is published is not sent again.")));
	if (strcmp(state, "done") == 0)
	{
		end_step();
		return true;
	}
	end_step();
	procedure_commit();
	return false;
}

static void
wait_until_done(int64 id)
{
	static uint32 wait_event = 0;

	while (!is_done(id))
	{
		/* The settings may be others by now. */
		require_workers();
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, LOOK_MS,
						 hospital_wait_event(&wait_event, "HospitalPublish"));
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

static void
give_up(int64 id)
{
	Oid			types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(id)};

	procedure_pin_settings();
	begin_step();
	execute("UPDATE hospital.publish_requests SET state = 'given up',"
			" finished_at = pg_catalog.clock_timestamp()"
			" WHERE request_id = $1 AND state IN ('waiting', 'running')",
			1, types, values, NULL, SPI_OK_UPDATE);
	end_step();
	SPI_commit();
}

/* An error in between, a cancel as a rule, ends the request, not what was done. */
static void
wait_or_give_up(int64 id, MemoryContext context)
{
	PG_TRY();
	{
		wait_until_done(id);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		HOLD_CANCEL_INTERRUPTS();
		abandon_step();
		SPI_rollback();
		give_up(id);
		RESUME_CANCEL_INTERRUPTS();
		ReThrowError(error);
	}
	PG_END_TRY();
}

Datum
hospital_publish(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	DateADT		from,
				to;

	procedure_require_top_level(fcinfo, "hospital_publish");
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("both days must be given")));
	from = PG_GETARG_DATEADT(0);
	to = PG_GETARG_DATEADT(1);
	require_workers();

	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	procedure_pin_settings();
	context = AllocSetContextCreate(PortalContext, "hospital publish", ALLOCSET_SMALL_SIZES);
	wait_or_give_up(make_request(from, to), context);
	SPI_finish();
	PG_RETURN_VOID();
}
