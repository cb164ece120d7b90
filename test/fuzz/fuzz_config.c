/*
 * fuzz_config.c: hospital.kafka_config_file.
 *
 * Every line that is neither empty nor a comment is a property.  All of them are
 * given to librdkafka, as a client's are, and then what must not be touched is
 * as it was, whatever name it was given under.
 */
#include "shim.h"

#include <ctype.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "librdkafka/rdkafka.h"
#include "nodes/pg_list.h"
#include "storage/fd.h"

#include "kafka_config.h"

#define PATH "kafka.conf"

/* ---- the file ---- */

static int	file = -1;

int
OpenTransientFile(const char *path, int flags)
{
	fuzz_must(strcmp(path, PATH) == 0 && (flags & O_ACCMODE) == O_RDONLY, "%s", path);
	lseek(file, 0, SEEK_SET);
	return file;
}

int
CloseTransientFile(int fd)
{
	fuzz_must(fd == file, "%d", fd);
	return 0;
}

List *
lappend(List *list, void *datum)
{
	if (list == NIL)
	{
		list = palloc0(sizeof(List));
		list->type = T_List;
		list->max_length = 64 * 1024;
		list->elements = palloc(list->max_length * sizeof(ListCell));
	}
	list->elements[list->length++].ptr_value = datum;
	return list;
}

static void
write_file(const char *data, size_t length)
{
	if (file < 0)
	{
		file = memfd_create("kafka", 0);
		fuzz_must(fchmod(file, 0600) == 0, "memfd");
	}
	fuzz_must(ftruncate(file, 0) == 0 && pwrite(file, data, length, 0) == (ssize_t) length, "memfd");
}

/* ---- what must hold ---- */

/* Of the global configuration, and of topics. */
static const char *const untouched[] = {
	"plugin.library.paths", "ssl.engine.location", "ssl.engine.id", "ssl.providers", "sasl.kerberos.kinit.cmd",
	"internal.termination.signal", "bootstrap.servers", "metadata.broker.list", "test.mock.num.brokers",
	"group.id", "group.instance.id", "group.protocol.type", "transactional.id", "enable.auto.commit",
	"auto.commit.interval.ms", "enable.auto.offset.store", "auto.offset.reset", "auto.commit.enable",
	"offset.store.method", "offset.store.path", "isolation.level", "enable.idempotence",
	"enable.gapless.guarantee", "acks", "request.required.acks", "enable.partition.eof",
	"delivery.report.only.error", "enabled_events", "log.queue", "statistics.interval.ms"
};

static bool
value_of(rd_kafka_conf_t *conf, const char *name, char *value, size_t room)
{
	value[0] = '\0';
	return rd_kafka_conf_get(conf, name, value, &room) == RD_KAFKA_CONF_OK;
}

static int
lines_of(const char *data, size_t length)
{
	const char *end = data + length;
	int			n = 0;

	while (data < end)
	{
		const char *newline = memchr(data, '\n', end - data);
		const char *line_end = newline == NULL ? end : newline;

		while (data < line_end && isspace((unsigned char) *data))
			data++;
		n += data < line_end && *data != '#';
		data = line_end + 1;
	}
	return n;
}

static void
apply(List *properties)
{
	rd_kafka_conf_t *plain = rd_kafka_conf_new();
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char		error[512];
	ListCell   *lc;

	/* Else the first property of topics would make it. */
	rd_kafka_conf_set_default_topic_conf(plain, rd_kafka_topic_conf_new());
	rd_kafka_conf_set_default_topic_conf(conf, rd_kafka_topic_conf_new());
	foreach(lc, properties)
	{
		KafkaProperty *property = lfirst(lc);

		(void) rd_kafka_conf_set(conf, property->key, property->value, error, sizeof(error));
	}
	for (int i = 0; i < (int) lengthof(untouched); i++)
	{
		char		before[4096];
		char		after[4096];

		fuzz_must(value_of(plain, untouched[i], before, sizeof(before)) ==
				  value_of(conf, untouched[i], after, sizeof(after)) && strcmp(before, after) == 0,
				  "%s is \"%s\"", untouched[i], after);
	}
	rd_kafka_conf_destroy(plain);
	rd_kafka_conf_destroy(conf);
}

static void
read_config(FuzzInput *input)
{
	size_t		length;
	char	   *data = fuzz_rest(input, &length);
	List	   *properties;

	write_file(data, length);
	properties = kafka_config_read(PATH);
	fuzz_must(list_length(properties) == lines_of(data, length), "%d properties in %d lines",
			  list_length(properties), lines_of(data, length));
	apply(properties);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	FuzzInput	input = {data, size};

	fuzz_try(read_config, &input);
	return 0;
}
