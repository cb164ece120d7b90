/*
 * shim.h: as much of the server as the parsers of src/ need, for the fuzzers.
 *
 * Each harness is linked with the true object files of src/.  What they call of
 * the server is in shim.c: memory that the address sanitizer watches piece by
 * piece, and ereport, which ends the work at hand.  An error without an errcode
 * is an internal one: it ends the program, as a fault that was found.
 */
#ifndef HOSPITAL_FUZZ_SHIM_H
#define HOSPITAL_FUZZ_SHIM_H

#include "postgres.h"

/* What is left of an input, taken from its front. */
typedef struct FuzzInput
{
	const uint8 *at;
	size_t		left;
} FuzzInput;

/*
 * Do the work in a memory context of its own, which is gone afterwards.  True:
 * it came to its end; false: it raised an error that a user may see, and
 * fuzz_error is its message.
 */
extern bool fuzz_try(void (*work) (FuzzInput *input), FuzzInput *input);
extern char fuzz_error[1024];
extern int	fuzz_sqlstate;

/* 0 when there is nothing left. */
extern uint8 fuzz_byte(FuzzInput *input);

/* Up to "most" bytes, as the input says; exactly as long a piece of memory, which is freed with all else. */
extern char *fuzz_bytes(FuzzInput *input, size_t most, size_t *length);

/* The rest, in a piece of memory of its length. */
extern char *fuzz_rest(FuzzInput *input, size_t *length);

/* What must hold of what was accepted. */
#define fuzz_must(condition, ...) \
	do { \
		if (!(condition)) \
			fuzz_fail(#condition, __FILE__, __LINE__, __VA_ARGS__); \
	} while (0)
extern void fuzz_fail(const char *condition, const char *file, int line, const char *format,...)
			pg_attribute_printf(4, 5) pg_attribute_noreturn();

#endif							/* HOSPITAL_FUZZ_SHIM_H */
