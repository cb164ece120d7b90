/*
 * rowsource.c: which SQL functions are row sources, and their planner support.
 *
 * A source is recognised by its support function and then by the C address of
 * the function itself: a user's function of the same name is not ours, and a
 * user's function made from our symbol is, as long as its row type fits.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "nodes/supportnodes.h"
#include "optimizer/clauses.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "event_hl7_sql.h"
#include "record_source.h"
#include "rowsource.h"
#include "wards.h"

PG_FUNCTION_INFO_V1(hospital_rowsource_support);

#define SOURCE(function, methods) {function, &(methods)}

extern Datum hospital_generate_people(PG_FUNCTION_ARGS);
extern Datum hospital_generate_staff(PG_FUNCTION_ARGS);
extern Datum hospital_generate_staff_assignments(PG_FUNCTION_ARGS);
extern Datum hospital_generate_wards(PG_FUNCTION_ARGS);
extern Datum hospital_generate_departments(PG_FUNCTION_ARGS);
extern Datum hospital_generate_hl7(PG_FUNCTION_ARGS);

#define RECORD_KIND(name) extern Datum hospital_generate_##name(PG_FUNCTION_ARGS);
#include "record_kinds.h"
#undef RECORD_KIND

static const RowSourceEntry sources[] = {
	SOURCE(hospital_generate_people, people_source),
	SOURCE(hospital_generate_staff, staff_source),
	SOURCE(hospital_generate_staff_assignments, staff_assignments_source),
	SOURCE(hospital_generate_wards, wards_source),
	SOURCE(hospital_generate_departments, departments_source),
	SOURCE(hospital_generate_hl7, hl7_source),
#define RECORD_KIND(name) SOURCE(hospital_generate_##name, record_sources[KIND_OF_##name]),
#include "record_kinds.h"
#undef RECORD_KIND
};

const RowSourceMethods *
rowsource_by_function(Oid funcid)
{
	RegProcedure support = get_func_support(funcid);
	FmgrInfo	finfo;

	if (!OidIsValid(support))
		return NULL;
	fmgr_info(support, &finfo);
	if (finfo.fn_addr != hospital_rowsource_support)
		return NULL;
	/* A function with SET clauses or SECURITY DEFINER has another address. */
	fmgr_info(funcid, &finfo);
	for (int i = 0; i < (int) lengthof(sources); i++)
		if (sources[i].function == finfo.fn_addr)
			return rowsource_args_match(sources[i].methods, funcid) ? sources[i].methods : NULL;
	return NULL;
}

bool
rowsource_args_match(const RowSourceMethods *methods, Oid funcid)
{
	Oid		   *types;
	int			nargs;

	(void) get_func_signature(funcid, &types, &nargs);
	return nargs == methods->nargs && memcmp(types, methods->args, nargs * sizeof(Oid)) == 0;
}

/* ---- row types ---- */

/* The domain over text whose values our identity numbers are. */
static bool
is_national_id_domain(Oid type)
{
	Oid			schema = get_namespace_oid("hospital", true);

	return OidIsValid(schema) &&
		type == GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
								CStringGetDatum("national_id"), ObjectIdGetDatum(schema));
}

bool
rowsource_tupdesc_matches(const RowSourceMethods *methods, TupleDesc tupdesc)
{
	if (tupdesc->natts != methods->ncolumns)
		return false;
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, i);

		if (att->attisdropped ||
			(att->atttypmod != -1 && att->atttypmod != methods->columns[i].typmod))
			return false;
		if (att->atttypid == methods->columns[i].type)
			continue;
		if (strcmp(methods->columns[i].name, "national_id") != 0 ||
			!is_national_id_domain(att->atttypid))
			return false;
	}
	return true;
}

void
rowsource_check_tupdesc(const RowSourceMethods *methods, TupleDesc tupdesc)
{
	if (!rowsource_tupdesc_matches(methods, tupdesc))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the row type does not fit what hospital generates"),
				 errdetail("%s rows have %d columns, the first of them \"%s\"; the function's result type is another.",
						   methods->label, methods->ncolumns, methods->columns[0].name),
				 errhint("Where a type of schema hospital was altered, DROP and CREATE EXTENSION hospital makes it anew.")));
}

/* ---- planner support ---- */

/* The constant arguments of a call, as far as they are known now. */
static int
known_arguments(PlannerInfo *root, List *args, NullableDatum *out, bool *some_null)
{
	ListCell   *lc;
	int			n = 0;

	*some_null = false;
	foreach(lc, args)
	{
		Node	   *arg = estimate_expression_value(root, (Node *) lfirst(lc));

		if (n >= FUNC_MAX_ARGS)
			break;
		out[n].isnull = true;
		out[n].value = (Datum) 0;
		if (IsA(arg, Const))
		{
			if (((Const *) arg)->constisnull)
				*some_null = true;
			out[n].isnull = ((Const *) arg)->constisnull;
			out[n].value = ((Const *) arg)->constvalue;
		}
		n++;
	}
	return n;
}

static bool
support_rows(SupportRequestRows *request, const RowSourceMethods *methods)
{
	NullableDatum args[FUNC_MAX_ARGS];
	bool		some_null;
	double		rows;
	int			nargs;

	if (!IsA(request->node, FuncExpr))
		return false;
	nargs = known_arguments(request->root, ((FuncExpr *) request->node)->args, args, &some_null);
	rows = some_null ? 0 : methods->estimate(args, nargs);
	if (rows < 0)
		return false;			/* the catalog's guess */
	request->rows = rows;
	return true;
}

static bool
support_cost(SupportRequestCost *request, const RowSourceMethods *methods)
{
	NullableDatum args[FUNC_MAX_ARGS];
	bool		some_null;
	double		rows = -1;

	if (request->node != NULL && IsA(request->node, FuncExpr))
	{
		int			nargs = known_arguments(request->root, ((FuncExpr *) request->node)->args,
											args, &some_null);

		rows = some_null ? 0 : methods->estimate(args, nargs);
	}
	if (rows < 0)
		rows = 1000;
	/* One call makes all rows, as the planner sees it. */
	request->startup = methods->startup_cost * cpu_operator_cost;
	request->per_tuple = rows * methods->row_cost * cpu_operator_cost;
	return true;
}

Datum
hospital_rowsource_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);
	const RowSourceMethods *methods;
	bool		done = false;

	if (IsA(request, SupportRequestRows))
	{
		methods = rowsource_by_function(((SupportRequestRows *) request)->funcid);
		done = methods != NULL && support_rows((SupportRequestRows *) request, methods);
	}
	else if (IsA(request, SupportRequestCost))
	{
		methods = rowsource_by_function(((SupportRequestCost *) request)->funcid);
		done = methods != NULL && support_cost((SupportRequestCost *) request, methods);
	}
	PG_RETURN_POINTER(done ? request : NULL);
}
