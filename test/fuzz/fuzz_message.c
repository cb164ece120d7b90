/*
 * fuzz_message.c: keys and headers of Kafka messages.
 *
 * Of a reject's headers: they are JSON, in UTF-8, as many as there were.  Of a
 * tick that a producer takes for its own when it reads back what it has sent:
 * written again, it is the header that was read; and what it writes it reads.
 */
#include "shim.h"

#include "common/hashfn.h"
#include "common/jsonapi.h"
#include "mb/pg_wchar.h"

#include "event.h"
#include "event_headers.h"
#include "fuzz_message.h"
#include "stream_ledger.h"

#define HEADERS_MAX 80			/* more than anybody reads */
#define TICK_ROOM 128

KafkaHeader fuzz_headers[HEADERS_MAX];
int			fuzz_nheaders;

int
some_headers(KafkaHeader *headers, int max)
{
	int			n = Min(max, fuzz_nheaders);

	memcpy(headers, fuzz_headers, n * sizeof(KafkaHeader));
	return n;
}

static const char *const names[] = {
	HEADER_SIMULATION, HEADER_EVENT_ID, HEADER_TYPE, HEADER_SCHEMA_VERSION, HEADER_SIMULATED_TIME, HEADER_TICK
};

/* A name of ours, or any; a value that is ours, any, or none. */
static void
take_header(FuzzInput *input)
{
	KafkaHeader *header = &fuzz_headers[fuzz_nheaders++];
	uint8		choice = fuzz_byte(input);
	size_t		length;

	if (choice & 0x80)
	{
		char	   *name = fuzz_bytes(input, 60, &length);

		header->name = pnstrdup(name, length);
	}
	else
		header->name = names[choice % lengthof(names)];
	if ((choice & 0x70) == 0x10)
	{
		header->value = NULL;
		header->length = 0;
	}
	else if ((choice & 0x70) == 0x20)
	{
		header->value = memcpy(palloc(strlen(SIMULATION)), SIMULATION, strlen(SIMULATION));
		header->length = strlen(SIMULATION);
	}
	else
	{
		header->value = fuzz_bytes(input, 255, &length);
		header->length = length;
	}
}

static void
must_be_json(const char *json)
{
	JsonLexContext *lex = makeJsonLexContextCstringLen(unconstify(char *, json), strlen(json), PG_UTF8, true);
	JsonSemAction nothing = {0};

	fuzz_must(event_text_is_storable(json, strlen(json)), "%s", json);
	fuzz_must(pg_parse_json(lex, &nothing) == JSON_SUCCESS, "%s", json);
}

/* The simulation that the producer compares with is in the first header that says one. */
static void
must_be_the_header(const char *text)
{
	for (int i = 0; i < fuzz_nheaders; i++)
		if (strcmp(fuzz_headers[i].name, HEADER_TICK) == 0 && fuzz_headers[i].value != NULL)
		{
			fuzz_must(fuzz_headers[i].length == strlen(text) &&
					  memcmp(fuzz_headers[i].value, text, strlen(text)) == 0,
					  "\"%s\" was read from \"%.*s\"", text, (int) fuzz_headers[i].length, fuzz_headers[i].value);
			return;
		}
	fuzz_must(false, "no header has \"%s\"", text);
}

static void
read_message(FuzzInput *input)
{
	char		tick[TICK_ROOM];
	size_t		key_length;
	size_t		length;
	char	   *key = fuzz_bytes(input, 255, &key_length);
	char	   *payload;
	int			kind = fuzz_byte(input) % RECORD_KINDS;

	fuzz_nheaders = 0;
	while (input->left > 0 && fuzz_nheaders < HEADERS_MAX)
		take_header(input);
	payload = fuzz_rest(input, &length);
	must_be_json(headers_as_json());
	(void) stream_digest(key, key_length, payload, length);
	(void) stream_digest(NULL, 0, payload, length);
	if (tick_of_message(kind, tick, sizeof(tick)))
		must_be_the_header(tick);
	fuzz_must(own_tick_is_read(kind, 7305 + (int) length, (int) (key_length * 4 % 1001), (int64) length * 1000003),
			  "%zu and %zu", length, key_length);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	FuzzInput	input = {data, size};

	fuzz_try(read_message, &input);
	return 0;
}
