/*
 * stream_ledger.h: what the consumers know of topics and partitions, and what
 * they write down of them: hospital.stream_topics, stream_partitions,
 * stream_ranges, rejects and stream_extras.  The witness is written down and read
 * here, of every partition; consumer_collect.c looks for it in the topic.
 *
 * All in the caller's transaction, SPI connected.
 */
#ifndef HOSPITAL_STREAM_LEDGER_H
#define HOSPITAL_STREAM_LEDGER_H

#include "stream_write.h"

/*
 * Of a partition that has stopped, as in hospital.stream_partitions.sqlstate;
 * one that stopped before a message has the message's own.
 */
#define ERRCODE_STREAM_GAP MAKE_SQLSTATE('H', 'S', '0', '0', '1')
#define ERRCODE_STREAM_OTHER_LOG MAKE_SQLSTATE('H', 'S', '0', '0', '2')
#define ERRCODE_STREAM_REJECTS MAKE_SQLSTATE('H', 'S', '0', '0', '3')

/* Make the topic's row where it is missing, and read how to treat it. */
extern PGDLLEXPORT void stream_topic_read(StreamTopic *topic);

/*
 * The same of a partition: epoch, position, witness, whether to run.  Another
 * life of the embedded broker begins a new epoch.
 */
extern PGDLLEXPORT void stream_partition_read(StreamPartition *partition, int64 broker_epoch);

/*
 * Has somebody sought, paused, resumed or accepted since it was read?  Shares
 * the lock that these take until the end of the transaction.  ereport when the
 * ledger is further on than the partition: another owner was here.
 */
extern PGDLLEXPORT bool stream_partition_changed(const StreamPartition *partition);

/* Write down that the log ended there, and has no message between the position and there. */
extern PGDLLEXPORT void stream_partition_read_to(StreamPartition *partition, int64 offset);

/* That it has stopped, before "next", and why (partition->stop). */
extern PGDLLEXPORT void stream_partition_stop(StreamPartition *partition);

/* The range of the partition's messages in the batch. */
extern void stream_record_range(const StreamBatch *batch, const StreamPartition *partition);

extern void stream_record_rejects(const StreamBatch *batch);
extern void stream_record_extra(const StreamMessage *message);

/* Of a message's key and bytes. */
extern PGDLLEXPORT int64 stream_digest(const char *key, size_t key_length, const char *payload, size_t length);

#endif							/* HOSPITAL_STREAM_LEDGER_H */
