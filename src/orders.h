/*
 * orders.h: what is asked for in a visit or on a day of a stay: laboratory
 * panels, treatments, medicines.
 */
#ifndef HOSPITAL_ORDERS_H
#define HOSPITAL_ORDERS_H

#include "journey.h"

#define ORDERS_MAX 96
#define MEDICINES_MAX 16
#define COMORBID_MAX 12

typedef struct Order
{
	bool		lab;
	uint16		what;			/* a panel or a fee */
	uint16		quantity;
	TimestampTz at;
} Order;

typedef struct MedicineOrder
{
	uint16		medicine;
	uint16		dosage;			/* of casemix()->dosages */
	uint16		days;
	int32		packs;
	TimestampTz at;
} MedicineOrder;

/* Reused; the counts are reset by the functions below. */
typedef struct Orders
{
	int			count;
	Order		orders[ORDERS_MAX];
	int			medicine_count;
	MedicineOrder medicines[MEDICINES_MAX];
} Orders;

/* The patient's other illnesses that are written down in a visit, by number: all, or some; how many. */
extern int	recorded_comorbidities(uint64 seed, const Person *person, bool hiv, DateADT day,
								   int64 visit_id, bool all, int *out);

/* Of a visit that is no stay, and of a day of a stay. */
extern void orders_of_visit(uint64 seed, const VisitPlan *visit, Orders *orders);
extern void orders_of_stay_day(uint64 seed, const Stay *stay, DateADT day, Orders *orders);

/* The part of the day that the stay covers. */
extern void stay_span(const Stay *stay, DateADT day, TimestampTz *from, TimestampTz *until);

#endif							/* HOSPITAL_ORDERS_H */
