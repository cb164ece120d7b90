#!/bin/bash
# valgrind.sh: pg_regress under valgrind's memcheck, in a server that tells it of
# every chunk of every memory context: reads of what was never written, of what
# was freed, beyond what was asked for; in workers too.
#
# usage: valgrind.sh [TEST...]     names of pg_regress tests; all of them otherwise
#
# What is known of the server itself is in the suppressions that come with its source.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$(dirname "${BASH_SOURCE[0]}")/assert_server.sh"

need valgrind valgrind
begin_build valgrind
assert_server
REPORTS=$WORK/home/report
as_user find "$WORK/home" -name 'report.*' -delete
install_with
# a process that is killed by the test reports nothing; one that ends has its errors in its file
wrap_postgres "exec valgrind --quiet --tool=memcheck --leak-check=no --track-origins=no --num-callers=30 --error-markers=BEGIN,END \
    --gen-suppressions=all --suppressions=$SERVERS/pg15-assert/valgrind.supp --log-file=$REPORTS.%p \"\$plain\" \"\$@\""
cluster_with "hospital.databases = ''" "authentication_timeout = 10min" "wal_sender_timeout = 0" "jit = off"
rc=0
regress "${VALGRIND_SECONDS:-7200}" "$@" || rc=1
stop_cluster
if grep -lq BEGIN "$REPORTS".*; then
    rc=1
    say "   findings, in $REPORTS.*:"
    sed -n '/BEGIN/,/END/p' "$REPORTS".* | head -n 80
fi
exit $rc
