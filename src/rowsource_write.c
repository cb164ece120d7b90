/*
 * rowsource_write.c: INSERT … SELECT * FROM a source, a thousand rows at a time.
 *
 * The executor's INSERT takes a row from the plan below it, forms a tuple,
 * finds a page, writes a WAL record, and comes for the next: 1.5 to 2 times
 * what COPY takes for the same rows.  Where the plan below is a scan of ours,
 * the rows are complete and in order, and the table is a plain heap that
 * nothing else watches (bulk.h), the scan writes them itself the way COPY
 * does, and gives the INSERT above it none.  Permissions, locks, snapshot and
 * command id are those of that INSERT; the row count is reported as its own.
 *
 * Anything else (a filter, other columns, RETURNING, ON CONFLICT, triggers,
 * row security, a partitioned table, a data-modifying WITH) goes the ordinary
 * way.
 */
#include "postgres.h"

#include "executor/instrument.h"
#include "nodes/plannodes.h"
#include "utils/rel.h"

#include "bulk.h"
#include "rowsource_write.h"

/* Is this target list just the scan's columns, each once and in order? */
static bool
is_identity(List *tlist, int ncolumns)
{
	ListCell   *lc;
	int			i = 0;

	if (list_length(tlist) != ncolumns)
		return false;
	foreach(lc, tlist)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);
		Expr	   *expr = entry->expr;

		/* a domain given as its base type: the same bytes */
		while (IsA(expr, RelabelType))
			expr = ((RelabelType *) expr)->arg;
		if (!IsA(expr, Var) || ((Var *) expr)->varno != INDEX_VAR ||
			((Var *) expr)->varattno != ++i || entry->resjunk)
			return false;
	}
	return true;
}

/* The INSERT that does nothing but take this scan's rows, or NULL. */
static ModifyTable *
plain_insert(ScanState *node)
{
	ModifyTable *insert = (ModifyTable *) node->ps.state->es_plannedstmt->planTree;

	if (!IsA(insert, ModifyTable) || insert->operation != CMD_INSERT ||
		outerPlan(insert) != node->ps.plan || !insert->canSetTag ||
		insert->onConflictAction != ONCONFLICT_NONE || insert->returningLists != NIL ||
		insert->withCheckOptionLists != NIL || list_length(insert->resultRelations) != 1)
		return NULL;
	return insert;
}

Relation
direct_target(ScanState *node, const RowSourceMethods *methods)
{
	ModifyTable *insert = plain_insert(node);
	ResultRelInfo *target;

	if (insert == NULL || node->ps.plan->qual != NIL ||
		!is_identity(node->ps.plan->targetlist, methods->ncolumns) ||
		node->ps.state->es_epq_active != NULL)
		return NULL;
	target = node->ps.state->es_result_relations[linitial_int(insert->resultRelations) - 1];
	if (target == NULL || bulk_refusal(target->ri_RelationDesc, methods) != NULL)
		return NULL;
	return target->ri_RelationDesc;
}

void
write_directly(ScanState *node, Relation target, RowSource *source)
{
	int64		rows = bulk_write(target, source, false, NULL, NULL);

	node->ps.state->es_processed += rows;
	if (node->ps.instrument)
		node->ps.instrument->tuplecount += rows;
}
