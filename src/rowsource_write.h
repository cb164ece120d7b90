/*
 * rowsource_write.h: INSERT … SELECT * FROM a source, a thousand rows at a time.
 */
#ifndef HOSPITAL_ROWSOURCE_WRITE_H
#define HOSPITAL_ROWSOURCE_WRITE_H

#include "postgres.h"
#include "nodes/execnodes.h"

#include "rowsource.h"

/*
 * The table into which this scan's rows may be written straight away, or NULL:
 * the plan is an INSERT of just these rows, and the table is a plain heap.
 */
extern Relation direct_target(ScanState *node, const RowSourceMethods *methods);

/* Write them all, as the INSERT above the scan would have done. */
extern void write_directly(ScanState *node, Relation target, RowSource *source);

#endif							/* HOSPITAL_ROWSOURCE_WRITE_H */
