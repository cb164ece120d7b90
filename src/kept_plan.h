/*
 * kept_plan.h: statements that a process runs again and again.
 */
#ifndef HOSPITAL_KEPT_PLAN_H
#define HOSPITAL_KEPT_PLAN_H

#include "postgres.h"
#include "executor/spi.h"

#define KEPT_ARGS 16

typedef struct KeptPlan
{
	char	   *query;			/* NULL: not prepared yet */
	SPIPlanPtr	plan;
} KeptPlan;

/*
 * Run the statement, SPI connected; rows processed.  It is prepared when it is
 * first seen, or is another text than last time.  The memory context stays the
 * caller's.  ereport unless SPI answers "expected".
 */
extern PGDLLEXPORT uint64 kept_run(KeptPlan *kept, const char *query, int nargs, const Oid *types,
					   Datum *values, const char *nulls, int expected);

/* An argument: bigint[], palloc'd. */
extern Datum kept_numbers(const int64 *numbers, int n);

/* A row's column; and the end of a result. */
extern Datum kept_value(uint64 row, int column, bool *isnull);
extern void kept_done(void);

#endif							/* HOSPITAL_KEPT_PLAN_H */
