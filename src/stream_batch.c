/*
 * stream_batch.c: messages of a batch into the records that are to be rows.
 *
 * The bytes of a message, and the texts of its record, stay in the client's
 * memory until the batch is forgotten; arrays are used again from one batch to
 * the next.  A message that is no record is kept with its fault, or, where the
 * topic says so, stops its partition.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "compat.h"
#include "stream_write.h"

#define FIRST_CAPACITY 1024
#define SURELY_SHORT 2048		/* bytes of a message whose texts fit ROW_SCRATCH */

void
stream_batch_init(StreamBatch *batch)
{
	batch->room = CurrentMemoryContext;
	batch->context = AllocSetContextCreate(CurrentMemoryContext, "hospital stream batch",
										   ALLOCSET_DEFAULT_SIZES);
	for (int kind = 0; kind < RECORD_KINDS; kind++)
		batch->rows[kind].held.kind = &record_kinds[kind];
}

void
stream_batch_forget(StreamBatch *batch)
{
	for (int i = 0; i < batch->npartitions; i++)
	{
		StreamPartition *partition = &batch->partitions[i];

		partition->first = partition->last = -1;
		partition->cut = PG_INT64_MAX;
		partition->file = NULL;
	}
	for (int kind = 0; kind < RECORD_KINDS; kind++)
	{
		batch->rows[kind].held.n = 0;
		batch->rows[kind].held.long_texts = false;
	}
	batch->n = 0;
	MemoryContextReset(batch->context);
}

static void *
grown(MemoryContext context, void *array, int capacity, Size size)
{
	return array == NULL ? MemoryContextAllocHuge(context, capacity * size) :
		repalloc_huge(array, capacity * size);
}

static StreamMessage *
append_message(StreamBatch *batch, const StreamMessage *message)
{
	StreamPartition *partition = message->partition;
	StreamMessage *appended;

	if (batch->n == batch->capacity)
	{
		batch->capacity = Max(batch->capacity * 2, FIRST_CAPACITY);
		batch->messages = grown(batch->room, batch->messages, batch->capacity, sizeof(StreamMessage));
	}
	appended = &batch->messages[batch->n];
	*appended = *message;
	appended->next = -1;
	if (partition->first < 0)
		partition->first = batch->n;
	else
		batch->messages[partition->last].next = batch->n;
	partition->last = batch->n++;
	return appended;
}

/* Where the next record of the kind goes. */
static void *
next_record(StreamBatch *batch, int kind)
{
	StreamRows *rows = &batch->rows[kind];
	HeldRecords *held = &rows->held;

	if (held->n == held->capacity)
	{
		held->capacity = Max(held->capacity * 2, FIRST_CAPACITY);
		held->records = grown(batch->room, held->records, held->capacity, held->kind->size);
		rows->messages = grown(batch->room, rows->messages, held->capacity, sizeof(int));
	}
	return held_record(held, held->n);
}

/* The record that next_record has room for is one. */
static void
keep_record(StreamBatch *batch, int kind, StreamMessage *message)
{
	StreamRows *rows = &batch->rows[kind];

	if (message->length > SURELY_SHORT &&
		held_scratch_size(rows->held.kind, held_record(&rows->held, rows->held.n)) > ROW_SCRATCH)
		rows->held.long_texts = true;
	message->kind = kind;
	message->row = rows->held.n;
	rows->messages[rows->held.n++] = (int) (message - batch->messages);
}

static bool
read_adt(StreamBatch *batch, StreamMessage *message, int *kind, EventFault *fault)
{
	pg_attribute_aligned(8) char record[EVENT_RECORD_SIZE];

	if (!event_from_hl7(message->payload, message->length, kind, record, fault))
		return false;
	memcpy(next_record(batch, *kind), record, record_kinds[*kind].size);
	return true;
}

static bool
read_record(StreamBatch *batch, StreamMessage *message, EventFault *fault)
{
	const StreamTopic *topic = message->partition->topic;
	int			kind = topic->kind;
	bool		ok;

	if (message->payload == NULL)
		return event_fault(fault, ERRCODE_NULL_VALUE_NOT_ALLOWED, NULL, "the message has no payload");
	if (kind == STREAM_ADT)
		ok = read_adt(batch, message, &kind, fault);
	else
		ok = event_from_json(kind, message->payload, message->length, next_record(batch, kind),
							 topic->keep_unknown ? &message->unknown : NULL, fault);
	if (ok)
		keep_record(batch, kind, message);
	return ok;
}

/* The message just appended is none to be taken: take it out again. */
static void
stop_before(StreamBatch *batch, StreamMessage *message, const EventFault *fault)
{
	StreamPartition *partition = message->partition;
	int			last = -1;

	partition->stopping = true;
	event_fault(&partition->stop, fault->sqlstate, fault->column, "message at offset " INT64_FORMAT ": %s",
				message->offset, fault->message);
	for (int i = partition->first; i >= 0 && i != batch->n - 1; i = batch->messages[i].next)
		last = i;
	partition->last = last;
	if (last < 0)
		partition->first = -1;
	else
		batch->messages[last].next = -1;
	batch->n--;
}

static bool
take_fault(StreamBatch *batch, StreamMessage *message, const EventFault *fault)
{
	if (message->partition->topic->stop_on_error)
	{
		stop_before(batch, message, fault);
		return false;
	}
	message->fault = MemoryContextAlloc(batch->context, sizeof(EventFault));
	*message->fault = *fault;
	return true;
}

bool
stream_batch_add(StreamBatch *batch, const StreamMessage *message)
{
	StreamMessage *appended = append_message(batch, message);
	MemoryContext before = MemoryContextSwitchTo(batch->context);
	EventFault	fault;
	bool		ok = read_record(batch, appended, &fault);

	MemoryContextSwitchTo(before);
	return ok || take_fault(batch, appended, &fault);
}

bool
stream_batch_reject(StreamBatch *batch, const StreamMessage *message, int sqlstate, const char *text)
{
	EventFault	fault;

	event_fault(&fault, sqlstate, NULL, "%s", text);
	return take_fault(batch, append_message(batch, message), &fault);
}
