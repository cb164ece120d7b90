/*
 * settings.h: the settings (GUCs) of hospital.  docs/settings.md describes them.
 */
#ifndef HOSPITAL_SETTINGS_H
#define HOSPITAL_SETTINGS_H

extern PGDLLEXPORT int	hospital_batch_interval;	/* ms */
extern PGDLLEXPORT int	hospital_stream_interval;	/* ms */
extern PGDLLEXPORT int	hospital_stream_records;
extern PGDLLEXPORT int	hospital_window_length; /* s */
extern PGDLLEXPORT int	hospital_window_days;	/* 0: as batch_interval has it */
extern PGDLLEXPORT bool hospital_test_clock;
extern PGDLLEXPORT bool hospital_test_clock_data;	/* off: days without files */
extern PGDLLEXPORT int	hospital_test_clock_shift;	/* s */
extern PGDLLEXPORT char *hospital_databases;
extern PGDLLEXPORT char *hospital_data_folder;
extern PGDLLEXPORT char *hospital_kafka_brokers;
extern PGDLLEXPORT char *hospital_kafka_config_file;
extern PGDLLEXPORT char *hospital_topic_prefix;
extern PGDLLEXPORT char *hospital_topics;
extern PGDLLEXPORT int	hospital_consumer_workers;
extern PGDLLEXPORT int	hospital_job_workers;
extern PGDLLEXPORT int	hospital_load_workers;
extern PGDLLEXPORT int	hospital_stream_batch_rows;
extern PGDLLEXPORT int	hospital_stream_batch_size;	/* kB */
extern PGDLLEXPORT int	hospital_stream_linger; /* ms */
extern PGDLLEXPORT int	hospital_stream_queue;	/* kB */
extern PGDLLEXPORT bool hospital_stream_lake;
extern PGDLLEXPORT int	hospital_activity_gap;	/* minutes; 0: no windows */
extern PGDLLEXPORT int	hospital_ingest_workers;
extern PGDLLEXPORT double hospital_reject_percent;
extern PGDLLEXPORT int	hospital_reject_limit;	/* -1: none */
extern PGDLLEXPORT int	hospital_ingest_chunk;	/* kB */
extern bool hospital_marts;
extern PGDLLEXPORT int	hospital_settle_timeout;	/* ms */

extern void settings_init(void);

/* Log which settings have changed that change nothing that is there. */
extern void settings_tell_without_effect(void);

#define INGEST_WORKERS_MAX 8
#define KAFKA_EMBEDDED "embedded"

#endif							/* HOSPITAL_SETTINGS_H */
