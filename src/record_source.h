/*
 * record_source.h: the records of a day as rows, and as Datums.
 */
#ifndef HOSPITAL_RECORD_SOURCE_H
#define HOSPITAL_RECORD_SOURCE_H

#include "day.h"
#include "records.h"
#include "rowsource.h"

/*
 * A record's values.  Texts and numbers that need room are written to scratch
 * (ROW_SCRATCH bytes, aligned; the texts of a record from a file may need more:
 * their length and 8 bytes a column); no palloc, no catalog.
 */
extern void record_datums(const RecordKind *kind, const void *record, Datum *values, bool *isnull,
						  char *scratch);

/*
 * The day that the arguments of hospital_generate_<kind> say (day, seed, people,
 * beds, start_date, transfers, id_mode); held in CurrentMemoryContext.
 */
extern const DayRecords *records_of_args(const NullableDatum *args);

/* hospital_generate_<kind>, by RecordKindNumber. */
extern RowSourceMethods record_sources[RECORD_KINDS];
extern void record_sources_init(void);

#endif							/* HOSPITAL_RECORD_SOURCE_H */
