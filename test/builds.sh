#!/bin/bash
# builds.sh: hostile builds: the same library under compilers, servers and tools
# that look for what an ordinary run does not show.  Each is a script of its own
# in test/builds.
#
# usage: builds.sh [short]
#   BUILDS="asan pg18" chooses; short: what takes about a minute, for "make test"
cd "$(dirname "${BASH_SOURCE[0]}")/builds" || exit 1
source ../each.sh

ALL="cppcheck tidy threads asan assert valgrind pg16 pg17 pg18"
SHORT="cppcheck"

case ${1:-} in
    short) run_each 10800 short ${BUILDS:-$SHORT} ;;
    *) run_each 10800 '' ${BUILDS:-$ALL} ;;
esac
