/*
 * scheduler.c: what the hospital's clock makes.
 *
 * One process for each database with a running hospital.  It looks at
 * hospital.run_state (window.c), tells the launcher which other workers are
 * needed, and makes what is due: a folder of files for each hospital day
 * (day_writer.c), events at each tick.  Nothing is kept in memory alone:
 * hospital.days and hospital.ticks say what has been done, the clock what should
 * have been; the first that is due and missing is made next.  It also notices
 * when the settings say another pace, and has the clock go on at that.
 *
 * Events may have to wait for Kafka, days do not: while the producer waits, it
 * calls back several times a second, and days that have become due are written
 * then and there.
 *
 * CALL hospital_publish() is carried out here, too, some days at a time, and most
 * of the time: a day computed out of turn costs the days before it, so what is
 * due meanwhile gets a fifth.  That also works while the hospital is stopped.
 *
 * While CALL hospital_run() is at work, the lake is that session's and days
 * wait; it moves the clock's anchor behind the days that it has run.
 *
 * Where there is nothing to do (no hospital, stopped, a copy) the process ends,
 * so that it is not in the way of DROP DATABASE or CREATE DATABASE ...
 * TEMPLATE; the launcher starts another when hospital_start pokes it, or a
 * minute later.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "day_again.h"
#include "day_file.h"
#include "day_writer.h"
#include "job.h"
#include "kept_plan.h"
#include "lakefile.h"
#include "locks.h"
#include "producer.h"
#include "publish_request.h"
#include "settings.h"
#include "shared_state.h"
#include "simulation.h"
#include "sole_use.h"
#include "stream_due.h"
#include "window.h"
#include "worker.h"

#define STREAM_RETRY_FIRST_MS 1000
#define STREAM_RETRY_LAST_MS 60000
#define MEANWHILE_MS 1000		/* the producer waits this long before days go first */
#define HELD_UP_MS 500			/* while the extension is being altered */
#define LAKE_RETRY_MS 500		/* while another process writes the lake */
#define REQUEST_SHARE 4			/* a request gets as many times the time of what is due */

typedef struct Scheduler
{
	Simulation	simulation;
	Window		window;
	const char *verdict;		/* why there is nothing to do; NULL: run */
	bool		acts;			/* and so do the others, as far as we know */
	bool		lake_is_ours;	/* we hold its lock, for the life of this process */
	bool		recovered;		/* leftovers of the lake have been dealt with */
	DateADT		live_from;		/* of the window when "unwritten" was set */
	DateADT		unwritten;		/* the days before are known to be written */
	const char *logged;			/* what the log has of the clock */
	int			logged_window;
	TimestampTz look_at;		/* when to look for due days while the producer waits */

	/* The stream fails on its own: days go on while Kafka is away. */
	const ProducerApi *producer;
	bool		producer_open;
	int64		broker_epoch;	/* of the embedded broker it was opened at */
	char	   *brokers;		/* to which it is open */
	int			stream_failures;	/* since the last tick that was published */
	TimestampTz stream_retry_at;
	uint32		reloads;		/* of the configuration, when last looked */
	StreamDue	due;
	StreamTick	tick;			/* the one to publish; number 0: none */

	PublishRequest request;		/* the one to carry out */
	TimestampTz request_until;	/* before that what is due waits */
	bool		request_failed; /* the last one */
	char		failure[WORKER_ERROR_LENGTH];
} Scheduler;

static Scheduler *the_scheduler = NULL; /* of this process, for "meanwhile" */

static bool
streaming(void)
{
	return hospital_kafka_brokers != NULL && hospital_kafka_brokers[0] != '\0';
}

/* Without topics of its own a hospital has no stream, and says why. */
static void
want_workers(void)
{
	bool		topics = topics_claim();

	control_want(streaming() && topics ? hospital_consumer_workers : 0, hospital_ingest_workers,
				 strcmp(hospital_kafka_brokers, KAFKA_EMBEDDED) == 0);
}

/* ---- what there is to do ------------------------------------------------- */

/* False when the hospital is not to run.  In a transaction. */
static bool
read_run_state(Scheduler *scheduler)
{
	Window	   *window = &scheduler->window;

	if (!window_read(window, false) || window->wish == WISH_STOPPED || window->number == 0)
		return false;
	window_follow_settings(window, &scheduler->simulation);
	if (scheduler->live_from != window->live_from)
		scheduler->unwritten = scheduler->live_from = window->live_from;
	return true;
}

/*
 * The first of the days due that has not been written; DATEVAL_NOEND: none.
 * What has been found written once is not looked at again.
 */
static DateADT
missing_day(Scheduler *scheduler, TimestampTz now)
{
	static KeptPlan plan;
	Oid			types[] = {DATEOID, DATEOID};
	DateADT		to_come = clock_first_day_to_come(&scheduler->window.pace, now);
	Datum		values[] = {DateADTGetDatum(scheduler->unwritten), DateADTGetDatum(to_come)};
	bool		isnull;
	bool		found;

	if (scheduler->unwritten >= to_come)
		return DATEVAL_NOEND;
	found = kept_run(&plan, "SELECT $1 + k FROM generate_series(0, $2 - $1 - 1) k"
					 " WHERE NOT EXISTS (SELECT FROM hospital.days d WHERE d.day = $1 + k)"
					 " ORDER BY k LIMIT 1", 2, types, values, NULL, SPI_OK_SELECT) > 0;
	scheduler->unwritten = found ? DatumGetDateADT(kept_value(0, 1, &isnull)) : to_come;
	kept_done();
	return found ? scheduler->unwritten : DATEVAL_NOEND;
}

/* ---- days ---------------------------------------------------------------- */

static LakeVerdict
judge_file(const char *path, const char *hash, void *arg)
{
	Scheduler  *scheduler = arg;
	bool		known;

	if (!worker_begin("looking for an unfinished file in the ledger"))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the hospital went away while its unfinished files were looked for")));
	known = day_ledger_knows(&scheduler->simulation, path, hash);
	worker_commit();
	return known ? LAKE_KNOWN : LAKE_STRAY;
}

/* False: another process is writing there. */
static bool
prepare_lake(Scheduler *scheduler)
{
	if (!scheduler->lake_is_ours)
		scheduler->lake_is_ours = hospital_lock(HOSPITAL_LOCK_LAKE, false);
	if (!scheduler->lake_is_ours)
		return false;
	if (scheduler->recovered)
		return true;
	worker_state("looking for unfinished files");
	lake_check_folder();
	lake_claim(&scheduler->simulation);
	lake_recover(psprintf(BATCH_FOLDER "/%s", scheduler->simulation.name), MANIFEST_NAME,
				 judge_file, scheduler);
	scheduler->recovered = true;
	return true;
}

/* For tests of the clock alone. */
static void
record_empty_day(DateADT day)
{
	if (!worker_begin("recording a day in the ledger"))
		return;
	day_record_empty(day);
	worker_commit();
}

static void
write_day(Scheduler *scheduler, DateADT day)
{
	DayFiles   *files;

	if (!hospital_test_clock_data)
	{
		record_empty_day(day);
		return;
	}
	worker_state("writing the files of %s", day_file_date(day));
	files = day_write(&scheduler->simulation, day);
	if (!worker_begin("recording a day in the ledger"))
		return;					/* the next pass sees why */

	/*
	 * From here to the end of day_publish an error leaves files whose fate the
	 * ledger decides.
	 */
	scheduler->recovered = false;
	day_record(files);
	worker_commit();
	day_publish(files);
	scheduler->recovered = true;

	worker_count_rows(files->all_rows);
	worker_wake(MyDatabaseId, WORKER_INGESTOR);
	if (scheduler->stream_failures == 0)
		worker_clear_error();	/* it was the days', and is over */
	ereport(LOG,
			(errmsg("hospital scheduler: %s: day files written, " INT64_FORMAT " records, " INT64_FORMAT " bytes",
					day_file_date(day), files->all_rows, files->all_bytes)));
}

/* ---- events -------------------------------------------------------------- */

static void
close_producer(Scheduler *scheduler)
{
	if (scheduler->producer_open)
	{
		scheduler->producer_open = false;
		scheduler->producer->close();
	}
}

/* Which life of the embedded broker this is; 0 without one. */
static int64
broker_epoch(void)
{
	char		address[BROKER_ADDRESS_LENGTH];
	int64		epoch = 0;

	if (strcmp(hospital_kafka_brokers, KAFKA_EMBEDDED) == 0)
		(void) control_find_broker(address, sizeof(address), &epoch);
	return epoch;
}

/*
 * An embedded broker that was started anew is empty, and nothing but opening
 * the producer publishes again what had not arrived.
 */
static bool
broker_is_new(const Scheduler *scheduler)
{
	int64		epoch = broker_epoch();

	return epoch != 0 && (!scheduler->producer_open || epoch != scheduler->broker_epoch);
}

/* Through worker_try: an error is the days' alone. */
static void
write_due_day(void *arg)
{
	Scheduler  *scheduler = arg;
	DateADT		day;

	if (!prepare_lake(scheduler) || !worker_begin("looking for a day that is due"))
		return;
	day = missing_day(scheduler, clock_now(&scheduler->window.pace));
	worker_commit();
	if (day == DATEVAL_NOEND)
		return;
	write_day(scheduler, day);
	scheduler->look_at = 0;		/* the next may be due as well */
}

static void
look_later(Scheduler *scheduler, int ms)
{
	scheduler->look_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ms);
}

/*
 * Called by the producer while it waits.  One day at a time, so that what it
 * waits for is not kept waiting.
 */
static void
write_meanwhile(void)
{
	Scheduler  *scheduler = the_scheduler;
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext scratch;

	if (GetCurrentTimestamp() < scheduler->look_at || scheduler->verdict != NULL)
		return;
	look_later(scheduler, MEANWHILE_MS);
	want_workers();
	scratch = AllocSetContextCreate(caller, "hospital meanwhile", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(scratch);
	if (!worker_try(write_due_day, scheduler))
		look_later(scheduler, STREAM_RETRY_LAST_MS);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(scratch);
	worker_state("waiting for the brokers");
}

static void
stream_recovered(Scheduler *scheduler)
{
	if (scheduler->stream_failures > 0)
		worker_clear_error();
	scheduler->stream_failures = 0;
}

/* True when the producer was open already; opening may change what is missing. */
static bool
have_producer(Scheduler *scheduler)
{
	if (scheduler->producer == NULL)
	{
		const ProducerApi *(*api) (void) = (const ProducerApi *(*) (void))
			load_external_function("hospital_kafka", PRODUCER_API_SYMBOL, true, NULL);

		scheduler->producer = api();
	}
	if (scheduler->producer_open &&
		(strcmp(scheduler->brokers, hospital_kafka_brokers) != 0 || broker_is_new(scheduler)))
		close_producer(scheduler);
	if (scheduler->producer_open)
		return true;
	if (!topics_claim())
		topics_refuse();
	worker_state("connecting to Kafka");
	if (scheduler->brokers != NULL)
		pfree(scheduler->brokers);
	scheduler->brokers = MemoryContextStrdup(TopMemoryContext, hospital_kafka_brokers);
	scheduler->broker_epoch = broker_epoch();
	scheduler->producer->open(&scheduler->simulation, write_meanwhile);
	scheduler->producer_open = true;
	return false;
}

/* Through worker_try: an error is the stream's alone. */
static void
publish_tick(void *arg)
{
	Scheduler  *scheduler = arg;
	const StreamTick *tick = &scheduler->tick;

	if (!have_producer(scheduler))
		return;
	if (tick->record.number == 0)
		return;
	worker_state("publishing %s, tick " INT64_FORMAT, day_file_date(tick->last_day), tick->record.number);
	(void) scheduler->producer->publish(tick);
	worker_wake(MyDatabaseId, WORKER_CONSUMER);
	stream_recovered(scheduler);
}

static void
try_to_publish(Scheduler *scheduler)
{
	long		delay = STREAM_RETRY_FIRST_MS;

	look_later(scheduler, MEANWHILE_MS);
	if (worker_try(publish_tick, scheduler))
		return;
	(void) worker_try((void (*) (void *)) close_producer, scheduler);
	for (int i = 0; i < scheduler->stream_failures && delay < STREAM_RETRY_LAST_MS; i++)
		delay *= 2;
	scheduler->stream_failures++;
	scheduler->stream_retry_at =
		TimestampTzPlusMilliseconds(GetCurrentTimestamp(), Min(delay, STREAM_RETRY_LAST_MS));
}

/* ---- requests ------------------------------------------------------------ */

/* In a transaction of its own; what became of it is the next pass's to see. */
static void
end_request(Scheduler *scheduler, const char *failure)
{
	if (!worker_begin("ending a request to publish"))
		return;
	publish_request_end(&scheduler->request, failure);
	worker_commit();
}

static void
publish_some_days(Scheduler *scheduler)
{
	PublishRequest *request = &scheduler->request;
	DateADT		done;

	if (!streaming())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no Kafka brokers are set")));
	if (scheduler->verdict != NULL && strcmp(hospital_kafka_brokers, KAFKA_EMBEDDED) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the embedded broker runs only while the hospital does")));
	(void) have_producer(scheduler);
	worker_state("publishing from %s on", day_file_date(request->next_day));
	if (scheduler->producer->publish_days(request->id, request->next_day, request->to_day, &done) &&
		done >= request->to_day)
		end_request(scheduler, NULL);
	worker_wake(MyDatabaseId, WORKER_CONSUMER);
	if (scheduler->request_failed)
		worker_clear_error();
	scheduler->request_failed = false;
	stream_recovered(scheduler);
}

/* Through worker_try: an error is the request's. */
static void
publish_or_note(void *arg)
{
	Scheduler  *scheduler = arg;
	MemoryContext caller = CurrentMemoryContext;

	PG_TRY();
	{
		publish_some_days(scheduler);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		strlcpy(scheduler->failure, error->message, sizeof(scheduler->failure));
		PG_RE_THROW();
	}
	PG_END_TRY();
}

static void
fail_request(void *arg)
{
	Scheduler  *scheduler = arg;

	close_producer(scheduler);
	end_request(scheduler, scheduler->failure);
}

/* A step of it. */
static void
carry_out(Scheduler *scheduler)
{
	look_later(scheduler, MEANWHILE_MS);
	if (worker_try(publish_or_note, scheduler))
		return;
	scheduler->request_failed = true;
	(void) worker_try(fail_request, scheduler);
}

/* Is there one that can be carried out now? */
static bool
has_request(const Scheduler *scheduler)
{
	/* The embedded broker may still be starting. */
	return scheduler->request.id != 0 &&
		(scheduler->verdict != NULL || strcmp(hospital_kafka_brokers, KAFKA_EMBEDDED) != 0 ||
		 broker_epoch() != 0);
}

/* ---- the pass ------------------------------------------------------------ */

static void
leave(Scheduler *scheduler, const char *state)
{
	close_producer(scheduler);
	control_want(0, 0, false);
	if (strcmp(scheduler->verdict, "stopped") != 0)
		job_want_no_runners();
	worker_leave(state);
}

/* Through worker_try: a copy, or another version's, is an error. */
static void
read_simulation(void *arg)
{
	Scheduler  *scheduler = arg;

	scheduler->verdict = "no hospital here";
	scheduler->request.id = 0;
	if (!worker_begin("reading hospital.simulation"))
	{
		worker_check_version();
		return;
	}
	if (simulation_read(&scheduler->simulation, true))
	{
		scheduler->verdict = read_run_state(scheduler) ? NULL : "stopped";
		publish_request_read(&scheduler->request);
		job_want_runners(scheduler->verdict == NULL);
	}
	worker_commit();
}

/* What the clock does, once for each change. */
static void
log_clock(Scheduler *scheduler, const char *does, const char *day)
{
	const Window *window = &scheduler->window;
	const Pace *pace = &window->pace;
	const char *last;

	if (scheduler->logged_window == window->number && scheduler->logged == does)
		return;
	scheduler->logged_window = window->number;
	scheduler->logged = does;
	last = pstrdup(day_file_date(pace->last_day));
	if (window_is_over(window))
		ereport(LOG,
				(errmsg("hospital scheduler: window %d is over, its last day was %s", window->number, last),
				 errhint("SELECT hospital_start(another_window => true) begins another one.")));
	else
		ereport(LOG,
				(errmsg("hospital scheduler: the clock %s on %s, in window %d up to %s", does, day, window->number, last),
				 errdetail("A day takes %s, with a tick every %s.", window_duration(pace->day_us),
						   window_duration(pace->stream_interval))));
}

static void
show_waiting(Scheduler *scheduler, TimestampTz now)
{
	const Window *window = &scheduler->window;
	const char *day = pstrdup(day_file_date(clock_first_day_to_come(&window->pace, now)));
	bool		is_over = window_is_over(window);
	bool		is_paused = window->wish == WISH_PAUSED;

	log_clock(scheduler, is_over ? "is over" : is_paused ? "stands still" : "goes", day);
	if (is_over)
		worker_state("window over");
	else if (is_paused)
		worker_state("paused on %s", day);
	else
		worker_state("waiting for %s", day);
}

static void
wait_for_next(Scheduler *scheduler, TimestampTz now)
{
	long		retry_ms = -1;

	show_waiting(scheduler, now);
	if (scheduler->stream_failures > 0 && scheduler->stream_retry_at > GetCurrentTimestamp())
		retry_ms = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), scheduler->stream_retry_at);
	hospital_clock()->wait_until(clock_next_due(&scheduler->window.pace, now), retry_ms);
}

/* Files that an ingestor has missed are made again.  False: none was. */
static bool
write_again(Scheduler *scheduler)
{
	DayFiles   *files;
	DateADT		day;
	bool		lost;

	if (!worker_begin("looking for files that are missed"))
		return true;			/* the next pass sees why */
	lost = day_is_missed();
	if (lost && !(lost = day_find_lost(&day)))
		day_forget_missed();
	worker_commit();
	if (!lost)
		return false;
	worker_state("writing the files of %s again", day_file_date(day));
	files = day_write(&scheduler->simulation, day);
	if (!worker_begin("comparing a day with the ledger"))
		return true;
	day_expect_again(files);
	worker_commit();
	day_publish_lost(files);
	worker_wake(MyDatabaseId, WORKER_INGESTOR);
	ereport(LOG,
			(errmsg("hospital scheduler: %s: files that were not in the lake are written again",
					day_file_date(day))));
	return true;
}

/* The configuration may be another one: try at once what failed, leave what was left. */
static void
notice_settings(Scheduler *scheduler)
{
	if (scheduler->reloads == worker_reloads())
		return;
	scheduler->reloads = worker_reloads();
	scheduler->due.settled = false;
	scheduler->stream_retry_at = 0;
	if (streaming())
		return;
	close_producer(scheduler);
	stream_recovered(scheduler);
}

/* The first tick that is due and has no outcome, in scheduler->tick. */
static void
find_tick(Scheduler *scheduler, TimestampTz now)
{
	const Window *window = &scheduler->window;
	const Simulation *simulation = &scheduler->simulation;
	StreamTick *tick = &scheduler->tick;
	Timestamp	last_upto;
	int64		number = window_last_tick(&last_upto) + 1;

	tick->record.number = 0;
	if (number >= clock_first_tick_to_come(&window->pace, now))
		return;
	tick->record.number = number;
	tick->record.window = window->number;
	tick->record.due_at = clock_tick_due(&window->pace, number);
	tick->record.started_at = now;
	tick->record.upto = Max(last_upto, position_time(clock_position(&window->pace, tick->record.due_at)));
	if (!streaming())
		return;
	stream_due_plan(&scheduler->due, window, tick,
					Max(1, (simulation->transfers_per_day + hospital_stream_records - 1) / hospital_stream_records));
}

/* The first day, and the first tick, that are due and missing. */
static bool
look_for_due(Scheduler *scheduler, bool stream_ready, TimestampTz now, DateADT *day)
{
	if (!worker_begin("looking for what is due"))
		return false;
	*day = missing_day(scheduler, now);
	if (stream_ready)
		find_tick(scheduler, now);
	worker_commit();
	if (stream_ready && streaming() && scheduler->tick.record.number != 0)
		scheduler->due.settled = true;
	return true;
}

/*
 * With nobody to send anything to, a tick is its outcome.  What a crash would
 * take of that would be made again: no need to wait for the disk.
 */
static void
record_tick(Scheduler *scheduler)
{
	if (!worker_begin("recording a tick"))
		return;
	(void) set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
	window_record_tick(&scheduler->tick.record, false);
	worker_commit();
}

/* False: nothing is due. */
static bool
make_due(Scheduler *scheduler, TimestampTz now)
{
	const Pace *pace = &scheduler->window.pace;
	bool		stream_ready = !streaming() || scheduler->stream_failures == 0 ||
		scheduler->stream_retry_at <= GetCurrentTimestamp();
	bool		has_day;
	bool		has_tick;
	DateADT		day;

	scheduler->tick.record.number = 0;
	if (!look_for_due(scheduler, stream_ready, now, &day))
		return true;			/* the next pass sees why */
	has_day = day != DATEVAL_NOEND;
	has_tick = scheduler->tick.record.number != 0;

	/* In the order in which they were due; a day's files come after its ticks. */
	if (has_day && (!has_tick || clock_day_due(pace, day) < scheduler->tick.record.due_at))
		write_day(scheduler, day);
	else if (has_tick && !streaming())
		record_tick(scheduler);
	else if (has_tick || (streaming() && stream_ready && broker_is_new(scheduler)))
		try_to_publish(scheduler);
	else
	{
		/* Nothing is left to publish: what was amiss with the stream is over. */
		if (stream_ready && scheduler->producer_open)
			stream_recovered(scheduler);
		return false;
	}
	return true;
}

static void
run_hospital(Scheduler *scheduler)
{
	TimestampTz began = GetCurrentTimestamp();
	TimestampTz now = clock_now(&scheduler->window.pace);
	bool		lake_is_ready;

	notice_settings(scheduler);

	/* Where the lake is another hospital's, nobody else is to work either. */
	lake_is_ready = prepare_lake(scheduler);
	want_workers();
	if (!lake_is_ready)
	{
		worker_state("waiting for hospital_run to end");
		worker_wait(LAKE_RETRY_MS, -1);
		return;
	}
	if (write_again(scheduler))
		return;
	if (has_request(scheduler) && began < scheduler->request_until)
		carry_out(scheduler);
	else if (make_due(scheduler, now))
		scheduler->request_until = GetCurrentTimestamp() + REQUEST_SHARE * (GetCurrentTimestamp() - began);
	else if (has_request(scheduler))
		carry_out(scheduler);
	else
		wait_for_next(scheduler, now);
}

/* Workers that left while nobody could act would look again in a minute. */
static void
call_others_back(Scheduler *scheduler)
{
	if (scheduler->acts)
		return;
	scheduler->acts = true;
	worker_wake(worker_database(), WORKER_CONSUMER);
	worker_wake(worker_database(), WORKER_INGESTOR);
	worker_wake(worker_database(), WORKER_JOB);
}

static bool
scheduler_pass(void *arg)
{
	Scheduler  *scheduler = arg;

	if (!worker_try(read_simulation, scheduler))
	{
		if (worker_sqlstate() == ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE)
			leave(scheduler, "not able to run");
		worker_wait(STREAM_RETRY_FIRST_MS, -1);
		return true;
	}
	if (worker_is_held_up())
	{
		scheduler->acts = false;
		worker_state("the extension is being altered");
		worker_wait(HELD_UP_MS, -1);
	}
	else if (scheduler->verdict == NULL)
	{
		call_others_back(scheduler);
		run_hospital(scheduler);
	}
	else if (has_request(scheduler))
		carry_out(scheduler);
	else
	{
		worker_clear_error();
		leave(scheduler, scheduler->verdict);
	}
	return true;
}

void
scheduler_main(Datum main_arg)
{
	Scheduler  *scheduler;

	worker_start(main_arg);
	scheduler = MemoryContextAllocZero(TopMemoryContext, sizeof(Scheduler));
	the_scheduler = scheduler;
	worker_loop(scheduler_pass, scheduler);
}
