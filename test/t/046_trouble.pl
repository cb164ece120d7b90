# 046_trouble.pl: what a person may meet with a running hospital: a data folder
# that is not set, missing, not writable or full; files that vanish; workers that
# are ended by hand; connections used up; an extension that is changed under it;
# stops in the middle of everything; no rights; the end of the window.
#
# Each is told clearly, nothing is lost, and it goes on by itself when it is mended.
use strict;
use warnings FATAL => 'all';

# A small file system to fill is mounted in a mount namespace of one's own, which
# takes it along when it ends; nobody has special rights in there after that.
BEGIN
{
	if (!exists $ENV{HOSPITAL_SMALL})
	{
		my @in = qw(unshare --user --mount --map-current-user --keep-caps sh -c);
		my $run = 'd=$(mktemp -d) && mount -t tmpfs -o size=6m,mode=700 hospital "$d" && HOSPITAL_SMALL=$d exec setpriv --inh-caps=-all --ambient-caps=-all "$@"';

		$ENV{HOSPITAL_SMALL} = '';
		if (system(@in, "($run) >/dev/null 2>&1", 'sh', 'true') == 0)
		{
			exec @in, $run, 'sh', $^X, map({ "-I$_" } @INC), $0, @ARGV or die "unshare: $!";
		}
	}
}

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use constant TRANSFERS => 15;

my $seed = $ENV{HOSPITAL_TEST_SEED} // 1 + int rand 1_000_000;
note "HOSPITAL_TEST_SEED=$seed";
srand $seed;

my $node = PostgreSQL::Test::Cluster->new('trouble');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
my $folder = $node->basedir . '/folder';
my $full = $ENV{HOSPITAL_SMALL} ne '';
my $small = $full ? $ENV{HOSPITAL_SMALL} : $node->basedir . '/small';
mkdir $_ or die "$_: $!" foreach $folder, $full ? () : $small;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'hospital'
restart_after_crash = on
autovacuum = off
max_connections = 16
max_worker_processes = 10
hospital.databases = 'postgres'
hospital.kafka_brokers = 'embedded'
hospital.batch_interval = '800ms'
hospital.stream_interval = '150ms'
});
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]) }

# While the server may be down.
sub try_sql
{
	# A server that is not there yet may close the pipe that the query is written to.
	my ($code, $out) = eval { $node->psql('postgres', $_[0], timeout => 20, timed_out => \my $late) };

	return defined $code && $code == 0 ? $out : undef;
}

sub error_of
{
	my ($query) = @_;
	my (undef, undef, $err) = $node->psql('postgres', $query, extra_params => [ '-v', 'VERBOSITY=verbose' ]);

	return $err;
}

# Seconds it took.  "Meanwhile" is done before each look.
sub wait_for
{
	my ($query, $what, $patience, $meanwhile) = @_;
	my $began = time;

	while (time - $began < ($patience // 60))
	{
		$meanwhile->() if $meanwhile;
		my $said = try_sql($query);
		if (defined $said && $said eq 't')
		{
			pass($what);
			return time - $began;
		}
		sleep 0.1;
	}
	diag try_sql('SELECT * FROM hospital.status') // 'no answer';
	diag try_sql(q{SELECT kind, day, state, message FROM hospital.batches WHERE state <> 'ingested' ORDER BY day LIMIT 20}) // '';
	BAIL_OUT("timed out: $what");
}

my $ingested = q{(SELECT count(*) FROM (SELECT day FROM hospital.batches WHERE state = 'ingested' GROUP BY day HAVING count(*) = 13) d)};

# Some more days are written and come in, and nobody has an error left.
sub goes_on
{
	my ($after, @wait) = @_;
	my $goal = sql("SELECT $ingested") + 2;

	wait_for("SELECT $ingested >= $goal AND (SELECT count(*) = 0 FROM hospital.status WHERE last_error IS NOT NULL)", "days go on after $after", @wait);
	return;
}

sub scheduler_says
{
	my ($sqlstate, $error, $what) = @_;

	wait_for("SELECT count(*) > 0 FROM hospital.status WHERE worker = 'scheduler' AND sqlstate = '$sqlstate' AND last_error LIKE '$error'", $what);
	return;
}

sub change
{
	my (%settings) = @_;

	sql("ALTER SYSTEM SET hospital.$_ = '$settings{$_}'") foreach sort keys %settings;
	sql('SELECT pg_reload_conf()');
	return;
}

my $log_read = 0;

# What is new in the log.
sub log_since
{
	my $log = slurp_file($node->logfile);
	my $new = substr $log, $log_read;

	$log_read = length $log;
	return $new;
}

# ---- no folder, then one ------------------------------------------------------------

sql('CREATE EXTENSION hospital');
like(error_of('SELECT hospital_start()'), qr/ERROR:  55000: there is no hospital in this database\nHINT:/, 'nothing to start');
sql("CALL hospital_create(people => 20000, beds => 200, seed => $seed, start_date => '2020-01-01', end_date => '2020-12-31', transfers_per_day => "
	. TRANSFERS . '); CALL hospital_load_staff()');
sql('SELECT hospital_start()');
scheduler_says('55000', 'hospital.data_folder is not set', 'no data folder: said');
like(log_since(), qr/hospital scheduler: hospital.data_folder is not set\n.*HINT:  Set hospital.data_folder to an existing folder/, 'and what to do');
change(data_folder => "$folder/none");
scheduler_says('58P01', 'could not open hospital.data_folder "%none": No such file or directory', 'a folder that is not there: said');
like(log_since(), qr/HINT:  Make the folder, owned by the server's user/, 'and what to do');
change(data_folder => $folder);
goes_on('the folder was set');

# ---- the folder vanishes, cannot be written, is full ----------------------------------

rename $folder, "$folder.away" or die;
scheduler_says('58P01', 'could not open hospital.data_folder%', 'the folder has vanished: said');
is(sql(q{SELECT count(*) FROM hospital.batches WHERE state IN ('refused', 'undone')}), 0, 'no file is given up');
rename "$folder.away", $folder or die;
goes_on('it is back');

my ($lake) = glob "$folder/lake/batch/*";
SKIP:
{
	skip 'nothing is forbidden to root', 3 if $> == 0;
	chmod 0555, $lake or die;
	scheduler_says('42501', 'could not make the folder of %: Permission denied', 'a folder that cannot be written: said');
	is(sql(q{SELECT count(*) FROM hospital.batches WHERE state IN ('refused', 'undone')}), 0, 'no file is given up');
	chmod 0755, $lake or die;
	goes_on('it can be written');
}

# Somebody removes what has not come in yet.
my $lock = $node->background_psql('postgres');
$lock->query_safe('BEGIN; LOCK TABLE hospital.admissions IN SHARE MODE');
wait_for(q{SELECT count(DISTINCT day) >= 2 FROM hospital.batches WHERE state = 'written' AND kind = 'admissions'}, 'files wait');
my $gone = sql(q{SELECT file FROM hospital.batches WHERE state = 'written' AND kind = 'diagnoses' ORDER BY day DESC LIMIT 1});
unlink "$folder/$gone" or die "$folder/$gone: $!";
$lock->quit;
goes_on('a file was removed');
wait_for("SELECT state = 'ingested' FROM hospital.batches WHERE file = '$gone'", 'which has been made again');
ok(-e "$folder/$gone", 'and is there');

# Another folder, which has nothing of what is written and waits.
$lock = $node->background_psql('postgres');
$lock->query_safe('BEGIN; LOCK TABLE hospital.visits IN SHARE MODE');
wait_for(q{SELECT count(DISTINCT day) >= 2 FROM hospital.batches WHERE state = 'written' AND kind = 'visits'}, 'files wait');
log_since();
change(data_folder => $small);
$lock->quit;
goes_on('another folder was set');
like(log_since(), qr/files that were not in the lake are written again/, 'where files are made again that are not there');

SKIP:
{
	skip 'no small file system can be mounted here', 6 if !$full;
	scheduler_says('53100', 'could not write %: No space left on device', 'a full folder: said');
	like(log_since(), qr/HINT:  Free space in "\Q$small\E"; nothing of the file was kept/, 'and what to do');
	wait_for(q{SELECT state = 'waiting to retry' FROM hospital.status WHERE worker = 'scheduler'}, 'it waits');
	is(`find '$small' -name '.*.tmp.*'`, '', 'and nothing unfinished is left');
	is(sql(q{SELECT count(*) FROM hospital.batches WHERE state IN ('refused', 'undone')}), 0, 'no file is given up');
	wait_for("SELECT count(*) = 0 FROM hospital.batches WHERE state = 'written'", 'what is there comes in');

	# The days that are due meanwhile come at once and need more than there is:
	# somebody goes on making room.
	goes_on('there is room', 120, sub {
		system('rm', '-rf', map { "$small/$_" } split /\n/, sql(q{SELECT regexp_replace(file, '[^/]*$', '') FROM hospital.batches
			GROUP BY 1 HAVING count(*) = 13 AND bool_and(state = 'ingested')}));
	});
}
change(data_folder => $folder);
goes_on('the old folder was set again');

# ---- ended by hand ----------------------------------------------------------------------

my $started = sql('SELECT pg_postmaster_start_time()');
my @slow;
foreach my $round (1 .. ($ENV{HOSPITAL_TEST_ROUNDS} // 10))
{
	my $role = ('scheduler', 'ingestor', 'consumer')[ int rand 3 ];
	my $how = ('terminate', 'terminate', 'cancel')[ int rand 3 ];
	my $pid;

	for (1 .. 200)
	{
		$pid = sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'hospital $role' LIMIT 1");
		last if $pid ne '';
		sleep 0.05;
	}
	my $began = time;
	sql("SELECT pg_${how}_backend($pid)");
	next if $how eq 'cancel';
	until (sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'hospital $role' AND pid <> $pid") > 0)
	{
		last if time - $began > 10;
		sleep 0.05;
	}
	push @slow, sprintf '%s: %.1f s', $role, time - $began if time - $began > 5;
	sleep rand 0.4;
}
is("@slow", '', 'a worker that is terminated is back within 5 s');
is(sql('SELECT pg_postmaster_start_time()'), $started, 'on the same server');
goes_on('workers were terminated and cancelled');

# ---- no connection left -------------------------------------------------------------------

my $admin = $node->background_psql('postgres');
my @sleepers;
for (1 .. 30)
{
	push @sleepers, IPC::Run::start([ 'psql', '-X', '-d', $node->connstr('postgres'), '-c', 'SELECT pg_sleep(60)' ], '>', \my $out, '2>', \my $err);
}
for (1 .. 100)
{
	last if !defined try_sql('SELECT 1');
	sleep 0.1;
}
ok(!defined try_sql('SELECT 1'), 'all connections are used up');
log_since();
sleep 2;
my @lines = grep { /hospital / && !/day files written|transfers sent|rows, \d+ rejects/ } split /\n/, log_since();
cmp_ok(scalar @lines, '<=', 3, 'the log is not flooded') or diag join "\n", @lines;
$admin->query_safe(q{SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND pid <> pg_backend_pid()});
$_->finish foreach @sleepers;
$admin->quit;
wait_for('SELECT true', 'there are connections again');
goes_on('connections were used up');

# ---- the extension is changed ----------------------------------------------------------------

sql(q{UPDATE pg_extension SET extversion = '0.9' WHERE extname = 'hospital'});
wait_for(q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type IN ('hospital scheduler', 'hospital ingestor')}, 'workers leave an extension of another version');
wait_for(q{SELECT state = 'not able to run' AND last_error ~ 'its extension in this database 0.9' FROM hospital.status WHERE worker = 'scheduler'}, 'and say so');
sql(q{UPDATE pg_extension SET extversion = (SELECT default_version FROM pg_available_extensions WHERE name = 'hospital') WHERE extname = 'hospital'});
sql('SELECT hospital_start()');
goes_on('the version is ours again');

# ---- stops in the middle of everything ---------------------------------------------------------

foreach my $mode ('fast', 'immediate', 'kill', 'fast')
{
	sleep rand 0.6;
	my $began = time;
	if ($mode eq 'kill') { $node->kill9 }
	else { $node->stop($mode) }
	my $took = time - $began;
	cmp_ok($took, '<=', 5, sprintf 'a fast stop takes at most 5 s (%.1f)', $took) if $mode eq 'fast';
	for (1 .. 200)
	{
		last if $node->start(fail_ok => 1);
		$node->stop('fast', fail_ok => 1);    # it believes in the old process
		sleep 0.1;
	}
	goes_on("a $mode stop");
}

# ---- nobody's rights ----------------------------------------------------------------------------

# What everybody may call: pure functions; and what does nothing but by the caller's own rights on the tables.
is(sql(q{SELECT coalesce(string_agg(p.proname, ' ' ORDER BY p.proname), '') FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass
		AND d.deptype = 'e' AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'hospital')
	WHERE p.provolatile <> 'i' AND (p.proacl IS NULL OR EXISTS (SELECT FROM aclexplode(p.proacl) a WHERE a.grantee = 0 AND a.privilege_type = 'EXECUTE'))
		AND p.proname !~ '^hospital_(validate|measured|targets)'}),
	'hospital_create hospital_create_marts hospital_dashboard_data hospital_dashboard_state hospital_drop_cells hospital_fold_day hospital_fold_marts hospital_fold_some hospital_hold_extension hospital_job_is_running hospital_load_people hospital_load_staff hospital_lock_marts hospital_mark_live hospital_merge_month hospital_next_run hospital_open_rows hospital_refresh_marts hospital_report_data hospital_require_jobs hospital_rowsource_support hospital_stream_positions hospital_touch_marts hospital_window_now', 'functions that everybody may call are so on purpose');
sql('CREATE ROLE visitor');
foreach my $call ('SELECT hospital_start()', 'SELECT hospital_stop()', 'CALL hospital_run(1)', q{CALL hospital_publish('2020-01-01', '2020-01-02')},
	q{CALL hospital_ingest('lake/batch/postgres')}, 'CALL hospital_undo_batch(1)', 'CALL hospital_retry_rejects()', q{CALL hospital_export('people')},
	q{SELECT hospital_seek('hospital.transfers', 0, 0)}, q{SELECT hospital_pause('hospital.transfers')}, q{SELECT hospital_resume('hospital.transfers')},
	q{SELECT hospital_accept_gap('hospital.transfers', 0)}, 'SELECT hospital_adopt()', 'SELECT hospital_wake_scheduler()', 'SELECT * FROM hospital_audit_stream()',
	'SELECT * FROM hospital_validate()', 'SELECT * FROM hospital_targets_report()', 'SELECT hospital_dashboard_data()', 'SELECT hospital_report_data()', 'CALL hospital_load_people()', 'CALL hospital_load_staff()',
	'SELECT * FROM hospital_status()', 'SELECT * FROM hospital.status', 'SELECT * FROM hospital_stream_workers()', 'SELECT * FROM hospital.stream_lag',
	'SELECT * FROM hospital.people', q{SELECT hospital_open_rows('visits')})
{
	like(error_of("SET ROLE visitor; $call"), qr/ERROR:  (?:42501: |0A000: |55000: (?!there))/, "a visitor is refused: $call");
}
sql('CREATE DATABASE bare');
$node->safe_psql('bare', 'CREATE EXTENSION hospital');
my (undef, undef, $err) = $node->psql('bare', '\set VERBOSITY verbose' . "\nSET ROLE visitor; CALL hospital_create(1000, 200)");
like($err, qr/ERROR:  42501: permission denied for schema hospital/, 'and may make no hospital');
(undef, undef, $err) = $node->psql('bare', '\set VERBOSITY verbose' . "\nSET ROLE visitor; SET hospital.data_folder = '/tmp'");
like($err, qr/ERROR:  42501: permission denied to set parameter "hospital.data_folder"/, 'nor say where files go');
(undef, undef, $err) = $node->psql('bare', '\set VERBOSITY verbose' . "\nSET ROLE visitor; SET hospital.topic_prefix = 'x.'");
like($err, qr/ERROR:  42501: permission denied to set parameter "hospital.topic_prefix"/, 'nor events');
is($node->safe_psql('bare', 'SET ROLE visitor; SELECT count(*) FROM hospital_generate_people(10)'), 10, 'but generate whom it likes');

# ---- as it was all the time, and the end of the window -------------------------------------------------

sql('SELECT hospital_stop()');
wait_for(q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type LIKE 'hospital%' AND datname IS NOT NULL}, 'stopped');
$node->safe_psql('bare', sprintf "CALL hospital_create(people => 20000, beds => 200, start_date => '2020-01-01', end_date => '2020-01-03', transfers_per_day => %d);"
	. ' CALL hospital_load_staff(); SELECT hospital_start()', TRANSFERS);
change(databases => 'bare', kafka_brokers => '', batch_interval => '300ms');
wait_for(q{SELECT count(*) = 1 FROM hospital.status WHERE worker = 'scheduler' AND database = 'bare' AND state = 'window over'}, 'window over: said');
$node->poll_query_until('bare', q{SELECT count(*) = 39 FROM hospital.batches WHERE state = 'ingested'}) or BAIL_OUT('timed out: the last files');
is($node->safe_psql('bare', q{SELECT coalesce(string_agg(v::text, ' '), '') FROM hospital_validate() v WHERE NOT ok AND check_name NOT LIKE 'stream%'}), '', 'its days are whole');
$node->safe_psql('bare', 'SELECT hospital_stop()');
wait_for(q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type LIKE 'hospital%' AND datname IS NOT NULL}, 'it is stopped');
(undef, undef, $err) = $node->psql('bare', 'CALL hospital_run(1)');
like($err, qr/NOTICE:  the hospital's last day, 2020-01-03, has been written before\nHINT:/, 'no day is left to run');

sql('CALL hospital_run(1)');    # and what still waited
is(sql(q{SELECT coalesce(string_agg(v::text, ' '), '') FROM (SELECT min(day) AS lo, max(day) AS hi FROM hospital.days) d,
		LATERAL hospital_validate(d.lo, d.hi) v WHERE NOT v.ok AND check_name NOT LIKE 'stream%'}), '', 'after all that hospital_validate finds nothing');
is(sql(q{SELECT coalesce(string_agg(a::text, ' '), '') FROM hospital_audit_stream() a WHERE NOT ok}), '', 'nor does hospital_audit_stream');
is(sql(q{SELECT count(*) - count(DISTINCT (day, kind)), max(day) - min(day) + 1 - count(DISTINCT day), count(*) FILTER (WHERE state <> 'ingested') FROM hospital.batches}),
	'0|0|0', 'each file of each day is in once');
is(sql(q{SELECT count(*) FROM (SELECT day FROM hospital.published WHERE tick >= 0 GROUP BY day HAVING sum(events) > } . TRANSFERS . ') d'), 0, 'no event is published twice');
change(databases => 'postgres', kafka_brokers => 'embedded');

# ---- the extension goes ---------------------------------------------------------------------------------

sql('SELECT hospital_start()');
wait_for(q{SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'hospital ingestor'}, 'at work again');
like(error_of('DROP EXTENSION hospital'), qr/ERROR:  2BP01: cannot drop extension hospital because other objects depend on it/, 'data hold the extension');
sql('DROP EXTENSION hospital CASCADE');
wait_for(q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type LIKE 'hospital%' AND datname IS NOT NULL}, 'workers leave a database whose extension is gone');

unlike(slurp_file($node->logfile), qr/PANIC|TRAP|signal 11|signal 6/, 'no process crashed by itself');
$node->stop('fast');
done_testing();
