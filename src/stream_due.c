/*
 * stream_due.c: which ticks of which kinds are to be published next.
 *
 * hospital.published says what has been published, the clock what should have
 * been.  A kind's days are published in order from the day of its START_TICK
 * row on, which is made when hospital.topics is first seen to have the kind, and
 * removed with it: the first kinds of a hospital begin with the day with which
 * its clock begins, later ones with the day that is under way.  What was before
 * is hospital_publish's.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"

#include "producer.h"
#include "stream_due.h"

static void
execute(const char *query, int nargs, Oid *types, Datum *values, int expected)
{
	if (SPI_execute_with_args(query, nargs, types, values, NULL, false, 0) != expected)
		elog(ERROR, "could not execute: %s", query);
}

static Datum
kind_names(const StreamDue *due)
{
	Datum		names[STREAM_KINDS];

	for (int i = 0; i < due->nkinds; i++)
		names[i] = CStringGetTextDatum(stream_kind_name(due->kinds[i]));
	return PointerGetDatum(construct_array(names, due->nkinds, TEXTOID, -1, false, TYPALIGN_INT));
}

/* ---- where each kind begins ---- */

static void
add_start(int kind, DateADT day)
{
	char		topic[TOPIC_NAME_LENGTH];
	Oid			types[] = {TEXTOID, DATEOID, INT4OID, TEXTOID};
	Datum		values[] = {
		CStringGetTextDatum(stream_kind_name(kind)), DateADTGetDatum(day),
		Int32GetDatum(START_TICK), CStringGetTextDatum(stream_topic(kind, topic))
	};

	execute("INSERT INTO hospital.published (kind, day, tick, topic, events, published_at)"
			" VALUES ($1, $2, $3, $4, 0, pg_catalog.clock_timestamp())",
			4, types, values, SPI_OK_INSERT);
}

static void
drop_other_starts(const StreamDue *due)
{
	Oid			types[] = {INT4OID, TEXTARRAYOID};
	Datum		values[] = {Int32GetDatum(START_TICK), kind_names(due)};

	execute("DELETE FROM hospital.published WHERE tick = $1 AND kind <> ALL ($2)",
			2, types, values, SPI_OK_DELETE);
}

/* Have a start for each wanted kind, and for no other. */
static void
settle_starts(StreamDue *due, const Pace *pace, TimestampTz now)
{
	Oid			types[] = {INT4OID};
	Datum		values[] = {Int32GetDatum(START_TICK)};
	bool		started[STREAM_KINDS] = {false};
	DateADT		first = pace->anchor_day;

	due->nkinds = stream_kinds(due->kinds);
	due->anchor_day = pace->anchor_day;
	execute("SELECT kind, max(day) FROM hospital.published WHERE tick = $1 GROUP BY kind",
			1, types, values, SPI_OK_SELECT);
	if (SPI_processed > 0)
		first += clock_days_due(pace, now);
	for (int i = 0; i < due->nkinds; i++)
		due->first[i] = first - pace->anchor_day;
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[row];
		const char *name = SPI_getvalue(tuple, SPI_tuptable->tupdesc, 1);
		bool		isnull;
		DateADT		day = DatumGetDateADT(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 2, &isnull));

		for (int i = 0; i < due->nkinds; i++)
		{
			if (strcmp(stream_kind_name(due->kinds[i]), name) != 0)
				continue;
			started[i] = true;
			due->first[i] = Max(0, day - pace->anchor_day);
		}
	}
	drop_other_starts(due);
	for (int i = 0; i < due->nkinds; i++)
	{
		if (!started[i])
			add_start(due->kinds[i], first);
	}
}

/* ---- what is missing ---- */

/*
 * Go to the first day of each kind that is not done.  Days after the one under
 * way do not matter yet.
 */
static void
skip_done_days(StreamDue *due, int days)
{
	Oid			types[] = {TEXTARRAYOID, INT4ARRAYOID, DATEOID, INT4OID, INT4OID};
	Datum		firsts[STREAM_KINDS];
	Datum		values[] = {
		kind_names(due), (Datum) 0, DateADTGetDatum(due->anchor_day), Int32GetDatum(days),
		Int32GetDatum(REST_TICK)
	};

	for (int i = 0; i < due->nkinds; i++)
		firsts[i] = Int32GetDatum(due->first[i]);
	values[1] = PointerGetDatum(construct_array(firsts, due->nkinds, INT4OID, sizeof(int32), true,
												TYPALIGN_INT));
	execute("SELECT coalesce((SELECT d FROM generate_series(w.first, $4) d"
			"  WHERE NOT EXISTS (SELECT FROM hospital.published p"
			"   WHERE p.kind = w.kind AND p.day = $3 + d AND p.tick = $5)"
			"  ORDER BY d LIMIT 1), greatest(w.first, $4 + 1))"
			" FROM unnest($1, $2) WITH ORDINALITY AS w (kind, first, number) ORDER BY w.number",
			5, types, values, SPI_OK_SELECT);
	for (int i = 0; i < due->nkinds; i++)
	{
		bool		isnull;

		due->first[i] = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1,
													&isnull));
	}
}

/* Of a kind's day, the first of so many ticks that is not there; -1: none. */
static int
missing_tick(int kind, DateADT day, int due, int ticks_per_day)
{
	Oid			types[] = {TEXTOID, DATEOID, INT4OID, INT4OID, INT4OID};
	Datum		values[] = {
		CStringGetTextDatum(stream_kind_name(kind)), DateADTGetDatum(day), Int32GetDatum(due),
		Int32GetDatum(ticks_per_day - 1), Int32GetDatum(REST_TICK)
	};
	bool		isnull;

	execute("SELECT t FROM (SELECT CASE n WHEN $4 THEN $5 ELSE n END AS t"
			"  FROM generate_series(0, $3 - 1) n) s"
			" WHERE NOT EXISTS (SELECT FROM hospital.published"
			"  WHERE kind = $1 AND day = $2 AND tick IN (t, $5))"
			" ORDER BY t LIMIT 1", 5, types, values, SPI_OK_SELECT);
	return SPI_processed == 0 ? -1 :
		DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

static void
note_missing(DueTick *found, int kind, int day, int tick)
{
	if (found->nkinds > 0 && (day > found->day || (day == found->day && tick > found->tick)))
		return;
	if (found->nkinds > 0 && (day < found->day || tick < found->tick))
		found->nkinds = 0;
	found->day = day;
	found->tick = tick;
	found->kinds[found->nkinds++] = kind;
}

bool
stream_due_find(StreamDue *due, const Pace *pace, TimestampTz now, DueTick *found)
{
	int			days = clock_days_due(pace, now);
	int			rest = (int) (clock_ticks_due(pace, now) - (int64) days * pace->ticks_per_day);
	int			earliest = PG_INT32_MAX;

	if (!due->settled || due->anchor_day != pace->anchor_day)
		settle_starts(due, pace, now);
	found->nkinds = 0;
	if (due->nkinds == 0)
		return false;
	skip_done_days(due, days);
	for (int i = 0; i < due->nkinds; i++)
		earliest = Min(earliest, due->first[i]);
	for (int i = 0; i < due->nkinds; i++)
	{
		int			tick;

		if (due->first[i] > earliest || earliest > days)
			continue;
		tick = missing_tick(due->kinds[i], pace->anchor_day + earliest,
							earliest < days ? pace->ticks_per_day : rest, pace->ticks_per_day);
		if (tick >= 0)
			note_missing(found, due->kinds[i], earliest, tick);
	}
	return found->nkinds > 0;
}
