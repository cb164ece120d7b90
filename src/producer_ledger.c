/*
 * producer_ledger.c: hospital.published: what brokers have acknowledged.
 *
 * One row a kind, day and part of it.  REST_TICK is the last one of a day and has
 * whatever the others left, so a day of a kind is done when that row is there.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "kept_plan.h"
#include "producer.h"
#include "producer_private.h"
#include "worker.h"

HTAB *
ticks_new(void)
{
	HASHCTL		control = {
		.keysize = sizeof(TickKey), .entrysize = sizeof(PublishedTick), .hcxt = CurrentMemoryContext
	};

	return hash_create("hospital published ticks", 64, &control,
					   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

PublishedTick *
ticks_get(HTAB *ticks, const TickKey *key, int64 stream_tick)
{
	bool		found;
	PublishedTick *entry = hash_search(ticks, key, HASH_ENTER, &found);

	if (!found)
	{
		entry->events = 0;
		entry->stream_tick = stream_tick;
		entry->arrivals = (KafkaArrivals) {.context = GetMemoryChunkContext(ticks)};
	}
	return entry;
}

void
ledger_begin(const char *activity)
{
	if (!worker_begin(activity))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the hospital is not there any more, or is being changed")));
}

static void
select_or_raise(const char *query, int nargs, Oid *types, Datum *values)
{
	if (SPI_execute_with_args(query, nargs, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read hospital.published");
}

static void
note_row(HeapTuple row, DateADT from, KindDay (*days)[STREAM_KINDS])
{
	TupleDesc	desc = SPI_tuptable->tupdesc;
	bool		isnull;
	int			kind = stream_kind_by_name(SPI_getvalue(row, desc, 1));
	int			part = DatumGetInt32(SPI_getbinval(row, desc, 3, &isnull));
	KindDay    *day;

	if (kind < 0)
		return;
	day = &days[DatumGetDateADT(SPI_getbinval(row, desc, 2, &isnull)) - from][kind];
	day->before += DatumGetInt32(SPI_getbinval(row, desc, 4, &isnull));
	if (part == REST_TICK)
		day->done = true;
	else
		day->parts = Max(day->parts, part + 1);
}

void
ledger_read(DateADT from, int n, KindDay (*days)[STREAM_KINDS])
{
	Oid			types[] = {TEXTARRAYOID, DATEOID, DATEOID};
	Datum		names[STREAM_KINDS];
	Datum		values[3];

	for (int kind = 0; kind < STREAM_KINDS; kind++)
		names[kind] = CStringGetTextDatum(stream_kind_name(kind));
	values[0] = PointerGetDatum(construct_array(names, STREAM_KINDS, TEXTOID, -1, false, TYPALIGN_INT));
	values[1] = DateADTGetDatum(from);
	values[2] = DateADTGetDatum(from + n - 1);
	memset(days, 0, n * sizeof(days[0]));
	ledger_begin("looking for what is published");
	select_or_raise("SELECT kind, day, tick, events FROM hospital.published"
					" WHERE kind = ANY ($1) AND day BETWEEN $2 AND $3 AND tick >= 0",
					3, types, values);
	for (uint64 i = 0; i < SPI_processed; i++)
		note_row(SPI_tuptable->vals[i], from, days);
	worker_commit();
}

static Datum
offsets_array(const KafkaArrivals *arrivals)
{
	Datum	   *values = palloc(Max(arrivals->npartitions, 1) * sizeof(Datum));
	bool	   *nulls = palloc(Max(arrivals->npartitions, 1) * sizeof(bool));
	int			one = 1;
	int			n = arrivals->npartitions;

	for (int i = 0; i < n; i++)
	{
		values[i] = Int64GetDatum(arrivals->last[i]);
		nulls[i] = arrivals->last[i] < 0;
	}
	return PointerGetDatum(construct_md_array(values, nulls, 1, &n, &one, INT8OID, sizeof(int64),
											  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

static void
write_tick(const PublishedTick *tick, bool again)
{
	static KeptPlan insert_plan;
	static KeptPlan update_plan;
	static const char *const insert =
		"INSERT INTO hospital.published (kind, day, tick, topic, events, broker_epoch,"
		"  last_offsets, stream_tick, published_at)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, pg_catalog.clock_timestamp())"
		" ON CONFLICT (kind, day, tick) DO NOTHING";
	static const char *const update =
		"UPDATE hospital.published SET topic = $4, broker_epoch = $6, last_offsets = $7,"
		"  published_at = pg_catalog.clock_timestamp()"
		" WHERE kind = $1 AND day = $2 AND tick = $3";
	const Oid	types[] = {TEXTOID, DATEOID, INT4OID, TEXTOID, INT4OID, INT8OID, INT8ARRAYOID, INT8OID};
	Datum		values[] = {
		CStringGetTextDatum(stream_kind_name(tick->key.kind)), DateADTGetDatum(tick->key.day),
		Int32GetDatum(tick->key.tick), CStringGetTextDatum(producer.streams[tick->key.kind].name),
		Int32GetDatum(tick->events), Int64GetDatum(producer.target.epoch), (Datum) 0,
		Int64GetDatum(tick->stream_tick)
	};
	char		nulls[] = "      nn";

	if (tick->arrivals.npartitions > 0)
	{
		values[6] = offsets_array(&tick->arrivals);
		nulls[6] = ' ';
	}
	if (tick->stream_tick > 0)
		nulls[7] = ' ';
	if (again)
		kept_run(&update_plan, update, lengthof(values) - 1, types, values, nulls, SPI_OK_UPDATE);
	else
		kept_run(&insert_plan, insert, lengthof(values), types, values, nulls, SPI_OK_INSERT);
}

void
ledger_write(HTAB *ticks, bool again)
{
	HASH_SEQ_STATUS status;
	PublishedTick *tick;

	hash_seq_init(&status, ticks);
	while ((tick = hash_seq_search(&status)) != NULL)
		write_tick(tick, again);
}

void
ledger_kinds(bool kinds[STREAM_KINDS])
{
	int			wanted[STREAM_KINDS];
	int			n = stream_kinds(wanted);

	memset(kinds, 0, STREAM_KINDS * sizeof(bool));
	for (int i = 0; i < n; i++)
		kinds[wanted[i]] = true;
	select_or_raise("SELECT DISTINCT kind FROM hospital.published", 0, NULL, NULL);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		int			kind = stream_kind_by_name(SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1));

		if (kind >= 0)
			kinds[kind] = true;
	}
}

int
ledger_last_offsets(int kind, int64 **offsets)
{
	Oid			types[] = {TEXTOID, TEXTOID};
	Datum		values[] = {
		CStringGetTextDatum(stream_kind_name(kind)),
		CStringGetTextDatum(producer.streams[kind].name)
	};
	int			n;

	select_or_raise("SELECT max(o) FROM hospital.published,"
					" LATERAL unnest(last_offsets) WITH ORDINALITY AS u (o, partition)"
					" WHERE kind = $1 AND topic = $2 AND broker_epoch = 0"
					" GROUP BY partition ORDER BY partition", 2, types, values);
	n = (int) SPI_processed;
	*offsets = palloc(Max(n, 1) * sizeof(int64));
	for (int i = 0; i < n; i++)
	{
		bool		isnull;
		Datum		last = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);

		(*offsets)[i] = isnull ? -1 : DatumGetInt64(last);
	}
	return n;
}
