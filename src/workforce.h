/*
 * workforce.h: the establishment and who holds each post when.
 */
#ifndef HOSPITAL_WORKFORCE_H
#define HOSPITAL_WORKFORCE_H

#include "postgres.h"
#include "utils/date.h"

#include "reference_data.h"
#include "wards.h"

/*
 * A history of at most so many years: everybody in it is then born within a
 * century, and two digits of a year tell them apart.
 */
#define WORKFORCE_YEARS_MAX 50

typedef struct Post
{
	uint32		number;			/* role * 65536 + ordinal: the same whatever the size */
	int			role;			/* of staff_roles */
	int			ordinal;		/* within the role */
	int			churn;			/* within the category: its place in the rhythm of vacancies */
	int			first_staff;	/* its occupants in by_post, in order of time */
	int			staff_count;
} Post;

typedef struct StaffMember
{
	uint64		key;			/* of the person's random streams */
	int32		post;
	int32		replaces;		/* index of the previous occupant, or -1 */
	DateADT		born;
	DateADT		hired;			/* the first day of work */
	DateADT		retires;		/* 65th birthday */
	DateADT		leaves;			/* the first day not at work, however far ahead */
	bool		female;
} StaffMember;

typedef struct Workforce
{
	uint64		seed;
	DateADT		from;
	DateADT		until;
	int			post_count;
	Post	   *posts;
	int			staff_count;
	StaffMember *staff;			/* staff_id is the index plus one */
	int		   *by_post;		/* indexes of staff */
} Workforce;

/* ereport unless there can be such a history. */
extern void check_history(DateADT from, DateADT until);

/*
 * Who is employed on any day of [from, until], in CurrentMemoryContext.  A
 * later "until" adds people at the end and changes nobody before.
 */
extern Workforce *workforce_build(int beds, uint64 seed, DateADT from, DateADT until);

/* Does the post end with a term (of training), and did this occupant's? */
extern bool workforce_has_term(const Workforce *workforce, int staff);

static inline const StaffRole *
post_role(const Workforce *workforce, int post)
{
	return &staff_roles[workforce->posts[post].role];
}

#endif							/* HOSPITAL_WORKFORCE_H */
