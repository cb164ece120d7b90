/*
 * sole_use.c: what belongs to one hospital alone: its folders of the lake, its topics.
 *
 * Two hospitals may share a data folder and brokers as long as paths and topics
 * have other names.  Where they have not, each would write over the other's
 * files and reject the other's events, so the second is refused.
 *
 * The lake.  Its folders are named as the hospital is; lake/batch/<name>/owner
 * says by its number which hospital of that name it is.  Made by whoever writes
 * there first, as a hard link, which fails where another has been quicker.  A
 * hospital that was promoted, restored or adopted has kept its number.
 *
 * Topics.  They begin with hospital.topic_prefix.  Of the hospitals of one
 * server, the scheduler that has the lock on brokers and prefix has the topics;
 * that of another server is noticed by its messages, which are rejects.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/uuid.h"

#include "compat.h"
#include "day_file.h"
#include "lakefile.h"
#include "locks.h"
#include "settings.h"
#include "sole_use.h"

#define OWNER_FILE "owner"
#define OWNER_LENGTH 36			/* of a UUID as text */

/* ---- the lake ---- */

/* False: there is no such file. */
static bool
read_owner(const char *path, char owner[OWNER_LENGTH + 1])
{
	LakeFile   *file = lake_open(path);
	size_t		length = 0;
	size_t		got;

	if (file == NULL)
		return false;
	while (length < OWNER_LENGTH && (got = lake_read(file, owner + length, OWNER_LENGTH - length)) > 0)
		length += got;
	owner[length] = '\0';
	lake_close(file);
	return true;
}

static void
write_owner(const char *path, const char *owner)
{
	LakeFile   *file = lake_create(path);

	lake_write(file, owner, strlen(owner));
	lake_write(file, "\n", 1);
	lake_finish(file);
	lake_sync(&file, 1);
	lake_publish_first(file);
}

void
lake_claim(const Simulation *simulation)
{
	char	   *ours = DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&simulation->id)));
	char	   *path = psprintf(BATCH_FOLDER "/%s/" OWNER_FILE, simulation->name);
	char		owner[OWNER_LENGTH + 1];

	if (!read_owner(path, owner))
	{
		write_owner(path, ours);
		if (!read_owner(path, owner))
			strlcpy(owner, ours, sizeof(owner));	/* removed at this moment: by and by it is there again */
	}
	if (strcmp(owner, ours) == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("\"" BATCH_FOLDER "/%s\" in hospital.data_folder belongs to another hospital of this name",
					simulation->name),
			 errdetail("It is hospital %s's, this one is %s.", owner, ours),
			 errhint("Set another hospital.data_folder. Where that hospital is no more, its folders \"%s\" below lake/batch and lake/stream may be removed.",
					 simulation->name)));
}

/* ---- topics ---- */

bool
topics_claim(void)
{
	static LOCKTAG claimed;
	static bool has_claim = false;
	char	   *key;
	LOCKTAG		tag;

	if (hospital_kafka_brokers[0] == '\0')
	{
		if (has_claim)
			(void) LockRelease(&claimed, ExclusiveLock, true);
		has_claim = false;
		return true;
	}
	key = psprintf("%s|%s", hospital_kafka_brokers, hospital_topic_prefix);
	set_named_lock_tag(&tag, LOCK_CLASS_TOPICS, key);
	pfree(key);
	if (has_claim && memcmp(&tag, &claimed, sizeof(tag)) == 0)
		return true;
	if (LockAcquire(&tag, ExclusiveLock, true, true) == LOCKACQUIRE_NOT_AVAIL)
		return false;
	if (has_claim)
		(void) LockRelease(&claimed, ExclusiveLock, true);
	claimed = tag;
	has_claim = true;
	return true;
}

void
topics_refuse(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("the topics \"%s...\" are used by another hospital of this server", hospital_topic_prefix),
			 errdetail("Each would reject the other's events. Day files are not held up."),
			 errhint("ALTER DATABASE ... SET hospital.topic_prefix = '...', then hospital_stop() and hospital_start().")));
}
