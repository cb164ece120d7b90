/*
 * loader.h: what the leader of a load and its workers share.
 */
#ifndef HOSPITAL_LOADER_H
#define HOSPITAL_LOADER_H

#include "postgres.h"
#include "port/atomics.h"
#include "storage/dsm.h"
#include "storage/latch.h"
#include "utils/date.h"
#include "utils/rel.h"

#include "helper.h"
#include "rowsource.h"
#include "simulation.h"

typedef enum LoadKind
{
	LOAD_PEOPLE,
	LOAD_STAFF,
	LOAD_STAFF_ASSIGNMENTS
} LoadKind;

/*
 * A piece of work that is done by one transaction.  Rows: people lo .. hi-1 by
 * index from 0; days lo .. hi-1 since 2000-01-01; or all of the table.  Keys:
 * number lo of load_keys().
 */
typedef struct LoadChunk
{
	int64		lo;
	int64		hi;
} LoadChunk;

/* A key of a target table: its constraint's name, 'p' or 'u', its column. */
typedef struct LoadKey
{
	const char *name;
	char		type;
	const char *column;
} LoadKey;

/* In dynamic shared memory, made by the leader. */
typedef struct LoadShared
{
	LoadKind	kind;
	bool		keys;			/* the chunks are keys to be indexed, not rows */
	int			maintenance_work_mem;	/* the leader's, for building them */
	Oid			database;
	Oid			relid;
	int64		seed;
	DateADT		start_date;
	DateADT		end_date;
	int			beds;
	bool		marked;
	Latch	   *leader_latch;
	pg_atomic_uint32 stop;		/* leave at the next batch */
	pg_atomic_uint32 next_chunk;
	pg_atomic_uint32 chunks_done;
	pg_atomic_uint64 last_commit;	/* end of the latest commit's WAL */
	pg_atomic_uint64 rows;		/* written so far, committed or not */
	HelperError error;
	int			nchunks;
	LoadChunk	chunks[FLEXIBLE_ARRAY_MEMBER];
} LoadShared;

extern const RowSourceMethods *load_methods(LoadKind kind);

/* Why rows of the kind may not be written straight into the table, or NULL. */
extern const char *load_refusal(Relation rel, LoadKind kind);

/* loader_survey.c; SPI connected */
typedef struct LoadSurvey
{
	int64		rows;			/* there will be; -1 when not known beforehand */
	int64		present;
	List	   *missing;		/* LoadChunk *: not there at all */
	List	   *partial;		/* LoadChunk *: some rows are there */
} LoadSurvey;

/* Lists are made in CurrentMemoryContext; "functions" is the quoted schema of ours. */
extern void load_survey(LoadSurvey *survey, LoadKind kind, const Simulation *simulation,
						const char *functions, int64 people, bool empty);

/*
 * The generator's call for a chunk.  Every argument has just the type that the
 * function takes, or somebody's function of the same name could fit better.
 */
extern char *load_generator_call(LoadKind kind, const Simulation *simulation,
								 const char *functions, int64 lo, int64 hi);

/* loader_keys.c; SPI connected */
extern const char *load_table_name(LoadKind kind);
extern const LoadKey *load_keys(LoadKind kind); /* the last has no name */
extern bool key_needs_index(Oid relid, const LoadKey *key);
extern char *key_index_command(LoadKind kind, const LoadKey *key);
extern void load_run(const char *sql);
extern void keys_drop(Oid relid, LoadKind kind);
extern void keys_add(Oid relid, LoadKind kind);

extern PGDLLEXPORT void hospital_load_worker_main(Datum main_arg);

#endif							/* HOSPITAL_LOADER_H */
