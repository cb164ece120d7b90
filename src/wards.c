/*
 * wards.c: the wards and departments of a hospital of a given size.
 *
 * The plan (data/ward_plan.csv) is for 1,100 beds.  Another number of beds is
 * shared out over the same wards by largest remainder.  In a small hospital
 * some wards would have a bed or two; those are closed, the smallest first,
 * and their beds go to a ward that takes the same patients: of the same kind
 * and department if there is one, else of the department, else of the same
 * group of departments, else any.  The department remains, without beds of its
 * own, and its staff work where its patients lie (of_plan).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "fixed.h"
#include "reference.h"
#include "rowsource.h"
#include "wards.h"

PG_FUNCTION_INFO_V1(hospital_generate_wards);
PG_FUNCTION_INFO_V1(hospital_generate_departments);

#define CHILD_YEARS 13
#define NEONATE_DAYS 28

void
check_beds(int64 beds)
{
	if (beds >= BEDS_MIN && beds <= BEDS_MAX)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("a hospital of %lld beds cannot be made", (long long) beds),
			 errdetail("The number of beds must be between %d and %d.", BEDS_MIN, BEDS_MAX),
			 beds < BEDS_MIN ?
			 errhint("With fewer beds its departments would have to be merged; ask for a larger hospital.") :
			 errhint("Make several hospitals, each with a seed of its own.")));
}

static const char *
department_group(const char *department)
{
	const ReferenceTable *table = reference_named("department_plan");
	int			row = reference_row(table, "department_code", department);

	return row < 0 ? "" : reference_cell(table, row, "dept_group");
}

/* Does "to" take everybody whom "from" takes? */
static bool
takes_the_same(const Ward *from, const Ward *to)
{
	return (strcmp(to->sex, "X") == 0 || strcmp(to->sex, from->sex) == 0) &&
		(strcmp(to->age_group, "all") == 0 || strcmp(to->age_group, from->age_group) == 0);
}

/* How well the patients of "from" are placed in "to"; 0: they are not. */
static int
merge_merit(const Ward *from, const Ward *to)
{
	bool		same_type = strcmp(from->type, to->type) == 0;

	if (from == to || !takes_the_same(from, to))
		return 0;
	if (strcmp(from->department, to->department) == 0)
		return same_type ? 5 : 4;
	if (strcmp(department_group(from->department), department_group(to->department)) == 0)
		return same_type ? 3 : 2;
	return 1;
}

/* Close the smallest ward that is too small; false when there is none. */
static bool
merge_smallest(int *beds, int *merged_into)
{
	int			smallest = -1;
	int			best = -1;
	int			best_merit = 0;

	for (int i = 0; i < ward_plan_count; i++)
	{
		bool		candidate = merged_into[i] < 0 && beds[i] < WARD_BEDS_MIN;

		if (candidate && (smallest < 0 || beds[i] < beds[smallest]))
			smallest = i;
	}
	if (smallest < 0)
		return false;
	for (int i = 0; i < ward_plan_count; i++)
	{
		int			merit = merged_into[i] >= 0 ? 0 :
			merge_merit(&ward_plan[smallest], &ward_plan[i]);

		if (merit > best_merit ||
			(merit > 0 && merit == best_merit && beds[i] > beds[best]))
		{
			best = i;
			best_merit = merit;
		}
	}
	if (best < 0)
	{
		int			largest = 0;

		/* nobody else takes these patients: the largest ward gives it beds */
		for (int i = 1; i < ward_plan_count; i++)
			if (beds[i] > beds[largest] && merged_into[i] < 0)
				largest = i;
		beds[largest] -= WARD_BEDS_MIN - beds[smallest];
		beds[smallest] = WARD_BEDS_MIN;
		return true;
	}
	merged_into[smallest] = best;
	beds[best] += beds[smallest];
	return true;
}

/* Nurses of a shift: target occupancy over the ward's ratio, rounded up. */
static int
nurses_needed(const Ward *plan, int beds, int ratio10)
{
	const ReferenceTable *table = reference_named("department_plan");
	int			row = reference_row(table, "department_code", plan->department);
	int			occupancy = row < 0 ? 1000 :
		(int) reference_scaled(reference_cell(table, row, "target_occupancy"), 3);

	return Max(1, (beds * occupancy + ratio10 * 100 - 1) / (ratio10 * 100));
}

WardList *
wards_build(int beds)
{
	WardList   *list = palloc0(sizeof(WardList));
	int		   *weights = palloc(ward_plan_count * sizeof(int));
	int		   *scaled = palloc(ward_plan_count * sizeof(int));
	int		   *merged_into = palloc(ward_plan_count * sizeof(int));

	for (int i = 0; i < ward_plan_count; i++)
	{
		weights[i] = ward_plan[i].beds;
		merged_into[i] = -1;
	}
	apportion(ward_plan_count, weights, beds, scaled);
	while (merge_smallest(scaled, merged_into))
		;

	list->wards = palloc0(ward_plan_count * sizeof(HospitalWard));
	list->of_plan = palloc(ward_plan_count * sizeof(int));
	for (int i = 0; i < ward_plan_count; i++)
	{
		HospitalWard *ward = &list->wards[list->count];

		if (merged_into[i] >= 0)
			continue;
		ward->plan = &ward_plan[i];
		ward->beds = scaled[i];
		ward->nurses_day = nurses_needed(ward->plan, ward->beds,
										 ward->plan->patients_per_nurse_day10);
		ward->nurses_night = nurses_needed(ward->plan, ward->beds,
										   ward->plan->patients_per_nurse_night10);
		list->of_plan[i] = list->count++;
	}
	for (int i = 0; i < ward_plan_count; i++)
	{
		int			target = i;

		while (merged_into[target] >= 0)
			target = merged_into[target];
		list->of_plan[i] = list->of_plan[target];
	}
	pfree(weights);
	pfree(scaled);
	pfree(merged_into);
	return list;
}

/* Wards that need nurses trained for them. */
static bool
is_special(const Ward *ward)
{
	return strcmp(ward->type, "icu") == 0 || strcmp(ward->type, "labour") == 0 ||
		strcmp(ward->age_group, "neonate") == 0;
}

static bool
is_word(const char *word, const char *text, size_t length)
{
	return strlen(word) == length && strncmp(word, text, length) == 0;
}

/*
 * Scopes, as data/README.md has them: none; all (every ward); any (every ward
 * but those for intensive care, labour and newborns); type:T; dept:D, where D
 * is "own" for the post's department; several, separated by semicolons.
 */
static bool
plan_in_scope(const Ward *ward, const char *scope, const char *department)
{
	while (*scope != '\0')
	{
		size_t		length = strcspn(scope, ";");
		const char *wanted = scope + 5;
		bool		by_type = length > 5 && strncmp(scope, "type:", 5) == 0;
		bool		by_department = length > 5 && strncmp(scope, "dept:", 5) == 0;

		if (is_word("all", scope, length) || (is_word("any", scope, length) && !is_special(ward)))
			return true;
		if (by_type && is_word(ward->type, wanted, length - 5))
			return true;
		if (by_department && is_word("own", wanted, length - 5))
		{
			if (department != NULL && strcmp(ward->department, department) == 0)
				return true;
		}
		else if (by_department && is_word(ward->department, wanted, length - 5))
			return true;
		scope += length;
		scope += strspn(scope, ";");
	}
	return false;
}

/* A ward that was merged counts for the ward that has its patients now. */
bool
ward_in_scope(const WardList *list, int ward, const char *scope, const char *department)
{
	if (scope == NULL)
		return false;
	for (int i = 0; i < ward_plan_count; i++)
		if (list->of_plan[i] == ward && plan_in_scope(&ward_plan[i], scope, department))
			return true;
	return false;
}

bool
ward_takes(const Ward *ward, bool female, int age_years, int age_days)
{
	const char *group = ward->age_group;

	if (ward->sex[0] != 'X' && (ward->sex[0] == 'F') != female)
		return false;
	if (strcmp(group, "all") == 0)
		return true;
	if (strcmp(group, "neonate") == 0)
		return age_days < NEONATE_DAYS;
	if (strcmp(group, "child") == 0)
		return age_days >= NEONATE_DAYS && age_years < CHILD_YEARS;
	return age_years >= CHILD_YEARS;
}

/* ---- as rows ---- */

enum WardColumn
{
	W_WARD_CODE,
	W_DEPARTMENT_CODE,
	W_NAME,
	W_BEDS,
	W_SEX,
	W_AGE_GROUP,
	W_WARD_TYPE,
	W_COLUMNS
};

static const RowColumn ward_columns[W_COLUMNS] = {
	[W_WARD_CODE] = {"ward_code", TEXTOID},
	[W_DEPARTMENT_CODE] = {"department_code", TEXTOID},
	[W_NAME] = {"name", TEXTOID},
	[W_BEDS] = {"beds", INT4OID},
	[W_SEX] = {"sex", TEXTOID},
	[W_AGE_GROUP] = {"age_group", TEXTOID},
	[W_WARD_TYPE] = {"ward_type", TEXTOID},
};

enum DepartmentColumn
{
	D_DEPARTMENT_CODE,
	D_NAME,
	D_DEPARTMENT_GROUP,
	D_LEVEL_OF_CARE,
	D_WARDS,
	D_BEDS,
	D_COLUMNS
};

static const RowColumn department_columns[D_COLUMNS] = {
	[D_DEPARTMENT_CODE] = {"department_code", TEXTOID},
	[D_NAME] = {"name", TEXTOID},
	[D_DEPARTMENT_GROUP] = {"department_group", TEXTOID},
	[D_LEVEL_OF_CARE] = {"level_of_care", INT4OID},
	[D_WARDS] = {"wards", INT4OID},
	[D_BEDS] = {"beds", INT4OID},
};

/* Few rows: they are made whole when the source is opened. */
typedef struct FixedSource
{
	RowSource	base;
	int			ncolumns;
	Datum	   *values;			/* [row][column] */
} FixedSource;

static FixedSource *
fixed_source(const RowSourceMethods *methods, int nrows)
{
	FixedSource *source = palloc0(sizeof(FixedSource));

	source->base.methods = methods;
	source->base.nrows = nrows;
	source->ncolumns = methods->ncolumns;
	source->values = palloc0(Max(nrows, 1) * methods->ncolumns * sizeof(Datum));
	return source;
}

static RowSource *
wards_open(const NullableDatum *args, int nargs, const Bitmapset *wanted)
{
	WardList   *list;
	FixedSource *source;

	check_beds(DatumGetInt32(args[0].value));
	list = wards_build(DatumGetInt32(args[0].value));
	source = fixed_source(&wards_source, list->count);
	for (int i = 0; i < list->count; i++)
	{
		const HospitalWard *ward = &list->wards[i];
		Datum	   *row = source->values + i * W_COLUMNS;

		row[W_WARD_CODE] = CStringGetTextDatum(ward->plan->code);
		row[W_DEPARTMENT_CODE] = CStringGetTextDatum(ward->plan->department);
		row[W_NAME] = CStringGetTextDatum(ward->plan->name);
		row[W_BEDS] = Int32GetDatum(ward->beds);
		row[W_SEX] = CStringGetTextDatum(ward->plan->sex);
		row[W_AGE_GROUP] = CStringGetTextDatum(ward->plan->age_group);
		row[W_WARD_TYPE] = CStringGetTextDatum(ward->plan->type);
	}
	return &source->base;
}

static RowSource *
departments_open(const NullableDatum *args, int nargs, const Bitmapset *wanted)
{
	const ReferenceTable *table = reference_named("department_plan");
	WardList   *list;
	FixedSource *source;

	check_beds(DatumGetInt32(args[0].value));
	list = wards_build(DatumGetInt32(args[0].value));
	source = fixed_source(&departments_source, table->nrows);
	for (int i = 0; i < table->nrows; i++)
	{
		const char *code = reference_cell(table, i, "department_code");
		Datum	   *row = source->values + i * D_COLUMNS;
		int			wards = 0;
		int			beds = 0;

		for (int w = 0; w < list->count; w++)
			if (strcmp(list->wards[w].plan->department, code) == 0)
			{
				wards++;
				beds += list->wards[w].beds;
			}
		row[D_DEPARTMENT_CODE] = CStringGetTextDatum(code);
		row[D_NAME] = CStringGetTextDatum(reference_cell(table, i, "name"));
		row[D_DEPARTMENT_GROUP] = CStringGetTextDatum(reference_cell(table, i, "dept_group"));
		row[D_LEVEL_OF_CARE] =
			Int32GetDatum((int32) reference_scaled(reference_cell(table, i, "level_of_care"), 0));
		row[D_WARDS] = Int32GetDatum(wards);
		row[D_BEDS] = Int32GetDatum(beds);
	}
	return &source->base;
}

static bool
fixed_fetch(RowSource *base, int64 row, Datum *values, bool *isnull, char *scratch)
{
	FixedSource *source = (FixedSource *) base;

	if (row >= base->nrows)
		return false;
	memcpy(values, source->values + row * source->ncolumns, source->ncolumns * sizeof(Datum));
	memset(isnull, 0, source->ncolumns * sizeof(bool));
	return true;
}

static double
wards_estimate(const NullableDatum *args, int nargs)
{
	return ward_plan_count;
}

static double
departments_estimate(const NullableDatum *args, int nargs)
{
	return reference_named("department_plan")->nrows;
}

static const Oid beds_args[] = {INT4OID};

const RowSourceMethods wards_source = {
	.label = "Wards",
	.nargs = lengthof(beds_args),
	.args = beds_args,
	.ncolumns = W_COLUMNS,
	.columns = ward_columns,
	.open = wards_open,
	.estimate = wards_estimate,
	.fetch = fixed_fetch,
	.random_access = true,
	.row_cost = 1,
	.startup_cost = 1000,
};

const RowSourceMethods departments_source = {
	.label = "Departments",
	.nargs = lengthof(beds_args),
	.args = beds_args,
	.ncolumns = D_COLUMNS,
	.columns = department_columns,
	.open = departments_open,
	.estimate = departments_estimate,
	.fetch = fixed_fetch,
	.random_access = true,
	.row_cost = 1,
	.startup_cost = 1000,
};

Datum
hospital_generate_wards(PG_FUNCTION_ARGS)
{
	return rowsource_srf(fcinfo, &wards_source);
}

Datum
hospital_generate_departments(PG_FUNCTION_ARGS)
{
	return rowsource_srf(fcinfo, &departments_source);
}
