/*
 * rowsource_srf.c: a row source as a set-returning function, value per call.
 *
 * This is what runs in the select list (where it streams) and wherever the
 * CustomScan of rowsource_scan.c does not apply: ROWS FROM, WITH ORDINALITY.
 * It is also the oracle that the CustomScan is tested against.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "miscadmin.h"

#include "rowsource.h"

typedef struct SrfState
{
	RowSource  *source;
	int64		row;
	Datum	   *values;
	bool	   *isnull;
	char	   *scratch;
} SrfState;

static void
srf_first_call(FunctionCallInfo fcinfo, const RowSourceMethods *methods, FuncCallContext *funcctx)
{
	MemoryContext old = MemoryContextSwitchTo(funcctx->multi_call_memory_ctx);
	SrfState   *state = palloc0(sizeof(SrfState));
	NullableDatum args[FUNC_MAX_ARGS];
	TupleDesc	tupdesc;

	switch (get_call_result_type(fcinfo, NULL, &tupdesc))
	{
		case TYPEFUNC_COMPOSITE:
		case TYPEFUNC_COMPOSITE_DOMAIN:
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("function returning record called in a context that cannot accept it")));
	}
	if (!rowsource_args_match(methods, fcinfo->flinfo->fn_oid))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
				 errmsg("the function does not take the arguments of hospital's own")));
	rowsource_check_tupdesc(methods, tupdesc);
	funcctx->tuple_desc = BlessTupleDesc(tupdesc);

	for (int i = 0; i < fcinfo->nargs; i++)
		args[i] = fcinfo->args[i];
	state->source = methods->open(args, fcinfo->nargs, NULL);
	state->values = palloc0(methods->ncolumns * sizeof(Datum));
	state->isnull = palloc0(methods->ncolumns * sizeof(bool));
	state->scratch = palloc(ROW_SCRATCH);
	funcctx->user_fctx = state;
	MemoryContextSwitchTo(old);
}

Datum
rowsource_srf(FunctionCallInfo fcinfo, const RowSourceMethods *methods)
{
	FuncCallContext *funcctx;
	SrfState   *state;

	if (SRF_IS_FIRSTCALL())
	{
		funcctx = SRF_FIRSTCALL_INIT();
		srf_first_call(fcinfo, methods, funcctx);
	}
	funcctx = SRF_PERCALL_SETUP();
	state = funcctx->user_fctx;
	CHECK_FOR_INTERRUPTS();

	if ((state->source->nrows < 0 || state->row < state->source->nrows) &&
		methods->fetch(state->source, state->row, state->values, state->isnull, state->scratch))
	{
		HeapTuple	tuple = heap_form_tuple(funcctx->tuple_desc, state->values, state->isnull);

		state->row++;
		SRF_RETURN_NEXT(funcctx, HeapTupleGetDatum(tuple));
	}
	SRF_RETURN_DONE(funcctx);
}
