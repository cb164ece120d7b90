/*
 * ingest_write.h: records that have passed the checks, into their table.
 */
#ifndef HOSPITAL_INGEST_WRITE_H
#define HOSPITAL_INGEST_WRITE_H

#include "postgres.h"

#include "ingest_keys.h"
#include "ingest_rejects.h"
#include "records.h"
#include "rowsource.h"

/* The records at hand: an array of their structs, and where each comes from. */
typedef struct HeldRecords
{
	const RecordKind *kind;
	char	   *records;
	LineRef    *lines;			/* of a file's; NULL for messages */
	bool	   *out;			/* rejected meanwhile */
	int			n;
	int			capacity;
	bool		long_texts;		/* of a record: more than ROW_SCRATCH may hold */
} HeldRecords;

static inline char *
held_record(const HeldRecords *held, int row)
{
	return held->records + (Size) row * held->kind->size;
}

/* Some of them, as a row source. */
typedef struct HeldRows
{
	RowSource	source;
	RowSourceMethods methods;
	const HeldRecords *held;
	const int  *rows;
	int			ncolumns;		/* of the kind; what follows is a staging table's */
} HeldRows;

/* What the texts and numbers of a record take as Datums, at the most. */
extern Size held_scratch_size(const RecordKind *kind, const char *record);
extern void held_rows_init(HeldRows *rows, int kind_number, const HeldRecords *held);
extern RowSource *held_rows_set(HeldRows *rows, const int *list, int n);

/* The rows of the list whose keys the set has, or has not, to "out"; how many. */
extern int held_choose(const HeldRecords *held, const int *list, int n, const KeySet *set, bool has, int *out);

typedef struct RecordWriter RecordWriter;

/*
 * In CurrentMemoryContext and the current (sub)transaction, SPI connected.
 * "careful": every statement stands for itself, so that one that fails can be
 * taken back and tried with fewer rows.
 */
extern RecordWriter *record_writer(int kind_number, const HeldRecords *held, const char *schema,
								   bool careful);
extern void record_writer_close(RecordWriter *writer);

/* Rows go the short way, as far as their keys are new. */
extern bool record_writer_is_bulk(const RecordWriter *writer);

/* The largest key in the table; false when it is empty. */
extern bool record_last_key(RecordWriter *writer, RecordKey *key);

/* The keys of these records that are in the table. */
extern KeySet *record_existing(RecordWriter *writer, const int *list, int n);

/* Records whose keys are not in the table. */
extern void record_insert(RecordWriter *writer, const int *list, int n);

/* The keys of those that were not there until now, and are.  Not for registrations. */
extern KeySet *record_insert_new(RecordWriter *writer, const int *list, int n);

/*
 * Records whose keys may be: the keys of those that are in now, new, completed
 * or found the same.  The others differ from the row that is there.
 */
extern KeySet *record_merge(RecordWriter *writer, const int *list, int n);

/* The keys of those to which the row that is there has nothing to add: the same, or completed before. */
extern KeySet *record_same(RecordWriter *writer, const int *list, int n);

/* The column of the kind's table that is its key. */
extern const char *record_key_name(int kind_number);

/*
 * The columns of hospital.patients, and what of a registration "r" each is.
 */
extern const char *const (*record_patient_columns(int *n))[2];

/* Rows of the kind may meet one of the same key: how. */
static inline bool
record_merges(const RecordKind *kind)
{
	return kind->merge != MERGE_NEVER;
}

#endif							/* HOSPITAL_INGEST_WRITE_H */
