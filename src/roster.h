/*
 * roster.h: who works which shift in which ward.
 */
#ifndef HOSPITAL_ROSTER_H
#define HOSPITAL_ROSTER_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "utils/date.h"

#include "workforce.h"

typedef enum ShiftCode
{
	SHIFT_N12D,
	SHIFT_N12N,
	SHIFT_D8,
	SHIFT_D8CALL,
	SHIFT_CALL24,
	SHIFT_ED12D,
	SHIFT_ED12N,
	SHIFT_ED12L,
	SHIFT_S8A,
	SHIFT_S8B,
	SHIFT_S8C,
	SHIFT_C12D,
	SHIFT_C12N,
	SHIFT_COUNT,
	SHIFT_NONE = SHIFT_COUNT
} ShiftCode;

typedef struct RosterRow
{
	int32		staff;			/* index; staff_id is one more */
	int16		ward;			/* of wards, or -1 */
	uint8		shift;			/* ShiftCode */
	uint8		professional;	/* a professional nurse */
	int32		next;			/* used while the day is made */
} RosterRow;

/* Assignment ids: the day's number since 2000-01-01 and one within the day. */
#define DAY_ID_STEP 100000

typedef struct Roster Roster;

/* The roster of a hospital whose history starts at start_date, up to "until". */
extern Roster *roster_open(int beds, uint64 seed, DateADT start_date, DateADT until);

/* The shifts that begin on the day; the rows live until the next call. */
extern int	roster_day(Roster *roster, DateADT day, const RosterRow **rows);

extern const Workforce *roster_workforce(const Roster *roster);
extern const WardList *roster_wards(const Roster *roster);
extern const char *shift_name(ShiftCode shift);
extern TimestampTz shift_starts(const Roster *roster, DateADT day, ShiftCode shift);
extern TimestampTz shift_ends(const Roster *roster, DateADT day, ShiftCode shift);

#endif							/* HOSPITAL_ROSTER_H */
