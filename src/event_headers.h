/*
 * event_headers.h: the headers of an event's message, which the producer writes
 * and consumers read.
 */
#ifndef HOSPITAL_EVENT_HEADERS_H
#define HOSPITAL_EVENT_HEADERS_H

#include "postgres.h"

/* Of every event; each costs as much as the payload, so there are no more. */
#define HEADER_SIMULATION "simulation"	/* its UUID */
#define HEADER_EVENT_ID "event_id"
#define HEADER_TYPE "type"
#define HEADER_SCHEMA_VERSION "schema_version"
#define HEADER_SIMULATED_TIME "simulated_time"
#define HEADER_TICK "tick"		/* day, its part, the clock's tick: 2020-01-05 2 23 */

/* So many of a message are looked at, and kept of a reject; further ones are not. */
#define HEADERS_READ 64

#endif							/* HOSPITAL_EVENT_HEADERS_H */
