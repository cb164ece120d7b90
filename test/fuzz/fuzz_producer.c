/*
 * fuzz_producer.c: what a producer reads back.  The source itself, since it
 * keeps that to itself.
 */
#include "../../src/producer_tail.c"

#include "fuzz_message.h"

Producer	producer;
static PublishedTick noted;
static bool is_noted;

int
kafka_headers(KafkaClient *client, KafkaHeader *headers, int max)
{
	(void) client;
	return some_headers(headers, max);
}

PublishedTick *
ticks_get(HTAB *ticks, const TickKey *key, int64 stream_tick)
{
	(void) ticks;
	noted = (PublishedTick) {.key = *key, .stream_tick = stream_tick};
	is_noted = true;
	return &noted;
}

void
kafka_note_arrival(KafkaArrivals *arrivals, int partition, int64 offset)
{
	(void) arrivals;
	(void) partition;
	(void) offset;
}

bool
tick_of_message(int kind, char *text, size_t room)
{
	KafkaMessage message = {0};
	int			year;
	int			month;
	int			day;

	strlcpy(producer.simulation_id, SIMULATION, sizeof(producer.simulation_id));
	is_noted = false;
	note_message(NULL, &message, kind, NULL);
	if (!is_noted)
		return false;
	j2date(noted.key.day + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	if (noted.stream_tick == 0)
		snprintf(text, room, "%04d-%02d-%02d %d", year, month, day, noted.key.tick);
	else
		snprintf(text, room, "%04d-%02d-%02d %d " INT64_FORMAT, year, month, day, noted.key.tick, noted.stream_tick);
	return true;
}
