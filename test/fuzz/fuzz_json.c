/*
 * fuzz_json.c: payloads of Kafka messages, as JSON events of each kind.
 *
 * Of what is accepted: the scanner that takes the usual event at a glance and
 * the server's parser agree, value by value; and written again it is read as
 * the same record.  A payload is read in memory of exactly its length.
 */
#include "shim.h"

#include "event.h"
#include "event_json.h"
#include "same_record.h"

#define KEEP_UNKNOWN 0x80

static void
read_event(FuzzInput *input)
{
	uint8		choice = fuzz_byte(input);
	int			kind = (choice & 0x7F) % RECORD_KINDS;
	bool		keep = (choice & KEEP_UNKNOWN) != 0;
	char	   *unknown = NULL;
	char	   *unknown_too = NULL;
	EventFault	fault = {0};
	Record		record = {0};
	Record		parsed = {0};
	Record		again = {0};
	StringInfoData written;
	size_t		length;
	char	   *payload = fuzz_rest(input, &length);

	if (!event_from_json(kind, payload, length, &record, keep ? &unknown : NULL, &fault))
	{
		fuzz_must(fault.sqlstate != 0 && fault.message[0] != '\0' && event_text_is_storable(fault.message, strlen(fault.message)),
				  "%s", fault.message);
		return;
	}
	fuzz_must(json_parse_event(json_kind(kind), payload, length, &parsed, keep ? &unknown_too : NULL, &fault),
			  "%s", fault.message);
	must_be_same(kind, &record, &parsed);
	fuzz_must((unknown == NULL) == (unknown_too == NULL), "%s", unknown == NULL ? unknown_too : unknown);

	initStringInfo(&written);
	event_to_json(&written, kind, &record);
	fuzz_must(event_from_json(kind, written.data, written.len, &again, NULL, &fault), "%s in %s",
			  fault.message, written.data);
	must_be_same(kind, &record, &again);

	/* What is told of it elsewhere: when, whom, its id. */
	{
		pg_uuid_t	id;
		char		text[EVENT_ID_LENGTH + 1];

		event_id(&id, kind, &record);
		event_id_text(text, &id);
		event_append_utc(&written, event_time(kind, &record));
		(void) event_subject(kind, &record);
	}
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	FuzzInput	input = {data, size};

	fuzz_try(read_event, &input);
	return 0;
}
