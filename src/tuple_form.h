/*
 * tuple_form.h: a heap tuple from a row, in memory that is used again.
 */
#ifndef HOSPITAL_TUPLE_FORM_H
#define HOSPITAL_TUPLE_FORM_H

#include "postgres.h"
#include "access/htup.h"
#include "access/tupdesc.h"

/* What a source's row needs at the most: its scratch, header and fixed columns. */
#define TUPLE_ROOM 1536

/*
 * Lay the row out in "tuple", whose t_data has TUPLE_ROOM bytes.  False when
 * it does not fit or a value is stored out of line; the caller then lets the
 * server form it.
 */
extern bool tuple_form(HeapTuple tuple, TupleDesc tupdesc, const Datum *values, const bool *isnull);

#endif							/* HOSPITAL_TUPLE_FORM_H */
