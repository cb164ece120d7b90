/*
 * ingest_keys.c: keys of records: those that a file has had, sets of them.  Here
 * a key that is twice in a file is found.
 *
 * The keys of our own files ascend: then a key is new when it is larger than
 * the last one, and remembering it is writing it down.  What comes out of order
 * is looked for among those by halving, and kept in a hash table.
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "ingest_keys.h"

struct FileKeys
{
	const RecordKind *kind;
	MemoryContext context;
	Size		size;			/* of what is written down of a key */
	char	   *ascending;
	int64		n;
	int64		capacity;
	HTAB	   *others;			/* NULL: none */
};

int
record_key_compare(const RecordKind *kind, const RecordKey *a, const RecordKey *b)
{
	if (kind->columns[kind->key].type == REC_UUID)
		return memcmp(&a->uuid, &b->uuid, sizeof(pg_uuid_t));
	return a->number < b->number ? -1 : a->number > b->number ? 1 : 0;
}

FileKeys *
file_keys(const RecordKind *kind)
{
	FileKeys   *keys = palloc0(sizeof(FileKeys));

	keys->kind = kind;
	keys->context = CurrentMemoryContext;
	keys->size = kind->columns[kind->key].type == REC_UUID ? sizeof(pg_uuid_t) : sizeof(int64);
	keys->capacity = 1024;
	keys->ascending = palloc(keys->capacity * keys->size);
	return keys;
}

static RecordKey
ascending_key(const FileKeys *keys, int64 i)
{
	RecordKey	key;

	memset(&key, 0, sizeof(key));
	memcpy(&key, keys->ascending + i * keys->size, keys->size);
	return key;
}

static bool
is_ascending_one(const FileKeys *keys, const RecordKey *key)
{
	int64		low = 0;
	int64		high = keys->n;

	while (low < high)
	{
		int64		middle = (low + high) / 2;
		RecordKey	there = ascending_key(keys, middle);
		int			order = record_key_compare(keys->kind, &there, key);

		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static bool
add_other(FileKeys *keys, const RecordKey *key)
{
	bool		found;

	if (keys->others == NULL)
	{
		HASHCTL		control = {
			.keysize = sizeof(RecordKey), .entrysize = sizeof(RecordKey), .hcxt = keys->context
		};

		keys->others = hash_create("hospital keys of a file", 1024, &control,
								   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	(void) hash_search(keys->others, key, HASH_ENTER, &found);
	return !found;
}

bool
file_keys_add(FileKeys *keys, const RecordKey *key)
{
	if (keys->n > 0)
	{
		RecordKey	last = ascending_key(keys, keys->n - 1);

		if (record_key_compare(keys->kind, &last, key) >= 0)
			return !is_ascending_one(keys, key) && add_other(keys, key);
	}
	if (keys->n == keys->capacity)
	{
		keys->capacity *= 2;
		keys->ascending = repalloc_huge(keys->ascending, keys->capacity * keys->size);
	}
	memcpy(keys->ascending + keys->n++ * keys->size, key, keys->size);
	return true;
}

/* ---- sets ---- */

static int
compare_in_kind(const void *a, const void *b, void *kind)
{
	return record_key_compare(kind, a, b);
}

KeySet *
key_set(const RecordKind *kind, int capacity)
{
	KeySet	   *set = palloc0(sizeof(KeySet));

	set->kind = kind;
	set->keys = palloc(Max(capacity, 1) * sizeof(RecordKey));
	return set;
}

void
key_set_sort(KeySet *set)
{
	qsort_arg(set->keys, set->n, sizeof(RecordKey), compare_in_kind,
			  unconstify(RecordKind *, set->kind));
}

bool
key_set_has(const KeySet *set, const RecordKey *key)
{
	int			low = 0;
	int			high = set->n;

	while (low < high)
	{
		int			middle = (low + high) / 2;
		int			order = record_key_compare(set->kind, &set->keys[middle], key);

		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}
