/*
 * casemix.c: the diagnoses that patients come with, and what each asks for.
 *
 * The reference tables (diagnosis_profile, lab_tests, medicines, tariffs, ...)
 * parsed into arrays once a process.  What is asked for with a diagnosis
 * (laboratory panels, treatments, clinic appointments) is found by prefixes of
 * its code: every rule of lab_requests and treatment_requests that fits counts,
 * of two rules for the same panel or fee the one with the longer prefix.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "calendar.h"
#include "casemix.h"
#include "reference.h"
#include "wards.h"

#define MILLION 1000000

const uint8 age_group_first[AGE_GROUPS + 1] = {0, 1, 5, 15, 25, 45, 65, 111};

static CaseMix mix;
static bool ready = false;

static RecText
text_of(const char *cell)
{
	RecText		text = {cell, cell == NULL ? 0 : (uint32) strlen(cell)};

	return text;
}

static int
number_of(const char *cell)
{
	return cell == NULL ? 0 : atoi(cell);
}

static uint32
ppm_of(const char *cell)
{
	return (uint32) reference_scaled(cell, 6);
}

static bool
has_prefix(const char *text, const char *prefix)
{
	return prefix[0] == '*' || strncmp(text, prefix, strlen(prefix)) == 0;
}

/* ---- finding ---- */

int
department_number(const char *code)
{
	for (int i = 0; i < mix.department_count; i++)
		if (strcmp(mix.departments[i].code, code) == 0)
			return i;
	elog(ERROR, "department \"%s\" is missing from the reference data", code);
	return -1;					/* not reached */
}

/* -1: none */
static int
case_number(const char *icd)
{
	for (int i = 0; i < mix.code_count; i++)
		if (strcmp(mix.codes[i].icd.data, icd) == 0)
			return i;
	return -1;
}

int
fee_number(const char *code)
{
	for (int i = 0; i < mix.fee_count; i++)
		if (strcmp(mix.fees[i].code.data, code) == 0)
			return i;
	elog(ERROR, "fee \"%s\" is missing from the reference data", code);
	return -1;					/* not reached */
}

static int
panel_number(const char *name)
{
	for (int i = 0; i < mix.panel_count; i++)
		if (strcmp(mix.panels[i].name, name) == 0)
			return i;
	elog(ERROR, "laboratory panel \"%s\" is missing from the reference data", name);
	return -1;					/* not reached */
}

int
age_group_of(int age_years)
{
	int			group = AGE_GROUPS - 1;

	while (group > 0 && age_years < age_group_first[group])
		group--;
	return group;
}

int
case_department(const CaseCode *code, int age_years, int age_days)
{
	if (age_days < 28 && !(code->flags & CASE_INJURY))
		return mix.neonatology;
	if (age_years < 13)
		return mix.departments[code->department].for_children;
	return code->department;
}

/* ---- departments ---- */

static void
read_departments(void)
{
	const ReferenceTable *table = reference_named("department_plan");
	int			paediatrics;
	int			surgery;

	mix.departments = palloc0(table->nrows * sizeof(Department));
	for (int i = 0; i < table->nrows; i++)
	{
		Department *d = &mix.departments[mix.department_count++];

		d->code = reference_cell(table, i, "department_code");
		d->code_text = text_of(d->code);
		d->group = reference_cell(table, i, "dept_group");
		d->medicine = strcmp(d->group, "Medicine") == 0;
		d->for_children = i;
	}
	mix.emergency = department_number("ED");
	mix.obstetrics = department_number("OBS");
	mix.neonatology = department_number("NEO");
	mix.intensive_care = department_number("ICU");
	mix.paediatric_intensive_care = department_number("PIC");
	paediatrics = department_number("PAE");
	surgery = department_number("PSU");
	for (int i = 0; i < mix.department_count; i++)
	{
		Department *d = &mix.departments[i];

		if (d->medicine)
			d->for_children = paediatrics;
		else if (strcmp(d->code, "GSU") == 0 || strcmp(d->code, "URO") == 0 ||
				 strcmp(d->code, "VAS") == 0)
			d->for_children = surgery;
	}
}

/* ---- diagnoses ---- */

static uint32
flags_of(const char *icd, const char *department, int max_age)
{
	uint32		flags = 0;

	if (icd[0] == 'S' || icd[0] == 'T')
		flags |= CASE_INJURY;
	if (has_prefix(icd, "B20") || has_prefix(icd, "B22") || has_prefix(icd, "B24") ||
		has_prefix(icd, "Z21") || has_prefix(icd, "O98.7") || has_prefix(icd, "B45") ||
		has_prefix(icd, "B48.5") || has_prefix(icd, "C46"))
		flags |= CASE_HIV;
	if (has_prefix(icd, "A15") || has_prefix(icd, "A16") || has_prefix(icd, "A17") ||
		has_prefix(icd, "A18") || has_prefix(icd, "A19"))
		flags |= CASE_TB;
	if (has_prefix(icd, "U07"))
		flags |= CASE_COVID;
	if (has_prefix(icd, "B05"))
		flags |= CASE_MEASLES;
	if (has_prefix(icd, "A00"))
		flags |= CASE_CHOLERA;
	if (has_prefix(icd, "T20") || has_prefix(icd, "T29") || has_prefix(icd, "T30"))
		flags |= CASE_BURN;
	if (icd[0] == 'P' || has_prefix(icd, "Z38"))
		flags |= CASE_PERINATAL;
	if (icd[0] == 'O' || has_prefix(icd, "Z34") || has_prefix(icd, "Z39"))
		flags |= CASE_PREGNANCY;
	if (has_prefix(icd, "Z39"))
		flags |= CASE_POSTPARTUM;
	if (strcmp(department, "PAE") == 0 || strcmp(department, "PSU") == 0 ||
		strcmp(department, "NEO") == 0 || max_age < 15)
		flags |= CASE_PAEDIATRIC;
	if (has_prefix(icd, "E41") || has_prefix(icd, "E43"))
		flags |= CASE_MALNUTRITION;
	if (has_prefix(icd, "A00") || has_prefix(icd, "A36") || has_prefix(icd, "B05") ||
		has_prefix(icd, "A39"))
		flags |= CASE_NOTIFIABLE;
	if (has_prefix(icd, "O04"))
		flags |= CASE_ABORTION;
	if (has_prefix(icd, "T74.2"))
		flags |= CASE_ASSAULT;
	if (icd[0] == 'C' || has_prefix(icd, "Z51.1") || has_prefix(icd, "Z51.0"))
		flags |= CASE_CANCER;
	if (has_prefix(icd, "J12") || has_prefix(icd, "J13") || has_prefix(icd, "J15") || has_prefix(icd, "J18"))
		flags |= CASE_PNEUMONIA;
	if (has_prefix(icd, "O82.0"))
		flags |= CASE_ELECTIVE_CS;
	return flags;
}

/*
 * Which admissions end in a birth, and how many of those by caesarean section:
 * with 43 percent of all as in volumes.csv.  Estimate.
 */
static const struct
{
	const char *prefix;
	uint32		delivers;
	uint32		caesarean;
}			deliveries[] = {
	{"O80", MILLION, 0}, {"O81", MILLION, 0}, {"O82", MILLION, MILLION}, {"O75.7", MILLION, 0},
	{"O60", MILLION, 500000}, {"O62", MILLION, 640000}, {"O64", MILLION, 860000},
	{"O68", MILLION, 840000}, {"O34.2", 900000, 870000}, {"O14", 880000, 700000},
	{"O15", 880000, 720000}, {"O24", 800000, 600000}, {"O42", 850000, 430000},
	{"O44", 850000, 970000}, {"O45", 900000, 740000}, {"O36.4", 970000, 120000},
	{"O72.1", 850000, 250000}, {"O98.7", 800000, 450000}, {"O30", 850000, 650000},
	{"O13", 550000, 560000}, {"O10", 500000, 500000},
};

static void
set_delivery(CaseCode *code)
{
	for (int i = 0; i < (int) lengthof(deliveries); i++)
		if (has_prefix(code->icd.data, deliveries[i].prefix))
		{
			code->delivers = deliveries[i].delivers;
			code->caesarean = deliveries[i].caesarean;
		}
}

static void
set_clinic(CaseCode *code)
{
	const ReferenceTable *table = reference_named("clinic_plans");
	size_t		longest = 0;

	for (int i = 0; i < table->nrows; i++)
	{
		const char *prefix = reference_cell(table, i, "icd10_prefix");

		if (!has_prefix(code->icd.data, prefix) || strlen(prefix) < longest)
			continue;
		longest = strlen(prefix);
		code->clinic_weeks = number_of(reference_cell(table, i, "interval_weeks"));
		code->clinic_visits = number_of(reference_cell(table, i, "visits"));
	}
}

static Way
way_of(const char *stream)
{
	return strcmp(stream, "MATERNITY") == 0 ? WAY_MATERNITY :
		strcmp(stream, "ELECTIVE") == 0 ? WAY_ELECTIVE :
		strcmp(stream, "OPD") == 0 ? WAY_OPD : WAY_ED;
}

/*
 * Ages by the admissions of each group.  Codes that are never admitted take
 * them in proportion to years of life within their limits.
 */
static void
set_ages(CaseCode *code, const ReferenceTable *table, int row)
{
	static const char *const columns[AGE_GROUPS] = {
		"adm_lt1", "adm_1_4", "adm_5_14", "adm_15_24", "adm_25_44", "adm_45_64", "adm_65p"
	};
	uint32		sum = 0;

	for (int g = 0; g < AGE_GROUPS; g++)
	{
		int			first = Max(age_group_first[g], code->min_age);
		int			last = Min(age_group_first[g + 1] - 1, code->max_age);
		int64		weight = reference_scaled(reference_cell(table, row, columns[g]), 2);

		if (first > last)
			weight = 0;
		else if (code->admissions < 500)
			weight = (Min(last, 80) - first + 1) * 10;
		sum += (uint32) Max(weight, 0);
		code->ages[g] = sum;
	}
	if (sum == 0)
		for (int g = 0; g < AGE_GROUPS; g++)
			code->ages[g] = g + 1;
}

static void
read_codes(void)
{
	const ReferenceTable *table = reference_named("diagnosis_profile");

	mix.codes = palloc0(table->nrows * sizeof(CaseCode));
	for (int i = 0; i < table->nrows; i++)
	{
		CaseCode   *c = &mix.codes[mix.code_count++];
		const char *department = reference_cell(table, i, "department_code");
		int64		mean = reference_scaled(reference_cell(table, i, "mean_los_days"), 3);
		int64		sd = reference_scaled(reference_cell(table, i, "los_sd"), 3);

		c->icd = text_of(reference_cell(table, i, "icd10"));
		c->description = text_of(reference_cell(table, i, "description"));
		c->department = department_number(department);
		c->way = way_of(reference_cell(table, i, "stream"));
		c->sex = reference_cell(table, i, "sex")[0];
		c->min_age = number_of(reference_cell(table, i, "min_age"));
		c->max_age = number_of(reference_cell(table, i, "max_age"));
		c->male = ppm_of(reference_cell(table, i, "male_share"));
		c->admissions = reference_scaled(reference_cell(table, i, "adm_total"), 2);
		c->ed_visits = reference_scaled(reference_cell(table, i, "ed_only_visits"), 2);
		c->opd_visits = reference_scaled(reference_cell(table, i, "opd_visits"), 2);
		c->mean_stay = mean * 65536 / 1000;
		c->stay = lognormal(c->mean_stay, Max(sd, 100) * 65536 / 1000);
		c->mortality = ppm_of(reference_cell(table, i, "mortality"));
		c->season = season_number(reference_cell(table, i, "season_profile"));
		c->icu = ppm_of(reference_cell(table, i, "icu_prob"));
		c->theatre = ppm_of(reference_cell(table, i, "theatre_prob"));
		c->flags = flags_of(c->icd.data, department, c->max_age);
		c->class_rank = c->mean_stay > 12 * 65536 ? 3 : c->mean_stay > 7 * 65536 ? 2 :
			c->mean_stay > 3 * 65536 ? 1 : 0;
		set_ages(c, table, i);
		set_delivery(c);
		set_clinic(c);
	}
}

/* ---- requests ---- */

/* Add a rule's request; a longer prefix (rules come in any order) wins. */
static void
add_request(RequestList *list, size_t *lengths, int what, uint32 probability, size_t length)
{
	for (int i = 0; i < list->count; i++)
	{
		if (list->requests[i].what != what)
			continue;
		if (length >= lengths[i])
		{
			list->requests[i].probability = probability;
			lengths[i] = length;
		}
		return;
	}
	list->requests[list->count].what = (uint16) what;
	list->requests[list->count].probability = probability;
	lengths[list->count++] = length;
}

/* A table of rules, read once for all the codes that ask it. */
typedef struct RequestRule
{
	const char *prefix;			/* of codes; "*" for all */
	const char *setting;
	int			what;
	uint32		probability;
} RequestRule;

typedef struct RequestRules
{
	int			count;
	RequestRule *rules;
} RequestRules;

static RequestRules
read_rules(const char *table_name, const char *what_column, int (*number) (const char *))
{
	const ReferenceTable *table = reference_named(table_name);
	RequestRules all = {table->nrows, palloc(table->nrows * sizeof(RequestRule))};

	for (int i = 0; i < table->nrows; i++)
	{
		all.rules[i].prefix = reference_cell(table, i, "icd10_prefix");
		all.rules[i].setting = reference_cell(table, i, "setting");
		all.rules[i].what = number(reference_cell(table, i, what_column));
		all.rules[i].probability = ppm_of(reference_cell(table, i, "probability"));
	}
	return all;
}

static void
find_requests(const RequestRules *all, const char *icd, const char *setting, RequestList *list)
{
	size_t		lengths[64];
	Request		found[64];

	list->count = 0;
	list->requests = found;
	for (int i = 0; i < all->count; i++)
	{
		const RequestRule *rule = &all->rules[i];

		if (!has_prefix(icd, rule->prefix) || strcmp(rule->setting, setting) != 0)
			continue;
		if (list->count == lengthof(found))
			elog(ERROR, "too many requests for \"%s\"", icd);
		add_request(list, lengths, rule->what, rule->probability,
					rule->prefix[0] == '*' ? 0 : strlen(rule->prefix));
	}
	list->requests = palloc(Max(list->count, 1) * sizeof(Request));
	memcpy(list->requests, found, list->count * sizeof(Request));
}

static void
read_requests(void)
{
	static const char *const settings[SETTINGS] = {"IN", "DAY", "ED", "OPD"};
	RequestRules labs = read_rules("lab_requests", "panel", panel_number);
	RequestRules treatments = read_rules("treatment_requests", "fee_code", fee_number);

	for (int i = 0; i < mix.code_count; i++)
		for (int s = 0; s < SETTINGS; s++)
		{
			CaseCode   *c = &mix.codes[i];

			find_requests(&labs, c->icd.data, settings[s], &c->labs[s]);
			find_requests(&treatments, c->icd.data, settings[s], &c->treatments[s]);
		}
	pfree(labs.rules);
	pfree(treatments.rules);
}

/* ---- laboratory ---- */

/* Decimals of a range as written, one more for a narrow one. */
static int
decimals_of(const char *cell)
{
	const char *point = cell == NULL ? NULL : strchr(cell, '.');

	return point == NULL ? 0 : (int) strlen(point + 1);
}

static void
read_tests(void)
{
	const ReferenceTable *table = reference_named("lab_tests");
	const ReferenceTable *panels = reference_named("lab_panels");

	mix.tests = palloc0(table->nrows * sizeof(LabTest));
	for (int i = 0; i < table->nrows; i++)
	{
		LabTest    *t = &mix.tests[mix.test_count++];
		const char *unit = reference_cell(table, i, "unit");
		const char *low = reference_cell(table, i, "normal_low");
		const char *high = reference_cell(table, i, "normal_high");

		t->code = text_of(reference_cell(table, i, "loinc"));
		t->name = text_of(reference_cell(table, i, "name"));
		t->qualitative = strcmp(unit, "qualitative") == 0 || t->code.length == 0;
		if (!t->qualitative)
			t->unit = text_of(unit);
		t->specimen = text_of(reference_cell(table, i, "specimen"));
		t->low = reference_scaled(low, 4);
		t->high = reference_scaled(high, 4);
		t->scale = Max(decimals_of(low), decimals_of(high));
		if (t->scale == 0 && t->high < 30 * 10000 && t->high > 0)
			t->scale = 1;
		if (t->scale > 3)
			t->scale = 3;
	}
	mix.panels = palloc0(panels->nrows * sizeof(LabPanel));
	for (int i = 0; i < panels->nrows; i++)
	{
		const char *name = reference_cell(panels, i, "panel");
		const char *loinc = reference_cell(panels, i, "loinc");
		LabPanel   *p;
		int			test = 0;

		if (mix.panel_count == 0 || strcmp(mix.panels[mix.panel_count - 1].name, name) != 0)
			mix.panels[mix.panel_count++].name = name;
		p = &mix.panels[mix.panel_count - 1];
		while (test < mix.test_count && strcmp(mix.tests[test].code.data, loinc) != 0)
			test++;
		if (test == mix.test_count || p->count == lengthof(p->tests))
			elog(ERROR, "laboratory panel \"%s\" asks for \"%s\"", name, loinc);
		p->tests[p->count++] = (uint16) test;
	}
}

/* ---- medicines ---- */

static void
read_dosages(void)
{
	const ReferenceTable *table = reference_named("dosage_forms");

	mix.dosages = palloc0(table->nrows * sizeof(Dosage));
	for (int i = 0; i < table->nrows; i++)
	{
		mix.dosages[i].text = text_of(reference_cell(table, i, "dosage"));
		mix.dosages[i].weight = (uint32) number_of(reference_cell(table, i, "weight"));
		mix.dosages[i].units = (int) reference_scaled(reference_cell(table, i, "units_per_day"), 3);
	}
}

static void
set_dosages(Medicine *m, const char *form)
{
	const ReferenceTable *table = reference_named("dosage_forms");

	for (int pass = 0; pass < 2 && m->forms == 0; pass++)
		for (int i = 0; i < table->nrows; i++)
		{
			if (strcmp(reference_cell(table, i, "form"), pass == 0 ? form : "*") != 0)
				continue;
			if (m->forms++ == 0)
				m->first_form = i;
			m->form_weight += mix.dosages[i].weight;
		}
}

static int
molecule_number(char atcs[][8], const char *atc)
{
	for (int i = 0; i < mix.molecule_count; i++)
		if (strcmp(atcs[i], atc) == 0)
			return i;
	strlcpy(atcs[mix.molecule_count], atc, 8);
	return mix.molecule_count++;
}

static void
read_interactions(char atcs[][8])
{
	const ReferenceTable *table = reference_named("drug_interactions");

	mix.interactions = palloc0((Size) mix.molecule_count * mix.molecule_count);
	for (int i = 0; i < table->nrows; i++)
	{
		const char *severity = reference_cell(table, i, "severity");
		uint8		level = strcmp(severity, "contraindicated") == 0 ? 3 :
			strcmp(severity, "major") == 0 ? 2 : 1;
		const char *a = reference_cell(table, i, "atc_a");
		const char *b = reference_cell(table, i, "atc_b");

		for (int x = 0; x < mix.molecule_count; x++)
		{
			if (!has_prefix(atcs[x], a))
				continue;
			for (int y = 0; y < mix.molecule_count; y++)
				if (has_prefix(atcs[y], b))
				{
					mix.interactions[x * mix.molecule_count + y] = level;
					mix.interactions[y * mix.molecule_count + x] = level;
				}
		}
	}
}

/* Stock that is used up in theatre or on a ward is nobody's prescription. */
static bool
is_prescribed(const Medicine *m, const char *form)
{
	return strcmp(form, "Needle") != 0 && strcmp(form, "Gas") != 0 && strcmp(form, "Stick") != 0 &&
		strcmp(form, "Dental cartridge") != 0 && m->atc[0] != 'V' && !has_prefix(m->atc, "N01");
}

static void
read_medicines(void)
{
	const ReferenceTable *table = reference_named("medicines");
	char		(*atcs)[8] = palloc0(table->nrows * 8);

	mix.medicines = palloc0(table->nrows * sizeof(Medicine));
	for (int i = 0; i < table->nrows; i++)
	{
		Medicine   *m = &mix.medicines[mix.medicine_count++];
		const char *level = reference_cell(table, i, "care_level");

		m->id = text_of(reference_cell(table, i, "medicine_id"));
		strlcpy(m->atc, reference_cell(table, i, "atc"), sizeof(m->atc));
		m->molecule = molecule_number(atcs, m->atc);
		m->pack_price = reference_scaled(reference_cell(table, i, "price"), 2);
		m->pack_units = Max((int) reference_scaled(reference_cell(table, i, "pack_size"), 3), 1);
		m->level = strcmp(level, "PHC") == 0 ? 0 : strcmp(level, "HOSP") == 0 ? 1 : 2;
		m->chronic = strchr("ABCGHLMN", m->atc[0]) != NULL || has_prefix(m->atc, "J05") ||
			has_prefix(m->atc, "J04") || has_prefix(m->atc, "R03");
		m->indications = reference_cell(table, i, "indication_icd10");
		m->demand = fixed_sqrt((uint64) reference_scaled(reference_cell(table, i, "national_award_units"), 0)) / 100;
		m->prescribed = is_prescribed(m, reference_cell(table, i, "form"));
		set_dosages(m, reference_cell(table, i, "form"));
	}
	read_interactions(atcs);
	pfree(atcs);
}

/* Does the list "K05;B37.0" have a prefix of the code?  The longest one's length. */
static size_t
indication_match(const char *list, const char *icd)
{
	size_t		best = 0;

	while (list != NULL && *list != '\0')
	{
		size_t		same = 0;

		while (list[same] != '\0' && list[same] != ';' && list[same] == icd[same])
			same++;
		list += same;
		if (*list == '\0' || *list == ';')
			best = Max(best, same);
		while (*list != '\0' && *list++ != ';')
			;
	}
	return best;
}

/*
 * What is prescribed with a code: by the units that the country buys, damped (a
 * cytostatic is not prescribed a thousand times more rarely than an aspirin to
 * those who need it).  A medicine that names the very code counts double.
 */
static void
match_medicines(CaseCode *code)
{
	MedicineChoice found[512];
	uint32		sum = 0;

	for (int i = 0; i < mix.medicine_count; i++)
	{
		const Medicine *m = &mix.medicines[i];
		size_t		length = m->prescribed ? indication_match(m->indications, code->icd.data) : 0;

		if (length == 0 || code->medicine_count == lengthof(found))
			continue;
		sum += 1 + m->demand * (length >= 5 ? 2 : 1);
		found[code->medicine_count].medicine = (uint16) i;
		found[code->medicine_count++].upto = sum;
	}
	code->medicines = palloc(Max(code->medicine_count, 1) * sizeof(MedicineChoice));
	memcpy(code->medicines, found, code->medicine_count * sizeof(MedicineChoice));
}

/* ---- fees, comorbidities, causes ---- */

static void
read_fees(void)
{
	static const char *const columns[5] = {
		"price_h0_zar", "price_h1_zar", "price_h2_zar", "price_h3_zar", "price_full_zar"
	};
	const ReferenceTable *table = reference_named("tariffs");

	mix.fees = palloc0(table->nrows * sizeof(Fee));
	for (int i = 0; i < table->nrows; i++)
	{
		Fee		   *f = &mix.fees[mix.fee_count++];

		f->code = text_of(reference_cell(table, i, "fee_code"));
		f->description = text_of(reference_cell(table, i, "description"));
		f->group = reference_cell(table, i, "fee_group");
		for (int k = 0; k < 5; k++)
			f->price[k] = reference_scaled(reference_cell(table, i, columns[k]), 2);
	}
}

static void
read_comorbidities(void)
{
	static const char *const columns[AGE_GROUPS] = {
		"prev_lt1", "prev_1_4", "prev_5_14", "prev_15_24", "prev_25_44", "prev_45_64", "prev_65p"
	};
	const ReferenceTable *table = reference_named("comorbidities");

	mix.comorbidities = palloc0(table->nrows * sizeof(Comorbidity));
	for (int i = 0; i < table->nrows; i++)
	{
		Comorbidity *c = &mix.comorbidities[mix.comorbidity_count++];

		c->icd = text_of(reference_cell(table, i, "icd10"));
		c->description = text_of(reference_cell(table, i, "condition"));
		c->sex = reference_cell(table, i, "sex")[0];
		c->hiv = strcmp(c->icd.data, "B24") == 0;
		c->code = case_number(c->icd.data);
		for (int g = 0; g < AGE_GROUPS; g++)
			c->prevalence[g] = ppm_of(reference_cell(table, i, columns[g]));
	}
}

static void
read_causes(void)
{
	const ReferenceTable *table = reference_named("external_causes");

	mix.causes = palloc0(table->nrows * sizeof(ExternalCause));
	for (int i = 0; i < table->nrows; i++)
	{
		ExternalCause *c = &mix.causes[mix.cause_count++];

		c->icd = text_of(reference_cell(table, i, "icd10"));
		c->description = text_of(reference_cell(table, i, "description"));
		c->mechanism = reference_cell(table, i, "mechanism");
		c->share = ppm_of(reference_cell(table, i, "share_of_injury_visits"));
		c->male = ppm_of(reference_cell(table, i, "male_share"));
	}
}

const CaseMix *
casemix(void)
{
	MemoryContext old;

	if (ready)
		return &mix;
	memset(&mix, 0, sizeof(mix));
	old = MemoryContextSwitchTo(TopMemoryContext);
	read_departments();
	read_codes();
	mix.born_here = case_number("Z38.0");
	read_tests();
	read_fees();
	read_requests();
	read_dosages();
	read_medicines();
	for (int i = 0; i < mix.code_count; i++)
		match_medicines(&mix.codes[i]);
	read_comorbidities();
	read_causes();
	MemoryContextSwitchTo(old);
	ready = true;
	return &mix;
}
