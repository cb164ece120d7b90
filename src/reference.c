/*
 * reference.c: the reference data, for generators and as SQL.
 *
 * CREATE EXTENSION fills its reference tables from hospital_reference(), so
 * that the CSVs of data/ are the one source of the tables and of what generators
 * look up, here or in reference_data.h.
 *
 * Some CSVs generators do not look up: what they say is rules, or a number here
 * and there, and is in C once more.  These are arrival_modifiers (calendar.c),
 * free_services (day_bills.c), patient_class (patients.c), and transitions,
 * triage_sats and volumes, which are named beside their numbers.  Whoever changes
 * one of them changes C as well.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "reference.h"

PG_FUNCTION_INFO_V1(hospital_reference);
PG_FUNCTION_INFO_V1(hospital_reference_columns);

/* NULL: there is none. */
static const ReferenceTable *
find_table(const char *name)
{
	for (int i = 0; i < reference_table_count; i++)
		if (strcmp(reference_tables[i].name, name) == 0)
			return &reference_tables[i];
	return NULL;
}

/* ---- for generators ---- */

const ReferenceTable *
reference_named(const char *name)
{
	const ReferenceTable *table = find_table(name);

	if (table == NULL)
		elog(ERROR, "reference data \"%s\" is missing", name);
	return table;
}

const char *
reference_cell(const ReferenceTable *table, int row, const char *column)
{
	for (int i = 0; i < table->ncolumns; i++)
		if (strcmp(table->columns[i], column) == 0)
			return table->cells[row * table->ncolumns + i];
	elog(ERROR, "reference data \"%s\" has no column \"%s\"", table->name, column);
	return NULL;				/* not reached */
}

int
reference_row(const ReferenceTable *table, const char *column, const char *value)
{
	for (int row = 0; row < table->nrows; row++)
	{
		const char *cell = reference_cell(table, row, column);

		if (cell != NULL && strcmp(cell, value) == 0)
			return row;
	}
	return -1;
}

int64
reference_scaled(const char *text, int wanted)
{
	int64		value = 0;
	int			decimals = -1;

	for (const char *p = text; p != NULL && *p != '\0' && decimals < wanted; p++)
	{
		if (*p == '.')
			decimals = 0;
		else
		{
			value = value * 10 + (*p - '0');
			if (decimals >= 0)
				decimals++;
		}
	}
	for (int i = Max(decimals, 0); i < wanted; i++)
		value *= 10;
	return value;
}

/* ---- as SQL ---- */

static const ReferenceTable *
asked_table(const text *name)
{
	const ReferenceTable *table = find_table(text_to_cstring(name));

	if (table == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("no reference data named \"%s\"", text_to_cstring(name)),
				 errhint("The names are those of the extension's data files, without .csv.")));
	return table;
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
	const ReferenceTable *table = asked_table(PG_GETARG_TEXT_PP(0));

	PG_RETURN_DATUM(text_array(table->columns, table->ncolumns));
}

Datum
hospital_reference(PG_FUNCTION_ARGS)
{
	FuncCallContext *funcctx;

	if (SRF_IS_FIRSTCALL())
	{
		funcctx = SRF_FIRSTCALL_INIT();
		funcctx->user_fctx = (void *) asked_table(PG_GETARG_TEXT_PP(0));
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
