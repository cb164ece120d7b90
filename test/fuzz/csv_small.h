/*
 * csv_small.h: csv_read.c once more, with small pieces and records.
 */
#ifndef HOSPITAL_FUZZ_CSV_SMALL_H
#define HOSPITAL_FUZZ_CSV_SMALL_H

#include "csv_read.h"

#define SMALL_PIECE_SIZE 16
#define SMALL_RECORD_LIMIT 256

extern CsvReader *small_csv_reader(LakeFile *file);
extern bool small_csv_fill(CsvReader *reader);
extern bool small_csv_next(CsvReader *reader, CsvRecord *record);
extern bool small_csv_is_utf8(const CsvReader *reader);

#endif							/* HOSPITAL_FUZZ_CSV_SMALL_H */
