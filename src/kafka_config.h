/*
 * kafka_config.h: the administrator's file of Kafka client properties.
 */
#ifndef HOSPITAL_KAFKA_CONFIG_H
#define HOSPITAL_KAFKA_CONFIG_H

#include "postgres.h"
#include "nodes/pg_list.h"

typedef struct KafkaProperty
{
	char	   *key;
	char	   *value;			/* may be a secret: never in a message */
	int			line;
} KafkaProperty;

/* The file's properties in order, palloc'd; NIL for an empty path. */
extern List *kafka_config_read(const char *path);

#endif							/* HOSPITAL_KAFKA_CONFIG_H */
