/*
 * run.h: what a session that runs days ahead of the clock and its writer share.
 */
#ifndef HOSPITAL_RUN_H
#define HOSPITAL_RUN_H

#include "postgres.h"
#include "port/atomics.h"
#include "storage/latch.h"
#include "utils/date.h"

#include "helper_error.h"
#include "simulation.h"

#define RUN_LEAD 8				/* days that are written before they are ingested */

/* In dynamic shared memory, made by the session. */
typedef struct RunShared
{
	Oid			database;
	char		data_folder[MAXPGPATH]; /* as the session has it */
	DateADT		first;
	int			days;
	Latch	   *session_latch;
	Latch	   *volatile writer_latch;	/* NULL until it is there */
	pg_atomic_uint32 written;	/* days */
	pg_atomic_uint32 ingested;	/* days */
	HelperError error;
} RunShared;

/*
 * In the transaction that records a day: the live clock goes on after it.  SPI
 * connected.
 */
extern void run_move_clock(DateADT day);

extern PGDLLEXPORT void hospital_run_writer_main(Datum main_arg);

#endif							/* HOSPITAL_RUN_H */
