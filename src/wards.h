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

extern const RowSourceMethods wards_source;
extern const RowSourceMethods departments_source;

#endif							/* HOSPITAL_WARDS_H */
