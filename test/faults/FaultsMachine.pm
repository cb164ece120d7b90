
# FaultsMachine: faults of the machine and of what a server may have of it: 23 to 27.
package FaultsMachine;

use strict;
use warnings FATAL => 'all';

use FaultDisk;
use FaultsBroker;
use FaultsServer;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Time::HiRes qw(sleep time);

sub log_of { return PostgreSQL::Test::Utils::slurp_file($_[0]->{node}->logfile) }

# A server that has ended is started; one that recovers is waited for.
sub is_up
{
	my ($w) = @_;
	my $node = $w->{node};
	my $until = time + FaultWorld::PATIENCE;

	$w->flag(down => 1);
	until (($w->try_sql('SELECT 1') // '') eq '1')
	{
		die "the server does not come back\n" if time > $until;
		sleep 0.5;
		next if -e $node->data_dir . '/postmaster.pid';
		# it believes in the old process
		$node->stop('fast', fail_ok => 1);
		$node->start(fail_ok => 1);
	}
	$w->flag(down => 0);
	return;
}

# ---- 23: no room for data, or for the log -------------------------------------------------

# Rows cannot be written: the consumer says so and tries again; others are served.
sub data_full
{
	my ($w, $quick) = @_;

	FaultDisk::fill("$w->{folder}/data");
	foreach my $n (1 .. 20)
	{
		$w->send(2000);
		last if $w->comes_true(q{SELECT count(*) > 0 FROM hospital.status WHERE worker LIKE 'consumer%' AND sqlstate = '53100'}, 1.5);
		$w->violated('I7', 'no consumer says that the disk is full: ' . $w->status('consumer')) if $n == 20;
	}
	sleep($quick ? 1 : 3 + $w->chance(5));
	$w->violated('I8', 'no answer while the disk is full') if ($w->try_sql('SELECT count(*) >= 0 FROM hospital.stream_ranges') // '') ne 't';
	FaultDisk::free("$w->{folder}/data");
	return;
}

# The log cannot be written: the server has to end, and does not come back
# before there is room.
sub log_full
{
	my ($w, $quick) = @_;
	my $known = () = log_of($w) =~ /PANIC: /g;
	my $until = time + 60;

	$w->flag(down => 1);
	FaultDisk::fill("$w->{folder}/wal");
	until ($known < (() = log_of($w) =~ /PANIC: /g))
	{
		die "a full disk for the log is not noticed\n" if time > $until;
		$w->send(2000);
		sleep 0.2;
	}
	sleep($quick ? 1 : 2 + $w->chance(4));
	FaultDisk::free("$w->{folder}/wal");
	is_up($w);
	return;
}

sub disk_full
{
	my ($w, $quick) = @_;

	$w->{disk_errors} = 1;
	foreach my $full ($w->shuffle(\&data_full, \&log_full)) { $full->($w, $quick) }
	return 2;
}

# ---- 24: no room for Kafka's log ----------------------------------------------------------

# What cannot be sent is kept, and somebody who looks is told so.
sub kafka_full
{
	my ($w, $quick) = @_;
	my $logs = "$w->{kafka}{nodes}[0]{dir}/data";
	my $said = q{SELECT count(*) > 0 FROM hospital.status WHERE worker = 'scheduler' AND last_error IS NOT NULL};

	$w->set('hospital.batch_interval' => '2s', 'hospital.stream_interval' => '200ms');
	$w->wait_for('SELECT count(*) > 3 FROM hospital.published', 'published events');
	FaultDisk::fill($logs);
	$w->comes_true($said, 90) // $w->violated('I7', 'Kafka has no room, and the scheduler says: ' . $w->status('scheduler'));
	sleep($quick ? 1 : $w->chance(10));
	FaultDisk::free($logs);
	# a broker without a log ends
	$w->{kafka}->stop;
	$w->{kafka}->start;
	my $ticks = $w->sql('SELECT count(*) FROM hospital.published');
	$w->wait_for("SELECT count(*) > $ticks FROM hospital.published", 'publishing that goes on');
	$w->set('hospital.batch_interval' => '12h', 'hospital.stream_interval' => '12h');
	FaultsServer::published_once($w);
	return 1;
}

# ---- 25: a disk that fails ------------------------------------------------------------------

# Whose calls fail, and which; all but a checkpointer's write end the server.
my @failing = (
	[ 'checkpointer', 'fsync', 'fsync' ],
	[ 'checkpointer', 'a write', 'pwrite64' ],
	[ 'walwriter', 'fsync of the log', 'fdatasync' ],
	[ 'hospital consumer', 'fsync of the log', 'fdatasync' ],
	[ 'hospital consumer', 'a write', 'pwrite64' ]);

sub failing_disk
{
	my ($w, $quick) = @_;
	my @those = $w->shuffle(@failing);
	my $done = 0;

	if (!FaultNet::try_run(qw(strace -V)))
	{
		$w->{note} = 'strace is not installed';
		return 0;
	}
	$w->{disk_errors} = 1;
	$w->set(fsync => 'on');
	@those = @those[ 0, 1 ] if $quick;
	foreach my $one (@those)
	{
		my ($who, undef, $call) = @$one;
		my $pid = $w->sql("SELECT pid FROM pg_stat_activity WHERE backend_type = '$who' LIMIT 1");
		my $trace = "$w->{folder}/strace." . ++$w->{sends};
		my $strace = IPC::Run::start([ 'strace', '-qq', '-o', $trace, '-e', "trace=$call", '-e', "inject=$call:error=EIO", '-p', $pid ],
			'<', \undef, '>', '/dev/null', '2>&1');
		my $until = time + 20;

		$w->flag(down => 1);
		while (time < $until && !-s $trace)
		{
			$w->send(2000);
			FaultsServer::session($w, 'CHECKPOINT')->finish;
		}
		sleep 0.5 + $w->chance(1);
		if (-s $trace) { $done++ }
		$strace->signal('KILL');
		$strace->finish;
		is_up($w);
	}
	$w->set(fsync => 'off');
	$w->violated('harness', 'no call of the server failed') if $done == 0;
	return $done;
}

# ---- 26: no memory -----------------------------------------------------------------------------

# KB of a process's address space.
sub address_space
{
	my ($pid) = @_;

	return PostgreSQL::Test::Utils::slurp_file("/proc/$pid/status") =~ /^VmSize:\s+(\d+)/m ? $1 : die "no process $pid\n";
}

# One that has written a few messages; its pid.
sub new_consumer
{
	my ($w) = @_;
	my @old = $w->pids('consumer');

	kill 'TERM', @old;
	$w->send(100);
	$w->catches_up;
	return $w->pid_of('consumer', @old);
}

# A consumer may have some MB more than it has, and no more.  How often it was
# refused some is what is injected.  The first is a new one, which has no room yet
# for as many messages as there will be: it must have been refused some.
sub no_memory
{
	my ($w, $quick) = @_;
	my $times = $quick ? 1 : 4;
	my $refused = sub { scalar(() = log_of($w) =~ /: out of memory$/mg) };
	my $before = $refused->();

	foreach my $n (1 .. $times)
	{
		my $pid = $n == 1 ? new_consumer($w) : $w->pid_of('consumer');
		my $limit = 1024 * (address_space($pid) + ($n == 1 ? 1024 : int $w->chance(12 * 1024)));
		FaultNet::try_run('prlimit', "--pid=$pid", "--as=$limit:unlimited") or die "prlimit failed\n";
		$w->send(20_000);
		sleep 2 + $w->chance(3);
		FaultNet::try_run('prlimit', "--pid=$pid", '--as=unlimited:unlimited');
		$w->catches_up;
	}
	my $times_refused = $refused->() - $before;
	$w->violated('harness', 'no consumer was refused memory') if $times_refused == 0;
	return $times_refused;
}

# ---- 27: no place for a worker, or for a session -----------------------------------------------

sub no_workers
{
	my ($w, $quick) = @_;

	# the replication launcher's, ours, and one more
	$w->sql('ALTER SYSTEM SET max_worker_processes = 3');
	$w->restarted('fast');
	$w->comes_true(q{SELECT count(*) > 0 FROM hospital.status WHERE state LIKE 'no worker slot free%'}, 30)
	  // $w->violated('I7', 'there is no place for workers, and hospital.status does not say so');
	my $before = () = log_of($w) =~ /\n/g;
	sleep($quick ? 4 : 15);
	my $lines = (() = log_of($w) =~ /\n/g) - $before;
	$w->violated('I7', "$lines lines in the log while there is no place for workers") if $lines > 20;
	$w->sql('ALTER SYSTEM SET max_worker_processes = 16');
	return;
}

# Workers do not need a session's place: they go on, and begin.
sub no_sessions
{
	my ($w) = @_;
	my @sessions;
	my $pid = $w->pid_of('consumer');

	$w->flag(down => 1);
	while (defined $w->try_sql('SELECT 1'))
	{
		die "the server takes more sessions than it may\n" if @sessions > 60;
		push @sessions, FaultsServer::session($w, 'SELECT pg_sleep(86400)') foreach 1 .. 4;
		sleep 0.5;
	}
	my $full = time;
	kill 'TERM', $pid;
	$w->send(1000);
	sleep 4;
	my $freed = time;
	# clients that are interrupted cancel what they have asked for
	foreach my $session (@sessions)
	{
		eval { $session->signal('INT') };
		eval { $session->finish };
	}
	$w->wait_for('SELECT true', 'a place for a session');
	$w->flag(down => 0);
	my $meanwhile = $w->sql("SELECT count(*) FROM hospital.stream_ranges WHERE pg_xact_commit_timestamp(xmin) BETWEEN to_timestamp($full) AND to_timestamp($freed)");
	$w->violated('I6', 'nothing was read while all places for sessions were taken') if $meanwhile == 0;
	return;
}

sub places
{
	my ($w, $quick) = @_;

	no_workers($w, $quick);
	$w->sql('ALTER SYSTEM SET max_connections = 12');
	$w->restarted('fast');
	no_sessions($w);
	$w->sql('ALTER SYSTEM RESET max_connections');
	$w->restarted('fast');
	return 2;
}

1;
