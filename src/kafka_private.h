/*
 * kafka_private.h: what the files kafka*.c share: the client itself.  The one
 * header that includes librdkafka's; only those files include it.
 */
#ifndef HOSPITAL_KAFKA_PRIVATE_H
#define HOSPITAL_KAFKA_PRIVATE_H

#include "postgres.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "lib/ilist.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "kafka.h"
#include "kafka_config.h"
#include "kafka_trouble.h"
#include "stream_topics.h"

/*
 * The longest that the main thread blocks.  A question that got no answer in
 * SLICE_MS is asked again for longer: a broker may be there, and slow to answer.
 */
#define SLICE_MS 50
#define LONG_SLICE_MS 400

#define TEXT_LENGTH 256

/* A topic to send to; its memory is the client's. */
struct KafkaTopic
{
	KafkaTopic *next;
	KafkaClient *client;
	rd_kafka_topic_t *handle;
	char	   *name;
};

struct KafkaClient
{
	dlist_node	node;			/* in open_clients */
	MemoryContext context;		/* the client's own */
	MemoryContextCallback on_reset;
	pid_t		creator;
	rd_kafka_t *rk;
	rd_kafka_queue_t *queue;
	rd_kafka_mock_cluster_t *mock;
	rd_kafka_event_t *current;	/* being looked at */
	const rd_kafka_message_t *message;	/* of current, when it is one */
	rd_kafka_topic_t *topic;	/* of a question under way */
	rd_kafka_queue_t *data;		/* messages of a consumer that takes many at a time; NULL: it does not */
	rd_kafka_message_t **held;	/* by slot: taken and not given back; NULL: free */
	int		   *free_slots;
	int			nfree;
	int			nslots;
	rd_kafka_queue_t *answers;	/* to questions about topics; NULL: none was asked */
	KafkaPosition *reading;		/* where the partitions being read were begun */
	int			nreading;
	rd_kafka_topic_t *topics[STREAM_KINDS]; /* of these, by number; NULL: not met yet */
	KafkaTopic *targets;		/* to send to */
	int			pipe[2];		/* the library writes, worker_wait reads */
	bool		producer;
	bool		lost_leader;	/* for kafka_lost_leader */
	char	   *brokers;
	int64		undelivered;	/* sent, no delivery report yet */
	rd_kafka_resp_err_t delivery_error;
	Trouble		trouble;
	char		trouble_reason[TEXT_LENGTH];	/* "" when only its kind is known */
	char		trouble_text[TEXT_LENGTH];	/* in the library's words */
	bool		admin_done;
	rd_kafka_resp_err_t admin_error;
};

/*
 * How long to go on asking.  Brokers that are out of reach may be the wrong
 * ones: then a reload of the configuration ends it, too.  A password or a
 * certificate that one broker refuses is given time for another to answer.
 */
typedef struct KafkaDeadline
{
	TimestampTz at;
	TimestampTz refused_at;
	uint32		reloads;
} KafkaDeadline;

/* ---- kafka.c ---- */

/* Making a client: new, pipe, configuration, library, queues, in this order. */
extern KafkaClient *kafka_client_new(const char *brokers);
extern void kafka_open_pipe(KafkaClient *client);
extern rd_kafka_conf_t *kafka_conf_new(const char *brokers, const KafkaProperty *defaults,
									   int ndefaults, bool from_file);
extern void kafka_start_library(KafkaClient *client, rd_kafka_type_t type, rd_kafka_conf_t *conf,
								bool with_mock);
extern void kafka_join_queues(KafkaClient *client);

extern KafkaDeadline kafka_deadline(int timeout_ms);
extern bool kafka_past(const KafkaClient *client, const KafkaDeadline *deadline);

/* To TEXT_LENGTH bytes, clean; NULL is empty. */
extern void kafka_copy_text(char *to, const char *from);

/*
 * Raise, preferring what the brokers said before (say, a wrong password) to
 * its consequence (no broker to talk to).
 */
pg_noreturn extern void kafka_raise(KafkaClient *client, const char *doing, rd_kafka_resp_err_t code,
									const char *text);
extern void kafka_clear_trouble(KafkaClient *client);
extern void kafka_note_trouble(KafkaClient *client, rd_kafka_resp_err_t code, const char *text);

/* ---- kafka_receive.c ---- */

/* What of a reader the library must get back before its handle can end. */
extern void kafka_reader_end(KafkaClient *client);

/* ---- kafka_send.c: a producer's topics, and its events, as client->current ---- */

extern void kafka_release_topics(KafkaClient *client);
extern void kafka_take_deliveries(KafkaClient *client);
extern void kafka_take_admin_result(KafkaClient *client);

#endif							/* HOSPITAL_KAFKA_PRIVATE_H */
