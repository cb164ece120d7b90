# 041_jobs.pl: due on time, each time once; retries; time limits; what a crash,
# a shutdown, hospital_stop, a promoted standby and a lack of worker slots
# leave; dependencies; days; commands that commit; whose rights they have.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep time);

my $seed = $ENV{HOSPITAL_TEST_SEED} || int(time);
srand($seed);
diag("HOSPITAL_TEST_SEED=$seed");

my $node = PostgreSQL::Test::Cluster->new('jobs');
$node->init(allows_streaming => 1, extra => [ '--encoding=UTF8', '--locale=C' ]);
my $folder = $node->basedir . '/folder';
mkdir $folder or die "$folder: $!";
chmod 0777, $folder;
$node->append_conf('postgresql.conf', qq(
shared_preload_libraries = 'hospital'
restart_after_crash = on
autovacuum = off
max_worker_processes = 16
log_min_messages = log
hospital.databases = 'one, two'
hospital.data_folder = '$folder'
hospital.batch_interval = '1h'
hospital.job_workers = 2
));
$node->start;
my $server = $node;

sub try_query
{
	my ($db, $query) = @_;
	# A server that is not there yet may close the pipe that the query is written to.
	my ($code, $out, $err) = eval { $server->psql($db, $query, timeout => 20, timed_out => \my $slow) };
	return defined $code && $code == 0 ? $out : undef;
}

sub poll
{
	my ($what, $db, $query, $expected) = @_;
	$expected = 't' unless defined $expected;
	my $found;
	my $until = time + 30;
	while (time < $until)
	{
		$found = try_query($db, $query);
		if (defined $found && $found eq $expected)
		{
			pass($what);
			return 1;
		}
		usleep(50_000);
	}
	fail($what);
	diag('found: ' . (defined $found ? $found : 'no answer'));
	diag(try_query($db, 'SELECT * FROM hospital.job_runs ORDER BY run_id DESC LIMIT 20') // '');
	diag(try_query($db, 'SELECT * FROM hospital.status') // '');
	return 0;
}

sub sql { my ($db, $query) = @_; return $server->safe_psql($db, $query) }

sub answers { my ($db, $query, $expected, $what) = @_; is(sql($db, $query), $expected, $what) }

sub ended { my ($job) = @_; return "SELECT state FROM hospital.job_runs WHERE job_name = '$job' ORDER BY run_id DESC LIMIT 1" }

# Every time of a schedule of whole seconds has its row, and no time has two.
my $each_once = q(
	SELECT count(*) > 0 AND sum(slots) = extract(epoch FROM max(due_at + (slots - 1) * interval '1 second') - min(due_at)) + 1
		AND NOT EXISTS (SELECT FROM hospital.job_history a JOIN hospital.job_history b
			ON b.job_name = a.job_name AND b.attempt = 1 AND b.cause = 'schedule' AND b.run_id <> a.run_id
			AND b.due_at BETWEEN a.due_at AND a.due_at + (a.slots - 1) * interval '1 second'
			WHERE a.job_name = 'every second' AND a.attempt = 1 AND a.cause = 'schedule')
	FROM hospital.job_history WHERE job_name = 'every second' AND attempt = 1 AND cause = 'schedule');

# ---- two hospitals ---------------------------------------------------------------

$node->safe_psql('postgres', 'CREATE ROLE keeper LOGIN');
for my $db ('one', 'two')
{
	$node->safe_psql('postgres', "CREATE DATABASE $db");
	sql($db, q(
		CREATE EXTENSION hospital;
		GRANT USAGE, CREATE ON SCHEMA hospital, public TO keeper;
		GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO keeper;
		GRANT EXECUTE ON ALL PROCEDURES IN SCHEMA public TO keeper));
	sql($db, ($db eq 'one' ? 'SET ROLE keeper;' : '')
		  . q(CALL hospital_create(people => 20000, beds => 200, end_date => '2020-12-31');
			CREATE TABLE public.log (at timestamptz DEFAULT clock_timestamp(), what text, due timestamptz, day date, who text DEFAULT session_user || '/' || current_user)));
	sql($db, 'INSERT INTO hospital.staff SELECT g.* FROM hospital_generate_staff(200, until_day => \'2020-12-31\') g');
	sql($db, 'SELECT hospital_start()');
	sql($db, "SELECT hospital_schedule_job('every second', '1 second', \$\$INSERT INTO public.log (what, due) VALUES ('$db', \$1)\$\$)");
}
poll("$_ runs its jobs", $_, "SELECT count(*) > 2 FROM public.log WHERE what = '$_'") for 'one', 'two';
like($node->safe_psql('postgres', "SELECT pg_read_file('" . $node->logfile . "')"),
	qr/hospital launcher: 2 databases need up to 9 worker processes; max_worker_processes is 16/, 'what they need is said at start');
answers('one', q(SELECT string_agg(DISTINCT who, ', ') FROM public.log), 'keeper/keeper', 'jobs have the owner\'s session and rights');
answers('two', q(SELECT count(*) FROM public.log WHERE what <> 'two'), 0, 'each in its own database');

# ---- by hand; commits on the way; nothing stays ---------------------------------------

sql('one', q(
	SET ROLE keeper;
	CREATE PROCEDURE public.steps() LANGUAGE plpgsql AS $$
	BEGIN
		FOR i IN 1 .. 4 LOOP
			INSERT INTO public.log (what) VALUES ('step ' || i);
			IF i % 2 = 0 THEN ROLLBACK; ELSE COMMIT; END IF;
		END LOOP;
		INSERT INTO public.log (what) VALUES ('step last');
	END $$));
sub by_hand
{
	my ($db, $job, $command, $expected, %more) = @_;
	my $arguments = join '', map { ", $_ => $more{$_}" } sort keys %more;
	sql($db, "SELECT hospital_schedule_job('$job', NULL, \$job\$$command\$job\$, max_retries => 0$arguments); SELECT hospital_run_job('$job')");
	poll("$job: $expected", $db, ended($job), $expected);
}
by_hand('one', 'steps', 'CALL public.steps()', 'succeeded');
answers('one', q(SELECT string_agg(what || ' ' || who, ', ' ORDER BY what) FROM public.log WHERE what LIKE 'step%'),
	'step 1 keeper/keeper, step 3 keeper/keeper, step last keeper/keeper', 'a procedure commits and rolls back on its way');
by_hand('one', 'vacuum', 'VACUUM public.log', 'succeeded');
by_hand('one', 'two statements', q(INSERT INTO public.log (what) VALUES ('both'); SELECT 1 / 0), 'failed');
answers('one', q(SELECT count(*) FROM public.log WHERE what = 'both'), 0, 'several statements are one transaction');
by_hand('one', 'begin', 'BEGIN', 'failed');
by_hand('one', 'nonsense', 'SELEKT', 'failed');
answers('one', q(SELECT string_agg(job_name || ' ' || sqlstate, ', ' ORDER BY job_name) FROM hospital.job_runs WHERE state = 'failed'),
	'begin 2D000, nonsense 42601, two statements 22012', 'and why');
by_hand('one', 'greedy', 'SET SESSION AUTHORIZATION ' . sql('one', 'SELECT quote_ident(rolname) FROM pg_roles WHERE oid = 10'), 'failed');
by_hand('one', 'file', q(SELECT pg_read_file('/etc/passwd')), 'failed');
by_hand('one', 'messy', q(SET search_path = public; SET work_mem = '64kB'; CREATE TEMP TABLE jobs (job_name text); SELECT pg_advisory_lock(1)),
	'succeeded');
by_hand('one', 'tidy', q(INSERT INTO public.log (what) SELECT concat_ws(' ', 'tidy', current_setting('search_path'),
	to_regclass('pg_temp.jobs'), (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND classid = 0))), 'succeeded');
answers('one', q(SELECT what FROM public.log WHERE what LIKE 'tidy%'), 'tidy pg_catalog, pg_temp 0', 'nothing stays of another run');

# ---- an owner who may not log in ---------------------------------------------------------

sql('one', 'ALTER ROLE keeper NOLOGIN');
poll('without LOGIN of the owner jobs run all the same', 'one',
	'SELECT count(*) > 0 FROM public.log WHERE who LIKE \'%/keeper\' AND who NOT LIKE \'keeper/%\'');
poll('no session of the owner is left', 'postgres', q(SELECT count(*) FROM pg_stat_activity WHERE usename = 'keeper'), 0);
by_hand('one', 'steps', 'CALL public.steps()', 'failed');
by_hand('one', 'escape', 'RESET SESSION AUTHORIZATION', 'failed');
answers('one', q(SELECT string_agg(DISTINCT split_part(who, '/', 2), ' ') FROM public.log), 'keeper', 'never as anybody else');
sql('one', 'ALTER ROLE keeper LOGIN');
poll('with LOGIN again', 'one', q(SELECT who FROM public.log ORDER BY at DESC LIMIT 1), 'keeper/keeper');

# ---- retries -------------------------------------------------------------------------------

sql('two', q(
	CREATE SEQUENCE public.tries;
	SELECT hospital_schedule_job('never', NULL, 'SELECT 1 / 0', max_retries => 3, retry_delay => '0.2 seconds');
	SELECT hospital_schedule_job('third time', NULL, $$SELECT 1 / (nextval('public.tries') / 3)$$, max_retries => 5, retry_delay => '0.1 seconds');
	SELECT hospital_run_job('never'), hospital_run_job('third time')));
poll('four attempts', 'two', q(
	SELECT count(*) || ' ' || string_agg(DISTINCT state || ' ' || sqlstate, ',') || ' ' || max(attempt)
	FROM hospital.job_runs WHERE job_name = 'never' AND state NOT IN ('waiting', 'running')), '4 failed 22012 4');
poll('the third time it succeeds', 'two', q(
	SELECT string_agg(state, ' ' ORDER BY attempt) FROM hospital.job_runs WHERE job_name = 'third time'), 'failed failed succeeded');
answers('two', q(
	SELECT bool_and(extract(epoch FROM b.start_after - a.ended_at) BETWEEN 0.87 * 0.2 * 2 ^ (a.attempt - 1) AND 0.2 * 2 ^ (a.attempt - 1) * 1.13 + 0.01
		AND b.started_at >= b.start_after), count(*)
	FROM hospital.job_runs a JOIN hospital.job_runs b ON b.job_name = a.job_name AND b.attempt = a.attempt + 1
	WHERE a.job_name = 'never'), 't|3', 'each waits twice as long');
answers('two', q(SELECT last_state, failures FROM hospital.job_status WHERE job_name = 'never'), 'failed|4', 'hospital.job_status shows it');

# ---- time limits -----------------------------------------------------------------------------

my $began = time;
by_hand('two', 'long', 'SELECT pg_sleep(1000)', 'timed out', max_runtime => q('0.3 seconds'));
sql('two', q(CREATE PROCEDURE public.stubborn() LANGUAGE plpgsql AS $$
	BEGIN LOOP BEGIN PERFORM pg_sleep(1000); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$));
by_hand('two', 'stubborn', 'CALL public.stubborn()', 'timed out', max_runtime => q('0.3 seconds'));
cmp_ok(time - $began, '<', 20, 'both within seconds');
answers('two', q(SELECT max(duration) < interval '1.5 seconds' FROM hospital.job_runs WHERE job_name = 'long'), 't', 'the first was cancelled in time');
sql('two', q(SELECT hospital_schedule_job('cancelled', NULL, 'SELECT pg_sleep(1000)'); SELECT hospital_run_job('cancelled')));
poll('at work', 'two', ended('cancelled'), 'running');
answers('two', q(SELECT state FROM hospital.job_status WHERE job_name = 'cancelled'), 'running', 'as hospital.job_status says');
sql('two', q(SELECT pg_cancel_backend(pid) FROM hospital.job_runs WHERE job_name = 'cancelled'));
poll('pg_cancel_backend ends it for good', 'two', q(
	SELECT string_agg(state, ' ') FROM hospital.job_runs WHERE job_name = 'cancelled'), 'cancelled');

# ---- what was missed ------------------------------------------------------------------------------

sql('two', qq(SELECT hospital_schedule_job('$_', '10 minutes', \$\$INSERT INTO public.log (what, due) VALUES ('$_', \$1)\$\$, catch_up => '$_',
	catch_up_limit => 4, starts_at => date_trunc('second', now()) - interval '125 minutes'))) for 'skip', 'once', 'all';
poll('seen', 'two', q(SELECT count(next_due_at) FROM hospital.jobs WHERE catch_up = job_name), 3);
sql('two', q(
	UPDATE hospital.jobs SET next_due_at = next_due_at - interval '1 hour' WHERE catch_up = job_name;
	SELECT hospital_wake_jobs()));
poll('missed times are made up as each job wants it', 'two', q(
	SELECT string_agg(x.line, '; ' ORDER BY x.line) FROM (
		SELECT job_name || ': ' || string_agg(state || ' ' || n, ', ' ORDER BY state) AS line
		FROM (SELECT job_name, state, sum(slots) AS n FROM hospital.job_runs WHERE job_name IN ('skip', 'once', 'all') GROUP BY 1, 2) r
		GROUP BY job_name) x), 'all: skipped 2, succeeded 4; once: skipped 5, succeeded 1; skip: skipped 6');
answers('two', q(SELECT array_agg(due ORDER BY at) = array_agg(due ORDER BY due) FROM public.log WHERE what = 'all'), 't', 'in order');

# ---- one after the other --------------------------------------------------------------------------------

sql('two', q(
	SELECT hospital_schedule_job('first', NULL, 'SELECT pg_sleep(0.2), 1 / (SELECT count(*) FROM public.log WHERE what = ''go'')', max_retries => 0);
	SELECT hospital_schedule_job('second', NULL, 'SELECT pg_sleep(0.2)', depends_on => '{first}');
	SELECT hospital_schedule_job('third', NULL, 'SELECT 1', depends_on => '{first,second}');
	SELECT hospital_run_job('first')));
poll('the first fails', 'two', ended('first'), 'failed');
answers('two', q(SELECT count(*) FROM hospital.job_runs WHERE job_name IN ('second', 'third')), 0, 'the others wait');
answers('two', q(SELECT string_agg(state, '; ' ORDER BY job_name) FROM hospital.job_status WHERE job_name IN ('second', 'third')),
	'waiting for first; waiting for first, second', 'as hospital.job_status says');
sql('two', q(INSERT INTO public.log (what) VALUES ('go'); SELECT hospital_run_job('first')));
poll('the last one runs', 'two', ended('third'), 'succeeded');
answers('two', q(
	SELECT count(*) FILTER (WHERE job_name = 'second'), count(*) FILTER (WHERE job_name = 'third'),
		max(ended_at) FILTER (WHERE job_name = 'first') < min(started_at) FILTER (WHERE job_name = 'second')
		AND max(ended_at) FILTER (WHERE job_name = 'second') < min(started_at) FILTER (WHERE job_name = 'third')
	FROM hospital.job_runs WHERE job_name IN ('first', 'second', 'third')), '1|1|t', 'each once, in order');

# ---- days ------------------------------------------------------------------------------------------------------

sql('two', q(
	SELECT hospital_schedule_job('new day', 'after day ingested', $$INSERT INTO public.log (what, day) VALUES ('in', $2)$$, catch_up => 'all');
	SELECT hospital_schedule_job('closed day', 'after day closed', $$INSERT INTO public.log (what, day) VALUES ('closed', $2)$$, catch_up => 'all')));
sql('two', 'UPDATE hospital.run_state SET anchor_at = anchor_at - interval \'4 hours\'');
$node->reload;
poll('a job for each day whose files are in', 'two', q(
	SELECT string_agg(day::text, ' ' ORDER BY at) FROM public.log WHERE what = 'in'), '2020-01-01 2020-01-02 2020-01-03 2020-01-04');
poll('days are closed by themselves', 'two', 'SELECT count(closed_at) FROM hospital.days', 4);
poll('a job for each day that is closed', 'two', q(
	SELECT string_agg(day::text, ' ' ORDER BY day) FROM public.log WHERE what = 'closed'), '2020-01-01 2020-01-02 2020-01-03 2020-01-04');

# ---- killed -------------------------------------------------------------------------------------------------------

sql('two', q(SELECT hospital_schedule_job('victim', NULL, 'SELECT pg_sleep(1000)', max_retries => 1, retry_delay => '1 second'); SELECT hospital_run_job('victim')));
poll('a victim', 'two', ended('victim'), 'running');
kill 'KILL', sql('two', q(SELECT pid FROM hospital.job_runs WHERE job_name = 'victim' AND state = 'running'));
poll('it shows as crashed, and is tried again', 'two', q(
	SELECT string_agg(state, ' ' ORDER BY attempt) FROM hospital.job_runs WHERE job_name = 'victim'), 'crashed running');
answers('two', q(SELECT state FROM hospital.job_history WHERE job_name = 'victim' AND attempt = 1), 'crashed', 'which is written down');

# ---- hospital_stop, a fast shutdown ----------------------------------------------------------------------------------

sql('two', q(SELECT hospital_schedule_job('always', '1 second', $$INSERT INTO public.log (what) VALUES ('always')$$, while_stopped => true)));
poll('one that runs always', 'two', q(SELECT count(*) > 0 FROM public.log WHERE what = 'always'));
$began = time;
sql('two', 'SELECT hospital_stop()');
poll('a run ends when the hospital is stopped', 'two', q(
	SELECT state FROM hospital.job_runs WHERE job_name = 'victim' AND attempt = 2), 'cancelled');
cmp_ok(time - $began, '<', 5, 'within seconds');
my $seconds = sql('two', q(SELECT count(*) FROM public.log WHERE what = 'two'));
my $always = sql('two', q(SELECT count(*) FROM public.log WHERE what = 'always'));
poll('who may runs while it is stopped', 'two', "SELECT count(*) > $always + 2 FROM public.log WHERE what = 'always'");
answers('two', q(SELECT count(*) FROM public.log WHERE what = 'two'), $seconds, 'others do not');
answers('two', q(SELECT state FROM hospital.job_status WHERE job_name = 'every second'), 'waiting for the hospital to start', 'and say so');
sql('two', q(SELECT hospital_unschedule_job('always')));
poll('then nobody is connected', 'postgres', q(SELECT count(*) FROM pg_stat_activity WHERE datname = 'two'), 0);
sql('two', 'SELECT hospital_start()');
poll('it goes on', 'two', "SELECT count(*) > $seconds FROM public.log WHERE what = 'two'");

sql('two', q(SELECT hospital_run_job('victim')));
poll('at work', 'two', ended('victim'), 'running');
$began = time;
$node->stop('fast');
cmp_ok(time - $began, '<', 5, 'a shutdown does not wait for a job');
$node->append_conf('postgresql.conf', "max_worker_processes = 4\n");
$node->start;
answers('two', q(SELECT state || ': ' || message FROM hospital.job_runs WHERE job_name = 'victim' AND ended_at IS NOT NULL ORDER BY run_id DESC LIMIT 1),
	'cancelled: its process was told to end', 'its outcome was still written');

# ---- too few worker slots -------------------------------------------------------------------------------------------------

poll('somebody has to wait', 'one', q(SELECT count(*) > 0 FROM hospital.status WHERE state = 'no worker slot free (max_worker_processes)'));
like($node->safe_psql('postgres', "SELECT pg_read_file('" . $node->logfile . "')"),
	qr/need up to 9 worker processes; max_worker_processes is 4\n.*\n.*HINT:  Set max_worker_processes to 10 or more/, 'and the log says how many there must be');
$node->append_conf('postgresql.conf', "max_worker_processes = 16\n");
$node->restart;
$node->safe_psql('postgres', sprintf q(ALTER SYSTEM SET hospital.databases = '%s'), join ', ', 'one', 'two', map { "none$_" } 1 .. 30);
$node->reload;
$node->poll_query_until('postgres', "SELECT pg_read_file('" . $node->logfile . "') LIKE '%no room for more than 64 worker processes%'");
like(slurp_file($node->logfile), qr/hospital launcher: no room for more than 64 worker processes/, 'more workers than there can be are told of');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET hospital.databases');
$node->reload;
for my $db ('one', 'two')
{
	my $n = sql($db, q(SELECT max(run_id) FROM hospital.job_history));
	poll("$db goes on", $db, "SELECT count(*) > 0 FROM hospital.job_runs WHERE job_name = 'every second' AND state = 'succeeded' AND run_id > $n + 3");
	answers($db, $each_once, 't', "$db: each time has its row, once");
	answers($db, q(
		SELECT count(*) = count(DISTINCT due) FROM public.log WHERE due IS NOT NULL AND what IN ('one', 'two')), 't', "$db: none was run twice");
}
diag('start of a run after it was due, median and 95 %, ms: ' . sql('one', q(
	SELECT percentile_disc('{0.5,0.95}'::float[]) WITHIN GROUP (ORDER BY round(extract(epoch FROM started_at - due_at) * 1000))
	FROM hospital.job_runs WHERE job_name = 'every second' AND state = 'succeeded')));

# ---- a standby takes over ---------------------------------------------------------------------------------------------------

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
sql('two', q(SELECT hospital_schedule_job('heir', NULL, 'SELECT pg_sleep(1000)', max_retries => 1, retry_delay => '1 second')));
my $run = sql('two', q(SELECT hospital_run_job('heir')));
poll('at work', 'two', "SELECT state FROM hospital.job_runs WHERE run_id = $run", 'running');
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
$server = $standby;
answers('two', "SELECT state FROM hospital.job_runs WHERE run_id = $run", 'running', 'a standby shows what the primary wrote');
$node->stop('immediate');
$standby->promote;
poll('the new primary knows that it is over', 'two', "SELECT state FROM hospital.job_history WHERE run_id = $run", 'crashed');
poll('and goes on', 'two', "SELECT count(*) > 0 FROM hospital.job_runs WHERE job_name = 'heir' AND run_id > $run AND state = 'running'");
answers('two', q(SELECT count(*) FROM hospital.job_history h WHERE state = 'running' AND NOT hospital_job_is_running(run_id)), 0, 'nothing is stuck');
answers('two', $each_once, 't', 'each time has its row, once, there too');
$standby->stop('fast');

done_testing();
