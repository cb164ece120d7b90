# 024_dirty.pl: dirty data, graded.
#
# A hospital whose day files have bad lines, each of them known to
# hospital.faults.  What the ingestor rejected is compared with that, line by
# line: all of it and nothing else, each fault with an SQLSTATE of its class;
# and the tables have the clean rows, all of them and no other.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $quick = $ENV{HOSPITAL_TEST_QUICK};
my $seed = $ENV{HOSPITAL_TEST_SEED} || 1 + int(rand(1_000_000));
note("HOSPITAL_TEST_SEED=$seed");
srand($seed);

my $node = PostgreSQL::Test::Cluster->new('dirty');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
my $folder = $node->basedir . '/folder';
mkdir $folder or die "$folder: $!";
$node->append_conf('postgresql.conf', qq(
fsync = off
statement_timeout = '90s'
hospital.data_folder = '$folder'
));
$node->start;

# docs/day-files.md says what each of them is
my %classes = (
	'malformed' => '22P04',    # bad_copy_file_format
	'wrong type' => '22007 22P02',    # not a date or time; not a number, a UUID
	'duplicate' => '23505',    # unique_violation
	'late' => '23514',    # check_violation: another day's file
	'orphan' => '23503',    # foreign_key_violation
	'impossible date' => '22008 23514',    # no such day or time; a rule forbids it
	'encoding' => '22021');    # character_not_in_repertoire

my @tables = qw(staff_changes patients people admissions visits status_updates doctor_assignments transfers
  diagnoses treatments lab_results vital_signs prescriptions billing_payments);

sub make_hospital
{
	my ($db, $rate) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $db");
	$node->safe_psql($db, qq(
		CREATE EXTENSION hospital;
		CALL hospital_create(people => 50000, beds => 200, seed => $seed, name => 'ward_$db', dirty_rate => $rate,
			start_date => '2020-06-01', end_date => '2020-12-31');
		CALL hospital_load_staff()));
}

sub contents
{
	my ($db) = @_;
	return $node->safe_psql($db, join ' UNION ALL ', map {
		"SELECT '$_ ' || count(*) || ' ' || coalesce(md5(string_agg(t::text, ',' ORDER BY t::text COLLATE \"C\")), '') FROM hospital.$_ t" } @tables);
}

# By (day, kind, line), both ways; by fault; by bytes; by ledger.
sub graded
{
	my ($db, $what) = @_;

	is( $node->safe_psql($db, q(
			SELECT count(*) FILTER (WHERE f.fault_id IS NULL) || ' ' || count(*) FILTER (WHERE r.reject_id IS NULL)
			FROM hospital.faults f FULL JOIN (SELECT * FROM hospital.rejects WHERE resolved_at IS NULL) r USING (day, kind, line))),
		'0 0', "$what: no good line is rejected, no bad one taken")
	  or diag($node->safe_psql($db, q(
			SELECT coalesce(f.fault, 'no fault'), day, kind, line, r.sqlstate, r.message, encode(coalesce(r.raw, f.raw), 'escape')
			FROM hospital.faults f FULL JOIN (SELECT * FROM hospital.rejects WHERE resolved_at IS NULL) r USING (day, kind, line)
			WHERE f.fault_id IS NULL OR r.reject_id IS NULL LIMIT 10)));
	is( $node->safe_psql($db, q(SELECT count(*) - count(DISTINCT (day, kind, line)) FROM hospital.rejects WHERE resolved_at IS NULL)),
		0, "$what: each once");
	my %found = map { split /\|/, $_, 2 } split /\n/, $node->safe_psql($db, q(
		SELECT f.fault, string_agg(DISTINCT r.sqlstate, ' ' ORDER BY r.sqlstate)
		FROM hospital.faults f JOIN hospital.rejects r USING (day, kind, line) WHERE r.resolved_at IS NULL GROUP BY f.fault));
	is($found{$_} || '', $classes{$_}, "$what: $_ is $classes{$_}") for sort keys %classes;
	is(scalar(grep { !exists $classes{$_} } keys %found), 0, "$what: no other fault");
	is( $node->safe_psql($db, q(
			SELECT count(*) FROM hospital.faults f JOIN hospital.rejects r USING (day, kind, line)
			WHERE r.resolved_at IS NULL AND f.raw IS DISTINCT FROM r.raw)),
		0, "$what: with its bytes");
	is( $node->safe_psql($db, q(
			SELECT count(*) FROM hospital.rejects
			WHERE resolved_at IS NULL AND (sqlstate = '23503') <> (reference IS NOT NULL)
				OR message IS NULL OR message = '' OR encoding <> 'UTF8')),
		0, "$what: and the reason");
	# Which column is at fault may be seen from either side where two must agree.
	my ($same, $all) = split /\|/, $node->safe_psql($db, q(
			SELECT count(*) FILTER (WHERE f.column_name = r.column_name), count(*)
			FROM hospital.faults f JOIN hospital.rejects r USING (day, kind, line)
			WHERE r.resolved_at IS NULL AND f.column_name IS NOT NULL));
	cmp_ok($same, '>=', 0.97 * $all, "$what: in $same of $all cases the same column");
	is( $node->safe_psql($db, q(
			SELECT count(*) FROM hospital.batches b
			LEFT JOIN (SELECT day, kind, count(*) AS n FROM hospital.faults GROUP BY 1, 2) f USING (day, kind)
			WHERE b.state <> 'undone' AND (b.state <> 'ingested' OR b.rejects <> coalesce(f.n, 0)))),
		0, "$what: the ledger counts as many");
	is( $node->safe_psql($db, q(
			SELECT coalesce(string_agg(v::text, '; '), '') FROM (SELECT min(day) AS lo, max(day) AS hi FROM hospital.batches) d,
				LATERAL hospital_validate(d.lo, d.hi) v WHERE NOT v.ok)),
		'', "$what: hospital_validate finds the clean rows, and no other");
	return;
}

# ---- as the files are written --------------------------------------------------------

my $days = $quick ? 5 : 14;
make_hospital('clean', 0);
make_hospital('dirty', 0.03);
$node->safe_psql($_, "CALL hospital_run($days)") for 'clean', 'dirty';

my ($good, $bad) = split /\|/, $node->safe_psql('dirty', q(SELECT sum(rows), (SELECT count(*) FROM hospital.faults) FROM hospital.batches));
cmp_ok(abs($bad - 0.03 * $good), '<', 6 * sqrt(0.03 * $good), "$bad bad lines for $good good ones, at a rate of 0.03");
is($node->safe_psql('dirty', q(SELECT count(DISTINCT kind) FROM hospital.faults)), $days < 10 ? 12 : 12 + $node->safe_psql('dirty',
	q(SELECT count(DISTINCT kind) FROM hospital.faults WHERE kind = 'staff_changes')), 'every kind of file has some');
graded('dirty', 'run');
is(contents('dirty'), contents('clean'), 'run: the tables are those of a hospital without bad lines');
is($node->safe_psql('clean', q(SELECT count(*) FROM hospital.rejects) . ' UNION ALL ' . q(SELECT count(*) FROM hospital.faults)), "0\n0",
	'which has no rejects');

# Undone and ingested anew: the same once more.
my $batch = $node->safe_psql('dirty', q(
	SELECT batch_id || '|' || file FROM hospital.batches WHERE kind = 'vital_signs' AND rejects > 0 ORDER BY day DESC LIMIT 1));
my ($id, $file) = split /\|/, $batch;
$node->safe_psql('dirty', "CALL hospital_undo_batch($id)");
$node->safe_psql('dirty', "CALL hospital_ingest('$file')");
graded('dirty', 'undone and ingested anew');
is(contents('dirty'), contents('clean'), 'undone and ingested anew: the same tables');

# ---- the same files by hand, in another order ------------------------------------------

# Another database, into which the files come as from elsewhere: the last day first.
# An orphan waits for somebody who never comes; all others find their references in the end.
$node->safe_psql('postgres', 'CREATE DATABASE backwards');
$node->safe_psql('backwards', qq(
	CREATE EXTENSION hospital;
	CALL hospital_create(people => 50000, beds => 200, seed => $seed, name => 'ward_dirty', dirty_rate => 0.03,
		start_date => '2020-06-01', end_date => '2020-12-31');
	CALL hospital_load_staff()));
foreach my $path (reverse split /\n/, $node->safe_psql('dirty', q(SELECT DISTINCT regexp_replace(file, '/[^/]*$', '') FROM hospital.batches ORDER BY 1)))
{
	$node->safe_psql('backwards', "CALL hospital_ingest('$path')");
}
$node->safe_psql('backwards', $node->safe_psql('dirty', q(
	SELECT format('INSERT INTO hospital.faults (day, kind, line, fault, column_name, raw) VALUES (%L, %L, %L, %L, %L, %L);',
		day, kind, line, fault, column_name, raw) FROM hospital.faults)));
graded('backwards', 'backwards');
is(contents('backwards'), contents('clean'), 'backwards: the same tables');

# What is tried again stays what it is.
$node->safe_psql('dirty', 'CALL hospital_retry_rejects()');
is($node->safe_psql('dirty', q(SELECT count(*) FILTER (WHERE resolved_by = 'retry') FROM hospital.rejects)), 0, 'no retry mends them');
graded('dirty', 'tried again');

unlike(slurp_file($node->logfile), qr/PANIC|TRAP|signal 11|signal 6/, 'nothing crashed');
$node->stop;
done_testing();
