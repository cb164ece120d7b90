/*
 * record_csv.c: the records of a day as lines of a CSV file.
 *
 * The bytes are those of COPY (SELECT * FROM hospital_generate_<kind>(...)) TO
 * ... CSV HEADER with TimeZone UTC and DateStyle ISO, made from the structs and
 * their descriptions without Datums, output functions or settings: a day has
 * some 400,000 fields.  Calendar dates are few and computed once; a text is
 * copied first and looked at, eight bytes at a time, where it then is.
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
put_integer(char *to, int64 number)
{
	uint64		magnitude = number < 0 ? (uint64) 0 - (uint64) number : (uint64) number;

	if (number < 0)
		*to++ = '-';
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
	to += pg_ulltoa_n(magnitude / powers[scale], to);
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
#define HAS_ZERO(word) (((word) - EACH_BYTE(0x01)) & ~(word) & EACH_BYTE(0x80))
#define HAS_BYTE(word, b) HAS_ZERO((word) ^ EACH_BYTE(b))

/* Is there anything for which COPY quotes?  Zeros follow the text. */
static inline bool
needs_quotes(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i += sizeof(uint64))
	{
		uint64		word;

		memcpy(&word, text + i, sizeof(word));
		if (HAS_BYTE(word, ',') | HAS_BYTE(word, '"') | HAS_BYTE(word, '\n') | HAS_BYTE(word, '\r'))
			return true;
	}
	return false;
}

static char *
put_quoted(char *to, const char *data, size_t length)
{
	*to++ = '"';
	for (size_t i = 0; i < length; i++)
	{
		if (data[i] == '"')
			*to++ = '"';
		*to++ = data[i];
	}
	*to++ = '"';
	return to;
}

static inline char *
put_text(char *to, const RecText *text)
{
	if (text->length == 0)
		return put_quoted(to, NULL, 0);
	memcpy(to, text->data, text->length);
	memset(to + text->length, 0, sizeof(uint64));
	if (needs_quotes(to, text->length))
		return put_quoted(to, text->data, text->length);
	return to + text->length;
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
