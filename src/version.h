/*
 * version.h: what must be of one version before anybody acts for a hospital.
 */
#ifndef HOSPITAL_VERSION_H
#define HOSPITAL_VERSION_H

#include "postgres.h"

#define VERSION_LINE_HEAD "hospital version "

/* In the library's file for whoever looks for it there: strings hospital.so. */
extern PGDLLEXPORT const char hospital_version_line[];

/* Of this library. */
#define hospital_version (hospital_version_line + sizeof(VERSION_LINE_HEAD) - 1)

typedef enum ExtensionState
{
	EXTENSION_FITS,
	EXTENSION_MISSING,
	EXTENSION_BUSY,				/* being altered or dropped, and we do not wait */
	EXTENSION_DIFFERS			/* its version is not this library's */
} ExtensionState;

/*
 * In a transaction, which then has a share lock on the extension until its end:
 * nobody alters or drops it meanwhile.  wait: when somebody is at it, until that
 * is over.  Gives the extension's schema, quoted (2 * NAMEDATALEN + 3 bytes).
 */
extern ExtensionState version_look(bool wait, char *schema);

/* The same, with an ERROR that says what to do unless it fits; waits. */
extern void version_require(char *schema);

/* After version_look has said that it differs: that ERROR. */
extern void version_complain(void);

/* Are a hospital's tables as this extension makes them?  ERROR if not. */
extern void version_check_tables(int tables, int wanted);

#endif							/* HOSPITAL_VERSION_H */
