/*
 * kafka_trouble.h: what may be wrong with Kafka, as states that a person
 * understands.
 */
#ifndef HOSPITAL_KAFKA_TROUBLE_H
#define HOSPITAL_KAFKA_TROUBLE_H

#include "postgres.h"

typedef enum Trouble
{
	TROUBLE_OTHER,
	TROUBLE_UNREACHABLE,
	TROUBLE_AUTHENTICATION,
	TROUBLE_TLS,
	TROUBLE_NOT_AUTHORISED,
	TROUBLE_UNKNOWN_TOPIC,
	TROUBLE_FENCED
} Trouble;

extern int	kafka_trouble_sqlstate(Trouble trouble);

/* In words; may be palloc'd. */
extern const char *kafka_trouble_message(const char *brokers, Trouble trouble);

/* Make a foreign text one line of the database's encoding, in place. */
extern void kafka_clean_text(char *text);

#endif							/* HOSPITAL_KAFKA_TROUBLE_H */
