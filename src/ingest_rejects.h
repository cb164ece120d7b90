/*
 * ingest_rejects.h: lines that become no rows, on their way to hospital.rejects.
 */
#ifndef HOSPITAL_INGEST_REJECTS_H
#define HOSPITAL_INGEST_REJECTS_H

#include "postgres.h"

#include "ingest_ledger.h"
#include "record_parse.h"

/* Where a record comes from. */
typedef struct LineRef
{
	int64		line;			/* of the file */
	int64		offset;			/* in bytes */
	const char *raw;			/* NULL: still in the file alone */
	uint32		raw_length;
	int64		reject_id;		/* tried again: its row of hospital.rejects; 0: none */
	bool		doubled;		/* it was one for a key that its file has before */
} LineRef;

typedef struct Rejects Rejects;

/*
 * In CurrentMemoryContext.  "source" may be asked for the bytes of a line that
 * has none here (into CurrentMemoryContext).
 */
typedef const char *(*LineSource) (void *arg, const LineRef *line);
extern Rejects *rejects_begin(const Batch *batch, const RecordKind *kind, LineSource source, void *arg);

/* "record" where it has one: what it refers to is kept with a 23503. */
extern void rejects_add(Rejects *rejects, const LineRef *line, const RecordFault *fault,
						const void *record);

/*
 * Write them: a new row each, or a new reason for the row that it has.  The
 * bytes of the lines are not needed after that.
 */
extern void rejects_flush(Rejects *rejects);

/* How many there have been; of these, lines that lack a patient or an admission. */
extern int64 rejects_count(const Rejects *rejects);
extern int64 rejects_orphans(const Rejects *rejects);

/* The first, in words; NULL: none. */
extern const char *rejects_first(const Rejects *rejects);

#endif							/* HOSPITAL_INGEST_REJECTS_H */
