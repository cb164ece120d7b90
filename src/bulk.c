/*
 * bulk.c: rows of a source, straight into a plain heap table.
 *
 * What COPY does, without a parser: slots are filled in place, a thousand at a
 * time, and handed to table_multi_insert with a bulk-insert ring.  Constraints
 * are checked and indexes maintained as the executor would.  Everything that
 * would need more than that (triggers and so foreign keys, rules, row
 * security, partitions, generated or further columns, another table access
 * method, an extension that distributes tables) is refused beforehand.
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

#include "bulk.h"
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
	if (rel->rd_rel->relrowsecurity)
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

typedef struct BulkState
{
	Relation	rel;
	EState	   *estate;
	ResultRelInfo *target;
	BulkInsertState bistate;
	CommandId	cid;
	MemoryContext batch;		/* reset after each batch */
	Datum	   *values;			/* a row of the source */
	bool	   *isnull;
	char	   *scratch;		/* ROW_SCRATCH */
	TupleTableSlot *slots[BULK_SLOTS];
	HeapTupleData tuples[BULK_SLOTS];
	char	   *room;			/* BULK_SLOTS * TUPLE_ROOM */
	bool		check_constraints;
	Size		room_left;		/* of the pages added for this load */
} BulkState;

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

static BulkState *
bulk_begin(Relation rel)
{
	BulkState  *state = palloc0(sizeof(BulkState));
	TupleDesc	tupdesc = RelationGetDescr(rel);

	state->rel = rel;
	state->estate = CreateExecutorState();
	state->target = makeNode(ResultRelInfo);
	InitResultRelInfo(state->target, rel, 0, NULL, 0);
	ExecOpenIndices(state->target, false);
	state->bistate = begin_bulk_insert();
	state->cid = GetCurrentCommandId(true);
	state->batch = AllocSetContextCreate(CurrentMemoryContext, "hospital bulk insert",
										 ALLOCSET_DEFAULT_SIZES);
	state->values = palloc0(tupdesc->natts * sizeof(Datum));
	state->isnull = palloc0(tupdesc->natts * sizeof(bool));
	state->scratch = palloc(ROW_SCRATCH);
	state->room = palloc((Size) BULK_SLOTS * TUPLE_ROOM);
	state->check_constraints = tupdesc->constr != NULL;
	return state;
}

static void
bulk_end(BulkState *state)
{
	for (int i = 0; i < BULK_SLOTS && state->slots[i] != NULL; i++)
		ExecDropSingleTupleTableSlot(state->slots[i]);
	end_bulk_insert(state->bistate);
	table_finish_bulk_insert(state->rel, 0);
	ExecCloseIndices(state->target);
	FreeExecutorState(state->estate);
	MemoryContextDelete(state->batch);
	pfree(state->room);
	pfree(state->scratch);
	pfree(state->values);
	pfree(state->isnull);
	pfree(state);
}

/*
 * The row as a tuple in slot i.  The slot is told that it owns the tuple, or
 * table_multi_insert would have it copied; release_slots takes that back.
 */
static void
fill_slot(BulkState *state, int i)
{
	HeapTuple	tuple = &state->tuples[i];
	TupleTableSlot *slot = state->slots[i];

	/* Made when first needed: most statements write few rows. */
	if (slot == NULL)
	{
		slot = state->slots[i] = MakeSingleTupleTableSlot(RelationGetDescr(state->rel), &TTSOpsHeapTuple);
		tuple->t_data = (HeapTupleHeader) (state->room + (Size) i * TUPLE_ROOM);
	}
	if (tuple_form(tuple, RelationGetDescr(state->rel), state->values, state->isnull))
	{
		ExecStoreHeapTuple(tuple, slot, false);
		slot->tts_flags |= TTS_FLAG_SHOULDFREE;
	}
	else
		ExecStoreHeapTuple(heap_form_tuple(RelationGetDescr(state->rel), state->values, state->isnull),
						   slot, true);
	slot->tts_tableOid = RelationGetRelid(state->rel);
}

static void
release_slots(BulkState *state, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (((HeapTupleTableSlot *) state->slots[i])->tuple == &state->tuples[i])
			state->slots[i]->tts_flags &= ~TTS_FLAG_SHOULDFREE;
		ExecClearTuple(state->slots[i]);
	}
}

static int
fill_batch(BulkState *state, RowSource *source, int64 row)
{
	int			n = 0;

	while (n < BULK_SLOTS && (source->nrows < 0 || row + n < source->nrows) &&
		   source->methods->fetch(source, row + n, state->values, state->isnull, state->scratch))
		fill_slot(state, n++);
	return n;
}

/* Bytes that the batch takes in pages. */
static Size
batch_size(const BulkState *state, int n)
{
	Size		size = 0;

	for (int i = 0; i < n; i++)
		size += MAXALIGN(((HeapTupleTableSlot *) state->slots[i])->tuple->t_len) + sizeof(ItemIdData);
	return size;
}

/*
 * Pages for this batch and those after it, as far as they can be foreseen,
 * within what the load's buffers hold.
 */
static void
make_room(BulkState *state, int n, int64 rows_left)
{
	Size		size = batch_size(state, n);

	if (state->room_left < size)
	{
		int64		wanted = rows_left < 0 ? MAX_PAGES_AHEAD :
			(int64) (size / n) * rows_left / PAGE_ROOM + 1;
		int			pages = (int) Min(wanted, MAX_PAGES_AHEAD);

		heap_room_add(state->rel, pages, state->bistate->strategy);
		state->room_left += (Size) pages * PAGE_ROOM;
	}
	state->room_left -= Min(state->room_left, size);
}

static void
write_batch(BulkState *state, int n)
{
	MemoryContext old = MemoryContextSwitchTo(state->batch);

	if (state->check_constraints)
		for (int i = 0; i < n; i++)
		{
			ExecConstraints(state->target, state->slots[i], state->estate);
			ResetPerTupleExprContext(state->estate);
		}
	table_multi_insert(state->rel, state->slots, n, state->cid, 0, state->bistate);
	if (state->target->ri_NumIndices > 0)
		for (int i = 0; i < n; i++)
		{
			list_free(insert_index_entries(state->target, state->slots[i], state->estate));
			ResetPerTupleExprContext(state->estate);
		}
	release_slots(state, n);
	MemoryContextSwitchTo(old);
	MemoryContextReset(state->batch);
}

int64
bulk_write(Relation rel, RowSource *source, bool shared, BulkProgress progress, void *arg)
{
	BulkState  *state = bulk_begin(rel);
	int64		row = 0;
	int			n;

	while ((n = fill_batch(state, source, row)) > 0)
	{
		CHECK_FOR_INTERRUPTS();
		if (shared)
			make_room(state, n, source->nrows < 0 ? -1 : source->nrows - row);
		write_batch(state, n);
		row += n;
		if (progress)
			progress(arg, n);
	}
	bulk_end(state);
	return row;
}
