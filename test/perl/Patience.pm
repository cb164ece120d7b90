# Patience: asking a server that may be restarting.
package Patience;

use strict;
use warnings FATAL => 'all';

use Exporter qw(import);
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT_OK = qw(wait_until);

# Until the query says t, or the test ends.  A server on its way down may close
# the pipe that psql is given the query by, which is no answer.
sub wait_until
{
	my ($node, $query, $what) = @_;
	my $since = time;
	my $found;

	until (defined($found = eval { $node->poll_query_until('postgres', $query) }))
	{
		BAIL_OUT("$what: $@")
		  if $@ !~ /Broken pipe/ || time - $since > $PostgreSQL::Test::Utils::timeout_default;
	}
	BAIL_OUT("timed out: $what") unless $found;
	return;
}

1;
