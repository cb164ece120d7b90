
# load.pl: a steady load of good events, until SIGTERM.
#
# usage: load.pl RUN FIRST RATE JOURNAL -- COMMAND...
#
# Writes what it is about to send into the journal, then the event to COMMAND
# (kcat), which it ends by closing its input.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::Bin;
use Digest::MD5 qw(md5_hex);
use FaultMessage;
use IO::Handle;
use Time::HiRes qw(sleep time);

my ($run, $number, $rate, $journal, undef, @command) = @ARGV;
my $ended = 0;

$SIG{TERM} = sub { $ended = 1 };
$SIG{PIPE} = 'IGNORE';
open my $log, '>>', $journal or die "$journal: $!";
open my $pipe, '|-', @command or die "$command[0]: $!";
$log->autoflush(1);
$pipe->autoflush(1);

my ($began, $sent) = (time, 0);
while (!$ended && getppid != 1)
{
	my ($lines, $bytes) = ('', '');
	while ($sent < (time - $began) * $rate)
	{
		my ($payload, $content) = FaultMessage::good($run, $number, 0);
		$lines .= join("\t", md5_hex($payload), '', FaultMessage::event_id($run, $number), $content) . "\n";
		$bytes .= FaultMessage::patient($number) . "\x1f$payload\x1e";
		$number++;
		$sent++;
	}
	print $log $lines;
	print $pipe $bytes or last;
	sleep 0.02;
}
close $log;
close $pipe;
