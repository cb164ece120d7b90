# cluster.sh: what demo/run.sh, test/run.sh and bench/run.sh have in common.
# To be sourced by bash.
#
# Everything is made in one work folder: .demo, .test or .bench in the checkout,
# or a folder below /var/tmp where the unprivileged user who runs the server
# cannot reach the checkout (a clone in /root, say).  It holds
#
#   server/  a copy of the PostgreSQL installation, into which hospital is
#            installed.  PostgreSQL finds its libraries and its share folder
#            relative to its programs, so a copy works anywhere; the system's
#            own installation stays as it was, no root is needed after the
#            packages are there, and demo and tests may be of different ages.
#   build/   a copy of the sources, compiled there
#   pg/      the cluster (data), its socket (run), its log and its settings
#   data/    the hospital's data folder: exports and the lake
#   log/     what each long step said
#
# The folder itself and log/ belong to whoever called, the others to the server's
# user, so that root never writes where somebody else could have put a link.
#
# The server listens on a Unix socket in a folder of mode 0700 and on nothing
# else: who can open the folder needs no password, nobody else gets in.

set -euo pipefail

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
MARKER=.hospital-work
STARTED=$SECONDS

# Whatever the caller's environment says about another server is not for us.
for v in $(compgen -v PG); do
    [ "$v" = PG_CONFIG ] || unset "$v"
done
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES v
umask 022

# root's own programs (below /root) are no use to the user who runs the server.
if [ "$(id -u)" = 0 ]; then
    PATH=$(printf '%s' "$PATH" | tr ':' '\n' | grep -v -e '^/root/' -e "^${HOME:-/root}/" | paste -sd:)
fi

if [ -t 1 ]; then BOLD=$'\e[1m' PLAIN=$'\e[0m'; else BOLD='' PLAIN=''; fi

say()  { printf '%s\n' "$*"; }
head1() { printf '\n%s== %s%s\n' "$BOLD" "$*" "$PLAIN"; }
die()  { printf 'error: %s\n' "$1" >&2; shift; for l in "$@"; do printf '       %s\n' "$l" >&2; done; exit 1; }
now_ms() { date +%s%3N; }
seconds_since() { local d=$(( $(now_ms) - $1 )); printf '%d.%d' $((d / 1000)) $((d % 1000 / 100)); }

# ---- long steps ------------------------------------------------------------

STEP_PID=
stop_step() {
    if [ -n "$STEP_PID" ]; then
        kill -TERM -- "-$STEP_PID" 2>/dev/null || kill -TERM "$STEP_PID" 2>/dev/null || true
        sleep 0.5
        ! kill -0 "$STEP_PID" 2>/dev/null || printf '\nthis cannot be left half done, waiting for it to end\n' >&2
        wait "$STEP_PID" 2>/dev/null || true
        STEP_PID=
    fi
}
trap 'stop_step; printf "\ninterrupted; run the same command again to go on from here\n" >&2; exit 130' INT TERM HUP

last_line() { tail -n 8 "$1" 2>/dev/null | tr -c '[:print:]\n' ' ' | awk 'NF { last = $0 } END { print last }'; }

# long_step LABEL LOG COMMAND...: run it in a process group of its own with its
# output in LOG, and show that it is alive: a running clock on a terminal, a
# line every 15 seconds elsewhere.
long_step() {
    local label=$1 log=$2 began rc=0 ticks=0 last
    shift 2
    began=$(now_ms)
    [ -t 1 ] || say "   $label ..."
    set -m
    "$@" >"$log" 2>&1 </dev/null &
    STEP_PID=$!
    set +m
    while kill -0 "$STEP_PID" 2>/dev/null; do
        if [ -t 1 ]; then
            last=$(last_line "$log" | cut -c1-50)
            printf '\r\e[K   %s ... %ss  %s' "$label" "$(seconds_since "$began")" "$last"
        elif [ $((ticks % 75)) = 74 ]; then
            last=$(last_line "$log" | cut -c1-70)
            say "   $label ... $(seconds_since "$began") s  $last"
        fi
        ticks=$((ticks + 1))
        sleep 0.2
    done
    wait "$STEP_PID" || rc=$?
    STEP_PID=
    if [ -t 1 ]; then printf '\r\e[K'; fi
    if [ $rc != 0 ]; then
        say "   $label: failed after $(seconds_since "$began") s; from $log:"
        { grep -E '(error|Error|ERROR|E): ' "$log" | head -n 10; echo ...; tail -n 15 "$log"; } | cut -c1-160 | sed 's/^/   | /'
        return $rc
    fi
    say "   $label: $(seconds_since "$began") s"
}

# ---- users -----------------------------------------------------------------

# Who runs the server: PostgreSQL refuses root.  root uses the account that the
# package brings, "sudo make" the account it came from, anybody else himself.
choose_user() {
    if [ "$(id -u)" != 0 ]; then
        RUN_USER=$(id -un)
    elif [ -n "${SUDO_USER:-}" ] && [ "$SUDO_USER" != root ] && id "$SUDO_USER" >/dev/null 2>&1; then
        RUN_USER=$SUDO_USER
    elif id postgres >/dev/null 2>&1; then
        RUN_USER=postgres
    else
        die "there is no user \"postgres\" to run the server as" \
            "PostgreSQL refuses to run as root. Run this as an ordinary user, or make that user first."
    fi
    RUN_UID=$(id -u "$RUN_USER")
}

# Run as that user, without our lock and without the caller's home.
as_user() {
    if [ "$(id -u)" = "$RUN_UID" ]; then
        "$@" 9>&-
    else
        HOME=$WORK/home USER=$RUN_USER LOGNAME=$RUN_USER \
            setpriv --reuid="$RUN_USER" --regid="$(id -g "$RUN_USER")" --init-groups "$@" 9>&-
    fi
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# ---- what must be installed ------------------------------------------------

usable_pg_config() {
    local bindir
    bindir=$("$1" --bindir 2>/dev/null) && [ -x "$bindir/initdb" ] && [ -x "$bindir/postgres" ] &&
        [ -e "$("$1" --pgxs)" ] && [ -e "$("$1" --includedir-server)/postgres.h" ]
}

# PG_CONFIG of a server with headers; the newest version that we support.
find_postgres() {
    local n
    if [ -n "${PG_CONFIG:-}" ]; then
        usable_pg_config "$PG_CONFIG" ||
            die "PG_CONFIG=$PG_CONFIG is not a PostgreSQL server with its development files" \
                "Leave PG_CONFIG out to let this script find or install one."
        return 0
    fi
    for n in 18 17 16 15 14; do
        if usable_pg_config /usr/lib/postgresql/$n/bin/pg_config; then
            PG_CONFIG=/usr/lib/postgresql/$n/bin/pg_config
            return 0
        fi
    done
    if command -v pg_config >/dev/null && usable_pg_config "$(command -v pg_config)"; then
        PG_CONFIG=$(command -v pg_config)
        return 0
    fi
    return 1
}

has_header() { printf '#include <%s>\n' "$@" | gcc -E - >/dev/null 2>&1; }

# Sets MISSING; "test", "watch", "bench", "stream" or "kafka" as an argument asks for what only they need.
find_missing() {
    MISSING=()
    command -v gcc >/dev/null && has_header stdio.h || MISSING+=(gcc libc6-dev)
    command -v make >/dev/null || MISSING+=(make)
    perl -MTest::More -MText::ParseWords -e 1 2>/dev/null || MISSING+=(perl)
    command -v gcc >/dev/null && has_header librdkafka/rdkafka.h librdkafka/rdkafka_mock.h ||
        MISSING+=(librdkafka-dev)
    command -v gcc >/dev/null && has_header csv.h || MISSING+=(libcsv-dev)
    command -v gcc >/dev/null && has_header zlib.h || MISSING+=(zlib1g-dev)
    command -v gcc >/dev/null && has_header zstd.h || MISSING+=(libzstd-dev)
    # the page of the dashboards is served by it; the rest goes without
    if [ "$(id -u)" = 0 ] || command -v sudo >/dev/null; then command -v python3 >/dev/null || MISSING+=(python3); fi
    if [ "${1:-}" = test ] || [ "${1:-}" = watch ]; then
        perl -MIPC::Run -e 1 2>/dev/null || MISSING+=(libipc-run-perl)
    fi
    if [ "${1:-}" = test ]; then
        command -v python3 >/dev/null || MISSING+=(python3)
        # without it the HL7 validators are left out
        [ "$(id -u)" != 0 ] || python3 -c 'import ensurepip, venv' 2>/dev/null || MISSING+=(python3-venv)
    fi
    if [ "${1:-}" = test ] || [ "${1:-}" = kafka ]; then
        command -v kcat >/dev/null || MISSING+=(kcat)
        # Apache Kafka itself comes from Maven Central.
        command -v java >/dev/null || MISSING+=(default-jre-headless)
        command -v mvn >/dev/null || MISSING+=(maven)
    fi
    if [ "${1:-}" = stream ]; then
        command -v kcat >/dev/null || MISSING+=(kcat)
        # the others' programs come from Maven Central; one is compiled as it runs
        command -v javac >/dev/null || MISSING+=(default-jdk-headless)
        command -v mvn >/dev/null || MISSING+=(maven)
    fi
    # Faker is optional: where it cannot be installed its measurement is left out
    if [ "${1:-}" = bench ] && ! python3 -c 'import ensurepip, venv' 2>/dev/null && [ "$(id -u)" = 0 ]; then
        MISSING+=(python3-venv)
    fi
    find_postgres || MISSING+=(postgresql)
}

# "postgresql" stands for the server and headers of a version that apt has.
resolve_postgresql() {
    local n resolved=() p
    for p in "${MISSING[@]}"; do
        [ "$p" = postgresql ] || { resolved+=("$p"); continue; }
        # a version that is installed already wins, then the newest
        for n in $(ls /usr/lib/postgresql 2>/dev/null | sort -rn) 18 17 16 15 14; do
            [ "$n" -ge 14 ] 2>/dev/null && [ "$n" -le 18 ] || continue
            if [ "$(apt-cache policy "postgresql-$n" "postgresql-server-dev-$n" 2>/dev/null |
                    grep -c '^  Candidate: [^(]')" = 2 ]; then
                resolved+=("postgresql-$n" "postgresql-server-dev-$n")
                continue 2
            fi
        done
        die "apt knows no PostgreSQL of version 14 to 18" \
            "Add a source that has one (https://apt.postgresql.org), or install one yourself and say PG_CONFIG=..."
    done
    MISSING=("${resolved[@]}")
}

install_missing() {
    local tmp
    find_missing "$@"
    if [ ${#MISSING[@]} = 0 ]; then
        say "   packages: all there, nothing installed ($("$PG_CONFIG" --version))"
        return 0
    fi
    command -v apt-get >/dev/null ||
        die "not installed: ${MISSING[*]}" \
            "This script installs packages on Debian and Ubuntu only. Please install these by hand" \
            "(names are Debian's), then run it again, with PG_CONFIG=/path/to/pg_config if that is not in PATH."
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null && { sudo -n true 2>/dev/null || { [ -t 0 ] && sudo -v; }; } ||
            die "not installed: ${MISSING[*]}" \
                "Installing them needs root: run this as root or as a user who may use sudo, or have an" \
                "administrator install them (postgresql: the server and postgresql-server-dev of one version)."
    fi
    tmp=$(mktemp -d)
    if [ -z "$(ls /var/lib/apt/lists/*_Packages* 2>/dev/null)" ] ||
        [ -z "$(apt-cache policy libcsv-dev 2>/dev/null | grep '^  Candidate: [^(]')" ]; then
        long_step "fetching the package lists" "$tmp/update.log" as_root apt-get -q update ||
            die "apt-get update failed"
    fi
    resolve_postgresql
    say "   to be installed: ${MISSING[*]}"
    if ! long_step "installing packages" "$tmp/install.log" as_root bash "$TOP/demo/packages.sh" "${MISSING[@]}"; then
        # the lists may be older than the mirror
        long_step "fetching the package lists" "$tmp/update.log" as_root apt-get -q update &&
            long_step "installing packages, second try" "$tmp/install.log" \
                as_root bash "$TOP/demo/packages.sh" "${MISSING[@]}" ||
            die "the packages could not be installed" "What apt said is in $tmp/install.log."
    fi
    rm -rf "$tmp"
    find_missing "$@"
    [ ${#MISSING[@]} = 0 ] || die "still missing after installation: ${MISSING[*]}"
}

# ---- the work folder -------------------------------------------------------

work_candidates() {
    printf '%s\n' "$TOP/.$1" "/var/tmp/hospital-$1-$(id -u)-$(printf '%s' "$TOP" | cksum | cut -d' ' -f1)"
}

# Set WORK to the folder that an earlier run made; false when there is none.
find_work() {
    local w
    while read -r w; do
        if [ -e "$w/build" ] && [ -e "$w/$MARKER" ] && [ ! -L "$w" ]; then
            WORK=$w
            RUN_USER=$(stat -c %U "$w/build")
            RUN_UID=$(stat -c %u "$w/build")
            [ "$(id -u)" = 0 ] || [ "$(id -u)" = "$RUN_UID" ] ||
                die "$w belongs to user $RUN_USER" "Run this as that user or as root."
            [ "$RUN_UID" != 0 ] || [ "$2" = clean ] || die "$w was cut short while it was made" "Run make clean-$1, then start again."
            return 0
        fi
    done < <(work_candidates "$1")
    return 1
}

make_work() {
    local w
    if find_work "$1" use; then
        lock_work
        return 0
    fi
    choose_user
    WORK=/
    while read -r w; do
        if [ "$w" = "$TOP/.$1" ]; then
            # must the server's user be able to come here, and we to write here?
            (cd / && as_user test -x "$TOP") 2>/dev/null && [ -w "$TOP" ] || continue
        else
            say "   user $RUN_USER cannot reach $TOP: working in $w"
        fi
        # a run that was cut short right here leaves an empty folder, or a marker
        [ -L "$w" ] || [ ! -O "$w" ] || { rm -f "$w/$MARKER" "$w/.gitignore"; rmdir "$w"; } 2>/dev/null || true
        mkdir "$w" || die "cannot make the folder $w" "If it is not wanted, remove it."
        printf 'made by "make %s" in %s; "make clean-%s" removes it\n' "$1" "$TOP" "$1" > "$w/$MARKER"
        echo '*' > "$w/.gitignore"
        mkdir "$w/log" "$w/.new" "$w/.new/server" "$w/.new/data" "$w/.new/home" "$w/.new/pg" "$w/.new/build"
        chmod 700 "$w/.new/data" "$w/.new/pg"
        [ "$(id -u)" = "$RUN_UID" ] || chown "$RUN_USER:" "$w/.new"/*
        mv "$w/.new"/{server,data,home,pg} "$w/"
        mv "$w/.new/build" "$w/"            # last: that it is there says that all are
        rmdir "$w/.new"
        WORK=$w
        break
    done < <(work_candidates "$1")
    lock_work
}

# One run at a time.
lock_work() {
    exec 9>>"$WORK/$MARKER"
    flock -n 9 || die "another run is at work in $WORK" "Wait for it, or stop it first."
    cd "$WORK"
    choose_socket_folder
}

# ---- server and build ------------------------------------------------------

# A private copy of the installation, links to the headers.
copy_server() {
    local d stamp
    stamp="$PG_CONFIG $("$PG_CONFIG" --version) $(stat -c %Y "$("$PG_CONFIG" --bindir)/postgres")"
    BINDIR=$WORK/server$("$PG_CONFIG" --bindir)
    if [ "$(cat "$WORK/server/.copy-of" 2>/dev/null)" = "$stamp" ]; then
        return 0
    fi
    # a server of another version must not run on
    [ ! -x "$BINDIR/pg_ctl" ] || stop_cluster
    as_user find "$WORK/server" -mindepth 1 -delete
    for d in $("$PG_CONFIG" --bindir) $("$PG_CONFIG" --pkglibdir) $("$PG_CONFIG" --sharedir); do
        as_user mkdir -p "$WORK/server$d"
        as_user cp -a --no-preserve=ownership "$d/." "$WORK/server$d/"
    done
    for d in $("$PG_CONFIG" --includedir) $("$PG_CONFIG" --includedir-server) $("$PG_CONFIG" --libdir); do
        if [ ! -e "$WORK/server$d" ]; then
            as_user mkdir -p "$WORK/server$(dirname "$d")"
            as_user ln -s "$d" "$WORK/server$d"
        fi
    done
    printf '%s\n' "$stamp" | as_user tee "$WORK/server/.copy-of" >/dev/null
}

# Bring build/ up to date with the checkout, which its user need not be able to
# read; what was deleted there is deleted here.
SOURCES=(Makefile hospital.control src data sql expected test bench demo dashboards docs/security.md)
copy_sources() {
    local list=("${SOURCES[@]}") i
    for i in "${!list[@]}"; do
        [ -e "$TOP/${list[i]}" ] || unset "list[i]"
    done
    (cd "$TOP" && find "${list[@]}" hospital--*.sql -type f ! -name '*.o' ! -name '*.bc' ! -path src/reference_data.c |
        LC_ALL=C sort) > "$WORK/sources" 2>/dev/null || die "cannot list the sources in $TOP"
    (cd "$WORK/build" && for i in "${list[@]}"; do [ ! -e "$i" ] || find "$i" -type f ! -name '*.o' ! -path src/reference_data.c; done |
        LC_ALL=C sort | LC_ALL=C comm -13 "$WORK/sources" - | while read -r i; do as_user rm -f "$i"; done)
    tar -C "$TOP" -cf - -T "$WORK/sources" | as_user tar -C "$WORK/build" --no-same-owner -xf -
}

# build [LABEL [VARIABLE=VALUE...]]: compile and install into the private server.
build() {
    local label=${1:-"compiling and installing hospital"}
    shift || true
    long_step "$label" "$WORK/log/build.log" as_user make -C "$WORK/build" -j"$(nproc)" \
        PG_CONFIG="$BINDIR/pg_config" "$@" install
}

# What runs now: to know whether a server that is up is of an older build.
installed_sum() {
    cat "$BINDIR"/../lib/hospital*.so "$WORK/pg/hospital.conf" 2>/dev/null | cksum
}

# ---- the cluster -----------------------------------------------------------

memory_mb() {
    local m c
    m=$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)
    for c in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
        c=$(cat "$c" 2>/dev/null || true)
        case $c in
            ''|*[!0-9]*|????????????????*) ;;
            *) [ $((c / 1048576)) -ge "$m" ] || m=$((c / 1048576)) ;;
        esac
    done
    echo "$m"
}

free_mb() { df -Pm "$WORK" | awk 'NR == 2 { print $4 }'; }

# The socket's path may have 107 bytes at the most.
PORT=54320
choose_socket_folder() {
    SOCKETS=$WORK/pg/run
    if [ ${#SOCKETS} -gt 85 ]; then
        SOCKETS=/tmp/hospital-$RUN_UID-$(printf '%s' "$WORK" | cksum | cut -d' ' -f1)
    fi
}

# write_settings [LINE...]: the cluster's own settings, then the caller's.
write_settings() {
    local mb buffers work wal
    mb=$(memory_mb)
    if [ "$mb" -ge 4000 ]; then buffers=1GB work=512MB
    elif [ "$mb" -ge 1500 ]; then buffers=256MB work=128MB
    else buffers=128MB work=64MB
    fi
    wal=$(( $(free_mb) / 4 ))
    [ "$wal" -le 8192 ] || wal=8192
    [ "$wal" -ge 256 ] || wal=256
    {
        echo "# Written by demo/cluster.sh at each start."
        echo "listen_addresses = ''"
        echo "port = $PORT"
        echo "unix_socket_directories = '$SOCKETS'"
        echo "unix_socket_permissions = 0700"
        echo "shared_preload_libraries = 'hospital'"
        echo "shared_buffers = $buffers"
        echo "maintenance_work_mem = $work"
        echo "max_wal_size = ${wal}MB"
        echo "checkpoint_timeout = 15min"
        echo "max_worker_processes = 24"
        echo "fsync = on"
        echo "log_line_prefix = '%m [%p] %b '"
        echo "timezone = 'Africa/Johannesburg'"
        echo "hospital.data_folder = '$WORK/data'"
        printf '%s\n' "$@"
    } | as_user tee "$WORK/pg/hospital.conf" >/dev/null
}

make_cluster() {
    if [ -e "$WORK/pg/data/PG_VERSION" ]; then
        [ "$(cat "$WORK/pg/data/PG_VERSION")" = "$("$BINDIR/postgres" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')" ] ||
            die "the cluster in $WORK is of PostgreSQL $(cat "$WORK/pg/data/PG_VERSION"), the server of another version" \
                "Remove it first: make clean-${WORK##*.}"
        return 0
    fi
    as_user rm -rf "$WORK/pg/data.new"
    long_step "making a private cluster" "$WORK/log/initdb.log" as_user "$BINDIR/initdb" -D "$WORK/pg/data.new" \
        -U postgres -E UTF8 --locale=C.UTF-8 --auth-local=trust --auth-host=reject ||
        long_step "making a private cluster (locale C)" "$WORK/log/initdb.log" as_user bash -c \
            "rm -rf '$WORK/pg/data.new' && exec '$BINDIR/initdb' -D '$WORK/pg/data.new' -U postgres -E UTF8 --locale=C --auth-local=trust --auth-host=reject"
    echo "include '$WORK/pg/hospital.conf'" | as_user tee -a "$WORK/pg/data.new/postgresql.conf" >/dev/null
    as_user mv -T "$WORK/pg/data.new" "$WORK/pg/data"
}

cluster_runs() { as_user "$BINDIR/pg_ctl" -D "$WORK/pg/data" status >/dev/null 2>&1; }

# Leaves a server alone that is up and of this build.
start_cluster() {
    if cluster_runs; then
        if [ "$(cat "$WORK/log/runs" 2>/dev/null)" = "$(installed_sum)" ]; then
            say "   cluster: up already"
            return 0
        fi
        say "   cluster: library or settings have changed, restarting it"
        stop_cluster
    fi
    as_user mkdir -p -m 700 "$SOCKETS"
    [ "$(stat -c %u "$SOCKETS")" = "$RUN_UID" ] && [ ! -L "$SOCKETS" ] || die "$SOCKETS is not ours"
    if ! as_user "$BINDIR/pg_ctl" -D "$WORK/pg/data" -l "$WORK/pg/server.log" -w -t 120 start >"$WORK/log/start.log" 2>&1; then
        tail -n 20 "$WORK/pg/server.log" | sed 's/^/   | /'
        die "the server did not start" "Its log is $WORK/pg/server.log."
    fi
    installed_sum > "$WORK/log/runs"
    say "   cluster: started"
}

stop_cluster() {
    [ -e "$WORK/pg/data/postmaster.pid" ] || return 0
    as_user "$BINDIR/pg_ctl" -D "$WORK/pg/data" -m fast -w -t 60 stop >/dev/null 2>&1 ||
        as_user "$BINDIR/pg_ctl" -D "$WORK/pg/data" -m immediate -w -t 30 stop >/dev/null 2>&1 ||
        { ! cluster_runs || die "the cluster in $WORK/pg/data does not stop"; }
}

# ---- Apache Kafka ----------------------------------------------------------

# One node on loopback, by test/kafka/kafka.sh; it and its jars are in home/.
kafka_node() {
    as_user env HOSPITAL_TEST_CACHE="${HOSPITAL_TEST_CACHE:-$WORK/home/kafka-jars}" \
        bash "$WORK/build/test/kafka/kafka.sh" "$@"
}

# The process may be somebody else's by now, after a restart of the machine.
kafka_runs() {
    local pid
    pid=$(cat "$WORK/home/kafka/broker.pid" 2>/dev/null) &&
        grep -qsaF "$WORK/home/kafka/server.properties" "/proc/$pid/cmdline"
}

# Sets BROKER, the node's address; false, having said why, when there is none to be had.
start_kafka() {
    if kafka_runs; then
        say "   Apache Kafka: up already"
    else
        as_user rm -f "$WORK/home/kafka/broker.pid"
        long_step "fetching Apache Kafka, when it is not here yet" "$WORK/log/kafka.log" kafka_node jars &&
            long_step "starting Apache Kafka" "$WORK/log/kafka.log" kafka_node start "$WORK/home/kafka" || return 1
    fi
    BROKER=$(sed -n 's/^PLAINTEXT //p' "$WORK/home/kafka/addresses")
}

stop_kafka() {
    kafka_runs || return 0
    as_user timeout 60 bash "$WORK/build/test/kafka/kafka.sh" stop "$WORK/home/kafka" || kafka_node kill "$WORK/home/kafka"
}

# ---- the page of the dashboards --------------------------------------------

# The process may be somebody else's by now, after a restart of the machine.
page_runs() {
    local pid
    pid=$(cat "$WORK/home/page.pid" 2>/dev/null) &&
        grep -qsaF "$WORK/home/page.pid" "/proc/$pid/cmdline"
}

# start_page DATABASE ROLE: in the background, afresh each time; sets PAGE, its
# address, or leaves it empty, having said why there is none.
start_page() {
    local i
    PAGE=
    if ! command -v python3 >/dev/null; then
        say "   page: not served, python3 is not installed"
        return 0
    fi
    stop_page
    as_user rm -f "$WORK/home/page.address"
    as_user setsid -f env PGHOST="$SOCKETS" PGPORT="$PORT" PGDATABASE="$1" PGUSER="$2" PSQL="$BINDIR/psql" \
        python3 "$WORK/build/dashboards/page/page.py" serve --port "${PAGE_PORT:-8090}" --address-file "$WORK/home/page.address" \
        --pid-file "$WORK/home/page.pid" >"$WORK/log/page.log" 2>&1 </dev/null
    for i in $(seq 100); do
        PAGE=$(cat "$WORK/home/page.address" 2>/dev/null) && return 0
        sleep 0.1
    done
    tail -n 5 "$WORK/log/page.log" | sed 's/^/   | /'
    say "   page: not served; the above is the end of $WORK/log/page.log"
}

stop_page() {
    local pid i
    page_runs || return 0
    pid=$(cat "$WORK/home/page.pid")
    as_user kill "$pid" 2>/dev/null || true
    for i in $(seq 50); do
        page_runs || break
        sleep 0.1
    done
    as_user rm -f "$WORK/home/page.pid"
}

# psql without the user's own settings, stopping at the first error.
psql_do() {
    as_user "$BINDIR/psql" -X -v ON_ERROR_STOP=1 -h "$SOCKETS" -p "$PORT" -U postgres "$@"
}
query() { psql_do -qAt "$@"; }

# Stop what runs and remove what was made, nothing else.
clean_work() {
    if ! find_work "$1" clean; then
        say "nothing to remove: no folder that \"make $1\" made"
        return 0
    fi
    lock_work
    BINDIR=$(find "$WORK/server" -name pg_ctl -type f 2>/dev/null | head -n 1)
    BINDIR=${BINDIR%/pg_ctl}
    stop_page
    if [ -n "$BINDIR" ]; then stop_cluster; fi
    stop_kafka
    cd /
    case $SOCKETS in /tmp/hospital-*) rm -rf "$SOCKETS" ;; esac
    if mountpoint -q "$WORK/small" 2>/dev/null; then umount "$WORK/small"; fi
    # the marker goes last: cut short, this can be run again
    find "$WORK" -mindepth 1 -maxdepth 1 ! -name "$MARKER" -exec rm -rf {} +
    rm -rf "$WORK"
    say "removed $WORK"
}
