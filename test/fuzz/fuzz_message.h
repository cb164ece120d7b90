/*
 * fuzz_message.h: a message's headers as the fuzzer has them, and what consumer
 * and producer make of them.
 */
#ifndef HOSPITAL_FUZZ_MESSAGE_H
#define HOSPITAL_FUZZ_MESSAGE_H

#include "postgres.h"

#include "kafka.h"

#define SIMULATION "0191b0a2-7c1e-7d3a-9f00-0123456789ab"

extern KafkaHeader fuzz_headers[];
extern int	fuzz_nheaders;

/* As many as there are, and room for. */
extern int	some_headers(KafkaHeader *headers, int max);

/* fuzz_consumer.c: the headers of a reject, as JSON. */
extern char *headers_as_json(void);

/* fuzz_producer.c: the tick that a message says; false: none of ours. */
extern bool tick_of_message(int kind, char *text, size_t room);

#endif							/* HOSPITAL_FUZZ_MESSAGE_H */
