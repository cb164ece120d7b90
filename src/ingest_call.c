/*
 * ingest_call.c: CALL hospital_ingest(path, encoding): a file, a day's folder,
 * or all days, now, as the caller.
 *
 * A file that our own scheduler wrote has its row in the ledger.  Any other gets
 * one here: first it is waited for until nobody writes to it any more.  Where
 * the folder has a manifest, that says how large the file is to be, and its
 * hash; otherwise its size and the time of its last change must have stood still
 * for a second.
 *
 * Every file is a transaction of its own (a large one: several).  Only the end of
 * the call waits until all of them are on disk.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "day_file.h"
#include "hospital_time.h"
#include "ingest_private.h"
#include "ingest_refs.h"
#include "kept_plan.h"
#include "procedure.h"
#include "settings.h"
#include "simulation.h"

#define STILL_MS 1000			/* so long nobody must have written to a file */
#define LOOK_MS 100
#define MANIFEST_LIMIT (1024 * 1024)
#define HASH_PIECE (256 * 1024)

PG_FUNCTION_INFO_V1(hospital_ingest);

/* One call. */
typedef struct IngestCall
{
	MemoryContext context;		/* outlives its transactions */
	MemoryContext step;			/* of one file; reset after */
	const char *schema;
	char	   *simulation;
	int			encoding;
	int64		files;
	int64		rows;
	int64		rejects;
} IngestCall;

/* What a manifest says of a file. */
typedef struct Expected
{
	bool		known;
	int64		bytes;
	char		sha256[LAKE_HASH_LENGTH + 1];
} Expected;

/* ---- may it run? ---- */

void
ingest_require_hospital(void)
{
	static KeptPlan plan;
	bool		isnull;
	bool		there;

	kept_run(&plan, "SELECT pg_catalog.to_regclass('hospital.simulation') IS NOT NULL",
			 0, NULL, NULL, NULL, SPI_OK_SELECT);
	there = DatumGetBool(kept_value(0, 1, &isnull));
	kept_done();
	if (!there)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no hospital in this database"),
				 errhint("Make one with CALL hospital_create().")));
}

static int
encoding_argument(FunctionCallInfo fcinfo)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	int			encoding = pg_char_to_encoding(name);

	if (encoding < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not the name of an encoding", name),
				 errhint("UTF8, LATIN1 and WIN1252 are.")));
	return encoding == PG_SQL_ASCII ? PG_UTF8 : encoding;
}

/* ---- transactions ---- */

static void
end_step(IngestCall *call)
{
	procedure_end_step();
	procedure_commit();
	MemoryContextSwitchTo(call->step);
}

static void
read_simulation(IngestCall *call)
{
	Simulation	simulation;

	procedure_begin_step();
	ingest_require_hospital();
	if (!simulation_read(&simulation, false))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("hospital.simulation has lost its row"),
				 errhint("Restore the row that hospital_create wrote.")));
	call->simulation = MemoryContextStrdup(call->context, simulation.name);
	end_step(call);
}

/* ---- waiting for a file ---- */

static char *
read_small_file(const char *path)
{
	LakeFile   *file = lake_open(path);
	char	   *bytes;
	size_t		length = 0;
	size_t		got;

	if (file == NULL)
		return NULL;
	bytes = palloc(MANIFEST_LIMIT + 1);
	while (length < MANIFEST_LIMIT && (got = lake_read(file, bytes + length, MANIFEST_LIMIT - length)) > 0)
		length += got;
	bytes[length] = '\0';
	lake_close(file);
	return bytes;
}

pg_noreturn static void
raise_manifest(const char *path, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("the manifest beside \"%s\" cannot be used", path),
			 errdetail_internal("%s", detail),
			 errhint("Write it anew, or remove it.")));
}

/* What the manifest beside the file says of it. */
static void
read_manifest(const char *path, Expected *expected)
{
	const Oid	types[] = {TEXTOID, TEXTOID};
	const char *slash = strrchr(path, '/');
	char	   *manifest = read_small_file(psprintf("%.*s/%s", (int) (slash - path), path, MANIFEST_NAME));
	static KeptPlan plan;
	Datum		values[2];
	bool		no_bytes;
	bool		no_hash;

	memset(expected, 0, sizeof(*expected));
	if (manifest == NULL)
		return;
	if (!pg_verify_mbstr(PG_UTF8, manifest, (int) strlen(manifest), true))
		raise_manifest(path, "It is not valid UTF-8.");
	values[0] = CStringGetTextDatum(manifest);
	values[1] = CStringGetTextDatum(slash + 1);
	procedure_begin_step();
	if (kept_run(&plan, "SELECT (f ->> 'bytes')::bigint, lower(f ->> 'sha256')"
				 " FROM jsonb_array_elements($1::jsonb -> 'files') AS f WHERE f ->> 'file' = $2",
				 2, types, values, NULL, SPI_OK_SELECT) > 0)
	{
		Datum		bytes = kept_value(0, 1, &no_bytes);
		Datum		hash = kept_value(0, 2, &no_hash);

		if (no_bytes || no_hash)
			raise_manifest(path, "It has no bytes or no sha256 for the file.");
		expected->bytes = DatumGetInt64(bytes);
		text_to_cstring_buffer(DatumGetTextPP(hash), expected->sha256, sizeof(expected->sha256));
		expected->known = true;
	}
	kept_done();
	procedure_end_step();
	pfree(manifest);
}

static void
wait_a_little(void)
{
	static uint32 wait_event = 0;

	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, LOOK_MS,
					 hospital_wait_event(&wait_event, "HospitalFile"));
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/* For how long the file has not been written to, in ms. */
static int64
still_for(const LakeStatus *status)
{
	return unix_ms(GetCurrentTimestamp()) - status->changed_at / 1000000;
}

/* True when the file is all there.  A missing one is not waited for. */
static bool
wait_for_file(const char *path, const Expected *expected)
{
	TimestampTz give_up = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), hospital_settle_timeout);
	TimestampTz same_since = GetCurrentTimestamp();
	LakeStatus	before = {0};

	for (;;)
	{
		LakeStatus	status;
		TimestampTz now = GetCurrentTimestamp();

		if (!lake_look(path, &status))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_FILE),
					 errmsg("there is no file \"%s\" in hospital.data_folder", path)));
		if (expected->known && status.bytes >= expected->bytes)
			return true;
		if (!lake_same_status(&status, &before))
			same_since = now;
		before = status;
		if (!expected->known &&
			(still_for(&status) >= STILL_MS || TimestampDifferenceExceeds(same_since, now, STILL_MS)))
			return true;
		if (now >= give_up)
			break;
		wait_a_little();
	}
	if (expected->known)
		ereport(NOTICE,
				(errmsg("\"%s\" has " INT64_FORMAT " bytes, its manifest says " INT64_FORMAT ": left for later",
						path, before.bytes, expected->bytes)));
	else
		ereport(NOTICE,
				(errmsg("\"%s\" is still being written to: left for later", path),
				 errhint("hospital.settle_timeout says how long it is waited for.")));
	return false;
}

/* ---- the ledger's row ---- */

/* A file that the ledger expects: no need to look at it first. */
static int64
expected_batch(const IngestCall *call, const char *path)
{
	static KeptPlan plan;
	const Oid	types[] = {TEXTOID, TEXTOID, DATEOID};
	Datum		values[3];
	int64		batch_id = 0;
	bool		isnull;
	DateADT		day;
	char	   *kind;

	(void) day_file_parse(path, call->simulation, &day, &kind);
	values[0] = CStringGetTextDatum(path);
	values[1] = CStringGetTextDatum(kind);
	values[2] = DateADTGetDatum(day);
	if (kept_run(&plan, "SELECT batch_id FROM hospital.batches WHERE file = $1 AND kind = $2 AND day = $3"
				 " AND state IN ('written', 'loading') ORDER BY batch_id LIMIT 1",
				 3, types, values, NULL, SPI_OK_SELECT) > 0)
		batch_id = DatumGetInt64(kept_value(0, 1, &isnull));
	kept_done();
	return batch_id;
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
	buffer = palloc(HASH_PIECE);
	while (lake_read(file, buffer, HASH_PIECE) > 0)
		;
	*bytes = lake_bytes(file);
	lake_hash(file, hash);
	lake_close(file);
	pfree(buffer);
}

/*
 * The row of these bytes, made when there is none.  One that was refused before
 * is given another chance: what was wrong may have been a setting, or another
 * batch that has been undone since.
 */
static int64
register_batch(const IngestCall *call, const char *path, int64 bytes, const char *hash)
{
	static KeptPlan insert;
	static KeptPlan again;
	static KeptPlan find;
	const Oid	types[] = {TEXTOID, DATEOID, TEXTOID, TEXTOID, INT8OID, TEXTOID};
	Datum		values[6];
	DateADT		day;
	char	   *kind;
	int64		batch_id;
	bool		isnull;

	(void) day_file_parse(path, call->simulation, &day, &kind);
	values[0] = CStringGetTextDatum(kind);
	values[1] = DateADTGetDatum(day);
	values[2] = CStringGetTextDatum(hash);
	values[3] = CStringGetTextDatum(path);
	values[4] = Int64GetDatum(bytes);
	values[5] = CStringGetTextDatum(pg_encoding_to_char(call->encoding));
	kept_run(&insert, "INSERT INTO hospital.batches (kind, day, sha256, file, bytes, encoding, state, written_at)"
			 " VALUES ($1, $2, $3, $4, $5, $6, 'written', clock_timestamp())"
			 " ON CONFLICT (kind, day, sha256) WHERE state <> 'undone' DO NOTHING",
			 6, types, values, NULL, SPI_OK_INSERT);
	kept_run(&again, "UPDATE hospital.batches SET state = 'written', message = NULL, file = $4, encoding = $6"
			 " WHERE kind = $1 AND day = $2 AND sha256 = $3 AND bytes = $5 AND state = 'refused'",
			 6, types, values, NULL, SPI_OK_UPDATE);
	if (kept_run(&find, "SELECT batch_id FROM hospital.batches"
				 " WHERE kind = $1 AND day = $2 AND sha256 = $3 AND state <> 'undone'",
				 3, types, values, NULL, SPI_OK_SELECT) != 1)
		elog(ERROR, "could not write to hospital.batches");
	batch_id = DatumGetInt64(kept_value(0, 1, &isnull));
	kept_done();
	return batch_id;
}

/* ---- one file ---- */

static void
say_outcome(IngestCall *call, const char *path, IngestOutcome outcome, const char *message)
{
	switch (outcome)
	{
		case INGEST_PARTLY:
		case INGEST_DONE:
		case INGEST_MISSED:		/* not here */
			break;
		case INGEST_NOT_WRITTEN:
			ereport(NOTICE,
					(errmsg("\"%s\" has been dealt with before", path),
					 errhint("See its row of hospital.batches.")));
			break;
		case INGEST_PENDING:
			ereport(NOTICE,
					(errmsg("\"%s\" is about to get its name: left for later", path)));
			break;
		case INGEST_REFUSED:
			ereport(WARNING,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("\"%s\" was refused: %s", path, message)));
	}
}

static void
count_batch(IngestCall *call, int64 batch_id)
{
	static KeptPlan plan;
	const Oid	types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(batch_id)};
	bool		isnull;

	kept_run(&plan, "SELECT rows, rejects FROM hospital.batches WHERE batch_id = $1",
			 1, types, values, NULL, SPI_OK_SELECT);
	call->files++;
	call->rows += DatumGetInt64(kept_value(0, 1, &isnull));
	call->rejects += DatumGetInt64(kept_value(0, 2, &isnull));
	kept_done();
}

static void
ingest_file_of(IngestCall *call, const char *path, int64 batch_id)
{
	IngestOutcome outcome;

	do
	{
		char	   *message;

		procedure_begin_step();
		outcome = ingest_batch(batch_id, call->schema, &message);
		if (outcome == INGEST_DONE)
			count_batch(call, batch_id);
		if (message != NULL)
			message = MemoryContextStrdup(call->step, message);
		end_step(call);
		say_outcome(call, path, outcome, message);
	} while (outcome == INGEST_PARTLY);
}

static void
refuse_batch(IngestCall *call, const char *path, int64 batch_id, const char *message)
{
	Batch	   *batch;

	procedure_begin_step();
	batch = ledger_take(batch_id, "{written}", true);
	if (batch != NULL)
		ledger_update(batch, "refused", message);
	end_step(call);
	say_outcome(call, path, batch != NULL ? INGEST_REFUSED : INGEST_NOT_WRITTEN, message);
}

static void
ingest_path(IngestCall *call, const char *path)
{
	char		hash[LAKE_HASH_LENGTH + 1];
	int64		batch_id;
	int64		bytes;
	Expected	expected;

	procedure_begin_step();
	batch_id = expected_batch(call, path);
	end_step(call);
	if (batch_id == 0)
	{
		read_manifest(path, &expected);
		if (!wait_for_file(path, &expected))
			return;
		identify_file(path, &bytes, hash);
		procedure_begin_step();
		batch_id = register_batch(call, path, bytes, hash);
		end_step(call);
		if (expected.known && (bytes != expected.bytes || strcmp(hash, expected.sha256) != 0))
		{
			refuse_batch(call, path, batch_id,
						 psprintf("it is not the file of its manifest, which has " INT64_FORMAT
								  " bytes and SHA-256 %s", expected.bytes, expected.sha256));
			return;
		}
	}
	ingest_file_of(call, path, batch_id);
}

/* ---- folders ---- */

static bool
has_name(List *names, const char *name)
{
	ListCell   *cell;

	foreach(cell, names)
		if (strcmp(lfirst(cell), name) == 0)
			return true;
	return false;
}

/* A day's files, those that others refer to first. */
static void
ingest_day(IngestCall *call, const char *folder)
{
	List	   *names;
	MemoryContext caller = MemoryContextSwitchTo(call->context);

	names = lake_names(folder);
	MemoryContextSwitchTo(caller);
	for (int stage = 0; stage <= 2; stage++)
		for (int kind = 0; kind < RECORD_KINDS; kind++)
		{
			char	   *name = psprintf("%s.csv", record_kinds[kind].name);

			if (record_kinds[kind].stage != stage || !has_name(names, name))
				continue;
			ingest_path(call, psprintf("%s/%s", folder, name));
			MemoryContextReset(call->step);
		}
	list_free_deep(names);
}

static void
ingest_days(IngestCall *call, const char *folder)
{
	List	   *days;
	ListCell   *cell;
	MemoryContext caller = MemoryContextSwitchTo(call->context);

	days = lake_names(folder);
	foreach(cell, days)
	{
		char	   *path;

		if (strncmp(lfirst(cell), "date=", 5) != 0)
			continue;
		path = psprintf("%s/%s", folder, (char *) lfirst(cell));
		MemoryContextSwitchTo(caller);
		ingest_day(call, path);
		MemoryContextSwitchTo(call->context);
		pfree(path);
	}
	MemoryContextSwitchTo(caller);
}

static void
ingest_folder(IngestCall *call, const char *folder)
{
	const char *days = psprintf(BATCH_FOLDER "/%s", call->simulation);
	DateADT		day;
	char	   *kind;

	if (strcmp(folder, days) == 0)
		ingest_days(call, MemoryContextStrdup(call->context, folder));
	else if (day_file_parse(psprintf("%s/any.csv", folder), call->simulation, &day, &kind))
		ingest_day(call, MemoryContextStrdup(call->context, folder));
	else
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("\"%s\" is not a folder of day files of this hospital", folder),
				 errhint("A day's folder is named " BATCH_FOLDER "/%s/date=YYYY-MM-DD.",
						 call->simulation)));
	ereport(NOTICE,
			(errmsg(INT64_FORMAT " files ingested: " INT64_FORMAT " rows, " INT64_FORMAT " rejects",
					call->files, call->rows, call->rejects)));
}

static void
check_day_file(const IngestCall *call, const char *path)
{
	DateADT		day;
	char	   *kind;

	if (!day_file_parse(path, call->simulation, &day, &kind) || record_kind_by_name(kind) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("\"%s\" is not the name of a day file of this hospital", path),
				 errhint("Day files are named " BATCH_FOLDER "/%s/date=YYYY-MM-DD/admissions.csv, visits.csv and so on.",
						 call->simulation)));
}

Datum
hospital_ingest(PG_FUNCTION_ARGS)
{
	IngestCall *call = MemoryContextAllocZero(PortalContext, sizeof(IngestCall));
	char	   *schema = get_namespace_name(get_func_namespace(fcinfo->flinfo->fn_oid));
	char	   *path;
	LakeStatus	status;

	procedure_require_top_level(fcinfo, "hospital_ingest");
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("say which file to ingest, and its encoding")));
	call->context = PortalContext;
	call->step = AllocSetContextCreate(call->context, "hospital ingest of a file", ALLOCSET_DEFAULT_SIZES);
	call->schema = MemoryContextStrdup(call->context, quote_identifier(schema));
	call->encoding = encoding_argument(fcinfo);
	path = MemoryContextStrdup(call->context, text_to_cstring(PG_GETARG_TEXT_PP(0)));
	if (strlen(path) > 1 && path[strlen(path) - 1] == '/')
		path[strlen(path) - 1] = '\0';

	SPI_connect_ext(SPI_OPT_NONATOMIC);
	procedure_pin_settings();
	refs_forget();				/* what was there at an earlier call may be gone */
	read_simulation(call);
	lake_check_path(path);
	if (lake_look(path, &status) && status.is_folder)
		ingest_folder(call, path);
	else
	{
		check_day_file(call, path);
		ingest_path(call, path);
	}
	SPI_commit();				/* and the settings are the caller's again */
	SPI_finish();
	XLogFlush(XactLastCommitEnd);
	PG_RETURN_VOID();
}
