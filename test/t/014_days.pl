# 014_days.pl: hospital days, from the outside.
#
# test/sql/day_invariants.sql shares no code with the generator; here it runs
# over hospitals of several sizes after some weeks, and over one whose rows were
# spoilt, where each check must find what was spoilt for it.  Then: a day is the
# same however it is asked for.
use strict;
use warnings;

use File::Basename;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $quick = $ENV{HOSPITAL_TEST_QUICK};
my $seed = $ENV{HOSPITAL_TEST_SEED} || 1 + int(rand(1_000_000));
note("HOSPITAL_TEST_SEED=$seed");
srand($seed);

my $invariants = dirname(__FILE__) . '/../sql/day_invariants.sql';
my $spoil = dirname(__FILE__) . '/../sql/day_spoilt.sql';
my $node = PostgreSQL::Test::Cluster->new('day');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
my $folder = $node->basedir . '/folder';
mkdir $folder or die "$folder: $!";
$node->append_conf('postgresql.conf', qq(
fsync = off
autovacuum = off
shared_buffers = 256MB
max_wal_size = 2GB
statement_timeout = '120s'
hospital.data_folder = '$folder'
));
$node->start;

my @kinds = qw(staff_changes registrations admissions visits status_updates doctor_assignments transfers
  diagnoses treatments lab_results vital_signs prescriptions billing_payments);

sub hospital
{
	my ($db, $days, %of) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $db");
	$node->safe_psql($db, 'CREATE EXTENSION hospital');
	$node->safe_psql($db, 'CALL hospital_create(' . join(', ', map { "$_ => $of{$_}" } sort keys %of) . ')');
	$node->safe_psql($db, 'CALL hospital_load_staff()');
	my ($code, $out, $err) = $node->psql($db, "CALL hospital_run($days)");
	is($code, 0, "$db: $days days") or diag($err);
	my ($said) = $err =~ /(\d+ days done in .*)/;
	note("$db: $said") if defined $said;
	unlike($err, qr/rejected/, "$db: no line is rejected");
	$node->safe_psql($db, 'ANALYZE');
}

# What the SQL says: violations and an example by check; the measures.
sub answer
{
	my ($db, $before) = @_;
	my ($out, $err);
	my $rc = $node->psql($db, ($before || '') . slurp_file($invariants), stdout => \$out, stderr => \$err, on_error_stop => 1);
	is($rc, 0, "$db: the invariants can be checked") or diag($err);
	my (@checks, @measures);
	foreach my $line (split /\n/, $out)
	{
		my @field = split /\|/, $line, -1;
		push @checks, \@field if @field == 3;
		push @measures, \@field if @field == 5;
	}
	return (\@checks, \@measures);
}

my %violations;
sub invariants_ok
{
	my ($db) = @_;
	my ($checks, $measures) = answer($db);

	cmp_ok(scalar(@$checks), '>=', 75, "$db: all checks were made");
	foreach my $check (@$checks)
	{
		my ($what, $violations, $example) = @$check;
		$violations{$db}{$what} = $violations;
		is($violations, 0, "$db: $what") or diag("for example $example");
	}
	cmp_ok(scalar(@$measures), '>=', 8, "$db: all measures were taken");
	foreach my $measure (@$measures)
	{
		my ($what, $found, $least, $most, $ok) = @$measure;
		is($ok, 't', "$db: $what: $found, of $least to $most");
	}
}

sub validate_ok
{
	my ($db) = @_;
	is($node->safe_psql($db, q(SELECT count(*) FILTER (WHERE NOT ok), count(*) >= 13 FROM hospital_validate())), '0|t',
		"$db: hospital_validate finds nothing");
}

# ---- some weeks of a small hospital, a few days of the default one -------------

my $weeks = $quick ? 35 : 46;
hospital('town', $weeks, people => 200000, beds => 300, seed => $seed, start_date => q('2020-01-01'), end_date => q('2020-12-31'));
invariants_ok('town');
validate_ok('town');

hospital('standard', $quick ? 2 : 5, seed => $seed + 1, start_date => q('2021-07-01'), end_date => q('2021-12-31'));
invariants_ok('standard');
validate_ok('standard');

# The least that can be made.
hospital('village', $quick ? 10 : 24, people => 1000, beds => 200, seed => $seed + 2, id_mode => q('marked'),
	start_date => q('2023-12-20'), end_date => q('2024-12-31'));
invariants_ok('village');
validate_ok('village');
is( $node->safe_psql('village', q(
		SELECT count(*) FILTER (WHERE substr(national_id, 11, 1) NOT IN ('8', '9')), count(national_id) > 100 FROM hospital.people)),
	'0|t', 'village: identity numbers are marked');

# ---- the checks find what is spoilt ----------------------------------------------

# day_spoilt.sql breaks one thing for each check, in a transaction that is never committed.
{
	my ($checks) = answer('town', slurp_file($spoil));
	my %meant = map { /^-- spoils: (.*)$/ ? ($1 => 1) : () } split /\n/, slurp_file($spoil);
	my %known = map { $_->[0] => 1 } @$checks;
	my %blind = map { $_->[0] => 1 } grep { $_->[1] <= $violations{town}{ $_->[0] } } @$checks;

	is(join('; ', grep { !$meant{$_} } sort keys %known), '', 'something is spoilt for each check');
	is(join('; ', grep { !$known{$_} } sort keys %meant), '', 'and nothing for checks that there are not');
	is(join('; ', sort keys %blind), '', 'each check finds it');
}

# ---- a day is the same, however it is asked for ----------------------------------

# The bytes of a day's records, by kind: in binary, where no setting has a say.
sub digest
{
	my ($kind, $day, $more) = @_;
	$more ||= '';
	return "SELECT '$kind $day ' || count(*) || ' ' || coalesce(md5(string_agg(record_send(g), '')), '') "
	  . "FROM hospital_generate_$kind('$day', $seed, 200000, 300, '2020-01-01'$more) g;\n";
}

sub digests
{
	my ($day) = @_;
	return join '', map { digest($_, $day) } @kinds;
}

my ($late, $middle) = $node->safe_psql('town', "SELECT date '2020-01-01' + 80, date '2020-01-01' + 62") =~ /(\S+)\|(\S+)/;
my %expected;

# In one session, day after day.
{
	my $script = join '', map { digests($_) } split /\n/,
	  $node->safe_psql('town', "SELECT d::date FROM generate_series('$middle'::date, '$late', '1 day') d");
	foreach my $line (split /\n/, $node->safe_psql('town', $script))
	{
		my ($kind, $day, $of) = split / /, $line, 3;
		$expected{$day}{$kind} = $of;
	}
	cmp_ok(scalar(keys %{ $expected{$late} }), '==', 13, 'thirteen kinds of records');
	cmp_ok(scalar(grep { !/^0 / } values %{ $expected{$late} }), '>=', 12, 'with something in them');
	isnt($expected{$late}{$_}, $expected{$middle}{$_}, "$_: no two days are the same") for @kinds[ 1 .. 12 ];
}

sub is_expected
{
	my ($what, $found) = @_;
	my @other = grep { my ($kind, $day, $of) = split / /, $_, 3; $of ne $expected{$day}{$kind} } split /\n/, $found;
	my $lines = () = $found =~ /\n?[^\n]+/g;
	cmp_ok($lines, '>=', 13, "$what: there are answers");
	is("@other", '', "$what: the same bytes");
}

is_expected('a late day, asked for first', $node->safe_psql('town', digests($late)));
is_expected('kinds backwards', $node->safe_psql('town', join '', map { digest($_, $late) } reverse @kinds));
is_expected('days backwards', $node->safe_psql('town',
	join '', map { digests($_) } $late, $middle, reverse grep { $_ gt $middle && $_ lt $late } sort keys %expected));
is_expected('to and fro', $node->safe_psql('town', join '', map { digests($_) } $middle, $late, $middle, $late));
# (the binary form of a row has the number of a domain, which is another one there)
is_expected('in another database', $node->safe_psql('standard', join '', map { digest($_, $late) } grep { $_ ne 'registrations' } @kinds, 'visits'));
my $as_text = "SELECT md5(string_agg(g::text, '')) FROM hospital_generate_registrations('$late', $seed, 200000, 300, '2020-01-01') g";
is($node->safe_psql('standard', $as_text), $node->safe_psql('town', $as_text), 'in another database: the same registrations');
is_expected('another hospital in between', $node->safe_psql('town', digests($middle)
	  . "SELECT FROM hospital_generate_visits('2021-03-01', 99, 1000, 200, '2021-01-01') LIMIT 0;"
	  . "SELECT FROM hospital_generate_visits('2020-03-01', @{[$seed + 1]}, 200000, 300, '2020-01-01') LIMIT 0;" . digests($late)));

my $odd = q(
SET TimeZone = 'Pacific/Chatham'; SET DateStyle = 'SQL, DMY'; SET IntervalStyle = 'sql_standard'; SET extra_float_digits = -15;
SET work_mem = '64kB'; SET bytea_output = 'escape'; SET standard_conforming_strings = off; SET escape_string_warning = off;
SET search_path = pg_catalog, public; SET quote_all_identifiers = on; SET xmloption = document; SET jit = on; SET jit_above_cost = 0;
SET hospital.seed = 1; SET hospital.num_people = 1234; SET hospital.start_date = '2001-01-01'; SET hospital.end_date = '2002-01-01';
SET default_transaction_isolation = 'serializable'; SET array_nulls = off; SET datestyle = 'German';
);
my @locales = grep { /^(de|fr|tr|zu|en|C)[_.]?.*(utf-?8)?$/i } split /\n/, `locale -a`;
foreach my $locale (grep { /utf-?8$/i } @locales)
{
	$odd .= "SET $_ = '$locale';" for qw(lc_numeric lc_monetary lc_time);
}
is_expected('under odd settings', $node->safe_psql('town', $odd . digests($late)));
is_expected('under a parallel plan', $node->safe_psql('town', 'SET force_parallel_mode = on; SET parallel_setup_cost = 0;'
	  . join '', map { digest($_, $late) } map { ($_) x 3 } @kinds[ 1, 3, 6, 9, 12 ]));
is_expected('in the select list', $node->safe_psql('town', join '', map { my $q = digest($_, $late);
	$q =~ s/FROM (hospital_generate_\w+\(.*\)) g;/FROM (SELECT $1 AS g) x;/; $q } @kinds));

# Two days, and two kinds, in one query; one of them is left half read.
my $two = sub {
	my ($one, $other) = @_;
	return qq(
	SELECT 'visits $one ' || count(*) || ' ' || md5(string_agg(record_send(g), '')) FROM (
		SELECT a AS g FROM hospital_generate_visits('$one', $seed, 200000, 300, '2020-01-01') a
		WHERE EXISTS (SELECT FROM hospital_generate_diagnoses('$other', $seed, 200000, 300, '2020-01-01') b
		              WHERE b.visit_id % 7 >= a.visit_id - a.visit_id)) x;);
};
is($node->safe_psql('town', $two->($late, $middle)), "visits $late $expected{$late}{visits}", 'two days in one query');
is($node->safe_psql('town', $two->($middle, $late)), "visits $middle $expected{$middle}{visits}", 'the other way round');
is( $node->safe_psql('town', qq(
	SELECT md5(string_agg(record_send(g), '') FILTER (WHERE n = 1)) || ' ' || md5(string_agg(record_send(g), '') FILTER (WHERE n = 2))
	FROM (SELECT 1 AS n, a AS g FROM hospital_generate_visits('$late', $seed, 200000, 300, '2020-01-01') a
	      UNION ALL SELECT 2, a FROM hospital_generate_visits('$middle', $seed, 200000, 300, '2020-01-01') a) u)),
	join(' ', map { (split / /, $expected{$_}{visits})[1] } $late, $middle), 'and side by side');
is( $node->safe_psql('town', qq(
	SELECT d.day::date || ' ' || md5(string_agg(record_send(g), ''))
	FROM generate_series('$late'::date, '$middle', '-5 days') d(day),
		LATERAL hospital_generate_prescriptions(d.day::date, $seed, 200000, 300, '2020-01-01') g
	GROUP BY d.day ORDER BY d.day)),
	join("\n", map { "$_ " . (split / /, $expected{$_}{prescriptions})[1] } sort split /\n/,
		$node->safe_psql('town', "SELECT d::date FROM generate_series('$late'::date, '$middle', '-5 days') d")),
	'days from another relation');
is( $node->safe_psql('town', qq(
	BEGIN;
	DECLARE a CURSOR FOR SELECT g FROM hospital_generate_lab_results('$middle', $seed, 200000, 300, '2020-01-01') g;
	FETCH 10 FROM a \\g /dev/null
	@{[digests($late)]}
	CREATE TEMP TABLE rest AS SELECT 1;
	MOVE BACKWARD ALL IN a;
	COMMIT;)),
	join("\n", map { "$_ $late $expected{$late}{$_}" } @kinds), 'a cursor on another day is open');

# Sessions side by side, each on days of its own.
{
	my @days = sort keys %expected;
	my @session;
	for my $i (0 .. 3)
	{
		my @mine = $i % 2 ? ($late, $days[$i]) : ($days[ $i + 1 ], $middle);
		my %of = (out => '', err => '');
		$of{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('town'), map { ('-c', $_) } map { split /\n/, digests($_) } @mine ],
			'>', \$of{out}, '2>', \$of{err});
		push @session, \%of;
	}
	foreach my $i (0 .. $#session)
	{
		$session[$i]{run}->finish;
		is($session[$i]{err}, '', "session $i of four: no error");
		is_expected("session $i of four", $session[$i]{out});
	}
}

# Order, which the generators' comments promise.
foreach my $of ([ 'status_updates', 'recorded_at' ], [ 'doctor_assignments', 'starts_at' ], [ 'transfers', 'event_time' ])
{
	my ($kind, $time) = @$of;
	is( $node->safe_psql('town', qq(
		SELECT count(*) FROM (SELECT n, $time, lag($time) OVER (ORDER BY n) AS before FROM
			hospital_generate_$kind('$late', $seed, 200000, 300, '2020-01-01') WITH ORDINALITY AS g(
			@{[$node->safe_psql('town', "SELECT string_agg(quote_ident(column_name), ', ' ORDER BY number) FROM hospital_record_columns() WHERE kind = '$kind'")]}, n)) x
		WHERE before > $time)), 0, "$kind are in order of time");
}

# Realistic and marked identity numbers: nothing else differs.
is_expected('with marked identity numbers', $node->safe_psql('town',
	join '', map { digest($_, $late, q(, id_mode => 'marked')) } grep { $_ ne 'registrations' } @kinds, 'visits'));
is( $node->safe_psql('town', qq(
	SELECT count(*) FILTER (WHERE substr(m.national_id, 11, 1) NOT IN ('8', '9') OR NOT hospital_national_id_valid(m.national_id)),
		count(*) FILTER (WHERE left(m.national_id, 10) <> left(r.national_id, 10) OR (m.national_id IS NULL) <> (r.national_id IS NULL)),
		count(*) FILTER (WHERE to_jsonb(m) - 'national_id' <> to_jsonb(r) - 'national_id'),
		count(*) FILTER (WHERE r.person_id IS NULL OR m.person_id IS NULL)
	FROM hospital_generate_registrations('$late', $seed, 200000, 300, '2020-01-01', id_mode => 'marked') m
	FULL JOIN hospital_generate_registrations('$late', $seed, 200000, 300, '2020-01-01') r USING (person_id))),
	'0|0|0|0', 'marked identity numbers differ in what marks them');

# Another number of transfers is another hospital, but still a hospital.
is( $node->safe_psql('town', qq(
	SELECT string_agg((SELECT count(*) FROM hospital_generate_transfers('2020-02-10', $seed, 200000, 300, '2020-01-01', n))::text, ' ' ORDER BY n)
	FROM unnest('{0,1,15,40,150}'::int[]) n)), '0 1 15 40 150', 'as many transfers as asked for, up to one for two beds');

# On this day every bed that somebody could be moved to was taken.
is($node->safe_psql('town', "SELECT count(*) FROM hospital_generate_transfers('2021-05-29', 7, 200000, 200, '2021-05-01')"), 15,
	'in a hospital that is full patients are exchanged');

# ---- the first day -----------------------------------------------------------------

is( $node->safe_psql('town', qq(
	SELECT (SELECT count(*) > 0 AND bool_and(first_seen_on = '2020-01-01')
			FROM hospital_generate_registrations('2020-01-01', $seed, 200000, 300, '2020-01-01')),
		(SELECT count(*) > 0 AND min(arrived_at) >= '2020-01-01 00:00+02' AND bool_and(visit_date = '2020-01-01')
			FROM hospital_generate_visits('2020-01-01', $seed, 200000, 300, '2020-01-01')),
		(SELECT count(*) FROM hospital_generate_staff_changes('2020-01-01', $seed, 200000, 300, '2020-01-01') c
			WHERE c.changed_on <> '2020-01-01'))),
	't|t|0', 'the first day has a beginning and no past');
is( $node->safe_psql('town', qq(
	SELECT count(*) > 0 FROM hospital_generate_admissions('2099-06-05', $seed, 1000, 200, '2099-06-01'))), 't', 'eighty years on');

# ---- nothing of a day is of another day ---------------------------------------------

# Shortly before midnight: a twin is born after it, a patient is moved, a result comes.
# The first seed once had such a twin on the twelfth day.
foreach my $s (4711, map { $seed + $_ } 1 .. ($quick ? 2 : 6))
{
	my $times = join ' UNION ALL ', map {
		my ($kind, $id, $time) = @$_;
		"SELECT '$kind $s ' || d.day::date || ' ' || $id AS what FROM hospital_generate_$kind(d.day::date, $s, 200000, 300, '2020-01-01')"
		  . " WHERE ($time AT TIME ZONE 'Africa/Johannesburg')::date <> d.day::date"
		  . ""
	} [ 'status_updates', 'update_id', 'recorded_at' ], [ 'doctor_assignments', 'doctor_assignment_id', 'starts_at' ],
	  [ 'diagnoses', 'diagnosis_id', 'at' ], [ 'treatments', 'treatment_id', 'at' ], [ 'lab_results', 'lab_result_id', 'at' ],
	  [ 'vital_signs', 'vital_signs_id', 'at' ], [ 'prescriptions', 'prescription_id', 'prescribed_at' ],
	  [ 'visits', 'visit_id', 'CASE WHEN left_at IS NULL OR admission_id IS NULL THEN arrived_at ELSE left_at END' ],
	  [ 'admissions', 'admission_id', 'coalesce(discharged_at, admitted_at)' ];
	is( $node->safe_psql('town', "SELECT x.what FROM generate_series(timestamp '2020-01-01', '2020-02-20', '1 day') d(day), LATERAL ($times) x LIMIT 3"),
		'', "seed $s: the records of each day are of that day");
}

# ---- bad arguments -----------------------------------------------------------------

sub error_of
{
	my ($query) = @_;
	my ($code, $out, $err) = $node->psql('town', $query, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return $err;
}

foreach my $kind (@kinds)
{
	my $call = sub { return error_of("SELECT count(*) FROM hospital_generate_$kind($_[0])") };
	like($call->(q('2019-12-31')), qr/22023: the hospital has no such day.*DETAIL:.*HINT:/s, "$kind: before the first day");
	like($call->(q('2020-01-02', people => 999)), qr/22023: .* city of 999 people.*DETAIL:.*1000.*HINT:/s, "$kind: too few people");
	like($call->(q('2020-01-02', beds => 199)), qr/22023: .* 199 beds.*DETAIL:.*200 and 10000.*HINT:/s, "$kind: too few beds");
	like($call->(q('2020-01-02', transfers => -1)), qr/22023: .*-1 transfers.*DETAIL:.*between 0 and 550, for 1100 beds/s, "$kind: transfers below zero");
	like($call->(q('2020-01-02', id_mode => 'fake')), qr/22023: unknown id_mode "fake".*HINT:.*marked/s, "$kind: id_mode");
}
like(error_of("SELECT FROM hospital_generate_visits($_)"), qr/22023: /, "visits: $_")
  for q('infinity'), q('-infinity'), q('2020-01-02', start_date => '-infinity'), q('2101-01-01', start_date => '2101-01-01'),
  q('1999-12-31', start_date => '1999-12-01'), q('2000-01-02', start_date => '1999-12-31'), q('2100-01-01', start_date => '2100-01-01'),
  q('1969-12-31', start_date => '1969-01-01'), q('2020-01-02', people => 1000000000000), q('2020-01-02', beds => 10001),
  q('2020-01-02', transfers => 551), q('2020-01-02', beds => 10000, transfers => 1001), q('2020-01-02', id_mode => '');
is($node->safe_psql('town', "SELECT count(*) FROM hospital_generate_visits($_)"), 0, "visits: $_, no rows")
  for 'NULL', q('2020-01-02', seed => NULL), q('2020-01-02', id_mode => NULL);
is($node->safe_psql('town', "SELECT count(*) > 0 FROM hospital_generate_visits('2020-01-02', seed => $_)"), 't', "seed $_")
  for 0, -1, '9223372036854775807', "'-9223372036854775808'";

unlike(slurp_file($node->logfile), qr/PANIC|TRAP|signal 11|signal 6/, 'nothing crashed');
$node->stop;
done_testing();
