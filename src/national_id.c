/*
 * national_id.c: building, checking and taking apart identity numbers.
 *
 * Layout YYMMDD SSSS C A Z: birth date; 0000-4999 female, 5000-9999 male;
 * C = 0 citizen, 1 permanent resident; A = 8; Z the Luhn digit of the twelve
 * before it.  A number that must not belong to anybody ("marked") has C = 8 or
 * 9 in place of 0 or 1: such a C was never issued, and the check digit still
 * holds.
 *
 * Two digits do not say the century.  hospital_national_id_valid therefore
 * accepts a date that exists in either, and hospital_national_id_parse takes
 * the later one that is not after "as_of" and shows the other.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/datetime.h"

#include "national_id.h"
#include "random.h"

#define ID_OLDEST 110			/* years; nobody older is considered */
#define ID_MARK 8				/* added to C */
#define ID_FIXED_A 8

PG_FUNCTION_INFO_V1(hospital_national_id);
PG_FUNCTION_INFO_V1(hospital_national_id_valid);
PG_FUNCTION_INFO_V1(hospital_national_id_parse);

/* A number taken apart; the date is still without its century. */
typedef struct IdParts
{
	int			year;			/* 0-99 */
	int			month;
	int			day;
	int			sequence;		/* 0-9999, sex included */
	int			c;
} IdParts;

/* Luhn over twelve digits: those at even places count double. */
static int
check_digit(const char *digits)
{
	int			sum = 0;

	for (int i = 0; i < ID_LENGTH - 1; i += 2)
	{
		int			doubled = (digits[i + 1] - '0') * 2;

		sum += (digits[i] - '0') + (doubled > 9 ? doubled - 9 : doubled);
	}
	return (10 - sum % 10) % 10;
}

static inline void
two_digits(char *out, int n)
{
	out[0] = '0' + n / 10;
	out[1] = '0' + n % 10;
}

static void
write_digits(char *out, const int ymd[3], int sequence, IdStatus status, bool marked)
{
	two_digits(out, ymd[0] % 100);
	two_digits(out + 2, ymd[1]);
	two_digits(out + 4, ymd[2]);
	two_digits(out + 6, sequence / 100);
	two_digits(out + 8, sequence % 100);
	out[10] = '0' + (int) status + (marked ? ID_MARK : 0);
	out[11] = '0' + ID_FIXED_A;
	out[12] = '0' + check_digit(out);
}

/*
 * The sequence number, 0-4999, of a rank: an affine permutation for each seed,
 * YYMMDD and sex.  The century has no part in it: people born a hundred years
 * apart share the numbers, and their ranks differ.  A multiplier whose last
 * digit is 1, 3, 7 or 9 is prime to 5000.
 */
static int
rank_sequence(uint64 seed, const int ymd[3], bool female, int rank)
{
	static const uint8 unit[4] = {1, 3, 7, 9};
	uint64		date = (ymd[0] % 100) * 10000 + ymd[1] * 100 + ymd[2];
	uint64		key = mix64(seed ^ mix64(date << 1 | (female ? 1 : 0)));
	uint32		a = random_below((uint32) key, ID_RANKS / 10) * 10 + unit[(key >> 32) & 3];
	uint32		b = (uint32) ((key >> 34) % ID_RANKS);

	Assert(rank >= 0 && rank < ID_RANKS);
	return (int) ((a * (uint32) rank + b) % ID_RANKS);
}

void
national_id_write(char *out, uint64 seed, DateADT date_of_birth, bool female, int rank,
				  IdStatus status, bool marked)
{
	int			ymd[3];
	int			sequence;

	j2date(date_of_birth + POSTGRES_EPOCH_JDATE, &ymd[0], &ymd[1], &ymd[2]);
	sequence = rank_sequence(seed, ymd, female, rank);
	write_digits(out, ymd, female ? sequence : sequence + ID_RANKS, status, marked);
}

static bool
date_exists(int year, int month, int day)
{
	return month >= 1 && month <= MONTHS_PER_YEAR && day >= 1 &&
		day <= day_tab[isleap(year)][month - 1];
}

/* False unless it is one; fills parts. */
static bool
id_take_apart(const char *text, int length, IdParts *parts)
{
	if (length != ID_LENGTH)
		return false;
	for (int i = 0; i < ID_LENGTH; i++)
		if (text[i] < '0' || text[i] > '9')
			return false;

#define DIGIT(i) (text[i] - '0')
	parts->year = DIGIT(0) * 10 + DIGIT(1);
	parts->month = DIGIT(2) * 10 + DIGIT(3);
	parts->day = DIGIT(4) * 10 + DIGIT(5);
	parts->sequence = ((DIGIT(6) * 10 + DIGIT(7)) * 10 + DIGIT(8)) * 10 + DIGIT(9);
	parts->c = DIGIT(10);

	return (parts->c % ID_MARK) <= ID_RESIDENT &&
		(DIGIT(11) == 8 || DIGIT(11) == 9) &&
		DIGIT(12) == check_digit(text) &&
		(date_exists(1900 + parts->year, parts->month, parts->day) ||
		 date_exists(2000 + parts->year, parts->month, parts->day));
#undef DIGIT
}

bool
national_id_is_valid(const char *text, int length)
{
	IdParts		parts;

	return id_take_apart(text, length, &parts);
}

Datum
hospital_national_id_valid(PG_FUNCTION_ARGS)
{
	text	   *id = PG_GETARG_TEXT_PP(0);

	PG_RETURN_BOOL(national_id_is_valid(VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id)));
}

static bool
sex_is_female(text *sex)
{
	if (VARSIZE_ANY_EXHDR(sex) == 1)
	{
		if (*VARDATA_ANY(sex) == 'F')
			return true;
		if (*VARDATA_ANY(sex) == 'M')
			return false;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("sex must be F or M")));
	return false;				/* not reached */
}

Datum
hospital_national_id(PG_FUNCTION_ARGS)
{
	DateADT		date_of_birth = PG_GETARG_DATEADT(0);
	bool		female = sex_is_female(PG_GETARG_TEXT_PP(1));
	int32		sequence = PG_GETARG_INT32(2);
	IdStatus	status = PG_GETARG_BOOL(3) ? ID_CITIZEN : ID_RESIDENT;
	bool		marked = PG_GETARG_BOOL(4);
	int			ymd[3];
	char		out[ID_LENGTH];

	if (DATE_NOT_FINITE(date_of_birth) ||
		date_of_birth < date2j(1900, 1, 1) - POSTGRES_EPOCH_JDATE ||
		date_of_birth > date2j(2099, 12, 31) - POSTGRES_EPOCH_JDATE)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("date of birth out of range for an identity number"),
				 errdetail("An identity number can stand for births from 1900-01-01 to 2099-12-31.")));
	if (sequence < 0 || sequence >= ID_RANKS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("sequence %d is out of range", sequence),
				 errdetail("Each birth date and sex has the sequence numbers 0 to %d.", ID_RANKS - 1)));
	j2date(date_of_birth + POSTGRES_EPOCH_JDATE, &ymd[0], &ymd[1], &ymd[2]);
	write_digits(out, ymd, female ? sequence : sequence + ID_RANKS, status, marked);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out, ID_LENGTH));
}

/*
 * The date in the century that begins with "century", or false when there is
 * no such date or it is after as_of or more than ID_OLDEST years before it.
 */
static bool
birth_in_century(const IdParts *parts, int century, DateADT as_of, DateADT *out)
{
	int			as_of_year,
				month,
				day;

	if (!date_exists(century + parts->year, parts->month, parts->day))
		return false;
	*out = date2j(century + parts->year, parts->month, parts->day) - POSTGRES_EPOCH_JDATE;
	j2date(as_of + POSTGRES_EPOCH_JDATE, &as_of_year, &month, &day);
	return *out <= as_of && as_of_year - (century + parts->year) <= ID_OLDEST;
}

Datum
hospital_national_id_parse(PG_FUNCTION_ARGS)
{
	text	   *id = PG_GETARG_TEXT_PP(0);
	DateADT		as_of = PG_GETARG_DATEADT(1);
	TupleDesc	tupdesc;
	Datum		values[6];
	bool		nulls[6] = {false};
	IdParts		parts;
	DateADT		births[2];
	int			nbirths = 0;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (DATE_NOT_FINITE(as_of))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("as_of must be a finite date")));
	if (!id_take_apart(VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id), &parts))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("not a South African identity number"),
				 errdetail("It must be 13 digits YYMMDDSSSSCAZ with a real date, C 0 or 1 (8 or 9 when marked), A 8 or 9, and the right check digit."),
				 errhint("hospital_national_id_valid tells without raising an error.")));

	for (int century = 2000; century >= 1900; century -= 100)
		if (birth_in_century(&parts, century, as_of, &births[nbirths]))
			nbirths++;
	if (nbirths == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("nobody of this identity number was alive on as_of"),
				 errdetail("The birth date is after as_of in every century, or more than %d years before it.",
						   ID_OLDEST)));

	values[0] = DateADTGetDatum(births[0]);
	values[1] = CStringGetTextDatum(parts.sequence < ID_RANKS ? "F" : "M");
	values[2] = Int32GetDatum(parts.sequence % ID_RANKS);
	values[3] = BoolGetDatum(parts.c % ID_MARK == ID_CITIZEN);
	values[4] = BoolGetDatum(parts.c >= ID_MARK);
	values[5] = nbirths > 1 ? DateADTGetDatum(births[1]) : (Datum) 0;
	nulls[5] = nbirths < 2;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls)));
}
