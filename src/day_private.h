/*
 * day_private.h: what the parts that make a day's records have in common.
 */
#ifndef HOSPITAL_DAY_PRIVATE_H
#define HOSPITAL_DAY_PRIVATE_H

#include "day.h"
#include "journey.h"
#include "orders.h"

/* A day's records in the making; in the day's own memory context. */
typedef struct DayBuilder
{
	const DaySpec *spec;
	uint64		seed;
	DateADT		day;
	const DayPlan *plan;
	const CaseMix *mix;
	const OnDuty *duty;
	const RecText *wards;		/* codes */
	const RecText *departments;
	PopulationSpec population;
	DayRecords *records;
	int			room[RECORD_KINDS];
	int			next_id[RECORD_KINDS];
	Orders		orders;			/* of the visit or stay at hand */
} DayBuilder;

/* A new record, zeroed, with the next id of its kind (a transfer: none). */
extern void *add_record(DayBuilder *b, RecordKindNumber kind);

/* The parts, in order: later ones read nothing that earlier ones made. */
extern void make_registrations(DayBuilder *b);
extern void make_staff_changes(DayBuilder *b);
extern void make_visits(DayBuilder *b);
extern void make_stays(DayBuilder *b);
extern void make_transfers(DayBuilder *b);

/* Parts of a visit or stay day; "orders" has been filled. */
typedef struct Encounter
{
	int64		visit_id;
	int64		admission_id;	/* REC_NULL8: none */
	const Person *person;
	int			department;
	int			ward;			/* -1: none */
	int			severity;		/* 0 well to 4 dying */
	int			code;
	bool		hiv;
} Encounter;

extern void make_orders(DayBuilder *b, const Encounter *e);
extern void make_vital_signs(DayBuilder *b, const Encounter *e, TimestampTz at, Dice *d);
extern void make_diagnoses(DayBuilder *b, const Encounter *e, TimestampTz at, bool all);
extern void add_diagnosis(DayBuilder *b, const Encounter *e, RecText code, RecText description,
						  TimestampTz at, RecText rank);
extern void add_treatment(DayBuilder *b, const Encounter *e, int fee, TimestampTz at,
						  int64 staff, int quantity);

/* The bill of a visit, or of a stay that has ended; its total in cents. */
extern int64 make_visit_bill(DayBuilder *b, const VisitPlan *visit);
extern int64 make_stay_bill(DayBuilder *b, const Stay *stay);

extern RecText triage_text(int triage);

/* The visit of a stay that has ended, complete. */
extern void add_ended_visit(DayBuilder *b, const Stay *stay, int64 total);

/* What ambulance brought the patient: a fee, or -1. */
extern int	visit_ambulance(uint64 seed, const VisitPlan *visit);
extern int	stay_ambulance(uint64 seed, const Stay *stay);

/* Fees of an operation. */
extern int	theatre_fee(const CaseCode *code);
extern int	anaesthetic_fee(const CaseCode *code);
extern int	delivery_fee(const Stay *stay);

#endif							/* HOSPITAL_DAY_PRIVATE_H */
