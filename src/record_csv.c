/*
 * record_csv.c: the records of a day as lines of a CSV file.
 *
 * The bytes are those of COPY (SELECT * FROM hospital_generate_<kind>(...)) TO
 * ... CSV HEADER with TimeZone UTC and DateStyle ISO, made from the structs and
 * their descriptions without Datums, output functions or settings.  (Rows of any
 * query: csv_write.c; records as JSON: event_json.c.)
 */
#include "postgres.h"

#include "put_value.h"
#include "record_csv.h"

#define FIELD_ROOM 48			/* for any field that is no text, and its comma */

/* ---- texts ---- */

/* Is there perhaps something for which COPY quotes? */
static inline uint64
is_suspect(uint64 word)
{
	return BYTES_BELOW(word, 0x20) | ZERO_BYTES(word ^ EACH_BYTE(',')) | ZERO_BYTES(word ^ EACH_BYTE('"'));
}

static char *
put_quoted(char *to, const char *data, size_t length)
{
	bool		quote = length == 0;

	for (size_t i = 0; i < length && !quote; i++)
		quote = data[i] == ',' || data[i] == '"' || data[i] == '\n' || data[i] == '\r';
	if (quote)
		*to++ = '"';
	for (size_t i = 0; i < length; i++)
	{
		if (data[i] == '"')
			*to++ = '"';
		*to++ = data[i];
	}
	if (quote)
		*to++ = '"';
	return to;
}

static inline char *
put_text(char *to, const RecText *text)
{
	if (!put_plain(to, text->data, text->length, is_suspect) || text->length == 0)
		return put_quoted(to, text->data, text->length);
	return to + text->length;
}

static inline char *
put_zoned(char *to, TimestampTz at)
{
	to = put_time(to, at, ' ');
	memcpy(to, "+00", 3);
	return to + 3;
}

/* ---- fields and lines ---- */

static inline char *
put_value(char *to, const RecordColumn *column, const char *field)
{
	switch (column->type)
	{
		case REC_INT8:
			return *(const int64 *) field == REC_NULL8 ? to : put_integer(to, *(const int64 *) field);
		case REC_INT4:
			return *(const int32 *) field == REC_NULL4 ? to : put_integer(to, *(const int32 *) field);
		case REC_TEXT:
			return ((const RecText *) field)->data == NULL ? to : put_text(to, (const RecText *) field);
		case REC_TIME:
			return *(const int64 *) field == REC_NULL8 ? to : put_zoned(to, *(const int64 *) field);
		case REC_DATE:
			return *(const int32 *) field == REC_NULL4 ? to : put_date(to, *(const int32 *) field);
		case REC_MONEY:
			return *(const int64 *) field == REC_NULL8 ? to : put_decimal(to, *(const int64 *) field, 2);
		case REC_DECIMAL:
			if (((const RecDecimal *) field)->scale < 0)
				return to;
			return put_decimal(to, ((const RecDecimal *) field)->digits, ((const RecDecimal *) field)->scale);
		case REC_UUID:
			return put_uuid(to, (const pg_uuid_t *) field);
	}
	return to;					/* not reached */
}

/* Room for a field and whatever else of a line is no text, and where it goes. */
static inline char *
make_room(StringInfo out, char *to, const RecordColumn *column, const char *field, int room)
{
	if (column->type == REC_TEXT)
		room += 2 * ((const RecText *) field)->length;
	if (out->data + out->maxlen - to > room)
		return to;
	out->len = to - out->data;
	enlargeStringInfo(out, room);
	return out->data + out->len;
}

static inline void
set_end(StringInfo out, char *to)
{
	*to = '\0';
	out->len = to - out->data;
}

void
record_csv_field(StringInfo out, const RecordColumn *column, const void *record)
{
	const char *field = (const char *) record + column->offset;
	char	   *to = make_room(out, out->data + out->len, column, field, FIELD_ROOM);

	set_end(out, put_value(to, column, field));
}

void
record_csv_line(StringInfo out, const RecordKind *kind, const void *record)
{
	const RecordColumn *column = kind->columns;
	char	   *to = out->data + out->len;

	for (int left = kind->ncolumns; left > 0; left--, column++)
	{
		const char *field = (const char *) record + column->offset;

		to = make_room(out, to, column, field, left * FIELD_ROOM);
		to = put_value(to, column, field);
		*to++ = ',';
	}
	to[-1] = '\n';
	set_end(out, to);
}

void
record_csv_header(StringInfo out, const RecordKind *kind)
{
	for (int i = 0; i < kind->ncolumns; i++)
		appendStringInfo(out, "%s%c", kind->columns[i].name, i < kind->ncolumns - 1 ? ',' : '\n');
}
