/*
 * worker.h: what every background process of hospital has in common.
 *
 * A worker waits without a transaction, works in short ones, answers signals
 * at once, and shows its state in a slot of shared memory (hospital.status).
 *
 *	void
 *	consumer_main(Datum main_arg)
 *	{
 *		worker_start(main_arg);
 *		worker_loop(consume, &consumer);
 *	}
 *
 * body: fetch without a transaction; worker_begin(); SPI; worker_commit();
 * worker_wait().
 */
#ifndef HOSPITAL_WORKER_H
#define HOSPITAL_WORKER_H

#include "postgres.h"
#include "datatype/timestamp.h"

#include "compat.h"

typedef enum WorkerRole
{
	WORKER_LAUNCHER,
	WORKER_SCHEDULER,			/* owns the clock: writes day files, publishes */
	WORKER_CONSUMER,
	WORKER_INGESTOR,
	WORKER_BROKER,				/* hosts the embedded broker, one for the server */
	WORKER_JOB					/* runs one scheduled job */
} WorkerRole;

#define WORKER_ROLES (WORKER_JOB + 1)
#define WORKER_STATE_LENGTH 64
#define WORKER_ERROR_LENGTH 256
#define BROKER_ADDRESS_LENGTH 256

/*
 * In the worker's main function: handlers, then unblock, then take the slot,
 * connect to its database (the broker: to none), pin the settings.  main_arg
 * is the slot's number.
 */
extern PGDLLEXPORT void worker_start(Datum main_arg);

/*
 * The same for a process that a session has started to work for it, which has
 * no slot.
 */
extern void worker_start_helper(Oid database);

/*
 * One transaction, as the owner of the data tables, in a security-restricted
 * context; SPI connected and a snapshot pushed.  False, with no transaction
 * left open, when the extension or the data tables are not there (any more),
 * another version of the extension is installed, it is being altered or
 * dropped, or the server is a standby.  Not for the broker.
 *
 * The memory context that is current at begin is so again after begin, and
 * after commit.  In between each call of SPI leaves SPI's own current, which
 * goes at commit.  An ERROR in between goes to worker_loop or worker_try, which abort.
 */
extern PGDLLEXPORT bool worker_begin(const char *activity);
extern PGDLLEXPORT void worker_commit(void);

/* After worker_begin gave false: ERROR when it was for the extension's version. */
extern void worker_check_version(void);

/* Was it because the extension is being altered or dropped just now? */
extern bool worker_is_held_up(void);

/* Take back what was done since worker_begin. */
extern PGDLLEXPORT void worker_rollback(void);

/* Whose the data tables are; InvalidOid when there are none.  In a transaction. */
extern Oid	worker_tables_owner(void);

/* The extension's schema, quoted, and the tables' owner; as of the last worker_begin. */
extern PGDLLEXPORT const char *worker_schema(void);
extern Oid	worker_owner(void);

/*
 * Sleep until timeout (ms; -1: none), the latch, a signal or, when fd >= 0,
 * something to read there.  CHECK_FOR_INTERRUPTS and reload are done here.
 * True when fd was readable.  Never with a transaction open.
 */
extern PGDLLEXPORT bool worker_wait(long timeout_ms, int fd);

/* How often worker_wait has read the configuration again. */
extern PGDLLEXPORT uint32 worker_reloads(void);

/*
 * Run "body" until it returns false.  An ERROR inside is caught, its
 * transaction rolled back, recorded in the slot and the log (the same error
 * once), and body is called again after a back-off (1 s doubling to 60 s, with
 * jitter from the pid; a reload of the configuration ends it); a call that
 * returns resets it.  A per-iteration memory context is current in body and
 * reset after.
 */
extern PGDLLEXPORT void worker_loop(bool (*body) (void *), void *arg);

/* Run "body" once; an ERROR is treated as above, and false returned. */
extern PGDLLEXPORT bool worker_try(void (*body) (void *), void *arg);

/* Of the last error recorded; 0: none. */
extern PGDLLEXPORT int worker_sqlstate(void);

/*
 * Leave for good: "state" stays visible, and the launcher starts another one
 * only when poked, or (the scheduler) to look again a minute later.
 */
pg_noreturn extern PGDLLEXPORT void worker_leave(const char *state);

/* All of these do nothing in a process that is no worker. */
extern PGDLLEXPORT void worker_state(const char *format,...) pg_attribute_printf(1, 2);
extern PGDLLEXPORT void worker_count_rows(uint64 rows);
extern PGDLLEXPORT void worker_record_error(int sqlstate, const char *message);
extern PGDLLEXPORT void worker_clear_error(void);

extern PGDLLEXPORT Oid worker_database(void);
extern PGDLLEXPORT int worker_number(void); /* of its role, from 0: which consumer am I */

/* Its slot's number on this server; -1 in a process that has none. */
extern PGDLLEXPORT int worker_slot(void);

/* Poke a role's workers of this database (any process; at commit if asked). */
extern PGDLLEXPORT void worker_wake(Oid database, WorkerRole role);
extern PGDLLEXPORT void worker_wake_at_commit(WorkerRole role);

#endif							/* HOSPITAL_WORKER_H */
