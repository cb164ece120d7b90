/*
 * roster_source.c: the roster as rows, day after day, in the memory of one day.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "roster.h"
#include "rowsource.h"

PG_FUNCTION_INFO_V1(hospital_generate_staff_assignments);

enum AssignmentColumn
{
	A_ASSIGNMENT_ID,
	A_STAFF_ID,
	A_WARD_CODE,
	A_SHIFT,
	A_STARTS_AT,
	A_ENDS_AT,
	A_COLUMNS
};

static const RowColumn assignment_columns[A_COLUMNS] = {
	[A_ASSIGNMENT_ID] = {"assignment_id", INT8OID},
	[A_STAFF_ID] = {"staff_id", INT8OID},
	[A_WARD_CODE] = {"ward_code", TEXTOID},
	[A_SHIFT] = {"shift", TEXTOID},
	[A_STARTS_AT] = {"starts_at", TIMESTAMPTZOID},
	[A_ENDS_AT] = {"ends_at", TIMESTAMPTZOID},
};

typedef struct AssignmentSource
{
	RowSource	base;
	Roster	   *roster;
	DateADT		day;			/* of rows */
	DateADT		until;
	const RosterRow *rows;
	int			row_count;
	int			next;			/* row of the day */
	Datum	   *ward_texts;
	Datum		shift_texts[SHIFT_COUNT];
	Datum		starts[SHIFT_COUNT];	/* on the day */
	Datum		ends[SHIFT_COUNT];
} AssignmentSource;

static void
load_day(AssignmentSource *source, DateADT day)
{
	source->day = day;
	source->row_count = roster_day(source->roster, day, &source->rows);
	source->next = 0;
	for (int shift = 0; shift < SHIFT_COUNT; shift++)
	{
		source->starts[shift] = TimestampTzGetDatum(shift_starts(source->roster, day, shift));
		source->ends[shift] = TimestampTzGetDatum(shift_ends(source->roster, day, shift));
	}
}

static RowSource *
assignments_open(const NullableDatum *args, int nargs, const Bitmapset *wanted)
{
	DateADT		from = DatumGetDateADT(args[0].value);
	DateADT		until = DatumGetDateADT(args[1].value);
	DateADT		start_date = DatumGetDateADT(args[4].value);
	DateADT		end_date = DatumGetDateADT(args[5].value);
	AssignmentSource *source = palloc0(sizeof(AssignmentSource));
	const WardList *wards;

	check_history(start_date, end_date);
	if (until < from)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the last day of the roster is before the first"),
				 errhint("Give the earlier date first.")));
	if (from < start_date || until > end_date)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the roster has no such days"),
				 errdetail("The days asked for are not all between the hospital's first and last day."),
				 errhint("Choose days from start_date to end_date.")));

	/* nothing of a day depends on what comes after it */
	source->roster = roster_open(DatumGetInt32(args[2].value),
								 (uint64) DatumGetInt64(args[3].value), start_date, until);
	source->until = until;
	wards = roster_wards(source->roster);
	source->ward_texts = palloc(wards->count * sizeof(Datum));
	for (int i = 0; i < wards->count; i++)
		source->ward_texts[i] = CStringGetTextDatum(wards->wards[i].plan->code);
	for (int i = 0; i < SHIFT_COUNT; i++)
		source->shift_texts[i] = CStringGetTextDatum(shift_name(i));
	source->base.methods = &staff_assignments_source;
	source->base.nrows = -1;
	load_day(source, from);
	return &source->base;
}

static bool
assignments_fetch(RowSource *base, int64 row, Datum *values, bool *isnull, char *scratch)
{
	AssignmentSource *source = (AssignmentSource *) base;
	const RosterRow *r;

	while (source->next >= source->row_count)
	{
		if (source->day >= source->until)
			return false;
		load_day(source, source->day + 1);
	}
	r = &source->rows[source->next++];
	memset(isnull, 0, A_COLUMNS * sizeof(bool));
	values[A_ASSIGNMENT_ID] = Int64GetDatum((int64) source->day * DAY_ID_STEP + source->next);
	values[A_STAFF_ID] = Int64GetDatum((int64) r->staff + 1);
	isnull[A_WARD_CODE] = r->ward < 0;
	values[A_WARD_CODE] = r->ward < 0 ? (Datum) 0 : source->ward_texts[r->ward];
	values[A_SHIFT] = source->shift_texts[r->shift];
	values[A_STARTS_AT] = source->starts[r->shift];
	values[A_ENDS_AT] = source->ends[r->shift];
	return true;
}

/* Somewhat less than half of the staff begin a shift on a day. */
static double
assignments_estimate(const NullableDatum *args, int nargs)
{
	double		beds = args[2].isnull ? 1100 : DatumGetInt32(args[2].value);
	double		days = 1;

	if (!args[0].isnull && !args[1].isnull)
		days = (double) DatumGetDateADT(args[1].value) - DatumGetDateADT(args[0].value) + 1;
	return Max(1.0, beds * 2.1 * days);
}

static const Oid staff_assignments_args[] = {DATEOID, DATEOID, INT4OID, INT8OID, DATEOID, DATEOID};

const RowSourceMethods staff_assignments_source = {
	.label = "Staff Assignments",
	.nargs = lengthof(staff_assignments_args),
	.args = staff_assignments_args,
	.ncolumns = A_COLUMNS,
	.columns = assignment_columns,
	.open = assignments_open,
	.estimate = assignments_estimate,
	.fetch = assignments_fetch,
	.row_cost = 20,
	.startup_cost = 200000,
};

Datum
hospital_generate_staff_assignments(PG_FUNCTION_ARGS)
{
	return rowsource_srf(fcinfo, &staff_assignments_source);
}
