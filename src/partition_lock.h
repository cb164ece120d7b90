/*
 * partition_lock.h: how sessions and consumers keep out of each other's way.
 */
#ifndef HOSPITAL_PARTITION_LOCK_H
#define HOSPITAL_PARTITION_LOCK_H

#include "postgres.h"

/*
 * Hold a partition until the end of the transaction: consumers share it while
 * they take in a batch, whoever decides about it has it alone.  Several are to
 * be taken in the order of topic (by its bytes) and partition.
 */
extern PGDLLEXPORT void stream_partition_lock(const char *topic, int partition, bool exclusive);

#endif							/* HOSPITAL_PARTITION_LOCK_H */
