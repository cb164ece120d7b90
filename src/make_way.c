/*
 * make_way.c: leaving a database that a statement wants for itself.
 *
 * DROP DATABASE, CREATE DATABASE ... TEMPLATE, ALTER DATABASE ... RENAME and SET
 * TABLESPACE need a database that nobody is connected to, and give up after
 * five seconds.  A hook tells the workers of that database to leave before the
 * statement runs, and the launcher to start none there until its transaction
 * has ended, however it ends; then they come back, if the database is still
 * there.
 *
 * Only for those who may do such a thing: others get the server's refusal, and
 * the workers stay.
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"
#include "utils/acl.h"

#include "compat.h"
#include "make_way.h"
#include "shared_state.h"

static ProcessUtility_hook_type next_utility = NULL;

/* ---- in shared memory, with its lock held ---- */

bool
make_way_is_wanted(Oid database)
{
	for (int i = 0; i < WANTED_DATABASES; i++)
		if (hospital_control->wanted_databases[i].pid != 0 &&
			hospital_control->wanted_databases[i].database == database)
			return OidIsValid(database);
	return false;
}

/* False when more statements than we can remember are at work. */
static bool
note_wanted(Oid database)
{
	for (int i = 0; i < WANTED_DATABASES; i++)
	{
		WantedDatabase *wanted = &hospital_control->wanted_databases[i];

		if (wanted->pid != 0)
			continue;
		wanted->pid = MyProcPid;
		wanted->database = database;
		return true;
	}
	return false;
}

/* One that is starting finds at its slot that it is not to. */
static void
ask_to_leave(Oid database)
{
	for (int i = 0; i < WORKER_SLOTS; i++)
	{
		WorkerSlot *slot = &hospital_control->slots[i];

		if (!slot->used || slot->database != database)
			continue;
		slot->left = true;
		slot->poked = false;
		if (slot->pid == 0)
			continue;
		control_set_state(slot, "making way for a statement");
		kill(slot->pid, SIGTERM);
	}
}

static void
let_come_back(Oid database)
{
	for (int i = 0; i < WORKER_SLOTS; i++)
	{
		WorkerSlot *slot = &hospital_control->slots[i];

		if (slot->used && slot->database == database && slot->left)
			slot->poked = true;
	}
}

/* ---- the statement ---- */

static bool
has_option(List *options, const char *name, char **value)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *option = lfirst(cell);

		if (strcmp(option->defname, name) != 0)
			continue;
		if (value != NULL && option->arg != NULL)
			*value = defGetString(option);
		return true;
	}
	return false;
}

/* Which database it needs to be empty; NULL: none. */
static const char *
wanted_name(Node *statement)
{
	char	   *name = NULL;

	if (IsA(statement, DropdbStmt))
		name = ((DropdbStmt *) statement)->dbname;
	else if (IsA(statement, CreatedbStmt))
		(void) has_option(((CreatedbStmt *) statement)->options, "template", &name);
	else if (IsA(statement, RenameStmt) && ((RenameStmt *) statement)->renameType == OBJECT_DATABASE)
		name = ((RenameStmt *) statement)->subname;
	else if (IsA(statement, AlterDatabaseStmt) &&
			 has_option(((AlterDatabaseStmt *) statement)->options, "tablespace", NULL))
		name = ((AlterDatabaseStmt *) statement)->dbname;
	return name;
}

/* InvalidOid: there is nothing for us to do. */
static Oid
wanted_database(Node *statement)
{
	const char *name = wanted_name(statement);
	Oid			database = name != NULL ? get_database_oid(name, true) : InvalidOid;

	if (!OidIsValid(database) || database == MyDatabaseId || !owns_database(database, GetUserId()))
		return InvalidOid;
	return database;
}

static void
end_of_transaction(XactEvent event, void *arg)
{
	(void) arg;
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	LWLockAcquire(hospital_control->lock, LW_EXCLUSIVE);
	for (int i = 0; i < WANTED_DATABASES; i++)
	{
		WantedDatabase *wanted = &hospital_control->wanted_databases[i];

		if (wanted->pid != MyProcPid)
			continue;
		wanted->pid = 0;
		let_come_back(wanted->database);
		control_wake_launcher();
	}
	LWLockRelease(hospital_control->lock);
}

static void
make_way(Oid database)
{
	static bool registered = false;

	if (!registered)
		RegisterXactCallback(end_of_transaction, NULL);
	registered = true;

	LWLockAcquire(hospital_control->lock, LW_EXCLUSIVE);
	if (note_wanted(database))
		ask_to_leave(database);
	LWLockRelease(hospital_control->lock);
}

static void
make_way_utility(PlannedStmt *pstmt, const char *query, bool read_only_tree, ProcessUtilityContext context,
				 ParamListInfo params, QueryEnvironment *environment, DestReceiver *dest, QueryCompletion *qc)
{
	Oid			database = wanted_database(pstmt->utilityStmt);

	if (OidIsValid(database) && hospital_control != NULL)
		make_way(database);
	if (next_utility)
		next_utility(pstmt, query, read_only_tree, context, params, environment, dest, qc);
	else
		standard_ProcessUtility(pstmt, query, read_only_tree, context, params, environment, dest, qc);
}

void
make_way_init(void)
{
	next_utility = ProcessUtility_hook;
	ProcessUtility_hook = make_way_utility;
}
