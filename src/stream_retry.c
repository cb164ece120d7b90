/*
 * stream_retry.c: rejects of topics, tried once more (hospital_retry_rejects).
 *
 * The bytes in hospital.rejects, mended or not, go the way of a message that
 * comes in: reading, rules, table.  Which message they were stays in the ledger
 * as a reject; the reject says what became of it.  Messages of another
 * simulation, or of another schema version, are left alone.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "compat.h"
#include "kept_plan.h"
#include "stream_ledger.h"
#include "stream_retry.h"

#define RETRY_MESSAGES 1000
#define RETRY_BYTES (16 * 1024 * 1024)

/* The next rejects after the last one; their bytes and numbers, in the batch's context. */
static int
read_rejects(StreamBatch *batch, StreamPartition *partition, int64 after, int64 *ids)
{
	static KeptPlan plan;
	const Oid	types[] = {TEXTOID, INT8OID, INT8OID, TEXTOID};
	Datum		values[] = {
		CStringGetTextDatum(partition->topic->name), Int64GetDatum(after), Int64GetDatum(RETRY_MESSAGES),
		CStringGetTextDatum(EVENT_SCHEMA_VERSION)
	};
	Size		bytes = 0;
	int			found;
	int			n = 0;
	bool		isnull;

	found = (int) kept_run(&plan, "SELECT reject_id, raw FROM hospital.rejects WHERE topic = $1 AND reject_id > $2"
						   " AND resolved_at IS NULL AND raw IS NOT NULL"
						   " AND headers @> jsonb_build_array("
						   "  jsonb_build_object('name', 'simulation', 'value', (SELECT simulation_id FROM hospital.simulation)),"
						   "  jsonb_build_object('name', 'schema_version', 'value', $4))"
						   " ORDER BY reject_id LIMIT $3 FOR UPDATE",
						   4, types, values, NULL, SPI_OK_SELECT);
	for (; n < found && bytes < RETRY_BYTES; n++)
	{
		MemoryContext before = MemoryContextSwitchTo(batch->context);
		bytea	   *raw = DatumGetByteaPCopy(kept_value(n, 2, &isnull));
		StreamMessage message = {
			.partition = partition, .offset = n, .payload = VARDATA(raw), .length = VARSIZE(raw) - VARHDRSZ
		};

		MemoryContextSwitchTo(before);
		ids[n] = DatumGetInt64(kept_value(n, 1, &isnull));
		bytes += message.length;
		(void) stream_batch_add(batch, &message);
	}
	kept_done();
	return n;
}

static void
record_outcome(const StreamMessage *message, int64 reject_id)
{
	static KeptPlan done;
	static KeptPlan again;
	const Oid	types[] = {INT8OID, TEXTOID, TEXTOID, TEXTOID};
	Datum		values[4] = {Int64GetDatum(reject_id)};
	char		nulls[] = "    ";

	if (message->outcome == STREAM_REJECT)
	{
		const EventFault *fault = message->fault != NULL ? message->fault : message->refusal;

		values[1] = CStringGetTextDatum(unpack_sql_state(fault->sqlstate));
		values[2] = CStringGetTextDatum(fault->message);
		nulls[3] = fault->column == NULL ? 'n' : ' ';
		values[3] = fault->column == NULL ? (Datum) 0 : CStringGetTextDatum(fault->column);
		kept_run(&again, "UPDATE hospital.rejects SET attempts = attempts + 1, sqlstate = $2, message = $3,"
				 " column_name = $4 WHERE reject_id = $1", 4, types, values, nulls, SPI_OK_UPDATE);
		return;
	}
	values[1] = CStringGetTextDatum(message->outcome == STREAM_ROW ? "retry" : "duplicate");
	kept_run(&done, "UPDATE hospital.rejects SET attempts = attempts + 1, resolved_at = clock_timestamp(),"
			 " resolved_by = $2 WHERE reject_id = $1", 2, types, values, NULL, SPI_OK_UPDATE);
}

static int64
retry_topic(const StreamTopic *topic, const char *schema, int64 *tried)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "hospital stream retry", ALLOCSET_DEFAULT_SIZES);
	StreamPartition partition = {.topic = topic};
	StreamBatch batch = {.partitions = &partition, .npartitions = 1};
	int64		ids[RETRY_MESSAGES];
	int64		after = 0;
	int64		resolved = 0;
	int			n;

	MemoryContextSwitchTo(context);
	stream_batch_init(&batch);
	stream_batch_forget(&batch);
	while ((n = read_rejects(&batch, &partition, after, ids)) > 0)
	{
		CHECK_FOR_INTERRUPTS();
		stream_write_rows(&batch, schema);
		stream_note_marts(&batch);
		for (int i = 0; i < n; i++)
		{
			record_outcome(&batch.messages[i], ids[i]);
			resolved += batch.messages[i].outcome != STREAM_REJECT;
		}
		*tried += n;
		after = ids[n - 1];
		stream_batch_forget(&batch);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return resolved;
}

int64
stream_retry(const char *kind, const char *schema, int64 *tried)
{
	static KeptPlan plan;
	const Oid	types[] = {TEXTOID};
	Datum		values[] = {kind == NULL ? (Datum) 0 : CStringGetTextDatum(kind)};
	StreamTopic *topics;
	int64		resolved = 0;
	int			n;
	bool		isnull;

	n = (int) kept_run(&plan, "SELECT topic, kind FROM hospital.stream_topics WHERE $1 IS NULL OR kind = $1 ORDER BY topic",
					   1, types, values, kind == NULL ? "n" : " ", SPI_OK_SELECT);
	topics = palloc0(Max(n, 1) * sizeof(StreamTopic));
	for (int i = 0; i < n; i++)
	{
		strlcpy(topics[i].name, TextDatumGetCString(kept_value(i, 1, &isnull)), TOPIC_NAME_LENGTH);
		topics[i].kind = stream_kind_by_name(TextDatumGetCString(kept_value(i, 2, &isnull)));
		topics[i].reject_percent = ANY_REJECTS;
	}
	kept_done();
	for (int i = 0; i < n; i++)
		if (topics[i].kind >= 0)
			resolved += retry_topic(&topics[i], schema, tried);
	return resolved;
}
