/*
 * producer.c: publishing the transfers of a tick, each exactly once.
 *
 * Runs inside the scheduler, through ProducerApi.  A tick is one Kafka
 * transaction under the transactional id "hospital-<simulation id>", and then
 * a row of hospital.published in a Postgres transaction of its own.  A crash
 * may fall between the two, so opening first fences: init_transactions ends
 * whatever a former producer had under way, one way or the other, after which
 * nothing of it can appear any more.  Only then is the tail of every partition
 * read back, and ticks found there that hospital.published lacks are recorded,
 * not sent again.  After any error the client is thrown away, so that the next
 * attempt comes through the same door.
 *
 * The embedded broker only imitates transactions, and is empty after a restart.
 * There, an idempotent producer sends at least once, opening sends again what
 * was published but has not arrived, and the table is exactly once by event id.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "day.h"
#include "kafka.h"
#include "producer.h"
#include "topics.h"
#include "transfer_json.h"
#include "worker.h"

#define START_TIMEOUT_MS 30000	/* brokers found, former producers fenced */
#define DELIVERY_TIMEOUT_MS 40000	/* longer than the library's own 30 s */
#define COMMIT_TIMEOUT_MS 30000
#define TAIL_MESSAGES 1000		/* at least; a tick is never larger than a day */
#define TAIL_TIMEOUT_MS 30000	/* without anything new */
#define WAIT_MS 100				/* between two calls of "meanwhile" */
#define AGAIN_DAYS 32			/* looked through and published again at a time */
#define MAX_HEADERS 32
#define NUMBER_TEXT 24

static struct
{
	KafkaClient *client;		/* NULL: to be opened */
	MemoryContext context;		/* as long as the client is open */
	KafkaTarget target;
	Simulation	simulation;
	char		simulation_id[37];
	char		topic[TOPIC_NAME_LENGTH];
}			producer;

typedef struct Tick
{
	DateADT		day;
	int			tick;
	int			events;
} Tick;

typedef struct TickList
{
	Tick	   *ticks;
	int			n;
	int			room;
} TickList;

static void
tick_add(TickList *list, DateADT day, int tick, int events)
{
	for (int i = list->n - 1; i >= 0; i--)
	{
		if (list->ticks[i].day == day && list->ticks[i].tick == tick)
		{
			list->ticks[i].events += events;
			return;
		}
	}
	if (list->n == list->room)
	{
		list->room = Max(list->room * 2, 64);
		list->ticks = list->ticks == NULL ? palloc(list->room * sizeof(Tick)) :
			repalloc(list->ticks, list->room * sizeof(Tick));
	}
	list->ticks[list->n++] = (Tick) {day, tick, events};
}

static void
day_text(char *out, DateADT day)
{
	int			year,
				month,
				of_month;

	j2date(day + POSTGRES_EPOCH_JDATE, &year, &month, &of_month);
	snprintf(out, NUMBER_TEXT, "%04d-%02d-%02d", year, month, of_month);
}

static void
uuid_text(char *out, const pg_uuid_t *uuid)
{
	for (int i = 0; i < UUID_LEN; i++)
	{
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		out += sprintf(out, "%02x", uuid->data[i]);
	}
}

/* ---- hospital.published ---- */

/* In a transaction. */
static void
insert_published(DateADT day, int tick, int events)
{
	Oid			types[] = {DATEOID, INT4OID, TEXTOID, INT4OID};
	Datum		values[] = {
		DateADTGetDatum(day), Int32GetDatum(tick), CStringGetTextDatum(producer.topic),
		Int32GetDatum(events)
	};

	if (SPI_execute_with_args("INSERT INTO hospital.published (kind, day, tick, topic, events, published_at)"
							  " VALUES ('transfers', $1, $2, $3, $4, pg_catalog.clock_timestamp())"
							  " ON CONFLICT (kind, day, tick) DO NOTHING",
							  4, types, values, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not write hospital.published");
}

static void
begin_or_raise(const char *activity)
{
	if (!worker_begin(activity))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the hospital is not there any more, or is being changed")));
}

static void
record_ticks(const TickList *list)
{
	if (list->n == 0)
		return;
	begin_or_raise("recording published events");
	for (int i = 0; i < list->n; i++)
		insert_published(list->ticks[i].day, list->ticks[i].tick, list->ticks[i].events);
	worker_commit();
}

/* Is it?  "before" is set to what the ticks before it had. */
static bool
is_published(DateADT day, int tick, int64 *before)
{
	Oid			types[] = {DATEOID, INT4OID};
	Datum		values[] = {DateADTGetDatum(day), Int32GetDatum(tick)};
	bool		found;
	bool		isnull;

	begin_or_raise("looking for a tick");
	if (SPI_execute_with_args("SELECT coalesce(bool_or(tick = $2), false),"
							  " coalesce(sum(events) FILTER (WHERE tick < $2), 0)"
							  " FROM hospital.published WHERE day = $1",
							  2, types, values, NULL, true, 1) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "could not read hospital.published");
	found = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	*before = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull));
	worker_commit();
	return found;
}

/* ---- sending ---- */

static void
send_transfer(const Transfer *transfer, DateADT day, int tick, StringInfo payload)
{
	char		key[NUMBER_TEXT];
	char		day_header[NUMBER_TEXT];
	char		tick_header[NUMBER_TEXT];
	char		event_id[37];
	StringInfoData time;
	KafkaHeader headers[] = {
		{HEADER_SIMULATION, producer.simulation.name, 0},
		{HEADER_SIMULATION_ID, producer.simulation_id, 0},
		{HEADER_EVENT_ID, event_id, 0},
		{HEADER_TYPE, TRANSFER_TYPE, 0},
		{HEADER_SCHEMA_VERSION, TRANSFER_SCHEMA_VERSION, 0},
		{HEADER_SIMULATED_TIME, NULL, 0},
		{HEADER_DAY, day_header, 0},
		{HEADER_TICK, tick_header, 0},
	};

	snprintf(key, sizeof(key), INT64_FORMAT, transfer->patient_id);
	snprintf(tick_header, sizeof(tick_header), "%d", tick);
	day_text(day_header, day);
	uuid_text(event_id, &transfer->event_id);
	initStringInfo(&time);
	append_utc(&time, transfer->event_time);
	headers[5].value = time.data;
	for (int i = 0; i < (int) lengthof(headers); i++)
		headers[i].length = strlen(headers[i].value);

	resetStringInfo(payload);
	transfer_to_json(payload, transfer);
	kafka_send(producer.client, producer.topic, key, payload->data, payload->len,
			   headers, lengthof(headers));
	pfree(time.data);
}

static int
day_events(DateADT day, Transfer **transfers)
{
	DaySpec		spec = simulation_days(&producer.simulation);
	const DayRecords *records = day_records(&spec, day);
	int			n = records->count[KIND_TRANSFERS];

	/* a file may be written while we wait for brokers, and then of another day */
	*transfers = palloc(Max(n, 1) * sizeof(Transfer));
	memcpy(*transfers, records->rows[KIND_TRANSFERS], n * sizeof(Transfer));
	return n;
}

/* One tick, from event number "first" of the day, and its delivery reports. */
static int
send_tick(DateADT day, int tick, int ticks_per_day, int64 first)
{
	Transfer   *transfers;
	int64		n = day_events(day, &transfers);
	int			end = (int) (tick == REST_TICK ? n : Min(n, (tick + 1) * n / ticks_per_day));
	StringInfoData payload;

	if (first >= end)
		return 0;
	initStringInfo(&payload);
	if (!producer.target.embedded)
		kafka_begin(producer.client);
	for (int i = (int) first; i < end; i++)
		send_transfer(&transfers[i], day, tick, &payload);
	kafka_await_deliveries(producer.client, DELIVERY_TIMEOUT_MS);
	if (!producer.target.embedded)
		kafka_commit(producer.client, COMMIT_TIMEOUT_MS);
	return end - (int) first;
}

/* ---- opening, real brokers: what was sent? ---- */

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
	return true;
}

/* Note the tick of a message that this simulation's producer sent. */
static void
note_tick(KafkaClient *reader, TickList *list)
{
	KafkaHeader headers[MAX_HEADERS];
	int			n = kafka_headers(reader, headers, MAX_HEADERS);
	char		text[64];
	int			year,
				month,
				day,
				tick;

	if (!header_text(headers, n, HEADER_SIMULATION_ID, text, sizeof(text)) ||
		strcmp(text, producer.simulation_id) != 0 ||
		!header_text(headers, n, HEADER_TICK, text, sizeof(text)))
		return;
	if (sscanf(text, "%d", &tick) != 1 ||
		!header_text(headers, n, HEADER_DAY, text, sizeof(text)) ||
		sscanf(text, "%4d-%2d-%2d", &year, &month, &day) != 3)
		return;
	tick_add(list, date2j(year, month, day) - POSTGRES_EPOCH_JDATE, tick, 1);
}

/* Read every partition to its end. */
static void
read_to_end(KafkaClient *reader, int partitions, TickList *list)
{
	bool	   *ended = palloc0(partitions * sizeof(bool));
	int			open = partitions;
	TimestampTz last = GetCurrentTimestamp();

	while (open > 0)
	{
		KafkaMessage message;
		KafkaNext	next = kafka_next(reader, &message);

		if (next == KAFKA_NOTHING)
		{
			if (TimestampDifferenceExceeds(last, GetCurrentTimestamp(), TAIL_TIMEOUT_MS))
				ereport(ERROR,
						(errcode(ERRCODE_CONNECTION_FAILURE),
						 errmsg("could not read back the end of topic \"%s\" at %s",
								producer.topic, producer.target.brokers)));
			kafka_wait(reader, WAIT_MS);
			continue;
		}
		last = GetCurrentTimestamp();
		if (next == KAFKA_MESSAGE)
			note_tick(reader, list);
		else if (message.partition >= 0 && message.partition < partitions &&
				 !ended[message.partition])
		{
			ended[message.partition] = true;
			open--;
		}
	}
}

static void
record_tail(int partitions)
{
	TickList	list = {0};
	int		   *numbers = palloc(partitions * sizeof(int));
	int64	   *positions = palloc(partitions * sizeof(int64));
	int			tail = Max(TAIL_MESSAGES, 2 * producer.simulation.transfers_per_day);
	KafkaClient *reader;

	for (int i = 0; i < partitions; i++)
	{
		numbers[i] = i;
		positions[i] = KAFKA_FROM_TAIL(tail);
	}
	worker_state("reading back what was sent");
	reader = kafka_open_tail(producer.target.brokers, "hospital-tail");
	kafka_assign(reader, producer.topic, numbers, positions, partitions);
	read_to_end(reader, partitions, &list);
	kafka_close(reader);
	record_ticks(&list);
}

/* ---- opening, the embedded broker: what has not arrived? ---- */

/*
 * Ticks of the first AGAIN_DAYS days after "after" of which not as many events
 * are in the table as were published.  Event ids begin with the time, so a
 * day's are a range; a hospital day begins at Johannesburg's midnight.
 */
static void
incomplete_ticks(TickList *list, DateADT after)
{
	MemoryContext context = CurrentMemoryContext;
	Oid			types[] = {DATEOID, INT8OID};
	Datum		values[] = {DateADTGetDatum(after), Int64GetDatum(AGAIN_DAYS)};

	begin_or_raise("looking for events that did not arrive");
	if (SPI_execute_with_args("SELECT p.day, p.tick, p.events FROM hospital.published p"
							  " WHERE p.day IN (SELECT d.day FROM"
							  "  (SELECT day, sum(events) AS events,"
							  "    (lpad(to_hex((date_part('epoch', day) * 1000)::bigint - 7200000), 12, '0')"
							  "     || '00000000000000000000')::uuid AS first_id,"
							  "    (lpad(to_hex((date_part('epoch', day) * 1000)::bigint + 79200000), 12, '0')"
							  "     || '00000000000000000000')::uuid AS end_id"
							  "   FROM hospital.published WHERE day > $1 GROUP BY day) d"
							  "  WHERE d.events <> (SELECT count(*) FROM hospital.transfers t"
							  "   WHERE t.event_id >= d.first_id AND t.event_id < d.end_id)"
							  "  ORDER BY d.day LIMIT $2)"
							  " ORDER BY p.day, p.tick",
							  2, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not compare hospital.published with hospital.transfers");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		bool		isnull;
		MemoryContext before = MemoryContextSwitchTo(context);

		tick_add(list, DatumGetDateADT(SPI_getbinval(row, desc, 1, &isnull)),
				 DatumGetInt32(SPI_getbinval(row, desc, 2, &isnull)),
				 DatumGetInt32(SPI_getbinval(row, desc, 3, &isnull)));
		MemoryContextSwitchTo(before);
	}
	worker_commit();
}

/* Which of these transfers are not in the table? */
static void
find_missing(const Transfer *transfers, int n, bool *missing)
{
	Oid			types[] = {UUIDARRAYOID};
	Datum	   *ids = palloc(n * sizeof(Datum));
	Datum		values[1];

	for (int i = 0; i < n; i++)
		ids[i] = UUIDPGetDatum(&transfers[i].event_id);
	values[0] = PointerGetDatum(construct_array(ids, n, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
	begin_or_raise("looking for events that did not arrive");
	if (SPI_execute_with_args("SELECT n::int - 1 FROM unnest($1) WITH ORDINALITY AS u (id, n)"
							  " WHERE NOT EXISTS (SELECT FROM hospital.transfers WHERE event_id = id)",
							  1, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read hospital.transfers");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;

		missing[DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1,
											&isnull))] = true;
	}
	worker_commit();
}

/*
 * One day, whose ticks these are: they were published in order, so a tick's
 * events begin where those of the ticks before it end.
 */
static void
republish_day(const Tick *ticks, int nticks)
{
	Transfer   *transfers;
	int			n = day_events(ticks[0].day, &transfers);
	bool	   *missing = palloc0(Max(n, 1) * sizeof(bool));
	StringInfoData payload;
	int			i = 0;
	int			end = 0;

	find_missing(transfers, n, missing);
	initStringInfo(&payload);
	for (int t = 0; t < nticks; t++)
	{
		end = Min(end + ticks[t].events, n);
		for (; i < end; i++)
		{
			if (missing[i])
				send_transfer(&transfers[i], ticks[t].day, ticks[t].tick, &payload);
		}
	}
}

/* Up to AGAIN_DAYS days.  The last of them, or "after" when there are no more. */
static DateADT
republish_some(DateADT after)
{
	TickList	list = {0};
	int			first = 0;

	incomplete_ticks(&list, after);
	for (int i = 1; i <= list.n; i++)
	{
		if (i < list.n && list.ticks[i].day == list.ticks[first].day)
			continue;
		republish_day(&list.ticks[first], i - first);
		kafka_wait(producer.client, 0);
		after = list.ticks[first].day;
		first = i;
	}
	kafka_await_deliveries(producer.client, DELIVERY_TIMEOUT_MS);
	return after;
}

/* Costs one look at the tables, and a day's computing for each day that lacks events. */
static void
republish_missing(void)
{
	MemoryContext before = CurrentMemoryContext;
	MemoryContext scratch = AllocSetContextCreate(before, "hospital publish again",
												  ALLOCSET_DEFAULT_SIZES);
	DateADT		done = DATEVAL_NOBEGIN;
	DateADT		last;

	worker_state("publishing again what did not arrive");
	do
	{
		last = done;
		MemoryContextSwitchTo(scratch);
		done = republish_some(last);
		MemoryContextSwitchTo(before);
		MemoryContextReset(scratch);
	} while (done != last);
	MemoryContextDelete(scratch);
}

/* ---- opening and closing ---- */

static void
producer_close(void)
{
	if (producer.context != NULL)
		MemoryContextDelete(producer.context);	/* and the client with it */
	producer.context = NULL;
	producer.client = NULL;
}

static void
find_target(void)
{
	if (kafka_target(&producer.target))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 producer.target.embedded ?
			 errmsg("the embedded broker is not there yet") :
			 errmsg("no Kafka brokers are set"),
			 producer.target.embedded ? 0 : errhint("Set hospital.kafka_brokers.")));
}

static void
producer_connect(void)
{
	MemoryContext before = CurrentMemoryContext;
	int			partitions;

	producer.context = AllocSetContextCreate(TopMemoryContext, "hospital producer",
											 ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(producer.context);
	find_target();
	transfers_topic(producer.topic);
	uuid_text(producer.simulation_id, &producer.simulation.id);
	worker_state("connecting to the brokers");
	producer.client = kafka_open_producer(producer.target.brokers,
										  producer.target.embedded ? NULL :
										  psprintf("hospital-%s", producer.simulation_id));
	MemoryContextSwitchTo(before);

	if (!producer.target.embedded)
		kafka_transactions_start(producer.client, START_TIMEOUT_MS);
	partitions = kafka_partition_count(producer.client, producer.topic, START_TIMEOUT_MS);
	if (partitions == 0)
	{
		partitions = TRANSFERS_PARTITIONS;
		kafka_create_topic(producer.client, producer.topic, partitions, START_TIMEOUT_MS);
	}
	if (producer.target.embedded)
		republish_missing();
	else
		record_tail(partitions);
}

/* Is the client one for the brokers that the settings mean now? */
static bool
is_current(void)
{
	KafkaTarget now;

	return producer.client != NULL && kafka_target(&now) &&
		strcmp(now.identity, producer.target.identity) == 0;
}

static void
connect_if_needed(void)
{
	if (is_current())
		return;
	producer_close();
	producer_connect();
}

static void
publish_tick(DateADT day, int tick, int ticks_per_day)
{
	TickList	list = {0};
	int64		before;

	connect_if_needed();
	/* Connecting may just have learnt that it was sent. */
	if (is_published(day, tick, &before))
		return;
	tick_add(&list, day, tick, send_tick(day, tick, ticks_per_day, before));
	record_ticks(&list);
}

/*
 * Whatever goes wrong, what was sent is uncertain: throw the client away, so
 * that the next call fences and looks before it sends.
 */
static void
producer_publish(DateADT day, int tick, int ticks_per_day)
{
	PG_TRY();
	{
		publish_tick(day, tick, ticks_per_day);
	}
	PG_CATCH();
	{
		producer_close();
		PG_RE_THROW();
	}
	PG_END_TRY();
}

static void
producer_open(const Simulation *simulation, void (*meanwhile) (void))
{
	producer_close();
	kafka_meanwhile(meanwhile);
	producer.simulation = *simulation;
	PG_TRY();
	{
		producer_connect();
	}
	PG_CATCH();
	{
		producer_close();
		PG_RE_THROW();
	}
	PG_END_TRY();
}

static const ProducerApi producer_api = {
	.open = producer_open,
	.publish = producer_publish,
	.close = producer_close,
};

const ProducerApi *
hospital_producer_api(void)
{
	return &producer_api;
}
