/*
 * row_error.h: which errors say something about a row, and not about the server.
 */
#ifndef HOSPITAL_ROW_ERROR_H
#define HOSPITAL_ROW_ERROR_H

#include "postgres.h"

/* A row that fails so becomes a reject; any other error ends the work. */
static inline bool
error_blames_row(int sqlstate)
{
	int			category = ERRCODE_TO_CATEGORY(sqlstate);

	return category == ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION ||
		category == ERRCODE_DATA_EXCEPTION ||
		sqlstate == ERRCODE_RAISE_EXCEPTION ||
		sqlstate == ERRCODE_PROGRAM_LIMIT_EXCEEDED ||	/* too large for an index */
		sqlstate == ERRCODE_WITH_CHECK_OPTION_VIOLATION;
}

#endif							/* HOSPITAL_ROW_ERROR_H */
