
# FaultWorld: a server with a hospital, a Kafka behind proxies, a load, a
# monitor, and the truth: what was sent, acknowledged, and is on the topic.
#
# The truth comes from the test's own producer (kcat) and its own reader of the
# topic (kcat again, of committed messages); the server under test is only asked
# what it has.
package FaultWorld;

use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use Digest::MD5 qw(md5_hex);
use FindBin;
use IPC::Run ();
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(sleep time);

use FaultDisk;
use FaultKafka;
use FaultMessage;
use FaultOracle;

use constant TOPIC => 'hospital.transfers';
use constant PATIENCE => $ENV{HOSPITAL_FAULT_PATIENCE} // 120;    # to have caught up after a fault

my $here = $INC{'FaultWorld.pm'} =~ s{/[^/]*$}{}r;
my $worlds = 0;
my %alive;

# A signal must not leave servers behind.
$SIG{INT} = $SIG{TERM} = sub { exit 1 };
END
{
	my $rc = $?;
	$_->end foreach values %alive;
	$? = $rc;
}

# Options: nodes (of Kafka), partitions, run (a number for the event ids); small
# (data, log and Kafka's logs on small file systems), copies (made to be copied).
sub new
{
	my ($class, %option) = @_;
	my $folder = abs_path(PostgreSQL::Test::Utils::tempdir());
	my $self = bless {
		folder => $folder,
		run => $option{run},
		number => 0,
		sends => 0,
		dice => 1,
		journal => {},
		small => $option{small},
		copies => $option{copies},
		restarts => 0,
		disk_errors => 0,
		errors => 0,
		read => {},
		acks_read => {},
		acked => {},
		gone => [],
		violations => [],
	}, $class;

	mkdir "$folder/$_" foreach qw(kafka monitor);
	$alive{$folder} = $self;
	$self->{kafka} = FaultKafka->new("$folder/kafka", $option{nodes} // 1, small => $option{small});
	$self->{kafka}->start;
	$self->{kafka}->create_topic(TOPIC, $option{partitions} // 3);
	$self->{node} = PostgreSQL::Test::Cluster->new('faults' . ++$worlds);
	$self->make_node;
	$self->monitor;
	return $self;
}

sub make_node
{
	my ($self) = @_;
	my $node = $self->{node};
	my $lake = "$self->{folder}/lake";

	mkdir $lake;
	$node->init(
		extra => [ '--encoding=UTF8', '--locale=C', $self->{small} ? '--wal-segsize=1' : () ],
		$self->{copies} ? (allows_streaming => 1, has_archiving => 1) : ());
	$self->onto_small_disks if $self->{small};
	$node->append_conf('postgresql.conf', <<"END");
shared_preload_libraries = 'hospital'
restart_after_crash = on
max_prepared_transactions = 2
track_commit_timestamp = on
log_line_prefix = '%m [%p] %b '
log_statement = none
hospital.databases = 'postgres'
hospital.data_folder = '$lake'
hospital.kafka_brokers = '@{[ $self->{kafka}->public ]}'
hospital.consumer_workers = 1
hospital.batch_interval = '12h'
hospital.stream_interval = '12h'
END
	$node->start;
	$self->sql('CREATE EXTENSION hospital');
	$self->sql("CALL hospital_create(people => 20000, beds => 200, start_date => '2020-01-01',"
		. " end_date => '2020-12-31', transfers_per_day => 15)");
	$self->sql('CALL hospital_load_staff()');
	# which transaction wrote a reject is looked at; each hour they would be tried again
	$self->sql(q{UPDATE hospital.jobs SET enabled = false WHERE job_name = 'retry rejects'});
	FaultOracle::create($self);
	$self->{simulation} = $self->sql('SELECT simulation_id FROM hospital.simulation');
	$self->sql('SELECT hospital_start()');
	$self->wait_for(sprintf(q{SELECT count(*) > 0 FROM hospital.stream_partitions WHERE topic = '%s'}, TOPIC), 'a consumer');
	return;
}

# The server's data and its log.  The log takes new files all the time.
sub onto_small_disks
{
	my ($self) = @_;
	my $node = $self->{node};
	my $data = $node->data_dir;

	FaultDisk::mount_at("$self->{folder}/data", 400);
	FaultDisk::mount_at("$self->{folder}/wal", 64);
	FaultDisk::move_to($data, "$self->{folder}/data/pgdata");
	FaultDisk::move_to("$data/pg_wal", "$self->{folder}/wal/pg_wal");
	$node->append_conf('postgresql.conf', "max_wal_size = 16MB\nmin_wal_size = 2MB\nwal_recycle = off\n");
	return;
}

# Another server is the one to look at from now on; what it does not know of the
# truth it is told again.
sub turn_to
{
	my ($self, $node) = @_;

	$self->{monitor}->kill_kill;
	$self->{node} = $node;
	@{$self}{qw(restarts errors)} = (0, 0);
	$self->{read} = {};
	$self->wait_for('SELECT NOT pg_is_in_recovery()', 'a server that is promoted');
	$self->sql('TRUNCATE fault_oracle.truth');
	$self->monitor;
	return;
}

sub monitor
{
	my ($self) = @_;
	my $node = $self->{node};

	$self->{monitor} = IPC::Run::start(
		[ $^X, "$here/monitor.pl", "$self->{folder}/monitor", 'psql', '-h', $node->host, '-p', $node->port, '-d', 'postgres' ],
		'<', \undef, '>', "$self->{folder}/monitor/log", '2>&1');
	return;
}

# ---- chance --------------------------------------------------------------------

# A generator of our own, which no library draws from: below the limit.
sub chance
{
	my ($self, $limit) = @_;

	$self->{dice} = ($self->{dice} * 1103515245 + 12345) & 0x7fffffff;
	return $self->{dice} / 0x80000000 * $limit;
}

# Chance without a world.
sub dice
{
	my ($class, $seed) = @_;
	my $self = bless { dice => $seed & 0x7fffffff }, $class;

	$self->chance(1);
	return $self;
}

sub choose
{
	my ($self, @from) = @_;

	return $from[ int $self->chance(scalar @from) ];
}

sub shuffle
{
	my ($self, @list) = @_;

	return map { $_->[1] } sort { $a->[0] <=> $b->[0] } map { [ $self->chance(1), $_ ] } @list;
}

# ---- asking the server ----------------------------------------------------------

sub sql { return $_[0]->{node}->safe_psql('postgres', $_[1]) }

# While it may be down: undef then.
sub try_sql
{
	my ($self, $query) = @_;
	my ($rc, $out) = eval { $self->{node}->psql('postgres', $query, timeout => 30, timed_out => \my $late) };

	return defined $rc && $rc == 0 ? $out : undef;
}

# Seconds it took, or undef.
sub comes_true
{
	my ($self, $query, $patience) = @_;
	my $began = time;

	while (time - $began < $patience)
	{
		my $said = $self->try_sql($query);
		return time - $began if defined $said && $said eq 't';
		sleep 0.1;
	}
	return;
}

sub wait_for
{
	my ($self, $query, $what, $patience) = @_;

	return $self->comes_true($query, $patience // PATIENCE) // die "timed out: $what\n";
}

sub set
{
	my ($self, %settings) = @_;

	$self->sql("ALTER SYSTEM SET $_ = '$settings{$_}'") foreach sort keys %settings;
	$self->sql('SELECT pg_reload_conf()');
	return;
}

sub pids
{
	my ($self, $role) = @_;

	return split /\n/, $self->try_sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'hospital $role' ORDER BY pid") // '';
}

# Waits for one that is not among those given.
sub pid_of
{
	my ($self, $role, @old) = @_;
	my $until = time + PATIENCE;

	while (time < $until)
	{
		foreach my $pid ($self->pids($role)) { return $pid if !grep { $_ == $pid } @old }
		sleep 0.05;
	}
	die "timed out: a $role\n";
}

sub status
{
	my ($self, $role) = @_;

	return $self->try_sql("SELECT state || coalesce(': ' || last_error, '') FROM hospital.status WHERE worker LIKE '$role%' AND pid IS NOT NULL") // '';
}

# ---- violations and figures --------------------------------------------------------

sub violated
{
	my ($self, $invariant, $what) = @_;

	push @{ $self->{violations} }, [ $invariant, $what ];
	return;
}

sub flag
{
	my ($self, $name, $on) = @_;
	my $file = "$self->{folder}/monitor/$name";

	if ($on) { FaultKafka::spew($file, '') }
	else { unlink $file }
	return;
}

# What nobody planned to happen to the server shows in its log.  One that cannot
# write its own log has to end, if that was what was done to it (disk_errors).
sub look_at_log
{
	my ($self) = @_;
	my $log = PostgreSQL::Test::Utils::slurp_file($self->{node}->logfile);
	my $crashes = () = $log =~ /all server processes terminated; reinitializing/g;
	my $aborts = () = $log =~ /terminated by signal 6/g;
	my $errors = () = $log =~ /PANIC:  .*(?:No space left on device|Input\/output error)/g;
	my $planned = $self->{restarts} + ($self->{disk_errors} ? $errors - $self->{errors} : 0);

	$self->violated('I8', "$crashes restarts after crashes, $planned of them planned") if $crashes > $planned;
	$self->violated('I8', "a process crashed by itself: $1") if $log =~ /(TRAP:.*|terminated by signal 11.*)/;
	$self->violated('I8', "$aborts processes gave up by themselves") if $aborts > ($self->{disk_errors} ? $errors : 0);
	$self->{restarts} = $crashes;
	$self->{errors} = $errors;
	return;
}

sub look_at_monitor
{
	my ($self) = @_;
	my $file = "$self->{folder}/monitor/violations";
	my $text = -e $file ? PostgreSQL::Test::Utils::slurp_file($file) : '';

	$self->violated(split /\t/, $_, 2) foreach split /\n/, substr $text, $self->{monitor_read} // 0;
	$self->{monitor_read} = length $text;
	if (!$self->{monitor}->pumpable)
	{
		$self->violated('I8', 'the monitor ended: ' . PostgreSQL::Test::Utils::slurp_file("$self->{folder}/monitor/log"));
		$self->monitor;
	}
	return;
}

# Looks at it, slowest answer in seconds, a consumer's private MB.
sub figures
{
	my ($self) = @_;

	open my $fh, '<', "$self->{folder}/monitor/figures" or return (0, 0, 0);
	return split ' ', readline $fh;
}

# ---- sending ------------------------------------------------------------------------

# -E: brokers that are away are waited for.
sub kcat_producer
{
	my ($self, @more) = @_;

	return ('kcat', '-P', '-b', $self->{kafka}->direct, '-t', TOPIC, '-E', '-v', '-v', '-D', '\x1e', '-K', '\x1f',
		'-H', "simulation=$self->{simulation}", '-H', 'schema_version=1', @more);
}

sub note_sent
{
	my ($self, $payload, @expected) = @_;

	$self->{journal}{ md5_hex($payload) } = [@expected];
	return;
}

# Payloads of which the fate is in the journal.  Options: to (a partition),
# more (arguments for kcat), unacknowledged (what is acknowledged may vanish).
sub send_payloads
{
	my ($self, $payloads, %option) = @_;
	my $acks = "$self->{folder}/monitor/" . ($option{unacknowledged} ? 'lost.' : 'acks.') . ++$self->{sends};
	my $bytes = join '', map { "$_->[0]\x1f$_->[1]\x1e" } @$payloads;

	IPC::Run::run([ $self->kcat_producer('-Z', defined $option{to} ? ('-p', $option{to}) : (), @{ $option{more} // [] }) ],
		'<', \$bytes, '>', '/dev/null', '2>', $acks) or die "kcat: " . PostgreSQL::Test::Utils::slurp_file($acks);
	return;
}

# New good events: key and payload of each.
sub good
{
	my ($self, $n) = @_;

	return map { $self->event($self->{number}++) } 1 .. $n;
}

sub event
{
	my ($self, $number) = @_;
	my ($payload, $content) = FaultMessage::good($self->{run}, $number, 0);

	$self->note_sent($payload, '', FaultMessage::event_id($self->{run}, $number), $content);
	return [ FaultMessage::patient($number), $payload ];
}

# The same event told otherwise, which cannot be right if the first one was.
sub contradiction
{
	my ($self, $number) = @_;
	my ($payload) = FaultMessage::good($self->{run}, $number, 1);

	$self->note_sent($payload, '23505', undef, undef);
	return [ FaultMessage::patient($number), $payload ];
}

sub send
{
	my ($self, $n, %option) = @_;

	return $self->send_payloads([ $self->good($n) ], %option);
}

sub poison
{
	my ($self, $kind) = @_;
	my $number = $self->{number}++;
	my (undef, $states, $payload) = FaultMessage::poison($self->{run}, $number, $kind);

	$self->note_sent($payload, $states, undef, undef);
	return [ FaultMessage::patient($number), $payload ];
}

sub load_start
{
	my ($self, $rate) = @_;
	my $sends = ++$self->{sends};

	$self->{load} = IPC::Run::start(
		[ $^X, "$here/load.pl", $self->{run}, $self->{number}, $rate, "$self->{folder}/journal.$sends", '--', $self->kcat_producer ],
		'<', \undef, '>', "$self->{folder}/load.$sends", '2>', "$self->{folder}/monitor/acks.$sends");
	# far above what the load will reach
	$self->{number} += 10_000_000;
	$self->{load_journal} = "$self->{folder}/journal.$sends";
	my $until = time + PATIENCE;
	sleep 0.05 until -s $self->{load_journal} || time > $until;
	return;
}

# Every one of its events has been acknowledged then.
sub load_stop
{
	my ($self) = @_;
	my $load = delete $self->{load} or return;

	$load->signal('TERM');
	$load->finish;
	foreach my $line (split /\n/, PostgreSQL::Test::Utils::slurp_file($self->{load_journal}))
	{
		my ($md5, @expected) = split /\t/, $line;
		$self->{journal}{$md5} = \@expected;
	}
	return;
}

sub read_acks
{
	my ($self) = @_;

	foreach my $file (grep { !$self->{acks_read}{$_} } glob "$self->{folder}/monitor/acks.*")
	{
		my $text = PostgreSQL::Test::Utils::slurp_file($file);
		while ($text =~ /delivered to partition (\d+) \(offset (\d+)\)/g) { push @{ $self->{acked}{$1} }, $2 }
		$self->violated('harness', "kcat could not deliver: $1") if $text =~ /(Delivery failed.*|ERROR: .*fatal.*)/i;
		$self->{acks_read}{$file} = 1;
	}
	return;
}

# ---- the truth ------------------------------------------------------------------------

# What is new on the topic becomes truth; what was acknowledged must be there, or come
# when the transaction has ended that it is behind.
sub read_topic
{
	my ($self) = @_;
	my $kafka = $self->{kafka};
	my @truth;

	$self->read_acks;
	foreach my $partition ($kafka->partitions(TOPIC))
	{
		my $from = $self->{read}{$partition} // 0;
		my %there;
		foreach my $message ($kafka->messages(TOPIC, $partition, $from))
		{
			my ($offset, undef, $payload) = @$message;
			$there{$offset} = 1;
			push @truth, [ $partition, $offset, @{ $self->expected($payload) } ];
			$self->{read}{$partition} = $offset + 1;
		}
		my $read = $self->{read}{$partition} // 0;
		my @acked = @{ $self->{acked}{$partition} // [] };
		my @missing = grep { $_ >= $from && $_ < $read && !$there{$_} } @acked;
		$self->violated('I1', "acknowledged but not on the topic: partition $partition, offsets @missing[0 .. ($#missing > 9 ? 9 : $#missing)]")
		  if @missing;
		$self->{acked}{$partition} = [ grep { $_ >= $read } @acked ];
		$self->{last}{$partition} = $read - 1 if $read;
	}
	FaultOracle::learn($self, \@truth);
	return scalar @truth;
}

# SQLSTATEs, event id, content of a payload.
sub expected
{
	my ($self, $payload) = @_;

	return [ '.....', undef, undef ] if !defined $payload;
	my $known = $self->{journal}{ md5_hex($payload) };
	return $known if defined $known;
	my $event = eval { JSON::PP::decode_json($payload) };
	return [ '', $event->{event_id}, undef ] if ref $event && defined $event->{event_id};
	$self->violated('harness', 'an unknown message: ' . substr $payload, 0, 80);
	return [ '.....', undef, undef ];
}

# I6: the ledger reaches the end of what was sent, and nobody helps.
sub catches_up
{
	my ($self, $patience) = @_;
	$patience //= PATIENCE;

	my $until = time + 30;
	$self->read_topic;
	while (my @behind = map { @{ $self->{acked}{$_} } ? "$_:$self->{acked}{$_}[0]" : () } sort keys %{ $self->{acked} })
	{
		if (time > $until)
		{
			$self->violated('I1', "acknowledged but not on the topic, which ends before: @behind");
			last;
		}
		sleep 0.2;
		$self->read_topic;
	}
	my $last = $self->{last} // {};
	my $all = join ' AND ', 'true', map {
		"(SELECT coalesce(max(last_offset), -1) FROM hospital.stream_ranges WHERE topic = '@{[TOPIC]}' AND partition = $_) >= $last->{$_}"
	} sort keys %$last;
	my $took = $self->comes_true("SELECT $all", $patience);
	return $took if defined $took;
	my $where = $self->try_sql('SELECT partition, max(last_offset) FROM hospital.stream_ranges GROUP BY 1 ORDER BY 1') // 'no answer';
	my $wanted = join ' ', map { "$_:$last->{$_}" } sort keys %$last;
	$self->violated('I6', "not caught up after $patience s: wanted $wanted, is " . join(' ', split /\n/, $where) . '; consumers: '
		. join('; ', split /\n/, $self->status('consumer')));
	return;
}

# All invariants, with nothing under way.
sub verify
{
	my ($self) = @_;

	$self->violated(@$_) foreach FaultOracle::violations($self);
	$self->look_at_log;
	$self->look_at_monitor;
	return;
}

# A fault that did not come to its end may have left somebody stopped.
sub wake
{
	my ($self) = @_;

	kill 'CONT', $self->pids($_) foreach qw(consumer scheduler);
	eval { $self->{kafka}->signal('CONT') };
	return;
}

# ---- the server's life -------------------------------------------------------------------

# kill -9 of any of its processes restarts them all.
sub kill_process
{
	my ($self, $pid) = @_;

	# the pid may be of yesterday
	return 0 if !kill 9, $pid;
	$self->{restarts}++;
	return 1;
}

sub postmaster_killed
{
	my ($self) = @_;
	my $node = $self->{node};
	my $until = time + PATIENCE;

	$self->flag(down => 1);
	$node->kill9;
	until ($node->start(fail_ok => 1))
	{
		# orphaned children may hold the data directory for a moment; a failed
		# start leaves the node believing in the old process
		die "the server does not start after kill -9\n" if time > $until;
		$node->stop('fast', fail_ok => 1);
		sleep 0.1;
	}
	$self->flag(down => 0);
	return;
}

# Seconds the stop took.
sub restarted
{
	my ($self, $mode) = @_;
	my $node = $self->{node};
	my $began = time;

	$self->flag(down => 1);
	$node->stop($mode);
	my $took = time - $began;
	$node->start;
	$self->flag(down => 0);
	return $took;
}

sub quote
{
	my ($self, $text) = @_;

	return "'" . $text =~ s/'/''/gr . "'";
}

# A planned halt of consuming, while the topic goes on.
sub pause
{
	my ($self) = @_;

	$self->flag(quiet => 1);
	$self->sql(sprintf q{SELECT hospital_pause('%s')}, TOPIC);
	return;
}

sub resume
{
	my ($self) = @_;

	$self->sql(sprintf q{SELECT hospital_resume('%s')}, TOPIC);
	$self->flag(quiet => 0);
	return;
}

sub end
{
	my ($self) = @_;

	delete $alive{ $self->{folder} };
	eval { $self->load_stop };
	$self->{monitor}->kill_kill if $self->{monitor};
	delete $self->{monitor};
	$self->{node}->stop('immediate', fail_ok => 1) if $self->{node};
	$self->{kafka}->kill9 if $self->{kafka};
	return;
}

1;
