/*
 * stream_copy.c: a single-purpose program that brings a topic's transfers into
 * a table, as fast as we could make one: what the consumer is measured against.
 *
 *   stream_copy BROKERS TOPIC CONNINFO TABLE MESSAGES
 *
 * librdkafka with the large local queue; a flat scanner that knows the nine
 * fields and believes the rest; COPY text through libpq, 10,000 messages a
 * transaction, in which the positions are written too.  Nothing is checked: a
 * bad message ends it.
 *
 * The server is kept busy: text goes out in pieces while the next messages are
 * scanned, and while a commit is on its way to the disk the scanner goes on,
 * into memory.  Prints messages, transactions and seconds from the first message
 * to the answer to the last commit.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libpq-fe.h>
#include <librdkafka/rdkafka.h>

#define BATCH 10000				/* messages a transaction */
#define TAKE 1000				/* messages taken out of the library at a time */
#define PIECE (64 * 1024)		/* bytes sent at a time */
#define POSITION_TEXT 64		/* bytes of "(partition,offset)," at the most */
#define FIELDS 9

static const char *const names[FIELDS] = {
	"event_id", "event_time", "admission_id", "patient_id", "from_ward", "to_ward",
	"reason", "status", "staff_id"
};

typedef enum State
{
	READY,						/* COPY is open */
	COPY_ENDED,					/* its result is to come */
	COMMITTING					/* the results up to the next COPY are to come */
} State;

static PGconn *connection;
static State state;
static char *next_statements;	/* after COPY: positions, COMMIT, and the next COPY */
static char *text;				/* formed, not sent */
static size_t length;
static size_t room;

static void
fail(const char *format,...)
{
	va_list		args;

	va_start(args, format);
	fputs("stream_copy: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* ---- the server ---- */

static void
take_result(PGresult *result)
{
	switch (PQresultStatus(result))
	{
		case PGRES_COMMAND_OK:
			break;
		case PGRES_COPY_IN:
			state = READY;
			break;
		default:
			fail("%s", PQerrorMessage(connection));
	}
	PQclear(result);
}

/* Go as far as the server's answers allow; "wait": until COPY is open. */
static void
advance(bool wait)
{
	while (state != READY)
	{
		PGresult   *result;

		if (!PQconsumeInput(connection))
			fail("%s", PQerrorMessage(connection));
		if (!wait && PQisBusy(connection))
			return;
		result = PQgetResult(connection);
		if (result != NULL)
			take_result(result);
		else if (state == COMMITTING)
			return;				/* nothing was to follow */
		else
		{
			if (!PQsendQuery(connection, next_statements))
				fail("%s", PQerrorMessage(connection));
			state = COMMITTING;
		}
	}
}

static void
send_text(void)
{
	if (length > 0 && PQputCopyData(connection, text, (int) length) != 1)
		fail("%s", PQerrorMessage(connection));
	length = 0;
}

static void
begin_copy(const char *table)
{
	char		statement[500];

	snprintf(statement, sizeof(statement), "BEGIN; COPY %s FROM STDIN", table);
	if (!PQsendQuery(connection, statement))
		fail("%s", PQerrorMessage(connection));
	state = COMMITTING;
	advance(true);
}

/* End the transaction, and begin the next one unless it was the last. */
static void
end_transaction(const char *table, const int64_t *next, int partitions, bool last)
{
	size_t		size = 500 + (size_t) partitions * POSITION_TEXT;
	int			n;
	bool		first = true;

	advance(true);
	send_text();
	if (PQputCopyEnd(connection, NULL) != 1)
		fail("%s", PQerrorMessage(connection));
	next_statements = realloc(next_statements, size);
	n = snprintf(next_statements, size, "INSERT INTO rival.positions VALUES ");
	for (int p = 0; p < partitions; p++)
	{
		if (next[p] < 0)
			continue;
		n += snprintf(next_statements + n, size - n, "%s(%d,%lld)", first ? "" : ",", p,
					  (long long) next[p]);
		first = false;
	}
	n += snprintf(next_statements + n, size - n,
				  " ON CONFLICT (partition) DO UPDATE SET next = excluded.next; COMMIT");
	if (!last)
		snprintf(next_statements + n, size - n, "; BEGIN; COPY %s FROM STDIN", table);
	state = COPY_ENDED;
	advance(last);
}

/* ---- scanning ---- */

static void
append(const char *bytes, size_t n)
{
	if (length + n + 1 > room)
	{
		room = (length + n + 1) * 2;
		text = realloc(text, room);
		if (text == NULL)
			fail("out of memory");
	}
	memcpy(text + length, bytes, n);
	length += n;
}

/* The quote that ends a string; *escaped when a backslash is in it. */
static const char *
end_of_string(const char *s, const char *end, bool *escaped)
{
	const char *quote = memchr(s, '"', end - s);

	*escaped = false;
	while (quote != NULL && quote[-1] == '\\')
	{
		*escaped = true;
		quote = memchr(quote + 1, '"', end - quote - 1);
	}
	if (quote != NULL && !*escaped)
		*escaped = memchr(s, '\\', quote - s) != NULL;
	if (quote == NULL)
		fail("a string does not end");
	return quote;
}

/* COPY's escapes are JSON's, but for \" and \/ and \u, which are not needed here. */
static void
append_value(const char *value, size_t n, bool escaped, char separator)
{
	if (escaped && (memmem(value, n, "\\\"", 2) || memmem(value, n, "\\/", 2) || memmem(value, n, "\\u", 2)))
		fail("an escape that is not known: %.*s", (int) n, value);
	append(value, n);
	text[length++] = separator;
}

/* Fields come in their order, as nearly all writers keep one: else they are searched. */
static int
field_number(const char *name, size_t n, int expected)
{
	if (strlen(names[expected]) == n && memcmp(names[expected], name, n) == 0)
		return expected;
	for (int i = 0; i < FIELDS; i++)
	{
		if (strlen(names[i]) == n && memcmp(names[i], name, n) == 0)
			return i;
	}
	fail("unknown field %.*s", (int) n, name);
	return -1;
}

static void
scan(const char *s, size_t size)
{
	const char *end = s + size;
	const char *values[FIELDS] = {NULL};
	size_t		lengths[FIELDS];
	bool		escapes[FIELDS];

	for (int i = 0; i < FIELDS; i++)
	{
		const char *name = memchr(s, '"', end - s);
		const char *name_end;
		bool		escaped;
		int			f;

		if (name++ == NULL)
			fail("a field is missing");
		name_end = end_of_string(name, end, &escaped);
		f = field_number(name, name_end - name, i);
		s = name_end + 2;		/* and the colon */
		if (*s == '"')
		{
			values[f] = ++s;
			s = end_of_string(s, end, &escapes[f]);
			lengths[f] = s++ - values[f];
		}
		else
		{
			values[f] = s;
			while (s < end && *s != ',' && *s != '}')
				s++;
			lengths[f] = s - values[f];
			escapes[f] = false;
		}
	}
	for (int i = 0; i < FIELDS; i++)
	{
		if (values[i] == NULL)
			fail("%s is missing", names[i]);
		append_value(values[i], lengths[i], escapes[i], i == FIELDS - 1 ? '\n' : '\t');
	}
}

/* ---- the topic ---- */

static void
set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char		error[500];

	if (rd_kafka_conf_set(conf, name, value, error, sizeof(error)) != RD_KAFKA_CONF_OK)
		fail("%s", error);
}

static rd_kafka_t *
open_consumer(const char *brokers)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_t *client;
	char		error[500];

	set(conf, "bootstrap.servers", brokers);
	set(conf, "group.id", "stream_copy");
	set(conf, "enable.auto.commit", "false");
	set(conf, "enable.auto.offset.store", "false");
	set(conf, "auto.offset.reset", "error");
	set(conf, "queued.min.messages", "1000000");
	set(conf, "queued.max.messages.kbytes", "131072");
	client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof(error));
	if (client == NULL)
		fail("%s", error);
	rd_kafka_poll_set_consumer(client);
	return client;
}

static int
partition_count(rd_kafka_t *client, const char *topic)
{
	rd_kafka_topic_t *handle = rd_kafka_topic_new(client, topic, NULL);
	const struct rd_kafka_metadata *metadata;
	rd_kafka_resp_err_t error = rd_kafka_metadata(client, 0, handle, &metadata, 10000);
	int			n;

	if (error)
		fail("%s", rd_kafka_err2str(error));
	n = metadata->topics[0].partition_cnt;
	rd_kafka_metadata_destroy(metadata);
	rd_kafka_topic_destroy(handle);
	if (n == 0)
		fail("unknown topic %s", topic);
	return n;
}

/* All partitions, from the positions in the database or from the beginning. */
static void
assign(rd_kafka_t *client, const char *topic, int64_t *next, int partitions)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
	PGresult   *result = PQexec(connection, "SELECT partition, next FROM rival.positions");

	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		fail("%s", PQerrorMessage(connection));
	for (int p = 0; p < partitions; p++)
		next[p] = -1;
	for (int i = 0; i < PQntuples(result); i++)
		next[atoi(PQgetvalue(result, i, 0))] = atoll(PQgetvalue(result, i, 1));
	PQclear(result);
	for (int p = 0; p < partitions; p++)
		rd_kafka_topic_partition_list_add(list, topic, p)->offset =
			next[p] < 0 ? RD_KAFKA_OFFSET_BEGINNING : next[p];
	if (rd_kafka_assign(client, list))
		fail("cannot assign");
	rd_kafka_topic_partition_list_destroy(list);
}

static void
take(const rd_kafka_message_t *message, int64_t *next)
{
	if (message->err)
		fail("%s", rd_kafka_message_errstr(message));
	scan(message->payload, message->len);
	next[message->partition] = message->offset + 1;
}

int
main(int argc, char **argv)
{
	rd_kafka_t *client;
	rd_kafka_queue_t *queue;
	rd_kafka_message_t *messages[TAKE];
	const char *table;
	int64_t    *next;
	int			partitions;
	long		wanted;
	long		n = 0;
	int			in_batch = 0;
	int			transactions = 0;
	double		began = 0;

	if (argc != 6)
		fail("usage: stream_copy BROKERS TOPIC CONNINFO TABLE MESSAGES");
	table = argv[4];
	wanted = atol(argv[5]);
	connection = PQconnectdb(argv[3]);
	if (PQstatus(connection) != CONNECTION_OK)
		fail("%s", PQerrorMessage(connection));
	client = open_consumer(argv[1]);
	partitions = partition_count(client, argv[2]);
	next = calloc(partitions, sizeof(int64_t));
	assign(client, argv[2], next, partitions);
	begin_copy(table);
	queue = rd_kafka_queue_get_consumer(client);
	while (n < wanted)
	{
		int			left = BATCH - in_batch < wanted - n ? BATCH - in_batch : (int) (wanted - n);
		ssize_t		got = rd_kafka_consume_batch_queue(queue, 1000, messages, left < TAKE ? left : TAKE);

		if (got > 0 && n == 0)
			began = now();
		for (ssize_t i = 0; i < got; i++)
		{
			take(messages[i], next);
			rd_kafka_message_destroy(messages[i]);
			if (length >= PIECE)
			{
				advance(false);
				if (state == READY)
					send_text();
			}
		}
		n += got > 0 ? got : 0;
		in_batch += got > 0 ? (int) got : 0;
		if (in_batch == BATCH || n == wanted)
		{
			end_transaction(table, next, partitions, n == wanted);
			transactions++;
			in_batch = 0;
		}
	}
	printf("%ld %d %.4f\n", n, transactions, now() - began);
	rd_kafka_queue_destroy(queue);
	rd_kafka_assign(client, NULL);
	rd_kafka_consumer_close(client);
	rd_kafka_destroy(client);
	PQfinish(connection);
	return 0;
}
