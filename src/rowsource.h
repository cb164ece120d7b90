/*
 * rowsource.h: the one interface through which rows are made.
 *
 * A generator, a file and a topic are all the same thing to the rest of the
 * extension: something that is opened with arguments and then gives rows, into
 * the arrays of a tuple slot, until there are none; what it holds goes with the
 * memory context it was opened in.  rowsource_srf.c turns one
 * into a set-returning function, rowsource_scan.c into a CustomScan that
 * streams it in FROM, bulk.c writes it into a heap.
 */
#ifndef HOSPITAL_ROWSOURCE_H
#define HOSPITAL_ROWSOURCE_H

#include "postgres.h"
#include "access/tupdesc.h"
#include "fmgr.h"
#include "nodes/bitmapset.h"
#include "nodes/pg_list.h"

typedef struct RowSource RowSource;

/*
 * A column's type.  Base types are matched exactly; ROW_NATIONAL_ID also
 * accepts text and any domain over it (the bytes are the same).
 */
typedef struct RowColumn
{
	const char *name;
	Oid			type;
	int32		typmod;			/* that values keep to already; 0: none */
} RowColumn;

typedef struct RowSourceMethods
{
	const char *label;			/* for messages: "People" */
	int			nargs;			/* of the SQL function, and their types */
	const Oid  *args;
	int			ncolumns;
	const RowColumn *columns;

	/*
	 * Check the arguments (ereport with errcode, detail and hint), and make
	 * the source in CurrentMemoryContext.  "wanted" has the columns, from 0,
	 * that will be read; NULL is all.  Everything the source allocates lives
	 * in the context that was current here.
	 */
	RowSource  *(*open) (const NullableDatum *args, int nargs, const Bitmapset *wanted);

	/*
	 * Rows expected, from what is known of the arguments when a query is
	 * planned (an argument that is not a constant yet has isnull set).
	 */
	double		(*estimate) (const NullableDatum *args, int nargs);

	/*
	 * Fill values[] and isnull[] of the wanted columns with row number "row"
	 * (0 .. nrows-1).  Pass-by-reference values may point into "scratch"
	 * (ROW_SCRATCH bytes, the caller's, aligned) or to anything that lives as
	 * long as the source.  No palloc.  A source without random access
	 * (nrows < 0) is instead asked for successive rows with "row" counting
	 * up, and returns false at its end.
	 */
	bool		(*fetch) (RowSource *source, int64 row, Datum *values, bool *isnull, char *scratch);
	bool		random_access;	/* fetch() takes rows in any order */

	/* What a row costs, in units of cpu_operator_cost. */
	double		row_cost;
	double		startup_cost;
} RowSourceMethods;

#define ROW_SCRATCH 4096

struct RowSource
{
	const RowSourceMethods *methods;
	int64		nrows;			/* -1: not known, and only in order */
};

/*
 * Every SQL-callable source is "PG_FUNCTION_INFO_V1(f)" plus an entry in the
 * table of rowsource.c, found by the function's C address.
 */
typedef struct RowSourceEntry
{
	PGFunction	function;
	const RowSourceMethods *methods;
} RowSourceEntry;

/* NULL when it is none of ours, or takes other arguments than ours does. */
extern const RowSourceMethods *rowsource_by_function(Oid funcid);

/* Does a function take the arguments that the source reads? */
extern bool rowsource_args_match(const RowSourceMethods *methods, Oid funcid);

/* The whole body of such a function: value per call. */
extern Datum rowsource_srf(FunctionCallInfo fcinfo, const RowSourceMethods *methods);

/* ereport unless the tuple descriptor is what the source makes. */
extern void rowsource_check_tupdesc(const RowSourceMethods *methods, TupleDesc tupdesc);
extern bool rowsource_tupdesc_matches(const RowSourceMethods *methods, TupleDesc tupdesc);

/* rowsource_scan.c */
extern void rowsource_scan_init(void);

/* The sources. */
extern const RowSourceMethods people_source;
extern const RowSourceMethods staff_source;
extern const RowSourceMethods staff_assignments_source;
extern const RowSourceMethods events_source;

#endif							/* HOSPITAL_ROWSOURCE_H */
