
# faults.pl: the fault matrix of the stream: "make faults".
#
#   RUNS=n        runs of each fault (5)
#   FAULTS="n n"  these faults only
#   HOSPITAL_TEST_SEED=n   repeat what this seed did
#   HOSPITAL_FAULT_LONG=1  ten minutes without brokers, five of a held lock
#   HOSPITAL_FAULT_QUICK=1 each as short as in "make test"
#
# Each fault has a world of its own, in which its runs follow each other; after
# a violation the next run has a new one.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::Bin, "$FindBin::Bin/../kafka";
use PostgreSQL::Test::Utils;
use Test::More;

use FaultMatrix;
use FaultNet;

my $unavailable = FaultMatrix::unavailable();
plan skip_all => $unavailable if $unavailable ne '';
$ENV{HOSPITAL_TEST_SEED} //= time;
FaultNet::enter();

my $seed = $ENV{HOSPITAL_TEST_SEED};
my $runs = $ENV{RUNS} || 5;
my @numbers = split ' ', $ENV{FAULTS} || join ' ', FaultMatrix::numbers();
my @results;

diag "HOSPITAL_TEST_SEED=$seed, networks broken by " . FaultNet::how();
foreach my $number (@numbers)
{
	my $fault = FaultMatrix::fault($number);
	my $world;

	foreach my $n (1 .. $runs)
	{
		my $mine = $seed + 1000 * $number + $n;
		$world //= FaultMatrix::world_for($fault, $mine);
		my $result = FaultMatrix::run($world, $fault, $mine, $ENV{HOSPITAL_FAULT_QUICK});
		my @violations = map { "$_->[0]: $_->[1]" } @{ $result->{violations} };
		push @results, $result;
		ok(!@violations, sprintf 'fault %d, run %d: %s, %d injected%s', $number, $n, $fault->{name}, $result->{injected},
			defined $result->{took} ? sprintf(', back after %.1f s', $result->{took}) : '')
		  or diag join "\n", "HOSPITAL_TEST_SEED=$seed FAULTS=$number, run $n", @violations, 'server: ' . $world->{node}->logfile;
		if (@violations || $fault->{last})
		{
			$world->end;
			undef $world;
		}
	}
	$world->end if $world;
}
diag join "\n", '', FaultMatrix::table(@results);
done_testing();
