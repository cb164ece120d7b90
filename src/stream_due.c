/*
 * stream_due.c: which events of which kinds a tick has to publish.
 *
 * hospital.published says what has been published, the clock what should have
 * been by the tick's moment: days that are over whole, of the one under way a
 * share.  A kind's days are published in order from the day of its START_TICK
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
settle_starts(StreamDue *due, const Window *window)
{
	Oid			types[] = {INT4OID};
	Datum		values[] = {Int32GetDatum(START_TICK)};
	bool		started[STREAM_KINDS] = {false};
	DateADT		first = window->live_from;

	due->nkinds = stream_kinds(due->kinds);
	due->live_from = window->live_from;
	execute("SELECT kind, max(day) FROM hospital.published WHERE tick = $1 GROUP BY kind",
			1, types, values, SPI_OK_SELECT);
	if (SPI_processed > 0)
		first = Max(first, clock_first_day_to_come(&window->pace, clock_now(&window->pace)));
	for (int i = 0; i < due->nkinds; i++)
		due->first[i] = first;
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
			due->first[i] = Max(window->live_from, day);
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

/* Go to the first day of each kind that is not done, up to the one after "until". */
static void
skip_done_days(StreamDue *due, DateADT until)
{
	Oid			types[] = {TEXTARRAYOID, DATEARRAYOID, DATEOID, INT4OID};
	Datum		firsts[STREAM_KINDS];
	Datum		values[] = {
		kind_names(due), (Datum) 0, DateADTGetDatum(until), Int32GetDatum(REST_TICK)
	};

	for (int i = 0; i < due->nkinds; i++)
		firsts[i] = DateADTGetDatum(due->first[i]);
	values[1] = PointerGetDatum(construct_array(firsts, due->nkinds, DATEOID, sizeof(DateADT), true,
												TYPALIGN_INT));
	execute("SELECT coalesce((SELECT w.first + d FROM generate_series(0, $3 - w.first) d"
			"  WHERE NOT EXISTS (SELECT FROM hospital.published p"
			"   WHERE p.kind = w.kind AND p.day = w.first + d AND p.tick = $4)"
			"  ORDER BY d LIMIT 1), greatest(w.first, $3 + 1))"
			" FROM unnest($1, $2) WITH ORDINALITY AS w (kind, first, number) ORDER BY w.number",
			4, types, values, SPI_OK_SELECT);
	for (int i = 0; i < due->nkinds; i++)
	{
		bool		isnull;

		due->first[i] = DatumGetDateADT(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1,
													  &isnull));
	}
}

/* Does a day that may be done lie before the one under way? */
static bool
has_days_before(const StreamDue *due, DateADT day)
{
	for (int i = 0; i < due->nkinds; i++)
	{
		if (due->first[i] < day)
			return true;
	}
	return false;
}

void
stream_due_plan(StreamDue *due, const Window *window, StreamTick *tick, int ticks_of_day)
{
	const Pace *pace = &window->pace;
	Position	position = clock_position(pace, tick->record.due_at);

	if (!due->settled || due->live_from != window->live_from)
		settle_starts(due, window);
	if (has_days_before(due, position.day))
		skip_done_days(due, position.day - 1);
	tick->last_day = position.day;
	tick->share = clock_share(pace, position.day, tick->record.due_at, ticks_of_day);
	if (position.day > pace->last_day || tick->share <= 0)
	{
		tick->last_day--;
		tick->share = 1;
	}
	tick->nkinds = due->nkinds;
	memcpy(tick->kinds, due->kinds, sizeof(tick->kinds));
	memcpy(tick->first, due->first, sizeof(tick->first));
}
