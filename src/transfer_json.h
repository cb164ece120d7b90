/*
 * transfer_json.h: a transfer as a JSON event, and back.
 */
#ifndef HOSPITAL_TRANSFER_JSON_H
#define HOSPITAL_TRANSFER_JSON_H

#include "postgres.h"
#include "lib/stringinfo.h"

#include "records.h"

#define TRANSFER_SCHEMA_VERSION "1"
#define TRANSFER_TYPE "transfer"

/* Why a payload is no transfer. */
typedef struct PayloadError
{
	int			sqlstate;
	const char *column;			/* NULL: the payload as a whole */
	char		message[200];
} PayloadError;

extern void transfer_to_json(StringInfo out, const Transfer *transfer);

/* Strings of the result are in CurrentMemoryContext.  Never raises. */
extern bool transfer_from_json(const char *payload, size_t length, Transfer *transfer,
							   PayloadError *error);

/* 2020-01-01T10:00:00Z, with a fraction where there is one. */
extern void append_utc(StringInfo out, TimestampTz time);

/* Valid UTF-8 without a NUL byte. */
extern bool text_is_storable(const char *text, size_t length);

#endif							/* HOSPITAL_TRANSFER_JSON_H */
