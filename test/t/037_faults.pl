
# 037_faults: a seeded selection of the stream's faults, each for a short time.
#
# The whole matrix is "make faults", an hour of it at random "make soak".  What
# is asked after each fault, and while it lasts, is in test/faults.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::Bin/../faults", "$FindBin::Bin/../kafka";

use FaultNet;
BEGIN { FaultNet::enter() }

use Test::More;

use FaultMatrix;

my $unavailable = FaultMatrix::unavailable();
plan skip_all => $unavailable if $unavailable ne '';

my $seed = $ENV{HOSPITAL_TEST_SEED} // time;
my @numbers = split ' ', $ENV{FAULTS} || '21 0 1 3 5 20 22 18 15 14 9 6 36 16 17';

note "HOSPITAL_TEST_SEED=$seed, networks broken by " . FaultNet::how();
note join "\n", '', FaultMatrix::table(
	FaultMatrix::series(\@numbers, seed => $seed, quick => 1, shared => 1));
done_testing();
