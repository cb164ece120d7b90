/*
 * owners.c: whose are the tables that are touched by their owner's rights?
 *
 * Workers, and whoever marks days of the marts or asks for the metrics, act as
 * the owner of the hospital, whoever they are.  The owner of a table decides
 * what runs when it is touched (triggers, defaults, checks, expressions of
 * indexes, the functions of a view in its place), and all that runs with the
 * rights of the one who acts.  So a table that was given to somebody else would
 * give its new owner those rights; it is not touched.  A superuser has them.
 *
 * Looked at once, and again when a relation or a role has changed.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "owners.h"

/*
 * What hospital_create makes, and what of the extension's own is read in
 * between.  Other relations of the schema are nobody's business here.
 */
static const char *const hospital_relations[] = {
	"admissions", "alerts", "batches", "billing_payments", "days", "departments",
	"diagnoses", "doctor_assignments", "doctors", "drug_interactions", "faults",
	"job_history", "job_runs", "job_status", "jobs", "lab_results", "medicines",
	"patient_activity", "patients", "people", "prescriptions",
	"publish_requests", "published", "rejects", "run_state", "run_window",
	"simulation", "staff", "staff_assignments", "staff_changes",
	"status_updates", "stream_actions", "stream_extras", "stream_lag",
	"stream_partitions", "stream_ranges", "stream_topics", "ticks", "transfers",
	"treatments", "visits", "vital_signs", "wards",
};

/* As whom it was found right; InvalidOid: look again. */
static Oid	found_right = InvalidOid;

static void
forget(Datum arg, int cacheid, uint32 hashvalue)
{
	(void) arg;
	(void) cacheid;
	(void) hashvalue;
	found_right = InvalidOid;
}

static void
watch_catalogs(void)
{
	static bool watching = false;

	if (watching)
		return;
	CacheRegisterSyscacheCallback(RELOID, forget, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, forget, (Datum) 0);
	watching = true;
}

static bool
is_touched(Form_pg_class relation, Oid hospital, Oid marts)
{
	static const char relkinds[] = {
		RELKIND_RELATION, RELKIND_PARTITIONED_TABLE, RELKIND_VIEW, RELKIND_MATVIEW, RELKIND_FOREIGN_TABLE, '\0'
	};

	/* Indexes and sequences of a table are its owner's. */
	if (strchr(relkinds, relation->relkind) == NULL)
		return false;
	if (relation->relnamespace == marts)
		return true;
	if (relation->relnamespace != hospital)
		return false;
	for (int i = 0; i < (int) lengthof(hospital_relations); i++)
		if (strcmp(NameStr(relation->relname), hospital_relations[i]) == 0)
			return true;
	return false;
}

static void
check_one(Oid relid, Oid owner, Oid acting)
{
	char	   *name;

	if (!OidIsValid(owner) || owner == acting || superuser_arg(owner))
		return;
	name = quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), get_rel_name(relid));
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("%s belongs to role \"%s\", and is not touched by the rights of \"%s\"", name,
					GetUserNameFromId(owner, true), GetUserNameFromId(acting, true)),
			 errdetail("The hospital's workers act as the owner of its tables: triggers and views of another role would have these rights."),
			 errhint("ALTER TABLE %s OWNER TO %s.", name, quote_identifier(GetUserNameFromId(acting, true)))));
}

Oid
relation_owner(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;		/* dropped meanwhile */
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* Rows of a table may go to its partitions, and a statement on it reaches its children. */
static void
check_children(Oid relid, Oid acting)
{
	ListCell   *cell;

	foreach(cell, find_all_inheritors(relid, NoLock, NULL))
		check_one(lfirst_oid(cell), relation_owner(lfirst_oid(cell)), acting);
}

static void
look(Oid acting)
{
	Oid			hospital = get_namespace_oid("hospital", true);
	Oid			marts = get_namespace_oid("hospital_mart", true);
	Relation	catalog = table_open(RelationRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(catalog, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_class relation = (Form_pg_class) GETSTRUCT(tuple);

		if (!is_touched(relation, hospital, marts))
			continue;
		check_one(relation->oid, relation->relowner, acting);
		if (relation->relhassubclass)
			check_children(relation->oid, acting);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
}

void
owners_check(Oid acting)
{
	watch_catalogs();
	AcceptInvalidationMessages();
	if (found_right == acting)
		return;

	/* What changes while we look is looked at the next time. */
	found_right = acting;
	PG_TRY();
	{
		look(acting);
	}
	PG_CATCH();
	{
		found_right = InvalidOid;
		PG_RE_THROW();
	}
	PG_END_TRY();
}
