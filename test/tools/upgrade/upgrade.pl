# upgrade.pl: one hospital that is made by hospital 1.0 on one server, brought to 1.1
# there, then by pg_upgrade and by a dump to other servers; and in each compared
# with what it was (row by row) and with one that is made there (object by object),
# adopted, run and validated.
#
# usage: upgrade.pl PG_CONFIG PG_CONFIG...   from the first to each of the others; all
# have hospital 1.0
use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use HospitalUpgrade qw(copy_server install_sql install_libraries inventory inventory_differences tables rows_differing);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use constant DAYS => $ENV{HOSPITAL_UPGRADE_DAYS} // 33;    # a month of them is folded and merged

my $seed = $ENV{HOSPITAL_TEST_SEED} // 1 + int rand 1_000_000;
note "HOSPITAL_TEST_SEED=$seed";
my $folder = abs_path(PostgreSQL::Test::Utils::tempdir());
my ($old_config, @configs) = @ARGV;
my $server = copy_server($old_config, "$folder/server");
my $lakes = 0;

sub new_lake { my $lake = "$folder/lake." . ++$lakes; mkdir $lake or die; return $lake }

sub make_node
{
	my ($name, $server, $lake, @extra) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name, install_path => $server->{install});

	$node->init(extra => [ '--encoding=UTF8', '--locale=C', @extra ]);
	$node->append_conf('postgresql.conf', qq{
shared_preload_libraries = 'hospital'
max_worker_processes = 16
autovacuum = off
fsync = off
hospital.data_folder = '$lake'
hospital.kafka_brokers = 'embedded'
hospital.consumer_workers = 1
hospital.batch_interval = '2s'
hospital.stream_interval = '400ms'
});
	return $node;
}

sub sql { my ($node, $query, $database) = @_; return $node->safe_psql($database // 'one', $query) }
sub asker { my ($node, $database) = @_; return sub { return sql($node, $_[0], $database) } }

sub wait_for
{
	my ($node, $query, $what, $database) = @_;

	for (1 .. 1200)
	{
		if (sql($node, $query, $database) eq 't') { pass($what); return }
		sleep 0.1;
	}
	diag sql($node, 'SELECT worker, database, state, last_error FROM hospital.status', $database);
	BAIL_OUT("timed out: $what");
}

sub make_hospital
{
	my ($node, $database, $days) = @_;

	sql($node, "CREATE DATABASE $database", 'postgres');
	sql($node, 'CREATE EXTENSION hospital', $database);
	sql($node, "CALL hospital_create(people => 5000, beds => 200, seed => $seed, name => 'one', start_date => '2020-01-01', end_date => '2020-04-30')", $database);
	sql($node, $_, $database) foreach 'CALL hospital_load_people()', 'CALL hospital_load_staff()', "CALL hospital_run($days)";
	return;
}

# It runs for so many more days, and stands still.
sub live
{
	my ($node, $database, $more) = @_;
	my $goal = sql($node, 'SELECT count(*) FROM hospital.days', $database) + $more;

	$node->append_conf('postgresql.conf', "hospital.databases = '$database'");
	$node->reload;
	sql($node, 'SELECT hospital_start()', $database);
	wait_for($node, "SELECT (SELECT count(*) FROM hospital.days) >= $goal AND (SELECT count(*) FROM hospital.batches WHERE state = 'ingested') >= 13 * $goal"
		  . ' AND EXISTS (SELECT FROM hospital.stream_ranges)', "$database: days go by", $database);
	sql($node, 'SELECT hospital_pause()', $database);
	wait_for($node, 'SELECT (SELECT ticks_missed = 0 AND days_missed = 0 FROM hospital.run_window)'
		  . q{ AND NOT EXISTS (SELECT FROM hospital_validate_ticks('2020-01-01', '2020-12-31') v WHERE v.events <> v.arrived + v.gone)}, "$database: all is in", $database);
	sql($node, 'SELECT hospital_stop()', $database);
	wait_for($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type LIKE 'hospital%' AND datname = '$database'", "$database: stopped", $database);
	$node->append_conf('postgresql.conf', "hospital.databases = ''");
	$node->reload;
	sql($node, $_, $database) foreach 'CALL hospital_run(1)', 'CALL hospital_fold_marts()';
	return;
}

my @table;

# Adopts, lives, and is as it should be.
sub goes_on_living
{
	my ($node, $database, $name) = @_;

	my ($code, $out, $err) = $node->psql($database, 'CALL hospital_run(1)');
	like($err, qr/this hospital is a copy/, "$name: a copy is quiet");
	sql($node, 'SELECT hospital_adopt()', $database);
	live($node, $database, 1);
	my $amiss = sql($node, "SELECT coalesce(string_agg(v::text, ' '), '') FROM hospital_validate(date '2020-01-01' + " . (DAYS - 3) . ') v WHERE NOT ok', $database)
	  . sql($node, q{SELECT coalesce(string_agg(a::text, ' '), '') FROM hospital_audit_stream() a WHERE NOT ok}, $database);
	is($amiss, '', "$name: days and stream are as they should be");
	$table[-1] .= $amiss eq '' ? '; goes on living' : '; DOES NOT GO ON LIVING';
	return;
}

# objects: with a hospital made there; rows: with the one it was.
sub compare
{
	my ($name, $copy, $database, $fresh, $was, @tables) = @_;
	my ($objects, @differ) = inventory_differences(inventory(asker($fresh, 'fresh')), inventory(asker($copy, $database)));
	my ($rows, $differing, @which) = rows_differing(asker($was, 'one'), asker($copy, $database), @tables);

	is(join("\n", @differ), '', "$name: $objects objects are the same");
	is("@which", '', "$name: $rows rows of " . @tables . ' tables and sequences are the same');
	push @table, sprintf '%-52s %5d objects, %d differing; %7d rows, %d differing', $name, $objects, scalar @differ, $rows, $differing;
	return;
}

# Debian's 15.20 gives each column an option, pg_attver, which its own pg_dump leaves
# out.  Others' take it for a user's, and their ALTER TABLE does not know it: whatever
# the table, pg_upgrade to them ends there.
sub has_attver { return index(slurp_file("$_[0]{bindir}/postgres"), 'pg_attver') >= 0 }

sub pg_upgrade
{
	my ($old, $new, $of, @options) = @_;

	mkdir "$folder/pg_upgrade" unless -d "$folder/pg_upgrade";
	chdir "$folder/pg_upgrade" or die;
	command_ok([ "$of->{bindir}/pg_upgrade", '-b', $server->{bindir}, '-B', $of->{bindir}, '-d', $old->data_dir, '-D', $new->data_dir,
		'-p', $old->port, '-P', $new->port, '-s', $folder, @options ], join ' ', 'pg_upgrade', @options);
	return;
}

# ---- 15: 1.0, lives, becomes 1.1 -----------------------------------------------------------

my $lake = new_lake();
my $old = make_node('old', $server, $lake);
$old->start;
my $old_version = sql($old, 'SHOW server_version', 'postgres') =~ s/ .*//r;
make_hospital($old, 'one', DAYS);
sql($old, 'CALL hospital_create_roles()');
live($old, 'one', 2);
install_libraries($server);
install_sql($server);
$old->restart;
sql($old, 'ALTER EXTENSION hospital UPDATE');
sql($old, 'CALL hospital_upgrade_tables()');
sql($old, 'CALL hospital_create_roles()');
my @tables = tables(asker($old, 'one'));

# ---- each newer server, and 15 itself ----------------------------------------------------------

foreach my $n (0 .. $#configs)
{
	my $of = copy_server($configs[$n], "$folder/server.$n");
	my $is_own = $configs[$n] eq $old_config;
	chomp(my $version = `'$of->{bindir}/postgres' --version`);
	$version =~ s/.*\) (\S+).*/$1/;
	my ($major) = $version =~ /^(\d+)/;
	install_libraries($of);
	install_sql($of);
	my @extra = $major >= 18 ? '--no-data-checksums' : ();
	my $way = "pg_upgrade from $old_version to $version" . ($is_own ? ', --link' : '');
	my $new = make_node("upgraded_$major", $of, $lake, @extra);
	my $data = $old;
	my $fresh = make_node("fresh_$major", $of, new_lake(), @extra);

	$fresh->start;
	make_hospital($fresh, 'fresh', 1);
	sql($fresh, 'CALL hospital_create_roles()', 'fresh');
	if ($is_own || has_attver($of) || !has_attver($server))
	{
		$old->stop;
		if ($is_own)
		{
			# what is linked is used up: of a copy
			$data = PostgreSQL::Test::Cluster->new('linked', install_path => $server->{install});
			PostgreSQL::Test::RecursiveCopy::copypath($old->data_dir, $data->data_dir);
			$data->append_conf('postgresql.conf', 'port = ' . $data->port . "\nunix_socket_directories = '" . $data->host . "'");
			chmod 0700, $data->data_dir;
		}
		pg_upgrade($data, $new, $of, $is_own ? '--link' : ());
		$old->start;
		$new->start;
		compare($way, $new, 'one', $fresh, $old, @tables);
		goes_on_living($new, 'one', $way);
		$new->stop;
	}
	else { diag "pg_upgrade from $old_version to $version: not possible, see has_attver" }

	# by a dump, into the fresh server beside what is there
	$way = "pg_dump of $old_version, restored into $version";
	sql($fresh, 'CREATE DATABASE restored TEMPLATE template0', 'postgres');
	command_ok([ (has_attver($server) ? $server : $of)->{bindir} . '/pg_dump', '-Fc', '-d', $old->connstr('one'), '-f', "$folder/dump" ], 'pg_dump');
	command_ok([ "$of->{bindir}/pg_restore", '-e', '-j2', '-d', $fresh->connstr('restored'), "$folder/dump" ], 'pg_restore');
	unlink "$folder/dump";
	compare($way, $fresh, 'restored', $fresh, $old, @tables);
	$fresh->append_conf('postgresql.conf', "hospital.data_folder = '$lake'");
	$fresh->reload;
	goes_on_living($fresh, 'restored', $way);
	$fresh->stop;
}
$old->stop;
diag $_ foreach @table;
done_testing();
