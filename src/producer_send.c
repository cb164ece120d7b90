/*
 * producer_send.c: the topics of events, and sending them with their headers.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/date.h"
#include "utils/datetime.h"

#include "event.h"
#include "event_headers.h"
#include "producer_private.h"
#include "worker.h"

#define TURN 512				/* events between two looks at reports and interrupts */
#define TOPIC_PARTITIONS 3		/* of a topic that hospital makes */

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

/* The headers, and the text of the one that is made here. */
typedef struct Envelope
{
	KafkaHeader headers[HEADERS];
	char		tick[TICK_TEXT];
} Envelope;

static void
set_header(Envelope *envelope, int number, const char *name, const char *value)
{
	envelope->headers[number] = (KafkaHeader) {name, value, strlen(value)};
}

void
tick_text(char *to, const TickKey *key, int64 stream_tick)
{
	int			year,
				month,
				of_month;

	j2date(key->day + POSTGRES_EPOCH_JDATE, &year, &month, &of_month);
	if (stream_tick > 0)
		snprintf(to, TICK_TEXT, "%04d-%02d-%02d %d " INT64_FORMAT, year, month, of_month, key->tick, stream_tick);
	else
		snprintf(to, TICK_TEXT, "%04d-%02d-%02d %d", year, month, of_month, key->tick);
}

static void
open_envelope(Envelope *envelope, const PublishedTick *tick)
{
	const TickKey *key = &tick->key;

	tick_text(envelope->tick, key, tick->stream_tick);
	set_header(envelope, OF_SIMULATION, HEADER_SIMULATION, producer.simulation_id);
	set_header(envelope, OF_TYPE, HEADER_TYPE, stream_kind_name(key->kind));
	set_header(envelope, OF_SCHEMA_VERSION, HEADER_SCHEMA_VERSION, EVENT_SCHEMA_VERSION);
	set_header(envelope, OF_TICK, HEADER_TICK, envelope->tick);
}

int64
send_messages(PublishedTick *tick, const Messages *messages, int first)
{
	KafkaTopic *topic = producer.streams[tick->key.kind].topic;
	Envelope	envelope;
	int64		bytes = 0;

	open_envelope(&envelope, tick);
	for (int i = first - messages->first; i < messages->n; i++)
	{
		const Message *message = &messages->message[i];
		const char *key = messages->text.data + message->at;
		const char *id = key + message->key_length;
		const char *time = id + EVENT_ID_LENGTH;
		const char *payload = time + message->time_length;
		size_t		length = message->length - (payload - key);

		if (i % TURN == 0)
		{
			CHECK_FOR_INTERRUPTS();
			kafka_serve(producer.client);
		}
		envelope.headers[OF_EVENT_ID] = (KafkaHeader) {HEADER_EVENT_ID, id, EVENT_ID_LENGTH};
		envelope.headers[OF_SIMULATED_TIME] = (KafkaHeader) {
			HEADER_SIMULATED_TIME, time, message->time_length
		};
		kafka_send(topic, key, message->key_length, payload, length, envelope.headers, HEADERS,
				   &tick->arrivals);
		bytes += length;
	}
	tick->events += messages->first + messages->n - first;
	return bytes;
}
