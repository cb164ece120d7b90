/*
 * hospital.c: the library's entry point.
 *
 * Loaded by a session (generators, loader) or by the postmaster
 * (shared_preload_libraries: also the launcher and its workers).
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "compat.h"
#include "make_way.h"
#include "record_source.h"
#include "rowsource.h"
#include "settings.h"
#include "shared_state.h"
#include "simulation.h"
#include "stream_stats.h"
#include "version.h"

HOSPITAL_MODULE_MAGIC;

const char	hospital_version_line[] = VERSION_LINE_HEAD HOSPITAL_VERSION;

void		_PG_init(void);

PG_FUNCTION_INFO_V1(hospital_generator_version);

Datum
hospital_generator_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(GENERATOR_VERSION);
}

void
_PG_init(void)
{
	settings_init();
	record_sources_init();
	rowsource_scan_init();
	if (process_shared_preload_libraries_in_progress)
	{
		control_shmem_init();
		stream_stats_shmem_init();
		launcher_register();
		make_way_init();
	}
}
