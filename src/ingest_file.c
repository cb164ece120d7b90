/*
 * ingest_file.c: a day file into its table.
 *
 * One transaction a file: its rows, its rejects, and the ledger's row turning
 * from "written" to "ingested" commit together or not at all, so a crash leaves
 * either the whole file or a file that is ingested at the next start.  The
 * ledger's row is locked first; of two who want the same file the second finds
 * it done.  (Larger files: ingest_chunks.c.)
 *
 * The way of a line: csv_read.c gives its fields, record_parse.c makes a record
 * of them or says why not; then, for all records of a piece of the file at
 * once, ingest_refs.c looks for what they refer to, keys that have been there
 * are found, and ingest_write.c writes the rest.  What does not get through is
 * a row of hospital.rejects, with its bytes.
 *
 * The file is read once; its hash is known at the end, and rows of a file that
 * is not the one the ledger means are rolled back with the subtransaction around
 * them.  Such a file turns to "refused", with the reason, and the next one is
 * taken.  What another try may mend (disk full, a deadlock) stays an error, and
 * the file stays "written".
 *
 * A constraint that only the server knows is met at full speed in the hope that
 * it holds.  When it does not, all of the file is taken back and goes in again
 * carefully: each statement in a subtransaction of its own, halved until the
 * rows that it refuses stand alone, and are rejects.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "ingest_private.h"
#include "ingest_refs.h"
#include "marts.h"
#include "open_rows.h"
#include "row_error.h"
#include "settings.h"
#include "worker.h"

#define LIMIT_LINES 1000		/* before a share of the lines means anything on the way */
#define LIMIT_OF 100			/* lines that a file counts as, at the least */

void
ingest_refuse(const char *message)
{
	ereport(ERROR,
			(errcode(ERRCODE_FILE_REFUSED),
			 errmsg_internal("%s", message)));
}

/* ---- a run ---- */

static const char *
line_from_file(void *arg, const LineRef *line)
{
	IngestRun  *run = arg;
	char	   *bytes = palloc(line->raw_length + 1);
	size_t		got = 0;

	lake_seek(run->file, line->offset);
	while (got < line->raw_length)
	{
		size_t		more = lake_read(run->file, bytes + got, line->raw_length - got);

		if (more == 0)
			ingest_refuse("the file has changed while it was read");
		got += more;
	}
	return bytes;
}

IngestRun *
ingest_run(Batch *batch, const char *schema, bool careful)
{
	IngestRun  *run = palloc0(sizeof(IngestRun));

	run->batch = batch;
	run->kind = &record_kinds[batch->kind_number];
	run->schema = schema;
	run->careful = careful;
	run->merges = record_merges(run->kind) || ledger_is_streamed(batch->kind_number);
	run->parser = record_parser(run->kind, batch->day, batch->encoding);
	run->context = CurrentMemoryContext;
	run->piece = AllocSetContextCreate(CurrentMemoryContext, "hospital piece of a file",
									   ALLOCSET_DEFAULT_SIZES);
	run->held.kind = run->kind;
	run->rejects = rejects_begin(batch, run->kind, line_from_file, run);
	run->place = ingest_place;
	refs_begin(batch->undone);
	return run;
}

static void
grow(IngestRun *run)
{
	HeldRecords *held = &run->held;
	MemoryContext caller = MemoryContextSwitchTo(run->context);
	int			capacity = held->capacity == 0 ? 1024 : held->capacity * 2;

	if (held->capacity == 0)
	{
		held->records = palloc(capacity * held->kind->size);
		held->lines = palloc(capacity * sizeof(LineRef));
		held->out = palloc(capacity * sizeof(bool));
	}
	else
	{
		held->records = repalloc(held->records, capacity * held->kind->size);
		held->lines = repalloc(held->lines, capacity * sizeof(LineRef));
		held->out = repalloc(held->out, capacity * sizeof(bool));
	}
	held->capacity = capacity;
	MemoryContextSwitchTo(caller);
}

char *
ingest_next_record(IngestRun *run)
{
	if (run->held.n == run->held.capacity)
		grow(run);
	run->held.out[run->held.n] = false;
	return held_record(&run->held, run->held.n);
}

void
ingest_take_line(IngestRun *run, const CsvRecord *line)
{
	ingest_take_again(run, line, 0, false);
}

void
ingest_take_again(IngestRun *run, const CsvRecord *line, int64 reject_id, bool doubled)
{
	MemoryContext caller = MemoryContextSwitchTo(run->piece);
	char	   *record = ingest_next_record(run);
	LineRef    *ref = &run->held.lines[run->held.n];
	RecordFault fault;

	run->lines++;
	*ref = (LineRef) {
		.line = line->line, .offset = line->offset, .raw = line->raw, .raw_length = line->raw_length,
		.reject_id = reject_id, .doubled = doubled
	};
	if (record_parse(run->parser, line, record, &fault))
	{
		run->held.long_texts |= line->raw_length *
			(run->batch->encoding == PG_UTF8 ? 1 : MAX_CONVERSION_GROWTH) > ROW_SCRATCH / 2;
		run->held.n++;
	}
	else
		rejects_add(run->rejects, ref, &fault, NULL);
	MemoryContextSwitchTo(caller);
}

static void
reject_held(IngestRun *run, int row, int column, int sqlstate, const char *message)
{
	RecordFault fault = {column, sqlstate, message};

	run->held.out[row] = true;
	rejects_add(run->rejects, &run->held.lines[row], &fault, held_record(&run->held, row));
}

/* ---- references ---- */

static void
reject_orphan(void *arg, int row, int column)
{
	IngestRun  *run = arg;
	const RecordColumn *definition = &run->kind->columns[column];
	const char *field = held_record(&run->held, row) + definition->offset;
	const RecText *text = (const RecText *) field;
	char	   *message;

	if (reference_is_text(definition->reference))
		message = psprintf("there is no %s \"%.*s\"", reference_word(definition->reference),
						   pg_mbcliplen(text->data, (int) text->length, NAMEDATALEN), text->data);
	else
		message = psprintf("there is no %s " INT64_FORMAT, reference_word(definition->reference),
						   *(const int64 *) field);
	reject_held(run, row, column, ERRCODE_FOREIGN_KEY_VIOLATION, message);
}

void
ingest_end_piece(IngestRun *run)
{
	MemoryContext caller = MemoryContextSwitchTo(run->piece);

	if (run->held.n > 0)
	{
		refs_check(run->kind, run->held.records, run->held.n, run->held.out, reject_orphan, run);
		run->place(run);
	}
	rejects_flush(run->rejects);
	run->held.n = 0;
	run->held.long_texts = false;
	MemoryContextSwitchTo(caller);
	MemoryContextReset(run->piece);
}

/* ---- into the table ---- */

void
ingest_open_table(IngestRun *run)
{
	run->writer = record_writer(run->batch->kind_number, &run->held, run->schema, run->careful);
	run->keys = file_keys(run->kind);
	run->has_last = record_last_key(run->writer, &run->last);
}

void
ingest_close_table(IngestRun *run)
{
	record_writer_close(run->writer);
	run->writer = NULL;
}

static char *
error_text(const ErrorData *error)
{
	return error->detail == NULL ? pstrdup(error->message) :
		psprintf("%s (%s)", error->message, error->detail);
}

/* The rows went in, or are those of the same key that were there before. */
static void
count_placed(IngestRun *run, const int *list, int n, bool there)
{
	RecordReference known = run->batch->kind_number == KIND_REGISTRATIONS ? REF_PATIENT :
		run->batch->kind_number == KIND_ADMISSIONS ? REF_ADMISSION : REF_NONE;

	run->rows += n;
	run->merged += there ? n : 0;
	worker_count_rows(n);
	for (int i = 0; i < n; i++)
	{
		const char *record = held_record(&run->held, list[i]);

		marts_note(run->batch->kind_number, record, !there);
		if (known != REF_NONE)
			refs_learn(known, record_key(run->kind, record).number);
	}
	if (known != REF_NONE && n > 0)
		ingest_note_waiting(run, list, n);
}

static void
insert_rows(IngestRun *run, const int *list, int n)
{
	record_insert(run->writer, list, n);
	count_placed(run, list, n, false);
}

/* Those that do not differ from the row of their key; "fit" has room for all. */
static int
merge_some(IngestRun *run, const int *list, int n, int *fit)
{
	KeySet	   *fitting = record_merge(run->writer, list, n);
	int			nfit = 0;

	for (int i = 0; i < n; i++)
	{
		RecordKey	key = record_key(run->kind, held_record(&run->held, list[i]));

		if (key_set_has(fitting, &key))
			fit[nfit++] = list[i];
		else
			reject_held(run, list[i], run->kind->key, ERRCODE_UNIQUE_VIOLATION,
						"differs from the row of this key that is there");
	}
	return nfit;
}

static void
merge_known(IngestRun *run, const int *list, int n)
{
	int		   *fit = palloc(n * sizeof(int));

	count_placed(run, fit, merge_some(run, list, n, fit), true);
}

static void
merge_new(IngestRun *run, const int *list, int n)
{
	int		   *fit = palloc(n * sizeof(int));

	count_placed(run, fit, merge_some(run, list, n, fit), false);
}

/* Somebody else may have brought some of these keys since they were looked for. */
static void
insert_or_merge(IngestRun *run, const int *list, int n)
{
	KeySet	   *inserted = record_insert_new(run->writer, list, n);
	int		   *fresh = palloc(n * sizeof(int));
	int		   *others = palloc(n * sizeof(int));
	int			nfresh = held_choose(&run->held, list, n, inserted, true, fresh);
	int			nothers = held_choose(&run->held, list, n, inserted, false, others);

	/* what may fail comes before anything is counted */
	if (nothers > 0)
		merge_known(run, others, nothers);
	count_placed(run, fresh, nfresh, false);
}

typedef void (*WriteRows) (IngestRun *run, const int *list, int n);

/* In a subtransaction.  NULL: done; else the error, which blames a row. */
static ErrorData *
try_rows(IngestRun *run, WriteRows write, const int *list, int n)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		write(run, list, n);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		open_rows_set(NULL, NULL);
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		if (!error_blames_row(error->sqlerrcode))
			ReThrowError(error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return error;
}

/* Halving until the rows that are refused stand alone. */
static void
write_carefully(IngestRun *run, WriteRows write, const int *list, int n)
{
	ErrorData  *error;

	CHECK_FOR_INTERRUPTS();
	error = try_rows(run, write, list, n);
	if (error != NULL && n == 1)
	{
		int			column = -1;

		for (int i = 0; i < run->kind->ncolumns && error->column_name != NULL; i++)
			if (strcmp(run->kind->columns[i].name, error->column_name) == 0)
				column = i;
		reject_held(run, list[0], column, error->sqlerrcode, error_text(error));
	}
	else if (error != NULL)
	{
		write_carefully(run, write, list, n / 2);
		write_carefully(run, write, list + n / 2, n - n / 2);
	}
}

static void
write_rows(IngestRun *run, WriteRows write, const int *list, int n)
{
	if (n == 0)
		return;
	if (run->careful)
		write_carefully(run, write, list, n);
	else
		write(run, list, n);
}

/*
 * May a row of this key be in the table?  Not when the key is beyond the
 * largest that was there before the file.  Registrations are about people,
 * whose numbers follow no order: one of somebody who is seen for the first time
 * today is taken to be new, until the unique index says otherwise.
 */
static bool
is_doubtful(const IngestRun *run, const char *record, const RecordKey *key)
{
	const Registration *person = (const Registration *) record;

	if (run->batch->kind_number == KIND_REGISTRATIONS)
		return !record_writer_is_bulk(run->writer) || person->deceased_at != REC_NULL8 ||
			person->first_seen_on != run->batch->day;
	return run->has_last && record_key_compare(run->kind, key, &run->last) <= 0;
}

static void
sort_out(IngestRun *run, int *fresh, int *nfresh, int *doubtful, int *ndoubtful)
{
	*nfresh = *ndoubtful = 0;
	for (int row = 0; row < run->held.n; row++)
	{
		const char *record = held_record(&run->held, row);
		RecordKey	key;

		if (run->held.out[row])
			continue;
		key = record_key(run->kind, record);
		if (run->keys != NULL && !file_keys_add(run->keys, &key))
			reject_held(run, row, run->kind->key, ERRCODE_UNIQUE_VIOLATION,
						INGEST_DOUBLED);
		else if (is_doubtful(run, record, &key))
			doubtful[(*ndoubtful)++] = row;
		else
			fresh[(*nfresh)++] = row;
	}
}

static void
place_doubtful(IngestRun *run, const int *doubtful, int ndoubtful, int *fresh, int *nfresh)
{
	KeySet	   *existing = record_existing(run->writer, doubtful, ndoubtful);
	bool		all = run->batch->kind_number == KIND_REGISTRATIONS && !record_writer_is_bulk(run->writer);
	int		   *known = palloc(ndoubtful * sizeof(int));
	int		   *others = palloc(ndoubtful * sizeof(int));
	int			nknown = 0;
	int			nothers = 0;

	for (int i = 0; i < ndoubtful; i++)
	{
		int			row = doubtful[i];
		RecordKey	key = record_key(run->kind, held_record(&run->held, row));
		bool		exists = key_set_has(existing, &key);

		if (exists && run->held.lines[row].doubled)
			reject_held(run, row, run->kind->key, ERRCODE_UNIQUE_VIOLATION, INGEST_DOUBLED);
		else if (exists && !run->merges)
			reject_held(run, row, run->kind->key, ERRCODE_UNIQUE_VIOLATION,
						"a row of this key is there already");
		else if (exists)
			known[nknown++] = row;
		else if (all)
			others[nothers++] = row;
		else
			fresh[(*nfresh)++] = row;
	}
	write_rows(run, merge_known, known, nknown);
	write_rows(run, merge_new, others, nothers);
}

void
ingest_place(IngestRun *run)
{
	int		   *fresh = palloc(run->held.n * sizeof(int));
	int		   *doubtful = palloc(run->held.n * sizeof(int));
	int			nfresh;
	int			ndoubtful;

	sort_out(run, fresh, &nfresh, doubtful, &ndoubtful);
	if (ndoubtful > 0)
		place_doubtful(run, doubtful, ndoubtful, fresh, &nfresh);
	write_rows(run, run->careful && run->merges ? insert_or_merge : insert_rows, fresh, nfresh);
}

/* ---- limits ---- */

/* NULL when there are not too many. */
static char *
broken_limit(int64 rejects, int64 lines)
{
	if (hospital_reject_limit >= 0 && rejects > hospital_reject_limit)
		return psprintf("hospital.reject_limit is %d", hospital_reject_limit);
	if (rejects * 100.0 > hospital_reject_percent * Max(lines, LIMIT_OF))
		return psprintf("hospital.reject_percent is %g", hospital_reject_percent);
	return NULL;
}

void
ingest_check_limits(IngestRun *run, bool end)
{
	int64		before = run->batch->rejects;	/* of earlier chunks */
	int64		rejects = before + rejects_count(run->rejects);
	int64		lines = run->batch->rows + before + run->lines;
	int64		orphans;
	char	   *limit;

	if (rejects == 0 || (!end && lines < LIMIT_LINES))
		return;
	limit = broken_limit(rejects, lines);
	if (limit == NULL)
		return;

	/*
	 * Days that are ingested in another order lack patients and admissions
	 * that are still to come: those are waited for, and no fault of the file.
	 * What completed the days before may have been committed since a line was
	 * looked at: only what is missing after all of it was there is a fault.
	 */
	orphans = rejects_orphans(run->rejects) + (before > 0 ? ledger_orphans(run->batch->batch_id) : 0);
	if (orphans > 0 && broken_limit(rejects - orphans, lines) == NULL &&
		(!ledger_has_history(run->batch->day) ||
		 broken_limit(rejects - ingest_orphans_found(run->batch->batch_id), lines) == NULL))
		return;
	ingest_refuse(psprintf(INT64_FORMAT " of " INT64_FORMAT " lines were rejects, and %s; the first: %s",
						   rejects, lines, limit,
						   rejects_first(run->rejects) ? rejects_first(run->rejects) : "in an earlier chunk"));
}

/* ---- the file ---- */

static char *
header_text(const CsvRecord *header)
{
	size_t		length = header->raw_length;

	while (length > 0 && (header->raw[length - 1] == '\n' || header->raw[length - 1] == '\r'))
		length--;
	return pnstrdup(header->raw, length);
}

CsvReader *
ingest_open_file(IngestRun *run)
{
	CsvReader  *reader;
	CsvRecord	header;
	const char *reason;

	run->file = lake_open(run->batch->file);
	if (run->file == NULL)
		return NULL;
	reader = csv_reader(run->file);
	do
	{
		if (!csv_fill(reader))
			ingest_refuse("the file is empty: not even a header");
	} while (!csv_next(reader, &header));
	reason = record_parse_header(run->parser, &header);
	if (reason != NULL)
		ingest_refuse(reason);
	run->batch->header = record_order_is_usual(run->parser) ? NULL : header_text(&header);
	return reader;
}

static void
check_identity(const IngestRun *run)
{
	char		hash[LAKE_HASH_LENGTH + 1];

	lake_hash(run->file, hash);
	if (lake_bytes(run->file) != run->batch->bytes)
		ingest_refuse(psprintf("the file has " INT64_FORMAT " bytes, the ledger says " INT64_FORMAT,
							   lake_bytes(run->file), run->batch->bytes));
	if (strcmp(hash, run->batch->sha256) != 0)
		ingest_refuse(psprintf("the file has changed: its SHA-256 is %s, the ledger says %s",
							   hash, run->batch->sha256));
}

static void
ingest_whole_file(IngestRun *run)
{
	CsvReader  *reader = ingest_open_file(run);
	CsvRecord	line;

	if (reader == NULL)
		ingest_refuse(INGEST_MISSING);
	ingest_open_table(run);
	do
	{
		record_parse_trust(run->parser, csv_is_utf8(reader));
		while (csv_next(reader, &line))
			ingest_take_line(run, &line);
		ingest_end_piece(run);
		ingest_check_limits(run, false);
	} while (csv_fill(reader));
	run->batch->offset_done = csv_offset(reader);
	run->batch->line_done = csv_line(reader) - 1;
	ingest_close_table(run);
	check_identity(run);
	ingest_check_limits(run, true);
	lake_close(run->file);
	run->batch->rows = run->rows;
	run->batch->merged = run->merged;
	run->batch->rejects = rejects_count(run->rejects);
	ingest_retry_waiting(run);
}

/* Would the same file fail in the same way at the next try? */
static bool
is_lasting(int sqlstate)
{
	return sqlstate == ERRCODE_FILE_REFUSED || error_blames_row(sqlstate);
}

/* In a subtransaction; *blames_row when it was a row that the server refused. */
static char *
try_once(IngestRun *run, IngestBody body, bool *blames_row)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	MemoryContext context = run->context;
	char	   *volatile message = NULL;

	*blames_row = false;
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		body(run);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		open_rows_set(NULL, NULL);
		refs_forget();
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = owner;
		if (!is_lasting(error->sqlerrcode))
		{
			MemoryContextDelete(context);
			ReThrowError(error);
		}
		*blames_row = error->sqlerrcode != ERRCODE_FILE_REFUSED;
		message = *blames_row ? error_text(error) : error->message;
	}
	PG_END_TRY();
	return message;
}

char *
ingest_attempt(Batch *batch, const char *schema, IngestBody body, bool row_by_row)
{
	const Batch as_taken = *batch;
	MemoryContext caller = CurrentMemoryContext;
	bool		blames_row = false;
	char	   *message = NULL;

	for (int careful = 0; careful <= (row_by_row ? 1 : 0); careful++)
	{
		MemoryContext context = AllocSetContextCreate(caller, "hospital ingest", ALLOCSET_DEFAULT_SIZES);
		IngestRun  *run;

		MemoryContextSwitchTo(context);
		*batch = as_taken;
		run = ingest_run(batch, schema, careful != 0);
		/* an error outlives the memory of the attempt */
		MemoryContextSwitchTo(caller);
		message = try_once(run, body, &blames_row);
		if (batch->header != NULL)
			batch->header = pstrdup(batch->header);
		MemoryContextDelete(context);
		if (!blames_row)
			break;
	}
	return message;
}

static char *
try_file(Batch *batch, const char *schema)
{
	const Batch as_taken = *batch;
	char	   *message = ingest_attempt(batch, schema, ingest_whole_file, true);

	if (message != NULL)
		*batch = as_taken;
	return message;
}

/* What can be known before the file is opened. */
static char *
refusal(const Batch *batch)
{
	if (batch->kind_number < 0)
		return psprintf("there is no kind of day file named \"%s\"", batch->kind_name);
	if (batch->encoding < 0)
		return "there is no encoding of this name";
	if (!record_encoding_is_known(batch->encoding))
		return psprintf("there is no conversion from encoding \"%s\" to UTF8",
						pg_encoding_to_char(batch->encoding));
	if (batch->rival != 0)
		return psprintf("other bytes of this file were ingested as batch " INT64_FORMAT
						"; CALL hospital_undo_batch(" INT64_FORMAT ") first", batch->rival, batch->rival);
	return NULL;
}

static IngestOutcome
ingest_taken(Batch *batch, const char *schema, bool may_come_back, char **message)
{
	MemoryContext caller = CurrentMemoryContext;

	*message = refusal(batch);
	if (*message == NULL && ingest_in_chunks(batch))
	{
		IngestOutcome outcome = ingest_chunk(batch, schema, message);

		MemoryContextSwitchTo(caller);
		if (outcome == INGEST_PARTLY)
			return outcome;
	}
	else if (*message == NULL)
	{
		*message = try_file(batch, schema);
		MemoryContextSwitchTo(caller);
	}

	/* The scheduler commits the ledger's row before the file gets its name. */
	if (*message != NULL && strcmp(*message, INGEST_MISSING) == 0 && lake_is_pending(batch->file))
		return INGEST_PENDING;
	if (*message != NULL && may_come_back && strcmp(*message, INGEST_MISSING) == 0 &&
		ledger_note_missed(batch, *message))
		return INGEST_MISSED;
	ledger_update(batch, *message == NULL ? "ingested" : "refused", *message);
	if (*message == NULL)
	{
		ingest_look_again(batch, schema);
		marts_apply(schema);
	}
	else
		marts_forget();
	ereport(LOG,
			(*message == NULL ?
			 errmsg("hospital ingestor: \"%s\": " INT64_FORMAT " rows, " INT64_FORMAT " rejects",
					batch->file, batch->rows, batch->rejects) :
			 errmsg("hospital ingestor: \"%s\" refused: %s", batch->file, *message)));
	return *message == NULL ? INGEST_DONE : INGEST_REFUSED;
}

IngestOutcome
ingest_batch(int64 batch_id, const char *schema, char **message)
{
	Batch	   *batch = ledger_take(batch_id, "{written,loading}", true);

	*message = NULL;
	if (batch == NULL)
		return INGEST_NOT_WRITTEN;
	return ingest_taken(batch, schema, false, message);
}

IngestOutcome
ingest_next(const char *schema, bool may_come_back, IngestedBatch *result)
{
	Batch	   *batch;
	IngestOutcome outcome;

	memset(result, 0, sizeof(*result));
	batch = ledger_take_next(&result->others_wait);
	if (batch == NULL)
		return INGEST_NOT_WRITTEN;
	result->batch_id = batch->batch_id;
	result->file = batch->file;
	worker_state("ingesting batch " INT64_FORMAT, batch->batch_id);
	outcome = ingest_taken(batch, schema, may_come_back, &result->message);
	result->rows = batch->rows;
	result->rejects = batch->rejects;
	result->is_awaited = batch->kind_number >= 0 &&
		(record_kinds[batch->kind_number].stage < 2 || record_merges(&record_kinds[batch->kind_number]));
	return outcome;
}
