/*
 * stream_write.c: a batch of messages into tables and ledger, within the
 * caller's transaction.
 *
 * Rows go in as arrays, by a plan that is kept.  Only what constraints and
 * triggers refuse costs subtransactions: the batch is halved until the guilty
 * message stands alone.  An event that is there already is a duplicate, and is
 * counted.
 *
 * The range of the ledger begins where the last one ended.  If the ledger is
 * further on than the caller thinks, or the range's first offset is taken,
 * another owner was here: the caller is fenced, and its transaction rolls back.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/resowner.h"

#include "compat.h"
#include "stream_write.h"

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
		" rows, rejects, duplicates, worker_pid, messages)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $6 + $7 + $8)"
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

int64
stream_position(const StreamLog *log, int partition)
{
	Datum		values[] = {
		CStringGetTextDatum(log->topic), Int32GetDatum(partition), Int64GetDatum(log->epoch)
	};
	bool		isnull;

	if (run(READ_POSITION, values, NULL, SPI_OK_SELECT) == 0)
		return NO_POSITION;
	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

void
message_reject(Message *message, int sqlstate, const char *text)
{
	int			length;

	message->rejected = true;
	message->error.sqlstate = sqlstate;
	message->error.column = NULL;
	length = pg_mbcliplen(text, strlen(text), sizeof(message->error.message) - 1);
	memcpy(message->error.message, text, length);
	message->error.message[length] = '\0';
}

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
		message_reject(messages[0], error->sqlerrcode, error->message);
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
insert_reject(const StreamLog *log, const Partition *partition, const Message *message)
{
	const char *column = message->error.column;
	Datum		values[9] = {
		CStringGetTextDatum(log->topic),
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
raise_fenced(const StreamLog *log, const Partition *partition)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("fenced: another consumer has read on in topic %s partition %d",
					log->topic, partition->number),
			 errdetail("This one expected to go on at offset " INT64_FORMAT ".", partition->next)));
}

static void
insert_range(const StreamLog *log, const Partition *partition)
{
	int64		first = partition->next != NO_POSITION ? partition->next :
		partition->messages[0].offset;
	Datum		values[] = {
		CStringGetTextDatum(log->topic),
		Int32GetDatum(partition->number),
		Int64GetDatum(log->epoch),
		Int64GetDatum(first),
		Int64GetDatum(partition->messages[partition->n - 1].offset),
		Int64GetDatum(partition->rows),
		Int64GetDatum(partition->rejects),
		Int64GetDatum(partition->duplicates),
		Int32GetDatum(MyProcPid),
	};

	if (run(INSERT_RANGE, values, NULL, SPI_OK_INSERT) == 0)
		raise_fenced(log, partition);
}

void
stream_write(const StreamLog *log, Partition *partition)
{
	Message   **good = palloc(partition->n * sizeof(Message *));
	int			n = 0;

	if (stream_position(log, partition->number) != partition->next)
		raise_fenced(log, partition);
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
		insert_reject(log, partition, &partition->messages[i]);
		partition->rejects++;
	}
	insert_range(log, partition);
}
