# 013_staff.pl: staff and shifts over the whole history.
#
# test/sql/staff_invariants.sql shares no code with the generator; here it runs
# over hospitals of several sizes and seeds.  Then the loader of staff: rows
# are the generator's, a rerun completes what is missing and doubles nothing.
use strict;
use warnings;

use File::Basename;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $quick = $ENV{HOSPITAL_TEST_QUICK};
my $seed = $ENV{HOSPITAL_TEST_SEED} || 1 + int(rand(1_000_000));
note("HOSPITAL_TEST_SEED=$seed");
srand($seed);

my $sql = dirname(__FILE__) . '/../sql/staff_invariants.sql';
my $node = PostgreSQL::Test::Cluster->new('staff');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->append_conf('postgresql.conf', "fsync = off\nstatement_timeout = '5min'\nautovacuum = off\nwork_mem = '64MB'\nmax_wal_size = 2GB");
$node->start;

sub hospital
{
	my ($db, %of) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $db");
	$node->safe_psql($db, 'CREATE EXTENSION hospital');
	$node->safe_psql($db, "LOAD 'hospital'; CALL hospital_create(" . join(', ', map { "$_ => $of{$_}" } sort keys %of) . ')');
}

sub differences
{
	my ($db) = @_;

	return $node->safe_psql($db, <<'EOQ');
WITH s AS (SELECT * FROM hospital.simulation),
staff AS (SELECT g.* FROM s, hospital_generate_staff(s.beds, s.seed, s.start_date, s.end_date, s.id_mode) g),
shifts AS (SELECT g.* FROM s, hospital_generate_staff_assignments(s.start_date, s.end_date, s.beds, s.seed, s.start_date, s.end_date) g)
SELECT (SELECT count(*) FROM (TABLE staff EXCEPT ALL TABLE hospital.staff) x) || ' ' ||
       (SELECT count(*) FROM (TABLE hospital.staff EXCEPT ALL TABLE staff) x) || ' ' ||
       (SELECT count(*) FROM (TABLE shifts EXCEPT ALL TABLE hospital.staff_assignments) x) || ' ' ||
       (SELECT count(*) FROM (TABLE hospital.staff_assignments EXCEPT ALL TABLE shifts) x)
EOQ
}

sub keys_of
{
	my ($db) = @_;

	return $node->safe_psql($db,
		"SELECT string_agg(conname, ' ' ORDER BY conname) FROM pg_constraint"
		  . " WHERE conrelid IN ('hospital.staff'::regclass, 'hospital.staff_assignments'::regclass) AND contype IN ('p', 'u')");
}

# Every line of the invariants' answer ends in its verdict.
sub invariants_ok
{
	my ($db, $name, $beds, $from, $until, $targets) = @_;
	my ($stdout, $stderr);
	my $rc = $node->psql($db, slurp_file($sql), stdout => \$stdout, stderr => \$stderr, on_error_stop => 1,
		extra_params => [ '-v', "beds=$beds", '-v', "from_day=$from", '-v', "until_day=$until" ]);

	is($rc, 0, "$name: the invariants can be checked") or diag($stderr);
	my @lines = split /\n/, $stdout;
	my @checks = grep { tr/|// == 2 } @lines;
	my @found = grep { tr/|// > 2 } @lines;

	cmp_ok(scalar(@checks), '>=', 20, "$name: all checks were made");
	foreach my $check (@checks)
	{
		my ($what, $violations, $ok) = split /\|/, $check;

		# a department of one doctor cannot have one on call every night
		next if $beds < 300 && $what =~ /^departments: a doctor on call/;
		is("$violations $ok", '0 t', "$name: $what");
	}
	return unless $targets;
	foreach my $found (@found)
	{
		my ($what, $target, $tolerance, $days, $least, $most, $ok) = split /\|/, $found;

		is($ok, 't', "$name: $what is $least to $most on $days days, target $target +- $tolerance");
	}
}

# ---- the whole history of the hospital that everybody gets -------------------

my @size = $quick ? ("'2020-01-01'", "'2020-12-31'") : ("'2020-01-01'", "'2025-12-31'");
hospital('whole', people => 1000, start_date => $size[0], end_date => $size[1]);
{
	my $stderr;
	$node->psql('whole', 'CALL hospital_load_staff()', stderr => \$stderr);
	unlike($stderr, qr/ERROR|WARNING|NOTICE/, 'staff and shifts are loaded');
	like($stderr, qr/INFO:.*staff members of/, 'progress of staff is told');
	like($stderr, qr/INFO:.*shifts \(100 % of the days\)/, 'and of shifts');
	is(keys_of('whole'), 'staff_assignments_pkey staff_national_id_key staff_pkey', 'keys exist');
	invariants_ok('whole', '1,100 beds', 1100, map({ tr/'//dr } @size), !$quick);
	my $until = $size[1];
	is($node->safe_psql('whole', "SELECT count(*) FROM hospital.staff_assignments WHERE (starts_at AT TIME ZONE 'Africa/Johannesburg')::date NOT BETWEEN $size[0] AND $until"),
		'0', 'no shift begins outside the simulation');
	is($node->safe_psql('whole', 'SELECT count(*) FROM hospital.staff WHERE NOT hospital_national_id_valid(national_id)'),
		'0', 'the domain\'s own check agrees');
	# a later end date only adds people at the end
	is($node->safe_psql('whole', "SELECT count(*) FROM (SELECT staff_id, national_id, hired_on FROM hospital_generate_staff(1100, 42, $size[0], '2020-06-30')"
			. " EXCEPT SELECT staff_id, national_id, hired_on FROM hospital.staff) x"), '0', 'fewer days have a prefix of the staff');
	# nobody is also one of the city's people
	is($node->safe_psql('whole', "SELECT count(*) FROM hospital.staff s JOIN hospital_generate_people(" . ($quick ? 500_000 : 2_000_000) . ") p USING (national_id)"),
		'0', 'no identity number is also one of the people\'s');
}

# ---- other sizes, seeds and days ---------------------------------------------

foreach my $of ([ 200, '2019-11-15', '2020-12-31' ], [ 333 + int(rand(500)), '2024-02-29', '2025-03-01' ],
	$quick ? () : [ 2500, '2023-12-31', '2024-03-31' ])
{
	my ($beds, $from, $until) = @$of;
	my $db = "beds_$beds";

	hospital($db, people => 1000, beds => $beds, seed => $seed, start_date => "'$from'", end_date => "'$until'");
	$node->safe_psql($db, 'CALL hospital_load_staff(workers => 1)');
	invariants_ok($db, "$beds beds", $beds, $from, $until, 0);
	is(differences($db), '0 0 0 0', "$beds beds: the rows are the generator's");
	$node->safe_psql('postgres', "DROP DATABASE $db") unless $beds == 200;
}

# ---- the loader of staff -------------------------------------------------------

my $db = 'beds_200';
foreach my $workers (0, 2, 4)
{
	$node->safe_psql($db, 'TRUNCATE hospital.staff, hospital.staff_assignments');
	$node->safe_psql($db, "CALL hospital_load_staff(workers => $workers)");
	is(differences($db), '0 0 0 0', "$workers workers: the rows are the generator's");
	is(keys_of($db), 'staff_assignments_pkey staff_national_id_key staff_pkey', "$workers workers: keys exist");
}
my $sizes = "SELECT pg_relation_size('hospital.staff'), pg_relation_size('hospital.staff_assignments')";
my $before = $node->safe_psql($db, $sizes);
$node->safe_psql($db, 'CALL hospital_load_staff()');
is($node->safe_psql($db, $sizes), $before, 'a rerun writes nothing');
$node->safe_psql($db, 'DELETE FROM hospital.staff WHERE staff_id % 10 = 3');
$node->safe_psql($db, 'CALL hospital_load_staff()');
is(differences($db), '0 0 0 0', 'staff taken out is put back');
$node->safe_psql($db, "DELETE FROM hospital.staff_assignments WHERE assignment_id / 100000 % 50 = 7 OR assignment_id / 100000 < 7400");
$node->safe_psql($db, 'CALL hospital_load_staff(workers => 2)');
is(differences($db), '0 0 0 0', 'days of shifts taken out are put back');
$node->safe_psql($db, 'DELETE FROM hospital.staff_assignments WHERE assignment_id % 1000 = 5');
$node->safe_psql($db, 'CALL hospital_load_staff(workers => 2)');
is(differences($db), '0 0 0 0', 'single shifts taken out are put back');

$node->stop;
done_testing();
