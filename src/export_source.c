/*
 * export_source.c: relations as something to export: their rows, and their days.
 *
 * Most of the hospital's tables have keys that begin with the hospital day, so
 * the rows of some days are a range of the primary key, in order.  What a day
 * of theirs is made of is known without reading it: the ledger of its day file,
 * and how many rows it has, which the index alone tells.  Late lines, events,
 * rejects that were mended, and files that were taken back change one of both.
 *
 * Rows of admissions, visits, patients and doctor_assignments may be completed by
 * the files of later days.  Their days, and those of all other relations, are
 * compared by content: a hash over the rows, still far cheaper than writing them.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/varlena.h"

#include "compat.h"
#include "export_source.h"
#include "json_write.h"

#define ZONE "'Africa/Johannesburg'"
#define EPOCH "date '2000-01-01'"
#define NO_PARTITIONS "none"

/* How the day of a relation is known, unless the caller says. */
typedef struct KnownDay
{
	const char *schema;
	const char *table;
	const char *column;			/* a key made of the day, or a date or time */
	int			per_day;		/* numbers of a day in such a key; 0: it is no such key */
	bool		only_added;		/* rows never change once they are there */
} KnownDay;

static const KnownDay known_days[] = {
	{"hospital", "admissions", "admission_id", 1000000, false},
	{"hospital", "visits", "visit_id", 1000000, false},
	{"hospital", "patients", "first_seen_on", 0, false},
	{"hospital", "status_updates", "update_id", 1000000, true},
	{"hospital", "doctor_assignments", "doctor_assignment_id", 1000000, false},
	{"hospital", "transfers", "event_time", 0, true},
	{"hospital", "diagnoses", "diagnosis_id", 1000000, true},
	{"hospital", "treatments", "treatment_id", 1000000, true},
	{"hospital", "lab_results", "lab_result_id", 1000000, true},
	{"hospital", "vital_signs", "vital_signs_id", 1000000, true},
	{"hospital", "prescriptions", "prescription_id", 1000000, true},
	{"hospital", "billing_payments", "billing_id", 1000000, true},
	{"hospital", "staff_changes", "staff_change_id", 1000000, true},
	{"hospital", "staff_assignments", "assignment_id", 100000, true},
	{"hospital_mart", "staffing_against_need", "day", 0, false},
	{"hospital_mart", "ward_occupancy_by_hour", "at", 0, false},
	{"hospital_mart", "patient_journey", "visit_date", 0, false},
	{"hospital_mart", "patient_bills", "billing_date", 0, false},
};

/* ---- which relation ---- */

static Oid
find_relation(const char *name)
{
	static const char *const schemas[] = {"hospital", "hospital_mart"};
	List	   *names;

	if (strchr(name, '.') != NULL || strchr(name, '"') != NULL)
	{
		names = textToQualifiedNameList(cstring_to_text(name));
		if (list_length(names) > 1)
			return RangeVarGetRelid(makeRangeVarFromNameList(names), NoLock, true);
		name = strVal(linitial(names));
	}
	for (int i = 0; i < (int) lengthof(schemas); i++)
	{
		Oid			schema = get_namespace_oid(schemas[i], true);
		Oid			relation = OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;

		if (OidIsValid(relation))
			return relation;
	}
	return InvalidOid;
}

static void
check_kind(Relation relation)
{
	switch (relation->rd_rel->relkind)
	{
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
		case RELKIND_VIEW:
		case RELKIND_MATVIEW:
		case RELKIND_FOREIGN_TABLE:
			return;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("\"%s\" has no rows to export", RelationGetRelationName(relation)),
					 errhint("Tables and views have.")));
	}
}

/* ---- its columns ---- */

/* A column of this name and one for the partition cannot both be there. */
static char *
column_list(Relation relation, ExportForm form, const char *left_out, bool partitioned)
{
	TupleDesc	tupdesc = RelationGetDescr(relation);
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, i);
		const char *name = quote_identifier(NameStr(attribute->attname));

		if (attribute->attisdropped || (left_out != NULL && strcmp(NameStr(attribute->attname), left_out) == 0))
			continue;
		if (partitioned && strcmp(NameStr(attribute->attname), "date") == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_COLUMN_DEFINITION),
					 errmsg("\"%s\" has a column \"date\", which is the name of the partitions",
							RelationGetRelationName(relation)),
					 errhint("Export it with partition_by => 'none', or through a view that names the column otherwise.")));
		if (form == EXPORT_JSON && json_needs_help(attribute->atttypid))
			appendStringInfo(&list, ", to_json(t.%s) AS %s", name, name);
		else
			appendStringInfo(&list, ", t.%s", name);
	}
	return list.len > 0 ? list.data + 2 : list.data;
}

/* ---- its day ---- */

static const KnownDay *
known_day(const char *schema, const char *table)
{
	for (int i = 0; i < (int) lengthof(known_days); i++)
		if (strcmp(known_days[i].schema, schema) == 0 && strcmp(known_days[i].table, table) == 0)
			return &known_days[i];
	return NULL;
}

/* The day of a row, as an expression of type date. */
static char *
day_of_column(Relation relation, const char *column)
{
	AttrNumber	number = get_attnum(RelationGetRelid(relation), column);
	const char *name = quote_identifier(column);
	Oid			type;

	if (number == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("\"%s\" has no column \"%s\"", RelationGetRelationName(relation), column),
				 errhint("partition_by is a column of type date, timestamp or timestamptz, or 'none'.")));
	type = getBaseType(get_atttype(RelationGetRelid(relation), number));
	switch (type)
	{
		case DATEOID:
			return psprintf("t.%s", name);
		case TIMESTAMPOID:
			return psprintf("t.%s::date", name);
		case TIMESTAMPTZOID:
			return psprintf("(t.%s AT TIME ZONE " ZONE ")::date", name);
		default:
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" of \"%s\" is no date or time", column, RelationGetRelationName(relation)),
					 errhint("partition_by is a column of type date, timestamp or timestamptz, or 'none'.")));
	}
	return NULL;
}

/* The state of a day by the ledger, of one kind of records, or of all (NULL): (day date, state text). */
static char *
export_ledger(const char *kind)
{
	return psprintf("SELECT b.day, md5(string_agg(concat_ws('/', b.batch_id, b.state, b.rows,"
					" b.rejects, b.merged, b.offset_done, b.ingested_at, b.undone_at), ' ' ORDER BY b.batch_id)) AS state"
					" FROM hospital.batches b WHERE b.day BETWEEN $1 AND $2%s GROUP BY b.day",
					kind == NULL ? "" : psprintf(" AND b.kind = %s", quote_literal_cstr(kind)));
}

/* A key made of the day: the statements for a range of it. */
static void
by_key(ExportSource *source, const KnownDay *known, const char *relation, const char *columns)
{
	char	   *day = psprintf("(" EPOCH " + (t.%s / %d)::int4)", known->column, known->per_day);
	char	   *range = psprintf("t.%s >= ($1 - " EPOCH ")::int8 * %d AND t.%s < ($2 - " EPOCH " + 1)::int8 * %d",
								 known->column, known->per_day, known->column, known->per_day);
	bool		in_ledger = strcmp(known->table, "staff_assignments") != 0;

	source->runs = true;
	source->by_index = true;
	source->rows = psprintf("SELECT %s, %s FROM %s t WHERE %s ORDER BY t.%s", columns, day, relation, range, known->column);
	if (known->only_added)
		source->states = psprintf("SELECT c.day, c.rows || coalesce(' ' || l.state, '') FROM (SELECT %s AS day, count(*) AS rows"
								  " FROM %s t WHERE %s GROUP BY 1) c LEFT JOIN (%s) l USING (day) ORDER BY 1",
								  day, relation, range,
								  in_ledger ? export_ledger(known->table) :
								  "SELECT NULL::date AS day, NULL::text AS state WHERE false");
	else
		source->states = psprintf("SELECT %s, count(*) || ' ' || bit_xor(hashtextextended(t::text, 0))"
								  " FROM %s t WHERE %s GROUP BY 1 ORDER BY 1", day, relation, range);
}

static void
by_column(ExportSource *source, const char *day, const char *relation, const char *columns)
{
	source->rows = psprintf("SELECT %s, %s FROM %s t WHERE %s = ANY ($3) ORDER BY %s", columns, day, relation, day, day);
	source->states = psprintf("SELECT %s, count(*) || ' ' || bit_xor(hashtextextended(t::text, 0))"
							  " FROM %s t WHERE %s BETWEEN $1 AND $2 OR %s IS NULL GROUP BY 1 ORDER BY 1",
							  day, relation, day, day);
}

static void
describe(ExportSource *source, Relation relation, ExportForm form, const char *partition_by)
{
	char	   *schema = get_namespace_name(RelationGetNamespace(relation));
	const char *table = RelationGetRelationName(relation);
	const char *qualified = quote_qualified_identifier(schema, table);
	const KnownDay *known = known_day(schema, table);

	source->title = psprintf("%s.%s", schema, table);
	source->name = strcmp(schema, "hospital") == 0 || strcmp(schema, "hospital_mart") == 0 ? pstrdup(table) :
		source->title;
	if (partition_by == NULL ? known == NULL : strcmp(partition_by, NO_PARTITIONS) == 0)
		source->rows = psprintf("SELECT %s FROM %s t", column_list(relation, form, NULL, false), qualified);
	else if (partition_by == NULL && known->per_day > 0)
		by_key(source, known, qualified, column_list(relation, form, NULL, true));
	else
	{
		const char *column = partition_by != NULL ? partition_by : known->column;
		char	   *day = day_of_column(relation, column);

		by_column(source, day, qualified,
				  column_list(relation, form, strcmp(column, "date") == 0 ? column : NULL, true));
	}
}

ExportSource *
export_relation(const char *name, ExportForm form, const char *partition_by)
{
	ExportSource *source;
	Relation	relation;
	Oid			relid = find_relation(name);

	if (!OidIsValid(relid))
		return NULL;

	/* The rights are those of the statements, which run as the caller. */
	source = palloc0(sizeof(ExportSource));
	relation = relation_open(relid, AccessShareLock);
	check_kind(relation);
	describe(source, relation, form, partition_by);
	relation_close(relation, NoLock);
	return source;
}
