/*
 * put_value.h: values as characters, for CSV lines and for JSON events.
 *
 * Every function writes at "to" and returns where it ended.  A day has some
 * 400,000 values, so nothing here allocates or looks at a setting: calendar
 * dates are few and computed once; a text is copied and searched for what must
 * not be in it as it is, eight bytes at a time.
 */
#ifndef HOSPITAL_PUT_VALUE_H
#define HOSPITAL_PUT_VALUE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/uuid.h"

#define PUT_DATE_LENGTH 10		/* YYYY-MM-DD */
#define PUT_DATES_KEPT 1024		/* by day modulo this */
#define PUT_FIRST_DATE (-730119)	/* 0001-01-01; before and after: other forms */
#define PUT_LAST_DATE 2921939	/* 9999-12-31 */

static inline char *
put_two(char *to, int number)
{
	static const char two_digits[] =
		"00010203040506070809" "10111213141516171819" "20212223242526272829"
		"30313233343536373839" "40414243444546474849" "50515253545556575859"
		"60616263646566676869" "70717273747576777879" "80818283848586878889"
		"90919293949596979899";

	memcpy(to, two_digits + 2 * number, 2);
	return to + 2;
}

/* ---- dates and times ---- */

typedef struct KeptDate
{
	bool		known;
	DateADT		day;
	char		text[PUT_DATE_LENGTH];
} KeptDate;

extern KeptDate put_dates[PUT_DATES_KEPT];

/* ereport unless the day is in a year of four digits. */
extern void put_new_date(KeptDate *date, DateADT day);

static inline char *
put_date(char *to, DateADT day)
{
	KeptDate   *date = &put_dates[(uint32) day % PUT_DATES_KEPT];

	if (unlikely(!date->known || date->day != day))
		put_new_date(date, day);
	memcpy(to, date->text, PUT_DATE_LENGTH);
	return to + PUT_DATE_LENGTH;
}

/* Six digits without the zeros at their end. */
static inline char *
put_fraction(char *to, int microseconds)
{
	*to++ = '.';
	to = put_two(to, microseconds / 10000);
	to = put_two(to, microseconds / 100 % 100);
	to = put_two(to, microseconds % 100);
	while (to[-1] == '0')
		to--;
	return to;
}

/* Date and time of day in UTC, with "between" between them, and no zone. */
static inline char *
put_time(char *to, TimestampTz at, char between)
{
	DateADT		day = (DateADT) (at / USECS_PER_DAY);
	int64		rest = at - day * USECS_PER_DAY;
	int			seconds;
	int			microseconds;

	if (rest < 0)
	{
		day--;
		rest += USECS_PER_DAY;
	}
	seconds = (int) (rest / USECS_PER_SEC);
	microseconds = (int) (rest - seconds * USECS_PER_SEC);
	to = put_date(to, day);
	*to++ = between;
	to = put_two(to, seconds / 3600);
	*to++ = ':';
	to = put_two(to, seconds / 60 % 60);
	*to++ = ':';
	to = put_two(to, seconds % 60);
	if (microseconds != 0)
		to = put_fraction(to, microseconds);
	return to;
}

/* ---- numbers ---- */

static inline char *
put_six(char *to, int number)
{
	to = put_two(to, number / 10000);
	to = put_two(to, number / 100 % 100);
	return put_two(to, number % 100);
}

/* Below a million, without leading zeros. */
static inline char *
put_small(char *to, uint32 number)
{
	if (number >= 10000)
	{
		if (number >= 100000)
			return put_six(to, number);
		*to++ = '0' + number / 10000;
		to = put_two(to, number / 100 % 100);
		return put_two(to, number % 100);
	}
	if (number >= 100)
	{
		if (number >= 1000)
			to = put_two(to, number / 100);
		else
			*to++ = '0' + number / 100;
		return put_two(to, number % 100);
	}
	if (number >= 10)
		return put_two(to, number);
	*to++ = '0' + number;
	return to;
}

static inline char *
put_integer(char *to, int64 number)
{
	uint64		magnitude = number < 0 ? (uint64) 0 - (uint64) number : (uint64) number;

	if (number < 0)
		*to++ = '-';
	if (magnitude < 1000000)
		return put_small(to, (uint32) magnitude);
	if (magnitude < UINT64CONST(1000000000000))
	{
		to = put_small(to, (uint32) (magnitude / 1000000));
		return put_six(to, (int) (magnitude % 1000000));
	}
	return to + pg_ulltoa_n(magnitude, to);
}

/* digits / 10^scale, with all "scale" places. */
static inline char *
put_decimal(char *to, int64 digits, int scale)
{
	static const uint64 powers[] = {1, 10, 100, 1000, 10000, 100000, 1000000};
	uint64		magnitude = digits < 0 ? (uint64) 0 - (uint64) digits : (uint64) digits;
	uint64		fraction = magnitude % powers[scale];

	if (digits < 0)
		*to++ = '-';
	to = put_integer(to, (int64) (magnitude / powers[scale]));
	if (scale == 0)
		return to;
	*to = '.';
	for (int i = scale; i > 0; i--)
	{
		to[i] = '0' + fraction % 10;
		fraction /= 10;
	}
	return to + scale + 1;
}

static inline char *
put_uuid(char *to, const pg_uuid_t *uuid)
{
	static const char hex[] = "0123456789abcdef";

	for (int i = 0; i < UUID_LEN; i++)
	{
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*to++ = '-';
		*to++ = hex[uuid->data[i] >> 4];
		*to++ = hex[uuid->data[i] & 0x0f];
	}
	return to;
}

/* ---- texts ---- */

#define EACH_BYTE(b) (UINT64CONST(0x0101010101010101) * (b))
#define HIGH_BITS EACH_BYTE(0x80)

/* In each byte's highest bit: is it zero, is it below n?  (Or maybe, above a byte that is.) */
#define ZERO_BYTES(word) (((word) - EACH_BYTE(0x01)) & ~(word) & HIGH_BITS)
#define BYTES_BELOW(word, n) (((word) - EACH_BYTE(n)) & ~(word) & HIGH_BITS)

/* Is there perhaps, among the word's bytes, one that cannot be put as it is? */
typedef uint64 (*PutSuspects) (uint64 word);

/*
 * Copy a text; false when something in it is suspect.  The last bytes of a long
 * text are looked at twice, those of a short one alone.
 */
static pg_attribute_always_inline bool
put_plain(char *to, const char *data, size_t length, PutSuspects suspects)
{
	uint64		suspect = 0;
	uint64		word;

	if (length >= sizeof(word))
	{
		for (size_t i = 0; i + sizeof(word) < length; i += sizeof(word))
		{
			memcpy(&word, data + i, sizeof(word));
			suspect |= suspects(word);
			memcpy(to + i, &word, sizeof(word));
		}
		memcpy(&word, data + length - sizeof(word), sizeof(word));
		memcpy(to + length - sizeof(word), &word, sizeof(word));
	}
	else
	{
		word = EACH_BYTE('x');
		for (size_t i = 0; i < length; i++)
			to[i] = data[i];
		for (size_t i = 0; i < length; i++)
			word = word << 8 | (unsigned char) data[i];
	}
	return (suspect | suspects(word)) == 0;
}

#define PUT_JSON_ESCAPED 6		/* \u001f: the most that a byte of a text becomes */

/* PutSuspects: is there perhaps something that JSON has escapes for? */
static inline uint64
put_json_suspects(uint64 word)
{
	return BYTES_BELOW(word, 0x20) | ZERO_BYTES(word ^ EACH_BYTE('"')) | ZERO_BYTES(word ^ EACH_BYTE('\\'));
}

/* A text with JSON's escapes, the shortest there are, and without its quotes. */
extern char *put_json_escaped(char *to, const char *data, size_t length);

#endif							/* HOSPITAL_PUT_VALUE_H */
