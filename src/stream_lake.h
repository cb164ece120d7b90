/*
 * stream_lake.h: the messages of a committed range as a file of the lake.
 */
#ifndef HOSPITAL_STREAM_LAKE_H
#define HOSPITAL_STREAM_LAKE_H

#include "stream_write.h"

/*
 * In the transaction, after the rows: one file a partition, of what was taken
 * and is no reject, on disk under a temporary name; partition->file is it.
 * Nothing with hospital.stream_lake off.
 */
extern void stream_lake_write(StreamBatch *batch);

/* After the commit: they get their names. */
extern void stream_lake_publish(StreamBatch *batch);

/*
 * What a process that ended left of these partitions: files that the ledger
 * knows get their names, others go to quarantine.  No transaction open.
 */
extern PGDLLEXPORT void stream_lake_recover(const StreamBatch *batch);

#endif							/* HOSPITAL_STREAM_LAKE_H */
