/*
 * same_record.h: room for a record of any kind, and whether two are the same.
 */
#ifndef HOSPITAL_FUZZ_SAME_RECORD_H
#define HOSPITAL_FUZZ_SAME_RECORD_H

#include "shim.h"

#include "event.h"
#include "records.h"

typedef union Record
{
	int64		align;
	char		bytes[EVENT_RECORD_SIZE];
} Record;

extern void must_be_same(int kind_number, const Record *a, const Record *b);

#endif							/* HOSPITAL_FUZZ_SAME_RECORD_H */
