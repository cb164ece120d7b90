# 042_sight: what can be seen of a hospital, and how it gets out of the way.
#
# Metrics are read by a parser of ours and by Prometheus's own for Python, and
# compared with the tables.  Every setting is changed by a reload.  A hospital with
# nothing to do is watched in /proc.  DROP DATABASE and its kin meet a hospital
# that is at work.
use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use FindBin;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $folder = abs_path(PostgreSQL::Test::Utils::tempdir());
my $node = PostgreSQL::Test::Cluster->new('sight');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->append_conf('postgresql.conf', qq{
shared_preload_libraries = 'hospital'
max_worker_processes = 20
autovacuum = off
hospital.databases = 'postgres, other, third'
hospital.data_folder = '$folder'
hospital.kafka_brokers = 'embedded'
hospital.batch_interval = '5d'
hospital.stream_interval = '5d'
});
$node->start;
my $postmaster = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];

sub query { return $node->safe_psql($_[1] // 'postgres', $_[0]) }

# SQLSTATE, message, detail and hint
sub error_of
{
	my ($query, $database) = @_;
	my ($code, $out, $err) = $node->psql($database // 'postgres', $query, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return $err;
}

sub poll
{
	my ($what, $query, $expected, $database) = @_;
	my $found = '';
	for (1 .. 600)
	{
		$found = query($query, $database);
		last if $found eq $expected;
		sleep 0.1;
	}
	is($found, $expected, $what) or diag(query('SELECT * FROM hospital_status()'));
	return;
}

sub make_hospital
{
	my ($database, $name) = @_;
	query(qq{CREATE EXTENSION hospital;
		CALL hospital_create(people => 20000, beds => 200, end_date => '2021-12-31', name => '$name');
		CALL hospital_load_staff()}, $database);
	return;
}

make_hospital('postgres', 'hospital');

# ---- metrics ------------------------------------------------------------------

# The text format: name and labels => value; dies where it is not well-formed.
sub metrics
{
	my ($text) = @_;
	my (%value, %type, %help, $family);
	for my $line (split /\n/, $text)
	{
		if ($line =~ /^# HELP ([a-z_]+) (.+)$/)
		{
			die "twice: $1" if exists $help{$1};
			die "help: $line" if $2 =~ /\\(?![\\n])/;
			$help{ $family = $1 } = $2;
			next;
		}
		if ($line =~ /^# TYPE ([a-z_]+) (counter|gauge|summary)$/)
		{
			die "type without help: $line" unless $1 eq $family;
			$type{$1} = $2;
			die "a counter's name: $1" if ($2 eq 'counter') != ($1 =~ /_total$/);
			next;
		}
		my ($name, $labels, $number) =
		  $line =~ /^([a-z_]+)((?:\{(?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*"(?:,(?!\})|(?=\})))+\})?) (-?[0-9.]+(?:e[-+]?\d+)?|NaN)$/
		  or die "no sample: $line";
		my $of = $type{$family} eq 'summary' ? $name =~ s/_(?:sum|count)$//r : $name;
		die "$name within $family" unless $of eq $family && exists $type{$family} && $name =~ /^hospital_/;
		die "twice: $name$labels" if exists $value{"$name$labels"};
		$value{"$name$labels"} = $number;
	}
	return %value;
}

sub metrics_now { return metrics(query('SELECT hospital_metrics()', $_[0])) }

query(q{CREATE ROLE watcher; GRANT pg_monitor TO watcher; CREATE ROLE nobody});
my ($status, $out, $err) = $node->psql('postgres', 'SET ROLE nobody; SELECT hospital_metrics()');
like($err, qr/permission denied for function hospital_metrics/, 'metrics are not for everybody');

my $runs = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres'), '-c', 'CALL hospital_run(25)' ], '>', \my $said, '2>&1');
my %progress;
for (1 .. 600)
{
	my %now = metrics_now();
	%progress = (%progress, map { $_ => $now{$_} } grep { /^hospital_progress_/ } keys %now);
	last if ($progress{'hospital_progress_day_folders{database="postgres",activity="run",table=""}'} // 0) > 0 || !$runs->pumpable;
	sleep 0.02;
	last if query(q{SELECT count(*) FROM hospital.days WHERE day = '2020-01-25'}) eq '1';
}
$runs->finish;
is($progress{'hospital_progress_day_folders_planned{database="postgres",activity="run",table=""}'}, 25, 'a run shows its progress');

query(q{SELECT hospital_start()});
poll('all workers', q{SELECT count(*) FROM hospital_status() WHERE pid IS NOT NULL}, 5);
query(q{CALL hospital_publish('2020-02-01', '2020-02-02')});
poll('events come in', q{SELECT sum(rows + duplicates) FROM hospital.stream_ranges}, 30);
my $odd = qq{a "b" \\ c\nd};
(my $odd_label = $odd) =~ s/([\\"])/\\$1/g;
$odd_label =~ s/\n/\\n/g;
query(qq{INSERT INTO hospital.rejects (kind, sqlstate, message) VALUES (E'a "b" \\\\ c\\nd', '22000', 'x'), ('visits', '22000', 'x'), ('visits', '22000', 'x');
	UPDATE hospital.rejects SET resolved_at = now() WHERE reject_id = (SELECT max(reject_id) FROM hospital.rejects)});

my $text = query('SET ROLE watcher; SELECT hospital_metrics()');
my %value = metrics($text);
cmp_ok(scalar(keys %value), '>', 80, 'a member of pg_monitor reads well-formed metrics');
is($value{qq(hospital_rejects_unresolved{database="postgres",kind="$odd_label"})}, 1, 'a label with quotes, backslashes and line ends');
is($value{'hospital_rejects_unresolved{database="postgres",kind="visits"}'}, 1, 'what is resolved is not counted');
for my $expected (
	[ 'hospital_library_preloaded', 1 ],
	[ 'hospital_running{database="postgres"}', 1 ],
	[ 'hospital_worker_up{database="postgres",worker="consumer 0"}', 1 ],
	[ 'hospital_worker_up{database="other",worker="scheduler 0"}', 0 ],
	[ 'hospital_day_folders_written{database="postgres"}', 25 ],
	[ 'hospital_batches{database="postgres",state="ingested"}', 25 * 13 ],
	[ 'hospital_batches{database="postgres",state="refused"}', 0 ],
	[ 'hospital_day_file_bytes_total{database="postgres"}', query('SELECT sum(bytes) FROM hospital.batches') ],
	[ 'hospital_last_day_timestamp_seconds{database="postgres"}', query(q{SELECT extract(epoch FROM date '2020-01-25')}) ],
	[ 'hospital_ingested_rows_total{database="postgres",kind="diagnoses"}', query('SELECT count(*) FROM hospital.diagnoses') ],
	[ 'hospital_stream_lag_messages{database="postgres",topic="hospital.transfers",partition="0"}', 0 ],
	[ 'hospital_stream_partition_running{database="postgres",topic="hospital.transfers",partition="0"}', 1 ],
	[ 'hospital_stream_messages_total{database="postgres",worker="consumer 0"}', query('SELECT sum(messages) FROM hospital.stream_ranges') ],
	[ 'hospital_stream_stage_seconds_count{database="postgres",worker="consumer 0",stage="visible"}', 30 ],
	[ 'hospital_published_day_timestamp_seconds{database="postgres",kind="transfers"}', query(q{SELECT extract(epoch FROM max(day)) FROM hospital.published}) ])
{
	is($value{ $expected->[0] }, $expected->[1], $expected->[0]);
}
my ($p50, $p99, $sum) = map { $value{"hospital_stream_stage_seconds$_"} }
  map { my ($suffix, $quantile) = @$_; qq($suffix\{database="postgres",worker="consumer 0",stage="visible"$quantile}) }
  [ '', ',quantile="0.5"' ], [ '', ',quantile="0.99"' ], [ '_sum', '' ];
ok($p50 > 0 && $p50 <= $p99 && $sum >= 15 * $p50, "percentiles and sum fit: $p50, $p99, $sum");

# A Python with Prometheus's library, or why there is none.
sub python
{
	return ($ENV{HOSPITAL_TEST_PYTHON}, '') if defined $ENV{HOSPITAL_TEST_PYTHON};
	my $cache = $ENV{HOSPITAL_TEST_CACHE} // ($ENV{HOME} // '/tmp') . '/.cache/hospital-test';
	my $dir = "$cache/prometheus-python";
	my $heard = '';
	foreach my $command ([ 'mkdir', '-p', $cache ], [ 'python3', '-m', 'venv', $dir ],
		[ "$dir/bin/python", '-m', 'pip', 'install', '-q', '--disable-pip-version-check', 'prometheus-client==0.22.1' ],
		[ 'touch', "$dir/whole" ])
	{
		last if -e "$dir/whole";
		my $ran = eval { IPC::Run::run($command, '>', \$heard, '2>&1') };
		return ('', "@$command: " . ($heard || $@)) unless $ran;
	}
	return ("$dir/bin/python", '');
}

SKIP:
{
	my ($python, $unavailable) = python();
	skip "Prometheus's parser cannot be had: $unavailable", 3 if $unavailable ne '';
	my ($read, $complaint) = ('', '');
	IPC::Run::run([ $python, "$FindBin::Bin/../prometheus_read.py" ], '<', \"$text\n", '>', \$read, '2>', \$complaint);
	skip "Prometheus's parser cannot be had: $read", 3 if $? >> 8 == 77;
	is($complaint, '', "Prometheus's parser accepts them");
	my @read = map { [ split /\t/ ] } split /\n/, $read;
	is(scalar(@read), scalar(keys %value), 'and sees as many samples');
	my $python_says = q(kind='a "b" ) . '\\\\' . q( c\nd');
	ok((grep { $_->[0] eq 'hospital_rejects_unresolved' && index($_->[2], $python_says) >= 0 } @read) == 1, 'and the odd label as it was')
	  or diag(join "\n", map { $_->[2] } grep { $_->[0] eq 'hospital_rejects_unresolved' } @read);
}

# What somebody has put in a table's place runs with the owner's rights, whoever calls.
query(q{CREATE DATABASE other; CREATE ROLE keeper});
query(q{CREATE EXTENSION hospital; GRANT CREATE, USAGE ON SCHEMA hospital TO keeper;
	GRANT CREATE ON SCHEMA public TO keeper;
	SET ROLE keeper;
	CALL hospital_create(people => 1000, beds => 200);
	DROP VIEW hospital.doctors; DROP TABLE hospital.rejects CASCADE;
	CREATE TABLE public.who (name text);
	CREATE FUNCTION public.spy() RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN current_user || pg_has_role(current_user, ''pg_monitor'', ''member''); END';
	CREATE VIEW hospital.rejects AS SELECT public.spy() AS kind, NULL::timestamptz AS resolved_at}, 'other');
%value = metrics_now('other');
is($value{'hospital_rejects_unresolved{database="other",kind="keeperfalse"}'}, 1, 'nothing of the owner runs with the caller\'s rights');
query('DROP DATABASE other');

# ---- at rest --------------------------------------------------------------------

poll('nothing is to be done', q{SELECT count(*) FROM hospital_status() WHERE state LIKE 'waiting for%' AND database = 'postgres'}, 3);
query('CHECKPOINT');
sleep 16;    # the background writer notes the running transactions once after it
my $wal = query('SELECT pg_current_wal_insert_lsn()');
my $watched = `$^X $FindBin::Bin/../idle_watch.pl 10 $postmaster`;
SKIP:
{
	skip 'no /proc to watch in', 2 unless $watched =~ /^total\|(\d+) processes\|([\d.]+)\|([\d.]+)\|([\d.]+)$/m;
	note $watched;
	is($1, 5, 'five processes are watched');
	cmp_ok($2, '<=', 1.2, 'our loops wake once a second at the most, together');
}
is(query("SELECT pg_current_wal_insert_lsn() - '$wal'"), 0, 'and nothing is written to the log');

# ---- settings ---------------------------------------------------------------------

query('SELECT hospital_stop()');
poll('stopped', q{SELECT count(*) FROM hospital_status() WHERE pid IS NOT NULL AND database IS NOT NULL}, 0);
my %other_value = (
	'hospital.databases' => 'elsewhere',
	'hospital.data_folder' => '/nowhere',
	'hospital.kafka_brokers' => '127.0.0.1:1',
	'hospital.kafka_config_file' => '/nowhere/kafka.conf',
	'hospital.topic_prefix' => 'other.',
	'hospital.topics' => 'all',
	'hospital.seed' => '43',
	'hospital.start_date' => '2021-01-01',
	'hospital.end_date' => '2022-12-31');
my @settings = map { [ split /\|/, $_, 7 ] } split /\n/, query(q{
	SELECT name, vartype, setting, coalesce(min_val, ''), coalesce(max_val, ''), context, coalesce(array_to_string(enumvals, ','), '')
	FROM pg_settings WHERE name LIKE 'hospital.%' ORDER BY name});
cmp_ok(scalar(@settings), '>=', 26, 'there are settings');
my %set;
for my $setting (@settings)
{
	my ($name, $type, $now, $min, $max, $context, $enum) = @$setting;
	my $new = $type eq 'bool' ? ($now eq 'on' ? 'off' : 'on')
	  : $type eq 'enum' ? (grep { $_ ne $now } split /,/, $enum)[0]
	  : $type eq 'string' ? $other_value{$name}
	  : $now eq $min ? $min + 1
	  : $min;
	next unless defined $new;    # a text whose meaning this test does not know
	$set{$name} = [ $new, $context ];
	query("ALTER SYSTEM SET $name = '$new'");
}
cmp_ok(scalar(keys %set), '>=', 26, 'most are changed');
my $log = -s $node->logfile;
query('SELECT pg_reload_conf()');
$node->poll_query_until('postgres', q{SELECT current_setting('hospital.topic_prefix') = 'other.'}) or die;
is(query(q{SELECT string_agg(name, ' ') FROM pg_settings WHERE name LIKE 'hospital.%' AND pending_restart <> (context = 'postmaster')}),
	'', 'no setting waits for a restart but those of which the documents say so');
for my $name (sort keys %set)
{
	next if $set{$name}[1] eq 'postmaster';
	is(query("SELECT setting FROM pg_settings WHERE name = '$name'"), $set{$name}[0], "$name is another after a reload");
}
for my $name (qw(seed num_people start_date end_date))
{
	$node->wait_for_log(qr/hospital launcher: hospital\.$name is "[^"]+" now, which changes no hospital that exists/, $log);
	pass("the log says that hospital.$name changes nothing that is there");
	like(query("SELECT extra_desc FROM pg_settings WHERE name = 'hospital.$name'"), qr/a hospital that exists keeps/, "and so does its description");
}
is(query('SELECT seed, people, start_date, end_date FROM hospital.simulation'), '42|20000|2020-01-01|2021-12-31', 'as it is');
query('ALTER SYSTEM RESET ALL; SELECT pg_reload_conf()');
$node->poll_query_until('postgres', q{SELECT current_setting('hospital.topic_prefix') = 'hospital.'}) or die;

# What workers make of them.
query('SELECT hospital_start()');
sub workers { return "SELECT count(*) FROM hospital_status() WHERE role = '$_[0]' AND pid IS NOT NULL" }
for my $change ([ 'consumer_workers', 3, 'consumer', 3 ], [ 'ingest_workers', 2, 'ingestor', 2 ], [ 'kafka_brokers', q(''), 'broker', 0 ],
	[ 'consumer_workers', 3, 'consumer', 0 ], [ 'databases', q(''), 'scheduler', 0 ])
{
	my ($name, $new, $role, $number) = @$change;
	query("ALTER SYSTEM SET hospital.$name = $new");
	query('SELECT pg_reload_conf()');
	poll("hospital.$name = $new: $number of the ${role}s", workers($role), $number);
}
query('ALTER SYSTEM RESET ALL; SELECT pg_reload_conf()');
poll('all are back', workers('consumer'), 1);

# ---- errors that a person can act on ------------------------------------------------

like(error_of(q{SET ROLE nobody; SELECT hospital_start()}), qr/42501: permission denied/, 'no right to start');
query('SELECT hospital_stop()');
poll('stopped again', workers('scheduler'), 0);
like(error_of(q{SET hospital.data_folder = '/nowhere/at/all'; CALL hospital_run(1)}),
	qr/58P01: could not open hospital\.data_folder.*HINT:  Make the folder, owned by the server's user/s, 'no data folder');
like(error_of(q{SET hospital.data_folder = ''; CALL hospital_run(1)}), qr/55000: hospital\.data_folder is not set.*HINT/s, 'none set');
query('UPDATE hospital.simulation SET generator_version = generator_version + 1000');
like(error_of('CALL hospital_run(1)'),
	qr/55000: this hospital was made by generator version 10\d\d.*DETAIL:  The library loaded here is generator version \d+ .*HINT:  Install the release/s,
	'another generator version');
like(error_of('SELECT hospital_start()'), qr/55000: this hospital was made by generator version 10\d\d.*DETAIL.*HINT/s, 'nor does it start');
query('UPDATE hospital.simulation SET generator_version = generator_version - 1000; SELECT hospital_stop()');
query('CREATE DATABASE unlisted');
query('CREATE EXTENSION hospital; CALL hospital_create(people => 1000, beds => 200)', 'unlisted');
like(error_of('SELECT hospital_start()', 'unlisted'), qr/WARNING:  55000: the hospital will not run: database "unlisted" is not in hospital\.databases.*HINT/s,
	'not listed');

# ---- making way ---------------------------------------------------------------------

query('CREATE DATABASE other');
make_hospital('other', 'second');
query('SELECT hospital_start()', 'other');
my $here = q{SELECT count(*) >= 3 FROM hospital_status() WHERE database = 'other' AND pid IS NOT NULL};
poll('a hospital runs in another database', $here, 't');

my $pids = query(q{SELECT array_agg(pid ORDER BY pid) FROM hospital_status() WHERE database = 'other' AND pid IS NOT NULL});
like(error_of('SET ROLE nobody; DROP DATABASE other'), qr/42501/, 'who may not drop it');
is(query(q{SELECT array_agg(pid ORDER BY pid) FROM hospital_status() WHERE database = 'other' AND pid IS NOT NULL}), $pids, 'does not bother its workers');

sub timed
{
	my ($statement, $what) = @_;
	query('CHECKPOINT');
	my $began = time;
	my $code = $node->psql('postgres', $statement);
	my $took = time - $began;
	is($code, 0, "$what of a running hospital");
	cmp_ok($took, '<=', 5, sprintf('in %.2f s', $took));
	return;
}

timed('CREATE DATABASE third TEMPLATE other', 'CREATE DATABASE ... TEMPLATE');
poll('its workers come back', $here, 't');
query('DROP DATABASE third');
my $session = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('other'), '-c', 'SELECT pg_sleep(7)' ], '>', \$said, '2>&1');
poll('somebody else is connected', q{SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND datname = 'other'}, 1);
like(error_of('DROP DATABASE other'), qr/55006: database "other" is being accessed by other users/, 'somebody else is in the way of DROP DATABASE');
$session->finish;
poll('and the workers come back', $here, 't');
query('BEGIN; ALTER DATABASE other RENAME TO third; ROLLBACK');
poll('and after a rollback', $here, 't');
timed('ALTER DATABASE other RENAME TO third', 'ALTER DATABASE ... RENAME');
poll('under its new name, which is listed, it runs on', q{SELECT count(*) >= 3 FROM hospital_status() WHERE database = 'third' AND pid IS NOT NULL}, 't');
$log = -s $node->logfile;
timed('DROP DATABASE third', 'DROP DATABASE');
poll('nothing is left of it', q{SELECT string_agg(state, ',') FROM hospital_status() WHERE database = 'third' AND role = 'scheduler'}, 'no such database');
unlike(slurp_file($node->logfile, $log), qr/FATAL:  database "third" does not exist/, 'and no worker was started in vain');

# ---- a fast shutdown with everything busy ----------------------------------------------

query('CREATE DATABASE other');
make_hospital('other', 'third');
query(q{ALTER SYSTEM SET hospital.batch_interval = '500ms'; ALTER SYSTEM SET hospital.stream_interval = '100ms'; ALTER SYSTEM SET hospital.topics = 'all'});
query('SELECT pg_reload_conf()');
query('SELECT hospital_start()');
my $run = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('other'), '-c', 'CALL hospital_run(500)' ], '>', \$said, '2>&1');
poll('days are run', q{SELECT count(*) >= 3 FROM hospital.days}, 't', 'other');
poll('events come in', q{SELECT count(*) >= 5 FROM hospital.stream_ranges WHERE committed_at > now() - interval '20 s'}, 't');
my $began = time;
$node->stop('fast');
my $took = time - $began;
eval { $run->finish };
cmp_ok($took, '<=', 8, sprintf('a fast shutdown took %.2f s', $took));

# ---- without the library at start -------------------------------------------------------

$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->start;
like(error_of('SELECT hospital_start()'), qr/WARNING:  55000: the hospital will not run: the library was not loaded at server start.*HINT:  Add hospital to shared_preload_libraries/s,
	'without preload, hospital_start says what is missing');
is(query('SELECT state FROM hospital.status'), 'not in shared_preload_libraries', 'and hospital.status');
%value = metrics_now();
is($value{hospital_library_preloaded}, 0, 'and metrics');
is($value{'hospital_batches{database="postgres",state="written"}'} // -1, query(q{SELECT count(*) FROM hospital.batches WHERE state = 'written'}), 'which have the ledgers all the same');
$node->stop;

done_testing();
