/*
 * same_record.c: whether two records are the same.
 */
#include "same_record.h"

static bool
same_decimal(const RecDecimal *a, const RecDecimal *b)
{
	return a->scale == b->scale && (a->scale < 0 || a->digits == b->digits);
}

static bool
same_text(const RecText *a, const RecText *b)
{
	if (a->data == NULL || b->data == NULL)
		return a->data == b->data;
	return a->length == b->length && memcmp(a->data, b->data, a->length) == 0;
}

static bool
same_value(RecordType type, const char *a, const char *b)
{
	switch (type)
	{
		case REC_INT8:
		case REC_TIME:
		case REC_MONEY:
			return *(const int64 *) a == *(const int64 *) b;
		case REC_INT4:
		case REC_DATE:
			return *(const int32 *) a == *(const int32 *) b;
		case REC_TEXT:
			return same_text((const RecText *) a, (const RecText *) b);
		case REC_DECIMAL:
			return same_decimal((const RecDecimal *) a, (const RecDecimal *) b);
		case REC_UUID:
			return memcmp(a, b, sizeof(pg_uuid_t)) == 0;
	}
	return false;
}

void
must_be_same(int kind_number, const Record *a, const Record *b)
{
	const RecordKind *kind = &record_kinds[kind_number];

	for (int i = 0; i < kind->ncolumns; i++)
	{
		const RecordColumn *column = &kind->columns[i];

		fuzz_must(same_value(column->type, a->bytes + column->offset, b->bytes + column->offset),
				  "%s.%s", kind->name, column->name);
	}
}
