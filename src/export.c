/*
 * export.c: CALL hospital_export(what, format, target, as_of).
 *
 * A query that runs as the caller (so rights and row security are the
 * server's), whose rows go from the executor straight into the file: nothing is
 * collected.  The bytes are those of COPY (query) TO ... CSV HEADER with
 * TimeZone UTC and DateStyle ISO.  The file appears whole, under its name, or
 * not at all.
 */
#include "postgres.h"

#include "access/tupdesc.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/params.h"
#include "tcop/dest.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/date.h"

#include "csv_write.h"
#include "lakefile.h"

PG_FUNCTION_INFO_V1(hospital_export);

/* $1 is the date asked for. */
typedef struct Export
{
	const char *name;
	const char *query;
	const char *target;			/* where to, unless said; NULL: <name>.csv */
} Export;

/* A hospital day is one of Johannesburg's. */
#define LOCAL_MIDNIGHT(date) "((" date ")::timestamp AT TIME ZONE 'Africa/Johannesburg')"

static const Export exports[] = {
	{
		"people",
		"SELECT * FROM hospital.people ORDER BY person_id"
	},
	{
		"doctors",
		/* Interns and dentists too; somebody of 24 has just qualified. */
		"SELECT s.staff_id AS doctor_id, s.first_name || ' ' || s.last_name AS name,"
		" coalesce(d.name, CASE s.specialty WHEN 'ANA' THEN 'Anaesthesiology' WHEN 'RADI' THEN 'Radiology'"
		" WHEN 'NUC' THEN 'Nuclear Medicine' WHEN 'ROTATION' THEN 'Rotation' ELSE s.specialty END) AS specialization,"
		" greatest(0, extract(year FROM age($1, s.date_of_birth)) - 24)::int AS experience_years,"
		" lower(left(s.first_name, 1) || regexp_replace(s.last_name, '[^A-Za-z]', '', 'g')) || s.staff_id"
		" || '@hospital.example' AS contact_info,"
		" s.registration_no, s.role, s.department_code, s.hired_on"
		" FROM hospital.staff s LEFT JOIN hospital.departments d USING (department_code)"
		" WHERE s.registration_no ~ '^(MP|IN|DP)' AND s.hired_on <= $1"
		" AND (s.left_on IS NULL OR s.left_on > $1) AND (s.retires_on IS NULL OR s.retires_on > $1)"
		" ORDER BY s.staff_id"
	},
	{
		"staff_assignments",
		"SELECT * FROM hospital.staff_assignments ORDER BY assignment_id"
	},
	{
		"assigned_staff",
		"SELECT DISTINCT ON (a.staff_id) a.staff_id, s.first_name, s.last_name, s.role, s.specialty,"
		" s.department_code, a.ward_code, a.shift, a.starts_at, a.ends_at"
		" FROM hospital.staff_assignments a JOIN hospital.staff s USING (staff_id)"
		" WHERE a.starts_at >= " LOCAL_MIDNIGHT("$1")
		" AND a.starts_at < " LOCAL_MIDNIGHT("$1 + 1")
		" ORDER BY a.staff_id, a.starts_at, a.assignment_id"
	},
	{
		/* One row a patient: who, how often, what for, for how much. */
		"hospital_patients",
		"WITH visited AS (SELECT patient_id, count(*) AS visits, max(visit_date) AS last_visit_on,"
		" (array_agg(diagnosis ORDER BY arrived_at DESC, visit_id DESC) FILTER (WHERE diagnosis IS NOT NULL))[1]"
		" AS last_diagnosis FROM hospital.visits GROUP BY patient_id),"
		" stayed AS (SELECT patient_id, count(*) AS admissions, max(admitted_at) AS last_admitted_at,"
		" round(sum(extract(epoch FROM discharged_at - admitted_at)) / 86400, 1) AS days_in_hospital"
		" FROM hospital.admissions GROUP BY patient_id),"
		" counted AS (SELECT patient_id, code, min(description) AS description,"
		" row_number() OVER (PARTITION BY patient_id ORDER BY count(*) DESC, code) AS place"
		" FROM hospital.diagnoses WHERE rank = 'primary' GROUP BY patient_id, code),"
		" diagnosed AS (SELECT patient_id,"
		" string_agg(code || ' ' || description, '; ' ORDER BY place) AS main_diagnoses"
		" FROM counted WHERE place <= 3 GROUP BY patient_id),"
		" prescribed AS (SELECT patient_id, count(*) AS prescriptions FROM hospital.prescriptions GROUP BY patient_id),"
		" billed AS (SELECT patient_id, sum(total_amount) AS total_billed,"
		" sum(total_amount) FILTER (WHERE payment_status = 'Paid') AS total_paid"
		" FROM hospital.billing_payments GROUP BY patient_id)"
		" SELECT p.patient_id, p.folder_no, p.full_name, p.date_of_birth, p.gender, p.blood_type, p.contact_info,"
		" p.patient_class, p.insurance_id, p.origin, p.first_seen_on, p.deceased_at,"
		" coalesce(v.visits, 0) AS visits, coalesce(a.admissions, 0) AS admissions, a.days_in_hospital,"
		" v.last_visit_on, a.last_admitted_at, v.last_diagnosis, d.main_diagnoses,"
		" coalesce(r.prescriptions, 0) AS prescriptions, coalesce(b.total_billed, 0.00) AS total_billed,"
		" coalesce(b.total_paid, 0.00) AS total_paid"
		" FROM hospital.patients p LEFT JOIN visited v USING (patient_id) LEFT JOIN stayed a USING (patient_id)"
		" LEFT JOIN diagnosed d USING (patient_id) LEFT JOIN prescribed r USING (patient_id)"
		" LEFT JOIN billed b USING (patient_id) ORDER BY p.patient_id",
		"exports/hospital_patients.csv"
	},
};

/* A destination for the executor's rows. */
typedef struct CsvReceiver
{
	DestReceiver receiver;
	LakeFile   *file;
	MemoryContext context;		/* the executor's ends before the writer is asked */
	CsvWriter  *writer;
} CsvReceiver;

static void
receiver_startup(DestReceiver *self, int operation, TupleDesc tupdesc)
{
	CsvReceiver *receiver = (CsvReceiver *) self;

	MemoryContext caller = MemoryContextSwitchTo(receiver->context);

	receiver->writer = csv_writer_for_tupdesc(receiver->file, tupdesc);
	MemoryContextSwitchTo(caller);
}

static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	CsvReceiver *receiver = (CsvReceiver *) self;

	slot_getallattrs(slot);
	csv_write_row(receiver->writer, slot->tts_values, slot->tts_isnull);
	return true;
}

static void
receiver_shutdown(DestReceiver *self)
{
	(void) self;
}

static const Export *
find_export(const char *what)
{
	StringInfoData names;

	for (int i = 0; i < (int) lengthof(exports); i++)
		if (strcmp(exports[i].name, what) == 0)
			return &exports[i];
	initStringInfo(&names);
	for (int i = 0; i < (int) lengthof(exports); i++)
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "", exports[i].name);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no export named \"%s\"", what),
			 errhint("Exports are: %s.", names.data)));
	return NULL;
}

static void
check_may_write_files(void)
{
	if (!superuser() && !has_privs_of_role(GetUserId(), ROLE_PG_WRITE_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to write files of the server"),
				 errhint("Only a superuser or a member of pg_write_server_files may export.")));
}

/* The lake's files have a ledger; nobody else writes there. */
static void
check_target(const char *target)
{
	lake_check_path(target);
	if (strncmp(target, "lake/", 5) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("file name \"%s\" is not allowed", target),
				 errdetail("The folder lake belongs to the hospital's workers."),
				 errhint("Give a path below hospital.data_folder, such as exports/people.csv.")));
	lake_check_folder();
}

static void
check_format(const char *format)
{
	if (pg_strcasecmp(format, "csv") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("there is no export format \"%s\"", format),
				 errhint("The format is csv.")));
}

/* The date where none was asked for. */
static Datum
start_date(void)
{
	Datum		value;
	bool		isnull;

	if (SPI_execute("SELECT start_date FROM hospital.simulation", true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read hospital.simulation");
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no hospital in this database"),
				 errhint("Make one with CALL hospital_create().")));
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	return value;
}

static int64
run_export(const Export *export, LakeFile *file, Datum as_of)
{
	CsvReceiver receiver = {
		/* No kind is ours; SPI takes DestNone for "no rows wanted". */
		.receiver = {receive_row, receiver_startup, receiver_shutdown, receiver_shutdown,
		DestTuplestore},
		.file = file,
		.context = CurrentMemoryContext
	};
	ParamListInfo params = makeParamList(1);
	SPIExecuteOptions options = {0};

	params->params[0].value = as_of;
	params->params[0].isnull = false;
	params->params[0].pflags = PARAM_FLAG_CONST;
	params->params[0].ptype = DATEOID;
	options.params = params;
	options.read_only = true;
	options.dest = &receiver.receiver;
	if (SPI_execute_extended(export->query, &options) != SPI_OK_SELECT)
		elog(ERROR, "could not export %s", export->name);
	return csv_rows_written(receiver.writer);
}

/*
 * The file is made in a context of its own, below the portal's: an ERROR or
 * cancel deletes both, and with them the temporary file.
 */
Datum
hospital_export(PG_FUNCTION_ARGS)
{
	const Export *export;
	char	   *target;
	LakeFile   *file;
	Datum		as_of;
	int64		rows;
	int			level;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("say what to export, and in which format")));
	export = find_export(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	check_format(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	if (!PG_ARGISNULL(2))
		target = text_to_cstring(PG_GETARG_TEXT_PP(2));
	else
		target = export->target != NULL ? pstrdup(export->target) : psprintf("%s.csv", export->name);
	check_may_write_files();
	check_target(target);

	level = csv_pin_settings();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	as_of = PG_ARGISNULL(3) ? start_date() : PG_GETARG_DATUM(3);
	file = lake_create(target);
	rows = run_export(export, file, as_of);
	lake_finish(file);
	lake_sync(&file, 1);
	lake_publish(&file, 1);
	SPI_finish();
	csv_unpin_settings(level);
	ereport(NOTICE,
			(errmsg("%s: " INT64_FORMAT " rows written to \"%s\"", export->name, rows, target)));
	PG_RETURN_VOID();
}
