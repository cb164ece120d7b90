/*
 * ingest_registrations.c: registrations into hospital.patients and hospital.people.
 *
 * A line of a registrations file is a person and a patient.  The patient is
 * its row of hospital.patients, which a later line completes; the person is a
 * row of hospital.people, where those of the pool may have been loaded before,
 * and what is there stays.
 *
 * Patients who are new are written in bulk, and with them the people who are
 * missing; the others go through INSERT … ON CONFLICT.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"

#include "ingest_write_private.h"
#include "open_rows.h"
#include "record_source.h"

#define PERSON_COLUMNS 15		/* of a registration, the first ones */
#define MAX_COLUMNS 24
#define NAME_ROOM 512

/* The columns of hospital.patients, and what of a registration they are. */
static const char *const patient_columns[][2] = {
	{"patient_id", "r.person_id"},
	{"folder_no", "r.folder_no"},
	{"full_name", "r.first_name || ' ' || r.last_name"},
	{"date_of_birth", "r.date_of_birth"},
	{"gender", "CASE r.sex WHEN 'F' THEN 'Female' ELSE 'Male' END"},
	{"blood_type", "r.blood_type"},
	{"contact_info", "r.phone"},
	{"insurance_id", "r.insurance_id"},
	{"patient_class", "r.patient_class"},
	{"origin", "r.origin"},
	{"first_seen_on", "r.first_seen_on"},
	{"deceased_at", "r.deceased_at"},
};

static const RowColumn patient_row[] = {
	{.name = "patient_id", .type = INT8OID},
	{.name = "folder_no", .type = TEXTOID},
	{.name = "full_name", .type = TEXTOID},
	{.name = "date_of_birth", .type = DATEOID},
	{.name = "gender", .type = TEXTOID},
	{.name = "blood_type", .type = TEXTOID},
	{.name = "contact_info", .type = TEXTOID},
	{.name = "insurance_id", .type = TEXTOID},
	{.name = "patient_class", .type = TEXTOID},
	{.name = "origin", .type = TEXTOID},
	{.name = "first_seen_on", .type = DATEOID},
	{.name = "deceased_at", .type = TIMESTAMPTZOID},
};

/* The column of a registration that each of them is; -1: made of others. */
static const int patient_source[] = {0, 15, -1, 5, -1, 16, 14, 17, 18, 19, 20, 21};

const char *const (*record_patient_columns(int *n))[2]
{
	*n = lengthof(patient_columns);
	return patient_columns;
}

/* ---- rows of the two tables ---- */

/* All columns of the registration in row number "row". */
static const Registration *
fetch_registration(RowSource *source, int64 row, Datum *values, bool *isnull, char *scratch)
{
	HeldRows   *rows = (HeldRows *) source;
	const char *record = held_record(rows->held, rows->rows[row]);

	if (rows->held->long_texts)
		scratch = palloc(held_scratch_size(rows->held->kind, record));
	record_datums(rows->held->kind, record, values, isnull, scratch);
	return (const Registration *) record;
}

static Datum
full_name(const Registration *person)
{
	static union
	{
		int32		align;
		char		bytes[NAME_ROOM];
	}			room;
	Size		length = (Size) person->first_name.length + 1 + person->last_name.length;
	char	   *out = length + VARHDRSZ <= NAME_ROOM ? room.bytes : palloc(length + VARHDRSZ);

	SET_VARSIZE(out, length + VARHDRSZ);
	memcpy(VARDATA(out), person->first_name.data, person->first_name.length);
	VARDATA(out)[person->first_name.length] = ' ';
	memcpy(VARDATA(out) + person->first_name.length + 1, person->last_name.data, person->last_name.length);
	return PointerGetDatum(out);
}

static Datum
gender(const Registration *person)
{
	static union
	{
		int32		align;
		char		bytes[VARHDRSZ + 6];
	}			room[2];
	bool		female = person->sex.data[0] == 'F';
	const char *word = female ? "Female" : "Male";
	char	   *out = room[female ? 1 : 0].bytes;

	SET_VARSIZE(out, VARHDRSZ + strlen(word));
	memcpy(VARDATA(out), word, strlen(word));
	return PointerGetDatum(out);
}

static bool
fetch_patient(RowSource *source, int64 row, Datum *values, bool *isnull, char *scratch)
{
	Datum		all[MAX_COLUMNS];
	bool		all_null[MAX_COLUMNS];
	const Registration *person = fetch_registration(source, row, all, all_null, scratch);

	for (int i = 0; i < (int) lengthof(patient_source); i++)
		if (patient_source[i] >= 0)
		{
			values[i] = all[patient_source[i]];
			isnull[i] = all_null[patient_source[i]];
		}
	values[2] = full_name(person);
	values[4] = gender(person);
	isnull[2] = isnull[4] = false;
	return true;
}

static bool
fetch_person(RowSource *source, int64 row, Datum *values, bool *isnull, char *scratch)
{
	Datum		all[MAX_COLUMNS];
	bool		all_null[MAX_COLUMNS];

	(void) fetch_registration(source, row, all, all_null, scratch);
	memcpy(values, all, PERSON_COLUMNS * sizeof(Datum));
	memcpy(isnull, all_null, PERSON_COLUMNS * sizeof(bool));
	return true;
}

/* ---- in bulk ---- */

void
registrations_open(RecordWriter *writer)
{
	held_rows_init(&writer->patient_rows, KIND_REGISTRATIONS, writer->rows.held);
	writer->patient_rows.methods.columns = patient_row;
	writer->patient_rows.methods.ncolumns = lengthof(patient_row);
	writer->patient_rows.methods.fetch = fetch_patient;
	held_rows_init(&writer->people_rows, KIND_REGISTRATIONS, writer->rows.held);
	writer->people_rows.methods.ncolumns = PERSON_COLUMNS;
	writer->people_rows.methods.fetch = fetch_person;
	if (record_bulk_open(&writer->table, "patients", &writer->patient_rows.methods) &&
		!record_bulk_open(&writer->people, "people", &writer->people_rows.methods))
		record_bulk_close(&writer->table);
}

void
registrations_insert(RecordWriter *writer, const int *list, int n)
{
	KeySet	   *there = record_keys_in(writer, &writer->plans->existing_people, "hospital.people",
									   "person_id", list, n);
	int		   *missing = palloc(n * sizeof(int));
	int			nmissing = held_choose(writer->rows.held, list, n, there, false, missing);

	bulk_append(writer->table.writer, held_rows_set(&writer->patient_rows, list, n));
	if (nmissing > 0)
		bulk_append(writer->people.writer, held_rows_set(&writer->people_rows, missing, nmissing));
}

/* ---- through SQL ---- */

static char *
patients_query(const RecordWriter *writer)
{
	StringInfoData names;
	StringInfoData values;
	StringInfoData same;

	initStringInfo(&names);
	initStringInfo(&values);
	initStringInfo(&same);
	for (int i = 0; i < (int) lengthof(patient_columns); i++)
	{
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "", patient_columns[i][0]);
		appendStringInfo(&values, "%s%s", i > 0 ? ", " : "", patient_columns[i][1]);
		record_append_same(&same, patient_columns[i][0], strcmp(patient_columns[i][0], "deceased_at") == 0);
	}
	return psprintf("INSERT INTO hospital.patients AS t (%s) SELECT %s FROM %s%s WHERE true%s"
					" RETURNING t.patient_id",
					names.data, values.data,
					open_rows_from(writer->kind->name, writer->schema, &writer->rows.methods),
					record_merge_clause(writer->kind, "patient_id"), same.data);
}

static char *
people_query(const RecordWriter *writer)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < PERSON_COLUMNS; i++)
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "", writer->kind->columns[i].name);
	return psprintf("INSERT INTO hospital.people (%s) SELECT %s FROM %s ON CONFLICT (person_id) DO NOTHING",
					names.data, names.data,
					open_rows_from(writer->kind->name, writer->schema, &writer->rows.methods));
}

/* The patients first: a line that differs brings nobody. */
KeySet *
registrations_merge(RecordWriter *writer, const int *list, int n)
{
	KeySet	   *fitting;
	int		   *selected = palloc(n * sizeof(int));
	int			count;

	fitting = record_result_keys(writer, record_run_on_rows(writer, &writer->plans->merge,
															patients_query(writer), list, n,
															SPI_OK_INSERT_RETURNING));
	count = held_choose(writer->rows.held, list, n, fitting, true, selected);
	if (count > 0)
		record_run_on_rows(writer, &writer->plans->people, people_query(writer), selected, count,
						   SPI_OK_INSERT);
	return fitting;
}
