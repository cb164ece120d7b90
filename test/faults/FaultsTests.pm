
# FaultsTests: faults that have tests of their own: 31 to 35, 37.
#
# Each is run as "make test" runs it, with a seed and at its full length.
package FaultsTests;

use strict;
use warnings FATAL => 'all';

use FindBin;
use IPC::Run ();

use constant LIMIT => 3600;

# What of a test's answers says that something is wrong.
sub wrong
{
	my ($file, $said, $status) = @_;
	my @wrong = map { [ $file, $_ ] } $said =~ /^(not ok .*|Bail out!.*)$/mg;

	push @wrong, [ $file, "it ended with status $status" ] if $status != 0 && !@wrong;
	return @wrong;
}

# What came of one run, as of any other fault.
sub run
{
	my ($fault, $seed, %option) = @_;
	my ($checks, @violations) = (0);

	foreach my $file (@{ $fault->{tests} })
	{
		my $said = '';
		local $ENV{HOSPITAL_TEST_SEED} = $seed;
		local $ENV{HOSPITAL_TEST_QUICK} = $option{quick} ? 1 : '';
		# one that is told to end takes its servers with it
		my $test = IPC::Run::start([ $^X, '-Msigtrap=die,normal-signals', map({ "-I$_" } @INC), "$FindBin::Bin/../t/$file.pl" ],
			'<', \undef, '>', \$said, '2>&1', IPC::Run::timeout(LIMIT));
		if (eval { $test->finish; 1 })
		{
			push @violations, wrong($file, $said, $? >> 8 || $? & 127);
		}
		else
		{
			$test->kill_kill(grace => 60);
			push @violations, [ $file, sprintf 'it was not over after %d s', LIMIT ];
		}
		$checks += () = $said =~ /^ok \d+/mg;
	}
	return {
		fault => $fault,
		seed => $seed,
		injected => scalar @{ $fault->{tests} },
		violations => \@violations,
		note => "$checks checks: @{ $fault->{tests} }",
		memory => 0,
	};
}

1;
