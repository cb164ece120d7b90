/*
 * day.h: the records of one hospital day.
 */
#ifndef HOSPITAL_DAY_H
#define HOSPITAL_DAY_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "utils/date.h"
#include "utils/uuid.h"

#include "population.h"
#include "rowsource.h"
#include "wards.h"

#define PEOPLE_MIN 1000			/* fewer could not keep the beds filled */
#define TRANSFERS_MAX 1000		/* a day */

typedef struct Admission
{
	int64		admission_id;
	int64		patient_id;
	TimestampTz admitted_at;
	TimestampTz discharged_at;
	int			ward;			/* of the day's wards */
	uint8		triage;			/* of triage_names */
	uint8		outcome;		/* of outcome_names */
	uint8		transfer_after;	/* days after which it may be transferred */
	DateADT		born;
	bool		female;
} Admission;

typedef struct Transfer
{
	pg_uuid_t	event_id;
	TimestampTz event_time;
	int64		admission_id;
	int64		patient_id;
	const char *from_ward;
	const char *to_ward;
	const char *reason;
	const char *status;
	int64		staff_id;
} Transfer;

/* What all days of a hospital have in common. */
typedef struct Calendar Calendar;

extern Calendar *calendar_open(int64 seed, int64 people, int beds, DateADT start_date,
							   DateADT last_day);
extern const WardList *calendar_wards(const Calendar *calendar);

/* The day's admissions in order of time, palloc'd; start_date <= day <= last_day. */
extern int	calendar_admissions(const Calendar *calendar, DateADT day, Admission **out);

/* The day's transfers in time order, palloc'd. */
extern PGDLLEXPORT int day_transfers(DateADT day, int64 seed, int64 people, int beds, DateADT start_date,
						  int transfers_per_day, Transfer **out);

extern RowSource *transfers_of(DateADT day, int64 seed, int64 people, int beds, DateADT start_date,
							   int transfers_per_day);

/* A source of the day's rows for a kind of day file; NULL for an unknown kind. */
extern RowSource *day_source(const char *kind, DateADT day, int64 seed, int64 people, int beds,
							 DateADT start_date, int transfers_per_day);

/* ereport unless there can be such a day. */
extern void check_day(DateADT day, int64 people, int64 beds, DateADT start_date);

#endif							/* HOSPITAL_DAY_H */
