/*
 * day_again.h: day files that the ledger waits for and the lake has lost.
 */
#ifndef HOSPITAL_DAY_AGAIN_H
#define HOSPITAL_DAY_AGAIN_H

#include "postgres.h"
#include "utils/date.h"

#include "day_writer.h"

/* All in a transaction, SPI connected.  Has an ingestor missed a file? */
extern bool day_is_missed(void);

/* The first day of which a file that waits is not in the lake; false: none. */
extern bool day_find_lost(DateADT *day);

/*
 * The day has been written under temporary names (day_write): do its files
 * have the bytes that the ledger waits for?  What has others is refused.
 */
extern void day_expect_again(const DayFiles *files);

/* Nothing is lost any more. */
extern void day_forget_missed(void);

/* Once that has been committed: those that are not there get their names, the others are left alone. */
extern void day_publish_lost(const DayFiles *files);

#endif							/* HOSPITAL_DAY_AGAIN_H */
