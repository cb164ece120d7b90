/*
 * shared_state.h: the shared memory through which sessions, the launcher and its
 * workers see each other.
 *
 * A slot is one worker of one database.  The launcher makes and removes slots
 * and starts what is wanted; the scheduler of a database says what its
 * database needs; a worker fills in its own.  Everything is guarded by one
 * LWLock, held for a few stores at a time.  A crash restart of the server
 * starts from an empty array.
 */
#ifndef HOSPITAL_SHARED_STATE_H
#define HOSPITAL_SHARED_STATE_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "fmgr.h"
#include "nodes/execnodes.h"
#include "storage/latch.h"
#include "storage/lwlock.h"

#include "worker.h"

#define WORKER_SLOTS 64

typedef struct WorkerSlot
{
	/* The launcher's. */
	bool		used;
	WorkerRole	role;
	int			number;			/* of its role in its database, from 0 */
	NameData	database_name;
	Oid			database;		/* Invalid: not there, or of the whole server */
	bool		wanted;			/* the scheduler: listed; others: its scheduler asks */
	bool		wants_broker;	/* a scheduler that asks for the server's broker */
	Oid			session_role;	/* whose session it is; Invalid: the bootstrap superuser's */
	bool		starting;		/* registered with the postmaster, not here yet */
	uint32		generation;		/* of the worker that may take the slot */
	uint32		restarts;
	uint32		failures;		/* in a row, for the back-off */
	TimestampTz next_start;
	TimestampTz started_at;

	/* A session's. */
	bool		poked;			/* start (again) without waiting for next_start */
	TimestampTz stop_by;		/* SIGTERM if it has not left by then; 0: none */

	/* The worker's. */
	pid_t		pid;			/* 0: none */
	Latch	   *latch;			/* a PGPROC's: setting it is always safe */
	bool		left;			/* by itself, with nothing to do */
	TimestampTz wake_at;		/* a job runner that left: start another; NOEND: when poked */
	int64		job_run;		/* the run that a job runner is at; 0: none */
	bool		job_stays;		/* that run goes on when the hospital is stopped */
	bool		job_events;		/* there are jobs that wait for days */
	bool		hospital_runs;	/* as its scheduler has told job runners */
	TimestampTz since;
	TimestampTz last_error_at;
	int			sqlstate;
	uint64		rows;
	char		state[WORKER_STATE_LENGTH];
	char		last_error[WORKER_ERROR_LENGTH];
} WorkerSlot;

/* A database that a statement wants for itself (make_way.c). */
typedef struct WantedDatabase
{
	pid_t		pid;			/* who runs the statement; 0: nobody */
	Oid			database;
} WantedDatabase;

#define WANTED_DATABASES 16

typedef struct HospitalControl
{
	LWLock	   *lock;
	WantedDatabase wanted_databases[WANTED_DATABASES];
	int64		broker_epoch;	/* 0: no embedded broker */
	char		broker_address[BROKER_ADDRESS_LENGTH];
	TimestampTz test_now;		/* of the test clock; 0: not set yet */
	WorkerSlot	slots[WORKER_SLOTS];
} HospitalControl;

/* NULL when the library was not preloaded. */
extern HospitalControl *hospital_control;

/* _PG_init, while preloading. */
extern void control_shmem_init(void);
extern void launcher_register(void);

extern const char *worker_role_name(WorkerRole role);

/* With the lock held. */
extern WorkerSlot *control_find_slot(const char *database_name, WorkerRole role, int number);
extern WorkerSlot *control_make_slot(const char *database_name, WorkerRole role, int number);
extern void control_set_state(WorkerSlot *slot, const char *state);
extern void control_set_error(WorkerSlot *slot, int sqlstate, const char *message);
extern void control_wake_launcher(void);

/* A text, or NULL, into a field of so many bytes: as many whole characters as there is room for. */
extern void control_copy_text(char *to, size_t size, const char *from);

/* Start as the launcher: worker_start for the one whose slot nobody made. */
extern void worker_start_launcher(void);

/* Without the lock: what this worker's database needs besides its scheduler. */
extern void control_want(int consumers, int ingestors, bool broker);

/* The same for those who run its jobs: how many, and as whom they connect. */
extern void control_want_runners(int count, bool running, Oid role);

/*
 * Where the embedded broker listens, while it runs.  The epoch differs from
 * that of every earlier one (its topics are empty after a restart).
 */
extern PGDLLEXPORT void control_publish_broker(const char *address, int64 epoch);
extern PGDLLEXPORT bool control_find_broker(char *address, size_t size, int64 *epoch);

/* In hospital.databases? */
extern bool control_database_is_listed(const char *database_name);

/* Begin a set-returning function that gives all its rows at once, of so many columns. */
extern ReturnSetInfo *control_begin_rows(FunctionCallInfo fcinfo, int columns);

extern PGDLLEXPORT void launcher_main(Datum main_arg);
extern PGDLLEXPORT void scheduler_main(Datum main_arg);
extern PGDLLEXPORT void ingestor_main(Datum main_arg);
extern PGDLLEXPORT void job_runner_main(Datum main_arg);

#endif							/* HOSPITAL_SHARED_STATE_H */
