/*
 * tuple_form.c: a heap tuple from a row, in memory that is used again.
 *
 * heap_form_tuple goes over the columns twice, once for the size and once for
 * the bytes, and allocates.  A bulk load forms millions of rows of one shape
 * whose texts have short headers already, so one pass into a buffer of fixed
 * size does.  The layout is the server's own; what is not plain (a toasted or
 * compressed value, a row that is too long) is refused.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tupmacs.h"

#include "compat.h"
#include "tuple_form.h"

/* A text or the like at "to"; the end of it, or NULL. */
static inline char *
put_varlena(char *to, const char *end, Datum value)
{
	const char *from = DatumGetPointer(value);
	Size		size;

	if (VARATT_IS_SHORT(from))
	{
		size = VARSIZE_SHORT(from);
		if (size > (Size) (end - to))
			return NULL;
		memcpy(to, from, size);
		return to + size;
	}
	if (VARATT_IS_EXTENDED(from))
		return NULL;
	size = VARSIZE(from) - VARHDRSZ;
	if (size + VARHDRSZ_SHORT > VARATT_SHORT_MAX || size + VARHDRSZ_SHORT > (Size) (end - to))
		return NULL;
	SET_VARSIZE_SHORT(to, size + VARHDRSZ_SHORT);
	memcpy(to + VARHDRSZ_SHORT, VARDATA(from), size);
	return to + VARHDRSZ_SHORT + size;
}

/* Zero bytes up to the alignment: equal rows have equal bytes. */
static inline char *
align_to(char *to, char align)
{
	char	   *aligned = (char *) att_align_nominal((uintptr_t) to, align);

	while (to < aligned)
		*to++ = 0;
	return aligned;
}

static inline char *
put_fixed(char *to, const char *end, Form_pg_attribute att, Datum value)
{
	to = align_to(to, att->attalign);
	if (att->attlen > end - to)
		return NULL;
	if (att->attbyval)
		store_att_byval(to, value, att->attlen);
	else
		memcpy(to, DatumGetPointer(value), att->attlen);
	return to + att->attlen;
}

bool
tuple_form(HeapTuple tuple, TupleDesc tupdesc, const Datum *values, const bool *isnull)
{
	HeapTupleHeader header = tuple->t_data;
	const char *end = (const char *) header + TUPLE_ROOM;
	bool		has_nulls = memchr(isnull, true, tupdesc->natts) != NULL;
	int			offset = SizeofHeapTupleHeader + (has_nulls ? BITMAPLEN(tupdesc->natts) : 0);
	char	   *to;

	offset = MAXALIGN(offset);
	memset(header, 0, offset);
	to = (char *) header + offset;
	header->t_infomask = has_nulls ? HEAP_HASNULL : 0;
	HeapTupleHeaderSetNatts(header, tupdesc->natts);
	header->t_hoff = offset;
	ItemPointerSetInvalid(&header->t_ctid);
	ItemPointerSetInvalid(&tuple->t_self);
	tuple->t_tableOid = InvalidOid;

	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, i);

		if (isnull[i])
			continue;
		if (has_nulls)
			header->t_bits[i >> 3] |= 1 << (i & 7);
		if (att->attlen == -1)
		{
			header->t_infomask |= HEAP_HASVARWIDTH;
			to = put_varlena(to, end, values[i]);
		}
		else
			to = att->attlen > 0 ? put_fixed(to, end, att, values[i]) : NULL;
		if (to == NULL)
			return false;
	}
	tuple->t_len = to - (char *) header;
	return true;
}
