/*
 * beds.c: who lies in which bed.
 *
 * Every ward has a number of beds and no more.  For each department, kind of
 * place and kind of patient (sex; newborn, child, adult) the wards have a merit:
 * 3 the department's own, 2 of its group of departments, 1 any other that takes
 * the patient, 0 none.  The best merit with a free bed wins, among equals the
 * ward with the largest free share, and by lot where that is even.
 */
#include "postgres.h"

#include "beds.h"

#define BED_WORDS 8				/* 64 beds each: the largest ward of 10,000 beds has fewer */
#define PATIENT_KINDS 6			/* sex by newborn, child, adult */

struct Beds
{
	const WardList *wards;
	int			departments;
	uint8	   *merit;			/* [place][department][kind][ward] */
	int		   *taken;			/* [ward] */
	uint64	   *bits;			/* [ward][BED_WORDS] */
};

/* ---- merit ---- */

static bool
is_type(const Ward *ward, const char *type)
{
	return strcmp(ward->type, type) == 0;
}

/* The places that a ward of the plan is for, as bits. */
static uint8
places_of(const Ward *ward)
{
	if (is_type(ward, "icu"))
		return 1 << PLACE_ICU;
	if (is_type(ward, "high_care"))
		return 1 << PLACE_HIGH_CARE;
	if (is_type(ward, "labour"))
		return 1 << PLACE_LABOUR;
	if (is_type(ward, "kmc"))
		return 1 << PLACE_KMC;
	if (is_type(ward, "step_down"))
		return (1 << PLACE_STEP_DOWN) | (1 << PLACE_WARD);
	if (is_type(ward, "maternity"))
		return strncmp(ward->code, "ANT", 3) == 0 ?
			(1 << PLACE_ANTENATAL) | (1 << PLACE_WARD) : (1 << PLACE_POSTNATAL) | (1 << PLACE_WARD);
	return 1 << PLACE_WARD;
}

static const char *
group_of(const char *department)
{
	const CaseMix *mix = casemix();

	return mix->departments[department_number(department)].group;
}

/* Intensive care units with a name take their own departments first. */
static bool
is_own_icu(const Ward *ward, const char *department)
{
	if (strcmp(ward->department, "PIC") == 0 || strcmp(ward->department, "NEO") == 0)
		return true;			/* for ages, not for departments */
	if (strstr(ward->name, "Trauma") != NULL)
		return strcmp(department, "TRA") == 0 || strcmp(department, "ORT") == 0;
	if (strstr(ward->name, "Cardiothoracic") != NULL)
		return strcmp(department, "CTS") == 0 || strcmp(department, "VAS") == 0;
	if (strstr(ward->name, "Neurosurgical") != NULL)
		return strcmp(department, "NSU") == 0;
	return strcmp(department, "TRA") != 0 && strcmp(department, "CTS") != 0 &&
		strcmp(department, "NSU") != 0;
}

/* Wards that take nobody from elsewhere. */
static bool
is_closed(const Ward *ward)
{
	return is_type(ward, "psychiatric") || is_type(ward, "maternity") || is_type(ward, "step_down") ||
		strcmp(ward->department, "NEO") == 0 || strcmp(ward->department, "HON") == 0;
}

static uint8
merit_of(const Ward *ward, Place place, const char *department)
{
	bool		own = strcmp(ward->department, department) == 0;
	bool		same_group = strcmp(group_of(ward->department), group_of(department)) == 0;

	if (place == PLACE_ICU)
		return is_own_icu(ward, department) ? 3 : 2;
	if (own)
		return 3;
	if (place == PLACE_HIGH_CARE)
		return same_group ? 2 : strcmp(ward->department, "NEO") == 0 ||
			strcmp(ward->department, "OBS") == 0 || strcmp(ward->department, "PLA") == 0 ? 0 : 1;
	if (place != PLACE_WARD)
		return place == PLACE_STEP_DOWN ? 3 : 0;
	if (is_closed(ward) || strcmp(department, "PSY") == 0)
		return 0;
	return same_group ? 2 : 1;
}

static void
set_merit(Beds *beds)
{
	const CaseMix *mix = casemix();
	int			n = beds->wards->count;
	static const int years[3] = {0, 5, 30};
	static const int days[3] = {5, 1900, 11000};

	for (int place = 0; place < PLACES; place++)
		for (int d = 0; d < mix->department_count; d++)
			for (int kind = 0; kind < PATIENT_KINDS; kind++)
				for (int plan = 0; plan < ward_plan_count; plan++)
				{
					int			ward = beds->wards->of_plan[plan];
					uint8	   *merit = &beds->merit[((place * mix->department_count + d) * PATIENT_KINDS + kind) * n + ward];
					bool		female = kind >= 3;

					/* a ward that was merged counts where its patients lie */
					if ((places_of(&ward_plan[plan]) & (1 << place)) == 0 ||
						!ward_takes(&ward_plan[plan], female, years[kind % 3], days[kind % 3]) ||
						!ward_takes(beds->wards->wards[ward].plan, female, years[kind % 3], days[kind % 3]))
						continue;
					*merit = Max(*merit, merit_of(&ward_plan[plan], place, mix->departments[d].code));
				}
}

Beds *
beds_open(const WardList *wards)
{
	Beds	   *beds = palloc0(sizeof(Beds));

	beds->wards = wards;
	beds->departments = casemix()->department_count;
	beds->merit = palloc0((Size) PLACES * beds->departments * PATIENT_KINDS * wards->count);
	beds->taken = palloc0(wards->count * sizeof(int));
	beds->bits = palloc0(wards->count * BED_WORDS * sizeof(uint64));
	for (int i = 0; i < wards->count; i++)
		if (wards->wards[i].beds > BED_WORDS * 64)
			elog(ERROR, "ward %s has too many beds", wards->wards[i].plan->code);
	set_merit(beds);
	return beds;
}

/* ---- finding ---- */

static int
patient_kind(bool female, DateADT born, DateADT day)
{
	int			kind = day - born < 28 ? 0 : age_on(born, day) < 13 ? 1 : 2;

	return kind + (female ? 3 : 0);
}

/* [ward], for one patient */
static const uint8 *
merits_for(const Beds *beds, Place place, int department, bool female, DateADT born, DateADT day)
{
	return &beds->merit[((place * beds->departments + department) * PATIENT_KINDS +
						 patient_kind(female, born, day)) * beds->wards->count];
}

int
beds_suit(const Beds *beds, Place place, int department, bool female, DateADT born, DateADT day,
		  int ward)
{
	return merits_for(beds, place, department, female, born, day)[ward];
}

bool
beds_find(Beds *beds, Place place, int department, bool female, DateADT born, DateADT day,
		  bool overflow_allowed, int avoid, uint32 word, int16 *ward, bool *overflow)
{
	int			n = beds->wards->count;
	const uint8 *merit = merits_for(beds, place, department, female, born, day);
	int			best = -1;
	uint64		best_score = 0;

	for (int i = 0; i < n; i++)
	{
		int			all = beds->wards->wards[i].beds;
		int			free = all - beds->taken[i];
		uint64		score;

		if (merit[i] == 0 || free <= 0 || i == avoid || (!overflow_allowed && merit[i] < BEST_MERIT))
			continue;
		score = ((uint64) merit[i] << 40) | ((uint64) (free * 1024 / all) << 16) |
			((word * (uint32) (2 * i + 1)) >> 16);
		if (best < 0 || score > best_score)
		{
			best = i;
			best_score = score;
		}
	}
	if (best < 0)
		return false;
	*ward = (int16) best;
	*overflow = merit[best] < BEST_MERIT;
	return true;
}

int16
beds_take(Beds *beds, int ward)
{
	uint64	   *bits = &beds->bits[ward * BED_WORDS];

	Assert(beds->taken[ward] < beds->wards->wards[ward].beds);
	for (int bed = 0; bed < beds->wards->wards[ward].beds; bed++)
		if ((bits[bed / 64] & ((uint64) 1 << (bed % 64))) == 0)
		{
			bits[bed / 64] |= (uint64) 1 << (bed % 64);
			beds->taken[ward]++;
			return (int16) bed;
		}
	elog(ERROR, "ward %s has no free bed", beds->wards->wards[ward].plan->code);
	return -1;					/* not reached */
}

void
beds_give(Beds *beds, int ward, int bed)
{
	beds->bits[ward * BED_WORDS + bed / 64] &= ~((uint64) 1 << (bed % 64));
	beds->taken[ward]--;
}
