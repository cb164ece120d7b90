#!/usr/bin/perl
# idle_watch.pl: how often the hospital's processes wake up, and what they use of
# a core, read from /proc.
#
# usage: idle_watch.pl SECONDS POSTMASTER-PID
#
# prints a line a process: pid, type, wake-ups a second of its main thread (our
# loops), of all others (librdkafka's), and both together in percent of a core;
# then the same in total.  A wake-up is a voluntary context switch: the thread had
# gone to sleep.
use strict;
use warnings;
use Time::HiRes qw(sleep time);

my ($seconds, $postmaster) = @ARGV;
die "usage: $0 SECONDS POSTMASTER-PID\n" unless defined $postmaster && -d "/proc/$postmaster";

sub slurp
{
	my ($path) = @_;
	open my $file, '<', $path or return '';
	local $/;
	return <$file> // '';
}

# pid => type, of the server's processes that are ours
sub processes
{
	my %found;
	for my $dir (glob '/proc/[0-9]*')
	{
		my ($pid) = $dir =~ /(\d+)$/;
		my ($parent) = slurp("$dir/stat") =~ /^\d+ \(.*\) \S (\d+)/s;
		next unless defined $parent && $parent == $postmaster;
		my ($type) = slurp("$dir/cmdline") =~ /postgres: (?:\S+: )?(hospital [^\0]*)/;
		next unless defined $type;
		$type =~ s/\s+$//;
		$found{$pid} = $type;
	}
	return %found;
}

# thread => [switches, nanoseconds]
sub threads
{
	my ($pid) = @_;
	my %found;
	for my $dir (glob "/proc/$pid/task/*")
	{
		my ($thread) = $dir =~ /(\d+)$/;
		my ($switches) = slurp("$dir/status") =~ /^voluntary_ctxt_switches:\s+(\d+)/m;
		my ($ns) = slurp("$dir/schedstat") =~ /^(\d+)/;
		$found{$thread} = [ $switches, $ns ] if defined $switches && defined $ns;
	}
	return \%found;
}

my %type = processes();
my %before = map { $_ => threads($_) } keys %type;
my $began = time;
sleep $seconds;
my $took = time - $began;
my %now = processes();
my %after = map { $_ => threads($_) } keys %now;

my @total = (0, 0, 0);
for my $pid (sort { $a <=> $b } keys %type)
{
	if (!exists $now{$pid})
	{
		print "$pid|$type{$pid} (ended)|||\n";
		next;
	}
	my @sum = (0, 0, 0);
	for my $thread (keys %{ $after{$pid} })
	{
		my $then = $before{$pid}{$thread} // [ 0, 0 ];
		$sum[ $thread == $pid ? 0 : 1 ] += $after{$pid}{$thread}[0] - $then->[0];
		$sum[2] += $after{$pid}{$thread}[1] - $then->[1];
	}
	$total[$_] += $sum[$_] for 0 .. 2;
	printf "%d|%s|%.2f|%.2f|%.3f\n", $pid, $type{$pid}, $sum[0] / $took, $sum[1] / $took, $sum[2] / 1e7 / $took;
}
printf "total|%d processes|%.2f|%.2f|%.3f\n", scalar(keys %type), $total[0] / $took, $total[1] / $took, $total[2] / 1e7 / $took;
