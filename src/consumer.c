/*
 * consumer.c: the worker that brings events from Kafka into hospital.transfers.
 *
 * Whose partitions: consumer number k of n has the partitions p with
 * p mod n = k, assigned by itself; the brokers keep no group and no position.
 *
 * Positions: the ledger hospital.stream_ranges alone.  Collecting a batch and
 * parsing it happens with no transaction open; then one transaction inserts
 * its rows, its rejects and one range for each partition that it has messages
 * of.  A range begins where the one before it ended, so it also covers the
 * offsets that transaction markers take.  In memory, a position moves only
 * after the commit; after any error the client is closed, and the next one
 * starts from the ledger.
 *
 * Fencing: an owner that was paused while another took over finds its range's
 * first offset taken, or the ledger further on than it thinks, and rolls back.
 *
 * Faults of a message are found in C while parsing; those that constraints
 * find, while writing (stream_write.c).  A position that is not in the log any
 * more stops its partition, visibly; nothing is skipped.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "kafka.h"
#include "simulation.h"
#include "stream_write.h"
#include "topics.h"
#include "worker.h"

#define BATCH_MESSAGES 10000
#define BATCH_BYTES (4 * 1024 * 1024)
#define LINGER_MS 10			/* a batch waits this long for company */
#define IDLE_MS 10000			/* between two looks at the settings */
#define IDLE_EMBEDDED_MS 1000	/* ... and at the embedded broker's epoch */
#define TROUBLE_MS 1000			/* between two questions whether it is over */
#define ABSENT_MS 500			/* between two looks for what is not there yet */
#define UNSERVED_MS 5000		/* ... when the brokers had to be asked for it */
#define RECOUNT_MS 60000		/* between two looks at the number of partitions */
#define METADATA_TIMEOUT_MS 10000
#define METADATA_EMBEDDED_MS 2000	/* it may have moved to another port meanwhile */
#define MAX_HEADERS 64

extern PGDLLEXPORT void consumer_main(Datum main_arg);

static struct
{
	KafkaClient *client;		/* NULL: to be opened */
	MemoryContext context;		/* as long as the client is open */
	MemoryContext batch;		/* child of context: one batch's messages */
	KafkaTarget target;
	Simulation	simulation;
	char		simulation_id[37];
	char		topic[TOPIC_NAME_LENGTH];
	StreamLog	log;			/* what the ledger calls it */
	int			workers;
	Partition  *partitions;
	int			npartitions;
	int			count;			/* of the topic, as it was opened */
	int			stopped;
	TimestampTz probed_at;
	TimestampTz counted_at;
}			consumer;

/* ---- opening and closing ---- */

static void
consumer_close(void)
{
	if (consumer.context != NULL)
		MemoryContextDelete(consumer.context);	/* and the client with it */
	memset(&consumer, 0, sizeof(consumer));
}

/* Is the client one for what the settings and the embedded broker are now? */
static bool
is_current(void)
{
	KafkaTarget now;

	return consumer.client != NULL && kafka_target(&now) &&
		consumer.workers == hospital_consumer_workers &&
		strcmp(now.identity, consumer.target.identity) == 0;
}

static bool
read_simulation(void)
{
	bool		found;

	if (!worker_begin("reading the simulation"))
		return false;
	found = simulation_read(&consumer.simulation, true);
	worker_commit();
	if (found)
	{
		char	   *out = consumer.simulation_id;

		for (int i = 0; i < UUID_LEN; i++)
		{
			if (i == 4 || i == 6 || i == 8 || i == 10)
				*out++ = '-';
			out += sprintf(out, "%02x", consumer.simulation.id.data[i]);
		}
	}
	return found;
}

/* Which partitions of count are ours. */
static void
take_partitions(int count)
{
	consumer.partitions = palloc0(count * sizeof(Partition));
	for (int p = worker_number(); p < count; p += consumer.workers)
		consumer.partitions[consumer.npartitions++].number = p;
}

static bool
read_positions(void)
{
	if (!worker_begin("reading positions"))
		return false;
	for (int i = 0; i < consumer.npartitions; i++)
		consumer.partitions[i].next = stream_position(&consumer.log, consumer.partitions[i].number);
	worker_commit();
	return true;
}

static void
assign(void)
{
	int			n = consumer.npartitions;
	int		   *numbers = palloc(n * sizeof(int));
	int64	   *positions = palloc(n * sizeof(int64));

	for (int i = 0; i < n; i++)
	{
		const Partition *partition = &consumer.partitions[i];

		numbers[i] = partition->number;
		positions[i] = partition->next == NO_POSITION ? KAFKA_FROM_START : partition->next;
	}
	kafka_assign(consumer.client, consumer.topic, numbers, positions, n);
}

/* In consumer.context.  NULL when open, else the state to show meanwhile. */
static const char *
try_open(void)
{
	int			count;

	if (!read_simulation())
		return "no hospital here";
	if (!kafka_target(&consumer.target))
		return consumer.target.embedded ? "waiting for the embedded broker" : "no brokers are set";
	consumer.workers = hospital_consumer_workers;
	if (worker_number() >= consumer.workers)
		return "one consumer too many";
	transfers_topic(consumer.topic);
	consumer.log = (StreamLog) {consumer.topic, consumer.target.epoch};
	worker_state("connecting to %s", consumer.target.brokers);
	consumer.client = kafka_open_consumer(consumer.target.brokers,
										  psprintf("hospital-%s", consumer.simulation_id), false);
	count = kafka_partition_count(consumer.client, consumer.topic,
								  consumer.target.embedded ? METADATA_EMBEDDED_MS : METADATA_TIMEOUT_MS);
	if (count == 0)
		return psprintf("unknown topic %s", consumer.topic);
	consumer.count = count;
	consumer.counted_at = GetCurrentTimestamp();
	take_partitions(count);
	if (consumer.npartitions == 0)
		return "no partition for this consumer";
	if (!read_positions())
		return "no hospital here";
	assign();
	return NULL;
}

static bool
consumer_open(void)
{
	MemoryContext before = CurrentMemoryContext;
	const char *state;

	consumer.context = AllocSetContextCreate(TopMemoryContext, "hospital consumer",
											 ALLOCSET_DEFAULT_SIZES);
	consumer.batch = AllocSetContextCreate(consumer.context, "hospital consumer batch",
										   ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(consumer.context);
	state = try_open();
	MemoryContextSwitchTo(before);
	if (state != NULL)
	{
		long		absent = consumer.client != NULL ? UNSERVED_MS : ABSENT_MS;

		worker_state("%s", state);
		consumer_close();
		worker_wait(absent, -1);
		return false;
	}
	worker_clear_error();
	worker_state("waiting for events");
	return true;
}

/* ---- collecting, with no transaction open ---- */

static void
append_json_bytes(StringInfo json, const char *name, const char *bytes, size_t length)
{
	static const char hex[] = "0123456789abcdef";

	if (text_is_storable(bytes, length))
	{
		appendStringInfo(json, "\"%s\":", name);
		escape_json(json, pnstrdup(bytes, length));
		return;
	}
	appendStringInfo(json, "\"%s_hex\":\"", name);
	for (size_t i = 0; i < length; i++)
	{
		appendStringInfoCharMacro(json, hex[(unsigned char) bytes[i] >> 4]);
		appendStringInfoCharMacro(json, hex[(unsigned char) bytes[i] & 15]);
	}
	appendStringInfoChar(json, '"');
}

/* As an array, since names may repeat. */
static const char *
headers_json(const KafkaHeader *headers, int n)
{
	StringInfoData json;

	initStringInfo(&json);
	for (int i = 0; i < n; i++)
	{
		appendStringInfoString(&json, i == 0 ? "[{" : ",{");
		append_json_bytes(&json, "name", headers[i].name, strlen(headers[i].name));
		appendStringInfoChar(&json, ',');
		if (headers[i].value != NULL)
			append_json_bytes(&json, "value", headers[i].value, headers[i].length);
		else
			appendStringInfoString(&json, "\"value\":null");
		appendStringInfoChar(&json, '}');
	}
	appendStringInfoString(&json, n == 0 ? "[]" : "]");
	return json.data;
}

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

/* Form a transfer, or find out why it is none. */
static void
parse(Message *message, const KafkaHeader *headers, int nheaders)
{
	if (!header_is(headers, nheaders, HEADER_SIMULATION_ID, consumer.simulation_id))
		message_reject(message, ERRCODE_CHECK_VIOLATION, "the message is not of this simulation");
	else if (!header_is(headers, nheaders, HEADER_SCHEMA_VERSION, TRANSFER_SCHEMA_VERSION))
		message_reject(message, ERRCODE_FEATURE_NOT_SUPPORTED, "the message has another schema version");
	else
		message->rejected = !transfer_from_json(message->payload, message->length,
												&message->transfer, &message->error);
}

static Partition *
find_partition(int number)
{
	for (int i = 0; i < consumer.npartitions; i++)
	{
		if (consumer.partitions[i].number == number)
			return &consumer.partitions[i];
	}
	return NULL;
}

static const char *
copy_bytes(const char *bytes, size_t length)
{
	char	   *copy;

	if (bytes == NULL)
		return NULL;
	copy = palloc(Max(length, 1));
	memcpy(copy, bytes, length);
	return copy;
}

static Message *
add_message(Partition *partition)
{
	if (partition->n == partition->room)
	{
		partition->room = Max(partition->room * 2, 64);
		partition->messages = partition->messages == NULL ?
			palloc(partition->room * sizeof(Message)) :
			repalloc(partition->messages, partition->room * sizeof(Message));
	}
	return memset(&partition->messages[partition->n++], 0, sizeof(Message));
}

/*
 * Copy a message out of the library's memory, so that nothing of it outlives
 * the next kafka_next, and parse it.  Bytes it takes (headers too, which may be
 * the larger part); 0 when it is not ours.
 */
static size_t
collect_message(const KafkaMessage *from)
{
	Partition  *partition = find_partition(from->partition);
	KafkaHeader headers[MAX_HEADERS];
	int			nheaders;
	MemoryContext before;
	Message    *message;

	if (partition == NULL || partition->stopped || from->offset < partition->next)
		return 0;
	nheaders = kafka_headers(consumer.client, headers, MAX_HEADERS);
	before = MemoryContextSwitchTo(consumer.batch);
	message = add_message(partition);
	message->offset = from->offset;
	message->payload = copy_bytes(from->payload, from->length);
	message->length = from->length;
	message->key = copy_bytes(from->key, from->key_length);
	message->key_length = from->key_length;
	message->headers = headers_json(headers, nheaders);
	parse(message, headers, nheaders);
	MemoryContextSwitchTo(before);
	return from->length + from->key_length + strlen(message->headers);
}

/*
 * The position is not in the log: messages were deleted before we read them,
 * or the topic is another one of the same name.
 */
static void
stop_partition(const KafkaMessage *gap)
{
	Partition  *partition = find_partition(gap->partition);
	int64		low = -1;
	int64		high = -1;
	char		text[WORKER_ERROR_LENGTH];

	if (partition == NULL || partition->stopped)
		return;
	partition->stopped = true;
	consumer.stopped++;
	kafka_log_bounds(consumer.client, consumer.topic, partition->number, &low, &high);
	snprintf(text, sizeof(text), "gap: topic %s partition %d cannot be read at offset "
			 INT64_FORMAT " (the log has " INT64_FORMAT " to " INT64_FORMAT ")",
			 consumer.topic, partition->number, partition->next, low, high);
	ereport(LOG,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("%s", text),
			 errdetail("The partition is stopped; nothing of it is skipped.")));
	worker_record_error(ERRCODE_DATA_CORRUPTED, text);
}

static void
show_state(void)
{
	const char *trouble = kafka_trouble(consumer.client);

	if (trouble != NULL)
		worker_state("%s", trouble);
	else if (consumer.stopped > 0)
		worker_state("%d of %d partitions stopped by a gap", consumer.stopped,
					 consumer.npartitions);
	else
		worker_state("waiting for events");
}

/* In trouble: ask now and then whether it is over, since silence says nothing. */
static long
idle_time(void)
{
	if (kafka_trouble(consumer.client) == NULL)
		return consumer.target.embedded ? IDLE_EMBEDDED_MS : IDLE_MS;
	if (TimestampDifferenceExceeds(consumer.probed_at, GetCurrentTimestamp(), TROUBLE_MS))
	{
		kafka_probe(consumer.client, consumer.topic, false);
		consumer.probed_at = GetCurrentTimestamp();
	}
	return TROUBLE_MS;
}

/*
 * Collect until the batch is full, or its first message has waited LINGER_MS
 * for company, or nothing came for a while.  Messages there are.
 */
static int
collect(void)
{
	TimestampTz first_at = 0;
	size_t		bytes = 0;
	int			n = 0;
	bool		waited = false;

	while (n < BATCH_MESSAGES && bytes < BATCH_BYTES)
	{
		KafkaMessage message;
		KafkaNext	next = kafka_next(consumer.client, &message);

		if (next == KAFKA_MESSAGE)
		{
			size_t		taken = collect_message(&message);

			if (taken > 0 && n++ == 0)
				first_at = GetCurrentTimestamp();
			bytes += taken;
		}
		else if (next == KAFKA_GAP)
			stop_partition(&message);
		else if (next == KAFKA_NOTHING && n > 0)
		{
			long		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(),
															   first_at + LINGER_MS * INT64CONST(1000));

			if (left <= 0)
				break;
			kafka_wait(consumer.client, left);
		}
		else if (next == KAFKA_NOTHING)
		{
			show_state();
			if (waited)
				break;
			kafka_wait(consumer.client, idle_time());
			waited = true;
		}
	}
	return n;
}

static void
forget_batch(void)
{
	for (int i = 0; i < consumer.npartitions; i++)
	{
		Partition  *partition = &consumer.partitions[i];

		partition->messages = NULL;
		partition->n = partition->room = 0;
		partition->rows = partition->rejects = partition->duplicates = 0;
	}
	MemoryContextReset(consumer.batch);
}

/* ---- applying, in one transaction ---- */

/* Rows, rejects and ranges of the batch, all or none.  False: no hospital. */
static bool
apply(void)
{
	uint64		rows = 0;

	if (!worker_begin("taking in events"))
		return false;
	for (int i = 0; i < consumer.npartitions; i++)
	{
		if (consumer.partitions[i].n > 0)
			stream_write(&consumer.log, &consumer.partitions[i]);
	}
	worker_commit();

	for (int i = 0; i < consumer.npartitions; i++)
	{
		Partition  *partition = &consumer.partitions[i];

		if (partition->n == 0)
			continue;
		partition->next = partition->messages[partition->n - 1].offset + 1;
		rows += partition->rows;
	}
	worker_count_rows(rows);
	forget_batch();
	return true;
}

/* ---- the loop ---- */

/* Somebody may add partitions to a topic at any time. */
static bool
was_repartitioned(void)
{
	int			count;

	if (!TimestampDifferenceExceeds(consumer.counted_at, GetCurrentTimestamp(), RECOUNT_MS))
		return false;
	consumer.counted_at = GetCurrentTimestamp();
	count = kafka_probe(consumer.client, consumer.topic, kafka_trouble(consumer.client) == NULL);
	return count > 0 && count != consumer.count;
}

static void
turn(void)
{
	if (!is_current())
	{
		consumer_close();
		if (!consumer_open())
			return;
	}
	if (was_repartitioned())
	{
		consumer_close();		/* another number of partitions is ours */
		return;
	}
	if (collect() > 0 && !apply())
		consumer_close();		/* the hospital is gone, or being changed */
}

static bool
consumer_turn(void *arg)
{
	PG_TRY();
	{
		turn();
	}
	PG_CATCH();
	{
		/* Where we are is what the ledger says; begin again from there. */
		consumer_close();
		PG_RE_THROW();
	}
	PG_END_TRY();
	return true;
}

void
consumer_main(Datum main_arg)
{
	worker_start(main_arg);
	worker_loop(consumer_turn, NULL);
}
