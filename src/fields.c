/*
 * fields.c: texts of files and messages, checked and turned into values.
 *
 * Times are ISO 8601 with a zone: 2020-01-31 08:15:00+00, a T for the blank, Z,
 * fractions of up to six digits, zones as +02, +0200 or +02:00.  Dates are
 * YYYY-MM-DD.  Amounts have at most two decimals, measurements at most six.
 * None depends on a setting.
 *
 * These functions are where an ingestor spends the time that is its own, so the
 * shape that files and events have (a whole second in UTC, of a day seen before)
 * is tried first, at fixed places.
 */
#include "postgres.h"

#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "fields.h"

#define MONEY_MAX INT64CONST(999999999999)	/* cents; numeric(12,2) */
#define DECIMAL_SCALE_MAX 6

static const char *const not_a_date = "not a date (YYYY-MM-DD)";
static const char *const not_a_time = "not a time with its zone (YYYY-MM-DD hh:mm:ss+00)";

typedef struct Cursor
{
	const char *at;
	const char *end;
} Cursor;

bool
field_integer(const char *data, size_t length, int64 min, int64 max, int64 *value,
			  FieldError *error)
{
	bool		negative = length > 0 && data[0] == '-';
	uint64		limit = negative ? (uint64) -(min + 1) + 1 : (uint64) max;
	uint64		number = 0;
	size_t		i = negative ? 1 : 0;

	if (i == length)
		return field_fault(error, ERRCODE_INVALID_TEXT_REPRESENTATION, "not a whole number");
	for (; i < length; i++)
	{
		unsigned	digit = (unsigned char) data[i] - '0';

		if (digit > 9)
			return field_fault(error, ERRCODE_INVALID_TEXT_REPRESENTATION, "not a whole number");
		/* 18 digits fit whatever they are. */
		if (i >= 18 && number > (limit - digit) / 10)
			return field_fault(error, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "number out of range");
		number = number * 10 + digit;
	}
	if (number > limit)
		return field_fault(error, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "number out of range");
	*value = negative ? (int64) (0 - number) : (int64) number;
	return true;
}

/* Exactly "digits" digits. */
static bool
take_number(Cursor *cursor, int digits, int *value)
{
	*value = 0;
	if (cursor->end - cursor->at < digits)
		return false;
	while (digits-- > 0)
	{
		unsigned	digit = (unsigned char) *cursor->at++ - '0';

		if (digit > 9)
			return false;
		*value = *value * 10 + (int) digit;
	}
	return true;
}

static bool
take_char(Cursor *cursor, char c)
{
	if (cursor->at == cursor->end || *cursor->at != c)
		return false;
	cursor->at++;
	return true;
}

static bool
take_date(Cursor *cursor, DateADT *date, DateMemory *memory, FieldError *error)
{
	const char *text = cursor->at;
	int			year;
	int			month;
	int			day;

	if (memory->known && (size_t) (cursor->end - text) >= sizeof(memory->text) &&
		memcmp(text, memory->text, sizeof(memory->text)) == 0)
	{
		*date = memory->date;
		cursor->at += sizeof(memory->text);
		return true;
	}
	if (!take_number(cursor, 4, &year) || !take_char(cursor, '-') ||
		!take_number(cursor, 2, &month) || !take_char(cursor, '-') ||
		!take_number(cursor, 2, &day))
		return field_fault(error, ERRCODE_INVALID_DATETIME_FORMAT, not_a_date);
	if (year < 1 || month < 1 || month > MONTHS_PER_YEAR || day < 1 ||
		day > day_tab[isleap(year)][month - 1])
		return field_fault(error, ERRCODE_DATETIME_FIELD_OVERFLOW, "no such day");
	*date = date2j(year, month, day) - POSTGRES_EPOCH_JDATE;
	memcpy(memory->text, text, sizeof(memory->text));
	memory->date = *date;
	memory->known = true;
	return true;
}

static bool
take_zone(Cursor *cursor, int *seconds)
{
	bool		west;
	int			hours;
	int			minutes = 0;

	*seconds = 0;
	if (take_char(cursor, 'Z'))
		return true;
	west = take_char(cursor, '-');
	if (!west && !take_char(cursor, '+'))
		return false;
	if (!take_number(cursor, 2, &hours))
		return false;
	if (cursor->at < cursor->end)
	{
		(void) take_char(cursor, ':');
		if (!take_number(cursor, 2, &minutes))
			return false;
	}
	if (hours > 15 || minutes > 59)
		return false;
	*seconds = (hours * MINS_PER_HOUR + minutes) * SECS_PER_MINUTE * (west ? -1 : 1);
	return true;
}

static int
take_fraction(Cursor *cursor)
{
	int			micros = 0;
	int			digits = 0;

	while (cursor->at < cursor->end && digits < 6 && *cursor->at >= '0' && *cursor->at <= '9')
	{
		micros = micros * 10 + (*cursor->at++ - '0');
		digits++;
	}
	for (int i = digits; i < 6; i++)
		micros *= 10;
	return digits > 0 ? micros : -1;
}

/* Two digits, or something above 99. */
static inline unsigned
two_digits(const char *at)
{
	unsigned	tens = (unsigned char) at[0] - '0';
	unsigned	ones = (unsigned char) at[1] - '0';

	return tens > 9 || ones > 9 ? 100 : tens * 10 + ones;
}

/* YYYY-MM-DD hh:mm:ss+00 or YYYY-MM-DDThh:mm:ssZ, the day being the one of last time. */
static inline bool
usual_time(const char *data, size_t length, TimestampTz *value, const DateMemory *memory)
{
	unsigned	hour;
	unsigned	minute;
	unsigned	second;

	if (!memory->known ||
		!((length == 22 && data[10] == ' ' && memcmp(data + 19, "+00", 3) == 0) ||
		  (length == 20 && data[10] == 'T' && data[19] == 'Z')) ||
		memcmp(data, memory->text, sizeof(memory->text)) != 0 || data[13] != ':' || data[16] != ':')
		return false;
	hour = two_digits(data + 11);
	minute = two_digits(data + 14);
	second = two_digits(data + 17);
	if (hour > 23 || minute > 59 || second > 59)
		return false;
	*value = memory->date * USECS_PER_DAY +
		((hour * MINS_PER_HOUR + minute) * SECS_PER_MINUTE + second) * USECS_PER_SEC;
	return true;
}

bool
field_time(const char *data, size_t length, TimestampTz *value, DateMemory *memory,
		   FieldError *error)
{
	Cursor		cursor = {data, data + length};
	DateADT		date;
	int			hour;
	int			minute;
	int			second;
	int			micros = 0;
	int			zone;

	if (usual_time(data, length, value, memory))
		return true;
	if (!take_date(&cursor, &date, memory, error))
	{
		if (error->sqlstate == ERRCODE_INVALID_DATETIME_FORMAT)
			error->message = not_a_time;
		return false;
	}
	if ((!take_char(&cursor, ' ') && !take_char(&cursor, 'T')) ||
		!take_number(&cursor, 2, &hour) || !take_char(&cursor, ':') ||
		!take_number(&cursor, 2, &minute) || !take_char(&cursor, ':') ||
		!take_number(&cursor, 2, &second) ||
		(take_char(&cursor, '.') && (micros = take_fraction(&cursor)) < 0) ||
		!take_zone(&cursor, &zone) || cursor.at != cursor.end)
		return field_fault(error, ERRCODE_INVALID_DATETIME_FORMAT, not_a_time);
	if (hour > 23 || minute > 59 || second > 59)
		return field_fault(error, ERRCODE_DATETIME_FIELD_OVERFLOW, "no such time of day");
	*value = date * USECS_PER_DAY +
		(((int64) hour * MINS_PER_HOUR + minute) * SECS_PER_MINUTE + second - zone) * USECS_PER_SEC +
		micros;
	return true;
}

bool
field_date(const char *data, size_t length, DateADT *value, DateMemory *memory, FieldError *error)
{
	Cursor		cursor = {data, data + length};

	if (!take_date(&cursor, value, memory, error))
		return false;
	return cursor.at == cursor.end || field_fault(error, ERRCODE_INVALID_DATETIME_FORMAT, not_a_date);
}

/*
 * [-]digits[.digits] as an integer and a scale of up to "max_scale".  Zeros
 * beyond it say nothing and are passed over.
 */
static bool
take_decimal(const char *data, size_t length, int max_scale, int64 max, int64 *digits, int *scale,
			 FieldError *error)
{
	bool		negative = length > 0 && data[0] == '-';
	size_t		i = negative ? 1 : 0;
	int64		number = 0;
	int			seen = 0;
	bool		point = false;

	*scale = 0;
	for (; i < length; i++)
	{
		unsigned	digit = (unsigned char) data[i] - '0';

		if (data[i] == '.' && !point)
		{
			point = true;
			continue;
		}
		if (digit > 9)
			return field_fault(error, ERRCODE_INVALID_TEXT_REPRESENTATION, "not a number");
		seen++;
		if (point && *scale == max_scale)
		{
			if (digit != 0)
				return field_fault(error, ERRCODE_INVALID_TEXT_REPRESENTATION,
								   max_scale == 2 ? "more than two decimals" : "more than six decimals");
			continue;
		}
		number = number * 10 + (int64) digit;
		if (number > max)
			return field_fault(error, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "number out of range");
		if (point)
			(*scale)++;
	}
	if (seen == 0)
		return field_fault(error, ERRCODE_INVALID_TEXT_REPRESENTATION, "not a number");
	*digits = negative ? -number : number;
	return true;
}

bool
field_money(const char *data, size_t length, int64 *cents, FieldError *error)
{
	int			scale;

	if (!take_decimal(data, length, 2, MONEY_MAX, cents, &scale, error))
		return false;
	for (; scale < 2; scale++)
		*cents *= 10;
	return (*cents <= MONEY_MAX && *cents >= -MONEY_MAX) ||
		field_fault(error, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "number out of range");
}

bool
field_decimal(const char *data, size_t length, RecDecimal *value, FieldError *error)
{
	int64		digits;
	int			scale;

	if (!take_decimal(data, length, DECIMAL_SCALE_MAX, PG_INT32_MAX, &digits, &scale, error))
		return false;
	value->digits = (int32) digits;
	value->scale = scale;
	return true;
}

/* The digit's value plus one; 0: it is none. */
static const unsigned char hex_digits[256] = {
	['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6, ['6'] = 7, ['7'] = 8,
	['8'] = 9, ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
	['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16
};

/* 8-4-4-4-12 hexadecimal digits. */
bool
field_uuid(const char *data, size_t length, pg_uuid_t *value, FieldError *error)
{
	const char *at = data;

	if (length != 36)
		return field_fault(error, ERRCODE_INVALID_TEXT_REPRESENTATION, "not a uuid");
	for (int i = 0; i < UUID_LEN; i++)
	{
		unsigned	high;
		unsigned	low;

		if (i == 4 || i == 6 || i == 8 || i == 10)
			if (*at++ != '-')
				return field_fault(error, ERRCODE_INVALID_TEXT_REPRESENTATION, "not a uuid");
		high = hex_digits[(unsigned char) at[0]];
		low = hex_digits[(unsigned char) at[1]];
		if (high == 0 || low == 0)
			return field_fault(error, ERRCODE_INVALID_TEXT_REPRESENTATION, "not a uuid");
		value->data[i] = (unsigned char) ((high - 1) << 4 | (low - 1));
		at += 2;
	}
	return true;
}
