/*
 * transfer_json.c: a transfer as a JSON event, and back.
 *
 * The payload is an object with exactly the columns of hospital.transfer.
 * Reading uses the server's own JSON parser (escapes, surrogates, numbers),
 * after checks that keep that parser from ever raising: encoding, NUL bytes
 * and depth.  Every fault found is told as column, SQLSTATE and message; none
 * costs a subtransaction.
 */
#include "postgres.h"

#include <ctype.h>
#include <limits.h>

#include "common/jsonapi.h"
#include "mb/pg_wchar.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "transfer_json.h"

#define PAYLOAD_DEPTH 32		/* far more than any event of ours has */
#define PAYLOAD_TEXT 1000		/* bytes of a text column */

typedef enum FieldKind
{
	FIELD_UUID,
	FIELD_TIME,
	FIELD_INTEGER,
	FIELD_TEXT					/* RecText, whose data ends with a NUL here */
} FieldKind;

typedef struct Field
{
	const char *name;
	FieldKind	kind;
	size_t		offset;			/* in Transfer */
	bool		nullable;
} Field;

/* In the order of hospital.transfer. */
static const Field fields[] = {
	{"event_id", FIELD_UUID, offsetof(Transfer, event_id), false},
	{"event_time", FIELD_TIME, offsetof(Transfer, event_time), false},
	{"admission_id", FIELD_INTEGER, offsetof(Transfer, admission_id), false},
	{"patient_id", FIELD_INTEGER, offsetof(Transfer, patient_id), false},
	{"from_ward", FIELD_TEXT, offsetof(Transfer, from_ward), true},
	{"to_ward", FIELD_TEXT, offsetof(Transfer, to_ward), true},
	{"reason", FIELD_TEXT, offsetof(Transfer, reason), true},
	{"status", FIELD_TEXT, offsetof(Transfer, status), true},
	{"staff_id", FIELD_INTEGER, offsetof(Transfer, staff_id), false},
};

#define FIELDS ((int) lengthof(fields))

/* ---- writing ---- */

void
append_utc(StringInfo out, TimestampTz time)
{
	int			year,
				month,
				day;
	TimestampTz of_day = time % USECS_PER_DAY;
	TimestampTz days = time / USECS_PER_DAY;

	if (of_day < 0)
	{
		of_day += USECS_PER_DAY;
		days--;
	}
	j2date((int) days + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	appendStringInfo(out, "%04d-%02d-%02dT%02d:%02d:%02d", year, month, day,
					 (int) (of_day / USECS_PER_HOUR),
					 (int) (of_day / USECS_PER_MINUTE % 60),
					 (int) (of_day / USECS_PER_SEC % 60));
	if (of_day % USECS_PER_SEC != 0)
		appendStringInfo(out, ".%06d", (int) (of_day % USECS_PER_SEC));
	appendStringInfoChar(out, 'Z');
}

static void
append_uuid(StringInfo out, const pg_uuid_t *uuid)
{
	for (int i = 0; i < UUID_LEN; i++)
		appendStringInfo(out, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x",
						 uuid->data[i]);
}

static void
append_value(StringInfo out, const Field *field, const char *value)
{
	const char *text;

	switch (field->kind)
	{
		case FIELD_UUID:
			appendStringInfoChar(out, '"');
			append_uuid(out, (const pg_uuid_t *) value);
			appendStringInfoChar(out, '"');
			break;
		case FIELD_TIME:
			appendStringInfoChar(out, '"');
			append_utc(out, *(const TimestampTz *) value);
			appendStringInfoChar(out, '"');
			break;
		case FIELD_INTEGER:
			appendStringInfo(out, INT64_FORMAT, *(const int64 *) value);
			break;
		case FIELD_TEXT:
			text = *(const char *const *) value;
			if (text != NULL)
				escape_json(out, text);
			else
				appendStringInfoString(out, "null");
			break;
	}
}

void
transfer_to_json(StringInfo out, const Transfer *transfer)
{
	for (int i = 0; i < FIELDS; i++)
	{
		appendStringInfo(out, "%c\"%s\":", i == 0 ? '{' : ',', fields[i].name);
		append_value(out, &fields[i], (const char *) transfer + fields[i].offset);
	}
	appendStringInfoChar(out, '}');
}

/* ---- reading ---- */

typedef struct Reader
{
	JsonLexContext *lex;
	Transfer   *transfer;
	PayloadError *error;
	bool		failed;			/* error is the first one found */
	const Field *field;			/* whose value comes next; NULL: unknown */
	bool		seen[lengthof(fields)];
} Reader;

static bool pg_attribute_printf(4, 5)
payload_error(PayloadError *error, int sqlstate, const char *column, const char *format,...)
{
	char		text[4 * sizeof(error->message)];
	int			length;
	va_list		args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	length = pg_encoding_mbcliplen(PG_UTF8, text, strlen(text), sizeof(error->message) - 1);
	memcpy(error->message, text, length);
	error->message[length] = '\0';
	error->sqlstate = sqlstate;
	error->column = column;
	return false;
}

/* The first fault is the one told. */
#define reader_error(reader, ...) \
	do { \
		if (!(reader)->failed) \
			payload_error((reader)->error, __VA_ARGS__); \
		(reader)->failed = true; \
	} while (0)

/* Exactly n digits at s, as a number; -1 when they are not that. */
static int
digits(const char *s, int n)
{
	int			value = 0;

	for (int i = 0; i < n; i++)
	{
		if (s[i] < '0' || s[i] > '9')
			return -1;
		value = value * 10 + (s[i] - '0');
	}
	return value;
}

/* .d to .dddddd, as microseconds; *s is moved behind it. */
static int
fraction(const char **s)
{
	int			micros = 0;
	int			n = 0;

	if (**s != '.')
		return 0;
	for ((*s)++; **s >= '0' && **s <= '9' && n < 6; (*s)++, n++)
		micros = micros * 10 + (**s - '0');
	if (n == 0)
		return -1;
	while (n++ < 6)
		micros *= 10;
	return micros;
}

/* YYYY-MM-DDTHH:MM:SS[.ffffff]Z and nothing else. */
static bool
parse_utc(const char *s, TimestampTz *time)
{
	static const char shape[] = "0000-00-00T00:00:00";
	int			year,
				month,
				day,
				hour,
				minute,
				second,
				micros;

	for (size_t i = 0; i < sizeof(shape) - 1; i++)
	{
		if (shape[i] == '0' ? !isdigit((unsigned char) s[i]) : s[i] != shape[i])
			return false;
	}
	year = digits(s, 4);
	month = digits(s + 5, 2);
	day = digits(s + 8, 2);
	hour = digits(s + 11, 2);
	minute = digits(s + 14, 2);
	second = digits(s + 17, 2);
	s += sizeof(shape) - 1;
	micros = fraction(&s);
	if (micros < 0 || s[0] != 'Z' || s[1] != '\0' ||
		year < 1 || month < 1 || month > 12 ||
		day < 1 || day > day_tab[isleap(year)][month - 1] ||
		hour > 23 || minute > 59 || second > 59)
		return false;
	*time = (TimestampTz) (date2j(year, month, day) - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY +
		((hour * 60 + minute) * 60 + second) * USECS_PER_SEC + micros;
	return true;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool
parse_uuid(const char *s, pg_uuid_t *uuid)
{
	for (int i = 0; i < UUID_LEN; i++)
	{
		int			high;
		int			low;

		if ((i == 4 || i == 6 || i == 8 || i == 10) && *s++ != '-')
			return false;
		high = hex_digit(s[0]);
		low = high < 0 ? -1 : hex_digit(s[1]);
		if (low < 0)
			return false;
		uuid->data[i] = (unsigned char) (high << 4 | low);
		s += 2;
	}
	return *s == '\0';
}

/* A JSON number that is a whole one of 64 bits. */
static bool
parse_integer(const char *s, int64 *value)
{
	char	   *end;

	for (const char *p = s + (*s == '-'); *p != '\0'; p++)
	{
		if (*p < '0' || *p > '9')
			return false;
	}
	errno = 0;
	*value = strtoll(s, &end, 10);
	return errno == 0 && *end == '\0' && end != s;
}

static void
read_null(Reader *reader, const Field *field, char *target)
{
	if (!field->nullable)
		reader_error(reader, ERRCODE_NULL_VALUE_NOT_ALLOWED, field->name,
					 "\"%s\" may not be null", field->name);
	else
		*(const char **) target = NULL;
}

static void
read_value(Reader *reader, const Field *field, char *token, bool quoted)
{
	char	   *target = (char *) reader->transfer + field->offset;

	if (quoted != (field->kind != FIELD_INTEGER))
	{
		reader_error(reader, ERRCODE_INVALID_TEXT_REPRESENTATION, field->name,
					 "\"%s\" must be a %s", field->name,
					 field->kind == FIELD_INTEGER ? "number" : "string");
		return;
	}
	switch (field->kind)
	{
		case FIELD_UUID:
			if (!parse_uuid(token, (pg_uuid_t *) target))
				reader_error(reader, ERRCODE_INVALID_TEXT_REPRESENTATION, field->name,
							 "\"%s\" is not a UUID: \"%s\"", field->name, token);
			break;
		case FIELD_TIME:
			if (!parse_utc(token, (TimestampTz *) target))
				reader_error(reader, ERRCODE_INVALID_DATETIME_FORMAT, field->name,
							 "\"%s\" is not a UTC time like 2020-01-01T10:00:00Z: \"%s\"",
							 field->name, token);
			break;
		case FIELD_INTEGER:
			if (!parse_integer(token, (int64 *) target))
				reader_error(reader, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, field->name,
							 "\"%s\" is not a whole number of 64 bits: %s", field->name, token);
			break;
		case FIELD_TEXT:
			if (strlen(token) > PAYLOAD_TEXT)
				reader_error(reader, ERRCODE_STRING_DATA_RIGHT_TRUNCATION, field->name,
							 "\"%s\" is longer than %d bytes", field->name, PAYLOAD_TEXT);
			*(const char **) target = token;
			break;
	}
}

static const Field *
find_field(const char *name)
{
	for (int i = 0; i < FIELDS; i++)
	{
		if (strcmp(fields[i].name, name) == 0)
			return &fields[i];
	}
	return NULL;
}

/* The parser's callbacks.  Level 1 is inside the payload's object. */

static JsonActionResult
on_field(void *state, char *name, bool isnull)
{
	Reader	   *reader = state;

	(void) isnull;
	if (reader->lex->lex_level == 1)
	{
		reader->field = find_field(name);
		if (reader->field == NULL)
			reader_error(reader, ERRCODE_INVALID_JSON_TEXT, NULL, "unknown field \"%s\"", name);
		else if (reader->seen[reader->field - fields])
			reader_error(reader, ERRCODE_DUPLICATE_JSON_OBJECT_KEY_VALUE, reader->field->name,
						 "\"%s\" is given twice", name);
		else
			reader->seen[reader->field - fields] = true;
	}
	JSON_ACTION_DONE;
}

/* Objects and arrays: only the payload itself may be one. */
static void
read_nested(Reader *reader)
{
	if (reader->lex->lex_level == 1 && reader->field != NULL)
		reader_error(reader, ERRCODE_INVALID_TEXT_REPRESENTATION, reader->field->name,
					 "\"%s\" must be a single value", reader->field->name);
}

static JsonActionResult
on_object(void *state)
{
	read_nested(state);
	JSON_ACTION_DONE;
}

static JsonActionResult
on_array(void *state)
{
	Reader	   *reader = state;

	if (reader->lex->lex_level == 0)
		reader_error(reader, ERRCODE_INVALID_JSON_TEXT, NULL, "the payload is not an object");
	read_nested(reader);
	JSON_ACTION_DONE;
}

static JsonActionResult
on_scalar(void *state, char *token, JsonTokenType type)
{
	Reader	   *reader = state;
	const Field *field = reader->field;

	if (reader->lex->lex_level == 0)
		reader_error(reader, ERRCODE_INVALID_JSON_TEXT, NULL, "the payload is not an object");
	else if (reader->lex->lex_level == 1 && field != NULL && !reader->failed)
	{
		if (type == JSON_TOKEN_NULL)
			read_null(reader, field, (char *) reader->transfer + field->offset);
		else if (type == JSON_TOKEN_TRUE || type == JSON_TOKEN_FALSE)
			reader_error(reader, ERRCODE_INVALID_TEXT_REPRESENTATION, field->name,
						 "\"%s\" must be a %s", field->name,
						 field->kind == FIELD_INTEGER ? "number" : "string");
		else
			read_value(reader, field, token, type == JSON_TOKEN_STRING);
	}
	JSON_ACTION_DONE;
}

bool
text_is_storable(const char *text, size_t length)
{
	return length <= INT_MAX &&
		memchr(text, '\0', length) == NULL &&
		pg_verify_mbstr(PG_UTF8, text, (int) length, true);
}

/* The parser recurses, so nesting is bounded before it starts. */
static bool
too_deep(const char *payload, size_t length)
{
	int			depth = 0;
	bool		in_string = false;

	for (size_t i = 0; i < length; i++)
	{
		char		c = payload[i];

		if (in_string)
		{
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		}
		else if (c == '"')
			in_string = true;
		else if (c == '{' || c == '[')
		{
			if (++depth > PAYLOAD_DEPTH)
				return true;
		}
		else if (c == '}' || c == ']')
			depth--;
	}
	return false;
}

static bool
check_bytes(const char *payload, size_t length, PayloadError *error)
{
	if (payload == NULL)
		return payload_error(error, ERRCODE_NULL_VALUE_NOT_ALLOWED, NULL,
							 "the message has no payload");
	if (!text_is_storable(payload, length))
		return payload_error(error, ERRCODE_CHARACTER_NOT_IN_REPERTOIRE, NULL,
							 memchr(payload, '\0', length) != NULL ?
							 "the payload has a NUL byte" : "the payload is not UTF-8");
	if (too_deep(payload, length))
		return payload_error(error, ERRCODE_STATEMENT_TOO_COMPLEX, NULL,
							 "the payload is nested deeper than %d levels", PAYLOAD_DEPTH);
	return true;
}

bool
transfer_from_json(const char *payload, size_t length, Transfer *transfer, PayloadError *error)
{
	Reader		reader = {.transfer = transfer, .error = error};
	JsonSemAction actions = {
		.semstate = &reader,
		.object_start = on_object,
		.array_start = on_array,
		.object_field_start = on_field,
		.scalar = on_scalar,
	};
	JsonParseErrorType result;

	if (!check_bytes(payload, length, error))
		return false;
	memset(transfer, 0, sizeof(*transfer));
	reader.lex = json_lexer_for(unconstify(char *, payload), (int) length, PG_UTF8);
	result = pg_parse_json(reader.lex, &actions);
	if (result != JSON_SUCCESS)
		return payload_error(error, ERRCODE_INVALID_JSON_TEXT, NULL, "not JSON: %s",
							 json_errdetail(result, reader.lex));
	for (int i = 0; i < FIELDS; i++)
	{
		if (!reader.seen[i])
			reader_error(&reader, ERRCODE_SQL_JSON_MEMBER_NOT_FOUND, fields[i].name,
						 "\"%s\" is missing", fields[i].name);
	}
	return !reader.failed;
}
