#!/bin/bash
# tools.sh: the tests of what the hospital is used with: browsers, notebooks,
# dashboards and others, which have to be fetched.  Each is a script of its own in
# test/tools; one that ends with 77 could not have what it needs, and says so.
#
# usage: tools.sh; TESTS="page grafana" chooses
cd "$(dirname "${BASH_SOURCE[0]}")/tools" || exit 1

failed=0 results=()
for test in *.sh; do
    name=${test%.sh}
    [ -z "${TESTS:-}" ] || [[ " $TESTS " = *" $name "* ]] || continue
    printf '\n== %s\n' "$name"
    began=$SECONDS rc=0
    timeout -k 30 1200 bash "$test" || rc=$?
    case $rc in
        0) word=ok ;;
        77) word=skipped ;;
        *) word=FAILED failed=1 ;;
    esac
    results+=("$(printf '%-8s %5d s  %s' "$word" $((SECONDS - began)) "$name")")
done
printf '\n'
printf '%s\n' "${results[@]}"
exit $failed
