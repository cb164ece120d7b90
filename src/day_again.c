/*
 * day_again.c: day files that the ledger waits for and the lake has lost.
 *
 * The ledger may know of files that are not there: the server that wrote them
 * had another data folder (a standby was promoted, an earlier state was restored
 * elsewhere), or somebody has removed them.  Files are a function of the
 * simulation, so whoever writes the lake makes such a day again.  What has been
 * ingested is not missed: nothing reads it again.
 *
 * Whose files.  Only those that our own writer recorded, which says how many
 * rows it wrote; a file that somebody else brought cannot be made again, and is
 * refused when it is gone.
 *
 * Who notices.  A live ingestor leaves a note at the batch it could not find
 * (ingest_file.c) and wakes the scheduler; hospital_run looks before it begins.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"

#include "day_again.h"
#include "kept_plan.h"

#define WAITING_OF_OURS \
	" state IN ('written', 'loading') AND rows IS NOT NULL" \
	" AND EXISTS (SELECT FROM hospital.days AS d WHERE d.day = b.day)"

bool
day_is_missed(void)
{
	static KeptPlan plan;
	bool		missed = kept_run(&plan, "SELECT FROM hospital.batches WHERE state IN ('written', 'loading')"
								  " AND message IS NOT NULL LIMIT 1", 0, NULL, NULL, NULL, SPI_OK_SELECT) > 0;

	kept_done();
	return missed;
}

bool
day_find_lost(DateADT *day)
{
	static KeptPlan plan;
	uint64		n = kept_run(&plan, "SELECT day, file FROM hospital.batches AS b WHERE" WAITING_OF_OURS
							 " ORDER BY day, batch_id", 0, NULL, NULL, NULL, SPI_OK_SELECT);
	bool		found = false;

	for (uint64 i = 0; i < n && !found; i++)
	{
		LakeStatus	status;
		bool		isnull;

		*day = DatumGetDateADT(kept_value(i, 1, &isnull));
		found = !lake_look(TextDatumGetCString(kept_value(i, 2, &isnull)), &status);
	}
	kept_done();
	return found;
}

static void
expect_file(const DayFiles *day, int number)
{
	static KeptPlan plan;
	const Oid	types[] = {DATEOID, TEXTOID, TEXTOID};
	char		hash[LAKE_HASH_LENGTH + 1];
	Datum		values[3];

	lake_hash(day->files[number], hash);
	values[0] = DateADTGetDatum(day->day);
	values[1] = CStringGetTextDatum(record_kinds[number].name);
	values[2] = CStringGetTextDatum(hash);
	kept_run(&plan, "UPDATE hospital.batches AS b SET message = CASE WHEN sha256 = $3 THEN NULL ELSE"
			 " 'the file is missing, and another one is made of this day now: its SHA-256 is ' || $3 END,"
			 " state = CASE WHEN sha256 = $3 THEN state ELSE 'refused' END"
			 " WHERE day = $1 AND kind = $2 AND (message IS NOT NULL OR sha256 <> $3) AND" WAITING_OF_OURS,
			 lengthof(types), types, values, NULL, SPI_OK_UPDATE);
}

void
day_expect_again(const DayFiles *files)
{
	for (int i = 0; i < RECORD_KINDS; i++)
		expect_file(files, i);
}

void
day_forget_missed(void)
{
	static KeptPlan plan;

	kept_run(&plan, "UPDATE hospital.batches SET message = NULL WHERE state IN ('written', 'loading') AND message IS NOT NULL",
			 0, NULL, NULL, NULL, SPI_OK_UPDATE);
}

void
day_publish_lost(const DayFiles *files)
{
	LakeFile   *lost[DAY_FILES];
	LakeStatus	status;
	int			n = 0;

	for (int i = 0; i < DAY_FILES; i++)
		if (!lake_look(lake_path(files->files[i]), &status))
			lost[n++] = files->files[i];
	if (n > 0)
		lake_publish(lost, n);
}
