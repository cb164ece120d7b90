/*
 * record_columns.c: the columns of the kinds of records, as rows of SQL.
 *
 * What hospital_validate and the declared foreign keys are made from, so that
 * records.c stays the one description.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "compat.h"
#include "records.h"

PG_FUNCTION_INFO_V1(hospital_record_columns);

static const char *const type_names[] = {
	[REC_INT8] = "bigint", [REC_INT4] = "integer", [REC_TEXT] = "text",
	[REC_TIME] = "timestamp with time zone", [REC_DATE] = "date", [REC_MONEY] = "numeric(12,2)",
	[REC_DECIMAL] = "numeric", [REC_UUID] = "uuid"
};

static const char *const reference_names[] = {
	[REF_NONE] = NULL, [REF_PATIENT] = "patients", [REF_STAFF] = "staff",
	[REF_ADMISSION] = "admissions", [REF_WARD] = "wards", [REF_DEPARTMENT] = "departments",
	[REF_MEDICINE] = "medicines"
};

static const char *const merge_names[] = {
	[MERGE_NEVER] = "never", [MERGE_COMPLETES] = "completes", [MERGE_SAME] = "same"
};

static Datum
word_array(const char *const *words)
{
	Datum		values[32];
	int			n = 0;

	while (n < (int) lengthof(values) && words[n])
	{
		values[n] = CStringGetTextDatum(words[n]);
		n++;
	}
	return PointerGetDatum(construct_array(values, n, TEXTOID, -1, false, TYPALIGN_INT));
}

static HeapTuple
column_tuple(TupleDesc tupdesc, const RecordKind *kind, int number)
{
	const RecordColumn *column = &kind->columns[number];
	Datum		values[12];
	bool		nulls[12] = {0};

	values[0] = CStringGetTextDatum(kind->name);
	values[1] = CStringGetTextDatum(kind->table + strlen("hospital."));
	values[2] = Int32GetDatum(kind->stage);
	values[3] = CStringGetTextDatum(merge_names[kind->merge]);
	values[4] = Int32GetDatum(number + 1);
	values[5] = CStringGetTextDatum(column->name);
	values[6] = CStringGetTextDatum(type_names[column->type]);
	values[7] = BoolGetDatum(number == kind->key);
	values[8] = BoolGetDatum((column->flags & REC_NULLABLE) != 0);
	values[9] = BoolGetDatum((column->flags & REC_COMPLETES) != 0);
	nulls[10] = column->reference == REF_NONE;
	if (!nulls[10])
		values[10] = CStringGetTextDatum(reference_names[column->reference]);
	nulls[11] = column->values == NULL;
	if (!nulls[11])
		values[11] = word_array(column->values);
	return heap_form_tuple(tupdesc, values, nulls);
}

Datum
hospital_record_columns(PG_FUNCTION_ARGS)
{
	FuncCallContext *funcctx;
	int			number;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext old;
		TupleDesc	tupdesc;

		funcctx = SRF_FIRSTCALL_INIT();
		if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE || tupdesc->natts != 12)
			elog(ERROR, "hospital_record_columns is declared with other columns");
		old = MemoryContextSwitchTo(funcctx->multi_call_memory_ctx);
		funcctx->tuple_desc = BlessTupleDesc(CreateTupleDescCopy(tupdesc));
		MemoryContextSwitchTo(old);
	}
	funcctx = SRF_PERCALL_SETUP();
	number = (int) funcctx->call_cntr;
	for (int kind = 0; kind < RECORD_KINDS; kind++)
	{
		if (number < record_kinds[kind].ncolumns)
		{
			HeapTuple	tuple = column_tuple(funcctx->tuple_desc, &record_kinds[kind], number);

			SRF_RETURN_NEXT(funcctx, HeapTupleGetDatum(tuple));
		}
		number -= record_kinds[kind].ncolumns;
	}
	SRF_RETURN_DONE(funcctx);
}
