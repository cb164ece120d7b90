# Day files into tables: what is accepted, what becomes a reject, what is
# refused; order, crashes, chunks, undoing and trying again.

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
	my ($code, $out, $err) = $node->psql($db, $query, timeout => 30, timed_out => \my $slow);
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

# The files of a day, by COPY: what anybody's producer would write.
sub write_day
{
	my ($lake, $day) = @_;
	system('mkdir', '-p', "$folder/$lake/date=$day") == 0 or die;
	for my $kind (@kinds)
	{
		sql(qq(SET TimeZone = 'UTC'; COPY (SELECT * FROM hospital_generate_$kind('$day', $arguments))
			TO '$folder/$lake/date=$day/$kind.csv' CSV HEADER));
		settle("$folder/$lake/date=$day/$kind.csv");
	}
}

# What differs between the tables and the records of these days; '' is nothing.
sub differences
{
	my @days = @_;
	my @found;
	for my $kind (@kinds)
	{
		my $records = join(' UNION ALL ',
			map { "SELECT * FROM hospital_generate_$kind('$_', $arguments)" } @days);
		$records = "SELECT DISTINCT ON ($key{$kind}) * FROM ($records) g ORDER BY $key{$kind}, $completes{$kind}"
		  if $completes{$kind};
		my $table = "TABLE hospital.$kind";
		if ($kind eq 'registrations')
		{
			$records = qq(SELECT person_id, folder_no, first_name || ' ' || last_name, date_of_birth,
				CASE sex WHEN 'F' THEN 'Female' ELSE 'Male' END, blood_type, phone, insurance_id, patient_class,
				origin, first_seen_on, deceased_at FROM ($records) r);
			$table = 'TABLE hospital.patients';
		}
		my $n = sql(qq(WITH made AS MATERIALIZED ($records)
			SELECT (SELECT count(*) FROM (TABLE made EXCEPT ALL $table) m) || ' missing, '
				|| (SELECT count(*) FROM ($table EXCEPT ALL TABLE made) s) || ' surplus'));
		push @found, "$kind: $n" if $n ne '0 missing, 0 surplus';
	}
	return join('; ', @found);
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

$node->stop;
done_testing();
