/*
 * ingest_refs.c: do the people, wards and so on that records refer to exist?
 *
 * A declared foreign key asks the referenced table for each row.  The records
 * of a day refer to few patients, staff and wards again and again, so what has
 * been found is remembered, and only the rest is asked for, by one query for
 * all records of a batch.  Nothing is rejected on memory alone.
 *
 * Numbers are remembered in tables of fixed size, each number in one place of
 * its own, where the next one that belongs there replaces it: 2 MB in all,
 * whatever the size of the hospital.  Codes are few.
 *
 * A remembered row may be gone: taken back with the transaction or the batch
 * that brought it (then everything is forgotten), or deleted by hand (nothing
 * is remembered for longer than REMEMBER_MS).
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "ingest_refs.h"
#include "kept_plan.h"

#define REMEMBER_MS 5000
#define CODE_SLOTS 1024
#define CODES_MAX 512
#define CODE_LENGTH 24			/* longer ones are always asked for */
#define REFERENCES (REF_MEDICINE + 1)

typedef struct Reference
{
	const char *table;
	const char *word;
	const char *query;
	bool		is_text;
	int			bits;			/* of the number of places for numbers */
	bool		sequential;		/* numbers follow each other: no two in one place */
} Reference;

static const Reference references[REFERENCES] = {
	[REF_PATIENT] = {"patients", "patient",
		"SELECT patient_id FROM hospital.patients WHERE patient_id = ANY ($1)", false, 17, false},
	[REF_STAFF] = {"staff", "member of staff",
		"SELECT staff_id FROM hospital.staff WHERE staff_id = ANY ($1)", false, 16, true},
	[REF_ADMISSION] = {"admissions", "admission",
		"SELECT admission_id FROM hospital.admissions WHERE admission_id = ANY ($1)", false, 16, false},
	[REF_WARD] = {"wards", "ward",
		"SELECT ward_code FROM hospital.wards WHERE ward_code = ANY ($1)", true, 0, false},
	[REF_DEPARTMENT] = {"departments", "department",
		"SELECT department_code FROM hospital.departments WHERE department_code = ANY ($1)", true, 0, false},
	[REF_MEDICINE] = {"medicines", "medicine",
		"SELECT medicine_id FROM hospital.medicines WHERE medicine_id = ANY ($1)", true, 0, false},
};

typedef struct Code
{
	uint8		length;			/* 0: none here */
	char		text[CODE_LENGTH];
} Code;

/* What is remembered of one table. */
typedef struct Memory
{
	int64	   *numbers;		/* by place; 0: none here */
	Code	   *codes;
	int			ncodes;
	KeptPlan	plan;
} Memory;

static Memory memories[REFERENCES];
static bool empty = true;
static int64 undone_then;
static TimestampTz since;

const char *
reference_table(RecordReference reference)
{
	return references[reference].table;
}

const char *
reference_word(RecordReference reference)
{
	return references[reference].word;
}

bool
reference_is_text(RecordReference reference)
{
	return references[reference].is_text;
}

/* ---- memory ---- */

void
refs_forget(void)
{
	if (empty)
		return;
	for (int i = 0; i < REFERENCES; i++)
	{
		if (memories[i].numbers != NULL)
			memset(memories[i].numbers, 0, sizeof(int64) << references[i].bits);
		if (memories[i].codes != NULL)
			memset(memories[i].codes, 0, CODE_SLOTS * sizeof(Code));
		memories[i].ncodes = 0;
	}
	empty = true;
}

static void
forget_after_abort(XactEvent event, void *arg)
{
	(void) arg;
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PARALLEL_ABORT)
		refs_forget();
}

void
refs_begin(int64 undone)
{
	static bool registered = false;
	TimestampTz now = GetCurrentTimestamp();

	if (!registered)
	{
		RegisterXactCallback(forget_after_abort, NULL);
		registered = true;
	}
	if (undone != undone_then || TimestampDifferenceExceeds(since, now, REMEMBER_MS))
	{
		refs_forget();
		since = now;
	}
	undone_then = undone;
}

static inline uint32
place_of(const Reference *reference, int64 id)
{
	if (reference->sequential)
		return (uint32) id & ((1U << reference->bits) - 1);
	return (uint32) (((uint64) id * UINT64CONST(0x9E3779B97F4A7C15)) >> (64 - reference->bits));
}

void
refs_learn(RecordReference number, int64 id)
{
	const Reference *reference = &references[number];
	Memory	   *memory = &memories[number];

	if (memory->numbers == NULL)
		memory->numbers = MemoryContextAllocZero(TopMemoryContext, sizeof(int64) << reference->bits);
	memory->numbers[place_of(reference, id)] = id;
	empty = false;
}

/* Where the code is, or where it would go; NULL: codes as long are not kept. */
static Code *
find_code(const Memory *memory, const RecText *text)
{
	uint32		slot;

	if (text->length > CODE_LENGTH || text->length == 0)
		return NULL;
	slot = hash_bytes((const unsigned char *) text->data, (int) text->length);
	for (;; slot++)
	{
		Code	   *code = &memory->codes[slot % CODE_SLOTS];

		if (code->length == 0 ||
			(code->length == text->length && memcmp(code->text, text->data, text->length) == 0))
			return code;
	}
}

static void
learn_code(Memory *memory, const RecText *text)
{
	Code	   *code;

	if (memory->codes == NULL)
		memory->codes = MemoryContextAllocZero(TopMemoryContext, CODE_SLOTS * sizeof(Code));
	code = find_code(memory, text);
	if (code == NULL || code->length != 0 || memory->ncodes == CODES_MAX)
		return;
	memcpy(code->text, text->data, text->length);
	code->length = text->length;
	memory->ncodes++;
	empty = false;
}

/* ---- numbers ---- */

typedef struct AskedNumber
{
	int64		id;
	int			row;
} AskedNumber;

static int
compare_numbers(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return x < y ? -1 : x > y ? 1 : 0;
}

/* The numbers among those asked for that are there, in order. */
static int64 *
find_numbers(RecordReference number, const AskedNumber *asked, int n, int *nfound)
{
	const Oid	types[] = {INT8ARRAYOID};
	int64	   *ids = palloc(n * sizeof(int64));
	Datum		values[1];
	int			distinct = 0;
	bool		isnull;

	for (int i = 0; i < n; i++)
		ids[i] = asked[i].id;
	qsort(ids, n, sizeof(int64), compare_numbers);
	for (int i = 0; i < n; i++)
		if (i == 0 || ids[i] != ids[distinct - 1])
			ids[distinct++] = ids[i];
	values[0] = kept_numbers(ids, distinct);
	*nfound = (int) kept_run(&memories[number].plan, references[number].query, 1, types, values, NULL,
							 SPI_OK_SELECT);
	if (*nfound > n)			/* a key was dropped, or a table inherits: numbers are there twice */
		ids = repalloc(ids, *nfound * sizeof(int64));
	for (int i = 0; i < *nfound; i++)
	{
		ids[i] = DatumGetInt64(kept_value(i, 1, &isnull));
		refs_learn(number, ids[i]);
	}
	kept_done();
	qsort(ids, *nfound, sizeof(int64), compare_numbers);
	return ids;
}

static void
check_numbers(const RecordKind *kind, int column, const char *records, int n, bool *out,
			  RefMissing missing, void *arg)
{
	const RecordColumn *definition = &kind->columns[column];
	const Reference *reference = &references[definition->reference];
	const int64 *numbers = memories[definition->reference].numbers;
	AskedNumber *asked = NULL;
	int			nasked = 0;
	int64	   *found;
	int			nfound;

	for (int row = 0; row < n; row++)
	{
		int64		id = *(const int64 *) (records + row * kind->size + definition->offset);

		if (out[row] || id == REC_NULL8 ||
			(numbers != NULL && numbers[place_of(reference, id)] == id))
			continue;
		if (asked == NULL)
			asked = palloc((n - row) * sizeof(AskedNumber));
		asked[nasked++] = (AskedNumber) {id, row};
	}
	if (nasked == 0)
		return;
	found = find_numbers(definition->reference, asked, nasked, &nfound);
	for (int i = 0; i < nasked; i++)
		if (bsearch(&asked[i].id, found, nfound, sizeof(int64), compare_numbers) == NULL)
		{
			out[asked[i].row] = true;
			missing(arg, asked[i].row, column);
		}
}

/* ---- codes ---- */

static bool
text_is(const RecText *a, const RecText *b)
{
	return a->length == b->length && memcmp(a->data, b->data, a->length) == 0;
}

/* Those of the distinct codes that are there. */
static bool *
find_codes(RecordReference number, const RecText *codes, int n)
{
	const Oid	types[] = {TEXTARRAYOID};
	Datum	   *elements = palloc(n * sizeof(Datum));
	bool	   *found = palloc0(n * sizeof(bool));
	Datum		values[1];
	int			rows;
	bool		isnull;

	for (int i = 0; i < n; i++)
		elements[i] = PointerGetDatum(cstring_to_text_with_len(codes[i].data, (int) codes[i].length));
	values[0] = PointerGetDatum(construct_array(elements, n, TEXTOID, -1, false, TYPALIGN_INT));
	rows = (int) kept_run(&memories[number].plan, references[number].query, 1, types, values, NULL,
						  SPI_OK_SELECT);
	for (int row = 0; row < rows; row++)
	{
		text	   *value = DatumGetTextPP(kept_value(row, 1, &isnull));
		RecText		code = {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};

		for (int i = 0; i < n; i++)
			if (text_is(&code, &codes[i]))
				found[i] = true;
		learn_code(&memories[number], &code);
	}
	kept_done();
	return found;
}

#define MAX_ASKED_CODES 64		/* at a time: there are hardly ever more that are new */

typedef struct AskedCodes
{
	RecText		codes[MAX_ASKED_CODES];
	int			n;
} AskedCodes;

static int
asked_code(const AskedCodes *asked, const RecText *text)
{
	for (int i = 0; i < asked->n; i++)
		if (text_is(text, &asked->codes[i]))
			return i;
	return -1;
}

/* From a row on: the codes that are not remembered; where it had to stop. */
static int
collect_codes(const RecordKind *kind, const RecordColumn *definition, const char *records, int row,
			  int n, const bool *out, AskedCodes *asked)
{
	const Memory *memory = &memories[definition->reference];
	const RecText *known = NULL;

	for (; row < n; row++)
	{
		const RecText *text = (const RecText *) (records + row * kind->size + definition->offset);
		const Code *code;

		if (out[row] || text->data == NULL || (known != NULL && text_is(text, known)))
			continue;
		code = memory->codes == NULL ? NULL : find_code(memory, text);
		if (code != NULL && code->length != 0)
			known = text;
		else if (asked_code(asked, text) < 0)
		{
			if (asked->n == MAX_ASKED_CODES)
				break;
			asked->codes[asked->n++] = *text;
		}
	}
	return row;
}

static void
check_codes(const RecordKind *kind, int column, const char *records, int n, bool *out,
			RefMissing missing, void *arg)
{
	const RecordColumn *definition = &kind->columns[column];
	int			end;

	for (int begin = 0; begin < n; begin = end)
	{
		AskedCodes	asked = {.n = 0};
		bool	   *found;

		end = collect_codes(kind, definition, records, begin, n, out, &asked);
		if (asked.n == 0)
			continue;
		found = find_codes(definition->reference, asked.codes, asked.n);
		for (int row = begin; row < end; row++)
		{
			const RecText *text = (const RecText *) (records + row * kind->size + definition->offset);
			int			i = out[row] || text->data == NULL ? -1 : asked_code(&asked, text);

			if (i < 0 || found[i])
				continue;
			out[row] = true;
			missing(arg, row, column);
		}
	}
}

void
refs_check(const RecordKind *kind, const char *records, int n, bool *out, RefMissing missing,
		   void *arg)
{
	for (int column = 0; column < kind->ncolumns; column++)
	{
		RecordReference reference = kind->columns[column].reference;

		if (reference == REF_NONE)
			continue;
		if (references[reference].is_text)
			check_codes(kind, column, records, n, out, missing, arg);
		else
			check_numbers(kind, column, records, n, out, missing, arg);
	}
}
