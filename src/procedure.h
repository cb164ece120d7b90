/*
 * procedure.h: procedures that commit on their way (hospital_run, hospital_ingest).
 *
 * Settings set for a transaction end with it, so they are pinned anew after
 * each commit.  A step is work between two commits: what SPI allocates goes
 * with its connection, and each step has its own inside the one that the
 * procedure keeps for its commits.
 */
#ifndef HOSPITAL_PROCEDURE_H
#define HOSPITAL_PROCEDURE_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "fmgr.h"

/* ereport inside a transaction block or a function. */
extern void procedure_require_top_level(FunctionCallInfo fcinfo, const char *name);

/* For the rest of this transaction: names and values mean what they say. */
extern void procedure_pin_settings(void);

/* Commit, and pin the settings of the next transaction. */
extern void procedure_commit(void);

extern void procedure_begin_step(void);
extern void procedure_end_step(void);

/* For what is said of the progress. */
extern double seconds_since(TimestampTz start);

#endif							/* HOSPITAL_PROCEDURE_H */
