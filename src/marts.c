/*
 * marts.c: hospital_mart stays right: days are marked live in the transaction that
 * brings their rows.  The marts' queries, and folding, are in SQL.
 *
 * Facts have a kind and a day.  The marts take the facts of live days from the
 * tables and those of all other days from cells (hospital--1.0.sql, "marts").
 * So whoever writes a row, or takes one out, marks its day live before the
 * commit, which removes the day's cells.  To fold a day, that is to make its
 * cells, is work for later: done by every file's transaction it cost two fifths
 * of an ingestor's time.
 *
 * A transaction notes the days here while it writes, and marks them as its last
 * act, under a lock: who marks shares it, who folds has it alone and looks with a
 * new snapshot.  So rows that are committed later than the fold looked belong
 * to somebody who had not marked yet, and will.  Being the last, the lock makes
 * no deadlock with others.  A transaction that sees the database as of its
 * beginning cannot tell what is folded; it fails, and is to be tried again.
 *
 * The cells are the work of the owner of these tables, whoever ingests.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "hospital_time.h"
#include "kept_plan.h"
#include "locks.h"
#include "marts.h"
#include "owners.h"
#include "records.h"
#include "settings.h"
#include "version.h"

PG_FUNCTION_INFO_V1(hospital_lock_marts);

typedef enum FactKind
{
	FACT_ARRIVALS,
	FACT_DEPARTURES,
	FACT_DIAGNOSES,
	FACT_PRESCRIPTIONS,
	FACT_BILLS,
	FACT_ADMISSIONS,
	FACT_DISCHARGES,
	FACT_REGISTRATIONS,
	FACT_DEATHS,
	FACT_BEDS,
	FACT_KINDS
} FactKind;

static const char *const fact_names[FACT_KINDS] = {
	"arrivals", "departures", "diagnoses", "prescriptions", "bills", "admissions", "discharges",
	"registrations", "deaths", "beds"
};

typedef struct Touched
{
	FactKind	kind;
	DateADT		day;
} Touched;

/* Of this transaction; NULL: nothing. */
static Touched *touched;
static int	ntouched;
static int	capacity;
static int64 *gone;				/* visits that were taken out */
static int	ngone;
static MemoryContextCallback at_end;

/* ---- notes ---- */

void
marts_forget(void)
{
	ntouched = 0;
	ngone = 0;
}

static void
end_of_transaction(void *arg)
{
	(void) arg;
	touched = NULL;
	ntouched = capacity = 0;
	gone = NULL;
	ngone = 0;
}

static void
make_room(void)
{
	MemoryContext caller = MemoryContextSwitchTo(TopTransactionContext);

	if (touched == NULL)
	{
		capacity = 64;
		touched = palloc(capacity * sizeof(Touched));
		at_end.func = end_of_transaction;
		MemoryContextRegisterResetCallback(TopTransactionContext, &at_end);
	}
	else if (ntouched == capacity)
	{
		capacity *= 2;
		touched = repalloc(touched, capacity * sizeof(Touched));
	}
	MemoryContextSwitchTo(caller);
}

/* Records of one day follow one another: the latest notes are looked at first. */
static void
note(FactKind kind, DateADT day)
{
	for (int i = ntouched - 1; i >= 0; i--)
		if (touched[i].kind == kind && touched[i].day == day)
			return;
	make_room();
	touched[ntouched++] = (Touched) {kind, day};
}

static void
note_time(FactKind kind, TimestampTz at)
{
	if (at != REC_NULL8)
		note(kind, day_of_time(at));
}

void
marts_note(int kind_number, const void *record, bool own_row)
{
	switch (kind_number)
	{
		case KIND_VISITS:
			if (own_row)
				note(FACT_ARRIVALS, ((const Visit *) record)->visit_date);
			note_time(FACT_DEPARTURES, ((const Visit *) record)->left_at);
			break;
		case KIND_ADMISSIONS:
			if (own_row)
				note_time(FACT_ADMISSIONS, ((const Admission *) record)->admitted_at);
			note_time(FACT_DISCHARGES, ((const Admission *) record)->discharged_at);
			break;
		case KIND_REGISTRATIONS:
			if (own_row)
				note(FACT_REGISTRATIONS, ((const Registration *) record)->first_seen_on);
			note_time(FACT_DEATHS, ((const Registration *) record)->deceased_at);
			break;
		case KIND_STATUS_UPDATES:
			note_time(FACT_BEDS, ((const StatusUpdate *) record)->recorded_at);
			break;
		case KIND_DIAGNOSES:
			note_time(FACT_DIAGNOSES, ((const Diagnosis *) record)->at);
			break;
		case KIND_PRESCRIPTIONS:
			note_time(FACT_PRESCRIPTIONS, ((const Prescription *) record)->prescribed_at);
			break;
		case KIND_BILLING_PAYMENTS:
			note(FACT_BILLS, ((const Bill *) record)->billing_date);
			break;
		default:
			break;
	}
}

void
marts_note_visits_gone(const int64 *visits, int n)
{
	MemoryContext caller = MemoryContextSwitchTo(TopTransactionContext);

	make_room();
	gone = gone == NULL ? palloc(n * sizeof(int64)) : repalloc_huge(gone, (ngone + n) * sizeof(int64));
	memcpy(gone + ngone, visits, n * sizeof(int64));
	ngone += n;
	MemoryContextSwitchTo(caller);
}

/* ---- what they mean ---- */

/* The owner of the marts' tables; InvalidOid where there are none. */
static Oid
marts_owner(void)
{
	Oid			schema = get_namespace_oid("hospital_mart", true);
	Oid			relid = OidIsValid(schema) ? get_relname_relid("live_days", schema) : InvalidOid;

	return OidIsValid(relid) ? relation_owner(relid) : InvalidOid;
}

/* A row that came in after the snapshot would be in no cell and on no live day. */
static void
require_new_snapshots(void)
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("hospital_mart cannot be kept in a transaction of isolation level \"%s\"",
						GetConfigOption("transaction_isolation", false, false)),
				 errhint("Use read committed.")));
}

static Datum
name_array(void)
{
	Datum	   *elements = palloc(ntouched * sizeof(Datum));

	for (int i = 0; i < ntouched; i++)
		elements[i] = CStringGetTextDatum(fact_names[touched[i].kind]);
	return PointerGetDatum(construct_array(elements, ntouched, TEXTOID, -1, false, TYPALIGN_INT));
}

static Datum
day_array(void)
{
	Datum	   *elements = palloc(ntouched * sizeof(Datum));

	for (int i = 0; i < ntouched; i++)
		elements[i] = DateADTGetDatum(touched[i].day);
	return PointerGetDatum(construct_array(elements, ntouched, DATEOID, sizeof(DateADT), true, TYPALIGN_INT));
}

/* Two of the same transaction's in the same order, so that nobody waits in a circle. */
static int
compare_touched(const void *a, const void *b)
{
	const Touched *x = a;
	const Touched *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return x->day < y->day ? -1 : x->day > y->day;
}

static uint64
run_as(Oid owner, KeptPlan *plan, const char *query, int nargs, const Oid *types, Datum *values)
{
	Oid			user;
	int			context;
	uint64		rows;

	owners_check(owner);
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(owner, context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	rows = kept_run(plan, query, nargs, types, values, NULL, SPI_OK_SELECT);
	SetUserIdAndSecContext(user, context);
	return rows;
}

/* Facts of other days had their department and doctor from them.  With the lock: nobody folds such a day meanwhile. */
static void
note_what_counts_on_gone(Oid owner)
{
	static KeptPlan plan;
	const Oid	types[] = {INT8ARRAYOID};
	Datum		values[] = {kept_numbers(gone, ngone)};
	uint64		rows;

	StaticAssertStmt(FACT_DIAGNOSES == 2 && FACT_PRESCRIPTIONS == 3 && FACT_BILLS == 4, "as the query has them");
	rows = run_as(owner, &plan, "SELECT DISTINCT 2, (at AT TIME ZONE 'Africa/Johannesburg')::date"
				  " FROM hospital.diagnoses WHERE visit_id = ANY ($1)"
				  " UNION ALL SELECT DISTINCT 3, (prescribed_at AT TIME ZONE 'Africa/Johannesburg')::date"
				  " FROM hospital.prescriptions WHERE visit_id = ANY ($1)"
				  " UNION ALL SELECT DISTINCT 4, billing_date FROM hospital.billing_payments WHERE visit_id = ANY ($1)",
				  1, types, values);
	for (uint64 row = 0; row < rows; row++)
	{
		bool		isnull;

		note((FactKind) DatumGetInt32(kept_value(row, 1, &isnull)), DatumGetDateADT(kept_value(row, 2, &isnull)));
	}
	kept_done();
}

void
marts_apply(const char *schema)
{
	static KeptPlan plan;
	const Oid	types[] = {TEXTARRAYOID, DATEARRAYOID};
	Datum		values[2];
	Oid			owner;

	if (ntouched == 0)
		return;
	owner = marts_owner();
	if (OidIsValid(owner))
	{
		require_new_snapshots();
		hospital_lock_transaction(HOSPITAL_LOCK_MARTS, ngone > 0 ? ExclusiveLock : ShareLock);
		if (ngone > 0)
			note_what_counts_on_gone(owner);
		qsort(touched, ntouched, sizeof(Touched), compare_touched);
		values[0] = name_array();
		values[1] = day_array();
		(void) run_as(owner, &plan, psprintf("SELECT %s.hospital_touch_marts($1, $2)", schema),
					  lengthof(types), types, values);
		kept_done();
	}
	marts_forget();
}

int
marts_fold(const char *schema)
{
	static KeptPlan plan;
	Oid			owner = marts_owner();
	bool		isnull;
	int			folded;

	if (!OidIsValid(owner) || !hospital_marts)
		return 0;
	require_new_snapshots();
	hospital_lock_transaction(HOSPITAL_LOCK_MARTS, ExclusiveLock);
	(void) run_as(owner, &plan, psprintf("SELECT %s.hospital_fold_some(8)", schema), 0, NULL, NULL);
	folded = DatumGetInt32(kept_value(0, 1, &isnull));
	kept_done();
	return folded;
}

/* hospital_lock_marts(): alone, until the transaction ends.  The owner's: it keeps everybody waiting. */
Datum
hospital_lock_marts(PG_FUNCTION_ARGS)
{
	Oid			owner;
	char		schema[2 * NAMEDATALEN + 3];

	version_require(schema);
	owner = marts_owner();
	if (!OidIsValid(owner))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("there are no marts in this database"),
				 errhint("CALL hospital_create_marts() makes them.")));
	if (!has_privs_of_role(GetUserId(), owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to change the marts"),
				 errdetail("Their tables belong to role \"%s\".", GetUserNameFromId(owner, false))));
	require_new_snapshots();
	hospital_lock_transaction(HOSPITAL_LOCK_MARTS, ExclusiveLock);
	PG_RETURN_VOID();
}
