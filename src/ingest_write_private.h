/*
 * ingest_write_private.h: what ingest_write.c and ingest_registrations.c share.
 */
#ifndef HOSPITAL_INGEST_WRITE_PRIVATE_H
#define HOSPITAL_INGEST_WRITE_PRIVATE_H

#include "postgres.h"
#include "lib/stringinfo.h"
#include "utils/rel.h"

#include "bulk.h"
#include "ingest_write.h"
#include "kept_plan.h"

/* A kind's statements; they are the same from one file to the next. */
typedef struct KindPlans
{
	KeptPlan	last;
	KeptPlan	existing;
	KeptPlan	insert;
	KeptPlan	insert_new;
	KeptPlan	merge;
	KeptPlan	same;
	KeptPlan	people;
	KeptPlan	existing_people;
} KindPlans;

/* A table that is written in bulk. */
typedef struct RecordBulk
{
	Relation	rel;			/* NULL: it is not */
	BulkWriter *writer;
} RecordBulk;

struct RecordWriter
{
	const RecordKind *kind;
	int			kind_number;
	const char *schema;
	KindPlans  *plans;
	HeldRows	rows;
	RecordBulk	table;
	RecordBulk	people;			/* of registrations */
	HeldRows	patient_rows;
	HeldRows	people_rows;
};

extern bool record_bulk_open(RecordBulk *bulk, const char *table, const RowSourceMethods *methods);
extern void record_bulk_close(RecordBulk *bulk);

/* A result's first column as a set of keys; the result is freed. */
extern KeySet *record_result_keys(const RecordWriter *writer, uint64 rows);
/* Run a statement that reads the listed records from hospital_open_rows. */
extern uint64 record_run_on_rows(RecordWriter *writer, KeptPlan *plan, const char *query,
								 const int *list, int n, int expected);
/* The keys of the listed records that are in a table's column. */
extern KeySet *record_keys_in(RecordWriter *writer, KeptPlan *plan, const char *table, const char *column,
							  const int *list, int n);

/* Parts of INSERT … ON CONFLICT: "DO UPDATE SET …"; one column of its WHERE. */
extern char *record_merge_clause(const RecordKind *kind, const char *key);
extern void record_append_same(StringInfo clause, const char *name, bool completes);

extern void registrations_open(RecordWriter *writer);
extern void registrations_insert(RecordWriter *writer, const int *list, int n);
extern KeySet *registrations_merge(RecordWriter *writer, const int *list, int n);

#endif							/* HOSPITAL_INGEST_WRITE_PRIVATE_H */
