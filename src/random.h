/*
 * random.h: where every random number of hospital comes from.
 *
 * A value is a pure function of (seed, kind, index, draw): no state, no order,
 * no libm, the same on every machine and byte order.  Philox4x32-10 (Salmon et
 * al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) gives four
 * 32-bit words a block; its published known answers are in the regression
 * tests.  The cheaper SplitMix64 finaliser is used only to derive keys of
 * permutations, never to draw a value.
 */
#ifndef HOSPITAL_RANDOM_H
#define HOSPITAL_RANDOM_H

#include "c.h"

/*
 * What a stream of numbers is for.  Part of the generator's definition: a
 * number is never reused and never renumbered.
 */
typedef enum RandomKind
{
	RANDOM_HOUSEHOLD = 1,		/* index: household, from 0 */
	RANDOM_PERSON = 2,			/* index: person, from 0 */
	RANDOM_POST = 3,			/* index: category and rhythm class of posts */
	RANDOM_STAFF = 4,			/* index: (post, occupant) */
	RANDOM_ROSTER = 5,			/* index: the member of staff's key; draw: the year */
	RANDOM_ADMISSION = 6,		/* retired: nobody draws it */
	RANDOM_TRANSFER = 7,		/* index: (day, transfer of the day) */
	RANDOM_DAY = 8,				/* retired: nobody draws it */
	RANDOM_ARRIVAL = 9,			/* index: (day, stream) or (day, stream, arrival) */
	RANDOM_CLINIC = 10,			/* index: (code, weekday, appointment) */
	RANDOM_STAY = 11,			/* index: admission */
	RANDOM_PATIENT = 12,		/* index: person */
	RANDOM_NEWCOMER = 13,		/* index: person who is not of the pool */
	RANDOM_VISIT = 14,			/* index: visit */
	RANDOM_STAY_DAY = 15,		/* index: (admission, day) */
	RANDOM_FAULT = 40			/* index: (day, kind, record of the file) */
} RandomKind;

typedef struct RandomBlock
{
	uint32		v[4];
} RandomBlock;

static inline RandomBlock
philox4x32_10(const uint32 ctr[4], const uint32 key[2])
{
	uint32		c0 = ctr[0],
				c1 = ctr[1],
				c2 = ctr[2],
				c3 = ctr[3];
	uint32		k0 = key[0],
				k1 = key[1];
	RandomBlock out;

	for (int round = 0; round < 10; round++)
	{
		uint64		p0 = (uint64) 0xD2511F53 * c0;
		uint64		p1 = (uint64) 0xCD9E8D57 * c2;
		uint32		n0 = (uint32) (p1 >> 32) ^ c1 ^ k0;
		uint32		n2 = (uint32) (p0 >> 32) ^ c3 ^ k1;

		c1 = (uint32) p1;
		c3 = (uint32) p0;
		c0 = n0;
		c2 = n2;
		k0 += 0x9E3779B9;
		k1 += 0xBB67AE85;
	}
	out.v[0] = c0;
	out.v[1] = c1;
	out.v[2] = c2;
	out.v[3] = c3;
	return out;
}

/* Block number "draw" of the stream that belongs to one thing. */
static inline RandomBlock
random_block(uint64 seed, RandomKind kind, uint64 index, uint32 draw)
{
	const uint32 ctr[4] = {(uint32) index, (uint32) (index >> 32), (uint32) kind, draw};
	const uint32 key[2] = {(uint32) seed, (uint32) (seed >> 32)};

	return philox4x32_10(ctr, key);
}

/*
 * The words of one thing's stream, one after the other: for what takes a
 * varying number of them.
 */
typedef struct Dice
{
	uint64		seed;
	uint64		index;
	RandomKind	kind;
	uint32		draw;			/* of the next block */
	int			left;			/* words of the block at hand */
	RandomBlock block;
} Dice;

static inline Dice
dice(uint64 seed, RandomKind kind, uint64 index, uint32 first_draw)
{
	Dice		d;

	d.seed = seed;
	d.index = index;
	d.kind = kind;
	d.draw = first_draw;
	d.left = 0;
	return d;
}

static inline uint32
dice_word(Dice *d)
{
	if (d->left == 0)
	{
		d->block = random_block(d->seed, d->kind, d->index, d->draw++);
		d->left = 4;
	}
	return d->block.v[--d->left];
}

/* Uniform integer in [0, n) from one word; bias below n / 2^32. */
static inline uint32
random_below(uint32 word, uint32 n)
{
	return (uint32) (((uint64) word * n) >> 32);
}

/* True with probability p / 2^32. */
static inline bool
random_chance(uint32 word, uint32 p)
{
	return word < p;
}

static inline uint32
dice_below(Dice *d, uint32 n)
{
	return random_below(dice_word(d), n);
}

/* True in so many of a million. */
static inline bool
dice_ppm(Dice *d, uint32 ppm)
{
	return random_below(dice_word(d), 1000000) < ppm;
}

/* SplitMix64's finaliser: a key from a key. */
static inline uint64
mix64(uint64 x)
{
	x += UINT64CONST(0x9E3779B97F4A7C15);
	x = (x ^ (x >> 30)) * UINT64CONST(0xBF58476D1CE4E5B9);
	x = (x ^ (x >> 27)) * UINT64CONST(0x94D049BB133111EB);
	return x ^ (x >> 31);
}

/*
 * A keyed permutation of [0, 2^bits): odd multiplications and right xor-shifts
 * are each invertible, so their chain is a bijection.  Not for secrets.
 */
static inline uint32
permute_bits(uint32 x, int bits, uint64 key)
{
	const uint32 mask = ((uint32) 1 << bits) - 1;
	const int	shift = (bits + 1) / 2;

	for (int round = 0; round < 3; round++)
	{
		x = (x + (uint32) key) & mask;
		x = (x * ((uint32) (key >> 32) | 1)) & mask;
		x ^= x >> shift;
		key = key * UINT64CONST(0x9E3779B97F4A7C15) + UINT64CONST(0xD1B54A32D192ED03);
		key ^= key >> 29;
	}
	return x;
}

/*
 * A weighted choice in constant time (Walker's alias method).  Built from the
 * reference data's integer weights when the extension is compiled.
 */
typedef struct AliasEntry
{
	uint32		threshold;		/* below: the entry itself; else its alias */
	uint16		value;
	uint16		alias;
} AliasEntry;

typedef struct AliasTable
{
	uint32		n;
	const AliasEntry *entries;
} AliasTable;

static inline uint16
alias_draw(const AliasTable *table, uint32 word)
{
	uint64		product = (uint64) word * table->n;
	const AliasEntry *e = &table->entries[product >> 32];

	return (uint32) product < e->threshold ? e->value : e->alias;
}

#endif							/* HOSPITAL_RANDOM_H */
