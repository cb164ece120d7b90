/*
 * kafka.c: librdkafka in a worker: a client's life, its events, waiting, what may
 * be wrong, and questions about topics.  Consumers receive by kafka_receive.c,
 * sending is kafka_send.c's, reading to an end kafka_tail.c's, the embedded
 * broker kafka_mock.c's; none but kafka*.c include that library's headers
 * (kafka_private.h).
 *
 * Processes and threads: a client belongs to the worker process that opened
 * it, after its database connection is up.  librdkafka's threads are made with
 * every signal blocked, so the server's handlers only ever run on the main
 * thread, and no callback is registered but explain_certificate, which touches
 * nothing of ours: everything the library has to say (messages, delivery
 * reports, errors, log lines) comes as an event on one queue, which the main
 * thread empties without blocking.
 *
 * Waiting: the library writes a byte into a pipe when that queue turns from
 * empty to not empty; kafka_wait sleeps in worker_wait on latch, postmaster
 * death and that pipe.  So: take events until there are none, then wait.  The
 * few calls that the library offers only in a blocking form are made in slices
 * of SLICE_MS, or LONG_SLICE_MS at the most, with interrupts looked at in between.
 *
 * Memory: the library's memory is malloc's and none of ours.  What librdkafka
 * must get back before its handle can end (the event being looked at, a topic
 * handle, the queue) is held by the client, so that an ERROR anywhere leaks
 * nothing.  A client ends by kafka_close, by the reset of the memory context
 * it was opened in, or by before_shmem_exit, whichever comes first.
 */
#include "postgres.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "kafka.h"
#include "kafka_config.h"
#include "kafka_private.h"
#include "kafka_trouble.h"
#include "settings.h"
#include "worker.h"

StaticAssertDecl(RD_KAFKA_VERSION >= 0x020000ff, "librdkafka 2.0 or newer is needed");
StaticAssertDecl(KAFKA_FROM_START == RD_KAFKA_OFFSET_BEGINNING, "same meaning");

#define REFUSED_MS 3000			/* the longest for brokers that refuse us */

static dlist_head open_clients = DLIST_STATIC_INIT(open_clients);
static void (*meanwhile) (void) = NULL;

/* ---- words ---- */

void
kafka_copy_text(char *to, const char *from)
{
	strlcpy(to, from != NULL ? from : "", TEXT_LENGTH);
	kafka_clean_text(to);
}

/*
 * The library's errors as states that a person understands.  What the brokers
 * say about groups is not among them: the library looks for its group's
 * coordinator by itself, but none is ever joined.
 */
typedef struct TroubleEntry
{
	rd_kafka_resp_err_t code;
	Trouble		trouble;
} TroubleEntry;

static const TroubleEntry troubles[] = {
	{RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, TROUBLE_UNREACHABLE},
	{RD_KAFKA_RESP_ERR__TRANSPORT, TROUBLE_UNREACHABLE},
	{RD_KAFKA_RESP_ERR__RESOLVE, TROUBLE_UNREACHABLE},
	{RD_KAFKA_RESP_ERR__TIMED_OUT, TROUBLE_UNREACHABLE},
	{RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, TROUBLE_UNREACHABLE},
	{RD_KAFKA_RESP_ERR__AUTHENTICATION, TROUBLE_AUTHENTICATION},
	{RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, TROUBLE_AUTHENTICATION},
	{RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM, TROUBLE_AUTHENTICATION},
	{RD_KAFKA_RESP_ERR__SSL, TROUBLE_TLS},
	{RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, TROUBLE_NOT_AUTHORISED},
	{RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, TROUBLE_NOT_AUTHORISED},
	{RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, TROUBLE_NOT_AUTHORISED},
	{RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, TROUBLE_UNKNOWN_TOPIC},
	{RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, TROUBLE_UNKNOWN_TOPIC},
	{RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, TROUBLE_UNKNOWN_TOPIC},
	{RD_KAFKA_RESP_ERR__FENCED, TROUBLE_FENCED},
	{RD_KAFKA_RESP_ERR_PRODUCER_FENCED, TROUBLE_FENCED},
	{RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, TROUBLE_FENCED},
};

static Trouble
classify(rd_kafka_resp_err_t code)
{
	for (int i = 0; i < (int) lengthof(troubles); i++)
	{
		if (troubles[i].code == code)
			return troubles[i].trouble;
	}
	return TROUBLE_OTHER;
}

/* What is wrong, by the code and, better, by the text; and more about it, or NULL. */
static Trouble
diagnose(rd_kafka_resp_err_t code, const char *text, const char **reason)
{
	Trouble		trouble = classify(code);

	*reason = text != NULL ? kafka_trouble_reason(text, &trouble) : NULL;
	return trouble;
}

void
kafka_raise(KafkaClient *client, const char *doing, rd_kafka_resp_err_t code, const char *text)
{
	char		detail[TEXT_LENGTH];
	const char *said = text != NULL ? text : rd_kafka_err2str(code);
	const char *reason;
	Trouble		trouble = diagnose(code, said, &reason);

	kafka_copy_text(detail, said);
	if ((trouble == TROUBLE_UNREACHABLE || code == RD_KAFKA_RESP_ERR__PURGE_QUEUE ||
		 code == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT) && client->trouble != TROUBLE_NONE)
	{
		trouble = client->trouble;
		reason = client->trouble_reason[0] != '\0' ? client->trouble_reason : NULL;
		kafka_copy_text(detail, client->trouble_text);
	}
	if (trouble == TROUBLE_NOT_AUTHORISED && reason == NULL)
		reason = doing;
	ereport(ERROR,
			(errcode(kafka_trouble_sqlstate(trouble)),
			 errmsg("%s", kafka_trouble_message(client->brokers, trouble, reason)),
			 errdetail("%s: %s", doing, detail)));
}

/* Of two troubles the one nearer to the cause is kept. */
void
kafka_note_trouble(KafkaClient *client, rd_kafka_resp_err_t code, const char *text)
{
	const char *reason;
	Trouble		now = diagnose(code, text, &reason);

	if (now == TROUBLE_OTHER)
		return;
	if (now == client->trouble ? reason == NULL :
		now == TROUBLE_UNREACHABLE && client->trouble != TROUBLE_NONE)
		return;
	client->trouble = now;
	kafka_copy_text(client->trouble_reason, reason);
	kafka_copy_text(client->trouble_text, text != NULL ? text : rd_kafka_err2str(code));
}

void
kafka_clear_trouble(KafkaClient *client)
{
	client->trouble = TROUBLE_NONE;
	client->trouble_reason[0] = '\0';
	client->trouble_text[0] = '\0';
}

const char *
kafka_trouble(KafkaClient *client)
{
	if (client->trouble == TROUBLE_NONE)
		return NULL;
	return kafka_trouble_message(client->brokers, client->trouble,
								 client->trouble_reason[0] != '\0' ? client->trouble_reason : NULL);
}

/* ---- making and ending ---- */

static void
release_current(KafkaClient *client)
{
	client->message = NULL;
	if (client->current != NULL)
		rd_kafka_event_destroy(client->current);
	client->current = NULL;
}

static void
release_topic(KafkaClient *client)
{
	if (client->topic != NULL)
		rd_kafka_topic_destroy(client->topic);
	client->topic = NULL;
}

/*
 * Give everything back, in the order in which librdkafka wants it: messages,
 * topics, queues, then the handle.  Undelivered messages are dropped: whoever
 * must have them sent has waited for their reports.  Does not wait for the
 * brokers: a consumer here has no group to leave, and an open transaction is
 * aborted by the next producer of its name.
 */
static void
client_end(KafkaClient *client)
{
	Assert(client->creator == getpid());
	dlist_delete(&client->node);
	release_current(client);
	release_topic(client);
	kafka_reader_end(client);
	kafka_release_topics(client);
	if (client->rk != NULL && client->producer)
		rd_kafka_purge(client->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
					   RD_KAFKA_PURGE_F_NON_BLOCKING);
	if (client->queue != NULL)
	{
		rd_kafka_queue_io_event_enable(client->queue, -1, NULL, 0);
		rd_kafka_queue_destroy(client->queue);
	}
	if (client->mock != NULL)
		rd_kafka_mock_cluster_destroy(client->mock);
	if (client->rk != NULL)
		rd_kafka_destroy_flags(client->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	for (int i = 0; i < 2; i++)
	{
		if (client->pipe[i] < 0)
			continue;
		close(client->pipe[i]);
		ReleaseExternalFD();
	}
}

static void
client_context_reset(void *arg)
{
	client_end(arg);
}

static void
end_all_clients(int code, Datum arg)
{
	while (!dlist_is_empty(&open_clients))
		kafka_close(dlist_head_element(KafkaClient, node, &open_clients));
}

void
kafka_close(KafkaClient *client)
{
	MemoryContextDelete(client->context);
}

KafkaClient *
kafka_client_new(const char *brokers)
{
	static bool registered = false;
	MemoryContext context;
	KafkaClient *client;

	/* A client is of one process; see the head of this file. */
	Assert(IsUnderPostmaster && !IsTransactionState());
	if (!registered)
		before_shmem_exit(end_all_clients, (Datum) 0);
	registered = true;

	context = AllocSetContextCreate(CurrentMemoryContext, "hospital Kafka client",
									ALLOCSET_SMALL_SIZES);
	client = MemoryContextAllocZero(context, sizeof(KafkaClient));
	client->context = context;
	client->brokers = MemoryContextStrdup(context, brokers);
	client->creator = getpid();
	client->pipe[0] = client->pipe[1] = -1;
	dlist_push_head(&open_clients, &client->node);
	client->on_reset.func = client_context_reset;
	client->on_reset.arg = client;
	MemoryContextRegisterResetCallback(context, &client->on_reset);
	return client;
}

/* A pipe for the library to wake us with; both ends never block. */
void
kafka_open_pipe(KafkaClient *client)
{
	if (pipe(client->pipe) != 0)
	{
		client->pipe[0] = client->pipe[1] = -1;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not make a pipe to the Kafka client: %m")));
	}
	ReserveExternalFD();
	ReserveExternalFD();
	for (int i = 0; i < 2; i++)
	{
		if (fcntl(client->pipe[i], F_SETFL, O_NONBLOCK) != 0 ||
			fcntl(client->pipe[i], F_SETFD, FD_CLOEXEC) != 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not set up the pipe to the Kafka client: %m")));
	}
}

static void
set(rd_kafka_conf_t *conf, const char *key, const char *value)
{
	char		errstr[TEXT_LENGTH];

	if (rd_kafka_conf_set(conf, key, value, errstr, sizeof(errstr)) == RD_KAFKA_CONF_OK)
		return;
	/* errstr may repeat the value, which may be a secret */
	rd_kafka_conf_destroy(conf);
	ereport(ERROR,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("the Kafka client does not accept its property \"%s\"", key),
			 errdetail("The property is unknown to librdkafka %s, or its value is not possible.",
					   rd_kafka_version_str()),
			 errhint("Check hospital.kafka_brokers and the file named by hospital.kafka_config_file.")));
}

/*
 * Runs in the library's threads.  The text comes back to us as a log line,
 * since the error that follows does not say what is wrong with a certificate.
 */
static int
explain_certificate(rd_kafka_t *rk, const char *broker_name, int32_t broker_id, int *x509_error,
					int depth, const char *buf, size_t size, char *errstr, size_t errstr_size,
					void *opaque)
{
	if (*x509_error == 0)
		return 1;
	strlcpy(errstr, kafka_certificate_verdict(*x509_error), errstr_size);
	return 0;
}

/* Not where the administrator wants no certificate looked at. */
static void
explain_certificates(rd_kafka_conf_t *conf)
{
	char		value[8];
	size_t		size = sizeof(value);

	if (rd_kafka_conf_get(conf, "enable.ssl.certificate.verification", value, &size) == RD_KAFKA_CONF_OK &&
		strcmp(value, "true") == 0)
		(void) rd_kafka_conf_set_ssl_cert_verify_cb(conf, explain_certificate);
}

/* What every client has: the brokers, then the administrator's file over our defaults. */
rd_kafka_conf_t *
kafka_conf_new(const char *brokers, const KafkaProperty *defaults, int ndefaults, bool from_file)
{
	/* Read before conf exists: it is malloc's, and reading may raise. */
	List	   *properties = from_file ? kafka_config_read(hospital_kafka_config_file) : NIL;
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	ListCell   *lc;

	set(conf, "client.id", "hospital");
	set(conf, "log.queue", "true");
	set(conf, "socket.timeout.ms", "10000");
	set(conf, "reconnect.backoff.max.ms", "2000");
	if (brokers[0] != '\0')
		set(conf, "bootstrap.servers", brokers);
	for (int i = 0; i < ndefaults; i++)
		set(conf, defaults[i].key, defaults[i].value);
	foreach(lc, properties)
	{
		KafkaProperty *property = lfirst(lc);

		set(conf, property->key, property->value);
	}
	explain_certificates(conf);
	rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_LOG | RD_KAFKA_EVENT_ERROR |
							 RD_KAFKA_EVENT_FETCH | RD_KAFKA_EVENT_DR);
	return conf;
}

/*
 * Make the handle, and with it the library's threads, with every signal
 * blocked: they inherit that, whatever helper libraries they come from.
 */
void
kafka_start_library(KafkaClient *client, rd_kafka_type_t type, rd_kafka_conf_t *conf, bool with_mock)
{
	char		errstr[TEXT_LENGTH];
	sigset_t	all;
	sigset_t	before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	client->rk = rd_kafka_new(type, conf, errstr, sizeof(errstr));
	if (client->rk != NULL && with_mock)
		client->mock = rd_kafka_mock_cluster_new(client->rk, 1);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (client->rk == NULL)
	{
		rd_kafka_conf_destroy(conf);	/* still ours */
		kafka_clean_text(errstr);
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("could not start the Kafka client"),
				 errdetail("%s", errstr),
				 errhint("Check the file named by hospital.kafka_config_file.")));
	}
	if (with_mock && client->mock == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				 errmsg("could not start the embedded broker")));
}

/* One queue for everything, and the pipe that tells of it. */
void
kafka_join_queues(KafkaClient *client)
{
	/* With a group, messages and all the rest are on one queue. */
	if (rd_kafka_type(client->rk) == RD_KAFKA_CONSUMER &&
		rd_kafka_poll_set_consumer(client->rk) == RD_KAFKA_RESP_ERR_NO_ERROR)
		client->queue = rd_kafka_queue_get_consumer(client->rk);
	else
		client->queue = rd_kafka_queue_get_main(client->rk);
	if (rd_kafka_set_log_queue(client->rk, client->queue) != RD_KAFKA_RESP_ERR_NO_ERROR)
		elog(ERROR, "could not direct the Kafka client's log");
	rd_kafka_queue_io_event_enable(client->queue, client->pipe[1], "", 1);
}

/* ---- events ---- */

/* The library's log levels are syslog's. */
static void
forward_log(KafkaClient *client)
{
	const char *facility;
	const char *text;
	int			level;
	char		line[TEXT_LENGTH];

	if (rd_kafka_event_log(client->current, &facility, &text, &level) != 0)
		return;
	if (strcmp(facility, "BROKERUA") == 0)
		client->lost_leader = true;
	/* these say what the errors that follow leave out */
	if (strcmp(facility, "SSLCERTVRFY") == 0 || strcmp(facility, "TXNERR") == 0)
		kafka_note_trouble(client, RD_KAFKA_RESP_ERR_NO_ERROR, text);
	kafka_copy_text(line, text);
	ereport(level <= 4 ? LOG : DEBUG1,
			(errmsg_internal("librdkafka: %s: %s", facility, line), errhidestmt(true)));
}

/* A partition's end and a position outside the log come as errors. */
static KafkaNext
take_partition_error(KafkaClient *client, rd_kafka_resp_err_t code, KafkaMessage *message)
{
	rd_kafka_topic_partition_t *partition = rd_kafka_event_topic_partition(client->current);
	char		topic[TEXT_LENGTH];

	if (partition == NULL)
		return KAFKA_NOTHING;
	strlcpy(topic, partition->topic, sizeof(topic));
	memset(message, 0, sizeof(*message));
	message->partition = partition->partition;
	message->offset = partition->offset;
	rd_kafka_topic_partition_destroy(partition);
	if (code == RD_KAFKA_RESP_ERR__PARTITION_EOF)
		return KAFKA_END;
	if (code == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
		code == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE)
		return KAFKA_GAP;
	/* Said once only, and who may not read may yet ask: no answer ends this. */
	if (classify(code) == TROUBLE_NOT_AUTHORISED)
		kafka_raise(client, psprintf("reading topic %s", topic), code, NULL);
	return KAFKA_NOTHING;
}

static KafkaNext
take_error(KafkaClient *client, KafkaMessage *message)
{
	rd_kafka_resp_err_t code = rd_kafka_event_error(client->current);
	const char *text = rd_kafka_event_error_string(client->current);
	char		line[TEXT_LENGTH];
	Trouble		trouble;
	KafkaNext	next = take_partition_error(client, code, message);

	if (next != KAFKA_NOTHING)
		return next;
	kafka_copy_text(line, text);
	if (code == RD_KAFKA_RESP_ERR__FATAL)
	{
		code = rd_kafka_fatal_error(client->rk, line, sizeof(line));
		kafka_clean_text(line);
		kafka_raise(client, "the Kafka client gave up", code, line);
	}
	/* one connection lost for no reason is everyday business; all of them is a state */
	ereport(DEBUG1, (errmsg_internal("Kafka: %s", line), errhidestmt(true)));
	if ((code != RD_KAFKA_RESP_ERR__TRANSPORT && code != RD_KAFKA_RESP_ERR__TIMED_OUT) ||
		kafka_trouble_reason(line, &trouble) != NULL)
		kafka_note_trouble(client, code, line);
	return KAFKA_NOTHING;
}

static KafkaNext
take_message(KafkaClient *client, KafkaMessage *out)
{
	const rd_kafka_message_t *message = rd_kafka_event_message_next(client->current);

	if (message == NULL)
		return KAFKA_NOTHING;
	kafka_clear_trouble(client);
	client->message = message;
	out->partition = message->partition;
	out->offset = message->offset;
	out->payload = message->payload;
	out->length = message->len;
	out->key = message->key;
	out->key_length = message->key_len;
	return KAFKA_MESSAGE;
}

KafkaNext
kafka_next(KafkaClient *client, KafkaMessage *message)
{
	Assert(client->creator == getpid());
	for (;;)
	{
		KafkaNext	next = KAFKA_NOTHING;

		release_current(client);
		client->current = rd_kafka_queue_poll(client->queue, 0);
		if (client->current == NULL)
			return KAFKA_NOTHING;
		switch (rd_kafka_event_type(client->current))
		{
			case RD_KAFKA_EVENT_FETCH:
				next = take_message(client, message);
				break;
			case RD_KAFKA_EVENT_DR:
				kafka_take_deliveries(client);
				break;
			case RD_KAFKA_EVENT_ERROR:
				next = take_error(client, message);
				break;
			case RD_KAFKA_EVENT_LOG:
				forward_log(client);
				break;
			case RD_KAFKA_EVENT_CREATETOPICS_RESULT:
				kafka_take_admin_result(client);
				break;
			default:
				break;
		}
		if (next != KAFKA_NOTHING)
			return next;
	}
}

void
kafka_serve(KafkaClient *client)
{
	KafkaMessage ignored;

	while (kafka_next(client, &ignored) != KAFKA_NOTHING)
		;
}

void
kafka_meanwhile(void (*task) (void))
{
	meanwhile = task;
}

void
kafka_wait(KafkaClient *client, long timeout_ms)
{
	char		drained[64];

	if (meanwhile != NULL)
		meanwhile();
	worker_wait(timeout_ms, client->pipe[0]);
	while (read(client->pipe[0], drained, sizeof(drained)) > 0)
		;
}

KafkaDeadline
kafka_deadline(int timeout_ms)
{
	TimestampTz now = GetCurrentTimestamp();

	return (KafkaDeadline) {
		TimestampTzPlusMilliseconds(now, timeout_ms),
		TimestampTzPlusMilliseconds(now, Min(timeout_ms, REFUSED_MS)), worker_reloads()
	};
}

bool
kafka_past(const KafkaClient *client, const KafkaDeadline *deadline)
{
	TimestampTz now = GetCurrentTimestamp();

	if (now >= deadline->at)
		return true;
	if (client->trouble == TROUBLE_AUTHENTICATION || client->trouble == TROUBLE_TLS)
		return now >= deadline->refused_at || deadline->reloads != worker_reloads();
	return client->trouble != TROUBLE_NONE && deadline->reloads != worker_reloads();
}

/* ---- questions ---- */

/*
 * Ask once for a topic's partitions; the count, 0 for no such topic, or -1
 * with *code set.
 */
static int
ask_partitions(KafkaClient *client, const char *name, int timeout_ms, rd_kafka_resp_err_t *code)
{
	const struct rd_kafka_metadata *metadata;
	int			count = -1;

	client->topic = rd_kafka_topic_new(client->rk, name, NULL);
	if (client->topic == NULL)
	{
		*code = rd_kafka_last_error();
		return -1;
	}
	*code = rd_kafka_metadata(client->rk, 0, client->topic, &metadata, timeout_ms);
	release_topic(client);
	if (*code != RD_KAFKA_RESP_ERR_NO_ERROR)
		return -1;
	kafka_clear_trouble(client);
	if (metadata->topic_cnt == 1)
	{
		*code = metadata->topics[0].err;
		if (*code == RD_KAFKA_RESP_ERR_NO_ERROR)
			count = metadata->topics[0].partition_cnt;
		else if (*code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
			count = 0;
	}
	else
		*code = RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
	rd_kafka_metadata_destroy(metadata);
	return count;
}

int
kafka_partition_count(KafkaClient *client, const char *topic, int timeout_ms)
{
	KafkaDeadline deadline = kafka_deadline(timeout_ms);
	int			slice = SLICE_MS;

	for (;;)
	{
		rd_kafka_resp_err_t code;
		int			count;

		count = ask_partitions(client, topic, slice, &code);
		if (count >= 0)
			return count;
		if (code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED || kafka_past(client, &deadline))
			kafka_raise(client, psprintf("asking for topic %s", topic), code, NULL);
		if (code == RD_KAFKA_RESP_ERR__TIMED_OUT)
			slice = Min(slice * 2, LONG_SLICE_MS);
		kafka_wait(client, SLICE_MS);
		kafka_serve(client);
	}
}

int
kafka_probe(KafkaClient *client, const char *topic, bool patiently)
{
	rd_kafka_resp_err_t code;
	int			count = ask_partitions(client, topic, patiently ? LONG_SLICE_MS : SLICE_MS,
									   &code);

	if (count == 0)
		kafka_note_trouble(client, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, NULL);
	return count;
}

/* ---- receiving ---- */

/* Headers of the message last given; the number there is, at most max. */
int
kafka_headers(KafkaClient *client, KafkaHeader *headers, int max)
{
	return client->message == NULL ? 0 : kafka_taken_headers(client->message, headers, max);
}

/* First offset in the log and the one after its last, as far as known. */
bool
kafka_log_bounds(KafkaClient *client, const char *topic, int partition, int64 *low, int64 *high)
{
	return rd_kafka_get_watermark_offsets(client->rk, topic, partition, low, high) ==
		RD_KAFKA_RESP_ERR_NO_ERROR && *low >= 0 && *high >= 0;
}
