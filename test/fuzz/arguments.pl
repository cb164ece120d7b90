
# arguments.pl: every function and procedure of the extension, with arguments
# that nobody would think of, and settings with such values, in a database without a hospital and in one with,
# where workers do at once what was asked for.
#
# FUZZ_SECONDS says for how long (60), HOSPITAL_TEST_SEED repeats a run.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::Bin/../fuzz", $FindBin::Bin;
use FuzzArguments qw(fuzz_functions fuzz_settings fuzz_some);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use constant AT_ONCE => 200;		# statements between two changes of the database

my $seed = $ENV{HOSPITAL_TEST_SEED} // 1 + int rand 1_000_000;
my $seconds = $ENV{FUZZ_SECONDS} || 60;
note "HOSPITAL_TEST_SEED=$seed";
srand $seed;

my $node = PostgreSQL::Test::Cluster->new('arguments');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
mkdir $node->basedir . '/folder' or die $!;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'hospital'
restart_after_crash = on
max_worker_processes = 24
max_parallel_workers = 4
log_line_prefix = '%m [%p] %b %e '
hospital.databases = 'joburg'
hospital.kafka_brokers = 'embedded'
hospital.num_people = 20000
hospital.data_folder = '} . $node->basedir . q{/folder'
});
$node->start;

$node->safe_psql('postgres', 'CREATE ROLE anybody');
foreach my $database ('bare', 'joburg')
{
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, 'CREATE EXTENSION hospital');
}
$node->safe_psql('joburg', "CALL hospital_create(people => 20000, beds => 200, name => 'joburg', seed => $seed, start_date => '2020-01-01', end_date => '2020-12-31')");
$node->safe_psql('joburg', $_) foreach 'CALL hospital_load_people()', 'CALL hospital_load_staff()', 'CALL hospital_run(5)';

my @functions = fuzz_functions($node, 'bare');
my @settings = fuzz_settings($node);
my %sum;
my $until = time + $seconds;
for (my $turn = 0; time < $until || $turn < 2; $turn++)
{
	my $database = $turn % 2 == 0 ? 'joburg' : 'bare';
	my $result = fuzz_some($node, $database, [ @functions, @functions, @settings ], AT_ONCE);

	$sum{$_} += $result->{$_} foreach qw(statements errors timeouts);
	$sum{memory} = $result->{memory} if $result->{memory} > ($sum{memory} // 0);
	push @{ $sum{faults} }, @{ $result->{faults} };
	diag("in database $database: $_") foreach @{ $result->{faults} };
}

cmp_ok(scalar @functions, '>', 90, 'there are functions');
is(scalar @{ $sum{faults} // [] }, 0, 'no crash, no internal error, no leak, nothing that cannot be stopped');
$node->restart;
is($node->safe_psql('joburg', 'SELECT hospital_generator_version() > 0'), 't', 'the server is well, and starts again with these settings');
unlike($_, qr/was terminated by signal|PANIC:|TRAP:| XX\w{3} /, 'nothing died, and no worker met an internal error') foreach slurp_file($node->logfile);
diag(sprintf 'arguments: %d functions, %d statements, %d errors, of them %d by the timeout; %d MB at the most', scalar @functions,
	@sum{qw(statements errors timeouts)}, $sum{memory} / 1024);
$node->stop;
done_testing();
