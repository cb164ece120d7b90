/*
 * population_private.h: what population.c makes people of, for
 * population_person.c, which asks for them one at a time.
 */
#ifndef HOSPITAL_POPULATION_PRIVATE_H
#define HOSPITAL_POPULATION_PRIVATE_H

#include "population.h"
#include "rowsource.h"

enum PersonColumn
{
	P_PERSON_ID,
	P_NATIONAL_ID,
	P_PASSPORT_NO,
	P_FIRST_NAME,
	P_LAST_NAME,
	P_DATE_OF_BIRTH,
	P_SEX,
	P_POPULATION_GROUP,
	P_HOME_LANGUAGE,
	P_CITIZENSHIP,
	P_HOUSEHOLD_ID,
	P_ADDRESS,
	P_SUBURB,
	P_POSTAL_CODE,
	P_PHONE,
	P_COLUMNS
};

/* The days on which somebody of one year of age can have been born. */
typedef struct AgeYear
{
	DateADT		first_day;		/* the earliest */
	uint16		days;
	uint16		first_unit;		/* of the band's 2^14 */
	uint16		units;
	uint16		most_per_day;	/* units that share a day, at the most */
} AgeYear;

/* What a household shares. */
typedef struct Household
{
	int64		number;			/* -1: none drawn yet */
	const LanguageGroup *cell;
	const Nationality *nationality; /* NULL for citizens of South Africa */
	bool		resident;		/* foreign, with an identity number */
	int			name_pool;
	const Suburb *suburb;
	uint16		last_name;		/* pool string */
	uint32		phone[2];		/* the household's own telephone */
} Household;

/* What follows from the arguments alone. */
typedef struct Population
{
	PopulationSpec spec;
	AgeYear		years[AGE_YEARS];
	uint16		rank_stride[AGE_BANDS]; /* places of a slot in one day */
	uint8		year_of_unit[AGE_BANDS][64];	/* a guess, at or below */
} Population;

typedef struct PeopleSource
{
	RowSource	base;
	int64		first;			/* index of row 0, from 0 */
	uint8		needs;
	Population	population;
	uint64		block;			/* of the last row; its offset */
	uint32		block_offset;
	Household	household;		/* of the last row */
} PeopleSource;

/* Tables that follow from as_of. */
extern void population_init(Population *p, const PopulationSpec *spec);

/* A slot's birth date in one block, and its rank among those of that day. */
extern DateADT slot_birth(const Population *p, uint32 slot_number, uint32 block, int *rank);

/* Where a block begins. */
extern uint32 block_offset(uint64 seed, uint64 block);

extern void draw_household(Household *h, uint64 seed, int64 number);

/* Texts at *p, which moves on. */
extern void write_address(const Household *h, uint64 seed, char **p, Datum *value);
extern void write_phone(uint32 word1, uint32 word2, char **p, Datum *value);

extern bool people_fetch(RowSource *source, int64 row, Datum *values, bool *isnull, char *scratch);

#endif							/* HOSPITAL_POPULATION_PRIVATE_H */
