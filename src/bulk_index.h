/*
 * bulk_index.h: index entries of a bulk write, many at a time and in order.
 */
#ifndef HOSPITAL_BULK_INDEX_H
#define HOSPITAL_BULK_INDEX_H

#include "postgres.h"
#include "nodes/execnodes.h"

typedef struct BulkIndexes BulkIndexes;

/* NULL when an index of the table is not simple, or there is none. */
extern BulkIndexes *bulk_indexes(ResultRelInfo *target);

/* The keys of row i of the batch at hand; its place, once it has one. */
extern void bulk_indexes_add(BulkIndexes *indexes, int i, const Datum *values, const bool *isnull);
extern void bulk_indexes_written(BulkIndexes *indexes, TupleTableSlot **slots, int n);

extern void bulk_indexes_flush(BulkIndexes *indexes);
extern void bulk_indexes_free(BulkIndexes *indexes);

#endif							/* HOSPITAL_BULK_INDEX_H */
