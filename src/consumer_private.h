/*
 * consumer_private.h: what consumer.c and consumer_collect.c share: the one
 * consumer of this process.
 */
#ifndef HOSPITAL_CONSUMER_PRIVATE_H
#define HOSPITAL_CONSUMER_PRIVATE_H

#include "postgres.h"

#include "kafka.h"
#include "simulation.h"
#include "stream_write.h"

/* What the consumer knows of a partition besides what is written down. */
typedef struct Reading
{
	KafkaTaken *waiting;		/* taken from the library, in no batch yet: a ring */
	int			nwaiting;
	int			first;			/* in the ring */
	int			room;			/* a power of two */
	bool		watched;		/* the witness has not been seen yet */
	bool		lost;			/* was gone: what comes now may be of another log */
	int64		end;			/* the log had no message from there on; NO_POSITION: not known */
	double		rate;			/* messages a second, smoothed */
	int64		counted;		/* messages since the rate was looked at */
	TimestampTz last_message_at;	/* the broker's */
} Reading;

typedef struct Consumer
{
	KafkaClient *client;		/* NULL: to be opened */
	MemoryContext context;		/* as long as the client is open */
	KafkaTarget target;
	Simulation	simulation;
	char		simulation_id[37];
	char	   *topics_setting; /* as it was opened */
	int			workers;		/* the settings, as it was opened */
	int			queue;
	StreamTopic topics[STREAM_KINDS];
	int			counts[STREAM_KINDS];	/* partitions of each, as it was opened */
	int			ntopics;
	char	   *absent;			/* a topic that is not there; NULL: all are */
	StreamBatch batch;
	Reading    *readings;		/* of batch.partitions */
	int		   *by_number[STREAM_KINDS];	/* a topic's partition's place there, or -1 */
	KafkaPosition *positions;
	int			nwaiting;		/* messages, of all partitions */
	uint64		waiting_bytes;
	int		   *used;			/* slots of messages that the batch, or nobody, needs */
	int			nused;
	int			used_room;
	uint64		bytes;			/* of the batch */
	bool		read_anew;		/* what to fetch has changed */
	bool		came_back;		/* a partition that was lost: it begins with its witness again */
	TimestampTz first_at;		/* when its first message was taken */
	uint64		fetch_us;		/* spent taking its messages, and forming records */
	uint64		parse_us;
	TimestampTz probed_at;
	TimestampTz counted_at;
	TimestampTz looked_at;
	TimestampTz noted_at;
	TimestampTz shown_at;
} Consumer;

extern Consumer consumer;

/* ---- consumer_collect.c ---- */

/* Form a batch, with no transaction open; none when nothing came for a while. */
extern void consumer_collect(void);

/* The batch is done with; what waits is to be read again. */
extern void consumer_forget_batch(void);
extern void consumer_forget_waiting(void);

/* Where reading goes on: marks of transactions that were read and deleted since are not missed. */
static inline int64
goes_on_at(const StreamPartition *partition)
{
	return Max(partition->next, partition->read_to);
}

/* ---- consumer.c ---- */

/* In hospital.status and hospital.stream_lag. */
extern void consumer_show_state(void);

#endif							/* HOSPITAL_CONSUMER_PRIVATE_H */
