/*
 * kafka_mock.c: the embedded broker: librdkafka's mock cluster.
 */
#include "postgres.h"

#include "kafka.h"
#include "kafka_private.h"

/* A broker inside this process, listening on a loopback port of its choice. */
KafkaClient *
kafka_open_mock(const char *topic, int partitions)
{
	KafkaClient *client = kafka_client_new("the embedded broker");
	rd_kafka_resp_err_t code;

	client->producer = true;
	kafka_open_pipe(client);
	kafka_start_library(client, RD_KAFKA_PRODUCER, kafka_conf_new("", NULL, 0, false), true);
	kafka_join_queues(client);
	code = rd_kafka_mock_topic_create(client->mock, topic, partitions, 1);
	if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
		kafka_raise(client, "creating the topic", code, NULL);
	return client;
}

const char *
kafka_mock_brokers(KafkaClient *client)
{
	return rd_kafka_mock_cluster_bootstraps(client->mock);
}
