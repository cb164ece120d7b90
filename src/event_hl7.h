/*
 * event_hl7.h: where in an HL7 message the columns of a record are: what writing
 * and reading share.
 */
#ifndef HOSPITAL_EVENT_HL7_H
#define HOSPITAL_EVENT_HL7_H

#include "postgres.h"
#include "datatype/timestamp.h"

#include "event.h"
#include "hospital_time.h"

#define AUTHORITY "HOSPITAL"	/* that gives patients and stays their numbers */

typedef enum Segment
{
	SEG_MSH, SEG_EVN, SEG_PID, SEG_PV1, SEG_ZHO, SEGMENTS
} Segment;

extern const char hl7_segment_names[SEGMENTS][4];

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

/* A message's type, and what it is about. */
typedef struct MessageType
{
	const char *trigger;
	const char *structure;
	RecordKindNumber kind;
	bool		completed;
} MessageType;

#define HL7_MESSAGE_TYPES 4

extern const MessageType hl7_message_types[HL7_MESSAGE_TYPES];

/* By kind; the last one's segment is SEGMENTS. */
extern const Place *const hl7_places[RECORD_KINDS];

/* The column that a place is of. */
extern const RecordColumn *hl7_column(const RecordKind *kind, const Place *place);

static inline bool
text_is(const RecText *text, const char *word)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): no word is empty, so a text that is not there is none */
	return text->length == strlen(word) && memcmp(text->data, word, text->length) == 0;
}

#endif							/* HOSPITAL_EVENT_HL7_H */
