
# monitor.pl: looks at the server all the time while faults happen to it.
#
# usage: monitor.pl FOLDER PSQL...
#
# Appends violations to FOLDER/violations (invariant, tab, what) and figures to
# FOLDER/figures.  FOLDER/down exists while the server may be down, FOLDER/quiet
# while no progress is expected; FOLDER/acks.* are kcat's delivery reports.
use strict;
use warnings FATAL => 'all';

use IO::Handle;
use IPC::Run ();
use Time::HiRes qw(sleep time);

use constant SILENT => $ENV{HOSPITAL_FAULT_SILENT} // 30;    # seconds without an answer
use constant STUCK => $ENV{HOSPITAL_FAULT_STUCK} // 45;      # ... without progress while all is said to be well
use constant ROOM_MB => 2.4 * 96 + 64;                       # of private memory for a consumer

my ($folder, @psql) = @ARGV;
my (%seen, %acked, %read, %position, %moved, %largest);
my ($answered, $slowest, $polls) = (time, 0, 0);

open my $out, '>>', "$folder/violations" or die "$folder/violations: $!";
$out->autoflush(1);

sub violated
{
	my ($invariant, $what) = @_;

	print $out "$invariant\t$what\n" if !$seen{"$invariant $what"}++;
	return;
}

# One statement for the ledger and the tables: one snapshot.
my $query = <<'END';
SET lock_timeout = '1s';
SET statement_timeout = '20s';
WITH r AS (SELECT *, lag(last_offset) OVER (PARTITION BY topic, partition, epoch ORDER BY first_offset) AS before
           FROM hospital.stream_ranges)
SELECT 'ledger', (SELECT count(*) FROM r WHERE before IS NOT NULL AND first_offset <> before + 1),
       (SELECT coalesce(sum(rows), 0) FROM r) - (SELECT count(*) FROM hospital.transfers)
       + (SELECT coalesce(sum(rows - merged), 0) FROM hospital.batches WHERE kind = 'transfers' AND state = 'ingested'),
       (SELECT coalesce(sum(rejects), 0) FROM r) - (SELECT count(*) FROM hospital.rejects WHERE topic IS NOT NULL),
       (SELECT count(*) FROM r WHERE rows + rejects + duplicates <> messages OR messages > last_offset - first_offset + 1);
SELECT 'position', partition, max(last_offset) FROM hospital.stream_ranges GROUP BY partition;
SELECT 'consumer', pid, state, last_error IS NULL FROM hospital.status WHERE worker LIKE 'consumer%' AND pid IS NOT NULL;
END

sub look_at_acks
{
	foreach my $file (glob "$folder/acks.*")
	{
		open my $fh, '<', $file or next;
		seek $fh, $read{$file} // 0, 0;
		while (my $line = <$fh>)
		{
			last if $line !~ /\n$/;
			$read{$file} = tell $fh;
			next if $line !~ /delivered to partition (\d+) \(offset (\d+)\)/;
			$acked{$1} = $2 if $2 > ($acked{$1} // -1);
		}
	}
	return;
}

sub private_memory
{
	my ($pid) = @_;

	open my $fh, '<', "/proc/$pid/status" or return 0;
	while (<$fh>) { return $1 / 1024 if /^RssAnon:\s+(\d+)/ }
	return 0;
}

# What was acknowledged is not there, and nothing says why.
sub look_at_progress
{
	my (@claims) = @_;
	my $now = time;

	foreach my $partition (keys %acked)
	{
		my $at = $position{$partition} // -1;
		if ($at >= $acked{$partition} || !defined $moved{$partition} || $moved{$partition}[0] != $at || !@claims || -e "$folder/quiet")
		{
			$moved{$partition} = [ $at, $now ];
			next;
		}
		violated('I7', "partition $partition stays at $at for " . STUCK . " s while consumers say: $claims[0]")
		  if $now - $moved{$partition}[1] > STUCK;
	}
	return;
}

sub look
{
	my ($said, $began) = ('', time);
	my $well = eval {
		IPC::Run::run([ @psql, '-qAtX', '-F', "\t", '-f', '-' ], '<', \$query, '>', \$said, '2>', \my $err,
			IPC::Run::timeout(25));
	};
	my $took = time - $began;

	if (!$well && $said !~ /^ledger/m && $said !~ /lock timeout/)
	{
		$answered = time if -e "$folder/down";
		violated('I8', 'no answer for ' . SILENT . ' s') if time - $answered > SILENT;
		return;
	}
	$answered = time;
	$polls++;
	$slowest = $took if $took > $slowest;
	my @claims;
	foreach my $line (split /\n/, $said)
	{
		my ($what, @values) = split /\t/, $line;
		if ($what eq 'ledger')
		{
			violated('I4', "in one snapshot: holes $values[0], rows $values[1], rejects $values[2], ranges that do not add up $values[3]")
			  if "@values" ne '0 0 0 0';
		}
		elsif ($what eq 'position') { $position{ $values[0] } = $values[1] }
		elsif ($what eq 'consumer')
		{
			my $memory = private_memory($values[0]);
			$largest{consumer} = $memory if $memory > ($largest{consumer} // 0);
			violated('I8', "a consumer has more than " . ROOM_MB . " MB of its own") if $memory > ROOM_MB;
			push @claims, $values[1] if $values[2] eq 't' && $values[1] =~ /^(waiting for events|running|writing|reading)/;
		}
	}
	look_at_acks();
	look_at_progress(@claims);
	return;
}

while (getppid != 1)
{
	look();
	open my $figures, '>', "$folder/figures.new" or die "$folder/figures: $!";
	printf $figures "%d %.2f %.0f\n", $polls, $slowest, $largest{consumer} // 0;
	close $figures;
	rename "$folder/figures.new", "$folder/figures";
	sleep 0.5;
}
