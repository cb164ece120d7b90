#!/usr/bin/env perl
#
# compile.pl: turns the reference tables (*.csv of one folder) into the C source
# of src/reference_data.c, whose contract is src/reference_data.h.
#
#     perl data/compile.pl data > src/reference_data.c
#
# It owns every constant of that file: the tables as strings, the draws as alias
# tables, the block of households, the single years of age and where each
# population group lives.  Two builds must give the same bytes on every machine,
# so the whole file runs under "use integer": no value is ever a floating-point
# number, nothing depends on the order of a hash, and chance comes from a small
# generator with a fixed seed.  Whatever the tables promise is asserted here: a
# build that would break a promise dies.

use strict;
use warnings;
use integer;
use Config;

die "needs a perl with 64-bit integers\n" if $Config{ivsize} < 8;

use constant {
	BLOCK_PEOPLE => 4096,
	AGE_BANDS    => 17,
	AGE_YEARS    => 105,
	AGE_UNITS    => 1 << 14,
	FIRST_ADULT  => 4,			# band 20-24
	MINOR_BANDS  => 4,			# bands 0-19 years
	CHILD_BANDS  => 3,			# bands 0-14 years
	PPM          => 1_000_000,	# shares have at most six decimals
	UINT32_MAX   => 0xFFFFFFFF,
};

my @GROUPS = ('Black African', 'Coloured', 'Indian or Asian', 'White');
my @KINDS  = ('township', 'informal', 'inner_city', 'suburb');

my $folder = shift @ARGV;
die "usage: compile.pl FOLDER\n" unless defined $folder && -d $folder;

# ---- reading -------------------------------------------------------------

my %tables;						# name -> { columns => [], rows => [ {} ] }

sub read_table
{
	my ($path) = @_;
	open(my $in, '<:raw', $path) or die "$path: $!\n";
	chomp(my @lines = <$in>);
	close($in);
	my @columns = split(/,/, shift @lines, -1);
	my @rows;
	for my $line (@lines)
	{
		my @fields = split(/,/, $line, -1);
		die "$path: wrong number of fields: $line\n" if @fields != @columns;
		my %row;
		@row{@columns} = @fields;
		push @rows, \%row;
	}
	return { columns => \@columns, rows => \@rows };
}

sub rows { return @{ $tables{ $_[0] }{rows} } }

# A decimal as an integer number of 10^-digits; more decimals than that are an error.
sub scaled
{
	my ($text, $digits) = @_;
	$text =~ /^(\d+)(?:\.(\d+))?$/ or die "not a plain decimal: '$text'\n";
	my ($whole, $part) = ($1, defined $2 ? $2 : '');
	$part =~ s/0+$//;
	die "too many decimals: '$text'\n" if length($part) > $digits;
	return ($whole . $part . '0' x ($digits - length $part)) + 0;
}

sub ppm { return scaled($_[0], 6) }

# ---- numbers -------------------------------------------------------------

# Park and Miller's "minimal standard" generator: products stay below 2^63.
my $random_state = 20_200_305;

sub random_below
{
	my ($n) = @_;
	$random_state = $random_state * 48_271 % 2_147_483_647;
	return $random_state % $n;
}

# The place of a weighted choice; undef if all weights are 0.
sub random_weighted
{
	my (@weights) = @_;
	my $total = sum(@weights);
	return undef if $total == 0;
	my $at = random_below($total);
	for my $i (0 .. $#weights)
	{
		return $i if $at < $weights[$i];
		$at -= $weights[$i];
	}
	die "unreachable";
}

sub sum
{
	my $total = 0;
	$total += $_ for @_;
	return $total;
}

sub max { my $m = shift; for (@_) { $m = $_ if $_ > $m } return $m }
sub min { my $m = shift; for (@_) { $m = $_ if $_ < $m } return $m }

# Integers that sum to $total and are as near to the weights' shares as can be.
sub largest_remainder
{
	my ($total, @weights) = @_;
	my $all   = sum(@weights);
	my @parts = map { $_ * $total / $all } @weights;
	my @rest  = map { $_ * $total % $all } @weights;
	my @order = sort { $rest[$b] <=> $rest[$a] || $a <=> $b } 0 .. $#weights;
	my $short = $total - sum(@parts);
	$parts[$_]++ for @order[ 0 .. $short - 1 ];
	return @parts;
}

# floor(2^32 * a / b) for 0 <= a < b < 2^46, by long division in two halves.
sub fraction32
{
	my ($a, $b) = @_;
	die "fraction out of range: $a / $b\n" if $a < 0 || $a >= $b || $b >= 1 << 46;
	my $high = ($a << 16) / $b;
	my $rest = ($a << 16) % $b;
	return ($high << 16) + ($rest << 16) / $b;
}

# A probability given in millionths, as a 32-bit fraction.
sub probability32
{
	my ($millionths) = @_;
	die "probability above 1\n" if $millionths > PPM;
	return $millionths == PPM ? UINT32_MAX : fraction32($millionths, PPM);
}

# ---- writing C -----------------------------------------------------------

my @out;

sub emit { push @out, @_ }

sub c_string
{
	my ($text) = @_;
	return 'NULL' if !defined $text || $text eq '';
	$text =~ s/(["\\?])/\\$1/g;		# "?" too: no trigraphs
	$text =~ s/([^ -~])/sprintf('\\%03o', ord $1)/ge;
	return qq("$text");
}

# Items of an array initialiser, several a line.
sub c_items
{
	my ($per_line, @items) = @_;
	my @lines;
	while (my @some = splice(@items, 0, $per_line))
	{
		push @lines, "\t" . join(', ', @some);
	}
	return join(",\n", @lines) . "\n";
}

sub emit_array
{
	my ($declaration, $per_line, @items) = @_;
	emit("$declaration = {\n", c_items($per_line, @items), "};\n\n");
}

my (@pool, %pool_number);

sub pool
{
	my ($text) = @_;
	die "empty pool string\n" if $text eq '';
	if (!exists $pool_number{$text})
	{
		push @pool, $text;
		$pool_number{$text} = $#pool;
		die "too many pool strings\n" if $#pool > 65_535;
	}
	return $pool_number{$text};
}

# ---- alias tables --------------------------------------------------------

# Walker's table by Vose's construction: [value, alias, threshold] for each weight.
sub alias_entries
{
	my (@draws) = grep { $_->[1] > 0 } @_;		# [value, weight]
	my $n     = @draws;
	my $total = sum(map { $_->[1] } @draws);
	die "nothing to draw\n" if $total == 0;
	my @left = map { $_->[1] * $n } @draws;		# each column holds $total
	my (@small, @large);
	for my $i (0 .. $n - 1)
	{
		if   ($left[$i] < $total) { push @small, $i }
		else                      { push @large, $i }
	}
	my @entries = map { [ $_->[0], $_->[0], UINT32_MAX ] } @draws;
	while (@small && @large)
	{
		my ($s, $l) = (shift @small, $large[0]);
		$entries[$s] = [ $draws[$s][0], $draws[$l][0], fraction32($left[$s], $total) ];
		$left[$l] -= $total - $left[$s];
		push @small, shift @large if $left[$l] < $total;
	}
	die "alias table does not close\n" if @small;	# exact integers leave nothing over
	return @entries;
}

my $alias_count = 0;

# Writes the entries and returns the AliasTable initialiser that points at them.
sub alias_table
{
	my @entries = alias_entries(@_);
	my $name = 'alias_' . $alias_count++;
	emit_array("static const AliasEntry $name\[]", 5,
		map { "{$_->[2]u, $_->[0], $_->[1]}" } @entries);
	return '{' . scalar(@entries) . ", $name}";
}

# ---- the tables as they are ----------------------------------------------

sub emit_reference_tables
{
	my @entries;
	for my $name (sort keys %tables)
	{
		# Where a number comes from matters to the reader of data/, not to queries.
		my @columns = grep { $_ ne 'source' } @{ $tables{$name}{columns} };
		my @rows = rows($name);
		emit_array("static const char *const columns_$name\[]", 6, map { c_string($_) } @columns);
		emit_array("static const char *const cells_$name\[]", scalar(@columns),
			map { my $row = $_; map { c_string($row->{$_}) } @columns } @rows);
		push @entries, sprintf('{"%s", %d, %d, columns_%s, cells_%s}',
			$name, scalar(@columns), scalar(@rows), $name, $name);
	}
	emit_array('const ReferenceTable reference_tables[]', 1, @entries);
	emit('const int reference_table_count = ' . scalar(@entries) . ";\n\n");
}

# ---- the block: people ---------------------------------------------------

# $supply[female][band]: people of the block who have no household yet.
my @supply;
my @quota;

sub load_quotas
{
	my @cells = rows('population_gauteng');
	my @counts = largest_remainder(BLOCK_PEOPLE, map { ppm($_->{share}) } @cells);
	for my $i (0 .. $#cells)
	{
		my $band = min($cells[$i]{age_min} / 5, AGE_BANDS - 1);
		my $female = $cells[$i]{sex} eq 'F' ? 1 : 0;
		die "population_gauteng: cell twice\n" if defined $quota[$female][$band];
		$quota[$female][$band] = $supply[$female][$band] = $counts[$i];
	}
	die "population_gauteng: cells missing\n" if @{ $quota[0] } != AGE_BANDS || @{ $quota[1] } != AGE_BANDS;
}

sub band_supply { my ($band) = @_; return $supply[0][$band] + $supply[1][$band] }

sub take
{
	my ($band, $female) = @_;
	die "nobody left in band $band\n" if $supply[$female][$band]-- <= 0;
	return { band => $band, female => $female };
}

sub take_of_band
{
	my ($band) = @_;
	return take($band, random_weighted($supply[0][$band], $supply[1][$band]));
}

#
# Take somebody of one sex; $preference maps a band to a weight, by which those
# still there are weighted, so that what is left keeps the pyramid's shape.
#
sub take_preferred
{
	my ($female, $preference) = @_;
	my $band = random_weighted(map { $supply[$female][$_] * $preference->($_) } 0 .. AGE_BANDS - 1);
	die "household_types: nobody of sex $female is left who fits\n" unless defined $band;
	return take($band, $female);
}

# ---- the block: who belongs together -------------------------------------

# Weight of "so many bands older" for a parent of a child.
my %PARENT_GAP = (4 => 3, 5 => 8, 6 => 7, 7 => 4, 8 => 2);
# ... for a grandparent of a child they bring up
my %GRANDPARENT_GAP = (8 => 2, 9 => 4, 10 => 4, 11 => 3, 12 => 1);
# ... for a man of his wife
my %PARTNER_GAP = (-2 => 1, -1 => 3, 0 => 10, 1 => 10, 2 => 6);

sub bands_of { return map { $_->{band} } @_ }

# A preference for bands that suit all of these younger people.
sub older_than
{
	my ($gaps, @younger) = @_;
	my @bands = bands_of(@younger);
	return sub {
		my ($band) = @_;
		return 0 if $band < FIRST_ADULT;
		my $weight = 1;
		for my $b (@bands)
		{
			my $gap = $gaps->{ $band - $b };
			return 0 unless defined $gap;
			$weight *= $gap;
		}
		return $weight;
	};
}

sub partner_of
{
	my ($person, $same_sex, $youngest) = @_;
	my $sign = $person->{female} ? 1 : -1;
	my $female = $same_sex ? $person->{female} : 1 - $person->{female};
	return take_preferred($female, sub {
		my ($band) = @_;
		return 0 if $band < $youngest;
		return $PARTNER_GAP{ $sign * ($band - $person->{band}) } || 0;
	});
}

# Of parents alone with small children one in seven is a man, of older heads two in five.
sub lone_head_sex
{
	my ($youngest) = @_;
	return $youngest < FIRST_ADULT + 4 ? random_below(7) > 0 ? 1 : 0 : random_below(5) > 1 ? 1 : 0;
}

# Three households in five of a couple name the man as head.
sub couple_order
{
	my ($one, $other) = @_;
	my $man_first = random_below(5) < 3;
	return $one->{female} == ($man_first ? 0 : 1) ? ($one, $other) : ($other, $one);
}

# One or two heads who suit the preference; neither is below the youngest band given.
sub take_heads
{
	my ($count, $youngest, $preference) = @_;
	my $female = $count == 2 ? 1 : lone_head_sex($youngest);
	my $first = take_preferred($female, sub {
		my ($band) = @_;
		return $band < $youngest ? 0 : $preference->($band);
	});
	return ($first) if $count == 1;
	return couple_order($first, partner_of($first, 0, $youngest));
}

# The youngest band of a parent of these.
sub parents_from { return max(FIRST_ADULT, map { $_ + 4 } bands_of(@_)) }

# A grown-up child (or a brother or sister of one): a generation below the parents.
sub take_grown_child
{
	my (@parents) = @_;
	my $last = min(bands_of(@parents)) - 4;
	my $preference = sub {
		my ($band) = @_;
		return 0 if $band < FIRST_ADULT || $band > $last;
		return $band <= 6 ? 4 : 1;		# most have left by thirty-five
	};
	my @left = map { my $sex = $_; sum(map { $supply[$sex][$_] * $preference->($_) } 0 .. AGE_BANDS - 1) } 0, 1;
	return take_preferred(random_weighted(@left), $preference);
}

# The brothers and sisters of one household: never two in one band, mostly in
# neighbouring ones, so that no two are born too near to each other.  None is
# below the youngest band given.
sub take_siblings
{
	my ($count, $youngest) = @_;
	my @choices = grep { $_->{bands}[-1] >= $youngest } band_choices($count);
	my $choice = random_weighted(map {
		my $weight = $_->{weight};
		$weight *= band_supply($_) for @{ $_->{bands} };
		$weight;
	} @choices);
	die "household_types: no children are left who fit\n" unless defined $choice;
	return map { take_of_band($_) } @{ $choices[$choice]{bands} };
}

# All ways to pick $count bands of minors, oldest first; gaps between siblings are rarer.
sub band_choices
{
	my ($count) = @_;
	my @choices;
	for my $set (1 .. (1 << MINOR_BANDS) - 1)
	{
		my @bands = grep { $set & (1 << $_) } reverse 0 .. MINOR_BANDS - 1;
		next if @bands != $count;
		my $span = $bands[0] - $bands[-1] + 1;
		push @choices, { bands => \@bands, weight => $span == $count ? 4 : 1 };
	}
	return @choices;
}

# ---- the block: households of each type ----------------------------------

my %BUILD = (
	single           => \&build_rest,
	couple           => \&build_couple,
	sharers          => \&build_sharers,
	single_parent    => \&build_family,
	couple_children  => \&build_family,
	adult_children   => \&build_family_with_grown_children,
	skip_generation  => \&build_skip_generation,
	three_generation => \&build_three_generation,
);

#
# Those who are hardest to match come first: families with children of every
# age, then the ones whose children are furthest apart, then the oldest.
# Singles are whoever is left.
#
my @BUILD_ORDER = qw(three_generation skip_generation adult_children couple_children
	single_parent couple sharers single);

sub build_order
{
	my (@homes) = @_;
	my %rank;
	@rank{@BUILD_ORDER} = 0 .. $#BUILD_ORDER;
	my @keys = map {
		my @bands = bands_of(@{ $_->{children} });
		my $type = $_->{type}{type};
		my $class = !@bands ? 2 : $type eq 'adult_children' ? 0 : 1;
		[ $class, @bands ? ($bands[-1] - $bands[0], -$bands[0]) : (0, 0), $rank{$type} ];
	} @homes;
	return map { $homes[$_] } sort {
		my ($x, $y) = @keys[ $a, $b ];
		$x->[0] <=> $y->[0] || $x->[1] <=> $y->[1] || $x->[2] <=> $y->[2] || $x->[3] <=> $y->[3] || $a <=> $b;
	} 0 .. $#homes;
}

sub build_family
{
	my ($type, @children) = @_;
	my @heads = take_heads($type->{heads}, parents_from(@children), older_than(\%PARENT_GAP, @children));
	return (@heads, @children);
}

sub build_family_with_grown_children
{
	my ($type, @children) = @_;
	my $suits = @children ? older_than(\%PARENT_GAP, @children)
		: sub { my ($band) = @_; return $band <= 13 ? 4 : 1 };
	my @heads = take_heads($type->{heads}, max(parents_from(@children), FIRST_ADULT + 4), $suits);
	my @grown = map { take_grown_child(@heads) } 1 .. $type->{adult_relatives};
	return (@heads, @grown, @children);
}

sub build_skip_generation
{
	my ($type, @children) = @_;
	my @heads = take_heads($type->{heads}, parents_from(@children), older_than(\%GRANDPARENT_GAP, @children));
	return (@heads, @children);
}

sub build_three_generation
{
	my ($type, @children) = @_;
	my $suits = older_than(\%PARENT_GAP, @children);
	# Parents who live with theirs are young; the oldest would have nobody above them.
	my @parents = take_heads($type->{heads}, parents_from(@children), sub {
		my ($band) = @_;
		return $band > 10 ? 0 : $suits->($band) * ($band <= 7 ? 3 : 1);
	});
	my ($child_of_elders) = sort { $b->{female} <=> $a->{female} } @parents;
	my @elders = take_heads($type->{elders}, parents_from($child_of_elders), older_than(\%PARENT_GAP, $child_of_elders));
	my @relatives = map { take_grown_child(@elders) } 1 .. $type->{adult_relatives};
	return (@elders, @parents, @relatives, @children);
}

# Most couples without children in the house are past the age of having them.
sub build_couple
{
	my $same_sex = random_below(40) == 0;
	my $woman = take_preferred(1, sub {
		my ($band) = @_;
		return $band < FIRST_ADULT ? 0 : couples_left($band) * ($band < 8 ? 1 : 2);
	});
	return couple_order($woman, partner_of($woman, $same_sex, FIRST_ADULT));
}

# How many men suit a woman of this band.
sub couples_left
{
	my ($band) = @_;
	my $men = 0;
	for my $gap (sort { $a <=> $b } keys %PARTNER_GAP)
	{
		my $b = $band + $gap;
		$men += $supply[0][$b] * $PARTNER_GAP{$gap} if $b >= FIRST_ADULT && $b < AGE_BANDS;
	}
	return $men;
}

# Young people who share: all within one band of the first.
sub build_sharers
{
	my ($type) = @_;
	my @members;
	for (0 .. $type->{sharers})
	{
		my $fits = sub {
			my ($band) = @_;
			return 0 if $band < FIRST_ADULT || $band > 7;
			return !@members || abs($band - $members[0]{band}) <= 1 ? 1 : 0;
		};
		my @left = map { my $sex = $_; sum(map { $supply[$sex][$_] * $fits->($_) } 0 .. AGE_BANDS - 1) } 0, 1;
		push @members, take_preferred(random_weighted(@left), $fits);
	}
	return @members;
}

sub build_rest
{
	my @left = map { band_supply($_) } 0 .. AGE_BANDS - 1;
	return take_of_band(random_weighted(@left));
}

# ---- the block: how many households of each type --------------------------

sub adults_of
{
	my ($type) = @_;
	return sum(@{$type}{qw(heads elders adult_relatives sharers)});
}

#
# Counts of household types by their weights, then mended so that people and
# minors come out exactly: couples gain or lose a first child, singles fill up.
#
sub plan_households
{
	my @types = rows('household_types');
	my $weight = sum(map { $_->{weight} } @types);
	my $people = sum(map { $_->{weight} * (adults_of($_) + $_->{minors}) } @types);
	my @count = largest_remainder(BLOCK_PEOPLE * $weight / $people, map { $_->{weight} } @types);
	my %place;
	$place{"$types[$_]{type} $types[$_]{minors}"} = $_ for 0 .. $#types;

	my $minors = sum(map { band_supply($_) } 0 .. MINOR_BANDS - 1);
	my $missing = $minors - sum(map { $count[$_] * $types[$_]{minors} } 0 .. $#types);
	$count[ $place{'couple_children 1'} ] += $missing;
	$count[ $place{'couple 0'} ] -= $missing;
	$count[ $place{'single 0'} ] += BLOCK_PEOPLE - $minors - sum(map { $count[$_] * adults_of($types[$_]) } 0 .. $#types);
	die "household_types do not fit the pyramid\n" if grep { $_ < 0 } @count;
	return map { { type => $types[$_], count => $count[$_] } } 0 .. $#types;
}

#
# Give each planned household its children, the largest families first.  With
# grown brothers and sisters in the house, the youngest is no infant.
#
sub plan_children
{
	my (@plan) = @_;
	my @homes = map { my $p = $_; map { { type => $p->{type}, children => [] } } 1 .. $p->{count} } @plan;
	shuffle(\@homes);
	for my $size (reverse 1 .. MINOR_BANDS)
	{
		my @alike = grep { $_->{type}{minors} == $size } @homes;
		for my $youngest (2, 0)		# the choosy ones first
		{
			$_->{children} = [ take_siblings($size, $youngest) ]
				for grep { ($_->{type}{type} eq 'adult_children' ? 2 : 0) == $youngest } @alike;
		}
	}
	return @homes;
}

sub shuffle
{
	my ($list) = @_;
	for my $i (reverse 1 .. $#$list)
	{
		my $j = random_below($i + 1);
		@{$list}[ $i, $j ] = @{$list}[ $j, $i ];
	}
}

sub build_households
{
	my @homes = plan_children(plan_households());
	my @households;
	for my $home (build_order(@homes))
	{
		my $build = $BUILD{ $home->{type}{type} } or die "unknown household type $home->{type}{type}\n";
		push @households, [ $build->($home->{type}, @{ $home->{children} }) ];
	}
	shuffle(\@households);
	check_households(@households);
	return @households;
}

sub check_households
{
	my (@households) = @_;
	for my $home (@households)
	{
		my @bands = bands_of(@$home);
		die "household of " . @bands . "\n" if @bands < 1 || @bands > 8;
		die "head is no adult\n" if $bands[0] < FIRST_ADULT;
		for my $minor (grep { $_ < MINOR_BANDS } @bands)
		{
			die "nobody is old enough to bring up a child\n" if max(@bands) < $minor + 4 || max(@bands) < FIRST_ADULT;
		}
	}
	my @used;
	$used[ $_->{female} ][ $_->{band} ]++ for map { @$_ } @households;
	for my $sex (0, 1)
	{
		for my $band (0 .. AGE_BANDS - 1)
		{
			die "quota of band $band missed\n" if $used[$sex][$band] != $quota[$sex][$band];
		}
	}
	my $homes = @households;
	my $single = grep { @$_ == 1 } @households;
	die "mean size of households is off\n" if BLOCK_PEOPLE * 10 < 28 * $homes || BLOCK_PEOPLE * 10 > 31 * $homes;
	die "share of single people is off\n" if $single * 100 < 25 * $homes || $single * 100 > 30 * $homes;
}

sub emit_block
{
	load_quotas();
	my @households = build_households();
	my (@slots, @starts, @ordinal);
	for my $h (0 .. $#households)
	{
		my @members = @{ $households[$h] };
		push @starts, scalar @slots;
		for my $m (0 .. $#members)
		{
			my ($band, $female) = @{ $members[$m] }{qw(band female)};
			my $ordinal = $ordinal[$female][$band]++ || 0;
			push @slots, "{$h, $ordinal, $band, $female, $m, " . @members . '}';
		}
	}
	emit_array('const BlockSlot block_slots[BLOCK_PEOPLE]', 6, @slots);
	emit('const int block_household_count = ' . @households . ";\n\n");
	emit_array('const uint16 block_household_start[]', 16, @starts);
	emit_array('const uint16 band_slot_count[AGE_BANDS][2]', 6,
		map { "{$quota[0][$_], $quota[1][$_]}" } 0 .. AGE_BANDS - 1);
}

# ---- single years of age -------------------------------------------------

# Weights of the years 80-104: half as many every four and a half years.
sub oldest_years
{
	my @weights = (1_000_000_000_000);
	# 0.857244 = 2^(-1/4.5)
	push @weights, $weights[-1] * 857_244 / PPM while @weights < AGE_YEARS - 80;
	return @weights;
}

#
# Weights of a band's five years: the band's mean, tilted by the slope between
# its neighbours, so that the steps from band to band are small.  The tilt
# leaves the band's sum alone.
#
sub five_years
{
	my ($before, $own, $after) = @_;
	my $mean  = $own * 100;
	my $slope = ($after - $before) * 10;
	my $limit = $mean / 3;
	$slope = max(-$limit, min($limit, $slope));
	return map { $mean + $slope * ($_ - 2) } 0 .. 4;
}

sub emit_ages
{
	my @total = (0) x AGE_BANDS;
	$total[ min($_->{age_min} / 5, AGE_BANDS - 1) ] += ppm($_->{share}) for rows('population_gauteng');
	my @oldest = oldest_years();
	my $like_five = $total[16] * (sum(@oldest[ 0 .. 4 ]) / PPM) / (sum(@oldest) / PPM);

	my @start;
	for my $band (0 .. AGE_BANDS - 1)
	{
		my $before = $band == 0 ? 2 * $total[0] - $total[1] : $total[ $band - 1 ];
		my $after = $band == 15 ? $like_five : $band < 15 ? $total[ $band + 1 ] : 0;
		my @weights = $band == 16 ? @oldest : five_years($before, $total[$band], $after);
		my @units = largest_remainder(AGE_UNITS, map { $_ / ($band == 16 ? PPM : 1) } @weights);
		my $at = 0;
		for my $units (@units)
		{
			die "a year of age has no share\n" if $units <= 0;
			push @start, $at;
			$at += $units;
		}
	}
	die "years of age missing\n" if @start != AGE_YEARS;
	emit_array('const uint16 age_unit_start[AGE_YEARS + 1]', 10, @start, AGE_UNITS);
	emit_array('const uint8 band_first_age[AGE_BANDS + 1]', 18, (map { $_ * 5 } 0 .. AGE_BANDS - 1), AGE_YEARS);
}

# ---- language, group, names ----------------------------------------------

# Distinct values of a column, in the order of the file.
sub distinct
{
	my ($table, $column) = @_;
	my (%seen, @values);
	for my $row (rows($table))
	{
		push @values, $row->{$column} unless $seen{ $row->{$column} }++;
	}
	return @values;
}

# value -> place in the list
sub places
{
	my %place;
	$place{ $_[$_] } = $_ for 0 .. $#_;
	return %place;
}

sub place_of
{
	my ($place, $value, $what) = @_;
	die "$what: unknown '$value'\n" unless exists $place->{$value};
	return $place->{$value};
}

#
# How much likelier, in tenths, a name is for somebody born in each era
# (<1980, 1980-89, 1990-95, 1996-99, >=2000).
#
my %ERA_TENTHS = (
	any => [ 10, 10, 10, 10, 10 ],
	old => [ 30, 10, 10, 2,  2 ],
	new => [ 1,  1,  10, 10, 30 ],
);

sub emit_languages
{
	my %pool_place = places(distinct('name_mix', 'name_pool'));
	my %group_place = places(@GROUPS);
	my @rows = rows('language_group');
	emit_array('const LanguageGroup language_groups[]', 1, map {
		sprintf('{%d, %d, %d, %d, %d, %su}',
			pool($_->{language}), pool($_->{population_group}),
			place_of(\%group_place, $_->{population_group}, 'language_group'),
			place_of(\%pool_place, $_->{name_pool}, 'language_group'),
			place_of(\%pool_place, $_->{foreign_name_pool}, 'language_group'),
			probability32(ppm($_->{non_citizen_share})))
	} @rows);
	my $draw = alias_table(map { [ $_, ppm($rows[$_]{share}) ] } 0 .. $#rows);
	emit("const AliasTable language_group_draw = $draw;\n\n");
}

sub emit_names
{
	my @first_lists = distinct('names_first', 'language');
	my @last_lists  = distinct('names_last', 'language');
	my @first_draws;
	for my $list (@first_lists)
	{
		my @by_sex;
		for my $sex ('M', 'F')
		{
			my @names = grep { $_->{language} eq $list && $_->{sex} eq $sex } rows('names_first');
			push @by_sex, '{' . join(', ', map {
				my $era = $_;
				alias_table(map { [ pool($_->{name}), $_->{weight} * $ERA_TENTHS{ $_->{era} }[$era] ] } @names)
			} 0 .. 4) . '}';
		}
		push @first_draws, '{' . join(",\n\t", @by_sex) . '}';
	}
	emit_array('const AliasTable first_name_draw[][2][BIRTH_ERAS]', 1, @first_draws);

	my @last_draws;
	for my $list (@last_lists)
	{
		push @last_draws, alias_table(map { [ pool($_->{name}), $_->{weight} ] }
			grep { $_->{language} eq $list } rows('names_last'));
	}
	emit_array('const AliasTable last_name_draw[]', 1, @last_draws);

	my %first_place = places(@first_lists);
	my %last_place  = places(@last_lists);
	my @pools = distinct('name_mix', 'name_pool');
	my @entries;
	for my $pool (@pools)
	{
		my $first = alias_table(map { [ place_of(\%first_place, $_->{first_name_pool}, 'name_mix'), ppm($_->{probability}) ] }
			grep { $_->{name_pool} eq $pool } rows('name_mix'));
		my $last = alias_table(map { [ place_of(\%last_place, $_->{surname_pool}, 'surname_mix'), ppm($_->{probability}) ] }
			grep { $_->{name_pool} eq $pool } rows('surname_mix'));
		push @entries, "{$first, $last}";
	}
	emit_array('const NamePool name_pools[]', 1, @entries);
}

# ---- nationalities -------------------------------------------------------

# How many numbers a form has, stopping where it is certainly enough.
sub form_capacity
{
	my ($form) = @_;
	my $capacity = 1;
	while ($form =~ /\G(?:(\#)|(\@)|\(([A-Z0-9]+)\)|[A-Z0-9\/-])/gc)
	{
		$capacity *= defined $1 ? 10 : defined $2 ? 26 : defined $3 ? length $3 : 1;
		$capacity = min($capacity, 1 << 50);
	}
	die "cannot read the form $form\n" if (pos($form) || 0) != length $form;
	return $capacity;
}

sub emit_nationalities
{
	my @rows = rows('nationalities');
	for my $row (@rows)
	{
		die "$row->{alpha2}: fewer than 2^26 passport numbers\n" if form_capacity($row->{passport}) < 1 << 26;
	}
	emit_array('const Nationality nationalities[]', 1, map {
		sprintf('{%d, %d, %s}', pool($_->{alpha2}), pool($_->{alpha3}), c_string($_->{passport}))
	} @rows);
	my %place = places(map { $_->{alpha2} } @rows);
	my @draws;
	for my $pool (distinct('name_mix', 'name_pool'))
	{
		push @draws, alias_table(map { [ place_of(\%place, $_->{alpha2}, 'nationality_mix'), ppm($_->{probability}) ] }
			grep { $_->{name_pool} eq $pool } rows('nationality_mix'));
	}
	emit_array('const AliasTable nationality_draw[]', 1, @draws);
}

# ---- places --------------------------------------------------------------

#
# People of each group in each suburb, in thousandths of a millionth of the
# city: the propensities of suburbs.csv, fitted in turn to the groups' shares
# and to the suburbs' until both hold (iterative proportional fitting).
#
sub fit_settlement
{
	my ($groups, $suburbs, $cells) = @_;
	for (1 .. 400)
	{
		for my $g (0 .. $#$groups)
		{
			my $sum = sum(@{ $cells->[$g] });
			$_ = max(1, ($_ * $groups->[$g] + $sum / 2) / $sum) for @{ $cells->[$g] };
		}
		for my $s (0 .. $#$suburbs)
		{
			my $sum = sum(map { $cells->[$_][$s] } 0 .. $#$groups);
			$cells->[$_][$s] = max(1, ($cells->[$_][$s] * $suburbs->[$s] + $sum / 2) / $sum) for 0 .. $#$groups;
		}
	}
}

# What is drawn is a suburb of a group, so the suburbs' shares must come out of that.
sub check_settlement
{
	my ($groups, $suburbs, $cells) = @_;
	for my $s (0 .. $#$suburbs)
	{
		my $share = sum(map { $cells->[$_][$s] * $groups->[$_] / sum(@{ $cells->[$_] }) } 0 .. $#$groups);
		die "suburb $s: share $share, not $suburbs->[$s]\n" if abs($share - $suburbs->[$s]) >= 1_000;	# 10^-6
	}
}

sub emit_suburbs
{
	my @rows = rows('suburbs');
	my %kind = places(@KINDS);
	emit_array('const Suburb suburbs[]', 1, map {
		sprintf("{%d, %d, %s, %su}", pool($_->{suburb}), pool($_->{postal_code}),
			'SUBURB_' . uc $KINDS[ place_of(\%kind, $_->{kind}, 'suburbs') ],
			probability32(ppm($_->{uninsured_share})))
	} @rows);

	my %group_share;
	$group_share{ $_->{population_group} } += ppm($_->{share}) for rows('language_group');
	my @groups  = largest_remainder(1_000_000_000, map { $group_share{$_} } @GROUPS);
	my @suburbs = largest_remainder(1_000_000_000, map { ppm($_->{population_share}) } @rows);
	my @cells   = map {
		my $column = lc $_;
		$column =~ tr/ /_/;
		[ map { max(1, $_->{$column} * ppm($_->{population_share})) } @rows ];
	} @GROUPS;
	fit_settlement(\@groups, \@suburbs, \@cells);
	check_settlement(\@groups, \@suburbs, \@cells);
	my @draws;
	for my $g (0 .. $#GROUPS)
	{
		push @draws, alias_table(map { [ $_, $cells[$g][$_] ] } 0 .. $#rows);
	}
	emit_array('const AliasTable suburb_by_group[POPULATION_GROUPS]', 1, @draws);
}

sub emit_streets
{
	my @draws;
	for my $kind (@KINDS)
	{
		push @draws, alias_table(map { [ pool($_->{street}), $_->{weight} ] }
			grep { $_->{kind} eq $kind } rows('streets'));
	}
	emit_array('const AliasTable street_by_kind[4]', 1, @draws);
}

sub emit_telephones
{
	my $draw = alias_table(map { [ pool($_->{prefix}), ppm($_->{share}) ] } rows('phone_prefixes'));
	emit("const AliasTable phone_prefix_draw = $draw;\n\n");
}

# ---- the hospital --------------------------------------------------------

sub emit_wards
{
	my @rows = rows('ward_plan');
	emit_array('const Ward ward_plan[]', 1, map {
		my $w = $_;
		'{' . join(', ', (map { c_string($w->{$_}) } qw(ward_code name department_code ward_type sex age_group)),
			$w->{beds}, scaled($w->{patients_per_nurse_day}, 1), scaled($w->{patients_per_nurse_night}, 1)) . '}'
	} @rows);
	emit('const int ward_plan_count = ' . @rows . ";\n\n");
}

# MP0[3-6][0-9]{5} -> MP0(3456)#####
sub registration_form
{
	my ($regex) = @_;
	return '' if $regex eq 'none';
	my $form = $regex;
	$form =~ s/\[0-9\]\{(\d+)\}/'#' x $1/ge;
	$form =~ s/\[(\d)-(\d)\]/'(' . join('', $1 .. $2) . ')'/ge;
	form_capacity($form);		# dies if something is left that is no form
	return $form;
}

sub emit_staff
{
	my @rows = rows('staff_roles');
	emit_array('const StaffRole staff_roles[]', 1, map {
		my $r = $_;
		'{' . join(', ', (map { c_string($r->{$_}) } qw(role specialty category department_code ward_scope)),
			$r->{headcount_per_1000_beds}, c_string(registration_form($r->{registration_regex})),
			c_string($r->{shift_code}), $r->{min_start_age}, $r->{retire_age}, probability32(ppm($r->{female_share})) . 'u') . '}'
	} @rows);
	emit('const int staff_role_count = ' . @rows . ";\n\n");
}

# ---- all of it -----------------------------------------------------------

sub emit_pool
{
	emit_array('const PoolString pool_strings[]', 4, map { '{' . c_string($_) . ', ' . length($_) . '}' } @pool);
	emit('const int pool_string_count = ' . @pool . ";\n");
}

sub main
{
	opendir(my $dir, $folder) or die "$folder: $!\n";
	for my $file (sort grep { /^[a-z0-9_]+\.csv$/ } readdir $dir)
	{
		(my $name = $file) =~ s/\.csv$//;
		$tables{$name} = read_table("$folder/$file");
	}
	closedir($dir);
	die "$folder: no tables\n" unless %tables;

	emit("/*\n * reference_data.c: written by data/compile.pl from the CSVs of data; do not edit.\n */\n",
		"#include \"postgres.h\"\n\n#include \"reference_data.h\"\n\n");
	emit_reference_tables();
	emit_block();
	emit_ages();
	emit_languages();
	emit_names();
	emit_nationalities();
	emit_suburbs();
	emit_streets();
	emit_telephones();
	emit_wards();
	emit_staff();
	emit_pool();
	binmode(STDOUT);
	print @out or die "cannot write: $!\n";
	close(STDOUT) or die "cannot write: $!\n";
}

main();
