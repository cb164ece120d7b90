/*
 * put_value.c: calendar dates as characters, those of late; texts with JSON's
 * escapes.
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

/* ---- JSON ---- */

static char *
put_escape(char *to, unsigned char c)
{
	static const char letters[0x20] = {
		['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'
	};
	static const char hex[] = "0123456789abcdef";

	*to++ = '\\';
	if (c >= 0x20)
		*to++ = c;
	else if (letters[c] != '\0')
		*to++ = letters[c];
	else
	{
		memcpy(to, "u00", 3);
		to[3] = hex[c >> 4];
		to[4] = hex[c & 0x0F];
		to += 5;
	}
	return to;
}

char *
put_json_escaped(char *to, const char *data, size_t length)
{
	for (size_t i = 0; i < length; i++)
	{
		unsigned char c = (unsigned char) data[i];

		if (c < 0x20 || c == '"' || c == '\\')
			to = put_escape(to, c);
		else
			*to++ = c;
	}
	return to;
}
