/*
 * csv_write.h: rows as CSV, with the bytes of COPY ... CSV HEADER.
 */
#ifndef HOSPITAL_CSV_WRITE_H
#define HOSPITAL_CSV_WRITE_H

#include "postgres.h"
#include "access/tupdesc.h"

#include "out_file.h"

typedef struct CsvWriter CsvWriter;

/* Lives in CurrentMemoryContext.  The first "ncolumns" columns are written. */
extern CsvWriter *csv_writer(TupleDesc tupdesc, int ncolumns);
extern void csv_write_header(CsvWriter *writer, OutFile *out);
extern void csv_write_row(CsvWriter *writer, OutFile *out, const Datum *values, const bool *isnull);

/*
 * Dates, times and numbers as the files have them, whatever the session says.
 * The end gives the session its own back; an ERROR does so too.
 */
extern int	csv_pin_settings(void);
extern void csv_unpin_settings(int level);

#endif							/* HOSPITAL_CSV_WRITE_H */
