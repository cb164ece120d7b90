# 050_marts.pl: the marts equal what plain SQL makes of the facts, whatever
# way these came: run (and killed on the way), in another order, as events
# before the files, undone and ingested again, rejects tried again, dumped and
# restored; with days folded, live and merged by month.
#
# The queries here are written from the contract of each mart, with other means
# than the marts': looked-up values instead of joins, windows over whole tables.
# HOSPITAL_TEST_SEED repeats a test.
use strict;
use warnings;

use IPC::Run ();
use List::Util qw(shuffle);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use constant DAYS => 9;     # from 25 January: a month ends

my $seed = $ENV{HOSPITAL_TEST_SEED} || 1 + int(rand(1_000_000));
note("HOSPITAL_TEST_SEED=$seed");
srand($seed);

my $node = PostgreSQL::Test::Cluster->new('marts');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
my $folders = $node->basedir . '/folders';
mkdir $folders or die "$folders: $!";
mkdir "$folders/$_" or die "$_: $!" foreach qw(run other stream);
$node->append_conf('postgresql.conf', qq(
fsync = off
autovacuum = off
jit = off
shared_preload_libraries = 'hospital'
max_worker_processes = 16
hospital.data_folder = '$folders/stream'
hospital.databases = 'stream'
hospital.kafka_brokers = 'embedded'
hospital.topics = 'all'
hospital.batch_interval = '1h'
hospital.reject_percent = 100
));
$node->start;

sub hospital
{
	my ($db) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $db");
	$node->safe_psql('postgres', "ALTER DATABASE $db SET hospital.data_folder = '$folders/$db'") if $db ne 'stream';
	$node->safe_psql($db, qq(
		CREATE EXTENSION hospital;
		CALL hospital_create(people => 20000, beds => 200, seed => $seed, name => 'same', start_date => '2020-01-25', end_date => '2020-03-31', dirty_rate => 0);
		CALL hospital_load_staff();
		CREATE FUNCTION day_of(at timestamptz) RETURNS date LANGUAGE sql IMMUTABLE AS \$\$ SELECT ((at + interval '2 hours') AT TIME ZONE 'UTC')::date \$\$;
		CREATE FUNCTION month_of(day date) RETURNS date LANGUAGE sql IMMUTABLE AS \$\$ SELECT make_date(extract(year FROM day)::int, extract(month FROM day)::int, 1) \$\$));
	return;
}

# ---- each mart from scratch ------------------------------------------------------------------

my $dep = '(SELECT v.department_code FROM hospital.visits v WHERE v.visit_id = x.visit_id)';
my $doc = '(SELECT v.doctor_id FROM hospital.visits v WHERE v.visit_id = x.visit_id)';
my $last = q(coalesce((SELECT max(day) FROM hospital.batches WHERE state = 'ingested'),
	(SELECT max(d) FROM (SELECT max(billing_date) AS d FROM hospital.billing_payments UNION ALL SELECT greatest(max(visit_date), max(day_of(left_at))) FROM hospital.visits
		UNION ALL SELECT day_of(max(at)) FROM hospital.diagnoses UNION ALL SELECT day_of(max(prescribed_at)) FROM hospital.prescriptions
		UNION ALL SELECT greatest(day_of(max(admitted_at)), day_of(max(discharged_at))) FROM hospital.admissions
		UNION ALL SELECT day_of(max(recorded_at)) FROM hospital.status_updates) x)));
my $minutes = q(round(extract(epoch FROM x.left_at) / 60 - extract(epoch FROM x.arrived_at) / 60)::bigint);
my $stays = q(
	changes AS (SELECT u.*, lead(recorded_at, 1, 'infinity') OVER (PARTITION BY admission_id ORDER BY recorded_at, update_id) AS until
		FROM hospital.status_updates u
		WHERE status IN ('admitted', 'moved', 'discharged', 'died', 'absconded', 'refused treatment', 'transferred out')),
	places AS (SELECT ward_code, recorded_at AS since, until FROM changes WHERE status IN ('admitted', 'moved')),
	ends AS (SELECT min(day_of(recorded_at)) AS lo, max(day_of(recorded_at)) AS hi FROM hospital.status_updates),
	hours AS (SELECT h AS at FROM ends, generate_series((lo::text || ' 00:00+02')::timestamptz, (hi::text || ' 23:00+02')::timestamptz, '1 hour') h));
my $occupied = q(SELECT h.at, p.ward_code, count(*) AS occupied FROM hours h JOIN places p ON p.since <= h.at AND p.until > h.at GROUP BY 1, 2);

my %scratch = (
	diagnosis_distribution => qq(
		SELECT month_of(day_of(at)), code, description, rank, $dep, count(*) FROM hospital.diagnoses x GROUP BY 1, 2, 3, 4, 5),
	revenue_by_month => qq(
		SELECT month_of(billing_date), $dep, patient_class, payment_status, count(*), sum(total_amount), sum(consultation), sum(accommodation),
			sum(procedures), sum(imaging), sum(laboratory), sum(medicines), sum(other) FROM hospital.billing_payments x GROUP BY 1, 2, 3, 4),
	revenue_by_doctor => qq(
		SELECT m, doctor, (SELECT concat_ws(' ', first_name, last_name) FROM hospital.staff WHERE staff_id = doctor),
			(SELECT specialty FROM hospital.staff WHERE staff_id = doctor), d, count(*), sum(total_amount)
		FROM (SELECT month_of(billing_date) AS m, $doc AS doctor, $dep AS d, total_amount FROM hospital.billing_payments x) x GROUP BY m, doctor, d),
	doctor_performance => qq(
		WITH a AS (SELECT month_of(visit_date) AS m, doctor_id AS doctor, count(*) AS n FROM hospital.visits x GROUP BY 1, 2),
			b AS (SELECT month_of(day_of(left_at)) AS m, doctor_id AS doctor, count(*) AS n, sum($minutes)::bigint AS minutes
				FROM hospital.visits x WHERE left_at IS NOT NULL GROUP BY 1, 2),
			c AS (SELECT month_of(day_of(prescribed_at)) AS m, doctor_id AS doctor, count(*) AS n FROM hospital.prescriptions GROUP BY 1, 2),
			d AS (SELECT month_of(billing_date) AS m, $doc AS doctor, count(*) AS n, sum(total_amount) AS amount FROM hospital.billing_payments x GROUP BY 1, 2)
		SELECT m, doctor, concat_ws(' ', s.first_name, s.last_name), s.role, s.specialty, s.department_code, coalesce(a.n, 0), coalesce(b.n, 0),
			coalesce(b.minutes, 0), coalesce(c.n, 0), coalesce(d.n, 0), coalesce(d.amount, 0)
		FROM a FULL JOIN b USING (m, doctor) FULL JOIN c USING (m, doctor) FULL JOIN d USING (m, doctor)
		JOIN hospital.staff s ON s.staff_id = doctor),
	doctors_by_specialization => qq(
		SELECT role, specialty, department_code, sum(CASE WHEN left_on <= $last THEN 0 ELSE 1 END)::bigint, sum(CASE WHEN left_on <= $last THEN 1 ELSE 0 END)::bigint
		FROM hospital.staff WHERE substr(registration_no, 1, 2) IN ('MP', 'IN', 'DP') AND NOT hired_on > $last GROUP BY 1, 2, 3),
	patient_age_distribution => qq(
		SELECT (ARRAY['0-4', '5-9', '10-14', '15-19', '20-24', '25-29', '30-34', '35-39', '40-44', '45-49', '50-54', '55-59', '60-64', '65-69', '70-74',
				'75-79', '80-84', '85+'])[1 + least((to_char($last, 'YYYYMMDD')::int - to_char(date_of_birth, 'YYYYMMDD')::int) / 10000 / 5, 17)],
			gender, count(*) FROM hospital.patients WHERE NOT coalesce(deceased_at < 'infinity', false) GROUP BY 1, 2),
	monthly_visit_stats => qq(
		WITH a AS (SELECT month_of(visit_date) AS m, department_code AS d, kind AS k, count(*) AS n FROM hospital.visits GROUP BY 1, 2, 3),
			b AS (SELECT month_of(day_of(left_at)) AS m, department_code AS d, kind AS k, count(*) AS n, sum($minutes)::bigint AS minutes, sum(total_cost) AS cost
				FROM hospital.visits x WHERE total_cost IS NOT NULL GROUP BY 1, 2, 3)
		SELECT m, d, k, coalesce(a.n, 0), coalesce(b.n, 0), coalesce(minutes, 0), coalesce(cost, 0) FROM a FULL JOIN b USING (m, d, k)),
	patient_journey => q(
		WITH d AS (SELECT visit_id, count(*) AS n FROM hospital.diagnoses GROUP BY 1), p AS (SELECT visit_id, count(*) AS n FROM hospital.prescriptions GROUP BY 1),
			b AS (SELECT visit_id, sum(total_amount) AS amount FROM hospital.billing_payments GROUP BY 1)
		SELECT x.patient_id, row_number() OVER w,
			x.visit_id, x.visit_date, x.kind, x.department_code, x.doctor_id, x.triage, x.disposition, x.admission_id, a.admitted_at, a.discharged_at,
			x.diagnosis, coalesce(d.n, 0), coalesce(p.n, 0), b.amount,
			x.visit_date - lag(x.visit_date) OVER w
		FROM hospital.visits x LEFT JOIN (SELECT admission_id, admitted_at, discharged_at FROM hospital.admissions) a USING (admission_id) LEFT JOIN d USING (visit_id) LEFT JOIN p USING (visit_id) LEFT JOIN b USING (visit_id)
		WINDOW w AS (PARTITION BY x.patient_id ORDER BY x.arrived_at, x.visit_id)),
	patient_spending => q(
		SELECT patient_id, (SELECT patient_class FROM hospital.patients p WHERE p.patient_id = x.patient_id), count(*), sum(n)::bigint, sum(amount), sum(paid), sum(pending), sum(unpaid), min(lo), max(hi)
		FROM (SELECT patient_id, visit_id, count(*) AS n, sum(total_amount) AS amount, sum(CASE payment_status WHEN 'Paid' THEN total_amount ELSE 0 END) AS paid,
				sum(CASE payment_status WHEN 'Pending' THEN total_amount ELSE 0 END) AS pending, sum(CASE payment_status WHEN 'Unpaid' THEN total_amount ELSE 0 END) AS unpaid,
				min(billing_date) AS lo, max(billing_date) AS hi FROM hospital.billing_payments GROUP BY 1, 2) x GROUP BY patient_id),
	patient_bills => q(
		SELECT billing_date, patient_id, sum(n)::bigint, sum(amount), sum(amount) - sum(CASE WHEN payment_status <> 'Paid' THEN amount ELSE 0 END),
			sum(CASE payment_status WHEN 'Pending' THEN amount ELSE 0 END), sum(CASE payment_status WHEN 'Unpaid' THEN amount ELSE 0 END)
		FROM (SELECT billing_date, patient_id, payment_status, count(*) AS n, sum(total_amount) AS amount FROM hospital.billing_payments GROUP BY 1, 2, 3) x GROUP BY 1, 2),
	medication_usage => qq(
		SELECT month_of(day_of(prescribed_at)), medicine_id, (SELECT name FROM hospital.medicines m WHERE m.medicine_id = x.medicine_id), $dep, count(*), sum(quantity)
		FROM hospital.prescriptions x GROUP BY 1, 2, 3, 4),
	payment_status => q(
		SELECT month_of(billing_date), payment_status, patient_class, count(*), sum(total_amount) FROM hospital.billing_payments GROUP BY 1, 2, 3),
	ward_occupancy_by_hour => qq(
		WITH $stays SELECT o.at, o.ward_code, w.department_code, o.occupied, w.beds FROM ($occupied) o JOIN hospital.wards w USING (ward_code)),
	length_of_stay => q(
		WITH s AS (SELECT *, floor(extract(epoch FROM discharged_at - admitted_at) / 86400)::int AS days FROM hospital.admissions WHERE discharged_at IS NOT NULL)
		SELECT month_of(day_of(discharged_at)), department_code, admission_type, outcome, count(*), sum(round(extract(epoch FROM discharged_at - admitted_at) / 3600))::bigint,
			sum((days = 0)::int), sum((days IN (1, 2))::int), sum((days BETWEEN 3 AND 6)::int), sum((days BETWEEN 7 AND 13)::int), sum((days BETWEEN 14 AND 29)::int), sum((days > 29)::int)
		FROM s GROUP BY 1, 2, 3, 4),
	ed_waiting => q(
		WITH seen AS (SELECT v.*, d.at FROM hospital.visits v CROSS JOIN LATERAL (SELECT at FROM hospital.diagnoses d WHERE d.visit_id = v.visit_id AND rank = 'primary') d
				WHERE kind = 'emergency' AND triage <> '')
		SELECT month_of(day_of(at)), triage, department_code, count(*), sum(round((extract(epoch FROM at) - extract(epoch FROM arrived_at)) / 60))::bigint,
			sum((extract(epoch FROM at) - extract(epoch FROM arrived_at) <= 60 * target_minutes)::int), target_minutes
		FROM seen JOIN hospital.triage_sats ON colour = triage GROUP BY 1, 2, 3, target_minutes),
	bed_days => qq(
		WITH $stays, nights AS (SELECT d::date AS day, (d::date + 1)::text || ' 00:00+02' AS at FROM ends, generate_series(lo::timestamp, hi, '1 day') d)
		SELECT month_of(n.day), p.ward_code, w.department_code, count(*), w.beds FROM nights n JOIN places p ON p.since < n.at::timestamptz AND p.until >= n.at::timestamptz
		JOIN hospital.wards w USING (ward_code) GROUP BY 1, 2, 3, w.beds),
	readmissions => q(
		SELECT month_of(day_of(admitted_at)), department_code, count(*), sum((admission_id IN (
				SELECT a.admission_id FROM hospital.admissions a JOIN hospital.admissions e ON e.patient_id = a.patient_id AND e.admission_id <> a.admission_id
				WHERE a.admitted_at - e.discharged_at BETWEEN '0' AND '30 days'))::int) FROM hospital.admissions GROUP BY 1, 2),
	staffing_against_need => qq(
		WITH $stays, o AS ($occupied), s (shift, hour) AS (VALUES ('N12D', 10), ('N12N', 22)),
			n AS (SELECT day_of(starts_at) AS day, a.ward_code, a.shift, count(*) AS nurses FROM hospital.staff_assignments a JOIN hospital.staff m USING (staff_id)
				WHERE EXISTS (SELECT FROM hospital.staff_roles r WHERE r.role = m.role AND r.category = 'nursing') AND a.shift IN ('N12D', 'N12N') GROUP BY 1, 2, 3),
			p AS (SELECT day_of(o.at) AS day, o.ward_code, s.shift, o.occupied FROM o JOIN s ON s.hour = extract(hour FROM o.at AT TIME ZONE 'UTC' + interval '2 hours'))
		SELECT day, ward_code, w.department_code, shift, coalesce(nurses, 0),
			coalesce(ceil(occupied / CASE shift WHEN 'N12D' THEN patients_per_nurse_day ELSE patients_per_nurse_night END), 0)::bigint
		FROM n FULL JOIN p USING (day, ward_code, shift) JOIN hospital.wards w USING (ward_code) JOIN hospital.ward_plan USING (ward_code), ends
		WHERE day BETWEEN lo AND hi));

# The marts that differ, and in how many rows.
sub differing
{
	my ($db) = @_;
	my $query = join ";\n", map {
		"WITH mart AS MATERIALIZED (SELECT * FROM hospital_mart.$_), facts AS MATERIALIZED ($scratch{$_}) SELECT * FROM (SELECT '$_', "
		  . "(SELECT count(*) FROM (TABLE mart EXCEPT ALL TABLE facts) x) AS too_many, (SELECT count(*) FROM (TABLE facts EXCEPT ALL TABLE mart) x) AS missing) x "
		  . "WHERE too_many + missing > 0"
	} sort keys %scratch;
	return $node->safe_psql($db, $query);
}

sub right
{
	my ($db, $what) = @_;
	is(differing($db), '', "$what: all marts are what the facts say");
	return;
}

sub live { return $node->safe_psql($_[0], 'SELECT count(*) FROM hospital_mart.live_days') }
sub valid { return $node->safe_psql($_[0], q(SELECT missing, altered, expected > 0 FROM hospital_validate() WHERE check_name = 'marts')) }

# ---- a run, killed on the way ----------------------------------------------------------------

hospital('run');
my ($in, $out) = ('', '');
my $run = IPC::Run::start([ $node->installed_command('psql'), '-XqAt', '-d', $node->connstr('run'), '-c', 'CALL hospital_run(' . DAYS . ')' ],
	'<', \$in, '>', \$out, '2>', \$out);
$node->poll_query_until('run', q(SELECT count(*) >= 40 FROM hospital.batches WHERE state = 'ingested')) or die 'nothing is ingested';
$node->stop('immediate');
eval { $run->finish };
$node->start;
right('run', 'after a kill');
my $left = DAYS - $node->safe_psql('run', 'SELECT count(*) FROM hospital.days');
$node->safe_psql('run', "CALL hospital_run($left)") if $left > 0;
$node->safe_psql('run', 'CALL hospital_run(1)') if $node->safe_psql('run', q(SELECT count(*) FROM hospital.batches WHERE state = 'written'));
right('run', 'run');
is($node->safe_psql('run', q(SELECT count(*) FROM hospital_mart.live_days WHERE day < (SELECT max(day) FROM hospital.batches))), 0, 'run: what is over is folded');
is($node->safe_psql('run', q(SELECT count(*) FROM hospital_mart.merged_months)), 9, 'run: the month that is over is merged');
is(valid('run'), '0|0|t', 'run: hospital_validate agrees');
ok($node->safe_psql('run', q(SELECT count(DISTINCT month) = 2 AND sum(bills) > 100 FROM hospital_mart.revenue_by_month)) eq 't', 'run: there is something to see');

# ---- a cell that is wrong is seen, and mended -------------------------------------------------

foreach my $spoilt ([ 'revenue_cells', 'total_amount = total_amount + 0.01' ], [ 'beds_cells', 'start = start + 1' ],
	[ 'deaths_cells', 'patients = patients + 1' ])
{
	my ($table, $change) = @$spoilt;
	$node->safe_psql('run', "UPDATE hospital_mart.$table SET $change WHERE ctid = (SELECT max(ctid) FROM hospital_mart.$table)");
	isnt(differing('run'), '', "$table spoilt: a mart is wrong");
	isnt(valid('run'), '0|0|t', "$table spoilt: hospital_validate says so");
}
$node->safe_psql('run', 'SELECT hospital_refresh_marts()');
right('run', 'refreshed');
is(valid('run'), '0|0|t', 'refreshed: hospital_validate agrees');

# ---- undone, and ingested again ---------------------------------------------------------------

my $middle = '2020-01-30';
my @undone = split /\n/, $node->safe_psql('run', qq(
	SELECT batch_id || ' ' || file FROM hospital.batches
	WHERE state = 'ingested' AND (day = '$middle' AND kind IN ('billing_payments', 'diagnoses', 'prescriptions', 'status_updates')
		OR day = (SELECT max(day) FROM hospital.batches) AND kind IN ('visits', 'admissions'))
	ORDER BY array_position('{billing_payments,diagnoses,prescriptions,status_updates,visits,admissions}', kind)));
foreach (@undone)
{
	my ($batch, $file) = split / /;
	$node->safe_psql('run', "CALL hospital_undo_batch($batch)");
}
cmp_ok(live('run'), '>', 5, 'undone: days are live');
right('run', 'undone');
foreach (reverse @undone)
{
	my ($batch, $file) = split / /;
	$node->safe_psql('run', "CALL hospital_ingest('$file')");
}
$node->safe_psql('run', 'CALL hospital_fold_marts()');
right('run', 'folded');
is(valid('run'), '0|0|t', 'folded: hospital_validate agrees');

# ---- off, and on ------------------------------------------------------------------------------

$node->safe_psql('run', 'ALTER SYSTEM SET hospital.marts = off');
$node->safe_psql('run', 'SELECT pg_reload_conf()');
my $before = live('run');
$node->poll_query_until('run', q(SELECT current_setting('hospital.marts') = 'off')) or die 'no reload';
$node->safe_psql('run', 'CALL hospital_run(1)');
cmp_ok(live('run'), '>=', $before + 7, 'off: nothing is folded');
right('run', 'off');
$node->safe_psql('run', 'ALTER SYSTEM RESET hospital.marts');
$node->safe_psql('run', 'SELECT pg_reload_conf()');
$node->poll_query_until('run', q(SELECT current_setting('hospital.marts') = 'on')) or die 'no reload';

# ---- the same files in another order, one of them with a line that is mended later --------------

hospital('other');
system_or_bail('cp', '-r', "$folders/run/lake", "$folders/other/");
system_or_bail('sh', '-c', "rm '$folders/other/lake/batch/same'/*/manifest.json");
my @files = map { s/^\Q$folders\E\/other\///r } glob("$folders/other/lake/batch/same/date=2020-0[12]-*/*.csv");
my ($spoilt) = grep { m{date=$middle/billing_payments} } @files;
my @lines = split /^/, slurp_file("$folders/other/$spoilt");
my $good = $lines[3];
$lines[3] =~ s/,2020-01-30,/,2020-01-3x,/ or die "no date in: $good";
append_to_file("$folders/other/$spoilt.new", join('', @lines));
rename "$folders/other/$spoilt.new", "$folders/other/$spoilt" or die;
system_or_bail('sh', '-c', "touch -d '1 hour ago' '$folders/other/lake/batch/same'/*/*.csv");

# Small pieces of disorder, and days that go backwards.
my @days = reverse(sort keys %{ { map { m{(date=[^/]+)/} ? ($1 => 1) : () } @files } });
my @order = map { my $day = $_; shuffle(grep { m{$day/} } @files) } @days;
my $half = int(@order / 2);
$node->safe_psql('other', join('', map { "CALL hospital_ingest('$_');\n" } @order[ 0 .. $half ]));
right('other', 'half of the files in another order');
$node->safe_psql('other', join('', map { "CALL hospital_ingest('$_');\n" } @order[ $half + 1 .. $#order ]));
$node->safe_psql('other', 'CALL hospital_fold_marts()');
right('other', 'in another order, folded');
is($node->safe_psql('other', q(SELECT count(*) FROM hospital.rejects WHERE resolved_at IS NULL)), 1, 'one line is a reject');
$node->safe_psql('other', sprintf q(UPDATE hospital.rejects SET raw = convert_to(%s, 'UTF8') WHERE resolved_at IS NULL), "E'" . ($good =~ s/'/''/gr =~ s/\n/\\n/r) . "'");
$node->safe_psql('other', 'CALL hospital_retry_rejects()');
is($node->safe_psql('other', q(SELECT count(*) FROM hospital.rejects WHERE resolved_at IS NULL)), 0, 'mended, it is none');
cmp_ok(live('other'), '>', 0, 'retried: its day is live');
right('other', 'retried');
$node->safe_psql('other', 'CALL hospital_fold_marts()');
right('other', 'retried, folded');
is(valid('other'), '0|0|t', 'in another order: hospital_validate agrees');
my $contents = join ' UNION ALL ', map { "SELECT '$_', count(*), md5(string_agg(x::text, ';' ORDER BY x::text COLLATE \"C\")) FROM hospital_mart.$_ x" } sort keys %scratch;
is($node->safe_psql('other', $contents), $node->safe_psql('run', $contents), 'the marts are the same, whatever the order');

# ---- dumped and restored -----------------------------------------------------------------------

my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
system_or_bail($node->installed_command('pg_dump'), '-Fc', '-d', $node->connstr('run'), '-f', $dump);
$node->safe_psql('postgres', 'CREATE DATABASE restored');
system_or_bail($node->installed_command('pg_restore'), '-d', $node->connstr('restored'), $dump);
is($node->safe_psql('restored', $contents), $node->safe_psql('run', $contents), 'dumped and restored: the marts are the same');
is(live('restored'), live('run'), 'dumped and restored: so is what is folded');

# ---- events before files -------------------------------------------------------------------------

hospital('stream');
$node->safe_psql('stream', 'SELECT hospital_start()');
$node->safe_psql('stream', q(CALL hospital_publish('2020-01-25', '2020-01-28')));
my $caught_up = q(SELECT count(*) = (SELECT coalesce(sum(events), -1) FROM hospital.published WHERE kind = 'billing_payments') FROM hospital.billing_payments);
$node->poll_query_until('stream', $caught_up) or die 'events do not come in';
$node->poll_query_until('stream', q(SELECT coalesce(bool_and(lag = 0), false) FROM hospital.stream_lag)) or die 'events do not come in';
cmp_ok(live('stream'), '>', 0, 'events: their days are live');
right('stream', 'events alone');
$node->safe_psql('stream', 'SELECT hospital_stop()');
$node->safe_psql('stream', 'CALL hospital_run(2)');
right('stream', 'events before files');
$node->safe_psql('stream', 'CALL hospital_run(3)');
$node->safe_psql('stream', 'CALL hospital_fold_marts()');
right('stream', 'events before files, folded');
is($node->safe_psql('stream', q(SELECT count(*) FROM hospital_mart.live_days WHERE day < '2020-01-29')), 0, 'events before files: what is over is folded');

$node->stop;
done_testing();
