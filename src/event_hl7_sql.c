/*
 * event_hl7_sql.c: HL7 messages for SQL: a day's as rows, and what reading one
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
#include "event_hl7_sql.h"
#include "record_source.h"

#define SENDER_MAX 100			/* bytes; names of simulations have 40 */

PG_FUNCTION_INFO_V1(hospital_generate_hl7);
PG_FUNCTION_INFO_V1(hospital_try_hl7);

/* ---- a day's messages ---- */

/* Kind by kind, in the order of the records. */
static const int hl7_kinds[] = {KIND_ADMISSIONS, KIND_STATUS_UPDATES, KIND_TRANSFERS};

typedef struct Hl7Source
{
	RowSource	base;
	char	   *sender;
	StringInfoData message;
	const char *rows[lengthof(hl7_kinds)];
	int			count[lengthof(hl7_kinds)];
} Hl7Source;

/* Those of hospital_generate_<kind>, and the simulation's name. */
#define ARG_BEDS 3
#define ARG_SENDER 7
#define ARGS 8

static const Oid hl7_args[ARGS] = {
	DATEOID, INT8OID, INT8OID, INT4OID, DATEOID, INT4OID, TEXTOID, TEXTOID
};

static const RowColumn hl7_columns[] = {
	{"kind", TEXTOID}, {"event_id", UUIDOID}, {"event_time", TIMESTAMPTZOID}, {"message", TEXTOID}
};

static RowSource *
hl7_open(const NullableDatum *args, int nargs, const Bitmapset *wanted)
{
	Hl7Source  *source = palloc0(sizeof(Hl7Source));
	const DayRecords *records = records_of_args(args);

	source->sender = TextDatumGetCString(args[ARG_SENDER].value);
	if (strlen(source->sender) > SENDER_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the simulation's name may have %d bytes at the most", SENDER_MAX)));
	source->base.methods = &hl7_source;
	for (int i = 0; i < (int) lengthof(hl7_kinds); i++)
	{
		source->rows[i] = records->rows[hl7_kinds[i]];
		source->count[i] = records->count[hl7_kinds[i]];
		source->base.nrows += source->count[i];
	}
	initStringInfo(&source->message);
	return &source->base;
}

/* About two and a half messages a bed and day. */
static double
hl7_estimate(const NullableDatum *args, int nargs)
{
	return Max(1, 2.5 * (args[ARG_BEDS].isnull ? 1100 : DatumGetInt32(args[ARG_BEDS].value)));
}

static Datum
text_at(char *to, const char *text, size_t length)
{
	SET_VARSIZE(to, VARHDRSZ + length);
	memcpy(VARDATA(to), text, length);
	return PointerGetDatum(to);
}

static bool
hl7_fetch(RowSource *base, int64 row, Datum *values, bool *isnull, char *scratch)
{
	Hl7Source  *source = (Hl7Source *) base;
	pg_uuid_t  *id = (pg_uuid_t *) scratch;
	char	   *name = scratch + MAXALIGN(sizeof(pg_uuid_t));
	char	   *message = name + MAXALIGN(VARHDRSZ + NAMEDATALEN);
	const RecordKind *kind;
	const char *record;
	int			i = 0;

	if (row >= base->nrows)
		return false;
	while (row >= source->count[i])
		row -= source->count[i++];
	Assert(i < (int) lengthof(hl7_kinds));
	kind = &record_kinds[hl7_kinds[i]];
	record = source->rows[i] + row * kind->size;
	resetStringInfo(&source->message);
	event_to_hl7(&source->message, hl7_kinds[i], record, source->sender);
	if (message + VARHDRSZ + source->message.len > scratch + ROW_SCRATCH)
		elog(ERROR, "an HL7 message has %d bytes", source->message.len);
	event_id(id, hl7_kinds[i], record);
	memset(isnull, false, lengthof(hl7_columns));
	values[0] = text_at(name, kind->name, strlen(kind->name));
	values[1] = UUIDPGetDatum(id);
	values[2] = TimestampTzGetDatum(event_time(hl7_kinds[i], record));
	values[3] = text_at(message, source->message.data, source->message.len);
	return true;
}

const RowSourceMethods hl7_source = {
	.label = "HL7 messages",
	.nargs = ARGS,
	.args = hl7_args,
	.ncolumns = lengthof(hl7_columns),
	.columns = hl7_columns,
	.open = hl7_open,
	.estimate = hl7_estimate,
	.fetch = hl7_fetch,
	.random_access = true,
	.row_cost = 100,
	.startup_cost = 4000000,
};

Datum
hospital_generate_hl7(PG_FUNCTION_ARGS)
{
	return rowsource_srf(fcinfo, &hl7_source);
}

/* ---- reading one ---- */

Datum
hospital_try_hl7(PG_FUNCTION_ARGS)
{
	bytea	   *payload = PG_GETARG_BYTEA_PP(0);
	char		record[EVENT_RECORD_SIZE] pg_attribute_aligned(MAXIMUM_ALIGNOF);
	EventFault	fault;
	TupleDesc	tupdesc;
	Datum		values[6] = {0};
	bool		nulls[6] = {false, true, true, true, true, true};
	int			kind;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (event_from_hl7(VARDATA_ANY(payload), VARSIZE_ANY_EXHDR(payload), &kind, record, &fault))
	{
		StringInfoData json;

		initStringInfo(&json);
		event_to_json(&json, kind, record);
		values[0] = BoolGetDatum(true);
		values[1] = CStringGetTextDatum(record_kinds[kind].name);
		values[5] = DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
		nulls[1] = nulls[5] = false;
	}
	else
	{
		values[0] = BoolGetDatum(false);
		values[2] = CStringGetTextDatum(unpack_sql_state(fault.sqlstate));
		values[4] = CStringGetTextDatum(fault.message);
		nulls[2] = nulls[4] = false;
		if (fault.column != NULL)
		{
			values[3] = CStringGetTextDatum(fault.column);
			nulls[3] = false;
		}
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls)));
}
