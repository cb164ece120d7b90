/*
 * settings.h: the settings (GUCs) of hospital.  docs/settings.md describes them.
 */
#ifndef HOSPITAL_SETTINGS_H
#define HOSPITAL_SETTINGS_H

extern char *hospital_databases;
extern char *hospital_data_folder;
extern char *hospital_kafka_brokers;
extern char *hospital_kafka_config_file;
extern char *hospital_topic_prefix;
extern int	hospital_batch_interval;	/* ms */
extern int	hospital_stream_interval;	/* ms */
extern int	hospital_stream_records;
extern int	hospital_consumer_workers;
extern int	hospital_load_workers;

extern void settings_init(void);

#define KAFKA_EMBEDDED "embedded"

#endif							/* HOSPITAL_SETTINGS_H */
