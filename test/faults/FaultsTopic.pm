
# FaultsTopic: faults of what is on the topic, and of the topic itself: 16 to
# 18, 21, 22, and the second half of 15.
package FaultsTopic;

use strict;
use warnings FATAL => 'all';

use IPC::Run ();
use Time::HiRes qw(sleep time);

use FaultsBroker;
use FaultsServer;

use constant TOPIC => FaultWorld::TOPIC;

sub change_workers_and_partitions
{
	my ($w, $quick) = @_;
	my $partitions = () = $w->{kafka}->partitions(TOPIC);
	my $done = FaultsServer::change_workers($w, $quick);

	# a topic cannot lose partitions: not for ever
	return $done if $partitions >= 12;
	$w->{kafka}->add_partitions(TOPIC, $partitions + 1);
	# brokers tell each other
	my $until = time + 20;
	sleep 0.2 while time < $until && $partitions == (() = $w->{kafka}->partitions(TOPIC));
	$w->send(100, to => $partitions);
	return $done + 1;
}

# ---- 16: deleted before it was read ----------------------------------------------------

sub position
{
	my ($w, $partition) = @_;

	return $w->sql("SELECT coalesce(max(last_offset) + 1, 0) FROM hospital.stream_ranges WHERE partition = $partition");
}

sub is_stopped
{
	my ($w, $what) = @_;

	$w->comes_true(q{SELECT count(*) > 0 FROM hospital.stream_partitions WHERE state = 'stopped' AND reason IS NOT NULL}, 60)
	  // $w->violated('I7', "$what, and nothing is stopped by it; consumers say: " . $w->status('consumer'));
	return;
}

sub retention
{
	my ($w, $quick) = @_;
	my $kafka = $w->{kafka};

	$w->load_stop;
	# what has never been read begins where the log begins
	$w->send(10, to => 0);
	# partition 2 ends with the mark of a transaction: deleted, it is not missed
	$w->send(10, to => 2, more => [ '-X', 'transactional.id=faults-' . ++$w->{transactions} ]);
	defined $w->catches_up or return 0;
	$w->pause;
	$w->send(200, to => 0);
	$w->read_topic;
	my $next = position($w, 0);
	my $mark = position($w, 2);
	die "partition 2 ends at $mark, without a mark\n" if $kafka->log_end(TOPIC, 2) <= $mark;
	$kafka->configure_topic(TOPIC, 'retention.ms' => 1000);
	my $until = time + 60;
	sleep 0.3 while time < $until && ($kafka->log_start(TOPIC, 0) < $next + 200 || $kafka->log_start(TOPIC, 2) <= $mark);
	$kafka->configure_topic(TOPIC, 'retention.ms' => undef);
	my $low = $kafka->log_start(TOPIC, 0);
	die "Kafka has not deleted anything: the log begins at $low\n" if $low <= $next || $kafka->log_start(TOPIC, 2) <= $mark;
	# the other partitions go on meanwhile
	$w->send(50, to => $_) foreach 0 .. 2;
	$w->resume;
	$w->flag(quiet => 1);
	is_stopped($w, 'what was to be read next is deleted');
	my $now = position($w, 0);
	$w->violated('I1', "partition 0 went from $next to $now over what was deleted, by itself") if $now != $next;
	$w->comes_true(sprintf(q{SELECT max(last_offset) >= %d FROM hospital.stream_ranges WHERE partition = %d}, $kafka->log_end(TOPIC, $_) - 1, $_), 60)
	  // $w->violated('I6', "partition $_ does not go on beside one with a gap") foreach 1, 2;
	$w->sql(sprintf q{SELECT hospital_accept_gap('%s', 0)}, TOPIC);
	$w->flag(quiet => 0);
	defined $w->catches_up or return 1;
	my $lost = $w->sql("SELECT coalesce(sum(lost), 0) FROM hospital.stream_ranges WHERE partition = 0 AND first_offset >= $next");
	$w->violated('I4', sprintf 'the ledger has %d messages lost, of %d', $lost, $low - $next) if $lost != $low - $next;
	return 1;
}

# ---- 17: another topic of the same name ------------------------------------------------

# The world is of no use afterwards: its truth is about a topic that is gone.
sub recreate
{
	my ($w, $quick) = @_;
	my $kafka = $w->{kafka};
	my $stopped = $w->chance(2) < 1;

	$w->load_stop;
	# of a partition that nothing was read of, nothing can tell one log from another
	$w->send(10, to => $_) foreach 0 .. 2;
	defined $w->catches_up or return 0;
	$w->verify;
	$w->pause if $stopped;
	my @before = map { position($w, $_) } 0 .. 2;
	my $rows = $w->sql('SELECT count(*) FROM hospital.transfers');
	$kafka->delete_topic(TOPIC);
	$kafka->create_topic(TOPIC, 3);
	# longer than what has been read: the old positions would be within it
	$w->send($before[$_] + 100, to => $_) foreach 0 .. 2;
	$w->resume if $stopped;
	is_stopped($w, 'the topic is another one of the same name');
	$w->comes_true(q{SELECT count(*) = 3 FROM hospital.stream_partitions WHERE state = 'stopped'}, 60)
	  // $w->violated('I7', 'not all partitions of another topic are stopped');
	my @after = map { position($w, $_) } 0 .. 2;
	$w->violated('I1', "positions moved from @before to @after on a topic that is another one") if "@before" ne "@after";
	$w->violated('I2', 'rows came from a topic that is another one') if $w->sql('SELECT count(*) FROM hospital.transfers') != $rows;

	# accepted, it is read from its beginning
	$w->sql(sprintf q{SELECT hospital_accept_gap('%s', %d)}, TOPIC, $_) foreach 0 .. 2;
	my $all = $rows + 300 + $before[0] + $before[1] + $before[2];
	$w->comes_true("SELECT count(*) = $all FROM hospital.transfers", 60)
	  // $w->violated('I6', "an accepted topic is not read to its end: not $all rows");
	$w->violated('audit', "hospital_audit_stream: $_")
	  foreach split /\n/, $w->sql('SELECT a FROM hospital_audit_stream() a WHERE NOT ok');
	$w->look_at_log;
	$w->look_at_monitor;
	$w->{finished} = 1;
	return 1;
}

# ---- 18: poison ------------------------------------------------------------------------

# One in so many, of the first kinds.
sub poisoned
{
	my ($w, $n, $one_in, $kinds) = @_;
	my $kind = int $w->chance($kinds);

	return [ map { $_ % $one_in == 0 ? $w->poison($kind++ % $kinds) : $w->good(1) } 1 .. $n ];
}

# Seconds from the resumption to the last commit for what was sent while paused.
sub drain
{
	my ($w, $payloads) = @_;

	$w->pause;
	$w->send_payloads($payloads);
	$w->read_topic;
	my $began = $w->sql('SELECT extract(epoch FROM clock_timestamp())');
	$w->resume;
	defined $w->catches_up or return;
	return $w->sql("SELECT extract(epoch FROM max(pg_xact_commit_timestamp(xmin))) - $began FROM hospital.stream_ranges");
}

sub poison
{
	my ($w, $quick) = @_;
	my $kinds = FaultMessage::poison_kinds();
	my $n = $quick ? 5000 : 30_000;
	my $done = int($n / 1000) + 10 * $kinds;

	$w->load_stop;
	defined $w->catches_up or return 0;
	$w->send_payloads(poisoned($w, $n, 1000, $kinds));
	$w->send_payloads(poisoned($w, 10 * $kinds, 1, $kinds));
	return $done if $quick;

	# of the size of good ones: what is measured is not the network
	my $clean = drain($w, [ $w->good(100_000) ]) // return $done;
	my $dirty = drain($w, poisoned($w, 100_000, 100, FaultMessage::small_poison_kinds())) // return $done;
	$w->{note} = sprintf '%.2f of the clean rate with 1 percent of poison', $clean / $dirty;
	$w->violated('18', "$w->{note}: below half") if $clean / $dirty < 0.5;
	return $done + 1000;
}

# ---- 21: a producer that sends twice, late, and otherwise --------------------------------

sub duplicates
{
	my ($w, $quick) = @_;
	my $n = $quick ? 300 : 2000;
	my $first = $w->{number};
	my @events = $w->good($n);

	$w->send_payloads([ $w->shuffle(@events) ]);
	$w->send_payloads([ reverse @events[ 0 .. $n / 2 ] ]);

	# the same to another partition, and each three times in a row
	$w->send_payloads([ map { ($_) x 3 } @events[ $n / 3 .. $n / 2 ] ], to => int $w->chance(3));

	# another event of the same id in the same partition: the first one counts,
	# in the same batch or in another
	my $mine = int $w->chance(3);
	my @numbers = ($w->{number} .. $w->{number} + 49);
	my @those = $w->good(50);
	$w->send_payloads([ (map { ($those[$_], $w->contradiction($numbers[$_])) } 0 .. 24), @those[ 25 .. 49 ] ], to => $mine);
	defined $w->catches_up or return $n;
	$w->send_payloads([ map { $w->contradiction($_) } @numbers[ 25 .. 49 ] ], to => $mine);
	return $n + 3 * $n / 6 + 50;
}

# ---- 22: transactions, and offsets that are no messages ----------------------------------

sub transactions
{
	my ($w, $quick) = @_;
	my $id = 'faults-' . ++$w->{transactions};
	my @with = ('-X', "transactional.id=$id", '-X', 'transaction.timeout.ms=60000');
	my $done = 0;

	foreach (1 .. ($quick ? 2 : 5))
	{
		$w->send(20 + int $w->chance(200), more => \@with);
		end_badly(open_transaction($w, \@with, int $w->chance(3)));
		$w->send(5);
		$done += 2;
	}

	# Those behind an open transaction wait for its end, and only then come.
	$w->load_stop;
	$w->flag(quiet => 1);
	my $open = open_transaction($w, \@with, 0);
	my $behind = $w->{kafka}->log_end(TOPIC, 0);
	$w->send(50, to => 0);
	sleep 3;
	$w->violated('I1', 'messages behind an open transaction were read')
	  if $w->sql("SELECT coalesce(max(last_offset), -1) >= $behind FROM hospital.stream_ranges WHERE partition = 0") eq 't';
	end_badly($open);
	$w->send(1, more => \@with);    # the same id: ends what was open
	$w->flag(quiet => 0);
	defined $w->catches_up or return $done + 1;
	return $done + 1 + compaction($w);
}

# What kcat has sent in a transaction that nobody has ended yet: to one partition or to all.
sub open_transaction
{
	my ($w, $with, @to) = @_;
	my $kafka = $w->{kafka};
	my @events = $w->good(300);
	my %from = map { $_ => $kafka->log_end(TOPIC, $_) } @to ? @to : $kafka->partitions(TOPIC);
	my $kcat = IPC::Run::start([ $w->kcat_producer((map { ('-p', $_) } @to), @$with) ], '<pipe', \*KCAT, '>', '/dev/null', '2>', '/dev/null');
	my $until = time + 30;

	KCAT->autoflush(1);
	print KCAT map { "$_->[0]\x1f$_->[1]\x1e" } @events;
	# it reads its input in large pieces and waits for the last one to be whole
	until (grep { ($_->[2] // '') eq $events[0][1] } map { $kafka->messages(TOPIC, $_, $from{$_}, 'read_uncommitted') } keys %from)
	{
		die "kcat has not sent its transaction\n" if time > $until;
		sleep 0.1;
	}
	return $kcat;
}

# The producer dies; the next one of its id, or time, ends the transaction.
sub end_badly
{
	my ($kcat) = @_;

	$kcat->signal('KILL');
	close KCAT;
	$kcat->finish;
	return;
}

# Older messages of a key vanish before they are read: offsets with nothing.
sub compaction
{
	my ($w) = @_;
	my $kafka = $w->{kafka};
	my %settings = ('cleanup.policy' => 'compact', 'segment.ms' => 200, 'min.cleanable.dirty.ratio' => '0.01');

	$w->pause;
	my $from = position($w, 1);
	# three segments, of the same keys
	foreach (1 .. 3)
	{
		$w->send_payloads([ map { [ 'one patient', $_->[1] ] } $w->good(100) ], to => 1, unacknowledged => 1);
		$kafka->configure_topic(TOPIC, %settings);
		sleep 0.3;
	}
	$w->send(1, to => 1);
	my $until = time + 60;
	my $left;
	do
	{
		sleep 0.5;
		$left = () = $kafka->messages(TOPIC, 1, $from);
	} until $left < 250 || time > $until;
	$kafka->configure_topic(TOPIC, map { $_ => undef } keys %settings);
	$w->resume;
	return $left < 250 ? 1 : 0;
}

1;
