/*
 * clinic.h: appointments of the outpatient clinics.
 */
#ifndef HOSPITAL_CLINIC_H
#define HOSPITAL_CLINIC_H

#include "journey.h"
#include "patients.h"

typedef struct Appointment
{
	Person		person;			/* id 0: a child, whoever comes */
	int16		code;
	int16		number;			/* in the patient's course of visits, from 0 */
	bool		last;
	int			second;			/* of the day */
} Appointment;

typedef struct Clinic Clinic;

extern Clinic *clinic_open(const DaySpec *spec);

/* Those who come on the day, in no order; palloc'd in the clinic's day. */
extern int	clinic_day(Clinic *clinic, Patients *patients, const DayFacts *facts,
					   Appointment **list);

/* One of the code's patients, who comes for another reason; false: there is none. */
extern bool clinic_patient(const Clinic *clinic, const Patients *patients, int code, DateADT day,
						   Dice *dice, Person *person);

#endif							/* HOSPITAL_CLINIC_H */
