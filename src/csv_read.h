/*
 * csv_read.h: CSV in, by libcsv.
 */
#ifndef HOSPITAL_CSV_READ_H
#define HOSPITAL_CSV_READ_H

#include "postgres.h"

#include "lakefile.h"

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

#endif							/* HOSPITAL_CSV_READ_H */
