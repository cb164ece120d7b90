#!/bin/bash
# tools.sh: the tests of what the hospital is used with: browsers, notebooks,
# dashboards and others, which have to be fetched.  Each is a script of its own in
# test/tools.
#
# usage: tools.sh; TESTS="page grafana" chooses
cd "$(dirname "${BASH_SOURCE[0]}")/tools" || exit 1
source ../each.sh

all=(*.sh)
run_each 1200 '' ${TESTS:-"${all[@]%.sh}"}
rc=$?
[ $rc = 77 ] || exit $rc
