#!/bin/bash
# builds.sh: hostile builds: the same library under compilers, servers and tools
# that look for what an ordinary run does not show.  Each is a script of its own
# in test/builds; one that ends with 77 could not have what it needs, and says so.
#
# usage: builds.sh [short]
#   BUILDS="asan pg18" chooses; short: what takes about a minute, for "make test"
cd "$(dirname "${BASH_SOURCE[0]}")/builds" || exit 1

ALL="cppcheck tidy threads asan assert valgrind pg16 pg17 pg18"
SHORT="cppcheck"

short='' failed=0 ran=0 results=()
if [ "${1:-}" = short ]; then short=short BUILDS=${BUILDS:-$SHORT}; fi
for name in ${BUILDS:-$ALL}; do
    [ -e "$name.sh" ] || { echo "no such build: $name (there are: $ALL)" >&2; exit 1; }
    printf '\n== %s\n' "$name"
    began=$SECONDS rc=0
    timeout -k 60 10800 bash "$name.sh" $short || rc=$?
    case $rc in
        0) word=ok ran=1 ;;
        77) word=skipped ;;
        *) word=FAILED ran=1 failed=1 ;;
    esac
    results+=("$(printf '%-8s %5d s  %s' "$word" $((SECONDS - began)) "$name")")
done
printf '\n'
printf '%s\n' "${results[@]}"
[ $ran = 1 ] || exit 77
exit $failed
