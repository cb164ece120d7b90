# 044_odd_settings.pl: whatever ALTER DATABASE, ALTER ROLE or the configuration
# set for others, a hospital is the same.
#
# One that runs live, files and stream, in a database with every setting that
# might bend a statement set to something odd; and others whose server, database
# and session live in other time zones: all have the tables, and the files, of
# one that was run plainly.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant DAYS => 5;
use constant TRANSFERS => 15;

my $seed = $ENV{HOSPITAL_TEST_SEED} // 1 + int rand 1_000_000;
note "HOSPITAL_TEST_SEED=$seed";

# Over a change of the clocks in Auckland and in St John's, and a leap day.
my $start = $seed % 2 ? '2020-02-27' : '2021-04-02';

my $node = PostgreSQL::Test::Cluster->new('odd');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
my $folders = $node->basedir . '/folders';
mkdir $_ or die "$_: $!" foreach $folders, "$folders/space", map { "$folders/$_" } qw(plain odd auckland kathmandu);
$node->append_conf('postgresql.conf', qq{
shared_preload_libraries = 'hospital'
max_worker_processes = 16
autovacuum = off
timezone = 'Pacific/Auckland'
log_timezone = 'Pacific/Auckland'
hospital.data_folder = '$folders/plain'
hospital.databases = 'odd'
hospital.kafka_brokers = 'embedded'
hospital.topics = 'all, adt'
hospital.batch_interval = '800ms'
hospital.stream_interval = '150ms'
hospital.ingest_chunk = '64kB'
hospital.reject_percent = 100
hospital.stream_batch_rows = 500
});
$node->start;

sub hospital
{
	my ($db) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $db");
	$node->safe_psql($db, 'CREATE EXTENSION hospital');
	$node->safe_psql('postgres', "ALTER DATABASE $db SET hospital.data_folder = '$folders/$db'");
	return;
}

sub create
{
	my ($db) = @_;

	$node->safe_psql($db, sprintf "CALL hospital_create(people => 20000, beds => 200, seed => $seed, start_date => '$start',"
		. " end_date => date '$start' + %d, transfers_per_day => %d, name => 'same', dirty_rate => 0.05);"
		. ' CALL hospital_load_people(); CALL hospital_load_staff()', DAYS - 1, TRANSFERS);
	return;
}

# ---- as it should be ---------------------------------------------------------------

my @tables = (
	[ 'staff_changes', 'staff_change_id' ], [ 'people', 'person_id' ], [ 'patients', 'patient_id' ], [ 'admissions', 'admission_id' ],
	[ 'visits', 'visit_id' ], [ 'status_updates', 'update_id' ], [ 'doctor_assignments', 'doctor_assignment_id' ],
	[ 'transfers', 'event_id' ], [ 'diagnoses', 'diagnosis_id' ], [ 'treatments', 'treatment_id' ], [ 'lab_results', 'lab_result_id' ],
	[ 'vital_signs', 'vital_signs_id' ], [ 'prescriptions', 'prescription_id' ], [ 'billing_payments', 'billing_id' ],
	[ 'staff', 'staff_id' ], [ 'staff_assignments', 'assignment_id' ], [ 'wards', 'ward_code' ],
	[ 'rejects', 'day, kind, line', 'day, kind, line, raw, sqlstate, message, column_name' ],
	[ 'faults', 'day, kind, line' ], [ 'batches', 'day, kind', 'day, kind, sha256, bytes, state, rejects' ]);

# A session that has the settings back that it compares by.
sub plainly
{
	my ($db, $query) = @_;
	local $ENV{PGTZ} = 'UTC';
	local $ENV{PGOPTIONS} = join ' ', map { "-c $_" } split /\s+/, q(search_path=pg_catalog,public statement_timeout=0 lock_timeout=0
		default_transaction_read_only=off default_transaction_isolation=read\\ committed datestyle=ISO intervalstyle=postgres
		bytea_output=hex extra_float_digits=1 work_mem=4MB quote_all_identifiers=off session_replication_role=origin idle_session_timeout=0
		client_encoding=UTF8 role=none force_parallel_mode=off max_parallel_workers_per_gather=0 jit=off exit_on_error=off
		enable_indexscan=on enable_bitmapscan=on enable_hashjoin=on enable_mergejoin=on enable_hashagg=on enable_sort=on
		from_collapse_limit=8 join_collapse_limit=8 geqo_threshold=12 array_nulls=on standard_conforming_strings=on idle_in_transaction_session_timeout=0);
	$ENV{PGOPTIONS} =~ s/read\\ -c /read\\ /;

	return $node->safe_psql($db, $query);
}

# Table, number of rows and digest; rejects of topics are no part of it.
sub digest
{
	my ($db) = @_;

	return { map { /^(\S+) (.*)/ } split /\n/, plainly($db, join ' UNION ALL ', map {
		my ($table, $key, $columns) = @$_;
		my $rows = defined $columns ? "(SELECT $columns FROM hospital.$table" . ($table eq 'rejects' ? ' WHERE topic IS NULL' : '') . ')' : "hospital.$table";
		"SELECT '$table ' || count(*) || ' ' || coalesce(md5(string_agg(md5(t::text), '' ORDER BY $key)), '') FROM $rows t" } @tables) };
}

hospital('plain');
create('plain');
$node->safe_psql('plain', sprintf 'CALL hospital_run(%d)', DAYS);
my $plain = digest('plain');
is(plainly('plain', q{SELECT count(*) FILTER (WHERE NOT ok), count(*) > 0 FROM hospital_validate()}), '0|t', 'a plain hospital is as generated');
cmp_ok((split / /, $plain->{$_})[0], '>', 0, "it has $_") foreach qw(transfers billing_payments rejects faults staff);

sub is_as_plain
{
	my ($db, $what) = @_;
	my $found = digest($db);

	is(join(', ', map { $found->{$_} eq $plain->{$_} ? () : "$_: $found->{$_}, not $plain->{$_}" } sort keys %$plain), '',
		"$what: all tables and files are as those of the plain one");
	return;
}

# ---- time zones ---------------------------------------------------------------------

foreach my $zone ([ 'auckland', undef, 'America/St_Johns' ], [ 'kathmandu', 'Asia/Kathmandu', 'UTC' ])
{
	my ($db, $of_database, $of_session) = @$zone;

	hospital($db);
	$node->safe_psql('postgres', "ALTER DATABASE $db SET TimeZone = '$of_database'") if defined $of_database;
	local $ENV{PGTZ} = $of_session;
	create($db);
	is($node->safe_psql($db, 'SHOW TimeZone'), $of_session, "$db: the session is elsewhere");
	$node->safe_psql($db, sprintf 'CALL hospital_run(%d)', DAYS);
	is_as_plain($db, "server in Auckland, database in " . ($of_database // 'Auckland') . ", session in $of_session");
	is($node->safe_psql($db, q{SELECT coalesce(string_agg(v::text, '; '), '') FROM hospital_validate() v WHERE NOT ok}), '',
		"$db: hospital_validate agrees, wherever the session is");
}

# ---- everything odd, live -------------------------------------------------------------

hospital('odd');
create('odd');
$node->safe_psql('postgres', "CREATE TABLESPACE space LOCATION '$folders/space'");
$node->safe_psql('postgres', 'CREATE ROLE passer_by');

# What a statement would call that trusted the search path.
$node->safe_psql('odd', q{
	CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC;
	CREATE TABLE evil.log (what text); GRANT INSERT ON evil.log TO PUBLIC;
	CREATE FUNCTION evil.say(what text) RETURNS boolean LANGUAGE plpgsql
		AS $$BEGIN INSERT INTO evil.log VALUES (what); RAISE WARNING 'evil: %', what; RETURN false; END$$;
	CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE sql AS $$SELECT 'epoch'::timestamptz WHERE evil.say('now')$$;
	CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$SELECT 'epoch'::timestamptz WHERE evil.say('clock')$$;
	CREATE FUNCTION evil.to_regclass(text) RETURNS regclass LANGUAGE sql AS $$SELECT NULL::regclass WHERE evil.say('to_regclass')$$;
	CREATE FUNCTION evil.unnest(anyarray) RETURNS SETOF anyelement LANGUAGE sql AS $$SELECT NULL WHERE evil.say('unnest')$$;
	CREATE FUNCTION evil.same(date, date) RETURNS boolean LANGUAGE sql AS $$SELECT evil.say('=')$$;
	CREATE FUNCTION evil.same(text, text) RETURNS boolean LANGUAGE sql AS $$SELECT evil.say('=')$$;
	CREATE FUNCTION evil.same(bigint, bigint) RETURNS boolean LANGUAGE sql AS $$SELECT evil.say('=')$$;
	CREATE OPERATOR evil.= (LEFTARG = date, RIGHTARG = date, FUNCTION = evil.same);
	CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.same);
	CREATE OPERATOR evil.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = evil.same);
	CREATE TABLE evil.batches (); CREATE TABLE evil.transfers ();
	CREATE DOMAIN evil.text AS pg_catalog.text CHECK (false);
	-- somebody keeps a record of changes to the schema, and may be slow
	CREATE TABLE public.ddl_log (tag pg_catalog.text, at timestamptz DEFAULT pg_catalog.now());
	CREATE FUNCTION public.log_ddl() RETURNS event_trigger LANGUAGE plpgsql
		AS $$BEGIN INSERT INTO public.ddl_log (tag) VALUES (TG_TAG); END$$;
	CREATE EVENT TRIGGER log_ddl ON ddl_command_end EXECUTE FUNCTION public.log_ddl();
	CREATE EVENT TRIGGER log_drop ON sql_drop EXECUTE FUNCTION public.log_ddl();
	ALTER TABLE hospital.visits ENABLE ROW LEVEL SECURITY;
	ALTER TABLE hospital.batches ENABLE ROW LEVEL SECURITY;
	ALTER TABLE hospital.transfers ENABLE ROW LEVEL SECURITY;
});

my %odd = (
	search_path => 'evil, pg_temp, pg_catalog', default_transaction_read_only => 'on', default_transaction_isolation => 'serializable',
	default_transaction_deferrable => 'on', lock_timeout => '1ms', statement_timeout => '1ms',
	idle_in_transaction_session_timeout => '1ms', idle_session_timeout => '1ms', session_replication_role => 'replica',
	row_security => 'off', TimeZone => 'America/St_Johns', DateStyle => 'SQL, DMY', IntervalStyle => 'sql_standard',
	client_encoding => 'LATIN1', bytea_output => 'escape', extra_float_digits => '-15', work_mem => '64kB', maintenance_work_mem => '1MB',
	temp_buffers => '800kB', logical_decoding_work_mem => '64kB', synchronous_commit => 'off', default_tablespace => 'space',
	temp_tablespaces => 'space', check_function_bodies => 'off', standard_conforming_strings => 'off', escape_string_warning => 'on',
	backslash_quote => 'on', plan_cache_mode => 'force_custom_plan', jit => 'on', jit_above_cost => '0', quote_all_identifiers => 'on',
	array_nulls => 'off', xmloption => 'document', xmlbinary => 'hex', transform_null_equals => 'on', client_min_messages => 'debug5',
	enable_indexscan => 'off', enable_bitmapscan => 'off', enable_hashjoin => 'off', enable_mergejoin => 'off', enable_hashagg => 'off',
	enable_sort => 'off', from_collapse_limit => '1', join_collapse_limit => '1', geqo_threshold => '2', force_parallel_mode => 'on', max_parallel_workers_per_gather => '4', default_table_access_method => 'heap',
	parallel_setup_cost => '0', parallel_tuple_cost => '0', min_parallel_table_scan_size => '0', commit_delay => '1000', lc_messages => 'C',
	lc_monetary => 'C', lc_numeric => 'C', lc_time => 'C', default_text_search_config => 'pg_catalog.english', gin_fuzzy_search_limit => '1',
	lo_compat_privileges => 'on', log_statement => 'none', log_min_messages => 'warning', track_activities => 'off', track_counts => 'off',
	deadlock_timeout => '1ms', constraint_exclusion => 'on', cursor_tuple_fraction => '0.001', effective_io_concurrency => '0',
	vacuum_cost_delay => '100ms', wal_compression => 'on', role => 'passer_by', temp_file_limit => '1MB', backend_flush_after => '8kB',
	exit_on_error => 'on', zero_damaged_pages => 'off', default_statistics_target => '1',
	'hospital.reject_limit' => '100000', 'hospital.settle_timeout' => '0');
my @set;
foreach my $name (sort keys %odd)
{
	my ($code, undef, $err) = $node->psql('postgres', "ALTER DATABASE odd SET $name = " . ($name eq 'search_path' || $name =~ /tablespace/ ? $odd{$name} : "'$odd{$name}'"));
	if (defined $code && $code == 0) { push @set, $name }
	else { note "not here: $name ($err)" }
}
cmp_ok(scalar @set, '>', 60, scalar(@set) . ' settings of the database are odd');

# Of whom workers connect as, too.
my $me = $node->safe_psql('postgres', 'SELECT rolname FROM pg_roles WHERE oid = 10');
$node->safe_psql('postgres', qq{ALTER ROLE "$me" IN DATABASE odd SET $_}) foreach
  q(session_replication_role = 'replica'), q(default_transaction_read_only = 'on'), q(search_path = evil, pg_catalog), q(lock_timeout = '1ms');

plainly('odd', 'SELECT public.hospital_start()');
my $whole = sprintf q{SELECT (SELECT count(*) FROM hospital.batches WHERE state = 'ingested') = %d
	AND (SELECT sum(events) FILTER (WHERE kind = 'transfers') FROM hospital.published) = %d
	AND (SELECT count(*) FROM hospital.published WHERE tick = 1000) = 14 * %d
	AND (SELECT sum(messages) FROM hospital.stream_ranges) >= (SELECT sum(events) FROM hospital.published)}, DAYS * 13, DAYS * TRANSFERS, DAYS;
my $there = 0;
foreach (1 .. 200)
{
	last if $there = plainly('odd', $whole) eq 't';
	select undef, undef, undef, 0.2;
}
ok($there, 'all days come in, by files and by the stream')
  or diag plainly('odd', q{SELECT worker, state, last_error FROM hospital.status}), plainly('odd', q{SELECT kind, day, state, message FROM hospital.batches WHERE state <> 'ingested'}),
  plainly('odd', q{SELECT kind, count(*), sum(events), count(*) FILTER (WHERE tick = 1000) FROM hospital.published GROUP BY 1 ORDER BY 1}), plainly('odd', q{SELECT sum(messages), sum(rows), sum(rejects) FROM hospital.stream_ranges});
is_as_plain('odd', 'all settings odd');
is(plainly('odd', q{SELECT coalesce(string_agg(v::text, '; '), '') FROM public.hospital_validate() v WHERE NOT ok}), '', 'hospital_validate finds nothing');
is(plainly('odd', q{SELECT coalesce(string_agg(a::text, '; '), '') FROM public.hospital_audit_stream() a WHERE NOT ok}), '', 'nor does hospital_audit_stream');
is(plainly('odd', q{SELECT count(*) FROM hospital.rejects WHERE topic IS NOT NULL}), 0, 'no event is rejected');
is(plainly('odd', q{SELECT count(*) FROM evil.log}), 0, 'nobody has fallen for the search path');
cmp_ok(plainly('odd', q{SELECT count(*) FROM public.ddl_log}), '>', 0, 'event triggers see what is made for large files');
# days with spoilt lines cannot be closed, and the job that tries says so
is(plainly('odd', q{SELECT count(*) FROM hospital.status WHERE database = 'odd' AND last_error IS NOT NULL AND last_error !~ 'of the latest days cannot be closed yet'}), 0, 'no worker had an error')
  or diag plainly('odd', q{SELECT worker, state, last_error FROM hospital.status});
plainly('odd', 'SELECT public.hospital_stop()');
my $log = slurp_file($node->logfile);
is(join(' ', $log =~ /(hospital (?:scheduler|ingestor|consumer|broker|launcher): .*(?:error|timeout|cannot|could not).*)/g), '', 'nothing was amiss in the log');
unlike($log, qr/WARNING:  evil|PANIC|TRAP|signal 11|signal 6/, 'nor worse');
$node->stop;
done_testing();
