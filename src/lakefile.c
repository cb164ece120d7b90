/*
 * lakefile.c: files below hospital.data_folder, whole or not at all.
 *
 * Containment.  Every component is opened relative to its parent's descriptor
 * with O_NOFOLLOW, so that neither "..", nor a link planted on the way, nor one
 * planted while we walk, leads out of the folder; nor does a hard link that
 * somebody else could have made.  The folder itself and the server's data
 * directory must not contain each other.
 *
 * Durability.  A file is written under a temporary name beside its own, synced,
 * and its folder synced, before anybody is told of it; then renamed, and the
 * folder synced again.  What a crash leaves is a temporary file; its name says
 * whose it was to be, and lake_recover decides by the ledger.
 *
 * Ownership.  Descriptors (reserved with fd.c), the hash state (which lives in
 * a resource owner of the file's own, so that a file may outlast transactions
 * and be written without one) and the temporary name are released by a reset
 * callback of the memory context.
 */
#include "postgres.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cryptohash.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "lakefile.h"
#include "named_file.h"
#include "settings.h"

#define WRITE_BUFFER_SIZE (256 * 1024)
#define TEMPORARY_MARK ".tmp."
#define TEMPORARY_ROOM 32		/* dots, mark and pid around a name */
#define QUARANTINE_FOLDER "lake/quarantine"

/* As COPY TO: what is exported is for others to read. */
#define LAKE_FILE_MODE 0644
#define LAKE_FOLDER_MODE 0755

struct LakeFile
{
	MemoryContextCallback callback;
	ResourceOwner owner;		/* of the hash state */
	pg_cryptohash_ctx *sha256;
	char		hash[LAKE_HASH_LENGTH + 1]; /* once final */
	int			folder;			/* descriptors; -1: none */
	int			fd;
	int64		bytes;
	bool		remove;			/* the temporary name is ours to remove */
	char		path[MAXPGPATH];	/* for messages */
	char		name[NAME_MAX + 1];
	char		temporary[NAME_MAX + 1];
	size_t		buffered;
	char	   *buffer;			/* made when something small is written */
	MemoryContext context;		/* where this is */
};

static void
refuse_path(const char *path, const char *reason)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_NAME),
			 errmsg("file name \"%s\" is not allowed", path),
			 errdetail_internal("%s", reason),
			 errhint("Give a path below hospital.data_folder, such as exports/people.csv.")));
}

static void
check_component(const char *path, const char *component, size_t length)
{
	if (length == 0)
		refuse_path(path, path[0] == '/' ? "It is absolute." : "It has an empty component.");
	if (component[0] == '.')
		refuse_path(path, "A component begins with a dot.");
	if (length > NAME_MAX - TEMPORARY_ROOM)
		refuse_path(path, "A component is too long.");
	for (size_t i = 0; i < length; i++)
		if ((unsigned char) component[i] < 0x20 || component[i] == 0x7f || component[i] == '\\')
			refuse_path(path, "It has a control character or a backslash.");
}

void
lake_check_path(const char *path)
{
	const char *component = path;

	if (strlen(path) >= MAXPGPATH)
		refuse_path(path, "It is too long.");
	for (;;)
	{
		size_t		length = strcspn(component, "/");

		check_component(path, component, length);
		if (component[length] == '\0')
			return;
		component += length + 1;
	}
}

/* Is "inner" the same folder as "outer", or below it? */
static bool
is_inside(const char *inner, const char *outer)
{
	size_t		length = strlen(outer);

	while (length > 0 && outer[length - 1] == '/')
		length--;
	return strncmp(inner, outer, length) == 0 && (inner[length] == '/' || inner[length] == '\0');
}

void
lake_check_folder(void)
{
	char		folder[PATH_MAX];
	char		data[PATH_MAX];
	struct stat status;

	if (hospital_data_folder == NULL || hospital_data_folder[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("hospital.data_folder is not set"),
				 errhint("Set hospital.data_folder to an existing folder that the server's user can write.")));
	if (hospital_data_folder[0] != '/')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("hospital.data_folder \"%s\" is not an absolute path", hospital_data_folder),
				 errhint("Give the whole path, from the slash on.")));
	if (stat(hospital_data_folder, &status) < 0 || realpath(hospital_data_folder, folder) == NULL)
	{
		int			save_errno = errno;

		ereport(ERROR,
				(errcode_for_named_file(save_errno),
				 errmsg("could not open hospital.data_folder \"%s\": %m", hospital_data_folder),
				 errhint("Make the folder, owned by the server's user.")));
	}
	if (!S_ISDIR(status.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("hospital.data_folder \"%s\" is not a folder", hospital_data_folder)));
	if (realpath(DataDir, data) == NULL)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not resolve \"%s\": %m", DataDir)));
	if (is_inside(folder, data) || is_inside(data, folder))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("hospital.data_folder \"%s\" and the server's data directory contain each other",
						hospital_data_folder),
				 errhint("Choose a folder apart from \"%s\".", DataDir)));
}

static void
set_close(int *fd)
{
	if (*fd >= 0)
	{
		close(*fd);
		ReleaseExternalFD();
	}
	*fd = -1;
}

static void
release_hash(LakeFile *file)
{
	if (file->sha256 != NULL)
		pg_cryptohash_free(file->sha256);
	file->sha256 = NULL;
	if (file->owner != NULL)
	{
		ResourceOwnerRelease(file->owner, RESOURCE_RELEASE_BEFORE_LOCKS, false, true);
		ResourceOwnerRelease(file->owner, RESOURCE_RELEASE_LOCKS, false, true);
		ResourceOwnerRelease(file->owner, RESOURCE_RELEASE_AFTER_LOCKS, false, true);
		ResourceOwnerDelete(file->owner);
	}
	file->owner = NULL;
}

/* The context's reset, or lake_close: whatever state the file is in. */
static void
release_file(void *arg)
{
	LakeFile   *file = arg;

	if (file->remove)
		(void) unlinkat(file->folder, file->temporary, 0);
	file->remove = false;
	set_close(&file->fd);
	set_close(&file->folder);
	release_hash(file);
}

static LakeFile *
new_file(const char *path)
{
	LakeFile   *file = palloc0(sizeof(LakeFile));

	file->fd = file->folder = -1;
	file->context = CurrentMemoryContext;
	strlcpy(file->path, path, sizeof(file->path));
	file->callback.func = release_file;
	file->callback.arg = file;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &file->callback);
	return file;
}

static void
start_hash(LakeFile *file)
{
	ResourceOwner caller = CurrentResourceOwner;

	file->owner = ResourceOwnerCreate(NULL, "hospital file");
	CurrentResourceOwner = file->owner;
	file->sha256 = pg_cryptohash_create(PG_SHA256);
	CurrentResourceOwner = caller;
	if (file->sha256 == NULL || pg_cryptohash_init(file->sha256) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not start a SHA-256 hash")));
}

static void
add_to_hash(LakeFile *file, const char *data, size_t size)
{
	if (pg_cryptohash_update(file->sha256, (const uint8 *) data, size) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not compute a SHA-256 hash")));
	file->bytes += size;
}

static void
make_hash_final(LakeFile *file)
{
	uint8		digest[PG_SHA256_DIGEST_LENGTH];

	if (file->hash[0] != '\0')
		return;
	if (pg_cryptohash_final(file->sha256, digest, sizeof(digest)) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not compute a SHA-256 hash")));
	hex_encode((const char *) digest, PG_SHA256_DIGEST_LENGTH, file->hash);
	file->hash[LAKE_HASH_LENGTH] = '\0';
}

pg_noreturn static void
report_access(const LakeFile *file, const char *action)
{
	int			save_errno = errno;

	ereport(ERROR,
			(errcode_for_file_access(),
			 errmsg("could not %s \"%s\" in hospital.data_folder: %m", action, file->path),
			 save_errno == ENOSPC || save_errno == EDQUOT ?
			 errhint("Free space in \"%s\"; nothing of the file was kept.", hospital_data_folder) :
			 save_errno == ELOOP || save_errno == ENOTDIR ?
			 errhint("Links are not followed below hospital.data_folder.") : 0));
}

static void
set_open(int *fd, int opened)
{
	ReserveExternalFD();
	*fd = opened;
}

/* One folder further down, made when "make" and missing. */
static bool
enter_folder(LakeFile *file, const char *component, bool make)
{
	const int	flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int			next = openat(file->folder, component, flags);
	bool		made = false;

	if (next < 0 && errno == ENOENT && make)
	{
		made = mkdirat(file->folder, component, LAKE_FOLDER_MODE) == 0;
		if (!made && errno != EEXIST)
			report_access(file, "make the folder of");
		if (made && fsync(file->folder) < 0)
			report_access(file, "sync the folder of");
		next = openat(file->folder, component, flags);
	}
	if (next < 0 && errno == ENOENT)
		return false;
	if (next < 0)
		report_access(file, "open the folder of");
	close(file->folder);
	file->folder = next;		/* in place of the one reserved */

	/* Not masked by the server's umask: others are to read it. */
	if (made && fchmod(next, LAKE_FOLDER_MODE) < 0)
		report_access(file, "make the folder of");
	return true;
}

static void
open_data_folder(LakeFile *file)
{
	int			folder;

	lake_check_folder();
	folder = open(hospital_data_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		report_access(file, "open the folder of");
	set_open(&file->folder, folder);
}

/* To the folder of the path; its last component becomes file->name. */
static bool
walk_to(LakeFile *file, bool make)
{
	const char *component = file->path;

	lake_check_path(file->path);
	open_data_folder(file);
	for (;;)
	{
		size_t		length = strcspn(component, "/");

		memcpy(file->name, component, length);
		file->name[length] = '\0';
		if (component[length] == '\0')
			return true;
		if (!enter_folder(file, file->name, make))
			return false;
		component += length + 1;
	}
}

/* The temporary file, in the folder that has been reached. */
static void
start_temporary(LakeFile *file)
{
	int			fd;

	snprintf(file->temporary, sizeof(file->temporary), ".%.*s" TEMPORARY_MARK "%d",
			 (int) (NAME_MAX - TEMPORARY_ROOM), file->name, MyProcPid);

	/* A leftover of our own pid is from before a crash, and nobody's. */
	(void) unlinkat(file->folder, file->temporary, 0);
	fd = openat(file->folder, file->temporary,
				O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, LAKE_FILE_MODE);
	if (fd < 0)
		report_access(file, "create");
	set_open(&file->fd, fd);
	file->remove = true;
	if (fchmod(fd, LAKE_FILE_MODE) < 0)
		report_access(file, "create");
	start_hash(file);
}

LakeFile *
lake_create(const char *path)
{
	LakeFile   *file = new_file(path);

	walk_to(file, true);
	start_temporary(file);
	return file;
}

LakeFile *
lake_create_beside(const LakeFile *other, const char *name)
{
	const char *slash = strrchr(other->path, '/');
	LakeFile   *file = new_file(slash == NULL ? name :
								psprintf("%.*s/%s", (int) (slash - other->path), other->path, name));
	int			folder;

	lake_check_path(file->path);
	strlcpy(file->name, name, sizeof(file->name));
	folder = dup(other->folder);
	if (folder < 0)
		report_access(file, "open the folder of");
	set_open(&file->folder, folder);
	start_temporary(file);
	return file;
}

static void
write_out(LakeFile *file, const char *data, size_t size)
{
	size_t		done = 0;

	CHECK_FOR_INTERRUPTS();
	while (done < size)
	{
		ssize_t		written;

		errno = 0;
		written = write(file->fd, data + done, size - done);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
		{
			if (errno == 0)
				errno = ENOSPC;
			report_access(file, "write");
		}
		done += written;
	}
	add_to_hash(file, data, size);
}

static void
flush_buffer(LakeFile *file)
{
	if (file->buffered > 0)
		write_out(file, file->buffer, file->buffered);
	file->buffered = 0;
}

void
lake_write(LakeFile *file, const char *data, size_t size)
{
	/* nothing may come without an address */
	if (size == 0)
		return;
	if (file->buffered + size > WRITE_BUFFER_SIZE)
		flush_buffer(file);
	if (size >= WRITE_BUFFER_SIZE)
	{
		write_out(file, data, size);
		return;
	}
	if (file->buffer == NULL)
		file->buffer = MemoryContextAlloc(file->context, WRITE_BUFFER_SIZE);
	memcpy(file->buffer + file->buffered, data, size);
	file->buffered += size;
}

/* The kernel begins to write it out, while the caller makes the next one. */
void
lake_finish(LakeFile *file)
{
	flush_buffer(file);
	if (file->buffer != NULL)
		pfree(file->buffer);
	file->buffer = NULL;
	make_hash_final(file);
	pg_flush_data(file->fd, 0, 0);
}

static void
sync_file(LakeFile *file)
{
	int			fd = file->fd;

	if (fsync(fd) < 0)
		report_access(file, "sync");
	file->fd = -1;
	ReleaseExternalFD();
	if (close(fd) < 0)
		report_access(file, "close");
}

void
lake_sync(LakeFile *const *files, int nfiles)
{
	for (int i = 0; i < nfiles; i++)
		sync_file(files[i]);
	if (fsync(files[0]->folder) < 0)
		report_access(files[0], "sync the folder of");
}

void
lake_keep(LakeFile *file)
{
	file->remove = false;
}

void
lake_publish(LakeFile *const *files, int nfiles)
{
	for (int i = 0; i < nfiles; i++)
	{
		LakeFile   *file = files[i];

		if (renameat(file->folder, file->temporary, file->folder, file->name) < 0)
			report_access(file, "rename");
		file->remove = false;
	}
	if (fsync(files[0]->folder) < 0)
		report_access(files[0], "sync the folder of");
	for (int i = 0; i < nfiles; i++)
		lake_close(files[i]);
}

/* Some file systems have no hard links: there the last one wins. */
void
lake_publish_first(LakeFile *file)
{
	if (linkat(file->folder, file->temporary, file->folder, file->name, 0) < 0 && errno != EEXIST &&
		renameat(file->folder, file->temporary, file->folder, file->name) < 0)
		report_access(file, "rename");
	if (fsync(file->folder) < 0)
		report_access(file, "sync the folder of");
	lake_close(file);
}

/*
 * A file of ours that has another name elsewhere, in a folder in which others
 * may make names: somebody's link to what only the server's user may read.
 */
static bool
is_linked_from_outside(const LakeFile *file, const struct stat *status)
{
	struct stat folder;

	if (status->st_nlink < 2 || status->st_uid != geteuid() || fstat(file->folder, &folder) < 0)
		return false;
	return folder.st_uid != geteuid() || (folder.st_mode & (S_IWGRP | S_IWOTH)) != 0;
}

/* Open file->name in the folder that has been reached, for reading. */
static bool
open_for_reading(LakeFile *file, const char *name)
{
	struct stat status;
	int			fd = openat(file->folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return false;
	if (fd < 0)
		report_access(file, "open");
	set_open(&file->fd, fd);
	if (fstat(fd, &status) < 0)
		report_access(file, "open");
	if (!S_ISREG(status.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" in hospital.data_folder is not an ordinary file", file->path)));
	if (is_linked_from_outside(file, &status))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("\"%s\" in hospital.data_folder has another name, and others may write to its folder", file->path),
				 errdetail("It belongs to the server's user: somebody may have linked to it what only that user may read."),
				 errhint("Copy files there instead of linking them.")));
	start_hash(file);
	return true;
}

LakeFile *
lake_open(const char *path)
{
	LakeFile   *file = new_file(path);

	if (walk_to(file, false) && open_for_reading(file, file->name))
		return file;
	lake_close(file);
	return NULL;
}

size_t
lake_read(LakeFile *file, char *buffer, size_t size)
{
	ssize_t		got;

	CHECK_FOR_INTERRUPTS();
	do
		got = read(file->fd, buffer, size);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		report_access(file, "read");
	if (file->sha256 != NULL)
		add_to_hash(file, buffer, got);
	return got;
}

void
lake_seek(LakeFile *file, int64 offset)
{
	release_hash(file);
	if (lseek(file->fd, offset, SEEK_SET) < 0)
		report_access(file, "read");
}

static void
fill_status(LakeStatus *status, const struct stat *found)
{
	status->is_folder = S_ISDIR(found->st_mode);
	status->device = found->st_dev;
	status->inode = found->st_ino;
	status->bytes = found->st_size;
	status->changed_at = (int64) found->st_mtim.tv_sec * INT64CONST(1000000000) + found->st_mtim.tv_nsec;
}

void
lake_status(const LakeFile *file, LakeStatus *status)
{
	struct stat found;

	if (fstat(file->fd, &found) < 0)
		report_access(file, "read");
	fill_status(status, &found);
}

bool
lake_look(const char *path, LakeStatus *status)
{
	LakeFile   *file = new_file(path);
	struct stat found;
	bool		there = walk_to(file, false);

	if (there && fstatat(file->folder, file->name, &found, AT_SYMLINK_NOFOLLOW) < 0)
	{
		if (errno != ENOENT)
			report_access(file, "look at");
		there = false;
	}
	if (there)
		fill_status(status, &found);
	lake_close(file);
	return there;
}

int64
lake_bytes(const LakeFile *file)
{
	return file->bytes;
}

void
lake_hash(LakeFile *file, char hash[LAKE_HASH_LENGTH + 1])
{
	make_hash_final(file);
	memcpy(hash, file->hash, LAKE_HASH_LENGTH + 1);
}

const char *
lake_path(const LakeFile *file)
{
	return file->path;
}

/* Ends the use of the file; its memory goes with the context. */
void
lake_close(LakeFile *file)
{
	release_file(file);
}

/*
 * Is this directory entry one of our temporary files?  Then "final" is the
 * name that it was to get.
 */
static bool
is_temporary(const char *entry, char *final)
{
	const char *mark = strstr(entry, TEMPORARY_MARK);

	for (const char *next = mark; next != NULL; next = strstr(next + 1, TEMPORARY_MARK))
		mark = next;
	if (entry[0] != '.' || mark == NULL || mark == entry ||
		strspn(mark + strlen(TEMPORARY_MARK), "0123456789") != strlen(mark + strlen(TEMPORARY_MARK)))
		return false;
	memcpy(final, entry + 1, mark - entry - 1);
	final[mark - entry - 1] = '\0';
	return true;
}

/* The names in a folder, "" for the data folder itself, palloc'd. */
static List *
folder_entries(const char *folder)
{
	LakeFile   *file = new_file(psprintf("%s/entry", folder));
	List	   *names = NIL;
	struct dirent *entry;
	DIR		   *stream;
	int			copy;

	if (!walk_to(file, false))
	{
		lake_close(file);
		return NIL;
	}
	copy = dup(file->folder);
	stream = copy < 0 ? NULL : fdopendir(copy);
	if (stream == NULL)
	{
		if (copy >= 0)
			close(copy);
		report_access(file, "list the folder of");
	}

	/* palloc alone may fail here; then one descriptor is lost, not a file. */
	while ((entry = readdir(stream)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			names = lappend(names, pstrdup(entry->d_name));
	closedir(stream);
	lake_close(file);
	return names;
}

static int
compare_names(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

List *
lake_names(const char *folder)
{
	List	   *names = NIL;
	ListCell   *cell;

	foreach(cell, folder_entries(folder))
		if (((char *) lfirst(cell))[0] != '.')
			names = lappend(names, lfirst(cell));
	list_sort(names, compare_names);
	return names;
}

/* Of files that are not there, and folders that are not empty, nothing is said. */
static void
remove_named(const char *path, int flags)
{
	LakeFile   *file = new_file(path);

	if (walk_to(file, false))
	{
		if (unlinkat(file->folder, file->name, flags) < 0 && errno != ENOENT &&
			(flags == 0 || (errno != ENOTEMPTY && errno != EEXIST)))
			report_access(file, "remove");
		if (fsync(file->folder) < 0)
			report_access(file, "sync the folder of");
	}
	lake_close(file);
}

void
lake_remove(const char *path)
{
	remove_named(path, 0);
}

void
lake_remove_folder(const char *path)
{
	remove_named(path, AT_REMOVEDIR);
}

void
lake_sweep(const char *folder, const char *name)
{
	ListCell   *cell;

	foreach(cell, folder_entries(folder))
	{
		char		final[NAME_MAX + 1];
		LakeFile   *file;

		if (!is_temporary(lfirst(cell), final) || (name != NULL && strcmp(final, name) != 0))
			continue;
		file = new_file(psprintf("%s/%s", folder, final));
		if (walk_to(file, false) && unlinkat(file->folder, lfirst(cell), 0) < 0 && errno != ENOENT)
			report_access(file, "remove what was left of");
		lake_close(file);
	}
}

/* The name is looked for last: between two looks an unfinished file may get it. */
bool
lake_is_pending(const char *path)
{
	const char *slash = strrchr(path, '/');
	LakeFile   *file;
	ListCell   *cell;

	if (slash == NULL)
		return false;
	foreach(cell, folder_entries(pnstrdup(path, slash - path)))
	{
		char		final[NAME_MAX + 1];

		if (is_temporary(lfirst(cell), final) && strcmp(final, slash + 1) == 0)
			return true;
	}
	file = lake_open(path);
	if (file == NULL)
		return false;
	lake_close(file);
	return true;
}

static void
quarantine(LakeFile *file)
{
	char		when[32];
	LakeFile   *target;

	snprintf(when, sizeof(when), INT64_FORMAT, (int64) GetCurrentTimestamp());
	target = new_file(psprintf("%s/%s.%s", QUARANTINE_FOLDER, when, file->name));
	walk_to(target, true);
	if (renameat(file->folder, file->temporary, target->folder, target->name) < 0)
		report_access(file, "move to quarantine");
	if (fsync(target->folder) < 0 || fsync(file->folder) < 0)
		report_access(file, "sync the folder of");
	ereport(LOG,
			(errmsg("hospital: unfinished file \"%s\" moved to \"%s\"", file->path, target->path)));
	lake_close(target);
}

static void
recover_one(const char *folder, const char *entry, const char *final, LakeJudge judge, void *arg)
{
	LakeFile   *file = new_file(psprintf("%s/%s", folder, final));
	char		buffer[8192];
	char		hash[LAKE_HASH_LENGTH + 1];
	LakeVerdict verdict;

	if (walk_to(file, false) && open_for_reading(file, entry))
	{
		strlcpy(file->temporary, entry, sizeof(file->temporary));
		while (lake_read(file, buffer, sizeof(buffer)) > 0)
			;
		lake_hash(file, hash);
		verdict = judge(file->path, hash, arg);
		if (verdict == LAKE_KNOWN)
			lake_publish(&file, 1);
		else if (verdict == LAKE_STRAY)
			quarantine(file);
	}
	lake_close(file);
}

/* The leftovers of one folder that are named "last", or those that are not. */
static void
recover_folder(const char *folder, const char *last, bool named_last, LakeJudge judge, void *arg)
{
	ListCell   *cell;

	foreach(cell, folder_entries(folder))
	{
		char		final[NAME_MAX + 1];

		if (is_temporary(lfirst(cell), final) && (last != NULL && strcmp(final, last) == 0) == named_last)
			recover_one(folder, lfirst(cell), final, judge, arg);
	}
}

void
lake_recover(const char *folder, const char *last, LakeJudge judge, void *arg)
{
	ListCell   *cell;

	foreach(cell, folder_entries(folder))
	{
		char	   *path;

		if (strncmp(lfirst(cell), "date=", 5) != 0)
			continue;
		path = psprintf("%s/%s", folder, (char *) lfirst(cell));
		recover_folder(path, last, false, judge, arg);
		recover_folder(path, last, true, judge, arg);
	}
}
