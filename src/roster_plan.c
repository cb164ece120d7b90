/*
 * roster_plan.c: the part of the roster that does not change from day to day:
 * the pattern, team and home ward of every post, and who shares calls.
 *
 * Nurses are given to (ward, team) by need: each post goes where, of the wards
 * its scope has, there are fewest nurses for the number needed.  Roles with the
 * narrowest scope come first, so that general nurses fill what specialised ones
 * leave, and professional nurses before the others, so that they are spread
 * over all wards and teams.
 */
#include "postgres.h"

#include "utils/datetime.h"

#include "reference.h"
#include "roster_private.h"

#define TEAMS 4
#define DOCTORS_PER_CALL 20

static bool
starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* ---- shifts and holidays ---- */

/* "07:30" in microseconds */
static int64
parse_time(const char *text)
{
	int			hours = (text[0] - '0') * 10 + (text[1] - '0');
	int			minutes = (text[3] - '0') * 10 + (text[4] - '0');

	return hours * USECS_PER_HOUR + minutes * USECS_PER_MINUTE;
}

static void
plan_shifts(Roster *roster)
{
	const ReferenceTable *table = reference_named("shifts");

	for (int i = 0; i < SHIFT_COUNT; i++)
	{
		int			row = reference_row(table, "shift_code", shift_name(i));

		if (row < 0)
			elog(ERROR, "shift \"%s\" is missing from the reference data", shift_name(i));
		roster->shift_start[i] = parse_time(reference_cell(table, row, "start_time"));
		roster->shift_length[i] =
			reference_scaled(reference_cell(table, row, "hours"), 3) * (USECS_PER_HOUR / 1000);
		roster->shift_overnight[i] =
			roster->shift_start[i] + roster->shift_length[i] > USECS_PER_DAY;
	}
}

static DateADT
parse_date(const char *text)
{
	int			year = 0,
				month = 0,
				day = 0;

	if (sscanf(text, "%d-%d-%d", &year, &month, &day) != 3)
		elog(ERROR, "bad date \"%s\" in the reference data", text);
	return date2j(year, month, day) - POSTGRES_EPOCH_JDATE;
}

/* Public holidays are known for the calendar's years only. */
static void
plan_holidays(Roster *roster)
{
	const ReferenceTable *table = reference_named("calendar");

	roster->holidays = palloc(table->nrows * sizeof(DateADT));
	for (int i = 0; i < table->nrows; i++)
		roster->holidays[roster->holiday_count++] = parse_date(reference_cell(table, i, "date"));
}

/* ---- patterns ---- */

static Pattern
role_pattern(const StaffRole *role, int ordinal)
{
	if (strcmp(role->shift, "N12D") == 0)
		return PATTERN_NURSE;
	if (strcmp(role->shift, "D8CALL") == 0)
		return PATTERN_CALL;
	if (strcmp(role->shift, "CALL24") == 0)
		return PATTERN_INTERN;
	if (strcmp(role->shift, "ED12D") == 0)
		return PATTERN_EMERGENCY;
	if (strcmp(role->shift, "C12D") == 0)
		return PATTERN_CLERK;
	if (strcmp(role->shift, "S8A") == 0)
		return ordinal % 4 == 0 ? PATTERN_SUPPORT_ROUND : PATTERN_SUPPORT_DAY;
	return PATTERN_WEEKDAY;
}

static bool
is_ward_nurse(const StaffRole *role)
{
	return strcmp(role->category, "nursing") == 0 && strcmp(role->shift, "N12D") == 0;
}

static bool
is_professional(const StaffRole *role)
{
	return starts_with(role->role, "Professional Nurse");
}

static int
scope_width(const Roster *roster, int role)
{
	int			width = 0;

	for (int ward = 0; ward < roster->wards->count; ward++)
		width += roster->scope[role * roster->wards->count + ward];
	return width;
}

static void
plan_patterns(Roster *roster)
{
	const Workforce *workforce = roster->workforce;
	int			wards = roster->wards->count;

	for (int i = 0; i < workforce->post_count; i++)
	{
		const Post *post = &workforce->posts[i];
		const StaffRole *role = &staff_roles[post->role];
		RosterPost *plan = &roster->posts[i];
		int			width = scope_width(roster, post->role);
		int			chosen = width > 0 ? post->ordinal % width : -1;

		plan->pattern = role_pattern(role, post->ordinal);
		plan->professional = is_professional(role);
		plan->phase = post->ordinal;
		if (plan->pattern == PATTERN_NURSE || plan->pattern == PATTERN_CLERK)
			plan->phase = (post->ordinal % TEAMS) * 2;
		plan->rotates = width > 0 && strcmp(role->specialty, "ROTATION") == 0;
		plan->ward = -1;
		plan->away_staff = -1;
		for (int ward = 0; ward < wards && chosen >= 0; ward++)
			if (roster->scope[post->role * wards + ward] && chosen-- == 0)
				plan->ward = (int16) ward;
	}
}

/* ---- nurses' home wards and teams ---- */

typedef struct NurseRole
{
	int			role;
	int			width;
} NurseRole;

static int
compare_nurse_roles(const void *a, const void *b)
{
	const NurseRole *x = a;
	const NurseRole *y = b;
	int			other_x = !is_professional(&staff_roles[x->role]);
	int			other_y = !is_professional(&staff_roles[y->role]);

	if (other_x != other_y)
		return other_x - other_y;
	return x->width != y->width ? x->width - y->width : x->role - y->role;
}

/* The (ward, team) of the scope with fewest nurses for its need. */
static int
neediest_cell(const Roster *roster, int role, const int *counts)
{
	int			wards = roster->wards->count;
	int			best = -1;

	for (int cell = 0; cell < wards * TEAMS; cell++)
	{
		int			ward = cell / TEAMS;

		if (!roster->scope[role * wards + ward])
			continue;
		if (best < 0 ||
			(int64) counts[cell] * roster->needed_day[best / TEAMS] <
			(int64) counts[best] * roster->needed_day[ward])
			best = cell;
	}
	return best;
}

static void
plan_nurses(Roster *roster)
{
	const Workforce *workforce = roster->workforce;
	NurseRole  *roles = palloc(staff_role_count * sizeof(NurseRole));
	int		   *counts = palloc0(roster->wards->count * TEAMS * sizeof(int));
	int			n = 0;

	for (int role = 0; role < staff_role_count; role++)
	{
		int			width = scope_width(roster, role);

		if (!is_ward_nurse(&staff_roles[role]) || width == 0)
			continue;
		roles[n].role = role;
		roles[n++].width = width;
	}
	qsort(roles, n, sizeof(NurseRole), compare_nurse_roles);
	for (int r = 0; r < n; r++)
		for (int i = 0; i < workforce->post_count; i++)
		{
			int			cell;

			if (workforce->posts[i].role != roles[r].role)
				continue;
			cell = neediest_cell(roster, roles[r].role, counts);
			counts[cell]++;
			roster->posts[i].ward = (int16) (cell / TEAMS);
			roster->posts[i].phase = (cell % TEAMS) * 2;
		}
	pfree(roles);
	pfree(counts);
}

/* ---- calls ---- */

static CallTeam *
find_team(Roster *roster, const char *specialty)
{
	for (int i = 0; i < roster->team_count; i++)
		if (strcmp(roster->teams[i].specialty, specialty) == 0)
			return &roster->teams[i];
	return NULL;
}

/*
 * The department whose calls the doctors of a specialty share: where its
 * patients lie, when its own wards were merged into others'.
 */
static const char *
call_department(const Roster *roster, const char *specialty)
{
	const char *host = NULL;

	for (int plan = 0; plan < ward_plan_count; plan++)
	{
		const HospitalWard *ward = &roster->wards->wards[roster->wards->of_plan[plan]];

		if (strcmp(ward_plan[plan].department, specialty) != 0)
			continue;
		if (strcmp(ward->plan->department, specialty) == 0)
			return specialty;
		if (host == NULL)
			host = ward->plan->department;
	}
	return host != NULL ? host : specialty;
}

static CallTeam *
add_team(Roster *roster, const char *specialty, const char *group)
{
	CallTeam   *team = &roster->teams[roster->team_count++];

	memset(team, 0, sizeof(CallTeam));
	team->specialty = specialty;
	team->group = group;
	team->ward = -1;
	for (int ward = 0; ward < roster->wards->count && team->ward < 0; ward++)
		if (strcmp(roster->wards->wards[ward].plan->department, specialty) == 0)
			team->ward = ward;
	for (int i = 0; i < 4; i++)
		team->lists[i / 2][i % 2].posts = palloc(roster->workforce->post_count / 4 * sizeof(int));
	return team;
}

static int
team_doctors(const CallTeam *team)
{
	return team->lists[0][0].count + team->lists[0][1].count +
		team->lists[1][0].count + team->lists[1][1].count;
}

/* Every department with wards has a team, also one without doctors of its own. */
static void
plan_calls(Roster *roster)
{
	const Workforce *workforce = roster->workforce;
	const ReferenceTable *departments = reference_named("department_plan");
	CallTeam   *largest = NULL;

	roster->teams = palloc((departments->nrows + staff_role_count) * sizeof(CallTeam));
	for (int i = 0; i < departments->nrows; i++)
	{
		const char *code = reference_cell(departments, i, "department_code");

		if (strcmp(call_department(roster, code), code) == 0)
			add_team(roster, code, reference_cell(departments, i, "dept_group"));
	}
	for (int i = 0; i < workforce->post_count; i++)
	{
		const StaffRole *role = post_role(workforce, i);
		CallTeam   *team;
		CallList   *list;

		if (roster->posts[i].pattern != PATTERN_CALL || roster->posts[i].rotates)
			continue;
		team = find_team(roster, call_department(roster, role->specialty));
		if (team == NULL)
			team = add_team(roster, role->specialty, "");

		/* the doctors of a tier take the even and the odd days in turn */
		list = team->lists[strstr(role->role, "Specialist") != NULL];
		list = list[0].count <= list[1].count ? &list[0] : &list[1];
		list->posts[list->count++] = i;
	}
	for (int i = 0; i < roster->team_count; i++)
	{
		CallTeam   *team = &roster->teams[i];

		team->calls = 1 + team_doctors(team) / DOCTORS_PER_CALL;
		if (largest == NULL || (team->group[0] != '\0' &&
								team_doctors(team) > team_doctors(largest)))
			largest = team;
	}
	Assert(largest != NULL);	/* the smallest hospital has doctors on call */
	largest->large = true;
}

Roster *
roster_open(int beds, uint64 seed, DateADT start_date, DateADT until)
{
	Roster	   *roster = palloc0(sizeof(Roster));
	int			wards;
	int			posts;
	int			calls = 0;

	roster->workforce = workforce_build(beds, seed, start_date, until);
	roster->wards = wards_build(beds);
	roster->start_date = start_date;
	wards = roster->wards->count;
	posts = roster->workforce->post_count;

	roster->scope = palloc(staff_role_count * wards * sizeof(bool));
	for (int role = 0; role < staff_role_count; role++)
		for (int ward = 0; ward < wards; ward++)
			roster->scope[role * wards + ward] =
				ward_in_scope(roster->wards, ward, staff_roles[role].ward_scope,
							  staff_roles[role].department);
	roster->needed_day = palloc(wards * sizeof(int));
	roster->needed_night = palloc(wards * sizeof(int));
	for (int ward = 0; ward < wards; ward++)
	{
		roster->needed_day[ward] = roster->wards->wards[ward].nurses_day;
		roster->needed_night[ward] = roster->wards->wards[ward].nurses_night;
	}

	roster->posts = palloc0(posts * sizeof(RosterPost));
	plan_shifts(roster);
	plan_holidays(roster);
	plan_patterns(roster);
	plan_nurses(roster);
	plan_calls(roster);

	for (int i = 0; i < roster->team_count; i++)
		calls += roster->teams[i].calls;
	roster->calls = palloc(calls * sizeof(Call));
	roster->called_on = palloc(posts * sizeof(DateADT));
	for (int i = 0; i < posts; i++)
		roster->called_on[i] = NEVER_CALLED;
	roster->calls_of = NEVER_CALLED;
	roster->day = PG_INT32_MAX;
	roster->rows = palloc((posts + calls) * sizeof(RosterRow));
	roster->row_post = palloc((posts + calls) * sizeof(int));
	roster->work = palloc(3 * wards * sizeof(int));
	return roster;
}
