/*
 * event_hl7.c: admissions, transfers and status updates as HL7 v2.5.1 ADT
 * messages, and back.
 *
 * A table for each kind says where in a message each of its columns is, and
 * what else a message must have; writing and reading both follow it.  So what
 * is written is read back as the same record, and docs/events.md can be checked
 * against one list.  What the standard has no place for is in a segment of our
 * own, ZHO.
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

#include "event.h"
#include "fields.h"

#define AUTHORITY "HOSPITAL"	/* that gives patients and stays their numbers */
#define LOCAL_OFFSET (2 * USECS_PER_HOUR)	/* Johannesburg, all year */
#define SHOWN 40				/* bytes of a message that a fault quotes */

typedef enum Segment
{
	SEG_MSH, SEG_EVN, SEG_PID, SEG_PV1, SEG_ZHO, SEGMENTS
} Segment;

static const char segment_names[SEGMENTS][4] = {"MSH", "EVN", "PID", "PV1", "ZHO"};

/* ---- where things are ---- */

typedef enum PlaceContent
{
	A_COLUMN,
	A_CONSTANT,					/* written, not read */
	THE_TRIGGER,				/* A01; written, read from MSH */
	THE_TIME					/* of the event, which is a column elsewhere */
} PlaceContent;

/* A word of ours and its code in a table of the standard. */
typedef struct Code
{
	const char *code;
	RecText		word;
} Code;

typedef struct Place
{
	Segment		segment;
	int			field;			/* numbered as in the standard */
	int			component;
	PlaceContent content;
	const char *constant;
	uint16		offset;			/* the column's, in the record */
	const Code *codes;
} Place;

#define CODE(code, word) {code, {word, sizeof(word) - 1}}
#define PLACES_END {SEGMENTS}

/* Table 0007, admission type. */
static const Code admission_types[] = {
	CODE("E", "emergency"), CODE("C", "elective"), CODE("L", "maternity"), CODE("N", "newborn"),
	CODE("R", "transfer in"), {NULL}
};

/* Table 0112, discharge disposition; 10 is one of those left to the place. */
static const Code outcomes[] = {
	CODE("01", "discharged"), CODE("02", "transferred out"), CODE("07", "refused treatment"),
	CODE("10", "absconded"), CODE("20", "died"), {NULL}
};

#define COLUMN(segment, field, component, record, name) \
	{SEG_##segment, field, component, A_COLUMN, NULL, offsetof(record, name)}
#define CODED(segment, field, component, record, name, codes) \
	{SEG_##segment, field, component, A_COLUMN, NULL, offsetof(record, name), codes}
#define CONSTANT(segment, field, component, text) {SEG_##segment, field, component, A_CONSTANT, text}
#define TRIGGER(segment, field) {SEG_##segment, field, 1, THE_TRIGGER}
#define EVENT_TIME(segment, field) {SEG_##segment, field, 1, THE_TIME}

/* A number and who gave it; PID-5 is required: no name is sent (table 0200: U). */
#define PATIENT(record) \
	CONSTANT(PID, 1, 1, "1"), \
	COLUMN(PID, 3, 1, record, patient_id), \
	CONSTANT(PID, 3, 4, AUTHORITY), \
	CONSTANT(PID, 3, 5, "MR"), \
	CONSTANT(PID, 5, 7, "U")

/* The number of the stay is the visit number of all its messages. */
#define STAY(record) \
	COLUMN(PV1, 19, 1, record, admission_id), \
	CONSTANT(PV1, 19, 4, AUTHORITY), \
	CONSTANT(PV1, 19, 5, "VN")

/*
 * In the order of the message.  MSH is written apart; a place in it is one to
 * read.  Where a column has several places, the last that has a value counts.
 */
static const Place admission_places[] = {
	TRIGGER(EVN, 1),
	EVENT_TIME(EVN, 2),
	EVENT_TIME(EVN, 6),
	PATIENT(Admission),
	CONSTANT(PV1, 1, 1, "1"),
	CONSTANT(PV1, 2, 1, "I"),
	COLUMN(PV1, 3, 1, Admission, ward_code),
	CODED(PV1, 4, 1, Admission, admission_type, admission_types),
	COLUMN(PV1, 10, 1, Admission, department_code),
	STAY(Admission),
	CODED(PV1, 36, 1, Admission, outcome, outcomes),
	COLUMN(PV1, 44, 1, Admission, admitted_at),
	COLUMN(PV1, 45, 1, Admission, discharged_at),
	COLUMN(PV1, 50, 1, Admission, visit_id),
	CONSTANT(PV1, 50, 4, AUTHORITY),
	COLUMN(ZHO, 2, 1, Admission, triage),
	COLUMN(ZHO, 3, 1, Admission, referred_from),
	PLACES_END
};

static const Place transfer_places[] = {
	COLUMN(MSH, 10, 1, Transfer, event_id),
	TRIGGER(EVN, 1),
	COLUMN(EVN, 2, 1, Transfer, event_time),
	COLUMN(EVN, 5, 1, Transfer, staff_id),
	CONSTANT(EVN, 5, 9, AUTHORITY),
	COLUMN(EVN, 6, 1, Transfer, event_time),
	PATIENT(Transfer),
	CONSTANT(PV1, 1, 1, "1"),
	CONSTANT(PV1, 2, 1, "I"),
	COLUMN(PV1, 3, 1, Transfer, to_ward),
	COLUMN(PV1, 6, 1, Transfer, from_ward),
	STAY(Transfer),
	COLUMN(ZHO, 1, 1, Transfer, event_id),
	COLUMN(ZHO, 4, 1, Transfer, reason),
	COLUMN(ZHO, 5, 1, Transfer, status),
	PLACES_END
};

static const Place status_update_places[] = {
	TRIGGER(EVN, 1),
	COLUMN(EVN, 2, 1, StatusUpdate, recorded_at),
	COLUMN(EVN, 5, 1, StatusUpdate, recorded_by),
	CONSTANT(EVN, 5, 9, AUTHORITY),
	COLUMN(EVN, 6, 1, StatusUpdate, recorded_at),
	PATIENT(StatusUpdate),
	CONSTANT(PV1, 1, 1, "1"),
	CONSTANT(PV1, 2, 1, "I"),
	COLUMN(PV1, 3, 1, StatusUpdate, ward_code),
	COLUMN(PV1, 3, 3, StatusUpdate, bed_no),
	STAY(StatusUpdate),
	COLUMN(ZHO, 1, 1, StatusUpdate, update_id),
	COLUMN(ZHO, 5, 1, StatusUpdate, status),
	PLACES_END
};

static const Place *const kind_places[RECORD_KINDS] = {
	[KIND_ADMISSIONS] = admission_places,
	[KIND_TRANSFERS] = transfer_places,
	[KIND_STATUS_UPDATES] = status_update_places,
};

/* A message's type, and what it is about. */
typedef struct MessageType
{
	const char *trigger;
	const char *structure;
	RecordKindNumber kind;
	bool		completed;
} MessageType;

static const MessageType message_types[] = {
	{"A01", "ADT_A01", KIND_ADMISSIONS, false},
	{"A02", "ADT_A02", KIND_TRANSFERS, false},
	{"A03", "ADT_A03", KIND_ADMISSIONS, true},
	{"A08", "ADT_A01", KIND_STATUS_UPDATES, false},
};

static const RecordColumn *
place_column(const RecordKind *kind, const Place *place)
{
	for (int i = 0; i < kind->ncolumns; i++)
	{
		if (kind->columns[i].offset == place->offset)
			return &kind->columns[i];
	}
	elog(ERROR, "kind %s has no column at %d", kind->name, place->offset);
}

static bool
text_is(const RecText *text, const char *word)
{
	return text->length == strlen(word) && memcmp(text->data, word, text->length) == 0;
}

/* ---- writing ---- */

typedef struct Writer
{
	StringInfo	out;
	const MessageType *type;
	TimestampTz time;			/* of the event */

	/* Where the message is. */
	Segment		segment;
	int			field;
	int			component;
} Writer;

/* Separators, and what would end a segment or a frame, as escapes. */
static void
append_text(StringInfo out, const RecText *text)
{
	static const char separators[] = "|^&~\\";
	static const char escapes[] = "FSTRE";

	/* An empty field and a field of two quotes both say that there is no value. */
	if (text->length == 0)
		appendStringInfoString(out, "\\X\\");
	else if (text_is(text, "\"\""))
		appendStringInfoString(out, "\\X2222\\");
	else
	{
		for (uint32 i = 0; i < text->length; i++)
		{
			unsigned char c = text->data[i];
			const char *separator = strchr(separators, c);

			if (c < 0x20 || c == 0x7f)
				appendStringInfo(out, "\\X%02X\\", c);
			else if (separator != NULL)
				appendStringInfo(out, "\\%c\\", escapes[separator - separators]);
			else
				appendStringInfoChar(out, c);
		}
	}
}

static void
append_local_time(StringInfo out, TimestampTz at)
{
	int64		days = (at + LOCAL_OFFSET) / USECS_PER_DAY;
	int64		of_day = (at + LOCAL_OFFSET) % USECS_PER_DAY;
	int			micros;
	int			year;
	int			month;
	int			day;

	if (of_day < 0)
	{
		of_day += USECS_PER_DAY;
		days--;
	}
	j2date((int) days + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	appendStringInfo(out, "%04d%02d%02d%02d%02d%02d", year, month, day,
					 (int) (of_day / USECS_PER_HOUR), (int) (of_day / USECS_PER_MINUTE % 60),
					 (int) (of_day / USECS_PER_SEC % 60));
	micros = (int) (of_day % USECS_PER_SEC);
	if (micros != 0)
	{
		appendStringInfo(out, ".%06d", micros);
		while (out->data[out->len - 1] == '0')
			out->data[--out->len] = '\0';
	}
	appendStringInfoString(out, "+0200");
}

static void
append_code(StringInfo out, const Place *place, const RecText *word)
{
	for (const Code *code = place->codes; code->code != NULL; code++)
	{
		if (text_is(word, code->word.data))
		{
			appendStringInfoString(out, code->code);
			return;
		}
	}
	elog(ERROR, "no code for \"%.*s\"", (int) word->length, word->data);
}

static void
append_column(StringInfo out, const Place *place, const RecordColumn *column, const void *value)
{
	char		uuid[37];

	switch (column->type)
	{
		case REC_INT8:
			appendStringInfo(out, INT64_FORMAT, *(const int64 *) value);
			break;
		case REC_INT4:
			appendStringInfo(out, "%d", *(const int32 *) value);
			break;
		case REC_TEXT:
			if (place->codes != NULL)
				append_code(out, place, value);
			else
				append_text(out, value);
			break;
		case REC_TIME:
			append_local_time(out, *(const TimestampTz *) value);
			break;
		case REC_UUID:
			event_id_text(uuid, value);
			appendStringInfoString(out, uuid);
			break;
		default:
			elog(ERROR, "column \"%s\" has no form in HL7", column->name);
	}
}

/* The separators up to a place.  What is empty at a segment's end is left out. */
static void
go_to(Writer *writer, const Place *place)
{
	if (writer->segment != place->segment)
	{
		appendStringInfo(writer->out, "\r%s", segment_names[place->segment]);
		writer->segment = place->segment;
		writer->field = 0;
	}
	if (writer->field != place->field)
		writer->component = 1;
	for (; writer->field < place->field; writer->field++)
		appendStringInfoChar(writer->out, '|');
	for (; writer->component < place->component; writer->component++)
		appendStringInfoChar(writer->out, '^');
}

static void
write_place(Writer *writer, const Place *place, const RecordKind *kind, const void *record)
{
	const RecordColumn *column = NULL;
	const char *value = (const char *) record + place->offset;

	if (place->content == A_COLUMN)
	{
		column = place_column(kind, place);
		if (record_is_null(column->type, value))
			return;
	}
	go_to(writer, place);
	switch (place->content)
	{
		case A_COLUMN:
			append_column(writer->out, place, column, value);
			break;
		case A_CONSTANT:
			appendStringInfoString(writer->out, place->constant);
			break;
		case THE_TRIGGER:
			appendStringInfoString(writer->out, writer->type->trigger);
			break;
		case THE_TIME:
			append_local_time(writer->out, writer->time);
			break;
	}
}

static void
write_header(Writer *writer, const pg_uuid_t *id, const char *sender)
{
	StringInfo	out = writer->out;
	RecText		name = {sender, strlen(sender)};
	char		id_text[37];

	appendStringInfoString(out, "MSH|^~\\&|" AUTHORITY "^");
	append_text(out, &name);
	appendStringInfoString(out, "^L||||");
	append_local_time(out, writer->time);
	event_id_text(id_text, id);
	appendStringInfo(out, "||ADT^%s^%s|%s|T|2.5.1||||||UNICODE UTF-8", writer->type->trigger,
					 writer->type->structure, id_text);
}

static const MessageType *
type_of(int kind_number, const void *record)
{
	bool		completed = kind_number == KIND_ADMISSIONS &&
		((const Admission *) record)->discharged_at != REC_NULL8;

	for (int i = 0; i < (int) lengthof(message_types); i++)
	{
		if (message_types[i].kind == (RecordKindNumber) kind_number &&
			message_types[i].completed == completed)
			return &message_types[i];
	}
	elog(ERROR, "kind %d has no HL7 message", kind_number);
}

void
event_to_hl7(StringInfo out, int kind_number, const void *record, const char *sender)
{
	Writer		writer = {
		.out = out,
		.type = type_of(kind_number, record),
		.time = event_time(kind_number, record),
		.segment = SEG_MSH
	};
	pg_uuid_t	id;

	event_id(&id, kind_number, record);
	write_header(&writer, &id, sender);
	for (const Place *place = kind_places[kind_number]; place->segment != SEGMENTS; place++)
	{
		if (place->segment != SEG_MSH)
			write_place(&writer, place, &record_kinds[kind_number], record);
	}
	appendStringInfoChar(out, '\r');
}

/* ---- reading: the message ---- */

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
		if (line->length < 3 || memcmp(line->data, segment_names[i], 3) != 0 ||
			(line->length > 3 && line->data[3] != reader->field))
			continue;
		if (reader->segments[i].data != NULL)
			return event_fault(reader->fault, ERRCODE_INVALID_TEXT_REPRESENTATION, NULL,
							   "segment %s is there twice", segment_names[i]);
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

/* ---- reading: values ---- */

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

/* ---- reading: the record ---- */

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
	const Place *places = kind_places[kind_number];
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
		column = place_column(kind, place);
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

	for (const Place *place = kind_places[kind_number]; place->segment != SEGMENTS; place++)
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
							   "no value in %s-%d", segment_names[place->segment], place->field);
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

/* The kind's own rules, for the day on which it happened. */
static bool
check_rules(const Reader *reader, int kind_number, const void *record)
{
	const RecordKind *kind = &record_kinds[kind_number];
	TimestampTz local = event_time(kind_number, record) + LOCAL_OFFSET;
	DateADT		day = (DateADT) (local / USECS_PER_DAY - (local % USECS_PER_DAY < 0 ? 1 : 0));
	const char *message;
	int			column;
	int			sqlstate;

	return kind->check == NULL || kind->check(record, day, &column, &sqlstate, &message) ||
		event_fault(reader->fault, sqlstate, column < 0 ? NULL : kind->columns[column].name, "%s",
					message);
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
	for (int i = 0; i < (int) lengthof(message_types); i++)
	{
		if (text_is(&code, "ADT") && text_is(&trigger, message_types[i].trigger))
			return &message_types[i];
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
		check_rules(&reader, type->kind, record);
}
