# 062_security.pl: attackers.  mallory may create in schema public, was there
# before the extension, and is given tables; the owner of a hospital wants to be
# a superuser, the loader to be the owner; somebody else writes into the data
# folder.  Each leaves traps, pieces of code that write to the log as whom they
# run, and waits for a more powerful role to step into one.
#
# docs/security.md says what is promised.  Who sees which data is the matter of
# 052_privacy.pl, paths are that of 020, 021 and 051.
use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $seed = $ENV{HOSPITAL_TEST_SEED} // 1 + int rand 1_000_000;
note "HOSPITAL_TEST_SEED=$seed";

my $base = abs_path(PostgreSQL::Test::Utils::tempdir());
my $folder = "$base/folder";
my $secrets = "$base/kafka.conf";
mkdir $folder or die;
my $node = PostgreSQL::Test::Cluster->new('security');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->append_conf('postgresql.conf', qq{
shared_preload_libraries = 'hospital'
autovacuum = off
fsync = off
max_worker_processes = 20
hospital.databases = 'postgres, clinic'
hospital.data_folder = '$folder'
hospital.kafka_brokers = 'embedded'
hospital.topics = 'transfers, prescriptions'
hospital.batch_interval = '700ms'
hospital.stream_interval = '150ms'
hospital.ingest_workers = 1
});
$node->start;

my $db = 'postgres';

sub sql { return $node->safe_psql($db, $_[0]) }

# As somebody: what is said, notices and errors with their SQLSTATE.
sub told
{
	my ($role, $query) = @_;
	my (undef, undef, $err) = $node->psql($db, "\\set VERBOSITY verbose\n" . ($role eq '' ? '' : "SET ROLE $role;\n") . $query);

	return $err;
}

sub wait_for
{
	my ($query, $what) = @_;

	if ($node->poll_query_until($db, $query))
	{
		pass($what);
		return;
	}
	diag sql('SELECT * FROM hospital.status');
	BAIL_OUT("timed out: $what");
}

# Traps that were stepped into since the last look, by anybody but their owners.
my $looked = 0;
my $harmless = qr/mallory/;

sub sprung
{
	my $log = substr slurp_file($node->logfile), $looked;
	my %seen;

	$looked += length $log;
	$seen{$_} = 1 foreach grep { !/ by $harmless$/ } $log =~ /LOG:  (trap .* by .*)/g;
	return join "\n", sort keys %seen;
}

# A function of mallory's that says as whom it runs.
sub trap
{
	my ($schema, $name, $arguments, $returns, $what, $kind) = @_;

	$kind //= 'FUNCTION';
	return "CREATE $kind $schema.$name($arguments)" . ($kind eq 'PROCEDURE' ? '' : " RETURNS $returns IMMUTABLE")
		. " LANGUAGE plpgsql AS \$t\$ BEGIN RAISE LOG 'trap % by %', '" . ($what =~ s/'/''/gr) . "', current_user;"
		. ($kind eq 'PROCEDURE' || $returns =~ /^SETOF|^void/ ? '' : ' RETURN NULL;') . " END \$t\$;\n";
}

# ---- before the extension is there ----------------------------------------------

sql('CREATE ROLE mallory LOGIN; GRANT CREATE ON SCHEMA public TO mallory; CREATE SCHEMA evil AUTHORIZATION mallory; GRANT USAGE ON SCHEMA evil TO PUBLIC');

# Operators that the server finds by a cast, with just the types that they are called with.
my $missing = sql(q{SELECT o, l, r, CASE WHEN o IN ('=', '<>', '<', '>', '<=', '>=', '~') THEN 'bool' WHEN o = '||' THEN 'text' ELSE 'numeric' END
	FROM unnest('{=,<>,<,>,<=,>=,+,-,*,/,||,~}'::text[]) o, unnest('{int4,int8,numeric,text,name}'::text[]) l, unnest('{int4,int8,numeric,text,name}'::text[]) r
	WHERE NOT EXISTS (SELECT FROM pg_operator p WHERE p.oprname = o AND p.oprleft = l::regtype AND p.oprright = r::regtype)});
my $script = "SET ROLE mallory;\n";
my $number = 0;
foreach my $line (split /\n/, $missing)
{
	my ($operator, $left, $right, $returns) = $line =~ /^(.*)\|(\w+)\|(\w+)\|(\w+)$/;
	my $name = 'operator_' . ++$number;

	$script .= trap('public', $name, "$left, $right", $returns, "$left $operator $right")
		. "CREATE OPERATOR public.$operator (FUNCTION = public.$name, LEFTARG = $left, RIGHTARG = $right);\n";
}
$script .= trap('public', 'array_position', 'text[], text', 'int', 'array_position') . trap('public', 'concat', 'text, text, int', 'text', 'concat')
	. trap('public', 'round', 'numeric, int8', 'numeric', 'round') . trap('public', 'to_timestamp', 'numeric', 'timestamptz', 'to_timestamp');
sql($script);
cmp_ok($number, '>', 50, "$number operators that fit better");
sql('CREATE EXTENSION hospital');
is(sql(q{SELECT string_agg(pg_describe_object(d.classid, d.objid, d.objsubid) || ' uses ' || pg_describe_object(d.refclassid, d.refobjid, 0), '; ')
	FROM pg_depend d WHERE d.deptype <> 'e' AND d.classid NOT IN ('pg_proc'::regclass, 'pg_operator'::regclass)
	AND (d.refclassid = 'pg_operator'::regclass AND d.refobjid IN (SELECT oid FROM pg_operator WHERE oprowner = 'mallory'::regrole)
		OR d.refclassid = 'pg_proc'::regclass AND d.refobjid IN (SELECT oid FROM pg_proc WHERE proowner = 'mallory'::regrole))}),
	'', 'CREATE EXTENSION binds nothing of what was in public before');

# ---- namesakes of the extension's functions, and of the server's -------------------

# With fewer arguments, and with one of another type: whoever leaves arguments out, or casts, gets these.
my $functions = sql(q{SELECT p.proname, CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END, p.pronargs, p.pronargdefaults,
	(SELECT string_agg(format_type(t, NULL), ',' ORDER BY n) FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY a (t, n)), CASE WHEN p.proretset THEN 'SETOF ' ELSE '' END || format_type(p.prorettype, NULL)
	FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.deptype = 'e' AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'hospital')
	WHERE p.prorettype <> 'internal'::regtype});
my %other = ('bigint' => 'integer', 'integer' => 'smallint', 'text' => 'varchar', 'date' => 'timestamp', 'timestamp with time zone' => 'timestamp', 'text[]' => 'varchar[]', 'name' => 'text');
my %made;
$script = "SET ROLE mallory;\n";
foreach my $line (split /\n/, $functions)
{
	my ($name, $kind, $n, $defaults, $types, $returns) = split /\|/, $line;
	my @types = split /,/, $types;

	$made{"$name(@types)"} = 1;
	$returns = 'void' if $returns =~ /^(?:SETOF )?record$/;
	my @overloads = map { [ @types[ 0 .. $_ - 1 ] ] } $n - $defaults .. $n - 1;
	push @overloads, map { my @t = @types; exists $other{ $t[$_] } ? (do { $t[$_] = $other{ $t[$_] }; [@t] }) : () } 0 .. $n - 1;
	foreach my $overload (@overloads)
	{
		next if $made{"$name(@$overload)"}++;
		# another function of the extension may have just these
		$script .= "DO \$d\$ BEGIN " . (trap('public', $name, join(', ', @$overload), $returns, "$name(@$overload)", $kind) =~ s/^/EXECUTE \$e\$/r =~ s/;\n$/\$e\$;/r)
			. " EXCEPTION WHEN duplicate_function OR invalid_function_definition THEN NULL; END \$d\$;\n";
	}
}

# The server's own, in a schema that a search_path has first.
my $known = sql(q{SELECT o.oprname, o.oprleft::regtype, o.oprright::regtype, o.oprresult::regtype FROM pg_operator o
	WHERE o.oprname IN ('=', '<>', '<', '>', '<=', '>=', '+', '-', '*', '/', '||', '~', '@>', '->>', '&&')
	AND o.oprleft IN (SELECT unnest('{int2,int4,int8,numeric,text,name,date,timestamp,timestamptz,interval,bool,uuid,oid,float8}'::regtype[])) AND o.oprright <> 0
	AND o.oprright IN (SELECT unnest('{int2,int4,int8,numeric,text,name,date,timestamp,timestamptz,interval,bool,uuid,oid,float8}'::regtype[]))});
foreach my $line (split /\n/, $known)
{
	my ($operator, $left, $right, $returns) = $line =~ /^(.*)\|([^|]+)\|([^|]+)\|([^|]+)$/;
	my $name = 'operator_' . ++$number;

	$script .= trap('evil', $name, "pg_catalog.\"" . join('", pg_catalog."', map { typename($_) } $left, $right) . '"', $returns, "$left $operator $right")
		. "CREATE OPERATOR evil.$operator (FUNCTION = evil.$name, LEFTARG = $left, RIGHTARG = $right);\n";
}
foreach my $line (split /\n/, sql(q{SELECT p.proname, pg_get_function_identity_arguments(p.oid), format_type(p.prorettype, NULL), p.proretset FROM pg_proc p
	WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f' AND p.provariadic = 0 AND pg_get_function_identity_arguments(p.oid) !~ 'internal|any|OUT' AND p.prorettype::regtype::text !~ 'internal|any|trigger|record'
	AND p.proname IN ('lower', 'length', 'now', 'clock_timestamp', 'current_database', 'left', 'to_regclass', 'quote_ident', 'quote_literal', 'generate_series', 'date_trunc', 'md5', 'pg_notify', 'round', 'substr',
		'current_setting', 'set_config', 'pg_backend_pid', 'age', 'regexp_replace', 'string_to_array', 'split_part', 'btrim', 'abs', 'has_schema_privilege', 'has_table_privilege', 'has_function_privilege',
		'convert_from', 'convert_to', 'encode', 'decode', 'sha256', 'pg_advisory_xact_lock', 'to_char', 'starts_with', 'gen_random_uuid', 'hashtextextended', 'date', 'timezone', 'isfinite')}))
{
	my ($name, $arguments, $returns, $set) = split /\|/, $line;
	$script .= trap('evil', "\"$name\"", $arguments, ($set eq 't' ? 'SETOF ' : '') . $returns, "$name($arguments)");
}
sub typename
{
	my %name = ('smallint' => 'int2', 'integer' => 'int4', 'bigint' => 'int8', 'boolean' => 'bool', 'double precision' => 'float8', 'timestamp without time zone' => 'timestamp',
		'timestamp with time zone' => 'timestamptz');
	return $name{ $_[0] } // $_[0];
}
# types
$script .= trap('evil', 'is_right', 'text', 'bool', 'a type') . join '', map { "CREATE DOMAIN evil.$_ AS pg_catalog.$_ CHECK (evil.is_right(VALUE::pg_catalog.text));\n" } qw(text date uuid jsonb bytea int4 int8 timestamptz regclass);
sql("SET log_statement = 'none'; $script");
is(sprung(), '', 'nobody was caught so far');

# What is called with such a path, by a superuser: arguments are of the right types, and all there.
my $path = 'SET search_path = evil, public, pg_catalog;';
my ($text, $int, $bigint, $date) = map { "::pg_catalog.$_" } qw(text int4 int8 date);
sub call
{
	my ($call) = @_;
	my ($code, $out, $err) = $node->psql($db, "\\set VERBOSITY verbose\n$path\n$call", on_error_stop => 1);

	ok($code == 0 && $err !~ /ERROR/, 'called among traps: ' . substr($call, 0, 60)) or diag $err;
	return $out;
}
my $all = "NULL$date, NULL$date";
my $day = "'2020-01-02'$date, '2020-01-02'$date";
call("CALL public.hospital_create('20000'$bigint, 200$int, '2020-01-01'$date, '2020-02-20'$date, $seed$bigint, NULL$text, 'realistic'$text, 15$int, false, '0'::pg_catalog.numeric)");
call("CALL public.hospital_load_people(NULL$bigint, 1$int, true)");
call("CALL public.hospital_load_staff(1$int)");
call("CALL public.hospital_run(2$int, 1$int)");
is(sprung(), '', 'run: nobody was caught');
call("SELECT public.hospital_start(false)");
wait_for(q{SELECT count(*) >= 4 FROM (SELECT day FROM hospital.batches WHERE state = 'ingested' GROUP BY day HAVING count(*) = 13) d}, 'days come in');
wait_for(q{SELECT count(*) > 0 FROM hospital.stream_ranges WHERE rows > 0}, 'and events');
call("SELECT public.hospital_pause(); SELECT public.hospital_resume(); SELECT public.hospital_speed('1'::pg_catalog.float8)");
call(qq{SELECT public.hospital_pause('hospital.transfers'$text, NULL$int, NULL$text); SELECT public.hospital_resume('hospital.transfers'$text, NULL$int)});
call("SELECT public.hospital_run_job('$_'$text)") foreach 'close days', 'fold marts', 'retry rejects', 'prune history';
wait_for(q{SELECT count(DISTINCT job_name) = 4 FROM hospital.job_history WHERE state = 'succeeded' OR job_name = 'close days' AND state IN ('failed', 'waiting')}, 'jobs have run');
call('SELECT public.hospital_stop()');
wait_for(q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type ~ '^hospital (scheduler|ingestor|consumer)' AND datname = 'postgres'}, 'stopped');
is(sprung(), '', 'workers and jobs: nobody was caught');
my $batch = sql(q{SELECT max(batch_id) FROM hospital.batches WHERE kind = 'lab_results' AND state = 'ingested'});
my $file = sql("SELECT file FROM hospital.batches WHERE batch_id = $batch");
call("CALL public.hospital_undo_batch($batch$bigint)");
call("CALL public.hospital_ingest('$file'$text, 'UTF8'$text)");
call("CALL public.hospital_retry_rejects(NULL$bigint, NULL$text)");
call("CALL public.hospital_close_days(3$int)") if sql('SELECT count(*) = 0 FROM hospital_validate(NULL::date, NULL::date) WHERE NOT ok') eq 't';
call($_)
	foreach "SELECT * FROM public.hospital_validate($all)", 'SELECT * FROM public.hospital_audit_stream()', 'SELECT public.hospital_metrics()', 
	"SELECT public.hospital_dashboard_data($all, NULL$text)", "SELECT public.hospital_report_data($day)", "SELECT public.hospital_refresh_marts($all)", 'CALL public.hospital_fold_marts()',
	"CALL public.hospital_export('visits'$text, 'jsonl'$text, NULL$text, NULL$date, 'none'$text, NULL$text, $all, true)",
	"CALL public.hospital_export('doctors'$text, 'csv'$text, NULL$text, NULL$date, 'none'$text, NULL$text, $all, true)",
	"CALL public.hospital_export('fhir'$text, 'csv'$text, NULL$text, NULL$date, 'none'$text, NULL$text, $day, true)",
	"SELECT public.hospital_schedule_job('one'$text, '1 hour'$text, 'SELECT 1'$text, 'UTC'$text, '{}'::pg_catalog.text[], 'once'$text, 1$int, 1$int, '1 s'::pg_catalog.interval, '1 s'::pg_catalog.interval, false, false, '1 day'::pg_catalog.interval, NULL::pg_catalog.timestamptz)",
	"SELECT public.hospital_unschedule_job('one'$text)", 'SELECT public.hospital_adopt()', "CALL public.hospital_create_roles(NULL$text, NULL$int)", 'CALL public.hospital_revoke_roles(true)',
	'SELECT * FROM hospital.status, hospital.progress, hospital.stream_workers, hospital.stream_lag, hospital.run_window, hospital.job_status, hospital.job_runs LIMIT 1';
is(sprung(), '', 'functions, views and procedures: nobody was caught');

# The traps work: whoever trusts such a path is caught.
sql("SET search_path = evil, public, pg_catalog; SELECT 'a'::pg_catalog.text = 'b'::pg_catalog.text; SELECT lower('A'::pg_catalog.text); SELECT 'a'::text; SELECT 1::int8 || 'a'::pg_catalog.text");
is(scalar(() = sprung() =~ /trap/g), 4, 'a superuser who trusts such a path would have been caught');

# A load that makes the hospital: its arguments are all said, too.
$node->safe_psql('postgres', 'CREATE DATABASE fresh');
$db = 'fresh';
sql('GRANT CREATE ON SCHEMA public TO mallory; CREATE EXTENSION hospital; SET ROLE mallory;' . join '', map { trap('public', 'hospital_create', $_, '', "hospital_create($_)", 'PROCEDURE') }
	'bigint', 'bigint, int', 'bigint, int, date, date, bigint, text, text, int', 'bigint, int, date, date, bigint, text, text, int, bool');
sql('CALL hospital_load_people(1000)');
is(sprung(), '', 'a load that makes the hospital');
$db = 'postgres';
$node->safe_psql('postgres', 'DROP DATABASE fresh');
sql('DROP SCHEMA evil CASCADE; DROP OWNED BY mallory; GRANT CREATE ON SCHEMA public TO mallory');

# ---- tables of somebody else's ------------------------------------------------------

# The hospital is a superuser's, and so are its workers.
sql('SET ROLE mallory;' . trap('public', 'caught', 'text', 'bool', 'of a table')
	. q{CREATE FUNCTION public.caught() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE LOG 'trap trigger by %', current_user; RETURN NEW; END $$});
sql('SELECT hospital_start()');
sql(q{GRANT CREATE ON SCHEMA hospital TO mallory; ALTER TABLE hospital.visits OWNER TO mallory; SET ROLE mallory;
	CREATE TRIGGER t BEFORE INSERT OR UPDATE ON hospital.visits FOR EACH ROW EXECUTE FUNCTION public.caught();
	ALTER TABLE hospital.visits ADD CHECK (public.caught(kind) IS NULL), ADD COLUMN mine bool DEFAULT public.caught('default');
	CREATE INDEX ON hospital.visits (public.caught(kind))});
sprung();		# building that index ran it, as mallory
wait_for(q{SELECT count(*) > 0 FROM hospital.status WHERE sqlstate = '42501' AND last_error LIKE 'hospital.visits belongs to role "mallory", and is not touched by the rights of "%"' AND database = 'postgres'},
	'workers do not touch a table of somebody else\'s');
is(sprung(), '', 'trigger, default, check, index: nobody was caught');
sql(q{DO $$ DECLARE x record; BEGIN
	FOR x IN SELECT conname FROM pg_constraint WHERE conrelid = 'hospital.visits'::regclass AND pg_get_constraintdef(oid) LIKE '%caught%' LOOP EXECUTE format('ALTER TABLE hospital.visits DROP CONSTRAINT %I', x.conname); END LOOP;
	FOR x IN SELECT indexrelid::regclass AS i FROM pg_index WHERE indrelid = 'hospital.visits'::regclass AND indexprs IS NOT NULL LOOP EXECUTE format('DROP INDEX %s', x.i); END LOOP; END $$;
	DROP TRIGGER t ON hospital.visits; ALTER TABLE hospital.visits DROP COLUMN mine; ALTER TABLE hospital.visits OWNER TO CURRENT_USER; SELECT pg_reload_conf()});
my $days = sql(q{SELECT count(*) FROM hospital.batches WHERE kind = 'visits' AND state = 'ingested'});
wait_for("SELECT count(*) > $days FROM hospital.batches WHERE kind = 'visits' AND state = 'ingested'", 'they go on when it is given back');
sql('SELECT hospital_stop()');

# Every relation that hospital_create made; the metrics are read as the owner, too.
sql(q{CREATE FUNCTION public.refuses(t text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
		EXECUTE 'ALTER TABLE ' || t || ' OWNER TO mallory'; PERFORM hospital_metrics(); RETURN false;
	EXCEPTION WHEN insufficient_privilege THEN RETURN true; END $$;
	CREATE TABLE public.tried AS SELECT c.oid::regclass::text AS name, false AS refused FROM pg_class c
	WHERE c.relnamespace IN ('hospital'::regnamespace, 'hospital_mart'::regnamespace) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
	AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
	AND c.relname NOT IN ('privacy', 'clinicians', 'my_departments', 'simulation');
	UPDATE public.tried SET refused = public.refuses(name)});
is(sql('SELECT string_agg(name, \' \') FROM public.tried WHERE NOT refused'), '', 'no table and no view is touched when it is given away');
cmp_ok(sql('SELECT count(*) FROM public.tried'), '>', 80, 'all were tried');
sql('CREATE TABLE public.kid () INHERITS (hospital.batches); ALTER TABLE public.kid OWNER TO mallory');
like(told('', 'SELECT hospital_metrics()'), qr/42501: public\.kid belongs to role "mallory"/, 'nor is a child of one');
sql('DROP TABLE public.kid, public.tried; DROP FUNCTION public.refuses(text)');
is(sprung(), '', 'and nobody is caught');

# ---- a hospital of somebody who is no superuser, and would like to be -----------------

$node->safe_psql('postgres', 'CREATE DATABASE clinic');
$db = 'clinic';
my $owner = q{Dr. "No"'; DROP TABLE hospital.visits; --};
my $quoted = '"' . ($owner =~ s/"/""/gr) . '"';
$harmless = qr/(?:mallory|\Q$owner\E)/;

sub as_owner { return sql("SET ROLE $quoted;\n$_[0]") }

sql(qq{CREATE EXTENSION hospital; CREATE ROLE $quoted; CREATE ROLE lorry; CREATE ROLE clerk;
	GRANT CREATE, USAGE ON SCHEMA hospital, hospital_mart, public TO $quoted; GRANT CREATE ON DATABASE clinic TO $quoted;
	GRANT EXECUTE ON ALL ROUTINES IN SCHEMA public TO $quoted});
as_owner("CALL hospital_create(people => 20000, beds => 200, seed => $seed, start_date => '2020-01-01', end_date => '2020-02-20', name => 'clinic', transfers_per_day => 5)");

# What a constraint does at the end of its transaction, in a worker of the load.
as_owner(q{CREATE TABLE public.later (n bigint);
	CREATE FUNCTION public.caught() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE LOG 'trap deferred by %', current_user; RETURN NULL; END $$;
	CREATE CONSTRAINT TRIGGER t AFTER INSERT ON public.later DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.caught();
	CREATE FUNCTION public.leave(bigint) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.later VALUES ($1); RAISE LOG 'trap check by %', current_user; RETURN true; END $$;
	ALTER TABLE hospital.people ADD CHECK (public.leave(person_id))});
like(told($quoted, 'CALL hospital_load_people(workers => 1)'), qr/cannot fire deferred trigger within security-restricted operation/, 'workers of a load put nothing off');
is(sprung(), '', 'and their checks run as the owner of the table');
as_owner('ALTER TABLE hospital.people DROP CONSTRAINT people_person_id_check; CALL hospital_load_people(workers => 1); CALL hospital_load_staff(1); CALL hospital_run(1, 1)');

# A job is the owner's, whatever it tries, and whatever it is called.  The scheduler is to look at once.
as_owner('SELECT hospital_adopt()');
as_owner(q{SELECT hospital_schedule_job(E'x''; DROP TABLE hospital.visits; --\n%s', NULL, 'DO $j$ BEGIN RAISE LOG ''trap job by %'', current_user; SET SESSION AUTHORIZATION postgres; END $j$', while_stopped => true);
	SELECT hospital_run_job(E'x''; DROP TABLE hospital.visits; --\n%s')});
wait_for(q{SELECT count(*) > 0 FROM hospital.job_history WHERE state IN ('failed', 'waiting') AND attempt > 0 AND message ~ 'permission denied|cannot set parameter'}, 'a job cannot become somebody else');
as_owner(q{SELECT hospital_unschedule_job(E'x''; DROP TABLE hospital.visits; --\n%s')});
is(sprung(), '', 'it ran as the owner');

# hospital_create_roles must be called by a superuser, who waits where the owner wants it.
my $holder = $node->background_psql($db, on_error_stop => 0);
$holder->query_safe("SET ROLE $quoted; BEGIN; LOCK TABLE hospital.visits");
my $superuser = $node->background_psql($db, on_error_stop => 0);
$superuser->query_until(qr/started/, "\\echo started\nCALL hospital_create_roles();\n");
wait_for(q{SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'CALL hospital_create_roles%' AND wait_event_type = 'Lock'}, 'a superuser waits');
told($quoted, q{SET lock_timeout = '300ms'; ALTER TABLE hospital.simulation RENAME TO truth;
	CREATE FUNCTION public.seed() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RAISE LOG 'trap view by %', current_user; RETURN 1; END $$;
	CREATE VIEW hospital.simulation AS SELECT simulation_id, public.seed() AS seed, system_identifier, database_oid FROM hospital.truth});
$holder->quit;
$superuser->quit;
is(sprung(), '', 'and reads no view that the owner puts there meanwhile');
told($quoted, 'DROP VIEW hospital.simulation; ALTER TABLE hospital.truth RENAME TO simulation');
is(sql(q{SELECT count(*) FROM pg_roles WHERE rolname ~ '^hospital_'}), 5, 'the roles are made');
sql(qq{GRANT hospital_loader TO lorry; CALL hospital_revoke_roles(); DROP TABLE hospital.clinicians CASCADE; GRANT CREATE ON SCHEMA hospital TO lorry; SET ROLE lorry;
	CREATE TABLE hospital.clinicians (role_name text, staff_id bigint, department_code text)});
like(told('', 'CALL hospital_create_roles()'), qr/55000: hospital\.clinicians does not belong to/, 'nobody else says who is a clinician');
sql('DROP TABLE hospital.clinicians; REVOKE CREATE ON SCHEMA hospital FROM lorry; CALL hospital_create_roles()');
sql('CREATE TABLE public.theirs (n int); ALTER TABLE public.theirs ENABLE ROW LEVEL SECURITY; CREATE POLICY hospital_all ON public.theirs USING (false); CALL hospital_revoke_roles()');
is(sql(q{SELECT relrowsecurity FROM pg_class WHERE relname = 'theirs'}), 't', 'taking roles back leaves other tables alone');
foreach my $right ('pg_write_server_files', 'pg_read_server_files', 'pg_execute_server_program')
{
	like(told('', "GRANT $right TO $quoted; CALL hospital_create_roles()"), qr/role "hospital_admin" may not change hospital\.jobs/, "jobs of an owner with $right are not for admins");
	is(sql(q{SELECT has_table_privilege('hospital_admin', 'hospital.jobs', 'INSERT')}), 'f', 'who would get that right by them');
	sql("REVOKE $right FROM $quoted");
}
unlike(told('', 'CALL hospital_create_roles()'), qr/may not change/, 'without such a right they are');

# ---- the loader, who would like to be the owner ------------------------------------------

# A file that is half in, by chunks, is gone on with by whoever comes next.
my ($half, $bytes, $half_file) = split /\|/, sql(q{SELECT batch_id, bytes, file FROM hospital.batches WHERE kind = 'lab_results' AND day = '2020-01-01' AND state = 'ingested'});
as_owner("CALL hospital_undo_batch($half)");
my $header = index(slurp_file("$folder/$half_file"), "\n") + 1;
my $staging = "hospital.staging_$half";
foreach my $trap ([ 'ADD CHECK (public.lorry(code) IS NULL)', 'constraints' ], [ 'ALTER code SET DEFAULT public.lorry(\'x\')::text', 'constraints or defaults' ],
	[ '', 'indexes', 'CREATE INDEX ON %s (public.lorry(code))' ], [ '', 'children', 'CREATE TABLE hospital.kid () INHERITS (%s)' ],
	[ '', 'triggers', 'CREATE TRIGGER t BEFORE INSERT ON %s FOR EACH ROW EXECUTE FUNCTION public.lorry()' ])
{
	my ($change, $why, $more) = @$trap;

	$change = "ALTER TABLE $staging $change;" if $change ne '';
	$change .= sprintf($more, $staging) . ';' if $more;
	sql(qq{GRANT CREATE ON SCHEMA public TO lorry; SET ROLE lorry;
		CREATE OR REPLACE FUNCTION public.lorry(text) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS \$\$ BEGIN RAISE LOG 'trap staging by %', current_user; RETURN NULL; END \$\$;
		CREATE OR REPLACE FUNCTION public.lorry() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN RAISE LOG 'trap staging by %', current_user; RETURN NEW; END \$\$;
		CREATE TABLE $staging AS SELECT (NULL::hospital.lab_result).*, 1::bigint AS ingest_line, 1::bigint AS ingest_offset, 1::int AS ingest_length WHERE false; $change
		UPDATE hospital.batches SET state = 'loading', offset_done = $header, line_done = 1, rows = 0, undone_at = NULL, message = NULL WHERE batch_id = $half});
	my $said = told('', "SET hospital.ingest_chunk = '64kB'; CALL hospital_ingest('$half_file')");
	like(sql("SELECT state || ': ' || coalesce(message, '') FROM hospital.batches WHERE batch_id = $half"), qr/^refused: rows cannot be kept in "staging_$half": it has [\w ]*$why/, "a superuser does not go on with a loader's table that has $why") or diag $said;
	is(sprung(), '', 'and is not caught');
	sql("DROP TABLE IF EXISTS $staging CASCADE; REVOKE CREATE ON SCHEMA public FROM lorry");
}

sql(qq{SET ROLE lorry; CREATE TABLE $staging AS SELECT (NULL::hospital.lab_result).*, 1::bigint AS ingest_line, 1::bigint AS ingest_offset, 1::int AS ingest_length WHERE false;
	UPDATE hospital.batches SET state = 'loading', offset_done = $header, line_done = 1, rows = 0, undone_at = NULL, message = NULL WHERE batch_id = $half});
told($quoted, "SET hospital.ingest_chunk = '64kB'; CALL hospital_ingest('$half_file')");
like(sql("SELECT state || ': ' || message FROM hospital.batches WHERE batch_id = $half"), qr/^refused: hospital\.staging_$half belongs to role "lorry"/, 'nor does the owner, who is no superuser, with any of another role\'s');
sql("DROP TABLE $staging");
as_owner("CALL hospital_ingest('$half_file')");
is(sql(q{SELECT count(*) FROM hospital_validate('2020-01-01', '2020-01-01') WHERE NOT ok}), 0, 'and the file comes in whole');

# ---- exports by EXECUTE alone -------------------------------------------------------------

sql(q{GRANT EXECUTE ON PROCEDURE hospital_export(text, text, text, date, text, text, date, date, boolean) TO clerk;
	GRANT USAGE ON SCHEMA hospital TO clerk; GRANT SELECT ON hospital.wards, hospital.simulation, hospital.staff, hospital.departments TO clerk});
is(told('clerk', q{CALL hospital_export('wards', 'jsonl'); CALL hospital_export('doctors'); CALL hospital_export('wards', 'csv', target => 'export/mine')}) =~ /ERROR/ ? 'error' : '', '', 'who may call hospital_export exports');
ok(-e "$folder/$_", $_) foreach 'export/clinic/jsonl/wards', 'export/doctors.csv', 'export/mine';
foreach my $target ('wards.jsonl', 'lake/export/clinic/jsonl/wards', 'export', 'exports/x', 'exporter/x')
{
	like(told('clerk', "CALL hospital_export('wards', 'jsonl', target => '$target')"), qr/42501: permission denied to export to "\Q$target\E"/, "not to $target");
}
like(told('clerk', "CALL hospital_export('wards', 'jsonl', target => '$_')"), qr/42602: file name/, "not to $_") foreach 'export/../x', 'export/./../../x', '/tmp/x', 'lake/batch/clinic/x', '../export/x';
like(told('clerk', q{CALL hospital_export('people')}), qr/42501: permission denied for table people/, 'nor what the role may not read');
ok(!-e "$folder/wards.jsonl", 'nothing was written there');

is(told($quoted, q{CALL hospital_export('wards', 'jsonl'); CALL hospital_export('doctors')}) =~ /ERROR/ ? 'error' : '', '', 'the owner exports');
ok(-e "$folder/$_", $_) foreach 'lake/export/clinic/jsonl/wards', 'doctors.csv';
like(told($quoted, q{CALL hospital_export('wards', 'jsonl', target => 'lake/batch/clinic/x')}), qr/42602/, 'but not where workers write');

# Names in exported relations are names.
sql(q{CREATE SCHEMA "odd; schema"; CREATE FUNCTION public.pwn() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE LOG 'trap injected by injection'; RETURN ''; END $$;
	CREATE TABLE "odd; schema"."t"", public.pwn() --" AS SELECT 1 AS "a"", public.pwn() AS ""b", date '2020-01-01' AS "d' || public.pwn() || '"});
like(told('', $_), qr/^(?!.*ERROR)/s, 'an export of odd names') foreach
	q{CALL hospital_export('"odd; schema"."t"", public.pwn() --"', 'jsonl', target => 'export/odd1')},
	q{CALL hospital_export('"odd; schema"."t"", public.pwn() --"', 'csv', target => 'export/odd2', partition_by => 'd'' || public.pwn() || ''')};
like(slurp_file("$folder/export/odd1"), qr/^\{"a\\", public\.pwn\(\) AS \\"b":1,/, 'names are in the file as they are');
told('', "SELECT hospital_dashboard_data(NULL, NULL, \$\$x' OR public.pwn() IS NULL --\$\$)");
told('', "CALL hospital_export(\$\$visits t, public.pwn() --\$\$)");
is(sprung(), '', 'no name was run');

# ---- files that others put into the data folder ----------------------------------------------

mkdir "$base/private" or die;
append_to_file("$base/private/secret.csv", "needle-in-a-file,\n");
my $late = 'lake/batch/clinic/date=2020-02-10';
mkdir "$folder/$late" or die;
chmod 0777, "$folder/$late" or die;
link "$base/private/secret.csv", "$folder/$late/visits.csv" or die "link: $!";
like(told('', "CALL hospital_ingest('$late/visits.csv')"), qr/42501: "\Q$late\E\/visits\.csv" in hospital\.data_folder has another name/, 'a hard link in a folder of everybody\'s');
chmod 0755, "$folder/$late" or die;
unlike(told('', "CALL hospital_ingest('$late/visits.csv')"), qr/42501/, 'in one of our own it is a copy');

# A folder that becomes a link again and again, while it is walked through.
$late = 'lake/batch/clinic/date=2020-02-11';
mkdir "$base/private/real" or die;
append_to_file("$base/private/real/visits.csv", "behind-a-link,\n");
mkdir "$folder/real" or die;
append_to_file("$folder/real/visits.csv", "harmless,\n");
my $swapper = fork() // die;
if ($swapper == 0)
{
	my $end = time + 60;
	while (time < $end && getppid() != 1)
	{
		symlink "$base/private/real", "$folder/$late";
		unlink "$folder/$late";
		rename "$folder/real", "$folder/$late";
		rename "$folder/$late", "$folder/real";
	}
	POSIX::_exit(0);
}
my $walks = '';
$node->psql($db, "\\set VERBOSITY terse\nSET hospital.settle_timeout = 0;\n" . "CALL hospital_ingest('$late/visits.csv');\n" x 300, on_error_stop => 0, stderr => \$walks);
kill 'KILL', $swapper;
waitpid $swapper, 0;
unlink "$folder/$late" if -l "$folder/$late";
my %walked;
$walked{$1}++ while $walks =~ /(?:ERROR|NOTICE):  (.*)/g;
note join "\n", map { "$walked{$_} times: $_" } sort keys %walked;
is(sql(q{SELECT (SELECT count(*) FROM hospital.rejects WHERE position('behind-a-link' in convert_from(raw, 'UTF8')) > 0) + (SELECT count(*) FROM hospital.batches WHERE message LIKE '%behind-a-link%')}) + ($walks =~ /behind-a-link/ ? 1 : 0),
	0, 'nothing from behind a link is read');

# ---- secrets -----------------------------------------------------------------------------------

my %secret = ('sasl.password' => 'needle-sasl', 'ssl.key.password' => 'needle-key', 'ssl.keystore.password' => 'needle-store', 'sasl.oauthbearer.client.secret' => 'needle-bearer');
my $common = "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.username=hospital\ndebug=all\n";

sub configure
{
	my ($text) = @_;

	unlink $secrets;
	append_to_file($secrets, $text);
	chmod 0600, $secrets or die;
	$node->safe_psql('postgres', "ALTER SYSTEM SET hospital.kafka_config_file = '$secrets'");
	$node->safe_psql('postgres', "ALTER SYSTEM SET hospital.kafka_brokers = '127.0.0.1:1'");
	$node->reload;
	return;
}

my @seen;
sub look_for_needles
{
	my ($where) = @_;
	my $log = slurp_file($node->logfile);
	my $shown = sql(q{SELECT (SELECT string_agg(s::text, '') FROM hospital.status s) || (SELECT string_agg(a::text, '') FROM pg_stat_activity a) || hospital_metrics()
		|| (SELECT string_agg(l::text, '') FROM hospital.stream_lag l) || (SELECT string_agg(s::text, '') FROM pg_settings s)});
	my $titles = `ps -eww -o args=`;

	push @seen, grep { "$log$shown$titles" =~ /\Q$_\E/ } values(%secret), 'needle-typed', 'needle-pem';
	is("@seen", '', "no secret is shown: $where");
	return;
}

$db = 'clinic';
as_owner('SELECT hospital_start()');
configure($common . join '', map { "$_=$secret{$_}\n" } grep { !/ssl|oauth/ } sort keys %secret);
wait_for(q{SELECT count(*) > 0 FROM hospital.status WHERE database = 'clinic' AND last_error LIKE '%127.0.0.1:1%'}, 'no broker');
look_for_needles('a client that says all it does');
foreach my $wrong ([ 'a property that is mistyped', "sasl.pasword=needle-typed\n" ], [ 'a line that is none', "needle-typed\n" ], [ 'a certificate that is none', "ssl.key.pem=needle-pem\n" ],
	[ 'what may not be set', "plugin.library.paths=needle-typed\n" ], [ 'a number that is none', "socket.timeout.ms=needle-typed\n" ])
{
	my ($what, $line) = @$wrong;
	my $before = sql(q{SELECT coalesce(max(last_error_at), '-infinity') FROM hospital.status WHERE database = 'clinic'});
	configure("debug=all\nsecurity.protocol=SSL\n$line");
	wait_for("SELECT count(*) > 0 FROM hospital.status WHERE database = 'clinic' AND last_error_at > '$before'", $what);
	look_for_needles($what);
}
is(sql(q{SET ROLE mallory; SELECT string_agg(name, ' ') FROM pg_settings WHERE name ~ '^hospital.*(file|folder)'}), '', 'where secrets and files are is not shown to everybody');
is(sql(q{SET ROLE mallory; SELECT string_agg(query, ' ') FROM pg_stat_activity WHERE backend_type ~ '^hospital' AND query NOT IN ('', '<insufficient privilege>')}), '', 'nor what workers do');
is(sprung(), '', 'and in the end nobody was caught');

# ---- a page of names that are no names ------------------------------------------------------------

SKIP:
{
	my $page = "$FindBin::RealBin/../../dashboards/page/page.py";
	skip 'no python3', 2 unless -e $page && grep { -x "$_/python3" } split /:/, $ENV{PATH};
	local @ENV{ 'PGHOST', 'PGPORT', 'PGDATABASE', 'PSQL' } = ($node->host, $node->port, $db, $node->config_data('--bindir') . '/psql');
	sql(q{UPDATE hospital.departments SET name = '</script><script>alert(1)</script><!--'});
	system('python3', $page, 'dashboard', "$base/page.html") == 0 or die;
	my $html = slurp_file("$base/page.html");
	like($html, qr/u003c\/script>.{0,20}script>alert\(1\)/, 'a page has the names of departments');
	unlike($html, qr/<script>alert/, 'which end no script and begin none');
}

# ---- the privileges are those that were decided on ---------------------------------------------------

my $document = "$FindBin::RealBin/../../docs/security.md";
my (%decided, %real);
foreach (split /\n/, slurp_file($document))
{
	my (undef, $names, $who) = split /\s*\|\s*/;
	next if !defined $who || $names !~ /^`hospital_/ || $who !~ /^(?:everybody|owner)/;
	$decided{$_} = $who foreach $names =~ /`(hospital_\w+)`/g;
}
$db = 'postgres';
foreach (split /\n/, sql(q{SELECT p.proname, string_agg(DISTINCT CASE a.grantee WHEN 0 THEN 'everybody' WHEN p.proowner THEN 'owner' ELSE a.grantee::regrole::text END, ', ') FROM pg_proc p
	JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e' AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'hospital'),
	aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a GROUP BY 1}))
{
	my ($name, $who) = split /\|/;
	$real{$name} = $who =~ /everybody/ ? 'everybody' : join ', ', 'owner', sort grep { $_ ne 'owner' } split /, /, $who;
}
is_deeply(\%real, \%decided, 'who may call what is as docs/security.md says');
is(sql(q{SELECT string_agg(p.proname, ' ') FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.deptype = 'e' AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'hospital') WHERE p.prosecdef}), '',
	'nothing is SECURITY DEFINER');
is(sql(q{SELECT string_agg(p.proname, ' ' ORDER BY 1) FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang JOIN pg_depend d ON d.objid = p.oid AND d.deptype = 'e' AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'hospital')
	WHERE l.lanname <> 'c' AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (p.proconfig), false)}), 'hospital_close_days hospital_fold_marts', 'search_path is pinned, but where a procedure commits');

$node->stop('fast');
done_testing();
