/*
 * staff_on_duty.h: which nurse and which doctor were there at a moment.
 */
#ifndef HOSPITAL_STAFF_ON_DUTY_H
#define HOSPITAL_STAFF_ON_DUTY_H

#include "postgres.h"
#include "datatype/timestamp.h"

#include "day.h"
#include "roster.h"

typedef struct OnDuty OnDuty;

extern OnDuty *on_duty_open(const DaySpec *spec);

/* Make the day's lists. */
extern void on_duty_day(OnDuty *duty, DateADT day);

/* staff_id of a nurse of the ward (of any ward when it is -1). */
extern int64 on_duty_nurse(const OnDuty *duty, int ward, TimestampTz at, uint32 word);

/* staff_id of a doctor of the department, and when the shift ends. */
extern int64 on_duty_doctor(const OnDuty *duty, int department, TimestampTz at, uint32 word,
							TimestampTz *until);

/* Everybody who is or will be employed, up to a day not before the one at hand. */
extern const Workforce *on_duty_workforce(const OnDuty *duty);

#endif							/* HOSPITAL_STAFF_ON_DUTY_H */
