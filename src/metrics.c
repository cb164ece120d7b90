/*
 * metrics.c: hospital_metrics(), what there is to watch as Prometheus reads it.
 *
 * A source is a query.  Its text columns are labels, by their names; its other
 * columns are numbers, one for each metric described beside it, and a null is no
 * sample.  So all samples of a metric stand together, as the format wants.
 *
 * Who reads.  What workers show of themselves is read as the caller, who is a
 * member of pg_monitor.  The ledgers are read as the owner of the tables, in a
 * security-restricted context, as the workers do: pg_monitor has no right to
 * them, and with the rights of the extension's owner whatever somebody put in a
 * table's place would run.
 *
 * Cost.  Counters of shared memory, single rows of ledgers, the ledger of files
 * (thirteen rows a day) and an index of open rejects.  No table of data, and not
 * the ranges of the stream, of which there may be millions.
 *
 * Counters never go back: rows of files that were undone still count.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "owners.h"
#include "shared_state.h"
#include "simulation.h"
#include "version.h"
#include "worker.h"

#define METRIC_PREFIX "hospital_"
#define MOST_METRICS 8

/* A summary has all numbers of its source, by their names: quantiles, sum and count. */
typedef enum MetricType
{
	METRIC_NONE, METRIC_COUNTER, METRIC_GAUGE, METRIC_SUMMARY
} MetricType;

typedef struct Metric
{
	MetricType	type;
	const char *name;
	const char *help;
} Metric;

typedef struct MetricSource
{
	const char *from;			/* the extension's function, or the table that must be there */
	const char *query;			/* of a function: what to select from it */
	Metric		metrics[MOST_METRICS];
} MetricSource;

PG_FUNCTION_INFO_V1(hospital_metrics);

/* ---- sources ---- */

/* What the workers show, of all databases; as the caller. */
static const MetricSource worker_sources[] = {
	{
		"hospital_status",
		"SELECT coalesce(database, '') AS database, role || ' ' || number AS worker, (pid IS NOT NULL)::int,"
		" restarts, rows, CASE WHEN last_error_at IS NOT NULL THEN greatest(0, extract(epoch FROM clock_timestamp() - last_error_at)) END",
		{
			{METRIC_GAUGE, "worker_up", "1 while the worker has a process."},
			{METRIC_COUNTER, "worker_restarts_total", "How often the worker was started again after it had ended."},
			{METRIC_COUNTER, "worker_rows_total", "Rows made or brought in since the worker started."},
			{METRIC_GAUGE, "worker_last_error_age_seconds", "Age of an error that has not been overcome; absent when there is none."}
		}
	},
	{
		"hospital_stream_workers",
		"SELECT database, worker, batches, messages, rows, rejects, duplicates, bytes",
		{
			{METRIC_COUNTER, "stream_batches_total", "Batches that the consumer has committed since it started."},
			{METRIC_COUNTER, "stream_messages_total", "Messages in them."},
			{METRIC_COUNTER, "stream_rows_total", "Messages that became or completed rows."},
			{METRIC_COUNTER, "stream_rejects_total", "Messages that became rejects."},
			{METRIC_COUNTER, "stream_duplicates_total", "Messages whose event was there already."},
			{METRIC_COUNTER, "stream_bytes_total", "Bytes of the messages."}
		}
	},
	{
		"hospital_stream_stages",
		"SELECT database, worker, stage, p50_ms / 1000 AS \"0.5\", p99_ms / 1000 AS \"0.99\","
		" total_ms / 1000 AS sum, count",
		{
			{METRIC_SUMMARY, "stream_stage_seconds",
				"Time of a consumer's stages since it started: of a batch; visible: of a message, from the broker to the commit."}
		}
	},
	{
		"hospital_stream_stages",
		"SELECT database, worker, stage, max_ms / 1000",
		{
			{METRIC_GAUGE, "stream_stage_longest_seconds", "The longest of them."}
		}
	},
};

/* Loads and runs that sessions of this database have at work; as the caller. */
static const MetricSource progress_source = {
	NULL,
	"SELECT current_database()::text AS database, CASE param16 WHEN 1752134514 THEN 'run' ELSE 'load' END AS activity,"
	" coalesce(CASE param16 WHEN 1752134512 THEN relid::regclass::text END, '') AS \"table\","
	" sum(param3)::bigint, sum(CASE param16 WHEN 1752134512 THEN nullif(param17, -1) END)::bigint,"
	" sum(CASE param16 WHEN 1752134514 THEN param19 END)::bigint,"
	" sum(CASE param16 WHEN 1752134514 THEN param17 END)::bigint,"
	" max(extract(epoch FROM clock_timestamp()) - 946684800 - param18 / 1000000.0)"
	" FROM pg_stat_get_progress_info('COPY') WHERE datid = (SELECT oid FROM pg_database WHERE datname = current_database())"
	" AND param16 IN (1752134512, 1752134514) GROUP BY 1, 2, 3",
	{
		{METRIC_GAUGE, "progress_rows", "Rows that a load or run that is at work has there so far."},
		{METRIC_GAUGE, "progress_rows_planned", "Rows there will be; absent where it is not known."},
		{METRIC_GAUGE, "progress_day_folders", "Days that a run has brought in."},
		{METRIC_GAUGE, "progress_day_folders_planned", "Days that it is to bring in."},
		{METRIC_GAUGE, "progress_age_seconds", "For how long it has been at work."}
	}
};

#define THIS_DATABASE "SELECT current_database()::text AS database"

/* The ledgers of this database's hospital; as the owner of its tables. */
static const MetricSource ledger_sources[] = {
	{
		"hospital.simulation",
		THIS_DATABASE ", name AS simulation, simulation_id::text, generator_version::text, 1 FROM hospital.simulation",
		{
			{METRIC_GAUGE, "simulation_info", "Which hospital this database has; always 1."}
		}
	},
	{
		"hospital.run_state",
		THIS_DATABASE ", (desired = 'running')::int FROM hospital.run_state",
		{
			{METRIC_GAUGE, "running", "1 while the live simulation is to run."}
		}
	},
	{
		"hospital.run_window",
		THIS_DATABASE ", extract(epoch FROM hospital_time), speed, days_due, days_done, ticks_due, ticks_done"
		" FROM hospital.run_window",
		{
			{METRIC_GAUGE, "clock_timestamp_seconds", "Time in the hospital now, its wall clock taken for UTC."},
			{METRIC_GAUGE, "clock_speed", "So many times as fast as the settings say."},
			{METRIC_GAUGE, "clock_batch_ticks_due", "Hospital days of the window that are over."},
			{METRIC_GAUGE, "clock_batch_ticks_done", "Those whose files are written."},
			{METRIC_GAUGE, "clock_stream_ticks_due", "Stream ticks of the window that are due."},
			{METRIC_GAUGE, "clock_stream_ticks_done", "Those that are done."}
		}
	},
	{
		"hospital.days",
		THIS_DATABASE ", min(s.end_date) - min(s.start_date) + 1, count(d.day), count(d.closed_at),"
		" extract(epoch FROM max(d.day)), coalesce(sum(d.rows), 0), coalesce(sum(d.bytes), 0)"
		" FROM hospital.simulation s LEFT JOIN hospital.days d ON true",
		{
			{METRIC_GAUGE, "day_folders_planned", "Hospital days from the first to the last."},
			{METRIC_GAUGE, "day_folders_written", "Hospital days whose files are written."},
			{METRIC_GAUGE, "day_folders_closed", "Hospital days that hospital_validate has closed."},
			{METRIC_GAUGE, "last_day_timestamp_seconds", "The last hospital day that is written, as its midnight (UTC)."},
			{METRIC_COUNTER, "day_file_rows_total", "Records written into day files."},
			{METRIC_COUNTER, "day_file_bytes_total", "Bytes of day files."}
		}
	},
	{
		"hospital.batches",
		THIS_DATABASE ", s.state, s.n FROM (SELECT count(*) AS files, count(*) FILTER (WHERE state = 'written') AS written,"
		" count(*) FILTER (WHERE state = 'loading') AS loading, count(*) FILTER (WHERE state = 'refused') AS refused,"
		" count(*) FILTER (WHERE state = 'undone') AS undone FROM hospital.batches) b,"
		" LATERAL (VALUES ('written', written), ('loading', loading), ('refused', refused), ('undone', undone),"
		" ('ingested', files - written - loading - refused - undone)) s (state, n)",
		{
			{METRIC_GAUGE, "batches", "Day files in the ledger, by state."}
		}
	},
	{
		"hospital.batches",
		THIS_DATABASE ", kind, coalesce(sum(rows), 0), coalesce(sum(rejects), 0)"
		" FROM hospital.batches WHERE state IN ('ingested', 'undone') GROUP BY kind",
		{
			{METRIC_COUNTER, "ingested_rows_total", "Lines of day files that became or completed rows."},
			{METRIC_COUNTER, "ingested_rejects_total", "Lines of day files that became rejects."}
		}
	},
	{
		"hospital.rejects",
		THIS_DATABASE ", coalesce(kind, '') AS kind, count(*) FROM hospital.rejects WHERE resolved_at IS NULL GROUP BY kind",
		{
			{METRIC_GAUGE, "rejects_unresolved", "Lines and messages that could not become rows and wait for somebody, by kind."}
		}
	},
	{
		"hospital.published",
		THIS_DATABASE ", p.kind, extract(epoch FROM p.day), p.tick, extract(epoch FROM p.published_at)"
		" FROM (SELECT DISTINCT kind FROM hospital.stream_topics) t CROSS JOIN LATERAL"
		" (SELECT * FROM hospital.published p WHERE p.kind = t.kind ORDER BY p.day DESC, p.tick DESC LIMIT 1) p",
		{
			{METRIC_GAUGE, "published_day_timestamp_seconds", "The last hospital day of which events are published, as its midnight (UTC)."},
			{METRIC_GAUGE, "published_tick", "The last tick of that day; 1000 is what the others had left."},
			{METRIC_GAUGE, "published_timestamp_seconds", "When that was recorded."}
		}
	},
	{
		"hospital.stream_lag",
		THIS_DATABASE ", topic, partition::text, lag, lag_seconds, \"position\", (state = 'running')::int"
		" FROM hospital.stream_lag",
		{
			{METRIC_GAUGE, "stream_lag_messages", "Offsets that are still to be read; absent without a consumer."},
			{METRIC_GAUGE, "stream_lag_seconds", "Age of the last message taken in, 0 when there is nothing more."},
			{METRIC_GAUGE, "stream_position", "Offset that is to be read next."},
			{METRIC_GAUGE, "stream_partition_running", "1 while a consumer reads the partition; 0: paused, stopped or without a consumer."}
		}
	},
};

/* ---- the text ---- */

/* As the format wants it: of a label's value; quotes of a help stay. */
static void
append_escaped(StringInfo text, const char *value, bool quotes)
{
	for (const char *c = value; *c != '\0'; c++)
	{
		if (*c == '\n')
			appendStringInfoString(text, "\\n");
		else if (*c == '\\' || (quotes && *c == '"'))
			appendStringInfo(text, "\\%c", *c);
		else
			appendStringInfoChar(text, *c);
	}
}

static void
append_head(StringInfo text, const Metric *metric)
{
	static const char *const types[] = {
		[METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge", [METRIC_SUMMARY] = "summary"
	};

	appendStringInfo(text, "# HELP " METRIC_PREFIX "%s ", metric->name);
	append_escaped(text, metric->help, false);
	appendStringInfo(text, "\n# TYPE " METRIC_PREFIX "%s %s\n", metric->name, types[metric->type]);
}

static bool
is_label(TupleDesc tupdesc, int column)
{
	return SPI_gettypeid(tupdesc, column) == TEXTOID;
}

/* "quantile" is one more label; NULL: none. */
static void
append_labels(StringInfo text, HeapTuple row, TupleDesc tupdesc, const char *quantile)
{
	char		separator = '{';

	for (int column = 1; column <= tupdesc->natts && is_label(tupdesc, column); column++)
	{
		const char *value = SPI_getvalue(row, tupdesc, column);

		appendStringInfo(text, "%c%s=\"", separator, SPI_fname(tupdesc, column));
		append_escaped(text, value != NULL ? value : "", true);
		appendStringInfoChar(text, '"');
		separator = ',';
	}
	if (quantile != NULL)
		appendStringInfo(text, "%cquantile=\"%s\"", separator, quantile);
	appendStringInfoChar(text, '}');
}

static void
append_sample(StringInfo text, const Metric *metric, HeapTuple row, TupleDesc tupdesc, int column)
{
	const char *value = SPI_getvalue(row, tupdesc, column);
	const char *name = metric->type == METRIC_SUMMARY ? SPI_fname(tupdesc, column) : NULL;
	bool		quantile = name != NULL && name[0] == '0';

	if (value == NULL)
		return;
	appendStringInfoString(text, METRIC_PREFIX);
	appendStringInfoString(text, metric->name);
	if (name != NULL && !quantile)
		appendStringInfo(text, "_%s", name);
	append_labels(text, row, tupdesc, quantile ? name : NULL);
	appendStringInfo(text, " %s\n", value);
}

static void
append_metric(StringInfo text, const Metric *metric, int column)
{
	TupleDesc	tupdesc = SPI_tuptable->tupdesc;
	int			last = metric->type == METRIC_SUMMARY ? tupdesc->natts : column;

	append_head(text, metric);
	for (uint64 i = 0; i < SPI_processed; i++)
		for (int c = column; c <= last; c++)
			append_sample(text, metric, SPI_tuptable->vals[i], tupdesc, c);
}

/* Of what a query gave: nothing where it gave nothing. */
static void
append_metrics(StringInfo text, const MetricSource *source)
{
	int			column = 1;

	if (SPI_processed == 0)
		return;
	while (is_label(SPI_tuptable->tupdesc, column))
		column++;
	for (int i = 0; i < MOST_METRICS && source->metrics[i].type != METRIC_NONE; i++)
		append_metric(text, &source->metrics[i], column++);
}

/* ---- reading ---- */

static void
read_source(StringInfo text, const MetricSource *source, const char *query)
{
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute(query, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not execute: %s", query);
	append_metrics(text, source);
	SPI_finish();
}

static void
read_workers(StringInfo text, Oid function)
{
	const char *schema = quote_identifier(get_namespace_name(get_func_namespace(function)));

	for (int i = 0; i < (int) lengthof(worker_sources); i++)
		read_source(text, &worker_sources[i],
					psprintf("%s FROM %s.%s()", worker_sources[i].query, schema, worker_sources[i].from));
}

static bool
is_there(const char *table)
{
	Oid			schema = get_namespace_oid("hospital", true);

	return OidIsValid(schema) && OidIsValid(get_relname_relid(table + strlen("hospital."), schema));
}

static void
read_ledgers(StringInfo text)
{
	Oid			owner = worker_tables_owner();
	Oid			caller;
	int			context;

	if (!OidIsValid(owner))
		return;					/* no hospital here */
	owners_check(owner);
	GetUserIdAndSecContext(&caller, &context);
	SetUserIdAndSecContext(owner, context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	for (int i = 0; i < (int) lengthof(ledger_sources); i++)
		if (is_there(ledger_sources[i].from))
			read_source(text, &ledger_sources[i], ledger_sources[i].query);
	SetUserIdAndSecContext(caller, context);
}

static void
append_library(StringInfo text)
{
	static const Metric info = {METRIC_GAUGE, "info", "The library that is loaded; always 1."};
	static const Metric preloaded = {
		METRIC_GAUGE, "library_preloaded", "1 when it is in shared_preload_libraries, without which nothing runs."
	};

	append_head(text, &info);
	appendStringInfo(text, METRIC_PREFIX "info{version=\"%s\",generator_version=\"%d\"} 1\n",
					 hospital_version, GENERATOR_VERSION);
	append_head(text, &preloaded);
	appendStringInfo(text, METRIC_PREFIX "library_preloaded %d\n", hospital_control != NULL);
}

Datum
hospital_metrics(PG_FUNCTION_ARGS)
{
	StringInfoData text;

	initStringInfo(&text);
	append_library(&text);
	if (hospital_control != NULL)
		read_workers(&text, fcinfo->flinfo->fn_oid);
	read_source(&text, &progress_source, progress_source.query);
	read_ledgers(&text);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(text.data, text.len));
}
