/*
 * reference.c: the reference data as SQL.
 *
 * CREATE EXTENSION fills its reference tables from hospital_reference(), so
 * that the CSVs of data/ are the one source of both the generators' constants
 * and the tables.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "reference_data.h"

PG_FUNCTION_INFO_V1(hospital_reference);
PG_FUNCTION_INFO_V1(hospital_reference_columns);

static const ReferenceTable *
find_table(const char *name)
{
	for (int i = 0; i < reference_table_count; i++)
		if (strcmp(reference_tables[i].name, name) == 0)
			return &reference_tables[i];
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("no reference data named \"%s\"", name),
			 errhint("The names are those of the extension's data files, without .csv.")));
	return NULL;				/* not reached */
}

/* A text array of n strings, NULL where there is none. */
static Datum
text_array(const char *const *cells, int n)
{
	Datum	   *values = palloc(n * sizeof(Datum));
	bool	   *nulls = palloc(n * sizeof(bool));
	int			dims = n,
				lower = 1;

	for (int i = 0; i < n; i++)
	{
		nulls[i] = cells[i] == NULL;
		values[i] = nulls[i] ? (Datum) 0 : CStringGetTextDatum(cells[i]);
	}
	return PointerGetDatum(construct_md_array(values, nulls, 1, &dims, &lower,
											  TEXTOID, -1, false, TYPALIGN_INT));
}

Datum
hospital_reference_columns(PG_FUNCTION_ARGS)
{
	const ReferenceTable *table = find_table(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	PG_RETURN_DATUM(text_array(table->columns, table->ncolumns));
}

Datum
hospital_reference(PG_FUNCTION_ARGS)
{
	FuncCallContext *funcctx;

	if (SRF_IS_FIRSTCALL())
	{
		funcctx = SRF_FIRSTCALL_INIT();
		funcctx->user_fctx = (void *) find_table(text_to_cstring(PG_GETARG_TEXT_PP(0)));
		funcctx->max_calls = ((const ReferenceTable *) funcctx->user_fctx)->nrows;
	}
	funcctx = SRF_PERCALL_SETUP();
	if (funcctx->call_cntr < funcctx->max_calls)
	{
		const ReferenceTable *table = funcctx->user_fctx;
		Datum		row = text_array(table->cells + funcctx->call_cntr * table->ncolumns,
									 table->ncolumns);

		SRF_RETURN_NEXT(funcctx, row);	/* it counts before it looks at the row */
	}
	SRF_RETURN_DONE(funcctx);
}
