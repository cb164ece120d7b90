/*
 * kept_plan.c: statements that a process runs again and again.
 *
 * A plan that is kept is made once, often while its tables are empty, and its
 * arrays have no length then: reading all of the table looks cheap, and is not
 * when the table has grown and the array has two thousand numbers.  These
 * statements ask for few rows by an index, so the planner is told to look for
 * one; and it is spared the arrays' values, which would be looked at one by one.
 * (Not so an INSERT, which may run triggers of the user's.)  A scan that cannot
 * be had otherwise then looks so dear that the plan would be compiled: never.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "jit/jit.h"
#include "nodes/parsenodes.h"
#include "optimizer/cost.h"
#include "utils/array.h"
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
	plan = SPI_prepare_cursor(query, nargs, copy, CURSOR_OPT_GENERIC_PLAN);
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
	const bool	seqscan = enable_seqscan;
	const bool	jit = jit_enabled;

	if (kept->plan == NULL || strcmp(kept->query, query) != 0)
		prepare(kept, query, nargs, types);
	PG_TRY();
	{
		if (expected != SPI_OK_INSERT && expected != SPI_OK_INSERT_RETURNING)
		{
			enable_seqscan = false;
			jit_enabled = false;
		}
		if (SPI_execute_plan(kept->plan, values, nulls, false, 0) != expected)
			elog(ERROR, "could not execute: %s", query);
	}
	PG_FINALLY();
	{
		enable_seqscan = seqscan;
		jit_enabled = jit;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	return SPI_processed;
}

Datum
kept_numbers(const int64 *numbers, int n)
{
	Datum	   *elements = palloc(Max(n, 1) * sizeof(Datum));

	for (int i = 0; i < n; i++)
		elements[i] = Int64GetDatum(numbers[i]);
	return PointerGetDatum(construct_array(elements, n, INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
										   TYPALIGN_DOUBLE));
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
