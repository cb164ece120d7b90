/*
 * hospital_kafka.c: the entry point of hospital_kafka.so, the part of hospital
 * that needs librdkafka.
 *
 * A library of its own, so that neither the postmaster nor ordinary sessions
 * ever load librdkafka and what it brings along.  The workers load it, after
 * hospital.so, whose functions and settings it uses.
 */
#include "postgres.h"

#include "fmgr.h"

#include "compat.h"

HOSPITAL_MODULE_MAGIC;
