/*
 * marts.h: which days of which facts a transaction has touched, and what that
 * means for hospital_mart.
 */
#ifndef HOSPITAL_MARTS_H
#define HOSPITAL_MARTS_H

#include "postgres.h"
#include "utils/date.h"

/* A record is in the table now, or gone: a row of its own, or the end of one that was there. */
extern void marts_note(int kind_number, const void *record, bool own_row);

/* These visits are gone. */
extern void marts_note_visits_gone(const int64 *visits, int n);

/* What has been noted was rolled back. */
extern void marts_forget(void);

/*
 * The last act before the commit, SPI connected: those days are live.  It takes
 * a lock that those who fold wait for.
 */
extern void marts_apply(const char *schema);

/* Fold some of the live days that are over; how many.  The caller commits. */
extern int	marts_fold(const char *schema);

#endif							/* HOSPITAL_MARTS_H */
