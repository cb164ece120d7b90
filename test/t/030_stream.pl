
# 030_stream: events through Kafka, each exactly once, whatever happens.
#
# The same story on the embedded broker and on a real Apache Kafka: a short
# simulation runs at a fast pace while processes are killed and settings changed
# in a seeded order; at the end the table is exactly what the generator makes,
# and the ledger chains.  Then poison, two consumers of one partition, and a
# partition of which messages were deleted before they were read.
use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use Digest::MD5;
use FindBin;
use lib "$FindBin::Bin/../kafka", "$FindBin::Bin/../perl";
use HospitalKafka;
use Patience qw(wait_until);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use constant DAYS => 30;
use constant TRANSFERS => 15;    # a day

my $seed = $ENV{HOSPITAL_TEST_SEED} // time;
srand($seed);
note "HOSPITAL_TEST_SEED=$seed";

sub make_node
{
	my ($name, $brokers) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	my $folder = abs_path(PostgreSQL::Test::Utils::tempdir());

	$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
	$node->append_conf('postgresql.conf', qq{
shared_preload_libraries = 'hospital'
restart_after_crash = on
max_prepared_transactions = 2
hospital.databases = 'postgres'
hospital.data_folder = '$folder'
hospital.kafka_brokers = '$brokers'
hospital.consumer_workers = 1
hospital.batch_interval = '1s'
hospital.stream_interval = '200ms'
});
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION hospital');
	$node->safe_psql('postgres', sprintf(
		"CALL hospital_create(people => 20000, beds => 200, start_date => '2020-01-01',"
		. " end_date => date '2020-01-01' + %d, transfers_per_day => %d)", DAYS - 1, TRANSFERS));
	$node->safe_psql('postgres', 'CALL hospital_load_staff()');
	$node->safe_psql('postgres', 'SELECT hospital_start()');
	return $node;
}

sub pid_of
{
	my ($node, $role) = @_;

	wait_until($node, "SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'hospital $role'", "a $role");
	return $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE backend_type = 'hospital $role' ORDER BY pid LIMIT 1");
}

# The whole server may be restarting: try until it answers with what we want.
sub wait_for_role
{
	my ($node, $role, $not) = @_;

	wait_until($node, "SELECT count(*) > 0 FROM pg_stat_activity"
		. " WHERE backend_type = 'hospital $role' AND pid <> $not", "a new $role");
	return pid_of($node, $role);
}

# Some more events have come in, and nothing is amiss up to here.
sub goes_on
{
	my ($node, $after) = @_;
	my $arrived = $node->safe_psql('postgres', 'SELECT count(*) FROM hospital.transfers');
	my $goal = $arrived + 2 * TRANSFERS;

	$goal = DAYS * TRANSFERS if $goal > DAYS * TRANSFERS;
	# those of a day come with its file as well, so what was published counts too
	wait_until($node, "SELECT count(*) >= $goal AND (SELECT sum(events) FROM hospital.published) >= $goal"
		. " FROM hospital.transfers", "events after $after");
	is_chained($node, "after $after");
	return;
}

# Ranges chain, and every message of them is a row, a reject or a duplicate.
sub is_chained
{
	my ($node, $when) = @_;

	is($node->safe_psql('postgres', q{
		WITH r AS (SELECT *, lag(last_offset) OVER (PARTITION BY topic, partition, epoch
		                                            ORDER BY first_offset) AS before
		           FROM hospital.stream_ranges)
		SELECT (SELECT count(*) FROM r WHERE before IS NOT NULL AND first_offset <> before + 1),
		       (SELECT coalesce(sum(rows), 0) FROM r) - (SELECT count(*) FROM hospital.transfers)
		       + (SELECT coalesce(sum(rows - merged), 0) FROM hospital.batches
		          WHERE kind = 'transfers' AND state = 'ingested'),
		       (SELECT coalesce(sum(rejects), 0) FROM r) - (SELECT count(*) FROM hospital.rejects
		                                       WHERE topic IS NOT NULL),
		       (SELECT count(*) FROM r WHERE rows + rejects + duplicates > last_offset - first_offset + 1)}),
		'0|0|0|0', "ranges chain and add up $when");
	return;
}

sub is_whole
{
	my ($node, $name) = @_;
	my $generated = q{SELECT g.* FROM hospital.simulation s,
		generate_series(s.start_date, s.end_date, '1 day') d,
		LATERAL hospital_generate_transfers(d::date, s.seed, s.people, s.beds, s.start_date,
		                                    s.transfers_per_day) g};

	wait_until($node, sprintf('SELECT count(*) >= %d AND (SELECT sum(events) FROM hospital.published) >= %d'
			. ' FROM hospital.transfers', DAYS * TRANSFERS, DAYS * TRANSFERS), 'all events');
	is($node->safe_psql('postgres', "SELECT count(*) FROM ($generated) g"), DAYS * TRANSFERS,
		"$name: the generator makes what was asked for");
	is($node->safe_psql('postgres', "SELECT count(*) FROM ($generated EXCEPT TABLE hospital.transfers) x"),
		0, "$name: nothing lost or altered");
	is($node->safe_psql('postgres', "SELECT count(*) FROM (TABLE hospital.transfers EXCEPT ALL $generated) x"),
		0, "$name: nothing doubled or added");
	is($node->safe_psql('postgres', sprintf('SELECT count(*) FILTER (WHERE events = %d), count(*) FROM'
				. ' (SELECT sum(events) AS events FROM hospital.published GROUP BY day) d', TRANSFERS)),
		sprintf('%d|%d', DAYS, DAYS), "$name: every event is in one tick");
	is_chained($node, "($name, at the end)");
	return;
}

# ---- faults -----------------------------------------------------------------

sub kill_worker
{
	my ($node, $role) = @_;
	my $pid = pid_of($node, $role);

	kill 9, $pid;
	wait_for_role($node, $role, $pid);
	return;
}

sub terminate_worker
{
	my ($node, $role) = @_;
	my $pid = pid_of($node, $role);

	$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
	wait_for_role($node, $role, $pid);
	return;
}

# Orphaned children may hold the data directory for a moment.
sub restart_killed
{
	my ($node) = @_;

	$node->kill9;
	foreach (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return if $node->start(fail_ok => 1);

		# A failed start leaves the node believing in the old process.
		$node->stop('fast', fail_ok => 1);
		usleep(100_000);
	}
	BAIL_OUT('the server does not start after kill -9');
	return;
}

sub change
{
	my ($node, %settings) = @_;

	foreach my $name (sort keys %settings)
	{
		$node->safe_psql('postgres', "ALTER SYSTEM SET hospital.$name = '$settings{$name}'");
	}
	$node->safe_psql('postgres', 'SELECT pg_reload_conf()');
	return;
}

# Brokers that are not there, and back: days go on meanwhile, then events.
sub change_brokers
{
	my ($node) = @_;
	my $before = $node->safe_psql('postgres', 'SHOW hospital.kafka_brokers');

	change($node, kafka_brokers => '127.0.0.1:1');
	wait_until($node, q{SELECT count(*) > 0 FROM hospital.status WHERE worker LIKE 'consumer%'
		AND state = 'connecting to 127.0.0.1:1'}, 'the other brokers');
	my $days = $node->safe_psql('postgres', 'SELECT count(*) FROM hospital.batches');
	$days = DAYS - 2 if $days > DAYS - 2;
	wait_until($node, "SELECT count(*) >= $days + 2 FROM hospital.batches", 'days without brokers');
	change($node, kafka_brokers => '');
	wait_until($node, q{SELECT count(*) = 0 FROM hospital.status WHERE worker LIKE 'consumer%' AND pid IS NOT NULL},
		'no consumers without brokers');
	change($node, kafka_brokers => $before);
	return;
}

sub change_consumers
{
	my ($node, $kafka) = @_;

	change($node, consumer_workers => 2);
	wait_until($node, q{SELECT count(*) = 2 FROM pg_stat_activity WHERE backend_type = 'hospital consumer'},
		'two consumers');

	# The embedded broker's topic has a single partition.
	my $state = defined $kafka ? 'waiting for events' : 'no partition for this consumer';
	wait_until($node, "SELECT count(*) = 1 FROM hospital.status WHERE worker = 'consumer 1' AND state = '$state'",
		'the second consumer');
	return;
}

sub faults
{
	my ($node, $kafka) = @_;
	my %faults = (
		'other brokers' => sub { change_brokers($node) },
		'a second consumer' => sub { change_consumers($node, $kafka) },
		'larger ticks' => sub { change($node, stream_records => 7) },
		'kill -9 of a consumer' => sub { kill_worker($node, 'consumer') },
		'kill -9 of the scheduler' => sub { kill_worker($node, 'scheduler') },
		'kill -9 of the postmaster' => sub { restart_killed($node) },
		'SIGTERM of a consumer' => sub { terminate_worker($node, 'consumer') },
		'SIGTERM of the scheduler' => sub { terminate_worker($node, 'scheduler') },
		'an immediate stop' => sub { $node->stop('immediate'); $node->start },
		'a fast restart' => sub { $node->restart });

	if (defined $kafka)
	{
		$faults{'a broker restart'} = sub { $kafka->stop; $kafka->start };
		$faults{'kill -9 of the broker'} = sub { $kafka->kill9; $kafka->start };
	}
	else
	{
		$faults{'a broker restart'} = sub { terminate_worker($node, 'broker') };
		$faults{'kill -9 of the broker'} = sub { kill_worker($node, 'broker') };
	}
	return %faults;
}

# ---- poison -----------------------------------------------------------------

sub json
{
	my (%change) = @_;
	my %field = (
		event_id => '"01890a5d-ac96-774b-bcce-b302099a8057"',
		event_time => '"2020-01-01T08:00:00Z"',
		admission_id => 1,
		patient_id => 2,
		from_ward => '"A"',
		to_ward => '"B"',
		reason => '"\u00e9\"x"',
		status => '"Completed"',
		staff_id => 3,
		%change);

	return '{' . join(',', map { qq("$_":$field{$_}) } sort keys %field) . '}';
}

# Payload, SQLSTATE expected ('' for a row), column, headers changed.
sub poison
{
	return (
		[ json(), '', '' ],
		[ '{"event_id": ', '22032', '' ],
		[ json(patient_id => '"seven"'), '22P02', 'patient_id' ],
		[ json(patient_id => '99999999999999999999'), '22003', 'patient_id' ],
		[ json(event_time => '"2020-02-30T00:00:00Z"'), '22007', 'event_time' ],
		[ json(reason => "\"a\0b\""), '22021', '' ],
		[ json(reason => '"a\u0000b"'), '22032', '' ],
		[ json(reason => "\"\xff\xfe\""), '22021', '' ],
		[ json(extra => 1), '22032', '' ],
		[ json(to_ward => '["B"]'), '22P02', 'to_ward' ],
		[ '[' x 100_000, '54001', '' ],
		[ '"a string"', '22032', '' ],
		[ json(), '23514', '', { simulation => '00000000-0000-0000-0000-000000000000' } ],
		[ json(event_id => '"01890a5d-ac96-774b-bcce-b302099a8058"'), '', '' ]);
}

sub send_message
{
	my ($address, $payload, %headers) = @_;
	my $partition = delete $headers{partition} // -1;
	my $file = abs_path(PostgreSQL::Test::Utils::tempdir()) . '/payload';

	open my $fh, '>:raw', $file or die "$file: $!";
	print $fh $payload;
	close $fh or die "$file: $!";
	PostgreSQL::Test::Utils::system_or_bail('kcat', '-P', '-q', '-b', $address, '-t', 'hospital.transfers',
		'-p', $partition, '-k', '2', (map { ('-H', "$_=$headers{$_}") } sort keys %headers), $file);
	return;
}

sub test_poison
{
	my ($node, $name, $address) = @_;
	my $simulation = $node->safe_psql('postgres', 'SELECT simulation_id FROM hospital.simulation');
	my $rows = $node->safe_psql('postgres', 'SELECT count(*) FROM hospital.transfers');
	my @sent = poison();
	my @bad = grep { $_->[1] ne '' } @sent;
	my $good = @sent - @bad;

	foreach my $message (@sent)
	{
		send_message($address, $message->[0], simulation => $simulation, schema_version => 1,
			%{ $message->[3] // {} });
	}
	wait_until($node, sprintf('SELECT count(*) >= %d FROM hospital.rejects', scalar @bad), 'rejects');
	wait_until($node, sprintf('SELECT count(*) >= %d FROM hospital.transfers', $rows + $good),
		'the neighbours of rejects');
	my $found = $node->safe_psql('postgres',
		q{SELECT sqlstate, coalesce(column_name, ''), md5(raw), convert_from(key, 'UTF8'),
		         headers @> '[{"name": "schema_version", "value": "1"}]'
		  FROM hospital.rejects ORDER BY "offset"});
	my $expected = join("\n",
		map { join('|', $_->[1], $_->[2], Digest::MD5::md5_hex($_->[0]), 2, 't') } @bad);

	is($found, $expected, "$name: rejects have the raw bytes, key, headers, SQLSTATE and column");
	is($node->safe_psql('postgres', "SELECT reason FROM hospital.transfers"
			. " WHERE event_id = '01890a5d-ac96-774b-bcce-b302099a8057'"),
		qq(\xc3\xa9"x), "$name: escapes are read");
	is_chained($node, "($name, with poison)");
	return;
}

# A constraint of the user's: the guilty message alone is rejected.
sub test_constraint
{
	my ($node, $name, $address) = @_;
	my $simulation = $node->safe_psql('postgres', 'SELECT simulation_id FROM hospital.simulation');
	my $before = $node->safe_psql('postgres', 'SELECT count(*) FROM hospital.rejects');

	$node->safe_psql('postgres',
		"ALTER TABLE hospital.transfers ADD CONSTRAINT no_zoo CHECK (to_ward <> 'ZOO')");
	for my $n (0 .. 8)
	{
		send_message($address,
			json(event_id => qq("01890a5d-ac96-774b-bcce-b3020000000$n"), $n == 4 ? (to_ward => '"ZOO"') : ()),
			simulation => $simulation, schema_version => 1);
	}
	wait_until($node, q{SELECT count(*) = 8 FROM hospital.transfers
		WHERE event_id::text LIKE '01890a5d-ac96-774b-bcce-b3020000000%'}, 'neighbours of a refused row');
	is($node->safe_psql('postgres', "SELECT sqlstate, message LIKE '%no_zoo%' FROM hospital.rejects OFFSET $before"),
		'23514|t', "$name: what a constraint refuses is a reject");
	$node->safe_psql('postgres', 'ALTER TABLE hospital.transfers DROP CONSTRAINT no_zoo');
	is_chained($node, "($name, with a constraint)");
	return;
}

# ---- two owners, and a gap ----------------------------------------------------

use constant TOPIC => 'hospital.transfers';

# Where partition 0 goes on, and the epoch.
sub position
{
	my ($node) = @_;

	return split /\|/, $node->safe_psql('postgres', q{SELECT last_offset + 1, epoch FROM hospital.stream_ranges
		WHERE partition = 0 ORDER BY epoch DESC, first_offset DESC LIMIT 1});
}

sub event_id { return sprintf '01890a5d-ac96-774b-bccf-%012d', $_[0] }

sub send_event
{
	my ($node, $address, $partition, $number) = @_;
	my $simulation = $node->safe_psql('postgres', 'SELECT simulation_id FROM hospital.simulation');

	send_message($address, json(event_id => '"' . event_id($number) . '"'), simulation => $simulation,
		schema_version => 1, partition => $partition);
	return;
}

sub wait_for_event
{
	my ($node, $number) = @_;

	wait_until($node, sprintf(q{SELECT count(*) = 1 FROM hospital.transfers WHERE event_id = '%s'}, event_id($number)),
		"event $number");
	return;
}

# Another owner of the partition has the event, and its range, in a transaction
# that is not over; ours, which has read the same position, must give way.
sub test_fencing
{
	my ($node, $name, $address) = @_;
	my ($next, $epoch) = position($node);
	my $log = -s $node->logfile;

	$node->safe_psql('postgres', sprintf(q{BEGIN;
		INSERT INTO hospital.transfers VALUES ('%s', '2020-01-01 00:00+00', 1, 2, 'A', 'B', 'C', 'D', 3);
		INSERT INTO hospital.stream_ranges (topic, partition, epoch, first_offset, last_offset,
			messages, rows, rejects, duplicates, worker_pid)
		VALUES ('%s', 0, %s, %s, %s, 1, 1, 0, 0, 0);
		PREPARE TRANSACTION 'owner'}, event_id(1), TOPIC, $epoch, $next, $next));
	send_event($node, $address, 0, 1);
	wait_until($node, q{SELECT count(*) = 1 FROM pg_stat_activity
		WHERE backend_type = 'hospital consumer' AND wait_event_type = 'Lock'}, 'two owners of a partition');
	$node->safe_psql('postgres', q{COMMIT PREPARED 'owner'});
	send_event($node, $address, 0, 2);
	wait_for_event($node, 2);
	like(substr(slurp_file($node->logfile), $log),
		qr/fenced: another consumer has read on in topic hospital\.transfers partition 0\n.*at offset $next\./,
		"$name: of two owners of a partition the second gives way");
	is_chained($node, "($name, with two owners)");
	return;
}

# Messages that are gone before they were read stop their partition, no other
# one, and nothing of it is skipped until somebody says so.
sub test_gap
{
	my ($node, $kafka) = @_;

	$node->safe_psql('postgres', 'SELECT hospital_stop()');
	wait_until($node, q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'hospital consumer'}, 'a stop');
	my ($next) = position($node);
	send_event($node, $kafka->address, 0, $_) foreach (11 .. 15);
	my $low = $kafka->log_end(TOPIC, 0) - 1;
	$kafka->delete_records(TOPIC, 0, $low);
	$node->safe_psql('postgres', 'SELECT hospital_start()');
	wait_until($node, q{SELECT count(*) = 1 FROM hospital.status WHERE state LIKE '1 of % partitions stopped or paused'},
		'a gap');
	like($node->safe_psql('postgres', q{SELECT sqlstate, last_error FROM hospital.status WHERE state LIKE '%stopped or paused'}),
		qr/^HS001\|gap: topic hospital\.transfers partition 0 cannot be read at offset $next /, 'gap: it says where');
	send_event($node, $kafka->address, 2, 16);
	wait_for_event($node, 16);
	is((position($node))[0], $next, 'gap: nothing is skipped, other partitions go on');

	$node->safe_psql('postgres', sprintf(q{SELECT hospital_accept_gap('%s', 0)}, TOPIC));
	wait_for_event($node, 15);
	is($node->safe_psql('postgres', sprintf(q{SELECT count(*) FROM hospital.transfers
		WHERE event_id BETWEEN '%s' AND '%s'}, event_id(11), event_id(14))), 0, 'gap: what is gone is gone');
	is_chained($node, '(kafka, with an accepted gap)');
	return;
}

# ---- the story --------------------------------------------------------------

sub embedded_address
{
	my ($node) = @_;

	# the server may just have been restarted
	wait_until($node, q{SELECT count(*) > 0 FROM pg_stat_activity
		WHERE backend_type = 'hospital broker' AND query ~ '[0-9.]+:[0-9]+'}, 'the embedded broker');
	return $node->safe_psql('postgres', q{SELECT substring(query FROM '[0-9.]+:[0-9]+')
		FROM pg_stat_activity WHERE backend_type = 'hospital broker'});
}

sub story
{
	my ($name, $kafka) = @_;
	my $node = make_node($name, defined $kafka ? $kafka->address : 'embedded');
	my %faults = faults($node, $kafka);

	wait_until($node, 'SELECT count(*) > 0 FROM hospital.transfers', 'the first event');
	foreach my $fault (sort { $a->[0] <=> $b->[0] } map { [ rand, $_ ] } sort keys %faults)
	{
		note "$name: $fault->[1]";
		$faults{ $fault->[1] }->();
		goes_on($node, "$fault->[1] ($name)");
	}
	is_whole($node, $name);
	if (defined $kafka)
	{
		# a duplicate may also be an event that came with the day's file first
		my $read = 'SELECT sum(rows + duplicates) FROM hospital.stream_ranges';

		wait_until($node, "SELECT ($read) >= " . DAYS * TRANSFERS, 'all events read');
		is($node->safe_psql('postgres', $read), DAYS * TRANSFERS, "$name: the topic itself has no event twice");
	}
	SKIP:
	{
		skip 'kcat is not installed', 1 if system('kcat -V >/dev/null 2>&1') != 0;
		my $address = defined $kafka ? $kafka->address : embedded_address($node);
		test_poison($node, $name, $address);
		test_constraint($node, $name, $address);
		test_fencing($node, $name, $address);
		test_gap($node, $kafka) if defined $kafka;
	}
	$node->stop('fast');
	unlike(slurp_file($node->logfile), qr/TRAP|signal 11|signal 6/, "$name: no process crashed by itself");
	return;
}

story('embedded', undef);

SKIP:
{
	my $reason = HospitalKafka::unavailable();
	skip "no Apache Kafka here: $reason", 1 if $reason ne '';
	my $kafka = HospitalKafka->new(abs_path(PostgreSQL::Test::Utils::tempdir()));
	$kafka->start;
	story('kafka', $kafka);
	$kafka->stop;
}

done_testing();
