/*
 * fields.c: texts of files and messages, checked and turned into values.
 *
 * Times are ISO 8601 with a zone: 2020-01-31 08:15:00+00, a T for the blank, Z,
 * fractions of up to six digits, zones as +02, +0200 or +02:00.  Dates are
 * YYYY-MM-DD.  Neither depends on a setting.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "fields.h"

typedef struct Cursor
{
	const char *at;
	const char *end;
} Cursor;

static bool
fail(FieldError *error, int sqlstate, const char *message)
{
	error->sqlstate = sqlstate;
	error->message = message;
	return false;
}

static bool
parse_integer(const char *data, size_t length, int64 min, int64 max, int64 *value,
			  FieldError *error)
{
	bool		negative = length > 0 && data[0] == '-';
	uint64		limit = negative ? (uint64) -(min + 1) + 1 : (uint64) max;
	uint64		number = 0;
	size_t		i = negative ? 1 : 0;

	if (i == length)
		return fail(error, ERRCODE_INVALID_TEXT_REPRESENTATION, "not a whole number");
	for (; i < length; i++)
	{
		unsigned	digit = (unsigned char) data[i] - '0';

		if (digit > 9)
			return fail(error, ERRCODE_INVALID_TEXT_REPRESENTATION, "not a whole number");
		if (number > (limit - digit) / 10)
			return fail(error, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "number out of range");
		number = number * 10 + digit;
	}
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
take_date(Cursor *cursor, int *julian, FieldError *error)
{
	int			year;
	int			month;
	int			day;

	if (!take_number(cursor, 4, &year) || !take_char(cursor, '-') ||
		!take_number(cursor, 2, &month) || !take_char(cursor, '-') ||
		!take_number(cursor, 2, &day))
		return fail(error, ERRCODE_INVALID_DATETIME_FORMAT, "not a date (YYYY-MM-DD)");
	if (year < 1 || month < 1 || month > MONTHS_PER_YEAR || day < 1 ||
		day > day_tab[isleap(year)][month - 1])
		return fail(error, ERRCODE_DATETIME_FIELD_OVERFLOW, "no such day");
	*julian = date2j(year, month, day) - POSTGRES_EPOCH_JDATE;
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

static bool
parse_timestamp(const char *data, size_t length, TimestampTz *value, FieldError *error)
{
	static const char *const malformed = "not a time with its zone (YYYY-MM-DD hh:mm:ss+00)";
	Cursor		cursor = {data, data + length};
	int			julian;
	int			hour;
	int			minute;
	int			second;
	int			micros = 0;
	int			zone;

	if (!take_date(&cursor, &julian, error))
		return false;
	if ((!take_char(&cursor, ' ') && !take_char(&cursor, 'T')) ||
		!take_number(&cursor, 2, &hour) || !take_char(&cursor, ':') ||
		!take_number(&cursor, 2, &minute) || !take_char(&cursor, ':') ||
		!take_number(&cursor, 2, &second) ||
		(take_char(&cursor, '.') && (micros = take_fraction(&cursor)) < 0) ||
		!take_zone(&cursor, &zone) || cursor.at != cursor.end)
		return fail(error, ERRCODE_INVALID_DATETIME_FORMAT, malformed);
	if (hour > 23 || minute > 59 || second > 59)
		return fail(error, ERRCODE_DATETIME_FIELD_OVERFLOW, "no such time of day");
	*value = julian * USECS_PER_DAY +
		(((int64) hour * MINS_PER_HOUR + minute) * SECS_PER_MINUTE + second - zone) * USECS_PER_SEC +
		micros;
	return true;
}

static bool
parse_date(const char *data, size_t length, int *julian, FieldError *error)
{
	Cursor		cursor = {data, data + length};

	if (!take_date(&cursor, julian, error))
		return false;
	return cursor.at == cursor.end ||
		fail(error, ERRCODE_INVALID_DATETIME_FORMAT, "not a date (YYYY-MM-DD)");
}

bool
field_parse(Oid type, const char *data, size_t length, Datum *value, FieldError *error)
{
	int64		number;
	int			julian;
	TimestampTz timestamp;

	switch (type)
	{
		case INT8OID:
			if (!parse_integer(data, length, PG_INT64_MIN, PG_INT64_MAX, &number, error))
				return false;
			*value = Int64GetDatum(number);
			return true;
		case INT4OID:
			if (!parse_integer(data, length, PG_INT32_MIN, PG_INT32_MAX, &number, error))
				return false;
			*value = Int32GetDatum((int32) number);
			return true;
		case TIMESTAMPTZOID:
			if (!parse_timestamp(data, length, &timestamp, error))
				return false;
			*value = TimestampTzGetDatum(timestamp);
			return true;
		case DATEOID:
			if (!parse_date(data, length, &julian, error))
				return false;
			*value = DateADTGetDatum(julian);
			return true;
		case TEXTOID:
			if (!pg_verify_mbstr(PG_UTF8, data, (int) length, true))
				return fail(error, ERRCODE_CHARACTER_NOT_IN_REPERTOIRE, "not UTF-8");
			*value = PointerGetDatum(cstring_to_text_with_len(data, (int) length));
			return true;
		default:
			elog(ERROR, "field_parse does not know type %u", type);
	}
	return false;
}
