/*
 * fuzz_consumer.c: what a consumer does with a message's headers.  The source
 * itself, since it keeps them to itself.
 */
#include "../../src/consumer.c"

#include "fuzz_message.h"

int
kafka_taken_headers(const void *handle, KafkaHeader *headers, int max)
{
	(void) handle;
	return some_headers(headers, max);
}

char *
headers_as_json(void)
{
	StreamMessage message = {0};

	return message_headers(&message);
}
