/*
 * day_file.h: the day files of the lake: where they are.
 */
#ifndef HOSPITAL_DAY_FILE_H
#define HOSPITAL_DAY_FILE_H

#include "postgres.h"
#include "utils/date.h"

#define BATCH_FOLDER "lake/batch"
#define MANIFEST_NAME "manifest.json"

/* <BATCH_FOLDER>/<simulation>/date=YYYY-MM-DD/<kind>.csv, palloc'd. */
extern char *day_file_path(const char *simulation_name, DateADT day, const char *kind);

/* The day as YYYY-MM-DD, in a static buffer. */
extern PGDLLEXPORT const char *day_file_date(DateADT day);

/* Take such a path apart; false when it is none of this simulation's. */
extern bool day_file_parse(const char *path, const char *simulation_name, DateADT *day, char **kind);

/* The same for the path of a day's manifest. */
extern bool day_file_is_manifest(const char *path, const char *simulation_name, DateADT *day);

#endif							/* HOSPITAL_DAY_FILE_H */
