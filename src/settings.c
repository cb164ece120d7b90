/*
 * settings.c: the settings (GUCs) of hospital.
 *
 * Those that say what the truth is (seed, people, dates) only propose values
 * to hospital_create; those that say where files go are the administrator's.
 * They are in the order of docs/settings.md.
 */
#include "postgres.h"

#include <limits.h>

#include "datatype/timestamp.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "compat.h"
#include "population.h"
#include "settings.h"
#include "stream_topics.h"

int			hospital_batch_interval;
int			hospital_stream_interval;
int			hospital_stream_records;
int			hospital_window_length;
int			hospital_window_days;
bool		hospital_test_clock;
bool		hospital_test_clock_data;
int			hospital_test_clock_shift;
char	   *hospital_databases;
char	   *hospital_data_folder;
char	   *hospital_kafka_brokers;
char	   *hospital_kafka_config_file;
char	   *hospital_topic_prefix;
char	   *hospital_topics;
int			hospital_consumer_workers;
int			hospital_job_workers;
int			hospital_load_workers;
int			hospital_stream_batch_rows;
int			hospital_stream_batch_size;
int			hospital_stream_linger;
int			hospital_stream_queue;
bool		hospital_stream_lake;
int			hospital_activity_gap;
int			hospital_ingest_workers;
double		hospital_reject_percent;
int			hospital_reject_limit;
int			hospital_ingest_chunk;
bool		hospital_marts;
int			hospital_settle_timeout;

/* Read through SQL (current_setting), by hospital_create alone. */
static char *seed;
static int	num_people;
static char *start_date;
static char *end_date;

#define FROZEN "Read by hospital_create alone: a hospital that exists keeps what hospital.simulation says."

static void
define_truth_settings(void)
{
	DefineCustomStringVariable("hospital.seed",
							   "Seed that hospital_create proposes: a whole number of 64 bits.", FROZEN,
							   &seed, "42", PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("hospital.num_people",
							"People that hospital_create proposes.", FROZEN,
							&num_people, 5000000, 1, (int) PEOPLE_CAPACITY,
							PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("hospital.start_date",
							   "First hospital day that hospital_create proposes.", FROZEN,
							   &start_date, "2020-01-01", PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("hospital.end_date",
							   "Last hospital day that hospital_create proposes.", FROZEN,
							   &end_date, "2025-12-31", PGC_USERSET, 0, NULL, NULL, NULL);
}

static void
define_pace_settings(void)
{
	/* Upper bounds leave room for sums of milliseconds in an int. */
	DefineCustomIntVariable("hospital.batch_interval",
							"Real time that one hospital day takes.", NULL,
							&hospital_batch_interval, 15 * 60 * 1000, 100, INT_MAX / 4,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("hospital.stream_interval",
							"Real time between two publications of events.", NULL,
							&hospital_stream_interval, 3 * 60 * 1000, 20, INT_MAX / 4,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("hospital.stream_records",
							"Transfers published at each stream tick.", NULL,
							&hospital_stream_records, 3, 1, 1000,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("hospital.window_length",
							"Real time that a window of the live simulation takes.", NULL,
							&hospital_window_length, 9 * SECS_PER_DAY, 1, 366 * SECS_PER_DAY,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("hospital.window_days",
							"Hospital days that fill a window; 0 is as many as hospital.batch_interval gives.", NULL,
							&hospital_window_days, 0, 0, 100000,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
}

/* For the tests of hospital itself. */
static void
define_developer_settings(void)
{
	DefineCustomBoolVariable("hospital.test_clock",
							 "The clock does not wait: the next moment at which something is due comes at once.", NULL,
							 &hospital_test_clock, false,
							 PGC_SIGHUP, GUC_NOT_IN_SAMPLE | GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
	DefineCustomBoolVariable("hospital.test_clock_data",
							 "Off: days are recorded without any files.", NULL,
							 &hospital_test_clock_data, true,
							 PGC_SIGHUP, GUC_NOT_IN_SAMPLE | GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
	DefineCustomIntVariable("hospital.test_clock_shift",
							"By how much the clock differs from the machine's.", NULL,
							&hospital_test_clock_shift, 0, INT_MIN / 4, INT_MAX / 4,
							PGC_SIGHUP, GUC_UNIT_S | GUC_NOT_IN_SAMPLE | GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
}

static void
define_place_settings(void)
{
	DefineCustomStringVariable("hospital.databases",
							   "Databases with a hospital, separated by commas.",
							   "The launcher looks nowhere else.",
							   &hospital_databases, "", PGC_SIGHUP, GUC_LIST_INPUT,
							   NULL, NULL, NULL);
	DefineCustomStringVariable("hospital.data_folder",
							   "Folder for exports and the lake; never inside the server's data directory.",
							   NULL, &hospital_data_folder, "", PGC_SUSET, GUC_SUPERUSER_ONLY,
							   NULL, NULL, NULL);
	DefineCustomStringVariable("hospital.kafka_brokers",
							   "Kafka brokers as host:port,...; 'embedded' for one inside the server; empty for none.",
							   NULL, &hospital_kafka_brokers, "", PGC_SIGHUP, 0,
							   NULL, NULL, NULL);
	DefineCustomStringVariable("hospital.kafka_config_file",
							   "File with further properties of the Kafka client, secrets included; mode 0600.",
							   NULL, &hospital_kafka_config_file, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   NULL, NULL, NULL);
	DefineCustomStringVariable("hospital.topic_prefix",
							   "What the names of topics begin with.",
							   "Each hospital of a server needs its own: ALTER DATABASE SET says which.",
							   &hospital_topic_prefix, "hospital.", PGC_SUSET, 0,
							   NULL, NULL, NULL);
	DefineCustomStringVariable("hospital.topics",
							   "Kinds of records that go through Kafka, separated by commas.",
							   "Kinds are named as the day files; \"all\" is every one of them, \"adt\" are admissions, transfers and status updates as HL7 messages.",
							   &hospital_topics, "transfers", PGC_SIGHUP, GUC_LIST_INPUT,
							   check_topics, NULL, NULL);
}

static void
define_worker_settings(void)
{
	DefineCustomIntVariable("hospital.consumer_workers",
							"Consumers of each database's topics; 0: nothing is taken in.", NULL,
							&hospital_consumer_workers, 1, 0, 16,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("hospital.job_workers",
							"Scheduled jobs of each database that may run at the same time.", NULL,
							&hospital_job_workers, 1, 1, 8,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("hospital.load_workers",
							"Workers of a load; 0 is one for each core, four at the most.", NULL,
							&hospital_load_workers, 0, 0, 64,
							PGC_USERSET, 0, NULL, NULL, NULL);
}

static void
define_stream_settings(void)
{
	DefineCustomIntVariable("hospital.stream_batch_rows",
							"Messages that a consumer takes in by one transaction, at the most.", NULL,
							&hospital_stream_batch_rows, 10000, 1, 1000000,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("hospital.stream_batch_size",
							"Bytes of messages beyond which a consumer takes in what it has.", NULL,
							&hospital_stream_batch_size, 8192, 1, 262144,
							PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("hospital.stream_linger",
							"Time that a message waits for company.", NULL,
							&hospital_stream_linger, 10, 0, 60000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("hospital.stream_queue",
							"Memory of messages that a consumer fetches ahead.",
							"The consumer's memory grows to about 2.4 times as much, and 60 MB.",
							&hospital_stream_queue, 65536, 1024, 2097151,
							PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomBoolVariable("hospital.stream_lake",
							 "Write what comes in from topics to the lake as well, one file a committed range.", NULL,
							 &hospital_stream_lake, true,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("hospital.activity_gap",
							"Time without an event that ends a window of a patient's activity; 0: no windows are kept.", NULL,
							&hospital_activity_gap, 0, 0, INT_MAX / 60 / 1000,
							PGC_SIGHUP, GUC_UNIT_MIN, NULL, NULL, NULL);
}

static void
define_ingest_settings(void)
{
	DefineCustomIntVariable("hospital.ingest_workers",
							"Ingestors of each database's day files; 0: files are written, and none is taken in.", NULL,
							&hospital_ingest_workers, 1, 0, INGEST_WORKERS_MAX,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomRealVariable("hospital.reject_percent",
							 "Rejects beyond which a day file is refused whole, in percent of its lines.",
							 "A file of fewer than a hundred lines counts as one of a hundred.",
							 &hospital_reject_percent, 10, 0, 100,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("hospital.reject_limit",
							"Rejects beyond which a day file is refused whole; -1 is any number.", NULL,
							&hospital_reject_limit, -1, -1, INT_MAX,
							PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("hospital.ingest_chunk",
							"Size beyond which a day file is ingested in several transactions of that size.",
							NULL, &hospital_ingest_chunk, 64 * 1024, 64, INT_MAX,
							PGC_USERSET, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomBoolVariable("hospital.marts",
							 "Whether days that are over are folded into sums for hospital_mart.",
							 "Off: the marts read days that come in from the tables, and are as right.",
							 &hospital_marts, true,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("hospital.settle_timeout",
							"How long hospital_ingest waits for a file that is still being written.", NULL,
							&hospital_settle_timeout, 60 * 1000, 0, INT_MAX / 4,
							PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);
}

void
settings_init(void)
{
	define_truth_settings();
	define_pace_settings();
	define_developer_settings();
	define_place_settings();
	define_worker_settings();
	define_stream_settings();
	define_ingest_settings();
	MarkGUCPrefixReserved("hospital");
}

/* Proposals, and what they were when last looked at. */
static struct
{
	const char *name;
	char	   *value;
}			proposals[] = {
	{"hospital.seed"}, {"hospital.num_people"}, {"hospital.start_date"}, {"hospital.end_date"}
};

void
settings_tell_without_effect(void)
{
	for (int i = 0; i < (int) lengthof(proposals); i++)
	{
		const char *now = GetConfigOption(proposals[i].name, false, false);
		char	   *before = proposals[i].value;

		if (before != NULL && strcmp(before, now) == 0)
			continue;
		proposals[i].value = MemoryContextStrdup(TopMemoryContext, now);
		if (before == NULL)
			continue;
		ereport(LOG,
				(errmsg("hospital launcher: %s is \"%s\" now, which changes no hospital that exists",
						proposals[i].name, now),
				 errdetail("It only proposes a value to hospital_create; hospital.simulation has what was frozen."),
				 errhint("For another one make a hospital in another database.")));
		pfree(before);
	}
}
