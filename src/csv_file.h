/*
 * csv_file.h: CSV out, with the bytes of COPY ... CSV.
 */
#ifndef HOSPITAL_CSV_FILE_H
#define HOSPITAL_CSV_FILE_H

#include "postgres.h"
#include "access/tupdesc.h"
#include "lib/stringinfo.h"

#include "lakefile.h"
#include "rowsource.h"

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

#endif							/* HOSPITAL_CSV_FILE_H */
