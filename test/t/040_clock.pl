# 040_clock: the window's days and ticks, each once and in order, whatever
# happens to processes, settings and the machine's clock.
#
# First nine days by the test clock, with and without kills and immediate
# restarts; then a wall clock that is paused, resumed, sped up, put forward,
# bent by reloads and shifted, watched from outside all the while.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $seed = $ENV{HOSPITAL_TEST_SEED} // int(time);
srand($seed);
diag("HOSPITAL_TEST_SEED=$seed");

my $node = PostgreSQL::Test::Cluster->new('clock');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
my $folder = $node->basedir . '/folder';
mkdir $folder or die "$folder: $!";
$node->append_conf('postgresql.conf', qq(
shared_preload_libraries = 'hospital'
restart_after_crash = on
timezone = 'Africa/Johannesburg'
hospital.databases = 'nine, more, wall'
hospital.data_folder = '$folder'
hospital.test_clock = on
hospital.test_clock_data = off
));
$node->start;

my $db = 'postgres';
sub sql { return $node->safe_psql($db, $_[0]) }

# The answer while the server may be coming up; undef when there is none.
sub try_sql
{
	my ($query) = @_;
	# A server that is not there yet may close the pipe that the query is written to.
	my ($code, $out, $err) = eval { $node->psql($db, $query, timeout => 20, timed_out => \my $slow) };
	return defined $code && $code == 0 ? $out : undef;
}

sub error_of
{
	my ($query) = @_;
	my ($code, $out, $err) = $node->psql($db, $query, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return $err;
}

sub poll
{
	my ($what, $query, $expected) = (@_, 't');
	my $found;
	for (1 .. 1500)
	{
		$found = try_sql($query);
		return pass($what) if defined $found && $found eq $expected;
		usleep(40_000);
	}
	fail($what);
	diag('found: ' . ($found // 'no answer'));
	return 0;
}

sub create
{
	my ($name, %with) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$db = $name;
	sql('CREATE EXTENSION hospital');
	my $until = $with{until} // '2025-12-31';
	sql("CALL hospital_create(people => 20000, beds => 200, end_date => '$until')");
	return;
}

sub set
{
	my (%settings) = @_;
	$node->safe_psql('postgres', "ALTER SYSTEM SET hospital.$_ = '$settings{$_}'") foreach sort keys %settings;
	$node->safe_psql('postgres', 'SELECT pg_reload_conf()');
	return;
}

# ---- what may not be ----------------------------------------------------------------

like(error_of('CREATE EXTENSION hospital; SELECT hospital_start()'), qr/55000: there is no hospital.*HINT/s, 'no hospital');
create('nine');
is(sql('SELECT state, window_number, days_due IS NULL FROM hospital.run_window'), 'not started|0|t', 'not started');
foreach my $call ('hospital_pause()', 'hospital_resume()', 'hospital_speed(2)', "hospital_jump('2020-02-01')")
{
	like(error_of("SELECT $call"), qr/55000: the hospital has not been started yet.*HINT:.*hospital_start/s, "$call: too early");
}
sql('CREATE ROLE somebody');
foreach my $call ('hospital_start()', 'hospital_stop()', 'hospital_pause()', 'hospital_resume()', 'hospital_speed(2)',
	"hospital_jump('2020-02-01')")
{
	like(error_of("SET ROLE somebody; SELECT $call"), qr/42501/, "$call: not for everybody");
}

# ---- nine days by the test clock -----------------------------------------------------

# Ticks are numbered without a hole, due one interval apart, in order of hospital time
# and to the end; days are all there.
sub is_whole
{
	my ($what, $days, $ticks) = @_;
	is(sql('SELECT state, days, days_due, days_done, days_missed, ticks, ticks_due, ticks_done, ticks_missed FROM hospital.run_window'),
		"window over|$days|$days|$days|0|$ticks|$ticks|$ticks|0", "$what: the window says so");
	is(sql('SELECT count(*), min(day), max(day) - min(day) + 1 FROM hospital.days'), "$days|2020-01-01|$days", "$what: days");
	is(sql("SELECT count(*), min(tick), max(tick), bool_and(started_at >= due_at),
			min(due_at) = (SELECT window_started_at + interval '3 min' FROM hospital.run_state) FROM hospital.ticks"),
		"$ticks|1|$ticks|t|t", "$what: ticks");
	is(sql("SELECT count(*) FILTER (WHERE gap <> interval '3 min' AND tick < $ticks),
			bool_and(gap BETWEEN interval '3 min' - interval '2 ms' AND '3 min'), bool_and(upto > was)
		FROM (SELECT tick, due_at - lag(due_at) OVER w AS gap, upto, lag(upto) OVER w AS was
			FROM hospital.ticks WINDOW w AS (ORDER BY tick)) t WHERE tick > 1"),
		'0|t|t', "$what: one interval apart, hospital time only forward");
	is(sql('SELECT upto = last_day + 1 FROM hospital.ticks, hospital.run_state ORDER BY tick DESC LIMIT 1'), 't', "$what: to the end");
	return;
}

my $over = q(SELECT state || ' ' || ticks_missed || ' ' || days_missed FROM hospital.run_window);
my $began = time;
sql('SELECT hospital_start()');
poll('864 days pass', $over, 'window over 0 0');
my $took = time - $began;
diag(sprintf '864 days and 4320 ticks in %.1f s, load %s', $took, (split ' ', slurp_file('/proc/loadavg'))[0]);
is_whole('864 days', 864, 4320);
is(sql("SELECT ends_at - started_at FROM hospital.run_window"), '9 days', 'it ends after nine days');
poll('the scheduler says so', q(SELECT state FROM hospital.status WHERE database = 'nine' AND worker = 'scheduler'), 'window over');
like(slurp_file($node->logfile), qr/hospital scheduler: the clock goes on \d+-\d+-\d+, in window 1 up to 2022-05-13/, 'the log has the start');
like(slurp_file($node->logfile), qr/hospital scheduler: window 1 is over, its last day was 2022-05-13/, 'and the end');

like(error_of("SELECT $_"), qr/55000: the window is over.*DETAIL:.*2020-01-01 to 2022-05-13.*HINT:.*another_window/s, "$_: the window is over")
  foreach ('hospital_pause()', 'hospital_resume()', 'hospital_speed(2)', "hospital_jump('2023-01-01')");
like(error_of('SELECT hospital_start()'), qr/WARNING:  55000: the window is over.*HINT:.*another_window/s, 'starting it again says so');
is(sql('SELECT state, ticks_due FROM hospital.run_window'), 'window over|4320', 'and changes nothing');
sql('SELECT hospital_start(another_window => true)');
poll('another window passes', $over, 'window over 0 0');
is(sql('SELECT window_number, first_day, days_done, ticks_done FROM hospital.run_window'), '2|2022-05-14|864|4320', 'on the days after');
is(sql('SELECT count(*), max(tick), count(DISTINCT window_number) FROM hospital.ticks'), '8640|8640|2', 'ticks are numbered through');
sql('SELECT hospital_start(another_window => true)');
poll('what is left of the simulation', $over, 'window over 0 0');
is(sql('SELECT last_day, days FROM hospital.run_window'), '2025-12-31|464', 'up to its last day');
like(error_of('SELECT hospital_start(another_window => true)'), qr/55000: all days of this hospital have passed.*DETAIL:.*2025-12-31.*HINT/s,
	'then there are none');
sql('SELECT hospital_stop()');

# ---- 1,455 days, with processes killed and the server restarted ------------------------

set(window_days => 1455);
create('more');
$began = time;
sql('SELECT hospital_start()');
my %kills;
for (1 .. 5)
{
	usleep(200_000 + int(rand(1_500_000)));
	my $how = ('kill -9 of the scheduler', 'immediate restart', 'SIGTERM of the scheduler', 'fast restart')[ int(rand(4)) ];
	my $before = try_sql('SELECT count(*) FROM hospital.ticks') // 'unknown';
	note("$how after $before ticks");
	$kills{$how}++;
	if ($how =~ /^(\w+) restart/) { $node->stop($1); $node->start }
	else
	{
		my $pid = try_sql(q(SELECT pid FROM hospital.status WHERE database = 'more' AND worker = 'scheduler' AND pid IS NOT NULL));
		kill $how =~ /kill/ ? 'KILL' : 'TERM', $pid if $pid;
	}
	poll('it goes on', 'SELECT count(*) > 0 FROM hospital.run_window');
}
poll('1455 days pass', $over, 'window over 0 0');
diag(sprintf '1455 days and 4320 ticks in %.1f s, with %s', time - $began, join ', ', map { "$kills{$_} x $_" } sort keys %kills);
is_whole('1455 days', 1455, 4320);
is(sql("SELECT day_takes FROM hospital.run_window"), '00:08:54.432989', 'a day is as short as it has to be');
is(sql("SELECT interval '9 days' - (ends_at - started_at) BETWEEN '0' AND interval '2 ms' FROM hospital.run_window"), 't', 'nine days');
sql('SELECT hospital_stop()');

# ---- by the wall clock -----------------------------------------------------------------

set(test_clock => 'off', window_days => 0, batch_interval => '400ms', stream_interval => '150ms');
create('wall');
sql('SELECT hospital_start()');

# Looks at the clock; hospital time must not be less than at the last look.
my $last_seen = '2020-01-01 00:00:00';
my $backward = 0;
sub look
{
	my ($seen) = sql('SELECT hospital_time FROM hospital.run_window');
	if ($seen lt $last_seen)
	{
		$backward++;
		diag("$seen after $last_seen: " . sql('SELECT * FROM hospital.run_state'));
	}
	$last_seen = $seen;
	return $seen;
}
sub look_for_a_while { for (1 .. 4) { look(); usleep(30_000) } return }

poll('days and ticks come', 'SELECT days_done > 1 AND ticks_done > 4 FROM hospital.run_window');
look_for_a_while();
sql('SELECT hospital_pause()');
my $stood = look();
poll('paused', q(SELECT state || ' ' || ticks_missed || ' ' || days_missed FROM hospital.run_window), 'paused 0 0');
my $made = sql('SELECT days_done, ticks_done FROM hospital.run_window');
usleep(700_000);
is(look(), $stood, 'a paused clock stands still');
is(sql('SELECT days_done, ticks_done FROM hospital.run_window'), $made, 'and nothing is made');
like(sql(q(SELECT state FROM hospital.status WHERE database = 'wall' AND worker = 'scheduler')), qr/^paused on 2020-/, 'its worker says so');
is(sql('SELECT ends_at IS NULL AND next_day_at IS NULL AND next_tick_at IS NULL FROM hospital.run_window'), 't', 'no end is known');
sql('SELECT hospital_pause()');
like(error_of('SELECT hospital_start(another_window => true)'), qr/55000: the window is not over.*DETAIL.*HINT/s, 'no other window meanwhile');
sql('SELECT hospital_resume()');
look_for_a_while();
poll('resumed', "SELECT hospital_time > '$stood' AND state = 'running' AND days_done > 2 FROM hospital.run_window");

# Stopped is the same, without workers.
sql('SELECT hospital_stop()');
$stood = look();
like(error_of('SELECT hospital_pause()'), qr/55000: the hospital is stopped.*HINT:.*hospital_start/s, 'a stopped one is not paused');
like(error_of('SELECT hospital_resume()'), qr/55000: the hospital is stopped.*HINT:.*hospital_start/s, 'nor resumed');
usleep(500_000);
is(look(), $stood, 'a stopped clock stands still');
sql('SELECT hospital_start()');
look_for_a_while();

# Speed and jumps.
like(error_of("SELECT hospital_speed($_)"), qr/22023: the speed must be from.*HINT/s, "speed $_") foreach (0, -1, "'NaN'", 1e7);
like(error_of('SELECT hospital_speed(1000)'), qr/22023: at that speed a day would take less than.*DETAIL.*HINT/s, 'too fast');
sql('SELECT hospital_speed(4)');
look_for_a_while();
is(sql('SELECT speed, day_takes FROM hospital.run_window'), '4|00:00:00.1', 'four times as fast');
poll('and so it is', 'SELECT days_done > 20 FROM hospital.run_window');
sql('SELECT hospital_speed(0.25)');
look_for_a_while();
my $today = sql('SELECT hospital_day FROM hospital.run_window');
my $or_next = sql("SELECT date '$today' + 1");
like(error_of("SELECT hospital_jump(date '$today' - 1)"), qr/22023: the hospital's clock cannot go back.*DETAIL:.*It is (?:$today|$or_next) .*HINT/s, 'never back');
like(error_of("SELECT hospital_jump('2026-01-02')"), qr/22023: the moment to jump to is after the window's end.*DETAIL:.*2025-12-31.*HINT/s, 'nor out');
like(error_of("SELECT hospital_jump('infinity')"), qr/22023/, 'nor to infinity');
sql("SELECT hospital_jump(date '$today' + 30 + time '12:00')");
cmp_ok(look(), 'ge', sql("SELECT date '$today' + 30 + time '12:00'"), 'forward');
look_for_a_while();
poll('days between are made up', "SELECT days_done >= date '$today' + 30 - first_day AND days_missed = 0 FROM hospital.run_window");

# Reloads, back and forth.
foreach my $round (1 .. 6)
{
	set(batch_interval => (100, 1000, 60_000, 300)[ int(rand(4)) ] . 'ms', stream_interval => (50, 200, 30_000)[ int(rand(3)) ] . 'ms');
	look_for_a_while();
	sql('SELECT hospital_speed(' . (1, 2, 0.5)[ int(rand(3)) ] . ')') if $round % 2;
	look_for_a_while();
}
set(batch_interval => '1min', stream_interval => '20s');
poll('the scheduler has taken it up', q(SELECT day_length = '1min' AND stream_interval = '20s' FROM hospital.run_state));
like(slurp_file($node->logfile), qr/hospital scheduler: from \S+ on a day takes \S+, with a tick every 00:00:20/, 'and says so');
sql('SELECT hospital_speed(1)');

# The machine's clock: forward is made up, back is waited for.
my ($days, $ticks) = split /\|/, sql('SELECT days_done, ticks_done FROM hospital.run_window');
set(test_clock_shift => 600);
poll('ten minutes at once', "SELECT days_done >= $days + 10 AND ticks_done >= $ticks + 30 AND days_missed + ticks_missed = 0 FROM hospital.run_window");
is(sql("SELECT days_done <= $days + 12 AND ticks_done <= $ticks + 34 FROM hospital.run_window"), 't', 'and no more than that');
look_for_a_while();
$made = sql('SELECT days_done, ticks_done FROM hospital.run_window');
set(test_clock_shift => -600);
usleep(600_000);
# What it showed since the last tick was in nobody's hands yet.
$last_seen = sql('SELECT upto FROM hospital.ticks ORDER BY tick DESC LIMIT 1');
look_for_a_while();
is(sql('SELECT days_done, ticks_done FROM hospital.run_window'), $made, 'twenty minutes back: nothing is due');
$stood = look();
sql('SELECT hospital_speed(60)');
look_for_a_while();
poll('a clock that is set anew goes on from where it was', "SELECT hospital_time > timestamp '$stood' + interval '1 day' FROM hospital.run_window");
set(test_clock_shift => 0);
look_for_a_while();

# Down for a while: made up.
sql('SELECT hospital_speed(60)');
set(stream_interval => '200ms');
$node->stop('fast');
usleep(1_500_000);
$node->start;
poll('what was missed is made up', 'SELECT ticks_missed = 0 AND days_missed = 0 FROM hospital.run_window');
look_for_a_while();

is($backward, 0, 'hospital time never went backward');
is(sql('SELECT count(*) = max(tick), min(tick) FROM hospital.ticks'), 't|1', 'no tick is left out');
is(sql('SELECT count(*) FROM (SELECT upto < lag(upto) OVER (ORDER BY tick) AS back FROM hospital.ticks) t WHERE back'), 0, 'ticks went forward');
is(sql('SELECT count(*) = max(day) - min(day) + 1, min(day) FROM hospital.days'), 't|2020-01-01', 'nor a day');

# To the end by a jump.
set(stream_interval => '300s');
poll('no tick for a long time', q(SELECT stream_interval = '5min' FROM hospital.run_state));
sql("SELECT hospital_jump(last_day + 1) FROM hospital.run_state");
poll('over at once', q(SELECT state || ' ' || ticks_missed FROM hospital.run_window), 'window over 0');
is(sql('SELECT upto FROM hospital.ticks ORDER BY tick DESC LIMIT 1'), '2026-01-01 00:00:00', 'its last tick has all of it');
poll('its days come', 'SELECT days_done = days FROM hospital.run_window');
sql('SELECT hospital_stop()');

unlike(slurp_file($node->logfile), qr/PANIC|TRAP|signal 11|signal 6/, 'nothing crashed that was not killed');
$node->stop;
done_testing();
