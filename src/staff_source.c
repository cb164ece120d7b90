/*
 * staff_source.c: the staff as rows: who they are, beyond when they work.
 *
 * Two things must not collide across the staff.  The identity numbers of those
 * who share the digits of birth date and sex take successive ranks of the part
 * of the day's numbers that is kept for staff.  Registration numbers are drawn
 * at random in their council's form (the forms of several roles overlap) and
 * drawn again when taken.  Both go in order of staff_id, so that a longer
 * history changes nobody's number.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/datetime.h"

#include "compat.h"
#include "population.h"
#include "rowsource.h"
#include "workforce.h"

PG_FUNCTION_INFO_V1(hospital_generate_staff);

#define REGISTRATION_LENGTH 15
#define REGISTRATION_TRIES 10000

enum StaffColumn
{
	S_STAFF_ID,
	S_NATIONAL_ID,
	S_FIRST_NAME,
	S_LAST_NAME,
	S_DATE_OF_BIRTH,
	S_SEX,
	S_ROLE,
	S_SPECIALTY,
	S_DEPARTMENT_CODE,
	S_REGISTRATION_NO,
	S_HIRED_ON,
	S_RETIRES_ON,
	S_LEFT_ON,
	S_REPLACES_STAFF_ID,
	S_COLUMNS
};

static const RowColumn staff_columns[S_COLUMNS] = {
	[S_STAFF_ID] = {"staff_id", INT8OID},
	[S_NATIONAL_ID] = {"national_id", TEXTOID},
	[S_FIRST_NAME] = {"first_name", TEXTOID},
	[S_LAST_NAME] = {"last_name", TEXTOID},
	[S_DATE_OF_BIRTH] = {"date_of_birth", DATEOID},
	[S_SEX] = {"sex", TEXTOID},
	[S_ROLE] = {"role", TEXTOID},
	[S_SPECIALTY] = {"specialty", TEXTOID},
	[S_DEPARTMENT_CODE] = {"department_code", TEXTOID},
	[S_REGISTRATION_NO] = {"registration_no", TEXTOID},
	[S_HIRED_ON] = {"hired_on", DATEOID},
	[S_RETIRES_ON] = {"retires_on", DATEOID},
	[S_LEFT_ON] = {"left_on", DATEOID},
	[S_REPLACES_STAFF_ID] = {"replaces_staff_id", INT8OID},
};

typedef struct CouncilNumber
{
	char		digits[REGISTRATION_LENGTH + 1];	/* "" where there is no council */
} CouncilNumber;

typedef struct StaffSource
{
	RowSource	base;
	Workforce  *workforce;
	bool		marked;
	int16	   *id_ranks;		/* [staff] */
	CouncilNumber *registrations;	/* [staff] */
	Datum	   *role_texts;		/* [role][3]: role, specialty, department or 0 */
	Datum		sex_texts[2];
} StaffSource;

/* ---- identity numbers ---- */

typedef struct BirthKey
{
	int32		digits;			/* of YYMMDD and sex */
	int32		staff;
} BirthKey;

static int
compare_birth_keys(const void *a, const void *b)
{
	const BirthKey *x = a;
	const BirthKey *y = b;

	if (x->digits != y->digits)
		return x->digits < y->digits ? -1 : 1;
	return x->staff < y->staff ? -1 : x->staff > y->staff;
}

static int32
birth_digits(const StaffMember *member)
{
	int			year,
				month,
				day;

	j2date(member->born + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	return (((year % 100) * 12 + month) * 32 + day) * 2 + (member->female ? 1 : 0);
}

static int16 *
assign_id_ranks(const Workforce *workforce)
{
	int			n = workforce->staff_count;
	BirthKey   *keys = palloc_extended(mul_size(n, sizeof(BirthKey)), MCXT_ALLOC_HUGE);
	int16	   *ranks = palloc(n * sizeof(int16));
	int			rank = 0;

	for (int i = 0; i < n; i++)
	{
		keys[i].digits = birth_digits(&workforce->staff[i]);
		keys[i].staff = i;
	}
	qsort(keys, n, sizeof(BirthKey), compare_birth_keys);
	for (int i = 0; i < n; i++)
	{
		rank = i > 0 && keys[i].digits == keys[i - 1].digits ? rank + 1 : ID_RANK_STAFF;
		if (rank >= ID_RANKS)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("identity numbers for staff have run out"),
					 errdetail("More than %d staff share a birth date and sex.",
							   ID_RANKS - ID_RANK_STAFF),
					 errhint("Ask for fewer beds or fewer years.")));
		ranks[keys[i].staff] = (int16) rank;
	}
	pfree(keys);
	return ranks;
}

/* ---- registration numbers ---- */

/*
 * Write a number in this form: '#' a digit, '@' a letter, '(ABC)' one of
 * those, anything else itself.
 */
static void
write_registration(char *out, const char *form, uint64 key)
{
	int			length = 0;

	for (const char *p = form; *p != '\0' && length < REGISTRATION_LENGTH; p++)
	{
		uint32		word = (uint32) (mix64(key + length) >> 32);

		if (*p == '#')
			out[length++] = '0' + random_below(word, 10);
		else if (*p == '@')
			out[length++] = 'A' + random_below(word, 26);
		else if (*p == '(')
		{
			size_t		choices = strcspn(p + 1, ")");

			out[length++] = p[1 + random_below(word, (uint32) choices)];
			p += choices + 1;
		}
		else
			out[length++] = *p;
	}
	out[length] = '\0';
}

static uint64
hash_text(const char *text)
{
	uint64		hash = 0;

	for (; *text != '\0'; text++)
		hash = mix64(hash ^ (uint64) (unsigned char) *text);
	return hash;
}

/*
 * Find the number in the table of those given out (open addressing, entries
 * are indexes of staff plus one), or enter it.  True when it was free.
 */
static bool
enter_registration(int32 *table, uint32 mask, const CouncilNumber *registrations, int staff)
{
	uint32		slot = (uint32) hash_text(registrations[staff].digits) & mask;

	for (; table[slot] != 0; slot = (slot + 1) & mask)
		if (strcmp(registrations[table[slot] - 1].digits, registrations[staff].digits) == 0)
			return false;
	table[slot] = staff + 1;
	return true;
}

static void
draw_registration(const Workforce *workforce, int staff, int32 *table, uint32 mask,
				  CouncilNumber *registrations)
{
	const StaffMember *member = &workforce->staff[staff];
	const StaffRole *role = post_role(workforce, member->post);

	for (uint32 attempt = 0; attempt < REGISTRATION_TRIES; attempt++)
	{
		RandomBlock random = random_block(workforce->seed, RANDOM_STAFF, member->key, 16 + attempt);

		write_registration(registrations[staff].digits, role->registration,
						   (uint64) random.v[0] << 32 | random.v[1]);
		if (enter_registration(table, mask, registrations, staff))
			return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("registration numbers of the form \"%s\" have run out", role->registration),
			 errhint("Ask for fewer beds or fewer years.")));
}

static CouncilNumber *
assign_registrations(const Workforce *workforce)
{
	int			n = workforce->staff_count;
	CouncilNumber *registrations =
		palloc_extended(mul_size(n, sizeof(CouncilNumber)), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	uint32		size = 1024;
	int32	   *table;

	while (size < (uint32) n * 2)
		size *= 2;
	table = palloc_extended(mul_size(size, sizeof(int32)), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (post_role(workforce, workforce->staff[i].post)->registration != NULL)
			draw_registration(workforce, i, table, size - 1, registrations);
	}
	pfree(table);
	return registrations;
}

/* ---- the source ---- */

static void
make_texts(StaffSource *source)
{
	source->role_texts = palloc0(staff_role_count * 3 * sizeof(Datum));
	for (int i = 0; i < staff_role_count; i++)
	{
		const StaffRole *role = &staff_roles[i];

		source->role_texts[i * 3] = CStringGetTextDatum(role->role);
		source->role_texts[i * 3 + 1] = CStringGetTextDatum(role->specialty);
		if (role->department != NULL)
			source->role_texts[i * 3 + 2] = CStringGetTextDatum(role->department);
	}
	source->sex_texts[0] = CStringGetTextDatum("M");
	source->sex_texts[1] = CStringGetTextDatum("F");
	pool_texts_init();
}

static RowSource *
staff_open(const NullableDatum *args, int nargs, const Bitmapset *wanted)
{
	StaffSource *source = palloc0(sizeof(StaffSource));

	source->marked = id_mode_is_marked(text_to_cstring(DatumGetTextPP(args[4].value)));
	source->workforce = workforce_build(DatumGetInt32(args[0].value),
										(uint64) DatumGetInt64(args[1].value),
										DatumGetDateADT(args[2].value),
										DatumGetDateADT(args[3].value));
	if (wanted == NULL || bms_is_member(S_NATIONAL_ID, wanted))
		source->id_ranks = assign_id_ranks(source->workforce);
	if (wanted == NULL || bms_is_member(S_REGISTRATION_NO, wanted))
		source->registrations = assign_registrations(source->workforce);
	make_texts(source);
	source->base.methods = &staff_source;
	source->base.nrows = source->workforce->staff_count;
	return &source->base;
}

/* Who they are: names follow the city's languages. */
static void
set_names(StaffSource *source, const StaffMember *member, Datum *values, IdStatus *status)
{
	uint64		seed = source->workforce->seed;
	RandomBlock person = random_block(seed, RANDOM_STAFF, member->key, 1);
	RandomBlock names = random_block(seed, RANDOM_STAFF, member->key, 2);
	const LanguageGroup *cell = &language_groups[alias_draw(&language_group_draw, person.v[0])];
	bool		foreign = random_chance(person.v[1], cell->non_citizen);
	int			pool = foreign ? cell->foreign_name_pool : cell->name_pool;

	/* the public service employs foreigners with permanent residence */
	*status = foreign ? ID_RESIDENT : ID_CITIZEN;
	values[S_FIRST_NAME] = pool_text(draw_first_name(pool, member->female,
													 birth_era(member->born),
													 names.v[0], names.v[1]));
	values[S_LAST_NAME] = pool_text(draw_last_name(pool, names.v[2], names.v[3]));
}

static Datum
scratch_text(char *scratch, const char *text, size_t length)
{
	memcpy(VARDATA(scratch), text, length);
	SET_VARSIZE(scratch, VARHDRSZ + length);
	return PointerGetDatum(scratch);
}

static void
set_numbers(StaffSource *source, int staff, IdStatus status, Datum *values, bool *isnull,
			char *scratch)
{
	const StaffMember *member = &source->workforce->staff[staff];

	if (source->id_ranks != NULL)
	{
		char		digits[ID_LENGTH];

		national_id_write(digits, source->workforce->seed, member->born, member->female,
						  source->id_ranks[staff], status, source->marked);
		values[S_NATIONAL_ID] = scratch_text(scratch, digits, ID_LENGTH);
	}
	if (source->registrations != NULL)
	{
		const char *digits = source->registrations[staff].digits;

		isnull[S_REGISTRATION_NO] = digits[0] == '\0';
		if (digits[0] != '\0')
			values[S_REGISTRATION_NO] = scratch_text(scratch + MAXALIGN(VARHDRSZ + ID_LENGTH),
													 digits, strlen(digits));
	}
}

static bool
staff_fetch(RowSource *base, int64 row, Datum *values, bool *isnull, char *scratch)
{
	StaffSource *source = (StaffSource *) base;
	const Workforce *workforce = source->workforce;
	const StaffMember *member;
	const Datum *role;
	IdStatus	status;

	if (row >= base->nrows)
		return false;
	member = &workforce->staff[row];
	role = &source->role_texts[workforce->posts[member->post].role * 3];
	memset(values, 0, S_COLUMNS * sizeof(Datum));
	memset(isnull, 0, S_COLUMNS * sizeof(bool));

	values[S_STAFF_ID] = Int64GetDatum(row + 1);
	set_names(source, member, values, &status);
	set_numbers(source, (int) row, status, values, isnull, scratch);
	values[S_DATE_OF_BIRTH] = DateADTGetDatum(member->born);
	values[S_SEX] = source->sex_texts[member->female ? 1 : 0];
	values[S_ROLE] = role[0];
	values[S_SPECIALTY] = role[1];
	values[S_DEPARTMENT_CODE] = role[2];
	isnull[S_DEPARTMENT_CODE] = role[2] == (Datum) 0;
	values[S_HIRED_ON] = DateADTGetDatum(member->hired);
	values[S_RETIRES_ON] = DateADTGetDatum(member->retires);
	values[S_LEFT_ON] = DateADTGetDatum(member->leaves);
	isnull[S_LEFT_ON] = member->leaves > workforce->until;
	values[S_REPLACES_STAFF_ID] = Int64GetDatum((int64) member->replaces + 1);
	isnull[S_REPLACES_STAFF_ID] = member->replaces < 0;
	return true;
}

/* Rows: 4.6 a bed at the start, and a ninth of them a year. */
static double
staff_estimate(const NullableDatum *args, int nargs)
{
	double		beds = args[0].isnull ? 1100 : DatumGetInt32(args[0].value);
	double		years = 6;

	if (!args[2].isnull && !args[3].isnull)
		years = ((double) DatumGetDateADT(args[3].value) - DatumGetDateADT(args[2].value)) / 365;
	return Max(1.0, beds * 4.6 * (1 + Max(years, 0) / 9));
}

static const Oid staff_args[] = {INT4OID, INT8OID, DATEOID, DATEOID, TEXTOID};

const RowSourceMethods staff_source = {
	.label = "Staff",
	.nargs = lengthof(staff_args),
	.args = staff_args,
	.ncolumns = S_COLUMNS,
	.columns = staff_columns,
	.open = staff_open,
	.estimate = staff_estimate,
	.fetch = staff_fetch,
	.random_access = true,
	.row_cost = 60,
	.startup_cost = 100000,
};

Datum
hospital_generate_staff(PG_FUNCTION_ARGS)
{
	return rowsource_srf(fcinfo, &staff_source);
}
