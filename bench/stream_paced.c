/*
 * stream_paced.c: a producer that keeps a pace, for the time from producing an
 * event to its being visible.
 *
 *   stream_paced BROKERS TOPIC RATE SECONDS SIMULATION-ID
 *
 * Sends RATE transfers a second, some each millisecond, with acks=all and the
 * library's own linger of 5 ms.  (It sends a request for each partition: with
 * less, requests are so many that the broker needs a core for them.)  The event's
 * own time is the wall clock at which it was handed to librdkafka, so that the
 * table can be compared with the times of its commits.  Prints the events
 * delivered, how many milliseconds it was late at the worst, and after how many
 * the broker had acknowledged an event, in the mean.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <librdkafka/rdkafka.h>

static long delivered;
static double acknowledged_ms;	/* of all that were delivered, in sum */

static void
fail(const char *format,...)
{
	va_list		args;

	va_start(args, format);
	fputs("stream_paced: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

static void
set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char		error[500];

	if (rd_kafka_conf_set(conf, name, value, error, sizeof(error)) != RD_KAFKA_CONF_OK)
		fail("%s", error);
}

static void
on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
	(void) client;
	(void) opaque;
	if (message->err)
		fail("not delivered: %s", rd_kafka_err2str(message->err));
	delivered++;
	acknowledged_ms += rd_kafka_message_latency(message) / 1000.0;
}

static rd_kafka_t *
open_producer(const char *brokers)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_t *client;
	char		error[500];

	set(conf, "bootstrap.servers", brokers);
	set(conf, "acks", "all");
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof(error));
	if (client == NULL)
		fail("%s", error);
	return client;
}

static long long
micros(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static void
send_event(rd_kafka_t *client, const char *topic, const char *simulation, long i)
{
	long long	time = micros(CLOCK_REALTIME);
	time_t		seconds = time / 1000000;
	long		patient = i * 7919 % 1000000 + 1;
	struct tm	tm;
	char		at[32];
	char		key[24];
	char		payload[600];
	int			n;
	rd_kafka_resp_err_t error;

	strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &tm));
	n = snprintf(payload, sizeof(payload),
				 "{\"event_id\":\"%08llx-%04llx-7%03lx-8000-%012lx\",\"event_time\":\"%s.%06lldZ\","
				 "\"admission_id\":%ld,\"patient_id\":%ld,\"from_ward\":\"MED-A\",\"to_ward\":\"ICU-1\","
				 "\"reason\":\"specialist care\",\"status\":\"completed\",\"staff_id\":%ld}",
				 time / 1000 >> 16, time / 1000 & 0xffff, i & 0xfff, i, at, time % 1000000,
				 7305000000L + i, patient, i % 3000 + 1);
	snprintf(key, sizeof(key), "%ld", patient);
	error = rd_kafka_producev(client, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
							  RD_KAFKA_V_KEY(key, strlen(key)), RD_KAFKA_V_VALUE(payload, n),
							  RD_KAFKA_V_HEADER("simulation", simulation, -1),
							  RD_KAFKA_V_HEADER("schema_version", "1", -1),
							  RD_KAFKA_V_HEADER("type", "transfer", -1), RD_KAFKA_V_END);
	if (error)
		fail("%s", rd_kafka_err2str(error));
}

int
main(int argc, char **argv)
{
	rd_kafka_t *client;
	long		rate;
	long		all;
	long		sent = 0;
	long long	began;
	long long	latest = 0;

	if (argc != 6)
		fail("usage: stream_paced BROKERS TOPIC RATE SECONDS SIMULATION-ID");
	rate = atol(argv[3]);
	all = rate * atol(argv[4]);
	client = open_producer(argv[1]);
	began = micros(CLOCK_MONOTONIC);
	while (sent < all)
	{
		long long	passed = micros(CLOCK_MONOTONIC) - began;
		long		due = (long) (passed * rate / 1000000);
		struct timespec tick = {0, 1000000};

		if (sent < due && passed - sent * 1000000LL / rate > latest)
			latest = passed - sent * 1000000LL / rate;
		while (sent < due && sent < all)
			send_event(client, argv[2], argv[5], sent++);
		rd_kafka_poll(client, 0);
		nanosleep(&tick, NULL);
	}
	if (rd_kafka_flush(client, 120000))
		fail("not all events could be delivered");
	printf("%ld %.1f %.1f\n", delivered, latest / 1000.0, acknowledged_ms / delivered);
	rd_kafka_destroy(client);
	return 0;
}
