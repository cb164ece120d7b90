/*
 * helper.c: background processes that work for a session: what it must hear of them.
 *
 * A helper that fails ends; what it has to say goes through shared memory to
 * the session, which raises it as its own.  Helpers commit without waiting for
 * the disk; the session waits, once, for the last of their commits.
 */
#include "postgres.h"

#include "access/xlog.h"

#include "helper.h"

void
helper_error_init(HelperError *error)
{
	memset(error, 0, sizeof(*error));
	pg_atomic_init_u32(&error->state, 0);
}

void
helper_error_leave(HelperError *error, const ErrorData *edata, Latch *session)
{
	uint32		expected = 0;

	if (!pg_atomic_compare_exchange_u32(&error->state, &expected, 1))
		return;
	error->sqlstate = edata->sqlerrcode;
	strlcpy(error->message, edata->message ? edata->message : "", HELPER_TEXT);
	strlcpy(error->detail, edata->detail ? edata->detail : "", HELPER_TEXT);
	strlcpy(error->hint, edata->hint ? edata->hint : "", HELPER_TEXT);
	pg_write_barrier();
	pg_atomic_write_u32(&error->state, 2);
	SetLatch(session);
}

void
helper_error_raise(HelperError *error, const char *context)
{
	if (pg_atomic_read_u32(&error->state) != 2)
		return;
	pg_read_barrier();
	ereport(ERROR,
			(errcode(error->sqlstate),
			 errmsg("%s", error->message),
			 error->detail[0] ? errdetail("%s", error->detail) : 0,
			 error->hint[0] ? errhint("%s", error->hint) : 0,
			 errcontext("%s", context)));
}

void
helper_note_commit(pg_atomic_uint64 *last_commit)
{
	uint64		seen = pg_atomic_read_u64(last_commit);

	while (seen < XactLastCommitEnd &&
		   !pg_atomic_compare_exchange_u64(last_commit, &seen, XactLastCommitEnd))
		;
}
