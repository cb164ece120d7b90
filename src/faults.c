/*
 * faults.c: lines of day files that are spoilt on purpose.
 *
 * hospital.simulation.dirty_rate is the expected number of bad lines for each
 * good one.  All good lines stay as they are: a bad line is an extra one, made
 * from a record that stands earlier in the same file, so that an ingestor that
 * does its work takes in exactly the clean data and rejects exactly the lines
 * that hospital.faults lists.  What is spoilt is a function of the seed, the
 * day, the kind and the record's number alone.
 *
 * A bad line must be bad for everybody and harm nobody else:
 *
 *	- It has an id of its own (from FRESH_IDS on in the day), so that it is not
 *	  bad merely because its original is there.  A duplicate alone keeps it.
 *	- A fault of content breaks a rule that records.h states, which is proved
 *	  here before it is written.
 *	- Damaged quotes stay balanced, so that whoever goes on at the next line
 *	  loses nothing; they are around a key, so that a lenient parser, too, ends
 *	  up with something that is no key.
 *
 * Which fault fits: a kind whose records refer to nobody (registrations) has no
 * orphans; everything else can happen to every kind.
 */
#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/datetime.h"

#include "faults.h"
#include "hospital_time.h"
#include "random.h"
#include "record_csv.h"

#define FRESH_IDS 900000		/* within a day; records are numbered below */
#define NOBODY_IDS 980000		/* within a day: ids that nothing has */
#define FAULTS_MAX (NOBODY_IDS - FRESH_IDS)	/* in one file */
#define LATE_DAYS 30
#define RECORD_ROOM 512			/* bytes of the largest struct, at the most */

StaticAssertDecl(sizeof(Registration) <= RECORD_ROOM && sizeof(LabResult) <= RECORD_ROOM &&
				 sizeof(Visit) <= RECORD_ROOM && sizeof(Bill) <= RECORD_ROOM,
				 "a record must fit");

typedef enum FaultKind
{
	FAULT_MALFORMED,
	FAULT_WRONG_TYPE,
	FAULT_DUPLICATE,
	FAULT_LATE,
	FAULT_IMPOSSIBLE_DATE,
	FAULT_ENCODING,
	FAULT_ORPHAN,
	FAULT_KINDS
} FaultKind;

static const char *const fault_names[FAULT_KINDS] = {
	"malformed", "wrong type", "duplicate", "late", "impossible date", "encoding", "orphan"
};

/* A record to be spoilt. */
typedef struct Victim
{
	const RecordKind *kind;
	DateADT		day;
	int			number;			/* of the fault in its file, from 1 */
	RandomBlock dice;
	int			column;			/* at fault; -1: none */
	union
	{
		int64		align;
		char		bytes[RECORD_ROOM];
	}			record;
} Victim;

#define FIELD(victim, i) ((victim)->record.bytes + (victim)->kind->columns[i].offset)

/* ---- what is known of a record ---- */

/* Does it break a rule of records.h that the file's day decides?  Sets the column. */
static bool
breaks_rule(const RecordKind *kind, const char *record, DateADT day, int *column)
{
	const TimestampTz begin = midnight_of(day);
	int			sqlstate;
	const char *message;

	for (int i = 0; i < kind->ncolumns; i++)
	{
		const RecordColumn *c = &kind->columns[i];
		const char *field = record + c->offset;

		*column = i;
		if (!(c->flags & REC_IN_DAY))
			continue;
		if (c->type == REC_DATE && *(const DateADT *) field != day)
			return true;
		if (c->type == REC_TIME && (*(const TimestampTz *) field < begin ||
									*(const TimestampTz *) field >= begin + USECS_PER_DAY))
			return true;
	}
	*column = -1;
	return kind->check != NULL && !kind->check(record, day, column, &sqlstate, &message);
}

typedef bool (*ColumnFits) (const RecordColumn *column);

static bool
is_no_text(const RecordColumn *column)
{
	return column->type != REC_TEXT;
}

static bool
is_text(const RecordColumn *column)
{
	return column->type == REC_TEXT;
}

static bool
is_calendar(const RecordColumn *column)
{
	return column->type == REC_DATE || column->type == REC_TIME;
}

static bool
is_reference(const RecordColumn *column)
{
	return column->reference == REF_PATIENT || column->reference == REF_STAFF ||
		column->reference == REF_ADMISSION;
}

/* One of the columns with a value that fit; false: there is none. */
static bool
choose_column(Victim *victim, ColumnFits fits, uint32 word)
{
	int			candidates[64];
	int			n = 0;

	for (int i = 0; i < victim->kind->ncolumns; i++)
		if (fits(&victim->kind->columns[i]) && !record_is_null(victim->kind->columns[i].type, FIELD(victim, i)))
			candidates[n++] = i;
	if (n > 0)
		victim->column = candidates[random_below(word, n)];
	return n > 0;
}

static void
give_fresh_key(Victim *victim)
{
	char	   *key = FIELD(victim, victim->kind->key);

	if (victim->kind->columns[victim->kind->key].type == REC_UUID)
		memcpy(((pg_uuid_t *) key)->data + 9, victim->dice.v, UUID_LEN - 9);
	else
		*(int64 *) key = RECORD_ID(victim->day, FRESH_IDS + victim->number);
}

/* ---- lines ---- */

static void
append_fields(const Victim *victim, int from, int to, StringInfo out)
{
	for (int i = from; i < to; i++)
	{
		if (i > 0)
			appendStringInfoChar(out, ',');
		record_csv_field(out, &victim->kind->columns[i], victim->record.bytes);
	}
}

/* The record with other bytes in the place of the column at fault. */
static void
append_with(const Victim *victim, const char *bytes, StringInfo out)
{
	append_fields(victim, 0, victim->column, out);
	appendStringInfo(out, "%s%s", victim->column > 0 ? "," : "", bytes);
	append_fields(victim, victim->column + 1, victim->kind->ncolumns, out);
	appendStringInfoChar(out, '\n');
}

/* ---- the faults: each appends a line, or returns false when it does not fit ---- */

static bool
make_malformed(Victim *victim, StringInfo out)
{
	int			ncolumns = victim->kind->ncolumns;
	StringInfoData key;

	give_fresh_key(victim);
	switch (random_below(victim->dice.v[3], 3))
	{
		case 0:					/* too few */
			append_fields(victim, 0, 1 + random_below(victim->dice.v[2], ncolumns - 1), out);
			break;
		case 1:					/* too many */
			append_fields(victim, 0, ncolumns, out);
			appendStringInfoString(out, ",?");
			break;
		default:				/* something after the closing quote */
			initStringInfo(&key);
			record_csv_field(&key, &victim->kind->columns[0], victim->record.bytes);
			appendStringInfo(out, "\"%s\"x", key.data);
			append_fields(victim, 1, ncolumns, out);
	}
	appendStringInfoChar(out, '\n');
	return true;
}

static bool
make_wrong_type(Victim *victim, StringInfo out)
{
	static const char *const words[] = {"abc", "n/a", "1O4", "?"};

	give_fresh_key(victim);
	if (!choose_column(victim, is_no_text, victim->dice.v[3]))
		return false;
	append_with(victim, words[victim->dice.v[2] % lengthof(words)], out);
	return true;
}

static bool
make_duplicate(Victim *victim, StringInfo out)
{
	victim->column = victim->kind->key;
	record_csv_line(out, victim->kind, victim->record.bytes);
	return true;
}

/* All that happened, some days earlier; a birth stays where it was. */
static bool
make_late(Victim *victim, StringInfo out)
{
	int			days = 1 + random_below(victim->dice.v[3], LATE_DAYS);

	give_fresh_key(victim);
	for (int i = 0; i < victim->kind->ncolumns; i++)
	{
		const RecordColumn *column = &victim->kind->columns[i];
		char	   *field = FIELD(victim, i);

		if (!is_calendar(column) || record_is_null(column->type, field) || strcmp(column->name, "date_of_birth") == 0)
			continue;
		if (column->type == REC_DATE)
			*(DateADT *) field -= days;
		else
			*(TimestampTz *) field -= days * USECS_PER_DAY;
	}
	if (!breaks_rule(victim->kind, victim->record.bytes, victim->day, &victim->column))
		return false;
	record_csv_line(out, victim->kind, victim->record.bytes);
	return true;
}

static DateADT
in_year(DateADT day, int year)
{
	int			was;
	int			month;
	int			mday;

	j2date(day + POSTGRES_EPOCH_JDATE, &was, &month, &mday);
	return date2j(year, month, Min(mday, 28)) - POSTGRES_EPOCH_JDATE;
}

/* A day of another century, where a rule forbids it. */
static bool
make_other_century(Victim *victim, StringInfo out)
{
	char	   *field = FIELD(victim, victim->column);
	int			year = victim->dice.v[2] & 1 ? 1800 : 2199;
	int			ignored;

	if (victim->kind->columns[victim->column].type == REC_DATE)
		*(DateADT *) field = in_year(*(DateADT *) field, year);
	else
		*(TimestampTz *) field = in_year(victim->day, year) * USECS_PER_DAY + USECS_PER_HOUR;
	if (!breaks_rule(victim->kind, victim->record.bytes, victim->day, &ignored))
		return false;
	record_csv_line(out, victim->kind, victim->record.bytes);
	return true;
}

static bool
make_impossible_date(Victim *victim, StringInfo out)
{
	int			variant = random_below(victim->dice.v[1] ^ victim->dice.v[2], 3);
	StringInfoData value;

	give_fresh_key(victim);
	if (!choose_column(victim, is_calendar, victim->dice.v[3]))
		return false;
	initStringInfo(&value);
	record_csv_field(&value, &victim->kind->columns[victim->column], victim->record.bytes);
	if (variant == 0 && make_other_century(victim, out))
		return true;
	if (variant == 1 && victim->kind->columns[victim->column].type == REC_TIME)
		memcpy(value.data + 11, "25:61", 5);
	else
		memcpy(value.data + 5, "02-30", 5);
	append_with(victim, value.data, out);
	return true;
}

/* Bytes that are no UTF-8 wherever they stand. */
static bool
make_encoding(Victim *victim, StringInfo out)
{
	static const char *const bad[] = {"\xff", "\xc3(", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe2\x82."};
	const char *bytes = bad[victim->dice.v[2] % lengthof(bad)];
	RecText    *text;

	give_fresh_key(victim);
	if (!choose_column(victim, is_text, victim->dice.v[3]))
		return false;
	text = (RecText *) FIELD(victim, victim->column);
	text->data = psprintf("%.*s%s", (int) text->length, text->data, bytes);
	text->length += strlen(bytes);
	record_csv_line(out, victim->kind, victim->record.bytes);
	return true;
}

static bool
make_orphan(Victim *victim, StringInfo out)
{
	give_fresh_key(victim);
	if (!choose_column(victim, is_reference, victim->dice.v[3]))
		return false;
	*(int64 *) FIELD(victim, victim->column) =
		RECORD_ID(victim->day, NOBODY_IDS + victim->number % (RECORD_ID_STEP - NOBODY_IDS));
	record_csv_line(out, victim->kind, victim->record.bytes);
	return true;
}

static bool (*const makers[FAULT_KINDS]) (Victim *victim, StringInfo out) =
{
	make_malformed, make_wrong_type, make_duplicate, make_late, make_impossible_date,
	make_encoding, make_orphan
};

/* ---- one file ---- */

void
faults_begin(FaultMaker *maker, const DayRecords *records, RecordKindNumber kind, uint64 seed, double rate)
{
	maker->seed = seed;
	maker->day = records->day;
	maker->kind = kind;
	maker->rows = records->rows[kind];
	maker->chance = (uint32) (Min(rate, DIRTY_RATE_MAX) * 4294967296.0);
	maker->made = 0;
}

Fault *
faults_next(FaultMaker *maker, int row, int64 line, StringInfo out)
{
	const RecordKind *kind = &record_kinds[maker->kind];
	uint64		index = (uint64) (uint32) maker->day << 32 | (uint64) maker->kind << 27 | (uint64) row;
	RandomBlock dice = random_block(maker->seed, RANDOM_FAULT, index, 0);
	int			start = out->len;
	const char *original;
	int			which;
	Victim		victim;
	Fault	   *fault;

	if (!random_chance(dice.v[0], maker->chance) || maker->made >= FAULTS_MAX)
		return NULL;
	victim.kind = kind;
	victim.day = maker->day;
	victim.number = ++maker->made;
	victim.dice = random_block(maker->seed, RANDOM_FAULT, index, 1);
	original = maker->rows + random_below(dice.v[2], row + 1) * kind->size;

	/* What does not fit leaves its place to the next; a malformed line always fits. */
	which = random_below(dice.v[1], FAULT_KINDS);
	for (;; which = (which + 1) % FAULT_KINDS)
	{
		victim.column = -1;
		memcpy(victim.record.bytes, original, kind->size);
		if (makers[which] (&victim, out))
			break;
	}
	fault = palloc(sizeof(Fault));
	fault->kind = maker->kind;
	fault->line = line;
	fault->fault = fault_names[which];
	fault->column = victim.column < 0 || which == FAULT_MALFORMED ? NULL : kind->columns[victim.column].name;
	fault->length = out->len - start;
	fault->raw = pnstrdup(out->data + start, fault->length);
	return fault;
}
