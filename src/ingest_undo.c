/*
 * ingest_undo.c: CALL hospital_undo_batch(batch_id): what a day file brought,
 * taken out again.
 *
 * The file itself says what that was, so it must still be there, with the same
 * bytes.  It is read as it was when it came in; lines that are rejects are
 * passed over, and rejects that were tried again and came in are read from
 * their own bytes.  All in one transaction.
 *
 * A row goes when it is what the file says, column by column; a row that has
 * been changed since is somebody else's work, and nothing is undone then.
 *
 * Rows that two files share.  The tables are the same whichever of two files
 * comes first, so what must be left is what the other file alone would have
 * made.  A record that completes an earlier day's is opened again when that
 * day's file is in, and goes when it is not; one that a later day's file has
 * completed has changed, and that file must be undone first.  A transfer that
 * has been published stays: the stream brings it, too.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "csv_write.h"
#include "day_file.h"
#include "event.h"
#include "fields.h"
#include "ingest_private.h"
#include "ingest_refs.h"
#include "kept_plan.h"
#include "marts.h"
#include "open_rows.h"
#include "procedure.h"
#include "records.h"

PG_FUNCTION_INFO_V1(hospital_undo_batch);

/* The file of an earlier day that the records of a key begin in. */
typedef struct FirstFile
{
	DateADT		day;
	int64		batch_id;		/* 0: it is not in */
	bool		has_rejects;
} FirstFile;

typedef struct Undo
{
	IngestRun  *run;
	HeldRows	rows;
	int64	   *lines;			/* of its rejects, in order */
	int			nlines;
	FirstFile  *first;			/* of the day that was asked for last */
	int64		deleted;
	int64		opened;
	int64		kept;
	int			published;		/* transfers of the day, from the first one on */
} Undo;

static bool
is_complete(const RecordKind *kind, const char *record)
{
	for (int i = 0; i < kind->ncolumns; i++)
	{
		const RecordColumn *column = &kind->columns[i];
		const char *field = record + column->offset;

		if (!(column->flags & REC_COMPLETES))
			continue;
		if (column->type == REC_TEXT ? ((const RecText *) field)->data != NULL :
			*(const int64 *) field != REC_NULL8)
			return true;
	}
	return false;
}

/* The day in whose file a record appears first. */
static DateADT
first_day(const RecordKind *kind, int kind_number, const char *record)
{
	if (kind_number == KIND_REGISTRATIONS)
		return ((const Registration *) record)->first_seen_on;
	return RECORD_ID_DAY(record_key(kind, record).number);
}

static const FirstFile *
first_file(Undo *undo, DateADT day)
{
	static KeptPlan plan;
	const Oid	types[] = {TEXTOID, DATEOID, INT8OID};
	Datum		values[] = {
		CStringGetTextDatum(undo->run->kind->name), DateADTGetDatum(day),
		Int64GetDatum(undo->run->batch->batch_id)
	};
	bool		isnull;

	if (undo->first != NULL && undo->first->day == day)
		return undo->first;
	if (undo->first == NULL)
		undo->first = MemoryContextAllocZero(undo->run->context, sizeof(FirstFile));
	memset(undo->first, 0, sizeof(FirstFile));
	undo->first->day = day;
	if (kept_run(&plan, "SELECT batch_id, rejects > 0 FROM hospital.batches WHERE kind = $1 AND day = $2"
				 " AND state = 'ingested' AND batch_id <> $3 ORDER BY batch_id LIMIT 1",
				 3, types, values, NULL, SPI_OK_SELECT) > 0)
	{
		undo->first->batch_id = DatumGetInt64(kept_value(0, 1, &isnull));
		undo->first->has_rejects = DatumGetBool(kept_value(0, 2, &isnull));
	}
	kept_done();
	return undo->first;
}

/* Where the key is in the lines of a file with this header; NULL: the usual one. */
static int
key_place(const RecordKind *kind, const char *header)
{
	const char *name = kind->columns[kind->key].name;
	CsvReader  *reader;
	CsvRecord	line;

	if (header == NULL)
		return kind->key;
	reader = csv_reader_of_bytes(header, strlen(header));
	if (csv_fill(reader) && csv_next(reader, &line))
		for (int i = 0; i < line.nfields; i++)
			if (line.fields[i].length == strlen(name) && memcmp(line.fields[i].data, name, strlen(name)) == 0)
				return i;
	return -1;
}

static bool
line_has_key(const RecordKind *kind, const char *header, const bytea *raw, int64 key)
{
	CsvReader  *reader = csv_reader_of_bytes(VARDATA_ANY(raw), VARSIZE_ANY_EXHDR(raw));
	int			place = key_place(kind, header);
	CsvRecord	line;
	FieldError	error;
	int64		value;

	return csv_fill(reader) && csv_next(reader, &line) && place >= 0 && place < line.nfields &&
		line.fields[place].data != NULL &&
		field_integer(line.fields[place].data, line.fields[place].length, 0, PG_INT64_MAX, &value, &error) &&
		value == key;
}

/*
 * Is the record among the lines that the file could not bring in?  Not when
 * the line only repeats a key that the file has brought.
 */
static bool
is_rejected_there(const Undo *undo, const FirstFile *file, int64 key)
{
	static KeptPlan plan;
	const Oid	types[] = {INT8OID, TEXTOID};
	Datum		values[] = {Int64GetDatum(file->batch_id), CStringGetTextDatum(psprintf(INT64_FORMAT, key))};
	bool		found = false;
	int			n;

	n = (int) kept_run(&plan, "SELECT r.raw, b.header FROM hospital.rejects r"
					   " JOIN hospital.batches b ON b.batch_id = r.batch_id"
					   " WHERE r.batch_id = $1 AND r.resolved_at IS NULL AND r.message <> '" INGEST_DOUBLED "'"
					   " AND position(convert_to($2, 'UTF8') IN r.raw) > 0",
					   2, types, values, NULL, SPI_OK_SELECT);
	for (int i = 0; i < n && !found; i++)
	{
		bool		isnull;
		bool		usual;
		bytea	   *raw = DatumGetByteaPP(kept_value(i, 1, &isnull));
		Datum		header = kept_value(i, 2, &usual);

		found = line_has_key(undo->run->kind, usual ? NULL : TextDatumGetCString(header), raw, key);
	}
	kept_done();
	return found;
}

/* Would the row be there without this file, not completed yet? */
static bool
is_begun_elsewhere(Undo *undo, const char *record)
{
	const RecordKind *kind = undo->run->kind;
	DateADT		day;
	const FirstFile *file;

	if (kind->merge != MERGE_COMPLETES || !is_complete(kind, record))
		return false;
	day = first_day(kind, undo->run->batch->kind_number, record);
	if (day >= undo->run->batch->day)
		return false;
	file = first_file(undo, day);
	return file->batch_id != 0 &&
		!(file->has_rejects && is_rejected_there(undo, file, record_key(kind, record).number));
}

/* ---- statements ---- */

/* The table's column for a record's, and what of the record it must be. */
static void
append_same(StringInfo query, const char *column, const char *value)
{
	appendStringInfo(query, " AND t.%s IS NOT DISTINCT FROM %s", column, value);
}

static void
append_all_same(StringInfo query, const Undo *undo)
{
	const RecordKind *kind = undo->run->kind;
	int			n;
	const char *const (*patient)[2] = record_patient_columns(&n);

	if (undo->run->batch->kind_number == KIND_REGISTRATIONS)
		for (int i = 0; i < n; i++)
			append_same(query, patient[i][0], psprintf("(%s)", patient[i][1]));
	else
		for (int i = 0; i < kind->ncolumns; i++)
			append_same(query, kind->columns[i].name, psprintf("r.%s", kind->columns[i].name));
}

static const char *
table_key(const Undo *undo)
{
	return undo->run->batch->kind_number == KIND_REGISTRATIONS ? "patient_id" :
		undo->run->kind->columns[undo->run->kind->key].name;
}

/* "FROM rows WHERE t is what the row says" */
static void
append_rows(StringInfo query, const Undo *undo, const char *word)
{
	appendStringInfo(query, " %s %s WHERE t.%s = r.%s", word,
					 open_rows_from(undo->run->kind->name, undo->run->schema, &undo->rows.methods),
					 table_key(undo), undo->run->kind->columns[undo->run->kind->key].name);
	append_all_same(query, undo);
	appendStringInfo(query, " RETURNING t.%s", table_key(undo));
}

static char *
delete_query(const Undo *undo)
{
	StringInfoData query;

	initStringInfo(&query);
	appendStringInfo(&query, "DELETE FROM %s AS t", undo->run->kind->table);
	append_rows(&query, undo, "USING");
	return query.data;
}

static char *
open_query(const Undo *undo)
{
	const RecordKind *kind = undo->run->kind;
	StringInfoData query;
	const char *comma = "";

	initStringInfo(&query);
	appendStringInfo(&query, "UPDATE %s AS t SET ", kind->table);
	for (int i = 0; i < kind->ncolumns; i++)
		if (kind->columns[i].flags & REC_COMPLETES)
		{
			appendStringInfo(&query, "%s%s = NULL", comma, kind->columns[i].name);
			comma = ", ";
		}
	append_rows(&query, undo, "FROM");
	return query.data;
}

/* What a statement on these rows gave back, as a set of keys. */
static KeySet *
run_on_rows(Undo *undo, const char *query, const int *list, int n, int expected)
{
	MemoryContext caller = CurrentMemoryContext;
	KeySet	   *set;
	bool		isnull;

	open_rows_set(undo->run->kind->name, held_rows_set(&undo->rows, list, n));
	if (SPI_execute(query, false, 0) != expected)
		elog(ERROR, "could not execute: %s", query);
	open_rows_set(NULL, NULL);
	MemoryContextSwitchTo(caller);
	set = key_set(undo->run->kind, (int) SPI_processed);
	for (uint64 row = 0; SPI_tuptable != NULL && row < SPI_processed; row++)
		set->keys[set->n++] = record_key_of_datum(undo->run->kind, kept_value(row, 1, &isnull));
	kept_done();
	key_set_sort(set);
	return set;
}

/* ---- rows that have changed ---- */

static char *
key_text(const RecordKind *kind, const RecordKey *key)
{
	if (kind->columns[kind->key].type == REC_UUID)
		return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&key->uuid)));
	return psprintf(INT64_FORMAT, key->number);
}

/* A later file of the kind that is in; 0: none. */
static int64
later_batch(const Undo *undo)
{
	static KeptPlan plan;
	const Oid	types[] = {TEXTOID, DATEOID};
	Datum		values[] = {
		CStringGetTextDatum(undo->run->kind->name), DateADTGetDatum(undo->run->batch->day)
	};
	int64		batch_id = 0;
	bool		isnull;

	if (kept_run(&plan, "SELECT batch_id FROM hospital.batches WHERE kind = $1 AND day > $2"
				 " AND state = 'ingested' ORDER BY day DESC LIMIT 1",
				 2, types, values, NULL, SPI_OK_SELECT) > 0)
		batch_id = DatumGetInt64(kept_value(0, 1, &isnull));
	kept_done();
	return batch_id;
}

pg_noreturn static void
raise_changed(const Undo *undo, const RecordKey *key)
{
	const RecordKind *kind = undo->run->kind;
	int64		later = kind->merge == MERGE_COMPLETES ? later_batch(undo) : 0;

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("a row of batch " INT64_FORMAT " has changed since it came in", undo->run->batch->batch_id),
			 errdetail("The row of %s with %s %s is not what the file says, or is gone.",
					   kind->table, table_key(undo), key_text(kind, key)),
			 later != 0 ?
			 errhint("A file of a later day may have completed it: undo those first, the latest first; batch "
					 INT64_FORMAT " is the last.", later) :
			 errhint("Give the row the file's values again, and call again.")));
}

static void
check_all_done(const Undo *undo, const KeySet *done, const int *list, int n)
{
	for (int i = 0; i < n; i++)
	{
		RecordKey	key = record_key(undo->run->kind, held_record(&undo->run->held, list[i]));

		if (!key_set_has(done, &key))
			raise_changed(undo, &key);
	}
}

/* ---- the records of a piece ---- */

/* People whom a registration brought, and who are not of the pool. */
static void
delete_people(Undo *undo, const int *list, int n)
{
	run_on_rows(undo, psprintf("DELETE FROM hospital.people AS t USING %s WHERE t.person_id = r.person_id"
							   " AND t.person_id >= " INT64_FORMAT " RETURNING t.person_id",
							   open_rows_from(undo->run->kind->name, undo->run->schema, &undo->rows.methods),
							   NEWCOMER_ID_BASE), list, n, SPI_OK_DELETE_RETURNING);
}

static void
note_for_marts(const Undo *undo, const int *list, int n, bool own_rows)
{
	const IngestRun *run = undo->run;
	int64	   *keys = palloc(Max(n, 1) * sizeof(int64));

	for (int i = 0; i < n; i++)
	{
		const char *record = held_record(&run->held, list[i]);

		marts_note(run->batch->kind_number, record, own_rows);
		keys[i] = record_key(run->kind, record).number;
	}
	if (own_rows && n > 0 && run->batch->kind_number == KIND_VISITS)
		marts_note_visits_gone(keys, n);
}

static void
undo_rows(Undo *undo, const int *begun, int nbegun, const int *own, int nown)
{
	note_for_marts(undo, begun, nbegun, false);
	note_for_marts(undo, own, nown, true);
	if (nbegun > 0)
		check_all_done(undo, run_on_rows(undo, open_query(undo), begun, nbegun, SPI_OK_UPDATE_RETURNING),
					   begun, nbegun);
	if (nown > 0)
	{
		check_all_done(undo, run_on_rows(undo, delete_query(undo), own, nown, SPI_OK_DELETE_RETURNING),
					   own, nown);
		if (undo->run->batch->kind_number == KIND_REGISTRATIONS)
			delete_people(undo, own, nown);
	}
	undo->opened += nbegun;
	undo->deleted += nown;
}

static int
compare_by_key(const void *a, const void *b, void *held)
{
	const HeldRecords *records = held;
	RecordKey	x = record_key(records->kind, held_record(records, *(const int *) a));
	RecordKey	y = record_key(records->kind, held_record(records, *(const int *) b));

	return record_key_compare(records->kind, &x, &y);
}

/* Of a day's transfers the first ones have been published, in the order of their ids. */
static void
undo_transfers(Undo *undo, int *list, int n)
{
	int			keep = Min(undo->published, n);

	qsort_arg(list, n, sizeof(int), compare_by_key, &undo->run->held);
	undo->published -= keep;
	undo->kept += keep;
	undo_rows(undo, NULL, 0, list + keep, n - keep);
}

static void
undo_held(Undo *undo)
{
	IngestRun  *run = undo->run;
	int		   *begun = palloc(run->held.n * sizeof(int));
	int		   *own = palloc(run->held.n * sizeof(int));
	int			nbegun = 0;
	int			nown = 0;

	for (int row = 0; row < run->held.n; row++)
		if (is_begun_elsewhere(undo, held_record(&run->held, row)))
			begun[nbegun++] = row;
		else
			own[nown++] = row;
	if (run->batch->kind_number == KIND_TRANSFERS)
		undo_transfers(undo, own, nown);
	else
		undo_rows(undo, begun, nbegun, own, nown);
}

/* Like ingest_end_piece, without looking at references, and with no rejects. */
static void
end_piece(Undo *undo)
{
	IngestRun  *run = undo->run;
	MemoryContext caller = MemoryContextSwitchTo(run->piece);

	if (run->held.n > 0)
		undo_held(undo);
	run->held.n = 0;
	run->held.long_texts = false;
	MemoryContextSwitchTo(caller);
	MemoryContextReset(run->piece);
}

/* ---- the file ---- */

static int
compare_lines(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return x < y ? -1 : x > y ? 1 : 0;
}

static bool
is_reject(const Undo *undo, int64 line)
{
	return bsearch(&line, undo->lines, undo->nlines, sizeof(int64), compare_lines) != NULL;
}

/* A line that cannot be one of its rows is passed over; it was a reject, or a repeated key. */
static void
take_line(Undo *undo, const CsvRecord *line)
{
	IngestRun  *run = undo->run;
	MemoryContext caller = MemoryContextSwitchTo(run->piece);
	char	   *record = ingest_next_record(run);
	RecordFault fault;

	if (!is_reject(undo, line->line) && record_parse(run->parser, line, record, &fault))
	{
		run->held.long_texts |= line->raw_length * MAX_CONVERSION_GROWTH > ROW_SCRATCH / 2;
		run->held.n++;
	}
	MemoryContextSwitchTo(caller);
}

static void
read_file(Undo *undo)
{
	IngestRun  *run = undo->run;
	CsvReader  *reader = ingest_open_file(run);
	CsvRecord	line;
	char		hash[LAKE_HASH_LENGTH + 1];

	if (reader == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("there is no file \"%s\" in hospital.data_folder", run->batch->file),
				 errdetail("Only the file says what its batch brought.")));
	do
	{
		record_parse_trust(run->parser, csv_is_utf8(reader));
		while (csv_next(reader, &line))
			take_line(undo, &line);
		end_piece(undo);
	} while (csv_fill(reader));
	lake_hash(run->file, hash);
	if (strcmp(hash, run->batch->sha256) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("\"%s\" has changed since it was ingested", run->batch->file),
				 errdetail("Its SHA-256 is %s, the ledger says %s.", hash, run->batch->sha256),
				 errhint("Put the file back that was ingested.")));
	lake_close(run->file);
}

/* Rejects that came in later have bytes of their own. */
static void
read_retried(Undo *undo)
{
	const Oid	types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(undo->run->batch->batch_id)};
	static KeptPlan plan;
	int			n;
	SPITupleTable *rows;

	n = (int) kept_run(&plan, "SELECT raw FROM hospital.rejects WHERE batch_id = $1"
					   " AND resolved_by = 'retry' ORDER BY line, reject_id",
					   1, types, values, NULL, SPI_OK_SELECT);
	rows = SPI_tuptable;
	for (int i = 0; i < n; i++)
	{
		bool		isnull;
		bytea	   *raw = DatumGetByteaPCopy(SPI_getbinval(rows->vals[i], rows->tupdesc, 1, &isnull));
		CsvReader  *reader = csv_reader_of_bytes(VARDATA_ANY(raw), VARSIZE_ANY_EXHDR(raw));
		CsvRecord	line;

		record_parse_trust(undo->run->parser, false);
		if (!csv_fill(reader) || !csv_next(reader, &line))
			continue;
		line.line = 0;			/* whose line is a reject's, but not this one's */
		take_line(undo, &line);
	}
	end_piece(undo);
	SPI_freetuptable(rows);
}

/* ---- the ledger ---- */

static void
read_reject_lines(Undo *undo)
{
	static KeptPlan plan;
	const Oid	types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(undo->run->batch->batch_id)};
	bool		isnull;

	undo->nlines = (int) kept_run(&plan, "SELECT line FROM hospital.rejects WHERE batch_id = $1"
								  " AND line IS NOT NULL ORDER BY line",
								  1, types, values, NULL, SPI_OK_SELECT);
	undo->lines = palloc(Max(undo->nlines, 1) * sizeof(int64));
	for (int i = 0; i < undo->nlines; i++)
		undo->lines[i] = DatumGetInt64(kept_value(i, 1, &isnull));
	kept_done();
}

/*
 * Of transfers: how many the stream has, or will have, as far as this database
 * knows; they stay.  What of other kinds came by the stream, nothing tells from
 * the file's own.
 */
static void
count_published(Undo *undo)
{
	static KeptPlan plan;
	const Oid	types[] = {DATEOID, TEXTOID, BOOLOID};
	const Batch *batch = undo->run->batch;
	Datum		values[] = {
		DateADTGetDatum(batch->day), CStringGetTextDatum(batch->kind_name),
		BoolGetDatum(event_has_hl7(batch->kind_number))
	};
	bool		isnull;

	kept_run(&plan, "SELECT coalesce(max(events), 0)::int FROM (SELECT sum(events) AS events FROM hospital.published"
			 " WHERE day = $1 AND (kind = $2 OR (kind = 'adt' AND $3)) GROUP BY kind) AS k",
			 3, types, values, NULL, SPI_OK_SELECT);
	undo->published = DatumGetInt32(kept_value(0, 1, &isnull));
	kept_done();
	if (undo->published > 0 && batch->kind_number != KIND_TRANSFERS)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("batch " INT64_FORMAT " cannot be undone: its records come by the stream as well", batch->batch_id),
				 errdetail("hospital.published has %d events of its day and kind.", undo->published)));
	if (batch->kind_number != KIND_TRANSFERS || undo->published > 0 || batch->merged == 0)
		return;
	if (batch->merged < batch->rows)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("some transfers of batch " INT64_FORMAT " had come by the stream, and nothing says which",
						batch->batch_id),
				 errdetail("%d of " INT64_FORMAT " rows were there before; hospital.published has none of that day.",
						   (int) batch->merged, batch->rows)));
	undo->published = PG_INT32_MAX; /* all of them */
}

static void
mark_undone(const Undo *undo)
{
	static KeptPlan batches;
	static KeptPlan rejects;
	static KeptPlan day;
	const Oid	types[] = {INT8OID};
	const Oid	day_types[] = {DATEOID};
	Datum		values[] = {Int64GetDatum(undo->run->batch->batch_id)};
	Datum		day_values[] = {DateADTGetDatum(undo->run->batch->day)};

	kept_run(&batches, "UPDATE hospital.batches SET state = 'undone', undone_at = clock_timestamp()"
			 " WHERE batch_id = $1", 1, types, values, NULL, SPI_OK_UPDATE);
	kept_run(&rejects, "UPDATE hospital.rejects SET resolved_at = clock_timestamp(), resolved_by = 'undo'"
			 " WHERE batch_id = $1 AND resolved_at IS NULL", 1, types, values, NULL, SPI_OK_UPDATE);

	/* Open or not: a validation that is about to close it is waited for. */
	kept_run(&day, "UPDATE hospital.days SET closed_at = NULL WHERE day = $1", 1, day_types, day_values,
			 NULL, SPI_OK_UPDATE);
}

static Batch *
take_batch(int64 batch_id)
{
	Batch	   *batch = ledger_take(batch_id, "{ingested}", true);

	if (batch == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("batch " INT64_FORMAT " is not there to be undone", batch_id),
				 errhint("hospital.batches shows those that are in state \"ingested\".")));
	if (batch->kind_number < 0 || batch->encoding < 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("batch " INT64_FORMAT " is of no kind that is known", batch_id)));
	return batch;
}

Datum
hospital_undo_batch(PG_FUNCTION_ARGS)
{
	char	   *schema = get_namespace_name(get_func_namespace(fcinfo->flinfo->fn_oid));
	Undo		undo = {0};
	int			level;

	procedure_require_top_level(fcinfo, "hospital_undo_batch");
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("say which batch to undo"),
				 errhint("hospital.batches has them.")));
	level = csv_pin_settings();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	ingest_require_hospital();
	undo.run = ingest_run(take_batch(PG_GETARG_INT64(0)), quote_identifier(schema), false);
	held_rows_init(&undo.rows, undo.run->batch->kind_number, &undo.run->held);
	read_reject_lines(&undo);
	count_published(&undo);
	read_file(&undo);
	read_retried(&undo);
	mark_undone(&undo);
	refs_forget();
	marts_apply(undo.run->schema);
	SPI_finish();
	csv_unpin_settings(level);
	ereport(NOTICE,
			(errmsg(INT64_FORMAT " rows deleted, " INT64_FORMAT " opened again, " INT64_FORMAT " kept",
					undo.deleted, undo.opened, undo.kept)));
	PG_RETURN_VOID();
}
