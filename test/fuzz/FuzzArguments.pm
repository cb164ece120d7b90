
# FuzzArguments.pm: every function and procedure of the extension with arguments
# that nobody would think of, and its settings with such values.
#
# Statements are drawn from a seed alone and run by psql, a hundred a session,
# under a statement_timeout.  Faults are: a connection that is lost, an internal
# error (SQLSTATE XX...), a leak that the server warns of, a statement that goes
# on long after its timeout, and a session that takes more memory than it may.
package FuzzArguments;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use IPC::Run ();
use Time::HiRes qw(time);

our @EXPORT_OK = qw(fuzz_functions fuzz_settings fuzz_some);

use constant TIMEOUT_MS => 700;
use constant LATE_MS => 20_000;		# a busy machine is not a fault
use constant SESSION => 100;		# statements
use constant MEMORY_KB => 1_500_000;

# ---- values ----

# A line a type, or a name of arguments; two blanks between values.
sub table
{
	return map { my ($of, @values) = split /\s{2,}/; $of => \@values } split /\n/, $_[0];
}

my %typed = table(<<'END');
integer  0  1  -1  2  7  20  200  1100  10000  2147483647  -2147483648
bigint  0  1  -1  2  42  1000  20000  5000000  1000000000  4294967296  9223372036854775807  -9223372036854775808
date  '2020-01-03'  '2020-01-01'  '2020-02-29'  '2019-12-31'  '2025-12-31'  '2026-01-01'  'infinity'  '-infinity'  '4713-01-01 BC'  '5874897-12-31'  '0001-01-01'  '9999-12-31'  '1800-01-01'  '2100-03-01'
timestamp without time zone  '2020-01-03 10:00'  'infinity'  '-infinity'  '294276-12-31'  '4713-01-01 BC'  '2025-12-31 23:59:59.999999'
timestamp with time zone  now()  'infinity'  '-infinity'  '294276-12-31 00:00+00'  '4713-01-01 00:00+00 BC'  '2020-03-29 02:30'
interval  '0'  '1 microsecond'  '-1 day'  '15 minutes'  '178000000 years'  '-178000000 years'  '1 month -30 days'  '9 days'
double precision  0  1  -1  1000  'NaN'  'Infinity'  '-Infinity'  1e308  1e-300  0.5
numeric  0  0.01  -1  1  'NaN'  'Infinity'  1e1000  0.000000000000000000001
boolean  true  false
bytea  ''  '\x00'  '\xff'  '{}'  '['  '{"a":1}'  '\x4d53487c5e7e5c267c'  convert_to(repeat('[', 100000), 'UTF8')  convert_to(repeat('{"a":', 50000), 'UTF8')  decode(repeat('00', 1000000), 'hex')
name  'postgres'  'public'  'nobody'
text[]  '{}'  '{NULL}'  '{a,b}'  '{{a,b},{c,d}}'  '[5:6]={a,b}'  array_fill('x'::text, array[100000])  array['visits', NULL]  array['visits', 'beds']
bigint[]  '{1,2,3,4}'  '{1,2}'  '{}'  '{NULL,1,2,3}'  '{{1,2},{3,4}}'  '[3:6]={1,2,3,4}'  array_fill(1::bigint, array[1000000])  '{9223372036854775807,-9223372036854775808,0,1}'
date[]  '{}'  '{2020-01-01}'  '{NULL}'  '{infinity,-infinity}'  '{{2020-01-01}}'  '{2020-01-01,2020-01-02}'
oid[]  '{}'  '{10}'  '{0}'  '{NULL}'  '{4294967295}'
record  row(1)  row()  row(1, 'x', now())  row(null::text)  row(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
internal  NULL
END

my %hostile = table(<<'END');
text  ''  ' '  'x'  '''; DROP SCHEMA hospital CASCADE; --'  '"'  '%s%n%1$s'  '../../etc/passwd'  '/etc/passwd'  E'\x01\t\n'  '日本語 ﷽ 👩‍⚕️'  '$$'  '\'  'NULL'  '-1'  '1e999'  '{}'  repeat('x', 70)  repeat('é', 40)  repeat('a/', 3000)  repeat('x', 1000000)  'pg_catalog.pg_class'  'public'
END

# What an argument of that name might well be.
my %plausible = table(<<'END');
kind  'transfers'  'admissions'  'visits'  'registrations'  'prescriptions'  'vital_signs'  'staff_changes'  'billing_payments'  'adt'  'beds'  'arrivals'
what  'transfers'  'people'  'patients'  'doctors'  'assigned_staff.csv'  'people.csv'  'hospital_mart.bed_days'  'pg_authid'  'visits'
id_mode  'realistic'  'marked'
topic  'hospital.transfers'  'hospital.adt'  'hospital.visits'
action  'seek'  'pause'  'resume'  'accept_gap'
state  'running'  'paused'  'stopped'
schedule  '15 minutes'  '30 2 * * mon-fri'  '0 0 L * *'  '*/7 * 31 2 *'  '1-59/3 0-23 * * 7'  'after day closed'  '0 seconds'  '-1 days'  '1000000 years'  '99999999999 * * * *'  '0 0 30 2 *'  '1 month'  '1 microsecond'
time_zone  'UTC'  'Africa/Johannesburg'  'Asia/Kathmandu'  '+99:99'  'Europe/Dublin'
catch_up  'all'  'one'  'none'  'last'
format  'csv'  'jsonl'
compression  'none'  'gzip'  'zstd'
partition_by  'day'  'none'  'date'
target  'exports/a'  'exports/b.csv'  'lake/batch'  'exports'
path  'lake/batch'  'lake'  'lake/batch/joburg/date=2020-01-01/visits.csv'  'lake/batch/joburg/date=2020-01-02'
encoding  'UTF8'  'LATIN1'  'SJIS'  'EUC_JP'  'SQL_ASCII'
sex  'F'  'M'
national_id  '8001015009087'  '0000000000000'  '9912319999999'
department  'IM'  'ED'  'PAED'
table_name  'wards'  'departments'  'medicines'  'holidays'
job_name  'a job'  'fold marts'
command  'SELECT 1'  'SELECT 1/0'  'VACUUM'  'CALL hospital_fold_marts()'  'SELECT pg_sleep(9)'
name  'joburg'  'cape_town'
simulation  'joburg'
prefix  'hospital_'  'h_'
people  20000
beds  200
seed  42  7
transfers  15
start_date  '2020-01-01'
end_date  '2020-12-31'
day  '2020-01-03'
from_day  '2020-01-01'  '2020-01-02'
to_day  '2020-01-03'  '2020-01-05'
until_day  '2020-01-05'
on_day  '2020-01-02'
month  '2020-01-01'
days  1  3
workers  1  2
n  5
first  1
as_of  '2020-01-01'
factor  2
batch_id  1  2
partition  0
offset  10
upto  10
to_time  '2020-01-05 12:00'
date_of_birth  '1980-01-01'
sequence  17
depends_on  '{}'  '{fold marts}'
max_runtime  '1 minute'
retry_delay  '1 second'
keep_history  '7 days'
catch_up_limit  3
max_retries  1
dirty_rate  0.02
transfers_per_day  15
at_most  3
END

# The columns that hospital_window_now looks for.
my %run_state = (
	desired => 'text', window_number => 'integer', window_started_at => 'timestamp with time zone', first_day => 'date', last_day => 'date',
	first_tick => 'bigint', live_from => 'date', anchor_at => 'timestamp with time zone', anchor_day => 'date',
	anchor_part => 'double precision', day_length => 'interval', speed => 'double precision', tick_at => 'timestamp with time zone',
	next_tick => 'bigint', stream_interval => 'interval', stood_at => 'timestamp with time zone');

sub pick { return $_[ rand @_ ] }

# Of the right names; now and then of another type.
sub run_state_row
{
	my $wrong = rand() < 0.5 ? pick(sort keys %run_state) : '';

	return '(SELECT r FROM (SELECT ' . join(', ', map { value($_, $_ eq $wrong ? pick('bigint', 'text', 'boolean') : $run_state{$_}) . " AS $_" }
			sort keys %run_state) . ') r)';
}

# A sober one is what somebody might write who knows what it is for.
sub value
{
	my ($name, $type, $sober) = @_;
	my $chance = rand;
	my $from = $typed{$type} // ['NULL'];

	return $chance < 0.7 ? run_state_row() : pick(@$from) if $type eq 'record';
	return 'NULL' if $type eq 'internal';
	return "NULL::$type" if $chance < 0.05;
	$from = $plausible{$name} if $sober && $plausible{$name};
	$from = $chance < 0.5 && $plausible{$name} || $hostile{$type} if $type eq 'text' && !$sober;
	$from = $plausible{$name} || $hostile{$type} if $type eq 'text' && $sober;

	my $value = pick(@$from);
	$value = int(rand 2_000_000) - 1_000_000 if !$sober && ($type eq 'integer' || $type eq 'bigint') && $chance > 0.85;
	return $value =~ /^-?[0-9.e-]+$/ ? "'$value'::$type" : "($value)::$type";
}

# Half the time all but one are sober, so that the one is met in the depth.
sub arguments
{
	my ($function) = @_;
	my @arguments = @{ $function->{arguments} };
	my $bold = rand() < 0.5 ? -1 : int rand(@arguments + 1);

	return join(', ', map { value(@{ $arguments[$_] }, $bold >= 0 && $_ != $bold) } 0 .. $#arguments);
}

# ---- statements ----

# Each: name, kind, whether it gives a set, its arguments as name and type.
sub fuzz_functions
{
	my ($node, $database) = @_;
	my $rows = $node->safe_psql($database, q{
		SELECT p.proname, p.prokind, p.proretset, coalesce(string_agg(a.name || '=' || a.type, ';' ORDER BY a.n), '')
		FROM pg_proc p
		JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
		JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'hospital'
		LEFT JOIN LATERAL (
			SELECT u.n, coalesce(p.proargnames[u.n], '') AS name, format_type(u.t, NULL) AS type
			FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY u(t, n)) a ON true
		WHERE p.proname LIKE 'hospital\_%'
		GROUP BY p.oid, p.proname, p.prokind, p.proretset ORDER BY p.proname, 4});

	return map {
		my ($name, $kind, $set, $arguments) = split /\|/, $_, 4;
		{ name => $name, kind => $kind, set => $set eq 't', arguments => [ map { [ split /=/, $_, 2 ] } split /;/, $arguments ] }
	} split /\n/, $rows;
}

# Names of settings, but for those without which there would be nothing to see.
sub fuzz_settings
{
	my ($node) = @_;

	return split /\n/, $node->safe_psql('postgres', q{SELECT name FROM pg_settings WHERE name LIKE 'hospital.%'
		AND context NOT IN ('internal', 'postmaster') AND name NOT IN ('hospital.databases', 'hospital.data_folder') ORDER BY name});
}

sub setting_statement
{
	my ($setting) = @_;
	my $value = pick(q{''}, q{'x'}, q{'0'}, q{'-1'}, q{'1'}, q{'2147483647'}, q{'1e99'}, q{'1us'}, q{'99999d'}, q{'3min'}, q{'transfers, adt'},
		q{'all'}, q{',,'}, q{'"'}, q{'%s%n'}, q{'embedded'}, q{'127.0.0.1:1'}, q{'/etc/passwd'}, q{'é'}, "'" . 'x' x 5000 . "'", 'DEFAULT');

	return rand() < 0.3 ? "ALTER SYSTEM SET $setting = $value;\nSELECT pg_reload_conf();" : "SET $setting = $value;";
}

sub statement
{
	my ($function) = @_;
	return setting_statement($function) unless ref $function;
	my $call = "$function->{name}(" . arguments($function) . ')';

	return rand() < 0.1 ? "BEGIN; CALL $call; ROLLBACK;" : "CALL $call;" if $function->{kind} eq 'p';
	return pick("SELECT count(*) FROM $call;", "SELECT left(x::text, 60) FROM $call x LIMIT 2;", "SELECT left($call\::text, 60) LIMIT 2;",
		"SELECT count(*) FROM generate_series(1, 3) g, LATERAL $call x;") if $function->{set};
	return "SELECT left($call\::text, 60);";
}

# What a session begins with.
sub settings
{
	my @some = grep { rand() < 0.25 } (
		"SET datestyle = 'SQL, DMY';", "SET timezone = 'Asia/Kathmandu';", "SET work_mem = '64kB';", "SET search_path = pg_catalog, public;",
		'SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;',
		"SET default_transaction_isolation = 'serializable';", "SET intervalstyle = 'sql_standard';", 'SET extra_float_digits = -15;',
		'SET default_transaction_read_only = on;', "SET bytea_output = 'escape';", 'SET ROLE anybody;');

	return join("\n", 'SET statement_timeout = ' . TIMEOUT_MS . ';', q{SET client_min_messages = 'warning';}, @some);
}

# ---- running them ----

# What psql said, statement by statement; the faults in it.
sub faults_of
{
	my ($said, $statements) = @_;
	my @faults;
	my $number = -1;

	foreach my $line (split /\n/, $said)
	{
		if ($line =~ /^@@ (\d+)$/) { $number = $1; next }
		my $what =
			$line =~ /\b(ERROR|FATAL|PANIC):\s+XX/ ? 'an internal error' :
			$line =~ /WARNING:.*leak/ ? 'a leak' :
			$line =~ /server closed the connection|connection to server was lost|terminating connection|could not connect|connection to server .* failed/ ?
			'the connection was lost' :
			$line =~ /^Time: ([\d.]+) ms/ && $1 > LATE_MS ? "$1 ms" :
			$line =~ /^@= (\d+)$/ && $1 > MEMORY_KB ? "a session of $1 kB" : next;
		push @faults, "$what: $line\n  in: " . substr($number < 0 ? 'the settings' : $statements->[$number], 0, 1000);
	}
	return @faults;
}

# "n" statements in sessions, of functions and settings; how many ended well, by an error and by the timeout, and the faults.
sub fuzz_some
{
	my ($node, $database, $what, $n) = @_;
	my %result = (statements => 0, errors => 0, timeouts => 0, memory => 0, faults => [], states => {});

	while ($result{statements} < $n)
	{
		my @statements = map { statement(pick(@$what)) } 1 .. SESSION;
		my $script = settings() . "\n\\timing on\n";
		my ($out, $late) = ('', 0);

		$script .= "\\echo @@ $_\n$statements[$_]\n" foreach 0 .. $#statements;
		$script .= qq{\\timing off\nROLLBACK;\nRESET ROLE;\nSELECT '@= ' || substring(pg_read_file('/proc/self/status') FROM 'VmHWM:\\s+(\\d+) kB');\n};
		my $ran = eval {
			IPC::Run::run([ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $node->connstr($database) ], '<', \$script,
				'>', \$out, '2>&1', IPC::Run::timeout(SESSION * LATE_MS / 1000));
			1;
		};
		push @{ $result{faults} }, "psql did not end: $@" unless $ran;
		push @{ $result{faults} }, faults_of($out, \@statements);
		$result{statements} += @statements;
		$result{states}{$1}++ while $out =~ /ERROR:\s+(\w{5}):/g;
		$result{memory} = $1 if $out =~ /^@= (\d+)$/m && $1 > $result{memory};
		last if @{ $result{faults} } && !$node->poll_query_until('postgres', 'SELECT true');
	}
	$result{errors} += $_ foreach values %{ $result{states} };
	$result{timeouts} = $result{states}{'57014'} // 0;
	return \%result;
}

1;
