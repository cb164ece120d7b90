/*
 * ingest_write.c: records that have passed the checks, into their table.
 *
 * Two ways.  A table that is a plain heap is written in bulk (bulk.c), which is
 * what makes an ingestor faster than COPY.  Any other (triggers, row security,
 * partitions, columns of the user's own, a role without rights on the table)
 * gets INSERT … SELECT from the same records through SPI, where the server does
 * all that belongs to an INSERT.
 *
 * Records that may meet a row of theirs (an admission that ended, a transfer
 * that the stream brought) go through INSERT … ON CONFLICT, whose WHERE says
 * that all columns but those that a later record completes must be the same.  It
 * gives the same row whichever of the two comes first.
 *
 * A registration is two rows: one of hospital.patients, which merges, and one
 * of hospital.people, unless it is there (ingest_registrations.c).
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "bulk.h"
#include "ingest_write_private.h"
#include "numeric_form.h"
#include "open_rows.h"
#include "record_source.h"

static KindPlans kind_plans[RECORD_KINDS];

/* ---- records as a row source ---- */

Size
held_scratch_size(const RecordKind *kind, const char *record)
{
	Size		size = (NUMERIC_FORM_ROOM + MAXIMUM_ALIGNOF) * kind->ncolumns;

	for (int i = 0; i < kind->ncolumns; i++)
		if (kind->columns[i].type == REC_TEXT)
			size += ((const RecText *) (record + kind->columns[i].offset))->length + VARHDRSZ;
	return size;
}

int
held_choose(const HeldRecords *held, const int *list, int n, const KeySet *set, bool has, int *out)
{
	int			chosen = 0;

	for (int i = 0; i < n; i++)
	{
		RecordKey	key = record_key(held->kind, held_record(held, list[i]));

		if (key_set_has(set, &key) == has)
			out[chosen++] = list[i];
	}
	return chosen;
}

static bool
fetch_held(RowSource *source, int64 row, Datum *values, bool *isnull, char *scratch)
{
	HeldRows   *rows = (HeldRows *) source;
	int			number = rows->rows[row];
	const char *record = held_record(rows->held, number);
	const RecordKind *kind = rows->held->kind;

	if (rows->held->long_texts)
	{
		Size		size = held_scratch_size(kind, record);

		if (size > ROW_SCRATCH)
			scratch = palloc(size);
	}
	record_datums(kind, record, values, isnull, scratch);
	if (source->methods->ncolumns > rows->ncolumns)
	{
		const LineRef *line = &rows->held->lines[number];

		values[rows->ncolumns] = Int64GetDatum(line->line);
		values[rows->ncolumns + 1] = Int64GetDatum(line->offset);
		values[rows->ncolumns + 2] = Int32GetDatum((int32) line->raw_length);
		memset(isnull + rows->ncolumns, false, 3);
	}
	return true;
}

void
held_rows_init(HeldRows *rows, int kind_number, const HeldRecords *held)
{
	rows->methods = record_sources[kind_number];
	rows->methods.fetch = fetch_held;
	rows->source.methods = &rows->methods;
	rows->source.nrows = 0;
	rows->held = held;
	rows->ncolumns = rows->methods.ncolumns;
}

RowSource *
held_rows_set(HeldRows *rows, const int *list, int n)
{
	rows->rows = list;
	rows->source.nrows = n;
	return &rows->source;
}

/* ---- the writer ---- */

/* Open the table, when it may be written in bulk by this role. */
bool
record_bulk_open(RecordBulk *bulk, const char *table, const RowSourceMethods *methods)
{
	Oid			relid = get_relname_relid(table, get_namespace_oid("hospital", false));

	bulk->rel = NULL;
	if (!OidIsValid(relid) || pg_class_aclcheck(relid, GetUserId(), ACL_INSERT) != ACLCHECK_OK)
		return false;
	bulk->rel = table_open(relid, RowExclusiveLock);
	if (bulk_refusal_by_name(bulk->rel, methods) != NULL)
	{
		table_close(bulk->rel, RowExclusiveLock);
		bulk->rel = NULL;
		return false;
	}
	bulk->writer = bulk_open(bulk->rel, false);
	return true;
}

void
record_bulk_close(RecordBulk *bulk)
{
	if (bulk->rel == NULL)
		return;
	bulk_close(bulk->writer);
	table_close(bulk->rel, NoLock);
	bulk->rel = NULL;
}

RecordWriter *
record_writer(int kind_number, const HeldRecords *held, const char *schema, bool careful)
{
	RecordWriter *writer = palloc0(sizeof(RecordWriter));

	writer->kind = &record_kinds[kind_number];
	writer->kind_number = kind_number;
	writer->schema = schema;
	writer->plans = &kind_plans[kind_number];
	held_rows_init(&writer->rows, kind_number, held);
	if (careful)
		return writer;
	if (kind_number == KIND_REGISTRATIONS)
		registrations_open(writer);
	else
		(void) record_bulk_open(&writer->table, strchr(writer->kind->table, '.') + 1, &writer->rows.methods);
	return writer;
}

void
record_writer_close(RecordWriter *writer)
{
	record_bulk_close(&writer->table);
	record_bulk_close(&writer->people);
}

bool
record_writer_is_bulk(const RecordWriter *writer)
{
	return writer->table.rel != NULL;
}

/* Before SQL looks at the tables. */
static void
settle(RecordWriter *writer)
{
	if (writer->table.rel != NULL)
		bulk_flush(writer->table.writer);
	if (writer->people.rel != NULL)
		bulk_flush(writer->people.writer);
	if (writer->table.rel != NULL)
		CommandCounterIncrement();
}

/* ---- statements ---- */

const char *
record_key_name(int kind_number)
{
	const RecordKind *kind = &record_kinds[kind_number];

	return kind_number == KIND_REGISTRATIONS ? "patient_id" : kind->columns[kind->key].name;
}

static const char *
key_name(const RecordWriter *writer)
{
	return record_key_name(writer->kind_number);
}

static Oid
key_type(const RecordWriter *writer)
{
	return writer->kind->columns[writer->kind->key].type == REC_UUID ? UUIDOID : INT8OID;
}

KeySet *
record_result_keys(const RecordWriter *writer, uint64 rows)
{
	KeySet	   *set = key_set(writer->kind, (int) rows);
	bool		isnull;

	for (uint64 row = 0; row < rows; row++)
		set->keys[set->n++] = record_key_of_datum(writer->kind, kept_value(row, 1, &isnull));
	kept_done();
	key_set_sort(set);
	return set;
}

bool
record_last_key(RecordWriter *writer, RecordKey *key)
{
	char	   *query = psprintf("SELECT %1$s FROM %2$s ORDER BY %1$s DESC LIMIT 1",
								 key_name(writer), writer->kind->table);
	KeySet	   *found;

	settle(writer);
	found = record_result_keys(writer, kept_run(&writer->plans->last, query, 0, NULL, NULL, NULL,
										 SPI_OK_SELECT));
	if (found->n > 0)
		*key = found->keys[0];
	return found->n > 0;
}

KeySet *
record_keys_in(RecordWriter *writer, KeptPlan *plan, const char *table, const char *column,
			   const int *list, int n)
{
	bool		uuid = key_type(writer) == UUIDOID;
	const Oid	types[] = {uuid ? UUIDARRAYOID : INT8ARRAYOID};
	RecordKey  *keys = palloc(n * sizeof(RecordKey));
	Datum	   *elements = palloc(n * sizeof(Datum));
	Datum		values[1];
	char	   *query = psprintf("SELECT %1$s FROM %2$s WHERE %1$s = ANY ($1)", column, table);

	for (int i = 0; i < n; i++)
	{
		keys[i] = record_key(writer->kind, held_record(writer->rows.held, list[i]));
		elements[i] = record_key_datum(writer->kind, &keys[i]);
	}
	values[0] = PointerGetDatum(construct_array(elements, n, key_type(writer),
												uuid ? UUID_LEN : sizeof(int64),
												uuid ? false : FLOAT8PASSBYVAL,
												uuid ? TYPALIGN_CHAR : TYPALIGN_DOUBLE));
	settle(writer);
	return record_result_keys(writer, kept_run(plan, query, 1, types, values, NULL, SPI_OK_SELECT));
}

KeySet *
record_existing(RecordWriter *writer, const int *list, int n)
{
	return record_keys_in(writer, &writer->plans->existing, writer->kind->table, key_name(writer), list, n);
}

uint64
record_run_on_rows(RecordWriter *writer, KeptPlan *plan, const char *query, const int *list, int n, int expected)
{
	uint64		rows;

	open_rows_set(writer->kind->name, held_rows_set(&writer->rows, list, n));
	rows = kept_run(plan, query, 0, NULL, NULL, NULL, expected);
	open_rows_set(NULL, NULL);
	return rows;
}

void
record_insert(RecordWriter *writer, const int *list, int n)
{
	if (writer->kind_number == KIND_REGISTRATIONS)
		registrations_insert(writer, list, n);
	else if (writer->table.rel != NULL)
		bulk_append(writer->table.writer, held_rows_set(&writer->rows, list, n));
	else
		record_run_on_rows(writer, &writer->plans->insert,
					open_rows_insert(writer->kind->table, writer->kind->name, writer->schema,
									 &writer->rows.methods, ""),
					list, n, SPI_OK_INSERT);
}

KeySet *
record_insert_new(RecordWriter *writer, const int *list, int n)
{
	char	   *query = open_rows_insert(psprintf("%s AS t", writer->kind->table), writer->kind->name, writer->schema,
										 &writer->rows.methods,
										 psprintf(" ON CONFLICT (%1$s) DO NOTHING RETURNING t.%1$s", key_name(writer)));

	settle(writer);
	return record_result_keys(writer, record_run_on_rows(writer, &writer->plans->insert_new, query, list, n,
														 SPI_OK_INSERT_RETURNING));
}

/* ON CONFLICT …: what is completed, and what must be the same. */
char *
record_merge_clause(const RecordKind *kind, const char *key)
{
	StringInfoData clause;
	const char *comma = "";

	initStringInfo(&clause);
	appendStringInfo(&clause, " ON CONFLICT (%s) DO UPDATE SET ", key);
	for (int i = 0; i < kind->ncolumns; i++)
		if (kind->columns[i].flags & REC_COMPLETES)
		{
			appendStringInfo(&clause, "%1$s%2$s = coalesce(t.%2$s, excluded.%2$s)", comma,
							 kind->columns[i].name);
			comma = ", ";
		}
	if (comma[0] == '\0')
		appendStringInfo(&clause, "%1$s = excluded.%1$s", key);
	return clause.data;
}

void
record_append_same(StringInfo clause, const char *name, bool completes)
{
	if (completes)
		appendStringInfo(clause, " AND (t.%1$s = excluded.%1$s OR t.%1$s IS NULL OR excluded.%1$s IS NULL)",
						 name);
	else
		appendStringInfo(clause, " AND t.%1$s IS NOT DISTINCT FROM excluded.%1$s", name);
}

static char *
merge_query(const RecordWriter *writer)
{
	const RecordKind *kind = writer->kind;
	const char *key = key_name(writer);
	StringInfoData clause;

	initStringInfo(&clause);
	appendStringInfo(&clause, "%s WHERE true", record_merge_clause(kind, key));
	for (int i = 0; i < kind->ncolumns; i++)
		record_append_same(&clause, kind->columns[i].name, (kind->columns[i].flags & REC_COMPLETES) != 0);
	appendStringInfo(&clause, " RETURNING t.%s", key);
	return open_rows_insert(psprintf("%s AS t", kind->table), kind->name, writer->schema,
							&writer->rows.methods, clause.data);
}

KeySet *
record_merge(RecordWriter *writer, const int *list, int n)
{
	settle(writer);
	if (writer->kind_number == KIND_REGISTRATIONS)
		return registrations_merge(writer, list, n);
	return record_result_keys(writer, record_run_on_rows(writer, &writer->plans->merge, merge_query(writer),
										   list, n, SPI_OK_INSERT_RETURNING));
}

/* What a record says of a column of the table; the columns are those of the table. */
static void
append_agrees(StringInfo clause, const char *name, const char *value, bool completes)
{
	appendStringInfo(clause, completes ? " AND (t.%1$s = %2$s OR %2$s IS NULL)" :
					 " AND t.%1$s IS NOT DISTINCT FROM %2$s", name, value);
}

static char *
same_query(const RecordWriter *writer)
{
	const RecordKind *kind = writer->kind;
	StringInfoData clause;

	initStringInfo(&clause);
	if (writer->kind_number == KIND_REGISTRATIONS)
	{
		int			n;
		const char *const (*columns)[2] = record_patient_columns(&n);

		for (int i = 0; i < n; i++)
			append_agrees(&clause, columns[i][0], columns[i][1], strcmp(columns[i][0], "deceased_at") == 0);
	}
	else
		for (int i = 0; i < kind->ncolumns; i++)
			append_agrees(&clause, kind->columns[i].name, psprintf("r.%s", kind->columns[i].name),
						  (kind->columns[i].flags & REC_COMPLETES) != 0);
	return psprintf("SELECT t.%s FROM %s AS t JOIN %s ON t.%s = r.%s WHERE true%s", key_name(writer),
					kind->table, open_rows_from(kind->name, writer->schema, &writer->rows.methods),
					key_name(writer), kind->columns[kind->key].name, clause.data);
}

KeySet *
record_same(RecordWriter *writer, const int *list, int n)
{
	settle(writer);
	return record_result_keys(writer, record_run_on_rows(writer, &writer->plans->same, same_query(writer),
														 list, n, SPI_OK_SELECT));
}
