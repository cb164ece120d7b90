/*
 * sole_use.h: what belongs to one hospital alone: its folders of the lake, its topics.
 */
#ifndef HOSPITAL_SOLE_USE_H
#define HOSPITAL_SOLE_USE_H

#include "postgres.h"

#include "compat.h"
#include "simulation.h"

/* ereport where the folders of this name in the lake are another hospital's. */
extern void lake_claim(const Simulation *simulation);

/*
 * The topics that the settings mean, until this process ends, or claims others
 * or (none are set) none.  False: another hospital of this server has them.
 */
extern bool topics_claim(void);

pg_noreturn extern void topics_refuse(void);

#endif							/* HOSPITAL_SOLE_USE_H */
