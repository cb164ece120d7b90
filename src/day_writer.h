/*
 * day_writer.h: a whole hospital day's folder in the lake.
 */
#ifndef HOSPITAL_DAY_WRITER_H
#define HOSPITAL_DAY_WRITER_H

#include "postgres.h"
#include "nodes/pg_list.h"

#include "day_file.h"
#include "lakefile.h"
#include "records.h"
#include "simulation.h"

#define DAY_FILES (RECORD_KINDS + 1)	/* a file a kind, and the manifest */

/* A day on its way into the lake. */
typedef struct DayFiles
{
	const Simulation *simulation;
	DateADT		day;
	LakeFile   *files[DAY_FILES];	/* by kind; the manifest is the last */
	int64		rows[RECORD_KINDS];
	int64		all_rows;
	int64		all_bytes;		/* of the kinds' files */
	List	   *faults;			/* Fault *, by kind and line */
} DayFiles;

/*
 * The three steps, see day_writer.c.  Write: in CurrentMemoryContext, to which
 * the files belong.  Record: in a transaction, SPI connected.  Publish: once
 * that has been committed.
 */
extern DayFiles *day_write(const Simulation *simulation, DateADT day);
extern void day_record(const DayFiles *files);
extern void day_publish(const DayFiles *files);

/* In a transaction: a day without files, for tests of the clock. */
extern void day_record_empty(DateADT day);

/* For lake_recover: does the ledger know this file?  In a transaction, SPI connected. */
extern bool day_ledger_knows(const Simulation *simulation, const char *path, const char *hash);

/* The day after the last that has been written, from "first" on; SPI connected. */
extern DateADT day_next_unwritten(DateADT first);

#endif							/* HOSPITAL_DAY_WRITER_H */
