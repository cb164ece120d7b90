
# 037_faults: a seeded selection of the faults of the matrix, each for a short time.
#
# The whole matrix is "make faults", an hour of it at random "make soak".  What
# is asked after each fault, and while it lasts, is in test/faults.  FAULTS="n n"
# are done instead of those that the seed draws.
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

# First whether the checks see anything at all; in the end the topic is another one,
# and one fault has a world of its own.
sub drawn
{
	my $dice = FaultWorld->dice($seed);
	my @those = ($dice->shuffle(1 .. 6, 8 .. 16, 18 .. 20, 22, 25 .. 28, 36))[ 0 .. 9 ];

	return (21, 0, @those, 17, $dice->choose(23, 24, 29, 30));
}

my @numbers = $ENV{FAULTS} ? split ' ', $ENV{FAULTS} : drawn();

note "HOSPITAL_TEST_SEED=$seed, faults @numbers, networks broken by " . FaultNet::how();
note join "\n", '', FaultMatrix::table(
	FaultMatrix::series(\@numbers, seed => $seed, quick => 1, shared => 1));
done_testing();
