/*
 * event_hl7_read.c: an HL7 message as a record, or why it is none.
 *
 * Reading takes what other systems may send: any separators (MSH-1, MSH-2),
 * segments that end with \r, \n or both, an MLLP frame around the message, times
 * of any offset, further segments and fields, which say nothing here.  It never
 * raises, goes through a message a fixed number of times, and allocates only
 * for values that have escapes.
 */
#include "postgres.h"

#include <ctype.h>

#include "mb/pg_wchar.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "event_hl7.h"
#include "fields.h"

#define SHOWN 40				/* bytes of a message that a fault quotes */

/* ---- the message ---- */

typedef struct Reader
{
	EventFault *fault;
	char		field;			/* the separators */
	char		component;
	char		repetition;
	char		escape;
	char		subcomponent;
	RecText		segments[SEGMENTS]; /* behind their names; no data: it is not there */
} Reader;

/* Bytes of a text that a fault may quote: whole characters. */
static int
shown(const RecText *text)
{
	return text->data == NULL ? 0 : pg_encoding_mbcliplen(PG_UTF8, text->data, (int) text->length, SHOWN);
}

#define NO_TEXT ((RecText) {NULL, 0})

/* The next part of *rest, which is what is behind it; no data: there is none. */
static RecText
next_part(RecText *rest, char separator)
{
	RecText		result = *rest;
	const char *next;

	if (rest->data == NULL)
		return NO_TEXT;
	next = memchr(rest->data, separator, rest->length);
	if (next == NULL)
	{
		*rest = NO_TEXT;
		return result;
	}
	result.length = (uint32) (next - result.data);
	rest->data = next + 1;
	rest->length -= result.length + 1;
	return result;
}

/* A part by its number, from 1. */
static RecText
part(RecText text, char separator, int number)
{
	RecText		result = NO_TEXT;

	while (number-- > 0)
		result = next_part(&text, separator);
	return result;
}

/* A field as it is, with its repetitions.  MSH-1 is a separator itself. */
static RecText
whole_field(const Reader *reader, Segment segment, int field)
{
	return part(reader->segments[segment], reader->field, segment == SEG_MSH ? field : field + 1);
}

/* Not unescaped; no data where it is empty, which two quotes say as well. */
static RecText
component_of(const Reader *reader, RecText repetition, int component)
{
	RecText		text = part(part(repetition, reader->component, component), reader->subcomponent, 1);

	return text.length == 0 || text_is(&text, "\"\"") ? NO_TEXT : text;
}

static RecText
raw_value(const Reader *reader, Segment segment, int field, int component)
{
	RecText		text = whole_field(reader, segment, field);

	return component_of(reader, next_part(&text, reader->repetition), component);
}

/*
 * A patient has numbers of several authorities: ours, or one that nobody
 * claims.  False when all are another's.
 */
static bool
patient_number(const Reader *reader, RecText *number)
{
	RecText		rest = whole_field(reader, SEG_PID, 3);
	RecText		repetition;
	bool		anothers = false;

	*number = NO_TEXT;
	while ((repetition = next_part(&rest, reader->repetition)).data != NULL)
	{
		RecText		authority = component_of(reader, repetition, 4);

		if (authority.data != NULL && !text_is(&authority, AUTHORITY))
		{
			anothers = true;
			continue;
		}
		if (number->data == NULL || authority.data != NULL)
			*number = component_of(reader, repetition, 1);
		if (authority.data != NULL)
			break;
	}
	return number->data != NULL || !anothers;
}

/* The bytes between 0x0b and 0x1c 0x0d, where they are there. */
static bool
take_out_of_frame(RecText *message, EventFault *fault)
{
	if (message->length == 0 || message->data[0] != 0x0b)
		return true;
	message->data++;
	message->length--;
	if (message->length > 0 && message->data[message->length - 1] == 0x0d)
		message->length--;
	if (message->length == 0 || message->data[message->length - 1] != 0x1c)
		return event_fault(fault, ERRCODE_INVALID_TEXT_REPRESENTATION, NULL,
						   "the MLLP frame has no end");
	message->length--;
	return true;
}

static bool
read_separators(Reader *reader, const RecText *message)
{
	const char *at = message->data + 3;

	if (message->length < 9 || memcmp(message->data, "MSH", 3) != 0)
		return event_fault(reader->fault, ERRCODE_INVALID_TEXT_REPRESENTATION, NULL,
						   "not an HL7 message: it does not begin with MSH and separators");
	for (int i = 0; i < 5; i++)
	{
		if (!ispunct((unsigned char) at[i]) || memchr(at, at[i], i) != NULL)
			return event_fault(reader->fault, ERRCODE_INVALID_TEXT_REPRESENTATION, NULL,
							   "MSH-1 and MSH-2 are not five different separators");
	}
	reader->field = at[0];
	reader->component = at[1];
	reader->repetition = at[2];
	reader->escape = at[3];
	reader->subcomponent = at[4];
	return true;
}

static bool
note_segment(Reader *reader, const RecText *line)
{
	for (int i = 0; i < SEGMENTS; i++)
	{
		if (line->length < 3 || memcmp(line->data, hl7_segment_names[i], 3) != 0 ||
			(line->length > 3 && line->data[3] != reader->field))
			continue;
		if (reader->segments[i].data != NULL)
			return event_fault(reader->fault, ERRCODE_INVALID_TEXT_REPRESENTATION, NULL,
							   "segment %s is there twice", hl7_segment_names[i]);
		reader->segments[i] = (RecText) {line->data + 3, line->length - 3};
	}
	return true;
}

static bool
find_segments(Reader *reader, const RecText *message)
{
	const char *end = message->data + message->length;
	const char *next;

	for (const char *at = message->data; at < end; at = next + 1)
	{
		RecText		line;

		for (next = at; next < end && *next != '\r' && *next != '\n'; next++)
			;
		line = (RecText) {at, (uint32) (next - at)};
		if (!note_segment(reader, &line))
			return false;
	}
	return true;
}

/* ---- values ---- */

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* What stands between two escape characters, at *to, which moves on. */
static bool
unescape_one(const Reader *reader, const RecText *sequence, char **to)
{
	if (sequence->length == 0 || (sequence->length > 1 && sequence->data[0] != 'X'))
		return false;
	switch (sequence->data[0])
	{
		case 'F':
			*(*to)++ = reader->field;
			return true;
		case 'S':
			*(*to)++ = reader->component;
			return true;
		case 'T':
			*(*to)++ = reader->subcomponent;
			return true;
		case 'R':
			*(*to)++ = reader->repetition;
			return true;
		case 'E':
			*(*to)++ = reader->escape;
			return true;
		case 'X':
			if (sequence->length % 2 == 0)
				return false;
			for (uint32 i = 1; i < sequence->length; i += 2)
			{
				int			high = hex_digit(sequence->data[i]);
				int			low = hex_digit(sequence->data[i + 1]);

				if (high < 0 || low < 0)
					return false;
				*(*to)++ = (char) (high << 4 | low);
			}
			return true;
		default:
			return false;
	}
}

/* Escapes are longer than what they stand for. */
static bool
unescape(const Reader *reader, const char *column, RecText *text)
{
	const char *at = text->data;
	const char *end = at + text->length;
	char	   *start;
	char	   *to;

	if (memchr(at, reader->escape, text->length) == NULL)
		return true;
	start = to = palloc(text->length);
	while (at < end)
	{
		if (*at == reader->escape)
		{
			const char *closing = memchr(at + 1, reader->escape, end - at - 1);
			RecText		sequence = {at + 1, closing == NULL ? 0 : (uint32) (closing - at - 1)};

			if (!unescape_one(reader, &sequence, &to))
				return event_fault(reader->fault, ERRCODE_INVALID_ESCAPE_SEQUENCE, column,
								   "an escape that is none of \\F\\ \\S\\ \\T\\ \\R\\ \\E\\ \\Xhh\\");
			Assert(closing != NULL);	/* one that is empty is refused */
			at = closing + 1;
		}
		else
			*to++ = *at++;
	}
	if (!event_text_is_storable(start, to - start))
		return event_fault(reader->fault, ERRCODE_CHARACTER_NOT_IN_REPERTOIRE, column,
						   "not valid UTF-8, or with a NUL byte, once its escapes are read");
	*text = (RecText) {start, (uint32) (to - start)};
	return true;
}

/* Exactly "digits" digits at *at, which moves on; -1 when they are not there. */
static int
take_digits(const char **at, const char *end, int digits)
{
	int			value = 0;

	if (end - *at < digits)
		return -1;
	while (digits-- > 0)
	{
		unsigned	digit = (unsigned char) *(*at)++ - '0';

		if (digit > 9)
			return -1;
		value = value * 10 + (int) digit;
	}
	return value;
}

/* Behind the seconds: [.f to .ffffff], as microseconds. */
static int
take_fraction(const char **at, const char *end)
{
	int			micros = 0;
	int			digits = 0;

	if (*at == end || **at != '.')
		return 0;
	for ((*at)++; *at < end && digits < 6 && isdigit((unsigned char) **at); digits++)
		micros = micros * 10 + (*(*at)++ - '0');
	if (digits == 0)
		return -1;
	for (; digits < 6; digits++)
		micros *= 10;
	return micros;
}

/* Minutes east of Greenwich; without an offset it is the hospital's time. */
static bool
take_offset(const char **at, const char *end, int *minutes)
{
	bool		west = *at < end && **at == '-';
	int			hour;
	int			minute;

	*minutes = LOCAL_OFFSET / USECS_PER_MINUTE;
	if (*at == end)
		return true;
	if (!west && **at != '+')
		return false;
	(*at)++;
	hour = take_digits(at, end, 2);
	minute = hour < 0 ? -1 : take_digits(at, end, 2);
	*minutes = (hour * 60 + minute) * (west ? -1 : 1);
	return hour >= 0 && hour <= 15 && minute >= 0 && minute <= 59;
}

/* YYYYMMDDHHMM[SS[.ffffff]][+hhmm], in a year of four digits whatever the offset. */
static bool
read_time(const RecText *text, TimestampTz *time)
{
	const char *at = text->data;
	const char *end = at + text->length;
	int			year = take_digits(&at, end, 4);
	int			month = year < 0 ? -1 : take_digits(&at, end, 2);
	int			day = month < 0 ? -1 : take_digits(&at, end, 2);
	int			hour = day < 0 ? -1 : take_digits(&at, end, 2);
	int			minute = hour < 0 ? -1 : take_digits(&at, end, 2);
	int			second = 0;
	int			micros = 0;
	int			offset;

	if (minute >= 0 && at < end && isdigit((unsigned char) *at))
	{
		second = take_digits(&at, end, 2);
		micros = second < 0 ? -1 : take_fraction(&at, end);
	}
	if (minute < 0 || micros < 0 || !take_offset(&at, end, &offset) || at != end ||
		year < 2 || year > 9998 || month < 1 || month > MONTHS_PER_YEAR ||
		day < 1 || day > day_tab[isleap(year)][month - 1] ||
		hour > 23 || minute > 59 || second > 59)
		return false;
	*time = (TimestampTz) (date2j(year, month, day) - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY +
		(((int64) hour * 60 + minute - offset) * 60 + second) * USECS_PER_SEC + micros;
	return true;
}

static bool
read_code(const Reader *reader, const char *column, const Code *codes, RecText *text)
{
	for (const Code *code = codes; code->code != NULL; code++)
	{
		if (text_is(text, code->code))
		{
			*text = code->word;
			return true;
		}
	}
	return event_fault(reader->fault, ERRCODE_CHECK_VIOLATION, column, "none of its codes: \"%.*s\"",
					   shown(text), text->data);
}

static bool
check_word(const Reader *reader, const RecordColumn *column, const RecText *text)
{
	for (const char *const *word = column->values; *word != NULL; word++)
	{
		if (text_is(text, *word))
			return true;
	}
	return event_fault(reader->fault, ERRCODE_CHECK_VIOLATION, column->name,
					   "none of the words that it may be: \"%.*s\"", shown(text), text->data);
}

static bool
read_number(const Reader *reader, const RecordColumn *column, const RecText *text, int64 max,
			int64 *number)
{
	FieldError	error = {0};

	if (!field_integer(text->data, text->length, -max, max, number, &error))
		return event_fault(reader->fault, error.sqlstate, column->name, "%s: \"%.*s\"", error.message,
						   shown(text), text->data);
	if ((column->flags & REC_POSITIVE) && *number < 1)
		return event_fault(reader->fault, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, column->name,
						   "must be at least 1");
	return true;
}

static bool
read_column(const Reader *reader, const Place *place, const RecordColumn *column, RecText text,
			void *value)
{
	FieldError	error = {0};
	int64		number;

	if (!unescape(reader, column->name, &text))
		return false;
	switch (column->type)
	{
		case REC_INT8:
			return read_number(reader, column, &text, PG_INT64_MAX, value);
		case REC_INT4:
			if (!read_number(reader, column, &text, PG_INT32_MAX, &number))
				return false;
			*(int32 *) value = (int32) number;
			return true;
		case REC_TEXT:
			if (place->codes != NULL && !read_code(reader, column->name, place->codes, &text))
				return false;
			if (place->codes == NULL && column->values != NULL && !check_word(reader, column, &text))
				return false;
			*(RecText *) value = text;
			return true;
		case REC_TIME:
			return read_time(&text, value) ||
				event_fault(reader->fault, ERRCODE_INVALID_DATETIME_FORMAT, column->name,
							"not a time (YYYYMMDDHHMMSS+0200): \"%.*s\"", shown(&text), text.data);
		case REC_UUID:
			return field_uuid(text.data, text.length, value, &error) ||
				event_fault(reader->fault, error.sqlstate, column->name, "%s: \"%.*s\"", error.message,
							shown(&text), text.data);
		default:
			elog(ERROR, "column \"%s\" has no form in HL7", column->name);
	}
}

/* ---- the record ---- */

/* The segment is ours: a field of it has one component, or something would be lost. */
static bool
is_whole_field(const Reader *reader, const Place *place, const RecText *text)
{
	RecText		whole = whole_field(reader, place->segment, place->field);

	return whole.length == text->length || (text->data == NULL && text_is(&whole, "\"\""));
}

/* From the last place to the first: a column's later ones count more. */
static bool
read_places(const Reader *reader, int kind_number, void *record, uint64 *found)
{
	const RecordKind *kind = &record_kinds[kind_number];
	const Place *places = hl7_places[kind_number];
	int			n = 0;

	while (places[n].segment != SEGMENTS)
		n++;
	while (n-- > 0)
	{
		const Place *place = &places[n];
		const RecordColumn *column;
		RecText		text;
		uint64		bit;

		if (place->content != A_COLUMN)
			continue;
		column = hl7_column(kind, place);
		bit = UINT64CONST(1) << (column - kind->columns);
		text = raw_value(reader, place->segment, place->field, place->component);
		if (place->segment == SEG_PID && place->field == 3 && !patient_number(reader, &text))
			return event_fault(reader->fault, ERRCODE_CHECK_VIOLATION, column->name,
							   "none of the numbers in PID-3 is of " AUTHORITY);
		if (place->segment == SEG_ZHO && !is_whole_field(reader, place, &text))
			return event_fault(reader->fault, ERRCODE_INVALID_TEXT_REPRESENTATION, column->name,
							   "a separator in ZHO-%d that is not escaped", place->field);
		if ((*found & bit) || text.data == NULL)
			continue;
		if (!read_column(reader, place, column, text, (char *) record + place->offset))
			return false;
		*found |= bit;
	}
	return true;
}

/* The last of a column's places, which is the one to name. */
static const Place *
main_place(int kind_number, const RecordColumn *column)
{
	const Place *last = NULL;

	for (const Place *place = hl7_places[kind_number]; place->segment != SEGMENTS; place++)
	{
		if (place->content == A_COLUMN && place->offset == column->offset)
			last = place;
	}
	return last;
}

static bool
check_nulls(const Reader *reader, int kind_number, uint64 found)
{
	const RecordKind *kind = &record_kinds[kind_number];

	for (int i = 0; i < kind->ncolumns; i++)
	{
		const RecordColumn *column = &kind->columns[i];
		const Place *place = main_place(kind_number, column);

		if (!(column->flags & REC_NULLABLE) && !(found & (UINT64CONST(1) << i)))
			return event_fault(reader->fault, ERRCODE_NOT_NULL_VIOLATION, column->name,
							   "no value in %s-%d", hl7_segment_names[place->segment], place->field);
	}
	return true;
}

/* An admission says by its message's type whether it has ended. */
static bool
check_completed(const Reader *reader, const MessageType *type, const Admission *admission)
{
	if (type->kind != KIND_ADMISSIONS)
		return true;
	if (type->completed && admission->discharged_at == REC_NULL8)
		return event_fault(reader->fault, ERRCODE_NOT_NULL_VIOLATION, "discharged_at",
						   "a discharge (A03) without its time in PV1-45");
	if (!type->completed && admission->discharged_at != REC_NULL8)
		return event_fault(reader->fault, ERRCODE_CHECK_VIOLATION, "discharged_at",
						   "an admission (A01) has no time of discharge yet");
	return true;
}

/* Is it a message that we know, of a version and in a character set that we read? */
static const MessageType *
read_header(const Reader *reader)
{
	RecText		code = raw_value(reader, SEG_MSH, 9, 1);
	RecText		trigger = raw_value(reader, SEG_MSH, 9, 2);
	RecText		version = raw_value(reader, SEG_MSH, 12, 1);
	RecText		charset = raw_value(reader, SEG_MSH, 18, 1);

	if (version.data == NULL || version.length < 2 || memcmp(version.data, "2.", 2) != 0)
	{
		event_fault(reader->fault, ERRCODE_FEATURE_NOT_SUPPORTED, NULL,
					"HL7 version \"%.*s\" (MSH-12) is not one of 2", shown(&version), version.data);
		return NULL;
	}
	if (charset.data != NULL && !text_is(&charset, "UNICODE UTF-8") && !text_is(&charset, "ASCII"))
	{
		event_fault(reader->fault, ERRCODE_FEATURE_NOT_SUPPORTED, NULL,
					"character set \"%.*s\" (MSH-18) is not UNICODE UTF-8 or ASCII", shown(&charset),
					charset.data);
		return NULL;
	}
	for (int i = 0; i < HL7_MESSAGE_TYPES; i++)
	{
		if (text_is(&code, "ADT") && text_is(&trigger, hl7_message_types[i].trigger))
			return &hl7_message_types[i];
	}
	event_fault(reader->fault, ERRCODE_FEATURE_NOT_SUPPORTED, NULL,
				"message type %.*s^%.*s (MSH-9) is none of ADT^A01, A02, A03 and A08",
				shown(&code), code.data, shown(&trigger), trigger.data);
	return NULL;
}

bool
event_from_hl7(const char *payload, size_t length, int *kind_number, void *record, EventFault *fault)
{
	Reader		reader = {.fault = fault};
	const MessageType *type;
	RecText		message;
	uint64		found = 0;

	if (payload == NULL)
		return event_fault(fault, ERRCODE_NULL_VALUE_NOT_ALLOWED, NULL, "the message has no payload");
	if (!event_text_is_storable(payload, length))
		return event_fault(fault, ERRCODE_CHARACTER_NOT_IN_REPERTOIRE, NULL,
						   "the payload is not UTF-8, or has a NUL byte");
	message = (RecText) {payload, (uint32) length};
	if (!take_out_of_frame(&message, fault) || !read_separators(&reader, &message) ||
		!find_segments(&reader, &message))
		return false;
	type = read_header(&reader);
	if (type == NULL)
		return false;
	*kind_number = type->kind;
	memset(record, 0, record_kinds[type->kind].size);
	for (int i = 0; i < record_kinds[type->kind].ncolumns; i++)
		record_set_null(record_kinds[type->kind].columns[i].type,
						(char *) record + record_kinds[type->kind].columns[i].offset);
	return read_places(&reader, type->kind, record, &found) &&
		check_nulls(&reader, type->kind, found) &&
		check_completed(&reader, type, record) &&
		event_check_rules(type->kind, record, fault);
}
