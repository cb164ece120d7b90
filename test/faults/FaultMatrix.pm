
# FaultMatrix: the faults by number, running them, and the table of the results.
package FaultMatrix;

use strict;
use warnings FATAL => 'all';

use IPC::Run ();
use Test::More;

use FaultNet;
use FaultWorld;
use FaultDisk;
use FaultsBroker;
use FaultsCopies;
use FaultsMachine;
use FaultsServer;
use FaultsTables;
use FaultsTests;
use FaultsTopic;
use HospitalKafka;

use constant RATE => 200;    # events a second beside most faults

# Number, name, how; what is special: nodes of Kafka, small disks, a world made to
# be copied, the world's end; no world at all, but tests of its own.
my @faults = (
	[ 0, 'tables changed by hand: is it noticed?', \&sabotage ],
	[ 1, 'kill -9 of a consumer at work', \&FaultsServer::kill_consumer ],
	[ 2, 'kill -9 of the postmaster', \&FaultsServer::kill_postmaster ],
	[ 3, 'SIGTERM, terminate and cancel of a consumer', \&FaultsServer::signal_consumer ],
	[ 4, 'fast and immediate stops', \&FaultsServer::stop_server ],
	[ 5, 'crashes at named points', \&FaultsServer::crash_consumer ],
	[ 6, 'a broker restart', \&FaultsBroker::restart_broker ],
	[ 7, 'kill -9 of one of three brokers, of leaders', \&FaultsBroker::kill_brokers, nodes => 3 ],
	[ 8, 'no broker at all', \&FaultsBroker::no_brokers ],
	[ 9, 'a suspended broker', \&FaultsBroker::suspend_broker ],
	[ 10, 'a partitioned network', \&FaultsBroker::partition_network ],
	[ 11, 'half-open, reset, cut, slow links', \&FaultsBroker::bad_links ],
	[ 12, 'packet loss of 5 percent', \&FaultsBroker::packet_loss ],
	[ 13, 'error codes of brokers', \&FaultsBroker::error_codes ],
	[ 14, 'two consumers of one partition', \&FaultsServer::zombie ],
	[ 15, 'other numbers of workers and partitions', \&FaultsTopic::change_workers_and_partitions ],
	[ 16, 'unread messages deleted by retention', \&FaultsTopic::retention ],
	[ 17, 'the topic deleted and made again', \&FaultsTopic::recreate, last => 1 ],
	[ 18, 'poison', \&FaultsTopic::poison ],
	[ 19, 'rules that refuse rows, tables altered at work', \&FaultsTables::targets ],
	[ 20, 'locks held and deadlocks', \&FaultsServer::locks ],
	[ 21, 'duplicates and another order', \&FaultsTopic::duplicates ],
	[ 22, 'open and aborted transactions, compaction', \&FaultsTopic::transactions ],
	[ 23, 'no room for data, or for the log', \&FaultsMachine::disk_full, small => 1 ],
	[ 24, 'no room for the log of Kafka', \&FaultsMachine::kafka_full, small => 1 ],
	[ 25, 'a disk that fails to write or to flush', \&FaultsMachine::failing_disk ],
	[ 26, 'no memory for a consumer', \&FaultsMachine::no_memory ],
	[ 27, 'no place for workers, or for sessions', \&FaultsMachine::places ],
	[ 28, 'a snapshot held by another session', \&FaultsTables::held_snapshot ],
	[ 29, 'a standby that lags is promoted', \&FaultsCopies::failover, copies => 1, last => 1 ],
	[ 30, 'a backup restored to an earlier moment', \&FaultsCopies::restored, copies => 1, last => 1 ],
	[ 31, 'files that are wrong', undef, tests => [qw(021_ingest 022_day_files 024_dirty)] ],
	[ 32, 'kills, two at once, days in another order', undef, tests => [qw(025_order_and_kills)] ],
	[ 33, 'clocks', undef, tests => [qw(040_clock)] ],
	[ 34, 'jobs that hang, fail and fork', undef, tests => [qw(041_jobs)] ],
	[ 35, 'upgraded and dropped at work', undef, tests => [qw(042_sight 063_upgrade)] ],
	[ 36, 'the producer killed between sending and recording', \&FaultsServer::kill_producer ],
	[ 37, 'passwords, certificates, rights', undef, tests => [qw(032_kafka_security 034_kafka_mistakes)] ]);

my %by_number = map { my ($number, $name, $how, %special) = @$_; $number => { number => $number, name => $name, how => $how, %special } } @faults;

sub numbers { return map { $_->[0] } @faults }
sub fault { return $by_number{ $_[0] } // die "there is no fault $_[0] here\n" }

# Why nothing of this can be done here, or an empty string.
sub unavailable
{
	my $found = eval { IPC::Run::run([qw(kcat -V)], '<', \undef, '>', '/dev/null', '2>&1') };

	return 'kcat is not installed' if !$found;
	return HospitalKafka::unavailable();
}

# The checks themselves are checked: what is wrong must be seen.
sub sabotage
{
	my ($w) = @_;

	$w->load_stop;
	$w->send_payloads([ $w->good(50), $w->poison(0), $w->good(50) ]);
	defined $w->catches_up or return 0;
	my ($done, @unnoticed) = FaultOracle::unnoticed($w);
	$w->violated('harness', $_) foreach @unnoticed;
	return $done;
}

# One run of one fault; what came of it.  Options: quick.
sub run
{
	my ($w, $fault, $seed, %option) = @_;
	my ($injected, $took) = (0, undef);

	$w->{dice} = $seed & 0x7fffffff;
	$w->chance(1);
	$w->{violations} = [];
	$w->{note} = '';
	$w->load_start(RATE);
	if (!eval { $injected = $fault->{how}->($w, $option{quick}); 1 })
	{
		chomp(my $why = $@);
		$w->violated('harness', $why);
		$w->wake;
	}
	FaultNet::heal();
	$w->{kafka}->network('pass');
	$w->load_stop;
	if (!$w->{finished})
	{
		eval {
			$took = $w->catches_up;
			$w->verify;
			1;
		} or $w->violated('I8', $@ =~ s/\n.*//sr);
	}
	my ($polls, $slowest, $memory) = $w->figures;
	return {
		fault => $fault,
		seed => $seed,
		injected => $injected,
		violations => [ @{ $w->{violations} } ],
		took => $took,
		note => $w->{note},
		slowest => $slowest,
		memory => $memory,
	};
}

# Run a fault in a world and tell of it.  What is left of the world: undef after
# a violation or its end.
sub told
{
	my ($world, $fault, $seed, $label, $results, %option) = @_;
	my $result = $fault->{tests} ? FaultsTests::run($fault, $seed, %option) : run($world, $fault, $seed, %option);
	my @violations = map { "$_->[0]: $_->[1]" } @{ $result->{violations} };

	push @$results, $result;
	ok(!@violations, sprintf '%s: fault %d, %s, %d injected%s', $label, $fault->{number}, $fault->{name}, $result->{injected},
		defined $result->{took} ? sprintf(', back after %.1f s', $result->{took}) : '')
	  or diag join "\n", "$label, HOSPITAL_TEST_SEED=$option{master}", @violations, defined $world ? 'server: ' . $world->{node}->logfile : ();
	return if !defined $world;
	return $world if !@violations && !$fault->{last};
	$world->end;
	return;
}

sub new_world
{
	my ($fault, $seed) = @_;

	return FaultWorld->new((map { $_ => $fault->{$_} } qw(nodes small copies)), run => $seed & 0x0fffffff);
}

# Faults of one kind can happen in the same world.
sub kind { return join '/', map { $_[0]->{$_} // 0 } qw(nodes small copies) }

# Why a fault cannot be done here, or an empty string.
sub cannot { return $_[0]->{small} ? FaultDisk::unavailable() : '' }

# Faults after each other, seeded; what came of them.  Options: seed, quick,
# shared (one world for all that do not need another one).
sub series
{
	my ($numbers, %option) = @_;
	my ($world, $of, %runs, @results);

	foreach my $number (@$numbers)
	{
		my $fault = fault($number);
		my $n = ++$runs{$number};
		my $seed = $option{seed} + 1000 * $number + $n;
		my $kind = ($option{shared} ? 0 : $number) . '/' . kind($fault);

		if (defined $world && $of ne $kind)
		{
			$world->end;
			undef $world;
		}
		if (my $why = cannot($fault))
		{
			note "fault $number, $fault->{name}: $why";
			next;
		}
		$of = $kind;
		$world //= new_world($fault, $seed) if !$fault->{tests};
		$world = told($world, $fault, $seed, "run $n", \@results, quick => $option{quick}, master => $option{seed});
	}
	$world->end if defined $world;
	return @results;
}

# ---- for a long time ---------------------------------------------------------------

use constant FAULTS_A_WORLD => 25;

# A network on which some of the faults happen.
my @weathers = ([qw(pass)], [qw(pass)], [qw(delay 40)], [qw(throttle 300000)], [qw(lose 3 1)]);

# Those of the network itself, and what is timed, need a good one.
my %fair = map { $_ => 1 } 3, 8 .. 14, 16 .. 19, 25 .. 28;

# Everything about a step comes from the seed and its number, nothing from the
# clock: the same seed repeats the same steps.
sub soak
{
	my ($seed, $seconds) = @_;
	my $until = time + $seconds;
	my $dice = FaultWorld->dice($seed);
	my ($world, @results);
	my $step = 0;

	while (time < $until)
	{
		my $three = int($step / FAULTS_A_WORLD) % 4 == 3;
		my @may = grep { kind($_) eq kind({}) || $three && kind($_) eq kind({ nodes => 3 }) }
		  map { fault($_) } grep { $_ != 0 && !fault($_)->{tests} } numbers();
		my $fault = $dice->choose(@may);
		my $weather = $dice->choose(@weathers);
		my $mine = int $dice->chance(0x7fffffff);

		if ($step % FAULTS_A_WORLD == 0 && defined $world)
		{
			$world->end;
			undef $world;
		}
		$world //= new_world({ nodes => $three ? 3 : 1 }, $mine);
		$world->{kafka}->network(@$weather) if !$fair{ $fault->{number} };
		$world = told($world, $fault, $mine, sprintf('step %d (%s)', ++$step, $fair{ $fault->{number} } ? 'pass' : "@$weather"), \@results,
			quick => 1, master => $seed);
	}
	$world->end if defined $world;
	return @results;
}

sub table
{
	my (@results) = @_;
	my (%rows, @lines);
	my $line = '%-4s %-52s %5s %9s %11s %8s %7s  %s';

	foreach my $result (@results)
	{
		my $row = $rows{ $result->{fault}{number} } //= { fault => $result->{fault}, runs => 0, injected => 0, violations => 0, took => 0, memory => 0, note => '' };
		$row->{runs}++;
		$row->{injected} += $result->{injected};
		$row->{violations} += @{ $result->{violations} };
		$row->{took} = $result->{took} if ($result->{took} // 0) > $row->{took};
		$row->{memory} = $result->{memory} if $result->{memory} > $row->{memory};
		$row->{note} = $result->{note} if $result->{note} ne '';
	}
	push @lines, sprintf $line, 'no.', 'fault', 'runs', 'injected', 'violations', 'back s', 'MB', '';
	foreach my $number (sort { $a <=> $b } keys %rows)
	{
		my $row = $rows{$number};
		push @lines, sprintf $line, $number, $row->{fault}{name}, $row->{runs}, $row->{injected}, $row->{violations},
		  sprintf('%.1f', $row->{took}), $row->{memory}, $row->{note};
	}
	s/\s+$// foreach @lines;
	return @lines;
}

1;
