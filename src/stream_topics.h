/*
 * stream_topics.h: what goes through Kafka: kinds of events, and their topics.
 */
#ifndef HOSPITAL_STREAM_TOPICS_H
#define HOSPITAL_STREAM_TOPICS_H

#include "postgres.h"
#include "utils/guc.h"

#include "records.h"

#define TOPIC_NAME_LENGTH 250	/* Kafka's limit is 249 */

/* A kind of events is a kind of records as JSON, or this: HL7 v2 ADT messages. */
#define STREAM_ADT RECORD_KINDS
#define STREAM_KINDS (RECORD_KINDS + 1)

/* As in hospital.topics and hospital.stream_topics.kind. */
extern PGDLLEXPORT const char *stream_kind_name(int kind);

/* -1 when there is no such kind. */
extern PGDLLEXPORT int stream_kind_by_name(const char *name);

/* Those that hospital.topics asks for, in the order of the kinds; how many. */
extern PGDLLEXPORT int stream_kinds(int kinds[STREAM_KINDS]);

/* "hospital.transfers", written to a buffer of TOPIC_NAME_LENGTH. */
extern PGDLLEXPORT const char *stream_topic(int kind, char *name);

/* Of hospital.topics. */
extern bool check_topics(char **value, void **extra, GucSource source);

#endif							/* HOSPITAL_STREAM_TOPICS_H */
