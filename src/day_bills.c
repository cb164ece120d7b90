/*
 * day_bills.c: the bill of a visit, or of a stay that has ended.
 *
 * The patient's class says which column of the tariff; the fiscal year of the
 * billing date its index.  Free services (free_services.csv) cost nobody but
 * full payers anything.  H1 and H2 pay one fee for a stay instead of the
 * 12-hour rates.  A bill is the sum of its parts.
 */
#include "postgres.h"

#include "utils/datetime.h"
#include "utils/memutils.h"

#include "day_private.h"
#include "patients.h"
#include "reference.h"

enum
{
	CLASS_H0, CLASS_H1, CLASS_H2, CLASS_H3, CLASS_P
};

typedef enum BillPart
{
	PART_CONSULTATION,
	PART_ACCOMMODATION,
	PART_PROCEDURES,
	PART_IMAGING,
	PART_LABORATORY,
	PART_MEDICINES,
	PART_OTHER,
	BILL_PARTS
} BillPart;

/* What a laboratory charges for a panel, in cents of 2024/25; estimate. */
#define PANEL_PRICE 4800
#define TEST_PRICE 2200

typedef struct FiscalYear
{
	RecText		name;
	DateADT		first;
	int64		tariff;			/* thousandths */
	int64		medicine;
} FiscalYear;

/* Fees that are asked for by number, and the years; found once a process. */
static struct
{
	bool		ready;
	int			clinic,
				emergency,
				general,
				flat,
				high_care,
				icu,
				step_down,
				neonatal_icu,
				psychiatric,
				delivery[3],
				dispensing,
				script,
				ambulance[3],
				theatre[4],
				anaesthetic[4];
	int			years;
	FiscalYear *year;
	BillPart   *part;			/* [fee] */
}			fees;

static BillPart
part_of_group(const char *group)
{
	if (strcmp(group, "Consultation") == 0 || strcmp(group, "Emergency") == 0 || strcmp(group, "Travel") == 0)
		return PART_CONSULTATION;
	if (strcmp(group, "Inpatient") == 0)
		return PART_ACCOMMODATION;
	if (strcmp(group, "Imaging") == 0 || strcmp(group, "Nuclear medicine") == 0)
		return PART_IMAGING;
	if (strcmp(group, "Laboratory") == 0 || strcmp(group, "Blood") == 0)
		return PART_LABORATORY;
	if (strcmp(group, "Pharmacy") == 0)
		return PART_MEDICINES;
	if (strcmp(group, "EMS") == 0 || strcmp(group, "Assistive device") == 0 ||
		strcmp(group, "Reports") == 0 || strcmp(group, "Mortuary") == 0)
		return PART_OTHER;
	return PART_PROCEDURES;
}

static void
read_years(void)
{
	const ReferenceTable *table = reference_named("tariff_index");

	fees.years = table->nrows;
	fees.year = palloc0(table->nrows * sizeof(FiscalYear));
	for (int i = 0; i < table->nrows; i++)
	{
		FiscalYear *y = &fees.year[i];
		int			year,
					month,
					day;

		y->name.data = reference_cell(table, i, "fiscal_year");
		y->name.length = (uint32) strlen(y->name.data);
		if (sscanf(reference_cell(table, i, "start_date"), "%d-%d-%d", &year, &month, &day) != 3)
			elog(ERROR, "bad date in tariff_index");
		y->first = date2j(year, month, day) - POSTGRES_EPOCH_JDATE;
		y->tariff = reference_scaled(reference_cell(table, i, "tariff_index"), 3);
		y->medicine = reference_scaled(reference_cell(table, i, "medicine_price_index"), 3);
	}
}

static void
make_ready(void)
{
	static const char *const theatre[4] = {"1210", "1211", "1212", "1213"};
	static const char *const anaesthetic[4] = {"0110", "0111", "0112", "0113"};
	static const char *const ambulance[3] = {"1410", "1411", "1412"};
	const CaseMix *mix = casemix();
	MemoryContext old;

	if (fees.ready)
		return;
	fees.clinic = fee_number("1011");
	fees.emergency = fee_number("1021");
	fees.general = fee_number("0610");
	fees.flat = fee_number("0611");
	fees.high_care = fee_number("0620");
	fees.icu = fee_number("0630");
	fees.step_down = fee_number("0640");
	fees.neonatal_icu = fee_number("0660");
	fees.psychiatric = fee_number("0680");
	fees.delivery[0] = fee_number("0210");
	fees.delivery[1] = fee_number("0211");
	fees.delivery[2] = fee_number("0212");
	fees.dispensing = fee_number("0810");
	fees.script = fee_number("0812");
	for (int i = 0; i < 4; i++)
	{
		fees.theatre[i] = fee_number(theatre[i]);
		fees.anaesthetic[i] = fee_number(anaesthetic[i]);
	}
	for (int i = 0; i < 3; i++)
		fees.ambulance[i] = fee_number(ambulance[i]);
	old = MemoryContextSwitchTo(TopMemoryContext);
	read_years();
	fees.part = palloc(mix->fee_count * sizeof(BillPart));
	for (int i = 0; i < mix->fee_count; i++)
		fees.part[i] = part_of_group(mix->fees[i].group);
	MemoryContextSwitchTo(old);
	fees.ready = true;
}

int
theatre_fee(const CaseCode *code)
{
	make_ready();
	return fees.theatre[code->class_rank];
}

int
anaesthetic_fee(const CaseCode *code)
{
	make_ready();
	return fees.anaesthetic[code->class_rank];
}

int
delivery_fee(const Stay *stay)
{
	make_ready();
	return fees.delivery[stay->caesarean ? 2 : stay->assisted ? 1 : 0];
}

/* Two in three of the most urgent came by ambulance, few of those who can wait. */
static int
draw_ambulance(uint64 seed, int64 visit_id, int triage)
{
	RandomBlock r = random_block(seed, RANDOM_VISIT, (uint64) visit_id, 0x30000);
	uint32		percent = random_below(r.v[0], 100);
	uint32		share = triage == TRIAGE_RED ? 65 : triage == TRIAGE_ORANGE ? 38 :
		triage == TRIAGE_YELLOW ? 16 : 4;

	make_ready();
	if (triage < 0 || percent >= share)
		return -1;
	return fees.ambulance[triage == TRIAGE_RED ? 2 : triage == TRIAGE_ORANGE ? 1 + (r.v[1] >> 31) : 0];
}

int
visit_ambulance(uint64 seed, const VisitPlan *v)
{
	return v->way == VISIT_EMERGENCY ? draw_ambulance(seed, v->visit_id, v->triage) : -1;
}

int
stay_ambulance(uint64 seed, const Stay *stay)
{
	if (stay->type != STAY_EMERGENCY && stay->type != STAY_TRANSFER_IN)
		return -1;
	return draw_ambulance(seed, stay->visit_id, stay->triage);
}

/* ---- a bill in the making ---- */

typedef struct BillDraft
{
	int			class;
	const FiscalYear *year;
	DateADT		arrived;
	bool		outpatient;
	int64		parts[BILL_PARTS];
} BillDraft;

static const FiscalYear *
fiscal_year(DateADT day)
{
	int			i = 0;

	while (i + 1 < fees.years && fees.year[i + 1].first <= day)
		i++;
	return &fees.year[i];
}

static void
charge(BillDraft *draft, int fee, int64 quantity)
{
	int64		price = casemix()->fees[fee].price[draft->class] * quantity;

	draft->parts[fees.part[fee]] += (price * draft->year->tariff + 500) / 1000;
}

static void
charge_orders(BillDraft *draft, const Orders *orders)
{
	static const int64 share[5] = {0, 0, 25, 100, 100};	/* percent of the laboratory's price */
	const CaseMix *mix = casemix();

	for (int i = 0; i < orders->count; i++)
	{
		const Order *o = &orders->orders[i];

		if (o->lab)
			draft->parts[PART_LABORATORY] += (PANEL_PRICE + TEST_PRICE * mix->panels[o->what].count) *
				share[draft->class] / 100 * draft->year->tariff / 1000;
		else
			charge(draft, o->what, o->quantity);
	}
	for (int i = 0; i < orders->medicine_count; i++)
	{
		const MedicineOrder *m = &orders->medicines[i];

		charge(draft, fees.dispensing, 1);
		if (draft->class >= CLASS_H3)	/* cost plus half */
			draft->parts[PART_MEDICINES] += mix->medicines[m->medicine].pack_price * m->packs * 3 / 2 *
				draft->year->medicine / 1000;
	}
	if (draft->outpatient && orders->medicine_count > 0 && (draft->class == CLASS_H1 || draft->class == CLASS_H2))
		charge(draft, fees.script, 1);
}

/* Why the service is free, by the day of arrival; no data: it is not. */
static RecText
free_reason(const CaseCode *code, const Person *person, DateADT day)
{
	RecText		none = {NULL, 0};

	if (age_on(person->born, day) < 6)
		return REC_TEXT_CONST("CHILD_U6");
	if (code->flags & CASE_ABORTION)
		return REC_TEXT_CONST("TOP");
	if (code->flags & CASE_PREGNANCY)
		return REC_TEXT_CONST("PREG");
	if (code->flags & CASE_TB)
		return REC_TEXT_CONST("TB");
	if (code->flags & CASE_HIV)
		return REC_TEXT_CONST("HIVART");
	if (code->flags & CASE_ASSAULT)
		return REC_TEXT_CONST("SEXASSAULT");
	if (code->flags & CASE_MALNUTRITION)
		return REC_TEXT_CONST("MALNUT");
	if (code->flags & CASE_NOTIFIABLE)
		return REC_TEXT_CONST("NOTIF");
	return none;
}

static RecText
payment_status(uint64 seed, int64 visit_id, int class, int64 total)
{
	/* percent paid at once, and pending */
	static const int paid[5] = {100, 58, 52, 40, 18};
	static const int pending[5] = {0, 17, 20, 30, 66};
	int			draw = (int) random_below(random_block(seed, RANDOM_VISIT, (uint64) visit_id, 0x30001).v[0], 100);

	if (total == 0 || draw < paid[class])
		return REC_TEXT_CONST("Paid");
	return draw < paid[class] + pending[class] ? REC_TEXT_CONST("Pending") : REC_TEXT_CONST("Unpaid");
}

static int64
add_bill(DayBuilder *b, BillDraft *draft, int64 visit_id, int64 admission_id, const Person *person,
		 const CaseCode *code)
{
	static const RecText classes[5] = {
		REC_TEXT_CONST("H0"), REC_TEXT_CONST("H1"), REC_TEXT_CONST("H2"), REC_TEXT_CONST("H3"),
		REC_TEXT_CONST("P")
	};
	Bill	   *bill = add_record(b, KIND_BILLING_PAYMENTS);
	int64		total = 0;

	bill->free_reason = free_reason(code, person, draft->arrived);
	if (bill->free_reason.data != NULL)
	{
		if (draft->class == CLASS_P)
			bill->free_reason.data = NULL;
		else
			memset(draft->parts, 0, sizeof(draft->parts));
	}
	for (int i = 0; i < BILL_PARTS; i++)
		total += draft->parts[i];
	bill->patient_id = person->id;
	bill->visit_id = visit_id;
	bill->billing_date = b->day;
	bill->total_amount = total;
	bill->payment_status = payment_status(b->seed, visit_id, draft->class, total);
	bill->admission_id = admission_id;
	bill->patient_class = classes[draft->class];
	bill->fiscal_year = draft->year->name;
	bill->consultation = draft->parts[PART_CONSULTATION];
	bill->accommodation = draft->parts[PART_ACCOMMODATION];
	bill->procedures = draft->parts[PART_PROCEDURES];
	bill->imaging = draft->parts[PART_IMAGING];
	bill->laboratory = draft->parts[PART_LABORATORY];
	bill->medicines = draft->parts[PART_MEDICINES];
	bill->other = draft->parts[PART_OTHER];
	return total;
}

static void
start_draft(const DayBuilder *b, BillDraft *draft, const Person *person, DateADT arrived, bool outpatient)
{
	make_ready();
	memset(draft, 0, sizeof(*draft));
	draft->class = patient_class(b->seed, person->id);
	draft->year = fiscal_year(b->day);
	draft->arrived = arrived;
	draft->outpatient = outpatient;
}

/* b->orders has been filled.  Who left without being seen gets no bill. */
int64
make_visit_bill(DayBuilder *b, const VisitPlan *v)
{
	BillDraft	draft;
	int			ambulance = visit_ambulance(b->seed, v);

	if (v->disposition == LEFT_BEFORE_SEEN)
		return 0;
	start_draft(b, &draft, &v->person, day_of_time(v->arrived), true);
	if (v->way != VISIT_NEWBORN)
		charge(&draft, v->way == VISIT_OUTPATIENT ? fees.clinic : fees.emergency, 1);
	charge_orders(&draft, &b->orders);
	if (ambulance >= 0)
		charge(&draft, ambulance, 1);
	return add_bill(b, &draft, v->visit_id, REC_NULL8, &v->person, &b->mix->codes[v->code]);
}

/* Twelve-hour periods, begun ones count. */
static int64
periods(int32 minutes)
{
	return (minutes + 719) / 720;
}

static void
charge_accommodation(BillDraft *draft, const Stay *stay)
{
	const CaseMix *mix = casemix();
	bool		neonate = stay->department == mix->neonatology;
	bool		psychiatric = strcmp(mix->departments[stay->department].group, "Psychiatry") == 0;
	const int32 *minutes = stay->place_minutes;
	int32		days = (int32) ((stay->ends - stay->admitted) / USECS_PER_DAY);
	int32		general = 0;

	if (draft->class == CLASS_H1 || draft->class == CLASS_H2)
	{
		charge(draft, fees.flat, 1 + days / 30);
		return;
	}
	for (int p = 0; p < PLACES; p++)
		if (p != PLACE_ICU && p != PLACE_HIGH_CARE && p != PLACE_STEP_DOWN)
			general += minutes[p];
	charge(draft, psychiatric ? fees.psychiatric : fees.general, periods(general));
	charge(draft, fees.high_care, periods(minutes[PLACE_HIGH_CARE]));
	charge(draft, neonate ? fees.neonatal_icu : fees.icu, periods(minutes[PLACE_ICU]));
	charge(draft, fees.step_down, periods(minutes[PLACE_STEP_DOWN]));
}

/* The whole stay: what was asked for on each of its days, asked again. */
int64
make_stay_bill(DayBuilder *b, const Stay *stay)
{
	const CaseCode *code = &b->mix->codes[stay->code];
	BillDraft	draft;
	Orders		orders;
	int			ambulance = stay_ambulance(b->seed, stay);

	start_draft(b, &draft, &stay->person, day_of_time(stay->arrived), false);
	if (stay->type == STAY_EMERGENCY || stay->type == STAY_TRANSFER_IN)
		charge(&draft, fees.emergency, 1);
	charge_accommodation(&draft, stay);
	for (DateADT day = day_of_time(stay->admitted); day <= b->day; day++)
	{
		orders_of_stay_day(b->seed, stay, day, &orders);
		charge_orders(&draft, &orders);
	}
	if (stay->operated)
	{
		if (!stay->caesarean)
			charge(&draft, theatre_fee(code), 1);
		charge(&draft, anaesthetic_fee(code), 1);
	}
	if (stay->delivered)
		charge(&draft, delivery_fee(stay), 1);
	if (ambulance >= 0)
		charge(&draft, ambulance, 1);
	return add_bill(b, &draft, stay->visit_id, stay->admission_id, &stay->person, code);
}
