/*
 * json_write.h: rows as JSON Lines, as BigQuery, DuckDB and others load them.
 */
#ifndef HOSPITAL_JSON_WRITE_H
#define HOSPITAL_JSON_WRITE_H

#include "postgres.h"
#include "access/tupdesc.h"

#include "out_file.h"

typedef struct JsonWriter JsonWriter;

/*
 * Lives in CurrentMemoryContext.  The first "ncolumns" columns are written.
 * "documents": the one column is a JSON text, and is the line.
 */
extern JsonWriter *json_writer(TupleDesc tupdesc, int ncolumns, bool documents);
extern void json_write_row(JsonWriter *writer, OutFile *out, const Datum *values, const bool *isnull);
/* What is still in memory goes to the file: before it is finished, or another one follows. */
extern void json_flush(JsonWriter *writer, OutFile *out);

/* Is this a type that SQL's to_json is to make JSON of: an array or a row? */
extern bool json_needs_help(Oid type);

#endif							/* HOSPITAL_JSON_WRITE_H */
