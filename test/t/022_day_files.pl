# 022_day_files.pl: the bytes of COPY, the manifest, a crash at each step of the
# protocol, and lines that are spoilt on purpose.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = PostgreSQL::Test::Cluster->new('days');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);

my $folder = $node->basedir . '/folder';
mkdir $folder or die "$folder: $!";
chmod 0777, $folder;

# Nothing of this needs the library at server start.
$node->append_conf('postgresql.conf', qq(
restart_after_crash = on
wal_level = replica
max_wal_senders = 1
hospital.data_folder = '$folder'
hospital.reject_percent = 100
));
$node->start;

my @kinds = qw(staff_changes registrations admissions visits status_updates doctor_assignments transfers
  diagnoses treatments lab_results vital_signs prescriptions billing_payments);

sub slurp_bytes
{
	my ($path) = @_;
	open my $file, '<:raw', $path or die "$path: $!";
	local $/;
	my $bytes = <$file>;
	close $file;
	return $bytes;
}

sub spew
{
	my ($path, $bytes) = @_;
	open my $file, '>:raw', $path or die "$path: $!";
	print $file $bytes;
	close $file or die "$path: $!";
}

sub leftovers
{
	my @found = split /\n/, `find '$folder' -name '*.tmp.*' -not -path '*/quarantine/*'`;
	return scalar(@found);
}

sub quarantined
{
	my @found = split /\n/, `find '$folder' -path '*/quarantine/*' -type f`;
	return scalar(@found);
}

sub day_folder
{
	my ($db, $day) = @_;
	return "$folder/lake/batch/$db/date=$day";
}

sub poll
{
	my ($db, $what, $query) = @_;
	for (1 .. 600)
	{
		my ($code, $out) = eval { $node->psql($db, $query, timeout => 20, timed_out => \my $slow) };
		if (defined $code && $code == 0 && $out eq 't')
		{
			pass($what);
			return 1;
		}
		usleep(50_000);
	}
	fail($what);
	return 0;
}

# A small hospital of its own database.
sub make_hospital
{
	my ($db, $arguments) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $db");
	$node->safe_psql($db, qq(
		CREATE EXTENSION hospital;
		CALL hospital_create(people => 20000, beds => 200, end_date => '2020-12-31'$arguments);
		INSERT INTO hospital.staff SELECT g.* FROM hospital_generate_staff(200, until_day => '2020-12-31') g));
}

# What COPY makes of the same records, by kind.
sub copies
{
	my ($db, $day) = @_;
	my $script = "SET TimeZone = 'UTC'; SET DateStyle = 'ISO';\n";
	for my $kind (@kinds)
	{
		$script .= qq(
			COPY (SELECT g.* FROM hospital.simulation s, LATERAL hospital_generate_$kind('$day', s.seed, s.people,
				s.beds, s.start_date, s.transfers_per_day, s.id_mode) g) TO '$folder/copy.$kind' CSV HEADER;);
	}
	$node->safe_psql($db, $script);
	return map { $_ => slurp_bytes("$folder/copy.$_") } @kinds;
}

sub files_are_copies
{
	my ($db, $day, $what) = @_;
	my %copies = copies($db, $day);
	my @other = grep { slurp_bytes(day_folder($db, $day) . "/$_.csv") ne $copies{$_} } @kinds;
	is("@other", '', "$what: the files of $day have the bytes of COPY");
}

# ---- bytes and manifest ----------------------------------------------------

make_hospital('clean', '');
$node->safe_psql('clean', q(
	SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'SQL, DMY'; SET bytea_output = 'escape';
	CALL hospital_run(3)));
files_are_copies('clean', "2020-01-0$_", 'whatever the session sets') for 1 .. 3;

my $manifest = slurp_bytes(day_folder('clean', '2020-01-02') . '/manifest.json');
$manifest =~ s/'/''/g;
is( $node->safe_psql('clean', qq(
		SELECT m ->> 'simulation' = s.name AND (m ->> 'simulation_id')::uuid = s.simulation_id
			AND m ->> 'day' = '2020-01-02' AND (m ->> 'generator_version')::int = s.generator_version
			AND jsonb_array_length(m -> 'files') = 13
		FROM hospital.simulation s, (SELECT '$manifest'::jsonb AS m) m)),
	't', 'the manifest says which day of which hospital it is');
is( $node->safe_psql('clean', qq(
		SELECT count(*), bool_and(f ->> 'sha256' = b.sha256 AND (f ->> 'bytes')::bigint = b.bytes
			AND b.file LIKE '%/date=2020-01-02/' || (f ->> 'file'))
		FROM jsonb_array_elements('$manifest'::jsonb -> 'files') f
		JOIN hospital.batches b ON b.day = '2020-01-02' AND b.kind = f ->> 'kind')),
	'13|t', 'and what its files are, as the ledger does');
for my $kind (@kinds)
{
	my $bytes = slurp_bytes(day_folder('clean', '2020-01-02') . "/$kind.csv");
	my $expected = sprintf '{"kind": "%s", "file": "%s.csv", "rows": %d, "bytes": %d, "sha256": "%s"}',
	  $kind, $kind, ($bytes =~ tr/\n//) - 1, length $bytes, sha256_hex($bytes);
	like($manifest, qr/\Q$expected\E/, "$kind: rows, bytes and SHA-256");
}
is(join(' ', $manifest =~ /"kind": "(\w+)"/g), "@kinds", 'in the order in which they are ingested');
is( $node->safe_psql('clean', q(SELECT manifest_sha256 FROM hospital.days WHERE day = '2020-01-02')),
	sha256_hex($manifest), 'the ledger knows the manifest');
is( $node->safe_psql('clean', q(
		SELECT count(*), bool_and(d.bytes = b.bytes) FROM hospital.days d
		JOIN (SELECT day, sum(bytes) AS bytes FROM hospital.batches GROUP BY day) b USING (day))),
	'3|t', 'and the days');
is(leftovers(), 0, 'nothing unfinished is left');

# Two days of which nothing is to be told are two files.
make_hospital('quiet', ', transfers_per_day => 0');
$node->safe_psql('quiet', 'CALL hospital_run(2)');
my @quiet = map { slurp_bytes(day_folder('quiet', "2020-01-0$_") . '/transfers.csv') } 1, 2;
is($quiet[0], "event_id,event_time,admission_id,patient_id,from_ward,to_ward,reason,status,staff_id\n",
	'a kind without records has a header alone');
is($quiet[1], $quiet[0], 'the same on the next day');
is( $node->safe_psql('quiet', q(SELECT count(*), count(DISTINCT sha256) FROM hospital.batches WHERE kind = 'transfers')),
	'2|1', 'two files in the ledger');

# ---- a crash at each step --------------------------------------------------

# Kill the process that writes, as soon as it is where we want it.
sub kill_writer
{
	my ($db, $where, $is_there) = @_;
	my $session = IPC::Run::start(
		[ 'psql', '-X', '-d', $node->connstr($db), '-c', 'CALL hospital_run(2, 1)' ], '>', \my $out, '2>', \my $err);
	poll($db, "the writer is $where",
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'hospital run' AND $is_there");
	my $pid = $node->safe_psql($db, q(SELECT pid FROM pg_stat_activity WHERE backend_type = 'hospital run'));
	kill 'KILL', $pid;
	$session->finish;
	poll($db, 'the server is back', 'SELECT true');
}

# Between the temporary files and the ledger.
$node->safe_psql('clean', q(
	CREATE FUNCTION wait_a_while() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NEW; END';
	CREATE TRIGGER wait BEFORE INSERT ON hospital.days FOR EACH ROW EXECUTE FUNCTION wait_a_while()));
kill_writer('clean', 'about to commit', q(wait_event = 'PgSleep'));
is(leftovers(), 14, 'killed before the commit: all files of the day are unfinished');
is($node->safe_psql('clean', q(SELECT count(*) FROM hospital.batches WHERE day > '2020-01-03')), 0, 'and unknown');
$node->safe_psql('clean', 'DROP TRIGGER wait ON hospital.days; CALL hospital_run(1)');
is(quarantined(), 14, 'they are in quarantine');
is(leftovers(), 0, 'and out of the way');
files_are_copies('clean', '2020-01-04', 'made again');

# Between the ledger and the names: the commit is on disk and waits for a standby.
$node->append_conf('postgresql.conf', "synchronous_standby_names = 'nobody'\n");
$node->reload;
kill_writer('clean', 'committing', q(wait_event = 'SyncRep'));
is(leftovers(), 14, 'killed after the commit: no file has its name');
is( $node->safe_psql('clean', q(
		SELECT count(*), (SELECT max(day) FROM hospital.days) FROM hospital.batches WHERE day = '2020-01-05')),
	'13|2020-01-05', 'and the ledger knows all');
$node->append_conf('postgresql.conf', "synchronous_standby_names = ''\n");
$node->reload;
$node->safe_psql('clean', 'CALL hospital_run(1)');
is(quarantined(), 14, 'they are not quarantined');
is(leftovers(), 0, 'but get their names');
files_are_copies('clean', '2020-01-05', 'renamed');
files_are_copies('clean', '2020-01-06', 'and the run goes on');
is( sha256_hex(slurp_bytes(day_folder('clean', '2020-01-05') . '/manifest.json')),
	$node->safe_psql('clean', q(SELECT manifest_sha256 FROM hospital.days WHERE day = '2020-01-05')),
	'the manifest, too');

# Between the names; with strangers beside them.
my $last = day_folder('clean', '2020-01-06');
rename "$last/$_", "$last/.$_.tmp.99999" or die for 'manifest.json', 'visits.csv', 'transfers.csv';
spew("$last/.admissions.csv.tmp.88888", 'half a f');
spew("$last/.manifest.json.tmp.88888", '{}');
spew("$last/.notes.txt.tmp.77777", 'mine');
$node->safe_psql('clean', 'CALL hospital_run(1)');
files_are_copies('clean', '2020-01-06', 'renamed half-way');
ok(-e "$last/manifest.json", 'and the manifest');
is(quarantined(), 17, 'what the ledger does not know is in quarantine');
is( $node->safe_psql('clean', q(
		SELECT count(*), count(DISTINCT (day, kind)), max(day) - min(day) + 1, count(DISTINCT day)
		FROM hospital.batches)), '91|91|7|7', 'each file of each day once');

# A ledger that has forgotten, as after a restore: the same files again.
my $before = join ' ', map { sha256_hex(slurp_bytes(day_folder('clean', '2020-01-07') . "/$_")) }
  'manifest.json', map { "$_.csv" } @kinds;
$node->safe_psql('clean', q(
	DELETE FROM hospital.batches WHERE day = '2020-01-07'; DELETE FROM hospital.days WHERE day = '2020-01-07';
	CALL hospital_run(1)));
is( join(' ', map { sha256_hex(slurp_bytes(day_folder('clean', '2020-01-07') . "/$_")) }
	  'manifest.json', map { "$_.csv" } @kinds),
	$before, 'a day that the ledger has forgotten is written again, with the same bytes');

# A file that was refused, by hand say, before the day was written (again).
$node->safe_psql('clean', q(
	UPDATE hospital.batches SET state = 'refused', message = 'before' WHERE day = '2020-01-07';
	DELETE FROM hospital.days WHERE day = '2020-01-07';
	CALL hospital_run(1)));
is($node->safe_psql('clean', q(SELECT count(*) FROM hospital.batches WHERE message = 'before')), 0, 'is tried again');

# ---- bad lines -------------------------------------------------------------

my $rate = 0.15;
make_hospital($_, ", seed => 7, dirty_rate => $rate") for 'dirty', 'dirty2';
$node->safe_psql($_, 'CALL hospital_run(4)') for 'dirty', 'dirty2';
is( $node->safe_psql('dirty', q(SELECT string_agg(DISTINCT fault, ', ' ORDER BY fault) FROM hospital.faults)),
	'duplicate, encoding, impossible date, late, malformed, orphan, wrong type', 'every kind of fault occurs');
is( $node->safe_psql('dirty', q(SELECT count(*) FROM hospital.faults WHERE kind = 'registrations' AND fault = 'orphan')),
	0, 'but not where it does not fit');

my ($good, $bad) = (0, 0);
for my $day (map { "2020-01-0$_" } 1 .. 4)
{
	my %copies = copies('dirty', $day);
	my @wrong;
	for my $kind (@kinds)
	{
		# No generated text has a line break: physical lines are records.
		my @lines = slurp_bytes(day_folder('dirty', $day) . "/$kind.csv") =~ /([^\n]*\n)/g;
		my @faults = split /\n/, $node->safe_psql('dirty', qq(
			SELECT line || ' ' || encode(raw, 'hex') FROM hospital.faults
			WHERE day = '$day' AND kind = '$kind' ORDER BY line DESC));
		for my $fault (@faults)
		{
			my ($line, $raw) = split / /, $fault;
			my ($removed) = splice @lines, $line - 1, 1;
			push @wrong, "$kind $line" if $removed ne pack 'H*', $raw;
		}
		push @wrong, $kind if join('', @lines) ne $copies{$kind};
		$good += @lines - 1;
		$bad += @faults;
	}
	is("@wrong", '', "$day: without the lines of hospital.faults the files are clean");
}
my $spread = 5 * sqrt($good * $rate);
ok(abs($bad - $good * $rate) < $spread, "$bad bad lines for $good good ones, at a rate of $rate");
is( $node->safe_psql('dirty', q(
		SELECT count(*) FILTER (WHERE f.line IS NULL), count(*) FILTER (WHERE r.line IS NULL)
		FROM hospital.faults f FULL JOIN hospital.rejects r USING (day, kind, line))),
	'0|0', 'our own ingestor rejects exactly the bad lines');
my $all = q(SELECT md5(string_agg(day::text || kind || line || fault || coalesce(column_name, '') || encode(raw, 'hex'),
	',' ORDER BY day, kind, line)) FROM hospital.faults);
is($node->safe_psql('dirty2', $all), $node->safe_psql('dirty', $all), 'the same simulation has the same faults');
is( $node->safe_psql('dirty', q(
		SELECT count(*) FROM hospital.faults WHERE fault = 'duplicate' AND column_name IS NULL
		OR fault = 'malformed' AND column_name IS NOT NULL)),
	0, 'the column at fault is told where it is one');

unlike(slurp_file($node->logfile), qr/PANIC|TRAP|signal 11|signal 6/, 'nothing crashed that was not killed');
$node->stop;
done_testing();
