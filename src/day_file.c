/*
 * day_file.c: where the day files of the lake are.
 */
#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/datetime.h"

#include "day_file.h"
#include "put_value.h"

const char *
day_file_date(DateADT day)
{
	static char buffer[PUT_DATE_LENGTH + 1];

	*put_date(buffer, day) = '\0';
	return buffer;
}

char *
day_file_path(const char *simulation_name, DateADT day, const char *kind)
{
	return psprintf(BATCH_FOLDER "/%s/date=%s/%s.csv", simulation_name, day_file_date(day), kind);
}

/* The day of a path of the simulation's, and what follows its folder; NULL: it has none. */
static const char *
parse_folder(const char *path, const char *simulation_name, DateADT *day)
{
	char	   *prefix = psprintf(BATCH_FOLDER "/%s/date=", simulation_name);
	const char *date = path + strlen(prefix);
	int			year;
	int			month;
	int			mday;

	if (strncmp(path, prefix, strlen(prefix)) != 0 || strlen(date) <= PUT_DATE_LENGTH + 1 ||
		strspn(date, "0123456789-") != PUT_DATE_LENGTH || date[PUT_DATE_LENGTH] != '/' ||
		sscanf(date, "%4d-%2d-%2d/", &year, &month, &mday) != 3)
		return NULL;
	if (year < 1900 || month < 1 || month > 12 || mday < 1 ||
		mday > day_tab[isleap(year)][month - 1])
		return NULL;
	*day = date2j(year, month, mday) - POSTGRES_EPOCH_JDATE;
	/* Dashes in other places can be read as a day, too. */
	if (strncmp(date, day_file_date(*day), PUT_DATE_LENGTH) != 0)
		return NULL;
	return date + PUT_DATE_LENGTH + 1;
}

bool
day_file_parse(const char *path, const char *simulation_name, DateADT *day, char **kind)
{
	const char *name = parse_folder(path, simulation_name, day);
	const char *dot;

	if (name == NULL)
		return false;
	dot = strrchr(name, '.');
	if (dot == NULL || strcmp(dot, ".csv") != 0 || dot == name || strchr(name, '/') != NULL)
		return false;
	*kind = pnstrdup(name, dot - name);
	return true;
}

bool
day_file_is_manifest(const char *path, const char *simulation_name, DateADT *day)
{
	const char *name = parse_folder(path, simulation_name, day);

	return name != NULL && strcmp(name, MANIFEST_NAME) == 0;
}
