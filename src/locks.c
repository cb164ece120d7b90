/*
 * locks.c: hospital's advisory locks.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"

#include "locks.h"

void
set_named_lock_tag(LOCKTAG *tag, LockClass class, const char *name)
{
	uint64		hash = hash_bytes_extended((const unsigned char *) name, (int) strlen(name), 0);

	SET_LOCKTAG_ADVISORY(*tag, InvalidOid, (uint32) (hash >> 32), (uint32) hash, class);
}

static void
set_lock_tag(LOCKTAG *tag, HospitalLock lock)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, LOCK_KEY_HOSPITAL, (uint32) lock, LOCK_CLASS_HOSPITAL);
}

bool
hospital_lock(HospitalLock lock, bool wait)
{
	LOCKTAG		tag;

	set_lock_tag(&tag, lock);
	return LockAcquire(&tag, ExclusiveLock, true, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

void
hospital_unlock(HospitalLock lock)
{
	LOCKTAG		tag;

	set_lock_tag(&tag, lock);
	(void) LockRelease(&tag, ExclusiveLock, true);
}

void
hospital_lock_transaction(HospitalLock lock, LOCKMODE mode)
{
	LOCKTAG		tag;

	set_lock_tag(&tag, lock);
	(void) LockAcquire(&tag, mode, false, false);
}
