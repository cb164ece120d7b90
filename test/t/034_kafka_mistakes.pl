
# 034_kafka_mistakes: what a person may get wrong, and what is shown then.
#
# Wrong addresses, passwords, certificates and files, one after the other, in a
# hospital that runs: the producer (in the scheduler) and the consumer say what
# is wrong, no process crashes, and no password is ever in the log, in
# hospital.status or in what a session is told, even when everything is logged.
# After the last one the right settings bring all events in.  Then a missing
# topic, extension, database and preload, and a copied database.
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
my $hospital = HospitalStream->server('mistakes');
my $node = $hospital->node;
my @secrets = ('open-Sesame-5', $kafka->password);
$node->append_conf('postgresql.conf', 'log_min_messages = debug1');

# All that hospital.status has ever shown.
my $shown = '';

sub look
{
	$shown .= $hospital->sql('SELECT * FROM hospital.status') . "\n";
	return;
}

# Both of these workers come to say so, or the one named.
sub says
{
	my ($error, $sqlstate, $only) = @_;
	my $workers = $only // 'scheduler|consumer';

	$hospital->wait_for(sprintf(q{SELECT count(*) >= %d FROM hospital.status
			WHERE worker ~ '^(%s)' AND last_error = $q$%s$q$ AND sqlstate = '%s'},
			defined $only ? 1 : 2, $workers, $error, $sqlstate), $error);
	look();
	pass($error);
	return;
}

sub password
{
	my ($protocol, $user, $password, @more) = @_;

	return ("security.protocol=$protocol", 'sasl.mechanism=SCRAM-SHA-512', "sasl.username=$user",
		"sasl.password=$password", @more);
}

sub certificate
{
	my ($name) = @_;

	return ('security.protocol=SSL', 'ssl.ca.location=' . $kafka->tls('ca.pem'),
		'ssl.certificate.location=' . $kafka->tls("$name.pem"), 'ssl.key.location=' . $kafka->tls("$name.key"));
}

# ---- addresses, passwords, certificates -----------------------------------------

my $ca = 'ssl.ca.location=' . $kafka->tls('ca.pem');
my @right = password('SASL_SSL', 'hospital', $kafka->password, $ca);
my $no_broker = 'no broker reachable at ADDRESS';
my $no_login = 'authentication failed at ADDRESS';
my $no_trust = 'no trusted TLS connection to ADDRESS';

# What, SQLSTATE, where, properties.
my @mistakes = (
	[ "$no_broker: unknown host name", '08006', 'nowhere.invalid:9092' ],
	[ "$no_broker: the broker may want TLS here", '08006', 'SASL_SSL', password('SASL_PLAINTEXT', 'hospital', $kafka->password) ],
	[ "$no_login: wrong user or password", '28000', 'SASL', password('SASL_PLAINTEXT', 'hospital', $secrets[0], 'debug=all') ],
	[ "$no_login: the broker takes no passwords here", '28000', 'PLAINTEXT', password('SASL_PLAINTEXT', 'hospital', $kafka->password) ],
	[ "$no_trust: the broker does not speak TLS here", '28000', 'SASL', @right ],
	[ "$no_trust: the broker's certificate is of an unknown authority", '28000', 'OTHER_CA', @right ],
	[ "$no_trust: the broker's certificate has expired", '28000', 'EXPIRED', @right ],
	[ "$no_trust: the broker's certificate is for another host", '28000', 'MISNAMED', @right ],
	[ "$no_trust: the broker refuses the client's certificate", '28000', 'MTLS', certificate('late') ],
	[ 'could not start the Kafka client', 'F0000', 'MTLS', certificate('missing') ],
	[ 'the Kafka client does not accept its property "sasl.pasword"', 'F0000', 'SASL',
		password('SASL_PLAINTEXT', 'hospital', $kafka->password, "sasl.pasword=$secrets[0]") ]);

$hospital->create('ward');
$kafka->acl('--add', '--allow-principal', 'User:hospital', '--operation', 'All', '--topic', '*', '--transactional-id', '*');
$hospital->connect('127.0.0.1:1');
$hospital->start;
says('no broker reachable at 127.0.0.1:1', '08006', 'consumer');
foreach my $mistake (@mistakes)
{
	my ($error, $sqlstate, $where, @properties) = @$mistake;
	my $address = $where =~ /:/ ? $where : $kafka->door($where);

	$hospital->connect($address, @properties);
	says($error =~ s/ADDRESS/$address/r, $sqlstate, $sqlstate eq '08006' ? 'consumer' : undef);
}

# The file itself.
my $file = $hospital->connect($kafka->door('SASL_SSL'), 'plugin.library.paths=/tmp/evil.so', @right);
says(qq{property "plugin.library.paths" may not be set in "$file"}, 'F0000');
$file = $hospital->connect($kafka->door('SASL_SSL'), $kafka->password);
says(qq{line 1 of "$file" is not of the form key=value}, 'F0000');
$hospital->change(kafka_config_file => '/nowhere/kafka');
says('could not open Kafka configuration file "/nowhere/kafka": No such file or directory', '58P01');
# a name that cannot be one; hospital.status has the beginning of it
$hospital->change(kafka_config_file => '/' . 'n' x 300);
$hospital->wait_for(q{SELECT count(*) >= 2 FROM hospital.status WHERE worker ~ '^(scheduler|consumer)' AND sqlstate = '42602'
	AND last_error LIKE 'could not open Kafka configuration file "/nnn%'}, 'a file name that is too long');
chmod 0640, $file or die "$file: $!";
$hospital->change(kafka_config_file => $file);
says(qq{"$file" must belong to the server's user and have mode 0600}, 'F0000');

$hospital->connect($kafka->door('SASL_SSL'), @right);
$hospital->is_whole('after all mistakes');
is($hospital->sql('SELECT count(*) FROM hospital.status WHERE last_error IS NOT NULL'), 0, 'and no error is left');

# ---- topics -----------------------------------------------------------------------

$hospital->stop;
$hospital->create('early');
$hospital->change(stream_interval => '1h');
$hospital->start;
$hospital->wait_for(q{SELECT count(*) = 1 FROM hospital.status WHERE worker ~ '^consumer'
	AND state = 'unknown topic hospital.early.transfers'}, 'a topic that is not there');
pass('unknown topic: the consumer says which');
$hospital->change(stream_interval => '150ms');
$hospital->is_whole('a topic made later');
$hospital->stop;

# One of two is deleted, and stays so: what came in of the other comes in again.
$hospital->create('half');
$hospital->change(topics => 'transfers, visits');
$hospital->start;
$hospital->wait_for(sprintf(q{SELECT count(*) = 2 FROM (SELECT sum(rows + duplicates) AS came FROM hospital.stream_ranges GROUP BY topic) t
	WHERE came >= %d}, HospitalStream::DAYS * HospitalStream::TRANSFERS), 'events of both');
$hospital->wait_for(q{SELECT count(*) = 0 FROM hospital.stream_lag WHERE lag IS DISTINCT FROM 0}, 'both are read');
$hospital->wait_for(q{SELECT ticks_due = ticks_done AND state = 'window over' FROM hospital.run_window}, 'nothing more is sent');
my $events = $hospital->sql(q{SELECT sum(rows + duplicates) FROM hospital.stream_ranges WHERE topic = 'hospital.half.transfers'});
$kafka->tool('org.apache.kafka.tools.TopicCommand', '--delete', '--topic', 'hospital.half.visits');
$hospital->wait_for(q{SELECT count(*) = 1 FROM hospital.status WHERE worker ~ '^consumer' AND state ~ 'unknown topic'}, 'a topic that is gone');
$hospital->sql(q{SELECT hospital_seek('hospital.half.transfers', partition, -1) FROM hospital.stream_partitions WHERE topic = 'hospital.half.transfers'});
$hospital->wait_for(qq{SELECT sum(duplicates) >= $events FROM hospital.stream_ranges WHERE topic = 'hospital.half.transfers' AND epoch > 0},
	'the other is read on');
pass('one topic is gone: the others go on');
$hospital->stop;
$hospital->change(topics => 'transfers');

# ---- databases --------------------------------------------------------------------

$node->safe_psql('postgres', 'CREATE DATABASE hollow');
$hospital->change(databases => 'hollow, absent');
$hospital->wait_for(q{SELECT array_agg(database || ': ' || state ORDER BY database) =
	'{absent: no such database,hollow: no hospital here}' FROM hospital.status
	WHERE worker ~ '^scheduler' AND database IN ('absent', 'hollow')}, 'databases without a hospital');
pass('a database that is not there, and one without the extension');

$hospital->create('origin');
$hospital->change(databases => 'copy');
$hospital->wait_for(q{SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'origin' AND pid <> pg_backend_pid()},
	'nobody in the original');
$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE origin');
$hospital->{database} = 'copy';
$hospital->start;
$hospital->wait_for(q{SELECT count(*) = 1 FROM hospital.status WHERE database = 'copy' AND worker ~ '^scheduler'
	AND state = 'not able to run' AND last_error = 'this hospital is a copy' AND sqlstate = '55000'}, 'a copy');
is($hospital->sql('SELECT count(*) FROM hospital.days, hospital.published'), 0, 'a copy does nothing');
$hospital->sql('SELECT hospital_adopt()');
$hospital->start;
$hospital->is_whole('an adopted copy');
$hospital->stop;

# ---- no preload -------------------------------------------------------------------

$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
my ($status, $out, $err) = $node->psql('copy', 'SELECT hospital_start()');
is($status, 0, 'no preload: what is wanted is recorded');
like($err, qr/WARNING:  the hospital will not run: the library was not loaded at server start\nHINT:  Add hospital to shared_preload_libraries/,
	'no preload: a warning says what to do');
is($hospital->sql('SELECT state FROM hospital.status'), 'not in shared_preload_libraries', 'no preload: so does hospital.status');
$node->stop('fast');
$kafka->stop;

# ---- nothing that should not be known ---------------------------------------------

my $log = slurp_file($node->logfile);
ok($log =~ /librdkafka: .*SASL/, 'the log has the client\'s own words');
foreach my $secret (@secrets)
{
	is(index($log, $secret), -1, 'no password in the log');
	is(index($shown, $secret), -1, 'no password in hospital.status');
}
ok($log !~ /TRAP|signal 11|signal 6/, 'no process crashed');

done_testing();
