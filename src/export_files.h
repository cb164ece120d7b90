/*
 * export_files.h: a source written to files: one, or one a day, and their manifest.
 */
#ifndef HOSPITAL_EXPORT_FILES_H
#define HOSPITAL_EXPORT_FILES_H

#include "postgres.h"

#include "utils/date.h"

#include "export_source.h"
#include "out_file.h"

typedef struct ExportOrder
{
	ExportForm	form;
	Compression compression;
	const char *target;			/* the folder, below hospital.data_folder; or the one file */
	bool		one_file;		/* that is all, without a manifest */
	bool		incremental;	/* what has not changed stays */
	bool		has_first;
	bool		has_last;
	DateADT		first;			/* days asked for */
	DateADT		last;
	DateADT		as_of;			/* $1 of a source without days */
} ExportOrder;

/* SPI connected, settings pinned.  A NOTICE says what was written. */
extern void export_to_files(ExportSource *source, const ExportOrder *order);

#endif							/* HOSPITAL_EXPORT_FILES_H */
