
# FaultsBroker: faults of the brokers and of the network: 6 to 13.
package FaultsBroker;

use strict;
use warnings FATAL => 'all';

use Time::HiRes qw(sleep time);

use FaultNet;

use constant TOPIC => FaultWorld::TOPIC;

# While nothing can come, somebody who looks is told so.
sub says_so
{
	my ($w, $what, $patience) = @_;

	$w->comes_true(q{SELECT count(*) > 0 FROM hospital.status WHERE worker LIKE 'consumer%' AND pid IS NOT NULL
		AND (last_error IS NOT NULL OR state !~ '^(waiting for events|running|reading|writing)')}, $patience // 40)
	  // $w->violated('I7', "$what, and consumers say: " . $w->status('consumer'));
	return;
}

# Private memory of the consumers, in MB.
sub private_memory
{
	my ($w) = @_;
	my $sum = 0;

	foreach my $pid ($w->pids('consumer'))
	{
		open my $fh, '<', "/proc/$pid/status" or next;
		while (<$fh>) { $sum += $1 / 1024 if /^RssAnon:\s+(\d+)/ }
	}
	return $sum;
}

sub restart_broker
{
	my ($w, $quick) = @_;
	my $times = $quick ? 1 : 2;

	foreach (1 .. $times)
	{
		sleep $w->chance(1);
		$w->{kafka}->stop;
		$w->{kafka}->start;
	}
	return $times;
}

# One of three, then the leader of a partition; each comes back.
sub kill_brokers
{
	my ($w, $quick) = @_;
	my $kafka = $w->{kafka};
	my $times = $quick ? 2 : 4;

	foreach my $n (1 .. $times)
	{
		my $node = $n == 1 ? $w->choose(@{ $kafka->{nodes} }) : $kafka->leader(TOPIC, int $w->chance(3));
		sleep $w->chance(2);
		$kafka->kill9($node);
		sleep 2 + $w->chance(4);
		$kafka->start($node);
		# two copies are the least: the next one has to wait for this one
		my $until = time + 60;
		sleep 0.5 while time < $until && $kafka->kcat('-L', '-t', TOPIC) =~ /isrs: \d+,\d+$/m;
	}
	return $times;
}

# No broker at all: idle, small, and it says why; other sessions are served.
sub no_brokers
{
	my ($w, $quick) = @_;
	my $away = $ENV{HOSPITAL_FAULT_LONG} ? 600 : $quick ? 10 : 40;

	$w->{kafka}->stop;
	says_so($w, 'no broker is there');
	my $before = private_memory($w);
	sleep $away;
	my $after = private_memory($w);
	$w->violated('I8', sprintf 'private memory grew from %.0f to %.0f MB while no broker was there', $before, $after)
	  if $after > $before + 16;
	$w->violated('I8', 'the database does not answer') if ($w->try_sql('SELECT count(*) >= 0 FROM hospital.transfers') // '') ne 't';
	$w->{kafka}->start;
	return 1;
}

sub suspend_broker
{
	my ($w, $quick) = @_;
	my $asleep = $ENV{HOSPITAL_FAULT_LONG} ? 60 : $quick ? 8 : 30;

	$w->{kafka}->signal('STOP');
	my $began = time;
	says_so($w, 'the broker is suspended') if !$quick;
	sleep $asleep - (time - $began) if time - $began < $asleep;
	$w->{kafka}->signal('CONT');
	return 1;
}

# The ports that the server under test uses.
sub ports { return map { $_->{public} } @{ $_[0]->{kafka}{nodes} } }

sub partition_network
{
	my ($w, $quick) = @_;
	my $apart = $quick ? 8 : 20 + $w->chance(20);

	$w->{note} = 'by ' . FaultNet::how();
	if (FaultNet::has_tables()) { FaultNet::drop(ports($w)) }
	else { $w->{kafka}->network('blackhole') }
	my $began = time;
	says_so($w, 'the brokers cannot be reached') if !$quick;
	sleep $apart - (time - $began) if time - $began < $apart;
	FaultNet::heal();
	$w->{kafka}->network('pass');
	return 1;
}

# The length in seconds of each is chance's.
sub bad_links
{
	my ($w, $quick) = @_;
	my @links = $w->shuffle([qw(halfopen)], [qw(reset)], [qw(cut)], [qw(refuse)], [qw(throttle 1)],
		[qw(throttle 20000)], [qw(delay 300)], [qw(reject)]);

	@links = @links[ 0 .. 3 ] if $quick;
	@links = grep { $_->[0] ne 'reject' } @links if !FaultNet::has_tables();
	foreach my $link (@links)
	{
		my $until = time + ($quick ? 3 : 8) + $w->chance($quick ? 2 : 6);
		if ($link->[0] =~ /^(?:reset|cut)$/)
		{
			while (time < $until)
			{
				$w->{kafka}->network(@$link);
				sleep 0.3 + $w->chance(1);
			}
		}
		elsif ($link->[0] eq 'reject') { FaultNet::reject(ports($w)) }
		else { $w->{kafka}->network(@$link) }
		sleep $until - time if time < $until;
		FaultNet::heal();
		$w->{kafka}->network('pass');
	}
	return scalar @links;
}

sub packet_loss
{
	my ($w, $quick) = @_;
	my $percent = 5;

	if (FaultNet::has_tables())
	{
		$w->{note} = 'by ' . FaultNet::how();
		FaultNet::lose($percent, ports($w));
	}
	else
	{
		$w->{note} = 'lateness by the proxy, for want of a network namespace with iptables';
		$w->{kafka}->network('lose', $percent, int $w->chance(1e9));
	}
	$w->send(5000) foreach 1 .. ($quick ? 1 : 4);
	sleep $quick ? 5 : 20;
	FaultNet::heal();
	$w->{kafka}->network('pass');
	return 1;
}

# ---- 13: what brokers may answer -------------------------------------------------------

use constant { FETCH => 1, INIT_PRODUCER_ID => 22 };

# Kafka's error codes; what stays until somebody does something must be seen in
# the status.  Out of range and unknown topics contradict what the broker says
# when asked for the log's bounds and the topics: these decide.
my @codes = (
	[ 6, 'NOT_LEADER_OR_FOLLOWER' ],
	[ 5, 'LEADER_NOT_AVAILABLE' ],
	[ 9, 'REPLICA_NOT_AVAILABLE' ],
	[ 74, 'FENCED_LEADER_EPOCH' ],
	[ 76, 'UNKNOWN_LEADER_EPOCH' ],
	[ 56, 'KAFKA_STORAGE_ERROR' ],
	[ 2, 'CORRUPT_MESSAGE' ],
	[ 7, 'REQUEST_TIMED_OUT' ],
	[ -1, 'UNKNOWN_SERVER_ERROR' ],
	[ 3, 'UNKNOWN_TOPIC_OR_PARTITION' ],
	[ 29, 'TOPIC_AUTHORIZATION_FAILED', 1 ],
	[ 1, 'OFFSET_OUT_OF_RANGE' ]);

sub error_codes
{
	my ($w, $quick) = @_;
	my @those = $w->shuffle(@codes);
	my $before = $w->{kafka}->errors_made;

	@those = @those[ 0 .. 3 ] if $quick;
	foreach my $code (@those)
	{
		my ($number, $name, $shown) = @$code;
		$w->{kafka}->network('error', FETCH, $number, $shown ? 1_000_000 : 3 + int $w->chance(10));
		says_so($w, "the broker answers $name", 20) if $shown;
		sleep 1 + $w->chance(2) if !$shown;
		$w->{kafka}->network('error', FETCH, 0, 0);
		after_out_of_range($w) if $number == 1;
	}
	return $w->{kafka}->errors_made - $before;
}

# The consumer may look for itself and go on, or stop there until it is told.
sub after_out_of_range
{
	my ($w) = @_;

	sleep 2;
	return if ($w->try_sql(q{SELECT count(*) FROM hospital.stream_partitions WHERE state = 'stopped'}) // 0) == 0;
	$w->{note} = 'OFFSET_OUT_OF_RANGE stops a partition until it is resumed';
	$w->sql(sprintf q{SELECT hospital_resume('%s')}, TOPIC);
	return;
}

1;
