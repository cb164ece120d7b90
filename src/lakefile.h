/*
 * lakefile.h: files below hospital.data_folder, whole or not at all.
 *
 * Paths are relative to the folder, of plain components: no "..", no leading
 * dot, no link on the way.  A file belongs to the memory context in which it
 * was made: its reset, whether by ERROR, cancel or the end of the work, closes
 * the descriptors and removes what was not finished.
 */
#ifndef HOSPITAL_LAKEFILE_H
#define HOSPITAL_LAKEFILE_H

#include "postgres.h"

#include "common/sha2.h"
#include "nodes/pg_list.h"

typedef struct LakeFile LakeFile;

#define LAKE_HASH_LENGTH (PG_SHA256_DIGEST_LENGTH * 2)

/* ereport unless the folder is set, there, and apart from the server's data. */
extern void lake_check_folder(void);
/* ereport unless the path is one that could be opened. */
extern void lake_check_path(const char *path);

/*
 * Writing: create (with the folders on the way), write, finish (no more comes;
 * size and hash are final), sync (files and folder are on disk under the
 * temporary names), publish (the names are there, durably, given in the order
 * of the list).  Between sync and publish lake_keep says that the ledger is
 * about to know the file: from then on only lake_recover touches it.
 *
 * Those that are synced or published together are of one folder, which is
 * synced once.  "lake_create_beside" makes a file in the folder of another.
 */
extern LakeFile *lake_create(const char *path);
extern LakeFile *lake_create_beside(const LakeFile *other, const char *name);
extern void lake_write(LakeFile *file, const char *data, size_t size);
extern void lake_finish(LakeFile *file);
extern void lake_sync(LakeFile *const *files, int nfiles);
extern void lake_keep(LakeFile *file);
extern void lake_publish(LakeFile *const *files, int nfiles);

/* No such file is no error; folders stay. */
extern void lake_remove(const char *path);
/* If it is there and empty. */
extern void lake_remove_folder(const char *path);

/*
 * What a writer that died left in a folder: temporary files that were to be
 * "name" (NULL: anything).  The caller knows that nobody else writes there.
 */
extern void lake_sweep(const char *folder, const char *name);

/* A single file gets its name unless another has it already. */
extern void lake_publish_first(LakeFile *file);

/* Reading: NULL from open when there is no such file; read gives 0 at the end. */
extern LakeFile *lake_open(const char *path);
extern size_t lake_read(LakeFile *file, char *buffer, size_t size);

/* The next read is from there; such a file has no hash any more. */
extern void lake_seek(LakeFile *file, int64 offset);

/* What a file is to the system: it is another one, or has been written to, when this differs. */
typedef struct LakeStatus
{
	bool		is_folder;
	uint64		device;
	uint64		inode;
	int64		bytes;
	int64		changed_at;		/* of its bytes: nanoseconds since 1970 */
} LakeStatus;

extern void lake_status(const LakeFile *file, LakeStatus *status);
static inline bool
lake_same_status(const LakeStatus *a, const LakeStatus *b)
{
	return a->device == b->device && a->inode == b->inode && a->bytes == b->bytes &&
		a->changed_at == b->changed_at;
}

/* False when there is nothing at the path.  Links are not followed. */
extern bool lake_look(const char *path, LakeStatus *status);

/* The names in a folder, in order; those of unfinished files and hidden ones left out. */
extern List *lake_names(const char *folder);

/* A file that was not there: one is about to get its name, or has it by now. */
extern bool lake_is_pending(const char *path);

/* Of what has been written, or read so far. */
extern int64 lake_bytes(const LakeFile *file);
extern void lake_hash(LakeFile *file, char hash[LAKE_HASH_LENGTH + 1]);

extern const char *lake_path(const LakeFile *file);

extern void lake_close(LakeFile *file);

/*
 * After a crash: in every subfolder of "folder", a temporary file that is known
 * by its final name and hash gets that name, the one named "last" (NULL: none
 * is) after the others; a stray is moved to lake/quarantine; those of others
 * stay.  Nobody else may be writing what is judged a stray.
 */
typedef enum LakeVerdict
{
	LAKE_STRAY,
	LAKE_KNOWN,
	LAKE_OTHERS
} LakeVerdict;

typedef LakeVerdict (*LakeJudge) (const char *path, const char *hash, void *arg);
extern PGDLLEXPORT void lake_recover(const char *folder, const char *last, LakeJudge judge, void *arg);

/* The line ends among some bytes. */
static inline int64
lake_count_lines(const char *bytes, size_t length)
{
	const char *end = bytes + length;
	int64		lines = 0;

	while ((bytes = memchr(bytes, '\n', end - bytes)) != NULL)
	{
		bytes++;
		lines++;
	}
	return lines;
}

#endif							/* HOSPITAL_LAKEFILE_H */
