#!/bin/bash
# valgrind.sh: a hospital once through everything (small.sql), and pg_regress, under
# valgrind's memcheck, in a server that tells it of every chunk of every memory
# context: reads of what was never written, of what was freed, beyond what was
# asked for; in workers too.
#
# usage: valgrind.sh [short]     short: small.sql alone
#   VALGRIND_TESTS="random hl7" chooses among pg_regress' tests; all of them take over an hour
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
# a process that is killed reports nothing; one that ends has its errors in its file
under_valgrind() {
    wrap_postgres "exec valgrind --quiet --tool=memcheck --leak-check=no --track-origins=no --num-callers=30 --error-markers=BEGIN,END \
        --gen-suppressions=all --suppressions=$SERVERS/pg15-assert/valgrind.supp --log-file=$REPORTS.%p \"\$plain\" \"\$@\""
    write_settings "shared_buffers = 128MB" "fsync = off" "hospital.databases = ''" "authentication_timeout = 10min" "jit = off" "autovacuum = off"
    start_cluster
}

rc=0
wrap_postgres
small_hospital
under_valgrind
watch_small || rc=1
if [ "${1:-}" != short ]; then
    regress "${VALGRIND_SECONDS:-10000}" ${VALGRIND_TESTS:-} || rc=1
fi
stop_cluster
if grep -lq BEGIN "$REPORTS".*; then
    rc=1
    say "   findings, in $REPORTS.*:"
    sed -n '/BEGIN/,/END/p' "$REPORTS".* | head -n 80
fi
exit $rc
