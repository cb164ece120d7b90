/*
 * export_source.h: what is exported: its rows, and its days.
 */
#ifndef HOSPITAL_EXPORT_SOURCE_H
#define HOSPITAL_EXPORT_SOURCE_H

#include "postgres.h"

#include "access/tupdesc.h"

/*
 * Both statements may use $1 date, $2 date and $3 date[]: the first and the last
 * day, and the days wanted among them.
 */
typedef struct ExportSource
{
	const char *name;			/* of its files and their folder */
	const char *title;			/* of what it is, for manifest and messages */
	const char *rows;			/* its columns; with days, the row's day as a last column, in order of days */
	const char *states;			/* (day, state): days there are, and what changes when one has changed; NULL: no days */
	bool		runs;			/* rows of days in a row come cheaply: one execution for each run of days */
	bool		by_index;		/* an index has the rows in their order: nothing is to be sorted */
	int			run_days;		/* the longest run; 0: as it comes */
	bool		documents;		/* the one column is a JSON document: the line itself */
	const char *suffix;			/* of the files of documents */
} ExportSource;

typedef enum ExportForm
{
	EXPORT_CSV,
	EXPORT_JSON
} ExportForm;

/*
 * A relation by its name: of hospital, else of hospital_mart, or with its
 * schema.  NULL: there is none of the name.  "partition_by": a column, 'none',
 * or NULL for the one that is usual for it.
 */
extern ExportSource *export_relation(const char *name, ExportForm form, const char *partition_by);

/* A visit's or a patient's day as FHIR R4 Bundles; the practitioners. */
extern ExportSource *export_fhir(const char *name);

#endif							/* HOSPITAL_EXPORT_SOURCE_H */
