/*
 * bulk_index.c: index entries of a bulk write, many at a time and in order.
 *
 * Half of the time of a COPY into a table with two indexes goes into finding
 * the place of each entry.  Entries that come in the order of their keys are
 * cheaper: one meets the pages of the one before in the processor's cache, and
 * those beyond the largest key are appended to a page that is remembered, and
 * that is left full and not half full when it splits.  So entries are held back
 * and sorted: for the rows of a file, whose visits and admissions are mostly of
 * its own day, that puts most of them at the end of the index.
 *
 * The page that is remembered: nbtree does that by itself in indexes of at least
 * three levels, some 150,000 rows.  In smaller ones it is reminded here; it is
 * a hint that it checks against the page before it makes use of it.
 *
 * An index is simple when its key is one column of a type that is passed by
 * value, or a uuid, in a btree, without expression or condition, checked at
 * once.  The order in which entries are inserted is nobody's business but
 * speed's, so the sort compares the values as numbers, whatever the operator
 * class.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/nbtree.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/rel.h"
#include "utils/uuid.h"

#include "bulk_index.h"
#include "compat.h"

#define MAX_INDEXES 4
#define FIRST_ENTRIES 1024
#define FIRST_PAUSE 8
#define LAST_PAUSE 1024
#define MAX_ENTRIES 16384		/* held for each index before they are inserted */

/* The key as a number of 128 bits that sorts as it does. */
typedef struct IndexEntry
{
	uint64		high;
	uint64		low;
	ItemPointerData tid;
	bool		isnull;
} IndexEntry;

#define SIGN_BIT UINT64CONST(0x8000000000000000)

typedef struct HeldIndex
{
	Relation	index;
	IndexInfo  *info;
	int			attribute;		/* of the table, from 0 */
	bool		uuid;
	IndexEntry *entries;
} HeldIndex;

struct BulkIndexes
{
	Relation	heap;
	int			n;				/* entries that have a place */
	int			capacity;
	int			nindexes;
	HeldIndex	indexes[MAX_INDEXES];
};

static bool
is_simple(const ResultRelInfo *target, int i)
{
	Relation	index = target->ri_IndexRelationDescs[i];
	const IndexInfo *info = target->ri_IndexRelationInfo[i];
	Form_pg_attribute key;

	if (index->rd_rel->relam != BTREE_AM_OID || info->ii_NumIndexAttrs != 1 ||
		info->ii_IndexAttrNumbers[0] <= 0 || info->ii_Expressions != NIL ||
		info->ii_Predicate != NIL || info->ii_ExclusionOps != NULL || !info->ii_ReadyForInserts ||
		!index->rd_index->indimmediate)
		return false;
	key = TupleDescAttr(RelationGetDescr(target->ri_RelationDesc), info->ii_IndexAttrNumbers[0] - 1);
	return key->attbyval || key->atttypid == UUIDOID;
}

static inline void
set_key(IndexEntry *entry, Datum value, bool uuid)
{
	if (uuid)
	{
		uint64		halves[2];

		memcpy(halves, DatumGetUUIDP(value), sizeof(halves));
		entry->high = pg_ntoh64(halves[0]);
		entry->low = pg_ntoh64(halves[1]);
	}
	else
	{
		entry->high = (uint64) value ^ SIGN_BIT;
		entry->low = 0;
	}
}

/* "room" is for keys that are no Datum by themselves. */
static inline Datum
get_key(const IndexEntry *entry, bool uuid, uint64 room[2])
{
	if (!uuid)
		return (Datum) (entry->high ^ SIGN_BIT);
	room[0] = pg_hton64(entry->high);
	room[1] = pg_hton64(entry->low);
	return PointerGetDatum(room);
}

BulkIndexes *
bulk_indexes(ResultRelInfo *target)
{
	BulkIndexes *indexes;

	if (target->ri_NumIndices == 0 || target->ri_NumIndices > MAX_INDEXES)
		return NULL;
	for (int i = 0; i < target->ri_NumIndices; i++)
		if (!is_simple(target, i))
			return NULL;
	indexes = palloc0(sizeof(BulkIndexes));
	indexes->heap = target->ri_RelationDesc;
	indexes->nindexes = target->ri_NumIndices;
	indexes->capacity = FIRST_ENTRIES;
	for (int i = 0; i < indexes->nindexes; i++)
	{
		HeldIndex  *held = &indexes->indexes[i];

		held->index = target->ri_IndexRelationDescs[i];
		held->info = target->ri_IndexRelationInfo[i];
		held->attribute = held->info->ii_IndexAttrNumbers[0] - 1;
		held->uuid = TupleDescAttr(RelationGetDescr(indexes->heap), held->attribute)->atttypid == UUIDOID;
		held->entries = palloc(FIRST_ENTRIES * sizeof(IndexEntry));
	}
	return indexes;
}

void
bulk_indexes_add(BulkIndexes *indexes, int i, const Datum *values, const bool *isnull)
{
	if (indexes->n + i == indexes->capacity)
	{
		indexes->capacity *= 2;
		for (int k = 0; k < indexes->nindexes; k++)
			indexes->indexes[k].entries = repalloc(indexes->indexes[k].entries,
												   indexes->capacity * sizeof(IndexEntry));
	}
	for (int k = 0; k < indexes->nindexes; k++)
	{
		HeldIndex  *held = &indexes->indexes[k];
		IndexEntry *entry = &held->entries[indexes->n + i];

		entry->isnull = isnull[held->attribute];
		if (!entry->isnull)
			set_key(entry, values[held->attribute], held->uuid);
	}
}

void
bulk_indexes_written(BulkIndexes *indexes, TupleTableSlot **slots, int n)
{
	for (int k = 0; k < indexes->nindexes; k++)
		for (int i = 0; i < n; i++)
			indexes->indexes[k].entries[indexes->n + i].tid = slots[i]->tts_tid;
	indexes->n += n;
	if (indexes->n >= MAX_ENTRIES)
		bulk_indexes_flush(indexes);
}

static inline int
compare_entries(const IndexEntry *x, const IndexEntry *y)
{
	if (x->isnull != y->isnull)
		return x->isnull ? 1 : -1;
	if (!x->isnull && x->high != y->high)
		return x->high < y->high ? -1 : 1;
	if (!x->isnull && x->low != y->low)
		return x->low < y->low ? -1 : 1;
	return ItemPointerCompare(unconstify(ItemPointerData *, &x->tid),
							  unconstify(ItemPointerData *, &y->tid));
}

#define ST_SORT sort_entries
#define ST_ELEMENT_TYPE IndexEntry
#define ST_COMPARE(a, b) compare_entries(a, b)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/* The page at the right end, as the one where the next entry may go. */
static void
remind(Relation index)
{
	Buffer		buffer = btree_endpoint(index);

	if (!BufferIsValid(buffer))
		return;
	RelationSetTargetBlock(index, BufferGetBlockNumber(buffer));
	_bt_relbuf(index, buffer);
}

static void
insert_entries(BulkIndexes *indexes, HeldIndex *held)
{
	IndexUniqueCheck unique = held->index->rd_index->indisunique ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO;
	int			pause = FIRST_PAUSE;	/* entries between two tries */
	int			next = 0;

	for (int i = 0; i < indexes->n; i++)
	{
		IndexEntry *entry = &held->entries[i];
		bool		reminded = i >= next && RelationGetTargetBlock(held->index) == InvalidBlockNumber;
		uint64		room[2];
		Datum		value = entry->isnull ? (Datum) 0 : get_key(entry, held->uuid, room);

		if (reminded)
			remind(held->index);
		index_insert(held->index, &value, &entry->isnull, &entry->tid, indexes->heap,
					 unique, false, held->info);
		if (reminded)
		{
			/* An entry that went elsewhere has made it be forgotten. */
			pause = RelationGetTargetBlock(held->index) == InvalidBlockNumber ?
				Min(pause * 2, LAST_PAUSE) : FIRST_PAUSE;
			next = i + pause;
		}
		if (i % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
	}
}

void
bulk_indexes_flush(BulkIndexes *indexes)
{
	for (int k = 0; k < indexes->nindexes; k++)
	{
		sort_entries(indexes->indexes[k].entries, indexes->n);
		insert_entries(indexes, &indexes->indexes[k]);
	}
	indexes->n = 0;
}

void
bulk_indexes_free(BulkIndexes *indexes)
{
	for (int k = 0; k < indexes->nindexes; k++)
		pfree(indexes->indexes[k].entries);
	pfree(indexes);
}
