/*
 * calendar.c: what is special about a day; reckoning in years.
 *
 * Reference data alone (calendar, events, covid_weekly, covid_waves,
 * influenza_seasons, seasonality, arrival_profile), parsed once a process; the
 * rules of arrival_modifiers are written here.  Factors multiply; those that
 * raise some days are divided by their mean over a year, so that a year has the
 * admissions that diagnosis_profile says.
 *
 * The fire that closed one of the city's hospitals in 2021 and 2022 (event type
 * "hospital") is left out: this is a hospital of its own.
 */
#include "postgres.h"

#include "utils/datetime.h"
#include "utils/memutils.h"

#include "calendar.h"
#include "reference.h"

#define FULL 65536
#define MILLION 1000000

/* Means over a year of the modifiers' products, by their rules; 16.16. */
#define TRAUMA_MODIFIER_MEAN 73270	/* 1.118 */
#define OPD_OPEN_MEAN 63570			/* 0.97: clinics are closed on holidays */
#define ELECTIVE_OPEN_MEAN 59440	/* 0.907: the same, and the slow December */

typedef struct Event
{
	char		type;			/* the first letters of event_type */
	DateADT		first;
	DateADT		last;
	int32		trauma,
				medical,
				opd,
				elective;
	const char *scope;
} Event;

typedef struct FluSeason
{
	int			year;
	DateADT		first,
				peak,
				last;			/* first = 0: none */
	int32		size;
} FluSeason;

typedef struct Wave
{
	DateADT		first,
				last;
	uint32		mortality;		/* millionths */
} Wave;

static bool ready = false;
static DateADT *holidays;
static int	holiday_count;
static Event *events;
static int	event_count;
static FluSeason *flu_seasons;
static int	flu_count;
static Wave *waves;
static int	wave_count;
static DateADT covid_first;		/* first day of the first week */
static int *covid_weeks;		/* the province's admissions */
static int	covid_count;
static const char *season_names[SEASONS_MAX];
static int	season_count;
static int32 season_months[SEASONS_MAX][12];
static int	flu_season = -1,
			covid_season = -1;
static uint32 hour_weights[STREAMS][24];
static uint32 hour_totals[STREAMS];
static int32 weekday_factors[STREAMS][7];

static const char *const stream_names[STREAMS] = {
	"ED_MEDICAL", "ED_TRAUMA", "ED_PAED", "MATERNITY", "BIRTH", "ELECTIVE", "OPD", "DISCHARGE", "DEATH"
};

/* ---- reading the tables ---- */

static DateADT
parse_day(const char *text)
{
	int			year,
				month,
				day;

	if (text == NULL || sscanf(text, "%d-%d-%d", &year, &month, &day) != 3)
		return 0;
	return date2j(year, month, day) - POSTGRES_EPOCH_JDATE;
}

/* "0.34" as 16.16 */
static int32
parse_factor(const char *text)
{
	return (int32) (reference_scaled(text, 6) * FULL / MILLION);
}

static void
read_holidays(void)
{
	const ReferenceTable *table = reference_named("calendar");

	holidays = palloc(table->nrows * sizeof(DateADT));
	for (int i = 0; i < table->nrows; i++)
		holidays[holiday_count++] = parse_day(reference_cell(table, i, "date"));
}

static void
read_events(void)
{
	const ReferenceTable *table = reference_named("events");

	events = palloc0(table->nrows * sizeof(Event));
	for (int i = 0; i < table->nrows; i++)
	{
		Event	   *e = &events[event_count];
		const char *type = reference_cell(table, i, "event_type");

		if (strcmp(type, "hospital") == 0)
			continue;
		e->type = type[0];
		e->first = parse_day(reference_cell(table, i, "start_date"));
		e->last = parse_day(reference_cell(table, i, "end_date"));
		e->trauma = parse_factor(reference_cell(table, i, "trauma_factor"));
		e->medical = parse_factor(reference_cell(table, i, "emergency_medical_factor"));
		e->opd = parse_factor(reference_cell(table, i, "opd_factor"));
		e->elective = parse_factor(reference_cell(table, i, "elective_factor"));
		e->scope = reference_cell(table, i, "scope");
		event_count++;
	}
}

static void
read_epidemics(void)
{
	const ReferenceTable *table = reference_named("influenza_seasons");

	flu_seasons = palloc0(table->nrows * sizeof(FluSeason));
	for (int i = 0; i < table->nrows; i++)
	{
		FluSeason  *f = &flu_seasons[flu_count++];

		f->year = atoi(reference_cell(table, i, "year"));
		f->first = parse_day(reference_cell(table, i, "start_date"));
		f->peak = parse_day(reference_cell(table, i, "peak_date"));
		f->last = parse_day(reference_cell(table, i, "end_date"));
		f->size = parse_factor(reference_cell(table, i, "relative_size"));
	}

	table = reference_named("covid_waves");
	waves = palloc0(table->nrows * sizeof(Wave));
	for (int i = 0; i < table->nrows; i++)
	{
		Wave	   *w = &waves[wave_count++];

		w->first = parse_day(reference_cell(table, i, "start_date"));
		w->last = parse_day(reference_cell(table, i, "end_date"));
		w->mortality = (uint32) reference_scaled(reference_cell(table, i, "in_hospital_case_fatality"), 6);
	}

	table = reference_named("covid_weekly");
	covid_weeks = palloc(table->nrows * sizeof(int));
	covid_first = parse_day(reference_cell(table, 0, "week_ending")) - 6;
	for (int i = 0; i < table->nrows; i++)
		covid_weeks[covid_count++] = atoi(reference_cell(table, i, "gp_admissions_adjusted"));
}

static void
read_seasons(void)
{
	const ReferenceTable *table = reference_named("seasonality");

	for (int i = 0; i < table->nrows; i++)
	{
		const char *profile = reference_cell(table, i, "profile");
		int			n = 0;

		while (n < season_count && strcmp(season_names[n], profile) != 0)
			n++;
		if (n == season_count)
		{
			if (season_count == SEASONS_MAX)
				elog(ERROR, "too many seasonal profiles");
			season_names[season_count++] = profile;
		}
		season_months[n][atoi(reference_cell(table, i, "month")) - 1] =
			parse_factor(reference_cell(table, i, "multiplier"));
	}
	for (int n = 0; n < season_count; n++)
	{
		if (strcmp(season_names[n], "flu") == 0)
			flu_season = n;
		if (strcmp(season_names[n], "covid") == 0)
			covid_season = n;
	}
}

static void
read_profiles(void)
{
	const ReferenceTable *table = reference_named("arrival_profile");

	for (int i = 0; i < table->nrows; i++)
	{
		const char *name = reference_cell(table, i, "stream");
		int			index = atoi(reference_cell(table, i, "index"));
		int64		share = reference_scaled(reference_cell(table, i, "share"), 6);

		for (int s = 0; s < STREAMS; s++)
		{
			if (strcmp(stream_names[s], name) != 0)
				continue;
			if (strcmp(reference_cell(table, i, "kind"), "hour") == 0)
			{
				hour_weights[s][index] = (uint32) share;
				hour_totals[s] += (uint32) share;
			}
			else
				weekday_factors[s][index - 1] = (int32) (share * 7 * FULL / MILLION);
		}
	}
}

static void
make_ready(void)
{
	MemoryContext old;

	if (ready)
		return;
	holiday_count = event_count = flu_count = wave_count = covid_count = season_count = 0;
	memset(hour_totals, 0, sizeof(hour_totals));
	old = MemoryContextSwitchTo(TopMemoryContext);
	read_holidays();
	read_events();
	read_epidemics();
	read_seasons();
	read_profiles();
	MemoryContextSwitchTo(old);
	ready = true;
}

int
season_number(const char *profile)
{
	make_ready();
	for (int n = 0; n < season_count; n++)
		if (strcmp(season_names[n], profile) == 0)
			return n;
	elog(ERROR, "seasonal profile \"%s\" is missing", profile);
	return 0;					/* not reached */
}

/* ---- days ---- */

int
weekday_of(DateADT day)
{
	int			weekday = j2day(day + POSTGRES_EPOCH_JDATE);

	return weekday == 0 ? 7 : weekday;
}

bool
is_holiday(DateADT day)
{
	make_ready();
	for (int i = 0; i < holiday_count; i++)
		if (holidays[i] == day)
			return true;
	return false;
}

static void
scale(int32 *factor, int64 by)
{
	*factor = (int32) ((*factor * by) >> 16);
}

static bool
month_end_weekend(const DayFacts *f)
{
	int			last = day_tab[isleap(f->year)][f->month - 1];
	int			friday = f->weekday >= 5 ? f->mday - (f->weekday - 5) : 0;

	/* the last Friday to Sunday of a month, and the first weekend of one */
	if (f->weekday >= 5 && friday + 7 > last && friday > 0)
		return true;
	return f->weekday >= 6 && f->mday - (f->weekday - 6) <= 7;
}

static bool
is_easter(const DayFacts *f)
{
	/* Good Friday to Family Day: a Friday and the Monday after are holidays, in March or April */
	DateADT		friday = f->day - ((f->weekday + 2) % 7);

	return (f->month == 3 || f->month == 4) && f->day - friday <= 3 &&
		is_holiday(friday) && is_holiday(friday + 3);
}

static void
apply_modifiers(DayFacts *f)
{
	int32	   *trauma = &f->open[STREAM_ED_TRAUMA];
	bool		slow = (f->month == 12 && f->mday >= 15) || (f->month == 1 && f->mday <= 8);

	if (month_end_weekend(f))
		scale(trauma, 79954);	/* 1.22 */
	if (f->mday >= 25 || f->mday <= 3)
		scale(trauma, 70779);	/* 1.08 */
	if (f->holiday)
		scale(trauma, 81920);	/* 1.25 */
	if ((f->month == 12 && f->mday >= 16) || (f->month == 1 && f->mday <= 2))
		scale(trauma, 81920);
	if (f->month == 1 && f->mday == 1)
		scale(trauma, 85197);	/* 1.3: the hours to eight have 2.2 */
	if (is_easter(f))
		scale(trauma, 77332);	/* 1.18 */
	scale(trauma, (int64) FULL * FULL / TRAUMA_MODIFIER_MEAN);

	if (f->holiday)
		scale(&f->open[STREAM_OPD], 1311);	/* 0.02 */
	scale(&f->open[STREAM_OPD], (int64) FULL * FULL / OPD_OPEN_MEAN);

	if (f->holiday)
		scale(&f->open[STREAM_ELECTIVE], 6554); /* 0.1 */
	else if (slow)
		scale(&f->open[STREAM_ELECTIVE], 22938);	/* 0.35 */
	scale(&f->open[STREAM_ELECTIVE], (int64) FULL * FULL / ELECTIVE_OPEN_MEAN);

	if (f->mday <= 5)
		scale(&f->open[STREAM_ED_MEDICAL], 63570);	/* 0.97 */
}

static void
apply_events(DayFacts *f)
{
	for (int i = 0; i < event_count; i++)
	{
		const Event *e = &events[i];

		if (f->day < e->first || f->day > e->last)
			continue;
		scale(&f->open[STREAM_ED_TRAUMA], e->trauma);
		scale(&f->open[STREAM_ED_MEDICAL], e->medical);
		scale(&f->open[STREAM_ED_PAED], e->medical);
		scale(&f->open[STREAM_OPD], e->opd);
		scale(&f->open[STREAM_ELECTIVE], e->elective);
		if (strncmp(e->scope, "measles", 7) == 0)
			f->measles = 6 * FULL;
		else if (strncmp(e->scope, "A00.9", 5) == 0)
			f->cholera = 40 * FULL;
		else if (strncmp(e->scope, "burns", 5) == 0)
			f->burns = 8 * FULL;
	}
}

/* A tenth of the year's influenza is spread over it, the rest is a triangle. */
static int32
flu_factor(const DayFacts *f)
{
	for (int i = 0; i < flu_count; i++)
	{
		const FluSeason *s = &flu_seasons[i];
		int64		height;
		int64		at;

		if (s->year != f->year)
			continue;
		if (s->first == 0)
			return (int32) (((int64) season_months[flu_season][f->month - 1] * s->size) >> 16);
		if (f->day <= s->first || f->day >= s->last)
			return s->size / 10;
		at = f->day <= s->peak ? (int64) (f->day - s->first) * FULL / (s->peak - s->first) :
			(int64) (s->last - f->day) * FULL / (s->last - s->peak);
		height = at * 9 / 10 * 365 * 2 / (s->last - s->first);
		return (int32) (((height + FULL / 10) * s->size) >> 16);
	}
	return season_months[flu_season][f->month - 1];
}

static void
apply_epidemics(DayFacts *f)
{
	int			week = (f->day - covid_first) / 7;

	for (int n = 0; n < season_count; n++)
		f->season[n] = season_months[n][f->month - 1];
	f->season[flu_season] = flu_factor(f);
	f->season[covid_season] = 0;	/* comes by week */
	if (f->day >= covid_first)
	{
		/* 0.022 of the province's admissions; after the last week as in the last */
		week = Min(week, covid_count - 1);
		f->covid = (int64) covid_weeks[week] * 22 * FULL / 7000;
	}
	for (int i = 0; i < wave_count; i++)
		if (f->day >= waves[i].first && (f->day <= waves[i].last || i == wave_count - 1))
			f->covid_mortality = waves[i].mortality;
}

void
day_facts(DateADT day, DayFacts *f)
{
	DateADT		before = day - 1;

	make_ready();
	memset(f, 0, sizeof(*f));
	f->day = day;
	j2date(day + POSTGRES_EPOCH_JDATE, &f->year, &f->month, &f->mday);
	f->weekday = weekday_of(day);
	f->holiday = is_holiday(day);
	while (weekday_of(before) >= 6)
		before--;
	f->after_holiday = f->weekday < 6 && !f->holiday && is_holiday(before);
	f->last_holiday = before;
	f->measles = f->cholera = f->burns = FULL;
	for (int s = 0; s < STREAMS; s++)
		f->open[s] = FULL;
	apply_modifiers(f);
	apply_events(f);
	apply_epidemics(f);
	for (int s = 0; s < STREAMS; s++)
		f->factor[s] = (int32) (((int64) f->open[s] * weekday_factors[s][f->weekday - 1]) >> 16);
}

int
draw_second(const DayFacts *f, Stream stream, uint32 word1, uint32 word2)
{
	bool		new_year = stream == STREAM_ED_TRAUMA && f->month == 1 && f->mday == 1;
	uint32		total = hour_totals[stream];
	uint32		draw;
	int			hour = 0;

	/* on New Year's Day the hours to eight have 2.2 times their share */
	if (new_year)
		for (int h = 0; h < 8; h++)
			total += hour_weights[stream][h] * 6 / 5;
	draw = random_below(word1, total);
	for (;; hour++)
	{
		uint32		weight = hour_weights[stream][hour];

		if (new_year && hour < 8)
			weight += weight * 6 / 5;
		if (draw < weight || hour == 23)
			break;
		draw -= weight;
	}
	return hour * SECS_PER_HOUR + (int) random_below(word2, SECS_PER_HOUR);
}

/* ---- years ---- */

DateADT
date_add_years(DateADT date, int years)
{
	int			year,
				month,
				day;

	j2date(date + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	year += years;
	day = Min(day, day_tab[isleap(year)][month - 1]);
	return date2j(year, month, day) - POSTGRES_EPOCH_JDATE;
}

int
date_year(DateADT date)
{
	int			year,
				month,
				day;

	j2date(date + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	return year;
}
