/*
 * version.c: what must be of one version before anybody acts for a hospital.
 *
 * Four things come to a new version one after the other:
 *
 *	hospital.so         make install, and a restart of the server
 *	hospital_kafka.so   make install; loaded when a worker needs it
 *	the extension       ALTER EXTENSION hospital UPDATE
 *	the tables          CALL hospital_upgrade_tables(), after an update or in a
 *	                    hospital that was restored from another version's dump
 *
 * Between two of these steps nobody acts: workers step aside, procedures refuse,
 * and either says which step is missing.  hospital_kafka.so looks by itself
 * (hospital_kafka.c), since a server that was not restarted may load a newer one.
 *
 * Whoever acts has a share lock on the extension meanwhile.  ALTER EXTENSION takes
 * none by itself: each update script begins with hospital_begin_update, which
 * has the lock alone, so that no transaction sees half of the old and half of
 * the new.  Workers do not wait for it but leave; the scheduler alone stays, looks
 * again until it is over, and has the others come back.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"

#include "compat.h"
#include "version.h"
#include "worker.h"

static char other_version[NAMEDATALEN];	/* of the extension, as last found to differ */

static bool
lock_extension(Oid extension, LOCKMODE mode, bool wait)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, ExtensionRelationId, extension, 0);
	if (LockAcquire(&tag, mode, false, !wait) == LOCKACQUIRE_NOT_AVAIL)
		return false;
	AcceptInvalidationMessages();
	return true;
}

static ExtensionState
compare(HeapTuple tuple, TupleDesc descriptor, char *schema)
{
	bool		isnull;
	Datum		version = heap_getattr(tuple, Anum_pg_extension_extversion, descriptor, &isnull);
	char	   *name = get_namespace_name(((Form_pg_extension) GETSTRUCT(tuple))->extnamespace);

	if (isnull || name == NULL)
		return EXTENSION_MISSING;
	strlcpy(schema, quote_identifier(name), 2 * NAMEDATALEN + 3);
	text_to_cstring_buffer(DatumGetTextPP(version), other_version, sizeof(other_version));
	return strcmp(other_version, hospital_version) == 0 ? EXTENSION_FITS : EXTENSION_DIFFERS;
}

ExtensionState
version_look(bool wait, char *schema)
{
	Oid			extension = get_extension_oid("hospital", true);
	Relation	relation;
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;
	ExtensionState state = EXTENSION_MISSING;

	if (!OidIsValid(extension))
		return EXTENSION_MISSING;
	if (!lock_extension(extension, AccessShareLock, wait))
		return EXTENSION_BUSY;

	relation = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(extension));
	scan = systable_beginscan(relation, ExtensionOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		state = compare(tuple, RelationGetDescr(relation), schema);
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return state;
}

void
version_complain(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the library of hospital is version %s, its extension in this database %s",
					hospital_version, other_version),
			 errdetail("Nothing is done for this hospital until both are of one version."),
			 errhint("ALTER EXTENSION hospital UPDATE, after a restart of the server if the library was installed while it ran.")));
}

void
version_require(char *schema)
{
	switch (version_look(true, schema))
	{
		case EXTENSION_FITS:
			break;
		case EXTENSION_DIFFERS:
			version_complain();
			break;
		case EXTENSION_MISSING:
		case EXTENSION_BUSY:	/* not after having waited */
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("extension \"hospital\" is not there any more"),
					 errhint("CREATE EXTENSION hospital.")));
	}
}

void
version_check_tables(int tables, int wanted)
{
	if (tables == wanted)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the tables of this hospital are of version %d, and the extension is for version %d",
					tables, wanted),
			 errdetail("They were made, or dumped, by another release of hospital."),
			 tables < wanted ? errhint("CALL hospital_upgrade_tables().") :
			 errhint("Install the release that they come from, or a later one.")));
}

PG_FUNCTION_INFO_V1(hospital_begin_update);
PG_FUNCTION_INFO_V1(hospital_hold_extension);

Datum
hospital_hold_extension(PG_FUNCTION_ARGS)
{
	char		schema[2 * NAMEDATALEN + 3];

	version_require(schema);
	PG_RETURN_VOID();
}

Datum
hospital_begin_update(PG_FUNCTION_ARGS)
{
	char	   *version = text_to_cstring(PG_GETARG_TEXT_PP(0));

	if (strcmp(version, hospital_version) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the library of hospital that is loaded is version %s, and not %s",
						hospital_version, version),
				 errhint("Install that release and restart the server first: its library must be there before its functions.")));

	(void) lock_extension(get_extension_oid("hospital", false), AccessExclusiveLock, true);
	worker_wake_at_commit(WORKER_SCHEDULER);
	PG_RETURN_VOID();
}
