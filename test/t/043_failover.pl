# 043_failover.pl: a standby that is promoted while the simulation runs, and a
# restore to an earlier time.
#
# Rows and positions go back together, and nobody helps: days that the lake has
# already are made again with the same bytes, files that it has lost too, events
# that are in Kafka are found there and not sent twice, and read again from where
# the ledger is.
use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use Digest::SHA;
use FindBin;
use lib "$FindBin::Bin/../kafka";
use HospitalKafka;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use constant DAYS => 26;
use constant TRANSFERS => 15;    # a day
use constant KINDS => 13;

my $seed = $ENV{HOSPITAL_TEST_SEED} // 1 + int rand 1_000_000;
note "HOSPITAL_TEST_SEED=$seed";
srand $seed;

my $unavailable = HospitalKafka::unavailable();
my $kafka;
if ($unavailable eq '')
{
	$kafka = HospitalKafka->new(abs_path(PostgreSQL::Test::Utils::tempdir()));
	$kafka->start;
}
else { note "no Apache Kafka here, files alone: $unavailable" }

my $shared = abs_path(PostgreSQL::Test::Utils::tempdir());
my $other = abs_path(PostgreSQL::Test::Utils::tempdir());

sub sql { return $_[0]->safe_psql('postgres', $_[1]) }

sub wait_for
{
	my ($node, $query, $what) = @_;

	return if $node->poll_query_until('postgres', $query);
	diag sql($node, 'SELECT * FROM hospital.status');
	diag sql($node, 'SELECT kind, day, state, message FROM hospital.batches WHERE state NOT IN (\'ingested\') ORDER BY day LIMIT 20');
	BAIL_OUT("timed out: $what");
}

my $days = 'SELECT count(*) FROM hospital.days';

# So many more days are written.
sub days_later
{
	my ($node, $more) = @_;
	my $goal = sql($node, $days) + $more;

	wait_for($node, "SELECT ($days) >= $goal", "$more more days");
	return;
}

# ---- a hospital, and what is known of it at some moment ----------------------------

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(has_archiving => 1, allows_streaming => 1, extra => [ '--encoding=UTF8', '--locale=C' ]);
$primary->append_conf('postgresql.conf', qq{
shared_preload_libraries = 'hospital'
max_worker_processes = 12
autovacuum = off
hospital.databases = 'postgres'
hospital.data_folder = '$shared'
hospital.kafka_brokers = '@{[ $kafka ? $kafka->address : '' ]}'
hospital.consumer_workers = 2
hospital.batch_interval = '600ms'
hospital.stream_interval = '100ms'
});
$primary->start;
sql($primary, 'CREATE EXTENSION hospital');
sql($primary, sprintf "CALL hospital_create(people => 20000, beds => 200, seed => $seed, start_date => '2020-01-01',"
	. " end_date => date '2020-01-01' + %d, transfers_per_day => %d)", DAYS - 1, TRANSFERS);
sql($primary, 'CALL hospital_load_staff()');
$primary->backup('base');

my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

sql($primary, 'SELECT hospital_start()');
days_later($primary, 3);

# Files that are written and wait: somebody is in the ingestor's way.
my $lock = $primary->background_psql('postgres');
$lock->query_safe('BEGIN; LOCK TABLE hospital.visits IN SHARE MODE');
days_later($primary, 3);
wait_for($primary, "SELECT count(*) > 0 FROM hospital.batches WHERE state = 'written' AND kind = 'visits'", 'files that wait');
sql($primary, q{SELECT pg_create_restore_point('earlier')});
my $lsn = $primary->lsn('write');
my $segment = sql($primary, "SELECT pg_walfile_name(pg_switch_wal())");
$primary->wait_for_catchup($standby, 'replay', $lsn);

# ---- the standby is quiet, and falls behind -----------------------------------------

is(sql($standby, q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'hospital%'}), 0, 'on a standby nothing of ours runs');
like(sql($standby, 'SELECT state FROM hospital.status'), qr/^standby: nothing runs/, 'and hospital.status says so');
my ($code, $out, $err) = $standby->psql('postgres', 'SELECT hospital_start()');
like($err, qr/ERROR:  cannot execute .* (?:read-only transaction|during recovery)/, 'it cannot be started there');
cmp_ok(sql($standby, $days), '>', 0, 'days can be read there');
is(sql($standby, q{SELECT count(*) FILTER (WHERE NOT ok AND check_name LIKE 'staff%') FROM hospital_validate('2020-01-01', '2020-01-01')}), 0,
	'and validated');

$standby->append_conf('postgresql.conf', "primary_conninfo = ''");
$standby->reload;
$standby->poll_query_until('postgres', 'SELECT count(*) = 0 FROM pg_stat_wal_receiver') or BAIL_OUT('the standby still follows');
$lock->quit;
days_later($primary, 4);
wait_for($primary, "SELECT count(*) = 0 FROM hospital.batches WHERE state = 'written' AND day <= (SELECT max(day) - 2 FROM hospital.days)",
	'files that come in');
wait_for($primary, "SELECT archived_count > 0 AND last_archived_wal >= '$segment' FROM pg_stat_archiver", 'the archive');
my $lost = sql($primary, $days) - sql($standby, $days);
$primary->kill9;
cmp_ok($lost, '>=', 3, "the primary is killed, and the standby is $lost days behind");
cmp_ok(sql($standby, q{SELECT count(*) FROM hospital.batches WHERE state = 'written'}), '>', 0, 'with files that wait');

# ---- what must hold in the end -------------------------------------------------------

# Files of the lake that are not what the ledger says.
sub wrong_files
{
	my ($node, $folder, $query) = @_;
	my @wrong;

	foreach my $line (split /\n/, sql($node, $query))
	{
		my ($file, $hash) = split /\|/, $line;
		push @wrong, $file if !-e "$folder/$file" || Digest::SHA->new(256)->addfile("$folder/$file")->hexdigest ne $hash;
	}
	return "@wrong";
}

sub leftovers
{
	my ($folder) = @_;
	my @found = split /\n/, `find '$folder' -name '*.tmp.*' -not -path '*/quarantine/*'`;

	return "@found";
}

sub is_whole
{
	my ($node, $what, $folder, $from) = @_;
	my $all = DAYS * TRANSFERS;
	my $generated = q{SELECT g.* FROM hospital.simulation s, generate_series(s.start_date, s.end_date, '1 day') d,
		LATERAL hospital_generate_transfers(d::date, s.seed, s.people, s.beds, s.start_date, s.transfers_per_day) g};

	wait_for($node, sprintf("SELECT count(*) = %d FROM hospital.batches WHERE state = 'ingested'", DAYS * KINDS), "$what: all files");
	is(sql($node, "SELECT count(*), count(DISTINCT (day, kind)), (SELECT count(*) FROM hospital.days) FROM hospital.batches"),
		join('|', DAYS * KINDS, DAYS * KINDS, DAYS), "$what: each file of each day is in once");
	if ($kafka)
	{
		wait_for($node, "SELECT sum(events) >= $all FROM hospital.published", "$what: all events are published");
		wait_for($node, "SELECT sum(rows + duplicates + rejects) >= $all FROM hospital.stream_ranges", "$what: all events are read");
		is(sql($node, "SELECT (SELECT sum(events) FROM hospital.published), sum(rows + duplicates), sum(rejects) FROM hospital.stream_ranges"),
			"$all|$all|0", "$what: each event is published once, and once on the topic");
	}
	is(sql($node, "SELECT count(*) FROM (($generated EXCEPT ALL TABLE hospital.transfers) UNION ALL (TABLE hospital.transfers EXCEPT ALL $generated)) d"),
		0, "$what: no transfer is lost, doubled or altered");
	is(sql($node, q{SELECT coalesce(string_agg(v::text, ' '), '') FROM hospital_validate() v WHERE NOT ok}), '', "$what: hospital_validate finds nothing");
	is(sql($node, q{SELECT count(*) FROM hospital.days WHERE closed_at IS NULL}), 0, "$what: all days are closed");
	is(sql($node, q{SELECT coalesce(string_agg(a::text, ' '), '') FROM hospital_audit_stream() a WHERE NOT ok}), '', "$what: nor does hospital_audit_stream");
	is(wrong_files($node, $folder, "SELECT file, sha256 FROM hospital.batches WHERE day >= '$from'"), '', "$what: day files are those of the ledger");
	is(leftovers($folder), '', "$what: none is unfinished");
	is(join(' ', glob "$folder/lake/quarantine/*.csv"), '', "$what: none is strange");
	unlike(slurp_file($node->logfile), qr/PANIC|TRAP|signal 11|signal 6/, "$what: no process crashed by itself");
	return;
}

# ---- promoted: the same data folder ----------------------------------------------------

my $had = sql($standby, $days);
$standby->promote;
is_whole($standby, 'promoted', $shared, '2020-01-01');
cmp_ok($had, '<', DAYS - 3, "promoted after $had days");
is(sql($standby, 'SELECT count(*) FROM hospital.status WHERE state LIKE \'standby%\''), 0, 'promoted: it is no standby any more');
is(wrong_files($standby, $shared, 'SELECT file, sha256 FROM hospital.stream_ranges WHERE file IS NOT NULL'), '', 'promoted: so are files of the stream')
  if $kafka;
$standby->stop('fast');

# ---- taken back to an earlier time, with another data folder ---------------------------

my $earlier = PostgreSQL::Test::Cluster->new('earlier');
$earlier->init_from_backup($primary, 'base', has_restoring => 1);
$earlier->append_conf('postgresql.conf', qq{
hospital.data_folder = '$other'
recovery_target_name = 'earlier'
recovery_target_action = 'promote'
});
$earlier->start;
$earlier->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or BAIL_OUT('timed out: the restore');
my $first = sql($earlier, q{SELECT min(day) FROM hospital.batches WHERE state <> 'ingested' OR ingested_at > pg_postmaster_start_time()});
is_whole($earlier, 'taken back', $other, $first);
like(slurp_file($earlier->logfile), qr/files that were not in the lake are written again/, 'taken back: files that the new folder lacked are made again');
$earlier->stop('fast');
$kafka->stop if $kafka;

done_testing();
