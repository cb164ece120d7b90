#!/usr/bin/perl
# load_watch.pl: what the hospital's processes hold, and what its tables have grown
# to, every WATCH_EVERY seconds (2) for as long as FOLDER/on exists.
#
# usage: load_watch.pl FOLDER POSTMASTER-PID DATABASE PSQL...
#
# Appends to FOLDER/samples: seconds, phase (what FOLDER/phase says), what, value.
#   memory|TYPE    private memory (RssAnon) of a worker, kB
#   threads|TYPE
#   relations|TYPE open files of relations and of sorts, which the server opens and closes
#                  as it likes; files|TYPE: all others
#   day            hospital days that are ingested
#   wal            bytes of write-ahead log, since ever; walfiles: in pg_wal now
#   size|TABLE     bytes of a small table of state, with its indexes
#   dead|TABLE     its dead rows
#   lag            milliseconds that reading hospital.stream_lag and hospital.status takes
# The numbers are the kernel's and the server's own statistics, none of hospital's but
# the days.
use strict;
use warnings FATAL => 'all';

use IO::Handle;
use IPC::Run ();
use Time::HiRes qw(sleep time);

use constant EVERY => $ENV{WATCH_EVERY} // 2;

my ($folder, $postmaster, $database, @psql) = @ARGV;
my $began = time;
open my $out, '>>', "$folder/samples" or die "$folder/samples: $!";
$out->autoflush(1);

sub slurp
{
	my ($path) = @_;

	open my $file, '<', $path or return '';
	local $/;
	return <$file> // '';
}

sub put
{
	my ($what, $value) = @_;

	my $phase = slurp("$folder/phase");
	chomp $phase;
	printf $out "%.1f\t%s\t%s\t%s\n", time - $began, $phase, $what, $value;
	return;
}

# A worker ends and another one of its kind comes: the kind is what is watched.
sub look_at_processes
{
	my %sum;

	foreach my $dir (glob '/proc/[0-9]*')
	{
		my ($parent) = slurp("$dir/stat") =~ /^\d+ \(.*\) \S (\d+)/s;
		next if !defined $parent || $parent != $postmaster;
		my ($type) = slurp("$dir/cmdline") =~ /postgres: (?:\S+: )?hospital ([a-z ]*[a-z])/;
		next if !defined $type;
		my $status = slurp("$dir/status");
		my ($memory) = $status =~ /^RssAnon:\s+(\d+)/m;
		my ($threads) = $status =~ /^Threads:\s+(\d+)/m;
		my @files = grep { defined } map { readlink } glob "$dir/fd/*";
		my $cluster = readlink("$dir/cwd") // next;
		my @relations = grep { m{^\Q$cluster\E/(?:base|global)/} } @files;
		next if !defined $memory || !@files;
		put("memory|$type", $memory);
		put("threads|$type", $threads);
		put("files|$type", @files - @relations);
		put("relations|$type", scalar @relations);
	}
	return;
}

my $query = <<'END';
SELECT 'day', count(DISTINCT day) FROM hospital.batches WHERE state = 'ingested';
SELECT 'wal', pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0');
SELECT 'walfiles', coalesce(sum(size), 0) FROM pg_ls_waldir();
SELECT what || '|' || relname, value
FROM (SELECT s.relname, s.n_dead_tup, pg_total_relation_size(s.relid) AS size FROM pg_stat_user_tables s
      WHERE s.schemaname IN ('hospital', 'hospital_mart')) t
CROSS JOIN LATERAL (VALUES ('size', size), ('dead', n_dead_tup)) v (what, value)
WHERE relname IN (SELECT unnest(string_to_array(current_setting('load.state_tables'), ',')));
END

# What is updated in place, or taken away again; ledgers grow, and shall.
my $state_tables = join ',', qw(simulation run_state jobs stream_topics stream_partitions publish_requests
  live_days merged_months);

sub look_at_server
{
	my ($answer, $trouble);
	my $script = "SET load.state_tables = '$state_tables';\n$query\\timing on\n"
	  . "SELECT 'read' FROM hospital.stream_lag LIMIT 0;\nTABLE hospital.stream_lag;\nTABLE hospital.status;\n";

	IPC::Run::run([ @psql, '-d', $database ], '<', \$script, '>', \$answer, '2>', \$trouble) or return;
	my ($first, $read) = split /^Time:.*\n/m, $answer, 2;
	foreach (split /\n/, $first // '')
	{
		my ($what, $value) = /^(.*)\|(\d+)$/ or next;
		put($what, $value);
	}
	my $ms = 0;
	$ms += $1 while ($read // '') =~ /^Time: ([\d.]+) ms/mg;
	put('lag', $ms);
	return;
}

while (-e "$folder/on")
{
	my $next = time + EVERY;
	look_at_processes();
	look_at_server();
	sleep($next - time) if $next > time;
}
