/*
 * topics.h: what producer and consumers must agree on.
 */
#ifndef HOSPITAL_TOPICS_H
#define HOSPITAL_TOPICS_H

#include "postgres.h"

#include "settings.h"
#include "stream_topics.h"

#define TOPIC_PARTITIONS 3		/* when hospital makes the topic */

/* Headers of every event. */
#define HEADER_SIMULATION "simulation"
#define HEADER_SIMULATION_ID "simulation_id"
#define HEADER_EVENT_ID "event_id"
#define HEADER_TYPE "type"
#define HEADER_SCHEMA_VERSION "schema_version"
#define HEADER_SIMULATED_TIME "simulated_time"
#define HEADER_DAY "day"
#define HEADER_TICK "tick"

/* "hospital.transfers", written to a buffer of TOPIC_NAME_LENGTH. */
static inline const char *
transfers_topic(char *name)
{
	snprintf(name, TOPIC_NAME_LENGTH, "%stransfers", hospital_topic_prefix);
	return name;
}

#endif							/* HOSPITAL_TOPICS_H */
