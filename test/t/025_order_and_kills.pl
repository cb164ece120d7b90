# 025_order_and_kills.pl: whatever happens on the way, the same tables.
#
# One hospital in several databases: killed at seeded random points and resumed,
# live, ingested in other orders, by two sessions at once; and once cleanly.
# Each time hospital_validate must find nothing, and the tables must have the
# digest that those of the clean one have after as many days.
#
# HOSPITAL_TEST_SEED repeats a test, HOSPITAL_TEST_KILLS makes it longer (6).
use strict;
use warnings;

use IPC::Run;
use List::Util qw(shuffle);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep time);

my $quick = $ENV{HOSPITAL_TEST_QUICK};
my $seed = $ENV{HOSPITAL_TEST_SEED} || 1 + int(rand(1_000_000));
my $kills = $ENV{HOSPITAL_TEST_KILLS} || ($quick ? 3 : 6);
note("HOSPITAL_TEST_SEED=$seed HOSPITAL_TEST_KILLS=$kills");
srand($seed);

my $node = PostgreSQL::Test::Cluster->new('order');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
my $folders = $node->basedir . '/folders';
mkdir $folders or die "$folders: $!";
$node->append_conf('postgresql.conf', qq(
restart_after_crash = on
autovacuum = off
shared_preload_libraries = 'hospital'
max_worker_processes = 12
hospital.data_folder = '$folders/live'
hospital.batch_interval = '300ms'
hospital.databases = 'live'
));
mkdir "$folders/live" or die;
$node->start;

my @tables = (
	[ 'staff_changes', 'staff_change_id' ], [ 'people', 'person_id' ], [ 'patients', 'patient_id' ], [ 'admissions', 'admission_id' ],
	[ 'visits', 'visit_id' ], [ 'status_updates', 'update_id' ], [ 'doctor_assignments', 'doctor_assignment_id' ],
	[ 'transfers', 'event_id' ], [ 'diagnoses', 'diagnosis_id' ], [ 'treatments', 'treatment_id' ], [ 'lab_results', 'lab_result_id' ],
	[ 'vital_signs', 'vital_signs_id' ], [ 'prescriptions', 'prescription_id' ], [ 'billing_payments', 'billing_id' ]);

sub hospital
{
	my ($db) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $db");
	mkdir "$folders/$db";
	$node->safe_psql('postgres', "ALTER DATABASE $db SET hospital.data_folder = '$folders/$db'") if $db ne 'live';
	$node->safe_psql($db, qq(
		CREATE EXTENSION hospital;
		CALL hospital_create(people => 20000, beds => 200, seed => $seed, name => 'same', start_date => '2021-01-01', end_date => '2021-12-31');
		INSERT INTO hospital.staff SELECT g.* FROM hospital_generate_staff(200, $seed, '2021-01-01', '2021-12-31') g));
}

# All columns of all rows, in the order of the key.
sub digest
{
	my ($db) = @_;
	return $node->safe_psql($db, join ' UNION ALL ', map {
		my ($table, $key) = @$_;
		"SELECT '$table ' || count(*) || ' ' || coalesce(md5(string_agg(md5(t::text), '' ORDER BY $key)), '') FROM hospital.$table t" } @tables);
}

sub differing
{
	my ($found, $expected) = @_;
	my %expected = map { /^(\S+) (.*)/ } split /\n/, $expected || '';
	return join ', ', map { my ($table, $of) = /^(\S+) (.*)/; ($expected{$table} || '') eq $of ? () : "$table $of, not " . ($expected{$table} || 'anything') }
	  split /\n/, $found;
}

# ---- what must be true whatever happened ---------------------------------------------------

my %clean;      # digest of the clean run after so many days
my @pending;    # to be compared with it when it has come so far

sub compare
{
	my ($what, $count, $digest) = @_;
	is(differing($digest, $clean{$count}), '', "$what: all tables are as after $count clean days");
	return;
}

# As many days as were written are in: exactly.
sub as_clean
{
	my ($db, $what, $count) = @_;
	$count = $node->safe_psql($db, 'SELECT count(DISTINCT day) FROM hospital.batches') unless defined $count;
	is( $node->safe_psql($db, q(
			SELECT count(*), count(DISTINCT (day, kind)), max(day) - min(day) + 1, count(*) FILTER (WHERE state <> 'ingested'),
				(SELECT count(*) FROM hospital.rejects WHERE resolved_at IS NULL)
			FROM hospital.batches WHERE state <> 'undone')),
		join('|', 13 * $count, 13 * $count, $count, 0, 0), "$what: each file of $count days is in once, and no line rejected");
	my @case = ($what, $count, digest($db));
	if ($clean{$count}) { compare(@case) }
	else { push @pending, \@case }
	is( $node->safe_psql($db, q(
			SELECT coalesce(string_agg(v::text, '; '), '') FROM (SELECT min(day) AS lo, max(day) AS hi FROM hospital.batches) d,
				LATERAL hospital_validate(d.lo, d.hi) v WHERE NOT v.ok)),
		'', "$what: hospital_validate finds nothing");
	return;
}

sub try_query
{
	my ($db, $query) = @_;
	# A server that is not there yet may close the pipe that the query is written to.
	my ($code, $out, $err) = eval { $node->psql($db, $query, timeout => 20, timed_out => \my $slow) };
	return defined $code && $code == 0 ? $out : undef;
}

sub poll
{
	my ($db, $what, $query) = @_;
	my $found;
	for (1 .. 1200)
	{
		$found = try_query($db, $query);
		return 1 if defined $found && $found eq 't';
		usleep(25_000);
	}
	fail($what);
	diag('found: ' . (defined $found ? $found : 'no answer'));
	return 0;
}

sub start_session
{
	my ($db, @queries) = @_;
	my %of = (out => '', err => '');
	$of{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr($db), map { ('-c', $_) } @queries ], '>', \$of{out}, '2>', \$of{err});
	return \%of;
}

sub kill_postmaster
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
		return if $node->start(fail_ok => 1);
		usleep(100_000);
	}
}

# ---- killed and resumed --------------------------------------------------------------------

# Who is killed when: at a random moment after the run was seen at work.
my @who = shuffle(map { ('session', 'writer', 'postmaster')[ $_ % 3 ] } 0 .. $kills - 1);
hospital('killed');
foreach my $round (1 .. $kills)
{
	my $who = $who[ $round - 1 ];
	my $ms = int(rand(1200));
	my $before = $node->safe_psql('killed', 'SELECT count(*) FROM hospital.days');
	my $session = start_session('killed', 'CALL hospital_run(40)');
	poll('killed', 'under way', 'SELECT count(*) > 0 FROM hospital.progress');
	usleep(1000 * $ms);
	my $pid;
	if ($who eq 'postmaster')
	{
		kill_postmaster();
	}
	else
	{
		$pid = try_query('killed', $who eq 'session' ? 'SELECT pid FROM hospital.progress' :
			q(SELECT pid FROM pg_stat_activity WHERE backend_type = 'hospital run'));
		# the writer or the other ingestor
		my @pids = split /\n/, $pid // '';
		$pid = @pids ? $pids[int(rand(@pids))] : undef;
		kill 'KILL', $pid if $pid;
	}
	$session->{run}->finish;
	poll('killed', 'the server is back', 'SELECT true');
	my $count = $node->safe_psql('killed', 'SELECT count(*) FROM hospital.days');
	my $waiting = $node->safe_psql('killed', q(SELECT count(*) FROM hospital.batches WHERE state <> 'ingested'));
	note("round $round: $who killed " . ($pid || $who eq 'postmaster' ? '' : '(was over) ')
		  . "after $ms ms, from day $before to $count, $waiting files not in");
	$node->safe_psql('killed', 'CALL hospital_run(1)');
	as_clean('killed', "kill -9 of the $who, round $round", $count + 1);
}
is(join(' ', glob("$folders/killed/lake/batch/*/*/.*.tmp.*")), '', 'no unfinished file is left');

# ---- live, its workers killed ----------------------------------------------------------------

hospital('live');
$node->safe_psql('live', 'SELECT hospital_start()');
my @roles = shuffle(map { ('ingestor', 'scheduler', 'ingestor', 'postmaster')[ $_ % 4 ] } 0 .. ($quick ? 1 : $kills - 3));
foreach my $round (1 .. scalar(@roles))
{
	my $role = $roles[ $round - 1 ];
	my $ms = int(rand(400));
	my $count = $node->safe_psql('live', 'SELECT count(*) FROM hospital.days');
	poll('live', 'days go on', "SELECT count(*) > $count FROM hospital.days");
	usleep(1000 * $ms);
	if ($role eq 'postmaster')
	{
		kill_postmaster();
	}
	else
	{
		poll('live', "there is a $role", "SELECT count(pid) = 1 FROM hospital.status WHERE worker = '$role' AND database = 'live'");
		my $pid = try_query('live', "SELECT pid FROM hospital.status WHERE worker = '$role' AND database = 'live'");
		kill 'KILL', $pid if $pid;
	}
	poll('live', 'the server is back', 'SELECT true');
	note("live, round $round: $role killed after $ms ms, at day " . $node->safe_psql('live', 'SELECT count(*) FROM hospital.days'));
}
$node->safe_psql('live', 'SELECT hospital_stop()');
poll('live', 'stopped', q(SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type LIKE 'hospital %' AND datname = 'live'));
my $live = $node->safe_psql('live', 'SELECT count(*) FROM hospital.days');
cmp_ok($live, '>=', scalar(@roles), "$live live days");
# What the ingestor had not taken in yet is the next run's.
$node->safe_psql('live', 'CALL hospital_run(1)');
as_clean('live', 'live, with workers killed', $live + 1);

# ---- the clean run -----------------------------------------------------------------------------

my $some = $quick ? 4 : 6;
hospital('clean');
my $at = 0;
foreach my $count (sort { $a <=> $b } keys %{ { map { $_ => 1 } $some, map { $_->[1] } @pending } })
{
	$node->safe_psql('clean', 'CALL hospital_run(' . ($count - $at) . ')');
	$clean{$count} = digest('clean');
	$at = $count;
}
is( $node->safe_psql('clean', 'SELECT count(*) FILTER (WHERE NOT ok), count(*) >= 13 FROM hospital_validate()'), '0|t', "$at clean days");
is(scalar(keys %{ { reverse %clean } }), scalar(keys %clean), 'a day makes a difference');
compare(@$_) for @pending;

# ---- other orders -----------------------------------------------------------------------------

my @paths = split /\n/, $node->safe_psql('clean',
	"SELECT DISTINCT regexp_replace(file, '/[^/]*\$', '') FROM hospital.batches WHERE day < date '2021-01-01' + $some ORDER BY 1");
is(scalar(@paths), $some, 'as many folders');

# The files of the first days, in a data folder of their own.
sub with_files
{
	my ($db) = @_;
	hospital($db);
	foreach my $path (@paths)
	{
		PostgreSQL::Test::Utils::system_or_bail('mkdir', '-p', "$folders/$db/$path");
		PostgreSQL::Test::Utils::system_or_bail('cp', glob("$folders/clean/$path/*.csv"), "$folders/$db/$path/");
	}
}

sub ingest_all
{
	my ($db, @what) = @_;
	$node->safe_psql($db, join '', map { "CALL hospital_ingest('$_');\n" } @what);
}

with_files('reverse');
ingest_all('reverse', reverse @paths);
as_clean('reverse', 'the last day first', $some);
is( $node->safe_psql('reverse', q(SELECT count(*) > 0 AND bool_and(resolved_by = 'retry') FROM hospital.rejects)), 't',
	'what came before its references was tried again by itself');

# Single files, in no order at all: a day's bills before its patients.
my @files = map { my $path = $_; map { "$path/" . s!.*/!!r } glob("$folders/clean/$path/*.csv") } @paths;
is(scalar(@files), 13 * $some, 'as many files');
with_files('shuffled');
ingest_all('shuffled', shuffle(@files));
as_clean('shuffled', 'files in no order', $some);

with_files('kinds');
ingest_all('kinds', sort { ($b =~ /(\w+)\.csv/)[0] cmp ($a =~ /(\w+)\.csv/)[0] || $a cmp $b } @files);
as_clean('kinds', 'kind by kind, visits before admissions', $some);

# Undone and ingested again, in between: kinds that no later day completes.
foreach my $batch (split /\n/, $node->safe_psql('kinds', q(
	SELECT batch_id || ' ' || file FROM hospital.batches WHERE kind IN ('lab_results', 'diagnoses', 'status_updates', 'billing_payments', 'prescriptions')
	ORDER BY md5(file) LIMIT 6)))
{
	my ($id, $file) = split / /, $batch;
	$node->safe_psql('kinds', "CALL hospital_undo_batch($id)");
	$node->safe_psql('kinds', "CALL hospital_ingest('$file')");
}
as_clean('kinds', 'undone and ingested again', $some);

# ---- two at once ---------------------------------------------------------------------------------

# The same day by both: one has it, the other finds it dealt with or waits.
with_files('twice');
foreach my $path (@paths)
{
	my @two = map { start_session('twice', "CALL hospital_ingest('$path')") } 1, 2;
	$_->{run}->finish for @two;
	my @errors = grep { $_->{err} =~ /ERROR/ } @two;
	is(scalar(@errors), 0, "two sessions at $path: no error") or diag(map { $_->{err} } @errors);
}
as_clean('twice', 'the same days by two sessions', $some);

# Different days side by side, so that references come and go while a file is read.
with_files('side');
{
	my @two = map { my $n = $_;
		start_session('side', map { "CALL hospital_ingest('$paths[$_]')" } grep { $_ % 2 == $n } 0 .. $#paths) } 0, 1;
	$_->{run}->finish for @two;
	unlike($_->{err}, qr/ERROR/, 'two sessions on days of their own: no error') for @two;
}
as_clean('side', 'two sessions on days of their own', $some);

# What a file lacks comes between the look at its lines and the question whether too many are rejects.
with_files('between');
ingest_all('between', map { "$paths[2]/$_.csv" } 'registrations', 'admissions');
$node->safe_psql('between', q(
	CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_catalog.pg_advisory_xact_lock(7); RETURN NEW; END $$;
	CREATE TRIGGER pause BEFORE INSERT ON hospital.rejects FOR EACH ROW WHEN (NEW.kind = 'status_updates' AND NEW.day = '2021-01-03') EXECUTE FUNCTION pause()));
{
	my $holder = $node->background_psql('between');
	$holder->query_safe('SELECT pg_advisory_lock(7)');
	my $lacking = start_session('between', "CALL hospital_ingest('$paths[2]/status_updates.csv')");
	poll('between', 'the file lacks admissions', q(SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'advisory' AND query LIKE 'CALL%'));
	ingest_all('between', @paths[ 0, 1 ]);
	$holder->quit;
	$lacking->{run}->finish;
	is($lacking->{err} =~ /(?:ERROR|WARNING): .*/ ? $& : '', '', 'what came meanwhile is no reason to refuse a file');
}
$node->safe_psql('between', 'DROP FUNCTION pause() CASCADE');
ingest_all('between', @paths);
as_clean('between', 'what was lacking came meanwhile', $some);

# And killed in the middle of that, by file.
with_files('torn');
foreach my $round (1 .. ($quick ? 1 : 2))
{
	my $session = start_session('torn', map { "CALL hospital_ingest('$_')" } shuffle(@files));
	my $more = 5 + int(rand(25)) + $node->safe_psql('torn', q(SELECT count(*) FROM hospital.batches));
	poll('torn', 'files come in', "SELECT count(*) >= $more FROM hospital.batches WHERE state = 'ingested'");
	my $pid = try_query('torn', q(SELECT pid FROM pg_stat_activity WHERE query LIKE 'CALL hospital_ingest%' AND pid <> pg_backend_pid()));
	kill 'KILL', $pid if $pid;
	$session->{run}->finish;
	poll('torn', 'the server is back', 'SELECT true');
}
ingest_all('torn', @paths);
as_clean('torn', 'sessions that ingest killed', $some);

unlike(slurp_file($node->logfile), qr/PANIC|TRAP|signal 11|signal 6/, 'nothing crashed that was not killed');
$node->stop;
done_testing();
