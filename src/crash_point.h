/*
 * crash_point.h: named places at which a test may have a process die.
 *
 * Empty, unless compiled with -DHOSPITAL_CRASH_POINTS.  Then a process that
 * comes by a point whose file is in the data directory takes that file away
 * and kills itself, as kill -9 would: once for each file.  The names are found
 * in the library by test/faults, so a new point is tested without being told.
 */
#ifndef HOSPITAL_CRASH_POINT_H
#define HOSPITAL_CRASH_POINT_H

#ifdef HOSPITAL_CRASH_POINTS

#include <signal.h>
#include <unistd.h>

/* The name is a literal such as "consumer_before_commit". */
#define CRASH_POINT(name) \
	do { \
		if (unlink("hospital_crash_point:" name) == 0) \
			kill(getpid(), SIGKILL); \
	} while (0)

#else

#define CRASH_POINT(name) ((void) 0)

#endif

#endif							/* HOSPITAL_CRASH_POINT_H */
