#!/bin/bash
# asan.sh: our libraries with the address and undefined-behaviour sanitizers, whose
# runtime is loaded into the server with assertions; the first finding ends the
# process, and the test.
#
# usage: asan.sh [short]     short: some of pg_regress and no TAP tests
#
# The sanitizer knows the heap, the stack and what is static.  Inside a memory
# context a chunk is not known to it: for that there is valgrind.sh.  Debian's own
# server does not come up with the runtime loaded: its first bindtextdomain() waits
# for ever, for a lock of the C library's whose count has gone below zero.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$(dirname "${BASH_SOURCE[0]}")/assert_server.sh"

begin_build asan
RUNTIME=$(gcc -print-file-name=libasan.so)
[ -e "$RUNTIME" ] || skip "gcc's address sanitizer is not installed (Debian: libgcc-12-dev)"
RUNTIME=$(readlink -f "$RUNTIME")
REPORTS=$WORK/home/report

# Its reports, one file for each process.  A server frees nothing as it ends, so
# leaks are not looked for; what grows is another test's business.
found() {
    local report
    for report in "$REPORTS".*; do
        [ -e "$report" ] || return 1
        head -n 40 "$report"
    done
}

assert_server
as_user find "$WORK/home" -name 'report.*' -delete
# Fortified functions are not the sanitizer's; and gcc, seeing less at this level
# of optimisation, warns of what cannot be.
install_with COPT="-O1 -Wp,-U_FORTIFY_SOURCE -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -Wno-maybe-uninitialized"
wrap_postgres "export LD_PRELOAD=$RUNTIME" \
    "export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:detect_stack_use_after_return=0:log_path=$REPORTS" \
    "export UBSAN_OPTIONS=print_stacktrace=1:abort_on_error=1:log_path=$REPORTS"
cluster_with
as_user grep -q libasan "/proc/$(head -n 1 "$WORK/pg/data/postmaster.pid")/maps" || die "the server runs without the sanitizer"

rc=0
if [ "${1:-}" = short ]; then
    regress 300 extension national_id people random events hl7 || rc=1
else
    regress 1800 || rc=1
    stop_cluster
    tap 3000 test/t/021_ingest.pl test/t/022_day_files.pl test/t/023_run.pl test/t/024_dirty.pl test/t/030_stream.pl test/t/031_stream_control.pl \
        test/t/041_jobs.pl test/t/046_trouble.pl test/t/050_marts.pl test/t/051_export.pl || rc=1
fi
! found || rc=1
exit $rc
