
# FaultMessage: the events that the fault tests send, good and poisonous.
#
# A good event is a function of (run, number, variant), so what should be in
# the table is known without asking anybody.  The content of a row is a digest,
# made as FaultOracle's SQL makes it.
package FaultMessage;

use strict;
use warnings FATAL => 'all';

use Digest::MD5 qw(md5_hex);

# As JSON, and what it means.
my @reasons = (
	[ '"isolation"', 'isolation' ],
	[ '"bed needed \u2014 now"', "bed needed \xe2\x80\x94 now" ],
	[ qq("\xc3\xa9l\xc3\xa8ve"), "\xc3\xa9l\xc3\xa8ve" ],
	[ '"a \"quoted\"\tword\/"', qq(a "quoted"\tword/) ],
	[ '"\ud83c\udfe5"', "\xf0\x9f\x8f\xa5" ]);

sub event_id
{
	my ($run, $number) = @_;

	return sprintf '01890a5d-%04x-7%03x-8000-%012x', ($run >> 12) & 0xffff, $run & 0xfff, $number;
}

# Payload and content of an event; another variant is another event of the same id.
sub good
{
	my ($run, $number, $variant) = @_;
	my $reason = $reasons[ ($number + $variant) % @reasons ];
	my @time = (8 + int($number / 3600) % 12, int($number / 60) % 60, $number % 60);
	my ($patient, $from, $to, $staff) = (patient($number), 'W' . $number % 7, 'V' . $variant, 1 + $number % 97);
	my $id = event_id($run, $number);

	return (
		sprintf('{"event_id":"%s","event_time":"2020-01-01T%02d:%02d:%02dZ","admission_id":%d,"patient_id":%d,'
			  . '"from_ward":"%s","to_ward":"%s","reason":%s,"status":"Completed","staff_id":%d}',
			$id, @time, $number + 1, $patient, $from, $to, $reason->[0], $staff),
		md5_hex(join '|', sprintf('2020-01-01 %02d:%02d:%02d', @time),
			$number + 1, $patient, $from, $to, $reason->[1], 'Completed', $staff));
}

# The key: several events have the same.
sub patient { return 1 + $_[0] % 1009 }

# A payload that cannot become a row and the SQLSTATEs it may be refused with.
my @poison = (
	[ 'bad JSON', '22032', sub { substr $_[0], 0, length($_[0]) / 2 } ],
	[ 'wrong type', '22P02', sub { $_[0] =~ s/"patient_id":\d+/"patient_id":"seven"/r } ],
	[ 'out of range', '22003', sub { $_[0] =~ s/"patient_id":\d+/"patient_id":99999999999999999999/r } ],
	[ 'no such day', '22007|22008', sub { $_[0] =~ s/2020-01-01T/2020-02-30T/r } ],
	[ 'NUL byte', '22021', sub { $_[0] =~ s/Completed/Comp\0leted/r } ],
	[ 'escaped NUL', '22032|22P05', sub { $_[0] =~ s/Completed/Comp\\u0000leted/r } ],
	[ 'bad UTF-8', '22021', sub { $_[0] =~ s/Completed/Comp\xff\xfeleted/r } ],
	[ 'missing field', '2203A', sub { $_[0] =~ s/,"staff_id":\d+//r } ],
	[ 'null field', '2203A|23502|22004', sub { $_[0] =~ s/"staff_id":\d+/"staff_id":null/r } ],
	[ 'a constraint of the table', '23514', sub { $_[0] =~ s/"(from|to)_ward":"\w+"/"$1_ward":"W"/gr } ],
	[ 'null value', '.....', sub { '' } ],
	[ 'deep nesting', '54001|22P02|22032', sub { $_[0] =~ s/"Completed"/'[' x 20000 . ']' x 20000/er } ],
	[ '1 MB field', '22001', sub { $_[0] =~ s/"status":"Completed"/'"status":"' . 'x' x 900_000 . '"'/er } ]);

# The last two are large.
sub poison_kinds { return scalar @poison }
sub small_poison_kinds { return @poison - 2 }

# Name, SQLSTATEs, payload.
sub poison
{
	my ($run, $number, $kind) = @_;
	my ($payload) = good($run, $number, 0);

	return ($poison[$kind]->[0], $poison[$kind]->[1], $poison[$kind]->[2]->($payload));
}

1;
