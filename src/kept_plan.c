/*
 * kept_plan.c: statements that a process runs again and again.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "kept_plan.h"

static void
prepare(KeptPlan *kept, const char *query, int nargs, const Oid *types)
{
	Oid			copy[KEPT_ARGS];
	SPIPlanPtr	plan;

	Assert(nargs <= KEPT_ARGS);
	if (nargs > 0)
		memcpy(copy, types, nargs * sizeof(Oid));
	plan = SPI_prepare(query, nargs, copy);
	if (plan == NULL || SPI_keepplan(plan) != 0)
		elog(ERROR, "could not prepare: %s", query);
	if (kept->plan != NULL)
		SPI_freeplan(kept->plan);
	if (kept->query != NULL)
		pfree(kept->query);
	kept->plan = NULL;
	kept->query = MemoryContextStrdup(TopMemoryContext, query);
	kept->plan = plan;
}

uint64
kept_run(KeptPlan *kept, const char *query, int nargs, const Oid *types, Datum *values,
		 const char *nulls, int expected)
{
	MemoryContext caller = CurrentMemoryContext;

	if (kept->plan == NULL || strcmp(kept->query, query) != 0)
		prepare(kept, query, nargs, types);
	if (SPI_execute_plan(kept->plan, values, nulls, false, 0) != expected)
		elog(ERROR, "could not execute: %s", query);
	MemoryContextSwitchTo(caller);
	return SPI_processed;
}

Datum
kept_value(uint64 row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, isnull);
}

void
kept_done(void)
{
	if (SPI_tuptable != NULL)
		SPI_freetuptable(SPI_tuptable);
}
