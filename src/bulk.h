/*
 * bulk.h: rows of a source, straight into a plain heap table.
 */
#ifndef HOSPITAL_BULK_H
#define HOSPITAL_BULK_H

#include "postgres.h"
#include "utils/rel.h"

#include "rowsource.h"

/*
 * NULL when rows of this kind may be written straight into the table, else
 * why not; the ordinary path (INSERT … SELECT) serves every table.
 */
extern const char *bulk_refusal(Relation rel, const RowSourceMethods *methods);

/* The same where rows are meant by name: they are written by position. */
extern const char *bulk_refusal_by_name(Relation rel, const RowSourceMethods *methods);

/*
 * Rows of several sources into one table, by the caller's transaction and
 * lock.  Entries of simple indexes may wait for bulk_flush or bulk_close, so
 * nobody finds the rows by an index before.  Not closing it, after an ERROR,
 * costs nothing but the end of the memory context and of the transaction.
 * "shared" when other processes write to the table at the same time.
 */
typedef struct BulkWriter BulkWriter;

extern BulkWriter *bulk_open(Relation rel, bool shared);
extern void bulk_append(BulkWriter *writer, RowSource *source);
extern void bulk_flush(BulkWriter *writer);
extern void bulk_close(BulkWriter *writer);

/* Called after every batch with the rows written since the last call. */
typedef void (*BulkProgress) (void *arg, int64 rows);

/* All of that for a single source; rows written. */
extern int64 bulk_write(Relation rel, RowSource *source, bool shared,
						BulkProgress progress, void *arg);

#endif							/* HOSPITAL_BULK_H */
