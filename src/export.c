/*
 * export.c: CALL hospital_export(what, format, target, ...).
 *
 * What is exported is a query that runs as the caller (so rights and row
 * security are the server's): one of those here, a relation (export_source.c),
 * or FHIR resources (export_fhir.c).  Its rows go from the executor straight
 * into files (export_files.c): nothing is collected.  CSV has the bytes of COPY
 * (query) TO ... CSV HEADER with TimeZone UTC and DateStyle ISO.
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/date.h"

#include "compat.h"
#include "csv_write.h"
#include "export_files.h"
#include "export_source.h"
#include "lakefile.h"
#include "worker.h"

#define EXPORT_FOLDER "lake/export"
#define SHARED_FOLDER "export"	/* for those who have EXECUTE and no more */

PG_FUNCTION_INFO_V1(hospital_export);

/* $1 is the date asked for. */
typedef struct NamedExport
{
	const char *name;
	const char *query;
	const char *target;			/* where to, unless said; NULL: <name>.csv */
} NamedExport;

/* A hospital day is one of Johannesburg's. */
#define LOCAL_MIDNIGHT(date) "((" date ")::timestamp AT TIME ZONE 'Africa/Johannesburg')"

static const NamedExport exports[] = {
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

static const NamedExport *
find_export(const char *what)
{
	for (int i = 0; i < (int) lengthof(exports); i++)
		if (strcmp(exports[i].name, what) == 0)
			return &exports[i];
	return NULL;
}

pg_noreturn static void
refuse_what(const char *what)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < (int) lengthof(exports); i++)
		appendStringInfo(&names, "%s, ", exports[i].name);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no export named \"%s\"", what),
			 errhint("Exports are: %sfhir, and the tables and views of hospital and hospital_mart; others by schema and name.",
					 names.data)));
}

/*
 * The data folder is the hospital's, and so its owner's; and who may write the
 * server's files may write these.  Others have EXECUTE, and a folder for it.
 */
static bool
may_write_all(void)
{
	Oid			owner = worker_tables_owner();

	return superuser() || has_privs_of_role(GetUserId(), ROLE_PG_WRITE_SERVER_FILES) ||
		(OidIsValid(owner) && has_privs_of_role(GetUserId(), owner));
}

/* The lake's other files have a ledger; nobody else writes there. */
static void
check_target(const char *target)
{
	lake_check_path(target);
	if ((strncmp(target, "lake/", 5) == 0 || strcmp(target, "lake") == 0) &&
		strncmp(target, EXPORT_FOLDER "/", sizeof(EXPORT_FOLDER)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("file name \"%s\" is not allowed", target),
				 errdetail("The folder lake belongs to the hospital's workers, but for " EXPORT_FOLDER "."),
				 errhint("Give a path below hospital.data_folder, such as exports/people.csv.")));
	if (!may_write_all() && strncmp(target, SHARED_FOLDER "/", sizeof(SHARED_FOLDER)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to export to \"%s\"", target),
				 errdetail("Who may call hospital_export, and neither owns the hospital nor is a member of pg_write_server_files, may write below \"" SHARED_FOLDER "\" alone."),
				 errhint("Give a path below " SHARED_FOLDER ", such as " SHARED_FOLDER "/people.csv, or none.")));
	lake_check_folder();
}

static ExportForm
form_by_name(const char *format)
{
	if (pg_strcasecmp(format, "csv") == 0)
		return EXPORT_CSV;
	if (pg_strcasecmp(format, "jsonl") == 0 || pg_strcasecmp(format, "ndjson") == 0)
		return EXPORT_JSON;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("there is no export format \"%s\"", format),
			 errhint("Formats are csv and jsonl; tools/lake_to_parquet.py makes Parquet of what is exported.")));
	return EXPORT_CSV;
}

/* A value of the frozen truth. */
static Datum
simulation_value(const char *query)
{
	bool		isnull;

	if (SPI_execute(query, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read hospital.simulation");
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no hospital in this database"),
				 errhint("Make one with CALL hospital_create().")));
	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
}

static ExportSource *
named_source(const NamedExport *named)
{
	ExportSource *source = palloc0(sizeof(ExportSource));

	source->name = source->title = named->name;
	source->rows = named->query;
	return source;
}

/* Where what is not asked to be elsewhere goes: apart by form, so that no folder has two. */
static char *
usual_target(const ExportOrder *order, const char *form, const char *name)
{
	return psprintf("%s/%s/%s%s/%s", may_write_all() ? EXPORT_FOLDER : SHARED_FOLDER,
					TextDatumGetCString(simulation_value("SELECT name FROM hospital.simulation")),
					form, compression_suffix(order->compression), name);
}

static void
export_named(const NamedExport *named, ExportOrder *order)
{
	if (order->target == NULL)
		order->target = psprintf("%s%s%s", may_write_all() ? "" : SHARED_FOLDER "/",
								 named->target != NULL ? named->target : psprintf("%s.csv", named->name),
								 compression_suffix(order->compression));
	order->one_file = true;
	export_to_files(named_source(named), order);
}

static void
check_days_asked(const ExportSource *source, const ExportOrder *order)
{
	if (source->states == NULL && (order->has_first || order->has_last))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not exported by days", source->title),
				 errhint("Leave from_day and to_day out, or say by partition_by which column has the day.")));
}

static void
export_source(ExportSource *source, ExportOrder *order)
{
	check_days_asked(source, order);
	order->one_file = order->target != NULL && source->states == NULL;
	if (order->target == NULL)
		order->target = usual_target(order, order->form == EXPORT_CSV ? "csv" : "jsonl", source->name);
	export_to_files(source, order);
}

/* Practitioners first: the bundles refer to them. */
static void
export_all_fhir(ExportOrder *order)
{
	const char *folder = order->target != NULL ? order->target : usual_target(order, "fhir", "r4");
	static const char *const names[] = {"practitioners", "bundles"};

	order->form = EXPORT_JSON;
	for (int i = 0; i < (int) lengthof(names); i++)
	{
		order->target = psprintf("%s/%s", folder, names[i]);
		export_to_files(export_fhir(names[i]), order);
	}
}

static void
export_what(const char *what, ExportOrder *order, const char *partition_by)
{
	const NamedExport *named = find_export(what);
	ExportSource *source;

	if (strcmp(what, "fhir") == 0)
		export_all_fhir(order);
	else if (named != NULL && order->form == EXPORT_CSV && partition_by == NULL)
		export_named(named, order);
	else if ((source = export_relation(what, order->form, partition_by)) != NULL)
		export_source(source, order);
	else if (named != NULL && partition_by == NULL)
		export_source(named_source(named), order);
	else
		refuse_what(what);
}

static char *
text_argument(FunctionCallInfo fcinfo, int i, const char *otherwise)
{
	if (fcinfo->args[i].isnull)
		return otherwise == NULL ? NULL : pstrdup(otherwise);
	return text_to_cstring(DatumGetTextPP(fcinfo->args[i].value));
}

/* Days asked for; without days, $1 of the exports above is the date asked for. */
static void
take_days(FunctionCallInfo fcinfo, ExportOrder *order)
{
	order->has_first = !PG_ARGISNULL(6);
	order->has_last = !PG_ARGISNULL(7);
	if (order->has_first)
		order->first = PG_GETARG_DATEADT(6);
	if (order->has_last)
		order->last = PG_GETARG_DATEADT(7);
	if (order->has_first && order->has_last && order->first > order->last)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("from_day is after to_day")));
}

/*
 * Files are made in contexts of their own, below the portal's: an ERROR or
 * cancel deletes them, and with them the temporary files.
 */
Datum
hospital_export(PG_FUNCTION_ARGS)
{
	ExportOrder order = {0};
	char	   *what = text_argument(fcinfo, 0, NULL);
	char	   *partition_by = text_argument(fcinfo, 5, NULL);
	int			level;

	if (what == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("say what to export")));
	order.form = form_by_name(text_argument(fcinfo, 1, "csv"));
	order.target = text_argument(fcinfo, 2, NULL);
	order.compression = compression_by_name(text_argument(fcinfo, 4, "none"));
	order.incremental = PG_ARGISNULL(8) || PG_GETARG_BOOL(8);
	take_days(fcinfo, &order);
	if (order.target != NULL)
		check_target(order.target);
	else
		lake_check_folder();

	level = csv_pin_settings();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (find_export(what) != NULL)
		order.as_of = PG_ARGISNULL(3) ?
			DatumGetDateADT(simulation_value("SELECT start_date FROM hospital.simulation")) : PG_GETARG_DATEADT(3);
	export_what(what, &order, partition_by);
	SPI_finish();
	csv_unpin_settings(level);
	PG_RETURN_VOID();
}
