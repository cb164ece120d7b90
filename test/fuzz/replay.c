/*
 * replay.c: a harness without libFuzzer: files of a corpus, and mutations of
 * them that depend on a seed alone.
 *
 *	replay SEED MUTATIONS FILE...
 *
 * The last input is kept in the file that HOSPITAL_FUZZ_LAST names, so that it
 * is there when the program has ended by it.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX 4096

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t state;

/* SplitMix64. */
static uint64_t
next_random(void)
{
	uint64_t	z = (state += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

static size_t
below(size_t n)
{
	return n == 0 ? 0 : next_random() % n;
}

static void
run(const uint8_t *data, size_t size)
{
	const char *last = getenv("HOSPITAL_FUZZ_LAST");
	uint8_t    *exact = malloc(size + (size == 0));

	if (last != NULL)
	{
		FILE	   *file = fopen(last, "wb");

		if (file == NULL || fwrite(data, 1, size, file) != size || fclose(file) != 0)
			exit(2);
	}
	memcpy(exact, data, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
}

static size_t
read_input(const char *path, uint8_t *data)
{
	FILE	   *file = fopen(path, "rb");
	size_t		size;

	if (file == NULL)
	{
		perror(path);
		exit(2);
	}
	size = fread(data, 1, INPUT_MAX, file);
	fclose(file);
	return size;
}

/* One change in a place that chance says: a byte, a piece out, a piece twice, a byte that matters put in. */
static size_t
change(uint8_t *data, size_t size)
{
	static const char marks[] = ",\"\r\n|^~\\&{}[]:='0129.-+TZ \x0b\x1c\xff\xc3";
	size_t		at = below(size);
	size_t		length = 1 + below(8);

	if (length > size - at)
		length = size - at;
	switch (below(5))
	{
		case 0:
			if (size > 0)
				data[at] ^= (uint8_t) (1 << below(8));
			return size;
		case 1:
			if (size > 0)
				data[at] = (uint8_t) marks[below(sizeof(marks))];
			return size;
		case 2:
			memmove(data + at, data + at + length, size - at - length);
			return size - length;
		case 3:
			if (size + length > INPUT_MAX)
				return size;
			memmove(data + at + length, data + at, size - at);
			return size + length;
		default:
			if (size + 1 > INPUT_MAX)
				return size;
			memmove(data + at + 1, data + at, size - at);
			data[at] = (uint8_t) marks[below(sizeof(marks))];
			return size + 1;
	}
}

int
main(int argc, char **argv)
{
	static uint8_t original[INPUT_MAX];
	static uint8_t changed[INPUT_MAX];
	long		mutations;
	long		runs = 0;

	if (argc < 4)
		return 2;
	state = strtoull(argv[1], NULL, 10);
	mutations = atol(argv[2]);
	for (int i = 3; i < argc; i++, runs++)
		run(original, read_input(argv[i], original));
	for (long n = 0; n < mutations; n++, runs++)
	{
		size_t		size = read_input(argv[3 + below(argc - 3)], original);

		memcpy(changed, original, size);
		for (size_t changes = 1 + below(4); changes > 0; changes--)
			size = change(changed, size);
		run(changed, size);
	}
	printf("%ld\n", runs);
	return 0;
}
