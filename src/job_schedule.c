/*
 * job_schedule.c: when a job is due, as its schedule says.
 *
 * Cron.  The next time is found by the calendar of the zone: the days that
 * match, and on such a day the times that match, each turned into an instant.
 * As everywhere, a day matches when the day of the month and the weekday do, or
 * one of them where both are restricted (neither begins with an asterisk).
 *
 * Where the zone's clocks are put forward or back:
 *
 *	a time that does not exist			runs once, right after the gap
 *	a time that comes twice				runs once, the first time
 *	a schedule of every hour			follows real time: nothing is made up for
 *										the hour that is missing, and both of two
 *										equal hours count
 *
 * An interval counts from the job's start and never drifts: months and days by
 * the calendar of the zone, the rest in real time.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "job_schedule.h"

#define SECONDS_A_DAY 86400
#define MINUTES_A_DAY 1440
#define EPOCH_SHIFT_S ((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECONDS_A_DAY)
#define LOOK_AHEAD_DAYS (8 * 366 + 1)	/* from one 29th of February to the next, at worst */
#define INTERVAL_LEAST_US USECS_PER_SEC
#define ALL_HOURS ((1U << 24) - 1)

/* ---- reading --------------------------------------------------------------- */

typedef struct CronField
{
	const char *name;
	int			first;
	int			last;
	const char *const *words;	/* for "first" and those after it; NULL: none */
} CronField;

static const char *const month_words[] = {
	"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", NULL
};
static const char *const weekday_words[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};

static const CronField cron_fields[] = {
	{"minute", 0, 59, NULL},
	{"hour", 0, 23, NULL},
	{"day of the month", 1, 31, NULL},
	{"month", 1, 12, month_words},
	{"weekday", 0, 7, weekday_words}
};

#define CRON_FIELDS ((int) lengthof(cron_fields))
#define DAY_FIELD 2
#define WEEKDAY_FIELD 4

static const char *const cron_names[][2] = {
	{"@hourly", "0 * * * *"},
	{"@daily", "0 0 * * *"},
	{"@midnight", "0 0 * * *"},
	{"@weekly", "0 0 * * 0"},
	{"@monthly", "0 0 1 * *"},
	{"@yearly", "0 0 1 1 *"},
	{"@annually", "0 0 1 1 *"}
};

static const char *
schedule_hint(void)
{
	return "Use an interval such as '15 minutes', five fields such as '30 2 * * mon-fri' (minute, hour, day of the month, month, weekday), 'after day ingested' or 'after day closed'.";
}

pg_noreturn static void
refuse_schedule(const char *text)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid schedule \"%s\"", text),
			 errdetail("It is neither an interval nor five fields nor an event."),
			 errhint("%s", schedule_hint())));
}

pg_noreturn static void
refuse_field(const char *text, const CronField *field, const char *given)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid schedule \"%s\"", text),
			 errdetail("\"%s\" is not possible as its %s, which is %d to %d.", given, field->name,
					   field->first, field->last),
			 errhint("A field is *, a number, a range (8-17) or several of them with commas, with a step if need be (*/5, 8-17/2); months and weekdays may be words (jan, mon), L is a month's last day.")));
}

/* A number or a word at *at, which is moved behind it; -1: neither. */
static int
read_value(const char **at, const CronField *field)
{
	int			value = 0;
	const char *start = *at;

	for (int i = 0; field->words != NULL && field->words[i] != NULL; i++)
		if (pg_strncasecmp(start, field->words[i], 3) == 0)
		{
			*at += 3;
			return field->first + i;
		}
	while (**at >= '0' && **at <= '9' && *at - start < 4)
		value = value * 10 + (*(*at)++ - '0');
	if (*at == start || value < field->first || value > field->last)
		return -1;
	return value;
}

/* One part of a list: *, a, a-b, each with /step.  False: it is none. */
static bool
read_part(const char *part, const CronField *field, bool is_weekday, uint64 *bits)
{
	int			first;
	int			last;
	int			step = 1;
	bool		single = false;

	if (*part == '*')
	{
		first = field->first;
		last = is_weekday ? 6 : field->last;
		part++;
	}
	else
	{
		first = last = read_value(&part, field);
		single = *part != '-';
		if (*part == '-')
		{
			part++;
			last = read_value(&part, field);
			if (is_weekday && last == 0)
				last = 7;		/* fri-sun */
		}
		if (first < 0 || last < first)
			return false;
	}
	if (*part == '/')
	{
		const CronField steps = {NULL, 1, 999, NULL};

		part++;
		step = read_value(&part, &steps);
		if (step < 0)
			return false;
		if (single)
			last = is_weekday ? 6 : field->last;
	}
	if (*part != '\0')
		return false;
	for (int value = first; value <= last; value += step)
		*bits |= UINT64CONST(1) << value;
	return true;
}

static uint64
read_field(JobSchedule *schedule, const char *text, int number, char *given)
{
	const CronField *field = &cron_fields[number];
	char	   *list = pstrdup(given);
	uint64		bits = 0;
	char	   *next;

	for (char *part = list; part != NULL; part = next)
	{
		next = strchr(part, ',');
		if (next != NULL)
			*next++ = '\0';
		if (number == DAY_FIELD && (pg_strcasecmp(part, "L") == 0 || strcmp(part, "$") == 0))
			schedule->last_day = true;
		else if (!read_part(part, field, number == WEEKDAY_FIELD, &bits))
			refuse_field(text, field, given);
	}
	return bits;
}

/* Split at blanks; how many words, of which as many as fit are kept. */
static int
split_words(char *text, char **words, int max)
{
	int			n = 0;
	char	   *rest = NULL;

	for (char *word = strtok_r(text, " \t\n\r", &rest); word != NULL;
		 word = strtok_r(NULL, " \t\n\r", &rest))
	{
		if (n < max)
			words[n] = word;
		n++;
	}
	return n;
}

static void
read_cron(JobSchedule *schedule, const char *text, char **words)
{
	uint64		bits[CRON_FIELDS];
	TimestampTz next;

	for (int i = 0; i < CRON_FIELDS; i++)
		bits[i] = read_field(schedule, text, i, words[i]);
	schedule->kind = JOB_CRON;
	schedule->minutes = bits[0];
	schedule->hours = (uint32) bits[1];
	schedule->days = (uint32) bits[2];
	schedule->months = (uint32) bits[3];
	schedule->weekdays = (uint32) ((bits[4] | (bits[4] >> 7)) & 0x7f);
	schedule->any_day = words[2][0] == '*';
	schedule->any_weekday = words[4][0] == '*';
	if (!job_schedule_next(schedule, 0, GetCurrentTimestamp(), &next))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid schedule \"%s\"", text),
				 errdetail("No day of any month is like that."),
				 errhint("The 31st is not in every month; L is a month's last day.")));
}

/* With the error that the other kinds have; the server's says no more. */
static Interval *
parse_interval(const char *text)
{
	MemoryContext caller = CurrentMemoryContext;
	Datum		interval = (Datum) 0;

	PG_TRY();
	{
		interval = DirectFunctionCall3(interval_in, CStringGetDatum(text),
									   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		if (ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		FlushErrorState();
		refuse_schedule(text);
	}
	PG_END_TRY();
	return DatumGetIntervalP(interval);
}

static void
read_interval(JobSchedule *schedule, const char *text)
{
	Interval   *interval = parse_interval(text);

	schedule->kind = JOB_INTERVAL;
	schedule->interval = *interval;
	if (interval->month < 0 || interval->day < 0 || interval->time < 0 ||
		interval->month > 1200 || interval->day > 36500 || interval->time > 36500 * USECS_PER_DAY ||
		(interval->month == 0 && interval->day == 0 && interval->time < INTERVAL_LEAST_US))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid schedule \"%s\"", text),
				 errdetail("An interval is one second at least, and a hundred years at most."),
				 errhint("%s", schedule_hint())));
}

static pg_tz *
find_zone(const char *name)
{
	pg_tz	   *zone = pg_tzset(name);

	if (zone == NULL || !pg_tz_acceptable(zone))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time zone \"%s\" not recognized", name),
				 errhint("pg_timezone_names has their names, such as Africa/Johannesburg or Europe/Berlin.")));
	return zone;
}

void
job_schedule_parse(JobSchedule *schedule, const char *text, const char *zone)
{
	char	   *words[CRON_FIELDS];
	int			n;

	memset(schedule, 0, sizeof(*schedule));
	schedule->zone = find_zone(zone);
	n = split_words(pstrdup(text), words, CRON_FIELDS);
	for (int i = 0; n == 1 && i < (int) lengthof(cron_names); i++)
		if (pg_strcasecmp(words[0], cron_names[i][0]) == 0)
			n = split_words(pstrdup(cron_names[i][1]), words, CRON_FIELDS);

	if (n == 3 && pg_strcasecmp(words[0], "after") == 0 && pg_strcasecmp(words[1], "day") == 0 &&
		(pg_strcasecmp(words[2], "ingested") == 0 || pg_strcasecmp(words[2], "closed") == 0))
		schedule->kind = pg_strcasecmp(words[2], "closed") == 0 ? JOB_DAY_CLOSED : JOB_DAY_INGESTED;
	else if (n == CRON_FIELDS)
		read_cron(schedule, text, words);
	else if (n > 0 && (words[0][0] == '+' || (words[0][0] >= '0' && words[0][0] <= '9')))
		read_interval(schedule, text);
	else
		refuse_schedule(text);
}

bool
job_schedule_is_timed(const JobSchedule *schedule)
{
	return schedule->kind == JOB_INTERVAL || schedule->kind == JOB_CRON;
}

/* ---- times of a zone --------------------------------------------------------
 *
 * Instants are seconds since 1970 here, and so are local times, as if they were
 * of UTC.
 */

static int64
to_seconds(TimestampTz at)
{
	int64		seconds = at / USECS_PER_SEC;

	if (at % USECS_PER_SEC < 0)
		seconds--;
	return seconds + EPOCH_SHIFT_S;
}

static TimestampTz
from_seconds(int64 seconds)
{
	return (seconds - EPOCH_SHIFT_S) * USECS_PER_SEC;
}

static int64
offset_at(const JobSchedule *schedule, int64 at)
{
	pg_time_t	time = (pg_time_t) at;
	struct pg_tm *tm = pg_localtime(&time, schedule->zone);

	if (tm == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	return tm->tm_gmtoff;
}

/* When the clocks are changed for the first time after "at". */
static int64
next_change(const JobSchedule *schedule, int64 at)
{
	pg_time_t	from = (pg_time_t) at;
	pg_time_t	boundary;
	long		before;
	long		after;
	int			before_is_dst;
	int			after_is_dst;

	while (pg_next_dst_boundary(&from, &before, &before_is_dst, &boundary, &after, &after_is_dst,
								schedule->zone) == 1)
	{
		if (before != after)
			return boundary;
		from = boundary;
	}
	return at;
}

/*
 * The instants at which clocks show a local time: one, or two where they are
 * put back.  None where they are put forward: then *missing is the instant
 * right after the gap.
 */
static int
local_instants(const JobSchedule *schedule, int64 local, int64 *instants, int64 *missing)
{
	int64		offset = offset_at(schedule, local - SECONDS_A_DAY);
	int64		later_offset = offset_at(schedule, local + SECONDS_A_DAY);
	int			n = 0;

	if (offset_at(schedule, local - offset) == offset)
		instants[n++] = local - offset;
	if (offset != later_offset && offset_at(schedule, local - later_offset) == later_offset)
		instants[n++] = local - later_offset;
	if (n == 2 && instants[0] > instants[1])
	{
		int64		first = instants[1];

		instants[1] = instants[0];
		instants[0] = first;
	}
	if (n == 0)
		*missing = next_change(schedule, local - SECONDS_A_DAY - offset);
	return n;
}

/* ---- cron ------------------------------------------------------------------- */

static bool
day_matches(const JobSchedule *schedule, int julian)
{
	int			year;
	int			month;
	int			day;
	bool		by_day;
	bool		by_weekday;

	j2date(julian, &year, &month, &day);
	if ((schedule->months & (1U << month)) == 0)
		return false;
	by_day = (schedule->days & (1U << day)) != 0 ||
		(schedule->last_day && day == day_tab[isleap(year)][month - 1]);
	by_weekday = (schedule->weekdays & (1U << j2day(julian))) != 0;
	return schedule->any_day || schedule->any_weekday ? by_day && by_weekday : by_day || by_weekday;
}

/* Of the instants of one local time the first after "after", when it is before *best. */
static void
consider(const JobSchedule *schedule, int64 local, int64 after, int64 *best)
{
	int64		instants[2];
	int64		missing;
	int			n = local_instants(schedule, local, instants, &missing);
	bool		real_time = schedule->hours == ALL_HOURS;

	if (n == 0 && !real_time)
	{
		instants[0] = missing;
		n = 1;
	}
	if (n == 2 && !real_time)
		n = 1;
	for (int i = 0; i < n; i++)
		if (instants[i] > after && instants[i] < *best)
			*best = instants[i];
}

/*
 * The first instant of a day after "after"; PG_INT64_MAX: none.  "plain": the
 * clocks are not changed these days, so the first one found is the first.
 */
static int64
first_of_day(const JobSchedule *schedule, int julian, int from_minute, int64 after, bool plain)
{
	int64		begins = (int64) (julian - UNIX_EPOCH_JDATE) * SECONDS_A_DAY;
	int64		best = PG_INT64_MAX;

	for (int minute = from_minute; minute < MINUTES_A_DAY; minute++)
	{
		if ((schedule->hours & (1U << (minute / 60))) == 0)
		{
			minute += 59 - minute % 60;
			continue;
		}
		if ((schedule->minutes & (UINT64CONST(1) << (minute % 60))) == 0)
			continue;
		consider(schedule, begins + (int64) minute * 60, after, &best);
		if (plain && best != PG_INT64_MAX)
			break;
	}
	return best;
}

static bool
next_by_cron(const JobSchedule *schedule, int64 after, int64 *next)
{
	int64		offset = offset_at(schedule, after);
	bool		plain = offset_at(schedule, after - 2 * SECONDS_A_DAY) == offset &&
		offset_at(schedule, after + 2 * SECONDS_A_DAY) == offset;
	int64		local = after + offset;
	int			today = (int) (local / SECONDS_A_DAY) + UNIX_EPOCH_JDATE;
	int			minute = (int) (local % SECONDS_A_DAY) / 60;

	if (local < 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("schedules begin with the year 1970")));
	for (int i = plain ? 0 : -1; i < LOOK_AHEAD_DAYS; i++)
	{
		bool		near = !plain && i <= 2;

		if (!day_matches(schedule, today + i))
			continue;
		*next = first_of_day(schedule, today + i, plain && i == 0 ? minute : 0, after, !near);
		if (*next != PG_INT64_MAX)
			return true;
	}
	return false;
}

/* ---- intervals ---------------------------------------------------------------- */

/* "starting" and k intervals. */
static TimestampTz
interval_times(const JobSchedule *schedule, TimestampTz starting, int64 k)
{
	int64		instants[2];
	int64		at = to_seconds(starting);
	int64		rest = starting - from_seconds(at);
	int64		local = at + offset_at(schedule, at);
	int			julian = (int) (local / SECONDS_A_DAY) + UNIX_EPOCH_JDATE;
	int			year;
	int			month;
	int			day;

	if (schedule->interval.month != 0 || schedule->interval.day != 0)
	{
		int64		months;

		j2date(julian, &year, &month, &day);
		months = (int64) year * 12 + month - 1 + k * schedule->interval.month;
		year = (int) (months / 12);
		month = (int) (months % 12) + 1;
		day = Min(day, day_tab[isleap(year)][month - 1]);
		julian = date2j(year, month, day) + (int) (k * schedule->interval.day);
		local = (int64) (julian - UNIX_EPOCH_JDATE) * SECONDS_A_DAY + local % SECONDS_A_DAY;
		(void) local_instants(schedule, local, instants, &instants[0]);
		at = instants[0];
	}
	return from_seconds(at) + rest + k * schedule->interval.time;
}

static TimestampTz
next_by_interval(const JobSchedule *schedule, TimestampTz starting, TimestampTz after)
{
	const Interval *interval = &schedule->interval;

	/* Longer than it can be, so that the estimate is never too late. */
	int64		longest = interval->time + interval->day * (USECS_PER_DAY + USECS_PER_HOUR) +
		interval->month * 31 * USECS_PER_DAY;
	int64		k = after > starting ? (after - starting) / longest : 0;
	TimestampTz next;

	while ((next = interval_times(schedule, starting, k)) <= after)
	{
		CHECK_FOR_INTERRUPTS();
		k++;
	}
	return next;
}

bool
job_schedule_next(const JobSchedule *schedule, TimestampTz starting, TimestampTz after,
				  TimestampTz *next)
{
	int64		seconds;

	switch (schedule->kind)
	{
		case JOB_INTERVAL:
			*next = next_by_interval(schedule, starting, after);
			return true;
		case JOB_CRON:
			if (!next_by_cron(schedule, to_seconds(after), &seconds))
				return false;
			*next = from_seconds(seconds);
			return true;
		default:
			return false;
	}
}
