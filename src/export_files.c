/*
 * export_files.c: a source written to files: one, or one a day, and their manifest.
 *
 *   <target>.manifest.json
 *   <target>/date=2020-01-31/<name>.jsonl.gz     or, without days, <target>/<name>.jsonl.gz
 *
 * All statements of an export see one snapshot.  First the source's states say
 * which days there are; days whose state, size and columns are those of the
 * manifest are left alone.  The others come in order of days, in one execution
 * or one for each run of days, and a file is published when its day is over.
 *
 * The manifest says "complete": false from before the first file is replaced
 * until after the last one, and is written again every second in between.  So
 * whoever was killed has lost a second's work at the most: the next export finds
 * in the manifest what is there, and goes on.  What it does not mention is
 * written again.  Temporary files that were left are removed, under a lock that
 * keeps two exports apart.
 *
 * A file whose bytes are those that are there already is not replaced: who
 * copies the folder elsewhere has nothing to copy.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/params.h"
#include "tcop/dest.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "csv_write.h"
#include "day_file.h"
#include "export_files.h"
#include "export_private.h"
#include "json_write.h"
#include "locks.h"
#include "put_value.h"

#define MANIFEST_EVERY 1000		/* milliseconds */
#define PARAMETERS 3			/* first day, last day, days */

/* The executor's rows, on their way to the files of their days. */
typedef struct PartReceiver
{
	DestReceiver receiver;
	Export	   *export;
	MemoryContext run_context;	/* writers, for one execution */
	MemoryContext file_context; /* a file */
	JsonWriter *json;
	CsvWriter  *csv;
	OutFile    *out;
	Part	   *part;			/* that "out" is of */
	int			next;			/* parts from here on are still to come */
	int			ncolumns;
	int64		rows;
} PartReceiver;

/* ---- which parts there are ---- */

/* As the rows' statement has them, the day left out. */
static void
describe_columns(Export *export)
{
	CachedPlanSource *plan = linitial(SPI_plan_get_plan_sources(export->plan));
	int			ncolumns = plan->resultDesc->natts - (export_has_days(export) ? 1 : 0);
	StringInfoData json;

	initStringInfo(&json);
	for (int i = 0; i < ncolumns; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(plan->resultDesc, i);

		appendStringInfoString(&json, i == 0 ? "[" : ", ");
		escape_json(&json, psprintf("%s %s", NameStr(attribute->attname),
									format_type_with_typemod(attribute->atttypid, attribute->atttypmod)));
	}
	if (ncolumns == 0)
		appendStringInfoChar(&json, '[');
	appendStringInfoChar(&json, ']');
	export->columns = MemoryContextStrdup(export->context, json.data);
}

static ParamListInfo
parameters(DateADT first, DateADT last, ArrayType *days)
{
	ParamListInfo list = makeParamList(PARAMETERS);
	Datum		values[PARAMETERS] = {DateADTGetDatum(first), DateADTGetDatum(last), PointerGetDatum(days)};
	Oid			types[PARAMETERS] = {DATEOID, DATEOID, DATEARRAYOID};

	for (int i = 0; i < PARAMETERS; i++)
	{
		list->params[i].value = values[i];
		list->params[i].isnull = i == 2 && days == NULL;
		list->params[i].pflags = PARAM_FLAG_CONST;
		list->params[i].ptype = types[i];
	}
	return list;
}

static Part *
find_part(Part *parts, int nparts, DateADT day)
{
	int			low = 0;
	int			high = nparts;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (parts[middle].day < day)
			low = middle + 1;
		else
			high = middle;
	}
	return low < nparts && parts[low].day == day ? &parts[low] : NULL;
}

/* Parts outside of what was asked for are none of ours, whatever became of them. */
static bool
in_order(const Export *export, DateADT day)
{
	return day >= export->order->first && day <= export->order->last;
}

static int
compare_parts(const void *a, const void *b)
{
	const Part *one = a;
	const Part *other = b;

	return one->day < other->day ? -1 : one->day > other->day;
}

static void
check_day(const Export *export, bool isnull, DateADT day)
{
	if (isnull || day < PUT_FIRST_DATE || day > PUT_LAST_DATE)
		ereport(ERROR,
				(errcode(isnull ? ERRCODE_NULL_VALUE_NOT_ALLOWED : ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("\"%s\" has rows without a day, or of one outside of years 1 to 9999", export->source->title),
				 errhint("Export it with partition_by => 'none', or by another column.")));
}

/* The days of the source, beside those of the manifest. */
static void
take_states(Export *export)
{
	SPIExecuteOptions options = {0};
	Part	   *known = export->parts;
	int			nknown = export->nparts;
	int			n = nknown;

	options.params = parameters(export->order->first, export->order->last, NULL);
	options.read_only = true;
	if (SPI_execute_extended(export->source->states, &options) != SPI_OK_SELECT)
		elog(ERROR, "could not read the days of %s", export->source->title);
	export->parts = MemoryContextAllocZero(export->context, (nknown + SPI_processed + 1) * sizeof(Part));
	if (nknown > 0)
		memcpy(export->parts, known, nknown * sizeof(Part));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		bool		state_is_null;
		Datum		day = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);
		Datum		state = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &state_is_null);
		Part	   *part;

		check_day(export, isnull, DatumGetDateADT(day));
		part = find_part(export->parts, nknown, DatumGetDateADT(day));
		if (part == NULL)
		{
			part = &export->parts[n++];
			part->day = DatumGetDateADT(day);
		}
		part->exists = true;
		part->new_state = state_is_null ? NULL :
			MemoryContextStrdup(export->context, TextDatumGetCString(state));
	}
	export->nparts = n;
	qsort(export->parts, n, sizeof(Part), compare_parts);
	SPI_freetuptable(SPI_tuptable);
}

static bool
file_is_there(const Export *export, const Part *part)
{
	LakeStatus	status;

	return part->published && lake_look(export_part_path(export, part), &status) &&
		!status.is_folder && status.bytes == part->bytes;
}

static bool
is_current(const Export *export, const Part *part)
{
	return part->state != NULL && part->new_state != NULL && strcmp(part->state, part->new_state) == 0 &&
		file_is_there(export, part);
}

/* False: there is nothing to do. */
static bool
choose_parts(Export *export)
{
	bool		any = false;

	if (!export_has_days(export))
	{
		if (export->nparts == 0)
			export->parts = MemoryContextAllocZero(export->context, sizeof(Part));
		export->nparts = 1;
		export->parts[0].exists = export->parts[0].wanted = true;
		return true;
	}
	take_states(export);
	for (int i = 0; i < export->nparts; i++)
	{
		Part	   *part = &export->parts[i];

		part->wanted = part->exists && !is_current(export, part);
		any |= part->wanted || (part->published && !part->exists && in_order(export, part->day));
	}
	return any;
}

/* Days that the source has no more. */
static void
remove_gone(Export *export)
{
	for (int i = 0; i < export->nparts; i++)
	{
		Part	   *part = &export->parts[i];

		if (part->exists || !part->published || !in_order(export, part->day))
			continue;
		lake_remove(export_part_path(export, part));
		lake_remove_folder(psprintf("%s/date=%s", export->order->target, day_file_date(part->day)));
		part->published = false;
	}
}

/* ---- rows ---- */

static void
start_part(PartReceiver *receiver, Part *part)
{
	MemoryContext caller = MemoryContextSwitchTo(receiver->file_context);

	receiver->part = part;
	receiver->rows = 0;
	receiver->out = out_create(export_part_path(receiver->export, part), receiver->export->order->compression);
	MemoryContextSwitchTo(caller);
	if (receiver->csv != NULL)
		csv_write_header(receiver->csv, receiver->out);
}

/* The file that is there stays when it has these bytes. */
static void
publish(Export *export, Part *part, LakeFile *file)
{
	char		hash[LAKE_HASH_LENGTH + 1];
	int64		bytes = lake_bytes(file);

	lake_hash(file, hash);
	if (file_is_there(export, part) && bytes == part->bytes && strcmp(hash, part->sha256) == 0)
		lake_close(file);
	else
	{
		lake_sync(&file, 1);
		lake_publish(&file, 1);
		export->files++;
	}
	part->bytes = bytes;
	strlcpy(part->sha256, hash, sizeof(part->sha256));
}

static void
finish_part(PartReceiver *receiver)
{
	Export	   *export = receiver->export;
	Part	   *part = receiver->part;
	MemoryContext caller = MemoryContextSwitchTo(receiver->file_context);

	if (receiver->json != NULL)
		json_flush(receiver->json, receiver->out);
	publish(export, part, out_finish(receiver->out));
	part->rows = receiver->rows;
	part->state = part->new_state;
	part->published = true;
	part->wanted = false;
	export->rows += receiver->rows;
	receiver->part = NULL;
	receiver->out = NULL;
	MemoryContextSwitchTo(caller);
	MemoryContextReset(receiver->file_context);
	if (TimestampDifferenceExceeds(export->manifest_at, GetCurrentTimestamp(), MANIFEST_EVERY))
		export_write_manifest(export, false);
}

/* Rows come in order of days, and of such days only as were asked for. */
static void
turn_to_day(PartReceiver *receiver, DateADT day)
{
	Export	   *export = receiver->export;

	if (receiver->part != NULL)
		finish_part(receiver);
	while (receiver->next < export->nparts && export->parts[receiver->next].day < day)
		receiver->next++;
	if (receiver->next >= export->nparts || export->parts[receiver->next].day != day ||
		!export->parts[receiver->next].wanted)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("\"%s\" has other rows each time it is read", export->source->title),
				 errdetail("Rows of %s were not there before.", day_file_date(day)),
				 errhint("Export it with partition_by => 'none'.")));
	start_part(receiver, &export->parts[receiver->next]);
}

static void
receiver_startup(DestReceiver *self, int operation, TupleDesc tupdesc)
{
	PartReceiver *receiver = (PartReceiver *) self;
	Export	   *export = receiver->export;
	MemoryContext caller = MemoryContextSwitchTo(receiver->run_context);

	receiver->ncolumns = tupdesc->natts - (export_has_days(export) ? 1 : 0);
	if (export->order->form == EXPORT_JSON)
		receiver->json = json_writer(tupdesc, receiver->ncolumns, export->source->documents);
	else
		receiver->csv = csv_writer(tupdesc, receiver->ncolumns);
	MemoryContextSwitchTo(caller);
	if (!export_has_days(export))
		start_part(receiver, &export->parts[0]);
}

static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	PartReceiver *receiver = (PartReceiver *) self;

	slot_getallattrs(slot);
	if (export_has_days(receiver->export))
	{
		DateADT		day = DatumGetDateADT(slot->tts_values[receiver->ncolumns]);

		if (receiver->part == NULL || receiver->part->day != day)
			turn_to_day(receiver, day);
	}
	if (receiver->json != NULL)
		json_write_row(receiver->json, receiver->out, slot->tts_values, slot->tts_isnull);
	else
		csv_write_row(receiver->csv, receiver->out, slot->tts_values, slot->tts_isnull);
	receiver->rows++;
	return true;
}

static void
receiver_shutdown(DestReceiver *self)
{
	(void) self;
}

static void
execute(Export *export, PartReceiver *receiver, DateADT first, DateADT last, ArrayType *days)
{
	SPIExecuteOptions options = {0};

	options.params = parameters(first, last, days);
	options.read_only = true;
	options.dest = &receiver->receiver;
	if (SPI_execute_plan_extended(export->plan, &options) != SPI_OK_SELECT)
		elog(ERROR, "could not export %s", export->source->title);
	if (receiver->part != NULL)
		finish_part(receiver);
	receiver->json = NULL;
	receiver->csv = NULL;
	MemoryContextReset(receiver->run_context);
}

/* Wanted days without one in between that is not. */
static void
execute_runs(Export *export, PartReceiver *receiver)
{
	int			longest = export->source->run_days;

	for (int i = 0; i < export->nparts;)
	{
		int			end = i;

		while (end < export->nparts && export->parts[end].wanted && (longest == 0 || end - i < longest))
			end++;
		if (end > i)
			execute(export, receiver, export->parts[i].day, export->parts[end - 1].day, NULL);
		i = Max(end, i + 1);
	}
}

static void
execute_days(Export *export, PartReceiver *receiver)
{
	Datum	   *days = palloc(Max(export->nparts, 1) * sizeof(Datum));
	int			n = 0;

	for (int i = 0; i < export->nparts; i++)
		if (export->parts[i].wanted)
			days[n++] = DateADTGetDatum(export->parts[i].day);
	if (n > 0)
		execute(export, receiver, PUT_FIRST_DATE, PUT_LAST_DATE,
				construct_array(days, n, DATEOID, sizeof(DateADT), true, TYPALIGN_INT));
}

static void
write_parts(Export *export)
{
	PartReceiver receiver = {
		/* No kind is ours; SPI takes DestNone for "no rows wanted". */
		.receiver = {receive_row, receiver_startup, receiver_shutdown, receiver_shutdown, DestTuplestore},
		.export = export,
		.run_context = AllocSetContextCreate(export->context, "hospital export", ALLOCSET_DEFAULT_SIZES),
		.file_context = AllocSetContextCreate(export->context, "hospital export file", ALLOCSET_DEFAULT_SIZES)
	};

	/* a table of years, sorted, would be written to temporary files first */
	if (export->source->by_index)
		(void) set_config_option("enable_sort", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	if (!export_has_days(export))
		execute(export, &receiver, export->order->as_of, export->order->as_of, NULL);
	else if (export->source->runs)
		execute_runs(export, &receiver);
	else
		execute_days(export, &receiver);
}

/* ---- the whole ---- */

/* Until the end of the transaction; nobody waits for another's export. */
static void
lock_target(const char *target)
{
	LOCKTAG		tag;

	set_named_lock_tag(&tag, LOCK_CLASS_EXPORT, target);
	if (LockAcquire(&tag, ExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("another session is exporting to \"%s\"", target),
				 errhint("Wait for it, or name another target.")));
}

static void
sweep(const Export *export)
{
	char	   *manifest = export_manifest_path(export);
	char	   *slash = strrchr(manifest, '/');
	ListCell   *cell;

	if (export->order->one_file)
		return;
	if (slash != NULL)
		lake_sweep(pnstrdup(manifest, slash - manifest), slash + 1);
	lake_sweep(export->order->target, NULL);
	foreach(cell, lake_names(export->order->target))
		if (strncmp(lfirst(cell), "date=", 5) == 0)
			lake_sweep(psprintf("%s/%s", export->order->target, (char *) lfirst(cell)), NULL);
}

static void
report(const Export *export)
{
	int			kept = -export->files;

	for (int i = 0; i < export->nparts; i++)
		kept += export->parts[i].published && in_order(export, export->parts[i].day);
	if (!export_has_days(export))
		ereport(NOTICE,
				(errmsg("%s: " INT64_FORMAT " rows written to \"%s\"", export->source->name, export->rows,
						export_part_path(export, &export->parts[0]))));
	else
		ereport(NOTICE,
				(errmsg("%s: " INT64_FORMAT " rows of %d days written to \"%s\", %d days have not changed",
						export->source->name, export->rows, export->files, export->order->target, kept)));
}

void
export_to_files(ExportSource *source, const ExportOrder *order)
{
	Oid			types[PARAMETERS] = {DATEOID, DATEOID, DATEARRAYOID};
	Export	   *export = palloc0(sizeof(Export));
	ExportOrder *bounded = palloc(sizeof(ExportOrder));

	*bounded = *order;
	bounded->first = order->has_first ? order->first : PUT_FIRST_DATE;
	bounded->last = order->has_last ? order->last : PUT_LAST_DATE;
	export->source = source;
	export->order = bounded;
	export->context = AllocSetContextCreate(CurrentMemoryContext, "hospital export of a relation",
											ALLOCSET_DEFAULT_SIZES);
	lock_target(order->target);
	sweep(export);
	export->plan = SPI_prepare(source->rows, PARAMETERS, types);
	if (export->plan == NULL)
		elog(ERROR, "could not prepare the export of %s", source->title);
	describe_columns(export);
	export_read_manifest(export);
	if (choose_parts(export))
	{
		export_write_manifest(export, false);
		remove_gone(export);
		write_parts(export);
		export->complete = false;
	}
	if (!export->complete)
		export_write_manifest(export, true);
	report(export);
	MemoryContextDelete(export->context);
}
