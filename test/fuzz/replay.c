/*
 * replay.c: a harness without libFuzzer: files of a corpus, and mutations of
 * them that depend on a seed alone.
 *
 *	replay SEED MUTATIONS FILE...
 *
 * An input that ends the program, or that takes longer than a minute, is left in
 * the file that HOSPITAL_FUZZ_LAST names.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INPUT_MAX 4096
#define PATIENCE_S 60

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The sanitizers' own, where they are linked in. */
extern void __sanitizer_set_death_callback(void (*callback) (void)) __attribute__((weak));

typedef struct Input
{
	uint8_t		data[INPUT_MAX];
	size_t		size;
} Input;

static const Input *at_work;
static uint64_t state;

static void
leave_last(void)
{
	const char *path = getenv("HOSPITAL_FUZZ_LAST");
	int			file = path == NULL || at_work == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (file < 0 || write(file, at_work->data, at_work->size) < 0)
		return;
	close(file);
}

static void
end(int number)
{
	leave_last();
	if (number == SIGALRM)
		fputs("ERROR: an input takes too long\n", stderr);
	signal(SIGABRT, SIG_DFL);
	abort();
}

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

/* In memory of exactly its size. */
static void
run(const Input *input)
{
	uint8_t    *exact = malloc(input->size + (input->size == 0));

	at_work = input;
	alarm(PATIENCE_S);
	memcpy(exact, input->data, input->size);
	LLVMFuzzerTestOneInput(exact, input->size);
	free(exact);
}

static void
read_input(const char *path, Input *input)
{
	FILE	   *file = fopen(path, "rb");

	if (file == NULL)
	{
		perror(path);
		exit(2);
	}
	input->size = fread(input->data, 1, INPUT_MAX, file);
	fclose(file);
}

/* One change where chance says: a bit, a byte that matters, a piece out, a piece twice, a byte put in. */
static void
change(Input *input)
{
	static const char marks[] = ",\"\r\n|^~\\&{}[]:='0129.-+TZ \x0b\x1c\xff\xc3";
	size_t		at = below(input->size);
	size_t		length = 1 + below(8);
	uint8_t    *data = input->data;

	if (length > input->size - at)
		length = input->size - at;
	switch (below(5))
	{
		case 0:
			if (input->size > 0)
				data[at] ^= (uint8_t) (1 << below(8));
			break;
		case 1:
			if (input->size > 0)
				data[at] = (uint8_t) marks[below(sizeof(marks))];
			break;
		case 2:
			memmove(data + at, data + at + length, input->size - at - length);
			input->size -= length;
			break;
		case 3:
			if (input->size + length > INPUT_MAX)
				break;
			memmove(data + at + length, data + at, input->size - at);
			input->size += length;
			break;
		default:
			if (input->size + 1 > INPUT_MAX)
				break;
			memmove(data + at + 1, data + at, input->size - at);
			data[at] = (uint8_t) marks[below(sizeof(marks))];
			input->size++;
	}
}

int
main(int argc, char **argv)
{
	static Input changed;
	Input	   *corpus = calloc(argc, sizeof(Input));
	int			n = argc - 3;
	long		mutations;

	if (n < 1 || corpus == NULL)
		return 2;
	state = strtoull(argv[1], NULL, 10);
	mutations = atol(argv[2]);
	signal(SIGABRT, end);
	signal(SIGALRM, end);
	if (__sanitizer_set_death_callback != NULL)
		__sanitizer_set_death_callback(leave_last);
	for (int i = 0; i < n; i++)
	{
		read_input(argv[3 + i], &corpus[i]);
		run(&corpus[i]);
	}
	for (long i = 0; i < mutations; i++)
	{
		changed = corpus[below(n)];
		for (size_t changes = 1 + below(4); changes > 0; changes--)
			change(&changed);
		run(&changed);
	}
	at_work = NULL;
	printf("%ld\n", n + mutations);
	free(corpus);
	return 0;
}
