/*
 * partition_lock.c: how sessions and consumers keep out of each other's way.
 *
 * hospital_seek and its kin (SQL, hospital--1.0.sql) decide about partitions
 * while consumers work on them.  Both hold an advisory lock on the partition:
 * its key is a hash, so that two partitions may share one, which costs a wait
 * and nothing else.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "compat.h"
#include "locks.h"
#include "partition_lock.h"

PG_FUNCTION_INFO_V1(hospital_stream_key);

static int32
partition_key(const char *topic, int length, int partition)
{
	uint32		hash = hash_bytes((const unsigned char *) topic, length);

	return (int32) hash_combine(hash, hash_bytes_uint32((uint32) partition));
}

void
stream_partition_lock(const char *topic, int partition, bool exclusive)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, LOCK_KEY_HOSPITAL,
						 (uint32) partition_key(topic, strlen(topic), partition), LOCK_CLASS_PARTITION);
	(void) LockAcquire(&tag, exclusive ? ExclusiveLock : ShareLock, false, false);
}

Datum
hospital_stream_key(PG_FUNCTION_ARGS)
{
	text	   *topic = PG_GETARG_TEXT_PP(0);

	PG_RETURN_INT32(partition_key(VARDATA_ANY(topic), VARSIZE_ANY_EXHDR(topic), PG_GETARG_INT32(1)));
}
