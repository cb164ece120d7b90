#include "postgres.h"
#include "event.h"
void
event_to_hl7(StringInfo out, int kind_number, const void *record, const char *sender)
{
	appendStringInfo(out, "MSH|STUB|%s|%d", sender, kind_number);
}
