/*
 * kafka_trouble.c: what may be wrong with Kafka, in words and SQLSTATEs.
 *
 * kafka.c, which alone knows the library's error codes, maps them to these.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "kafka_trouble.h"

void
kafka_clean_text(char *text)
{
	bool		valid = pg_verify_mbstr(GetDatabaseEncoding(), text, strlen(text), true);

	for (unsigned char *p = (unsigned char *) text; *p != '\0'; p++)
	{
		if (*p < ' ' || *p == 0x7f || (!valid && *p > 0x7f))
			*p = ' ';
	}
}

int
kafka_trouble_sqlstate(Trouble trouble)
{
	switch (trouble)
	{
		case TROUBLE_UNREACHABLE:
			return ERRCODE_CONNECTION_FAILURE;
		case TROUBLE_AUTHENTICATION:
		case TROUBLE_TLS:
			return ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION;
		case TROUBLE_NOT_AUTHORISED:
			return ERRCODE_INSUFFICIENT_PRIVILEGE;
		case TROUBLE_UNKNOWN_TOPIC:
			return ERRCODE_UNDEFINED_OBJECT;
		case TROUBLE_FENCED:
			return ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
		case TROUBLE_OTHER:
			break;
	}
	return ERRCODE_EXTERNAL_ROUTINE_EXCEPTION;
}

const char *
kafka_trouble_message(const char *brokers, Trouble trouble)
{
	switch (trouble)
	{
		case TROUBLE_UNREACHABLE:
			return psprintf("no broker reachable at %s", brokers);
		case TROUBLE_AUTHENTICATION:
			return psprintf("authentication failed at %s", brokers);
		case TROUBLE_TLS:
			return psprintf("no trusted TLS connection to %s", brokers);
		case TROUBLE_NOT_AUTHORISED:
			return psprintf("not authorised at %s", brokers);
		case TROUBLE_UNKNOWN_TOPIC:
			return psprintf("unknown topic or partition at %s", brokers);
		case TROUBLE_FENCED:
			return "fenced: another producer of this hospital has taken over";
		case TROUBLE_OTHER:
			break;
	}
	return psprintf("Kafka at %s refuses", brokers);
}
