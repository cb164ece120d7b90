/*
 * stays.h: the course of one stay, drawn when it begins.
 */
#ifndef HOSPITAL_STAYS_H
#define HOSPITAL_STAYS_H

#include "journey.h"

/*
 * Outcome, length and phases of the stay, and its operation or delivery.  The
 * admission's id, time, patient, code, department, type, triage and hiv are
 * set; wards are found when the phases begin.
 */
extern void stay_plan(Stay *stay, uint64 seed, const DayFacts *facts);

/*
 * When a phase has begun late, or could not: those to come follow by two hours
 * or more, and what would then be within an hour of the end is given up.
 */
extern void stay_space_phases(Stay *stay);

#endif							/* HOSPITAL_STAYS_H */
