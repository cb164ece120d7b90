# 020_files_and_workers.pl: exports, the day files' way into tables, start and
# stop, and crashes at any time: nothing lost, nothing doubled, nothing half-written.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = PostgreSQL::Test::Cluster->new('hospital');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);

my $folder = $node->basedir . '/folder';
mkdir $folder or die "$folder: $!";
$node->append_conf('postgresql.conf', qq(
shared_preload_libraries = 'hospital'
restart_after_crash = on
hospital.databases = 'postgres, nowhere'
hospital.data_folder = '$folder'
hospital.batch_interval = '200ms'
hospital.stream_interval = '100ms'
));
$node->start;

sub slurp_bytes
{
	my ($path) = @_;
	open my $file, '<:raw', $path or die "$path: $!";
	local $/;
	my $bytes = <$file>;
	close $file;
	return $bytes;
}

sub spew
{
	my ($path, $bytes) = @_;
	open my $file, '>:raw', $path or die "$path: $!";
	print $file $bytes;
	close $file or die "$path: $!";
}

# Every temporary file below the folder.
sub leftovers
{
	my @found = split /\n/, `find '$folder' -name '*.tmp.*' -not -path '*/quarantine/*'`;
	return "@found";
}

# A query while the server may be recovering.
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
	for (1 .. 600)
	{
		$found = try_query($query);
		if (defined $found && $found eq $expected)
		{
			pass($what);
			return 1;
		}
		usleep(100_000);
	}
	fail($what);
	diag('found: ' . (defined $found ? $found : 'no answer'));
	diag(try_query('SELECT * FROM hospital.status') // '');
	return 0;
}

sub worker_pid
{
	my ($role) = @_;
	my $pid;
	for (1 .. 600)
	{
		$pid = try_query(
			"SELECT pid FROM hospital_status() WHERE role = '$role' AND database IS NOT DISTINCT FROM "
			  . ($role eq 'launcher' ? 'NULL' : "'postgres'") . ' AND pid IS NOT NULL');
		return $pid if defined $pid && $pid ne '';
		usleep(100_000);
	}
	die "no $role";
}

# SQL error, SQLSTATE first.
sub error_of
{
	my ($query, %more) = @_;
	my ($code, $out, $err) =
	  $node->psql('postgres', $query, extra_params => [ '-v', 'VERBOSITY=verbose' ], %more);
	return $err;
}

# ---- nothing there yet ----------------------------------------------------

$node->safe_psql('postgres', 'CREATE EXTENSION hospital');
poll('the launcher says what it does',
	q(SELECT state FROM hospital.status WHERE worker = 'launcher'), 'watching 2 databases');
poll('a database without a hospital is quiet',
	q(SELECT state || coalesce(pid::text, '') FROM hospital.status
	  WHERE worker = 'scheduler' AND database = 'postgres'), 'no hospital here');
poll('a missing database is visible',
	q(SELECT state FROM hospital.status WHERE database = 'nowhere'), 'no such database');
my @missing = slurp_file($node->logfile) =~ /database "nowhere" of hospital.databases/g;
is(scalar(@missing), 1, 'and logged once');
like(error_of('SELECT hospital_start()'), qr/55000: there is no hospital.*HINT/s, 'nothing to start');

# ---- exports --------------------------------------------------------------

$node->safe_psql('postgres', q(
	CALL hospital_create(30000, 200, start_date => '2020-01-01', end_date => '2022-12-31');
	INSERT INTO hospital.people SELECT * FROM hospital_generate_people(30000);
	UPDATE hospital.people SET address = E'12 "The Mews",\nFlat 3' WHERE person_id = 7;
	UPDATE hospital.people SET address = '' WHERE person_id = 8;
	INSERT INTO hospital.staff SELECT * FROM hospital_generate_staff(200, until_day => '2022-12-31');
	INSERT INTO hospital.staff_assignments
	SELECT * FROM hospital_generate_staff_assignments('2020-01-01', '2020-01-05', 200);
));

my %copy = (
	people => 'SELECT * FROM hospital.people ORDER BY person_id',
	staff_assignments => 'SELECT * FROM hospital.staff_assignments ORDER BY assignment_id');
for my $what (sort keys %copy)
{
	$node->safe_psql('postgres', qq(
		SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'SQL, DMY';
		CALL hospital_export('$what');
		SET TimeZone = 'UTC'; SET DateStyle = 'ISO';
		COPY ($copy{$what}) TO '$folder/copy.csv' CSV HEADER));
	ok(slurp_bytes("$folder/$what.csv") eq slurp_bytes("$folder/copy.csv"),
		"$what.csv has the bytes of COPY, whatever the session's settings");
}
$node->safe_psql('postgres', q(
	CALL hospital_export('doctors');
	CALL hospital_export('assigned_staff', target => 'day/assigned_staff.csv', as_of => '2020-01-03')));
like(slurp_bytes("$folder/doctors.csv"), qr/^doctor_id,name,specialization,experience_years,contact_info,/, 'doctors.csv');
is( scalar(() = slurp_bytes("$folder/day/assigned_staff.csv") =~ /\n/g) - 1,
	$node->safe_psql('postgres', q(
		SELECT count(DISTINCT staff_id) FROM hospital.staff_assignments
		WHERE (starts_at AT TIME ZONE 'Africa/Johannesburg')::date = '2020-01-03')),
	'assigned_staff.csv has one row a person on duty');

like(error_of(q(CALL hospital_export('visits_of_saints'))),
	qr/22023: there is no export.*HINT:  Exports are: people, doctors/s, 'unknown export');
like(error_of(q(CALL hospital_export('people', 'xml'))), qr/0A000: .*HINT/s, 'unknown format');
for my $path ('../people.csv', '/tmp/people.csv', 'a/../../people.csv', './people.csv', 'a//b.csv',
	'.hidden', 'lake/people.csv', '', 'a/', 'a\\b')
{
	like(error_of(qq(CALL hospital_export('people', target => '$path'))),
		qr/42602: file name .* is not allowed.*DETAIL.*HINT/s, "refused: \"$path\"");
}

my $outside = $node->basedir . '/outside';
mkdir $outside;
symlink $outside, "$folder/link";
like(error_of(q(CALL hospital_export('people', target => 'link/people.csv'))),
	qr/ERROR:  (?:42809|58030|58P01|XX000|42501|\w{5}): could not open the folder of.*HINT:  Links/s,
	'a linked folder is not entered');
is(`ls -A '$outside'`, '', 'and nothing is outside');
spew("$outside/precious", 'precious');
symlink "$outside/precious", "$folder/linked.csv";
$node->safe_psql('postgres', q(CALL hospital_export('doctors', target => 'linked.csv')));
is(slurp_bytes("$outside/precious"), 'precious', 'a link in the place of the file is replaced, not followed');
ok(!-l "$folder/linked.csv", 'by the file');

for my $bad (["''", '55000'], ["'relative'", '42602'], ["'$outside/none'", '58P01'],
	["'" . $node->data_dir . "'", '42602'], ["'" . $node->data_dir . "/base'", '42602'],
	["'" . $node->basedir . "'", '42602'])
{
	like(error_of("SET hospital.data_folder = $bad->[0]; CALL hospital_export('people')"),
		qr/$bad->[1]: .*HINT/s, "data folder $bad->[0]");
}

$node->safe_psql('postgres', q(
	CREATE ROLE nobody; CREATE ROLE writer; GRANT pg_write_server_files TO writer;
	CREATE ROLE reader; GRANT pg_write_server_files TO reader; GRANT SELECT ON hospital.people TO reader;
	GRANT SELECT ON hospital.simulation TO reader, writer;
	ALTER TABLE hospital.people ENABLE ROW LEVEL SECURITY;
	CREATE POLICY few ON hospital.people TO reader USING (person_id <= 10)));
like(error_of(q(SET ROLE nobody; CALL hospital_export('people'))), qr/42501/, 'no right to write files');
like(error_of(q(SET ROLE writer; CALL hospital_export('people'))), qr/42501: .*people/, 'no right to read the table');
$node->safe_psql('postgres', q(SET ROLE reader; CALL hospital_export('people', target => 'few.csv')));
is($node->safe_psql('postgres', q(SELECT count(*) FROM hospital.people WHERE person_id <= 10)), 10, 'ten people');
is(scalar(() = slurp_bytes("$folder/few.csv") =~ /\n\d+,/g), 10, 'row security is respected');

# Cancelled, and ended, half-way.
$node->safe_psql('postgres', q(
	CREATE TABLE hospital.people_kept AS SELECT * FROM hospital.people;
	ALTER TABLE hospital.people RENAME TO people_table;
	CREATE VIEW hospital.people AS
	SELECT person_id, pg_sleep(0.001)::text AS slept, repeat('x', 1000) AS filler
	FROM hospital.people_table));
for my $how ('cancel', 'terminate')
{
	my $session = IPC::Run::start(
		[ 'psql', '-X', '-d', $node->connstr('postgres'), '-c', q(CALL hospital_export('people', target => 'slow.csv')) ],
		'>', \my $out, '2>', \my $err);
	poll("an export is under way, to be ended by $how", q(
		SELECT count(*) = 1 FROM pg_stat_activity
		WHERE query LIKE 'CALL hospital_export%' AND pid <> pg_backend_pid() AND query_start < now() - interval '0.3 s'));
	like(leftovers(), qr/slow/, 'it has a temporary file');
	$node->safe_psql('postgres', qq(
		SELECT pg_${how}_backend(pid) FROM pg_stat_activity
		WHERE query LIKE 'CALL hospital_export%' AND pid <> pg_backend_pid()));
	$session->finish;
	ok(!-e "$folder/slow.csv", "$how leaves no file");
	is(leftovers(), '', 'and no temporary one');
}
$node->safe_psql('postgres', q(
	DROP VIEW hospital.people; ALTER TABLE hospital.people_table RENAME TO people;
	DROP TABLE hospital.people_kept; ALTER TABLE hospital.people DISABLE ROW LEVEL SECURITY));

# A full disk: "make test" may prepare a small file system.
SKIP:
{
	my $small = $ENV{HOSPITAL_SMALL_FOLDER};
	skip 'no small file system in HOSPITAL_SMALL_FOLDER', 3 unless defined $small && -w $small;
	like(error_of("SET hospital.data_folder = '$small'; CALL hospital_export('people')"),
		qr/53100: could not (?:write|sync).*HINT:  Free space/s, 'disk full');
	is(`find '$small' -type f`, '', 'nothing is kept of the file');
	like(error_of("SET hospital.data_folder = '$small'; CALL hospital_export('assigned_staff')"),
		qr/NOTICE/, 'a file that fits is written after');
}

# ---- start, days, stop ----------------------------------------------------

$node->safe_psql('postgres', q(
	UPDATE hospital.people p SET address = g.address FROM hospital_generate_people(10) g WHERE p.person_id = g.person_id));

# Days that came in against days made again; and is every file of every day there once?
my $difference = q(
	SELECT coalesce((SELECT string_agg(v::text, ' ') FROM (SELECT min(day) AS lo, max(day) AS hi FROM hospital.days) d,
			LATERAL hospital_validate(d.lo, d.hi) v WHERE NOT v.ok), '') || ' '
		|| (SELECT count(*) - count(DISTINCT (day, kind)) FROM hospital.batches) || ' '
		|| (SELECT count(*) FROM hospital.batches WHERE state NOT IN ('written', 'ingested')) || ' '
		|| (SELECT 13 * (max(day) - min(day) + 1) - count(*) FROM hospital.batches)
);
my $ingested = q((SELECT count(*) FROM (SELECT day FROM hospital.batches WHERE state = 'ingested'
	GROUP BY day HAVING count(*) = 13) d));
sub days_ingested { return "SELECT $ingested >= $_[0]" }

# A server that has just lost a worker starts anew: it is asked until it answers.
sub ingested_now
{
	for (1 .. 600)
	{
		my $days = try_query("SELECT $ingested");
		return $days if defined $days && $days ne '';
		usleep(100_000);
	}
	die 'no answer';
}

# Stopped, and everything that was written is in.
sub let_it_come_in
{
	poll('what was written comes in', q(SELECT count(*) FROM hospital.batches WHERE state = 'written'), 0);
}

$node->safe_psql('postgres', 'BEGIN; SELECT hospital_start(); ROLLBACK');
is($node->safe_psql('postgres', 'SELECT desired FROM hospital.run_state'), 'stopped', 'a start rolled back is none');
$node->safe_psql('postgres', 'SELECT hospital_start()');
poll('days come in', days_ingested(5));
is( $node->safe_psql('postgres', q(
		SELECT count(*) FROM pg_stat_activity
		WHERE backend_type LIKE 'hospital %' AND state = 'idle' AND xact_start IS NOT NULL)),
	0, 'a waiting worker has no transaction open');
is( $node->safe_psql('postgres', q(
		SELECT bool_and(wait_event_type = 'Extension') FROM pg_stat_activity
		WHERE backend_type = 'hospital launcher')), 't', 'it waits under its own name');

# Ended by hand: back by itself, without a restart of the server.
my $started = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');
for my $role ('ingestor', 'scheduler', 'launcher')
{
	my $pid = worker_pid($role);
	$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
	poll("the $role comes back", qq(
		SELECT count(*) FROM hospital_status()
		WHERE role = '$role' AND pid <> $pid AND (database = 'postgres' OR database IS NULL)), 1);
}
poll('and days go on', days_ingested(ingested_now() + 3));
is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $started, 'on the same server');

# Killed.
for my $role ('ingestor', 'scheduler', 'launcher', 'ingestor', 'scheduler')
{
	my $pid = worker_pid($role);
	usleep(37_000 * ($pid % 7));
	my $before = ingested_now();
	kill 'KILL', $pid or redo;
	poll("days go on after kill -9 of the $role", days_ingested($before + 3));
}
for my $round (1 .. 3)
{
	my $before = ingested_now();
	usleep(61_000 * $round);
	my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
	$node->kill9;
	for (1 .. 600)
	{
		last unless kill 0, $postmaster;
		usleep(50_000);
	}
	# Its children see its end by themselves; until they have, it cannot start.
	for (1 .. 200)
	{
		last if $node->start(fail_ok => 1);
		usleep(100_000);
	}
	poll("days go on after kill -9 of the postmaster, round $round", days_ingested($before + 3));
}

# Those days may have waited as files.  What a crash has left is dealt with when
# the scheduler makes a day.
my $made = $node->safe_psql('postgres', 'SELECT max(day) FROM hospital.days');
poll('and are made', "SELECT max(day) > '$made' FROM hospital.days");
$node->safe_psql('postgres', 'SELECT hospital_stop()');
poll('all are stopped', q(
	SELECT string_agg(worker || ' ' || state, ', ' ORDER BY worker) FROM hospital.status
	WHERE database = 'postgres'), 'ingestor stopped, job runner no job is due, scheduler stopped');
is($node->safe_psql('postgres', q(
	SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'hospital %' AND datname IS NOT NULL)),
	0, 'nobody is connected to the database');
is(leftovers(), '', 'no temporary file is left');

# ---- what a crash leaves between the steps --------------------------------

my $last = $node->safe_psql('postgres', q(
	SELECT file FROM hospital.batches WHERE state = 'ingested' AND kind = 'vital_signs' ORDER BY day DESC LIMIT 1));
(my $last_folder = "$folder/$last") =~ s!/[^/]*$!!;
$node->safe_psql('postgres', qq(
	DELETE FROM hospital.vital_signs WHERE vital_signs_id / 1000000 = (
		SELECT day - '2000-01-01' FROM hospital.batches WHERE file = '$last');
	UPDATE hospital.batches SET state = 'written', ingested_at = NULL WHERE file = '$last'));
rename "$folder/$last", "$last_folder/.vital_signs.csv.tmp.99999" or die;
spew("$last_folder/.vital_signs.csv.tmp.88888", "half a f");
my $quarantined = () = glob("$folder/lake/quarantine/*vital_signs.csv");	# a kill may have left some
my $anchor = $node->safe_psql('postgres', 'SELECT anchor_at FROM hospital.run_state');
$node->safe_psql('postgres', 'SELECT hospital_start()');
is($node->safe_psql('postgres', "SELECT anchor_at > '$anchor' FROM hospital.run_state"), 't',
	'the clock stood still while stopped');
poll('a file that the ledger knows gets its name and comes in', qq(
	SELECT state FROM hospital.batches WHERE file = '$last'), 'ingested');
is(scalar(() = glob("$folder/lake/quarantine/*vital_signs.csv")), $quarantined + 1, 'the one that it does not know is in quarantine');
is(join(' ', grep { /\.(99999|88888)$/ } split / /, leftovers()), '', 'neither is left');
poll('days go on', days_ingested(ingested_now() + 2));
$node->safe_psql('postgres', 'SELECT hospital_stop()');
poll('stopped again', q(SELECT count(*) FROM hospital.status WHERE database = 'postgres' AND pid IS NOT NULL), 0);
my $name = $node->safe_psql('postgres', 'SELECT name FROM hospital.simulation');
$node->safe_psql('postgres', "CALL hospital_ingest('lake/batch/$name')");
let_it_come_in();
is($node->safe_psql('postgres', $difference), ' 0 0 0', 'after all that: nothing lost, doubled or altered');

# ---- too few process slots, copies, going away -----------------------------

$node->safe_psql('postgres', 'SELECT hospital_start()');
$node->append_conf('postgresql.conf', "max_worker_processes = 2\nmax_logical_replication_workers = 0\n");
$node->restart;
poll('starving is a visible state', q(
	SELECT state FROM hospital.status WHERE worker = 'ingestor'), 'no worker slot free (max_worker_processes)');
$node->append_conf('postgresql.conf', "max_worker_processes = 8\n");
$node->restart;
poll('and ends with more slots', q(
	SELECT count(*) FROM hospital.status WHERE worker = 'ingestor' AND pid IS NOT NULL), 1);

$node->safe_psql('postgres', 'SELECT hospital_stop()');
poll('stopped for a copy', q(SELECT count(*) FROM hospital.status WHERE database = 'postgres' AND pid IS NOT NULL), 0);
$node->safe_psql('template1', 'CREATE DATABASE nowhere TEMPLATE postgres');
$node->safe_psql('nowhere', q(UPDATE hospital.run_state SET desired = 'running'));
$node->safe_psql('postgres', 'SELECT pg_reload_conf()');
poll('a copied hospital does nothing and says why', q(
	SELECT state || ': ' || last_error FROM hospital.status WHERE database = 'nowhere' AND worker = 'scheduler'),
	'not able to run: this hospital is a copy');
$node->safe_psql('postgres', 'DROP DATABASE nowhere');
$node->safe_psql('postgres', 'SELECT pg_reload_conf()');
poll('and is in nobody\'s way', q(SELECT state FROM hospital.status WHERE database = 'nowhere'), 'no such database');

# DROP DATABASE while it runs: refused, or at once; its namesake is another one.
for my $round (1, 2)
{
	$node->safe_psql('postgres', 'CREATE DATABASE nowhere');
	# by another name, for the lake has folders of the one before
	$node->safe_psql('nowhere', qq(
		CREATE EXTENSION hospital;
		CALL hospital_create(20000, 200, start_date => '2020-01-01', end_date => '2020-12-31', name => 'round$round');
		SELECT hospital_start()));
	poll("a hospital runs in another database, round $round", q(
		SELECT count(*) FROM hospital.status
		WHERE database = 'nowhere' AND worker IN ('scheduler', 'ingestor') AND pid IS NOT NULL), 2);
	my $since = time;
	$node->safe_psql('postgres', 'DROP DATABASE nowhere WITH (FORCE)');
	cmp_ok(time - $since, '<=', 5, 'its database is dropped by force');
	poll('and its workers are gone', q(
		SELECT string_agg(worker || ' ' || state, ', ') FROM hospital.status WHERE database = 'nowhere'),
		'scheduler no such database');
}

# Stopped and started, each time with everything that it needs.
for my $round (1 .. 4)
{
	$node->safe_psql('postgres', 'SELECT hospital_start()');
	# a job may run beside them
	poll("started, round $round", q(
		SELECT count(*) FROM hospital.status
		WHERE database = 'postgres' AND worker IN ('scheduler', 'ingestor') AND pid IS NOT NULL), 2);
	usleep(100_000 * $round);
	$node->safe_psql('postgres', 'SELECT hospital_stop()');
	poll("stopped, round $round", q(
		SELECT count(*) FROM hospital.status WHERE database = 'postgres' AND pid IS NOT NULL), 0);
}

# DROP EXTENSION while it runs.
$node->safe_psql('postgres', 'SELECT hospital_start()');
poll('running', q(SELECT count(*) FROM hospital.status WHERE worker = 'ingestor' AND pid IS NOT NULL), 1);
my $before = time;
$node->stop('fast');
cmp_ok(time - $before, '<=', 5, 'a fast stop takes at most 5 s');
$node->start;
$node->safe_psql('postgres', 'DROP EXTENSION hospital CASCADE');
poll('the workers leave a database whose extension is gone', q(
	SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'hospital %' AND datname IS NOT NULL), 0);
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|signal 11|signal 6/, 'nothing crashed that was not killed');

$node->stop;
done_testing();
