/*
 * pinned_settings.c: settings that ALTER DATABASE, ALTER ROLE, the configuration
 * or a session may bend in ways that our statements and files were not written
 * for, and what they are while those run.
 */
#include "postgres.h"

#include "pinned_settings.h"

#define PROCESSES (PIN_WORKER | PIN_LOADER)
#define SESSIONS (PIN_PROCEDURE | PIN_VALUES)

static const struct
{
	const char *name;
	const char *value;
	int			whose;
}			pinned[] =
{
	{"role", "none", PIN_WORKER},
	{"search_path", "pg_catalog, pg_temp", PROCESSES | SESSIONS},
	{"default_transaction_isolation", "read committed", PROCESSES},
	{"default_transaction_read_only", "off", PROCESSES},
	{"default_transaction_deferrable", "off", PROCESSES},
	{"statement_timeout", "0", PROCESSES},
	{"lock_timeout", "0", PROCESSES},
	{"idle_in_transaction_session_timeout", "0", PROCESSES},
	{"transaction_timeout", "0", PROCESSES},
	/* A load and a procedure wait for the disk once, at their end. */
	{"synchronous_commit", "on", PIN_WORKER},
	{"synchronous_commit", "off", PIN_LOADER | PIN_PROCEDURE},
	{"session_replication_role", "origin", PROCESSES},
	{"row_security", "off", PROCESSES},
	{"client_min_messages", "warning", PIN_WORKER},
	{"standard_conforming_strings", "on", PIN_WORKER},
	{"check_function_bodies", "off", PIN_WORKER},
	{"exit_on_error", "off", PIN_WORKER},
	{"transform_null_equals", "off", PIN_WORKER},
	{"array_nulls", "on", PIN_WORKER},
	{"quote_all_identifiers", "off", PIN_WORKER},
	{"default_table_access_method", "heap", PIN_WORKER},
	/* Many short statements: neither compiled nor spread over further processes. */
	{"jit", "off", PIN_WORKER},
	{"max_parallel_workers_per_gather", "0", PIN_WORKER},
	{"TimeZone", "UTC", PIN_WORKER | SESSIONS},
	{"DateStyle", "ISO, YMD", PIN_WORKER | SESSIONS},
	{"IntervalStyle", "postgres", PIN_WORKER | SESSIONS},
	{"bytea_output", "hex", PIN_WORKER | SESSIONS},
	{"extra_float_digits", "1", PIN_WORKER | SESSIONS},
};

void
pin_process_settings(int whose)
{
	for (int i = 0; i < (int) lengthof(pinned); i++)
	{
		/* Newer releases have more of them. */
		if ((pinned[i].whose & whose) == 0 || GetConfigOption(pinned[i].name, true, false) == NULL)
			continue;
		SetConfigOption(pinned[i].name, pinned[i].value, PGC_SUSET, PGC_S_OVERRIDE);
	}
}

void
pin_session_settings(int whose, GucAction action)
{
	for (int i = 0; i < (int) lengthof(pinned); i++)
	{
		if ((pinned[i].whose & whose) != 0)
			(void) set_config_option(pinned[i].name, pinned[i].value, PGC_USERSET, PGC_S_SESSION,
									 action, true, 0, false);
	}
}
