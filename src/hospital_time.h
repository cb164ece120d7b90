/*
 * hospital_time.h: the server's timestamps as hospital days, and as Unix time.
 */
#ifndef HOSPITAL_HOSPITAL_TIME_H
#define HOSPITAL_HOSPITAL_TIME_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "utils/date.h"

/* Johannesburg is two hours ahead of UTC all year. */
#define LOCAL_OFFSET (2 * USECS_PER_HOUR)

static inline TimestampTz
midnight_of(DateADT day)
{
	return (TimestampTz) day * USECS_PER_DAY - LOCAL_OFFSET;
}

static inline DateADT
day_of_time(TimestampTz at)
{
	int64		local = at + LOCAL_OFFSET;

	return (DateADT) (local >= 0 ? local / USECS_PER_DAY : -((-local + USECS_PER_DAY - 1) / USECS_PER_DAY));
}

#define UNIX_EPOCH_USECS ((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

/* Milliseconds since 1970. */
static inline int64
unix_ms(TimestampTz at)
{
	return (at + UNIX_EPOCH_USECS) / 1000;
}

static inline TimestampTz
time_of_unix_ms(int64 ms)
{
	return ms * 1000 - UNIX_EPOCH_USECS;
}

#endif							/* HOSPITAL_HOSPITAL_TIME_H */
