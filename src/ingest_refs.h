/*
 * ingest_refs.h: do the people, wards and so on that records refer to exist?
 */
#ifndef HOSPITAL_INGEST_REFS_H
#define HOSPITAL_INGEST_REFS_H

#include "postgres.h"

#include "records.h"

/*
 * Before the records of a transaction are looked at.  What is remembered from
 * earlier ones is forgotten when batches have been undone since ("undone" is
 * how many ever were), or when it is a few seconds old.
 */
extern void refs_begin(int64 undone);

/* Rows of this transaction, or one before, were taken back. */
extern void refs_forget(void);

/* The row is there: written, or found. */
extern void refs_learn(RecordReference reference, int64 id);

/* Called for a record (by its place) whose reference is not there. */
typedef void (*RefMissing) (void *arg, int row, int column);

/*
 * Look at n records of a kind, except those that are "out" already; each that
 * refers to nothing is told once, and out then.  SPI connected.
 */
extern void refs_check(const RecordKind *kind, const char *records, int n, bool *out,
					   RefMissing missing, void *arg);

/* Of a reference: the table, and the word for one of its rows. */
extern const char *reference_table(RecordReference reference);
extern const char *reference_word(RecordReference reference);
extern bool reference_is_text(RecordReference reference);

#endif							/* HOSPITAL_INGEST_REFS_H */
