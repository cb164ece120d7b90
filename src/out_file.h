/*
 * out_file.h: a file of the lake that may be compressed on its way.
 */
#ifndef HOSPITAL_OUT_FILE_H
#define HOSPITAL_OUT_FILE_H

#include "postgres.h"

#include "lakefile.h"

typedef enum Compression
{
	COMPRESSION_NONE,
	COMPRESSION_GZIP,
	COMPRESSION_ZSTD
} Compression;

/* ereport unless it is none, gzip or zstd, and was built in. */
extern Compression compression_by_name(const char *name);
extern const char *compression_name(Compression compression);
/* What names of such files end in: "", ".gz" or ".zst". */
extern const char *compression_suffix(Compression compression);

typedef struct OutFile OutFile;

/*
 * Lives in CurrentMemoryContext, whose reset removes what was not published.
 * After out_finish the file is complete under its temporary name: the caller
 * syncs and publishes the LakeFile that it gives, or closes it.
 */
extern OutFile *out_create(const char *path, Compression compression);
extern void out_write(OutFile *out, const char *data, size_t size);
extern LakeFile *out_finish(OutFile *out);

#endif							/* HOSPITAL_OUT_FILE_H */
