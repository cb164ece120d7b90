/*
 * producer_send.c: the events of a day, in order, and sending them.
 *
 * Events of a kind go in order of time.  Records are in order of id, which is
 * nearly that; what completes an earlier record comes at the time at which it
 * does, and the HL7 topic merges three kinds.  The messages of a patient have
 * one key, so one partition has them, in this order.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/memutils.h"

#include "event.h"
#include "producer_private.h"
#include "topics.h"
#include "worker.h"

#define NUMBER_TEXT 24
#define TICK_TEXT 40
#define ID_TEXT 37
#define TURN 512				/* events between two looks at reports and interrupts */

const DayRecords *
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

Event *
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

/* ---- topics ---- */

void
stream_open(int kind)
{
	Stream	   *stream = &producer.streams[kind];

	if (stream->topic != NULL)
		return;
	if (kafka_partition_count(producer.client, stream->name, START_TIMEOUT_MS) == 0)
	{
		if (producer.target.embedded)
			ereport(ERROR,
					(errcode(ERRCODE_CONNECTION_FAILURE),
					 errmsg("the embedded broker does not have topic \"%s\" yet", stream->name)));
		kafka_create_topic(producer.client, stream->name, TOPIC_PARTITIONS, START_TIMEOUT_MS);
	}
	stream->topic = kafka_topic(producer.client, stream->name);
}

/* ---- sending ---- */

enum
{
	OF_SIMULATION, OF_EVENT_ID, OF_TYPE, OF_SCHEMA_VERSION, OF_SIMULATED_TIME, OF_TICK, HEADERS
};

/* The headers, and where the texts of those are that differ. */
typedef struct Envelope
{
	KafkaHeader headers[HEADERS];
	char		id[ID_TEXT];
	char		tick[TICK_TEXT];
	StringInfoData time;
} Envelope;

static void
set_header(Envelope *envelope, int number, const char *name, const char *value)
{
	envelope->headers[number] = (KafkaHeader) {name, value, strlen(value)};
}

static void
open_envelope(Envelope *envelope, const TickKey *tick)
{
	int			year,
				month,
				of_month;

	j2date(tick->day + POSTGRES_EPOCH_JDATE, &year, &month, &of_month);
	snprintf(envelope->tick, TICK_TEXT, "%04d-%02d-%02d %d", year, month, of_month, tick->tick);
	initStringInfo(&envelope->time);
	set_header(envelope, OF_SIMULATION, HEADER_SIMULATION, producer.simulation_id);
	set_header(envelope, OF_TYPE, HEADER_TYPE, stream_kind_name(tick->kind));
	set_header(envelope, OF_SCHEMA_VERSION, HEADER_SCHEMA_VERSION, EVENT_SCHEMA_VERSION);
	set_header(envelope, OF_TICK, HEADER_TICK, envelope->tick);
}

static void
address_envelope(Envelope *envelope, const Event *event)
{
	pg_uuid_t	id;

	event_id(&id, event->kind, event->record);
	event_id_text(envelope->id, &id);
	set_header(envelope, OF_EVENT_ID, HEADER_EVENT_ID, envelope->id);
	resetStringInfo(&envelope->time);
	event_append_utc(&envelope->time, event->time);
	envelope->headers[OF_SIMULATED_TIME] = (KafkaHeader) {
		HEADER_SIMULATED_TIME, envelope->time.data, envelope->time.len
	};
}

static void
make_payload(StringInfo payload, int kind, const Event *event)
{
	resetStringInfo(payload);
	if (kind == STREAM_ADT)
		event_to_hl7(payload, event->kind, event->record, producer.simulation.name);
	else
		event_to_json(payload, event->kind, event->record);
}

int64
send_events(PublishedTick *tick, const Event *events, int n)
{
	KafkaTopic *topic = producer.streams[tick->key.kind].topic;
	Envelope	envelope;
	StringInfoData payload;
	int64		bytes = 0;

	open_envelope(&envelope, &tick->key);
	initStringInfo(&payload);
	for (int i = 0; i < n; i++)
	{
		char		key[NUMBER_TEXT];
		int			key_length = pg_lltoa(event_subject(events[i].kind, events[i].record), key);

		if (i % TURN == 0)
		{
			CHECK_FOR_INTERRUPTS();
			kafka_serve(producer.client);
		}
		address_envelope(&envelope, &events[i]);
		make_payload(&payload, tick->key.kind, &events[i]);
		kafka_send(topic, key, key_length, payload.data, payload.len, envelope.headers, HEADERS,
				   &tick->arrivals);
		bytes += payload.len;
	}
	tick->events += n;
	pfree(payload.data);
	pfree(envelope.time.data);
	return bytes;
}
