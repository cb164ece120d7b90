/*
 * record_csv.h: the records of a day as lines of a CSV file.
 */
#ifndef HOSPITAL_RECORD_CSV_H
#define HOSPITAL_RECORD_CSV_H

#include "postgres.h"
#include "lib/stringinfo.h"

#include "records.h"

/* Appended, with the line's end. */
extern void record_csv_header(StringInfo out, const RecordKind *kind);
extern void record_csv_line(StringInfo out, const RecordKind *kind, const void *record);

/* One field alone, without comma or line end; nothing for a null. */
extern void record_csv_field(StringInfo out, const RecordColumn *column, const void *record);

#endif							/* HOSPITAL_RECORD_CSV_H */
