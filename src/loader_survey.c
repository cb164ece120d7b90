/*
 * loader_survey.c: what is in a table against what there should be.
 *
 * The table is a load's journal: its rows are counted chunk by chunk and
 * compared with the generator's.  Of an empty table nothing is counted; how
 * many shifts there will be is then known when they are made.
 */
#include "postgres.h"

#include "executor/spi.h"

#include "day_file.h"
#include "loader.h"

#define PEOPLE_CHUNK 65536		/* 16 blocks of the city */
#define ASSIGNMENT_CHUNK 31		/* days */

static int64
chunk_size(LoadKind kind)
{
	switch (kind)
	{
		case LOAD_PEOPLE:
			return PEOPLE_CHUNK;
		case LOAD_STAFF_ASSIGNMENTS:
			return ASSIGNMENT_CHUNK;
		case LOAD_STAFF:
			break;
	}
	return PG_INT64_MAX;
}

static char *
date_literal(int64 date)
{
	return psprintf("'%s'::pg_catalog.date", day_file_date((DateADT) date));
}

char *
load_generator_call(LoadKind kind, const Simulation *s, const char *functions, int64 lo, int64 hi)
{
	char	   *mode = psprintf("'%s'::pg_catalog.text", s->marked ? "marked" : "realistic");

#define INT8_LITERAL "'" INT64_FORMAT "'::pg_catalog.int8"
	switch (kind)
	{
		case LOAD_PEOPLE:
			return psprintf("%s.hospital_generate_people(" INT8_LITERAL ", " INT8_LITERAL ", " INT8_LITERAL ", %s, %s)",
							functions, hi - lo, s->seed, lo + 1, date_literal(s->start_date), mode);
		case LOAD_STAFF:
			return psprintf("%s.hospital_generate_staff('%d'::pg_catalog.int4, " INT8_LITERAL ", %s, %s, %s)",
							functions, s->beds, s->seed, date_literal(s->start_date),
							date_literal(s->end_date), mode);
		case LOAD_STAFF_ASSIGNMENTS:
			return psprintf("%s.hospital_generate_staff_assignments(%s, %s, '%d'::pg_catalog.int4, " INT8_LITERAL ", %s, %s)",
							functions, date_literal(lo), date_literal(hi - 1), s->beds, s->seed,
							date_literal(s->start_date), date_literal(s->end_date));
	}
#undef INT8_LITERAL
	return NULL;				/* not reached */
}

/* The chunks' range, in their own units. */
static void
load_range(LoadKind kind, const Simulation *s, int64 people, int64 *lo, int64 *hi)
{
	switch (kind)
	{
		case LOAD_PEOPLE:
			*lo = 0;
			*hi = people;
			return;
		case LOAD_STAFF:
			*lo = 0;
			*hi = 1;
			return;
		case LOAD_STAFF_ASSIGNMENTS:
			*lo = s->start_date;
			*hi = (int64) s->end_date + 1;
			return;
	}
}

/* Rows by chunk, of the table or of the generator. */
static const char *
count_query(LoadKind kind, const char *from, int64 lo, int64 rows)
{
	switch (kind)
	{
		case LOAD_PEOPLE:
			return psprintf("SELECT (r.person_id - 1) / %d, count(*) FROM %s r"
							" WHERE r.person_id BETWEEN 1 AND " INT64_FORMAT " GROUP BY 1",
							PEOPLE_CHUNK, from, rows);
		case LOAD_STAFF:
			return psprintf("SELECT 0::pg_catalog.int8, count(*) FROM %s r"
							" WHERE r.staff_id BETWEEN 1 AND " INT64_FORMAT, from,
							rows < 0 ? PG_INT64_MAX : rows);
		case LOAD_STAFF_ASSIGNMENTS:
			return psprintf("SELECT (r.assignment_id / 100000 - (" INT64_FORMAT ")) / %d, count(*)"
							" FROM %s r GROUP BY 1", lo, ASSIGNMENT_CHUNK, from);
	}
	return NULL;				/* not reached */
}

/* Its result, into counts[]; the sum. */
static int64
count_chunks(LoadKind kind, const char *from, int64 lo, int64 rows, int64 *counts, int nchunks)
{
	int64		sum = 0;

	if (SPI_execute(count_query(kind, from, lo, rows), false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not count the rows of %s", from);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		int64		chunk = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull));
		int64		count = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &isnull));

		if (chunk >= 0 && chunk < nchunks)
		{
			counts[chunk] = count;
			sum += count;
		}
	}
	return sum;
}

static LoadChunk *
make_chunk(int64 lo, int64 hi)
{
	LoadChunk  *chunk = palloc(sizeof(LoadChunk));

	chunk->lo = lo;
	chunk->hi = hi;
	return chunk;
}

void
load_survey(LoadSurvey *survey, LoadKind kind, const Simulation *s, const char *functions,
			int64 people, bool empty)
{
	MemoryContext context = CurrentMemoryContext;	/* SPI leaves its own behind */
	int64		size = chunk_size(kind);
	int64		lo = 0,
				hi = 0;
	int			nchunks;
	int64	   *present,
			   *expected;

	load_range(kind, s, people, &lo, &hi);
	nchunks = kind == LOAD_STAFF ? 1 : (int) ((hi - lo + size - 1) / size);
	present = palloc0(nchunks * sizeof(int64));
	expected = palloc0(nchunks * sizeof(int64));

	memset(survey, 0, sizeof(*survey));
	survey->rows = -1;
	if (kind == LOAD_PEOPLE)
	{
		survey->rows = hi;
		for (int i = 0; i < nchunks; i++)
			expected[i] = Min(size, hi - i * size);
	}
	else if (!empty || kind == LOAD_STAFF)
		survey->rows = count_chunks(kind, load_generator_call(kind, s, functions, lo, hi), lo, -1,
									expected, nchunks);
	if (!empty)
		survey->present = count_chunks(kind, psprintf("hospital.%s", load_table_name(kind)), lo,
									   survey->rows, present, nchunks);

	MemoryContextSwitchTo(context);
	for (int i = 0; i < nchunks; i++)
	{
		LoadChunk  *chunk = make_chunk(lo + (nchunks == 1 ? 0 : i * size),
									   nchunks == 1 ? hi : Min(lo + (i + 1) * size, hi));

		if (present[i] == 0)
			survey->missing = lappend(survey->missing, chunk);
		else if (present[i] < expected[i])
			survey->partial = lappend(survey->partial, chunk);
	}
}
