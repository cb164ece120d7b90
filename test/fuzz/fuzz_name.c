/*
 * fuzz_name.c: names of files: paths that a user gives, and those that are
 * found in the lake.
 *
 * A path that is allowed stays below the folder, as a rule of our own sees it.
 * What is taken for a day file is at the path at which that day's file of that
 * kind is written.
 */
#include "shim.h"

#include "day_file.h"
#include "lakefile.h"

#define HOSPITAL "joburg"

static bool
stays_below(const char *path)
{
	char	   *copy = pstrdup(path);
	char	   *component;

	for (const char *c = path; *c != '\0'; c++)
		if ((unsigned char) *c < 0x20 || *c == 0x7f || *c == '\\')
			return false;
	while ((component = strsep(&copy, "/")) != NULL)
		if (component[0] == '\0' || component[0] == '.' || strlen(component) > 255)
			return false;
	return true;
}

static void
check_path(FuzzInput *input)
{
	size_t		length;
	char	   *bytes = fuzz_rest(input, &length);
	char	   *path = pnstrdup(bytes, length);

	lake_check_path(path);
	fuzz_must(stays_below(path) && strlen(path) < MAXPGPATH, "%s", path);
}

static void
parse_path(FuzzInput *input)
{
	size_t		length;
	char	   *bytes = fuzz_rest(input, &length);
	char	   *path = pnstrdup(bytes, length);
	DateADT		day;
	char	   *kind;

	if (day_file_parse(path, HOSPITAL, &day, &kind))
		fuzz_must(strcmp(path, day_file_path(HOSPITAL, day, kind)) == 0, "%s is not %s", path,
				  day_file_path(HOSPITAL, day, kind));
	if (day_file_is_manifest(path, HOSPITAL, &day))
	{
		const char *name = psprintf("/date=%s/%s", day_file_date(day), MANIFEST_NAME);

		fuzz_must(strlen(path) > strlen(name) && strcmp(path + strlen(path) - strlen(name), name) == 0, "%s", path);
	}
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	FuzzInput	input = {data, size};
	FuzzInput	same = input;

	fuzz_try(check_path, &input);
	fuzz_try(parse_path, &same);
	return 0;
}
