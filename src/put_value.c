/*
 * put_value.c: calendar dates as characters, those of late.
 */
#include "postgres.h"

#include "utils/datetime.h"

#include "put_value.h"

KeptDate	put_dates[PUT_DATES_KEPT];

void
put_new_date(KeptDate *date, DateADT day)
{
	int			year;
	int			month;
	int			mday;
	char	   *to = date->text;

	j2date(day + POSTGRES_EPOCH_JDATE, &year, &month, &mday);
	if (year < 1 || year > 9999)
		elog(ERROR, "day %d is in no year of four digits", day);
	to = put_two(to, year / 100);
	to = put_two(to, year % 100);
	*to++ = '-';
	to = put_two(to, month);
	*to++ = '-';
	(void) put_two(to, mday);
	date->day = day;
	date->known = true;
}
