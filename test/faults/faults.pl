
# faults.pl: the fault matrix of the stream: "make faults".
#
#   RUNS=n                 runs of each fault (5)
#   FAULTS="n n"           these faults only
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

use FaultNet;
BEGIN { FaultNet::enter() }

use Test::More;

use FaultMatrix;

my $unavailable = FaultMatrix::unavailable();
plan skip_all => $unavailable if $unavailable ne '';

my $seed = $ENV{HOSPITAL_TEST_SEED} // time;
my $runs = $ENV{RUNS} || 5;
my @numbers = split ' ', $ENV{FAULTS} || join ' ', FaultMatrix::numbers();

diag "HOSPITAL_TEST_SEED=$seed, networks broken by " . FaultNet::how();
diag join "\n", '', FaultMatrix::table(
	FaultMatrix::series([ map { ($_) x $runs } @numbers ], seed => $seed, quick => $ENV{HOSPITAL_FAULT_QUICK}));
done_testing();
