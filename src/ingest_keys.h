/*
 * ingest_keys.h: keys of records: those that a file has had, sets of them.
 */
#ifndef HOSPITAL_INGEST_KEYS_H
#define HOSPITAL_INGEST_KEYS_H

#include "postgres.h"

#include "records.h"

/* A key as it is kept: a number, or a uuid. */
typedef union RecordKey
{
	int64		number;
	pg_uuid_t	uuid;
} RecordKey;

static inline RecordKey
record_key(const RecordKind *kind, const void *record)
{
	const RecordColumn *column = &kind->columns[kind->key];
	const char *field = (const char *) record + column->offset;
	RecordKey	key;

	memset(&key, 0, sizeof(key));
	if (column->type == REC_UUID)
		memcpy(&key.uuid, field, sizeof(pg_uuid_t));
	else
		memcpy(&key.number, field, sizeof(int64));
	return key;
}

static inline Datum
record_key_datum(const RecordKind *kind, const RecordKey *key)
{
	return kind->columns[kind->key].type == REC_UUID ? UUIDPGetDatum(&key->uuid) :
		Int64GetDatum(key->number);
}

static inline RecordKey
record_key_of_datum(const RecordKind *kind, Datum value)
{
	RecordKey	key;

	memset(&key, 0, sizeof(key));
	if (kind->columns[kind->key].type == REC_UUID)
		key.uuid = *DatumGetUUIDP(value);
	else
		key.number = DatumGetInt64(value);
	return key;
}

/* As the index orders them. */
extern int	record_key_compare(const RecordKind *kind, const RecordKey *a, const RecordKey *b);

/* ---- the keys of a file, in the order in which they come ---- */

typedef struct FileKeys FileKeys;

/* Lives in CurrentMemoryContext. */
extern FileKeys *file_keys(const RecordKind *kind);
/* Add it; false when it has been there before. */
extern bool file_keys_add(FileKeys *keys, const RecordKey *key);

/* ---- a set of keys: added first, asked then ---- */

typedef struct KeySet
{
	const RecordKind *kind;
	RecordKey  *keys;
	int			n;
} KeySet;

extern KeySet *key_set(const RecordKind *kind, int capacity);
extern void key_set_sort(KeySet *set);
extern bool key_set_has(const KeySet *set, const RecordKey *key);

#endif							/* HOSPITAL_INGEST_KEYS_H */
