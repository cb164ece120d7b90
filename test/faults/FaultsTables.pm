
# FaultsTables: faults of the tables that rows come into: 19, 28.
package FaultsTables;

use strict;
use warnings FATAL => 'all';

use FaultsBroker;
use FaultsServer;
use Time::HiRes qw(sleep time);

# ---- 19: rules that refuse rows, tables that are another thing --------------------------

# Events of which a rule of the user's refuses those with the given ids (as a
# list for SQL), and the others; all in chance's order.
sub mixed
{
	my ($w, $n, $sqlstate, $spoil) = @_;
	my $first = $w->{number};
	my @refused = map { [ $_->[0], $spoil ? $spoil->($_->[1]) : $_->[1] ] } $w->good($n);
	my $ids = join ', ', map { $w->quote(FaultMessage::event_id($w->{run}, $_)) } $first .. $first + $n - 1;

	$w->note_sent($_->[1], $sqlstate, undef, undef) foreach @refused;
	return ($ids, [ $w->shuffle(@refused, $w->good(3 * $n)) ]);
}

my %rules = (
	check => [ '23514', undef, sub {
		"ALTER TABLE hospital.transfers ADD CONSTRAINT fault CHECK (event_id NOT IN ($_[0])) NOT VALID"
	}, 'ALTER TABLE hospital.transfers DROP CONSTRAINT fault' ],
	trigger => [ 'P0001', undef, sub {
		"CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS \$\$BEGIN IF NEW.event_id IN ($_[0]) THEN RAISE 'not this one'; END IF; RETURN NEW; END\$\$;"
		  . ' CREATE TRIGGER fault BEFORE INSERT ON hospital.transfers FOR EACH ROW EXECUTE FUNCTION fault()'
	}, 'DROP TRIGGER fault ON hospital.transfers; DROP FUNCTION fault()' ],
	'foreign key' => [ '23503', sub { $_[0] =~ s/"to_ward":"V0"/"to_ward":"NOWHERE"/r }, sub {
		q{CREATE TABLE fault (ward text PRIMARY KEY); INSERT INTO fault SELECT ward_code FROM hospital.wards UNION SELECT to_ward FROM hospital.transfers UNION SELECT 'V0';}
		  . ' ALTER TABLE hospital.transfers ADD CONSTRAINT fault FOREIGN KEY (to_ward) REFERENCES fault NOT VALID'
	}, 'ALTER TABLE hospital.transfers DROP CONSTRAINT fault; DROP TABLE fault' ]);

# What is refused is kept as a reject, its neighbours are rows.
sub refuse
{
	my ($w, $kind) = @_;
	my ($sqlstate, $spoil, $make, $drop) = @{ $rules{$kind} };
	my ($ids, $events) = mixed($w, 20 + int $w->chance(30), $sqlstate, $spoil);

	$w->sql($make->($ids));
	$w->send_payloads($events);
	$w->catches_up;
	$w->sql($drop);
	return;
}

# Under a consumer at work: what is done, and taken back.
my %alterations = (
	'renamed table' => [ 'ALTER TABLE hospital.transfers RENAME TO away', 'ALTER TABLE hospital.away RENAME TO transfers' ],
	'renamed column' => [ 'ALTER TABLE hospital.transfers RENAME staff_id TO away', 'ALTER TABLE hospital.transfers RENAME away TO staff_id' ],
	'column more' => [ 'ALTER TABLE hospital.transfers ADD extra integer', 'ALTER TABLE hospital.transfers DROP extra' ],
	'column that must be known' => [ 'ALTER TABLE hospital.transfers ADD extra text DEFAULT $$none$$ NOT NULL',
		'ALTER TABLE hospital.transfers DROP extra' ],
	'index' => [ 'CREATE INDEX fault ON hospital.transfers (to_ward, status)', 'DROP INDEX hospital.fault' ]);

# Without a table, or a column, that it knows a consumer waits, and says why.
sub alter
{
	my ($w, $what, $quick) = @_;
	my ($do, $undo) = @{ $alterations{$what} };
	my $breaks = $what =~ /^renamed/;

	$w->flag(quiet => 1);
	$w->flag(down => 1) if $what eq 'renamed table';
	$w->sql($do);
	$w->send(500);
	if ($breaks) { FaultsBroker::says_so($w, "it meets a $what") }
	else { sleep 0.5 + $w->chance(1.5) }
	$w->sql($undo);
	$w->flag(down => 0);
	$w->flag(quiet => 0);
	$w->catches_up if !$quick;
	return;
}

sub targets
{
	my ($w, $quick) = @_;
	my @rules = $w->shuffle(sort keys %rules);
	my @alterations = $w->shuffle(sort keys %alterations);

	if ($quick)
	{
		@rules = $rules[0];
		@alterations = @alterations[ 0, 1 ];
	}
	refuse($w, $_) foreach @rules;
	alter($w, $_, $quick) foreach @alterations;
	return @rules + @alterations;
}

# ---- 28: a snapshot that is held for long ------------------------------------------------

# Milliseconds that reading where things stand takes, in the middle of many.
sub reading
{
	my ($w) = @_;
	my @took = sort { $a <=> $b } $w->sql(join ' ', ('EXPLAIN (ANALYZE, TIMING off) TABLE hospital.stream_lag;') x 15) =~ /Execution Time: ([\d.]+)/g;

	return $took[ @took / 2 ];
}

my $changed = q{SELECT coalesce(sum(n_tup_upd + n_tup_del), 0) FROM pg_stat_user_tables WHERE schemaname = 'hospital'};

# A ledger that is only appended to leaves no dead rows, however many commits.
sub held_snapshot
{
	my ($w, $quick) = @_;
	my $held = $ENV{HOSPITAL_FAULT_LONG} ? 3600 : $quick ? 8 : 45;
	my $session = FaultsServer::session($w, 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM hospital.stream_ranges; SELECT pg_sleep(86400);');
	my $ranges = 'SELECT count(*) FROM hospital.stream_ranges';
	my $first = reading($w);
	my ($began, $commits, $changes) = (time, $w->sql($ranges), $w->sql($changed));

	while (time - $began < $held)
	{
		$w->send(20);
		sleep 0.02;
	}
	my $last = reading($w);
	# the server counts what a session did when that has nothing to do
	sleep 2;
	$commits = $w->sql($ranges) - $commits;
	$changes = $w->sql($changed) - $changes;
	$w->sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(86400)%' AND pid <> pg_backend_pid()});
	$session->finish;
	$w->{note} = sprintf 'reading the lag %.1f ms, after %d commits %.1f ms', $first, $commits, $last;
	$w->violated('28', "$commits commits changed $changes rows that were there") if $changes > 10 + $commits / 10;
	$w->violated('28', $w->{note}) if $last > 1.5 * $first + 10;
	return 1;
}

1;
