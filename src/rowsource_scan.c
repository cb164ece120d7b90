/*
 * rowsource_scan.c: a row source in FROM, streamed by a CustomScan.
 *
 * The executor stores the whole result of a function in FROM before it gives
 * the first row.  For our functions the planner is offered this node instead:
 * it fills a tuple slot with the next row, computes only the columns that the
 * query reads, goes backward, and shares the rows among parallel workers.
 *
 * Planning: set_rel_pathlist_hook replaces the function's path.  A function's
 * support function is called before paths are made and loads this library, so
 * the hook is there in time even in a session that has not touched it before.
 * The scan has no relation of its own (scanrelid 0); custom_scan_tlist lists
 * the columns that are read, as Vars of the function's range table entry, and
 * with them a whole-row Var where the query has one.
 *
 * Execution: arguments are evaluated at the first row, never under plain
 * EXPLAIN, and again when a rescan comes with changed parameters, as for any
 * function in FROM.  A null argument gives no rows (the functions are strict).
 * Parallel: participants take CHUNK rows at a time from a shared counter.
 * Under a plain INSERT the rows are written without passing through the
 * executor (rowsource_write.c).
 * EvalPlanQual: the row is the one that the row mark kept, a whole row.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/parallel.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/extensible.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"
#include "parser/parsetree.h"
#include "port/atomics.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "compat.h"
#include "rowsource.h"
#include "rowsource_write.h"

#define PARALLEL_CHUNK 16384	/* rows that a participant takes at a time */
#define PARALLEL_ROWS_PER_WORKER 100000.0

static set_rel_pathlist_hook_type previous_hook = NULL;

/* ==== planning ==== */

/* custom_private: (function, columns) */
typedef struct ScanPrivate
{
	Oid			funcid;
	List	   *columns;		/* attribute numbers of custom_scan_tlist, 0 whole row */
} ScanPrivate;

static List *
pack_private(const ScanPrivate *p)
{
	return list_make2(list_make1_oid(p->funcid), p->columns);
}

static void
unpack_private(List *list, ScanPrivate *p)
{
	p->funcid = linitial_oid((List *) linitial(list));
	p->columns = (List *) lsecond(list);
}

static Plan *plan_custom_path(PlannerInfo *root, RelOptInfo *rel, CustomPath *path,
							  List *tlist, List *clauses, List *custom_plans);
static Node *create_scan_state(CustomScan *cscan);

static const CustomPathMethods path_methods = {
	.CustomName = "Hospital",
	.PlanCustomPath = plan_custom_path,
};

static const CustomScanMethods scan_methods = {
	.CustomName = "Hospital",
	.CreateCustomScanState = create_scan_state,
};

/* Is this range table entry one call of ours, and nothing else? */
static FuncExpr *
entry_call(RangeTblEntry *rte, const RowSourceMethods **methods)
{
	FuncExpr   *call;
	TupleDesc	tupdesc;

	if (rte->rtekind != RTE_FUNCTION || rte->funcordinality || list_length(rte->functions) != 1)
		return NULL;
	call = (FuncExpr *) linitial_node(RangeTblFunction, rte->functions)->funcexpr;
	if (!IsA(call, FuncExpr) || !call->funcretset || expression_returns_set((Node *) call->args))
		return NULL;
	*methods = rowsource_by_function(call->funcid);
	if (*methods == NULL)
		return NULL;
	if (get_expr_result_type((Node *) call, NULL, &tupdesc) != TYPEFUNC_COMPOSITE ||
		!rowsource_tupdesc_matches(*methods, tupdesc))
		return NULL;
	return call;
}

static void
path_cost(CustomPath *cpath, RelOptInfo *rel, const RowSourceMethods *methods, double divisor)
{
	Path	   *path = &cpath->path;
	double		rows = clamp_row_est(rel->tuples / divisor);
	double		share = (double) (list_length(rel->reltarget->exprs) + 1) / (methods->ncolumns + 1);
	Cost		per_row = cpu_tuple_cost / 2 + rel->baserestrictcost.per_tuple +
		methods->row_cost * cpu_operator_cost * Min(share, 1.0);

	path->rows = clamp_row_est((path->param_info ? path->param_info->ppi_rows : rel->rows) / divisor);
	path->startup_cost = methods->startup_cost * cpu_operator_cost +
		rel->baserestrictcost.startup + rel->reltarget->cost.startup;
	path->total_cost = path->startup_cost + rows * per_row +
		path->rows * rel->reltarget->cost.per_tuple;
}

static CustomPath *
make_path(PlannerInfo *root, RelOptInfo *rel, const RowSourceMethods *methods, int workers)
{
	CustomPath *cpath = makeNode(CustomPath);
	Path	   *path = &cpath->path;
	double		divisor = 1.0;

	path->pathtype = T_CustomScan;
	path->parent = rel;
	path->pathtarget = rel->reltarget;
	path->param_info = get_baserel_parampathinfo(root, rel, rel->lateral_relids);
	path->parallel_safe = rel->consider_parallel;
	path->parallel_aware = workers > 0;
	path->parallel_workers = workers;
	cpath->methods = &path_methods;
	cpath->flags = CUSTOMPATH_SUPPORT_PROJECTION;
	if (methods->random_access && workers == 0)
		cpath->flags |= CUSTOMPATH_SUPPORT_BACKWARD_SCAN;
	if (workers > 0)
	{
		/* As the server reckons: the leader helps, less so with many workers. */
		divisor = workers;
		if (parallel_leader_participation)
			divisor += Max(1.0 - 0.3 * workers, 0);
	}
	path_cost(cpath, rel, methods, divisor);
	return cpath;
}

static int
useful_workers(RelOptInfo *rel)
{
	double		rows = rel->tuples;
	int			workers = 0;

	for (; rows > PARALLEL_ROWS_PER_WORKER && workers < max_parallel_workers_per_gather; workers++)
		rows /= 2;
	return workers;
}

static void
offer_paths(PlannerInfo *root, RelOptInfo *rel, Index rti, RangeTblEntry *rte)
{
	const RowSourceMethods *methods;
	FuncExpr   *call;
	int			workers;

	if (previous_hook)
		previous_hook(root, rel, rti, rte);
	if (rel->pathlist == NIL || IS_DUMMY_REL(rel))
		return;
	call = entry_call(rte, &methods);
	if (call == NULL)
		return;

	/* The function scan that would store everything first is no alternative. */
	rel->pathlist = NIL;
	add_path(rel, (Path *) make_path(root, rel, methods, 0));

	/* Each participant evaluates the arguments: they must come out the same. */
	workers = useful_workers(rel);
	if (rel->consider_parallel && rel->lateral_relids == NULL && workers > 0 &&
		methods->random_access && !contain_volatile_functions((Node *) call->args))
		add_partial_path(rel, (Path *) make_path(root, rel, methods, workers));
}

/*
 * The Vars of the entry that the plan reads, each once, in order of use.  The
 * relation's target has them all; the plan's own target list may be put in
 * only later, and be made of expressions over them.
 */
static List *
vars_read(RelOptInfo *rel, List *tlist, List *clauses)
{
	const int	flags = PVC_RECURSE_AGGREGATES | PVC_RECURSE_WINDOWFUNCS | PVC_RECURSE_PLACEHOLDERS;
	List	   *all = pull_var_clause((Node *) rel->reltarget->exprs, flags);
	List	   *vars = NIL;
	ListCell   *lc;

	all = list_concat(all, pull_var_clause((Node *) tlist, flags));
	all = list_concat(all, pull_var_clause((Node *) clauses, flags));
	foreach(lc, all)
	{
		Var		   *var = lfirst_node(Var, lc);

		if ((Index) var->varno == rel->relid && var->varlevelsup == 0)
			vars = list_append_unique(vars, var);
	}
	return vars;
}

static Plan *
plan_custom_path(PlannerInfo *root, RelOptInfo *rel, CustomPath *path,
				 List *tlist, List *clauses, List *custom_plans)
{
	CustomScan *cscan = makeNode(CustomScan);
	RangeTblEntry *rte = planner_rt_fetch(rel->relid, root);
	FuncExpr   *call = (FuncExpr *) linitial_node(RangeTblFunction, rte->functions)->funcexpr;
	ScanPrivate private = {call->funcid, NIL};
	ListCell   *lc;
	int			resno = 1;

	cscan->scan.plan.targetlist = tlist;
	cscan->scan.plan.qual = extract_actual_clauses(clauses, false);
	cscan->scan.scanrelid = 0;
	cscan->flags = path->flags;
	cscan->methods = &scan_methods;
	cscan->custom_exprs = copyObject(call->args);

	foreach(lc, vars_read(rel, tlist, cscan->scan.plan.qual))
	{
		Var		   *var = lfirst_node(Var, lc);

		cscan->custom_scan_tlist = lappend(cscan->custom_scan_tlist,
										   makeTargetEntry((Expr *) copyObject(var), resno++, NULL, false));
		private.columns = lappend_int(private.columns, var->varattno);
	}
	cscan->custom_private = pack_private(&private);
	return (Plan *) cscan;
}

/* ==== execution ==== */

typedef struct SharedScan
{
	pg_atomic_uint64 next;		/* first row nobody has taken */
} SharedScan;

typedef struct RowScanState
{
	CustomScanState css;
	ScanPrivate private;
	const RowSourceMethods *methods;
	List	   *args;			/* ExprStates */
	TupleDesc	rowdesc;		/* of the function's result */

	MemoryContext source_context;	/* the source and its arguments; reset at reopening */
	RowSource  *source;			/* NULL until the first row */
	bool		empty;			/* an argument was null */
	int64		current;		/* row last given; -1 before the first */
	int64		chunk_end;		/* parallel: end of the rows taken */
	SharedScan *shared;

	Datum	   *values;			/* a whole row of the source */
	bool	   *isnull;
	char	   *scratch;
	int			nslots;			/* columns of the scan slot */
	int16	   *slot_column;	/* their source columns, from 0; -1 whole row */
	bool		whole_rows;		/* the slot is the source's row, column by column */
	TupleTableSlot *mark_slot;	/* EvalPlanQual's row */
} RowScanState;

static void begin_scan(CustomScanState *node, EState *estate, int eflags);
static TupleTableSlot *exec_scan(CustomScanState *node);
static void end_scan(CustomScanState *node);
static void rescan_scan(CustomScanState *node);
static Size estimate_dsm(CustomScanState *node, ParallelContext *pcxt);
static void initialize_dsm(CustomScanState *node, ParallelContext *pcxt, void *coordinate);
static void reinitialize_dsm(CustomScanState *node, ParallelContext *pcxt, void *coordinate);
static void initialize_worker(CustomScanState *node, shm_toc *toc, void *coordinate);
static void explain_scan(CustomScanState *node, List *ancestors, ExplainState *es);

static const CustomExecMethods exec_methods = {
	.CustomName = "Hospital",
	.BeginCustomScan = begin_scan,
	.ExecCustomScan = exec_scan,
	.EndCustomScan = end_scan,
	.ReScanCustomScan = rescan_scan,
	.EstimateDSMCustomScan = estimate_dsm,
	.InitializeDSMCustomScan = initialize_dsm,
	.ReInitializeDSMCustomScan = reinitialize_dsm,
	.InitializeWorkerCustomScan = initialize_worker,
	.ExplainCustomScan = explain_scan,
};

static Node *
create_scan_state(CustomScan *cscan)
{
	RowScanState *state = palloc0(sizeof(RowScanState));

	NodeSetTag(state, T_CustomScanState);
	state->css.methods = &exec_methods;
	unpack_private(cscan->custom_private, &state->private);
	return (Node *) state;
}

/*
 * The function again, as it is now: it or its type may have been altered
 * since the plan was made.
 */
static void
verify_function(RowScanState *state)
{
	Oid			funcid = state->private.funcid;

	state->methods = rowsource_by_function(funcid);
	if (state->methods == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("function %u is no longer one of hospital's", funcid),
				 errhint("Plan the statement again.")));
	if (get_func_result_type(funcid, NULL, &state->rowdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "function %u does not return rows", funcid);
	state->rowdesc = BlessTupleDesc(CreateTupleDescCopy(state->rowdesc));
	rowsource_check_tupdesc(state->methods, state->rowdesc);
}

/* Which source column goes into which column of the scan slot. */
static void
map_columns(RowScanState *state)
{
	ListCell   *lc;
	int			i = 0;

	state->nslots = list_length(state->private.columns);
	state->slot_column = palloc(Max(state->nslots, 1) * sizeof(int16));
	state->whole_rows = state->nslots == state->methods->ncolumns;
	foreach(lc, state->private.columns)
	{
		state->slot_column[i] = lfirst_int(lc) - 1;
		if (state->slot_column[i] != i)
			state->whole_rows = false;
		i++;
	}
}

/* What the executor checks when it is to call a function. */
static void
check_execute_privilege(Oid funcid)
{
	AclResult	result = may_execute(funcid, GetUserId());

	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_FUNCTION, get_func_name(funcid));
	InvokeFunctionExecuteHook(funcid);
}

static void
begin_scan(CustomScanState *node, EState *estate, int eflags)
{
	RowScanState *state = (RowScanState *) node;
	CustomScan *cscan = (CustomScan *) node->ss.ps.plan;

	verify_function(state);
	check_execute_privilege(state->private.funcid);
	map_columns(state);

	/*
	 * Without a parent, unless a subplan needs one: the arguments are evaluated
	 * once, and the JIT compiler would take 20 MB to prepare for it.
	 */
	state->args = ExecInitExprList(cscan->custom_exprs,
								   contain_subplans((Node *) cscan->custom_exprs) ? &node->ss.ps : NULL);
	state->source_context = AllocSetContextCreate(estate->es_query_cxt, "hospital row source",
												  ALLOCSET_DEFAULT_SIZES);
	state->values = palloc0(state->methods->ncolumns * sizeof(Datum));
	state->isnull = palloc0(state->methods->ncolumns * sizeof(bool));
	state->scratch = palloc(ROW_SCRATCH);
	state->current = -1;
}

/* Evaluate the arguments and open the source. */
static void
open_source(RowScanState *state)
{
	ExprContext *econtext = state->css.ss.ps.ps_ExprContext;
	MemoryContext old = MemoryContextSwitchTo(state->source_context);
	NullableDatum args[FUNC_MAX_ARGS];
	Bitmapset  *wanted = NULL;
	ListCell   *lc;
	int			n = 0;

	state->empty = false;
	foreach(lc, state->args)
	{
		args[n].value = ExecEvalExpr((ExprState *) lfirst(lc), econtext, &args[n].isnull);
		state->empty |= args[n].isnull;
		n++;
	}
	if (!state->empty)
	{
		for (int i = 0; i < state->nslots; i++)
			if (state->slot_column[i] < 0)
				wanted = bms_add_range(wanted, 0, state->methods->ncolumns - 1);
			else
				wanted = bms_add_member(wanted, state->slot_column[i]);
		/* NULL means all columns; a member that is none means none. */
		if (wanted == NULL)
			wanted = bms_make_singleton(state->methods->ncolumns);
		state->source = state->methods->open(args, n, wanted);
	}
	MemoryContextSwitchTo(old);
}

static void
close_source(RowScanState *state)
{
	state->source = NULL;
	state->empty = false;
	state->current = -1;
	state->chunk_end = 0;
	MemoryContextReset(state->source_context);
}

/* The slot's columns from values[]; a whole-row column becomes a tuple. */
static void
fill_slot(RowScanState *state, TupleTableSlot *slot)
{
	for (int i = 0; i < state->nslots; i++)
	{
		int			column = state->slot_column[i];

		if (column >= 0)
		{
			slot->tts_values[i] = state->values[column];
			slot->tts_isnull[i] = state->isnull[column];
		}
		else
		{
			/* lives until the next row: the per-tuple context is reset then */
			MemoryContext old = MemoryContextSwitchTo(state->css.ss.ps.ps_ExprContext->ecxt_per_tuple_memory);
			HeapTuple	tuple = heap_form_tuple(state->rowdesc, state->values, state->isnull);

			slot->tts_values[i] = HeapTupleGetDatum(tuple);
			slot->tts_isnull[i] = false;
			MemoryContextSwitchTo(old);
		}
	}
}

/* The number of the row to give now, or -1. */
static int64
advance(RowScanState *state)
{
	int64		nrows = state->source->nrows;

	if (state->shared)
	{
		if (++state->current >= state->chunk_end)
		{
			state->current = (int64) pg_atomic_fetch_add_u64(&state->shared->next, PARALLEL_CHUNK);
			state->chunk_end = Min(state->current + PARALLEL_CHUNK, nrows);
		}
		if (state->current < state->chunk_end)
			return state->current;
		state->current = state->chunk_end - 1;	/* stay at the end */
		return -1;
	}
	if (ScanDirectionIsForward(state->css.ss.ps.state->es_direction))
	{
		if (nrows < 0 || state->current < nrows)
			state->current++;
		return nrows < 0 || state->current < nrows ? state->current : -1;
	}
	if (state->current >= 0)
		state->current--;
	return state->current;
}

static TupleTableSlot *
next_row(ScanState *node)
{
	RowScanState *state = (RowScanState *) node;
	TupleTableSlot *slot = node->ss_ScanTupleSlot;
	int64		row;

	ExecClearTuple(slot);
	if (state->source == NULL)
	{
		if (!state->empty)
			open_source(state);
		if (state->empty)
			return slot;
	}
	row = advance(state);
	if (row < 0)
		return slot;
	if (state->whole_rows)
	{
		if (!state->methods->fetch(state->source, row, slot->tts_values, slot->tts_isnull,
								   state->scratch))
			return slot;
	}
	else
	{
		if (!state->methods->fetch(state->source, row, state->values, state->isnull, state->scratch))
			return slot;
		fill_slot(state, slot);
	}
	return ExecStoreVirtualTuple(slot);
}

/*
 * Under EvalPlanQual a scan gives the row that is being checked again: the row
 * mark's, kept as a whole row because a function's rows cannot be fetched
 * again by address.  A scan that has no row mark (a branch of UNION ALL) is run
 * anew, as the executor does.
 */
static bool
recheck_row(ScanState *node, TupleTableSlot *slot)
{
	RowScanState *state = (RowScanState *) node;
	EState	   *estate = node->ps.state;
	EPQState   *epq = estate->es_epq_active;
	int			rti = bms_singleton_member(((CustomScan *) node->ps.plan)->custom_relids);
	int			i = rti - 1;

	ExecClearTuple(slot);
	if (epq->relsubs_done[i])
		return false;
	if (epq->relsubs_rowmark[i] == NULL)
		return !TupIsNull(next_row(node));
	epq->relsubs_done[i] = true;
	if (state->mark_slot == NULL)
		state->mark_slot = ExecInitExtraTupleSlot(estate, state->rowdesc, &TTSOpsVirtual);
	if (!EvalPlanQualFetchRowMark(epq, rti, state->mark_slot) ||
		TupIsNull(state->mark_slot))
		return false;
	slot_getallattrs(state->mark_slot);
	memcpy(state->values, state->mark_slot->tts_values, state->methods->ncolumns * sizeof(Datum));
	memcpy(state->isnull, state->mark_slot->tts_isnull, state->methods->ncolumns * sizeof(bool));
	fill_slot(state, slot);
	ExecStoreVirtualTuple(slot);
	return true;
}

/* At the first row of an INSERT: write them all, if that may be. */
static bool
written_directly(RowScanState *state)
{
	Relation	target;

	if (state->source != NULL || state->empty || !state->whole_rows)
		return false;
	target = direct_target(&state->css.ss, state->methods);
	if (target == NULL)
		return false;
	open_source(state);
	if (!state->empty)
	{
		write_directly(&state->css.ss, target, state->source);
		state->current = state->source->nrows;
	}
	return true;
}

static TupleTableSlot *
exec_scan(CustomScanState *node)
{
	if (written_directly((RowScanState *) node))
		return NULL;
	return ExecScan(&node->ss, next_row, recheck_row);
}

static void
end_scan(CustomScanState *node)
{
	close_source((RowScanState *) node);
}

static void
rescan_scan(CustomScanState *node)
{
	RowScanState *state = (RowScanState *) node;

	ExecScanReScan(&node->ss);
	/* As a function in FROM: new parameters, new arguments; else the same rows. */
	if (node->ss.ps.chgParam != NULL || (state->source && state->source->nrows < 0))
		close_source(state);
	state->current = -1;
	state->chunk_end = 0;
}

/* ---- parallel ---- */

static Size
estimate_dsm(CustomScanState *node, ParallelContext *pcxt)
{
	return sizeof(SharedScan);
}

static void
initialize_dsm(CustomScanState *node, ParallelContext *pcxt, void *coordinate)
{
	RowScanState *state = (RowScanState *) node;

	state->shared = coordinate;
	pg_atomic_init_u64(&state->shared->next, 0);
}

static void
reinitialize_dsm(CustomScanState *node, ParallelContext *pcxt, void *coordinate)
{
	pg_atomic_write_u64(&((SharedScan *) coordinate)->next, 0);
}

static void
initialize_worker(CustomScanState *node, shm_toc *toc, void *coordinate)
{
	((RowScanState *) node)->shared = coordinate;
}

/* ---- EXPLAIN ---- */

static void
explain_scan(CustomScanState *node, List *ancestors, ExplainState *es)
{
	RowScanState *state = (RowScanState *) node;

	ExplainPropertyText("Rows From", get_func_name(state->private.funcid), es);
}

void
rowsource_scan_init(void)
{
	RegisterCustomScanMethods(&scan_methods);
	previous_hook = set_rel_pathlist_hook;
	set_rel_pathlist_hook = offer_paths;
}
