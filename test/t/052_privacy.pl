# 052_privacy.pl: who sees what.  The roles of hospital_create_roles, each trying
# to see, or to find out, what is not for it: by the tables, by what makes them
# again from the seed, by statistics, plans, functions of its own, the order of
# rows, messages, copies; and that the hospital is as fast as before for its owner.
#
# What counts as seen is decided by values: the names, numbers, addresses and
# dates of the hospital's people, looked for in all that a role can read.
use strict;
use warnings FATAL => 'all';

use Digest::SHA qw(hmac_sha256);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $chance = $ENV{HOSPITAL_TEST_SEED} // 1 + int rand 1_000_000;
note "HOSPITAL_TEST_SEED=$chance";
srand $chance;
my $seed = '7' . join '', map { int rand 10 } 1 .. 17;

my $node = PostgreSQL::Test::Cluster->new('privacy');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
my $folder = $node->basedir . '/folder';
mkdir $folder or die "$folder: $!";
$node->append_conf('postgresql.conf', qq{
shared_preload_libraries = 'hospital'
hospital.data_folder = '$folder'
autovacuum = off
jit = off
});
$node->start;

my $db = 'ward';

sub sql { return $node->safe_psql($db, $_[0]) }

# As somebody who logs in.
sub as
{
	my ($role, $query) = @_;
	my ($code, $out, $err) = $node->psql($db, $query, extra_params => [ '-U', $role, '-v', 'VERBOSITY=verbose' ]);

	return ($out, $err);
}

sub out_as { return (as(@_))[0] }
sub error_as { return (as(@_))[1] }

# Many things in one session, each from a clean state: what it printed, what was said.
sub each_as
{
	my ($role, @queries) = @_;
	my $script = join '', map { "\\echo <<>>\n\\warn <<>>\nROLLBACK;\nDISCARD ALL;\n\\echo <<>>\n\\warn <<>>\n$_;\n" } @queries;
	my (undef, $out, $err) = $node->psql($db, $script, on_error_stop => 0, extra_params => [ '-U', $role, '-v', 'VERBOSITY=verbose' ]);
	my @out = split /^.*<<>>\n?/m, "$out\n";
	my @err = split /^.*<<>>\n?/m, "$err\n";

	return map { my $said = [ $out[ 2 * $_ + 2 ] // '', $err[ 2 * $_ + 2 ] // '' ]; chomp @$said; $said } 0 .. $#queries;
}

sub refused
{
	my ($role, @attacks) = @_;
	my @said = each_as($role, map { $_->[0] } @attacks);

	foreach my $i (0 .. $#attacks)
	{
		my $expected = $attacks[$i][1] // '42501';
		like($said[$i][1], qr/ERROR:  (?:$expected)/, "$role: $attacks[$i][0]");
	}
	return;
}

sub answers
{
	my ($role, %expected) = @_;
	my @queries = sort keys %expected;
	my @said = each_as($role, @queries);

	is($said[$_][0], $expected{ $queries[$_] }, "$role: $queries[$_]") foreach 0 .. $#queries;
	return;
}

sub call { return ($node->psql($db, '\set VERBOSITY verbose' . "\n$_[0]"))[2] }

# Everything that has been granted, row security included, but to the owners.
my $granted = q{
SELECT string_agg(x, E'\n' ORDER BY x COLLATE "C") FROM (
	SELECT c.oid::regclass || ' ' || a.grantee::regrole || ' ' || a.privilege_type FROM pg_class c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
	WHERE c.relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname LIKE 'hospital%') AND c.relkind IN ('r', 'v') AND a.grantee <> c.relowner
	  AND c.oid NOT IN (SELECT to_regclass('hospital.' || r) FROM unnest('{privacy,clinicians,my_departments}'::text[]) r WHERE to_regclass('hospital.' || r) IS NOT NULL)
	UNION ALL
	SELECT p.oid::regprocedure || ' ' || a.grantee || ' ' || a.privilege_type FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
	WHERE p.proname LIKE 'hospital%' AND a.grantee NOT IN (p.proowner, 'director'::regrole)
	UNION ALL
	SELECT c.oid::regclass || ' row security' FROM pg_class c WHERE c.relrowsecurity OR EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid)) g (x)};

# ---- a hospital, of somebody who is no superuser ------------------------------------

$node->safe_psql('postgres', "CREATE DATABASE $db");
sql(q{CREATE EXTENSION hospital; CREATE ROLE director LOGIN;
	GRANT CREATE, USAGE ON SCHEMA hospital TO director; GRANT CREATE ON DATABASE ward TO director;
	GRANT EXECUTE ON FUNCTION hospital_start(boolean), hospital_stop() TO director; GRANT EXECUTE ON PROCEDURE hospital_run(int, int),
		hospital_undo_batch(bigint), hospital_ingest(text, text) TO director;
	CREATE ROLE dr_own LOGIN; CREATE ROLE dr_gone LOGIN; CREATE ROLE dr_nobody LOGIN; CREATE ROLE anna LOGIN; CREATE ROLE lorry LOGIN; CREATE ROLE boss LOGIN;
	CREATE ROLE other LOGIN});
sql(q{DO $$ BEGIN IF to_regnamespace('hospital_mart') IS NOT NULL THEN GRANT CREATE, USAGE ON SCHEMA hospital_mart TO director; END IF; END $$});
{
	my ($code, undef, $err) = $node->psql($db, "CALL hospital_create(people => 20000, beds => 200, seed => $seed, start_date => '2020-03-28', end_date => '2020-04-20');
		CALL hospital_load_people(); CALL hospital_load_staff(); CALL hospital_run(6)", extra_params => [ '-U', 'director' ], on_error_stop => 1);
	die $err if $code != 0;
}

# The marts, where the extension has none: as many as it takes to see what becomes of them.
my %mart = (
	diagnosis_distribution => q{SELECT date '2020-03-01' AS month, 'A00'::text AS code, 1::bigint AS diagnoses},
	revenue_by_doctor => q{SELECT date '2020-03-01' AS month, staff_id AS doctor_id, first_name || ' ' || last_name AS full_name, specialty, department_code, 1::bigint AS bills, 1.0 AS total_amount FROM hospital.staff},
	doctor_performance => q{SELECT date '2020-03-01' AS month, staff_id AS doctor_id, first_name || ' ' || last_name AS full_name, role, specialty, department_code, 1::bigint AS visits, 1::bigint AS completed_visits,
		1::numeric AS minutes, 1::bigint AS prescriptions, 1::bigint AS bills, 1.0 AS total_amount FROM hospital.staff},
	patient_spending => q{SELECT patient_id, 'H0'::text AS patient_class, 1::bigint AS visits, count(*) AS bills, sum(total_amount) AS total_amount, 0.0 AS paid, 0.0 AS pending, 0.0 AS unpaid,
		min(billing_date) AS first_billed, max(billing_date) AS last_billed FROM hospital.billing_payments GROUP BY 1},
	patient_journey => q{SELECT patient_id, row_number() OVER (PARTITION BY patient_id ORDER BY visit_id) AS visit_no, visit_id, visit_date, kind, department_code, doctor_id, triage, disposition, admission_id,
		arrived_at AS admitted_at, left_at AS discharged_at, diagnosis AS main_diagnosis, 1::bigint AS diagnoses, 0::bigint AS prescriptions, total_cost AS total_amount, 5 AS days_since_previous FROM hospital.visits});
my $marts_later = sql(q{SELECT to_regclass('hospital_mart.patient_journey') IS NULL}) eq 't';

# ---- the procedure -------------------------------------------------------------------

my $before = sql($granted);

refused('director', [ 'CALL hospital_create_roles()', '42501: permission denied for procedure' ]);
sql('GRANT EXECUTE ON PROCEDURE hospital_create_roles(text, int) TO other; GRANT EXECUTE ON FUNCTION hospital_privacy_owner() TO other');
like(error_as('other', 'CALL hospital_create_roles()'), qr/ERROR:  42501: permission denied to set up the hospital's roles\nDETAIL:.*\nHINT:  Ask a superuser/, 'nor can who may call it');
sql('REVOKE ALL ON PROCEDURE hospital_create_roles(text, int) FROM other; REVOKE ALL ON FUNCTION hospital_privacy_owner() FROM other');
like(call(q{CALL hospital_create_roles('Pg Z')}), qr/22023: invalid prefix/, 'prefix: a bad one');
foreach my $case (
	[ 'CREATE ROLE clinic_analyst LOGIN', 'It may log in' ],
	[ 'CREATE ROLE clinic_analyst', 'It was not made by hospital_create_roles' ],
	[ q{CREATE ROLE clinic_analyst SUPERUSER; COMMENT ON ROLE clinic_analyst IS 'hospital: x'}, 'It is a superuser' ],
	[ q{CREATE ROLE clinic_analyst BYPASSRLS; COMMENT ON ROLE clinic_analyst IS 'hospital: x'}, 'It bypasses row security' ],
	[ q{CREATE ROLE clinic_analyst; COMMENT ON ROLE clinic_analyst IS 'hospital: x'; GRANT pg_read_all_data TO clinic_analyst}, 'It is a member of pg_read_all_data' ])
{
	sql($case->[0]);
	like(call(q{CALL hospital_create_roles('clinic_')}), qr/42710: role "clinic_analyst" exists and is something else\nDETAIL:  $case->[1].*\nHINT:/, "another role: $case->[1]");
	is(sql(q{SELECT count(*) FROM pg_roles WHERE rolname LIKE 'clinic\_%'}), 1, 'and nothing was made');
	sql('DROP ROLE clinic_analyst');
}
sql('ALTER TABLE hospital.visits ENABLE ROW LEVEL SECURITY; CREATE POLICY theirs ON hospital.visits USING (false)');
like(call('CALL hospital_create_roles()'), qr/55000: hospital.visits has row security of its own/, 'somebody else\'s row security');
sql('DROP POLICY theirs ON hospital.visits; ALTER TABLE hospital.visits DISABLE ROW LEVEL SECURITY; CREATE SCHEMA hospital_research');
like(call('CALL hospital_create_roles()'), qr/42P06: schema "hospital_research" exists already/, 'somebody else\'s schema');
sql('DROP SCHEMA hospital_research');
sql('SET ROLE director; CREATE TABLE hospital.privacy (prefix text)');
like(call('CALL hospital_create_roles()'), qr/55000: hospital.privacy does not belong to a superuser/, 'a table that another could put a trigger on');
sql('DROP TABLE hospital.privacy');
is(sql($granted), $before, 'what failed has changed nothing');

is(call('CALL hospital_create_roles()'), '', 'roles are made, without a warning');
my $once = sql($granted);
is(call('CALL hospital_create_roles()'), '', 'and again');
is(sql($granted), $once, 'which changes nothing');
like(call(q{CALL hospital_create_roles('clinic_')}), qr/55000: the roles of this hospital have the prefix "hospital_"/, 'one prefix a hospital');
is(sql(q{SELECT string_agg(rolname, ' ' ORDER BY rolname) FROM pg_roles WHERE rolname LIKE 'hospital\_%' AND NOT rolcanlogin AND NOT rolsuper AND NOT rolbypassrls AND NOT rolcreaterole AND NOT rolcreatedb}),
	'hospital_admin hospital_analyst hospital_audit hospital_clinician hospital_loader', 'groups that nobody logs in by');

refused('director', map { [ $_ ] } 'CREATE TRIGGER t BEFORE UPDATE ON hospital.privacy FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()',
	q{UPDATE hospital.privacy SET prefix = 'x'}, 'CREATE RULE r AS ON UPDATE TO hospital.privacy DO NOTHING', 'DROP TABLE hospital.privacy');

if ($marts_later)
{
	sql('SET ROLE director; CREATE SCHEMA hospital_mart; ' . join '; ', map { "CREATE TABLE hospital_mart.$_ AS $mart{$_}" } sort keys %mart);
	refused('anna', [ 'SELECT * FROM hospital_mart.diagnosis_distribution', '42501: permission denied for schema hospital_mart' ]);
	is(call('CALL hospital_create_roles()'), '', 'called again when marts were made');
}

my $visits = sql('SELECT count(*) FROM hospital.visits');
my $own = sql(q{SELECT v.department_code FROM hospital.visits v JOIN hospital.staff s USING (department_code) WHERE s.left_on IS NULL AND s.hired_on < '2020-03-01' GROUP BY 1
	HAVING count(DISTINCT visit_id) > 10 AND count(DISTINCT staff_id) > 2 ORDER BY md5(v.department_code || } . $chance . q{) LIMIT 1});
note "department $own";
sql(qq{GRANT hospital_analyst TO anna; GRANT hospital_clinician TO dr_own, dr_gone, dr_nobody; GRANT hospital_loader TO lorry; GRANT hospital_admin TO boss;
	UPDATE hospital.staff SET left_on = '2020-03-30' WHERE staff_id = (SELECT max(staff_id) FROM hospital.staff WHERE department_code = '$own' AND left_on IS NULL AND hired_on < '2020-03-01');
	INSERT INTO hospital.clinicians (role_name, staff_id) SELECT 'dr_own', min(staff_id) FROM hospital.staff WHERE department_code = '$own' AND left_on IS NULL AND hired_on < '2020-03-01';
	INSERT INTO hospital.clinicians (role_name, staff_id) SELECT 'dr_gone', max(staff_id) FROM hospital.staff WHERE department_code = '$own' AND left_on = '2020-03-30'; ANALYZE});

# ---- the analyst: no value of anybody -------------------------------------------------

# What tells who somebody is, of all who are in the tables.
my %needle = map { $_ => 1 } split /\n/, sql(q{
	SELECT x FROM (SELECT unnest(ARRAY[full_name, folder_no, contact_info, date_of_birth::text, insurance_id]) FROM hospital.patients
	UNION SELECT unnest(ARRAY[national_id, passport_no, first_name || ' ' || last_name, address, phone, date_of_birth::text])
	      FROM hospital.people WHERE person_id IN (SELECT patient_id FROM hospital.patients)
	UNION SELECT unnest(ARRAY[national_id, first_name || ' ' || last_name, registration_no, date_of_birth::text]) FROM hospital.staff) n (x)
	WHERE x IS NOT NULL AND x NOT IN (SELECT date_trunc('month', d)::date::text FROM generate_series('2020-01-01', '2020-12-01', interval '1 month') d)});
cmp_ok(scalar(keys %needle), '>', 5000, 'there is much to be found');

# Relations that a role can read any column of, but the server's and what everybody may read.
my $readable = q{SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
	  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
	  AND has_schema_privilege('%1$s', n.oid, 'USAGE') AND (has_table_privilege('%1$s', c.oid, 'SELECT') OR has_any_column_privilege('%1$s', c.oid, 'SELECT'))};

my %sums = map { +"hospital_research.$_" => 1 } qw(diagnosis_distribution revenue_by_month doctors_by_specialization patient_age_distribution monthly_visit_stats
	medication_usage payment_status ward_occupancy_by_hour length_of_stay ed_waiting bed_days readmissions staffing_against_need);

# How many of its values a role finds; and which are numbers of people, unmasked.
sub found_by
{
	my ($role) = @_;
	my %found;

	my %query = map { split /:/, $_, 2 } split /\n/, sql(sprintf q{SELECT attrelid::regclass || ':' || string_agg(quote_ident(attname), ', ') FROM pg_attribute
		WHERE attrelid IN (%s) AND attnum > 0 AND NOT attisdropped AND has_column_privilege('%s', attrelid, attnum, 'SELECT') GROUP BY attrelid}, sprintf($readable, $role), $role);
	my @relations = sort keys %query;
	my @said = each_as($role, map { "SELECT $query{$_} FROM $_" } @relations);

	foreach my $i (0 .. $#relations)
	{
		$said[$i][1] eq '' or die $said[$i][1];
		foreach my $value (split /[|\n]/, $said[$i][0])
		{
			# a day in a mart of sums is nobody's birthday
			next if !exists $needle{$value} || $sums{ $relations[$i] } && $value =~ /^\d{4}-\d\d-\d\d$/;
			$found{ $relations[$i] }{$value} = 1;
		}
	}
	return join ' ', map { "$_:" . keys %{ $found{$_} } } sort keys %found;
}

is(found_by('anna'), '', 'an analyst who reads all there is finds nobody');
is(sql(sprintf "SELECT string_agg(a.attrelid::regclass || '.' || a.attname, ' ') FROM pg_attribute a WHERE a.attnum > 0 AND a.attname ~ '_id\$|_no\$|name\$|birth|_at\$|_on\$'
		AND a.attname NOT IN ('medicine_id', 'visit_no') AND NOT (a.attrelid IN ('hospital.departments'::regclass, 'hospital.wards'::regclass) AND a.attname = 'name') AND a.attname <> 'year_of_birth' AND a.attrelid IN ($readable)", 'anna'),
	'', 'and has no column of numbers or names of people, or of times');
is(sql(sprintf "SELECT count(*) FROM pg_class c WHERE c.oid IN ($readable) AND c.relnamespace = 'hospital'::regnamespace AND c.relname NOT IN ('departments', 'wards')", 'anna'), 0, 'of schema hospital it reads departments and wards');
is(sql(q{SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname LIKE 'hospital%' AND c.relkind IN ('r', 'v')
	AND has_table_privilege('anna', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')}), 0, 'and writes nothing');
my $spoilt = sql(q{GRANT SELECT ON hospital.patients TO hospital_analyst; SELECT count(*) FROM hospital.patients});
like(found_by('anna'), qr/hospital.patients:\d{3}/, 'were patients granted by mistake, this test would see it');
sql('CALL hospital_create_roles()');
is(found_by('anna'), '', 'and hospital_create_roles takes it back');

# Pseudonyms.
my ($inner, $one) = split /\|/, sql(q{SELECT encode(inner_key, 'hex'), (SELECT min(patient_id) FROM hospital.patients) FROM hospital.privacy});
my $key = substr(pack('H*', $inner) ^ (chr(0x36) x 64), 0, 32);
sub pseudonym { return substr unpack('H*', hmac_sha256($_[0] . pack('q>', $_[1]), $key)), 0, 32 }
is(out_as('anna', 'SELECT count(*) FROM hospital_research.patients WHERE patient = \'' . pseudonym('patient', $one) . "'"), 1, 'a pseudonym is HMAC-SHA-256 of the kind and the number');
is(out_as('anna', 'SELECT count(*), count(DISTINCT patient) FROM hospital_research.patients'), sql('SELECT count(*), count(*) FROM hospital.patients'), 'one for each patient');
is(out_as('anna', 'SELECT count(*), count(DISTINCT v.patient), sum(total_cost) FROM hospital_research.visits v JOIN hospital_research.patients USING (patient)'),
	sql('SELECT count(*), count(DISTINCT patient_id), sum(total_cost) FROM hospital.visits'), 'the same in all views');
is(out_as('anna', q{SELECT count(*) FROM hospital_research.lab_results JOIN hospital_research.visits USING (visit, patient)}), sql('SELECT count(*) FROM hospital.lab_results'), 'records join');
is(out_as('anna', 'SELECT count(*) FROM hospital_research.patients WHERE patient IN (' . join(',', map { "'" . unpack('H32', Digest::SHA::sha256(pack 'q>', $_)) . "'" } 1 .. 500) . ')'), 0, 'without the key they cannot be made');

# Order: rows as they lie in the table would tell the day.
foreach my $view (qw(visits admissions patients))
{
	my $table = { visits => 'visit', admissions => 'admission', patients => 'patient' }->{$view};
	my %place;
	@place{ split /\n/, out_as('anna', "SELECT replace($table\:\:text, '-', '') FROM hospital_research.$view") } = 0 .. 1e5;
	my @ids = split /\n/, sql("SELECT ${table}_id FROM hospital.$view ORDER BY 1");
	my @at = map { $place{ pseudonym($table, $_) } } @ids;
	my $r = 0;
	$r += ($_ - $#at / 2) * ($at[$_] - $#at / 2) foreach 0 .. $#at;
	cmp_ok(abs($r) / (@at**3 / 12), '<', 5 / sqrt(@at), "$view: the order of the rows says nothing of their time");
}

# Dates: the month of the visit, and what follows is counted from it.
is(sql(sprintf q{SELECT count(*) FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid WHERE a.attnum > 0 AND t.typname IN ('date', 'timestamp', 'timestamptz')
	AND a.attname NOT IN ('visit_month', 'month') AND a.attrelid IN (SELECT c.oid FROM pg_class c WHERE c.relnamespace = 'hospital_research'::regnamespace
		AND c.oid::regclass::text NOT IN (%s))}, join ', ', map { "'$_'" } sort keys %sums), 0, 'of patients and staff no date but months');
is(out_as('anna', q{SELECT string_agg(DISTINCT visit_month::text, ' ') FROM hospital_research.visits}), '2020-03-01 2020-04-01', 'which are months');

# Who looks every day would see what is new: not where whole months come late.
sql('CALL hospital_create_roles(research_months => 1)');
answers('anna', 'SELECT string_agg(DISTINCT visit_month::text, \' \') FROM hospital_research.visits' => '2020-03-01',
	'SELECT count(*) FROM hospital_research.visits' => sql(q{SELECT count(*) FROM hospital.visits WHERE visit_date < '2020-04-01'}),
	'SELECT count(*) FROM hospital_research.billing_payments' => sql(q{SELECT count(*) FROM hospital.billing_payments JOIN hospital.visits USING (visit_id) WHERE visit_date < '2020-04-01'}),
	'SELECT count(*) FROM hospital_research.patients' => sql(q{SELECT count(*) FROM hospital.patients WHERE first_seen_on < '2020-04-01'}),
	'SELECT count(*) FROM hospital_research.patient_journey' => sql(q{SELECT count(*) FROM hospital_mart.patient_journey WHERE visit_date < '2020-04-01'}),
	'SELECT count(*) FROM hospital_research.patient_spending' => 0);
sql('CALL hospital_create_roles(research_months => 2)');
answers('anna', 'SELECT count(*) FROM hospital_research.visits' => 0);
is(call('CALL hospital_create_roles()'), '', 'called again it stays what it was');
answers('anna', 'SELECT count(*) FROM hospital_research.visits' => 0);
like(call('CALL hospital_create_roles(research_months => -1)'), qr/22023: invalid research_months -1/, 'research_months: a bad one');
sql('CALL hospital_create_roles(research_months => 0)');
answers('anna', 'SELECT count(*) FROM hospital_research.visits' => $visits);

# ---- ways round ---------------------------------------------------------------------------

my $function = q{CREATE FUNCTION pg_temp.tell(anyelement) RETURNS boolean LANGUAGE plpgsql STABLE COST 0.0001 AS $$ BEGIN RAISE NOTICE 'told: %', $1; RETURN true; END $$; };

refused('anna',
	# what makes everybody again
	[ 'SELECT seed FROM hospital.simulation' ],
	[ "SELECT * FROM hospital_generate_people(10, $seed)" ],
	[ "SELECT hospital_generate_people(10, $seed)" ],
	[ "SELECT (hospital_generate_people(1, $seed)).last_name" ],
	[ "SELECT p.* FROM generate_series(1, 3) i, LATERAL hospital_generate_people(1, $seed, i) p" ],
	[ "COPY (SELECT * FROM hospital_generate_people(10, $seed)) TO STDOUT" ],
	[ "CREATE TEMP TABLE x AS SELECT * FROM hospital_generate_people(10, $seed)" ],
	[ "PREPARE p AS SELECT * FROM hospital_generate_people(10, $seed); EXECUTE p" ],
	[ "DO \$\$ BEGIN PERFORM * FROM hospital_generate_people(10, $seed); END \$\$" ],
	[ "CREATE FUNCTION pg_temp.f() RETURNS SETOF hospital.person LANGUAGE sql AS 'SELECT * FROM public.hospital_generate_people(10, $seed)'; SELECT * FROM pg_temp.f()" ],
	[ "EXPLAIN ANALYZE SELECT * FROM hospital_generate_people(10, $seed)" ],
	[ "SELECT * FROM hospital_generate_staff(200, $seed)" ],
	[ "SELECT * FROM hospital_generate_registrations('2020-03-28', $seed, 20000, 200, '2020-03-28')" ],
	[ "SELECT * FROM hospital_generate_events('registrations', '2020-03-28', $seed, 20000, 200, '2020-03-28')" ],
	[ "SELECT * FROM hospital_generate_hl7('2020-03-28', $seed, 20000, 200, '2020-03-28')" ],
	[ 'SELECT * FROM hospital_validate()' ],
	[ 'SELECT * FROM hospital_targets_report()' ],
	[ 'CALL hospital_load_people()' ],
	[ q{CALL hospital_export('people')} ],
	[ q{CALL hospital_ingest('lake')} ],
	[ 'CALL hospital_create_roles()' ],
	[ 'SELECT hospital_privacy_grants(\'hospital_\', \'anna\')' ],
	# the records themselves
	(map { [ "SELECT * FROM hospital.$_" ] } qw(people patients staff privacy doctors visits admissions rejects batches published stream_ranges stream_extras faults alerts patient_activity clinicians my_departments jobs days)),
	(map { [ "SELECT * FROM hospital_mart.$_" ] } qw(patient_journey patient_spending revenue_by_doctor doctor_performance diagnosis_distribution)),
	[ 'SELECT person_id FROM hospital.people LIMIT 0' ],
	[ 'SELECT count(*) FROM hospital.people' ],
	[ 'SELECT ctid, tableoid FROM hospital.patients' ],
	[ 'TABLE hospital.people' ],
	[ 'COPY hospital.people TO STDOUT' ],
	[ 'SELECT * FROM hospital_research.patients FOR UPDATE' ],
	[ 'SELECT ctid FROM hospital_research.patients', '42703' ],
	[ 'SELECT full_name FROM hospital_research.patients', '42703' ],
	[ 'SELECT (patients).p FROM hospital_research.patients', '42703' ],
	# becoming somebody else, changing the rules
	[ 'SET ROLE director' ],
	[ 'SET ROLE hospital_admin' ],
	[ 'SET SESSION AUTHORIZATION director' ],
	[ 'GRANT hospital_admin TO anna', '42501|0LP01' ],
	[ 'GRANT SELECT ON hospital.people TO anna' ],
	[ 'CREATE OR REPLACE VIEW hospital_research.patients AS SELECT * FROM hospital.patients' ],
	[ 'ALTER VIEW hospital_research.patients RESET (security_barrier)' ],
	[ 'DROP POLICY hospital_all ON hospital.visits' ],
	[ 'CREATE TABLE hospital.mine (i int)' ],
	[ 'CREATE TABLE hospital_research.mine (i int)' ],
	# probing by keys, rules, statistics of one's own
	[ 'CREATE TEMP TABLE probe (id bigint REFERENCES hospital.people)', '42501|42P16' ],
	[ q{INSERT INTO hospital.people (person_id) VALUES (1)} ],
	[ q{INSERT INTO hospital.patients SELECT 1 ON CONFLICT DO NOTHING} ],
	[ 'CREATE STATISTICS pg_temp.s ON last_name, first_name FROM hospital.people', '42501|42P01|0A000' ],
	[ 'ANALYZE VERBOSE hospital.people; SELECT 1/0', '22012' ],
	[ 'CREATE TEMP TABLE t (LIKE hospital.people INCLUDING ALL); INSERT INTO t SELECT * FROM hospital.people' ],
	[ 'BEGIN; LOCK TABLE hospital.people IN ACCESS SHARE MODE' ],
	# files
	[ "SELECT pg_read_file('$folder/lake')" ],
	[ "SELECT pg_ls_dir('$folder')" ],
	[ "COPY (SELECT 1) TO '$folder/x'" ],
	[ "CREATE TEMP TABLE l (t text); COPY l FROM '$folder/lake/batch/ward/date=2020-03-28/registrations.csv'" ],
	[ q{CREATE TEMP TABLE l (t text); COPY l FROM PROGRAM 'cat /etc/passwd'} ],
	[ "SELECT lo_import('$folder/x')" ],
	[ 'SELECT stavalues1 FROM pg_statistic' ],
	[ 'SELECT stxdmcv FROM pg_statistic_ext_data' ],
	[ 'SELECT * FROM hospital.status' ]);

# Generators are refused however they are asked for, also those that will come.
is(sql(q{SELECT count(*) FROM pg_proc WHERE proname LIKE 'hospital\_generate\_%' AND has_function_privilege('anna', oid, 'EXECUTE')}), 0, 'no generator at all');
is(sql(q{SELECT count(*) FROM pg_proc WHERE proname LIKE 'hospital%' AND prosecdef AND (has_function_privilege('anna', oid, 'EXECUTE') OR has_function_privilege('dr_own', oid, 'EXECUTE'))}),
	0, 'and nothing that runs as its owner');

# Statistics.
foreach my $role (qw(anna other))
{
	is(out_as($role, q{SELECT count(*) FROM pg_stats WHERE tablename IN ('people', 'patients', 'staff', 'visits', 'admissions', 'privacy', 'simulation', 'rejects')}), 0, "$role: pg_stats is empty");
	is(out_as($role, q{SELECT count(*) FROM pg_stats_ext}), 0, "$role: pg_stats_ext too");
}

# Functions that tell all they are shown, cheap enough to be called first.
my ($out, $told) = as('anna', $function . q{SELECT count(*) FROM hospital_research.patients p WHERE pg_temp.tell(p) AND p.year_of_birth > 0});
like($told, qr/told:/, 'a function in WHERE is shown rows');
is(scalar(grep { exists $needle{$_} } $told =~ /[^(),"\n]+/g), 0, 'of the view, with nothing else in them');
($out, $told) = as('anna', 'EXPLAIN (ANALYZE, VERBOSE, COSTS OFF) SELECT * FROM hospital_research.patients');
unlike($told . $out, qr/\Q$inner\E/i, 'EXPLAIN does not show the key');
is(scalar(grep { exists $needle{$_} } "$out$told" =~ /[^(),"'\n]+/g), 0, 'nor anybody');
# A condition is asked of the rows of a mart, not of each fact below it, which would come in order of time.
($out, $told) = as('anna', $function . q{SELECT count(*) FROM hospital_research.diagnosis_distribution d WHERE pg_temp.tell(d.code)});
is(scalar(() = $told =~ /told:/g), sql('SELECT count(*) FROM hospital_mart.diagnosis_distribution'), 'a function in WHERE is shown a mart\'s sums');
foreach my $query (q{SELECT 1 / (year_of_birth - year_of_birth) FROM hospital_research.patients}, q{SELECT patient::text::int FROM hospital_research.patients},
	q{SELECT gender::int FROM hospital_research.patients}, q{SELECT diagnosis::date FROM hospital_research.visits})
{
	my $error = error_as('anna', $query);
	like($error, qr/ERROR:  22/, "an error: $query");
	is(scalar(grep { exists $needle{$_} } $error =~ /[^(),"'\n]+/g), 0, 'names nobody');
}

# A name that is found earlier changes nothing: views and policies have found theirs.
is(out_as('anna', q{CREATE FUNCTION pg_temp.sha256(bytea) RETURNS bytea LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'told: %', $1; RETURN ''; END $$;
	CREATE TEMP TABLE privacy AS SELECT ''::bytea AS inner_key, ''::bytea AS outer_key; SET search_path = pg_temp, hospital, pg_catalog;
	SELECT count(*) FROM hospital_research.patients WHERE patient = '} . pseudonym('patient', $one) . q{'}), "1", 'a temporary sha256() is not called');

# Other sessions.
is(out_as('anna', q{SELECT count(*) FROM pg_stat_activity WHERE usename IS DISTINCT FROM 'anna' AND query NOT IN ('', '<insufficient privilege>')}), 0, 'what others run is not shown');

# ---- the clinician ---------------------------------------------------------------------------

is(out_as('dr_own', 'SELECT * FROM hospital.my_departments'), $own, 'a clinician has a department');
my %rows;
foreach my $table (qw(visits admissions))
{
	$rows{$table} = sql("SELECT count(*) FROM hospital.$table WHERE department_code = '$own'");
}
$rows{patients} = $rows{people} = sql("SELECT count(DISTINCT patient_id) FROM hospital.visits WHERE department_code = '$own'");
$rows{$_} = sql("SELECT count(*) FROM hospital.$_ JOIN hospital.visits v USING (visit_id) WHERE v.department_code = '$own'") foreach qw(diagnoses treatments lab_results vital_signs prescriptions);
$rows{$_} = sql("SELECT count(*) FROM hospital.$_ JOIN hospital.admissions a USING (admission_id) WHERE a.department_code = '$own'") foreach qw(status_updates doctor_assignments transfers);
cmp_ok($rows{visits}, '<', $visits, 'there are others');
answers('dr_own', map { +"SELECT count(*) FROM hospital.$_" => $rows{$_} } keys %rows);
foreach my $role (qw(dr_gone dr_nobody))
{
	answers($role, map { +"SELECT count(*) FROM hospital.$_" => 0 } keys %rows);
}
is(out_as('dr_own', 'SET ROLE hospital_clinician; SELECT count(*) FROM hospital.visits'), 0, 'the group itself has no department');
my ($stranger, $his) = split /\|/, sql("SELECT v.visit_id, p.full_name FROM hospital.visits v JOIN hospital.patients p USING (patient_id)
	WHERE NOT EXISTS (SELECT FROM hospital.visits o WHERE o.patient_id = v.patient_id AND o.department_code = '$own') ORDER BY 1 LIMIT 1");
my $him = sql("SELECT patient_id FROM hospital.visits WHERE visit_id = $stranger");

answers('dr_own', map { $_ => 0 } "SELECT count(*) FROM hospital.visits WHERE visit_id = $stranger", "SELECT count(*) FROM hospital.patients WHERE patient_id = $him",
	"SELECT count(*) FROM hospital.people WHERE person_id = $him", "SELECT count(*) FROM hospital.diagnoses WHERE visit_id = $stranger",
	"SELECT count(*) FROM hospital.prescriptions WHERE patient_id = $him",
	"SET local.department = 'ED'; SELECT count(*) FROM hospital.visits WHERE department_code <> '$own'",
	"SET application_name = 'postgres'; SET search_path = pg_temp; CREATE TEMP VIEW my_departments AS SELECT department_code FROM hospital.departments; SELECT count(*) FROM hospital.visits WHERE department_code <> '$own'",
	"CREATE TEMP VIEW v AS SELECT * FROM hospital.visits; SELECT count(*) FROM v WHERE department_code <> '$own'",
	"CREATE FUNCTION pg_temp.f() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM hospital.visits WHERE visit_id = $stranger'; SELECT pg_temp.f()",
	"SELECT count(*) FROM hospital.visits a FULL JOIN hospital.visits b ON a.visit_id = b.visit_id + 1 WHERE coalesce(a.department_code, b.department_code) <> '$own'",
	"SELECT count(*) FROM pg_stats WHERE schemaname = 'hospital' AND tablename IN ('visits', 'patients', 'people', 'admissions', 'diagnoses')");
is(out_as('dr_own', "COPY (SELECT visit_id FROM hospital.visits WHERE visit_id = $stranger) TO STDOUT"), '', 'COPY');
is(out_as('dr_own', "COPY hospital.visits TO STDOUT") =~ tr/\n// + 1, $rows{visits}, 'COPY of the table');
($out, $told) = as('dr_own', $function . 'SELECT count(*) FROM hospital.patients p WHERE pg_temp.tell(p.full_name)');
my %mine = map { $_ => 1 } split /\n/, sql("SELECT full_name FROM hospital.patients WHERE patient_id IN (SELECT patient_id FROM hospital.visits WHERE department_code = '$own')");
my @told = $told =~ /told: (.*)/g;
is(scalar(@told), $rows{patients}, 'a cheap function in WHERE is shown as many as there are');
is(scalar(grep { !exists $mine{$_} } @told), 0, 'and nobody else');
refused('dr_own',
	[ "SET row_security = off; SELECT count(*) FROM hospital.visits", '42501: query would be affected by row-level security' ],
	(map { [$_] } 'ALTER TABLE hospital.visits DISABLE ROW LEVEL SECURITY', 'DROP POLICY hospital_clinician ON hospital.visits',
		"INSERT INTO hospital.clinicians VALUES ('dr_own', 1, 'ED')", "UPDATE hospital.clinicians SET department_code = 'ED'", 'SELECT * FROM hospital.clinicians',
		"UPDATE hospital.visits SET department_code = '$own'", 'DELETE FROM hospital.patients', "INSERT INTO hospital.staff (staff_id) VALUES (0)",
		'SELECT national_id FROM hospital.staff', 'SELECT date_of_birth FROM hospital.staff', 'SELECT population_group FROM hospital.people', 'SELECT * FROM hospital.people',
		'SELECT * FROM hospital.billing_payments', 'SELECT * FROM hospital.rejects', 'SELECT seed FROM hospital.simulation', "SELECT * FROM hospital_generate_people(3, $seed)",
		'SELECT * FROM hospital_mart.patient_journey', 'SELECT * FROM hospital_mart.patient_spending', 'SELECT * FROM hospital_research.patients', 'SET ROLE director', 'SET ROLE dr_gone'));
is(sql("INSERT INTO hospital.clinicians SELECT 'dr_own', staff_id, 'IM' FROM hospital.clinicians WHERE role_name = 'dr_own'; SET ROLE dr_own; SELECT count(*) FROM hospital.visits"),
	sql("SELECT count(*) FROM hospital.visits WHERE department_code IN ('$own', 'IM')"), 'a second department');
sql('ALTER TABLE hospital.visits DISABLE ROW LEVEL SECURITY');
cmp_ok(out_as('dr_own', 'SELECT count(*) FROM hospital.diagnoses'), '>', $rows{diagnoses}, 'without row security of visits this test would see it');
sql('CALL hospital_create_roles()');
is(out_as('dr_own', "SELECT count(*) FROM hospital.visits WHERE visit_id = $stranger AND department_code NOT IN ('$own', 'IM')"), 0, 'hospital_create_roles mends it');

# Who has been granted a table in the ordinary way sees it as before.
sql('GRANT SELECT ON hospital.visits TO other');
is(out_as('other', 'SELECT count(*) FROM hospital.visits'), $visits, 'a role of one\'s own is not in the way of row security');

# ---- loader, admin, owner -----------------------------------------------------------------------

refused('lorry', map { [$_] } 'SELECT hospital_start()', 'SELECT hospital_stop()', 'CALL hospital_undo_batch(1)', 'CALL hospital_run(1)', "SELECT * FROM hospital_generate_people(3)",
	'DELETE FROM hospital.visits', 'SELECT last_name FROM hospital.staff', 'UPDATE hospital.simulation SET seed = 1', 'SELECT * FROM hospital.clinicians', q{SELECT pg_read_file('/etc/passwd')},
	q{INSERT INTO hospital.jobs (job_name, command) VALUES ('x', 'SELECT 1')}, 'SELECT * FROM hospital.stream_ranges', 'SELECT inner_key FROM hospital.privacy');
my $records = q{SELECT } . join(' + ', map { "(SELECT count(*) FROM hospital.$_)" } qw(patients visits admissions diagnoses lab_results vital_signs prescriptions billing_payments transfers status_updates));
my $there = sql($records);
my $undo = sql(q{SELECT string_agg(format('CALL hospital_undo_batch(%s)', batch_id), ';' ORDER BY kind = 'registrations', kind = 'admissions', kind) FROM hospital.batches WHERE day = '2020-04-02' AND state = 'ingested'});
sql($undo);
cmp_ok(sql($records), '<', $there, 'a day is taken out');
like(error_as('lorry', q{CALL hospital_ingest('lake/batch/ward/date=2020-04-02')}), qr/13 files ingested: \d+ rows, 0 rejects/, 'the loader brings it in again');
is(sql($records), $there, 'all of it');
like(error_as('lorry', q{CALL hospital_ingest('../../etc/passwd')}), qr/ERROR/, 'from nowhere else');
sql('CALL hospital_undo_batch(' . sql(q{SELECT batch_id FROM hospital.batches WHERE day = '2020-04-02' AND kind = 'lab_results' AND state = 'ingested'}) . ')');
is(error_as('lorry', q{SET hospital.ingest_chunk = '64kB'; CALL hospital_ingest('lake/batch/ward/date=2020-04-02/lab_results.csv')}), '', 'a large file, by chunks');
is(sql($records), $there, 'and it is whole');

# A line and a message that were not right, and are now.
sql(qq{INSERT INTO hospital.stream_topics (topic, kind, format) VALUES ('t', 'prescriptions', 'json');
	INSERT INTO hospital.rejects (kind, topic, partition, epoch, "offset", raw, headers, sqlstate, message)
	SELECT 'prescriptions', 't', 0, 0, n, convert_to(payload, 'UTF8'), jsonb_build_array(jsonb_build_object('name', 'simulation', 'value', m.simulation_id),
		jsonb_build_object('name', 'schema_version', 'value', '1')), '23503', 'x' FROM hospital.simulation m, hospital_generate_events('prescriptions', '2020-04-02', $seed, 20000, 200, '2020-03-28') WITH ORDINALITY e (i, t, s, payload, n) WHERE n <= 3;
	DELETE FROM hospital.prescriptions r USING hospital.rejects j WHERE r.prescription_id = (convert_from(j.raw, 'UTF8')::json ->> 'prescription_id')::bigint});
like(error_as('lorry', 'CALL hospital_retry_rejects()'), qr/3 of 3 rejects resolved/, 'and may try rejects again');
is(sql($records), $there, 'which are in');

is(out_as('boss', "SELECT count(*) FROM hospital_validate() WHERE NOT ok"), 0, 'an admin validates');
is(out_as('boss', 'SELECT count(*) FROM hospital.visits'), $visits, 'sees all');
like(error_as('boss', 'CALL hospital_run(1)'), qr/1 days? done/, 'runs the hospital');
is(out_as('boss', q{SELECT hospital_schedule_job('mine', '1 hour', 'SELECT 1'); SELECT count(*) FROM hospital.jobs WHERE job_name = 'mine'}), "\n1", 'has jobs, which run as director');
refused('boss', map { [$_] } 'UPDATE hospital.simulation SET seed = 1', 'SELECT inner_key FROM hospital.privacy', 'CREATE ROLE x', 'CALL hospital_create_roles()', q{SELECT pg_read_file('/etc/passwd')},
	q{COPY hospital.people TO '/tmp/people'}, 'ALTER TABLE hospital.visits DISABLE ROW LEVEL SECURITY', 'CREATE TRIGGER t BEFORE INSERT ON hospital.visits FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()');

# Row security does not cost the owner the fast way; forced, it does, and it is said.
my $load = 'TRUNCATE hospital.people; CALL hospital_load_people()';
unlike(error_as('director', $load), qr/INSERT … SELECT/, 'the owner\'s rows are written straight');
sql('ALTER TABLE hospital.people FORCE ROW LEVEL SECURITY');
like(error_as('director', $load), qr/NOTICE:.*hospital.people is loaded by INSERT … SELECT: it has row security/, 'not where row security is forced');
sql('ALTER TABLE hospital.people NO FORCE ROW LEVEL SECURITY');

# ---- dumped and restored; another database; taken back ---------------------------------------------

my $dump = $node->basedir . '/ward.dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $db ], 'dumped');
$node->safe_psql('postgres', 'CREATE DATABASE again');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', 'again', $dump ], 'and restored');
my $rights = sql($granted);
my $pseudonyms = out_as('anna', 'SELECT md5(string_agg(patient::text, \'\')) FROM hospital_research.patients');
$db = 'again';
is(sql($granted), $rights, 'with all rights');
is(out_as('anna', 'SELECT md5(string_agg(patient::text, \'\')) FROM hospital_research.patients'), $pseudonyms, 'and pseudonyms');
refused('anna', ["SELECT * FROM hospital_generate_people(10, $seed)"]);
is(call('CALL hospital_create_roles()'), '', 'roles of the copy');
is(sql($granted), $rights, 'are those');
like(call('CALL hospital_revoke_roles(drop_roles => true)'), qr/2BP01: role "hospital_admin" cannot be dropped because some objects depend on it\nDETAIL:.*database ward/s, 'roles that another database needs stay');
is(sql($granted), $rights, 'and rights too, then');
is(call('CALL hospital_revoke_roles()'), '', 'taken back');
refused('anna', ['SELECT * FROM hospital.departments']);
like(call('CALL hospital_revoke_roles()'), qr/55000: this hospital has no roles/, 'once');
$db = 'ward';
isnt(out_as('anna', 'SELECT count(*) FROM hospital_research.patients'), '', 'in this database alone');
sql('REVOKE SELECT ON hospital.visits FROM other');
sql('REVOKE ALL ON ALL TABLES IN SCHEMA hospital_mart FROM other') if $marts_later;
is(call('CALL hospital_revoke_roles(drop_roles => true)'), '', 'and here, with the roles');
is(sql($granted), $before, 'all is as it was before');
is(sql(q{SELECT count(*) FROM pg_roles WHERE rolname LIKE 'hospital\_%'}), 0, 'no role is left');

# ---- a seed that is no secret -------------------------------------------------------------------------

sql("ALTER DATABASE ward SET hospital.seed = '$seed'");
like(call('CALL hospital_create_roles()'), qr/WARNING:.*the setting hospital.seed shows everybody the seed/, 'the seed in a setting');
sql('ALTER DATABASE ward RESET hospital.seed');
sql('UPDATE hospital.simulation SET seed = 42');
like(call('CALL hospital_create_roles()'), qr/WARNING:.*the seed of this hospital can be guessed/, 'the seed of everybody');

$node->stop('fast');
done_testing();
