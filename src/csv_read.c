/*
 * csv_read.c: CSV in, by libcsv.
 *
 * libcsv alone decides what a record is.  It is fed one physical line at
 * a time, which tells us the bytes and the line number of every record, good
 * or bad, and where to go on after a bad one: at the line after the one on
 * which it began.  So a stray quote costs one line and not the rest of the
 * file.  Quotes are strict (CSV_STRICT), blanks are kept, a blank line is an
 * error.  Memory is bounded by RECORD_LIMIT.
 */
#include "postgres.h"

#include <csv.h>

#include "lib/stringinfo.h"
#include "utils/memutils.h"

#include "csv_read.h"

#define READ_SIZE (128 * 1024)
#define RECORD_LIMIT (1024 * 1024)

typedef struct FieldSpan
{
	size_t		offset;			/* in "values" */
	size_t		length;
	bool		isnull;
} FieldSpan;

struct CsvReader
{
	MemoryContextCallback callback; /* frees libcsv's buffer, which is malloc's */
	LakeFile   *file;
	struct csv_parser parser;

	char	   *buffer;
	size_t		capacity;
	size_t		begin;			/* of the record at hand */
	size_t		end;			/* of what has been read */
	bool		at_end;			/* of the file */
	bool		started;
	int64		line;			/* on which the record at hand begins */

	StringInfoData values;
	FieldSpan  *spans;
	CsvField   *fields;
	int			max_fields;
	int			nfields;
	bool		complete;
	bool		second;			/* more than one record in a line */
};

static int
no_blank(unsigned char c)
{
	(void) c;
	return 0;
}

static void
start_parser(CsvReader *reader)
{
	if (csv_init(&reader->parser, CSV_STRICT | CSV_STRICT_FINI | CSV_EMPTY_IS_NULL) != 0)
		elog(ERROR, "could not start libcsv");
	csv_set_space_func(&reader->parser, no_blank);
}

static void
free_parser(void *arg)
{
	csv_free(&((CsvReader *) arg)->parser);
}

CsvReader *
csv_reader(LakeFile *file)
{
	CsvReader  *reader = palloc0(sizeof(CsvReader));

	reader->file = file;
	reader->line = 1;
	reader->capacity = 2 * READ_SIZE;
	reader->buffer = palloc(reader->capacity);
	reader->max_fields = 64;
	reader->spans = palloc(reader->max_fields * sizeof(FieldSpan));
	reader->fields = palloc(reader->max_fields * sizeof(CsvField));
	initStringInfo(&reader->values);
	start_parser(reader);
	reader->callback.func = free_parser;
	reader->callback.arg = reader;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &reader->callback);
	return reader;
}

/*
 * libcsv's callbacks.  Nothing here may fail half-way through csv_parse but
 * for want of memory, after which the reader is thrown away.
 */
static void
take_field(void *data, size_t length, void *arg)
{
	CsvReader  *reader = arg;
	FieldSpan  *span;

	if (reader->complete)
	{
		reader->second = true;
		return;
	}
	if (reader->nfields == reader->max_fields)
	{
		reader->max_fields *= 2;
		reader->spans = repalloc(reader->spans, reader->max_fields * sizeof(FieldSpan));
		reader->fields = repalloc(reader->fields, reader->max_fields * sizeof(CsvField));
	}
	span = &reader->spans[reader->nfields++];
	span->isnull = data == NULL;
	span->offset = reader->values.len;
	span->length = span->isnull ? 0 : length;
	if (span->length > 0)
		appendBinaryStringInfo(&reader->values, data, length);
}

static void
take_record(int terminator, void *arg)
{
	CsvReader  *reader = arg;

	(void) terminator;
	if (reader->complete)
		reader->second = true;
	reader->complete = true;
}

/* Read on; what lies before the record at hand goes. */
static void
fill_buffer(CsvReader *reader)
{
	size_t		got;

	if (reader->begin > 0)
	{
		memmove(reader->buffer, reader->buffer + reader->begin, reader->end - reader->begin);
		reader->end -= reader->begin;
		reader->begin = 0;
	}
	if (reader->capacity - reader->end < READ_SIZE)
	{
		reader->capacity += 2 * READ_SIZE;
		reader->buffer = repalloc(reader->buffer, reader->capacity);
	}
	got = lake_read(reader->file, reader->buffer + reader->end, READ_SIZE);
	reader->end += got;
	reader->at_end = got == 0;
}

static void
skip_byte_order_mark(CsvReader *reader)
{
	while (!reader->at_end && reader->end < 3)
		fill_buffer(reader);
	if (reader->end >= 3 && memcmp(reader->buffer, "\xEF\xBB\xBF", 3) == 0)
		reader->begin = 3;
	reader->started = true;
}

/* The length of the physical line "offset" bytes into the record; 0 at the end. */
static size_t
line_length(CsvReader *reader, size_t offset)
{
	size_t		searched = 0;

	for (;;)
	{
		char	   *line = reader->buffer + reader->begin + offset;
		size_t		there = reader->end - reader->begin - offset;
		char	   *newline = memchr(line + searched, '\n', there - searched);

		if (newline != NULL)
			return newline - line + 1;
		if (reader->at_end || there > RECORD_LIMIT)
			return there;
		searched = there;
		fill_buffer(reader);
	}
}

static const char *
feed_line(CsvReader *reader, size_t offset, size_t length)
{
	const char *line = reader->buffer + reader->begin + offset;

	if (csv_parse(&reader->parser, line, length, take_field, take_record, reader) != length)
	{
		if (csv_error(&reader->parser) != CSV_EPARSE)
			ereport(ERROR,
					(errcode(ERRCODE_OUT_OF_MEMORY),
					 errmsg("libcsv: %s", csv_strerror(csv_error(&reader->parser)))));
		return "quote in the wrong place";
	}
	if (reader->second)
		return "carriage return inside the line";
	return NULL;
}

static bool
is_blank(const char *line, size_t length)
{
	return length == 0 || line[0] == '\n' || (length == 2 && line[0] == '\r' && line[1] == '\n');
}

/* The record that begins at "begin"; sets its length and number of lines. */
static const char *
parse_record(CsvReader *reader, size_t *length, int64 *lines)
{
	const char *error;
	size_t		more = line_length(reader, 0);

	*length = more;
	*lines = 1;
	if (is_blank(reader->buffer + reader->begin, more))
		return "empty line";
	error = feed_line(reader, 0, more);
	while (error == NULL && !reader->complete)
	{
		more = line_length(reader, *length);
		if (more == 0)
		{
			if (csv_fini(&reader->parser, take_field, take_record, reader) != 0)
				error = "quoted field without its end";
			break;
		}
		if (*length + more > RECORD_LIMIT)
			return "record too long, or quoted field without its end";
		error = feed_line(reader, *length, more);
		*length += more;
		*lines += 1;
	}
	return error;
}

bool
csv_next(CsvReader *reader, CsvRecord *record)
{
	size_t		length;
	int64		lines;

	if (!reader->started)
		skip_byte_order_mark(reader);
	if (line_length(reader, 0) == 0)
		return false;

	resetStringInfo(&reader->values);
	reader->nfields = 0;
	reader->complete = reader->second = false;
	record->error = parse_record(reader, &length, &lines);
	if (record->error != NULL)
	{
		/* Only the line on which it began is lost. */
		length = line_length(reader, 0);
		lines = 1;
		reader->nfields = 0;
		csv_free(&reader->parser);
		start_parser(reader);
	}
	for (int i = 0; i < reader->nfields; i++)
	{
		FieldSpan  *span = &reader->spans[i];

		reader->fields[i].data = span->isnull ? NULL : reader->values.data + span->offset;
		reader->fields[i].length = span->length;
	}
	record->line = reader->line;
	record->raw = reader->buffer + reader->begin;
	record->raw_length = length;
	record->nfields = reader->nfields;
	record->fields = reader->fields;
	reader->begin += length;
	reader->line += lines;
	return true;
}
