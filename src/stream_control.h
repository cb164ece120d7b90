/*
 * stream_control.h: what consumers and the functions that seek, pause, resume
 * and accept gaps agree on.
 */
#ifndef HOSPITAL_STREAM_CONTROL_H
#define HOSPITAL_STREAM_CONTROL_H

#include "postgres.h"

/*
 * Of a partition that has stopped, as in hospital.stream_partitions.sqlstate;
 * one that stopped before a message has the message's own.
 */
#define ERRCODE_STREAM_GAP MAKE_SQLSTATE('H', 'S', '0', '0', '1')
#define ERRCODE_STREAM_OTHER_LOG MAKE_SQLSTATE('H', 'S', '0', '0', '2')
#define ERRCODE_STREAM_REJECTS MAKE_SQLSTATE('H', 'S', '0', '0', '3')

/*
 * Hold a partition until the end of the transaction: consumers share it while
 * they take in a batch, whoever decides about it has it alone.  Several are to
 * be taken in the order of topic (by its bytes) and partition.
 */
extern PGDLLEXPORT void stream_partition_lock(const char *topic, int partition, bool exclusive);

#endif							/* HOSPITAL_STREAM_CONTROL_H */
