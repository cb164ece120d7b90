/*
 * reference.h: the reference tables, for facts that have no typed array in
 * reference_data.h.
 */
#ifndef HOSPITAL_REFERENCE_H
#define HOSPITAL_REFERENCE_H

#include "postgres.h"

#include "reference_data.h"

/* A table, and a cell of it, that must be there. */
extern const ReferenceTable *reference_named(const char *name);
extern const char *reference_cell(const ReferenceTable *table, int row, const char *column);

/* The first row with this value, or -1. */
extern int	reference_row(const ReferenceTable *table, const char *column, const char *value);

/* "12.3456" with three decimals as 12345: no floating point decides a value. */
extern int64 reference_scaled(const char *text, int decimals);

#endif							/* HOSPITAL_REFERENCE_H */
