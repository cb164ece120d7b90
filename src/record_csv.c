/*
 * record_csv.c: the records of a day as lines of a CSV file.
 *
 * The bytes are those of COPY (SELECT * FROM hospital_generate_<kind>(...)) TO
 * ... CSV HEADER with TimeZone UTC and DateStyle ISO, made from the structs and
 * their descriptions without Datums, output functions or settings: a day has
 * some 400,000 fields.  Calendar dates are few and computed once; a text is
 * copied and searched for what must be quoted eight bytes at a time.
 */
#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/builtins.h"
#include "utils/datetime.h"

#include "record_csv.h"

#define FIELD_ROOM 48			/* for any field that is no text, and its comma */
#define DATE_LENGTH 10			/* YYYY-MM-DD */
#define DATES_KEPT 1024			/* by day modulo this */

static const char two_digits[] =
	"00010203040506070809" "10111213141516171819" "20212223242526272829"
	"30313233343536373839" "40414243444546474849" "50515253545556575859"
	"60616263646566676869" "70717273747576777879" "80818283848586878889"
	"90919293949596979899";

static inline char *
put_two(char *to, int number)
{
	memcpy(to, two_digits + 2 * number, 2);
	return to + 2;
}

/* ---- dates and times ---- */

typedef struct KeptDate
{
	bool		known;
	DateADT		day;
	char		text[DATE_LENGTH];
} KeptDate;

static void
format_date(char *to, DateADT day)
{
	int			year;
	int			month;
	int			mday;

	j2date(day + POSTGRES_EPOCH_JDATE, &year, &month, &mday);
	if (year < 1 || year > 9999)
		elog(ERROR, "day %d is in no year of four digits", day);
	to = put_two(to, year / 100);
	to = put_two(to, year % 100);
	*to++ = '-';
	to = put_two(to, month);
	*to++ = '-';
	(void) put_two(to, mday);
}

static inline char *
put_date(char *to, DateADT day)
{
	static KeptDate dates[DATES_KEPT];
	KeptDate   *date = &dates[(uint32) day % DATES_KEPT];

	if (!date->known || date->day != day)
	{
		format_date(date->text, day);
		date->day = day;
		date->known = true;
	}
	memcpy(to, date->text, DATE_LENGTH);
	return to + DATE_LENGTH;
}

/* Six digits without the zeros at their end. */
static char *
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

static inline char *
put_time(char *to, TimestampTz at)
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
	*to++ = ' ';
	to = put_two(to, seconds / 3600);
	*to++ = ':';
	to = put_two(to, seconds / 60 % 60);
	*to++ = ':';
	to = put_two(to, seconds % 60);
	if (microseconds != 0)
		to = put_fraction(to, microseconds);
	memcpy(to, "+00", 3);
	return to + 3;
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

static char *
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

/* Is there perhaps something for which COPY quotes? */
static inline uint64
is_suspect(uint64 word)
{
	return BYTES_BELOW(word, 0x20) | ZERO_BYTES(word ^ EACH_BYTE(',')) | ZERO_BYTES(word ^ EACH_BYTE('"'));
}

static char *
put_quoted(char *to, const char *data, size_t length)
{
	bool		quote = length == 0;

	for (size_t i = 0; i < length && !quote; i++)
		quote = data[i] == ',' || data[i] == '"' || data[i] == '\n' || data[i] == '\r';
	if (quote)
		*to++ = '"';
	for (size_t i = 0; i < length; i++)
	{
		if (data[i] == '"')
			*to++ = '"';
		*to++ = data[i];
	}
	if (quote)
		*to++ = '"';
	return to;
}

/* The last bytes of a long text are looked at twice, those of a short one alone. */
static inline char *
put_text(char *to, const RecText *text)
{
	const char *data = text->data;
	size_t		length = text->length;
	uint64		suspect = 0;
	uint64		word;

	if (length >= sizeof(word))
	{
		for (size_t i = 0; i + sizeof(word) < length; i += sizeof(word))
		{
			memcpy(&word, data + i, sizeof(word));
			suspect |= is_suspect(word);
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
	suspect |= is_suspect(word);
	if (suspect != 0 || length == 0)
		return put_quoted(to, data, length);
	return to + length;
}

/* ---- fields and lines ---- */

static inline char *
put_value(char *to, const RecordColumn *column, const char *field)
{
	switch (column->type)
	{
		case REC_INT8:
			return *(const int64 *) field == REC_NULL8 ? to : put_integer(to, *(const int64 *) field);
		case REC_INT4:
			return *(const int32 *) field == REC_NULL4 ? to : put_integer(to, *(const int32 *) field);
		case REC_TEXT:
			return ((const RecText *) field)->data == NULL ? to : put_text(to, (const RecText *) field);
		case REC_TIME:
			return *(const int64 *) field == REC_NULL8 ? to : put_time(to, *(const int64 *) field);
		case REC_DATE:
			return *(const int32 *) field == REC_NULL4 ? to : put_date(to, *(const int32 *) field);
		case REC_MONEY:
			return *(const int64 *) field == REC_NULL8 ? to : put_decimal(to, *(const int64 *) field, 2);
		case REC_DECIMAL:
			if (((const RecDecimal *) field)->scale < 0)
				return to;
			return put_decimal(to, ((const RecDecimal *) field)->digits, ((const RecDecimal *) field)->scale);
		case REC_UUID:
			return put_uuid(to, (const pg_uuid_t *) field);
	}
	return to;					/* not reached */
}

/* Room for a field and whatever else of a line is no text, and where it goes. */
static inline char *
make_room(StringInfo out, char *to, const RecordColumn *column, const char *field, int room)
{
	if (column->type == REC_TEXT)
		room += 2 * ((const RecText *) field)->length;
	if (out->data + out->maxlen - to > room)
		return to;
	out->len = to - out->data;
	enlargeStringInfo(out, room);
	return out->data + out->len;
}

static inline void
set_end(StringInfo out, char *to)
{
	*to = '\0';
	out->len = to - out->data;
}

void
record_csv_field(StringInfo out, const RecordColumn *column, const void *record)
{
	const char *field = (const char *) record + column->offset;
	char	   *to = make_room(out, out->data + out->len, column, field, FIELD_ROOM);

	set_end(out, put_value(to, column, field));
}

void
record_csv_line(StringInfo out, const RecordKind *kind, const void *record)
{
	const RecordColumn *column = kind->columns;
	char	   *to = out->data + out->len;

	for (int left = kind->ncolumns; left > 0; left--, column++)
	{
		const char *field = (const char *) record + column->offset;

		to = make_room(out, to, column, field, left * FIELD_ROOM);
		to = put_value(to, column, field);
		*to++ = ',';
	}
	to[-1] = '\n';
	set_end(out, to);
}

void
record_csv_header(StringInfo out, const RecordKind *kind)
{
	for (int i = 0; i < kind->ncolumns; i++)
		appendStringInfo(out, "%s%c", kind->columns[i].name, i < kind->ncolumns - 1 ? ',' : '\n');
}
