/*
 * beds.h: who lies in which bed.
 */
#ifndef HOSPITAL_BEDS_H
#define HOSPITAL_BEDS_H

#include "journey.h"

typedef struct Beds Beds;

extern Beds *beds_open(const WardList *wards);

/*
 * A free bed of the kind for the patient: in the department's own wards, else
 * (overflow) where its group lies, else in any ward that takes the patient.
 * "avoid" is a ward not to be taken, or -1.  False when there is none.
 */
extern bool beds_find(Beds *beds, Place place, int department, bool female, DateADT born,
					  DateADT day, bool overflow_allowed, int avoid, uint32 word,
					  int16 *ward, bool *overflow);

/* How well the ward suits the patient, taken or free: 0 not at all, or up to BEST_MERIT. */
#define BEST_MERIT 3
extern int	beds_suit(const Beds *beds, Place place, int department, bool female, DateADT born,
					  DateADT day, int ward);

/* Take the lowest free bed of a ward that has one; give it back. */
extern int16 beds_take(Beds *beds, int ward);
extern void beds_give(Beds *beds, int ward, int bed);

#endif							/* HOSPITAL_BEDS_H */
