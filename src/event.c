/*
 * event.c: what an event is about: when it happened, whom, and its id; and what
 * JSON and HL7 share: faults, the kinds' own rules, texts, times in UTC.
 *
 * An id has the form of a UUID of version 7: 48 bits of Unix milliseconds, so
 * that ids are in order of time (which a btree rewards).  Its other 74 bits are
 * a reversible mix of kind, key and whether the record is completed: two
 * events never have one id, and the same event, made again, has its own.
 * Transfers have an id as their key, which is the event's too (day_stays.c).
 */
#include "postgres.h"

#include <limits.h>

#include "mb/pg_wchar.h"
#include "utils/timestamp.h"

#include "event.h"
#include "event_json.h"
#include "hospital_time.h"
#include "put_value.h"
#include "random.h"

#define TIME_ROOM 32

/* Where in a kind's struct the answers are. */
typedef struct Subject
{
	size_t		subject;		/* int64 */
	size_t		time;			/* TimestampTz */
	size_t		date;			/* DateADT, where there is no time */
	size_t		completed;		/* TimestampTz, null at first */
} Subject;

#define NOWHERE ((size_t) -1)
#define AT(record, field) offsetof(record, field)
#define OF(record, subject, time) {AT(record, subject), AT(record, time), NOWHERE, NOWHERE}

static const Subject subjects[RECORD_KINDS] = {
	[KIND_STAFF_CHANGES] = {AT(StaffChange, staff_id), NOWHERE, AT(StaffChange, changed_on), NOWHERE},
	[KIND_REGISTRATIONS] = {AT(Registration, person_id), NOWHERE, AT(Registration, first_seen_on),
	AT(Registration, deceased_at)},
	[KIND_ADMISSIONS] = {AT(Admission, patient_id), AT(Admission, admitted_at), NOWHERE,
	AT(Admission, discharged_at)},
	[KIND_VISITS] = {AT(Visit, patient_id), AT(Visit, arrived_at), NOWHERE, AT(Visit, left_at)},
	[KIND_STATUS_UPDATES] = OF(StatusUpdate, patient_id, recorded_at),
	[KIND_DOCTOR_ASSIGNMENTS] = OF(DoctorAssignment, patient_id, starts_at),
	[KIND_TRANSFERS] = OF(Transfer, patient_id, event_time),
	[KIND_DIAGNOSES] = OF(Diagnosis, patient_id, at),
	[KIND_TREATMENTS] = OF(Treatment, patient_id, at),
	[KIND_LAB_RESULTS] = OF(LabResult, patient_id, at),
	[KIND_VITAL_SIGNS] = OF(VitalSigns, patient_id, at),
	[KIND_PRESCRIPTIONS] = OF(Prescription, patient_id, prescribed_at),
	[KIND_BILLING_PAYMENTS] = {AT(Bill, patient_id), NOWHERE, AT(Bill, billing_date), NOWHERE},
};

bool
event_fault(EventFault *fault, int sqlstate, const char *column, const char *format,...)
{
	char		text[4 * sizeof(fault->message)];
	int			length;
	va_list		args;

	if (fault == NULL)
		return false;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	length = pg_encoding_mbcliplen(PG_UTF8, text, strlen(text), sizeof(fault->message) - 1);
	memcpy(fault->message, text, length);
	fault->message[length] = '\0';
	fault->sqlstate = sqlstate;
	fault->column = column;
	return false;
}

bool
event_text_is_storable(const char *text, size_t length)
{
	return length <= INT_MAX && pg_verify_mbstr(PG_UTF8, text, (int) length, true);
}

/* ---- when and whom ---- */

TimestampTz
event_time(int kind_number, const void *record)
{
	const Subject *where = &subjects[kind_number];
	const char *bytes = record;

	if (where->completed != NOWHERE && *(const TimestampTz *) (bytes + where->completed) != REC_NULL8)
		return *(const TimestampTz *) (bytes + where->completed);
	if (where->time != NOWHERE)
		return *(const TimestampTz *) (bytes + where->time);
	return midnight_of(*(const DateADT *) (bytes + where->date));
}

int64
event_subject(int kind_number, const void *record)
{
	return *(const int64 *) ((const char *) record + subjects[kind_number].subject);
}

/* ---- rules ---- */

/* The hospital day in whose file a record would be. */
static DateADT
day_of_record(int kind_number, const void *record)
{
	const Visit *visit = record;

	/* One that leads to no admission has an end from the beginning. */
	if (kind_number == KIND_VISITS && visit->admission_id == REC_NULL8)
		return day_of_time(visit->arrived_at);
	return day_of_time(event_time(kind_number, record));
}

bool
event_check_rules(int kind_number, const void *record, EventFault *fault)
{
	const RecordKind *kind = &record_kinds[kind_number];
	int			column;
	int			sqlstate;
	const char *message;

	if (kind->check == NULL ||
		kind->check(record, day_of_record(kind_number, record), &column, &sqlstate, &message))
		return true;
	return event_fault(fault, sqlstate, column < 0 ? NULL : kind->columns[column].name, "%s", message);
}

/* ---- ids ---- */

/* Are all columns filled in that a later record of the key fills in? */
static bool
is_completed(const RecordKind *kind, const void *record)
{
	if (kind->merge != MERGE_COMPLETES)
		return false;
	for (int i = 0; i < kind->ncolumns; i++)
	{
		const RecordColumn *column = &kind->columns[i];

		if ((column->flags & REC_COMPLETES) &&
			record_is_null(column->type, (const char *) record + column->offset))
			return false;
	}
	return true;
}

static void
put_bytes(unsigned char *to, int n, uint64 number)
{
	while (n-- > 0)
	{
		to[n] = (unsigned char) number;
		number >>= 8;
	}
}

/*
 * mix64 is a permutation: key and tag can be told from the 64 bits of "mixed"
 * and the ten bits beside it.
 */
static void
make_id(pg_uuid_t *id, TimestampTz at, uint64 key, uint64 tag)
{
	uint64		milliseconds = (uint64) unix_ms(at);
	uint64		mixed = mix64(key + (tag << 58));
	uint64		beside = (mix64(mixed) ^ tag) & 0x3FF;

	put_bytes(id->data, 6, milliseconds);
	put_bytes(id->data + 6, 2, UINT64CONST(0x7000) | mixed >> 52);
	put_bytes(id->data + 8, 8,
			  UINT64CONST(1) << 63 | ((mixed << 10 | beside) & UINT64CONST(0x3FFFFFFFFFFFFFFF)));
}

void
event_id(pg_uuid_t *id, int kind_number, const void *record)
{
	const RecordKind *kind = &record_kinds[kind_number];
	const char *key = (const char *) record + kind->columns[kind->key].offset;

	if (kind->columns[kind->key].type == REC_UUID)
		memcpy(id, key, sizeof(*id));
	else
		make_id(id, event_time(kind_number, record), (uint64) *(const int64 *) key,
				2 * (uint64) kind_number + is_completed(kind, record));
}

/* ---- as text ---- */

void
event_id_text(char *out, const pg_uuid_t *id)
{
	*put_uuid(out, id) = '\0';
}

/* A time in no year of four digits, which none of ours is, as the server shows it. */
void
event_append_utc(StringInfo out, TimestampTz time)
{
	char	   *to;

	if (time < EVENT_TIME_MIN || time >= EVENT_TIME_END)
	{
		appendStringInfoString(out, timestamptz_to_str(time));
		return;
	}
	enlargeStringInfo(out, TIME_ROOM);
	to = put_time(out->data + out->len, time, 'T');
	*to++ = 'Z';
	*to = '\0';
	out->len = (int) (to - out->data);
}
