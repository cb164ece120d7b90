/*
 * fields.h: texts of files and messages, checked and turned into values.
 *
 * Nothing here throws, and nothing needs the catalogs: a bad value is told to
 * the caller, who has the bytes, the place and the table for rejects.
 */
#ifndef HOSPITAL_FIELDS_H
#define HOSPITAL_FIELDS_H

#include "postgres.h"

typedef struct FieldError
{
	int			sqlstate;
	const char *message;		/* static */
} FieldError;

/*
 * The value of "type" (int8, int4, text, timestamptz, date) that the bytes
 * stand for.  A text is palloc'd.  False, with "error" filled in, when they
 * stand for none.
 */
extern bool field_parse(Oid type, const char *data, size_t length, Datum *value, FieldError *error);

#endif							/* HOSPITAL_FIELDS_H */
