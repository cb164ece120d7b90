
# FaultDisk: file systems of one's own that are soon full.
#
# They are mounted in the mount namespace that FaultNet::enter() has made, which
# takes them along when it ends.
package FaultDisk;

use strict;
use warnings FATAL => 'all';

use Errno qw(ENOSPC);

use FaultNet;

my $why;

# Why there can be none here, or an empty string.
sub unavailable
{
	return $why if defined $why;
	$why = 'no mount namespace of our own';
	$why = '' if FaultNet::has_tables() && FaultNet::try_run('sh', '-c', 'd=$(mktemp -d) && mount -t tmpfs hospital "$d" && umount "$d" && rmdir "$d"');
	return $why;
}

# A new file system at a folder that is made, of so many MB.
sub mount_at
{
	my ($folder, $megabytes) = @_;

	mkdir $folder or die "$folder: $!";
	FaultNet::try_run('mount', '-t', 'tmpfs', '-o', "size=${megabytes}m,mode=700", 'hospital', $folder)
	  or die "$folder cannot be mounted";
	return;
}

# What is in a folder moves there, and a link stands in its place.
sub move_to
{
	my ($from, $to) = @_;

	system('mv', $from, $to) == 0 or die "mv $from $to failed";
	symlink $to, $from or die "$from: $!";
	return;
}

sub fill
{
	my ($folder) = @_;
	my $file = "$folder/ballast";

	open my $fh, '>', $file or die "$file: $!";
	foreach my $piece (65536, 512)
	{
		1 while defined syswrite $fh, 'x' x $piece;
		die "$file: $!" if $! != ENOSPC;
	}
	close $fh;
	return;
}

sub free
{
	my ($folder) = @_;

	unlink "$folder/ballast" or die "$folder/ballast: $!";
	return;
}

1;
