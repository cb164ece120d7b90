/*
 * population.h: a person of the city, by number.
 */
#ifndef HOSPITAL_POPULATION_H
#define HOSPITAL_POPULATION_H

#include "postgres.h"
#include "utils/date.h"

#include "national_id.h"
#include "reference_data.h"

#define PEOPLE_CAPACITY (INT64CONST(1) << (BLOCK_BITS + BLOCK_COUNT_BITS))

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

/* Birth date and sex alone, of anybody. */
extern void population_basics(const PopulationSpec *spec, int64 person_id,
							  DateADT *date_of_birth, bool *female);

/* True for 'marked', false for 'realistic'; anything else is an error. */
extern bool id_mode_is_marked(const char *mode);

/* A pool string as a text Datum that lives as long as the backend. */
extern Datum pool_text(uint16 string);
extern void pool_texts_init(void);

#endif							/* HOSPITAL_POPULATION_H */
