# HospitalUpgrade.pm: a next version of hospital, and what two hospitals have in
# common.
#
# The next version is made from the real one: its script is that of 1.0 with the
# edits below, the update script is hospital--1.0--1.1.sql with the functions of the
# edited one, and its libraries are those of 1.0 with another version in the place
# where they carry it.  All that goes into a copy of the server alone.
#
# inventory gives every row of the catalogs that belongs to the extension or to
# its schemas, by names instead of numbers; rows a digest of each table.
package HospitalUpgrade;

use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Copy ();
use File::Path qw(make_path);

our @EXPORT_OK = qw(copy_server install_sql install_libraries inventory inventory_differences
  tables table_digests rows_differing);

my $folder = abs_path(dirname(__FILE__));    # tests change theirs

sub slurp
{
	my ($path) = @_;
	open my $file, '<:raw', $path or die "$path: $!";
	local $/;
	return scalar <$file>;
}

# A new file: what was linked there, or is mapped by a server, stays as it is.
sub spew
{
	my ($path, $text) = @_;
	unlink $path;
	open my $file, '>:raw', $path or die "$path: $!";
	print $file $text;
	close $file or die "$path: $!";
	chmod 0755, $path;
	return;
}

# ---- a server of our own -----------------------------------------------------------

sub places
{
	my ($pg_config) = @_;
	my %of = map { my $what = $_; chomp(my $path = `'$pg_config' --$what`); $what => $path } qw(bindir pkglibdir sharedir);

	$of{install} = dirname($of{bindir});
	return \%of;
}

# It finds its files by the place of its programs, as long as they lie to each
# other as before.  Where all of it is in one folder, that is copied.  Else its
# programs are copies, and the rest are links but what is ours.
sub copy_server
{
	my ($pg_config, $root) = @_;
	my %of = %{ places($pg_config) };
	my $common = $of{bindir};
	$common = dirname($common) until index("$of{pkglibdir}/", "$common/") == 0 && index("$of{sharedir}/", "$common/") == 0;
	my %copy = map { $_ => $root . substr($of{$_}, length $common) } qw(bindir pkglibdir sharedir install);

	if ($common eq $of{install})
	{
		# a wheel has libraries beside its package
		my $wheel = dirname(dirname($common));
		my $from = (() = glob "$wheel/*.libs") ? $wheel : $common;

		system('cp', '-a', $from, $root) == 0 or die $from;
		return { map { $_ => $root . substr($of{$_}, length $from) } keys %copy };
	}
	make_path($copy{bindir}, $copy{pkglibdir}, "$copy{sharedir}/extension");
	foreach my $program (glob "$of{bindir}/*")
	{
		my $to = "$copy{bindir}/" . ($program =~ s/.*\///r);
		File::Copy::copy($program, $to) or die "$program: $!";
		chmod 0755, $to;
	}
	foreach my $pair ([ 'pkglibdir', '' ], [ 'sharedir', '' ], [ 'sharedir', '/extension' ])
	{
		my ($what, $below) = @$pair;
		foreach my $path (glob "$of{$what}$below/*")
		{
			my $name = $path =~ s/.*\///r;
			my $to = "$copy{$what}$below/$name";
			next if $what eq 'sharedir' && $below eq '' && $name eq 'extension';
			if ($name =~ /^hospital/) { spew($to, slurp($path)) }
			else { symlink $path, $to or die "$to: $!" }
		}
	}
	return \%copy;
}

# ---- the next version ----------------------------------------------------------------

my $mart = <<'EOQ';
CREATE VIEW hospital_mart.people_by_suburb AS
SELECT p.suburb, count(*) AS people FROM hospital.people p GROUP BY p.suburb;
COMMENT ON VIEW hospital_mart.people_by_suburb IS 'People of the city by suburb';
COMMENT ON COLUMN hospital_mart.people_by_suburb.suburb IS 'Suburb, see hospital.suburbs';
COMMENT ON COLUMN hospital_mart.people_by_suburb.people IS 'People';
EOQ
my $index = "CREATE INDEX batches_file_idx ON hospital.batches (file);\n"
  . "COMMENT ON INDEX hospital.batches_file_idx IS 'Which batch is of this file';\n";
my $column = "COMMENT ON COLUMN hospital.patients.interpreter IS 'Language in which to find an interpreter; none: without';\n";
my $job = q{'weekly greeting', '11 4 * * 0', 'SELECT 1'};

# In the script of 1.0: what, by what, with [kept] for the group.  Each must be there once.
my @edits = (
	# the script's own
	[ qr/^(    white            int     NOT NULL)\n\);/m => "[kept],\n    ring             int\n);" ],
	[ qr/(?=^GRANT SELECT ON\n    hospital\.population_gauteng)/m => part('-- a reference table', '-- a function', qr/^ALTER TABLE.*\n/m) ],
	[ qr/(?=^-- ==== end of metrics)/m => part('-- a function', '-- a comment') ],
	[ qr/^COMMENT ON FUNCTION hospital_audit_stream\(\) IS\s+'(?:[^']|'')*';/m => part('-- a comment', '-- functions as') ],
	# tables that hospital_create makes
	[ qr/(?<=AS 'SELECT )1(?=';\nCOMMENT ON FUNCTION hospital_tables_version)/ => '2' ],
	[ qr/(        origin        text        NOT NULL,\n        first_seen_on date        NOT NULL,\n        deceased_at   timestamptz),\n/
		  => "[kept],\n        interpreter text NOT NULL DEFAULT 'none',\n" ],
	[ qr/(?=^    COMMENT ON COLUMN hospital\.patients\.deceased_at)/m => $column ],
	[ qr/(?<=keep_history   interval    NOT NULL DEFAULT ')30 days/ => '60 days' ],
	[ qr/(?=^    -- Scheduled jobs\.)/m => $index ],
	[ qr/(?=^    INSERT INTO hospital\.simulation \()/m => "INSERT INTO hospital.jobs (job_name, schedule, command) VALUES ($job);\n" ],
	[ qr/(?=^    -- What is there already is live)/m => $mart ],
	# how an older hospital gets there
	[ qr/^    -- Here each version[^\n]*\n/m => <<"EOQ" ],
    IF found_is < 2 THEN
ALTER TABLE hospital.patients ADD COLUMN interpreter text NOT NULL DEFAULT 'none';
${column}ALTER TABLE hospital.jobs ALTER COLUMN keep_history SET DEFAULT '60 days';
UPDATE hospital.jobs SET keep_history = '60 days' WHERE keep_history = '30 days';
${index}INSERT INTO hospital.jobs (job_name, schedule, command) VALUES ($job) ON CONFLICT DO NOTHING;
IF to_regclass('hospital_mart.live_days') IS NOT NULL THEN
${mart}END IF;
    END IF;
EOQ
	# a body
	[ qr/(?<=hospital\.publish_requests q WHERE q\.finished_at < now\(\) - interval ')30 days/ => '60 days' ],
);

# The part of the update script from the line of one comment to that of another,
# or without what leaves a table that a fresh script makes at once.
sub part
{
	my ($from, $to, $without) = @_;
	my $text = slurp("$folder/hospital--1.0--1.1.sql");
	$text =~ /^\Q$from\E.*\n((?s:.*?))(?=^\Q$to\E)/m or die $from;
	my $found = $1;
	$found =~ s/$without// if defined $without;
	return $found;
}

sub fresh_script
{
	my ($text) = @_;

	foreach my $edit (@edits)
	{
		my ($what, $by) = @$edit;
		my $n = () = $text =~ /$what/g;
		die "an edit fits $n times: $what" if $n != 1;
		$text =~ s{$what}{ my $kept = $1 // ''; $by =~ s/\[kept\]/$kept/r }e;
	}
	return $text;
}

# The statement that makes a function, as one that makes it anew.
sub statement_of
{
	my ($text, $name) = @_;
	$text =~ /^CREATE ((?:FUNCTION|PROCEDURE) \Q$name\E\((?s:.*?)AS (?:'[^']*'|(\$\w*\$)(?s:.*?)\2);)$/m or die $name;
	return "CREATE OR REPLACE $1\n";
}

# Scripts and control file of 1.1 into a copied server.
sub install_sql
{
	my ($copy) = @_;
	my $extension = "$copy->{sharedir}/extension";
	my $fresh = fresh_script(slurp("$extension/hospital--1.0.sql"));
	my $update = slurp("$folder/hospital--1.0--1.1.sql");

	$update =~ s/^\[(\w+)\]\n/statement_of($fresh, $1)/gme;
	spew("$extension/hospital--1.1.sql", $fresh);
	spew("$extension/hospital--1.0--1.1.sql", $update);
	spew("$extension/hospital.control", slurp("$extension/hospital.control") =~ s/'1\.0'/'1.1'/r);
	return;
}

# Its libraries: so many places carry the version.
sub install_libraries
{
	my ($copy) = @_;

	foreach my $name ('hospital', 'hospital_kafka')
	{
		my $path = "$copy->{pkglibdir}/$name.so";
		my $bytes = slurp($path);
		my $n = $bytes =~ s/(?<=\0hospital version )1\.0(?=\0)/1.1/g;
		die "$path: the version is there " . ($n || 0) . ' times' if $n != 1;
		spew($path, $bytes);
	}
	return;
}

# ---- every object --------------------------------------------------------------------

# What is ours: members of the extension, what is in the schemas, and what hangs on
# these.  Each row of a catalog as JSON: without what numbers and statistics it has,
# with names for the numbers of others, expressions and bodies as the server writes them.
my $inventory = <<'EOQ';
SET client_min_messages = warning;
SET search_path = pg_catalog, pg_temp;
SET jit = off;
CREATE TEMP TABLE scope (classid oid, objid oid, name text, PRIMARY KEY (classid, objid));
WITH RECURSIVE s (classid, objid) AS (
	SELECT 'pg_extension'::regclass::oid, oid FROM pg_extension WHERE extname = 'hospital'
	UNION SELECT 'pg_namespace'::regclass, oid FROM pg_namespace WHERE nspname IN ('hospital', 'hospital_mart', 'hospital_research')
	UNION SELECT d.classid, d.objid FROM s JOIN pg_depend d ON d.refclassid = s.classid AND d.refobjid = s.objid
	WHERE d.deptype IN ('e', 'a', 'i', 'P', 'S') OR d.refclassid = 'pg_namespace'::regclass
)
INSERT INTO scope SELECT classid, objid FROM s;
INSERT INTO scope SELECT 'pg_class'::regclass, c.reltoastrelid FROM scope s JOIN pg_class c ON s.classid = 'pg_class'::regclass AND c.oid = s.objid
WHERE c.reltoastrelid <> 0 ON CONFLICT DO NOTHING;
INSERT INTO scope SELECT 'pg_class'::regclass, i.indexrelid FROM scope s JOIN pg_index i ON s.classid = 'pg_class'::regclass AND i.indrelid = s.objid
ON CONFLICT DO NOTHING;

-- An object's name; those that have a number in it by what they belong to.
CREATE FUNCTION pg_temp.name_of(a_class oid, an_object oid) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
	a_name text := CASE WHEN an_object = 0 THEN '' ELSE (SELECT o.type || ' ' || o.identity FROM pg_identify_object(a_class, an_object, 0) o) END;
	a_main oid;
BEGIN
	IF a_name ~ 'pg_toast_\d+' THEN
		SELECT c.oid INTO a_main FROM pg_class c
		WHERE c.oid = (regexp_match(a_name, 'pg_toast_(\d+)'))[1]::oid;
		a_name := regexp_replace(a_name, 'pg_toast_\d+', 'toast of ' || coalesce(a_main::regclass::text, '?'));
	END IF;
	IF a_class = 'pg_trigger'::regclass AND a_name ~ 'RI_ConstraintTrigger' THEN
		SELECT 'trigger of ' || pg_temp.name_of('pg_constraint'::regclass, t.tgconstraint) || ' for ' || t.tgfoid::regproc || ' on ' || t.tgrelid::regclass
		INTO a_name FROM pg_trigger t WHERE t.oid = an_object;
	END IF;
	RETURN a_name;
END
$$;
UPDATE scope SET name = pg_temp.name_of(classid, objid);

-- Asked for once each.
CREATE TEMP TABLE known (classid oid, objid oid, name text, PRIMARY KEY (classid, objid));
INSERT INTO known SELECT classid, objid, name FROM scope;
CREATE TEMP TABLE depends AS SELECT s.name, d.* FROM scope s JOIN pg_depend d ON d.classid = s.classid AND d.objid = s.objid;
INSERT INTO known SELECT d.refclassid, d.refobjid, pg_temp.name_of(d.refclassid, d.refobjid)
FROM (SELECT DISTINCT refclassid, refobjid FROM depends) d ON CONFLICT DO NOTHING;

-- Sorted, and the same whether it is written out or meant.
CREATE FUNCTION pg_temp.acl(an_acl aclitem[], a_default aclitem[]) RETURNS text LANGUAGE sql STABLE AS
	$$SELECT coalesce(string_agg(a::text, ' ' ORDER BY a::text COLLATE "C"), '') FROM unnest(coalesce(an_acl, a_default)) a$$;

CREATE TEMP TABLE inventory (name text, what text, value text);

-- Which columns of which catalogs are numbers of other objects.
CREATE TEMP TABLE reference AS
SELECT fktable::oid AS catalog, fkcols[1] AS col, pktable::oid AS other, is_array FROM pg_get_catalog_foreign_keys()
WHERE cardinality(fkcols) = 1 AND pkcols = '{oid}';

DO $do$
DECLARE
	a_catalog record;
	a_reference record;
BEGIN
	FOR a_catalog IN SELECT s.classid AS oid, s.classid::regclass AS name FROM scope s GROUP BY s.classid
		UNION SELECT c, c::regclass FROM unnest('{pg_attribute,pg_index,pg_sequence,pg_aggregate,pg_partitioned_table}'::regclass[]) c
	LOOP
		EXECUTE format($q$
			CREATE TEMP TABLE a_row AS
			SELECT s.name %2$s AS name, to_jsonb(t) - %3$L::text[] - ARRAY(SELECT attname::text FROM pg_attribute
				WHERE attrelid = %1$L::regclass AND (atttypid = 'pg_node_tree'::regtype OR atttypid = 'aclitem[]'::regtype)) AS fields
			FROM %1$s t JOIN scope s ON %4$s$q$, a_catalog.name,
			CASE a_catalog.name::text WHEN 'pg_attribute' THEN '|| $$ column $$ || t.attnum' WHEN 'pg_index' THEN '|| $$ (index)$$'
				WHEN 'pg_sequence' THEN '|| $$ (sequence)$$' ELSE '' END,
			'{oid,relfilenode,relpages,reltuples,relallvisible,relallfrozen,relfrozenxid,relminmxid,relrewrite,atthasmissing,attmissingval,indcheckxmin}',
			CASE a_catalog.name::text
				WHEN 'pg_attribute' THEN $$s.classid = 'pg_class'::regclass AND s.objid = t.attrelid AND t.attnum > 0$$
				WHEN 'pg_index' THEN $$s.classid = 'pg_class'::regclass AND s.objid = t.indexrelid$$
				WHEN 'pg_sequence' THEN $$s.classid = 'pg_class'::regclass AND s.objid = t.seqrelid$$
				WHEN 'pg_aggregate' THEN $$s.classid = 'pg_proc'::regclass AND s.objid = t.aggfnoid$$
				WHEN 'pg_partitioned_table' THEN $$s.classid = 'pg_class'::regclass AND s.objid = t.partrelid$$
				ELSE format('s.classid = %L::regclass AND s.objid = t.oid', a_catalog.name) END);
		FOR a_reference IN SELECT * FROM reference WHERE catalog = a_catalog.oid LOOP
			CONTINUE WHEN NOT EXISTS (SELECT FROM a_row WHERE fields ? a_reference.col);
			IF a_reference.is_array THEN
				UPDATE a_row SET fields = jsonb_set(fields, ARRAY[a_reference.col], coalesce((
					SELECT jsonb_agg(pg_temp.name_of(a_reference.other, e::oid) ORDER BY n)
					FROM unnest(CASE jsonb_typeof(fields -> a_reference.col) WHEN 'array'
						THEN ARRAY(SELECT jsonb_array_elements_text(fields -> a_reference.col))
						ELSE string_to_array(fields ->> a_reference.col, ' ') END) WITH ORDINALITY x (e, n) WHERE e <> ''), '[]'))
				WHERE fields ->> a_reference.col IS NOT NULL;
			ELSE
				INSERT INTO known SELECT a_reference.other, r.n, pg_temp.name_of(a_reference.other, r.n)
				FROM (SELECT DISTINCT (fields ->> a_reference.col)::oid FROM a_row WHERE fields ->> a_reference.col ~ '^\d+$') r (n)
				ON CONFLICT DO NOTHING;
				UPDATE a_row SET fields = jsonb_set(fields, ARRAY[a_reference.col], to_jsonb(k.name))
				FROM known k WHERE k.classid = a_reference.other AND fields ->> a_reference.col = k.objid::text;
			END IF;
		END LOOP;
		-- names that are numbers; what a server notes for itself
		UPDATE a_row SET fields = jsonb_set(fields, '{attoptions}', to_jsonb(ARRAY(
			SELECT o FROM jsonb_array_elements_text(fields -> 'attoptions') o WHERE o !~ '^pg_attver=')))
		WHERE jsonb_typeof(fields -> 'attoptions') = 'array';
		UPDATE a_row SET fields = jsonb_set(fields, '{attoptions}', 'null') WHERE fields -> 'attoptions' = '[]';
		UPDATE a_row SET fields = fields - 'relname' - 'typname' WHERE name ~ 'toast of ';
		UPDATE a_row SET fields = fields - 'tgname' WHERE name ~ '^trigger of ';
		INSERT INTO inventory SELECT r.name, f.key, f.value FROM a_row r, jsonb_each_text(r.fields) f;
		DROP TABLE a_row;
	END LOOP;
END
$do$;

INSERT INTO inventory
SELECT s.name, 'definition', CASE s.classid
	WHEN 'pg_proc'::regclass THEN (SELECT pg_get_functiondef(oid) FROM pg_proc WHERE oid = s.objid AND prokind <> 'a')
	WHEN 'pg_class'::regclass THEN (SELECT CASE relkind WHEN 'v' THEN pg_get_viewdef(oid) WHEN 'i' THEN regexp_replace(pg_get_indexdef(oid), 'pg_toast_\d+', '', 'g') END FROM pg_class WHERE oid = s.objid)
	WHEN 'pg_rewrite'::regclass THEN pg_get_ruledef(s.objid)
	WHEN 'pg_constraint'::regclass THEN pg_get_constraintdef(s.objid)
	WHEN 'pg_attrdef'::regclass THEN (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE oid = s.objid)
	WHEN 'pg_trigger'::regclass THEN (SELECT CASE WHEN NOT tgisinternal THEN pg_get_triggerdef(oid) END FROM pg_trigger WHERE oid = s.objid)
	WHEN 'pg_policy'::regclass THEN (SELECT concat_ws(' / ', pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) FROM pg_policy WHERE oid = s.objid)
	WHEN 'pg_statistic_ext'::regclass THEN pg_get_statisticsobjdef(s.objid) END
FROM scope s;
INSERT INTO inventory
SELECT s.name, 'acl', CASE s.classid
	WHEN 'pg_proc'::regclass THEN (SELECT pg_temp.acl(proacl, acldefault('f', proowner)) FROM pg_proc WHERE oid = s.objid)
	WHEN 'pg_class'::regclass THEN (SELECT pg_temp.acl(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner)) FROM pg_class WHERE oid = s.objid)
	WHEN 'pg_namespace'::regclass THEN (SELECT pg_temp.acl(nspacl, acldefault('n', nspowner)) FROM pg_namespace WHERE oid = s.objid)
	WHEN 'pg_type'::regclass THEN (SELECT pg_temp.acl(typacl, acldefault('T', typowner)) FROM pg_type WHERE oid = s.objid)
	WHEN 'pg_default_acl'::regclass THEN (SELECT pg_temp.acl(defaclacl, NULL) FROM pg_default_acl WHERE oid = s.objid) END
FROM scope s;
INSERT INTO inventory
SELECT s.name || ' column ' || a.attnum, 'acl', pg_temp.acl(a.attacl, NULL)
FROM scope s JOIN pg_attribute a ON s.classid = 'pg_class'::regclass AND a.attrelid = s.objid AND a.attnum > 0;
INSERT INTO inventory
SELECT s.name, 'comment ' || d.objsubid, d.description FROM scope s JOIN pg_description d ON d.classoid = s.classid AND d.objoid = s.objid;
INSERT INTO inventory
SELECT s.name, 'label ' || d.objsubid || d.provider, d.label FROM scope s JOIN pg_seclabel d ON d.classoid = s.classid AND d.objoid = s.objid;
INSERT INTO inventory
SELECT s.name, 'first privileges ' || d.objsubid, pg_temp.acl(d.initprivs, NULL) FROM scope s JOIN pg_init_privs d ON d.classoid = s.classid AND d.objoid = s.objid;
INSERT INTO inventory
SELECT d.name, 'depends', string_agg(t.text, E'\n' ORDER BY t.text COLLATE "C")
FROM depends d JOIN known k ON k.classid = d.refclassid AND k.objid = d.refobjid,
	concat_ws(' ', d.deptype, d.objsubid, 'on', k.name, d.refobjsubid) t (text) GROUP BY d.name;
INSERT INTO inventory
SELECT s.name, 'roles', string_agg(d.deptype::text || ' ' || pg_get_userbyid(d.refobjid), ' ' ORDER BY d.deptype, pg_get_userbyid(d.refobjid))
FROM scope s JOIN pg_shdepend d ON d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND d.classid = s.classid AND d.objid = s.objid GROUP BY s.name;
INSERT INTO inventory
SELECT s.name, 'published', string_agg(p.pubname, ' ' ORDER BY p.pubname) FROM scope s JOIN pg_publication_rel r ON s.classid = 'pg_class'::regclass AND r.prrelid = s.objid JOIN pg_publication p ON p.oid = r.prpubid GROUP BY s.name;
SELECT concat_ws(E'\t', name, what, replace(replace(value, E'\n', '\n'), E'\t', '\t')) FROM inventory WHERE value IS NOT NULL;
EOQ

# { name => { what => value } }; query: a function of (database, SQL)
sub inventory
{
	my ($query) = @_;
	my %found;

	foreach my $line (split /\n/, $query->($inventory))
	{
		my ($name, $what, $value) = split /\t/, $line, 3;
		die "twice: $name, $what" if exists $found{$name}{$what};
		$found{$name}{$what} = $value;
	}
	return \%found;
}

# Number of objects, and what differs: one text each.
sub inventory_differences
{
	my ($one, $two) = @_;
	my (%all, @differ);

	$all{$_} = 1 foreach keys %$one, keys %$two;
	foreach my $name (sort keys %all)
	{
		my ($a, $b) = ($one->{$name}, $two->{$name});
		my @what = !$a ? 'only in the second' : !$b ? 'only in the first' : ();
		my %fields = map { $_ => 1 } $a && $b ? (keys %$a, keys %$b) : ();
		foreach my $field (sort keys %fields)
		{
			my ($x, $y) = map { defined $_->{$field} ? $_->{$field} : '(null)' } $a, $b;
			push @what, "$field: <$x> <$y>" if $x ne $y;
		}
		push @differ, "$name: " . join '; ', @what if @what;
	}
	return (scalar keys %all, @differ);
}

# ---- every row -------------------------------------------------------------------------

# Columns that tell when, who and where, not what: between two hospitals of one truth.
our %own_columns = (
	simulation => 'simulation_id created_at system_identifier database_oid',
	batches => 'batch_id rows merged written_at ingested_at undone_at',    # what the stream had brought is merged
	privacy => 'inner_key outer_key made_at',
	days => 'manifest_sha256 written_at closed_at',
	jobs => 'starts_at changed_at changed_by next_due_at days_done seen_runs');

# Tables that say how it came, not what: not compared between two hospitals.
our @ways = qw(job_history publish_requests published run_state stream_actions stream_extras stream_partitions stream_ranges
  stream_topics ticks);

# Tables and sequences of the schemas, and what to compare of each: everything, or what is true however it came.
sub tables
{
	my ($query, $truth) = @_;
	my @found;

	foreach my $name (split /\n/, $query->(q{SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname IN ('hospital', 'hospital_mart', 'hospital_research') AND c.relkind IN ('r', 'p', 'm', 'S') ORDER BY 1}))
	{
		my $short = $name =~ s/^hospital\.//r;
		my $what = 't';
		next if $truth && ((grep { $_ eq $short } @ways) || $name =~ /_seq$/);
		$what = "to_jsonb(t) - '{" . join(',', split / /, $own_columns{$short}) . "}'::text[]" if $truth && $own_columns{$short};
		push @found, [ $name, $what ];
	}
	return @found;
}

# log_cnt of a sequence is what the log has ahead.
sub row_text { return $_[0][0] =~ /_seq$/ ? "concat_ws(' ', t.last_value, t.is_called)" : "($_[0][1])::text" }

# { table => "rows digest" }, in one snapshot
sub table_digests
{
	my ($query, @tables) = @_;
	my $union = join "\nUNION ALL ", map {
		sprintf q{SELECT concat_ws(' ', '%s', count(*), coalesce(sum(hashtextextended(%s, 0)::numeric), 0), coalesce(sum(hashtextextended(%2$s, 1)::numeric), 0)) FROM %1$s t},
		  $_->[0], row_text($_)
	} @tables;
	my %found = map { /^(\S+) (.*)$/ ? ($1 => $2) : die $_ } split /\n/, $query->("SET search_path = pg_catalog;\n$union");
	return \%found;
}

# How many rows there are, how many differ (of tables whose digests do), and which tables.
sub rows_differing
{
	my ($one, $two, @tables) = @_;
	my ($a, $b) = map { table_digests($_, @tables) } $one, $two;
	my ($rows, $differ, @which) = (0, 0);

	foreach my $table (@tables)
	{
		my $name = $table->[0];
		$rows += (split / /, $a->{$name})[0];
		next if $a->{$name} eq $b->{$name};
		my %count;
		$count{$_}++ foreach split /\n/, $one->("SET search_path = pg_catalog; SELECT md5(@{[ row_text($table) ]}) FROM $name t");
		$count{$_}-- foreach split /\n/, $two->("SET search_path = pg_catalog; SELECT md5(@{[ row_text($table) ]}) FROM $name t");
		my ($missing, $more) = (0, 0);
		foreach (values %count) { $_ > 0 ? ($missing += $_) : ($more -= $_) }
		$differ += $missing > $more ? $missing : $more;
		push @which, "$name (-$missing +$more)";
	}
	return ($rows, $differ, @which);
}

1;
