/*
 * broker.c: the worker that hosts the embedded broker.
 *
 * hospital.kafka_brokers = 'embedded' is for trying hospital out: librdkafka's
 * mock cluster, one broker, topics of one partition, on a loopback port that
 * any user of the machine can reach.  It keeps everything in this process's
 * memory, so every start is a new epoch with empty topics; consumers and the
 * producer find address and epoch in shared memory, and what had not arrived
 * is published again.
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "kafka.h"
#include "settings.h"
#include "shared_state.h"
#include "stream_topics.h"
#include "worker.h"

#define LOOK_AROUND_MS 10000

extern PGDLLEXPORT void broker_main(Datum main_arg);

static KafkaClient *broker = NULL;
static uint32 reloads;

/* Of all kinds, before anybody asks: the topics that it makes by itself have several partitions. */
static void
make_topics(void)
{
	char		topic[TOPIC_NAME_LENGTH];

	reloads = worker_reloads();
	for (int kind = 0; kind < STREAM_KINDS; kind++)
		kafka_mock_topic(broker, stream_topic(kind, topic), 1);
}

static void
broker_open(void)
{
	MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);

	broker = kafka_open_mock();
	MemoryContextSwitchTo(before);
	make_topics();

	/* The epoch only has to differ from all earlier ones; time also tells when. */
	control_publish_broker(kafka_mock_brokers(broker), GetCurrentTimestamp());
	ereport(LOG,
			(errmsg("embedded Kafka broker listens at %s", kafka_mock_brokers(broker))));
	worker_state("serving at %s", kafka_mock_brokers(broker));
}

static bool
broker_turn(void *arg)
{
	KafkaMessage ignored;

	if (strcmp(hospital_kafka_brokers, KAFKA_EMBEDDED) != 0)
		worker_leave("not wanted");
	if (broker == NULL)
		broker_open();
	if (reloads != worker_reloads())
		make_topics();			/* hospital.topic_prefix may be another */
	kafka_wait(broker, LOOK_AROUND_MS);
	while (kafka_next(broker, &ignored) != KAFKA_NOTHING)
		;
	return true;
}

void
broker_main(Datum main_arg)
{
	worker_start(main_arg);
	worker_loop(broker_turn, NULL);
}
