/*
 * pinned_settings.h: settings that others may bend in ways that our statements
 * and files were not written for.
 */
#ifndef HOSPITAL_PINNED_SETTINGS_H
#define HOSPITAL_PINNED_SETTINGS_H

#include "postgres.h"
#include "utils/guc.h"

/* Whose they are. */
#define PIN_WORKER		0x01	/* a worker's, for its life */
#define PIN_LOADER		0x02	/* a load worker's, for its life */
#define PIN_PROCEDURE	0x04	/* a session's, for a transaction of a procedure */
#define PIN_VALUES		0x08	/* a session's, while it writes or reads values as text */

/* For the rest of this process. */
extern void pin_process_settings(int whose);

/* For a transaction (GUC_ACTION_LOCAL) or a nest level (GUC_ACTION_SAVE) of a session. */
extern void pin_session_settings(int whose, GucAction action);

#endif							/* HOSPITAL_PINNED_SETTINGS_H */
