
# 036_hl7: our HL7 messages are valid to libraries that others have written.
# They are fetched from PyPI once, or HOSPITAL_TEST_PYTHON has them; what the
# messages say is sql/hl7.sql.
use strict;
use warnings FATAL => 'all';

use FindBin;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $script = "$FindBin::Bin/../hl7_validate.py";
my ($python, $unavailable) = python();

# A Python that has the libraries, or why there is none.
sub python
{
	return ($ENV{HOSPITAL_TEST_PYTHON}, '') if defined $ENV{HOSPITAL_TEST_PYTHON};
	my $cache = $ENV{HOSPITAL_TEST_CACHE} // ($ENV{HOME} // '/tmp') . '/.cache/hospital-test';
	my $dir = "$cache/hl7-python";
	my $said = '';

	foreach my $command (
		[ 'mkdir', '-p', $cache ],
		[ 'python3', '-m', 'venv', $dir ],
		[ "$dir/bin/python", '-m', 'pip', 'install', '-q', '--disable-pip-version-check', 'hl7apy==1.3.5', 'hl7==0.4.5' ],
		[ 'touch', "$dir/whole" ])
	{
		last if -e "$dir/whole";
		my $ran = eval { IPC::Run::run($command, '>', \$said, '2>&1') };
		return ('', "@$command: " . ($said || $@)) unless $ran;
	}
	return ("$dir/bin/python", '');
}

sub validate
{
	my ($messages) = @_;
	my ($out, $err) = ('', '');

	my $ran = eval { IPC::Run::run([ $python, $script ], '<', \$messages, '>', \$out, '2>', \$err); 1 };
	return (77, $python) unless $ran;
	return ($? >> 8, $out . $err);
}

plan skip_all => "no validator: $unavailable" if $unavailable ne '';
my ($exit, $said) = validate('');
plan skip_all => "no validator: $said" if $exit == 77;
is($exit, 0, 'the validator runs') or diag($said);

my $node = PostgreSQL::Test::Cluster->new('hl7');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION hospital');

# At the most 30 of each type.
my $messages = '';
$node->psql('postgres', q{SELECT message FROM (
		SELECT h.message, row_number() OVER (PARTITION BY substring(h.message FROM 'ADT\^A..') ORDER BY h.event_id) AS number
		FROM generate_series(date '2020-01-01', '2020-01-05', '1 day') d,
		     hospital_generate_hl7(d::date, 7, 20000, 200, simulation => 'Jo''burg|Ü&') h) m
	WHERE number <= 30}, stdout => \$messages, extra_params => [ '-0' ], on_error_die => 1);
($exit, $said) = validate($messages);
is($exit, 0, 'all messages can be read');
is($said, join('', map { "$_ valid 30\n" } 'ADT^A01^ADT_A01', 'ADT^A02^ADT_A02', 'ADT^A03^ADT_A03', 'ADT^A08^ADT_A01'),
	'and all are valid');

# It would say so.
$messages =~ s/\rPV1[^\r]*//g;
($exit, $said) = validate($messages);
like($said, qr/not valid 30/, 'without PV1 they are not');

$node->stop('fast');
done_testing();
