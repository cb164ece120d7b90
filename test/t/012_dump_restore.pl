# 012_dump_restore.pl: the hospital's tables are the user's.
#
# A database with a hospital, with a column, an index, a comment and a table
# partition of the user's, is dumped and restored in every way that people
# use; what comes out must be what went in, table by table.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('dump');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->append_conf('postgresql.conf', "fsync = off\nstatement_timeout = '90s'\nautovacuum = off");
$node->start;

my $dumps = PostgreSQL::Test::Utils::tempdir();
my $people = 70000;
my $compared = 0;

# what pg_dump writes that is no part of the contents
sub canonical
{
	my ($file) = @_;
	my $text = slurp_file($file);

	$text =~ s/^\\(?:un)?restrict .*\n//mg;
	$text =~ s/^-- (?:Dumped|Started|Completed).*\n//mg;
	return $text;
}

sub dump_of
{
	my ($db, @options) = @_;
	my $file = "$dumps/compare." . ++$compared;

	run_log([ $node->installed_command('pg_dump'), '-d', $node->connstr($db), '-f', $file, @options ])
	  or die "pg_dump of $db failed";
	return $file;
}

# First lines that differ, or nothing.
sub difference
{
	my ($one, $two) = map { [ split /\n/, canonical($_) ] } @_;

	for (my $i = 0; $i < @$one || $i < @$two; $i++)
	{
		my ($a, $b) = map { defined $_->[$i] ? $_->[$i] : '(end)' } $one, $two;

		return "line $i: \"$a\" and \"$b\"" if $a ne $b;
	}
	return '';
}

sub restored_ok
{
	my ($db, $name, @options) = @_;

	# of the schema alone: rows may lie in another order
	is(difference(dump_of('source', '-s', @options), dump_of($db, '-s', @options)), '', "$name: the copy's dump is the original's");
}

# Digest of every table of the schema that is no member of the extension, and
# its constraints, indexes and comments, as the catalogs tell them.
my $inventory = <<'EOQ';
SELECT format('%s %s %s %s', c.relname,
	(xpath('/row/d/text()', query_to_xml(format(
		'SELECT md5(coalesce(string_agg(t::text, E''\n'' ORDER BY t::text COLLATE "C"), '''')) AS d FROM hospital.%I t', c.relname), false, true, '')))[1],
	(SELECT string_agg(i, ' ' ORDER BY i) FROM (
		SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = c.oid
		UNION ALL SELECT conname || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = c.oid) x (i)),
	(SELECT string_agg(coalesce(attname, '') || description, ' ' ORDER BY objsubid)
	 FROM pg_description LEFT JOIN pg_attribute ON attrelid = objoid AND attnum = objsubid
	 WHERE objoid = c.oid AND classoid = 'pg_class'::regclass))
FROM pg_class c
WHERE relnamespace = 'hospital'::regnamespace AND relkind IN ('r', 'p')
  AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')
ORDER BY relname COLLATE "C"
EOQ

$node->safe_psql('postgres', 'CREATE DATABASE source');
$node->safe_psql('source', 'CREATE EXTENSION hospital');
$node->safe_psql('source', "LOAD 'hospital'; CALL hospital_create(people => $people, beds => 200, start_date => '2020-01-01', end_date => '2020-02-29')");
$node->safe_psql('source', 'CALL hospital_load_people()');
$node->safe_psql('source', 'CALL hospital_load_staff()');
$node->safe_psql('source', <<'EOQ');
INSERT INTO hospital.admissions SELECT * FROM hospital_generate_admissions('2020-01-02', people => 70000, beds => 200);
INSERT INTO hospital.transfers SELECT * FROM hospital_generate_transfers('2020-01-02', people => 70000, beds => 200);
INSERT INTO hospital.batches (kind, day, file, sha256, bytes, state) VALUES ('admissions', '2020-01-02', 'a.csv', 'x', 1, 'written');
INSERT INTO hospital.rejects (batch_id, line, raw, sqlstate, message) VALUES (1, 2, '\x00ff', '22P02', E'odd\\\n');
INSERT INTO hospital.stream_partitions (topic, partition) VALUES ('t', 0);
INSERT INTO hospital.stream_ranges (topic, partition, first_offset, last_offset, messages, rows, rejects, duplicates, worker_pid)
VALUES ('t', 0, 0, 14, 15, 15, 0, 0, 1);
SELECT hospital_pause('t', 0, E'odd\\\n');
INSERT INTO hospital.published (kind, day, tick, topic, events, last_offsets) VALUES ('transfers', '2020-01-02', 0, 't', 3, '{NULL, 14}');
-- the user's own
ALTER TABLE hospital.people ADD note text DEFAULT 'none', ADD CONSTRAINT born CHECK (date_of_birth > '1900-01-01');
UPDATE hospital.people SET note = E'tab\there\nnull \\N' WHERE person_id % 1000 = 0;
CREATE INDEX people_by_birth ON hospital.people (date_of_birth) WHERE sex = 'F';
COMMENT ON TABLE hospital.people IS 'ours';
COMMENT ON COLUMN hospital.people.note IS 'our column';
COMMENT ON INDEX hospital.people_by_birth IS 'our index';
CREATE TABLE hospital.ours (person_id bigint REFERENCES hospital.people) PARTITION BY HASH (person_id);
CREATE TABLE hospital.ours_0 PARTITION OF hospital.ours FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE hospital.ours_1 PARTITION OF hospital.ours FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO hospital.ours SELECT generate_series(1, 100);
CREATE VIEW public.seniors AS SELECT * FROM hospital.people WHERE date_of_birth < '1950-01-01';
EOQ
my $original = $node->safe_psql('source', $inventory);
cmp_ok(scalar(my @tables = split /\n/, $original), '>=', 13, 'there are tables to dump');
foreach my $table ('people', 'staff', 'staff_assignments', 'admissions', 'transfers')
{
	cmp_ok($node->safe_psql('source', "SELECT count(*) FROM hospital.$table"), '>', 0, "hospital.$table has rows");
}

# ---- whole -------------------------------------------------------------------

my $pg_dump = $node->installed_command('pg_dump');
my $pg_restore = $node->installed_command('pg_restore');
my $psql = $node->installed_command('psql');

$node->safe_psql('postgres', 'CREATE DATABASE plain TEMPLATE template0; CREATE DATABASE dir TEMPLATE template0; CREATE DATABASE custom TEMPLATE template0');
$node->command_ok([ $pg_dump, '-d', $node->connstr('source'), '-f', "$dumps/plain.sql" ], 'pg_dump, plain');
$node->command_ok([ $psql, '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('plain'), '-f', "$dumps/plain.sql" ], 'restored by psql');
$node->command_ok([ $pg_dump, '-d', $node->connstr('source'), '-Fd', '-j2', '-f', "$dumps/dir" ], 'pg_dump -Fd -j2');
$node->command_ok([ $pg_restore, '-e', '-j2', '-d', $node->connstr('dir'), "$dumps/dir" ], 'pg_restore -j2');
$node->command_ok([ $pg_dump, '-d', $node->connstr('source'), '-Fc', '-f', "$dumps/custom" ], 'pg_dump -Fc');
$node->command_ok([ $pg_restore, '-e', '-1', '-d', $node->connstr('custom'), "$dumps/custom" ], 'pg_restore, one transaction');
foreach my $db ('plain', 'dir', 'custom')
{
	is($node->safe_psql($db, $inventory), $original, "$db: tables, keys, indexes and comments are the same");
	restored_ok($db, $db);
	is($node->safe_psql($db, "SELECT extname, extversion FROM pg_extension WHERE extname = 'hospital'"),
		$node->safe_psql('source', "SELECT extname, extversion FROM pg_extension WHERE extname = 'hospital'"), "$db: the extension is there");
}

# ---- parts: the extension first, then the schema or a table --------------------

$node->safe_psql('postgres', 'CREATE DATABASE n TEMPLATE template0; CREATE DATABASE t TEMPLATE template0');
$node->safe_psql($_, 'CREATE EXTENSION hospital') foreach 'n', 't';
$node->command_ok([ $pg_dump, '-d', $node->connstr('source'), '-n', 'hospital', '-f', "$dumps/n.sql" ], 'pg_dump -n hospital');
$node->command_ok([ $psql, '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('n'), '-f', "$dumps/n.sql" ], 'restored after CREATE EXTENSION');
is($node->safe_psql('n', $inventory), $original, '-n: tables, keys, indexes and comments are the same');
restored_ok('n', '-n', '-n', 'hospital');

$node->command_ok([ $pg_dump, '-d', $node->connstr('source'), '-t', 'hospital.people', '-f', "$dumps/t.sql" ], 'pg_dump -t hospital.people');
$node->command_ok([ $psql, '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('t'), '-f', "$dumps/t.sql" ], 'restored after CREATE EXTENSION');
is($node->safe_psql('t', $inventory), join("\n", grep { /^people / } split /^(?=[a-z_]+ [0-9a-f]{32} )/m, $original) =~ s/\n+\z//r,
	'-t: the table, its keys, indexes and comments are the same');
restored_ok('t', '-t', '-t', 'hospital.people');

# ---- a copy goes on -----------------------------------------------------------

foreach my $db ('plain', 'n')
{
	$node->safe_psql($db, 'DROP TABLE hospital.ours; ALTER TABLE hospital.people DROP note CASCADE; DELETE FROM hospital.people WHERE person_id % 7000 = 3')
	  if $db eq 'n';
	$node->safe_psql($db, 'DROP TABLE hospital.ours; DELETE FROM hospital.people WHERE person_id % 7000 = 3') if $db eq 'plain';
	$node->safe_psql($db, 'CALL hospital_load_people()');
	is($node->safe_psql($db, 'SELECT count(*), count(DISTINCT person_id) FROM hospital.people'), "$people|$people", "$db: a load completes the copy");
	$node->safe_psql($db, 'CALL hospital_load_staff()');
	is($node->safe_psql($db, 'SELECT (SELECT count(*) FROM hospital.staff), (SELECT count(*) FROM hospital.staff_assignments)'),
		$node->safe_psql('source', 'SELECT (SELECT count(*) FROM hospital.staff), (SELECT count(*) FROM hospital.staff_assignments)'),
		"$db: a load of staff finds it complete");
	is($node->safe_psql($db, "INSERT INTO hospital.batches (kind, day, file, sha256, bytes, state) VALUES ('visits', '2020-01-02', 'a.csv', 'y', 1, 'written') RETURNING batch_id"),
		'2', "$db: identities go on from where they were");
}

# ---- a template's copy ----------------------------------------------------------

$node->safe_psql('postgres', 'CREATE DATABASE clone TEMPLATE source');
restored_ok('clone', 'CREATE DATABASE … TEMPLATE');

# ---- the extension in another schema --------------------------------------------

$node->safe_psql('postgres', 'CREATE DATABASE ext; CREATE DATABASE ext_copy TEMPLATE template0');
$node->safe_psql('ext', 'CREATE SCHEMA ext; CREATE EXTENSION hospital SCHEMA ext');
$node->safe_psql('ext', "LOAD 'hospital'; CALL ext.hospital_create(people => 3000, beds => 200, end_date => '2020-01-31')");
$node->safe_psql('ext', 'CALL ext.hospital_load_people()');
$node->safe_psql('ext', 'CALL ext.hospital_load_staff()');
$node->command_ok([ $pg_dump, '-d', $node->connstr('ext'), '-f', "$dumps/ext.sql" ], 'pg_dump with the extension in schema ext');
$node->command_ok([ $psql, '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('ext_copy'), '-f', "$dumps/ext.sql" ], 'restored');
is($node->safe_psql('ext_copy', $inventory), $node->safe_psql('ext', $inventory), 'schema ext: tables, keys, indexes and comments are the same');
is(difference(dump_of('ext', '-s'), dump_of('ext_copy', '-s')), '', "schema ext: the copy's dump is the original's");
is($node->safe_psql('ext_copy', 'SELECT count(*) FROM (SELECT * FROM hospital.people EXCEPT ALL SELECT * FROM ext.hospital_generate_people(3000)) x'),
	'0', 'schema ext: the generator agrees with the copy');

# ---- DROP EXTENSION ---------------------------------------------------------------

my ($rc, undef, $stderr) = $node->psql('ext', 'DROP EXTENSION hospital');
isnt($rc, 0, 'DROP EXTENSION refuses while there is data');
like($stderr, qr/cannot drop extension hospital because other objects depend on it/, 'and says why');
like($stderr, qr/hospital\.people/, 'and names the table');
is($node->safe_psql('ext', 'SELECT count(*) FROM hospital.people'), '3000', 'the data is untouched');
$node->safe_psql('ext', 'DROP EXTENSION hospital CASCADE');
is($node->safe_psql('ext', "SELECT count(*) FROM pg_namespace WHERE nspname = 'hospital'"), '0', 'CASCADE drops it all');
is($node->safe_psql('ext', "SELECT count(*) FROM pg_proc WHERE proname LIKE 'hospital%'"), '0', 'functions too');
$node->safe_psql('ext', 'CREATE EXTENSION hospital SCHEMA ext');
is($node->safe_psql('ext', 'SELECT count(*) FROM ext.hospital_generate_people(5)'), '5', 'it can be created again');
$node->safe_psql('ext', 'DROP EXTENSION hospital');
is($node->safe_psql('ext', "SELECT count(*) FROM pg_namespace WHERE nspname = 'hospital'"), '0', 'without data it goes without CASCADE');
$node->safe_psql('ext', 'CREATE SCHEMA hospital');
(undef, undef, $stderr) = $node->psql('ext', '\set VERBOSITY verbose' . "\nCREATE EXTENSION hospital SCHEMA ext");
like($stderr, qr/ERROR:  42P06: schema "hospital" exists already/, 'a schema hospital of somebody else\'s is refused');

$node->stop;
done_testing();
