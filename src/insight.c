/*
 * insight.c: what a batch of events means at once, within the transaction that
 * brings its rows: alerts for prescriptions that do not go together, and windows
 * of a patient's activity.
 *
 * Alerts.  Two prescriptions make one when the later was written while the
 * patient was on the earlier, whichever of them comes first: each new one is
 * compared with all of its patient's that are in the table, before and after it.
 * The pair is written down in one order, by time, under a unique key.
 *
 * Windows.  The batch's events make islands, here, by sorting; those windows of
 * the table that are within the gap of an island are read, merged with them, and
 * written back.  The outcome depends on the events alone, not on their order:
 * windows are the sets of events that steps of at most the gap connect, and no
 * merged window can come within the gap of one that was not read, because the
 * table's own windows are further apart than that.
 *
 * Two consumers may have events of one patient at the same time, and must not
 * miss each other's: neither would see the other's prescription, and both would
 * write a window that lacks the other's event.  So each locks its patients, in
 * order of their numbers, after its rows are in and before it looks; what it then
 * looks at has everything of those who had the lock before.  The locks are
 * released after the commit is visible.  A server has room for some thousands of
 * locks in all, a batch may have ten thousand patients: so a batch of more than
 * LOCKED_PATIENTS locks all patients at once, and smaller ones share that lock.
 * All is locked here, in one go and in one order, and nothing is waited for
 * afterwards: two consumers cannot wait for each other.  (They could, were this
 * done kind by kind.)
 *
 * NOTIFY is left to a transaction of its own: one that notifies holds a lock that
 * all such commits share.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "event.h"
#include "insight.h"
#include "kept_plan.h"
#include "locks.h"
#include "settings.h"

#define ALL_PATIENTS 0			/* no patient has that number */
#define LOCKED_PATIENTS 256
#define TOLD_ONE_BY_ONE 50		/* alerts; of more, listeners hear the number */

typedef struct Activity
{
	int64		patient_id;
	TimestampTz at;
} Activity;

/* A window, or an island of the batch's events. */
typedef struct Window
{
	int64		patient_id;
	TimestampTz started_at;
	TimestampTz ended_at;
	int64		events;
	bool		stored;			/* as it is in the table */
} Window;

struct Insight
{
	MemoryContext context;
	int64		gap;			/* of windows; 0: none are kept */
	Activity   *activity;		/* of patients */
	int			nactivity;
	int			activity_room;
	const Prescription **prescriptions;
	int			nprescriptions;
	int			prescriptions_room;
	int64		alerts;
	int64		last_alert;
	int64		told[TOLD_ONE_BY_ONE];	/* their numbers, as far as there is room */
};

Insight *
insight_begin(void)
{
	Insight    *insight = palloc0(sizeof(Insight));

	insight->context = CurrentMemoryContext;
	insight->gap = hospital_activity_gap * USECS_PER_MINUTE;
	return insight;
}

int64
insight_alerts(const Insight *insight)
{
	return insight->alerts;
}

/* Room for n more elements. */
static void *
make_room(Insight *insight, void *array, int *room, int used, int n, Size size)
{
	if (array != NULL && used + n <= *room)
		return array;
	*room = Max(2 * *room, used + n);
	if (array == NULL)
		return MemoryContextAllocHuge(insight->context, *room * size);
	return repalloc_huge(array, *room * size);
}

void
insight_add(Insight *insight, int kind_number, const void *const *records, int n)
{
	if (kind_number == KIND_PRESCRIPTIONS)
	{
		insight->prescriptions = make_room(insight, insight->prescriptions, &insight->prescriptions_room,
										   insight->nprescriptions, n, sizeof(Prescription *));
		for (int i = 0; i < n; i++)
			insight->prescriptions[insight->nprescriptions++] = records[i];
	}
	if (insight->gap > 0 && kind_number != KIND_STAFF_CHANGES)
	{
		insight->activity = make_room(insight, insight->activity, &insight->activity_room,
									  insight->nactivity, n, sizeof(Activity));
		for (int i = 0; i < n; i++)
			insight->activity[insight->nactivity++] = (Activity)
			{
				event_subject(kind_number, records[i]), event_time(kind_number, records[i])
			};
	}
}

/* ---- locks ---- */

static void
lock(int64 what, LOCKMODE mode)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (what >> 32), (uint32) what, LOCK_CLASS_PATIENT);
	(void) LockAcquire(&tag, mode, false, false);
}

static int
compare_numbers(const void *a, const void *b)
{
	int64		left = *(const int64 *) a;
	int64		right = *(const int64 *) b;

	return left < right ? -1 : left > right;
}

/* Where windows are kept, those with prescriptions are among those with events. */
static int64 *
patients_of(const Insight *insight, int *n)
{
	int64	   *patients = palloc_extended((insight->nactivity + insight->nprescriptions) * sizeof(int64),
										   MCXT_ALLOC_HUGE);
	int			all = 0;

	*n = 0;
	for (int i = 0; i < insight->nactivity; i++)
		patients[all++] = insight->activity[i].patient_id;
	for (int i = 0; i < insight->nprescriptions; i++)
		patients[all++] = insight->prescriptions[i]->patient_id;
	qsort(patients, all, sizeof(int64), compare_numbers);
	for (int i = 0; i < all; i++)
	{
		if (*n == 0 || patients[*n - 1] != patients[i])
			patients[(*n)++] = patients[i];
	}
	return patients;
}

static void
lock_patients(const Insight *insight)
{
	int			n;
	int64	   *patients = patients_of(insight, &n);

	if (n > LOCKED_PATIENTS)
		lock(ALL_PATIENTS, ExclusiveLock);
	else
	{
		lock(ALL_PATIENTS, ShareLock);
		for (int i = 0; i < n; i++)
			lock(patients[i], ExclusiveLock);
	}
	pfree(patients);
}

/* ---- arrays ---- */

static Datum
number_array(Datum *values, int n, Oid type)
{
	return PointerGetDatum(construct_array(values, n, type, sizeof(int64), FLOAT8PASSBYVAL,
										   TYPALIGN_DOUBLE));
}

static Datum
text_array(Datum *values, int n)
{
	return PointerGetDatum(construct_array(values, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* ---- alerts ---- */

/*
 * A duration that is neither days nor weeks counts as a day.  Days are of 24
 * hours, whatever the session's time zone.
 */
#define ENDS_AT(at, duration) \
	at " + make_interval(hours => 24 *" \
	" CASE WHEN " duration " ~ '^[0-9]{1,4} days?$' THEN split_part(" duration ", ' ', 1)::int" \
	" WHEN " duration " ~ '^[0-9]{1,4} weeks?$' THEN 7 * split_part(" duration ", ' ', 1)::int" \
	" ELSE 1 END)"

static const char *const raise_alerts =
"WITH pair AS MATERIALIZED ("
" SELECT a.medicine_id, b.medicine_id AS other_medicine_id, i.severity, i.effect"
" FROM hospital.drug_interactions i"
" JOIN hospital.medicines a ON a.atc = i.atc_a JOIN hospital.medicines b ON b.atc = i.atc_b"
" UNION ALL"
" SELECT b.medicine_id, a.medicine_id, i.severity, i.effect"
" FROM hospital.drug_interactions i"
" JOIN hospital.medicines a ON a.atc = i.atc_a JOIN hospital.medicines b ON b.atc = i.atc_b),"
" new AS MATERIALIZED ("
" SELECT n.* FROM unnest($1, $2, $3, $4, $5)"
" AS n(prescription_id, patient_id, medicine_id, prescribed_at, duration)"
" WHERE n.medicine_id IN (SELECT pair.medicine_id FROM pair)),"
" near AS MATERIALIZED ("
" SELECT n.*, o.prescription_id AS other_id, o.medicine_id AS other_medicine_id,"
" o.prescribed_at AS other_at, o.duration AS other_duration"
" FROM new n JOIN hospital.prescriptions o"
" ON o.patient_id = n.patient_id AND o.prescription_id <> n.prescription_id),"
" met AS MATERIALIZED ("
" SELECT near.*, pair.severity, pair.effect FROM near JOIN pair USING (medicine_id, other_medicine_id)),"
" raised AS ("
" INSERT INTO hospital.alerts (prescription_id, other_prescription_id, patient_id, medicine_id,"
" other_medicine_id, severity, effect, prescribed_at)"
" SELECT DISTINCT v.later_id, v.earlier_id, met.patient_id, v.later_medicine, v.earlier_medicine,"
" met.severity, met.effect, v.later_at"
" FROM met CROSS JOIN LATERAL ("
" SELECT prescription_id, medicine_id, prescribed_at,"
" other_id, other_medicine_id, other_at, other_duration"
" WHERE (other_at, other_id) < (prescribed_at, prescription_id)"
" UNION ALL"
" SELECT other_id, other_medicine_id, other_at,"
" prescription_id, medicine_id, prescribed_at, duration"
" WHERE (other_at, other_id) > (prescribed_at, prescription_id))"
" AS v(later_id, later_medicine, later_at, earlier_id, earlier_medicine, earlier_at, duration)"
" WHERE v.later_at < " ENDS_AT("v.earlier_at", "v.duration")
" ORDER BY v.later_id, v.earlier_id"
" ON CONFLICT (prescription_id, other_prescription_id) DO NOTHING"
" RETURNING alert_id)"
" SELECT alert_id FROM raised ORDER BY alert_id";

static Datum
record_text(const RecText *text)
{
	return PointerGetDatum(cstring_to_text_with_len(text->data, (int) text->length));
}

static void
apply_alerts(Insight *insight)
{
	static KeptPlan plan;
	static const Oid types[] = {
		INT8ARRAYOID, INT8ARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID, TEXTARRAYOID
	};
	int			n = insight->nprescriptions;
	Datum	   *columns[lengthof(types)];
	Datum		values[lengthof(types)];

	for (int c = 0; c < (int) lengthof(types); c++)
		columns[c] = palloc(n * sizeof(Datum));
	for (int i = 0; i < n; i++)
	{
		const Prescription *p = insight->prescriptions[i];

		columns[0][i] = Int64GetDatum(p->prescription_id);
		columns[1][i] = Int64GetDatum(p->patient_id);
		columns[2][i] = record_text(&p->medicine_id);
		columns[3][i] = TimestampTzGetDatum(p->prescribed_at);
		columns[4][i] = record_text(&p->duration);
	}
	values[0] = number_array(columns[0], n, INT8OID);
	values[1] = number_array(columns[1], n, INT8OID);
	values[2] = text_array(columns[2], n);
	values[3] = number_array(columns[3], n, TIMESTAMPTZOID);
	values[4] = text_array(columns[4], n);
	insight->alerts = (int64) kept_run(&plan, raise_alerts, lengthof(types), types, values, NULL,
									   SPI_OK_SELECT);
	for (int64 i = 0; i < insight->alerts; i++)
	{
		bool		isnull;

		insight->last_alert = DatumGetInt64(kept_value(i, 1, &isnull));
		if (i < TOLD_ONE_BY_ONE)
			insight->told[i] = insight->last_alert;
	}
	kept_done();
}

/* ---- windows ---- */

static int
compare_activity(const void *a, const void *b)
{
	const Activity *left = a;
	const Activity *right = b;

	if (left->patient_id != right->patient_id)
		return left->patient_id < right->patient_id ? -1 : 1;
	return left->at < right->at ? -1 : left->at > right->at;
}

/* What the table has comes before an island that begins at the same time. */
static int
compare_windows(const void *a, const void *b)
{
	const Window *left = a;
	const Window *right = b;

	if (left->patient_id != right->patient_id)
		return left->patient_id < right->patient_id ? -1 : 1;
	if (left->started_at != right->started_at)
		return left->started_at < right->started_at ? -1 : 1;
	return (int) right->stored - (int) left->stored;
}

/* The batch's events as islands, in order; how many. */
static int
make_islands(Insight *insight, int64 gap, Window *islands)
{
	int			n = 0;

	qsort(insight->activity, insight->nactivity, sizeof(Activity), compare_activity);
	for (int i = 0; i < insight->nactivity; i++)
	{
		const Activity *event = &insight->activity[i];

		if (n > 0 && islands[n - 1].patient_id == event->patient_id &&
			event->at - islands[n - 1].ended_at <= gap)
		{
			islands[n - 1].ended_at = event->at;
			islands[n - 1].events++;
		}
		else
			islands[n++] = (Window) {event->patient_id, event->at, event->at, 1, false};
	}
	return n;
}

/* Islands and those windows of the table that are within the gap of one. */
static Window *
add_stored_windows(const Window *islands, int n, int64 gap, int *all)
{
	static KeptPlan plan;
	static const Oid types[] = {INT8ARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID};
	Datum	   *columns[lengthof(types)];
	Datum		values[lengthof(types)];
	Window	   *windows;
	uint64		found;

	for (int c = 0; c < (int) lengthof(types); c++)
		columns[c] = palloc(n * sizeof(Datum));
	for (int i = 0; i < n; i++)
	{
		columns[0][i] = Int64GetDatum(islands[i].patient_id);
		columns[1][i] = TimestampTzGetDatum(islands[i].started_at - gap);
		columns[2][i] = TimestampTzGetDatum(islands[i].ended_at + gap);
	}
	values[0] = number_array(columns[0], n, INT8OID);
	values[1] = number_array(columns[1], n, TIMESTAMPTZOID);
	values[2] = number_array(columns[2], n, TIMESTAMPTZOID);
	found = kept_run(&plan,
					 "SELECT w.patient_id, w.started_at, w.ended_at, w.events"
					 " FROM unnest($1, $2, $3) AS i(patient_id, from_at, to_at)"
					 " JOIN hospital.patient_activity w ON w.patient_id = i.patient_id"
					 " AND w.started_at <= i.to_at AND w.ended_at >= i.from_at",
					 lengthof(types), types, values, NULL, SPI_OK_SELECT);
	windows = palloc_extended((n + found) * sizeof(Window), MCXT_ALLOC_HUGE);
	memcpy(windows, islands, n * sizeof(Window));
	for (uint64 i = 0; i < found; i++)
	{
		bool		isnull;

		windows[n + i] = (Window)
		{
			DatumGetInt64(kept_value(i, 1, &isnull)), DatumGetTimestampTz(kept_value(i, 2, &isnull)),
				DatumGetTimestampTz(kept_value(i, 3, &isnull)), DatumGetInt64(kept_value(i, 4, &isnull)),
				true
		};
	}
	kept_done();
	*all = n + (int) found;
	return windows;
}

/*
 * Merge what is within the gap.  What the table has and is not the beginning of
 * a window any more goes to "gone".
 */
static int
merge_windows(Window *windows, int all, int64 gap, Window *gone, int *ngone)
{
	const Window *before = NULL;
	Window		stored = {0};	/* of the table, seen last */
	int			n = 0;

	*ngone = 0;
	qsort(windows, all, sizeof(Window), compare_windows);
	for (int i = 0; i < all; i++)
	{
		Window		window = windows[i];

		/* One that is near two islands was found twice. */
		if (window.stored && stored.stored && stored.patient_id == window.patient_id &&
			stored.started_at == window.started_at)
			continue;
		if (window.stored)
			stored = window;
		if (before != NULL && before->patient_id == window.patient_id &&
			window.started_at - before->ended_at <= gap)
		{
			if (window.stored && window.started_at != before->started_at)
				gone[(*ngone)++] = window;
			windows[n - 1].ended_at = Max(before->ended_at, window.ended_at);
			windows[n - 1].events += window.events;
		}
		else
			windows[n++] = window;
		before = &windows[n - 1];
	}
	return n;
}

/* A field of windows, all of eight bytes. */
static Datum
window_array(const Window *windows, int n, size_t field, Oid type)
{
	Datum	   *values = palloc(n * sizeof(Datum));

	for (int i = 0; i < n; i++)
		values[i] = Int64GetDatum(*(const int64 *) ((const char *) &windows[i] + field));
	return number_array(values, n, type);
}

static void
delete_windows(const Window *windows, int n)
{
	static KeptPlan plan;
	static const Oid types[] = {INT8ARRAYOID, TIMESTAMPTZARRAYOID};
	Datum		values[] = {
		window_array(windows, n, offsetof(Window, patient_id), INT8OID),
		window_array(windows, n, offsetof(Window, started_at), TIMESTAMPTZOID)
	};

	(void) kept_run(&plan,
					"DELETE FROM hospital.patient_activity w USING unnest($1, $2) AS g(patient_id, started_at)"
					" WHERE w.patient_id = g.patient_id AND w.started_at = g.started_at",
					lengthof(types), types, values, NULL, SPI_OK_DELETE);
}

static void
write_windows(const Window *windows, int n)
{
	static KeptPlan plan;
	static const Oid types[] = {INT8ARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, INT8ARRAYOID};
	Datum		values[] = {
		window_array(windows, n, offsetof(Window, patient_id), INT8OID),
		window_array(windows, n, offsetof(Window, started_at), TIMESTAMPTZOID),
		window_array(windows, n, offsetof(Window, ended_at), TIMESTAMPTZOID),
		window_array(windows, n, offsetof(Window, events), INT8OID)
	};

	(void) kept_run(&plan,
					"INSERT INTO hospital.patient_activity (patient_id, started_at, ended_at, events)"
					" SELECT * FROM unnest($1, $2, $3, $4)"
					" ON CONFLICT (patient_id, started_at)"
					" DO UPDATE SET ended_at = EXCLUDED.ended_at, events = EXCLUDED.events",
					lengthof(types), types, values, NULL, SPI_OK_INSERT);
}

static void
apply_windows(Insight *insight)
{
	int64		gap = insight->gap;
	Window	   *islands = palloc_extended(insight->nactivity * sizeof(Window), MCXT_ALLOC_HUGE);
	int			n = make_islands(insight, gap, islands);
	Window	   *windows;
	Window	   *gone;
	int			ngone;

	windows = add_stored_windows(islands, n, gap, &n);
	gone = palloc_extended(n * sizeof(Window), MCXT_ALLOC_HUGE);
	n = merge_windows(windows, n, gap, gone, &ngone);
	if (ngone > 0)
		delete_windows(gone, ngone);
	write_windows(windows, n);
}

/* ---- a batch ---- */

void
insight_apply(Insight *insight)
{
	MemoryContext work;
	MemoryContext caller;

	if (insight->nprescriptions == 0 && insight->nactivity == 0)
		return;
	work = AllocSetContextCreate(CurrentMemoryContext, "hospital insight", ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(work);
	lock_patients(insight);
	if (insight->nprescriptions > 0)
		apply_alerts(insight);
	if (insight->nactivity > 0)
		apply_windows(insight);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(work);
}

/*
 * A payload has room for 8,000 bytes; an effect of the user's own may be longer.
 * Everybody may listen: where the hospital has roles, who may read the alert
 * looks it up by its number.
 */
void
insight_notify(const Insight *insight)
{
	static KeptPlan one_by_one;
	static KeptPlan together;
	static const Oid numbers[] = {INT8ARRAYOID};
	static const Oid summary[] = {INT8OID, INT8OID};

	if (insight->alerts > TOLD_ONE_BY_ONE)
	{
		Datum		values[] = {Int64GetDatum(insight->alerts), Int64GetDatum(insight->last_alert)};

		(void) kept_run(&together,
						"SELECT pg_notify('hospital_alerts',"
						" json_build_object('alerts', $1, 'last_alert_id', $2)::text)",
						lengthof(summary), summary, values, NULL, SPI_OK_SELECT);
	}
	else if (insight->alerts > 0)
	{
		Datum		told[TOLD_ONE_BY_ONE];
		Datum		values[1];

		for (int64 i = 0; i < insight->alerts; i++)
			told[i] = Int64GetDatum(insight->told[i]);
		values[0] = number_array(told, (int) insight->alerts, INT8OID);
		(void) kept_run(&one_by_one,
						"SELECT pg_notify('hospital_alerts', CASE"
						" WHEN to_regclass('hospital.privacy') IS NOT NULL THEN json_build_object('alert_id', a.alert_id)"
						" ELSE json_build_object('alert_id', a.alert_id, 'patient_id', a.patient_id,"
						" 'prescription_id', a.prescription_id, 'medicine_id', a.medicine_id,"
						" 'other_prescription_id', a.other_prescription_id,"
						" 'other_medicine_id', a.other_medicine_id, 'severity', a.severity,"
						" 'effect', left(a.effect, 1000), 'prescribed_at',"
						" (to_json(a.prescribed_at AT TIME ZONE 'UTC') #>> '{}') || 'Z') END::text)"
						" FROM hospital.alerts a WHERE a.alert_id = ANY ($1) ORDER BY a.alert_id",
						lengthof(numbers), numbers, values, NULL, SPI_OK_SELECT);
	}
	kept_done();
}
