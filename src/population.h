/*
 * population.h: a person of the city, by number.
 */
#ifndef HOSPITAL_POPULATION_H
#define HOSPITAL_POPULATION_H

#include "postgres.h"
#include "utils/date.h"

#include "national_id.h"
#include "records.h"
#include "reference_data.h"

#define PEOPLE_CAPACITY (INT64CONST(1) << (BLOCK_BITS + BLOCK_COUNT_BITS))

/* The years in which the age pyramid can stand, and a hospital begin. */
#define AS_OF_FIRST_YEAR 2000
#define AS_OF_LAST_YEAR 2099

/* What every value of a population depends on. */
typedef struct PopulationSpec
{
	uint64		seed;
	DateADT		as_of;
	bool		marked;			/* ID numbers that nobody living can have */
} PopulationSpec;

/* Names are drawn the same way for people of the pool and for staff. */
extern int	birth_era(DateADT date_of_birth);
extern uint16 draw_first_name(int name_pool, bool female, int era, uint32 word1, uint32 word2);
extern uint16 draw_last_name(int name_pool, uint32 word1, uint32 word2);

/*
 * Somebody of the first "people", of one sex, born between two dates: a fair
 * draw among those; 0 when none was found.
 */
extern int64 population_pick(const PopulationSpec *spec, int64 people, bool female,
							 DateADT born_from, DateADT born_until, Dice *dice, DateADT *born);

/* How likely (of 2^32) somebody of this person's suburb has no medical scheme. */
extern uint32 population_uninsured(const PopulationSpec *spec, int64 person_id);

/* Somebody who is not of the pool: born later, or from elsewhere. */
typedef struct Newcomer
{
	int64		person_id;
	DateADT		born;
	bool		female;
	bool		outside;		/* lives outside the city */
	int			rank;			/* of the identity number; -1: has none */
	int64		family;			/* the mother, who has the same household; 0: none */
} Newcomer;

/*
 * The columns of hospital.person that a registration has: as in the table
 * hospital.people for one of the pool ("newcomer" is NULL).  Texts are palloc'd.
 */
extern void population_describe(const PopulationSpec *spec, int64 person_id,
								const Newcomer *newcomer, Registration *r);

/* True for 'marked', false for 'realistic'; anything else is an error. */
extern bool id_mode_is_marked(const char *mode);

/* A pool string as a text Datum that lives as long as the backend. */
extern Datum pool_text(uint16 string);
extern void pool_texts_init(void);

#endif							/* HOSPITAL_POPULATION_H */
