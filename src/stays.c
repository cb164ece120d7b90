/*
 * stays.c: the course of one stay, drawn when it begins.
 *
 * Outcome first: death by the code's mortality, changed by age and HIV; then
 * absconding, refusing treatment, transfer to another hospital; else
 * discharge.  Then the length, log-normal as diagnosis_profile has it, shorter
 * for those who die or leave early; it ends at an hour at which people are
 * discharged, or die.  Then the phases, by the code's chances of intensive
 * care, and an operation or a delivery.  A phase says what kind of bed is
 * needed from when on; whether there is one shows then (journey.c).
 */
#include "postgres.h"

#include "stays.h"

#define SHORTEST_STAY 288		/* minutes: 0.2 day */
#define LONGEST_STAY (120 * 1440)
#define PHASE_MINUTES 120		/* between two phases at least */
#define SICK_AT_ONCE 550000		/* of those who need intensive care: on arrival; millionths */

/* Of a million admissions, those that end so.  After transitions.csv. */
#define ABSCOND 17000
#define REFUSE 11000
#define TRANSFER_OUT 22000

/* By which factor draws of lengths are too short or long for targets.csv; thousandths. */
#define LENGTH_SCALE 1000

/* Mortality by age and HIV, thousandths. */
#define YOUNG_FACTOR 600
#define OLD_FACTOR 1500
#define HIV_FACTOR 1600
#define PNEUMONIA_FACTOR 1600	/* of adults, by their share of deaths in targets.csv */
#define MEDICINE_FACTOR 880		/* so that the whole is the department's mortality again */
#define LOW_CD4 900000			/* of those with HIV; millionths */

static uint32
mortality_of(const Stay *stay, const CaseCode *code, const DayFacts *facts, Dice *d)
{
	int64		mortality = code->mortality;
	int			age = age_on(stay->person.born, facts->day);

	if (code->flags & CASE_COVID)
		mortality = facts->covid_mortality;
	if (age >= 65)
		mortality = mortality * OLD_FACTOR / 1000;
	else if (age >= 13 && age < 45 && !(code->flags & CASE_PREGNANCY))
		mortality = mortality * YOUNG_FACTOR / 1000;
	if ((code->flags & CASE_PNEUMONIA) && age >= 13)
		mortality = mortality * PNEUMONIA_FACTOR / 1000;
	else if (casemix()->departments[stay->department].medicine && age >= 13)
		mortality = mortality * MEDICINE_FACTOR / 1000;
	if (stay->hiv && dice_ppm(d, LOW_CD4) && !(code->flags & CASE_PREGNANCY))
		mortality = mortality * HIV_FACTOR / 1000;
	return (uint32) Min(mortality, 900000);
}

static void
plan_outcome(Stay *stay, const CaseCode *code, const DayFacts *facts, Dice *d)
{
	uint32		draw = dice_below(d, 1000000);
	uint32		mortality = mortality_of(stay, code, facts, d);
	bool		child = age_on(stay->person.born, facts->day) < 13;

	stay->outcome = OUTCOME_DISCHARGED;
	if (draw < mortality)
		stay->outcome = OUTCOME_DIED;
	else if ((draw -= mortality) < ABSCOND && !child)
		stay->outcome = OUTCOME_ABSCONDED;
	else if (draw >= ABSCOND && draw - ABSCOND < REFUSE)
		stay->outcome = OUTCOME_REFUSED;
	else if (draw >= ABSCOND + REFUSE && draw - ABSCOND - REFUSE < TRANSFER_OUT)
		stay->outcome = OUTCOME_TRANSFERRED;
	if (stay->delivery != 0 && stay->outcome != OUTCOME_DIED)
		stay->outcome = OUTCOME_DISCHARGED;
}

/* Minutes from the admission to the end. */
static void
plan_length(Stay *stay, const CaseCode *code, const DayFacts *facts, Dice *d)
{
	int64		minutes = (lognormal_draw(&code->stay, dice_word(d)) * 1440 >> 16) * LENGTH_SCALE / 1000;
	DateADT		day;
	Stream		stream = stay->outcome == OUTCOME_DIED ? STREAM_DEATH : STREAM_DISCHARGE;

	if (stay->outcome == OUTCOME_DIED)
		minutes = minutes * 8 / 10;
	else if (stay->outcome == OUTCOME_ABSCONDED || stay->outcome == OUTCOME_REFUSED)
		minutes = minutes / 2;
	minutes = Min(Max(minutes, SHORTEST_STAY), LONGEST_STAY);

	/* the day is kept, the time of day is what it is for leaving */
	day = day_of_time(stay->admitted + minutes * USECS_PER_MINUTE);
	stay->ends = midnight_of(day) +
		draw_second(facts, stream, dice_word(d), dice_word(d)) / SECS_PER_MINUTE * USECS_PER_MINUTE;
	while (stay->ends < stay->admitted + SHORTEST_STAY * USECS_PER_MINUTE)
		stay->ends += USECS_PER_DAY;
}

static int
stay_minutes(const Stay *stay)
{
	return (int) ((stay->ends - stay->admitted) / USECS_PER_MINUTE);
}

static void
add_phase(Stay *stay, int offset, Place place, MoveReason reason)
{
	Phase	   *phase;

	/* what was drawn apart may be in another order than told */
	if (stay->phase_count > 0)
		offset = Max(offset, stay->phases[stay->phase_count - 1].offset + PHASE_MINUTES);
	if (stay->phase_count == PHASES_MAX || (stay->phase_count > 0 && offset > stay_minutes(stay) - 60))
		return;
	phase = &stay->phases[stay->phase_count++];
	phase->offset = offset;
	phase->place = (uint8) place;
	phase->reason = (uint8) reason;
}

void
stay_space_phases(Stay *stay)
{
	for (int i = stay->phase + 1; i < stay->phase_count; i++)
	{
		Phase	   *phase = &stay->phases[i];

		phase->offset = Max(phase->offset, phase[-1].offset + PHASE_MINUTES);
		if (phase->offset > stay_minutes(stay) - 60)
			stay->phase_count = i;
	}
}

/* Minutes, log-normal with that mean (hours) and as much deviation. */
static int
draw_minutes(Dice *d, int hours, int most)
{
	LogNormal	distribution = lognormal((int64) hours * 65536, (int64) hours * 65536 * 8 / 10);
	int64		minutes = lognormal_draw(&distribution, dice_word(d)) * 60 >> 16;

	return (int) Min(Max(minutes, 120), Max(most, 120));
}

/* From "begin" on in intensive care, then down again. */
static void
plan_critical(Stay *stay, int begin, Dice *d)
{
	int			left = stay_minutes(stay) - begin;
	int			icu = draw_minutes(d, 90, left * 7 / 10);

	add_phase(stay, begin, PLACE_ICU, MOVE_INTENSIVE_CARE);
	if (stay->outcome == OUTCOME_DIED && dice_ppm(d, 450000))
		return;					/* dies there */
	if (dice_ppm(d, 500000))
	{
		add_phase(stay, begin + icu, PLACE_HIGH_CARE, MOVE_STEP_DOWN);
		icu += draw_minutes(d, 40, left / 4);
	}
	add_phase(stay, begin + icu, PLACE_WARD, MOVE_STEP_DOWN);
}

static void
plan_general(Stay *stay, const CaseCode *code, Dice *d)
{
	int			length = stay_minutes(stay);
	bool		critical = dice_ppm(d, code->icu);

	if (stay->department == casemix()->intensive_care ||
		stay->department == casemix()->paediatric_intensive_care)
	{
		add_phase(stay, 0, PLACE_ICU, MOVE_INTENSIVE_CARE);
		return;
	}
	if (critical && dice_ppm(d, SICK_AT_ONCE))
	{
		plan_critical(stay, 0, d);
		return;
	}
	if (dice_ppm(d, stay->triage == TRIAGE_RED ? 200000 : stay->triage == TRIAGE_ORANGE ? 60000 : 15000))
	{
		add_phase(stay, 0, PLACE_HIGH_CARE, MOVE_INTENSIVE_CARE);
		add_phase(stay, draw_minutes(d, 50, length / 2), PLACE_WARD, MOVE_STEP_DOWN);
	}
	else
		add_phase(stay, 0, PLACE_WARD, MOVE_BED);
	if (critical)
		plan_critical(stay, length / 5 + (int) dice_below(d, length / 3 + 1), d);
	else if (dice_ppm(d, 75000))
		add_phase(stay, length / 4 + (int) dice_below(d, length / 2 + 1), PLACE_WARD,
				  dice_ppm(d, 350000) ? MOVE_ISOLATION : MOVE_SPECIALIST);
	if (length > 14 * 1440 && dice_ppm(d, 120000) && age_on(stay->person.born, day_of_time(stay->admitted)) >= 13)
		add_phase(stay, length * 7 / 10, PLACE_STEP_DOWN, MOVE_REHABILITATION);
}

static void
plan_newborn(Stay *stay, const CaseCode *code, Dice *d)
{
	int			length = stay_minutes(stay);
	bool		tiny = strncmp(code->icd.data, "P07", 3) == 0;

	if (dice_ppm(d, Max(code->icu, 30000)))
	{
		add_phase(stay, 0, PLACE_ICU, MOVE_INTENSIVE_CARE);
		add_phase(stay, draw_minutes(d, 150, length / 2), PLACE_HIGH_CARE, MOVE_STEP_DOWN);
	}
	else if (dice_ppm(d, 520000))
		add_phase(stay, 0, PLACE_HIGH_CARE, MOVE_INTENSIVE_CARE);
	else
		add_phase(stay, 0, PLACE_WARD, MOVE_BED);
	if (length > 4 * 1440)
		add_phase(stay, length / 2, tiny ? PLACE_KMC : PLACE_WARD, MOVE_STEP_DOWN);
}

/* ---- operations and births ---- */

/* Electively in the morning of a working day, else when it has to be. */
static void
plan_theatre(Stay *stay, const CaseCode *code, Dice *d)
{
	TimestampTz at;
	bool		elective = stay->type == STAY_ELECTIVE;

	if (!dice_ppm(d, code->theatre))
		return;
	if (elective)
	{
		DateADT		day = day_of_time(stay->admitted) +
			(stay->admitted - midnight_of(day_of_time(stay->admitted)) > 7 * USECS_PER_HOUR);

		while (weekday_of(day) >= 6 || is_holiday(day))
			day++;
		at = midnight_of(day) + (8 * 60 + dice_below(d, 7 * 60)) * USECS_PER_MINUTE;
	}
	else
		at = stay->admitted + draw_minutes(d, 14, 4 * 1440) * USECS_PER_MINUTE;
	stay->theatre_minutes = 40 + code->class_rank * 35 + (int) dice_below(d, 60);
	if (at < stay->admitted + 30 * USECS_PER_MINUTE ||
		at + (stay->theatre_minutes + 90) * USECS_PER_MINUTE > stay->ends)
		return;
	stay->theatre = at;
}

static void
plan_maternity(Stay *stay, const CaseCode *code, Dice *d)
{
	bool		at_term = code->flags & CASE_ELECTIVE_CS;
	int			wait;

	if (!dice_ppm(d, code->delivers))
	{
		add_phase(stay, 0, PLACE_ANTENATAL, MOVE_MATERNITY);
		return;
	}
	stay->caesarean = dice_ppm(d, code->caesarean);
	stay->assisted = !stay->caesarean && (strncmp(code->icd.data, "O81", 3) == 0 || dice_ppm(d, 12000));
	stay->births = strncmp(code->icd.data, "O30", 3) == 0 || dice_ppm(d, 6000) ? 2 : 1;
	stay->stillbirth = strncmp(code->icd.data, "O36.4", 5) == 0 || dice_ppm(d, 11000);

	/* straight into labour, or days in the antenatal ward before */
	if (at_term || code->mean_stay > 4 * 65536)
	{
		wait = at_term ? 14 * 60 + (int) dice_below(d, 300) :
			Max(draw_minutes(d, 40, 6 * 1440), PHASE_MINUTES);
		add_phase(stay, 0, PLACE_ANTENATAL, MOVE_MATERNITY);
		add_phase(stay, wait, PLACE_LABOUR, MOVE_MATERNITY);
	}
	else
	{
		wait = 0;
		add_phase(stay, 0, PLACE_LABOUR, MOVE_MATERNITY);
	}
	wait += draw_minutes(d, 7, 26 * 60);
	stay->delivery = stay->admitted + wait * USECS_PER_MINUTE;
	if (stay->ends < stay->delivery + 20 * USECS_PER_HOUR)
		stay->ends = stay->delivery + (20 * 60 + dice_below(d, 600)) * USECS_PER_MINUTE;
	if (stay->outcome != OUTCOME_DIED)
		stay->outcome = OUTCOME_DISCHARGED;
	if (stay->caesarean)
	{
		stay->theatre = stay->delivery - 30 * USECS_PER_MINUTE;
		stay->theatre_minutes = 60 + (int) dice_below(d, 30);
	}
	if (dice_ppm(d, 20000))
	{
		add_phase(stay, wait + 150, PLACE_HIGH_CARE, MOVE_INTENSIVE_CARE);
		wait += draw_minutes(d, 30, 48 * 60);
	}
	add_phase(stay, wait + 150, PLACE_POSTNATAL, MOVE_MATERNITY);
}

void
stay_plan(Stay *stay, uint64 seed, const DayFacts *facts)
{
	const CaseCode *code = &casemix()->codes[stay->code];
	Dice		d = dice(seed, RANDOM_STAY, (uint64) stay->admission_id, 0);

	plan_outcome(stay, code, facts, &d);
	plan_length(stay, code, facts, &d);
	if (stay->type == STAY_NEWBORN)
		plan_newborn(stay, code, &d);
	else if (stay->type == STAY_MATERNITY)
		plan_maternity(stay, code, &d);
	else
	{
		plan_general(stay, code, &d);
		plan_theatre(stay, code, &d);
	}
	stay->phase = 0;
}
