/*
 * faults.h: lines of day files that are spoilt on purpose.
 */
#ifndef HOSPITAL_FAULTS_H
#define HOSPITAL_FAULTS_H

#include "postgres.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"

#include "day.h"

#define DIRTY_RATE_MAX 0.2

typedef struct Fault
{
	RecordKindNumber kind;
	int64		line;			/* of the file, on which it begins; 1 is the header */
	const char *fault;			/* malformed, wrong type, … */
	const char *column;			/* at fault; NULL: none */
	const char *raw;			/* the bytes, line end included */
	int			length;
} Fault;

/* The faults of one file, in the order of its lines. */
typedef struct FaultMaker
{
	uint64		seed;
	DateADT		day;
	RecordKindNumber kind;
	const char *rows;			/* the file's records */
	uint32		chance;			/* that one follows a record, times 2^32 */
	int			made;
} FaultMaker;

extern void faults_begin(FaultMaker *maker, const DayRecords *records, RecordKindNumber kind,
						 uint64 seed, double rate);

/*
 * After record "row" has been written: a bad line that follows it, appended to
 * "out", or NULL.  Begins at "line" of the file; palloc'd.
 */
extern Fault *faults_next(FaultMaker *maker, int row, int64 line, StringInfo out);

#endif							/* HOSPITAL_FAULTS_H */
