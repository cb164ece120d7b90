/*
 * day_writer.c: a whole hospital day's folder in the lake.
 *
 * lake/batch/<simulation>/date=YYYY-MM-DD/ has a file for each kind of records,
 * a header alone where the day has none, and manifest.json, which says what the
 * others are and is there when all of them are.  (An export's manifest is another:
 * export_manifest.c.)
 *
 * The steps, and what a crash leaves behind each:
 *
 *	1. all files under temporary names, each    files that nobody knows:
 *	   synced, then the folder                  quarantined, the day made again
 *	2. ONE transaction: a row of
 *	   hospital.batches for each file, state    files that the ledger knows:
 *	   "written", its faults, and one row of    renamed at the next start,
 *	   hospital.days, with the manifest's hash  by their hashes
 *	3. renamed, the manifest last, then the
 *	   folder synced
 *
 * So the day is known whole or not at all, and whoever waits for the manifest
 * sees whole days only.  The files are a function of the simulation: a day that
 * is made again, over files that a restored ledger has forgotten, say, has the
 * same bytes.
 *
 * Step 1 needs no transaction and no catalog.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/uuid.h"

#include "day.h"
#include "day_writer.h"
#include "faults.h"
#include "kept_plan.h"
#include "record_csv.h"

#define PIECE_SIZE (512 * 1024) /* of a file, formatted before it is written */
#define ROWS_BETWEEN_INTERRUPTS 1024
#define MANIFEST RECORD_KINDS	/* its place among the files */

/* ---- one file ---- */

static void
write_piece(LakeFile *file, StringInfo piece)
{
	lake_write(file, piece->data, piece->len);
	resetStringInfo(piece);
}

/* Records alone: the ordinary case. */
static void
write_records(LakeFile *file, const RecordKind *kind, const char *rows, int count, StringInfo piece)
{
	for (int i = 0; i < count; i++)
	{
		record_csv_line(piece, kind, rows + i * kind->size);
		if (i % ROWS_BETWEEN_INTERRUPTS == 0)
			CHECK_FOR_INTERRUPTS();
		if (piece->len >= PIECE_SIZE)
			write_piece(file, piece);
	}
}

/* With bad lines among them, of which the line's number is kept. */
static void
write_dirty_records(DayFiles *day, RecordKindNumber number, const DayRecords *records, StringInfo piece)
{
	const RecordKind *kind = &record_kinds[number];
	LakeFile   *file = day->files[number];
	int64		line = 2;
	FaultMaker	maker;

	faults_begin(&maker, records, number, (uint64) day->simulation->seed, day->simulation->dirty_rate);
	for (int i = 0; i < records->count[number]; i++)
	{
		int			start = piece->len;
		Fault	   *fault;

		record_csv_line(piece, kind, (char *) records->rows[number] + i * kind->size);
		line += lake_count_lines(piece->data + start, piece->len - start);
		fault = faults_next(&maker, i, line, piece);
		if (fault != NULL)
		{
			line += lake_count_lines(fault->raw, fault->length);
			day->faults = lappend(day->faults, fault);
			day->rows[number]++;
		}
		if (i % ROWS_BETWEEN_INTERRUPTS == 0)
			CHECK_FOR_INTERRUPTS();
		if (piece->len >= PIECE_SIZE)
			write_piece(file, piece);
	}
}

static void
write_file(DayFiles *day, RecordKindNumber number, const DayRecords *records, StringInfo piece)
{
	const RecordKind *kind = &record_kinds[number];

	if (number == 0)
		day->files[0] = lake_create(day_file_path(day->simulation->name, day->day, kind->name));
	else
		day->files[number] = lake_create_beside(day->files[0], psprintf("%s.csv", kind->name));
	day->rows[number] = records->count[number];
	record_csv_header(piece, kind);
	if (day->simulation->dirty_rate > 0)
		write_dirty_records(day, number, records, piece);
	else
		write_records(day->files[number], kind, records->rows[number], records->count[number], piece);
	write_piece(day->files[number], piece);
	lake_finish(day->files[number]);
	day->all_rows += day->rows[number];
	day->all_bytes += lake_bytes(day->files[number]);
}

/* ---- the manifest ---- */

static void
write_manifest(DayFiles *day, StringInfo piece)
{
	const Simulation *simulation = day->simulation;
	Datum		id = DirectFunctionCall1(uuid_out, UUIDPGetDatum(&simulation->id));

	/* A name has small letters, digits, _ and - alone: nothing to escape. */
	appendStringInfo(piece,
					 "{\n"
					 "  \"simulation\": \"%s\",\n"
					 "  \"simulation_id\": \"%s\",\n"
					 "  \"day\": \"%s\",\n"
					 "  \"generator_version\": %d,\n"
					 "  \"files\": [\n",
					 simulation->name, DatumGetCString(id), day_file_date(day->day), GENERATOR_VERSION);
	for (int i = 0; i < RECORD_KINDS; i++)
	{
		char		hash[LAKE_HASH_LENGTH + 1];

		lake_hash(day->files[i], hash);
		appendStringInfo(piece,
						 "    {\"kind\": \"%s\", \"file\": \"%s.csv\", \"rows\": " INT64_FORMAT
						 ", \"bytes\": " INT64_FORMAT ", \"sha256\": \"%s\"}%s\n",
						 record_kinds[i].name, record_kinds[i].name, day->rows[i],
						 lake_bytes(day->files[i]), hash, i < RECORD_KINDS - 1 ? "," : "");
	}
	appendStringInfoString(piece, "  ]\n}\n");
	day->files[MANIFEST] = lake_create_beside(day->files[0], MANIFEST_NAME);
	write_piece(day->files[MANIFEST], piece);
	lake_finish(day->files[MANIFEST]);
}

/* ---- the steps ---- */

static double
ms_since(instr_time *start)
{
	instr_time	now;
	instr_time	spent;

	INSTR_TIME_SET_CURRENT(now);
	spent = now;
	INSTR_TIME_SUBTRACT(spent, *start);
	*start = now;
	return INSTR_TIME_GET_MILLISEC(spent);
}

DayFiles *
day_write(const Simulation *simulation, DateADT day)
{
	DayFiles   *files = palloc0(sizeof(DayFiles));
	DaySpec		spec = simulation_days(simulation);
	const DayRecords *records;
	StringInfoData piece;
	instr_time	start;
	double		computed;
	double		written;

	INSTR_TIME_SET_CURRENT(start);
	files->simulation = simulation;
	files->day = day;
	records = day_records(&spec, day);
	computed = ms_since(&start);

	initStringInfo(&piece);
	enlargeStringInfo(&piece, PIECE_SIZE * 5 / 4);
	for (int i = 0; i < RECORD_KINDS; i++)
		write_file(files, (RecordKindNumber) i, records, &piece);
	write_manifest(files, &piece);
	pfree(piece.data);
	written = ms_since(&start);

	lake_sync(files->files, DAY_FILES);
	ereport(DEBUG1,
			(errmsg_internal("hospital day %s: computed in %.1f ms, written in %.1f ms, synced in %.1f ms",
							 day_file_date(day), computed, written, ms_since(&start))));
	return files;
}

static void
record_file(const DayFiles *day, int number)
{
	static KeptPlan plan;
	Oid			types[] = {TEXTOID, DATEOID, TEXTOID, TEXTOID, INT8OID, INT8OID};
	char		hash[LAKE_HASH_LENGTH + 1];
	Datum		values[6];

	lake_hash(day->files[number], hash);
	values[0] = CStringGetTextDatum(record_kinds[number].name);
	values[1] = DateADTGetDatum(day->day);
	values[2] = CStringGetTextDatum(lake_path(day->files[number]));
	values[3] = CStringGetTextDatum(hash);
	values[4] = Int64GetDatum(lake_bytes(day->files[number]));
	values[5] = Int64GetDatum(day->rows[number]);

	/*
	 * It is there when the file of a ledger that was lost has been ingested by
	 * hand; one that was refused then gets another chance, as by hand.
	 */
	kept_run(&plan, "INSERT INTO hospital.batches AS b (kind, day, file, sha256, bytes, rows, state, written_at)"
			 " VALUES ($1, $2, $3, $4, $5, $6, 'written', pg_catalog.clock_timestamp())"
			 " ON CONFLICT (kind, day, sha256) WHERE state <> 'undone'"
			 " DO UPDATE SET state = 'written', message = NULL WHERE b.state = 'refused'",
			 lengthof(types), types, values, NULL, SPI_OK_INSERT);
}

static void
record_day(const DayFiles *day)
{
	static KeptPlan plan;
	Oid			types[] = {DATEOID, INT8OID, INT8OID, TEXTOID};
	char		hash[LAKE_HASH_LENGTH + 1];
	Datum		values[4];

	lake_hash(day->files[MANIFEST], hash);
	values[0] = DateADTGetDatum(day->day);
	values[1] = Int64GetDatum(day->all_rows);
	values[2] = Int64GetDatum(day->all_bytes);
	values[3] = CStringGetTextDatum(hash);
	kept_run(&plan, "INSERT INTO hospital.days (day, rows, bytes, manifest_sha256, written_at)"
			 " VALUES ($1, $2, $3, $4, pg_catalog.clock_timestamp())",
			 lengthof(types), types, values, NULL, SPI_OK_INSERT);
}

void
day_record_empty(DateADT day)
{
	static KeptPlan plan;
	Oid			types[] = {DATEOID};
	Datum		values[] = {DateADTGetDatum(day)};

	kept_run(&plan, "INSERT INTO hospital.days (day, rows, bytes, manifest_sha256, written_at)"
			 " VALUES ($1, 0, 0, '', pg_catalog.clock_timestamp())",
			 lengthof(types), types, values, NULL, SPI_OK_INSERT);
}

static Datum
array_of(Datum *values, bool *nulls, int n, Oid type)
{
	int			dims[1] = {n};
	int			bounds[1] = {1};

	return PointerGetDatum(construct_md_array(values, nulls, 1, dims, bounds, type,
											  type == INT8OID ? sizeof(int64) : -1,
											  type == INT8OID ? FLOAT8PASSBYVAL : false,
											  type == INT8OID ? TYPALIGN_DOUBLE : TYPALIGN_INT));
}

static void
record_faults(const DayFiles *day)
{
	static KeptPlan plan;
	Oid			types[] = {DATEOID, TEXTARRAYOID, INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, BYTEAARRAYOID};
	int			n = list_length(day->faults);
	Datum	   *columns[5];
	bool	   *nulls = palloc0(n * sizeof(bool));
	Datum		values[6];
	ListCell   *cell;
	int			i = 0;

	for (int c = 0; c < (int) lengthof(columns); c++)
		columns[c] = palloc0(n * sizeof(Datum));
	foreach(cell, day->faults)
	{
		const Fault *fault = lfirst(cell);

		columns[0][i] = CStringGetTextDatum(record_kinds[fault->kind].name);
		columns[1][i] = Int64GetDatum(fault->line);
		columns[2][i] = CStringGetTextDatum(fault->fault);
		nulls[i] = fault->column == NULL;
		if (!nulls[i])
			columns[3][i] = CStringGetTextDatum(fault->column);
		columns[4][i] = PointerGetDatum(cstring_to_text_with_len(fault->raw, fault->length));
		i++;
	}
	values[0] = DateADTGetDatum(day->day);
	values[1] = array_of(columns[0], NULL, n, TEXTOID);
	values[2] = array_of(columns[1], NULL, n, INT8OID);
	values[3] = array_of(columns[2], NULL, n, TEXTOID);
	values[4] = array_of(columns[3], nulls, n, TEXTOID);
	values[5] = array_of(columns[4], NULL, n, BYTEAOID);
	kept_run(&plan, "INSERT INTO hospital.faults (day, kind, line, fault, column_name, raw)"
			 " SELECT $1, f.* FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3),"
			 " pg_catalog.unnest($4), pg_catalog.unnest($5), pg_catalog.unnest($6)) f",
			 lengthof(types), types, values, NULL, SPI_OK_INSERT);
}

void
day_record(const DayFiles *files)
{
	for (int i = 0; i < RECORD_KINDS; i++)
		record_file(files, i);
	record_day(files);
	if (files->faults != NIL)
		record_faults(files);

	/* The commit is next: whether it succeeds is for the ledger to say. */
	for (int i = 0; i < DAY_FILES; i++)
		lake_keep(files->files[i]);
}

void
day_publish(const DayFiles *files)
{
	lake_publish(files->files, DAY_FILES);
}

/* ---- what the ledger knows ---- */

/* A single value, or "none". */
static Datum
single_value(const char *query, int nargs, Oid *types, Datum *values, Datum none)
{
	bool		isnull;
	Datum		value;

	if (SPI_execute_with_args(query, nargs, types, values, NULL, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not execute: %s", query);
	if (SPI_processed == 0)
		return none;
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	return isnull ? none : value;
}

bool
day_ledger_knows(const Simulation *simulation, const char *path, const char *hash)
{
	Oid			types[] = {DATEOID, TEXTOID, TEXTOID};
	Datum		values[3];
	DateADT		day;
	char	   *kind = NULL;

	if (!day_file_is_manifest(path, simulation->name, &day) &&
		!day_file_parse(path, simulation->name, &day, &kind))
		return false;
	values[0] = DateADTGetDatum(day);
	values[1] = CStringGetTextDatum(hash);
	if (kind == NULL)
		return DatumGetBool(single_value("SELECT true FROM hospital.days WHERE day = $1 AND manifest_sha256 = $2",
										 2, types, values, BoolGetDatum(false)));
	values[2] = CStringGetTextDatum(kind);
	return DatumGetBool(single_value("SELECT true FROM hospital.batches"
									 " WHERE day = $1 AND sha256 = $2 AND kind = $3 AND state <> 'undone'",
									 3, types, values, BoolGetDatum(false)));
}

DateADT
day_next_unwritten(DateADT first)
{
	Oid			types[] = {DATEOID};
	Datum		values[] = {DateADTGetDatum(first)};

	return DatumGetDateADT(single_value("SELECT greatest($1, max(day) + 1) FROM hospital.days",
										1, types, values, DateADTGetDatum(first)));
}
