# 063_upgrade.pl: from version 1.0 to 1.1 while a hospital runs, and what its copies are.
#
# A copy of the server gets the scripts and libraries of a next version
# (test/upgrade) under a running hospital.  At each step between "installed" and
# "all of one version" nobody may crash, act or leave it unsaid; afterwards the
# hospital goes on where it was.  Then it is compared, object by object and row by
# row, with a new one of 1.1, with its dump, and with a dump that 1.0 made of it.
use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use FindBin;
use lib "$FindBin::Bin/../upgrade";
use HospitalUpgrade qw(copy_server install_sql install_libraries inventory inventory_differences tables rows_differing);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use constant DAYS_BEFORE => 32;    # a month of them is folded and merged

my $seed = $ENV{HOSPITAL_TEST_SEED} // 1 + int rand 1_000_000;
note "HOSPITAL_TEST_SEED=$seed";

my $began = time;
my $folder = abs_path(PostgreSQL::Test::Utils::tempdir());
my ($lake, $fresh_lake, $dumps) = map { mkdir "$folder/$_" or die; "$folder/$_" } qw(lake fresh_lake dumps);
chomp(my $pg_config = `sh -c 'command -v pg_config'`);
my $copy = copy_server($pg_config, "$folder/server");

my $node = PostgreSQL::Test::Cluster->new('upgrade', install_path => $copy->{install});
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->append_conf('postgresql.conf', qq{
shared_preload_libraries = 'hospital'
max_worker_processes = 16
autovacuum = off
hospital.databases = 'old'
hospital.data_folder = '$lake'
hospital.kafka_brokers = 'embedded'
hospital.consumer_workers = 1
hospital.batch_interval = '2s'
hospital.stream_interval = '400ms'
});
$node->start;

sub sql { return $node->safe_psql($_[1] // 'old', $_[0]) }
sub as_keeper { return $node->safe_psql($_[1] // 'old', $_[0], extra_params => [ '-U', 'keeper' ]) }
sub asker { my ($database) = @_; return sub { return sql($_[0], $database) } }

sub error_of
{
	my ($query, $database, $role) = @_;
	my (undef, undef, $err) = $node->psql($database // 'old', $query, extra_params => [ '-v', 'VERBOSITY=verbose', '-U', $role // 'keeper' ]);
	return $err;
}

sub wait_for
{
	my ($query, $what, $database) = @_;
	my $from = time;

	while (time - $from < 90)
	{
		if (sql($query, $database) eq 't') { pass($what); note sprintf '%.1f s', time - $began; return time - $from }
		sleep 0.1;
	}
	diag sql('SELECT worker, database, state, last_error FROM hospital.status');
	diag sql(q{SELECT kind, day, state, message FROM hospital.batches WHERE state <> 'ingested' LIMIT 10}, $database);
	BAIL_OUT("timed out: $what");
}

sub scheduler_says
{
	my ($pattern, $what, $database) = @_;
	$database //= 'old';
	wait_for("SELECT count(*) = 1 FROM hospital.status WHERE worker = 'scheduler' AND database = '$database' AND concat_ws(': ', state, last_error) ~ '$pattern'",
		$what, $database);
	return;
}

# So many more days are written, and come in; how long that takes.
sub goes_on
{
	my ($what, $more, $database) = @_;
	my $goal = sql('SELECT count(*) FROM hospital.days', $database) + $more;

	return wait_for("SELECT (SELECT count(*) FROM hospital.days) >= $goal AND (SELECT count(*) FROM hospital.batches WHERE state = 'ingested') >= 13 * $goal",
		$what, $database);
}

sub at_rest
{
	my ($database) = @_;

	as_keeper('SELECT hospital_pause()', $database);
	wait_for('SELECT (SELECT ticks_missed = 0 AND days_missed = 0 FROM hospital.run_window)'
		  . q{ AND NOT EXISTS (SELECT FROM hospital_validate_ticks('2020-01-01', '2020-12-31') v WHERE v.events <> v.arrived + v.gone)}, "$database: all is in", $database);
	as_keeper('SELECT hospital_stop()', $database);
	wait_for("SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type LIKE 'hospital%' AND datname = '$database'", "$database: stopped", $database);
	as_keeper('CALL hospital_run(1)', $database);    # the day under way, too
	as_keeper('CALL hospital_fold_marts()', $database);
	return;
}

sub is_valid
{
	my ($database, $name, $from) = @_;

	is(as_keeper("SELECT coalesce(string_agg(v::text, ' '), '') FROM hospital_validate(" . (defined $from ? "date '2020-01-01' + $from" : '') . ') v WHERE NOT ok', $database),
		'', "$name: every day is as it should be");
	is(sql(q{SELECT coalesce(string_agg(a::text, ' '), '') FROM hospital_audit_stream() a WHERE NOT ok}, $database), '', "$name: so is the stream's ledger");
	return;
}

my @table;    # of what was compared
my $old;       # the inventory of "old", which is not changed any more

sub is_same
{
	my ($name, $two, $truth) = @_;
	my $one = 'old';
	my ($objects, @differ) = inventory_differences($old //= inventory(asker($one)), inventory(asker($two)));
	my @tables = tables(asker($one), $truth);
	my ($rows, $differing, @which) = rows_differing(asker($one), asker($two), @tables);

	is(join("\n", @differ), '', "$name: $objects objects are the same");
	is("@which", '', "$name: $rows rows of " . @tables . ' tables and sequences are the same');
	push @table, sprintf '%-28s %5d objects, %d differing; %7d rows, %d differing', $name, $objects, scalar @differ, $rows, $differing;
	return;
}

# As docker/setup/setup.sh does: what nobody else may call is granted by looking.
my $grants = <<'EOQ';
GRANT CREATE, USAGE ON SCHEMA hospital, hospital_mart TO keeper;
DO $$ DECLARE f regprocedure; BEGIN
	FOR f IN SELECT p.oid FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
		JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'hospital' WHERE NOT has_function_privilege('public', p.oid, 'EXECUTE')
	LOOP EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO keeper', f); END LOOP;
END $$;
GRANT EXECUTE ON FUNCTION hospital_audit_stream() TO auditor;
GRANT UPDATE (target) ON hospital.targets TO auditor;
EOQ

sub make_hospital
{
	my ($database, $setting) = @_;

	sql("CREATE DATABASE $database", 'postgres');
	sql($setting, 'postgres') if defined $setting;
	sql("CREATE EXTENSION hospital; $grants; GRANT CREATE ON DATABASE $database TO keeper", $database);
	as_keeper("CALL hospital_create(people => 5000, beds => 200, seed => $seed, name => 'one', start_date => '2020-01-01', end_date => '2020-05-31')", $database);
	as_keeper('CALL hospital_load_people()', $database);
	as_keeper('CALL hospital_load_staff()', $database);
	return;
}

# ---- a hospital of 1.0, that runs ---------------------------------------------------------

sql('CREATE ROLE keeper LOGIN; CREATE ROLE auditor; GRANT pg_monitor, pg_read_server_files, pg_write_server_files TO keeper', 'postgres');
make_hospital('old');
as_keeper('CALL hospital_run(' . DAYS_BEFORE . ')');
sql('CALL hospital_create_roles()');
as_keeper(q{CREATE SCHEMA keeper; CREATE TABLE keeper.beats (due timestamptz);
	SELECT hospital_schedule_job('beat', '1 second', 'INSERT INTO keeper.beats VALUES ($1)', catch_up => 'all', catch_up_limit => 1000);
	UPDATE hospital.jobs SET enabled = false WHERE job_name = 'close days';    -- takes a while
	SELECT hospital_start()});
goes_on('days go by', 1);
wait_for('SELECT count(*) > 0 FROM hospital.stream_ranges', 'events come in');
wait_for('SELECT count(*) > 1 FROM keeper.beats', 'jobs run');

# An update that is under way, or fails: workers leave it alone, and come back.
my $update = $node->background_psql('old');
$update->query_safe(q{BEGIN; SELECT hospital_begin_update('1.0')});
scheduler_says('the extension is being altered', 'an update is under way: the scheduler says so');
my $days = sql('SELECT count(*) FROM hospital.days');
sleep 1.5;
is(sql('SELECT count(*) FROM hospital.days'), $days, 'and nothing is written meanwhile');
$update->query_safe('ROLLBACK');
$update->quit;
cmp_ok(goes_on('it goes on when the update was rolled back', 1), '<', 30, 'soon');

# Slowly, for the copy will make up the time until then.
as_keeper('SELECT hospital_speed(0.01)');
$node->command_ok([ 'pg_dump', '-Fc', '-d', $node->connstr('old'), '-f', "$dumps/of_1.0" ], 'a dump while it runs');
as_keeper('SELECT hospital_speed(1)');

# ---- 1.1 is installed under it -----------------------------------------------------------

my $started = sql('SELECT pg_postmaster_start_time()');
install_libraries($copy);
install_sql($copy);
my $log = -s $node->logfile;
sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'hospital consumer'});
$node->wait_for_log(qr/library hospital_kafka is version 1\.1, and hospital 1\.0\n.*HINT:  Restart the server/, $log);
pass('a worker that would load half of 1.1 is refused');
wait_for(q{SELECT count(*) = 1 FROM hospital.status WHERE worker = 'consumer 0' AND state = 'did not start: see the server''s log'}, 'which can be seen');
like(error_of('ALTER EXTENSION hospital UPDATE', 'old', $node->safe_psql('postgres', 'SELECT current_user')),
	qr/ERROR:  55000: the library of hospital that is loaded is version 1\.0, and not 1\.1\nHINT:.*restart/, 'the update waits for the restart');
is(sql(q{SELECT extversion FROM pg_extension WHERE extname = 'hospital'}), '1.0', 'and changes nothing before');
goes_on('the hospital goes on', 1);
is(sql('SELECT pg_postmaster_start_time()'), $started, 'on the same server');

# ---- library 1.1, extension 1.0 ------------------------------------------------------------

$node->restart;
scheduler_says('^not able to run: the library of hospital is version 1\.1, its extension in this database 1\.0$', 'library 1.1, extension 1.0: workers step aside and say why');
foreach my $call ('CALL hospital_run(1)', 'CALL hospital_ingest(\'lake/batch/one\')', 'SELECT hospital_start()', 'CALL hospital_load_people()',
	q{CALL hospital_publish('2020-01-01', '2020-01-02')}, 'CALL hospital_upgrade_tables()')
{
	like(error_of($call), qr/ERROR:  55000: the library of hospital (?:that )?is (?:loaded is )?version 1\.1/, "refused: $call");
}
is(as_keeper('SELECT count(*) > 0 FROM hospital_mart.revenue_by_month'), 't', 'what is there can be read');
$days = sql('SELECT count(*) FROM hospital.days');

# ---- the update, while the launcher and everybody else are there ---------------------------

my $from = time;
sql('ALTER EXTENSION hospital UPDATE');
my $update_took = time - $from;
scheduler_says('^not able to run: the tables of this hospital are of version 1, and the extension is for version 2$', 'the extension is 1.1: the tables come next');
like(error_of('CALL hospital_run(1)'), qr/ERROR:  55000: the tables of this hospital are of version 1.*\n.*\nHINT:  CALL hospital_upgrade_tables\(\)/, 'a session says it, too');
like(error_of('CALL hospital_upgrade_tables()', 'old', $node->safe_psql('postgres', 'SELECT current_user')),
	qr/ERROR:  42501: must be the owner of hospital\.simulation\n.*\nHINT:  SET ROLE keeper first/, 'they are their owner\'s to upgrade');
is(sql('SELECT count(*) FROM hospital.days'), $days, 'nothing was done so far');
sql($grants);
$from = time;
as_keeper('CALL hospital_upgrade_tables()');
my $tables_took = time - $from;
my $back = goes_on('the hospital goes on by itself', 1);
cmp_ok($back, '<', 30, 'soon');
like(error_of('CALL hospital_upgrade_tables()'), qr/NOTICE:  00000: the tables are of version 2 already/, 'once more does nothing');
sql('CALL hospital_create_roles()');
note sprintf 'ALTER EXTENSION %.2f s, hospital_upgrade_tables %.2f s, another day %.2f s later', $update_took, $tables_took, $back;
at_rest('old');
is_valid('old', 'upgraded');
is(sql(q{SELECT count(*) FROM hospital.days d WHERE d.day <> date '2020-01-01' + (SELECT count(*) FROM hospital.days e WHERE e.day < d.day)::int}), 0, 'no day is missing');
is(sql(q{SELECT string_agg(DISTINCT state, ' ') FROM hospital.job_runs WHERE job_name = 'beat' AND state <> 'waiting'}), 'succeeded', 'every run of a job went well');
is(sql(q{SELECT count(*) FROM (SELECT due - lag(due) OVER (ORDER BY due) AS after FROM keeper.beats) b WHERE after <> '1 second'}), 0,
	'each time of its schedule is there once, those of the update, too');
as_keeper(q{SELECT hospital_unschedule_job('beat'); UPDATE hospital.jobs SET enabled = true WHERE job_name = 'close days'});

# ---- fresh = upgraded ----------------------------------------------------------------------

$days = sql('SELECT count(*) FROM hospital.days');
make_hospital('fresh', "ALTER DATABASE fresh SET hospital.data_folder = '$fresh_lake'");
as_keeper("CALL hospital_run($days)", 'fresh');
as_keeper('CALL hospital_fold_marts()', 'fresh');
sql('CALL hospital_create_roles()', 'fresh');
is_same('fresh 1.1', 'fresh', 1);

# ---- dumped and restored ---------------------------------------------------------------------

sub restore
{
	my ($database, $dump) = @_;

	sql("CREATE DATABASE $database TEMPLATE template0", 'postgres');
	$node->command_ok([ 'pg_restore', '-e', '-j2', '-d', $node->connstr($database), "$dumps/$dump" ], "$database: restored");
	return;
}

$node->command_ok([ 'pg_dump', '-Fc', '-d', $node->connstr('old'), '-f', "$dumps/of_1.1" ], 'a dump of 1.1');
restore('restored', 'of_1.1');
is_same('dumped and restored', 'restored');

# A dump of 1.0, into a server that has 1.1: new functions, old tables.
restore('older', 'of_1.0');
$node->append_conf('postgresql.conf', "hospital.databases = 'older'");
$node->reload;
scheduler_says('the tables of this hospital are of version 1, and the extension is for version 2', 'a dump of 1.0: the tables come next', 'older');
as_keeper('CALL hospital_upgrade_tables()', 'older');
sql($grants, 'older');
sql('CALL hospital_create_roles()', 'older');
my ($objects, @differ) = inventory_differences($old, inventory(asker('older')));
is(join("\n", @differ), '', "a dump of 1.0, upgraded: $objects objects are the same");
push @table, sprintf '%-28s %5d objects, %d differing', 'dump of 1.0, upgraded', $objects, scalar @differ;

# ---- copies go on living -----------------------------------------------------------------------

# One that was dumped while it ran, days ago: what the lake and the topics know since is made up.
scheduler_says('this hospital is a copy', 'a copy is quiet', 'older');
as_keeper('SELECT hospital_adopt(), hospital_speed(1)', 'older');
goes_on('adopted, it goes on at once', 1, 'older');
at_rest('older');
is_valid('older', 'a dump of 1.0', DAYS_BEFORE);

$node->append_conf('postgresql.conf', "hospital.databases = 'restored'");
$node->reload;
scheduler_says('this hospital is a copy', 'a copy is quiet', 'restored');
is(sql('SELECT count(*) FROM hospital.days', 'restored'), $days, 'it has written nothing');
as_keeper('SELECT hospital_adopt(), hospital_start()', 'restored');
goes_on('adopted and started, it goes on', 1, 'restored');
at_rest('restored');
is_valid('restored', 'dumped and restored', DAYS_BEFORE);
is(sql(q{SELECT count(*) FROM hospital.published GROUP BY kind, day, tick HAVING count(*) > 1}, 'restored'), '', 'nothing is published under one number twice');
is(sql(q{SELECT count(*) FROM hospital.stream_partitions p WHERE p.epoch <> (SELECT max(r.epoch) FROM hospital.stream_ranges r
	WHERE (r.topic, r.partition) = (p.topic, p.partition))}, 'restored'), 0, 'and all is read in the latest epoch');

note $_ foreach @table;
note sprintf '%.1f s', time - $began;
$node->stop;
done_testing();
