/*
 * owners.h: whose are the tables that are touched by their owner's rights?
 */
#ifndef HOSPITAL_OWNERS_H
#define HOSPITAL_OWNERS_H

#include "postgres.h"

/*
 * Before statements on the hospital's tables and marts run as "acting", whoever
 * asked for them: an ERROR where one belongs to neither that role nor a superuser.
 */
extern void owners_check(Oid acting);

/* InvalidOid: it is gone. */
extern Oid	relation_owner(Oid relid);

#endif							/* HOSPITAL_OWNERS_H */
