
# FaultProxy: a TCP proxy that stands before a broker and misbehaves as told.
#
# A process of its own, commanded by lines on a pipe and ending with it:
#
#   pass                as if it were not there
#   delay MS            bytes arrive so much later
#   throttle N          N bytes a second in each direction
#   halfopen            nothing arrives, connections stay; ended, they are reset
#   blackhole           nothing arrives, connections stay; ended, all goes on
#   refuse              connections are closed and none is accepted
#   cut, reset          close what there is now, politely or by a reset
#   lose PERCENT SEED   so many of the pieces come late, as if sent again
#   error API CODE N    the next N responses to this API carry this error code
#
# It knows Kafka's framing, and of a few responses where the error code is.
package FaultProxy;

use strict;
use warnings FATAL => 'all';

use Errno qw(EAGAIN EINTR EWOULDBLOCK);
use IO::Handle;
use IO::Socket::INET;
use Socket qw(IPPROTO_TCP SOL_SOCKET SO_LINGER TCP_NODELAY);
use Time::HiRes qw(time);

use constant ROOM => 1024 * 1024;    # not read further while so much waits

# ---- the side of the test -----------------------------------------------------

sub new
{
	my ($class, $port, $target) = @_;
	my $listener = listener($port) or die "no port $port for a proxy: $!";
	my $self = bless { port => $port }, $class;

	pipe(my $commands, my $pen) or die "pipe: $!";
	pipe(my $answers, my $answer) or die "pipe: $!";
	$self->{pid} = fork // die "fork: $!";
	if ($self->{pid} == 0)
	{
		close $pen;
		close $answers;
		eval { serve($listener, $port, $target, $commands, $answer) };
		warn $@ if $@;
		# Neither destructors nor END blocks of the test are this process's.
		require POSIX;
		POSIX::_exit(0);
	}
	$pen->autoflush(1);
	@$self{qw(pen answers)} = ($pen, $answers);
	return $self;
}

sub tell
{
	my ($self, @command) = @_;

	print { $self->{pen} } "@command\n" or die "the proxy is gone: $!";
	defined readline($self->{answers}) or die 'the proxy is gone';
	return;
}

# How many responses have been made errors.
sub errors_made
{
	my ($self) = @_;

	print { $self->{pen} } "count\n";
	my $line = readline($self->{answers});
	chomp $line;
	return $line;
}

sub DESTROY
{
	my ($self) = @_;

	local ($?, $!);
	# A proxy made later holds a copy of our end of the pipe.
	kill 'TERM', $self->{pid};
	waitpid $self->{pid}, 0;
	return;
}

# ---- the side of the proxy ----------------------------------------------------

sub listener
{
	my ($port) = @_;

	return IO::Socket::INET->new(Listen => 64, LocalAddr => '127.0.0.1', LocalPort => $port,
		ReuseAddr => 1, Blocking => 0);
}

my %state;    # mode, value, errors to make
my @pairs;    # connections: both sockets and, for each direction, what waits

sub serve
{
	my ($listener, $port, $target, $commands, $answer) = @_;

	$SIG{PIPE} = 'IGNORE';
	$answer->autoflush(1);
	$commands->blocking(0);
	%state = (mode => 'pass', value => 0, made => 0);
	my $typed = '';
	for (;;)
	{
		my $reads = '';
		vec($reads, fileno $commands, 1) = 1;
		vec($reads, fileno $listener, 1) = 1 if $listener;
		foreach my $pair (@pairs)
		{
			foreach my $way (@{ $pair->{ways} })
			{
				vec($reads, fileno $way->{from}, 1) = 1 if !$way->{ended} && $way->{size} < ROOM;
			}
		}
		select($reads, undef, undef, (grep { $_->{ways}[0]{size} + $_->{ways}[1]{size} } @pairs) ? 0.005 : 0.1);
		if (vec($reads, fileno $commands, 1))
		{
			my $n = sysread $commands, $typed, 4096, length $typed;
			return if defined $n && $n == 0;
			while ($typed =~ s/^([^\n]*)\n//)
			{
				my @command = split ' ', $1;
				if ($command[0] eq 'count')
				{
					print $answer "$state{made}\n";
					next;
				}
				$listener = command($listener, $port, @command);
				print $answer "ok\n";
			}
		}
		if ($listener && vec($reads, fileno $listener, 1))
		{
			while (my $client = $listener->accept) { connected($client, $target) }
		}
		foreach my $pair (@pairs)
		{
			take($pair, $_) foreach grep { vec($reads, fileno $_->{from}, 1) } @{ $pair->{ways} };
			give($pair, $_) foreach @{ $pair->{ways} };
		}
		@pairs = grep { !$_->{closed} } @pairs;
	}
}

sub command
{
	my ($listener, $port, $what, @values) = @_;

	if ($what eq 'cut' || $what eq 'reset')
	{
		shut($_, $what eq 'reset') foreach @pairs;
	}
	elsif ($what eq 'error')
	{
		$state{error} = { api => $values[0], code => $values[1], left => $values[2] };
		return $listener;
	}
	else
	{
		if ($state{mode} eq 'halfopen') { shut($_, 1) foreach grep { $_->{hung} } @pairs }
		srand($values[1]) if $what eq 'lose';
		@state{qw(mode value)} = ($what, $values[0] // 0);
		if ($what eq 'halfopen') { $_->{hung} = 1 foreach @pairs }
	}
	@pairs = grep { !$_->{closed} } @pairs;
	if ($what eq 'refuse')
	{
		shut($_, 0) foreach @pairs;
		@pairs = ();
		close $listener if $listener;
		return undef;
	}
	return $listener // listener($port) // die "port $port: $!";
}

sub connected
{
	my ($client, $target) = @_;
	my $server = IO::Socket::INET->new(PeerAddr => $target);

	if (!$server)
	{
		close $client;
		return;
	}
	foreach ($client, $server)
	{
		$_->blocking(0);
		setsockopt $_, IPPROTO_TCP, TCP_NODELAY, 1;
	}
	my %asked;    # by correlation id: API and version
	push @pairs, {
		asked => \%asked,
		hung => $state{mode} eq 'halfopen',
		ways => [
			{ from => $client, to => $server, bytes => '', queue => [], size => 0, last => time, request => 1 },
			{ from => $server, to => $client, bytes => '', queue => [], size => 0, last => time } ]
	};
	return;
}

sub shut
{
	my ($pair, $reset) = @_;

	foreach my $way (@{ $pair->{ways} })
	{
		setsockopt $way->{from}, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0) if $reset;
		close $way->{from};
	}
	$pair->{closed} = 1;
	return;
}

sub take
{
	my ($pair, $way) = @_;
	return if $pair->{closed};
	my $n = sysread $way->{from}, $way->{bytes}, 65536, length $way->{bytes};

	if (!defined $n)
	{
		return if $! == EAGAIN || $! == EWOULDBLOCK || $! == EINTR;
		shut($pair, 1);
		return;
	}
	$way->{ended} = 1 if $n == 0;
	while (length $way->{bytes} >= 4)
	{
		my $length = 4 + unpack 'N', $way->{bytes};
		last if length $way->{bytes} < $length;
		my $frame = substr $way->{bytes}, 0, $length, '';
		$way->{request} ? remember($pair, $frame) : spoil($pair, \$frame);
		enqueue($way, $frame);
	}
	return;
}

sub enqueue
{
	my ($way, $frame) = @_;
	my $due = time;

	$due += $state{value} / 1000 if $state{mode} eq 'delay';
	$due += 0.2 + rand 0.8 if $state{mode} eq 'lose' && rand(100) < $state{value};
	# TCP keeps the order
	my $queue = $way->{queue};
	$due = $queue->[-1][0] if @$queue && $queue->[-1][0] > $due;
	push @$queue, [ $due, $frame ];
	$way->{size} += length $frame;
	return;
}

sub give
{
	my ($pair, $way) = @_;
	my $now = time;
	my $allowed = $state{mode} eq 'throttle' ? int(($now - $way->{last}) * $state{value}) : 65536;

	return if $pair->{closed} || $pair->{hung} || $state{mode} eq 'blackhole' || $allowed == 0;
	$way->{last} = $now;
	while (@{ $way->{queue} } && $allowed > 0)
	{
		my $head = $way->{queue}[0];
		last if $head->[0] > $now;
		my $n = syswrite $way->{to}, $head->[1], $allowed;
		if (!defined $n)
		{
			return if $! == EAGAIN || $! == EWOULDBLOCK || $! == EINTR;
			shut($pair, 1);
			return;
		}
		$allowed -= $n;
		$way->{size} -= $n;
		substr $head->[1], 0, $n, '';
		shift @{ $way->{queue} } if $head->[1] eq '';
	}
	shut($pair, 0) if $way->{ended} && !@{ $way->{queue} };
	return;
}

# ---- error codes ----------------------------------------------------------------

sub remember
{
	my ($pair, $frame) = @_;
	my ($api, $version, $correlation) = unpack 'x4 n n N', $frame;

	$pair->{asked}{$correlation} = [ $api, $version ];
	return;
}

# Where the error codes are, in the versions that librdkafka asks for.
my %places = (
	# Produce to version 8: topics, partitions, index, error
	0 => sub { first_partition($_[0], 8) },
	# Fetch 7 to 11: throttle, error, session; then likewise
	1 => sub { first_partition($_[0], 18) },
	# InitProducerId: throttle, error; from version 2 on with tags before
	22 => sub { $_[1] >= 2 ? 13 : 12 });

# Topics begin at $at: their number, the first one's name, its partitions'
# number, the first one's index.
sub first_partition
{
	my ($frame, $at) = @_;

	return if length $$frame < $at + 6 || unpack("x$at N", $$frame) == 0;
	$at += 4;
	$at += 2 + unpack "x$at n", $$frame;
	return if length $$frame < $at + 10 || unpack("x$at N", $$frame) == 0;
	return $at + 8;
}

sub spoil
{
	my ($pair, $frame) = @_;
	my $asked = delete $pair->{asked}{ unpack 'x4 N', $$frame };
	my $error = $state{error};

	return if !$error || !$asked || $error->{left} <= 0 || $error->{api} != $asked->[0];
	my $at = $places{ $asked->[0] }->($frame, $asked->[1]);
	return if !defined $at;
	substr $$frame, $at, 2, pack 'n', $error->{code} & 0xffff;
	$error->{left}--;
	$state{made}++;
	return;
}

1;
