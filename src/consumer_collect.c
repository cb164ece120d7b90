/*
 * consumer_collect.c: messages of a consumer's partitions into a batch, with no
 * transaction open.
 *
 * Messages stay in the library's memory, each in a slot that is given back when
 * its batch is done with.  Those that are taken wait in a ring for each
 * partition; a batch takes the oldest of all by the brokers' timestamps, so that
 * keys that grow with time come near the end of their index.  Here a partition's
 * first message is held against the witness, and gaps are declared (stop_for_gap).
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "consumer_private.h"
#include "event_headers.h"
#include "settings.h"
#include "stream_ledger.h"

#define CHUNK 512				/* messages taken at a time */
#define AHEAD 2					/* batches of messages that may wait for their turn */
#define IDLE_MS 10000			/* between two looks at the settings */
#define TROUBLE_MS 1000			/* between two questions whether it is over */

/* ---- messages that are the library's ---- */

static void
keep_until_forgotten(int slot)
{
	if (consumer.nused == consumer.used_room)
	{
		consumer.used_room = Max(consumer.used_room * 2, CHUNK);
		consumer.used = consumer.used == NULL ?
			MemoryContextAllocHuge(consumer.context, consumer.used_room * sizeof(int)) :
			repalloc_huge(consumer.used, consumer.used_room * sizeof(int));
	}
	consumer.used[consumer.nused++] = slot;
}

void
consumer_forget_batch(void)
{
	stream_batch_forget(&consumer.batch);
	for (int i = 0; i < consumer.nused; i++)
		kafka_give_back(consumer.client, consumer.used[i]);
	consumer.nused = 0;
	consumer.bytes = 0;
	consumer.fetch_us = consumer.parse_us = 0;
	consumer.first_at = GetCurrentTimestamp();	/* of what waits */
}

static const KafkaTaken *
next_waiting(const Reading *reading)
{
	return &reading->waiting[reading->first];
}

void
consumer_forget_waiting(void)
{
	for (int i = 0; i < consumer.batch.npartitions; i++)
	{
		Reading    *reading = &consumer.readings[i];

		for (; reading->nwaiting > 0; reading->nwaiting--)
		{
			kafka_give_back(consumer.client, next_waiting(reading)->slot);
			reading->first = (reading->first + 1) & (reading->room - 1);
		}
	}
	consumer.nwaiting = 0;
	consumer.waiting_bytes = 0;
}

/* ---- stopping ---- */

/* Not before what was taken of it has been taken in. */
static void
stop(StreamPartition *partition, int sqlstate, const char *text)
{
	partition->stopping = true;
	event_fault(&partition->stop, sqlstate, NULL, "%s", text);
}

static void
stop_for_gap(StreamPartition *partition)
{
	bool		begins_later = goes_on_at(partition) < partition->log_begin;

	stop(partition, begins_later ? ERRCODE_STREAM_GAP : ERRCODE_STREAM_OTHER_LOG,
		 psprintf("gap: topic %s partition %d cannot be read at offset " INT64_FORMAT " (the log has " INT64_FORMAT " to " INT64_FORMAT ")%s",
				  partition->topic->name, partition->number, partition->next,
				  partition->log_begin, partition->log_end,
				  begins_later ? "" : "; it is another topic of the same name, or has lost its end"));
}

static void
ask_bounds(StreamPartition *partition)
{
	if (!kafka_ask_bounds(consumer.client, partition->topic->name, partition->number,
						  &partition->log_begin, &partition->log_end))
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE),
				 errmsg("could not learn which offsets topic %s partition %d has",
						partition->topic->name, partition->number)));
}

/*
 * The position, or the witness before it, was not in the log when it was asked
 * for.  Where it is by now, the log has grown in between: it is another one, or
 * another leader catches up.  Opening again has the witness to tell.
 */
static void
meet_gap(StreamPartition *partition)
{
	int64		asked = partition->witness.offset != NO_POSITION ? partition->witness.offset :
		partition->next;

	ask_bounds(partition);
	if (partition->next != NO_POSITION &&
		(goes_on_at(partition) < partition->log_begin || partition->next > partition->log_end))
		stop_for_gap(partition);
	else if (asked == NO_POSITION || asked < partition->log_begin)
	{
		/* Only the witness is gone, and what followed it without a message: nothing was lost. */
		partition->witness.offset = NO_POSITION;
		consumer.read_anew = true;
	}
	else
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE),
				 errmsg("the brokers refused offset " INT64_FORMAT " of topic %s partition %d, although they say that it has " INT64_FORMAT " to " INT64_FORMAT,
						asked, partition->topic->name, partition->number,
						partition->log_begin, partition->log_end),
				 errhint("Reading begins again. If it lasts, look at the partition's replicas.")));
}

/* The message that was taken in before is not where it was. */
static void
miss_witness(StreamPartition *partition)
{
	ask_bounds(partition);
	if (goes_on_at(partition) < partition->log_begin)
		stop_for_gap(partition);
	else if (partition->witness.offset >= partition->log_begin &&
			 !kafka_is_compacted(consumer.client, partition->topic->name))
		stop(partition, ERRCODE_STREAM_OTHER_LOG,
			 psprintf("topic %s partition %d has no message at offset " INT64_FORMAT ", where one was read before: it is another topic of the same name",
					  partition->topic->name, partition->number, partition->witness.offset));
}

/* The first message of a partition: is this the log that was read before? */
static void
watch(StreamPartition *partition, const KafkaTaken *taken)
{
	const StreamWitness *witness = &partition->witness;

	if (taken->offset > witness->offset)
		miss_witness(partition);
	else if (taken->timestamp != witness->timestamp ||
			 stream_digest(taken->key, taken->key_length, taken->payload, taken->length) != witness->digest)
		stop(partition, ERRCODE_STREAM_OTHER_LOG,
			 psprintf("topic %s partition %d has another message at offset " INT64_FORMAT " than was read before: it is another topic of the same name",
					  partition->topic->name, partition->number, witness->offset));
}

/* ---- collecting, with no transaction open ---- */

static bool
header_is(const KafkaHeader *headers, int n, const char *name, const char *value)
{
	for (int i = 0; i < n; i++)
	{
		if (strcmp(headers[i].name, name) == 0)
			return headers[i].value != NULL && headers[i].length == strlen(value) &&
				memcmp(headers[i].value, value, headers[i].length) == 0;
	}
	return false;
}

static bool
add_message(const StreamMessage *message)
{
	KafkaHeader headers[HEADERS_READ];
	int			n = kafka_taken_headers(message->handle, headers, HEADERS_READ);

	if (!header_is(headers, n, HEADER_SIMULATION, consumer.simulation_id))
		return stream_batch_reject(&consumer.batch, message, ERRCODE_CHECK_VIOLATION,
								   "the message is not of this simulation");
	if (!header_is(headers, n, HEADER_SCHEMA_VERSION, EVENT_SCHEMA_VERSION))
		return stream_batch_reject(&consumer.batch, message, ERRCODE_FEATURE_NOT_SUPPORTED,
								   "the message has another schema version");
	return stream_batch_add(&consumer.batch, message);
}

/* Into the batch, or to what it says of its partition. */
static void
take(const KafkaTaken *taken, int i)
{
	StreamPartition *partition = &consumer.batch.partitions[i];
	Reading    *reading = &consumer.readings[i];
	StreamMessage message = {
		.partition = partition, .offset = taken->offset, .timestamp = taken->timestamp,
		.payload = taken->payload, .length = taken->length,
		.key = taken->key, .key_length = taken->key_length, .handle = taken->handle
	};

	if (!partition->running || partition->stopping)
		return;
	if (taken->what == KAFKA_LOST || reading->lost)
	{
		consumer.came_back |= taken->what != KAFKA_LOST;
		reading->lost = true;
		return;
	}
	if (taken->what == KAFKA_GAP)
	{
		meet_gap(partition);
		return;
	}
	if (taken->what == KAFKA_END)
	{
		reading->end = taken->offset;
		return;
	}
	if (reading->watched && taken->offset >= partition->witness.offset)
	{
		reading->watched = false;
		watch(partition, taken);
	}
	if (partition->stopping || taken->offset < partition->next)
		return;
	if (add_message(&message))
		consumer.bytes += taken->length + taken->key_length;
}

/* In trouble: ask now and then whether it is over, since silence says nothing. */
static long
idle_time(void)
{
	if (kafka_trouble(consumer.client) == NULL)
		return IDLE_MS;
	if (TimestampDifferenceExceeds(consumer.probed_at, GetCurrentTimestamp(), TROUBLE_MS))
	{
		kafka_probe(consumer.client, consumer.topics[0].name, false);
		consumer.probed_at = GetCurrentTimestamp();
	}
	return TROUBLE_MS;
}

/* ---- what waits ---- */

static void
put_waiting(const KafkaTaken *taken)
{
	int			i = taken->partition < consumer.counts[taken->topic] ?
		consumer.by_number[taken->topic][taken->partition] : -1;
	Reading    *reading;

	if (i < 0)
	{
		kafka_give_back(consumer.client, taken->slot);
		return;
	}
	reading = &consumer.readings[i];
	if (reading->nwaiting == reading->room)
	{
		int			room = Max(reading->room * 2, CHUNK);
		KafkaTaken *ring = MemoryContextAllocHuge(consumer.context, room * sizeof(KafkaTaken));

		for (int k = 0; k < reading->nwaiting; k++)
			ring[k] = reading->waiting[(reading->first + k) & (reading->room - 1)];
		if (reading->waiting != NULL)
			pfree(reading->waiting);
		reading->waiting = ring;
		reading->room = room;
		reading->first = 0;
	}
	reading->waiting[(reading->first + reading->nwaiting++) & (reading->room - 1)] = *taken;
	consumer.waiting_bytes += taken->length + taken->key_length;
	if (consumer.nwaiting++ == 0 && consumer.batch.n == 0)
		consumer.first_at = GetCurrentTimestamp();
}

/* It is the batch's from now on. */
static void
use_waiting(int i)
{
	Reading    *reading = &consumer.readings[i];
	KafkaTaken	taken = *next_waiting(reading);

	reading->first = (reading->first + 1) & (reading->room - 1);
	reading->nwaiting--;
	consumer.nwaiting--;
	consumer.waiting_bytes -= taken.length + taken.key_length;
	take(&taken, i);
	keep_until_forgotten(taken.slot);
}

/*
 * The partition whose next message is the oldest, and up to which timestamp its
 * messages are older than those of all others; -1: nothing waits.
 */
static int
oldest_waiting(int64 *until)
{
	int			oldest = -1;

	*until = PG_INT64_MAX;
	for (int i = 0; i < consumer.batch.npartitions; i++)
	{
		const Reading *reading = &consumer.readings[i];
		int64		timestamp;

		if (reading->nwaiting == 0)
			continue;
		timestamp = next_waiting(reading)->timestamp;
		if (oldest < 0 || timestamp < next_waiting(&consumer.readings[oldest])->timestamp)
		{
			if (oldest >= 0)
				*until = Min(*until, next_waiting(&consumer.readings[oldest])->timestamp);
			oldest = i;
		}
		else
			*until = Min(*until, timestamp);
	}
	return oldest;
}

/* ---- the batch ---- */

static bool
is_full(void)
{
	return consumer.batch.n >= hospital_stream_batch_rows ||
		consumer.bytes >= hospital_stream_batch_size * UINT64CONST(1024);
}

static bool
enough_waits(void)
{
	return consumer.nwaiting >= (int64) hospital_stream_batch_rows * AHEAD ||
		consumer.waiting_bytes >= (uint64) hospital_stream_batch_size * 1024 * AHEAD;
}

/* Some of what the library has; how many. */
static int
take_some(void)
{
	KafkaTaken	taken[CHUNK];
	TimestampTz before = GetCurrentTimestamp();
	int			n = kafka_take(consumer.client, taken, CHUNK);

	for (int i = 0; i < n; i++)
		put_waiting(&taken[i]);
	consumer.fetch_us += GetCurrentTimestamp() - before;
	return n;
}

/* Of what waits, the oldest first, as much as a batch takes. */
static void
fill_batch(void)
{
	TimestampTz before = GetCurrentTimestamp();
	int64		until;
	int			i;

	while (!is_full() && !consumer.read_anew && !consumer.came_back && (i = oldest_waiting(&until)) >= 0)
	{
		const Reading *reading = &consumer.readings[i];

		CHECK_FOR_INTERRUPTS();
		do
			use_waiting(i);
		while (!consumer.came_back && reading->nwaiting > 0 && next_waiting(reading)->timestamp <= until && !is_full());
	}
	consumer.parse_us += GetCurrentTimestamp() - before;
}

/*
 * Take what there is, until enough waits for a batch, or the first message has
 * waited for company as long as it may, or nothing came for a while; then form
 * the batch.
 */
void
consumer_collect(void)
{
	bool		waited = false;

	while (!enough_waits())
	{
		CHECK_FOR_INTERRUPTS();
		if (take_some() > 0)
			continue;
		kafka_serve(consumer.client);
		if (consumer.nwaiting >= hospital_stream_batch_rows)
			break;
		if (consumer.nwaiting > 0)
		{
			long		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(),
															   consumer.first_at + hospital_stream_linger * INT64CONST(1000));

			if (left <= 0)
				break;
			kafka_wait(consumer.client, left);
		}
		else
		{
			consumer_show_state();
			if (waited)
				break;
			kafka_wait(consumer.client, idle_time());
			waited = true;
		}
	}
	kafka_serve(consumer.client);
	if (kafka_lost_leader(consumer.client))
	{
		for (int i = 0; i < consumer.batch.npartitions; i++)
			consumer.readings[i].lost = true;	/* it does not say which */
	}
	fill_batch();
}
