/*
 * patients.c: who comes with a diagnosis, and what is true of a patient.
 *
 * What is remembered of the people met so far is what later days depend on: who
 * is dead, who is an inpatient, when somebody of the pool was first seen (two
 * bytes a person), and the latest newcomers, that is people who are not of the
 * pool, of whom some children come again.  Newcomers get an identity number's
 * rank by counting those of their birth date and sex.
 */
#include "postgres.h"

#include "utils/datetime.h"
#include "utils/memutils.h"

#include "calendar.h"
#include "patients.h"

#define BETWEEN_BIRTHS 330		/* days */
#define PERINATAL_DAYS 60		/* after birth; a course of clinic visits goes on */
#define PICK_ATTEMPTS 12
#define KNOWN_MIN 262144			/* newcomers remembered: more than can be here or come again */
#define KNOWN_PER_BED 160
#define CHILDREN 16384			/* of the latest newcomers, children are asked to come again */
#define COME_AGAIN 450000		/* millionths */
#define RANK_DAYS (100 * 12 * 31)	/* birth dates as an identity number has them: YYMMDD */
#define RANKS_OF_OUTSIDERS (ID_RANK_STAFF - ID_RANK_OUTSIDER)
#define RANKS_OF_NEWBORNS (ID_RANK_OUTSIDER - ID_RANK_NEWBORN)

typedef struct PersonEntry
{
	int64		person;
	DateADT		day;			/* of a delivery */
	char		status;
} PersonEntry;

#define SH_PREFIX persons
#define SH_ELEMENT_TYPE PersonEntry
#define SH_KEY_TYPE int64
#define SH_KEY person
#define SH_HASH_KEY(tb, key) ((uint32) mix64((uint64) (key)))
#define SH_EQUAL(tb, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE

#include "lib/simplehash.h"

struct Patients
{
	DaySpec		spec;
	PopulationSpec population;
	DateADT		day;
	persons_hash *dead;
	persons_hash *inside;		/* inpatients */
	persons_hash *today;		/* who have come today */
	persons_hash *mothers;		/* who have given birth, and when last */
	persons_hash *hiv;			/* who came with it */
	uint16	   *first_seen;		/* [person of the pool], days from the first, plus one */
	uint8	   *ranks;			/* [birth date][sex] of outsiders */
	int			newcomers;		/* of the day */
	int			births[2];		/* of the day, by sex */
	int64		known_count;	/* all of them; the last known_max are kept */
	int64		known_max;
	RegistrationPlan *known;	/* [count mod known_max], in order of id */
	int			count;			/* the day's registrations */
	int			room;
	RegistrationPlan *list;
};

int
age_on(DateADT born, DateADT day)
{
	int			years = (int) (((int64) (day - born) * 400) / 146097);

	/* the estimate is right or one too low or high around a birthday */
	while (date_add_years(born, years + 1) <= day)
		years++;
	while (years > 0 && date_add_years(born, years) > day)
		years--;
	return years;
}

Patients *
patients_open(const DaySpec *spec)
{
	Patients   *p = palloc0(sizeof(Patients));

	p->spec = *spec;
	p->population.seed = (uint64) spec->seed;
	p->population.as_of = spec->start_date;
	p->population.marked = spec->marked;
	p->dead = persons_create(CurrentMemoryContext, 4096, NULL);
	p->inside = persons_create(CurrentMemoryContext, 2048, NULL);
	p->today = persons_create(CurrentMemoryContext, 4096, NULL);
	p->mothers = persons_create(CurrentMemoryContext, 4096, NULL);
	p->hiv = persons_create(CurrentMemoryContext, 4096, NULL);
	p->first_seen = MemoryContextAllocExtended(CurrentMemoryContext, (spec->people + 1) * sizeof(uint16),
											   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	p->ranks = palloc0(RANK_DAYS * 2);
	p->known_max = Max(KNOWN_MIN, (int64) spec->beds * KNOWN_PER_BED);
	p->known = MemoryContextAllocHuge(CurrentMemoryContext, p->known_max * sizeof(RegistrationPlan));
	p->room = 1024;
	p->list = palloc(p->room * sizeof(RegistrationPlan));
	return p;
}

void
patients_new_day(Patients *p, DateADT day)
{
	p->day = day;
	p->newcomers = 0;
	p->births[0] = p->births[1] = 0;
	p->count = 0;
	persons_reset(p->today);
}

static bool
is_in(persons_hash *set, int64 person)
{
	return persons_lookup(set, person) != NULL;
}

static void
put_in(persons_hash *set, int64 person)
{
	bool		found;

	(void) persons_insert(set, person, &found);
}

bool
patients_dead(const Patients *p, int64 person)
{
	return is_in(p->dead, person);
}

bool
patients_free(const Patients *p, int64 person)
{
	return !is_in(p->dead, person) && !is_in(p->inside, person) && !is_in(p->today, person);
}

void
patients_delivered(Patients *p, int64 person)
{
	bool		found;

	persons_insert(p->mothers, person, &found)->day = p->day;
}

bool
patients_may_deliver(const Patients *p, int64 person)
{
	const PersonEntry *entry = persons_lookup(p->mothers, person);

	return entry == NULL || p->day - entry->day > BETWEEN_BIRTHS;
}

bool
patients_may_have(const Patients *p, const CaseCode *code, int64 person)
{
	return (code->flags & (CASE_PREGNANCY | CASE_POSTPARTUM)) != CASE_PREGNANCY ||
		patients_may_deliver(p, person);
}

/* ---- registrations ---- */

static RegistrationPlan *
new_registration(Patients *p, const Person *person)
{
	RegistrationPlan *r;

	if (p->count == p->room)
	{
		p->room *= 2;
		p->list = repalloc(p->list, p->room * sizeof(RegistrationPlan));
	}
	r = &p->list[p->count++];
	memset(r, 0, sizeof(*r));
	r->person = *person;
	return r;
}

int
patients_registrations(const Patients *p, RegistrationPlan **list)
{
	*list = p->list;
	return p->count;
}

static bool
is_of_pool(const Patients *p, int64 person)
{
	return person <= p->spec.people;
}

/* The next free rank of the birth date and sex; -1: none is left. */
static int
outsider_rank(Patients *p, DateADT born, bool female)
{
	int			year,
				month,
				day,
				index;

	j2date(born + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	index = (((year % 100) * 12 + month - 1) * 31 + day - 1) * 2 + female;
	if (p->ranks[index] >= RANKS_OF_OUTSIDERS)
		return -1;
	return ID_RANK_OUTSIDER + p->ranks[index]++;
}

/* Number "n" of the newcomers that are remembered. */
static RegistrationPlan *
known_newcomer(const Patients *p, int64 n)
{
	return &p->known[n % p->known_max];
}

static RegistrationPlan *
find_newcomer(const Patients *p, int64 person)
{
	int64		low = Max(p->known_count - p->known_max, 0);
	int64		high = p->known_count - 1;

	while (low <= high)
	{
		int64		middle = (low + high) / 2;
		RegistrationPlan *r = known_newcomer(p, middle);

		if (r->person.id == person)
			return r;
		if (r->person.id < person)
			low = middle + 1;
		else
			high = middle - 1;
	}
	elog(ERROR, "patient " INT64_FORMAT " has been forgotten", person);
	return NULL;				/* not reached */
}

/* Somebody new; the person's id is set here. */
static void
add_newcomer(Patients *p, Person *person, bool outside, int64 family, int rank, uint8 origin)
{
	RegistrationPlan *r;

	if (p->newcomers >= NEWCOMER_ID_STEP - 1)
		elog(ERROR, "too many newcomers in a day");
	person->id = NEWCOMER_ID_BASE + (int64) p->day * NEWCOMER_ID_STEP + ++p->newcomers;
	r = new_registration(p, person);
	r->first_seen = p->day;
	r->origin = origin;
	r->has_newcomer = true;
	r->newcomer.person_id = person->id;
	r->newcomer.born = person->born;
	r->newcomer.female = person->female;
	r->newcomer.outside = outside;
	r->newcomer.family = family;
	r->newcomer.rank = rank;
	*known_newcomer(p, p->known_count++) = *r;
}

void
patients_arrive(Patients *p, const Person *person)
{
	put_in(p->today, person->id);
	if (is_of_pool(p, person->id) && p->first_seen[person->id] == 0)
	{
		RegistrationPlan *r = new_registration(p, person);

		p->first_seen[person->id] = (uint16) (p->day - p->spec.start_date + 1);
		r->first_seen = p->day;
	}
}

void
patients_admitted(Patients *p, int64 person)
{
	put_in(p->inside, person);
}

void
patients_left(Patients *p, int64 person)
{
	(void) persons_delete(p->inside, person);
}

void
patients_died(Patients *p, const Person *person, TimestampTz at)
{
	RegistrationPlan *r;

	put_in(p->dead, person->id);
	(void) persons_delete(p->inside, person->id);
	r = new_registration(p, person);
	if (is_of_pool(p, person->id))
		r->first_seen = p->spec.start_date + p->first_seen[person->id] - 1;
	else
		*r = *find_newcomer(p, person->id);
	r->died = at;
}

void
patients_born(Patients *p, const Person *mother, bool female, Person *child)
{
	int			rank = p->births[female]++;

	child->born = p->day;
	child->female = female;
	add_newcomer(p, child, !is_of_pool(p, mother->id) && find_newcomer(p, mother->id)->newcomer.outside,
				 mother->id,
				 rank < RANKS_OF_NEWBORNS ? ID_RANK_NEWBORN + rank : -1, 1);
	put_in(p->today, child->id);
}

/* ---- who comes ---- */

static bool
draw_female(const CaseCode *code, Dice *d)
{
	return code->sex == 'F' || (code->sex == 'B' && !dice_ppm(d, code->male));
}

/* Five years of age of a mother: recorded live births, Stats SA P0305, 2020. */
static void
draw_mothers_age(Dice *d, int *first, int *last)
{
	static const uint32 upto[] = {4, 94, 334, 594, 814, 949, 994, 1000};	/* from 10-14 on */
	uint32		draw = dice_below(d, 1000);
	int			group = 0;

	while (draw >= upto[group])
		group++;
	*first = 10 + 5 * group;
	*last = *first + 4;
}

/* Births that the code's limits and a drawn age group allow. */
static void
draw_ages(const CaseCode *code, DateADT day, Dice *d, DateADT *born_from, DateADT *born_until)
{
	int			first;
	int			last;

	if (code->flags & CASE_PREGNANCY)
		draw_mothers_age(d, &first, &last);
	else
	{
		uint32		draw = dice_below(d, code->ages[AGE_GROUPS - 1]);
		int			group = 0;

		while (draw >= code->ages[group])
			group++;
		first = age_group_first[group];
		last = age_group_first[group + 1] - 1;
	}
	first = Max(first, code->min_age);
	last = Min(last, Max(code->max_age, code->min_age));
	if (last < first)
		last = first;
	*born_from = date_add_years(day, -(last + 1)) + 1;
	*born_until = date_add_years(day, -first);
	if (code->flags & CASE_PERINATAL)
		*born_from = Max(*born_from, day - PERINATAL_DAYS);

	/* who is born on 29 February has the birthday on the 28th */
	while (age_on(*born_from, day) > last)
		(*born_from)++;

	/* the first four weeks are the newborns' */
	if (first == 0 && !(code->flags & CASE_PERINATAL))
		*born_until = day - 28;
}

/* A child met before, of the right age and sex; false: none was found. */
static bool
pick_child(const Patients *p, const CaseCode *code, bool female, DateADT from, DateADT until, Dice *d,
		   Person *person)
{
	int64		kept = Min(p->known_count, CHILDREN);

	for (int i = 0; i < 8 && kept > 0; i++)
	{
		const RegistrationPlan *r = known_newcomer(p, p->known_count - 1 - dice_below(d, (uint32) kept));

		if (r->person.female != female || r->person.born < from || r->person.born > until ||
			r->newcomer.outside || !patients_free(p, r->person.id) ||
			!patients_may_have(p, code, r->person.id))
			continue;
		*person = r->person;
		return true;
	}
	return false;
}

static void
new_patient(Patients *p, bool female, DateADT from, DateADT until, bool outside, Dice *d,
			Person *person)
{
	person->born = from + (DateADT) dice_below(d, (uint32) (until - from + 1));
	person->female = female;
	add_newcomer(p, person, outside, 0, outsider_rank(p, person->born, female), outside ? 3 : 2);
}

static bool
pick_of_pool(const Patients *p, bool female, DateADT from, DateADT until, Dice *d, Person *person)
{
	for (int i = 0; i < 3; i++)
	{
		person->id = population_pick(&p->population, p->spec.people, female, from, until, d,
									 &person->born);
		person->female = female;
		if (person->id == 0)
			return false;
		if (dice_word(d) < population_uninsured(&p->population, person->id))
			return true;
	}
	return true;
}

void
patients_pick(Patients *p, const CaseCode *code, uint32 outside, Dice *d, Person *person,
			  bool *from_outside)
{
	*from_outside = false;
	for (int i = 0; i < PICK_ATTEMPTS; i++)
	{
		bool		female = draw_female(code, d);
		bool		last = i == PICK_ATTEMPTS - 1;
		DateADT		from,
					until;

		draw_ages(code, p->day, d, &from, &until);
		if (last || dice_ppm(d, outside))
		{
			*from_outside = true;
			new_patient(p, female, from, until, true, d, person);
			put_in(p->today, person->id);
			return;
		}

		/* those born since the first day are not of the pool */
		if (until >= p->spec.start_date)
		{
			DateADT		later = Max(from, p->spec.start_date);

			if ((int) dice_below(d, (uint32) (until - from + 1)) <= until - later)
			{
				if (!dice_ppm(d, COME_AGAIN) || !pick_child(p, code, female, later, until, d, person))
					new_patient(p, female, later, until, false, d, person);
				put_in(p->today, person->id);
				return;
			}
			until = p->spec.start_date - 1;
		}
		if (from <= until && pick_of_pool(p, female, from, until, d, person) &&
			patients_free(p, person->id) &&
			patients_may_have(p, code, person->id))
		{
			patients_arrive(p, person);
			return;
		}
	}
}

bool
patients_member(const Patients *p, const CaseCode *code, DateADT day, Dice *d, Person *person)
{
	DateADT		from,
				until;
	bool		female = draw_female(code, d);

	draw_ages(code, day, d, &from, &until);
	until = Min(until, p->spec.start_date - 1);
	return from <= until && pick_of_pool(p, female, from, until, d, person);
}

/* ---- what is true of a patient ---- */

/* By age, sex and illness; the same draw for the person at every visit. */
static bool
draw_hiv(uint64 seed, const Person *person, const CaseCode *code, DateADT day)
{
	const CaseMix *mix = casemix();
	int			group = age_group_of(age_on(person->born, day));
	uint32		draw;
	int64		prevalence = 0;

	if (code->flags & CASE_HIV)
		return true;
	for (int i = 0; i < mix->comorbidity_count; i++)
		if (mix->comorbidities[i].hiv && (mix->comorbidities[i].sex == 'B' ||
										  (mix->comorbidities[i].sex == 'F') == person->female))
			prevalence = mix->comorbidities[i].prevalence[group];
	if (code->flags & CASE_TB)
		prevalence = Max(prevalence * 2, group >= 3 ? 600000 : 250000);
	else if (mix->departments[code->department].medicine)
		prevalence = prevalence * 17 / 10;
	draw = random_below(random_block(seed, RANDOM_PATIENT, (uint64) person->id, 0).v[0], 1000000);
	return draw < prevalence;
}

bool
patients_hiv(Patients *p, const Person *person, const CaseCode *code)
{
	if (is_in(p->hiv, person->id))
		return true;
	if (!draw_hiv((uint64) p->spec.seed, person, code, p->day))
		return false;
	put_in(p->hiv, person->id);
	return true;
}

int
patient_class(uint64 seed, int64 person)
{
	static const uint32 upto[5] = {400000, 855000, 910000, 930000, 1000000};	/* patient_class.csv */
	uint32		draw = random_below(random_block(seed, RANDOM_PATIENT, (uint64) person, 0).v[1], 1000000);
	int			n = 0;

	while (n < 4 && draw >= upto[n])
		n++;
	return n;
}

int
blood_group(uint64 seed, int64 person)
{
	/* of the region, of a thousand; estimate after SANBS */
	static const uint32 upto[BLOOD_GROUPS] = {390, 710, 830, 890, 940, 960, 990, 1000};
	uint32		draw = random_below(random_block(seed, RANDOM_PATIENT, (uint64) person, 1).v[0], 1000);
	int			n = 0;

	while (draw >= upto[n])
		n++;
	return n;
}
