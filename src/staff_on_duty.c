/*
 * staff_on_duty.c: which nurse and which doctor were there at a moment.
 *
 * The shifts that begin on the day, and those of the day before that go on
 * after midnight, by ward (nurses) and by department (doctors: that of their
 * post, else that of the ward they work in).  Before seven o'clock on the
 * hospital's first day no shift has begun; then it is somebody employed.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "calendar.h"
#include "casemix.h"
#include "hospital_time.h"
#include "staff_on_duty.h"

#define STEP_DAYS 366			/* the workforce is made so far ahead */

typedef struct Duty
{
	int32		staff;
	TimestampTz starts;
	TimestampTz ends;
} Duty;

typedef struct DutyList
{
	int			count;
	int			room;
	Duty	   *duties;
} DutyList;

struct OnDuty
{
	DaySpec		spec;
	MemoryContext roster_context;
	DateADT		until;			/* of the roster */
	Roster	   *roster;
	uint8	   *is_doctor;		/* [role] */
	uint8	   *is_nurse;
	int		   *role_department;	/* [role], -1: none */
	int		   *ward_department;	/* [ward] */
	int			wards;
	int			departments;
	DutyList   *nurses;			/* [ward], and one more for all */
	DutyList   *doctors;		/* [department], and one more for all */
	int			any_nurse;		/* employed */
	int			any_doctor;
};

static void
open_roster(OnDuty *duty, DateADT day)
{
	MemoryContext old;

	if (duty->roster != NULL && day + 1 <= duty->until)
		return;
	duty->roster = NULL;
	MemoryContextReset(duty->roster_context);
	old = MemoryContextSwitchTo(duty->roster_context);
	duty->until = Min(Max(day, duty->spec.start_date) + STEP_DAYS,
					  date_add_years(duty->spec.start_date, WORKFORCE_YEARS_MAX) - 1);
	duty->roster = roster_open(duty->spec.beds, (uint64) duty->spec.seed, duty->spec.start_date,
							   duty->until);
	MemoryContextSwitchTo(old);
}

static void
sort_roles(OnDuty *duty)
{
	duty->is_doctor = palloc0(staff_role_count);
	duty->is_nurse = palloc0(staff_role_count);
	duty->role_department = palloc(staff_role_count * sizeof(int));
	for (int i = 0; i < staff_role_count; i++)
	{
		duty->is_doctor[i] = strcmp(staff_roles[i].category, "medical") == 0;
		duty->is_nurse[i] = strcmp(staff_roles[i].category, "nursing") == 0;
		duty->role_department[i] = staff_roles[i].department == NULL ? -1 :
			department_number(staff_roles[i].department);
	}
}

OnDuty *
on_duty_open(const DaySpec *spec)
{
	OnDuty	   *duty = palloc0(sizeof(OnDuty));
	const WardList *wards;

	(void) casemix();
	duty->spec = *spec;
	duty->roster_context = AllocSetContextCreate(CurrentMemoryContext, "hospital roster",
												 ALLOCSET_DEFAULT_SIZES);
	sort_roles(duty);
	open_roster(duty, spec->start_date);
	wards = roster_wards(duty->roster);
	duty->wards = wards->count;
	duty->departments = casemix()->department_count;
	duty->ward_department = palloc(wards->count * sizeof(int));
	for (int i = 0; i < wards->count; i++)
		duty->ward_department[i] = department_number(wards->wards[i].plan->department);
	duty->nurses = palloc0((duty->wards + 1) * sizeof(DutyList));
	duty->doctors = palloc0((duty->departments + 1) * sizeof(DutyList));
	return duty;
}

const Workforce *
on_duty_workforce(const OnDuty *duty)
{
	return roster_workforce(duty->roster);
}

static void
add_duty(DutyList *list, const Duty *duty)
{
	if (list->count == list->room)
	{
		list->room = Max(list->room * 2, 32);
		list->duties = list->duties == NULL ? palloc(list->room * sizeof(Duty)) :
			repalloc(list->duties, list->room * sizeof(Duty));
	}
	list->duties[list->count++] = *duty;
}

/* The shifts that begin on a day, if they reach into the time from "from" on. */
static void
add_shifts(OnDuty *duty, DateADT day, TimestampTz from)
{
	const Workforce *workforce = roster_workforce(duty->roster);
	const RosterRow *rows;
	int			count = roster_day(duty->roster, day, &rows);

	for (int i = 0; i < count; i++)
	{
		int			role = workforce->posts[workforce->staff[rows[i].staff].post].role;
		Duty		d = {rows[i].staff, shift_starts(duty->roster, day, (ShiftCode) rows[i].shift),
		shift_ends(duty->roster, day, (ShiftCode) rows[i].shift)};
		int			department = duty->role_department[role];

		if (d.ends <= from)
			continue;
		if (duty->is_nurse[role] && rows[i].ward >= 0)
		{
			add_duty(&duty->nurses[rows[i].ward], &d);
			add_duty(&duty->nurses[duty->wards], &d);
		}
		if (!duty->is_doctor[role])
			continue;
		if (rows[i].ward >= 0 && (department < 0 || rows[i].shift == SHIFT_CALL24))
			department = duty->ward_department[rows[i].ward];
		if (department >= 0)
			add_duty(&duty->doctors[department], &d);
		add_duty(&duty->doctors[duty->departments], &d);
	}
}

/* Employed people, for the hours before the first shift. */
static void
find_anybody(OnDuty *duty, DateADT day)
{
	const Workforce *workforce = roster_workforce(duty->roster);

	duty->any_nurse = duty->any_doctor = 0;
	for (int i = workforce->staff_count - 1; i >= 0; i--)
	{
		const StaffMember *member = &workforce->staff[i];
		int			role = workforce->posts[member->post].role;

		if (member->hired > day || member->leaves <= day)
			continue;
		if (duty->is_nurse[role])
			duty->any_nurse = i;
		if (duty->is_doctor[role])
			duty->any_doctor = i;
	}
}

void
on_duty_day(OnDuty *duty, DateADT day)
{
	open_roster(duty, day);
	for (int i = 0; i <= duty->wards; i++)
		duty->nurses[i].count = 0;
	for (int i = 0; i <= duty->departments; i++)
		duty->doctors[i].count = 0;
	if (day > duty->spec.start_date)
		add_shifts(duty, day - 1, midnight_of(day));
	add_shifts(duty, day, midnight_of(day));
	find_anybody(duty, day);
}

/* One of those who are there; NULL when nobody is. */
static const Duty *
pick_duty(const DutyList *list, TimestampTz at, uint32 word)
{
	int			n = 0;
	int			chosen;

	for (int i = 0; i < list->count; i++)
		n += list->duties[i].starts <= at && at < list->duties[i].ends;
	if (n == 0)
		return NULL;
	chosen = (int) random_below(word, (uint32) n);
	for (int i = 0; i < list->count; i++)
		if (list->duties[i].starts <= at && at < list->duties[i].ends && chosen-- == 0)
			return &list->duties[i];
	return NULL;				/* not reached */
}

int64
on_duty_nurse(const OnDuty *duty, int ward, TimestampTz at, uint32 word)
{
	const Duty *d = ward < 0 ? NULL : pick_duty(&duty->nurses[ward], at, word);

	if (d == NULL)
		d = pick_duty(&duty->nurses[duty->wards], at, word);
	return (int64) (d == NULL ? duty->any_nurse : d->staff) + 1;
}

int64
on_duty_doctor(const OnDuty *duty, int department, TimestampTz at, uint32 word, TimestampTz *until)
{
	const Duty *d = department < 0 ? NULL : pick_duty(&duty->doctors[department], at, word);

	if (d == NULL)
		d = pick_duty(&duty->doctors[duty->departments], at, word);
	if (until != NULL)
		*until = d == NULL ? at + 8 * USECS_PER_HOUR : d->ends;
	return (int64) (d == NULL ? duty->any_doctor : d->staff) + 1;
}
