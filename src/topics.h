/*
 * topics.h: what producer and consumers must agree on.
 */
#ifndef HOSPITAL_TOPICS_H
#define HOSPITAL_TOPICS_H

#include "postgres.h"

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

#endif							/* HOSPITAL_TOPICS_H */
