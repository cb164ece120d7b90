# server.sh: a server with the extension, for the tests of tools that have to be
# fetched.  To be sourced by bash; the settings of the caller come after.
#
#   need PROGRAM...          end with 77, and say why, where one of them is missing
#   tool_server NAME LINE... a fresh cluster with these settings, stopped at exit
#   venv NAME PACKAGE...     a Python environment, made once; prints its folder
#   check WHAT COMMAND...    a line for what it proves; after one that failed FAILED
#                            is 1; one that ends with 77 was skipped
#
# With HOSPITAL_BINDIR, the programs of a server that has the extension, nothing
# is compiled; else the work folder of "make test" is used, and brought up to date.
# What is fetched is kept in HOSPITAL_TEST_CACHE.

source "$(dirname "${BASH_SOURCE[0]}")/../../../demo/cluster.sh"

FAILED=0

skip() { say "skipped: $*"; exit 77; }

check() {
    local what=$1 rc=0
    shift
    "$@" || rc=$?
    case $rc in
        0) say "ok      $what" ;;
        77) say "skipped $what" ;;
        *) say "FAILED  $what"; FAILED=1 ;;
    esac
}

need() {
    local p
    for p in "$@"; do command -v "$p" >/dev/null || skip "no $p"; done
}

# Where the server's user may write, too.
tool_cache() {
    CACHE=${HOSPITAL_TEST_CACHE:-$WORK/home}
    export HOSPITAL_TEST_CACHE=$CACHE
    as_user mkdir -p "$CACHE"
}

# Away again at the exit: what an own cluster's folder is for.
make_own_work() {
    BINDIR=$HOSPITAL_BINDIR
    choose_user
    WORK=$(mktemp -d "/var/tmp/hospital-tool-$1.XXXXXX")
    chmod 755 "$WORK"
    mkdir "$WORK"/{log,data,home,pg,build}
    chmod 700 "$WORK/data" "$WORK/pg"
    [ "$(id -u)" = "$RUN_UID" ] || chown "$RUN_USER:" "$WORK"/{data,home,pg,build}
    OWN_WORK=$WORK
    cd "$WORK"
    choose_socket_folder
}

leave_server() {
    type tool_leave >/dev/null 2>&1 && tool_leave
    stop_cluster
    case $SOCKETS in /tmp/hospital-*) rm -rf "$SOCKETS" ;; esac
    cd /
    [ -z "${OWN_WORK:-}" ] || rm -rf "$OWN_WORK"
}

tool_server() {
    local name=$1
    shift
    if [ -n "${HOSPITAL_BINDIR:-}" ]; then
        make_own_work "$name"
        trap leave_server EXIT
        copy_sources
    else
        install_missing test
        make_work test
        trap leave_server EXIT
        copy_server
        copy_sources
        build
        stop_cluster
        as_user find "$WORK/pg" "$WORK/data" -mindepth 1 -delete
    fi
    tool_cache
    make_cluster
    write_settings "fsync = off" "shared_buffers = 256MB" "$@"
    start_cluster
}

venv() {
    local folder=$CACHE/venv-$1
    shift
    if [ "$(cat "$folder/.packages" 2>/dev/null)" != "$*" ]; then
        as_user rm -rf "$folder"
        as_user python3 -m venv "$folder" >"$WORK/log/venv.log" 2>&1 &&
            as_user "$folder/bin/pip" install -q --no-cache-dir "$@" >>"$WORK/log/venv.log" 2>&1 || return 1
        echo "$*" | as_user tee "$folder/.packages" >/dev/null
    fi
    echo "$folder"
}
