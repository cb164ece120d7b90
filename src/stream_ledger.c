/*
 * stream_ledger.c: what the consumers know of topics and partitions, and what
 * they write down of them.
 *
 * The position of a partition is what the ledger hospital.stream_ranges says of
 * its epoch; hospital.stream_partitions says which epoch that is, and whether to
 * read.  That row is changed by hand, or when a consumer stops, never because
 * messages came in.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "hospital_time.h"
#include "kept_plan.h"
#include "partition_lock.h"
#include "stream_ledger.h"

#define REJECTS_AT_ONCE 1000
#define REJECT_BYTES (8 * 1024 * 1024)

/* ---- topics ---- */

void
stream_topic_read(StreamTopic *topic)
{
	static KeptPlan insert;
	static KeptPlan read;
	const Oid	types[] = {TEXTOID, TEXTOID, TEXTOID};
	Datum		values[] = {
		CStringGetTextDatum(topic->name), CStringGetTextDatum(stream_kind_name(topic->kind)),
		CStringGetTextDatum(topic->kind == STREAM_ADT ? "hl7" : "json")
	};
	bool		isnull;

	if (kept_run(&read, "SELECT unknown_fields = 'keep', errors = 'stop', reject_percent::float8"
				 " FROM hospital.stream_topics WHERE topic = $1", 1, types, values, NULL, SPI_OK_SELECT) == 0)
	{
		kept_done();
		kept_run(&insert, "INSERT INTO hospital.stream_topics (topic, kind, format) VALUES ($1, $2, $3)"
				 " ON CONFLICT (topic) DO NOTHING", 3, types, values, NULL, SPI_OK_INSERT);
		topic->keep_unknown = topic->stop_on_error = false;
		topic->reject_percent = ANY_REJECTS;
		return;
	}
	topic->keep_unknown = DatumGetBool(kept_value(0, 1, &isnull));
	topic->stop_on_error = DatumGetBool(kept_value(0, 2, &isnull));
	topic->reject_percent = DatumGetFloat8(kept_value(0, 3, &isnull));
	if (isnull)
		topic->reject_percent = ANY_REJECTS;
	kept_done();
}

/* ---- partitions ---- */

/* Their rows, as they are now. */
typedef struct PartitionRow
{
	int64		epoch;
	int64		broker_epoch;
	int64		next;			/* NO_POSITION: none yet */
	int64		read_to;
	bool		running;
	StreamWitness witness;
} PartitionRow;

static int64
number_or(uint64 row, int column, int64 none)
{
	bool		isnull;
	Datum		value = kept_value(row, column, &isnull);

	return isnull ? none : DatumGetInt64(value);
}

static bool
read_row(const StreamPartition *partition, PartitionRow *row)
{
	static KeptPlan plan;
	const Oid	types[] = {TEXTOID, INT4OID};
	Datum		values[] = {CStringGetTextDatum(partition->topic->name), Int32GetDatum(partition->number)};
	bool		isnull;
	Datum		timestamp;

	if (kept_run(&plan, "SELECT p.epoch, p.broker_epoch, p.state = 'running', p.start_offset, r.last_offset,"
				 " r.last_timestamp, r.last_digest, p.read_to"
				 " FROM hospital.stream_partitions AS p LEFT JOIN LATERAL"
				 " (SELECT last_offset, last_timestamp, last_digest FROM hospital.stream_ranges AS r"
				 "  WHERE r.topic = p.topic AND r.partition = p.partition AND r.epoch = p.epoch"
				 "  ORDER BY first_offset DESC LIMIT 1) AS r ON true"
				 " WHERE p.topic = $1 AND p.partition = $2",
				 2, types, values, NULL, SPI_OK_SELECT) == 0)
	{
		kept_done();
		return false;
	}
	row->epoch = number_or(0, 1, 0);
	row->broker_epoch = number_or(0, 2, 0);
	row->running = DatumGetBool(kept_value(0, 3, &isnull));
	row->witness.offset = number_or(0, 5, NO_POSITION);
	row->next = row->witness.offset >= 0 ? row->witness.offset + 1 : number_or(0, 4, NO_POSITION);
	timestamp = kept_value(0, 6, &isnull);
	if (isnull)
		row->witness.offset = NO_POSITION;	/* offsets that were given up */
	else
		row->witness.timestamp = unix_ms(DatumGetTimestampTz(timestamp));
	row->witness.digest = number_or(0, 7, 0);
	row->read_to = number_or(0, 8, NO_POSITION);
	kept_done();
	return true;
}

static void
insert_partition(const StreamPartition *partition, int64 broker_epoch)
{
	static KeptPlan plan;
	const Oid	types[] = {TEXTOID, INT4OID, INT8OID};
	Datum		values[] = {
		CStringGetTextDatum(partition->topic->name), Int32GetDatum(partition->number),
		Int64GetDatum(broker_epoch)
	};

	kept_run(&plan, "INSERT INTO hospital.stream_partitions (topic, partition, broker_epoch)"
			 " VALUES ($1, $2, $3) ON CONFLICT (topic, partition) DO NOTHING",
			 3, types, values, NULL, SPI_OK_INSERT);
}

static void
record_action(const StreamPartition *partition, const char *action, int64 epoch, int64 from, int64 to,
			  const char *reason)
{
	static KeptPlan plan;
	const Oid	types[] = {TEXTOID, TEXTOID, INT4OID, INT8OID, INT8OID, INT8OID, TEXTOID};
	Datum		values[] = {
		CStringGetTextDatum(action), CStringGetTextDatum(partition->topic->name),
		Int32GetDatum(partition->number), Int64GetDatum(epoch), Int64GetDatum(from), Int64GetDatum(to),
		CStringGetTextDatum(reason)
	};
	char		nulls[] = "       ";

	nulls[4] = from < 0 ? 'n' : ' ';
	nulls[5] = to < 0 ? 'n' : ' ';
	kept_run(&plan, "INSERT INTO hospital.stream_actions (who, action, topic, partition, epoch, from_offset, to_offset, reason)"
			 " VALUES (current_user, $1, $2, $3, $4, $5, $6, $7)", 7, types, values, nulls, SPI_OK_INSERT);
}

/* The embedded broker was started again, and is empty. */
static void
begin_broker_epoch(const StreamPartition *partition, PartitionRow *row, int64 broker_epoch)
{
	static KeptPlan plan;
	const Oid	types[] = {TEXTOID, INT4OID, INT8OID};
	Datum		values[] = {
		CStringGetTextDatum(partition->topic->name), Int32GetDatum(partition->number),
		Int64GetDatum(broker_epoch)
	};

	kept_run(&plan, "UPDATE hospital.stream_partitions SET epoch = epoch + 1, broker_epoch = $3, start_offset = NULL, read_to = NULL,"
			 " state = CASE state WHEN 'paused' THEN 'paused' ELSE 'running' END, reason = NULL, sqlstate = NULL,"
			 " changed_at = now(), changed_by = current_user WHERE topic = $1 AND partition = $2",
			 3, types, values, NULL, SPI_OK_UPDATE);
	record_action(partition, "new broker", row->epoch + 1, row->next, NO_POSITION,
				  "another broker answers: what it has is read from its beginning");
}

void
stream_partition_read(StreamPartition *partition, int64 broker_epoch)
{
	PartitionRow row;

	stream_partition_lock(partition->topic->name, partition->number, false);
	if (!read_row(partition, &row))
		insert_partition(partition, broker_epoch);
	else if (row.broker_epoch != broker_epoch)
		begin_broker_epoch(partition, &row, broker_epoch);
	if (!read_row(partition, &row))
		elog(ERROR, "hospital.stream_partitions has lost a row");
	partition->epoch = row.epoch;
	partition->next = row.next;
	partition->read_to = row.read_to;
	partition->running = row.running;
	partition->witness = row.witness;
	partition->stopping = false;
	partition->recent_messages = partition->recent_rejects = 0;
	partition->log_begin = partition->log_end = NO_POSITION;
}

pg_noreturn static void
raise_fenced(const StreamPartition *partition)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("fenced: another consumer has read on in topic %s partition %d",
					partition->topic->name, partition->number),
			 errdetail("This one expected to go on at offset " INT64_FORMAT ".", partition->next)));
}

bool
stream_partition_changed(const StreamPartition *partition)
{
	PartitionRow row;

	stream_partition_lock(partition->topic->name, partition->number, false);
	if (!read_row(partition, &row) || row.epoch != partition->epoch || row.running != partition->running)
		return true;
	if (row.next == partition->next)
		return false;
	if (!partition->running)
		return true;			/* a gap that was accepted */
	raise_fenced(partition);
}

void
stream_partition_read_to(StreamPartition *partition, int64 offset)
{
	static KeptPlan plan;
	const Oid	types[] = {TEXTOID, INT4OID, INT8OID, INT8OID};
	Datum		values[] = {
		CStringGetTextDatum(partition->topic->name), Int32GetDatum(partition->number),
		Int64GetDatum(partition->epoch), Int64GetDatum(offset)
	};

	kept_run(&plan, "UPDATE hospital.stream_partitions SET read_to = $4"
			 " WHERE topic = $1 AND partition = $2 AND epoch = $3 AND (read_to IS NULL OR read_to < $4)",
			 4, types, values, NULL, SPI_OK_UPDATE);
	partition->read_to = offset;
}

void
stream_partition_stop(StreamPartition *partition)
{
	static KeptPlan plan;
	const Oid	types[] = {TEXTOID, INT4OID, TEXTOID, TEXTOID, INT8OID, INT8OID, INT8OID};
	Datum		values[] = {
		CStringGetTextDatum(partition->topic->name), Int32GetDatum(partition->number),
		CStringGetTextDatum(partition->stop.message),
		CStringGetTextDatum(unpack_sql_state(partition->stop.sqlstate)),
		Int64GetDatum(partition->epoch),
		Int64GetDatum(partition->log_begin), Int64GetDatum(partition->log_end)
	};
	char		nulls[] = "       ";

	nulls[5] = nulls[6] = partition->log_begin == NO_POSITION ? 'n' : ' ';
	stream_partition_lock(partition->topic->name, partition->number, true);
	if (kept_run(&plan, "UPDATE hospital.stream_partitions SET state = 'stopped', reason = $3, sqlstate = $4,"
				 " log_begin = $6, log_end = $7, changed_at = now(), changed_by = current_user"
				 " WHERE topic = $1 AND partition = $2 AND epoch = $5 AND state = 'running'",
				 7, types, values, nulls, SPI_OK_UPDATE) == 1)
		record_action(partition, "stop", partition->epoch, partition->next, partition->next, partition->stop.message);
}

/* ---- ranges, rejects, kept fields ---- */

int64
stream_digest(const char *key, size_t key_length, const char *payload, size_t length)
{
	uint64		seed = key == NULL ? 0 : hash_bytes_extended((const unsigned char *) key, (int) key_length, 1);

	return (int64) (payload == NULL ? seed :
					hash_bytes_extended((const unsigned char *) payload, (int) length, seed));
}

static const StreamMessage *
last_taken(const StreamBatch *batch, const StreamPartition *partition)
{
	const StreamMessage *last = NULL;

	for (int i = partition->first; i >= 0; i = batch->messages[i].next)
		if (stream_taken(&batch->messages[i]))
			last = &batch->messages[i];
	return last;
}

void
stream_record_range(const StreamBatch *batch, const StreamPartition *partition)
{
	static KeptPlan plan;
	const StreamMessage *last = last_taken(batch, partition);
	int64		first = partition->next != NO_POSITION ? partition->next : batch->messages[partition->first].offset;
	char		hash[LAKE_HASH_LENGTH + 1];
	const Oid	types[] = {
		TEXTOID, INT4OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID,
		TIMESTAMPTZOID, INT8OID, TEXTOID, TEXTOID, INT4OID
	};
	Datum		values[] = {
		CStringGetTextDatum(partition->topic->name), Int32GetDatum(partition->number),
		Int64GetDatum(partition->epoch), Int64GetDatum(first), Int64GetDatum(last->offset),
		Int64GetDatum(partition->messages), Int64GetDatum(partition->rows),
		Int64GetDatum(partition->rejects), Int64GetDatum(partition->duplicates),
		TimestampTzGetDatum(time_of_unix_ms(last->timestamp)),
		Int64GetDatum(stream_digest(last->key, last->key_length, last->payload, last->length)),
		(Datum) 0, (Datum) 0, Int32GetDatum(MyProcPid)
	};
	char		nulls[] = "           nn ";

	if (partition->file != NULL)
	{
		lake_hash(partition->file, hash);
		values[11] = CStringGetTextDatum(lake_path(partition->file));
		values[12] = CStringGetTextDatum(hash);
		nulls[11] = nulls[12] = ' ';
	}
	if (kept_run(&plan, "INSERT INTO hospital.stream_ranges (topic, partition, epoch, first_offset, last_offset,"
				 " messages, rows, rejects, duplicates, last_timestamp, last_digest, file, sha256, worker_pid)"
				 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
				 " ON CONFLICT (topic, partition, epoch, first_offset) DO NOTHING",
				 14, types, values, nulls, SPI_OK_INSERT) == 0)
		raise_fenced(partition);
}

static Datum
bytes_datum(const char *bytes, size_t length)
{
	bytea	   *value = palloc(VARHDRSZ + length);

	SET_VARSIZE(value, VARHDRSZ + length);
	memcpy(VARDATA(value), bytes, length);
	return PointerGetDatum(value);
}

/* ---- rejects: a statement for many, since each would cost more than its row ---- */

enum
{
	OF_TOPIC, OF_PARTITION, OF_EPOCH, OF_OFFSET, OF_COLUMN, OF_RAW, OF_KEY, OF_HEADERS, OF_SQLSTATE,
	OF_MESSAGE, OF_KIND, REJECT_COLUMNS
};

static const Oid reject_types[REJECT_COLUMNS] = {
	TEXTOID, INT4OID, INT8OID, INT8OID, TEXTOID, BYTEAOID, BYTEAOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID
};

static const Oid reject_arrays[REJECT_COLUMNS] = {
	TEXTARRAYOID, INT4ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, TEXTARRAYOID, BYTEAARRAYOID, BYTEAARRAYOID,
	TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID
};

typedef struct Rejections
{
	Datum		values[REJECT_COLUMNS][REJECTS_AT_ONCE];
	bool		nulls[REJECT_COLUMNS][REJECTS_AT_ONCE];
	int			n;
	Size		bytes;
} Rejections;

static void
reject_set(Rejections *rejections, int column, Datum value)
{
	rejections->values[column][rejections->n] = value;
	rejections->nulls[column][rejections->n] = value == (Datum) 0 &&
		(column == OF_COLUMN || column == OF_RAW || column == OF_KEY);
}

static void
add_rejection(Rejections *rejections, const StreamBatch *batch, const StreamMessage *message)
{
	const StreamPartition *partition = message->partition;
	const EventFault *fault = message->fault != NULL ? message->fault : message->refusal;

	reject_set(rejections, OF_TOPIC, CStringGetTextDatum(partition->topic->name));
	reject_set(rejections, OF_PARTITION, Int32GetDatum(partition->number));
	reject_set(rejections, OF_EPOCH, Int64GetDatum(partition->epoch));
	reject_set(rejections, OF_OFFSET, Int64GetDatum(message->offset));
	reject_set(rejections, OF_COLUMN, fault->column == NULL ? (Datum) 0 : CStringGetTextDatum(fault->column));
	reject_set(rejections, OF_RAW, message->payload == NULL ? (Datum) 0 : bytes_datum(message->payload, message->length));
	reject_set(rejections, OF_KEY, message->key == NULL ? (Datum) 0 : bytes_datum(message->key, message->key_length));
	reject_set(rejections, OF_HEADERS, CStringGetTextDatum(batch->headers(message)));
	reject_set(rejections, OF_SQLSTATE, CStringGetTextDatum(unpack_sql_state(fault->sqlstate)));
	reject_set(rejections, OF_MESSAGE, CStringGetTextDatum(fault->message));
	reject_set(rejections, OF_KIND, CStringGetTextDatum(stream_kind_name(partition->topic->kind)));
	rejections->n++;
	rejections->bytes += message->length + message->key_length;
}

static Datum
reject_array(Rejections *rejections, int column)
{
	int			dims[] = {rejections->n};
	int			lower[] = {1};
	int16		length;
	bool		by_value;
	char		align;

	get_typlenbyvalalign(reject_types[column], &length, &by_value, &align);
	return PointerGetDatum(construct_md_array(rejections->values[column], rejections->nulls[column], 1, dims, lower,
											  reject_types[column], length, by_value, align));
}

static void
insert_rejections(Rejections *rejections)
{
	static KeptPlan plan;
	Datum		values[REJECT_COLUMNS];

	if (rejections->n == 0)
		return;
	for (int column = 0; column < REJECT_COLUMNS; column++)
		values[column] = reject_array(rejections, column);
	kept_run(&plan, "INSERT INTO hospital.rejects (topic, partition, epoch, \"offset\", column_name, raw, key,"
			 " headers, sqlstate, message, kind)"
			 " SELECT t, p, e, o, c, r, k, h::jsonb, s, m, i"
			 " FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) AS u (t, p, e, o, c, r, k, h, s, m, i)",
			 REJECT_COLUMNS, reject_arrays, values, NULL, SPI_OK_INSERT);
	rejections->n = 0;
	rejections->bytes = 0;
}

void
stream_record_rejects(const StreamBatch *batch)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "hospital stream rejects", ALLOCSET_DEFAULT_SIZES);
	MemoryContext piece = AllocSetContextCreate(context, "hospital stream rejects, some", ALLOCSET_DEFAULT_SIZES);
	Rejections *rejections = MemoryContextAllocZero(context, sizeof(Rejections));

	MemoryContextSwitchTo(piece);
	for (int i = 0; i < batch->n; i++)
	{
		const StreamMessage *message = &batch->messages[i];

		if (!stream_taken(message) || message->outcome != STREAM_REJECT)
			continue;
		add_rejection(rejections, batch, message);
		if (rejections->n == REJECTS_AT_ONCE || rejections->bytes >= REJECT_BYTES)
		{
			insert_rejections(rejections);
			MemoryContextReset(piece);
		}
	}
	insert_rejections(rejections);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}

void
stream_record_extra(const StreamMessage *message)
{
	static KeptPlan plan;
	const Oid	types[] = {TEXTOID, INT4OID, INT8OID, INT8OID, TEXTOID};
	Datum		values[] = {
		CStringGetTextDatum(message->partition->topic->name), Int32GetDatum(message->partition->number),
		Int64GetDatum(message->partition->epoch), Int64GetDatum(message->offset),
		CStringGetTextDatum(message->unknown)
	};

	kept_run(&plan, "INSERT INTO hospital.stream_extras (topic, partition, epoch, \"offset\", fields)"
			 " VALUES ($1, $2, $3, $4, $5::jsonb)", 5, types, values, NULL, SPI_OK_INSERT);
}
