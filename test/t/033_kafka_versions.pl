
# 033_kafka_versions: the same hospital on other Kafkas: the last one with
# ZooKeeper, and 4.x.  Half-way the broker is stopped and started again.
use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use FindBin;
use lib "$FindBin::Bin/../kafka";
use HospitalKafka;
use HospitalStream;
use PostgreSQL::Test::Utils;
use Test::More;

sub story
{
	my ($kind) = @_;
	my $kafka = HospitalKafka->new(abs_path(PostgreSQL::Test::Utils::tempdir()), $kind);
	my $hospital = HospitalStream->server($kind);

	$kafka->start;
	$hospital->create('ward');
	$hospital->connect($kafka->address);
	$hospital->start;
	$hospital->wait_for('SELECT sum(rows + duplicates) >= 20 FROM hospital.stream_ranges', "$kind: some events");
	$kafka->stop;
	$hospital->wait_for(q{SELECT count(*) = 1 FROM hospital.status
		WHERE worker ~ '^consumer' AND coalesce(last_error, state) ~ '^no broker reachable'}, "$kind: a broker that is away");
	$kafka->start;
	$hospital->is_whole($kind);
	$hospital->stop;
	$hospital->node->stop('fast');
	$kafka->stop;
	return;
}

foreach my $kind (qw(zookeeper next))
{
	SKIP:
	{
		my $reason = HospitalKafka::unavailable($kind);
		skip "no Apache Kafka ($kind) here: $reason", 1 if $reason ne '';
		story($kind);
	}
}

done_testing();
