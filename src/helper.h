/*
 * helper.h: background processes that work for a session: what it must hear of them.
 */
#ifndef HOSPITAL_HELPER_H
#define HOSPITAL_HELPER_H

#include "postgres.h"
#include "port/atomics.h"
#include "storage/latch.h"

#define HELPER_TEXT 1024

/* In dynamic shared memory: the first error of any helper. */
typedef struct HelperError
{
	pg_atomic_uint32 state;		/* 0 none, 1 being written, 2 there */
	int			sqlstate;
	char		message[HELPER_TEXT];
	char		detail[HELPER_TEXT];
	char		hint[HELPER_TEXT];
} HelperError;

extern void helper_error_init(HelperError *error);

/* In the helper, in PG_CATCH: leave it for the session, unless another was first. */
extern void helper_error_leave(HelperError *error, const ErrorData *edata, Latch *session);

/* In the session: raise it, if there is one; "context" says whose it was. */
extern void helper_error_raise(HelperError *error, const char *context);

/*
 * After a commit, by whomever: *last_commit, in dynamic shared memory, is the end
 * of the latest one's WAL, which the session has to see on disk before it says
 * that it is done.
 */
extern void helper_note_commit(pg_atomic_uint64 *last_commit);

#endif							/* HOSPITAL_HELPER_H */
