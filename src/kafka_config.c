/*
 * kafka_config.c: what the settings say about Kafka: which brokers, and the
 * properties in hospital.kafka_config_file.
 *
 * The file has lines of key=value, # begins a comment line.  Passwords are in
 * there, so nobody else may read it, and no message ever shows a value.
 * Refused are the properties that would load code into the server, run
 * commands, touch its signals, or change what exactly-once rests on.
 */
#include "postgres.h"

#include <ctype.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/fd.h"

#include "kafka.h"
#include "kafka_config.h"
#include "named_file.h"
#include "settings.h"
#include "shared_state.h"

#define CONFIG_MAX_BYTES (64 * 1024)

typedef struct RefusedProperty
{
	const char *key;			/* a trailing * stands for any ending */
	const char *reason;
} RefusedProperty;

static const char loads_code[] = "It would load code into the server or run a command.";
static const char touches_signals[] = "It would interfere with the server's signals.";
static const char set_by_hospital[] = "hospital sets it itself: exactly-once rests on it.";
static const char own_setting[] = "Use the setting hospital.kafka_brokers instead.";
static const char for_tests[] = "It replaces the brokers by an imitation.";

static const RefusedProperty refused[] = {
	{"plugin.library.paths", loads_code},
	{"ssl.engine.*", loads_code},
	{"ssl.providers", loads_code},
	{"sasl.kerberos.kinit.cmd", loads_code},
	{"internal.termination.signal", touches_signals},
	{"bootstrap.servers", own_setting},
	{"metadata.broker.list", own_setting},
	{"test.*", for_tests},
	{"group.*", set_by_hospital},
	{"transactional.id", set_by_hospital},
	{"enable.auto.commit", set_by_hospital},
	{"auto.commit.*", set_by_hospital},
	{"enable.auto.offset.store", set_by_hospital},
	{"auto.offset.reset", set_by_hospital},
	{"offset.store.*", set_by_hospital},
	{"isolation.level", set_by_hospital},
	{"enable.idempotence", set_by_hospital},
	{"enable.gapless.guarantee", set_by_hospital},
	{"acks", set_by_hospital},
	{"request.required.acks", set_by_hospital},
	{"enable.partition.eof", set_by_hospital},
	{"delivery.report.only.error", set_by_hospital},
	{"enabled_events", set_by_hospital},
	{"log.queue", set_by_hospital},
	{"statistics.interval.ms", set_by_hospital},
	{"opaque", set_by_hospital},
};

static bool
key_matches(const char *key, const char *pattern)
{
	size_t		length = strlen(pattern);

	if (length > 0 && pattern[length - 1] == '*')
		return pg_strncasecmp(key, pattern, length - 1) == 0;
	return pg_strcasecmp(key, pattern) == 0;
}

/*
 * A topic's property may also be written with the prefix "topic." in newer
 * releases of the library; what is refused is refused under both names.
 */
static void
check_allowed(const char *key, const char *path, int line)
{
	const char *name = strncmp(key, "topic.", 6) == 0 ? key + 6 : key;

	for (int i = 0; i < (int) lengthof(refused); i++)
	{
		if (key_matches(key, refused[i].key) || key_matches(name, refused[i].key))
			ereport(ERROR,
					(errcode(ERRCODE_CONFIG_FILE_ERROR),
					 errmsg("property \"%s\" may not be set in \"%s\"", key, path),
					 errdetail("Line %d. %s", line, refused[i].reason),
					 errhint("Remove the line.")));
	}
}

static void
check_secret(const struct stat *st, const char *path)
{
	if (!S_ISREG(st->st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a regular file", path),
				 errhint("Set hospital.kafka_config_file to a file of key=value lines.")));
	if (st->st_uid != geteuid() || (st->st_mode & 0777) != 0600)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("\"%s\" must belong to the server's user and have mode 0600", path),
				 errdetail("It may hold passwords."),
				 errhint("Use chown and chmod 0600.")));
	if (st->st_size > CONFIG_MAX_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("\"%s\" is larger than %d bytes", path, CONFIG_MAX_BYTES)));
}

/* The whole file, terminated.  The descriptor is closed before any error. */
static char *
read_file(const char *path)
{
	char	   *text = palloc(CONFIG_MAX_BYTES + 1);
	struct stat st;
	ssize_t		length = -1;
	int			save_errno;
	int			fd;

	/* Non-blocking, so that a pipe put there cannot hold the worker. */
	fd = OpenTransientFile(path, O_RDONLY | O_NONBLOCK);
	save_errno = errno;
	if (fd < 0)
		ereport(ERROR,
				(errcode_for_named_file(save_errno),
				 errmsg("could not open Kafka configuration file \"%s\": %m", path)));
	if (fstat(fd, &st) == 0)
		length = S_ISREG(st.st_mode) ? read(fd, text, CONFIG_MAX_BYTES) : 0;
	save_errno = errno;
	CloseTransientFile(fd);
	if (length < 0)
	{
		errno = save_errno;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read Kafka configuration file \"%s\": %m", path)));
	}
	check_secret(&st, path);
	if (memchr(text, '\0', length) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("\"%s\" has a byte of zero", path),
				 errhint("Save it as plain text, in ASCII or UTF-8.")));
	text[length] = '\0';
	return text;
}

static char *
trim(char *s)
{
	char	   *end = s + strlen(s);

	while (end > s && isspace((unsigned char) end[-1]))
		*--end = '\0';
	while (isspace((unsigned char) *s))
		s++;
	return s;
}

List *
kafka_config_read(const char *path)
{
	List	   *properties = NIL;
	char	   *rest;
	char	   *line;
	int			number = 0;

	if (path == NULL || path[0] == '\0')
		return NIL;
	rest = read_file(path);
	while ((line = strsep(&rest, "\n")) != NULL)
	{
		KafkaProperty *property;
		char	   *value;

		number++;
		line = trim(line);
		if (line[0] == '\0' || line[0] == '#')
			continue;
		value = strchr(line, '=');
		if (value == NULL || value == line)
			ereport(ERROR,
					(errcode(ERRCODE_CONFIG_FILE_ERROR),
					 errmsg("line %d of \"%s\" is not of the form key=value", number, path)));
		*value++ = '\0';
		property = palloc(sizeof(KafkaProperty));
		property->key = trim(line);
		property->value = trim(value);
		property->line = number;
		check_allowed(property->key, path, number);
		properties = lappend(properties, property);
	}
	return properties;
}

bool
kafka_target(KafkaTarget *target)
{
	memset(target, 0, sizeof(*target));
	target->embedded = strcmp(hospital_kafka_brokers, KAFKA_EMBEDDED) == 0;
	if (target->embedded)
	{
		target->brokers = palloc(BROKER_ADDRESS_LENGTH);
		if (!control_find_broker(target->brokers, BROKER_ADDRESS_LENGTH, &target->epoch))
			return false;
	}
	else
		target->brokers = pstrdup(hospital_kafka_brokers);
	target->identity = psprintf("%s|" INT64_FORMAT "|%s|%s", target->brokers, target->epoch,
								hospital_kafka_config_file, hospital_topic_prefix);
	return target->brokers[0] != '\0';
}
