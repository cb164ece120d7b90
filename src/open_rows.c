/*
 * open_rows.c: rows that this process holds, for SQL to read.
 *
 * Value per call; the executor keeps what a function in FROM gives in a
 * tuplestore, so batches are made to fit into work_mem.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "open_rows.h"

PG_FUNCTION_INFO_V1(hospital_open_rows);

static const char *open_kind = NULL;
static RowSource *open_source = NULL;

typedef struct OpenScan
{
	RowSource  *source;
	int64		row;
	Datum	   *values;
	bool	   *isnull;
	char	   *scratch;
} OpenScan;

/* An error may have come between a statement and the end of its rows. */
static void
close_after_abort(XactEvent event, void *arg)
{
	(void) arg;
	if (event == XACT_EVENT_ABORT)
		open_source = NULL;
}

void
open_rows_set(const char *kind, RowSource *source)
{
	static bool registered = false;

	if (!registered)
	{
		RegisterXactCallback(close_after_abort, NULL);
		registered = true;
	}
	open_kind = source == NULL ? NULL : kind;
	open_source = source;
}

char *
open_rows_from(const char *kind, const char *schema, const RowSourceMethods *methods)
{
	StringInfoData shape;

	initStringInfo(&shape);
	for (int i = 0; i < methods->ncolumns; i++)
		appendStringInfo(&shape, "%s%s %s", i > 0 ? ", " : "", quote_identifier(methods->columns[i].name),
						 format_type_be_qualified(methods->columns[i].type));
	return psprintf("%s.hospital_open_rows(%s::text) AS r(%s)", schema, quote_literal_cstr(kind),
					shape.data);
}

char *
open_rows_insert(const char *table, const char *kind, const char *schema,
				 const RowSourceMethods *methods, const char *conflict)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < methods->ncolumns; i++)
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "", quote_identifier(methods->columns[i].name));
	return psprintf("INSERT INTO %s (%s) SELECT %s FROM %s%s", table, names.data, names.data,
					open_rows_from(kind, schema, methods), conflict);
}

static void
begin_scan(FunctionCallInfo fcinfo, FuncCallContext *context)
{
	char	   *kind = text_to_cstring(PG_GETARG_TEXT_PP(0));
	TupleDesc	tupdesc;
	OpenScan   *scan;

	if (open_source == NULL || strcmp(open_kind, kind) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no rows of kind \"%s\" are open in this process", kind),
				 errdetail("hospital_open_rows is how the workers hand their rows to SQL."),
				 errhint("To make rows yourself, call hospital_generate_%s.", kind)));
	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("hospital_open_rows needs a column definition list")));
	rowsource_check_tupdesc(open_source->methods, tupdesc);

	scan = palloc0(sizeof(OpenScan));
	scan->source = open_source;
	scan->values = palloc(tupdesc->natts * sizeof(Datum));
	scan->isnull = palloc(tupdesc->natts * sizeof(bool));
	scan->scratch = palloc(ROW_SCRATCH);
	context->user_fctx = scan;
	context->tuple_desc = BlessTupleDesc(tupdesc);
}

Datum
hospital_open_rows(PG_FUNCTION_ARGS)
{
	FuncCallContext *context;
	OpenScan   *scan;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext caller;

		context = SRF_FIRSTCALL_INIT();
		caller = MemoryContextSwitchTo(context->multi_call_memory_ctx);
		begin_scan(fcinfo, context);
		MemoryContextSwitchTo(caller);
	}
	context = SRF_PERCALL_SETUP();
	scan = context->user_fctx;
	if ((scan->source->nrows < 0 || scan->row < scan->source->nrows) &&
		scan->source->methods->fetch(scan->source, scan->row, scan->values, scan->isnull,
									 scan->scratch))
	{
		scan->row++;
		SRF_RETURN_NEXT(context,
						HeapTupleGetDatum(heap_form_tuple(context->tuple_desc, scan->values,
														  scan->isnull)));
	}
	SRF_RETURN_DONE(context);
}
