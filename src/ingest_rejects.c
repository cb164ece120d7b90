/*
 * ingest_rejects.c: lines that become no rows, on their way to hospital.rejects.
 *
 * They are written by one statement for all of a piece of the file: at one bad
 * line in a hundred they must not cost more than the good ones.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "ingest_refs.h"
#include "ingest_rejects.h"
#include "kept_plan.h"

enum
{
	COL_LINE, COL_COLUMN, COL_RAW, COL_SQLSTATE, COL_MESSAGE, COL_REFERENCE, COL_REFERENCE_ID,
	COL_REFERENCE_TEXT, COL_REJECT_ID, COLUMNS
};

static const Oid column_types[COLUMNS] = {
	INT8OID, TEXTOID, BYTEAOID, TEXTOID, TEXTOID, TEXTOID, INT8OID, TEXTOID, INT8OID
};

static const Oid array_types[COLUMNS] = {
	INT8ARRAYOID, TEXTARRAYOID, BYTEAARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, INT8ARRAYOID,
	TEXTARRAYOID, INT8ARRAYOID
};

struct Rejects
{
	const Batch *batch;
	const RecordKind *kind;
	LineSource	source;
	void	   *arg;
	MemoryContext owner;
	MemoryContext context;		/* of those that are held */
	int			n;
	int			capacity;
	Datum	   *values[COLUMNS];
	bool	   *nulls[COLUMNS];
	int64		count;
	int64		orphans;
	char	   *first;
};

Rejects *
rejects_begin(const Batch *batch, const RecordKind *kind, LineSource source, void *arg)
{
	Rejects    *rejects = palloc0(sizeof(Rejects));

	rejects->batch = batch;
	rejects->kind = kind;
	rejects->source = source;
	rejects->arg = arg;
	rejects->owner = CurrentMemoryContext;
	rejects->context = AllocSetContextCreate(CurrentMemoryContext, "hospital rejects",
											 ALLOCSET_DEFAULT_SIZES);
	return rejects;
}

int64
rejects_count(const Rejects *rejects)
{
	return rejects->count;
}

int64
rejects_orphans(const Rejects *rejects)
{
	return rejects->orphans;
}

const char *
rejects_first(const Rejects *rejects)
{
	return rejects->first;
}

static void
grow(Rejects *rejects)
{
	int			capacity = rejects->capacity == 0 ? 64 : rejects->capacity * 2;

	for (int c = 0; c < COLUMNS; c++)
	{
		Datum	   *values = palloc(capacity * sizeof(Datum));
		bool	   *nulls = palloc(capacity * sizeof(bool));

		if (rejects->n > 0)
		{
			memcpy(values, rejects->values[c], rejects->n * sizeof(Datum));
			memcpy(nulls, rejects->nulls[c], rejects->n * sizeof(bool));
		}
		rejects->values[c] = values;
		rejects->nulls[c] = nulls;
	}
	rejects->capacity = capacity;
}

static void
put(Rejects *rejects, int column, Datum value)
{
	rejects->values[column][rejects->n] = value;
	rejects->nulls[column][rejects->n] = false;
}

/* What the record refers to by the column at fault. */
static void
put_reference(Rejects *rejects, const RecordColumn *column, const void *record)
{
	const char *field = (const char *) record + column->offset;

	put(rejects, COL_REFERENCE, CStringGetTextDatum(reference_table(column->reference)));
	if (reference_is_text(column->reference))
	{
		const RecText *text = (const RecText *) field;

		put(rejects, COL_REFERENCE_TEXT,
			PointerGetDatum(cstring_to_text_with_len(text->data, (int) text->length)));
	}
	else
		put(rejects, COL_REFERENCE_ID, Int64GetDatum(*(const int64 *) field));
	if (column->reference == REF_PATIENT || column->reference == REF_ADMISSION)
		rejects->orphans++;
}

static void
remember_first(Rejects *rejects, const LineRef *line, const RecordFault *fault)
{
	if (rejects->first != NULL)
		return;
	MemoryContextSwitchTo(rejects->owner);
	rejects->first = fault->column < 0 ?
		psprintf("line " INT64_FORMAT ": %s", line->line, fault->message) :
		psprintf("line " INT64_FORMAT ", %s: %s", line->line,
				 rejects->kind->columns[fault->column].name, fault->message);
}

void
rejects_add(Rejects *rejects, const LineRef *line, const RecordFault *fault, const void *record)
{
	MemoryContext caller = MemoryContextSwitchTo(rejects->context);
	const RecordColumn *column = fault->column < 0 ? NULL : &rejects->kind->columns[fault->column];
	const char *raw = line->raw != NULL ? line->raw : rejects->source(rejects->arg, line);

	if (rejects->n == rejects->capacity)
		grow(rejects);
	for (int c = 0; c < COLUMNS; c++)
	{
		rejects->values[c][rejects->n] = (Datum) 0;
		rejects->nulls[c][rejects->n] = true;
	}
	put(rejects, COL_LINE, Int64GetDatum(line->line));
	if (column != NULL)
		put(rejects, COL_COLUMN, CStringGetTextDatum(column->name));
	put(rejects, COL_RAW, PointerGetDatum(cstring_to_text_with_len(raw, (int) line->raw_length)));
	put(rejects, COL_SQLSTATE, CStringGetTextDatum(unpack_sql_state(fault->sqlstate)));
	put(rejects, COL_MESSAGE, CStringGetTextDatum(fault->message));
	if (column != NULL && record != NULL && column->reference != REF_NONE &&
		fault->sqlstate == ERRCODE_FOREIGN_KEY_VIOLATION)
		put_reference(rejects, column, record);
	if (line->reject_id != 0)
		put(rejects, COL_REJECT_ID, Int64GetDatum(line->reject_id));
	rejects->n++;
	rejects->count++;
	remember_first(rejects, line, fault);
	MemoryContextSwitchTo(caller);
}

static Datum
column_array(const Rejects *rejects, int column)
{
	Oid			type = column_types[column];
	int			dims[] = {rejects->n};
	int			bounds[] = {1};

	return PointerGetDatum(construct_md_array(rejects->values[column], rejects->nulls[column], 1,
											  dims, bounds, type,
											  type == INT8OID ? (int) sizeof(int64) : -1,
											  type == INT8OID ? FLOAT8PASSBYVAL : false,
											  type == INT8OID ? TYPALIGN_DOUBLE : TYPALIGN_INT));
}

#define REJECT_ARRAYS "unnest($1, $2, $3, $4, $5, $6, $7, $8, $9)" \
	" AS u (line, column_name, raw, sqlstate, message, reference, reference_id, reference_text, reject_id)"

static void
insert_rejects(Rejects *rejects, Datum *values)
{
	static KeptPlan plan;
	Oid			types[COLUMNS + 4];

	memcpy(types, array_types, sizeof(array_types));
	types[COLUMNS] = INT8OID;
	types[COLUMNS + 1] = TEXTOID;
	types[COLUMNS + 2] = DATEOID;
	types[COLUMNS + 3] = TEXTOID;
	values[COLUMNS] = Int64GetDatum(rejects->batch->batch_id);
	values[COLUMNS + 1] = CStringGetTextDatum(rejects->kind->name);
	values[COLUMNS + 2] = DateADTGetDatum(rejects->batch->day);
	values[COLUMNS + 3] = CStringGetTextDatum(pg_encoding_to_char(rejects->batch->encoding));
	kept_run(&plan, "INSERT INTO hospital.rejects (batch_id, kind, day, line, column_name, raw, encoding,"
			 " sqlstate, message, reference, reference_id, reference_text, rejected_at)"
			 " SELECT $10, $11, $12, line, column_name, raw, $13,"
			 " sqlstate, message, reference, reference_id, reference_text, clock_timestamp()"
			 " FROM " REJECT_ARRAYS, lengthof(types), types, values, NULL, SPI_OK_INSERT);
}

static void
update_rejects(Rejects *rejects, Datum *values)
{
	static KeptPlan plan;

	kept_run(&plan, "UPDATE hospital.rejects r SET column_name = u.column_name, sqlstate = u.sqlstate,"
			 " message = u.message, reference = u.reference, reference_id = u.reference_id,"
			 " reference_text = u.reference_text, attempts = r.attempts + 1, rejected_at = clock_timestamp()"
			 " FROM " REJECT_ARRAYS " WHERE r.reject_id = u.reject_id",
			 lengthof(array_types), array_types, values, NULL, SPI_OK_UPDATE);
}

/* All of a flush are new, or all have been tried before. */
void
rejects_flush(Rejects *rejects)
{
	MemoryContext caller = MemoryContextSwitchTo(rejects->context);
	Datum		values[COLUMNS + 4];

	if (rejects->n > 0)
	{
		for (int c = 0; c < COLUMNS; c++)
			values[c] = column_array(rejects, c);
		if (rejects->nulls[COL_REJECT_ID][0])
			insert_rejects(rejects, values);
		else
			update_rejects(rejects, values);
	}
	MemoryContextSwitchTo(caller);
	rejects->n = rejects->capacity = 0;
	MemoryContextReset(rejects->context);
}
