/*
 * record_source.c: the records of a day as rows: hospital_generate_<kind>.
 *
 * Every kind takes the same arguments.  A record's struct becomes Datums by its
 * description alone (records.h), in memory that the caller gives; numbers are
 * formed as the server would store them (numeric_form.h).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "compat.h"
#include "day.h"
#include "numeric_form.h"
#include "population.h"
#include "record_source.h"

#define MAX_COLUMNS 24
#define MONEY_TYPMOD (((12 << 16) | 2) + VARHDRSZ)	/* numeric(12,2) */

static RowColumn row_columns[RECORD_KINDS][MAX_COLUMNS];

#define RECORD_KIND(name) PG_FUNCTION_INFO_V1(hospital_generate_##name);
#include "record_kinds.h"
#undef RECORD_KIND

/* ---- values ---- */

/* A text at *room, which moves on; with a short header where that is enough. */
static inline Datum
form_text(const RecText *text, char **room)
{
	char	   *out = *room;

	if (text->length + VARHDRSZ_SHORT <= VARATT_SHORT_MAX)
	{
		SET_VARSIZE_SHORT(out, text->length + VARHDRSZ_SHORT);
		memcpy(out + VARHDRSZ_SHORT, text->data, text->length);
		*room = out + VARHDRSZ_SHORT + text->length;
		return PointerGetDatum(out);
	}
	out = (char *) INTALIGN(out);
	SET_VARSIZE(out, text->length + VARHDRSZ);
	memcpy(out + VARHDRSZ, text->data, text->length);
	*room = out + VARHDRSZ + text->length;
	return PointerGetDatum(out);
}

static inline Datum
form_numeric(int64 digits, int scale, char **room)
{
	char	   *out = *room;

	*room = numeric_form(out, digits, scale);
	return PointerGetDatum(out);
}

void
record_datums(const RecordKind *kind, const void *record, Datum *values, bool *isnull, char *scratch)
{
	for (int i = 0; i < kind->ncolumns; i++)
	{
		const RecordColumn *column = &kind->columns[i];
		const char *field = (const char *) record + column->offset;

		isnull[i] = false;
		switch (column->type)
		{
			case REC_INT8:
			case REC_TIME:
				isnull[i] = *(const int64 *) field == REC_NULL8;
				values[i] = Int64GetDatum(*(const int64 *) field);
				break;
			case REC_INT4:
			case REC_DATE:
				isnull[i] = *(const int32 *) field == REC_NULL4;
				values[i] = Int32GetDatum(*(const int32 *) field);
				break;
			case REC_TEXT:
				isnull[i] = ((const RecText *) field)->data == NULL;
				if (!isnull[i])
					values[i] = form_text((const RecText *) field, &scratch);
				break;
			case REC_MONEY:
				isnull[i] = *(const int64 *) field == REC_NULL8;
				if (!isnull[i])
					values[i] = form_numeric(*(const int64 *) field, 2, &scratch);
				break;
			case REC_DECIMAL:
				isnull[i] = ((const RecDecimal *) field)->scale < 0;
				if (!isnull[i])
					values[i] = form_numeric(((const RecDecimal *) field)->digits,
											 ((const RecDecimal *) field)->scale, &scratch);
				break;
			case REC_UUID:
				values[i] = UUIDPGetDatum((const pg_uuid_t *) field);
				break;
		}
	}
}

static Oid
column_type(RecordType type)
{
	switch (type)
	{
		case REC_INT8:
			return INT8OID;
		case REC_INT4:
			return INT4OID;
		case REC_TEXT:
			return TEXTOID;
		case REC_TIME:
			return TIMESTAMPTZOID;
		case REC_DATE:
			return DATEOID;
		case REC_MONEY:
		case REC_DECIMAL:
			return NUMERICOID;
		case REC_UUID:
			return UUIDOID;
	}
	return InvalidOid;			/* not reached */
}

/* ---- the source ---- */

typedef struct RecordSource
{
	RowSource	base;
	const RecordKind *kind;
	const char *rows;
} RecordSource;

enum
{
	ARG_DAY, ARG_SEED, ARG_PEOPLE, ARG_BEDS, ARG_START_DATE, ARG_TRANSFERS, ARG_ID_MODE, ARGS
};

static const Oid record_args[ARGS] = {
	DATEOID, INT8OID, INT8OID, INT4OID, DATEOID, INT4OID, TEXTOID
};

/* Rows of a day, for each bed: what the planner is told. */
static const double rows_per_bed[RECORD_KINDS] = {
	[KIND_STAFF_CHANGES] = 0.002, [KIND_REGISTRATIONS] = 0.5, [KIND_ADMISSIONS] = 0.3,
	[KIND_VISITS] = 1.6, [KIND_STATUS_UPDATES] = 2, [KIND_DOCTOR_ASSIGNMENTS] = 0.4,
	[KIND_DIAGNOSES] = 3, [KIND_TREATMENTS] = 3, [KIND_LAB_RESULTS] = 9, [KIND_VITAL_SIGNS] = 6,
	[KIND_PRESCRIPTIONS] = 5, [KIND_BILLING_PAYMENTS] = 1.6
};

const DayRecords *
records_of_args(const NullableDatum *args)
{
	const DayRecords *records;
	DaySpec		spec;

	spec.seed = DatumGetInt64(args[ARG_SEED].value);
	spec.people = DatumGetInt64(args[ARG_PEOPLE].value);
	spec.beds = DatumGetInt32(args[ARG_BEDS].value);
	spec.start_date = DatumGetDateADT(args[ARG_START_DATE].value);
	spec.transfers = DatumGetInt32(args[ARG_TRANSFERS].value);
	spec.marked = id_mode_is_marked(TextDatumGetCString(args[ARG_ID_MODE].value));
	records = day_records(&spec, DatumGetDateADT(args[ARG_DAY].value));
	day_hold(records);
	return records;
}

static RowSource *
records_open(RecordKindNumber number, const NullableDatum *args)
{
	RecordSource *source = palloc0(sizeof(RecordSource));
	const DayRecords *records = records_of_args(args);

	source->base.methods = &record_sources[number];
	source->base.nrows = records->count[number];
	source->kind = &record_kinds[number];
	source->rows = records->rows[number];
	return &source->base;
}

static double
records_estimate(RecordKindNumber number, const NullableDatum *args)
{
	if (number == KIND_TRANSFERS)
		return args[ARG_TRANSFERS].isnull ? 15 : Max(1, DatumGetInt32(args[ARG_TRANSFERS].value));
	return Max(1, rows_per_bed[number] *
			   (args[ARG_BEDS].isnull ? 1100 : DatumGetInt32(args[ARG_BEDS].value)));
}

static bool
records_fetch(RowSource *base, int64 row, Datum *values, bool *isnull, char *scratch)
{
	RecordSource *source = (RecordSource *) base;

	if (row >= base->nrows)
		return false;
	record_datums(source->kind, source->rows + row * source->kind->size, values, isnull, scratch);
	return true;
}

#define RECORD_KIND(name) \
static RowSource * \
open_##name(const NullableDatum *args, int nargs, const Bitmapset *wanted) \
{ \
	return records_open(KIND_OF_##name, args); \
} \
static double \
estimate_##name(const NullableDatum *args, int nargs) \
{ \
	return records_estimate(KIND_OF_##name, args); \
} \
Datum \
hospital_generate_##name(PG_FUNCTION_ARGS) \
{ \
	return rowsource_srf(fcinfo, &record_sources[KIND_OF_##name]); \
}
#include "record_kinds.h"
#undef RECORD_KIND

#define RECORD_KIND(a_name) \
	[KIND_OF_##a_name] = { \
		.label = #a_name, \
		.nargs = ARGS, \
		.args = record_args, \
		.columns = row_columns[KIND_OF_##a_name], \
		.open = open_##a_name, \
		.estimate = estimate_##a_name, \
		.fetch = records_fetch, \
		.random_access = true, \
		.row_cost = 10, \
		.startup_cost = 4000000, \
	},

/* The columns follow from the kinds' descriptions, at load. */
RowSourceMethods record_sources[RECORD_KINDS] = {
#include "record_kinds.h"
};
#undef RECORD_KIND

void
record_sources_init(void)
{
	for (int kind = 0; kind < RECORD_KINDS; kind++)
	{
		const RecordKind *k = &record_kinds[kind];

		if (k->ncolumns > MAX_COLUMNS)
			elog(ERROR, "kind %s has too many columns", k->name);
		record_sources[kind].ncolumns = k->ncolumns;
		for (int i = 0; i < k->ncolumns; i++)
		{
			row_columns[kind][i].name = k->columns[i].name;
			row_columns[kind][i].type = column_type(k->columns[i].type);
			if (k->columns[i].type == REC_MONEY)
				row_columns[kind][i].typmod = MONEY_TYPMOD;
		}
	}
}
