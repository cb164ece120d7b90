
# 038_publish: all kinds of events go out, each exactly once, and in order.
#
# kcat reads the topics back, as any other reader would, and only what is
# committed: what hospital itself thinks of them has no part in the judgement.
# On the embedded broker; then, on a real Apache Kafka, first days of
# hospital_publish, then live ticks, while the scheduler is killed at random moments.
use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use Digest::MD5 qw(md5_hex);
use FindBin;
use lib "$FindBin::Bin/../kafka", "$FindBin::Bin/../perl";
use HospitalKafka;
use IPC::Run ();
use Patience qw(wait_until);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use constant DAYS => 24;
use constant KINDS => qw(staff_changes registrations admissions visits status_updates doctor_assignments transfers
	diagnoses treatments lab_results vital_signs prescriptions billing_payments);

my $seed = $ENV{HOSPITAL_TEST_SEED} // time;
srand($seed);
note "HOSPITAL_TEST_SEED=$seed";

sub make_node
{
	my ($name, $brokers, %settings) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	my $folder = abs_path(PostgreSQL::Test::Utils::tempdir());

	$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
	$node->append_conf('postgresql.conf', qq{
shared_preload_libraries = 'hospital'
hospital.databases = 'postgres'
hospital.data_folder = '$folder'
hospital.kafka_brokers = '$brokers'
hospital.topics = 'all, adt'
hospital.batch_interval = '1s'
hospital.stream_interval = '150ms'
});
	$node->append_conf('postgresql.conf', "$_ = '$settings{$_}'") foreach sort keys %settings;
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION hospital');
	$node->safe_psql('postgres', sprintf(
		"CALL hospital_create(people => 20000, beds => 200, start_date => '2020-01-01',"
		. " end_date => date '2020-01-01' + %d)", DAYS - 1));
	$node->safe_psql('postgres', 'CALL hospital_load_staff()');
	return $node;
}

sub fails
{
	my ($node, $statement, $like, $name) = @_;
	my ($rc, $out, $err) = $node->psql('postgres', $statement);

	isnt($rc, 0, "$name: fails");
	like($err, $like, "$name: says why");
	return;
}

# ---- what there is, and what there should be ---------------------------------

# "partition<TAB>key<TAB>headers<TAB>payload" of every message, in order of offset
sub topic
{
	my ($address, $kind) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run([ 'kcat', '-C', '-e', '-q', '-b', $address, '-t', "hospital.$kind", '-o', 'beginning',
			'-X', 'isolation.level=read_committed', '-f', '%p\t%k\t%h\t%s\x1e' ], '>', \$out, '2>', \$err);
	return map { [ split /\t/, $_, 4 ] } split /\x1e/, $out;
}

# Event id, key and payload, as "id key md5", sorted; and whether patients are in order,
# where days were not published backwards.
sub published
{
	my ($node, $address, $kind, $backwards) = @_;
	my $simulation = $node->safe_psql('postgres', 'SELECT simulation_id FROM hospital.simulation');
	my (@events, %last);
	my $disorder = 0;
	my $strange = 0;

	foreach my $message (topic($address, $kind))
	{
		my ($partition, $key, $headers, $payload) = @$message;
		my %header = map { /^([a-z_]+)=(.*)$/s ? ($1, $2) : ('?', 1) } split /,/, $headers;
		my $time = $header{simulated_time};

		$strange++
		  if join(' ', sort keys %header) ne
		  'event_id schema_version simulated_time simulation tick type'
		  || $header{simulation} ne $simulation || $header{type} ne $kind || $header{schema_version} ne '1'
		  || $header{tick} !~ /^2020-01-\d\d \d+( \d+)?$/;
		# a time without a fraction sorts before those with one
		$time =~ s/Z$//;
		$disorder++ if exists $last{$key} && ($last{$key}[0] gt $time || $last{$key}[1] != $partition);
		$last{$key} = [ $time, $partition ];
		push @events, join ' ', $header{event_id}, $key, md5_hex($payload);
	}
	is($disorder, 0, "$kind: each patient's events are in order of time, in one partition") unless $backwards;
	is($strange, 0, "$kind: headers");
	return join "\n", sort @events;
}

sub generated
{
	my ($node, $kind, $days) = @_;
	my $generator = $kind eq 'adt'
	  ? q{(SELECT h.event_id, split_part(split_part(h.message, E'\rPID|', 2), '|', 3) AS pid, h.message AS payload
	       FROM hospital_generate_hl7(d, s.seed, s.people, s.beds, s.start_date, s.transfers_per_day,
	                                  s.id_mode, s.name) h)}
	  : qq{(SELECT event_id, subject::text AS pid, payload FROM hospital_generate_events('$kind', d, s.seed, s.people,
	        s.beds, s.start_date, s.transfers_per_day, s.id_mode))};

	return $node->safe_psql('postgres', qq{SELECT event_id, pid, md5(convert_to(payload, 'UTF8'))
		FROM hospital.simulation s, generate_series(s.start_date, s.start_date + $days - 1, '1 day') d0,
		     LATERAL (SELECT d0::date AS d) d1, LATERAL $generator e}) =~ tr/|/ /r;
}

# HL7 has the patient's number as "n^^^…"; the key is the number alone.
sub plain { return join "\n", sort map { s/^(\S+ \d+)\S*( \S+)$/$1$2/r } split /\n/, $_[0] }

sub is_published
{
	my ($node, $address, $days, $name) = @_;
	my $events = 0;

	foreach my $kind (KINDS, 'adt')
	{
		my $expected = plain(generated($node, $kind, $days));
		my $found = published($node, $address, $kind);

		$events += () = $expected =~ /^./mg;
		ok($expected eq $found, "$name: $kind: exactly what the generator makes, each once")
		  or diag(sprintf '%d expected, %d found', scalar(() = $expected =~ /^./mg), scalar(() = $found =~ /^./mg));
	}
	is($node->safe_psql('postgres', 'SELECT sum(events) FROM hospital.published'), $events,
		"$name: the ledger counts the same");
	return;
}

# The ledger knows where each kind's last event is.
sub has_offsets
{
	my ($node, $kafka) = @_;

	foreach my $partition (0 .. 2)
	{
		my $end = $kafka->log_end('hospital.lab_results', $partition);
		my $last = $node->safe_psql('postgres', 'SELECT max(last_offsets[' . ($partition + 1)
			. "]) FROM hospital.published WHERE kind = 'lab_results'");

		# after it there is nothing but the marker of its transaction, or of aborted ones
		my $after = $last eq '' ? 0 : $last + 1;
		my $rest = () = IPC::Run::run([ 'kcat', '-C', '-e', '-q', '-b', $kafka->address, '-t', 'hospital.lab_results',
				'-p', $partition, '-o', $after, '-X', 'isolation.level=read_committed', '-f', '%o\n' ],
			'>', \my $out, '2>', \my $err);
		ok($after <= $end, "partition $partition: the last recorded offset is in the log");
		is($out, '', "partition $partition: nothing follows it");
	}
	return;
}

# ---- faults -------------------------------------------------------------------

# Kill the scheduler so often, at random moments; the number of hits.
sub kill_schedulers
{
	my ($node, $times, $until) = @_;
	my $hits = 0;

	foreach (1 .. 100 * $PostgreSQL::Test::Utils::timeout_default)
	{
		last if $hits >= $times || $until->();
		usleep(rand 400_000);
		my ($rc, $pid) = eval {
			$node->psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'hospital scheduler'")
		};
		$hits++ if defined $rc && $rc == 0 && $pid =~ /^\d+$/ && kill 9, $pid;
	}
	return $hits;
}

# A session that calls hospital_publish, while the server restarts under it or not.
sub start_publish
{
	my ($node, $from, $to) = @_;
	my %session = (out => '', err => '');

	$session{run} = IPC::Run::start(
		[ 'psql', '-XqAt', '-d', $node->connstr('postgres'), '-c', "CALL hospital_publish('$from', '$to')" ],
		'>', \$session{out}, '2>', \$session{err});
	return \%session;
}

sub test_refusals
{
	my ($node) = @_;

	fails($node, "BEGIN; CALL hospital_publish('2020-01-01', '2020-01-02')", qr/inside a transaction block/, 'in a block');
	fails($node, "CALL hospital_publish('2019-12-31', '2020-01-02')", qr/no such days.*2020-01-01 to/s, 'too early');
	fails($node, "CALL hospital_publish('2020-01-02', '2020-01-01')", qr/no such days/, 'backwards');
	fails($node, "CALL hospital_publish('2020-01-02', NULL)", qr/both days/, 'no end');
	$node->safe_psql('postgres', 'CREATE ROLE nobody LOGIN; CREATE DATABASE other');
	fails($node, "SET ROLE nobody; CALL hospital_publish('2020-01-01', '2020-01-02')", qr/permission denied/, 'no right');
	$node->safe_psql('other', 'CREATE EXTENSION hospital');
	my ($rc, $out, $err) = $node->psql('other', "CALL hospital_publish('2020-01-01', '2020-01-02')");
	like($err, qr/not in hospital.databases/, 'an unlisted database is refused');
	return;
}

sub test_no_brokers
{
	my ($node, $address) = @_;

	$node->safe_psql('postgres', "ALTER SYSTEM SET hospital.kafka_brokers = ''");
	$node->reload;
	fails($node, "CALL hospital_publish('2020-01-01', '2020-01-02')", qr/no Kafka brokers are set/, 'no brokers');
	$node->safe_psql('postgres', "ALTER SYSTEM SET hospital.kafka_brokers = '$address'");
	$node->reload;
	return;
}

# A cancelled call leaves a request that is given up; another call goes on.
sub test_interrupted
{
	my ($node, $to) = @_;
	my $session = start_publish($node, '2020-01-01', $to);

	wait_until($node, q{SELECT count(*) = 1 FROM hospital.publish_requests WHERE state IN ('waiting', 'running')},
		'a request');
	usleep(rand 300_000);
	$node->safe_psql('postgres', q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity
		WHERE query LIKE 'CALL hospital_publish%' AND backend_type = 'client backend' AND pid <> pg_backend_pid()});
	$session->{run}->finish;
	if ($session->{err} =~ /canceling statement/)
	{
		is($node->safe_psql('postgres', 'SELECT state, finished_at IS NOT NULL FROM hospital.publish_requests'),
			'given up|t', 'an interrupted request is given up');
	}
	else { pass('the request was faster than the interruption') }
	wait_until($node, q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'hospital scheduler'},
		'the scheduler of a stopped hospital leaves');
	return;
}

# Call until it succeeds, while schedulers are killed.  A killed one takes the server's
# sessions along, so the call fails; the request goes on with the next scheduler.
sub test_kills_in_publish
{
	my ($node, $to) = @_;
	my $kills = 0;

	foreach (1 .. 5)
	{
		my $session = start_publish($node, '2020-01-01', $to);

		$kills += kill_schedulers($node, 1, sub { $session->{run}->pump_nb if $session->{run}->pumpable; !$session->{run}->pumpable });
		$session->{run}->finish;
	}
	wait_until($node, 'SELECT true', 'the server');
	note "$kills schedulers killed in hospital_publish";
	cmp_ok($kills, '>', 0, 'schedulers were killed');
	$node->safe_psql('postgres', "CALL hospital_publish('2020-01-01', '$to')");
	return;
}

sub test_real
{
	my $kafka = HospitalKafka->new(abs_path(PostgreSQL::Test::Utils::tempdir()) . '/kafka');
	my $address = $kafka->start;
	my $node = make_node('real', $address, restart_after_crash => 'on');
	my $half = $node->safe_psql('postgres', sprintf "SELECT date '2020-01-01' + %d", DAYS / 2 - 1);

	test_refusals($node);
	test_no_brokers($node, $address);
	test_interrupted($node, $half);
	test_kills_in_publish($node, $half);
	is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'hospital consumer'}),
		0, 'no hospital was started for it');
	is_published($node, $address, DAYS / 2, 'hospital_publish');
	has_offsets($node, $kafka);
	is($node->safe_psql('postgres', "CALL hospital_publish('2020-01-01', '$half');"
			. ' SELECT events FROM hospital.publish_requests ORDER BY request_id DESC LIMIT 1'),
		0, 'what is published is not sent again');

	$node->safe_psql('postgres', 'SELECT hospital_start()');
	my $all = sprintf q{SELECT count(*) >= %d FROM hospital.published WHERE tick = 1000}, 14 * DAYS;
	my $kills = kill_schedulers($node, 6, sub { ($node->psql('postgres', $all))[1] eq 't' });
	note "$kills schedulers killed in ticks";
	wait_until($node, $all, 'all days');
	is_published($node, $address, DAYS, 'with live ticks');
	like(slurp_file($node->logfile), qr/hospital producer: 2020-01-\d\d: \d+ events of 14 kinds sent/, 'the log tells');
	$node->stop;
	return;
}

# Kinds that are added later begin with the day that is under way.
sub test_added_kinds
{
	my ($node) = @_;
	my $first = q{SELECT min(day) FROM hospital.published WHERE kind = 'visits' AND events > 0};

	wait_until($node, q{SELECT count(*) > 3 FROM hospital.published WHERE kind = 'transfers' AND tick = 1000}, 'days');
	$node->safe_psql('postgres', q{ALTER SYSTEM SET hospital.topics = 'transfers, visits'});
	$node->reload;
	wait_until($node, "SELECT ($first) IS NOT NULL", 'events of another kind');
	is($node->safe_psql('postgres', "SELECT ($first) > min(day) FROM hospital.published WHERE kind = 'transfers'"), 't',
		'an added kind begins later');
	is($node->safe_psql('postgres', "SELECT ($first) = max(day) FROM hospital.published WHERE kind = 'visits' AND tick = -1"),
		't', 'with the day that is noted');
	return;
}

sub test_embedded
{
	my $node = make_node('embedded', 'embedded', 'hospital.topics' => 'transfers');

	fails($node, "CALL hospital_publish('2020-01-01', '2020-01-02')", qr/runs only while the hospital does/,
		'an embedded broker that does not run');
	$node->safe_psql('postgres', 'SELECT hospital_start()');
	test_added_kinds($node);
	$node->safe_psql('postgres', q{ALTER SYSTEM SET hospital.topics = 'all'});
	$node->reload;
	$node->safe_psql('postgres', sprintf "CALL hospital_publish('2020-01-01', date '2020-01-01' + %d)", DAYS - 1);
	is($node->safe_psql('postgres', 'SELECT count(*), min(done_day) - max(to_day) FROM hospital.publish_requests'
			. q{ WHERE state = 'done'}), '1|0', 'all days are published');
	wait_until($node, sprintf(q{SELECT count(*) = %d AND bool_and(events >= 0) FROM hospital.published WHERE tick = 1000},
			13 * DAYS), 'the ledger');

	my $address = $node->safe_psql('postgres',
		q{SELECT substring(state FROM 'serving at (.*)') FROM hospital.status WHERE worker LIKE 'broker%'});
	foreach my $kind (KINDS)
	{
		ok(plain(generated($node, $kind, DAYS)) eq published($node, $address, $kind, 1),
			"embedded: $kind: exactly what the generator makes");
	}
	$node->stop;
	return;
}

test_embedded();
if ((my $reason = HospitalKafka::unavailable()) eq '') { test_real() }
else { note "real Kafka is left out: $reason" }
done_testing();
