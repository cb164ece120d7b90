/*
 * shim.c: as much of the server as the parsers of src/ need, for the fuzzers.
 *
 * Memory contexts are flat: each chunk is malloc's own, so that the sanitizer
 * knows its bounds, and hangs in the list of its context.  Functions that only
 * compute (dates, numbers as text) are written again here, plainly.
 */
#include "postgres.h"

#include <setjmp.h>
#include <unistd.h>

#include "catalog/namespace.h"
#include "common/jsonapi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "nodes/memnodes.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "shim.h"

#define MAX_ALLOC ((Size) 0x3fffffff)

/* ---- memory ---- */

typedef struct Chunk
{
	struct Chunk *next;
	struct Chunk *previous;
	struct Context *context;
	Size		size;
} Chunk;

typedef struct Context
{
	MemoryContextData header;	/* the type that callers know */
	Chunk		chunks;			/* a ring */
	MemoryContextCallback *callbacks;
	struct Context *parent;
	struct Context *first_child;
	struct Context *next_sibling;
} Context;

static Context top;
MemoryContext CurrentMemoryContext = (MemoryContext) &top;
MemoryContext TopMemoryContext = (MemoryContext) &top;
MemoryContext ErrorContext = (MemoryContext) &top;

static void
context_init(Context *context)
{
	if (context->chunks.next == NULL)
		context->chunks.next = context->chunks.previous = &context->chunks;
}

static void
context_empty(Context *context)
{
	while (context->first_child != NULL)
	{
		Context    *child = context->first_child;

		context->first_child = child->next_sibling;
		context_empty(child);
		free(child);
	}
	while (context->callbacks != NULL)
	{
		MemoryContextCallback *callback = context->callbacks;

		context->callbacks = callback->next;
		callback->func(callback->arg);
	}
	context_init(context);
	while (context->chunks.next != &context->chunks)
	{
		Chunk	   *chunk = context->chunks.next;

		context->chunks.next = chunk->next;
		free(chunk);
	}
	context->chunks.previous = &context->chunks;
}

void
MemoryContextReset(MemoryContext context)
{
	context_empty((Context *) context);
}

static void *
allocate(Context *context, Size size, Size most)
{
	Chunk	   *chunk;

	if (size > most)
		elog(ERROR, "invalid memory alloc request size %zu", size);
	context_init(context);
	chunk = malloc(sizeof(Chunk) + size);
	if (chunk == NULL)
		fuzz_fail("memory", __FILE__, __LINE__, "%zu bytes", size);
	chunk->size = size;
	chunk->context = context;
	chunk->previous = &context->chunks;
	chunk->next = context->chunks.next;
	chunk->next->previous = chunk->previous->next = chunk;
	memset(chunk + 1, 0x7F, Min(size, 4096));
	return chunk + 1;
}

void *
palloc(Size size)
{
	return allocate((Context *) CurrentMemoryContext, size, MAX_ALLOC);
}

void *
palloc0(Size size)
{
	return memset(palloc(size), 0, size);
}

void *
palloc_extended(Size size, int flags)
{
	return (flags & MCXT_ALLOC_ZERO) ? palloc0(size) : palloc(size);
}

void *
MemoryContextAlloc(MemoryContext context, Size size)
{
	return allocate((Context *) context, size, MAX_ALLOC);
}

void *
MemoryContextAllocZero(MemoryContext context, Size size)
{
	return memset(MemoryContextAlloc(context, size), 0, size);
}

void *
MemoryContextAllocZeroAligned(MemoryContext context, Size size)
{
	return MemoryContextAllocZero(context, size);
}

void *
MemoryContextAllocHuge(MemoryContext context, Size size)
{
	return allocate((Context *) context, size, SIZE_MAX / 2);
}

void
pfree(void *pointer)
{
	Chunk	   *chunk = (Chunk *) pointer - 1;

	chunk->next->previous = chunk->previous;
	chunk->previous->next = chunk->next;
	free(chunk);
}

static void *
move(void *pointer, Size size, Size most)
{
	Chunk	   *old = (Chunk *) pointer - 1;
	void	   *moved = allocate(old->context, size, most);

	memcpy(moved, pointer, Min(size, old->size));
	pfree(pointer);
	return moved;
}

void *
repalloc(void *pointer, Size size)
{
	return move(pointer, size, MAX_ALLOC);
}

void *
repalloc_huge(void *pointer, Size size)
{
	return move(pointer, size, SIZE_MAX / 2);
}

char *
pnstrdup(const char *text, Size length)
{
	char	   *copy;

	length = strnlen(text, length);
	copy = palloc(length + 1);
	memcpy(copy, text, length);
	copy[length] = '\0';
	return copy;
}

char *
pstrdup(const char *text)
{
	return pnstrdup(text, strlen(text));
}

void
MemoryContextRegisterResetCallback(MemoryContext context, MemoryContextCallback *callback)
{
	callback->next = ((Context *) context)->callbacks;
	((Context *) context)->callbacks = callback;
}

MemoryContext
AllocSetContextCreateInternal(MemoryContext parent, const char *name, Size least, Size first, Size most)
{
	Context    *context = calloc(1, sizeof(Context));

	(void) name;
	(void) least;
	(void) first;
	(void) most;
	context->parent = (Context *) parent;
	context->next_sibling = context->parent->first_child;
	context->parent->first_child = context;
	return (MemoryContext) context;
}

/* ---- errors ---- */

char		fuzz_error[1024];
int			fuzz_sqlstate;
static sigjmp_buf *end_of_work;
static int	error_level;

/* For errfinish's callers; error contexts are not shown. */
ErrorContextCallback *error_context_stack;
sigjmp_buf *PG_exception_stack;

void
fuzz_fail(const char *condition, const char *file, int line, const char *format,...)
{
	va_list		args;

	fprintf(stderr, "%s:%d: what must hold does not: %s\n  ", file, line, condition);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	abort();
}

bool
errstart(int level, const char *domain)
{
	(void) domain;
	error_level = level;
	if (level < ERROR)
		return false;
	fuzz_sqlstate = ERRCODE_INTERNAL_ERROR;
	fuzz_error[0] = '\0';
	return true;
}

bool
errstart_cold(int level, const char *domain)
{
	return errstart(level, domain);
}

void
errfinish(const char *file, int line, const char *function)
{
	if (error_level < ERROR)
		return;
	if (fuzz_sqlstate == ERRCODE_INTERNAL_ERROR || end_of_work == NULL)
		fuzz_fail("an errcode", file, line, "%s: %s", function, fuzz_error);
	siglongjmp(*end_of_work, 1);
}

int
errcode(int sqlstate)
{
	fuzz_sqlstate = sqlstate;
	return 0;
}

int
errcode_for_file_access(void)
{
	return errcode(ERRCODE_IO_ERROR);
}

/* Formatted, so that wrong arguments are noticed. */
#define FORMATTED(to, size) \
	do { \
		va_list		args; \
		va_start(args, format); \
		vsnprintf(to, size, format, args); \
		va_end(args); \
	} while (0)

static char unshown[4096];

int
errmsg(const char *format,...)
{
	FORMATTED(fuzz_error, sizeof(fuzz_error));
	return 0;
}

int
errmsg_internal(const char *format,...)
{
	FORMATTED(fuzz_error, sizeof(fuzz_error));
	return 0;
}

int
errdetail(const char *format,...)
{
	FORMATTED(unshown, sizeof(unshown));
	return 0;
}

int
errdetail_internal(const char *format,...)
{
	FORMATTED(unshown, sizeof(unshown));
	return 0;
}

int
errhint(const char *format,...)
{
	FORMATTED(unshown, sizeof(unshown));
	return 0;
}

bool
fuzz_try(void (*work) (FuzzInput *input), FuzzInput *input)
{
	sigjmp_buf	here;
	volatile bool whole = true;
	MemoryContext context = AllocSetContextCreateInternal((MemoryContext) &top, "work", 0, 0, 0);

	CurrentMemoryContext = context;
	end_of_work = &here;
	if (sigsetjmp(here, 0) == 0)
		work(input);
	else
		whole = false;
	end_of_work = NULL;
	CurrentMemoryContext = (MemoryContext) &top;
	/* What was kept on purpose in the top context stays: the kinds' descriptions. */
	context_empty((Context *) context);
	top.first_child = NULL;
	free(context);
	return whole;
}

/* ---- inputs ---- */

uint8
fuzz_byte(FuzzInput *input)
{
	if (input->left == 0)
		return 0;
	input->left--;
	return *input->at++;
}

static char *
take(FuzzInput *input, size_t length)
{
	char	   *bytes = palloc(length);

	memcpy(bytes, input->at, length);
	input->at += length;
	input->left -= length;
	return bytes;
}

char *
fuzz_bytes(FuzzInput *input, size_t most, size_t *length)
{
	*length = fuzz_byte(input);
	*length = Min(Min(*length, most), input->left);
	return take(input, *length);
}

char *
fuzz_rest(FuzzInput *input, size_t *length)
{
	*length = input->left;
	return take(input, *length);
}

/* ---- texts ---- */

void
initStringInfo(StringInfo text)
{
	text->maxlen = 64;
	text->data = palloc(text->maxlen);
	resetStringInfo(text);
}

StringInfo
makeStringInfo(void)
{
	StringInfo	text = palloc(sizeof(StringInfoData));

	initStringInfo(text);
	return text;
}

void
resetStringInfo(StringInfo text)
{
	text->data[0] = '\0';
	text->len = text->cursor = 0;
}

/* No more than was asked for, unlike the server's: writing beyond it is noticed. */
void
enlargeStringInfo(StringInfo text, int needed)
{
	if (needed < 0 || (Size) needed >= MAX_ALLOC - (Size) text->len)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("string too long")));
	if (text->len + needed + 1 <= text->maxlen)
		return;
	text->maxlen = text->len + needed + 1;
	text->data = repalloc(text->data, text->maxlen);
}

void
appendBinaryStringInfo(StringInfo text, const char *data, int length)
{
	enlargeStringInfo(text, length);
	memcpy(text->data + text->len, data, length);
	text->len += length;
	text->data[text->len] = '\0';
}

void
appendStringInfoString(StringInfo text, const char *string)
{
	appendBinaryStringInfo(text, string, strlen(string));
}

void
appendStringInfoChar(StringInfo text, char c)
{
	appendBinaryStringInfo(text, &c, 1);
}

int
appendStringInfoVA(StringInfo text, const char *format, va_list args)
{
	int			room = text->maxlen - text->len;
	int			length = vsnprintf(text->data + text->len, room, format, args);

	if (length >= room)
		return length + 1;
	text->len += length;
	return 0;
}

void
appendStringInfo(StringInfo text, const char *format,...)
{
	int			needed;

	do
	{
		va_list		args;

		va_start(args, format);
		needed = appendStringInfoVA(text, format, args);
		va_end(args);
		if (needed > 0)
			enlargeStringInfo(text, needed);
	} while (needed > 0);
}

char *
psprintf(const char *format,...)
{
	StringInfoData text;
	char		some[4096];
	va_list		args;

	va_start(args, format);
	vsnprintf(some, sizeof(some), format, args);
	va_end(args);
	initStringInfo(&text);
	appendStringInfoString(&text, some);
	return text.data;
}

void
escape_json(StringInfo out, const char *text)
{
	appendStringInfoChar(out, '"');
	for (; *text != '\0'; text++)
	{
		if (*text == '"' || *text == '\\')
			appendStringInfo(out, "\\%c", *text);
		else if ((unsigned char) *text < 0x20)
			appendStringInfo(out, "\\u%04x", *text);
		else
			appendStringInfoChar(out, *text);
	}
	appendStringInfoChar(out, '"');
}

int
pg_ulltoa_n(uint64 number, char *to)
{
	char		text[24];
	int			length = sprintf(text, UINT64_FORMAT, number);

	memcpy(to, text, length);
	return length;
}

/* ---- characters ---- */

bool
pg_verify_mbstr(int encoding, const char *text, int length, bool no_error)
{
	Assert(no_error);
	(void) no_error;
	return pg_encoding_verifymbstr(encoding, text, length) == length;
}

int
pg_encoding_mbcliplen(int encoding, const char *text, int length, int limit)
{
	int			clipped = 0;

	while (clipped < length && text[clipped] != '\0')
	{
		int			l = pg_encoding_mblen(encoding, text + clipped);

		if (clipped + l > limit || clipped + l > length)
			break;
		clipped += l;
	}
	return clipped;
}

int
pg_mbcliplen(const char *text, int length, int limit)
{
	return pg_encoding_mbcliplen(PG_UTF8, text, length, limit);
}

/* Only Latin 1 can be converted. */
Oid
FindDefaultConversionProc(int32 from, int32 to)
{
	(void) to;
	return from == PG_LATIN1 ? 1 : InvalidOid;
}

int
pg_do_encoding_conversion_buf(Oid procedure, int from, int to, unsigned char *source, int length,
							  unsigned char *result, int room, bool no_error)
{
	int			done = 0;

	(void) procedure;
	(void) from;
	(void) to;
	(void) no_error;
	while (done < length && source[done] != '\0' && room > 2)
	{
		unsigned char c = source[done++];

		if (c >= 0x80)
		{
			*result++ = 0xC0 | c >> 6;
			c = 0x80 | (c & 0x3F);
			room--;
		}
		*result++ = c;
		room--;
	}
	*result = '\0';
	return done;
}

/* ---- dates: the days of the Gregorian calendar, counted another way than the server does ---- */

const int	day_tab[2][13] = {
	{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 0},
	{31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 0}
};

/* Of the proleptic calendar: day 0 is 4714-11-24 BC, a year of the server's -4713. */
int
date2j(int year, int month, int day)
{
	int64		y = (int64) year + 4800 - (month <= 2);
	int			m = (month + 9) % 12;

	return (int) (365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 32044);
}

void
j2date(int julian, int *year, int *month, int *day)
{
	int			least = -5000;
	int			most = 300000;

	while (most - least > 1)
	{
		int			middle = least + (most - least) / 2;

		if (date2j(middle, 1, 1) <= julian)
			least = middle;
		else
			most = middle;
	}
	*year = least;
	for (*month = 12; *month > 1 && date2j(*year, *month, 1) > julian; (*month)--)
		;
	*day = julian - date2j(*year, *month, 1) + 1;
}

const char *
timestamptz_to_str(TimestampTz time)
{
	static char text[64];

	snprintf(text, sizeof(text), INT64_FORMAT, time);
	return text;
}

/* ---- JSON: what the server says of a fault, which only its own copy of the parser has ---- */

char *
json_errdetail(JsonParseErrorType error, JsonLexContext *lex)
{
	return psprintf("error %d at \"%.*s\"", (int) error, (int) (lex->token_terminator - lex->token_start),
					lex->token_start);
}
