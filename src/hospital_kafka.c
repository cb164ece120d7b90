/*
 * hospital_kafka.c: the entry point of hospital_kafka.so, the part of hospital
 * that needs librdkafka.
 *
 * A library of its own, so that neither the postmaster nor ordinary sessions
 * ever load librdkafka and what it brings along.  The workers load it, after
 * hospital.so, whose functions and settings it uses.
 *
 * So a server that runs while a new release is installed has the old hospital.so
 * in memory and finds the new hospital_kafka.so on disk.  These two must not meet.
 */
#include "postgres.h"

#include "fmgr.h"

#include "compat.h"
#include "version.h"

HOSPITAL_MODULE_MAGIC;

void		_PG_init(void);

static const char made_for[] = VERSION_LINE_HEAD HOSPITAL_VERSION;

void
_PG_init(void)
{
	if (strcmp(made_for, hospital_version_line) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("library hospital_kafka is version %s, and hospital %s",
						made_for + sizeof(VERSION_LINE_HEAD) - 1, hospital_version),
				 errhint("Restart the server: another release was installed while it ran.")));
}
