# 023_run.pl: CALL hospital_run(days): refusals, progress, both ways of writing;
# interrupted and killed at random moments and called again: nothing lost, nothing
# doubled.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep time);

my $seed = $ENV{HOSPITAL_TEST_SEED} || int(time);
srand($seed);
diag("HOSPITAL_TEST_SEED=$seed");
my $rounds = $ENV{HOSPITAL_TEST_QUICK} ? 2 : 6;

my $node = PostgreSQL::Test::Cluster->new('run');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
my $folder = $node->basedir . '/folder';
mkdir $folder or die "$folder: $!";
$node->append_conf('postgresql.conf', qq(
restart_after_crash = on
hospital.data_folder = '$folder'
hospital.batch_interval = '200ms'
hospital.databases = 'postgres'
));
$node->start;

sub try_query
{
	my ($query) = @_;
	# A server that is not there yet may close the pipe that the query is written to.
	my ($code, $out, $err) = eval { $node->psql('postgres', $query, timeout => 20, timed_out => \my $slow) };
	return defined $code && $code == 0 ? $out : undef;
}

sub poll
{
	my ($what, $query, $expected) = @_;
	$expected = 't' unless defined $expected;
	my $found;
	for (1 .. 1200)
	{
		$found = try_query($query);
		if (defined $found && $found eq $expected)
		{
			pass($what);
			return 1;
		}
		usleep(50_000);
	}
	fail($what);
	diag('found: ' . (defined $found ? $found : 'no answer'));
	return 0;
}

sub error_of
{
	my ($query, %more) = @_;
	my ($code, $out, $err) =
	  $node->psql($more{db} || 'postgres', $query, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return $err;
}

sub leftovers
{
	my @found = split /\n/, `find '$folder' -name '*.tmp.*' -not -path '*/quarantine/*'`;
	return scalar(@found);
}

my %session;
sub start_run
{
	my ($days, $workers) = (@_, 1);
	%session = (out => '', err => '');
	$session{run} = IPC::Run::start(
		[ 'psql', '-X', '-d', $node->connstr('postgres'), '-c', "CALL hospital_run($days, $workers)" ],
		'>', \$session{out}, '2>', \$session{err});
}

sub days { return $node->safe_psql('postgres', 'SELECT count(*) FROM hospital.days') }

# Whatever happened: each day whole, each file once, and what is in the tables is what was made.
sub all_is_well
{
	my ($what) = @_;
	is( $node->safe_psql('postgres', q(
			SELECT count(*) = 13 * count(DISTINCT day), count(*) - count(DISTINCT (day, kind)),
				coalesce(max(day) - min(day) + 1 - count(DISTINCT day), 0),
				count(*) FILTER (WHERE state <> 'ingested'),
				(SELECT count(*) FROM hospital.days) - count(DISTINCT day)
			FROM hospital.batches)),
		't|0|0|0|0', "$what: every file of every day is in the ledger once, and ingested");
	is( $node->safe_psql('postgres', q(
			SELECT coalesce(string_agg(v::text, ' '), '') FROM (SELECT min(day) AS lo, max(day) AS hi FROM hospital.days) d,
				LATERAL hospital_validate(d.lo, d.hi) v WHERE NOT v.ok)),
		'', "$what: the tables have what the generators make");
	is(leftovers(), 0, "$what: nothing unfinished is left");
}

# ---- refusals ---------------------------------------------------------------

$node->safe_psql('postgres', 'CREATE EXTENSION hospital');
like(error_of('CALL hospital_run(1)'), qr/55000: there is no hospital.*HINT/s, 'no hospital');
$node->safe_psql('postgres', q(CALL hospital_create(people => 20000, beds => 200, end_date => '2022-12-31')));
like(error_of('CALL hospital_run(1)'), qr/55000: the hospital has no staff.*HINT:.*hospital_load_staff/s, 'no staff');
$node->safe_psql('postgres', q(
	INSERT INTO hospital.staff SELECT g.* FROM hospital_generate_staff(200, until_day => '2022-12-31') g));
like(error_of("CALL hospital_run($_)"), qr/22023: number of days.*HINT/s, "days: $_") for 0, -1, 'NULL';
like(error_of("CALL hospital_run(1, $_)"), qr/22023: number of workers.*HINT/s, "workers: $_") for 0, 9;
like(error_of('BEGIN; CALL hospital_run(1)'), qr/25001: hospital_run cannot run inside.*HINT/s, 'not in a transaction block');
like(error_of("SET hospital.data_folder = ''; CALL hospital_run(1)"), qr/55000: hospital.data_folder is not set.*HINT/s,
	'no data folder');
like(error_of("SET hospital.data_folder = '/nowhere'; CALL hospital_run(1)"), qr/58P01: .*HINT/s, 'no such data folder');
$node->safe_psql('postgres', "UPDATE hospital.run_state SET desired = 'running'");
like(error_of('CALL hospital_run(1)'), qr/55000: the live simulation is running.*HINT:.*hospital_stop/s, 'live');
$node->safe_psql('postgres', "UPDATE hospital.run_state SET desired = 'stopped'");
$node->safe_psql('postgres', 'CREATE ROLE somebody');
like(error_of('SET ROLE somebody; CALL hospital_run(1)'), qr/42501/, 'not for everybody');
is($node->safe_psql('postgres', 'SELECT count(*) FROM hospital.batches'), 0, 'nothing was written');

# ---- a run, seen from outside -------------------------------------------------

start_run(60);
poll('hospital.progress shows it', q(
	SELECT days_done > 0 AND days_done <= days_written AND days_written <= days_total AND days_total = 60
		AND rows_done > 0 AND bytes_done > 0 AND percent > 0 AND started_at < now()
	FROM hospital.progress WHERE activity = 'run'));
like(error_of('CALL hospital_run(1)'), qr/55006: hospital_run is at work in another session.*HINT/s, 'one at a time');
is( $node->safe_psql('postgres', q(
		SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'hospital run')), 1, 'a process writes');
$session{run}->finish;
like($session{err}, qr/INFO:  hospital: 60 days done in .* s, \d+ records, [\d.]+ MB/, 'it says what it did');
is(days(), 60, 'sixty days are there');
all_is_well('a run');
is($node->safe_psql('postgres', 'SELECT count(*) FROM hospital.progress'), 0, 'no progress is left');
is($node->safe_psql('postgres', q(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')), 0, 'nor a lock');
is($node->safe_psql('postgres', 'SELECT anchor_day, anchor_at IS NULL FROM hospital.run_state'), '2020-03-01|t',
	'the live clock goes on after it');

# ---- interrupted ---------------------------------------------------------------

for my $round (1 .. $rounds)
{
	my $how = $round % 2 ? 'cancel' : 'terminate';
	my $before = days();
	my $ms = int(rand(400));
	start_run(40);
	poll("under way, to be ended by $how after $ms ms, round $round", q(SELECT count(*) > 0 FROM hospital.progress));
	usleep(1000 * $ms);
	try_query("SELECT pg_${how}_backend(pid) FROM hospital.progress");
	$session{run}->finish;
	is( $node->safe_psql('postgres', q(
			SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'hospital run')), 0, 'the writer has ended with it');
	is(leftovers(), 0, 'and removed what it was writing');
	my $done = days() - $before;
	my $waiting = $node->safe_psql('postgres', q(SELECT count(*) FROM hospital.batches WHERE state = 'written'));
	my $err = error_of('CALL hospital_run(1)');
	like($err, qr/$waiting files of earlier days wait/, 'what it left is told') if $waiting > 0;
	is(days(), $before + $done + 1, "$done days were written, $waiting files left; it goes on there");
}
all_is_well('interrupted');

# ---- killed ----------------------------------------------------------------------

my $started = days();
for my $round (1 .. 2 * $rounds)
{
	my $who = ('session', 'writer', 'postmaster')[ $round % 3 ];
	my $ms = int(rand(600));
	my $pid;
	start_run(40);
	poll("under way, $who to be killed after $ms ms, round $round", q(SELECT count(*) > 0 FROM hospital.progress));
	usleep(1000 * $ms);
	if ($who eq 'postmaster')
	{
		my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
		$node->kill9;
		for (1 .. 600)
		{
			last unless kill 0, $postmaster;
			usleep(20_000);
		}
		# Its children see its end by themselves; until they have, it cannot start.
		for (1 .. 200)
		{
			last if $node->start(fail_ok => 1);
			usleep(100_000);
		}
	}
	else
	{
		$pid = try_query($who eq 'session' ? 'SELECT pid FROM hospital.progress' :
			q(SELECT pid FROM pg_stat_activity WHERE backend_type = 'hospital run'));
		kill 'KILL', $pid if $pid;
	}
	$session{run}->finish;
	poll('the server is back', 'SELECT true');
	my $before = days();
	my $err = error_of('CALL hospital_run(2)');
	is(days(), $before + 2, "the next run goes on after $before days") or diag($err);
}
cmp_ok(days(), '>', $started, 'days went on all the while');
all_is_well('killed');

# Three ingestors: the session and two more, one of which is ended by hand.
start_run(60, 3);
poll('three processes help', q(SELECT count(*) = 3 FROM pg_stat_activity WHERE backend_type = 'hospital run'));
$node->safe_psql('postgres', q(
	SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'ingesting hospital days'
		OR backend_type = 'hospital run' AND query LIKE 'ingesting%' LIMIT 1));
$session{run}->finish;
like($session{err}, qr/60 days done/, 'the run does without one of them');
is($node->safe_psql('postgres', q(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'hospital run')), 0,
	'none is left');
for my $round (1 .. 3)
{
	start_run(40, 3);
	poll("three ingestors under way, round $round", q(SELECT count(*) > 0 FROM hospital.progress));
	usleep(rand(500_000));
	my $pid = try_query(q(SELECT pid FROM pg_stat_activity WHERE backend_type = 'hospital run' ORDER BY random() LIMIT 1));
	kill 'KILL', $pid if $pid;
	$session{run}->finish;
	poll('the server is back', 'SELECT true');
	$node->safe_psql('postgres', 'CALL hospital_run(1)');
}
all_is_well('three ingestors');

# The writer alone, ended by hand: an error, and the way out.
start_run(40);
poll('under way once more', q(SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'hospital run'));
$node->safe_psql('postgres', q(SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'hospital run'));
$session{run}->finish;
like($session{err}, qr/ended before its work was done.*HINT/s, 'a writer ended by hand is told');

# An error of the writer is the session's.
$node->safe_psql('postgres', q(
	CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
	$$BEGIN RAISE EXCEPTION 'no more days' USING HINT = 'Drop the trigger.'; END$$;
	CREATE TRIGGER refuse BEFORE INSERT ON hospital.days FOR EACH ROW EXECUTE FUNCTION refuse()));
like(error_of('CALL hospital_run(1)'), qr/P0001: no more days.*HINT:  Drop.*CONTEXT:  helper of hospital_run/s, 'so is its error');
$node->safe_psql('postgres', 'DROP TRIGGER refuse ON hospital.days');
is(leftovers(), 0, 'no file is left of it');
$node->safe_psql('postgres', 'CALL hospital_run(1)');
all_is_well('after errors');

# ---- without a process of its own --------------------------------------------------

$node->append_conf('postgresql.conf', "max_worker_processes = 0\nmax_logical_replication_workers = 0\n");
$node->restart;
my $alone = days();
like(error_of('CALL hospital_run(3)'), qr/no background process is free.*HINT.*3 days done/s, 'the session writes itself');
is(days(), $alone + 3, 'as many days');
all_is_well('alone');

# ---- the live hospital goes on -------------------------------------------------------

$node->append_conf('postgresql.conf', "shared_preload_libraries = 'hospital'\nmax_worker_processes = 8\n");
$node->restart;
my $last = $node->safe_psql('postgres', 'SELECT max(day) FROM hospital.days');
$node->safe_psql('postgres', 'SELECT hospital_start()');
poll('live days follow', "SELECT count(*) >= 3 FROM hospital.days WHERE day > '$last'");
poll('and come in', "SELECT count(*) >= 26 FROM hospital.batches WHERE day > '$last' AND state = 'ingested'");
like(error_of('CALL hospital_run(1)'), qr/55000: the live simulation is running/, 'no run beside it');
$node->safe_psql('postgres', 'SELECT hospital_stop()');
$node->safe_psql('postgres', 'CALL hospital_run(2)');
all_is_well('live between runs');

# Started while a run is at work: it waits for the lake.
start_run(60);
poll('a run is at work', q(SELECT count(*) > 0 FROM hospital.progress WHERE days_done > 0));
$node->safe_psql('postgres', 'SELECT hospital_start()');
poll('the scheduler waits for it', q(
	SELECT state FROM hospital.status WHERE worker = 'scheduler'), 'waiting for hospital_run to end');
$session{run}->finish;
$last = $node->safe_psql('postgres', 'SELECT max(day) FROM hospital.days');
poll('and goes on after it', "SELECT count(*) >= 2 FROM hospital.days WHERE day > '$last'");
$node->safe_psql('postgres', 'SELECT hospital_stop()');
poll('stopped', q(SELECT count(*) FROM hospital.status WHERE database = 'postgres' AND pid IS NOT NULL), 0);

# ---- to the end --------------------------------------------------------------------------

$node->safe_psql('postgres', q(
	CREATE DATABASE short));
$node->safe_psql('short', q(
	CREATE EXTENSION hospital;
	CALL hospital_create(people => 20000, beds => 200, name => 'short', start_date => '2020-02-27', end_date => '2020-03-02');
	INSERT INTO hospital.staff SELECT g.* FROM hospital_generate_staff(200, from_day => '2020-02-27', until_day => '2020-03-02') g));
like(error_of('CALL hospital_run(30)', db => 'short'), qr/running 5 days, up to the hospital's last day, 2020-03-02.*5 days done/s,
	'no further than the last day');
like(error_of('CALL hospital_run(30)', db => 'short'), qr/last day, 2020-03-02, has been written before.*HINT/s, 'then there are none');

unlike(slurp_file($node->logfile), qr/PANIC|TRAP|signal 11|signal 6/, 'nothing crashed that was not killed');
$node->stop;
done_testing();
