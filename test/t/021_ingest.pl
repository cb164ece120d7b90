# 021_ingest.pl: day files into tables: what is accepted, what becomes a reject,
# what is refused; order, crashes, chunks, undoing and trying again.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = PostgreSQL::Test::Cluster->new('hospital');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);

my $folder = $node->basedir . '/folder';
mkdir $folder or die "$folder: $!";
$node->append_conf('postgresql.conf', qq(
shared_preload_libraries = 'hospital'
restart_after_crash = on
timezone = 'Africa/Johannesburg'
hospital.databases = ''
hospital.data_folder = '$folder'
hospital.settle_timeout = '20s'
));
$node->start;

my @kinds = qw(staff_changes registrations admissions visits status_updates doctor_assignments
  transfers diagnoses treatments lab_results vital_signs prescriptions billing_payments);
my %table = map { $_ => $_ } @kinds;
my %key = (
	staff_changes => 'staff_change_id', registrations => 'person_id', admissions => 'admission_id',
	visits => 'visit_id', status_updates => 'update_id', doctor_assignments => 'doctor_assignment_id',
	transfers => 'event_id', diagnoses => 'diagnosis_id', treatments => 'treatment_id',
	lab_results => 'lab_result_id', vital_signs => 'vital_signs_id', prescriptions => 'prescription_id',
	billing_payments => 'billing_id');
# Null until a later file completes the record.
my %completes = (registrations => 'deceased_at', admissions => 'discharged_at', visits => 'left_at');
my $first_day = '2020-01-01';
my $arguments = "people => 30000, beds => 200, start_date => '$first_day'";

sub spew
{
	my ($path, $bytes) = @_;
	open my $file, '>:raw', $path or die "$path: $!";
	print $file $bytes;
	close $file or die "$path: $!";
}

sub slurp_bytes
{
	my ($path) = @_;
	open my $file, '<:raw', $path or die "$path: $!";
	local $/;
	return scalar <$file>;
}

# A file whose last change is long ago need not be waited for.
sub settle
{
	my ($path) = @_;
	utime time - 10, time - 10, $path;
}

my $db = 'postgres';
sub sql { return $node->safe_psql($db, $_[0]) }

# What a statement says, with SQLSTATEs.
sub said
{
	my ($query, %more) = @_;
	my ($code, $out, $err) =
	  $node->psql($db, $query, extra_params => [ '-v', 'VERBOSITY=verbose' ], %more);
	return $err;
}

sub try_query
{
	my ($query) = @_;
	# A server that is not there yet may close the pipe that the query is written to.
	my ($code, $out, $err) = eval { $node->psql($db, $query, timeout => 30, timed_out => \my $slow) };
	return defined $code && $code == 0 ? $out : undef;
}

sub poll
{
	my ($what, $query, $expected) = @_;
	$expected = 't' unless defined $expected;
	my $found;
	for (1 .. 900)
	{
		$found = try_query($query);
		if (defined $found && $found eq $expected)
		{
			pass($what);
			return 1;
		}
		usleep(100_000);
	}
	fail($what);
	diag('found: ' . (defined $found ? $found : 'no answer'));
	diag(try_query('SELECT * FROM hospital.status') // '');
	diag(try_query('SELECT batch_id, kind, day, state, rows, rejects, message FROM hospital.batches ORDER BY batch_id DESC LIMIT 20') // '');
	return 0;
}

# A hospital of its own in a database of that name, with its staff.
sub make_hospital
{
	my ($name) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $name") if $name ne 'postgres';
	$db = $name;
	sql(qq(CREATE EXTENSION hospital;
		CALL hospital_create(people => 30000, beds => 200, start_date => '$first_day', end_date => '2020-12-31', name => '$name')));
	sql('INSERT INTO hospital.staff SELECT * FROM hospital_generate_staff(200)');
	return "lake/batch/$name";
}

sub day { return $node->safe_psql('postgres', "SELECT date '$first_day' + $_[0]") }

# The files of a day, by COPY: what anybody's producer would write.  One session
# for all kinds, for which the day is computed once.
sub write_day
{
	my ($lake, $day) = @_;
	my $in = "$folder/$lake/date=$day";
	system('mkdir', '-p', $in) == 0 or die;
	sql("SET TimeZone = 'UTC';" . join('', map {
		"COPY (SELECT * FROM hospital_generate_$_('$day', $arguments)) TO '$in/$_.csv' CSV HEADER;" } @kinds));
	settle("$in/$_.csv") for @kinds;
}

# What differs between the tables and the records of these days; '' is nothing.
sub differences
{
	my @days = @_;
	my $queries = '';
	# Day by day, so that each is computed once.
	for my $day (@days)
	{
		for my $kind (@kinds)
		{
			$queries .= $day eq $days[0] ? "CREATE TEMP TABLE made_$kind AS " : "INSERT INTO made_$kind ";
			$queries .= "SELECT * FROM hospital_generate_$kind('$day', $arguments);\n";
		}
	}
	for my $kind (@kinds)
	{
		my $made = "TABLE made_$kind";
		my $table = "TABLE hospital.$kind";
		$made = "SELECT DISTINCT ON ($key{$kind}) * FROM made_$kind ORDER BY $key{$kind}, $completes{$kind}"
		  if $completes{$kind};
		if ($kind eq 'registrations')
		{
			$made = qq(SELECT person_id, folder_no, first_name || ' ' || last_name, date_of_birth,
				CASE sex WHEN 'F' THEN 'Female' ELSE 'Male' END, blood_type, phone, insurance_id, patient_class,
				origin, first_seen_on, deceased_at FROM ($made) r);
			$table = 'TABLE hospital.patients';
		}
		$queries .= qq(WITH made AS MATERIALIZED ($made)
			SELECT '$kind: ' || m || ' missing, ' || s || ' surplus' FROM (SELECT
				(SELECT count(*) FROM (TABLE made EXCEPT ALL $table) x) AS m,
				(SELECT count(*) FROM ($table EXCEPT ALL TABLE made) x) AS s) n WHERE m + s > 0;\n);
	}
	return join('; ', split /\n/, sql($queries));
}

sub outcome
{
	my ($where) = @_;
	return sql("SELECT string_agg(concat_ws(' ', state, rows, rejects, merged), ', ' ORDER BY batch_id)
		FROM hospital.batches WHERE $where");
}

sub rejects
{
	my ($where) = @_;
	return sql("SELECT coalesce(string_agg(concat_ws(' ', line, column_name, sqlstate), ', ' ORDER BY line), '')
		FROM hospital.rejects r WHERE $where");
}

# A file, ingested; what was said.
sub ingest
{
	my ($path, $bytes, $more) = @_;
	(my $in = "$folder/$path") =~ s!/[^/]*$!!;
	system('mkdir', '-p', $in) == 0 or die;
	if (defined $bytes)
	{
		spew("$folder/$path", $bytes);
		settle("$folder/$path");
	}
	$more = defined $more ? ", $more" : '';
	return said("CALL hospital_ingest('$path'$more)");
}

# ---- days ------------------------------------------------------------------

my $lake = make_hospital('postgres');
my @days = map { day($_) } 0 .. 3;
write_day($lake, $_) for @days;
like(said("CALL hospital_ingest('$lake/date=$days[0]')"), qr/NOTICE:.*13 files ingested: \d+ rows, 0 rejects/,
	'a day\'s folder');
like(said("CALL hospital_ingest('$lake/')"), qr/NOTICE:.*39 files ingested: \d+ rows, 0 rejects/, 'all days');
is(differences(@days), '', 'the tables have what was made');
is(sql("SELECT count(*) FROM hospital.batches WHERE state = 'ingested' AND merged > 0 AND kind IN ('admissions', 'visits')"),
	6, 'records were completed');
is( sql(q(SELECT count(*) FROM hospital.people)), sql(q(SELECT count(*) FROM hospital.patients)),
	'registrations are people, too');
is(sql('SELECT count(*) FROM hospital.rejects'), 0, 'no rejects');
like(said("CALL hospital_ingest('$lake')"), qr/dealt with before.*0 files ingested/s, 'once is enough');

# In another order, on another path: the same tables.
$lake = make_hospital('backwards');
write_day($lake, $_) for @days;
for my $day (reverse @days)
{
	for my $kind (reverse @kinds)
	{
		my $said = said("CALL hospital_ingest('$lake/date=$day/$kind.csv')");
		is($said, '', "$day $kind before what it refers to") if $said ne '';
	}
}
is(sql('SELECT count(*) FROM hospital.rejects WHERE resolved_at IS NULL'), 0, 'nobody waits for anybody any more');
cmp_ok(sql(q(SELECT count(*) FROM hospital.rejects WHERE resolved_by = 'retry')), '>', 500, 'many had to');
is(sql('SELECT count(*) FROM hospital.batches WHERE rejects <> 0'), 0, 'the ledger has them as rows');
is(differences(@days), '', 'backwards gives the same tables');
for my $kind (@kinds)
{
	my $table = $kind eq 'registrations' ? 'patients' : $kind;
	is( $node->safe_psql('backwards', "SELECT md5(string_agg(t::text, ',' ORDER BY t)) FROM hospital.$table t"),
		$node->safe_psql('postgres', "SELECT md5(string_agg(t::text, ',' ORDER BY t)) FROM hospital.$table t"),
		"the same $table");
}

# ---- lines -----------------------------------------------------------------

# Somebody and something to refer to.
$lake = make_hospital('lines');
write_day($lake, $days[0]);
sql("CALL hospital_ingest('$lake/date=$days[0]')");
my ($patient, $admission) = split /\|/, sql('SELECT patient_id, admission_id FROM hospital.admissions ORDER BY 2 LIMIT 1');
my $staff = sql('SELECT staff_id FROM hospital.staff ORDER BY 1 LIMIT 1');
my ($ward, $other_ward) = split /\n/, sql('SELECT ward_code FROM hospital.wards ORDER BY 1 LIMIT 2');
my $department = sql('SELECT department_code FROM hospital.departments ORDER BY 1 LIMIT 1');
my $day = '2020-06-01';
my $noon = '2020-06-01 10:00:00+00';

my %header = (
	status_updates => "update_id,admission_id,patient_id,recorded_at,status,ward_code,recorded_by,bed_no\n",
	lab_results => "lab_result_id,visit_id,admission_id,patient_id,code,description,at,value,result,unit,flag,specimen\n",
	billing_payments => 'billing_id,patient_id,visit_id,billing_date,total_amount,payment_status,admission_id,patient_class,'
	  . "fiscal_year,free_reason,consultation,accommodation,procedures,imaging,laboratory,medicines,other\n",
	transfers => "event_id,event_time,admission_id,patient_id,from_ward,to_ward,reason,status,staff_id\n",
	visits => 'visit_id,patient_id,doctor_id,visit_date,department_code,kind,diagnosis,total_cost,arrived_at,left_at,'
	  . "triage,disposition,admission_id\n");
sub status_update
{
	my ($id, %with) = @_;
	my %field = (
		admission => $admission, patient => $patient, at => $noon, status => 'stable', ward => $ward,
		by => $staff, bed => 1, %with);
	return join(',', $id, @field{qw(admission patient at status ward by bed)}) . "\n";
}

sql('ALTER DATABASE lines SET hospital.reject_percent = 100');

# Every way in which a line can be wrong, with the column and the SQLSTATE.
my @wrong = (
	[ status_update('x7'), 'update_id 22P02' ],
	[ status_update('99999999999999999999'), 'update_id 22003' ],
	[ status_update(-4), 'update_id 22003' ],
	[ status_update(0), 'update_id 22003' ],
	[ status_update(1, bed => '1.5'), 'bed_no 22P02' ],
	[ status_update(1, bed => 3000000000), 'bed_no 22003' ],
	[ status_update(1, bed => 0), 'bed_no 22003' ],
	[ status_update(1, at => ''), 'recorded_at 23502' ],
	[ status_update(1, at => 'noon'), 'recorded_at 22007' ],
	[ status_update(1, at => '2020-06-01'), 'recorded_at 22007' ],
	[ status_update(1, at => '2020-06-01 10:00:00'), 'recorded_at 22007' ],
	[ status_update(1, at => '2020-06-31 10:00:00+00'), 'recorded_at 22008' ],
	[ status_update(1, at => '2020-13-01 10:00:00+00'), 'recorded_at 22008' ],
	[ status_update(1, at => '2020-06-01 24:00:00+00'), 'recorded_at 22008' ],
	[ status_update(1, at => '2020-05-31 21:59:59+00'), 'recorded_at 23514' ],
	[ status_update(1, at => '2020-06-01 22:00:00+00'), 'recorded_at 23514' ],
	[ status_update(1, status => "st\xe9ble"), 'status 22021' ],
	[ status_update(1, status => "st\0ble"), 'status 22021' ],
	[ status_update(1, status => "\xed\xa0\x80"), 'status 22021' ],
	[ status_update(1, status => "\xc0\xaf"), 'status 22021' ],
	[ status_update(1, admission => 123), 'admission_id 23503' ],
	[ status_update(1, patient => 29999999), 'patient_id 23503' ],
	[ status_update(1, ward => 'NOWHERE'), 'ward_code 23503' ],
	[ status_update(1, by => 987654321), 'recorded_by 23503' ],
	[ "1,2,3\n", '22P04' ],
	[ status_update(1, bed => '1,2'), '22P04' ],
	[ "\n", '22P04' ],
	[ status_update(1, status => 'st"ble'), '22P04' ],
	[ status_update(1, status => '"stable'), '22P04' ],
	[ status_update(1, status => '"sta"ble'), '22P04' ],
	[ status_update(1, status => "sta\rble"), '22P04' ],
	[ status_update(1, status => 'x' x 1_100_000), '22P04' ],
	[ join(',', ('') x 100_000) . "\n", '22P04' ]);
my $bytes = $header{status_updates};
my @expected;
my $line = 2;
for my $i (0 .. $#wrong)
{
	# Good neighbours on both sides of each.
	$bytes .= status_update(9_000_000_000 + 2 * $i, status => "\"good\n$i\"") . $wrong[$i][0]
	  . status_update(9_000_000_001 + 2 * $i, status => "\"\"\"good\"\" $i, too\"");
	push @expected, ($line + 2) . " $wrong[$i][1]";
	$line += 4;
}
is(ingest("$lake/date=$day/status_updates.csv", $bytes), '', 'a file with bad lines');
my $good = 2 * @wrong;
my $bad = @wrong;
is(outcome("day = '$day'"), "ingested $good $bad 0", 'every line is a row or a reject');
my @found = split /, /, rejects("day = '$day'");
is($found[$_], $expected[$_], "line $expected[$_]") for (0 .. $#expected);
is(sql("SELECT count(*), count(DISTINCT status) FROM hospital.status_updates WHERE update_id >= 9000000000"), "$good|$good",
	'and the neighbours came in');
is( sql("SELECT status FROM hospital.status_updates WHERE update_id = 9000000000") . '|'
	  . sql("SELECT status FROM hospital.status_updates WHERE update_id = 9000000001"),
	"good\n0|\"good\" 0, too", 'quotes and line ends inside a field');
for my $i (grep { length $wrong[$_][0] < 200 } 0 .. $#wrong)
{
	my ($number) = $expected[$i] =~ /^(\d+)/;
	is( sql("SELECT encode(raw, 'hex') FROM hospital.rejects WHERE day = '$day' AND line = $number"),
		unpack('H*', $wrong[$i][0]), "the bytes of line $number");
}
is(sql("SELECT octet_length(raw) FROM hospital.rejects WHERE day = '$day' AND message = 'line of more than 1 MB'"), 1024 * 1024,
	'of a line that is too long the beginning');
is( sql("SELECT string_agg(concat_ws(' ', reference, reference_id, reference_text), ', ' ORDER BY line)
	FROM hospital.rejects WHERE sqlstate = '23503'"),
	'admissions 123, patients 29999999, wards NOWHERE, staff 987654321', 'what they lack');
is(sql("SELECT DISTINCT kind || ' ' || day || ' ' || encoding FROM hospital.rejects"), "status_updates $day UTF8", 'where they are from');

# The same lines by libcsv and by plain splitting.
$bytes = $header{lab_results};
my $quoted = $header{lab_results};
for my $i (1 .. 500)
{
	my @fields = (9_100_000_000 + $i, 5, $i % 3 ? '' : $admission, $patient, "C$i", ' blanks ', $noon,
		$i % 2 ? $i / 10 : '', $i % 2 ? '' : 'negative', '', '', 'serum');
	$bytes .= join(',', @fields) . "\n";
	$fields[0] += 1_000_000;
	$quoted .= join(',', map { $_ eq '' ? '' : "\"$_\"" } @fields) . "\r\n";
}
is(ingest("$lake/date=2020-06-01/lab_results.csv", $bytes), '', 'plain lines');
is(ingest("$lake/date=2020-06-02/lab_results.csv", $quoted =~ s/2020-06-01/2020-06-02/gr), '', 'quoted lines, CRLF');
is( sql("SELECT count(*) FROM (SELECT lab_result_id + 1000000, visit_id, admission_id, patient_id, code, description,
		at + interval '1 day', value, result, unit, flag, specimen FROM hospital.lab_results WHERE lab_result_id BETWEEN 9100000001 AND 9100000500
	EXCEPT SELECT * FROM hospital.lab_results WHERE lab_result_id >= 9101000001) x"), 0, 'are the same rows');
is(sql("SELECT string_agg(value::text, ' ') FROM hospital.lab_results WHERE lab_result_id IN (9100000001, 9100000021)"),
	'0.1 2.1', 'numbers keep their scale');

# Money, dates, vocabularies, rules of a kind, uuids.
sub bill
{
	my ($id, $total, %with) = @_;
	my %field = (date => $day, status => 'Paid', class => 'H1', fee => $total, %with);
	return "$id,$patient,7,$field{date},$total,$field{status},,$field{class},2020/21,,$field{fee},0,0,0,0,0,0\n";
}
ingest("$lake/date=$day/billing_payments.csv", $header{billing_payments} . bill(1, '12.5') . bill(2, '12') . bill(3, '12.345')
	  . bill(4, '1e3') . bill(5, '-1') . bill(6, '9999999999.99') . bill(7, '10000000000.00') . bill(8, '5', fee => 6)
	  . bill(9, '5', status => 'paid') . bill(10, '5', class => '"H1"') . bill(11, '5', date => '2020-06-02') . bill(12, '7.100')
	  . bill(13, ''));
is(rejects("kind = 'billing_payments'"), '4 total_amount 22P02, 5 total_amount 22P02, 6 total_amount 22003, '
	  . '8 total_amount 22003, 9 total_amount 23514, 10 payment_status 23514, 12 billing_date 23514, 14 total_amount 23502',
	'money, words, rules');
is(sql("SELECT string_agg(billing_id || ' ' || total_amount, ', ' ORDER BY billing_id) FROM hospital.billing_payments WHERE billing_id < 20"),
	'1 12.50, 2 12.00, 6 9999999999.99, 10 5.00, 12 7.10', 'amounts');
my $uuid = '5e0c1d2b-0000-7000-8000-0000000000';
ingest("$lake/date=$day/transfers.csv", $header{transfers} . join('', map { "$_->[0],$noon,$admission,$patient,$ward,$_->[1],why,completed,$staff\n" }
	  ([ "${uuid}01", $other_ward ], [ "\U${uuid}0a", $other_ward ], [ "${uuid}1", $other_ward ], [ "${uuid}0g", $other_ward ],
		[ "${uuid}02", $ward ], [ "${uuid}01", $other_ward ])));
is(rejects("kind = 'transfers'"), '4 event_id 22P02, 5 event_id 22P02, 6 to_ward 23514, 7 event_id 23505', 'uuids, wards, the same key twice');

# Duplicates: in the file, in the table, in any order.
ingest("$lake/date=2020-06-03/status_updates.csv", $header{status_updates}
	  . join('', map { status_update($_, at => '2020-06-03 10:00:00+00') }
		9_200_000_005, 9_200_000_001, 9_200_000_005, 9_000_000_001, 9_200_000_001, 9_200_000_009, 9_200_000_003, 9_200_000_009));
is(rejects("day = '2020-06-03'"), '4 update_id 23505, 5 update_id 23505, 6 update_id 23505, 9 update_id 23505', 'duplicates');
is(outcome("day = '2020-06-03'"), 'ingested 4 4 0', 'the others came in');

# A record that is completed, that differs, that is completed otherwise.
my $visit = sub { "$_[0],$patient,$staff,$_[1],$department,emergency,,$_[2],$_[1] 08:00:00+00,$_[3],RED,$_[4],$_[5]\n" };
ingest("$lake/date=2020-06-04/visits.csv", $header{visits} . $visit->(9_300_000_001, '2020-06-04', '', '', '', $admission)
	  . $visit->(9_300_000_002, '2020-06-04', '', '', '', $admission)
	  . $visit->(9_300_000_003, '2020-06-04', '', '', '', $admission)
	  . $visit->(9_300_000_004, '2020-06-04', '5', '2020-06-04 09:00:00+00', 'home', ''));
ingest("$lake/date=2020-06-05/visits.csv", $header{visits}
	  . $visit->(9_300_000_001, '2020-06-04', '10.00', '2020-06-05 08:00:00+00', 'home', $admission)
	  . ($visit->(9_300_000_002, '2020-06-04', '10.00', '2020-06-05 08:00:00+00', 'home', $admission) =~ s/RED/GREEN/r));
is(outcome("kind = 'visits' AND day >= '2020-06-04'"), 'ingested 4 0 0, ingested 1 1 1', 'one was completed, one differs');
is(sql("SELECT string_agg(concat_ws(' ', visit_id % 10, total_cost, disposition), ', ' ORDER BY visit_id)
	FROM hospital.visits WHERE visit_id > 9300000000"), '1 10.00 home, 2, 3, 4 5.00 home', 'the row that differs was left alone');
ingest("$lake/date=2020-06-06/visits.csv", $header{visits}
	  . $visit->(9_300_000_001, '2020-06-04', '11.00', '2020-06-06 08:00:00+00', 'home', $admission)
	  . $visit->(9_300_000_003, '2020-06-04', '12.00', '2020-06-06 08:00:00+00', 'home', $admission));
is(rejects("day = '2020-06-06'"), '2 visit_id 23505', 'a record is completed once');

# Columns by name; a byte order mark; encodings.
$bytes = "bed_no,ward_code,status,recorded_at,patient_id,admission_id,update_id,recorded_by\r\n"
  . "3,$ward,caf\xe9,2020-06-07T12:00:00+02:00,$patient,$admission,9400000001,$staff\r\n"
  . "4,,\"na\xefve, \"\"quoted\"\"\",2020-06-07 10:00:00.25Z,$patient,$admission,9400000002,$staff";
is(ingest("$lake/date=2020-06-07/status_updates.csv", "\xEF\xBB\xBF$bytes", "'LATIN1'"), '', 'Latin-1, columns in another order');
is(sql("SELECT string_agg(concat_ws(' ', status, ward_code, recorded_at AT TIME ZONE 'UTC'), '/' ORDER BY update_id)
	FROM hospital.status_updates WHERE update_id > 9400000000"),
	"caf\xc3\xa9 $ward 2020-06-07 10:00:00/na\xc3\xafve, \"quoted\" 2020-06-07 10:00:00.25", 'as text');
ingest("$lake/date=2020-06-08/status_updates.csv", $header{status_updates}
	  . status_update(9_400_000_003, at => '2020-06-08 10:00:00+00', status => "\x80")
	  . status_update(9_400_000_004, at => '2020-06-08 10:00:00+00', status => "\x81"), "'WIN1252'");
is(rejects("day = '2020-06-08'"), '3 status 22021', 'a byte that the encoding does not have');
is(sql("SELECT status FROM hospital.status_updates WHERE update_id = 9400000003"), "\xe2\x82\xac", 'and one that it has');
like(said("CALL hospital_ingest('$lake/date=2020-06-08/status_updates.csv', 'EBCDIC')"), qr/22023.*HINT/s, 'no such encoding');

# ---- limits ----------------------------------------------------------------

sql('ALTER DATABASE lines RESET hospital.reject_percent');
my $many = sub {
	my ($n, $bad, $on) = @_;
	my $first = 9_500_000_000 + 100_000 * substr($on, 8);
	my $at = "$on 10:00:00+00";
	return $header{status_updates} . join('', map { status_update($_ % 10 < $bad ? 'x' : $first + $_, at => $at) } 0 .. $n - 1);
};
like(ingest("$lake/date=2020-06-10/status_updates.csv", $many->(200, 2, '2020-06-10')),
	qr/refused: 40 of 200 lines were rejects, and hospital.reject_percent is 10; the first: line 2, update_id: not a whole number/,
	'too large a share is refused');
is(sql("SELECT count(*) FROM hospital.rejects WHERE day = '2020-06-10'") . sql("SELECT count(*) FROM hospital.status_updates WHERE update_id >= 9500000000"),
	'00', 'and nothing is kept of the file');
is(outcome("day = '2020-06-10'"), 'refused 0 0', 'but that it was');
is(ingest("$lake/date=2020-06-11/status_updates.csv", $many->(200, 1, '2020-06-11')), '', 'as many as are allowed');
is(outcome("day = '2020-06-11'"), 'ingested 180 20 0', 'are rejects');
like(said("SET hospital.reject_limit = 19; SET hospital.reject_percent = 100; CALL hospital_ingest('$lake/date=2020-06-10/status_updates.csv')"),
	qr/40 of 200 lines were rejects, and hospital.reject_limit is 19/, 'a number of rejects');
like(said("SET hospital.reject_percent = 100; CALL hospital_ingest('$lake/date=2020-06-10/status_updates.csv')"), qr/^$/,
	'another try, with another limit');
is(outcome("day = '2020-06-10'"), 'ingested 160 40 0', 'lets it in');
like(ingest("$lake/date=2020-06-12/status_updates.csv", $many->(20_000, 9, '2020-06-12')),
	qr/refused: \d{4,5} of (?!20000)\d{4,5} lines/, 'a hopeless file is not read to its end');

# ---- files -----------------------------------------------------------------

my $file = sub { "$lake/date=$_[0]/status_updates.csv" };
my $update = sub { status_update($_[1], at => "$_[0] 10:00:00+00") };
my $one = sub { $header{status_updates} . $update->($_[0], $_[1]) };

like(ingest($file->('2020-07-01'), ''), qr/refused: the file is empty/, 'an empty file');
like(ingest($file->('2020-07-01'), "\xEF\xBB\xBF"), qr/refused: the file is empty/, 'nothing but a byte order mark');
is(ingest($file->('2020-07-01'), $header{status_updates}), '', 'a header alone is a file');
is(ingest($file->('2020-07-02'), $header{status_updates}), '', 'and two of them are two');
is(outcome("day IN ('2020-07-01', '2020-07-02')"), 'refused 0 0, refused 0 0, ingested 0 0 0, ingested 0 0 0', 'says the ledger');
(my $changed = $header{status_updates}) =~ s/bed_no/bed/;
like(ingest($file->('2020-07-03'), $changed), qr/refused: status_updates has no column "bed"/, 'an unknown column');
like(ingest($file->('2020-07-03'), "update_id,status\n"), qr/refused: column "admission_id" is missing/, 'a missing column');
like(ingest($file->('2020-07-03'), "update_id,update_id\n"), qr/refused: column "update_id" is there twice/, 'a column twice');
like(ingest($file->('2020-07-03'), '"update_id,'), qr/refused: the header is malformed/, 'a malformed header');
like(said("CALL hospital_ingest('" . $file->('2020-07-04') . "')"), qr/58P01: there is no file/, 'a missing file');
like(said("CALL hospital_ingest('$lake/date=2020-07-04/visits_of_saints.csv')"), qr/42602.*HINT/s, 'not a day file');
like(said("CALL hospital_ingest('lake/batch/another/date=2020-07-04/visits.csv')"), qr/42602.*HINT/s, 'another hospital\'s');
like(said("CALL hospital_ingest('lake')"), qr/42602.*HINT/s, 'not a folder of day files');
like(said("BEGIN; CALL hospital_ingest('$lake')"), qr/25001/, 'not in a transaction block');

# Truncated in the middle of a line.
is(ingest($file->('2020-07-05'), $header{status_updates} . $update->('2020-07-05', 9_600_000_001)
	. substr($update->('2020-07-05', 9_600_000_002), 0, 30)), '', 'a file that ends in the middle of a line');
is(outcome("day = '2020-07-05'") . ': ' . rejects("day = '2020-07-05'"), 'ingested 1 1 0: 3 22P04', 'is a reject short');

# An encoding that nothing converts must not keep an ingestor at this file for ever.
like(ingest($file->('2020-07-18'), $one->('2020-07-18', 9_600_000_008), q('MULE_INTERNAL')),
	qr/refused: there is no conversion from encoding "MULE_INTERNAL"/, 'an encoding that cannot be converted');

# The same bytes, other bytes.
is(ingest($file->('2020-07-06'), $one->('2020-07-06', 9_600_000_003)), '', 'a file');
like(ingest($file->('2020-07-06'), undef), qr/dealt with before/, 'the same again');
my $batch = sql("SELECT batch_id FROM hospital.batches WHERE day = '2020-07-06'");
like(ingest($file->('2020-07-06'), $one->('2020-07-06', 9_600_000_004)),
	qr/refused: other bytes of this file were ingested as batch $batch; CALL hospital_undo_batch\($batch\) first/, 'other bytes');
like(ingest($file->('2020-07-06'), $one->('2020-07-06', 9_600_000_003)), qr/dealt with before/, 'the first ones again');

# Links, and what may not be read.
my $outside = $node->basedir . '/outside';
mkdir $outside;
spew("$outside/status_updates.csv", $one->('2020-07-07', 9_600_000_005));
system('mkdir', '-p', "$folder/$lake/date=2020-07-07");
symlink "$outside/status_updates.csv", "$folder/" . $file->('2020-07-07');
like(said("CALL hospital_ingest('" . $file->('2020-07-07') . "')"), qr/could not open.*HINT:  Links are not followed/s, 'a linked file');
symlink $outside, "$folder/$lake/date=2020-07-08";
like(said("CALL hospital_ingest('" . $file->('2020-07-08') . "')"), qr/could not open.*HINT:  Links are not followed/s, 'a linked folder');
SKIP:
{
	skip 'root reads everything', 1 if $> == 0;
	ingest($file->('2020-07-09'), undef);
	spew("$folder/" . $file->('2020-07-09'), $one->('2020-07-09', 9_600_000_006));
	settle("$folder/" . $file->('2020-07-09'));
	chmod 0, "$folder/" . $file->('2020-07-09');
	like(said("CALL hospital_ingest('" . $file->('2020-07-09') . "')"), qr/42501: could not open/, 'an unreadable file');
}

# Still being written: waited for.
sub start_ingest
{
	my ($path) = @_;
	my %session;
	$session{out} = $session{err} = '';
	$session{run} = IPC::Run::start([ 'psql', '-X', '-d', $node->connstr($db), '-c', "CALL hospital_ingest('$path')" ],
		'>', \$session{out}, '2>', \$session{err});
	return \%session;
}
system('mkdir', '-p', "$folder/$lake/date=2020-07-10");
spew("$folder/" . $file->('2020-07-10'), $header{status_updates});
my $session = start_ingest($file->('2020-07-10'));
for my $i (1 .. 12)
{
	usleep(150_000);
	open my $growing, '>>', "$folder/" . $file->('2020-07-10') or die;
	print $growing $update->('2020-07-10', 9_600_001_000 + $i);
	close $growing;
}
$session->{run}->finish;
is($session->{err}, '', 'a growing file');
is(outcome("day = '2020-07-10'"), 'ingested 12 0 0', 'was waited for');
spew("$folder/" . $file->('2020-07-11'), '') if mkdir "$folder/$lake/date=2020-07-11";
spew("$folder/" . $file->('2020-07-11'), $one->('2020-07-11', 9_600_002_000));
utime time + 1000, time + 1000, "$folder/" . $file->('2020-07-11');
is(said("CALL hospital_ingest('" . $file->('2020-07-11') . "')"), '', 'a file from the future that stands still');
spew("$folder/" . $file->('2020-07-12'), $one->('2020-07-12', 9_600_002_001)) if mkdir "$folder/$lake/date=2020-07-12";
like(said("SET hospital.settle_timeout = 0; CALL hospital_ingest('" . $file->('2020-07-12') . "')"),
	qr/NOTICE:.*still being written to: left for later.*HINT/s, 'not for ever');
is(outcome("day = '2020-07-12'"), '', 'nothing was done to it');

# A manifest says how large it will be, and what is in it.
sub sha256 { return sql("SELECT encode(sha256(decode('" . unpack('H*', $_[0]) . "', 'hex')), 'hex')") }
$bytes = $header{status_updates} . $update->('2020-07-13', 9_600_003_000) . $update->('2020-07-13', 9_600_003_001);
my $manifest = sub {
	my ($on, $of) = @_;
	system('mkdir', '-p', "$folder/$lake/date=$on");
	spew("$folder/$lake/date=$on/manifest.json", sprintf('{"files": [{"kind": "status_updates", "file": "status_updates.csv", '
		  . '"rows": 2, "bytes": %d, "sha256": "%s"}]}', length $of, sha256($of)));
};
$manifest->('2020-07-13', $bytes);
spew("$folder/" . $file->('2020-07-13'), substr($bytes, 0, 150));
settle("$folder/" . $file->('2020-07-13'));
like(said("SET hospital.settle_timeout = '200ms'; CALL hospital_ingest('" . $file->('2020-07-13') . "')"),
	qr/NOTICE:.*has 150 bytes, its manifest says \d+: left for later/, 'a file that is shorter than its manifest says');
$session = start_ingest($file->('2020-07-13'));
usleep(1_500_000);
spew("$folder/" . $file->('2020-07-13'), $bytes);
$session->{run}->finish;
is($session->{err} . outcome("day = '2020-07-13'"), 'ingested 2 0 0', 'is waited for, however long it stands still');
$manifest->('2020-07-14', $bytes);
like(ingest($file->('2020-07-14'), $one->('2020-07-14', 9_600_003_002) . ' ' x 100),
	qr/refused: it is not the file of its manifest/, 'another file than the manifest\'s');
like(said("CALL hospital_ingest('$lake/date=2020-07-14')"), qr/refused.*0 files ingested/s, 'nor by its folder');
for my $odd ('{"files": [{"file": "status_updates.csv"}]}', '{"files": [{"file": "status_updates.csv", "bytes": 5}]}',
	"{\"files\": [{\"file\": \"status_updates.csv\", \"bytes\": 5, \"sha256\": \"\xff\"}]}", '{"files": [')
{
	spew("$folder/$lake/date=2020-07-14/manifest.json", $odd);
	like(said("CALL hospital_ingest('" . $file->('2020-07-14') . "')"), qr/ERROR:  22P02/, 'a manifest that says nothing');
}

# Gone, or another, between the ledger's row and the ingestor.
sql("INSERT INTO hospital.batches (kind, day, file, sha256, bytes, rows, state)
	SELECT 'status_updates', d, format('$lake/date=%s/status_updates.csv', d), repeat('0', 64), 150, 0, 'written'
	FROM unnest('{2020-07-15,2020-07-16}'::date[]) d");
like(said("CALL hospital_ingest('" . $file->('2020-07-15') . "')"), qr/refused: the file is missing/, 'gone');
like(ingest($file->('2020-07-16'), $header{status_updates} . ' ' x (150 - length $header{status_updates})),
	qr/refused: the file has changed: its SHA-256 is/, 'another');

# Whoever waits for a file sees what became of it, whatever isolation the session has.
{
	my $on = '2020-07-26';
	my $content = $one->($on, 9_600_004_000);
	spew("$folder/" . $file->($on), $content) if mkdir "$folder/$lake/date=$on";
	sql("INSERT INTO hospital.batches (kind, day, file, sha256, bytes, state)
		VALUES ('status_updates', '$on', '" . $file->($on) . "', '" . sha256($content) . "', " . length($content) . ", 'written')");
	my $holder = IPC::Run::start([ 'psql', '-X', '-d', $node->connstr($db), '-c',
		"BEGIN; UPDATE hospital.batches SET message = 'mine' WHERE day = '$on'; SELECT pg_sleep(2); COMMIT" ], '>', \my $out);
	poll('a file in the hands of another', "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'", 1);
	is(said("SET default_transaction_isolation = 'repeatable read'; CALL hospital_ingest('" . $file->($on) . "')"), '',
		'is waited for');
	$holder->finish;
	is(outcome("day = '$on'"), 'ingested 1 0 0', 'and taken');
}

# Rows that others bring while the file is read: one before it is known that there are such, one after.
{
	my $on = '2020-07-27';
	ingest($file->($on), $header{status_updates} . join('', map { status_update(9_600_005_000 + $_, at => "$on 10:00:00+00") } 1 .. 3));
	sql("CREATE TABLE theirs AS SELECT * FROM hospital.status_updates WHERE update_id BETWEEN 9600005001 AND 9600005003");
	sql('CALL hospital_undo_batch(' . sql("SELECT batch_id FROM hospital.batches WHERE day = '$on'") . ')');
	sql("INSERT INTO hospital.stream_topics (topic, kind, format) VALUES ('theirs', 'status_updates', 'json')");
	my @others = map { my $other = $node->background_psql($db);
		$other->query_safe("BEGIN; INSERT INTO hospital.status_updates SELECT * FROM theirs WHERE update_id = $_"); $other } 9600005001, 9600005002;
	my $session = IPC::Run::start([ 'psql', '-X', '-d', $node->connstr($db), '-c', "CALL hospital_ingest('" . $file->($on) . "')" ], '>', \my $out, '2>', \my $err);
	foreach my $other (@others)
	{
		my $pid = $other->query_safe('SELECT pg_backend_pid()');
		poll('somebody else has a row of the file', "SELECT count(*) FROM pg_stat_activity WHERE pg_blocking_pids(pid) = '{$pid}'", 1);
		$other->query_safe('COMMIT');
		$other->quit;
	}
	$session->finish;
	is(outcome("day = '$on' AND state <> 'undone'"), 'ingested 3 0 2', 'and the ledger counts who met whom');
	sql("DROP TABLE theirs; DELETE FROM hospital.stream_topics WHERE topic = 'theirs'");
}

# A sparse file of 1 GB: nothing but zeros, and no end of the first line.
SKIP:
{
	skip 'long', 2 if $ENV{HOSPITAL_TEST_QUICK};
	ingest($file->('2020-07-17'), '');
	truncate("$folder/" . $file->('2020-07-17'), 1024 * 1024 * 1024) or skip 'no sparse files', 2;
	settle("$folder/" . $file->('2020-07-17'));
	like(said("CALL hospital_ingest('" . $file->('2020-07-17') . "')"),
		qr/refused: the header is malformed: line of more than 1 MB/, 'a sparse file');
	is(sql("SELECT count(*) FROM hospital.rejects WHERE day = '2020-07-17'"), 0, 'leaves nothing');
	unlink "$folder/" . $file->('2020-07-17');
}

# ---- constraints that only the server knows --------------------------------

sql(q(ALTER TABLE hospital.status_updates ADD CONSTRAINT odd CHECK (bed_no % 2 = 1) NOT VALID));
ingest($file->('2020-07-20'), $header{status_updates}
	  . join('', map { status_update(9_700_000_000 + $_, at => '2020-07-20 10:00:00+00', bed => $_ % 25 ? 1 : 2) } 1 .. 100));
is(outcome("day = '2020-07-20'"), 'ingested 96 4 0', 'rows that a check refuses are found one by one');
is(sql("SELECT string_agg(DISTINCT concat_ws(' ', sqlstate, message LIKE '%violates check constraint \"odd\"%'), ', ')
	FROM hospital.rejects WHERE day = '2020-07-20'") . ' ' . rejects("day = '2020-07-20'"),
	'23514 t 26 23514, 51 23514, 76 23514, 101 23514', 'with the server\'s reason');
sql(q(ALTER TABLE hospital.status_updates DROP CONSTRAINT odd;
	CREATE UNIQUE INDEX one_bed ON hospital.status_updates (status) WHERE update_id > 9700001000));
ingest($file->('2020-07-21'), $header{status_updates}
	  . join('', map { status_update(9_700_001_000 + $_, at => '2020-07-21 10:00:00+00', status => 'once ' . $_ % 49) } 1 .. 50));
is(outcome("day = '2020-07-21'") . ' ' . rejects("day = '2020-07-21'"), 'ingested 49 1 0 51 23505', 'a unique index of the user\'s own');
sql(q(DROP INDEX hospital.one_bed; CREATE INDEX by_status ON hospital.status_updates (status)));
my $huge = join '', map { chr(97 + int(rand 26)) } 1 .. 20_000;
is(ingest($file->('2020-07-24'), $header{status_updates}
	  . join('', map { status_update(9_690_000_000 + $_, at => '2020-07-24 10:00:00+00', status => $_ == 4 ? $huge : 'well' x (10 * $_)) } 1 .. 8)), '',
	'a text that is too long for an index of the user\'s own');
is(outcome("day = '2020-07-24'") . ' ' . rejects("day = '2020-07-24'"), 'ingested 7 1 0 5 54000', 'costs its own line');
sql('DROP INDEX hospital.by_status');

# Values belong to columns by name, wherever these are.
my $swap = q(ALTER TABLE hospital.status_updates RENAME status TO x; ALTER TABLE hospital.status_updates RENAME ward_code TO status;
	ALTER TABLE hospital.status_updates RENAME x TO ward_code;);
sql($swap);
ingest($file->('2020-11-01'), $header{status_updates}
	  . join('', map { status_update(9_610_003_000 + $_, at => '2020-11-01 10:00:00+00') } 1 .. 10));
is(outcome("day = '2020-11-01'"), 'ingested 10 0 0', 'columns that have changed places');
is(sql("SELECT DISTINCT status || ' ' || ward_code FROM hospital.status_updates WHERE update_id > 9610003000 AND update_id < 9610003100"),
	"stable $ward", 'have what is theirs');
sql($swap);
sql('ALTER TABLE hospital.status_updates RENAME status TO state');
my @renamed = ($file->('2020-11-02'), $header{status_updates} . status_update(9_610_003_100, at => '2020-11-02 10:00:00+00'));
like(ingest(@renamed), qr/42703: column "status" .* does not exist/, 'a column with another name is missed');
sql('ALTER TABLE hospital.status_updates RENAME state TO status');
is(ingest(@renamed) . outcome("day = '2020-11-02'"), 'ingested 1 0 0', 'until it is there again');

sql(q(ALTER TABLE hospital.status_updates ADD COLUMN note text DEFAULT 'mine';
	CREATE FUNCTION no_fives() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN IF NEW.update_id % 5 = 0 THEN RAISE 'no fives'; END IF; RETURN NEW; END $$;
	CREATE TRIGGER no_fives BEFORE INSERT ON hospital.status_updates FOR EACH ROW EXECUTE FUNCTION no_fives()));
ingest($file->('2020-07-22'), $header{status_updates}
	  . join('', map { status_update(9_700_002_000 + $_, at => '2020-07-22 10:00:00+00') } 1 .. 40));
is(outcome("day = '2020-07-22'"), 'ingested 32 8 0', 'a trigger, and a column of the user\'s own');
is(sql("SELECT DISTINCT sqlstate || ' ' || message FROM hospital.rejects WHERE day = '2020-07-22'"), 'P0001 no fives', 'who says why');
is(sql('SELECT count(*) FROM hospital.status_updates WHERE update_id > 9700002000 AND note = \'mine\''), 32, 'are the server\'s business');
sql('DROP TRIGGER no_fives ON hospital.status_updates; ALTER TABLE hospital.status_updates DROP COLUMN note');

# A table that inherits has the same patient many times.
sql("CREATE TABLE hospital.more_patients () INHERITS (hospital.patients);
	INSERT INTO hospital.more_patients SELECT p.* FROM hospital.patients p, generate_series(1, 20000) WHERE p.patient_id = $patient");
is(ingest($file->('2020-07-25'), $one->('2020-07-25', 9_690_001_001)), '', 'a patient who is there twenty thousand times');
is(outcome("day = '2020-07-25'"), 'ingested 1 0 0', 'is a patient');
sql('DROP TABLE hospital.more_patients');

# Partitioned, and with row security.
sql(q(ALTER TABLE hospital.lab_results RENAME TO lab_results_2020;
	CREATE TABLE hospital.lab_results (LIKE hospital.lab_results_2020, PRIMARY KEY (lab_result_id)) PARTITION BY RANGE (lab_result_id);
	CREATE TABLE hospital.lab_results_low PARTITION OF hospital.lab_results FOR VALUES FROM (MINVALUE) TO (9800000050);
	CREATE TABLE hospital.lab_results_high PARTITION OF hospital.lab_results FOR VALUES FROM (9800000050) TO (9800000095)));
ingest("$lake/date=2020-07-23/lab_results.csv", $header{lab_results}
	  . join('', map { 9_800_000_000 + $_ . ",1,,$patient,C,d,2020-07-23 10:00:00+00,1.50,,,,serum\n" } 1 .. 100));
is(outcome("day = '2020-07-23'") . ' ' . sql('SELECT count(*) FROM hospital.lab_results_low') . ' '
	  . sql('SELECT count(*) FROM hospital.lab_results_high'), 'ingested 94 6 0 49 45', 'partitions');
is(sql("SELECT DISTINCT sqlstate FROM hospital.rejects WHERE day = '2020-07-23'"), '23514', 'and rows for which there is none');

# ---- undone, and again -----------------------------------------------------

$lake = make_hospital('undoing');
write_day($lake, $_) for @days;
my %batch;
sub batch { return sql("SELECT batch_id FROM hospital.batches WHERE kind = '$_[0]' AND day = '$_[1]' AND state = 'ingested'") }
sql("CALL hospital_ingest('$lake/date=$_')") for @days[ 0, 1 ];
my $before = sql(q(SELECT md5(string_agg(a::text, ',' ORDER BY a)) FROM hospital.admissions a))
  . sql(q(SELECT md5(string_agg(a::text, ',' ORDER BY a)) FROM hospital.visits a));
sql("CALL hospital_ingest('$lake/date=$days[2]')");
like(said('CALL hospital_undo_batch(' . batch('admissions', $days[1]) . ')'),
	qr/55000: a row of batch \d+ has changed since it came in.*DETAIL.*HINT:  A file of a later day may have completed it.*batch \d+ is the last/s,
	'a day that a later one has completed');
for my $kind (reverse @kinds)
{
	my $said = said('CALL hospital_undo_batch(' . batch($kind, $days[2]) . ')');
	like($said, qr/NOTICE:  00000: \d+ rows deleted, \d+ opened again, 0 kept/, "$kind undone");
}
is(sql(q(SELECT md5(string_agg(a::text, ',' ORDER BY a)) FROM hospital.admissions a))
  . sql(q(SELECT md5(string_agg(a::text, ',' ORDER BY a)) FROM hospital.visits a)), $before, 'completed records are open again');
is(differences(@days[ 0, 1 ]), '', 'as if that day had not been');
is(sql("SELECT count(*) FROM hospital.batches WHERE day = '$days[2]' AND state = 'undone' AND undone_at IS NOT NULL"), 13, 'the ledger says so');
like(said("CALL hospital_ingest('$lake/date=$days[2]')"), qr/13 files ingested/, 'it may come in again');
is(differences(@days[ 0 .. 2 ]), '', 'and is there');

# The later of two files first, the earlier after it, and the later taken out.
sql("CALL hospital_ingest('$lake/date=$days[3]')");
like(said('CALL hospital_undo_batch(' . batch('visits', $days[2]) . ')'), qr/55000/, 'completed by the day after');
sql('CALL hospital_undo_batch(' . batch('visits', $days[3]) . '); CALL hospital_undo_batch(' . batch('visits', $days[2]) . ')');
ingest("$lake/date=$days[3]/visits.csv");
ingest("$lake/date=$days[2]/visits.csv");
is(differences(@days), '', 'in the other order');
sql('CALL hospital_undo_batch(' . batch('visits', $days[3]) . ')');
ingest("$lake/date=$days[3]/visits.csv");
is(differences(@days), '', 'and the later one again');

# A reject of the file that began a record is not the record: one that repeats
# its line, or has its number in another place.
{
	my $dirty = make_hospital('dirty');
	write_day($dirty, $_) for @days[ 0 .. 2 ];
	my $path = "$folder/$dirty/date=$days[1]/admissions.csv";
	my $open = sql("SELECT a.admission_id FROM hospital_generate_admissions('$days[1]', $arguments) a
		JOIN hospital_generate_admissions('$days[2]', $arguments) b USING (admission_id) ORDER BY 1 LIMIT 1");
	my ($again) = grep { /^$open,/ } split /(?<=\n)/, slurp_bytes($path);
	spew($path, slurp_bytes($path) . $again . "x,$open\n");
	settle($path);
	sql("SET hospital.reject_percent = 100; CALL hospital_ingest('$dirty/date=$_')") for @days[ 0 .. 2 ];
	is(rejects("r.kind = 'admissions'") =~ s/\d+ /n /gr, 'n admission_id 23505, n 22P04', 'a file with a line that comes twice');
	my $day_batch = batch('admissions', $days[2]);
	sql("CALL hospital_undo_batch($day_batch)");
	is(sql("SELECT count(*) FROM hospital.admissions WHERE admission_id = $open AND discharged_at IS NULL"), 1,
		'what it began is opened again, and not deleted');
	sql("CALL hospital_ingest('$dirty/date=$days[2]/admissions.csv')");
	is(differences(@days[ 0 .. 2 ]), '', 'and completed again');
	$db = 'undoing';
}

# The file has gone, or changed; the rows have.
my $bills = "$folder/$lake/date=$days[1]/billing_payments.csv";
my $bills_batch = batch('billing_payments', $days[1]);
rename $bills, "$bills.kept";
like(said("CALL hospital_undo_batch($bills_batch)"), qr/58P01: there is no file.*DETAIL/s, 'only the file says what to undo');
spew($bills, slurp_bytes("$bills.kept") =~ s/Paid/Unpaid/r);
like(said("CALL hospital_undo_batch($bills_batch)"), qr/55000: (?:a row of batch|".*" has changed since it was ingested)/, 'not another file');
rename "$bills.kept", $bills;
sql("UPDATE hospital.billing_payments SET payment_status = CASE payment_status WHEN 'Paid' THEN 'Unpaid' ELSE 'Paid' END WHERE billing_id = (SELECT max(billing_id) FROM hospital_generate_billing_payments('$days[3]', $arguments))");
is(sql(q(SELECT count(*) FROM hospital.billing_payments)), sql("SELECT sum(rows) FROM hospital.batches WHERE kind = 'billing_payments' AND state = 'ingested'"), 'nothing was undone half');
like(said('CALL hospital_undo_batch(' . batch('billing_payments', $days[3]) . ')'), qr/55000: a row of batch.*HINT:  Give the row/s, 'a row that was changed');
like(said("CALL hospital_undo_batch($bills_batch)"), qr/\d+ rows deleted, 0 opened/, 'the others can be undone');
like(said("CALL hospital_undo_batch($bills_batch)"), qr/55000.*HINT/s, 'once');
like(said("BEGIN; CALL hospital_undo_batch($bills_batch)"), qr/25001/, 'not in a transaction block');

# What is remembered of patients does not outlive an undo, in the same session either.
my $last = day(8);
write_day($lake, $last);
my $lost = sql("SELECT person_id FROM hospital_generate_registrations('$last', $arguments) ORDER BY 1 DESC LIMIT 1");
spew("$folder/$lake/date=$last/lab_results.csv", $header{lab_results} . "9999000001,1,,$lost,C,d,$last 10:00:00+00,1,,,,serum\n");
settle("$folder/$lake/date=$last/lab_results.csv");
sql("CALL hospital_ingest('$lake/date=$last/registrations.csv')");
sql('CALL hospital_undo_batch(' . batch('registrations', $last) . "); CALL hospital_ingest('$lake/date=$last/lab_results.csv')");
is(rejects("day = '$last' AND kind = 'lab_results'"), '2 patient_id 23503', 'a patient who was taken out');
sql("CALL hospital_ingest('$lake/date=$last/registrations.csv')");
is(rejects("day = '$last' AND kind = 'lab_results' AND resolved_at IS NULL") . outcome("day = '$last' AND kind = 'lab_results'"),
	'ingested 1 0 0', 'and came back: the line that waited is a row');

# Two files at the same time, of which one brings what the other lacks.
sql(q(CREATE FUNCTION stay() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		IF NEW.state = 'ingested' THEN PERFORM pg_sleep(coalesce(current_setting('test.stay', true), '0')::float); END IF;
		RETURN NEW;
	END $$;
	CREATE TRIGGER stay BEFORE UPDATE ON hospital.batches FOR EACH ROW EXECUTE FUNCTION stay()));
for my $slow (qw(registrations lab_results))
{
	my $on = day($slow eq 'registrations' ? 9 : 10);
	my $quick = $slow eq 'registrations' ? 'lab_results' : 'registrations';
	write_day($lake, $on);
	my $new = sql("SELECT max(person_id) FROM hospital_generate_registrations('$on', $arguments)");
	spew("$folder/$lake/date=$on/lab_results.csv", $header{lab_results} . "99990001$slow,1,,$new,C,d,$on 10:00:00+00,1,,,,serum\n"
		=~ s/registrations/1/r =~ s/lab_results/2/r);
	settle("$folder/$lake/date=$on/lab_results.csv");
	my $session = IPC::Run::start([ 'psql', '-X', '-d', $node->connstr($db), '-c', 'SET test.stay = 2', '-c',
		"CALL hospital_ingest('$lake/date=$on/$slow.csv')" ], '>', \my $out);
	poll("$slow about to commit", "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'", 1);
	sql("CALL hospital_ingest('$lake/date=$on/$quick.csv')");
	$session->finish;
	is(outcome("day = '$on' AND kind = 'lab_results'"), 'ingested 1 0 0', 'a patient who came at the same time');
}
sql('DROP TRIGGER stay ON hospital.batches; DROP FUNCTION stay()');

# ---- rejects, mended -------------------------------------------------------

$bytes = "bed_no,ward_code,status,recorded_at,patient_id,admission_id,update_id,recorded_by\n";
($patient, $admission) = split /\|/, sql('SELECT patient_id, admission_id FROM hospital.admissions ORDER BY 2 LIMIT 1');
my $row = sub { my ($id, $bed, $at) = @_; "$bed,$ward,stable,$at,$patient,$admission,$id,$staff\n" };
sql('ALTER DATABASE undoing SET hospital.reject_percent = 100');
ingest("$lake/date=2020-08-01/status_updates.csv", $bytes . $row->('9900000001', 'x', '2020-08-01 10:00:00+00')
	  . $row->('9900000002', 1, '2020-08-01 10:00:00') . $row->('9900000003', 1, '2020-08-01 10:00:00+00')
	  . $row->('9900000003', 2, '2020-08-01 10:00:00+00') . $row->('9900000005', 0, '2020-08-01 10:00:00+00'));
is(outcome("day = '2020-08-01'"), 'ingested 1 4 0', 'four rejects');
like(said('CALL hospital_retry_rejects()'), qr/NOTICE:  00000: 0 of 4 rejects resolved/, 'nothing was mended');
is(sql("SELECT DISTINCT attempts FROM hospital.rejects WHERE day = '2020-08-01'"), 1, 'one more attempt');
sql(q(UPDATE hospital.rejects SET raw = convert_to(replace(convert_from(raw, 'UTF8'), 'x,', '7,'), 'UTF8') WHERE day = '2020-08-01' AND line = 2;
	UPDATE hospital.rejects SET raw = convert_to(replace(convert_from(raw, 'UTF8'), '10:00:00', '10:00:00+00'), 'UTF8') WHERE day = '2020-08-01' AND line = 3;
	UPDATE hospital.rejects SET raw = raw || raw WHERE day = '2020-08-01' AND line = 6));
like(said("CALL hospital_retry_rejects(kind => 'visits')"), qr/0 of 0/, 'another kind');
like(said("CALL hospital_retry_rejects(batch_id => " . batch('status_updates', '2020-08-01') . ')'), qr/2 of 4 rejects resolved/, 'two were mended');
is(rejects("day = '2020-08-01' AND resolved_at IS NULL"), '5 update_id 23505, 6 22P04', 'two were not');
is(sql("SELECT string_agg(concat_ws(' ', line, attempts, resolved_by), ', ' ORDER BY line) FROM hospital.rejects WHERE day = '2020-08-01'"),
	'2 2 retry, 3 2 retry, 5 2, 6 2', 'attempts are counted');
is(outcome("day = '2020-08-01'"), 'ingested 3 2 0', 'the ledger follows');
is(sql("SELECT string_agg(concat_ws(' ', update_id, bed_no), ', ' ORDER BY update_id) FROM hospital.status_updates WHERE update_id > 9900000000"),
	'9900000001 7, 9900000002 1, 9900000003 1', 'by the file\'s own order of columns');
like(said('CALL hospital_undo_batch(' . batch('status_updates', '2020-08-01') . ')'), qr/3 rows deleted/, 'undone with its mended lines');
is(sql("SELECT count(*) FROM hospital.status_updates WHERE update_id > 9900000000") . ' '
	  . sql("SELECT string_agg(concat_ws(' ', line, resolved_by), ', ' ORDER BY line) FROM hospital.rejects WHERE day = '2020-08-01'"),
	'0 2 retry, 3 retry, 5 undo, 6 undo', 'its rejects with it');
like(said('BEGIN; CALL hospital_retry_rejects()'), qr/25001/, 'not in a transaction block');
like(said("CALL hospital_retry_rejects(kind => 'saints')"), qr/22023/, 'no such kind');

# ---- rights ----------------------------------------------------------------

sql(q(CREATE ROLE nobody; CREATE ROLE reader; GRANT pg_read_server_files TO reader;
	GRANT USAGE ON SCHEMA hospital TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA hospital TO reader;
	GRANT INSERT, UPDATE ON hospital.batches, hospital.rejects TO reader));
for my $call ("hospital_ingest('$lake')", 'hospital_undo_batch(1)', 'hospital_retry_rejects()')
{
	like(said("SET ROLE nobody; CALL $call"), qr/42501: permission denied for procedure/, "no right to CALL $call");
}
my $unpaid = ingest("$lake/date=2020-08-02/status_updates.csv", $bytes . $row->('9900000010', 1, '2020-08-02 10:00:00+00')) ? 1 : 0;
sql('CALL hospital_undo_batch(' . batch('status_updates', '2020-08-02') . ')');
like(said("SET ROLE reader; CALL hospital_ingest('$lake/date=2020-08-02/status_updates.csv')"),
	qr/42501: permission denied for table status_updates/, 'no right to write to the table');
sql('GRANT INSERT ON hospital.status_updates TO reader');
is(said("SET ROLE reader; CALL hospital_ingest('$lake/date=2020-08-02/status_updates.csv')"), '', 'with it, a reader may');

# ---- large files, by chunks ------------------------------------------------

$lake = make_hospital('chunks');
write_day($lake, $_) for @days;
($patient, $admission) = (1, 1);
sql("CALL hospital_ingest('$lake/date=$_')") for @days[ 0, 1 ];
($patient, $admission) = split /\|/, sql('SELECT patient_id, admission_id FROM hospital.admissions ORDER BY 2 LIMIT 1');
sql("ALTER DATABASE chunks SET hospital.ingest_chunk = '64kB'");

# By hand: every file of a day is larger than that, or not; it makes no difference.
like(said("CALL hospital_ingest('$lake/date=$days[2]')"), qr/13 files ingested/, 'a day in chunks');
is(differences(@days[ 0 .. 2 ]), '', 'is the same');
cmp_ok(sql("SELECT count(*) FROM hospital.batches WHERE day = '$days[2]' AND bytes > 65536 AND offset_done = bytes"), '>', 1, 'and some were');
is(sql("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'staging%'"), 0, 'no staging table is left');
for my $kind (reverse @kinds)
{
	sql('CALL hospital_undo_batch(' . batch($kind, $days[2]) . ')');
}
is(differences(@days[ 0, 1 ]), '', 'and can be undone');

# Bad lines, and keys that come twice, in other chunks.
my @long;
for my $i (0 .. 9_999)
{
	my $id = 9_910_000_000 + $i;
	$id = 9_910_000_000 + $i - 5_000 if $i % 1000 == 999 && $i > 5_000;
	push @long, status_update($id, at => '2020-09-01 10:00:00+00', status => $i % 50 == 7 ? "\"two\nlines\"" : 'stable',
		bed => $i % 100 == 3 ? 'none' : 1);
}
$bytes = $header{status_updates} . join('', @long);
is(ingest($file->('2020-09-01'), $bytes), '', 'a long file with bad lines');
is(outcome("day = '2020-09-01'"), 'ingested 9895 105 0', 'every line is a row or a reject');
is(sql("SELECT string_agg(concat_ws(' ', sqlstate, n), ', ' ORDER BY sqlstate) FROM (SELECT sqlstate, count(*) AS n FROM hospital.rejects WHERE day = '2020-09-01' GROUP BY sqlstate) r"),
	'22P02 100, 23505 5', 'for its reason');
my $twice = sql("SELECT min(line) FROM hospital.rejects WHERE day = '2020-09-01' AND sqlstate = '23505'");
is( sql("SELECT convert_from(raw, 'UTF8') FROM hospital.rejects WHERE day = '2020-09-01' AND line = $twice"),
	(split /(?<=\n)(?=\d)/, $bytes)[ sql("SELECT 5999 + 1") ] =~ s/\n$//r . "\n", 'with its bytes');
like(ingest($file->('2020-09-02'), $header{status_updates} . $bytes =~ s/^.*?\n//r =~ s/2020-09-01/2020-09-02/gr =~ s/stable,\w+,\d+,1\n/stable,$ward,x,1\n/gr),
	qr/refused: \d+ of \d+ lines were rejects/, 'too many of them');
is(sql("SELECT count(*) FROM hospital.rejects WHERE day = '2020-09-02'") . sql("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'staging%'"), '00', 'nothing is left');

# Cancelled half-way; then deleted, exchanged, or made a link.
sub ingest_half
{
	my ($on, $first) = @_;
	system('mkdir', '-p', "$folder/$lake/date=$on");
	spew("$folder/" . $file->($on), $header{status_updates}
		  . join('', map { status_update($first + $_, at => "$on 10:00:00+00", bed => $_ == 5 ? 'none' : 1) } 0 .. 59_999));
	settle("$folder/" . $file->($on));
	my $state = '';
	for my $ms (map { 30 * $_ } 1 .. 100)
	{
		said("SET statement_timeout = $ms; CALL hospital_ingest('" . $file->($on) . "')");
		$state = sql("SELECT state FROM hospital.batches WHERE day = '$on'");
		last if $state ne '' && $state ne 'written';
	}
	is($state, 'loading', "$on is half-way");
	return;
}
ingest_half('2020-09-10', 9_930_000_000);
unlink "$folder/" . $file->('2020-09-10');
like(said("CALL hospital_ingest('" . $file->('2020-09-10') . "')"), qr/refused: the file is missing/, 'deleted');
ingest_half('2020-09-11', 9_931_000_000);
like(ingest($file->('2020-09-11'), slurp_bytes("$folder/" . $file->('2020-09-11')) =~ s/stable/better/r),
	qr/refused: the file has changed/, 'exchanged for another');
is(sql("SELECT count(*) FROM hospital.status_updates WHERE update_id >= 9930000000") . ' '
	  . sql("SELECT count(*) FROM hospital.rejects WHERE day IN ('2020-09-10', '2020-09-11')") . ' '
	  . sql("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'staging%'"), '0 0 0', 'nothing is kept of either');
ingest_half('2020-09-12', 9_932_000_000);
rename "$folder/" . $file->('2020-09-12'), "$outside/moved.csv";
symlink "$outside/moved.csv", "$folder/" . $file->('2020-09-12');
like(said("CALL hospital_ingest('" . $file->('2020-09-12') . "')"), qr/could not open.*HINT:  Links are not followed/s, 'a link in its place');
unlink "$folder/" . $file->('2020-09-12');
rename "$outside/moved.csv", "$folder/" . $file->('2020-09-12');
is(ingest($file->('2020-09-12')), '', 'put back, it goes on where it was');
is(outcome("day = '2020-09-12'"), 'ingested 59999 1 0', 'and every line is in once');
sql('CALL hospital_undo_batch(' . batch('status_updates', '2020-09-12') . ')');

# Two sessions in turn: what one of them has seen of the keys is not all of them.
{
	my $on = '2020-09-13';
	my $content = $header{status_updates};
	my $id = 9_933_000_000;
	while (length $content < 1_500_000)
	{
		$id++;
		$content .= status_update($id == 9_933_010_000 ? 9_933_000_001 : $id, at => "$on 10:00:00+00");
	}
	spew("$folder/" . $file->($on), $content) if mkdir "$folder/$lake/date=$on";
	settle("$folder/" . $file->($on));
	sql(q(CREATE FUNCTION stop_there() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			IF NEW.state = coalesce(current_setting('test.state', true), 'loading') AND NEW.offset_done > current_setting('test.stop', true)::bigint THEN RAISE 'that far'; END IF;
			RETURN NEW;
		END $$;
		CREATE TRIGGER stop_there BEFORE UPDATE ON hospital.batches FOR EACH ROW EXECUTE FUNCTION stop_there()));
	my $call = "CALL hospital_ingest('" . $file->($on) . "');";
	my $other = "psql -X -d '" . $node->connstr($db) . "' -c 'SET test.stop = 900000' -c \"$call\"";
	said("SET test.stop = 300000;\n$call\n\\! $other 2>&1 >/dev/null\nSET test.stop = 9000000;\n$call", on_error_stop => 0);
	is(sql("SELECT message FROM hospital.rejects WHERE day = '$on'"), 'the same key is in an earlier line of the file',
		'a key that comes twice, of which two sessions saw one each');
	is(outcome("day = '$on'"), 'ingested ' . ($content =~ tr/\n// - 2) . ' 1 0', 'and all else is in');

	# What a staging table's owner may do to it meanwhile.
	$on = '2020-09-14';
	spew("$folder/" . $file->($on), $content =~ s/2020-09-13/$on/gr =~ s/^9933/9934/gmr) if mkdir "$folder/$lake/date=$on";
	settle("$folder/" . $file->($on));
	$call = "CALL hospital_ingest('" . $file->($on) . "')";
	like(said("SET test.state = 'ingested'; SET test.stop = 0; $call"), qr/that far/, 'a large file, all of it staged');
	my $staging = 'hospital.staging_' . sql("SELECT batch_id FROM hospital.batches WHERE day = '$on' AND state = 'loading'");
	sql("ALTER TABLE $staging ALTER COLUMN status TYPE bigint USING 8, ALTER COLUMN ward_code TYPE bigint USING 16");
	like(said($call), qr/WARNING.*refused: rows cannot be kept in "staging_\d+"/s, 'its rows are not what they were');
	is(sql("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'staging%'"), 0, 'and are gone');
	sql('DROP TRIGGER stop_there ON hospital.batches; DROP FUNCTION stop_there(); CALL hospital_undo_batch('
		. batch('status_updates', '2020-09-13') . ')');
}

# By the worker, which is killed again and again.
for my $day (@days[ 2, 3 ])
{
	for my $kind (@kinds)
	{
		sql("INSERT INTO hospital.batches (kind, day, file, sha256, bytes, state)
			SELECT '$kind', '$day', '$lake/date=$day/$kind.csv', encode(sha256(b), 'hex'), length(b), 'written'
			FROM pg_read_binary_file('$folder/$lake/date=$day/$kind.csv') b");
	}
}
@long = map { status_update(9_920_000_000 + $_, at => '2020-09-03 10:00:00+00', bed => $_ % 1000 == 3 ? 'none' : 1) } 0 .. 49_999;
system('mkdir', '-p', "$folder/$lake/date=2020-09-03");
spew("$folder/" . $file->('2020-09-03'), $header{status_updates} . join('', @long));
sql("INSERT INTO hospital.batches (kind, day, file, sha256, bytes, state)
	SELECT 'status_updates', '2020-09-03', '" . $file->('2020-09-03') . "', encode(sha256(b), 'hex'), length(b), 'written'
	FROM pg_read_binary_file('$folder/" . $file->('2020-09-03') . "') b");
$node->append_conf('postgresql.conf', qq(
hospital.databases = 'chunks'
hospital.ingest_chunk = '64kB'
hospital.ingest_workers = 2
));
$node->reload;
sql('SELECT hospital_start()');
my $killed = 0;
my $resumed = 0;
for my $round (1 .. 200)
{
	my $done = try_query(q(SELECT count(*) FILTER (WHERE state IN ('written', 'loading')) || ' ' || count(*) FILTER (WHERE state = 'loading' AND offset_done > 0)
		FROM hospital.batches));
	last if defined $done && $done =~ /^0 /;
	$resumed++ if defined $done && $done =~ / [1-9]/;
	my $pid = try_query("SELECT pid FROM hospital_status() WHERE role = 'ingestor' AND pid IS NOT NULL ORDER BY random() LIMIT 1");
	if (defined $pid && $pid ne '' && $killed < 15)
	{
		usleep(10_000 * (($round * 7) % 31));
		kill 'KILL', $pid;
		$killed++;
	}
	usleep(300_000);
}
poll("all files are in, after $killed kills, of which $resumed found a file half-way",
	q(SELECT count(*) FROM hospital.batches WHERE state IN ('written', 'loading')), 0);
is(outcome("day = '2020-09-03'"), 'ingested 49950 50 0', 'the long one, too');
sql("DELETE FROM hospital.status_updates WHERE update_id > 9900000000");
is(differences(@days), '', 'nothing lost, nothing doubled');
is(sql('SELECT count(*) FROM (SELECT line FROM hospital.rejects WHERE batch_id = (SELECT max(batch_id) FROM hospital.batches) GROUP BY line HAVING count(*) > 1) x'),
	0, 'no reject twice');
is(sql("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'staging%'"), 0, 'no staging table is left');
sql('SELECT hospital_stop()');
poll('stopped', q(SELECT count(*) FROM hospital.status WHERE database = 'chunks' AND pid IS NOT NULL), 0);

# ---- several at once -------------------------------------------------------

$lake = make_hospital('several');
write_day($lake, $_) for @days;
for my $day (@days)
{
	for my $kind (reverse @kinds)
	{
		sql("INSERT INTO hospital.batches (kind, day, file, sha256, bytes, state)
			SELECT '$kind', '$day', '$lake/date=$day/$kind.csv', encode(sha256(b), 'hex'), length(b), 'written'
			FROM pg_read_binary_file('$folder/$lake/date=$day/$kind.csv') b");
	}
}
$node->append_conf('postgresql.conf', qq(
hospital.databases = 'several'
hospital.ingest_chunk = '64MB'
hospital.ingest_workers = 3
));
$node->reload;
sql('SELECT hospital_start()');
my @sessions = map { start_ingest("$lake/date=$_") } @days[ 1, 2, 1 ];
$_->{run}->finish for @sessions;
poll('workers and sessions at once', q(SELECT count(*) FROM hospital.batches WHERE state = 'ingested'), 52);
is(differences(@days), '', 'each line is in once');
is(sql('SELECT count(*) FROM hospital.rejects WHERE resolved_at IS NULL'), 0, 'and nobody waits');
is(sql("SELECT count(*) FROM hospital_status() WHERE role = 'ingestor' AND pid IS NOT NULL"), 3, 'three ingestors');
$node->append_conf('postgresql.conf', 'hospital.ingest_workers = 1');
$node->reload;
poll('fewer of them', "SELECT count(*) FROM hospital_status() WHERE role = 'ingestor' AND pid IS NOT NULL", 1);
sql('SELECT hospital_stop()');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|signal 11|signal 6/, 'nothing crashed that was not killed');

$node->stop;
done_testing();
