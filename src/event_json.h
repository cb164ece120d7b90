/*
 * event_json.h: what writing and reading JSON events share.
 */
#ifndef HOSPITAL_EVENT_JSON_H
#define HOSPITAL_EVENT_JSON_H

#include "postgres.h"
#include "datatype/timestamp.h"

#include "event.h"

/* Times of events are in years of four digits: from 0001-01-01 to before 10000-01-01. */
#define EVENT_TIME_MIN ((TimestampTz) (1721426 - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY)
#define EVENT_TIME_END ((TimestampTz) (5373485 - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY)

#define JSON_COLUMNS_MAX 32
#define JSON_NAME_ROOM 32		/* of "name": with quotes and colon */

/* A column, with what is needed of it together. */
typedef struct JsonColumn
{
	char		name[JSON_NAME_ROOM];	/* "name": and zeros */
	uint64		last_mask;		/* of the bytes of its last, partial word */
	uint8		whole_words;	/* before that */
	uint8		name_length;
	RecordType	type;
	uint16		offset;
	uint16		flags;
	const RecordColumn *column;
} JsonColumn;

typedef struct JsonKind
{
	int			ncolumns;		/* 0: not described yet */
	size_t		room;			/* of an event, without its texts */
	uint32		all;			/* a bit for each column */
	const RecordKind *kind;
	JsonColumn	columns[JSON_COLUMNS_MAX];
} JsonKind;

/* Described at the first use. */
extern const JsonKind *json_kind(int kind_number);

/*
 * A column's value from its characters: of a JSON number, or of a string's
 * contents.  A text goes on pointing there.  False, with "fault" (which may be
 * NULL) filled in, when they stand for none that the column may have.
 */
extern bool json_value(const JsonColumn *column, const char *data, size_t length, void *record,
					   EventFault *fault);

/* Is a value of the column a number, and else a string? */
static inline bool
json_is_number(RecordType type)
{
	return type == REC_INT8 || type == REC_INT4 || type == REC_MONEY || type == REC_DECIMAL;
}

/* event_json_parse.c: the same as event_from_json, but for the rules, by the server's parser. */
extern bool json_parse_event(const JsonKind *kind, const char *payload, size_t length, void *record,
							 char **unknown, EventFault *fault);

#endif							/* HOSPITAL_EVENT_JSON_H */
