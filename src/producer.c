/*
 * producer.c: publishing the hospital's events, each exactly once.
 *
 * Runs inside the scheduler, through ProducerApi.  Events go out in Kafka
 * transactions under the transactional id "hospital-<simulation id>": one for a
 * tick, of all kinds, or one for some days of hospital_publish; and then rows of
 * hospital.published in a Postgres transaction of its own.  A crash may fall
 * between the two, so opening first fences: init_transactions ends whatever a
 * former producer had under way, one way or the other, after which nothing of it
 * can appear any more.  Only then is what follows the recorded offsets read
 * back, and ticks found there that hospital.published lacks are recorded, not
 * sent again (producer_tail.c).  After any error the client is thrown away, so
 * that the next attempt comes through the same door.
 *
 * The embedded broker only imitates transactions, and is empty after a restart.
 * There, an idempotent producer sends at least once, and opening sends again what
 * may not have arrived (producer_again.c).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/memutils.h"

#include "crash_point.h"
#include "day_file.h"
#include "event.h"
#include "event_headers.h"
#include "producer.h"
#include "producer_private.h"
#include "settings.h"
#include "worker.h"

#define COMMIT_TIMEOUT_MS 30000
#define BATCH_EVENTS 150000		/* of hospital_publish: a kind's day more at the most */
#define BATCH_BYTES (64 * 1024 * 1024)
#define BATCH_DAYS 100

StaticAssertDecl(TRANSFERS_MAX <= REST_TICK, "each of a day's transfers may be a part of its own");

Producer	producer;

/* ---- opening and closing ---- */

static void
producer_close(void)
{
	/* first: it may still send from messages that the context has */
	if (producer.client != NULL)
		kafka_close(producer.client);
	if (producer.context != NULL)
		MemoryContextDelete(producer.context);
	producer.context = NULL;
	producer.client = NULL;
	producer.ahead = NIL;
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
name_streams(void)
{
	producer.prefix = pstrdup(hospital_topic_prefix);
	for (int kind = 0; kind < STREAM_KINDS; kind++)
	{
		(void) stream_topic(kind, producer.streams[kind].name);
		producer.streams[kind].topic = NULL;
	}
}

static void
producer_connect(void)
{
	MemoryContext before = CurrentMemoryContext;

	producer.context = AllocSetContextCreate(TopMemoryContext, "hospital producer",
											 ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(producer.context);
	find_target();
	name_streams();
	event_id_text(producer.simulation_id, &producer.simulation.id);
	worker_state("connecting to the brokers");
	producer.client = kafka_open_producer(producer.target.brokers,
										  producer.target.embedded ? NULL :
										  psprintf("hospital-%s", producer.simulation_id));
	MemoryContextSwitchTo(before);

	if (producer.target.embedded)
		republish_missing();
	else
	{
		kafka_transactions_start(producer.client, START_TIMEOUT_MS);
		record_tail();
	}
}

/* Is the client one for the brokers and topics that the settings mean now? */
static bool
is_current(void)
{
	KafkaTarget now;

	return producer.client != NULL && kafka_target(&now) &&
		strcmp(now.identity, producer.target.identity) == 0 &&
		strcmp(producer.prefix, hospital_topic_prefix) == 0;
}

static void
connect_if_needed(void)
{
	if (is_current())
		return;
	producer_close();
	producer_connect();
}

/* ---- a batch: what one Kafka transaction has ---- */

typedef struct Batch
{
	HTAB	   *ticks;
	int64		stream_tick;	/* 0: none */
	bool		open;			/* the Kafka transaction */
	int64		events;
	int64		bytes;
	DateADT		first_day;		/* with events */
	DateADT		last_day;
} Batch;

static void
count_events(Batch *batch, const PublishedTick *tick, int n)
{
	if (batch->events == 0)
		batch->first_day = tick->key.day;
	batch->last_day = tick->key.day;
	batch->events += n;
}

/* Those from event number "first" on; a last part is noted even if there are none. */
static void
add_to_batch(Batch *batch, const TickKey *key, const Messages *messages, int first)
{
	int			n = messages->first + messages->n - first;
	PublishedTick *tick;

	if (n <= 0 && key->tick != REST_TICK)
		return;
	tick = ticks_get(batch->ticks, key, batch->stream_tick);
	if (n <= 0)
		return;
	stream_open(key->kind);
	if (!batch->open && !producer.target.embedded)
		kafka_begin(producer.client);
	batch->open = true;
	batch->bytes += send_messages(tick, messages, first);
	count_events(batch, tick, n);
}

static bool
is_full(const Batch *batch)
{
	return batch->events >= BATCH_EVENTS || batch->bytes >= BATCH_BYTES;
}

/* Until here nothing counts as sent. */
static void
finish_batch(Batch *batch)
{
	if (!batch->open)
		return;
	kafka_await_deliveries(producer.client, DELIVERY_TIMEOUT_MS);
	CRASH_POINT("producer_before_commit");
	if (!producer.target.embedded)
		kafka_commit(producer.client, COMMIT_TIMEOUT_MS);
	CRASH_POINT("producer_sent");
	worker_count_rows(batch->events);
}

/* "15 transfers", "6012 events of 13 kinds": of all kinds that have these days */
static const char *
events_in_words(int64 events, HTAB *ticks, DateADT from, DateADT to)
{
	HASH_SEQ_STATUS status;
	PublishedTick *tick;
	bool		kinds[STREAM_KINDS] = {false};
	int			n = 0;
	int			one = 0;

	hash_seq_init(&status, ticks);
	while ((tick = hash_seq_search(&status)) != NULL)
	{
		if (tick->key.day < from || tick->key.day > to)
			continue;
		n += !kinds[tick->key.kind];
		kinds[tick->key.kind] = true;
		one = tick->key.kind;
	}
	return n == 1 ? psprintf(INT64_FORMAT " %s", events, stream_kind_name(one)) :
		psprintf(INT64_FORMAT " events of %d kinds", events, n);
}

/* ---- a tick ---- */

/* What is told of a day when its last part has been published. */
typedef struct DaySent
{
	bool		is_last;		/* there was a last part to publish */
	int64		events;			/* of the day, by whatever ticks */
} DaySent;

static DateADT
first_day(const StreamTick *tick)
{
	DateADT		first = tick->last_day + 1;

	for (int i = 0; i < tick->nkinds; i++)
		first = Min(first, tick->first[i]);
	return first;
}

/* Kinds of a day share the number of a part. */
static int
next_part(const StreamTick *tick, const KindDay ledger[STREAM_KINDS], bool last)
{
	int			part = 0;

	for (int i = 0; i < tick->nkinds; i++)
		part = Max(part, ledger[tick->kinds[i]].parts);
	return last ? REST_TICK : part;
}

static DaySent
add_tick_day(Batch *batch, const StreamTick *tick, DateADT day, const KindDay ledger[STREAM_KINDS])
{
	double		share = day < tick->last_day ? 1 : tick->share;
	int			part = next_part(tick, ledger, share >= 1);
	int64		before = batch->events;
	DaySent		sent = {false, 0};

	/* A day in so many parts that there is no number left: its last one has the rest. */
	if (share < 1 && part >= REST_TICK)
		return sent;
	for (int i = 0; i < tick->nkinds; i++)
	{
		const KindDay *known = &ledger[tick->kinds[i]];
		TickKey		key = {tick->kinds[i], day, part};

		if (known->done || day < tick->first[i])
			continue;
		sent.is_last = share >= 1;
		sent.events += known->before;
		add_to_batch(batch, &key, share_messages(day, key.kind, known->before, share), known->before);
	}
	sent.events += batch->events - before;
	return sent;
}

static void
log_sent(const DaySent *sent, DateADT from, int n, HTAB *ticks)
{
	for (int i = 0; i < n; i++)
	{
		if (sent[i].is_last)
			ereport(LOG,
					(errmsg("hospital producer: %s: %s sent", day_file_date(from + i),
							events_in_words(sent[i].events, ticks, from + i, from + i))));
	}
}

static bool
publish_tick(const StreamTick *tick)
{
	KindDay		(*ledger)[STREAM_KINDS];
	Batch		batch = {.ticks = ticks_new(), .stream_tick = tick->record.number};
	DateADT		from = first_day(tick);
	int			n = Min(tick->last_day - from + 1, BATCH_DAYS);
	DaySent    *sent = palloc0(Max(n, 1) * sizeof(DaySent));
	int			done = 0;
	bool		is_all;

	connect_if_needed();
	if (n > 0)
	{
		ledger = palloc(n * sizeof(ledger[0]));
		/* Connecting may just have learnt that it was sent. */
		ledger_read(from, n, ledger);
		for (; done < n && !is_full(&batch); done++)
			sent[done] = add_tick_day(&batch, tick, from + done, ledger[done]);
	}
	finish_batch(&batch);
	is_all = from + done > tick->last_day;
	ledger_begin("recording published events");
	ledger_write(batch.ticks, false);
	if (is_all)
		window_record_tick(&tick->record, true);
	worker_commit();
	CRASH_POINT("producer_recorded");
	log_sent(sent, from, done, batch.ticks);
	return is_all;
}

/* ---- days, for hospital_publish ---- */

/*
 * With the events, so that a request never counts what was not recorded.  False
 * when its session has given it up.
 */
static bool
note_progress(int64 request, DateADT done, int64 events)
{
	Oid			types[] = {INT8OID, DATEOID, INT8OID};
	Datum		values[] = {Int64GetDatum(request), DateADTGetDatum(done), Int64GetDatum(events)};

	if (SPI_execute_with_args("UPDATE hospital.publish_requests SET state = 'running',"
							  " done_day = CASE WHEN $2 >= from_day THEN $2 END, events = events + $3"
							  " WHERE request_id = $1 AND state IN ('waiting', 'running')",
							  3, types, values, NULL, false, 0) != SPI_OK_UPDATE)
		elog(ERROR, "could not write hospital.publish_requests");
	return SPI_processed > 0;
}

static void
log_days(const Batch *batch)
{
	const char *first = pstrdup(day_file_date(batch->first_day));

	if (batch->events > 0)
		ereport(LOG,
				(errmsg("hospital producer: %s to %s: %s sent", first,
						day_file_date(batch->last_day),
						events_in_words(batch->events, batch->ticks, batch->first_day, batch->last_day))));
}

/* Of one day as much as the batch takes; true when that is all. */
static bool
add_day(Batch *batch, DateADT day, KindDay ledger[STREAM_KINDS])
{
	int			kinds[STREAM_KINDS];
	int			n = stream_kinds(kinds);

	for (int i = 0; i < n; i++)
	{
		KindDay    *known = &ledger[kinds[i]];
		TickKey		key = {kinds[i], day, REST_TICK};

		if (known->done)
			continue;
		if (is_full(batch))
			return false;
		add_to_batch(batch, &key, day_messages(day, kinds[i]), known->before);
	}
	return true;
}

static bool
publish_days(int64 request, DateADT from, DateADT to, DateADT *done)
{
	int			n = Min(to - from + 1, BATCH_DAYS);
	KindDay		(*ledger)[STREAM_KINDS] = palloc(n * sizeof(ledger[0]));
	Batch		batch = {.ticks = ticks_new()};
	bool		wanted;
	int			days = 0;

	connect_if_needed();
	forget_messages_before(from);
	ledger_read(from, n, ledger);
	while (days < n && add_day(&batch, from + days, ledger[days]))
		days++;
	*done = from + days - 1;
	prepare_ahead(from + days, n - days, ledger + days);
	finish_batch(&batch);
	forget_messages_before(*done + 1);
	ledger_begin("recording published events");
	ledger_write(batch.ticks, false);
	wanted = note_progress(request, *done, batch.events);
	worker_commit();
	CRASH_POINT("producer_recorded");
	log_days(&batch);
	if (!wanted || *done >= to)
		forget_messages_before(DATEVAL_NOEND);
	return wanted;
}

/* ---- the scheduler's calls ----
 *
 * Whatever goes wrong, what was sent is uncertain: throw the client away, so
 * that the next call fences and looks before it sends.
 */

static bool
producer_publish(const StreamTick *tick)
{
	bool		is_all;

	PG_TRY();
	{
		is_all = publish_tick(tick);
	}
	PG_CATCH();
	{
		producer_close();
		PG_RE_THROW();
	}
	PG_END_TRY();
	return is_all;
}

static bool
producer_publish_days(int64 request, DateADT from, DateADT to, DateADT *done)
{
	bool		wanted;

	PG_TRY();
	{
		wanted = publish_days(request, from, to, done);
	}
	PG_CATCH();
	{
		producer_close();
		PG_RE_THROW();
	}
	PG_END_TRY();
	return wanted;
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
	.publish_days = producer_publish_days,
	.close = producer_close,
};

const ProducerApi *
hospital_producer_api(void)
{
	return &producer_api;
}
