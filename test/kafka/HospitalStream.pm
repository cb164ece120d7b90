# HospitalStream: a small hospital in a database of its own whose transfers go
# through Kafka, for tests that ask of which kind of Kafka that may be.
package HospitalStream;

use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant DAYS => 8;
use constant TRANSFERS => 12;    # a day

# A server for any number of them, one running at a time.
sub server
{
	my ($class, $name) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	my $folder = abs_path(PostgreSQL::Test::Utils::tempdir());

	$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
	$node->append_conf('postgresql.conf', qq{
shared_preload_libraries = 'hospital'
hospital.data_folder = '$folder'
hospital.consumer_workers = 1
hospital.batch_interval = '1s'
hospital.stream_interval = '150ms'
});
	$node->start;
	return bless { node => $node, files => abs_path(PostgreSQL::Test::Utils::tempdir()), database => 'postgres' }, $class;
}

sub node { return $_[0]->{node} }

sub sql
{
	my ($self, $query) = @_;

	return $self->{node}->safe_psql($self->{database}, $query);
}

sub wait_for
{
	my ($self, $query, $what) = @_;

	return if $self->{node}->poll_query_until($self->{database}, $query);
	diag $self->sql('SELECT * FROM hospital.status');
	BAIL_OUT("timed out: $what");
	return;
}

# A new hospital, not started; its topics begin with hospital.<name>.
sub create
{
	my ($self, $name) = @_;

	$self->{node}->safe_psql('postgres', "CREATE DATABASE $name");
	$self->{database} = $name;
	$self->sql('CREATE EXTENSION hospital');
	$self->sql(sprintf(
		"CALL hospital_create(people => 20000, beds => 200, start_date => '2020-01-01',"
		. " end_date => date '2020-01-01' + %d, transfers_per_day => %d)", DAYS - 1, TRANSFERS));
	$self->sql('CALL hospital_load_staff()');
	$self->change(databases => $name, topic_prefix => "hospital.$name.");
	return;
}

sub start { return $_[0]->sql('SELECT hospital_start()') }

sub stop
{
	my ($self) = @_;

	$self->sql('SELECT hospital_stop()');
	$self->wait_for(q{SELECT count(*) = 0 FROM hospital.status WHERE worker !~ '^launcher' AND pid IS NOT NULL},
		'a stop');
	return;
}

sub change
{
	my ($self, %settings) = @_;

	foreach my $name (sort keys %settings)
	{
		$self->sql("ALTER SYSTEM SET hospital.$name = '$settings{$name}'");
	}
	$self->sql('SELECT pg_reload_conf()');
	return;
}

# Come in by that door, with these properties of the client; each call makes a
# file of another name, since it is the name that workers watch.
sub connect
{
	my ($self, $address, @properties) = @_;
	my $file = sprintf '%s/kafka.%d', $self->{files}, ++$self->{connections};

	open my $fh, '>', $file or die "$file: $!";
	chmod 0600, $file or die "$file: $!";
	print $fh map { "$_\n" } @properties;
	close $fh or die "$file: $!";
	$self->change(kafka_brokers => $address, kafka_config_file => $file);
	return;
}

# All events have been published and read, and are what they should be.
sub is_whole
{
	my ($self, $name) = @_;
	my $all = DAYS * TRANSFERS;
	my $generated = q{SELECT g.* FROM hospital.simulation s,
		generate_series(s.start_date, s.end_date, '1 day') d,
		LATERAL hospital_generate_transfers(d::date, s.seed, s.people, s.beds, s.start_date,
		                                    s.transfers_per_day) g};

	# a duplicate is an event that came with the day's file first
	$self->wait_for("SELECT sum(rows + duplicates) >= $all FROM hospital.stream_ranges", "$name: all events");
	is($self->sql("SELECT (SELECT sum(events) FROM hospital.published),"
			. " (SELECT sum(rows + duplicates) FROM hospital.stream_ranges),"
			. " (SELECT count(*) FROM ($generated) g), (SELECT count(*) FROM hospital.transfers),"
			. " (SELECT count(*) FROM hospital.rejects)"),
		"$all|$all|$all|$all|0", "$name: each event is published, read and in the table once");
	is($self->sql("SELECT count(*) FROM (($generated EXCEPT ALL TABLE hospital.transfers)"
			. " UNION ALL (TABLE hospital.transfers EXCEPT ALL $generated)) d"),
		0, "$name: nothing is lost, doubled or altered");
	return;
}

1;
