/*
 * make_way.h: leaving a database that a statement wants for itself.
 */
#ifndef HOSPITAL_MAKE_WAY_H
#define HOSPITAL_MAKE_WAY_H

#include "postgres.h"

/* _PG_init, while preloading. */
extern void make_way_init(void);

/* With the control lock held: no worker may start there now. */
extern bool make_way_is_wanted(Oid database);

#endif							/* HOSPITAL_MAKE_WAY_H */
