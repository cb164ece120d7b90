/*
 * event_json.c: records as JSON events: the kinds' description, and writing.
 *
 * Room for a whole event is made once; after that every value is put where it
 * belongs without a further look at the buffer.  (Rows of any query: json_write.c;
 * records as CSV: record_csv.c.)
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "event.h"
#include "event_json.h"
#include "put_value.h"

#define VALUE_ROOM 48			/* for any value that is no text, its quotes and its comma */

static JsonKind kinds[RECORD_KINDS];

/* ---- the description ---- */

static void
describe_column(JsonColumn *json, const RecordColumn *column)
{
	unsigned char mask[sizeof(uint64)] = {0};

	if (strlen(column->name) + 4 > JSON_NAME_ROOM)
		elog(ERROR, "the name of column %s is too long", column->name);
	json->name_length = snprintf(json->name, JSON_NAME_ROOM, "\"%s\":", column->name);
	json->whole_words = json->name_length / sizeof(uint64);
	memset(mask, 0xFF, json->name_length % sizeof(uint64));
	memcpy(&json->last_mask, mask, sizeof(mask));
	json->type = column->type;
	json->offset = column->offset;
	json->flags = column->flags;
	json->column = column;
}

static void
describe(JsonKind *json, const RecordKind *kind)
{
	if (kind->ncolumns >= JSON_COLUMNS_MAX || kind->size > EVENT_RECORD_SIZE)
		elog(ERROR, "a record of %s is larger than an event may be", kind->name);
	json->kind = kind;
	json->all = ((uint32) 1 << kind->ncolumns) - 1;
	json->room = sizeof("{}");
	for (int i = 0; i < kind->ncolumns; i++)
	{
		describe_column(&json->columns[i], &kind->columns[i]);
		json->room += JSON_NAME_ROOM + VALUE_ROOM;
	}
	json->ncolumns = kind->ncolumns;
}

const JsonKind *
json_kind(int kind_number)
{
	JsonKind   *json = &kinds[kind_number];

	if (unlikely(json->ncolumns == 0))
		describe(json, &record_kinds[kind_number]);
	return json;
}

/* ---- values ---- */

static inline char *
put_string(char *to, const RecText *text)
{
	*to++ = '"';
	if (put_plain(to, text->data, text->length, put_json_suspects))
		to += text->length;
	else
		to = put_json_escaped(to, text->data, text->length);
	*to++ = '"';
	return to;
}

static inline char *
put_instant(char *to, TimestampTz time)
{
	*to++ = '"';
	to = put_time(to, time, 'T');
	memcpy(to, "Z\"", 2);
	return to + 2;
}

static inline char *
put_json_value(char *to, RecordType type, const void *field)
{
	const RecDecimal *decimal;

	if (record_is_null(type, field))
	{
		memcpy(to, "null", 4);
		return to + 4;
	}
	switch (type)
	{
		case REC_INT8:
			return put_integer(to, *(const int64 *) field);
		case REC_INT4:
			return put_integer(to, *(const int32 *) field);
		case REC_TEXT:
			return put_string(to, field);
		case REC_TIME:
			return put_instant(to, *(const TimestampTz *) field);
		case REC_DATE:
			*to++ = '"';
			to = put_date(to, *(const DateADT *) field);
			*to++ = '"';
			return to;
		case REC_MONEY:
			return put_decimal(to, *(const int64 *) field, 2);
		case REC_DECIMAL:
			decimal = field;
			return put_decimal(to, decimal->digits, decimal->scale);
		case REC_UUID:
			*to++ = '"';
			to = put_uuid(to, field);
			*to++ = '"';
			return to;
	}
	return to;					/* not reached */
}

/* ---- events ---- */

static void
make_room(StringInfo out, const JsonKind *kind, const char *record)
{
	size_t		room = kind->room;

	for (int i = 0; i < kind->ncolumns; i++)
		if (kind->columns[i].type == REC_TEXT)
			room += PUT_JSON_ESCAPED * (size_t) ((const RecText *) (record + kind->columns[i].offset))->length;
	if ((size_t) (out->maxlen - out->len) > room)
		return;
	if (room > MaxAllocSize)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a record of %s is too large for an event", kind->kind->name)));
	enlargeStringInfo(out, (int) room);
}

void
event_to_json(StringInfo out, int kind_number, const void *record)
{
	const JsonKind *kind = json_kind(kind_number);
	char	   *to;

	make_room(out, kind, record);
	to = out->data + out->len;
	for (int i = 0; i < kind->ncolumns; i++)
	{
		const JsonColumn *column = &kind->columns[i];

		*to++ = i == 0 ? '{' : ',';
		memcpy(to, column->name, JSON_NAME_ROOM);
		to = put_json_value(to + column->name_length, column->type,
							(const char *) record + column->offset);
	}
	*to++ = '}';
	*to = '\0';
	out->len = (int) (to - out->data);
}
