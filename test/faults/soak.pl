
# soak.pl: faults at random for a long time: "make soak".
#
#   SOAK_SECONDS=n         for how long (3600)
#   HOSPITAL_TEST_SEED=n   the same faults in the same order, in the same weather
#
# What happens is a function of the seed: which fault comes when, and on what
# network.  After each one everything is checked against the truth; worlds are
# used for many faults, since what one leaves behind the next one meets.
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

diag "HOSPITAL_TEST_SEED=$seed, networks broken by " . FaultNet::how();
diag join "\n", '', FaultMatrix::table(FaultMatrix::soak($seed, $ENV{SOAK_SECONDS} || 3600));
done_testing();
