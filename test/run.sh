#!/bin/bash
# run.sh: all tests.  "make test" installs what is missing, builds with every
# compiler that is there, warnings being errors, and runs pg_regress and the TAP
# tests in clusters of its own, made afresh.
#
# usage: run.sh [all|quick|faults|soak|fuzz|clean]
#   quick   HOSPITAL_TEST_QUICK=1 tells the tests to leave out what takes long
#   faults  the fault matrix of the stream alone: test/faults/faults.pl says how
#   soak    the same at random and for long: test/faults/soak.pl
#   fuzz    what comes from outside, at random: test/fuzz/run.sh, and the programs beside it
# TESTS="test/t/..." chooses among the TAP tests, PROVE_FLAGS how they are run.
source "$(dirname "${BASH_SOURCE[0]}")/../demo/cluster.sh"

RESULTS=()
FAILED=0

# suite NAME COMMAND...: run it, note how it went and how long it took.
suite() {
    local name=$1 began rc=0
    shift
    began=$(now_ms)
    head1 "$name"
    "$@" || rc=$?
    case $rc in
        0) RESULTS+=("ok      $(printf '%7s' "$(seconds_since "$began")") s  $name") ;;
        77) RESULTS+=("skipped           -  $name") ;;
        *) RESULTS+=("FAILED  $(printf '%7s' "$(seconds_since "$began")") s  $name") FAILED=1 ;;
    esac
}

compile_with_clang() {
    local clang
    # PostgreSQL's development package brings one under a versioned name
    clang=$(command -v clang || ls -r /usr/bin/clang-[0-9]* /usr/bin/clang-[0-9][0-9]* 2>/dev/null | head -n 1)
    if [ -z "$clang" ]; then
        say "   clang is not installed: skipped"
        return 77
    fi
    as_user make -s -C "$WORK/build" PG_CONFIG="$BINDIR/pg_config" clean >/dev/null
    long_step "compiling with $clang, warnings are errors" "$WORK/log/build-clang.log" as_user make -C "$WORK/build" \
        -j"$(nproc)" PG_CONFIG="$BINDIR/pg_config" CC="$clang" all
}

# Where a worker may be told to die has code only in this build.
compile_with_crash_points() {
    as_user make -s -C "$WORK/build" PG_CONFIG="$BINDIR/pg_config" clean >/dev/null
    build "compiling with crash points and installing" COPT=-DHOSPITAL_CRASH_POINTS
}

compile_and_install() {
    as_user make -s -C "$WORK/build" PG_CONFIG="$BINDIR/pg_config" clean >/dev/null
    build "compiling with gcc, warnings are errors, and installing"
}

fresh_cluster() {
    local extra=()
    stop_cluster
    as_user find "$WORK/pg" "$WORK/data" -mindepth 1 -delete || return 1
    make_cluster || return 1
    # what the regression tests need beyond the library's preload
    if [ -e "$TOP/test/regress.conf" ]; then mapfile -t extra < "$TOP/test/regress.conf"; fi
    write_settings "fsync = off" "log_statement = 'none'" "${extra[@]}"
    start_cluster
}

# A file system that is soon full, where root runs this and may mount one.
small_folder() {
    mkdir -p "$WORK/small"
    if [ "$(id -u)" = 0 ] && mount -t tmpfs -o "size=1m,mode=700,uid=$RUN_UID" hospital "$WORK/small" 2>/dev/null; then
        export HOSPITAL_SMALL_FOLDER=$WORK/small
    else
        say "   no small file system can be mounted here: the full disk of an export is not tested"
    fi
}

leave() {
    stop_cluster
    [ -z "${HOSPITAL_SMALL_FOLDER:-}" ] || umount "$WORK/small" || true
}

in_build() {
    (cd "$WORK/build" && as_user env PGHOST="$SOCKETS" PGPORT="$PORT" PGUSER=postgres \
        HOSPITAL_TEST_CACHE="$WORK/home" HOSPITAL_TEST_QUICK="$QUICK" "$@" </dev/null)
}

# The short form of "make test-builds".
hostile_builds() { bash "$TOP/test/builds.sh" short 9>&-; }

reference_data() {
    [ -e "$TOP/test/check_data.sh" ] || return 77
    in_build bash test/check_data.sh "$BINDIR/pg_config"
}

# A runaway test must not hang a build machine for ever.
installcheck() { in_build timeout -k 30 "$1" make -s PG_CONFIG="$BINDIR/pg_config" installcheck "${@:2}"; }

regression() {
    local rc=0
    installcheck 10m TAP_TESTS= || rc=$?
    if [ $rc != 0 ] && [ -e "$WORK/build/regression.diffs" ]; then
        say "   $WORK/build/regression.diffs begins:"
        head -n 150 "$WORK/build/regression.diffs"
    fi
    return $rc
}

# TAP tests start servers of their own from the private installation, and mostly
# wait for them: two at a time.
tap() {
    ls "$TOP"/test/t/*.pl >/dev/null 2>&1 || return 77
    local choose=()
    [ -z "${TESTS:-}" ] || choose=(PROVE_TESTS="$TESTS")
    installcheck 60m REGRESS= PROVE_FLAGS="${PROVE_FLAGS:---timer --failures -j 2}" "${choose[@]}" && return 0
    say "   logs of the tests and of their servers: $WORK/build/tmp_check/log"
    return 1
}

# Every setting is described, and nothing is described that is not there.
settings_documented() {
    local there described
    there=$(query -d postgres -c "SELECT name FROM pg_settings WHERE name LIKE 'hospital.%' ORDER BY name COLLATE \"C\"")
    [ -n "$there" ] || { say "   the server has no hospital settings"; return 1; }
    described=$(sed -n 's/^| `\(hospital\.[a-z_]*\)`.*/\1/p' "$TOP/docs/settings.md" | LC_ALL=C sort)
    if [ "$there" != "$described" ]; then
        say "   the server's settings and those of docs/settings.md differ:"
        diff <(echo "$there") <(echo "$described") || true
        return 1
    fi
    say "   $(echo "$there" | wc -l) settings, all of them in docs/settings.md"
}

# Every message that reaches the log by itself is described.
messages_documented() { perl "$TOP/test/messages.pl" "$TOP" | sed 's/^/   /'; }

# The postmaster must not have librdkafka: threads do not survive a fork.
postmaster_without_kafka() {
    local pid
    pid=$(head -n 1 "$WORK/pg/data/postmaster.pid")
    as_user grep -q '/hospital\.so' "/proc/$pid/maps" || { say "   hospital.so is not loaded"; return 1; }
    ! as_user grep -q rdkafka "/proc/$pid/maps" || { say "   librdkafka is loaded in the postmaster"; return 1; }
    say "   hospital.so is preloaded, librdkafka is not"
}

# From PostgreSQL 16 on a library shows nothing that it does not export by name,
# and what hospital_kafka.so misses in hospital.so is noticed when it is loaded.
what_kafka_uses_is_exported() {
    local name n=0 hidden=0
    while read -r name; do
        n=$((n + 1))
        grep -q "PGDLLEXPORT.*[[:space:]*]$name\\b" "$WORK"/build/src/*.h || { say "   not PGDLLEXPORT: $name"; hidden=1; }
    done < <(comm -12 <(nm -D --undefined-only "$WORK/build/hospital_kafka.so" | awk '{ print $2 }' | sort -u) \
        <(nm -D --defined-only "$WORK/build/hospital.so" | awk '{ print $3 }' | sort -u))
    say "   $n functions and settings of hospital.so in hospital_kafka.so"
    [ $n -gt 0 ] && [ $hidden = 0 ]
}

# The short form of threads.sh of "make test-builds".
callbacks_are_known() {
    source "$TOP/test/builds/callbacks.sh"
    registers_one_callback && callback_touches_nothing
}

prepare() {
    head1 "What is needed"
    install_missing test
    make_work test
    trap leave EXIT
    # Java takes the home folder from the password file; keep Maven in ours.
    [ "$(id -u)" = "$RUN_UID" ] || export MAVEN_OPTS="${MAVEN_OPTS:-} -Dmaven.repo.local=$WORK/home/.m2/repository"
    say "   working in $WORK"
    copy_server
    copy_sources
}

# run_faults faults|soak
run_faults() {
    local rc=0
    prepare
    suite "gcc" compile_with_crash_points
    if [ $FAILED = 0 ]; then
        head1 "$1"
        installcheck 24h REGRESS= PROVE_TESTS="test/faults/$1.pl" PROVE_FLAGS="${PROVE_FLAGS:---timer --failures --verbose}" || rc=$?
        [ $rc = 0 ] || say "   logs of the tests and of their servers: $WORK/build/tmp_check/log"
    fi
    return $((FAILED | rc != 0))
}

# libFuzzer is clang's, in a package of its own; without it chance has to do.
fuzz_packages() {
    local version
    source "$TOP/test/fuzz/engine.sh"
    [ -z "$(clang_with_fuzzer)" ] || return 0
    version=$(ls -r /usr/bin/clang-[0-9]* 2>/dev/null | head -n 1)
    version=${version##*-}
    [ -n "$(apt-cache policy "libclang-rt-${version:-0}-dev" 2>/dev/null | grep '^  Candidate: [^(]')" ] || return 0
    long_step "installing libFuzzer" "$WORK/log/fuzz-packages.log" \
        as_root bash "$TOP/demo/packages.sh" "libclang-rt-$version-dev" || true
}

# One of the fuzzers that need a server.
fuzz_server() { installcheck 24h REGRESS= PROVE_TESTS="test/fuzz/$1.pl" PROVE_FLAGS="${PROVE_FLAGS:---timer --failures --verbose}"; }

run_fuzz() {
    local r
    prepare
    fuzz_packages
    suite "gcc" compile_and_install
    if [ $FAILED = 0 ]; then
        suite "parsers" in_build env FUZZ_BUILD="$WORK/build/fuzz" PG_CONFIG="$BINDIR/pg_config" bash test/fuzz/run.sh
        [ -n "${FUZZ:-}" ] || suite "arguments" fuzz_server arguments
        [ -n "${FUZZ:-}" ] || suite "stream" fuzz_server stream
    fi
    head1 "Summary"
    for r in "${RESULTS[@]}"; do say "   $r"; done
    return $FAILED
}

run_all() {
    local r
    prepare
    suite "reference data" reference_data
    suite "static analysis" hostile_builds
    suite "clang" compile_with_clang
    suite "gcc" compile_and_install
    if [ $FAILED = 0 ]; then
        suite "exports" what_kafka_uses_is_exported
        suite "callbacks" callbacks_are_known
        suite "private cluster" fresh_cluster
    fi
    if [ $FAILED = 0 ]; then
        suite "settings" settings_documented
        suite "messages" messages_documented
        suite "preload" postmaster_without_kafka
        suite "pg_regress" regression
        stop_cluster
        small_folder
        suite "TAP" tap
    fi
    head1 "Summary"
    for r in "${RESULTS[@]}"; do say "   $r"; done
    say "   in all $((SECONDS - STARTED)) s"
    if [ $FAILED = 0 ]; then say "   ALL TESTS PASSED"; else say "   THERE ARE FAILURES"; fi
    return $FAILED
}

QUICK=${HOSPITAL_TEST_QUICK:-}
case ${1:-all} in
    all) run_all ;;
    quick) QUICK=1; run_all ;;
    faults | soak) run_faults "$1" ;;
    fuzz) run_fuzz ;;
    clean) clean_work test; clean_work bench ;;
    *) die "usage: run.sh [all|quick|faults|soak|fuzz|clean]" ;;
esac
