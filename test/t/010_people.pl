# 010_people.pl: a million people, looked at from outside.
#
# A million people and more: identity numbers, the targets of targets.csv that
# concern people, memory, temporary files, parallel plans, EvalPlanQual, and
# what an interrupted INSERT leaves behind.
#
# Nothing here is taken from the generator: check digit, ages and sexes are
# worked out in SQL from the columns alone.
use strict;
use warnings;

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $quick = $ENV{HOSPITAL_TEST_QUICK} ? 1 : 0;
my $n = 1_000_000;
my $many = $quick ? 500_000 : 2_000_000;

my $node = PostgreSQL::Test::Cluster->new('people');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->append_conf('postgresql.conf', <<'CONF');
fsync = off
max_wal_size = 4GB
shared_buffers = 256MB
max_parallel_workers = 8
max_worker_processes = 16
track_counts = on
log_temp_files = 0
timezone = 'Africa/Johannesburg'
CONF
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION hospital');
my $version = $node->safe_psql('postgres', 'SHOW server_version_num');

# A psql that stays: ask() sends a statement and returns what it printed.
sub session
{
	my %s = (in => '', out => '', err => '');
	$s{run} = IPC::Run::start(
		[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=0', '-d', $node->connstr('postgres') ],
		'<', \$s{in}, '>', \$s{out}, '2>', \$s{err},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return \%s;
}

sub send_statement
{
	my ($s, $statement) = @_;
	$s->{mark}++;
	$s->{in} .= "$statement;\n\\echo done-$s->{mark}\n";
	# pump() would wait for output, which may be long in coming
	do { $s->{run}->pump_nb; usleep(1_000) } while length $s->{in};
	return;
}

sub answer
{
	my ($s) = @_;
	my $mark = "done-$s->{mark}\n";
	$s->{run}->pump until $s->{out} =~ /^\Q$mark\E/m;
	my $out = $s->{out};
	$s->{out} = '';
	$out =~ s/^\Q$mark\E//m;
	chomp $out;
	return $out;
}

sub ask
{
	my ($s, $statement) = @_;
	send_statement($s, $statement);
	return answer($s);
}

# ---- a million people ----------------------------------------------------

# Luhn over a text column; each digit taken by itself.
sub luhn
{
	my ($column) = @_;
	my $sum = join ' + ', map {
		my $d = "substr($column, $_, 1)::int";
		$_ % 2 ? $d : "(2 * $d) / 10 + (2 * $d) % 10"
	} 1 .. 12;
	return "(10 - ($sum) % 10) % 10 = substr($column, 13, 1)::int";
}

my @violations = (
	[ 'a row for each number', 'abs(count(*) - :n) + abs(count(DISTINCT person_id) - :n) + abs(max(person_id) - :n) + abs(min(person_id) - 1)' ],
	[ 'thirteen digits', q{count(*) FILTER (WHERE national_id !~ '^[0-9]{13}$')} ],
	[ 'check digit', 'count(*) FILTER (WHERE NOT (' . luhn('national_id') . '))' ],
	[ 'number is of the birth date', q{count(*) FILTER (WHERE substr(national_id, 1, 6) <> right(extract(year FROM date_of_birth)::text, 2)
		|| lpad(extract(month FROM date_of_birth)::text, 2, '0') || lpad(extract(day FROM date_of_birth)::text, 2, '0'))} ],
	[ 'number is of the sex', q{count(*) FILTER (WHERE national_id IS NOT NULL AND CASE WHEN substr(national_id, 7, 1)::int < 5 THEN 'F' ELSE 'M' END <> sex)} ],
	[ 'number is of the citizenship', q{count(*) FILTER (WHERE substr(national_id, 11, 1) <> CASE WHEN citizenship = 'ZA' THEN '0' ELSE '1' END)} ],
	[ 'A is 8', q{count(*) FILTER (WHERE substr(national_id, 12, 1) <> '8')} ],
	[ 'numbers are unique', 'count(national_id) - count(DISTINCT national_id)' ],
	[ 'numbers are unique without C and A', 'count(national_id) - count(DISTINCT left(national_id, 10))' ],
	[ 'every citizen has a number', q{count(*) FILTER (WHERE citizenship = 'ZA' AND national_id IS NULL)} ],
	[ 'no citizen has a foreign passport', q{count(*) FILTER (WHERE citizenship = 'ZA' AND passport_no IS NOT NULL)} ],
	[ 'number or passport, not both', 'count(*) FILTER (WHERE national_id IS NOT NULL AND passport_no IS NOT NULL)' ],
	[ 'passports are unique in a country', q{count(passport_no) - count(DISTINCT citizenship || passport_no)} ],
	[ 'ages 0 to 104', q{count(*) FILTER (WHERE date_of_birth > '2020-01-01' OR date_of_birth <= '1915-01-01'::date)} ],
	[ 'suburb and postal code', 'count(*) - (SELECT count(*) FROM person JOIN hospital.suburbs USING (suburb, postal_code))' ],
	[ 'nothing that must be is missing', 'count(*) FILTER (WHERE num_nulls(first_name, last_name, date_of_birth, sex, population_group, home_language, citizenship, household_id, address, suburb, postal_code) > 0)' ],
	[ 'households: one name, one place', q{(SELECT count(*) FROM (SELECT 1 FROM person GROUP BY household_id
		HAVING count(DISTINCT (last_name, address, suburb, postal_code, home_language, citizenship, population_group)) > 1) AS h)} ],
	[ 'households: somebody of 18 in each complete one', q{(SELECT count(*) FROM (SELECT household_id FROM person GROUP BY household_id
		HAVING min(date_of_birth) > '2002-01-01') AS h WHERE household_id NOT IN (SELECT household_id FROM person WHERE person_id IN (1, :n)))} ],
	[ 'meets no number of the staff', 'count(*) FILTER (WHERE national_id IN (SELECT national_id FROM staff))' ]);

# targets.csv as the tables have it: metric, scope, the measure in SQL
my @targets = (
	[ 'pool_male_share', '', q{(SELECT avg((sex = 'M')::int) FROM person)} ],
	[ 'pool_under15_share', '', q{(SELECT avg((date_of_birth > date '2020-01-01' - interval '15 years')::int) FROM person)} ],
	[ 'pool_60plus_share', '', q{(SELECT avg((date_of_birth <= date '2020-01-01' - interval '60 years')::int) FROM person)} ],
	[ 'pool_age_sex_distribution', '', q{(SELECT sum(abs(coalesce(f.share, 0) - g.share)) FROM hospital.population_gauteng g LEFT JOIN
		(SELECT least(extract(year FROM age(date '2020-01-01', date_of_birth))::int / 5, 16) AS band, sex, count(*) / :n::numeric AS share FROM person GROUP BY 1, 2) f
		ON f.band = g.age_min / 5 AND f.sex = g.sex)} ],
	[ 'language_share', 'scope', q{(SELECT avg((home_language = t.scope)::int) FROM person)} ],
	[ 'population_group_share', 'scope', q{(SELECT avg((population_group = t.scope)::int) FROM person)} ],
	[ 'non_citizen_share', '', q{(SELECT avg((citizenship <> 'ZA')::int) FROM person)} ],
	[ 'region_share', 'scope', q{(SELECT avg((region = t.scope)::int) FROM person JOIN hospital.suburbs USING (suburb))} ],
	[ 'uninsured_share', '', q{(SELECT avg(s.uninsured_share) FROM person JOIN hospital.suburbs s USING (suburb))} ],
	[ 'sa_id_valid', '', '(SELECT avg((' . luhn('national_id') . q{)::int) FROM person WHERE national_id IS NOT NULL)} ],
	[ 'sa_id_unique', '', q{(SELECT count(DISTINCT national_id)::numeric / count(*) FROM (SELECT national_id FROM person UNION ALL SELECT national_id FROM staff) s WHERE national_id IS NOT NULL)} ],
	[ 'sa_id_sex_matches', '', q{(SELECT avg(((substr(national_id, 7, 1) < '5') = (sex = 'F'))::int) FROM person WHERE national_id IS NOT NULL)} ],
	[ 'surname_top_national', '', q{(SELECT avg((last_name = 'Dlamini')::int) FROM person)} ]);

sub check_city
{
	my ($seed, $n) = @_;
	my $city = "seed $seed";

	$node->safe_psql('postgres', qq{
		DROP TABLE IF EXISTS person, staff;
		CREATE UNLOGGED TABLE person AS SELECT * FROM hospital_generate_people($n, $seed);
		CREATE UNLOGGED TABLE staff AS SELECT * FROM hospital_generate_staff(1100, $seed);
		ANALYZE person;});
	my $sql = join "\nUNION ALL\n", map {
		my ($what, $count) = @$_;
		"(SELECT '$what', ($count)::bigint FROM person LIMIT 1)"
	} @violations;
	$sql =~ s/:n\b/$n/g;
	my @rows = split /\n/, $node->safe_psql('postgres', "SET work_mem = '256MB'; $sql");
	is(scalar @rows, scalar @violations, "$city: every check answered");
	for (@rows)
	{
		my ($what, $count) = split /\|/;
		is($count, 0, "$city: $what");
	}
	is($node->safe_psql('postgres', 'SELECT count(national_id) - count(DISTINCT national_id) FROM staff'), 0, "$city: staff's numbers are unique");

	$sql = join "\nUNION ALL\n", map {
		my ($metric, $scope, $measure) = @$_;
		"SELECT t.metric, t.scope, t.target::numeric AS target, t.tolerance::numeric AS tolerance, round($measure, 5) AS found FROM hospital.targets t WHERE t.metric = '$metric'"
	} @targets;
	$sql =~ s/:n\b/$n/g;
	@rows = split /\n/, $node->safe_psql('postgres',
		"SET work_mem = '256MB'; SELECT metric, scope, target, found, CASE WHEN abs(found - target) <= tolerance THEN 'ok' ELSE 'OFF' END FROM ($sql) AS t");
	diag("$n people, $city: metric | scope | target | found | verdict");
	cmp_ok(scalar @rows, '>=', 25, "$city: targets found in hospital.targets");
	for (@rows)
	{
		my ($metric, $scope, $target, $found, $verdict) = split /\|/;
		diag(join ' | ', $metric, $scope, $target, $found, $verdict);
		is($verdict, 'ok', "$city: $metric, $scope");
	}
	return;
}

check_city(42, $n);
if (!$quick) { check_city($_, 200_000) for 7, -123456789012345 }

# Everybody of the same seed and date of birth and sex has another rank, over
# a city of ten times the size; the marked mode has nobody's numbers.
is( $node->safe_psql('postgres', "SELECT count(*) = count(DISTINCT national_id) FROM hospital_generate_people($n, 42, 4000001) WHERE national_id IS NOT NULL"),
	't', 'numbers of a later slice are unique');
is( $node->safe_psql('postgres', qq{
	SELECT count(*) FROM (SELECT national_id FROM hospital_generate_people($n, 42, 4000001) WHERE national_id IS NOT NULL
	INTERSECT SELECT national_id FROM hospital_generate_people($n, 42)) AS s}),
	0, 'and meet none of the first slice');
is( $node->safe_psql('postgres', qq{
	SELECT count(*) FILTER (WHERE substr(national_id, 11, 1) IN ('8', '9')) = count(*) AND count(*) = count(DISTINCT national_id)
	FROM hospital_generate_people($n, id_mode => 'marked') WHERE national_id IS NOT NULL}),
	't', 'marked: all are, and are unique');

# ---- nothing is stored on the way ----------------------------------------

sub temp_files
{
	usleep(1_100_000);			# statistics are sent at most once a second
	return $node->safe_psql('postgres', q{SELECT temp_files FROM pg_stat_database WHERE datname = 'postgres'});
}

my $before = temp_files();
my $small = q{SET work_mem = '64kB'; SET max_parallel_workers_per_gather = 0;};
is($node->safe_psql('postgres', "$small SELECT count(*) FROM hospital_generate_people($many)"), $many, "count(*) of $many");
is($node->safe_psql('postgres', "$small SELECT count(row_to_json(p)) FROM hospital_generate_people($n) AS p"), $n, 'whole rows');
is($node->safe_psql('postgres', "$small SELECT count(p) FROM (VALUES ($n), (10)) AS v (n), LATERAL hospital_generate_people(v.n) AS p"), $n + 10, 'lateral');
$node->safe_psql('postgres', "$small COPY (SELECT * FROM hospital_generate_people($n)) TO '/dev/null'");
$node->safe_psql('postgres', "$small CREATE TABLE made AS SELECT * FROM hospital_generate_people($n)");
$node->safe_psql('postgres', "$small CREATE TABLE taken (LIKE hospital.person); INSERT INTO taken SELECT * FROM hospital_generate_people($n)");
$node->safe_psql('postgres', "$small CREATE TABLE other (LIKE hospital.person, note text DEFAULT ''); INSERT INTO other SELECT * FROM hospital_generate_people($n)");
is($node->safe_psql('postgres', "$small SELECT count(*) FROM (SELECT hospital_generate_people($n)) AS s"), $n, 'select list');
is(temp_files(), $before, 'no temporary file was written');
$node->safe_psql('postgres', "$small SELECT count(*) FROM hospital_generate_people(100000) WITH ORDINALITY");
cmp_ok(temp_files(), '>', $before, 'a plain function in FROM writes one, and it is counted');
is( $node->safe_psql('postgres', q{SELECT count(*) FROM (TABLE made EXCEPT ALL TABLE taken) AS s}), 0, 'CREATE TABLE AS and INSERT made the same rows');
is( $node->safe_psql('postgres', q{SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'taken'}), $n, 'the statistics know the rows inserted');

# ---- memory --------------------------------------------------------------

SKIP:
{
	skip 'no /proc', 5 unless -r '/proc/self/status';
	my $s = session();
	ask($s, q{SET work_mem = '64kB'; SET max_parallel_workers_per_gather = 0});
	my $pid = ask($s, 'SELECT pg_backend_pid()');
	my $rss = sub {
		my $status = slurp_file("/proc/$pid/status");
		return $status =~ /^RssAnon:\s+(\d+) kB/m ? $1 : 0;
	};
	# how much a statement adds at most, watched while it runs
	my $grown = sub {
		my ($statement) = @_;
		my ($start, $most) = ($rss->(), 0);
		send_statement($s, $statement);
		until ($s->{out} =~ /done-$s->{mark}/)
		{
			my $now = $rss->();
			$most = $now if $now > $most;
			$s->{run}->pump_nb;
			usleep(20_000);
		}
		answer($s);
		return int(($most - $start) / 1024);
	};
	for my $query (
		'SELECT * FROM hospital_generate_people(%d)', 'SELECT row_to_json(p) FROM hospital_generate_people(%d) AS p',
		'SELECT hospital_generate_people(%d)')
	{
		ask($s, "COPY (" . sprintf($query, 1000) . ") TO '/dev/null'");
		my $mb = $grown->("COPY (" . sprintf($query, $many) . ") TO '/dev/null'");
		diag("$query of $many: $mb MB more");
		cmp_ok($mb, '<=', 16, "memory: $query");
	}
	ask($s, q{SET work_mem = '1GB'});
	cmp_ok($grown->('SELECT count(*) FROM hospital_generate_people(500000) WITH ORDINALITY'), '>', 50, 'memory: a plain function takes it, and it is seen');
	is($s->{err}, '', 'no error while they streamed');
	ask($s, 'SELECT 1');
	$s->{in} .= "\\q\n";
	$s->{run}->finish;
}

# ---- workers -------------------------------------------------------------

my %digest;
my $digest = "SELECT count(*), sum(hashtextextended(p::text, 0)), sum(person_id) FROM hospital_generate_people($n) AS p";
my $parallel = 'SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;';
for my $workers (0, 1, 2, 4)
{
	my $set = "$parallel SET max_parallel_workers_per_gather = $workers;";
	my $plan = $node->safe_psql('postgres', "$set EXPLAIN (COSTS OFF) $digest");
	($workers ? \&like : \&unlike)->($plan, qr/Gather.*Parallel Custom Scan/s, "$workers workers: plan");
	like($node->safe_psql('postgres', "$set EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) $digest"),
		qr/Workers Planned: $workers\s+Workers Launched: $workers/, "$workers workers: launched") if $workers;
	$digest{$node->safe_psql('postgres', "$set $digest")} = 1;
}
is(scalar keys %digest, 1, 'the same rows with 0, 1, 2 and 4 workers');
is( (keys %digest)[0],
	$node->safe_psql('postgres', "SELECT count(*), sum(hashtextextended(p::text, 0)), sum((p).person_id) FROM (SELECT hospital_generate_people($n) AS p OFFSET 0) AS s"),
	'and those of the plain function');
is( $node->safe_psql('postgres', 'SELECT count(*), sum(hashtextextended(t::text, 0)) FROM taken AS t'),
	$node->safe_psql('postgres', "SELECT count(*), sum(hashtextextended(p::text, 0)) FROM hospital_generate_people($n) AS p"), 'and those of INSERT');
is($node->safe_psql('postgres', "$parallel SET parallel_leader_participation = off; $digest"), (keys %digest)[0], 'without the leader');

# ---- EvalPlanQual --------------------------------------------------------

# Another session changes the row while a statement that joins it with a
# source waits for it; the join's row must be looked at again.  The oracle is
# the plain function: WITH ORDINALITY.
$node->safe_psql('postgres', 'CREATE TABLE patient (person_id bigint PRIMARY KEY, state text, note text)');
my $source = 'hospital_generate_people(100, 42, (SELECT 1)) AS p';
my $oracle = 'hospital_generate_people(100, 42, (SELECT 1)) WITH ORDINALITY AS p';
my @contended = (
	[ 'UPDATE FROM', "UPDATE patient AS t SET note = t.state || p.first_name || p.last_name FROM %s WHERE p.person_id = t.person_id" ],
	[ 'UPDATE FROM, filter on both', "UPDATE patient AS t SET note = p.phone FROM %s WHERE p.person_id = t.person_id AND t.state || p.sex IN ('oldF', 'oldM', 'newF')" ],
	[ 'UPDATE FROM, row gone', "UPDATE patient AS t SET note = p.phone FROM %s WHERE p.person_id = t.person_id AND t.state = 'old'" ],
	[ 'UPDATE FROM, whole row', "UPDATE patient AS t SET note = row_to_json(p)->>'suburb' || t.state FROM %s WHERE p.person_id = t.person_id" ],
	[ 'DELETE USING', "DELETE FROM patient AS t USING %s WHERE p.person_id = t.person_id AND t.state || p.sex IN ('oldF', 'oldM', 'newF')" ],
	[ 'lateral', "UPDATE patient AS t SET note = t.state || p.phone FROM patient AS u, LATERAL hospital_generate_people(u.person_id) %s AS p WHERE u.person_id = t.person_id AND p.person_id = t.person_id" ],
	[ 'FOR UPDATE', "SELECT t.person_id, t.state, p.first_name FROM patient AS t JOIN %s ON p.person_id = t.person_id ORDER BY 1 FOR UPDATE OF t" ],
	[ 'FOR UPDATE in a subquery', "SELECT * FROM (SELECT t.person_id, t.state, p.first_name FROM patient AS t JOIN %s ON p.person_id = t.person_id FOR UPDATE OF t) AS s ORDER BY 1" ],
	[ 'FOR UPDATE under INSERT', "INSERT INTO patient SELECT t.person_id + 1000, t.state, p.first_name FROM patient AS t JOIN %s ON p.person_id = t.person_id FOR UPDATE OF t" ]);
push @contended,
  [ 'MERGE', "MERGE INTO patient AS t USING %s ON p.person_id = t.person_id WHEN MATCHED AND t.state = 'new' THEN UPDATE SET note = p.last_name WHEN MATCHED THEN UPDATE SET note = 'was old' WHEN NOT MATCHED THEN INSERT VALUES (p.person_id, 'merged', p.phone)" ]
  if $version >= 150000;

my ($one, $two) = (session(), session());
for my $contended (@contended)
{
	my ($what, $statement) = @$contended;
	my @result;
	for my $from ($source, $oracle)
	{
		my $put = $what eq 'lateral' ? ($from eq $oracle ? 'WITH ORDINALITY' : '') : $from;
		$node->safe_psql('postgres', q{TRUNCATE patient; INSERT INTO patient SELECT g, 'old', '' FROM generate_series(10, 50, 10) AS g; ANALYZE patient});
		if ($from eq $source)
		{
			like($node->safe_psql('postgres', 'EXPLAIN ' . sprintf($statement, $put)), qr/Custom Scan \(Hospital/, "$what: streamed");
		}
		ask($one, 'BEGIN');
		ask($one, q{UPDATE patient SET state = 'new' WHERE person_id IN (20, 30, 40)});
		my $pid = ask($two, 'SELECT pg_backend_pid()');
		send_statement($two, sprintf($statement, $put));
		$node->poll_query_until('postgres', "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $pid")
		  or die "$what did not wait";
		ask($one, 'COMMIT');
		my $told = answer($two);
		push @result, $told . $node->safe_psql('postgres', 'SELECT * FROM patient ORDER BY person_id');
	}
	is($result[0], $result[1], "EvalPlanQual: $what");
	like($result[0], qr/./, "EvalPlanQual: $what: rows are left");
}
is($two->{err}, '', 'EvalPlanQual: no error');
for my $s ($one, $two)
{
	$s->{in} .= "\\q\n";
	$s->{run}->finish;
}

# MERGE without contention, too
if ($version >= 150000)
{
	my @result;
	for my $from ($source, $oracle)
	{
		$node->safe_psql('postgres', qq{
			TRUNCATE patient; INSERT INTO patient SELECT g, 'old', '' FROM generate_series(10, 200, 10) AS g;
			MERGE INTO patient AS t USING $from ON p.person_id = t.person_id
			WHEN MATCHED AND p.sex = 'F' THEN DELETE WHEN MATCHED THEN UPDATE SET note = p::text WHEN NOT MATCHED THEN INSERT VALUES (p.person_id, 'new', p.phone)})
		  if $from eq $source;
		$node->safe_psql('postgres', qq{
			TRUNCATE patient; INSERT INTO patient SELECT g, 'old', '' FROM generate_series(10, 200, 10) AS g;
			MERGE INTO patient AS t USING (SELECT ROW(person_id, national_id, passport_no, first_name, last_name, date_of_birth, sex, population_group,
				home_language, citizenship, household_id, address, suburb, postal_code, phone)::hospital.person AS p FROM $from OFFSET 0) AS s ON (s.p).person_id = t.person_id
			WHEN MATCHED AND (s.p).sex = 'F' THEN DELETE WHEN MATCHED THEN UPDATE SET note = s.p::text WHEN NOT MATCHED THEN INSERT VALUES ((s.p).person_id, 'new', (s.p).phone)})
		  if $from eq $oracle;
		push @result, $node->safe_psql('postgres', 'SELECT * FROM patient ORDER BY person_id');
	}
	is($result[0], $result[1], 'MERGE');
}

# ---- interrupted ---------------------------------------------------------

for my $table ('(LIKE hospital.person)', '(LIKE hospital.person, PRIMARY KEY (person_id))', "(LIKE hospital.person, note text DEFAULT '')")
{
	my ($rc, $out, $err, $begun);

	# a busy machine may need longer to begin
	for (my $ms = 400; $ms <= 12800 && !$begun; $ms *= 2)
	{
		$node->safe_psql('postgres', "DROP TABLE IF EXISTS cut; CREATE TABLE cut $table; INSERT INTO cut SELECT * FROM hospital_generate_people(10, 7, 60000001)");
		($rc, $out, $err) = $node->psql('postgres', "SET statement_timeout = '${ms}ms'; INSERT INTO cut SELECT * FROM hospital_generate_people(50000000)");
		$begun = $node->safe_psql('postgres', "SELECT pg_relation_size('cut')") > 8192 * 10;
	}
	ok($begun, 'it had begun');
	like($err, qr/canceling statement due to statement timeout/, "cancelled: $table");
	is($node->safe_psql('postgres', 'SELECT count(*) FROM cut'), 10, "nothing of it is left: $table");
	is($node->safe_psql('postgres', 'INSERT INTO cut SELECT * FROM hospital_generate_people(100); SELECT count(*) FROM cut'), 110, "and the table is as good as before: $table");
}
my ($rc, $out, $err) = $node->psql('postgres', "SET statement_timeout = '300ms'; $parallel SELECT sum(length(p::text)) FROM hospital_generate_people(60000000) AS p");
like($err, qr/canceling statement due to statement timeout/, 'cancelled with workers');

# What was inserted is still there after a crash, and indexes agree.
$node->safe_psql('postgres', 'CREATE TABLE kept (LIKE hospital.person, PRIMARY KEY (person_id)); INSERT INTO kept SELECT * FROM hospital_generate_people(20000)');
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', 'SELECT count(*), sum(hashtextextended(k::text, 0)) FROM kept AS k'),
	$node->safe_psql('postgres', 'SELECT count(*), sum(hashtextextended(p::text, 0)) FROM hospital_generate_people(20000) AS p'), 'rows outlive a crash');
is($node->safe_psql('postgres', 'SET enable_seqscan = off; SELECT count(*) FROM kept WHERE person_id BETWEEN 1 AND 20000'), 20000, 'so does the index');

$node->stop;
done_testing();
