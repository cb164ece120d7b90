/*
 * ingestor.c: day files into tables.
 *
 * One transaction a file: its rows, its rejects, and the ledger's row turning
 * from "written" to "ingested" commit together or not at all, so a crash leaves
 * either the whole file or a file that is ingested at the next start.  The
 * ledger's row is locked first; of two who want the same file (the worker and
 * CALL hospital_ingest) the second finds it done.
 *
 * The file is read once, in pieces; its hash is known at the end, and rows of a
 * file that is not the one the ledger means are rolled back with the
 * subtransaction around them.  So are those of a file that a constraint of the
 * table refuses.  Such a file turns to "refused", with the reason, and the next
 * one is taken.  What another try may mend (disk full, a deadlock) stays an
 * error, and the file stays "written".
 *
 * Every field is checked before a row is formed.  A line that fails is a row of
 * hospital.rejects, with its bytes.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "control.h"
#include "csv_read.h"
#include "csv_write.h"
#include "day_file.h"
#include "fields.h"
#include "lakefile.h"
#include "open_rows.h"
#include "simulation.h"
#include "worker.h"

#define BATCH_ROWS 4096			/* handed to SQL at a time */
#define BATCH_BYTES (2 * 1024 * 1024)	/* of their text; the tuplestore stays in work_mem */
#define PENDING_MS 1000			/* the scheduler's poke comes earlier */
#define ERRCODE_FILE_REFUSED MAKE_SQLSTATE('H','O','0','0','1')

PG_FUNCTION_INFO_V1(hospital_ingest);

/* A kind of day file: its table's columns, and those that may be empty. */
typedef struct FileKind
{
	const char *kind;
	const char *table;
	int			nullable;		/* bits, by column */
	RowSourceMethods methods;
} FileKind;

/* The rows at hand, as a row source. */
typedef struct HeldRows
{
	RowSource	source;
	Datum	   *values;			/* [row * ncolumns + column] */
	bool	   *isnull;
} HeldRows;

static bool held_fetch(RowSource *source, int64 row, Datum *values, bool *isnull, char *scratch);

static const RowColumn admission_columns[] = {
	{"admission_id", INT8OID},
	{"patient_id", INT8OID},
	{"visit_id", INT8OID},
	{"ward_code", TEXTOID},
	{"admitted_at", TIMESTAMPTZOID},
	{"discharged_at", TIMESTAMPTZOID},
	{"triage", TEXTOID},
	{"outcome", TEXTOID},
};

#define NULLABLE(column) (1 << (column))

static const FileKind file_kinds[] = {
	{
		.kind = "admissions",
		.table = "hospital.admissions",
		.nullable = NULLABLE(5) | NULLABLE(7),	/* still in hospital */
		.methods = {
			.label = "Admissions File",
			.ncolumns = lengthof(admission_columns),
			.columns = admission_columns,
			.fetch = held_fetch,
		},
	},
};

/* One file on its way. */
typedef struct Ingest
{
	int64		batch_id;
	const FileKind *kind;
	LakeFile   *file;
	CsvReader  *reader;
	int		   *column_of;		/* the table's column of each of the file's */
	int			nfields;
	MemoryContext batch_context;	/* of the rows at hand */
	HeldRows	held;
	size_t		held_bytes;
	SPIPlanPtr	insert;
	SPIPlanPtr	reject;
	int64		rows;
	int64		rejects;
} Ingest;

static bool
held_fetch(RowSource *source, int64 row, Datum *values, bool *isnull, char *scratch)
{
	HeldRows   *held = (HeldRows *) source;
	int			ncolumns = source->methods->ncolumns;

	memcpy(values, held->values + row * ncolumns, ncolumns * sizeof(Datum));
	memcpy(isnull, held->isnull + row * ncolumns, ncolumns * sizeof(bool));
	return true;
}

static const FileKind *
find_kind(const char *kind)
{
	for (int i = 0; i < (int) lengthof(file_kinds); i++)
		if (strcmp(file_kinds[i].kind, kind) == 0)
			return &file_kinds[i];
	return NULL;
}

static void
refuse(const char *message)
{
	ereport(ERROR,
			(errcode(ERRCODE_FILE_REFUSED),
			 errmsg_internal("%s", message)));
}

/* ---- lines --------------------------------------------------------------- */

static SPIPlanPtr
prepare(const char *query, int nargs, Oid *types)
{
	SPIPlanPtr	plan = SPI_prepare(query, nargs, types);

	if (plan == NULL)
		elog(ERROR, "could not prepare: %s", query);
	return plan;
}

static void
reject_line(Ingest *ingest, const CsvRecord *record, const char *column, const FieldError *error)
{
	Oid			types[] = {INT8OID, INT8OID, TEXTOID, BYTEAOID, TEXTOID, TEXTOID};
	Datum		values[6];
	char		nulls[] = "      ";
	MemoryContext caller;

	if (ingest->reject == NULL)
		ingest->reject = prepare("INSERT INTO hospital.rejects"
								 " (batch_id, line, column_name, raw, sqlstate, message, rejected_at)"
								 " VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp())", 6, types);
	caller = MemoryContextSwitchTo(ingest->batch_context);
	values[0] = Int64GetDatum(ingest->batch_id);
	values[1] = Int64GetDatum(record->line);
	values[2] = column != NULL ? CStringGetTextDatum(column) : (Datum) 0;
	nulls[2] = column != NULL ? ' ' : 'n';
	values[3] = PointerGetDatum(cstring_to_text_with_len(record->raw, record->raw_length));
	values[4] = CStringGetTextDatum(unpack_sql_state(error->sqlstate));
	values[5] = CStringGetTextDatum(error->message);
	MemoryContextSwitchTo(caller);
	if (SPI_execute_plan(ingest->reject, values, nulls, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not write to hospital.rejects");
	ingest->held_bytes += record->raw_length;
	ingest->rejects++;
}

static void
flush_rows(Ingest *ingest)
{
	int64		held = ingest->held.source.nrows;

	if (held > 0)
	{
		open_rows_set(ingest->kind->kind, &ingest->held.source);
		if (SPI_execute_plan(ingest->insert, NULL, NULL, false, 0) != SPI_OK_INSERT)
			elog(ERROR, "could not write to %s", ingest->kind->table);
		open_rows_set(NULL, NULL);

		/* A table with rules or triggers may keep fewer; that is its owner's wish. */
		ingest->rows += held;
		worker_count_rows(held);
	}
	ingest->held.source.nrows = 0;
	ingest->held_bytes = 0;
	MemoryContextReset(ingest->batch_context);
}

/* Ranges that the type does not know. */
static bool
check_range(const RowColumn *column, Datum value, FieldError *error)
{
	if (column->type == INT8OID && DatumGetInt64(value) < 1)
	{
		error->sqlstate = ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE;
		error->message = "identifiers begin at 1";
		return false;
	}
	return true;
}

/* The record as a row of the held ones; or the column in which it fails. */
static bool
form_row(Ingest *ingest, const CsvRecord *record, const char **column, FieldError *error)
{
	const FileKind *kind = ingest->kind;
	int64		start = ingest->held.source.nrows * kind->methods.ncolumns;

	*column = NULL;
	for (int i = 0; i < record->nfields; i++)
	{
		const CsvField *field = &record->fields[i];
		int			target = ingest->column_of[i];
		const RowColumn *definition = &kind->methods.columns[target];
		Datum	   *value = &ingest->held.values[start + target];

		*column = definition->name;
		ingest->held.isnull[start + target] = field->data == NULL;
		*value = (Datum) 0;
		if (field->data == NULL)
		{
			if (kind->nullable & NULLABLE(target))
				continue;
			error->sqlstate = ERRCODE_NOT_NULL_VIOLATION;
			error->message = "no value";
			return false;
		}
		if (!field_parse(definition->type, field->data, field->length, value, error) ||
			!check_range(definition, *value, error))
			return false;
	}
	return true;
}

static void
take_record(Ingest *ingest, const CsvRecord *record)
{
	FieldError	error = {ERRCODE_BAD_COPY_FILE_FORMAT, record->error};
	const char *column = NULL;
	MemoryContext caller;
	bool		formed;

	if (record->error == NULL && record->nfields != ingest->nfields)
		error.message = record->nfields < ingest->nfields ? "too few fields" : "too many fields";
	if (error.message != NULL)
	{
		reject_line(ingest, record, NULL, &error);
		return;
	}
	caller = MemoryContextSwitchTo(ingest->batch_context);
	formed = form_row(ingest, record, &column, &error);
	MemoryContextSwitchTo(caller);
	if (formed)
	{
		ingest->held.source.nrows++;
		ingest->held_bytes += record->raw_length;
	}
	else
		reject_line(ingest, record, column, &error);
}

/* ---- files --------------------------------------------------------------- */

/* The header says which of the table's columns each field is. */
static void
read_header(Ingest *ingest)
{
	const RowSourceMethods *methods = &ingest->kind->methods;
	CsvRecord	record;
	int			seen = 0;

	if (!csv_next(ingest->reader, &record))
		refuse("the file is empty: not even a header");
	if (record.error != NULL)
		refuse(psprintf("the header is malformed: %s", record.error));
	ingest->nfields = record.nfields;
	ingest->column_of = palloc0(record.nfields * sizeof(int));
	for (int i = 0; i < record.nfields; i++)
	{
		const CsvField *field = &record.fields[i];
		int			column = 0;

		if (field->data == NULL || !pg_verify_mbstr(PG_UTF8, field->data, field->length, true))
			refuse(psprintf("field %d of the header is not a name", i + 1));
		while (column < methods->ncolumns &&
			   (strlen(methods->columns[column].name) != field->length ||
				memcmp(methods->columns[column].name, field->data, field->length) != 0))
			column++;
		if (column == methods->ncolumns)
			refuse(psprintf("%s has no column \"%.*s\"", ingest->kind->kind,
							(int) Min(field->length, NAMEDATALEN), field->data));
		if (seen & (1 << column))
			refuse(psprintf("column \"%s\" is there twice", methods->columns[column].name));
		seen |= 1 << column;
		ingest->column_of[i] = column;
	}
	for (int column = 0; column < methods->ncolumns; column++)
		if (!(seen & (1 << column)))
			refuse(psprintf("column \"%s\" is missing", methods->columns[column].name));
}

static void
check_identity(Ingest *ingest, int64 bytes, const char *sha256)
{
	char		hash[LAKE_HASH_LENGTH + 1];

	lake_hash(ingest->file, hash);
	if (lake_bytes(ingest->file) != bytes)
		refuse(psprintf("the file has " INT64_FORMAT " bytes, the ledger says " INT64_FORMAT,
						lake_bytes(ingest->file), bytes));
	if (strcmp(hash, sha256) != 0)
		refuse(psprintf("the file has changed: its SHA-256 is %s, the ledger says %s", hash, sha256));
}

/* In a subtransaction: all of it stays, or none. */
static void
ingest_file(Ingest *ingest, const char *path, int64 bytes, const char *sha256, const char *schema)
{
	const RowSourceMethods *methods = &ingest->kind->methods;
	CsvRecord	record;

	ingest->file = lake_open(path);
	if (ingest->file == NULL)
		refuse("the file is missing");
	ingest->reader = csv_reader(ingest->file);
	ingest->batch_context = AllocSetContextCreate(CurrentMemoryContext, "hospital held rows",
												  ALLOCSET_DEFAULT_SIZES);
	ingest->held.source.methods = methods;
	ingest->held.values = palloc(BATCH_ROWS * methods->ncolumns * sizeof(Datum));
	ingest->held.isnull = palloc(BATCH_ROWS * methods->ncolumns * sizeof(bool));
	ingest->insert = prepare(open_rows_insert(ingest->kind->table, ingest->kind->kind, schema,
											  methods, ""), 0, NULL);

	read_header(ingest);
	while (csv_next(ingest->reader, &record))
	{
		take_record(ingest, &record);
		if (ingest->held.source.nrows == BATCH_ROWS || ingest->held_bytes >= BATCH_BYTES)
			flush_rows(ingest);
	}
	flush_rows(ingest);
	check_identity(ingest, bytes, sha256);
	lake_close(ingest->file);
}

/* Would the same file fail in the same way at the next try? */
static bool
is_lasting(int sqlstate)
{
	int			category = ERRCODE_TO_CATEGORY(sqlstate);

	return sqlstate == ERRCODE_FILE_REFUSED ||
		category == ERRCODE_TO_CATEGORY(ERRCODE_DATA_EXCEPTION) ||
		category == ERRCODE_TO_CATEGORY(ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION);
}

/* NULL when the file went in; otherwise why it never will. */
static char *
try_file(Ingest *ingest, const char *path, int64 bytes, const char *sha256, const char *schema)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	MemoryContext context = AllocSetContextCreate(caller, "hospital ingest",
												  ALLOCSET_DEFAULT_SIZES);
	char	   *volatile message = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		ingest_file(ingest, path, bytes, sha256, schema);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		open_rows_set(NULL, NULL);
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
		message = error->detail != NULL && error->sqlerrcode != ERRCODE_FILE_REFUSED ?
			psprintf("%s (%s)", error->message, error->detail) : error->message;
		ingest->rows = ingest->rejects = 0;
	}
	PG_END_TRY();
	MemoryContextDelete(context);
	return message;
}

static char *
text_column(int number)
{
	return SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, number);
}

static void
update_ledger(const Ingest *ingest, const char *message)
{
	Oid			types[] = {INT8OID, TEXTOID, TEXTOID, INT8OID, INT8OID};
	Datum		values[] = {
		Int64GetDatum(ingest->batch_id),
		CStringGetTextDatum(message == NULL ? "ingested" : "refused"),
		message == NULL ? (Datum) 0 : CStringGetTextDatum(message),
		Int64GetDatum(ingest->rows),
		Int64GetDatum(ingest->rejects)
	};
	const char *nulls = message == NULL ? "  n  " : "     ";

	if (SPI_execute_with_args("UPDATE hospital.batches SET state = $2, message = $3,"
							  " rows = CASE WHEN $2 = 'ingested' THEN $4 ELSE rows END,"
							  " rejects = $5, ingested_at = clock_timestamp() WHERE batch_id = $1",
							  5, types, values, nulls, false, 0) != SPI_OK_UPDATE ||
		SPI_processed != 1)
		elog(ERROR, "could not change hospital.batches");
}

IngestOutcome
ingest_batch(int64 batch_id, const char *schema, char **message)
{
	Oid			types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(batch_id)};
	Ingest		ingest = {.batch_id = batch_id};
	char	   *path;
	char	   *kind;
	char	   *sha256;
	int64		bytes;
	bool		isnull;

	*message = NULL;
	if (SPI_execute_with_args("SELECT file, sha256, kind, bytes FROM hospital.batches"
							  " WHERE batch_id = $1 AND state = 'written' FOR UPDATE",
							  1, types, values, NULL, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read hospital.batches");
	if (SPI_processed == 0)
		return INGEST_NOT_WRITTEN;
	path = text_column(1);
	sha256 = text_column(2);
	kind = text_column(3);
	bytes = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 4, &isnull));

	/* The scheduler commits the ledger's row before the file gets its name. */
	if (lake_is_pending(path))
		return INGEST_PENDING;

	ingest.kind = find_kind(kind);
	if (ingest.kind == NULL)
		*message = psprintf("there is no kind of day file named \"%s\"", kind);
	else
		*message = try_file(&ingest, path, bytes, sha256, schema);
	update_ledger(&ingest, *message);
	ereport(LOG,
			(*message == NULL ?
			 errmsg("hospital ingestor: \"%s\": " INT64_FORMAT " rows, " INT64_FORMAT " rejects",
					path, ingest.rows, ingest.rejects) :
			 errmsg("hospital ingestor: \"%s\" refused: %s", path, *message)));
	return *message == NULL ? INGEST_DONE : INGEST_REFUSED;
}

/* ---- the worker ---------------------------------------------------------- */

/* The oldest file that waits; 0: none. */
static int64
next_batch(void)
{
	bool		isnull;

	if (SPI_execute("SELECT batch_id FROM hospital.batches WHERE state = 'written'"
					" ORDER BY day, kind, batch_id LIMIT 1", true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read hospital.batches");
	if (SPI_processed == 0)
		return 0;
	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

static bool
ingestor_pass(void *arg)
{
	int64		batch_id;
	char	   *message;
	IngestOutcome outcome = INGEST_DONE;

	if (!worker_begin("ingesting a day file"))
		worker_leave("no hospital here");
	batch_id = next_batch();
	if (batch_id != 0)
	{
		worker_state("ingesting batch " INT64_FORMAT, batch_id);
		outcome = ingest_batch(batch_id, worker_schema(), &message);
		if (outcome == INGEST_REFUSED)
			worker_record_error(ERRCODE_FILE_REFUSED, message);
	}
	worker_commit();
	if (outcome == INGEST_PENDING)
		worker_wait(PENDING_MS, -1);
	else if (batch_id == 0)
	{
		worker_state("waiting for a file");
		worker_wait(-1, -1);
	}
	return true;
}

void
ingestor_main(Datum main_arg)
{
	worker_start(main_arg);
	worker_loop(ingestor_pass, NULL);
}

/* ---- CALL hospital_ingest(path) ------------------------------------------ */

static void
check_may_read_files(void)
{
	if (!superuser() && !has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to read files of the server"),
				 errhint("Only a superuser or a member of pg_read_server_files may ingest files.")));
}

/* Size and hash of a file as it is. */
static void
identify_file(const char *path, int64 *bytes, char hash[LAKE_HASH_LENGTH + 1])
{
	LakeFile   *file = lake_open(path);
	char	   *buffer;

	if (file == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("there is no file \"%s\" in hospital.data_folder", path)));
	buffer = palloc(BLCKSZ * 8);
	while (lake_read(file, buffer, BLCKSZ * 8) > 0)
		;
	*bytes = lake_bytes(file);
	lake_hash(file, hash);
	lake_close(file);
}

/* The ledger's row of this file; made when it has none. */
static int64
register_file(const char *path)
{
	Simulation	simulation;
	DateADT		day;
	char	   *kind;
	int64		bytes;
	char		hash[LAKE_HASH_LENGTH + 1];
	Oid			types[] = {TEXTOID, DATEOID, TEXTOID, TEXTOID, INT8OID};
	Datum		values[5];
	bool		isnull;

	if (!simulation_read(&simulation, false))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no hospital in this database"),
				 errhint("Make one with CALL hospital_create().")));
	lake_check_path(path);
	if (!day_file_parse(path, simulation.name, &day, &kind) || find_kind(kind) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("\"%s\" is not the name of a day file of this hospital", path),
				 errhint("Day files are named " BATCH_FOLDER "/%s/date=YYYY-MM-DD/admissions.csv.",
						 simulation.name)));
	identify_file(path, &bytes, hash);
	values[0] = CStringGetTextDatum(kind);
	values[1] = DateADTGetDatum(day);
	values[2] = CStringGetTextDatum(path);
	values[3] = CStringGetTextDatum(hash);
	values[4] = Int64GetDatum(bytes);
	if (SPI_execute_with_args("INSERT INTO hospital.batches (kind, day, file, sha256, bytes, rows, state, written_at)"
							  " VALUES ($1, $2, $3, $4, $5, 0, 'written', clock_timestamp())"
							  " ON CONFLICT (kind, day, sha256) DO NOTHING",
							  5, types, values, NULL, false, 0) != SPI_OK_INSERT ||
		SPI_execute_with_args("SELECT batch_id FROM hospital.batches"
							  " WHERE kind = $1 AND day = $2 AND sha256 = $4 AND $3 IS NOT NULL AND $5 >= 0",
							  5, types, values, NULL, false, 0) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "could not write to hospital.batches");
	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

/* In place, as the caller. */
Datum
hospital_ingest(PG_FUNCTION_ARGS)
{
	char	   *path;
	CallContext *call = (CallContext *) fcinfo->context;
	char	   *schema = get_namespace_name(get_func_namespace(fcinfo->flinfo->fn_oid));
	char	   *message;
	int			level;

	if (call == NULL || !IsA(call, CallContext) || call->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("hospital_ingest cannot run inside a transaction block")));
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("say which file to ingest")));
	path = text_to_cstring(PG_GETARG_TEXT_PP(0));
	check_may_read_files();
	level = csv_pin_settings();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	switch (ingest_batch(register_file(path), quote_identifier(schema), &message))
	{
		case INGEST_DONE:
			break;
		case INGEST_NOT_WRITTEN:
		case INGEST_PENDING:
			ereport(NOTICE,
					(errmsg("\"%s\" has been dealt with before", path),
					 errhint("See its row of hospital.batches.")));
			break;
		case INGEST_REFUSED:
			ereport(WARNING,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("\"%s\" was refused: %s", path, message)));
	}
	SPI_finish();
	csv_unpin_settings(level);
	PG_RETURN_VOID();
}
