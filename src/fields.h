/*
 * fields.h: texts of files and messages, checked and turned into values.
 *
 * Nothing here throws, allocates, or needs the catalogs: a bad value is told to
 * the caller, who has the bytes, the place and the table for rejects.
 */
#ifndef HOSPITAL_FIELDS_H
#define HOSPITAL_FIELDS_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "utils/date.h"
#include "utils/uuid.h"

#include "records.h"

typedef struct FieldError
{
	int			sqlstate;
	const char *message;		/* static */
} FieldError;

/* Always false. */
static inline bool
field_fault(FieldError *error, int sqlstate, const char *message)
{
	error->sqlstate = sqlstate;
	error->message = message;
	return false;
}

/* The date that was read last: most times of a file are of one or two days. */
typedef struct DateMemory
{
	char		text[10];		/* YYYY-MM-DD */
	bool		known;
	DateADT		date;
} DateMemory;

/*
 * The value that the bytes stand for.  False, with "error" filled in, when they
 * stand for none.
 */
extern bool field_integer(const char *data, size_t length, int64 min, int64 max, int64 *value,
						  FieldError *error);
extern bool field_time(const char *data, size_t length, TimestampTz *value, DateMemory *memory,
					   FieldError *error);
extern bool field_date(const char *data, size_t length, DateADT *value, DateMemory *memory,
					   FieldError *error);
extern bool field_money(const char *data, size_t length, int64 *cents, FieldError *error);
extern bool field_decimal(const char *data, size_t length, RecDecimal *value, FieldError *error);
extern bool field_uuid(const char *data, size_t length, pg_uuid_t *value, FieldError *error);

#endif							/* HOSPITAL_FIELDS_H */
