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

/* Called after every batch with the rows written since the last call. */
typedef void (*BulkProgress) (void *arg, int64 rows);

/*
 * Write all rows of the source; the caller's transaction, the caller's lock.
 * "shared" when other processes write to the table at the same time.
 */
extern int64 bulk_write(Relation rel, RowSource *source, bool shared,
						BulkProgress progress, void *arg);

#endif							/* HOSPITAL_BULK_H */
