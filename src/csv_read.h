/*
 * csv_read.h: CSV in, by libcsv.
 *
 *	while (csv_fill(reader))
 *	{
 *		while (csv_next(reader, &record))
 *			...;
 *		...						the bytes of all these records are still there
 *	}
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
	int64		offset;			/* of its first byte in the file */
	const char *raw;			/* its bytes, line end included */
	size_t		raw_length;
	int64		raw_lines;		/* physical lines of it */
	int			nfields;
	CsvField   *fields;			/* good until the next record */
	const char *error;			/* malformed: why; nfields is then 0 */
} CsvRecord;

typedef struct CsvReader CsvReader;

/* In CurrentMemoryContext.  Of a file, as it is read from here on; or of bytes. */
extern CsvReader *csv_reader(LakeFile *file);
extern CsvReader *csv_reader_of_bytes(const char *data, size_t length);

/* The file has been placed: its next byte is the first of this line. */
extern void csv_set_position(CsvReader *reader, int64 offset, int64 line);

/*
 * Read on; false when there is nothing more.  What earlier records point at is
 * gone then, and stays otherwise.
 */
extern bool csv_fill(CsvReader *reader);

/* The next record of what has been read; false: none that is whole. */
extern bool csv_next(CsvReader *reader, CsvRecord *record);

/* Where the next record begins. */
extern int64 csv_offset(const CsvReader *reader);
extern int64 csv_line(const CsvReader *reader);

/* The whole lines that have been read and not been taken yet are valid UTF-8. */
extern bool csv_is_utf8(const CsvReader *reader);

#endif							/* HOSPITAL_CSV_READ_H */
