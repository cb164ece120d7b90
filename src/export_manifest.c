/*
 * export_manifest.c: the files of an export, by name, and the manifest that lists them.
 *
 * It is JSON for whoever reads the files, and the export's journal.  What it
 * says is not trusted with more than to leave a file alone: paths are made here,
 * of the source's name and a day, and none is taken from it.  (That of a day
 * folder in the lake is another: day_writer.c.)
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "day_file.h"
#include "export_private.h"

#define MANIFEST_MAX (256 * 1024 * 1024)

/* ---- names ---- */

static char *
file_name(const Export *export)
{
	const char *suffix = export->source->documents ? export->source->suffix :
		export->order->form == EXPORT_JSON ? ".jsonl" : ".csv";

	return psprintf("%s%s%s", export->source->name, suffix, compression_suffix(export->order->compression));
}

char *
export_part_path(const Export *export, const Part *part)
{
	if (export->order->one_file)
		return pstrdup(export->order->target);
	if (!export_has_days(export))
		return psprintf("%s/%s", export->order->target, file_name(export));
	return psprintf("%s/date=%s/%s", export->order->target, day_file_date(part->day), file_name(export));
}

char *
export_manifest_path(const Export *export)
{
	return psprintf("%s.manifest.json", export->order->target);
}

/* ---- the manifest, written ---- */

static void
add_text(StringInfo json, const char *name, const char *value)
{
	appendStringInfo(json, "\"%s\": ", name);
	escape_json(json, value);
	appendStringInfoString(json, ", ");
}

static void
add_part(StringInfo json, const Export *export, const Part *part)
{
	const char *path = export_part_path(export, part);
	const char *slash = strrchr(export->order->target, '/');

	/* relative to the manifest's folder */
	appendStringInfoString(json, "  {");
	add_text(json, "file", slash == NULL ? path : path + (slash + 1 - export->order->target));
	if (export_has_days(export))
		add_text(json, "date", day_file_date(part->day));
	add_text(json, "sha256", part->sha256);
	if (part->state != NULL)
		add_text(json, "state", part->state);
	appendStringInfo(json, "\"rows\": " INT64_FORMAT ", \"bytes\": " INT64_FORMAT "}", part->rows, part->bytes);
}

void
export_write_manifest(Export *export, bool complete)
{
	MemoryContext scratch = AllocSetContextCreate(export->context, "hospital manifest", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(scratch);
	LakeFile   *file;
	StringInfoData json;
	const char *separator = "";

	if (!export->order->one_file)
	{
		initStringInfo(&json);
		appendStringInfoString(&json, "{");
		add_text(&json, "relation", export->source->title);
		add_text(&json, "format", export->order->form == EXPORT_CSV ? "csv" : "jsonl");
		add_text(&json, "compression", compression_name(export->order->compression));
		appendStringInfo(&json, "\"partitioned\": %s, \"complete\": %s,\n \"columns\": %s,\n \"files\": [\n",
						 export_has_days(export) ? "true" : "false", complete ? "true" : "false", export->columns);
		for (int i = 0; i < export->nparts; i++)
			if (export->parts[i].published)
			{
				appendStringInfoString(&json, separator);
				add_part(&json, export, &export->parts[i]);
				separator = ",\n";
			}
		appendStringInfoString(&json, "\n]}\n");
		file = lake_create(export_manifest_path(export));
		lake_write(file, json.data, json.len);
		lake_finish(file);
		lake_sync(&file, 1);
		lake_publish(&file, 1);
	}
	export->manifest_at = GetCurrentTimestamp();
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(scratch);
}

/* ---- the manifest, read ---- */

static void
add_manifest_context(void *arg)
{
	errcontext("reading \"%s\" in hospital.data_folder; without it everything is written again", (char *) arg);
}

/* NULL: there is none. */
static char *
read_manifest(const char *path)
{
	LakeFile   *file = lake_open(path);
	StringInfoData text;
	char		buffer[8192];
	size_t		got;

	if (file == NULL)
		return NULL;
	initStringInfo(&text);
	while ((got = lake_read(file, buffer, sizeof(buffer))) > 0)
	{
		if (text.len + got > MANIFEST_MAX)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("\"%s\" is too long to be a manifest", path)));
		appendBinaryStringInfo(&text, buffer, (int) got);
	}
	lake_close(file);
	(void) pg_verify_mbstr(PG_UTF8, text.data, text.len, false);
	return text.data;
}

static void
take_part(Export *export, HeapTuple tuple, TupleDesc tupdesc, Part *part)
{
	bool		isnull[7];
	Datum		values[7];

	heap_deform_tuple(tuple, tupdesc, values, isnull);
	if (isnull[0] == export_has_days(export) || isnull[6] || DatumGetBool(values[6]) != export_has_days(export))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("\"%s\" was exported there %s days before", export->order->target,
						export_has_days(export) ? "without" : "by"),
				 errhint("Name another target, or remove what is there with its manifest.")));
	part->day = isnull[0] ? 0 : DatumGetDateADT(values[0]);
	part->rows = isnull[1] ? 0 : DatumGetInt64(values[1]);
	part->bytes = isnull[2] ? -1 : DatumGetInt64(values[2]);
	if (!isnull[3])
		strlcpy(part->sha256, TextDatumGetCString(values[3]), sizeof(part->sha256));
	part->state = isnull[4] ? NULL : TextDatumGetCString(values[4]);
	part->published = true;
	export->complete = !isnull[5] && DatumGetBool(values[5]);
}

/* The parts that it knows; of other columns, or to be written anyhow: without a state. */
void
export_read_manifest(Export *export)
{
	static const char files[] =
		"SELECT f.date, f.rows, f.bytes, f.sha256, CASE WHEN m->'columns' = $2::jsonb AND $3 THEN f.state END,"
		" (m->>'complete')::bool, (m->>'partitioned')::bool"
		" FROM (SELECT $1::jsonb AS m) AS manifest"
		" CROSS JOIN LATERAL jsonb_to_recordset(m->'files') AS f(date date, rows int8, bytes int8, sha256 text, state text)"
		" ORDER BY 1";
	Oid			types[] = {TEXTOID, TEXTOID, BOOLOID};
	Datum		values[3];
	char	   *path = export_manifest_path(export);
	char	   *text = export->order->one_file ? NULL : read_manifest(path);
	ErrorContextCallback callback = {error_context_stack, add_manifest_context, path};

	if (text == NULL)
		return;
	values[0] = CStringGetTextDatum(text);
	values[1] = CStringGetTextDatum(export->columns);
	values[2] = BoolGetDatum(export->order->incremental);
	error_context_stack = &callback;
	if (SPI_execute_with_args(files, 3, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read a manifest");
	export->parts = MemoryContextAllocZero(export->context, Max(SPI_processed, 1) * sizeof(Part));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		MemoryContext caller = MemoryContextSwitchTo(export->context);

		take_part(export, SPI_tuptable->vals[i], SPI_tuptable->tupdesc, &export->parts[i]);
		MemoryContextSwitchTo(caller);
	}
	error_context_stack = callback.previous;
	export->nparts = (int) SPI_processed;
	SPI_freetuptable(SPI_tuptable);
}
