/*
 * kafka_trouble.h: what may be wrong with Kafka, as states that a person
 * understands.
 */
#ifndef HOSPITAL_KAFKA_TROUBLE_H
#define HOSPITAL_KAFKA_TROUBLE_H

#include "postgres.h"

typedef enum Trouble
{
	TROUBLE_NONE,
	TROUBLE_OTHER,
	TROUBLE_UNREACHABLE,
	TROUBLE_AUTHENTICATION,
	TROUBLE_TLS,
	TROUBLE_NOT_AUTHORISED,
	TROUBLE_UNKNOWN_TOPIC,
	TROUBLE_FENCED
} Trouble;

extern int	kafka_trouble_sqlstate(Trouble trouble);

/* In words; may be palloc'd.  "reason" says more, NULL for nothing. */
extern const char *kafka_trouble_message(const char *brokers, Trouble trouble, const char *reason);

/*
 * What the library's own text says beyond its error code: the reason, a
 * constant or a part of "text", and what trouble that is.  NULL: nothing.
 */
extern const char *kafka_trouble_reason(const char *text, Trouble *trouble);

/* OpenSSL's verdict on a broker's certificate, in words; may run in any thread. */
extern const char *kafka_certificate_verdict(int x509_error);

/* Make a foreign text one line of the database's encoding, in place. */
extern void kafka_clean_text(char *text);

#endif							/* HOSPITAL_KAFKA_TROUBLE_H */
