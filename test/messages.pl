#!/usr/bin/perl
# messages.pl: every message of the sources that reaches the server's log by
# itself (LOG, WARNING) is described in docs/operations.md.
#
# usage: messages.pl [TOP]
#
# A message is found when the texts between its format's places are there, in
# their order, within one line of the document.
use strict;
use warnings;

my $top = $ARGV[0] // '.';

sub slurp
{
	my ($path) = @_;
	open my $file, '<', $path or die "$path: $!\n";
	local $/;
	return <$file>;
}

# The parentheses that begin at the position of $text, balanced, strings apart.
sub call_at
{
	my ($text, $begin) = @_;
	my $depth = 0;
	pos($text) = $begin;
	while ($text =~ /\G(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|([()])|.)/gs)
	{
		next unless defined $1;
		$depth += $1 eq '(' ? 1 : -1;
		return substr($text, $begin, pos($text) - $begin) if $depth == 0;
	}
	die "unbalanced\n";
}

my @lines = split /\n/, slurp("$top/docs/operations.md");
my ($found, @missing) = (0);
for my $path (sort glob "$top/src/*.c")
{
	my $text = slurp($path);
	while ($text =~ /\bereport\s*(?=\()/g)
	{
		my $call = call_at($text, pos $text);
		next unless $call =~ /^\(\s*[^,"]*\b(?:LOG|WARNING)\b/;
		my $any = 0;
		while ($call =~ /\berrmsg(?:_internal|_plural)?\s*\(\s*((?:"(?:[^"\\]|\\.)*"|\s|\b[A-Z0-9_]+_FORMAT\b)+)/g)
		{
			my $literals = $1;
			my $format = '';
			$any = 1;
			while ($literals =~ /"((?:[^"\\]|\\.)*)"|(\w+_FORMAT)/g)
			{
				$format .= defined $1 ? $1 : '%d';
			}
			$format =~ s/\\"/"/g;
			my @parts = grep { /\w/ } map { s/^\s+|\s+$//gr } split /%[-0-9.\$]*l*[a-zA-Z]/, $format;
			my $pattern = join '.*', map { quotemeta } @parts;
			$found++;
			next if @parts && grep { /$pattern/ } @lines;
			push @missing, "$path: $format";
		}
		push @missing, "$path: a message that this test cannot read: " . substr($call, 0, 200) unless $any;
	}
}
print "$found messages looked for\n";
print "not described in docs/operations.md: $_\n" for @missing;
exit(@missing > 0 || $found < 10 ? 1 : 0);
