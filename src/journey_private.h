/*
 * journey_private.h: what the parts of the journey have in common.
 */
#ifndef HOSPITAL_JOURNEY_PRIVATE_H
#define HOSPITAL_JOURNEY_PRIVATE_H

#include "lib/binaryheap.h"

#include "beds.h"
#include "clinic.h"
#include "journey.h"
#include "patients.h"

typedef enum Group
{
	GROUP_ADMITTED,				/* by the emergency department */
	GROUP_SEEN,					/* there, and not admitted */
	GROUP_ELECTIVE,
	GROUP_MATERNITY,
	GROUPS
} Group;

/* One who comes, or comes again to ask for a bed. */
typedef struct Arrival
{
	TimestampTz at;
	int			number;			/* of the day: breaks ties, and names its draws */
	Group		group;
	int16		code;
	Person		person;			/* id 0: not yet known */
	bool		outside;
	int			tries;
	int			visit;			/* of the plan, once there is one; -1 */
	int16		appointment;	/* -1: none */
	bool		last_appointment;
} Arrival;

/* Somebody to come, or to die, on a later day. */
typedef struct Later
{
	TimestampTz at;
	Person		person;
	int16		code;			/* -1: dies */
} Later;

struct Journey
{
	MemoryContext context;
	MemoryContext day_context;
	DaySpec		spec;
	uint64		seed;
	DateADT		day;			/* the last that was planned */
	const CaseMix *mix;
	WardList   *wards;
	Beds	   *beds;
	Patients   *patients;
	Clinic	   *clinic;
	OnDuty	   *duty;

	Stay	  **stays;			/* active, and those that ended on the last day */
	int			stay_count;
	int			stay_room;
	Later	   *later;
	int			later_count;
	int			later_room;

	/* of the day at hand */
	DayPlan		plan;
	binaryheap *queue;			/* of Arrival * and Stay *, see Item */
	int			arrivals;
	int			moves;
	int			visit_room;
	int			event_room;
	uint32	   *upto[GROUPS];	/* cumulative 16.16 patients by code */
	int64		yearly;			/* of a hundredth a year at 1,000 beds, a day here; 0.32 */
};

/* What the queue holds. */
typedef struct Item
{
	TimestampTz at;
	int64		tie;
	Arrival    *arrival;
	Stay	   *stay;
	int			slot;			/* of a medical transfer, from 0; -1 */
} Item;

/* journey.c */
extern void journey_push(Journey *j, TimestampTz at, int64 tie, Arrival *arrival, Stay *stay, int slot);
extern int	journey_add_visit(Journey *j);

/* A stay that begins now, if there is a bed; NULL if there is none. */
extern Stay *journey_begin_stay(Journey *j, VisitPlan *v, StayType type, TimestampTz at);

/* journey_arrivals.c: who comes today, and what becomes of one who is due. */
extern void journey_plan_arrivals(Journey *j);
extern void journey_arrival_due(Journey *j, Arrival *a, TimestampTz at);

static inline TimestampTz
journey_day_ends(const Journey *j)
{
	return midnight_of(j->day + 1);
}

#endif							/* HOSPITAL_JOURNEY_PRIVATE_H */
