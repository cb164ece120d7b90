/*
 * stream_topics.c: what goes through Kafka: kinds of events, and their topics.
 */
#include "postgres.h"

#include "utils/varlena.h"

#include "compat.h"
#include "settings.h"
#include "stream_topics.h"

#define ALL_KINDS "all"
#define ADT "adt"

const char *
stream_kind_name(int kind)
{
	return kind == STREAM_ADT ? ADT : record_kinds[kind].name;
}

int
stream_kind_by_name(const char *name)
{
	return strcmp(name, ADT) == 0 ? STREAM_ADT : record_kind_by_name(name);
}

/* False, with *unknown set where a name is at fault. */
static bool
read_list(const char *value, bool wanted[STREAM_KINDS], const char **unknown)
{
	List	   *names;
	ListCell   *cell;
	char	   *copy = pstrdup(value);

	*unknown = NULL;
	if (!SplitIdentifierString(copy, ',', &names))
		return false;
	foreach(cell, names)
	{
		const char *name = lfirst(cell);
		int			kind = stream_kind_by_name(name);

		if (strcmp(name, ALL_KINDS) == 0)
			memset(wanted, true, RECORD_KINDS * sizeof(bool));
		else if (kind >= 0)
			wanted[kind] = true;
		else
		{
			*unknown = name;
			return false;
		}
	}
	return true;
}

bool
check_topics(char **value, void **extra, GucSource source)
{
	bool		wanted[STREAM_KINDS] = {false};
	const char *unknown;

	if (read_list(*value, wanted, &unknown))
		return true;
	if (unknown != NULL)
		GUC_check_errdetail("There is no kind of events \"%s\".", unknown);
	else
		GUC_check_errdetail("The list cannot be read.");
	GUC_check_errhint("Kinds are those of the day files, such as transfers, admissions or prescriptions, and adt; all is every one but adt.");
	return false;
}

int
stream_kinds(int kinds[STREAM_KINDS])
{
	bool		wanted[STREAM_KINDS] = {false};
	const char *unknown;
	int			n = 0;

	(void) read_list(hospital_topics, wanted, &unknown);
	for (int kind = 0; kind < STREAM_KINDS; kind++)
		if (wanted[kind])
			kinds[n++] = kind;
	return n;
}

const char *
stream_topic(int kind, char *name)
{
	snprintf(name, TOPIC_NAME_LENGTH, "%s%s", hospital_topic_prefix, stream_kind_name(kind));
	return name;
}
