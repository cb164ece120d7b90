/*
 * job_schedule.h: when a job is due, as its schedule says.
 *
 * A schedule is an interval ('15 minutes'), five fields in the manner of cron
 * ('30 2 * * mon-fri'; 'L' or '$' is a month's last day), or an event ('after
 * day ingested', 'after day closed').  Times of day are those of its zone.
 */
#ifndef HOSPITAL_JOB_SCHEDULE_H
#define HOSPITAL_JOB_SCHEDULE_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "pgtime.h"

typedef enum JobScheduleKind
{
	JOB_INTERVAL,
	JOB_CRON,
	JOB_DAY_INGESTED,
	JOB_DAY_CLOSED
} JobScheduleKind;

typedef struct JobSchedule
{
	JobScheduleKind kind;
	pg_tz	   *zone;
	Interval	interval;

	/* The fields of a cron line, a bit a value. */
	uint64		minutes;
	uint32		hours;
	uint32		days;			/* 1 to 31 */
	uint32		months;			/* 1 to 12 */
	uint32		weekdays;		/* 0 is Sunday */
	bool		last_day;		/* the month's last one, too */
	bool		any_day;		/* the field begins with an asterisk */
	bool		any_weekday;
} JobSchedule;

/* ereport, with what is wrong and how it is done right. */
extern void job_schedule_parse(JobSchedule *schedule, const char *text, const char *zone);

/* True: it has times of its own. */
extern bool job_schedule_is_timed(const JobSchedule *schedule);

/*
 * The first time after "after".  An interval counts from "starting".  False:
 * there is none.
 */
extern bool job_schedule_next(const JobSchedule *schedule, TimestampTz starting,
							  TimestampTz after, TimestampTz *next);

#endif							/* HOSPITAL_JOB_SCHEDULE_H */
