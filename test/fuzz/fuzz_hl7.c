/*
 * fuzz_hl7.c: HL7 v2 messages.
 *
 * Of what is accepted: written again as a message of ours, it is read as the
 * same record; and so it is as a JSON event.
 */
#include "shim.h"

#include "same_record.h"

static void
read_message(FuzzInput *input)
{
	int			kind = -1;
	int			kind_again = -1;
	EventFault	fault = {0};
	Record		record = {0};
	Record		again = {0};
	StringInfoData written;
	size_t		length;
	char	   *payload = fuzz_rest(input, &length);

	if (!event_from_hl7(payload, length, &kind, &record, &fault))
	{
		fuzz_must(fault.sqlstate != 0 && fault.message[0] != '\0' &&
				  event_text_is_storable(fault.message, strlen(fault.message)), "%s", fault.message);
		return;
	}
	fuzz_must(kind >= 0 && kind < RECORD_KINDS && event_has_hl7(kind), "%d", kind);

	initStringInfo(&written);
	event_to_hl7(&written, kind, &record, "joburg");
	fuzz_must(event_from_hl7(written.data, written.len, &kind_again, &again, &fault) && kind_again == kind,
			  "%s in %s", fault.message, written.data);
	must_be_same(kind, &record, &again);

	resetStringInfo(&written);
	event_to_json(&written, kind, &record);
	fuzz_must(event_from_json(kind, written.data, written.len, &again, NULL, &fault), "%s in %s",
			  fault.message, written.data);
	must_be_same(kind, &record, &again);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	FuzzInput	input = {data, size};

	fuzz_try(read_message, &input);
	return 0;
}
