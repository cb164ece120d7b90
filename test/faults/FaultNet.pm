
# FaultNet: a network of one's own to break.
#
# enter() starts the script again in a network namespace of its own, where the
# kernel lets an ordinary user make one, and iptables is there to break it.
# Elsewhere it returns, and FaultProxy stands in; how() says which it is.
# File systems can be mounted in there, too (FaultDisk).
package FaultNet;

use strict;
use warnings FATAL => 'all';

use IPC::Run ();

use HospitalKafka;

my @tables = grep { -x } map { ("$_/iptables-nft", "$_/iptables") } qw(/usr/sbin /sbin);

sub try_run
{
	my (@command) = @_;
	my $said = '';

	return IPC::Run::run(\@command, '<', \undef, '>', \$said, '2>&1');
}

# Call it from BEGIN, before anything redirects the output.  A namespace has no
# way out: what is needed is fetched before.
sub enter
{
	return if $ENV{HOSPITAL_FAULT_NET} || HospitalKafka::unavailable() ne '';
	my @in = qw(unshare --user --net --mount --map-current-user --keep-caps);
	my $up = 'ip link set lo up';

	if (!@tables || !try_run(@in, 'sh', '-c', "$up && $tables[0] -A INPUT -p tcp --dport 1"
			  . ' -m statistic --mode random --probability 0.05 -j DROP'))
	{
		$ENV{HOSPITAL_FAULT_NET} = 'proxy';
		return;
	}
	$ENV{HOSPITAL_FAULT_NET} = 'namespace';
	my @perl = ($^X, map({ "-I$_" } @INC), $0, @ARGV);
	exec @in, 'sh', '-c', "$up && exec \"\$\@\"", 'sh', @perl;
	die "unshare: $!";
}

sub has_tables { return ($ENV{HOSPITAL_FAULT_NET} // '') eq 'namespace' }

sub how { return has_tables() ? 'iptables in a network namespace' : 'the proxy, for want of a network namespace with iptables' }

sub table
{
	my (@arguments) = @_;

	try_run($tables[0], @arguments) or die "iptables @arguments failed";
	return;
}

# Nothing passes to or from these ports.
sub drop
{
	my (@ports) = @_;

	foreach my $port (@ports)
	{
		table('-A', 'INPUT', '-p', 'tcp', $_, $port, '-j', 'DROP') foreach '--dport', '--sport';
	}
	return;
}

sub lose
{
	my ($percent, @ports) = @_;

	foreach my $port (@ports)
	{
		table('-A', 'INPUT', '-p', 'tcp', $_, $port, '-m', 'statistic', '--mode', 'random', '--probability',
			$percent / 100, '-j', 'DROP') foreach '--dport', '--sport';
	}
	return;
}

# Every new or old connection is answered by a reset.
sub reject
{
	my (@ports) = @_;

	table('-A', 'INPUT', '-p', 'tcp', '--dport', $_, '-j', 'REJECT', '--reject-with', 'tcp-reset') foreach @ports;
	return;
}

sub heal
{
	table('-F') if has_tables();
	return;
}

1;
