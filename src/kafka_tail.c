/*
 * kafka_tail.c: reading several topics to their end, once.
 */
#include "postgres.h"

#include "kafka.h"
#include "kafka_private.h"

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
