
# stream.pl: messages that are nearly events, through a broker into the tables,
# and through a reader of others.
#
# Real events are spoilt by chance and sent by kcat with good and bad headers
# and keys.  No message is lost: each is a row, a duplicate or a reject with its
# bytes, and no worker meets an internal error.  What is read as an event, the
# server's own jsonb reads as the same record.
#
# FUZZ_SECONDS says for how long (60), HOSPITAL_TEST_SEED repeats a run.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

use constant AT_ONCE => 150;		# messages with the same key and headers
use constant PATIENCE_S => 120;

plan skip_all => 'kcat is not installed' if system('kcat -V >/dev/null 2>&1') != 0;

my $seed = $ENV{HOSPITAL_TEST_SEED} // 1 + int rand 1_000_000;
my $seconds = $ENV{FUZZ_SECONDS} || 60;
my $folder = PostgreSQL::Test::Utils::tempdir();
note "HOSPITAL_TEST_SEED=$seed";
srand $seed;

my $node = PostgreSQL::Test::Cluster->new('spoilt');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->append_conf('postgresql.conf', qq{
shared_preload_libraries = 'hospital'
log_line_prefix = '%m [%p] %b %e '
hospital.databases = 'postgres'
hospital.data_folder = '$folder'
hospital.kafka_brokers = 'embedded'
hospital.topics = 'transfers, adt'
hospital.batch_interval = '1s'
hospital.stream_interval = '200ms'
});
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub wait_for
{
	my ($query, $what) = @_;
	my $began = time;

	while (sql($query) ne 't')
	{
		if (time - $began > PATIENCE_S)
		{
			fail("$what; waited for: $query");
			done_testing();
			exit 1;
		}
		usleep(100_000);
	}
}

sql('CREATE EXTENSION hospital');
sql("CALL hospital_create(people => 20000, beds => 200, seed => $seed, start_date => '2020-01-01', end_date => '2020-01-10')");
sql('CALL hospital_load_staff()');
sql('SELECT hospital_start()');
# Its own events come first, so that all that is counted later is ours.
wait_for(q{SELECT state = 'window over' FROM hospital.run_window}, 'the hospital has come to its end');
wait_for(q{SELECT count(*) = 2 AND bool_and(position > 10 AND lag = 0) FROM hospital.stream_lag}, 'its events have come');

my $simulation = sql('SELECT simulation_id FROM hospital.simulation');
my $address = sql(q{SELECT substring(query FROM '[0-9.]+:[0-9]+') FROM pg_stat_activity WHERE backend_type = 'hospital broker'});
my %real = (
	transfers => [ split /\n/, sql(q{SELECT payload FROM generate_series(date '2020-01-03', '2020-01-05', '1 day') d, hospital_generate_events('transfers', d::date, 7, 20000, 200)}) ],
	adt => [ map { pack 'H*', $_ } split /\n/, sql(q{SELECT encode(convert_to(message, 'UTF8'), 'hex') FROM hospital_generate_hl7('2020-01-03', 7, 20000, 200) LIMIT 300}) ]);
my @marks = ('"', '\\', ',', ':', '{', '}', '[', ']', '|', '^', '~', '&', "\r", "\n", "\0", "\xff", "\xc3\xa9", '\u0000', '\ud800', '0', '-', '1e5', '.5', 'null', ' ', 'Z', '+02:00', '99999999999999999999');

# The server's own JSON and its casts, as the judge of what was read.
sql(q{
CREATE TABLE sent (topic text, raw bytea, good_headers boolean);
CREATE FUNCTION read_by_others(payload bytea, event jsonb) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	RETURN jsonb_populate_record(NULL::hospital.transfer, convert_from(payload, 'UTF8')::jsonb)
		IS NOT DISTINCT FROM jsonb_populate_record(NULL::hospital.transfer, event);
EXCEPTION WHEN OTHERS THEN
	RETURN false;
END $$;});
my $before = sql('SELECT coalesce(sum(messages), 0) FROM hospital.stream_ranges');

sub pick { return $_[ rand @_ ] }

sub spoil
{
	my ($text) = @_;

	foreach (1 .. pick(0, 1, 1, 1, 2, 4))
	{
		my $at = int rand(length($text) + 1);
		my $length = int rand 5;

		$length = length($text) - $at if $length > length($text) - $at;
		substr($text, $at, $length) = pick('', pick(@marks), pick(@marks), substr($text, rand length $text, rand 30), chr(rand 256));
	}
	return $text;
}

# Each in a file of its own, which kcat sends whole.
sub send_some
{
	my ($topic) = @_;
	my $good = rand() < 0.7;
	my %headers = (simulation => $simulation, schema_version => 1, type => $topic);
	my $key = $good ? int rand 20000 : pick('', "\xff\x01", 'x' x 500, "4711'");
	my @files = map { "$folder/message.$_" } 1 .. AT_ONCE;
	my @payloads = map { spoil(pick(@{ $real{$topic} })) } @files;

	@payloads = map { length $_ > 0 ? $_ : ' ' } @payloads;
	$headers{ pick('simulation', 'schema_version') } = pick('', "\xff\xfe", $simulation . 'x', 'x' x 300, '2') unless $good;
	$headers{ pick('tick', 'another', "\xe9") } = pick('2020-99-99 -1 5', "\x01", '"', 'x' x 1000) if rand() < 0.3;
	foreach my $i (0 .. $#files)
	{
		open my $fh, '>:raw', $files[$i] or die "$files[$i]: $!";
		print $fh $payloads[$i];
		close $fh or die $!;
	}
	PostgreSQL::Test::Utils::system_or_bail('kcat', '-P', '-q', '-b', $address, '-t', "hospital.$topic", '-k', $key,
		(map { ('-H', "$_=$headers{$_}") } sort keys %headers), @files);
	sql('INSERT INTO sent VALUES '
			. join(', ', map { "('hospital.$topic', '\\x" . unpack('H*', $_) . "', " . ($good ? 'true' : 'false') . ')' } @payloads));
	return scalar @payloads;
}

my $until = time + $seconds;
my $sent = 0;
$sent += send_some(pick('transfers', 'transfers', 'adt')) while time < $until || $sent == 0;
wait_for("SELECT sum(messages) >= $before + $sent FROM hospital.stream_ranges", 'all messages are taken');

is(sql('SELECT coalesce(sum(messages), 0) FROM hospital.stream_ranges'), $before + $sent, "$sent messages were taken, each once");
is(sql(q{SELECT count(*) FROM hospital_audit_stream() WHERE NOT ok}), 0, 'the ledger adds up');
is(sql(q{
	SELECT count(*) FROM (
		(SELECT topic, md5(raw) FROM sent s WHERE NOT good_headers
			OR NOT CASE topic WHEN 'hospital.adt' THEN (SELECT ok FROM hospital_try_hl7(raw)) ELSE (SELECT ok FROM hospital_try_event('transfers', raw)) END
		 EXCEPT SELECT topic, md5(raw) FROM hospital.rejects)
		UNION ALL
		(SELECT topic, md5(raw) FROM hospital.rejects WHERE topic IS NOT NULL EXCEPT SELECT topic, md5(raw) FROM sent)) x}),
	0, 'what is no event is a reject with its bytes, and nothing else is one');
is(sql(q{SELECT count(*) FROM hospital.rejects WHERE sqlstate LIKE 'XX%' OR message IS NULL OR headers IS NULL}), 0, 'each says why, and has its headers');
is(sql(q{SELECT count(*) FROM sent s, hospital_try_event('transfers', s.raw) t WHERE s.topic = 'hospital.transfers' AND t.ok AND NOT read_by_others(s.raw, t.event)}),
	0, 'what is read, others read as the same');
my $accepted = sql(q{SELECT count(*) FROM sent s, hospital_try_event('transfers', s.raw) t WHERE s.topic = 'hospital.transfers' AND t.ok});
cmp_ok($accepted, '>', 0, 'some are events yet');
unlike($_, qr/was terminated by signal|PANIC:|TRAP:| XX\w{3} /, 'nothing died, and no worker met an internal error') foreach slurp_file($node->logfile);
diag("stream: $sent messages, " . sql('SELECT count(*) FROM hospital.rejects') . " rejects, $accepted read by others as well");
$node->stop;
done_testing();
