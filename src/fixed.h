/*
 * fixed.h: arithmetic without floating point, for what decides a value.
 */
#ifndef HOSPITAL_FIXED_H
#define HOSPITAL_FIXED_H

#include "postgres.h"

#define LN2_FIXED 45426			/* the natural logarithm of 2 */

/* 2^x; both 16.16. */
extern int64 fixed_exp2(int32 x);

/* Integer square root. */
extern uint32 fixed_sqrt(uint64 n);

/* The normal quantile of word / 2^32: mean 0, standard deviation 1. */
extern int32 normal_quantile(uint32 word);

/* A log-normal distribution, of its mean and standard deviation (16.16). */
typedef struct LogNormal
{
	int32		location;		/* log2 of the median */
	int32		scale;			/* standard deviation of the log2 */
} LogNormal;

extern LogNormal lognormal(int64 mean, int64 sd);

static inline int64
lognormal_draw(const LogNormal *d, uint32 word)
{
	int64		x = d->location + (((int64) d->scale * normal_quantile(word)) >> 16);

	return fixed_exp2((int32) Min(x, 30 * 65536));
}

/* A Poisson count. */
extern int	poisson(int64 mean, uint32 word);

/* Share out "total" by weight, largest remainder first. */
extern void apportion(int n, const int *weights, int total, int *out);

#endif							/* HOSPITAL_FIXED_H */
