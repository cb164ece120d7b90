
# 032_kafka_security: passwords, certificates and permissions.
#
# A hospital comes into a real Apache Kafka by each of its doors, with no more
# rights than docs/operations.md asks for, and ends with exactly what the
# generator makes.  Then one comes in with no right at all and is given one
# after the other: each time it says what it may not do, so each is needed.
use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use FindBin;
use lib "$FindBin::Bin/../kafka";
use HospitalKafka;
use HospitalStream;
use PostgreSQL::Test::Utils;
use Test::More;

my $reason = HospitalKafka::unavailable('secure');
plan skip_all => "no Apache Kafka here: $reason" if $reason ne '';

my $kafka = HospitalKafka->new(abs_path(PostgreSQL::Test::Utils::tempdir()), 'secure');
$kafka->start;
my $hospital = HospitalStream->server('security');

# ---- every door ---------------------------------------------------------------

my @known = ('--allow-principal', 'User:hospital', '--allow-principal', 'User:CN=hospital',
	'--resource-pattern-type', 'prefixed');
$kafka->acl('--add', @known, '--operation', 'Write', '--transactional-id', 'hospital-', '--topic', 'hospital.');
$kafka->acl('--add', @known, '--operation', 'Read', '--operation', 'Create', '--topic', 'hospital.');

sub password
{
	my ($protocol, $mechanism, $user) = @_;

	return ("security.protocol=$protocol", "sasl.mechanism=$mechanism", "sasl.username=$user",
		'sasl.password=' . $kafka->password);
}

my $ca = 'ssl.ca.location=' . $kafka->tls('ca.pem');
my @doors = (
	[ 'scram', 'SASL', password('SASL_PLAINTEXT', 'SCRAM-SHA-512', 'hospital') ],
	[ 'scram_tls', 'SASL_SSL', password('SASL_SSL', 'SCRAM-SHA-256', 'hospital'), $ca ],
	[ 'plain_tls', 'SASL_SSL', password('SASL_SSL', 'PLAIN', 'hospital'), $ca ],
	[ 'mtls', 'MTLS', 'security.protocol=SSL', $ca, 'ssl.certificate.location=' . $kafka->tls('hospital.pem'),
		'ssl.key.location=' . $kafka->tls('hospital.key') ]);

foreach my $door (@doors)
{
	my ($name, $where, @properties) = @$door;

	$hospital->create($name);
	$hospital->connect($kafka->door($where), @properties);
	$hospital->start;
	$hospital->is_whole($name);
	$hospital->stop;
}

# ---- right after right ----------------------------------------------------------

my $topic = 'hospital.rights.transfers';
my @visitor = password('SASL_PLAINTEXT', 'SCRAM-SHA-512', 'visitor');
my $not_authorised = 'not authorised at ' . $kafka->door('SASL');

# What the producer (in the scheduler) or the consumer may not do.
sub may_not
{
	my ($worker, $what) = @_;

	$hospital->wait_for(qq{SELECT count(*) = 1 FROM hospital.status WHERE database = 'rights'
		AND worker ~ '^$worker' AND last_error = '$not_authorised: $what' AND sqlstate = '42501'},
		"$worker, not authorised: $what");
	pass("$worker, not authorised: $what");
	return;
}

# Coming in anew ends all waiting.
sub allow
{
	my ($operation, @what) = @_;

	$kafka->acl('--add', '--allow-principal', 'User:visitor', '--operation', $operation, @what);
	$hospital->connect($kafka->door('SASL'), @visitor);
	return;
}

$hospital->create('rights');
$hospital->connect($kafka->door('SASL'), @visitor);
$hospital->start;
may_not('consumer', "asking for topic $topic");
may_not('scheduler', 'using its transactional id');
allow('Write', '--transactional-id', 'hospital-', '--resource-pattern-type', 'prefixed');
may_not('scheduler', "asking for topic $topic");
allow('Describe', '--topic', $topic);
may_not('scheduler', "creating topic $topic");
allow('Create', '--topic', $topic);
may_not('scheduler', "reading topic $topic");
may_not('consumer', "reading topic $topic");
is($hospital->sql('SELECT count(*) FROM hospital.stream_ranges'), 0, 'nothing has come in so far');
allow('Read', '--topic', $topic);
may_not('scheduler', 'writing to its topic');
allow('Write', '--topic', $topic);
$hospital->is_whole('rights');
$hospital->stop;

$hospital->node->stop('fast');
$kafka->stop;
my $password = $kafka->password;
unlike(slurp_file($hospital->node->logfile), qr/\Q$password\E/, 'no password in the log');

done_testing();
