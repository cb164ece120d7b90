# 011_loader.pl: CALL hospital_load_people under attack.
#
# The generator is the oracle: after whatever happened, the next call must
# leave exactly the rows that hospital_generate_people makes.  Everything runs
# in a cluster without shared_preload_libraries.
use strict;
use warnings;

use Cwd qw(abs_path);
use IPC::Run qw(start finish);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $CHUNK = 65536;
my $PATIENCE = 120;
my $seed = $ENV{HOSPITAL_TEST_SEED} || 1 + int(rand(1_000_000));
note("HOSPITAL_TEST_SEED=$seed");
srand($seed);

my $node = PostgreSQL::Test::Cluster->new('loader');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
# the loader has to be right, not durable, in all but one of these tests
$node->append_conf('postgresql.conf', <<'EOC');
fsync = off
statement_timeout = '90s'
autovacuum = off
max_worker_processes = 12
restart_after_crash = on
max_wal_size = 2GB
EOC
$node->start;

my $databases = 0;

sub fresh_database
{
	my (%options) = @_;
	my $name = 'load' . ++$databases;

	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->safe_psql($name, 'CREATE EXTENSION hospital');
	$node->safe_psql($name, "LOAD 'hospital'; CALL hospital_create(people => $options{people}, seed => $seed)")
	  if $options{people};
	return $name;
}

sub drop_database
{
	my ($db) = @_;

	$node->safe_psql('postgres', "DROP DATABASE $db");
}

# (return code, standard output, standard error)
sub call
{
	my ($db, $sql, @options) = @_;
	my ($stdout, $stderr);
	my $rc = $node->psql($db, $sql, stdout => \$stdout, stderr => \$stderr,
		on_error_stop => 0, extra_params => [ '-v', 'VERBOSITY=verbose', @options ]);

	return ($rc, $stdout, $stderr);
}

# A call that must end well; its messages.
sub load_ok
{
	my ($db, $sql, $name) = @_;
	my (undef, undef, $stderr) = call($db, $sql);

	unlike($stderr, qr/ERROR|FATAL|WARNING/, $name);
	return $stderr;
}

sub fails_with
{
	my ($db, $sql, $sqlstate, $pattern, $name) = @_;
	my (undef, undef, $stderr) = call($db, $sql);

	like($stderr, qr/ERROR:  $sqlstate: $pattern/, $name);
	return $stderr;
}

# psql in the background; its standard error goes to $$err.
sub background
{
	my ($db, $sql, $out, $err) = @_;
	my @parts = ref $sql ? @$sql : ($sql);

	return start(
		[ $node->installed_command('psql'), '-XAtq', '-v', 'VERBOSITY=verbose',
			'-d', $node->connstr($db), map { ('-c', $_) } @parts ],
		'<', \undef, '>', $out, '2>', $err, IPC::Run::timer($PATIENCE));
}

sub wait_until
{
	my ($db, $query, $what) = @_;
	my $deadline = time() + $PATIENCE;

	while (time() < $deadline)
	{
		my ($rc, $found) = $node->psql($db, $query);

		return 1 if defined $found && $found eq 't';
		usleep(5_000);
	}
	diag("waited in vain for: $what");
	return 0;
}

# After a crash.  (psql is given no standard input: it may be gone before it
# reads it.)
sub reachable
{
	my $deadline = time() + $PATIENCE;

	while (time() < $deadline)
	{
		my ($out, $err) = ('', '');

		IPC::Run::run([ $node->installed_command('psql'), '-XAtc', 'SELECT 1', '-d', $node->connstr('postgres') ],
			'<', \undef, '>', \$out, '2>', \$err);
		return 1 if $out eq "1\n";
		usleep(20_000);
	}
	return 0;
}

# Rows of people 1 .. n that are missing, altered, doubled or too many.
sub differences
{
	my ($db, $n, $table, $as_of) = @_;
	$table ||= 'hospital.people';

	my $seeds = $node->safe_psql($db, 'SELECT seed, start_date, id_mode FROM hospital.simulation');
	my ($s, $start, $mode) = split /\|/, $seeds;
	my $columns = join ', ', qw(person_id::bigint national_id::text passport_no::text first_name::text last_name::text
	  date_of_birth sex::text population_group::text home_language::text citizenship::text household_id::bigint
	  address::text suburb::text postal_code::text phone::text);
	my $generated = "SELECT $columns FROM hospital_generate_people($n, $s, 1, '$start', '$mode')";

	# a sum over the rows' hashes first, which needs no sort
	my $digest = 'count(*), sum(hashtextextended(x::text, 0)::numeric)';
	return '0 0'
	  if $node->safe_psql($db, "SELECT $digest FROM (SELECT $columns FROM $table) x") eq
	  $node->safe_psql($db, "SELECT $digest FROM ($generated) x");
	return $node->safe_psql($db, <<"EOQ");
SELECT (SELECT count(*) FROM (SELECT $columns FROM $table EXCEPT ALL $generated) x) || ' ' ||
       (SELECT count(*) FROM ($generated EXCEPT ALL SELECT $columns FROM $table) x)
EOQ
}

sub equal_ok
{
	my ($db, $n, $name, $table) = @_;

	is(differences($db, $n, $table), '0 0', $name);
}

sub keys_of
{
	my ($db) = @_;

	return $node->safe_psql($db,
		"SELECT string_agg(conname || ' ' || contype::text, ', ' ORDER BY conname) FROM pg_constraint"
		  . " WHERE conrelid = 'hospital.people'::regclass AND contype IN ('p', 'u')");
}

my $BOTH_KEYS = 'people_national_id_key u, people_pkey p';
my $WORKERS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'hospital load'";
my $LOCKS =
  "SELECT count(*) FROM pg_locks WHERE 'hospital.people'::regclass IN (relation, objid)";

sub nothing_left_ok
{
	my ($db, $name) = @_;

	ok(wait_until($db, "SELECT ($WORKERS) = 0", 'no workers'), "$name: no worker is left");
	is($node->safe_psql($db, $LOCKS), '0', "$name: no lock is left");
	is($node->safe_psql($db, 'SELECT count(*) FROM hospital.progress'), '0', "$name: no progress is left");
}

# ---- a fresh database; the generator as oracle; numbers of workers ----------

my $n = 2 * $CHUNK + 1 + int(rand($CHUNK));
note("people: $n");
{
	my $db = fresh_database();
	my $messages = load_ok($db, "CALL hospital_load_people($n, workers => 2)", 'load on a fresh database');
	like($messages, qr/INFO:.*people of .*\(100 %\)/, 'progress is told');
	like($messages, qr/INFO:.*building .*primary key/i, 'keys are told');
	like($messages, qr/INFO:.*people done in/, 'the end is told');
	unlike($messages, qr/NOTICE/, 'no notice: the fast way was taken');
	is($node->safe_psql($db, 'SELECT people, seed, start_date FROM hospital.simulation'),
		"$n|42|2020-01-01", 'the simulation is made with it');
	equal_ok($db, $n, 'the rows are the generator\'s');
	is(keys_of($db), $BOTH_KEYS, 'keys exist');
	is($node->safe_psql($db, "SELECT bool_and(convalidated AND indisvalid AND indisready) FROM pg_constraint c"
			. " JOIN pg_index i ON i.indexrelid = conindid WHERE conrelid = 'hospital.people'::regclass AND contype IN ('p', 'u')"),
		't', 'and are valid');
	ok($node->safe_psql($db, "SELECT reltuples FROM pg_class WHERE oid = 'hospital.people'::regclass") == $n,
		'the planner knows the number of rows');
	nothing_left_ok($db, 'after a load');

	# again
	my $inserted = "SELECT pg_relation_size('hospital.people'), pg_relation_filenode('hospital.people')";
	my $before = $node->safe_psql($db, $inserted);
	my $began = time();
	$messages = load_ok($db, 'CALL hospital_load_people()', 'a rerun');
	my $took = time() - $began;
	like($messages, qr/nothing to load/, 'it says so');
	is($node->safe_psql($db, $inserted), $before, 'it writes nothing');
	cmp_ok($took, '<', 5, 'it is fast');

	# some rows go, some chunks go
	my $hole = $CHUNK + 1 + int(rand(1000));
	$node->safe_psql($db, "DELETE FROM hospital.people WHERE person_id IN ($hole, 7, $n) OR person_id BETWEEN $CHUNK + 1 AND $CHUNK + 500");
	load_ok($db, 'CALL hospital_load_people()', 'rerun after DELETE of some rows');
	equal_ok($db, $n, 'it completes exactly those');
	is(keys_of($db), $BOTH_KEYS, 'keys are still there');
	$node->safe_psql($db, "DELETE FROM hospital.people WHERE person_id > $CHUNK OR person_id < 10");
	load_ok($db, 'CALL hospital_load_people(workers => 2)', 'rerun after DELETE of whole chunks and some rows');
	equal_ok($db, $n, 'it completes exactly those');
	$node->safe_psql($db, 'DELETE FROM hospital.people');
	load_ok($db, 'CALL hospital_load_people(workers => 2)', 'rerun after DELETE of all');
	equal_ok($db, $n, 'the rows are the generator\'s');

	# rows of the user's own, beyond the pool, are nobody's business
	$node->safe_psql($db, <<'EOQ');
TRUNCATE hospital.people;
INSERT INTO hospital.people SELECT * FROM hospital_generate_people(1, seed => 7);
UPDATE hospital.people SET person_id = 100000000;
EOQ
	load_ok($db, 'CALL hospital_load_people(workers => 2)', 'load beside a row of the user\'s');
	is($node->safe_psql($db, "WITH d AS (DELETE FROM hospital.people WHERE person_id = 100000000 RETURNING 1) SELECT count(*) FROM d"),
		'1', 'it is still there');
	equal_ok($db, $n, 'the rest is the generator\'s');

	foreach my $workers (0, 1, 4)
	{
		$node->safe_psql($db, 'TRUNCATE hospital.people');
		$messages = load_ok($db, "CALL hospital_load_people(workers => $workers)", "load with $workers workers");
		equal_ok($db, $n, 'the rows are the generator\'s');
		is(keys_of($db), $BOTH_KEYS, 'keys exist');
	}
	$node->safe_psql($db, 'TRUNCATE hospital.people');
	load_ok($db, "SET hospital.load_workers = 3; SET DateStyle = 'German, DMY'; SET TimeZone = 'Pacific/Kiritimati';"
		  . " SET hospital.seed = 1; SET search_path = ''; SET extra_float_digits = -15; SET standard_conforming_strings = off;"
		  . " SET bytea_output = escape; CALL public.hospital_load_people()",
		'load under odd settings');
	equal_ok($db, $n, 'the rows are the generator\'s');

	# keys later
	$node->safe_psql($db, 'TRUNCATE hospital.people');
	load_ok($db, 'CALL hospital_load_people(keys => false)', 'load without keys');
	is(keys_of($db), '', 'there are none');
	equal_ok($db, $n, 'the rows are the generator\'s');
	load_ok($db, 'CALL hospital_load_people(keys => false)', 'rerun without keys');
	is(keys_of($db), '', 'still none');
	load_ok($db, 'CALL hospital_load_people()', 'a later call');
	is(keys_of($db), $BOTH_KEYS, 'builds them');
	equal_ok($db, $n, 'and adds no row');

	# a prefix, then more
	$node->safe_psql($db, 'TRUNCATE hospital.people');
	my $prefix = 1 + int(rand($CHUNK));
	load_ok($db, "CALL hospital_load_people($prefix)", "load of $prefix people, a prefix");
	equal_ok($db, $prefix, 'the rows are the generator\'s');
	load_ok($db, "CALL hospital_load_people($prefix + $CHUNK)", 'load of more');
	equal_ok($db, $prefix + $CHUNK, 'the rows are the generator\'s');
	load_ok($db, 'CALL hospital_load_people()', 'load of the rest');
	equal_ok($db, $n, 'the rows are the generator\'s');
	load_ok($db, "CALL hospital_load_people($prefix)", 'a prefix of what is there');
	equal_ok($db, $n, 'takes nothing away');

	# bad arguments
	fails_with($db, 'CALL hospital_load_people(0)', '22023', 'number of people', 'no people');
	fails_with($db, 'CALL hospital_load_people(-5)', '22023', 'number of people', 'fewer than none');
	fails_with($db, 'CALL hospital_load_people(67108865)', '22003', 'a city has at most 67108864 people', 'beyond capacity');
	fails_with($db, 'CALL hospital_load_people(9223372036854775807)', '22003', 'a city has at most', 'far beyond capacity');
	fails_with($db, "CALL hospital_load_people($n + 1)", '22023', "this hospital's city has $n people", 'beyond the frozen size');
	fails_with($db, 'CALL hospital_load_people(workers => -1)', '22023', 'number of workers', 'fewer workers than none');
	fails_with($db, 'CALL hospital_load_people(workers => 65)', '22023', 'number of workers', 'too many workers');
	fails_with($db, 'BEGIN; CALL hospital_load_people(); ', '25001', 'hospital_load_people cannot run inside', 'in a transaction block');
	fails_with($db, "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS 'BEGIN CALL hospital_load_people(); END'; SELECT f()",
		'25001', 'hospital_load_people cannot run inside', 'in a function');
	fails_with($db, "DO 'BEGIN CALL hospital_load_people(); EXCEPTION WHEN division_by_zero THEN NULL; END'",
		'(?:25001|2D000)', '', 'in a block with an exception handler');
	nothing_left_ok($db, 'after bad arguments');
	fails_with($db, 'SET default_transaction_read_only = on; TRUNCATE hospital.people; CALL hospital_load_people()',
		'25006', '', 'in a read-only session');
	drop_database($db);
}

# the settings are there even if nothing has loaded the library yet
{
	my $db = fresh_database();
	load_ok($db, 'CALL hospital_create(people => 1000)', 'hospital_create in a fresh session, without preload');
	drop_database($db);
}

# marked identity numbers and another start date go through the loader as well
{
	my $db = fresh_database();
	$node->safe_psql($db, "CALL hospital_create(people => 70000, seed => -$seed, id_mode => 'marked',"
		  . " start_date => '2023-03-01', end_date => '2024-02-29')");
	load_ok($db, 'CALL hospital_load_people(workers => 2)', 'load of marked people of another year');
	equal_ok($db, 70000, 'the rows are the generator\'s');
	is($node->safe_psql($db, 'SELECT count(*) FROM hospital.people WHERE national_id IS NOT NULL AND substr(national_id, 11, 1) NOT IN (\'8\', \'9\')'),
		'0', 'all marked');
	drop_database($db);
}

# ---- readers, progress, a second load, other sessions' locks ----------------

my $big = 10 * $CHUNK + 12345;
my $db = fresh_database(people => $big);

# Hold the workers where they are: a row lock's worth of waiting on the key.
# The table is not empty then, so the keys stay while it is loaded.
sub plant
{
	my ($person) = @_;

	# somebody of the pool, by hand, in a transaction that stays open
	return "BEGIN; INSERT INTO hospital.people SELECT * FROM hospital_generate_people(1, $seed, $person)";
}

{
	my ($out1, $err1, $out2, $err2, $reads, $readerr) = ('') x 6;
	my $load1 = background($db, "CALL hospital_load_people(workers => 2)", \$out1, \$err1);
	ok(wait_until($db, 'SELECT count(*) = 1 FROM hospital.progress WHERE rows_done > 0', 'progress'),
		'hospital.progress shows it to another session');
	is($node->safe_psql($db, "SELECT loading, rows_total, percent BETWEEN 0 AND 100, started_at BETWEEN now() - interval '2 minutes' AND now()"
			. " FROM hospital.progress"), "hospital.people|$big|t|t", 'with its total');
	is($node->safe_psql($db, "SELECT datname = current_database(), relid::regclass, tuples_processed > 0 FROM pg_stat_progress_copy"),
		't|hospital.people|t', 'pg_stat_progress_copy shows it');
	my $load2 = background($db, "CALL hospital_load_people(workers => 2)", \$out2, \$err2);

	# Whole chunks, and never long in waiting.
	my (%odd, %seen);
	my ($slowest, $running) = (0, 1);
	while ($running)
	{
		my $began = time();
		my (undef, $count, $stderr) = call($db, "SET lock_timeout = '5s'; SELECT count(*) FROM hospital.people");
		my $took = time() - $began;

		$slowest = $took if $took > $slowest;
		$readerr .= $stderr;
		$seen{$count} = 1;
		$odd{$count} = 1 unless $count % $CHUNK == 0 || $count % $CHUNK == $big % $CHUNK;
		$running = $node->safe_psql($db, $WORKERS) > 0;
	}
	note('readers saw ' . join(' ', sort { $a <=> $b } keys %seen) . sprintf('; slowest %.2f s', $slowest));
	is(join(' ', sort keys %odd), '', 'readers see only whole chunks');
	cmp_ok(scalar(keys %seen), '>', 1, 'readers see the load grow');
	is($readerr, '', 'readers are not blocked');
	finish($load1);
	finish($load2);
	unlike($err1, qr/ERROR/, 'the first load ends well');
	unlike($err2, qr/ERROR/, 'the second one too');
	like($err1 . $err2, qr/nothing to load/, 'one of them found nothing to do');
	equal_ok($db, $big, 'two loads at once: nothing missing, nothing doubled');
	is(keys_of($db), $BOTH_KEYS, 'keys exist');
	nothing_left_ok($db, 'after two loads at once');

	# without keys nothing but the lock keeps them apart
	my $three = 3 * $CHUNK;
	($out1, $err1, $out2, $err2) = ('') x 4;
	$node->safe_psql($db, 'TRUNCATE hospital.people');
	$load1 = background($db, "CALL hospital_load_people($three, workers => 2, keys => false)", \$out1, \$err1);
	wait_until($db, 'SELECT count(*) = 1 FROM hospital.progress', 'progress');
	$load2 = background($db, "CALL hospital_load_people($three, workers => 2, keys => false)", \$out2, \$err2);
	finish($load1);
	finish($load2);
	unlike($err1 . $err2, qr/ERROR/, 'two loads at once without keys end well');
	equal_ok($db, $three, 'nothing missing, nothing doubled');
	load_ok($db, 'CALL hospital_load_people(workers => 2)', 'the keys can be built');
	is(keys_of($db), $BOTH_KEYS, 'and exist');
}

# Somebody asks for a lock that conflicts with the leader's, while the workers
# take theirs anew for every chunk: the load must not stand still for ever.
foreach my $lock ('SHARE', 'ACCESS EXCLUSIVE')
{
	my ($out, $err, $lockout, $lockerr) = ('') x 4;

	$node->safe_psql($db, 'TRUNCATE hospital.people');
	my $load = background($db, [ "SET statement_timeout = '40s'", 'CALL hospital_load_people(workers => 2)' ], \$out, \$err);
	wait_until($db, "SELECT count(*) = 1 FROM hospital.progress WHERE rows_done >= $CHUNK", 'progress');
	my $locker = background($db,
		[ "SET statement_timeout = '15s'", "BEGIN; LOCK TABLE hospital.people IN $lock MODE; SELECT 'locked'; COMMIT" ],
		\$lockout, \$lockerr);
	finish($load);
	finish($locker);
	unlike($err, qr/ERROR/, "a load beside somebody who asks for a lock in mode $lock");
	unlike($lockerr, qr/ERROR/, 'they do not wait for each other: he gets the lock');
	equal_ok($db, $big, 'the load is complete');
	load_ok($db, 'CALL hospital_load_people()', 'rerun') if $err =~ /ERROR/;
}

# ---- interruption -----------------------------------------------------------

# Start a load, wait until it is under way, do something to it.
sub interrupted
{
	my ($name, $action, $pattern, $restarts) = @_;
	my ($out, $err) = ('', '');

	$node->safe_psql($db, 'TRUNCATE hospital.people');
	my $load = background($db, 'CALL hospital_load_people(workers => 2)', \$out, \$err);
	ok(wait_until($db, "SELECT count(*) = 1 FROM hospital.progress WHERE rows_done > $CHUNK", 'progress'),
		"$name: a load is under way");
	$action->();
	finish($load);
	like($err, $pattern, "$name: the load ends with an error that says so");
	ok(reachable(), "$name: the server is there again") if $restarts;
	nothing_left_ok($db, $name);
	my $rows = $node->safe_psql($db, 'SELECT count(*) FROM hospital.people');
	note("$name: $rows rows of $big are there");
	ok($rows % $CHUNK == 0 || $rows % $CHUNK == $big % $CHUNK, "$name: whole chunks are there");
	load_ok($db, 'CALL hospital_load_people(workers => 2)', "$name: rerun");
	equal_ok($db, $big, "$name: completed, nothing doubled");
	is(keys_of($db), $BOTH_KEYS, "$name: keys exist");
}

my $LEADER = "(SELECT pid FROM hospital.progress)";
my $WORKER = "(SELECT pid FROM pg_stat_activity WHERE backend_type = 'hospital load' ORDER BY pid LIMIT 1)";

interrupted('cancel', sub { $node->safe_psql($db, "SELECT pg_cancel_backend($LEADER)") },
	qr/57014: canceling statement due to user request/);
interrupted('leader terminated', sub { $node->safe_psql($db, "SELECT pg_terminate_backend($LEADER)") },
	qr/57P01|terminating connection/);
interrupted('worker terminated', sub { $node->safe_psql($db, "SELECT pg_terminate_backend($WORKER)") },
	qr/ERROR:  57(?:P01|000): /);
interrupted('worker killed -9', sub { kill 'KILL', $node->safe_psql($db, "SELECT $WORKER") },
	qr/crash|server closed the connection|terminated/, 1);
interrupted('immediate stop', sub { $node->stop('immediate'); $node->start },
	qr/immediate shutdown|server closed the connection|terminating/, 1);
interrupted('fast restart', sub { $node->restart }, qr/57P01|terminating connection/, 1);

# while the keys are built
foreach my $how ('cancel', 'terminate')
{
	my ($out, $err) = ('', '');

	$node->safe_psql($db, 'TRUNCATE hospital.people');
	my $load = background($db, 'CALL hospital_load_people(workers => 2)', \$out, \$err);
	ok(wait_until($db, "SELECT count(*) > 0 FROM pg_stat_progress_create_index WHERE relid = 'hospital.people'::regclass", 'key'),
		"$how: keys are being built");
	$node->safe_psql($db, "SELECT pg_${how}_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CALL hospital_load%'");
	finish($load);
	like($err, qr/ERROR:  57014|57P01/, "$how: the load ends with an error that says so");
	nothing_left_ok($db, "$how while keys are built");
	load_ok($db, 'CALL hospital_load_people(workers => 2)', "$how: rerun");
	equal_ok($db, $big, "$how: all rows are there");
	is(keys_of($db), $BOTH_KEYS, "$how: keys exist");
}

# the same session goes on after a timeout, without locks
{
	$node->safe_psql($db, 'TRUNCATE hospital.people');
	my (undef, $stdout, $stderr) = call($db, <<"EOQ");
SET statement_timeout = 250;
CALL hospital_load_people(workers => 2);
SET statement_timeout = 0;
$LOCKS;
$WORKERS;
SELECT count(*) FROM hospital.progress;
EOQ
	like($stderr, qr/57014: canceling statement due to statement timeout/, 'statement_timeout ends a load');
	is($stdout, "0\n0\n0", 'and leaves its session without locks, workers and progress');
	load_ok($db, "CALL hospital_load_people($CHUNK, workers => 2)", 'rerun');
}

# the ordinary path is interruptible too, and restartable
{
	$node->safe_psql($db, 'TRUNCATE hospital.people');
	my ($out, $err) = ('', '');
	my $load = background($db, 'CALL hospital_load_people(workers => 0)', \$out, \$err);
	ok(wait_until($db, "SELECT count(*) = 1 FROM hospital.progress WHERE rows_done >= $CHUNK", 'progress'),
		'workers => 0 shows progress');
	$node->safe_psql($db, "SELECT pg_cancel_backend($LEADER)");
	finish($load);
	like($err, qr/57014: canceling/, 'workers => 0 can be cancelled');
	nothing_left_ok($db, 'workers => 0 cancelled');
	load_ok($db, 'CALL hospital_load_people(workers => 2)', 'rerun with workers');
	equal_ok($db, $big, 'completed, nothing doubled');
}

# ---- an error in one worker -------------------------------------------------

{
	# somebody has the identity number of a person of the third chunk
	my $person = 2 * $CHUNK + 1;
	my $find = "SELECT min(person_id) FROM hospital_generate_people($CHUNK, $seed, $person) WHERE national_id IS NOT NULL";
	my $thief = $node->safe_psql($db, $find);

	$node->safe_psql($db, <<"EOQ");
TRUNCATE hospital.people;
INSERT INTO hospital.people SELECT * FROM hospital_generate_people(1, $seed, $thief);
UPDATE hospital.people SET person_id = 100000000;
EOQ
	my $stderr = fails_with($db, 'CALL hospital_load_people(workers => 2)', '23505', 'duplicate key value violates',
		'a worker\'s unique violation is reported');
	like($stderr, qr/people_national_id_key/, 'it names the constraint');
	like($stderr, qr/DETAIL:  Key \(national_id\)=/, 'with its detail');
	nothing_left_ok($db, 'unique violation');
	my $rows = $node->safe_psql($db, 'SELECT count(*) - 1 FROM hospital.people');
	is($rows % $CHUNK, $rows > $CHUNK && $rows % $CHUNK ? $big % $CHUNK : 0, 'whole chunks are there');
	is($node->safe_psql($db, "SELECT count(*) FROM hospital.people WHERE person_id BETWEEN $person AND $person + $CHUNK - 1"),
		'0', 'nothing of the chunk at fault');
	$node->safe_psql($db, 'DELETE FROM hospital.people WHERE person_id = 100000000');
	load_ok($db, 'CALL hospital_load_people(workers => 2)', 'rerun after its removal');
	equal_ok($db, $big, 'completed');

	# one worker fails while the other waits for somebody's transaction
	$node->safe_psql($db, <<"EOQ");
TRUNCATE hospital.people;
INSERT INTO hospital.people SELECT * FROM hospital_generate_people(1, $seed, $thief);
UPDATE hospital.people SET person_id = 100000000;
EOQ
	my ($out, $err) = ('', '');
	my ($loadout, $loaderr) = ('', '');
	my $holder = background($db, [ plant(10), 'SELECT pg_sleep(25)', 'ROLLBACK' ], \$out, \$err);
	wait_until($db, "SELECT count(*) = 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(25)'", 'holder');
	my $began = time();
	my $load = background($db, 'CALL hospital_load_people(workers => 2)', \$loadout, \$loaderr);
	finish($load);
	cmp_ok(time() - $began, '<', 20, 'an error ends the load at once, though another worker waits for a lock');
	like($loaderr, qr/23505: duplicate key/, 'with that error');
	$node->safe_psql($db, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(25)'");
	finish($holder);
	nothing_left_ok($db, 'error beside a waiting worker');

	# a CHECK that one person does not pass
	my $victim = $CHUNK + 1 + int(rand($CHUNK));
	$node->safe_psql($db, "TRUNCATE hospital.people; ALTER TABLE hospital.people ADD CONSTRAINT not_this_one CHECK (person_id <> $victim)");
	$stderr = fails_with($db, 'CALL hospital_load_people(workers => 2)', '23514', 'new row for relation "people" violates check constraint "not_this_one"',
		'a worker\'s check violation is reported');
	like($stderr, qr/DETAIL:  Failing row contains \($victim,/, 'with the row');
	nothing_left_ok($db, 'check violation');
	is($node->safe_psql($db, "SELECT count(*) FROM hospital.people WHERE person_id BETWEEN $CHUNK + 1 AND 2 * $CHUNK"),
		'0', 'nothing of the chunk at fault');
	$node->safe_psql($db, 'ALTER TABLE hospital.people DROP CONSTRAINT not_this_one');

	# the same in an expression index and in a function that raises
	$node->safe_psql($db, <<"EOQ");
CREATE FUNCTION touchy(id bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS
\$\$ BEGIN IF id = $victim THEN RAISE 'not %', id USING ERRCODE = 'HX001', HINT = 'take it away'; END IF; RETURN id; END \$\$;
CREATE INDEX people_touchy ON hospital.people (public.touchy(person_id));
EOQ
	$stderr = fails_with($db, 'CALL hospital_load_people(workers => 2)', 'HX001', "not $victim", 'a worker\'s error in a user\'s function is reported');
	like($stderr, qr/HINT:  take it away/, 'with its hint');
	nothing_left_ok($db, 'function error');
	$node->safe_psql($db, 'DROP INDEX hospital.people_touchy');
	load_ok($db, 'CALL hospital_load_people(workers => 2)', 'rerun after that');
	equal_ok($db, $big, 'completed');
	is(keys_of($db), $BOTH_KEYS, 'keys exist');
}

# a row in a transaction that is still open: wait, and neither double nor lose it
{
	my ($out, $err, $loadout, $loaderr) = ('') x 4;

	$node->safe_psql($db, "TRUNCATE hospital.people; INSERT INTO hospital.people SELECT * FROM hospital_generate_people(1, $seed, $CHUNK + 5)");
	my $holder = background($db, [ plant(10), 'SELECT pg_sleep(60)', 'ROLLBACK' ], \$out, \$err);
	wait_until($db, "SELECT count(*) = 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'", 'holder');
	my $load = background($db, 'CALL hospital_load_people(3 * 65536, workers => 2)', \$loadout, \$loaderr);
	ok(wait_until($db, "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'hospital load' AND wait_event_type = 'Lock'", 'waiting worker'),
		'a worker waits for the open transaction of the person\'s row');
	$node->safe_psql($db, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'");
	finish($holder);
	finish($load);
	unlike($loaderr, qr/ERROR/, 'it goes on when that rolled back');
	equal_ok($db, 3 * $CHUNK, 'nothing missing, nothing doubled');
}
drop_database($db);

# ---- targets that are more than a plain table -------------------------------

my $few = $CHUNK + 2345;
$db = fresh_database(people => $few);
$node->safe_psql($db, 'CREATE TABLE the_table AS SELECT pg_get_userbyid(relowner) AS owner FROM pg_class WHERE oid = \'hospital.people\'::regclass');
my $columns = 'person_id bigint NOT NULL, national_id hospital.national_id, passport_no text, first_name text NOT NULL, last_name text NOT NULL,'
  . ' date_of_birth date NOT NULL, sex text NOT NULL, population_group text, home_language text, citizenship text, household_id bigint,'
  . ' address text, suburb text, postal_code text, phone text';

sub ordinary
{
	my ($name, $setup, $expect, $table) = @_;

	$node->safe_psql($db, "DROP TABLE IF EXISTS hospital.people CASCADE; $setup");
	my $messages = load_ok($db, 'CALL hospital_load_people(workers => 2)', "$name: load");
	like($messages, qr/NOTICE:.*INSERT … SELECT: $expect/, "$name: the ordinary path, and it says why");
	equal_ok($db, $few, "$name: the rows are the generator's", $table);
	$messages = load_ok($db, 'CALL hospital_load_people(workers => 2)', "$name: rerun");
	like($messages, qr/nothing to load/, "$name: finds nothing to do");
}

my $plain = "CREATE TABLE hospital.people ($columns, CONSTRAINT people_pkey PRIMARY KEY (person_id),"
  . " CONSTRAINT people_national_id_key UNIQUE (national_id))";

# the trigger's names are found as in any other statement of the caller's
ordinary('trigger', "$plain; CREATE TABLE public.seen (person_id bigint);"
	  . "CREATE FUNCTION note_it() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO seen VALUES (NEW.person_id); RETURN NEW; END';"
	  . "CREATE TRIGGER note_it BEFORE INSERT ON hospital.people FOR EACH ROW EXECUTE FUNCTION note_it()",
	'it has triggers');
is($node->safe_psql($db, 'SELECT count(*), count(DISTINCT person_id) FROM public.seen'), "$few|$few", 'trigger: it fired once for every row');
ordinary('statement trigger', "$plain; TRUNCATE public.seen;"
	  . "CREATE FUNCTION note_all() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.seen SELECT person_id FROM news; RETURN NULL; END';"
	  . "CREATE TRIGGER note_all AFTER INSERT ON hospital.people REFERENCING NEW TABLE AS news FOR EACH STATEMENT EXECUTE FUNCTION note_all()",
	'it has triggers');
is($node->safe_psql($db, 'SELECT count(*), count(DISTINCT person_id) FROM public.seen'), "$few|$few", 'statement trigger: it saw every row once');
ordinary('foreign key from people', "CREATE TABLE public.sexes (sex text PRIMARY KEY); INSERT INTO public.sexes VALUES ('F'), ('M');"
	  . "$plain; ALTER TABLE hospital.people ADD FOREIGN KEY (sex) REFERENCES public.sexes", 'it has triggers or foreign keys');
{
	$node->safe_psql($db, "TRUNCATE hospital.people; DELETE FROM public.sexes WHERE sex = 'M'");
	fails_with($db, 'CALL hospital_load_people(workers => 2)', '23503', '', 'foreign key from people: a violation is an error');
	nothing_left_ok($db, 'foreign key violation');
	is($node->safe_psql($db, 'SELECT count(*) FROM hospital.people'), '0', 'and nothing is written');
}
ordinary('foreign key to people', "$plain; CREATE TABLE public.friends (person_id bigint REFERENCES hospital.people)",
	'it has triggers or foreign keys');
is($node->safe_psql($db, "SELECT count(*) FROM pg_constraint WHERE conrelid = 'public.friends'::regclass AND contype = 'f'"),
	'1', 'foreign key to people: it is still there');
# It lets owners and superusers alone, unless it is forced on a plain owner.
$node->safe_psql($db, "DROP TABLE IF EXISTS hospital.people CASCADE; $plain; ALTER TABLE hospital.people ENABLE ROW LEVEL SECURITY;"
	  . ' CREATE POLICY few ON hospital.people USING (person_id <= 10)');
unlike(load_ok($db, 'CALL hospital_load_people(workers => 2)', 'row security: load'), qr/INSERT … SELECT/, 'row security: not in its owner\'s way');
equal_ok($db, $few, 'row security: the rows are the generator\'s');
ordinary('partitions', "CREATE TABLE hospital.people ($columns, PRIMARY KEY (person_id)) PARTITION BY RANGE (person_id);"
	  . "CREATE TABLE hospital.people_1 PARTITION OF hospital.people FOR VALUES FROM (1) TO (30000);"
	  . "CREATE TABLE hospital.people_2 PARTITION OF hospital.people DEFAULT", 'it is not an ordinary table');
is($node->safe_psql($db, 'SELECT count(*) FROM hospital.people_1'), '29999', 'partitions: rows are routed');
ordinary('partitions of another column', "CREATE TABLE hospital.people ($columns) PARTITION BY LIST (sex);"
	  . "CREATE TABLE hospital.people_f PARTITION OF hospital.people FOR VALUES IN ('F');"
	  . "CREATE TABLE hospital.people_m PARTITION OF hospital.people FOR VALUES IN ('M')", 'it is not an ordinary table');
is($node->safe_psql($db, "SELECT bool_and(sex = 'F') FROM hospital.people_f"), 't', 'partitions of another column: rows are routed');
ordinary('further column', "$plain; ALTER TABLE hospital.people ADD note text NOT NULL DEFAULT 'none', ADD n bigint GENERATED ALWAYS AS IDENTITY",
	'its columns are not just those');
is($node->safe_psql($db, "SELECT count(*), count(DISTINCT n) FROM hospital.people WHERE note = 'none'"), "$few|$few", 'further column: it has its default');
ordinary('generated column', "$plain; ALTER TABLE hospital.people ADD born int GENERATED ALWAYS AS (extract(year FROM date_of_birth)) STORED",
	'it has generated columns');
is($node->safe_psql($db, 'SELECT count(*) FROM hospital.people WHERE born = extract(year FROM date_of_birth)'), $few, 'generated column: it is computed');
ordinary('dropped column', "$plain; ALTER TABLE hospital.people ADD gone int; ALTER TABLE hospital.people DROP gone",
	'its columns are not just those');
ordinary('other types', "CREATE TABLE hospital.people (person_id int PRIMARY KEY, national_id varchar(13), passport_no varchar,"
	  . " first_name varchar(60), last_name varchar(60), date_of_birth date, sex char(1), population_group name, home_language text,"
	  . " citizenship char(2), household_id numeric, address text, suburb text, postal_code char(4), phone varchar(20))",
	'its columns are not just those');
ordinary('other order', "CREATE TABLE hospital.people (phone text, postal_code text, suburb text, address text, household_id bigint,"
	  . " citizenship text, home_language text, population_group text, sex text, date_of_birth date, last_name text, first_name text,"
	  . " passport_no text, national_id hospital.national_id, person_id bigint PRIMARY KEY)", 'its columns are not just those');

# columns of the right types in another order: never by position alone
{
	(my $swapped = $plain) =~ s/first_name text NOT NULL, last_name text NOT NULL/last_name text NOT NULL, first_name text NOT NULL/;
	$node->safe_psql($db, "DROP TABLE hospital.people CASCADE; $swapped");
	load_ok($db, 'CALL hospital_load_people(workers => 2)', 'names swapped: load');
	equal_ok($db, $few, 'names swapped: the rows are the generator\'s');
}
ordinary('rule', "$plain; CREATE RULE keep AS ON DELETE TO hospital.people DO INSTEAD NOTHING", 'it has rules');
$node->safe_psql($db, 'DROP TABLE hospital.people CASCADE');
fails_with($db, 'CALL hospital_load_people()', '42P01', 'table hospital.people does not exist', 'no table at all');
ordinary('view', "CREATE TABLE public.base (LIKE hospital.person); CREATE VIEW hospital.people AS SELECT * FROM public.base",
	'it is not an ordinary table');
$node->safe_psql($db, 'DROP VIEW hospital.people; DROP TABLE public.base');

# plain tables of other makes take the fast way
{
	(my $own = $plain) =~ s/CONSTRAINT people_pkey PRIMARY/CONSTRAINT my_own_key PRIMARY/;
	$node->safe_psql($db, $own);
	load_ok($db, 'CALL hospital_load_people(workers => 2)', 'primary key of another name: load');
	equal_ok($db, $few, 'primary key of another name: the rows are the generator\'s');
	$node->safe_psql($db, "DROP TABLE hospital.people; CREATE UNLOGGED TABLE hospital.people ($columns)");
	load_ok($db, 'CALL hospital_load_people(workers => 2)', 'unlogged table without keys: load');
	equal_ok($db, $few, 'unlogged table without keys: the rows are the generator\'s');
	is(keys_of($db), $BOTH_KEYS, 'keys are made');
	$node->safe_psql($db, "DROP TABLE hospital.people; $plain; CREATE INDEX people_born ON hospital.people (date_of_birth) WHERE sex = 'F';"
		  . "CREATE INDEX people_name ON hospital.people (lower(last_name)); CREATE INDEX people_phone ON hospital.people USING hash (phone);"
		  . "CREATE INDEX people_block ON hospital.people USING brin (person_id)");
	my $messages = load_ok($db, 'CALL hospital_load_people(workers => 2)', 'further indexes: load');
	unlike($messages, qr/NOTICE/, 'further indexes: the fast way');
	equal_ok($db, $few, 'further indexes: the rows are the generator\'s');
	my $query = "SELECT md5(string_agg(person_id::text, ',' ORDER BY person_id)) FROM hospital.people"
	  . " WHERE sex = 'F' AND date_of_birth BETWEEN '1980-01-01' AND '1980-12-31' OR lower(last_name) = 'dlamini'";
	is($node->safe_psql($db, "SET enable_seqscan = off; $query"), $node->safe_psql($db, "SET enable_indexscan = off; SET enable_bitmapscan = off; $query"),
		'further indexes: they are filled');
}

# ---- other people's rights --------------------------------------------------

$node->safe_psql($db, <<"EOQ");
DROP TABLE hospital.people;
$plain;
CREATE ROLE clerk LOGIN;
EOQ
my @as_clerk = ('-U', 'clerk');
{
	my $try = sub {
		my (undef, undef, $stderr) = call($db, 'CALL hospital_load_people(1000)', @as_clerk);
		return $stderr;
	};

	like($try->(), qr/ERROR:  42501: permission denied/, 'no rights: an error');
	$node->safe_psql($db, 'GRANT SELECT ON hospital.simulation TO clerk');
	like($try->(), qr/ERROR:  42501: permission denied/, 'no right to insert: an error');
	is($node->safe_psql($db, 'SELECT count(*) FROM hospital.people'), '0', 'nothing is written');
	is(keys_of($db), $BOTH_KEYS, 'and no key is dropped');
	$node->safe_psql($db, 'GRANT INSERT, SELECT ON hospital.people TO clerk');
	my $stderr = $try->();
	unlike($stderr, qr/ERROR/, 'INSERT and SELECT are enough');
	unlike($stderr, qr/WARNING/, 'and there is no warning about what only the owner may do');
	like($stderr, qr/NOTICE:.*the caller does not own it/, 'by the ordinary path');
	equal_ok($db, 1000, 'the rows are the generator\'s');
	is(keys_of($db), $BOTH_KEYS, 'keys are still there');

	# an owner who is no superuser has the fast way, and acts as himself
	$node->safe_psql($db, "TRUNCATE hospital.people; ALTER TABLE hospital.people OWNER TO clerk; GRANT CREATE ON SCHEMA hospital TO clerk;"
		  . "CREATE FUNCTION whoami(id bigint) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS"
		  . " \$\$ BEGIN IF current_user <> 'clerk' OR session_user = 'x' THEN RAISE 'I am %', current_user; END IF; RETURN true; END \$\$;"
		  . "ALTER TABLE hospital.people ADD CONSTRAINT me CHECK (public.whoami(person_id))");
	(undef, undef, $stderr) = call($db, 'CALL hospital_load_people(workers => 2)', @as_clerk);
	unlike($stderr, qr/ERROR|NOTICE|WARNING/, 'the table\'s owner has the fast way; constraints run as the owner');
	equal_ok($db, $few, 'the rows are the generator\'s');

	# what the owner's constraint calls has no more rights than the owner
	foreach my $try ('RESET ROLE', 'SET SESSION AUTHORIZATION DEFAULT', 'ALTER ROLE clerk SUPERUSER', 'SELECT pg_reload_conf()')
	{
		$node->safe_psql($db, "TRUNCATE hospital.people; ALTER TABLE hospital.people DROP CONSTRAINT me;"
			  . "CREATE OR REPLACE FUNCTION whoami(id bigint) RETURNS boolean LANGUAGE plpgsql VOLATILE AS"
			  . " \$\$ BEGIN EXECUTE '$try'; RETURN true; END \$\$;"
			  . "ALTER TABLE hospital.people ADD CONSTRAINT me CHECK (public.whoami(person_id))");
		(undef, undef, $stderr) = call($db, 'CALL hospital_load_people(workers => 2)', @as_clerk);
		like($stderr, qr/ERROR:  42501: /, "a constraint cannot climb out of the owner's rights by $try");
	}
	is($node->safe_psql($db, "SELECT rolsuper FROM pg_roles WHERE rolname = 'clerk'"), 'f', 'and did not');
}
drop_database($db);

# ---- extension in another schema, other encodings ---------------------------

$node->safe_psql('postgres', 'CREATE DATABASE elsewhere');
$node->safe_psql('elsewhere', 'CREATE SCHEMA "Ext 1"; CREATE EXTENSION hospital SCHEMA "Ext 1"');
load_ok('elsewhere', "SET search_path = pg_catalog; CALL \"Ext 1\".hospital_load_people(1000)", 'load with the extension in another schema');
load_ok('elsewhere', "CALL \"Ext 1\".hospital_load_people(1000, workers => 0)", 'the ordinary path too');
is($node->safe_psql('elsewhere', 'SELECT count(*) FROM (SELECT * FROM hospital.people EXCEPT ALL SELECT * FROM "Ext 1".hospital_generate_people(1000)) x'),
	'0', 'the rows are the generator\'s');
drop_database('elsewhere');

foreach my $encoding ('LATIN1', 'SQL_ASCII')
{
	$node->safe_psql('postgres', "CREATE DATABASE other TEMPLATE template0 ENCODING '$encoding' LC_COLLATE 'C' LC_CTYPE 'C'");
	my (undef, $stdout, $stderr) = call('other', "CREATE EXTENSION hospital; SELECT count(*) FROM hospital_generate_people(10); CALL hospital_load_people(10)");
	like($stderr, qr/ERROR:  \w{5}: .*(?:encoding|UTF-?8)/, "a database in $encoding: a clear error");
	drop_database('other');
}

# ---- no workers to be had ---------------------------------------------------

{
	# with 0 even the logical replication launcher has no place
	$db = fresh_database(people => 3 * $CHUNK);
	$node->append_conf('postgresql.conf', 'max_worker_processes = 0');
	$node->restart;
	my $stderr = fails_with($db, 'CALL hospital_load_people(workers => 2)', '53000', 'no background worker is free', 'no worker is free: an error');
	like($stderr, qr/HINT:.*max_worker_processes/, 'with a hint');
	nothing_left_ok($db, 'no worker is free');
	load_ok($db, 'CALL hospital_load_people(workers => 0)', 'workers => 0 goes on');
	equal_ok($db, 3 * $CHUNK, 'the rows are the generator\'s');
	is(keys_of($db), $BOTH_KEYS, 'keys exist');
	$node->append_conf('postgresql.conf', "max_worker_processes = 2\nmax_logical_replication_workers = 0");
	$node->restart;
	$node->safe_psql($db, 'TRUNCATE hospital.people');
	$stderr = load_ok($db, 'CALL hospital_load_people(workers => 3)', 'fewer workers than wanted');
	like($stderr, qr/NOTICE:.*loading with 2 of 3 workers/, 'it says so');
	equal_ok($db, 3 * $CHUNK, 'the rows are the generator\'s');
	drop_database($db);
}
$node->stop;

# ---- disk full --------------------------------------------------------------

# A small file system of our own, if this kernel lets an ordinary user have
# one: the whole server then runs inside a namespace in which it is mounted.
SKIP:
{
	my $small = abs_path(PostgreSQL::Test::Utils::tempdir());
	my $flag = "$small.log";
	my @inside = ('unshare', '-Um', '--map-user=' . $>, '--map-group=' . ($) + 0), '--keep-caps', 'sh', '-c');

	skip 'no file system of one\'s own to be had: disk full is not tested', 1
	  unless system(@inside, "mount -t tmpfs -o size=40m none '$small' 2>/dev/null") >> 8 == 0;

	my $full = PostgreSQL::Test::Cluster->new('full');
	$full->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
	$full->append_conf('postgresql.conf', "fsync = off\nstatement_timeout = '90s'\nautovacuum = off");
	my $data = $full->data_dir;
	my $log = $full->logfile;
	my $pg_ctl = $full->installed_command('pg_ctl');
	my $rc = system(@inside,
		"mount -t tmpfs -o size=40m none '$small' && mkdir '$small/space' && chmod 700 '$small/space' && '$pg_ctl' -w -D '$data' -l '$log' start >/dev/null");
	is($rc, 0, 'a server with a small tablespace starts');
	$full->_update_pid(1);
	my $before = $node;
	$node = $full;

	$node->safe_psql('postgres', 'CREATE DATABASE narrow');
	$node->safe_psql('narrow', "CREATE EXTENSION hospital; LOAD 'hospital'; CALL hospital_create(people => 6 * $CHUNK, seed => $seed)");
	$node->safe_psql('narrow', "CREATE TABLESPACE small LOCATION '$small/space'");
	foreach my $workers (2, 0)
	{
		$node->safe_psql('narrow', $_)
		  foreach 'ALTER TABLE hospital.people SET TABLESPACE pg_default', 'TRUNCATE hospital.people', 'CHECKPOINT',
		  'ALTER TABLE hospital.people SET TABLESPACE small';
		my $stderr = fails_with('narrow', "CALL hospital_load_people(workers => $workers)", '53100', '.*No space left on device',
			"disk full, $workers workers: an error");
		like($stderr, qr/HINT:/, 'with a hint');
		nothing_left_ok('narrow', 'disk full');
		my $rows = $node->safe_psql('narrow', 'SELECT count(*) FROM hospital.people');
		note("$rows rows were there");
		is($rows % $CHUNK, 0, 'nothing half-written');
		cmp_ok($rows, '<', 6 * $CHUNK, 'not everything is there');
	}
	$node->safe_psql('narrow', 'ALTER TABLE hospital.people SET TABLESPACE pg_default');
	load_ok('narrow', 'CALL hospital_load_people(workers => 2)', 'rerun after making room');
	equal_ok('narrow', 6 * $CHUNK, 'completed, nothing doubled');
	is(keys_of('narrow'), $BOTH_KEYS, 'keys exist');
	$node->stop('immediate');
	$node = $before;
}

done_testing();
