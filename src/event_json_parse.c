/*
 * event_json_parse.c: JSON events by the server's own parser.
 *
 * What event_json_read.c cannot take at a glance comes here: escapes, nesting,
 * fields that the kind does not have, and everything that is no event, whose
 * faults are told here alone.  The parser never raises: encoding, NUL bytes and
 * depth are checked before it starts.  None of this costs a subtransaction.
 */
#include "postgres.h"

#include "common/jsonapi.h"
#include "mb/pg_wchar.h"
#include "utils/json.h"

#include "compat.h"
#include "event_json.h"

#define PAYLOAD_DEPTH 32		/* far more than any event of ours has */

/* What is kept becomes jsonb, which has limits. */
#define KEPT_SIZE_MAX (16 * 1024 * 1024)
#define KEPT_DIGITS_MAX 1000
#define KEPT_EXPONENT_MAX 1000

typedef struct Reader
{
	JsonLexContext *lex;
	const JsonKind *kind;
	char	   *record;
	EventFault *fault;
	bool		failed;			/* fault is the first one found */
	const JsonColumn *column;	/* whose value comes next; NULL: unknown */
	uint32		seen;			/* columns */
	bool		keep;			/* unknown fields, in "kept" */
	StringInfoData kept;
	const char *kept_value;		/* where the value of an unknown field begins */
} Reader;

/* The first fault is the one told. */
#define reader_fault(reader, ...) \
	do { \
		if (!(reader)->failed) \
			event_fault((reader)->fault, __VA_ARGS__); \
		(reader)->failed = true; \
	} while (0)

/* ---- fields that the kind has ---- */

static void
read_null(Reader *reader)
{
	const JsonColumn *column = reader->column;
	const char *name = column->column->name;

	if (!(column->flags & REC_NULLABLE))
		reader_fault(reader, ERRCODE_NULL_VALUE_NOT_ALLOWED, name, "\"%s\" may not be null", name);
	else
		record_set_null(column->type, reader->record + column->offset);
}

static void
read_value(Reader *reader, const char *token, JsonTokenType type)
{
	const JsonColumn *column = reader->column;
	const char *name = column->column->name;
	bool		number = json_is_number(column->type);

	if (type != (number ? JSON_TOKEN_NUMBER : JSON_TOKEN_STRING))
		reader_fault(reader, ERRCODE_INVALID_TEXT_REPRESENTATION, name, "\"%s\" must be a %s", name,
					 number ? "number" : "string");
	else if (!json_value(column, token, strlen(token), reader->record, reader->fault))
		reader->failed = true;
}

static const JsonColumn *
find_column(const JsonKind *kind, const char *name)
{
	for (int i = 0; i < kind->ncolumns; i++)
		if (strcmp(kind->columns[i].column->name, name) == 0)
			return &kind->columns[i];
	return NULL;
}

/* ---- fields that it does not have ---- */

/* A number that numeric certainly takes. */
static bool
is_keepable(const char *number)
{
	size_t		mantissa = strcspn(number, "eE");
	const char *exponent = number + mantissa + (number[mantissa] != '\0');

	exponent += *exponent == '-' || *exponent == '+';
	exponent += strspn(exponent, "0");
	return mantissa <= KEPT_DIGITS_MAX && strlen(exponent) <= 4 && atoi(exponent) <= KEPT_EXPONENT_MAX;
}

static void
keep_field(Reader *reader, const char *name)
{
	const char *value = reader->kept_value;
	int			length = (int) (reader->lex->prev_token_terminator - value);

	appendStringInfoChar(&reader->kept, reader->kept.len == 0 ? '{' : ',');
	escape_json(&reader->kept, name);
	appendStringInfoChar(&reader->kept, ':');
	appendBinaryStringInfo(&reader->kept, value, length);
	if (reader->kept.len > KEPT_SIZE_MAX)
		reader_fault(reader, ERRCODE_PROGRAM_LIMIT_EXCEEDED, NULL,
					 "the unknown fields have more than %d bytes", KEPT_SIZE_MAX);
}

/* ---- the parser's callbacks: level 1 is inside the payload's object ---- */

static JsonActionResult
on_field(void *state, char *name, bool isnull)
{
	Reader	   *reader = state;
	uint32		bit;

	(void) isnull;
	if (reader->lex->lex_level != 1)
		JSON_ACTION_DONE;
	reader->column = find_column(reader->kind, name);
	if (reader->column == NULL)
	{
		reader->kept_value = reader->lex->token_start;
		if (!reader->keep)
			reader_fault(reader, ERRCODE_INVALID_JSON_TEXT, NULL, "unknown field \"%s\"", name);
		JSON_ACTION_DONE;
	}
	bit = (uint32) 1 << (reader->column - reader->kind->columns);
	if (reader->seen & bit)
		reader_fault(reader, ERRCODE_DUPLICATE_JSON_OBJECT_KEY_VALUE, reader->column->column->name,
					 "\"%s\" is given twice", name);
	reader->seen |= bit;
	JSON_ACTION_DONE;
}

static JsonActionResult
on_field_end(void *state, char *name, bool isnull)
{
	Reader	   *reader = state;

	(void) isnull;
	if (reader->lex->lex_level == 1 && reader->column == NULL && reader->keep && !reader->failed)
		keep_field(reader, name);
	JSON_ACTION_DONE;
}

/* Objects and arrays: of what we know, only the payload itself may be one. */
static void
read_nested(Reader *reader)
{
	if (reader->lex->lex_level == 1 && reader->column != NULL)
		reader_fault(reader, ERRCODE_INVALID_TEXT_REPRESENTATION, reader->column->column->name,
					 "\"%s\" must be a single value", reader->column->column->name);
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
		reader_fault(reader, ERRCODE_INVALID_JSON_TEXT, NULL, "the payload is not an object");
	read_nested(reader);
	JSON_ACTION_DONE;
}

static JsonActionResult
on_scalar(void *state, char *token, JsonTokenType type)
{
	Reader	   *reader = state;

	if (reader->lex->lex_level == 0)
		reader_fault(reader, ERRCODE_INVALID_JSON_TEXT, NULL, "the payload is not an object");
	else if (reader->failed)
		JSON_ACTION_DONE;
	else if (reader->column == NULL)
	{
		if (type == JSON_TOKEN_NUMBER && !is_keepable(token))
			reader_fault(reader, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, NULL,
						 "a number of an unknown field is out of range: %.200s", token);
	}
	else if (reader->lex->lex_level == 1)
	{
		if (type == JSON_TOKEN_NULL)
			read_null(reader);
		else
			read_value(reader, token, type);
	}
	JSON_ACTION_DONE;
}

/* ---- the payload ---- */

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
check_bytes(const char *payload, size_t length, EventFault *fault)
{
	if (payload == NULL)
		return event_fault(fault, ERRCODE_NULL_VALUE_NOT_ALLOWED, NULL, "the message has no payload");
	if (!event_text_is_storable(payload, length))
		return event_fault(fault, ERRCODE_CHARACTER_NOT_IN_REPERTOIRE, NULL,
						   memchr(payload, '\0', length) != NULL ?
						   "the payload has a NUL byte" : "the payload is not UTF-8");
	if (too_deep(payload, length))
		return event_fault(fault, ERRCODE_STATEMENT_TOO_COMPLEX, NULL,
						   "the payload is nested deeper than %d levels", PAYLOAD_DEPTH);
	return true;
}

bool
json_parse_event(const JsonKind *kind, const char *payload, size_t length, void *record,
				 char **unknown, EventFault *fault)
{
	Reader		reader = {.kind = kind, .record = record, .fault = fault, .keep = unknown != NULL};
	JsonSemAction actions = {
		.semstate = &reader,
		.object_start = on_object,
		.array_start = on_array,
		.object_field_start = on_field,
		.object_field_end = on_field_end,
		.scalar = on_scalar,
	};
	JsonParseErrorType result;

	if (!check_bytes(payload, length, fault))
		return false;
	initStringInfo(&reader.kept);
	reader.lex = json_lexer_for(unconstify(char *, payload), (int) length, PG_UTF8);
	result = pg_parse_json(reader.lex, &actions);
	if (result != JSON_SUCCESS)
		return event_fault(fault, ERRCODE_INVALID_JSON_TEXT, NULL, "not JSON: %s",
						   json_errdetail(result, reader.lex));
	for (int i = 0; i < kind->ncolumns; i++)
	{
		const char *name = kind->columns[i].column->name;

		if (!(reader.seen & (uint32) 1 << i))
			reader_fault(&reader, ERRCODE_SQL_JSON_MEMBER_NOT_FOUND, name, "\"%s\" is missing", name);
	}
	if (reader.kept.len > 0)
	{
		Assert(unknown != NULL);	/* else nothing is kept */
		appendStringInfoChar(&reader.kept, '}');
		*unknown = reader.kept.data;
	}
	return !reader.failed;
}
