/*
 * ingest_private.h: what the parts of the ingestor share of a file on its way.
 */
#ifndef HOSPITAL_INGEST_PRIVATE_H
#define HOSPITAL_INGEST_PRIVATE_H

#include "postgres.h"
#include "fmgr.h"

#include "compat.h"
#include "csv_read.h"
#include "ingest.h"
#include "ingest_keys.h"
#include "ingest_ledger.h"
#include "ingest_rejects.h"
#include "ingest_write.h"
#include "lakefile.h"
#include "record_parse.h"

#define ERRCODE_FILE_REFUSED MAKE_SQLSTATE('H','O','0','0','1')
#define INGEST_DOUBLED "the same key is in an earlier line of the file"
#define INGEST_MISSING "the file is missing"	/* unless its name is to come */

/* Lines that are tried again, or of a large file, have another destination. */
typedef struct IngestRun IngestRun;
typedef void (*PlaceRecords) (IngestRun *run);

struct IngestRun
{
	Batch	   *batch;
	const RecordKind *kind;
	const char *schema;			/* the extension's, quoted */
	bool		careful;		/* each statement in a subtransaction, halved when it fails */
	bool		merges;			/* a record may meet its row in the table */

	LakeFile   *file;
	RecordParser *parser;
	MemoryContext piece;		/* of the records at hand; reset after each piece */
	HeldRecords held;
	Rejects    *rejects;
	PlaceRecords place;			/* what becomes of a piece's good records */
	void	   *place_arg;			/* for those that need more than the run */

	RecordWriter *writer;		/* NULL: not open */
	FileKeys   *keys;			/* of the file so far; NULL: known to differ */
	bool		has_last;
	RecordKey	last;			/* the table's largest key before the file */

	int64		lines;			/* that have been looked at, the header aside */
	int64		rows;			/* in the table now */
	int64		merged;

	/* Lines of other files that lacked a patient or an admission of this one. */
	bool		looked_for_waiting;
	bool		some_wait;		/* for whomever */
	MemoryContext context;		/* the run's own */
	int64	   *waiting;		/* their rejects' ids */
	int			nwaiting;
};

/* ---- ingest_file.c ---- */

pg_noreturn extern void ingest_refuse(const char *message);

/* In CurrentMemoryContext. */
extern IngestRun *ingest_run(Batch *batch, const char *schema, bool careful);

/*
 * One line: held, or a reject.  Then, before its bytes go, the end of a piece.
 * A reject that is tried again has a row already; one that was "doubled" never
 * meets a row, for that is its file's own.
 */
extern void ingest_take_line(IngestRun *run, const CsvRecord *line);
extern void ingest_take_again(IngestRun *run, const CsvRecord *line, int64 reject_id, bool doubled);
extern void ingest_end_piece(IngestRun *run);

/* What becomes of the records of an ordinary file, and of those of a chunk once all are there. */
extern void ingest_open_table(IngestRun *run);
extern void ingest_place(IngestRun *run);
extern void ingest_close_table(IngestRun *run);

/* Room for another record at the end of the held ones. */
extern char *ingest_next_record(IngestRun *run);

/* Open the file and read its header; NULL: there is no such file. */
extern CsvReader *ingest_open_file(IngestRun *run);

/* ereport when there are more rejects than the limits allow; "end" of the file, or on the way. */
extern void ingest_check_limits(IngestRun *run, bool end);

typedef void (*IngestBody) (IngestRun *run);

/*
 * The body in a subtransaction and a memory context of its own; where the
 * server refused a row and "row_by_row" allows it, once more, carefully.
 * NULL: done.  Otherwise it was taken back, and this is why the file never can
 * go in.  Errors that another try may mend are thrown on.
 */
extern char *ingest_attempt(Batch *batch, const char *schema, IngestBody body, bool row_by_row);

/* ---- ingest_call.c ---- */

/* ereport where there is no hospital. */
extern void ingest_require_hospital(void);

/* ---- ingest_chunks.c: files that are too large for one transaction ---- */

extern bool ingest_in_chunks(const Batch *batch);

/* The next chunk, or the end; run->batch says how far it is. */
extern IngestOutcome ingest_chunk(Batch *batch, const char *schema, char **message);

/* ---- ingest_retry.c: rejects, once more ---- */

/* These records are in the table now: does somebody wait for them? */
extern void ingest_note_waiting(IngestRun *run, const int *list, int n);
/* Try those lines again. */
extern void ingest_retry_waiting(IngestRun *run);
/* Of the rejects that are written, those whose patient or admission is there by now. */
extern int64 ingest_orphans_found(int64 batch_id);
/* The file is "ingested": has what its rejects lack been brought at the same time? */
extern void ingest_look_again(const Batch *batch, const char *schema);

#endif							/* HOSPITAL_INGEST_PRIVATE_H */
