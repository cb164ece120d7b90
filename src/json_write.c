/*
 * json_write.c: rows as JSON Lines, formed from the tuple's values.
 *
 * The content is that of row_to_json, in the forms that BigQuery loads:
 * timestamps in UTC as "2020-01-31 08:30:00Z", without a zone as
 * "2020-01-31 08:30:00"; integers beyond 2^53 and numbers that are none (NaN,
 * Infinity) as strings; bytea in base64.
 *
 * row_to_json looks every column's type up for every row and allocates for every
 * value.  Here the columns are described once, and the usual types are put into
 * one buffer without a function of the server's; others go through their output
 * functions.  CSV: csv_write.c; records as JSON events: event_json.c.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "common/base64.h"
#include "common/shortest_dec.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "compat.h"
#include "json_write.h"
#include "numeric_form.h"
#include "put_value.h"

#define BUFFER_SIZE (128 * 1024)
#define VALUE_ROOM 64			/* for a value that is no text, its quotes and what ends the line */
#define EXACT_INTEGER (INT64CONST(1) << 53) /* beyond it, readers that have doubles alone err */

typedef struct JsonColumn
{
	Oid			type;			/* what it is written as; InvalidOid: by its output function, as a string */
	char	   *name;			/* {"name": or ,"name": */
	int			name_length;
	FmgrInfo	output;
} JsonColumn;

struct JsonWriter
{
	int			ncolumns;
	JsonColumn *columns;
	bool		documents;
	int			names_room;		/* for all names, and values that are no texts */
	MemoryContext context;		/* of the buffer */
	char	   *buffer;
	char	   *to;				/* where the next byte goes */
	char	   *end;
	MemoryContext scratch;		/* of functions of the server */
};

bool
json_needs_help(Oid type)
{
	type = getBaseType(type);
	return type_is_array(type) || type_is_rowtype(type);
}

static void
describe_column(JsonColumn *column, Form_pg_attribute attribute, bool first)
{
	StringInfoData name;
	Oid			output;
	bool		varlena;

	initStringInfo(&name);
	appendStringInfoChar(&name, first ? '{' : ',');
	escape_json(&name, NameStr(attribute->attname));
	appendStringInfoChar(&name, ':');
	column->name = name.data;
	column->name_length = name.len;
	column->type = getBaseType(attribute->atttypid);
	switch (column->type)
	{
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
		case UUIDOID:
		case JSONOID:
		case JSONBOID:
		case BYTEAOID:
			break;
		default:
			column->type = InvalidOid;
	}
	/* also of those above: for what is infinite, or of another year than ours */
	getTypeOutputInfo(getBaseType(attribute->atttypid), &output, &varlena);
	fmgr_info(output, &column->output);
}

JsonWriter *
json_writer(TupleDesc tupdesc, int ncolumns, bool documents)
{
	JsonWriter *writer = palloc0(sizeof(JsonWriter));

	writer->context = CurrentMemoryContext;
	writer->ncolumns = ncolumns;
	writer->documents = documents;
	writer->columns = palloc0(Max(ncolumns, 1) * sizeof(JsonColumn));
	for (int i = 0; i < ncolumns; i++)
	{
		describe_column(&writer->columns[i], TupleDescAttr(tupdesc, i), i == 0);
		writer->names_room += writer->columns[i].name_length + VALUE_ROOM;
	}
	writer->names_room += VALUE_ROOM;
	writer->buffer = writer->to = palloc(BUFFER_SIZE);
	writer->end = writer->buffer + BUFFER_SIZE;
	writer->scratch = AllocSetContextCreate(CurrentMemoryContext, "hospital JSON row", ALLOCSET_DEFAULT_SIZES);
	return writer;
}

void
json_flush(JsonWriter *writer, OutFile *out)
{
	out_write(out, writer->buffer, writer->to - writer->buffer);
	writer->to = writer->buffer;
}

/* For a text of this length, and all the names and small values of a row. */
static inline void
make_room(JsonWriter *writer, size_t length)
{
	size_t		wanted = length + writer->names_room;

	if (unlikely(wanted > (size_t) (writer->end - writer->to)))
	{
		size_t		used = writer->to - writer->buffer;
		size_t		size = (used + wanted) * 2;

		writer->buffer = repalloc_huge(writer->buffer, size);
		writer->to = writer->buffer + used;
		writer->end = writer->buffer + size;
	}
}

/* ---- texts ---- */

static void
put_string(JsonWriter *writer, const char *data, size_t length)
{
	char	   *to;

	make_room(writer, length);
	to = writer->to;
	*to++ = '"';
	if (put_plain(to, data, length, put_json_suspects))
		to += length;
	else
	{
		writer->to = to;
		make_room(writer, length * PUT_JSON_ESCAPED);
		to = put_json_escaped(writer->to, data, length);
	}
	*to++ = '"';
	writer->to = to;
}

static void
put_text(JsonWriter *writer, Datum value)
{
	text	   *string = DatumGetTextPP(value);

	put_string(writer, VARDATA_ANY(string), VARSIZE_ANY_EXHDR(string));
}

static void
put_bytes_as_base64(JsonWriter *writer, Datum value)
{
	bytea	   *bytes = DatumGetByteaPP(value);
	int			room = pg_b64_enc_len(VARSIZE_ANY_EXHDR(bytes));
	int			length;

	make_room(writer, room);
	*writer->to++ = '"';
	length = pg_b64_encode((const void *) VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes), writer->to, room);
	if (length < 0)
		elog(ERROR, "could not encode bytes");
	writer->to += length;
	*writer->to++ = '"';
}

/* JSON as it is, but on one line: between its tokens only are there line ends. */
static void
put_json(JsonWriter *writer, const char *data, size_t length)
{
	char	   *to;

	make_room(writer, length);
	to = writer->to;
	for (size_t i = 0; i < length; i++)
		*to++ = data[i] == '\n' || data[i] == '\r' ? ' ' : data[i];
	writer->to = to;
}

static void
put_by_output(JsonWriter *writer, JsonColumn *column, Datum value)
{
	char	   *string = OutputFunctionCall(&column->output, value);

	put_string(writer, string, strlen(string));
}

/* ---- numbers ---- */

/* What JSON has no number for is a string. */
static void
put_number(JsonWriter *writer, const char *digits)
{
	size_t		length = strlen(digits);

	if (strchr("-0123456789", digits[0]) == NULL || (digits[0] == '-' && digits[1] == 'I'))
	{
		put_string(writer, digits, length);
		return;
	}
	make_room(writer, length);
	memcpy(writer->to, digits, length);
	writer->to += length;
}

static void
put_float8(JsonWriter *writer, double number)
{
	if (isnan(number) || isinf(number))
		put_number(writer, isnan(number) ? "NaN" : number < 0 ? "-Infinity" : "Infinity");
	else
		writer->to += double_to_shortest_decimal_bufn(number, writer->to);
}

static void
put_float4(JsonWriter *writer, float number)
{
	if (isnan(number) || isinf(number))
		put_float8(writer, number);
	else
		writer->to += float_to_shortest_decimal_bufn(number, writer->to);
}

static void
put_int8(JsonWriter *writer, int64 number)
{
	bool		quote = number > EXACT_INTEGER || number < -EXACT_INTEGER;

	if (quote)
		*writer->to++ = '"';
	writer->to = put_integer(writer->to, number);
	if (quote)
		*writer->to++ = '"';
}

static void
put_numeric(JsonWriter *writer, Datum value)
{
	struct varlena *number = PG_DETOAST_DATUM_PACKED(value);
	int64		digits;
	int			scale;

	if (numeric_read(VARDATA_ANY(number), VARSIZE_ANY_EXHDR(number), &digits, &scale))
		writer->to = put_decimal(writer->to, digits, scale);
	else
		put_number(writer, DatumGetCString(DirectFunctionCall1(numeric_out, value)));
}

/* ---- dates and times ---- */

static void
put_day(JsonWriter *writer, JsonColumn *column, Datum value)
{
	DateADT		day = DatumGetDateADT(value);

	if (unlikely(day < PUT_FIRST_DATE || day > PUT_LAST_DATE))
	{
		put_by_output(writer, column, value);
		return;
	}
	*writer->to++ = '"';
	writer->to = put_date(writer->to, day);
	*writer->to++ = '"';
}

static void
put_moment(JsonWriter *writer, JsonColumn *column, Datum value)
{
	Timestamp	at = DatumGetTimestamp(value);

	if (unlikely(at < PUT_FIRST_DATE * USECS_PER_DAY || at >= (PUT_LAST_DATE + 1) * USECS_PER_DAY))
	{
		put_by_output(writer, column, value);
		return;
	}
	*writer->to++ = '"';
	writer->to = put_time(writer->to, at, ' ');
	if (column->type == TIMESTAMPTZOID)
		*writer->to++ = 'Z';
	*writer->to++ = '"';
}

/* ---- rows ---- */

static void
put_value(JsonWriter *writer, JsonColumn *column, Datum value)
{
	text	   *json;
	char	   *string;

	switch (column->type)
	{
		case BOOLOID:
			memcpy(writer->to, DatumGetBool(value) ? "true " : "false", 5);
			writer->to += DatumGetBool(value) ? 4 : 5;
			break;
		case INT2OID:
			writer->to = put_integer(writer->to, DatumGetInt16(value));
			break;
		case INT4OID:
			writer->to = put_integer(writer->to, DatumGetInt32(value));
			break;
		case INT8OID:
			put_int8(writer, DatumGetInt64(value));
			break;
		case FLOAT4OID:
			put_float4(writer, DatumGetFloat4(value));
			break;
		case FLOAT8OID:
			put_float8(writer, DatumGetFloat8(value));
			break;
		case NUMERICOID:
			put_numeric(writer, value);
			break;
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			put_text(writer, value);
			break;
		case DATEOID:
			put_day(writer, column, value);
			break;
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			put_moment(writer, column, value);
			break;
		case UUIDOID:
			*writer->to++ = '"';
			writer->to = put_uuid(writer->to, DatumGetUUIDP(value));
			*writer->to++ = '"';
			break;
		case JSONOID:
			json = DatumGetTextPP(value);
			put_json(writer, VARDATA_ANY(json), VARSIZE_ANY_EXHDR(json));
			break;
		case JSONBOID:
			string = OutputFunctionCall(&column->output, value);
			put_json(writer, string, strlen(string));
			break;
		case BYTEAOID:
			put_bytes_as_base64(writer, value);
			break;
		default:
			put_by_output(writer, column, value);
	}
}

static void
put_columns(JsonWriter *writer, const Datum *values, const bool *isnull)
{
	make_room(writer, 0);
	for (int i = 0; i < writer->ncolumns; i++)
	{
		JsonColumn *column = &writer->columns[i];

		memcpy(writer->to, column->name, column->name_length);
		writer->to += column->name_length;
		if (!isnull[i])
			put_value(writer, column, values[i]);
		else
		{
			memcpy(writer->to, "null", 4);
			writer->to += 4;
		}
	}
	if (writer->ncolumns == 0)
		*writer->to++ = '{';
	*writer->to++ = '}';
}

void
json_write_row(JsonWriter *writer, OutFile *out, const Datum *values, const bool *isnull)
{
	MemoryContext caller = MemoryContextSwitchTo(writer->scratch);

	if (writer->documents)
		put_value(writer, &writer->columns[0], values[0]);
	else
		put_columns(writer, values, isnull);
	make_room(writer, 0);
	*writer->to++ = '\n';
	MemoryContextSwitchTo(caller);
	MemoryContextReset(writer->scratch);
	if (writer->to - writer->buffer >= BUFFER_SIZE / 2)
		json_flush(writer, out);
}
