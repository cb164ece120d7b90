/*
 * locks.h: hospital's advisory locks, all of them.
 *
 * A lock's class is the last field of its tag.  SQL's functions take classes 1
 * and 2 only, so those of another number nobody takes by chance.  Where a key is
 * a hash, two things may share a lock: one waits for the other, or is refused,
 * without need.  Waits show in pg_locks, and deadlocks are found.
 */
#ifndef HOSPITAL_LOCKS_H
#define HOSPITAL_LOCKS_H

#include "postgres.h"
#include "storage/lock.h"

/* Who holds what, and for how long. */
typedef enum LockClass
{
	/*
	 * A partition, for a transaction: consumers share it, sessions that decide
	 * about it have it alone (partition_lock.c).  SQL takes it too, as
	 * pg_advisory_xact_lock(LOCK_KEY_HOSPITAL, hospital_stream_key(...)).
	 */
	LOCK_CLASS_PARTITION = 2,

	/* A file or folder that is exported to, of the server: for a transaction (export_files.c). */
	LOCK_CLASS_EXPORT = 0x6578,

	/*
	 * A patient, or all: for the rest of the transaction that brings events
	 * (insight.c).
	 */
	LOCK_CLASS_PATIENT = 0x6869,

	/* What one process of a database does at a time, below. */
	LOCK_CLASS_HOSPITAL = 0x6873,

	/*
	 * Brokers and the prefix of topics, of the server: as long as a scheduler
	 * publishes to them (sole_use.c).
	 */
	LOCK_CLASS_TOPICS = 0x746f
} LockClass;

#define LOCK_KEY_HOSPITAL 0x686f7370	/* "hosp" */

/* A lock of the whole server, on something that has a name. */
extern void set_named_lock_tag(LOCKTAG *tag, LockClass class, const char *name);

/*
 * What only one process of a database may do at a time.  Those of the first two
 * keep the lock through errors and transactions, until they end or give it back.
 */
typedef enum HospitalLock
{
	HOSPITAL_LOCK_LAKE = 1,		/* write below the lake */
	HOSPITAL_LOCK_RUN,			/* run days ahead of the clock */
	HOSPITAL_LOCK_PATIENTS,		/* these two are held for a transaction, see ingest_retry.c */
	HOSPITAL_LOCK_ADMISSIONS,
	HOSPITAL_LOCK_JOBS,			/* for a transaction that looks which jobs are due */
	HOSPITAL_LOCK_MARTS			/* for a transaction's last act, see marts.c */
} HospitalLock;

/* False when another has it; "wait" waits for it instead. */
extern bool hospital_lock(HospitalLock lock, bool wait);
extern void hospital_unlock(HospitalLock lock);

/* Waits; held until the transaction ends. */
extern void hospital_lock_transaction(HospitalLock lock, LOCKMODE mode);

#endif							/* HOSPITAL_LOCKS_H */
