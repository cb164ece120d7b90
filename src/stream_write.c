/*
 * stream_write.c: a batch of records into their tables, within the caller's
 * transaction.
 *
 * At once: all records of a kind go into the heap in one piece, in a
 * subtransaction, and the table's unique index says whether one of them was
 * there.  That is as fast as it can be, and right whatever another consumer
 * does at the same time.  If the index objects, it is undone, and this batch and
 * the next CAREFUL_BATCHES of the kind go the other way.
 *
 * With care: of records with the same key the first comes first.  Those whose
 * keys are in the table are compared with what is there: the same is a
 * duplicate; what completes its row is written into it; what differs is
 * refused.  The others are inserted.  What constraints and triggers refuse is
 * found by halving.  A key that another consumer brings in between is met at the
 * next try.
 *
 * A table without a unique index on its key has no judge: duplicates become rows.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "compat.h"
#include "crash_point.h"
#include "marts.h"
#include "open_rows.h"
#include "row_error.h"
#include "stream_lake.h"
#include "stream_ledger.h"
#include "stream_write.h"

#define CAREFUL_BATCHES 16
#define UNIQUE_TRIES 5			/* a key that was not there and then is: another consumer's */
#define RECENT_MESSAGES 10000	/* over which reject_percent counts */
#define FEWEST_MESSAGES 100		/* fewer count as so many */

typedef struct Writing
{
	StreamBatch *batch;
	int			kind;
	const char *schema;
	StreamRows *rows;
} Writing;

typedef void (*WriteBody) (Writing *writing, const int *list, int n);

static int	careful_batches[RECORD_KINDS];

static StreamMessage *
message_of(const Writing *writing, int row)
{
	return &writing->batch->messages[writing->rows->messages[row]];
}

/* ---- subtransactions ---- */

/*
 * The body in a subtransaction and a memory context of its own.  NULL when it
 * is done, else the error, which blames a row; any other is thrown on.
 */
static ErrorData *
attempt(WriteBody body, Writing *writing, const int *list, int n)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	MemoryContext context = AllocSetContextCreate(caller, "hospital stream rows", ALLOCSET_DEFAULT_SIZES);
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		body(writing, list, n);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		open_rows_set(NULL, NULL);
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	CurrentResourceOwner = owner;
	MemoryContextDelete(context);
	if (error != NULL && !error_blames_row(error->sqlerrcode))
		ReThrowError(error);
	return error;
}

/* ---- at once ---- */

static void
insert_all(Writing *writing, const int *list, int n)
{
	RecordWriter *writer = record_writer(writing->kind, &writing->rows->held, writing->schema, false);

	record_insert(writer, list, n);
	record_writer_close(writer);
}

/* ---- with care ---- */

static bool
has_key(const Writing *writing, const KeySet *set, int row)
{
	const HeldRecords *held = &writing->rows->held;
	RecordKey	key = record_key(held->kind, held_record(held, row));

	return key_set_has(set, &key);
}

static void
refuse(StreamBatch *batch, StreamMessage *message, int sqlstate, const char *column, const char *text)
{
	MemoryContext before = MemoryContextSwitchTo(batch->context);

	message->refusal = palloc(sizeof(EventFault));
	event_fault(message->refusal, sqlstate, column != NULL ? pstrdup(column) : NULL, "%s", text);
	message->outcome = STREAM_REJECT;
	MemoryContextSwitchTo(before);
}

/* Rows whose keys are in the table. */
static void
meet_rows(Writing *writing, RecordWriter *writer, const int *list, int n)
{
	KeySet	   *same = record_same(writer, list, n);
	int		   *others = palloc(Max(n, 1) * sizeof(int));
	int			nothers = held_choose(&writing->rows->held, list, n, same, false, others);
	KeySet	   *completed = NULL;

	for (int i = 0; i < n; i++)
		message_of(writing, list[i])->outcome = STREAM_DUPLICATE;
	if (nothers > 0 && writing->rows->held.kind->merge == MERGE_COMPLETES)
		completed = record_merge(writer, others, nothers);
	for (int i = 0; i < nothers; i++)
	{
		StreamMessage *message = message_of(writing, others[i]);

		if (completed != NULL && has_key(writing, completed, others[i]))
		{
			message->outcome = STREAM_ROW;
			message->completes = true;
		}
		else
			refuse(writing->batch, message, ERRCODE_UNIQUE_VIOLATION,
				   record_key_name(writing->kind), "another record with this key is there");
	}
}

/* No two of the list have the same key. */
static void
insert_or_meet(Writing *writing, const int *list, int n)
{
	RecordWriter *writer = record_writer(writing->kind, &writing->rows->held, writing->schema, false);
	KeySet	   *existing = record_existing(writer, list, n);
	int		   *some = palloc(n * sizeof(int));
	int			nsome = held_choose(&writing->rows->held, list, n, existing, false, some);

	for (int i = 0; i < nsome; i++)
	{
		message_of(writing, some[i])->outcome = STREAM_ROW;
		message_of(writing, some[i])->completes = false;
	}
	if (nsome > 0)
		record_insert(writer, some, nsome);
	nsome = held_choose(&writing->rows->held, list, n, existing, true, some);
	if (nsome > 0)
		meet_rows(writing, writer, some, nsome);
	record_writer_close(writer);
}

static void
settle(Writing *writing, const int *list, int n)
{
	ErrorData  *error = NULL;

	if (n == 0)
		return;
	for (int i = 0; i < UNIQUE_TRIES; i++)
	{
		CHECK_FOR_INTERRUPTS();
		error = attempt(insert_or_meet, writing, list, n);
		if (error == NULL)
			return;
		if (error->sqlerrcode != ERRCODE_UNIQUE_VIOLATION)
			break;
	}
	if (n == 1)
		refuse(writing->batch, message_of(writing, list[0]), error->sqlerrcode, error->column_name,
			   error->message);
	else
	{
		settle(writing, list, n / 2);
		settle(writing, list + n / 2, n - n / 2);
	}
}

static int
compare_keys(const HeldRecords *held, int x, int y)
{
	RecordKey	key_x = record_key(held->kind, held_record(held, x));
	RecordKey	key_y = record_key(held->kind, held_record(held, y));

	return record_key_compare(held->kind, &key_x, &key_y);
}

static int
compare_rows(const void *a, const void *b, void *held)
{
	int			x = *(const int *) a;
	int			y = *(const int *) b;
	int			order = compare_keys(held, x, y);

	return order != 0 ? order : x < y ? -1 : x > y;
}

/* The first of each key, then the second, and so on. */
static void
write_with_care(Writing *writing, int *list, int n)
{
	HeldRecords *held = &writing->rows->held;
	int		   *later = palloc(n * sizeof(int));

	qsort_arg(list, n, sizeof(int), compare_rows, held);
	while (n > 0)
	{
		int			nfirst = 0;
		int			nlater = 0;

		for (int i = 0; i < n; i++)
		{
			if (nfirst > 0 && compare_keys(held, list[i], list[nfirst - 1]) == 0)
				later[nlater++] = list[i];
			else
				list[nfirst++] = list[i];
		}
		settle(writing, list, nfirst);
		memcpy(list, later, nlater * sizeof(int));
		n = nlater;
	}
	pfree(later);
}

/* ---- a kind ---- */

static void
write_kind(Writing *writing)
{
	const HeldRecords *held = &writing->rows->held;
	int		   *careful = &careful_batches[writing->kind];
	int		   *list = palloc(Max(held->n, 1) * sizeof(int));
	int			n = 0;

	for (int row = 0; row < held->n; row++)
		if (stream_taken(message_of(writing, row)))
			list[n++] = row;
	if (n > 0 && (*careful > 0 || attempt(insert_all, writing, list, n) != NULL))
	{
		*careful = *careful > 0 ? *careful - 1 : CAREFUL_BATCHES;
		write_with_care(writing, list, n);
	}
	pfree(list);
}

/* ---- what becomes of messages ---- */

/* As if nothing had been written: the transaction may have been rolled back. */
static void
reset_outcomes(StreamBatch *batch)
{
	for (int i = 0; i < batch->n; i++)
	{
		batch->messages[i].outcome = batch->messages[i].fault != NULL ? STREAM_REJECT : STREAM_ROW;
		batch->messages[i].refusal = NULL;
		batch->messages[i].completes = false;
	}
}

static void
count_outcomes(StreamBatch *batch)
{
	for (int i = 0; i < batch->npartitions; i++)
	{
		StreamPartition *partition = &batch->partitions[i];

		partition->messages = partition->rows = partition->rejects = partition->duplicates = 0;
	}
	for (int i = 0; i < batch->n; i++)
	{
		const StreamMessage *message = &batch->messages[i];
		StreamPartition *partition = message->partition;

		if (!stream_taken(message))
			continue;
		partition->messages++;
		partition->rows += message->outcome == STREAM_ROW;
		partition->rejects += message->outcome == STREAM_REJECT;
		partition->duplicates += message->outcome == STREAM_DUPLICATE;
	}
}

static bool
too_many_rejects(const StreamPartition *partition)
{
	double		messages = partition->recent_messages + partition->messages;
	double		rejects = partition->recent_rejects + partition->rejects;

	return rejects * 100 > partition->topic->reject_percent * Max(messages, FEWEST_MESSAGES);
}

static void
stop_at(StreamPartition *partition, const StreamMessage *message, const EventFault *fault)
{
	partition->stopping = true;
	event_fault(&partition->stop, fault->sqlstate, fault->column, "message at offset " INT64_FORMAT ": %s",
				message->offset, fault->message);
	partition->cut = message->offset;
}

/* Does the partition have to stop before one of its messages? */
static bool
must_stop(StreamBatch *batch, StreamPartition *partition)
{
	EventFault	fault;

	if (partition->rejects == 0)
		return false;
	if (partition->topic->stop_on_error)
	{
		for (int i = partition->first; i >= 0; i = batch->messages[i].next)
		{
			const StreamMessage *message = &batch->messages[i];

			if (!stream_taken(message) || message->refusal == NULL)
				continue;
			stop_at(partition, message, message->refusal);
			return true;
		}
	}
	if (!too_many_rejects(partition))
		return false;
	event_fault(&fault, ERRCODE_STREAM_REJECTS, NULL,
				"more than %g percent of the last messages would be rejected", partition->topic->reject_percent);
	stop_at(partition, &batch->messages[partition->first], &fault);
	return true;
}

static void
remember_recent(StreamPartition *partition)
{
	partition->recent_messages += partition->messages;
	partition->recent_rejects += partition->rejects;
	if (partition->recent_messages > RECENT_MESSAGES)
	{
		partition->recent_rejects *= RECENT_MESSAGES / partition->recent_messages;
		partition->recent_messages = RECENT_MESSAGES;
	}
}

static void
record_messages(StreamBatch *batch)
{
	stream_record_rejects(batch);
	for (int i = 0; i < batch->n; i++)
	{
		const StreamMessage *message = &batch->messages[i];

		if (stream_taken(message) && message->outcome != STREAM_REJECT && message->unknown != NULL)
			stream_record_extra(message);
	}
}

static void
gain_insight(StreamBatch *batch)
{
	MemoryContext before = MemoryContextSwitchTo(batch->context);

	batch->insight = insight_begin();
	for (int kind = 0; kind < RECORD_KINDS; kind++)
	{
		const StreamRows *rows = &batch->rows[kind];
		const void **records = palloc(Max(rows->held.n, 1) * sizeof(void *));
		int			n = 0;

		for (int row = 0; row < rows->held.n; row++)
		{
			const StreamMessage *message = &batch->messages[rows->messages[row]];

			if (stream_taken(message) && message->outcome == STREAM_ROW)
				records[n++] = held_record(&rows->held, row);
		}
		insight_add(batch->insight, kind, records, n);
	}
	insight_apply(batch->insight);
	MemoryContextSwitchTo(before);
}

void
stream_write_rows(StreamBatch *batch, const char *schema)
{
	reset_outcomes(batch);
	for (int kind = 0; kind < RECORD_KINDS; kind++)
	{
		Writing		writing = {batch, kind, schema, &batch->rows[kind]};

		if (writing.rows->held.n > 0)
			write_kind(&writing);
	}
}

void
stream_note_marts(const StreamBatch *batch)
{
	for (int kind = 0; kind < RECORD_KINDS; kind++)
		for (int row = 0; row < batch->rows[kind].held.n; row++)
		{
			const StreamMessage *message = &batch->messages[batch->rows[kind].messages[row]];

			if (stream_taken(message) && message->outcome == STREAM_ROW)
				marts_note(kind, held_record(&batch->rows[kind].held, row), !message->completes);
		}
}

bool
stream_write(StreamBatch *batch, const char *schema)
{
	bool		stops = false;

	stream_write_rows(batch, schema);
	CRASH_POINT("consumer_after_rows");
	count_outcomes(batch);
	for (int i = 0; i < batch->npartitions; i++)
		if (batch->partitions[i].messages > 0)
			stops |= must_stop(batch, &batch->partitions[i]);
	if (stops)
		return false;
	record_messages(batch);
	gain_insight(batch);
	stream_lake_write(batch);
	for (int i = 0; i < batch->npartitions; i++)
		if (batch->partitions[i].messages > 0)
			stream_record_range(batch, &batch->partitions[i]);
	stream_note_marts(batch);
	marts_apply(schema);
	return true;
}

void
stream_written(StreamBatch *batch)
{
	stream_lake_publish(batch);
	for (int i = 0; i < batch->npartitions; i++)
	{
		StreamPartition *partition = &batch->partitions[i];

		if (partition->messages == 0 || partition->first < 0)
			continue;
		for (int m = partition->first; m >= 0; m = batch->messages[m].next)
			if (stream_taken(&batch->messages[m]))
				partition->next = batch->messages[m].offset + 1;
		remember_recent(partition);
	}
}
