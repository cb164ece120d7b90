/*
 * stream_stats.c: what consumers show of themselves, in shared memory.
 *
 * Sizes are fixed: PARTITIONS for the whole server (those beyond are not
 * shown), and counters and histograms for each worker slot.  A slot's first
 * writer after a change of worker begins from zero; readers leave out what is
 * not of the process that has the slot now, so that nobody need clean up after
 * a process that was killed.
 *
 * Counters and histograms have one writer each and are read without a lock: a
 * reader may see one of them a moment before another.  Partitions are guarded
 * by one lock, held for the stores of one entry.
 *
 * Histograms are log-linear: SUBDIVISIONS buckets for each power of two, so that a
 * bucket's middle is off by at most 1/16 of the value.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_authid.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "port/pg_bitutils.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "shared_state.h"
#include "stream_stats.h"
#include "stream_topics.h"

#define TRANCHE_NAME "hospital stream"
#define PARTITIONS 256
#define SUBDIVISION_BITS 3
#define SUBDIVISIONS (1 << SUBDIVISION_BITS)
#define LAST_POWER 36			/* of two microseconds: 19 hours; what takes longer counts as that */
#define BUCKETS ((LAST_POWER - SUBDIVISION_BITS + 2) * SUBDIVISIONS)

#define PARTITION_COLUMNS 10
#define WORKER_COLUMNS 9
#define STAGE_COLUMNS 8

typedef struct PartitionEntry
{
	pid_t		pid;			/* whose; 0: nobody's */
	int			slot;
	int			partition;
	char		topic[TOPIC_NAME_LENGTH];
	int64		position;
	int64		log_end;
	TimestampTz last_message_at;
	double		rate;
	char		state[WORKER_STATE_LENGTH];
	char		error[WORKER_ERROR_LENGTH];
} PartitionEntry;

typedef struct StageHistogram
{
	pg_atomic_uint64 longest;
	pg_atomic_uint64 sum;
	pg_atomic_uint64 buckets[BUCKETS];
} StageHistogram;

typedef enum Counter
{
	COUNT_BATCHES, COUNT_MESSAGES, COUNT_ROWS, COUNT_REJECTS, COUNT_DUPLICATES, COUNT_BYTES
} Counter;

#define COUNTERS (COUNT_BYTES + 1)

typedef struct WorkerStats
{
	pg_atomic_uint32 pid;		/* of whom all this is; 0: being reset */
	pg_atomic_uint64 counters[COUNTERS];
	StageHistogram stages[STREAM_STAGES];
} WorkerStats;

typedef struct StreamShared
{
	LWLock	   *lock;			/* of the partitions */
	PartitionEntry partitions[PARTITIONS];
	WorkerStats workers[WORKER_SLOTS];
} StreamShared;

static StreamShared *shared = NULL;

static shmem_startup_hook_type next_startup_hook = NULL;

PG_FUNCTION_INFO_V1(hospital_stream_positions);
PG_FUNCTION_INFO_V1(hospital_stream_workers);
PG_FUNCTION_INFO_V1(hospital_stream_stages);

/* ---- the memory ---- */

static void
init_worker_stats(WorkerStats *stats)
{
	pg_atomic_init_u32(&stats->pid, 0);
	for (int i = 0; i < COUNTERS; i++)
		pg_atomic_init_u64(&stats->counters[i], 0);
	for (int stage = 0; stage < STREAM_STAGES; stage++)
	{
		pg_atomic_init_u64(&stats->stages[stage].longest, 0);
		pg_atomic_init_u64(&stats->stages[stage].sum, 0);
		for (int i = 0; i < BUCKETS; i++)
			pg_atomic_init_u64(&stats->stages[stage].buckets[i], 0);
	}
}

static void
stream_shmem_startup(void)
{
	bool		found;

	if (next_startup_hook)
		next_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("hospital stream", sizeof(StreamShared), &found);
	if (!found)
	{
		memset(shared->partitions, 0, sizeof(shared->partitions));
		shared->lock = &GetNamedLWLockTranche(TRANCHE_NAME)->lock;
		for (int i = 0; i < WORKER_SLOTS; i++)
			init_worker_stats(&shared->workers[i]);
	}
	LWLockRelease(AddinShmemInitLock);
}

static void
request_shmem(void)
{
	RequestAddinShmemSpace(MAXALIGN(sizeof(StreamShared)));
	RequestNamedLWLockTranche(TRANCHE_NAME, 1);
}

#ifdef HAVE_SHMEM_REQUEST_HOOK
static shmem_request_hook_type next_request_hook = NULL;

static void
stream_shmem_request(void)
{
	if (next_request_hook)
		next_request_hook();
	request_shmem();
}
#endif

void
stream_stats_shmem_init(void)
{
#ifdef HAVE_SHMEM_REQUEST_HOOK
	next_request_hook = shmem_request_hook;
	shmem_request_hook = stream_shmem_request;
#else
	request_shmem();
#endif
	next_startup_hook = shmem_startup_hook;
	shmem_startup_hook = stream_shmem_startup;
}

/* ---- writing ---- */

/* One writer: no need for an atomic addition. */
static void
count(pg_atomic_uint64 *counter, uint64 n)
{
	pg_atomic_write_u64(counter, pg_atomic_read_u64(counter) + n);
}

static void
forget_partitions(int slot)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < PARTITIONS; i++)
		if (shared->partitions[i].slot == slot)
			shared->partitions[i].pid = 0;
	LWLockRelease(shared->lock);
}

/* The statistics of this worker's slot, from zero where they were another's; NULL: no worker. */
static WorkerStats *
my_stats(void)
{
	int			slot = worker_slot();
	WorkerStats *stats;

	if (shared == NULL || slot < 0)
		return NULL;
	stats = &shared->workers[slot];
	if (pg_atomic_read_u32(&stats->pid) == (uint32) MyProcPid)
		return stats;

	pg_atomic_write_u32(&stats->pid, 0);
	pg_write_barrier();
	for (int i = 0; i < COUNTERS; i++)
		pg_atomic_write_u64(&stats->counters[i], 0);
	for (int stage = 0; stage < STREAM_STAGES; stage++)
	{
		pg_atomic_write_u64(&stats->stages[stage].longest, 0);
		pg_atomic_write_u64(&stats->stages[stage].sum, 0);
		for (int i = 0; i < BUCKETS; i++)
			pg_atomic_write_u64(&stats->stages[stage].buckets[i], 0);
	}
	forget_partitions(slot);
	pg_write_barrier();
	pg_atomic_write_u32(&stats->pid, (uint32) MyProcPid);
	return stats;
}

/* With the lock held: does the process of this entry have its slot still? */
static bool
is_alive(const PartitionEntry *entry)
{
	return entry->pid != 0 &&
		pg_atomic_read_u32(&shared->workers[entry->slot].pid) == (uint32) entry->pid;
}

/* With the lock held: found or made; NULL when all are taken. */
static PartitionEntry *
my_entry(const char *topic, int partition)
{
	PartitionEntry *spare = NULL;

	for (int i = 0; i < PARTITIONS; i++)
	{
		PartitionEntry *entry = &shared->partitions[i];

		if (entry->pid == MyProcPid && entry->partition == partition &&
			strcmp(entry->topic, topic) == 0)
			return entry;
		if (spare == NULL && !is_alive(entry))
			spare = entry;
	}
	if (spare != NULL)
	{
		spare->pid = MyProcPid;
		spare->slot = worker_slot();
		spare->partition = partition;
		strlcpy(spare->topic, topic, TOPIC_NAME_LENGTH);
	}
	return spare;
}

void
stream_stats_partition(const char *topic, int partition, const StreamPartitionStats *stats)
{
	PartitionEntry *entry;

	if (my_stats() == NULL)
		return;
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	entry = my_entry(topic, partition);
	if (entry != NULL)
	{
		entry->position = stats->position;
		entry->log_end = stats->log_end;
		entry->last_message_at = stats->last_message_at;
		entry->rate = stats->rate;
		control_copy_text(entry->state, WORKER_STATE_LENGTH, stats->state);
		control_copy_text(entry->error, WORKER_ERROR_LENGTH, stats->error);
	}
	LWLockRelease(shared->lock);
}

void
stream_stats_forget(void)
{
	if (my_stats() != NULL)
		forget_partitions(worker_slot());
}

void
stream_stats_batch(const StreamCounts *counts)
{
	WorkerStats *stats = my_stats();

	if (stats == NULL)
		return;
	count(&stats->counters[COUNT_BATCHES], 1);
	count(&stats->counters[COUNT_MESSAGES], counts->messages);
	count(&stats->counters[COUNT_ROWS], counts->rows);
	count(&stats->counters[COUNT_REJECTS], counts->rejects);
	count(&stats->counters[COUNT_DUPLICATES], counts->duplicates);
	count(&stats->counters[COUNT_BYTES], counts->bytes);
}

static int
bucket_of(uint64 value)
{
	int			power;

	if (value < SUBDIVISIONS)
		return (int) value;
	power = pg_leftmost_one_pos64(value);
	if (power > LAST_POWER)
		return BUCKETS - 1;
	return (power - SUBDIVISION_BITS + 1) * SUBDIVISIONS +
		(int) ((value >> (power - SUBDIVISION_BITS)) & (SUBDIVISIONS - 1));
}

/* The middle of what a bucket counts. */
static uint64
bucket_value(int bucket)
{
	int			shift = bucket / SUBDIVISIONS - 1;

	if (shift <= 0)
		return bucket;
	return ((uint64) (SUBDIVISIONS + bucket % SUBDIVISIONS) << shift) + (UINT64CONST(1) << (shift - 1));
}

void
stream_stats_stage(StreamStage stage, uint64 microseconds, uint64 n)
{
	WorkerStats *stats = my_stats();
	StageHistogram *histogram;

	if (stats == NULL || n == 0)
		return;
	histogram = &stats->stages[stage];
	count(&histogram->buckets[bucket_of(microseconds)], n);
	count(&histogram->sum, microseconds * n);
	if (microseconds > pg_atomic_read_u64(&histogram->longest))
		pg_atomic_write_u64(&histogram->longest, microseconds);
}

/* ---- reading ---- */

/* Who has which slot, as of one moment; NULL when there is nothing to show. */
static const WorkerSlot *
read_slots(void)
{
	WorkerSlot *slots;

	if (shared == NULL || hospital_control == NULL)
		return NULL;
	slots = palloc(sizeof(hospital_control->slots));
	LWLockAcquire(hospital_control->lock, LW_SHARED);
	memcpy(slots, hospital_control->slots, sizeof(hospital_control->slots));
	LWLockRelease(hospital_control->lock);
	return slots;
}

static bool
is_monitor(void)
{
	return has_privs_of_role(GetUserId(), ROLE_PG_MONITOR);
}

/* Other databases' workers are for pg_monitor alone. */
static bool
is_shown(const WorkerSlot *slot, pid_t pid)
{
	return slot->used && slot->role == WORKER_CONSUMER && pid != 0 && slot->pid == pid &&
		(slot->database == MyDatabaseId || is_monitor());
}

static Datum
worker_name(const WorkerSlot *slot)
{
	return CStringGetTextDatum(psprintf("%s %d", worker_role_name(slot->role), slot->number));
}

static Datum
count_or_null(int64 value, bool *null)
{
	*null = value < 0;
	return Int64GetDatum(value);
}

static void
partition_row(ReturnSetInfo *result, const PartitionEntry *entry, const WorkerSlot *slot)
{
	Datum		values[PARTITION_COLUMNS] = {0};
	bool		nulls[PARTITION_COLUMNS] = {0};

	values[0] = CStringGetTextDatum(NameStr(slot->database_name));
	values[1] = worker_name(slot);
	values[2] = CStringGetTextDatum(entry->topic);
	values[3] = Int32GetDatum(entry->partition);
	values[4] = count_or_null(entry->position, &nulls[4]);
	values[5] = count_or_null(entry->log_end, &nulls[5]);
	values[6] = TimestampTzGetDatum(entry->last_message_at);
	nulls[6] = entry->last_message_at == 0;
	values[7] = Float8GetDatum(entry->rate);
	values[8] = CStringGetTextDatum(entry->state);

	/* It may quote a message. */
	nulls[9] = entry->error[0] == '\0' || !is_monitor();
	if (!nulls[9])
		values[9] = CStringGetTextDatum(entry->error);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

Datum
hospital_stream_positions(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = control_begin_rows(fcinfo, PARTITION_COLUMNS);
	const WorkerSlot *slots = read_slots();
	PartitionEntry *entries;

	if (slots == NULL)
		PG_RETURN_VOID();
	entries = palloc(sizeof(shared->partitions));
	LWLockAcquire(shared->lock, LW_SHARED);
	memcpy(entries, shared->partitions, sizeof(shared->partitions));
	LWLockRelease(shared->lock);
	for (int i = 0; i < PARTITIONS; i++)
		if (is_shown(&slots[entries[i].slot], entries[i].pid))
			partition_row(result, &entries[i], &slots[entries[i].slot]);
	PG_RETURN_VOID();
}

Datum
hospital_stream_workers(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = control_begin_rows(fcinfo, WORKER_COLUMNS);
	const WorkerSlot *slots = read_slots();

	for (int i = 0; slots != NULL && i < WORKER_SLOTS; i++)
	{
		WorkerStats *stats = &shared->workers[i];
		Datum		values[WORKER_COLUMNS];
		bool		nulls[WORKER_COLUMNS] = {0};

		if (!is_shown(&slots[i], (pid_t) pg_atomic_read_u32(&stats->pid)))
			continue;
		values[0] = CStringGetTextDatum(NameStr(slots[i].database_name));
		values[1] = worker_name(&slots[i]);
		values[2] = Int32GetDatum((int32) slots[i].pid);
		for (int c = 0; c < COUNTERS; c++)
			values[3 + c] = Int64GetDatum((int64) pg_atomic_read_u64(&stats->counters[c]));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	PG_RETURN_VOID();
}

/* The value that a share of what the buckets count does not exceed. */
static double
quantile_ms(const uint64 *buckets, uint64 total, double share, uint64 longest)
{
	uint64		rank = (uint64) ceil(total * share);
	uint64		below = 0;

	for (int i = 0; i < BUCKETS; i++)
	{
		below += buckets[i];
		if (below >= rank)
			return Min(bucket_value(i), longest) / 1000.0;
	}
	return longest / 1000.0;
}

static void
stage_row(ReturnSetInfo *result, const WorkerSlot *slot, int stage, StageHistogram *histogram)
{
	static const char *const names[STREAM_STAGES] = {
		"fetch", "parse", "write", "commit", "visible", "lake"
	};
	uint64		buckets[BUCKETS];
	uint64		total = 0;
	uint64		longest = pg_atomic_read_u64(&histogram->longest);
	Datum		values[STAGE_COLUMNS];
	bool		nulls[STAGE_COLUMNS] = {0};

	for (int i = 0; i < BUCKETS; i++)
		total += buckets[i] = pg_atomic_read_u64(&histogram->buckets[i]);
	values[0] = CStringGetTextDatum(NameStr(slot->database_name));
	values[1] = worker_name(slot);
	values[2] = CStringGetTextDatum(names[stage]);
	values[3] = Int64GetDatum((int64) total);
	nulls[4] = nulls[5] = nulls[6] = total == 0;
	values[4] = Float8GetDatum(quantile_ms(buckets, total, 0.5, longest));
	values[5] = Float8GetDatum(quantile_ms(buckets, total, 0.99, longest));
	values[6] = Float8GetDatum(longest / 1000.0);
	values[7] = Float8GetDatum(pg_atomic_read_u64(&histogram->sum) / 1000.0);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

Datum
hospital_stream_stages(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = control_begin_rows(fcinfo, STAGE_COLUMNS);
	const WorkerSlot *slots = read_slots();

	for (int i = 0; slots != NULL && i < WORKER_SLOTS; i++)
	{
		WorkerStats *stats = &shared->workers[i];

		if (!is_shown(&slots[i], (pid_t) pg_atomic_read_u32(&stats->pid)))
			continue;
		for (int stage = 0; stage < STREAM_STAGES; stage++)
			stage_row(result, &slots[i], stage, &stats->stages[stage]);
	}
	PG_RETURN_VOID();
}
