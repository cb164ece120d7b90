/*
 * day.h: the records of one hospital day.
 */
#ifndef HOSPITAL_DAY_H
#define HOSPITAL_DAY_H

#include "postgres.h"
#include "utils/date.h"

#include "records.h"

#define PEOPLE_MIN 1000			/* fewer could not keep the beds filled */
#define TRANSFERS_MAX 1000		/* a day, and not more than one for two beds */

/* What every value of a hospital's days depends on. */
typedef struct DaySpec
{
	int64		seed;
	int64		people;
	int			beds;
	DateADT		start_date;
	int			transfers;		/* medical transfers of a day */
	bool		marked;			/* identity numbers that nobody living can have */
} DaySpec;

/* The records of a day, of each kind an array of its struct, in order of id. */
typedef struct DayRecords
{
	DateADT		day;
	int			count[RECORD_KINDS];
	void	   *rows[RECORD_KINDS];
} DayRecords;

/* ereport unless there can be such a day. */
extern void check_day(const DaySpec *spec, DateADT day);

/*
 * The day's records, good until the next call in this process.  The days before
 * are replayed where they have to be; the next day of the same hospital is
 * cheap, as is the same day again.
 */
extern PGDLLEXPORT const DayRecords *day_records(const DaySpec *spec, DateADT day);

/* Keep them for as long as the current memory context lives. */
extern PGDLLEXPORT void day_hold(const DayRecords *records);

#endif							/* HOSPITAL_DAY_H */
