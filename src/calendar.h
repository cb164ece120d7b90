/*
 * calendar.h: what is special about a day: season, weekday, holidays, paydays,
 * lockdowns, epidemics; and reckoning in years.
 */
#ifndef HOSPITAL_CALENDAR_H
#define HOSPITAL_CALENDAR_H

#include "postgres.h"
#include "utils/date.h"

/* Ways in, and what else has a profile of its own over the day and the week. */
typedef enum Stream
{
	STREAM_ED_MEDICAL,
	STREAM_ED_TRAUMA,
	STREAM_ED_PAED,
	STREAM_MATERNITY,
	STREAM_BIRTH,
	STREAM_ELECTIVE,
	STREAM_OPD,
	STREAM_DISCHARGE,
	STREAM_DEATH,
	STREAMS
} Stream;

#define SEASONS_MAX 24

/* Factors are 16.16; 65536 is the mean of a year without events. */
typedef struct DayFacts
{
	DateADT		day;
	int			year;
	int			month;
	int			mday;
	int			weekday;		/* 1 is Monday */
	bool		holiday;
	bool		after_holiday;	/* the first working day after one */
	DateADT		last_holiday;	/* the one it comes after */
	int32		factor[STREAMS];	/* weekday, events and modifiers */
	int32		open[STREAMS];	/* the same without the weekday */
	int32		season[SEASONS_MAX];	/* by season_number() */
	int32		measles;
	int32		cholera;
	int32		burns;
	int64		covid;			/* admissions of a hospital of 1,100 beds, 16.16 */
	uint32		covid_mortality;	/* millionths */
} DayFacts;

/* Facts of a day; they depend on the reference data alone. */
extern void day_facts(DateADT day, DayFacts *facts);

/* Number of a profile of seasonality.csv. */
extern int	season_number(const char *profile);

/* Seconds since midnight, by the hours of the stream. */
extern int	draw_second(const DayFacts *facts, Stream stream, uint32 word1, uint32 word2);

/* Work is done on weekdays that are no holidays. */
extern bool is_holiday(DateADT day);
extern int	weekday_of(DateADT day);

/* The same day so many years later (earlier); 28 February for the 29th. */
extern DateADT date_add_years(DateADT date, int years);
extern int	date_year(DateADT date);

#endif							/* HOSPITAL_CALENDAR_H */
