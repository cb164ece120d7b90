/*
 * csv_write.c: rows as CSV, with the bytes of COPY ... CSV HEADER.
 *
 * A null is nothing, a value is quoted where COPY would quote it.  The types
 * that most exports have are written without the catalogs, others go through
 * their output functions.  Day files are written by record_csv.c;
 * the same two for JSON are json_write.c and event_json.c.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "csv_write.h"
#include "pinned_settings.h"

typedef struct CsvColumn
{
	Oid			type;			/* what it is written as */
	FmgrInfo	output;			/* of other types */
} CsvColumn;

struct CsvWriter
{
	int			ncolumns;
	CsvColumn  *columns;
	TupleDesc	tupdesc;		/* for the names */
	StringInfoData line;
	MemoryContext scratch;		/* of output functions, reset for each row */
};

int
csv_pin_settings(void)
{
	int			level = NewGUCNestLevel();

	pin_session_settings(PIN_VALUES, GUC_ACTION_SAVE);
	return level;
}

void
csv_unpin_settings(int level)
{
	AtEOXact_GUC(true, level);
}

static void
append_field(CsvWriter *writer, const char *data, size_t length)
{
	StringInfo	line = &writer->line;
	bool		quote = length == 0;

	for (size_t i = 0; i < length && !quote; i++)
		quote = data[i] == ',' || data[i] == '"' || data[i] == '\n' || data[i] == '\r';
	if (writer->ncolumns == 1 && length == 2 && memcmp(data, "\\.", 2) == 0)
		quote = true;			/* COPY's end of data, when alone in a line */
	if (!quote)
	{
		appendBinaryStringInfo(line, data, length);
		return;
	}
	appendStringInfoChar(line, '"');
	for (size_t i = 0; i < length; i++)
	{
		if (data[i] == '"')
			appendStringInfoChar(line, '"');
		appendStringInfoChar(line, data[i]);
	}
	appendStringInfoChar(line, '"');
}

static void
end_line(CsvWriter *writer, OutFile *out)
{
	appendStringInfoChar(&writer->line, '\n');
	out_write(out, writer->line.data, writer->line.len);
	resetStringInfo(&writer->line);
}

static CsvWriter *
new_writer(int ncolumns)
{
	CsvWriter  *writer = palloc0(sizeof(CsvWriter));

	writer->ncolumns = ncolumns;
	writer->columns = palloc0(Max(ncolumns, 1) * sizeof(CsvColumn));
	initStringInfo(&writer->line);
	writer->scratch = AllocSetContextCreate(CurrentMemoryContext, "hospital CSV row",
											ALLOCSET_DEFAULT_SIZES);
	return writer;
}

/* How the column is written. */
static void
set_column(CsvWriter *writer, int i, Oid type)
{
	CsvColumn  *column = &writer->columns[i];
	Oid			output;
	bool		varlena;

	column->type = type;
	switch (type)
	{
		case TEXTOID:
		case INT4OID:
		case INT8OID:
		case TIMESTAMPTZOID:
		case DATEOID:
		case UUIDOID:
			break;
		default:
			column->type = InvalidOid;
			getTypeOutputInfo(type, &output, &varlena);
			fmgr_info(output, &column->output);
	}
}

CsvWriter *
csv_writer(TupleDesc tupdesc, int ncolumns)
{
	CsvWriter  *writer = new_writer(ncolumns);

	writer->tupdesc = CreateTupleDescCopy(tupdesc);
	for (int i = 0; i < ncolumns; i++)
		set_column(writer, i, getBaseType(TupleDescAttr(tupdesc, i)->atttypid));
	return writer;
}

void
csv_write_header(CsvWriter *writer, OutFile *out)
{
	for (int i = 0; i < writer->ncolumns; i++)
	{
		const char *name = NameStr(TupleDescAttr(writer->tupdesc, i)->attname);

		if (i > 0)
			appendStringInfoChar(&writer->line, ',');
		append_field(writer, name, strlen(name));
	}
	end_line(writer, out);
}

static void
append_string(CsvWriter *writer, char *string)
{
	append_field(writer, string, strlen(string));
}

static void
append_value(CsvWriter *writer, CsvColumn *column, Datum value)
{
	char		number[MAXINT8LEN + 1];
	text	   *string;

	switch (column->type)
	{
		case TEXTOID:
			string = DatumGetTextPP(value);
			append_field(writer, VARDATA_ANY(string), VARSIZE_ANY_EXHDR(string));
			break;
		case INT4OID:
			appendBinaryStringInfo(&writer->line, number, pg_ltoa(DatumGetInt32(value), number));
			break;
		case INT8OID:
			appendBinaryStringInfo(&writer->line, number, pg_lltoa(DatumGetInt64(value), number));
			break;
		case TIMESTAMPTZOID:
			append_string(writer, DatumGetCString(DirectFunctionCall1(timestamptz_out, value)));
			break;
		case DATEOID:
			append_string(writer, DatumGetCString(DirectFunctionCall1(date_out, value)));
			break;
		case UUIDOID:
			append_string(writer, DatumGetCString(DirectFunctionCall1(uuid_out, value)));
			break;
		default:
			append_string(writer, OutputFunctionCall(&column->output, value));
	}
}

void
csv_write_row(CsvWriter *writer, OutFile *out, const Datum *values, const bool *isnull)
{
	MemoryContext caller = MemoryContextSwitchTo(writer->scratch);

	for (int i = 0; i < writer->ncolumns; i++)
	{
		if (i > 0)
			appendStringInfoChar(&writer->line, ',');
		if (!isnull[i])
			append_value(writer, &writer->columns[i], values[i]);
	}
	end_line(writer, out);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(writer->scratch);
}
