/*
 * producer_messages.c: the messages of a day, in order.
 *
 * Events of a kind go in order of time.  Records are in order of id, which is
 * nearly that; what completes an earlier record comes at the time at which it
 * does, and the HL7 topic merges three kinds.  The messages of a patient have
 * one key, so one partition has them, in this order.
 *
 * hospital_publish has those of the next days made while brokers are busy with
 * the last ones (prepare_ahead): a Kafka transaction ends with a wait, and the
 * making takes about as long.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "event.h"
#include "producer.h"
#include "producer_private.h"

#define KEY_TEXT 24
#define MESSAGE_BYTES 400		/* a guess, to make room at once */
#define TURN 512				/* events between two looks at interrupts */
#define AHEAD_BYTES (48 * 1024 * 1024)
#define SHARE_ROUNDING 1e-9		/* three fifths of 15 are nine */

/* A day's messages, of the kinds that were asked for; in a context of its own. */
typedef struct PreparedDay
{
	DateADT		day;
	MemoryContext context;
	const Messages *kinds[STREAM_KINDS];
} PreparedDay;

static const DayRecords *
day_for_sending(DateADT day)
{
	DaySpec		spec = simulation_days(&producer.simulation);
	const DayRecords *records = day_records(&spec, day);

	/* a file may be written while we wait for brokers, and then of another day */
	day_hold(records);
	return records;
}

/* ---- order ---- */

static int
compare_events(const void *a, const void *b)
{
	const Event *first = a;
	const Event *second = b;

	if (first->time != second->time)
		return first->time < second->time ? -1 : 1;
	return first->number < second->number ? -1 : 1;
}

static int
add_events(const DayRecords *records, int kind, Event *events, int n)
{
	const char *record = records->rows[kind];

	for (int i = 0; i < records->count[kind]; i++, n++)
	{
		events[n] = (Event) {event_time(kind, record), record, kind, n};
		record += record_kinds[kind].size;
	}
	return n;
}

static Event *
day_events(const DayRecords *records, int kind, int *n)
{
	Event	   *events;
	int			room = 0;

	for (int k = 0; k < RECORD_KINDS; k++)
	{
		if (k == kind || (kind == STREAM_ADT && event_has_hl7(k)))
			room += records->count[k];
	}
	events = palloc(Max(room, 1) * sizeof(Event));
	*n = 0;
	for (int k = 0; k < RECORD_KINDS; k++)
	{
		if (k == kind || (kind == STREAM_ADT && event_has_hl7(k)))
			*n = add_events(records, k, events, *n);
	}
	/* takes a single pass where they are in order already */
	qsort(events, *n, sizeof(Event), compare_events);
	return events;
}

/* ---- messages ---- */

static void
add_payload(StringInfo text, int kind, const Event *event)
{
	if (kind == STREAM_ADT)
		event_to_hl7(text, event->kind, event->record, producer.simulation.name);
	else
		event_to_json(text, event->kind, event->record);
}

static Message
add_message(StringInfo text, int kind, const Event *event)
{
	Message		message = {.at = text->len};
	pg_uuid_t	id;

	enlargeStringInfo(text, KEY_TEXT + EVENT_ID_LENGTH + 1);
	message.key_length = pg_lltoa(event_subject(event->kind, event->record), text->data + text->len);
	text->len += message.key_length;
	event_id(&id, event->kind, event->record);
	event_id_text(text->data + text->len, &id);
	text->len += EVENT_ID_LENGTH;
	event_append_utc(text, event->time);
	message.time_length = text->len - message.at - message.key_length - EVENT_ID_LENGTH;
	add_payload(text, kind, event);
	message.length = text->len - message.at;
	return message;
}

/* Of events number "first" to "end" - 1. */
static Messages *
make_messages(int kind, const Event *events, int first, int end)
{
	Messages   *messages = palloc(sizeof(Messages));

	*messages = (Messages) {.first = first, .n = Max(end - first, 0)};
	messages->message = palloc(Max(messages->n, 1) * sizeof(Message));
	initStringInfo(&messages->text);
	enlargeStringInfo(&messages->text, messages->n * MESSAGE_BYTES);
	for (int i = 0; i < messages->n; i++)
	{
		if (i % TURN == 0)
			CHECK_FOR_INTERRUPTS();
		messages->message[i] = add_message(&messages->text, kind, &events[first + i]);
	}
	return messages;
}

/* The events of a day, in a context that making their messages ends. */
typedef struct DayEvents
{
	MemoryContext scratch;
	Event	   *events;
	int			n;
} DayEvents;

static DayEvents
open_events(DateADT day, int kind)
{
	DayEvents	of_day = {AllocSetContextCreate(CurrentMemoryContext, "hospital events of a day",
												ALLOCSET_DEFAULT_SIZES)};
	MemoryContext before = MemoryContextSwitchTo(of_day.scratch);

	of_day.events = day_events(day_for_sending(day), kind, &of_day.n);
	MemoryContextSwitchTo(before);
	return of_day;
}

static const Messages *
messages_of(DayEvents *of_day, int kind, int first, int end)
{
	Messages   *messages = make_messages(kind, of_day->events, first, Min(end, of_day->n));

	MemoryContextDelete(of_day->scratch);
	return messages;
}

const Messages *
share_messages(DateADT day, int kind, int first, double share)
{
	DayEvents	of_day = open_events(day, kind);

	return messages_of(&of_day, kind, first, (int) (share * of_day.n + SHARE_ROUNDING));
}

const Messages *
some_messages(DateADT day, int kind, int first, int n)
{
	DayEvents	of_day = open_events(day, kind);

	return messages_of(&of_day, kind, first, first + n);
}

/* ---- whole days, made ahead ---- */

static PreparedDay *
prepared_day(DateADT day)
{
	MemoryContext before;
	ListCell   *cell;
	PreparedDay *prepared;

	foreach(cell, producer.ahead)
	{
		prepared = lfirst(cell);
		if (prepared->day == day)
			return prepared;
	}
	before = MemoryContextSwitchTo(producer.context);
	prepared = palloc0(sizeof(PreparedDay));
	prepared->day = day;
	prepared->context = AllocSetContextCreate(producer.context, "hospital messages of a day",
											  ALLOCSET_DEFAULT_SIZES);
	producer.ahead = lappend(producer.ahead, prepared);
	MemoryContextSwitchTo(before);
	return prepared;
}

const Messages *
day_messages(DateADT day, int kind)
{
	PreparedDay *prepared = prepared_day(day);

	if (prepared->kinds[kind] == NULL)
	{
		MemoryContext before = MemoryContextSwitchTo(prepared->context);

		prepared->kinds[kind] = share_messages(day, kind, 0, 1);
		MemoryContextSwitchTo(before);
	}
	return prepared->kinds[kind];
}

void
forget_messages_before(DateADT day)
{
	ListCell   *cell;

	foreach(cell, producer.ahead)
	{
		PreparedDay *prepared = lfirst(cell);

		if (prepared->day >= day)
			continue;
		MemoryContextDelete(prepared->context);
		pfree(prepared);
		producer.ahead = foreach_delete_current(producer.ahead, cell);
	}
}

static bool
is_room_ahead(DateADT from)
{
	Size		bytes = 0;
	ListCell   *cell;

	foreach(cell, producer.ahead)
	{
		PreparedDay *prepared = lfirst(cell);

		if (prepared->day >= from)
			bytes += MemoryContextMemAllocated(prepared->context, true);
	}
	return bytes < AHEAD_BYTES;
}

void
prepare_ahead(DateADT from, int n, KindDay (*ledger)[STREAM_KINDS])
{
	int			kinds[STREAM_KINDS];
	int			nkinds = stream_kinds(kinds);

	for (int i = 0; i < n && is_room_ahead(from); i++)
	{
		for (int k = 0; k < nkinds; k++)
		{
			kafka_serve(producer.client);
			if (kafka_undelivered(producer.client) == 0)
				return;
			if (!ledger[i][kinds[k]].done)
				(void) day_messages(from + i, kinds[k]);
		}
	}
}
