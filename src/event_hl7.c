/*
 * event_hl7.c: admissions, transfers and status updates as HL7 v2.5.1 ADT
 * messages.
 *
 * A table for each kind says where in a message each of its columns is, and
 * what else a message must have; writing and reading (event_hl7_read.c) both
 * follow it.  So what is written is read back as the same record, and
 * docs/events.md can be checked against one list.  What the standard has no
 * place for is in a segment of our own, ZHO.
 */
#include "postgres.h"

#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "event_hl7.h"

const char hl7_segment_names[SEGMENTS][4] = {"MSH", "EVN", "PID", "PV1", "ZHO"};

/* ---- where things are ---- */

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

const Place *const hl7_places[RECORD_KINDS] = {
	[KIND_ADMISSIONS] = admission_places,
	[KIND_TRANSFERS] = transfer_places,
	[KIND_STATUS_UPDATES] = status_update_places,
};

const MessageType hl7_message_types[HL7_MESSAGE_TYPES] = {
	{"A01", "ADT_A01", KIND_ADMISSIONS, false},
	{"A02", "ADT_A02", KIND_TRANSFERS, false},
	{"A03", "ADT_A03", KIND_ADMISSIONS, true},
	{"A08", "ADT_A01", KIND_STATUS_UPDATES, false},
};

const RecordColumn *
hl7_column(const RecordKind *kind, const Place *place)
{
	for (int i = 0; i < kind->ncolumns; i++)
	{
		if (kind->columns[i].offset == place->offset)
			return &kind->columns[i];
	}
	elog(ERROR, "kind %s has no column at %d", kind->name, place->offset);
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
		appendStringInfo(writer->out, "\r%s", hl7_segment_names[place->segment]);
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
		column = hl7_column(kind, place);
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

	for (int i = 0; i < HL7_MESSAGE_TYPES; i++)
	{
		if (hl7_message_types[i].kind == (RecordKindNumber) kind_number &&
			hl7_message_types[i].completed == completed)
			return &hl7_message_types[i];
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
	for (const Place *place = hl7_places[kind_number]; place->segment != SEGMENTS; place++)
	{
		if (place->segment != SEG_MSH)
			write_place(&writer, place, &record_kinds[kind_number], record);
	}
	appendStringInfoChar(out, '\r');
}
