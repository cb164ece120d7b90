/*
 * procedure.c: procedures that commit on their way: settings and steps.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "nodes/parsenodes.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "pinned_settings.h"
#include "procedure.h"
#include "version.h"

void
procedure_require_top_level(FunctionCallInfo fcinfo, const char *name)
{
	CallContext *context = (CallContext *) fcinfo->context;

	if (context == NULL || !IsA(context, CallContext) || context->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("%s cannot run inside a transaction block", name),
				 errdetail("It works in transactions of its own."),
				 errhint("CALL it by itself, outside BEGIN … COMMIT and outside functions.")));
}

void
procedure_pin_settings(void)
{
	pin_session_settings(PIN_PROCEDURE, GUC_ACTION_LOCAL);
}

void
procedure_commit(void)
{
	SPI_commit();
	procedure_pin_settings();

	/* Who waits for a row of the ledger wants to see what became of it. */
	(void) set_config_option("transaction_isolation", "read committed", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
}

void
procedure_begin_step(void)
{
	char		schema[2 * NAMEDATALEN + 3];

	/* An update may have come between two steps. */
	version_require(schema);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	PushActiveSnapshot(GetTransactionSnapshot());
}

void
procedure_end_step(void)
{
	PopActiveSnapshot();
	SPI_finish();
}

double
seconds_since(TimestampTz start)
{
	return (double) (GetCurrentTimestamp() - start) / USECS_PER_SEC;
}
