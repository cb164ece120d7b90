/*
 * orders.c: what is asked for in a visit or on a day of a stay, and which other
 * illnesses of the patient are written down.
 *
 * A function of the visit, or of the stay and the day, alone: a bill at the end
 * of a stay asks again for each of its days, and gets what was given then.
 */
#include "postgres.h"

#include "orders.h"

#define RECORD_SECONDARY 350000 /* of a clinic patient's other illnesses, each; millionths */
#define MEDICINE_TRIES 5
#define AVOID_CONTRAINDICATED 970000
#define AVOID_MAJOR 800000
#define ITEMS_OPD 216269		/* 3.3; some find nothing that goes with the others: 2.9 (volumes.csv); 16.16 */
#define ITEMS_ED 91750			/* 1.4 */
#define ITEMS_IN 419430			/* 6.4 on admission; with later ones and those to take home 8.5 */
#define ITEMS_HOME 117965		/* 1.8 */

/* The patient's other illnesses, by number; how many. */
static int
comorbidities_of(uint64 seed, const Person *person, bool hiv, DateADT day, int *out)
{
	const CaseMix *mix = casemix();
	int			group = age_group_of(age_on(person->born, day));
	Dice		d = dice(seed, RANDOM_PATIENT, (uint64) person->id, 16);
	int			n = 0;

	if (day - person->born < 28)
		return 0;				/* newborns bring nothing along */
	for (int i = 0; i < mix->comorbidity_count && n < COMORBID_MAX; i++)
	{
		const Comorbidity *c = &mix->comorbidities[i];
		uint32		draw = dice_below(&d, 1000000);

		if (c->sex != 'B' && (c->sex == 'F') != person->female)
			continue;
		if (c->hiv ? hiv : draw < c->prevalence[group])
			out[n++] = i;
	}
	return n;
}

int
recorded_comorbidities(uint64 seed, const Person *person, bool hiv, DateADT day, int64 visit_id,
					   bool all, int *out)
{
	int			n = comorbidities_of(seed, person, hiv, day, out);
	Dice		d = dice(seed, RANDOM_VISIT, (uint64) visit_id, 0x20000);
	int			kept = 0;

	for (int i = 0; i < n; i++)
		if (all || dice_ppm(&d, RECORD_SECONDARY))
			out[kept++] = out[i];
	return kept;
}

/* ---- laboratory and treatments ---- */

static void
add_order(Orders *o, bool lab, uint16 what, TimestampTz at)
{
	Order	   *order;

	if (o->count == ORDERS_MAX)
		return;
	order = &o->orders[o->count++];
	order->lab = lab;
	order->what = what;
	order->quantity = 1;
	order->at = at;
}

static TimestampTz
time_between(Dice *d, TimestampTz from, TimestampTz until)
{
	uint32		minutes = (uint32) Max((until - from) / USECS_PER_MINUTE, 1);

	return from + dice_below(d, minutes) * USECS_PER_MINUTE;
}

static void
request(Orders *o, const CaseCode *code, Setting setting, Dice *d, TimestampTz from,
		TimestampTz until, int thousandths)
{
	const RequestList *lists[2] = {&code->labs[setting], &code->treatments[setting]};

	for (int l = 0; l < 2; l++)
		for (int i = 0; i < lists[l]->count; i++)
		{
			const Request *r = &lists[l]->requests[i];

			if (dice_ppm(d, (uint32) Min((uint64) r->probability * thousandths / 1000, 1000000)))
				add_order(o, l == 0, r->what, time_between(d, from, until));
		}
}

/* ---- medicines ---- */

typedef struct Picking
{
	Orders	   *orders;
	Dice	   *dice;
	const CaseCode *sources[COMORBID_MAX + 1];
	int			source_count;
	TimestampTz from;
	TimestampTz until;
} Picking;

static void
find_sources(Picking *p, const CaseCode *code, const int *comorbid, int comorbid_count)
{
	const CaseMix *mix = casemix();

	p->source_count = 0;
	if (code->medicine_count > 0)
		p->sources[p->source_count++] = code;
	for (int i = 0; i < comorbid_count; i++)
	{
		int			number = mix->comorbidities[comorbid[i]].code;

		if (number >= 0 && mix->codes[number].medicine_count > 0)
			p->sources[p->source_count++] = &mix->codes[number];
	}
}

/* Does it go with what has been chosen? */
static bool
goes_with(const Orders *o, int first, uint16 medicine, Dice *d)
{
	const CaseMix *mix = casemix();
	int			molecule = mix->medicines[medicine].molecule;

	for (int i = first; i < o->medicine_count; i++)
	{
		int			other = mix->medicines[o->medicines[i].medicine].molecule;
		uint8		severity = mix->interactions[molecule * mix->molecule_count + other];

		if (other == molecule)
			return false;
		if ((severity == 3 && dice_ppm(d, AVOID_CONTRAINDICATED)) ||
			(severity == 2 && dice_ppm(d, AVOID_MAJOR)))
			return false;
	}
	return true;
}

static void
set_dosage(MedicineOrder *m, int days, Dice *d)
{
	const CaseMix *mix = casemix();
	const Medicine *medicine = &mix->medicines[m->medicine];
	uint32		draw = dice_below(d, Max(medicine->form_weight, 1));
	int			form = medicine->first_form;

	while (form < medicine->first_form + medicine->forms - 1 && draw >= mix->dosages[form].weight)
		draw -= mix->dosages[form++].weight;
	m->dosage = (uint16) form;
	m->days = (uint16) days;
	m->packs = (int32) Min(Max(((int64) mix->dosages[form].units * days + medicine->pack_units - 1) /
							   medicine->pack_units, 1), 60);
}

/* Up to "items" medicines that suit the illnesses, of those before the hospital's first. */
static void
pick_medicines(Picking *p, int items, int chronic_days, bool in_hospital)
{
	static const int acute[4] = {5, 7, 10, 14};
	static const int inpatient[4] = {3, 5, 7, 5};
	const CaseMix *mix = casemix();
	int			first = p->orders->medicine_count;

	for (int i = 0; i < items && p->source_count > 0 && p->orders->medicine_count < MEDICINES_MAX; i++)
		for (int attempt = 0; attempt < MEDICINE_TRIES; attempt++)
		{
			const CaseCode *source = dice_ppm(p->dice, 600000) ? p->sources[0] :
				p->sources[dice_below(p->dice, (uint32) p->source_count)];
			uint32		draw = dice_below(p->dice, source->medicines[source->medicine_count - 1].upto);
			MedicineOrder *m = &p->orders->medicines[p->orders->medicine_count];
			int			c = 0;
			int			days;

			while (draw >= source->medicines[c].upto)
				c++;
			if (!goes_with(p->orders, first, source->medicines[c].medicine, p->dice))
				continue;
			m->medicine = source->medicines[c].medicine;
			days = in_hospital ? inpatient[dice_below(p->dice, 4)] :
				mix->medicines[m->medicine].chronic && chronic_days > 0 ? chronic_days :
				acute[dice_below(p->dice, 4)];
			set_dosage(m, days, p->dice);
			m->at = time_between(p->dice, p->from, p->until);
			p->orders->medicine_count++;
			break;
		}
}

/* ---- a visit ---- */

void
orders_of_visit(uint64 seed, const VisitPlan *v, Orders *o)
{
	const CaseCode *code = &casemix()->codes[v->code];
	Dice		d = dice(seed, RANDOM_VISIT, (uint64) v->visit_id, 1);
	bool		clinic = v->way == VISIT_OUTPATIENT;
	int			comorbid[COMORBID_MAX];
	Picking		p = {.orders = o, .dice = &d, .from = v->arrived + (v->left - v->arrived) / USECS_PER_SEC / 2 * USECS_PER_SEC,
	.until = v->left};
	int			weeks = Min(Max(code->clinic_weeks, 1), 12);

	o->count = o->medicine_count = 0;
	if (v->disposition == LEFT_BEFORE_SEEN || v->way == VISIT_NEWBORN || v->triage == TRIAGE_BLUE)
		return;
	request(o, code, clinic ? SETTING_OPD : SETTING_ED, &d, v->arrived + (v->left - v->arrived) / USECS_PER_SEC / 3 * USECS_PER_SEC,
			v->left, 1000);
	if (v->disposition == LEFT_DIED || v->disposition == LEFT_TRANSFERRED)
		return;
	find_sources(&p, code, comorbid,
				 recorded_comorbidities(seed, &v->person, v->hiv, day_of_time(v->arrived),
										v->visit_id, !clinic, comorbid));
	pick_medicines(&p, poisson(clinic ? ITEMS_OPD : ITEMS_ED, dice_word(&d)), clinic ? weeks * 7 : 0, false);
}

/* ---- a day of a stay ---- */

void
stay_span(const Stay *stay, DateADT day, TimestampTz *from, TimestampTz *until)
{
	*from = Max(stay->admitted, midnight_of(day));
	*until = Min(stay->ends, midnight_of(day + 1));
}

void
orders_of_stay_day(uint64 seed, const Stay *stay, DateADT day, Orders *o)
{
	const CaseCode *code = &casemix()->codes[stay->code];
	int			number = day - day_of_time(stay->admitted);
	bool		last = day == day_of_time(stay->ends);
	Dice		d = dice(seed, RANDOM_STAY_DAY, ((uint64) stay->admission_id << 12) | (uint64) number, 0);
	int			comorbid[COMORBID_MAX];
	Picking		p = {.orders = o, .dice = &d};
	int			items = number == 0 ? poisson(ITEMS_IN, dice_word(&d)) : dice_ppm(&d, 200000) ? 1 : 0;

	o->count = o->medicine_count = 0;
	stay_span(stay, day, &p.from, &p.until);
	if (number == 0)
	{
		request(o, code, SETTING_IN, &d, p.from, p.until, 1000);
		if (p.until - p.from > 8 * USECS_PER_HOUR)
			p.until = p.from + 8 * USECS_PER_HOUR;
	}
	else
		request(o, code, SETTING_DAY, &d, p.from, p.until, last ? 500 : 1000);
	find_sources(&p, code, comorbid, comorbidities_of(seed, &stay->person, stay->hiv, day_of_time(stay->admitted), comorbid));
	pick_medicines(&p, items, 0, true);
	if (last && (stay->outcome == OUTCOME_DISCHARGED))
		pick_medicines(&p, poisson(ITEMS_HOME, dice_word(&d)), 28, false);
}
