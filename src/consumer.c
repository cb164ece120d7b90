/*
 * consumer.c: the worker that brings events from Kafka into tables.
 *
 * Whose partitions: all partitions of all topics are counted through, in the
 * order of the kinds; consumer number k of n has those whose number is k modulo
 * n, assigned by itself; the brokers keep no group and no position.  Another
 * number of consumers, topics or partitions is noticed, and everything opened
 * anew.
 *
 * A batch: messages are taken from the library and made into records with no
 * transaction open (consumer_collect.c, stream_batch.c); then one transaction
 * writes rows, rejects and ranges (stream_write.c, stream_ledger.c).  In memory
 * a position moves only after the commit; after any error the client is closed,
 * and the next one starts from the ledger.
 *
 * Fencing: an owner that was paused while another took over finds its range's
 * first offset taken, or the ledger further on than it thinks, and rolls back.
 *
 * Witness: reading begins with the last message that was taken in before.  It
 * must look as it did then, or the topic is another one of the same name.
 *
 * Stopping: a partition whose position is not in the log, whose witness is
 * another, or that has a message that may not be taken in, is stopped in
 * hospital.stream_partitions, and read again when somebody says so there.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "consumer_private.h"
#include "crash_point.h"
#include "event_headers.h"
#include "hospital_time.h"
#include "settings.h"
#include "stream_lake.h"
#include "stream_ledger.h"
#include "stream_stats.h"
#include "worker.h"

#define ABSENT_MS 500			/* between two looks for what is not there yet */
#define UNSERVED_MS 5000		/* ... when the brokers had to be asked for it */
#define RECOUNT_MS 15000		/* between two looks at the number of partitions */
#define LOOK_MS 1000			/* between two looks at what people have decided, while busy */
#define SHOW_MS 500				/* between two updates of hospital.stream_lag, while busy */
#define NOTE_MS 10000			/* between two notes of how far the log was read */
#define TELL_MS 10000			/* between two lines of the log about what came in */
#define METADATA_TIMEOUT_MS 10000
#define METADATA_EMBEDDED_MS 2000	/* it may have moved to another port meanwhile */
#define SOME_MESSAGES 64		/* of a batch, whose delay is measured */

extern PGDLLEXPORT void consumer_main(Datum main_arg);

Consumer	consumer;

/* Taken in and not told to the log yet; clients come and go meanwhile. */
static StreamCounts untold;
static TimestampTz told_at;

/* ---- what is shown ---- */

static void
append_json_bytes(StringInfo json, const char *name, const char *bytes, size_t length)
{
	static const char hex[] = "0123456789abcdef";

	if (event_text_is_storable(bytes, length))
	{
		appendStringInfo(json, "\"%s\":", name);
		escape_json(json, pnstrdup(bytes, length));
		return;
	}
	appendStringInfo(json, "\"%s_hex\":\"", name);
	for (size_t i = 0; i < length; i++)
	{
		appendStringInfoCharMacro(json, hex[(unsigned char) bytes[i] >> 4]);
		appendStringInfoCharMacro(json, hex[(unsigned char) bytes[i] & 15]);
	}
	appendStringInfoChar(json, '"');
}

/* As an array, since names may repeat. */
static char *
message_headers(const StreamMessage *message)
{
	KafkaHeader headers[HEADERS_READ];
	int			n = kafka_taken_headers(message->handle, headers, HEADERS_READ);
	StringInfoData json;

	initStringInfo(&json);
	for (int i = 0; i < n; i++)
	{
		appendStringInfoString(&json, i == 0 ? "[{" : ",{");
		append_json_bytes(&json, "name", headers[i].name, strlen(headers[i].name));
		appendStringInfoChar(&json, ',');
		if (headers[i].value != NULL)
			append_json_bytes(&json, "value", headers[i].value, headers[i].length);
		else
			appendStringInfoString(&json, "\"value\":null");
		appendStringInfoChar(&json, '}');
	}
	appendStringInfoString(&json, n == 0 ? "[]" : "]");
	return json.data;
}

static const char *
partition_state(const StreamPartition *partition)
{
	const char *trouble = kafka_trouble(consumer.client);

	if (!partition->running)
		return partition->stopping ? "stopped" : "paused or stopped";
	return trouble != NULL ? trouble : "running";
}

/* For hospital.stream_lag. */
static void
show_partitions(void)
{
	TimestampTz now = GetCurrentTimestamp();
	double		seconds = consumer.shown_at == 0 ? 0 : (now - consumer.shown_at) / (double) USECS_PER_SEC;

	consumer.shown_at = now;
	for (int i = 0; i < consumer.batch.npartitions; i++)
	{
		const StreamPartition *partition = &consumer.batch.partitions[i];
		Reading    *reading = &consumer.readings[i];
		StreamPartitionStats stats = {.position = partition->next, .log_end = -1};
		int64		low;
		int64		high;

		if (kafka_log_bounds(consumer.client, partition->topic->name, partition->number, &low, &high))
			stats.log_end = reading->end >= high && partition->next != NO_POSITION ? partition->next : high;
		if (seconds > 0)
			reading->rate += (reading->counted / seconds - reading->rate) * Min(seconds / 5, 1);
		reading->counted = 0;
		stats.rate = reading->rate;
		stats.last_message_at = reading->last_message_at;
		stats.state = partition_state(partition);
		stats.error = partition->stopping ? partition->stop.message : NULL;
		stream_stats_partition(partition->topic->name, partition->number, &stats);
	}
}

void
consumer_show_state(void)
{
	const char *trouble = kafka_trouble(consumer.client);
	int			idle = 0;

	for (int i = 0; i < consumer.batch.npartitions; i++)
		idle += !consumer.batch.partitions[i].running;
	if (trouble != NULL)
		worker_state("%s", trouble);
	else if (idle > 0)
		worker_state("%d of %d partitions stopped or paused", idle, consumer.batch.npartitions);
	else if (consumer.absent != NULL)
		worker_state("waiting for events; unknown topic %s", consumer.absent);
	else
		worker_state("waiting for events");
	show_partitions();
}

/* ---- opening and closing ---- */

static void
consumer_close(void)
{
	if (consumer.context != NULL)
		MemoryContextDelete(consumer.context);	/* and the client with it */
	memset(&consumer, 0, sizeof(consumer));
	stream_stats_forget();
}

/* Is the client one for what the settings and the embedded broker are now? */
static bool
is_current(void)
{
	KafkaTarget now;

	return consumer.client != NULL && kafka_target(&now) &&
		consumer.workers == hospital_consumer_workers && consumer.queue == hospital_stream_queue &&
		strcmp(consumer.topics_setting, hospital_topics) == 0 &&
		strcmp(now.identity, consumer.target.identity) == 0;
}

static bool
read_simulation(void)
{
	bool		found;

	if (!worker_begin("reading the simulation"))
		return false;
	found = simulation_read(&consumer.simulation, true);
	worker_commit();
	if (found)
		event_id_text(consumer.simulation_id, &consumer.simulation.id);
	return found;
}

static int
compare_topics(const void *a, const void *b)
{
	return strcmp(((const StreamTopic *) a)->name, ((const StreamTopic *) b)->name);
}

/*
 * Which topics there are, and how many partitions each has; in the order in
 * which partitions are to be locked.
 */
static void
find_topics(void)
{
	StreamTopic wanted[STREAM_KINDS];
	int			kinds[STREAM_KINDS];
	int			n = stream_kinds(kinds);
	int			timeout = consumer.target.embedded ? METADATA_EMBEDDED_MS : METADATA_TIMEOUT_MS;

	for (int i = 0; i < n; i++)
	{
		wanted[i].kind = kinds[i];
		stream_topic(kinds[i], wanted[i].name);
	}
	qsort(wanted, n, sizeof(StreamTopic), compare_topics);
	for (int i = 0; i < n; i++)
	{
		int			count = kafka_partition_count(consumer.client, wanted[i].name, timeout);

		if (count == 0)
		{
			if (consumer.absent == NULL)
				consumer.absent = pstrdup(wanted[i].name);
			continue;
		}
		consumer.topics[consumer.ntopics] = wanted[i];
		consumer.counts[consumer.ntopics++] = count;
	}
	consumer.counted_at = GetCurrentTimestamp();
}

/* Which of all partitions are ours. */
static void
take_partitions(void)
{
	int			all = 0;
	int			number = 0;

	for (int t = 0; t < consumer.ntopics; t++)
		all += consumer.counts[t];
	consumer.batch.partitions = palloc0(Max(all, 1) * sizeof(StreamPartition));
	consumer.readings = palloc0(Max(all, 1) * sizeof(Reading));
	consumer.positions = palloc0(Max(all, 1) * sizeof(KafkaPosition));
	for (int t = 0; t < consumer.ntopics; t++)
	{
		consumer.by_number[t] = palloc(consumer.counts[t] * sizeof(int));
		for (int p = 0; p < consumer.counts[t]; p++)
		{
			bool		ours = number++ % consumer.workers == worker_number();
			StreamPartition *partition = &consumer.batch.partitions[consumer.batch.npartitions];

			consumer.by_number[t][p] = ours ? consumer.batch.npartitions++ : -1;
			if (!ours)
				continue;
			partition->topic = &consumer.topics[t];
			partition->number = p;
		}
	}
	stream_batch_forget(&consumer.batch);
}

/* What is written down of topics and partitions, and what to fetch by that. */
static bool
read_ledger(void)
{
	if (!worker_begin("reading positions"))
		return false;
	for (int t = 0; t < consumer.ntopics; t++)
		stream_topic_read(&consumer.topics[t]);
	for (int i = 0; i < consumer.batch.npartitions; i++)
		stream_partition_read(&consumer.batch.partitions[i], consumer.target.epoch);
	worker_commit();
	consumer.looked_at = GetCurrentTimestamp();
	return true;
}

/*
 * Fetch what is to be read, from the last message that was taken in on; or, where
 * the log begins between it and what was read to without a message, from there.
 */
static void
read_on(void)
{
	int			n = 0;

	consumer_forget_batch();
	consumer_forget_waiting();
	for (int i = 0; i < consumer.batch.npartitions; i++)
	{
		const StreamPartition *partition = &consumer.batch.partitions[i];
		Reading    *reading = &consumer.readings[i];
		KafkaPosition *position = &consumer.positions[n];

		reading->watched = partition->witness.offset != NO_POSITION;
		reading->lost = false;
		reading->end = NO_POSITION;
		if (!partition->running)
			continue;
		position->topic = partition->topic->name;
		position->number = (int) (partition->topic - consumer.topics);
		position->partition = partition->number;
		position->offset = reading->watched ? partition->witness.offset :
			partition->next == NO_POSITION ? KAFKA_FROM_START :
			Max(partition->next, Min(partition->read_to, partition->log_begin));
		n++;
	}
	kafka_read_from(consumer.client, consumer.positions, n);
	consumer.read_anew = false;
	consumer.came_back = false;
}

/* In consumer.context.  NULL when open, else the state to show meanwhile. */
static const char *
try_open(void)
{
	if (!read_simulation())
		return "no hospital here";
	if (!kafka_target(&consumer.target))
		return consumer.target.embedded ? "waiting for the embedded broker" : "no brokers are set";
	consumer.workers = hospital_consumer_workers;
	consumer.queue = hospital_stream_queue;
	consumer.topics_setting = pstrdup(hospital_topics);
	if (worker_number() >= consumer.workers)
		return "one consumer too many";
	worker_state("connecting to %s", consumer.target.brokers);
	consumer.client = kafka_open_reader(consumer.target.brokers);
	find_topics();
	if (consumer.ntopics == 0)
		return consumer.absent == NULL ? "no topics are set" : psprintf("unknown topic %s", consumer.absent);
	take_partitions();
	if (consumer.batch.npartitions == 0)
		return "no partition for this consumer";
	if (!read_ledger())
		return "no hospital here";
	stream_lake_recover(&consumer.batch);
	read_on();
	return NULL;
}

static bool
consumer_open(void)
{
	MemoryContext before = CurrentMemoryContext;
	const char *state;

	consumer.context = AllocSetContextCreate(TopMemoryContext, "hospital consumer",
											 ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(consumer.context);
	stream_batch_init(&consumer.batch);
	consumer.batch.headers = message_headers;
	consumer.batch.simulation = consumer.simulation.name;
	state = try_open();
	MemoryContextSwitchTo(before);
	if (state != NULL)
	{
		long		absent = consumer.client != NULL ? UNSERVED_MS : ABSENT_MS;

		worker_state("%s", state);
		consumer_close();
		worker_wait(absent, -1);
		return false;
	}
	worker_clear_error();
	consumer_show_state();
	return true;
}

/* ---- applying, in one transaction ---- */

/*
 * Partitions that somebody has decided about leave the batch; true when there
 * are any.
 */
static bool
leave_changed(void)
{
	bool		changed = false;

	for (int i = 0; i < consumer.batch.npartitions; i++)
	{
		StreamPartition *partition = &consumer.batch.partitions[i];

		if (partition->first < 0 || !stream_partition_changed(partition))
			continue;
		partition->cut = 0;
		partition->stopping = false;
		consumer.readings[i].end = NO_POSITION;
		changed = true;
	}
	return changed;
}

/* Write the batch, without what a partition has to stop before.  False: no hospital. */
static bool
write_batch(bool *changed)
{
	for (;;)
	{
		if (!worker_begin("taking in events"))
			return false;
		*changed = leave_changed();
		if (stream_write(&consumer.batch, worker_schema()))
			return true;
		worker_rollback();
	}
}

static void
measure_delays(TimestampTz now)
{
	int			step = Max(consumer.batch.n / SOME_MESSAGES, 1);
	int64		now_ms = unix_ms(now);

	for (int i = 0; i < consumer.batch.n; i += step)
		stream_stats_stage(STREAM_VISIBLE, Max(now_ms - consumer.batch.messages[i].timestamp, 0) * 1000, step);
}

static void
count_batch(void)
{
	StreamCounts counts = {.bytes = consumer.bytes};

	for (int i = 0; i < consumer.batch.npartitions; i++)
	{
		const StreamPartition *partition = &consumer.batch.partitions[i];
		Reading    *reading = &consumer.readings[i];

		if (partition->first < 0 || partition->messages == 0)
			continue;
		counts.messages += partition->messages;
		counts.rows += partition->rows;
		counts.rejects += partition->rejects;
		counts.duplicates += partition->duplicates;
		reading->counted += partition->messages;
		reading->last_message_at = time_of_unix_ms(consumer.batch.messages[partition->last].timestamp);
	}
	stream_stats_batch(&counts);
	worker_count_rows(counts.rows);
	untold.messages += counts.messages;
	untold.rows += counts.rows;
	untold.rejects += counts.rejects;
	untold.duplicates += counts.duplicates;
}

/* At once after a quiet time; while events keep coming, a line now and then. */
static void
tell_log(void)
{
	if (untold.messages == 0 || !TimestampDifferenceExceeds(told_at, GetCurrentTimestamp(), TELL_MS))
		return;
	ereport(LOG,
			(errmsg("hospital consumer: " UINT64_FORMAT " events taken in: " UINT64_FORMAT " rows, "
					UINT64_FORMAT " rejects, " UINT64_FORMAT " duplicates",
					untold.messages, untold.rows, untold.rejects, untold.duplicates)));
	memset(&untold, 0, sizeof(untold));
	told_at = GetCurrentTimestamp();
}

/* Rows, rejects and ranges of the batch, all or none.  False: no hospital. */
static bool
apply(void)
{
	TimestampTz begun = GetCurrentTimestamp();
	TimestampTz written;
	TimestampTz done;
	bool		changed;

	CRASH_POINT("consumer_after_fetch");
	if (!write_batch(&changed))
		return false;
	written = GetCurrentTimestamp();
	CRASH_POINT("consumer_before_commit");
	worker_commit();
	done = GetCurrentTimestamp();
	CRASH_POINT("consumer_after_commit");
	stream_written(&consumer.batch);
	count_batch();
	stream_stats_stage(STREAM_FETCH, consumer.fetch_us, 1);
	stream_stats_stage(STREAM_PARSE, consumer.parse_us, 1);
	stream_stats_stage(STREAM_WRITE, written - begun, 1);
	stream_stats_stage(STREAM_COMMIT, done - written, 1);
	measure_delays(done);
	if (changed)
		consumer.looked_at = 0;
	return true;
}

/* Listeners are told apart from the rows, so that notifications hold up no other commit. */
static bool
tell_listeners(void)
{
	if (insight_alerts(consumer.batch.insight) == 0)
		return true;
	if (!worker_begin("telling listeners"))
		return false;
	insight_notify(consumer.batch.insight);
	worker_commit();
	return true;
}

/*
 * Write down which partitions have stopped; the others are watched again, since
 * it may be a whole topic that is another one.  False: no hospital.
 */
static bool
stop_partitions(void)
{
	bool		stopped = false;

	for (int i = 0; i < consumer.batch.npartitions; i++)
	{
		StreamPartition *partition = &consumer.batch.partitions[i];

		if (!partition->stopping || !partition->running)
			continue;
		consumer.readings[i].end = NO_POSITION;
		if (!worker_begin("stopping a partition"))
			return false;
		stream_partition_stop(partition);
		worker_commit();
		partition->running = false;
		stopped = true;
		ereport(LOG,
				(errcode(partition->stop.sqlstate),
				 errmsg("hospital consumer: topic %s partition %d is stopped at offset " INT64_FORMAT ": %s",
						partition->topic->name, partition->number, partition->next, partition->stop.message),
				 errdetail("Nothing of it is skipped."),
				 errhint("See hospital.stream_partitions, hospital_accept_gap and hospital_resume.")));
		worker_record_error(partition->stop.sqlstate, partition->stop.message);
	}
	consumer.read_anew |= stopped;
	return !stopped || read_ledger();
}

/* ---- the loop ---- */

/*
 * A log that was read to its end, where marks of transactions or other offsets
 * without a message came last: the ledger ends with the message before them.  Not
 * often, while messages come and go: the row is updated in place.
 */
static void
note_ends(bool leaving)
{
	TimestampTz now = GetCurrentTimestamp();

	if (!leaving && !TimestampDifferenceExceeds(consumer.noted_at, now, NOTE_MS))
		return;
	for (int i = 0; i < consumer.batch.npartitions; i++)
	{
		StreamPartition *partition = &consumer.batch.partitions[i];
		int64		end = consumer.readings[i].end;

		if (!partition->running || partition->next == NO_POSITION || end <= goes_on_at(partition))
			continue;
		stream_partition_read_to(partition, end);
		consumer.noted_at = now;
	}
}

/* Have people decided something?  False: no hospital. */
static bool
look_around(void)
{
	bool		changed = false;

	if (!worker_begin("looking at the partitions"))
		return false;
	for (int t = 0; t < consumer.ntopics; t++)
		stream_topic_read(&consumer.topics[t]);
	for (int i = 0; i < consumer.batch.npartitions && !changed; i++)
		changed = stream_partition_changed(&consumer.batch.partitions[i]);
	note_ends(changed);
	worker_commit();
	consumer.looked_at = GetCurrentTimestamp();
	if (!changed)
		return true;
	consumer.read_anew = true;
	return read_ledger();
}

/* Somebody may add topics, and partitions to them, at any time. */
static bool
was_repartitioned(void)
{
	if (!TimestampDifferenceExceeds(consumer.counted_at, GetCurrentTimestamp(), RECOUNT_MS))
		return false;
	consumer.counted_at = GetCurrentTimestamp();
	if (kafka_trouble(consumer.client) != NULL)
		return false;
	if (consumer.absent != NULL && kafka_probe(consumer.client, consumer.absent, true) > 0)
		return true;
	for (int t = 0; t < consumer.ntopics; t++)
	{
		int			count = kafka_probe(consumer.client, consumer.topics[t].name, true);

		if (count > 0 && count != consumer.counts[t])
			return true;
	}
	return false;
}

/* False: the hospital is gone, or being changed. */
static bool
take_in(void)
{
	bool		idle;

	consumer_collect();
	idle = consumer.batch.n == 0;
	if (!idle && (!apply() || !tell_listeners()))
		return false;
	consumer_forget_batch();
	tell_log();
	if (!stop_partitions())
		return false;
	if ((idle || TimestampDifferenceExceeds(consumer.looked_at, GetCurrentTimestamp(), LOOK_MS)) &&
		!look_around())
		return false;
	if (!idle && TimestampDifferenceExceeds(consumer.shown_at, GetCurrentTimestamp(), SHOW_MS))
		show_partitions();
	if (consumer.came_back && !read_ledger())	/* which has the last witness */
		return false;
	if (consumer.read_anew || consumer.came_back)
		read_on();
	return true;
}

static void
turn(void)
{
	if (!is_current())
	{
		consumer_close();
		if (!consumer_open())
			return;
	}
	if (was_repartitioned() || !take_in())
		consumer_close();
}

static bool
consumer_turn(void *arg)
{
	PG_TRY();
	{
		turn();
	}
	PG_CATCH();
	{
		/* Where we are is what the ledger says; begin again from there. */
		consumer_close();
		PG_RE_THROW();
	}
	PG_END_TRY();
	return true;
}

void
consumer_main(Datum main_arg)
{
	worker_start(main_arg);
	worker_loop(consumer_turn, NULL);
}
