/*
 * kafka_receive.c: messages of many partitions, many at a time, left in the
 * library's memory.
 *
 * The partitions' queues are directed to one of their own, from which a whole
 * chunk is taken under one lock.  Everything else (errors of brokers, log lines)
 * stays on the client's ordinary queue; both tell of themselves by the pipe.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "kafka_private.h"
#include "worker.h"

#define CHUNK 512				/* messages under one lock */
#define ASK_MS 5000
#define LAST_SLICE_MS 400

void
kafka_release(KafkaClient *client)
{
	for (int i = 0; i < client->nheld; i++)
		rd_kafka_message_destroy(client->held[i]);
	client->nheld = 0;
}

static void
open_data_queue(KafkaClient *client)
{
	if (client->data != NULL)
		return;
	client->data = rd_kafka_queue_new(client->rk);
	rd_kafka_queue_io_event_enable(client->data, client->pipe[1], "", 1);
}

/* Set once, a partition's direction outlives assignments. */
static void
direct(KafkaClient *client, const KafkaPosition *position)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_get_partition(client->rk, position->topic,
														   position->partition);

	if (queue == NULL)
		kafka_raise(client, psprintf("reading topic %s", position->topic),
					RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, NULL);
	rd_kafka_queue_forward(queue, client->data);
	rd_kafka_queue_destroy(queue);
}

void
kafka_read_from(KafkaClient *client, const KafkaPosition *positions, int n)
{
	rd_kafka_topic_partition_list_t *list;
	rd_kafka_resp_err_t code;

	Assert(client->nheld == 0);
	open_data_queue(client);
	memset(client->topics, 0, sizeof(client->topics));
	for (int i = 0; i < n; i++)
		direct(client, &positions[i]);
	list = rd_kafka_topic_partition_list_new(Max(n, 1));
	for (int i = 0; i < n; i++)
		rd_kafka_topic_partition_list_add(list, positions[i].topic,
										  positions[i].partition)->offset = positions[i].offset;
	code = rd_kafka_assign(client->rk, list);
	rd_kafka_topic_partition_list_destroy(list);
	if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
		kafka_raise(client, "choosing what to read", code, NULL);
	client->positions = positions;
	client->npositions = n;
}

/* The caller's number of a message's topic; -1: nothing of ours. */
static int
topic_number(KafkaClient *client, const rd_kafka_topic_t *topic)
{
	const char *name;

	for (int i = 0; i < STREAM_KINDS; i++)
		if (client->topics[i] == topic)
			return i;
	name = rd_kafka_topic_name(topic);
	for (int i = 0; i < client->npositions; i++)
	{
		const KafkaPosition *position = &client->positions[i];

		if (strcmp(position->topic, name) != 0)
			continue;
		client->topics[position->number] = topic;
		return position->number;
	}
	return -1;
}

static void
hold(KafkaClient *client, rd_kafka_message_t *message)
{
	if (client->nheld == client->held_room)
	{
		int			room = Max(client->held_room * 2, 1024);

		client->held = client->held == NULL ?
			MemoryContextAllocHuge(client->context, room * sizeof(rd_kafka_message_t *)) :
			repalloc_huge(client->held, room * sizeof(rd_kafka_message_t *));
		client->held_room = room;
	}
	client->held[client->nheld++] = message;
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
	kafka_copy_text(line, rd_kafka_message_errstr(message));
	kafka_note_trouble(client, message->err, line);
	ereport(DEBUG1, (errmsg_internal("Kafka: %s", line), errhidestmt(true)));
	return false;
}

static void
describe(const rd_kafka_message_t *message, int topic, KafkaTaken *taken)
{
	rd_kafka_timestamp_type_t type;

	bool		real = message->err == RD_KAFKA_RESP_ERR_NO_ERROR;

	taken->what = real ? KAFKA_MESSAGE :
		message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF ? KAFKA_END : KAFKA_GAP;
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
	ssize_t		got;
	int			n = 0;

	Assert(client->creator == getpid());
	if (client->data == NULL)
		return 0;
	got = rd_kafka_consume_batch_queue(client->data, 0, chunk, Min(max, CHUNK));
	if (got <= 0)
		return 0;

	/* All of them before anything can raise. */
	for (ssize_t i = 0; i < got; i++)
		hold(client, chunk[i]);
	if (chunk[got - 1]->err == RD_KAFKA_RESP_ERR_NO_ERROR)
		kafka_clear_trouble(client);
	for (ssize_t i = 0; i < got; i++)
	{
		int			topic;

		if (chunk[i]->err != RD_KAFKA_RESP_ERR_NO_ERROR && !take_error(client, chunk[i]))
			continue;
		topic = topic_number(client, chunk[i]->rkt);
		if (topic >= 0)
			describe(chunk[i], topic, &taken[n++]);
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

void
kafka_attend(KafkaClient *client)
{
	kafka_serve(client);
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
		slice = Min(slice * 2, LAST_SLICE_MS);
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
