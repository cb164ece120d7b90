/*
 * kafka_trouble.c: what may be wrong with Kafka, in words and SQLSTATEs.
 *
 * No header of the library is needed here: kafka.c maps its error codes to these.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "kafka_trouble.h"

/*
 * Mistakes that librdkafka knows by its texts alone: their code is that of any
 * lost connection.  Looked for in this order; where a release says it in other
 * words, the state is the coarser one.
 */
static const struct
{
	const char *fragment;
	const char *another;		/* which has to be there as well; NULL: none */
	Trouble		trouble;
	const char *reason;
}			reasons[] =
{
	{"alert certificate", NULL, TROUBLE_TLS, "the broker refuses the client's certificate"},
	{"alert bad certificate", NULL, TROUBLE_TLS, "the broker refuses the client's certificate"},
	{"alert unknown ca", NULL, TROUBLE_TLS, "the broker refuses the client's certificate"},
	{"SSL handshake failed: ", "error:0A000126", TROUBLE_TLS, "the broker does not speak TLS here"},
	{"SSL handshake failed: ", "error:0A00010B", TROUBLE_TLS, "the broker does not speak TLS here"},
	{"connecting to a SSL listener", NULL, TROUBLE_UNREACHABLE, "the broker may want TLS here"},
	{"not valid in current SASL state", NULL, TROUBLE_AUTHENTICATION, "the broker takes no passwords here"},
	{"supported mechanisms", NULL, TROUBLE_AUTHENTICATION, "the broker does not offer this sasl.mechanism"},
	{"invalid credentials", NULL, TROUBLE_AUTHENTICATION, "wrong user or password"},
	{"Invalid username or password", NULL, TROUBLE_AUTHENTICATION, "wrong user or password"},
	{"Failed to resolve", NULL, TROUBLE_UNREACHABLE, "unknown host name"},
	{"Transactional Id authorization failed", NULL, TROUBLE_NOT_AUTHORISED, "using its transactional id"},
	{"(TOPIC_AUTHORIZATION_FAILED)", NULL, TROUBLE_NOT_AUTHORISED, "writing to its topic"},
};

/* Before our own words, when we refused a certificate. */
static const char refused_certificate[] = "verification callback failed: ";

/* The numbers are those of OpenSSL's x509_vfy.h, the same in every release. */
static const struct
{
	int			x509_error;
	const char *verdict;
}			verdicts[] =
{
	{2, "the broker's certificate is of an unknown authority"},
	{9, "the broker's certificate is not valid yet"},
	{10, "the broker's certificate has expired"},
	{18, "the broker's certificate is of an unknown authority"},
	{19, "the broker's certificate is of an unknown authority"},
	{20, "the broker's certificate is of an unknown authority"},
	{21, "the broker's certificate is of an unknown authority"},
	{23, "the broker's certificate is revoked"},
	{62, "the broker's certificate is for another host"},
	{64, "the broker's certificate is for another host"},
};

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
		case TROUBLE_NONE:
		case TROUBLE_OTHER:
			break;
	}
	return ERRCODE_EXTERNAL_ROUTINE_EXCEPTION;
}

const char *
kafka_trouble_reason(const char *text, Trouble *trouble)
{
	const char *verdict = strstr(text, refused_certificate);

	if (verdict != NULL)
	{
		*trouble = TROUBLE_TLS;
		return verdict + strlen(refused_certificate);
	}
	for (int i = 0; i < (int) lengthof(reasons); i++)
	{
		if (strstr(text, reasons[i].fragment) != NULL &&
			(reasons[i].another == NULL || strstr(text, reasons[i].another) != NULL))
		{
			*trouble = reasons[i].trouble;
			return reasons[i].reason;
		}
	}
	return NULL;
}

const char *
kafka_certificate_verdict(int x509_error)
{
	for (int i = 0; i < (int) lengthof(verdicts); i++)
	{
		if (verdicts[i].x509_error == x509_error)
			return verdicts[i].verdict;
	}
	return "the broker's certificate is not valid";
}

static const char *
general_message(const char *brokers, Trouble trouble)
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
		case TROUBLE_NONE:
		case TROUBLE_OTHER:
			break;
	}
	return psprintf("Kafka at %s refuses", brokers);
}

const char *
kafka_trouble_message(const char *brokers, Trouble trouble, const char *reason)
{
	const char *message = general_message(brokers, trouble);

	return reason != NULL ? psprintf("%s: %s", message, reason) : message;
}
