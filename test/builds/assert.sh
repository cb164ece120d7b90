#!/bin/bash
# assert.sh: a server compiled with assertions, which checks what an extension
# leaves behind: memory contexts, snapshots, pins, locks, plan trees.
#
# usage: assert.sh [short]     short: a small hospital (small.sql) and pg_regress
#
# Beyond --enable-cassert each plan tree is copied, and written out and read
# again, before it is used; and a part runs with every cache emptied whenever it
# could be (debug_discard_caches), which finds what is held on to for too long.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$(dirname "${BASH_SOURCE[0]}")/assert_server.sh"

begin_build assert
assert_server
install_with
small_hospital
start_cluster
[ "$(query -d postgres -c 'SHOW debug_assertions')" = on ] || die "the server has no assertions"
rc=0
watch_small || rc=1
regress 3600 || rc=1
stop_cluster
if [ "${1:-}" != short ]; then
    # not 011: with each chunk of memory checked a load takes a hundred times as long, and its statements have a limit
    tap 3600 test/t/021_ingest.pl test/t/023_run.pl test/t/024_dirty.pl test/t/030_stream.pl test/t/031_stream_control.pl \
        test/t/041_jobs.pl test/t/046_trouble.pl test/t/050_marts.pl test/t/051_export.pl || rc=1
    cluster_with "debug_discard_caches = 1"
    regress 3000 extension hostile || rc=1
    stop_cluster
fi
if grep -h 'TRAP:' "$WORK/pg/server.log" "$WORK"/build/tmp_check/log/*.log 2>/dev/null; then rc=1; fi
exit $rc
