/*
 * producer_again.c: the embedded broker: what has to be sent again?
 *
 * It is empty after a restart.  What a former one had, and the consumers may
 * not have taken, goes out again, whole ticks at a time: the table is exactly
 * once by its keys.  A day whose file has been ingested lacks nothing.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/memutils.h"

#include "event.h"
#include "producer.h"
#include "producer_private.h"
#include "worker.h"

/* Of a kind and day, in order; the events of a tick begin where those before it end. */
typedef struct OldTick
{
	TickKey		key;
	int			first;
	int			events;
	bool		missing;
} OldTick;

/*
 * Ticks of the first kinds and days that may lack some, in order; palloc'd.  ADT
 * messages come from three kinds of files.
 */
static int
old_ticks(OldTick **ticks)
{
	MemoryContext context = CurrentMemoryContext;
	Oid			types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(producer.target.epoch)};
	int			n;

	ledger_begin("looking for events that did not arrive");
	if (SPI_execute_with_args("SELECT p.kind, p.day, p.tick, p.events, p.broker_epoch <> $1"
							  " FROM hospital.published p"
							  " WHERE p.tick >= 0 AND (p.kind, p.day) IN"
							  "  (SELECT kind, day FROM hospital.published o"
							  "   WHERE broker_epoch <> $1 AND tick >= 0 AND events > 0"
							  "    AND (SELECT count(DISTINCT b.kind) FROM hospital.batches b"
							  "     WHERE b.day = o.day AND b.state = 'ingested' AND (b.kind = o.kind OR o.kind = 'adt'"
							  "      AND b.kind IN ('admissions', 'transfers', 'status_updates')))"
							  "     < CASE o.kind WHEN 'adt' THEN 3 ELSE 1 END"
							  "   GROUP BY day, kind ORDER BY day, kind LIMIT 32)"
							  " ORDER BY p.day, p.kind, p.tick",
							  1, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not compare hospital.published with hospital.batches");
	n = (int) SPI_processed;
	*ticks = MemoryContextAllocZero(context, Max(n, 1) * sizeof(OldTick));
	for (int i = 0; i < n; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		bool		isnull;
		OldTick    *tick = &(*ticks)[i];

		tick->key.kind = stream_kind_by_name(SPI_getvalue(row, desc, 1));
		tick->key.day = DatumGetDateADT(SPI_getbinval(row, desc, 2, &isnull));
		tick->key.tick = DatumGetInt32(SPI_getbinval(row, desc, 3, &isnull));
		tick->events = DatumGetInt32(SPI_getbinval(row, desc, 4, &isnull));
		tick->missing = DatumGetBool(SPI_getbinval(row, desc, 5, &isnull));
		if (i > 0 && tick[-1].key.kind == tick->key.kind && tick[-1].key.day == tick->key.day)
			tick->first = tick[-1].first + tick[-1].events;
	}
	worker_commit();
	return n;
}

static void
send_again(const OldTick *old, HTAB *sent)
{
	PublishedTick *tick = ticks_get(sent, &old->key, 0);
	const Messages *messages = some_messages(old->key.day, old->key.kind, old->first, old->events);

	stream_open(old->key.kind);
	(void) send_messages(tick, messages, old->first);
}

/* False when there is nothing more. */
static bool
republish_some(void)
{
	OldTick    *ticks;
	int			n = old_ticks(&ticks);
	HTAB	   *sent = ticks_new();

	for (int i = 0; i < n; i++)
	{
		if (ticks[i].missing && ticks[i].key.kind >= 0)
			send_again(&ticks[i], sent);
	}
	if (hash_get_num_entries(sent) == 0)
		return false;
	kafka_await_deliveries(producer.client, DELIVERY_TIMEOUT_MS);
	ledger_begin("recording published events");
	ledger_write(sent, true);
	worker_commit();
	return true;
}

void
republish_missing(void)
{
	MemoryContext before = CurrentMemoryContext;
	MemoryContext scratch = AllocSetContextCreate(before, "hospital publish again",
												  ALLOCSET_DEFAULT_SIZES);
	bool		more;

	worker_state("publishing again what did not arrive");
	do
	{
		MemoryContextSwitchTo(scratch);
		more = republish_some();
		MemoryContextSwitchTo(before);
		MemoryContextReset(scratch);
	} while (more);
	MemoryContextDelete(scratch);
}
