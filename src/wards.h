/*
 * wards.h: the wards and departments of a hospital of a given size.
 */
#ifndef HOSPITAL_WARDS_H
#define HOSPITAL_WARDS_H

#include "postgres.h"

#include "reference_data.h"
#include "rowsource.h"

#define BEDS_MIN 200
#define BEDS_MAX 10000
#define WARD_BEDS_MIN 4			/* a smaller ward is merged into another */

typedef struct HospitalWard
{
	const Ward *plan;
	int			beds;
	int			nurses_day;		/* needed on a shift at target occupancy */
	int			nurses_night;
} HospitalWard;

typedef struct WardList
{
	int			count;
	HospitalWard *wards;
	int		   *of_plan;		/* [ward_plan] -> where its patients lie */
} WardList;

/* ereport unless there can be a hospital of so many beds. */
extern void check_beds(int64 beds);

extern WardList *wards_build(int beds);

/* May a post with this scope, of this department, work in wards[i]? */
extern bool ward_in_scope(const WardList *list, int ward, const char *scope,
						  const char *department);
extern bool ward_takes(const Ward *ward, bool female, int age_years, int age_days);

/* Share out "total" by weight, largest remainder first. */
extern void apportion(int n, const int *weights, int total, int *out);

/* The reference tables, for facts that have no typed array. */
extern const ReferenceTable *reference_named(const char *name);
extern const char *reference_cell(const ReferenceTable *table, int row, const char *column);
extern int	reference_row(const ReferenceTable *table, const char *column, const char *value);
extern int	decimal_thousandths(const char *text);
/* The same with so many decimals. */
extern int64 reference_scaled(const char *text, int decimals);

extern const RowSourceMethods wards_source;
extern const RowSourceMethods departments_source;

#endif							/* HOSPITAL_WARDS_H */
