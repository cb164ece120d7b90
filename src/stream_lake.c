/*
 * stream_lake.c: the messages of a committed range as a file of the lake:
 * lake/stream/<simulation>/date=<day>/<topic>-<partition>-<first>-<last>.jsonl
 *
 * The day is the hospital day of the file's first message.  A line is a message
 * as it came; one that is no JSON (HL7) is {"hl7": "..."}.  In a later epoch of
 * the partition the name has its number, since offsets may come again.
 *
 * The file is on disk before the commit, under a temporary name, and its hash in
 * the range's row; it gets its name after the commit.  A process that ends in
 * between leaves it to the partition's next owner.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "day_file.h"
#include "hospital_time.h"
#include "kept_plan.h"
#include "settings.h"
#include "stream_lake.h"
#include "stream_stats.h"
#include "worker.h"

#define STREAM_FOLDER "lake/stream"

/* Without a data folder there is no lake. */
static bool
lake_is_wanted(void)
{
	return hospital_stream_lake && hospital_data_folder != NULL && hospital_data_folder[0] != '\0';
}

static bool
belongs_in_file(const StreamMessage *message)
{
	return stream_taken(message) && message->outcome != STREAM_REJECT;
}

static DateADT
hospital_day(const StreamBatch *batch, const StreamMessage *message)
{
	return day_of_time(event_time(message->kind, held_record(&batch->rows[message->kind].held, message->row)));
}

static char *
file_path(const StreamBatch *batch, const StreamPartition *partition, const StreamMessage *first_in_file,
		  int64 first, int64 last)
{
	char		epoch[24] = "";

	if (partition->epoch != 0)
		snprintf(epoch, sizeof(epoch), "-epoch" INT64_FORMAT, partition->epoch);
	return psprintf(STREAM_FOLDER "/%s/date=%s/%s-%d-" INT64_FORMAT "-" INT64_FORMAT "%s.jsonl", batch->simulation,
					day_file_date(hospital_day(batch, first_in_file)), partition->topic->name,
					partition->number, first, last, epoch);
}

/* Line ends between the tokens of a JSON text are blanks; inside strings there are none. */
static void
write_json(LakeFile *file, const char *json, size_t length, StringInfo room)
{
	if (memchr(json, '\n', length) != NULL || memchr(json, '\r', length) != NULL)
	{
		resetStringInfo(room);
		appendBinaryStringInfo(room, json, (int) length);
		for (int i = 0; i < room->len; i++)
			if (room->data[i] == '\n' || room->data[i] == '\r')
				room->data[i] = ' ';
		json = room->data;
	}
	lake_write(file, json, length);
	lake_write(file, "\n", 1);
}

static void
write_hl7(LakeFile *file, const char *message, size_t length, StringInfo room)
{
	resetStringInfo(room);
	appendStringInfoString(room, "{\"hl7\": ");
	escape_json(room, pnstrdup(message, length));
	appendStringInfoString(room, "}\n");
	lake_write(file, room->data, room->len);
}

static LakeFile *
write_file(const StreamBatch *batch, const StreamPartition *partition)
{
	LakeFile   *file = NULL;
	int64		first = partition->next != NO_POSITION ? partition->next : batch->messages[partition->first].offset;
	int64		last = first;
	const StreamMessage *begin = NULL;
	StringInfoData room;

	for (int i = partition->first; i >= 0 && stream_taken(&batch->messages[i]); i = batch->messages[i].next)
	{
		last = batch->messages[i].offset;
		if (begin == NULL && belongs_in_file(&batch->messages[i]))
			begin = &batch->messages[i];
	}
	if (begin == NULL)
		return NULL;
	initStringInfo(&room);
	file = lake_create(file_path(batch, partition, begin, first, last));
	for (int i = partition->first; i >= 0; i = batch->messages[i].next)
	{
		const StreamMessage *message = &batch->messages[i];

		if (!belongs_in_file(message))
			continue;
		if (partition->topic->kind == STREAM_ADT)
			write_hl7(file, message->payload, message->length, &room);
		else
			write_json(file, message->payload, message->length, &room);
	}
	pfree(room.data);
	lake_finish(file);
	return file;
}

void
stream_lake_write(StreamBatch *batch)
{
	MemoryContext before;
	TimestampTz begun;

	for (int i = 0; i < batch->npartitions; i++)
		batch->partitions[i].file = NULL;
	if (!lake_is_wanted())
		return;
	before = MemoryContextSwitchTo(batch->context);
	begun = GetCurrentTimestamp();
	for (int i = 0; i < batch->npartitions; i++)
	{
		StreamPartition *partition = &batch->partitions[i];

		if (partition->messages == partition->rejects)
			continue;
		partition->file = write_file(batch, partition);
		lake_sync(&partition->file, 1);
		lake_keep(partition->file);
	}
	stream_stats_stage(STREAM_LAKE, GetCurrentTimestamp() - begun, 1);
	MemoryContextSwitchTo(before);
}

void
stream_lake_publish(StreamBatch *batch)
{
	for (int i = 0; i < batch->npartitions; i++)
	{
		StreamPartition *partition = &batch->partitions[i];

		if (partition->file != NULL)
			lake_publish(&partition->file, 1);
		partition->file = NULL;
	}
}

/* ---- after a crash ---- */

static bool
in_ledger(const char *path, const char *hash)
{
	static KeptPlan plan;
	const Oid	types[] = {TEXTOID, TEXTOID};
	Datum		values[] = {CStringGetTextDatum(path), CStringGetTextDatum(hash)};
	bool		known;

	if (!worker_begin("looking for an unfinished file in the ledger"))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the hospital went away while its unfinished files were looked for")));
	known = kept_run(&plan, "SELECT FROM hospital.stream_ranges WHERE file = $1 AND sha256 = $2", 2, types, values, NULL, SPI_OK_SELECT) > 0;
	kept_done();
	worker_commit();
	return known;
}

/* Only a partition's owner knows whether anybody still writes such a file. */
static LakeVerdict
judge(const char *path, const char *hash, void *arg)
{
	const StreamBatch *batch = arg;
	const char *name = strrchr(path, '/') + 1;

	for (int i = 0; i < batch->npartitions; i++)
	{
		const StreamPartition *partition = &batch->partitions[i];
		char	   *prefix = psprintf("%s-%d-", partition->topic->name, partition->number);

		if (strncmp(name, prefix, strlen(prefix)) == 0)
			return in_ledger(path, hash) ? LAKE_KNOWN : LAKE_STRAY;
	}
	return LAKE_OTHERS;
}

void
stream_lake_recover(const StreamBatch *batch)
{
	if (lake_is_wanted())
		lake_recover(psprintf(STREAM_FOLDER "/%s", batch->simulation), NULL, judge, unconstify(StreamBatch *, batch));
}
