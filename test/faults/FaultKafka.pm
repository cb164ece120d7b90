
# FaultKafka: Apache Kafka, one node or three, for fault tests.
#
# Each node has two ways in: the direct one, for the test's own producer, reader
# and administration, and one that is advertised at a FaultProxy's port, for the
# server under test.  Topics are managed by Kafka's protocol itself, since each
# of Kafka's tools takes seconds to start.
package FaultKafka;

use strict;
use warnings FATAL => 'all';

use FindBin;
use IO::Select;
use IO::Socket::INET;
use IPC::Run ();
use Time::HiRes qw(sleep time);

use FaultDisk;
use FaultProxy;
use HospitalKafka;

use constant SMALL_MB => 160;    # an index of each partition is 10 MB when it is open

my $script = $INC{'HospitalKafka.pm'} =~ s/HospitalKafka\.pm$/kafka.sh/r;

sub free_ports
{
	my ($n) = @_;
	my @sockets = map { IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die "no port: $!" } 1 .. $n;

	return map { $_->sockport } @sockets;
}

# Options: small (the logs are on a small file system).
sub new
{
	my ($class, $dir, $count, %option) = @_;
	my @ports = free_ports(4 * $count);
	my @nodes;

	foreach my $id (1 .. $count)
	{
		my %node = (id => $id, dir => "$dir/$id");
		@node{qw(direct proxied controller public)} = splice @ports, 0, 4;
		$node{proxy} = FaultProxy->new($node{public}, "127.0.0.1:$node{proxied}");
		push @nodes, \%node;
	}
	my $self = bless { nodes => \@nodes }, $class;
	foreach my $node (@nodes)
	{
		mkdir $node->{dir};
		FaultDisk::mount_at("$node->{dir}/data", SMALL_MB) if $option{small};
		$self->configure($node);
	}
	return $self;
}

sub spew
{
	my ($file, $text) = @_;

	open my $fh, '>', $file or die "$file: $!";
	print $fh $text;
	close $fh or die "$file: $!";
	return;
}

sub run_script
{
	my (@arguments) = @_;
	my $said = '';

	IPC::Run::run([ $script, @arguments ], '<', \undef, '>', \$said, '2>&1') or die "kafka.sh @arguments: $said";
	return $said;
}

sub configure
{
	my ($self, $node) = @_;
	my $voters = join ',', map { "$_->{id}\@127.0.0.1:$_->{controller}" } @{ $self->{nodes} };
	my $copies = @{ $self->{nodes} };
	my $needed = $copies > 1 ? 2 : 1;

	run_script('jars');
	spew("$node->{dir}/log4j.properties", <<'END');
log4j.rootLogger=INFO, stdout
log4j.appender.stdout=org.apache.log4j.ConsoleAppender
log4j.appender.stdout.layout=org.apache.log4j.PatternLayout
log4j.appender.stdout.layout.ConversionPattern=%d %p %m (%c)%n
END
	spew("$node->{dir}/kind", "plain\n");
	spew("$node->{dir}/jaas.conf", '');
	spew("$node->{dir}/addresses", "PLAINTEXT 127.0.0.1:$node->{direct}\n");
	spew("$node->{dir}/server.properties", <<"END");
process.roles=broker,controller
node.id=$node->{id}
controller.quorum.voters=$voters
listeners=DIRECT://127.0.0.1:$node->{direct},PROXIED://127.0.0.1:$node->{proxied},CONTROLLER://127.0.0.1:$node->{controller}
advertised.listeners=DIRECT://127.0.0.1:$node->{direct},PROXIED://127.0.0.1:$node->{public}
listener.security.protocol.map=DIRECT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=DIRECT
controller.listener.names=CONTROLLER
log.dirs=$node->{dir}/data
default.replication.factor=$copies
offsets.topic.replication.factor=$copies
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=$copies
transaction.state.log.min.isr=$needed
transaction.state.log.num.partitions=1
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
min.insync.replicas=$needed
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
log.retention.check.interval.ms=500
log.initial.task.delay.ms=500
log.cleaner.backoff.ms=500
log.segment.delete.delay.ms=100
END
	run_script('tool', $node->{dir}, 'kafka.tools.StorageTool', 'format', '-t', 'aG9zcGl0YWwtdGVzdC0xMQ',
		'-c', "$node->{dir}/server.properties");
	return;
}

# All at once: one alone of three has no quorum to be ready with.
sub start
{
	my ($self, @nodes) = @_;
	my @starting;

	@nodes = @{ $self->{nodes} } if !@nodes;
	foreach my $node (@nodes)
	{
		my $said = '';
		push @starting, IPC::Run::start([ $script, 'start', $node->{dir} ], '<', \undef, '>', \$said, '2>', \$said);
	}
	foreach my $h (@starting) { $h->finish or die 'a broker does not start' }
	$self->{started} = 1;
	return;
}

sub stop { return each_node('stop', @_) }
sub kill9 { return each_node('kill', @_) }

sub each_node
{
	my ($how, $self, @nodes) = @_;

	@nodes = @{ $self->{nodes} } if !@nodes;
	foreach my $node (@nodes)
	{
		# a stopped process cannot end
		kill 'CONT', broker_pid($node) if broker_pid($node);
		run_script($how, $node->{dir});
	}
	return;
}

sub broker_pid
{
	my ($node) = @_;

	open my $fh, '<', "$node->{dir}/broker.pid" or return 0;
	chomp(my $pid = <$fh>);
	return $pid;
}

# Suspend or wake every broker.
sub signal
{
	my ($self, $signal) = @_;

	kill $signal, broker_pid($_) or die "no broker: $!" foreach @{ $self->{nodes} };
	return;
}

sub proxies { return map { $_->{proxy} } @{ $_[0]->{nodes} } }

# Tell every proxy.
sub network
{
	my ($self, @command) = @_;

	$_->tell(@command) foreach $self->proxies;
	return;
}

sub errors_made
{
	my ($self) = @_;
	my $sum = 0;

	$sum += $_->errors_made foreach $self->proxies;
	return $sum;
}

sub direct { return join ',', map { "127.0.0.1:$_->{direct}" } @{ $_[0]->{nodes} } }
sub public { return join ',', map { "127.0.0.1:$_->{public}" } @{ $_[0]->{nodes} } }

sub DESTROY
{
	my ($self) = @_;

	local ($?, $!, $@);
	eval { $self->kill9 } if $self->{started};
	return;
}

# ---- administration -------------------------------------------------------------

sub string { return pack 'n/a*', $_[0] }

# Ask any of the brokers; the controller is found by them.
sub ask
{
	my ($self, $api, $version, $body) = @_;
	my $request = pack('n n N n/a*', $api, $version, 1, 'fault-tests') . $body;

	foreach my $node (@{ $self->{nodes} })
	{
		my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$node->{direct}") or next;
		print $socket pack('N', length $request) . $request;
		$socket->flush;
		my ($answer, $until) = ('', time + 30);
		while (length $answer < 4 || length $answer < 4 + unpack 'N', $answer)
		{
			last if !IO::Select->new($socket)->can_read($until - time > 0 ? $until - time : 0);
			last if !sysread $socket, $answer, 65536, length $answer;
		}
		return substr $answer, 8 if length $answer >= 8;
	}
	die 'no broker answers';
}

# Errors that an answer of one topic carries at the given place.
sub succeeded
{
	my ($what, $answer, $at) = @_;
	my $code = unpack "x$at s>", $answer;

	die "$what: Kafka's error $code" if $code != 0;
	return;
}

# The retry is for a name that is still being deleted.
sub create_topic
{
	my ($self, $topic, $partitions) = @_;
	my $body = pack('N', 1) . string($topic) . pack('N n N N N C', $partitions, 65535, 0, 0, 20_000, 0);

	for my $try (1 .. 100)
	{
		my $answer = $self->ask(19, 4, $body);
		my $code = unpack 'x10 x' . length($topic) . ' s>', $answer;
		return if $code == 0;
		die "create $topic: Kafka's error $code" if $try == 100 || $code != 36;
		sleep 0.1;
	}
	return;
}

sub delete_topic
{
	my ($self, $topic) = @_;

	succeeded("delete $topic", $self->ask(20, 1, pack('N', 1) . string($topic) . pack('N', 20_000)),
		10 + length $topic);
	return;
}

sub add_partitions
{
	my ($self, $topic, $count) = @_;

	succeeded("partitions of $topic",
		$self->ask(37, 0, pack('N', 1) . string($topic) . pack('N N N C', $count, 0xffffffff, 20_000, 0)),
		10 + length $topic);
	return;
}

# An undefined value takes the setting away.
sub configure_topic
{
	my ($self, $topic, %settings) = @_;
	my $body = pack('N C', 1, 2) . string($topic) . pack('N', scalar keys %settings);

	foreach my $name (sort keys %settings)
	{
		my $value = $settings{$name};
		$body .= string($name) . pack('C', defined $value ? 0 : 1)
		  . (defined $value ? string($value) : pack('n', 0xffff));
	}
	succeeded("settings of $topic", $self->ask(44, 0, $body . pack('C', 0)), 8);
	return;
}

# ---- reading, independently of the server under test ------------------------------

sub kcat
{
	my ($self, @arguments) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run([ 'kcat', '-b', $self->direct, @arguments ], '<', \undef, '>', \$out, '2>', \$err)
	  or die "kcat @arguments: $err";
	return $out;
}

sub partitions
{
	my ($self, $topic) = @_;
	my @found = $self->kcat('-L', '-t', $topic) =~ /^\s+partition (\d+), leader \d+/mg;

	return sort { $a <=> $b } @found;
}

sub leader
{
	my ($self, $topic, $partition) = @_;

	my ($id) = $self->kcat('-L', '-t', $topic) =~ /^\s+partition $partition, leader (\d+)/m;
	return $self->{nodes}[ $id - 1 ] if $id;
	die "no leader of $topic $partition";
}

# Messages of a partition from an offset on, as a consumer of committed ones
# sees them, or of all: offset, time, payload (undefined: null).
sub messages
{
	my ($self, $topic, $partition, $from, $level) = @_;
	$level //= 'read_committed';
	my $end = $self->log_end($topic, $partition, $level);
	my @found;

	return if $end <= $from;
	open my $kcat, '-|', 'kcat', '-b', $self->direct, '-C', '-q', '-u', '-t', $topic, '-p', $partition, '-o', $from, '-e',
	  '-X', "isolation.level=$level", '-X', 'auto.offset.reset=earliest', '-f', '%o %T %S\n%s\n' or die "kcat: $!";
	binmode $kcat;
	# It sees no end where more comes all the time.
	while (my $line = <$kcat>)
	{
		my ($offset, $time, $length) = split ' ', $line;
		my $size = $length > 0 ? $length : 0;
		my $payload = '';
		read($kcat, $payload, $size + 1) == $size + 1 or die 'kcat ended too early';
		push @found, [ $offset, $time, $length < 0 ? undef : substr $payload, 0, $size ];
		last if $offset >= $end - 1;
	}
	close $kcat;
	return @found;
}

# The offset after the last one of a partition.
sub log_end
{
	my ($self, $topic, $partition, $level) = @_;
	$level //= 'read_uncommitted';

	return $1 if $self->kcat('-Q', '-X', "isolation.level=$level", '-t', "$topic:$partition:-1") =~ /offset (\d+)/;
	die "no end of $topic $partition";
}

sub log_start
{
	my ($self, $topic, $partition) = @_;

	return $1 if $self->kcat('-Q', '-t', "$topic:$partition:-2") =~ /offset (\d+)/;
	die "no beginning of $topic $partition";
}

1;
