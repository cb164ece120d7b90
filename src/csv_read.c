/*
 * csv_read.c: CSV in, by libcsv.
 *
 * libcsv decides what a record is, wherever there is something to decide: it
 * is given every line that has a quote or a carriage return in it, with the
 * lines that follow until the record is complete.  A line without either is a
 * record, and its fields are what lies between the commas; those are pointed at
 * where they are.  (libcsv looks at each byte through a function, 0.7
 * microseconds a line of 95 bytes, where the whole rest of the way into the
 * table takes four; its answer would be the same.)
 *
 * A record is known by its bytes and its line, good or bad.  After a bad one
 * reading goes on at the line after the one on which it began, so a stray
 * quote costs one line and not the rest of the file.  Quotes are strict
 * (CSV_STRICT), blanks are kept, an empty line is an error.
 *
 * Memory.  What has been read is kept until csv_fill, so that a batch of
 * records needs no copy of its bytes; only fields from libcsv, which are shorter
 * than the bytes they come from, are put into "values".  A record may have
 * RECORD_LIMIT bytes; of a longer line the beginning is kept, as a bad record,
 * and the rest is passed over while it is read.
 */
#include "postgres.h"

#include <csv.h>

#include "access/htup_details.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include "csv_read.h"

#define PIECE_SIZE (128 * 1024)
#define RECORD_LIMIT (1024 * 1024)
#define FIRST_FIELDS 32
#define MAX_FIELDS MaxHeapAttributeNumber

static const char lone_carriage_return[] = "carriage return inside the line";

struct CsvReader
{
	MemoryContextCallback callback; /* frees libcsv's buffer, which is malloc's */
	LakeFile   *file;			/* NULL: all is in the buffer */
	struct csv_parser parser;

	char	   *buffer;
	size_t		capacity;
	size_t		begin;			/* of the record at hand */
	size_t		end;			/* of what has been read */
	size_t		quote;			/* where the next one is, at or after begin; or the end */
	size_t		carriage;		/* the same of carriage returns */
	bool		at_end;			/* of the file */
	bool		started;
	bool		skipping;		/* the rest of a line that is too long */
	int64		offset;			/* of "begin" in the file */
	int64		line;			/* on which the record at hand begins */

	char	   *values;			/* as large as the buffer */
	size_t		values_used;
	CsvField   *fields;
	int			nfields;
	int			max_fields;		/* that there is room for */
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

static CsvReader *
new_reader(size_t capacity)
{
	CsvReader  *reader = palloc0(sizeof(CsvReader));

	reader->line = 1;
	reader->capacity = capacity;
	reader->buffer = palloc(capacity);
	reader->values = palloc(capacity);
	reader->max_fields = FIRST_FIELDS;
	reader->fields = palloc(FIRST_FIELDS * sizeof(CsvField));
	start_parser(reader);
	reader->callback.func = free_parser;
	reader->callback.arg = reader;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &reader->callback);
	return reader;
}

CsvReader *
csv_reader(LakeFile *file)
{
	CsvReader  *reader = new_reader(2 * PIECE_SIZE);

	reader->file = file;
	return reader;
}

CsvReader *
csv_reader_of_bytes(const char *data, size_t length)
{
	CsvReader  *reader = new_reader(Max(length, 1));

	memcpy(reader->buffer, data, length);
	reader->end = length;
	reader->started = true;
	return reader;
}

void
csv_set_position(CsvReader *reader, int64 offset, int64 line)
{
	reader->offset = offset;
	reader->line = line;
	reader->started = true;
}

int64
csv_offset(const CsvReader *reader)
{
	return reader->offset;
}

int64
csv_line(const CsvReader *reader)
{
	return reader->line;
}

/* ---- reading on ---- */

static size_t
find_byte(const CsvReader *reader, size_t from, char c)
{
	const char *found = memchr(reader->buffer + from, c, reader->end - from);

	return found != NULL ? (size_t) (found - reader->buffer) : reader->end;
}

static void
pass(CsvReader *reader, size_t length)
{
	reader->begin += length;
	reader->offset += length;
	if (reader->quote < reader->begin)
		reader->quote = find_byte(reader, reader->begin, '"');
	if (reader->carriage < reader->begin)
		reader->carriage = find_byte(reader, reader->begin, '\r');
}

static void
make_room(CsvReader *reader)
{
	memmove(reader->buffer, reader->buffer + reader->begin, reader->end - reader->begin);
	reader->end -= reader->begin;
	reader->begin = 0;
	reader->values_used = 0;
	if (reader->capacity - reader->end >= PIECE_SIZE)
		return;
	reader->capacity += 2 * PIECE_SIZE;
	reader->buffer = repalloc(reader->buffer, reader->capacity);
	pfree(reader->values);
	reader->values = palloc(reader->capacity);
}

static void
read_piece(CsvReader *reader)
{
	make_room(reader);
	while (reader->end < reader->capacity && !reader->at_end)
	{
		size_t		got = lake_read(reader->file, reader->buffer + reader->end,
									reader->capacity - reader->end);

		reader->end += got;
		reader->at_end = got == 0;
	}
}

static void
skip_byte_order_mark(CsvReader *reader)
{
	if (reader->end >= 3 && memcmp(reader->buffer, "\xEF\xBB\xBF", 3) == 0)
		reader->begin = reader->offset = 3;
	reader->started = true;
}

/* The rest of a line of which the beginning was given as a bad record. */
static bool
skip_line(CsvReader *reader)
{
	size_t		newline = find_byte(reader, reader->begin, '\n');
	bool		found = newline < reader->end;

	pass(reader, newline - reader->begin + (found ? 1 : 0));
	return found;
}

bool
csv_fill(CsvReader *reader)
{
	do
	{
		if (reader->file != NULL && !reader->at_end)
			read_piece(reader);
		else if (reader->file == NULL)
			reader->at_end = true;
		if (!reader->started)
			skip_byte_order_mark(reader);
		reader->quote = find_byte(reader, reader->begin, '"');
		reader->carriage = find_byte(reader, reader->begin, '\r');
		if (reader->skipping && skip_line(reader))
			reader->skipping = false;
	} while (reader->skipping && !reader->at_end);
	reader->skipping = false;
	return reader->begin < reader->end;
}

bool
csv_is_utf8(const CsvReader *reader)
{
	size_t		end = reader->end;

	while (end > reader->begin && reader->buffer[end - 1] != '\n' && !reader->at_end)
		end--;
	return pg_verify_mbstr(PG_UTF8, reader->buffer + reader->begin, (int) (end - reader->begin), true);
}

/* ---- records ---- */

/* Room for another field; NULL: there are too many. */
static inline CsvField *
next_field(CsvReader *reader)
{
	if (reader->nfields == reader->max_fields)
	{
		if (reader->max_fields == MAX_FIELDS)
			return NULL;
		reader->max_fields = Min(reader->max_fields * 2, MAX_FIELDS);
		reader->fields = repalloc(reader->fields, reader->max_fields * sizeof(CsvField));
	}
	return &reader->fields[reader->nfields++];
}

/* What is between the commas of a line that has nothing else to it. */
static const char *
split_line(CsvReader *reader, const char *line, size_t length)
{
	const char *end = line + length;

	for (;;)
	{
		const char *comma = memchr(line, ',', end - line);
		CsvField   *field;

		field = next_field(reader);
		if (field == NULL)
			return "more than 1,600 fields";
		field->length = (comma != NULL ? comma : end) - line;
		field->data = field->length > 0 ? line : NULL;
		if (comma == NULL)
			return NULL;
		line = comma + 1;
	}
}

/*
 * libcsv's callbacks.  Nothing here may fail half-way through csv_parse but
 * for want of memory, after which the reader is thrown away.
 */
static void
take_field(void *data, size_t length, void *arg)
{
	CsvReader  *reader = arg;
	CsvField   *field;

	field = reader->complete ? NULL : next_field(reader);
	if (field == NULL)
	{
		reader->second = true;
		return;
	}
	field->length = data == NULL ? 0 : length;
	field->data = data == NULL ? NULL : reader->values + reader->values_used;
	memcpy(reader->values + reader->values_used, data == NULL ? "" : data, field->length);
	reader->values_used += field->length;
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

static const char *
feed(CsvReader *reader, size_t at, size_t length)
{
	if (csv_parse(&reader->parser, reader->buffer + at, length, take_field, take_record,
				  reader) != length)
	{
		if (csv_error(&reader->parser) != CSV_EPARSE)
			ereport(ERROR,
					(errcode(ERRCODE_OUT_OF_MEMORY),
					 errmsg("libcsv: %s", csv_strerror(csv_error(&reader->parser)))));
		return "quote in the wrong place";
	}
	if (reader->second)
		return reader->nfields == MAX_FIELDS ? "more than 1,600 fields" : lone_carriage_return;
	return NULL;
}

/* The physical line at "at", its end included; 0: it is not all there yet. */
static size_t
whole_line(const CsvReader *reader, size_t at)
{
	size_t		newline = find_byte(reader, at, '\n');

	if (newline < reader->end)
		return newline - at + 1;
	return reader->at_end ? reader->end - at : 0;
}

typedef enum Parsed
{
	PARSED,
	PARSED_BAD,					/* the reason is in record->error */
	PARSED_NOT_ALL				/* more of the file is needed */
} Parsed;

/* Up to the end of the line with the next quote, the only thing that can end a quoted field. */
static size_t
next_part(const CsvReader *reader, size_t at)
{
	size_t		quote = find_byte(reader, at, '"');
	size_t		rest = quote == reader->end ? 0 : whole_line(reader, quote);

	return rest == 0 ? 0 : quote - at + rest;
}

/* The record that begins at "begin", its first line having "length" bytes. */
static Parsed
parse_quoted(CsvReader *reader, size_t length, CsvRecord *record)
{
	size_t		at = reader->begin;

	record->raw_length = 0;
	record->raw_lines = 0;
	for (;;)
	{
		record->error = feed(reader, at, length);
		if (record->error != NULL)
			return PARSED_BAD;
		record->raw_lines += lake_count_lines(reader->buffer + at, length);
		record->raw_length += length;
		at += length;
		if (reader->complete)
		{
			/* What a carriage return has begun at the file's end has no end of its own. */
			if (csv_fini(&reader->parser, take_field, take_record, reader) == 0 && !reader->second)
				return PARSED;
			record->error = lone_carriage_return;
			return PARSED_BAD;
		}

		length = next_part(reader, at);
		if (length == 0 && !reader->at_end && reader->end - reader->begin <= RECORD_LIMIT)
			return PARSED_NOT_ALL;
		if (length == 0 || record->raw_length + length > RECORD_LIMIT)
			break;
	}
	/* The last line of a file need not have an end. */
	if (at == reader->end && reader->at_end &&
		csv_fini(&reader->parser, take_field, take_record, reader) == 0)
	{
		record->raw_lines++;
		return PARSED;
	}
	record->error = "quoted field without its end";
	return PARSED_BAD;
}

static Parsed
parse_record(CsvReader *reader, size_t length, CsvRecord *record)
{
	const char *line = reader->buffer + reader->begin;
	size_t		end = reader->begin + length;
	size_t		content = length;

	record->raw_length = length;
	record->raw_lines = 1;
	if (line[content - 1] == '\n')
		content--;
	if (content > 0 && reader->carriage == reader->begin + content - 1)
		content--;
	if (content == 0)
		record->error = "empty line";
	else if (line[0] == '\r')
		record->error = lone_carriage_return;	/* libcsv would pass over it */
	else if (reader->quote >= end &&
			 (reader->carriage >= end || reader->carriage == reader->begin + content))
		record->error = split_line(reader, line, content);
	else
		return parse_quoted(reader, length, record);
	return record->error == NULL ? PARSED : PARSED_BAD;
}

/* A line that is too long: its beginning is the record. */
static void
cut_line(CsvReader *reader, CsvRecord *record)
{
	record->error = "line of more than 1 MB";
	record->raw_length = RECORD_LIMIT;
	record->raw_lines = 1;
	reader->skipping = true;
}

bool
csv_next(CsvReader *reader, CsvRecord *record)
{
	size_t		length = whole_line(reader, reader->begin);
	size_t		values = reader->values_used;

	record->error = NULL;
	reader->nfields = 0;
	reader->complete = reader->second = false;
	if (reader->begin == reader->end || reader->skipping)
		return false;
	if (length == 0 && reader->end - reader->begin <= RECORD_LIMIT)
		return false;
	if (length == 0 || length > RECORD_LIMIT)
		cut_line(reader, record);
	else
		switch (parse_record(reader, length, record))
		{
			case PARSED:
				break;
			case PARSED_BAD:
				/* Only the line on which it began is lost. */
				record->raw_length = length;
				record->raw_lines = 1;
				reader->nfields = 0;
				reader->values_used = values;
				csv_free(&reader->parser);
				start_parser(reader);
				break;
			case PARSED_NOT_ALL:
				csv_free(&reader->parser);
				start_parser(reader);
				return false;
		}
	record->line = reader->line;
	record->offset = reader->offset;
	record->raw = reader->buffer + reader->begin;
	record->nfields = reader->nfields;
	record->fields = reader->fields;
	reader->line += record->raw_lines;
	pass(reader, record->raw_length);
	return true;
}
