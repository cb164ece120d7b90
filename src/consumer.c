/*
 * consumer.c: the worker that brings events from Kafka into hospital.transfers.
 *
 * Whose partitions: consumer number k of n has the partitions p with
 * p mod n = k, assigned by itself; the brokers keep no group and no position.
 *
 * Positions: the ledger hospital.stream_ranges alone.  Collecting a batch and
 * parsing it happens with no transaction open; then one transaction inserts
 * its rows, its rejects and one range for each partition that it has messages
 * of.  A range begins where the one before it ended, so it also covers the
 * offsets that transaction markers take.  In memory, a position moves only
 * after the commit; after any error the client is closed, and the next one
 * starts from the ledger.
 *
 * Fencing: an owner that was paused while another took over finds its range's
 * first offset taken, or the ledger further on than it thinks, and rolls back.
 *
 * Faults of a message are found in C while parsing.  Only what constraints and
 * triggers refuse costs subtransactions: the batch is halved until the guilty
 * message stands alone.  A position that is not in the log any more stops its
 * partition, visibly; nothing is skipped.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "day.h"
#include "kafka.h"
#include "simulation.h"
#include "topics.h"
#include "transfer_json.h"
#include "worker.h"

#define BATCH_MESSAGES 10000
#define BATCH_BYTES (4 * 1024 * 1024)
#define LINGER_MS 10			/* a batch waits this long for company */
#define IDLE_MS 10000			/* between two looks at the settings */
#define IDLE_EMBEDDED_MS 1000	/* ... and at the embedded broker's epoch */
#define TROUBLE_MS 1000			/* between two questions whether it is over */
#define ABSENT_MS 500			/* between two looks for what is not there yet */
#define UNSERVED_MS 5000		/* ... when the brokers had to be asked for it */
#define RECOUNT_MS 60000		/* between two looks at the number of partitions */
#define METADATA_TIMEOUT_MS 10000
#define METADATA_EMBEDDED_MS 2000	/* it may have moved to another port meanwhile */
#define MAX_HEADERS 64
#define NO_POSITION INT64CONST(-1)

extern PGDLLEXPORT void consumer_main(Datum main_arg);

typedef struct Message
{
	int64		offset;
	const char *payload;		/* NULL: none */
	size_t		length;
	const char *key;			/* NULL: none */
	size_t		key_length;
	const char *headers;		/* JSON */
	bool		rejected;
	Transfer	transfer;		/* unless rejected */
	PayloadError error;			/* when rejected */
} Message;

typedef struct Partition
{
	int			number;
	int64		next;			/* offset after the last range; NO_POSITION: no range yet */
	bool		stopped;		/* by a gap */

	/* The batch being collected or applied. */
	Message    *messages;
	int			n;
	int			room;
	int64		rows;
	int64		rejects;
	int64		duplicates;
} Partition;

static struct
{
	KafkaClient *client;		/* NULL: to be opened */
	MemoryContext context;		/* as long as the client is open */
	MemoryContext batch;		/* child of context: one batch's messages */
	KafkaTarget target;
	Simulation	simulation;
	char		simulation_id[37];
	char		topic[TOPIC_NAME_LENGTH];
	int			workers;
	Partition  *partitions;
	int			npartitions;
	int			count;			/* of the topic, as it was opened */
	int			stopped;
	TimestampTz probed_at;
	TimestampTz counted_at;
}			consumer;

/* ---- statements ---- */

typedef enum Statement
{
	INSERT_TRANSFERS,
	INSERT_REJECT,
	INSERT_RANGE,
	READ_POSITION,
	STATEMENTS
} Statement;

typedef struct StatementText
{
	const char *sql;
	int			nargs;
	Oid			types[10];
} StatementText;

static const StatementText statements[STATEMENTS] = {
	[INSERT_TRANSFERS] = {
		"INSERT INTO hospital.transfers (event_id, event_time, admission_id, patient_id,"
		" from_ward, to_ward, reason, status, staff_id)"
		" SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9)"
		" ON CONFLICT (event_id) DO NOTHING",
		9, {UUIDARRAYOID, TIMESTAMPTZARRAYOID, INT8ARRAYOID, INT8ARRAYOID,
			TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, INT8ARRAYOID}
	},
	[INSERT_REJECT] = {
		"INSERT INTO hospital.rejects (topic, partition, \"offset\", column_name, raw, key,"
		" headers, sqlstate, message)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9)",
		9, {TEXTOID, INT4OID, INT8OID, TEXTOID, BYTEAOID, BYTEAOID, TEXTOID, TEXTOID, TEXTOID}
	},
	[INSERT_RANGE] = {
		"INSERT INTO hospital.stream_ranges (topic, partition, epoch, first_offset, last_offset,"
		" rows, rejects, duplicates, worker_pid)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
		" ON CONFLICT (topic, partition, epoch, first_offset) DO NOTHING",
		9, {TEXTOID, INT4OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT4OID}
	},
	[READ_POSITION] = {
		"SELECT last_offset + 1 FROM hospital.stream_ranges"
		" WHERE topic = $1 AND partition = $2 AND epoch = $3"
		" ORDER BY first_offset DESC LIMIT 1",
		3, {TEXTOID, INT4OID, INT8OID}
	},
};

/* Run a statement by its kept plan; rows touched. */
static uint64
run(Statement which, Datum *values, const char *nulls, int expected)
{
	static SPIPlanPtr plans[STATEMENTS];

	if (plans[which] == NULL)
	{
		Oid			types[lengthof(statements[0].types)];
		SPIPlanPtr	plan;

		memcpy(types, statements[which].types, sizeof(types));
		plan = SPI_prepare(statements[which].sql, statements[which].nargs, types);
		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare: %s", statements[which].sql);
		plans[which] = plan;
	}
	if (SPI_execute_plan(plans[which], values, nulls, false, 0) != expected)
		elog(ERROR, "could not execute: %s", statements[which].sql);
	return SPI_processed;
}

/* The ledger's position of a partition, in a transaction. */
static int64
read_position(int partition)
{
	Datum		values[] = {
		CStringGetTextDatum(consumer.topic), Int32GetDatum(partition),
		Int64GetDatum(consumer.target.epoch)
	};
	bool		isnull;

	if (run(READ_POSITION, values, NULL, SPI_OK_SELECT) == 0)
		return NO_POSITION;
	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

/* ---- opening and closing ---- */

static void
consumer_close(void)
{
	if (consumer.context != NULL)
		MemoryContextDelete(consumer.context);	/* and the client with it */
	memset(&consumer, 0, sizeof(consumer));
}

/* Is the client one for what the settings and the embedded broker are now? */
static bool
is_current(void)
{
	KafkaTarget now;

	return consumer.client != NULL && kafka_target(&now) &&
		consumer.workers == hospital_consumer_workers &&
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
	{
		char	   *out = consumer.simulation_id;

		for (int i = 0; i < UUID_LEN; i++)
		{
			if (i == 4 || i == 6 || i == 8 || i == 10)
				*out++ = '-';
			out += sprintf(out, "%02x", consumer.simulation.id.data[i]);
		}
	}
	return found;
}

/* Which partitions of count are ours. */
static void
take_partitions(int count)
{
	consumer.partitions = palloc0(count * sizeof(Partition));
	for (int p = worker_number(); p < count; p += consumer.workers)
		consumer.partitions[consumer.npartitions++].number = p;
}

static bool
read_positions(void)
{
	if (!worker_begin("reading positions"))
		return false;
	for (int i = 0; i < consumer.npartitions; i++)
		consumer.partitions[i].next = read_position(consumer.partitions[i].number);
	worker_commit();
	return true;
}

static void
assign(void)
{
	int			n = consumer.npartitions;
	int		   *numbers = palloc(n * sizeof(int));
	int64	   *positions = palloc(n * sizeof(int64));

	for (int i = 0; i < n; i++)
	{
		const Partition *partition = &consumer.partitions[i];

		numbers[i] = partition->number;
		positions[i] = partition->next == NO_POSITION ? KAFKA_FROM_START : partition->next;
	}
	kafka_assign(consumer.client, consumer.topic, numbers, positions, n);
}

/* In consumer.context.  NULL when open, else the state to show meanwhile. */
static const char *
try_open(void)
{
	int			count;

	if (!read_simulation())
		return "no hospital here";
	if (!kafka_target(&consumer.target))
		return consumer.target.embedded ? "waiting for the embedded broker" : "no brokers are set";
	consumer.workers = hospital_consumer_workers;
	if (worker_number() >= consumer.workers)
		return "one consumer too many";
	transfers_topic(consumer.topic);
	worker_state("connecting to %s", consumer.target.brokers);
	consumer.client = kafka_open_consumer(consumer.target.brokers,
										  psprintf("hospital-%s", consumer.simulation_id), false);
	count = kafka_partition_count(consumer.client, consumer.topic,
								  consumer.target.embedded ? METADATA_EMBEDDED_MS : METADATA_TIMEOUT_MS);
	if (count == 0)
		return psprintf("unknown topic %s", consumer.topic);
	consumer.count = count;
	consumer.counted_at = GetCurrentTimestamp();
	take_partitions(count);
	if (consumer.npartitions == 0)
		return "no partition for this consumer";
	if (!read_positions())
		return "no hospital here";
	assign();
	return NULL;
}

static bool
consumer_open(void)
{
	MemoryContext before = CurrentMemoryContext;
	const char *state;

	consumer.context = AllocSetContextCreate(TopMemoryContext, "hospital consumer",
											 ALLOCSET_DEFAULT_SIZES);
	consumer.batch = AllocSetContextCreate(consumer.context, "hospital consumer batch",
										   ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(consumer.context);
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
	worker_state("waiting for events");
	return true;
}

/* ---- collecting, with no transaction open ---- */

static void
append_json_bytes(StringInfo json, const char *name, const char *bytes, size_t length)
{
	static const char hex[] = "0123456789abcdef";

	if (text_is_storable(bytes, length))
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
static const char *
headers_json(const KafkaHeader *headers, int n)
{
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

static bool
header_is(const KafkaHeader *headers, int n, const char *name, const char *value)
{
	for (int i = 0; i < n; i++)
	{
		if (strcmp(headers[i].name, name) == 0)
			return headers[i].value != NULL && headers[i].length == strlen(value) &&
				memcmp(headers[i].value, value, headers[i].length) == 0;
	}
	return false;
}

static void
reject(Message *message, int sqlstate, const char *text)
{
	int			length;

	message->rejected = true;
	message->error.sqlstate = sqlstate;
	message->error.column = NULL;
	length = pg_mbcliplen(text, strlen(text), sizeof(message->error.message) - 1);
	memcpy(message->error.message, text, length);
	message->error.message[length] = '\0';
}

/* Form a transfer, or find out why it is none. */
static void
parse(Message *message, const KafkaHeader *headers, int nheaders)
{
	if (!header_is(headers, nheaders, HEADER_SIMULATION_ID, consumer.simulation_id))
		reject(message, ERRCODE_CHECK_VIOLATION, "the message is not of this simulation");
	else if (!header_is(headers, nheaders, HEADER_SCHEMA_VERSION, TRANSFER_SCHEMA_VERSION))
		reject(message, ERRCODE_FEATURE_NOT_SUPPORTED, "the message has another schema version");
	else
		message->rejected = !transfer_from_json(message->payload, message->length,
												&message->transfer, &message->error);
}

static Partition *
find_partition(int number)
{
	for (int i = 0; i < consumer.npartitions; i++)
	{
		if (consumer.partitions[i].number == number)
			return &consumer.partitions[i];
	}
	return NULL;
}

static const char *
copy_bytes(const char *bytes, size_t length)
{
	char	   *copy;

	if (bytes == NULL)
		return NULL;
	copy = palloc(Max(length, 1));
	memcpy(copy, bytes, length);
	return copy;
}

static Message *
add_message(Partition *partition)
{
	if (partition->n == partition->room)
	{
		partition->room = Max(partition->room * 2, 64);
		partition->messages = partition->messages == NULL ?
			palloc(partition->room * sizeof(Message)) :
			repalloc(partition->messages, partition->room * sizeof(Message));
	}
	return memset(&partition->messages[partition->n++], 0, sizeof(Message));
}

/*
 * Copy a message out of the library's memory, so that nothing of it outlives
 * the next kafka_next, and parse it.  Bytes it takes (headers too, which may be
 * the larger part); 0 when it is not ours.
 */
static size_t
collect_message(const KafkaMessage *from)
{
	Partition  *partition = find_partition(from->partition);
	KafkaHeader headers[MAX_HEADERS];
	int			nheaders;
	MemoryContext before;
	Message    *message;

	if (partition == NULL || partition->stopped || from->offset < partition->next)
		return 0;
	nheaders = kafka_headers(consumer.client, headers, MAX_HEADERS);
	before = MemoryContextSwitchTo(consumer.batch);
	message = add_message(partition);
	message->offset = from->offset;
	message->payload = copy_bytes(from->payload, from->length);
	message->length = from->length;
	message->key = copy_bytes(from->key, from->key_length);
	message->key_length = from->key_length;
	message->headers = headers_json(headers, nheaders);
	parse(message, headers, nheaders);
	MemoryContextSwitchTo(before);
	return from->length + from->key_length + strlen(message->headers);
}

/*
 * The position is not in the log: messages were deleted before we read them,
 * or the topic is another one of the same name.
 */
static void
stop_partition(const KafkaMessage *gap)
{
	Partition  *partition = find_partition(gap->partition);
	int64		low = -1;
	int64		high = -1;
	char		text[WORKER_ERROR_LENGTH];

	if (partition == NULL || partition->stopped)
		return;
	partition->stopped = true;
	consumer.stopped++;
	kafka_log_bounds(consumer.client, consumer.topic, partition->number, &low, &high);
	snprintf(text, sizeof(text), "gap: topic %s partition %d cannot be read at offset "
			 INT64_FORMAT " (the log has " INT64_FORMAT " to " INT64_FORMAT ")",
			 consumer.topic, partition->number, partition->next, low, high);
	ereport(LOG,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("%s", text),
			 errdetail("The partition is stopped; nothing of it is skipped.")));
	worker_record_error(ERRCODE_DATA_CORRUPTED, text);
}

static void
show_state(void)
{
	const char *trouble = kafka_trouble(consumer.client);

	if (trouble != NULL)
		worker_state("%s", trouble);
	else if (consumer.stopped > 0)
		worker_state("%d of %d partitions stopped by a gap", consumer.stopped,
					 consumer.npartitions);
	else
		worker_state("waiting for events");
}

/* In trouble: ask now and then whether it is over, since silence says nothing. */
static long
idle_time(void)
{
	if (kafka_trouble(consumer.client) == NULL)
		return consumer.target.embedded ? IDLE_EMBEDDED_MS : IDLE_MS;
	if (TimestampDifferenceExceeds(consumer.probed_at, GetCurrentTimestamp(), TROUBLE_MS))
	{
		kafka_probe(consumer.client, consumer.topic, false);
		consumer.probed_at = GetCurrentTimestamp();
	}
	return TROUBLE_MS;
}

/*
 * Collect until the batch is full, or its first message has waited LINGER_MS
 * for company, or nothing came for a while.  Messages there are.
 */
static int
collect(void)
{
	TimestampTz first_at = 0;
	size_t		bytes = 0;
	int			n = 0;
	bool		waited = false;

	while (n < BATCH_MESSAGES && bytes < BATCH_BYTES)
	{
		KafkaMessage message;
		KafkaNext	next = kafka_next(consumer.client, &message);

		if (next == KAFKA_MESSAGE)
		{
			size_t		taken = collect_message(&message);

			if (taken > 0 && n++ == 0)
				first_at = GetCurrentTimestamp();
			bytes += taken;
		}
		else if (next == KAFKA_GAP)
			stop_partition(&message);
		else if (next == KAFKA_NOTHING && n > 0)
		{
			long		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(),
															   first_at + LINGER_MS * INT64CONST(1000));

			if (left <= 0)
				break;
			kafka_wait(consumer.client, left);
		}
		else if (next == KAFKA_NOTHING)
		{
			show_state();
			if (waited)
				break;
			kafka_wait(consumer.client, idle_time());
			waited = true;
		}
	}
	return n;
}

static void
forget_batch(void)
{
	for (int i = 0; i < consumer.npartitions; i++)
	{
		Partition  *partition = &consumer.partitions[i];

		partition->messages = NULL;
		partition->n = partition->room = 0;
		partition->rows = partition->rejects = partition->duplicates = 0;
	}
	MemoryContextReset(consumer.batch);
}

/* ---- applying, in one transaction ---- */

static Datum
text_array(Message **messages, int n, size_t offset)
{
	Datum	   *values = palloc(n * sizeof(Datum));
	bool	   *nulls = palloc(n * sizeof(bool));
	int			dims[] = {n};
	int			lbs[] = {1};

	for (int i = 0; i < n; i++)
	{
		const char *text = *(const char *const *) ((char *) &messages[i]->transfer + offset);

		nulls[i] = text == NULL;
		values[i] = text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
	}
	return PointerGetDatum(construct_md_array(values, nulls, 1, dims, lbs, TEXTOID, -1, false,
											  TYPALIGN_INT));
}

static Datum
int64_array(Message **messages, int n, size_t offset, Oid type)
{
	Datum	   *values = palloc(n * sizeof(Datum));

	for (int i = 0; i < n; i++)
		values[i] = Int64GetDatum(*(int64 *) ((char *) &messages[i]->transfer + offset));
	return PointerGetDatum(construct_array(values, n, type, sizeof(int64), FLOAT8PASSBYVAL,
										   TYPALIGN_DOUBLE));
}

static Datum
event_ids(Message **messages, int n)
{
	Datum	   *values = palloc(n * sizeof(Datum));

	for (int i = 0; i < n; i++)
		values[i] = UUIDPGetDatum(&messages[i]->transfer.event_id);
	return PointerGetDatum(construct_array(values, n, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
}

static uint64
insert_rows(Message **messages, int n)
{
	Datum		values[] = {
		event_ids(messages, n),
		int64_array(messages, n, offsetof(Transfer, event_time), TIMESTAMPTZOID),
		int64_array(messages, n, offsetof(Transfer, admission_id), INT8OID),
		int64_array(messages, n, offsetof(Transfer, patient_id), INT8OID),
		text_array(messages, n, offsetof(Transfer, from_ward)),
		text_array(messages, n, offsetof(Transfer, to_ward)),
		text_array(messages, n, offsetof(Transfer, reason)),
		text_array(messages, n, offsetof(Transfer, status)),
		int64_array(messages, n, offsetof(Transfer, staff_id), INT8OID),
	};

	return run(INSERT_TRANSFERS, values, NULL, SPI_OK_INSERT);
}

/* Errors that say something about a row, not about the server. */
static bool
blames_a_row(int sqlstate)
{
	int			category = ERRCODE_TO_CATEGORY(sqlstate);

	return category == ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION ||
		category == ERRCODE_DATA_EXCEPTION ||
		sqlstate == ERRCODE_RAISE_EXCEPTION ||
		sqlstate == ERRCODE_WITH_CHECK_OPTION_VIOLATION;
}

/*
 * Insert in a subtransaction.  NULL when done, else the error, which blames a
 * row; any other is thrown on.
 */
static ErrorData *
try_insert(Message **messages, int n, uint64 *inserted)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		*inserted = insert_rows(messages, n);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		if (!blames_a_row(error->sqlerrcode))
			ReThrowError(error);
	}
	PG_END_TRY();
	return error;
}

/* Insert, halving until the messages that constraints refuse stand alone. */
static void
insert_or_reject(Partition *partition, Message **messages, int n)
{
	uint64		inserted = 0;
	ErrorData  *error;

	CHECK_FOR_INTERRUPTS();
	if (n == 0)
		return;
	error = try_insert(messages, n, &inserted);
	if (error == NULL)
	{
		partition->rows += inserted;
		partition->duplicates += n - inserted;
	}
	else if (n == 1)
	{
		reject(messages[0], error->sqlerrcode, error->message);
		messages[0]->error.column = error->column_name != NULL ? pstrdup(error->column_name) : NULL;
	}
	else
	{
		insert_or_reject(partition, messages, n / 2);
		insert_or_reject(partition, messages + n / 2, n - n / 2);
	}
}

static Datum
bytes_datum(const char *bytes, size_t length)
{
	bytea	   *value = palloc(VARHDRSZ + length);

	SET_VARSIZE(value, VARHDRSZ + length);
	memcpy(VARDATA(value), bytes, length);
	return PointerGetDatum(value);
}

static void
insert_reject(const Partition *partition, const Message *message)
{
	const char *column = message->error.column;
	Datum		values[9] = {
		CStringGetTextDatum(consumer.topic),
		Int32GetDatum(partition->number),
		Int64GetDatum(message->offset),
	};
	char		nulls[] = "         ";

	if (column != NULL)
		values[3] = CStringGetTextDatum(column);
	else
		nulls[3] = 'n';
	if (message->payload != NULL)
		values[4] = bytes_datum(message->payload, message->length);
	else
		nulls[4] = 'n';
	if (message->key != NULL)
		values[5] = bytes_datum(message->key, message->key_length);
	else
		nulls[5] = 'n';
	values[6] = CStringGetTextDatum(message->headers);
	values[7] = CStringGetTextDatum(unpack_sql_state(message->error.sqlstate));
	values[8] = CStringGetTextDatum(message->error.message);
	run(INSERT_REJECT, values, nulls, SPI_OK_INSERT);
}

pg_noreturn static void
raise_fenced(const Partition *partition)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("fenced: another consumer has read on in topic %s partition %d",
					consumer.topic, partition->number),
			 errdetail("This one expected to go on at offset " INT64_FORMAT ".", partition->next)));
}

static void
insert_range(const Partition *partition)
{
	int64		first = partition->next != NO_POSITION ? partition->next :
		partition->messages[0].offset;
	Datum		values[] = {
		CStringGetTextDatum(consumer.topic),
		Int32GetDatum(partition->number),
		Int64GetDatum(consumer.target.epoch),
		Int64GetDatum(first),
		Int64GetDatum(partition->messages[partition->n - 1].offset),
		Int64GetDatum(partition->rows),
		Int64GetDatum(partition->rejects),
		Int64GetDatum(partition->duplicates),
		Int32GetDatum(MyProcPid),
	};

	if (run(INSERT_RANGE, values, NULL, SPI_OK_INSERT) == 0)
		raise_fenced(partition);
}

static void
apply_partition(Partition *partition)
{
	Message   **good = palloc(partition->n * sizeof(Message *));
	int			n = 0;

	if (read_position(partition->number) != partition->next)
		raise_fenced(partition);
	for (int i = 0; i < partition->n; i++)
	{
		if (!partition->messages[i].rejected)
			good[n++] = &partition->messages[i];
	}
	insert_or_reject(partition, good, n);
	for (int i = 0; i < partition->n; i++)
	{
		if (!partition->messages[i].rejected)
			continue;
		insert_reject(partition, &partition->messages[i]);
		partition->rejects++;
	}
	insert_range(partition);
}

/* Rows, rejects and ranges of the batch, all or none.  False: no hospital. */
static bool
apply(void)
{
	uint64		rows = 0;

	if (!worker_begin("taking in events"))
		return false;
	for (int i = 0; i < consumer.npartitions; i++)
	{
		if (consumer.partitions[i].n > 0)
			apply_partition(&consumer.partitions[i]);
	}
	worker_commit();

	for (int i = 0; i < consumer.npartitions; i++)
	{
		Partition  *partition = &consumer.partitions[i];

		if (partition->n == 0)
			continue;
		partition->next = partition->messages[partition->n - 1].offset + 1;
		rows += partition->rows;
	}
	worker_count_rows(rows);
	forget_batch();
	return true;
}

/* ---- the loop ---- */

/* Somebody may add partitions to a topic at any time. */
static bool
was_repartitioned(void)
{
	int			count;

	if (!TimestampDifferenceExceeds(consumer.counted_at, GetCurrentTimestamp(), RECOUNT_MS))
		return false;
	consumer.counted_at = GetCurrentTimestamp();
	count = kafka_probe(consumer.client, consumer.topic, kafka_trouble(consumer.client) == NULL);
	return count > 0 && count != consumer.count;
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
	if (was_repartitioned())
	{
		consumer_close();		/* another number of partitions is ours */
		return;
	}
	if (collect() > 0 && !apply())
		consumer_close();		/* the hospital is gone, or being changed */
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
