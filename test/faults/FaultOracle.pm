
# FaultOracle: what must hold of the stream, asked in SQL of one snapshot.
#
# The truth is a table of the messages on the topic: where each is, the SQLSTATEs
# that it may be refused with ('' when it must become a row), its event and the
# digest of its content.  Commit timestamps tell which transaction made a row:
# it must be the one that made the range of the ledger with the row's offset.
package FaultOracle;

use strict;
use warnings FATAL => 'all';

sub create
{
	my ($world) = @_;

	$world->sql(q{CREATE SCHEMA fault_oracle;
		CREATE TABLE fault_oracle.truth (partition int, "offset" bigint, sqlstates text, event_id uuid, content text,
			PRIMARY KEY (partition, "offset"))});
	return;
}

sub learn
{
	my ($world, $truth) = @_;
	return if !@$truth;
	my $lines = join '', map { join("\t", map { $_ // '\N' } @$_) . "\n" } @$truth;

	$world->sql("COPY fault_oracle.truth FROM stdin;\n$lines\\.\n");
	return;
}

# Each branch: invariant, what, how many, an example.
my $checks = <<'END';
SET client_min_messages = 'error';
SET timezone = 'UTC';
BEGIN ISOLATION LEVEL REPEATABLE READ;
/* sabotage */
CREATE TEMP TABLE r ON COMMIT DROP AS
	SELECT l.*, pg_xact_commit_timestamp(xmin) AS at
	FROM hospital.stream_ranges l WHERE topic = 'hospital.transfers';
CREATE INDEX ON r (partition, last_offset);
ANALYZE r;
CREATE TEMP TABLE t ON COMMIT DROP AS
	SELECT m.*, x.first_offset, x.epoch, x.at, coalesce(x.lost > 0, false) AS gone
	FROM fault_oracle.truth m LEFT JOIN LATERAL
	     (SELECT * FROM r WHERE r.partition = m.partition AND r.last_offset >= m."offset" ORDER BY r.last_offset LIMIT 1) x
	     ON x.first_offset <= m."offset";
CREATE INDEX ON t (event_id);
CREATE INDEX ON t (partition, "offset");
ANALYZE t;
-- of several messages about one event in a partition the first counts
CREATE TEMP TABLE c ON COMMIT DROP AS
	SELECT DISTINCT ON (event_id, partition) event_id, partition, "offset", content, at,
	       (SELECT count(*) FROM t o WHERE o.event_id = t.event_id AND o.sqlstates = '') AS copies
	FROM t WHERE sqlstates = '' AND NOT gone ORDER BY event_id, partition, "offset";
CREATE INDEX ON c (event_id);
ANALYZE c;
CREATE TEMP TABLE j ON COMMIT DROP AS
	SELECT partition, "offset", sqlstate, pg_xact_commit_timestamp(xmin) AS at
	FROM hospital.rejects WHERE topic = 'hospital.transfers';
CREATE INDEX ON j (partition, "offset");
ANALYZE j;
CREATE TEMP TABLE w ON COMMIT DROP AS
	SELECT event_id, pg_xact_commit_timestamp(xmin) AS at,
	       md5(concat_ws('|', to_char(event_time, 'YYYY-MM-DD HH24:MI:SS'), admission_id, patient_id, from_ward,
	                     to_ward, reason, status, staff_id)) AS content,
	       event_id::text LIKE '01890a5d-____-____-8000-%' AS ours
	FROM hospital.transfers;
CREATE INDEX ON w (event_id);
ANALYZE w;
WITH v (invariant, what, n, example) AS (
	SELECT 'I1', 'messages in no range of the ledger', count(*), min(format('%s:%s', partition, "offset"))
	FROM t WHERE first_offset IS NULL
	UNION ALL
	SELECT 'I1', 'events that are no rows', count(*), min(format('%s:%s', partition, "offset"))
	FROM t WHERE sqlstates = '' AND NOT gone AND NOT EXISTS (SELECT FROM w WHERE w.event_id = t.event_id)
	UNION ALL
	SELECT 'I1', 'poison that is no reject', count(*), min(format('%s:%s', partition, "offset"))
	FROM t WHERE sqlstates <> '' AND NOT gone
	     AND NOT EXISTS (SELECT FROM j WHERE (j.partition, j."offset") = (t.partition, t."offset"))
	UNION ALL
	SELECT 'I1', 'rejects with another SQLSTATE than expected', count(*),
	       min(format('%s:%s %s not %s', partition, "offset", sqlstate, sqlstates))
	FROM t JOIN j USING (partition, "offset") WHERE sqlstates <> '' AND sqlstate !~ ('^(' || sqlstates || ')$')
	UNION ALL
	SELECT 'I1', 'rows with another content than the first message', count(*), min(w.event_id::text)
	FROM w WHERE ours AND EXISTS (SELECT FROM c WHERE c.event_id = w.event_id)
	     AND NOT EXISTS (SELECT FROM c WHERE c.event_id = w.event_id AND coalesce(c.content, w.content) = w.content)
	UNION ALL
	SELECT 'I2', 'messages rejected twice', count(*), min(e)
	FROM (SELECT format('%s:%s', partition, "offset") AS e FROM j GROUP BY partition, "offset" HAVING count(*) > 1) x
	UNION ALL
	SELECT 'I2', 'rows that no message made', count(*), min(event_id::text)
	FROM w WHERE ours AND NOT EXISTS (SELECT FROM c WHERE c.event_id = w.event_id)
	UNION ALL
	SELECT 'I2', 'rejects of what is well, or is not there', count(*), min(format('%s:%s %s', partition, "offset", j.sqlstate))
	FROM j LEFT JOIN t USING (partition, "offset") WHERE coalesce(t.sqlstates, '') = ''
	UNION ALL
	SELECT 'I3', 'ranges committed before their predecessors', count(*), min(format('%s:%s', partition, first_offset))
	FROM (SELECT *, lag(at) OVER (PARTITION BY partition, epoch ORDER BY first_offset) AS before FROM r) x WHERE at < before
	UNION ALL
	SELECT 'I3', 'rows not committed with their range', count(*), min(format('%s:%s', partition, "offset"))
	FROM w JOIN c USING (event_id) WHERE ours AND copies = 1 AND w.at IS DISTINCT FROM c.at
	UNION ALL
	SELECT 'I3', 'rejects not committed with their range', count(*), min(format('%s:%s', partition, "offset"))
	FROM j JOIN t USING (partition, "offset") WHERE j.at IS DISTINCT FROM t.at
	UNION ALL
	SELECT 'I4', 'holes or overlaps of the ledger', count(*), min(format('%s:%s', partition, first_offset))
	FROM (SELECT *, lag(last_offset) OVER (PARTITION BY partition, epoch ORDER BY first_offset) AS before FROM r) x
	WHERE first_offset <> before + 1
	UNION ALL
	SELECT 'I4', 'ranges that say something else than the topic', count(*), min(format('%s:%s rows %s rejects %s duplicates %s of %s good %s bad',
	           r.partition, r.first_offset, r.rows, r.rejects, r.duplicates, coalesce(x.good, 0), coalesce(x.bad, 0)))
	FROM r LEFT JOIN (SELECT partition, first_offset, epoch, count(*) FILTER (WHERE sqlstates = '') AS good,
	                         count(*) FILTER (WHERE sqlstates <> '') AS bad
	                  FROM t WHERE NOT gone GROUP BY 1, 2, 3) x USING (partition, first_offset, epoch)
	WHERE r.lost = 0 AND (r.rows + r.duplicates <> coalesce(x.good, 0) OR r.rejects <> coalesce(x.bad, 0)
	                      OR r.messages <> r.rows + r.rejects + r.duplicates)
	UNION ALL
	SELECT 'I4', 'rows more or fewer than the ledger says', abs(x.n), x.n::text
	FROM (SELECT (SELECT coalesce(sum(rows), 0) FROM r) - (SELECT count(*) FROM w)
	             + (SELECT coalesce(sum(rows - merged), 0) FROM hospital.batches WHERE kind = 'transfers' AND state = 'ingested') AS n) x)
SELECT invariant, format('%s %s, such as %s', n, what, example) FROM v WHERE n > 0;
ROLLBACK;
END

# A sabotage comes before the checks, in their transaction, which is rolled back.
sub of_tables
{
	my ($world, $sabotage) = @_;
	$sabotage //= '';

	return map { [ split /\|/, $_, 2 ] } split /\n/, $world->sql($checks =~ s{/\* sabotage \*/}{$sabotage}r);
}

sub violations
{
	my ($world) = @_;

	# the last is what the server says of itself
	return (
		of_tables($world),
		map { [ 'audit', "hospital_audit_stream: $_" ] } split /\n/, $world->sql('SELECT a FROM hospital_audit_stream() a WHERE NOT ok'));
}

# What must be noticed, and by what.  The last event is there only once.
my $an_event = q{(SELECT event_id FROM fault_oracle.truth JOIN hospital.transfers USING (event_id)
	WHERE event_id::text LIKE '01890a5d-____-____-8000-%' ORDER BY event_id DESC LIMIT 1)};
my $a_range = q{(SELECT r FROM hospital.stream_ranges r WHERE rows > 0 ORDER BY random() LIMIT 1)};
my @sabotages = (
	[ 'a row is gone', 'I1 I4', "DELETE FROM hospital.transfers WHERE event_id = $an_event" ],
	[ 'a row is another one', 'I1 I3', "UPDATE hospital.transfers SET reason = reason || '!' WHERE event_id = $an_event" ],
	[ 'a row was written by another transaction', 'I3', "UPDATE hospital.transfers SET reason = reason WHERE event_id = $an_event" ],
	[ 'a row comes from nowhere', 'I2 I4', q{INSERT INTO hospital.transfers (event_id, event_time, admission_id, patient_id,
		from_ward, to_ward, reason, status, staff_id)
		VALUES ('01890a5d-ffff-7fff-8000-ffffffffffff', '2020-01-01', 1, 2, 'A', 'B', '', '', 3)} ],
	[ 'a range is gone', 'I1 I4', "DELETE FROM hospital.stream_ranges r WHERE r = $a_range" ],
	[ 'a range counts one too many', 'I4', "UPDATE hospital.stream_ranges r SET duplicates = duplicates + 1, messages = messages + 1 WHERE r = $a_range" ],
	[ 'a reject is gone', 'I1', q{DELETE FROM hospital.rejects WHERE reject_id = (SELECT min(reject_id) FROM hospital.rejects WHERE topic IS NOT NULL)} ],
	[ 'a good message is a reject as well', 'I2', q{INSERT INTO hospital.rejects (topic, partition, "offset", raw, sqlstate, message)
		SELECT 'hospital.transfers', partition, "offset", '', '22000', '' FROM fault_oracle.truth WHERE sqlstates = '' LIMIT 1} ]);

# Those that were not noticed as they should be.
sub unnoticed
{
	my ($world) = @_;
	my @unnoticed;

	foreach my $sabotage (@sabotages)
	{
		my ($what, $by, $sql) = @$sabotage;
		my %found = map { $_->[0] => 1 } of_tables($world, "$sql;");
		push @unnoticed, "$what: noticed by " . (join(' ', sort keys %found) || 'nothing') . ", not by $by"
		  if grep { !$found{$_} } split ' ', $by;
	}
	return (scalar @sabotages, @unnoticed);
}

1;
