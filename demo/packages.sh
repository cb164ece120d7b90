#!/bin/bash
# packages.sh: install Debian or Ubuntu packages for the demo and the tests, as
# root, without leaving a cluster or a running service behind.
#
# usage: packages.sh PACKAGE...
#
# Installing postgresql-N makes a cluster "main" and starts it, and starts every
# other cluster that is set to start automatically.  Nobody asked for that, so
# for as long as this script runs createcluster.conf says that no cluster is to
# be made, and a policy-rc.d forbids starting services.  Both are put back
# however it ends; if it is killed outright, the next run puts them back.
set -euo pipefail

conf=/etc/postgresql-common/createcluster.conf
saved=$conf.hospital-saved
policy=/usr/sbin/policy-rc.d
policy_mark='# made by hospital, removed when its installation ends'

export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
apt=(apt-get -q -y --no-install-recommends -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confold)

put_back() {
    if [ -e "$saved" ]; then mv -f "$saved" "$conf"; fi
    if [ -e "$policy" ] && grep -qF "$policy_mark" "$policy"; then rm -f "$policy"; fi
}

[ "$(id -u)" = 0 ] || { echo "packages.sh must be run as root" >&2; exit 1; }
exec 8>/run/lock/hospital-packages.lock 2>/dev/null || exec 8>/tmp/.hospital-packages.lock
flock 8
put_back
trap put_back EXIT
trap 'exit 130' INT TERM HUP

# The downloads may be interrupted at any time, what follows may not.
"${apt[@]}" --download-only install "$@" 8>&-
trap '' INT TERM HUP

# An installation that was cut short (by us or anybody) must be finished first.
if [ -n "$(dpkg --audit)" ]; then
    dpkg --configure -a --force-confold
fi

if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\n%s\nexit 101\n' "$policy_mark" > "$policy"
    chmod 755 "$policy"
fi

# postgresql-common first: it brings createcluster.conf and makes no cluster.
case " $* " in
    *" postgresql-"[0-9]*)
        [ -e "$conf" ] || "${apt[@]}" install postgresql-common 8>&-
        cp -p "$conf" "$saved.new"
        mv -f "$saved.new" "$saved"
        echo "create_main_cluster = false" >> "$conf"
        ;;
esac
"${apt[@]}" install "$@" 8>&-
