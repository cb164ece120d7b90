/*
 * event_json_read.c: JSON events as records.
 *
 * Nearly every event that comes is a flat object of known fields with plain
 * numbers and strings without escapes, most often in the kind's own order.
 * Such a one is read here in one pass, without allocating, and its texts stay
 * where they are.  Whatever is not so, wrong or merely unusual, is given up
 * and goes from its beginning through the server's parser, which alone says
 * what is wrong (event_json_parse.c).  So all that must hold here is: what
 * this scanner takes, the parser would take, with the same values.
 */
#include "postgres.h"

#include "port/pg_bitutils.h"

#include "event_json.h"
#include "fields.h"
#include "put_value.h"

#define SHOWN 200				/* bytes of a value in a message, which is clipped anyway */

/* Dates and times that were read last. */
static DateMemory date_memory;
static DateMemory time_memory;

/* ---- values ---- */

/* '"name" what: "data"'; a number without the second quotes.  Always false. */
static bool
value_fault(EventFault *fault, const JsonColumn *column, int sqlstate, const char *what,
			const char *data, size_t length)
{
	const char *name = column->column->name;
	const char *quote = json_is_number(column->type) ? "" : "\"";

	return event_fault(fault, sqlstate, name, "\"%s\" %s: %s%.*s%s", name, what, quote,
					   (int) Min(length, SHOWN), data, quote);
}

static bool
is_one_of(const char *const *words, const char *data, size_t length)
{
	for (; *words != NULL; words++)
		if (strncmp(*words, data, length) == 0 && (*words)[length] == '\0')
			return true;
	return false;
}

static bool
text_value(const JsonColumn *column, const char *data, size_t length, RecText *text, EventFault *fault)
{
	const char *name = column->column->name;

	if (length > EVENT_TEXT_MAX)
		return event_fault(fault, ERRCODE_STRING_DATA_RIGHT_TRUNCATION, name,
						   "\"%s\" is longer than %d bytes", name, EVENT_TEXT_MAX);
	if (column->column->values != NULL && !is_one_of(column->column->values, data, length))
		return value_fault(fault, column, ERRCODE_CHECK_VIOLATION, "is none of the words that it may be",
						   data, length);
	text->data = data;
	text->length = (uint32) length;
	return true;
}

/* A T between date and time, at the end Z or +hh:mm: stricter than files are read. */
static bool
time_value(const char *data, size_t length, TimestampTz *time)
{
	FieldError	ignored;

	if (length < 20 || data[10] != 'T' || (data[length - 1] != 'Z' && data[length - 3] != ':'))
		return false;
	return field_time(data, length, time, &time_memory, &ignored) &&
		*time >= EVENT_TIME_MIN && *time < EVENT_TIME_END;
}

static inline bool
check_sign(const JsonColumn *column, int64 number, const char *data, size_t length, EventFault *fault)
{
	if ((column->flags & REC_POSITIVE) && number < 1)
		return value_fault(fault, column, ERRCODE_CHECK_VIOLATION, "must be at least 1", data, length);
	if ((column->flags & REC_NOT_NEGATIVE) && number < 0)
		return value_fault(fault, column, ERRCODE_CHECK_VIOLATION, "must not be negative", data, length);
	return true;
}

static bool
integer_value(const JsonColumn *column, const char *data, size_t length, void *to, EventFault *fault)
{
	bool		wide = column->type == REC_INT8;
	int64		max = wide ? PG_INT64_MAX : PG_INT32_MAX;
	int64		number;
	FieldError	ignored;

	/* The least value of the type is its null. */
	if (!field_integer(data, length, -max, max, &number, &ignored))
		return value_fault(fault, column, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
						   wide ? "is not a whole number of 64 bits" : "is not a whole number of 32 bits",
						   data, length);
	if (wide)
		*(int64 *) to = number;
	else
		*(int32 *) to = (int32) number;
	return check_sign(column, number, data, length, fault);
}

bool
json_value(const JsonColumn *column, const char *data, size_t length, void *record, EventFault *fault)
{
	void	   *to = (char *) record + column->offset;
	FieldError	ignored;

	switch (column->type)
	{
		case REC_INT8:
		case REC_INT4:
			return integer_value(column, data, length, to, fault);
		case REC_TEXT:
			return text_value(column, data, length, to, fault);
		case REC_TIME:
			return time_value(data, length, to) ||
				value_fault(fault, column, ERRCODE_INVALID_DATETIME_FORMAT,
							"is not a UTC time like 2020-01-01T10:00:00Z", data, length);
		case REC_DATE:
			return field_date(data, length, to, &date_memory, &ignored) ||
				value_fault(fault, column, ERRCODE_INVALID_DATETIME_FORMAT,
							"is not a date like 2020-01-31", data, length);
		case REC_MONEY:
			if (!field_money(data, length, to, &ignored))
				return value_fault(fault, column, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
								   "is not an amount of ten digits and two decimals", data, length);
			return check_sign(column, *(int64 *) to, data, length, fault);
		case REC_DECIMAL:
			if (!field_decimal(data, length, to, &ignored))
				return value_fault(fault, column, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
								   "is not a number of nine digits and six decimals", data, length);
			return check_sign(column, ((RecDecimal *) to)->digits, data, length, fault);
		case REC_UUID:
			return field_uuid(data, length, to, &ignored) ||
				value_fault(fault, column, ERRCODE_INVALID_TEXT_REPRESENTATION, "is not a UUID", data, length);
	}
	return false;				/* not reached */
}

/*
 * ---- the scanner ----
 *
 * "at" is never beyond the payload's last byte that is no blank, which is a }
 * or the scan does not begin: neither digits nor blanks nor names go beyond it.
 */

static inline bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static inline const char *
skip_blanks(const char *at)
{
	while (is_blank(*at))
		at++;
	return at;
}

static bool
is_ascii(const char *data, size_t length)
{
	uint64		bits = 0;
	uint64		word;
	size_t		i = 0;

	for (; i + sizeof(word) <= length; i += sizeof(word))
	{
		memcpy(&word, data + i, sizeof(word));
		bits |= word;
	}
	for (; i < length; i++)
		bits |= (uint64) (unsigned char) data[i] << 56 | (unsigned char) data[i];
	return (bits & HIGH_BITS) == 0;
}

/* The quote that ends a string which begins at "at"; NULL: it is not that simple. */
static inline const char *
string_end(const char *at, const char *end)
{
	for (uint64 word; end - at >= (ptrdiff_t) sizeof(word); at += sizeof(word))
	{
		uint64		marks;

		memcpy(&word, at, sizeof(word));
		marks = BYTES_BELOW(word, 0x20) | ZERO_BYTES(word ^ EACH_BYTE('"')) |
			ZERO_BYTES(word ^ EACH_BYTE('\\'));
		if (marks != 0)
		{
			/* The lowest mark is never a false one. */
#ifndef WORDS_BIGENDIAN
			at += pg_rightmost_one_pos64(marks) / 8;
#endif
			break;
		}
	}
	while (at < end && *at != '"')
	{
		if (*at == '\\' || (unsigned char) *at < 0x20)
			return NULL;
		at++;
	}
	return at < end ? at : NULL;
}

/* Behind a number without an exponent; NULL: it is none. */
static inline const char *
number_end(const char *at)
{
	at += *at == '-';
	if (*at == '0')
		at++;
	else if (*at >= '1' && *at <= '9')
		while (*at >= '0' && *at <= '9')
			at++;
	else
		return NULL;
	if (*at != '.')
		return at;
	if (*++at < '0' || *at > '9')
		return NULL;
	while (*at >= '0' && *at <= '9')
		at++;
	return at;
}

/* Is "name": of the column at "at", without a blank in it? */
static inline bool
is_name(const JsonColumn *column, const char *at, const char *end)
{
	uint64		have;
	uint64		want;
	int			i;

	if (end - at < JSON_NAME_ROOM)
		return end - at > column->name_length && memcmp(at, column->name, column->name_length) == 0;
	for (i = 0; i < column->whole_words; i++)
	{
		memcpy(&have, at + i * sizeof(have), sizeof(have));
		memcpy(&want, column->name + i * sizeof(want), sizeof(want));
		if (have != want)
			return false;
	}
	memcpy(&have, at + i * sizeof(have), sizeof(have));
	memcpy(&want, column->name + i * sizeof(want), sizeof(want));
	return ((have ^ want) & column->last_mask) == 0;
}

/* A name in another place than expected, or with blanks; *at moves behind the colon. */
static const JsonColumn *
find_name(const JsonKind *kind, const char **at, const char *end)
{
	const char *name = *at;
	const char *name_end = *name == '"' ? string_end(name + 1, end) : NULL;
	size_t		length;

	if (name_end == NULL)
		return NULL;
	length = name_end + 1 - name;
	*at = skip_blanks(name_end + 1);
	if (*(*at)++ != ':')
		return NULL;
	for (int i = 0; i < kind->ncolumns; i++)
		if (kind->columns[i].name_length == length + 1 && memcmp(kind->columns[i].name, name, length) == 0)
			return &kind->columns[i];
	return NULL;
}

/* A value at "at" into the record, and where it ends; NULL: it is not that simple. */
static inline const char *
scan_value(const JsonColumn *column, const char *at, const char *end, void *record)
{
	const char *value_end;

	at = skip_blanks(at);
	if (*at == 'n')
	{
		if (end - at < 5 || memcmp(at, "null", 4) != 0 || !(column->flags & REC_NULLABLE))
			return NULL;
		record_set_null(column->type, (char *) record + column->offset);
		return at + 4;
	}
	if (json_is_number(column->type))
	{
		value_end = number_end(at);
		if (value_end == NULL || !json_value(column, at, value_end - at, record, NULL))
			return NULL;
		return value_end;
	}
	if (*at != '"')
		return NULL;
	at++;
	value_end = string_end(at, end);
	if (value_end == NULL || !json_value(column, at, value_end - at, record, NULL))
		return NULL;
	return value_end + 1;
}

static bool
scan_event(const JsonKind *kind, const char *payload, size_t length, void *record)
{
	const char *at = payload;
	const char *end = payload + length;
	int			expected = 0;
	uint32		seen = 0;

	while (end > at && is_blank(end[-1]))
		end--;
	if (end == at || end[-1] != '}')
		return false;
	at = skip_blanks(at);
	if (*at != '{' || !(is_ascii(payload, length) || event_text_is_storable(payload, length)))
		return false;
	do
	{
		const JsonColumn *column = &kind->columns[expected];

		at = skip_blanks(at + 1);
		if (expected < kind->ncolumns && is_name(column, at, end))
			at += column->name_length;
		else if ((column = find_name(kind, &at, end)) == NULL)
			return false;
		expected = (int) (column - kind->columns);
		if (seen & (uint32) 1 << expected)
			return false;
		seen |= (uint32) 1 << expected++;
		at = scan_value(column, at, end, record);
		if (at == NULL)
			return false;
		at = skip_blanks(at);
	} while (*at == ',');
	return *at == '}' && at + 1 == end && seen == kind->all;
}

/* ---- an event ---- */

bool
event_from_json(int kind_number, const char *payload, size_t length, void *record, char **unknown,
				EventFault *fault)
{
	const JsonKind *kind = json_kind(kind_number);

	if (unknown != NULL)
		*unknown = NULL;
	return (scan_event(kind, payload, length, record) ||
			json_parse_event(kind, payload, length, record, unknown, fault)) &&
		event_check_rules(kind_number, record, fault);
}
