/*
 * clinic.c: appointments of the outpatient clinics.
 *
 * Chronic patients come back, and nothing need be remembered for it.  Each code
 * has an interval of some weeks, and for every weekday and week of the interval
 * a list of appointments; so an appointment comes round every interval on the
 * same weekday.  Whoever holds it comes for a course of visits, and then
 * another person takes it over: holder and course follow from the
 * (code, weekday, week of the interval, place in the list) and the date.  A
 * holder who has died is replaced by the next in line.
 *
 * Of those booked 79 in a hundred attend (transitions.csv), fewer in lockdowns;
 * on a holiday hardly anybody, and some of those come on the first working day
 * after.  Children born since the first day hold no appointments: some child of
 * the right age comes, who may have been here before.
 */
#include "postgres.h"

#include "clinic.h"

#define ATTEND 790000			/* millionths */
#define AFTER_HOLIDAY 150000
#define MOST_HOLDERS 6			/* tried for one appointment */

/*
 * Some of those booked do not come for other reasons (inpatients, the dead, a
 * second appointment on one day); so more are booked.  Thousandths.
 */
#define BOOK_MORE 1010

struct Clinic
{
	DaySpec		spec;
	int64	   *booked[7];		/* [weekday][code], 16.16 patients a day */
	Appointment *list;
	int			count;
	int			room;
};

Clinic *
clinic_open(const DaySpec *spec)
{
	const CaseMix *mix = casemix();
	Clinic	   *c = palloc0(sizeof(Clinic));
	DayFacts	facts;

	c->spec = *spec;
	c->room = 4096;
	c->list = palloc(c->room * sizeof(Appointment));

	/* a week without anything special: the first of June 2015 was a Monday */
	for (int w = 0; w < 7; w++)
	{
		day_facts(5630 + w, &facts);
		c->booked[w] = palloc(mix->code_count * sizeof(int64));
		for (int i = 0; i < mix->code_count; i++)
		{
			int64		share = (int64) facts.factor[STREAM_OPD] * 65536 / Max(facts.open[STREAM_OPD], 1);

			/* opd_visits in hundredths a year at 1,000 beds */
			c->booked[w][i] = mix->codes[i].opd_visits * spec->beds / 1000 * share / 36500 *
				1000 / 790 * BOOK_MORE / 1000;
		}
	}
	return c;
}

static void
add_appointment(Clinic *c, const Appointment *a)
{
	if (c->count == c->room)
	{
		c->room *= 2;
		c->list = repalloc_huge(c->list, c->room * sizeof(Appointment));
	}
	c->list[c->count++] = *a;
}

/* Who holds appointment "place" of the list, and which visit of the course it is. */
static bool
find_holder(const Clinic *c, const Patients *patients, int code, DateADT day, int place,
			Appointment *a)
{
	const CaseCode *k = &casemix()->codes[code];
	int			weekday = weekday_of(day) - 1;
	int			week = (day + 7305) / 7;	/* whatever the first day is */
	int			slot = week % k->clinic_weeks;
	int			turn = week / k->clinic_weeks;
	uint64		key = ((uint64) code << 44) | ((uint64) weekday << 40) | ((uint64) slot << 32) |
		(uint64) place << 12;
	int			shift = (int) random_below((uint32) (mix64((uint64) c->spec.seed ^ mix64(key)) >> 32),
										   (uint32) k->clinic_visits);
	int			course = (turn + shift) / k->clinic_visits;

	a->number = (int16) ((turn + shift) % k->clinic_visits);
	a->last = a->number == k->clinic_visits - 1;
	for (int i = 0; i < MOST_HOLDERS; i++)
	{
		Dice		d = dice((uint64) c->spec.seed, RANDOM_CLINIC, key | (uint64) i,
							 (uint32) course * 64);

		/* the age is that at the beginning of the course */
		if (!patients_member(patients, k, day - a->number * k->clinic_weeks * 7, &d, &a->person))
		{
			a->person.id = 0;	/* too young for the pool: whoever comes */
			a->number = 0;
			return true;
		}
		if (patients_dead(patients, a->person.id))
			continue;
		if (age_on(a->person.born, day) > k->max_age)
			return false;
		return patients_free(patients, a->person.id) && patients_may_have(patients, k, a->person.id);
	}
	return false;
}

/* Those booked for a day, who come on the day of the facts. */
static void
add_booked(Clinic *c, const Patients *patients, const DayFacts *facts, DateADT booked_for,
		   uint32 attend)
{
	const CaseMix *mix = casemix();
	const int64 *booked = c->booked[weekday_of(booked_for) - 1];

	for (int code = 0; code < mix->code_count; code++)
	{
		int64		season = facts->season[mix->codes[code].season];
		int			whole = (int) (booked[code] >> 16);
		Dice		d;

		if (booked[code] == 0)
			continue;
		d = dice((uint64) c->spec.seed, RANDOM_CLINIC,
				 ((uint64) code << 44) | ((uint64) 0xF << 40) | (uint32) booked_for,
				 facts->day == booked_for ? 0 : 0x80000000U);

		/* appointments stay; attendance has the season */
		if (mix->codes[code].flags & CASE_COVID)
			season = 65536;
		if (dice_below(&d, 65536) < (booked[code] & 0xFFFF))
			whole++;
		for (int place = 0; place < whole; place++)
		{
			Appointment a;
			uint32		come = dice_below(&d, 1000000);
			uint32		word1 = dice_word(&d);
			uint32		word2 = dice_word(&d);

			if (come >= (uint64) attend * (uint64) season >> 16)
				continue;
			a.code = (int16) code;
			if (!find_holder(c, patients, code, booked_for, place, &a))
				continue;

			/* the age was that of the day booked for; who comes later may be too old by now */
			if (a.person.id != 0 && age_on(a.person.born, facts->day) > mix->codes[code].max_age)
				continue;
			a.second = draw_second(facts, STREAM_OPD, word1, word2);
			add_appointment(c, &a);
		}
	}
}

int
clinic_day(Clinic *c, Patients *patients, const DayFacts *facts, Appointment **list)
{
	uint64		open = (uint64) facts->open[STREAM_OPD];

	c->count = 0;
	if (facts->weekday < 6)
		add_booked(c, patients, facts, facts->day, (uint32) (ATTEND * open >> 16));
	if (facts->after_holiday)
		add_booked(c, patients, facts, facts->last_holiday, AFTER_HOLIDAY);
	*list = c->list;
	return c->count;
}

bool
clinic_patient(const Clinic *c, const Patients *patients, int code, DateADT day, Dice *d,
			   Person *person)
{
	int			weeks = casemix()->codes[code].clinic_weeks;
	DateADT		booked_for = day - (DateADT) dice_below(d, (uint32) (weeks * 7));
	int64		places = c->booked[weekday_of(booked_for) - 1][code] >> 16;
	Appointment a;

	if (places == 0 ||
		!find_holder(c, patients, code, booked_for, (int) dice_below(d, (uint32) places), &a) ||
		a.person.id == 0 || age_on(a.person.born, day) > casemix()->codes[code].max_age)
		return false;
	*person = a.person;
	return true;
}
