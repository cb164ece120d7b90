/*
 * ingest_chunks.c: day files that are too large for one transaction.
 *
 * Beyond hospital.ingest_chunk a file comes in by chunks.  Each chunk's records,
 * checked, go to a table of their own (hospital.staging_<batch>, no index, with
 * the place of each line), and commit together with their rejects and how far
 * the file has been read.  A crash goes on behind the last chunk.  When all are
 * there, one transaction moves them into the table, on the way that the records
 * of a small file go, and drops the staging table: they become visible together.
 *
 * Between two chunks the file is nobody's, so its identity is looked at each
 * time: by its hash when this process has not seen it yet, then by what the
 * system says of it (inode, size, time of the last change).
 *
 * Keys that are twice in the file are found by the server's own sort at the
 * end, unless they have come in order from the first line to the last, which
 * is what our files do.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "bulk.h"
#include "compat.h"
#include "fields.h"
#include "ingest_private.h"
#include "kept_plan.h"
#include "owners.h"
#include "record_source.h"
#include "settings.h"

#define HASH_PIECE (256 * 1024)
#define MOVE_ROWS 2000			/* at a time */
#define PLACE_COLUMNS 3			/* line, offset, length */

/* The file that this process is at. */
static struct
{
	int64		batch_id;		/* 0: none */
	LakeStatus	status;
	int64		offset;			/* up to which it was read here */
	bool		ascending;		/* all keys up to there, from the first line on */
	bool		has_last;
	RecordKey	last;
}			going;

/* A chunk on its way. */
typedef struct ChunkRun
{
	IngestRun  *run;
	HeldRows	rows;
	RowColumn	columns[MaxHeapAttributeNumber];
	Relation	rel;
	BulkWriter *bulk;
} ChunkRun;

bool
ingest_in_chunks(const Batch *batch)
{
	return strcmp(batch->state, "loading") == 0 || batch->bytes > (int64) hospital_ingest_chunk * 1024;
}

static char *
staging_name(const Batch *batch)
{
	return psprintf("staging_" INT64_FORMAT, batch->batch_id);
}

static void
run_command(const char *command, int expected)
{
	MemoryContext caller = CurrentMemoryContext;

	if (SPI_execute(command, false, 0) != expected)
		elog(ERROR, "could not execute: %s", command);
	MemoryContextSwitchTo(caller);
}

/* ---- is it the file that the ledger means? ---- */

static void
verify_hash(const Batch *batch, LakeStatus *status)
{
	LakeFile   *file = lake_open(batch->file);
	char	   *buffer = palloc(HASH_PIECE);
	char		hash[LAKE_HASH_LENGTH + 1];

	if (file == NULL)
		ingest_refuse(INGEST_MISSING);
	lake_status(file, status);
	while (lake_read(file, buffer, HASH_PIECE) > 0)
		;
	lake_hash(file, hash);
	if (strcmp(hash, batch->sha256) != 0)
		ingest_refuse(psprintf("the file has changed: its SHA-256 is %s, the ledger says %s",
							   hash, batch->sha256));
	lake_close(file);
	pfree(buffer);
}

static void
verify_file(IngestRun *run)
{
	LakeStatus	status;

	lake_status(run->file, &status);
	if (going.batch_id != run->batch->batch_id || !lake_same_status(&status, &going.status))
	{
		memset(&going, 0, sizeof(going));
		verify_hash(run->batch, &going.status);
		going.ascending = strcmp(run->batch->state, "written") == 0;
		going.batch_id = run->batch->batch_id;
		going.offset = run->batch->offset_done;
	}
	if (!lake_same_status(&status, &going.status))
		ingest_refuse("the file has changed while it was read");
}

/* Of keys that others have read since, or that were rolled back, nothing is known. */
static void
check_place(const Batch *batch)
{
	if (going.offset != batch->offset_done)
		going.ascending = false;
}

/* ---- the staging table ---- */

static Oid
staging_table(const Batch *batch)
{
	return get_relname_relid(staging_name(batch), get_namespace_oid("hospital", false));
}

static void
drop_staging(const Batch *batch)
{
	Oid			relid = staging_table(batch);

	/* Somebody else's is left, and stands in the way. */
	if (OidIsValid(relid) && owns_relation(relid, GetUserId()))
		run_command(psprintf("DROP TABLE hospital.%s CASCADE", staging_name(batch)), SPI_OK_UTILITY);
}

/* Nobody goes on with what another role has read; only that role can. */
static void
require_own_staging(const Batch *batch)
{
	Oid			relid = staging_table(batch);

	if (OidIsValid(relid) && !owns_relation(relid, GetUserId()))
		ingest_refuse(psprintf("hospital.%s belongs to role \"%s\"", staging_name(batch),
							   GetUserNameFromId(relation_owner(relid), true)));
}

static void
make_staging(const IngestRun *run)
{
	const RowSourceMethods *methods = &record_sources[run->batch->kind_number];
	StringInfoData command;

	drop_staging(run->batch);
	require_own_staging(run->batch);
	initStringInfo(&command);
	appendStringInfo(&command, "CREATE TABLE hospital.%s (", staging_name(run->batch));
	for (int i = 0; i < methods->ncolumns; i++)
		appendStringInfo(&command, "%s %s, ", quote_identifier(methods->columns[i].name),
						 format_type_be_qualified(methods->columns[i].type));
	appendStringInfoString(&command, "ingest_line bigint, ingest_offset bigint, ingest_length int)");
	run_command(command.data, SPI_OK_UTILITY);
	run_command(psprintf("COMMENT ON TABLE hospital.%s IS 'Rows of a day file that is being ingested in chunks'",
						 staging_name(run->batch)), SPI_OK_UTILITY);
}

/*
 * Its owner may do anything with the table between two chunks, and need not be
 * the one who goes on with it: so it is looked at each time, and stays what it
 * is until the transaction ends.  What make_staging makes runs nothing of its
 * owner's; where there is more, that would run with the rights of who goes on.
 */
static const char *
staging_refusal(Relation rel, const RowSourceMethods *methods)
{
	const TupleConstr *constr = RelationGetDescr(rel)->constr;
	const char *reason = bulk_refusal_by_name(rel, methods);

	if (reason == NULL && constr != NULL && (constr->num_check > 0 || constr->num_defval > 0))
		reason = "it has constraints or defaults";
	if (reason == NULL && rel->rd_rel->relhasindex)
		reason = "it has indexes";
	if (reason == NULL && (rel->rd_rel->relhassubclass || rel->rd_rel->relrowsecurity))
		reason = "it has children or row security";
	return reason;
}

static void
lock_staging(ChunkRun *chunk, IngestRun *run)
{
	static const RowColumn place[PLACE_COLUMNS] = {
		{.name = "ingest_line", .type = INT8OID},
		{.name = "ingest_offset", .type = INT8OID},
		{.name = "ingest_length", .type = INT4OID},
	};
	int			ncolumns;
	Oid			relid;
	const char *reason;

	chunk->run = run;
	held_rows_init(&chunk->rows, run->batch->kind_number, &run->held);
	ncolumns = chunk->rows.ncolumns;
	memcpy(chunk->columns, chunk->rows.methods.columns, ncolumns * sizeof(RowColumn));
	memcpy(chunk->columns + ncolumns, place, sizeof(place));
	chunk->rows.methods.columns = chunk->columns;
	chunk->rows.methods.ncolumns = ncolumns + PLACE_COLUMNS;
	require_own_staging(run->batch);
	relid = staging_table(run->batch);
	if (!OidIsValid(relid))
		ingest_refuse("the rows of its earlier chunks are gone");

	/* Stronger than writing needs: no index or child of its owner's is added meanwhile. */
	chunk->rel = table_open(relid, ShareRowExclusiveLock);
	reason = staging_refusal(chunk->rel, &chunk->rows.methods);
	if (reason != NULL)
		ingest_refuse(psprintf("rows cannot be kept in \"%s\": %s",
							   RelationGetRelationName(chunk->rel), reason));
}

static void
note_key(const RecordKind *kind, const char *record)
{
	RecordKey	key = record_key(kind, record);

	if (going.has_last && record_key_compare(kind, &going.last, &key) >= 0)
		going.ascending = false;
	going.has_last = true;
	going.last = key;
}

static void
stage_records(IngestRun *run)
{
	ChunkRun   *chunk = run->place_arg;
	int		   *list = palloc(run->held.n * sizeof(int));
	int			n = 0;

	for (int row = 0; row < run->held.n; row++)
		if (!run->held.out[row])
		{
			list[n++] = row;
			note_key(run->kind, held_record(&run->held, row));
		}
	bulk_append(chunk->bulk, held_rows_set(&chunk->rows, list, n));
	run->rows += n;
}

static void
read_chunk(IngestRun *run)
{
	Batch	   *batch = run->batch;
	CsvReader  *reader = ingest_open_file(run);
	ChunkRun	chunk;
	CsvRecord	line;

	if (reader == NULL)
		ingest_refuse(INGEST_MISSING);
	verify_file(run);
	check_place(batch);
	if (strcmp(batch->state, "written") == 0)
	{
		make_staging(run);
		batch->offset_done = csv_offset(reader);
		batch->line_done = csv_line(reader) - 1;
	}
	lake_seek(run->file, batch->offset_done);
	reader = csv_reader(run->file);
	csv_set_position(reader, batch->offset_done, batch->line_done + 1);
	lock_staging(&chunk, run);
	chunk.bulk = bulk_open(chunk.rel, false);
	run->place = stage_records;
	run->place_arg = &chunk;
	while (csv_offset(reader) - batch->offset_done < (int64) hospital_ingest_chunk * 1024 &&
		   csv_fill(reader))
	{
		record_parse_trust(run->parser, csv_is_utf8(reader));
		while (csv_next(reader, &line))
			ingest_take_line(run, &line);
		ingest_end_piece(run);
		ingest_check_limits(run, false);
	}
	bulk_close(chunk.bulk);
	table_close(chunk.rel, NoLock);
	verify_file(run);
	going.offset = batch->offset_done = csv_offset(reader);
	batch->line_done = csv_line(reader) - 1;
	batch->rows += run->rows;
	batch->rejects += rejects_count(run->rejects);
	lake_close(run->file);
}

/* ---- the move ---- */

static Datum
staged_value(HeapTuple tuple, TupleDesc tupdesc, int column, bool *isnull)
{
	return SPI_getbinval(tuple, tupdesc, column + 1, isnull);
}

/* What numeric_form.h made of it, back again. */
static char *
number_text(Datum value)
{
	return DatumGetCString(DirectFunctionCall1(numeric_out, value));
}

static void
restore_field(const RecordColumn *column, Datum value, bool isnull, void *to)
{
	FieldError	error;
	char	   *text;

	switch (column->type)
	{
		case REC_INT8:
		case REC_TIME:
			*(int64 *) to = isnull ? REC_NULL8 : DatumGetInt64(value);
			break;
		case REC_INT4:
		case REC_DATE:
			*(int32 *) to = isnull ? REC_NULL4 : DatumGetInt32(value);
			break;
		case REC_TEXT:
			*(RecText *) to = (RecText) {NULL, 0};
			if (!isnull)
			{
				struct varlena *datum = PG_DETOAST_DATUM_PACKED(value);

				*(RecText *) to = (RecText) {VARDATA_ANY(datum), VARSIZE_ANY_EXHDR(datum)};
			}
			break;
		case REC_MONEY:
			*(int64 *) to = REC_NULL8;
			if (!isnull)
			{
				text = number_text(value);
				(void) field_money(text, strlen(text), to, &error);
			}
			break;
		case REC_DECIMAL:
			*(RecDecimal *) to = REC_DECIMAL_NULL;
			if (!isnull)
			{
				text = number_text(value);
				(void) field_decimal(text, strlen(text), to, &error);
			}
			break;
		case REC_UUID:
			*(pg_uuid_t *) to = *DatumGetUUIDP(value);
			break;
	}
}

static void
place_of_line(HeapTuple tuple, TupleDesc tupdesc, int first, LineRef *line)
{
	bool		isnull;

	memset(line, 0, sizeof(*line));
	line->line = DatumGetInt64(staged_value(tuple, tupdesc, first, &isnull));
	line->offset = DatumGetInt64(staged_value(tuple, tupdesc, first + 1, &isnull));
	line->raw_length = DatumGetInt32(staged_value(tuple, tupdesc, first + 2, &isnull));
}

static void
take_staged(IngestRun *run, HeapTuple tuple, TupleDesc tupdesc)
{
	char	   *record = ingest_next_record(run);
	LineRef    *line = &run->held.lines[run->held.n];

	for (int i = 0; i < run->kind->ncolumns; i++)
	{
		bool		isnull;
		Datum		value = staged_value(tuple, tupdesc, i, &isnull);

		restore_field(&run->kind->columns[i], value, isnull, record + run->kind->columns[i].offset);
	}
	place_of_line(tuple, tupdesc, run->kind->ncolumns, line);
	run->held.long_texts |= line->raw_length * MAX_CONVERSION_GROWTH > ROW_SCRATCH / 2;
	run->held.n++;
}

static Portal
open_cursor(const char *query)
{
	MemoryContext caller = CurrentMemoryContext;
	Portal		portal = SPI_cursor_open_with_args(NULL, query, 0, NULL, NULL, NULL, false,
												   CURSOR_OPT_NO_SCROLL);

	MemoryContextSwitchTo(caller);
	return portal;
}

static int
fetch(Portal portal)
{
	MemoryContext caller = CurrentMemoryContext;

	CHECK_FOR_INTERRUPTS();
	SPI_cursor_fetch(portal, true, MOVE_ROWS);
	MemoryContextSwitchTo(caller);
	return (int) SPI_processed;
}

/* The first line of a key stays; each later one is a reject. */
static void
reject_doubled(IngestRun *run)
{
	const char *key = run->kind->columns[run->kind->key].name;
	RecordFault fault = {run->kind->key, ERRCODE_UNIQUE_VIOLATION,
	INGEST_DOUBLED};
	Portal		portal;
	int			n;

	portal = open_cursor(psprintf("DELETE FROM hospital.%1$s s USING (SELECT ingest_line FROM"
								  " (SELECT ingest_line, row_number() OVER (PARTITION BY %2$s ORDER BY ingest_line) AS n"
								  " FROM hospital.%1$s) AS numbered WHERE n > 1) AS d"
								  " WHERE s.ingest_line = d.ingest_line"
								  " RETURNING s.ingest_line, s.ingest_offset, s.ingest_length",
								  staging_name(run->batch), key));
	while ((n = fetch(portal)) > 0)
	{
		SPITupleTable *rows = SPI_tuptable;

		for (int i = 0; i < n; i++)
		{
			LineRef		line;

			place_of_line(rows->vals[i], rows->tupdesc, 0, &line);
			rejects_add(run->rejects, &line, &fault, NULL);
		}
		rejects_flush(run->rejects);
		SPI_freetuptable(rows);
	}
	SPI_cursor_close(portal);
	CommandCounterIncrement();
}

/* A piece, of rows whose references have been looked at. */
static void
place_staged(IngestRun *run)
{
	MemoryContext caller = MemoryContextSwitchTo(run->piece);

	ingest_place(run);
	rejects_flush(run->rejects);
	run->held.n = 0;
	run->held.long_texts = false;
	MemoryContextSwitchTo(caller);
	MemoryContextReset(run->piece);
}

static void
move_rows(IngestRun *run)
{
	Batch	   *batch = run->batch;
	ChunkRun	chunk;
	Portal		portal;
	int			n;

	if (ingest_open_file(run) == NULL)
		ingest_refuse(INGEST_MISSING);
	verify_file(run);
	check_place(batch);
	lock_staging(&chunk, run);
	table_close(chunk.rel, NoLock);
	if (!going.ascending)
		reject_doubled(run);
	ingest_open_table(run);
	run->keys = NULL;			/* they differ */
	portal = open_cursor(psprintf("SELECT * FROM hospital.%s", staging_name(batch)));
	while ((n = fetch(portal)) > 0)
	{
		SPITupleTable *rows = SPI_tuptable;
		MemoryContext caller = MemoryContextSwitchTo(run->piece);

		for (int i = 0; i < n; i++)
			take_staged(run, rows->vals[i], rows->tupdesc);
		MemoryContextSwitchTo(caller);
		place_staged(run);
		SPI_freetuptable(rows);
	}
	SPI_cursor_close(portal);
	ingest_close_table(run);
	verify_file(run);
	ingest_check_limits(run, true);
	lake_close(run->file);
	drop_staging(batch);
	batch->rows = run->rows;
	batch->merged = run->merged;
	batch->rejects += rejects_count(run->rejects);
	ingest_retry_waiting(run);
}

/* ---- one step ---- */

/* Nothing of a file that is refused is kept, its rejects neither. */
static void
forget_file(const Batch *batch)
{
	drop_staging(batch);
	run_command(psprintf("DELETE FROM hospital.rejects WHERE batch_id = " INT64_FORMAT, batch->batch_id),
				SPI_OK_DELETE);
	memset(&going, 0, sizeof(going));
}

IngestOutcome
ingest_chunk(Batch *batch, const char *schema, char **message)
{
	bool		last = strcmp(batch->state, "loading") == 0 && batch->offset_done >= batch->bytes;

	*message = ingest_attempt(batch, schema, last ? move_rows : read_chunk, last);
	if (*message != NULL)
	{
		forget_file(batch);
		batch->rows = batch->merged = batch->rejects = batch->offset_done = batch->line_done = 0;
		return INGEST_REFUSED;
	}
	if (last)
	{
		memset(&going, 0, sizeof(going));
		return INGEST_DONE;
	}
	ledger_update(batch, "loading", NULL);
	return INGEST_PARTLY;
}
