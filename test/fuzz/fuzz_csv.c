/*
 * fuzz_csv.c: day files.
 *
 * The file is read three times: by csv_read.c, in memory of exactly its length;
 * by the same source compiled with pieces of 16 bytes and records of at most 256
 * (csv_small.h), so that every boundary is met; and, a record at a time, by a
 * reader of our own below.
 * All have the same records with the same fields at the same bytes and lines.
 * Then the lines are parsed as records of a kind; what is accepted and written
 * again is read as the same record.
 */
#include "shim.h"

#include "mb/pg_wchar.h"

#include "csv_read.h"
#include "csv_small.h"
#include "record_csv.h"
#include "record_parse.h"
#include "same_record.h"

#define FIRST_DAY 7305			/* 2020-01-01 */
#define FIELDS_MAX 1600

/* ---- a file that is in memory ---- */

struct LakeFile
{
	const char *data;
	size_t		length;
	size_t		at;
	size_t		most;			/* at a time */
};

size_t
lake_read(LakeFile *file, char *buffer, size_t size)
{
	size_t		n = Min(Min(size, file->most), file->length - file->at);

	memcpy(buffer, file->data + file->at, n);
	file->at += n;
	return n;
}

/* ---- a reader of our own, of the record that begins at "at" ---- */

typedef struct Plain
{
	bool		good;
	size_t		length;			/* with the line's end */
	int			nfields;
	CsvField	fields[FIELDS_MAX + 1];
	char	   *values;			/* what they point at */
} Plain;

/* How many bytes of a line's end are here: LF, or CRs and then LF or the file's end; -1: a lone CR. */
static int
line_end(const char *at, const char *end)
{
	const char *next = at;

	while (next < end && *next == '\r')
		next++;
	if (next < end && *next == '\n')
		return (int) (next + 1 - at);
	return next == end ? (int) (next - at) : next == at ? 0 : -1;
}

static void
read_plainly(Plain *plain, const char *begin, const char *end)
{
	const char *at = begin;
	char	   *to = plain->values = palloc(end - begin + 1);

	plain->good = false;
	plain->nfields = 0;
	if (*at == '\n' || *at == '\r')
		return;
	for (;;)
	{
		CsvField   *field = &plain->fields[plain->nfields++];
		bool		quoted = at < end && *at == '"';
		int			at_end;

		if (plain->nfields > FIELDS_MAX)
			return;
		*field = (CsvField) {.data = to};
		if (quoted)
		{
			for (at++; at < end && !(*at == '"' && (at + 1 == end || at[1] != '"')); at++)
			{
				if (*at == '"')
					at++;
				*to++ = *at;
			}
			if (at == end)
				return;
			at++;
		}
		else
		{
			while (at < end && *at != ',' && *at != '\n' && *at != '\r' && *at != '"')
				*to++ = *at++;
		}
		field->length = to - field->data;
		if (!quoted && field->length == 0)
			field->data = NULL;
		if (at < end && *at == ',')
		{
			at++;
			continue;
		}
		at_end = line_end(at, end);
		plain->good = at_end > 0 || at == end;
		plain->length = at - begin + Max(at_end, 0);
		return;
	}
}

static void
must_be_as_plain(const CsvRecord *record, const char *data, size_t length)
{
	static Plain room;
	Plain	   *plain = &room;

	if (record->error != NULL && strstr(record->error, "more than") != NULL)
		return;
	read_plainly(plain, data + record->offset, data + length);
	fuzz_must(plain->good == (record->error == NULL), "\"%s\" at " INT64_FORMAT, record->error, record->offset);
	if (record->error != NULL)
	{
		pfree(plain->values);
		return;
	}
	fuzz_must(plain->length == record->raw_length && plain->nfields == record->nfields,
			  "%zu bytes and %d fields, not %zu and %d", record->raw_length, record->nfields,
			  plain->length, plain->nfields);
	for (int i = 0; i < record->nfields; i++)
		fuzz_must((plain->fields[i].data == NULL) == (record->fields[i].data == NULL) &&
				  plain->fields[i].length == record->fields[i].length &&
				  (record->fields[i].data == NULL ||
				   memcmp(plain->fields[i].data, record->fields[i].data, record->fields[i].length) == 0),
				  "field %d", i);
	pfree(plain->values);
}

/* ---- the two readers ---- */

/* Bytes and line of a record are those of the file; records follow each other. */
static void
must_be_in_place(const CsvRecord *record, const char *data, size_t length, int64 *next)
{
	static int64 counted;		/* line ends before this are in "line" */
	static int64 line;

	if (*next == 0)
	{
		counted = 0;
		line = 1;
	}
	fuzz_must(record->offset >= *next && record->raw_length > 0 &&
			  (size_t) record->offset + record->raw_length <= length, INT64_FORMAT, record->offset);
	fuzz_must(memcmp(record->raw, data + record->offset, record->raw_length) == 0, INT64_FORMAT, record->offset);
	for (; counted < record->offset; counted++)
		line += data[counted] == '\n';
	fuzz_must(record->line == line, INT64_FORMAT " is not " INT64_FORMAT, record->line, line);
	/* Only the rest of a line that is too long is passed over. */
	fuzz_must(record->offset == *next || (*next > 0 && data[record->offset - 1] == '\n') || record->offset == 3,
			  INT64_FORMAT, record->offset);
	*next = record->offset + record->raw_length;
}

typedef struct Seen
{
	int64		offset;
	size_t		raw_length;
	bool		bad;
	uint32		digest;			/* of its fields */
} Seen;

static uint32
digest(const CsvRecord *record)
{
	uint32		sum = record->nfields;

	for (int i = 0; i < record->nfields; i++)
	{
		sum = sum * 31 + (record->fields[i].data == NULL);
		for (size_t k = 0; k < record->fields[i].length; k++)
			sum = sum * 31 + (uint8) record->fields[i].data[k];
	}
	return sum;
}

static Seen *
read_in_small_pieces(const char *data, size_t length, int *n)
{
	LakeFile	file = {.data = data, .length = length, .most = 7};
	CsvReader  *reader = small_csv_reader(&file);
	CsvRecord	record;
	Seen	   *seen = palloc((length + 1) * sizeof(Seen));
	int64		next = 0;

	*n = 0;
	while (small_csv_fill(reader))
	{
		(void) small_csv_is_utf8(reader);
		while (small_csv_next(reader, &record))
		{
			must_be_in_place(&record, data, length, &next);
			seen[(*n)++] = (Seen) {record.offset, record.raw_length, record.error != NULL, digest(&record)};
		}
	}
	return seen;
}

/* Is anything of the file too large for the small reader? */
static bool
has_large(const Seen *seen, int n)
{
	for (int i = 0; i < n; i++)
		if (seen[i].raw_length > SMALL_RECORD_LIMIT)
			return true;
	return false;
}

static Seen *
read_whole(const char *data, size_t length, int *n)
{
	CsvReader  *reader = csv_reader_of_bytes(data, length);
	CsvRecord	record;
	Seen	   *seen = palloc((length + 1) * sizeof(Seen));
	int64		next = 0;

	*n = 0;
	while (csv_fill(reader))
		while (csv_next(reader, &record))
		{
			must_be_in_place(&record, data, length, &next);
			must_be_as_plain(&record, data, length);
			seen[(*n)++] = (Seen) {record.offset, record.raw_length, record.error != NULL, digest(&record)};
		}
	fuzz_must(next == (int64) length, INT64_FORMAT " of %zu bytes", next, length);
	return seen;
}

static void
compare_readers(const char *data, size_t length)
{
	int			n;
	int			n_small;
	Seen	   *seen = read_whole(data, length, &n);
	Seen	   *small = read_in_small_pieces(data, length, &n_small);

	if (has_large(seen, n) || (length >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0))
		return;					/* a byte order mark is passed over in a file only */
	fuzz_must(n == n_small, "%d and %d records", n, n_small);
	for (int i = 0; i < n; i++)
		fuzz_must(seen[i].offset == small[i].offset && seen[i].raw_length == small[i].raw_length &&
				  seen[i].bad == small[i].bad && seen[i].digest == small[i].digest, "record %d", i);
}

/* ---- records of a kind ---- */

static const int encodings[] = {PG_UTF8, PG_SQL_ASCII, PG_LATIN1};

/* "text" is a line of a file in UTF-8. */
static void
must_be_read_again(int kind_number, int64 day, const Record *record)
{
	const RecordKind *kind = &record_kinds[kind_number];
	RecordParser *parser = record_parser(kind, day, PG_UTF8);
	RecordFault fault = {0};
	StringInfoData text;
	CsvReader  *reader;
	CsvRecord	line;
	Record		again = {0};

	initStringInfo(&text);
	record_csv_line(&text, kind, record);
	record_parse_usual_order(parser);
	reader = csv_reader_of_bytes(text.data, text.len);
	fuzz_must(csv_fill(reader) && csv_next(reader, &line), "%s", text.data);
	fuzz_must(record_parse(parser, &line, &again, &fault), "%s: %s", fault.message, text.data);
	must_be_same(kind_number, record, &again);
}

static void
parse_lines(const char *data, size_t length, uint8 choice, uint8 form)
{
	int			kind = choice % RECORD_KINDS;
	int64		day = FIRST_DAY + (form >> 4);
	RecordParser *parser = record_parser(&record_kinds[kind], day, encodings[(form & 3) % 3]);
	CsvReader  *reader = csv_reader_of_bytes(data, length);
	CsvRecord	line;
	Record		record = {0};
	RecordFault fault = {0};

	if (!csv_fill(reader))
		return;
	if (form & 4)
		record_parse_usual_order(parser);
	else if (!csv_next(reader, &line) || record_parse_header(parser, &line) != NULL)
		return;
	do
	{
		record_parse_trust(parser, csv_is_utf8(reader));
		while (csv_next(reader, &line))
			if (record_parse(parser, &line, &record, &fault))
				must_be_read_again(kind, day, &record);
			else
				fuzz_must(fault.sqlstate != 0 && fault.message != NULL && fault.column >= -1 &&
						  fault.column < record_kinds[kind].ncolumns, "%d", fault.column);
	} while (csv_fill(reader));
}

static void
read_file(FuzzInput *input)
{
	uint8		choice = fuzz_byte(input);
	uint8		form = fuzz_byte(input);
	size_t		length;
	char	   *data = fuzz_rest(input, &length);

	compare_readers(data, length);
	parse_lines(data, length, choice, form);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	FuzzInput	input = {data, size};

	fuzz_try(read_file, &input);
	return 0;
}
