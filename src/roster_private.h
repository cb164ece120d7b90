/*
 * roster_private.h: what roster_plan.c sets up and roster.c works with.
 */
#ifndef HOSPITAL_ROSTER_PRIVATE_H
#define HOSPITAL_ROSTER_PRIVATE_H

#include "roster.h"

typedef enum Pattern
{
	PATTERN_WEEKDAY,
	PATTERN_CALL,
	PATTERN_INTERN,
	PATTERN_NURSE,
	PATTERN_CLERK,
	PATTERN_EMERGENCY,
	PATTERN_SUPPORT_ROUND,		/* early, late and night */
	PATTERN_SUPPORT_DAY			/* early and late */
} Pattern;

typedef struct Away
{
	DateADT		first;
	DateADT		last;			/* before first: not at all */
} Away;

#define AWAY_COUNT 5			/* two blocks of leave, three spells of sickness */
#define NEVER_CALLED PG_INT32_MIN

typedef struct RosterPost
{
	/* fixed */
	uint8		pattern;
	bool		professional;	/* a professional nurse */
	bool		rotates;		/* through the wards, some months each */
	int16		ward;			/* home ward, or -1 */
	int			phase;			/* place in the pattern */

	/* on the roster's day */
	int			place;			/* among the post's occupants */
	int			staff;			/* index, or -1: vacant */
	bool		away_today;

	/* absences of whom and when */
	int			away_staff;
	int			away_year;
	Away		away[AWAY_COUNT];
} RosterPost;

typedef struct CallList
{
	int			count;
	int		   *posts;
} CallList;

/* The doctors of one specialty, who share its nights. */
typedef struct CallTeam
{
	const char *specialty;
	const char *group;			/* of departments; "" outside them */
	int			ward;			/* where the call is, or -1 */
	int			calls;			/* a night */
	bool		large;			/* the specialty with most doctors */
	CallList	lists[2][2];	/* [specialists][day's parity] */
} CallTeam;

typedef struct Call
{
	int			post;
	int			ward;
} Call;

struct Roster
{
	Workforce  *workforce;
	WardList   *wards;
	DateADT		start_date;
	RosterPost *posts;
	bool	   *scope;			/* [role][ward] */
	int		   *needed_day;		/* [ward] nurses */
	int		   *needed_night;

	CallTeam   *teams;
	int			team_count;

	int64		shift_start[SHIFT_COUNT];	/* microseconds of the day */
	int64		shift_length[SHIFT_COUNT];
	bool		shift_overnight[SHIFT_COUNT];	/* ends on the next day */

	DateADT    *holidays;
	int			holiday_count;

	/* the day */
	DateADT		day;
	bool		working_day;
	DateADT		calls_of;		/* the day of calls[] */
	DateADT    *called_on;		/* [post] last day of a call */
	Call	   *calls;
	int			call_count;
	RosterRow  *rows;
	int		   *row_post;		/* [row] */
	int			row_count;
	int		   *work;			/* [3 * wards] */
};

#endif							/* HOSPITAL_ROSTER_PRIVATE_H */
