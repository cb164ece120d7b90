/*
 * loader_keys.c: the keys of the tables that are loaded.
 *
 * A key is found by what it is (primary or unique, of one column), whatever
 * its name.  Only one that is just as hospital_create made it, and on which
 * nothing stands, is dropped before a load: a comment, a storage parameter, a
 * foreign key or a replica identity of the user's would be lost with it.
 *
 * A key is built as a unique index, under which the table can be read, and then
 * becomes a constraint, under a lock of a moment.  A load that ended between
 * the two leaves the index; the next one goes on from there.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "utils/builtins.h"

#include "loader.h"

static const LoadKey people_keys[] = {
	{"people_pkey", 'p', "person_id"},
	{"people_national_id_key", 'u', "national_id"},
	{NULL}
};

static const LoadKey staff_keys[] = {
	{"staff_pkey", 'p', "staff_id"},
	{"staff_national_id_key", 'u', "national_id"},
	{NULL}
};

static const LoadKey staff_assignments_keys[] = {
	{"staff_assignments_pkey", 'p', "assignment_id"},
	{NULL}
};

const LoadKey *
load_keys(LoadKind kind)
{
	switch (kind)
	{
		case LOAD_PEOPLE:
			return people_keys;
		case LOAD_STAFF:
			return staff_keys;
		case LOAD_STAFF_ASSIGNMENTS:
			return staff_assignments_keys;
	}
	elog(ERROR, "unknown kind of load %d", (int) kind);
	return NULL;				/* not reached */
}

const char *
load_table_name(LoadKind kind)
{
	switch (kind)
	{
		case LOAD_PEOPLE:
			return "people";
		case LOAD_STAFF:
			return "staff";
		case LOAD_STAFF_ASSIGNMENTS:
			return "staff_assignments";
	}
	elog(ERROR, "unknown kind of load %d", (int) kind);
	return NULL;				/* not reached */
}

void
load_run(const char *sql)
{
	int			rc = SPI_execute(sql, false, 0);

	if (rc < 0)
		elog(ERROR, "could not run \"%s\": %s", sql, SPI_result_code_string(rc));
}

/* Does the query give a row? */
static bool
found(const char *sql)
{
	if (SPI_execute(sql, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not run \"%s\"", sql);
	return SPI_processed > 0;
}

static char *
key_column(Oid relid, const LoadKey *key)
{
	return psprintf("(SELECT a.attnum FROM pg_catalog.pg_attribute a"
					" WHERE a.attrelid = %u AND a.attname = '%s')", relid, key->column);
}

static bool
key_is_there(Oid relid, const LoadKey *key)
{
	return found(psprintf("SELECT FROM pg_catalog.pg_constraint c"
						  " WHERE c.conrelid = %u AND c.contype = '%c' AND c.conkey = ARRAY[%s]",
						  relid, key->type, key_column(relid, key)));
}

/* The index of a key whose load ended before it became a constraint. */
static bool
index_is_left(Oid relid, const LoadKey *key)
{
	return found(psprintf("SELECT FROM pg_catalog.pg_index x"
						  " JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid"
						  " WHERE x.indrelid = %u AND i.relname = '%s' AND x.indisunique AND x.indisvalid"
						  " AND x.indnatts = 1 AND x.indkey[0] = %s AND x.indpred IS NULL"
						  " AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint c WHERE c.conindid = i.oid)",
						  relid, key->name, key_column(relid, key)));
}

static bool
is_as_made(Oid relid, const LoadKey *key)
{
	return found(psprintf("SELECT FROM pg_catalog.pg_constraint c"
						  " JOIN pg_catalog.pg_class i ON i.oid = c.conindid"
						  " JOIN pg_catalog.pg_index x ON x.indexrelid = i.oid"
						  " WHERE c.conrelid = %u AND c.conname = '%s' AND c.contype = '%c' AND c.conkey = ARRAY[%s]"
						  " AND NOT c.condeferrable AND x.indnatts = 1 AND i.reloptions IS NULL"
						  " AND i.reltablespace = 0 AND NOT x.indisreplident AND NOT x.indisclustered"
						  " AND NOT EXISTS (SELECT FROM pg_catalog.pg_description d"
						  " WHERE d.objoid IN (c.oid, i.oid))"
						  " AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d"
						  " WHERE d.refobjid IN (c.oid, i.oid) AND d.deptype <> 'i')",
						  relid, key->name, key->type, key_column(relid, key)));
}

void
keys_drop(Oid relid, LoadKind kind)
{
	for (const LoadKey *key = load_keys(kind); key->name != NULL; key++)
	{
		if (is_as_made(relid, key))
			load_run(psprintf("ALTER TABLE hospital.%s DROP CONSTRAINT %s", load_table_name(kind), key->name));
		else if (index_is_left(relid, key))
			load_run(psprintf("DROP INDEX hospital.%s", key->name));
	}
}

bool
key_needs_index(Oid relid, const LoadKey *key)
{
	return !key_is_there(relid, key) && !index_is_left(relid, key);
}

char *
key_index_command(LoadKind kind, const LoadKey *key)
{
	return psprintf("CREATE UNIQUE INDEX %s ON hospital.%s (%s)",
					key->name, load_table_name(kind), key->column);
}

void
keys_add(Oid relid, LoadKind kind)
{
	for (const LoadKey *key = load_keys(kind); key->name != NULL; key++)
		if (!key_is_there(relid, key))
			load_run(psprintf("ALTER TABLE hospital.%s ADD CONSTRAINT %s %s USING INDEX %s",
							  load_table_name(kind), key->name,
							  key->type == 'p' ? "PRIMARY KEY" : "UNIQUE", key->name));
}
