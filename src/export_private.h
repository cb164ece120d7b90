/*
 * export_private.h: an export under way, as export_files.c and export_manifest.c share it.
 */
#ifndef HOSPITAL_EXPORT_PRIVATE_H
#define HOSPITAL_EXPORT_PRIVATE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "executor/spi.h"

#include "export_files.h"
#include "lakefile.h"

/* A file: of a day, or the only one. */
typedef struct Part
{
	DateADT		day;
	bool		exists;			/* the source has rows of that day */
	bool		wanted;			/* it is to be written */
	bool		published;		/* rows, bytes, sha256 are of the file that is there */
	char	   *state;			/* of what is published; NULL: none is known */
	char	   *new_state;
	int64		rows;
	int64		bytes;
	char		sha256[LAKE_HASH_LENGTH + 1];
} Part;

typedef struct Export
{
	ExportSource *source;
	const ExportOrder *order;
	MemoryContext context;
	char	   *columns;		/* names and types, as JSON */
	SPIPlanPtr	plan;
	Part	   *parts;			/* in order of days */
	int			nparts;
	bool		complete;		/* the manifest that was there says so */
	TimestampTz manifest_at;	/* written last */
	int			files;			/* written, for the NOTICE */
	int64		rows;
} Export;

static inline bool
export_has_days(const Export *export)
{
	return export->source->states != NULL;
}

extern char *export_part_path(const Export *export, const Part *part);
extern char *export_manifest_path(const Export *export);

/* "complete": all files are there, and of this export.  One file alone has no manifest. */
extern void export_write_manifest(Export *export, bool complete);
/* The parts that it knows; of other columns, or to be written anyhow: without a state. */
extern void export_read_manifest(Export *export);

#endif							/* HOSPITAL_EXPORT_PRIVATE_H */
