/*
 * kafka_mock.c: the embedded broker: librdkafka's mock cluster.
 */
#include "postgres.h"

#include "kafka.h"
#include "kafka_private.h"

/* A broker inside this process, listening on a loopback port of its choice. */
KafkaClient *
kafka_open_mock(void)
{
	KafkaClient *client = kafka_client_new("the embedded broker");

	client->producer = true;
	kafka_open_pipe(client);
	kafka_start_library(client, RD_KAFKA_PRODUCER, kafka_conf_new("", NULL, 0, false), true);
	kafka_join_queues(client);
	return client;
}

void
kafka_mock_topic(KafkaClient *client, const char *topic, int partitions)
{
	rd_kafka_resp_err_t code = rd_kafka_mock_topic_create(client->mock, topic, partitions, 1);

	if (code != RD_KAFKA_RESP_ERR_NO_ERROR && code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
		kafka_raise(client, psprintf("creating topic %s", topic), code, NULL);
}

const char *
kafka_mock_brokers(KafkaClient *client)
{
	return rd_kafka_mock_cluster_bootstraps(client->mock);
}
