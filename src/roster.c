/*
 * roster.c: who works which shift in which ward.
 *
 * Every post has a fixed pattern, a function of the day's number, so that any
 * day can be made alone and is the same whatever window is asked for.  That
 * nobody works twice at once, and that eleven hours lie between two shifts,
 * follows from the patterns and not from bookkeeping:
 *
 *	12-hour nurses, clerks and support: day day night night, four days off;
 *	four teams two days apart, so one team is on by day and one by night.
 *	8-hour support: early early late late night night, two off; or early
 *	three times, late three times, two off.
 *	Emergency doctors: day day late night night, five off.
 *	Weekday staff: Monday to Friday, not on public holidays.
 *	Doctors on call: a doctor can be called on every second day only (even
 *	and odd doctors), and does not work on the day after a call, which ends at
 *	09:30.  So whoever is chosen for a night, nobody has calls on two
 *	successive days and the choice of a night needs no other night.
 *	Interns: a call every sixth day, and the day after off.
 *
 * Leave (two blocks a year, 35 calendar days with 25 weekdays) and sickness are
 * drawn for each person and year.  Nobody is called in from off days: a ward
 * that is left without a professional nurse, or with too few nurses, gets one
 * of the same team, who is at work anyway, from a ward that has more than it
 * needs; one whose scope has the ward if possible, and a general one if not.
 *
 * A shift that ends on the next day is worked only by those who are still
 * employed, and below 65, on that day.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/datetime.h"

#include "calendar.h"
#include "hospital_time.h"
#include "roster.h"
#include "roster_private.h"

#define ROTATION_DAYS 8
#define EMERGENCY_DAYS 10
#define INTERN_CALL_DAYS 6
#define ROTATION_MONTHS 4		/* of doctors who rotate through the wards */

static const char *const shift_names[SHIFT_COUNT] = {
	"N12D", "N12N", "D8", "D8CALL", "CALL24", "ED12D", "ED12N", "ED12L",
	"S8A", "S8B", "S8C", "C12D", "C12N"
};

const char *
shift_name(ShiftCode shift)
{
	return shift_names[shift];
}

const Workforce *
roster_workforce(const Roster *roster)
{
	return roster->workforce;
}

const WardList *
roster_wards(const Roster *roster)
{
	return roster->wards;
}

TimestampTz
shift_starts(const Roster *roster, DateADT day, ShiftCode shift)
{
	return midnight_of(day) + roster->shift_start[shift];
}

TimestampTz
shift_ends(const Roster *roster, DateADT day, ShiftCode shift)
{
	return shift_starts(roster, day, shift) + roster->shift_length[shift];
}

static inline int
modulo(int a, int b)
{
	int			m = a % b;

	return m < 0 ? m + b : m;
}

/* ---- who is there ---- */

/* Days of leave and sickness of the post's occupant in a year. */
static void
draw_absences(Roster *roster, RosterPost *post, int year)
{
	const StaffMember *member = &roster->workforce->staff[post->staff];
	static const uint8 sick_days[8] = {1, 1, 1, 2, 2, 3, 3, 5};
	RandomBlock leave = random_block(roster->workforce->seed, RANDOM_ROSTER, member->key,
									 (uint32) year * 2);
	RandomBlock sick = random_block(roster->workforce->seed, RANDOM_ROSTER, member->key,
									(uint32) year * 2 + 1);
	DateADT		first = date2j(year, 1, 1) - POSTGRES_EPOCH_JDATE;

	/* three weeks in one half of the year, two in the other */
	int			half = leave.v[2] & 1;

	post->away[0].first = first + random_below(leave.v[0], 182 - 21) + (half ? 182 : 0);
	post->away[0].last = post->away[0].first + 20;
	post->away[1].first = first + random_below(leave.v[1], 182 - 14) + (half ? 0 : 182);
	post->away[1].last = post->away[1].first + 13;
	for (int i = 0; i < 3; i++)
	{
		uint32		draw = leave.v[3] >> (8 * i);
		Away	   *spell = &post->away[2 + i];

		spell->first = first + 121 * i + random_below(sick.v[i], 116);
		spell->last = spell->first - 1 + ((draw & 0xF8) < 0xB0 ? sick_days[draw & 7] : 0);
	}
	post->away_staff = post->staff;
	post->away_year = year;
}

/* Bring every post's occupant and absences to the day. */
static void
roster_move(Roster *roster, DateADT day)
{
	const Workforce *workforce = roster->workforce;
	int			year = date_year(day);

	CHECK_FOR_INTERRUPTS();
	for (int i = 0; i < workforce->post_count; i++)
	{
		const Post *p = &workforce->posts[i];
		RosterPost *post = &roster->posts[i];
		int			place = day < roster->day ? 0 : post->place;

		while (place < p->staff_count &&
			   workforce->staff[workforce->by_post[p->first_staff + place]].leaves <= day)
			place++;
		post->place = place;
		post->staff = -1;
		post->away_today = false;
		if (place < p->staff_count)
		{
			int			staff = workforce->by_post[p->first_staff + place];

			if (workforce->staff[staff].hired <= day)
				post->staff = staff;
		}
		if (post->staff < 0)
			continue;
		if (post->away_staff != post->staff || post->away_year != year)
			draw_absences(roster, post, year);
		for (int a = 0; a < AWAY_COUNT; a++)
			if (day >= post->away[a].first && day <= post->away[a].last)
				post->away_today = true;
	}
	roster->day = day;
}

/* At work on the roster's day, and still employed when the shift ends. */
static inline bool
can_work(const Roster *roster, const RosterPost *post, ShiftCode shift)
{
	if (post->staff < 0 || post->away_today)
		return false;
	return !roster->shift_overnight[shift] ||
		roster->workforce->staff[post->staff].leaves > roster->day + 1;
}

static bool
is_working_day(const Roster *roster, DateADT day)
{
	int			weekday = j2day(day + POSTGRES_EPOCH_JDATE);

	if (weekday == 0 || weekday == 6)
		return false;
	for (int i = 0; i < roster->holiday_count; i++)
		if (roster->holidays[i] == day)
			return false;
	return true;
}

/* ---- the patterns ---- */

static ShiftCode
pattern_shift(const Roster *roster, const RosterPost *post)
{
	static const uint8 emergency[EMERGENCY_DAYS] = {
		SHIFT_ED12D, SHIFT_ED12D, SHIFT_ED12L, SHIFT_ED12N, SHIFT_ED12N,
		SHIFT_NONE, SHIFT_NONE, SHIFT_NONE, SHIFT_NONE, SHIFT_NONE
	};
	static const uint8 support[2][ROTATION_DAYS] = {
		{SHIFT_S8A, SHIFT_S8A, SHIFT_S8B, SHIFT_S8B, SHIFT_S8C, SHIFT_S8C, SHIFT_NONE, SHIFT_NONE},
		{SHIFT_S8A, SHIFT_S8A, SHIFT_S8A, SHIFT_S8B, SHIFT_S8B, SHIFT_S8B, SHIFT_NONE, SHIFT_NONE}
	};
	int			turn = modulo(roster->day + post->phase, ROTATION_DAYS);

	switch (post->pattern)
	{
		case PATTERN_NURSE:
			return turn < 2 ? SHIFT_N12D : turn < 4 ? SHIFT_N12N : SHIFT_NONE;
		case PATTERN_CLERK:
			return turn < 2 ? SHIFT_C12D : turn < 4 ? SHIFT_C12N : SHIFT_NONE;
		case PATTERN_SUPPORT_ROUND:
			return support[0][turn];
		case PATTERN_SUPPORT_DAY:
			return support[1][turn];
		case PATTERN_EMERGENCY:
			return emergency[modulo(roster->day + post->phase, EMERGENCY_DAYS)];
		case PATTERN_INTERN:
			turn = modulo(roster->day + post->phase, INTERN_CALL_DAYS);
			if (turn == 0)
				return SHIFT_CALL24;
			return turn != 1 && roster->working_day ? SHIFT_D8 : SHIFT_NONE;
		case PATTERN_CALL:
			return roster->working_day ? SHIFT_D8CALL : SHIFT_NONE;
		default:
			return roster->working_day ? SHIFT_D8 : SHIFT_NONE;
	}
}

/* The ward of a doctor in training, who moves on every few months. */
static int
rotation_ward(const Roster *roster, const RosterPost *post)
{
	int			year,
				month,
				day;

	j2date(roster->day + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	return modulo(post->phase * 5 + (year * 12 + month - 1) / ROTATION_MONTHS * 7,
				  roster->wards->count);
}

static void
add_row(Roster *roster, int post, int ward, ShiftCode shift)
{
	RosterRow  *row = &roster->rows[roster->row_count++];

	row->staff = roster->posts[post].staff;
	row->ward = (int16) ward;
	row->shift = (uint8) shift;
	row->professional = roster->posts[post].professional;
	row->next = -1;
	roster->row_post[roster->row_count - 1] = post;
}

static void
add_pattern_rows(Roster *roster)
{
	for (int i = 0; i < roster->workforce->post_count; i++)
	{
		const RosterPost *post = &roster->posts[i];
		ShiftCode	shift;

		if (post->staff < 0 || post->away_today)
			continue;
		shift = pattern_shift(roster, post);
		if (shift == SHIFT_NONE || !can_work(roster, post, shift))
			continue;
		if (post->pattern == PATTERN_CALL &&
			(roster->called_on[i] == roster->day || roster->called_on[i] == roster->day - 1))
			continue;
		add_row(roster, i, post->rotates ? rotation_ward(roster, post) : post->ward, shift);
	}
}

/* ---- calls ---- */

/* The first doctor of the list who can take the call, from "begin" on. */
static int
find_doctor(const Roster *roster, const CallTeam *team, int tier, uint32 begin)
{
	const CallList *list = &team->lists[tier][roster->day & 1];

	for (int i = 0; i < list->count; i++)
	{
		int			post = list->posts[(begin + i) % list->count];

		if (roster->called_on[post] != roster->day &&
			can_work(roster, &roster->posts[post], SHIFT_CALL24))
			return post;
	}
	return -1;
}

/* Of this department: those in training and officers before specialists. */
static int
find_own_doctor(const Roster *roster, const CallTeam *team, uint32 begin)
{
	int			post = find_doctor(roster, team, 0, begin);

	return post >= 0 ? post : find_doctor(roster, team, 1, begin);
}

/* Own department, then its group, then the large one, then whoever there is. */
static int
choose_doctor(const Roster *roster, const CallTeam *team, uint32 begin)
{
	int			post = find_own_doctor(roster, team, begin);

	for (int merit = 2; post < 0 && merit >= 0; merit--)
		for (int i = 0; post < 0 && i < roster->team_count; i++)
		{
			const CallTeam *other = &roster->teams[i];
			bool		fits = merit == 2 ? strcmp(other->group, team->group) == 0 :
				merit == 1 ? other->large : true;

			if (fits && team->group[0] != '\0')
				post = find_own_doctor(roster, other, begin);
		}
	return post;
}

/*
 * Who is on call on the roster's day: depends on that day alone, so the day
 * after can learn who must rest.
 */
static void
assign_calls(Roster *roster)
{
	roster->call_count = 0;
	for (int i = 0; i < roster->workforce->post_count; i++)
		if (roster->called_on[i] >= roster->day)
			roster->called_on[i] = NEVER_CALLED;
	for (int t = 0; t < roster->team_count; t++)
	{
		const CallTeam *team = &roster->teams[t];
		uint32		begin = (uint32) (roster->day >> 1) * (uint32) team->calls;

		for (int c = 0; c < team->calls; c++)
		{
			int			post = c == 0 ? choose_doctor(roster, team, begin) :
				find_own_doctor(roster, team, begin + c);

			if (post < 0)
				continue;
			roster->called_on[post] = roster->day;
			roster->calls[roster->call_count].post = post;
			roster->calls[roster->call_count++].ward = team->ward;
		}
	}
}

/* ---- nurses from ward to ward ---- */

typedef struct Float
{
	Roster	   *roster;
	const int  *needed;			/* [ward] */
	int		   *total;			/* [ward] nurses on the shift */
	int		   *professional;	/* [ward] of them professional */
	int		   *head;			/* [ward] first row, chained by next */
} Float;

static inline bool
in_scope(const Roster *roster, int row, int ward)
{
	int			role = roster->workforce->posts[roster->row_post[row]].role;

	return roster->scope[role * roster->wards->count + ward];
}

/* A nurse whom "from" can spare for "ward": its row, or -1. */
static int
spare_nurse(const Float *f, int from, int ward, bool professional, bool any_scope)
{
	for (int row = f->head[from]; row >= 0; row = f->roster->rows[row].next)
	{
		const RosterRow *r = &f->roster->rows[row];

		if (professional && !r->professional)
			continue;
		if (r->professional && f->professional[from] < 2)
			continue;
		if (any_scope || in_scope(f->roster, row, ward))
			return row;
	}
	return -1;
}

static void
move_nurse(Float *f, int row, int from, int to)
{
	RosterRow  *rows = f->roster->rows;
	int		   *link = &f->head[from];

	while (*link != row)
		link = &rows[*link].next;
	*link = rows[row].next;
	rows[row].next = f->head[to];
	f->head[to] = row;
	rows[row].ward = (int16) to;
	f->total[from]--;
	f->total[to]++;
	f->professional[from] -= rows[row].professional;
	f->professional[to] += rows[row].professional;
}

/* Would "from", without one nurse, still be no worse off than "to" with one more? */
static inline bool
can_share(const Float *f, int from, int to)
{
	return (int64) (f->total[from] - 1) * f->needed[to] >=
		(int64) (f->total[to] + 1) * f->needed[from];
}

/*
 * Bring one nurse to the ward, from the ward that has most to spare; wards
 * that are all short share the shortage.  A professional nurse, of whom there
 * must be one, is brought whatever the other ward lacks.
 */
static bool
bring_nurse(Float *f, int ward, bool professional, bool any_scope)
{
	int			best = -1;
	int			best_row = -1;

	for (int from = 0; from < f->roster->wards->count; from++)
	{
		int			surplus = f->total[from] - f->needed[from];
		int			row;

		if (from == ward || (!professional && surplus <= 0 && !can_share(f, from, ward)))
			continue;
		if (best >= 0 && surplus <= f->total[best] - f->needed[best])
			continue;
		row = spare_nurse(f, from, ward, professional, any_scope);
		if (row >= 0)
		{
			best = from;
			best_row = row;
		}
	}
	if (best < 0)
		return false;
	move_nurse(f, best_row, best, ward);
	return true;
}

static void
float_nurses(Roster *roster, ShiftCode shift)
{
	int			wards = roster->wards->count;
	Float		f;

	f.roster = roster;
	f.needed = shift == SHIFT_N12D ? roster->needed_day : roster->needed_night;
	f.total = roster->work;
	f.professional = roster->work + wards;
	f.head = roster->work + 2 * wards;
	memset(f.total, 0, 2 * wards * sizeof(int));
	memset(f.head, -1, wards * sizeof(int));
	for (int row = roster->row_count - 1; row >= 0; row--)
	{
		RosterRow  *r = &roster->rows[row];

		if (r->shift != shift || r->ward < 0)
			continue;
		r->next = f.head[r->ward];
		f.head[r->ward] = row;
		f.total[r->ward]++;
		f.professional[r->ward] += r->professional;
	}
	for (int ward = 0; ward < wards; ward++)
		if (f.professional[ward] == 0 && !bring_nurse(&f, ward, true, false))
			bring_nurse(&f, ward, true, true);
	for (int ward = 0; ward < wards; ward++)
		while (f.total[ward] < f.needed[ward] && bring_nurse(&f, ward, false, false))
			;
}

int
roster_day(Roster *roster, DateADT day, const RosterRow **rows)
{
	/* who was on call the night before, for their rest */
	if (roster->calls_of != day - 1 && day > roster->start_date)
	{
		roster_move(roster, day - 1);
		assign_calls(roster);
	}
	roster_move(roster, day);
	roster->working_day = is_working_day(roster, day);
	assign_calls(roster);
	roster->calls_of = day;

	roster->row_count = 0;
	add_pattern_rows(roster);
	float_nurses(roster, SHIFT_N12D);
	float_nurses(roster, SHIFT_N12N);
	for (int i = 0; i < roster->call_count; i++)
		add_row(roster, roster->calls[i].post, roster->calls[i].ward, SHIFT_CALL24);
	*rows = roster->rows;
	return roster->row_count;
}
