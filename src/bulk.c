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
#include "access/tableam.h"
#include "access/xact.h"
#include "commands/extension.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "rewrite/prs2lock.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "bulk.h"
#include "compat.h"

#define BULK_SLOTS 1000

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
	if (constr && constr->has_generated_stored)
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
	TupleTableSlot *slots[BULK_SLOTS];
	char	   *scratch;		/* BULK_SLOTS * ROW_SCRATCH */
	bool		check_constraints;
} BulkState;

static void
bulk_begin(BulkState *state, Relation rel)
{
	state->rel = rel;
	state->estate = CreateExecutorState();
	state->target = makeNode(ResultRelInfo);
	InitResultRelInfo(state->target, rel, 0, NULL, 0);
	ExecOpenIndices(state->target, false);
	state->bistate = GetBulkInsertState();
	state->cid = GetCurrentCommandId(true);
	state->batch = AllocSetContextCreate(CurrentMemoryContext, "hospital bulk insert",
										 ALLOCSET_DEFAULT_SIZES);
	state->scratch = palloc((Size) BULK_SLOTS * ROW_SCRATCH);
	for (int i = 0; i < BULK_SLOTS; i++)
		state->slots[i] = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsVirtual);
	state->check_constraints = RelationGetDescr(rel)->constr != NULL;
}

static void
bulk_end(BulkState *state)
{
	for (int i = 0; i < BULK_SLOTS; i++)
		ExecDropSingleTupleTableSlot(state->slots[i]);
	pfree(state->scratch);
	FreeBulkInsertState(state->bistate);
	table_finish_bulk_insert(state->rel, 0);
	ExecCloseIndices(state->target);
	FreeExecutorState(state->estate);
	MemoryContextDelete(state->batch);
}

static int
fill_batch(BulkState *state, RowSource *source, int64 row)
{
	int			n = 0;

	while (n < BULK_SLOTS && (source->nrows < 0 || row + n < source->nrows))
	{
		TupleTableSlot *slot = state->slots[n];

		ExecClearTuple(slot);
		if (!source->methods->fetch(source, row + n, slot->tts_values, slot->tts_isnull,
									state->scratch + (Size) n * ROW_SCRATCH))
			break;
		ExecStoreVirtualTuple(slot);
		n++;
	}
	return n;
}

static void
write_batch(BulkState *state, int n)
{
	MemoryContext old = MemoryContextSwitchTo(state->batch);

	if (state->check_constraints)
		for (int i = 0; i < n; i++)
			ExecConstraints(state->target, state->slots[i], state->estate);
	table_multi_insert(state->rel, state->slots, n, state->cid, 0, state->bistate);
	if (state->target->ri_NumIndices > 0)
		for (int i = 0; i < n; i++)
		{
			list_free(insert_index_entries(state->target, state->slots[i], state->estate));
			ResetPerTupleExprContext(state->estate);
		}
	MemoryContextSwitchTo(old);
	MemoryContextReset(state->batch);
}

int64
bulk_write(Relation rel, RowSource *source, BulkProgress progress, void *arg)
{
	BulkState	state;
	int64		row = 0;
	int			n;

	bulk_begin(&state, rel);
	while ((n = fill_batch(&state, source, row)) > 0)
	{
		CHECK_FOR_INTERRUPTS();
		write_batch(&state, n);
		row += n;
		if (progress)
			progress(arg, n);
	}
	bulk_end(&state);
	return row;
}
