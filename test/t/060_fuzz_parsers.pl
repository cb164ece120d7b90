
# 060_fuzz_parsers.pl: the corpora of the fuzzers, and some thousand inputs made
# of them by chance, through the parsers with sanitizers.  "make fuzz" does it
# at length, and finds its way by coverage.
use strict;
use warnings FATAL => 'all';

use FindBin;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use constant MUTATIONS => 2000;

my $top = "$FindBin::Bin/../..";
my $build = PostgreSQL::Test::Utils::tempdir();
my $seed = $ENV{HOSPITAL_TEST_SEED} // 1 + int rand 1_000_000;
my @harnesses = qw(csv json hl7 message config name);

sub run_it
{
	my (@command) = @_;
	my $said = '';

	my $ran = eval { IPC::Run::run(\@command, '<', \'', '>', \$said, '2>&1', IPC::Run::timeout(120)) };
	return ($ran, $said . ($@ // ''));
}

plan skip_all => 'the sources are not here' unless -e "$top/src/csv_read.c";

# A sanitizer that is not there, or that the kernel's layout of memory defeats, is nobody's fault.
my $probe = "$build/probe";
open my $file, '>', "$probe.c" or die $!;
print $file "int main(void) { return 0; }\n";
close $file or die $!;
my ($can, $why) = run_it('gcc', '-fsanitize=address,undefined', '-o', $probe, "$probe.c");
($can, $why) = run_it($probe) if $can;
plan skip_all => "no sanitizers: $why" unless $can;

note "HOSPITAL_TEST_SEED=$seed";
$ENV{ASAN_OPTIONS} = 'quarantine_size_mb=32:detect_leaks=0';
$ENV{HOSPITAL_FUZZ_LAST} = "$build/last";

my $pg_config = $ENV{PG_CONFIG} // 'pg_config';
my ($made, $made_said) = run_it('make', '-s', '-j2', '-C', "$top/test/fuzz", 'CC=gcc', 'ENGINE=replay', "BUILD=$build", "PG_CONFIG=$pg_config");
ok($made, 'the fuzzers compile') or diag($made_said);

foreach my $harness (@harnesses)
{
	my @corpus = glob "$top/test/fuzz/corpus/$harness/*";
	my $began = time;
	my $n = $harness eq 'config' ? MUTATIONS / 5 : MUTATIONS;	# librdkafka takes its time
	my ($well, $said) = run_it("$build/$harness", $seed, $n, @corpus);

	ok($well, "$harness: " . @corpus . " files and $n inputs made of them");
	diag(substr($said, 0, 3000) . "\nthe input: " . unpack('H*', slurp_file("$build/last"))) unless $well;
	note sprintf '%.1f s', time - $began;
}
done_testing();
