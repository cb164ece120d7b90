/*
 * journey.h: who comes to the hospital, lies where, and leaves how.
 *
 * The part of a hospital's days that depends on the days before: beds, deaths,
 * who has been here before.  It goes forward one day at a time from the first,
 * in well under a millisecond a day; everything else of a day (day_*.c) is a
 * function of the day's plan.
 */
#ifndef HOSPITAL_JOURNEY_H
#define HOSPITAL_JOURNEY_H

#include "postgres.h"
#include "datatype/timestamp.h"

#include "calendar.h"
#include "casemix.h"
#include "day.h"
#include "hospital_time.h"
#include "population.h"
#include "staff_on_duty.h"
#include "wards.h"

typedef struct Person
{
	int64		id;
	DateADT		born;
	bool		female;
} Person;

/* Colours of the South African Triage Scale, as in triage_sats.csv. */
typedef enum Triage
{
	TRIAGE_NONE = -1,
	TRIAGE_RED,
	TRIAGE_ORANGE,
	TRIAGE_YELLOW,
	TRIAGE_GREEN,
	TRIAGE_BLUE
} Triage;

/* What kind of bed a phase of a stay needs. */
typedef enum Place
{
	PLACE_WARD,
	PLACE_HIGH_CARE,
	PLACE_ICU,
	PLACE_LABOUR,
	PLACE_ANTENATAL,
	PLACE_POSTNATAL,
	PLACE_KMC,
	PLACE_STEP_DOWN,
	PLACES
} Place;

typedef enum StayType
{
	STAY_EMERGENCY,
	STAY_ELECTIVE,
	STAY_MATERNITY,
	STAY_NEWBORN,
	STAY_TRANSFER_IN
} StayType;

typedef enum Outcome
{
	OUTCOME_DISCHARGED,
	OUTCOME_DIED,
	OUTCOME_ABSCONDED,
	OUTCOME_REFUSED,
	OUTCOME_TRANSFERRED
} Outcome;

typedef enum Disposition
{
	LEFT_DISCHARGED,
	LEFT_ADMITTED,
	LEFT_BEFORE_SEEN,
	LEFT_ABSCONDED,
	LEFT_REFUSED,
	LEFT_DIED,
	LEFT_TRANSFERRED,
	LEFT_TO_CLINIC,
	LEFT_FOLLOW_UP
} Disposition;

typedef enum MoveReason
{
	MOVE_STEP_DOWN,
	MOVE_INTENSIVE_CARE,
	MOVE_SPECIALIST,
	MOVE_ISOLATION,
	MOVE_HOME_WARD,
	MOVE_BED,
	MOVE_MATERNITY,
	MOVE_REHABILITATION
} MoveReason;

#define PHASES_MAX 8

typedef struct Phase
{
	int32		offset;			/* minutes after the admission */
	uint8		place;			/* Place */
	uint8		reason;			/* MoveReason */
} Phase;

typedef struct Stay
{
	int64		admission_id;
	int64		visit_id;
	Person		person;
	int16		code;			/* of casemix()->codes */
	int16		department;
	uint8		type;			/* StayType */
	int8		triage;
	uint8		outcome;
	bool		hiv;
	bool		outside;		/* the patient is from outside the city */
	int64		doctor;			/* who saw the patient first: staff_id */
	TimestampTz arrived;
	TimestampTz admitted;
	TimestampTz ends;
	int			phase_count;
	int			phase;			/* the one at hand */
	Phase		phases[PHASES_MAX];
	TimestampTz theatre;		/* 0: none */
	int			theatre_minutes;
	TimestampTz delivery;		/* 0: none */
	uint8		births;
	bool		caesarean;
	bool		stillbirth;
	bool		assisted;

	/* where */
	int16		first_ward;
	int16		ward;
	int16		bed;
	bool		overflow;		/* in a ward of another department */
	TimestampTz since;			/* in this place */
	TimestampTz moved;			/* the last time; 0: never */
	TimestampTz next;			/* when something happens next */
	int32		place_minutes[PLACES];	/* so far, without the place at hand */
	int16		ward_at_midnight;	/* -1: not yet admitted */
	int16		bed_at_midnight;
	bool		moved_today;
	bool		in_theatre;
	bool		operated;
	bool		delivered;
	bool		ended;
} Stay;

typedef enum StayEventKind
{
	STAY_ADMITTED,
	STAY_MOVED,
	STAY_THEATRE,
	STAY_RECOVERED,				/* back from theatre */
	STAY_DELIVERED,
	STAY_ENDED
} StayEventKind;

typedef struct StayEvent
{
	TimestampTz at;
	Stay	   *stay;
	StayEventKind kind;
	MoveReason	reason;
	int16		from_ward;
	int16		from_bed;
	int16		to_ward;
	int16		to_bed;
} StayEvent;

/* Somebody comes; the visit is over the same day, unless it leads to a stay. */
typedef struct VisitPlan
{
	int64		visit_id;
	Person		person;
	int16		code;
	int16		department;
	uint8		way;			/* visits.kind, VisitKind */
	int8		triage;
	uint8		disposition;
	bool		hiv;
	TimestampTz arrived;
	TimestampTz left;			/* with a stay: when it was admitted */
	Stay	   *stay;			/* NULL: none */
	int16		appointment;	/* number in the course of clinic visits, from 0; -1: no clinic */
	bool		last_appointment;
} VisitPlan;

typedef enum VisitKind
{
	VISIT_OUTPATIENT,
	VISIT_EMERGENCY,
	VISIT_ELECTIVE,
	VISIT_MATERNITY,
	VISIT_NEWBORN,
	VISIT_TRANSFER_IN
} VisitKind;

/* A patient met for the first time, or one whose death is told. */
typedef struct RegistrationPlan
{
	Person		person;
	DateADT		first_seen;
	TimestampTz died;			/* 0: alive */
	bool		has_newcomer;
	Newcomer	newcomer;
	uint8		origin;			/* 0 city, 1 born here, 2 born elsewhere, 3 outside */
} RegistrationPlan;

typedef struct DayPlan
{
	DateADT		day;
	DayFacts	facts;
	int			visit_count;
	VisitPlan  *visits;			/* in order of arrival */
	int			stay_count;		/* of which some part lies in the day */
	Stay	  **stays;
	int			event_count;
	StayEvent  *events;			/* a stay's, and all moves, in order of time; a second
								 * twin's admission is ahead of its time */
	int			registration_count;
	RegistrationPlan *registrations;
	int			admission_count;
	int			visit_ids;		/* given out */
} DayPlan;

typedef struct Journey Journey;

/* In CurrentMemoryContext; the first plan is that of the first day. */
extern Journey *journey_open(const DaySpec *spec);

/* The next day's plan, good until the next call. */
extern const DayPlan *journey_next(Journey *journey);

extern const WardList *journey_wards(const Journey *journey);

/* Who is on duty, on the day of the last plan. */
extern const OnDuty *journey_duty(const Journey *journey);

/* Whole years of age. */
extern int	age_on(DateADT born, DateADT day);

#endif							/* HOSPITAL_JOURNEY_H */
