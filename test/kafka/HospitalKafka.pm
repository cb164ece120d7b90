
# HospitalKafka: a real Apache Kafka for a TAP test, by kafka.sh.
package HospitalKafka;

use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use IPC::Run ();

my $script = abs_path(dirname(__FILE__)) . '/kafka.sh';

# An empty string when a broker can be had here, else why not.
sub unavailable
{
	my ($out, $err) = ('', '');

	IPC::Run::run([ $script, 'jars' ], '>', \$out, '2>', \$err);
	return '' if $? == 0;
	die "kafka.sh: $err" if $? >> 8 != 77;
	chomp $err;
	return $err;
}

sub new
{
	my ($class, $dir) = @_;

	return bless { dir => $dir, address => undef }, $class;
}

sub _run
{
	my ($self, $command) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run([ $script, $command, $self->{dir} ], '>', \$out, '2>', \$err)
	  or die "kafka.sh $command: $err";
	chomp $out;
	return $out;
}

sub start
{
	my ($self) = @_;

	$self->{address} = $self->_run('start');
	return $self->{address};
}

sub stop { return $_[0]->_run('stop') }
sub kill9 { return $_[0]->_run('kill') }
sub address { return $_[0]->{address} }

sub DESTROY
{
	my ($self) = @_;

	local $?;
	system($script, 'kill', $self->{dir}) if defined $self->{address};
	return;
}

1;
