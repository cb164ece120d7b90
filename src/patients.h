/*
 * patients.h: who comes with a diagnosis, and what is true of a patient.
 */
#ifndef HOSPITAL_PATIENTS_H
#define HOSPITAL_PATIENTS_H

#include "journey.h"

/* What is known of everybody whom the hospital has met. */
typedef struct Patients Patients;

extern Patients *patients_open(const DaySpec *spec);
extern void patients_new_day(Patients *patients, DateADT day);

/*
 * Somebody for the diagnosis, who is alive, no inpatient, and not here today;
 * "outside" in millionths is how likely somebody from outside the city is.  A
 * newcomer is registered.
 */
extern void patients_pick(Patients *patients, const CaseCode *code, uint32 outside, Dice *dice,
						  Person *person, bool *from_outside);

/* Is the person free to come? */
extern bool patients_free(const Patients *patients, int64 person);
extern bool patients_dead(const Patients *patients, int64 person);

/* Here today; registered when for the first time. */
extern void patients_arrive(Patients *patients, const Person *person);
extern void patients_admitted(Patients *patients, int64 person);
extern void patients_left(Patients *patients, int64 person);
extern void patients_died(Patients *patients, const Person *person, TimestampTz at);

/* She has given birth today; not again within a year. */
extern void patients_delivered(Patients *patients, int64 person);
extern bool patients_may_deliver(const Patients *patients, int64 person);

/* False for a pregnancy's code and somebody who gave birth of late. */
extern bool patients_may_have(const Patients *patients, const CaseCode *code, int64 person);

/* A child is born here. */
extern void patients_born(Patients *patients, const Person *mother, bool female, Person *child);

/* The day's new patients and deaths. */
extern int	patients_registrations(const Patients *patients, RegistrationPlan **list);

/* A person of the pool for a course of clinic visits; false: nobody fits. */
extern bool patients_member(const Patients *patients, const CaseCode *code, DateADT day, Dice *dice,
							Person *person);

/* Does the patient have HIV, given what the visit is for?  Whoever had it once has it. */
extern bool patients_hiv(Patients *patients, const Person *person, const CaseCode *code);

/* Patient class, 0 to 4 for H0, H1, H2, H3, P. */
extern int	patient_class(uint64 seed, int64 person);

/* Blood group, 0 to 7 for O+, A+, B+, O-, A-, B-, AB+, AB-. */
#define BLOOD_GROUPS 8
extern int	blood_group(uint64 seed, int64 person);

#endif							/* HOSPITAL_PATIENTS_H */
