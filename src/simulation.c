/*
 * simulation.c: the frozen truth, one row of hospital.simulation.
 *
 * Written once by hospital_create (hospital--1.0.sql), read at the start of whatever acts on it.
 * A row made by another generator version is refused by name: its rows could
 * not be made again.  So is one whose tables, or whose extension, are of another
 * version than the library (version.c).  A row that came here by restore,
 * template or copy names another system or database, and workers leave it alone.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "kept_plan.h"
#include "simulation.h"
#include "version.h"

enum
{
	COL_ID = 1, COL_NAME, COL_SEED, COL_PEOPLE, COL_BEDS, COL_START, COL_END,
	COL_ID_MODE, COL_TRANSFERS, COL_DIRTY, COL_VERSION, COL_SYSTEM, COL_DATABASE
};

static const char *const simulation_query =
	"SELECT simulation_id, name, seed, people, beds, start_date, end_date, id_mode,"
	" transfers_per_day, dirty_rate::float8, generator_version, system_identifier, database_oid"
	" FROM hospital.simulation";

static Datum
column(int number)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, number, &isnull);

	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("hospital.simulation has a null where none may be"),
				 errhint("Restore the row that hospital_create wrote.")));
	return value;
}

static void
check_generator_version(int version)
{
	if (version != GENERATOR_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("this hospital was made by generator version %d", version),
				 errdetail("The library loaded here is generator version %d and would make other rows.",
						   GENERATOR_VERSION),
				 errhint("Install the release of hospital that made it.")));
}

static void
check_home(int64 system_identifier, Oid database)
{
	if (system_identifier != (int64) GetSystemIdentifier() || database != MyDatabaseId)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("this hospital is a copy"),
				 errdetail("It was created in another server or database; a copy does nothing by itself."),
				 errhint("SELECT hospital_adopt() if this copy is to act.")));
}

/* Before any other column is asked for: they may not be there yet.  False: no row. */
static bool
check_versions(void)
{
	static KeptPlan plan;
	char		schema[2 * NAMEDATALEN + 3];

	version_require(schema);
	if (kept_run(&plan, psprintf("SELECT tables_version, %s.hospital_tables_version() FROM hospital.simulation", schema),
				 0, NULL, NULL, NULL, SPI_OK_SELECT) == 0)
	{
		kept_done();
		return false;
	}
	version_check_tables(DatumGetInt32(column(1)), DatumGetInt32(column(2)));
	kept_done();
	return true;
}

bool
simulation_read(Simulation *simulation, bool for_workers)
{
	static KeptPlan plan;

	if (!check_versions())
		return false;
	(void) kept_run(&plan, simulation_query, 0, NULL, NULL, NULL, SPI_OK_SELECT);
	memset(simulation, 0, sizeof(*simulation));
	simulation->id = *DatumGetUUIDP(column(COL_ID));
	text_to_cstring_buffer(DatumGetTextPP(column(COL_NAME)), simulation->name, NAMEDATALEN);
	simulation->seed = DatumGetInt64(column(COL_SEED));
	simulation->people = DatumGetInt64(column(COL_PEOPLE));
	simulation->beds = DatumGetInt32(column(COL_BEDS));
	simulation->start_date = DatumGetDateADT(column(COL_START));
	simulation->end_date = DatumGetDateADT(column(COL_END));
	simulation->marked = strcmp(TextDatumGetCString(column(COL_ID_MODE)), "marked") == 0;
	simulation->transfers_per_day = DatumGetInt32(column(COL_TRANSFERS));
	simulation->dirty_rate = DatumGetFloat8(column(COL_DIRTY));
	check_generator_version(DatumGetInt32(column(COL_VERSION)));
	if (for_workers)
		check_home(DatumGetInt64(column(COL_SYSTEM)), DatumGetObjectId(column(COL_DATABASE)));
	kept_done();
	return true;
}
