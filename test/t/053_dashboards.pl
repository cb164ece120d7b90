# 053_dashboards.pl: what the dashboards' page and the report are drawn from, and
# the server of the page, without a browser (test/tools/page.sh has one): sums equal
# those of the facts, whatever is chosen; the marts alone are enough; nothing but a
# period and a department can be asked for, by nobody but this machine.
# HOSPITAL_TEST_SEED repeats a test.
use strict;
use warnings;

use FindBin;
use IO::Socket::INET;
use JSON::PP;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $seed = $ENV{HOSPITAL_TEST_SEED} || 1 + int(rand(1_000_000));
note("HOSPITAL_TEST_SEED=$seed");
my $server;
# whatever happens, it goes
END { local $?; kill 'TERM', $server if $server; }
my $page_py = "$FindBin::RealBin/../../dashboards/page/page.py";

my $node = PostgreSQL::Test::Cluster->new('dashboards');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
my $folder = $node->basedir . '/folder';
mkdir $folder or die "$folder: $!";
$node->append_conf('postgresql.conf', qq(
fsync = off
jit = off
shared_preload_libraries = 'hospital'
max_worker_processes = 16
timezone = 'America/New_York'
hospital.data_folder = '$folder'
));
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub data { return decode_json(sql('SET ROLE viewer; SELECT hospital_dashboard_data(' . ($_[0] // '') . ')')); }
sub total { my ($rows, $key) = @_; my $sum = 0; $sum += $_->{$key} foreach @$rows; return sprintf '%.2f', $sum; }

sub error_of
{
	my ($query) = @_;
	my (undef, undef, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$query");
	return $err;
}

sql('CREATE EXTENSION hospital; CREATE ROLE viewer');
like(error_of('SELECT hospital_report_data()'), qr/42P01: this database has no hospital/, 'no hospital: no report');
sql("CALL hospital_create(people => 10000, beds => 200, seed => $seed, start_date => '2020-01-28', end_date => '2020-12-31');
	CALL hospital_load_people(); CALL hospital_load_staff()");
like(error_of('SET ROLE viewer; SELECT hospital_dashboard_data()'), qr/42501: permission denied for/, 'who may not read the marts sees nothing');
sql('GRANT SELECT ON ALL TABLES IN SCHEMA hospital_mart TO viewer');

# ---- the function ----------------------------------------------------------------------------

my $none = data();
is_deeply([ grep { ref $_ ne 'ARRAY' || grep { ref $_ ne 'HASH' } @$_ } values %{ $none->{charts} } ], [], 'before the first day, charts are lists');
is(scalar @{ $none->{charts}{monthly_visit_stats} }, 0, 'which are empty');
is($none->{first_day}, undef, 'and there is no first day');

sql('CALL hospital_run(8)');
my $all = data();
is($all->{last_day}, '2020-02-04', 'the last day');
is($all->{live}, undef, 'the clock is not for everybody');

# Everything; a month; a department, which has visits; both.
my $busy = sql('SELECT department_code FROM hospital.visits GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1');
foreach my $choice ([ '', "'-infinity'", "'infinity'", 'true' ], [ "'2020-02-02', '2020-02-10'", "'2020-02-01'", "'2020-02-29'", 'true' ],
	[ "department => '$busy'", "'-infinity'", "'infinity'", "v.department_code = '$busy'" ],
	[ "'2020-01-01', '2020-01-31', '$busy'", "'2020-01-01'", "'2020-01-31'", "v.department_code = '$busy'" ])
{
	my ($arguments, $from, $to, $where) = @$choice;
	my $charts = data($arguments)->{charts};
	my $name = $arguments eq '' ? 'everything' : $arguments;
	my %want = map { $_->[0] => sql($_->[1]) } (
		[ visits => "SELECT count(*) FROM hospital.visits v WHERE v.visit_date BETWEEN $from AND $to AND $where" ],
		[ amount => "SELECT coalesce(sum(b.total_amount), 0) FROM hospital.billing_payments b, hospital.visits v WHERE v.visit_id = b.visit_id AND b.billing_date BETWEEN $from AND $to AND $where" ],
		[ diagnoses => "SELECT count(*) FROM hospital.diagnoses d, hospital.visits v WHERE v.visit_id = d.visit_id AND d.rank = 'primary' AND (d.at AT TIME ZONE 'Africa/Johannesburg')::date BETWEEN $from AND $to AND $where" ],
		[ prescriptions => "SELECT count(*) FROM hospital.prescriptions p, hospital.visits v WHERE v.visit_id = p.visit_id AND (p.prescribed_at AT TIME ZONE 'Africa/Johannesburg')::date BETWEEN $from AND $to AND $where" ]);
	$want{$_} = sprintf '%.2f', $want{$_} foreach keys %want;

	is(total($charts->{monthly_visit_stats}, 'visits'), $want{visits}, "visits: $name");
	is(total($charts->{revenue_by_month}, 'total_amount'), $want{amount}, "revenue by month: $name");
	is(total($charts->{revenue_by_doctor}, 'total_amount'), $want{amount}, "revenue by doctor, with other and no doctor: $name");
	is(total($charts->{diagnosis_distribution}, 'diagnoses'), $want{diagnoses}, "diagnoses, with other: $name");
	is(total($charts->{medication_usage}, 'prescriptions'), $want{prescriptions}, "prescriptions, with other: $name");
	cmp_ok(scalar @{ $charts->{diagnosis_distribution} }, '<=', 13, "no more than twelve and other: $name");
	my @months = map { $_->{month} } @{ $charts->{revenue_by_month} };
	is("@months", join(' ', sort @months), "months in order of time: $name");
}
my $rest = $all->{charts}{diagnosis_distribution}[12];
is($rest->{label}, 'other', 'what is left over is other');
is($rest->{members} + 12, sql(q{SELECT count(DISTINCT code) FROM hospital.diagnoses WHERE rank = 'primary'}), 'and says how many it stands for');
is($all->{charts}{ward_occupancy_by_hour}[-1]{occupied}, sql(q{SELECT count(*) FROM hospital.admissions
	WHERE admitted_at <= '2020-02-04 23:00+02' AND (discharged_at IS NULL OR discharged_at > '2020-02-04 23:00+02')}), 'who is in a bed at the last hour');
like(error_of(q{SELECT hospital_dashboard_data(department => 'XYZ')}), qr/22023: there is no department "XYZ"/, 'a department that there is not');
like(error_of(q{SELECT hospital_dashboard_data('2020-02-02', '2020-02-01')}), qr/22023: the period ends before it begins/, 'a wrong period');

# ---- the report --------------------------------------------------------------------------------

my $report = decode_json(sql('SELECT hospital_report_data()'));
is(scalar(grep { !$_->{ok} } @{ $report->{validation} }), 0, 'the report: all checks are as they should be');
is(scalar(grep { $_->{closed} } @{ $report->{days} }), 8, 'and the days are closed');
is(total($report->{days}, 'rows'), sprintf('%.2f', sql(q{SELECT sum(rows) FROM hospital.batches WHERE state = 'ingested'})), 'rows by day');
sql('DELETE FROM hospital.visits WHERE visit_id = (SELECT min(visit_id) FROM hospital.visits)');
my ($visits) = grep { $_->{check_name} eq 'visits' } @{ decode_json(sql('SELECT hospital_report_data()'))->{validation} };
is($visits->{missing}, 1, 'a visit that is lost is reported');
ok(!$visits->{ok}, 'as not as it should be');

# ---- the server of the page -----------------------------------------------------------------------

SKIP:
{
	skip 'no python3', 18 unless grep { -x "$_/python3" } split /:/, $ENV{PATH};
	my $address = $node->basedir . '/address';
	sql('ALTER ROLE viewer LOGIN');
	my $there = total($all->{charts}{monthly_visit_stats}, 'visits');
	local $ENV{PGUSER} = 'viewer';
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	local $ENV{PGDATABASE} = 'postgres';
	local $ENV{PSQL} = $node->config_data('--bindir') . '/psql';
	my $taken = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die $!;
	my $log = "$address.log";
	$server = fork() // die $!;
	if ($server == 0)
	{
		open STDERR, '>', $log;
		open STDOUT, '>&', \*STDERR;
		exec 'python3', $page_py, 'serve', '--port', $taken->sockport, '--tries', 50, '--address-file', $address or POSIX::_exit(1);
	}
	usleep(50_000) until -s $address || waitpid($server, 1) != 0;
	my ($port) = slurp_file($address) =~ /^http:\/\/127\.0\.0\.1:(\d+)\/$/m;
	cmp_ok($port, '>', $taken->sockport, 'a port that is taken gives the next one');

	my $ask = sub {
		my ($path, $host, $method) = @_;
		my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or die $!;
		print $socket(($method // 'GET') . " $path HTTP/1.1\r\nHost: " . ($host // "127.0.0.1:$port") . "\r\nConnection: close\r\n\r\n");
		local $/;
		my $answer = <$socket>;
		my ($status, $body) = $answer =~ /^HTTP\/1\.1 (\d+).*?\r\n\r\n(.*)$/s;
		return ($status, $body, $answer);
	};
	my ($status, $body, $answer) = $ask->('/data');
	is($status, 200, 'data is answered');
	is(total(decode_json($body)->{charts}{monthly_visit_stats}, 'visits'), $there, 'with what is there');
	like($answer, qr/X-Content-Type-Options: nosniff/, 'and headers');
	is(($ask->('/'))[0], 200, 'the page is answered');
	unlike(($ask->('/'))[1], qr/(?:src|href)="http/, 'and asks nobody');
	foreach my $wrong ('from=2020-02-30', 'from=1;select', "department=ED'--", 'department=XYZ', 'sql=1', 'from=2020-02-02&to=2020-02-01', 'from=2020-01-01&from=2020-01-02')
	{
		is(($ask->("/data?$wrong"))[0], 400, "refused: $wrong");
	}
	is(($ask->('/data', 'hospital.example.com'))[0], 421, 'another name for this machine is not answered');
	is(($ask->('/page.py'))[0], 404, 'nothing else is there');
	is(($ask->('/data', undef, 'POST'))[0], 501, 'nothing can be sent');
	$node->stop('fast');
	for (1 .. 300)
	{
		($status, $body) = $ask->('/data');
		last if $status != 200;    # answers are kept for two seconds
		usleep(100_000);
	}
	is($status, 503, 'a database that is not there');
	like(decode_json($body)->{error}, qr/cannot be reached/, 'is said');
	kill 'TERM', $server;
	waitpid $server, 0;
	undef $server;
}
done_testing();
