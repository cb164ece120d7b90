#!/usr/bin/perl
# helgrind.pl: of helgrind's reports, those in which code of ours or the server's
# is on one side: it, not a library called by it, reads or writes what another
# thread does.
#
# usage: helgrind.pl FOLDER REPORT.xml...     FOLDER: of the server and our libraries
use strict;
use warnings;

my ($folder, @files) = @ARGV;
my ($all, %ours) = (0);

# Where the memory is touched: the first frame that is not the C library's or valgrind's own.
sub toucher
{
	my ($stack) = @_;

	foreach my $frame ($stack =~ m{<frame>(.*?)</frame>}sg)
	{
		my ($object) = $frame =~ m{<obj>(.*?)</obj>};
		my ($function) = $frame =~ m{<fn>(.*?)</fn>};

		next if !defined $object || $object =~ m{/valgrind/|/libc\.so|/ld-linux};
		return ($object, $function // '?');
	}
	return ('', '?');
}

foreach my $file (@files)
{
	open my $in, '<', $file or die "$file: $!\n";
	my $text = do { local $/; <$in> };

	foreach my $error ($text =~ m{<error>(.*?)</error>}sg)
	{
		$all++;
		my ($kind) = $error =~ m{<kind>(.*?)</kind>};
		my @touchers = map { [ toucher($_) ] } $error =~ m{<stack>(.*?)</stack>}sg;
		next if !grep { index($_->[0], $folder) == 0 } @touchers;
		$ours{ "$kind: " . join(' / ', map { "$_->[1] ($_->[0])" } @touchers) }++;
	}
}
printf "   helgrind: %d processes, %d reports, %d of them with code of ours or the server's\n",
  scalar @files, $all, scalar keys %ours;
print "   $ours{$_} times $_\n" foreach sort keys %ours;
exit(%ours ? 1 : 0);
