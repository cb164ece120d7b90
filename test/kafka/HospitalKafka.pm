
# HospitalKafka: a real Apache Kafka for a TAP test, by kafka.sh (which says what
# kinds of node there are) and secure.sh.
package HospitalKafka;

use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use IPC::Run ();

my $script = abs_path(dirname(__FILE__)) . '/kafka.sh';

# An empty string when a broker of that kind can be had here, else why not.
sub unavailable
{
	my ($kind) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run([ $script, 'jars', $kind // 'plain' ], '>', \$out, '2>', \$err);
	return '' if $? == 0;
	die "kafka.sh: $err" if $? >> 8 != 77;
	chomp $err;
	return $err;
}

sub new
{
	my ($class, $dir, $kind) = @_;

	return bless { dir => $dir, kind => $kind // 'plain', address => undef }, $class;
}

sub _run
{
	my ($self, $command, @args) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run([ $script, $command, $self->{dir}, @args ], '>', \$out, '2>', \$err)
	  or die "kafka.sh $command: $err";
	chomp $out;
	return $out;
}

sub start
{
	my ($self) = @_;

	$self->{address} = $self->_run('start', $self->{kind});
	return $self->{address};
}

sub stop { return $_[0]->_run('stop') }
sub kill9 { return $_[0]->_run('kill') }
sub address { return $_[0]->{address} }

# ---- of a secure node ---------------------------------------------------------

# Where one of its doors is.
sub door
{
	my ($self, $name) = @_;

	return $1 if $self->_slurp('addresses') =~ /^$name (\S+)$/m;
	die "no door $name";
}

sub password
{
	my ($self) = @_;
	my $password = $self->_slurp('password');

	chomp $password;
	return $password;
}

# The path of one of its certificates or keys.
sub tls { return "$_[0]->{dir}/tls/$_[1]" }

# Grant, or with --remove take away; as the arguments of kafka-acls.sh.
sub acl
{
	my ($self, @args) = @_;

	return $self->tool('kafka.admin.AclCommand', '--force', @args);
}

sub _slurp
{
	my ($self, $name) = @_;

	open my $fh, '<', "$self->{dir}/$name" or die "$self->{dir}/$name: $!";
	local $/;
	return scalar <$fh>;
}

# ---- tools --------------------------------------------------------------------

# One of Kafka's command line tools, by its Java class; what it says.
sub tool
{
	my ($self, $class, @args) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run([ $script, 'tool', $self->{dir}, $class, '--bootstrap-server', $self->{address}, @args ],
		'>', \$out, '2>', \$err) or die "$class: $out$err";
	return $out;
}

# The offset after the last message of a partition.
sub log_end
{
	my ($self, $topic, $partition) = @_;
	my $said = $self->tool('org.apache.kafka.tools.GetOffsetShell', '--topic-partitions', "$topic:$partition");

	return $1 if $said =~ /^\Q$topic\E:$partition:(\d+)$/m;
	die "GetOffsetShell: $said";
}

# Delete what is before an offset.
sub delete_records
{
	my ($self, $topic, $partition, $before) = @_;
	my $file = "$self->{dir}/delete.json";

	open my $fh, '>', $file or die "$file: $!";
	print $fh qq({"version": 1, "partitions": [{"topic": "$topic", "partition": $partition, "offset": $before}]});
	close $fh or die "$file: $!";
	return $self->tool('org.apache.kafka.tools.DeleteRecordsCommand', '--offset-json-file', $file);
}

sub DESTROY
{
	my ($self) = @_;

	local $?;
	system($script, 'kill', $self->{dir}) if defined $self->{address};
	return;
}

1;
