/*
 * day.c: the admissions of a hospital day.
 *
 * Every admission of a hospital has a running number, counted from its first
 * day; the number of each day's admissions is a function of the day, so the
 * running number at a day's begin is a sum.  The patient is a permutation of
 * the population at that number: nobody is admitted a second time before
 * everybody else was, and a stay is never longer than that takes, so nobody is
 * an inpatient twice at once.  Where a small population comes round again,
 * those who died the first time are passed over (their admission ids are not
 * used), and nobody dies later.
 *
 * Department by its annual admissions among those that have a ward for the
 * patient's sex and age; length of stay and mortality are the department's.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "day.h"
#include "roster.h"
#include "workforce.h"

PG_FUNCTION_INFO_V1(hospital_generate_admissions);

#define ADMISSIONS_A_YEAR 58736 /* of 1,100 beds: targets.csv */
#define BEDS_OF_PLAN 1100
#define PEOPLE_PER_ADMISSION 4	/* at the most a quarter of the people a day */
#define SPREAD_MAX 6			/* standard deviations that a day can differ by */
#define STAY_DAYS_MAX 90
#define STAY_MINIMUM (5 * USECS_PER_HOUR)
#define STAY_QUANTILES 64
#define ABSCONDED UINT32_C(51539608)	/* 0.012 of 2^32: targets.csv */
#define CHILDBEARING_FIRST 15
#define CHILDBEARING_LAST 49

/*
 * Quantiles of a log-normal distribution with mean 1000 and sigma 0.8, from
 * 0.002 to 0.998 by sixty-fourths.
 */
static const int16 stay_quantile[STAY_QUANTILES + 1] = {
	72, 129, 163, 190, 212, 233, 252, 271, 289, 306, 323, 340, 356, 373, 389, 406, 422,
	439, 456, 473, 490, 507, 525, 543, 562, 580, 599, 619, 639, 659, 680, 702, 725,
	748, 771, 796, 822, 848, 876, 905, 935, 966, 1000, 1034, 1071, 1110, 1152, 1196, 1243,
	1294, 1348, 1408, 1473, 1545, 1625, 1716, 1819, 1938, 2080, 2252, 2472, 2769, 3215, 4059, 7245
};

/* Admissions by hour of the day, in thousandths: a morning and an evening rise. */
static const uint8 hour_weight[24] = {
	24, 20, 17, 15, 15, 17, 24, 36, 54, 66, 70, 66, 60, 56, 54, 52, 51, 52, 54, 52, 46, 39, 33, 27
};

typedef enum Outcome
{
	OUTCOME_DISCHARGED,
	OUTCOME_DIED,
	OUTCOME_ABSCONDED,
	OUTCOME_COUNT
} Outcome;

static const char *const outcome_names[OUTCOME_COUNT] = {"discharged", "died", "absconded"};

#define TRIAGE_MAX 8

typedef struct CalendarDepartment
{
	const char *code;
	int			admissions;		/* a year, at the plan's size */
	int			stay;			/* mean, thousandths of a day */
	uint32		mortality;		/* probability / 2^32 */
	bool		childbearing;	/* obstetrics */
} CalendarDepartment;

struct Calendar
{
	uint64		seed;
	int64		people;
	int			beds;
	DateADT		start_date;
	DateADT		last_day;
	PopulationSpec population;
	WardList   *wards;
	CalendarDepartment *departments;
	int			department_count;
	int64	   *first_number;	/* [day - start_date]: running number of its first admission */
	int			people_bits;
	uint64		people_key;
	TimestampTz stay_maximum;
	const char *triage_names[TRIAGE_MAX];
	uint32		triage_weights[TRIAGE_MAX];
	int			triage_count;
};

const WardList *
calendar_wards(const Calendar *calendar)
{
	return calendar->wards;
}

/* ---- arguments ---- */

void
check_day(DateADT day, int64 people, int64 beds, DateADT start_date)
{
	check_beds(beds);
	if (people < PEOPLE_MIN || people > PEOPLE_CAPACITY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a hospital cannot serve a city of %lld people", (long long) people),
				 errdetail("The number of people must be between %d and %lld.",
						   PEOPLE_MIN, (long long) PEOPLE_CAPACITY),
				 errhint("Give the number of people of the population that is treated.")));
	if (DATE_NOT_FINITE(day) || day < start_date)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the hospital has no such day"),
				 errdetail("The day is before the hospital's first day."),
				 errhint("Choose a day on or after start_date.")));
	check_history(start_date, day);
}

/* ---- how many ---- */

static uint32
integer_root(uint32 n)
{
	uint32		root = 0;

	for (uint32 bit = (uint32) 1 << 15; bit != 0; bit >>= 1)
		if ((uint64) (root | bit) * (root | bit) <= n)
			root |= bit;
	return root;
}

static int
admissions_expected(int beds)
{
	return (int) ((int64) ADMISSIONS_A_YEAR * beds / BEDS_OF_PLAN / 365);
}

/*
 * Admissions of a day: the mean, and a deviation like a Poisson's from the sum
 * of the twelve bytes of three random words (mean 1530, standard deviation
 * 256).
 */
static int
admissions_of_day(uint64 seed, int64 people, int beds, DateADT day)
{
	RandomBlock random = random_block(seed, RANDOM_DAY, (uint64) (uint32) day, 0);
	int			expected = admissions_expected(beds);
	int			deviation = -1530;
	int			count;

	for (int i = 0; i < 12; i++)
		deviation += (random.v[i / 4] >> (8 * (i % 4))) & 0xFF;
	count = expected + deviation * (int) integer_root((uint32) expected * 256) / (256 * 16);
	return (int) Min(Max(count, 1), people / PEOPLE_PER_ADMISSION);
}

/* ---- the calendar ---- */

static void
open_departments(Calendar *calendar)
{
	const ReferenceTable *table = reference_named("department_plan");

	calendar->departments = palloc0(table->nrows * sizeof(CalendarDepartment));
	for (int row = 0; row < table->nrows; row++)
	{
		CalendarDepartment *d = &calendar->departments[calendar->department_count++];
		const char *mortality = reference_cell(table, row, "mortality");

		d->code = reference_cell(table, row, "department_code");
		d->admissions = decimal_thousandths(reference_cell(table, row, "annual_admissions")) / 1000;
		d->stay = decimal_thousandths(reference_cell(table, row, "mean_los_days"));
		d->mortality = (uint32) (((uint64) decimal_thousandths(mortality) << 32) / 1000);
		d->childbearing = strcmp(d->code, "OBS") == 0;
	}
}

/* Colours of those who are admitted: arrivals by the chance of admission. */
static void
open_triage(Calendar *calendar)
{
	const ReferenceTable *table = reference_named("triage_sats");

	for (int row = 0; row < table->nrows && row < TRIAGE_MAX; row++)
	{
		calendar->triage_names[row] = reference_cell(table, row, "colour");
		calendar->triage_weights[row] =
			decimal_thousandths(reference_cell(table, row, "share_of_arrivals")) *
			decimal_thousandths(reference_cell(table, row, "admit_probability"));
		calendar->triage_count++;
	}
}

Calendar *
calendar_open(int64 seed, int64 people, int beds, DateADT start_date, DateADT last_day)
{
	Calendar   *calendar;
	int			days;
	int64		number = 0;
	int64		busiest;

	check_day(last_day, people, beds, start_date);
	calendar = palloc0(sizeof(Calendar));
	calendar->seed = (uint64) seed;
	calendar->people = people;
	calendar->beds = beds;
	calendar->start_date = start_date;
	calendar->last_day = last_day;
	calendar->population.seed = (uint64) seed;
	calendar->population.as_of = start_date;
	calendar->wards = wards_build(beds);
	open_departments(calendar);
	open_triage(calendar);

	while (((int64) 1 << calendar->people_bits) < people)
		calendar->people_bits++;
	calendar->people_key = mix64(mix64(calendar->seed) ^ RANDOM_ADMISSION);

	days = last_day - start_date + 1;
	calendar->first_number = palloc((days + 1) * sizeof(int64));
	for (int i = 0; i < days; i++)
	{
		calendar->first_number[i] = number;
		number += admissions_of_day(calendar->seed, people, beds, start_date + i);
	}
	calendar->first_number[days] = number;

	/* the shortest time in which everybody else could be admitted, less a day */
	busiest = admissions_expected(beds) +
		SPREAD_MAX * (int64) (integer_root((uint32) admissions_expected(beds)) + 1);
	busiest = Min(busiest, people / PEOPLE_PER_ADMISSION);
	calendar->stay_maximum = Min(people / busiest - 1, STAY_DAYS_MAX) * USECS_PER_DAY;
	return calendar;
}

/* ---- one admission ---- */

static int64
patient_of_number(const Calendar *calendar, int64 number)
{
	uint32		person = (uint32) (number % calendar->people);

	/* a permutation of [0, people): walk the one of 2^bits until inside */
	do
		person = permute_bits(person, calendar->people_bits, calendar->people_key);
	while (person >= calendar->people);
	return (int64) person + 1;
}

static int
age_in_years(DateADT born, DateADT day)
{
	int			years = date_year(day) - date_year(born);

	return date_add_years(born, years) > day ? years - 1 : years;
}

/* Beds of the department's wards that take this patient; 0 if it has none. */
static int
beds_for(const Calendar *calendar, const CalendarDepartment *department, bool female,
		 int years, int days)
{
	int			beds = 0;

	if (department->childbearing &&
		(!female || years < CHILDBEARING_FIRST || years > CHILDBEARING_LAST))
		return 0;
	for (int plan = 0; plan < ward_plan_count; plan++)
	{
		int			ward = calendar->wards->of_plan[plan];

		if (strcmp(ward_plan[plan].department, department->code) == 0 &&
			ward_takes(&ward_plan[plan], female, years, days) &&
			ward_takes(calendar->wards->wards[ward].plan, female, years, days))
			beds += ward_plan[plan].beds;
	}
	return beds;
}

static int
draw_department(const Calendar *calendar, const Admission *a, int years, int days, uint32 word)
{
	uint32		total = 0;
	uint32		draw;
	uint32		weights[64];
	int			last = 0;

	Assert(calendar->department_count <= 64);
	for (int i = 0; i < calendar->department_count; i++)
	{
		const CalendarDepartment *d = &calendar->departments[i];

		weights[i] = beds_for(calendar, d, a->female, years, days) > 0 ? d->admissions : 0;
		total += weights[i];
	}
	draw = random_below(word, total);
	for (int i = 0; i < calendar->department_count; i++)
	{
		if (weights[i] == 0)
			continue;
		last = i;
		if (draw < weights[i])
			break;
		draw -= weights[i];
	}
	return last;
}

static int
draw_ward(const Calendar *calendar, const CalendarDepartment *department, const Admission *a,
		  int years, int days, uint32 word)
{
	int			draw = (int) random_below(word, beds_for(calendar, department, a->female,
														 years, days));

	for (int plan = 0; plan < ward_plan_count; plan++)
	{
		int			ward = calendar->wards->of_plan[plan];

		if (strcmp(ward_plan[plan].department, department->code) != 0 ||
			!ward_takes(&ward_plan[plan], a->female, years, days) ||
			!ward_takes(calendar->wards->wards[ward].plan, a->female, years, days))
			continue;
		if (draw < ward_plan[plan].beds)
			return ward;
		draw -= ward_plan[plan].beds;
	}
	elog(ERROR, "no ward of department \"%s\" takes the patient", department->code);
	return -1;					/* not reached */
}

/* Thousandths of a day as microseconds, by the department's distribution. */
static TimestampTz
draw_stay(const Calendar *calendar, int mean, bool died, uint32 word)
{
	uint64		position = (uint64) word * STAY_QUANTILES;
	int			slot = (int) (position >> 32);
	int64		low = stay_quantile[slot];
	int64		quantile = low * 1000 +
		(((stay_quantile[slot + 1] - low) * 1000 * (int64) (uint32) position) >> 32);
	TimestampTz stay = quantile * mean * (USECS_PER_DAY / 1000000) / 1000;

	if (died)
		stay = stay * 8 / 10;
	return Min(Max(stay, STAY_MINIMUM), calendar->stay_maximum);
}

static Outcome
draw_outcome(const CalendarDepartment *department, uint32 word)
{
	if (word < department->mortality)
		return OUTCOME_DIED;
	return word - department->mortality < ABSCONDED ? OUTCOME_ABSCONDED : OUTCOME_DISCHARGED;
}

static uint8
draw_triage(const Calendar *calendar, uint32 word)
{
	uint32		total = 0;
	uint32		draw;
	int			i = 0;

	for (int t = 0; t < calendar->triage_count; t++)
		total += calendar->triage_weights[t];
	draw = random_below(word, total);
	while (draw >= calendar->triage_weights[i])
		draw -= calendar->triage_weights[i++];
	return (uint8) i;
}

/* ---- one day ---- */

static int
compare_times(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return x < y ? -1 : x > y;
}

/* Times of the day's admissions, sorted: seconds since midnight. */
static int64 *
draw_times(const Calendar *calendar, DateADT day, int count)
{
	int64	   *times = palloc(count * sizeof(int64));
	uint32		total = 0;

	for (int hour = 0; hour < 24; hour++)
		total += hour_weight[hour];
	for (int i = 0; i < count; i++)
	{
		RandomBlock random = random_block(calendar->seed, RANDOM_DAY, (uint64) (uint32) day, 1 + i);
		uint32		draw = random_below(random.v[0], total);
		int			hour = 0;

		while (draw >= hour_weight[hour])
			draw -= hour_weight[hour++];
		times[i] = hour * SECS_PER_HOUR + random_below(random.v[1], SECS_PER_HOUR);
	}
	qsort(times, count, sizeof(int64), compare_times);
	return times;
}

static inline uint64
admission_stream(DateADT day, int index)
{
	return ((uint64) (uint32) day << 20) | (uint64) index;
}

/* Everything of an admission but its time of day. */
static int
make_admission(const Calendar *calendar, DateADT day, int index, Admission *a)
{
	RandomBlock random = random_block(calendar->seed, RANDOM_ADMISSION,
									  admission_stream(day, index), 0);
	RandomBlock more = random_block(calendar->seed, RANDOM_ADMISSION,
									admission_stream(day, index), 1);
	int64		number = calendar->first_number[day - calendar->start_date] + index;
	int			years;
	int			department;

	memset(a, 0, sizeof(Admission));
	a->admission_id = (int64) day * DAY_ID_STEP + index + 1;
	a->patient_id = patient_of_number(calendar, number);
	population_basics(&calendar->population, a->patient_id, &a->born, &a->female);
	years = age_in_years(a->born, day);
	department = draw_department(calendar, a, years, day - a->born, random.v[0]);
	a->ward = draw_ward(calendar, &calendar->departments[department], a, years, day - a->born,
						random.v[1]);
	a->outcome = draw_outcome(&calendar->departments[department], random.v[2]);
	if (number >= calendar->people && a->outcome == OUTCOME_DIED)
		a->outcome = OUTCOME_DISCHARGED;
	a->triage = draw_triage(calendar, random.v[3]);

	/* two fifths may be moved on the first day, the others on one of five more */
	a->transfer_after = random_below(more.v[1], 5) < 2 ? 0 : 1 + random_below(more.v[2], 5);
	a->discharged_at = draw_stay(calendar, calendar->departments[department].stay,
								 a->outcome == OUTCOME_DIED, more.v[0]);
	return department;
}

/* Did the patient of this running number die when first admitted? */
static bool
died_before(const Calendar *calendar, int64 number)
{
	int64		first = number % calendar->people;
	int			low = 0;
	int			high = calendar->last_day - calendar->start_date;
	Admission	a;

	if (number < calendar->people)
		return false;
	while (low < high)
	{
		int			middle = (low + high + 1) / 2;

		if (calendar->first_number[middle] <= first)
			low = middle;
		else
			high = middle - 1;
	}
	make_admission(calendar, calendar->start_date + low,
				   (int) (first - calendar->first_number[low]), &a);
	return a.outcome == OUTCOME_DIED;
}

int
calendar_admissions(const Calendar *calendar, DateADT day, Admission **out)
{
	int64		number = calendar->first_number[day - calendar->start_date];
	int			count = (int) (calendar->first_number[day - calendar->start_date + 1] - number);
	int64	   *times = draw_times(calendar, day, count);
	int			made = 0;

	*out = palloc(count * sizeof(Admission));
	for (int i = 0; i < count; i++)
	{
		Admission  *a = &(*out)[made];

		CHECK_FOR_INTERRUPTS();
		if (died_before(calendar, number + i))
			continue;
		make_admission(calendar, day, i, a);
		a->admitted_at = day_begins(day) + times[i] * USECS_PER_SEC;

		/* to the whole minute, as people write it down */
		a->discharged_at = a->admitted_at +
			a->discharged_at / USECS_PER_MINUTE * USECS_PER_MINUTE;
		made++;
	}
	pfree(times);
	return made;
}

/* ---- as rows ---- */

enum AdmissionColumn
{
	A_ADMISSION_ID,
	A_PATIENT_ID,
	A_VISIT_ID,
	A_WARD_CODE,
	A_ADMITTED_AT,
	A_DISCHARGED_AT,
	A_TRIAGE,
	A_OUTCOME,
	A_COLUMNS
};

static const RowColumn admission_columns[A_COLUMNS] = {
	[A_ADMISSION_ID] = {"admission_id", INT8OID},
	[A_PATIENT_ID] = {"patient_id", INT8OID},
	[A_VISIT_ID] = {"visit_id", INT8OID},
	[A_WARD_CODE] = {"ward_code", TEXTOID},
	[A_ADMITTED_AT] = {"admitted_at", TIMESTAMPTZOID},
	[A_DISCHARGED_AT] = {"discharged_at", TIMESTAMPTZOID},
	[A_TRIAGE] = {"triage", TEXTOID},
	[A_OUTCOME] = {"outcome", TEXTOID},
};

typedef struct AdmissionSource
{
	RowSource	base;
	Admission  *admissions;
	Datum	   *ward_texts;
	Datum		triage_texts[TRIAGE_MAX];
	Datum		outcome_texts[OUTCOME_COUNT];
} AdmissionSource;

static RowSource *
admissions_of(DateADT day, int64 seed, int64 people, int beds, DateADT start_date)
{
	AdmissionSource *source = palloc0(sizeof(AdmissionSource));
	Calendar   *calendar = calendar_open(seed, people, beds, start_date, day);

	source->base.methods = &admissions_source;
	source->base.nrows = calendar_admissions(calendar, day, &source->admissions);
	source->ward_texts = palloc(calendar->wards->count * sizeof(Datum));
	for (int i = 0; i < calendar->wards->count; i++)
		source->ward_texts[i] = CStringGetTextDatum(calendar->wards->wards[i].plan->code);
	for (int i = 0; i < calendar->triage_count; i++)
		source->triage_texts[i] = CStringGetTextDatum(calendar->triage_names[i]);
	for (int i = 0; i < OUTCOME_COUNT; i++)
		source->outcome_texts[i] = CStringGetTextDatum(outcome_names[i]);
	return &source->base;
}

static RowSource *
admissions_open(const NullableDatum *args, int nargs, const Bitmapset *wanted)
{
	return admissions_of(DatumGetDateADT(args[0].value), DatumGetInt64(args[1].value),
						 DatumGetInt64(args[2].value), DatumGetInt32(args[3].value),
						 DatumGetDateADT(args[4].value));
}

static bool
admissions_fetch(RowSource *base, int64 row, Datum *values, bool *isnull, char *scratch)
{
	AdmissionSource *source = (AdmissionSource *) base;
	const Admission *a;

	if (row >= base->nrows)
		return false;
	a = &source->admissions[row];
	memset(isnull, 0, A_COLUMNS * sizeof(bool));
	values[A_ADMISSION_ID] = Int64GetDatum(a->admission_id);
	values[A_PATIENT_ID] = Int64GetDatum(a->patient_id);
	values[A_VISIT_ID] = Int64GetDatum(a->admission_id);
	values[A_WARD_CODE] = source->ward_texts[a->ward];
	values[A_ADMITTED_AT] = TimestampTzGetDatum(a->admitted_at);
	values[A_DISCHARGED_AT] = TimestampTzGetDatum(a->discharged_at);
	values[A_TRIAGE] = source->triage_texts[a->triage];
	values[A_OUTCOME] = source->outcome_texts[a->outcome];
	return true;
}

static double
admissions_estimate(const NullableDatum *args, int nargs)
{
	double		beds = args[3].isnull ? BEDS_OF_PLAN : DatumGetInt32(args[3].value);

	return Max(1.0, beds * ADMISSIONS_A_YEAR / BEDS_OF_PLAN / 365);
}

static const Oid admissions_args[] = {DATEOID, INT8OID, INT8OID, INT4OID, DATEOID};

const RowSourceMethods admissions_source = {
	.label = "Admissions",
	.nargs = lengthof(admissions_args),
	.args = admissions_args,
	.ncolumns = A_COLUMNS,
	.columns = admission_columns,
	.open = admissions_open,
	.estimate = admissions_estimate,
	.fetch = admissions_fetch,
	.random_access = true,
	.row_cost = 10,
	.startup_cost = 100000,
};

Datum
hospital_generate_admissions(PG_FUNCTION_ARGS)
{
	return rowsource_srf(fcinfo, &admissions_source);
}

RowSource *
day_source(const char *kind, DateADT day, int64 seed, int64 people, int beds,
		   DateADT start_date, int transfers_per_day)
{
	if (strcmp(kind, "admissions") == 0)
		return admissions_of(day, seed, people, beds, start_date);
	if (strcmp(kind, "transfers") == 0)
		return transfers_of(day, seed, people, beds, start_date, transfers_per_day);
	return NULL;
}
