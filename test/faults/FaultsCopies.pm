
# FaultsCopies: another copy of the server takes over: 29, 30.
#
# It knows less than the one that is gone: rows and positions went back together,
# and what Kafka still has is read again, once, without anybody's help.
package FaultsCopies;

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use Time::HiRes qw(sleep time);

my $copies = 0;

sub rows { return $_[0]->sql('SELECT count(*) FROM hospital.transfers') }

# The other server can be read before it takes over: what it does not have.
sub lacks
{
	my ($w, $other, $had) = @_;
	my $lost = $had - $other->safe_psql('postgres', 'SELECT count(*) FROM hospital.transfers');

	$w->violated('harness', "the other server has all $had rows: nothing went back") if $lost <= 0;
	$w->{note} = "$lost rows went back";
	return;
}

# More comes in, of which the copy knows nothing.
sub goes_on
{
	my ($w) = @_;
	my $rows = rows($w);

	$w->send(500 + int $w->chance(3000));
	$w->wait_for("SELECT count(*) > $rows + 500 FROM hospital.transfers", 'more rows');
	sleep $w->chance(1);
	return rows($w);
}

# A standby falls behind, and is promoted.
sub failover
{
	my ($w, $quick) = @_;
	my $primary = $w->{node};
	my $standby = PostgreSQL::Test::Cluster->new('standby' . ++$copies);

	$primary->backup("base$copies");
	$standby->init_from_backup($primary, "base$copies", has_streaming => 1);
	$standby->start;
	goes_on($w);
	$primary->wait_for_catchup($standby, 'replay', $primary->lsn('write'));
	$standby->append_conf('postgresql.conf', "primary_conninfo = ''");
	$standby->reload;
	$standby->poll_query_until('postgres', 'SELECT count(*) = 0 FROM pg_stat_wal_receiver') or die "the standby still follows\n";
	my $had = goes_on($w);
	$w->flag(down => 1);
	$primary->kill9;
	lacks($w, $standby, $had);
	$standby->promote;
	$w->turn_to($standby);
	$w->flag(down => 0);
	return 1;
}

# A backup and the archived log, up to a moment.
sub restored
{
	my ($w, $quick) = @_;
	my $old = $w->{node};
	my $new = PostgreSQL::Test::Cluster->new('restored' . ++$copies);

	$old->backup("base$copies");
	goes_on($w);
	$w->sql(q{SELECT pg_create_restore_point('moment')});
	my $had = goes_on($w);
	my $segment = $w->sql('SELECT pg_walfile_name(pg_switch_wal())');
	$w->wait_for("SELECT last_archived_wal >= '$segment' FROM pg_stat_archiver", 'the archive');
	$w->flag(down => 1);
	$old->kill9;
	$new->init_from_backup($old, "base$copies", has_restoring => 1);
	$new->append_conf('postgresql.conf', "recovery_target_name = 'moment'\nrecovery_target_action = 'pause'\n");
	$new->start;
	$new->poll_query_until('postgres', q{SELECT pg_get_wal_replay_pause_state() = 'paused'}) or die "the moment is not reached\n";
	lacks($w, $new, $had);
	$new->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
	$w->turn_to($new);
	$w->flag(down => 0);
	return 1;
}

1;
