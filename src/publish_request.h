/*
 * publish_request.h: rows of hospital.publish_requests, as the scheduler sees them.
 */
#ifndef HOSPITAL_PUBLISH_REQUEST_H
#define HOSPITAL_PUBLISH_REQUEST_H

#include "postgres.h"
#include "utils/date.h"

typedef struct PublishRequest
{
	int64		id;				/* 0: none */
	DateADT		next_day;
	DateADT		to_day;
} PublishRequest;

/* The oldest that is open.  In a transaction. */
extern void publish_request_read(PublishRequest *request);

/* It is over: done when "failure" is NULL.  In a transaction. */
extern void publish_request_end(const PublishRequest *request, const char *failure);

#endif							/* HOSPITAL_PUBLISH_REQUEST_H */
