/*
 * kafka_receive.c: messages of many partitions, many at a time, left in the
 * library's memory.
 *
 * The library's simple interface: each partition is started at an offset and
 * stopped, with no group and nothing that could move it.  All share a queue, from
 * which a whole chunk is taken under one lock.  Everything else (errors of
 * brokers, log lines) comes on the client's ordinary queue; both tell of
 * themselves by the pipe.
 */
#include "postgres.h"

#include <unistd.h>

#include "utils/memutils.h"

#include "kafka_private.h"
#include "settings.h"
#include "worker.h"

#define CHUNK 512				/* messages under one lock */
#define ASK_MS 5000				/* for an answer about a topic */

/* ---- slots ---- */

static void
add_slots(KafkaClient *client)
{
	int			n = Max(client->nslots * 2, 2 * CHUNK);

	if (client->held == NULL)
	{
		client->held = MemoryContextAllocHuge(client->context, n * sizeof(rd_kafka_message_t *));
		client->free_slots = MemoryContextAllocHuge(client->context, n * sizeof(int));
	}
	else
	{
		client->held = repalloc_huge(client->held, n * sizeof(rd_kafka_message_t *));
		client->free_slots = repalloc_huge(client->free_slots, n * sizeof(int));
	}
	for (int slot = n - 1; slot >= client->nslots; slot--)
	{
		client->held[slot] = NULL;
		client->free_slots[client->nfree++] = slot;
	}
	client->nslots = n;
}

static int
hold(KafkaClient *client, rd_kafka_message_t *message)
{
	int			slot = client->free_slots[--client->nfree];

	client->held[slot] = message;
	return slot;
}

void
kafka_give_back(KafkaClient *client, int slot)
{
	Assert(client->held[slot] != NULL);
	rd_kafka_message_destroy(client->held[slot]);
	client->held[slot] = NULL;
	client->free_slots[client->nfree++] = slot;
}

/* ---- what is read ---- */

KafkaClient *
kafka_open_reader(const char *brokers)
{
	/*
	 * Without a group.  The bound is for all partitions together, since they
	 * share one queue; the count is set high because the library stops fetching
	 * for a whole second when either is passed.  A broker answers a connection's
	 * requests in order, so a fetch that waits for messages keeps a question
	 * waiting: less than LONG_SLICE_MS.  The debug lines are for
	 * kafka_lost_leader.
	 */
	const KafkaProperty defaults[] = {
		{"debug", "topic", 0},
		{"isolation.level", "read_committed", 0},
		{"auto.offset.reset", "error", 0},
		{"enable.partition.eof", "true", 0},
		{"fetch.wait.max.ms", "250", 0},
		{"queued.min.messages", "1000000", 0},
		{"queued.max.messages.kbytes", psprintf("%d", hospital_stream_queue), 0},
	};
	KafkaClient *client = kafka_client_new(brokers);

	kafka_open_pipe(client);
	kafka_start_library(client, RD_KAFKA_CONSUMER,
						kafka_conf_new(brokers, defaults, lengthof(defaults), true), false);
	kafka_join_queues(client);
	client->data = rd_kafka_queue_new(client->rk);
	rd_kafka_queue_io_event_enable(client->data, client->pipe[1], "", 1);
	return client;
}

static rd_kafka_topic_t *
topic_handle(KafkaClient *client, const KafkaPosition *position)
{
	rd_kafka_topic_t **topic = &client->topics[position->number];

	if (*topic == NULL)
		*topic = rd_kafka_topic_new(client->rk, position->topic, NULL);
	if (*topic == NULL)
		kafka_raise(client, psprintf("reading topic %s", position->topic), rd_kafka_last_error(), NULL);
	return *topic;
}

/* Waits for the library's own thread, not for brokers. */
static void
stop_reading(KafkaClient *client)
{
	for (int i = 0; i < client->nreading; i++)
		rd_kafka_consume_stop(client->topics[client->reading[i].number], client->reading[i].partition);
	client->nreading = 0;
}

void
kafka_read_from(KafkaClient *client, const KafkaPosition *positions, int n)
{
	Assert(client->nfree == client->nslots);
	stop_reading(client);
	if (client->reading != NULL)
		pfree(client->reading);
	client->reading = MemoryContextAlloc(client->context, Max(n, 1) * sizeof(KafkaPosition));
	for (int i = 0; i < n; i++)
	{
		const KafkaPosition *position = &positions[i];

		if (rd_kafka_consume_start_queue(topic_handle(client, position), position->partition,
										 position->offset, client->data) != 0)
			kafka_raise(client, psprintf("reading topic %s", position->topic), rd_kafka_last_error(), NULL);
		client->reading[client->nreading++] = *position;
	}
}

void
kafka_reader_end(KafkaClient *client)
{
	for (int slot = 0; slot < client->nslots; slot++)
		if (client->held[slot] != NULL)
			rd_kafka_message_destroy(client->held[slot]);
	stop_reading(client);
	for (int i = 0; i < STREAM_KINDS; i++)
		if (client->topics[i] != NULL)
			rd_kafka_topic_destroy(client->topics[i]);
	if (client->answers != NULL)
		rd_kafka_queue_destroy(client->answers);
	if (client->data != NULL)
	{
		rd_kafka_queue_io_event_enable(client->data, -1, NULL, 0);
		rd_kafka_queue_destroy(client->data);
	}
}

/* The caller's number of a message's topic; -1: nothing of ours. */
static int
topic_number(KafkaClient *client, const rd_kafka_topic_t *topic)
{
	for (int i = 0; i < STREAM_KINDS; i++)
		if (client->topics[i] == topic)
			return i;
	for (int i = 0; i < STREAM_KINDS; i++)
		if (client->topics[i] != NULL &&
			strcmp(rd_kafka_topic_name(client->topics[i]), rd_kafka_topic_name(topic)) == 0)
			return i;
	return -1;
}

/* ---- taking ---- */

static bool
is_gone(const rd_kafka_message_t *message)
{
	return message->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
		message->err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
		message->err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
}

/* An error in a message's place.  False: it is none of the caller's. */
static bool
take_error(KafkaClient *client, const rd_kafka_message_t *message)
{
	char		line[TEXT_LENGTH];

	if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF ||
		message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
		message->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE)
		return true;
	/* Said once only, and who may not read may yet ask: no answer ends this. */
	if (message->err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
		kafka_raise(client, psprintf("reading topic %s", rd_kafka_topic_name(message->rkt)),
					message->err, NULL);
	kafka_copy_text(line, rd_kafka_message_errstr(message));
	kafka_note_trouble(client, message->err, line);
	ereport(DEBUG1, (errmsg_internal("Kafka: %s", line), errhidestmt(true)));
	return is_gone(message);
}

static void
describe(const rd_kafka_message_t *message, int topic, KafkaTaken *taken)
{
	rd_kafka_timestamp_type_t type;

	bool		real = message->err == RD_KAFKA_RESP_ERR_NO_ERROR;

	taken->what = real ? KAFKA_MESSAGE :
		message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF ? KAFKA_END :
		is_gone(message) ? KAFKA_LOST : KAFKA_GAP;
	taken->topic = topic;
	taken->partition = message->partition;
	taken->offset = message->offset;
	taken->timestamp = real ? rd_kafka_message_timestamp(message, &type) : -1;
	taken->payload = real ? message->payload : NULL;	/* of an error: its text */
	taken->length = real ? message->len : 0;
	taken->key = real ? message->key : NULL;
	taken->key_length = real ? message->key_len : 0;
	taken->handle = message;
}

int
kafka_take(KafkaClient *client, KafkaTaken *taken, int max)
{
	rd_kafka_message_t *chunk[CHUNK];
	int			slots[CHUNK];
	ssize_t		got;
	int			n = 0;

	Assert(client->creator == getpid());
	if (client->nfree < CHUNK)
		add_slots(client);
	got = rd_kafka_consume_batch_queue(client->data, 0, chunk, Min(max, CHUNK));
	if (got <= 0)
		return 0;

	/* All of them before anything can raise. */
	for (ssize_t i = 0; i < got; i++)
		slots[i] = hold(client, chunk[i]);
	if (chunk[got - 1]->err == RD_KAFKA_RESP_ERR_NO_ERROR)
		kafka_clear_trouble(client);
	for (ssize_t i = 0; i < got; i++)
	{
		int			topic = chunk[i]->err == RD_KAFKA_RESP_ERR_NO_ERROR || take_error(client, chunk[i]) ?
			topic_number(client, chunk[i]->rkt) : -1;

		if (topic < 0)
		{
			kafka_give_back(client, slots[i]);
			continue;
		}
		describe(chunk[i], topic, &taken[n]);
		taken[n++].slot = slots[i];
	}
	return n;
}

int
kafka_taken_headers(const void *handle, KafkaHeader *headers, int max)
{
	rd_kafka_headers_t *all;
	int			n = 0;

	if (rd_kafka_message_headers(handle, &all) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return 0;
	while (n < max)
	{
		const void *value;

		if (rd_kafka_header_get_all(all, n, &headers[n].name, &value,
									&headers[n].length) != RD_KAFKA_RESP_ERR_NO_ERROR)
			break;
		headers[n++].value = value;
	}
	return n;
}

bool
kafka_lost_leader(KafkaClient *client)
{
	bool		lost = client->lost_leader;

	client->lost_leader = false;
	return lost;
}

bool
kafka_ask_bounds(KafkaClient *client, const char *topic, int partition, int64 *low, int64 *high)
{
	KafkaDeadline deadline = kafka_deadline(ASK_MS);
	int			slice = SLICE_MS;

	while (rd_kafka_query_watermark_offsets(client->rk, topic, partition, low, high, slice) !=
		   RD_KAFKA_RESP_ERR_NO_ERROR)
	{
		if (kafka_past(client, &deadline))
			return false;
		slice = Min(slice * 2, LONG_SLICE_MS);
		kafka_wait(client, 0);
		kafka_serve(client);
	}
	return true;
}

/* What a topic's cleanup.policy is; NULL: not told. */
static const char *
cleanup_policy(const rd_kafka_event_t *event)
{
	const rd_kafka_DescribeConfigs_result_t *result = rd_kafka_event_DescribeConfigs_result(unconstify(rd_kafka_event_t *, event));
	const rd_kafka_ConfigResource_t **resources = NULL;
	const rd_kafka_ConfigEntry_t **entries = NULL;
	size_t		n = 0;

	if (result != NULL)
		resources = rd_kafka_DescribeConfigs_result_resources(result, &n);
	if (n == 0 || rd_kafka_ConfigResource_error(resources[0]) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return NULL;
	entries = rd_kafka_ConfigResource_configs(resources[0], &n);
	for (size_t i = 0; i < n; i++)
		if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), "cleanup.policy") == 0)
			return rd_kafka_ConfigEntry_value(entries[i]);
	return NULL;
}

static void
ask_policy(KafkaClient *client, const char *topic)
{
	rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
	rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(client->rk, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
	char		errstr[TEXT_LENGTH];

	rd_kafka_AdminOptions_set_request_timeout(options, ASK_MS, errstr, sizeof(errstr));
	rd_kafka_DescribeConfigs(client->rk, &resource, 1, options, client->answers);
	rd_kafka_AdminOptions_destroy(options);
	rd_kafka_ConfigResource_destroy(resource);
}

bool
kafka_is_compacted(KafkaClient *client, const char *topic)
{
	KafkaDeadline deadline = kafka_deadline(ASK_MS);
	rd_kafka_event_t *event;
	const char *policy;
	bool		compacted;

	/* The client's, so that an interrupt below does not lose it. */
	if (client->answers == NULL)
		client->answers = rd_kafka_queue_new(client->rk);
	ask_policy(client, topic);
	while ((event = rd_kafka_queue_poll(client->answers, SLICE_MS)) == NULL)
	{
		if (kafka_past(client, &deadline))
			return false;
		kafka_wait(client, 0);
		kafka_serve(client);
	}
	policy = cleanup_policy(event);
	compacted = policy != NULL && strstr(policy, "compact") != NULL;
	rd_kafka_event_destroy(event);
	return compacted;
}
