
# 035_insight: alerts and windows of activity come with the rows, whatever the
# order in which events arrive.
#
# Prescriptions and transfers of patients that no simulation has are sent in a
# seeded order, some twice: two topics, so that two consumers have events of one
# patient at the same time; one of them is killed on the way.  What there should
# be is worked out from the tables in plain SQL.
use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use FindBin;
use lib "$FindBin::Bin/../perl";
use IPC::Run ();
use List::Util qw(shuffle);
use Patience qw(wait_until);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant FIRST_PATIENT => 900_000_000;
use constant PATIENTS => 8;
use constant GAP => 45;    # minutes

my $seed = $ENV{HOSPITAL_TEST_SEED} // time;
srand($seed);
note "HOSPITAL_TEST_SEED=$seed";

plan skip_all => 'kcat is not installed' if system('kcat -V >/dev/null 2>&1') != 0;

my $node = PostgreSQL::Test::Cluster->new('insight');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->append_conf('postgresql.conf', sprintf(q{
shared_preload_libraries = 'hospital'
restart_after_crash = on
hospital.databases = 'postgres'
hospital.data_folder = '%s'
hospital.kafka_brokers = 'embedded'
hospital.topics = 'transfers, prescriptions'
hospital.consumer_workers = 2
hospital.activity_gap = '%dmin'
hospital.batch_interval = '1d'
}, abs_path(PostgreSQL::Test::Utils::tempdir()), GAP));
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]) }

my $address;

sub find_broker
{
	my $brokers = q{FROM pg_stat_activity WHERE backend_type = 'hospital broker' AND query ~ '[0-9.]+:[0-9]+'};

	wait_until($node, "SELECT count(*) = 1 $brokers", 'a broker');
	$address = sql("SELECT substring(query FROM '[0-9.]+:[0-9]+') $brokers");
	return;
}

sql('CREATE EXTENSION hospital');
sql("CALL hospital_create(people => 20000, beds => 200, start_date => '2020-01-01')");
sql('CALL hospital_load_staff()');
my $simulation = sql('SELECT simulation_id FROM hospital.simulation');

sql('SELECT hospital_start()');
find_broker();

# ---- events -----------------------------------------------------------------

# Medicines of interactions and some others; of several with one code any.
my @medicines = split /\n/, sql(q{SELECT m.medicine_id FROM hospital.medicines m
	JOIN (SELECT atc_a AS atc FROM hospital.drug_interactions UNION SELECT atc_b FROM hospital.drug_interactions) i USING (atc)
	ORDER BY 1});
push @medicines, split /\n/, sql('SELECT medicine_id FROM hospital.medicines ORDER BY medicine_id LIMIT 20');
my @durations = ('1 day', '5 days', '10 days', '1 week', '2 weeks', '6 weeks', 'until better');
my $prescription = 9_000_000_000_000;
my $transfer = 0;
my %sent;

sub prescription
{
	my ($patient, $minute) = @_;

	return sprintf '{"prescription_id": %d, "patient_id": %d, "doctor_id": 1, "visit_id": 1, "medicine_id": "%s",'
		. ' "dosage": "1 tablet", "duration": "%s", "prescribed_at": "2020-01-%02dT%02d:%02d:00Z",'
		. ' "admission_id": null, "quantity": 1}', ++$prescription, FIRST_PATIENT + $patient,
		$medicines[ rand @medicines ], $durations[ rand @durations ],
		1 + $minute / 1440, $minute / 60 % 24, $minute % 60;
}

sub transfer
{
	my ($patient, $minute) = @_;

	return sprintf '{"event_id": "01890a5d-ac96-774b-8ccf-%012d", "event_time": "2020-01-%02dT%02d:%02d:00Z",'
		. ' "admission_id": 1, "patient_id": %d, "from_ward": "MED01", "to_ward": "MED02", "reason": "step down",'
		. ' "status": "completed", "staff_id": 1}', ++$transfer, 1 + $minute / 1440, $minute / 60 % 24, $minute % 60,
		FIRST_PATIENT + $patient;
}

# In this order, of each topic.
sub send_events
{
	my (@events) = @_;

	send_to('transfers', grep { /event_id/ } @events);
	send_to('prescriptions', grep { /prescription_id/ } @events);
	return;
}

sub send_to
{
	my ($kind, @events) = @_;
	my $file = abs_path(PostgreSQL::Test::Utils::tempdir()) . '/events';

	open my $fh, '>', $file or die "$file: $!";
	foreach my $event (@events)
	{
		print $fh int(rand 1000) . "\t$event\n";
		$sent{$event} = 1;
	}
	close $fh or die "$file: $!";
	PostgreSQL::Test::Utils::system_or_bail('kcat', '-P', '-q', '-b', $address, '-t', "hospital.$kind",
		'-K', '\t', '-H', "simulation=$simulation", '-H', 'schema_version=1', '-l', $file);
	return;
}

sub wait_for_events
{
	wait_until($node, sprintf('SELECT (SELECT count(*) FROM hospital.prescriptions WHERE patient_id >= %1$d)'
			. ' + (SELECT count(*) FROM hospital.transfers WHERE patient_id >= %1$d) = %2$d',
			FIRST_PATIENT, scalar keys %sent), 'events as rows');
	return;
}

# ---- what there should be ---------------------------------------------------

my $pairs = sprintf q{
	SELECT later.prescription_id, earlier.prescription_id, later.patient_id, later.medicine_id, earlier.medicine_id,
	       i.severity, i.effect, later.prescribed_at
	FROM hospital.prescriptions later
	JOIN hospital.prescriptions earlier USING (patient_id)
	JOIN hospital.medicines ml ON ml.medicine_id = later.medicine_id
	JOIN hospital.medicines me ON me.medicine_id = earlier.medicine_id
	JOIN hospital.drug_interactions i ON (i.atc_a = ml.atc AND i.atc_b = me.atc) OR (i.atc_a = me.atc AND i.atc_b = ml.atc)
	WHERE patient_id >= %d
	  AND (earlier.prescribed_at < later.prescribed_at
	       OR (earlier.prescribed_at = later.prescribed_at AND earlier.prescription_id < later.prescription_id))
	  AND later.prescribed_at - earlier.prescribed_at <
	      CASE earlier.duration WHEN 'until better' THEN interval '1 day' ELSE earlier.duration::interval END}, FIRST_PATIENT;
my $alerts = sprintf q{
	SELECT prescription_id, other_prescription_id, patient_id, medicine_id, other_medicine_id, severity, effect, prescribed_at
	FROM hospital.alerts WHERE patient_id >= %d}, FIRST_PATIENT;

# An event begins a window when none of the patient's is within the gap before it.
my $islands = sprintf q{
	SELECT patient_id, min(at), max(at), count(*)
	FROM (SELECT patient_id, at, count(*) FILTER (WHERE begins) OVER (PARTITION BY patient_id ORDER BY at) AS number
	      FROM (SELECT patient_id, at,
	                   coalesce(at - lag(at) OVER (PARTITION BY patient_id ORDER BY at) > interval '%d min', true) AS begins
	            FROM (SELECT patient_id, prescribed_at AS at FROM hospital.prescriptions
	                  UNION ALL SELECT patient_id, event_time FROM hospital.transfers) e WHERE patient_id >= %d) b) n
	GROUP BY patient_id, number}, GAP, FIRST_PATIENT;
my $windows = sprintf 'SELECT patient_id, started_at, ended_at, events FROM hospital.patient_activity WHERE patient_id >= %d',
	FIRST_PATIENT;

sub are_right
{
	my ($when) = @_;

	wait_for_events();
	is(sql("SELECT count(*) FROM ($pairs EXCEPT ALL $alerts) x"), 0, "no alert is missing $when");
	is(sql("SELECT count(*) FROM ($alerts EXCEPT ALL $pairs) x"), 0, "none is too many $when");
	is(sql("SELECT count(*) FROM ($islands EXCEPT ALL $windows) x"), 0, "windows are those of the events $when");
	is(sql("SELECT count(*) FROM ($windows EXCEPT ALL $islands) x"), 0, "there are no others $when");
	return;
}

# ---- the story --------------------------------------------------------------

my @events = map { prescription(int(rand PATIENTS), int(rand 20 * 1440)) } 1 .. 400;
push @events, map { transfer(int(rand PATIENTS), int(rand 20 * 1440)) } 1 .. 400;
my @order = shuffle(@events, map { $events[ rand @events ] } 1 .. 80);

send_events(splice @order, 0, 300);
are_right('after some events, late ones among them');

send_events(splice @order, 0, 300);
my $pid = sql(q{SELECT min(pid) FROM pg_stat_activity WHERE backend_type = 'hospital consumer'});
kill 9, $pid;
wait_until($node, qq{SELECT count(*) = 2 AND bool_and(pid <> $pid) FROM pg_stat_activity WHERE backend_type = 'hospital consumer'},
	'other consumers');
find_broker();
send_events(@events);
are_right('after a crash, and everything once more');
cmp_ok(sql("SELECT count(*) FROM ($alerts) x"), '>', 20, 'there were alerts');
cmp_ok(sql("SELECT count(*) FILTER (WHERE events > 1) FROM ($windows) x"), '>', 20, 'there were windows of several events');

is(sql('SELECT count(*) FROM hospital.patient_activity w JOIN hospital.patient_activity o USING (patient_id)'
		. sprintf(q{ WHERE o.started_at > w.started_at AND o.started_at - w.ended_at <= interval '%d min'}, GAP)), 0,
	'no two windows of a patient are within the gap');

# ---- listeners --------------------------------------------------------------

my ($in, $heard, $trouble) = ("LISTEN hospital_alerts;\n\\echo listening\n", '', '');
my $listener = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres') ],
	'<', \$in, '>', \$heard, '2>', \$trouble, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
$listener->pump until $heard =~ /listening/;
my $before = sql('SELECT coalesce(max(alert_id), 0) FROM hospital.alerts');

# Notifications come with the answer to a command.
sub told
{
	my $number = 0;

	$in .= "SELECT 1;\n\\echo answered\n";
	$heard =~ s/answered\n//g;
	$listener->pump until $heard =~ /answered/;
	foreach my $payload ($heard =~ /notification "hospital_alerts" with payload "(.*)" received/g)
	{
		$number += $payload =~ /"alerts" ?: ?(\d+)/ ? $1 : $payload =~ /"alert_id" ?: ?\d+/ ? 1 : 0;
	}
	return $number;
}

send_events(map { prescription(PATIENTS, $_) } 1 .. 3) foreach 1 .. 3;
send_events(map { prescription(PATIENTS + 1, int(rand 100)) } 1 .. 300);
are_right('after many at once');
my $raised = sql("SELECT count(*) FROM hospital.alerts WHERE alert_id > $before");
cmp_ok($raised, '>', 50, 'many alerts at once');
my $told = 0;
foreach (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
{
	$told = told();
	last if $told >= $raised;
	select undef, undef, undef, 0.1;
}
is($told, $raised, 'listeners hear of each alert, or how many there are');
like($heard, qr/"alerts" ?: ?\d+, ?"last_alert_id" ?: ?\d+/, 'and of many at once in one notification');

# Everybody may listen: where there are roles, a number is all that is heard.
$before = sql('CALL hospital_create_roles(); SELECT max(alert_id) FROM hospital.alerts');
$heard = '';
foreach (1 .. 50)
{
	send_events(prescription(PATIENTS, 50));
	last if sql("SELECT count(*) > 0 FROM hospital.alerts WHERE alert_id > $before") eq 't';
}
foreach (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
{
	last if told() > 0;
	select undef, undef, undef, 0.1;
}
my @payloads = $heard =~ /notification "hospital_alerts" with payload "(.*)" received/g;
cmp_ok(scalar(@payloads), '>', 0, 'an alert in a hospital with roles is told');
is(scalar(grep { !/^\{"alert_id" ?: ?\d+\}$/ } @payloads), 0, 'by its number alone');
$in .= "\\q\n";
$listener->finish;

$node->stop('fast');
unlike(slurp_file($node->logfile), qr/TRAP|signal 11|signal 6/, 'no process crashed by itself');
done_testing();
