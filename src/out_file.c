/*
 * out_file.c: a file of the lake that may be compressed on its way.
 *
 * Compressed files are one gzip member or one zstd frame, without a time in it:
 * the same rows give the same bytes.  Which libraries there are is found when
 * this is compiled (Makefile); what was left out is refused by name.
 */
#include "postgres.h"

#ifdef HOSPITAL_ZLIB
#include <zlib.h>
#endif
#ifdef HOSPITAL_ZSTD
#include <zstd.h>
#endif

#include "utils/memutils.h"

#include "out_file.h"

#define COMPRESSED_ROOM (128 * 1024)
#define GZIP_LEVEL 6
#define GZIP_WINDOW (15 + 16)	/* the largest, with gzip's header */
#define GZIP_MEMORY 8
#define ZSTD_LEVEL 3

struct OutFile
{
	LakeFile   *lake;
	Compression compression;
	char	   *room;			/* compressed bytes on their way */
#ifdef HOSPITAL_ZLIB
	z_stream	deflate;
#endif
#ifdef HOSPITAL_ZSTD
	ZSTD_CCtx  *zstd;
	MemoryContextCallback callback;
#endif
};

static const struct
{
	const char *name;
	const char *suffix;
	bool		built_in;
}			compressions[] = {
	[COMPRESSION_NONE] = {"none", "", true},
#ifdef HOSPITAL_ZLIB
	[COMPRESSION_GZIP] = {"gzip", ".gz", true},
#else
	[COMPRESSION_GZIP] = {"gzip", ".gz", false},
#endif
#ifdef HOSPITAL_ZSTD
	[COMPRESSION_ZSTD] = {"zstd", ".zst", true},
#else
	[COMPRESSION_ZSTD] = {"zstd", ".zst", false},
#endif
};

Compression
compression_by_name(const char *name)
{
	for (int i = 0; i < (int) lengthof(compressions); i++)
	{
		if (pg_strcasecmp(compressions[i].name, name) != 0)
			continue;
		if (!compressions[i].built_in)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("hospital was built without %s", compressions[i].name),
					 errhint("Install zlib1g-dev or libzstd-dev, and build it again.")));
		return (Compression) i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no compression \"%s\"", name),
			 errhint("Compressions are none, gzip and zstd.")));
	return COMPRESSION_NONE;
}

const char *
compression_name(Compression compression)
{
	return compressions[compression].name;
}

const char *
compression_suffix(Compression compression)
{
	return compressions[compression].suffix;
}

/* ---- gzip ---- */

#ifdef HOSPITAL_ZLIB

/* Its memory is the context's, and goes with it. */
static void *
zlib_allocate(void *context, unsigned int items, unsigned int size)
{
	return MemoryContextAllocExtended(context, (Size) items * size, MCXT_ALLOC_NO_OOM);
}

static void
zlib_free(void *context, void *pointer)
{
	pfree(pointer);
}

static void
start_gzip(OutFile *out)
{
	out->deflate.zalloc = zlib_allocate;
	out->deflate.zfree = zlib_free;
	out->deflate.opaque = CurrentMemoryContext;
	if (deflateInit2(&out->deflate, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("could not start gzip")));
}

static void
gzip(OutFile *out, const char *data, size_t size, bool end)
{
	z_stream   *deflater = &out->deflate;
	int			rc;

	deflater->next_in = (Bytef *) unconstify(char *, data);
	deflater->avail_in = (uInt) size;
	do
	{
		deflater->next_out = (Bytef *) out->room;
		deflater->avail_out = COMPRESSED_ROOM;
		rc = deflate(deflater, end ? Z_FINISH : Z_NO_FLUSH);
		if (rc == Z_STREAM_ERROR)
			elog(ERROR, "gzip failed");
		lake_write(out->lake, out->room, COMPRESSED_ROOM - deflater->avail_out);
	} while (deflater->avail_out == 0 || (end && rc != Z_STREAM_END));
}

#endif

/* ---- zstd ---- */

#ifdef HOSPITAL_ZSTD

static void
free_zstd(void *arg)
{
	OutFile    *out = arg;

	ZSTD_freeCCtx(out->zstd);
	out->zstd = NULL;
}

static void
start_zstd(OutFile *out)
{
	out->zstd = ZSTD_createCCtx();
	if (out->zstd == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("could not start zstd")));
	out->callback.func = free_zstd;
	out->callback.arg = out;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &out->callback);
	ZSTD_CCtx_setParameter(out->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL);
}

static void
zstd(OutFile *out, const char *data, size_t size, bool end)
{
	ZSTD_inBuffer in = {data, size, 0};
	size_t		left;

	do
	{
		ZSTD_outBuffer room = {out->room, COMPRESSED_ROOM, 0};

		left = ZSTD_compressStream2(out->zstd, &room, &in, end ? ZSTD_e_end : ZSTD_e_continue);
		if (ZSTD_isError(left))
			elog(ERROR, "zstd failed: %s", ZSTD_getErrorName(left));
		lake_write(out->lake, out->room, room.pos);
	} while (end ? left != 0 : in.pos < in.size);
}

#endif

/* ---- any ---- */

OutFile *
out_create(const char *path, Compression compression)
{
	OutFile    *out = palloc0(sizeof(OutFile));

	out->lake = lake_create(path);
	out->compression = compression;
	if (compression != COMPRESSION_NONE)
		out->room = palloc(COMPRESSED_ROOM);
#ifdef HOSPITAL_ZLIB
	if (compression == COMPRESSION_GZIP)
		start_gzip(out);
#endif
#ifdef HOSPITAL_ZSTD
	if (compression == COMPRESSION_ZSTD)
		start_zstd(out);
#endif
	return out;
}

static void
put_through(OutFile *out, const char *data, size_t size, bool end)
{
	switch (out->compression)
	{
		case COMPRESSION_NONE:
			lake_write(out->lake, data, size);
			break;
		case COMPRESSION_GZIP:
#ifdef HOSPITAL_ZLIB
			gzip(out, data, size, end);
#endif
			break;
		case COMPRESSION_ZSTD:
#ifdef HOSPITAL_ZSTD
			zstd(out, data, size, end);
#endif
			break;
	}
}

void
out_write(OutFile *out, const char *data, size_t size)
{
	if (size > 0)
		put_through(out, data, size, false);
}

LakeFile *
out_finish(OutFile *out)
{
	put_through(out, NULL, 0, true);
	lake_finish(out->lake);
	return out->lake;
}
