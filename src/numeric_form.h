/*
 * numeric_form.h: a numeric from an integer and a scale, as the server stores it, and back.
 *
 * numeric_in and the arithmetic of numeric allocate and take about a tenth of a
 * microsecond; a file of bills has seven numbers a line.  The stored form of a
 * small finite numeric has not changed since PostgreSQL 9.1 and is on users'
 * disks: a short varlena header, 16 bits of sign, scale and weight, and digits
 * to base 10000 without leading and trailing zeros.
 */
#ifndef HOSPITAL_NUMERIC_FORM_H
#define HOSPITAL_NUMERIC_FORM_H

#include "postgres.h"

#define NUMERIC_FORM_ROOM 20	/* bytes, at the most */

/* digits / 10^scale, 0 <= scale <= 6, at "out"; the end of what was written. */
static inline char *
numeric_form(char *out, int64 digits, int scale)
{
	uint64		rest = digits < 0 ? (uint64) 0 - (uint64) digits : (uint64) digits;
	int16		groups[6];
	int			n = 0;
	int			fraction = (scale + 3) / 4; /* groups after the point */
	int			first = 0;
	int			last;
	uint16		header;
	char	   *to = out + VARHDRSZ_SHORT + sizeof(uint16);

	for (int pad = fraction * 4 - scale; pad > 0; pad--)
	{
		/* the lowest group is filled up on the right; the highest may overflow 64 bits */
		Assert(rest <= PG_UINT64_MAX / 10);
		rest *= 10;
	}
	while (rest > 0)
	{
		groups[n++] = (int16) (rest % 10000);	/* lowest first */
		rest /= 10000;
	}
	while (first < n && groups[first] == 0)
		first++;
	last = n - 1;
	if (first >= n)
		header = 0x8000 | (scale << 7); /* zero: no digits, weight 0 */
	else
		header = 0x8000 | (digits < 0 ? 0x2000 : 0) | (scale << 7) |
			((uint16) (last - fraction) & 0x7F);
	memcpy(out + VARHDRSZ_SHORT, &header, sizeof(header));
	if (first < n)
		for (int i = last; i >= first; i--)
		{
			memcpy(to, &groups[i], sizeof(int16));
			to += sizeof(int16);
		}
	SET_VARSIZE_SHORT(out, to - out);
	return to;
}

/*
 * The way back: what is stored behind the varlena header, as digits / 10^scale.
 * False for what has no such form here: special values, many digits or places.
 */
static inline bool
numeric_read(const char *stored, size_t length, int64 *digits, int *scale)
{
	static const int64 powers[] = {1, 10, 100, 1000, 10000};
	uint16		header;
	int16		group;
	int64		value = 0;
	int			ngroups = (int) (length - sizeof(header)) / (int) sizeof(group);
	int			weight;
	int			wanted;			/* groups down to the last place */

	if (length < sizeof(header))
		return false;
	memcpy(&header, stored, sizeof(header));
	if ((header & 0xC000) != 0x8000)
		return false;
	*scale = (header & 0x1F80) >> 7;
	weight = (header & 0x003F) - (header & 0x0040);
	wanted = weight + 1 + (*scale + 3) / 4;
	if (*scale > 4 || wanted > 4 || ngroups > wanted)
		return false;
	for (int i = 0; i < wanted; i++)
	{
		group = 0;
		if (i < ngroups)
			memcpy(&group, stored + sizeof(header) + i * sizeof(group), sizeof(group));
		value = value * 10000 + group;
	}
	/* the last group has more places than are shown: they are zeros */
	value /= powers[(4 - *scale % 4) % 4];
	*digits = (header & 0x2000) ? -value : value;
	return true;
}

#endif							/* HOSPITAL_NUMERIC_FORM_H */
