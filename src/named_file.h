/*
 * named_file.h: files and folders that a person has named in a setting.
 */
#ifndef HOSPITAL_NAMED_FILE_H
#define HOSPITAL_NAMED_FILE_H

#include "postgres.h"

#include <errno.h>

/*
 * errcode_for_file_access takes a name that cannot be one for an internal error.
 * "error" is errno as it was before the ereport that this is in.
 */
static inline int
errcode_for_named_file(int error)
{
	if (error == ENAMETOOLONG || error == ELOOP)
		return errcode(ERRCODE_INVALID_NAME);
	if (error == ENXIO)
		return errcode(ERRCODE_WRONG_OBJECT_TYPE);
	return errcode_for_file_access();
}

#endif							/* HOSPITAL_NAMED_FILE_H */
