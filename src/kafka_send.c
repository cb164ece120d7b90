/*
 * kafka_send.c: the sending half of kafka.c: producers, transactions, delivery
 * reports, and topics that are made.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "kafka.h"
#include "kafka_config.h"
#include "kafka_private.h"

#define ADMIN_TIMEOUT_MS 10000
#define FLUSH_MS 5

/* ---- opening ---- */

/*
 * Messages wait in the library for company, since a request and what a broker
 * does for it cost more than a message; whoever has sent the last one says so
 * by waiting for the reports.  Headers are much alike: compressed, they nearly
 * vanish.
 *
 * Without a transactional id: for the embedded broker, which does not come back
 * at the address where it went away, so it is not worth waiting for.
 */
KafkaClient *
kafka_open_producer(const char *brokers, const char *transactional_id)
{
	const KafkaProperty defaults[] = {
		{"enable.idempotence", "true", 0},
		{"acks", "all", 0},
		{"linger.ms", "200", 0},
		{"compression.codec", "lz4", 0},
		{"queue.buffering.max.kbytes", "65536", 0},
		{"queue.buffering.max.messages", "500000", 0},
		{"message.timeout.ms", transactional_id != NULL ? "30000" : "3000", 0},
		{"transactional.id", unconstify(char *, transactional_id), 0},
		{"transaction.timeout.ms", "60000", 0},
	};
	int			ndefaults = lengthof(defaults) - (transactional_id == NULL ? 2 : 0);
	KafkaClient *client = kafka_client_new(brokers);

	client->producer = true;
	kafka_open_pipe(client);
	kafka_start_library(client, RD_KAFKA_PRODUCER,
						kafka_conf_new(brokers, defaults, ndefaults, true), false);
	kafka_join_queues(client);
	return client;
}

/* ---- topics ---- */

void
kafka_take_admin_result(KafkaClient *client)
{
	const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(client->current);
	size_t		n = 0;
	const rd_kafka_topic_result_t **topics = NULL;

	client->admin_done = true;
	client->admin_error = rd_kafka_event_error(client->current);
	if (client->admin_error == RD_KAFKA_RESP_ERR_NO_ERROR && result != NULL)
		topics = rd_kafka_CreateTopics_result_topics(result, &n);
	if (n > 0)
		client->admin_error = rd_kafka_topic_result_error(topics[0]);
}

static void
send_create_topic(KafkaClient *client, const char *topic, int partitions)
{
	char		errstr[TEXT_LENGTH];
	rd_kafka_NewTopic_t *request;
	rd_kafka_AdminOptions_t *options;

	/* Replicas: as many as the brokers' own default says. */
	request = rd_kafka_NewTopic_new(topic, partitions, -1, errstr, sizeof(errstr));
	if (request == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cannot create topic \"%s\"", topic),
				 errhint("Check hospital.topic_prefix.")));
	options = rd_kafka_AdminOptions_new(client->rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
	rd_kafka_AdminOptions_set_request_timeout(options, ADMIN_TIMEOUT_MS, errstr, sizeof(errstr));
	client->admin_done = false;
	client->admin_error = RD_KAFKA_RESP_ERR_NO_ERROR;
	rd_kafka_CreateTopics(client->rk, &request, 1, options, client->queue);
	rd_kafka_AdminOptions_destroy(options);
	rd_kafka_NewTopic_destroy(request);
}

/* Create a topic and wait until the brokers know it; one that is there is fine. */
void
kafka_create_topic(KafkaClient *client, const char *topic, int partitions, int timeout_ms)
{
	KafkaDeadline deadline = kafka_deadline(timeout_ms);

	send_create_topic(client, topic, partitions);
	while (kafka_serve(client), !client->admin_done)
	{
		if (kafka_past(client, &deadline))
			kafka_raise(client, psprintf("creating topic %s", topic),
						RD_KAFKA_RESP_ERR__TIMED_OUT, NULL);
		kafka_wait(client, SLICE_MS);
	}
	if (client->admin_error != RD_KAFKA_RESP_ERR_NO_ERROR &&
		client->admin_error != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
		kafka_raise(client, psprintf("creating topic %s", topic), client->admin_error, NULL);
	while (kafka_partition_count(client, topic, timeout_ms) == 0)
	{
		if (kafka_past(client, &deadline))
			kafka_raise(client, psprintf("creating topic %s", topic),
						RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, NULL);
		kafka_wait(client, SLICE_MS);
		kafka_serve(client);
	}
}

/* ---- transactions ---- */

typedef rd_kafka_error_t *(*TransactionCall) (rd_kafka_t *rk, int timeout_ms);

/*
 * A transaction's step, in slices: the library carries on in the background
 * and is asked again.  After any error but a time-out the client must be
 * closed; the next one fences whatever is left over.
 */
static void
transaction_step(KafkaClient *client, const char *doing, TransactionCall call, int timeout_ms)
{
	KafkaDeadline deadline = kafka_deadline(timeout_ms);
	rd_kafka_error_t *error;

	while ((error = call(client->rk, SLICE_MS)) != NULL)
	{
		rd_kafka_resp_err_t code = rd_kafka_error_code(error);
		bool		again = rd_kafka_error_is_retriable(error);
		char		text[TEXT_LENGTH];

		kafka_copy_text(text, rd_kafka_error_string(error));
		rd_kafka_error_destroy(error);
		kafka_serve(client);
		if (!again || kafka_past(client, &deadline))
			kafka_raise(client, doing, code, text);
		kafka_wait(client, 1);
	}
	kafka_serve(client);
}

void
kafka_transactions_start(KafkaClient *client, int timeout_ms)
{
	transaction_step(client, "fencing former producers", rd_kafka_init_transactions, timeout_ms);
}

void
kafka_begin(KafkaClient *client)
{
	rd_kafka_error_t *error = rd_kafka_begin_transaction(client->rk);
	rd_kafka_resp_err_t code;

	if (error == NULL)
		return;
	code = rd_kafka_error_code(error);
	rd_kafka_error_destroy(error);
	kafka_raise(client, "beginning a transaction", code, NULL);
}

void
kafka_commit(KafkaClient *client, int timeout_ms)
{
	Assert(client->undelivered == 0);
	transaction_step(client, "committing a transaction", rd_kafka_commit_transaction, timeout_ms);
}

/* ---- messages ---- */

void
kafka_note_arrival(KafkaArrivals *arrivals, int partition, int64 offset)
{
	if (partition >= arrivals->room)
	{
		int			room = Max(partition + 1, arrivals->room * 2);

		/* Partitions may be added to a topic at any time. */
		arrivals->last = arrivals->last == NULL ?
			MemoryContextAlloc(arrivals->context, room * sizeof(int64)) :
			repalloc(arrivals->last, room * sizeof(int64));
		arrivals->room = room;
	}
	for (; arrivals->npartitions <= partition; arrivals->npartitions++)
		arrivals->last[arrivals->npartitions] = -1;
	arrivals->last[partition] = Max(arrivals->last[partition], offset);
}

void
kafka_take_deliveries(KafkaClient *client)
{
	const rd_kafka_message_t *message;

	while ((message = rd_kafka_event_message_next(client->current)) != NULL)
	{
		client->undelivered--;
		if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
		{
			client->delivery_error = message->err;
			continue;
		}
		kafka_clear_trouble(client);
		kafka_note_arrival(message->_private, message->partition, message->offset);
	}
}

KafkaTopic *
kafka_topic(KafkaClient *client, const char *name)
{
	KafkaTopic *topic;

	for (topic = client->targets; topic != NULL; topic = topic->next)
	{
		if (strcmp(topic->name, name) == 0)
			return topic;
	}
	topic = MemoryContextAllocZero(client->context, sizeof(KafkaTopic));
	topic->name = MemoryContextStrdup(client->context, name);
	topic->client = client;
	topic->handle = rd_kafka_topic_new(client->rk, name, NULL);
	if (topic->handle == NULL)
		kafka_raise(client, psprintf("sending to topic %s", name), rd_kafka_last_error(), NULL);
	topic->next = client->targets;
	client->targets = topic;
	return topic;
}

void
kafka_release_topics(KafkaClient *client)
{
	for (KafkaTopic *topic = client->targets; topic != NULL; topic = topic->next)
		rd_kafka_topic_destroy(topic->handle);
	client->targets = NULL;
}

static void
raise_undelivered(KafkaClient *client)
{
	if (client->delivery_error != RD_KAFKA_RESP_ERR_NO_ERROR)
		kafka_raise(client, "delivering", client->delivery_error, NULL);
}

/* On success the list of headers is the library's; the payload is lent to it. */
static rd_kafka_resp_err_t
produce(KafkaTopic *topic, const char *key, size_t key_length, const char *payload, size_t length,
		rd_kafka_headers_t *headers, KafkaArrivals *arrivals)
{
	return rd_kafka_producev(topic->client->rk, RD_KAFKA_V_RKT(topic->handle),
							 RD_KAFKA_V_MSGFLAGS(0),
							 RD_KAFKA_V_KEY(key, key_length),
							 RD_KAFKA_V_VALUE(unconstify(char *, payload), length),
							 RD_KAFKA_V_HEADERS(headers),
							 RD_KAFKA_V_OPAQUE(arrivals), RD_KAFKA_V_END);
}

void
kafka_send(KafkaTopic *topic, const char *key, size_t key_length, const char *payload, size_t length,
		   const KafkaHeader *headers, int nheaders, KafkaArrivals *arrivals)
{
	KafkaClient *client = topic->client;
	rd_kafka_resp_err_t code;

	for (;;)
	{
		rd_kafka_headers_t *list = rd_kafka_headers_new(nheaders);

		for (int i = 0; i < nheaders; i++)
			(void) rd_kafka_header_add(list, headers[i].name, -1, headers[i].value,
									   headers[i].length);
		code = produce(topic, key, key_length, payload, length, list, arrivals);
		if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
			break;
		rd_kafka_headers_destroy(list);
		if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			kafka_raise(client, psprintf("sending to topic %s", topic->name), code, NULL);
		kafka_wait(client, SLICE_MS);
		kafka_serve(client);
		raise_undelivered(client);
	}
	client->undelivered++;
}

int64
kafka_undelivered(const KafkaClient *client)
{
	return client->undelivered;
}

void
kafka_await_deliveries(KafkaClient *client, int timeout_ms)
{
	KafkaDeadline deadline = kafka_deadline(timeout_ms);

	while (kafka_serve(client), client->undelivered > 0 &&
		   client->delivery_error == RD_KAFKA_RESP_ERR_NO_ERROR)
	{
		if (kafka_past(client, &deadline))
			kafka_raise(client, "waiting for delivery reports", RD_KAFKA_RESP_ERR__TIMED_OUT, NULL);
		(void) rd_kafka_flush(client->rk, FLUSH_MS);	/* what waits for company goes now */
		kafka_wait(client, SLICE_MS);
	}
	raise_undelivered(client);
}
