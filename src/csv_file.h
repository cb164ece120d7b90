/*
 * csv_file.h: CSV out, with the bytes of COPY ... CSV, and in, by libcsv.
 */
#ifndef HOSPITAL_CSV_FILE_H
#define HOSPITAL_CSV_FILE_H

#include "postgres.h"
#include "access/tupdesc.h"
#include "lib/stringinfo.h"

#include "lakefile.h"
#include "rowsource.h"

/* ---- out ---------------------------------------------------------------- */

typedef struct CsvWriter CsvWriter;

/* Lives in CurrentMemoryContext; one of the two says which columns. */
extern CsvWriter *csv_writer_for_tupdesc(LakeFile *file, TupleDesc tupdesc);
extern CsvWriter *csv_writer_for_source(LakeFile *file, const RowSourceMethods *methods);
extern void csv_write_row(CsvWriter *writer, const Datum *values, const bool *isnull);
extern int64 csv_rows_written(const CsvWriter *writer);

/*
 * Dates, times and numbers as the files have them, whatever the session says.
 * The end gives the session its own back; an ERROR does so too.
 */
extern int	csv_pin_settings(void);
extern void csv_unpin_settings(int level);

/* ---- in ----------------------------------------------------------------- */

typedef struct CsvField
{
	const char *data;			/* NULL: empty and not quoted, that is null */
	size_t		length;
} CsvField;

typedef struct CsvRecord
{
	int64		line;			/* of the file, from 1: where it begins */
	const char *raw;			/* its bytes, line end included */
	size_t		raw_length;
	int			nfields;
	CsvField   *fields;
	const char *error;			/* malformed: why; nfields is then 0 */
} CsvRecord;

typedef struct CsvReader CsvReader;

extern CsvReader *csv_reader(LakeFile *file);
/* False at the end.  The record is good until the next call. */
extern bool csv_next(CsvReader *reader, CsvRecord *record);

#endif							/* HOSPITAL_CSV_FILE_H */
