/*
 * bulk.c: rows of a source, straight into a plain heap table.
 *
 * What COPY does, without a parser: slots are filled in place, a thousand at a
 * time, and handed to table_multi_insert with a bulk-insert ring.  Constraints
 * are checked and indexes maintained as the executor would.  Everything that
 * would need more than that (triggers and so foreign keys, rules, row
 * security, partitions, generated or further columns, another table access
 * method, an extension that distributes tables) is refused beforehand.
 *
 * Indexes whose keys are numbers get their entries later, many at a time and in
 * order (bulk_index.c).
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/hio.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "commands/extension.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "rewrite/prs2lock.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/rls.h"

#include "bulk.h"
#include "bulk_index.h"
#include "compat.h"
#include "heap_room.h"
#include "tuple_form.h"

#define BULK_SLOTS 1000
#define MAX_PAGES_AHEAD 512

const char *
bulk_refusal(Relation rel, const RowSourceMethods *methods)
{
	TupleConstr *constr = RelationGetDescr(rel)->constr;

	if (rel->rd_rel->relkind != RELKIND_RELATION)
		return "it is not an ordinary table";
	if (rel->rd_rel->relispartition)
		return "it is a partition";
	if (rel->rd_tableam != GetHeapamTableAmRoutine())
		return "its access method is not heap";
	if (rel->trigdesc != NULL)
		return "it has triggers or foreign keys";
	if (rel->rd_rules != NULL)
		return "it has rules";
	if (check_enable_rls(RelationGetRelid(rel), InvalidOid, true) == RLS_ENABLED)
		return "it has row security";
	if (constr && has_generated_columns(constr))
		return "it has generated columns";
	if (!rowsource_tupdesc_matches(methods, RelationGetDescr(rel)))
		return "its columns are not just those that are generated";
	if (OidIsValid(get_extension_oid("citus", true)) ||
		OidIsValid(get_extension_oid("timescaledb", true)))
		return "an extension that distributes tables is installed";
	return NULL;
}

const char *
bulk_refusal_by_name(Relation rel, const RowSourceMethods *methods)
{
	const char *why = bulk_refusal(rel, methods);

	for (int i = 0; why == NULL && i < methods->ncolumns; i++)
		if (strcmp(NameStr(TupleDescAttr(RelationGetDescr(rel), i)->attname), methods->columns[i].name) != 0)
			why = "its columns have other names or another order";
	return why;
}

/*
 * A thousand slots that carry tuples to table_multi_insert (which looks at the
 * tuple alone, so they need not know its columns), and the tuples' memory.  A
 * process keeps one for all its writes; a constraint or an index expression
 * that writes in bulk itself gets another.
 */
typedef struct BulkRoom
{
	BulkWriter *owner;
	TupleTableSlot *slots[BULK_SLOTS];
	HeapTupleData tuples[BULK_SLOTS];
	char	   *room;			/* BULK_SLOTS * TUPLE_ROOM */
	char		scratch[ROW_SCRATCH];
} BulkRoom;

struct BulkWriter
{
	MemoryContextCallback callback; /* gives the room back */
	Relation	rel;
	EState	   *estate;
	ResultRelInfo *target;
	BulkInsertState bistate;
	BulkRoom   *room;
	BulkIndexes *indexes;		/* NULL: entries are made row by row */
	MemoryContext batch;		/* reset after each batch */
	Datum	   *values;			/* a row of the source */
	bool	   *isnull;
	TupleTableSlot *row;		/* one that knows the columns */
	bool		check_constraints;	/* each row, whatever is in it */
	int			nnot_null;		/* columns that must not be null, and these alone */
	int		   *not_null;
	bool		shared;
	Size		room_left;		/* of the pages added for this load */
};

static BulkRoom *
new_room(void)
{
	BulkRoom   *room = palloc0(sizeof(BulkRoom));
	TupleDesc	none = CreateTemplateTupleDesc(0);

	room->room = palloc((Size) BULK_SLOTS * TUPLE_ROOM);
	for (int i = 0; i < BULK_SLOTS; i++)
		room->slots[i] = MakeSingleTupleTableSlot(none, &TTSOpsHeapTuple);
	return room;
}

static void
leave_room(void *arg)
{
	BulkWriter *writer = arg;

	if (writer->room != NULL && writer->room->owner == writer)
		writer->room->owner = NULL;
	writer->room = NULL;
}

static void
enter_room(BulkWriter *writer)
{
	static BulkRoom *kept = NULL;

	if (kept == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		kept = new_room();
		MemoryContextSwitchTo(old);
	}
	writer->room = kept->owner == NULL ? kept : new_room();
	writer->room->owner = writer;
	writer->callback.func = leave_room;
	writer->callback.arg = writer;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &writer->callback);
}

/*
 * The buffers that a bulk load goes through stay this process's from one load
 * to the next: other ones would have to be touched, and evicted, anew.
 */
static BufferAccessStrategy
load_buffers(void)
{
	static BufferAccessStrategy buffers = NULL;

	if (buffers == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		buffers = GetAccessStrategy(BAS_BULKWRITE);
		MemoryContextSwitchTo(old);
	}
	return buffers;
}

static BulkInsertState
begin_bulk_insert(void)
{
	BulkInsertState bistate = GetBulkInsertState();

	FreeAccessStrategy(bistate->strategy);
	bistate->strategy = load_buffers();
	return bistate;
}

static void
end_bulk_insert(BulkInsertState bistate)
{
	bistate->strategy = NULL;	/* not to be freed with it */
	FreeBulkInsertState(bistate);
}

/*
 * A table with no more than NOT NULL columns need not be asked for each row,
 * but for one that has a null there, to hear what the server says of it.
 */
static void
learn_constraints(BulkWriter *writer)
{
	TupleDesc	tupdesc = RelationGetDescr(writer->rel);

	writer->check_constraints = tupdesc->constr != NULL && tupdesc->constr->num_check > 0;
	writer->not_null = palloc(tupdesc->natts * sizeof(int));
	for (int i = 0; i < tupdesc->natts; i++)
		if (TupleDescAttr(tupdesc, i)->attnotnull)
			writer->not_null[writer->nnot_null++] = i;
}

static inline bool
has_forbidden_null(const BulkWriter *writer)
{
	for (int i = 0; i < writer->nnot_null; i++)
		if (writer->isnull[writer->not_null[i]])
			return true;
	return false;
}

BulkWriter *
bulk_open(Relation rel, bool shared)
{
	BulkWriter *writer = palloc0(sizeof(BulkWriter));
	TupleDesc	tupdesc = RelationGetDescr(rel);

	writer->rel = rel;
	writer->shared = shared;
	writer->estate = CreateExecutorState();
	writer->target = makeNode(ResultRelInfo);
	InitResultRelInfo(writer->target, rel, 0, NULL, 0);
	ExecOpenIndices(writer->target, false);
	writer->indexes = bulk_indexes(writer->target);
	writer->bistate = begin_bulk_insert();
	enter_room(writer);
	writer->batch = AllocSetContextCreate(CurrentMemoryContext, "hospital bulk insert",
										  ALLOCSET_DEFAULT_SIZES);
	writer->values = palloc0(tupdesc->natts * sizeof(Datum));
	writer->isnull = palloc0(tupdesc->natts * sizeof(bool));
	writer->row = MakeSingleTupleTableSlot(tupdesc, &TTSOpsHeapTuple);
	learn_constraints(writer);
	return writer;
}

void
bulk_flush(BulkWriter *writer)
{
	if (writer->indexes != NULL)
		bulk_indexes_flush(writer->indexes);
}

void
bulk_close(BulkWriter *writer)
{
	bulk_flush(writer);
	ExecDropSingleTupleTableSlot(writer->row);
	end_bulk_insert(writer->bistate);
	table_finish_bulk_insert(writer->rel, 0);
	ExecCloseIndices(writer->target);
	FreeExecutorState(writer->estate);
	MemoryContextDelete(writer->batch);
	if (writer->indexes != NULL)
		bulk_indexes_free(writer->indexes);
	pfree(writer->values);
	pfree(writer->isnull);
	pfree(writer->not_null);
	leave_room(writer);			/* the callback still points at the writer */
}

/*
 * The row as a tuple of the server's own.  Since the minor releases of 2026 it
 * is marked as a value, and refused by a slot that does not know its columns;
 * what the mark consists of has no meaning in a row that is to be stored.
 */
static HeapTuple
form_long_row(const BulkWriter *writer)
{
	HeapTuple	tuple = heap_form_tuple(RelationGetDescr(writer->rel), writer->values, writer->isnull);

	tuple->t_data->t_infomask &= ~HEAP_XACT_MASK;
	ItemPointerSetInvalid(&tuple->t_data->t_ctid);
	return tuple;
}

/* The row as a tuple in memory that is used again, where it fits. */
static HeapTuple
form_row(BulkWriter *writer, int i)
{
	HeapTuple	tuple = &writer->room->tuples[i];

	tuple->t_data = (HeapTupleHeader) (writer->room->room + (Size) i * TUPLE_ROOM);
	if (!tuple_form(tuple, RelationGetDescr(writer->rel), writer->values, writer->isnull))
		tuple = form_long_row(writer);
	tuple->t_tableOid = RelationGetRelid(writer->rel);
	return tuple;
}

static void
check_row(BulkWriter *writer, HeapTuple tuple)
{
	ExecStoreHeapTuple(tuple, writer->row, false);
	writer->row->tts_tableOid = tuple->t_tableOid;
	ExecConstraints(writer->target, writer->row, writer->estate);
	ResetPerTupleExprContext(writer->estate);
}

/*
 * The row in slot i.  The slot is told that it owns the tuple, or
 * table_multi_insert would have it copied; release_slots takes that back.
 */
static void
fill_slot(BulkWriter *writer, int i)
{
	TupleTableSlot *slot = writer->room->slots[i];
	HeapTuple	tuple = form_row(writer, i);

	if (writer->check_constraints || has_forbidden_null(writer))
		check_row(writer, tuple);
	ExecStoreHeapTuple(tuple, slot, false);
	slot->tts_flags |= TTS_FLAG_SHOULDFREE;
	slot->tts_tableOid = tuple->t_tableOid;
	if (writer->indexes != NULL)
		bulk_indexes_add(writer->indexes, i, writer->values, writer->isnull);
}

static void
release_slots(BulkWriter *writer, int n)
{
	for (int i = 0; i < n; i++)
	{
		writer->room->slots[i]->tts_flags &= ~TTS_FLAG_SHOULDFREE;
		ExecClearTuple(writer->room->slots[i]);
	}
}

/* A call that failed may have left the slots full. */
static int
fill_batch(BulkWriter *writer, RowSource *source, int64 row)
{
	MemoryContext old = MemoryContextSwitchTo(writer->batch);
	int			n = 0;

	while (n < BULK_SLOTS && (source->nrows < 0 || row + n < source->nrows) &&
		   source->methods->fetch(source, row + n, writer->values, writer->isnull,
								  writer->room->scratch))
	{
		writer->room->slots[n]->tts_flags &= ~TTS_FLAG_SHOULDFREE;
		fill_slot(writer, n++);
	}
	MemoryContextSwitchTo(old);
	return n;
}

/* Bytes that the batch takes in pages. */
static Size
batch_size(const BulkWriter *writer, int n)
{
	Size		size = 0;

	for (int i = 0; i < n; i++)
		size += MAXALIGN(((HeapTupleTableSlot *) writer->room->slots[i])->tuple->t_len) +
			sizeof(ItemIdData);
	return size;
}

/*
 * Pages for this batch and those after it, as far as they can be foreseen,
 * within what the load's buffers hold.
 */
static void
make_room(BulkWriter *writer, int n, int64 rows_left)
{
	Size		size = batch_size(writer, n);

	if (writer->room_left < size)
	{
		int64		wanted = rows_left < 0 ? MAX_PAGES_AHEAD :
			(int64) (size / n) * rows_left / PAGE_ROOM + 1;
		int			pages = (int) Min(wanted, MAX_PAGES_AHEAD);

		heap_room_add(writer->rel, pages, writer->bistate->strategy);
		writer->room_left += (Size) pages * PAGE_ROOM;
	}
	writer->room_left -= Min(writer->room_left, size);
}

/* Entries of indexes that are not simple, as the executor makes them. */
static void
insert_entries(BulkWriter *writer, int n)
{
	for (int i = 0; i < n; i++)
	{
		TupleTableSlot *slot = writer->room->slots[i];

		ExecStoreHeapTuple(((HeapTupleTableSlot *) slot)->tuple, writer->row, false);
		writer->row->tts_tid = slot->tts_tid;	/* the tuple's own is not set where it was toasted */
		writer->row->tts_tableOid = slot->tts_tableOid;
		list_free(insert_index_entries(writer->target, writer->row, writer->estate));
		ResetPerTupleExprContext(writer->estate);
	}
}

static void
write_batch(BulkWriter *writer, int n)
{
	MemoryContext old = MemoryContextSwitchTo(writer->batch);

	table_multi_insert(writer->rel, writer->room->slots, n, GetCurrentCommandId(true), 0,
					   writer->bistate);
	if (writer->indexes != NULL)
		bulk_indexes_written(writer->indexes, writer->room->slots, n);
	else if (writer->target->ri_NumIndices > 0)
		insert_entries(writer, n);
	ExecClearTuple(writer->row);
	release_slots(writer, n);
	MemoryContextSwitchTo(old);
	MemoryContextReset(writer->batch);
}

static int64
append(BulkWriter *writer, RowSource *source, BulkProgress progress, void *arg)
{
	int64		row = 0;
	int			n;

	while ((n = fill_batch(writer, source, row)) > 0)
	{
		CHECK_FOR_INTERRUPTS();
		if (writer->shared)
			make_room(writer, n, source->nrows < 0 ? -1 : source->nrows - row);
		write_batch(writer, n);
		row += n;
		if (progress)
			progress(arg, n);
	}
	return row;
}

void
bulk_append(BulkWriter *writer, RowSource *source)
{
	append(writer, source, NULL, NULL);
}

int64
bulk_write(Relation rel, RowSource *source, bool shared, BulkProgress progress, void *arg)
{
	BulkWriter *writer = bulk_open(rel, shared);
	int64		rows = append(writer, source, progress, arg);

	bulk_close(writer);
	return rows;
}
