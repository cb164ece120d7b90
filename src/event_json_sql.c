/*
 * event_json_sql.c: JSON events for SQL: a day's as rows, and what reading one
 * gives.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "event.h"
#include "record_source.h"

PG_FUNCTION_INFO_V1(hospital_generate_events);
PG_FUNCTION_INFO_V1(hospital_try_event);

static int
kind_argument(Datum name)
{
	const char *kind = TextDatumGetCString(name);
	int			number = record_kind_by_name(kind);

	if (number < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no kind of events \"%s\"", kind),
				 errhint("Kinds are those of the day files, such as transfers, admissions or prescriptions.")));
	return number;
}

/* ---- hospital_generate_events ---- */

enum
{
	ARG_KIND, ARG_DAY, ARG_SEED, ARG_PEOPLE, ARG_BEDS, ARG_START_DATE, ARG_TRANSFERS, ARG_ID_MODE, ARGS
};

typedef struct EventSource
{
	RowSource	base;
	int			kind_number;
	const char *records;
	StringInfoData json;
} EventSource;

static const Oid event_args[ARGS] = {
	TEXTOID, DATEOID, INT8OID, INT8OID, INT4OID, DATEOID, INT4OID, TEXTOID
};

static const RowColumn event_columns[] = {
	{.name = "event_id", .type = UUIDOID},
	{.name = "event_time", .type = TIMESTAMPTZOID},
	{.name = "subject", .type = INT8OID},
	{.name = "payload", .type = TEXTOID},
};

static RowSource *
open_events(const NullableDatum *args, int nargs, const Bitmapset *wanted)
{
	EventSource *source = palloc0(sizeof(EventSource));
	const DayRecords *records;

	source->kind_number = kind_argument(args[ARG_KIND].value);
	records = records_of_args(&args[ARG_DAY]);
	source->records = records->rows[source->kind_number];
	source->base.methods = &events_source;
	source->base.nrows = records->count[source->kind_number];
	initStringInfo(&source->json);
	return &source->base;
}

/* As many as there are records. */
static double
estimate_events(const NullableDatum *args, int nargs)
{
	int			number;

	if (args[ARG_KIND].isnull)
		return 1000;
	number = record_kind_by_name(TextDatumGetCString(args[ARG_KIND].value));
	return number < 0 ? 1 : record_sources[number].estimate(args + ARG_DAY, nargs - ARG_DAY);
}

static bool
fetch_event(RowSource *base, int64 row, Datum *values, bool *isnull, char *scratch)
{
	EventSource *source = (EventSource *) base;
	const char *record;
	StringInfo	json = &source->json;
	char	   *payload = scratch + MAXALIGN(sizeof(pg_uuid_t));

	if (row >= base->nrows)
		return false;
	record = source->records + row * record_kinds[source->kind_number].size;
	memset(isnull, 0, lengthof(event_columns) * sizeof(bool));
	event_id((pg_uuid_t *) scratch, source->kind_number, record);
	json->len = 0;
	event_to_json(json, source->kind_number, record);
	if (payload + VARHDRSZ + json->len > scratch + ROW_SCRATCH)
		elog(ERROR, "an event of %d bytes is too large", json->len);
	SET_VARSIZE(payload, VARHDRSZ + json->len);
	memcpy(VARDATA(payload), json->data, json->len);
	values[0] = UUIDPGetDatum((pg_uuid_t *) scratch);
	values[1] = TimestampTzGetDatum(event_time(source->kind_number, record));
	values[2] = Int64GetDatum(event_subject(source->kind_number, record));
	values[3] = PointerGetDatum(payload);
	return true;
}

const RowSourceMethods events_source = {
	.label = "Events",
	.nargs = ARGS,
	.args = event_args,
	.ncolumns = lengthof(event_columns),
	.columns = event_columns,
	.open = open_events,
	.estimate = estimate_events,
	.fetch = fetch_event,
	.random_access = true,
	.row_cost = 50,
	.startup_cost = 4000000,
};

Datum
hospital_generate_events(PG_FUNCTION_ARGS)
{
	return rowsource_srf(fcinfo, &events_source);
}

/* ---- hospital_try_event ---- */

static Datum
jsonb_of(const char *json)
{
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json));
}

Datum
hospital_try_event(PG_FUNCTION_ARGS)
{
	int			kind_number = kind_argument(PG_GETARG_DATUM(0));
	bytea	   *payload = PG_GETARG_BYTEA_PP(1);
	char	   *unknown = NULL;
	union
	{
		int64		align;
		char		bytes[EVENT_RECORD_SIZE];
	}			record;
	EventFault	fault;
	TupleDesc	tupdesc;
	Datum		values[6] = {0};
	bool		nulls[6] = {false, true, true, true, true, true};
	bool		ok;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE || tupdesc->natts != lengthof(values))
		elog(ERROR, "hospital_try_event is declared with other columns");
	ok = event_from_json(kind_number, VARDATA_ANY(payload), VARSIZE_ANY_EXHDR(payload), &record,
						 PG_GETARG_BOOL(2) ? &unknown : NULL, &fault);
	values[0] = BoolGetDatum(ok);
	if (ok)
	{
		StringInfoData json;

		initStringInfo(&json);
		event_to_json(&json, kind_number, &record);
		values[4] = jsonb_of(json.data);
		nulls[4] = false;
		if (unknown != NULL)
			values[5] = jsonb_of(unknown);
		nulls[5] = unknown == NULL;
	}
	else
	{
		values[1] = CStringGetTextDatum(unpack_sql_state(fault.sqlstate));
		if (fault.column != NULL)
			values[2] = CStringGetTextDatum(fault.column);
		values[3] = CStringGetTextDatum(fault.message);
		nulls[1] = nulls[3] = false;
		nulls[2] = fault.column == NULL;
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls)));
}
