#!/usr/bin/perl
# follow.pl: print the entries of a server's log that somebody is interested in,
# those that are there, oldest file first, and then those that come.
#
# usage: follow.pl FOLDER [PATTERN...]
#   An entry is a line that begins with a date, and what follows up to the next
#   one.  It is printed when it matches a PATTERN, or without any.  A PATTERN
#   that begins with "!" takes back what matches it.
#
# How far it got is remembered across a restart of the container, by each file's
# first line: the same name may be another file, as file systems and rotation please.
use strict;
use warnings;
use File::Glob ':bsd_glob';

my ($folder, @patterns) = @ARGV;
my @unwanted = map { qr/$_/ } map { /^!(.*)/s ? $1 : () } @patterns;
my @wanted = map { qr/$_/ } grep { !/^!/ } @patterns;
my $memory = '/tmp/follow.seen';
my %seen;					# file => [ its first line, bytes read of it ]
my $showing = 0;

$| = 1;
$SIG{TERM} = $SIG{INT} = sub { exit 0 };

sub is_wanted
{
	my ($line) = @_;

	return 0 if grep { $line =~ $_ } @unwanted;
	return @wanted == 0 || grep { $line =~ $_ } @wanted;
}

sub remember
{
	open(my $out, '>', "$memory.new") or return;
	print $out "$_\t$seen{$_}[1]\t$seen{$_}[0]" for sort keys %seen;
	close($out) and rename("$memory.new", $memory);
}

sub recall
{
	open(my $in, '<', $memory) or return;
	while (<$in>)
	{
		my ($file, $bytes, $first) = split(/\t/, $_, 3);
		$seen{$file} = [ $first, $bytes ];
	}
}

# What a file has that is new, whole lines only.  True when there was something.
sub read_on
{
	my ($file) = @_;
	my $done = $seen{$file};

	return 0 if $done && -s $file == $done->[1];
	open(my $in, '<', $file) or return 0;
	my $first = <$in>;
	return 0 unless defined $first && $first =~ /\n\z/;
	$seen{$file} = $done = [ $first, 0 ] if !$done || $done->[0] ne $first || -s $in < $done->[1];
	seek($in, $done->[1], 0);
	while (my $line = <$in>)
	{
		last unless $line =~ /\n\z/;
		$showing = is_wanted($line) if $line =~ /^\d{4}-\d\d-\d\d /;
		print $line if $showing;
		$done->[1] = tell($in);
	}
	return 1;
}

recall();
while (1)
{
	my %age = map { $_ => -M $_ // 0 } glob("$folder/*.log");
	my $news = 0;

	$news |= read_on($_) for sort { $age{$b} <=> $age{$a} || $a cmp $b } keys %age;
	remember() if $news;
	select(undef, undef, undef, 0.5);
}
