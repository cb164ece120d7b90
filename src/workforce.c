/*
 * workforce.c: the establishment and who holds each post when.
 *
 * A post alternates between being held and being vacant, in a rhythm of its
 * own that is a function of absolute time: it has a period T (one of a few,
 * from 8 to 60 years), is vacant for 14.5 percent of it, and the ends of every
 * vacancy are moved a little.  Over the posts of a category with the same T,
 * phases and moves are sequences of low discrepancy (multiples of the golden
 * ratio and of the plastic number, modulo 1), so that at any time 14.5 percent
 * of the posts of each category are vacant, with far less scatter than
 * independent posts would have, and from the first day on.
 *
 * While a post is held, one occupant follows another without a gap: somebody
 * who retires (on the 65th birthday) or whose term of training ends is
 * replaced on that day.  The last one leaves when the vacancy begins.  What
 * happens between two vacancies does not depend on what was before, so the
 * occupants of any years are found without replaying the years before them.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/datetime.h"

#include "calendar.h"
#include "compat.h"
#include "fixed.h"
#include "workforce.h"

#define VACANT_THOUSANDTHS 145
#define CHURN_CLASSES 8
#define VACANCY_PLAY 25			/* percent of a vacancy that its ends move by */
#define SHORTEST_STAY 90		/* days; for who is hired just before a vacancy */
#define OLDEST_HIRE 62
#define HIRE_YEARS 16
/* 2^32 / golden ratio; / p, / p^2, where p = 1.32471... is the root of x^3 = x + 1 */
#define SPREAD_PHASE UINT32_C(2654435769)
#define SPREAD_BEGIN UINT32_C(3242174889)
#define SPREAD_END UINT32_C(2447445414)

#define RETIREMENT_AGE_MAX 65

/*
 * Days between the beginnings of two vacancies of a post (8 to 60 years).  At
 * the mean rate 7 percent a year of those employed leave, and vacancies last
 * 2.4 years on average; with terms and retirements about 11 percent leave.
 * Estimate, after staff_turnover in volumes.csv.
 */
static const int churn_days[CHURN_CLASSES] = {
	2922, 3653, 4748, 6209, 8401, 10958, 15341, 21915
};

/* Years above the least age at which people are hired, by sixteenths. */
static const int hire_years[HIRE_YEARS + 1] = {
	0, 1, 2, 3, 5, 7, 9, 11, 13, 15, 17, 19, 22, 25, 28, 31, 35
};

/* Posts for training end after a term: years, and the oldest to begin. */
typedef struct Term
{
	const char *role;
	int			years;
	int			spread;			/* years above the least age */
} Term;

static const Term terms[] = {
	{"Medical Intern", 2, 4},
	{"Community Service Doctor", 1, 4},
	{"Community Service Nurse", 1, 6},
	{"Registrar", 5, 9},
};

void
check_history(DateADT from, DateADT until)
{
	const DateADT earliest = date2j(1970, 1, 1) - POSTGRES_EPOCH_JDATE;
	const DateADT latest = date2j(2100, 12, 31) - POSTGRES_EPOCH_JDATE;

	if (from < earliest || from > latest || until < earliest || until > latest)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a date of the hospital is out of range"),
				 errdetail("Dates must be between 1970-01-01 and 2100-12-31.")));
	if (until < from)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the last day is before the first"),
				 errhint("Give the earlier date first.")));
	if (until >= date_add_years(from, WORKFORCE_YEARS_MAX))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a hospital's history cannot be longer than %d years", WORKFORCE_YEARS_MAX),
				 errdetail("The staff of a longer one would be born a century apart, and identity numbers have two digits for the year."),
				 errhint("Choose a later first day or an earlier last one.")));
}

/* ---- the establishment ---- */

/* Posts of each role: the filled posts of the plan and the vacant ones. */
static int *
count_posts(int beds)
{
	int		   *posts = palloc0(staff_role_count * sizeof(int));
	int		   *weights = palloc(staff_role_count * sizeof(int));
	int		   *shares = palloc(staff_role_count * sizeof(int));
	bool	   *done = palloc0(staff_role_count * sizeof(bool));

	for (int first = 0; first < staff_role_count; first++)
	{
		const char *category = staff_roles[first].category;
		int64		headcount = 0;

		if (done[first])
			continue;
		for (int i = 0; i < staff_role_count; i++)
		{
			bool		member = strcmp(staff_roles[i].category, category) == 0;

			done[i] |= member;
			weights[i] = member ? staff_roles[i].headcount : 0;
			headcount += weights[i];
		}

		/* total / 1000 filled, of which 1000 - 145 in a thousand posts */
		apportion(staff_role_count, weights,
				  (int) ((headcount * beds + (1000 - VACANT_THOUSANDTHS) / 2) /
						 (1000 - VACANT_THOUSANDTHS)),
				  shares);
		for (int i = 0; i < staff_role_count; i++)
			posts[i] += shares[i];
	}

	/* there is one chief executive, whatever the size */
	for (int i = 0; i < staff_role_count; i++)
		if (staff_roles[i].headcount == 1)
			posts[i] = 1;
	pfree(weights);
	pfree(shares);
	pfree(done);
	return posts;
}

static void
build_posts(Workforce *workforce, int beds)
{
	int		   *counts = count_posts(beds);
	int			total = 0;

	for (int role = 0; role < staff_role_count; role++)
		total += counts[role];
	workforce->posts = palloc0(total * sizeof(Post));
	for (int role = 0; role < staff_role_count; role++)
	{
		int			churn = 0;

		for (int i = 0; i < role; i++)
			if (strcmp(staff_roles[i].category, staff_roles[role].category) == 0)
				churn += counts[i];
		for (int ordinal = 0; ordinal < counts[role]; ordinal++)
		{
			Post	   *post = &workforce->posts[workforce->post_count++];

			post->number = ((uint32) role << 16) | ordinal;
			post->role = role;
			post->ordinal = ordinal;
			post->churn = churn + ordinal;
		}
	}
	pfree(counts);
}

/* ---- the rhythm of a post ---- */

typedef struct Rhythm
{
	uint64		key;			/* of the category's posts with this period */
	uint64		seed;
	uint32		number;			/* of the post */
	uint32		place;			/* of the post among those */
	int			period;			/* days */
	int			vacant;
	int			offset;			/* of vacancy 0 */
} Rhythm;

static Rhythm
post_rhythm(const Workforce *workforce, const Post *post)
{
	int			class = post->churn % CHURN_CLASSES;
	Rhythm		rhythm;
	uint32		phase;

	rhythm.seed = workforce->seed;
	rhythm.key = ((uint64) (unsigned char) staff_roles[post->role].category[0] << 16) |
		((uint64) (unsigned char) staff_roles[post->role].category[1] << 8) | class;
	rhythm.number = post->number;
	rhythm.place = post->churn / CHURN_CLASSES;
	rhythm.period = churn_days[class];
	rhythm.vacant = rhythm.period * VACANT_THOUSANDTHS / 1000;
	phase = random_block(rhythm.seed, RANDOM_POST, rhythm.key, 0).v[2] +
		rhythm.place * SPREAD_PHASE;
	rhythm.offset = (int) (((uint64) phase * rhythm.period) >> 32);
	return rhythm;
}

/* Vacancy number n of the post (n may be negative). */
static void
vacancy(const Rhythm *rhythm, int n, DateADT *begins, DateADT *ends)
{
	RandomBlock random = random_block(rhythm->seed, RANDOM_POST, rhythm->key, (uint32) n);
	int			play = rhythm->vacant * VACANCY_PLAY / 100;
	int			nominal = n * rhythm->period + rhythm->offset;

	*begins = nominal - play +
		(int) random_below(random.v[0] + rhythm->place * SPREAD_BEGIN, 2 * play + 1);
	*ends = nominal + rhythm->vacant - play +
		(int) random_below(random.v[1] + rhythm->place * SPREAD_END, 2 * play + 1);
}

/* ---- the occupants ---- */

static const Term *
role_term(const StaffRole *role)
{
	for (int i = 0; i < (int) lengthof(terms); i++)
		if (strcmp(terms[i].role, role->role) == 0)
			return &terms[i];
	return NULL;
}

bool
workforce_has_term(const Workforce *workforce, int staff)
{
	return role_term(post_role(workforce, workforce->staff[staff].post)) != NULL;
}

/* Whole years of age of somebody who is hired. */
static int
age_when_hired(const StaffRole *role, const Term *term, uint32 word)
{
	uint64		position = (uint64) word * HIRE_YEARS;
	int			slot = (int) (position >> 32);
	int			low = hire_years[slot];
	int			years = low + random_below((uint32) position, hire_years[slot + 1] - low + 1);
	int			room = OLDEST_HIRE - role->min_start_age;

	if (term != NULL)
		return role->min_start_age + years * term->spread / hire_years[HIRE_YEARS];

	/* senior posts begin later and have fewer years to spread over */
	if (room < hire_years[HIRE_YEARS])
		years = years * room / hire_years[HIRE_YEARS];
	return role->min_start_age + years;
}

/* Terms end with the year: nearest to the full term. */
static DateADT
term_end(DateADT hired, const Term *term)
{
	int			year = date_year(hired + 183) + term->years;

	return date2j(year, 1, 1) - POSTGRES_EPOCH_JDATE;
}

static StaffMember
new_occupant(const Workforce *workforce, int post, uint64 key, DateADT hired)
{
	const StaffRole *role = post_role(workforce, post);
	RandomBlock random = random_block(workforce->seed, RANDOM_STAFF, key, 0);
	const Term *term = role_term(role);
	int			age = age_when_hired(role, term, random.v[1]);
	StaffMember member;

	member.key = key;
	member.post = post;
	member.replaces = -1;
	member.hired = hired;
	member.born = date_add_years(hired, -age) - (int) random_below(random.v[2], 365);
	member.retires = date_add_years(member.born, Min(role->retire_age, RETIREMENT_AGE_MAX));
	member.leaves = member.retires;
	if (term != NULL)
		member.leaves = Min(member.leaves, term_end(hired, term));
	member.female = random_chance(random.v[0], role->female);
	return member;
}

typedef struct StaffList
{
	StaffMember *members;
	int			count;
	int			room;
} StaffList;

static int
append_member(StaffList *list, const StaffMember *member)
{
	if (list->count == list->room)
	{
		list->room *= 2;
		list->members = repalloc_huge(list->members, mul_size(list->room, sizeof(StaffMember)));
	}
	list->members[list->count] = *member;
	return list->count++;
}

/*
 * The occupants between vacancy n and the next; "previous" is the index of
 * the last who is on the list, or -1.
 */
static int
occupy(const Workforce *workforce, const Rhythm *rhythm, int post, int n,
	   int previous, StaffList *list)
{
	DateADT		hired,
				vacant,
				unused;
	uint64		ordinal = 0;

	vacancy(rhythm, n, &unused, &hired);
	vacancy(rhythm, n + 1, &vacant, &unused);
	while (hired < vacant && hired <= workforce->until)
	{
		uint64		key = ((uint64) rhythm->number << 24) |
			((uint64) (n + 2048) << 12) | ordinal++;
		StaffMember member = new_occupant(workforce, post, key, hired);

		/* who retires on the very day the vacancy would begin is replaced too */
		if (member.leaves > vacant)
			member.leaves = vacant;
		else if (vacant - member.leaves < SHORTEST_STAY)
			vacant = member.leaves + SHORTEST_STAY;
		if (member.leaves > workforce->from)
		{
			member.replaces = previous;
			previous = append_member(list, &member);
		}
		hired = member.leaves;
	}
	return previous;
}

static StaffList
fill_posts(const Workforce *workforce)
{
	StaffList	list;

	list.count = 0;
	list.room = workforce->post_count + 64;
	list.members = palloc(list.room * sizeof(StaffMember));
	for (int post = 0; post < workforce->post_count; post++)
	{
		Rhythm		rhythm = post_rhythm(workforce, &workforce->posts[post]);
		int			previous = -1;

		/* the period before the one whose vacancy is next may still run */
		int			n = (workforce->from - rhythm.offset) / rhythm.period - 3;

		CHECK_FOR_INTERRUPTS();
		for (; n * rhythm.period + rhythm.offset <= workforce->until; n++)
			previous = occupy(workforce, &rhythm, post, n, previous, &list);
	}
	return list;
}

/* ---- the order of staff_id ---- */

typedef struct Rank
{
	DateADT		hired;			/* PG_INT32_MIN: there from the start */
	int32		index;			/* in order of post and time */
} Rank;

static int
compare_ranks(const void *a, const void *b)
{
	const Rank *x = a;
	const Rank *y = b;

	if (x->hired != y->hired)
		return x->hired < y->hired ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* Number the staff by their first day, so that a longer history only adds. */
static void
number_staff(Workforce *workforce, const StaffList *list)
{
	Rank	   *ranks = palloc_extended(mul_size(list->count, sizeof(Rank)), MCXT_ALLOC_HUGE);
	int		   *number = palloc_extended(mul_size(list->count, sizeof(int)), MCXT_ALLOC_HUGE);

	for (int i = 0; i < list->count; i++)
	{
		DateADT		hired = list->members[i].hired;

		ranks[i].hired = hired < workforce->from ? PG_INT32_MIN : hired;
		ranks[i].index = i;
	}
	qsort(ranks, list->count, sizeof(Rank), compare_ranks);
	for (int i = 0; i < list->count; i++)
		number[ranks[i].index] = i;

	workforce->staff_count = list->count;
	workforce->staff = palloc_extended(mul_size(list->count, sizeof(StaffMember)),
									   MCXT_ALLOC_HUGE);
	for (int i = 0; i < list->count; i++)
	{
		const StaffMember *member = &list->members[i];
		Post	   *post = &workforce->posts[member->post];
		StaffMember *place = &workforce->staff[number[i]];

		*place = *member;
		if (member->replaces >= 0)
			place->replaces = number[member->replaces];
		if (post->staff_count++ == 0)
			post->first_staff = i;
	}

	/* the list was made post by post */
	workforce->by_post = number;
	pfree(ranks);
}

Workforce *
workforce_build(int beds, uint64 seed, DateADT from, DateADT until)
{
	Workforce  *workforce;
	StaffList	list;

	check_beds(beds);
	check_history(from, until);
	workforce = palloc0(sizeof(Workforce));
	workforce->seed = seed;
	workforce->from = from;
	workforce->until = until;
	build_posts(workforce, beds);
	list = fill_posts(workforce);
	number_staff(workforce, &list);
	pfree(list.members);
	return workforce;
}
