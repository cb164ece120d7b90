/*
 * stream_retry.h: rejects of topics, tried once more.
 */
#ifndef HOSPITAL_STREAM_RETRY_H
#define HOSPITAL_STREAM_RETRY_H

#include "postgres.h"

/*
 * Of all kinds, or one; in the caller's transaction, SPI connected.  How many
 * became rows or turned out to be duplicates; *tried grows by all of them.
 */
extern int64 stream_retry(const char *kind, const char *schema, int64 *tried);

#endif							/* HOSPITAL_STREAM_RETRY_H */
