/*
 * named_file.h: files and folders that a person has named in a setting.
 */
#ifndef HOSPITAL_NAMED_FILE_H
#define HOSPITAL_NAMED_FILE_H

#include "postgres.h"

#include <errno.h>

/* For the server itself, a name that cannot be one is an internal error. */
static inline int
errcode_for_named_file(void)
{
	if (errno == ENAMETOOLONG || errno == ELOOP)
		return errcode(ERRCODE_INVALID_NAME);
	if (errno == ENXIO)
		return errcode(ERRCODE_WRONG_OBJECT_TYPE);
	return errcode_for_file_access();
}

#endif
