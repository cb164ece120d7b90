# 051_export.pl: what is written is what is in the tables, a folder a day, whole or
# not at all, only what has changed; whoever exports has no rights but their own.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use File::Find;
use File::Path qw(remove_tree);
use IO::Uncompress::Gunzip qw(gunzip $GunzipError);
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $seed = $ENV{HOSPITAL_TEST_SEED} // int(rand(1_000_000));
note("HOSPITAL_TEST_SEED=$seed");

my $node = PostgreSQL::Test::Cluster->new('export');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
my $folder = $node->basedir . '/folder';
mkdir $folder or die "$folder: $!";
$node->append_conf('postgresql.conf', qq(
shared_preload_libraries = 'hospital'
restart_after_crash = on
hospital.data_folder = '$folder'
max_worker_processes = 24
));
$node->start;

sub sql { return $node->safe_psql('postgres', @_) }

sub error_of
{
	my ($query) = @_;
	my ($code, $out, $err) = $node->psql('postgres', $query, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return $err;
}

# What a call says it did.
sub notice_of
{
	my ($call) = @_;
	my ($code, $out, $err) = $node->psql('postgres', $call, extra_params => [ '-v', 'VERBOSITY=terse' ]);
	return $err;
}

sub slurp_bytes
{
	my ($path) = @_;
	open my $file, '<:raw', $path or die "$path: $!";
	local $/;
	return scalar <$file>;
}

sub manifest
{
	my ($target) = @_;
	return decode_json(slurp_bytes("$folder/$target.manifest.json"));
}

# The files below a folder, by their path in it.
sub files_below
{
	my ($top) = @_;
	my %found;
	find({ no_chdir => 1, wanted => sub { $found{ substr($_, length($top) + 1) } = (stat $_)[1] . ' ' . (stat _)[9] if -f } }, $top)
	  if -d $top;
	return %found;
}

sub leftovers { return join ' ', grep { /\.tmp\./ } split /\n/, `find '$folder/lake/export' -name '.*'` }

# The manifest tells of each file that is there, and of no other.
sub manifest_is_true
{
	my ($target, $what) = @_;
	my $manifest = manifest($target);
	my $parent = "$folder/$target" =~ s/[^\/]+$//r;
	my %there = files_below("$folder/$target");
	my @wrong;

	for my $file (@{ $manifest->{files} })
	{
		my $bytes = slurp_bytes("$parent$file->{file}");
		my $short = $file->{file} =~ s/^[^\/]+\///r;
		push @wrong, $short unless length($bytes) == $file->{bytes} && sha256_hex($bytes) eq $file->{sha256};
		delete $there{$short};
	}
	push @wrong, 'not complete' unless $manifest->{complete};
	is(join(' ', @wrong, keys %there), '', "$what: the manifest is true");
}

# All lines of an export, in table "lines" with the day of their folder.
sub load_lines
{
	my ($target) = @_;
	sql('DROP TABLE IF EXISTS lines; CREATE TABLE lines (line text, day date); CREATE TABLE IF NOT EXISTS stage (line text)');
	my %files = files_below("$folder/$target");
	my $load = '';
	for my $file (sort keys %files)
	{
		my $day = $file =~ /^date=([0-9-]+)\// ? "'$1'" : 'NULL';
		$load .= "COPY stage FROM '$folder/$target/$file' (FORMAT csv, DELIMITER E'\\x01', QUOTE E'\\x02');"
		  . "INSERT INTO lines SELECT line, $day FROM stage; TRUNCATE stage;";
	}
	sql("BEGIN; $load COMMIT");
}

# The lines are the table's rows, each once, each in its day's folder.
sub lines_are_rows
{
	my ($target, $table, $day, $what) = @_;
	load_lines($target);
	is( sql("SELECT count(*) FROM (
			(SELECT r::text, l.day FROM lines l, json_populate_record(NULL::$table, l.line::json) r
			 EXCEPT ALL SELECT t::text, $day FROM $table t)
			UNION ALL
			(SELECT t::text, $day FROM $table t
			 EXCEPT ALL SELECT r::text, l.day FROM lines l, json_populate_record(NULL::$table, l.line::json) r)) d"),
		0, $what);
}

my $base = 'lake/export/postgres/jsonl';
my $local = "AT TIME ZONE 'Africa/Johannesburg'";

sql('CREATE EXTENSION hospital');
sql("CALL hospital_create(people => 8000, beds => 200, seed => $seed, start_date => '2020-01-01', end_date => '2020-12-31')");
sql('CALL hospital_load_people()');
sql('CALL hospital_load_staff()');
sql('CALL hospital_run(8)');

# ---- what is written ------------------------------------------------------

my %day = (
	visits => 't.visit_date', admissions => "(t.admitted_at $local)::date", lab_results => "(t.at $local)::date",
	billing_payments => 't.billing_date', transfers => "(t.event_time $local)::date", patients => 't.first_seen_on');
for my $table (sort keys %day)
{
	sql("SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'SQL, DMY'; SET search_path = hospital, public;
		CALL hospital_export('$table', 'jsonl')");
	lines_are_rows("$base/$table", "hospital.$table", $day{$table}, "$table as JSON Lines, whatever the session's settings");
	manifest_is_true("$base/$table", $table);
}
is( sql("SELECT count(*) FROM lines l, json_each(l.line::json) e WHERE e.key = 'date'"), 0,
	'no field has the name of the partitions');

# Every kind of value, as row_to_json has it but for the forms that are said.
sql(q(CREATE SCHEMA mine; CREATE TABLE mine.odd AS
	SELECT i AS id, i % 2 = 0 AS b, i::int2 AS i2, -i AS i4, (i * 3e15)::int8 AS i8,
		CASE i WHEN 1 THEN 'NaN'::float8 WHEN 2 THEN '-Infinity' ELSE i / 7.0 END AS f8, (i / 7.0)::float4 AS f4,
		(ARRAY['NaN', '0', '0.00', '-0.5', '12345678.90', '1e30', '0.0001', '-1200', '0.000012', '99999999.9999', '-0.01', '10000'])[i]::numeric AS n,
		E'a"b\\\\c\n\t\u0001\u007fé' || repeat('€', i) AS t, 'c'::char(5) AS c, 'v'::varchar AS v,
		date '0044-03-15' + i * 100000 AS d, CASE i WHEN 1 THEN 'infinity' ELSE timestamptz '1969-12-31 23:59:59.5+02' + i * interval '7 h' END AS tz,
		timestamp '2020-02-29 12:00:00.000001' AS ts, md5(i::text)::uuid AS u, E'{"a": [1,\n2]}'::json AS j, '{"b": "x\\ny"}'::jsonb AS jb,
		sha256(i::text::bytea) AS by, ARRAY[1, NULL, i] AS a, interval '1 day 02:00' AS iv, time '10:00' AS ti, NULL::text AS nothing,
		int4range(1, 3) AS ra, 'ab'::name AS "we""ird name"
	FROM generate_series(1, 12) i;
	CALL hospital_export('mine.odd', 'jsonl', target => 'odd.jsonl')));
is(sql(q(DROP TABLE lines; CREATE TABLE lines (line text);
	SET TimeZone = 'UTC';
	COPY lines FROM ') . $folder . q(/odd.jsonl' (FORMAT csv, DELIMITER E'\x01', QUOTE E'\x02');
	SELECT string_agg(DISTINCT e.key, ' ') FROM lines l
	JOIN mine.odd o ON o.id = (l.line::jsonb->>'id')::int
	CROSS JOIN LATERAL jsonb_each(l.line::jsonb) e
	WHERE e.value IS DISTINCT FROM CASE e.key
		WHEN 'tz' THEN to_jsonb(CASE WHEN isfinite(o.tz) THEN to_char(o.tz, 'YYYY-MM-DD HH24:MI:SS') || CASE WHEN o.tz = date_trunc('second', o.tz) THEN '' ELSE '.5' END || 'Z' ELSE 'infinity' END)
		WHEN 'ts' THEN '"2020-02-29 12:00:00.000001"'
		WHEN 'by' THEN to_jsonb(encode(o.by, 'base64'))
		WHEN 'i8' THEN CASE WHEN o.i8 > 2::float8 ^ 53 THEN to_jsonb(o.i8::text) ELSE to_jsonb(o.i8) END
		ELSE row_to_json(o)::jsonb->e.key END)), '', 'every type has the value of row_to_json');
is(sql(q(SELECT count(*) FROM lines l JOIN mine.odd o ON o.id = (l.line::jsonb->>'id')::int
	WHERE (SELECT count(*) FROM json_object_keys(l.line::json)) = (SELECT count(*) FROM json_object_keys(row_to_json(o))))),
	12, 'and every column');

# CSV, and compressed.
sql("CALL hospital_export('diagnoses', 'csv', compression => 'gzip')");
sql(q(CREATE TABLE csv (LIKE hospital.diagnoses)));
my %csv = files_below("$folder/lake/export/postgres/csv.gz/diagnoses");
for my $file (sort keys %csv)
{
	my $path = "$folder/lake/export/postgres/csv.gz/diagnoses/$file";
	gunzip($path => "$folder/plain.csv") or die $GunzipError;
	sql("COPY csv FROM '$folder/plain.csv' CSV HEADER");
}
is(sql('SELECT count(*) FROM ((TABLE csv EXCEPT ALL TABLE hospital.diagnoses) UNION ALL (TABLE hospital.diagnoses EXCEPT ALL TABLE csv)) d'),
	0, 'CSV by gzip, read back by COPY');
SKIP:
{
	my $err = error_of(q(CALL hospital_export('wards', 'jsonl', compression => 'zstd')));
	skip 'built without zstd', 1 if $err =~ /built without/;
	skip 'no program zstd', 1 if system('zstd --version >/dev/null 2>&1') != 0;
	my $lines = `zstd -dc '$folder/lake/export/postgres/jsonl.zst/wards/wards.jsonl.zst' | wc -l` + 0;
	is($lines, sql('SELECT count(*) FROM hospital.wards'), 'zstd');
}

# ---- only what has changed ------------------------------------------------

my %before = files_below("$folder/$base/visits");
like(notice_of(q(CALL hospital_export('visits', 'jsonl'))), qr/0 rows of 0 days/, 'nothing new, nothing written');
is_deeply({ files_below("$folder/$base/visits") }, \%before, 'the files are the same');

my %labs = files_below("$folder/$base/lab_results");
sql('CALL hospital_run(2)');
like(notice_of(q(CALL hospital_export('lab_results', 'jsonl'))), qr/ of 2 days .* 8 days have not changed/, 'two days more');
my %labs_after = files_below("$folder/$base/lab_results");
is_deeply({ map { $_ => $labs_after{$_} } keys %labs }, \%labs, 'the days before are left alone');
lines_are_rows("$base/lab_results", 'hospital.lab_results', $day{lab_results}, 'all ten days');

# Patients who left meanwhile: their days of arrival are written again.
notice_of(q(CALL hospital_export('visits', 'jsonl')));
lines_are_rows("$base/visits", 'hospital.visits', $day{visits}, 'visits that ended meanwhile');
my %after = files_below("$folder/$base/visits");
my @changed = sort grep { $after{$_} ne ($before{$_} // '') } keys %after;
is( join(' ', map { /date=([0-9-]+)/ } @changed),
	sql("SELECT string_agg(DISTINCT visit_date::text, ' ') FROM (SELECT visit_date FROM hospital.visits
		WHERE visit_date >= '2020-01-09' OR (left_at $local)::date >= '2020-01-09' ORDER BY 1) d"),
	'exactly those days');

# A file that is taken back, and a day that is no more.
my $batch = sql(q(SELECT batch_id FROM hospital.batches WHERE kind = 'lab_results' AND day = '2020-01-10'));
sql("CALL hospital_undo_batch($batch)");
notice_of(q(CALL hospital_export('lab_results', 'jsonl')));
ok(!-e "$folder/$base/lab_results/date=2020-01-10", 'the day of a file that was taken back is removed');
lines_are_rows("$base/lab_results", 'hospital.lab_results', $day{lab_results}, 'and nothing else is');
manifest_is_true("$base/lab_results", 'after that');

# What is lost is written again; what is asked for, too; columns that are added, everywhere.
unlink "$folder/$base/lab_results/date=2020-01-03/lab_results.jsonl";
like(notice_of(q(CALL hospital_export('lab_results', 'jsonl'))), qr/ of 1 days .* 8 days/, 'a file that was removed is written again');
like(notice_of(q(CALL hospital_export('lab_results', 'jsonl', incremental => false, from_day => '2020-01-02', to_day => '2020-01-04'))),
	qr/ of 0 days .* 3 days have not changed/, 'with the same bytes it is not replaced');
sql(q(ALTER TABLE hospital.lab_results ADD COLUMN checked boolean DEFAULT true));
like(notice_of(q(CALL hospital_export('lab_results', 'jsonl'))), qr/ of 9 days/, 'a new column changes all days');
lines_are_rows("$base/lab_results", 'hospital.lab_results', $day{lab_results}, 'and is in them');
like(notice_of(q(CALL hospital_export('treatments', 'jsonl', from_day => '2020-01-02', to_day => '2020-01-03'))), qr/ of 2 days/, 'some days');
is(scalar(@{ manifest("$base/treatments")->{files} }), 2, 'are in the manifest');
notice_of(q(CALL hospital_export('treatments', 'jsonl')));
lines_are_rows("$base/treatments", 'hospital.treatments', "(t.at $local)::date", 'the others follow');
is(leftovers(), '', 'no temporary files');

# ---- cut short ------------------------------------------------------------

# A policy lingers, when the rows are read, for a second before day 4, and for ever before day 6.
sql(q(CREATE ROLE slow; GRANT pg_write_server_files TO slow; GRANT USAGE ON SCHEMA hospital, mine TO slow;
	GRANT SELECT ON hospital.visits, hospital.batches TO slow;
	CREATE FUNCTION mine.linger(id bigint) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
	DECLARE day int := extract(day FROM date '2000-01-01' + (id / 1000000)::int);
	BEGIN
		IF id % 1000000 <> 1 OR to_regclass('mine.hurry') IS NOT NULL THEN RETURN true; END IF;
		IF current_setting('mine.day' || day, true) IS NULL THEN
			PERFORM set_config('mine.day' || day, 'counted', false);
		ELSIF day = 4 THEN PERFORM pg_sleep(1.1);
		ELSIF day = 6 THEN PERFORM pg_sleep(60);
		END IF;
		RETURN true;
	END $$;
	ALTER TABLE hospital.visits ENABLE ROW LEVEL SECURITY;
	CREATE POLICY slow ON hospital.visits TO slow USING (mine.linger(visit_id))));
my $slow = 'lake/export/slow';
my $call = "CALL hospital_export('visits', 'jsonl', target => '$slow')";
for my $how ('terminated', 'killed')
{
	sql('DROP TABLE IF EXISTS mine.hurry');
	remove_tree("$folder/$slow", "$folder/$slow.manifest.json");
	my $session = IPC::Run::start([ 'psql', '-X', '-d', $node->connstr('postgres'), '-c', 'SET ROLE slow', '-c', $call ],
		'>', \my $out, '2>', \my $err);
	my $under_way = sub { my @found = glob("$folder/$slow/date=2020-01-05/.visits.jsonl.tmp.*"); return scalar @found };
	for (1 .. 500) { last if $under_way->() && sql(q(SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep')); usleep(50_000) }
	ok($under_way->(), 'under way');
	my $pid = sql(q(SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'));
	like(error_of($call), qr/55006: another session is exporting.*HINT/s, 'another one to the same place is refused')
	  if $how eq 'terminated';
	if ($how eq 'killed')
	{
		kill 'KILL', $pid;
		eval { $session->finish };
		$node->poll_query_until('postgres', 'SELECT true');
		ok($under_way->(), 'a temporary file is left');
	}
	else
	{
		sql("SELECT pg_terminate_backend($pid)");
		$session->finish;
	}
	my $half = manifest($slow);
	ok(!$half->{complete}, "$how: the manifest says that it is not complete");
	my @listed = map { $_->{file} =~ s/^slow\///r } @{ $half->{files} };
	cmp_ok(scalar(@listed), ">=", 3, 'and knows of the first days');
	my %half = files_below("$folder/$slow");
	my @bad = grep { !/\.tmp\./ && slurp_bytes("$folder/$slow/$_") !~ /\}\n\z/ } keys %half;
	is("@bad", '', 'no file is half there');
	sql('CREATE TABLE mine.hurry ()');
	notice_of("SET ROLE slow; $call");
	my %done = files_below("$folder/$slow");
	is(join(' ', grep { $done{$_} ne $half{$_} } @listed), '', 'what was there is not written again');
	is(leftovers(), '', 'nothing temporary is left');
	lines_are_rows($slow, 'hospital.visits', $day{visits}, 'the next one completes it');
	manifest_is_true($slow, $how);
}

# ---- rights and places ----------------------------------------------------

sql(q(CREATE ROLE nobody; CREATE ROLE writer; GRANT pg_write_server_files TO writer; GRANT SELECT ON hospital.simulation TO writer;
	GRANT USAGE ON SCHEMA hospital TO writer, nobody;
	CREATE ROLE reader; GRANT writer TO reader; GRANT SELECT ON hospital.visits, hospital.batches TO reader;
	CREATE POLICY few ON hospital.visits TO reader USING (visit_date = '2020-01-02')));
like(error_of(q(SET ROLE nobody; CALL hospital_export('visits', 'jsonl'))), qr/42501/, 'no right to write files');
for my $what ('visits', 'fhir', 'hospital.people', 'pg_catalog.pg_authid')
{
	like(error_of("SET ROLE writer; CALL hospital_export('$what', 'jsonl', target => 'w')"), qr/42501: permission denied for/,
		"no right to read $what");
}
notice_of(q(SET ROLE reader; CALL hospital_export('visits', 'jsonl', target => 'few')));
is(join(' ', sort keys %{ { files_below("$folder/few") } }), 'date=2020-01-02/visits.jsonl', 'row security is respected');
sql('ALTER TABLE hospital.visits DISABLE ROW LEVEL SECURITY');
for my $path ('lake/batch/postgres', 'lake', 'lake/exports', 'lake/export/../batch', '../x', '/tmp/x', 'lake/export/.x')
{
	like(error_of("CALL hospital_export('visits', 'jsonl', target => '$path')"), qr/42602: file name .* is not allowed/, "not to $path");
}
symlink $node->basedir, "$folder/lake/export/link";
like(error_of(q(CALL hospital_export('visits', 'jsonl', target => 'lake/export/link/x'))), qr/Links are not followed/, 'nor through a link');
like(error_of(q(CALL hospital_export('nothing', 'jsonl'))), qr/22023: there is no export.*HINT/s, 'no such relation');
like(error_of(q(CALL hospital_export('visits', 'jsonl', compression => 'rar'))), qr/22023: .*HINT/s, 'no such compression');
like(error_of(q(CALL hospital_export('visits', 'parquet'))), qr/0A000: .*HINT/s, 'no such format');
like(error_of(q(CALL hospital_export('wards', 'jsonl', from_day => '2020-01-01'))), qr/22023: .*HINT/s, 'no days');
like(error_of(q(CALL hospital_export('visits', 'jsonl', partition_by => 'kind'))), qr/42804: .*HINT/s, 'no day');
like(error_of(q(CALL hospital_export('visits', 'jsonl', partition_by => 'left_at'))), qr/22004: .*HINT/s, 'rows without a day');
like(error_of(q(CALL hospital_export('calendar', 'jsonl', partition_by => 'nope'))), qr/42703: .*HINT/s, 'no column');
like(error_of(q(CREATE TABLE mine.dated AS SELECT 1 AS date, date '2020-01-01' AS day;
	CALL hospital_export('mine.dated', 'jsonl', target => 'd', partition_by => 'day'))), qr/42611: .*HINT/s, 'a column that is named as the partitions are');
notice_of(q(CALL hospital_export('calendar', 'jsonl', partition_by => 'date', target => 'calendar')));
ok(-e "$folder/calendar/date=2020-12-25/calendar.jsonl", 'unless it is their column');
unlike(slurp_bytes("$folder/calendar/date=2020-12-25/calendar.jsonl"), qr/"date"/, 'which is then left out of the files');
notice_of(q(CALL hospital_export('wards', 'jsonl', target => 'wards.jsonl')));
is(scalar(() = slurp_bytes("$folder/wards.jsonl") =~ /\n/g), sql('SELECT count(*) FROM hospital.wards'), 'one file, where it is asked for');
ok(!-e "$folder/wards.jsonl.manifest.json", 'without a manifest');

# ---- FHIR -----------------------------------------------------------------

notice_of(q(CALL hospital_export('fhir', from_day => '2020-01-02', to_day => '2020-01-03')));
my $fhir = 'lake/export/postgres/fhir/r4';
manifest_is_true("$fhir/bundles", 'FHIR');
load_lines("$fhir/practitioners");
sql(q(CREATE TABLE resources AS SELECT NULL::date AS day, NULL::text AS bundle, l.line::jsonb AS r FROM lines l));
load_lines("$fhir/bundles");
sql(q(INSERT INTO resources SELECT l.day, l.line::jsonb->>'id', e->'resource' FROM lines l, jsonb_array_elements(l.line::jsonb->'entry') e;
	CREATE TABLE urls AS SELECT DISTINCT bundle, (r->>'resourceType') || '/' || (r->>'id') AS url FROM resources));
is(sql(q(SELECT string_agg(DISTINCT f.ref, ' ') FROM
	(SELECT DISTINCT bundle, q.v#>>'{}' AS ref FROM resources, jsonb_path_query(r, 'strict $.**.reference') AS q(v)) f
	WHERE NOT EXISTS (SELECT FROM urls u WHERE u.url = f.ref AND u.bundle IS NOT DISTINCT FROM f.bundle)
	AND NOT EXISTS (SELECT FROM urls u WHERE u.url = f.ref AND u.bundle IS NULL))),
	'', 'all references resolve, within the bundle or to practitioners');
is(sql(q(SELECT count(*) FROM lines l, jsonb_array_elements(l.line::jsonb->'entry') e
	WHERE e->'request'->>'url' <> (e->'resource'->>'resourceType') || '/' || (e->'resource'->>'id')
	OR e->>'fullUrl' NOT LIKE 'https://%/' || (e->'request'->>'url'))), 0, 'each is put where it says');
is( sql(q(SELECT string_agg(kind || '=' || n, ' ' ORDER BY kind) FROM
		(SELECT r->>'resourceType' AS kind, count(*) AS n FROM resources WHERE bundle IS NOT NULL GROUP BY 1) c)),
	sql(q(WITH v AS (SELECT * FROM hospital.visits WHERE visit_date BETWEEN '2020-01-02' AND '2020-01-03')
		SELECT 'Claim=' || (SELECT count(*) FROM hospital.billing_payments JOIN v USING (visit_id))
			|| ' Condition=' || (SELECT count(*) FROM hospital.diagnoses JOIN v USING (visit_id))
			|| ' Encounter=' || (SELECT count(*) FROM v)
			|| ' MedicationRequest=' || (SELECT count(*) FROM hospital.prescriptions JOIN v USING (visit_id))
			|| ' Observation=' || (SELECT count(*) FROM hospital.lab_results JOIN v USING (visit_id))
				+ (SELECT count(*) FROM hospital.vital_signs JOIN v USING (visit_id))
			|| ' Patient=' || (SELECT count(*) FROM (SELECT DISTINCT patient_id, visit_date FROM v) p))),
	'as many resources as rows');

$node->stop;
done_testing();
