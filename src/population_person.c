/*
 * population_person.c: people of the city one at a time, and newcomers.
 *
 * Draws somebody of a sex and age fairly (the slots of the block are the age
 * pyramid, so a slot and then a block is a person), and describes a person as
 * the table of people has him; one who is not of the pool is described from a
 * household of the pool (a child born here) or one of his own.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "compat.h"
#include "population_private.h"
#include "reference.h"

/* The slots of each band and sex. */
static uint16 *slots_of[AGE_BANDS][2];

static void
list_slots(void)
{
	static bool done = false;
	int			counts[AGE_BANDS][2] = {{0}};

	if (done)
		return;
	for (int band = 0; band < AGE_BANDS; band++)
		for (int sex = 0; sex < 2; sex++)
			slots_of[band][sex] = MemoryContextAlloc(TopMemoryContext,
													 band_slot_count[band][sex] * sizeof(uint16));
	for (int i = 0; i < BLOCK_PEOPLE; i++)
	{
		const BlockSlot *slot = &block_slots[i];

		slots_of[slot->band][slot->female][counts[slot->band][slot->female]++] = (uint16) i;
	}
	done = true;
}

/* The tables of the last population that was asked about. */
static const Population *
cached_population(const PopulationSpec *spec)
{
	static Population cached;
	static bool have_cached = false;

	if (!have_cached || cached.spec.as_of != spec->as_of)
	{
		have_cached = false;	/* population_init may raise */
		population_init(&cached, spec);
		have_cached = true;
	}
	cached.spec = *spec;
	return &cached;
}

static uint32
slot_of_person(uint64 seed, uint64 person)
{
	return ((uint32) person + block_offset(seed, person >> BLOCK_BITS)) & (BLOCK_PEOPLE - 1);
}

#define PICK_TRIES 40

int64
population_pick(const PopulationSpec *spec, int64 people, bool female, DateADT born_from,
				DateADT born_until, Dice *dice, DateADT *born)
{
	const Population *p = cached_population(spec);
	uint32		blocks = (uint32) ((people + BLOCK_PEOPLE - 1) >> BLOCK_BITS);
	int			first = -1,
				last = -1;
	uint32		slots = 0;

	list_slots();
	for (int band = 0; band < AGE_BANDS; band++)
	{
		/* births of the band, oldest to youngest */
		DateADT		from = p->years[band_first_age[band + 1] - 1].first_day;
		DateADT		until = p->years[band_first_age[band]].first_day +
			p->years[band_first_age[band]].days - 1;

		if (until < born_from || from > born_until)
			continue;
		if (first < 0)
			first = band;
		last = band;
		slots += band_slot_count[band][female];
	}
	if (slots == 0)
		return 0;
	for (int i = 0; i < PICK_TRIES; i++)
	{
		uint32		draw = dice_below(dice, slots);
		uint64		block = dice_below(dice, blocks);
		int			band = first;
		uint32		slot;
		int64		person;
		int			rank;

		while (band < last && draw >= band_slot_count[band][female])
			draw -= band_slot_count[band++][female];
		slot = slots_of[band][female][draw];
		person = (int64) (block << BLOCK_BITS) +
			((slot - block_offset(spec->seed, block)) & (BLOCK_PEOPLE - 1));
		if (person >= people)
			continue;
		*born = slot_birth(p, slot, (uint32) block, &rank);
		if (*born >= born_from && *born <= born_until)
			return person + 1;
	}
	return 0;
}

static int64
household_number(uint64 seed, uint64 person)
{
	return (int64) (person >> BLOCK_BITS) * block_household_count +
		block_slots[slot_of_person(seed, person)].household;
}

uint32
population_uninsured(const PopulationSpec *spec, int64 person_id)
{
	Household	h;

	draw_household(&h, spec->seed, household_number(spec->seed, (uint64) (person_id - 1)));
	return h.suburb->uninsured;
}

static RecText
copy_text(const char *data, size_t length)
{
	RecText		text;
	char	   *copy = palloc(length + 1);

	memcpy(copy, data, length);
	copy[length] = '\0';
	text.data = copy;
	text.length = (uint32) length;
	return text;
}

static RecText
pool_rec_text(uint16 string)
{
	RecText		text = {pool_strings[string].text, pool_strings[string].length};

	return text;
}

static RecText
datum_rec_text(Datum value, bool isnull)
{
	RecText		none = {NULL, 0};
	char	   *text = DatumGetPointer(value);

	return isnull ? none : copy_text(VARDATA_ANY(text), VARSIZE_ANY_EXHDR(text));
}

static void
describe_household(const Household *h, Registration *r)
{
	r->last_name = pool_rec_text(h->last_name);
	r->population_group = pool_rec_text(h->cell->group);
	r->home_language = pool_rec_text(h->cell->language);
	r->citizenship = h->nationality ? pool_rec_text(h->nationality->country) : REC_TEXT_CONST("ZA");
	r->suburb = pool_rec_text(h->suburb->name);
	r->postal_code = pool_rec_text(h->suburb->postal_code);
}

/* A town outside the city, by weight. */
static void
describe_town(Registration *r, uint32 word)
{
	const ReferenceTable *table = reference_named("towns");
	uint32		total = 0;
	uint32		draw;
	int			row = 0;

	for (int i = 0; i < table->nrows; i++)
		total += (uint32) atoi(reference_cell(table, i, "weight"));
	draw = random_below(word, total);
	for (;; row++)
	{
		uint32		weight = (uint32) atoi(reference_cell(table, row, "weight"));

		if (draw < weight || row == table->nrows - 1)
			break;
		draw -= weight;
	}
	r->suburb.data = reference_cell(table, row, "town");
	r->suburb.length = (uint32) strlen(r->suburb.data);
	r->postal_code.data = reference_cell(table, row, "postal_code");
	r->postal_code.length = (uint32) strlen(r->postal_code.data);
}

#define NEWCOMER_SALT UINT64CONST(0x4E4557434F4D4552)

static void
describe_newcomer(const PopulationSpec *spec, const Newcomer *n, Registration *r)
{
	char		room[ROW_SCRATCH / 4];
	char	   *scratch = room;
	RandomBlock random = random_block(spec->seed, RANDOM_NEWCOMER, (uint64) n->person_id, 0);
	Household	h;
	uint64		seed = spec->seed;
	Datum		value = (Datum) 0;

	bool		of_pool = n->family != 0 && n->family < NEWCOMER_ID_BASE;

	if (of_pool)
		r->household_id = household_number(seed, (uint64) (n->family - 1));
	else
	{
		seed ^= NEWCOMER_SALT;	/* a household of nobody of the pool */
		r->household_id = n->family != 0 ? n->family : n->person_id;
	}
	draw_household(&h, seed, r->household_id);
	describe_household(&h, r);
	if (n->outside)
		describe_town(r, random_block(seed, RANDOM_NEWCOMER, (uint64) r->household_id, 1).v[0]);
	if (of_pool)
		r->household_id++;		/* as hospital.people counts them */
	r->first_name = pool_rec_text(draw_first_name(h.name_pool, n->female, birth_era(n->born),
												  random.v[1], random.v[2]));
	r->sex = n->female ? REC_TEXT_CONST("F") : REC_TEXT_CONST("M");
	r->date_of_birth = n->born;
	r->national_id.data = r->passport_no.data = NULL;
	if (n->rank >= 0 && (h.nationality == NULL || h.resident))
	{
		char		number[ID_LENGTH];

		national_id_write(number, spec->seed, n->born, n->female, n->rank,
						  h.resident ? ID_RESIDENT : ID_CITIZEN, spec->marked);
		r->national_id = copy_text(number, ID_LENGTH);
	}
	write_address(&h, seed, &scratch, &value);
	r->address = datum_rec_text(value, false);
	write_phone(h.phone[0], h.phone[1], &scratch, &value);
	r->phone = datum_rec_text(value, false);
}

void
population_describe(const PopulationSpec *spec, int64 person_id, const Newcomer *newcomer,
					Registration *r)
{
	static PeopleSource source;
	static bool have_source = false;
	Datum		values[P_COLUMNS];
	bool		isnull[P_COLUMNS];
	char		scratch[ROW_SCRATCH / 4];

	r->person_id = person_id;
	if (newcomer != NULL)
	{
		describe_newcomer(spec, newcomer, r);
		return;
	}
	pool_texts_init();
	if (!have_source || source.population.spec.seed != spec->seed ||
		source.population.spec.as_of != spec->as_of || source.population.spec.marked != spec->marked)
	{
		have_source = false;
		memset(&source, 0, sizeof(source));
		source.needs = 0xFF;
		source.block = PG_UINT64_MAX;
		source.household.number = -1;
		population_init(&source.population, spec);
		have_source = true;
	}
	people_fetch(&source.base, person_id - 1, values, isnull, scratch);
	r->national_id = datum_rec_text(values[P_NATIONAL_ID], isnull[P_NATIONAL_ID]);
	r->passport_no = datum_rec_text(values[P_PASSPORT_NO], isnull[P_PASSPORT_NO]);
	r->first_name = datum_rec_text(values[P_FIRST_NAME], false);
	r->date_of_birth = DatumGetDateADT(values[P_DATE_OF_BIRTH]);
	r->sex = datum_rec_text(values[P_SEX], false);
	r->household_id = DatumGetInt64(values[P_HOUSEHOLD_ID]);
	r->address = datum_rec_text(values[P_ADDRESS], false);
	r->phone = datum_rec_text(values[P_PHONE], false);
	describe_household(&source.household, r);
}
