# 045_two_hospitals.pl: hospitals that share a server, a broker and a data
# folder; copies of one; and databases that are copied and dropped.
#
# Under names of their own they never meet.  Under the same name, or with the
# same topics, the second is refused, and says why.  A copy is quiet until it is
# adopted.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use constant DAYS => 6;
use constant TRANSFERS => 15;

my $seed = $ENV{HOSPITAL_TEST_SEED} // 1 + int rand 1_000_000;
note "HOSPITAL_TEST_SEED=$seed";

my $node = PostgreSQL::Test::Cluster->new('two');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
my $folder = $node->basedir . '/folder';
mkdir $_ or die "$_: $!" foreach $folder, "$folder.other";
$node->append_conf('postgresql.conf', qq{
shared_preload_libraries = 'hospital'
max_worker_processes = 30
autovacuum = off
hospital.data_folder = '$folder'
hospital.databases = 'east, west, south, twin, restored, templated'
hospital.kafka_brokers = 'embedded'
hospital.topics = 'transfers'
hospital.batch_interval = '700ms'
hospital.stream_interval = '120ms'
});
$node->start;

sub sql { return $node->safe_psql(@_) }

sub wait_for
{
	my ($db, $query, $what) = @_;

	return pass($what) if $node->poll_query_until($db, $query);
	diag sql($db, 'SELECT * FROM hospital.status');
	BAIL_OUT("timed out: $what");
}

sub hospital
{
	my ($db, $more, $number) = @_;

	sql('postgres', "CREATE DATABASE $db") if $db !~ /^(?:east|west)$/ || sql('postgres', "SELECT count(*) FROM pg_database WHERE datname = '$db'") == 0;
	sql($db, 'CREATE EXTENSION hospital');
	sql($db, sprintf "CALL hospital_create(people => 20000, beds => 200, seed => %d, start_date => '2020-01-01',"
		. " end_date => date '2020-01-01' + %d, transfers_per_day => %d%s); CALL hospital_load_staff()", $seed + $number, DAYS - 1, TRANSFERS, $more);
	return;
}

# Without the events that an embedded broker had when it ended.
sub whole
{
	my ($gone) = @_;
	return sprintf q{SELECT (SELECT count(*) FROM hospital.batches WHERE state = 'ingested') = %d
		AND (SELECT sum(events) FROM hospital.published) = %d AND (SELECT coalesce(sum(messages), 0) FROM hospital.stream_ranges) >= %d},
	  DAYS * 13, DAYS * TRANSFERS, DAYS * TRANSFERS - $gone;
}

sub is_whole
{
	my ($db, $gone) = (@_, 0);

	wait_for($db, whole($gone), "$db: everything comes in");
	is(sql($db, q{SELECT coalesce(string_agg(v::text, ' '), '') FROM hospital_validate() v WHERE NOT ok}), '', "$db: hospital_validate finds nothing");
	is(sql($db, q{SELECT coalesce(string_agg(a::text, ' '), '') FROM hospital_audit_stream() a WHERE NOT ok}), '', "$db: nor does hospital_audit_stream");
	is(sql($db, 'SELECT count(*) FROM hospital.rejects'), 0, "$db: nothing of another's has come");
	return;
}

# The files of the ledger against those of the lake, each in a folder of its name.
sub files_are_own
{
	my ($db, $where, $name) = @_;
	my @wrong;

	foreach my $line (split /\n/, sql($db, "SELECT file, sha256 FROM hospital.batches UNION ALL SELECT file, sha256 FROM hospital.stream_ranges WHERE file IS NOT NULL"))
	{
		my ($file, $hash) = split /\|/, $line;
		push @wrong, $file if $file !~ m!^lake/\w+/\Q$name\E/! || !-e "$where/$file" || `sha256sum < '$where/$file'` !~ /^$hash /;
	}
	is("@wrong", '', "$db: its files are its own");
	return;
}

sub state_of
{
	my ($db) = @_;

	return sql('postgres', "SELECT state || coalesce(': ' || last_error, '') FROM hospital.status WHERE database = '$db' AND worker = 'scheduler'");
}

sub stopped
{
	my ($db) = @_;

	sql($db, 'SELECT hospital_stop()');
	wait_for('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = '$db' AND backend_type LIKE 'hospital%'", "$db: stopped");
	return;
}

sql('postgres', 'CREATE EXTENSION hospital');

# ---- other names, other topics --------------------------------------------------------

sql('postgres', 'CREATE DATABASE west');
sql('postgres', q{ALTER DATABASE west SET hospital.topic_prefix = 'west.'});
hospital('east', '', 1);
hospital('west', '', 2);
sql($_, 'SELECT hospital_start()') foreach 'east', 'west';

# ---- the same topics -------------------------------------------------------------------

hospital('south', '', 3);
sql('south', 'SELECT hospital_start()');
wait_for('postgres', q{SELECT count(*) = 1 FROM hospital.status WHERE database = 'south' AND worker = 'scheduler'
	AND last_error = 'the topics "hospital...." are used by another hospital of this server' AND sqlstate = '55006'}, 'south: the same topics are refused');
wait_for('south', q{SELECT count(*) >= 2 FROM hospital.days}, 'south: its days go on');
is(sql('south', 'SELECT count(*) FROM hospital.stream_ranges'), 0, 'south: it reads nothing');
like(slurp_file($node->logfile), qr/used by another hospital of this server\n.*DETAIL:.*\n.*HINT:  ALTER DATABASE/, 'the log says what to do');
is_whole($_) foreach 'east', 'west';
files_are_own('east', $folder, 'east');
files_are_own('west', $folder, 'west');
is(sql('west', 'SELECT DISTINCT topic FROM hospital.stream_ranges'), 'west.transfers', 'west: topics of its own');
sql('postgres', q{ALTER DATABASE south SET hospital.topic_prefix = 'south.'});
stopped('south');
sql('south', 'SELECT hospital_start()');
is_whole('south');
files_are_own('south', $folder, 'south');
stopped($_) foreach 'south', 'west';

# ---- the same name ----------------------------------------------------------------------

my $before = `cd '$folder/lake' && find . -path '*/east/*' -type f | sort | xargs sha256sum`;
hospital('twin', ", name => 'east'", 4);
sql('postgres', q{ALTER DATABASE twin SET hospital.topic_prefix = 'twin.'});
sql('twin', 'SELECT hospital_start()');
wait_for('postgres', q{SELECT count(*) = 1 FROM hospital.status WHERE database = 'twin' AND worker = 'scheduler'
	AND last_error = '"lake/batch/east" in hospital.data_folder belongs to another hospital of this name' AND sqlstate = '55006'},
	'twin: the same name in the same folder is refused');
is(sql('twin', 'SELECT count(*) FROM hospital.days, hospital.published'), 0, 'twin: it does nothing');
is(sql('postgres', q{SELECT count(*) FROM hospital.status WHERE database = 'twin' AND pid IS NOT NULL AND worker <> 'scheduler'}), 0, 'twin: nor do others for it');
stopped('twin');
my (undef, undef, $err) = $node->psql('twin', 'CALL hospital_run(1)');
like($err, qr/ERROR:  "lake\/batch\/east" in hospital.data_folder belongs to another hospital.*DETAIL:.*HINT:  Set another hospital.data_folder/s, 'twin: hospital_run neither');
is(`cd '$folder/lake' && find . -path '*/east/*' -type f | sort | xargs sha256sum`, $before, "twin: east's files are as they were");
sql('postgres', "ALTER DATABASE twin SET hospital.data_folder = '$folder.other'");
sql('twin', 'SELECT hospital_start()');
is_whole('twin');
files_are_own('twin', "$folder.other", 'east');
stopped('twin');

# ---- databases that are copied and dropped ------------------------------------------------

# Of a stopped hospital nobody is there; both would fail after 5 s otherwise.
stopped('east');
my $began = time;
sql('postgres', 'CREATE DATABASE templated TEMPLATE east');
sql('postgres', 'DROP DATABASE west');
cmp_ok(time - $began, '<', 30, 'a stopped hospital is in the way of neither CREATE DATABASE ... TEMPLATE nor DROP DATABASE');
wait_for('postgres', q{SELECT count(*) = 0 FROM hospital.status WHERE database = 'west' AND pid IS NOT NULL}, 'west: gone');

# ---- copies ---------------------------------------------------------------------------------

# Of a hospital at work: dumped in the middle of its days.
hospital('west', ", name => 'farwest'", 5);   # the lake has folders of the one before
sql('west', 'SELECT hospital_start()');
wait_for('west', 'SELECT count(*) >= 2 FROM hospital.days', 'west: another one runs');
my $dump = $node->basedir . '/west.dump';
$node->command_ok([ 'pg_dump', '-Fc', '-d', $node->connstr('west'), '-f', $dump ], 'dumped at work');
stopped('west');
sql('postgres', 'DROP DATABASE west; CREATE DATABASE restored TEMPLATE template0');
$node->command_ok([ 'pg_restore', '-e', '-1', '-d', $node->connstr('restored'), $dump ], 'restored into another database');
my $days = sql('restored', 'SELECT count(*) FROM hospital.days');
my $pending = sql('restored', q{SELECT count(*) FROM hospital.batches WHERE state = 'written'});
my $gone = sql('restored', 'SELECT coalesce(sum(events), 0) - (SELECT coalesce(sum(messages), 0) FROM hospital.stream_ranges) FROM hospital.published');
sql('templated', q{UPDATE hospital.run_state SET desired = 'running'});
sql('postgres', 'SELECT pg_reload_conf()');
foreach my $db ('restored', 'templated')
{
	wait_for('postgres', "SELECT count(*) = 1 FROM hospital.status WHERE database = '$db' AND worker = 'scheduler'
		AND state = 'not able to run' AND last_error = 'this hospital is a copy'", "$db: quiet, and says why");
	is(sql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE datname = '$db' AND backend_type LIKE 'hospital%'"), 0, "$db: nobody is there");
}
(undef, undef, $err) = $node->psql('restored', 'SELECT hospital_start()');
is(sql('restored', 'SELECT count(*) FROM hospital.days'), $days, 'a start does not change that');
(undef, undef, $err) = $node->psql('templated', q{UPDATE hospital.run_state SET desired = 'stopped'; CALL hospital_run(1)});
like($err, qr/ERROR:  this hospital is a copy\nDETAIL:.*\nHINT:  SELECT hospital_adopt\(\)/, 'hospital_run refuses it, too');
sql('postgres', q{CREATE ROLE visitor});
(undef, undef, $err) = $node->psql('restored', 'SET ROLE visitor; SELECT hospital_adopt()');
like($err, qr/ERROR:  permission denied for function hospital_adopt/, 'not everybody may adopt it');
$began = time;
sql('restored', 'SELECT hospital_adopt()');
wait_for('postgres', q{SELECT count(*) = 1 FROM hospital.status WHERE database = 'restored' AND worker = 'scheduler' AND pid IS NOT NULL}, 'adopted, it runs');
cmp_ok(time - $began, '<', 10, 'at once');
note "$days days and $pending files that waited were in the dump";
is_whole('restored', $gone);
files_are_own('restored', $folder, 'farwest');

# Into another server.
my $elsewhere = PostgreSQL::Test::Cluster->new('elsewhere');
$elsewhere->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$elsewhere->append_conf('postgresql.conf', qq{
shared_preload_libraries = 'hospital'
hospital.data_folder = '$folder.other'
hospital.batch_interval = '300ms'
});
$elsewhere->start;
$elsewhere->safe_psql('postgres', 'CREATE DATABASE west TEMPLATE template0');
$elsewhere->command_ok([ 'pg_restore', '-e', '-j2', '-d', $elsewhere->connstr('west'), $dump ], 'restored into another server');
$elsewhere->safe_psql('postgres', q{ALTER SYSTEM SET hospital.databases = 'west'});
$elsewhere->reload;
$elsewhere->poll_query_until('west', q{SELECT count(*) = 1 FROM hospital.status WHERE worker = 'scheduler' AND state = 'not able to run'
	AND last_error = 'this hospital is a copy'}) or BAIL_OUT('timed out: a copy in another server');
$elsewhere->safe_psql('west', 'SELECT hospital_adopt()');
$elsewhere->poll_query_until('west', sprintf q{SELECT count(*) = %d FROM hospital.batches WHERE state = 'ingested'}, DAYS * 13)
  or BAIL_OUT('timed out: an adopted copy in another server');
is($elsewhere->safe_psql('west', q{SELECT coalesce(string_agg(v::text, ' '), '') FROM hospital_validate() v WHERE NOT ok AND check_name NOT LIKE 'stream%'}), '',
	'adopted there, it goes on, without the folder that it had');
$elsewhere->stop('fast');

unlike(slurp_file($_->logfile), qr/PANIC|TRAP|signal 11|signal 6/, 'no process crashed by itself') foreach $node, $elsewhere;
$node->stop('fast');
done_testing();
