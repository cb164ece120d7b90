/*
 * event.h: records as events, and back: JSON, and HL7 v2 ADT messages.
 *
 * A JSON event of a kind is an object with exactly the kind's columns, in any
 * order; a null column is null.  Times are UTC (2020-01-01T10:00:00Z; an offset
 * such as +02:00 is read as well), dates 2020-01-01, money and decimals plain
 * numbers, without an exponent.  Nothing here raises for what is in a payload:
 * a fault is told as SQLSTATE, column and words.
 */
#ifndef HOSPITAL_EVENT_H
#define HOSPITAL_EVENT_H

#include "postgres.h"
#include "lib/stringinfo.h"
#include "utils/uuid.h"

#include "records.h"

#define EVENT_SCHEMA_VERSION "1"
#define EVENT_RECORD_SIZE 384	/* room for a record of any kind */
#define EVENT_TEXT_MAX 1000		/* bytes of a text */

/* Why a payload is no event. */
typedef struct EventFault
{
	int			sqlstate;
	const char *column;			/* NULL: the payload as a whole */
	char		message[200];
} EventFault;

/* printf-like, clipped to whole characters; "fault" may be NULL; always false. */
extern PGDLLEXPORT bool event_fault(EventFault *fault, int sqlstate, const char *column, const char *format,...)
			pg_attribute_printf(4, 5);

/* ---- what an event is about (event.c) ---- */

/* When it happened: the record's own time, or its date's beginning. */
extern PGDLLEXPORT TimestampTz event_time(int kind_number, const void *record);

/* Whom: the patient, or the member of staff; the key of its message. */
extern PGDLLEXPORT int64 event_subject(int kind_number, const void *record);

/*
 * A UUID of version 7, in order of event_time, that depends on nothing but kind,
 * key, and whether the record is completed.  Of a transfer: its event_id.
 */
extern PGDLLEXPORT void event_id(pg_uuid_t *id, int kind_number, const void *record);

/* The kind's own rules, which need no other record, for the day in whose file it would be. */
extern bool event_check_rules(int kind_number, const void *record, EventFault *fault);

#define EVENT_ID_LENGTH 36

/* Texts for headers: a terminated id; 2020-01-01T10:00:00Z, with a fraction where there is one. */
extern PGDLLEXPORT void event_id_text(char *out, const pg_uuid_t *id);
extern PGDLLEXPORT void event_append_utc(StringInfo out, TimestampTz time);

/* ---- JSON (event_json*.c) ---- */

extern PGDLLEXPORT void event_to_json(StringInfo out, int kind_number, const void *record);

/*
 * The record's texts point into the payload where they can, and are in
 * CurrentMemoryContext where they cannot.  Fields that the kind does not have
 * are a fault when "unknown" is NULL; else *unknown is a JSON object of them
 * (palloc'd), or NULL where there are none.  The kind's own rules, which need
 * no other record, are checked; references are not.
 */
extern PGDLLEXPORT bool event_from_json(int kind_number, const char *payload, size_t length, void *record,
										char **unknown, EventFault *fault);

/* Valid UTF-8 without a NUL byte. */
extern PGDLLEXPORT bool event_text_is_storable(const char *text, size_t length);

/* ---- HL7 v2 ADT (event_hl7.c) ---- */

/*
 * Admissions (A01; A03 when completed), transfers (A02) and status updates
 * (A08).  "sender" is the simulation's name.
 */
extern PGDLLEXPORT void event_to_hl7(StringInfo out, int kind_number, const void *record, const char *sender);
extern PGDLLEXPORT bool event_from_hl7(const char *payload, size_t length, int *kind_number, void *record,
									   EventFault *fault);

/* Does the kind have ADT messages? */
static inline bool
event_has_hl7(int kind_number)
{
	return kind_number == KIND_ADMISSIONS || kind_number == KIND_TRANSFERS ||
		kind_number == KIND_STATUS_UPDATES;
}

#endif							/* HOSPITAL_EVENT_H */
