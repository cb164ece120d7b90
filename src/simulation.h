/*
 * simulation.h: the frozen truth, as read from hospital.simulation.
 */
#ifndef HOSPITAL_SIMULATION_H
#define HOSPITAL_SIMULATION_H

#include "postgres.h"
#include "utils/date.h"
#include "utils/uuid.h"

#include "day.h"

#define GENERATOR_VERSION 2

typedef struct Simulation
{
	pg_uuid_t	id;
	char		name[NAMEDATALEN];	/* in every path, topic and header: [a-z0-9_-] */
	int64		seed;
	int64		people;
	int			beds;
	DateADT		start_date;
	DateADT		end_date;
	bool		marked;
	int			transfers_per_day;
	double		dirty_rate;		/* bad lines for each good one in the day files */
} Simulation;

/*
 * Read it, SPI connected.  False when there is none.  ereport when the
 * generator version, or the version of the extension or of the tables, differs,
 * or (for_workers) when the row belongs to another
 * system or database: a restored or copied one must not act.
 */
extern PGDLLEXPORT bool simulation_read(Simulation *simulation, bool for_workers);

/* What its days depend on. */
static inline DaySpec
simulation_days(const Simulation *s)
{
	DaySpec		spec = {s->seed, s->people, s->beds, s->start_date, s->transfers_per_day, s->marked};

	return spec;
}

#endif							/* HOSPITAL_SIMULATION_H */
