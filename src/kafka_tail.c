/*
 * kafka_tail.c: reading several topics to their end, once.
 *
 * The end is the log's when a partition is first heard of: where others go on
 * sending, faster than an answer comes, there may never be an answer without
 * messages.  And what the library calls the end is not enough: it is before
 * the first message of a transaction that somebody has open, whatever follows.
 */
#include "postgres.h"

#include "kafka.h"
#include "kafka_private.h"

KafkaClient *
kafka_open_tail(const char *brokers, const char *group)
{
	const KafkaProperty defaults[] = {
		{"group.id", unconstify(char *, group), 0}, /* never joined nor committed to */
		{"enable.auto.commit", "false", 0},
		{"enable.auto.offset.store", "false", 0},
		{"isolation.level", "read_committed", 0},
		{"auto.offset.reset", "earliest", 0},
		{"enable.partition.eof", "true", 0},
		{"fetch.wait.max.ms", "10", 0},
		{"queued.min.messages", "1000000", 0},
		{"queued.max.messages.kbytes", "8192", 0},
	};
	KafkaClient *client = kafka_client_new(brokers);

	kafka_open_pipe(client);
	kafka_start_library(client, RD_KAFKA_CONSUMER,
						kafka_conf_new(brokers, defaults, lengthof(defaults), true), false);
	kafka_join_queues(client);
	return client;
}

void
kafka_tail_begin(KafkaClient *client, const KafkaTail *tails, int n)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(n);
	rd_kafka_resp_err_t code;

	for (int i = 0; i < n; i++)
		rd_kafka_topic_partition_list_add(list, tails[i].topic, tails[i].partition)->offset =
			tails[i].from;
	code = rd_kafka_assign(client->rk, list);
	rd_kafka_topic_partition_list_destroy(list);
	if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
		kafka_raise(client, "reading topics", code, NULL);
}

static KafkaTail *
find_tail(KafkaTail *tails, int n, const char *topic, int partition)
{
	for (int i = 0; i < n; i++)
	{
		if (tails[i].partition == partition && strcmp(tails[i].topic, topic) == 0)
			return &tails[i];
	}
	return NULL;
}

KafkaTail *
kafka_tail_of(KafkaClient *client, KafkaTail *tails, int n)
{
	rd_kafka_topic_partition_t *partition;
	KafkaTail  *tail;

	if (client->message != NULL)
		return find_tail(tails, n, rd_kafka_topic_name(client->message->rkt),
						 client->message->partition);
	partition = rd_kafka_event_topic_partition(client->current);
	if (partition == NULL)
		return NULL;
	tail = find_tail(tails, n, partition->topic, partition->partition);
	rd_kafka_topic_partition_destroy(partition);
	return tail;
}

/* 0: not known yet */
static int64
log_end(KafkaClient *client, const KafkaTail *tail)
{
	int64		low;
	int64		high;

	if (rd_kafka_get_watermark_offsets(client->rk, tail->topic, tail->partition, &low, &high) !=
		RD_KAFKA_RESP_ERR_NO_ERROR)
		return 0;
	return Max(high, 0);
}

bool
kafka_tail_is_read(KafkaClient *client, KafkaTail *tail, KafkaNext next, const KafkaMessage *message)
{
	if (tail->end == 0)
		tail->end = log_end(client, tail);
	if (next == KAFKA_MESSAGE)
		return tail->end > 0 && message->offset + 1 >= tail->end;
	return next == KAFKA_END && message->offset >= tail->end;
}
