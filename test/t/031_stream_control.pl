# 031_stream_control: deciding about partitions beside running batches, the audit
# while events come in, and days that are closed when files and stream agree.
#
# No Kafka: what a consumer and a producer write is written by hand.
use strict;
use warnings FATAL => 'all';

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{HOSPITAL_TEST_SEED} // time;
srand($seed);
note "HOSPITAL_TEST_SEED=$seed";

use constant DAYS => 6;

my $node = PostgreSQL::Test::Cluster->new('control');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
my $folder = $node->basedir . '/folder';
mkdir $folder or die "$folder: $!";
$node->append_conf('postgresql.conf', qq{
fsync = off
max_prepared_transactions = 2
shared_preload_libraries = 'hospital'
hospital.data_folder = '$folder'
});
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub session
{
	my ($query) = @_;
	my %session = (out => '', err => '');

	$session{run} = IPC::Run::start([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'),
			'-c', $query ], '<', \undef, '>', \$session{out}, '2>', \$session{err});
	return \%session;
}

sub wait_for
{
	my ($query, $what) = @_;

	$node->poll_query_until('postgres', $query) or BAIL_OUT("timed out: $what");
	return;
}

sql('CREATE EXTENSION hospital');
sql(sprintf q{CALL hospital_create(people => 20000, beds => 200, seed => %d, start_date => '2020-01-01',
	end_date => '2020-12-31')}, $seed % 1000);
sql('CALL hospital_load_people()');
sql('CALL hospital_load_staff()');
sql('CALL hospital_run(' . DAYS . ')');

# ---- beside a running batch ------------------------------------------------

use constant SHARE => q{SELECT pg_advisory_xact_lock_shared(1752134512, hospital_stream_key('t', 0))};

sql(q{INSERT INTO hospital.stream_partitions (topic, partition) VALUES ('t', 0), ('t', 1)});
sql(q{BEGIN; } . SHARE . q{;
	INSERT INTO hospital.stream_ranges (topic, partition, first_offset, last_offset, messages, rows, rejects, duplicates, worker_pid)
	VALUES ('t', 0, 0, 6, 7, 0, 0, 7, 1);
	PREPARE TRANSACTION 'batch'});
sql(q{SELECT hospital_seek('t', 1, 5)});
is(sql(q{SELECT epoch, start_offset FROM hospital.stream_partitions WHERE partition = 1}), '1|5',
	'a batch of another partition hinders nobody');
my $seek = session(q{SELECT hospital_seek('t', 0, 3)});
wait_for(q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted}, 'a seek that waits');
is(sql('SELECT epoch FROM hospital.stream_partitions WHERE partition = 0'), '0', 'a seek waits for a running batch');
sql(q{COMMIT PREPARED 'batch'});
$seek->{run}->finish;
is($seek->{err}, '', '... and comes after it');
is(sql('SELECT epoch, from_offset, to_offset FROM hospital.stream_actions WHERE partition = 0'), '1|7|3',
	'... where the batch has got to');

is(sql(q{BEGIN; SELECT hospital_pause('t', 0);
	PREPARE TRANSACTION 'pause'}), '', 'a pause that is not committed');
my $can_share = q{SELECT pg_try_advisory_xact_lock_shared(1752134512, hospital_stream_key('t', %d))};
is(sql(sprintf $can_share, 0), 'f', '... keeps batches of its partition out');
is(sql(sprintf $can_share, 1), 't', '... and no others');
sql(q{ROLLBACK PREPARED 'pause'});
is(sql(sprintf $can_share, 0), 't', '... until it is rolled back');
is(sql(q{SELECT p.state, count(a.*) FROM hospital.stream_partitions p LEFT JOIN hospital.stream_actions a
	ON a.topic = p.topic AND a.partition = p.partition AND a.action = 'pause' WHERE p.partition = 0 GROUP BY 1}),
	'running|0', '... and has done nothing then');
sql(q{TRUNCATE hospital.stream_partitions, hospital.stream_ranges, hospital.stream_actions});

# ---- the audit while events come in ------------------------------------------

sql(q{INSERT INTO hospital.stream_topics (topic, kind, format) VALUES ('hospital.transfers', 'transfers', 'json')});
sql(q{INSERT INTO hospital.stream_partitions (topic, partition) SELECT 'hospital.transfers', p FROM generate_series(0, 2) p});
my $consumer = session(q{DO $$
BEGIN
	LOOP
		FOR p IN 0 .. 2 LOOP
			INSERT INTO hospital.transfers SELECT gen_random_uuid(), '2021-01-01', 1, 1, 'A', 'B', 'C', 'D', 1 FROM generate_series(1, 8);
			INSERT INTO hospital.rejects (topic, partition, epoch, "offset", sqlstate, message)
			SELECT 'hospital.transfers', p, 0, coalesce(max(last_offset), -1) + 3, '22032', 'bad'
			FROM hospital.stream_ranges WHERE partition = p;
			INSERT INTO hospital.stream_ranges (topic, partition, first_offset, last_offset, messages, rows, rejects, duplicates, worker_pid)
			SELECT 'hospital.transfers', p, coalesce(max(last_offset), -1) + 1, coalesce(max(last_offset), -1) + 10, 10, 8, 1, 1, 1
			FROM hospital.stream_ranges WHERE partition = p;
			IF random() < 0.5 THEN
				COMMIT;
			END IF;
		END LOOP;
		EXIT WHEN EXISTS (SELECT FROM pg_class WHERE relname = 'enough');
	END LOOP;
END $$});
wait_for('SELECT count(*) > 5 FROM hospital.stream_ranges', 'events');
my ($amiss, $before, $moved) = (0, 0, 0);
foreach (1 .. 30)
{
	my ($wrong, $checks, $messages) = split /\|/, sql(q{SELECT count(*) FILTER (WHERE ok IS NOT TRUE), count(*),
		sum(found) FILTER (WHERE check_name = 'ranges add up') FROM hospital_audit_stream()});

	$amiss++ if $wrong > 0 || $checks < 16;
	$moved++ if $messages > $before;
	$before = $messages;
}
sql('CREATE TABLE enough ()');
$consumer->{run}->finish;
is($consumer->{err}, '', 'events came in');
cmp_ok($moved, '>', 10, '... while they were audited');
is($amiss, 0, '... and each audit saw one moment');
sql(q{DELETE FROM hospital.transfers WHERE event_time = '2021-01-01'; TRUNCATE hospital.stream_ranges;
	DELETE FROM hospital.rejects; DROP TABLE enough});

# ---- days are closed -----------------------------------------------------------

sub opened
{
	return sql(q{SELECT coalesce(string_agg(extract(day FROM day)::text, ' ' ORDER BY day), '') FROM hospital.days
		WHERE closed_at IS NULL});
}

# What hospital_validate is not content with.
sub validate { return sql(q{SELECT check_name, expected, found, missing, altered FROM hospital_validate() WHERE NOT ok}) }

sub add_range
{
	my ($partition, $first, $last, $epoch) = (@_, 0);

	return sql(sprintf q{INSERT INTO hospital.stream_ranges (topic, partition, epoch, first_offset, last_offset, messages, rows,
		rejects, duplicates, worker_pid) VALUES ('hospital.transfers', %d, %d, %d, %d, 0, 0, 0, 0, 1)},
		$partition, $epoch, $first, $last);
}

sub publish
{
	my ($day, $offsets, $broker) = (@_, 0);

	return sql(sprintf q{INSERT INTO hospital.published (kind, day, tick, topic, events, broker_epoch, last_offsets)
		VALUES ('transfers', '2020-01-0%d', 0, 'hospital.transfers', 3, %d, '{%s}')}, $day, $broker, $offsets);
}

is(opened(), '1 2 3 4 5 6', 'days begin open');
is(sql(q{BEGIN READ ONLY; SELECT count(*) FROM hospital_validate() WHERE NOT ok; COMMIT}), '0',
	'a read-only transaction validates');
is(opened(), '1 2 3 4 5 6', '... and closes nothing');
sql(q{CREATE ROLE reader; GRANT USAGE ON SCHEMA hospital TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA hospital TO reader});
is(sql(q{SET ROLE reader; SELECT count(*) FROM hospital_validate() WHERE NOT ok}), '0', 'who may only read validates');
sql(q{BEGIN; SELECT count(*) FROM hospital_validate(); ROLLBACK});
is(opened(), '1 2 3 4 5 6', 'what is rolled back closes nothing');
is(sql(q{SELECT count(*) FROM hospital_validate('2020-01-02', '2020-01-03') WHERE NOT ok}), '0', 'two days agree');
is(opened(), '1 4 5 6', '... and are closed');

publish(4, 'NULL, 9, 4');
is(validate(), 'stream transfers|3|0|3|0', 'nothing of a tick has come in');
is(opened(), '4', '... and its day stays open');
add_range(1, 0, 9);
add_range(2, 0, 3);
is(validate(), 'stream transfers|3|0|3|0', 'one partition has come in, one has not');
add_range(2, 4, 4);
is(validate(), '', 'the tick is in');
is(opened(), '', '... and its day closed');

# An epoch that begins after the tick says nothing of it.
publish(5, '9, NULL, NULL');
add_range(0, 10, 20);
is(validate(), 'stream transfers|6|3|3|0', 'read on behind a tick');
is(opened(), '5', '... opens its day again');
sql(q{SELECT hospital_seek('hospital.transfers', 0, 0)});
add_range(0, 0, 9, 1);
is(validate(), '', 'read again from the beginning, it is in');

# Of another log under the same name the old offsets say nothing.
sql(q{UPDATE hospital.stream_partitions SET state = 'stopped', sqlstate = 'HS002' WHERE partition = 0});
sql(q{SELECT hospital_accept_gap('hospital.transfers', 0)});
is(validate(), '', 'what had come in from the former log stays in');
publish(6, '5, NULL, NULL');
is(validate(), 'stream transfers|9|6|3|0', 'what went to the new one has not');
add_range(0, 0, 5, 2);
is(validate(), '', '... and then it has');

# The embedded broker: of its former lives nothing can be read, so the table counts.
sql(q{UPDATE hospital.stream_partitions SET broker_epoch = 8});
sql(q{UPDATE hospital.published SET broker_epoch = 7});
is(validate(), '', 'a former life of the embedded broker');
sql(q{CREATE TABLE kept AS SELECT * FROM hospital.transfers
	WHERE (event_time AT TIME ZONE 'Africa/Johannesburg')::date = '2020-01-05' LIMIT 1;
	DELETE FROM hospital.transfers USING kept WHERE transfers.event_id = kept.event_id});
like(validate(), qr/^transfers\|90\|89\|1\|0\nstream transfers\|9\|6\|3\|0$/m, '... of which an event is in no table');
is(opened(), '5', '... opens its day');
sql(q{INSERT INTO hospital.transfers TABLE kept});
sql(q{INSERT INTO hospital.stream_actions (action, topic, partition, epoch) VALUES ('new broker', 'hospital.transfers', 0, 3);
	UPDATE hospital.stream_partitions SET epoch = 3 WHERE partition = 0;
	UPDATE hospital.published SET broker_epoch = 8 WHERE day = '2020-01-05'});
is(validate(), 'stream transfers|9|6|3|0', 'published again to its new life: not by offsets of the former one');
add_range(0, 0, 9, 3);
is(validate(), '', '... but when it comes in');

# A reject of the day's events, ours and unresolved.
my $reject = q{INSERT INTO hospital.rejects (topic, partition, epoch, "offset", sqlstate, message, headers)
	SELECT 'hospital.transfers', 0, 3, 1, '22032', 'bad', jsonb_build_array(
		jsonb_build_object('name', 'simulation', 'value', %s),
		jsonb_build_object('name', 'tick', 'value', '2020-01-03 12')) FROM hospital.simulation};
sql(sprintf $reject, 'gen_random_uuid()::text');
is(validate(), '', "another simulation's event is not ours to wait for");
sql(q{INSERT INTO hospital.published (kind, day, tick, topic, events) VALUES ('transfers', '2020-01-03', 0, 'hospital.transfers', 0)});
sql(sprintf $reject, 'simulation_id::text');
is(validate(), 'stream transfers|9|9|0|1', 'one of ours is');
is(opened(), '3', '... and its day open');
sql(q{UPDATE hospital.rejects SET resolved_at = now(), resolved_by = 'retry' WHERE topic IS NOT NULL});
is(validate(), '', '... until it is resolved');
is(opened(), '', '... and closed');

# What was taken back is not closed.
my $batch = sql(q{SELECT batch_id FROM hospital.batches WHERE day = '2020-01-02' AND kind = 'lab_results'});
sql("CALL hospital_undo_batch($batch)");
is(opened(), '2', 'taking a file back opens its day');
like(validate(), qr/^files\|/m, '... which is noticed');
is(opened(), '2', '... and keeps it open');

$node->stop;
done_testing();
