/*
 * ingest_ledger.c: hospital.batches, as the ingestor uses it.
 *
 * Who may be taken.  Records refer to records of an earlier stage (records.h),
 * of their own day and of the days before, so a file waits while one of an
 * earlier stage, of its day or before, is not in yet.  A kind whose records
 * are completed by later ones goes day by day: two days at once would wait for
 * each other's keys.  Apart from that any number of ingestors may work side by
 * side; a row lock says whose a batch is, and it is skipped by the others.
 *
 * A list of those that wait longest is read by an index that has no others, and
 * looked through here: the same question put to SQL compares each with each.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "event.h"
#include "ingest_ledger.h"
#include "kept_plan.h"
#include "simulation.h"

#define LOOK_AHEAD 64			/* batches; a day has 13 */

static char *
text_or_null(int column)
{
	bool		isnull;
	Datum		value = kept_value(0, column, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

static int64
number(int column)
{
	bool		isnull;
	Datum		value = kept_value(0, column, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

#define BATCH_COLUMNS \
	"SELECT b.batch_id, b.kind, b.day, b.file, b.sha256, b.bytes, b.state, b.encoding, b.header," \
	" b.offset_done, b.line_done, CASE WHEN b.state = 'written' THEN 0 ELSE b.rows END," \
	" b.rejects, b.merged," \
	" (SELECT count(*) FROM hospital.batches u WHERE u.state = 'undone')," \
	" (SELECT min(r.batch_id) FROM hospital.batches r WHERE r.kind = b.kind AND r.day = b.day" \
	"  AND r.state <> 'undone' AND r.state IN ('loading', 'ingested') AND r.batch_id <> b.batch_id)" \
	" FROM hospital.batches b WHERE b.batch_id = $1 AND b.state = ANY ($2::text[]) FOR UPDATE OF b"

Batch *
ledger_take(int64 batch_id, const char *states, bool wait)
{
	static KeptPlan waiting;
	static KeptPlan skipping;
	const Oid	types[] = {INT8OID, TEXTOID};
	Datum		values[] = {Int64GetDatum(batch_id), CStringGetTextDatum(states)};
	Batch	   *batch = NULL;
	bool		isnull;

	if (kept_run(wait ? &waiting : &skipping, wait ? BATCH_COLUMNS : BATCH_COLUMNS " SKIP LOCKED",
				 2, types, values, NULL, SPI_OK_SELECT) > 0)
	{
		batch = palloc0(sizeof(Batch));
		batch->batch_id = batch_id;
		batch->kind_name = text_or_null(2);
		batch->kind_number = record_kind_by_name(batch->kind_name);
		batch->day = DatumGetDateADT(kept_value(0, 3, &isnull));
		batch->file = text_or_null(4);
		batch->sha256 = text_or_null(5);
		batch->bytes = number(6);
		batch->state = text_or_null(7);
		batch->encoding = pg_char_to_encoding(text_or_null(8));
		batch->header = text_or_null(9);
		batch->offset_done = number(10);
		batch->line_done = number(11);
		batch->rows = number(12);
		batch->rejects = number(13);
		batch->merged = number(14);
		batch->undone = number(15);
		batch->rival = number(16);
	}
	kept_done();
	return batch;
}

/* ---- whose turn it is ---- */

typedef struct Waiting
{
	int64		batch_id;
	DateADT		day;
	int			kind;			/* -1: unknown, and refused when its turn comes */
} Waiting;

static int
stage_of(const Waiting *waiting)
{
	return waiting->kind < 0 ? PG_INT32_MAX : record_kinds[waiting->kind].stage;
}

static bool
must_wait_for(const Waiting *one, const Waiting *other)
{
	if (other->day > one->day || other == one)
		return false;
	if (stage_of(other) < stage_of(one))
		return true;
	return one->kind >= 0 && other->kind == one->kind && other->day < one->day &&
		record_kinds[one->kind].merge == MERGE_COMPLETES;
}

static int
compare_waiting(const void *a, const void *b)
{
	const Waiting *x = a;
	const Waiting *y = b;

	if (x->day != y->day)
		return x->day < y->day ? -1 : 1;
	if (stage_of(x) != stage_of(y))
		return stage_of(x) < stage_of(y) ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return x->batch_id < y->batch_id ? -1 : 1;
}

static int
list_waiting(Waiting *waiting)
{
	static KeptPlan plan;
	const Oid	types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(LOOK_AHEAD)};
	int			n;
	bool		isnull;

	n = (int) kept_run(&plan, "SELECT batch_id, day, kind FROM hospital.batches"
					   " WHERE state IN ('written', 'loading') ORDER BY day, batch_id LIMIT $1",
					   1, types, values, NULL, SPI_OK_SELECT);
	for (int i = 0; i < n; i++)
	{
		waiting[i].batch_id = DatumGetInt64(kept_value(i, 1, &isnull));
		waiting[i].day = DatumGetDateADT(kept_value(i, 2, &isnull));
		waiting[i].kind = record_kind_by_name(TextDatumGetCString(kept_value(i, 3, &isnull)));
	}
	kept_done();
	qsort(waiting, n, sizeof(Waiting), compare_waiting);
	return n;
}

Batch *
ledger_take_next(bool *some_wait)
{
	Waiting		waiting[LOOK_AHEAD];
	int			n = list_waiting(waiting);

	*some_wait = n > 0;
	for (int i = 0; i < n; i++)
	{
		bool		free = true;
		Batch	   *batch;

		/* All that it could have to wait for are before it. */
		for (int j = 0; j < i && free; j++)
			free = !must_wait_for(&waiting[i], &waiting[j]);
		if (!free)
			continue;
		batch = ledger_take(waiting[i].batch_id, "{written,loading}", false);
		if (batch != NULL)
			return batch;
	}
	return NULL;
}

/* ---- what became of it ---- */

void
ledger_update(const Batch *batch, const char *state, const char *message)
{
	static KeptPlan plan;
	const Oid	types[] = {INT8OID, TEXTOID, TEXTOID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, TEXTOID};
	Datum		values[] = {
		Int64GetDatum(batch->batch_id),
		CStringGetTextDatum(state),
		message == NULL ? (Datum) 0 : CStringGetTextDatum(message),
		Int64GetDatum(batch->rows),
		Int64GetDatum(batch->rejects),
		Int64GetDatum(batch->merged),
		Int64GetDatum(batch->offset_done),
		Int64GetDatum(batch->line_done),
		batch->header == NULL ? (Datum) 0 : CStringGetTextDatum(batch->header),
	};
	char		nulls[] = "         ";

	if (message == NULL)
		nulls[2] = 'n';
	if (batch->header == NULL)
		nulls[8] = 'n';

	/* Of a refused file "rows" goes on saying how many were written into it. */
	if (kept_run(&plan, "UPDATE hospital.batches SET state = $2, message = $3,"
				 " rows = CASE WHEN $2 = 'refused' THEN rows ELSE $4 END, rejects = $5, merged = $6,"
				 " offset_done = $7, line_done = $8, header = $9,"
				 " ingested_at = CASE WHEN $2 = 'loading' THEN ingested_at ELSE clock_timestamp() END"
				 " WHERE batch_id = $1", lengthof(types), types, values, nulls, SPI_OK_UPDATE) != 1)
		elog(ERROR, "could not change hospital.batches");
}

bool
ledger_note_missed(const Batch *batch, const char *message)
{
	static KeptPlan plan;
	const Oid	types[] = {INT8OID, TEXTOID};
	Datum		values[] = {Int64GetDatum(batch->batch_id), CStringGetTextDatum(message)};

	return kept_run(&plan, "UPDATE hospital.batches AS b SET state = 'written', message = $2, rejects = 0, merged = 0,"
					" offset_done = 0, line_done = 0 WHERE batch_id = $1 AND rows IS NOT NULL"
					" AND EXISTS (SELECT FROM hospital.days AS d WHERE d.day = b.day)",
					lengthof(types), types, values, NULL, SPI_OK_UPDATE) > 0;
}

int64
ledger_orphans(int64 batch_id)
{
	static KeptPlan plan;
	const Oid	types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(batch_id)};
	int64		orphans;

	kept_run(&plan, "SELECT count(*) FROM hospital.rejects WHERE batch_id = $1"
			 " AND reference IN ('patients', 'admissions') AND resolved_at IS NULL",
			 1, types, values, NULL, SPI_OK_SELECT);
	orphans = number(1);
	kept_done();
	return orphans;
}

bool
ledger_has_history(DateADT day)
{
	static KeptPlan plan;
	const Oid	types[] = {DATEOID, DATEOID};
	MemoryContext caller = CurrentMemoryContext;
	Simulation	simulation;
	Datum		values[2];
	int64		found;
	bool		there = simulation_read(&simulation, false);

	MemoryContextSwitchTo(caller);
	if (!there)
		return false;
	values[0] = DateADTGetDatum(simulation.start_date);
	values[1] = DateADTGetDatum(day);
	kept_run(&plan, "SELECT count(DISTINCT (kind, day)) FROM hospital.batches WHERE state = 'ingested'"
			 " AND kind IN ('registrations', 'admissions') AND day BETWEEN $1 AND $2",
			 2, types, values, NULL, SPI_OK_SELECT);
	found = number(1);
	kept_done();
	return found >= 2 * ((int64) day - simulation.start_date + 1);
}

bool
ledger_is_streamed(int kind_number)
{
	static KeptPlan plan;
	const Oid	types[] = {TEXTOID, BOOLOID};
	Datum		values[] = {
		CStringGetTextDatum(record_kinds[kind_number].name), BoolGetDatum(event_has_hl7(kind_number))
	};
	bool		streamed;

	streamed = kept_run(&plan, "SELECT FROM hospital.stream_topics WHERE kind = $1 OR (kind = 'adt' AND $2) LIMIT 1",
						2, types, values, NULL, SPI_OK_SELECT) > 0;
	kept_done();
	return streamed;
}
