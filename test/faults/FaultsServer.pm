
# FaultsServer: faults of the server and its workers: 1 to 5, 14, 20, 36, and
# the first half of 15.
package FaultsServer;

use strict;
use warnings FATAL => 'all';

use IPC::Run ();
use PostgreSQL::Test::Utils;
use Time::HiRes qw(sleep time);

use constant TOPIC => FaultWorld::TOPIC;

# A consumer finds a backlog and is killed at some point of working on it.
sub kill_consumer
{
	my ($w, $quick) = @_;
	my $times = $quick ? 2 : 4;

	foreach (1 .. $times)
	{
		my $pid = $w->pid_of('consumer');
		kill 'STOP', $pid;
		$w->send(3000 + int $w->chance(5000));
		kill 'CONT', $pid;
		sleep $w->chance(0.25);
		$w->kill_process($pid);
		$w->pid_of('consumer', $pid);
	}
	return $times;
}

sub kill_postmaster
{
	my ($w, $quick) = @_;
	my $times = $quick ? 1 : 3;

	foreach (1 .. $times)
	{
		sleep 0.5 + $w->chance(1);
		$w->postmaster_killed;
	}
	return $times;
}

# "Back" is a consumer that consumes, not just a process.
sub signal_consumer
{
	my ($w, $quick) = @_;
	my $times = $quick ? 4 : 200;
	my @ways = (
		sub { kill 'TERM', $_[0] },
		sub { $w->sql("SELECT pg_terminate_backend($_[0])") },
		sub { $w->sql("SELECT pg_cancel_backend($_[0])") });
	my $slowest = 0;

	foreach my $n (1 .. $times)
	{
		my $pid = $w->pid_of('consumer');
		my $way = $quick ? (2, 0, 2, 1)[ $n - 1 ] : int $w->chance(3);
		sleep $w->chance(0.2);
		my $before = $w->sql('SELECT coalesce(sum(last_offset), 0) FROM hospital.stream_ranges');
		my $began = time;
		$ways[$way]->($pid);
		$w->pid_of('consumer', $pid) if $way != 2;
		$w->wait_for("SELECT coalesce(sum(last_offset), 0) > $before FROM hospital.stream_ranges", 'a consumer that goes on');
		my $took = time - $began;
		$slowest = $took if $took > $slowest;
	}
	$w->violated('I6', sprintf 'a consumer told to end was back only after %.1f s', $slowest) if $slowest > 5;
	return $times;
}

sub stop_server
{
	my ($w, $quick) = @_;
	my @modes = $quick ? qw(fast immediate) : qw(fast immediate fast immediate);

	foreach my $mode ($w->shuffle(@modes))
	{
		sleep 0.5 + $w->chance(1);
		my $took = $w->restarted($mode);
		$w->violated('I8', sprintf 'a fast stop took %.1f s', $took) if $mode eq 'fast' && $took > 10;
	}
	return scalar @modes;
}

# ---- 5: named points --------------------------------------------------------------

# The points that this build has (src/crash_point.h).
sub crash_points
{
	my ($prefix) = @_;
	my $folder = `pg_config --pkglibdir`;
	my %points;

	chomp $folder;
	foreach my $library (glob "$folder/hospital*.so")
	{
		my $bytes = PostgreSQL::Test::Utils::slurp_file($library);
		$points{$1} = 1 while $bytes =~ /hospital_crash_point:(${prefix}_\w+)/g;
	}
	return sort keys %points;
}

# A file of the point's name in the data directory: who comes by takes it and dies.
sub crash_at
{
	my ($w, $point, $patience) = @_;
	my $file = $w->{node}->data_dir . "/hospital_crash_point:$point";
	my $until = time + $patience;

	FaultKafka::spew($file, '');
	while (time < $until)
	{
		if (!-e $file)
		{
			$w->{restarts}++;
			return 1;
		}
		sleep 0.05;
	}
	unlink $file;
	$w->violated('harness', "nobody came by the point $point");
	return 0;
}

sub crash_consumer
{
	my ($w, $quick) = @_;
	my @points = crash_points('consumer');
	my $done = 0;

	if (!@points)
	{
		$w->{note} = 'built without -DHOSPITAL_CRASH_POINTS: killed at random points';
		return kill_consumer($w, $quick);
	}
	$w->{note} = scalar(@points) . ' points';
	foreach my $point ($w->shuffle(@points))
	{
		my $pid = $w->pid_of('consumer');
		$w->send(500 + int $w->chance(2000));
		sleep $w->chance(0.2);
		$done += crash_at($w, $point, 30);
		$w->pid_of('consumer', $pid);
	}
	return $done;
}

# ---- 14: two owners of a partition ---------------------------------------------------

# A consumer is stopped, another takes half of its partitions over and reads on;
# the first one wakes and still believes that they are its own.
sub zombie
{
	my ($w, $quick) = @_;
	my $times = $quick ? 1 : 3;

	foreach (1 .. $times)
	{
		my $pid = $w->pid_of('consumer');
		sleep $w->chance(0.3);
		kill 'STOP', $pid or die "no consumer: $!\n";
		$w->send(500, to => $_) foreach 0 .. 2;
		my $before = $w->sql('SELECT coalesce(max(last_offset), -1) FROM hospital.stream_ranges WHERE partition = 1');
		$w->set('hospital.consumer_workers' => 2);

		# one stopped in the middle of a transaction has its partitions until it ends
		my $over = "SELECT coalesce(max(last_offset), -1) > $before FROM hospital.stream_ranges WHERE partition = 1";
		if ($w->sql("SELECT xact_start IS NULL FROM pg_stat_activity WHERE pid = $pid") eq 't')
		{
			$w->comes_true($over, 30) // $w->violated('I6', 'a second consumer did not take over from a stopped one');
		}
		else { $w->wait_for(q{SELECT count(*) = 2 FROM pg_stat_activity WHERE backend_type = 'hospital consumer'}, 'two consumers') }
		kill 'CONT', $pid;
		sleep 1 + $w->chance(1);
		$w->set('hospital.consumer_workers' => 1);
		$w->wait_for(q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'hospital consumer'}, 'one consumer');
	}
	return $times + second_owner($w);
}

# The same, to the point: a prepared transaction has the range that the consumer
# is about to make.
sub second_owner
{
	my ($w) = @_;
	my ($payload) = $w->good(1);
	my %field = %{ JSON::PP::decode_json($payload->[1]) };

	$w->load_stop;
	defined $w->catches_up or return 0;
	my ($next, $epoch) = split /\|/, $w->sql(q{SELECT last_offset + 1, epoch FROM hospital.stream_ranges
		WHERE partition = 0 ORDER BY epoch DESC, first_offset DESC LIMIT 1});
	my $row = join ', ', map { $w->quote($field{$_}) }
	  qw(event_id event_time admission_id patient_id from_ward to_ward reason status staff_id);
	$w->sql(qq{BEGIN;
		INSERT INTO hospital.transfers (event_id, event_time, admission_id, patient_id, from_ward, to_ward, reason, status, staff_id)
		VALUES ($row);
		INSERT INTO hospital.stream_ranges (topic, partition, epoch, first_offset, last_offset, rows, rejects, duplicates, messages, worker_pid)
		VALUES ('@{[TOPIC]}', 0, $epoch, $next, $next, 1, 0, 0, 1, 0);
		PREPARE TRANSACTION 'owner'});
	$w->send_payloads([$payload], to => 0);
	$w->comes_true(q{SELECT count(*) > 0 FROM pg_stat_activity
		WHERE backend_type = 'hospital consumer' AND wait_event_type = 'Lock'}, 30)
	  // $w->violated('I2', 'a consumer does not wait for the other owner of its range');
	$w->sql(q{COMMIT PREPARED 'owner'});
	return 1;
}

# ---- 15, workers ------------------------------------------------------------------------

sub change_workers
{
	my ($w, $quick) = @_;
	my @numbers = $w->shuffle(2, 3, 2, 4);

	@numbers = @numbers[ 0, 1 ] if $quick;
	foreach my $n (@numbers, 1)
	{
		$w->set('hospital.consumer_workers' => $n);
		sleep 0.5 + $w->chance(1.5);
	}
	return 1 + @numbers;
}

# ---- 20: locks ---------------------------------------------------------------------------

# Another session, which runs by itself.
sub session
{
	my ($w, $script) = @_;
	my $node = $w->{node};
	my $file = "$w->{folder}/session." . ++$w->{sends};

	FaultKafka::spew($file, "$script\n");
	return IPC::Run::start([ 'psql', '-qAtX', '-h', $node->host, '-p', $node->port, '-d', 'postgres', '-f', $file ],
		'<', '/dev/null', '>', "$file.said", '2>&1');
}

sub locks
{
	my ($w, $quick) = @_;
	my $held = $ENV{HOSPITAL_FAULT_LONG} ? 300 : $quick ? 6 : 20;
	my $waits = q{SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'hospital consumer' AND wait_event_type = 'Lock'};
	my $done = 0;

	# the monitor's claims say "waiting" of a lock
	$w->flag(quiet => 1);
	my $session = session($w, "BEGIN; LOCK TABLE hospital.transfers IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep($held); COMMIT;");
	$w->comes_true($waits, $held) // $w->violated('I7', 'a consumer does not wait for a lock on its table');

	# a consumer that waits for a lock ends when told to
	my $pid = $w->pid_of('consumer');
	my $began = time;
	$w->sql("SELECT pg_terminate_backend($pid)");
	$w->pid_of('consumer', $pid);
	$w->violated('I8', sprintf 'a consumer waiting for a lock took %.1f s to end', time - $began) if time - $began > 10;
	$w->violated('I8', 'another session does not answer while a lock is held') if ($w->try_sql('SELECT 1') // '') ne '1';
	$session->finish;
	$done++;
	foreach my $pair ($w->shuffle([qw(stream_ranges transfers)], [qw(transfers stream_ranges)]))
	{
		my $deadlocks = session($w, "SET deadlock_timeout = '300ms'; BEGIN; LOCK TABLE hospital.$pair->[0] IN SHARE MODE;"
			  . " SELECT pg_sleep(0.7); LOCK TABLE hospital.$pair->[1] IN SHARE MODE; SELECT pg_sleep(1); COMMIT;");
		$deadlocks->finish;
		$done++;
	}
	$w->flag(quiet => 0);
	return $done;
}

# ---- 36: published, but not yet recorded -----------------------------------------------------

sub kill_producer
{
	my ($w, $quick) = @_;
	my @points = crash_points('producer');
	my $times = $quick ? 3 : 6;
	my $behind = int $w->chance($times);
	my @with = ('-X', 'transactional.id=faults-' . ++$w->{transactions}, '-X', 'transaction.timeout.ms=60000');
	my $done = 0;

	# others send, faster than an answer comes: the end of the topic is never in sight
	$w->{kafka}->network(qw(delay 40));
	$w->set('hospital.batch_interval' => '2s', 'hospital.stream_interval' => '200ms');
	$w->wait_for('SELECT count(*) > 3 FROM hospital.published', 'published events');
	$w->{note} = @points ? scalar(@points) . ' points' : 'built without -DHOSPITAL_CRASH_POINTS: killed at random points';
	foreach my $n (1 .. $times)
	{
		my $pid = $w->pid_of('scheduler');
		my $open = $n - 1 == $behind ? FaultsTopic::open_transaction($w, \@with) : undef;
		sleep 0.3 + $w->chance(1);
		if (@points) { $done += crash_at($w, $points[ $n % @points ], 30) }
		else { $done += $w->kill_process($pid) }
		$w->pid_of('scheduler', $pid);
		if ($open)
		{
			# what was sent is behind somebody else's transaction for a while
			sleep 3;
			FaultsTopic::end_badly($open);
			$w->send(1, more => \@with);    # the same id: ends what was open
		}
		my $ticks = $w->sql('SELECT count(*) FROM hospital.published');
		$w->wait_for("SELECT count(*) > $ticks FROM hospital.published", 'publishing that goes on');
	}
	$w->set('hospital.batch_interval' => '12h', 'hospital.stream_interval' => '12h');
	published_once($w);
	return $done;
}

# I10: the topic has what was published, once.  What is under way may come yet.
sub published_once
{
	my ($w) = @_;
	my $generated = q{SELECT g.event_id FROM hospital.simulation s,
		LATERAL (SELECT DISTINCT day FROM hospital.published) d,
		LATERAL hospital_generate_transfers(d.day, s.seed, s.people, s.beds, s.start_date, s.transfers_per_day) g};
	my ($until, $known, $said) = (time + 60, '');

	do
	{
		sleep 0.5;
		# on a bad network what was due before comes slowly
		my $published = $w->sql('SELECT count(*) FROM hospital.published');
		$until = time + 60 if $published ne $known;
		$known = $published;
		$w->read_topic;
		$said = $w->sql(qq{WITH sent AS (SELECT event_id FROM fault_oracle.truth
				WHERE sqlstates = '' AND event_id::text NOT LIKE '01890a5d-____-____-8000-%')
			SELECT (SELECT count(*) FROM sent) - (SELECT count(DISTINCT event_id) FROM sent) || ' second copies, '
			    || (SELECT coalesce(sum(events), 0) FROM hospital.published) - (SELECT count(DISTINCT event_id) FROM sent) || ' missing, '
			    || (SELECT count(*) FROM (SELECT event_id FROM sent EXCEPT ($generated)) x) || ' of no published day'});
	} until $said eq '0 second copies, 0 missing, 0 of no published day' || time > $until;
	$w->violated('I10', $said) if $said ne '0 second copies, 0 missing, 0 of no published day';
	return;
}

1;
