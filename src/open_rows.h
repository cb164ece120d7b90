/*
 * open_rows.h: rows that this process holds, for SQL to read.
 *
 * hospital_open_rows(kind) shows them to a statement that the same process runs
 * through SPI: INSERT INTO hospital.admissions SELECT ... FROM
 * hospital_open_rows('admissions') AS t(...).  So routing, constraints and
 * triggers are the server's.  Anywhere else the function is an error.
 */
#ifndef HOSPITAL_OPEN_ROWS_H
#define HOSPITAL_OPEN_ROWS_H

#include "rowsource.h"

/*
 * From now on, until NULL is given, hospital_open_rows(kind) gives the rows of
 * "source".  A source that is read in order (nrows < 0) can be read once.
 */
extern PGDLLEXPORT void open_rows_set(const char *kind, RowSource *source);

/*
 * "schema.hospital_open_rows(kind) AS r(columns)", for a FROM, with the columns
 * and types of "methods"; palloc'd.
 */
extern PGDLLEXPORT char *open_rows_from(const char *kind, const char *schema, const RowSourceMethods *methods);

/*
 * "INSERT INTO table (columns) SELECT columns FROM schema.hospital_open_rows",
 * with the columns and types of "methods"; palloc'd.  The table is trusted text,
 * and so is "conflict", what comes after ("" or " ON CONFLICT ...").
 */
extern PGDLLEXPORT char *open_rows_insert(const char *table, const char *kind, const char *schema,
										  const RowSourceMethods *methods, const char *conflict);

#endif							/* HOSPITAL_OPEN_ROWS_H */
