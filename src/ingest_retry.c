/*
 * ingest_retry.c: rejects, once more.
 *
 * A reject has the bytes of its line, which its owner may have mended.  They go
 * the way of any line, as lines of the file that they came in; those that get
 * through are rows then and their rejects resolved, the others have a new reason.
 *
 * Days that are ingested in another order lack patients and admissions that
 * come later.  When those come, the lines that lacked them are tried again in
 * the same transaction, so that the tables end up the same.  They are found by
 * what they lack (an index of unresolved rejects has it); where none waits for
 * anybody, that is one look at an empty index.
 *
 * Of two files at the same time neither sees what the other has not committed:
 * the one that lacks a patient not the patient, the one that brings the patient
 * not the reject.  So they exclude each other.  Who brings takes a lock before
 * it looks for rejects; who lacks takes one that conflicts with it when all its
 * rejects are written, and looks once more.  Among themselves neither waits.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "csv_write.h"
#include "ingest_private.h"
#include "ingest_refs.h"
#include "kept_plan.h"
#include "locks.h"
#include "marts.h"
#include "procedure.h"
#include "stream_retry.h"
#include "stream_topics.h"

#define RETRY_ROWS 1000			/* rejects at a time */

PG_FUNCTION_INFO_V1(hospital_retry_rejects);

/* The first column of a result, as numbers. */
static int64 *
result_numbers(int n)
{
	int64	   *numbers = palloc(Max(n, 1) * sizeof(int64));
	bool		isnull;

	for (int i = 0; i < n; i++)
		numbers[i] = DatumGetInt64(kept_value(i, 1, &isnull));
	kept_done();
	return numbers;
}

/* ---- who waits ---- */

static bool
somebody_waits(IngestRun *run)
{
	static KeptPlan plan;

	if (!run->looked_for_waiting)
	{
		hospital_lock_transaction(run->batch->kind_number == KIND_ADMISSIONS ? HOSPITAL_LOCK_ADMISSIONS :
								  HOSPITAL_LOCK_PATIENTS, RowExclusiveLock);
		run->some_wait = kept_run(&plan, "SELECT FROM hospital.rejects WHERE reference IN ('patients', 'admissions')"
								  " AND reference_id IS NOT NULL AND resolved_at IS NULL LIMIT 1",
								  0, NULL, NULL, NULL, SPI_OK_SELECT) > 0;
		kept_done();
		run->looked_for_waiting = true;
	}
	return run->some_wait;
}

void
ingest_note_waiting(IngestRun *run, const int *list, int n)
{
	static KeptPlan plan;
	const Oid	types[] = {TEXTOID, INT8ARRAYOID};
	RecordReference reference = run->batch->kind_number == KIND_ADMISSIONS ? REF_ADMISSION : REF_PATIENT;
	int64	   *ids;
	Datum		values[2];
	int			found;
	MemoryContext caller;

	if (!somebody_waits(run))
		return;
	ids = palloc(n * sizeof(int64));
	for (int i = 0; i < n; i++)
		ids[i] = record_key(run->kind, held_record(&run->held, list[i])).number;
	values[0] = CStringGetTextDatum(reference_table(reference));
	values[1] = kept_numbers(ids, n);
	found = (int) kept_run(&plan, "SELECT reject_id FROM hospital.rejects WHERE reference = $1"
						   " AND reference_id = ANY ($2) AND resolved_at IS NULL AND batch_id IS NOT NULL",
						   2, types, values, NULL, SPI_OK_SELECT);
	ids = result_numbers(found);
	if (found == 0)
		return;
	caller = MemoryContextSwitchTo(run->context);
	run->waiting = run->waiting == NULL ? palloc(found * sizeof(int64)) :
		repalloc(run->waiting, (run->nwaiting + found) * sizeof(int64));
	memcpy(run->waiting + run->nwaiting, ids, found * sizeof(int64));
	run->nwaiting += found;
	MemoryContextSwitchTo(caller);
}

/* ---- lines of one file, again ---- */

/* A try of some rejects of a batch. */
typedef struct Retry
{
	int64	   *resolved;		/* reject ids */
	int			nresolved;
} Retry;

static void
place_again(IngestRun *run)
{
	Retry	   *retry = run->place_arg;

	ingest_place(run);
	for (int row = 0; row < run->held.n; row++)
		if (!run->held.out[row])
			retry->resolved[retry->nresolved++] = run->held.lines[row].reject_id;
}

/* Its bytes must be one record. */
static void
take_again(IngestRun *run, int64 reject_id, bool doubled, int64 line, const bytea *raw)
{
	CsvReader  *reader = csv_reader_of_bytes(VARDATA_ANY(raw), VARSIZE_ANY_EXHDR(raw));
	CsvRecord	record = {.error = "no record"};
	CsvRecord	another;

	if (csv_fill(reader) && csv_next(reader, &record) && csv_next(reader, &another))
		record.error = "more than one record";
	record.line = line;
	record.raw = VARDATA_ANY(raw);
	record.raw_length = VARSIZE_ANY_EXHDR(raw);
	ingest_take_again(run, &record, reject_id, doubled);
}

static void
set_header(IngestRun *run)
{
	CsvReader  *reader;
	CsvRecord	header;

	if (run->batch->header == NULL)
	{
		record_parse_usual_order(run->parser);
		return;
	}
	reader = csv_reader_of_bytes(run->batch->header, strlen(run->batch->header));
	if (!csv_fill(reader) || !csv_next(reader, &header) ||
		record_parse_header(run->parser, &header) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("batch " INT64_FORMAT " has a header that is none of its kind's",
						run->batch->batch_id)));
}

static void
resolve(const Retry *retry)
{
	static KeptPlan plan;
	const Oid	types[] = {INT8ARRAYOID};
	Datum		values[] = {kept_numbers(retry->resolved, retry->nresolved)};

	kept_run(&plan, "UPDATE hospital.rejects SET resolved_at = clock_timestamp(), resolved_by = 'retry',"
			 " attempts = attempts + 1 WHERE reject_id = ANY ($1)",
			 1, types, values, NULL, SPI_OK_UPDATE);
}

static void
count_resolved(const IngestRun *run, const Retry *retry)
{
	static KeptPlan plan;
	const Oid	types[] = {INT8OID, INT8OID, INT8OID};
	Datum		values[] = {
		Int64GetDatum(run->batch->batch_id), Int64GetDatum(retry->nresolved), Int64GetDatum(run->merged)
	};

	kept_run(&plan, "UPDATE hospital.batches SET rows = rows + $2, rejects = rejects - $2,"
			 " merged = merged + $3 WHERE batch_id = $1",
			 3, types, values, NULL, SPI_OK_UPDATE);
}

/* A thousand at the most; how many came in. */
static int
retry_lines(IngestRun *run, const int64 *ids, int n)
{
	static KeptPlan plan;
	const Oid	types[] = {INT8ARRAYOID, INT8OID};
	Datum		values[] = {kept_numbers(ids, n), Int64GetDatum(run->batch->batch_id)};
	Retry		retry = {.resolved = palloc(n * sizeof(int64))};
	int			found;

	found = (int) kept_run(&plan, "SELECT reject_id, line, raw, message = '" INGEST_DOUBLED "'"
						   " FROM hospital.rejects WHERE reject_id = ANY ($1)"
						   " AND batch_id = $2 AND resolved_at IS NULL AND raw IS NOT NULL"
						   " ORDER BY line, reject_id FOR UPDATE",
						   2, types, values, NULL, SPI_OK_SELECT);
	if (found == 0)
	{
		kept_done();
		return 0;
	}
	for (int i = 0; i < found; i++)
	{
		bool		isnull;
		int64		reject_id = DatumGetInt64(kept_value(i, 1, &isnull));
		int64		line = DatumGetInt64(kept_value(i, 2, &isnull));

		bool		doubled = DatumGetBool(kept_value(i, 4, &isnull));

		take_again(run, reject_id, doubled, line, DatumGetByteaPCopy(kept_value(i, 3, &isnull)));
	}
	kept_done();
	run->place = place_again;
	run->place_arg = &retry;
	ingest_end_piece(run);
	if (retry.nresolved > 0)
	{
		resolve(&retry);
		count_resolved(run, &retry);
	}
	return retry.nresolved;
}

/* Rejects of one batch, and of others whose turn comes with them; how many came in. */
static int64
retry_batch(int64 batch_id, const char *schema, const int64 *ids, int n)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "hospital retry", ALLOCSET_DEFAULT_SIZES);
	MemoryContext piece = AllocSetContextCreate(context, "hospital retry piece", ALLOCSET_DEFAULT_SIZES);
	int64		resolved = 0;
	Batch	   *batch;

	MemoryContextSwitchTo(context);
	batch = ledger_take(batch_id, "{ingested}", true);
	for (int i = 0; batch != NULL && i < n; i += RETRY_ROWS)
	{
		IngestRun  *run;

		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(piece);
		run = ingest_run(batch, schema, true);
		set_header(run);
		ingest_open_table(run);
		resolved += retry_lines(run, ids + i, Min(n - i, RETRY_ROWS));
		ingest_close_table(run);
		ingest_retry_waiting(run);
		MemoryContextReset(piece);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return resolved;
}

/* The batches of these rejects, in the order in which their files go. */
static int64 *
batches_of(const int64 *rejects, int n, int *nbatches)
{
	static KeptPlan plan;
	const Oid	types[] = {INT8ARRAYOID};
	Datum		values[] = {kept_numbers(rejects, n)};

	*nbatches = (int) kept_run(&plan, "SELECT batch_id FROM hospital.batches WHERE state = 'ingested' AND batch_id IN"
							   " (SELECT batch_id FROM hospital.rejects WHERE reject_id = ANY ($1))"
							   " ORDER BY day, batch_id", 1, types, values, NULL, SPI_OK_SELECT);
	return result_numbers(*nbatches);
}

void
ingest_retry_waiting(IngestRun *run)
{
	MemoryContext caller = CurrentMemoryContext;
	int64		resolved = 0;
	int64	   *batches;
	int			nbatches;

	if (run->nwaiting == 0)
		return;
	batches = batches_of(run->waiting, run->nwaiting, &nbatches);
	for (int i = 0; i < nbatches; i++)
		resolved += retry_batch(batches[i], run->schema, run->waiting, run->nwaiting);
	MemoryContextSwitchTo(caller);
	ereport(LOG,
			(errmsg("hospital ingestor: " INT64_FORMAT " lines of other files had waited for batch " INT64_FORMAT,
					resolved, run->batch->batch_id)));
}

/* Rejects of a batch whose patient or admission has come meanwhile. */
static int64 *
found_since(int64 batch_id, int *n)
{
	static KeptPlan plan;
	const Oid	types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(batch_id)};

	*n = (int) kept_run(&plan, "SELECT r.reject_id FROM hospital.rejects r"
						" JOIN hospital.patients p ON p.patient_id = r.reference_id"
						" WHERE r.batch_id = $1 AND r.reference = 'patients' AND r.resolved_at IS NULL"
						" UNION ALL SELECT r.reject_id FROM hospital.rejects r"
						" JOIN hospital.admissions a ON a.admission_id = r.reference_id"
						" WHERE r.batch_id = $1 AND r.reference = 'admissions' AND r.resolved_at IS NULL",
						1, types, values, NULL, SPI_OK_SELECT);
	return result_numbers(*n);
}

int64
ingest_orphans_found(int64 batch_id)
{
	int			n;

	pfree(found_since(batch_id, &n));
	return n;
}

void
ingest_look_again(const Batch *batch, const char *schema)
{
	int64	   *rejects;
	int			n;

	if (batch->rejects == 0 || ledger_orphans(batch->batch_id) == 0)
		return;
	hospital_lock_transaction(HOSPITAL_LOCK_PATIENTS, ShareLock);
	if (batch->kind_number != KIND_ADMISSIONS)	/* which bring them, and lack none */
		hospital_lock_transaction(HOSPITAL_LOCK_ADMISSIONS, ShareLock);
	rejects = found_since(batch->batch_id, &n);
	if (n > 0)
		(void) retry_batch(batch->batch_id, schema, rejects, n);
}

/* ---- CALL hospital_retry_rejects(batch_id, kind) ---- */

/* The batches with unresolved rejects that are meant, as numbers that outlive the transaction. */
static int64 *
meant_batches(FunctionCallInfo fcinfo, int *n)
{
	static KeptPlan plan;
	const Oid	types[] = {INT8OID, TEXTOID};
	Datum		values[] = {
		PG_ARGISNULL(0) ? (Datum) 0 : PG_GETARG_DATUM(0), PG_ARGISNULL(1) ? (Datum) 0 : PG_GETARG_DATUM(1)
	};
	char		nulls[] = {PG_ARGISNULL(0) ? 'n' : ' ', PG_ARGISNULL(1) ? 'n' : ' ', '\0'};

	*n = (int) kept_run(&plan, "SELECT batch_id FROM hospital.batches b WHERE state = 'ingested'"
						" AND ($1 IS NULL OR batch_id = $1) AND ($2 IS NULL OR kind = $2) AND EXISTS"
						" (SELECT FROM hospital.rejects r WHERE r.batch_id = b.batch_id AND r.resolved_at IS NULL)"
						" ORDER BY day, batch_id", 2, types, values, nulls, SPI_OK_SELECT);
	return result_numbers(*n);
}

static int64 *
unresolved_rejects(int64 batch_id, int *n)
{
	static KeptPlan plan;
	const Oid	types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(batch_id)};

	*n = (int) kept_run(&plan, "SELECT reject_id FROM hospital.rejects WHERE batch_id = $1"
						" AND resolved_at IS NULL ORDER BY line, reject_id",
						1, types, values, NULL, SPI_OK_SELECT);
	return result_numbers(*n);
}

static void
check_arguments(FunctionCallInfo fcinfo)
{
	procedure_require_top_level(fcinfo, "hospital_retry_rejects");
	if (!PG_ARGISNULL(1) && stream_kind_by_name(text_to_cstring(PG_GETARG_TEXT_PP(1))) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no kind of day file or event named \"%s\"", text_to_cstring(PG_GETARG_TEXT_PP(1)))));
}

Datum
hospital_retry_rejects(PG_FUNCTION_ARGS)
{
	char	   *schema = get_namespace_name(get_func_namespace(fcinfo->flinfo->fn_oid));
	int64	   *batches;
	int			nbatches;
	int64		resolved = 0;
	int64		tried = 0;
	int			level;

	check_arguments(fcinfo);
	level = csv_pin_settings();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	ingest_require_hospital();
	batches = meant_batches(fcinfo, &nbatches);
	for (int i = 0; i < nbatches; i++)
	{
		int			n;
		int64	   *rejects = unresolved_rejects(batches[i], &n);

		tried += n;
		resolved += retry_batch(batches[i], quote_identifier(schema), rejects, n);
		pfree(rejects);
	}
	if (PG_ARGISNULL(0))
		resolved += stream_retry(PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1)),
								 quote_identifier(schema), &tried);
	marts_apply(quote_identifier(schema));
	SPI_finish();
	csv_unpin_settings(level);
	ereport(NOTICE,
			(errmsg(INT64_FORMAT " of " INT64_FORMAT " rejects resolved", resolved, tried)));
	PG_RETURN_VOID();
}
