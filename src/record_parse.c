/*
 * record_parse.c: a line of a day file as a record, or why it is none.
 *
 * Everything about a record that can be known from its line alone is checked
 * here, in C, by the description of its kind (records.h): no value that a
 * table could refuse for its type, range or encoding gets as far as SQL.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_conversion.h"
#include "mb/pg_wchar.h"
#include "utils/timestamp.h"

#include "fields.h"
#include "hospital_time.h"
#include "record_parse.h"

#define MAX_WORDS 8

/* What is needed of a column, together: the loop over fields is the hot one. */
typedef struct ParsedColumn
{
	RecordType	type;
	uint16		offset;
	uint16		flags;
	int16		number;			/* of the kind's columns */
	int16		nwords;
	int16		last_word;		/* the one found last, likely to be found again */
	RecText		words[MAX_WORDS];
} ParsedColumn;

struct RecordParser
{
	const RecordKind *kind;
	DateADT		day;
	TimestampTz day_begins;
	TimestampTz day_ends;
	int			encoding;
	Oid			conversion;		/* to UTF-8; Invalid: none is needed */
	bool		valid;			/* the texts of this piece */
	bool		usual;			/* order of columns */
	int			nfields;
	ParsedColumn *columns;		/* of each field */
	DateMemory	date;
	DateMemory	time;
};

/* To UTF-8; Invalid: none is needed.  False: there is none. */
static bool
find_conversion(int encoding, Oid *conversion)
{
	*conversion = InvalidOid;
	if (encoding == PG_UTF8 || encoding == PG_SQL_ASCII)
		return true;
	*conversion = FindDefaultConversionProc(encoding, PG_UTF8);
	return OidIsValid(*conversion);
}

bool
record_encoding_is_known(int encoding)
{
	Oid			conversion;

	return find_conversion(encoding, &conversion);
}

RecordParser *
record_parser(const RecordKind *kind, DateADT day, int encoding)
{
	RecordParser *parser = palloc0(sizeof(RecordParser));

	parser->kind = kind;
	parser->day = day;
	parser->day_begins = midnight_of(day);
	parser->day_ends = parser->day_begins + USECS_PER_DAY;
	parser->encoding = encoding;
	if (!find_conversion(encoding, &parser->conversion))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("there is no conversion from encoding \"%s\" to UTF8",
						pg_encoding_to_char(encoding))));
	parser->columns = palloc0(kind->ncolumns * sizeof(ParsedColumn));
	return parser;
}

void
record_parse_trust(RecordParser *parser, bool valid)
{
	parser->valid = valid && !OidIsValid(parser->conversion);
}

/* ---- the header ---- */

static void
set_column(RecordParser *parser, int field, int number)
{
	const RecordColumn *column = &parser->kind->columns[number];
	ParsedColumn *parsed = &parser->columns[field];

	parsed->type = column->type;
	parsed->offset = column->offset;
	parsed->flags = column->flags;
	parsed->number = number;
	parsed->nwords = 0;
	for (const char *const *word = column->values; word != NULL && *word != NULL; word++)
	{
		if (parsed->nwords == MAX_WORDS)
			elog(ERROR, "column %s has too many words", column->name);
		parsed->words[parsed->nwords].data = *word;
		parsed->words[parsed->nwords++].length = strlen(*word);
	}
}

void
record_parse_usual_order(RecordParser *parser)
{
	parser->nfields = parser->kind->ncolumns;
	parser->usual = true;
	for (int i = 0; i < parser->nfields; i++)
		set_column(parser, i, i);
}

bool
record_order_is_usual(const RecordParser *parser)
{
	return parser->usual;
}

static int
find_column(const RecordKind *kind, const CsvField *field)
{
	for (int i = 0; i < kind->ncolumns; i++)
		if (strlen(kind->columns[i].name) == field->length &&
			memcmp(kind->columns[i].name, field->data, field->length) == 0)
			return i;
	return -1;
}

const char *
record_parse_header(RecordParser *parser, const CsvRecord *header)
{
	const RecordKind *kind = parser->kind;
	uint32		seen = 0;

	if (header->error != NULL)
		return psprintf("the header is malformed: %s", header->error);
	parser->usual = true;
	for (int i = 0; i < header->nfields; i++)
	{
		const CsvField *field = &header->fields[i];
		int			column;

		if (field->data == NULL || !pg_verify_mbstr(PG_UTF8, field->data, (int) field->length, true))
			return psprintf("field %d of the header is not a name", i + 1);
		column = find_column(kind, field);
		if (column < 0)
			return psprintf("%s has no column \"%.*s\"", kind->name,
							pg_mbcliplen(field->data, (int) field->length, NAMEDATALEN), field->data);
		if (seen & (1U << column))
			return psprintf("column \"%s\" is there twice", kind->columns[column].name);
		seen |= 1U << column;
		parser->usual &= column == i;
		set_column(parser, i, column);
	}
	for (int column = 0; column < kind->ncolumns; column++)
		if (!(seen & (1U << column)))
			return psprintf("column \"%s\" is missing", kind->columns[column].name);
	parser->nfields = header->nfields;
	return NULL;
}

/* ---- fields ---- */

static bool
is_ascii(const char *data, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (IS_HIGHBIT_SET(data[i]) || data[i] == '\0')
			return false;
	return true;
}

/* A text of another encoding, in UTF-8. */
static bool
convert_text(const RecordParser *parser, RecText *text, FieldError *error)
{
	char	   *converted;
	int			done;

	if (memchr(text->data, '\0', text->length) != NULL)
		return field_fault(error, ERRCODE_CHARACTER_NOT_IN_REPERTOIRE, "a byte of zero");
	converted = palloc((Size) text->length * MAX_CONVERSION_GROWTH + 1);
	done = pg_do_encoding_conversion_buf(parser->conversion, parser->encoding, PG_UTF8,
										 (unsigned char *) unconstify(char *, text->data), (int) text->length,
										 (unsigned char *) converted,
										 (int) (text->length * MAX_CONVERSION_GROWTH + 1), true);
	if (done < (int) text->length)
		return field_fault(error, ERRCODE_CHARACTER_NOT_IN_REPERTOIRE, "not valid in the file's encoding");
	text->data = converted;
	text->length = strlen(converted);
	return true;
}

static bool
is_word(ParsedColumn *column, const RecText *text)
{
	const RecText *last = &column->words[column->last_word];

	if (text->length == last->length && memcmp(text->data, last->data, text->length) == 0)
		return true;
	for (int i = 0; i < column->nwords; i++)
		if (text->length == column->words[i].length &&
			memcmp(text->data, column->words[i].data, text->length) == 0)
		{
			column->last_word = i;
			return true;
		}
	return false;
}

static bool
parse_text(RecordParser *parser, ParsedColumn *column, const CsvField *field, RecText *text,
		   FieldError *error)
{
	text->data = field->data;
	text->length = (uint32) field->length;
	if (!parser->valid && !is_ascii(field->data, field->length))
	{
		if (OidIsValid(parser->conversion))
		{
			if (!convert_text(parser, text, error))
				return false;
		}
		else if (!pg_verify_mbstr(PG_UTF8, field->data, (int) field->length, true))
			return field_fault(error, ERRCODE_CHARACTER_NOT_IN_REPERTOIRE, "not valid UTF-8");
	}
	if (column->nwords > 0 && !is_word(column, text))
		return field_fault(error, ERRCODE_CHECK_VIOLATION, "none of the words that it may be");
	return true;
}

/* The number's sign, as far as the column says. */
static inline bool
check_sign(const ParsedColumn *column, int64 number, FieldError *error)
{
	if ((column->flags & REC_POSITIVE) && number < 1)
		return field_fault(error, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "must be at least 1");
	if ((column->flags & REC_NOT_NEGATIVE) && number < 0)
		return field_fault(error, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "must not be negative");
	return true;
}

static const char *const another_day = "belongs to another day's file";

/* The least value of a type is its null. */
static bool
parse_field(RecordParser *parser, ParsedColumn *column, const CsvField *field, void *to,
			FieldError *error)
{
	int64		number;

	switch (column->type)
	{
		case REC_INT8:
			return field_integer(field->data, field->length, -PG_INT64_MAX, PG_INT64_MAX, to, error) &&
				check_sign(column, *(int64 *) to, error);
		case REC_INT4:
			if (!field_integer(field->data, field->length, -PG_INT32_MAX, PG_INT32_MAX, &number, error))
				return false;
			*(int32 *) to = (int32) number;
			return check_sign(column, number, error);
		case REC_TEXT:
			return parse_text(parser, column, field, to, error);
		case REC_TIME:
			if (!field_time(field->data, field->length, to, &parser->time, error))
				return false;
			if ((column->flags & REC_IN_DAY) &&
				(*(TimestampTz *) to < parser->day_begins || *(TimestampTz *) to >= parser->day_ends))
				return field_fault(error, ERRCODE_CHECK_VIOLATION, another_day);
			return true;
		case REC_DATE:
			if (!field_date(field->data, field->length, to, &parser->date, error))
				return false;
			if ((column->flags & REC_IN_DAY) && *(DateADT *) to != parser->day)
				return field_fault(error, ERRCODE_CHECK_VIOLATION, another_day);
			return true;
		case REC_MONEY:
			return field_money(field->data, field->length, to, error) &&
				check_sign(column, *(int64 *) to, error);
		case REC_DECIMAL:
			return field_decimal(field->data, field->length, to, error) &&
				check_sign(column, ((RecDecimal *) to)->digits, error);
		case REC_UUID:
			return field_uuid(field->data, field->length, to, error);
	}
	return false;				/* not reached */
}

static bool
line_fault(RecordFault *fault, int column, int sqlstate, const char *message)
{
	fault->column = column;
	fault->sqlstate = sqlstate;
	fault->message = message;
	return false;
}

bool
record_parse(RecordParser *parser, const CsvRecord *line, void *record, RecordFault *fault)
{
	const RecordKind *kind = parser->kind;
	FieldError	error = {0};

	if (line->error != NULL)
		return line_fault(fault, -1, ERRCODE_BAD_COPY_FILE_FORMAT, line->error);
	if (line->nfields != parser->nfields)
		return line_fault(fault, -1, ERRCODE_BAD_COPY_FILE_FORMAT,
						  line->nfields < parser->nfields ? "too few fields" : "too many fields");
	for (int i = 0; i < line->nfields; i++)
	{
		ParsedColumn *column = &parser->columns[i];
		void	   *to = (char *) record + column->offset;

		if (line->fields[i].data == NULL)
		{
			if (!(column->flags & REC_NULLABLE))
				return line_fault(fault, column->number, ERRCODE_NOT_NULL_VIOLATION, "no value");
			record_set_null(column->type, to);
		}
		else if (!parse_field(parser, column, &line->fields[i], to, &error))
			return line_fault(fault, column->number, error.sqlstate, error.message);
	}
	return kind->check == NULL ||
		kind->check(record, parser->day, &fault->column, &fault->sqlstate, &fault->message);
}
