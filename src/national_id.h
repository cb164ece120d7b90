/*
 * national_id.h: South African identity numbers, YYMMDD SSSS C A Z.
 *
 * The 5,000 sequence numbers of one birth date and sex are shared out by who
 * may hold them, so that people made by different parts of the extension never
 * meet, and neither do people born a hundred years apart.
 */
#ifndef HOSPITAL_NATIONAL_ID_H
#define HOSPITAL_NATIONAL_ID_H

#include "postgres.h"
#include "utils/date.h"

#define ID_LENGTH 13
#define ID_RANKS 5000			/* of one birth date and sex */

/* First rank of each holder; a holder's ranks end where the next begins. */
#define ID_RANK_POOL 0			/* the population, below 100 years of age */
#define ID_RANK_CENTENARIAN 4400	/* the population, from 100 on */
#define ID_RANK_NEWBORN 4464	/* born in the simulation */
#define ID_RANK_OUTSIDER 4720	/* patients from outside the city */
#define ID_RANK_STAFF 4848		/* staff */

typedef enum IdStatus
{
	ID_CITIZEN = 0,
	ID_RESIDENT = 1
} IdStatus;

/*
 * Write the 13 digits (no terminator) of the holder of a rank: two ranks of
 * one birth date and sex never give the same number.  "marked" uses C = 8 or 9
 * in place of 0 or 1.
 */
extern void national_id_write(char *out, uint64 seed, DateADT date_of_birth, bool female,
							  int rank, IdStatus status, bool marked);

/* What hospital_national_id_valid says of it. */
extern bool national_id_is_valid(const char *text, int length);

#endif							/* HOSPITAL_NATIONAL_ID_H */
