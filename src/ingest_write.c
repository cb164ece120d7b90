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
 * of hospital.people, unless it is there.
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
#include "ingest_write.h"
#include "kept_plan.h"
#include "numeric_form.h"
#include "open_rows.h"
#include "record_source.h"

/* A kind's statements; they are the same from one file to the next. */
typedef struct KindPlans
{
	KeptPlan	last;
	KeptPlan	existing;
	KeptPlan	insert;
	KeptPlan	merge;
	KeptPlan	people;
} KindPlans;

static KindPlans kind_plans[RECORD_KINDS];

struct RecordWriter
{
	const RecordKind *kind;
	int			kind_number;
	const char *schema;
	KindPlans  *plans;
	HeldRows	rows;
	Relation	rel;			/* NULL: not in bulk */
	BulkWriter *bulk;
};

/* ---- records as a row source ---- */

/* What the texts and numbers of a record take, at the most. */
static Size
scratch_size(const RecordKind *kind, const char *record)
{
	Size		size = (NUMERIC_FORM_ROOM + MAXIMUM_ALIGNOF) * kind->ncolumns;

	for (int i = 0; i < kind->ncolumns; i++)
		if (kind->columns[i].type == REC_TEXT)
			size += ((const RecText *) (record + kind->columns[i].offset))->length + VARHDRSZ;
	return size;
}

static bool
fetch_held(RowSource *source, int64 row, Datum *values, bool *isnull, char *scratch)
{
	HeldRows   *rows = (HeldRows *) source;
	int			number = rows->rows[row];
	const char *record = held_record(rows->held, number);
	const LineRef *line = &rows->held->lines[number];
	const RecordKind *kind = rows->held->kind;

	if (rows->held->long_texts)
	{
		Size		size = scratch_size(kind, record);

		if (size > ROW_SCRATCH)
			scratch = palloc(size);
	}
	record_datums(kind, record, values, isnull, scratch);
	if (source->methods->ncolumns > rows->ncolumns)
	{
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

/* The table when it may be written in bulk, by this role; NULL: it may not. */
static Relation
open_for_bulk(const RecordWriter *writer)
{
	const char *name = strchr(writer->kind->table, '.') + 1;
	Oid			relid = get_relname_relid(name, get_namespace_oid("hospital", false));
	Relation	rel;

	if (!OidIsValid(relid) || writer->kind_number == KIND_REGISTRATIONS ||
		pg_class_aclcheck(relid, GetUserId(), ACL_INSERT) != ACLCHECK_OK)
		return NULL;
	rel = table_open(relid, RowExclusiveLock);
	if (bulk_refusal(rel, &writer->rows.methods) == NULL)
		return rel;
	table_close(rel, RowExclusiveLock);
	return NULL;
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
	if (!careful)
		writer->rel = open_for_bulk(writer);
	if (writer->rel != NULL)
		writer->bulk = bulk_open(writer->rel, false);
	return writer;
}

void
record_writer_close(RecordWriter *writer)
{
	if (writer->rel == NULL)
		return;
	bulk_close(writer->bulk);
	table_close(writer->rel, NoLock);
}

bool
record_writer_is_bulk(const RecordWriter *writer)
{
	return writer->rel != NULL;
}

/* Before SQL looks at the table. */
static void
settle(RecordWriter *writer)
{
	if (writer->rel == NULL)
		return;
	bulk_flush(writer->bulk);
	CommandCounterIncrement();
}

/* ---- statements ---- */

static const char *
key_name(const RecordWriter *writer)
{
	return writer->kind_number == KIND_REGISTRATIONS ? "patient_id" :
		writer->kind->columns[writer->kind->key].name;
}

static Oid
key_type(const RecordWriter *writer)
{
	return writer->kind->columns[writer->kind->key].type == REC_UUID ? UUIDOID : INT8OID;
}

static KeySet *
result_keys(const RecordWriter *writer, uint64 rows)
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
	found = result_keys(writer, kept_run(&writer->plans->last, query, 0, NULL, NULL, NULL,
										 SPI_OK_SELECT));
	if (found->n > 0)
		*key = found->keys[0];
	return found->n > 0;
}

KeySet *
record_existing(RecordWriter *writer, const int *list, int n)
{
	bool		uuid = key_type(writer) == UUIDOID;
	const Oid	types[] = {uuid ? UUIDARRAYOID : INT8ARRAYOID};
	RecordKey  *keys = palloc(n * sizeof(RecordKey));
	Datum	   *elements = palloc(n * sizeof(Datum));
	Datum		values[1];
	char	   *query = psprintf("SELECT %1$s FROM %2$s WHERE %1$s = ANY ($1)",
								 key_name(writer), writer->kind->table);

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
	return result_keys(writer, kept_run(&writer->plans->existing, query, 1, types, values, NULL,
										SPI_OK_SELECT));
}

/* Run a statement that reads the rows. */
static uint64
run_on_rows(RecordWriter *writer, KeptPlan *plan, const char *query, const int *list, int n, int expected)
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
	if (writer->rel != NULL)
		bulk_append(writer->bulk, held_rows_set(&writer->rows, list, n));
	else
		run_on_rows(writer, &writer->plans->insert,
					open_rows_insert(writer->kind->table, writer->kind->name, writer->schema,
									 &writer->rows.methods, ""),
					list, n, SPI_OK_INSERT);
}

/* ON CONFLICT …: what is completed, and what must be the same. */
static char *
merge_clause(const RecordKind *kind, const char *key)
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

static void
append_same(StringInfo clause, const char *name, bool completes)
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
	appendStringInfo(&clause, "%s WHERE true", merge_clause(kind, key));
	for (int i = 0; i < kind->ncolumns; i++)
		append_same(&clause, kind->columns[i].name, (kind->columns[i].flags & REC_COMPLETES) != 0);
	appendStringInfo(&clause, " RETURNING t.%s", key);
	return open_rows_insert(psprintf("%s AS t", kind->table), kind->name, writer->schema,
							&writer->rows.methods, clause.data);
}

/* ---- registrations ---- */

/* The columns of hospital.patients, and what of a registration they are. */
static const char *const patient_columns[][2] = {
	{"patient_id", "r.person_id"},
	{"folder_no", "r.folder_no"},
	{"full_name", "r.first_name || ' ' || r.last_name"},
	{"date_of_birth", "r.date_of_birth"},
	{"gender", "CASE r.sex WHEN 'F' THEN 'Female' ELSE 'Male' END"},
	{"blood_type", "r.blood_type"},
	{"contact_info", "r.phone"},
	{"insurance_id", "r.insurance_id"},
	{"patient_class", "r.patient_class"},
	{"origin", "r.origin"},
	{"first_seen_on", "r.first_seen_on"},
	{"deceased_at", "r.deceased_at"},
};

const char *const (*record_patient_columns(int *n))[2]
{
	*n = lengthof(patient_columns);
	return patient_columns;
}

#define PERSON_COLUMNS \
	"person_id, national_id, passport_no, first_name, last_name, date_of_birth, sex, population_group," \
	" home_language, citizenship, household_id, address, suburb, postal_code, phone"

static char *
patients_query(const RecordWriter *writer)
{
	StringInfoData names;
	StringInfoData values;
	StringInfoData same;

	initStringInfo(&names);
	initStringInfo(&values);
	initStringInfo(&same);
	for (int i = 0; i < (int) lengthof(patient_columns); i++)
	{
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "", patient_columns[i][0]);
		appendStringInfo(&values, "%s%s", i > 0 ? ", " : "", patient_columns[i][1]);
		append_same(&same, patient_columns[i][0], strcmp(patient_columns[i][0], "deceased_at") == 0);
	}
	return psprintf("INSERT INTO hospital.patients AS t (%s) SELECT %s FROM %s%s WHERE true%s"
					" RETURNING t.patient_id",
					names.data, values.data,
					open_rows_from(writer->kind->name, writer->schema, &writer->rows.methods),
					merge_clause(writer->kind, "patient_id"), same.data);
}

static char *
people_query(const RecordWriter *writer)
{
	return psprintf("INSERT INTO hospital.people (" PERSON_COLUMNS ") SELECT " PERSON_COLUMNS " FROM %s"
					" ON CONFLICT (person_id) DO NOTHING",
					open_rows_from(writer->kind->name, writer->schema, &writer->rows.methods));
}

/* Those of the list whose keys are in the set. */
static int
select_rows(const RecordWriter *writer, const KeySet *set, const int *list, int n, int *selected)
{
	int			count = 0;

	for (int i = 0; i < n; i++)
	{
		RecordKey	key = record_key(writer->kind, held_record(writer->rows.held, list[i]));

		if (key_set_has(set, &key))
			selected[count++] = list[i];
	}
	return count;
}

static KeySet *
merge_registrations(RecordWriter *writer, const int *list, int n)
{
	KeySet	   *fitting;
	int		   *selected = palloc(n * sizeof(int));
	int			count;

	fitting = result_keys(writer, run_on_rows(writer, &writer->plans->merge, patients_query(writer),
											  list, n, SPI_OK_INSERT_RETURNING));
	count = select_rows(writer, fitting, list, n, selected);
	if (count > 0)
		run_on_rows(writer, &writer->plans->people, people_query(writer), selected, count, SPI_OK_INSERT);
	return fitting;
}

KeySet *
record_merge(RecordWriter *writer, const int *list, int n)
{
	settle(writer);
	if (writer->kind_number == KIND_REGISTRATIONS)
		return merge_registrations(writer, list, n);
	return result_keys(writer, run_on_rows(writer, &writer->plans->merge, merge_query(writer),
										   list, n, SPI_OK_INSERT_RETURNING));
}
