/*
 * producer_tail.c: real brokers: what was sent, but not recorded?
 *
 * Ticks are sent one after the other, and each is recorded before the next, so
 * what hospital.published lacks comes after everything that is recorded.  That
 * is a tick at most, or, where the database was taken back to an earlier time,
 * all that was sent since: so a partition of which nothing is recorded is read
 * from its beginning.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "event_headers.h"
#include "producer.h"
#include "producer_private.h"
#include "worker.h"

#define TAILS_MAX 10000
#define TAIL_TIMEOUT_MS 30000	/* without anything new */

static const KafkaHeader *
find_header(const KafkaHeader *headers, int n, const char *name)
{
	for (int i = 0; i < n; i++)
	{
		if (strcmp(headers[i].name, name) == 0 && headers[i].value != NULL)
			return &headers[i];
	}
	return NULL;
}

static bool
header_text(const KafkaHeader *headers, int n, const char *name, char *out, size_t size)
{
	const KafkaHeader *header = find_header(headers, n, name);

	if (header == NULL || header->length >= size)
		return false;
	memcpy(out, header->value, header->length);
	out[header->length] = '\0';
	return strlen(out) == header->length;
}

/*
 * The tick that a header says.  What tick_text would not have written is none:
 * anybody who may write into a topic can send such headers.
 */
static bool
read_tick(const char *text, TickKey *key, int64 *stream_tick)
{
	int			year,
				month,
				day;
	long long	number = 0;
	char		again[TICK_TEXT];

	if (sscanf(text, "%4d-%2d-%2d %9d %18lld", &year, &month, &day, &key->tick, &number) < 4 ||
		year < 1 || key->tick < 0 || key->tick > REST_TICK)
		return false;
	key->day = date2j(year, month, day) - POSTGRES_EPOCH_JDATE;
	*stream_tick = number;
	tick_text(again, key, number);
	return strcmp(text, again) == 0;
}

/* Note the tick of a message that this simulation's producer sent. */
static void
note_message(KafkaClient *reader, const KafkaMessage *message, int kind, HTAB *ticks)
{
	KafkaHeader headers[HEADERS_READ];
	int			n = kafka_headers(reader, headers, HEADERS_READ);
	char		text[TICK_TEXT];
	int64		stream_tick;
	PublishedTick *entry;
	TickKey		key = {.kind = kind};

	if (!header_text(headers, n, HEADER_SIMULATION, text, sizeof(text)) ||
		strcmp(text, producer.simulation_id) != 0 ||
		!header_text(headers, n, HEADER_TICK, text, sizeof(text)) || !read_tick(text, &key, &stream_tick))
		return;
	entry = ticks_get(ticks, &key, stream_tick);
	entry->events++;
	kafka_note_arrival(&entry->arrivals, message->partition, message->offset);
}

/* Read every partition to its end; what comes after that is not ours. */
static void
read_to_end(KafkaClient *reader, KafkaTail *tails, int n, HTAB *ticks)
{
	int			open = n;
	TimestampTz last = GetCurrentTimestamp();

	while (open > 0)
	{
		KafkaMessage message;
		KafkaNext	next = kafka_next(reader, &message);
		KafkaTail  *tail;

		CHECK_FOR_INTERRUPTS();
		if (next == KAFKA_NOTHING)
		{
			if (TimestampDifferenceExceeds(last, GetCurrentTimestamp(), TAIL_TIMEOUT_MS))
				ereport(ERROR,
						(errcode(ERRCODE_CONNECTION_FAILURE),
						 errmsg("could not read back the end of the topics at %s",
								producer.target.brokers),
						 errdetail("For %d s nothing came, and %d partitions of %d had not been read to their end.",
								   TAIL_TIMEOUT_MS / 1000, open, n),
						 errhint("Somebody else may have a transaction open in them: nothing is sent before it ends.")));
			kafka_wait(reader, WAIT_MS);
			continue;
		}
		tail = kafka_tail_of(reader, tails, n);
		if (tail == NULL || tail->ended)
			continue;
		last = GetCurrentTimestamp();
		if (next == KAFKA_MESSAGE)
			note_message(reader, &message, tail->number, ticks);
		if (kafka_tail_is_read(reader, tail, next, &message))
		{
			tail->ended = true;
			open--;
		}
	}
}

/* Where to begin, with each partition of a topic; how many there are. */
static int
topic_tails(int kind, KafkaTail *tails, int room)
{
	int			partitions = kafka_partition_count(producer.client, producer.streams[kind].name,
												   START_TIMEOUT_MS);
	int64	   *offsets;
	int			recorded;

	if (partitions > room)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the topics have more than %d partitions in all", TAILS_MAX),
				 errhint("hospital needs no more than a few for each topic.")));
	ledger_begin("looking for the last published events");
	recorded = ledger_last_offsets(kind, &offsets);
	for (int i = 0; i < partitions; i++)
	{
		tails[i] = (KafkaTail) {.topic = producer.streams[kind].name, .number = kind, .partition = i};
		tails[i].from = i < recorded && offsets[i] >= 0 ? offsets[i] + 1 : KAFKA_FROM_START;
	}
	worker_commit();
	return partitions;
}

void
record_tail(void)
{
	bool		kinds[STREAM_KINDS];
	KafkaTail  *tails = palloc(TAILS_MAX * sizeof(KafkaTail));
	int			n = 0;
	HTAB	   *ticks = ticks_new();
	KafkaClient *reader;

	worker_state("reading back what was sent");
	ledger_begin("looking for published kinds");
	ledger_kinds(kinds);
	worker_commit();
	for (int kind = 0; kind < STREAM_KINDS; kind++)
	{
		if (kinds[kind])
			n += topic_tails(kind, tails + n, TAILS_MAX - n);
	}
	if (n == 0)
		return;
	reader = kafka_open_tail(producer.target.brokers, "hospital-tail");
	kafka_tail_begin(reader, tails, n);
	read_to_end(reader, tails, n, ticks);
	kafka_close(reader);
	if (hash_get_num_entries(ticks) == 0)
		return;
	ledger_begin("recording published events");
	ledger_write(ticks, false);
	worker_commit();
}
