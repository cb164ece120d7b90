/*
 * population.c: a person of the city, by number; drawing names; people as a row
 * source.
 *
 * How a number becomes a person, without memory of any other:
 *
 *	person_id - 1 = block * 4096 + position.  Every block has the same 4096
 *	slots (reference_data.h: the pyramid, laid out in households); a block
 *	begins at one of its households, drawn for it, so slot = (position +
 *	offset) mod 4096.
 *
 *	The slot says sex, five-year band and household.  For the exact age each
 *	slot has a permutation of the blocks over the 2^14 equal units of its
 *	band: two people of one slot never share a unit.  A unit lies in a single
 *	year of age and in one of that year's days; those of a slot that fall on
 *	the same day are told apart by their place in it.  (slot's ordinal among
 *	its sex and band, place) is therefore a rank that nobody else of that sex
 *	and birth date has, and the identity number's sequence is a permutation
 *	of the ranks: unique by construction.
 *
 *	What a household shares (language, group, nationality, surname, address)
 *	is drawn for the household, the rest for the person.
 *
 * Nothing here depends on a setting, a clock or an order of calls.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/memutils.h"

#include "compat.h"
#include "population_private.h"
#include "rowsource.h"

PG_FUNCTION_INFO_V1(hospital_generate_people);

static const RowColumn person_columns[P_COLUMNS] = {
	[P_PERSON_ID] = {"person_id", INT8OID},
	[P_NATIONAL_ID] = {"national_id", TEXTOID},
	[P_PASSPORT_NO] = {"passport_no", TEXTOID},
	[P_FIRST_NAME] = {"first_name", TEXTOID},
	[P_LAST_NAME] = {"last_name", TEXTOID},
	[P_DATE_OF_BIRTH] = {"date_of_birth", DATEOID},
	[P_SEX] = {"sex", TEXTOID},
	[P_POPULATION_GROUP] = {"population_group", TEXTOID},
	[P_HOME_LANGUAGE] = {"home_language", TEXTOID},
	[P_CITIZENSHIP] = {"citizenship", TEXTOID},
	[P_HOUSEHOLD_ID] = {"household_id", INT8OID},
	[P_ADDRESS] = {"address", TEXTOID},
	[P_SUBURB] = {"suburb", TEXTOID},
	[P_POSTAL_CODE] = {"postal_code", TEXTOID},
	[P_PHONE] = {"phone", TEXTOID},
};

/* Which parts of a person the wanted columns need. */
#define NEED_HOUSEHOLD	0x01	/* the household's draws */
#define NEED_BIRTH		0x02
#define NEED_NUMBER		0x04	/* identity number or passport */
#define NEED_PERSON		0x08	/* the person's own draws */
#define NEED_ADDRESS	0x10
#define NEED_SLOT		0x20

static const uint8 column_needs[P_COLUMNS] = {
	[P_PERSON_ID] = 0,
	[P_NATIONAL_ID] = NEED_SLOT | NEED_HOUSEHOLD | NEED_BIRTH | NEED_NUMBER,
	[P_PASSPORT_NO] = NEED_SLOT | NEED_HOUSEHOLD | NEED_NUMBER,
	[P_FIRST_NAME] = NEED_SLOT | NEED_HOUSEHOLD | NEED_BIRTH | NEED_PERSON,
	[P_LAST_NAME] = NEED_SLOT | NEED_HOUSEHOLD,
	[P_DATE_OF_BIRTH] = NEED_SLOT | NEED_BIRTH,
	[P_SEX] = NEED_SLOT,
	[P_POPULATION_GROUP] = NEED_SLOT | NEED_HOUSEHOLD,
	[P_HOME_LANGUAGE] = NEED_SLOT | NEED_HOUSEHOLD,
	[P_CITIZENSHIP] = NEED_SLOT | NEED_HOUSEHOLD,
	[P_HOUSEHOLD_ID] = NEED_SLOT,
	[P_ADDRESS] = NEED_SLOT | NEED_HOUSEHOLD | NEED_ADDRESS,
	[P_SUBURB] = NEED_SLOT | NEED_HOUSEHOLD,
	[P_POSTAL_CODE] = NEED_SLOT | NEED_HOUSEHOLD,
	[P_PHONE] = NEED_SLOT | NEED_HOUSEHOLD | NEED_BIRTH | NEED_PERSON,
};

/* ---- texts that many rows share ---- */

static Datum *pool_datums = NULL;
static Datum datum_female,
			datum_male,
			datum_south_africa;

void
pool_texts_init(void)
{
	MemoryContext old;
	Datum	   *datums;

	if (pool_datums != NULL)
		return;
	old = MemoryContextSwitchTo(TopMemoryContext);
	datums = palloc(pool_string_count * sizeof(Datum));
	for (int i = 0; i < pool_string_count; i++)
	{
		/* Short headers: what a tuple stores, so that forming one copies bytes. */
		int			length = pool_strings[i].length;
		char	   *text = palloc(length + VARHDRSZ_SHORT);

		Assert(length + VARHDRSZ_SHORT <= VARATT_SHORT_MAX);
		SET_VARSIZE_SHORT(text, length + VARHDRSZ_SHORT);
		memcpy(text + VARHDRSZ_SHORT, pool_strings[i].text, length);
		datums[i] = PointerGetDatum(text);
	}
	datum_female = CStringGetTextDatum("F");
	datum_male = CStringGetTextDatum("M");
	datum_south_africa = CStringGetTextDatum("ZA");
	MemoryContextSwitchTo(old);
	pool_datums = datums;
}

Datum
pool_text(uint16 string)
{
	return pool_datums[string];
}

/* ---- names, shared with the workforce ---- */

int
birth_era(DateADT date_of_birth)
{
	/* 1980-01-01, 1990-01-01, 1996-01-01, 2000-01-01 as days from 2000-01-01 */
	static const DateADT era_start[BIRTH_ERAS - 1] = {-7305, -3652, -1461, 0};
	int			era = 0;

	while (era < BIRTH_ERAS - 1 && date_of_birth >= era_start[era])
		era++;
	return era;
}

uint16
draw_first_name(int name_pool, bool female, int era, uint32 word1, uint32 word2)
{
	uint16		list = alias_draw(&name_pools[name_pool].first_lists, word1);

	return alias_draw(&first_name_draw[list][female ? 1 : 0][era], word2);
}

uint16
draw_last_name(int name_pool, uint32 word1, uint32 word2)
{
	uint16		list = alias_draw(&name_pools[name_pool].last_lists, word1);

	return alias_draw(&last_name_draw[list], word2);
}

/* ---- ages ---- */

/* The latest birth date of somebody who is "age" years old on as_of. */
static DateADT
latest_birth(DateADT as_of, int age)
{
	int			year,
				month,
				day;

	j2date(as_of + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	year -= age;
	day = Min(day, day_tab[isleap(year)][month - 1]);
	return date2j(year, month, day) - POSTGRES_EPOCH_JDATE;
}

/* First unit of the year that lies on day d of it, and so of day d+1, ... */
static inline uint32
unit_of_day(const AgeYear *y, uint32 d)
{
	return (d * y->units + y->days - 1) / y->days;
}

static void
population_init_year(Population *p, int age, int band)
{
	AgeYear    *y = &p->years[age];
	DateADT		latest = latest_birth(p->spec.as_of, age);
	int			first_unit = age_unit_start[age];
	int			end_unit = age + 1 == band_first_age[band + 1] ? (1 << AGE_UNIT_BITS)
		: age_unit_start[age + 1];

	y->first_day = latest_birth(p->spec.as_of, age + 1) + 1;
	y->days = latest - y->first_day + 1;
	y->first_unit = first_unit;
	y->units = end_unit - first_unit;
	y->most_per_day = (y->units + y->days - 1) / y->days;
}

/*
 * Tables that follow from as_of, and the proof that every rank stays below
 * the next holder's: the construction must fail here, never make two numbers
 * alike.
 */
void
population_init(Population *p, const PopulationSpec *spec)
{
	p->spec = *spec;
	for (int band = 0; band < AGE_BANDS; band++)
	{
		int			age = band_first_age[band];

		p->rank_stride[band] = 0;
		for (; age < band_first_age[band + 1]; age++)
		{
			population_init_year(p, age, band);
			p->rank_stride[band] = Max(p->rank_stride[band], p->years[age].most_per_day);
		}
		for (int sex = 0; sex < 2; sex++)
			if (band_slot_count[band][sex] * p->rank_stride[band] > ID_RANK_CENTENARIAN)
				elog(ERROR, "age band %d has more people than identity numbers", band);

		age = band_first_age[band];
		for (int i = 0; i < 64; i++)
		{
			while (age + 1 < band_first_age[band + 1] &&
				   p->years[age + 1].first_unit <= i << (AGE_UNIT_BITS - 6))
				age++;
			p->year_of_unit[band][i] = age;
		}
	}
	/* From 100 on there is at most one unit a day: rank is the ordinal. */
	for (int age = 100; age < AGE_YEARS; age++)
		if (p->years[age].most_per_day > 1)
			elog(ERROR, "more than one birth unit a day at age %d", age);
	for (int sex = 0; sex < 2; sex++)
		if (band_slot_count[AGE_BANDS - 1][sex] > ID_RANK_NEWBORN - ID_RANK_CENTENARIAN)
			elog(ERROR, "more centenarians than identity numbers");
}

/* A slot's birth date in one block, and its rank among those of that day. */
DateADT
slot_birth(const Population *p, uint32 slot_number, uint32 block, int *rank)
{
	const BlockSlot *slot = &block_slots[slot_number];
	uint64		key = mix64(p->spec.seed ^ ((uint64) slot_number << 32));
	uint32		unit = permute_bits(block, AGE_UNIT_BITS, key);
	int			age = p->year_of_unit[slot->band][unit >> (AGE_UNIT_BITS - 6)];
	const AgeYear *y;
	uint32		in_year,
				day;

	while (age + 1 < band_first_age[slot->band + 1] && p->years[age + 1].first_unit <= unit)
		age++;
	y = &p->years[age];
	in_year = unit - y->first_unit;
	day = in_year * y->days / y->units;
	if (age >= 100)
		*rank = ID_RANK_CENTENARIAN + slot->ordinal;
	else
		*rank = slot->ordinal * p->rank_stride[slot->band] + (in_year - unit_of_day(y, day));
	return y->first_day + (DateADT) day;
}

/* Where a block begins: at one of its households. */
uint32
block_offset(uint64 seed, uint64 block)
{
	uint32		word = (uint32) (mix64(seed ^ mix64(block + 1)) >> 32);

	return block_household_start[random_below(word, block_household_count)];
}

/* ---- households ---- */

/* About a fifth of foreigners are permanent residents, with a number. */
#define RESIDENT_SHARE 858993459U	/* 0.2 */

void
draw_household(Household *h, uint64 seed, int64 number)
{
	RandomBlock r = random_block(seed, RANDOM_HOUSEHOLD, (uint64) number, 0);
	RandomBlock s = random_block(seed, RANDOM_HOUSEHOLD, (uint64) number, 1);

	h->number = number;
	h->cell = &language_groups[alias_draw(&language_group_draw, r.v[0])];
	h->suburb = &suburbs[alias_draw(&suburb_by_group[h->cell->group_index], r.v[1])];
	if (random_chance(r.v[2], h->cell->non_citizen))
	{
		h->name_pool = h->cell->foreign_name_pool;
		h->nationality = &nationalities[alias_draw(&nationality_draw[h->name_pool], r.v[3])];
		h->resident = random_chance(s.v[3], RESIDENT_SHARE);
	}
	else
	{
		h->name_pool = h->cell->name_pool;
		h->nationality = NULL;
		h->resident = false;
	}
	h->last_name = draw_last_name(h->name_pool, s.v[0], s.v[1]);
	h->phone[0] = s.v[2];
	h->phone[1] = (uint32) mix64(((uint64) r.v[3] << 32) | s.v[2]);
}

/* ---- writing texts ---- */

/* A text with a short header at *p; the bytes are written by the caller. */
static inline char *
short_text(char **p, int length, Datum *value)
{
	char	   *text = *p;

	SET_VARSIZE_SHORT(text, length + VARHDRSZ_SHORT);
	*value = PointerGetDatum(text);
	*p = text + length + VARHDRSZ_SHORT;
	return text + VARHDRSZ_SHORT;
}

static inline char *
put_string(char *p, const PoolString *s)
{
	memcpy(p, s->text, s->length);
	return p + s->length;
}

static inline char *
put_number(char *p, uint32 n)
{
	char		digits[10];
	int			count = 0;

	do
	{
		digits[count++] = '0' + n % 10;
		n /= 10;
	} while (n > 0);
	while (count > 0)
		*p++ = digits[--count];
	return p;
}

/* Digits with leading zeros. */
static inline void
put_digits(char *p, uint32 n, int width)
{
	while (width > 0)
	{
		p[--width] = '0' + n % 10;
		n /= 10;
	}
}

/* A short text whose length is known only after writing it. */
static inline void
close_text(char **p, char *end, Datum *value)
{
	SET_VARSIZE_SHORT(*p, end - *p);
	*value = PointerGetDatum(*p);
	*p = end;
}

/* Where the numbers of a street run to; stands in a township run higher. */
static inline uint32
house_numbers(SuburbKind kind)
{
	switch (kind)
	{
		case SUBURB_TOWNSHIP:
			return 4200;
		case SUBURB_INFORMAL:
			return 9000;
		case SUBURB_INNER_CITY:
			return 420;
		case SUBURB_SUBURB:
			break;
	}
	return 260;
}

void
write_address(const Household *h, uint64 seed, char **p, Datum *value)
{
	RandomBlock r = random_block(seed, RANDOM_HOUSEHOLD, (uint64) h->number, 2);
	SuburbKind	kind = (SuburbKind) h->suburb->kind;
	const PoolString *street = &pool_strings[alias_draw(&street_by_kind[kind], r.v[0])];
	char	   *out = *p + VARHDRSZ_SHORT;

	if (kind == SUBURB_INNER_CITY)
	{
		/* a flat: number, then the building's street address */
		memcpy(out, "Flat ", 5);
		out = put_number(out + 5, 1 + random_below(r.v[2], 12) * 100 + random_below(r.v[3], 12));
		*out++ = ',';
		*out++ = ' ';
	}
	out = put_number(out, 1 + random_below(r.v[1], house_numbers(kind)));
	*out++ = ' ';
	out = put_string(out, street);
	close_text(p, out, value);
}

/* 082 123 4567 */
void
write_phone(uint32 word1, uint32 word2, char **p, Datum *value)
{
	const PoolString *prefix = &pool_strings[alias_draw(&phone_prefix_draw, word1)];
	char	   *out = short_text(p, 12, value);
	char		digits[10];

	memcpy(digits, prefix->text, prefix->length);
	put_digits(digits + prefix->length,
			   random_below(word2, prefix->length == 3 ? 10000000 : 1000000),
			   10 - prefix->length);
	memcpy(out, digits, 3);
	out[3] = ' ';
	memcpy(out + 4, digits + 3, 3);
	out[7] = ' ';
	memcpy(out + 8, digits + 6, 4);
}

/*
 * Expand a form ('#' a digit, '@' a letter, '(ABC)' one of them) with a
 * number; two numbers below the form's capacity never give the same text.
 */
static char *
put_form(char *out, const char *form, uint64 number)
{
	for (const char *f = form; *f != '\0'; f++)
	{
		if (*f == '#')
		{
			*out++ = '0' + number % 10;
			number /= 10;
		}
		else if (*f == '@')
		{
			*out++ = 'A' + number % 26;
			number /= 26;
		}
		else if (*f == '(')
		{
			const char *close = strchr(f, ')');
			int			choices = close - f - 1;

			*out++ = f[1 + number % choices];
			number /= choices;
			f = close;
		}
		else
			*out++ = *f;
	}
	return out;
}

/*
 * What a foreigner without an identity number carries: mostly a passport,
 * else an asylum permit, else nothing.  The number is the person's own,
 * scrambled: no two people of a city have the same.
 */
static bool
write_passport(const Household *h, uint64 seed, uint64 person, char **p, Datum *value)
{
	RandomBlock r = random_block(seed, RANDOM_PERSON, person, 1);
	uint32		serial = permute_bits((uint32) person, BLOCK_BITS + BLOCK_COUNT_BITS,
									  mix64(seed ^ UINT64CONST(0x50415353)));
	uint32		kind = random_below(r.v[0], 100);
	char	   *out = *p + VARHDRSZ_SHORT;

	if (kind >= 92)
		return false;			/* undocumented */
	if (kind >= 80)
	{
		memcpy(out, "JHB", 3);
		out = put_string(out + 3, &pool_strings[h->nationality->alpha3]);
		put_digits(out, serial, 9);
		out += 9;
	}
	else
		out = put_form(out, h->nationality->passport, serial);
	close_text(p, out, value);
	return true;
}

/* ---- one row ---- */

static inline void
set_text(Datum *values, bool *isnull, int column, Datum value)
{
	values[column] = value;
	isnull[column] = false;
}

static void
fill_number(const PeopleSource *s, uint64 person, const BlockSlot *slot, DateADT birth, int rank,
			Datum *values, bool *isnull, char **scratch)
{
	const Household *h = &s->household;
	const PopulationSpec *spec = &s->population.spec;

	isnull[P_NATIONAL_ID] = isnull[P_PASSPORT_NO] = true;
	if (h->nationality == NULL || h->resident)
	{
		char	   *out = short_text(scratch, ID_LENGTH, &values[P_NATIONAL_ID]);

		national_id_write(out, spec->seed, birth, slot->female, rank,
						  h->resident ? ID_RESIDENT : ID_CITIZEN, spec->marked);
		isnull[P_NATIONAL_ID] = false;
	}
	else
		isnull[P_PASSPORT_NO] = !write_passport(h, spec->seed, person, scratch,
												&values[P_PASSPORT_NO]);
}

/* Children have no telephone of their own. */
#define OWN_PHONE_DAYS (13 * 365)

static void
fill_person(const PeopleSource *s, uint64 person, const BlockSlot *slot, DateADT birth,
			Datum *values, bool *isnull, char **scratch)
{
	const Household *h = &s->household;
	RandomBlock r = random_block(s->population.spec.seed, RANDOM_PERSON, person, 0);

	set_text(values, isnull, P_FIRST_NAME,
			 pool_datums[draw_first_name(h->name_pool, slot->female, birth_era(birth),
										 r.v[0], r.v[1])]);
	isnull[P_PHONE] = false;
	if (slot->member == 0 || s->population.spec.as_of - birth < OWN_PHONE_DAYS)
		write_phone(h->phone[0], h->phone[1], scratch, &values[P_PHONE]);
	else
		write_phone(r.v[2], r.v[3], scratch, &values[P_PHONE]);
}

static void
fill_household(const PeopleSource *s, Datum *values, bool *isnull)
{
	const Household *h = &s->household;

	set_text(values, isnull, P_LAST_NAME, pool_datums[h->last_name]);
	set_text(values, isnull, P_POPULATION_GROUP, pool_datums[h->cell->group]);
	set_text(values, isnull, P_HOME_LANGUAGE, pool_datums[h->cell->language]);
	set_text(values, isnull, P_CITIZENSHIP,
			 h->nationality ? pool_datums[h->nationality->country] : datum_south_africa);
	set_text(values, isnull, P_SUBURB, pool_datums[h->suburb->name]);
	set_text(values, isnull, P_POSTAL_CODE, pool_datums[h->suburb->postal_code]);
}

bool
people_fetch(RowSource *source, int64 row, Datum *values, bool *isnull, char *scratch)
{
	PeopleSource *s = (PeopleSource *) source;
	uint64		person = (uint64) (s->first + row);
	uint64		block = person >> BLOCK_BITS;
	uint32		slot_number;
	const BlockSlot *slot;
	int64		household;
	DateADT		birth = 0;
	int			rank = 0;

	values[P_PERSON_ID] = Int64GetDatum((int64) person + 1);
	isnull[P_PERSON_ID] = false;
	if (s->needs == 0)
		return true;

	if (block != s->block)
	{
		s->block = block;
		s->block_offset = block_offset(s->population.spec.seed, block);
	}
	slot_number = ((uint32) person + s->block_offset) & (BLOCK_PEOPLE - 1);
	slot = &block_slots[slot_number];
	household = (int64) block * block_household_count + slot->household;

	set_text(values, isnull, P_SEX, slot->female ? datum_female : datum_male);
	values[P_HOUSEHOLD_ID] = Int64GetDatum(household + 1);
	isnull[P_HOUSEHOLD_ID] = false;

	if (s->needs & NEED_HOUSEHOLD)
	{
		if (s->household.number != household)
			draw_household(&s->household, s->population.spec.seed, household);
		fill_household(s, values, isnull);
	}
	if (s->needs & NEED_BIRTH)
	{
		birth = slot_birth(&s->population, slot_number, (uint32) block, &rank);
		values[P_DATE_OF_BIRTH] = DateADTGetDatum(birth);
		isnull[P_DATE_OF_BIRTH] = false;
	}
	if (s->needs & NEED_NUMBER)
		fill_number(s, person, slot, birth, rank, values, isnull, &scratch);
	if (s->needs & NEED_PERSON)
		fill_person(s, person, slot, birth, values, isnull, &scratch);
	if (s->needs & NEED_ADDRESS)
	{
		write_address(&s->household, s->population.spec.seed, &scratch, &values[P_ADDRESS]);
		isnull[P_ADDRESS] = false;
	}
	return true;
}

/* ---- arguments ---- */

enum
{
	ARG_N, ARG_SEED, ARG_FIRST, ARG_AS_OF, ARG_ID_MODE
};

bool
id_mode_is_marked(const char *mode)
{
	if (strcmp(mode, "marked") == 0)
		return true;
	if (strcmp(mode, "realistic") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown id_mode \"%s\"", mode),
				 errhint("Use realistic, or marked for identity numbers that cannot belong to a living person.")));
	return false;
}

static void
check_as_of(DateADT as_of)
{
	if (DATE_NOT_FINITE(as_of) ||
		as_of < date2j(AS_OF_FIRST_YEAR, 1, 1) - POSTGRES_EPOCH_JDATE ||
		as_of > date2j(AS_OF_LAST_YEAR, 12, 31) - POSTGRES_EPOCH_JDATE)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("as_of is out of range"),
				 errdetail("The age pyramid can stand on any day from %d-01-01 to %d-12-31.",
						   AS_OF_FIRST_YEAR, AS_OF_LAST_YEAR)));
}

static void
check_slice(int64 n, int64 first)
{
	if (n < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("number of people must not be negative"),
				 errdetail("%lld people were asked for.", (long long) n)));
	if (first < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("first person must be at least 1"),
				 errdetail("People are numbered from 1; %lld was given.", (long long) first)));
	if (n > PEOPLE_CAPACITY || first - 1 > PEOPLE_CAPACITY - n)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("a city has at most %lld people", (long long) PEOPLE_CAPACITY),
				 errdetail("%lld people from number %lld on were asked for; beyond that there are not enough identity numbers for a birth date and sex (5,000 each).",
						   (long long) n, (long long) first),
				 errhint("Use another seed for another city.")));
}

static RowSource *
people_open(const NullableDatum *args, int nargs, const Bitmapset *wanted)
{
	PeopleSource *s = palloc0(sizeof(PeopleSource));
	int64		n = DatumGetInt64(args[ARG_N].value);
	int64		first = DatumGetInt64(args[ARG_FIRST].value);
	PopulationSpec spec;

	spec.seed = (uint64) DatumGetInt64(args[ARG_SEED].value);
	spec.as_of = DatumGetDateADT(args[ARG_AS_OF].value);
	spec.marked = id_mode_is_marked(TextDatumGetCString(args[ARG_ID_MODE].value));
	check_slice(n, first);
	check_as_of(spec.as_of);
	pool_texts_init();

	s->base.methods = &people_source;
	s->base.nrows = n;
	s->first = first - 1;
	s->block = PG_UINT64_MAX;
	s->household.number = -1;
	for (int i = 0; i < P_COLUMNS; i++)
		if (wanted == NULL || bms_is_member(i, wanted))
			s->needs |= column_needs[i];
	if (s->needs != 0)
		population_init(&s->population, &spec);
	return &s->base;
}

static double
people_estimate(const NullableDatum *args, int nargs)
{
	if (args[ARG_N].isnull)
		return -1;
	return (double) Max(DatumGetInt64(args[ARG_N].value), 0);
}

static const Oid people_args[] = {INT8OID, INT8OID, INT8OID, DATEOID, TEXTOID};

const RowSourceMethods people_source = {
	.label = "People",
	.nargs = lengthof(people_args),
	.args = people_args,
	.ncolumns = P_COLUMNS,
	.columns = person_columns,
	.open = people_open,
	.estimate = people_estimate,
	.fetch = people_fetch,
	.random_access = true,
	.row_cost = 4,
	.startup_cost = 0,
};

Datum
hospital_generate_people(PG_FUNCTION_ARGS)
{
	return rowsource_srf(fcinfo, &people_source);
}
