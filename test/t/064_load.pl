
# 064_load: a hospital in a hurry holds no more late than early: private memory,
# open files and threads of each kind of worker, and the small tables of state.
#
# Some weeks of days as fast as they come, by files and by the stream; another
# session holds a snapshot for the second half.  "make load" does it for years,
# beside others.
use strict;
use warnings FATAL => 'all';

use FindBin;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use constant { DAYS => 120, BEGUN => 20, FIRST => 60, LAST => 90, PATIENCE_S => 180 };

my $seed = $ENV{HOSPITAL_TEST_SEED} // 1 + int rand 1_000_000;
note "HOSPITAL_TEST_SEED=$seed";

my $folder = PostgreSQL::Test::Utils::tempdir();
my $node = PostgreSQL::Test::Cluster->new('load');
mkdir "$folder/$_" or die "$folder/$_: $!" foreach qw(data watch);
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->append_conf('postgresql.conf', qq{
shared_preload_libraries = 'hospital'
max_worker_processes = 16
hospital.databases = 'postgres'
hospital.data_folder = '$folder/data'
hospital.kafka_brokers = 'embedded'
hospital.topics = 'transfers, prescriptions'
hospital.batch_interval = '200ms'
hospital.stream_interval = '50ms'
});
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]) }

sql('CREATE EXTENSION hospital');
sql("CALL hospital_create(people => 20000, beds => 200, seed => $seed, start_date => '2020-01-01', end_date => date '2020-01-01' + " . (DAYS - 1) . ')');
sql('CALL hospital_load_staff()');

sub spew
{
	my ($file, $text) = @_;

	open my $fh, '>', $file or die "$file: $!";
	print $fh $text;
	close $fh or die "$file: $!";
	return;
}

sub days_come
{
	my ($n) = @_;
	my $until = time + PATIENCE_S;

	while (sql(q{SELECT count(DISTINCT day) FROM hospital.batches WHERE state = 'ingested'}) < $n)
	{
		BAIL_OUT("day $n does not come: " . sql('TABLE hospital.status')) if time > $until;
		sleep 0.2;
	}
	return;
}

spew("$folder/watch/on", '');
spew("$folder/watch/phase", 'beginning');
my ($pid) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
local $ENV{WATCH_EVERY} = 0.3;
my $watch = IPC::Run::start([ $^X, "$FindBin::Bin/../load_watch.pl", "$folder/watch", $pid, 'postgres',
	'psql', '-XqAt', '-h', $node->host, '-p', $node->port ], '<', \undef, '>', '/dev/null', '2>', \my $complaints);
sql('SELECT hospital_start()');
days_come(BEGUN);
# a client of Kafka is open once something has come through it
$node->poll_query_until('postgres', 'SELECT count(*) > 0 FROM hospital.stream_ranges') or BAIL_OUT('nothing comes by the stream');
spew("$folder/watch/phase", 'first');
days_come(FIRST);
spew("$folder/watch/phase", 'middle');
my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM hospital.batches');
days_come(LAST);
spew("$folder/watch/phase", 'last');
days_come(DAYS);
unlink "$folder/watch/on";
ok($watch->finish, 'it was watched all the time') or diag $complaints;
$holder->quit;

my (%most, %least);
foreach my $line (split /\n/, slurp_file("$folder/watch/samples"))
{
	my (undef, $phase, $what, $value) = split /\t/, $line;
	$most{$what}{$phase} = $value if $value > ($most{$what}{$phase} // 0);
	$least{$what}{$phase} = $value if $value < ($least{$what}{$phase} // 'inf');
}

# What each may have more in the end than at first.  What a job holds is its
# command's business; a consumer's queue is longer on a machine that is busy; files
# of relations stay open once they were needed.  One of anything a day would be 60.
my %room = (
	memory => sub { 1.1 * $_[0] + 4096 },
	files => sub { $_[0] + 24 },
	relations => sub { $_[0] + 24 },
	threads => sub { $_[0] + 1 },
	size => sub { 2 * $_[0] + 1_048_576 });
my $compared = 0;
foreach my $what (sort keys %most)
{
	my ($kind, $whose) = split /\|/, $what;
	my ($first, $last) = @{ $most{$what} }{qw(first last)};

	next if !$room{$kind} || !defined $first || !defined $last;
	$compared++;
	my $room = $what =~ /^memory\|(?:job runner|consumer)$/ ? 65536 : $room{$kind}->($first);
	cmp_ok($last, '<=', $room, "$kind of $whose: $first at first, $last in the end");
	# how many files of a day it has open at a time is chance, but not how many in between
	cmp_ok($least{$what}{last}, '<=', $least{$what}{first} + 2, "at the least: $least{$what}{first} and $least{$what}{last}")
	  if $kind eq 'files';
}
cmp_ok($compared, '>=', 12, "$compared figures compared");
is(sql('SELECT coalesce(sum(missing + altered), 0) FROM hospital_validate()'), 0, 'stream and files agree');
is(sql(q{SELECT coalesce(string_agg(a::text, ' '), '') FROM hospital_audit_stream() a WHERE NOT ok}), '', 'and the ledgers');
unlike(slurp_file($node->logfile), qr/ (?:ERROR|PANIC):/, 'no error in the log');
done_testing();
